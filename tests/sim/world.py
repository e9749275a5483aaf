"""The world of a simulated pool: time, power, links, and what really runs.

Virtual time: nothing happens between two events, and the clock jumps from one
to the next.  Events of the same moment happen in the order in which they were
planned, so the same input always gives the same story, on every Python.

The programs of the hosts block -- a round waits ten seconds for `xe` -- and
the others must run on meanwhile.  So each is a thread, but only one runs at a
time: it hands the baton back to the world when it waits, and gets it again
when the world's clock has come to the moment that it waits for.
"""

import heapq
import sys
from collections import deque

try:
    from _thread import allocate_lock, start_new_thread
except ImportError:
    from thread import allocate_lock, start_new_thread


class PowerLost(KeyboardInterrupt):
    """A simulated program stops in the middle of whatever it was doing."""


class Costs(object):
    """Seconds that things take: the figures of the main job."""

    def __init__(self):
        self.xe = 0.15              # a call of xe
        self.dead_check = 3.0       # xapi finds that a dead host does not answer
        self.announce = 10.0        # between the order to promote and the restart
        self.restart = 30.0         # of xapi
        self.boot = 60.0            # from power on to "xapi is ready"
        self.network = 30.0         # from power on to the first answer to a probe
        self.start = 3.0            # of a VM
        self.migrate = 5.0
        self.shutdown = 2.0


class Ticket(object):
    """A planned event."""

    def __init__(self, function, arguments):
        self.function, self.arguments = function, arguments

    def cancel(self):
        self.function = None


class Thread(object):
    """Runs one program after the other: to start a thread takes longer than a
    round."""

    def __init__(self, world):
        self.world, self.turn, self.program = world, allocate_lock(), None
        self.turn.acquire()
        start_new_thread(self.main, ())

    def main(self):
        self.turn.acquire()
        while self.program:             # none: the story is over
            self.program.main()
            self.program = None
            self.world.idle.append(self)
            self.world.baton.release()
            self.turn.acquire()


class Program(object):
    """Runs in a thread, and only when the world lets it."""

    def __init__(self, world, host, work):
        self.world, self.host, self.work = world, host, work
        self.token, self.dead, self.over = 0, False, False
        if not world.idle:
            world.idle.append(Thread(world))
        self.thread = world.idle.pop()
        self.thread.program, self.turn = self, self.thread.turn
        world.at(0, self.resume, self.token)

    def main(self):
        try:
            if not self.dead:
                self.work()
        except PowerLost:
            pass
        except:
            self.world.crash(sys.exc_info())
        self.over = True

    def resume(self, token):
        """The world gives the turn to this program, unless it waits no more."""
        if token != self.token or self.over:
            return
        world = self.world
        before, world.current = world.current, self
        self.turn.release()
        world.baton.acquire()
        world.current = before

    def wait(self, seconds):
        """Called by the program itself: give the turn back for some time."""
        self.token += 1
        ticket = self.world.at(seconds, self.resume, self.token)
        self.world.baton.release()
        self.turn.acquire()
        ticket.cancel()
        self.token += 1
        if self.dead:
            raise PowerLost()

    def wake(self):
        """Something that this program waits for has happened."""
        self.world.at(0, self.resume, self.token)

    def kill(self):
        """Ends where it stands.  Its own `finally` clauses run, powerless."""
        if not self.over:
            self.dead = True
            if self.world.current is not self:
                self.resume(self.token)


class Host(object):
    """A machine: what survives the loss of power, and what does not."""

    def __init__(self, world, name, number):
        self.world, self.name = world, name
        self.uuid, self.address = world.new_uuid('host'), '10.0.0.%d' % number
        self.powered, self.online, self.boots = True, True, 1
        self.booted = 0.0               # when this boot began
        self.files, self.disk_full = {}, False
        self.domains = {}               # vm uuid -> 'running' or 'paused'
        self.numbers = {}               # vm uuid -> domain id
        self.storage = True             # it reaches the shared storage
        self.icmp = True                # it answers to ping
        self.watchdog = True            # /dev/watchdog works there
        self.dog = None                 # the ticket of its bite
        self.no_daemon = False          # somebody stopped it: `daemon kill`
        self.promised = {}              # who heard that it would stop its VMs if it were
                                        # cut off: name -> number of that boot
        self.clock = 0                  # seconds by which its wall clock is wrong
        self.old_version = False        # it runs a program without datagrams
        self.xapi = self.watcher = self.dom0 = None
        self.programs = []

    def __str__(self):
        return self.name


