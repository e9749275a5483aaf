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
