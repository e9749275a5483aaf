"""Scenarios: the commands of a story, played on a simulated pool.

One command a line, `#` comments; a block of commands, `----`, the log that is
expected, an empty line.  Commands take no time, only `run` moves the clock.
The table COMMANDS names them all; `!!` marks a violated invariant.
"""

import ha_lizard
from devices import Devices
from dom0 import SimDom0
from world import World
import xapi

FIELD = 'XenCenter.CustomFields.ha-lizard-enabled'
GIB = 1024 ** 3
ACTS = ('vm-start', 'vm-reset-powerstate', 'host-declare-dead',
        'pool-emergency-transition-to-master')
R1_MEMORY = 600             # seconds
REACTION = 6.0              # seconds in which no host can know that it was cut off
ONE_WAY = 4.0               # more, when it still hears one that hears it no more
BOOTED = -3600.0            # every host has been up for an hour when a story begins


class Wrong(Exception):
    """The scenario cannot be understood: exit 2."""


class SimWorld(World):
    """A World with the programs of the hosts, its log and its invariants."""

    def __init__(self):
        World.__init__(self)
        self.lines, self.calls = [], {}
        self.enabled, self.devices = False, Devices(self)
        self.mails, self.mail_server = [], 'ok'     # or down, hangs
        self.lost = {}                  # host name -> since when it lacks its half
        self.commands, self.fuse = 0, None      # see tests/sim/kill
        self.acted = {}                 # host name -> when it last acted as master
        self.unproved, self.strict = True, False
        self.dead = {}                  # names that the administrator says are dead
        self.halves = None              # two halves without a path: see is_r1
        self.accepted = []
        self.intent, self.meant = False, {}     # VMs that the administrator shut down
        self.whole = {}                 # host name -> since when most members reach it

    def say(self, host, text):
        self.lines.append('%4d %s: %s' % (self.now, host.name, text))

    def post(self, host, feed, done):
        """The mail server: [(moment, host name, request)] in `mails`."""
        if self.mail_server == 'ok':
            self.mails.append((self.now, host.name, dict(
                [(key, ha_lizard.unescape(value)) for key, value
                 in ha_lizard.from_state(feed)])))
            self.at(1, done, 0, '\nagain: \n')
        elif self.mail_server == 'down':
            self.at(0, done, 1, 'the mail server cannot be used\nagain: \n')

    def violate(self, text):
        risk = self.risk(text)
        if risk:
            self.accepted.append(text)
            self.lines.append('(accepted risk %s) %s' % (risk, text))
            return
        World.violate(self, text)
        self.lines.append('!! ' + text)

    def risk(self, text):
        """R-17: the accepted risk that a violation is, by the truth, or ''.  Whoever
        mixes up the cables of two devices has the wrong host switched off."""
        if text[:3] in ('I1 ', 'I2 ', 'I3 ', 'I10') and self.is_r1():
            return 'R1'
        if text.startswith('I6 ') and text.split()[1] in self.devices.wires:
            return 'LIES'
        return ''

    def is_r1(self):
        """R-17: an unproved method, exact halves, no path between them, and a member
        of each saw the witness at some moment between the cut and now.  A
        truth of the last ten minutes counts: what was done then comes to light
        when the halves meet again."""
        return (self.unproved and not self.strict and self.halves is not None
                and self.halves.saw == [True, True]
                and self.now - self.halves.until <= R1_MEMORY)

    def watch_halves(self):
        """Are the members split in two exact halves now, and who sees a witness?"""
        sides = exact_halves(self)
        if sides is None:
            return
        if self.halves is None or self.halves.sides != sides:
            self.halves = Halves(sides)
        self.halves.look(self)
        self.at(1, self.look_again, self.halves)

    def look_again(self, halves):
        if self.halves is halves and exact_halves(self) == halves.sides:
            halves.look(self)
            self.at(1, self.look_again, halves)

    def watch_call(self, host, argv):
        """Check what a host is about to do against the truth."""
        self.calls[host.name] = self.calls.get(host.name, 0) + (argv[0] == 'xe')
        if argv[:2] == ['xe', 'vm-reset-powerstate']:
            uuid = argv[2].split('=', 1)[-1]
            if self.where(uuid):
                self.violate('I3 %s resets %s, which runs on %s' % (
                    host, self.names.get(uuid, uuid), ', '.join(self.where(uuid))))
        if argv[:2] == ['xe', 'vm-start'] and self.intent and argv[2] in self.meant:
            self.violate('I7 %s starts %s, which the administrator shut down' % (
                host, self.names[argv[2].split('=', 1)[-1]]))
        if argv[0].endswith('resetvdis.py') and argv[1:2] == ['all']:
            other = self.host_by(argv[2])
            if other and other.domains:
                self.violate('I10 %s clears the locks of %s, which runs VMs' % (
                    host, other))
        if (argv[0] == 'xe' and argv[1] in ACTS) or (
                argv[2:3] == ['act'] and argv[3].startswith('fence')):
            self.watch_act(host, argv)

    def burn(self, host, argv):
        """Does the fuse end at this command?  (its number, before or after)"""
        if argv[0] == 'xe' and (argv[1].endswith('-list') or argv[1].endswith('-get')):
            return None
        if argv[0] == 'list_domains':
            return None
        self.commands += 1
        if self.fuse and self.fuse[0] == self.commands:
            return self.fuse[1]

    def watch_act(self, host, argv):
        """What only a host on the acting side may do."""
        what = ' '.join([word for word in argv[1:4] if '=' not in word])
        if not self.enabled:
            self.violate('I7 %s runs %s while HA is off' % (host, what))
        reaction = REACTION + ONE_WAY * self.is_misled(host.name)
        if self.now - self.lost.get(host.name, self.now) > reaction:
            self.violate('I4 %s runs %s without half of the pool' % (host, what))
        if self.pool.role_of_process(host) == 'master':
            for name in [each for each in self.acted if each != host.name]:
                other = self.hosts[name]
                if (self.now - self.acted[name] < 60 and other.powered
                        and self.pool.role_of_process(other) == 'master'):
                    self.violate('I2 %s and %s both act as masters' % (name, host))
            self.acted[host.name] = self.now

    def is_misled(self, name):
        """Does it hear one that does not hear it?"""
        return bool([other for other in self.order
                     if self.passes(other, name) and not self.passes(name, other)])

    def watch_fence(self, name):
        """I6: nobody fences a host that is well and that most members reach."""
        since = self.whole.get(name)
        if (since is not None and self.now - since > REACTION + 60
                and self.hosts[name].xapi.state == 'up'):
            self.violate('I6 %s is fenced, and most members reach it' % name)

    def watch_links(self):
        """Since when does each host lack its half, by the truth?"""
        self.watch_halves()
        members = [name for name in self.order if name not in self.dead]
        for name in self.order:
            reach = len([other for other in members if self.reaches(name, other)])
            if reach * 2 >= len(members):
                self.lost.pop(name, None)
            else:
                self.lost.setdefault(name, self.now)
            if reach * 2 > len(members):
                self.whole.setdefault(name, self.now)
            else:
                self.whole.pop(name, None)

    def links_changed(self):
        World.links_changed(self)
        self.watch_links()

    def come_online(self, host, boots):
        World.come_online(self, host, boots)
        if host.online:
            self.dead.pop(host.name, None)

    def power_off(self, name):
        self.note_promises()
        World.power_off(self, name)

    def note_promises(self):
        """Who has promised to stop its VMs, and to whom: before links or power change."""
        for name in self.order:
            watcher = self.hosts[name].watcher
            if watcher and name not in self.lost:
                self.hosts[name].promised = dict([
                    (other, self.hosts[other].boots) for other in self.order if other != name
                    and self.reaches(name, other) and self.hosts[other].watcher
                    and watcher.guardian.given()])
            elif self.hosts[name].online and self.takes_back(name, watcher):
                # It answers, and renews no promise: the last one counts no more.
                self.hosts[name].promised = {}

    def takes_back(self, name, watcher):
        """Does somebody hear a word of it that is younger than its promise?  Of a host that
        is lost, its last word counts for those who reach it."""
        if name not in self.lost:
            return True
        return watcher and not watcher.guardian.given() and [
            other for other in self.order if other != name and self.reaches(name, other)
            and self.hosts[other].watcher]


