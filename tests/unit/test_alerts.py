"""Alerts and mail: told once, told to the right channels, never waited for."""

import re
import sys

import base
import ha_lizard
from ha_lizard import Host, View, Vm

POOL = 'a0a0a0a0-0000-4000-8000-000000000001'
N1, N2, N3 = ['b0b0b0b0-0000-4000-8000-00000000000%d' % number for number in (1, 2, 3)]
VMS = ['c0c0c0c0-0000-4000-8000-0000000000%02d' % number for number in range(1, 21)]
CAFE = 'caf\xc3\xa9'                      # in UTF-8
if sys.version_info[0] > 2:
    CAFE = CAFE.encode('latin-1').decode('utf-8')
INVENTORY = "INSTALLATION_UUID='%s'\n" % N1
CONF = 'SMTP_SERVER=127.0.0.1\nMAIL_TO="a@example.org, b@example.org"\n'


def facts(vms=3):
    found = ha_lizard.Facts(0.0)
    found.pool, found.master = POOL, N1
    for number, uuid in enumerate((N1, N2, N3)):
        found.hosts[uuid] = {
            'uuid': uuid, 'name-label': 'n%d' % (number + 1), 'enabled': 'true',
            'address': '127.0.0.%d' % (number + 11), 'host-metrics-live': 'true',
            'memory-total': '1000', 'memory-overhead': '0'}
    for number, uuid in enumerate(VMS[:vms]):
        found.vms[uuid] = {
            'uuid': uuid, 'name-label': 'vm%d' % (number + 1), 'power-state': 'running',
            'resident-on': N3, 'current-operations': '', 'is-control-domain': 'false',
            'memory-dynamic-min': '1', 'memory-overhead': '0', 'affinity': '',
            'appliance': '', 'start-delay': '0', 'order': '0', 'field': '', 'stamp': POOL}
    return found


class FakeDom0(object):
    """A machine in memory; its children are noted and end when a test says so."""

    def __init__(self):
        self.time, self.files, self.begun, self.logged = 10000.0, {}, [], []
        self.full, self.memory = False, ''
        self.files[ha_lizard.BOOT_ID] = 'boot\n'
        self.files[ha_lizard.INVENTORY] = INVENTORY
        self.files[ha_lizard.POOL_CONF] = 'master'
        self.files[ha_lizard.CONF] = CONF
        self.files[ha_lizard.PICTURE] = ha_lizard.Picture(
            facts=facts(20), enabled='true', settings={}, own={}).text('boot', 'now')

    def now(self):
        return self.time

    def wall(self):
        return 1764000000 + self.time

    def read(self, path, default=None):
        return self.files.get(path, default)

    def write(self, path, text, mode=0):
        if self.full:
            return path + ': No space left on device'
        self.files[path] = text

    def append(self, path, text, mode=0):
        return self.write(path, self.files.get(path, '') + text)

    def remove(self, path):
        self.files.pop(path, None)

    def log(self, text, priority='info'):
        self.logged.append(text)

    def confide(self, text):
        self.memory = text

    def begin(self, argv, timeout, feed='', env=None, password=None):
        job = ha_lizard.Record()
        job.argv, job.env, job.feed, job.result = argv, env, feed, None
        self.begun.append(job)
        job.result = self.result_of(job)
        return job

    def result_of(self, job):
        if job.argv[2:4] == ['act', 'smtp']:
            return ha_lizard.Result(job.argv, 0, '\nagain: \n')
        return ha_lizard.Result(job.argv, 0, '')

    def ended(self, jobs, seconds):
        return list(jobs)

    def run(self, argv, timeout, feed='', env=None, password=None):
        return self.begin(argv, timeout, feed, env).result


class Fresh(base.TestCase):
    """Rounds on one host, one after the other."""

    def setUp(self):
        self.dom0 = FakeDom0()
        self.site = ha_lizard.Site(self.dom0)

    def conf(self, text):
        self.dom0.files[ha_lizard.CONF] = CONF + text
        self.again()

    def again(self):
        """The next round is a process of its own; the watcher keeps what cannot be
        saved."""
        memory = ''
        if self.site.notes.save():
            memory = self.site.notes.memory()
        self.site = ha_lizard.Site(self.dom0, memory=memory)

    def view(self, **more):
        hosts = [Host(uuid=uuid, name='n%d' % (number + 1), memory_total=1000)
                 for number, uuid in enumerate((N1, N2, N3))]
        known = {'hosts': hosts, 'me': hosts[0], 'master': hosts[0], 'role': 'master',
                 'enabled': 'true', 'ready': True, 'pool': POOL}
        known.update(more)
        return View(**known)

    def round(self, warnings=None, after=15, deliver=True, **view):
        """One round; the letters that it gave to the spool."""
        self.dom0.time += after
        before = len(self.dom0.begun)
        ha_lizard.update_alerts(self.site, warnings or {}, self.view(**view))
        self.again()
        return self.sent(before, deliver)

    def sent(self, before, deliver=True):
        letters = []
        for job in self.dom0.begun[before:]:
            if job.argv[2:4] == ['act', 'mail']:
                for slot in job.argv[4:]:
                    letters.append(dict(ha_lizard.load_entry(self.dom0, int(slot)) or []))
                if deliver:
                    ha_lizard.act_mail(self.dom0, job.argv[4:])
        return [letter for letter in letters if 'text' in letter]

    def act(self, action, why=None, seconds=1):
        """An action from its beginning to its end."""
        ha_lizard.record_act(self.site, action, 'begun')
        self.dom0.time += seconds
        if not why and isinstance(action, ha_lizard.Fence):
            self.site.proved(action.host, 'ILO: read off twice')
        ha_lizard.record_act(self.site, action, {True: 'failed', False: 'done'}[bool(why)],
                             why)


