"""The story that tests/demo tells: a pool, power cuts, and how long it took.

    play = Play(3, cast(3, 8), tell)        tell(Line) hears of all that happens
    play.open()                             HA takes up work
    fault = play.fault('n2')                the power cut; until its VMs run again
    play.power_back('n2')                   until the pool is whole again
    play.wrong()                            sentences; none if all is as it must be

What is measured comes from the truth's own log, and the floor beside it from
the costs of the world and the settings of the pool: nothing is typed in.
"""

import ha_lizard
import devices
import scenario

STEP = 0.25             # seconds between two looks at who is master
PATIENCE = 900          # seconds after which a recovery has failed
ROUND_UP = 30           # faults come at full half minutes: they read better
CALM = 20               # seconds before a fault, and after a recovery
WITNESS = '10.0.0.254'  # the gateway: a pool of two needs somebody to ask
FIRST = ('db', 'app', 'test', 'web', 'mail', 'files', 'wiki')


class Line(object):
    """Something that happened: kind 'truth', 'log' (of `host`) or 'wrong'."""

    def __init__(self, moment, kind, host, text):
        self.moment, self.kind, self.host, self.text = moment, kind, host, text


class Member(object):
    """A VM of the cast.  `remark`: why HA is not in charge of it, or ''."""

    def __init__(self, name, host, order=0, remark=''):
        self.name, self.host, self.order, self.remark = name, host, order, remark

    def command(self):
        words = ['vm', self.name, 'on', self.host]
        if not self.host:
            words[2:] = ['halted']
        field = {True: 'ha=false', False: 'ha=true'}[bool(self.remark)]
        return ' '.join(words + [field, 'order=%d' % self.order])


def cast(hosts, vms):
    """The VMs of the demo: two with a start order and one that is excluded
    from HA on the slave that dies first, one halted; the rest are spread."""
    members = [Member('old', '', remark='halted on purpose')]
    names = ['n%d' % (number + 1) for number in range(hosts)]
    count = dict([(name, 0) for name in names])
    for number in range(vms - 1):
        name = (FIRST + ('vm%d' % (number + 2),) * vms)[number]
        host = 'n2'
        if name not in ('db', 'app', 'test'):
            host = sorted(names, key=lambda each: (count[each], names.index(each)))[0]
        count[host] += 1
        members.insert(number, Member(
            name, host, {'db': 1, 'app': 2}.get(name, 0),
            {'test': 'excluded: ha=false'}.get(name, '')))
    return members


class Stage(scenario.SimWorld):
    """A world that keeps what happens, with its exact moment."""

    def __init__(self, tell):
        scenario.SimWorld.__init__(self)
        self.tale, self.asked, self.tell = [], [], tell
        self.at_work = {}               # host: 1 when HA took up work on it

    def add(self, kind, host, text):
        line = Line(self.now, kind, host, text)
        self.tale.append(line)
        self.tell(line)

    def say(self, host, text):
        self.add('log', host.name, text)
        if text == 'done: take up work':
            self.at_work[host.name] = 1

    def violate(self, text):
        scenario.SimWorld.violate(self, text)
        self.add('wrong', '', text)

    def note(self, what, host=None, vm=None):
        scenario.SimWorld.note(self, what, host, vm)
        name = vm and self.names.get(vm, vm)
        if what == 'power off':
            self.at_work.pop(host.name, None)
            lost = sorted([self.names[uuid] for uuid in host.domains])
            self.add('truth', host.name, '%s loses power, and %s with it' % (
                host, ', '.join(lost) or 'no VM'))
        elif what == 'runs' and self.now > 0:
            self.add('truth', host.name, '%s runs on %s' % (name, host))
        elif what == 'stops' and host.powered:
            self.add('truth', host.name, '%s stops on %s' % (name, host))
        elif host and not vm:
            self.add('truth', host.name, {'power on': '%s has power again'}.get(
                what, '%s ' + what) % host)

    def watch_call(self, host, argv):
        scenario.SimWorld.watch_call(self, host, argv)
        if argv[0] == 'xe':
            self.asked.append((self.now, host.name, argv[1]))


def nobody(line):
    """Listens to the story of a test."""


