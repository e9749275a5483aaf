"""Hosts that really die: Linux namespaces, a bridge, and the simulated pool.

    lab = Lab('pool a b c', 'vm v1 on a', ...)      commands as in tests/sim/scenarios
    lab.boot_all()
    lab.on('a', './install.sh --yes')               (status, output)
    lab.until(condition, seconds)                   lets time pass
    lab.play('power off b')                         also: cut b, heal b, xapi hang a
    lab.close()

Each host has its own hostname, processes, file system (an overlay of this
machine's, on a tmpfs: that is its disk), address, web server and syslog.  `xe`
and the fence devices there ask the pool of tests/sim, which lives in this
process; its sockets are in the host's /run and end with it.  The world lives
`speed` times as fast as the clock: the waits of xapi, not those of the product.

Nothing in here can hurt the machine that it runs on.  A Lab enters namespaces
of its own first: no network but its own, no mount that anybody else sees; it
gives up CAP_SYS_BOOT, CAP_SYS_TIME and CAP_SYS_MODULE; in each host
/proc/sysrq-trigger is a file that the lab reads as the power switch, and /dev
has no watchdog.  A host in which that is not so is not started: see GUARD.  All
processes die with this one, even if it is killed: the kernel sees to it.
"""

import ctypes
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
ROOT = os.path.dirname(TESTS)
sys.dont_write_bytecode = True
for each in (ROOT, TESTS, os.path.join(TESTS, 'sim')):
    if each not in sys.path:
        sys.path.insert(0, each)

import base
import ha_lizard
import scenario
import server
from dom0 import SimDom0
from ha_lizard import BOOT_ID, XAPI_READY, read_watch

NET = '10.77.0.'                # host number N is 10.77.0.(10 + N)
GATEWAY = NET + '1'             # the bridge itself: a witness
DISK = '192m'
LOST_CAPS = (16, 22, 25)        # SYS_MODULE, SYS_BOOT, SYS_TIME
CLONE = 0x00020000 | 0x40000000 | 0x04000000 | 0x08000000   # mount, net, uts, ipc
PR_CAPBSET_DROP, PR_SET_PDEATHSIG = 24, 1
libc = ctypes.CDLL(None, use_errno=True)

PYTHON = os.path.realpath(sys.executable)
CLIENT = '#!/bin/sh\nexec %s -S -E %s/sim/client.py /run/lab/world %%s "$@"\n' % (PYTHON, TESTS)
TOOLS = ('xe', 'list_domains', 'xl', 'xe-toolstack-restart', 'ssh', 'ipmitool')

# In the host's namespaces, before anything of the host runs: exit 70 if any of
# this could reach the machine.
GUARD = r'''
refuse() { echo "the lab does not start this host: $1"; exit 70; }
[ $$ -eq 1 ] || refuse 'it is not alone in a pid namespace'
[ ! -e /proc/sysrq-trigger ] || [ "$(stat -f -c %T /proc/sysrq-trigger)" != proc ] ||
    refuse '/proc/sysrq-trigger is the real one'
bounding=$(sed -n 's/^CapBnd:[^0-9a-f]*//p' /proc/self/status)
for bit in 16 22 25; do
    [ $(( (0x$bounding >> bit) & 1 )) -eq 0 ] ||
        refuse "a capability that can reboot, load modules or set the clock: $bit"
done
for each in /dev/watchdog* /dev/xen /dev/mem /dev/ipmi* /dev/vd* /dev/sd*; do
    [ ! -e "$each" ] || refuse "there is $each"
done
[ ! -w /proc/sys/kernel/sysrq ] || refuse '/proc/sys can be written'
[ "$(hostname)" = "$HOST" ] || refuse 'it has the hostname of somebody else'
'''

