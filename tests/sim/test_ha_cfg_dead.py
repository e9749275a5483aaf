"""ha-cfg on a slave whose master is dead: every call of xe hangs."""

import os

import base
import ha_cfg_case
from ha_cfg_case import cfg

XE_TIMEOUT = 1                      # seconds, of this pool
STORY = ('vm v on b', 'ha on', 'set XE_TIMEOUT %d' % XE_TIMEOUT)
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


LOG = '/var/log/user.log'


class TestBrokenPool(ha_cfg_case.Case):
    def test_every_action_ends_in_time(self):
        self.assertEqual(sorted([command.name for command in cfg.COMMANDS]), sorted(ACTIONS))
        self.serve(*STORY, **{'host': 'b'})
        self.once()
        self.story.play('mail-server down')
        self.host.files[LOG] = 'Jan  1 00:00:00 b ha-lizard: one\n'
        self.story.play('power off a')
        before = self.other()
        path = os.path.join(self.folder(), 'saved')
        base.write(path, 'XAPI_COUNT=7\n')
        for statuses, line in [(ACTIONS[name][0], '%s %s' % (name, ACTIONS[name][1]))
                               for name in sorted(ACTIONS)] + list(MORE):
            words = line.replace('FILE', path).split()
            result = self.cfg(limit=XE_TIMEOUT + 2, *words)
            self.assertIn(result[0], statuses, '%s: %r' % (words, result))
            # No xe, nor anything else, is left.
            self.assertEqual([], [each for each in self.host.programs if not each.over], words)
        self.assertIn('MAIL_ON=1\n', self.cfg('get')[1])
        self.assertEqual((before, 'XAPI_COUNT=7\n'), (self.other(), base.read(path)))


if __name__ == '__main__':
    import unittest
    unittest.main()
