"""The stories of tests/lab/run: pools, what happens to them, and what came of it.

A story is a pool and a list of faults.  After each fault the pool must come to
rest: every managed VM that can run runs exactly once, by the truth, and exactly
one living host is master.  Then it is made whole again, and the next comes.
"""

import re

import ha_lizard
import hosts

REST = 120                  # seconds that a recovery may take
LETTER = 30                 # seconds for which an alert that is under way may live on
CALM = 6                    # seconds in which nothing may happen that should not

# The same words as in the simulator.  HOSTS: how many; then the faults, each
# (name, commands, commands that undo it).  `M` is the master of that moment,
# `S` and `T` slaves.
SCENARIOS = {
    '3-xapi': (3, ['daemon killed', 'slave xapi hangs', 'master xapi hangs', 'pair cut',
                   'master and slave cut', 'disk full']),
    '5-cable': (5, ['slave cable', 'master cable', 'slave xapi hangs', 'master xapi hangs']),
    '5-power': (5, ['daemon killed', 'slave power', 'master power']),
    '2-xapi': (2, ['daemon killed', 'slave xapi hangs', 'master xapi hangs']),
    '2-power': (2, ['slave power', 'master power']),
    '2-cable': (2, ['slave cable', 'master cable']),
    '3-power': (3, ['slave power', 'master power']),
    '3-cable': (3, ['slave cable', 'master cable']),
}

# name: (commands, commands that undo it, is anything to be recovered?)
FAULTS = {
    'slave power': (['power off S'], ['power on S'], True),
    'master power': (['power off M'], ['power on M'], True),
    'slave cable': (['cut S'], ['heal S', 'power on S'], True),
    'master cable': (['cut M'], ['heal M', 'power on M'], True),
    'slave xapi hangs': (['xapi hang S'], ['xapi restart S'], False),
    'master xapi hangs': (['xapi hang M'], ['xapi restart M'], False),
    'pair cut': (['cut S from T'], ['heal S from T'], False),
    'master and slave cut': (['cut M from S'], ['heal M from S'], False),
    'daemon killed': (['daemon kill S', 'daemon kill M'], [], False),
    'disk full': (['disk full S'], ['disk ok S'], False),
}


def pool_of(count):
    """The lines that describe the pool of a story, in the words of tests/sim/scenarios."""
    names = 'abcde'[:count]
    lines = ['pool ' + ' '.join(names), 'fence IRMC']
    for number in range(2 * count):
        lines.append('vm v%d on %s' % (number + 1, names[number % count]))
    return lines + ['set MONITOR_DELAY 3', 'set XAPI_COUNT 2', 'set XAPI_DELAY 1',
                    'set XE_TIMEOUT 2', 'set MAIL_ON 0', 'witness ' + hosts.GATEWAY, 'ha on']


