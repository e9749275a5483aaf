"""The golden scenarios: what is played here is played on every Python.

All of them are played by `tests/sim/play tests/sim/scenarios/*.txt`, once in
.ci/run; here every kind of story is played in its smallest form.
"""

import glob
import os

import base
import ha_lizard
import scenario

FOLDER = os.path.join(base.TESTS, 'sim', 'scenarios')
PLAYED = ('slave-dies', 'master-dies', 'two-hosts-master-dies', 'two-hosts-no-witness',
          'pool-method', 'fence-refused', 'ha-off', 'toolstack-restart', 'xenserver-ha',
          'appliances', 'slave-starts-vms', 'onfail', 'suspended-and-paused',
          'master-unfenceable', 's05-isolated-master-pool-3',
          's07-link-cut-witness-for-both-pool-2')


class Golden(base.TestCase):
    def test_each_reads_as_it_is_played(self):
        for name in PLAYED:
            expected = ha_lizard.read_file(os.path.join(FOLDER, name + '.txt'))
            actual, violated = scenario.replay(expected)
            self.assertEqual(actual, expected, name)
            self.assertFalse(violated, name)

    def test_every_file_has_a_promise_and_expectations(self):
        for path in sorted(glob.glob(os.path.join(FOLDER, '*.txt'))):
            text = ha_lizard.read_file(path)
            self.assertTrue(text.startswith('# '), path)
            for _, expected in scenario.blocks(text):
                self.assertTrue(expected is not None, path)


class Player(base.TestCase):
    def test_the_same_story_twice_is_the_same_log(self):
        text = ha_lizard.read_file(os.path.join(FOLDER, 'master-dies.txt'))
        self.assertEqual(scenario.replay(text), scenario.replay(text))

    def test_a_missing_expectation_is_a_difference(self):
        text = 'pool n1\nrun 5\n'
        self.assertNotEqual(scenario.replay(text)[0], text)

    def test_unknown_words_are_errors(self):
        for line in ('pool', 'run 5', 'pool n1\nfrobnicate', 'pool n1\nrun much',
                     'pool n1\nset NO_SUCH 1', 'pool n1\npower off n9', 'pool n1\nvm web in n1'):
            self.raised(scenario.Wrong, scenario.replay, line)

    def test_a_violated_invariant_is_marked(self):
        story = scenario.Story()
        story.play('pool n1 n2')
        story.play('vm web on n1')
        story.world.start_domain(story.host('n2'), story.vms['web'])
        self.assertEqual(story.lines(), ['!! I1 web runs on n1, n2'.replace(', ', ' and on ')])
        story.close()


if __name__ == '__main__':
    base.main()
