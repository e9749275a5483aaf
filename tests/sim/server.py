"""A simulated pool around real processes, in real time: tests/sim/serve.

One host of the pool is `chosen`: its disk is a scratch directory, and what it
runs are real processes with HA_LIZARD_ROOT set to it.  The others live in the
world of this process, with their own daemons.

    disk        the scratch directory as the world sees it
    places      the addresses of the others, which answer probes or do not
    clients     `xe` and the like: executables in the scratch root that ask here
    server      the loop that lets time pass for all of them

An address of the simulator, 10.0.0.N, becomes 127.0.1.N, and one port there,
TCP and UDP, stands for all of a host's.  The kernel answers every ping to a
loopback address, so nobody is asked by ICMP: HA_LIZARD_PLACE=ADDRESS:PORT, of
the chosen host, tells the product so.
"""

import errno
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from devices import AGENT
from dom0 import FOREVER, SimDom0
from ha_lizard import (BOOT_ID, PROGRAM, PUBLIC, XAPI_READY, caught, clock, read_file,
                       read_watch, steadily, to_bytes, to_text)
from scenario import SimWorld, Story, Wrong

HERE = os.path.dirname(os.path.abspath(__file__))
SYSRQ = '/proc/sysrq-trigger'
TOOLS = '/opt/xensource/bin'
#: what runs clients: without `site`, Python is there twice as fast
CLIENT = '#!/bin/sh\nexec "%s" -S -E "%s" "%s" %%s "$@"\n' % (
    sys.executable, os.path.join(HERE, 'client.py'), '%s')
#: the executables of the scratch root
PROGRAMS = ['%s/%s' % (TOOLS, name) for name in (
    'xe', 'ssh', 'ipmitool', 'list_domains', 'xl', 'world', 'xe-toolstack-restart')] + [
    '/sbin/reboot', '/opt/xensource/sm/resetvdis.py']
LONGEST_SLEEP = 0.05        # seconds between two looks at what nobody tells us


# -- disk ---------------------------------------------------------------------

class Files(object):
    """{path: text} of the host whose file `path` lies at place(path)."""

    def get(self, path, default=None):
        return read_file(self.place(path), default)

    def __contains__(self, path):
        return os.path.exists(self.place(path))

    def __getitem__(self, path):
        text = self.get(path)
        if text is None:
            raise KeyError(path)
        return text

    def update(self, files):
        for path in sorted(files):
            self[path] = files[path]

    def pop(self, path, default=None):
        text = self.get(path, default)
        if path in self:
            os.remove(self.place(path))
        return text


class Disk(Files):
    """Of a host on a real disk: what the daemon writes there is what the world
    sees, and the other way round."""

    def __init__(self, root, client):
        self.root, self.client = root, client

    def place(self, path):
        return self.root + os.path.normpath('/' + path.lstrip('/'))

    def __setitem__(self, path, text):
        """At once or not at all; a fence agent becomes one that works."""
        place, mode = self.place(path), PUBLIC
        if AGENT.search(path):
            text, mode = self.client(place) + text.split('\n', 1)[-1], PROGRAM
        if not os.path.isdir(os.path.dirname(place)):
            os.makedirs(os.path.dirname(place))
        write_whole(place, text, mode)


def write_whole(place, text, mode):
    stream = open(place + '.new', 'wb')
    try:
        stream.write(to_bytes(text))
    finally:
        stream.close()
    os.chmod(place + '.new', mode)
    os.rename(place + '.new', place)


# -- the world ----------------------------------------------------------------

class ServedDom0(SimDom0):
    """The chosen host: its programs are real ones."""

    def __init__(self, world, host, server):
        SimDom0.__init__(self, world, host)
        self.server, self.inbox = server, Outbox(server)
        self.start_daemon()

    def start_daemon(self):
        """Whoever serves starts it, or does not; others may write to it."""
        self.host.watcher = self
        self.guardian = self

    def given(self):
        """What the real watcher promises, as it wrote it down."""
        watch = read_watch(self, self.read(BOOT_ID).strip())
        return watch and watch.guardian.lease is not None

    def tick(self, watcher):
        """There is nothing to do here."""

    def kill_daemon(self):
        raise ValueError('the daemon of this host is a real process')


