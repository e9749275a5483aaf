"""Rules for which the language of scenarios has no word."""

import os

import base
import ha_lizard
import scenario


class RollingUpgrade(base.TestCase):
    """R-7: while the pool is upgraded host by host, nobody acts or promises."""

    def setUp(self):
        base.TestCase.setUp(self)
        self.story = scenario.Story()
        for line in ('pool n1 n2 n3', 'vm web on n3', 'ha on', 'run 60'):
            self.story.play(line)

    def tearDown(self):
        self.story.close()

    def cut_off(self):
        """Where web runs, a while after its host was cut off."""
        for line in 'run 30', 'cut n3', 'run 120':
            self.story.play(line)
        return self.story.world.where(self.story.vms['web'])

    def test_that_a_host_that_is_cut_off_keeps_its_vms(self):
        self.story.other('rolling_upgrade_in_progress', 'true')
        self.assertEqual(self.cut_off(), ['n3'])
        self.assertEqual(self.story.host('n3').watcher.guardian.why, 'HA is frozen')
        self.assertEqual(self.story.world.violations, [])

    def test_that_it_does_not_otherwise(self):
        self.assertEqual(self.cut_off(), ['n1'])


class Migrated(base.TestCase):
    """R-11: a host that joins another pool brings no switch of HA along."""

    def test_that_the_flag_of_another_pool_is_forgotten(self):
        story = scenario.Story()
        for line in 'pool n1 n2', 'ha on', 'run 30', 'ha off', 'run 30':
            story.play(line)
        watcher = story.host('n2').watcher
        self.assertEqual(watcher.flag, (2, 'false'))
        picture = ha_lizard.read_picture(watcher.dom0, watcher.boot)[0]
        picture.facts.pool, picture.flag_number, picture.enabled = 'another', 1, 'true'
        watcher.dom0.write(ha_lizard.PICTURE, picture.text(watcher.boot, ''))
        watcher.learn()
        self.assertEqual(watcher.flag, (1, 'true'))
        watcher.take_flag((1, 'false'))
        self.assertEqual(watcher.flag, (1, 'true'))
        story.close()


class Silence(base.TestCase):
    """What a dead host costs the others."""

    def test_that_a_host_that_stays_dead_costs_no_writes(self):
        story = scenario.Story()
        for line in ('pool n1 n2 n3', 'vm web on n3', 'fence POOL', 'ha on', 'run 60',
                     'power off n3', 'run 300'):
            story.play(line)
        written = []
        for name in 'n1', 'n2':
            dom0 = story.host(name).dom0
            dom0.write = lambda path, text, mode=0, write=dom0.write: (
                written.append(path) or write(path, text, mode))
        story.play('run 60')
        story.close()
        self.assertTrue(ha_lizard.PICTURE in written)
        self.assertEqual([path for path in written if path == ha_lizard.WATCH], [])


class LostStart(base.TestCase):
    """A start that its host took along counts as long as xapi waits for it."""

    def setUp(self):
        base.TestCase.setUp(self)
        self.story = scenario.Story()
        lines = ha_lizard.read_file(os.path.join(
            base.ROOT, 'tests/sim/scenarios/start-lost-in-a-reboot.txt')).split('\n')
        for line in lines[1:lines.index('power off n3') + 1] + ['run 500']:
            self.story.play(line)

    def tearDown(self):
        self.story.close()

    def starting(self):
        """Names of the VMs that the master has noted as being started."""
        notes = dict(ha_lizard.from_state(self.story.host('n1').files[ha_lizard.Notes.path]))
        return [name for name, uuid in self.story.vms.items() if 'starting.' + uuid in notes]

    def test_that_it_is_noted_while_xapi_waits(self):
        self.assertEqual(['mail'], self.starting())
        self.story.play('run 200')
        self.assertEqual(['mail'], self.starting())

    def test_that_it_is_forgotten_when_xapi_has_ended_it(self):
        for line in 'run 120', 'set GLOBAL_VM_HA 0':        # our own child has; no new one
            self.story.play(line)
        self.story.pool.database().set('vm', self.story.vms['mail'], current_operations=())
        self.story.play('run 20')
        self.assertEqual([], self.starting())


