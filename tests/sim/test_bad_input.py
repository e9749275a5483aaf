"""What nobody should write, print or configure, and what somebody will.

Each time: a clear line in the log, no lost state, no act on guesses, and HA
goes on once it is over: the VM of a host that dies runs again.
"""

import binascii

import base
import ha_lizard
import scenario

POOL = ('pool a b c', 'vm v on a', 'vm w on c', 'vm x on b', 'fence ILO', 'ha on',
        'set XAPI_DELAY 2')
STATE, HOUR = ha_lizard.STATE, 3600
ACTS = ('vm-start', 'vm-reset-powerstate', 'vm-shutdown', 'host-declare-dead', 'host-forget',
        'pool-emergency-transition-to-master', 'pool-recover-slaves')
LIZARD = ha_lizard.to_text(binascii.unhexlify('f09fa68e'))          # 4 bytes of UTF-8


class BadCase(base.StoryCase):
    def begin(self, *lines):
        """A pool in which HA has taken up work."""
        self.prepare(*(lines or POOL))
        self.play('run 40')
        self.a = self.world.hosts[self.world.order[0]]

    def prepare(self, *lines):
        self.story, self.lines, self.called = scenario.Story(), [], []
        self.world = self.story.world
        watch = self.world.watch_call

        def note(host, argv):
            self.called.append((host.name, argv))
            watch(host, argv)
        self.world.watch_call = note
        for line in lines:
            self.story.play(line)

    def play(self, *lines):
        for line in lines:
            self.story.play(line)
            self.lines += self.story.lines()

    def said(self, text, since=0):
        """The lines since then that hold `text`."""
        return [line for line in self.lines[since:] if text in line]

    def says(self, text, since=0):
        if not self.said(text, since):
            self.fail('nobody says %r:\n%s' % (text, '\n'.join(self.lines[since:])))

    def acts(self):
        """What was done so far that changes something: a device may be asked."""
        return [(name, argv[1]) for name, argv in self.called
                if argv[0] == 'xl' or argv[1:2] and argv[1] in ACTS
                or argv[0] == 'ssh' and 'off' in argv[-1]]

    def nothing_happens(self, seconds=60):
        """Although a host is dead, nobody acts."""
        before = self.acts()
        self.play('run %d' % seconds)
        self.assertEqual(before, self.acts(), '\n'.join(self.lines))
        self.assertEqual([], self.world.violations)

    def recovers(self, vm='w', name='c'):
        """HA does its work: c dies (if it lives), and its VM runs again."""
        if self.world.hosts[name].powered:
            self.play('power off ' + name)
        self.play('run 150')
        where = self.world.where(self.story.vms[vm])
        if len(where) != 1:
            self.fail('%s runs on %s:\n%s' % (vm, where, '\n'.join(self.lines)))
        self.assertEqual([], self.world.violations)

    def picture(self, name='a'):
        text = self.world.hosts[name].files.get(ha_lizard.PICTURE, '')
        return dict(ha_lizard.from_state(text) or [])


