#!/usr/bin/python3
"""The command line of an HP iLO, on the standard streams: devices.md 1.

    clp.py STATE            behind sshd (ForceCommand): one command or a session
    clp.py STATE telnet     behind telnetd: it asks for user and password first

STATE is a folder; its files say what the device is like, and what it did:
    power   On or Off: the truth        model   2, 3, 4 or 5
    mode    see answer() and greet()    login   user and password, for telnet
    log     every command that came
"""

import os
import sys
import time

from device import get, hang_up, power, put, send, truth

ENDING = {'2': '\r\n', '3': '\r\r\n', '4': '\r', '5': '\r\n'}
BANNERS = {
    '2': 'User:Admin logged-in to ILO2.(127.0.0.1)\niLO 2 Advanced 2.25 at 16:36:26 Apr 14 2014\n',
    '3': 'User:Admin logged-in to ILO3.(127.0.0.1 / FE80::1)\n'
         'iLO 3 Advanced for BladeSystem 1.88 at  Jul 13 2016\n',
    '4': 'User:Admin logged-in to ILO.(127.0.0.1 / FE80::1)\niLO Standard 2.77 at  Dec 07 2020\n',
    '5': 'Admin logged-in to host.example(127.0.0.1 / FE80::1)\nIntegrated Lights-Out 5\n'
         'iLO Advanced 3.06 at  Jul 10 2024\n'}
OK = '\nstatus=0\nstatus_tag=COMMAND COMPLETED\n%s\n\n\n\n%s\n\n\n'
BAD = '\nstatus=2\nstatus_tag=COMMAND PROCESSING FAILED\nerror_tag=%s\n%s\n\n%s\n'
PROMPT = '</>hpiLO-> '
DATE = 'Wed Sep 26 15:32:04 2018'


def count(name):
    """How often this was called, this time included."""
    put(name, '.', 'a')
    return len(get(name))


def out(text):
    send(text.replace('\n', ENDING[get('model', '4')]).encode('latin-1'))


def answer(line):
    """What the device says to a command, after doing it."""
    words, mode = line.strip().lower().split(), get('mode')
    put('log', line.strip() + '\n', 'a')
    if mode == 'late':
        time.sleep(100)
    if mode == 'garbage':
        return '\x1b[2J\x07 power off hard: Off Off OFF \xff\xfe%s\n' % DATE
    if mode == 'busy' and count('busy') <= 2:
        return BAD % ('COMMAND ERROR-UNSPECIFIED', DATE, '')
    if words == ['power']:
        return OK % (DATE, 'power: server power is currently: ' + power())
    if words[:2] == ['power', 'off'] or (words[0] == 'stop' and '/system1' in words):
        return power_off(mode)
    if words[:2] == ['power', 'on'] or (words[0] == 'start' and '/system1' in words):
        put('power', 'On')
        return OK % (DATE, 'Server powering on .......')
    if words[0] == 'show' and '/system1' in words:
        word = {'On': 'enabled', 'Off': 'disabled'}[power()]
        return OK % (DATE, '/system1\n  Targets\n    firmware1\n  Properties\n    name=ProLiant '
                     'DL360 G6\n    number=CZJ12345AB\n    enabledstate=%s\n  Verbs\n    cd '
                     'version exit show reset set oemhp start stop' % word)
    return BAD % ('COMMAND NOT RECOGNIZED', DATE, '')


def power_off(mode):
    if mode == 'refuses':
        return BAD % ('COMMAND ERROR-UNSPECIFIED', DATE, 'Insufficient privileges.')
    if mode == 'lies' or truth() == 'Off':
        return BAD % ('COMMAND ERROR-UNSPECIFIED', DATE, 'Server power already off.')
    if mode == 'slow':
        put('falls_at', str(time.time() + 6))
    elif mode != 'says off':
        put('power', 'Off')
    return OK % (DATE, 'Forcing server power off .......\n'
                 'Please wait 6 seconds for this operation to complete.')


def obey(line):
    text = answer(line)
    if get('mode') == 'dies':
        out(text[:len(text) // 2])
        hang_up()
    out(text)


def greet():
    if get('mode') == 'banner':
        time.sleep(3)
    if get('mode') == 'limit' and count('limit') <= 2:
        out('Too many sessions are open.\n')
        sys.exit(255)
    out(BANNERS[get('model', '4')] + 'Server Name: host is unnamed\nServer Power: %s\n\n' % power())


def session():
    """Commands end with CR; each is echoed; then comes the prompt again."""
    greet()
    out(PROMPT)
    line = b''
    while True:
        byte = os.read(0, 1)
        if not byte or byte == b'\x04':
            return
        if byte not in b'\r\n':
            line += byte
            out(byte.decode('latin-1'))
            continue
        out('\n')
        if line.strip() in (b'exit', b'quit'):
            out(OK % (DATE, 'CLI session stopped'))
            return
        if line.strip():
            obey(line.decode('latin-1'))
        line = b''
        out(PROMPT)


def read_word(echo):
    word = b''
    while True:
        byte = os.read(0, 1)
        if not byte:
            sys.exit(1)
        if byte == b'\r':
            out('\n')
            return word.decode('latin-1')
        if byte not in b'\n\0':
            word += byte
            if echo:
                out(byte.decode('latin-1'))


def telnet():
    for _ in range(3):
        out('\n\nLogin Name: ')
        user = read_word(True)
        out('Password: ')
        if '%s %s' % (user, read_word(False)) == get('login'):
            return session()
        out('\nLogin failed.\n')


def main():
    if os.isatty(0):
        os.system('stty raw -echo')
    command = os.environ.get('SSH_ORIGINAL_COMMAND')
    if sys.argv[2:] == ['telnet']:
        telnet()
    elif command:
        greet()
        out(PROMPT + command + '\n')
        obey(command)
        out(PROMPT)
    else:
        session()


main()
