"""ha-cfg check: each of its lines, green, yellow and red, from a pool that has it."""

import base
import ha_cfg_case
from ha_cfg_case import cfg
from scenario import Story

POOL = ('pool a b c', 'fence ILO', 'vm v on b', 'ha on')
TWO = ('pool a b', 'fence ILO', 'vm v on b', 'ha on')
RUN = 'run 60'
#: what a healthy dom0 says; (status, output) by the first words of a command
WELL = {'service ha-lizard-watchdog status': (0, ''),
        'df -Pk': (0, 'Filesystem 1024-blocks Used Available Capacity Mounted on\n'
                      '/dev/sda1 18577148 2000000 15611504 12% /\n'),
        'chronyc -n tracking': (0, 'Reference ID    : 0A000001\nLeap status     : Normal\n'),
        'bash -c': (0, '')}
FULL = dict(WELL)
FULL['df -Pk'] = (0, 'Filesystem x\n/dev/sda1 18577148 18526144 51004 100% /\n')
SICK = {'service ha-lizard-watchdog status': (3, 'it is stopped'), 'bash -c': (1, ''),
        'ntpstat': (1, 'unsynchronised\n  polling server every 64 s'),
        'df -Pk': (1, '')}

#: (story, what programs say, [(colour, subject, a part of the text)])
LINES = (
    (POOL + (RUN,), WELL, [
        ('green', 'identity', 'this host is a, the master of a pool of 3'),
        ('green', 'xapi', 'it answers'), ('green', 'switch', 'HA is enabled'),
        ('green', 'peer', 'b (10.0.0.2) answers, ping too, runs version'),
        ('green', 'quorum', 'this pool survives the loss of 1 of 3 hosts'),
        ('green', 'fencing', 'ILO knows all 3 hosts'),
        ('green', 'timers', 'a dead host is acted on after'),
        ('green', 'settings', 'every value can be understood'),
        ('green', 'vms', 'HA looks after 1 of 1 VMs'),
        ('green', 'memory', 'any one host can die and every VM finds a place'),
        ('green', 'watchdog', 'it runs'), ('green', 'disk', '15245 MB are left'),
        ('green', 'clock', 'it is synchronised'), ('green', 'mail', 'takes connections')]),
    (POOL + (RUN, 'power off c'), SICK, [
        ('red', 'peer', 'c (10.0.0.3) answers neither TCP 443, 80, 22 nor ping'),
        ('red', 'watchdog', 'does not run'), ('yellow', 'disk', 'unknown here'),
        ('yellow', 'clock', 'it is not synchronised: unsynchronised'),
        ('yellow', 'mail', '127.0.0.1 port 25 does not answer')]),
    (POOL + ('icmp off b', 'version old c', RUN), FULL, [
        ('yellow', 'peer', 'b (10.0.0.2) answers, but not ping'),
        ('yellow', 'peer', 'c (10.0.0.3) answers, ping too, its datagrams do not come, '
                           'its version is unknown here'),
        ('red', 'versions', 'watching only: c has not shown this program\'s version'),
        ('red', 'disk', 'only 49 MB are left')]),
    (POOL + ('daemon kill a', RUN), {}, [
        ('yellow', 'state', 'does ha-lizard run?'), ('yellow', 'watchdog', 'unknown here'),
        ('yellow', 'disk', 'unknown here'), ('yellow', 'clock', 'unknown here'),
        ('yellow', 'mail', 'unknown here')]),
    (POOL[:3] + (RUN,), WELL, [('yellow', 'switch', 'HA is disabled')]),
    (POOL + ('xenserver-ha on', RUN), WELL, [
        ('red', 'xenserver ha', 'it is on, so HA-Lizard stands aside')]),
    (('pool a', 'ha on', RUN), WELL, [('yellow', 'quorum', 'a pool of one host')]),
    (POOL + ('set FENCE_QUORUM_REQUIRED 0', 'set FENCE_MIN_HOSTS 9', RUN), WELL, [
        ('red', 'quorum', 'FENCE_QUORUM_REQUIRED=0')]),
    (POOL + ('set FENCE_MIN_HOSTS 9', RUN), WELL, [
        ('red', 'quorum', 'FENCE_MIN_HOSTS=9 is never met by 3 members')]),
    (TWO + (RUN,), WELL, [
        ('green', 'quorum', 'the loss of 0 of 2 hosts, and of 1 if the witness answers'),
        ('yellow', 'witness', 'FENCE_HEURISTICS_IPS is the default'),
        ('red', 'witness', 'does not answer ping')]),
    (TWO + ('witness 10.0.0.250', RUN), WELL, [('green', 'witness', '10.0.0.250 answers')]),
    (TWO + ('set FENCE_HEURISTICS_IPS switch.example.com', RUN), WELL, [
        ('yellow', 'witness', 'switch.example.com must be looked up'),
        ('red', 'witness', 'switch.example.com does not answer ping')]),
    (TWO + ('set FENCE_USE_IP_HEURISTICS 0', RUN), WELL, [
        ('red', 'quorum', 'this pool survives the loss of 0 of 2 hosts')]),
    (TWO + ('fence POOL', 'witness 10.0.0.250', RUN), WELL, [
        ('red', 'risk', 'R1: two halves that cannot see each other'),
        ('yellow', 'fencing', 'FENCE_METHOD=POOL proves nothing'),
        ('green', 'armed', 'b has stopped its VMs'),
        ('green', 'timers', 'its VMs start')]),
    (TWO[:3] + ('fence POOL', RUN), WELL, [('yellow', 'armed', 'b promises nothing')]),
    (POOL + ('set FENCE_HA_ONFAIL 1', RUN), WELL, [
        ('red', 'risk', 'FENCE_HA_ONFAIL=1: VMs of a host that is not proved off')]),
    (POOL + ('set FENCE_ENABLED 0', RUN), WELL, [('yellow', 'fencing', 'FENCE_ENABLED=0')]),
    (POOL + ('set FENCE_ACTION start', RUN), WELL, [
        ('red', 'fencing', 'FENCE_ACTION=start switches nothing off')]),
    (POOL + ('set FENCE_METHOD APC', RUN), WELL, [('red', 'fencing', 'there is no method APC')]),
    (POOL + ('set FENCE_METHOD IRMC', RUN), WELL, [('red', 'fencing', 'IRMC')]),
    (POOL + ('set XAPI_COUNT 1', 'set XAPI_DELAY 1', RUN), WELL, [
        ('yellow', 'timers', 'a switch that restarts takes longer than that')]),
    (('pool a b c d e f g h i', 'fence ILO', 'ha on', RUN), WELL, [
        ('yellow', 'timers', 'MONITOR_DELAY=15 is short for 9 hosts')]),
    (POOL + ('set XAPI_COUNT nonsense', 'set FENCE_HOST_FORGET 1', 'set a MAIL_ON 0', RUN), WELL, [
        ('yellow', 'settings', 'XAPI_COUNT'),
        ('yellow', 'settings', 'FENCE_HOST_FORGET: deprecated'),
        ('yellow', 'settings', 'this host has its own MAIL_ON'),
        ('yellow', 'mail', 'MAIL_ON=0: nobody gets mail')]),
    (POOL + ('vm w on a ha=maybe', 'vm x halted', 'vm y on a local', RUN), WELL, [
        ('yellow', 'vms', 'the field of w is neither true nor false'),
        ('yellow', 'vms', 'x never ran in this pool'),
        ('yellow', 'storage', 'y has a disk that only one host reaches')]),
    (POOL + (RUN, 'unplug c'), WELL, [
        ('yellow', 'storage', 'v has a disk that not every host reaches')]),
    (POOL + ('vm big on a memory=45', 'vm fat on c memory=45', 'vm wide on b memory=30', RUN), WELL, [
        ('yellow', 'memory', 'if a dies, big stays down'),
        ('yellow', 'memory', 'if c dies, fat stays down')]),
    (POOL + ('freeze 30', RUN), WELL, [('yellow', 'state', 'frozen until')]),
)


