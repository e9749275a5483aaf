"""ha-cfg, what only reads, and messages."""

import documented
import ha_cfg_case
import ha_lizard
from ha_cfg_case import cfg, loaded

STRANGER = '9b9a243a-abf3-485f-bb37-e43b29555cbe'     # a host of no pool


class TestOther(ha_cfg_case.Case):
    def test_check(self):
        self.serve('vm v on a', 'vm w halted', 'fence POOL')
        status, output, errors = self.cfg('check')
        self.assertEqual((4, ''), (status, errors))
        self.assertIn('this pool survives the loss of 1 of 3 hosts', output)
        self.assertIn('POOL proves nothing', output)
        for line in output.split('\n'):
            self.assertLessEqual(len(line), 80)
        status, output, errors = self.cfg('check', '--nagios')
        self.assertEqual((2, 'HA-LIZARD CRITICAL - ', 1), (status, output[:21],
                                                         output.count('\n')))
        self.assertIn('"worst": "red"', self.cfg('check', '--json')[1])

    def test_check_asks_the_devices(self):
        self.serve('bmc b locked')
        output = self.cfg('check', '--fence')[1]
        self.assertIn('a: ILO: a is on', output)
        self.assertIn('red     device    b:', output)
        self.assertEqual([], [argv for argv in self.called() if 'off' in argv])

    def findings(self, subject):
        return [each['text'] for each in loaded(self.cfg('check', '--json')[1])['findings']
                if each['subject'] == subject]

    def test_check_names_what_is_wrong_in_a_hosts_file(self):
        """Each is a sentence here, and a refusal to fence with it."""
        self.serve()
        self.once()
        path = '/etc/ha-lizard/fence/ILO/ILO.hosts'
        uuids = [self.story.world.hosts[name].uuid for name in 'abc']
        a, b, c = ['%s:192.168.100.%d' % (uuid, 1 + place) for place, uuid in enumerate(uuids)]
        for text, victim, sentence in (
                ((a, b), 'c', 'ILO.hosts has no usable line for c (%s)' % uuids[2]),
                ((a, b, c, c[:-1] + '9'), 'c', 'line 3: %s: line 4 names the same' % uuids[2]),
                ((a, b, c.replace(':', ': ')), 'c', 'line 3: %s: a space or tab' % uuids[2]),
                ((a, b, c + ' '), 'c', 'line 3: %s: a space or tab' % uuids[2]),
                ((a, b, c + '\r'), 'c', 'line 3: %s: it ends as on Windows' % uuids[2]),
                ((a, b, c[:-1] + '2'), 'b', 'line 2: %s: line 3 has the same' % uuids[1]),
                ((a, b, c[:-1] + '2'), 'c', 'line 3: %s: line 2 has the same' % uuids[2]),
                ((a, b, c.split(':')[0] + ':10.0.0.3'), 'c', 'has the address of '),
                ((a, b, c + ' password=hush'), 'c', 'a password in a file that anyone'),
                ((a, b, 'x' + c), 'c', 'line 3: no host: it does not begin with the uuid'),
                ((a, b, c, STRANGER + ':192.168.100.9'), '', 'line 4: %s: this is no host of '
                 'the pool' % STRANGER)):
            self.host.files[path] = '\n'.join(text) + '\n'
            said = self.findings('fencing')
            self.assertEqual(1, len([each for each in said if sentence in each]), (sentence, said))
            self.assertNotIn('hush', ' '.join(said))
            uuid, before = STRANGER, len(self.called())
            if victim:
                uuid = self.story.world.hosts[victim].uuid
            status, output = self.act('fence', uuid)
            self.assertNotEqual(0, status)
            self.assertIn({'': 'the uuid of a member'}.get(victim, sentence), output)
            self.assertEqual([], self.called()[before:], (sentence, output))
        self.host.files[path] = '\n'.join((a, b, c)) + '\n'
        self.assertEqual(['ILO knows all 3 hosts; `check --fence` asks its devices'],
                         self.findings('fencing'))

    def test_check_says_whose_word_is_taken(self):
        self.serve('fence ILO:POOL')
        self.assertIn('FENCE_METHOD=POOL proves nothing', ' '.join(self.findings('fencing')))

    def test_check_says_how_an_agent_proves(self):
        self.serve('fence PDU')
        script = '/etc/ha-lizard/fence/PDU/PDU.sh'
        self.host.files[script] = '#!/bin/sh\n'
        self.assertIn('PDU can switch a host off and cannot show it', ' '.join(self.findings('fencing')))
        self.done('set', 'FENCE_TRUST_AGENT', '1')
        self.assertIn('exit 0 of PDU is taken for proof', ' '.join(self.findings('fencing')))

    def test_what_if(self):
        self.serve('vm v on b', 'ha on')
        self.once()
        self.refused(2, ('what-if', 'nonsense'), 'master-dead, host-dead or isolated')
        self.refused(2, ('what-if', 'host-dead'), 'which host?')
        self.refused(2, ('what-if', 'master-dead', 'a'), 'no name')
        self.refused(1, ('what-if', 'host-dead', 'z'), 'no host is called')
        output = self.done('what-if', 'host-dead', 'b')
        self.assertIn('If b died now:', output)
        self.assertIn('"promoted": [', self.done('what-if', 'master-dead', '--json'))

    def test_why_and_history(self):
        self.serve('vm v on b', 'ha on')
        self.once()
        self.host.files[ha_lizard.Journal.path] = (
            '2025-01-02 03:04:05 act     start v on c\n2025-01-02 03:04:09 done    start vv on c\n'
            'nonsense\n2025-02-02 03:04:05 decide  all is well\n')
        output = self.done('why', 'v')
        self.assertIn('VM v is running on b', output)
        self.assertIn('start v on c', output)
        self.assertNotIn('start vv on c', output)
        self.assertIn('host b is another member', self.done('why', 'b'))
        self.refused(1, ('why', 'nobody'), 'no VM or host is called')
        self.assertEqual(4, self.done('history').count('\n'))
        self.assertEqual(2, self.done('history', '--since', '2025-01-03').count('\n'))
        self.assertEqual(2, self.done('history', '2025-02-02 03:04').count('\n'))
        self.assertIn('nothing since then', self.done('history', '1h'))
        self.assertIn('"kind": "act"', self.done('history', '--json'))
        self.refused(2, ('history', 'tomorrow'), 'is no time')

    def test_json_is_as_documented(self):
        """With every list filled, when all is well and when it is not."""
        self.serve('vm v on b', 'vm w halted', 'ha on', 'set a XAPI_DELAY nonsense')
        self.json_is_as_documented()
        self.once()
        self.host.files[ha_lizard.Journal.path] = '2025-01-02 03:04:05 act     start v\n'
        self.note_that([('version.' + host.uuid, ha_lizard.VERSION)
                        for host in self.story.world.hosts.values()])
        filled = self.json_is_as_documented()
        self.assertEqual([], sorted(set([row[:2] for row in documented.rows() if row[1]])
                                    - set(filled)))

    def json_is_as_documented(self):
        """[(action, list)] of the lists that are not empty."""
        wrong, filled = [], []
        for name in sorted(cfg.SCHEMAS):
            value = loaded(self.cfg(name, '--json', *{
                'what-if': ('host-dead', 'b')}.get(name, ()))[1])
            wrong += documented.objections(name, value)
            filled += [(name, key) for key in value if value[key]]
        self.assertEqual([], wrong)
        return filled

    def test_alerts(self):
        self.serve()
        self.assertIn('no alerts', self.done('show-alerts'))
        self.refused(2, ('raise-alert', 'x', '9'), 'a priority from 1')
        self.refused(2, ('raise-alert', ' '), 'empty')
        self.done('raise-alert', 'it is "odd", isn\'t it', '2')
        self.assertIn('it is "odd", isn\'t it', self.done('show-alerts'))
        self.assertIn('1 alert removed', self.done('clear-alerts'))
        self.assertIn('no alerts', self.done('show-alerts'))
        self.assertIn('Test Message ID ', self.done('email'))
        self.assertEqual(1, len(self.story.world.mails))
        self.story.play('mail-server down')
        status, _, errors = self.cfg('email')
        self.assertEqual((1, 'the test mail was not sent to all: the mail server cannot be '
                             'used\n'), (status, errors))

    def test_log(self):
        self.serve()
        self.refused(1, ('log', '--no-follow'), 'no log has a line')
        self.host.files['/var/log/user.log'] = (
            'Jan  1 00:00:00 a ha-lizard: one\nJan  1 00:00:01 a other: two\n')
        self.assertEqual('Jan  1 00:00:00 a ha-lizard: one\n', self.done('log', '--no-follow'))

    def test_the_rest(self):
        self.serve('vm v on b')
        self.assertEqual('ha-lizard %s\n' % ha_lizard.VERSION, self.done('version'))
        self.assertIn('complete -o nospace', self.done('completion'))
        self.assertEqual('on\n', self.done('complete', 'maintenance', 'b', 'on'))
        self.assertEqual('v\n', self.done('complete', 'set-vm-ha', 'v'))
        self.assertIn('Available', self.done('help').replace('ACTION', 'Available'))
        self.refused(2, ('nonsense',), 'no action is called')
        self.refused(2, ('get', '--nonsense'), 'no option')
        self.refused(2, ('version', 'x'), 'usage:')


if __name__ == '__main__':
    import unittest
    unittest.main()
