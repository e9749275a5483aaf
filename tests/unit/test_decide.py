"""Decisions are plain functions of plain data: so are their tests."""

import base
import ha_lizard
from ha_lizard import Fence, Host, Settings, StartVm, Unlock, VERSION, View, Vm, decide

ANSWERS = {'answers': True, 'silent': False, 'silence': 0}
FAILING = {'answers': False, 'silent': False, 'silence': 8}
SILENT = {'answers': False, 'silent': True, 'silence': 30}


def member(name, state=None, **fields):
    values = {'uuid': name, 'name': name, 'address': '10.0.0.' + name[1:],
              'memory_total': 100, 'srs': ('sr',), 'version': VERSION, 'doing': 'idle',
              'domains': ()}
    values.update(state or ANSWERS)
    values.update(fields)
    return Host(**values)


def vm(name, host='', power=None, **fields):
    values = {'uuid': name, 'name': name, 'host': host, 'stamp': 'pool', 'memory': 10,
              'power': power or {True: 'running', False: 'halted'}[host != ''],
              'srs': ('sr',)}
    values.update(fields)
    return Vm(**values)


class Case(base.TestCase):
    """What `me` of a pool n1 (master), n2 (heir), n3 decides."""

    def setUp(self):
        base.TestCase.setUp(self)
        self.hosts = [member('n1'), member('n2'), member('n3')]
        self.vms, self.given, self.me = [], {}, 'n1'
        self.settings = {'FENCE_METHOD': 'ILO'}
        self.master = 'n1'

    def set(self, name, state=None, **fields):
        """Change what is known of a host."""
        for host in self.hosts:
            if host.name == name:
                host.__dict__.update(state or {})
                host.__dict__.update(fields)

    def view(self):
        by_name = dict([(host.name, host) for host in self.hosts])
        values = {
            'me': by_name.get(self.me), 'master': by_name.get(self.master),
            'role': {True: 'master', False: 'slave'}[self.me == self.master],
            'pool': 'pool', 'hosts': self.hosts, 'vms': self.vms, 'heir': 'n2',
            'heirs': ['n2', 'n3'],
            'enabled': 'true', 'ready': True, 'storage': True, 'uptime': 1000,
            'votes': len(self.hosts)}
        values.update(self.given)
        return View(**values)

    def plan(self):
        return decide(Settings([('pool', self.settings)]), self.view())

    def check(self, why, *actions):
        plan = self.plan()
        self.assertEqual([plan.why] + [str(each) for each in plan.actions],
                         [why] + list(actions))
        return plan

    def actions(self):
        return [str(each) for each in self.plan().actions]


class Standing(Case):
    def test_nothing_before_the_pool_was_seen(self):
        self.hosts, self.given = [], {'xapi': 'xe hangs'}
        self.check('this host has not seen its pool yet (xe hangs)')

    def test_nothing_in_a_pool_that_it_is_no_member_of(self):
        self.me = 'n9'
        self.check('this host is not a member of the pool that it knows')

    def test_nothing_without_a_role(self):
        self.given = {'role': 'broken'}
        self.check('pool.conf says neither master nor slave: this host has no role')

    def test_nothing_while_ha_is_off(self):
        self.set('n3', SILENT)
        self.given = {'enabled': 'false'}
        self.check('HA is disabled')

    def test_nothing_while_the_field_is_not_set(self):
        self.given = {'enabled': None}
        self.check('the HA field of the pool is not set: HA is off')

    def test_nothing_while_the_field_is_nonsense_and_it_says_so(self):
        self.given = {'enabled': 'yes'}
        plan = self.check('HA is off: the pool field says yes, neither true nor false')
        self.assertEqual(sorted(plan.warnings), ['pool-field'])

    def test_no_warning_about_a_field_that_is_false(self):
        self.given = {'enabled': 'false'}
        self.assertEqual(self.plan().warnings, {})

    def test_to_step_aside_for_xenserver_ha(self):
        self.given = {'xenserver_ha': True}
        plan = self.check('XenServer HA is on: this HA switches itself off', 'switch HA off')
        self.assertEqual(sorted(plan.warnings), ['xenserver-ha'])

    def test_that_only_the_master_writes_it(self):
        self.me, self.given = 'n2', {'xenserver_ha': True}
        self.check('XenServer HA is on: this HA switches itself off')

    def test_that_it_is_not_written_without_xapi(self):
        self.given = {'xenserver_ha': True, 'xapi': 'down'}
        self.check('XenServer HA is on: this HA switches itself off')

    def test_that_it_is_written_once_a_round(self):
        self.given = {'xenserver_ha': True, 'tried': {'switch HA off': 'done'}}
        self.check('XenServer HA is on: this HA switches itself off')


class LastWordAboutHa(Case):
    """R-11: what a database that is too old must be told."""

    def setUp(self):
        Case.setUp(self)
        self.given = {'enabled': 'false', 'unwritten': ('false', 7)}

    def test_to_write_that_it_is_off(self):
        self.check('HA is disabled', 'note in the database that HA is off, by switch 7')

    def test_that_nonsense_is_kept_as_it_is(self):
        self.given = {'enabled': 'maybe', 'unwritten': ('maybe', 3)}
        self.assertEqual(self.actions(), ['note in the database that HA is maybe, by switch 3'])

    def test_that_only_the_master_writes(self):
        self.me = 'n2'
        self.check('HA is disabled')

    def test_nothing_without_xapi(self):
        self.given['xapi'] = 'down'
        self.check('HA is disabled')

    def test_once_a_round(self):
        self.given['tried'] = {'note in the database that HA is off, by switch 7': 'done'}
        self.check('HA is disabled')

    def test_nothing_when_it_is_known_there(self):
        self.given['unwritten'] = None
        self.check('HA is disabled')

    def test_nothing_while_frozen(self):
        self.given = {'frozen': '12:00', 'unwritten': ('true', 2)}
        self.check('HA is frozen until 12:00')

    def test_that_work_comes_first_where_it_is_on(self):
        self.given = {'unwritten': ('true', 2)}
        self.check('all is well', 'note in the database that HA is on, by switch 2')
        self.set('n3', SILENT)
        self.assertEqual(self.actions(), ['fence n3'])


class Flags(base.TestCase):
    """Which switch of HA counts: Site.newest_flag."""

    def setUp(self):
        base.TestCase.setUp(self)
        self.site = site = ha_lizard.Site.__new__(ha_lizard.Site)
        site.facts, site.role = ha_lizard.Facts(0), 'slave'
        site.settings = Settings([])
        site.picture = ha_lizard.Picture(facts=ha_lizard.Facts(0))
        site.watch, site.notes = ha_lizard.Watch(), ha_lizard.Record()
        site.notes.facts = {}

    def newest(self, database, read, told=(0, None), **more):
        """`database`, what was `read` before, what others `told`: (number, text)."""
        site = self.site
        site.facts.other = {ha_lizard.FLAG_NUMBER: '%d' % database[0],
                            ha_lizard.field_key(site.settings): database[1]}
        if database[1] is None:
            site.facts.other.popitem()
        site.picture.flag_number, site.picture.enabled = read
        site.watch.flag = told
        site.__dict__.update(more)
        return site.newest_flag()

    def test_that_the_database_counts(self):
        for role in 'master', 'slave':
            self.assertEqual(self.newest((2, 'true'), (1, 'false'), role=role), (2, 'true'))
            self.assertEqual(self.newest((2, 'true'), (2, 'true'), role=role), (2, 'true'))

    def test_unless_it_is_older(self):
        self.assertEqual(self.newest((1, 'true'), (2, 'false')), (2, 'false'))
        self.assertEqual(self.newest((1, 'true'), (1, 'true'), (3, 'false')), (3, 'false'))

    def test_that_those_of_another_pool_do_not_count(self):
        self.site.facts.pool = 'another'
        self.assertEqual(self.newest((1, 'true'), (2, 'false'), (3, 'false')), (1, 'true'))

    def test_that_the_master_numbers_what_was_switched_by_hand(self):
        self.assertEqual(self.newest((4, 'false'), (4, 'true'), role='master'), (5, 'false'))
        self.assertEqual(self.newest((4, 'false'), (4, 'true'), role='slave'), (4, 'false'))

    def test_that_a_field_that_is_gone_is_no_switch(self):
        self.assertEqual(self.newest((0, None), (0, 'true'), role='master'), (0, None))

    def test_that_a_promoted_slave_knows_better_than_its_copy(self):
        self.site.notes.facts['promotion'] = '12.0'
        self.assertEqual(self.newest((4, 'false'), (4, 'true'), role='master'), (4, 'true'))
        self.assertEqual(self.newest((5, 'false'), (4, 'true'), role='master'), (5, 'false'))

    def test_what_the_database_lacks(self):
        self.newest((1, 'true'), (2, 'false'))
        self.assertEqual(self.site.unwritten(), ('false', 2))
        self.newest((2, 'false'), (2, 'false'))
        self.assertEqual(self.site.unwritten(), None)
        self.newest((1, 'false'), (2, None))
        self.assertEqual(self.site.unwritten(), None)

    def test_that_it_outlives_the_watcher(self):
        for flag in (0, None), (3, 'true'), (12, 'a b=\nc'):
            self.assertEqual(ha_lizard.parse_flag(ha_lizard.flag_text(flag)), flag)


class StartingUp(Case):
    def setUp(self):
        Case.setUp(self)
        self.given = {'ready': False, 'uptime': 10}

    def test_to_take_up_work_when_all_is_seen(self):
        self.check('start-up is over', 'take up work')

    def test_to_wait_for_xapi(self):
        self.given['xapi'] = 'it is still starting'
        self.check('starting up: xapi is not ready (it is still starting)')

    def test_to_wait_for_a_known_master(self):
        self.master = 'nobody'
        self.given['role'] = 'slave'
        self.check('starting up: the master is unknown')

    def test_to_wait_for_a_majority_that_agrees(self):
        self.given['votes'] = 1
        self.check('starting up: too few members say that n1 is the master')

    def test_that_half_of_the_members_is_not_enough(self):
        self.hosts = self.hosts[:2]
        self.set('n2', FAILING, seen=False)
        self.given.update({'votes': 1, 'witness': True, 'uptime': 1000})
        self.check('starting up: too few members say that n1 is the master')

    def test_to_wait_for_the_absent(self):
        self.set('n3', FAILING, seen=False)
        self.check('starting up: waiting for n3 to answer for the first time')

    def test_not_to_wait_for_the_confirmed_dead(self):
        self.set('n3', FAILING, seen=False, confirmed=True)
        self.check('start-up is over', 'take up work')

    def test_that_the_confirmed_dead_have_no_vote(self):
        self.hosts = self.hosts[:2]
        self.set('n2', FAILING, seen=False, confirmed=True)
        self.given['votes'] = 1
        self.check('start-up is over', 'take up work')

    def test_not_to_wait_for_ever(self):
        self.set('n3', FAILING, seen=False)
        self.given['uptime'] = 120
        self.check('start-up is over', 'take up work')

    def test_to_wait_longer_where_rounds_are_long(self):
        self.set('n3', FAILING, seen=False)
        self.settings['MONITOR_DELAY'] = '100'
        self.given['uptime'] = 299
        self.check('starting up: waiting for n3 to answer for the first time')


