"""What the watchers tell each other: packets, their signatures, their parsing."""

import hmac

import base
import ha_lizard

A, B, C = ['a0a0a0a0-0000-4000-8000-00000000000%d' % number for number in (1, 2, 3)]


def report(**values):
    given = {'uuid': A, 'boot': 'a boot', 'number': 7, 'nonce': 'n' * 16, 'version': '3.0.0',
             'role': 'slave:10.0.0.1', 'lease': 40, 'heirs': A + ' ' + B, 'heirs_age': 3,
             'flag': 'true', 'opinions': ';%s 9 - 0 -;%s 0 40 1 1;' % (C, B)}
    given.update(values)
    return ha_lizard.Report(**given)


class Signatures(base.TestCase):
    def test_that_they_are_those_of_hmac(self):
        for secret in ('x', 'a secret', 63 * 's', 64 * 's', 65 * 's', 999 * 's'):
            signer = ha_lizard.Signer(secret)
            for text in ('', 'a text', 9999 * 'long '):
                right = hmac.new(ha_lizard.to_bytes(secret), ha_lizard.to_bytes(text),
                                 sha1_for_hmac()).hexdigest()
                self.assertEqual(signer.sign(text), right)

    def test_that_each_receiver_gets_its_own(self):
        signer = ha_lizard.Signer('secret')
        packets = signer.seal('a text\n', {'one': '1', 'two': '2'})
        self.assertEqual(sorted(packets), ['one', 'two'])
        self.assertEqual(signer.open(packets['one']), ('a text\n', '1'))
        self.assertEqual(signer.open(packets['two']), ('a text\n', '2'))

    def test_what_is_not_opened(self):
        signer = ha_lizard.Signer('secret')
        good = signer.seal('a text\n', {0: '1'})[0]
        for bad in ('', 'mac=', good[:-2], good.replace('text', 'test'), 'x' + good,
                    good.replace('echo=1', 'echo=2'), good.replace('mac=', 'mac=\xff'),
                    signer.seal(9000 * 'x' + '\n', {0: '1'})[0],
                    'no echo\nmac=%s\n' % signer.sign('no echo\n')):
            self.assertEqual(signer.open(bad), None)
        self.assertEqual(ha_lizard.Signer('another').open(good), None)
        nobody = ha_lizard.Signer('')
        self.assertEqual(nobody.open(nobody.seal('a text\n', {0: '1'})[0]), None)

    def test_that_two_texts_are_the_same_or_not(self):
        for one, other in (('', ''), ('abc', 'abc'), ('abc', 'abd'), ('abc', 'ab'), ('', 'a')):
            self.assertEqual(ha_lizard.same(one, other), one == other)


def sha1_for_hmac():
    """What hmac wants: a function, or on 2.4 a module."""
    try:
        from hashlib import sha1
        return sha1
    except ImportError:
        import sha
        return sha


class Parsing(base.TestCase):
    def test_that_what_is_told_is_heard(self):
        for told in (report(), report(domains=[B, C], part=1, parts=3), report(domains=[]),
                     report(lease=None, tie=True, flag='a\nb\\=c', orders=[(B, 3), (C, 1)], doing='unfit'),
                     report(opinions=';;')):
            self.assertEqual(ha_lizard.parse_report(told.text()).text(), told.text())

    def test_that_what_was_heard_before_changes_nothing(self):
        whole = ha_lizard.parse_report(report(number=8, opinions=';%s 1 40 0 1;' % B).text())
        for other in (report(), report(uuid=B, heirs_age=99, boot='another', nonce='m' * 16),
                      report(lease=None), report(domains=[C]), report(flag='false', part=1)):
            before = ha_lizard.parse_report(other.text())
            heard = ha_lizard.parse_report(whole.text(), before)
            self.assertEqual(heard.__dict__, whole.__dict__)

    def test_that_what_did_not_change_is_not_read_again(self):
        before = ha_lizard.parse_report(report(domains=[B, C]).text())
        heard = ha_lizard.parse_report(report(domains=[B, C], number=8).text(), before)
        self.assertTrue(heard.domains is before.domains)
        self.assertEqual((before.number, heard.number), (7, 8))

    def test_what_is_no_report(self):
        good = report().text()
        for bad in ('', 'ha-lizard 1\n', good.replace('ha-lizard 1', 'ha-lizard 2'),
                    good.replace('version=', 'v='), good.replace('opinions=', 'o='),
                    good.replace('number=7', 'number='), good.replace('lease=40', 'lease=x'),
                    good.replace('uuid=', 'id='), good.replace('role=', 'rule='),
                    good.replace('orders=', 'orders=' + A), good.replace('orders=', 'orders=:x')):
            try:
                self.fail(ha_lizard.parse_report(bad))
            except (KeyError, ValueError):
                pass

    def test_what_others_say_of_a_member(self):
        said = [report(), report(), report(opinions=';%s 2 - 0 -;' % C), report(opinions=';;')]
        self.assertEqual(ha_lizard.opinions_on(C, said), ['2 - 0 -', '9 - 0 -'])
        self.assertEqual(ha_lizard.opinions_on(B, said), ['0 40 1 1'])
        self.assertEqual(ha_lizard.opinions_on(A, said), [])


class Pictures(base.TestCase):
    """What the watcher reads after each round."""

    def picture(self, at, **values):
        facts = ha_lizard.Facts(at)
        facts.pool, facts.master = 'a pool', A
        facts.hosts = {A: dict([(name, name) for name in ha_lizard.HOST_ROW])}
        facts.vms = {B: dict([(name, values.get('vm', name)) for name in ha_lizard.VM_ROW])}
        return ha_lizard.Picture(facts=facts, settings={'XE_TIMEOUT': values.get('x', '10')},
                                 enabled='true')

    def read(self, picture, before=None):
        text = picture.text('a boot', 'now')
        dom0 = ha_lizard.Record()
        dom0.read = lambda path, default=None: text
        return ha_lizard.read_picture(dom0, 'a boot', False, before)[0]

    def test_that_tables_that_are_the_same_are_not_parsed_again(self):
        before = self.read(self.picture(5.0))
        found = self.read(self.picture(20.0), before)
        self.assertEqual((found.facts.at, before.facts.at), (20.0, 5.0))
        self.assertTrue(found.facts.vms is before.facts.vms)
        self.assertTrue(found.facts.hosts is before.facts.hosts)
        self.assertEqual(found.settings, {'XE_TIMEOUT': '10'})

    def test_that_a_change_is_seen(self):
        before = self.read(self.picture(5.0))
        for changes in ({'vm': 'another'}, {'x': '20'}):
            made = self.picture(20.0, **changes)
            found, fresh = self.read(made, before), self.read(made)
            self.assertEqual(found.facts.vms, fresh.facts.vms)
            self.assertEqual(found.settings, made.settings)


if __name__ == '__main__':
    base.main()