class Outbox(object):
    """What simulated watchers tell the chosen host goes out by UDP."""

    def __init__(self, server):
        self.server = server

    def append(self, item):
        address, packet = item
        place, host = self.server.places.get(address), self.server.host
        if place:
            try:
                place.wire.sendto(to_bytes(packet), (host.address, self.server.port))
            except (EnvironmentError, socket.error):    # nobody listens there
                pass


class ServedWorld(SimWorld):
    def __init__(self, chosen, disk):
        SimWorld.__init__(self)
        self.chosen, self.disk = chosen, disk

    def add_host(self, name):
        host = SimWorld.add_host(self, name)
        host.address = local(host.address)
        if name == self.chosen:
            host.files = self.disk
        return host


class ServedStory(Story):
    """A Story whose addresses exist on this machine."""

    def __init__(self, server, chosen, disk):
        Story.__init__(self, chosen)
        self.server, self.world = server, ServedWorld(chosen, disk)

    def play(self, line):
        Story.play(self, local(line))

    def begin(self):
        Story.begin(self)
        host = self.world.hosts[self.chosen]
        host.dom0 = ServedDom0(self.world, host, self.server)


def local(text):
    return re.sub(r'\b10\.0\.0\.(\d+)\b', r'127.0.1.\1', text)


# -- places -------------------------------------------------------------------

class Place(object):
    """One address: who connects is heard, or the packets are lost.

    To be silent on loopback, where even a closed port answers, is an art: the
    kernel drops what comes to a port whose queue is full.
    """

    def __init__(self, address, port):
        self.address, self.alive, self.fillers = address, True, []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(64)
        self.listener.setblocking(0)
        self.wire = datagrams(address, self.listener.getsockname()[1])

    def turn(self, alive):
        """Be alive, or be silent, from now on."""
        if alive != self.alive:
            self.alive = alive
            self.empty()
            if alive:
                self.listener.listen(64)
            else:
                self.listener.listen(0)
                self.fill()

    def fill(self):
        while len(self.fillers) < 8:
            link = socket.socket()
            link.setblocking(0)
            self.fillers.append(link)
            link.connect_ex(self.listener.getsockname())
            if not steadily(select.select, [], [link], [], 0.01)[1]:
                break                       # nobody gets through any more

    def empty(self):
        for link in self.fillers + self.accept():
            link.close()
        self.fillers = []

    def heard(self):
        """The datagrams that have come."""
        packets = []
        while True:
            try:
                packets.append(to_text(self.wire.recv(65536)))
            except (EnvironmentError, socket.error):
                return packets

    def accept(self):
        links = []
        while True:
            try:
                links.append(self.listener.accept()[0])
            except (EnvironmentError, socket.error):
                return links

    def close(self):
        self.empty()
        self.listener.close()
        self.wire.close()


def datagrams(address, port):
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.bind((address, port))
    link.setblocking(0)
    return link


class Caller(object):
    """Someone at the port of a host: a probe, or the question for its role."""

    def __init__(self, world, place, link):
        self.world, self.place, self.link = world, place, link
        self.link.setblocking(0)
        self.said, self.ended = '', False

    def fileno(self):
        return self.link.fileno()

    def hear(self):
        data = receive(self.link)
        self.said += to_text(data or to_bytes(''))
        if data and '</methodCall>' in self.said:
            self.answer()
        elif data is not None and not data:
            self.close()

    def answer(self):
        """A slave tells its master at once; a master refuses a login late."""
        host = self.world.host_at(self.place.address)
        role = host and self.world.pool.role_of(host)
        if role == 'master':
            self.world.at(5, self.speak, 'SESSION_AUTHENTICATION_FAILED')
        elif role:
            self.speak('HOST_IS_SLAVE', role.split(':', 1)[1])
        elif host and host.xapi.state == 'emergency':
            self.speak(host.xapi.reason[0])
        elif not host or host.xapi.state != 'hung':
            self.close()

    def speak(self, *words):
        if self.place.alive and not self.ended:
            send(self.link, to_bytes(fault(words)))
            self.close()

    def close(self):
        self.ended = True
        self.link.close()


