"""ha-cfg, what it writes into the pool: parameters, and the fields of VMs."""

import binascii
import os

import base
import ha_cfg_case
import ha_lizard
from ha_cfg_case import FIELD


class TestParameters(ha_cfg_case.Case):
    def test_get(self):
        self.serve()
        lines = self.done('get').split('\n')
        self.assertIn('XAPI_COUNT=2', lines)
        self.assertIn('FENCE_PASSWD=********', lines)
        first = lines[:lines.index('# since HA-Lizard 2.x')]
        self.assertEqual(sorted(first), first)
        self.assertEqual(36, len(first))
        self.assertEqual('XAPI_COUNT=2\n', self.done('get', 'xapi_count'))
        for line in self.done('get', '-l').split('\n'):
            self.assertLessEqual(len(line), 80)
        self.assertIn('"secret": true', self.done('get', '--json', 'SMTP_PASS'))

    def test_set(self):
        self.serve()
        self.assertEqual('MAIL_ON: 1 -> 0\n', self.done('set', 'mAil_oN', '0'))
        self.assertEqual('0', self.other('HA_MAIL_ON'))
        self.assertEqual('MAIL_ON is 0 already\n', self.done('set', 'MAIL_ON', '0'))
        self.assertEqual('', self.done('set-quiet', 'XAPI_COUNT', '3'))
        self.assertEqual('3', self.other('HA_XAPI_COUNT'))
        self.done('set', 'MAIL_SUBJECT', 'it\'s "from" $HOSTNAME; now, on')
        self.assertEqual('it\'s "from" $HOSTNAME; now, on', self.other('HA_MAIL_SUBJECT'))
        status, output, errors = self.cfg('set', 'MONITOR_DELAY', '30')
        self.assertEqual((0, 'MONITOR_DELAY: 15 -> 30\n'), (status, output))
        self.assertIn('restart', errors)
        self.assertIn('deprecated', self.cfg('set', 'FENCE_HOST_FORGET', '1')[2])
        self.assertEqual('GLOBAL_VM_HA: 1 -> 0\n', self.done('set', 'GLOBAL_VM_HA', '-',
                                                           feed='0\n'))

    def test_what_set_refuses(self):
        self.serve()
        self.all_refused([(status, ('set',) + words, why) for status, words, why in (
                (2, ('XAPI_COUNT', 'x'), 'must be a whole number from 1 to 100'),
                (2, ('XAPI_COUNT', '101'), 'must be a whole number'),
                (2, ('XAPI_COUNT', ''), 'not empty'),
                (2, ('XAPI_COUNT',), 'to which value?'),
                (2, ('XAPI_CONT', '2'), 'XAPI_COUNT?'),
                (2, ('LOG_fence_host', '0'), 'ha-lizard.conf'),
                (2, ('XAPI_COUNT', '2', '3'), 'usage: ha-cfg set'),
                (2, ('MAIL_TO', 'a' * 10240), 'must be mail addresses'),
                (2, ('MAIL_SUBJECT', 'a\nb'), 'a control character'),
                (2, ('FENCE_FILE_LOC', '/etc/$(reboot)'), 'must be an absolute path'),
                (2, ('FENCE_HEURISTICS_IPS', '10.0.0.300'), 'must be addresses'),
                (1, ('FENCE_HEURISTICS_IPS', '10.0.0.2'), 'address of member b'),
                (1, ('FENCE_MIN_HOSTS', '4'), 'can never be met'),
                (1, ('FENCE_METHOD', 'ILO:APC'), 'no method APC'))])

    def test_secrets_never_show(self):
        self.serve()
        self.hand_over_a_secret()
        self.assertNotIn('ss"w', self.done('get') + self.done('get', '--json'))
        self.assertIn('could read', self.cfg('set', 'SMTP_PASS', 'x')[2])
        self.refused(1, ('set', 'SMTP_PASS', '-'), 'backslash', feed='a\\b\n')

    def test_a_new_field_keeps_the_switch(self):
        self.serve('ha on')
        self.done('set', 'XC_FIELD_NAME', 'our-ha')
        self.assertEqual('true', self.other('XenCenter.CustomFields.our-ha'))

    def test_insert_and_remove(self):
        self.serve()
        self.assertIn('nothing was changed', self.done('insert'))
        self.refused(1, ('remove',), '--yes')
        self.assertIn('keys were removed', self.done('remove', '--yes'))
        self.assertEqual([], [key for key in self.other() if 'HA_' in key or 'izard' in key])
        self.assertIn('nothing of HA-Lizard', self.done('remove', '--yes'))
        self.assertIn('HA is disabled', self.done('insert'))
        self.assertEqual('false', self.other(FIELD))
        for row in ha_lizard.SETTINGS:
            self.assertEqual(row.default, self.other('HA_' + row.name))

    def test_backup_and_restore(self):
        self.serve('set MAIL_SUBJECT it\'s $HOSTNAME, "now"')
        path = os.path.join(self.folder(), 'saved')
        status, output, errors = self.cfg('backup', path)
        self.assertEqual((0, 1), (status, errors.count('FENCE_PASSWD')))
        self.assertEqual(int('600', 8), os.stat(path).st_mode & int('777', 8))
        self.assertNotIn('FENCE_PASSWD', base.read(path))
        before = self.other()
        for words in (('MAIL_SUBJECT', 'x'), ('XAPI_COUNT', '7'), ('OP_MODE', '1')):
            self.done('set', *words)
        self.refused(1, ('restore', path), '--yes')
        output = self.done('restore', path, '--yes')
        self.assertIn('3 parameters were changed', output)
        self.assertEqual(before, self.other())
        self.assertIn('these values already', self.done('restore', path))
        self.done('backup', path, '--with-secrets')
        self.assertIn('FENCE_PASSWD=', base.read(path))

    def test_restore_is_all_or_nothing(self):
        self.serve()
        path = os.path.join(self.folder(), 'saved')
        for text, why in (('XAPI_COUNT=7\nXAPI_DELAY=x\n', 'XAPI_DELAY must be'),
                          ('XAPI_COUNT=7\nNONSENSE=1\n', 'NONSENSE is not a parameter'),
                          ('XAPI_COUNT=7\nnonsense\n', 'line 2 of %s' % path),
                          ('', 'holds no parameters')):
            base.write(path, text)
            self.refused(1, ('restore', path, '--yes'), why)
        self.refused(1, ('restore', path + 'x', '--yes'), 'No such file')
        self.refused(2, ('restore', ''), 'a file is missing')
        self.refused(1, ('backup', '/dev/full'), 'No space left')
        base.write(path, 'not ours\n')
        self.refused(1, ('backup', path), 'no backup of ours')
        self.assertEqual('not ours\n', base.read(path))
        base.write(path, 'XAPI_COUNT=7\nHA_LOG=1\n'.replace('HA_LOG', 'LOG_fence_host'))
        self.done('restore', path, '--yes')
        self.assertEqual('7', self.other('HA_XAPI_COUNT'))
        self.assertIn('were changed', self.done('restore-default', '--yes'))
        self.assertEqual('2', self.other('HA_XAPI_COUNT'))