BOOT = r'''
set -e
D=$1 HOST=$2 ADDRESS=$3 UNSAFE=$4 MORE=$5
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
hostname $HOST
mount --make-rprivate /
rm -rf $D/work && mkdir -p $D/upper $D/work $D/mnt
mount -t overlay overlay -o lowerdir=/,upperdir=$D/upper,workdir=$D/work $D/mnt
cd $D/mnt
mount -t proc proc proc
mount --bind $D/boot_id proc/sys/kernel/random/boot_id
mount --bind -o ro proc/sys proc/sys 2>/dev/null || mount --bind proc/sys proc/sys
mount --bind $D/boot_id proc/sys/kernel/random/boot_id
mount -o remount,bind,ro proc/sys
[ "$UNSAFE" = sysrq ] || [ ! -e proc/sysrq-trigger ] || mount --bind $D/sysrq proc/sysrq-trigger
mount -t tmpfs -o mode=755,size=16m tmpfs dev
for each in null zero full random urandom tty; do : >dev/$each; mount --bind /dev/$each dev/$each; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
[ "$UNSAFE" != watchdog ] || : >dev/watchdog
mount -t tmpfs -o mode=755,size=16m tmpfs run
mkdir -p run/lock/subsys run/lab var/lab/.gone
mount -t tmpfs -o mode=1777,size=64m tmpfs tmp
# The repository may lie where the host has something of its own.
[ -e .$ROOT ] || { mkdir -p .$ROOT; mount --bind $ROOT .$ROOT; }
[ ! -d sys ] || mount -t tmpfs -o ro,size=4k tmpfs sys
until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
ip link set lo up; ip addr add $ADDRESS/24 dev eth0; ip link set eth0 up
pivot_root . var/lab/.gone
cd /
umount -l /var/lab/.gone
# This file is open: what follows is read from memory.
export HOST
exec /bin/sh -c "$GUARD"'
[ -z "$1" ] || exit 0
exec "$PYTHON" -S -E "$HOSTD" "$2" $3 >>/var/log/hostd.log 2>&1
' guard "" $ADDRESS $MORE
'''

CHKCONFIG = r'''#!/bin/sh
# What of chkconfig the installer uses.
case $1 in
    --list) [ -e /etc/rc3.d/S99$2 ] && echo "$2 0:off 1:off 2:off 3:on 4:on 5:on 6:off" ;;
    --add) mkdir -p /etc/rc3.d && ln -sf ../init.d/$2 /etc/rc3.d/S99$2 ;;
    --del) rm -f /etc/rc3.d/S99$2; rmdir /etc/rc3.d 2>/dev/null; : ;;
    *) [ "$2" = on ] ;;
esac
'''
SERVICE = r'''#!/bin/sh
# service NAME VERB...: as CentOS does it
name=$1; shift
cd / && exec env -i PATH=/sbin:/usr/sbin:/bin:/usr/bin TERM=dumb /etc/init.d/$name "$@"
'''


def objection():
    """Why there can be no lab here, or None."""
    if os.geteuid() != 0:
        return 'needs root'
    for name in ('unshare', 'nsenter', 'ip', 'mount', 'pivot_root'):
        if not shutil.which(name, path='/usr/sbin:/usr/bin:/sbin:/bin'):
            return 'needs %s' % name
    status = subprocess.call(
        ['unshare', '--net', '--mount', '--uts', '--ipc', '--pid', '--fork', 'sh', '-c', '''
            set -e
            mount --make-rprivate /; d=/tmp; mount -t tmpfs tmpfs $d; mkdir $d/u $d/w $d/m
            mount -t overlay overlay -o lowerdir=/,upperdir=$d/u,workdir=$d/w $d/m
            ip link add br0 type bridge; ip link add v0 type veth peer name v1'''],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    if status:
        return 'needs namespaces, overlayfs, a bridge and veth'


def enter(unsafe=''):
    """From now on this process has namespaces of its own, and no power over
    the machine."""
    if libc.unshare(CLONE):
        raise OSError(ctypes.get_errno(), 'unshare')
    sh('mount --make-rprivate /')
    # Also this process shall not find the real one by accident.
    sh('[ ! -e /proc/sysrq-trigger ] || mount --bind /dev/null /proc/sysrq-trigger')
    if unsafe != 'caps':
        for number in LOST_CAPS:
            if libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0):
                raise OSError(ctypes.get_errno(), 'prctl')
    sh('ip link set lo up; ip link add br0 type bridge; '
       # Of its own: without one it changes with every port that comes or goes.
       'ip link set br0 address 02:00:00:00:00:01; ip link set br0 up; '
       'ip addr add %s/24 dev br0' % GATEWAY)


