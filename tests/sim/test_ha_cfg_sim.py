"""ha-cfg against the simulated pool: each action as a real process, and what-if
against what then happens.

HA_LIZARD_POOLS=200 compares that many random pools; without it a few.
"""

import binascii
import os
import random
import sys
import tempfile

import base
import ha_lizard
import served
from dom0 import SimDom0
from scenario import Story

cfg = base.load('ha-cfg', 'ha_cfg')

AT_ONCE = 8                         # processes of ha-cfg at the same time
FIRST = 5                           # the seed of the first random pool
POOLS = int(os.environ.get('HA_LIZARD_POOLS', '8'))
STRANGER = '9b9a243a-abf3-485f-bb37-e43b29555cbe'     # a host of no pool
SETTLED, AFTERMATH = 150, 900       # seconds before and after a fault


class Capture(cfg.Screen):
    """A screen that nobody sees: what was said, and answers prepared."""

    def __init__(self, yes=False):
        cfg.Screen.__init__(self, yes)
        self.said, self.complaints = [], []
        self.terminal = self.asks = self.colour = self.impatient = False
        self.width = 80

    def write(self, text):
        self.said.append(text)

    def complain(self, text):
        self.complaints.append(text)

    def text(self):
        return ''.join(self.said)

    def errors(self):
        return '\n'.join(self.complaints)


def run_cfg(story, name, *words):
    """(exit status, Capture) of ha-cfg on a host of the story."""
    host = story.world.hosts[name]
    screen, statuses = Capture('--yes' in words), []

    def work():
        statuses.append(cfg.main(list(words), dom0, screen))
    dom0 = SimDom0(story.world, host)
    program = dom0.run_program(work)
    for _ in range(2000):
        story.world.run(0.5)
        if program.over:
            break
    return statuses[0], screen


def plan_of(story, name, *words):
    """What ha-cfg what-if foretells: a dict."""
    plans = []
    before = cfg.plan_facts

    def keep(*args):
        plans.append(before(*args))
        return plans[-1]
    cfg.plan_facts = keep
    try:
        status, screen = run_cfg(story, name, 'what-if', *words)
    finally:
        cfg.plan_facts = before
    assert plans, (status, screen.text(), screen.errors())
    return plans[0]


class RandomPool(object):
    """A pool, a fault, and the names in both; the same for the same seed."""

    def __init__(self, seed):
        self.random = chance = random.Random(seed)
        count = chance.choice([2, 2, 3, 3, 4, 5])
        self.hosts = ['n%d' % (number + 1) for number in range(count)]
        self.lost = chance.choice(self.hosts[:1] * 2 + self.hosts)
        self.lines = ['pool ' + ' '.join(self.hosts), 'ha on']
        self.lines.append('fence ' + chance.choice(['POOL', 'ILO', 'ILO', 'IRMC', 'ILO:IRMC']))
        if chance.random() < 0.7:
            self.lines.append('witness 10.0.0.250')
        for name, values in (('GLOBAL_VM_HA', '011'), ('SLAVE_HA', '1110'), ('START_PARALLEL', '148'),
                             ('FENCE_HA_ONFAIL', '0001'), ('PROMOTE_SLAVE', '11110'),
                             ('FENCE_STRICT', '0001'), ('FENCE_MIN_HOSTS', '2223')):
            if chance.random() < 0.5:
                self.lines.append('set %s %s' % (name, chance.choice(values)))
        self.vms = ['vm%d' % (number + 1) for number in range(chance.randint(1, 7))]
        for name in self.vms:
            self.lines.append('vm %s on %s memory=%d order=%d ha=%s' % (
                name, chance.choice(self.hosts + [self.lost] * 2), chance.choice([1, 4, 20, 30]),
                chance.choice([0, 0, 1, 2]), chance.choice(['true', 'true', 'false', 'unset'])))
        self.fault = chance.choice(['power off', 'power off', 'cut'])
        self.asked_on = chance.choice(self.hosts)

    def words(self):
        """of what-if"""
        if self.fault == 'cut':
            return ['isolated', self.lost]
        if self.lost == self.hosts[0] and self.random.random() < 0.5:
            return ['master-dead']
        return ['host-dead', self.lost]