class Story(object):
    def __init__(self, name, count, faults, speed):
        self.name, self.count, self.faults = name, count, faults
        self.lab = hosts.Lab(*pool_of(count), speed=speed)

    def close(self):
        self.lab.close()

    # -- the truth

    def missing(self):
        return ['%s runs %s' % (vm, 'on ' + ' and '.join(self.lab.where(vm)) or 'nowhere')
                for vm in sorted(self.lab.story.vms) if len(self.lab.where(vm)) != 1]

    def is_well(self):
        return not self.missing() and len(self.lab.masters()) == 1

    def is_whole(self):
        """Every host is on, follows one master, and its daemon works and sees
        all the others."""
        roles = list(self.lab.roles().values())
        if roles.count('master') != 1 or False in roles:
            return False
        return not [name for name in self.lab.seats if not self.is_calm(name)]

    def is_calm(self, name):
        files = self.lab.world.hosts[name].files
        boot = files.get(hosts.BOOT_ID, '').strip()
        watch = ha_lizard.read_watch(Reader(files), boot)
        # it acts only when its rounds know everybody's version.
        notes = files.get(ha_lizard.Notes.path, '')
        if len(re.findall(r'(?m)^version\.', notes)) < self.count - 1 or (
                'boot=%s\n' % boot not in notes or 'start-up is over' not in
                files.get('/etc/ha-lizard/state/journal', '')[self.marks.get(name, 0):]):
            return False
        return bool(watch and len(watch.peers) == self.count - 1 and not [
            row for row in watch.peers.values() if row.failing or not row.version])

    def roles(self):
        """{'M': the master, 'S': a slave, 'T': another}"""
        masters = self.lab.masters()
        slaves = [name for name in sorted(self.lab.seats) if name not in masters]
        return dict(zip('MST', masters[:1] + slaves))

    # -- playing

    def begin(self):
        """The hosts boot, the product is installed, and everybody knows everybody."""
        lab = self.lab
        lab.boot_all()
        for name, (status, output) in lab.on_all(hosts.INSTALL).items():
            if status:
                raise AssertionError('install.sh on %s: %s' % (name, output))
        self.marks = {}
        if not lab.until(self.is_whole, REST):
            raise AssertionError('the pool did not become whole: %s' % self.logs())

    def play(self):
        self.begin()
        for fault in self.faults:
            yield self.one(fault)
        yield self.end()

    def one(self, fault):
        lab, wrong = self.lab, []
        commands, undo, loses = FAULTS[fault]
        roles = self.roles()
        seen = len(lab.world.violations)
        before = dict([(host.name, host.boots) for host in lab.world.hosts.values()])
        stops = len([1 for entry in lab.world.truth if entry[1] == 'stops'])
        began = ha_lizard.clock()
        for line in commands:
            lab.play(named(line, roles))
            if line.startswith(('power off', 'cut ')) and 'from' not in line:
                # It will boot, and then has to start up once more.
                name = line.split()[-1]
                self.marks[roles[name]] = len(
                    lab.text(roles[name], '/etc/ha-lizard/state/journal'))
        seconds = None
        if loses:
            if lab.until(lambda: self.has_lost(stops), REST) and lab.until(self.is_well, REST):
                seconds = ha_lizard.clock() - began
            else:
                wrong += ['it did not recover in %d s: %s' % (REST, ', '.join(
                    self.missing() or ['masters: %s' % lab.masters()]))]
        else:
            lab.run(CALM * 2)
            changed = [host.name for host in lab.world.hosts.values()
                       if host.boots != before[host.name] or not host.powered]
            if changed or not self.is_well():
                wrong += ['something happened: %s' % ', '.join(changed + self.missing())]
        wrong += ['%d: %s' % each for each in lab.world.violations[seen:]]
        twice = len([1 for each in lab.world.violations[seen:] if each[1].startswith('I1')])
        masters = len(lab.masters())
        for line in undo:
            lab.play(named(line, roles))
        if not lab.until(self.is_whole, REST):
            wrong += ['the pool was not whole again after %d s' % REST]
        lab.run(CALM)               # and nothing moves any more
        if not self.is_well():
            wrong += ['afterwards: %s' % ', '.join(self.missing() or ['no master'])]
        if wrong:
            wrong.append(self.logs())
        return {'scenario': self.name, 'hosts': self.count, 'fault': fault, 'seconds': seconds,
                'twice': twice, 'masters': masters, 'orphans': self.orphans(), 'wrong': wrong}

    def has_lost(self, stops):
        return len([1 for entry in self.lab.world.truth if entry[1] == 'stops']) > stops

    def orphans(self):
        """VMs that the pool believes to be where they are not."""
        database = self.lab.story.pool.database()
        if not database:
            return 0
        wrong = 0
        for vm, uuid in self.lab.story.vms.items():
            record = database.get('vm', uuid)
            wrong += (record['power_state'] == 'running') != bool(self.lab.where(vm))
        return wrong

    def end(self):
        """The service ends, and leaves no process behind."""
        found, wrong = 0, []
        for name, (status, output) in self.lab.on_all('service ha-lizard stop -w').items():
            if status:
                wrong.append('%s: %s' % (name, output))
        self.lab.until(lambda: not [1 for seat in self.lab.seats.values() if seat.processes()], LETTER)
        for name, seat in self.lab.seats.items():
            left = sorted(seat.processes().values())
            found += len(left)
            wrong += ['%s: left behind: %s' % (name, text) for text in left]
        return {'scenario': self.name, 'hosts': self.count, 'fault': 'the service stops',
                'seconds': None, 'twice': len(self.lab.world.violations),
                'masters': len(self.lab.masters()), 'orphans': found, 'wrong': wrong}

    def logs(self):
        lines = ['']
        for name in sorted(self.lab.seats):
            text = self.lab.text(name, '/var/log/user.log')
            lines += ['    %s %s' % (name, line[4:180]) for line in text.splitlines()[-25:]]
        lines += ['    truth %s' % (entry,) for entry in self.lab.world.truth[-12:]]
        return '\n'.join(lines)


class Reader(object):
    def __init__(self, files):
        self.read = files.get


def named(line, roles):
    return re.sub(r'\b[MST]\b', lambda match: roles[match.group(0)], line)
