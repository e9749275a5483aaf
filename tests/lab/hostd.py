"""Process 1 of a host of the lab: reaps, keeps the log, starts the services
that are switched on, and is the web server that stands for xapi.

    python3 -S -E hostd.py ADDRESS

What xapi is doing stands in /run/lab/xapi, which the lab writes: `down`,
`hung`, or what it answers to a login, ERROR [WORD].
"""

import errno
import os
import select
import signal
import socket
import sys
import time

STATE = '/run/lab/xapi'
LOG = '/var/log/user.log'
PORTS = (80, 443)


def read(path):
    try:
        with open(path) as stream:
            return stream.read().strip()
    except (OSError, UnicodeDecodeError):
        return ''


class Caller(object):
    def __init__(self, link):
        self.link, self.said, self.due = link, b'', None
        link.setblocking(False)

    def fileno(self):
        return self.link.fileno()

    def hear(self):
        """False when it is over."""
        try:
            data = self.link.recv(65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.said += data
        if b'</methodCall>' in self.said and self.due is None:
            # A master thinks for 5 s about a wrong password, and so does ours.
            self.due = time.monotonic() + 5 * ('SESSION' in read(STATE))
        return bool(data)

    def answer(self):
        """False when it is over."""
        state = read(STATE)
        if state == 'hung':
            return True
        words = ''.join(['<value>%s</value>' % word for word in state.split()])
        body = ('<?xml version="1.0"?><methodResponse><params><param><value><struct>'
                '<member><name>Status</name><value>Failure</value></member><member>'
                '<name>ErrorDescription</name><value><array><data>%s</data></array></value>'
                '</member></struct></value></param></params></methodResponse>' % words)
        text = ('HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: text/xml\r\n\r\n%s'
                % (len(body), body))
        try:
            self.link.sendall(text.encode())
        except OSError:
            pass
        return False


class Host(object):
    def __init__(self, address):
        self.address, self.doors, self.callers = address, [], []
        os.makedirs('/run/lab', exist_ok=True)
        self.log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.log.bind('/dev/log')
        self.log.setblocking(False)

    def boot(self):
        """What SysV init does at the end of a boot."""
        if os.fork() == 0:
            os.execv('/bin/sh', ['sh', '-c', '''
                for each in /etc/rc3.d/S*ha-lizard*; do
                    [ -x "$each" ] && env -i PATH=/sbin:/usr/sbin:/bin:/usr/bin TERM=dumb \
                        "$each" start </dev/null >>/var/log/boot.log 2>&1
                done'''])

    def mind_the_doors(self):
        """xapi that is down refuses; one that hangs listens and says nothing."""
        wanted = read(STATE) not in ('', 'down')
        if wanted and not self.doors:
            for port in PORTS:
                door = socket.socket()
                door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                door.bind((self.address, port))
                door.listen(64)
                door.setblocking(False)
                self.doors.append(door)
        elif not wanted:
            for each in self.doors + [caller.link for caller in self.callers]:
                each.close()
            self.doors, self.callers = [], []

    def turn(self):
        self.mind_the_doors()
        ready = select.select([self.log] + self.doors + self.callers, [], [], 0.1)[0]
        for each in ready:
            if each is self.log:
                self.keep_log()
            elif each in self.doors:
                self.callers.append(Caller(each.accept()[0]))
            elif not each.hear():
                self.drop(each)
        for caller in list(self.callers):
            if caller.due is not None and time.monotonic() >= caller.due:
                if not caller.answer():
                    self.drop(caller)
        self.reap()

    def keep_log(self):
        try:
            with open(LOG, 'ab') as stream:
                while True:
                    stream.write(self.log.recv(65536) + b'\n')
        except OSError:             # no more, or the disk is full
            pass

    def drop(self, caller):
        caller.link.close()
        self.callers.remove(caller)

    def reap(self):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except OSError as e:
            if e.errno != errno.ECHILD:
                raise


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    host = Host(sys.argv[1])
    if sys.argv[2:] != ['--no-services']:
        host.boot()
    while True:
        try:
            host.turn()
        except Exception as e:      # process 1 does not end
            print('hostd: %r' % e, flush=True)
            time.sleep(0.1)


main()
