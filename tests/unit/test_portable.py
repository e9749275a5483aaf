r"""Every file of ours compiles here, and uses nothing that Python 2.4 lacks.

Branches that no test reaches must work on Python 2.4 and 3.13 all the same, so
their text is searched for what is known to fail on one of them: RULES, one line
each, with an example that it must find and one that it must not.  A line that
ends in `# check24: ok` is exempt; names of the library are also exempt in a
`try` with `except ImportError` (or NameError, AttributeError).

It reads text, not syntax trees: Python 2.4 has none.
"""

import os
import re
import sys
import unittest

import base

# name, pattern of a logical line (strings emptied, comments gone), bad, good
RULES = (
    # -- syntax ----
    ('with', r'^with\b', 'with a: pass', 'x = "with a:"  # with a:'),
    ('future', r'^from __future__', 'from __future__ import division', 'x = __future__'),
    ('except as', r'^except\b.*\bas\b', 'except E as e: pass', 'except E: pass'),
    ('except comma', r'^except\s+[\w.]+\s*,', 'except E, e:', 'except (E, F):'),
    ('conditional', r'\bif\b.*\belse\b', 'x = (1 if a\n  else 2)', 'if a: x = 1\nelse: x = 2'),
    ('format', r'\.format\(|\bformat\(', '"{0}".format(1)', '"{0} %s" % format'),
    ('f-string', r"\b[rR]?[fF][rR]?''", 'f"{x}"', 'f("{x}")'),
    ('any', r'(?<![\w.])any\(', 'any([1])', 'def any(items): pass\nany([1])'),
    ('all', r'(?<![\w.])all\(', 'all([1])', 'from ha_lizard import all\nall([1]); re.all(1)'),
    ('min key', r'\b(min|max)\([^()]*\bkey\s*=', 'min(a, key=b)', 'min(sorted(a, key=b))'),
    ('print', r'^print\s+[^(=]|^print$', 'print x', 'print(x)'),
    ('print sep', r'^print\((?:[^(),]|\([^()]*\))*,', 'print(a, b)', 'print("%s, %s" % (a, b))'),
    ('bytes', r"\b[bB][rR]?''|\b[rR][bB]''|(?<![\w.])bytes\b", 'x = b"a"', 'x = "b"'),
    ('octal', r'(?<![\w.])0[0-7]+\b(?!\.)|\b0[oObB]\d', 'chmod(p, 0755)', '0 + 10 + 0.05 + 0xff'),
    ('new octal', r'\b0[oObB]\d', 'chmod(p, 0o755)', 'int("755", 8)'),
    ('set', r'\{[^{}:]+\}', 'x = {1, 2}', 'x = {1: 2, 3: {}}'),
    ('dict for', r'\{[^{}()\[\]]*:[^{}()\[\]]*\bfor\b', '{k: v for k in a}', '{k: [v for v in a]}'),
    ('star first', r'[(,]\s*\*\w[\w.]*,\s*\w+\s*=[^=]', 'f(a, *b, c=1)', 'f(a, c=1, *b)'),
    ('keyword-only', r'\bdef \w+\(.*\*\s*,', 'def f(a, *, b): pass', 'def f(a, *b): pass'),
    ('setter', r'^@\w+\.(setter|getter|deleter)\b', '@x.setter', '@property'),
    ('empty bases', r'^class \w+\(\)', 'class A(): pass', 'class A(object): pass'),
    ('yield value', r'[=(]\s*yield\b', 'x = yield 1', 'yield (x == 1)'),
    ('super', r'\bsuper\(\)', 'super().f()', 'super(A, self).f()'),
    ('raise comma', r'^raise\s+[\w.]+\s*,', 'raise E, 1', 'raise E(1, 2)'),
    ('raise from', r'^raise\b.*\bfrom\b', 'raise E from e', 'raise E("from")'),
    ('traceback', r'\.with_traceback\(', 'raise e.with_traceback(t)', 'raise e'),
    ('exec', r'^exec\s+[^(]|\bexec\(.*\b(globals|locals)\s*=', 'exec x in y', 'exec(x, y)'),
    ('execfile', r'\bexecfile\(|\bload_source\(', 'execfile(p)', 'exec(p, q)'),
    ('tuple parameter', r'\bdef \w+\(([^()=]*,\s*)?\(|\blambda\s*\(', 'def f(a, (b, c)): pass',
     'def f(a=(), b=()): pass'),
    ('backticks', r'`', 'x = `1`', 'x = "`1`"'),
    ('<>', r'<>', '1 <> 2', '1 != 2'),
    ('long', r'(?<![\w.])\d+[lL]\b', 'x = 1L', 'x = a1L'),
    ('is literal', r"\bis (not )?(\d|'')", 'x is 1', 'x is not None'),
    ('relative import', r'^from \.', 'from . import a', 'from a import b'),
    ('annotation', r'\)\s*->|\bdef \w+\([^()]*\w\s*:|^(?!else|try|finally)\w+\s*:\s*\w+\s*=',
     'def f(a: int): pass',
     'def f(a): return a[b:c]'),
    ('walrus', r':=', 'f(x := 1)', 'f(x=1)'),
    ('async', r'^(async|await|nonlocal)\b', 'async def f(): pass', 'asynchronous = 1'),
    ('star target', r'^(\w+,\s*)*\*\w+\s*[,=]', 'a, *b = c', 'a, b = c'),
    # -- values ----
    ('iteritems', r'\.(iter(items|keys|values)|has_key)\(', 'd.iteritems()', 'd.items()'),
    ('keys index', r'\.(keys|values|items)\(\)\[', 'd.keys()[0]', 'sorted(d)[0]'),
    ('map list', r'\b(map|filter|zip)\([^()]*\)\s*(\[|==)', 'map(a, b) == c', 'list(map(a, b)) == c'),
    ('cmp', r'\bcmp\s*=|(?<![\w.])cmp\(', 'sort(cmp=f)', 'sort(key=f)'),
    ('itemgetter', r'\b(item|attr)getter\([^()]*,', 'itemgetter(0, 1)', 'itemgetter(0)'),
    ('division', r'\b\d+ / \d+\b(?!\.)', 'x = 7 / 2', 'x = 7 // 2 + 7 / 2.0'),
    ('round', r'(?<![\w.])round\(', 'round(2.5)', 'iterate.round(2)'),
    ('partition', r'\.r?partition\(', 'a.partition("=")', 'a.split("=", 1)'),
    ('startswith', r'\.(starts|ends)with\(\(', 'a.startswith(("b", "c"))', 'a.startswith(b)'),
    ('next', r'(?<![\w.])next\(', 'next(i)', 'def next(i): pass'),
    ('enumerate', r'\benumerate\((?:[^()]|\([^()]*\))*,\s*[\w =]+\)', 'enumerate(f(a), 1)',
     'f(enumerate(a), 1)'),
    ('union', r'\.union\([^()]*,', 'set().union(a, b)', 'set().union(a)'),
    ('collections', r'\b(namedtuple|defaultdict|OrderedDict|Counter)\b', 'x = defaultdict(list)',
     'x = "defaultdict"'),
    ('late module', r'^(import|from)\s.*\b(functools|json|hashlib|uuid|argparse|contextlib|ssl|io'
     r'|abc|ast|ctypes|sqlite3|multiprocessing|pathlib|shlex\.quote|importlib)\b', 'import json',
     'try:\n    import json\nexcept ImportError:\n    json = None'),
    ('literal_eval', r'\bliteral_eval\b', 'ast.literal_eval(a)', 'a = "literal_eval"'),
    # -- text ----
    ('newlines', r'\buniversal_newlines\b|\bPopen\(.*\btext\s*=', 'Popen(a, universal_newlines=1)',
     'Popen(a, close_fds=True)'),
    ('encoding', r'\bopen\(.*\b(encoding|errors|newline)\s*=', 'open(p, encoding="utf-8")',
     'open(p, "rb")'),
    ('open read', r'(?<![\w.])open\([^()]*\)\.(read|write)', 'open(p).read()', 'read(open(p))'),
    ('send text', r"\.(communicate|send|sendall)\(''", 's.send("a")', 's.send(to_bytes("a"))'),
    # -- processes, network, time ----
    ('check_output', r'\b(check_output|check_call|DEVNULL|CompletedProcess)\b|\bsubprocess\.run\b',
     'subprocess.run(a)', 'dom0.run(a)'),
    ('popen timeout', r'\b(communicate|wait)\([^()]*\btimeout\s*=', 'p.communicate(timeout=5)',
     'p.communicate()'),
    ('session', r'\bstart_new_session\b|\bpass_fds\b', 'Popen(a, start_new_session=True)',
     'Popen(a, preexec_fn=os.setsid, close_fds=True)'),
    ('close_fds', r'\bPopen\((?!.*\bclose_fds\s*=\s*True)', 'Popen(a)', 'Popen(a, close_fds=True)'),
    ('monotonic', r'\bmonotonic\b|\bperf_counter\b', 'time.monotonic()', 'clock()'),
    ('connection', r'\bcreate_connection\b', 'socket.create_connection(a)', 'connect(a)'),
    ('late error', r'\b(FileNotFound|FileExists|Permission|Timeout|ProcessLookup|ChildProcess'
     r'|Interrupted|Connection\w*|BrokenPipe|ModuleNotFound)Error\b', 'except FileNotFoundError: pass',
     'except OSError: pass'),
    ('mail timeout', r'\b(SMTP|SMTP_SSL|urlopen)\(.*\btimeout\s*=', 'SMTP(a, timeout=5)',
     'with_timeout(5, SMTP, a)'),
    ('renamed module', r'^(import|from)\s.*\b(email\.(mime|MIME|[uU]tils|Header|header)\w*|urllib2'
     r'|urllib\.request|urllib\.parse|urlparse|xmlrpclib|xmlrpc|httplib|http|Queue|queue'
     r'|ConfigParser|configparser|StringIO|cStringIO|SocketServer|socketserver|BaseHTTPServer)\b',
     'import Queue', 'try:\n    import queue\nexcept ImportError:\n    import Queue as queue'),
    ('ConfigParser', r'\bSafeConfigParser\b|\.readfp\(', 'SafeConfigParser()', 'RawConfigParser()'),
    ('lost module', r'^(import|from)\s+(telnetlib|pipes|imp|cgi|crypt|asyncore|asynchat|smtpd'
     r'|commands|distutils|md5|sha|popen2)\b', 'import telnetlib', 'import tempfile'),
    ('thread', r'\.(isAlive|is_alive|setDaemon)\(', 't.setDaemon(1)', 't.start()'),
    ('warn', r'\blog\w*\.warn\(', 'log.warn("a")', 'log.warning("a"); warnings.warn("b")'),
    ('late os', r'\bexist_ok\b|\bos\.(replace|scandir|cpu_count)\b|\bshutil\.which\b|\.relpath\('
     r'|\bgetfqdn_ex\b', 'os.replace(a, b)', 'os.rename(a, b)'),
    # -- unittest ----
    ('old assertion', r'\bself\.(assert_|assertEquals|assertNotEquals|assertAlmostEquals|fail(Unless|If)'
     r'\w*)\(', 'self.assertEquals(a, b)', 'self.assertEqual(a, b)'),
    ('late assertion', r'\bself\.assert(Greater\w*|\w*Regex\w*|CountEqual|ItemsEqual|\w*IsInstance|Logs'
     r'|Warns|MultiLineEqual|SequenceEqual|ListEqual|DictEqual|SetEqual|TupleEqual)\(',
     'self.assertGreater(a, b)', 'self.assertLess(b, a)'),
    ('assertRaises', r'\bself\.assertRaises\([\w.]+\)', 'c = self.assertRaises(E)',
     'self.assertRaises(E, f)'),
    ('late unittest', r'\b(unittest\.skip\w*|unittest\.expectedFailure|SkipTest|makeSuite|addCleanup'
     r'|setUpClass|tearDownClass|subTest|skipTest|setUpModule)\b', '@unittest.skip("a")',
     '@base.only_if(a, "b")'),
)
# The same, for what takes more than one line: see the functions below.
BLOCKS = (
    ('try except finally', 'try:\n    a\nexcept E:\n    b\nfinally:\n    c',
     'try:\n    try:\n        a\n    except E:\n        b\nfinally:\n    c'),
    ('yield in try', 'try:\n    yield 1\nfinally:\n    a',
     'try:\n    a\nfinally:\n    b\nyield 1'),
    ('class decorator', '@a\nclass B(object):\n    pass', '@a\ndef b():\n    pass'),
    ('swallows exit', 'try:\n    a\nexcept Exception:\n    b',
     'try:\n    a\nexcept (KeyboardInterrupt, SystemExit):\n    raise\nexcept Exception:\n    b'),
    ('swallows exit', 'try:\n    a\nexcept:\n    b(sys.exc_info()[1])',
     'try:\n    a\nexcept:\n    b(sys.exc_info())'),
    ('swallows exit', 'try:\n    try:\n        a\n    except:\n        b\nfinally:\n    c',
     'try:\n    try:\n        a\n    except:\n        b\nfinally:\n    os._exit(1)'),
    ('swallows exit', 'try:\n    a\nexcept:\n    b', 'try:\n    a\nexcept:\n    b\n    raise'),
)
GUARDS = re.compile(r'^except\b.*\b(ImportError|NameError|AttributeError)\b')
PASSES_ON = re.compile(r'\braise$|\b_exit\(|\bexc_info\(\)(?!\[)')
EXEMPT = '# check24: ok'
STRING_OR_COMMENT = re.compile(r'''(?s)"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\'
    |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\#[^\n]*''', re.VERBOSE)