def sh(command):
    subprocess.run(['/bin/sh', '-ec', command], check=True, stdin=subprocess.DEVNULL)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


# -- one host -----------------------------------------------------------------

class Disk(server.Files):
    """{path: text} of a host: what it sees while it lives, else its upper
    directory."""

    def __init__(self, seat):
        self.seat = seat

    def place(self, path):
        path = re.sub('^/var/run/', '/run/', os.path.normpath('/' + path.lstrip('/')))
        if path == BOOT_ID:
            return self.seat.folder + '/boot_id'
        root = self.seat.folder + '/upper'
        if self.seat.pid:
            root = '/proc/%d/root' % self.seat.pid
        place = root
        for name in path.split('/')[1:]:
            place += '/' + name
            # An absolute link would lead to this machine's own file.
            if os.path.islink(place) and os.readlink(place).startswith('/'):
                raise AssertionError('%s leads out of the host' % place)
        return place

    def __setitem__(self, path, text):
        place = self.place(path)
        if server.AGENT.search(path):
            text = CLIENT % path + text.split('\n', 1)[-1]
        os.makedirs(os.path.dirname(place), exist_ok=True)
        mode = 0o755 if text.startswith('#!') else 0o600 if 'ptoken' in path else 0o644
        server.write_whole(place, text, mode)