# -- the table ----

class EachEvent(Fresh):
    """Each event of the table is fired once, here and nowhere else by itself."""

    def condition(self, key, subject='', view=None, **more):
        """Raise it and end it: its letters and its message in XenCenter."""
        name = '-'.join([word for word in (key, subject) if word])
        raised = self.round({name: 'the text of ' + key}, **(view or {}))
        after = 1 + max(120, ha_lizard.EVENT[key].patience)
        raised += self.round({name: 'the text of ' + key}, after=after, **(view or {}))
        calls = [job.argv for job in self.dom0.begun if job.argv[0] == 'xe']
        over = self.round({}, **(view or {}))
        return raised, over, calls

    def test_conditions(self):
        for event in ha_lizard.EVENTS:
            if event.mail == '' or event.key in DIGEST or event.key in ELSEWHERE:
                continue
            self.setUp()
            subject = {'host': N3, 'vm': VMS[0]}.get(event.about, '')
            raised, over, calls = self.condition(event.key, subject)
            if event.mail != 'over':
                self.assertEqual(len(raised), 1, event.key)
                self.assertIn(event.title, raised[0]['title'])
                self.assertIn('the text of ' + event.key, raised[0]['text'])
                self.assertIn(event.advice or 'Nothing', raised[0]['text'])
            self.assertEqual(len(over), int(event.mail != 'raised'), event.key)
            for letter in over:
                self.assertIn(event.end, letter['title'])
            created = [argv for argv in calls if argv[1] == 'message-create']
            self.assertEqual(len(created), 1, event.key)
            self.assertIn('name=HA_LIZARD_' + event.key.upper().replace('-', '_'), created[0])
            self.assertIn('priority=%d' % event.priority, created[0])
            self.assertIn({'host': 'host-uuid=' + N3, 'vm': 'vm-uuid=' + VMS[0],
                           'pool': 'pool-uuid=' + POOL}[event.about], created[0])

    def test_every_event_has_a_function_with_switches(self):
        functions = [row[0] for row in ha_lizard.FUNCTIONS]
        for event in ha_lizard.EVENTS:
            self.assertIn(event.function, functions)

    def by_function(self):
        """[(function, its events)], with a fresh host for each."""
        for function in sorted(set([event.function for event in ha_lizard.EVENTS])):
            self.setUp()
            yield function, [event for event in ha_lizard.EVENTS if event.function == function]

    def test_the_log_switch_of_each(self):
        for function, events in self.by_function():
            self.conf('LOG_%s=0\nMAIL_ON=0\n' % function)
            self.round(dict([(event.key, 'not to be logged') for event in events]))
            self.assertEqual([line for line in self.dom0.logged if 'not to be' in line], [])

    def test_the_mail_switch_of_each(self):
        for function, events in self.by_function():
            self.conf('MAIL_%s=0\n' % function)
            if 'MAIL_' + function in ha_lizard.ROWS:
                warnings = dict([(event.key, 'x') for event in events])
                self.assertEqual(self.round(warnings) + self.round(warnings, after=61), [],
                                 function)

    def test_the_priority_switch_of_each(self):
        for function, events in self.by_function():
            self.conf('PRIORITY_%s=5\n' % function)
            self.assertEqual([event.rank(self.site.settings) for event in events],
                             [5] * len(events))
            self.conf('PRIORITY_%s=0\n' % function)
            self.round(dict([(event.key, 'x') for event in events]))
            self.assertEqual([job for job in self.dom0.begun if job.argv[0] == 'xe'], [])

    def test_vm_start_is_shown_and_told_by_the_digest(self):
        raised, _, calls = self.condition('vm-start', VMS[0])
        self.assertEqual(raised, [])
        self.assertIn('vm-uuid=' + VMS[0], [argv for argv in calls
                                            if argv[1] == 'message-create'][0])

    def test_fencing(self):
        host = Host(uuid=N3, name='n3')
        self.act(ha_lizard.Fence(host=host))
        letter = self.round(hosts=self.hosts(N3))[0]
        self.assertIn('n3 was fenced', letter['title'])
        self.assertIn('fencing of n3 began at', letter['text'])
        self.assertIn('read off twice', letter['text'])

    def hosts(self, off=None):
        hosts = self.view().hosts
        for host in hosts:
            if host.uuid == off:
                host.off, host.answers, host.silent = 'proof', False, True
        return hosts

    def test_fencing_that_fails(self):
        for unproved, title in ((False, 'could not be fenced'), (True, 'is not proved off')):
            self.setUp()
            action = ha_lizard.Fence(host=Host(uuid=N3, name='n3'))
            if unproved:
                self.site.notes['unproved.' + N3] = '1'
            self.act(action, 'no answer from the device')
            letter = self.round({'fence-' + N3: 'slave n3 is silent; not fencing it'})[0]
            self.assertEqual(letter['title'], 'n3 ' + title)
            self.assertIn('no answer from the device', letter['text'])
            self.assertIn('confirm-dead', letter['text'])
            self.assertEqual(letter['mood'], 'bad')
            # The condition says the same; the digest has it already.
            self.assertEqual(letter['text'].count('WHAT IS WRONG'), 0)

    def test_a_presumed_death(self):
        self.act(ha_lizard.TakeOver(host=Host(uuid=N3, name='n3'), why='x'))
        letter = self.round()[0]
        self.assertIn('n3 is taken for dead', letter['title'])
        self.assertIn('Make sure at once', letter['text'])

    def test_a_promotion(self):
        self.act(ha_lizard.Promote(master=Host(uuid=N3, name='n3')))
        self.assertEqual(self.round(), [])              # it goes on
        self.act(ha_lizard.EndPromotion())
        self.assertEqual(self.round()[0]['title'], 'n1 is the new master')

    def test_a_promotion_that_takes_long_is_told_of(self):
        self.act(ha_lizard.Promote(master=Host(uuid=N3, name='n3')))
        self.dom0.time += ha_lizard.INTERIM
        before = len(self.dom0.begun)
        ha_lizard.meanwhile(self.site, self.view())
        ha_lizard.meanwhile(self.site, self.view())     # once
        letters = self.sent(before)
        self.assertEqual([letter['title'] for letter in letters], ['n1 is becoming the master'])

    def test_a_promotion_that_does_not_work(self):
        self.act(ha_lizard.Promote(master=Host(uuid=N3, name='n3')), 'xe failed')
        letter = self.round()[0]
        self.assertEqual(letter['title'], 'n1 did not become the master')
        self.assertIn('xe failed', letter['text'])

    def test_a_forgotten_host(self):
        self.act(ha_lizard.Forget(host=Host(uuid=N3, name='n3')))
        self.assertIn('n3 was removed from the pool', self.round()[0]['text'])

    def test_a_vm_that_is_started(self):
        self.act(ha_lizard.StartVm(vm=Vm(uuid=VMS[0], name='vm1'),
                                   host=Host(uuid=N2, name='n2')))
        letter = self.round()[0]
        self.assertEqual(letter['title'], 'VM vm1 started on n2')
        self.assertIn(VMS[0], letter['text'])
        self.assertEqual(letter['mood'], 'good')

    def test_a_vm_that_does_not_start(self):
        self.act(ha_lizard.StartVm(vm=Vm(uuid=VMS[0], name='vm1'),
                                   host=Host(uuid=N2, name='n2')), 'no memory')
        letter = self.round({'vm-start-' + VMS[0]: 'VM vm1 does not start'})[0]
        self.assertEqual(letter['title'], 'VM vm1 did not start on n2')
        self.assertIn('no memory', letter['text'])
        self.assertIn(VMS[0], letter['text'])

    def test_a_vm_that_finds_no_host(self):
        vm = Vm(uuid=VMS[0], name='vm1', stamp=POOL, memory=5000)
        letter = self.round(vms=[vm], storage=True)[0]
        self.assertIn('vm1: VM is not running', letter['title'])
        self.assertIn('n1 has too little memory', letter['text'])

    def test_a_vm_that_is_not_managed_is_left_alone(self):
        self.conf('GLOBAL_VM_HA=0\n')
        vm = Vm(uuid=VMS[0], name='vm1', stamp=POOL)
        self.act(ha_lizard.ResetPower(vm=vm, host=Host(uuid=N3, name='n3')))
        letter = self.round(vms=[vm])[0]
        self.assertIn('VMS THAT HA LEAVES ALONE', letter['text'])
        self.assertIn('GLOBAL_VM_HA=0', letter['text'])

    def test_a_vm_that_ran_twice(self):
        self.act(ha_lizard.StopVm(vm=Vm(uuid=VMS[0], name='vm1')))
        letter = self.round()[0]
        self.assertIn('VM vm1 ran here as well as elsewhere', letter['text'])
        self.assertIn('Check its file systems', letter['text'])
        self.assertEqual(letter['mood'], 'bad')

    def test_a_restarted_toolstack(self):
        self.act(ha_lizard.RestartToolstack())
        self.assertIn('the restart of the toolstack worked', self.round()[0]['text'])

    def test_a_freeze(self):
        self.assertIn('HA is frozen', self.round(frozen='12:00:00', ready=False)[0]['title'])

    def test_a_start_that_another_host_did_is_not_ours_to_tell(self):
        action = ha_lizard.StartVm(vm=Vm(uuid=VMS[0], name='vm1'),
                                   host=Host(uuid=N2, name='n2'))
        action.needless = True
        self.act(action)
        self.assertEqual(self.round(), [])

    def test_a_host_that_is_off_is_told_when_it_is_back(self):
        self.assertEqual(self.round(hosts=self.hosts(N3)), [])
        created = [job.argv for job in self.dom0.begun if job.argv[1] == 'message-create']
        self.assertIn('host-uuid=' + N3, created[0])
        self.assertEqual(self.round()[0]['title'], 'n3: host is back')

    def test_a_lonely_reboot(self):
        self.dom0.reboot = lambda: None
        self.assertIsNone(ha_lizard.RebootLonely().do(self.site))
        self.again()
        self.assertIn('rebooted', self.round()[0]['title'])

    def test_a_master_that_nobody_replaces(self):
        hosts = self.view().hosts
        hosts[0].silent, hosts[0].answers, hosts[0].silence = True, False, 700
        view = {'hosts': hosts, 'me': hosts[1], 'role': 'slave', 'master': hosts[0]}
        self.assertIn('n1: host is silent', self.round(**view)[0]['title'])
        self.setUp()
        view['me'] = hosts[2]                   # n2 is first by name
        self.assertEqual(self.round(**view), [])

    def test_capacity(self):
        vms = [Vm(uuid=VMS[number], name='vm%d' % number, power='running', memory=700,
                  host=(N1, N2)[number]) for number in (0, 1)]
        hosts = self.view().hosts[:2]
        self.dom0.time = ha_lizard.HOUR * 3 - 5
        view = {'hosts': hosts, 'me': hosts[0], 'master': hosts[0], 'vms': vms}
        letter = self.round(**view)[0]
        self.assertIn('the pool cannot lose this host', letter['title'])
        self.assertIn('if n1 fails, 1 of its VMs', letter['text'])
        self.assertEqual(self.round(after=100, **view), [])
        view['vms'] = []                        # looked at again an hour later
        self.assertEqual(self.round(after=100, **view), [])
        self.assertIn('can lose this host again', self.round(after=3400, **view)[0]['title'])

    def test_starting_up_for_ever(self):
        self.assertEqual(self.round(ready=False, uptime=800), [])
        self.assertIn('HA does not come up', self.round(ready=False, uptime=901)[0]['title'])

    def test_a_state_that_cannot_be_saved(self):
        self.dom0.full = True
        self.assertEqual(self.round({'state-1': 'disk full'}), [])     # past the spool
        self.assertIn('state of HA cannot', dict(
            ha_lizard.from_state(self.dom0.begun[0].feed))['message'])
        self.dom0.full = False
        self.assertEqual(self.round({'state-1': 'disk full'}), [])
        self.assertIn('saved and read again', self.round()[0]['title'])

    def test_mail_that_does_not_work_is_shown(self):
        self.dom0.result_of = lambda job: ha_lizard.Result(job.argv, {
            True: 1, False: 0}['smtp' in job.argv], 'no\nagain: \n')
        self.round({'peer-' + N3: 'x'})
        for _ in range(4):
            self.round({'peer-' + N3: 'x'}, after=1000)
        self.assertIn('name=HA_LIZARD_MAIL', [word for job in self.dom0.begun
                                              for word in job.argv])

    def test_metrics_that_cannot_be_written(self):
        self.conf('METRICS_DIR=/metrics\n')
        write = self.dom0.write
        self.dom0.write = lambda path, text, mode=0: (
            path.startswith('/metrics') and 'no' or write(path, text, mode))
        self.assertIn('METRICS_DIR', self.round()[0]['text'])

    def test_a_moment_without_end(self):
        ha_lizard.announce(self.site, 'confirm-dead-' + N3, 'n3 was confirmed dead')
        self.again()                            # the round was killed
        self.assertEqual(self.round(ready=False), [])
        self.assertIn('n3: host was confirmed dead', self.round()[0]['title'])
        self.assertEqual(self.round(), [])

    def test_a_subject_may_have_more_than_a_uuid(self):
        letter = self.round({'device-%s-ILO' % N3: 'does not answer'})[0]
        self.assertIn('n3: a fence device', letter['title'])
        self.assertIn('host-uuid=' + N3, self.dom0.begun[-1].argv)

    def test_an_unknown_event_is_told_all_the_same(self):
        self.assertIn('new thing', self.round({'new-thing': 'x'})[0]['title'])


