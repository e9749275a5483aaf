"""init.d/ha-lizard and init.d/ha-lizard-watchdog, on a host of the lab."""

import os
import re
import signal
import time
import unittest

import base
import ha_lizard
import hosts

SERVICE = '/etc/init.d/ha-lizard'
HASTE = hosts.haste('/etc/ha-lizard/ha_lizard.py')


@hosts.needed
class ServiceTest(hosts.Case):
    POOL = 'pool a', 'vm v on a', 'set MONITOR_DELAY 1'

    @classmethod
    def prepare(cls):
        cls.done_on_all(hosts.COPY + ' && ./install.sh --yes --nostart </dev/null')
        cls.done_on_all('%s && sed -i s/^WATCH_INTERVAL=10/WATCH_INTERVAL=1/ %s-watchdog' % (
            HASTE, SERVICE))

    def setUp(self):
        self.on('service ha-lizard stop -w; rm -rf /etc/ha-lizard/state/*')

    def service(self, words, status=0):
        return self.on('service ha-lizard ' + words, status)

    def until(self, condition, seconds=20):
        if not self.lab.until(condition, seconds):
            self.fail('it did not come to that; log:\n%s\nprocesses: %s' % (
                self.read('/var/log/user.log')[-3000:], self.seat.processes()))

    def pid(self):
        """Of the daemon, 0 if there is none."""
        return self.seat.daemon()

    def kill(self, pid, number):
        self.seat.signal(pid, number)

    # -- LSB

    def test_a_service_that_does_not_run(self):
        self.assertIn('does not run', self.service('status', 3))
        self.assertIn('does not run', self.service('stop', 0))
        self.assertIn('does not run', self.service('reload', 7))
        self.service('condrestart', 0)
        self.assertIn('does not run', self.service('status', 3))
        self.on('touch /var/lock/subsys/ha-lizard')
        self.service('status', 2)
        self.on('echo 999999 >/var/run/ha-lizard.pid')
        self.service('status', 1)
        self.service('stop', 0)
        self.service('status', 3)

    def test_words(self):
        for words in '', 'nonsense', 'start stop', '-w':
            self.assertIn('usage', self.service(words, 2))
        self.assertIn('usage', self.on('service ha-lizard-watchdog nonsense', 2))
        for words in 'ha-lizard start', 'ha-lizard stop', 'ha-lizard-watchdog start':
            self.assertIn('only root', self.on(
                'setpriv --reuid 65534 --clear-groups /etc/init.d/' + words, 4))
        self.on('mv /etc/ha-lizard/scripts/ha-lizard /var/lab/away')
        try:
            for words in 'start', 'stop', 'status':
                self.assertIn('not installed', self.service(words, 5))
            self.assertIn('not installed', self.on('service ha-lizard-watchdog start', 5))
        finally:
            self.on('mv /var/lab/away /etc/ha-lizard/scripts/ha-lizard', 0)

    def test_start_status_restart_stop(self):
        self.assertIn('runs, pid', self.service('start'))
        first = self.pid()
        self.assertIn('runs already', self.service('start'))
        self.assertEqual(first, self.pid())
        self.until(lambda: 'the last round ended' in self.on('service ha-lizard status'))
        text = self.service('status')
        for part in (ha_lizard.VERSION, 'pid %s' % self.read('/var/run/ha-lizard.pid').strip(),
                     'master', 'ha-lizard-watchdog does not run'):
            self.assertIn(part, text)
        self.service('status -w', 3)
        self.service('reload')
        self.assertEqual(first, self.pid())
        self.service('restart')
        self.assertNotEqual(first, self.pid())
        second = self.pid()
        self.service('condrestart')
        self.assertNotIn(self.pid(), (0, second))
        self.assertNotIn('will start it again', self.service('stop'))
        self.assertEqual([], self.programs())

    def test_with_the_watchdog(self):
        self.service('start -w')
        self.service('status -w')
        self.assertIn('ha-lizard-watchdog runs', self.service('status'))
        watchdog = self.read('/var/run/ha-lizard-watchdog.pid')
        daemon = self.pid()
        self.service('restart -w')
        self.service('reload -w')
        self.assertNotEqual(watchdog, self.read('/var/run/ha-lizard-watchdog.pid'))
        self.assertNotEqual(daemon, self.pid())
        self.assertIn('runs already', self.on('service ha-lizard-watchdog start', 0))
        self.service('stop -w')
        self.assertEqual([], self.programs())
        self.service('status', 3)

    def test_the_watchdog_alone(self):
        service = 'service ha-lizard-watchdog '
        self.assertIn('does not run', self.on(service + 'status', 3))
        self.on(service + 'condrestart', 0)
        self.on(service + 'start', 0)
        self.on(service + 'restart', 0)
        self.on(service + 'status', 0)
        self.until(self.pid)                # it found nothing and started it
        self.on(service + 'stop', 0)
        self.on('echo 1 >/var/run/ha-lizard-watchdog.pid')      # a pid of somebody else
        self.on(service + 'status', 1)
        self.on(service + 'stop', 0)
        self.on(service + 'status', 3)

    # -- the watchdog at work

    def test_a_stop_without_w_does_not_last(self):
        self.service('start -w')
        self.assertIn('service ha-lizard stop -w', self.service('stop'))
        self.until(self.pid)

    def test_a_dead_daemon_is_started_again(self):
        self.service('start -w')
        for _ in range(3):
            pid = self.pid()
            self.kill(pid, signal.SIGKILL)
            self.until(lambda: self.pid() not in (0, pid))
        self.assertIn('watchdog: ha-lizard is dead', self.read('/var/log/user.log'))

    def old(self):
        """Everything says that it has not had a good round for long."""
        self.on("touch -d '20 minutes ago' /etc/ha-lizard/state/pool /var/run/ha-lizard.pid", 0)

    def test_a_stuck_daemon_is_replaced(self):
        self.service('start -w')
        self.until(lambda: '/etc/ha-lizard/state/pool' in self.lab.world.hosts['a'].files)
        pid = self.pid()
        self.kill(pid, signal.SIGSTOP)
        self.lab.run(3)
        self.assertEqual(pid, self.pid())           # not old enough
        self.old()
        self.until(lambda: self.pid() not in (0, pid), 40)
        self.assertIn('watchdog: ha-lizard hangs', self.read('/var/log/user.log'))
        self.assertNotIn(pid, self.seat.processes())

    def test_a_daemon_that_waits_for_its_master_is_left_alone(self):
        """No good round for hours, and it works all the time."""
        self.service('start -w')
        self.until(lambda: '/etc/ha-lizard/state/pool' in self.lab.world.hosts['a'].files)
        self.lab.play('xapi hang a')
        try:
            pid = self.pid()
            self.lab.run(2)
            for _ in range(4):
                self.old()
                self.lab.run(1)
            self.assertEqual(pid, self.pid())
        finally:
            self.lab.play('xapi restart a')
            self.until(lambda: self.lab.world.hosts['a'].xapi.state == 'up')

    def test_the_limit_follows_monitor_delay(self):
        """Ten times MONITOR_DELAY, of this host, of the pool, or the default."""
        for own, pool, expected in (('', '15', 300), ('', '60', 600), ('90', '60', 900),
                                    ('x;reboot', '40', 400), ('', 'x', 300), ('08', '', 300)):
            self.on("echo 'setting.MONITOR_DELAY=%s' >/etc/ha-lizard/state/pool; "
                    "cp -p /etc/ha-lizard/ha-lizard.conf /var/lab/conf; "
                    "echo 'MONITOR_DELAY=%s' >>/etc/ha-lizard/ha-lizard.conf" % (pool, own))
            text = self.on("sed '/^\\[ $# -eq 1/,$d' %s-watchdog >/var/lab/lib; . /var/lab/lib; limit; "
                           "mv /var/lab/conf /etc/ha-lizard/ha-lizard.conf" % SERVICE, 0)
            self.assertEqual('%d' % expected, text.strip(), (own, pool))

    # -- as the manual has it

    def test_the_line_of_the_watchdog_can_be_removed(self):
        self.on("sed -i.kept /^WATCHDOG=/d " + SERVICE, 0)
        try:
            self.service('start -w')
            self.assertIn('disabled', self.service('status -w'))
            self.assertNotIn('ha-lizard-watchdog', ' '.join(self.programs()))
            self.service('stop -w')
            self.service('start')
            # An upgrade keeps that, and the interval.
            self.on('cd /var/lab/product && ./install.sh --yes --nostart', 0)
            self.on('grep -q ^#WATCHDOG= %s && grep -q ^WATCH_INTERVAL=1$ %s-watchdog' % (
                SERVICE, SERVICE), 0)
        finally:
            self.on('mv %s.kept %s' % (SERVICE, SERVICE))
            self.on(HASTE)

    def test_the_functions_of_centos(self):
        """Read, but not obeyed: el7's would hand start and stop to systemctl."""
        self.on(r"""cat >/etc/init.d/functions <<'END'
if [ -n "$1" ]; then echo "redirected: $1"; exit 9; fi
success() { echo -n '[  OK  ]'; }
failure() { echo -n '[FAILED]'; }
END""", 0)
        try:
            self.assertIn('[  OK  ]', self.service('start -w'))
            self.assertIn('[FAILED]', self.on('service ha-lizard stop -w; '
                                              'service ha-lizard reload', 7))
        finally:
            self.on('rm /etc/init.d/functions')

    def test_systemd_is_told(self):
        self.on(r"""mkdir -p /run/systemd/system; cat >/usr/local/sbin/systemctl <<'END'
#!/bin/sh
echo "$*" >>/var/lab/systemctl.log
case $1 in
    show) echo LoadState=loaded ;;
    is-active) exit 0 ;;
    start) HA_LIZARD_BY_SYSTEMD=1 exec /etc/init.d/${2%.service} start ;;
    stop) HA_LIZARD_BY_SYSTEMD=1 exec /etc/init.d/${2%.service} stop ;;
esac
END
chmod 755 /usr/local/sbin/systemctl""", 0)
        path = 'PATH=/usr/local/sbin:$PATH /etc/init.d/ha-lizard '
        try:
            self.on(path + 'start -w', 0)
            self.on(path + 'status -w', 0)
            self.on(path + 'stop -w', 0)
            calls = self.read('/var/lab/systemctl.log')
            for verb in 'start', 'stop':
                for name in 'ha-lizard', 'ha-lizard-watchdog':
                    self.assertIn('%s %s.service\n' % (verb, name), calls)
            self.assertEqual([], self.programs())
        finally:
            self.on('rm -rf /run/systemd /usr/local/sbin/systemctl /var/lab/systemctl.log')

    def test_after_a_boot_it_waits_for_xapi_but_not_for_ever(self):
        self.on("sed 's,/proc/uptime,/run/uptime,; s/^XAPI_PATIENCE=60/XAPI_PATIENCE=3/' "
                "%s >/var/lab/ha-lizard; chmod 755 /var/lab/ha-lizard; "
                "mv /var/run/xapi_init_complete.cookie /run/away" % SERVICE, 0)
        try:
            for uptime, least, most in (('30.1', 2.5, 12), ('3000.1', 0, 2.4)):
                self.on('echo %s 1 >/run/uptime' % uptime)
                began = time.time()
                self.on('/var/lab/ha-lizard start', 0)
                self.assertTrue(least <= time.time() - began < most, time.time() - began)
                self.on('/var/lab/ha-lizard stop', 0)
        finally:
            self.on('mv /run/away /var/run/xapi_init_complete.cookie')

    def test_the_monitor_of_other_dom0s(self):
        monitor = '/etc/ha-lizard/scripts/ha-lizard.mon'
        self.on(monitor + ' </dev/null >/dev/null 2>&1 & sleep 1; %s; kill $!; wait' % monitor)
        self.assertEqual([], self.programs())
        process = self.seat.begin("sed 's/^PAUSE=10/PAUSE=1/' %s >/var/lab/mon; "
                                       "exec sh /var/lab/mon" % monitor)
        self.until(self.pid)
        self.service('status')
        pid = self.pid()
        self.kill(pid, signal.SIGKILL)
        self.until(lambda: self.pid() not in (0, pid))
        for number, text in self.seat.processes().items():
            if text == 'sh /var/lab/mon':
                self.seat.signal(number, signal.SIGTERM)
        self.until(lambda: process.poll() is not None)
        # What the killed one had asked for ends by itself.
        self.until(lambda: not self.programs())

    def test_recover_fenced_host(self):
        text = self.on('/etc/ha-lizard/scripts/recover_fenced_host </dev/null', 0)
        self.assertIn('not suspended', text)

    def test_headers(self):
        for name in 'ha-lizard', 'ha-lizard-watchdog':
            text = base.read(os.path.join(base.ROOT, 'init.d', name))
            self.assertTrue(re.search(r'(?m)^# chkconfig: 345 \d\d \d\d$', text))
            self.assertTrue(re.search(r'(?m)^# description: .', text))
            self.assertIn('# pidfile: /var/run/%s.pid\n' % name, text)
            block = text.split('### BEGIN INIT INFO\n')[1].split('### END INIT INFO\n')[0]
            for key in ('Provides', 'Required-Start', 'Required-Stop', 'Default-Start',
                        'Default-Stop', 'Short-Description', 'Description'):
                self.assertIn('# %s:' % key, block)
            for new in (r'\|&', r'&>>', r'\[\[', r'declare -[Ag]', r'\$\{\w+[,^]',
                        r'mapfile', r'readarray', r'coproc', r'printf -v'):
                self.assertFalse(re.search(new, text), '%s: bash 3.2 has no %s' % (name, new))


if __name__ == '__main__':
    unittest.main()