class Seat(object):
    """The namespaces of one host, and its socket to the world."""

    def __init__(self, lab, number, name):
        self.lab, self.number, self.name = lab, number, name
        self.address, self.link = '%s%d' % (NET, 10 + number), 'v%d' % number
        self.folder = '%s/%s' % (lab.folder, name)
        self.process, self.pid, self.listener, self.clients = None, 0, None, []
        self.called, self.reboot_is_due, self.cable = [], False, True
        self.unsafe, self.services = '', True
        os.mkdir(self.folder)
        sh('mount -t tmpfs -o size=%s,mode=755 tmpfs %s' % (DISK, self.folder))
        for each in ('upper', 'mnt'):
            os.mkdir('%s/%s' % (self.folder, each))
        self.furnish()

    # What server.Client and its functions want of a server.
    world = property(lambda self: self.lab.world)
    story = property(lambda self: self.lab.story)

    @property
    def host(self):
        return self.lab.world.hosts[self.name]

    def log(self):
        return self.lab.log()

    def furnish(self):
        """What a stock dom0 has and this machine has not."""
        upper = self.folder + '/upper'
        files = dict([('/opt/xensource/bin/' + name, CLIENT % name) for name in TOOLS])
        files.update({
            '/opt/xensource/sm/resetvdis.py': CLIENT % '/opt/xensource/sm/resetvdis.py',
            # Where the kernel has no sysrq, the product's second way to reboot.
            '/sbin/reboot': CLIENT % 'reboot',
            '/sbin/chkconfig': CHKCONFIG, '/sbin/service': SERVICE,
            '/etc/hostname': self.name + '\n', '/var/lab/.keep': ''})
        for path, text in files.items():
            # /sbin is a link here
            place = upper + path.replace('/sbin/', '/usr/sbin/')
            os.makedirs(os.path.dirname(place), exist_ok=True)
            server.write_whole(place, text, 0o755)

    # -- power

    def boot(self):
        """Power on: None, or why it does not start."""
        self.wait_for_the_end()
        # The power switch; and a boot is a new boot.
        for name, text in (('sysrq', ''), ('boot_id', '%s\n' % uuid.uuid4())):
            with open('%s/%s' % (self.folder, name), 'w') as stream:
                stream.write(text)
        console = open(self.folder + '/console', 'ab')
        environment = {'GUARD': GUARD, 'PYTHON': PYTHON, 'HOSTD': HERE + '/hostd.py',
                       'ROOT': ROOT}
        self.process = subprocess.Popen(
            ['unshare', '--net', '--uts', '--ipc', '--mount', '--pid', '--fork', '--kill-child',
             '/bin/sh', '-c', BOOT, 'boot', self.folder, self.name, self.address,
             self.unsafe or 'no', {True: '', False: '--no-services'}[self.services]],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, close_fds=True,
            env=environment, preexec_fn=die_with_parent, start_new_session=True)
        console.close()
        pid = self.first_process()
        sh('ip link add %s type veth peer name eth0 address 02:00:00:00:01:%02x netns %d; '
           'ip link set %s master br0; ip link set %s %s' % (
               self.link, self.number, pid, self.link, self.link,
               {True: 'up', False: 'down'}[self.cable]))
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            if os.path.exists('/proc/%d/root/dev/log' % pid) and os.path.exists(
                    '/proc/%d/root/run/lab' % pid):
                if 'hostd.py' in ha_lizard.read_file('/proc/%d/cmdline' % pid, ''):
                    return self.booted(pid)
            time.sleep(0.01)
        return self.console()[-500:] or 'it did not boot'

    def first_process(self):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for name in os.listdir('/proc'):
                if name.isdigit():
                    words = ha_lizard.read_file('/proc/%s/stat' % name, '').rsplit(')', 1)
                    if words[-1].split()[1:2] == [str(self.process.pid)]:
                        return int(name)
            time.sleep(0.005)
        raise AssertionError('unshare started nothing: ' + self.console())

    def booted(self, pid):
        self.pid = pid
        self.listener = server.socket.socket(server.socket.AF_UNIX, server.socket.SOCK_STREAM)
        self.listener.bind('/proc/%d/root/run/lab/world' % pid)
        self.listener.listen(64)
        self.listener.setblocking(False)

    def off(self):
        """The plug is pulled: first the cable, for the kernel of a dead
        namespace would answer a ping for a moment."""
        if not self.process:
            return
        subprocess.call(['ip', 'link', 'del', self.link], stderr=subprocess.DEVNULL)
        for number in (self.pid, self.process.pid):
            if number > 1:
                try:
                    os.kill(number, signal.SIGKILL)
                except OSError:
                    pass
        for each in self.clients + [self.listener] * bool(self.listener):
            each.close()
        self.pid, self.listener, self.clients = 0, None, []

    def wait_for_the_end(self):
        if self.process:
            self.process.wait()
            self.process = None

    def console(self):
        return ha_lizard.read_file(self.folder + '/console', '')

    # -- processes

    def argv(self, command):
        # The name space's own root is the host's: it pivoted.
        return ['nsenter', '-t', str(self.pid), '-n', '-u', '-i', '-p', '-m',
                'env', '-i', 'HOME=/root', 'TERM=dumb', 'LC_ALL=C',
                'PATH=/opt/xensource/bin:/usr/sbin:/usr/bin:/sbin:/bin'] + command

    def begin(self, command, **how):
        """A process in this host; a text is for its shell."""
        if isinstance(command, str):
            command = ['/bin/bash', '-c', command]
        how.setdefault('stdin', subprocess.DEVNULL)
        return subprocess.Popen(self.argv(command), preexec_fn=die_with_parent,
                                start_new_session=True, **how)

    def processes(self):
        """{pid as the lab sees it: command line}, but for process 1."""
        found = {}
        if not self.pid:
            return found
        space = os.readlink('/proc/%d/ns/pid' % self.pid)
        for name in os.listdir('/proc'):
            try:
                if name.isdigit() and int(name) != self.pid and os.readlink(
                        '/proc/%s/ns/pid' % name) == space:
                    with open('/proc/%s/cmdline' % name, 'rb') as stream:
                        text = stream.read().replace(b'\0', b' ').decode('utf-8', 'replace')
                    if text:
                        found[int(name)] = text.strip()
            except OSError:         # it has ended
                pass
        return found

    def daemon(self):
        """Its pid as the lab sees it, or 0."""
        found = [pid for pid, text in self.processes().items()
                 if re.search(r'(ha_lizard\.py|scripts/ha-lizard) (start|run)', text)]
        number = self.host.files.get('/var/run/ha-lizard.pid', '').strip()
        for pid in found:
            status = ha_lizard.read_file('/proc/%d/status' % pid, '')
            inner = re.search(r'NSpid:.*\t(\d+)\n', status)
            if inner and inner.group(1) == number:
                return pid
        return 0

    def signal(self, pid, number):
        """Only to a process of this host: 0 would be all of our own group."""
        if pid not in self.processes():
            raise AssertionError('%s has no process %s' % (self.name, pid))
        os.kill(pid, number)