class Gathering(Case):
    """A majority that follows nobody is called by the only master there is."""

    def setUp(self):
        Case.setUp(self)
        self.hosts.extend([member('n4', SILENT), member('n5', SILENT)])
        self.given = {'ready': False, 'uptime': 10, 'votes': 2, 'heir': 'n2'}
        self.set('n2', role='slave:10.0.0.1')
        self.set('n3', role='slave:10.0.0.2')

    def calls(self, expected):
        self.assertEqual(self.actions(), ['call the members that have no master'] * expected)

    def test_to_call_them(self):
        self.calls(1)
        self.given['recovered'] = 61
        self.calls(1)

    def test_not_too_often(self):
        self.given['recovered'] = 60
        self.calls(0)
        self.given['recovered'] = None
        self.given['tried'] = {'call the members that have no master': 'done'}
        self.calls(0)

    def test_not_as_a_slave_nor_without_xapi(self):
        self.given['role'] = 'slave'
        self.calls(0)
        self.given.update({'role': 'master', 'xapi': 'down'})
        self.calls(0)

    def test_not_without_a_majority(self):
        self.set('n3', FAILING)
        self.calls(0)

    def test_not_when_enough_agree(self):
        self.given['votes'] = 3
        self.set('n4', seen=False)
        self.check('starting up: waiting for n4 to answer for the first time')

    def test_not_beside_another_master_or_one_to_be(self):
        self.set('n3', role='master')
        self.calls(0)
        self.set('n3', role='slave:10.0.0.2', doing='promoting')
        self.calls(0)

    def test_not_while_somebody_does_not_tell(self):
        self.set('n3', role='')
        self.calls(0)

    def test_not_over_the_head_of_a_master_that_is_followed(self):
        self.set('n2', role='slave:10.0.0.9')
        self.calls(0)

    def test_not_when_they_follow_one_that_only_they_can_hear(self):
        self.set('n4', FAILING)
        self.calls(1)
        self.set('n3', role='slave:10.0.0.4')
        self.calls(0)
        self.set('n4', SILENT)
        self.calls(1)

    def test_that_the_promoted_one_of_two_with_half_each_calls(self):
        """The other, which it has replaced, waits for one more to follow it, too."""
        self.hosts = self.hosts[:3] + [member('n4', role='slave:10.0.0.3')]
        self.set('n2', role='slave:10.0.0.1')
        self.set('n3', role='master', doing='starting')
        self.given['promoted'] = True
        self.calls(1)
        for fields in ({'doing': 'idle'}, {'promoted': True}, {'doing': 'promoting'},
                       {'role': 'slave:10.0.0.9'}):
            self.set('n3', **fields)
            self.calls(0)
            self.set('n3', role='master', doing='starting', promoted=False)
        self.given['votes'] = 1
        self.calls(0)
        self.given.update({'votes': 2, 'promoted': False})
        self.calls(0)

    def test_that_it_starts_nothing_before_the_others_are_proved_off(self):
        self.given = {'gathered': True, 'heir': 'n2'}
        self.set('n3', role='slave:10.0.0.1')
        self.set('n4', off='ILO', unlocked=True, declared=True)
        self.set('n5', fence_failed='no BMC', fence_wait=10)
        self.vms = [vm('web')]
        self.check('slave n4 is off; slave n5 is silent; not fencing it: no BMC; not '
                   'starting VMs: this master was called late and n5 is not proved off')
        self.set('n5', off='ILO', unlocked=True, declared=True)
        self.assertEqual(self.actions(), ['start web on n1'])
        self.given['gathered'] = False
        self.set('n5', off='')
        self.assertEqual(self.actions(), ['start web on n1'])

    def test_that_the_call_is_over_when_each_member_told_or_is_off(self):
        over = 'note that each member has told what it runs'
        self.given = {'gathered': True, 'heir': 'n2'}
        for name in ('n2', 'n3', 'n4', 'n5'):
            self.set(name, ANSWERS, role='slave:10.0.0.1')
        self.assertEqual(self.actions(), [over])
        self.set('n4', off='ILO', unlocked=True, declared=True, answers=False)
        self.assertEqual(self.actions(), [over])
        for fields in ({'domains': None}, {'role': ''}, {'answers': False},
                       {'domains': ('web',)}):
            self.set('n5', **fields)
            self.vms = [vm('web', 'n3')]
            self.assertEqual(self.actions(), [])
            self.set('n5', ANSWERS, role='slave:10.0.0.1', domains=())
        self.set('n3', domains=('web',))
        self.assertEqual(self.actions(), [over])
        self.given['gathered'] = False
        self.assertEqual(self.actions(), [])


class Suspended(Case):
    def setUp(self):
        Case.setUp(self)
        self.me, self.given = 'n2', {'suspended': 'it was alone'}

    def test_nothing_but_a_reminder(self):
        self.set('n1', SILENT)
        plan = self.check('HA is suspended on this host: it was alone')
        self.assertEqual(sorted(plan.warnings), ['suspended'])

    def test_to_resume_when_the_pool_is_whole(self):
        self.given['followed'] = 30
        self.check('the pool is whole again', 'lift the suspension of HA on this host')

    def test_not_to_resume_too_early(self):
        self.given['followed'] = 29
        self.check('HA is suspended on this host: it was alone')

    def test_not_to_resume_unless_it_is_wanted(self):
        self.given['followed'] = 30
        self.settings['SUSPEND_AUTO_CLEAR'] = '0'
        self.check('HA is suspended on this host: it was alone')


class SlaveDecides(Case):
    def setUp(self):
        Case.setUp(self)
        self.me = 'n2'
        self.given = {'age': 40}

    def silent(self, **fields):
        self.set('n1', SILENT, **fields)

    def test_nothing_while_the_master_answers(self):
        self.check('master n1 answers')

    def test_nothing_while_the_master_is_unknown(self):
        self.master, self.given['role'] = 'nobody', 'slave'
        self.check('the master that pool.conf names is no known member')

    def test_nothing_while_the_master_merely_fails(self):
        self.set('n1', FAILING)
        self.check('master n1 does not answer just now')

    def test_nothing_to_a_master_whose_xapi_is_dead(self):
        self.given['xapi'] = 'xe hangs'
        self.check('master n1 is alive but its xapi gives no answer (xe hangs)')

    def test_to_fence_a_silent_master(self):
        self.silent()
        self.check('master n1 is silent: fencing it', 'fence n1')

    def test_to_promote_once_it_is_off(self):
        self.silent(off='ILO')
        self.check('master n1 is silent and off: taking over', 'become master')

    def test_to_promote_once_a_round(self):
        self.silent(off='ILO')
        self.given['tried'] = {'become master': 'no'}
        self.check('master n1 is silent and off: taking over')

    def test_to_wait_for_a_fence_under_way(self):
        self.silent()
        self.given['busy'] = {Fence(host=self.hosts[0]): 3}
        self.check('master n1 is silent: fencing it')

    def test_not_to_promote_when_the_fence_failed(self):
        self.silent(fence_failed='no BMC', fence_wait=15)
        plan = self.check('master n1 is silent; not fencing it: no BMC')
        self.assertEqual(sorted(plan.warnings), ['fence-n1'])

    def test_to_fence_again_after_the_back_off(self):
        self.silent(fence_failed='no BMC', fence_wait=0)
        self.check('master n1 is silent: fencing it', 'fence n1')

    def test_nothing_unless_it_is_the_heir(self):
        self.silent()
        self.given['heirs'] = ['n3']
        self.check('master n1 is silent; not taking over: '
                   'this host is not in the succession list')

    def test_nothing_when_promotion_is_off(self):
        self.silent()
        self.settings['PROMOTE_SLAVE'] = '0'
        self.check('master n1 is silent; not taking over: PROMOTE_SLAVE=0')

    def test_nothing_in_maintenance(self):
        self.silent()
        self.set('n2', enabled=False)
        self.check('master n1 is silent; not taking over: this host is in maintenance')

    def test_nothing_on_old_knowledge(self):
        self.silent()
        self.given['age'] = 30 + 61
        self.check('master n1 is silent; not taking over: what this host knows '
                   'of the pool was old when the master fell silent')

    def test_that_it_does_not_grow_old_while_the_master_sleeps(self):
        self.silent()
        self.given.update({'age': 1000, 'asleep': 30 + 60})
        self.check('master n1 is silent: fencing it', 'fence n1')

    def asleep(self):
        return ha_lizard.is_asleep(Settings([('pool', self.settings)]), self.view())

    def test_when_it_sleeps(self):
        self.assertFalse(self.asleep())
        self.silent()
        self.assertTrue(self.asleep())
        self.given['age'] = 30 + 61             # it was old before that
        self.assertFalse(self.asleep())

    def test_that_most_members_must_hear_nothing_of_it(self):
        self.silent()
        self.hosts.append(member('n4', SILENT))
        self.assertFalse(self.asleep())

    def test_that_nobody_sleeps_who_is_not_known(self):
        self.master = 'n9'
        self.assertFalse(self.asleep())

    def test_that_a_watcher_that_was_away_makes_nothing_old(self):
        self.silent(unheard=500)
        self.given['age'] = 510
        self.check('master n1 is silent: fencing it', 'fence n1')

    def test_that_knowledge_of_a_minute_is_fresh(self):
        self.silent()
        self.given['age'] = 30 + 60
        self.check('master n1 is silent: fencing it', 'fence n1')

    def test_that_long_rounds_make_older_knowledge_fresh(self):
        self.silent()
        self.settings['MONITOR_DELAY'] = '45'
        self.given['age'] = 30 + 135
        self.check('master n1 is silent: fencing it', 'fence n1')

    def test_nothing_when_fencing_is_off(self):
        self.silent()
        self.settings['FENCE_ENABLED'] = '0'
        self.check('master n1 is silent; not fencing it: FENCE_ENABLED=0')


class SlaveInATie(Case):
    def setUp(self):
        Case.setUp(self)
        self.me, self.hosts = 'n2', self.hosts[:2]
        self.set('n1', SILENT, silence=42)
        self.given = {'age': 40, 'witness': True}

    def test_to_fence_with_the_witness(self):
        self.check('master n1 is silent: fencing it', 'fence n1')

    def test_to_let_the_masters_half_go_first(self):
        self.set('n1', silence=41)
        plan = self.check('master n1 is silent; exactly half of the members answer: '
                          'the half of the master goes first')
        self.assertEqual(plan.wait, 2)

    def test_that_a_majority_does_not_wait(self):
        self.hosts.append(member('n3'))
        self.set('n1', silence=22)
        self.check('master n1 is silent: fencing it', 'fence n1')

    def test_to_suspend_without_the_witness(self):
        self.given['witness'] = False
        self.check('not taking over: master n1 is silent and exactly half of the members '
                   'answer and the witness does not; suspending HA on this host',
                   'suspend HA on this host')

    def test_to_suspend_without_heuristics(self):
        self.settings['FENCE_USE_IP_HEURISTICS'] = '0'
        self.check('not taking over: master n1 is silent and exactly half of the members '
                   'answer and FENCE_USE_IP_HEURISTICS=0; suspending HA on this host',
                   'suspend HA on this host')

    def test_to_reboot_where_managed_vms_run(self):
        self.given['witness'] = False
        self.vms = [vm('web', 'n1')]
        self.set('n2', domains=['web'])
        self.assertEqual(self.actions(), ['suspend HA on this host and reboot it'])

    def test_not_to_reboot_for_vms_that_it_has_stopped(self):
        self.given['witness'] = False
        self.vms = [vm('web', 'n2')]
        self.assertEqual(self.actions(), ['suspend HA on this host'])

    def test_to_believe_the_database_where_its_own_list_is_unknown(self):
        self.given['witness'] = False
        self.vms = [vm('web', 'n2')]
        self.set('n2', domains=None)
        self.assertEqual(self.actions(), ['suspend HA on this host and reboot it'])
        self.vms = [vm('web', 'n1')]
        self.assertEqual(self.actions(), ['suspend HA on this host'])

    def test_not_to_reboot_for_a_vm_that_is_not_managed(self):
        self.given['witness'] = False
        self.settings['GLOBAL_VM_HA'] = '0'
        self.vms = [vm('web', 'n2'), vm('db', 'n1', field='true')]
        self.set('n2', domains=['web'])
        self.assertEqual(self.actions(), ['suspend HA on this host'])

    def test_not_to_suspend_for_a_switch_that_restarts(self):
        self.given['witness'] = False
        self.set('n1', silence=41)
        plan = self.check('not taking over: master n1 is silent and exactly half of the '
                          'members answer and the witness does not')
        self.assertEqual(plan.wait, 2)

    def test_that_without_quorum_required_it_acts(self):
        self.given['witness'] = False
        self.settings['FENCE_QUORUM_REQUIRED'] = '0'
        self.check('master n1 is silent: fencing it', 'fence n1')

    def test_to_suspend_in_a_minority(self):
        self.hosts.extend([member('n3', SILENT), member('n4', SILENT), member('n5')])
        self.check('not taking over: master n1 is silent and fewer than half of the 5 '
                   'members answer; suspending HA on this host', 'suspend HA on this host')