# Told by the digest, and by test_... of their own.
DIGEST = ('vm-started', 'vm-failed', 'vm-left', 'fence-begun', 'fence-proved',
          'fence-unproved', 'fence-failed', 'fence-presumed', 'forgotten',
          'promotion-begun', 'promotion-done', 'promotion-refused')
ELSEWHERE = ('capacity', 'test', 'raised', 'metrics')


# -- once ----

class Once(Fresh):
    PEER = {'peer-' + N3: 'n3 is quiet'}

    def test_the_same_event_is_mailed_once_an_hour(self):
        self.assertEqual(len(self.round(self.PEER)), 1)
        self.assertEqual(len(self.round()), 1)
        for _ in range(10):
            self.assertEqual(self.round(self.PEER), [])
            self.assertEqual(self.round(), [])
        letter = self.round({'no-heir': 'none'})[0]
        self.assertIn('10 times:  HA does not run (n3)\n', letter['text'])
        self.assertNotIn('runs again', letter['text'])      # of what nobody heard
        self.assertNotIn('10 times', self.round({'no-heir': 'x', 'identity': 'y'})[0]['text'])

    def test_by_event_and_not_by_text(self):
        self.round(self.PEER)
        self.assertEqual(self.round({'peer-' + N3: 'other words'}), [])
        self.assertEqual(self.site.notes.get('alert.peer-' + N3), 'other words')
        self.assertEqual(len(self.round({'peer-' + N2: 'n2 is quiet'})), 1)

    def test_what_was_held_back_and_lasts_is_told_later(self):
        self.round(self.PEER)
        self.round()
        self.assertEqual(self.round(self.PEER), [])
        self.assertEqual(self.round(self.PEER, after=3000), [])
        self.assertEqual(len(self.round(self.PEER, after=600)), 1)
        self.assertEqual(self.round(self.PEER, after=3700), [])

    def test_an_end_that_was_held_back_is_told_later(self):
        self.round(self.PEER)
        self.round(after=1800)
        self.assertEqual(len(self.round(self.PEER, after=1900)), 1)
        self.assertEqual(self.round(), [])
        self.assertEqual(len(self.round(after=1900)), 1)

    def test_a_fence_that_waits_for_a_moment_is_not_told(self):
        waiting = {'fence-' + N3: 'slave n3 is silent; not fencing it: waiting 40 s'}
        self.assertEqual(self.round(waiting) + self.round(waiting) + self.round(), [])
        self.assertEqual([job for job in self.dom0.begun], [])
        self.assertEqual(len(self.round(waiting) + self.round(waiting, after=61)), 1)

    def test_a_host_that_flaps(self):
        fence, told = {'fence-' + N3: 'x'}, 0
        for number in range(36):            # three hours
            told += len(self.round(fence, after=200)) + len(self.round(fence, after=60))
            told += len(self.round(after=40))
        self.assertEqual(told, 6)

    def test_a_suspension_is_told_every_hour(self):
        told = 0
        for _ in range(24 * 6):
            told += len(self.round({'suspended': 'x'}, after=600, suspended='x', ready=False))
        self.assertEqual(told, 24)

    def test_screen_time_is_a_setting(self):
        self.conf('MAIL_SCREEN_TIME=1\n')
        self.round(self.PEER)
        self.round()
        self.assertEqual(len(self.round(self.PEER, after=61)), 1)

    def test_nothing_while_starting_up(self):
        self.assertEqual(self.round(self.PEER, ready=False), [])
        self.assertEqual(len(self.round(self.PEER)), 1)
        # A restart does not end what lasts.
        self.assertEqual(self.round({}, ready=False), [])
        self.assertEqual(self.round(self.PEER), [])

    def test_only_the_master_tells_what_all_see(self):
        hosts = self.view().hosts
        slave = {'role': 'slave', 'me': hosts[1], 'master': hosts[0], 'hosts': hosts}
        self.assertEqual(self.round({'xenserver-ha': 'x', 'setting-1': 'in the pool'}, **slave),
                         [])
        self.assertIn('x', self.dom0.files[ha_lizard.Journal.path])
        self.assertEqual(len(self.round({'setting-2': 'on this host'}, **slave)), 1)

    def test_all_of_a_round_is_one_mail(self):
        letters = self.round({'peer-' + N3: 'x', 'peer-' + N2: 'y', 'no-heir': 'z'})
        self.assertEqual(len(letters), 1)
        self.assertIn('(and 2 more)', letters[0]['title'])

    def test_no_mail_when_it_is_off(self):
        self.conf('MAIL_ON=0\n')
        self.assertEqual(self.round(self.PEER), [])
        self.assertIn('message-create', [job.argv[1] for job in self.dom0.begun])

    def test_a_quiet_round_writes_nothing(self):
        self.round()
        before = dict(self.dom0.files)
        self.assertEqual(self.round(), [])
        self.assertEqual(self.dom0.files, before)

    def test_10000_repeated_events_do_not_grow_state_on_disk(self):
        self.conf('ENABLE_ALERTS=0\n')
        sizes = []
        for number in range(10000):
            self.dom0.time += 15
            warnings = {'peer-' + N3: 'quiet for %d s' % number}
            ha_lizard.update_alerts(self.site, [{}, warnings][number % 2], self.view())
            self.sent(0)
            del self.dom0.begun[:]
            if number in (200, 9999):
                self.site.notes.save()
                sizes.append(sum([len(text) for path, text in self.dom0.files.items()
                                  if path != ha_lizard.Journal.path]))
            self.site.journal.trim()
        self.assertLess(sizes[1], sizes[0] + 4000)
        self.assertLess(len(self.dom0.files[ha_lizard.Journal.path]), 200000)

    def test_many_different_events_do_not_either(self):
        self.conf('ENABLE_ALERTS=0\n')
        for number in range(600):
            self.dom0.time += 1
            ha_lizard.update_alerts(self.site, {'peer-%d' % number: 'x'}, self.view())
        self.site.notes.save()
        self.assertLess(len(self.site.notes.about('mailed')), ha_lizard.MOST_MAILED + 5)
        self.assertLess(len(self.site.notes.about('said')), 60)
        self.assertLessEqual(len(self.site.notes.about('spool')), ha_lizard.SLOTS)

    def test_a_failover_of_twenty_vms_is_one_mail(self):
        host = Host(uuid=N3, name='n3')
        self.act(ha_lizard.Fence(host=host))
        self.act(ha_lizard.Promote(master=host))
        self.act(ha_lizard.EndPromotion())
        for number, uuid in enumerate(VMS):
            vm = Vm(uuid=uuid, name='vm%d' % (number + 1))
            self.act(ha_lizard.ResetPower(vm=vm, host=host))
            self.again()                        # the daemon was killed here
            self.act(ha_lizard.StartVm(vm=vm, host=Host(uuid=N2, name='n2')))
        letters = self.round()
        self.assertEqual([letter['title'] for letter in letters],
                         ['n3 was fenced, n1 is the new master, 20 of 20 VMs started'])
        for uuid in VMS:
            self.assertIn(uuid, letters[0]['text'])
        self.assertIn('started on n2, it ran on n3', letters[0]['text'])
        self.assertEqual(self.site.notes.about('episode'), {})
        self.assertEqual(self.round(), [])

    def test_a_recovery_is_not_told_before_it_is_over(self):
        vm = Vm(uuid=VMS[0], name='vm1', stamp=POOL, memory=5000)
        self.act(ha_lizard.ResetPower(vm=vm, host=Host(uuid=N3, name='n3')))
        self.assertEqual(self.round(vms=[vm], xapi='gone for a moment'), [])
        letters = self.round(vms=[vm])          # no host can run it: that is the end
        self.assertEqual([letter['title'] for letter in letters], ['VM vm1 is down'])
        self.assertNotIn('NOT MAILED', letters[0]['text'])
        self.assertEqual(self.round(after=15, vms=[vm]), [])

    def test_too_many_vms_are_counted(self):
        for number in range(ha_lizard.MOST_VMS + 7):
            self.act(ha_lizard.StartVm(vm=Vm(uuid='vm-%d' % number, name='v'),
                                       host=Host(uuid=N2, name='n2')), seconds=0)
        letter = self.round()[0]
        self.assertIn('more VMs', letter['text'])
        self.assertLess(len(letter['html']), 150000)


