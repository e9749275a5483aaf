"""ha-cfg on a slave whose master is dead: every call of xe hangs."""

import os

import base
import ha_lizard
import ha_cfg_case
from served import CFG, PRODUCT

AT_ONCE = 8                         # processes of ha-cfg at the same time


class TestBrokenPool(ha_cfg_case.Case):
    """A slave whose master is dead: every xe hangs."""

    def test_every_action_ends_in_time(self):
        self.serve('vm v on b', 'ha on', 'set XE_TIMEOUT 1', host='b')
        self.program(PRODUCT + ['once'])
        self.served.story.play('power off a')
        path = os.path.join(self.folder(), 'saved')
        base.write(path, 'XAPI_COUNT=7\n')
        waiting = []
        for status, words in (
                (124, 'status'), (124, 'ha-status'), (124, 'get'), (124, 'get-vm-ha'),
                (124, 'cluster-status'), (124, 'check'), (3, 'check --nagios'), (124, 'set MAIL_ON 0'),
                (124, 'set-vm-ha v true'), (124, 'ha-enable'), (124, 'insert'), (124, 'remove --yes'),
                (124, 'backup ' + path), (124, 'restore --yes ' + path), (124, 'freeze 5'),
                (124, 'maintenance a on --yes'), (124, 'what-if master-dead'), (0, 'why v'), (0, 'history'),
                (0, 'recover'), (0, 'version'), (0, 'help'), (0, 'complete set-vm-ha v')):
            waiting.append((status, words.split()))
        # What starting so many takes on this machine, busy as it is just now.
        began = ha_lizard.clock()
        self.try_at_once([(0, ['version'])] * AT_ONCE, 60)
        start = ha_lizard.clock() - began
        while waiting:
            self.try_at_once(waiting[:AT_ONCE], 1 + 2 + 1 + 2 * start)
            del waiting[:AT_ONCE]
        self.assertIn('MAIL_ON=1\n', self.cfg('get')[1])

    def try_at_once(self, cases, seconds):
        """Each must end in that time."""
        began, running = ha_lizard.clock(), []
        nothing = open(os.devnull, 'r+')
        try:
            for status, words in cases:
                running.append((status, words, self.served.begin(
                    CFG + words, stdin=nothing, stdout=nothing, stderr=nothing)))
            self.served.until(lambda: not [each for each in running
                                           if each[2].poll() is None], seconds)
            took = ha_lizard.clock() - began
            self.served.turn(0)
            statuses = [each[2].poll() for each in running]
            self.assertEqual([case[0] for case in cases], statuses,
                             '%s of %s after %.1f s' % (statuses, cases, took))
            self.assertEqual([], [pid for pid in self.served.pids() if 'client.py' in (
                ha_lizard.read_file('/proc/%d/cmdline' % pid, ''))])
        finally:
            nothing.close()