def fault(words):
    body = ('<?xml version="1.0"?><methodResponse><params><param><value><struct>'
            '<member><name>Status</name><value>Failure</value></member><member>'
            '<name>ErrorDescription</name><value><array><data>%s</data></array></value>'
            '</member></struct></value></param></params></methodResponse>' % ''.join(
                ['<value>%s</value>' % word for word in words]))
    return ('HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: text/xml\r\n\r\n%s'
            % (len(body), body))


def receive(link):
    """What has come, nothing at its end, None if there is only an interruption."""
    try:
        return link.recv(65536)
    except (EnvironmentError, socket.error):
        if caught().args[0] in (errno.EAGAIN, errno.EINTR):
            return None
        return to_bytes('')


def send(link, data):
    """To someone who may be gone, which is no reason to stop."""
    try:
        link.setblocking(1)
        link.settimeout(5)
        link.sendall(data)
    except (EnvironmentError, socket.error):
        pass


# -- clients ------------------------------------------------------------------

class Client(object):
    """A program of the scratch root that waits for what it shall print."""

    def __init__(self, server, link):
        self.server, self.link, self.data = server, link, to_bytes('')
        self.link.setblocking(0)
        self.job, self.ended, self.asked = None, False, False

    def fileno(self):
        return self.link.fileno()

    def hear(self):
        data = receive(self.link)
        if data is not None and not data:
            return self.die()
        self.data += data or to_bytes('')
        if not self.asked and self.is_complete():
            self.asked = True
            self.run()

    def is_complete(self):
        head = self.data.split(to_bytes('\n'), 1)
        return len(head) == 2 and len(head[1]) == int(head[0].split()[2])

    def run(self):
        head, body = to_text(self.data).split('\n', 1)
        words, more, _ = [int(word) for word in head.split()]
        texts = body.split('\0', words + more)
        argv, feed = texts[:words], texts[-1]
        env = dict([text.split('=', 1) for text in texts[words:-1]])
        self.server.called.append(argv)
        own = OWN.get(argv[0]) or OWN.get(' '.join(argv[:2]))
        if own:
            return self.say(*own(self.server, argv[1:]))
        try:
            job = self.server.host.dom0.begin(
                argv, FOREVER, feed, env, env.pop('PASSWORD', None))
        except KeyboardInterrupt:           # PowerLost: the host is off
            return self.die()
        except (TypeError, ValueError):     # words that the simulator does not know
            return self.say(2, '', '%s: %s\n' % (argv[0], caught()))
        self.job, job.waiter = job, self
        if job.result is not None:
            self.wake()

    def wake(self):
        """The job that this is the waiter of has ended."""
        result = self.job.result
        self.say(result.status, result.output, result.errors)

    def say(self, status, output='', errors=''):
        output = to_bytes(output)
        send(self.link, to_bytes('%d %d\n' % (status, len(output))) + output + to_bytes(errors))
        self.close()

    def die(self):
        """It was killed; what xapi does for it goes on."""
        if self.job and self.job.client:
            self.job.client.client_killed()
        self.close()

    def close(self):
        self.ended = True
        self.link.close()


# What the simulator does not know, by the name of the program or its first two
# words: functions of the server and the arguments -> (status, output, errors).

def xl(server, words):
    """`xl list`; the rest the simulator knows."""
    row = '%-40s %5s %5s %5s %10s %9s'
    lines = [row % ('Name', 'ID', 'Mem', 'VCPUs', 'State', 'Time(s)'),
             row % ('Domain-0', 0, 1024, 4, 'r-----', '100.0')]
    numbers = server.host.numbers
    for uuid, state in sorted(server.host.domains.items()):
        lines.append(row % (server.world.names.get(uuid, uuid),
                            numbers.setdefault(uuid, len(numbers) + 1), 1024, 1,
                            {'running': '-b----', 'paused': '--p---'}[state], '10.0'))
    return 0, '\n'.join(lines) + '\n', ''


def reboot(server, words):
    server.reboot_is_due = True
    return 0, '', ''


def play(server, words):
    """`world COMMAND...`: a command of a scenario."""
    try:
        server.log()
        server.story.play(' '.join(words))
        return 0, '\n'.join(server.log() + ['']).lstrip('\n'), ''
    except Wrong:
        return 2, '', 'world: %s\n' % caught()


OWN = {'xl list': xl, 'reboot': reboot, 'world': play}