class Heirs(base.TestCase):
    """A8: the succession list in force is the youngest that a member had from xapi."""

    def setUp(self):
        base.TestCase.setUp(self)
        self.story = scenario.Story()
        for line in 'pool n1 n2 n3 n4', 'fence ILO', 'ha on', 'run 60':
            self.story.play(line)

    def tearDown(self):
        self.story.close()

    def heirs(self, name):
        watcher = self.story.host(name).watcher
        heirs = watcher.heirs(watcher.looked)[0].split()
        return ' '.join([self.story.world.host_by(uuid).name for uuid in heirs])

    def test_that_a_list_of_yesterday_does_not_go_round(self):
        self.assertEqual(self.heirs('n4'), 'n2 n3 n4')
        for line in 'maintenance on n2', 'run 45':
            self.story.play(line)
        for _ in range(16):
            self.assertEqual([self.heirs(name) for name in ('n1', 'n2', 'n3', 'n4')],
                             4 * ['n3 n4'])
            self.story.play('run 1')

    def test_that_the_word_of_one_that_died_since_still_counts(self):
        other = self.story.host('n3').watcher
        self.story.play('xapi hang n1')         # no round learns anything any more
        self.story.play('run 20')
        other.picture.succession = [self.story.host(name).uuid for name in ('n4', 'n2')]
        other.picture.facts.at = other.looked
        for line in 'run 4', 'power off n3', 'run 10':
            self.story.play(line)
        self.assertEqual([self.heirs(name) for name in ('n1', 'n2', 'n4')], 3 * ['n4 n2'])

    def test_that_another_master_is_not_believed(self):
        """It has a database of its own."""
        watcher, other = self.story.host('n4').watcher, self.story.host('n2').watcher
        [peer] = [peer for peer in watcher.peers.values() if peer.address == '10.0.0.2']
        for role, believed in (('master', False), ('slave:10.0.0.1', True)):
            report = ha_lizard.Report(role=role, heirs=other.me, heirs_age=0)
            watcher.hear_heirs(watcher.looked + 99, peer, report)
            self.assertEqual(self.heirs('n4') == 'n2', believed)


class Hearsay(base.TestCase):
    """R-3: the promise of a dead host grows old, whoever still tells of it."""

    def setUp(self):
        base.TestCase.setUp(self)
        self.story = scenario.Story()
        for line in 'pool n1 n2 n3 n4', 'vm web on n4', 'fence POOL', 'ha on', 'run 60':
            self.story.play(line)

    def tearDown(self):
        self.story.close()

    def peer(self, name, of):
        return self.story.host(name).watcher.peers[self.story.host(of).uuid]

    def test_that_no_promise_becomes_younger_by_being_told(self):
        died = self.story.world.now
        for line in 'power off n4', 'run 30':
            self.story.play(line)
        for name in 'n1', 'n2', 'n3':
            peer = self.peer(name, 'n4')
            self.assertEqual(peer.lease, 40)
            booted = self.story.host(name).dom0.host.booted
            self.assertTrue(peer.leased + booted <= died + 2 * ha_lizard.CALM)

    def test_that_who_did_not_hear_the_withdrawal_does_not_undo_it(self):
        """n3 heard the promise, n1 and n2 that it was withdrawn."""
        self.story.play('cut n4 from n3')
        self.story.play('run 5')
        guardian = self.story.host('n4').watcher.guardian
        guardian.tick, guardian.lease = (lambda now, watcher: None), None
        for line in 'run 10', 'cut n4', 'run 60':
            self.story.play(line)
        self.assertEqual([None, None, None],
                         [self.peer(name, 'n4').lease for name in ('n1', 'n2', 'n3')])

    def test_that_a_member_that_heard_nothing_itself_learns_of_it(self):
        for line in 'cut n4 from n3', 'daemon kill n3', 'run 10', 'daemon start n3', 'run 10':
            self.story.play(line)
        self.assertEqual(40, self.peer('n3', 'n4').lease)


