"""Mails of whole stories: few, and they say what happened."""

import os

import base
import ha_lizard
import scenario

HOUR = 3600


class Stage(base.TestCase):
    def setUp(self):
        self.story = scenario.Story()

    def tearDown(self):
        self.story.close()
        self.assertEqual(self.story.world.violations, [])

    def play(self, *lines):
        for line in lines:
            self.story.play(line)

    def pool(self, names='n1 n2 n3', fence='ILO', vms=20, host='n1', hosts=''):
        self.play('pool ' + names, 'fence ' + fence, 'witness 10.0.0.254')
        for number in range(vms):
            self.play('vm vm%d on %s memory=1' % (number, host))
        self.play('set SMTP_SERVER mail.example.org', 'ha on', 'run 60')
        del self.story.world.mails[:]

    def mails(self):
        """[(moment, host, subject, text)]"""
        found = []
        for moment, host, request in self.story.world.mails:
            head, body = request['message'].replace('\r\n', '\n').split('\n\n', 1)
            subject = [line[9:] for line in head.split('\n') if line.startswith('Subject: ')][0]
            found.append((moment, host, subject, body))
        return found

    def subjects(self):
        return [mail[2].split(' ', 1)[1] for mail in self.mails()]

    def most_in_an_hour(self):
        moments = [mail[0] for mail in self.mails()]
        # A child takes its seconds to carry a letter out.
        return max([0] + [len([each for each in moments if start <= each < start + HOUR - 30])
                          for start in moments])

    def messages(self):
        return self.story.pool.master().xapi and [
            row['name'] for row in self.story.pool.database().rows('message')]

    def files(self, name):
        return dict([(path, text) for path, text in self.story.host(name).files.items()
                     if path.startswith(ha_lizard.STATE)])


class Stories(Stage):
    def test_a_master_with_20_vms(self):
        self.pool()
        self.play('power off n1', 'run 300', 'power on n1', 'run 300')
        subjects = self.subjects()
        self.assertLessEqual(len(subjects), 3, subjects)
        self.assertEqual(subjects, [
            'n1 was fenced, n2 is the new master, 20 of 20 VMs started', 'n1: host is back'])
        for number in range(20):
            self.assertIn('vm%d:' % number, self.mails()[0][3])
        self.assertIn('n2', self.mails()[0][1])

    def test_a_slave_with_20_vms(self):
        self.pool(host='n3')
        self.play('power off n3', 'run 200', 'power on n3', 'run 300')
        self.assertEqual(self.subjects(), ['n3 was fenced, 20 of 20 VMs started',
                                           'n3: host is back'])

    def test_a_daemon_that_dies_in_the_middle(self):
        self.pool(host='n3')
        self.play('power off n3', 'run 45', 'daemon kill n1', 'daemon start n1', 'run 8',
                  'daemon kill n1', 'daemon start n1', 'run 200')
        self.assertEqual(self.subjects()[:1], ['n3 was fenced, 20 of 20 VMs started'])
        self.assertEqual([each for each in self.subjects() if 'VM' in each][1:], [])

    def test_a_host_that_flaps(self):
        self.pool(fence='POOL', vms=3, host='n3')
        self.play('set MONITOR_DELAY 30')
        for _ in range(13):
            self.play('cut n3', 'run 90', 'heal n3', 'run 195')
        self.assertLessEqual(self.most_in_an_hour(), 2, self.subjects())
        self.assertLess(1, len(self.mails()))

    def test_a_host_that_crashes_again_and_again(self):
        self.pool(vms=3, host='n3')
        self.play('set FENCE_ACTION reset', 'set MONITOR_DELAY 60')
        for _ in range(7):
            self.play('power off n3', 'run 180', 'power on n3', 'run 345')
        self.assertLessEqual(self.most_in_an_hour(), 2, self.subjects())

    def test_a_vm_that_crashes_again_and_again(self):
        self.pool('n1', vms=1)
        for _ in range(31):
            self.play('crash vm0', 'run 120')
        self.assertLessEqual(self.most_in_an_hour(), 2, self.subjects())
        self.assertIn('vm0', self.subjects()[0])

    def test_a_mail_server_that_does_not_work_delays_nothing(self):
        times = []
        for mode in ('ok', 'down', 'hangs'):
            self.story.close()
            self.setUp()
            self.pool(host='n3', vms=5)
            self.play('mail_server ' + mode, 'power off n3', 'run 120')
            times.append([moment for moment, what, _, vm in self.story.world.truth
                          if what == 'runs' and vm and moment > 60])
            self.assertEqual(len(times[-1]), 5)
            self.assertEqual(len(self.mails()), int(mode == 'ok'))
            # What could not be sent is tried again, at intervals that grow.
            self.play('mail_server ok', 'run %d' % {'ok': 30}.get(mode, 300))
            self.assertEqual(self.subjects()[:1], ['n3 was fenced, 5 of 5 VMs started'])
            self.assertEqual([path for path in self.files('n1') if 'mail.' in path], [])
        self.assertEqual(times[0], times[1])
        self.assertEqual(times[0], times[2])

    def test_nothing_in_a_healthy_pool(self):
        self.pool(vms=3)
        before = dict([(name, self.files(name)) for name in ('n1', 'n2', 'n3')])
        calls = dict(self.story.world.calls)
        self.play('run 600')             # less than an hour: hourly looks are noted
        self.assertEqual(self.mails(), [])
        for name in ('n1', 'n2', 'n3'):
            after = self.files(name)
            changed = [path for path in after if after[path] != before[name].get(path)]
            self.assertEqual(changed, [ha_lizard.PICTURE], name)
            rounds = 600 / 15.0
            self.assertLessEqual(self.story.world.calls[name] - calls[name], 3 * rounds + 6)

    def test_nothing_while_starting_up(self):
        self.pool(vms=3)
        self.play('reboot n2', 'run 10')
        self.play('run 300')
        self.assertEqual([mail for mail in self.mails() if mail[1] == 'n2'], [])

    def test_a_suspended_host_says_so_every_hour(self):
        self.play('pool n1 n2', 'vm web on n2', 'fence POOL', 'set SUSPEND_AUTO_CLEAR 0',
                  'set MONITOR_DELAY 60', 'ha on', 'run 130', 'cut n2', 'run 3800')
        told = [mail[0] for mail in self.mails() if 'n2: HA is suspended' in mail[2]]
        self.assertEqual(len(told), 2, self.subjects())
        self.assertTrue(HOUR <= told[1] - told[0] <= HOUR + 65, told)

    def test_messages_in_xencenter_come_and_go(self):
        self.pool(vms=3, host='n3')
        self.play('power off n3', 'run 120')
        shown = self.names_of_messages()
        self.assertIn('HA_LIZARD_HOST_OFF', shown)
        self.assertIn('HA_LIZARD_DIGEST', shown)
        self.play('power on n3', 'run 300')
        self.assertEqual(self.names_of_messages(), ['HA_LIZARD_DIGEST'])

    def names_of_messages(self):
        site = ha_lizard.Site(self.story.host('n1').dom0)
        found = []
        self.story.host('n1').dom0.run_program(
            lambda: found.append(ha_lizard.list_messages(site)))
        self.play('run 5')
        self.assertIsNone(found[0][1])
        return sorted([record['name'] for record in found[0][0]])

    def test_the_field_of_a_host_shows_its_health(self):
        self.pool(vms=0)
        self.play('power off n3', 'run 120')
        self.assertEqual(self.health(), {'n1': 'master', 'n2': 'healthy', 'n3': 'failed'})
        self.play('power on n3', 'run 300')
        self.assertEqual(self.health(), {'n1': 'master', 'n2': 'healthy', 'n3': 'healthy'})

    def health(self):
        found = {}
        for name in self.story.world.order:
            pairs = dict(self.story.pool.database().get(
                'host', self.story.host(name).uuid)['other_config'])
            found[name] = pairs.get('XenCenter.CustomFields.ha-lizard-enabled')
        return found


