#!/usr/bin/python3
"""The shell of root on an outer host behind sshd, as far as XVM needs it.

    outer_xe.py STATE       the files of STATE are as in clp.py
"""

import os
import sys
import time

from device import get, hang_up, power, put, send

WRONG = ('You attempted an operation on a VM that was not in an appropriate power state at '
         'the time.\nvm: x (n2)\nexpected: Running\nactual: Halted\n')


def out(text):
    send(text.encode())


def fail(text):
    os.write(2, text.encode())
    return 1


def state():
    return {'On': 'running', 'Off': 'halted'}[power()]


def xe(words):
    mode = get('mode')
    if mode == 'late':
        time.sleep(100)
    if mode == 'banner':
        time.sleep(3)
    if mode == 'garbage':
        out('halted\nrunning\x1b[0m \xc3\xa4\n')
        return 0
    if words[1] == 'vm-param-get':
        out(state() + '\n')
        return 0
    if mode == 'dies':
        out('halt')
        hang_up()
    if words[1] == 'vm-shutdown':
        if mode == 'refuses' or state() == 'halted' and mode != 'says off':
            return fail(WRONG)
        if mode == 'slow':
            put('falls_at', str(time.time() + 6))
        elif mode not in ('lies', 'says off'):
            put('power', 'Off')
        return 0
    if words[1] == 'vm-start':
        put('power', 'On')
        return 0
    return fail('Unknown command: %s\n' % words[1])


sys.exit(xe(os.environ.get('SSH_ORIGINAL_COMMAND', 'xe none').split()))