LONGEST, MEDIAN, COLUMNS = 40, 8, 120
IMPURE = re.compile(
    r'\b(site|dom0|subprocess|socket|select|syslog|signal|clock|read_file|write_file)\b'
    r'|(?<![\w.])(time|os|sys)\.|(?<![\w.])open\(')
MACHINE = re.compile(r'(^|[^a-zA-Z0-9_])/(root|work|farm)/')
RULER = '#' * 79


class Line(object):
    """A logical line: its first and last number, its indentation, its code."""

    def __init__(self, first, last, text):
        self.first, self.last = first, last
        self.indent = len(text) - len(text.lstrip())
        self.text = re.sub(r'\s+', ' ', text.strip())


def without_strings(source):
    """The source with every string emptied and every comment gone."""
    def empty(match):
        text = match.group()
        lines = '\n' * text.count('\n')
        if text.startswith('#'):
            return ''
        if lines:                           # keep the count of lines, as one logical one
            return "(''%s)" % lines
        return "''"
    return STRING_OR_COMMENT.sub(empty, source)


def logical_lines(source):
    lines, first, depth, text = [], 1, 0, ''
    for number, line in enumerate(without_strings(source).split('\n')):
        if not text:
            first = number + 1
        text += line.rstrip('\\') + ' '
        depth += len(re.findall(r'[(\[{]', line)) - len(re.findall(r'[)\]}]', line))
        if depth <= 0 and not line.endswith('\\'):
            if text.strip():
                lines.append(Line(first, number + 1, text.rstrip()))
            text, depth = '', 0
    return lines


