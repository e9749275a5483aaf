"""The same story on simulated hosts and on real processes, decision by decision.

    agreement.py FAULT          plays it in both; JSON: {lab: TOLD, sim: TOLD, seconds: N}

TOLD is {lines: {host: lines}, on: hosts that are on at the end, masters: ..., vms: {vm: hosts}}.
Both have the same pool, the same settings and the same xapi, at its own speed.
A line is a decision, a proof or an act of the journal, without times and numbers.  What
may legitimately differ is in PASSING and CHORES, and nowhere else; but a host that is
switched off has said as much as it had the time for.
"""

import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE]

import hosts
import ha_lizard
import ordeals
import scenario

COUNT = 3
QUIET, LONGEST = 20, 300        # seconds without a new line; until it must be quiet
CALM = 40                       # seconds in which a simulated pool comes to rest
RESTART = 12.0                  # of a xapi, in both: the silence of a promotion
REVIVED = 10                    # seconds until the watchdog finds a dead daemon
# Those of the table; and daemons that are killed, which alone is no reason to say anything.
FAULTS = dict([(name, ordeals.FAULTS[name][0]) for name in (
    'slave power', 'master power', 'slave cable', 'master cable', 'slave xapi hangs',
    'master xapi hangs')])
FAULTS['daemons and slave power'] = ['daemon kill M', 'daemon kill S', 'run 25', 'power off T']

# (pattern, why a line of it may be there in one of the two only)
PASSING = (
    (r'^decide master \w+ is alive but its xapi gives no answer',
     'what a call gets from an xapi that restarts depends on the moment of the round'),
    (r'^decide master \w+ does not answer just now',
     'said only by a round that begins between the fault and the end of the patience'),
    (r'^decide master \w+ answers$',
     'the end of one of the two above; another machine at work makes a call of xe late'),
    (r'^decide xapi gives no answer \(xe [a-z]+-list gave no answer in time\)$',
     'XE_TIMEOUT is 2 s here, and a machine with other work to do may take longer'),
    (r'^decide master \w+ is silent; \w+ says that it is the master',
     'said only by a round between the datagram of a new master and the answer of its xapi'))

# What a master writes down beside a recovery, one with each round: it must be the same, but
# between which two steps depends on the pace of the machine.
CHORES = r'^act (show that \w+ is|refresh the databases|name \w+ as the one to replace)'


class Tale(object):
    """A story in one of the two: .lines() says what was decided since .mark()."""

    def __init__(self, world):
        self.world, self.marks = world, {}

    def journal(self, host):
        return host.files.get(ha_lizard.Journal.path, '')

    def mark(self):
        for host in self.world.hosts.values():
            self.marks[host.name] = len(self.journal(host))

    def lines(self):
        return dict([(host.name, sentences(self.journal(host)[self.marks.get(host.name, 0):]))
                     for host in self.world.hosts.values()])

    def told(self, story):
        """All of it, and how it ended."""
        hosts_on = [host for host in self.world.hosts.values() if host.powered]
        return {'lines': self.lines(), 'on': sorted([host.name for host in hosts_on]),
                'masters': sorted([host.name for host in hosts_on
                                   if host.xapi.role == 'master']),
                'vms': dict([(vm, self.world.where(uuid)) for vm, uuid in story.vms.items()])}


def sentences(text):
    """What a journal says was decided and done, and why, in its order."""
    found = re.findall(r'(?m)^\S+ \S+ (decide|act|proof|note) +(.*)$', text)
    return ['%s %s' % (kind, re.sub(r'\b\d+\b', 'N', words)) for kind, words in found]


def in_lab(commands):
    """(what is told, seconds from the first command until it was at rest)"""
    story = ordeals.Story('agreement', COUNT, (), 1)
    story.lab.world.costs.restart = RESTART
    try:
        story.begin()
        tale = Tale(story.lab.world)
        if not story.lab.until(lambda: has_shown_all(tale), LONGEST):
            raise AssertionError('no chores: %s' % tale.lines())
        rest(story, tale, 8)
        tale.mark()
        began = ha_lizard.clock()
        for line in commands:
            if line.startswith('run '):
                story.lab.run(int(line[4:]))
            else:
                story.lab.play(line)
        rest(story, tale)
        return tale.told(story.lab.story), ha_lizard.clock() - began
    finally:
        story.close()


def has_shown_all(tale):
    """The last chore of a master that has just begun."""
    return [1 for lines in tale.lines().values()
            if len([line for line in lines if re.search('show that . is healthy', line)])
            == COUNT - 1]


def rest(story, tale, quiet=QUIET):
    """Let time pass until nobody has anything to say."""
    seen, since = None, ha_lizard.clock()
    end = since + LONGEST
    while ha_lizard.clock() - since < quiet:
        if ha_lizard.clock() > end:
            raise AssertionError('it does not come to rest: %s' % seen)
        if tale.lines() != seen or not story.is_well():
            seen, since = tale.lines(), ha_lizard.clock()
        story.lab.run(1)


def in_simulator(commands, seconds):
    story = scenario.Story()
    story.world.costs.restart = RESTART
    try:
        for line in ordeals.pool_of(COUNT) + ['run %d' % CALM]:
            story.play(line)
        tale = Tale(story.world)
        tale.mark()
        for line in commands:
            if line.startswith('run '):
                revive(story, commands)
                line = 'run %d' % (int(line[4:]) - REVIVED)
            story.play(line)
        story.play('run %d' % seconds)
        return tale.told(story)
    finally:
        story.close()


def revive(story, commands):
    """What the watchdog of a real host does."""
    story.play('run %d' % REVIVED)
    for name in re.findall('daemon kill (.)', ' '.join(commands)):
        story.play('daemon start ' + name)


def play(fault):
    roles = {'M': 'a', 'S': 'b', 'T': 'c'}
    commands = [ordeals.named(line, roles) for line in FAULTS[fault]]
    real, seconds = in_lab(commands)
    return {'lab': real, 'sim': in_simulator(commands, seconds), 'seconds': seconds}


def difference(one, other, name):
    """How two TOLD of one host differ where they must not: a pair, or None."""
    steps = [settled(told['lines'][name]) for told in (one, other)]
    chores = [set([line for line in told['lines'][name] if re.search(CHORES, line)])
              for told in (one, other)]
    if name not in one['on'] and name not in other['on']:
        shorter = min([len(lines) for lines in steps])
        steps = [lines[:shorter] for lines in steps]
        chores = [chores[0] & chores[1]] * 2
    for pair in steps, chores:
        if pair[0] != pair[1]:
            return pair


def settled(lines):
    """Those that must be the same in both, in their order."""
    kept, decided = [], None
    for line in lines:
        if re.search(CHORES, line) or [1 for pattern, _ in PASSING if re.search(pattern, line)]:
            continue
        if line.startswith('decide'):
            # One that stands is told again only when another was told between.
            if line == decided:
                continue
            decided = line
        kept.append(line)
    return kept


if __name__ == '__main__':
    hosts.enter()
    json.dump(play(sys.argv[1]), sys.stdout)