# -- server -------------------------------------------------------------------

class Server(object):
    """Lets the world live for one host.  close() ends all that runs there.

    `lines`: the scenario.  What stands before its first `run` is done when
    this is made, the rest when its time comes.
    """

    def __init__(self, lines, chosen=None, speed=1.0):
        self.root = os.path.realpath(tempfile.mkdtemp('', 'ha-lizard-'))
        self.clients, self.callers, self.places = [], [], {}
        self.called, self.told, self.speed = [], [], speed
        self.listener, self.reboot_is_due = None, False
        try:
            self.set_up(lines, chosen)
        except:
            self.close()
            raise

    def set_up(self, lines, chosen):
        lines, moment, self.plan = [line.strip() for line in lines], 0.0, []
        names = [line.split()[1:] for line in lines if line.split()[:1] == ['pool']]
        if not names or (chosen or names[0][0]) not in names[0]:
            raise Wrong('there is no pool with a host %s' % chosen)
        self.story = ServedStory(self, chosen or names[0][0],
                                 Disk(self.root, self.client))
        self.world = self.story.world
        for line in lines:
            if line.split()[:1] == ['run']:
                moment += float(line.split()[1])
            elif moment:
                self.plan.append((moment, line))
            else:
                self.story.play(line)
        self.host = self.world.hosts[self.story.chosen]
        self.make_root()
        self.listen()
        self.world.on_power.append(self.power_changed)
        self.story.begin()
        self.began = clock()
        self.mirror()

    # -- the scratch root -----------------------------------------------------

    def client(self, name):
        """The text of an executable that is called `name` here."""
        return CLIENT % (self.root + '/world.socket', name)

    def make_root(self):
        for path in PROGRAMS:
            name = path
            if not path.endswith('.py'):
                name = os.path.basename(path)
            self.host.files[path] = self.client(name)
            os.chmod(self.root + path, PROGRAM)
        self.host.files[SYSRQ] = ''
        for folder in ('/etc/ha-lizard/state', '/etc/ha-lizard/fence', '/var/run', '/var/log',
                       '/dev', '/root'):
            if not os.path.isdir(self.root + folder):
                os.makedirs(self.root + folder)
        if self.host.watchdog:
            self.host.files['/dev/watchdog'] = ''       # it eats, and never bites
        self.write_boot_id()

    def write_boot_id(self):
        # As SimDom0 has it, for what the world reads on this disk.
        self.host.files[BOOT_ID] = 'boot-%s-%d\n' % (self.host.name, self.host.boots)

    def environment(self):
        """Of the processes of the chosen host."""
        environment = dict(os.environ)
        environment.update({
            'HA_LIZARD_ROOT': self.root,
            'HA_LIZARD_PLACE': '%s:%d' % (self.host.address, self.port),
            'PATH': '%s%s:%s' % (self.root, TOOLS, os.environ.get('PATH', '/usr/bin:/bin'))})
        return environment

    # -- processes ------------------------------------------------------------

    def begin(self, argv, **how):
        """Start a process of the chosen host."""
        return subprocess.Popen(argv, env=self.environment(), close_fds=True, **how)

    def run(self, argv, seconds=60, **how):
        """(status, output and errors) of one that ends."""
        output, nothing = tempfile.TemporaryFile(), open(os.devnull)
        try:
            process = self.begin(argv, stdin=nothing, stdout=output,
                                 stderr=subprocess.STDOUT, **how)
            if not self.until(lambda: process.poll() is not None, seconds):
                self.kill()
            status = process.wait()
            output.seek(0)
            return status, to_text(output.read())
        finally:
            output.close()
            nothing.close()

    def pids(self):
        """All processes of the chosen host, whoever started them."""
        mark, found = 'HA_LIZARD_ROOT=%s\0' % self.root, []
        for name in os.listdir('/proc'):
            if name.isdigit() and ('\0' + mark) in '\0' + read_file(
                    '/proc/%s/environ' % name, ''):
                found.append(int(name))
        return found

    def kill(self, number=signal.SIGKILL):
        """End them all; those that they start meanwhile, too."""
        for _ in range(100):
            found = self.pids()
            if not found:
                break
            for pid in found:
                try:
                    os.kill(pid, number)
                except EnvironmentError:        # it has ended by itself
                    pass

    # -- network --------------------------------------------------------------

    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.root + '/world.socket')
        self.listener.listen(64)
        self.listener.setblocking(0)
        for attempt in range(20):
            try:
                self.open_places(0)
                break
            except (EnvironmentError, socket.error):
                # The port is taken on one of the addresses: another one.
                self.close_places()
                if attempt == 19:
                    raise

    def open_places(self, port):
        addresses = [host.address for host in self.world.hosts.values()
                     if host is not self.host and host.address.startswith('127.')]
        self.port = port
        # A pool of one has nobody to talk to, and a port all the same.
        for address in addresses + sorted(self.world.witnesses) or ['127.0.1.250']:
            place = self.places[address] = Place(address, self.port)
            self.port = place.listener.getsockname()[1]
        datagrams(self.host.address, self.port).close()         # is it free there?

    def close_places(self):
        for place in self.places.values():
            place.close()
        self.places = {}

    # -- time -----------------------------------------------------------------

    def until(self, condition, seconds):
        """Let time pass until condition() holds: whether it came to that."""
        end = clock() + seconds
        while not condition():
            if clock() >= end:
                return False
            self.turn(LONGEST_SLEEP)
        return True

    def turn(self, seconds):
        """Do what is due now, then wait for someone to ask something."""
        self.advance((clock() - self.began) * self.speed)
        self.mirror()
        self.log()
        self.forget_the_ended()
        if self.world.moments:
            next_event = self.world.moments[0] / self.speed + self.began - clock()
            seconds = max(0, min(seconds, next_event))
        speakers = [self.listener] + self.clients + self.callers
        for place in self.places.values():
            speakers += [place.wire] + [place.listener] * place.alive
        for speaker in steadily(select.select, speakers, [], [], seconds)[0]:
            self.hear(speaker)

    def forget_the_ended(self):
        self.clients = [each for each in self.clients if not each.ended]
        self.callers = [each for each in self.callers if not each.ended]

    def advance(self, moment):
        while self.plan and self.plan[0][0] <= moment:
            due, line = self.plan.pop(0)
            self.world.run(max(0, due - self.world.now))
            self.story.play(line)
        self.world.run(max(0, moment - self.world.now))

    def hear(self, speaker):
        if speaker is self.listener:
            self.clients.append(Client(self, self.listener.accept()[0]))
        elif speaker in self.clients or speaker in self.callers:
            speaker.hear()
        else:
            for place in self.places.values():
                if place.listener is speaker:
                    self.callers.extend([Caller(self.world, place, link)
                                         for link in place.accept()])
                elif place.wire is speaker:
                    for packet in place.heard():
                        self.host.dom0.tell({place.address: packet})

    def mirror(self):
        """What of the world shows on the machine, and the other way round."""
        for address, place in self.places.items():
            place.turn(self.host.dom0.replies(address))
        ready = self.host.powered and self.host.xapi.state == 'up'
        if ready != (XAPI_READY in self.host.files):
            if ready:
                self.host.files[XAPI_READY] = ''
            else:
                self.host.files.pop(XAPI_READY)
        if self.host.files.get(SYSRQ, '') or self.reboot_is_due:
            self.host.files[SYSRQ], self.reboot_is_due = '', False
            self.kill()
            self.world.note('reboots itself', self.host)
            self.world.reboot(self.host.name)

    def power_changed(self, host):
        if host is self.host and host.powered:
            self.write_boot_id()
        elif host is self.host:
            self.kill()

    def log(self):
        """What the world has said since the last call; all of it is in `told`."""
        lines = self.story.lines()
        self.told.extend(lines)
        return lines

    # -- the truth ------------------------------------------------------------

    def where(self, name):
        """The hosts on which a VM runs."""
        return self.world.where(self.story.vms[name])

    def calls(self):
        """The commands of xe that the chosen host has called."""
        return [argv[1] for argv in self.called if argv[0] == 'xe' and argv[1:]]

    def close(self):
        """Leave no process, no file, no port and no thread."""
        self.kill()
        for each in self.clients + self.callers + [self.listener] * bool(self.listener):
            each.close()
        self.close_places()
        if hasattr(self, 'story'):
            self.story.close()
        shutil.rmtree(self.root, True)
