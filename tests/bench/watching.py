"""What the watcher of a host costs between the rounds.

Real packets: the watcher and its peers live in a network namespace of their
own (root and unshare(1) are needed), where the kernel answers the pings and a
second process speaks for the daemons of the peers.  Dead members have no
address; while they died less than three minutes ago the watcher looks twice as
often.  CPU seconds of the watcher alone, per minute; what it learns after each
round is in it.
"""

import os
import subprocess
import sys

import pools
import rounds
import ha_lizard

SIZES, DEAD = (2, 16, 64), 8
LIMIT = 0.5             # percent of a core
JUST, LONG = 60, 2 * ha_lizard.LONG_GONE        # seconds for which they are dead
VMS_A_HOST = 16
# Whatever goes to an address that nobody has leaves by d0 and is dropped at d1.
SETUP = ('ip link set lo up', 'ip link add d0 type veth peer name d1',
         'ip link set d0 arp off up', 'ip link set d1 up', 'ip addr add 10.0.0.1/8 dev d0')


def is_possible():
    try:
        return not subprocess.call(['unshare', '-n', 'ip', 'link', 'set', 'lo', 'up'],
                                   stderr=subprocess.DEVNULL)
    except OSError:
        return False


def measure(members, dead, gone, seconds, folder):
    """Start one measurement: a process whose output tells() understands."""
    pool = pools.texts(members, members * VMS_A_HOST)
    root = os.path.join(folder, 'watch-%d-%d-%d' % (members, dead, gone))
    rounds.furnish(root, pool, pool.hosts[0])
    rounds.put(root + ha_lizard.PICTURE, picture(pool))
    alive = [pool.addresses[uuid] for uuid in pool.hosts[1:members - dead]]
    lines = list(SETUP) + ['ip addr add %s/32 dev lo' % address for address in alive]
    uuids = dict([(pool.addresses[uuid], uuid) for uuid in pool.hosts])
    rounds.put(root + '/peers', ''.join(
        ['%s %s\n' % (address, uuids[address]) for address in alive]))
    lines += ['"%s" -c "import peers; peers.speak()" & peers=$!' % sys.executable,
              'sleep 1', '"%s" -c "import meter; meter.watch(%d, %d)"' % (
                  sys.executable, seconds, gone), 'kill $peers']
    return subprocess.Popen(['unshare', '-n', 'sh', '-c', '\n'.join(lines)],
                            cwd=root,
                            env=rounds.environment(root, '0'), stdout=subprocess.PIPE)


def picture(pool):
    """What the last round left."""
    machine = pools.rested(pool, pool.hosts[0])
    text = machine.files[ha_lizard.PICTURE]
    return text


def table(quick, folder):
    """[{what: number}]"""
    sizes = SIZES[:2 + (not quick)]
    cases = [(members, dead, gone) for members in sizes
             for dead, gone in ((0, 0), (DEAD, LONG), (DEAD, JUST)) if dead * 2 < members]
    seconds = {True: 8, False: 24}[quick]
    lines, all_started = [], []
    for members, dead, gone in cases:
        all_started.append(measure(members, dead, gone, seconds, folder))
        if not quick:
            all_started[-1].wait()          # large ones would disturb each other
    for (members, dead, gone), started in zip(cases, all_started):
        output = ha_lizard.to_text(started.communicate()[0])
        line = dict([(key, float(value)) for key, value in
                     [each.split('=') for each in output.split()]])
        line.update({'members': members, 'dead': dead, 'gone': gone})
        lines.append(line)
    return lines


def objections(line):
    percent = line['cpu'] / 60 * 100
    if percent > LIMIT:
        return ['watching %d members, %d of them dead for %d s, takes %.2f %% of a core, '
                'the target is %.1f %%' % (line['members'], line['dead'], line['gone'],
                                           percent, LIMIT)]
    return []


HEADS = ('members', 'dead', 'for s', 'CPU s a minute', '% of a core', 'packets sent a second',
         'datagrams heard a second', 'answering')


def row(line):
    return ('%d' % line['members'], '%d' % line['dead'], '%d' % line['gone'],
            '%.3f' % line['cpu'],
            '%.2f' % (line['cpu'] / 60 * 100), '%.0f' % line['sent'],
            '%.0f' % line['heard'], '%d' % line['answering'])