def clauses(lines, place):
    """The lines of the same `try` before lines[place] that stand on its level,
    from the nearest on to the `try` itself."""
    found = []
    for line in lines[:place][::-1]:
        if line.indent < lines[place].indent:
            break
        if line.indent == lines[place].indent:
            found.append(line)
            if line.text.startswith('try'):
                break
    return found


def block(lines, place):
    """The lines that belong to lines[place], and that line."""
    end = place + 1
    while end < len(lines) and lines[end].indent > lines[place].indent:
        end += 1
    return lines[place:end]


def is_guarded(lines, place):
    """Is it in a `try` that expects the name to be missing, or in its handler?"""
    indent = lines[place].indent
    for start in range(place, -1, -1):
        if lines[start].indent < indent:
            indent = lines[start].indent
            if lines[start].text.startswith('try'):
                handler = start + len(block(lines, start))
                return handler < len(lines) and bool(GUARDS.match(lines[handler].text))
            if GUARDS.match(lines[start].text):
                return True
    return False


def findings(source):
    """[(number of the line, name of the rule)]"""
    raw, lines = source.split('\n'), logical_lines(source)
    defined = [line.text for line in lines if re.match(r'(def|from .* import)\b', line.text)]
    found = []
    for place, line in enumerate(lines):
        names = [name for name, pattern, _, _ in RULES if re.search(pattern, line.text)]
        names += names_of_blocks(lines, place)
        if names and is_guarded(lines, place):
            names = [name for name in names if not name.endswith('module')]
        names = [name for name in names if not [
            text for text in defined if re.search(r'(def|import)\b.*\b%s\b' % re.escape(name), text)]]
        if raw[line.last - 1].endswith(EXEMPT):
            names = []
        found += [(line.first, name) for name in names]
    return found