class SlaveStartsVms(Case):
    def setUp(self):
        Case.setUp(self)
        self.me, self.settings['SLAVE_VM_STAT'] = 'n2', '1'
        self.vms = [vm('web')]

    def test_only_when_asked_to(self):
        self.settings['SLAVE_VM_STAT'] = '0'
        self.check('master n1 answers')

    def test_what_is_down(self):
        self.check('VMs are down', 'start web on n1')

    def test_nothing_when_all_runs(self):
        self.vms = [vm('web', 'n1')]
        self.check('master n1 answers')

    def test_nothing_before_the_master_has_cleaned_up(self):
        self.set('n3', FAILING)
        self.check('not starting VMs: n3 does not answer, and the master has not cleaned up')
        self.set('n3', marked=True)
        self.check('VMs are down', 'start web on n1')

    def test_nothing_without_quorum(self):
        self.hosts.extend([member('n4', FAILING), member('n5', FAILING), member('n6', FAILING),
                           member('n7', FAILING)])
        self.check('not starting VMs: fewer than half of the 7 members answer')


class MasterDecides(Case):
    def test_nothing_when_all_is_well(self):
        self.vms = [vm('web', 'n3')]
        plan = self.check('all is well')
        self.assertEqual((plan.warnings, plan.wait), ({}, 0))

    def test_nothing_without_its_xapi(self):
        self.given = {'xapi': 'xe hangs'}
        self.check('xapi gives no answer (xe hangs)')

    def test_nothing_when_the_database_names_another(self):
        self.given = {'role': 'master'}
        self.master = 'n2'
        self.check('pool.conf says that this host is the master, '
                   'the database says that it is n2')

    def test_nothing_when_the_database_names_nobody_known(self):
        self.given = {'role': 'master'}
        self.master = 'nobody'
        self.check('pool.conf says that this host is the master, '
                   'the database says that it is nobody')

    def test_to_fence_a_silent_slave(self):
        self.set('n3', SILENT)
        self.check('slave n3 is silent: fencing it', 'fence n3')

    def test_nothing_to_a_slave_that_merely_fails(self):
        self.set('n3', FAILING)
        self.check('all is well')

    def test_to_start_other_vms_while_it_fences(self):
        self.set('n3', SILENT)
        self.vms = [vm('web')]
        self.given = {'busy': {Fence(host=self.hosts[2]): 1}}
        self.check('slave n3 is silent: fencing it; VMs are down', 'start web on n1')

    def test_to_fence_two_at_once(self):
        self.hosts.extend([member('n4', SILENT, silence=50), member('n5')])
        self.set('n3', SILENT)
        self.check('slave n3 is silent: fencing it; slave n4 is silent: fencing it',
                   'fence n3', 'fence n4')

    def test_that_a_failed_fence_is_a_warning(self):
        self.set('n3', SILENT, fence_failed='no BMC', fence_wait=5)
        plan = self.check('slave n3 is silent; not fencing it: no BMC')
        self.assertEqual(plan.warnings, {
            'fence-n3': 'slave n3 is silent; not fencing it: no BMC'})

    def test_that_a_slave_that_is_off_is_no_warning(self):
        self.set('n3', SILENT, off='ILO', unlocked=True, declared=True)
        plan = self.check('slave n3 is off')
        self.assertEqual(plan.warnings, {})

    def test_nothing_in_a_minority(self):
        self.set('n2', SILENT, silence=50)
        self.set('n3', SILENT)
        self.vms = [vm('web')]
        self.check('slave n2 is silent; not fencing it: fewer than half of the 3 members '
                   'answer; slave n3 is silent; not fencing it: fewer than half of the 3 '
                   'members answer; not acting: fewer than half of the 3 members answer')

    def test_no_clean_up_in_a_minority(self):
        self.set('n2', FAILING)
        self.set('n3', SILENT, off='ILO')
        self.vms = [vm('web', 'n3')]
        self.check('slave n3 is off; not acting: fewer than half of the 3 members answer')

    def test_in_a_tie_to_act_with_the_witness_at_once(self):
        self.hosts = self.hosts[:2]
        self.set('n2', SILENT, silence=22)
        self.given = {'witness': True}
        self.check('slave n2 is silent: fencing it', 'fence n2')

    def test_in_a_tie_nothing_without_it(self):
        self.hosts = self.hosts[:2]
        self.set('n2', SILENT)
        self.check('slave n2 is silent; not fencing it: exactly half of the members answer '
                   'and the witness does not; not acting: exactly half of the members '
                   'answer and the witness does not')

    def test_to_warn_when_nobody_could_replace_it(self):
        self.set('n2', enabled=False)
        self.set('n3', enabled=False)
        self.given = {'heir': 'none_available'}
        plan = self.check('all is well')
        self.assertEqual(sorted(plan.warnings), ['no-heir'])

    def test_that_a_pool_of_one_needs_no_heir(self):
        self.hosts, self.given = self.hosts[:1], {'heir': 'none_available'}
        self.assertEqual(self.check('all is well').warnings, {})


class MaintenanceAndAbsence(Case):
    def test_that_a_host_in_maintenance_is_left_alone(self):
        self.set('n3', SILENT, enabled=False)
        self.check('slave n3 is silent; leaving it alone: '
                   'it was in maintenance and runs no VM')

    def test_that_its_vms_are_not(self):
        self.set('n3', SILENT, enabled=False)
        self.vms = [vm('web', 'n3')]
        self.assertEqual(self.actions(), ['fence n3'])

    def test_that_the_disks_it_locked_are_not(self):
        for fields in ({'enabled': False}, {'seen': False}):
            self.setUp()
            self.set('n3', SILENT, **fields)
            self.vms = [vm('web', wait=10, error='SR_BACKEND_FAILURE_46', locked=True)]
            self.assertEqual(self.actions(), ['fence n3'])

    def test_that_halted_vms_are_none(self):
        self.set('n3', SILENT, enabled=False)
        self.vms = [vm('web', 'n3', power='suspended'), vm('db', 'n2')]
        self.check('slave n3 is silent; leaving it alone: '
                   'it was in maintenance and runs no VM')

    def test_that_an_absent_host_is_left_alone(self):
        self.set('n3', SILENT, seen=False)
        self.check('slave n3 is silent; leaving it alone: it has not answered since '
                   'this host took up work and runs no VM')

    def test_that_an_absent_host_is_fenced_where_the_database_may_not_know_its_vms(self):
        """Else a master that was called late would wait for its proof for ever."""
        self.set('n3', SILENT, seen=False)
        self.given = {'gathered': True}
        self.assertEqual(self.actions(), ['fence n3'])
        self.set('n3', enabled=False)
        self.assertEqual(self.actions(), [])
        self.set('n3', marked=True)         # not in maintenance: it was taken for dead
        self.assertEqual(self.actions(), ['fence n3'])

    def test_that_one_that_was_taken_for_dead_before_is_left_alone(self):
        self.set('n3', SILENT, enabled=False, marked=True)
        self.check('slave n3 is silent; leaving it alone: '
                   'it was taken for dead before and runs no VM')

    def test_that_the_vms_of_an_absent_host_are_saved_by_a_majority(self):
        self.set('n3', SILENT, seen=False)
        self.vms = [vm('web', 'n3')]
        self.assertEqual(self.actions(), ['fence n3'])

    def test_that_two_hosts_cannot_tell_absent_from_cut_off(self):
        self.hosts = self.hosts[:2]
        self.set('n2', SILENT, seen=False)
        self.vms = [vm('web', 'n2')]
        self.given = {'witness': True, 'heir': 'none_available'}
        self.check('slave n2 is silent; not fencing it: it has not answered since this '
                   'host took up work')


class Fencing(Case):
    def setUp(self):
        Case.setUp(self)
        self.set('n3', SILENT)

    def refused(self, why):
        self.check('slave n3 is silent; not fencing it: ' + why)

    def test_nothing_when_it_is_off(self):
        self.settings['FENCE_ENABLED'] = '0'
        self.refused('FENCE_ENABLED=0')

    def test_nothing_with_an_action_that_starts(self):
        self.settings['FENCE_ACTION'] = 'start'
        self.refused('FENCE_ACTION=start switches nothing off')

    def test_nothing_in_a_pool_that_is_too_small(self):
        self.settings['FENCE_MIN_HOSTS'] = '4'
        self.refused('the pool has fewer than 4 members (FENCE_MIN_HOSTS)')

    def test_that_the_failed_host_counts_as_a_member(self):
        self.settings['FENCE_MIN_HOSTS'] = '3'
        self.assertEqual(self.actions(), ['fence n3'])

    def test_that_pool_recovers_nothing_by_itself(self):
        self.settings['FENCE_METHOD'] = 'POOL'
        self.refused('POOL proves nothing and n3 has not promised to stop its VMs')

    def test_that_a_failed_fence_waits(self):
        self.set('n3', fence_failed='no BMC', fence_wait=1)
        self.refused('no BMC')

    def test_that_onfail_waits_for_the_isolated_host(self):
        self.settings.update({'FENCE_METHOD': 'POOL', 'FENCE_HA_ONFAIL': '1'})
        self.set('n3', silence=44)
        self.refused('waiting for 45 s from its last answer (FENCE_HA_ONFAIL=1)')

    def test_that_onfail_then_takes_it_for_dead(self):
        self.settings.update({'FENCE_METHOD': 'POOL', 'FENCE_HA_ONFAIL': '1'})
        self.set('n3', silence=45)
        self.assertEqual(self.actions(), ['take over from n3 without a device'])

    def test_that_onfail_tries_the_device_first(self):
        self.settings['FENCE_HA_ONFAIL'] = '1'
        self.set('n3', silence=100)
        self.assertEqual(self.actions(), ['fence n3'])

    def test_that_onfail_obeys_the_quorum(self):
        self.settings.update({'FENCE_METHOD': 'POOL', 'FENCE_HA_ONFAIL': '1'})
        self.set('n2', FAILING)
        self.set('n3', silence=100)
        self.refused('fewer than half of the 3 members answer; not acting: fewer than '
                     'half of the 3 members answer')


