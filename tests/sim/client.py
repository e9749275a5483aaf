"""What `xe` and the others are in the scratch root of tests/sim/serve.

    client.py SOCKET NAME ARGUMENT...       asks the world, prints what it says

It is started for every call, so it imports nothing that takes time.  The
server hears the end of the connection when a client is killed.
"""

import os
import sys

import select
from _socket import AF_UNIX, SOCK_STREAM, error, socket

NOTHING = ''.encode('ascii')
TOLD = ('XE_EXTRA_ARGS', 'IPMI_PASSWORD', 'IPMITOOL_PASSWORD')
LOST = 'Lost connection to the server.\n'           # as xe says it


def data_of(text):
    """The bytes that an argument was."""
    return getattr(os, 'fsencode', str)(text)


def text_of(data):
    return getattr(os, 'fsdecode', str)(data)


def feed():
    """What comes on stdin; not from those who will never type anything."""
    chunks = []
    try:
        while not os.isatty(0) and select.select([0], [], [], 0.2)[0]:
            chunks.append(os.read(0, 65536))
            if not chunks[-1]:
                break
    except (EnvironmentError, select.error):        # it is closed
        pass
    return NOTHING.join(chunks)


def typed(name, words):
    """The password that somebody types on the terminal of this ssh."""
    if name != 'ssh' or '-l' not in words:
        return []
    try:
        terminal = os.open('/dev/tty', os.O_RDWR)
    except EnvironmentError:
        return []
    os.write(terminal, ("%s's password: " % words[-2]).encode('ascii'))
    return ['PASSWORD=' + text_of(os.read(terminal, 1024)).rstrip('\r\n')]


def request(words, environment, data):
    texts = [data_of(word) for word in words + environment]
    head = '%d %d ' % (len(words), len(environment))
    body = NOTHING.join([text + '\0'.encode('ascii') for text in texts]) + data
    return (head + '%d\n' % len(body)).encode('ascii') + body


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def ask(path, data):
    """(exit status, output, errors)"""
    link, chunks = socket(AF_UNIX, SOCK_STREAM), []
    try:
        link.connect(path)
        while data:
            data = data[link.send(data):]
        while not chunks or chunks[-1]:
            chunks.append(link.recv(65536))
        head, body = NOTHING.join(chunks).split('\n'.encode('ascii'), 1)
        status, size = [int(word) for word in head.split()]
        return status, body[:size], body[size:]
    except (error, EnvironmentError, ValueError):   # the world has ended
        return 1, NOTHING, LOST.encode('ascii')


def main(path, name, *words):
    words = list(words)
    environment = ['%s=%s' % (key, os.environ[key]) for key in TOLD if key in os.environ]
    environment += typed(name, words)
    status, output, errors = ask(path, request([name] + words, environment, feed()))
    try:
        write_all(1, output)
        write_all(2, errors)
    except EnvironmentError:                        # nobody reads it
        pass
    return status


if __name__ == '__main__':
    os._exit(main(*sys.argv[1:]))
