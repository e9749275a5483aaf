"""README: its table of parameters is that of the program, its figures are those
that the demo measures, it names no file that is not there, and it says of each
parameter that nothing reads that this is so.

    python3 tests/run test_readme       prints the right table when one is wrong
    python3 tests/unit/test_readme.py --write       puts all into README; needs
        PYTHONPATH as tests/base.py says
"""

import os
import re
import sys
import textwrap

import base
import documented
import ha_lizard
from ha_lizard import DEPRECATED, LATER, NO_EFFECT, OURS, SETTINGS

cfg = base.load('ha-cfg', 'ha_cfg')

README = os.path.join(base.ROOT, 'README')
PROGRAM = os.path.join(base.ROOT, 'ha_lizard.py')
MARKS = {OURS: 'o', LATER: '2', DEPRECATED: 'd', NO_EFFECT: 'n'}
NAME_WIDTH, MARK_WIDTH, WIDTH = 30, 3, 98
#: rows of the table of figures: what it is about, options of the demo, its fault
FIGURES = (
    ('a slave of 3 dies', '', 'slave'),
    ('a slave of 2 dies', '--hosts 2 --fault slave', 'slave'),
    ('a slave of 2 dies, 10 VMs to start', '--hosts 2 --vms 24 --fault slave', 'slave'),
    ('the master of 3 dies', '', 'master'),
    ('the master of 3 dies, 10 VMs to start', '--hosts 3 --vms 30 --fault master', 'master'),
    ('the master of 2 dies', '--hosts 2 --fault master', 'master'),
    ('the master of 2 dies, 12 VMs to start', '--hosts 2 --vms 24 --fault master', 'master'),
)
FIGURES_HEAD = '    %-45s %8s %7s   %8s %7s %5s' % (
    'Fault, with a fence device that works', 'first VM', 'floor', 'last VM', 'floor', 'VMs')
#: what it is about, the sum of the waits and costs, the story whose log tells
STORIES = (
    ('POOL', 'a slave of 3 dies', 53, 's01-slave-dies-pool-3'),
    ('POOL', 'the master of 3 dies', 137, 's02-master-dies-pool-3'),
    ('POOL', 'the master of 2 dies', 114, 's02-master-dies-pool-2'),
    ('POOL', 'a slave of 3 is cut off', 53, 's04-isolated-slave-pool-3'),
    ('POOL', 'the master of 3 is cut off', 137, 's05-isolated-master-pool-3'),
    ('ILO', 'a slave of 3 is cut off', 39, 's04-isolated-slave-ilo-3'),
    ('ILO', 'the master of 3 is cut off', 123, 's05-isolated-master-ilo-3'),
    ('ILO', 'a slave and its device die, ONFAIL=1', 90, 's17-power-cord-with-bmc-onfail'),
)
STORIES_HEAD = '    %-6s %-37s %8s %6s   %s' % (
    'Method', 'fault', 'first VM', 'floor', 'story in tests/sim/scenarios/')
#: rows of the tables of fence methods that are no built-in of their own
OTHER_METHODS = ['ILO, telnet', 'IRMC, menu', 'fence_ipmilan', 'fence_ilo_ssh', 'NAME']
#: between the fixed parts of a sentence that a failed fence says
JOINTS = r'HOST(?: answers)?|WORDS|PROGRAM|\bN\b|\b(?:ssh|telnet)(?= failed)|, but'
UNREAD_TITLE = 'Stored, shown, checked, and not acted on yet:'


def readme():
    return ha_lizard.read_file(README, '')


def fencing():
    """The text of its section 5."""
    text = readme()
    return text[text.index('\n5  FENCING\n'):text.index('\n6  FILES AND NAMES\n')]


def table():
    """The lines of all parameters, as they belong into README."""
    lines = []
    for row in SETTINGS:
        lines.extend(entry(row))
    return '\n'.join(lines) + '\n'


def entry(row):
    """NAME=DEFAULT, marks, meaning; a long default has a line for itself."""
    name = '%s=%s' % (row.name, row.default)
    indent = ' ' * (2 + NAME_WIDTH + 1 + MARK_WIDTH + 1)
    meaning = textwrap.wrap(row.meaning, WIDTH - len(indent))
    first = '  %-*s %-*s ' % (NAME_WIDTH, name, MARK_WIDTH, marks(row))
    if len(name) > NAME_WIDTH:
        return [('  ' + name + ' ' + marks(row)).rstrip()] + [
            indent + line for line in meaning]
    return [first + meaning[0]] + [indent + line for line in meaning[1:]]


