"""A mail server of the standard library alone, for tests: Python 2.4 to 3.13.

    server = smtp.Server(auth='PLAIN LOGIN', tls='starttls', certificate=path)
    ... server.port, then server.mails: [Mail] ...
    server.close()

It does what it is told to do wrong, in any state of the talk.
"""

import base64
import hmac
import re
import socket
import subprocess
import sys
import time

try:
    from _thread import start_new_thread
except ImportError:
    from thread import start_new_thread
try:
    import ssl
except ImportError:
    ssl = None

STATES = ('connect', 'ehlo', 'mail', 'rcpt', 'data', 'body', 'quit')


class Mail(object):
    def __init__(self):
        self.sender, self.to, self.text = '', [], ''
        self.encrypted, self.user = False, ''


class Cut(Exception):
    """The connection ends here."""


class Server(object):
    """cut, mute: a state in which it hangs up, or says nothing any more.
    slow: seconds between two bytes.  replies: {state: [reply, ...]}, used up
    one by one before the usual one.  refuse: recipients that it does not want.
    auth: the mechanisms that it offers; `tls_only`: not before STARTTLS."""

    def __init__(self, cut='', mute='', slow=0, replies=None, refuse=(), auth='',
                 tls='', certificate='', tls_only=False, user='mailer', password='mpass'):
        self.cut, self.mute, self.slow, self.refuse = cut, mute, slow, refuse
        self.replies, self.auth, self.tls = dict(replies or {}), auth, tls
        self.certificate, self.tls_only = certificate, tls_only
        self.user, self.password, self.mails, self.said = user, password, [], []
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(('127.0.0.1', 0))
        self.socket.listen(5)
        self.port, self.open, self.calls = self.socket.getsockname()[1], True, 0
        start_new_thread(self.serve, ())

    def close(self):
        self.open = False
        self.knock()                        # accept() does not notice a close()
        self.socket.close()
        for _ in range(100):                # until the thread has let go of it
            if self.knock():
                break

    def knock(self):
        """0, or the number of the error of a connection to it."""
        link = socket.socket()
        try:
            return link.connect_ex(('127.0.0.1', self.port))
        finally:
            link.close()

    def serve(self):
        while self.open:
            try:
                link = self.socket.accept()[0]
            except (EnvironmentError, socket.error, AttributeError):
                return
            if self.open:
                self.calls += 1
                start_new_thread(Session(self, link).run, ())
            else:
                link.close()