# -- the spool ----

class Spool(Fresh):
    PEER = {'peer-' + N3: 'n3 is quiet'}

    def fail(self, message=None):
        if message is not None:
            base.TestCase.fail(self, message)
        self.dom0.result_of = lambda job: ha_lizard.Result(job.argv, {
            True: 1, False: 0}['smtp' in job.argv], 'connection refused\nagain: \n')

    def test_what_could_not_be_sent_is_tried_again_at_growing_intervals(self):
        self.fail()
        self.round(self.PEER)
        moments = []
        for number in range(1000):
            if self.round(self.PEER):
                moments.append(int(self.dom0.time))
        pauses = [b - a for a, b in zip(moments, moments[1:])]
        self.assertEqual(pauses, sorted(pauses))
        self.assertTrue(pauses[0] >= 60 and pauses[-1] <= 3700, pauses)
        self.assertTrue(5 <= len(moments) <= 12, moments)
        self.assertIn('connection refused', self.dom0.files[ha_lizard.Journal.path])
        del self.dom0.result_of
        self.assertEqual(len(self.round(self.PEER, after=3700)), 1)
        self.round(self.PEER)               # and `mail` is over in XenCenter
        self.round(self.PEER)
        self.assertEqual(self.site.notes.about('spool'), {})
        self.assertEqual([path for path in self.dom0.files if 'mail.' in path], [])

    def test_it_is_given_up_after_a_day(self):
        self.fail()
        self.round(self.PEER)
        for _ in range(40):
            self.round(self.PEER, after=3700)
        self.assertEqual([path for path in self.dom0.files if 'mail.' in path], [])
        self.assertIn('given up', self.dom0.files[ha_lizard.Journal.path])

    def test_the_spool_is_bounded(self):
        self.fail()
        for number in range(200):
            self.round({'thing%d' % number: 'x'}, after=15, deliver=False)
        self.assertLessEqual(len([path for path in self.dom0.files if 'mail.' in path]),
                             ha_lizard.SLOTS)

    def test_with_a_full_disk_all_is_told_once(self):
        """At once, past the spool; the watcher remembers it in memory."""
        self.conf('MONITOR_DELAY=150\n')
        self.dom0.full = True
        for _ in range(3 * 24):
            self.round(self.PEER, after=150)
        mails = [job for job in self.dom0.begun if job.argv[2:4] == ['act', 'smtp']]
        shown = [job for job in self.dom0.begun if job.argv[:2] == ['xe', 'message-create']]
        self.assertEqual((len(mails), len(shown), len(self.dom0.begun)), (1, 1, 2))
        self.assertEqual(len(self.dom0.logged), 2)
        self.assertIn('Subject: SYSTEM_ALERT-FROM_HOST:n1 n3: HA does not run',
                      dict(ha_lizard.from_state(mails[0].feed))['message'])
        self.assertLess(len(mails[0].feed), 65536)

    def test_a_full_disk_itself_is_told_every_hour(self):
        self.conf('MONITOR_DELAY=150\n')
        self.dom0.full = True
        for _ in range(3 * 24):
            self.round({'state-1': 'No space left on device'}, after=150)
        self.assertEqual(len([job for job in self.dom0.begun if 'smtp' in job.argv]), 3)

    def test_a_dry_run_tells_nobody(self):
        self.site.notes.dry_run = True
        ha_lizard.record_act(self.site, ha_lizard.EndPromotion(), 'done')
        self.dom0.time += 1000
        ha_lizard.meanwhile(self.site, self.view())
        ha_lizard.update_alerts(self.site, self.PEER, self.view())
        self.assertEqual(self.dom0.begun, [])

    def test_a_child_that_was_killed_leaves_the_letter(self):
        self.round(self.PEER, deliver=False)
        self.assertEqual(self.round(self.PEER, deliver=False), [])
        self.assertEqual(len(self.round(self.PEER, after=60)), 1)

    def test_after_a_reboot_it_is_tried_at_once(self):
        self.fail()
        self.round(self.PEER)
        self.dom0.files[ha_lizard.BOOT_ID] = 'another\n'
        self.dom0.time = 100.0
        self.again()
        self.assertEqual(len(self.round(self.PEER)), 1)

    def test_only_the_refused_for_now_are_tried_again(self):
        self.dom0.result_of = lambda job: ha_lizard.Result(
            job.argv, 0, 'b@example.org refused: 450 later\nagain: b@example.org\n')
        self.round(self.PEER)
        del self.dom0.result_of
        self.round(self.PEER, after=100)
        asked = [dict(ha_lizard.from_state(job.feed))['to'] for job in self.dom0.begun
                 if 'smtp' in job.argv]
        self.assertEqual(asked, ['a@example.org b@example.org', 'b@example.org'])

    def test_no_secret_is_in_it(self):
        self.conf('SMTP_USER=mailer\nSMTP_PASS=geheim99\nFENCE_PASSWD=secret77\n')
        self.round({'peer-' + N3: 'it said geheim99 and secret77'}, deliver=False)
        for path, text in self.dom0.files.items():
            if path != ha_lizard.CONF:
                self.assertNotIn('geheim99', text, path)
                self.assertNotIn('secret77', text, path)
        for job in self.dom0.begun:
            self.assertNotIn('geheim99', ' '.join(job.argv))
        self.assertNotIn('secret77', ' '.join(self.dom0.logged))

    def test_messages_are_cleared_when_it_is_over(self):
        self.round(self.PEER)
        self.dom0.result_of = lambda job: ha_lizard.Result(
            job.argv, 0, {'message-list': 'u1,u2\n'}.get(job.argv[1], '\nagain: \n'))
        self.round()
        self.assertEqual([job.argv[2] for job in self.dom0.begun
                          if job.argv[1] == 'message-destroy'], ['uuid=u1', 'uuid=u2'])

    def test_messages_wait_for_xapi(self):
        self.dom0.result_of = lambda job: ha_lizard.Result(
            job.argv, {True: 1, False: 0}[job.argv[0] == 'xe'], '\nagain: \n', 'refused')
        self.round(self.PEER)
        entry = ha_lizard.load_entry(self.dom0, 0)
        self.assertEqual([key for key, _ in entry], ['number', 'at', 'show'])
        del self.dom0.result_of
        self.round(self.PEER, after=100)
        self.assertIsNone(ha_lizard.load_entry(self.dom0, 0))

    def test_no_messages_with_enable_alerts_0(self):
        self.conf('ENABLE_ALERTS=0\n')
        self.round(self.PEER)
        self.assertEqual([job for job in self.dom0.begun if job.argv[0] == 'xe'], [])

    def test_the_script_of_the_operator(self):
        self.conf('ALERT_SCRIPT=/opt/tell\n')
        self.round(self.PEER)
        self.round()
        jobs = [job for job in self.dom0.begun if job.argv[0] == '/opt/tell']
        self.assertEqual([job.argv[1:4] for job in jobs],
                         [['peer', 'raised', N3], ['peer', 'over', N3]])
        self.assertEqual(jobs[0].argv[4], 'n3 is quiet')
        self.assertEqual(jobs[0].env, {
            'HA_LIZARD_EVENT': 'peer', 'HA_LIZARD_STATE': 'raised', 'HA_LIZARD_SUBJECT': N3,
            'HA_LIZARD_TEXT': 'n3 is quiet', 'HA_LIZARD_PRIORITY': '2',
            'HA_LIZARD_HOST': 'n1', 'HA_LIZARD_POOL': POOL})


