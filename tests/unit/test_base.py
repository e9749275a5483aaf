"""The tools of the tests: base.py, and tests/run on made-up trees of tests."""

import os
import re
import shutil
import subprocess
import sys
import time
import unittest

import base
import ha_lizard

HEAD = 'import os, sys, time, base\n\nclass Some(base.TestCase):\n'
PASSES = HEAD + '    def test_it(self): self.assertEqual(1, 1)\n'
FAILS = HEAD + '    def test_it(self): self.assertEqual(1, 2)\n'
SKIPS = PASSES + ('    def test_left_out(self): self.fail()\n'
                  '    test_left_out = base.only_if(False, "no such thing")(test_left_out)\n')


def outcome(case):
    result = unittest.TestResult()
    case.run(result)
    return len(result.failures) + len(result.errors)


class TheBase(base.TestCase):
    def test_raised_returns_the_exception(self):
        self.assertEqual(str(self.raised(KeyError, {'y': 1}.pop, 'x')), "'x'")

    def test_raised_fails_when_nothing_is_raised(self):
        self.assertRaises(self.failureException, self.raised, KeyError, len, '')

    def test_raised_lets_other_exceptions_through(self):
        self.assertRaises(TypeError, self.raised, KeyError, len, 3)

    def test_assertions_fail_when_they_should(self):
        for method, args in (('assertIn', (1, [])), ('assertNotIn', (1, [1])),
                             ('assertIs', ([], [])), ('assertIsNot', (1, 1)),
                             ('assertIsNone', (0,)), ('assertIsNotNone', (None,)),
                             ('assertLess', (1, 1)), ('assertLessEqual', (2, 1))):
            self.assertRaises(self.failureException, getattr(self, method), *args)

    def test_assertions_pass_when_they_should(self):
        self.assertIn(1, [1])
        self.assertNotIn(1, [])
        self.assertIs(None, None)
        self.assertIsNot([], [])
        self.assertIsNone(None)
        self.assertIsNotNone(0)
        self.assertLess(1, 2)
        self.assertLessEqual(1, 1)

    def test_a_folder_goes_even_after_a_failure_and_a_tearDown_of_its_own(self):
        folders = []

        class Some(base.TestCase):
            def test_it(self):
                folders.append(self.folder())
                base.write(os.path.join(folders[0], 'a', 'b'), 'text')
                self.fail()

            def tearDown(self):
                pass

        self.assertEqual(outcome(Some('test_it')), 1)
        self.assertFalse(os.path.exists(folders[0]))

    def test_text_survives_write_and_read(self):
        path = os.path.join(self.folder(), 'deep', 'file')
        base.write(path, 'a\nb\n', int('600', 8))
        self.assertEqual(base.read(path), 'a\nb\n')
        self.assertEqual(os.stat(path).st_mode & int('777', 8), int('600', 8))

    def test_a_script_without_suffix_can_be_loaded(self):
        self.assertIn('def main', base.read(base.load('tests/run', 'tests_run').__file__))
        self.assertIs(base.load('tests/run', 'tests_run'), sys.modules['tests_run'])

    def test_a_test_that_forgets_its_root_cannot_touch_the_machine(self):
        self.assertFalse(os.path.isdir(os.environ['HA_LIZARD_ROOT']))
        self.assertIsNotNone(ha_lizard.Dom0().write('/etc/ha-lizard/a', 'text'))


