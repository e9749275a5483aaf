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
        self.begun, self.read_bytes, self.written, self.said = [], 0, [], 0

    def begin(self, argv, timeout, feed='', env=None, password=None):
        job = ha_lizard.Dom0.begin(self, argv, timeout, feed, env, password)
        self.begun.append(job)
        return job

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


def measure(warm_up):
    """In the child: one round after some others, as {what: number}."""
    meter = Meter()
    for _ in range(warm_up):
        ha_lizard.run_round(meter)
    best = None
    for _ in range(3):
        meter.__init__()
        cpu, began = cpu_seconds(), time.time()
        ha_lizard.run_round(meter)
        wall, cpu = time.time() - began, cpu_seconds() - cpu
        if best is None or cpu < best['cpu']:
            best = {'cpu': cpu, 'wall': wall}
        best['wall'] = min(wall, best['wall'])
        if os.environ['HA_LIZARD_LATENCY'] != '0':
            break
    xe = [job for job in meter.begun if job.argv[0] == 'xe']
    outputs = sum([len(job.result.output) for job in meter.begun])
    best.update({'xe': len(xe), 'processes': len(meter.begun) + 1,
                 'bytes': meter.read_bytes + outputs, 'memory': peak_megabytes(),
                 'files': len(meter.written), 'journal': meter.said})
    return best


def tell(warm_up):
    """Measure in a fork, as a round is one of the watcher."""
    if os.fork():
        return os._exit(os.wait()[1] >> 8)
    for pair in sorted(measure(warm_up).items()):
        ha_lizard.say('%s=%.6f' % pair)


# -- the watcher ----

def watch(seconds):
    """Tick for that long, without rounds; then what it cost per minute."""
    meter = Meter()
    meter.wire = ha_lizard.Wire('10.0.0.1')
    sent, heard = count(meter), []
    watcher = ha_lizard.Watcher(meter)
    watcher.next_round = 1e12
    noting(meter.wire, 'receive', None, heard.extend)
    for _ in range(3):                      # until everybody has answered
        time.sleep(min(1, watcher.tick()))
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
