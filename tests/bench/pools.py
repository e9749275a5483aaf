"""Pools for the benchmarks: what `xe` prints there, and a machine that is in one.

The text comes from the simulated xapi of tests/sim, so it has the form that
the product must understand.  Every VM runs, nothing is wrong and nothing new.
"""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
for _folder in (os.path.dirname(TESTS), os.path.join(TESTS, 'sim')):
    if _folder not in sys.path:
        sys.path.insert(0, _folder)
sys.dont_write_bytecode = True

import ha_lizard
import scenario

SIZES = ((2, 10), (3, 30), (8, 100), (16, 500), (64, 1000), (64, 4000))
BOOT = 'a boot of the bench'
LISTS = (('pool-list', ha_lizard.POOL_FIELDS), ('host-list', ha_lizard.HOST_FIELDS),
         ('vm-list', ha_lizard.VM_FIELDS))
MADE = {}                       # size: Texts, for they take a while to make


class Texts(object):
    """What xe prints in a healthy pool: {command: text}; uuids of the hosts and
    VMs in order; `address` of each host."""

    def __init__(self, hosts, vms):
        story = scenario.Story()
        names = ['n%03d' % (number + 1) for number in range(hosts)]
        story.play('pool ' + ' '.join(names))
        for number in range(vms):
            story.play('vm vm%d on %s memory=0.05' % (number, names[number % hosts]))
        story.play('ha on')
        world = self.world = story.world
        members = [world.hosts[name] for name in names]
        story.other('autopromote_uuid', members[min(1, hosts - 1)].uuid)
        self.hosts = [host.uuid for host in members]
        self.addresses = dict([(host.uuid, host.address) for host in members])
        self.vms = [story.vms['vm%d' % number] for number in range(vms)]
        self.domains = dict([(host.uuid, sorted(host.domains)) for host in members])
        self.furnish(story)
        self.out = {}
        for command, fields in LISTS:
            self.ask(members[0], command, fields)

    def furnish(self, story):
        """What xapi and XenCenter note of every VM in other-config."""
        database = story.pool.setup_db()
        for uuid in self.vms:
            database.set('vm', uuid, other_config=(
                ('base_template_name', 'Debian Buster 10'),
                (ha_lizard.STAMP, story.pool.uuid),
                ('import_task', 'OpaqueRef:' + uuid), ('install-methods', 'cdrom,nfs,http'),
                ('linux_template', 'true'), ('mac_seed', uuid)))
        for uuid in self.hosts:
            database.set('host', uuid, other_config=((
                ha_lizard.field_key(ha_lizard.Settings([])),
                {True: 'master', False: 'healthy'}[uuid == self.hosts[0]]),))

    def ask(self, host, command, fields):
        def done(status, output='', errors=''):
            self.out[command] = output
        self.world.pool.xe(host, ['xe', command, 'params=' + ','.join(fields)], done)
        self.world.run(1)


def texts(hosts, vms):
    if (hosts, vms) not in MADE:
        MADE[(hosts, vms)] = Texts(hosts, vms)
    return MADE[(hosts, vms)]


def list_domains(pool, me):
    rows = [(0, me)] + [(number + 1, uuid) for number, uuid
                        in enumerate(pool.domains[me])]
    return 'id |                                 uuid |  state\n' + ''.join(
        ['%2d | %s |     R\n' % row for row in rows])


def files(pool, me, now):
    """{path: text}: the disk of a member whose daemon has taken up work."""
    master = pool.hosts[0]
    roles = {True: 'master', False: 'slave:' + pool.addresses[master]}
    peers = dict([(uuid, ha_lizard.WatchRow(
        answered=now, last=now, failing=False, seen=True, leased=now, lease=40,
        role=roles[uuid == master], doing='idle', version=ha_lizard.VERSION,
        domains=pool.domains[uuid])) for uuid in pool.hosts if uuid != me])
    notes = [('boot', BOOT), ('ready', '%.1f' % now)]
    return {
        ha_lizard.BOOT_ID: BOOT + '\n', ha_lizard.POOL_CONF: roles[me == master],
        ha_lizard.INVENTORY: "INSTALLATION_UUID='%s'\n" % me,
        ha_lizard.SECRET: 'the secret of the pool', ha_lizard.XAPI_READY: '',
        ha_lizard.WATCH: ha_lizard.Watch(boot=BOOT, started=now, peers=peers,
                                         heirs=pool.hosts[1:]).text(),
        ha_lizard.Notes.path: ha_lizard.to_state(notes)}


def compiled(folder, python=sys.executable):
    """A folder below that one with the program and its compiled form."""
    place = os.path.join(folder, 'program-' + os.path.basename(python))
    if not os.path.isdir(place):
        os.makedirs(place)
        for name in ('ha_lizard.py', 'ha-cfg'):
            shutil.copy(os.path.join(os.path.dirname(TESTS), name), place)
        subprocess.check_call([python, '-m', 'py_compile', place + '/ha_lizard.py'])
    return place


class Machine(object):
    """A Dom0 in memory, on which every command has ended at once."""

    def __init__(self, pool, me):
        self.pool, self.me, self.clock = pool, me, 10 ** 6
        self.files, self.calls, self.written, self.said = {}, [], [], []
        self.files.update(files(pool, me, self.clock))

    def now(self):
        return self.clock

    def wall(self):
        return 1764000000 + self.clock

    def sleep(self, seconds):
        self.clock += seconds

    def begin(self, argv, timeout, feed='', env=None, password=None):
        self.calls.append(argv)
        output = self.pool.out.get(' '.join(argv[1:2]), '')
        if argv[0] == 'list_domains':
            output = list_domains(self.pool, self.me)
        job = Job()
        job.result, job.deadline = ha_lizard.Result(argv, 0, output), self.clock + timeout
        return job

    def ended(self, jobs, seconds):
        return list(jobs)

    def run(self, argv, timeout, feed='', env=None, password=None):
        return self.begin(argv, timeout).result

    def promise(self, seconds):
        pass

    def spawn(self, work):
        raise AssertionError('the bench starts its rounds itself')

    def probe(self, addresses, witnesses=()):
        return set(addresses)

    def answering(self, addresses, seconds, ports=()):
        return set(addresses)

    def roles(self, addresses, seconds):
        return {}

    def tell(self, packets):
        self.packets = packets

    def heard(self):
        return []

    def guard(self, seconds):
        return 'no watchdog'

    def read(self, path, default=None):
        return self.files.get(path, default)

    def write(self, path, text, mode=0):
        self.files[path] = text
        self.written.append(path)

    def append(self, path, text, mode=0):
        self.files[path] = self.files.get(path, '') + text
        self.said.append(text)

    def remove(self, path):
        self.files.pop(path, None)

    def log(self, text, priority='info'):
        pass


class Job(object):
    """A child that has ended."""


def rested(pool, me, rounds=4):
    """A Machine after some rounds: nothing is left to do there."""
    machine = Machine(pool, me)
    for _ in range(rounds):
        ha_lizard.run_round(machine)
        machine.clock += 15
        machine.files[ha_lizard.WATCH] = files(pool, me, machine.clock)[ha_lizard.WATCH]
    machine.calls, machine.written, machine.said = [], [], []
    return machine
