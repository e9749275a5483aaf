"""Random pools, random faults, and what must be true of them in the end.

A run is a scenario like any other: the generator writes its text, so that what
it finds can be kept as a file.  `owed` says from the truth alone which VMs
must be up when the dust has settled.
"""

import random

import scenario

SETTLE = 1500               # seconds without a fault before the end is judged
KINDS = ('power', 'reboot', 'cut', 'cut pair', 'one way', 'xapi restart', 'xapi stop',
         'xapi hang', 'daemon', 'storage', 'bmc', 'migrate', 'guest', 'icmp', 'clock',
        'disk', 'clean shutdown', 'maintenance', 'start', 'shutdown', 'suspend',
         'switch', 'freeze', 'timers', 'latency', 'address', 'watchdog', 'handover', 'confirm', 'both')
PAUSES = (1, 3, 8, 15, 21, 24, 27, 32, 38, 44, 47, 52, 65, 80, 110, 150, 250, 400)
#: lines of a scenario that are a fault, and lines of a log that are part of a recovery
FAULTS = ('power off', 'reboot', 'clean-shutdown', 'cut', 'xapi restart', 'xapi stop', 'xapi hang',
          'daemon kill', 'storage off', 'disk full')
RECOVERY = (' act: fence', ' act: take over', ' act: become master', ' act: reset', ' act: start')
OFTEN = ('power', 'power', 'power', 'cut', 'cut', 'cut', 'both', 'both', 'bmc', 'cut pair', 'cut pair')
TIMERS = ('XAPI_COUNT 2', 'XAPI_COUNT 4', 'XAPI_COUNT 8', 'XAPI_DELAY 5', 'XAPI_DELAY 15',
          'XE_TIMEOUT 5', 'XE_TIMEOUT 20', 'MGT_LINK_LOSS_TOLERANCE 40')


