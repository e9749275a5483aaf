"""How long a failover takes, in virtual seconds, beside the floor.

The floor is what the rules make everybody wait for and what the world takes,
term by term; nothing of it is ours to save.
"""

import pools
import scenario
import ha_lizard

HOSTS = ('n1', 'n2', 'n3', 'n4')
# The manual's example "auto-start with host HA"; {}: its defaults.
EXAMPLE = (('MONITOR_DELAY', '45'), ('MONITOR_MAX_STARTS', '40'),
           ('MONITOR_SCANRATE', '10'), ('XAPI_COUNT', '5'), ('XAPI_DELAY', '15'),
           ('FENCE_HA_ONFAIL', '1'), ('FENCE_MIN_HOSTS', '3'),
           ('FENCE_REBOOT_LONE_HOST', '1'), ('SLAVE_VM_STAT', '1'))
SETS = {'defaults': (), 'example': EXAMPLE}
RATIO = 1.15
FAULT = 400                 # virtual seconds after which the host dies


def story_of(dead, count, fence, chosen):
    """A Story in which that many VMs ran on the host that has just died."""
    story = scenario.Story()
    play = story.play
    play('pool ' + ' '.join(HOSTS))
    host = {'slave': 'n4', 'master': 'n1'}[dead]
    for number in range(count):
        play('vm vm%d on %s memory=0.1' % (number, host))
    play('fence ' + fence)
    for name, value in SETS[chosen]:
        play('set %s %s' % (name, value))
    play('witness 192.168.1.1')
    play('ha on')
    play('run %d' % FAULT)
    play('power off ' + host)
    return story


def measure(dead, count, fence, chosen):
    """One line of the table: {what: number}."""
    story = story_of(dead, count, fence, chosen)
    began, log, up = story.world.now, [], []
    try:
        while len(up) < count and story.world.now - began < 3600:
            story.play('run 15')
            log.extend(story.lines())
            up = starts_since(story, began)
        terms = floor(story, dead, count, fence, log)
    finally:
        story.close()
    first = sum([seconds for _, seconds in terms[:-1]])
    line = {'dead': dead, 'vms': count, 'fence': fence, 'settings': chosen,
            'terms': terms, 'first floor': first, 'last floor': first + terms[-1][1],
            'first': -1.0, 'last': -1.0}
    if len(up) >= count:
        line.update({'first': up[0], 'last': up[count - 1]})
    return line


def starts_since(story, began):
    """Seconds from that moment until each start of a VM since then, in their order."""
    return sorted([moment - began for moment, what, _, _ in story.world.truth
                   if what == 'runs' and moment > began])


def settings_of(story):
    other = dict(story.pool.database().pool()['other_config'])
    return ha_lizard.Settings([('pool', ha_lizard.pool_settings(other))])


def floor(story, dead, count, fence, log):
    """[(term, seconds)]; all but the last come before the first VM runs."""
    settings, costs = settings_of(story), story.world.costs
    look = settings.xapi_count * settings.xapi_delay
    silence = ha_lizard.PROBE_TIMEOUT + look
    terms = [('a probe and XAPI_COUNT x XAPI_DELAY without a sign of life', silence)]
    if fence == 'POOL':
        lease = sum(ha_lizard.lease_of(settings, dead == 'master')) + ha_lizard.GUARD
        terms.append(('until its promise must have been kept: A4', max(0, lease - silence)))
        terms.append(('the last look: A13', ha_lizard.LAST_LOOK))
    else:
        terms.append(('the device switches off and is read off', spent(log, 'fence ')))
    if dead == 'master':
        terms += [('the last look: A13', ha_lizard.LAST_LOOK),
                  ('order, announcement and restart as master',
                   costs.xe + costs.announce + costs.restart),
                  ('the slaves are called and restart: A6',
                   costs.xe + costs.announce + costs.restart)]
    resets = -(-count // ha_lizard.MOST_RESETS)
    starts = -(-count // settings.start_parallel)
    terms += [('power states: %d x %d at a time' % (resets, ha_lizard.MOST_RESETS),
               resets * (costs.xe + costs.dead_check)),
              ('storage locks', spent(log, 'clear the storage locks')),
              ('one look at pool and storage', 2 * costs.xe),
              ('the first start', costs.xe + costs.start),
              ('the other starts: %d rounds of %d' % (starts - 1, settings.start_parallel),
               (starts - 1) * (costs.xe + costs.start))]
    return terms


def spent(log, what):
    """Seconds between the first `act:` and `done:` of something, which the world
    and its devices need."""
    began = [float(line.split()[0]) for line in log if ' act: ' + what in line]
    ended = [float(line.split()[0]) for line in log if ' done: ' + what in line]
    if began and ended:
        return max(0, ended[0] - began[0])
    return 0


def objections(line):
    name = '%s dead, %d VMs, %s, %s' % (line['dead'], line['vms'], line['fence'],
                                        line['settings'])
    if line['last'] < 0:
        return ['failover, %s: not all VMs came up' % name]
    return ['failover, %s: %s VM after %.0f s, %.2f x the floor' % (
        name, which, line[which], line[which] / line[which + ' floor'])
            for which in ('first', 'last')
            if line[which] > RATIO * line[which + ' floor']]


HEADS = ('dead', 'VMs', 'fence', 'settings', 'first VM s', 'floor s', 'ratio',
         'last VM s', 'floor s', 'ratio')


def row(line):
    cells = [line['dead'], '%d' % line['vms'], line['fence'], line['settings']]
    for which in ('first', 'last'):
        cells += ['%.0f' % line[which], '%.1f' % line[which + ' floor'],
                  '%.2f' % (line[which] / line[which + ' floor'])]
    return cells


def cases(quick):
    counts = {True: (10,), False: (10, 100, 500)}[quick]
    return [(dead, count, fence, chosen) for chosen in ('defaults', 'example')
            for dead in ('slave', 'master') for fence in ('ILO', 'POOL')
            for count in counts]