# -- the world ----------------------------------------------------------------

class LabDom0(SimDom0):
    """What the simulated pool sees of a host whose programs are real."""

    def __init__(self, world, host, seat):
        SimDom0.__init__(self, world, host)
        self.seat = seat

    def start_daemon(self):
        """The host is on: it boots."""
        dom0 = LabDom0(self.world, self.host, self.seat)
        self.host.dom0 = self.host.watcher = dom0
        dom0.guardian = dom0
        if not self.seat.pid:
            why = self.seat.boot()
            if why:
                raise AssertionError('%s: %s' % (self.host.name, why))

    def given(self):
        watch = read_watch(self, self.read(BOOT_ID, '').strip())
        return watch and watch.guardian.lease is not None

    def read(self, path, default=None):
        return self.host.files.get(path, default)

    def tick(self, watcher):
        """A real daemon ticks by itself."""

    def kill_daemon(self):
        self.seat.signal(self.seat.daemon(), signal.SIGKILL)


class LabWorld(scenario.SimWorld):
    def __init__(self, lab):
        scenario.SimWorld.__init__(self)
        self.lab = lab

    def add_host(self, name):
        host = scenario.SimWorld.add_host(self, name)
        seat = self.lab.seats[name] = Seat(self.lab, len(self.order), name)
        host.address, host.files = seat.address, Disk(seat)
        host.watchdog = False
        return host

    def stop_programs(self, host):
        host.watcher = None


class LabStory(scenario.Story):
    def __init__(self, lab):
        scenario.Story.__init__(self)
        self.world = LabWorld(lab)
        self.lab = lab

    def begin(self):
        if self.started:
            return
        self.started = True
        for name in self.world.order:
            host = self.world.hosts[name]
            host.dom0 = LabDom0(self.world, host, self.lab.seats[name])
            host.dom0.start_daemon()

    def change_links(self, names, change, cut):
        """Cables and paths are real."""
        scenario.Story.change_links(self, names, change, cut)
        if 'from' in names:
            middle = list(names).index('from')
            for one in names[:middle]:
                for other in names[middle + 1:]:
                    self.lab.path(one, other, not cut)
                    self.lab.path(other, one, not cut)
        else:
            for name in names:
                self.lab.cable(name, not cut)

    def do_daemon(self, what, name):
        if what != 'kill':
            raise ValueError('daemon kill')
        self.world.hosts[name].dom0.kill_daemon()

    def do_disk(self, what, name):
        seat = self.lab.seats[name]
        if what == 'full':
            seat.begin('cat /dev/zero >/var/filler', stderr=subprocess.DEVNULL).wait()
        else:
            seat.begin('rm -f /var/filler').wait()