class LoneHost(Case):
    def setUp(self):
        Case.setUp(self)
        self.settings['FENCE_REBOOT_LONE_HOST'] = '1'
        self.set('n2', SILENT)
        self.set('n3', SILENT)

    def test_to_reboot_once(self):
        self.check('no other member answers: rebooting once (FENCE_REBOOT_LONE_HOST=1)',
                   'reboot this host')

    def test_not_to_reboot_again(self):
        self.given = {'lonely': True}
        self.assertEqual(self.actions(), [])

    def test_not_to_reboot_unasked(self):
        self.settings['FENCE_REBOOT_LONE_HOST'] = '0'
        self.assertEqual(self.actions(), [])

    def test_not_to_reboot_in_company(self):
        self.set('n2', FAILING)
        self.assertEqual(self.actions(), [])

    def test_not_to_reboot_in_a_pool_of_two(self):
        self.hosts = self.hosts[:2]
        self.assertEqual(self.actions(), [])


class Promoting(Case):
    def setUp(self):
        Case.setUp(self)
        self.given = {'promoting': 40}

    def test_to_wait_for_xapi(self):
        self.given['xapi'] = 'refused'
        self.assertEqual(self.check('waiting for xapi to come up as master').wait, 2)

    def test_to_wait_for_it_while_its_database_is_the_old_one(self):
        """It answers before it has looked for another master."""
        self.given['role'] = 'master'
        self.master = 'n2'
        self.assertEqual(self.check('waiting for xapi to come up as master').wait, 2)

    def test_to_call_the_slaves(self):
        self.set('n2', off='ILO', **SILENT)
        plan = self.check('waiting for n3 to follow', 'tell the slaves who is master now')
        self.assertEqual(plan.wait, 2)

    def test_to_wait_for_them(self):
        self.set('n2', follows=True)
        self.given['recovered'] = 60
        self.assertEqual(self.check('waiting for n3 to follow').wait, 2)

    def test_to_call_them_again(self):
        self.set('n2', follows=True)
        self.given['recovered'] = 61
        self.check('waiting for n3 to follow', 'tell the slaves who is master now')

    def test_to_take_charge_when_they_follow(self):
        self.set('n2', follows=True)
        self.set('n3', follows=True)
        self.check('promotion is complete', 'take charge of the pool')

    def test_not_to_wait_for_ever(self):
        self.given['promoting'] = 301
        self.check('promotion is complete', 'take charge of the pool')


class CleaningUp(Case):
    def setUp(self):
        Case.setUp(self)
        self.set('n3', SILENT, off='ILO')
        self.vms = [vm('web', 'n3'), vm('db', 'n3', power='paused'), vm('mail', 'n2'),
                    vm('old', 'n3', power='suspended'), vm('new')]

    def test_power_states_first_and_nothing_started_meanwhile(self):
        self.check('slave n3 is off; cleaning up',
                   'reset the power state of web', 'reset the power state of db')

    def test_then_locks(self):
        self.vms = [vm('web')]
        self.check('slave n3 is off; cleaning up', 'clear the storage locks of n3')

    def test_nothing_is_started_while_locks_are_cleared(self):
        self.vms = [vm('web')]
        self.given = {'busy': {Unlock(host=self.hosts[2]): 1}}
        self.check('slave n3 is off; cleaning up')

    def test_then_xapi_is_told_while_vms_start(self):
        self.set('n3', unlocked=True)
        self.vms = [vm('web')]
        self.check('slave n3 is off; VMs are down', 'note that n3 was taken for dead',
                   'start web on n1')
        self.set('n3', marked=True)
        self.check('slave n3 is off; VMs are down', 'tell xapi that n3 is dead',
                   'start web on n1')

    def test_that_locks_that_cannot_be_cleared_hold_nobody(self):
        self.vms = [vm('web')]
        self.given = {'tried': {'clear the storage locks of n3': 'no'}}
        self.check('slave n3 is off; VMs are down', 'start web on n1')

    def test_then_nothing(self):
        self.set('n3', unlocked=True, declared=True)
        self.vms = []
        self.check('slave n3 is off')

    def test_to_forget_it_when_asked_to(self):
        self.set('n3', unlocked=True, declared=True)
        self.vms, self.settings['FENCE_HOST_FORGET'] = [], '1'
        self.check('slave n3 is off', 'forget n3 (FENCE_HOST_FORGET=1)')

    def test_to_switch_it_on_again_last_of_all(self):
        self.settings['FENCE_ACTION'] = 'reset'
        self.set('n3', unlocked=True, declared=True)
        self.vms = []
        self.check('slave n3 is off', 'switch n3 on again')

    def test_not_to_switch_it_on_while_vms_start(self):
        self.settings['FENCE_ACTION'] = 'reset'
        self.set('n3', unlocked=True, declared=True)
        self.vms = [vm('web')]
        self.assertEqual(self.actions(), ['start web on n1'])

    def test_not_to_switch_it_on_twice_or_too_early(self):
        self.settings['FENCE_ACTION'], self.vms = 'reset', []
        self.set('n3', unlocked=True, declared=True, restarted=True)
        self.check('slave n3 is off')
        self.set('n3', restarted=False, declared=False)
        self.given = {'tried': {'note that n3 was taken for dead': 'no'}}
        self.check('slave n3 is off')

    def test_that_sixteen_are_reset_at_a_time(self):
        self.vms = [vm('vm%02d' % number, 'n3') for number in range(20)]
        self.assertEqual(len(self.actions()), 16)


class Chores(Case):
    def test_to_name_an_heir(self):
        self.given = {'heir': ''}
        self.check('all is well', 'name n2 as the one to replace this master')

    def test_to_keep_the_heir_while_it_is_fit(self):
        self.given = {'heir': 'n3'}
        self.check('all is well')

    def test_to_replace_an_heir_that_is_unfit(self):
        for unfit in ({'enabled': False}, {'off': 'ILO', 'unlocked': True,
                                           'declared': True}):
            self.setUp()
            self.set('n2', **unfit)
            self.check('all is well', 'name n3 as the one to replace this master')

    def test_that_a_missed_probe_changes_nothing(self):
        self.set('n2', FAILING)
        self.check('all is well')

    def test_that_a_silent_heir_is_replaced_by_one_that_answers(self):
        self.settings['FENCE_ENABLED'] = '0'
        self.set('n2', SILENT)
        self.hosts.extend([member('n2b', FAILING), member('n4'), member('n5'), member('n6')])
        self.check('slave n2 is silent; not fencing it: FENCE_ENABLED=0',
                   'name n3 as the one to replace this master')
        self.set('n3', FAILING)
        self.assertEqual(self.actions(), ['name n4 as the one to replace this master'])

    def test_to_say_that_there_is_none(self):
        self.hosts = self.hosts[:1]
        self.check('all is well', 'name nobody as the one to replace this master')

    def test_to_stamp_what_runs(self):
        self.vms = [vm('web', 'n2', stamp=''), vm('db', 'n2'), vm('old', stamp=''),
                    vm('moving', 'n3', stamp='', busy=True)]
        self.check('all is well', 'note that web runs in this pool')

    def test_to_stamp_twenty_at_a_time(self):
        self.vms = [vm('vm%02d' % number, 'n2', stamp='') for number in range(30)]
        self.assertEqual(len(self.actions()), 20)

    def test_to_refresh_the_slaves(self):
        self.given = {'sync': True}
        self.check('all is well', 'refresh the databases of the slaves')

    def test_to_show_the_health_of_each_host_when_it_changes(self):
        for shown, state, text in (
                ('healthy', {}, 'show that n1 is master'),
                ('master', {}, None)):
            self.setUp()
            self.set('n1', health=shown, **state)
            self.check('all is well', *[text] * bool(text))
        for shown, state, text in (
                ('failed', {}, 'show that n3 is healthy'),
                ('healthy', {'off': 'ILO', 'unlocked': True, 'declared': True},
                 'show that n3 is failed'),
                ('failed', {'off': 'ILO', 'unlocked': True, 'declared': True}, None)):
            self.setUp()
            self.set('n3', health=shown, **state)
            self.check('all is well', *[text] * bool(text))

    def test_that_work_comes_before_chores(self):
        self.given, self.vms = {'sync': True}, [vm('web')]
        self.check('VMs are down', 'start web on n1')


