"""ha-cfg on a slave whose master is dead: every call of xe hangs."""

import os

import base
import ha_lizard
import ha_cfg_case
from ha_cfg_case import cfg
from served import CFG, PRODUCT

AT_ONCE = 8                         # processes of ha-cfg at the same time
XE_TIMEOUT = 1                      # seconds, of this pool
#: of every action: the exit statuses that are right, and its arguments
ACTIONS = {
    'help': ((0,), ''), 'version': ((0,), ''), 'completion': ((0,), ''),
    'complete': ((0,), 'set-vm-ha v'), 'why': ((0,), 'v'), 'history': ((0,), '--since 1h'),
    'recover': ((0,), '--yes'), 'log': ((0,), '--no-follow'),
    'confirm-dead': ((1,), 'a --yes'), 'status': ((124,), ''), 'ha-status': ((124,), ''),
    'cluster-status': ((124,), ''), 'get': ((124,), ''), 'get-vm-ha': ((124,), ''),
    'check': ((124,), ''), 'what-if': ((124,), 'master-dead'), 'set': ((124,), 'MAIL_ON 0'),
    'set-quiet': ((124,), 'MAIL_ON 0'), 'set-vm-ha': ((124,), 'v true'),
    'ha-enable': ((124,), ''), 'ha-disable': ((124,), ''), 'insert': ((124,), ''),
    'remove': ((124,), '--yes'), 'backup': ((124,), 'FILE'), 'restore': ((124,), 'FILE --yes'),
    'restore-default': ((124,), '--yes'), 'freeze': ((124,), '5'),
    'maintenance': ((124,), 'a on --yes'),
    # Mail needs no pool, but this one has no mail server.
    'email': ((1, 124), ''), 'email_debug': ((1, 124), ''),
    'show-alerts': ((124,), ''), 'clear-alerts': ((124,), ''), 'raise-alert': ((124,), 'text 3'),
}
#: and with what the options of some ask for
MORE = (((124,), 'status --json'), ((124,), 'status --watch'), ((124,), 'cluster-status --json'),
        ((124,), 'get --json'), ((124,), 'get -l'), ((124,), 'get-vm-ha --json'),
        ((124,), 'check --json'), ((3,), 'check --nagios'), ((0,), 'history --json'),
        ((124,), 'what-if isolated b --json'))


class TestBrokenPool(ha_cfg_case.Case):
    """A slave whose master is dead: every xe hangs."""

    def test_every_action_ends_in_time(self):
        self.assertEqual(sorted([command.name for command in cfg.COMMANDS]), sorted(ACTIONS))
        self.serve('vm v on b', 'ha on', 'set XE_TIMEOUT %d' % XE_TIMEOUT, host='b')
        self.program(PRODUCT + ['once'])
        self.served.story.play('power off a')
        before = self.other()
        path = os.path.join(self.folder(), 'saved')
        base.write(path, 'XAPI_COUNT=7\n')
        waiting = [(statuses, ([name] + words.replace('FILE', path).split()))
                   for name, (statuses, words) in sorted(ACTIONS.items())]
        waiting += [(statuses, words.split()) for statuses, words in MORE]
        # What starting so many takes on this machine, busy as it is just now.
        began = ha_lizard.clock()
        self.try_at_once([((0,), ['version'])] * AT_ONCE, 60)
        start = ha_lizard.clock() - began
        while waiting:
            self.try_at_once(waiting[:AT_ONCE], XE_TIMEOUT + 2 + 1 + 2 * start)
            del waiting[:AT_ONCE]
        self.assertIn('MAIL_ON=1\n', self.cfg('get')[1])
        self.assertEqual((before, 'XAPI_COUNT=7\n'), (self.other(), base.read(path)))

    def try_at_once(self, cases, seconds):
        """Each must end in that time."""
        began, running = ha_lizard.clock(), []
        nothing = open(os.devnull, 'r+')
        try:
            for statuses, words in cases:
                running.append((statuses, words, self.served.begin(
                    CFG + words, stdin=nothing, stdout=nothing, stderr=nothing)))
            self.served.until(lambda: not [each for each in running
                                           if each[2].poll() is None], seconds)
            took = ha_lizard.clock() - began
            self.served.turn(0)
            statuses = [each[2].poll() for each in running]
            self.assertEqual([], [(case, status) for case, status in zip(cases, statuses)
                                  if status not in case[0]], 'after %.1f s' % took)
            # No xe, nor anything else, is left.
            self.assertEqual([], self.served.pids())
        finally:
            nothing.close()