class Play(scenario.Story):
    """A pool with its cast; the faults so far are in `faults`."""

    def __init__(self, hosts, members, tell=None):
        scenario.Story.__init__(self)
        self.world = Stage(tell or nobody)
        self.members, self.faults, self.late = members, [], []
        self.play('pool ' + ' '.join(['n%d' % (each + 1) for each in range(hosts)]))
        self.play('fence ILO')
        self.play('set GLOBAL_VM_HA 0')
        if hosts == 2:
            self.play('witness ' + WITNESS)
        for member in members:
            self.play(member.command())
        self.play('ha on')
        self.settings = ha_lizard.Settings([('pool', ha_lizard.pool_settings(
            dict(self.pool.database().pool()['other_config'])))])
        self.roles = dict([(name, []) for name in self.world.order])
        self.look()

    # -- acts -----------------------------------------------------------------

    def open(self):
        """Every host takes up work, then nothing happens for a while."""
        self.until(self.is_whole, 'the pool is whole')
        self.pause()

    def fault(self, name):
        """Cut the power of a host; wait until every managed VM runs again."""
        fault = Fault(self, self.world.hosts[name])
        self.faults.append(fault)
        self.play('power off ' + name)
        self.look()
        if self.until(self.is_recovered, 'a master and all managed VMs run'):
            self.run(CALM)
        fault.end = self.world.now
        fault.places = self.places()
        return fault

    def power_back(self, name):
        """The host boots and takes up work again; then a quiet time."""
        self.run(-self.world.now % 10)
        self.play('power on ' + name)
        self.look()
        self.until(self.is_whole, 'the pool is whole')
        self.pause()

    def pause(self):
        self.run(CALM)
        self.run(-self.world.now % ROUND_UP)

    def run(self, seconds):
        end = self.world.now + seconds
        while end - self.world.now > STEP:
            self.play('run %r' % STEP)
            self.look()
        self.play('run %r' % max(0, end - self.world.now))

    def until(self, holds, what):
        """Let time pass until something holds; false if it never does."""
        end = self.world.now + PATIENCE
        while not holds():
            if self.world.now >= end:
                self.late.append('after %d s it is still not so that %s' % (
                    PATIENCE, what))
                return False
            self.run(2 * STEP)
        return True

    def look(self):
        """Note what every host is now: master, slave, restarting or off."""
        for name, seen in self.roles.items():
            role = self.role(self.world.hosts[name])
            if not seen or seen[-1][1] != role:
                seen.append((self.world.now, role))

    def role(self, host):
        if not host.powered:
            return 'off'
        if host.xapi.state != 'up':
            return 'restarting'
        return host.xapi.role.split(':')[0]

    # -- the truth ------------------------------------------------------------

    def places(self):
        """{name of a VM: where it really runs}."""
        return dict([(name, self.world.where(uuid)) for name, uuid in self.vms.items()])

    def is_whole(self):
        """Every host has power and follows one master, and HA is at work there."""
        roles = [self.role(host) for host in self.world.hosts.values()]
        return (roles.count('master') == 1 and roles.count('slave') == len(roles) - 1
                and len(self.world.at_work) == len(roles))

    def is_recovered(self):
        masters = [host for host in self.pool.masters() if host.powered]
        return not self.missing() and len(masters) == 1

    def missing(self):
        """Sentences: managed VMs that do not run exactly once."""
        places, found = self.places(), []
        for member in self.members:
            where = places[member.name]
            if not member.remark and len(where) != 1:
                found.append('%s runs %s' % (member.name, {True: 'on %s' % ' and '.join(
                    where), False: 'nowhere'}[bool(where)]))
        return found

    def wrong(self):
        """Sentences; [] if the pool was saved."""
        return self.missing() + self.late + [
            'at %s: %s' % (minutes(moment), text)
            for moment, text in self.world.violations]

    def first(self, since, beginning, host=None):
        """The moment of the first log line that begins so, or None."""
        for line in self.world.tale:
            if (line.moment >= since and line.kind == 'log'
                    and host in (None, line.host) and line.text.startswith(beginning)):
                return line.moment

    def stays(self):
        """[(VM, host, from, to)]: where each really ran."""
        found, open_ones = [], {}
        for moment, what, host, vm in self.world.truth:
            if what == 'runs':
                open_ones[vm, host] = moment
            elif what == 'stops':
                found.append((vm, host, open_ones.pop((vm, host)), moment))
        found.extend([(vm, host, since, self.world.now)
                      for (vm, host), since in open_ones.items()])
        return sorted(found, key=lambda stay: (stay[2], stay[1], stay[0]))

    def calls(self, name, since=0, until=1e9):
        """How often a host called xe."""
        return len([1 for moment, host, _ in self.world.asked
                    if host == name and since <= moment < until])

    def healthy_calls(self, name):
        """The same, in the last healthy round before the first fault."""
        end = self.faults[0].at
        return self.calls(name, end - self.settings.monitor_delay, end)


