"""Runs in the measured process: nothing but the product and what counts.

What it says is lines of name=number.
"""

import os
import sys
import time

sys.dont_write_bytecode = True
import ha_lizard


class Meter(ha_lizard.Dom0):
    """The real one; it counts."""

    def __init__(self):
        ha_lizard.Dom0.__init__(self)
        self.begin_again()

    def begin_again(self):
        self.begun, self.read_bytes, self.written, self.said = {}, 0, [], 0

    def begin(self, argv, timeout, feed='', env=None, password=None):
        job = ha_lizard.Dom0.begin(self, argv, timeout, feed, env, password)
        # Its number and no more: what it printed must not be kept for our sake.
        self.begun[job.pid] = (argv[0], 0)
        return job

    def ended(self, jobs, seconds):
        done = ha_lizard.Dom0.ended(self, jobs, seconds)
        for job in done:
            self.begun[job.pid] = (job.argv[0], job.size)
        return done

    def read(self, path, default=None):
        text = ha_lizard.Dom0.read(self, path, default)
        self.read_bytes += len(text or '')
        return text

    def write(self, path, text, mode=ha_lizard.PUBLIC):
        self.written.append(path)
        return ha_lizard.Dom0.write(self, path, text, mode)

    def append(self, path, text, mode=ha_lizard.PRIVATE):
        self.said += 1
        return ha_lizard.Dom0.append(self, path, text, mode)

    def log(self, text, priority='info'):
        pass


def cpu_seconds():
    import resource
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_megabytes():
    """Of this very program: rusage would count what was there before exec."""
    for line in open('/proc/self/status'):
        if line.startswith('VmHWM:'):
            return int(line.split()[1]) / 1024.0


def measure(meter, settings):
    """One round in a fork of its watcher, as it is: {what: number}."""
    ours, theirs = os.pipe()
    if not os.fork():
        os.write(theirs, repr(cost(meter, settings)).encode())
        os._exit(0)
    os.close(theirs)
    text = os.read(ours, 4096).decode()
    os.close(ours)
    os.wait()
    return eval(text)


def cost(meter, settings):
    meter.begin_again()
    cpu, began = cpu_seconds(), time.time()
    ha_lizard.run_round(meter, False, settings)
    wall, cpu = time.time() - began, cpu_seconds() - cpu
    begun = list(meter.begun.values())
    return {'cpu': cpu, 'wall': wall, 'memory': peak_megabytes(),
            'xe': len([1 for program, _ in begun if program == 'xe']),
            'processes': len(begun) + 1,
            'bytes': meter.read_bytes + sum([size for _, size in begun]),
            'files': len(meter.written), 'journal': meter.said}


def tell(warm_up, rounds):
    """The cheapest of some rounds that follow the first ones; the most memory."""
    meter = Meter()
    for _ in range(warm_up):
        measure(meter, None)
    watcher = ha_lizard.Watcher(meter)          # it keeps what a watcher keeps
    found = [measure(meter, watcher.settings) for _ in range(rounds)]
    best = min(found, key=lambda line: line['cpu'])
    best['wall'] = min([line['wall'] for line in found])
    best['memory'] = max([line['memory'] for line in found])
    for pair in sorted(best.items()):
        ha_lizard.say('%s=%.6f' % pair)


# -- the watcher ----

def watch(seconds, gone):
    """Tick for that long, without rounds; then what it cost per minute.  `gone`:
    seconds for which the dead members have not answered."""
    meter = Meter()
    meter.wire = ha_lizard.Wire('10.0.0.1')
    sent, heard = count(meter), []
    watcher = ha_lizard.Watcher(meter)
    watcher.next_round = 1e12
    noting(meter.wire, 'receive', None, heard.extend)
    for _ in range(3):                      # until everybody has answered
        time.sleep(min(1, watcher.tick()))
    for peer in watcher.peers.values():
        if peer.failing:
            peer.since -= gone
    watcher.tick()                          # they fall silent
    del sent[:], heard[:]
    end, cpu = time.time() + seconds, cpu_seconds()
    while time.time() < end:
        time.sleep(watcher.tick())
    spent = cpu_seconds() - cpu
    learnt = cpu_seconds()
    watcher.learn()
    learnt = cpu_seconds() - learnt
    answering = [peer for peer in watcher.peers.values() if not peer.failing]
    for pair in (('cpu', spent * 60 / seconds
                  + learnt * 60 / watcher.settings.monitor_delay),
                 ('sent', len(sent) / float(seconds)),
                 ('heard', len(heard) / float(seconds)), ('answering', len(answering))):
        ha_lizard.say('%s=%.6f' % pair)


def count(meter):
    """A list that grows with every packet that the meter sends."""
    sent = []
    for thing, name in ((meter.prober, 'send_echo'), (meter.prober, 'connect'),
                        (meter.pinger, 'send_echo')):
        noting(thing, name, lambda *arguments: sent.append(1))
    noting(meter.wire, 'send', lambda packets: sent.extend([1] * len(packets)))
    return sent


def noting(thing, name, before, after=None):
    """Let functions see what a method is given, and what it returns."""
    method = getattr(thing, name)

    def noted(*arguments):
        if before:
            before(*arguments)
        result = method(*arguments)
        if after:
            after(result)
        return result
    setattr(thing, name, noted)