class Lab(object):
    """`entered`: this process has called enter() before."""

    def __init__(self, *lines, **how):
        self.speed, self.seats = float(how.get('speed', 10)), {}
        self.folder = tempfile.mkdtemp('', 'ha-lizard-lab-')
        self.told = []
        try:
            self.story = LabStory(self)
            self.world = self.story.world
            scenario.REACTION = 6.0 * self.speed
            for line in lines:
                self.story.play(line)
        except BaseException:
            self.close()
            raise
        self.world.on_power.append(self.power_changed)
        self.began = None

    def boot_all(self):
        self.story.begin()
        self.began = ha_lizard.clock()
        self.until(lambda: len([1 for host in self.world.hosts.values()
                                if host.xapi.state == 'up']) == len(self.seats), 30)

    # -- time

    def turn(self, seconds=0.05):
        self.world.run(max(0, (ha_lizard.clock() - self.began) * self.speed - self.world.now))
        for seat in self.seats.values():
            self.mirror(seat)
        self.log()
        if self.world.moments:
            due = self.world.moments[0] / self.speed + self.began - ha_lizard.clock()
            seconds = max(0, min(seconds, due))
        speakers = {}
        for seat in self.seats.values():
            seat.clients = [each for each in seat.clients if not each.ended]
            for each in seat.clients + [seat.listener] * bool(seat.listener):
                speakers[each] = seat
        for each in select.select(list(speakers), [], [], seconds)[0]:
            seat = speakers[each]
            if each is seat.listener:
                seat.clients.append(server.Client(seat, each.accept()[0]))
            elif not each.ended:
                each.hear()

    def until(self, condition, seconds):
        end = ha_lizard.clock() + seconds
        while not condition():
            if ha_lizard.clock() >= end:
                return False
            self.turn()
        return True

    def run(self, seconds):
        self.until(lambda: False, seconds)

    def mirror(self, seat):
        """xapi's state for the page server; the power switch for the world."""
        if not seat.pid:
            return
        if seat.process.poll() is not None:
            raise AssertionError('%s died by itself: %s' % (seat.name, seat.console()[-300:]))
        host = seat.host
        host.files.seat = seat
        text = page(self.world, host)
        if getattr(seat, 'page', None) != (seat.pid, text):
            host.files['/run/lab/xapi'] = text
            ready = host.xapi.state == 'up'
            if ready and XAPI_READY not in host.files:
                host.files[XAPI_READY] = ''
            elif not ready:
                host.files.pop(XAPI_READY)
            seat.page = (seat.pid, text)
        if seat.reboot_is_due or os.path.getsize(seat.folder + '/sysrq'):
            seat.reboot_is_due = False
            with open(seat.folder + '/sysrq', 'w'):
                pass
            self.world.note('reboots itself', host)
            self.world.reboot(host.name)

    def power_changed(self, host):
        if not host.powered:
            self.seats[host.name].off()

    def log(self):
        lines = self.story.lines()
        self.told.extend(lines)
        return lines

    # -- what happens

    def play(self, line):
        self.story.play(line)
        self.log()

    def cable(self, name, is_in):
        seat = self.seats[name]
        seat.cable = is_in
        if seat.pid:
            sh('ip link set %s %s' % (seat.link, {True: 'up', False: 'down'}[is_in]))

    def path(self, one, other, is_open):
        """Packets from one to the other arrive, or get lost on the way."""
        seat, far = self.seats[one], self.seats[other]
        if not seat.pid:
            return
        command = 'ip neigh replace %s lladdr 02:00:00:00:00:99 dev eth0 nud permanent'
        if is_open:
            command = 'ip neigh del %s dev eth0'
        seat.begin(command % far.address).wait()

    def on(self, name, command, seconds=120, **how):
        """(status, output) of a command in a host; time passes meanwhile."""
        with tempfile.TemporaryFile() as output:
            process = self.seats[name].begin(command, stdout=output, stderr=subprocess.STDOUT,
                                             **how)
            if not self.until(lambda: process.poll() is not None, seconds):
                process.kill()
            status = process.wait()
            output.seek(0)
            return status, output.read().decode('utf-8', 'replace')

    def on_all(self, command, seconds=120):
        """{name: (status, output)}; all of them at the same time."""
        running, found = {}, {}
        for name, seat in self.seats.items():
            if seat.pid:
                output = tempfile.TemporaryFile()
                running[name] = output, seat.begin(command, stdout=output,
                                                   stderr=subprocess.STDOUT)
        self.until(lambda: not [1 for _, each in running.values() if each.poll() is None], seconds)
        for name, (output, process) in running.items():
            if process.poll() is None:
                process.kill()
            status = process.wait()
            output.seek(0)
            found[name] = status, output.read().decode('utf-8', 'replace')
            output.close()
        return found

    # -- the truth

    def where(self, vm):
        return self.world.where(self.story.vms[vm])

    def masters(self):
        """Whose xapi is the master, also while it hangs."""
        return sorted([host.name for host in self.world.hosts.values() if host.powered
                       and (host.xapi.role or '').split(':')[0] == 'master'])

    def roles(self):
        return dict([(name, host.powered and host.xapi.state == 'up' and host.xapi.role)
                     for name, host in self.world.hosts.items()])

    def text(self, name, path):
        return self.world.hosts[name].files.get(path, '')

    def close(self):
        """No process, mount or folder is left."""
        for seat in self.seats.values():
            seat.off()
        for seat in self.seats.values():
            seat.wait_for_the_end()
            subprocess.call(['umount', '-l', seat.folder], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, True)