def minutes(seconds):
    """1:07.5"""
    whole, tenths = divmod(int(seconds * 10 + 0.5), 600)
    return '%d:%02d.%d' % (whole, tenths // 10, tenths % 10)


# -- how long it took, and how long it must take ------------------------------

class Phase(object):
    """A part of a recovery.  `terms`: [(seconds, what for)], which cannot be
    shorter; `since`, `until`: when it really began and ended, or None."""

    def __init__(self, name, terms, since, until):
        self.name, self.terms = name, [term for term in terms if term[0]]
        self.since, self.until = since, until

    def floor(self):
        return sum([seconds for seconds, _ in self.terms])

    def seconds(self):
        if None not in (self.since, self.until):
            return self.until - self.since


class Fault(object):
    """A power cut, and the recovery from it."""

    def __init__(self, play, host):
        self.play, self.host, self.at = play, host.name, play.world.now
        self.role, self.end, self.places = play.role(host), None, {}
        alive = [each for each in play.world.hosts.values()
                 if each.powered and each is not host]
        self.followers = len(alive) - 1
        # A16: half of the members, and the master is not among them.
        self.tie = self.role == 'master' and len(alive) * 2 == len(play.world.order)
        self.residents = [play.world.names[uuid] for uuid in host.domains]
        self.lost = sorted([member for member in play.members if not member.remark
                            and member.name in self.residents],
                           key=lambda member: (member.order, member.name))

    def returns(self):
        """When each of the managed VMs that it took down ran again, in order."""
        names, found = [member.name for member in self.lost], {}
        for moment, what, _, vm in self.play.world.truth:
            if moment > self.at and what == 'runs' and vm in names:
                found.setdefault(vm, moment)
        return sorted(found.values())

    def until(self, number):
        """Seconds from the power cut to the so-many-th VM, or None."""
        moments = self.returns()[number - 1:number]
        if moments:
            return moments[0] - self.at

    def floor(self, number=None):
        """The least that the waits allow, to the so-many-th VM or the last."""
        if number is None:
            number = len(self.lost)
        before = [phase.floor() for phase in self.phases() if phase.name != STARTS]
        return sum(before) + self.waves(number) * self.start_seconds()

    def start_seconds(self):
        costs = self.play.world.costs
        return costs.xe + costs.start

    def waves(self, number):
        """So many starts one after another: START_PARALLEL at a time, one
        start order after the other."""
        count, taken, orders = 0, 0, [member.order for member in self.lost]
        for order in sorted(set(orders)):
            group = min(orders.count(order), number - taken)
            count += up(group, self.play.settings.start_parallel)
            taken += group
        return count

    def phases(self):
        """The recovery, part by part."""
        fenced = self.moment(self.at, 'act: fence ' + self.host)
        proved = self.moment(fenced, 'proof: %s is off' % self.host)
        found = [Phase('silence', self.silence_terms(), self.at, fenced),
                 Phase('proof', self.proof_terms(), fenced, proved)]
        if self.role == 'master':
            found.extend(self.promotion(proved))
        started = self.moment(found[-1].until, 'act: start ')
        found.append(Phase('clean-up', self.clean_up_terms(), found[-1].until, started))
        found.append(Phase(STARTS, self.start_terms(), started,
                           (self.returns() or [None])[-1]))
        return found

    def moment(self, since, beginning):
        if since is not None:
            return self.play.first(since, beginning)

    def promotion(self, since):
        charge = self.moment(since, 'done: take charge of the pool')
        if not self.followers:
            return [Phase('promotion', self.promotion_terms(), since, charge)]
        called = self.moment(since, 'act: tell the slaves')
        return [Phase('promotion', self.promotion_terms(), since, called),
                Phase('slaves follow', self.follow_terms(), called, charge)]

    # -- terms ----------------------------------------------------------------

    def silence_terms(self):
        settings = self.play.settings
        patience = settings.xapi_count * settings.xapi_delay
        terms = [(ha_lizard.PROBE_TIMEOUT, 'a probe gets no answer'),
                 (patience, 'XAPI_COUNT x XAPI_DELAY: it may be a blip')]
        if self.tie:
            terms.append((patience, 'again: in a tie the half of the master goes first'))
        if self.role == 'slave':
            terms.append(self.xe(1, 'fresh facts'))
        return terms

    def proof_terms(self):
        return [(ha_lizard.LAST_LOOK, 'a last look before the power goes'),
                (devices.COMMAND, 'the device switches off'),
                (2 * devices.READ + ha_lizard.READ_SPACING,
                 'it is asked twice, %d s apart, and says off' % ha_lizard.READ_SPACING)]

    def promotion_terms(self):
        costs = self.play.world.costs
        return [(ha_lizard.LAST_LOOK, 'a last look before the step without return'),
                (costs.announce, 'xapi announces the promotion'),
                (costs.restart, 'xapi restarts as the master'),
                self.xe(1, 'the order')]

    def follow_terms(self):
        costs = self.play.world.costs
        return [(costs.dead_check, 'xapi finds the dead host dead'),
                (costs.announce, 'xapi of the slaves announces its restart'),
                (costs.restart, 'xapi of the slaves restarts'),
                self.xe(1, 'the call to the slaves')]

    def clean_up_terms(self):
        resets = up(len(self.residents), ha_lizard.MOST_RESETS)
        return [(resets * self.play.world.costs.dead_check,
                 'xapi finds the dead host dead, for each reset; %d at a time'
                 % ha_lizard.MOST_RESETS),
                self.xe(resets + 3, 'resets, storage locks, who has which storage')]

    def start_terms(self):
        waves = self.waves(len(self.lost))
        what = '%s, by start order, %d at a time' % (
            some(len(self.lost), 'VM'), self.play.settings.start_parallel)
        return [(waves * self.play.world.costs.start, what), self.xe(waves, 'the orders')]

    def xe(self, count, what):
        """So many calls of xe that must wait for each other."""
        return count * self.play.world.costs.xe, '%d xe in a row: %s' % (count, what)


STARTS = 'starts'


def up(number, size):
    """How many portions of that size it takes."""
    return -(-number // size)


def some(number, noun):
    return '%d %s%s' % (number, noun, 's' * (number != 1))