# -- what a letter looks like ----

class Letters(Fresh):
    def letter(self):
        return self.round({'peer-' + N3: 'n3 & <b>"%s"</b>' % CAFE})[0]

    def test_text_and_html(self):
        letter = self.letter()
        for part in ('Process', 'Version', ha_lizard.VERSION, 'Host', 'n1', 'Time',
                     'THE POOL NOW', 'WHAT TO DO NEXT', CAFE):
            self.assertIn(part, letter['text'])
        self.assertIn('HA-Lizard Alert Notification', letter['html'])
        self.assertIn('n3 &amp; &lt;b&gt;&quot;%s' % CAFE, letter['html'])
        self.assertIn('Run <code>service ha-lizard start</code> on', letter['html'])
        for remote in ('http', 'src=', 'url(', '<img', '<script', '<link'):
            self.assertNotIn(remote, letter['html'])

    def test_mime(self):
        headers = ha_lizard.headers_of(self.site, CAFE * 30 + '\nBcc: x@y', 'id', 1e9, 'bad')
        message = ha_lizard.mime(headers, [('plain', '.\n.x\n%s %s' % (CAFE, 'y' * 3000)),
                                           ('html', '<p>')])
        self.assertEqual(re.findall('[^\r -~\n]', message), [])
        self.assertEqual(re.findall('(?<!\r)\n', message), [])
        self.assertEqual([line for line in message.split('\r\n') if len(line) > 78], [])
        self.assertNotIn('\nBcc:', message)
        self.assertIn('Date: Sun, 09 Sep 2001 01:46:40 +0000\r\n', message)
        parsed = parse(message)
        self.assertEqual(parsed.get_content_type(), 'multipart/alternative')
        plain, html = parsed.get_payload()
        self.assertEqual((plain.get_content_type(), html.get_content_type()),
                         ('text/plain', 'text/html'))
        self.assertIn(CAFE, ha_lizard.to_text(plain.get_payload(decode=True)))
        self.assertIn('y' * 3000, ha_lizard.to_text(plain.get_payload(decode=True)))
        self.assertIn(CAFE * 30, decoded_subject(parsed))

    def test_the_subject_is_the_one_of_the_settings(self):
        headers = dict(ha_lizard.headers_of(self.site, 'n3 was fenced', 'id', 0))
        self.assertEqual(headers['Subject'], 'SYSTEM_ALERT-FROM_HOST:n1 n3 was fenced')
        self.assertEqual(headers['To'], 'a@example.org, b@example.org')


