"""Real processes on a host of a simulated pool: tests/sim/serve, and what they see."""

import os
import subprocess
import sys
import tempfile

import base
import ha_lizard
import served
import server
from served import INSTALLED, PYTHON

SERVE = os.path.join(base.TESTS, 'sim', 'serve')


class TestServe(base.TestCase):
    """The script itself."""

    def serve(self, *words):
        """(status, output, errors)"""
        output, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        try:
            status = subprocess.call([sys.executable, '-W', 'error', SERVE] + list(words),
                                     stdout=output, stderr=errors)
            output.seek(0)
            errors.seek(0)
            return (status, ha_lizard.to_text(output.read()),
                    ha_lizard.to_text(errors.read()))
        finally:
            output.close()
            errors.close()

    def test_the_command_sees_its_host(self):
        status, output, errors = self.serve(
            '--hosts', 'x,y', '--vms', '2', '--host', 'y', '--latency', '0.01', '--', 'sh', '-c',
            'cat $HA_LIZARD_ROOT/etc/xensource/pool.conf; echo; '
            'xe vm-list is-control-domain=false params=name-label --minimal | tr , "\\n" | sort; '
            'xe nonsense; echo $?; xl list | grep -c vm; list_domains | wc -l; '
            'sleep 60 & echo $HA_LIZARD_ROOT; exit 7')
        self.assertEqual(7, status, errors)
        lines = output.split()
        self.assertEqual(['slave:127.0.1.1', 'vm1', 'vm2', '1', '1', '3'], lines[:6])
        self.assertIn('Unknown command: nonsense', errors)
        self.assertFalse(os.path.exists(lines[6]))
        self.assertEqual([], [name for name in os.listdir('/proc') if name.isdigit()
                              and lines[6] in ha_lizard.read_file(
                                  '/proc/%s/environ' % name, '')])

    def test_a_scenario_goes_on_while_the_command_runs(self):
        path = os.path.join(self.folder(), 'story')
        base.write(path, '# a story\npool a b\nvm v on b\nrun 20\npower off b\n----\nx\n\nshow\n')
        log = path + '.log'
        status, output, errors = self.serve(
            '--scenario', path, '--log', log, '--speed', '50', '--', 'sh', '-c',
            'world show; while world show | grep -q "v on b"; do sleep 0.05; done; world nonsense')
        self.assertEqual((2, 'v on b\nmaster a\n'), (status, output))
        self.assertIn('unknown command: nonsense', errors)
        self.assertIn('  20 truth: power off b', base.read(log))

    def test_what_it_does_not_understand(self):
        for words in (['--'], ['--nonsense', 'true'], ['--host', 'z', 'true'],
                      ['--ha', 'maybe', 'true']):
            status, output, errors = self.serve(*words)
            self.assertEqual((2, ''), (status, output), words)
            self.assertIn('tests/sim/serve [', errors)
        self.assertEqual(127, self.serve('--', '/nonexistent/program')[0])


