"""Real processes on a host of a simulated pool: tests/sim/serve, and through
it the daemon of the product with its signals, its pid file and its children."""

import os
import signal
import subprocess
import sys
import tempfile

import base
import ha_lizard
import served
import server
from served import INSTALLED, PRODUCT, PYTHON

SERVE = os.path.join(base.TESTS, 'sim', 'serve')
#: the same with waits that would only cost time here, also in its children
HURRIED = '''
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, %r)
import ha_lizard
ha_lizard.CALM = ha_lizard.ALERT = 0.2
ha_lizard.PROBE_TIMEOUT = ha_lizard.LAST_LOOK = 0.5
ha_lizard.READ_SPACING = ha_lizard.PAUSE = 0.5
ha_lizard.__file__ = ha_lizard.OWN_PATH = __file__
sys.exit(ha_lizard.main(sys.argv[1:]))
''' % INSTALLED
MESSAGES, JOURNAL = '/var/log/messages', '/etc/ha-lizard/state/journal'


class ServedCase(served.Case):
    POOL = ('pool a b c', 'latency 0.02', 'fence ILO')

    def product(self, *words):
        """(status, output) of ha_lizard.py WORDS."""
        return self.served.run(PRODUCT + list(words))

    def begin(self, *words):
        """ha_lizard.py WORDS in the background, hurried."""
        hurried = os.path.join(self.served.root, 'ha_lizard_hurried.py')
        base.write(hurried, HURRIED)
        nothing = open(os.devnull, 'r+')
        try:
            return self.served.begin(PRODUCT[:-1] + [hurried] + list(words), stdin=nothing,
                                     stdout=nothing, stderr=nothing)
        finally:
            nothing.close()

    def end(self, daemon):
        """Stop a daemon of begin(): it leaves nothing behind."""
        os.kill(daemon.pid, signal.SIGTERM)
        self.until(lambda: daemon.poll() is not None, 15)
        self.assertEqual((0, []), (daemon.wait(), self.served.pids()))

    def until(self, condition, seconds=20):
        if not self.served.until(condition, seconds):
            self.fail('it did not come to that in %d s; processes %s, journal:\n%s' % (
                seconds, self.served.pids(), self.text(JOURNAL)))

    def text(self, path):
        return self.served.host.files.get(path, '')

    def daemon(self):
        """The pid that its file tells."""
        return int(self.text('/var/run/ha-lizard.pid'))

    def asks(self):
        return len([word for word in self.served.calls() if word == 'vm-list'])


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


class TestWorld(ServedCase):
    """What the processes of the chosen host see of the others."""

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


