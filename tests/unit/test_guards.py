"""tests/guards on a made-up repository of one small decision."""

import os
import re
import shutil
import subprocess
import sys
import unittest

import base

RULER = '#' * 79
PRODUCT = '''
def before(x):
    if x:
        return x


%s
# Decisions %s
%s
# Pure.

def decide(a, b):
    if a > 1:
        return 'high'
    if (a == 1
            and b):
        return 'one and b'
    return [x for x in (a, b) if x] or 'nothing'


%s
# Actions %s
%s

def after(x):
    if x:
        return x
''' % (RULER, '#' * 67, RULER, RULER, '#' * 69, RULER)
TESTS = '''
import unittest
from ha_lizard import decide

class It(unittest.TestCase):
    def test_it(self):
        for a, b, wanted in (%s):
            self.assertEqual(decide(a, b), wanted)
'''
PLAY = '''
import os, sys
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(os.path.dirname(here)))
import ha_lizard
if sys.argv[1:] == ['--stop', here + '/scenarios/s01-one.txt']:
    sys.exit(ha_lizard.decide(2, 0) != 'high')
sys.exit('bad arguments')
'''
ALL = "(2, 0, 'high'), (1, 1, 'one and b'), (1, 0, [1]), (0, 1, [1])"
NO_HIGH = "(1, 1, 'one and b'), (1, 0, [1]), (0, 1, [1])"
GUARDS = ['decide: if a > 1', 'decide: if a == 1 and b', 'decide: a == 1, of a == 1 and b',
          'decide: b, of a == 1 and b', 'decide: for x if x']


def modern(test):
    return base.only_if(sys.version_info >= (3, 9), 'tests/guards needs Python 3.9')(test)


class Guards(base.TestCase):
    def run_guards(self, cases, files=(), *words):
        """tests/guards with tests of these cases: exit status, lines."""
        root = self.folder()
        files = dict(files)
        files.setdefault('ha_lizard.py', PRODUCT)
        files.setdefault('tests/guards', base.read(os.path.join(base.TESTS, 'guards')))
        files.setdefault('tests/unit/test_decide.py', TESTS % cases)
        for name in files:
            base.write(os.path.join(root, name), files[name])
        shutil.copy(os.path.join(base.TESTS, 'base.py'), os.path.join(root, 'tests'))
        child = subprocess.Popen(
            [sys.executable, '-W', 'error', os.path.join(root, 'tests', 'guards')] + list(words),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, close_fds=True)
        output = child.communicate()[0].decode('utf-8')
        for name in files:                  # the work tree is never touched
            self.assertEqual(base.read(os.path.join(root, name)), files[name])
        return child.returncode, output.splitlines()

    @modern
    def test_lists_the_guards_of_the_decisions_only(self):
        status, lines = self.run_guards(ALL, (), '--list')
        self.assertEqual(status, 0)
        self.assertEqual([re.sub(r'^ha_lizard\.py:\d+: ', '', line) for line in lines], GUARDS)

    @modern
    def test_a_tested_guard_is_killed(self):
        self.assertEqual(self.run_guards(ALL), (0, ['guards 5, killed 5, survivors 0']))

    @modern
    def test_a_guard_without_a_test_survives(self):
        self.assertEqual(self.run_guards(NO_HIGH), (1, [
            'ha_lizard.py:13: decide: if a > 1  # NOT EXCUSED',
            'guards 5, killed 4, survivors 1']))

    @modern
    def test_a_listed_survivor_is_excused(self):
        excuses = {'tests/guards.txt': '# why\n\ndecide: if a > 1  # it is only a joke\n'}
        self.assertEqual(self.run_guards(NO_HIGH, excuses), (0, [
            'ha_lizard.py:13: decide: if a > 1  # it is only a joke',
            'guards 5, killed 4, survivors 1']))

    @modern
    def test_an_excuse_that_is_not_needed_is_named(self):
        excuses = {'tests/guards.txt': 'decide: if a > 1  # it is only a joke\n'}
        self.assertEqual(self.run_guards(ALL, excuses), (0, [
            'tests/guards.txt: not needed: decide: if a > 1', 'guards 5, killed 5, survivors 0']))

    @modern
    def test_an_excuse_needs_a_reason(self):
        self.assertEqual(self.run_guards(ALL, {'tests/guards.txt': 'decide: if a > 1\n'})[0], 1)

    @modern
    def test_the_scenarios_kill_what_the_unit_tests_do_not(self):
        files = {'tests/sim/play': PLAY, 'tests/sim/scenarios/s01-one.txt': ''}
        self.assertEqual(self.run_guards(NO_HIGH, files),
                         (0, ['guards 5, killed 5, survivors 0']))

    @modern
    def test_a_deletion_that_hangs_is_killed(self):
        script = base.read(os.path.join(base.TESTS, 'guards'))
        self.assertIn('UNIT_LIMIT = 10 ', script)
        files = {'tests/guards': script.replace('UNIT_LIMIT = 10 ', 'UNIT_LIMIT = 1 '),
                 'tests/unit/test_decide.py': TESTS % NO_HIGH + (
                     '        while decide(2, 0) != "high":\n            pass\n')}
        self.assertEqual(self.run_guards(NO_HIGH, files, '--only', 'decide', '--jobs', '5'),
                         (0, ['guards 5, killed 5, survivors 0']))

    @modern
    def test_tests_that_fail_anyway_prove_nothing(self):
        status, lines = self.run_guards("(2, 0, 'low'),")
        self.assertEqual((status, lines[0]), (1, 'the tests fail with every guard in place:'))
        self.assertIn("'high' != 'low'", '\n'.join(lines))

    @modern
    def test_no_tests_kill_nothing(self):
        script = base.read(os.path.join(base.TESTS, 'guards'))
        files = {'tests/guards': script.replace('test_decide*.py', 'test_else*.py')}
        self.assertEqual(self.run_guards(ALL, files),
                         (1, ['no tests of the decisions: tests/unit/test_else*.py']))

    @modern
    def test_only_one_function(self):
        self.assertEqual(self.run_guards(ALL, (), '--only', 'decide', '--jobs', '1'),
                         (0, ['guards 5, killed 5, survivors 0']))
        self.assertEqual(self.run_guards(ALL, (), '--only', 'before'), (1, ['no guards there']))

    def test_an_old_python_says_so(self):
        if sys.version_info < (3, 9):
            self.assertEqual(self.run_guards(ALL), (2, ['tests/guards needs Python 3.9 or later']))

    def test_bad_words_exit_2(self):
        for words in (['--lst'], ['x'], ['--only'], ['--jobs', '0'], ['--jobs', 'x']):
            self.assertEqual(self.run_guards(ALL, (), *words)[0], 2)


if __name__ == '__main__':
    unittest.main()