class Starting(Case):
    def setUp(self):
        Case.setUp(self)
        self.vms = [vm('web')]

    def stays(self, why='all is well', **fields):
        self.vms = [vm('web', **fields)]
        self.check(why)

    def test_what_is_halted(self):
        self.check('VMs are down', 'start web on n1')

    def test_nothing_that_is_suspended_paused_or_unknown(self):
        self.stays(power='suspended')
        self.stays(power='paused')
        self.stays(power='unknown')

    def test_nothing_that_xapi_is_at_work_on(self):
        self.stays(busy=True)

    def test_nothing_that_never_ran_in_this_pool(self):
        self.stays(stamp='')
        self.stays(stamp='another pool')

    def test_nothing_that_just_failed_but_it_says_so(self):
        self.vms = [vm('web', wait=5, error='no memory')]
        plan = self.check('all is well')
        self.assertEqual(plan.warnings, {
            'vm-start-web': 'VM web (web) does not start: no memory'})

    def test_that_a_running_vm_is_no_warning(self):
        self.vms = [vm('web', 'n1', wait=5, error='no memory')]
        self.assertEqual(self.plan().warnings, {})

    def test_nothing_twice(self):
        self.given = {'tried': {'start web': 'failed'}}
        self.check('all is well')
        self.given = {'busy': {StartVm(vm=self.vms[0], host=self.hosts[0]): 1}}
        self.check('all is well')

    def test_only_marked_vms_where_each_is_chosen(self):
        self.settings['GLOBAL_VM_HA'] = '0'
        for field in ('', 'false', 'TRUE'):
            self.stays(field=field)
        self.vms = [vm('web', field='true')]
        self.check('VMs are down', 'start web on n1')

    def test_all_where_none_is_chosen(self):
        self.vms = [vm('web', field='false')]
        self.check('VMs are down', 'start web on n1')

    def test_that_nonsense_in_a_field_is_a_warning(self):
        self.settings['GLOBAL_VM_HA'] = '0'
        self.vms = [vm('web', field='ja'), vm('a', field='true', host='n1'),
                    vm('b', field='false'), vm('c')]
        self.assertEqual(sorted(self.plan().warnings), ['vm-field-web'])

    def test_that_it_is_none_where_the_field_does_not_matter(self):
        self.vms = [vm('web', 'n1', field='ja')]
        self.assertEqual(self.plan().warnings, {})
        self.settings.update({'GLOBAL_VM_HA': '0', 'OP_MODE': '1'})
        self.assertEqual(self.plan().warnings, {})

    def test_only_members_of_appliances_in_mode_1(self):
        self.settings['OP_MODE'] = '1'
        self.stays()
        self.vms = [vm('web', appliance='shop')]
        self.check('VMs are down', 'start web on n1')

    def test_nothing_of_a_disabled_appliance(self):
        uuid = '11111111-2222-3333-4444-555555555555'
        self.settings.update({'OP_MODE': '1', 'DISABLED_VAPPS': '(%s)' % uuid})
        self.stays(appliance=uuid)

    def test_nothing_on_a_promoted_master_without_slave_ha(self):
        self.given, self.settings['SLAVE_HA'] = {'promoted': True}, '0'
        self.check('not starting VMs: SLAVE_HA=0 on a promoted master')

    def test_that_slave_ha_concerns_promoted_masters_alone(self):
        self.settings['SLAVE_HA'] = '0'
        self.check('VMs are down', 'start web on n1')

    def test_that_a_promoted_master_starts_vms(self):
        self.given = {'promoted': True}
        self.check('VMs are down', 'start web on n1')

    def test_to_look_at_the_storage_first(self):
        self.given = {'storage': False}
        self.check('VMs are down', 'look up which host has which storage')

    def test_that_a_disk_that_is_marked_is_tried_on_each_host(self):
        self.vms[0].__dict__.update({'locked': True, 'affinity': 'n1'})
        tried = []
        for self.vms[0].failures in 1, 2, 3:
            tried += self.actions()
        self.assertEqual(['start web on n2', 'start web on n3', 'start web on n1'], tried)

    def test_not_to_look_at_it_for_what_fits_nowhere(self):
        self.given, self.vms[0].memory = {'storage': False}, 1000
        self.assertEqual([], [each for each in self.actions() if each.startswith('look')])

    def test_nothing_when_the_storage_is_unknown(self):
        self.given = {'storage': False,
                      'tried': {'look up which host has which storage': 'no'}}
        self.check('VMs are down')

    def test_at_most_start_parallel(self):
        self.vms = [vm('vm%d' % number) for number in range(6)]
        self.assertEqual(len(self.actions()), 4)
        self.given = {'busy': {StartVm(vm=self.vms[5], host=self.hosts[0]): 1}}
        self.assertEqual(len(self.actions()), 3)
        self.settings['START_PARALLEL'] = '1'
        self.assertEqual(self.actions(), [])

    def test_in_their_order(self):
        self.vms = [vm('a', order=2), vm('b', order=1), vm('c', order=1), vm('d', order=3)]
        self.assertEqual(self.actions(), ['start b on n1', 'start c on n2'])

    def test_that_later_orders_wait_for_a_start_under_way(self):
        self.vms = [vm('a', order=2)]
        self.given = {'busy': {StartVm(vm=vm('b', order=1), host=self.hosts[0]): 119}}
        self.assertEqual(self.actions(), [])

    def test_that_a_start_that_hangs_holds_nobody(self):
        self.vms = [vm('a', order=2)]
        self.given = {'busy': {StartVm(vm=vm('b', order=1), host=self.hosts[0]): 120}}
        self.assertEqual(self.actions(), ['start a on n2'])

    def test_that_a_start_delay_is_patience(self):
        self.vms = [vm('a', order=2)]
        slow = vm('b', order=1, delay=60)
        self.given = {'busy': {StartVm(vm=slow, host=self.hosts[0]): 239}}
        self.assertEqual(self.actions(), [])

    def test_that_a_vm_without_a_place_holds_nobody(self):
        self.vms = [vm('big', order=1, memory=1000), vm('a', order=2)]
        self.check('VMs are down; no host can run big: n1 has too little memory; '
                   'n2 has too little memory; n3 has too little memory', 'start a on n1')


class Intent(Case):
    """A15: what somebody shut down stays down."""

    def setUp(self):
        Case.setUp(self)
        self.vms = [vm('web', ran=5.0)]

    def test_to_ask_before_a_start(self):
        self.check('VMs are down', 'ask why web is down')

    def test_to_start_what_nobody_shut_down(self):
        self.vms = [vm('web')]
        self.assertEqual(self.actions(), ['start web on n1'])

    def test_not_to_start_what_somebody_shut_down(self):
        self.vms = [vm('web', meant=True, noted=True)]
        self.check('all is well')

    def test_not_to_ask_about_what_is_not_started_anyway(self):
        for fields in {'busy': True}, {'power': 'suspended'}, {'field': 'false'}:
            self.settings['GLOBAL_VM_HA'] = '0'
            self.vms = [vm('web', ran=5.0, **dict({'field': 'true'}, **fields))]
            self.check('all is well')

    def test_that_it_does_not_hold_the_others(self):
        self.given['busy'] = {ha_lizard.AskWhyDown(vm=self.vms[0]): 1}
        self.vms.append(vm('db'))
        self.assertEqual(self.actions(), ['start db on n1'])

    def test_that_few_are_asked_at_a_time(self):
        self.vms = [vm('v%d' % number, ran=5.0) for number in range(6)]
        self.given['busy'] = {ha_lizard.AskWhyDown(vm=self.vms[5]): 1}
        self.assertEqual(self.actions(), ['ask why v%d is down' % number for number in range(3)])
        self.given['busy'] = {ha_lizard.AskWhyDown(vm=vm('w')): 1}
        self.given['busy'].update(dict([(ha_lizard.AskWhyDown(vm=vm('w%d' % number)), 1)
                                        for number in range(4)]))
        self.check('all is well')

    def test_to_note_it_for_the_next_master(self):
        self.vms = [vm('web', meant=True), vm('db', meant=True, noted=True)]
        self.check('all is well', 'note that web is to stay down')

    def test_to_forget_it_when_it_runs(self):
        self.vms = [vm('web', 'n2', noted=True), vm('db', 'n2'), vm('old', noted=True, meant=True)]
        self.check('all is well', 'note that web runs again')

    def test_to_try_that_once_a_round(self):
        self.vms = [vm('web', 'n2', noted=True)]
        self.given['tried'] = {'will web': 'failed'}
        self.check('all is well')


class Placing(Case):
    def setUp(self):
        Case.setUp(self)
        self.vms = [vm('web')]

    def test_on_the_host_it_prefers(self):
        self.vms = [vm('web', affinity='n3'), vm('big', 'n3', memory=50)]
        self.assertEqual(self.actions(), ['start web on n3'])

    def test_on_the_emptiest_host(self):
        self.vms += [vm('a', 'n1'), vm('b', 'n2', power='paused'), vm('c', power='suspended')]
        self.assertEqual(self.actions(), ['start web on n3'])

    def test_that_one_that_does_not_tell_what_runs_there_comes_last(self):
        self.vms = [vm('web', affinity='n1')]
        self.set('n1', domains=None)
        self.assertEqual(self.actions(), ['start web on n2'])
        self.set('n2', enabled=False)
        self.set('n3', enabled=False)
        self.assertEqual(self.actions()[:1], ['start web on n1'])

    def test_spread(self):
        self.vms = [vm('a'), vm('b'), vm('c')]
        self.assertEqual(self.actions(), ['start a on n1', 'start b on n2', 'start c on n3'])

    def test_that_starts_under_way_take_memory(self):
        self.given = {'busy': {StartVm(vm=vm('b', memory=95), host=self.hosts[0]): 1}}
        self.assertEqual(self.actions(), ['start web on n2'])

    def test_that_the_host_itself_needs_memory(self):
        self.set('n1', memory_overhead=5)
        self.assertEqual(self.actions(), ['start web on n2'])

    def test_that_all_of_the_memory_may_be_used(self):
        self.vms = [vm('web', memory=100)]
        self.assertEqual(self.actions(), ['start web on n1'])

    def unfit(self, why, **fields):
        self.set('n1', memory_total=200, **fields)
        self.assertEqual(self.actions(), ['start web on n2'])
        for name in ('n2', 'n3'):
            self.set(name, enabled=False)
        self.given = {'heir': 'none_available'}
        self.check('VMs are down; no host can run web: n1 %s; n2 is disabled; '
                   'n3 is disabled' % why)

    def test_not_on_a_disabled_host(self):
        self.unfit('is disabled', enabled=False)

    def test_not_on_a_host_that_xapi_would_refuse(self):
        self.unfit('is not live for xapi', live=False)

    def test_not_without_the_storage(self):
        self.unfit('lacks SR sr', srs=())

    def test_not_on_a_host_that_does_not_answer(self):
        self.set('n2', FAILING, memory_total=200)
        self.assertEqual(self.actions(), ['start web on n1'])

    def test_not_on_a_host_that_is_off(self):
        self.set('n2', off='ILO', unlocked=True, declared=True, memory_total=200)
        self.assertEqual(self.actions(), ['start web on n1'])


class MixedVersions(Case):
    def test_only_to_watch_beside_another_program(self):
        self.set('n2', SILENT)
        self.set('n3', version='1.8')
        plan = self.check("watching only: n3 has not shown this program's version")
        self.assertEqual(sorted(plan.warnings), ['version'])

    def test_that_an_unknown_version_is_another(self):
        self.set('n2', version='')
        self.check("watching only: n2 has not shown this program's version")

    def test_that_ones_own_is_never_asked(self):
        self.set('n1', version='')
        self.check('all is well')


class Frozen(Case):
    def test_nothing_until_it_ends(self):
        self.set('n3', SILENT)
        self.given = {'frozen': '12:00:00'}
        self.check('HA is frozen until 12:00:00')


class Succession(Case):
    """n3, second in the list, while n1 is silent."""

    def setUp(self):
        Case.setUp(self)
        self.me, self.given = 'n3', {'age': 40}
        self.set('n1', SILENT)

    def waits(self, why):
        self.assertEqual(self.check('master n1 is silent; ' + why).wait, 2)

    def test_to_let_a_better_one_go_first(self):
        self.waits('n2 is to take over before this host')

    def test_not_for_ever(self):
        self.set('n1', silence=22 + 179)
        self.given['age'] = 22 + 179
        self.waits('n2 is to take over before this host')
        self.set('n1', silence=22 + 180)
        self.assertEqual(self.actions(), ['fence n1'])

    def test_that_a_freeze_is_nobodys_turn(self):
        self.set('n1', silence=3000)
        self.given = {'thawed': 5}
        self.check('master n1 is silent; n2 is to take over before this host')
        self.given = {'thawed': 181}
        self.assertEqual(self.actions(), ['fence n1'])

    def test_that_the_next_has_its_own_time(self):
        self.hosts.extend([member('n4'), member('n5')])
        self.me, self.given['heirs'] = 'n4', ['n2', 'n3', 'n4']
        self.set('n1', silence=22 + 359)
        self.given['age'] = 22 + 359
        self.waits('n2 is to take over before this host')
        self.set('n1', silence=22 + 360)
        self.given['age'] = 22 + 360
        self.assertEqual(self.actions(), ['fence n1'])

    def test_longer_while_it_promotes(self):
        self.set('n1', silence=1000)
        self.given['age'] = 1000
        self.set('n2', doing='promoting')
        self.waits('n2 is taking over')

    def test_that_a_silent_one_may_still_live(self):
        self.hosts.append(member('n4'))
        self.set('n1', silence=60)
        self.given['age'] = 60
        self.set('n2', SILENT, silence=41)
        self.waits('n2 may still live and is to take over before this host')

    def test_that_one_that_is_dead_is_passed_over(self):
        self.hosts.extend([member('n4'), member('n5')])
        self.set('n1', silence=60)
        self.given['age'] = 60
        self.set('n2', SILENT, silence=42)
        self.assertEqual(self.actions(), ['fence n1'])

    def test_that_one_that_promoted_and_died_is_passed_over(self):
        self.hosts.extend([member('n4'), member('n5')])
        self.set('n1', silence=60)
        self.given['age'] = 60
        self.set('n2', SILENT, silence=42, doing='promoting', role='master')
        self.assertEqual(self.actions(), ['fence n1'])

    def test_that_the_suspended_and_the_resting_are_passed_over(self):
        for doing in ('suspended', 'maintenance'):
            self.set('n2', doing=doing)
            self.assertEqual(self.actions(), ['fence n1'])

    def test_that_the_forgotten_and_the_master_itself_are_passed_over(self):
        self.given['heirs'] = ['n9', 'n1', 'n3']
        self.assertEqual(self.actions(), ['fence n1'])

    def test_that_those_behind_do_not_matter(self):
        self.given['heirs'] = ['n3', 'n2']
        self.assertEqual(self.actions(), ['fence n1'])

    def test_nothing_beside_another_master(self):
        self.given['heirs'] = ['n3', 'n2']
        self.set('n2', role='master')
        self.waits('n2 says that it is the master')

    def test_that_the_silent_master_is_no_other_master(self):
        self.given['heirs'] = ['n3', 'n2']
        self.set('n1', role='master', answers=True)
        self.assertEqual(self.actions(), ['fence n1'])

    def test_that_only_the_first_suspends_itself(self):
        self.set('n1', silence=60)
        self.given['age'] = 60
        self.set('n2', SILENT, silence=60)
        self.vms = [vm('web', 'n3')]
        self.set('n3', domains=['web'])
        self.check('not taking over: master n1 is silent and fewer than half of the 3 '
                   'members answer')
        self.given['heirs'] = ['n1', 'n3']
        self.assertEqual(self.actions(), ['suspend HA on this host and reboot it'])


