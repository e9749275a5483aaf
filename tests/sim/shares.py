"""Work in several processes at once: for all that is a list of stories."""

import gc
import os
import sys
import traceback

import ha_lizard
import memory


def shares(jobs, work):
    """What work(number) returned in each of the processes: texts; '' if one died."""
    sys.stdout.flush()
    streams = []
    for number in range(jobs):
        read, write = os.pipe()
        if not os.fork():
            run(work, number, write)
        os.close(write)
        streams.append(os.fdopen(read, 'rb'))
    texts = []
    for stream in streams:
        texts.append(ha_lizard.to_text(stream.read()))
        stream.close()
        os.wait()
    return texts


def run(work, number, write):
    """In the child: what nobody can change is not looked at for garbage again."""
    memory.start()
    if hasattr(gc, 'freeze'):
        gc.freeze()
    stay(number)
    try:
        try:
            ha_lizard.write_all(write, ha_lizard.to_bytes(work(number)))
        except:
            traceback.print_exc()
    finally:
        os._exit(0)


def stay(number):
    """Keep to one core.  The threads of a story take turns, and to pass the turn to one
    on another core takes five times as long."""
    if hasattr(os, 'sched_setaffinity'):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, [cores[number % len(cores)]])


def alone(function, *arguments):
    """Call it without the collector of garbage, which costs a tenth; then collect."""
    gc.disable()
    try:
        return function(*arguments)
    finally:
        gc.enable()
        gc.collect()
