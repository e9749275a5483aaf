"""The daemon of the product on a host of a simulated pool: a real one, with its
signals, its pid file and its children."""

import os
import signal

import base
import ha_lizard
import served
from served import INSTALLED, JOURNAL, PRODUCT

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
MESSAGES = '/var/log/messages'


class TestDaemon(served.Case):
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

    def daemon(self):
        """The pid that its file tells."""
        return int(self.text('/var/run/ha-lizard.pid'))

    def asks(self):
        return len([word for word in self.served.calls() if word == 'vm-list'])

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
        self.until(lambda: 'done    take up work' in self.text(JOURNAL))
        self.assertEqual(again.pid, self.daemon())
        # Of the first one nothing is left, neither its round nor its xe.
        self.until(lambda: len(served.pids()) <= 2)
        self.assertEqual(1, self.text(JOURNAL).count('done    take up work'))
        self.end(again)