class Halves(object):
    """Two exact halves without a path between them: R1 of safety.md 3.3."""

    def __init__(self, sides):
        self.sides, self.saw, self.until = sides, [False, False], 0

    def look(self, world):
        self.until = world.now
        for number, side in enumerate(self.sides):
            if [1 for name in side for address in world.witnesses
                    if world.sees(name, address)]:
                self.saw[number] = True


def exact_halves(world):
    """Two sorted tuples of names, or None.  A host without power is in neither,
    and no half of a pool is that small."""
    sides = []
    for name in world.order:
        side = tuple([other for other in world.order if world.reaches(name, other)])
        if side and side not in sides:
            sides.append(side)
    if len(sides) == 2 and not set(sides[0]) & set(sides[1]) and (
            len(sides[0]) * 2 == len(sides[1]) * 2 == len(world.order)):
        return sides


class Story(object):
    """A pool and what happens to it.

    `chosen` HOST: the one that is left to a real process (tests/sim/serve).
    """

    def __init__(self, chosen=None):
        self.world, self.chosen = SimWorld(), chosen
        self.pool, self.vms, self.appliances = None, {}, {}
        self.method, self.unmanaged = 'POOL', {}
        self.maintained = {}            # hosts that were in maintenance, for whatever time
        self.witness_named, self.started = False, False

    # -- playing --------------------------------------------------------------

    def play(self, line):
        """One command; what it logged is in world.lines."""
        words = line.split()
        if not words or line.startswith('#'):
            return
        word = words[0].replace('-', '_')
        function = getattr(self, 'do_' + word, None)
        if not function or word == 'play':
            raise Wrong('unknown command: %s' % line)
        if self.pool is None and word != 'pool':
            raise Wrong('the first command is: pool HOST...')
        try:
            function(*words[1:])
        except (TypeError, KeyError, ValueError):
            error = ha_lizard.caught()
            raise Wrong('%s: %s: %s' % (line, error.__class__.__name__, error))

    def lines(self):
        """What was logged since the last call."""
        lines, self.world.lines = self.world.lines, []
        return lines

    def begin(self):
        """Everything is up, settings as `insert` writes them; daemons start
        with the first `run`."""
        if self.started:
            return
        self.started = True
        self.world.watch_links()
        for name in self.world.order:
            host = self.world.hosts[name]
            host.dom0 = SimDom0(self.world, host)
            if name != self.chosen and host.powered and not host.no_daemon:
                host.dom0.start_daemon()

    def close(self):
        """End the threads of the story."""
        self.world.close()

    # -- the pool -------------------------------------------------------------

    def do_pool(self, *names):
        if self.pool or not names:
            raise ValueError('one pool, of one host at least')
        world = self.world
        self.pool = world.pool = xapi.Pool(world)
        for name in names:
            host = world.add_host(name)
            host.booted, host.no_daemon = BOOTED, False
            self.pool.new_host(host)
            self.inventory(host)
        self.sr = self.pool.new_sr('shared')
        for row in ha_lizard.SETTINGS:
            if not row.local:
                self.other('HA_' + row.name, row.default)
        self.other(FIELD, 'false')
        self.other('autopromote_uuid', '')
        self.do_fence('POOL')

    def inventory(self, host):
        host.files['/etc/xensource-inventory'] = (
            "INSTALLATION_UUID='%s'\nMANAGEMENT_INTERFACE='xenbr0'\n" % host.uuid)
        host.files['/etc/xensource/ptoken'] = 'the secret of the pool'

    def other(self, key, value, kind='pool', uuid=None):
        """A key of other-config: as the story begins, or later by `xe`."""
        uuid = uuid or self.pool.uuid
        if self.started and self.pool.master():
            self.pool.set_config(kind, uuid, key, value)
            return
        database = self.pool.setup_db()
        pairs = xapi.map_with(database.get(kind, uuid)['other_config'], key, value)
        database.set(kind, uuid, other_config=pairs)

    def do_vm(self, name, *words):
        words, options = split_options(words)
        state, host, local = 'running', None, 'local' in words
        words = [word for word in words if word != 'local']
        if words[:1] == ['on']:
            host = self.host(words[1])
        elif words[:1] and words[0] in ('halted', 'suspended', 'paused'):
            state = words[0]
        else:
            raise ValueError('vm NAME on HOST, or halted, suspended, paused')
        other = {}
        if host or state != 'halted':
            other[ha_lizard.STAMP] = self.pool.uuid
        if options.get('ha', 'unset') != 'unset':
            other[FIELD] = options['ha']
        sr = self.sr
        if local:
            sr = self.pool.new_sr('local-' + host.name, shared=False, host=host)
        if state == 'paused':
            host = self.host(self.world.order[0])
        uuid = self.vms[name] = self.pool.new_vm(
            name, host=host, state=state, memory=int(float(options.get('memory', 1)) * GIB),
            order=int(options.get('order', 0)), start_delay=int(options.get('delay', 0)),
            other_config=other, sr=sr)
        if state != 'running' or local or options.get('ha') == 'false':
            self.unmanaged[name] = 1
        if state == 'suspended':
            self.pool.setup_db().set('vm', uuid, power_state='suspended')
        self.world.names[uuid] = name

    def do_template(self, name):
        """Stamped like a VM that ran: many were one before."""
        self.do_vm(name, 'halted')
        self.change_kind(name, is_a_template=True)

    def do_snapshot(self, name, of, vm):
        """A copy of all that the VM has, its other-config included."""
        if of != 'of':
            raise ValueError('snapshot NAME of VM')
        self.do_vm(name, 'halted')
        self.change_kind(name, is_a_template=True, is_a_snapshot=True,
                         snapshot_of=self.vms[vm])

    def change_kind(self, name, **fields):
        database, uuid = self.pool.setup_db(), self.vms[name]
        pairs = database.get('vm', uuid)['other_config']
        database.set('vm', uuid, other_config=xapi.map_with(
            pairs, ha_lizard.STAMP, self.pool.uuid), **fields)

    def do_appliance(self, name, *vms):
        self.appliances[name] = self.pool.new_appliance(name, [self.vms[vm] for vm in vms])

    def do_set(self, *words):
        if words[0] in self.world.hosts:
            host = self.world.hosts[words[0]]
            host.files[ha_lizard.CONF] = host.files.get(ha_lizard.CONF, '') + '%s="%s"\n' % (
                words[1], ' '.join(words[2:]))
            return
        if words[0] not in [row.name for row in ha_lizard.SETTINGS]:
            raise ValueError('no such parameter')
        self.witness_named = self.witness_named or words[0] == 'FENCE_HEURISTICS_IPS'
        value = ' '.join(words[1:])
        if words[0] == 'FENCE_STRICT':
            self.world.strict = value == '1'
        if words[0] == 'VM_SHUTDOWN_IS_INTENT':
            self.world.intent = value == '1'
        if words[0] == 'DISABLED_VAPPS':
            value = '(%s)' % ':'.join([self.appliances.get(name, name)
                                       for name in value.strip('()').split(':')])
        self.other('HA_' + words[0], value)

    def do_fence(self, method):
        self.method = method
        self.world.unproved = 'POOL' in method.split(':')
        self.other('HA_FENCE_METHOD', method)
        self.other('HA_FENCE_PASSWD', self.world.devices.password)
        for name in self.world.order:
            for one in method.split(':'):
                self.world.hosts[name].files.update(self.world.devices.files(one))

    def do_bmc(self, name, mode):
        self.world.devices.mode(self.host(name).name, mode)

    def do_swap_bmc(self, one, other):
        self.world.devices.swap(one, other)

    def do_witness(self, address, *names):
        self.world.witnesses[address] = None
        if names:
            self.world.witnesses[address] = [self.host(name).name for name in names]
        # Whoever names a witness means it, unless he sets the addresses himself.
        if not self.witness_named:
            self.other('HA_FENCE_HEURISTICS_IPS', ':'.join(sorted(self.world.witnesses)))

    def do_ha(self, switch):
        """As `ha-cfg` does it, with a number; `field pool TEXT` is XenCenter's way."""
        if self.started and not self.pool.master():
            self.world.lines.append('(no master: nobody can switch HA)')
            return
        other = dict(self.pool.database().pool()['other_config'])
        number = ha_lizard.whole(other.get(ha_lizard.FLAG_NUMBER, '')) + 1
        self.do_field('pool', {'on': 'true', 'off': 'false'}[switch])
        self.other(ha_lizard.FLAG_NUMBER, '%d' % number)

    def do_xenserver_ha(self, switch):
        self.pool.set_ha_enabled(flag(switch))

    def do_field(self, what, *words):
        key, text = FIELD, ' '.join(words)
        if what == 'pool':
            self.world.enabled = text == 'true'
            self.other(key, text)
        else:
            self.other(key, text, 'vm', self.vms[what])

    # -- time and power -------------------------------------------------------

    def do_run(self, seconds):
        self.begin()
        self.world.run(float(seconds))

    def do_power(self, switch, name):
        if flag(switch):
            self.world.power_on(self.host(name).name)
        else:
            self.world.power_off(self.host(name).name)

    def do_reboot(self, name):
        self.world.reboot(self.host(name).name)

    def do_clean_shutdown(self, name):
        self.pool.clean_shutdown(self.host(name))
        self.world.power_off(name)

    # -- links ----------------------------------------------------------------

    def do_cut(self, *names):
        self.change_links(names, self.world.cut, 1)

    def do_heal(self, *names):
        self.change_links(names, self.world.heal, 0)

    def change_links(self, names, change, cut):
        if 'from' in names:
            middle = list(names).index('from')
            pairs = [(a, b) for a in names[:middle] for b in names[middle + 1:]]
        else:
            pairs = [(a, b) for a in names for b in self.world.order if a != b]
            for name in names:
                self.world.cut_off.pop(name, None)
                if cut:
                    self.world.cut_off[name] = 1
        self.world.note_promises()
        for a, b in pairs:
            change(self.host(a).name, self.host(b).name)
        self.world.links_changed()

    def do_cut_oneway(self, one, to, other):
        if to != 'to':
            raise ValueError('cut-oneway HOST to HOST')
        self.world.note_promises()
        self.world.cut(self.host(one).name, self.host(other).name, one_way=True)
        self.world.links_changed()

    def do_icmp(self, switch, name):
        self.host(name).icmp = flag(switch)

    def do_storage(self, switch, name):
        self.pool.set_storage(self.host(name), flag(switch))

    def do_sr(self, switch):
        for name in self.world.order:
            self.do_storage(switch, name)

    # -- programs -------------------------------------------------------------

    def do_xapi(self, what, name):
        {'stop': self.pool.stop, 'start': self.pool.start, 'hang': self.pool.hang,
         'restart': self.pool.restart}[what](self.host(name))

    def do_xapi_version(self, version):
        self.pool.set_version(version.lower())

    def do_latency(self, seconds):
        self.world.costs.xe = float(seconds)

    def do_address(self, name, address):
        self.pool.set_address(self.host(name), address)

    def do_eject(self, name):
        self.by_hand(self.pool.eject, self.host(name))

    def do_daemon(self, what, name):
        host = self.host(name)
        host.no_daemon = what == 'kill'
        if what not in ('kill', 'start'):
            raise ValueError('daemon kill or start')
        if self.started and what == 'kill':
            host.dom0.kill_daemon()
        elif self.started and not host.watcher and host.online:
            host.dom0.start_daemon()

    def do_version(self, what, name):
        self.host(name).old_version = {'old': True, 'new': False}[what]

    def do_watchdog(self, what, name):
        host = self.host(name)
        host.watchdog = {'xen': True, 'none': False}[what]
        if host.dog and not host.watchdog:
            host.dog.cancel()

    def do_dns(self, switch):
        """Witnesses that are named need it; the simulated ones are addresses."""
        self.world.dns = flag(switch)

    def do_clock(self, name, jump):
        """The wall clock of a host jumps: nothing must notice."""
        self.host(name).clock = float(jump)

    def do_confirm_dead(self, name, by, other):
        """As `ha-cfg confirm-dead` on another host."""
        if by != 'by':
            raise ValueError('confirm-dead HOST by HOST')
        dom0, uuid = self.host(other).dom0, self.host(name).uuid
        if not self.host(other).online:
            self.world.lines.append('(%s is down: nobody can say it there)' % other)
            return
        self.world.dead[name] = 1
        self.world.watch_links()
        orders = ha_lizard.from_state(dom0.read(ha_lizard.ORDERS)) or []
        dom0.write(ha_lizard.ORDERS, ha_lizard.to_state([
            order for order in orders if order[0] != 'boot'] + [
            ('boot', dom0.read(ha_lizard.BOOT_ID).strip()),
            ('confirm-dead.' + uuid, '%.1f by hand' % dom0.now())]))

    def do_freeze(self, minutes):
        from dom0 import WALL
        self.other('HA_FREEZE_UNTIL', '%d' % (WALL + self.world.now + 60 * float(minutes)))

    def do_disk(self, what, name):
        self.host(name).disk_full = {'full': True, 'ok': False}[what]

    # -- the administrator ----------------------------------------------------

    def do_maintenance(self, switch, name):
        self.maintained[name] = 1
        self.by_hand(self.pool.maintenance, self.host(name), flag(switch))

    def by_hand(self, function, *arguments):
        """What the administrator does through xe needs a master."""
        if self.pool.master():
            function(*arguments)
        else:
            self.world.lines.append('(no master: the administrator can do nothing)')

    def do_designate(self, name):
        """The master hands its role over to another host."""
        self.by_hand(self.pool.designate, self.host(name))

    def do_shutdown(self, name):
        self.world.meant['uuid=' + self.vms[name]] = 1
        self.by_hand(self.pool.shutdown_vm, self.vms[name])

    def do_guest_shutdown(self, name):
        self.pool.guest_shutdown(self.vms[name])

    def do_crash(self, name):
        self.pool.crash_vm(self.vms[name])

    def do_start(self, name):
        self.world.meant.pop('uuid=' + self.vms[name], None)
        if len(self.pool.masters()) > 1:
            # On the master of yesterday it would run twice, and no HA could help that.
            self.world.lines.append('(two masters: the administrator starts nothing)')
        else:
            self.by_hand(self.pool.start_vm, self.vms[name])

    def do_suspend(self, name):
        self.unmanaged[name] = 1
        self.by_hand(self.pool.suspend_vm, self.vms[name])

    def do_migrate(self, name, host):
        self.by_hand(self.pool.migrate_vm, self.vms[name], self.host(host))

    def do_recover(self, name):
        """As the operator does with scripts/recover_fenced_host."""
        host = self.host(name)
        notes = ha_lizard.Notes(host.dom0, host.dom0.read(ha_lizard.BOOT_ID).strip())
        del notes['suspended']
        notes.save()

    def do_mail_server(self, mode):
        self.world.mail_server = {'ok': 'ok', 'down': 'down', 'hangs': 'hangs'}[mode]

    def do_show(self):
        for name, uuid in sorted(self.vms.items()):
            where = self.world.where(uuid)
            if where:
                self.world.lines.append('%s on %s' % (name, ' '.join(where)))
            else:
                self.world.lines.append('%s %s' % (name, self.power_state(uuid)))
        for name in sorted([host.name for host in self.pool.masters()]):
            self.world.lines.append('master ' + name)

    def power_state(self, uuid):
        """Of a VM that runs nowhere: what is on disk, whatever xapi believes."""
        state = self.pool.database().get('vm', uuid)['power_state']
        return {'suspended': state}.get(state, 'halted')

    def host(self, name):
        return self.world.hosts[name]