class TheRunner(base.TestCase):
    def run_in(self, modules, *words):
        """tests/run on a tree of these {path: source}: exit status, output."""
        root = self.folder()
        for name in ('run', 'base.py'):
            base.write(os.path.join(root, 'tests', name), '')
            shutil.copy(os.path.join(base.TESTS, name), os.path.join(root, 'tests', name))
        for name in modules:
            base.write(os.path.join(root, 'tests', name), modules[name])
        child = subprocess.Popen(
            [sys.executable, '-W', 'error', os.path.join(root, 'tests', 'run')] + list(words),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, close_fds=True)
        output = child.communicate()[0]
        if not isinstance(output, str):
            output = output.decode('utf-8')
        return child.returncode, output

    def last(self, modules, *words):
        status, output = self.run_in(modules, *words)
        return status, output.splitlines()[-1]

    def test_all_pass(self):
        self.assertEqual(self.last({'unit/test_a.py': PASSES, 'sim/test_b.py': PASSES}),
                         (0, '2 passed, 0 failed, 0 skipped'))

    def test_one_failure_is_shown_in_full_and_exits_1(self):
        status, output = self.run_in({'unit/test_a.py': PASSES, 'sim/test_b.py': FAILS})
        self.assertEqual((status, output.splitlines()[-1]),
                         (1, '1 passed, 1 failed, 0 skipped'))
        self.assertIn('1 != 2', output)
        self.assertIn('in test_it', output)

    def test_what_is_skipped_is_counted_with_its_reason(self):
        status, output = self.run_in({'unit/test_a.py': SKIPS})
        self.assertEqual((status, output.splitlines()[-1]),
                         (0, '1 passed, 0 failed, 1 skipped'))
        self.assertIn('    1 skipped (no such thing)\n', output)

    def test_a_test_of_the_lab_may_not_be_left_out_but_for_an_excuse(self):
        excused = SKIPS.replace('no such thing', 'this kernel has no sysrq')
        self.assertNotEqual(excused, SKIPS)
        for modules, words, expected in (
                ({'lab/test_a.py': SKIPS}, ('lab',), (0, '1 passed, 0 failed, 1 skipped')),
                ({'lab/test_a.py': SKIPS}, ('lab', '--strict'), (1, '1 passed, 1 failed, 1 skipped')),
                ({'lab/test_a.py': excused}, ('lab', '--strict'), (0, '1 passed, 0 failed, 1 skipped')),
                ({'unit/test_a.py': SKIPS}, ('--strict',), (0, '1 passed, 0 failed, 1 skipped'))):
            self.assertEqual(self.last(modules, *words), expected)

    def test_what_failed_once_may_be_run_again(self):
        once = HEAD + ('    def test_it(self):\n'
                       '        path = __file__.rstrip("c") + ".seen"\n'
                       '        before = base.os.path.exists(path)\n'
                       '        open(path, "w").close()\n'
                       '        self.assertTrue(before)\n')
        for source, words, expected in (
                (once, (), (1, '0 passed, 1 failed, 0 skipped')),
                (once, ('--again',), (0, '1 passed, 0 failed, 0 skipped')),
                (FAILS, ('--again',), (1, '0 passed, 1 failed, 0 skipped'))):
            self.assertEqual(self.last({'unit/test_a.py': source}, *words), expected)

    def test_a_module_that_does_not_load_is_a_failure(self):
        for source in ('import no_such_module\n', 'def (\n', 'import os\nos._exit(0)\n',
                       PASSES + '        os.kill(os.getpid(), 9)\n', '"""Nothing."""\n'):
            self.assertEqual(self.last({'unit/test_a.py': source}),
                             (1, '0 passed, 1 failed, 0 skipped'))

    def test_a_failure_in_an_error_of_tearDown_is_one_failed_test(self):
        source = FAILS + '    def tearDown(self): raise KeyError(1)\n'
        self.assertEqual(self.last({'unit/test_a.py': source}),
                         (1, '0 passed, 1 failed, 0 skipped'))

    def test_a_child_that_a_test_lost_does_not_report(self):
        source = HEAD + ('    def test_it(self):\n'
                         '        if not os.fork(): self.fail()\n'
                         '        os.wait()\n')
        self.assertEqual(self.last({'unit/test_a.py': source}),
                         (0, '1 passed, 0 failed, 0 skipped'))

    def test_a_module_may_hang_no_longer_than_its_limit(self):
        source = HEAD + '    def test_it(self): time.sleep(60)\n'
        script = base.read(os.path.join(base.TESTS, 'run'))
        self.assertIn("'unit': 120", script)
        status, output = self.run_in({'unit/test_a.py': source,
                                      'run': script.replace("'unit': 120", "'unit': 1")})
        self.assertEqual((status, output.splitlines()[-1]),
                         (1, '0 passed, 1 failed, 0 skipped'))
        self.assertIn('killed after 1 seconds', output)

    def state_of(self, pid):
        try:
            return base.read('/proc/%s/stat' % pid).split()[2]
        except IOError:
            return 'gone'

    def test_what_a_test_left_running_ends_with_its_module(self):
        pid = os.path.join(self.folder(), 'pid')
        source = HEAD + ('    def test_it(self):\n'
                         '        child = os.fork()\n'
                         '        if not child: time.sleep(60); os._exit(0)\n'
                         '        base.write(%r, str(child))\n' % pid)
        self.assertEqual(self.last({'unit/test_a.py': source})[0], 0)
        end = ha_lizard.clock() + 10        # a kill is not over when it is sent
        while self.state_of(base.read(pid)) not in ('gone', 'Z') and ha_lizard.clock() < end:
            time.sleep(0.01)
        self.assertIn(self.state_of(base.read(pid)), ('gone', 'Z'))

    def test_words_choose_parts_and_modules(self):
        tree = {'unit/test_a.py': PASSES, 'sim/test_b.py': FAILS, 'lab/test_c.py': FAILS}
        self.assertEqual(self.last(tree, 'unit'), (0, '1 passed, 0 failed, 0 skipped'))
        self.assertEqual(self.last(tree, 'test_a'), (0, '1 passed, 0 failed, 0 skipped'))
        self.assertEqual(self.last(tree, 'unit', 'lab'), (1, '1 passed, 1 failed, 0 skipped'))

    def test_a_part_without_tests_counts_nothing(self):
        status, output = self.run_in({'unit/test_a.py': PASSES}, 'unit', 'lab', 'bench')
        self.assertEqual((status, output.splitlines()[-1]),
                         (0, '1 passed, 0 failed, 0 skipped'))
        self.assertIn('lab: no tests yet\n', output)
        self.assertIn('bench: no tests yet\n', output)

    def test_bad_words_exit_2(self):
        for words in (['units'], ['--pyton'], ['unit', '--python'], ['test_b'],
                      ['--python', '/no/such/python'], ['--python', '/bin/false']):
            self.assertEqual(self.run_in({'unit/test_a.py': PASSES}, *words)[0], 2)

    def test_interpreters_are_added_up(self):
        status, output = self.run_in({'unit/test_a.py': PASSES}, '--python',
                                     sys.executable, sys.executable)
        self.assertEqual((status, output.splitlines()[-1]),
                         (0, '2 passed, 0 failed, 0 skipped'))
        version = '%d.%d.%d' % tuple(sys.version_info[:3])
        self.assertTrue(re.search('(?m)^%s: 2 passed' % re.escape(version), output))


if __name__ == '__main__':
    unittest.main()
