"""Rules for which the language of scenarios has no word."""

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


if __name__ == '__main__':
    base.main()
