"""ha-cfg what-if against what then happens.

HA_LIZARD_POOLS=200 compares that many random pools; without it a few.
"""

import os
import random

import base
import ha_lizard
from ha_cfg_case import cfg, run_cfg
from scenario import Story

FIRST = 7                           # the seed of the first random pool
POOLS = int(os.environ.get('HA_LIZARD_POOLS', '5'))
SETTLED, AFTERMATH = 150, 900       # seconds before and after a fault


def plan_of(story, name, *words):
    """What ha-cfg what-if foretells: a dict."""
    plans = []
    before = cfg.plan_facts

    def keep(*args):
        plans.append(before(*args))
        return plans[-1]
    cfg.plan_facts = keep
    try:
        status, screen = run_cfg(story, name, 'what-if', *words)
    finally:
        cfg.plan_facts = before
    assert plans, (status, screen.text(), screen.errors())
    return plans[0]


class RandomPool(object):
    """A pool, a fault, and the names in both; the same for the same seed."""

    def __init__(self, seed):
        self.random = chance = random.Random(seed)
        count = chance.choice([2, 2, 3, 3, 4, 5])
        self.hosts = ['n%d' % (number + 1) for number in range(count)]
        self.lost = chance.choice(self.hosts[:1] * 2 + self.hosts)
        self.lines = ['pool ' + ' '.join(self.hosts), 'ha on']
        self.lines.append('fence ' + chance.choice(['POOL', 'ILO', 'ILO', 'IRMC', 'ILO:IRMC']))
        if chance.random() < 0.7:
            self.lines.append('witness 10.0.0.250')
        for name, values in (('GLOBAL_VM_HA', '011'), ('SLAVE_HA', '1110'), ('START_PARALLEL', '148'),
                             ('FENCE_HA_ONFAIL', '0001'), ('PROMOTE_SLAVE', '11110'),
                             ('FENCE_STRICT', '0001'), ('FENCE_MIN_HOSTS', '2223')):
            if chance.random() < 0.5:
                self.lines.append('set %s %s' % (name, chance.choice(values)))
        self.vms = ['vm%d' % (number + 1) for number in range(chance.randint(1, 7))]
        for name in self.vms:
            self.lines.append('vm %s on %s memory=%d order=%d ha=%s' % (
                name, chance.choice(self.hosts + [self.lost] * 2), chance.choice([1, 4, 20, 30]),
                chance.choice([0, 0, 1, 2]), chance.choice(['true', 'true', 'false', 'unset'])))
        self.fault = chance.choice(['power off', 'power off', 'cut'])
        self.asked_on = chance.choice(self.hosts)

    def words(self):
        """of what-if"""
        if self.fault == 'cut':
            return ['isolated', self.lost]
        if self.lost == self.hosts[0] and self.random.random() < 0.5:
            return ['master-dead']
        return ['host-dead', self.lost]


class Outcome(object):
    """What really became of it, from the survivors' journals and the domains."""

    def __init__(self, story, pool, before):
        world, lost = story.world, pool.lost
        texts = [world.hosts[name].files.get(ha_lizard.Journal.path, '')
                 for name in pool.hosts]
        self.fenced = [name for name in pool.hosts if [
            line for text in texts for line in text.split('\n')
            if ' proof ' in line and ' %s is off: ' % name in line]]
        masters = [host.name for host in story.pool.masters() if host.name != lost]
        self.promoted = [name for name in masters if name != pool.hosts[0]]
        self.started = {}
        for name in pool.vms:
            places = [place for place in world.where(story.vms[name])
                      if place != before.get(name)]
            if places:
                self.started[name] = places[0]


class TestWhatIf(base.TestCase):
    """The plan equals what then happens."""

    def compare(self, seed):
        pool = RandomPool(seed)
        story = Story()
        try:
            for line in pool.lines:
                story.play(line)
            story.play('run %d' % SETTLED)
            before = dict([(name, ''.join(story.world.where(story.vms[name])[:1]))
                           for name in pool.vms])
            plan = plan_of(story, pool.asked_on, *pool.words())
            story.play('run 5')
            story.play('%s %s' % (pool.fault, pool.lost))
            story.play('run %d' % AFTERMATH)
            outcome = Outcome(story, pool, before)
        finally:
            story.close()
        expected = (plan['fenced'], plan['promoted'], dict(
            [(vm['name'], vm['host']) for vm in plan['started']]))
        happened = (outcome.fenced, outcome.promoted, outcome.started)
        self.kinds.update([kind for kind, found in zip(
            ('fenced', 'promoted', 'started'), happened) if found] or ['nothing'])
        if expected != happened:
            return 'seed %d: %s %s, asked on %s\n%s\nforetold %r\nhappened %r\n%s' % (
                seed, pool.fault, pool.lost, pool.asked_on, '\n'.join(pool.lines),
                expected, happened, '\n'.join(['%5d %-3s %s' % (
                    each['after'], each['host'], each['text']) for each in plan['events']]))

    def test_random_pools(self):
        self.kinds = set()
        wrong = [text for text in map(self.compare, range(FIRST, FIRST + POOLS)) if text]
        self.assertEqual(set(['fenced', 'promoted', 'started', 'nothing']), self.kinds)
        if wrong:
            self.fail('%d of %d plans are wrong\n\n%s' % (
                len(wrong), POOLS, '\n\n'.join(wrong[:3])))