class DeadXapi(Case):
    def test_that_a_slave_waits_for_the_master_to_help_itself(self):
        self.me, self.given = 'n2', {'xapi': 'no answer', 'xapi_silence': 600}
        plan = self.check('master n1 is alive but its xapi gives no answer')
        self.assertEqual(sorted(plan.warnings), ['dead-xapi-n1'])
        self.given['xapi_silence'] = 899
        self.assertEqual(self.actions(), [])

    def test_that_it_is_no_warning_before(self):
        self.me, self.given = 'n2', {'xapi': 'no answer', 'xapi_silence': 599}
        plan = self.check('master n1 is alive but its xapi gives no answer (no answer)')
        self.assertEqual(plan.warnings, {})

    def test_that_the_heir_then_fences_and_promotes(self):
        self.me, self.given = 'n2', {'xapi': 'no answer', 'xapi_silence': 900}
        plan = self.check('master n1 is alive but its xapi gives no answer: fencing it',
                          'fence n1')
        self.assertEqual(sorted(plan.warnings), ['dead-xapi-n1'])
        self.set('n1', off='ILO')
        self.assertEqual(self.actions(), ['become master'])

    def test_that_it_needs_a_candidate_a_majority_and_proof(self):
        self.me, self.given = 'n2', {'xapi': 'no answer', 'xapi_silence': 900}
        for change in ({'FENCE_METHOD': 'POOL'}, {'PROMOTE_SLAVE': '0'}):
            self.settings = dict({'FENCE_METHOD': 'ILO'}, **change)
            self.assertEqual(self.actions(), [])
        self.settings = {'FENCE_METHOD': 'ILO'}
        self.hosts.extend([member('n4', FAILING), member('n5', FAILING),
                           member('n6', FAILING), member('n7', FAILING)])
        self.assertEqual(self.actions(), [])

    def test_that_nobody_needs_an_opinion_on_a_master_that_answers(self):
        self.me, self.given = 'n2', {'xapi': 'no answer', 'xapi_silence': 900, 'age': 900}
        self.set('n1', unsure=True)
        self.assertEqual(self.actions(), ['fence n1'])

    def test_that_each_candidate_has_its_turn(self):
        self.me, self.given = 'n3', {'xapi': 'no answer', 'xapi_silence': 1079, 'age': 1080}
        self.check('master n1 is alive but its xapi gives no answer; '
                   'n2 is to take over before this host')
        self.given['xapi_silence'] = 1080
        self.assertEqual(self.actions(), ['fence n1'])
        self.assertEqual(self.plan().actions[0].deaf, True)

    def test_that_a_silent_master_is_not_called_deaf(self):
        self.me, self.given = 'n2', {'age': 40}
        self.set('n1', SILENT)
        self.assertEqual(self.plan().actions[0].deaf, False)

    def test_that_a_master_that_answers_is_not_looked_at_twice(self):
        self.me = 'n2'
        self.given = {'xapi': 'no answer', 'xapi_silence': 900, 'witness': True}
        self.hosts = [member('n1'), member('n2'), member('n3', FAILING),
                      member('n4', FAILING)]
        self.assertEqual(self.actions(), ['fence n1'])

    def test_that_the_master_restarts_its_toolstack_once(self):
        self.given = {'xapi': 'no answer', 'xapi_silence': 600}
        plan = self.check('xapi gives no answer', 'restart the toolstack of this host')
        self.assertEqual(sorted(plan.warnings), ['dead-xapi'])
        self.given['restarted_xapi'] = True
        self.check('xapi gives no answer (no answer)')
        self.given = {'xapi': 'no answer', 'xapi_silence': 599}
        self.check('xapi gives no answer (no answer)')


class Rivals(Case):
    def test_that_a_master_nobody_follows_does_nothing(self):
        self.set('n2', role='master')
        self.set('n3', role='slave:10.0.0.2')
        self.vms = [vm('web')]
        plan = self.check('not acting as master: n2, n3 does not follow this host')
        self.assertEqual(sorted(plan.warnings), ['rival'])

    def test_that_one_followed_by_most_calls_the_others(self):
        self.set('n2', role='master')
        self.set('n3', role='slave:10.0.0.1')
        self.check('all is well', 'tell the slaves who is master now')
        self.given = {'recovered': 61}
        self.check('all is well', 'tell the slaves who is master now')
        self.given = {'recovered': 60}
        self.check('all is well')

    def test_that_one_that_has_just_booted_is_called_not_feared(self):
        self.hosts = self.hosts[:2]
        self.set('n2', role='master', doing='starting')
        self.check('all is well', 'tell the slaves who is master now')

    def test_that_a_silent_leader_may_have_started(self):
        self.set('n2', FAILING, doing='starting', role='master')
        self.set('n3', role='slave:10.0.0.2')
        self.assertEqual(self.plan().why, 'not acting as master: n3 does not follow this host')

    def test_that_a_slave_leads_nobody(self):
        self.hosts.extend([member('n4', role='slave:10.0.0.2'), member('n5')])
        self.set('n2', role='slave:10.0.0.9')
        self.set('n3', role='slave:10.0.0.2')
        self.assertEqual(self.actions(), ['tell the slaves who is master now'])

    def test_that_a_host_without_a_role_is_no_rival(self):
        self.set('n2', role='broken')
        self.set('n3', FAILING, role='slave:10.0.0.1')
        self.check('all is well')

    def test_that_who_is_back_must_say_whom_it_follows(self):
        self.set('n2', back=59)
        self.set('n3', back=59)
        plan = self.check('not acting as master: n2, n3 is only just back and has not said '
                          'whom it follows')
        self.assertEqual((sorted(plan.warnings), plan.wait), ([], 2))
        self.set('n3', FAILING)
        self.check('not acting as master: n2 is only just back and has not said whom it follows')
        self.set('n2', role='slave:10.0.0.1')
        self.check('all is well')
        self.set('n2', role='', back=60)
        self.set('n3', FAILING)
        self.check('all is well')
        self.hosts.append(member('n4'))
        self.set('n3', FAILING, back=59)
        self.given['heir'] = 'n4'
        self.assertNotIn('not acting as master', self.plan().why)

    def test_that_only_those_who_answer_are_called(self):
        self.set('n2', FAILING, role='master')
        self.check('all is well')

    def test_that_half_is_not_most(self):
        self.hosts.append(member('n4', role=''))
        self.set('n2', role='master')
        self.set('n3', role='slave:10.0.0.1')
        self.check('not acting as master: n2 does not follow this host')

    def test_that_what_is_unknown_or_gone_is_no_rival(self):
        self.check('all is well')
        self.set('n2', FAILING, role='master')
        self.given = {'heir': 'n3'}
        self.check('all is well')

    def test_that_those_who_still_follow_the_dead_are_none(self):
        self.hosts.extend([member('n4', role='slave:10.0.0.2'),
                           member('n5', role='slave:10.0.0.2')])
        self.set('n2', SILENT, off='ILO', unlocked=True, declared=True)
        self.set('n3', role='slave:10.0.0.2')
        self.given = {'heir': 'n3', 'recovered': 10}
        self.check('slave n2 is off')
        self.set('n2', off='')
        self.assertEqual(self.plan().why[:21], 'not acting as master:')


class Doubles(Case):
    """R-8: what runs here and elsewhere."""

    def setUp(self):
        Case.setUp(self)
        self.me, self.vms = 'n2', [vm('web', 'n3')]
        self.set('n2', domains=['web'])
        self.set('n3', domains=['web', 'db'])

    def test_to_stop_the_copy_that_the_database_does_not_know(self):
        self.check('VMs run here that run elsewhere, too', 'stop web here: it runs elsewhere')

    def test_to_stop_it_once(self):
        self.given = {'tried': {'stop web here: it runs elsewhere': 'failed'}}
        self.assertEqual(self.actions(), [])

    def test_nothing_unless_both_say_so(self):
        for changes in ({'n2': []}, {'n2': None}, {'n3': []}, {'n3': None}):
            self.setUp()
            for name, domains in changes.items():
                self.set(name, domains=domains)
            self.check('master n1 answers')
        self.setUp()
        self.set('n3', FAILING)
        self.check('master n1 answers')
        self.setUp()
        self.vms = [vm('web', 'n3', power='halted')]
        self.check('master n1 answers')

    def test_nothing_to_a_vm_that_belongs_here(self):
        self.vms = [vm('web', 'n2')]
        self.check('master n1 answers')


class FoundElsewhere(Case):
    """A6: the hosts' own lists are right, whatever the database says."""

    def test_that_a_vm_that_runs_is_not_started(self):
        self.vms = [vm('web')]
        self.set('n2', domains=['web'])
        self.check('all is well')

    def test_that_the_list_of_a_dead_host_is_nothing(self):
        self.vms = [vm('web')]
        self.set('n2', FAILING, domains=['web'])
        self.check('VMs are down', 'start web on n1')
        self.set('n2', off='ILO', unlocked=True, declared=True, **ANSWERS)
        self.given = {'heir': 'n3'}
        self.check('VMs are down', 'start web on n1')

    def test_that_a_vm_that_moved_away_is_not_reset(self):
        self.set('n3', SILENT, off='ILO')
        self.vms = [vm('web', 'n3'), vm('db', 'n3')]
        self.set('n2', domains=['web'])
        self.check('slave n3 is off; cleaning up', 'reset the power state of db')

    def test_that_a_host_that_does_not_tell_blocks_what_it_ran(self):
        self.vms = [vm('web'), vm('db')]
        self.set('n2', domains=None)
        self.given = {'placed': {'web': 'n2', 'db': 'n3'}}
        self.assertEqual(self.actions(), ['start db on n1'])

    def test_that_it_does_not_when_it_is_off_or_this_host(self):
        self.vms = [vm('web')]
        self.given = {'placed': {'web': 'n2'}, 'heir': 'n3'}
        self.set('n2', off='ILO', unlocked=True, declared=True, domains=None)
        self.assertEqual(self.actions(), ['start web on n1'])
        self.given = {'placed': {'web': 'n1'}, 'heir': 'n3'}
        self.set('n1', domains=None)
        self.assertEqual(self.actions(), ['start web on n3'])


