"""init.d/ha-lizard-watchdog keeps the promise of a host without another stopper.

Its functions are run by bash, on files of the test; nothing is rebooted.
"""

import os

import base
import ha_lizard
from ha_lizard import clock

SCRIPT = os.path.join(base.ROOT, 'init.d', 'ha-lizard-watchdog')


class Promise(base.TestCase):
    def setUp(self):
        base.TestCase.setUp(self)
        self.place, self.dom0 = self.folder(), ha_lizard.Dom0()
        self.boot = ha_lizard.read_file(ha_lizard.BOOT_ID).strip()

    def tearDown(self):
        self.dom0.close()

    def bash(self, script):
        """What `script` prints, with the functions of the service at hand."""
        text = ha_lizard.read_file(SCRIPT)
        functions = text[:text.index('\nSELF=')]
        base.write(self.place + '/lib', functions)
        result = self.dom0.run(['bash', '-c', '. %s/lib; STOPPER=%s/order; LOOKED=%s/looked\n'
                                'end_this_host() { echo ended; }\n%s' % (
                                    self.place, self.place, self.place, script)], 20)
        self.assertEqual(result.errors, '')
        return result.output

    def order(self, *words):
        base.write(self.place + '/order', ' '.join(words) + '\n')

    def keep(self, *words):
        """(what is done, whether there was something to look after)"""
        self.order(*words)
        said = self.bash('if keep_promise; then echo kept; else echo none; fi')
        self.assertEqual(os.path.exists(self.place + '/looked'), said.split()[-1] == 'kept')
        return said.split()

    def test_nothing_without_an_order(self):
        self.assertEqual(self.bash('keep_promise || echo none'), 'none\n')
        self.assertEqual(os.path.exists(self.place + '/looked'), False)

    def test_nothing_for_an_order_of_another_boot(self):
        self.assertEqual(self.keep('another-boot', '1'), ['none'])
        self.assertEqual(self.keep('', ''), ['none'])

    def test_to_look_when_it_is_invited(self):
        self.assertEqual(self.keep(self.boot, '-'), ['kept'])
        looked = float(base.read(self.place + '/looked'))
        self.assertTrue(clock() - 5 < looked <= clock())

    def test_nothing_before_it_is_time(self):
        self.assertEqual(self.keep(self.boot, '%d' % (clock() + 60)), ['kept'])

    def test_to_end_the_host_when_it_is(self):
        self.assertEqual(self.keep(self.boot, '%d' % (clock() - 1)), ['ended', 'kept'])

    def test_nothing_for_what_is_no_time(self):
        for word in 'x1', '1x', '-1', '1.5', '':
            self.assertEqual(self.keep(self.boot, word), ['kept'])

    def test_that_it_reads_what_the_daemon_writes(self):
        self.dom0.read, self.dom0.write = ha_lizard.read_file, ha_lizard.write_file
        service = ha_lizard.WatchdogService(self.dom0)
        service.order, service.looked = self.place + '/order', self.place + '/looked'
        self.assertTrue('does not look after it' in service.feed(15))
        self.assertEqual(self.bash('keep_promise; echo $?'), '0\n')
        self.assertEqual(service.feed(15), None)
        self.assertEqual(self.bash('keep_promise; echo $?'), '0\n')
        self.dom0.now = lambda: clock() - 14
        service.feed(15)
        self.assertEqual(self.bash('keep_promise; echo $?'), 'ended\n0\n')

    def test_to_look_every_two_seconds_between_two_looks_at_the_daemon(self):
        self.order(self.boot, '-')
        said = self.bash('sleep() { echo sleep $1; }; WATCH_INTERVAL=5; doze')
        self.assertEqual(said, 'sleep 2\nsleep 2\nsleep 1\n')
        os.remove(self.place + '/order')
        said = self.bash('sleep() { echo sleep $1; }; WATCH_INTERVAL=5; doze')
        self.assertEqual(said, 'sleep 5\n')

    def test_to_look_while_the_daemon_is_started(self):
        self.order(self.boot, '%d' % (clock() - 1))
        said = self.bash('revive() { command sleep 1; echo "revived $*"; }\n'
                         'sleep() { command sleep 0.3; }; attend "it is dead" dead')
        self.assertEqual(sorted(set(said.splitlines())), ['ended', 'revived it is dead dead'])
        self.assertTrue(said.count('ended') > 1)


if __name__ == '__main__':
    base.main()
