"""Mail with real processes: `act smtp` and `act mail`, and servers of all kinds."""

import os
import sys
import time

import base
import ha_lizard
import smtp
import test_alerts
from ha_lizard import Host, View


class Real(base.TestCase):
    """This host below a folder, a mail server on loopback."""

    def setUp(self):
        self.root, self.before = self.folder(), dict(os.environ)
        os.environ['HA_LIZARD_ROOT'] = self.root
        self.servers = []
        fake = test_alerts.FakeDom0()
        for path in (ha_lizard.INVENTORY, ha_lizard.POOL_CONF, ha_lizard.PICTURE):
            base.write(self.root + path, fake.files[path])
        base.write(self.root + ha_lizard.BOOT_ID, 'boot\n')
        bin = self.root + '/bin'
        base.write(bin + '/xe', '#!/bin/sh\nexit 0\n', ha_lizard.PROGRAM)
        os.environ['PATH'] = bin + ':' + os.environ['PATH']
        self.dom0 = ha_lizard.Dom0()

    def tearDown(self):
        for server in self.servers:
            server.close()
        self.dom0.close()
        for name in ('HA_LIZARD_ROOT', 'PATH'):
            os.environ[name] = self.before[name]

    def server(self, conf='', **how):
        server = smtp.Server(**how)
        self.servers.append(server)
        base.write(self.root + ha_lizard.CONF, test_alerts.CONF + 'SMTP_PORT=%d\n%s' % (
            server.port, conf))
        self.site = ha_lizard.Site(self.dom0)
        return server

    def request(self, message):
        return ha_lizard.smtp_request(self.site, self.site.settings.mail_to, message)

    def post(self, message='From: x\r\n\r\n.\r\nhello\r\n'):
        """(what went wrong, whom to try again, Result) of one talk, in this process:
        to start another one costs more than the talk."""
        result = ha_lizard.Result(['smtp'], *ha_lizard.answer_to(
            ha_lizard.from_state(self.request(message))))
        return ha_lizard.read_answer(result) + (result,)

    def begin(self, message='hello', seconds=20):
        """The job of a child that does the same."""
        return self.dom0.begin(ha_lizard.own_argv('smtp'), seconds, feed=self.request(message))

    def post_by_child(self, message='From: x\r\n\r\n.\r\nhello\r\n'):
        job = self.begin(message)
        ha_lizard.wait_for_all(self.dom0, [job])
        return ha_lizard.read_answer(job.result) + (job.result,)

    LOGIN = 'SMTP_USER=mailer\nSMTP_PASS=mpass\n'

    def test_plain(self):
        server = self.server()
        self.assertEqual(self.post_by_child()[:2], ('', ''))
        mail = server.mails[0]
        self.assertEqual((mail.sender, mail.to, mail.user),
                         ('root@localhost', ['a@example.org', 'b@example.org'], ''))
        self.assertIn('\n.\nhello', mail.text)

    def test_logins_in_the_clear_when_told_to(self):
        for auth in ('PLAIN', 'LOGIN', 'CRAM-MD5', 'LOGIN PLAIN CRAM-MD5'):
            server = self.server(self.LOGIN + 'SMTP_TLS=off\n', auth=auth)
            self.assertEqual(self.post()[:2], ('', ''), auth)
            self.assertEqual(server.mails[0].user, 'mailer', auth)

    def test_no_password_in_the_clear_otherwise(self):
        for auth in ('PLAIN', 'LOGIN', 'PLAIN LOGIN'):
            server = self.server(self.LOGIN, auth=auth)
            self.assertIn('not sent in clear text', self.post()[0])
            self.assertEqual([line for line in server.said if line.startswith('AUTH')], [])
        server = self.server(self.LOGIN, auth='PLAIN CRAM-MD5')
        self.assertEqual(self.post()[:2], ('', ''))     # it shows no password
        self.assertEqual(server.mails[0].user, 'mailer')

    def test_a_wrong_password(self):
        for auth in ('PLAIN', 'LOGIN', 'CRAM-MD5'):
            server = self.server('SMTP_USER=mailer\nSMTP_PASS=wr0ngpass\nSMTP_TLS=off\n',
                                 auth=auth)
            why, again, result = self.post()
            self.assertIn('refuses the login of mailer: 535 wrong password', why)
            self.assertEqual((again, result.status, server.mails), ('', 1, []))
            self.assertNotIn('wr0ngpass', why + result.errors)

    def test_a_login_that_we_do_not_know(self):
        self.server(self.LOGIN + 'SMTP_TLS=off\n', auth='GSSAPI')
        self.assertIn('no login that we know: GSSAPI', self.post()[0])

    def test_starttls_where_it_is_missing(self):
        self.server('SMTP_TLS=starttls\n')
        self.assertIn('offers no STARTTLS', self.post()[0])

    def test_a_refused_recipient(self):
        server = self.server(refuse=['b@example.org'])
        why, again, result = self.post()
        self.assertEqual(why, 'b@example.org refused: 550 no such user')
        self.assertEqual((again, server.mails[0].to), ('', ['a@example.org']))

    def test_every_recipient_refused(self):
        self.server(refuse=['a@example.org', 'b@example.org'])
        why, again, result = self.post()
        self.assertIn('every recipient is refused', why)
        self.assertEqual(result.status, 1)

    def test_one_recipient_later(self):
        self.server(replies={'rcpt': ['250 ok', '450 greylisted']})
        why, again, result = self.post()
        self.assertEqual((again, result.status), ('b@example.org', 0))

    def test_4xx_then_success(self):
        for state in ('connect', 'mail', 'data', 'body'):
            server = self.server(replies={state: ['451 try again later']})
            why, again, result = self.post()
            self.assertIn('451 try again later', why, state)
            self.assertEqual((result.status, server.mails), (1, []), state)
            self.assertEqual(self.post()[:2], ('', ''), state)
            self.assertEqual(len(server.mails), 1)

    def test_a_connection_that_is_cut(self):
        for state in smtp.STATES:
            server = self.server(cut=state)
            why, again, result = self.post()
            if state == 'quit':             # it has the mail
                self.assertEqual((why, result.status), ('', 0))
            else:
                self.assertEqual((bool(why), result.status), (True, 1), state)
                self.assertEqual(len(server.mails), 0, state)

    def test_a_login_that_is_cut(self):
        for state, auth in (('auth', 'PLAIN'), ('auth-user', 'LOGIN'),
                            ('auth-challenge', 'CRAM-MD5')):
            server = self.server(self.LOGIN + 'SMTP_TLS=off\n', auth=auth, cut=state)
            why, again, result = self.post()
            self.assertIn('cannot be used', why, state)
            self.assertEqual((result.status, server.mails), (1, []), state)
            self.assertNotIn('mpass', why)

    def test_a_server_that_does_not_answer_or_is_slow(self):
        jobs, started = [], time.time()
        for how in ({'mute': 'connect'}, {'mute': 'body'}, {'slow': 1}):
            self.server(**how)
            jobs.append(self.begin(seconds=1))
        ha_lizard.wait_for_all(self.dom0, jobs)
        for job in jobs:
            self.assertIn('no end of the talk', ha_lizard.read_answer(job.result)[0])
        self.assertLess(time.time() - started, 4)

    def test_nobody_listens(self):
        self.server().close()
        why = self.post()[0]
        self.assertIn('cannot be used', why)
        self.assertIn('refused', why)

    def test_nonsense_on_stdin(self):
        result = self.dom0.run(ha_lizard.own_argv('smtp'), 10, feed='x')
        self.assertEqual(result.status, 2)

    def encrypted(self, conf='', **how):
        if '_ssl' not in sys.modules and not smtp.ssl:
            return None
        path = smtp.certificate(self.folder())
        return path and self.server(conf, certificate=path, **how)

    def test_encrypted(self):
        for conf, how in (('', {'tls': 'starttls', 'tls_only': True, 'auth': 'PLAIN'}),
                          ('SMTP_TLS=starttls\n', {'tls': 'starttls', 'auth': 'LOGIN'}),
                          ('SMTP_TLS=ssl\n', {'tls': 'ssl', 'auth': 'PLAIN'})):
            server = self.encrypted(self.LOGIN + conf, **how)
            if server:
                self.assertEqual(self.post()[:2], ('', ''), conf)
                mail = server.mails[0]
                self.assertEqual((mail.encrypted, mail.user), (True, 'mailer'), conf)

    def test_encryption_that_does_not_work(self):
        """Without a password the alert matters more; with one it does not go."""
        if not self.encrypted('', tls='starttls'):
            return
        server = self.servers[-1]
        Broken = type('Broken', (smtp.Session,), {
            'wrap': lambda self: self.link.sendall(smtp.to_bytes('no TLS\r\n'))})
        before, smtp.Session = smtp.Session, Broken
        try:
            self.assertEqual(self.post_by_child()[:2], ('', ''))
            self.assertEqual(server.mails[0].encrypted, False)
            server = self.encrypted(self.LOGIN, tls='starttls', auth='PLAIN')
            self.assertNotEqual(self.post_by_child()[0], '')
            self.assertEqual(server.mails, [])
        finally:
            smtp.Session = before

    # -- the whole way --------------------------------------------------------

    def view(self):
        hosts = [Host(uuid=uuid, name='n%d' % (number + 1), memory_total=1000)
                 for number, uuid in enumerate((test_alerts.N1, test_alerts.N2, test_alerts.N3))]
        return View(hosts=hosts, me=hosts[0], master=hosts[0], role='master',
                    enabled='true', ready=True, pool=test_alerts.POOL)

    def test_from_a_round_to_the_server(self):
        server = self.server()
        ha_lizard.update_alerts(self.site, {'peer-' + test_alerts.N3: test_alerts.CAFE}, self.view())
        self.site.notes.save()
        for _ in range(200):
            if server.mails and not os.path.exists(self.root + ha_lizard.SPOOL + '0'):
                break
            time.sleep(0.05)
        mail = server.mails[0]
        self.assertIn('Subject: SYSTEM_ALERT-FROM_HOST:n1 n3: HA does not run', mail.text)
        mode = os.stat(self.root + ha_lizard.Notes.path).st_mode & int('777', 8)
        self.assertEqual(mode, ha_lizard.PRIVATE)

    def test_a_server_that_hangs_delays_no_round(self):
        """Measured: an alert costs the round a file and a fork."""
        self.server(mute='connect')
        costs = []
        for number in range(5):
            started = time.time()
            ha_lizard.update_alerts(self.site, {'thing%d' % number: 'x'}, self.view())
            costs.append(time.time() - started)
        self.assertLess(min(costs), 0.05, 'an alert took %r s of the round' % costs)
        mode = os.stat(self.root + ha_lizard.SPOOL + '0').st_mode & int('777', 8)
        self.assertEqual(mode, ha_lizard.PRIVATE)
        for line in ha_lizard.read_file('/proc/self/task/%d/children' % os.getpid(),
                                        '').split():
            ha_lizard.kill_group(int(line))

    # -- ha-cfg email ---------------------------------------------------------

    def cfg(self, debug=False):
        heard, before = [], (ha_lizard.say, ha_lizard.complain)
        ha_lizard.say = ha_lizard.complain = heard.append
        try:
            status = ha_lizard.send_test_mail(self.site, debug)
        finally:
            ha_lizard.say, ha_lizard.complain = before
        return status, heard

    def test_ha_cfg_email(self):
        server = self.server()
        status, heard = self.cfg()
        self.assertEqual(status, 0)
        for line, start in zip(heard, (
                'Sending email from: root@localhost', 'Sending email to: a@example.org',
                'Email Alert Subject: SYSTEM_ALERT-FROM_HOST:n1', 'Email Alert Timestamp: ',
                'Email Alert Process: ha-lizard Version: ' + ha_lizard.VERSION,
                'Email Alert Message Content: Test Message ID ',
                'Email Alert Message Hostname: n1')):
            self.assertTrue(line.startswith(start), line)
        self.assertEqual(len(heard), 7)
        self.assertIn('\nSubject: SYSTEM_ALERT-FROM_HOST:n1\n', server.mails[0].text)
        self.assertIn(heard[5].split()[-1], server.mails[0].text)

    def test_ha_cfg_email_debug(self):
        self.server(self.LOGIN + 'SMTP_TLS=off\n', auth='PLAIN')
        status, heard = self.cfg(True)
        talk = '\n'.join(heard)
        self.assertEqual(status, 0)
        for part in ("send: 'ehlo n1", "send: 'mail FROM:", "reply: ", '250 queued', '221'):
            self.assertIn(part.lower(), talk.lower())
        self.assertIn("send: '*** (login)'", talk)
        for secret in ('mpass', smtp.encoded('\0mailer\0mpass')):
            self.assertNotIn(secret, talk)

    def test_ha_cfg_email_that_fails(self):
        self.server().close()
        status, heard = self.cfg()
        self.assertEqual(status, 1)
        self.assertIn('refused', heard[-1])