def parse(message):
    import email
    return email.message_from_string(message)


def decoded_subject(parsed):
    try:
        from email.header import decode_header
    except ImportError:
        from email.Header import decode_header
    text = ''
    for data, charset in decode_header(parsed['Subject'].replace('\r\n', '\n')):
        text += {True: lambda: data, False: lambda: ha_lizard.to_text(data)}[
            isinstance(data, str)]()
    return text


# -- logs ----

class Logs(Fresh):
    def test_repeated_lines_are_counted(self):
        for _ in range(20):
            self.site.journal.say('note', 'again', 'email')
        self.assertEqual(self.dom0.logged, ['note: again'] * 3)
        self.dom0.time += 3601
        self.site.journal.say('note', 'again', 'email')
        self.assertEqual(self.dom0.logged[3:], ['note: again (and 17 times more, not logged)'])

    def test_the_count_comes_also_when_the_line_does_not(self):
        for _ in range(5):
            self.site.journal.say('note', 'again', 'email')
        self.round(after=3601)
        self.assertEqual(self.dom0.logged[-1], 'note: again (and 2 times more, not logged)')
        count = len(self.dom0.logged)
        self.round(after=3601)
        self.assertEqual(len(self.dom0.logged), count)

    def test_the_switches_of_the_log(self):
        for conf in 'ENABLE_LOGGING=0\n', 'LOG_email=0\n':
            self.conf(conf)
            for _ in range(5):
                self.site.journal.say('note', 'again', 'email')
            self.round(after=3601)
            self.assertEqual(self.dom0.logged, [])
        self.site.journal.say('note', 'again', 'vm_mon')
        self.assertEqual(len(self.dom0.logged), 1)
        self.assertIn('again', self.dom0.files[ha_lizard.Journal.path])

    def test_acts_are_all_in_the_journal(self):
        for _ in range(5):
            self.site.journal.say('act', 'start vm1', 'vm_mon')
        self.assertEqual(self.dom0.files[ha_lizard.Journal.path].count('start vm1'), 5)
        self.assertEqual(len(self.dom0.logged), 3)

    def test_passwords_are_masked(self):
        self.conf('SMTP_PASS=geheim99\nFENCE_PASSWD=x1\n')
        self.site.journal.say('note', 'geheim99 x1 x10 ax1')
        self.assertEqual(self.dom0.logged, ['note: *** *** x10 ax1'])
        self.assertNotIn('geheim99', self.dom0.files[ha_lizard.Journal.path])

    def test_unknown_switches_are_reported_once(self):
        self.conf('LOG_nonsense=1\nMAIL_vm_start=0\n')
        self.assertEqual([problem for problem in self.site.settings.problems
                          if 'vm_start' in problem], [])
        self.assertEqual(len([problem for problem in self.site.settings.problems
                              if 'LOG_nonsense' in problem]), 1)