def names_of_blocks(lines, place):
    names, text = [], lines[place].text
    above = clauses(lines, place)
    if text.startswith('finally') and [each for each in above if each.text.startswith('except')]:
        names.append('try except finally')
    if text.startswith('finally') and yields_before(lines, place):
        names.append('yield in try')
    if text.startswith('class ') and above and above[0].text.startswith('@'):
        names.append('class decorator')
    if re.match(r'except( Exception| BaseException)?:', text) and not lets_exit_through(lines, place):
        names.append('swallows exit')
    return names


def yields_before(lines, place):
    above = clauses(lines, place)
    start = lines.index(above[-1])
    return [line for line in lines[start:place] if re.search(r'\byield\b', line.text)]


def lets_exit_through(lines, place):
    """Does KeyboardInterrupt get past this handler, or end the process there?"""
    above = [each.text for each in clauses(lines, place) if each.text.startswith('except')]
    inside = block(lines, place)
    end = place + len(inside)
    if end < len(lines) and lines[end].text.startswith('finally'):
        inside += block(lines, end)
    return ([text for text in above if 'KeyboardInterrupt' in text and 'SystemExit' in text]
            or [line for line in inside if PASSES_ON.search(line.text)])


def functions(source):
    """[(lines, name)] of every function."""
    lines, found = logical_lines(source), []
    for place, line in enumerate(lines):
        match = re.match(r'def (\w+)', line.text)
        if match:
            last = block(lines, place)[-1].last
            found.append((last - line.first + 1, match.group(1)))
    return found