class EveryEvent(Stage):
    """Each event of the table has a cause: a golden scenario has its mail, or a
    story here makes it happen.  What is heard is what ALERT_SCRIPT is told, and
    what XenCenter shows."""

    GOLDEN = {
        'vm-down': ('s29-local-disk-on-dead-host', 'n3 was fenced, 1 of 2 VMs started'),
        'vm-stuck': ('s25-migration-source-reboots-pool-3',
                     'web: VM is down and xapi is at work on it'),
        'vm-failed': ('s30-vm-fails-to-start', 'VM web did not start on n1'),
        'host-silent': ('s08-lone-host-reboots-once', 'n1: host is silent'),
        'dead-xapi': ('deaf-master-is-left-alone-pool', 'n1: host is alive, its xapi is not'),
        'peer': ('s41-daemon-dead-on-heir-ilo', 'n2: HA does not run'),
        'version': ('s57-old-version-beside', 'n1: hosts run different versions of HA'),
        'isolated': ('s05-isolated-master-pool-3', 'n1: isolated host stopped its VMs'),
        'suspended': ('s08-lone-host-reboots-once', 'n2: HA is suspended'),
        'startup': ('s08-lone-host-reboots-once', 'n1: HA does not come up'),
        'fence': ('fence-refused', 'n3 could not be fenced'),
        'fence-failed': ('fence-refused', 'n3 could not be fenced'),
        'device': ('guard-identity', 'n2: a fence device does not fit its host'),
        'confirm-dead': ('s12-master-and-heir-die-ilo-3',
                         'n3 is the new master, VM web started on n3 (and 3 more)'),
        'promotion-done': ('s12-master-and-heir-die-ilo-3',
                           'n3 is the new master, VM web started on n3 (and 3 more)'),
        'no-heir': ('member-dead-for-long-then-isolation-pool-3',
                    'a slave can replace the master again'),
        'xenserver-ha': ('xenserver-ha', 'XenServer HA is on'),
        'freeze': ('s45-frozen', 'HA is frozen'),
    }
    # (what it fires, the settings and VMs, what happens)
    STORIES = (
        ('vm-field setting state metrics identity pool-field',
         ['pool n1 n2', 'vm web on n1', 'set GLOBAL_VM_HA 0', 'set METRICS_DIR /metrics'],
         ['set n1 MONITOR_DELAY soon', 'field web perhaps', 'disk full n2', 'run 35',
          'disk ok n2', 'lose the inventory of n2', 'run 35', 'field pool perhaps', 'run 35']),
        ('fence-begun fence-proved vm-started vm-left digest forgotten',
         ['pool n1 n2 n3', 'fence ILO', 'vm web on n3 ha=true', 'vm lab on n3',
          'set GLOBAL_VM_HA 0', 'set FENCE_HOST_FORGET 1'],
         ['power off n3', 'run 120']),
        ('fence-unproved host-off', ['pool n1 n2 n3', 'fence CUSTOM', 'agents without status',
                            'vm web on n3'],
         ['power off n3', 'run 120']),
        ('promotion-begun promotion-refused', ['pool n1 n2 n3', 'fence ILO'],
         ['xapi stop n2', 'power off n1', 'run 100']),
        ('wrong-machine', ['pool n1 n2 n3 n4 n5', 'fence ILO', 'swap-bmc n2 n3'],
         ['cut n3', 'run 45', 'heal n3', 'run 35']),
        ('fence-presumed rival', ['pool n1 n2 n3', 'fence ILO', 'set FENCE_HA_ONFAIL 1',
                                  'watchdog none n1', 'bmc n1 refuses'],
         ['cut n1', 'run 200', 'daemon kill n2', 'heal n1', 'run 35']),
        ('vm-twice', ['pool n1 n2 n3', 'fence ILO', 'vm web on n1'],
         ['copy web to n3', 'run 35']),
        ('lonely', ['pool n1 n2 n3', 'fence ILO', 'set FENCE_REBOOT_LONE_HOST 1'],
         ['cut n1 n2 n3', 'run 60', 'heal n1 n2 n3', 'run 200']),
        ('freeze-ends', ['pool n1'], ['freeze 25', 'run 950']),
        ('vm-start', ['pool n1', 'vm web on n1'], ['sr off', 'guest-shutdown web', 'run 40']),
        ('capacity mail', ['pool n1 n2', 'vm web on n1 memory=90', 'vm db on n2 memory=90',
                           'mail_server down'], ['run 500']),
        ('raised test', ['pool n1'], ['ha-cfg raise-alert', 'ha-cfg email', 'run 5']),
    )

    def listen(self):
        """From now on what the world is told is in `fired`."""
        world, self.fired = self.story.world, set()
        watch_call, names = world.watch_call, dict(
            [(event.message, event.key) for event in ha_lizard.EVENTS])

        def listen(host, argv):
            if argv[0] == '/opt/tell':
                self.fired.add(argv[1])
            elif argv[:2] == ['xe', 'message-create']:
                self.fired.add(names[argv[2].split('=')[1]])
            return watch_call(host, argv)
        world.watch_call = listen

    def happen(self, line):
        story = self.story
        if line == 'agents without status':
            for name in story.world.order:
                story.host(name).files.update(story.world.devices.files(
                    'CUSTOM', status=False))
        elif line.startswith('copy web'):           # I1, and so it must be told
            story.world.start_domain(story.host('n3'), story.vms['web'])
            del story.world.violations[:]
        elif line.startswith('lose the inventory'):
            story.host('n2').files[ha_lizard.INVENTORY] = ''
        elif line.startswith('ha-cfg'):
            self.command(line)
        else:
            self.play(line)

    def command(self, line):
        dom0, said = self.story.host('n1').dom0, []
        before = ha_lizard.say
        ha_lizard.say = said.append
        try:
            dom0.run_program({
                'ha-cfg email': lambda: ha_lizard.send_test_mail(ha_lizard.Site(dom0)),
                'ha-cfg raise-alert': lambda: ha_lizard.raise_message(
                    ha_lizard.Site(dom0), 'by hand')}[line])
            self.play('run 5')
        finally:
            ha_lizard.say = before
        if said and 'Test Message ID' in self.story.world.mails[-1][2]['message']:
            self.fired.add('test')

    def test_that_it_has_a_cause(self):
        caused = list(self.GOLDEN)
        for events, before, then in self.STORIES:
            self.setUp()
            self.listen()
            for line in before:
                self.happen(line)
            self.play('set SMTP_SERVER mail.example.org')
            for name in self.story.world.order:
                self.play('set %s ALERT_SCRIPT /opt/tell' % name)
            self.play('ha on', 'run 40')
            for line in then:
                self.happen(line)
            missing = [event for event in events.split() if event not in self.fired]
            self.assertEqual(missing, [], '%s does not follow from %s, but %s' % (
                missing, then, sorted(self.fired)))
            caused += events.split()
            self.tearDown()
        for event, (name, text) in self.GOLDEN.items():
            story = ha_lizard.read_file(os.path.join(base.TESTS, 'sim', 'scenarios',
                                                     name + '.txt'))
            self.assertIn(': mail: %s\n' % text, story, event)
        self.assertEqual(sorted(caused), sorted(ha_lizard.EVENT))