class World(object):
    """All hosts, the links between them, and the one clock."""

    def __init__(self):
        self.now, self.count = 0.0, 0
        self.moments, self.events = [], {}      # a heap; moment -> Tickets, in order
        self.costs, self.hosts, self.order = Costs(), {}, []
        self.found = {}                 # address -> Host: where it was last
        self.cuts = {}                  # (from, to) -> 1: no packet passes
        self.witnesses = {}             # address -> names, or None for every host
        self.cut_off = {}               # name -> 1: sees no witness
        self.baton, self.current, self.failure = allocate_lock(), None, None
        self.baton.acquire()
        self.idle = []                  # Threads without a program
        self.uuids, self.truth, self.violations = {}, [], []
        self.pool = self.devices = None
        self.on_power = []              # called with a host when its power changes
        self.names = {}                 # vm uuid -> name, for the truth's log

    # -- time -----------------------------------------------------------------

    def at(self, delay, function, *arguments):
        self.count += 1
        ticket, moment = Ticket(function, arguments), self.now + delay
        if moment in self.events:
            self.events[moment].append(ticket)
        else:
            self.events[moment] = deque([ticket])
            heapq.heappush(self.moments, moment)
        return ticket

    def run(self, seconds):
        """Let `seconds` pass."""
        end, moments = self.now + seconds, self.moments
        while moments and moments[0] <= end:
            self.now = moments[0]
            tickets = self.events[self.now]
            if tickets:
                ticket = tickets.popleft()
                if ticket.function:
                    ticket.function(*ticket.arguments)
                if self.failure:
                    self.raise_failure()
            else:
                del self.events[heapq.heappop(moments)]
        self.now = end

    def crash(self, error):
        """A bug in a program stops the whole simulation, with its traceback."""
        self.failure = error

    def raise_failure(self):
        import traceback
        text = ''.join(traceback.format_exception(*self.failure))
        self.failure = None
        raise AssertionError('a program of the simulation failed:\n' + text)

    # -- names ----------------------------------------------------------------

    def new_uuid(self, kind):
        number = self.uuids[kind] = self.uuids.get(kind, 0) + 1
        kinds = ('host', 'vm', 'pool', 'sr', 'vdi', 'vbd', 'pbd', 'appliance',
                 'message', 'task', 'dom0', 'network', 'pif')
        first = (list(kinds) + [kind]).index(kind) + 160
        return '%02x%02x%02x%02x-0000-4000-8000-%012x' % (first, first, first, first, number)

    def host_by(self, uuid):
        for host in self.hosts.values():
            if host.uuid == uuid:
                return host

    def host_at(self, address):
        host = self.found.get(address)
        if host and host.address == address:
            return host
        for host in self.hosts.values():
            if host.address == address:
                self.found[address] = host
                return host

    def add_host(self, name):
        host = self.hosts[name] = Host(self, name, len(self.order) + 1)
        self.order.append(name)
        return host

    # -- links ----------------------------------------------------------------

    def passes(self, a, b):
        """Does a packet from a reach b?"""
        return (self.hosts[a].online and self.hosts[b].online
                and (a == b or (a, b) not in self.cuts))

    def reaches(self, a, b):
        """Can a and b talk (TCP, an echo and its reply)?"""
        return self.passes(a, b) and (a == b or (b, a) not in self.cuts)

    def cut(self, a, b, one_way=False):
        self.cuts[(a, b)] = 1
        if not one_way:
            self.cuts[(b, a)] = 1

    def heal(self, a, b):
        self.cuts.pop((a, b), None)
        self.cuts.pop((b, a), None)

    def links_changed(self):
        if self.pool:
            self.pool.links_changed()

    def sees(self, name, address):
        """Does the host get an answer to a ping from a witness?"""
        if address not in self.witnesses or name in self.cut_off:
            return False
        names = self.witnesses[address]
        return self.hosts[name].online and (names is None or name in names)

    # -- power ----------------------------------------------------------------

    def power_off(self, name):
        host = self.hosts[name]
        if not host.powered:
            return
        self.note('power off', host)
        host.powered = host.online = False
        if host.dog:
            host.dog.cancel()
            host.dog = None
        for uuid in sorted(host.domains):
            self.stop_domain(host, uuid)
        self.stop_programs(host)
        self.pool.power_lost(host)
        self.links_changed()
        for function in self.on_power:
            function(host)

    def power_on(self, name):
        host = self.hosts[name]
        if host.powered:
            return
        self.note('power on', host)
        host.powered, host.booted = True, self.now
        host.boots += 1
        self.pool.power_on(host)
        self.at(self.costs.network, self.come_online, host, host.boots)
        for function in self.on_power:
            function(host)

    def come_online(self, host, boots):
        if host.powered and host.boots == boots:
            host.online = True
            self.links_changed()
            if host.dom0 and not host.no_daemon:
                host.dom0.start_daemon()

    def reboot(self, name):
        self.power_off(name)
        self.power_on(name)

    def stop_programs(self, host):
        host.watcher = None
        programs, host.programs = host.programs, []
        for program in programs:
            program.kill()

    def close(self):
        """End all programs and their threads."""
        for name in self.order:
            self.stop_programs(self.hosts[name])
        for thread in self.idle:
            thread.turn.release()
        self.idle = []

    # -- the truth ------------------------------------------------------------

    def watch_fence(self, name):
        """A device is about to switch a host off."""

    def note(self, what, host=None, vm=None):
        """(moment, what, host name, vm name): the truth's own log."""
        self.truth.append((self.now, what, host and host.name or '',
                           vm and self.names.get(vm, vm) or ''))

    def violate(self, text):
        self.violations.append((self.now, text))

    def where(self, vm_uuid):
        """Names of the hosts on which a VM really runs."""
        return [name for name in self.order if vm_uuid in self.hosts[name].domains]

    def start_domain(self, host, vm_uuid, state='running'):
        elsewhere = [name for name in self.where(vm_uuid) if name != host.name]
        host.domains[vm_uuid] = state
        self.note('runs', host, vm_uuid)
        if elsewhere:
            self.violate('I1 %s runs on %s and on %s' % (
                self.names.get(vm_uuid, vm_uuid), ', '.join(elsewhere), host.name))

    def stop_domain(self, host, vm_uuid):
        if host.domains.pop(vm_uuid, None):
            self.note('stops', host, vm_uuid)
