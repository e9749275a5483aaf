"""The manual's algorithm must run VMs twice where safety.md says that it does;
ours must not, in the very same stories."""

import base
import faults
import naive

START = '''pool %s
%s
witness 192.168.1.1
fence POOL
ha on
run 100
'''
STORIES = {
    'S04': ('n1 n2 n3', 'vm web on n3', 'cut n3\nrun 300'),
    'S05': ('n1 n2 n3', 'vm web on n1\nvm db on n2',
            'witness 192.168.1.1 n1 n2 n3\ncut n1 from n2 n3\nrun 300'),
    'S06': ('n1 n2 n3 n4', 'vm web on n1\nvm db on n3',
            'cut n1 n2 from n3 n4\nrun 300'),
    'S07': ('n1 n2', 'vm web on n1\nvm db on n2', 'cut n1 from n2\nrun 300'),
    'S15': ('n1 n2 n3', 'vm web on n1\nvm db on n2',
            'power off n1\nrun 200\ncut n1\npower on n1\nrun 400'),
}


def story(name):
    hosts, vms, faults_ = STORIES[name]
    return START % (hosts, vms) + faults_


class TheManual(base.TestCase):
    def doubles(self, outcome):
        return [why for why in outcome.violations + outcome.accepted
                if why.startswith('I1')]

    def test_runs_vms_twice(self):
        for name in sorted(STORIES):
            outcome = naive.play(faults.play, story(name))
            self.assertTrue(self.doubles(outcome), '%s: %s' % (name, outcome.log))

    def test_ours_does_not(self):
        for name in ('S04', 'S05', 'S15'):
            outcome = faults.play(story(name))
            self.assertEqual(outcome.violations + outcome.accepted, [], name)

    def test_ours_does_not_without_a_path_to_the_witness_for_both(self):
        for name in ('S06', 'S07'):
            text = story(name).replace('witness 192.168.1.1', 'witness 192.168.1.1 n1')
            outcome = faults.play(text)
            self.assertEqual(outcome.violations + outcome.accepted, [], name)

    def test_is_taken_out_again(self):
        naive.play(len, '')
        self.assertEqual(faults.play(story('S04')).violations, [])


if __name__ == '__main__':
    base.main()
