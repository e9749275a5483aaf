"""What the stand-ins of fence devices share: the folder STATE that says what
the device is like, and what it did.  Its files: see clp.py."""

import os
import sys
import time

STATE = sys.argv[1]


def get(name, default=''):
    try:
        with open(os.path.join(STATE, name)) as stream:
            return stream.read().strip()
    except IOError:
        return default


def put(name, text, how='w'):
    with open(os.path.join(STATE, name), how) as stream:
        stream.write(text)


def fall():
    """A power-off that takes its time ends when its time has come."""
    if get('falls_at') and time.time() >= float(get('falls_at')):
        put('power', 'Off')
        put('falls_at', '')


def truth():
    """On or Off: the power, whatever the device says."""
    fall()
    return get('power', 'On')


def power():
    """On or Off, as the device says it."""
    if get('mode') == 'says off':
        return 'Off'
    return truth()


def send(data):
    """Write bytes to whoever logged in; in the mode `split` each by itself."""
    if get('mode') == 'split':
        for place in range(len(data)):
            os.write(1, data[place:place + 1])
            time.sleep(0.002)
        return
    while data:
        data = data[os.write(1, data):]


def hang_up():
    """As when the device reboots: the whole session is gone."""
    os.kill(os.getppid(), 9)
    os._exit(1)
