"""ha-cfg as real processes: what nothing but a process can show.

Its exit status, signals, its streams and the terminal, what others see of its
arguments, how long it really takes, and that nothing of it is left: ProcessCase
looks after each one.
"""

import os
import signal
import sys

import base
import ha_lizard
import test_ha_cfg_dead
from ha_cfg_case import FIELD, cfg, loaded
from ha_cfg_process import ProcessCase
from served import CFG, INSTALLED

#: each with its own way to the pool, or around it
DEAD = ('status', 'set', 'check', 'cluster-status', 'confirm-dead', 'email')


class TestCommands(ProcessCase):
    def test_a_day(self):
        """One after the other, with each exit status that the help names."""
        self.serve('vm v on b', 'set XE_TIMEOUT 3')
        self.found = {}
        self.note(0, 'version')
        self.note(1, 'what-if host-dead z')
        self.note(2, 'nonsense')
        self.assertIn('ha-lizard is disabled', self.note(3, 'status'))
        self.done('ha-enable')
        self.assertEqual('true', self.other(FIELD))
        self.assertEqual('enabled\n', self.note(4, 'ha-status'))
        self.once()
        self.assertIn('| ha-lizard is enabled', self.note(0, 'status'))
        self.assertEqual('XAPI_COUNT: 2 -> 3\n', self.done('set', 'XAPI_COUNT', '3'))
        self.assertEqual(('3', 'XAPI_COUNT=3\n'),
                         (self.other('HA_XAPI_COUNT'), self.done('get', 'XAPI_COUNT')))
        self.assertIn('red', loaded(self.note(4, 'check --json'))['worst'])
        self.note_that([('suspended', 'it had no quorum')])
        self.note(5, 'status')
        self.story.play('xapi hang a')
        self.note(124, 'get')
        self.note_interrupt()
        self.assertEqual([status for status, _ in cfg.STATUSES], sorted(self.found))

    def note(self, status, words):
        """The output of a command that must end so."""
        result = self.cfg(*words.split())
        self.assertEqual(status, result[0], (words, result))
        self.found[status] = words
        return result[1]

    def note_interrupt(self):
        """Ctrl-C while it waits for xe; the call is gone as well."""
        nothing = open(os.devnull, 'r+')
        try:
            process = self.served.begin(CFG + ['get'], stdin=nothing, stdout=nothing,
                                        stderr=nothing)
            self.until(lambda: len(self.served.clients) >= 3)
            os.kill(process.pid, signal.SIGINT)
            self.until(lambda: process.poll() is not None, 10)
        finally:
            nothing.close()
        self.found[process.wait()] = 'get, interrupted'
        self.until(lambda: not self.served.pids(), 5)

    def test_secrets_are_in_no_list_of_processes(self):
        self.serve()
        self.hand_over_a_secret()
        self.assertEqual(['host-list', 'pool-list', 'pool-param-set', 'vm-list'],
                         sorted(self.served.calls()))

    def test_under_its_old_name(self):
        self.serve('ha on')
        boot = self.text(ha_lizard.BOOT_ID).strip()
        self.host.files[ha_lizard.Notes.path] = ha_lizard.to_state(
            [('boot', boot), ('suspended', 'it had no quorum')])
        link = os.path.join(self.folder(), 'recover_fenced_host')
        os.symlink(os.path.join(INSTALLED, 'ha-cfg'), link)
        status, output, errors = self.program([sys.executable, link, '--yes'])
        self.assertEqual((0, ''), (status, errors))
        self.assertIn('HA operation is back to normal', output)
        self.assertIn('not suspended', self.done('recover'))

    def test_a_mail_server_that_is_not_there(self):
        self.serve()
        self.refused(1, ('email',), '127.0.0.1')

    def test_completion_that_has_to_ask_the_pool(self):
        """Before the first round there is no picture."""
        self.serve('vm v on b', 'latency 0.15')
        times = []
        for _ in range(10):
            del self.called()[:]
            # Own time: others may keep this machine busy, and then it gives up.
            began = sum(os.times()[2:4])
            if self.done('complete', 'set-vm-ha', 'v') == 'v\n':
                times.append(sum(os.times()[2:4]) - began)
                # All at the same time: one wait.
                self.assertEqual(['host-list', 'pool-list', 'vm-list'],
                                 sorted(self.served.calls()))
            if times and (min(times) + 0.15 < 0.4 or len(times) == 3):
                break
        self.assertTrue(times)
        self.assertLess(min(times) + 0.15, 0.4)