class TestFiles(BadCase):
    def test_pool_conf(self):
        self.begin()
        good, since = self.a.files.pop(ha_lizard.POOL_CONF), len(self.lines)
        self.play('run 20', 'power off c')
        self.nothing_happens()
        self.says('a: pool.conf says neither master nor slave', since)
        for text in '', 'broken', 'slave:', 'slave:10.0', 'master\nslave:10.0.0.2', '\0\xff':
            self.a.files[ha_lizard.POOL_CONF] = text
            self.nothing_happens(31)
            self.assertEqual([], [line for line in self.said(' a: ', since)
                                  if 'pool.conf' not in line], text)
        self.says('a: the master that pool.conf names is no known member', since)
        self.assertEqual(3, len([key for key in self.picture() if key[:5] == 'host.']))
        self.a.files[ha_lizard.POOL_CONF] = good
        self.recovers()

    def test_pool_conf_of_a_slave(self):
        self.begin()
        b, since = self.world.hosts['b'], len(self.lines)
        good = b.files[ha_lizard.POOL_CONF]
        b.files[ha_lizard.POOL_CONF] = 'broken'
        self.play('run 20')
        self.says('b: pool.conf says', since)
        self.assertEqual([], self.said('a: ', since))
        # It follows nobody, but it lives: two of three.
        self.play('power off c')
        self.recovers()
        b.files[ha_lizard.POOL_CONF] = good

    def test_inventory(self):
        self.begin()
        good, since = self.a.files.pop(ha_lizard.INVENTORY), len(self.lines)
        self.play('run 20', 'power off c')
        self.nothing_happens()
        self.says('a: this host is not a member of the pool that it knows', since)
        self.says('a: warn: %s has no INSTALLATION_UUID' % ha_lizard.INVENTORY, since)
        for text in ('', 'INSTALLATION_UUID=', "INSTALLATION_UUID='$(reboot)'",
                     "INSTALLATION_UUID='a0a0a0a0-0000-4000-8000-000000000099'"):
            since = len(self.lines)
            self.a.files[ha_lizard.INVENTORY] = text
            self.nothing_happens(31)
            self.assertEqual([], [line for line in self.said(' a: ', since)
                                  if 'INSTALLATION_UUID' not in line], text)
        self.a.files[ha_lizard.INVENTORY] = good
        self.recovers()

    def test_state_files(self):
        """What cannot be read is unknown: it is said, and found out again."""
        self.begin()
        for path in sorted([each for each in self.a.files if each.startswith(STATE)]):
            good, said = self.a.files[path], 0
            for text in (good[:len(good) // 2], good[:-1], '', '\0\x01\xff\xfe' * 50,
                         good.replace('format=1', 'format=2'), good.replace('=', ':'),
                         'format=1\nend=00000000\n'):
                since, said = len(self.lines), said + 1
                self.a.files[path] = text
                self.play('run 31')
                if path in (ha_lizard.PICTURE, ha_lizard.Notes.path) and (
                        said <= ha_lizard.FREE_REPEATS):
                    self.says('a: warn: %s cannot be understood' % path, since)
                self.assertEqual([], self.acts())
                self.assertEqual(('true', self.story.pool.uuid), (
                    self.picture()['enabled'], self.picture()['pool']))
            self.assertEqual([], self.said('Traceback'))
        self.recovers()

    def test_state_files_when_the_daemon_starts(self):
        self.begin()
        for name in 'pool', 'notes', 'watch':
            for text in ('', '\0\xff', 'format=2\nkey=value\nend=00000000\n'):
                self.play('daemon kill a')
                self.a.files[STATE + name] = text
                self.play('daemon start a', 'run 31')
        self.assertEqual([], self.acts())
        self.recovers()

    def test_a_new_daemon_is_heard(self):
        """Its packets are news, however long the one before it has run."""
        self.begin()
        self.play('run 600', 'daemon kill a', 'run 4', 'daemon start a', 'run 20')
        for name in 'b', 'c':
            watcher = self.world.hosts[name].watcher
            self.assertLess(watcher.looked - watcher.peers[self.a.uuid].heard, 5)
        for peer in self.a.watcher.peers.values():
            self.assertLess(self.a.watcher.looked - peer.heard, 5)
        self.recovers()

    def test_state_of_a_slave_whose_master_dies(self):
        """Without a picture it does nothing; the next in line goes on."""
        self.begin()
        b = self.world.hosts['b']
        self.play('run 60', 'power off a')
        b.files[ha_lizard.PICTURE] = b.files[ha_lizard.PICTURE][:-9]
        self.play('run 400')
        self.says('b: this host has not seen its pool yet')
        self.says('b: warn: %s cannot be understood' % ha_lizard.PICTURE)
        self.assertEqual([], [act for act in self.acts() if act[0] == 'b'])
        self.assertEqual(['c'], [host.name for host in self.story.pool.masters()])
        self.recovers('v', 'a')

    def test_what_a_full_disk_forbids_is_tried_once_a_round(self):
        self.begin()
        self.play('disk full b', 'run 30')
        before, tried = (ha_lizard.decide, ha_lizard.Round.begin, ha_lizard.MOST_STEPS), []

        def counting(*words):
            tried.append(words[1])
            return before[1](*words)
        b = self.world.hosts['b']

        def decide(settings, view):
            if view.me.uuid != b.uuid:
                return before[0](settings, view)
            return ha_lizard.Plan('cut off', [ha_lizard.Suspend(why='cut off', reboot=False)])
        ha_lizard.decide = decide
        ha_lizard.Round.begin, ha_lizard.MOST_STEPS = counting, 50
        try:
            self.play('run 60')
        finally:
            ha_lizard.decide, ha_lizard.Round.begin, ha_lizard.MOST_STEPS = before
        self.assertTrue(3 <= len(tried) <= 6, len(tried))     # rounds

    def test_disk_full(self):
        """What cannot be noted is not done: it might be done twice."""
        self.begin()
        picture, since = self.a.files[ha_lizard.PICTURE], len(self.lines)
        self.play('disk full a', 'run 20', 'power off c')
        self.nothing_happens(120)
        self.says('No space left on device', since)
        self.assertEqual(picture, self.a.files[ha_lizard.PICTURE])
        self.assertLess(len(self.lines) - since, 40, '\n'.join(self.lines[since:]))
        # Each in its time: a message is a call of xe and a line in XenCenter.
        messages = [argv[-1] for _, argv in self.called if argv[1:2] == ['message-create']]
        self.assertLess(len(messages), 4, messages)
        self.play('disk ok a')
        self.recovers()

    def test_disk_of_the_heir_full(self):
        self.begin()
        self.play('run 60', 'disk full b', 'run 20', 'power off a')
        # Who cannot keep notes is passed over: S21.
        self.play('run 250', 'disk ok b', 'run 60')
        self.assertEqual(['c'], [host.name for host in self.story.pool.masters()])
        self.assertEqual(1, len(self.world.where(self.story.vms['v'])))
        self.assertEqual([], self.world.violations)


class BadXe(object):
    """Stands before the pool's xe, for one host."""

    def __init__(self, case, bad):
        self.pool, self.bad, self.real = case.story.pool, bad, case.story.pool.xe
        self.pool.xe = self

    def __call__(self, host, argv, done, *more):
        if host.name != 'a':
            return self.real(host, argv, done, *more)
        return self.bad(lambda answer: self.real(host, argv, answer, *more), argv, done)

    def mend(self):
        self.pool.xe = self.real


def missing(real, argv, done):
    done(ha_lizard.NOT_FOUND, '', 'No such file or directory')


def hanging(real, argv, done):
    pass


def killed_half_way(real, argv, done):
    return real(lambda status, output, errors: done(137, output[:len(output) // 2], ''))


def cut_short(real, argv, done):
    return real(lambda status, output, errors: done(0, output[:len(output) * 2 // 3], ''))


def complaint_on_exit_0(real, argv, done):
    done(0, '', 'Error: the server is on fire\n')


def complaint_as_output(real, argv, done):
    done(0, 'The server failed to handle your request.\n\n\n\n', '')


def mute_on_vms(real, argv, done):
    if argv[1] == 'vm-list':
        return done(0, '', 'Error: the server is on fire\n')
    return real(done)


def binary(real, argv, done):
    done(0, '\0\xff\xfe' * 1000, '')


class TestXe(BadCase):
    def check(self, bad):
        self.begin()
        before, since = self.picture(), len(self.lines)
        xe = BadXe(self, bad)
        self.play('run 31', 'power off c')
        self.nothing_happens(90)
        self.says('a: xapi gives no answer (', since)
        self.assertEqual([], self.said('Traceback'))
        # What was known is still known.
        self.assertEqual(before, self.picture())
        xe.mend()
        self.recovers()

    def test_missing(self):
        self.check(missing)
        self.says('a: xapi gives no answer (xe ')
        self.says('cannot be run: No such file or directory')

    def test_hanging(self):
        self.check(hanging)
        self.says('gave no answer in time')

    def test_killed_half_way(self):
        self.check(killed_half_way)

    def test_cut_short(self):
        self.check(cut_short)
        self.says('its output is cut short')

    def test_complaints_on_exit_0(self):
        self.check(complaint_on_exit_0)

    def test_complaints_as_output(self):
        self.check(complaint_as_output)

    def test_no_vms_at_all(self):
        """There is a control domain on every host: no VM at all is no answer."""
        self.check(mute_on_vms)

    def test_binary(self):
        self.check(binary)


class TestNames(BadCase):
    def names(self):
        """Of w, which runs on c; the last ones imitate v, which runs on a."""
        record = ''.join(['%s ( RO) : %s\n' % pair for pair in zip(ha_lizard.VM_FIELDS, (
            self.story.vms['v'], 'v', 'false', 'false', 'false', 'running', '1', '1', '',
            self.world.hosts['c'].uuid, '', 'home-pool: ' + self.story.pool.uuid, '', '0', '0'))])
        return ('two\nlines', 'comma, comma\\, {"quotes": \'"\'}', LIZARD * 3, '', ' ',
                '$(reboot) `reboot`; reboot | reboot', '\x1b[2J\r', 'a: b; c: d', 'x' * 10000,
                'two\n\n\nlines', 'x\n\n\n' + record + '\n\n' + 'uuid ( RO) : ',
                'x\n    power-state ( RO): halted', record)

    def test_names(self):
        """All of them at once: VMs of c that run again when it dies."""
        self.prepare(*POOL)
        names, vms = self.names(), []
        for number, name in enumerate(names):
            self.story.play('vm w%d on c' % number)
            vms.append(self.story.vms['w%d' % number])
            self.story.pool.setup_db().set('vm', vms[-1], name_label=name)
        self.play('run 60', 'power off c', 'run 200')
        for name, vm in zip(names, vms):
            if len(self.world.where(vm)) != 1:
                self.fail('%r runs on %s:\n%s' % (name, self.world.where(vm),
                                                  '\n'.join(self.lines)))
        self.assertEqual((['a'], []), (self.world.where(self.story.vms['v']),
                                       self.world.violations))
        self.assertEqual([], [line for line in self.lines
                              if len(line) > 2100 or '\n' in line or '\x1b' in line])
        self.assertEqual([], self.said('Traceback'))
        self.says('calls of xe for records that its lists leave ambiguous')

    def test_name_of_a_host(self):
        self.begin()
        for name in ('two\nlines', LIZARD, 'x\n    address ( RO): 10.0.0.1'):
            self.story.pool.database().set('host', self.world.hosts['c'].uuid, name_label=name)
            self.play('run 31')
        self.assertEqual([], self.acts())
        self.recovers()
        self.assertEqual([], [line for line in self.lines if '\n' in line])


class TestSettings(BadCase):
    BAD = ('$(reboot)', '`reboot`', 'two words', '12 34', '1; reboot', '-1', '99999999999999999999',
           'x' * 10000, '0x10', '1.5.2', 'true\nfalse', LIZARD, '\'"', '${XAPI_COUNT}')

    def test_in_the_pool(self):
        self.begin()
        for value in self.BAD:
            since = len(self.lines)
            for name in 'XAPI_COUNT', 'FENCE_ENABLED', 'XAPI_DELAY':
                self.story.other('HA_' + name, value)
            self.play('run 31')
            self.says('a: warn: ', since)
            self.says('XAPI_COUNT', since)
            self.assertEqual([], [line[:300] for line in self.lines[since:]
                                  if len(line) > 2100 or '\n' in line])
        self.assertEqual([], self.said('Traceback'))
        self.recovers()                 # with the last valid values

    def test_texts_are_texts(self):
        """What may be any text is kept as it is, and never run."""
        self.begin()
        for value in self.BAD + ('a=b; c: d', 'x, y\\', ' '):
            for name in 'MAIL_SUBJECT', 'FENCE_USER':
                self.story.other('HA_' + name, value)
            self.play('run 31')
        self.assertEqual([], self.said('Traceback'))
        self.recovers()

    def test_in_the_file(self):
        self.begin()
        for number, text in enumerate((
                     'XAPI_COUNT=$(reboot)\n', 'XAPI_COUNT=`reboot`\n', 'XAPI_COUNT="1\n',
                     'reboot\n', 'XAPI_COUNT\n', '=\n', 'XAPI_COUNT=' + '9' * 10000 + '\n',
                     '\0\xff\n', 'NONSENSE=1\n', 'rm -rf / ; XAPI_COUNT=3\n',
                     'XAPI_COUNT=two words\n')):
            self.a.files[ha_lizard.CONF] = ''
            self.play('run 31')
            since = len(self.lines)
            self.a.files[ha_lizard.CONF] = '\n' * number + text     # no line is like another
            self.play('run 31')
            self.says('a: warn: ', since)
            self.assertEqual([], [line[:300] for line in self.lines[since:]
                                  if len(line) > 2100])
        self.assertEqual([], self.said('Traceback'))
        self.recovers()


class TestDevices(BadCase):
    def asked_itself(self):
        """How often each host compared itself with what its device tells."""
        names = [name for name, argv in self.called if argv[:3] == ['dmidecode', '-s', 'system-uuid']]
        return [names.count(name) for name in 'abc']

    def test_how_often_they_are_asked_while_all_is_well(self):
        """Whose machine, once after each boot; its state, once an hour: here once in
        ten minutes, of which there are soon enough."""
        self.assertEqual(HOUR, ha_lizard.GUARD_PERIOD)
        ha_lizard.GUARD_PERIOD = 600
        try:
            self.look_at_devices()
        finally:
            ha_lizard.GUARD_PERIOD = HOUR

    def look_at_devices(self):
        self.begin('pool a b c', 'fence IRMC', 'ha on')
        self.play('run 1240')
        self.assertEqual([1, 1, 1], self.asked_itself())
        # the master asks for all the others, each of these for the master
        for name, devices in (('a', 2), ('b', 1), ('c', 1)):
            asked = [argv[argv.index('-H') + 1] for each, argv in self.called
                     if each == name and argv[0] == 'ipmitool' and argv[-1] == 'status']
            self.assertEqual(devices, len(set(asked)), name)
            for place in set(asked):        # in 1280 s
                self.assertIn(asked.count(place), (2, 3), name)
        self.play('power off b', 'run 90', 'power on b', 'run 300')
        self.assertEqual([1, 2, 1], self.asked_itself())


class TestPools(BadCase):
    def test_no_vms(self):
        self.begin('pool a b', 'fence ILO', 'ha on')
        self.play('power off b', 'run 120')
        self.assertEqual(([], []), (self.world.violations, self.said('Traceback')))

    def test_one_host(self):
        self.begin('pool a', 'vm v on a', 'fence ILO', 'ha on')
        self.says('a: start-up is over')
        self.play('crash v', 'run 60')
        self.assertEqual(['a'], self.world.where(self.story.vms['v']))
        self.assertEqual(([], []), (self.world.violations, self.said('Traceback')))

    def test_64_hosts(self):
        """The daemons of two are enough to see what a round costs; beside 62
        without one they only watch."""
        names = ['h%02d' % number for number in range(64)]
        lines = ['pool ' + ' '.join(names), 'fence ILO', 'set XAPI_DELAY 2', 'ha on']
        lines += ['vm v%d on %s' % (number, name) for number, name in enumerate(names)]
        lines += ['daemon kill ' + name for name in names[2:]]
        self.begin(*lines)
        calls = dict(self.world.calls)
        self.play('run 16')
        for name, most in ('h00', 4), ('h01', 3):
            self.assertLessEqual(self.world.calls[name] - calls[name], 2 * most)
        self.play('power off h63', 'run 60')
        self.says('h00: watching only: h02, h03, ')
        self.assertEqual(([], []), (self.acts(), self.said('Traceback')))

    def test_ipv6(self):
        self.prepare(*POOL)
        for number, name in (3, 'c'), (2, 'b'), (1, 'a'):       # the master tells last
            self.story.play('address %s fd00::%d' % (name, number))
        for name in 'b', 'c':
            host = self.world.hosts[name]
            host.files[ha_lizard.POOL_CONF] = host.xapi.role = 'slave:fd00::1'
        self.play('run 100')
        self.says('b: master a answers')
        self.recovers()
        self.play('power on c', 'run 200', 'power off a', 'run 300')
        self.assertEqual(1, len(self.world.where(self.story.vms['v'])), '\n'.join(self.lines))
        self.assertEqual([], self.world.violations)


if __name__ == '__main__':
    import unittest
    unittest.main()
