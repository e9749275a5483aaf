"""How many starts at a time are worth it, in virtual seconds.

One xenopsd builds four domains at a time and lets the others wait in its queue,
where nobody sees how far they are and a deadline runs.  So the default is what
one surviving host serves; a larger pool has more of them, and may set more.
"""

import failover
import scenario

POOLS = (2, 3, 5)
CHOICES = (1, 2, 4, 8, 16)
DEFAULT = 4
VMS = 48
ENOUGH = 1.05               # times what the best choice takes, in a pool of two

HEADS = ('hosts', 'START_PARALLEL', 'first VM s', 'last VM s', 'starts that waited')


def table(quick):
    lines = [measure(hosts, choice) for hosts in POOLS[:len(POOLS) - quick] for choice in CHOICES]
    for line in lines:
        line['best'] = min([other['last'] for other in lines if other['hosts'] == line['hosts']])
    return lines


def measure(hosts, choice):
    """One line: so many VMs of a dead slave, started `choice` at a time."""
    names = ['n%d' % (1 + number) for number in range(hosts)]
    story = scenario.Story()
    try:
        story.play('pool ' + ' '.join(names))
        for number in range(VMS):
            story.play('vm vm%d on %s memory=0.1' % (number, names[-1]))
        for line in ('fence ILO', 'set START_PARALLEL %d' % choice, 'witness 192.168.1.1',
                     'ha on', 'run 400', 'power off ' + names[-1]):
            story.play(line)
        began, up = story.world.now, []
        while len(up) < VMS and story.world.now - began < 3600:
            story.play('run 15')
            up = failover.starts_since(story, began)
        waited = sum([host.xapi.queued for host in story.world.hosts.values()])
    finally:
        story.close()
    return {'hosts': hosts, 'parallel': choice, 'waited': waited,
            'first': (up + [-1.0])[0], 'last': (up + [-1.0] * VMS)[VMS - 1]}


def row(line):
    return ['%d' % line['hosts'], '%d' % line['parallel'], '%.0f' % line['first'],
            '%.0f' % line['last'], '%d' % line['waited']]


def objections(line):
    """The default serves one surviving host as well as any choice, and queues nothing."""
    if line['hosts'] != 2 or line['parallel'] != DEFAULT:
        return []
    found = []
    if line['last'] > ENOUGH * line['best']:
        found.append('starts: %d at a time take %.0f s, another number %.0f s' % (
            DEFAULT, line['last'], line['best']))
    if line['waited']:
        found.append('starts: %d at a time is more than one host builds' % DEFAULT)
    return found