class Restart(base.TestCase):
    """R-3: what a promise is to a watcher that starts anew on the same boot."""

    def setUp(self):
        base.TestCase.setUp(self)
        self.story = scenario.Story()
        for line in 'pool n1 n2 n3', 'vm web on n3', 'ha on':
            self.story.play(line)

    def tearDown(self):
        self.assertEqual(self.story.world.violations, [])
        self.story.close()

    def guardian(self):
        return self.story.host('n3').watcher.guardian

    def begin_anew(self):
        """Right after what was before: no look, no tick of it yet."""
        self.story.host('n3').dom0.start_daemon()

    def test_that_who_was_stopped_in_good_order_promised_nothing_any_more(self):
        self.story.play('run 60')
        host = self.story.host('n3')
        self.assertEqual(self.guardian().lease, 40)
        host.watcher.tick = lambda: 1000
        stop = host.dom0.run_program(host.watcher.stop)
        self.story.play('run 4')
        self.assertTrue(stop.over)
        self.assertEqual(host.dog, None)
        self.story.play('daemon kill n3')
        self.begin_anew()
        self.assertEqual(self.guardian().told, [])
        self.assertEqual(self.guardian().ok, self.story.world.now - host.booted)
        self.story.play('run 20')
        self.assertEqual(self.guardian().lease, 40)

    def test_that_who_is_stopped_while_it_is_cut_off_keeps_its_promise_first(self):
        self.story.play('run 60')
        host = self.story.host('n3')
        self.assertEqual(ha_lizard.promised(host.dom0), 0)
        for line in 'cut n3', 'run 5':
            self.story.play(line)
        self.assertEqual(ha_lizard.promised(host.dom0), 60)
        host.watcher.tick = lambda: 1000
        stop = host.dom0.run_program(host.watcher.stop)
        self.story.play('run 10')
        self.assertFalse(stop.over)
        self.story.play('run 300')
        self.assertTrue(stop.over)
        self.assertEqual((host.boots, host.dog), (1, None))
        self.assertEqual(self.story.world.where(self.story.vms['web']), ['n1'])

    def test_that_it_ends_as_ever_when_the_link_is_back_meanwhile(self):
        for line in 'run 60', 'cut n3', 'run 5':
            self.story.play(line)
        host = self.story.host('n3')
        host.watcher.tick = lambda: 1000
        stop = host.dom0.run_program(host.watcher.stop)
        for line in 'run 3', 'heal n3', 'run 20':
            self.story.play(line)
        self.assertEqual((stop.over, host.boots, host.dog), (True, 1, None))
        self.assertEqual(self.story.world.where(self.story.vms['web']), ['n3'])

    def test_that_a_promise_that_is_kept_leaves_the_watchdog_asleep(self):
        for line in 'run 60', 'cut n3', 'run 60':
            self.story.play(line)
        host = self.story.host('n3')
        self.assertEqual((host.watcher.guardian.stopped, host.dog, host.boots), ('done', None, 1))

    def test_that_the_next_one_keeps_the_number_that_others_have_heard(self):
        for line in ('run 60', 'cut n3', 'run 4', 'set n3 XAPI_COUNT 20', 'run 12',
                     'daemon kill n3', 'daemon start n3', 'run 300'):
            self.story.play(line)
        self.assertEqual(self.story.world.where(self.story.vms['web']), ['n1'])

    def test_that_no_timers_make_the_watchdog_bite(self):
        """Neither between two looks nor while the others are told of a stop."""
        for line in 'set XE_TIMEOUT 1', 'set XAPI_DELAY 1', 'set XAPI_COUNT 1', 'run 60':
            self.story.play(line)
        host = self.story.host('n3')
        self.assertEqual(self.guardian().lease, 11)
        self.assertNotEqual(host.dog, None)
        host.watcher.tick = lambda: 1000
        host.dom0.run_program(host.watcher.stop)
        self.story.play('run 10')
        self.assertEqual([self.story.host(name).boots for name in ('n1', 'n2', 'n3')], [1, 1, 1])

    def test_that_a_stop_is_never_begun_before_a_first_look(self):
        """With timers as short as that it was, at each start after a crash."""
        self.story.play('set XAPI_DELAY 5')
        self.story.play('run 60')
        self.assertEqual(self.guardian().lease, 30)
        for line in 'daemon kill n3', 'run 3':
            self.story.play(line)
        self.begin_anew()
        self.story.play('run 5')
        self.assertEqual(self.guardian().stopped, '')
        self.assertEqual(self.story.world.where(self.story.vms['web']), ['n3'])

    def test_how_long_the_half_may_have_been_lost(self):
        for patience, grace, expected in ((20, 20, 15), (10, 20, 8), (17, 20, 15), (16, 20, 14),
                                          (5, 8, 3), (5, 20, 8)):
            self.assertEqual(ha_lizard.unwatched(patience, grace), expected)

    def test_that_a_cut_is_as_old_as_it_was_for_the_one_before(self):
        for line in 'run 60', 'cut n3', 'run 12':
            self.story.play(line)
        ok = self.guardian().ok
        for line in 'daemon kill n3', 'run 2':
            self.story.play(line)
        self.begin_anew()
        self.assertTrue(ok < self.story.world.now - self.story.host('n3').booted - 10)
        self.assertEqual(self.guardian().ok, ok)


