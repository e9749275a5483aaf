"""Mails of whole stories: few, and they say what happened."""

import base
import ha_lizard
import scenario

HOUR = 3600


class Stories(base.TestCase):
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
        for _ in range(16):
            self.play('cut n3', 'run 90', 'heal n3', 'run 150')
        self.assertLessEqual(self.most_in_an_hour(), 2, self.subjects())
        self.assertLess(1, len(self.mails()))

    def test_a_host_that_crashes_again_and_again(self):
        self.pool('n1 n3', vms=3, host='n3')
        self.play('set FENCE_ACTION reset')
        for _ in range(7):
            self.play('power off n3', 'run 300', 'power on n3', 'run 240')
        self.assertLessEqual(self.most_in_an_hour(), 2, self.subjects())

    def test_a_vm_that_crashes_again_and_again(self):
        self.pool('n1', vms=1)
        for _ in range(32):
            self.play('crash vm0', 'run 120')
        self.assertLessEqual(self.most_in_an_hour(), 2, self.subjects())
        self.assertIn('vm0', self.subjects()[0])

    def test_a_mail_server_that_does_not_work_delays_nothing(self):
        times = []
        for mode in ('ok', 'down', 'hangs'):
            self.setUp()
            self.pool('n1 n3', host='n3')
            self.play('mail_server ' + mode, 'power off n3', 'run 200')
            times.append([moment for moment, what, _, vm in self.story.world.truth
                          if what == 'runs' and vm and moment > 300])
            self.assertEqual(len(times[-1]), 20)
            self.assertEqual(len(self.mails()), int(mode == 'ok'))
            self.play('mail_server ok', 'run 300')
            self.assertEqual(self.subjects()[:1], ['n3 was fenced, 20 of 20 VMs started'])
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
                  'ha on', 'run 60', 'cut n2', 'run 3800')
        told = [mail[0] for mail in self.mails() if 'n2: HA is suspended' in mail[2]]
        self.assertEqual(len(told), 2, self.subjects())
        self.assertTrue(HOUR <= told[1] - told[0] <= HOUR + 30, told)

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
