"""ha-cfg on and off: the switch, the suspension, the state that its exit statuses tell."""

import base
import ha_cfg_case
import ha_lizard
import scenario
from ha_cfg_case import FIELD, cfg


class TestSwitch(ha_cfg_case.Case):
    def test_on_and_off(self):
        self.serve()
        self.assertEqual((3, 'disabled\n', ''), self.cfg('ha-status'))
        self.assertIn('enabled now', self.done('ha-enable'))
        self.assertEqual(('true', '1'), (self.other(FIELD), self.other('HA_FLAG_SEQ')))
        self.assertIn('enabled already', self.done('ha-enable'))
        # Nobody runs here, so no round ends.
        self.assertEqual(4, self.cfg('ha-status')[0])
        status, output, _ = self.cfg('status')
        self.assertEqual(4, status)
        self.assertIn('| ha-lizard is enabled', output)
        self.assertIn('does ha-lizard run?', output.replace('\n', ' ').replace(' | ', ''))
        self.once()
        self.assertEqual((0, 'enabled\n', ''), self.cfg('ha-status'))
        self.assertIn('"enabled": true', self.done('status', '--json'))
        self.done('ha-disable')
        self.assertEqual(('false', '2'), (self.other(FIELD), self.other('HA_FLAG_SEQ')))
        self.assertEqual(3, self.cfg('status', '--watch')[0])

    def test_xenserver_ha(self):
        self.serve('xenserver-ha on')
        self.refused(1, ('ha-enable',), 'XenServer HA is on')

    def test_recover(self):
        self.serve('ha on')
        self.assertIn('not suspended', self.done('recover'))
        boot = self.machine.read(ha_lizard.BOOT_ID).strip()
        self.host.files[ha_lizard.Notes.path] = ha_lizard.to_state(
            [('boot', boot), ('suspended', 'it had no quorum')])
        status, output, _ = self.cfg('status')
        self.assertEqual(5, status)
        self.assertIn('suspended on this host: it had no quorum', output)
        self.refused(1, ('recover',), '--yes')
        self.assertIn('HA operation is back to normal', self.done('recover', '--yes'))
        self.assertIn('not suspended', self.done('recover'))


class Watcher(ha_cfg_case.Capture):
    """Somebody who looks at `status --watch` and leaves with Ctrl-C."""

    def write(self, text):
        ha_cfg_case.Capture.write(self, text)
        if text == CLEARED and self.said.count(CLEARED) > 12:
            raise KeyboardInterrupt()


CLEARED = '\033[H\033[2J'


class TestWatch(base.TestCase):
    def test_the_picture_follows_the_pool(self):
        story = scenario.Story()
        try:
            for line in ('pool a b c', 'fence ILO', 'vm v on c', 'ha on', 'run 60', 'power off c'):
                story.play(line)
            status, screen = ha_cfg_case.run_cfg(story, 'a', 'status', '--watch', terminal=True,
                                                 screen=Watcher)
        finally:
            story.close()
        self.assertEqual(cfg.INTERRUPTED, status)
        pictures = screen.text().split(CLEARED)[1:]
        self.assertEqual(13, len(pictures))
        self.assertIn('now: all is well', pictures[0])
        for text in ('HOST  ROLE', 'ha-lizard is enabled', 'master', '10.0.0.3'):
            self.assertIn(text, pictures[0])
        seen = ' '.join(pictures)
        for text in ('no, for ', 'now: slave c is silent: fencing it', 'off'):
            self.assertIn(text, seen)


class TestFreeze(base.TestCase):
    """R-7: it is acknowledged by every host."""

    def freeze(self, *lines):
        story = scenario.Story()
        try:
            for line in ('pool a b c', 'fence ILO', 'vm v on c', 'ha on', 'run 60') + lines:
                story.play(line)
            began = story.world.now
            status, screen = ha_cfg_case.run_cfg(story, 'a', 'freeze', '10')
            took = story.world.now - began
            frozen = [host.name for host in story.world.hosts.values()
                      if host.powered and host.watcher and host.watcher.is_frozen()]
        finally:
            story.close()
        return status, screen, took, sorted(frozen)

    def test_all_say_so(self):
        status, screen, took, frozen = self.freeze()
        self.assertIn('every host that answers says that it is frozen', screen.text())
        self.assertEqual((0, '', ['a', 'b', 'c']), (status, screen.errors(), frozen))
        self.assertTrue(took <= 30, took)

    def test_who_does_not_is_named(self):
        status, screen, _, _ = self.freeze('daemon kill c', 'run 20')
        self.assertEqual(cfg.DEGRADED, status)
        self.assertIn('not frozen after 35 s: c', screen.errors())

    def test_who_is_dead_need_not(self):
        status, screen, _, _ = self.freeze('power off c', 'run 40')
        self.assertEqual((0, ''), (status, screen.errors()))


class TestExitStatuses(ha_cfg_case.Case):
    """Each that the help names."""

    def test_each_occurs(self):
        self.serve('set XE_TIMEOUT 3')
        found = {}
        for words in ('version', 'what-if host-dead z', 'nonsense', 'status'):
            self.note(found, words)
        self.done('ha-enable')
        self.note(found, 'status')
        self.once()
        self.note(found, 'status')
        self.note_that([('suspended', 'it had no quorum')])
        self.note(found, 'status')
        self.story.play('xapi hang a')
        self.note(found, 'get')
        # The last one is that of Ctrl-C: see TestWatch, and test_ha_cfg_process for a real one.
        self.assertEqual(sorted([status for status, _ in cfg.STATUSES]),
                         sorted(found) + [cfg.INTERRUPTED])
        for status, words in ((0, 'version'), (1, 'what-if host-dead z'), (2, 'nonsense'),
                              (3, 'status'), (4, 'status'), (5, 'status'), (124, 'get')):
            self.assertIn(words, found[status])

    def note(self, found, words):
        found.setdefault(self.cfg(*words.split())[0], []).append(words)


if __name__ == '__main__':
    import unittest
    unittest.main()
