"""ha-cfg against the simulated pool: each action as a real process."""

import binascii
import os
import sys

import base
import ha_cfg_case
import ha_lizard
from ha_cfg_case import CFG, FIELD, PRODUCT, cfg, loaded
from served import INSTALLED


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
                (1, ('FENCE_HEURISTICS_IPS', '127.0.1.2'), 'address of member b'),
                (1, ('FENCE_MIN_HOSTS', '4'), 'can never be met'),
                (1, ('FENCE_METHOD', 'ILO:APC'), 'no method APC'))])

    def test_secrets_never_show(self):
        self.serve()
        secret = 'p,a ss"w\'rd=$x'
        self.assertEqual('FENCE_PASSWD: ******** -> ********\n',
                         self.done('set', 'FENCE_PASSWD', '-', feed=secret + '\n'))
        self.assertEqual(secret, self.other('HA_FENCE_PASSWD'))
        self.assertEqual([], [argv for argv in self.served.called if secret in ' '.join(argv)])
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
        self.assertIn('true        %s  db\n' % self.served.story.vms['db'], output)
        self.assertIn('unset       %s  web\n' % self.served.story.vms['web'], output)
        self.assertIn('left alone: its field ha-lizard-enabled is unset', output)
        self.assertIn('not started yet: it must have run in this pool once', output)
        self.assertIn('"effect": "left alone"', self.done('get-vm-ha', '--json'))

    def test_set_vm_ha(self):
        self.serve(*self.NAMES)
        self.done('set-vm-ha', 'web', 'TRUE')
        self.assertEqual('true', self.vm_other('web', FIELD))
        self.done('set-vm-ha', self.served.story.vms['web'], 'false')
        self.assertEqual('false', self.vm_other('web', FIELD))
        self.refused(1, ('set-vm-ha', 'wob', 'true'), 'web?')
        self.refused(1, ('set-vm-ha', '$(reboot)', 'true'), 'no VM is called')
        self.refused(2, ('set-vm-ha', 'web', 'yes'), 'true or false')
        self.refused(2, ('set-vm-ha', 'my', 'web', 'true'), 'needs quotes')
        database = self.served.world.pool.database()
        label = 'a "b" ' + ha_lizard.to_text(binascii.unhexlify('636166c3a9'.encode('ascii')))
        database.set('vm', self.served.story.vms['db'], name_label=label)
        self.done('set-vm-ha', label, 'false')
        self.assertEqual('false', self.vm_other('db', FIELD))
        database.set('vm', self.served.story.vms['odd'], name_label='web')
        self.refused(1, ('set-vm-ha', 'web', 'true'), self.served.story.vms['odd'])


class TestSwitch(ha_cfg_case.Case):
    def test_on_and_off(self):
        self.serve()
        self.assertEqual((3, 'disabled\n', ''), self.cfg('ha-status'))
        self.assertIn('enabled now', self.done('ha-enable'))
        self.assertEqual(('true', '1'), (self.other(FIELD), self.other('HA_FLAG_SEQ')))
        self.assertIn('enabled already', self.done('ha-enable'))
        # Nobody runs here, so no round ends.
        self.assertEqual(4, self.cfg('ha-status')[0])
        status, output, _ = self.cfg('status')
        self.assertEqual(4, status)
        self.assertIn('| ha-lizard is enabled', output)
        self.assertIn('does ha-lizard run?', output.replace('\n', ' ').replace(' | ', ''))
        self.program(PRODUCT + ['once'])
        self.assertEqual((0, 'enabled\n', ''), self.cfg('ha-status'))
        self.assertIn('"enabled": true', self.done('status', '--json'))
        self.done('ha-disable')
        self.assertEqual(('false', '2'), (self.other(FIELD), self.other('HA_FLAG_SEQ')))
        self.assertEqual(3, self.cfg('status', '--watch')[0])

    def test_the_offer_on_a_terminal(self):
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

    def test_xenserver_ha(self):
        self.serve('xenserver-ha on')
        self.refused(1, ('ha-enable',), 'XenServer HA is on')

    def test_recover(self):
        self.serve('ha on')
        self.assertIn('not suspended', self.done('recover'))
        boot = ha_lizard.read_file(self.served.root + ha_lizard.BOOT_ID).strip()
        self.served.host.files[ha_lizard.Notes.path] = ha_lizard.to_state(
            [('boot', boot), ('suspended', 'it had no quorum')])
        status, output, _ = self.cfg('status')
        self.assertEqual(5, status)
        self.assertIn('suspended on this host: it had no quorum', output)
        self.refused(1, ('recover',), '--yes')
        link = os.path.join(self.folder(), 'recover_fenced_host')
        os.symlink(os.path.join(INSTALLED, 'ha-cfg'), link)
        status, output, errors = self.program([sys.executable, link, '--yes'])
        self.assertEqual((0, ''), (status, errors))
        self.assertIn('HA operation is back to normal', output)
        self.assertIn('not suspended', self.done('recover'))