class Script(object):
    """The text of a random run, and what happened in it by kind."""

    def __init__(self, seed, hosts=(2, 8), fence='mixed', faults=(1, 6), risky=False):
        self.random = random.Random(seed)
        self.kinds, self.undo, self.lines, self.risky = [], [], [], risky
        # Small pools more often: most pools are, and a pool of eight costs what fifteen
        # of two do, while a rule that fails with eight nearly always fails with four.
        sizes = range(hosts[0], hosts[1] + 1)
        self.names = ['n%d' % (number + 1)
                      for number in range(min(self.pick(sizes), self.pick(sizes)))]
        self.method = {'mixed': self.pick(['POOL', 'ILO']), 'verified': 'ILO',
                       'POOL': 'POOL'}[fence]
        self.setting()
        self.count = self.pick(range(faults[0], faults[1] + 1))
        for _ in range(self.count):
            self.fault()
            self.lines.append('run %d' % self.pick(PAUSES))
            self.mend(0.25)
        if self.random.random() < 0.5:
            self.mend(1.0)
        self.lines.extend(['run %d' % SETTLE, 'show'])

    def pick(self, items):
        items = list(items)
        return items[int(self.random.random() * len(items))]

    def text(self):
        return '\n'.join(self.lines) + '\n'

    def setting(self):
        """The pool, its VMs, and a while in which all is well."""
        self.vms = []
        self.lines.append('pool ' + ' '.join(self.names))
        for name in self.names:
            for number in range(self.pick([0, 1, 2, 3])):
                self.vms.append('vm%d' % len(self.vms))
                self.lines.append('vm %s on %s order=%d' % (
                    self.vms[-1], name, self.pick([0, 0, 0, 1, 2])))
        self.lines.append('fence ' + self.method)
        self.witness = self.random.random() < 0.7
        if self.witness:
            self.lines.append('witness 192.168.1.1')
        if self.random.random() < 0.15:
            self.lines.append('xapi-version OLD')
        if self.random.random() < 0.2:
            self.lines.append('set MONITOR_DELAY %d' % self.pick([10, 30, 45]))
        if self.random.random() < 0.15:
            self.lines.append('set SLAVE_VM_STAT 1')
        while self.random.random() < 0.2:
            self.timers(self.pick(self.names), None)
        self.lines.extend(['ha on', 'run %d' % self.pick([90, 120, 200, 400])])

    def fault(self):
        kind = self.pick(KINDS + OFTEN)
        host, other = self.pick(self.names), self.pick(self.names)
        if self.random.random() < 0.3:
            host = self.names[0]        # the master is worth more than one share
        self.kinds.append(kind)
        if kind == 'both':
            self.power(host, other)
            return self.power(other, host)
        getattr(self, kind.replace(' ', '_'))(host, other)

    def do(self, line, undo=None):
        self.lines.append(line)
        if undo:
            self.undo.append(undo)

    def mend(self, chance):
        """Some of what is broken comes back."""
        rest = []
        for line in self.undo:
            if self.random.random() < chance:
                self.lines.append(line)
                if self.random.random() < 0.7:
                    self.lines.append('run %d' % self.pick([2, 20, 60, 150]))
            else:
                rest.append(line)
        self.undo = rest

    # -- kinds ----------------------------------------------------------------

    def power(self, host, other):
        self.do('power off ' + host, 'power on ' + host)

    def reboot(self, host, other):
        self.do('reboot ' + host)

    def clean_shutdown(self, host, other):
        self.do('clean-shutdown ' + host, 'power on ' + host)

    def cut(self, host, other):
        self.do('cut ' + host, 'heal ' + host)

    def cut_pair(self, host, other):
        if host == other:
            return self.cut(host, other)
        self.do('cut %s from %s' % (host, other), 'heal %s from %s' % (host, other))

    def one_way(self, host, other):
        if host == other:
            return self.cut(host, other)
        self.do('cut-oneway %s to %s' % (host, other), 'heal %s from %s' % (host, other))

    def xapi_restart(self, host, other):
        self.do('xapi restart ' + host)

    def xapi_stop(self, host, other):
        self.do('xapi stop ' + host, 'xapi start ' + host)

    def xapi_hang(self, host, other):
        self.do('xapi hang ' + host, 'xapi restart ' + host)

    def daemon(self, host, other):
        if 'address' in self.kinds:
            return self.reboot(host, other)
        self.do('daemon kill ' + host, 'daemon start ' + host)

    def storage(self, host, other):
        self.do('storage off ' + host, 'storage on ' + host)

    def bmc(self, host, other):
        modes = ['silent', 'refuses', 'slow', 'works']
        if self.risky:
            modes.append('lies')
        self.do('bmc %s %s' % (host, self.pick(modes)))

    def migrate(self, host, other):
        if self.vms:
            self.do('migrate %s %s' % (self.pick(self.vms), host))

    def guest(self, host, other):
        if self.vms:
            self.do('%s %s' % (self.pick(['guest-shutdown', 'crash']), self.pick(self.vms)))

    def start(self, host, other):
        """Somebody does by hand what HA would not do, or not yet."""
        if self.vms:
            name = self.pick(self.vms)
            self.do('start ' + name)
            if self.random.random() < 0.5:
                self.lines.append('run %d' % self.pick([5, 20]))
                self.do('migrate %s %s' % (name, host))

    def shutdown(self, host, other):
        if self.vms:
            self.do('shutdown ' + self.pick(self.vms))

    def suspend(self, host, other):
        if self.vms:
            self.do('suspend ' + self.pick(self.vms))

    def switch(self, host, other):
        """Who is cut off, or dies with the master that heard it, cannot know."""
        if self.undo:
            return self.power(host, other)
        self.do('ha off', 'ha on')
        self.lines.append('run 60')

    def freeze(self, host, other):
        """It ends by the clock of each host."""
        if 'clock' in self.kinds:
            return self.reboot(host, other)
        self.do('freeze %d' % self.pick([2, 5, 10]))

    def timers(self, host, other):
        """Of all hosts, or by an override of one."""
        self.do('set %s%s' % (self.pick(['', host + ' ']), self.pick(TIMERS)))

    def latency(self, host, other):
        self.do('latency %s' % self.pick(['0.6', '2']), 'latency 0.15')

    def address(self, host, other):
        """Nobody follows a master that moves, and of a host that has moved its daemon
        alone can say that it lives."""
        if host == self.names[0] or 'daemon' in self.kinds or self.undo:
            return self.power(host, other)
        self.do('address %s 10.0.1.%d' % (host, len(self.lines)))

    def confirm(self, host, other):
        """Of one that is off indeed, after the time that `ha-cfg` asks for."""
        dead = [line.split()[-1] for line in self.undo if line.startswith('power on ')]
        if not dead or other in dead:
            return self.power(host, other)
        self.lines.append('run 75')
        self.do('confirm-dead %s by %s' % (dead[0], other))

    def handover(self, host, other):
        self.do('designate ' + other)

    def watchdog(self, host, other):
        self.do('watchdog none ' + host)

    def icmp(self, host, other):
        self.do('icmp off ' + host, 'icmp on ' + host)

    def clock(self, host, other):
        if 'freeze' in self.kinds:
            return self.reboot(host, other)
        self.do('clock %s %+d' % (host, self.pick([-86400, -3600, 60, 3600, 10 ** 7])))

    def disk(self, host, other):
        self.do('disk full ' + host, 'disk ok ' + host)

    def maintenance(self, host, other):
        self.do('maintenance on ' + host, 'maintenance off ' + host)