class TestDaemon(ServedCase):
    def test_a_round_of_the_master(self):
        served = self.serve('vm v on a', 'ha on')
        self.assertEqual((0, ''), self.product('once'))
        self.assertEqual(['host-list', 'pool-list', 'vm-list'], sorted(served.calls()))
        picture = ha_lizard.from_state(self.text(ha_lizard.PICTURE))
        self.assertIn(('enabled', 'true'), picture)
        self.assertIn(('master', served.host.uuid), picture)
        # The second knows whom to ask who is master; it takes up work.
        del served.called[:]
        self.assertEqual((0, ''), self.product('once'))
        self.assertIn('start-up is over', self.text(JOURNAL))
        self.assertIn('ha-lizard: start-up is over', self.text(MESSAGES))
        self.assertLessEqual(len(served.calls()), 4)

    def test_a_round_of_a_slave(self):
        served = self.serve('vm v on a', 'ha on', host='b')
        for _ in range(2):
            del served.called[:]
            self.assertEqual((0, ''), self.product('once'))
            # It has no watcher and so no word of the others: that is one alert.
            self.assertEqual(['host-list', 'pool-list', 'vm-list'], sorted(
                [word for word in served.calls() if word != 'message-create']))
        self.assertIn('start-up is over', self.text(JOURNAL))

    def test_a_slave_dies(self):
        served = self.serve('vm v on a', 'vm w on c ha=true', 'vm x on c ha=false', 'ha on',
                            'set GLOBAL_VM_HA 0',
                            'set XAPI_COUNT 1', 'set XAPI_DELAY 1', speed=20)
        daemon = self.begin('run', '--every', '0.5')
        self.until(lambda: 'all is well' in self.text(JOURNAL))
        served.story.play('power off c')
        self.until(lambda: served.where('w'), 40)
        self.assertEqual([['a'], []], [served.where('v'), served.where('x')])
        self.assertEqual([], served.world.violations)
        self.assertFalse(served.world.hosts['c'].powered and served.world.hosts['c'].domains)
        self.end(daemon)
        self.assertIn('ha-lizard: proof: c is off', self.text(MESSAGES))

    def test_dry_run(self):
        """It says what it would do, and leaves no trace but in the log, and a
        younger picture of the pool."""
        served = self.serve('vm v on a', 'vm w on b', 'ha on', speed=10)
        daemon = self.begin('run', '--every', '0.5')
        self.until(lambda: 'all is well' in self.text(JOURNAL))
        self.end(daemon)
        served.story.other('HA_XAPI_COUNT', 'nonsense')
        served.story.other('home-pool', '', 'vm', served.story.vms['w'])
        before = self.disk()
        del served.called[:]
        self.assertEqual((0, ''), self.product('--dry-run', 'once'))
        self.assertEqual(['host-list', 'pool-list', 'vm-list'], sorted(served.calls()))
        after = self.disk()
        self.assertIn('ha-lizard: would: ', after[MESSAGES])
        self.assertEqual([], [path for path in sorted(after) if path not in (
                                  MESSAGES, JOURNAL, ha_lizard.PICTURE)
                              and after[path] != before.get(path)])

    def disk(self):
        """{path: text} of what the daemon may write."""
        found = {}
        for top in '/etc', '/var':
            for folder, _, names in os.walk(self.served.root + top):
                for name in names:
                    path = os.path.join(folder, name)[len(self.served.root):]
                    found[path] = self.text(path)
        return found

    def test_start_status_stop(self):
        served = self.serve('ha on')
        self.assertEqual((0, ''), self.product('once'))
        self.assertEqual((3, 'ha-lizard does not run\n'), self.product('status'))
        status, output = self.product('start')
        self.assertEqual((0, 'ha-lizard %s runs, pid %d\n' % (
            ha_lizard.VERSION, self.daemon())), (status, output))
        # The second refuses; to have it running is what `start` is for.
        for word, expected in ('start', 0), ('run', 1):
            self.assertEqual((expected, 'ha-lizard runs already, pid %d\n' % self.daemon()),
                             self.product(word))
        self.assertEqual(1, self.product('once')[0])
        status, output = self.product('status')
        self.assertEqual(0, status)
        self.assertIn('pool.conf says master; the last round ended', output)
        self.assertEqual((0, 'ha-lizard is stopped\n'), self.product('stop'))
        self.assertEqual([], served.pids())
        self.assertEqual((3, 'ha-lizard does not run\n'), self.product('status'))
        self.assertEqual((0, 'ha-lizard does not run\n'), self.product('stop'))

    def test_a_signal_in_the_middle_of_a_round(self):
        served = self.serve('latency 30', 'ha on')
        daemon = self.begin('run', '--every', '1')
        self.until(lambda: self.asks())
        self.assertLessEqual(4, len(served.pids()))         # it, its round, and some xe
        self.end(daemon)
        self.assertFalse(os.path.exists(served.root + '/var/run/ha-lizard.pid'))

    def test_death_in_the_middle_of_a_round(self):
        """Without a chance to clean up; the next daemon goes on."""
        served = self.serve('latency 2', 'ha on')
        daemon = self.begin('run', '--every', '1')
        self.until(lambda: self.asks())
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.wait()
        self.assertEqual(1, self.product('status')[0])      # only its file is left
        served.story.play('latency 0.02')
        again = self.begin('run', '--every', '0.5')
        self.until(lambda: 'start-up is over' in self.text(JOURNAL))
        self.assertEqual(again.pid, self.daemon())
        # Of the first one nothing is left, neither its round nor its xe.
        self.until(lambda: len(served.pids()) <= 2)
        self.assertEqual(1, self.text(JOURNAL).count('done    take up work'))
        self.end(again)