# -- monitoring ----

class Monitoring(Fresh):
    LINE = re.compile(r'^(# (HELP|TYPE) ha_lizard_\w+ .+|'
                      r'ha_lizard_\w+(\{\w+="([^"\\\n]|\\.)*"(,\w+="([^"\\\n]|\\.)*")*\})?'
                      r' -?[0-9.e+]+)$')

    def test_the_file_for_prometheus(self):
        self.conf('METRICS_DIR=/metrics\n')
        self.round({'peer-' + N3: 'x'}, vms=[Vm(uuid=VMS[0], power='running')])
        text = self.dom0.files['/metrics/ha_lizard.prom']
        for line in text.strip().split('\n'):
            self.assertTrue(self.LINE.match(line), line)
        for line in ('ha_lizard_last_round_timestamp_seconds %.15g' % self.dom0.wall(),
                     'ha_lizard_enabled 1', 'ha_lizard_alerts{event="peer"} 1',
                     'ha_lizard_vms{state="running"} 1', 'ha_lizard_host_up{host="n3"} 1'):
            self.assertIn(line, text.split('\n'))

    def test_labels_are_escaped(self):
        self.assertEqual(ha_lizard.in_label('a"b\\c\nd'), 'a\\"b\\\\c\\nd')

    def test_health_is_written_when_it_changes(self):
        hosts = self.view().hosts
        view = self.view(hosts=hosts, me=hosts[0], master=hosts[0])
        wanted = [ha_lizard.health_of(view, host) for host in hosts]
        self.assertEqual(wanted, ['master', 'healthy', 'healthy'])
        hosts[2].silent = True
        self.assertEqual(ha_lizard.health_of(view, hosts[2]), 'failed')
        action = ha_lizard.ShowHealth(host=hosts[2], health='failed')
        self.assertEqual(action.xe(self.site), (
            'host-param-set', 'uuid=' + N3,
            'other-config:XenCenter.CustomFields.ha-lizard-enabled=failed'))
        # What cannot be written is not tried again until it changes.
        self.assertEqual(action.done(self.site, ha_lizard.Result(['xe'], 1, '', 'no')) is None, False)
        self.assertEqual(self.site.notes.get('health.' + N3), 'failed')
        self.assertEqual(action.done(self.site, ha_lizard.Result(['xe'], 0)), None)
        self.assertEqual(self.site.notes.about('health'), {})