class TestWorld(served.Case):
    """What the processes of the chosen host see of the others."""
    POOL = ('pool a b c', 'latency 0.02', 'fence ILO')

    def dom0(self, work):
        """What work(dom0) prints in a process of the host."""
        code = ('import sys; sys.path[:0] = [%r]; import ha_lizard; '
                'dom0 = ha_lizard.Dom0(); %s; dom0.close()' % (INSTALLED, work))
        status, output = self.served.run(PYTHON + ['-c', code])
        self.assertEqual(0, status, output)
        return output.strip()

    def test_who_is_dead_is_silent(self):
        served = self.serve('witness 10.0.0.254', 'power off b')
        ask = ('print(" ".join(sorted(dom0.answering('
               '["127.0.1.2", "127.0.1.3", "127.0.1.254"], 0.4%s))))')
        self.assertEqual('127.0.1.254 127.0.1.3', self.dom0(ask % ''))
        self.assertEqual('127.0.1.254', self.dom0(
            ask.replace('"127.0.1.3", ', '') % ', ports=()'))
        served.story.play('cut c from a')
        self.until(lambda: not served.places['127.0.1.3'].alive)
        served.story.play('heal c from a')
        self.assertEqual('127.0.1.3', self.dom0(ask.replace(', "127.0.1.254"', '') % ''))

    def test_who_follows_whom(self):
        self.serve('xapi hang c', host='b', speed=20)
        self.assertEqual("[('127.0.1.1', 'master')]", self.dom0(
            'print(sorted(dom0.roles(["127.0.1.1", "127.0.1.3"], 1).items()))'))
        self.served.story.play('xapi start c')
        self.served.close()
        self.serve(host='a')
        self.assertEqual("[('127.0.1.2', 'slave:127.0.1.1'), ('127.0.1.3', 'slave:127.0.1.1')]",
                         self.dom0('print(sorted(dom0.roles('
                                   '["127.0.1.2", "127.0.1.3"], 2).items()))'))

    def test_a_device_asks_for_the_password_on_the_terminal(self):
        self.serve(speed=50)
        ask = ('r = dom0.run(["ssh", "-l", "admin", "192.168.100.2", "power off hard"], 9, '
               'password="%s"); print(r.status); print(r.output); print(r.errors)')
        self.assertIn('Permission denied', self.dom0(ask % 'wrong'))
        self.assertTrue(self.served.world.hosts['b'].powered)
        self.assertIn('Forcing server power off', self.dom0(ask % 'fence-secret'))
        self.assertFalse(self.served.world.hosts['b'].powered)

    def test_an_agent_of_the_operator(self):
        served = self.serve('fence CUSTOM', speed=50)
        agent = served.root + '/etc/ha-lizard/fence/CUSTOM/CUSTOM.sh'
        uuid = served.world.hosts['c'].uuid
        self.assertEqual([0, 0, 2], [served.run([agent, uuid, word])[0]
                                     for word in ('status', 'stop', 'status')])
        self.assertFalse(served.world.hosts['c'].powered)
        self.assertIn('status)', base.read(agent))

    def test_a_client_that_is_killed(self):
        """The start goes on, as xapi does it."""
        served = self.serve('vm v halted', speed=4)
        vm = served.story.vms['v']
        process = served.begin(['xe', 'vm-start', 'uuid=' + vm])
        self.until(lambda: served.clients and served.clients[0].job)
        served.kill()
        process.wait()
        self.until(lambda: not served.clients)
        self.assertEqual([], served.where('v'))
        self.until(lambda: served.where('v'))

    def test_locks_are_cleared_by_the_real_path(self):
        served = self.serve('vm v on b')
        status, output = served.run([
            served.root + '/opt/xensource/sm/resetvdis.py', 'all',
            served.world.hosts['b'].uuid, served.story.sr])
        self.assertEqual((0, ''), (status, output))
        # It runs VMs: the world saw it, and says what it thinks of that.
        self.assertIn('!! I10', '\n'.join(served.told + served.log()))

    def test_power_takes_all_processes_with_it(self):
        served = self.serve('vm v on a', 'vm w on b')
        process = served.begin(['sh', '-c', 'sleep 60 & setsid sleep 60 & sleep 60'])
        self.until(lambda: len(served.pids()) >= 4)
        status, _ = served.run(['xe', 'vm-list'])
        served.story.play('power off a')
        self.assertEqual((0, -9, []), (status, process.wait(), served.pids()))
        self.until(lambda: not os.path.exists(served.root + server.XAPI_READY))

    def test_a_host_that_reboots_itself(self):
        served = self.serve('vm v on a')
        boot = self.text(ha_lizard.BOOT_ID)
        for command in ('printf b >> $HA_LIZARD_ROOT/proc/sysrq-trigger; sleep 60',
                        '$HA_LIZARD_ROOT/sbin/reboot -f -n; sleep 60'):
            status, _ = served.run(['sh', '-c', command])
            self.assertEqual(-9, status)
        self.assertEqual(3, served.host.boots)
        self.assertNotEqual(boot, self.text(ha_lizard.BOOT_ID))
        self.assertEqual('', self.text(server.SYSRQ))

    def test_xapi_writes_pool_conf(self):
        served = self.serve(host='b', speed=50)
        served.story.play('power off a')
        self.assertEqual('slave:127.0.1.1', self.text(ha_lizard.POOL_CONF))
        status, output = served.run(['xe', 'pool-emergency-transition-to-master'])
        self.assertEqual((0, 'master'), (status, self.text(ha_lizard.POOL_CONF)), output)
        self.until(lambda: not os.path.exists(served.root + server.XAPI_READY))
        self.until(lambda: os.path.exists(served.root + server.XAPI_READY))