def marks(row):
    return (MARKS.get(row.where, '') + MARKS.get(row.fate, '')
            + 'r' * bool(row.restart))


def unread():
    """Parameters that the program knows and nowhere acts on."""
    text = ha_lizard.read_file(PROGRAM)
    start, end = text.index('\n# Settings: '), text.index('\n# Model: ')
    # The two main switches are read where the switches of the functions are.
    rest = text[:start] + text[text.index('    def wants_log'):text.index(
        '    def priority')].replace('self.', 'settings.') + text[end:]
    return [row.name for row in SETTINGS if row.fate != NO_EFFECT
            and not re.search(r'settings\.%s\b' % row.attribute, rest)]


def figures():
    """The table of what the demo measures, as it belongs into README."""
    demo, told, lines = base.load('tests/demo', 'demo'), {}, [FIGURES_HEAD]
    for title, words, fault in FIGURES:
        if words not in told:
            said = []
            demo.main(words.split(), said.append)
            told[words] = '\n'.join(said)
        lines.append('    %-45s %8s %7s   %8s %7s %5s' % (
            (title,) + measured(told[words], fault)))
    return '\n'.join(lines) + '\n'


def stories():
    """The table of what stories tell: their logs are compared by the suite."""
    lines = [STORIES_HEAD]
    for method, fault, floor, name in STORIES:
        text = ha_lizard.read_file(os.path.join(
            base.TESTS, 'sim', 'scenarios', name + '.txt'))
        first = int(re.search(r'(?m)^ *(\d+) \w+: done: start ', text).group(1))
        lines.append('    %-6s %-37s %8d %6d   %s' % (
            method, fault, first - 60, floor, name))     # each begins with `run 60`
    return '\n'.join(lines) + '\n'


def measured(output, fault):
    """(first, its floor, last, its floor, managed VMs) of one fault in a demo."""
    part = re.split(r'Seconds from the power cut of \w+, %s of ' % fault, output)[1]
    found = re.search(r'(?s), (\d+) managed\n.*?to the first VM +(\S+) +(\S+)\n'
                      r'.*?to the last VM +(\S+) +(\S+)\n', part)
    return found.groups()[1:] + found.groups()[:1]


def write():
    """Put the right tables in the place of those that begin like them."""
    text = readme()
    for right in (table(), figures(), stories()):
        first = re.match(r' +(\w|,| (?! )|=)*', right).group()
        place = text.index('\n' + first) + 1
        text = text[:place] + right + text[text.index('\n\n', place) + 1:]
    ha_lizard.write_file(README, text)


def commands():
    """The usage lines and the exit statuses in section 8."""
    text = readme()
    text = text[text.index('\n8  THE FIRST HOUR'):text.index('\n9  THE PARAMETERS')]
    return (re.findall(r'(?m)^    (ha-cfg \S.*)$', text[text.index('The actions'):]),
            re.findall(r'(?m)^    (\d+) +(.*)$', text))


class TestCommands(base.TestCase):
    """Section 8 is that of the table of ha-cfg."""

    def test_every_action_is_in_it_once(self):
        self.assertEqual(sorted([command.usage() for command in cfg.COMMANDS
                                 if not command.hidden]), sorted(commands()[0]))

    def test_every_exit_status_is_in_it(self):
        found = dict(commands()[1])
        for status, meaning in cfg.STATUSES:
            self.assertEqual(meaning, found['%d' % status][:len(meaning)])

    def test_every_key_of_json_is_in_it(self):
        found = {}
        for action, inner, key, _ in documented.rows():
            found.setdefault((action, inner), []).append(key)
        for action, lines in cfg.SCHEMAS.items():
            inner = [line.split(': ') for line in lines[1:]]
            for name, keys in inner:
                self.assertEqual(keys.split(), sorted(found.pop((action, name))))
            lists = [name for name, _ in inner]
            self.assertEqual([key for key in lines[0].split() if key not in lists],
                             sorted(found.pop((action, ''), [])))
        self.assertEqual({}, found)

    def test_the_order_is_that_of_the_manual(self):
        """Of those that it has."""
        names = [line.split()[1] for line in commands()[0]]
        manual = ('help insert remove log get set get-vm-ha set-vm-ha status backup restore email '
                  'email_debug').split()
        self.assertEqual(manual, [name for name in names if name in manual])
        self.assertEqual(manual, names[:len(manual)])


