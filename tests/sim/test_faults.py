"""What must be up in the end, from the truth alone: the judge of the random runs."""

import base
import faults
import ha_lizard

POOL = '''pool n1 n2 n3
vm web on n3
vm db on n1
fence %s
ha on
run 100
%s
run 300
'''


class Owed(base.TestCase):
    def outcome(self, what, method='POOL'):
        return faults.play(POOL % (method, what))

    def test_that_a_dead_host_s_vms_are(self):
        outcome = self.outcome('power off n3')
        self.assertEqual((outcome.owed, outcome.saved, outcome.violations),
                         (['db', 'web'], ['db', 'web'], []))

    def test_that_a_vm_that_is_not_saved_is_told(self):
        ours = ha_lizard.start_objection
        ha_lizard.start_objection = lambda *_: 'this program is broken'
        try:
            outcome = self.outcome('power off n3')
        finally:
            ha_lizard.start_objection = ours
        self.assertEqual(outcome.violations, ['I5 web should be up'])
        self.assertEqual((outcome.owed, outcome.saved), (['db', 'web'], ['db']))

    def test_that_nothing_is_while_one_of_the_majority_still_hears_the_lost(self):
        """R-1: n3 is alive for n1, too; its reboot is for n1 like the silence before."""
        self.assertEqual(self.outcome('cut n1 from n3\nrun 60\nreboot n3').owed, [])

    def test_that_nothing_is_by_the_vote_of_one_that_comes_back_from_maintenance(self):
        what = 'maintenance on n2\nrun 30\nreboot n2\npower off n3\nrun 200'
        self.assertEqual(self.outcome(what).owed, [])
        self.assertEqual(self.outcome(what, 'ILO').owed, ['db', 'web'])

    def test_that_nothing_is_without_a_majority(self):
        self.assertEqual(self.outcome('cut n1 n2 n3').owed, [])

    def test_that_nothing_is_when_nobody_can_prove_the_death(self):
        self.assertEqual(self.outcome('bmc n3 silent\npower off n3', 'ILO').owed, [])
        self.assertEqual(self.outcome('power off n3', 'ILO').owed, ['db', 'web'])

    def test_that_nothing_is_where_a_survivor_cannot_do_its_part(self):
        self.assertEqual(self.outcome('daemon kill n2\npower off n3').owed, [])

    def test_that_nothing_is_when_ha_was_switched_off(self):
        self.assertEqual(self.outcome('ha off\npower off n3').owed, [])


if __name__ == '__main__':
    base.main()