class Session(object):
    def __init__(self, server, link):
        self.server, self.link, self.rest = server, link, to_bytes('')
        self.mail, self.encrypted, self.user = Mail(), False, ''

    def run(self):
        try:
            try:
                if self.server.tls == 'ssl':
                    self.wrap()
                self.answer('connect', '220 test ESMTP')
                while self.command(self.line()):
                    pass
            except (Cut, EnvironmentError, socket.error):
                pass
        finally:
            self.link.close()

    def wrap(self):
        if hasattr(ssl, 'SSLContext'):
            context = ssl.SSLContext(getattr(ssl, 'PROTOCOL_TLS_SERVER', ssl.PROTOCOL_SSLv23))
            context.load_cert_chain(self.server.certificate)
            self.link = context.wrap_socket(self.link, server_side=True)
        else:
            self.link = ssl.wrap_socket(self.link, certfile=self.server.certificate,
                                        server_side=True)
        self.encrypted = True

    # -- lines ----------------------------------------------------------------

    def line(self):
        while to_bytes('\n') not in self.rest:
            data = self.link.recv(4096)
            if not data:
                raise Cut()
            self.rest += data
        line, self.rest = self.rest.split(to_bytes('\n'), 1)
        return to_text(line).rstrip('\r')

    def answer(self, state, text):
        """Say `text` in that state, unless something else was asked for."""
        server = self.server
        if server.cut == state:
            raise Cut()
        while server.mute == state and server.open:
            time.sleep(0.1)
        if server.replies.get(state):
            text = server.replies[state].pop(0)
        data = to_bytes(text.replace('\n', '\r\n') + '\r\n')
        if not server.slow:
            self.link.sendall(data)
            return
        for place in range(len(data)):
            self.link.sendall(data[place:place + 1])
            time.sleep(server.slow)

    # -- commands -------------------------------------------------------------

    def command(self, line):
        self.server.said.append(line)
        verb = line.split(' ')[0].split(':')[0].upper()
        function = getattr(self, 'do_' + verb.lower(), None)
        if not function:
            self.answer('unknown', '500 what?')
            return True
        return function(line) is None

    def do_ehlo(self, line):
        offers = ['test', 'SIZE 1000000']
        if self.server.tls == 'starttls' and not self.encrypted:
            offers.append('STARTTLS')
        if self.server.auth and (self.encrypted or not self.server.tls_only):
            offers.append('AUTH ' + self.server.auth)
        self.answer('ehlo', '\n'.join(['250-' + text for text in offers[:-1]]
                                      + ['250 ' + offers[-1]]))

    def do_helo(self, line):
        self.answer('helo', '250 test')

    def do_starttls(self, line):
        self.answer('starttls', '220 go on')
        self.wrap()

    def do_auth(self, line):
        words = line.split(' ')
        login = getattr(self, 'login_' + words[1].lower().replace('-', '_'))
        right = login(words[2:]) == (self.server.user, self.server.password)
        if right:
            self.user = self.server.user
        self.answer('auth', {True: '235 welcome', False: '535 wrong password'}[right])

    def login_plain(self, words):
        return tuple(decoded(words[0]).split('\0')[1:])

    def login_login(self, words):
        self.answer('auth-user', '334 ' + encoded('Password:'))
        return decoded(words[0]), decoded(self.line())

    def login_cram_md5(self, words):
        challenge = '<1@test>'
        self.answer('auth-challenge', '334 ' + encoded(challenge))
        user, digest = decoded(self.line()).split(' ')
        expected = hmac.new(to_bytes(self.server.password), to_bytes(challenge), md5())
        return user, {True: self.server.password}.get(digest == expected.hexdigest())

    def do_mail(self, line):
        self.mail = Mail()
        self.mail.encrypted, self.mail.user = self.encrypted, self.user
        self.mail.sender = re.search('<(.*?)>', line).group(1)
        self.answer('mail', '250 ok')

    def do_rcpt(self, line):
        address = re.search('<(.*?)>', line).group(1)
        if address in self.server.refuse:
            self.answer('refused', '550 no such user')
        else:
            self.answer('rcpt', '250 ok')
            self.mail.to.append(address)

    def do_data(self, line):
        self.answer('data', '354 go on')
        lines = []
        line = self.line()
        while line != '.':
            lines.append(re.sub(r'^\.', '', line))
            line = self.line()
        self.mail.text = '\n'.join(lines)
        if not self.server.replies.get('body') and self.server.cut != 'body':
            self.server.mails.append(self.mail)
        self.answer('body', '250 queued')

    def do_rset(self, line):
        self.answer('rset', '250 ok')

    def do_quit(self, line):
        self.answer('quit', '221 bye')
        return 'end'


def certificate(folder):
    """The path of a certificate with its key, or None without openssl."""
    path = folder + '/server.pem'
    try:
        child = subprocess.Popen(
            ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
             'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', path + '.key', '-out',
             path + '.crt', '-days', '2', '-subj', '/CN=localhost'],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, close_fds=True)
    except EnvironmentError:
        return None
    child.communicate()
    if child.returncode:
        return None
    out = open(path, 'w')
    for suffix in '.key', '.crt':
        part = open(path + suffix)
        out.write(part.read())
        part.close()
    out.close()
    return path


def md5():
    try:
        from hashlib import md5 as function
        return function
    except ImportError:
        import md5 as module
        return module


def encoded(text):
    return to_text(base64.b64encode(to_bytes(text)))


def decoded(text):
    return to_text(base64.b64decode(to_bytes(text)))


def to_bytes(text):
    if sys.version_info[0] > 2:
        return text.encode('utf-8')
    return text


def to_text(data):
    if sys.version_info[0] > 2:
        return data.decode('utf-8', 'replace')
    return data