class Left(base.TestCase):
    """R-3: who counts on a host that left for maintenance, and who may vote then."""

    def setUp(self):
        base.TestCase.setUp(self)
        self.story = scenario.Story()
        self.play('pool n1 n2 n3 n4', 'vm web on n4', 'ha on', 'run 60', 'maintenance on n2',
                  'run 30')

    def tearDown(self):
        self.assertEqual(self.story.world.violations, [])
        self.story.close()

    def play(self, *lines):
        for line in lines:
            self.story.play(line)

    def counted(self, by='n4', on='n2'):
        return self.story.host(by).watcher.peers[self.story.host(on).uuid].left

    def votes(self, name='n2', for_='n1'):
        """Does it say so, and is it believed?"""
        peer = self.story.host(for_).watcher.peers[self.story.host(name).uuid]
        self.assertEqual(self.story.host(name).watcher.guardian.votes, peer.votes)
        return peer.votes

    def test_that_nobody_counts_on_it_while_it_answers_or_may_live(self):
        self.assertEqual((self.counted(), self.votes()), (False, True))
        self.play('power off n2', 'run 20')
        self.assertEqual(self.counted(), False)
        self.play('run 5')
        self.assertEqual(self.counted(), True)

    def test_that_nobody_counts_on_it_while_somebody_cannot_tell(self):
        self.play('daemon kill n3', 'run 10', 'power off n2', 'run 30')
        self.assertEqual(self.counted(), False)

    def test_that_who_is_cut_off_counts_on_nobody(self):
        self.play('cut n4', 'run 30')
        self.assertEqual((self.counted(), self.votes()), (False, True))

    def test_that_who_hears_of_it_counts_on_it_no_more(self):
        self.play('power off n2', 'run 30', 'cut n2 from n4', 'power on n2', 'run 80')
        self.assertEqual((self.counted(), self.votes()), (False, False))
        self.play('heal n2 from n4', 'run 5')
        self.assertEqual(self.votes(), False)       # a moment for all to see it
        self.play('run 8')
        self.assertEqual(self.votes(), True)

    def test_that_one_of_whom_the_last_word_was_another_is_not_counted_on(self):
        self.play('maintenance off n2', 'run 30', 'power off n2', 'run 30')
        self.assertEqual(self.counted(), False)

    def test_that_one_whose_daemon_is_dead_is_neither_counted_on_nor_votes(self):
        self.play('daemon kill n2', 'run 30')
        self.assertEqual(
            self.story.host('n1').watcher.peers[self.story.host('n2').uuid].votes, False)
        self.play('power off n2', 'run 30')
        self.assertEqual(self.counted(), False)

    def test_that_it_has_no_vote_when_it_could_not_reach_more_than_half(self):
        self.play('cut n2 from n1 n3', 'run 5', 'heal n2 from n1 n3', 'run 4')
        self.assertEqual(self.votes(), False)
        self.play('run 10')
        self.assertEqual(self.votes(), True)

    def test_that_it_has_no_vote_either_when_that_was_soon_after(self):
        self.play('maintenance off n2', 'run 40', 'cut n2', 'run 5')
        self.assertEqual(self.story.host('n2').watcher.guardian.votes, False)

    def test_that_it_has_one_when_that_was_later(self):
        self.play('maintenance off n2', 'run 90', 'cut n2', 'run 5')
        self.assertEqual(self.story.host('n2').watcher.guardian.votes, True)

    def test_that_a_reboot_does_not_make_it_forget(self):
        self.play('cut n2', 'run 5', 'heal n2 from n1 n3', 'maintenance off n2', 'run 40',
                  'reboot n2', 'run 90')
        self.assertEqual(self.votes(), False)

    def test_that_the_confirmed_dead_need_not_see_it(self):
        self.play('power off n4', 'run 60', 'confirm-dead n4 by n1', 'reboot n2', 'run 120')
        self.assertEqual(self.votes(), True)

    def test_that_a_watcher_that_starts_anew_knows_it(self):
        self.play('power off n2', 'run 30', 'daemon kill n4', 'run 2', 'daemon start n4', 'run 30')
        self.assertEqual(self.counted(), True)