def split_options(words):
    options = dict([word.split('=', 1) for word in words if '=' in word])
    return [word for word in words if '=' not in word], options


def flag(word):
    return {'on': True, 'off': False}[word]


def blocks(text):
    """[(comments and commands, expected lines or None)] of a scenario."""
    found = []
    for block in text.strip('\n').split('\n\n'):
        if '\n----' in '\n' + block:
            commands, expected = ('\n' + block + '\n').split('\n----\n', 1)
            found.append((commands.strip('\n').split('\n'), expected.splitlines()))
        else:
            found.append((block.split('\n'), None))
    return found


def replay(text):
    """(the scenario as it should read, whether an invariant was violated)."""
    story, out = Story(), []
    try:
        for commands, _ in blocks(text):
            for line in commands:
                story.play(line)
            out.append('\n'.join(commands + ['----'] + story.lines()))
    finally:
        story.close()
    return '\n\n'.join(out) + '\n', bool(story.world.violations)


def play_quietly(text):
    """(`!!` lines and what `show` printed, whether an invariant was violated)."""
    story, out = Story(), []
    try:
        for commands, _ in blocks(text):
            for line in commands:
                story.play(line)
                said = story.lines()
                out.extend([each for each in said
                            if each.startswith('!!') or line.strip() == 'show'])
    finally:
        story.close()
    return out, bool(story.world.violations)