class Messages(Fresh):
    LIST = '''uuid ( RO)     : d0d0d0d0-0000-4000-8000-00000000000%d
        name ( RO): %s
    priority ( RO): 2
       class ( RO): Pool
    obj-uuid ( RO): x
   timestamp ( RO): 20261124T16:00:00Z
        body ( RO): text


'''

    def test_list_clear_raise(self):
        said = self.LIST % (1, 'HA_LIZARD_PEER') + self.LIST % (2, 'VM_STARTED')
        self.dom0.result_of = lambda job: ha_lizard.Result(
            job.argv, 0, {'message-list': said}.get(job.argv[1], ''))
        records, why = ha_lizard.list_messages(self.site)
        self.assertEqual(([record['name'] for record in records], why),
                         (['HA_LIZARD_PEER'], None))
        self.assertEqual(ha_lizard.clear_messages(self.site), (1, None))
        self.assertIsNone(ha_lizard.raise_message(self.site, 'a test', 4))
        self.assertEqual(self.dom0.begun[-1].argv, [
            'xe', 'message-create', 'name=HA_LIZARD_RAISED', 'priority=4',
            'pool-uuid=' + POOL, 'body=a test'])
        self.dom0.result_of = lambda job: ha_lizard.Result(job.argv, 0, '')
        self.assertEqual(ha_lizard.list_messages(self.site), ([], None))
        self.dom0.result_of = lambda job: ha_lizard.Result(job.argv, 1, '', 'no')
        self.assertEqual(ha_lizard.clear_messages(self.site)[0], 0)
        self.assertIsNotNone(ha_lizard.raise_message(self.site, 'a test'))