class Budget(Case):
    def setUp(self):
        Case.setUp(self)
        self.hosts = [member('n%d' % number) for number in range(1, 6)]
        self.set('n5', SILENT, silence=100)

    def test_that_half_of_the_pool_is_the_most(self):
        off = {'off': 'ILO', 'unlocked': True, 'declared': True, 'confirmed': True}
        self.set('n3', SILENT, **off)
        self.assertEqual(self.actions(), ['fence n5'])
        self.set('n4', SILENT, **off)
        self.check('slave n3 is off; slave n4 is off; slave n5 is silent; not fencing it: '
                   '2 hosts are off already, and half of the pool is the most')

    def test_that_fences_under_way_count(self):
        off = {'off': 'ILO', 'unlocked': True, 'declared': True, 'confirmed': True}
        self.set('n3', SILENT, **off)
        self.given = {'busy': {Fence(host=self.hosts[3]): 1}}
        self.assertEqual(self.actions(), [])

    def test_that_other_acts_and_its_own_fence_do_not(self):
        off = {'off': 'ILO', 'unlocked': True, 'declared': True, 'confirmed': True}
        self.set('n3', SILENT, **off)
        self.given = {'busy': {Fence(host=self.hosts[4]): 1,
                               StartVm(vm=vm('a'), host=self.hosts[3]): 1}}
        self.assertEqual(self.plan().why, 'slave n3 is off; slave n5 is silent: fencing it')

    def test_that_a_start_there_is_no_fence(self):
        self.set('n3', SILENT, off='ILO', unlocked=True, declared=True, confirmed=True)
        self.given = {'busy': {StartVm(vm=vm('a'), host=self.hosts[3]): 1}}
        self.assertEqual(self.actions(), ['fence n5'])

    def test_that_the_same_host_is_not_fenced_for_ever(self):
        self.set('n5', fences=2)
        self.assertEqual(self.actions(), ['fence n5'])
        self.set('n5', fences=3)
        self.check('slave n5 is silent; not fencing it: it was fenced 3 times within the hour')

    def test_that_the_confirmed_dead_have_no_vote(self):
        for name in ('n2', 'n3', 'n4'):
            self.set(name, SILENT, off='he says so', unlocked=True, declared=True,
                     confirmed=True)
        self.given = {'heir': 'none_available', 'witness': True}
        self.assertEqual(self.plan().why[-50:],
                         '3 hosts are off already, and half of the pool is the most'[-50:])


class Patience(Case):
    """One more look where the fault may be ours."""

    def setUp(self):
        Case.setUp(self)
        self.hosts.extend([member('n4'), member('n5')])
        self.set('n3', SILENT, silence=41)

    def test_when_several_fall_silent_together(self):
        self.set('n4', SILENT, silence=22)
        self.check('slave n3 is silent; leaving it alone: several members fell silent '
                   'together: looking once more; slave n4 is silent; leaving it alone: '
                   'several members fell silent together: looking once more')

    def test_that_it_ends(self):
        self.set('n3', silence=42)
        self.set('n4', SILENT, silence=42)
        self.assertEqual(self.actions(), ['fence n3', 'fence n4'])

    def test_that_one_after_the_other_is_not_together(self):
        self.set('n4', SILENT, silence=61)
        self.assertEqual(self.actions(), ['fence n3', 'fence n4'])

    def test_that_a_short_silence_or_a_dead_host_does_not_count(self):
        self.set('n4', FAILING, silence=30)
        self.assertEqual(self.actions(), ['fence n3'])
        self.set('n4', SILENT, silence=30, off='ILO', unlocked=True, declared=True)
        self.assertEqual(self.actions(), ['fence n3'])

    def test_when_somebody_has_no_opinion(self):
        self.set('n3', unsure=True)
        self.check('slave n3 is silent; leaving it alone: '
                   'not every member that answers can say whether it lives')
        self.set('n3', silence=42)
        self.assertEqual(self.actions(), ['fence n3'])


class Promises(Case):
    """A4: what no device proves, a promise does, in time."""

    def setUp(self):
        Case.setUp(self)
        self.settings['FENCE_METHOD'] = 'POOL'
        self.set('n3', SILENT, silence=45, lease=40)

    def refused(self, why, wait=2):
        plan = self.check('slave n3 is silent; not fencing it: ' + why)
        self.assertEqual(plan.wait, wait, why)

    def test_that_there_is_haste_while_time_is_missing(self):
        self.set('n3', unsure=True)
        for silence, lease, wait in ((62, None, 2), (63, None, 0), (65, 40, 2), (66, 40, 0)):
            self.set('n3', silence=silence, lease=lease)
            self.assertEqual(self.plan().wait, wait, silence)

    def test_that_a_kept_promise_is_proof(self):
        self.assertEqual(self.actions(), ['take over from n3 without a device'])
        self.assertEqual(self.plan().actions[0].why,
                         'it promised to stop its VMs within 40 s')

    def test_that_it_gets_the_time_that_it_asked_for(self):
        self.set('n3', silence=44)
        self.refused('waiting for 45 s from its last answer, as it promised')
        self.set('n3', silence=94, lease=90)
        self.refused('waiting for 95 s from its last answer, as it promised')

    def test_that_there_is_no_haste_without_a_promise(self):
        self.set('n3', lease=None)
        self.set('n3', silence=100)
        self.refused('POOL proves nothing and n3 has not promised to stop its VMs', 0)

    def test_that_there_is_no_haste_later_on(self):
        self.set('n3', unsure=True, silence=160)
        self.refused('not every member that answers can say whether n3 lives', 0)

    def test_that_everybody_must_agree(self):
        self.set('n3', unsure=True, silence=100)
        self.refused('not every member that answers can say whether n3 lives', 0)

    def test_that_an_agent_without_status_is_like_pool(self):
        self.settings['FENCE_METHOD'] = 'ILO'
        self.set('n3', fence_failed='no status', unproved=True, fence_wait=10)
        self.assertEqual(self.actions(), ['take over from n3 without a device'])
        self.set('n3', silence=44)
        self.refused('waiting for 45 s from its last answer, as it promised')
        self.set('n3', lease=None)
        self.refused('no status; n3 has not promised to stop its VMs')

    def test_that_a_device_that_failed_is_not(self):
        self.settings['FENCE_METHOD'] = 'ILO'
        self.set('n3', fence_failed='no BMC', fence_wait=10)
        self.refused('no BMC')

    def test_that_onfail_makes_it_so(self):
        self.settings.update({'FENCE_METHOD': 'ILO', 'FENCE_HA_ONFAIL': '1'})
        self.set('n3', fence_failed='no BMC', fence_wait=10)
        self.assertEqual(self.actions(), ['take over from n3 without a device'])
        self.set('n3', lease=None, silence=44)
        self.refused('waiting for 45 s from its last answer (FENCE_HA_ONFAIL=1)')
        self.set('n3', fence_wait=0)
        self.assertEqual(self.actions(), ['fence n3'])
        self.set('n3', silence=45)
        self.assertEqual(self.plan().actions[0].why, 'FENCE_HA_ONFAIL=1: no BMC')


class VotesOnAPromise(Case):
    """R-3: whoever left for maintenance has none until all saw it come back."""
    NAMES = 'n2 must not vote on a promise until all saw it come back from maintenance'

    def setUp(self):
        Case.setUp(self)
        self.settings['FENCE_METHOD'] = 'POOL'
        self.hosts = [member('n1'), member('n2'), member('n3'),
                      member('n4', SILENT, silence=50, lease=40)]
        self.given = {'heir': 'n2'}

    def taken(self):
        self.assertEqual(self.actions(), ['take over from n4 without a device'])

    def refused(self, why):
        self.given['heir'] = 'n3'
        self.check('slave n4 is silent; not fencing it: ' + why)

    def test_that_all_have_one_otherwise(self):
        self.taken()

    def test_that_without_it_this_is_a_tie(self):
        self.set('n2', votes=False)
        self.refused(self.NAMES + '; exactly half of the members answer and the witness does not')

    def test_that_a_witness_helps_if_the_promise_holds_in_a_tie(self):
        self.set('n2', votes=False)
        self.given['witness'] = True
        self.refused('n4 has not promised to stop its VMs in an exact half')
        self.set('n4', tie=True)
        self.given['heir'] = 'n3'
        self.taken()
        self.settings['FENCE_STRICT'] = '1'
        self.refused('exactly half of the members answer and FENCE_STRICT=1 asks for proof')

    def test_that_a_majority_does_not_need_it(self):
        self.hosts.append(member('n5'))
        self.set('n2', votes=False)
        self.given['heir'] = 'n3'
        self.taken()

    def test_that_fewer_than_half_may_not(self):
        self.set('n2', votes=False)
        self.set('n1', votes=False)
        self.refused('n1, ' + self.NAMES)

    def test_that_one_that_does_not_answer_has_none_anyway(self):
        self.hosts.append(member('n5'))
        self.set('n2', FAILING, votes=False)
        self.given['heir'] = 'n3'
        self.taken()

    def test_that_nor_has_one_that_is_confirmed_dead(self):
        self.set('n2', votes=False, confirmed=True)
        self.given['heir'] = 'n3'
        self.taken()

    def test_that_the_smaller_part_takes_no_promise_where_no_quorum_is_required(self):
        self.settings['FENCE_QUORUM_REQUIRED'] = '0'
        for name in ('n2', 'n3'):
            self.set(name, SILENT, silence=1000)
        self.assertIn('n4 is silent; not fencing it: fewer than half of the members may vote '
                      'on a promise', self.plan().why)
        self.settings['FENCE_HA_ONFAIL'] = '1'
        self.set('n4', lease=None)
        self.assertEqual([str(each) for each in self.plan().actions][-1:],
                         ['take over from n4 without a device'])

    def test_that_a_device_needs_no_promise(self):
        self.set('n2', votes=False)
        self.settings['FENCE_METHOD'] = 'ILO'
        self.given['heir'] = 'n3'
        self.assertEqual(self.actions(), ['fence n4'])

    def test_that_it_is_nobodys_heir(self):
        self.hosts = [member('n1'), member('n2', votes=False), member('n3')]
        self.assertEqual(self.actions(), ['name n3 as the one to replace this master'])

    def test_that_it_does_not_take_over(self):
        self.me, self.given = 'n2', {'age': 40}
        self.set('n1', SILENT)
        self.set('n4', ANSWERS)
        self.set('n2', votes=False)
        self.check('master n1 is silent; not taking over: not every member saw this host come '
                   'back from maintenance')