class Outcome(object):
    """What really became of it, from the survivors' journals and the domains."""

    def __init__(self, story, pool, before):
        world, lost = story.world, pool.lost
        texts = [world.hosts[name].files.get(ha_lizard.Journal.path, '')
                 for name in pool.hosts]
        self.fenced = [name for name in pool.hosts if [
            line for text in texts for line in text.split('\n')
            if ' proof ' in line and ' %s is off: ' % name in line]]
        masters = [host.name for host in story.pool.masters() if host.name != lost]
        self.promoted = [name for name in masters if name != pool.hosts[0]]
        self.started = {}
        for name in pool.vms:
            places = [place for place in world.where(story.vms[name])
                      if place != before.get(name)]
            if places:
                self.started[name] = places[0]


class TestWhatIf(base.TestCase):
    """The plan equals what then happens."""

    def compare(self, seed):
        pool = RandomPool(seed)
        story = Story()
        try:
            for line in pool.lines:
                story.play(line)
            story.play('run %d' % SETTLED)
            before = dict([(name, ''.join(story.world.where(story.vms[name])[:1]))
                           for name in pool.vms])
            plan = plan_of(story, pool.asked_on, *pool.words())
            story.play('run 5')
            story.play('%s %s' % (pool.fault, pool.lost))
            story.play('run %d' % AFTERMATH)
            outcome = Outcome(story, pool, before)
        finally:
            story.close()
        expected = (plan['fenced'], plan['promoted'], dict(
            [(vm['name'], vm['host']) for vm in plan['started']]))
        happened = (outcome.fenced, outcome.promoted, outcome.started)
        self.kinds.update([kind for kind, found in zip(
            ('fenced', 'promoted', 'started'), happened) if found] or ['nothing'])
        if expected != happened:
            return 'seed %d: %s %s, asked on %s\n%s\nforetold %r\nhappened %r\n%s' % (
                seed, pool.fault, pool.lost, pool.asked_on, '\n'.join(pool.lines),
                expected, happened, '\n'.join(['%5d %-3s %s' % (
                    each['after'], each['host'], each['text']) for each in plan['events']]))

    def test_random_pools(self):
        self.kinds = set()
        wrong = [text for text in map(self.compare, range(FIRST, FIRST + POOLS)) if text]
        self.assertEqual(set(['fenced', 'promoted', 'started', 'nothing']), self.kinds)
        if wrong:
            self.fail('%d of %d plans are wrong\n\n%s' % (
                len(wrong), POOLS, '\n\n'.join(wrong[:3])))


# -- each action, as a process on a host of a pool ----------------------------

CFG = [sys.executable, '-W', 'error', os.path.join(base.ROOT, 'ha-cfg')]
PRODUCT = [sys.executable, '-W', 'error', os.path.join(base.ROOT, 'ha_lizard.py')]
FIELD = 'XenCenter.CustomFields.ha-lizard-enabled'


class ServedCase(served.Case):
    POOL = ('pool a b c', 'latency 0.01', 'fence ILO')

    def cfg(self, *words, **how):
        """(exit status, output, errors) of ha-cfg WORDS."""
        return self.program(CFG + list(words), **how)

    def program(self, argv, **how):
        feed, output, errors = [tempfile.TemporaryFile() for _ in range(3)]
        try:
            feed.write(ha_lizard.to_bytes(how.get('feed', '')))
            feed.seek(0)
            process = self.served.begin(argv, stdin=feed, stdout=output, stderr=errors)
            if not self.served.until(lambda: process.poll() is not None, how.get('limit', 60)):
                self.served.kill()
                self.fail('%s does not end' % argv)
            output.seek(0)
            errors.seek(0)
            return (process.wait(), ha_lizard.to_text(output.read()),
                    ha_lizard.to_text(errors.read()))
        finally:
            for stream in (feed, output, errors):
                stream.close()

    def done(self, *words, **how):
        """The output of ha-cfg WORDS, which must work."""
        status, output, errors = self.cfg(*words, **how)
        self.assertEqual((0, ''), (status, errors), '%s: %s, %s%s' % (
            words, status, output, errors))
        return output

    def refused(self, status, words, why, **how):
        """It must end with that status, one line on stderr, and change nothing."""
        before = self.other()
        result = self.cfg(*words, **how)
        self.assertEqual(status, result[0], '%s: %r' % (words, result))
        self.assertEqual(1, result[2].count('\n'), result[2])
        self.assertIn(why, result[2])
        self.assertEqual(before, self.other())

    def other(self, key=None):
        """The pool's other-config, or one value of it."""
        pairs = dict(self.served.world.pool.database().pool()['other_config'])
        if key is None:
            return pairs
        return pairs.get(key)

    def vm_other(self, name, key):
        uuid = self.served.story.vms[name]
        pairs = self.served.world.pool.database().get('vm', uuid)['other_config']
        return dict(pairs).get(key)


