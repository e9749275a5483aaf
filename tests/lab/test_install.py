"""install.sh and uninstall.sh, on hosts of the lab: exact trees, all that was
there before, and a run that is killed after each of its commands."""

import glob
import os
import re
import stat
import time
import unittest

import base
import ha_lizard
import hosts

#: every Nth state of the disk; 1 takes minutes.  Other ones with every day.
STRIDE = int(os.environ.get('HA_LIZARD_LAB_STRIDE', 8))
FIRST = int(time.time()) // 86400
PYTHON2 = (glob.glob(os.path.expanduser('~/.pyenv/versions/2.7*/bin/python2.7'))
           + glob.glob('/usr/bin/python2.7') + [''])[0]
FIELD = 'XenCenter.CustomFields.ha-lizard-enabled'

# What there is after an installation that was not there before.
MANIFEST = '''
drwxr-xr-x etc/bash_completion.d
-rw-r--r-- etc/bash_completion.d/ha-cfg
drwxr-xr-x etc/ha-lizard
drwxr-xr-x etc/ha-lizard/__pycache__
-rw-r--r-- etc/ha-lizard/__pycache__/ha_lizard.%s.pyc
drwxr-xr-x etc/ha-lizard/fence
drwxr-xr-x etc/ha-lizard/fence/CUSTOM
-rwxr-xr-x etc/ha-lizard/fence/CUSTOM/CUSTOM.sh
drwxr-xr-x etc/ha-lizard/fence/ILO
-rw-r--r-- etc/ha-lizard/fence/ILO/ILO.hosts
drwxr-xr-x etc/ha-lizard/fence/IRMC
-rw-r--r-- etc/ha-lizard/fence/IRMC/IRMC.hosts
drwxr-xr-x etc/ha-lizard/fence/XVM
-rw-r--r-- etc/ha-lizard/fence/XVM/XVM.hosts
-rw------- etc/ha-lizard/ha-lizard.conf
-rwxr-xr-x etc/ha-lizard/ha_lizard.py
drwxr-xr-x etc/ha-lizard/scripts
-rwxr-xr-x etc/ha-lizard/scripts/ha-cfg
-rwxr-xr-x etc/ha-lizard/scripts/ha-lizard
-rwxr-xr-x etc/ha-lizard/scripts/ha-lizard.mon
-rwxr-xr-x etc/ha-lizard/scripts/recover_fenced_host
-rwxr-xr-x etc/ha-lizard/scripts/uninstall
drwx------ etc/ha-lizard/state
-rwxr-xr-x etc/init.d/ha-lizard
-rwxr-xr-x etc/init.d/ha-lizard-watchdog
drwxr-xr-x etc/rc3.d
lrwxrwxrwx etc/rc3.d/S99ha-lizard
lrwxrwxrwx etc/rc3.d/S99ha-lizard-watchdog
lrwxrwxrwx usr/bin/ha-cfg
'''
# On this machine these are there already: the overlay shows what changed.
EXISTING = ('etc/bash_completion.d', 'etc/rc3.d')

# A HA-Lizard 2.x, as far as an installer sees it, and a daemon of it.
OLD_TREE = r'''
mkdir -p /etc/ha-lizard/{scripts,state,init,fence/{ILO,XVM,MINE}} /etc/bash_completion.d
cd /etc/ha-lizard
cat >scripts/ha-lizard.mon <<'END'
#!/bin/bash
while :; do sleep 1; done
END
echo '#!/bin/bash' >ha-lizard.sh; echo '# functions' >ha-lizard.func
echo 'MAIL_TO="me@example.com"   # mine' >ha-lizard.conf; chmod 644 ha-lizard.conf
echo 'DISABLED_VAPPS=()' >ha-lizard.pool.conf
echo old >state/local_host_uuid; echo '#!/bin/bash' >scripts/ha-cfg; echo '#' >scripts/email_alert.py
echo 'a0a0a0a0-0000-4000-8000-000000000001:10.0.0.7' >fence/ILO/ILO.hosts
echo '#!/bin/bash' >fence/ILO/ILO.sh; echo 'set x' >fence/ILO/ilo_fence.tcl
echo '#!/bin/bash' >fence/XVM/XVM.sh; touch fence/XVM/XVM.hosts
echo '#!/bin/bash' >fence/MINE/MINE.sh; chmod 644 fence/MINE/MINE.sh
cat >/etc/init.d/ha-lizard <<'END'
#!/bin/bash
# old
case $1 in stop) echo "$*" >>/var/lab/old.log ;; esac
END
sed 's/# old/# old watchdog/' /etc/init.d/ha-lizard >/etc/init.d/ha-lizard-watchdog
chmod 755 /etc/init.d/ha-lizard* scripts/* ha-lizard.sh
ln -s /etc/ha-lizard/scripts/ha-cfg /bin/ha-cfg
touch /etc/bash_completion.d/ha-cfg
setsid /bin/bash /etc/ha-lizard/scripts/ha-lizard.mon </dev/null >/dev/null 2>&1 &
setsid bash -x /etc/ha-lizard/ha-lizard.sh </dev/null >/dev/null 2>&1 &
'''

