"""An installed host under attack: modes, shell syntax where data is, datagrams."""

import os
import re
import unittest

import base
import ha_lizard
import hosts

PWNED = 'touch /var/lab/pwned'

# On b: packets to the watcher of a, and what it makes of them.
ATTACK = r'''
import os, socket, sys, time
sys.path[:0] = [sys.argv[1]]
import ha_lizard
me, other, kind = sys.argv[2:5]
secret = ha_lizard.read_file(ha_lizard.SECRET, '').strip()
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
source = '10.77.0.12'
if kind == 'stranger':
    source = '10.77.0.99'
listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.bind(('10.77.0.12', 694))
listener.settimeout(5)
link.bind((source, 0))
signer = ha_lizard.Signer({'forged': 'another secret'}.get(kind, secret))
for number in range(1, 13):
    heard = ha_lizard.parse_report(ha_lizard.Signer(secret).open(
        ha_lizard.to_text(listener.recv(65536)))[0])
    report = ha_lizard.Report(uuid=me, boot='attack-' + kind, number=number, nonce='0' * 16,
                              version='6.6.6', role='master', orders=[(other, 1)])
    echo = heard.nonce
    if kind == 'replayed':
        echo = '0' * 16
    packet = signer.seal(report.text(), {'a': echo})['a']
    if kind == 'unsigned':
        packet = packet[:packet.rindex('mac=')]
    if kind == 'oversized':
        packet = signer.seal(report.text() + 'x=' + 'y' * 9000 + '\n', {'a': echo})['a']
    if kind == 'garbage':
        packet = 'ha-lizard 1' + 300 * chr(number)
    for _ in range(1 + (kind == 'repeated')):
        link.sendto(ha_lizard.to_bytes(packet), ('10.77.0.11', 694))
'''