class PromisesInATie(Case):
    def setUp(self):
        Case.setUp(self)
        self.settings['FENCE_METHOD'] = 'POOL'
        self.hosts = [member('n1'), member('n2', SILENT, silence=45, lease=40, tie=True)]
        self.given = {'witness': True}

    def test_that_the_half_of_the_master_takes_over(self):
        self.assertEqual(self.actions(), ['take over from n2 without a device'])

    def test_not_from_a_host_that_would_not_stop_in_a_tie(self):
        self.set('n2', tie=False)
        self.given['heir'] = 'none_available'
        self.check('slave n2 is silent; not fencing it: n2 has not promised to stop its '
                   'VMs in an exact half')

    def test_that_a_majority_does_not_need_that(self):
        self.hosts.append(member('n3'))
        self.set('n2', tie=False)
        self.given = {'heir': 'n3'}
        self.assertEqual(self.actions(), ['take over from n2 without a device'])

    def test_that_onfail_needs_no_promise(self):
        self.set('n2', tie=False, lease=None)
        self.settings['FENCE_HA_ONFAIL'] = '1'
        self.assertEqual(self.actions(), ['take over from n2 without a device'])

    def test_that_the_strict_ask_for_proof(self):
        self.settings['FENCE_STRICT'] = '1'
        self.given['heir'] = 'none_available'
        self.check('slave n2 is silent; not fencing it: exactly half of the members answer '
                   'and FENCE_STRICT=1 asks for proof')
        self.hosts.append(member('n3'))
        self.given = {'heir': 'n3'}
        self.assertEqual(self.actions(), ['take over from n2 without a device'])

    def test_that_the_other_half_waits_longer(self):
        self.me, self.master = 'n2', 'n1'
        self.hosts = [member('n1', SILENT, silence=64, lease=40, tie=True), member('n2')]
        self.given['age'] = 70
        self.check('master n1 is silent; not fencing it: waiting for 65 s from its last '
                   'answer, as it promised')
        self.set('n1', silence=65)
        self.assertEqual(self.actions(), ['take over from n1 without a device'])

    def test_that_a_majority_of_slaves_does_not(self):
        self.me = 'n2'
        self.hosts = [member('n1', SILENT, silence=45, lease=40), member('n2'), member('n3')]
        self.given['age'] = 50
        self.assertEqual(self.actions(), ['take over from n1 without a device'])


class Maintenance(Case):
    """The administrator's mark counts, whatever xapi made of `enabled`."""

    def test_that_such_a_slave_is_no_candidate(self):
        self.me, self.given = 'n2', {'age': 40}
        self.set('n1', SILENT)
        self.set('n2', maintenance=True)
        self.check('master n1 is silent; not taking over: this host is in maintenance')

    def test_that_it_is_passed_over_and_no_heir(self):
        self.set('n2', maintenance=True)
        self.check('all is well', 'name n3 as the one to replace this master')
        self.me, self.given = 'n3', {'age': 40}
        self.set('n1', SILENT)
        self.assertEqual(self.actions(), ['fence n1'])

    def test_that_one_that_cannot_keep_notes_is_none_either(self):
        self.set('n2', doing='unfit')
        self.check('all is well', 'name n3 as the one to replace this master')

    def test_that_it_gets_no_vms_and_is_left_alone(self):
        self.vms = [vm('web', affinity='n3')]
        self.set('n3', maintenance=True)
        self.assertEqual(self.actions(), ['start web on n1'])
        self.vms = []
        self.set('n3', SILENT)
        self.check('slave n3 is silent; leaving it alone: '
                   'it was in maintenance and runs no VM')

    def test_that_placements_say_so(self):
        self.vms = [vm('web')]
        for name in ('n1', 'n2', 'n3'):
            self.set(name, maintenance=True)
        self.given = {'heir': 'none_available'}
        self.check('VMs are down; no host can run web: n1 is in maintenance; '
                   'n2 is in maintenance; n3 is in maintenance')


class Healed(Case):
    """A host that was declared dead and lives is enabled again."""

    def setUp(self):
        Case.setUp(self)
        self.set('n3', marked=True, enabled=False, back=30, settling=30)

    def test_to_enable_it(self):
        self.check('all is well', 'enable n3 again')

    def test_then_to_take_the_mark_off(self):
        self.set('n3', enabled=True)
        self.check('all is well', 'note that n3 is alive')

    def test_not_before_it_is_back_for_good(self):
        for fields in ({'back': 29}, FAILING, {'maintenance': True}, {'doing': 'suspended'},
                       {'doing': 'starting'}, {'off': 'ILO', 'unlocked': True, 'declared': True}):
            self.setUp()
            self.set('n3', **fields)
            self.check('all is well')

    def test_nothing_to_one_that_the_administrator_disabled(self):
        self.set('n3', marked=False)
        self.check('all is well')


class Devices(Case):
    """R-9: a device that is not believed, one that cannot be asked, the hourly look."""

    def test_that_a_device_of_another_machine_does_not_fence(self):
        self.set('n3', SILENT, barred={'ILO': 'reads off while n3 lives'})
        plan = self.check('slave n3 is silent; not fencing it: ILO: reads off while n3 lives')
        self.assertEqual(plan.warnings['device-n3-ILO'],
                         'no fencing of n3 through ILO: reads off while n3 lives')

    def test_that_another_method_does(self):
        self.settings['FENCE_METHOD'] = 'ILO:IRMC'
        self.set('n3', SILENT, barred={'ILO': 'reads off while n3 lives'})
        self.assertEqual(self.actions(), ['fence n3'])

    def test_to_warn_of_a_device_that_cannot_be_asked(self):
        self.set('n3', deaf={'ILO': 'wrong password'})
        self.set('n1', deaf={'identity': 'another serial number'})
        self.assertEqual(self.check('all is well').warnings, {
            'device-n1': 'another serial number',
            'device-n3-ILO': 'the fence device of n3 cannot be asked: ILO: wrong password'})

    def test_to_ask_when_nothing_else_is_to_do(self):
        self.given = {'guard': self.hosts[2]}
        self.check('all is well', 'ask the fence devices of n3')
        self.given['sync'] = True
        self.assertEqual(self.actions(), ['refresh the databases of the slaves'])
        self.given = {'guard': self.hosts[2], 'tried': {'ask the fence devices of n3': 'done'}}
        self.check('all is well')

    def test_that_slaves_ask_too(self):
        self.me, self.given = 'n2', {'guard': self.hosts[0]}
        self.check('master n1 answers', 'ask the fence devices of n1')
        self.settings['SLAVE_VM_STAT'] = '1'
        self.check('master n1 answers', 'ask the fence devices of n1')
        self.vms = [vm('web')]
        self.assertEqual(self.actions(), ['start web on n1'])

    def test_that_power_comes_back_before_questions(self):
        self.settings['FENCE_ACTION'], self.given = 'reset', {'guard': self.hosts[1]}
        self.set('n3', SILENT, off='ILO', unlocked=True, declared=True)
        self.assertEqual(self.actions(), ['switch n3 on again'])
        self.set('n3', restarted=True)
        self.assertEqual(self.actions(), ['ask the fence devices of n2'])


class SilentDaemons(Case):
    """S40, S41: somebody must hear of them, and one of us is enough."""

    def warned(self):
        return sorted([event for event in self.plan().warnings if event.startswith('peer-')])

    def test_that_the_master_tells_of_slaves(self):
        self.set('n3', mute=31)
        self.assertEqual(self.warned(), ['peer-n3'])
        self.set('n3', mute=30)
        self.assertEqual(self.warned(), [])

    def test_that_a_dead_host_is_another_matter(self):
        self.set('n3', FAILING, mute=31)
        self.assertEqual(self.warned(), [])

    def test_that_the_heir_tells_of_the_master(self):
        self.set('n1', mute=31)
        for self.me, expected in ('n2', ['peer-n1']), ('n3', []):
            self.assertEqual(self.warned(), expected)
        self.settings['SLAVE_VM_STAT'] = '1'
        self.me = 'n2'
        self.assertEqual(self.warned(), ['peer-n1'])

    def test_that_the_next_one_does_when_the_heir_is_silent_too(self):
        self.set('n1', mute=31)
        self.set('n2', mute=31)
        self.me = 'n3'
        self.assertEqual(self.warned(), ['peer-n1'])

    def test_that_slaves_do_not_tell_of_each_other(self):
        self.set('n3', mute=31)
        self.me = 'n2'
        self.assertEqual(self.warned(), [])


class DiedOver(Case):
    def test_that_what_was_starting_there_is_reset(self):
        self.set('n3', SILENT, off='ILO')
        self.vms = [vm('web', busy=True, starting='n3'), vm('db', busy=True, starting='n2'),
                    vm('old', starting='n3')]
        self.check('slave n3 is off; cleaning up', 'reset the power state of web')


class LostStarts(Case):
    """xapi waits for ever for a start that the host took along into a reboot."""

    def setUp(self):
        Case.setUp(self)
        self.vms = [vm('web', busy=True, starting='n3', boot='one')]
        self.set('n3', boot='two')

    def resets(self):
        return [each for each in self.actions() if each.startswith('reset')]

    def test_that_the_new_boot_proves_it(self):
        self.check('cleaning up', 'reset the power state of web')

    def test_that_the_same_boot_may_still_be_at_it(self):
        self.set('n3', boot='one')
        self.assertEqual([], self.resets())

    def test_that_its_own_word_is_needed(self):
        for unknown in (FAILING, {'boot': ''}, {'domains': None}, {'domains': ('web',)}):
            self.setUp()
            self.set('n3', unknown)
            self.assertEqual([], self.resets(), unknown)

    def test_that_another_has_nothing_to_do_with_it(self):
        for mine in ({'starting': ''}, {'starting': 'n2'}, {'boot': ''}, {'busy': False}):
            self.vms[0].__dict__.update({'busy': True, 'starting': 'n3', 'boot': 'one'})
            self.vms[0].__dict__.update(mine)
            self.assertEqual([], self.resets(), mine)

    def test_that_our_own_child_still_waits(self):
        self.given['busy'] = {StartVm(vm=self.vms[0], host=self.hosts[2]): 5}
        self.assertEqual([], self.resets())

class Settling(Case):
    """A11: who has just come back, or falls silent all the time, gets no VMs."""

    def setUp(self):
        Case.setUp(self)
        self.vms = [vm('web')]

    def test_not_on_a_host_that_has_just_come_back(self):
        self.set('n1', back=29, settling=30)
        self.assertEqual(self.actions(), ['start web on n2'])
        self.set('n1', back=30)
        self.assertEqual(self.actions(), ['start web on n1'])

    def test_not_on_a_host_that_falls_silent_all_the_time(self):
        self.set('n1', falls=3)
        self.assertEqual(self.actions(), ['start web on n2'])
        self.set('n1', falls=2)
        self.assertEqual(self.actions(), ['start web on n1'])

    def test_that_an_unfit_heir_is_replaced(self):
        self.vms = []
        for doing in ('suspended', 'maintenance'):
            self.set('n2', doing=doing)
            self.check('all is well', 'name n3 as the one to replace this master')


class Shares(Case):
    """What a suspended VM, or another act, does not take."""

    def test_that_a_suspended_vm_takes_no_memory(self):
        self.vms = [vm('web'), vm('big', 'n1', power='suspended', memory=90)]
        self.assertEqual(self.actions(), ['start web on n1'])

    def test_that_other_acts_take_no_room(self):
        self.vms = [vm('vm%d' % number) for number in range(6)]
        self.given = {'busy': {Fence(host=self.hosts[2]): 1}}
        self.assertEqual(len(self.actions()), 4)

    def test_that_a_dead_host_is_switched_on_only_when_it_is_off(self):
        self.settings['FENCE_ACTION'] = 'reset'
        self.set('n3', declared=True)
        self.check('all is well')

    def test_that_a_refusal_beside_an_act_is_no_warning(self):
        self.set('n3', SILENT)
        self.assertEqual(self.plan().warnings, {})


if __name__ == '__main__':
    base.main()