def loaded(text):
    """What JSON means; Python 2.4 has none, but that is near enough."""
    try:
        import json
    except ImportError:
        return eval(text, {'null': None, 'true': True, 'false': False})
    return json.loads(text)


class TestParameters(ServedCase):
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
        for status, words, why in (
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
                (1, ('FENCE_METHOD', 'ILO:APC'), 'no method APC')):
            self.refused(status, ('set',) + words, why)

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


class TestVms(ServedCase):
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


class TestSwitch(ServedCase):
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
        os.symlink(CFG[-1], link)
        status, output, errors = self.program([sys.executable, link, '--yes'])
        self.assertEqual((0, ''), (status, errors))
        self.assertIn('HA operation is back to normal', output)
        self.assertIn('not suspended', self.done('recover'))


class TestHosts(ServedCase):
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


class TestOther(ServedCase):
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

    def findings(self, subject):
        return [each['text'] for each in loaded(self.cfg('check', '--json')[1])['findings']
                if each['subject'] == subject]

    def test_check_names_what_is_wrong_in_a_hosts_file(self):
        """Each is a sentence here, and a refusal to fence with it."""
        self.serve()
        self.program(PRODUCT + ['once'])
        path = '/etc/ha-lizard/fence/ILO/ILO.hosts'
        uuids = [self.served.world.hosts[name].uuid for name in 'abc']
        a, b, c = ['%s:192.168.100.%d' % (uuid, 1 + place) for place, uuid in enumerate(uuids)]
        for text, victim, sentence in (
                ((a, b), 'c', 'ILO.hosts has no usable line for c (%s)' % uuids[2]),
                ((a, b, c, c[:-1] + '9'), 'c', 'line 3: %s: line 4 names the same' % uuids[2]),
                ((a, b, c.replace(':', ': ')), 'c', 'line 3: %s: a space or tab' % uuids[2]),
                ((a, b, c + ' '), 'c', 'line 3: %s: a space or tab' % uuids[2]),
                ((a, b, c + '\r'), 'c', 'line 3: %s: it ends as on Windows' % uuids[2]),
                ((a, b, c[:-1] + '2'), 'b', 'line 2: %s: line 3 has the same' % uuids[1]),
                ((a, b, c[:-1] + '2'), 'c', 'line 3: %s: line 2 has the same' % uuids[2]),
                ((a, b, c.split(':')[0] + ':127.0.1.3'), 'c', 'has the address of '),
                ((a, b, c + ' password=hush'), 'c', 'a password in a file that anyone'),
                ((a, b, 'x' + c), 'c', 'line 3: no host: it does not begin with the uuid'),
                ((a, b, c, STRANGER + ':192.168.100.9'), '', 'line 4: %s: this is no host of '
                 'the pool' % STRANGER)):
            self.served.host.files[path] = '\n'.join(text) + '\n'
            said = self.findings('fencing')
            self.assertEqual(1, len([each for each in said if sentence in each]), (sentence, said))
            self.assertNotIn('hush', ' '.join(said))
            uuid, before = STRANGER, len(self.served.called)
            if victim:
                uuid = self.served.world.hosts[victim].uuid
            status, output, errors = self.program(PRODUCT + ['act', 'fence', uuid])
            self.assertNotEqual(0, status)
            self.assertIn({'': 'the uuid of a member'}.get(victim, sentence), output)
            self.assertEqual([], self.served.called[before:], (sentence, output))
        self.served.host.files[path] = '\n'.join((a, b, c)) + '\n'
        self.assertEqual(['ILO knows all 3 hosts; `check --fence` asks its devices'],
                         self.findings('fencing'))

    def test_check_says_whose_word_is_taken(self):
        self.serve('fence ILO:POOL')
        self.assertIn('FENCE_METHOD=POOL proves nothing', ' '.join(self.findings('fencing')))

    def test_check_says_how_an_agent_proves(self):
        self.serve('fence PDU')
        script = '/etc/ha-lizard/fence/PDU/PDU.sh'
        self.served.host.files[script] = '#!/bin/sh\n'
        self.assertIn('PDU can switch a host off and cannot show it', ' '.join(self.findings('fencing')))
        self.done('set', 'FENCE_TRUST_AGENT', '1')
        self.assertIn('exit 0 of PDU is taken for proof', ' '.join(self.findings('fencing')))

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
        self.assertIn('1 alert removed', self.done('clear-alerts'))
        self.assertIn('no alerts', self.done('show-alerts'))
        self.refused(1, ('email',), '127.0.0.1')

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


class TestBrokenPool(ServedCase):
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