class TestHosts(ha_cfg_case.Case):
    def test_cluster_status(self):
        self.serve('ha on')
        self.watch('c', 50)
        status, output, errors = self.cfg('cluster-status')
        self.assertEqual((4, ''), (status, errors))
        self.assertIn('HOST  ROLE', output)
        self.assertIn('this host', output)
        self.assertIn('no, for 5', output)

    def watch(self, name, ago):
        """The watcher's file: that host is silent, nobody else is."""
        boot = ha_lizard.read_file(self.served.root + ha_lizard.BOOT_ID).strip()
        now, peers = ha_lizard.clock(), {}
        for each, host in self.served.world.hosts.items():
            peers[host.uuid] = ha_lizard.WatchRow(answered=now, last=now, failing=False, seen=True)
            if each == name:
                peers[host.uuid] = ha_lizard.WatchRow(answered=now - ago, last=now - ago,
                                                      silent=True, seen=True)
        self.served.host.files[ha_lizard.WATCH] = ha_lizard.Watch(
            boot=boot, started=now - 900, peers=peers).text()

    def test_maintenance(self):
        self.serve('vm v on b', 'ha on', speed=10)
        self.refused(2, ('maintenance', 'b', 'maybe'), 'on or off')
        self.refused(1, ('maintenance', 'b', 'on'), '--yes')
        self.refused(1, ('maintenance', 'z', 'on'), 'no host is called')
        self.assertIn('is in maintenance', self.done('maintenance', 'b', 'on', '--yes'))
        database, uuid = self.served.world.pool.database(), self.served.world.hosts['b'].uuid
        self.assertEqual(False, database.get('host', uuid)['enabled'])
        self.assertIn('HA_MAINTENANCE', dict(database.get('host', uuid)['other_config']))
        self.assertNotIn('b', self.served.world.where(self.served.story.vms['v']))
        self.assertIn('takes part again', self.done('maintenance', 'b', 'off'))
        self.assertEqual(True, database.get('host', uuid)['enabled'])
        self.assertNotIn('HA_MAINTENANCE', dict(database.get('host', uuid)['other_config']))

    def test_maintenance_of_the_master(self):
        self.serve('vm v on a', 'ha on', speed=20)
        output = self.done('maintenance', 'a', 'on', '--yes', limit=120)
        self.assertIn('b is the master', output)
        self.assertIn('a is in maintenance', output)
        self.assertEqual(['b'], [host.name for host in self.served.world.pool.masters()])

    def test_freeze(self):
        self.serve('ha on')
        self.refused(2, ('freeze', 'x'), 'minutes')
        self.refused(2, ('freeze', '99999'), 'minutes')
        self.assertIn('not frozen', self.done('freeze', '0'))
        self.assertIn('frozen for 30 minutes', self.done('freeze', '30'))
        self.assertIn('HA_FREEZE_UNTIL', self.other())
        orders = dict(ha_lizard.from_state(self.served.host.files[ha_lizard.ORDERS]))
        self.assertIn('freeze', orders)
        self.done('freeze', '0')
        self.assertNotIn('HA_FREEZE_UNTIL', self.other())
        orders = dict(ha_lizard.from_state(self.served.host.files[ha_lizard.ORDERS]))
        self.assertNotIn('freeze', orders)

    def test_confirm_dead(self):
        self.serve('ha on', 'set XAPI_COUNT 1', 'set XAPI_DELAY 1')
        self.program(PRODUCT + ['once'])
        self.refused(1, ('confirm-dead', 'c', '--yes'), 'c answers')
        self.refused(1, ('confirm-dead', 'a', '--yes'), 'this host')
        self.served.story.play('power off c')
        self.watch('c', 10)
        self.refused(1, ('confirm-dead', 'c', '--yes'), 'must be 31 s')
        self.watch('c', 600)
        self.refused(1, ('confirm-dead', 'c'), '--yes')
        self.assertIn('disks are destroyed', self.done(
            'confirm-dead', 'c', '--yes').replace('\n', ' '))
        orders = dict(ha_lizard.from_state(self.served.host.files[ha_lizard.ORDERS]))
        self.assertIn('boot', orders)
        self.assertIn('confirmed it', orders['confirm-dead.' + self.served.world.hosts['c'].uuid])