class Datagrams(base.TestCase):
    """R-1: what is no word of a member is dropped and counted, and `status` says so."""

    def setUp(self):
        base.TestCase.setUp(self)
        self.story = scenario.Story()
        for line in 'pool n1 n2 n3', 'ha on', 'run 60':
            self.story.play(line)
        other = self.story.host('n2')
        self.watcher, self.address = self.story.host('n1').watcher, other.address
        self.dom0, self.signer = self.watcher.dom0, self.watcher.signer
        self.text = ha_lizard.Report(uuid=other.uuid, boot=other.watcher.boot, number=10 ** 6,
                                     nonce='n', version='6.6.6').text()

    def tearDown(self):
        self.story.close()

    def seal(self, text, signer=None):
        return (signer or self.signer).seal(text, {'a': self.watcher.nonce})['a']

    def hear(self, *packets):
        """How many of them were dropped."""
        before = self.watcher.dropped
        self.dom0.inbox = [(self.address, packet) for packet in packets]
        self.watcher.hear(self.dom0.now())
        return self.watcher.dropped - before

    def believes(self):
        return [peer.report.version for peer in self.watcher.peers.values()
                if peer.address == self.address] == ['6.6.6']

    def test_that_a_member_is_believed(self):
        self.assertEqual(self.hear(self.seal(self.text)), 0)
        self.assertTrue(self.believes())

    def test_that_an_echo_of_long_ago_is_no_answer(self):
        """Three looks of a calm watcher later: it may go one way by now."""
        for seconds, believed in (4, True), (6, False):
            self.setUp()
            packet = self.seal(self.text)
            self.story.play('run %d' % seconds)
            self.hear(packet)
            self.assertEqual(self.believes(), believed)

    def test_that_the_unsigned_is_counted(self):
        packet = self.seal(self.text)
        self.assertEqual(self.hear(packet[:packet.rindex('mac=')], packet[:-9], '',
                                   self.seal(self.text, ha_lizard.Signer('another secret'))), 4)
        self.assertFalse(self.believes())

    def test_that_a_signature_of_any_bytes_is_counted(self):
        """And what comes after it is heard."""
        packet = self.seal(self.text)
        strange = packet[:packet.rindex('mac=') + 4] + '\xff\n'
        self.assertEqual(self.hear(strange, packet), 1)
        self.assertTrue(self.believes())

    def test_that_the_malformed_is_counted(self):
        for part, instead in (('lease=-', 'lease=x'), ('ha-lizard 1', 'ha-lizard 2'),
                              ('nonce=', 'once='), ('tie=', 'tie')):
            self.assertEqual(self.hear(self.seal(self.text.replace(part, instead))), 1)
        self.assertFalse(self.believes())

    def test_that_the_oversized_is_counted(self):
        text = self.text + 'x=%s\n' % ('y' * ha_lizard.LARGEST)
        self.assertEqual(self.hear(self.seal(text)), 1)
        self.assertFalse(self.believes())

    def test_that_a_stranger_is_counted(self):
        address, self.address = self.address, '10.0.0.99'
        self.assertEqual(self.hear(self.seal(self.text)), 1)        # of the secret, but elsewhere
        self.address = address
        self.assertEqual(self.hear(self.seal(self.text.replace('uuid=', 'uuid=f'))), 1)
        self.assertFalse(self.believes())

    def test_that_a_member_lives_that_speaks_from_another_address(self):
        """S44; and the others hear of it, though nothing else is believed."""
        [peer] = [peer for peer in self.watcher.peers.values() if peer.address == self.address]
        self.story.play('cut n2')
        self.story.play('run 60')
        self.assertTrue(peer.silent)
        self.address, now = '10.0.0.99', self.dom0.now()
        packet = self.seal(self.text)
        self.hear(packet)
        self.assertEqual((peer.alive_at, peer.opinion(now + 7).split()[0]), (now, '7'))
        self.story.play('run 2')
        self.assertEqual((peer.silent, peer.failing), (False, True))
        self.assertFalse(self.believes())
        self.story.play('run 60')
        self.hear(packet)           # of a minute ago
        self.story.play('run 2')
        self.assertTrue(peer.silent)

    def test_that_a_repeated_one_is_counted(self):
        packet = self.seal(self.text)
        older = self.seal(self.text.replace('number=1', 'number=0'))
        self.assertEqual(self.hear(packet, packet, older, packet), 3)

    def test_that_the_status_tells_it_when_there_is_something(self):
        self.assertEqual(ha_lizard.bad_datagrams(self.dom0), '')
        self.dom0.inbox = [(self.address, '')] * 3
        self.story.play('run 5')
        self.assertIn('; 3 or more datagrams dropped', ha_lizard.bad_datagrams(self.dom0))

    def test_that_a_flood_writes_seldom(self):
        texts = set()
        for _ in range(40):
            self.dom0.inbox = [(self.address, '')] * 25
            self.story.play('run 3')
            texts.add(ha_lizard.bad_datagrams(self.dom0))
        self.assertTrue(len(texts) <= 7, texts)
        self.assertEqual(self.watcher.dropped, 1000)

    def test_that_a_watcher_goes_on_counting(self):
        self.dom0.inbox = [(self.address, '')]
        for line in 'run 5', 'daemon kill n1', 'run 5', 'daemon start n1', 'run 5':
            self.story.play(line)
        self.assertEqual(self.story.host('n1').watcher.dropped, 1)


if __name__ == '__main__':
    base.main()
