"""Recovery times of stories: what is measured, and the floor beside it."""

import glob
import os

import base
import ha_lizard
import timing

FOLDER = os.path.join(base.TESTS, 'sim', 'scenarios')
times = base.load('tests/sim/times', 'times')
TOLD = {}


def recoveries(name):
    """[Recovery] of a story; each is played once."""
    if name not in TOLD:
        TOLD[name] = timing.recoveries(ha_lizard.read_file(os.path.join(FOLDER, name + '.txt')))
    return TOLD[name]


class Times(base.TestCase):
    def test_that_a_slave_under_pool_takes_seventy_seconds_at_most(self):
        stories = [os.path.basename(path)[:-4] for kind in ('s01-slave-dies', 's04-isolated-slave')
                   for path in sorted(glob.glob(os.path.join(FOLDER, kind + '-pool-*.txt')))]
        found = sum([recoveries(name) for name in stories], [])
        self.assertTrue(len(found) >= len(stories) - 1 > 4, stories)     # one has no witness
        for recovery in found:
            self.assertTrue(recovery.seconds() <= 70, recovery.seconds())

    def test_that_nothing_is_faster_than_its_floor_and_little_is_lost(self):
        for name in ('s01-slave-dies-ilo-3', 's02-master-dies-ilo-3', 's02-master-dies-pool-2',
                     's05-isolated-master-pool-5', 's06-split-witness-for-both-ilo-4', 'onfail',
                     's17-device-slow', 's17-power-cord-with-bmc-onfail', 's37-cliff-two-of-five-ilo'):
            found = recoveries(name)
            self.assertTrue(found, name)
            for recovery in found:
                lost = recovery.seconds() - recovery.floor()
                self.assertTrue(0 <= lost <= 15, '%s: %s' % (name, lost))

    def test_the_terms_of_a_promise_in_a_tie(self):
        master = recoveries('s02-master-dies-pool-2')[0]
        self.assertEqual(master.host, 'n1')
        self.assertEqual(master.terms()[:4], [
            (40, 'the host stops its VMs within that time'),
            (5, 'for clocks that do not run alike'),
            (20, 'in a tie the half of the master goes first'), (1, 'a last look')])
        self.assertEqual('%.2f' % master.floor(),
                         '%.2f' % sum([seconds for seconds, _ in master.terms()]))

    def test_that_a_second_look_is_a_term(self):
        slave = recoveries('s37-cliff-two-of-five-ilo')[0]
        self.assertTrue((20, 'again: several fell silent together') in slave.terms())

    def test_that_a_pool_that_is_not_saved_has_no_time(self):
        self.assertEqual(recoveries('s01-slave-dies-pool-2-no-witness'), [])

    def test_what_is_printed(self):
        said, say = [], ha_lizard.say
        ha_lizard.say = said.append
        try:
            status = times.main(['--terms', os.path.join(FOLDER, 'slave-dies.txt')])
        finally:
            ha_lizard.say = say
        self.assertEqual(status, 0)
        self.assertEqual([len(said) > 8, said[0], said[1].split()[2:]],
                         [True, 'measured    floor  of, in', ['n3', 'slave-dies']])
        self.assertEqual(said[2], '             2.00  a probe gets no answer')


if __name__ == '__main__':
    base.main()