# Sourced by the bash that runs install.sh: it dies before its Nth command, or it
# notes before which commands the disk is not as it was before the one before.
KILLER = r'''
killer_count=0 killer_seen=''
killer() {
    [ $BASHPID -eq $$ ] || return 0
    killer_count=$((killer_count + 1))
    [ $killer_count -ne ${KILL_AT:-0} ] || kill -9 $$
    [ -n "${KILL_NOTES:-}" ] || return 0
    killer_look=$(find /etc/ha-lizard* /etc/init.d /etc/rc3.d /usr/bin/*ha-cfg* /usr/bin/.ha-cfg* \
        /etc/bash_completion.d /run/*ha-lizard* -path /etc/ha-lizard/state/\* -prune -o \
        -printf '%p %m %s %T@\n' 2>/dev/null)
    [ "$killer_look" = "$killer_seen" ] || echo $killer_count >>$KILL_NOTES
    killer_seen=$killer_look
    echo $killer_count >$KILL_NOTES.count
}
# The init scripts that it calls are not what dies here.
case $0 in *install.sh)
    set -T
    trap killer DEBUG ;;
esac
'''


@hosts.needed
class InstallTest(hosts.Case):
    POOL = 'pool a b', 'vm v on a'

    @classmethod
    def prepare(cls):
        cls.done_on_all(hosts.COPY + "; echo \"PRODUCT_VERSION='8.2.1'\" >>/etc/xensource-inventory")

    def install(self, words='--yes', status=0):
        return self.on('cd /var/lab/product && ./install.sh %s </dev/null' % words, status)

    def setUp(self):
        self.clean()
        self.before = self.tree()

    def tree(self):
        """{path: mode} of all that differs from the machine on the disk of a host."""
        root, found = self.seat.folder + '/upper', {}
        for folder, folders, files in os.walk(root):
            for each in folders + files:
                path = os.path.join(folder, each)
                status = os.lstat(path)
                if not stat.S_ISCHR(status.st_mode):        # of something removed
                    found[os.path.relpath(path, root)] = stat.filemode(status.st_mode)
        return found

    def clean(self):
        """As if there had never been a HA-Lizard."""
        for pid in self.seat.processes():
            self.seat.signal(pid, 9)
        self.on('rm -rf /etc/ha-lizard /etc/ha-lizard.old /etc/init.d/ha-lizard* /usr/bin/ha-cfg '
                '/usr/bin/.ha-cfg.new /etc/bash_completion.d/*ha-cfg* /etc/rc3.d/S99ha-lizard* '
                '/etc/init.d/.ha-lizard* /run/lock/subsys/ha-lizard* /run/ha-lizard* '
                '/var/lab/old.log; : >/var/log/user.log; rmdir /etc/rc3.d 2>/dev/null; true')
        # Folders that a first installation makes are no difference from now on.
        self.on('mkdir -p /etc/bash_completion.d /etc/init.d; touch /etc/bash_completion.d '
                '/etc/init.d /etc/rc3.d /usr/bin 2>/dev/null; true')

    def added(self):
        return dict([(path, mode) for path, mode in self.tree().items()
                     if self.before.get(path) != mode])

    def expected(self):
        lines = MANIFEST % self.on("python3 -c 'import sys; print(sys.implementation.cache_tag)'").strip()
        found = dict([line.split()[::-1] for line in lines.strip().splitlines()])
        for path in EXISTING:
            if path in self.before:
                found.pop(path, None)
        return found

    def assertTree(self, expected=None, but=()):
        """Nothing is there but what is expected; what a daemon writes apart."""
        found = dict([(path, mode) for path, mode in self.added().items()
                      if not path.startswith(('etc/ha-lizard/state/', 'var/log/'))
                      and path not in but])
        expected = self.expected() if expected is None else expected
        self.assertEqual(sorted(expected.items()), sorted(found.items()))


    def test_exactly_the_expected_tree_and_back(self):
        text = self.install()
        for part in 'HA-Lizard is installed', 'ha-cfg check', 'ha-cfg ha-enable':
            self.assertIn(part, text)
        self.assertTree()
        self.on('service ha-lizard status -w')
        self.on('ha-cfg version')
        self.assertIn('/etc/ha-lizard/scripts/uninstall', self.on('ls -l /etc/ha-lizard/scripts/*'))
        text = self.on('/etc/ha-lizard/scripts/uninstall --yes </dev/null')
        self.assertIn('is removed', text)
        self.assertEqual([], self.programs())
        self.assertTree({})
        self.assertEqual({}, dict([item for item in self.added().items()
                                   if not item[0].startswith('var/log/')]))
        self.on('/var/lab/product/uninstall.sh --yes')          # once more does no harm

    def test_a_second_run_changes_nothing(self):
        self.install()
        look = ('find /etc/ha-lizard /etc/init.d/ha-lizard* /usr/bin/ha-cfg /etc/rc3.d '
                '/etc/bash_completion.d/ha-cfg -path "*/state*" -prune -o ! -type d -printf "%p %i %T@ %m\\n"; '
                'cat /run/ha-lizard*.pid')
        before = self.on(look)
        self.assertIn('nothing has changed', self.install())
        self.assertEqual(before, self.on(look))

    def test_an_upgrade_replaces_and_restarts(self):
        self.install()
        pid = self.read('/var/run/ha-lizard.pid')
        self.on("echo MAIL_ON=0 >>/etc/ha-lizard/ha-lizard.conf; echo '# x' >>/etc/ha-lizard/ha_lizard.py;"
                "echo 'mine' >>/etc/ha-lizard/fence/ILO/ILO.hosts; chmod 666 /etc/ha-lizard/ha_lizard.py;"
                "sed -i s/^WATCH_INTERVAL=10/WATCH_INTERVAL=23/ /etc/init.d/ha-lizard-watchdog")
        self.install()
        self.assertTree()
        self.assertNotEqual(pid, self.read('/var/run/ha-lizard.pid'))
        self.on('service ha-lizard status -w')
        self.on('grep -q ^MAIL_ON=0 /etc/ha-lizard/ha-lizard.conf && grep -q mine '
                '/etc/ha-lizard/fence/ILO/ILO.hosts && ! grep "^# x$" /etc/ha-lizard/ha_lizard.py'
                ' && grep -q ^WATCH_INTERVAL=23 /etc/init.d/ha-lizard-watchdog')
        # What the administrator wrote outlives the removal, and is named.
        text = self.on('/etc/ha-lizard/scripts/uninstall --yes --keep-pool')
        self.assertIn('ILO.hosts stays', text)
        self.assertTree({'etc/ha-lizard': 'drwxr-xr-x', 'etc/ha-lizard/fence': 'drwxr-xr-x',
                         'etc/ha-lizard/ha-lizard.conf': '-rw-------',
                         'etc/ha-lizard/fence/ILO': 'drwxr-xr-x',
                         'etc/ha-lizard/fence/ILO/ILO.hosts': '-rw-r--r--'})

    def test_nostart(self):
        text = self.install('--nostart')
        self.assertIn('service ha-lizard start -w', text)
        self.assertEqual([], self.programs())
        self.assertTree()

    def test_the_configuration_is_all_comments_and_all_parameters(self):
        self.install('--nostart')
        text = self.read('/etc/ha-lizard/ha-lizard.conf')
        self.assertEqual(({}, []), ha_lizard.parse_conf(text))
        # Without the # it says what the table says.
        found, problems = ha_lizard.parse_conf(re.sub(r'(?m)^#(?=[A-Za-z_]+=)', '', text))
        self.assertEqual([], problems)
        self.assertEqual(sorted(ha_lizard.ROWS), sorted(found))
        settings = ha_lizard.Settings([('this host', found)])
        for row in ha_lizard.ROWS.values():
            self.assertEqual(ha_lizard.DEFAULTS[row.attribute], getattr(settings, row.attribute))

    # -- the pool

    def pool(self):
        pool = self.lab.story.pool
        import xapi
        return dict(pool.database().get('pool', pool.uuid)['other_config'])

    def test_a_new_pool_gets_false_and_an_old_one_keeps_what_it_has(self):
        self.install('--nostart')
        self.on('ha-cfg remove --yes')
        self.assertEqual([], [key for key in self.pool() if key.startswith('HA_')])
        self.install('--nostart')
        self.assertEqual(('false', '15'), (self.pool()[FIELD], self.pool()['HA_MONITOR_DELAY']))
        for key, text in ((FIELD, 'true'), ('HA_MONITOR_DELAY', '30'), ('autopromote_uuid', 'x')):
            self.lab.story.other(key, text)
        self.install('--nostart')
        self.assertEqual(('true', '30', 'x'), (
            self.pool()[FIELD], self.pool()['HA_MONITOR_DELAY'], self.pool()['autopromote_uuid']))
        self.lab.story.other(FIELD, 'false')

    def test_the_parameters_go_only_when_asked(self):
        self.install('--nostart')
        text = self.on('/etc/ha-lizard/scripts/uninstall --yes')
        self.assertIn('stay', text)                 # b may have HA-Lizard
        self.assertIn('HA_MONITOR_DELAY', self.pool())
        self.install('--nostart')
        self.on('/etc/ha-lizard/scripts/uninstall --yes --keep-pool --pool', 2)
        self.on('/etc/ha-lizard/scripts/uninstall --yes --pool')
        self.assertNotIn('HA_MONITOR_DELAY', self.pool())
        # Unless nobody else was heard of for a day, and that can be known.
        other = 'a0a0a0a0-0000-4000-8000-000000000002'
        for notes, pool, installed, left in (
                ('version.%s=3.0.0;shown.%s=$(date -d -2hours +%%s)', 'now', '2 days ago', True),
                ('version.%s=3.0.0', 'now', '2 days ago', True),
                ('version.%s=3.0.0;shown.%s=$(date -d -30hours +%%s)', '2 days ago', '2 days ago', True),
                ('version.%s=3.0.0;shown.%s=$(date -d -30hours +%%s)', 'now', 'now', True),
                ('version.%s=3.0.0;shown.%s=$(date -d -30hours +%%s)', 'now', '2 days ago', False),
                ('', 'now', '2 days ago', False)):
            self.install('--nostart')
            self.on('touch -d "%s" /etc/ha-lizard/ha_lizard.py; touch -d "%s" '
                    '/etc/ha-lizard/state/pool; echo "%s" | tr ";" "\n" >/etc/ha-lizard/state/notes' % (
                        installed, pool, notes.replace('%s', other, 2).replace('%%', '%')))
            self.on('/etc/ha-lizard/scripts/uninstall --yes')
            self.assertEqual(left, 'HA_MONITOR_DELAY' in self.pool(), (notes, pool, installed))

    def test_the_daemon_notes_who_showed_its_version_and_when(self):
        for name in 'ab':
            self.on('%s; /var/lab/product/install.sh --yes </dev/null' % hosts.COPY, name=name)
        try:
            shown = '(?m)^shown.a0a0a0a0-0000-4000-8000-000000000002=([0-9]+)$'
            self.assertTrue(self.lab.until(lambda: re.search(
                shown, self.read('/etc/ha-lizard/state/notes')), 60))
            hour = int(re.search(shown, self.read('/etc/ha-lizard/state/notes')).group(1))
            self.assertTrue(-5 < time.time() - hour < 3700, hour)
        finally:
            self.on('/etc/ha-lizard/scripts/uninstall --yes --keep-pool', name='b')

    def test_a_pool_that_does_not_answer(self):
        self.lab.play('xapi hang a')
        try:
            text = self.install('--nostart')
            self.assertIn('run ha-cfg insert', text)
            self.assertTree()
        finally:
            self.lab.play('xapi restart a')
            self.lab.until(lambda: self.lab.world.hosts['a'].xapi.state == 'up', 30)

    # -- what stands in the way

    def test_refusals(self):
        for change, back, words in (
                ('mv /etc/xensource-inventory /var/lab/away', 'mv /var/lab/away /etc/xensource-inventory',
                 'no XenServer'),
                ('mv /var/lab/product/ha-cfg /var/lab/away', 'mv /var/lab/away /var/lab/product/ha-cfg',
                 'is missing'),
                ('head -c 10M /dev/zero >/var/lab/filler; while head -c 5M /dev/zero >>/var/lab/filler;'
                 'do :; done 2>/dev/null', 'rm /var/lab/filler', 'are needed'),
                ("sed -i.away s/8.2.1/5.6.0/ /etc/xensource-inventory",
                 'mv /etc/xensource-inventory.away /etc/xensource-inventory', 'older')):
            self.on(change)
            try:
                self.assertIn(words, self.install('', 1))
            finally:
                self.on(back)
            self.assertTree({})
        self.assertIn('only root', self.on(
            'cd /var/lab/product && setpriv --reuid 65534 --clear-groups '
            './install.sh --yes', 1))
        self.assertIn('usage', self.install('--nonsense', 2))
        self.assertIn('usage', self.on('/var/lab/product/uninstall.sh --nonsense', 2))
        self.assertIn('--yes', self.on('/var/lab/product/uninstall.sh </dev/null', 1))

    def test_below_a_prefix(self):
        self.install('--prefix /var/lab/below')
        self.assertTree(dict([('var/lab/below/' + path, mode) for path, mode in self.expected().items()
                              if 'rc3.d' not in path]
                             + [('var/lab/below' + path, 'drwxr-xr-x') for path in (
                                 '', '/etc', '/etc/init.d', '/etc/bash_completion.d', '/usr',
                                 '/usr/bin')]))
        self.on('rm -rf /var/lab/below')

    @unittest.skipIf(not PYTHON2, 'no Python 2.7')
    def test_a_dom0_without_python3(self):
        self.on('mkdir /var/lab/hidden; mv /usr/bin/python3* /var/lab/hidden; ln -s %s /usr/bin/python' % PYTHON2)
        try:
            self.install()
            for each in ('/etc/ha-lizard/ha_lizard.py', '/etc/ha-lizard/scripts/ha-cfg',
                         '/etc/ha-lizard/scripts/ha-lizard'):
                self.assertEqual('#!/usr/bin/python', self.read(each).split('\n')[0])
            self.on('service ha-lizard status -w; ha-cfg version')
            self.assertIn('etc/ha-lizard/ha_lizard.pyc', self.tree())
            self.on('rm /usr/bin/python; cd /var/lab/product && ! ./install.sh --yes && '
                    'ln -s %s /usr/bin/python' % PYTHON2)
            self.on('/etc/ha-lizard/scripts/uninstall --yes --keep-pool')
            self.assertTree({}, but=('usr/bin/python', 'var/lab/hidden') + tuple(
                [path for path in self.tree() if path.startswith('var/lab/hidden')]))
        finally:
            self.on('rm -f /usr/bin/python; mv /var/lab/hidden/* /usr/bin; rmdir /var/lab/hidden')

    # -- services and firewall of other dom0s

    def test_systemd_without_sysv(self):
        self.on(r"""mkdir -p /run/systemd/system /var/lab/hidden; mv /usr/sbin/chkconfig /var/lab/hidden
[ ! -e /usr/sbin/update-rc.d ] || mv /usr/sbin/update-rc.d /var/lab/hidden
[ ! -e /usr/lib/systemd/system-generators/systemd-sysv-generator ] || mv /usr/lib/systemd/system-generators/systemd-sysv-generator /var/lab/hidden
mv /usr/bin/systemctl /var/lab/hidden 2>/dev/null
printf '#!/bin/sh\necho "$*" >>/var/lab/systemctl.log\ncase $1 in show) echo LoadState=loaded;; start) HA_LIZARD_BY_SYSTEMD=1 exec /etc/init.d/${2%%.service} start;; stop) HA_LIZARD_BY_SYSTEMD=1 exec /etc/init.d/${2%%.service} stop;; esac\n' >/usr/bin/systemctl
chmod 755 /usr/bin/systemctl""")
        try:
            self.install()
            calls = self.read('/var/lab/systemctl.log')
            for part in ('daemon-reload', 'enable ha-lizard.service ha-lizard-watchdog.service',
                         'start ha-lizard.service', 'start ha-lizard-watchdog.service'):
                self.assertIn(part, calls)
            unit = self.read('/etc/systemd/system/ha-lizard.service')
            for part in ('Type=forking', 'PIDFile=/var/run/ha-lizard.pid', 'KillMode=mixed',
                         'WantedBy=multi-user.target'):
                self.assertIn(part, unit)
            self.on('service ha-lizard status -w')
            self.assertIn('nothing has changed', self.install())
            self.on('/etc/ha-lizard/scripts/uninstall --yes --keep-pool')
            self.assertIn('disable ha-lizard.service', self.read('/var/lab/systemctl.log'))
            self.assertNotIn('etc/systemd/system/ha-lizard.service', self.tree())
        finally:
            self.on('rm -rf /run/systemd /var/lab/systemctl.log /usr/bin/systemctl; '
                    'mv /var/lab/hidden/systemctl /usr/bin/ 2>/dev/null; '
                    'mv /var/lab/hidden/systemd-sysv-generator /usr/lib/systemd/system-generators/ 2>/dev/null; '
                    'mv /var/lab/hidden/* /usr/sbin/ 2>/dev/null; rmdir /var/lab/hidden; true')

    def test_the_port_of_the_watchers_is_opened_where_it_is_closed(self):
        rules = {
            'open': 'ACCEPT udp -- 0.0.0.0/0 0.0.0.0/0 state NEW udp dpt:694\nREJECT all -- 0.0.0.0/0',
            'closed': 'ACCEPT tcp -- 0.0.0.0/0 0.0.0.0/0 tcp dpt:80\nREJECT all -- 0.0.0.0/0 0.0.0.0/0',
            'none': 'Chain INPUT (policy ACCEPT)'}
        for kind, calls in (('open', ''), ('none', ''), ('closed', 'open 694 udp\nclose 694 udp\n')):
            self.on("mkdir -p /etc/xapi.d/plugins; printf '#!/bin/sh\\necho \"%s\"\\n' >/usr/sbin/iptables;"
                    "printf '#!/bin/sh\\necho \"$*\" >>/var/lab/ports\\n' >/etc/xapi.d/plugins/firewall-port;"
                    "chmod 755 /usr/sbin/iptables /etc/xapi.d/plugins/firewall-port; : >/var/lab/ports"
                    % rules[kind].replace('\n', '\\n'))
            try:
                self.install('--nostart')
                self.on('/etc/ha-lizard/scripts/uninstall --yes --keep-pool')
                self.assertEqual(calls, self.read('/var/lab/ports'))
            finally:
                self.on('rm -rf /usr/sbin/iptables /etc/xapi.d /var/lab/ports')

    def test_the_port_by_other_firewalls(self):
        for name, script, opened, closed in (
                ('firewall-cmd', 'case $* in *--query-port*) exit 1 ;; esac',
                 '-q --permanent --add-port=694/udp\n-q --add-port=694/udp\n',
                 '-q --permanent --remove-port=694/udp\n-q --remove-port=694/udp\n'),
                ('iptables', 'case $* in -nL*) echo REJECT all ;; esac',
                 '-I INPUT -p udp --dport 694 -j ACCEPT\n',
                 '-D INPUT -p udp --dport 694 -j ACCEPT\n')):
            base.write(self.lab.world.hosts['a'].files.place('/usr/sbin/' + name), '#!/bin/sh\n'
                       'case $* in *port[=\\ ]694*) echo "$*" >>/var/lab/ports ;; esac\n%s\n' % script, 0o755)
            try:
                self.on(': >/var/lab/ports')
                self.install('--nostart')
                self.assertEqual(opened, self.ports())
                self.on('/etc/ha-lizard/scripts/uninstall --yes --keep-pool')
                self.assertEqual(opened + closed, self.ports())
            finally:
                self.on('rm -f /usr/sbin/%s /var/lab/ports' % name)

    def ports(self):
        """What a firewall was told to do, without what it was asked."""
        return re.sub('(?m)^.*--query-port.*\n', '', self.read('/var/lab/ports'))

    def test_a_host_without_a_name_of_its_own(self):
        self.on('hostname localhost.localdomain')
        try:
            self.assertIn('alerts will not tell where they come from', self.install('--nostart'))
        finally:
            self.on('hostname a')

    # -- what was there before

    def test_the_bash_ha_lizard_is_replaced(self):
        self.on(OLD_TREE)
        self.assertIn('Answer yes', self.install('', 1))
        text = self.install()
        for part in ('stopping the HA-Lizard that was there', 'ILO.sh was moved', 'XVM.sh was moved',
                     '/etc/ha-lizard.old'):
            self.assertIn(part, text)
        self.assertEqual('stop -w\nstop\n', self.read('/var/lab/old.log'))
        self.assertEqual([], [each for each in self.programs() if 'ha-lizard.mon' in each
                              or 'ha-lizard.sh' in each])
        found = dict([(path, mode) for path, mode in self.added().items()
                      if not path.startswith(('etc/ha-lizard/state/', 'var/', 'var/lab/'))])
        kept = {'etc/ha-lizard/fence/MINE': 'drwxr-xr-x',
                'etc/ha-lizard/fence/MINE/MINE.sh': '-rwxr-xr-x'}
        aside = dict([item for item in found.items() if item[0].startswith('etc/ha-lizard.old')])
        self.assertEqual(sorted(list(self.expected().items()) + list(kept.items())),
                         sorted([item for item in found.items() if item[0] not in aside]))
        self.assertEqual('drwx------', aside['etc/ha-lizard.old'])
        for path in ('ha-lizard.sh', 'ha-lizard.func', 'ha-lizard.pool.conf', 'scripts/email_alert.py',
                     'state/local_host_uuid', 'fence/ILO/ILO.sh', 'fence/ILO/ilo_fence.tcl',
                     'of-etc-init.d/ha-lizard', 'of-etc-init.d/ha-lizard-watchdog'):
            self.assertIn('etc/ha-lizard.old/' + path, aside)
        self.assertIn('me@example.com', self.read('/etc/ha-lizard/ha-lizard.conf'))
        self.assertIn('10.0.0.7', self.read('/etc/ha-lizard/fence/ILO/ILO.hosts'))
        self.on('service ha-lizard status -w')
        self.assertIn('nothing has changed', self.install())

    # -- killed

    def test_killed_after_each_command(self):
        self.kill_and_repeat('')

    def test_killed_after_each_command_of_an_upgrade_from_bash(self):
        self.name = 'b'
        self.clean()
        self.before = self.tree()
        self.kill_and_repeat(OLD_TREE, STRIDE * 2 - 1)

    def kill_and_repeat(self, prepare, stride=STRIDE):
        """A death between two commands that leave the disk as it is, is the death
        before the first of them: only the others are tried."""
        base.write(self.lab.world.hosts[self.name].files.place('/var/lab/killer'), KILLER)
        run = 'cd /var/lab/product && env BASH_ENV=/var/lab/killer %s bash ./install.sh --yes </dev/null'
        self.on(prepare)
        self.on('rm -f /var/lab/notes; ' + run % 'KILL_NOTES=/var/lab/notes')
        self.on('service ha-lizard stop -w')
        places = [int(line) for line in self.read('/var/lab/notes').split()]
        wanted, deaths = self.fingerprint(), places[FIRST % stride::stride]
        print('| %s commands, %d states of the disk; killed before command %s' % (
            self.read('/var/lab/notes.count').strip(), len(places), ' '.join(map(str, deaths))))
        self.assertLess(40, len(places))
        for number in deaths:
            self.clean()
            self.on(prepare)
            self.on(run % ('KILL_AT=%d' % number), 137)
            self.on(run % '')
            self.on('service ha-lizard status -w')
            self.on('service ha-lizard stop -w')
            self.assertEqual(wanted, self.fingerprint(), 'killed before command %d' % number)
        self.on('rm -f /var/lab/killer /var/lab/notes*')

    def fingerprint(self):
        """All that is left, with the text of what is ours."""
        text = self.on('cd / && find etc/ha-lizard etc/ha-lizard.old etc/init.d/*ha-lizard* etc/rc3.d '
                       'usr/bin/*ha-cfg* usr/bin/.ha-cfg* etc/bash_completion.d/*ha-cfg* '
                       '-path etc/ha-lizard/state/\\* -prune -o ! -name "*.pyc" -printf "%p %m %l\\n" '
                       '2>/dev/null | sort; cd /etc/ha-lizard; '
                       'cat ha_lizard.py ha-lizard.conf scripts/* fence/*/* /etc/init.d/ha-lizard* '
                       '| cksum')
        return text.splitlines()


if __name__ == '__main__':
    unittest.main()
