"""Mail against real servers: aiosmtpd, and every way in which one can hang.

Needs Python 3.6, openssl, and aiosmtpd from PyPI (`pip install aiosmtpd`), in
the Python that runs this or in the virtual environment that $AIOSMTPD names.
"""

import os
import subprocess
import sys
import time

import base
import ha_lizard
import smtp

sys.path.insert(1, os.path.join(base.TESTS, 'unit'))
import test_alerts
import test_mail

SERVER = r'''
import asyncio, base64, hmac, ssl, sys
from aiosmtpd.smtp import MISSING, SMTP, AuthResult, LoginPassword

class Handler:
    seen = set()                            # whom a greylist has seen
    def cut(self, server, state, envelope, address=''):
        if 'cut-' + state in address + (envelope.mail_from or ''):
            server.transport.abort()
            return True
    async def handle_MAIL(self, server, session, envelope, address, options):
        envelope.mail_from = address
        return '250 OK' if not self.cut(server, 'mail', envelope) else '421 bye'
    async def handle_RCPT(self, server, session, envelope, address, options):
        self.cut(server, 'rcpt', envelope, address)
        if address.startswith('reject'):
            return '550 no such user'
        if address.startswith('later') or (
                address.startswith('grey') and address not in self.seen):
            self.seen.add(address)
            return '450 greylisted'
        envelope.rcpt_tos.append(address)
        return '250 OK'
    async def handle_QUIT(self, server, session, envelope):
        self.cut(server, 'quit', envelope)
        return '221 bye'
    async def handle_DATA(self, server, session, envelope):
        if self.cut(server, 'data', envelope):
            return '421 bye'
        with open(sys.argv[1], 'ab') as out:
            out.write(('--- from=%s to=%s tls=%s auth=%s\n' % (
                envelope.mail_from, ','.join(envelope.rcpt_tos), bool(session.ssl),
                session.authenticated)).encode() + envelope.content + b'\n')
        return '250 OK'

def login(server, session, envelope, mechanism, data):
    right = (isinstance(data, LoginPassword) and data.login == b'mailer'
             and data.password == b'mpass')
    return AuthResult(success=right, handled=False) if not right else AuthResult(success=True)

class Cram(Handler):
    async def auth_CRAM__MD5(self, server, args):
        said = await server.challenge_auth(b'<1@lab>')
        if said is MISSING:
            return AuthResult(success=False, handled=True)
        user, digest = said.decode().split()
        right = hmac.new(b'mpass', b'<1@lab>', 'md5').hexdigest()
        return AuthResult(success=(user, digest) == ('mailer', right), handled=False,
                          auth_data=user)

async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sys.argv[2])
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers('ALL:@SECLEVEL=0')
    loop, ports, held = asyncio.get_running_loop(), [], []
    clear = dict(authenticator=login, auth_required=True, auth_require_tls=False)
    for how, tls in ((dict(), None),
                     (clear, None),
                     (dict(clear, auth_exclude_mechanism=['PLAIN']), None),
                     (dict(clear, auth_exclude_mechanism=['PLAIN', 'LOGIN'], handler=Cram()), None),
                     (dict(tls_context=context, require_starttls=True, authenticator=login,
                           auth_required=True), None),
                     (clear, context)):
        how = dict(how)
        handler = how.pop('handler', None) or Handler()
        server = await loop.create_server(
            lambda how=how, handler=handler: SMTP(handler, hostname='lab', **how),
            '127.0.0.1', 0, ssl=tls)
        held.append(server)
        ports.append(str(server.sockets[0].getsockname()[1]))
    print(' '.join(ports), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
'''


def python_with_aiosmtpd():
    for python in (os.environ.get('AIOSMTPD', '') + '/bin/python', sys.executable):
        if os.path.exists(python) and not subprocess.call(
                [python, '-c', 'import aiosmtpd'], stderr=subprocess.DEVNULL):
            return python


PYTHON = python_with_aiosmtpd()
has_aiosmtpd = base.only_if(PYTHON, 'aiosmtpd is not installed')


class Lab(test_mail.Real):
    """The machine of the unit suite, without its tests; mails go as in life."""
    post = test_mail.Real.post_by_child


for name in dir(test_mail.Real):
    if name.startswith('test_'):
        setattr(Lab, name, None)