class TestVms(ha_cfg_case.Case):
    NAMES = ('vm web on a', 'vm db halted ha=true', 'vm odd on b ha=maybe', 'set GLOBAL_VM_HA 0')

    def test_get_vm_ha(self):
        self.serve(*self.NAMES)
        output = self.done('get-vm-ha')
        self.assertIn('HA-Enabled  VM-UUID                               VM-Name\n', output)
        self.assertIn('true        %s  db\n' % self.story.vms['db'], output)
        self.assertIn('unset       %s  web\n' % self.story.vms['web'], output)
        self.assertIn('left alone: its field ha-lizard-enabled is unset', output)
        self.assertIn('not started yet: it must have run in this pool once', output)
        self.assertIn('"effect": "left alone"', self.done('get-vm-ha', '--json'))

    def test_set_vm_ha(self):
        self.serve(*self.NAMES)
        self.done('set-vm-ha', 'web', 'TRUE')
        self.assertEqual('true', self.vm_other('web', FIELD))
        self.done('set-vm-ha', self.story.vms['web'], 'false')
        self.assertEqual('false', self.vm_other('web', FIELD))
        self.refused(1, ('set-vm-ha', 'wob', 'true'), 'web?')
        self.refused(1, ('set-vm-ha', '$(reboot)', 'true'), 'no VM is called')
        self.refused(2, ('set-vm-ha', 'web', 'yes'), 'true or false')
        self.refused(2, ('set-vm-ha', 'my', 'web', 'true'), 'needs quotes')
        database = self.story.pool.database()
        label = 'a "b" ' + ha_lizard.to_text(binascii.unhexlify('636166c3a9'.encode('ascii')))
        database.set('vm', self.story.vms['db'], name_label=label)
        self.done('set-vm-ha', label, 'false')
        self.assertEqual('false', self.vm_other('db', FIELD))
        database.set('vm', self.story.vms['odd'], name_label='web')
        self.refused(1, ('set-vm-ha', 'web', 'true'), self.story.vms['odd'])