class TestOther(ha_cfg_case.Case):
    def test_check(self):
        self.serve('vm v on a', 'vm w halted', 'fence POOL')
        status, output, errors = self.cfg('check')
        self.assertEqual((4, ''), (status, errors))
        self.assertIn('this pool survives the loss of 1 of 3 hosts', output)
        self.assertIn('POOL proves nothing', output)
        for line in output.split('\n'):
            self.assertLessEqual(len(line), 80)
        status, output, errors = self.cfg('check', '--nagios')
        self.assertEqual((2, 'HA-LIZARD CRITICAL - ', 1), (status, output[:21],
                                                         output.count('\n')))
        self.assertIn('"worst": "red"', self.cfg('check', '--json')[1])

    def test_check_asks_the_devices(self):
        self.serve('bmc b locked')
        output = self.cfg('check', '--fence')[1]
        self.assertIn('a: ILO: a is on', output)
        self.assertIn('red     device    b:', output)
        self.assertEqual([], [argv for argv in self.served.called if 'off' in argv])

    def test_what_if(self):
        self.serve('vm v on b', 'ha on')
        self.program(PRODUCT + ['once'])
        self.refused(2, ('what-if', 'nonsense'), 'master-dead, host-dead or isolated')
        self.refused(2, ('what-if', 'host-dead'), 'which host?')
        self.refused(2, ('what-if', 'master-dead', 'a'), 'no name')
        self.refused(1, ('what-if', 'host-dead', 'z'), 'no host is called')
        output = self.done('what-if', 'host-dead', 'b')
        self.assertIn('If b died now:', output)
        self.assertIn('"promoted": [', self.done('what-if', 'master-dead', '--json'))

    def test_why_and_history(self):
        self.serve('vm v on b', 'ha on')
        self.program(PRODUCT + ['once'])
        self.served.host.files[ha_lizard.Journal.path] = (
            '2026-01-02 03:04:05 act     start v on c\n2026-01-02 03:04:09 done    start vv on c\n'
            'nonsense\n2026-02-02 03:04:05 decide  all is well\n')
        output = self.done('why', 'v')
        self.assertIn('VM v is running on b', output)
        self.assertIn('start v on c', output)
        self.assertNotIn('start vv on c', output)
        self.assertIn('host b is another member', self.done('why', 'b'))
        self.refused(1, ('why', 'nobody'), 'no VM or host is called')
        self.assertEqual(4, self.done('history').count('\n'))
        self.assertEqual(2, self.done('history', '--since', '2026-01-03').count('\n'))
        self.assertEqual(2, self.done('history', '2026-02-02 03:04').count('\n'))
        self.assertIn('nothing since then', self.done('history', '1h'))
        self.assertIn('"kind": "act"', self.done('history', '--json'))
        self.refused(2, ('history', 'tomorrow'), 'is no time')

    def test_json_is_as_documented(self):
        self.serve('vm v on b', 'vm w halted', 'ha on')
        self.served.host.files[ha_lizard.Journal.path] = '2026-01-02 03:04:05 act     start v\n'
        for name in sorted(cfg.SCHEMAS):
            words = [name, '--json'] + {'what-if': ['host-dead', 'b']}.get(name, [])
            value = loaded(self.cfg(*words)[1])
            self.assertEqual(cfg.SCHEMAS[name][0].split(), sorted(value), name)
            for text in cfg.SCHEMAS[name][1:]:
                key, names = text.split(': ')
                for each in value[key]:
                    self.assertEqual(names.split(), sorted(each), (name, key))

    def test_alerts(self):
        self.serve()
        self.assertIn('no alerts', self.done('show-alerts'))
        self.refused(2, ('raise-alert', 'x', '9'), 'a priority from 1')
        self.refused(2, ('raise-alert', ' '), 'empty')
        self.done('raise-alert', 'it is "odd", isn\'t it', '2')
        self.assertIn('it is "odd", isn\'t it', self.done('show-alerts'))
        self.assertIn('1 alerts', self.done('clear-alerts'))
        self.assertIn('no alerts', self.done('show-alerts'))
        self.refused(1, ('email',), '127.0.0.1')

    test_alerts = base.only_if(hasattr(ha_lizard, 'list_messages'),
                               'the messages of the pool come with the alerts')(test_alerts)

    def test_log(self):
        self.serve()
        self.refused(1, ('log', '--no-follow'), 'no log has a line')
        self.served.host.files['/var/log/user.log'] = (
            'Jan  1 00:00:00 a ha-lizard: one\nJan  1 00:00:01 a other: two\n')
        self.assertEqual('Jan  1 00:00:00 a ha-lizard: one\n', self.done('log', '--no-follow'))

    def test_the_rest(self):
        self.serve('vm v on b')
        self.assertEqual('ha-lizard %s\n' % ha_lizard.VERSION, self.done('version'))
        self.assertIn('complete -o nospace', self.done('completion'))
        self.assertEqual('on\n', self.done('complete', 'maintenance', 'b', 'on'))
        self.assertEqual('v\n', self.done('complete', 'set-vm-ha', 'v'))
        self.assertIn('Available', self.done('help').replace('ACTION', 'Available'))
        self.refused(2, ('nonsense',), 'no action is called')
        self.refused(2, ('get', '--nonsense'), 'no option')
        self.refused(2, ('version', 'x'), 'usage:')
        status, _, errors = self.program(['sh', '-c', 'exec "$@" >&-', 'sh'] + CFG + ['get'])
        self.assertEqual((1, 1), (status, errors.count('standard output is closed')))
        status, _, errors = self.program(['sh', '-c', 'exec "$@" >/dev/full', 'sh'] + CFG + ['get'])
        self.assertEqual((1, 1), (status, errors.count('cannot write: No space left')))