class TestTerminal(ProcessCase):
    def test_the_offer(self):
        self.serve()
        for answer, switch in (('yes', 'true'), ('', 'true'), ('yes', 'false')):
            ours, theirs = os.openpty()
            process = self.served.begin(CFG + ['status'], stdin=theirs, stdout=theirs, stderr=theirs)
            os.close(theirs)
            os.write(ours, (answer + '\n').encode('ascii'))
            self.served.until(lambda: process.poll() is not None, 20)
            self.assertEqual(0, process.wait())
            self.assertIn('Enter to quit>', ha_lizard.to_text(os.read(ours, 65536)))
            os.close(ours)
            self.assertEqual(switch, self.other(FIELD))


class TestOutput(ProcessCase):
    """Nowhere to write."""

    def redirected(self, redirection, *words):
        return self.program(['sh', '-c', 'exec "$@" ' + redirection, 'sh'] + CFG + list(words))

    def test_standard_output_is_closed(self):
        """For every action: test_ha_cfg_input."""
        self.serve('vm v on b')
        before = self.other()
        for words in ('get',), ('set', 'XAPI_COUNT', '3'), ('remove', '--yes'):
            status, output, errors = self.redirected('>&-', *words)
            self.assertEqual((1, '', 1), (status, output, errors.count('\n')))
            self.assertIn('standard output is closed; nothing was done', errors)
        self.assertEqual((before, []), (self.other(), self.called()))

    def test_standard_output_is_full(self):
        self.serve('vm v on b')
        for word in 'help', 'get', 'check':
            status, _, errors = self.redirected('>/dev/full', word)
            self.assertEqual((1, 1), (status, errors.count('cannot write: No space left')))

    def test_the_disk_is_full_at_a_backup(self):
        """What was saved before is still there, and nothing half beside it."""
        self.serve()
        path = os.path.join(self.folder(), 'saved')
        self.assertEqual(0, self.cfg('backup', path)[0])
        before = base.read(path)
        self.done('set', 'XAPI_COUNT', '3')
        self.assertLess(600, len(before))
        status, output, errors = self.program(
            ['sh', '-c', 'ulimit -f 1; exec "$@"', 'sh'] + CFG + ['backup', path])
        self.assertEqual((1, '', 1), (status, output, errors.count('\n')))
        self.assertIn('File too large', errors)
        self.assertEqual((before, ['saved']), (base.read(path),
                                               os.listdir(os.path.dirname(path))))


class TestBrokenPool(ProcessCase):
    """A slave whose master is dead: every xe hangs, for real."""

    def test_they_end_in_time(self):
        """For every action: test_ha_cfg_dead."""
        self.serve(*test_ha_cfg_dead.STORY, **{'host': 'b'})
        self.once()
        self.story.play('power off a')
        before = self.other()
        cases = [(test_ha_cfg_dead.ACTIONS[name][0],
                  [name] + test_ha_cfg_dead.ACTIONS[name][1].split()) for name in DEAD]
        for _ in range(3):              # a machine that is very busy may need them all
            # What starting so many takes on this machine, as it is just now.
            start = self.seconds_of([((0,), ['version'])] * len(cases))
            took = self.seconds_of(cases) - 1 - 2 * start
            if took < test_ha_cfg_dead.XE_TIMEOUT + 2:
                break
        self.assertLess(took, test_ha_cfg_dead.XE_TIMEOUT + 2)
        self.assertEqual(before, self.other())

    def seconds_of(self, cases):
        """Until all have ended that begin together, each as it should."""
        began, running = ha_lizard.clock(), []
        nothing = open(os.devnull, 'r+')
        try:
            for _, words in cases:
                running.append(self.served.begin(
                    CFG + words, stdin=nothing, stdout=nothing, stderr=nothing))
            self.served.until(lambda: None not in [each.poll() for each in running], 60)
            took = ha_lizard.clock() - began
            self.served.turn(0)
            self.assertEqual([], [(case, each.poll()) for case, each in zip(cases, running)
                                  if each.poll() not in case[0]], 'after %.1f s' % took)
            # No xe, nor anything else, is left.
            self.assertEqual([], self.served.pids())
        finally:
            nothing.close()
        return took


if __name__ == '__main__':
    import unittest
    unittest.main()