class TestCheck(base.StoryCase):
    def play(self, lines):
        self.story = Story()
        for line in lines:
            if line.startswith('unplug '):
                self.unplug(self.story.world.hosts[line.split()[1]])
            else:
                self.story.play(line)

    def unplug(self, host):
        """No SR is plugged on that host."""
        database = self.story.pool.database()
        for pbd in database.rows('pbd'):
            if pbd['host'] == host.uuid:
                database.set('pbd', pbd['uuid'], currently_attached=False)

    def findings(self, programs, *words):
        """(exit status, {(colour, subject): its texts}, the text) of a check on a."""
        kept, before = [], cfg.show_findings

        def keep(session, findings):
            kept.extend(findings)
            before(session, findings)
        cfg.show_findings = keep
        try:
            status, screen = ha_cfg_case.run_cfg(self.story, 'a', 'check', programs=programs,
                                                 *words)
        finally:
            cfg.show_findings = before
        found = {}
        for each in kept:
            found.setdefault((each.colour, each.subject), []).append(each.text)
        for line in screen.text().split('\n'):
            self.assertLessEqual(cfg.cells(line), 80, line)
        return status, found, screen.text() + screen.errors()

    def compare(self, lines, programs, expected):
        self.play(lines)
        try:
            status, found, text = self.findings(programs)
        finally:
            self.story.close()
        for colour, subject, part in expected:
            if part not in ' '.join(found.get((colour, subject), [])):
                self.fail('no %s line on %s says "%s"; %s\n%s' % (
                    colour, subject, part, '\n'.join(lines), text))
        reds = [subject for colour, subject in found if colour == 'red']
        self.assertEqual({True: cfg.DEGRADED, False: cfg.DONE}[bool(reds)], status, text)
        return set(found)

    def test_each_line(self):
        seen = set()
        for case in LINES:
            seen |= self.compare(*case)
        self.assertEqual(set(['green', 'yellow', 'red']), set([colour for colour, _ in seen]))
        # A pool that has nothing wrong exits 0 without a warning.
        self.assertEqual(set(['green']), set([colour for colour, _ in self.compare(*LINES[0])]))

    def test_every_check_is_tried(self):
        """A check that no story here makes say anything bad is not tested."""
        source = base.read('%s/ha-cfg' % base.ROOT)
        named = set()
        for part in source.split('Finding(')[1:]:
            words = part.replace('\n', ' ').split(',')
            if words[0] in ('YELLOW', 'RED') and len(words) > 1:
                named.add(words[1].strip(" '"))
        tried = set([subject for _, _, lines in LINES for colour, subject, _ in lines
                     if colour != 'green'])
        # those of test_devices and of test_an_identity
        self.assertEqual(set(['device', 'identity', 'xapi']), named - tried)

    def test_devices(self):
        self.play(POOL[:1] + ('fence ILO:IRMC',) + POOL[2:] + ('bmc b locked', RUN, 'swap-bmc a c',
                                                               'power off c', 'run 1'))
        status, found, text = self.findings(WELL, '--fence')
        said = dict([(colour, ' | '.join(found.get((colour, 'device'), ())))
                     for colour in ('green', 'yellow', 'red')])
        self.assertEqual(cfg.DEGRADED, status)
        self.assertIn('b: ILO: ', said['red'], text)
        # every device of a host is asked, not the first that knows alone
        self.assertIn('a: IRMC: ', said['green'] + said['red'], text)
        self.assertIn('it reads off, but a is alive: it is the wrong device', said['red'], text)
        self.assertEqual([], [host.name for host in self.story.world.hosts.values()
                              if not host.powered and host.name != 'c'])

    def test_devices_are_asked_together(self):
        """What takes the devices of one host takes those of ten no longer."""
        spent = []
        for names in ('a b', 'a b c d e f g h i j'):
            self.play(('pool ' + names, 'fence ILO', 'ha on', RUN))
            for name in names.split():
                self.story.play('bmc %s silent' % name)
            began = self.story.world.now
            self.findings(WELL)
            asked = self.story.world.now
            self.findings(WELL, '--fence')
            spent.append(self.story.world.now - asked - (asked - began))
            self.story.close()
        self.assertLess(5, spent[0])
        self.assertLess(spent[1], spent[0] + 5)

    def test_an_identity(self):
        self.play(POOL + (RUN,))
        a = self.story.world.hosts['a']
        good = a.files.pop('/etc/xensource-inventory')
        self.assertIn('no INSTALLATION_UUID', ' '.join(
            self.findings(WELL)[1]['red', 'identity']))
        a.files['/etc/xensource-inventory'] = good.replace(a.uuid, a.uuid[::-1])
        self.assertIn('not a member', ' '.join(self.findings(WELL)[1]['red', 'identity']))
        a.files['/etc/xensource-inventory'] = good
        self.story.pool.database().set('host', self.story.world.hosts['b'].uuid, name_label='c')
        self.assertIn('two hosts have the name "c"', ' '.join(
            self.findings(WELL)[1]['yellow', 'identity']))

    def test_without_xapi(self):
        self.play(POOL + (RUN, 'xapi hang a'))
        status, found, text = self.findings(WELL)
        self.assertEqual(cfg.SILENT, status)
        self.assertIn('all below is', found['red', 'xapi'][0])
        status, screen = ha_cfg_case.run_cfg(self.story, 'a', 'check', '--nagios')
        self.assertEqual((3, 'HA-LIZARD UNKNOWN - '), (status, screen.text()[:20]))

    def test_nagios(self):
        for lines, programs, status, begin in (
                (POOL, WELL, 0, 'HA-LIZARD OK - '), (POOL[:3], WELL, 1, 'HA-LIZARD WARNING - '),
                (POOL, FULL, 2, 'HA-LIZARD CRITICAL - disk: ')):
            self.play(lines + (RUN,))
            result, screen = ha_cfg_case.run_cfg(self.story, 'a', 'check', '--nagios',
                                                 programs=programs)
            self.assertEqual((status, 1), (result, screen.text().count('\n')), screen.text())
            self.assertEqual(begin, screen.text()[:len(begin)])
            self.story.close()


if __name__ == '__main__':
    import unittest
    unittest.main()
