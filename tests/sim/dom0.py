"""The seam: a Dom0 whose machine is a Host of the World.

It has the methods of ha_lizard.Dom0 and nothing else replaces anything: the
parsing of xe's text, the deadlines, the files and the rounds are the real ones.
"""

import ha_lizard
from world import PowerLost, Program

WALL = 1764000000           # 2025-11-24 16:00:00 UTC: the day the world begins
FOREVER = 10 ** 9


class SimJob(object):
    """A child process."""

    def __init__(self, argv, deadline):
        self.argv, self.deadline = argv, deadline
        self.result = self.waiter = self.client = self.program = None


class SimChild(object):
    """A round."""

    def __init__(self, dom0, work):
        self.promise, self.dom0, self.memory = dom0.now() + 60, dom0, ''
        self.program = dom0.run_program(work)
        self.program.child = self

    def ended(self):
        return self.program.over

    def kill(self):
        self.dom0.kill_family(self.program)


class SimDom0(object):
    """One simulated host, during one boot."""

    def __init__(self, world, host):
        self.world, self.host, self.boots = world, host, host.boots
        self.asked, self.inbox, self.dog = set(), [], None

    def check(self):
        """A program of an earlier boot, or of a dead daemon, does nothing more."""
        if not self.host.powered or self.boots != self.host.boots:
            raise PowerLost()
        if self.world.current and self.world.current.dead:
            raise PowerLost()

    # -- the daemon -----------------------------------------------------------

    def start_daemon(self):
        """As init does after a boot, or the watchdog after a death."""
        dom0 = SimDom0(self.world, self.host)
        self.host.dom0 = dom0
        self.host.watcher = None
        self.host.watcher = ha_lizard.Watcher(dom0)
        self.world.at(0, dom0.tick, self.host.watcher)

    def kill_daemon(self):
        self.world.stop_programs(self.host)

    def tick(self, watcher):
        if self.host.watcher is watcher and self.boots == self.host.boots:
            try:
                self.world.at(watcher.tick(), self.tick, watcher)
            except PowerLost:
                pass

    def run_program(self, work):
        program = Program(self.world, self.host, work)
        program.parent, program.child = self.world.current, None
        self.host.programs = [each for each in self.host.programs if not each.over]
        self.host.programs.append(program)
        return program

    def kill_family(self, program):
        for other in list(self.host.programs):
            if other.parent is program:
                self.kill_family(other)
        program.kill()

    # -- time -----------------------------------------------------------------

    def now(self):
        return self.world.now - self.host.booted

    def wall(self):
        return WALL + self.world.now + self.host.clock

    def sleep(self, seconds):
        self.check()
        self.world.current.wait(seconds)
        self.check()

    # -- children -------------------------------------------------------------

    def begin(self, argv, timeout, feed='', env=None, password=None):
        self.check()
        death = self.world.burn(self.host, argv)
        if death and death.endswith('before'):
            self.die(death)
        job = self.launch(argv, timeout, feed, env, password)
        if death:
            self.die(death)
        return job

    def die(self, death):
        """tests/sim/kill: the daemon, or the host, ends here."""
        if death.startswith('power'):
            self.world.at(0, self.world.power_off, self.host.name)
            self.world.at(120, self.world.power_on, self.host.name)
        else:
            self.world.at(0, self.kill_daemon)
            self.world.at(10, self.revive)
        if self.world.current:
            self.world.current.wait(FOREVER)
        raise PowerLost()

    def revive(self):
        if self.host.powered and not self.host.watcher:
            self.start_daemon()

    def launch(self, argv, timeout, feed, env, password):
        job = SimJob(argv, self.now() + timeout)
        self.world.watch_call(self.host, argv)
        self.world.at(timeout, self.expire, job)
        done = lambda status, output='', errors='': self.end(job, status, output, errors)
        if argv[0] == 'xe':
            job.client = self.world.pool.xe(self.host, argv, done, env, feed)
        elif argv[0].endswith('/resetvdis.py'):
            job.client = self.world.pool.resetvdis(self.host, argv, done)
        elif argv[2:4] == ['act', 'smtp']:
            self.world.post(self.host, feed, done)
        elif argv[2:3] == ['act']:
            job.program = self.run_program(lambda: self.act(argv[3:], done))
        elif argv[0] in ('list_domains', 'xl', 'xe-toolstack-restart', 'dmidecode'):
            done(0, getattr(self, argv[0].replace('-', '_'))(*argv[1:]))
        elif self.world.devices.answers(argv):
            self.world.devices.run(self.host, argv, feed, env, password, done)
        else:
            done(ha_lizard.NOT_FOUND, '', argv[0] + ': not found')
        return job

    def act(self, words, done):
        """Our own child: ha_lizard.py act ..."""
        status, output = ha_lizard.act(self, words)
        done(status, output, '')

    def dmidecode(self, _, word):
        """The uuid of the machine is that of its host; a serial number it has not."""
        return {'system-uuid': self.host.uuid}.get(word, 'Not Specified') + '\n'

    def list_domains(self):
        lines = ['id |                                 uuid |  state']
        lines.append(' 0 | %s |     R' % self.host.uuid)
        for uuid in sorted(self.host.domains):
            number = self.host.numbers.setdefault(uuid, len(self.host.numbers) + 1)
            lines.append('%2d | %s |     R' % (number, uuid))
        return '\n'.join(lines) + '\n'

    def xl(self, command, number):
        for uuid in sorted(self.host.domains):
            if self.host.numbers.get(uuid) == int(number):
                self.world.stop_domain(self.host, uuid)
                self.world.pool.domain_ended(self.host, uuid)
        return ''

    def xe_toolstack_restart(self):
        self.world.pool.restart(self.host)
        return ''

    def end(self, job, status, output, errors):
        if job.result is None:
            job.result = ha_lizard.Result(job.argv, status, output, errors)
            if job.waiter:
                job.waiter.wake()

    def expire(self, job):
        if job.result is None:
            if job.client:
                job.client.client_killed()
            if job.program:
                self.kill_family(job.program)
            self.end(job, ha_lizard.TIMED_OUT, '', '')

    def ended(self, jobs, seconds):
        self.check()
        ready = [job for job in jobs if job.result is not None]
        if not ready and seconds > 0:
            for job in jobs:
                job.waiter = self.world.current
            self.world.current.wait(seconds)
            self.check()
            for job in jobs:
                job.waiter = None
            ready = [job for job in jobs if job.result is not None]
        return ready

    def run(self, argv, timeout, feed='', env=None, password=None):
        job = self.begin(argv, timeout, feed, env, password)
        while job.result is None:
            self.ended([job], FOREVER)
        return job.result

    def abandon(self, job):
        self.expire(job)

    def spawn(self, work):
        self.check()
        return SimChild(self, work)

    def promise(self, seconds):
        program = self.world.current
        if program and program.child:
            program.child.promise = self.now() + seconds

    def confide(self, text):
        program = self.world.current
        if program and program.child:
            program.child.memory = text

    # -- network --------------------------------------------------------------

    def replies(self, address, ports=True):
        """Does this address give a sign of life now?"""
        other = self.world.host_at(address)
        if not other:
            return self.world.sees(self.host.name, address)
        return (self.world.reaches(self.host.name, other.name)
                and bool(ports or other.icmp))

    def probe(self, addresses, witnesses=()):
        self.check()
        before = self.asked
        self.asked = set([address for address in addresses if self.replies(address)]
                         + [address for address in witnesses
                            if self.replies(address, False)])
        return before

    def tell(self, packets):
        self.check()
        if self.host.old_version:
            return
        for address, packet in packets.items():
            other = self.world.host_at(address)
            if (other and other.watcher and not other.old_version
                    and self.world.passes(self.host.name, other.name)):
                other.dom0.inbox.append((self.host.address, packet))

    def heard(self):
        inbox, self.inbox = self.inbox, []
        return inbox

    def guard(self, seconds):
        """The kernel's watchdog: fed, or closed with its magic character."""
        self.check()
        if not self.host.watchdog:
            return 'there is no watchdog'
        if self.host.dog:
            self.host.dog.cancel()
        self.host.dog = None
        if seconds is not None:
            self.host.dog = self.world.at(seconds, self.bite)

    def bite(self):
        if self.host.powered and self.boots == self.host.boots:
            self.world.note('is reset by its watchdog', self.host)
            self.world.say(self.host, '(the watchdog resets this host)')
            self.world.reboot(self.host.name)

    def answering(self, addresses, seconds, ports=(443, 80, 22)):
        self.check()
        found = set([address for address in addresses if self.replies(address, ports)])
        if len(found) < len(set(addresses)):
            self.sleep(seconds)
        return found

    def roles(self, addresses, seconds):
        self.check()
        roles = {}
        for address in addresses:
            other = self.world.host_at(address)
            if other and self.world.reaches(self.host.name, other.name):
                role = self.world.pool.role_of(other)
                if role:
                    roles[address] = role
        if len(roles) < len(addresses):
            self.sleep(seconds)
        return roles

    # -- files ----------------------------------------------------------------

    def read(self, path, default=None):
        self.check()
        if path == ha_lizard.BOOT_ID:
            return 'boot-%s-%d\n' % (self.host.name, self.host.boots)
        if path == ha_lizard.XAPI_READY:
            return {True: '', False: default}[self.host.xapi.state == 'up']
        return self.host.files.get(path, default)

    def write(self, path, text, mode=0):
        self.check()
        if self.host.disk_full:
            return 'No space left on device'
        self.host.files[path] = text

    def append(self, path, text, mode=0):
        self.check()
        if self.host.disk_full:
            return 'No space left on device'
        self.host.files[path] = self.host.files.get(path, '') + text

    def remove(self, path):
        self.host.files.pop(path, None)

    def log(self, text, priority='info'):
        self.check()
        self.world.say(self.host, text)

    def reboot(self):
        self.check()
        self.world.note('reboots itself', self.host)
        self.world.at(0, self.world.reboot, self.host.name)
        if self.world.current:
            self.world.current.wait(FOREVER)
        raise PowerLost()