def page(world, host):
    """What the xapi of a host says of itself to someone without a password."""
    if host.xapi.state == 'hung':
        return 'hung'
    role = world.pool.role_of(host)
    if role == 'master':
        return 'SESSION_AUTHENTICATION_FAILED'
    if role:
        return 'HOST_IS_SLAVE ' + role.split(':', 1)[1]
    if host.xapi.state == 'emergency':
        return host.xapi.reason[0]
    return 'down'


# -- for tests ----------------------------------------------------------------

#: a copy of the product that a test may change, and the way there
COPY = ('mkdir -p /var/lab/product && cd %s && cp -a ha_lizard.py ha-cfg install.sh uninstall.sh '
        'init.d fence /var/lab/product && cd /var/lab/product' % ROOT)
INSTALL = 'cd %s && ./install.sh --yes </dev/null' % ROOT


def haste(path):
    """The command after which the watcher of that file ticks ten times as often."""
    return ("sed -i 's/^CALM, ALERT = 2.0, 1.0/CALM, ALERT = 0.2, 0.1/' %s; "
            "grep -q '^CALM, ALERT = 0.2' %s" % (path, path))


def needed(test):
    """Decorate what needs hosts: where there can be none it is left out, and said."""
    why = objection()
    return unittest.skipIf(why, why)(test)


class Case(base.TestCase):
    """Tests that share a lab: of the pool that POOL describes, without services
    at a boot.  prepare() is what is done to it before the first test."""
    POOL = ()
    name = 'a'                      # of the host that on() and most else mean

    @classmethod
    def setUpClass(cls):
        enter()
        cls.lab = Lab(*cls.POOL)
        try:
            for seat in cls.lab.seats.values():
                seat.services = False
            cls.lab.boot_all()
            cls.prepare()
        except BaseException:
            cls.lab.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.lab.close()

    @classmethod
    def prepare(cls):
        """Nothing but the hosts."""

    @classmethod
    def done_on_all(cls, command):
        """Do that on every host at the same time; it must succeed."""
        for name, (status, output) in cls.lab.on_all(command).items():
            if status:
                raise AssertionError('%s on %s: %s' % (command, name, output))

    seat = property(lambda self: self.lab.seats[self.name])

    def on(self, command, status=0, name=None, **how):
        """The output of a command; its status must be that one, unless None."""
        got, output = self.lab.on(name or self.name, command, **how)
        if status is not None:
            self.assertEqual(status, got, output)
        return output

    def read(self, path):
        return self.lab.text(self.name, path)

    def programs(self):
        return sorted(self.seat.processes().values())


class Dog(object):
    """A watchdog device of a host that would reset it: a pipe that is named so.

    What is written feeds it; `V` right before the end stops it; an end without
    one, or a silence longer than `patience`, is the reset.
    """

    def __init__(self, lab, name, patience):
        self.place, self.patience = lab.world.hosts[name].files.place('/dev/watchdog'), patience
        os.mkfifo(self.place)
        self.fd = os.open(self.place, os.O_RDONLY | os.O_NONBLOCK)
        self.fed, self.last, self.opened, self.stood_down, self.resets = None, b'', 0, 0, 0
        self.open_ = False

    def look(self):
        now = ha_lizard.clock()
        try:
            data = os.read(self.fd, 4096)
        except BlockingIOError:             # it is open and nothing comes
            data = None
        if data:
            self.opened += not self.open_
            # Closed, and opened again before anybody looked.
            self.stood_down += (self.last * self.open_ + data)[:-1].count(b'V')
            self.open_, self.fed, self.last = True, now, data[-1:]
        elif data == b'' and self.open_:
            self.open_ = False
            if self.last == b'V':
                self.stood_down += 1
            else:
                self.resets += 1
        if self.open_ and self.last != b'V' and now - self.fed > self.patience:
            self.resets += 1
            self.fed = now

    def close(self):
        os.close(self.fd)