class Outcome(object):
    """What a run came to."""

    def __init__(self, text):
        self.text, self.kinds = text, []
        self.violations, self.owed, self.saved = [], [], []
        self.promoted = self.fenced = self.recovered = self.tie = self.failed_fence = 0
        self.second_fault = self.seconds = 0


def play(text):
    """Run a scenario and judge it: an Outcome."""
    outcome = Outcome(text)
    story = scenario.Story()
    log, moments = [], []
    try:
        for line in text.splitlines():
            if [1 for fault in FAULTS if line.startswith(fault)]:
                moments.append(story.world.now)
            story.play(line)
            log.extend(story.lines())
        outcome.seconds = story.world.now
        judge(story, outcome)
    finally:
        story.close()
    outcome.violations = [why for _, why in story.world.violations] + outcome.violations
    outcome.accepted = story.world.accepted
    outcome.promoted = has(log, 'done: become master')
    outcome.fenced = has(log, 'done: fence')
    outcome.failed_fence = has(log, 'failed: fence')
    outcome.recovered = has(log, 'done: start')
    outcome.tie = has(log, 'exactly half')
    outcome.second_fault = bool([moment for moment in moments if is_within(moment, log)])
    outcome.log = log
    return outcome


def is_within(moment, log):
    """Was a recovery under way then, that started VMs afterwards?"""
    begun = [line for line in log if [1 for text in RECOVERY if text in line]
             and moment - 30 <= float(line.split()[0]) <= moment]
    return bool(begun and [line for line in log if ' done: start' in line
                           and moment < float(line.split()[0]) <= moment + 600])


def has(log, text):
    return bool([line for line in log if text in line])


def judge(story, outcome):
    """I5: who must be up at the end, by the truth."""
    side = acting_side(story)
    outcome.owed = owed(story, side)
    for name in outcome.owed:
        if story.world.where(story.vms[name]):
            outcome.saved.append(name)
        else:
            outcome.violations.append('I5 %s should be up' % name)


def acting_side(story):
    """The hosts of a strict majority that is whole and cut off from all others, or [].
    Whom one of it still hears counts as alive for all of it (R-1): nobody may act then."""
    world = story.world
    for name in world.order:
        side = [other for other in world.order if world.reaches(name, other)]
        if len(side) * 2 > len(world.order) and is_closed(world, side):
            return side
    return []


def is_closed(world, side):
    """Does each host of this side reach all of it, and nobody else?"""
    return not [1 for a in side for b in world.order if world.reaches(a, b) != (b in side)]


def is_able(host):
    """Can this host run VMs and do its part?"""
    return (host.powered and host.online and host.storage and host.watcher
            and host.xapi.state == 'up' and not host.disk_full)


def owed(story, side):
    """Names of the VMs that must be up."""
    world = story.world
    hosts = [world.hosts[name] for name in side]
    if not hosts or [host for host in hosts if not is_able(host)]:
        return []                       # a second fault stands in the way
    if [1 for host in hosts for other in hosts
            if host is not other and host.address not in other.watcher.senders]:
        return []                       # a master that moved: its slaves still ask at its old address
    fields = dict(story.pool.database().pool()['other_config'])
    if fields.get(scenario.FIELD) != 'true':
        return []                       # somebody switched HA off, or XenServer's own on
    voters = [host for host in hosts if not is_returning(story, host)]
    if story.method == 'POOL' and len(voters) * 2 <= len(world.order):
        return []
    outside = [world.hosts[name] for name in world.order if name not in side]
    if [host for host in outside if not is_provable(story, host, side)]:
        return []
    return sorted([name for name, uuid in story.vms.items() if name not in story.unmanaged
                   and not is_stuck(story.pool.database().need('vm', uuid))])


def is_stuck(row):
    """xapi waits for a host that died in the middle of an operation (xe.md 8(c))."""
    return row['power_state'] == 'halted' and bool(row['current_operations'])


def is_returning(story, host):
    """R-3: it left for maintenance, and not all have seen it come back: it has no vote on
    a promise."""
    return host.name in story.maintained and not host.watcher.guardian.votes


def is_provable(story, host, side):
    """Can it be known of a host outside that its domains are gone?  Who has rebooted
    since knows of no promise (R-3)."""
    if story.method == 'POOL':
        return [name for name, boots in host.promised.items()
                if name in side and story.world.hosts[name].boots == boots]
    return story.world.devices.works(host.name)