def sections(source):
    """[(first word of the banner in lower case, the text below it)]"""
    parts = re.split(r'(?m)^#{79}\n# (\w+).*\n#{79}\n', source)
    return [(name.lower(), text) for name, text in zip(parts[1::2], parts[2::2])]


# -- the files ----

def files():
    """Every file of the repository, as a path from its root."""
    found = []
    for folder, folders, names in os.walk(base.ROOT):
        folders[:] = sorted([name for name in folders if name not in ('.git', '__pycache__')])
        found += [os.path.join(folder, name)[len(base.ROOT) + 1:] for name in sorted(names)
                  if name != '.git' and not name.endswith('.pyc') and not name.endswith('.pyo')]
    return found


def scripts(kind, skip=('tests/lab/', 'tests/bench/', 'tests/fixtures/')):
    """{path: source} of the scripts of that kind: a suffix, or the first line."""
    found = {}
    for path in files():
        if [folder for folder in skip if path.startswith(folder)]:
            continue
        suffix = os.path.splitext(os.path.basename(path))[1]
        if suffix not in ('', '.py', '.sh', '.mon'):
            continue
        source = base.read(os.path.join(base.ROOT, path))
        if suffix == '.' + kind or re.match(r'#!.*\b(python|%s)' % kind, source) and (
                ('python' in source.split('\n')[0]) == (kind == 'py')):
            found[path] = source
    return found


def product():
    """{path: source} of what is shipped, as far as it is there."""
    return dict([(path, source) for path, source in scripts('py').items()
                 if path in ('ha_lizard.py', 'ha-cfg')])


def sections_of_product():
    return sections(product().get('ha_lizard.py', ''))


def problems_of(path, source):
    try:
        compile(source + '\n', path, 'exec')
    except SyntaxError:
        return [sys.exc_info()[1]]
    return []


class EveryFile(base.TestCase):
    def none(self, problems):
        self.assertEqual('\n'.join(problems), '')

    def test_compiles(self):
        self.none(['%s:%s: %s' % (path, problem.lineno, problem.msg)
                   for path, source in sorted(scripts('py').items())
                   for problem in problems_of(path, source)])

    def test_is_ascii_without_tabs(self):
        self.none(['%s:%d: %r' % (path, source[:match.start()].count('\n') + 1, match.group())
                   for path, source in sorted(scripts('py').items())
                   for match in re.finditer(r'[^\n -~]', source)])

    def test_keeps_the_rules(self):
        self.none(['%s:%d: %s' % (path, number, name)
                   for path, source in sorted(scripts('py').items())
                   for number, name in findings(source)])

    def test_is_narrow(self):
        both = list(scripts('py').items()) + list(scripts('sh').items())
        self.none(['%s:%d: %d columns' % (path, number + 1, len(line))
                   for path, source in sorted(both)
                   # Its transcripts are xe's own lines, to the byte.
                   if path != 'tests/sim/test_xe.py'
                   for number, line in enumerate(source.split('\n')) if len(line) > COLUMNS])

    def test_names_no_path_of_a_machine(self):
        self.none(['%s:%d: %s' % (path, number + 1, line)
                   for path in files() if not path.startswith('tests/fixtures/')
                   for number, line in enumerate(base.read(
                       os.path.join(base.ROOT, path)).split('\n')) if MACHINE.search(line)])