class TestReadme(base.TestCase):

    def test_the_figures_are_those_of_the_demo(self):
        right = figures()
        if right not in readme():
            self.fail('README has other figures of the demo; these are right:\n\n'
                      + right)

    def test_the_table_is_that_of_the_program(self):
        if table() not in readme():
            self.fail('README has another table of parameters; this is the right '
                      'one:\n\n' + table())

    def test_the_times_are_those_of_the_stories(self):
        if stories() not in readme():
            self.fail('README has other times of the stories; these are right:\n\n'
                      + stories())

    def test_every_fence_method_has_its_rows(self):
        methods = sorted(list(ha_lizard.FENCE_METHODS) + OTHER_METHODS)
        seconds = re.findall(r'(?m)^    (\S.*?)  +\S.* +\d+\.\d +\d+ +(\d+)(?: t)?$', fencing())
        self.assertEqual(sorted([name for name, _ in seconds]), methods)
        for name, most in seconds:
            self.assertEqual(float(most), {'POOL': 0.0}.get(name, ha_lizard.FENCE_TIMEOUT), name)
        failures = re.findall(r'(?m)^    (\S.*?)  +[a-i-]+(?: +[a-i-]+){8}$', fencing())
        self.assertEqual(sorted(failures + ['POOL']), methods)
        for word, right in (('9', False), ('10', True), ('120', True), ('121', False)):
            self.assertEqual(ha_lizard.is_budget(word), right)
        self.assertIn('timeout= on the line of the\ndevice, 10 to 120', fencing())

    def test_what_a_failed_fence_says_is_what_the_program_says(self):
        """tests/lab makes each method say it; this finds a sentence that was changed."""
        program = re.sub(r"'\n +'", '', ha_lizard.read_file(PROGRAM))
        rows = re.findall(r'(?m)^      [a-i]  (.*(?:\n {9}\S.*)*)', fencing())
        self.assertEqual(len(rows), 9)
        for sentence in ' / '.join([' '.join(row.split()) for row in rows]).split(' / '):
            for piece in re.split(JOINTS, sentence):
                self.assertIn(piece.strip(' ;:,'), program, 'nothing says: ' + sentence)

    def test_every_parameter_is_in_it_once(self):
        found = re.findall(r'(?m)^  ([A-Z][A-Z_]+)=', readme())
        self.assertEqual(sorted(found), sorted([row.name for row in SETTINGS]))

    def test_a_changed_row_is_noticed(self):
        row = SETTINGS[0]
        name, right = row.default, table()
        row.default = 'other'
        try:
            self.assertNotEqual(table(), right)
        finally:
            row.default = name

    def test_says_what_is_not_acted_on(self):
        match = re.search(re.escape(UNREAD_TITLE) + r'\n\n((?:  .*\n)+)', readme())
        self.assertEqual(sorted((match and match.group(1) or '').split()),
                         sorted(unread()))

    def test_names_only_files_that_exist(self):
        names = re.findall(r'(?<![\w/.-])(?:tests|fence|init\.d|\.ci)/[\w./-]+', readme())
        missing = [name for name in names
                   if not os.path.exists(os.path.join(base.ROOT, name.rstrip('.')))]
        self.assertEqual(missing, [])
        self.assertTrue(len(names) > 10)

    def test_the_commands_are_at_the_top(self):
        top = readme().splitlines()[:20]
        for command in ('python3 tests/demo', 'python3 tests/run'):
            self.assertTrue([line for line in top if line.strip().startswith(command)])

    def test_reads_well_in_100_columns(self):
        wide = [line for line in readme().splitlines() if len(line) > 100]
        self.assertEqual(wide, [])
        odd = re.findall('[^\\n -~]', readme())
        self.assertEqual(odd, [])


if __name__ == '__main__':
    if sys.argv[1:] == ['--write']:
        write()
    else:
        base.main()
