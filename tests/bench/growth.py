"""Does anything grow faster than n log n?

Counted, not timed: the lines that each function executes at growing sizes, in
memory and without processes.  A line through log(count) over log(n) gives the
power with which it grows; n log n looks like 1.1 to 1.2 there, and beyond
STEEP it is a failure that names the function.  What loops inside one line in
C -- `in` on a list, sorting -- shows only in time: the CPU time of a function
that takes a good share of the whole must not grow beyond SLOW.
"""

import cProfile
import gc
import math
import sys
import time

import pools
import ha_lizard

STEEP, SHARE = 1.3, 0.01        # of all lines at the largest size: less says nothing
SLOW, SLOW_SHARE = 1.7, 0.1
RUNS = 3
VMS, HOSTS = (500, 1000, 2000, 4000), (8, 16, 32, 64)
PER_HOST = 8                    # VMs, where the hosts grow


def lines_of(call):
    """{function: lines executed}"""
    counts = {}

    def trace(frame, event, argument):
        code = frame.f_code
        if event == 'line':
            counts[code] = counts.get(code, 0) + 1
        return trace
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return dict([(name_of(code), count) for code, count in counts.items()
                 if code.co_filename.rstrip('c').endswith('ha_lizard.py')])


def own_times(work):
    """{function: CPU seconds}: the best of some runs."""
    best = {}
    for _ in range(RUNS):
        call = work()
        gc.collect()
        profile = cProfile.Profile(time.process_time, builtins=False)
        profile.runcall(call)
        for entry in profile.getstats():
            best.setdefault(name_of(entry.code), []).append(entry.inlinetime)
    return dict([(name, min(times)) for name, times in best.items()])


def name_of(code):
    """The function; a list in it counts as part of it on every Python."""
    if isinstance(code, str):
        return code
    name = getattr(code, 'co_qualname', code.co_name)
    return '%s (line %d)' % (name.replace('.<locals>', ''), code.co_firstlineno)


def power(sizes, times):
    """The slope of log(time) over log(size)."""
    xs = [math.log(size) for size in sizes]
    ys = [math.log(max(seconds, 1e-7)) for seconds in times]
    middle, height = sum(xs) / len(xs), sum(ys) / len(ys)
    return (sum([(x - middle) * (y - height) for x, y in zip(xs, ys)])
            / sum([(x - middle) ** 2 for x in xs]))


def fit(what, sizes, works):
    """{what, seconds, power, steep: [(function, power)]} over the sizes."""
    counted = [lines_of(work()) for work in works]
    timed = [own_times(work) for work in works]
    steep = (steepest(sizes, counted, STEEP, SHARE)
             + steepest(sizes, timed, SLOW, SLOW_SHARE))
    return {'what': what, 'from': sizes[0], 'to': sizes[-1],
            'seconds': sum(timed[-1].values()), 'steep': sorted(steep),
            'power': power(sizes, [sum(table.values()) for table in counted])}


def steepest(sizes, tables, limit, share):
    """[(function, power)] of what grows too fast and is worth a word."""
    whole, found = sum(tables[-1].values()), []
    for name, most in tables[-1].items():
        grows = power(sizes, [table.get(name, 0) for table in tables])
        if most >= share * whole and grows > limit:
            found.append((name, grows))
    return found


# -- what is measured ----

def healthy_round(hosts, vms, number):
    """work() for own_times: a round in which nothing is to do."""
    pool = pools.texts(hosts, vms)
    machine = pools.rested(pool, pool.hosts[number], rounds=3)
    return lambda: lambda: ha_lizard.run_round(machine)


def decision(hosts, vms):
    """One decision of a master after the last slave died and was proved off:
    every VM that it ran is down."""
    pool = pools.texts(hosts, vms)
    machine = pools.rested(pool, pool.hosts[0], rounds=3)
    site = ha_lizard.Site(machine)
    site.observe({}, {})
    dead = pool.hosts[-1]
    for uuid in pool.domains[dead]:
        site.facts.place(uuid, 'halted', '')
    watch = ha_lizard.read_watch(machine, pools.BOOT)
    row = watch.peers[dead]
    row.failing, row.silent, row.domains = True, True, None
    machine.files[ha_lizard.WATCH] = watch.text()
    for kind in ('off', 'unlocked', 'declared'):
        site.notes['%s.%s' % (kind, dead)] = '%.1f it is off' % (machine.clock + 1)
    site.srs = ({}, {})
    machine.calls = []

    def decide():
        site.facts.at = machine.clock
        site.stale = False
        plan = ha_lizard.decide(site.settings, site.observe({}, {}))
        assert [1 for action in plan.actions if isinstance(action, ha_lizard.StartVm)]
    return lambda: decide


def tick(hosts):
    """One tick of a watcher that hears every other one."""
    pool = pools.texts(hosts, hosts * PER_HOST)
    machine = pools.rested(pool, pool.hosts[0], rounds=2)
    watcher = ha_lizard.Watcher(machine)
    watcher.next_round = 1e12
    secret = ha_lizard.Signer(machine.files[ha_lizard.SECRET])
    import peers
    state = [0]

    def prepare():
        watcher.tick()
        machine.clock += 2
        told = machine.packets[pool.addresses[pool.hosts[-1]]]
        report = ha_lizard.parse_report(secret.open(told)[0])
        packets = []
        for uuid in pool.hosts[1:]:
            state[0] += 1
            text = peers.answer(uuid, state[0], report, pool.hosts)
            packets.append((pool.addresses[uuid],
                            secret.seal(text, {0: report.nonce})[0]))
        machine.heard = lambda: packets
        return watcher.tick
    return prepare


def memory(hosts, sizes):
    """Peak megabytes of Python's own memory in a round, and how it grows."""
    import tracemalloc
    peaks = []
    for vms in sizes:
        call = healthy_round(hosts, vms, 0)()
        gc.collect()
        tracemalloc.start()
        call()
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    return {'what': 'memory of a healthy round, VMs (16 hosts)', 'from': sizes[0],
            'to': sizes[-1], 'megabytes': peaks[-1], 'power': power(sizes, peaks),
            'steep': []}


def table(quick):
    vms, hosts = VMS, HOSTS
    if quick:
        vms, hosts = VMS[:2] + (1500,), HOSTS[:3]
    return [
        fit('healthy round of a master, VMs (16 hosts)', vms,
            [healthy_round(16, count, 0) for count in vms]),
        fit('healthy round of a slave, VMs (16 hosts)', vms,
            [healthy_round(16, count, 1) for count in vms]),
        fit('healthy round of a master, hosts (8 VMs each)', hosts,
            [healthy_round(count, PER_HOST * count, 0) for count in hosts]),
        fit('decision after a death, VMs (16 hosts)', vms,
            [decision(16, count) for count in vms]),
        fit('tick of the watcher, hosts', hosts, [tick(count) for count in hosts]),
        memory(16, vms)]


def objections(line):
    found = ['%s grows with the power %.2f in: %s' % (name, steep, line['what'])
             for name, steep in line['steep']]
    if line['power'] > STEEP:
        found.append('%s: the whole grows with the power %.2f' % (
            line['what'], line['power']))
    return found


HEADS = ('what, over n', 'n from', 'to', 'at the largest', 'grows like n to the', 'steep')


def row(line):
    largest = '%.1f MB' % line.get('megabytes', 0)
    if 'seconds' in line:
        largest = '%.1f ms' % (line['seconds'] * 1000)
    return (line['what'], '%d' % line['from'], '%d' % line['to'], largest,
            '%.2f' % line['power'],
            ', '.join([name for name, _ in line['steep']]) or 'none')
