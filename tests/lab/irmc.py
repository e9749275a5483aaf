#!/usr/bin/python3
"""The Remote Manager menu of a Fujitsu iRMC behind sshd: devices.md 3b.

    irmc.py STATE       the files of STATE are as in clp.py
"""

import os
import sys
import time

from device import get, hang_up, power, put, send

MAIN = '''\x1b[2J\x1b[1;1H   *** Welcome to PRIMERGY Remote Manager ***
 System Type  : PRIMERGY RX300 S7
 Power Status : %s
                Main Menu
 (1) System Information...
 (2) Power Management...
 (3) Enclosure Information...
 (0) Quit
Enter selection or (0) to quit: '''
POWER = '''\n                Power Management Menu
 Power Status : %s
 (1) Immediate Power Off
 (2) Immediate Reset
 (3) Power Cycle
 (4) Power On
 (5) Graceful Power Off (Shutdown)
Enter selection or (0) to quit: '''


def out(text):
    send(text.replace('\n', '\r\n').encode('latin-1'))


def confirm(action):
    out('\nDo you really want to power %s (yes/no)? ' % action)
    word = b''
    while not word.endswith(b'\r'):
        word += os.read(0, 1)
    if word == b'yes\r' and get('mode') == 'dies':
        hang_up()
    if word == b'yes\r' and get('mode') == 'slow':
        put('falls_at', str(time.time() + 6))
    elif word == b'yes\r' and get('mode') not in ('lies', 'says off', 'refuses'):
        put('power', {'off': 'Off', 'on': 'On'}[action])
    if get('mode') == 'refuses':
        out('\n Insufficient privileges.\n')
    out('\n Power command sent.\nPress any key to continue ')
    os.read(0, 1)


def manage():
    while True:
        out(POWER % power())
        key = os.read(0, 1)
        if key in b'14' and key:
            confirm({b'1': 'off', b'4': 'on'}[key])
        else:
            return


def main():
    if os.isatty(0):
        os.system('stty raw -echo')
    if get('mode') == 'late':
        time.sleep(100)
    if get('mode') == 'banner':
        time.sleep(3)
    if get('mode') == 'garbage':
        out('\x1b[2JPower Status : Off On\nEnter Power Status : Off \xff\xfe?? selection')
        time.sleep(3)
        return
    while True:
        out(MAIN % power())
        key = os.read(0, 1)
        if key == b'2':
            manage()
        else:
            return


main()