@hosts.needed
class SecurityTest(hosts.Case):
    POOL = 'pool a b', 'vm v on a', 'vm w on b', 'set MONITOR_DELAY 2', 'fence IRMC'

    @classmethod
    def prepare(cls):
        status, output = cls.lab.on('a', 'umask 000; ' + hosts.INSTALL)
        assert not status, output
        # An attack that takes as long as the ticks would take minutes.
        cls.lab.on('a', hosts.haste('/etc/ha-lizard/ha_lizard.py'))

    def rounds(self, count=2):
        asked = lambda: len([1 for argv in self.seat.called if argv[1:2] == ['vm-list']])
        wanted = asked() + count
        self.assertTrue(self.lab.until(lambda: asked() >= wanted, 30), 'no rounds')

    # -- files

    def test_modes(self):
        self.on('umask 000; service ha-lizard restart -w')
        self.rounds()
        self.assertEqual('', self.on(
            'find / -xdev \\( -path "*ha-lizard*" -o -name "ha[-_]*" \\) ! -type l -newer '
            '/etc/xensource/ptoken \\( -perm -0020 -o -perm -0002 -o ! -user 0 \\)'))
        self.assertEqual('', self.on('find /etc/ha-lizard/state -type f ! -perm 0600 ! -name pool; '
                                     'find /etc/ha-lizard/state -type d ! -perm 0700; '
                                     'find /etc/ha-lizard/ha-lizard.conf ! -perm 0600'))
        # The folders that lead to this repository may lie there, too.
        ours, folder = '', base.ROOT
        while folder != '/':
            ours, folder = ours + " ! -path '%s'" % folder, os.path.dirname(folder)
        self.assertEqual('', self.on('find /tmp /var/tmp -path %s -prune -o -user 0 -newer '
                                     '/etc/xensource/ptoken ! -path /tmp ! -path /var/tmp%s -print'
                                     % (base.ROOT, ours)))
        status = base.read('/proc/%d/status' % self.seat.daemon())
        self.assertTrue(re.search(r'Umask:\s+0077', status), status)

    # -- text that a shell would run

    def test_no_shell_with_the_data_of_others(self):
        for name, words in (
                ('ha_lizard.py', (r'\beval\(', r'\bexec\(', r'os\.system', r'popen\d?\(', r'shell=True',
                                  r"'sh', '-c'", r'mktemp', r'/tmp')),
                ('ha-cfg', (r'\beval\(', r'\bexec\(', r'os\.system', r'popen\d?\(', r'shell=True',
                            r"'sh', '-c'", r'mktemp', r'/tmp')),
                ('install.sh', (r'\beval\b', r'\bsource ', r'^\s*\. ', r'/tmp', r'mktemp')),
                ('uninstall.sh', (r'\beval\b', r'\bsource ', r'^\s*\. ', r'/tmp', r'mktemp')),
                ('init.d/ha-lizard', (r'\beval\b', r'\bsource ', r'\. /etc/(?!init.d/functions)',
                                      r'/tmp')),
                ('init.d/ha-lizard-watchdog', (r'\beval\b', r'\bsource ',
                                               r'\. /etc/(?!init.d/functions)', r'/tmp'))):
            code = '\n'.join([line for line in base.read(os.path.join(base.ROOT, name)).splitlines()
                              if not line.strip().startswith('#')])
            for word in words:
                found = re.search('(?m).*%s.*' % word, code)
                self.assertIsNone(found, found and '%s: %s' % (name, found.group(0)))

    def test_values_are_data(self):
        evil = ['$(%s)' % PWNED, '`%s`' % PWNED, ';%s;' % PWNED, '"; %s; "' % PWNED, '--force',
                "'; %s #" % PWNED, '| %s' % PWNED, '\n%s\n' % PWNED]
        # Rounds shall be as quick as before.
        names = [row.name for row in ha_lizard.SETTINGS if row.name != 'MONITOR_DELAY']
        other = self.lab.story.other
        before = dict(self.lab.story.pool.database().get('pool', self.lab.story.pool.uuid)['other_config'])
        try:
            for number, name in enumerate(names):
                other('HA_' + name, evil[number % len(evil)])
            other('autopromote_uuid', '$(%s)' % PWNED)
            for text in evil:
                self.lab.story.play('vm %s halted' % text.replace(' ', '${IFS}').replace('\n', '\\n'))
            conf = '/etc/ha-lizard/ha-lizard.conf'
            files = self.lab.world.hosts['a'].files
            kept = files[conf], files.get('/etc/ha-lizard/fence/IRMC/IRMC.hosts')
            files[conf] = '\n'.join(['%s=%s' % (name, evil[number % 6]) for number, name
                                     in enumerate(names)] + ['%s' % PWNED, '. /var/lab/evil'])
            files['/etc/ha-lizard/fence/IRMC/IRMC.hosts'] = (
                '%s:10.0.0.1;%s\n%s:$(%s)\n' % ('a' * 36, PWNED, 'b' * 36, PWNED))
            self.on('service ha-lizard restart -w; service ha-lizard status', None)
            self.rounds(3)
            self.on('cd / && touch -- --force; for each in get get-vm-ha "get -l" status check '
                    'cluster-status ha-status history "complete set \\$(%s)" "why --force" '
                    '"set-vm-ha --force true" "what-if host-dead b"; do ha-cfg $each --yes </dev/null; '
                    'done' % PWNED, None)
            self.on('ha-cfg complete --line "ha-cfg why \\`%s\\`" </dev/null' % PWNED, None)
            self.on('. /etc/bash_completion.d/ha-cfg; COMP_LINE="ha-cfg set-vm-ha " COMP_POINT=17 '
                    '_ha_cfg; echo ${#COMPREPLY[@]}', None)
            self.on('/etc/init.d/ha-lizard-watchdog restart; cd %s && ./install.sh --yes --nostart '
                    '</dev/null' % base.ROOT)
            self.on('! ls /var/lab/pwned /pwned', 0)
        finally:
            for name in names:
                other('HA_' + name, before['HA_' + name])
            files[conf] = kept[0]
            self.on('chmod 600 %s; rm -f -- /--force /var/lab/pwned' % conf)
            files['/etc/ha-lizard/fence/IRMC/IRMC.hosts'] = kept[1]
            other('autopromote_uuid', '')

    # -- datagrams

    def attack(self, kind):
        """Versions that the watcher of a believes of b meanwhile."""
        host, me = self.lab.world.hosts['a'], self.lab.world.hosts['b'].uuid
        base.write(self.lab.world.hosts['b'].files.place('/var/lab/attack.py'), ATTACK)
        process = self.lab.seats['b'].begin(
            'ip addr add 10.77.0.99/32 dev eth0 2>/dev/null; exec %s /var/lab/attack.py %s %s %s %s '
            '>/var/lab/attack.log 2>&1' % (hosts.PYTHON, base.ROOT, me, host.uuid, kind))
        seen = set()

        def look():
            # Whatever differs for a round is in this file.
            watch = ha_lizard.read_watch(host.dom0, host.files[hosts.BOOT_ID].strip())
            if watch and me in watch.peers:
                seen.add(watch.peers[me].version)
            return process.poll() is not None
        self.lab.until(look, 120)
        self.assertEqual(0, process.wait(), self.lab.text('b', '/var/lab/attack.log'))
        end = ha_lizard.clock() + 0.5
        self.lab.until(lambda: look() and ha_lizard.clock() > end, 5)
        return sorted(seen)

    def test_datagrams(self):
        self.on('service ha-lizard stop -w; rm -f %s; service ha-lizard start' % ha_lizard.WATCH)
        self.rounds()
        self.lab.run(3)
        self.assertEqual(0, self.dropped())
        # An old echo proves nothing, but may be of one who does not hear us: not counted.
        self.assertEqual([''], self.attack('replayed'))
        self.assertEqual(0, self.dropped())
        for number, kind in enumerate(('unsigned', 'forged', 'oversized', 'garbage', 'stranger')):
            self.assertEqual([''], self.attack(kind), kind)
            self.assertDropped(12 * (number + 1))
        # The test has teeth: b itself, signed and in answer to a, is believed; once.
        self.assertIn('6.6.6', self.attack('true'))
        self.assertDropped(60)
        self.assertIn('6.6.6', self.attack('repeated'))
        self.assertDropped(72)

    def dropped(self):
        """How many bad datagrams the service tells of."""
        text = self.on('service ha-lizard status')
        found = re.search('; ([0-9]+) or more datagrams dropped', text)
        self.assertEqual('dropped' in text, bool(found), text)
        return int(found and found.group(1) or 0)

    def assertDropped(self, count):
        """It tells so many, or what it was when it last doubled."""
        shown = self.dropped()
        self.assertTrue(shown <= count < 2 * shown, '%d of %d' % (shown, count))

    def test_a_flood_does_not_stop_the_watcher(self):
        self.on('service ha-lizard restart')
        self.rounds(1)
        flood = self.lab.seats['b'].begin(hosts.PYTHON + r''' -c '
import socket, time
link, end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), time.time() + 6
while time.time() < end:
    for _ in range(200):
        link.sendto(b"x" * 1400, ("10.77.0.11", 694))
    time.sleep(0.01)' ''')
        self.lab.run(1)
        self.rounds(2)
        flood.wait()
        self.on('service ha-lizard status')


if __name__ == '__main__':
    unittest.main()