class Aiosmtpd(Lab):
    def setUp(self):
        Lab.setUp(self)
        self.process = None
        if not PYTHON:
            return
        folder = self.folder()
        self.mails = folder + '/mails'
        self.process = subprocess.Popen(
            [PYTHON, '-W', 'ignore', '-c', SERVER, self.mails, smtp.certificate(folder)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.plain, self.auth, self.login, self.cram, self.starttls, self.ssl = (
            self.process.stdout.readline().decode().split())

    def tearDown(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        Lab.tearDown(self)

    def talk(self, port, conf='', login=('mailer', 'mpass')):
        conf += 'SMTP_PORT=%s\n' % port
        if login:
            conf += 'SMTP_USER=%s\nSMTP_PASS=%s\n' % login
        base.write(self.root + ha_lizard.CONF, test_alerts.CONF + conf)
        self.site = ha_lizard.Site(self.dom0)
        message = ha_lizard.mime(
            ha_lizard.headers_of(self.site, test_alerts.CAFE, 'id', time.time()),
            [('plain', '.\n..\n' + test_alerts.CAFE), ('html', '<p>x')])
        return self.post(message)[:2]

    @has_aiosmtpd
    def test_plain(self):
        self.assertEqual(self.talk(self.plain, login=None), ('', ''))
        text = base.read(self.mails)
        self.assertIn('from=root@localhost to=a@example.org,b@example.org tls=False', text)
        self.assertIn('=?utf-8?B?', text)

    @has_aiosmtpd
    def test_login_in_the_clear(self):
        self.assertIn('not sent in clear text', self.talk(self.auth)[0])
        self.assertEqual(self.talk(self.auth, 'SMTP_TLS=off\n'), ('', ''))
        self.assertEqual(self.talk(self.login, 'SMTP_TLS=off\n'), ('', ''))
        self.assertEqual(self.talk(self.cram), ('', ''))     # it shows no password
        self.assertEqual(base.read(self.mails).count('--- from='), 3)
        for port in (self.auth, self.login, self.cram):
            self.assertIn('login of mailer: 535', self.talk(port, 'SMTP_TLS=off\n', (
                'mailer', 'wrongpass'))[0])

    @has_aiosmtpd
    def test_starttls_and_ssl(self):
        self.assertEqual(self.talk(self.starttls), ('', ''))
        self.assertEqual(self.talk(self.starttls, 'SMTP_TLS=starttls\n'), ('', ''))
        self.assertEqual(self.talk(self.ssl, 'SMTP_TLS=ssl\n'), ('', ''))
        self.assertEqual(base.read(self.mails).count('--- from='), 3)
        self.assertIn('535', self.talk(self.ssl, 'SMTP_TLS=ssl\n', ('mailer', 'no'))[0])
        self.assertIn('cannot be used', self.talk(self.plain, 'SMTP_TLS=ssl\n')[0])
        self.assertIn('no STARTTLS', self.talk(self.plain, 'SMTP_TLS=starttls\n')[0])

    @has_aiosmtpd
    def test_refused_recipients(self):
        why, again = self.talk(self.plain, 'MAIL_TO=a@x,reject@y\n', None)
        self.assertEqual((why, again), ('reject@y refused: 550 no such user', ''))
        why, again = self.talk(self.plain, 'MAIL_TO=a@x,later@y\n', None)
        self.assertEqual((why, again), ('later@y refused: 450 greylisted', 'later@y'))
        self.assertIn('every recipient', self.talk(self.plain, 'MAIL_TO=reject@y\n', None)[0])

    @has_aiosmtpd
    def test_4xx_then_success(self):
        for number, expected in enumerate((('450 greylisted', 'grey@y'), ('', ''))):
            why, again = self.talk(self.plain, 'MAIL_TO=a@x,grey@y\n', None)
            self.assertTrue(why.endswith(expected[0]), why)
            self.assertEqual(again, expected[1])
        self.assertIn('to=a@x,grey@y', base.read(self.mails))

    @has_aiosmtpd
    def test_a_connection_that_is_cut(self):
        for state in ('mail', 'rcpt', 'data'):
            why = self.talk(self.plain, 'MAIL_FROM=cut-%s@x\n' % state, None)[0]
            self.assertIn('closed', why, state)
        self.assertEqual(os.path.exists(self.mails), False)
        self.assertEqual(self.talk(self.plain, 'MAIL_FROM=cut-quit@x\n', None), ('', ''))


class Hanging(Lab):
    """The whole child ends in 30 s, whatever the server does; the round has
    gone long before."""

    LOGIN = 'SMTP_USER=mailer\nSMTP_PASS=mpass\nSMTP_TLS=%s\n'

    def test_the_child_ends(self):
        """30 s after it has begun at the latest: measured for each server."""
        pem = smtp.certificate(self.folder())
        cases = [({kind: state}, '') for kind in ('mute', 'cut') for state in smtp.STATES]
        cases += [({kind: state, 'auth': 'PLAIN LOGIN CRAM-MD5'[start:end]}, self.LOGIN % 'off')
                  for kind in ('mute', 'cut') for state, start, end in (
                      ('auth', 0, 5), ('auth-user', 6, 11), ('auth-challenge', 12, 20))]
        cases += [({kind: state, 'tls': 'starttls', 'certificate': pem}, 'SMTP_TLS=starttls\n')
                  for kind in ('mute', 'cut') for state in ('starttls',)]
        cases += [({'mute': 'connect'}, 'SMTP_TLS=ssl\n'), ({'slow': 1}, ''), ({'slow': 9}, '')]
        took = []
        while cases:
            took += self.children(cases[:8])    # so many at once on a small machine
            del cases[:8]
        sys.stderr.write('%d servers that hang: the last child ended after %.1f s\n' % (
            len(took), max(took)))
        self.assertLess(max(took), 30)

    def children(self, cases):
        """The seconds that a child of a round lived with each of these servers."""
        begun, took = {}, []
        for number, (how, conf) in enumerate(cases):
            server = self.server(conf, **how)
            ha_lizard.save_entry(self.dom0, number, [
                ('number', 'x'), ('at', '0'), ('title', 't'), ('mood', 'bad'),
                ('text', 'x'), ('html', 'y')])
            started = time.time()
            begun[self.dom0.begin(ha_lizard.own_argv('mail', str(number)), 60)] = started
            self.wait_for(server, 1)        # until it has read its settings
            self.assertEqual(server.calls, 1, how)
        while begun:
            for job in self.dom0.ended(list(begun), 1):
                took.append(time.time() - begun.pop(job))
                self.assertNotEqual(job.result.status, ha_lizard.TIMED_OUT)
        return took

    def wait_for(self, server, calls):
        started = time.time()
        while server.calls < calls and time.time() - started < 25:
            time.sleep(0.02)
        self.assertTrue(server.calls >= calls, server.calls)

    def test_a_resolver_that_hangs(self):
        """Its packets go nowhere: the child ends all the same."""
        base.write(self.root + ha_lizard.CONF, test_alerts.CONF
                   + 'SMTP_SERVER=mail.nowhere.example\n')
        self.site = ha_lizard.Site(self.dom0)
        started = time.time()
        self.assertNotEqual(self.post()[0], '')
        self.assertLess(time.time() - started, 30)

    def test_the_delay_of_a_round(self):
        """With a server that hangs, against a round with nothing to tell.  A child is let
        into its hang first: two rounds are never as near as its start takes to the processor."""
        server = self.server(mute='connect')
        with_alert, without = [], []
        for number in range(20):
            for costs, warnings in ((without, {}), (with_alert, {'t%d' % number: 'x'})):
                site = ha_lizard.Site(self.dom0)
                view = self.view()
                started = time.time()
                ha_lizard.update_alerts(site, warnings, view)
                costs.append(time.time() - started)
                site.notes.save()
            self.wait_for(server, number + 1)
        # The quicker ones: what else runs on this machine is in all the others.
        usual = lambda numbers: sorted(numbers)[len(numbers) // 4]
        delay = usual(with_alert) - usual(without)
        sys.stderr.write('an alert costs its round %.1f ms (at most %.1f ms)\n' % (
            1000 * delay, 1000 * max(with_alert)))
        self.assertLess(delay, 0.05)
        for line in ha_lizard.read_file('/proc/self/task/%d/children' % os.getpid(),
                                        '').split():
            ha_lizard.kill_group(int(line))
