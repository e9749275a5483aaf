"""The lab itself, and the whole product on it: tests/lab/run."""

import os
import re
import subprocess
import sys
import unittest

import base
import ha_lizard
import hosts
import ordeals

MINUTES = 6


def in_a_process(code, *more):
    """(status, output) of Python code that has hosts and may enter()."""
    child = subprocess.Popen(
        [sys.executable, '-W', 'error', '-c', 'import sys; sys.path[:0] = %r\n' % (
            [os.path.dirname(os.path.abspath(__file__))],) + code] + list(more),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = child.communicate(timeout=120)[0].decode('utf-8', 'replace')
    return child.returncode, output


def mounts():
    return [line.split()[1] for line in base.read('/proc/mounts').splitlines()
            if 'ha-lizard-lab' in line]


@hosts.needed
class LabTest(base.TestCase):
    """It cannot hurt the machine, and it is as real as it says."""

    UNSAFE = '''
import hosts
hosts.enter(%r)
lab = hosts.Lab('pool a')
try:
    lab.seats['a'].unsafe = %r
    lab.boot_all()
    print('it started')
finally:
    lab.close()
'''

    def refused(self, kind, words):
        status, output = in_a_process(self.UNSAFE % (kind, kind))
        self.assertNotIn('it started', output)
        self.assertIn('the lab does not start this host: ' + words, output)
        self.assertEqual(1, status)

    def test_a_host_with_a_capability_too_many_is_refused(self):
        self.refused('caps', 'a capability')

    def test_a_host_with_a_watchdog_is_refused(self):
        self.refused('watchdog', 'there is /dev/watchdog')

    @unittest.skipIf(not os.path.exists('/proc/sysrq-trigger'), 'this kernel has no sysrq')
    def test_a_host_with_the_real_sysrq_is_refused(self):
        self.refused('sysrq', '/proc/sysrq-trigger is the real one')

    def test_a_safe_one_is_not(self):
        status, output = in_a_process(self.UNSAFE % ('', ''))
        self.assertEqual((0, 'it started\n'), (status, output))

    def test_what_a_host_is(self):
        status, output = in_a_process('''
import hosts, time, os
hosts.enter()
lab = hosts.Lab('pool a b c', 'vm v on b', 'fence IRMC')
def pings(name, address):
    return lab.on(name, hosts.PYTHON + " -c 'import sys; sys.path[:0] = [sys.argv[1]]; import "
        "ha_lizard; print(sorted(ha_lizard.Dom0().answering([sys.argv[2]], 1, ()) ))' %s %s" % (
        hosts.ROOT, address))[1].strip() == repr([address])
try:
    lab.boot_all()
    assert lab.on('b', 'hostname') == (0, 'b\\n')
    assert 'a0a0a0a0' in lab.on('b', 'xe pool-list params=master')[1]
    assert lab.on('c', 'cat /etc/xensource/pool.conf')[1] == 'slave:10.77.0.11'
    assert 'fence' not in lab.on('a', 'ps ax')[1]
    boot = lab.on('b', 'cat /proc/sys/kernel/random/boot_id; touch /etc/mine; touch /run/mine')[1]
    assert pings('a', '10.77.0.12') and pings('a', hosts.GATEWAY)
    # one path
    lab.play('cut a from b'); assert not pings('a', '10.77.0.12') and pings('c', '10.77.0.12')
    lab.play('heal a from b'); assert pings('a', '10.77.0.12')
    # the cable
    lab.play('cut b'); assert not pings('a', '10.77.0.12') and pings('a', '10.77.0.13')
    lab.play('heal b'); assert lab.until(lambda: pings('a', '10.77.0.12'), 5)
    # xapi
    ask = "curl -q -s -m 2 -d '</methodCall>' http://10.77.0.13/; echo $?"
    assert 'HOST_IS_SLAVE</value><value>10.77.0.11' in lab.on('a', ask)[1]
    lab.play('xapi hang c'); lab.run(0.3); assert lab.on('a', ask)[1].strip() == '28'
    lab.play('xapi stop c'); lab.run(0.3); assert lab.on('a', ask)[1].strip() == '7'
    # power
    pid = lab.seats['b'].pid
    lab.play('power off b')
    time.sleep(0.1)
    assert not os.path.exists('/proc/%d/root/etc' % pid) and not pings('a', '10.77.0.12')
    lab.play('power on b')
    assert lab.until(lambda: lab.seats['b'].pid and lab.world.hosts['b'].xapi.state == 'up', 20)
    assert lab.on('b', 'cat /proc/sys/kernel/random/boot_id')[1] != boot.split()[0] + '\\n'
    assert lab.on('b', 'ls /etc/mine && ! ls /run/mine 2>/dev/null')[0] == 0
    # its own power switch
    lab.on('b', 'echo b >/proc/sysrq-trigger 2>/dev/null || /sbin/reboot -f -n')
    assert lab.until(lambda: lab.world.hosts['b'].boots == 3, 5)
    lab.play('disk full c'); assert lab.on('c', 'echo text >/var/lab/x')[0]
    lab.play('disk ok c'); assert not lab.on('c', 'echo text >/var/lab/x')[0]
    print('all of it')
finally:
    lab.close()
''')
        self.assertEqual((0, 'all of it\n'), (status, output))

    def test_nothing_is_left_even_when_it_is_killed(self):
        code = '''
import hosts, os, signal
hosts.enter()
lab = hosts.Lab('pool a b')
lab.boot_all()
print(' '.join([str(seat.pid) for seat in lab.seats.values()]), lab.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
'''
        status, output = in_a_process(code)
        self.assertEqual(-9, status)
        words = output.split()
        end = ha_lizard.clock() + 10
        while [pid for pid in words[:2] if 'hostd' in (
                ha_lizard.read_file('/proc/%s/cmdline' % pid) or '')]:
            self.assertLess(ha_lizard.clock(), end)
        self.assertEqual([], mounts())
        os.rmdir(words[2] + '/a'), os.rmdir(words[2] + '/b'), os.rmdir(words[2])


@hosts.needed
class OrdealTest(base.TestCase):
    def test_the_table(self):
        """Every scenario, every fault: all green, within the time."""
        began = ha_lizard.clock()
        child = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'run'),
             '--jobs', '6'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, preexec_fn=hosts.die_with_parent)
        output = child.communicate()[0].decode('utf-8', 'replace')
        print(re.sub('(?m)^', '| ', output.strip()))
        self.assertEqual(0, child.returncode, output)
        faults = sum([len(faults) + 1 for _, faults in ordeals.SCENARIOS.values()])
        self.assertTrue(re.search('^%d faults, 0 wrong' % faults, output, re.M), output)
        self.assertLess(ha_lizard.clock() - began, MINUTES * 60)


if __name__ == '__main__':
    unittest.main()