class TheProduct(base.TestCase):
    def test_has_no_long_function(self):
        self.assertEqual([(path, name, size) for path, source in sorted(product().items())
                          for size, name in functions(source) if size > LONGEST], [])

    def test_has_short_functions(self):
        for path, source in sorted(product().items()):
            sizes = sorted([size for size, _ in functions(source)])
            if sizes:
                self.assertLessEqual(sizes[len(sizes) // 2], MEDIAN, '%s: median %d lines' % (
                    path, sizes[len(sizes) // 2]))

    def test_decides_without_touching_the_machine(self):
        self.assertEqual([(name, line.text) for name, text in sections_of_product()
                          if name in ('model', 'decisions')
                          for line in logical_lines(text) if IMPURE.search(line.text)], [])

    def test_has_its_sections_in_the_order_that_its_docstring_names(self):
        source = product().get('ha_lizard.py', '')
        named = re.findall(r'(?m)^    ([a-z]\w*)   +\S', source.split('"""')[1:2] and
                           source.split('"""')[1] or '')
        self.assertEqual([name for name, _ in sections(source)], named)

    def test_has_banners_of_one_form(self):
        lines = product().get('ha_lizard.py', '').split('\n')
        rulers = [number for number, line in enumerate(lines) if line.startswith('#' * 60)]
        self.assertEqual([lines[number] for number in rulers if lines[number] != RULER], [])
        for above, below in zip(rulers[::2], rulers[1::2]):
            self.assertEqual((below - above, len(lines[above + 1])), (2, 79), lines[above + 1])


class TheseChecks(base.TestCase):
    def names(self, source):
        return [name for _, name in findings(source)]

    def test_every_rule_finds_its_bad_example_and_not_its_good_one(self):
        for name, bad, good in [(rule[0],) + rule[2:] for rule in RULES] + list(BLOCKS):
            self.assertIn(name, self.names(bad))
            self.assertNotIn(name, self.names(good))

    def test_every_good_example_is_good_for_all(self):
        for good in [rule[-1] for rule in RULES + BLOCKS if rule[0] != 'next']:
            self.assertEqual(self.names(good), [], good)

    def test_a_marked_line_is_exempt(self):
        self.assertEqual(self.names('x = b"a"  ' + EXEMPT), [])

    def test_the_handler_of_a_guard_is_guarded_too(self):
        self.assertEqual(self.names('try:\n    a\nexcept NameError:\n    import json'), [])
        self.assertEqual(self.names('try:\n    import json\nexcept KeyError:\n    a'),
                         ['late module'])

    def test_numbers_of_lines_survive_long_strings(self):
        self.assertEqual(findings('"""a\nb\nc"""\n# it\'s\nx = f(a,\n  b"c")\n'), [(5, 'bytes')])

    def test_functions_are_measured(self):
        self.assertEqual(functions('def a(b,\n      c):\n    """d\n    e"""\n\n    if f:\n'
                                   '        g\n\n\n# h\ndef i(): j\n'), [(7, 'a'), (1, 'i')])

    def test_sections_are_found(self):
        banner = '%s\n# Dom0: all %s\n%s\n' % (RULER, '#' * 67, RULER)
        self.assertEqual(sections('a\n' + banner + 'b\n'), [('dom0', 'b\n')])

    def test_impure_and_pure(self):
        for line in ('site.x', 'f(dom0)', 'time.time()', 'os.path', 'open(p)', 'clock()'):
            self.assertTrue(IMPURE.search(line), line)
        for line in ('website', 'settings.time.x', 'uptime.x', 'is_open(a)', 'view.now'):
            self.assertFalse(IMPURE.search(line), line)

    def test_paths_of_machines(self):
        for name in ('root', 'work', 'farm'):
            self.assertTrue(MACHINE.search('"/%s/x"' % name))
        self.assertFalse(MACHINE.search('/etc/root/x or /roots/'))

    def test_scripts_without_suffix_are_found(self):
        self.assertIn('tests/run', scripts('py'))
        self.assertNotIn('tests/run', scripts('sh'))
        self.assertNotIn('LICENSE', list(scripts('py')) + list(scripts('sh')))


if __name__ == '__main__':
    unittest.main()
