"""Settings: every parameter, its kind, the layers, and files as they are found."""

import os
import time
import unittest

import base
import ha_lizard
from ha_lizard import (
    DEPRECATED, FUNCTIONS, NO_EFFECT, ROWS, SETTINGS, SWITCHES, Settings, as_stored,
    expand_hostname, parse_conf, pool_settings, setting_named, unquoted)

MANUAL = '''
    DISABLED_VAPPS ENABLE_LOGGING FENCE_ACTION FENCE_ENABLED FENCE_FILE_LOC
    FENCE_HA_ONFAIL FENCE_HEURISTICS_IPS FENCE_HOST_FORGET FENCE_IPADDRESS FENCE_METHOD
    FENCE_MIN_HOSTS FENCE_PASSWD FENCE_QUORUM_REQUIRED FENCE_REBOOT_LONE_HOST
    FENCE_USE_IP_HEURISTICS GLOBAL_VM_HA MAIL_FROM MAIL_ON MAIL_SUBJECT MAIL_TO
    MONITOR_DELAY MONITOR_KILLALL MONITOR_MAX_STARTS MONITOR_SCANRATE OP_MODE
    PROMOTE_SLAVE SLAVE_HA SLAVE_VM_STAT SMTP_PASS SMTP_PORT SMTP_SERVER SMTP_USER
    XAPI_COUNT XAPI_DELAY XC_FIELD_NAME XE_TIMEOUT'''.split()
LATER = '''DISK_MONITOR ENABLE_ALERTS HOST_SELECT_METHOD MAIL_SCREEN_TIME
    MGT_LINK_LOSS_TOLERANCE'''.split()
OURS = '''ALERT_SCRIPT FENCE_STRICT FENCE_TRUST_AGENT FENCE_USER METRICS_DIR SMTP_TLS
    START_PARALLEL SUSPEND_AUTO_CLEAR VM_SHUTDOWN_IS_INTENT XAPI_DEAD_TIME'''.split()

DEFAULTS = {
    'disabled_vapps': [], 'enable_logging': True, 'fence_action': 'stop',
    'fence_enabled': True, 'fence_file_loc': '/etc/ha-lizard/fence',
    'fence_ha_onfail': False, 'fence_heuristics_ips': ['8.8.8.8'],
    'fence_host_forget': False, 'fence_ipaddress': '', 'fence_method': ['POOL'],
    'fence_min_hosts': 2, 'fence_passwd': '', 'fence_quorum_required': True,
    'fence_reboot_lone_host': False, 'fence_use_ip_heuristics': True,
    'global_vm_ha': True, 'mail_from': 'root@localhost', 'mail_on': True,
    'mail_subject': 'SYSTEM_ALERT-FROM_HOST:$HOSTNAME', 'mail_to': ['root@localhost'],
    'monitor_delay': 15, 'monitor_killall': True, 'monitor_max_starts': 20,
    'monitor_scanrate': 10, 'op_mode': 2, 'promote_slave': True, 'slave_ha': True,
    'slave_vm_stat': False, 'smtp_pass': '', 'smtp_port': 25,
    'smtp_server': '127.0.0.1', 'smtp_user': '', 'xapi_count': 2, 'xapi_delay': 10,
    'xc_field_name': 'ha-lizard-enabled', 'xe_timeout': 10,
    'disk_monitor': True, 'enable_alerts': True, 'host_select_method': False,
    'mail_screen_time': 60, 'mgt_link_loss_tolerance': 5,
    'alert_script': '', 'fence_strict': False, 'fence_trust_agent': False,
    'fence_user': '', 'metrics_dir': '', 'smtp_tls': 'auto', 'start_parallel': 4,
    'suspend_auto_clear': True, 'vm_shutdown_is_intent': False, 'xapi_dead_time': 600}

# The three examples of the manual: what all of them say, then what differs.
EXAMPLE = dict(DEFAULTS, **{
    'fence_min_hosts': 3, 'mail_from': 'pool@example.com',
    'mail_to': ['admin@example.com'], 'monitor_delay': 45, 'monitor_max_starts': 40,
    'slave_vm_stat': True, 'xapi_count': 5, 'xapi_delay': 15})
RESTART_ONLY = dict(EXAMPLE, **{
    'fence_enabled': False, 'fence_heuristics_ips': [], 'fence_quorum_required': False,
    'fence_use_ip_heuristics': False, 'promote_slave': False, 'slave_ha': False})
POOL = dict(EXAMPLE, **{
    'fence_ha_onfail': True, 'fence_reboot_lone_host': True,
    'fence_heuristics_ips': ['192.168.20.254', '192.168.20.20']})
TWO_HOSTS = dict(POOL, **{'fence_min_hosts': 2, 'fence_reboot_lone_host': False})

UUID = '5f0c5b1e-0b7e-4f1a-9a53-0d2f9e1c7a10'
UUID2 = 'a2b4c6d8-1111-2222-3333-444455556666'


def fixture(name):
    return base.read(os.path.join(base.TESTS, 'fixtures', 'settings', name))


def pool(previous=None, **given):
    return Settings([('pool', given)], previous)


def both(in_pool, here, previous=None):
    return Settings([('pool', in_pool), ('this host', here)], previous)


def typed(settings):
    return dict([(row.attribute, getattr(settings, row.attribute)) for row in SETTINGS])


class SettingsCase(base.TestCase):

    def takes(self, name, stored, value):
        settings = pool(**{name: stored})
        self.assertEqual((stored, getattr(settings, name.lower())), (stored, value))
        self.assertEqual(type(value), type(getattr(settings, name.lower())))
        self.assertEqual([], [each for each in settings.problems if 'must be' in each])

    def refuses(self, name, *texts):
        for stored in texts:
            settings = pool(**{name: stored})
            self.assertEqual((stored, ROWS[name].value(ROWS[name].default)),
                             (stored, getattr(settings, name.lower())))
            self.assertEqual((stored, 1), (stored, len(
                [each for each in settings.problems
                 if each.startswith('%s in the pool must be ' % name)])))


class TheTable(SettingsCase):

    def test_has_every_documented_parameter(self):
        for where, names in (('manual', MANUAL), ('2.x', LATER), ('ours', OURS)):
            self.assertEqual(sorted(names), sorted(
                [row.name for row in SETTINGS if row.where == where]))

    def test_names_each_parameter_once(self):
        self.assertEqual(len(ROWS), len(SETTINGS) + len(SWITCHES))

    def test_has_the_defaults_of_the_manual(self):
        settings = Settings()
        self.assertEqual([], settings.problems)
        self.assertEqual(DEFAULTS, typed(settings))
        for name, value in DEFAULTS.items():
            self.assertEqual((name, type(value)),
                             (name, type(getattr(settings, name))))

    def test_has_defaults_that_their_own_kind_takes(self):
        for row in SETTINGS + SWITCHES:
            self.assertIsNone(row.objection(row.default), row.name)

    def test_has_a_meaning_on_one_line_for_every_row(self):
        for row in SETTINGS + SWITCHES:
            self.assertTrue(10 < len(row.meaning) < 160 and '\n' not in row.meaning,
                            row.name)
            self.assertTrue(row.kind.says, row.name)

    def test_says_which_may_be_empty(self):
        self.assertEqual(
            ['ALERT_SCRIPT', 'DISABLED_VAPPS', 'FENCE_HEURISTICS_IPS',
             'FENCE_IPADDRESS', 'FENCE_PASSWD', 'FENCE_USER', 'METRICS_DIR',
             'SMTP_PASS', 'SMTP_USER'],
            sorted([row.name for row in SETTINGS if row.empty]))

    def test_says_which_are_special(self):
        self.assertEqual(['FENCE_PASSWD', 'SMTP_PASS'],
                         sorted([row.name for row in SETTINGS if row.secret]))
        self.assertEqual(['FENCE_HOST_FORGET'],
                         [row.name for row in SETTINGS if row.fate == DEPRECATED])
        self.assertEqual(['DISK_MONITOR', 'HOST_SELECT_METHOD'],
                         [row.name for row in SETTINGS if row.fate == NO_EFFECT])
        self.assertEqual(['MONITOR_DELAY', 'MONITOR_KILLALL', 'MONITOR_MAX_STARTS',
                          'MONITOR_SCANRATE'],
                         [row.name for row in SETTINGS if row.restart])

    def test_offers_words_for_completion(self):
        self.assertEqual(['auto', 'off', 'ssl', 'starttls'],
                         ROWS['SMTP_TLS'].kind.words)
        self.assertEqual(['0', '1'], ROWS['MAIL_ON'].kind.words)

    def test_finds_a_parameter_as_it_is_typed(self):
        self.assertEqual('MAIL_ON', setting_named('MAil_oN').name)
        self.assertEqual('LOG_email', setting_named('LOG_email').name)
        self.assertEqual('MONITOR_MAX_STARTS', setting_named('max_monitor_starts').name)
        self.assertIsNone(setting_named('MAIL'))
        self.assertIsNone(setting_named(''))


class Switches(SettingsCase):

    def count(self, prefix):
        return len([row for row in SWITCHES if row.name.startswith(prefix)])

    def test_are_those_of_the_manual(self):
        self.assertEqual((21, 19, 21), (self.count('LOG_'), self.count('MAIL_'),
                                        self.count('PRIORITY_')))
        self.assertEqual(21, len(FUNCTIONS))
        for name in ('MAIL_check_ha_enabled', 'MAIL_check_logger_processes'):
            self.assertNotIn(name, ROWS)

    def test_are_on_but_for_the_noisy_one(self):
        settings = Settings()
        self.assertEqual(['write_pool_state'], [row[0] for row in FUNCTIONS
                                                if not settings.wants_log(row[0])])
        self.assertEqual([], [row[0] for row in FUNCTIONS
                              if not settings.wants_mail(row[0])])
        self.assertTrue(settings.wants_log('a_function_of_ours'))
        self.assertTrue(settings.wants_mail('a_function_of_ours'))

    def test_work_on_this_host(self):
        settings = both({}, {'LOG_fence_host': '0', 'MAIL_email': '"0"',
                             'PRIORITY_fence_host': '5', 'LOG_write_pool_state': '1'})
        self.assertEqual([], settings.problems)
        self.assertFalse(settings.wants_log('fence_host'))
        self.assertTrue(settings.wants_mail('fence_host'))
        self.assertTrue(settings.wants_log('email'))
        self.assertFalse(settings.wants_mail('email'))
        self.assertTrue(settings.wants_log('write_pool_state'))
        self.assertEqual((5, 1, 0, 3), tuple(
            [settings.priority(name) for name in ('fence_host', 'vm_mon', 'email',
                                                  'x')]))

    def test_give_way_to_the_main_switch(self):
        settings = pool(ENABLE_LOGGING='0', MAIL_ON='0')
        self.assertFalse(settings.wants_log('fence_host'))
        self.assertFalse(settings.wants_mail('fence_host'))

    def test_do_nothing_in_the_pool(self):
        settings = pool(LOG_fence_host='0', MAIL_fence_host='0', PRIORITY_email='1')
        self.assertTrue(settings.wants_log('fence_host'))
        self.assertTrue(settings.wants_mail('fence_host'))
        self.assertEqual(3, len(settings.problems))
        self.assertEqual('LOG_fence_host has no effect in the pool: it belongs in '
                         'ha-lizard.conf', settings.problems[0])

    def test_of_2x_are_taken_without_a_word(self):
        settings = both({}, {'LOG_vm_start': 'x', 'MAIL_check_ha_enabled': '0',
                             'PRIORITY_watch_proc': '1', 'MAIL_xe_raise_alert': '0',
                             'LOG_get_alert_level': '0',
                             'LOC_write_status_report': '1'})
        self.assertEqual([], settings.problems)

    def test_must_be_of_their_kind(self):
        self.assertEqual([
            'LOG_email on this host must be 0 or 1, not "2"; keeping 1',
            'PRIORITY_email on this host must be a whole number from 0 to 5, not "6"; '
            'keeping 0'], both({}, {'LOG_email': '2', 'PRIORITY_email': '6'}).problems)

    def test_unknown_ones_are_one_sentence_each(self):
        self.assertEqual([
            'LOG_nonsense on this host is not a parameter; ignored',
            'MAIL_ on this host is not a parameter; ignored'],
            both({}, {'LOG_nonsense': '1', 'MAIL_': '1'}).problems)


class Kinds(SettingsCase):

    def test_numbers_have_ranges(self):
        for name, low, high in (
                ('FENCE_MIN_HOSTS', 1, 64), ('MAIL_SCREEN_TIME', 0, 10080),
                ('MGT_LINK_LOSS_TOLERANCE', 0, 3600), ('MONITOR_DELAY', 1, 3600),
                ('MONITOR_MAX_STARTS', 1, 1000), ('MONITOR_SCANRATE', 1, 3600),
                ('SMTP_PORT', 1, 65535), ('START_PARALLEL', 1, 32),
                ('XAPI_COUNT', 1, 100), ('XAPI_DELAY', 1, 300),
                ('XAPI_DEAD_TIME', 120, 86400), ('XE_TIMEOUT', 1, 300)):
            self.takes(name, str(low), low)
            self.takes(name, str(high), high)
            self.refuses(name, str(low - 1), str(high + 1))
            self.assertIn('from %d to %d' % (low, high), ROWS[name].kind.says)

    def test_numbers_are_plain(self):
        self.takes('XAPI_COUNT', ' 007\t', 7)
        self.takes('XAPI_COUNT', '" 7 "', 7)
        self.refuses('XAPI_COUNT', '', ' ', '""', 'many', '1.0', '1e1', '0x1', '+1',
                     '-1',
                     '1_0', '1 0', '1\n2', '\xb2', '9' * 10000, '$(reboot)', '`id`')

    def test_flags(self):
        self.takes('MAIL_ON', '0', False)
        self.takes('MAIL_ON', "'1'", True)
        self.refuses('MAIL_ON', '', '2', 'yes', 'true', '00', '01', '$(reboot)')

    def test_words(self):
        self.takes('FENCE_ACTION', 'reset', 'reset')
        self.takes('FENCE_ACTION', '"STOP"', 'stop')
        self.takes('FENCE_ACTION', 'start', 'start')
        self.refuses('FENCE_ACTION', '', 'restart', 'stop reset', 'stop;reboot')
        self.takes('OP_MODE', '1', 1)
        self.refuses('OP_MODE', '', '0', '3', '12')
        for word in ('auto', 'off', 'starttls', 'ssl'):
            self.takes('SMTP_TLS', word, word)
        self.refuses('SMTP_TLS', '', '1', 'tls')

    def test_one_address(self):
        for text in ('10.0.0.1', 'bmc', 'bmc-1.example.com', 'bmc.example.com.',
                     '_x.example', 'fe80::1', '3com', '1a.2b'):
            self.takes('FENCE_IPADDRESS', text, text)
        self.takes('FENCE_IPADDRESS', '[2001:db8::7]', '2001:db8::7')
        self.takes('FENCE_IPADDRESS', '', '')
        self.takes('FENCE_IPADDRESS', '""', '')
        self.refuses('FENCE_IPADDRESS', '10.0.0.300', '10.0.0', '10', '1.2.3.4.5', '-x',
                     'x-', '.x', 'x..y', 'x y', 'a:b', '10.0.0.1:80', '[10.0.0.1]',
                     '[x]',
                     '[]', '[fe80::12', 'fe80::1]', 'fe80::1::2', '/etc', 'x;y',
                     '$(id)', 'a\x00', '10.0.0.1\x00',
                     'x' * 254, 'b\xc3\xbc')
        self.refuses('SMTP_SERVER', '', 'a,b')

    def test_lists_of_addresses(self):
        for stored, value in (
                ('10.0.0.1', ['10.0.0.1']),
                ('10.0.0.1:switch.example.com', ['10.0.0.1', 'switch.example.com']),
                ('10.0.0.1:10.0.0.2:', ['10.0.0.1', '10.0.0.2']),
                ('10.0.0.1, 10.0.0.2', ['10.0.0.1', '10.0.0.2']),
                ('10.0.0.1 10.0.0.2:sw', ['10.0.0.1', '10.0.0.2', 'sw']),
                ('(10.0.0.1:10.0.0.2)', ['10.0.0.1', '10.0.0.2']),
                ('fe80::1', ['fe80::1']), ('::1', ['::1']), ('fe80::', ['fe80::']),
                ('2001:db8:1:2:3:4:5:6', ['2001:db8:1:2:3:4:5:6']),
                ('::ffff:10.0.0.1', ['::ffff:10.0.0.1']),
                ('fe80::1,fe80::2', ['fe80::1', 'fe80::2']),
                ('[fe80::1]', ['fe80::1']),
                ('[fe80::1]:10.0.0.1:[fe80::2]', ['fe80::1', '10.0.0.1', 'fe80::2']),
                ('fe80::1 [fe80::2] sw', ['fe80::1', 'fe80::2', 'sw']),
                ('', []), ('()', []), ('( )', []), (' "" ', [])):
            self.takes('FENCE_HEURISTICS_IPS', stored, value)
        self.refuses('FENCE_HEURISTICS_IPS', '10.0.0.1::10.0.0.2', '10.0.0.1:300.0.0.1',
                     '2001:db8::1:2001:db8::2', '[fe80::1', 'fe80::1]', '[[::1]]',
                     ':', '::::', '-c1:10.0.0.1', '10.0.0.1|10.0.0.2', 'a (b)',
                     '(10.0.0.1', '10.0.0.1)', 'x10.0.0.1)', '(10.0.0.1x',
                     '<enter IP addresses delimited by :>', '$(reboot)', ':' * 10000,
                     ':'.join(['10.0.0.1'] * 200), '[' * 10000)

    def test_lists_of_uuids(self):
        for stored, value in (
                ('()', []), ('', []), ('(%s)' % UUID, [UUID]), (UUID, [UUID]),
                ('(%s:%s)' % (UUID, UUID2.upper()), [UUID, UUID2]),
                ('( %s : %s: )' % (UUID, UUID2), [UUID, UUID2]),
                ('%s, %s' % (UUID, UUID2), [UUID, UUID2]),
                ('(%s)' % ':'.join([UUID] * 300), [UUID] * 300)):
            self.takes('DISABLED_VAPPS', stored, value)
        self.refuses('DISABLED_VAPPS', 'x', '(x)', UUID + '0', UUID[1:],
                     UUID[:-1] + 'g',
                     '(%s' % UUID, '(%s;%s)' % (UUID, UUID2), UUID * 2, '$(reboot)',
                     ':'.join([UUID] * 3000), UUID + '\n' + UUID2)

    def test_fence_methods(self):
        for stored, value in (
                ('ILO', ['ILO']), ('ILO:IRMC', ['ILO', 'IRMC']),
                ('a.b-c_1', ['a.b-c_1']),
                ('ILO, IRMC', ['ILO', 'IRMC']), ('ILO: IRMC:', ['ILO', 'IRMC']),
                ('fence_apc', ['fence_apc']), ("'POOL'", ['POOL'])):
            self.takes('FENCE_METHOD', stored, value)
        self.refuses('FENCE_METHOD', '', ':', '.', '..', '.ILO', '-ILO', 'ILO:-x',
                     '../ILO',
                     'ILO/x', '/ILO', 'ILO::XVM', 'ILO;x', 'I\nLO', 'I\x00',
                     '$(reboot)',
                     '`id`', 'x' * 1001, 'ILO XVM$')

    def test_paths(self):
        for name in ('FENCE_FILE_LOC', 'ALERT_SCRIPT', 'METRICS_DIR'):
            for text in ('/', '/etc/ha-lizard/fence', '/a b/c.d-e_f', '/a..b/...'):
                self.takes(name, text, text)
            self.refuses(name, 'etc', './x', '~/x', '/a/../b', '/..', '/a/..', '/a\n/b',
                         '/a;b', '/a|b', '/$(id)', '/`id`', '/a*', '/a"b', '/a\x7f',
                         '/' + 'x' * 1000)
        self.takes('METRICS_DIR', '', '')
        self.refuses('FENCE_FILE_LOC', '', '   ')

    def test_lines(self):
        for text in ('x', '$(reboot)', '`id`', 'a b', 'a;b|c', 'b\xc3\xbccher', '<>',
                     '(',
                     'x' * 1000, '"a" and "b"', "it's"):
            self.takes('MAIL_SUBJECT', text, text)
            self.takes('FENCE_PASSWD', text, text)
            self.takes('SMTP_USER', text, text)
        self.takes('FENCE_PASSWD', '" a "', ' a ')
        self.takes('MAIL_SUBJECT', '" a "', ' a ')
        self.takes('FENCE_PASSWD', '', '')
        self.refuses('MAIL_SUBJECT', '', '""', '" "', 'a\nb', 'a\rb', 'a\tb', 'a\x00b',
                     '\x1b[2J', 'x' * 1001, 'x' * 10000)
        self.refuses('FENCE_PASSWD', 'a\nb', '"a\nb"', 'x' * 1001)

    def test_lines_that_a_mail_would_break(self):
        # only Python 3 has such characters in its text
        self.assertEqual(len('a\x85b'.splitlines()) == 1,
                         ROWS['MAIL_SUBJECT'].objection('a\x85b') is None)

    def test_mail_addresses(self):
        for stored, value in (
                ('root', ['root']), ('a@b', ['a@b']), ('"a@b,c@d"', ['a@b', 'c@d']),
                ('a@b c@d', ['a@b', 'c@d']), ('a@b, c@d,', ['a@b', 'c@d']),
                ("o'neil+x@b.example", ["o'neil+x@b.example"]),
                ('a@[::1]', ['a@[::1]']),
                ('Bob Smith <bob@b>, a@b', ['bob@b', 'a@b'])):
            self.takes('MAIL_TO', stored, value)
        self.refuses('MAIL_TO', '', ',', '-f@b', 'a@b@c', '@b', 'a@', '<enter address>',
                     'a;b', '$(id)@b', '`id`', 'a@b\nBcc: c@d', 'a@b|c', 'x' * 1001)
        self.takes('MAIL_FROM', 'a@b', 'a@b')
        self.takes('MAIL_FROM', '"HA Lizard <ha@b>"', 'ha@b')
        self.refuses('MAIL_FROM', '', 'a@b,c@d', 'a b', '<enter email address>')

    def test_names(self):
        for text in ('ha-lizard-enabled', 'HA on', 'h\xc3\xa4', '1'):
            self.takes('XC_FIELD_NAME', text, text)
        self.refuses('XC_FIELD_NAME', '', 'a:b', 'a;b', 'a,b', 'a=b', '-a', '$(id)',
                     '`id`',
                     'a\nb', 'a"b', "a'b", 'a\\b', 'x' * 1001)
        for text in ('admin', 'Administrator', 'DOMAIN\\admin', 'a.b@c-d', '_x', ''):
            self.takes('FENCE_USER', text, text)
        self.refuses('FENCE_USER', '-oProxyCommand=x', '.a', 'a b', 'a;b', '$(id)',
                     'a\nb')


class Quotes(SettingsCase):

    def test_around_the_whole_value_are_not_part_of_it(self):
        for stored, value in (
                ('"25"', '25'), ("'25'", '25'), (' "25" \n', '25'), ('""', ''),
                ("''", ''),
                ('"SYSTEM ALERT-FROM HOST: $HOSTNAME"',
                 'SYSTEM ALERT-FROM HOST: $HOSTNAME'),
                ('"a\\"b\\\\c\\$d\\`e\\f"', 'a"b\\c$d`e\\f'), ("'a\\\"b'", 'a\\"b'),
                ('"a', '"a'), ('a"', 'a"'), ('"', '"'), ("'", "'"), ('"a\\"', '"a\\"'),
                ('"a" "b"', '"a" "b"'), ("'a' 'b'", "'a' 'b'"), ('"a\'', '"a\''),
                ('x"y"', 'x"y"'), ('', '')):
            self.assertEqual((stored, value), (stored, unquoted(stored)))

    def test_are_added_where_they_are_needed(self):
        for value in ('', 'a', 'a b', ' a', 'a ', '"a"', "'a'", '""', '"', "'it's'",
                      '"a" "b"', '"\\"', '" \\$`"', "' \\'", '\\$HOSTNAME', ' "\\" '):
            self.assertEqual((value, value), (value, unquoted(as_stored(value))))
        self.assertEqual('a b', as_stored('a b'))

    def test_of_the_manual(self):
        settings = pool(SMTP_PORT='"25"', XC_FIELD_NAME="'ha-lizard-enabled'",
                        MAIL_SUBJECT='"SYSTEM ALERT-FROM HOST: $HOSTNAME"')
        self.assertEqual((25, 'ha-lizard-enabled', 'SYSTEM ALERT-FROM HOST: $HOSTNAME',
                          []),
                         (settings.smtp_port, settings.xc_field_name,
                          settings.mail_subject, settings.problems))
        self.assertEqual('"25"', settings.as_text('SMTP_PORT'))

    def test_the_host_name_is_the_only_variable(self):
        for text, expanded in (
                ('A:$HOSTNAME', 'A:n1'), ('${HOSTNAME}x', 'n1x'),
                ('\\$HOSTNAME.', 'n1.'),
                ('$HOSTNAMES $HOME $(id) `id`', '$HOSTNAMES $HOME $(id) `id`'),
                ('$HOSTNAME $HOSTNAME', 'n1 n1'), ('', '')):
            self.assertEqual(expanded, expand_hostname(text, 'n1'))
        self.assertEqual('\\1$HOSTNAME', expand_hostname('$HOSTNAME', '\\1$HOSTNAME'))


class Layers(SettingsCase):

    def test_the_host_wins_over_the_pool_over_the_default(self):
        settings = both({'XAPI_COUNT': '3', 'XAPI_DELAY': '20'}, {'XAPI_DELAY': '30'})
        self.assertEqual((3, 30, 10), (settings.xapi_count, settings.xapi_delay,
                                       settings.xe_timeout))
        self.assertEqual(['pool', 'this host', 'default'], [
            settings.origin(name) for name in ('XAPI_COUNT', 'XAPI_DELAY',
                                               'XE_TIMEOUT')])
        self.assertEqual(['3', '30', '10'], [
            settings.as_text(name) for name in ('XAPI_COUNT', 'XAPI_DELAY',
                                                'XE_TIMEOUT')])

    def test_an_empty_override_counts_where_empty_is_allowed(self):
        settings = both({'FENCE_PASSWD': 'x', 'FENCE_HEURISTICS_IPS': '10.0.0.1'},
                        {'FENCE_PASSWD': '', 'FENCE_HEURISTICS_IPS': '()'})
        self.assertEqual(('', []), (settings.fence_passwd,
                                    settings.fence_heuristics_ips))

    def test_a_bad_value_leaves_the_lower_layer(self):
        settings = both({'XAPI_COUNT': '3'}, {'XAPI_COUNT': 'many'})
        self.assertEqual((3, 'pool'), (settings.xapi_count,
                                       settings.origin('XAPI_COUNT')))
        self.assertEqual(['XAPI_COUNT on this host must be a whole number from 1 to '
                          '100, not "many"; keeping 3'], settings.problems)

    def test_a_bad_value_leaves_the_default(self):
        settings = pool(XAPI_COUNT='many')
        self.assertEqual(2, settings.xapi_count)
        self.assertEqual(['XAPI_COUNT in the pool must be a whole number from 1 to '
                          '100, not "many"; keeping 2'], settings.problems)

    def test_an_empty_value_is_bad_where_empty_is_not_allowed(self):
        for stored in ('', ' ""', '" "'):
            self.assertEqual([
                'XAPI_COUNT in the pool must be a whole number from 1 to '
                '100, not empty; keeping 2'], pool(XAPI_COUNT=stored).problems)

    def test_a_bad_value_keeps_the_last_valid_one(self):
        settings = pool(XAPI_COUNT='7')
        for _ in range(3):
            settings = pool(settings, XAPI_COUNT='many')
            self.assertEqual((7, '7', 'pool'), (settings.xapi_count, settings.as_text(
                'XAPI_COUNT'), settings.origin('XAPI_COUNT')))
            self.assertEqual(['XAPI_COUNT in the pool must be a whole number from 1 to '
                              '100, not "many"; keeping 7'], settings.problems)
        self.assertEqual(8, pool(settings, XAPI_COUNT='8').xapi_count)
        self.assertEqual(2, pool(settings).xapi_count)

    def test_an_empty_one_can_be_the_last_valid_one(self):
        before = both({'FENCE_IPADDRESS': '10.0.0.1'}, {'FENCE_IPADDRESS': ''})
        settings = both({'FENCE_IPADDRESS': '10.0.0.1'}, {'FENCE_IPADDRESS': 'a b'},
                        before)
        self.assertEqual('', settings.fence_ipaddress)
        self.assertTrue(settings.problems[0].endswith('; keeping it empty'))

    def test_each_layer_has_its_own_last_valid_value(self):
        # The bad override was never valid: it must not freeze what the pool says.
        before = both({'FENCE_HA_ONFAIL': '1'}, {'FENCE_HA_ONFAIL': 'x'})
        self.assertTrue(before.fence_ha_onfail)
        settings = both({'FENCE_HA_ONFAIL': '0'}, {'FENCE_HA_ONFAIL': 'x'}, before)
        self.assertFalse(settings.fence_ha_onfail)
        before = both({'XAPI_COUNT': '3'}, {'XAPI_COUNT': '5'})
        settings = both({'XAPI_COUNT': 'x'}, {}, before)
        self.assertEqual(3, settings.xapi_count)

    def test_what_was_in_force_is_good_enough_after_a_restart(self):
        before = Settings([('the last valid value', {'XAPI_COUNT': '7'})])
        self.assertEqual(7, pool(before, XAPI_COUNT='many').xapi_count)
        self.assertEqual(10, pool(before, XAPI_DELAY='many').xapi_delay)

    def test_a_bad_value_in_the_pool_says_what_counts_in_the_end(self):
        settings = both({'XAPI_COUNT': 'many'}, {'XAPI_COUNT': '9'})
        self.assertEqual(9, settings.xapi_count)
        self.assertTrue(settings.problems[0].endswith('; keeping 9'))

    def test_a_problem_is_new_once(self):
        settings = pool(XAPI_COUNT='many', NOPE='1')
        self.assertEqual(2, len(settings.new_problems))
        self.assertEqual(settings.problems, settings.new_problems)
        settings = pool(settings, XAPI_COUNT='many', NOPE='1', XAPI_DELAY='x')
        self.assertEqual(3, len(settings.problems))
        self.assertEqual(['XAPI_DELAY in the pool must be a whole number from 1 to '
                          '300, not "x"; keeping 10'], settings.new_problems)

    def test_valid_layers_can_be_kept_and_read_again(self):
        given = {'XAPI_COUNT': '3', 'XAPI_DELAY': 'x', 'NOPE': '1', 'SMTP_PORT': '"26"'}
        settings = both(given, {'XE_TIMEOUT': '30'}, pool(XAPI_DELAY='40'))
        self.assertEqual([('pool', {'XAPI_COUNT': '3', 'XAPI_DELAY': '40',
                                    'SMTP_PORT': '"26"'}),
                          ('this host', {'XE_TIMEOUT': '30'})], settings.layers)
        again = Settings(settings.layers)
        self.assertEqual(typed(settings), typed(again))
        self.assertEqual([], again.problems)
        self.assertEqual(4, len(given))

    def test_unknown_names_are_one_sentence_each(self):
        settings = both({'NOPE': '1', 'xapi_count': '9', 'MAX_MONITOR_STARTS': '3'},
                        {'x\n\x1b[2J' + 'y' * 10000: '1'})
        self.assertEqual(2, settings.xapi_count)
        self.assertEqual([
            'MAX_MONITOR_STARTS in the pool is not a parameter, MONITOR_MAX_STARTS is; '
            'ignored',
            'NOPE in the pool is not a parameter; ignored',
            'xapi_count in the pool is not a parameter, XAPI_COUNT is; ignored'],
            settings.problems[:3])
        self.assertEqual(4, len(settings.problems))
        self.assertTrue(len(settings.problems[3]) < 150, settings.problems[3])
        self.assertNotIn('\x1b', settings.problems[3])

    def test_problems_are_short_and_printable(self):
        for row in SETTINGS + SWITCHES:
            for text in ('x\x00\x1b[2J\n' * 2500, '\xff' * 10000, '-' * 300000):
                layers = [('this host', {row.name: text})]
                problems = Settings(layers).problems
                if text[0] == '\xff' and not problems:
                    continue
                self.assertEqual((row.name, 1), (row.name, len(problems)))
                self.assertTrue(len(problems[0]) < 400, problems[0])
                self.assertEqual([], [each for each in problems[0] if each < ' '])
        self.assertEqual(
            'XAPI_COUNT in the pool must be a whole number from 1 to 100, not "%s..." '
            '(10000 characters); keeping 2' % ('a' * 57),
            pool(XAPI_COUNT='a' * 10000).problems[0])

    def test_values_are_shown_as_they_are_if_they_are_short(self):
        for text, shown in (('a b', '"a b"'), ('a\nb', '"a\\nb"'), ('a' * 60, '"%s"' % (
                'a' * 60)), ('a' * 61, '"%s..." (61 characters)' % ('a' * 57))):
            self.assertEqual(shown, ha_lizard.quoted(text))
        # 50 characters, of two bytes each where text is bytes
        umlauts = ha_lizard.to_text(bytes_of(*([195, 164] * 50)))
        self.assertEqual('"%s"' % umlauts, ha_lizard.quoted(umlauts))
        self.assertEqual('"%s"' % ('\\n' * 30), ha_lizard.quoted('\n' * 30))
        self.assertTrue(ha_lizard.quoted('\n' * 31).endswith('..." (31 characters)'))
        self.assertEqual('"x..."', ha_lizard.quoted('x...'))

    def test_secrets_are_never_in_a_problem(self):
        before = pool(FENCE_PASSWD='old-secret', SMTP_PASS='old-secret', SMTP_USER='u')
        secret = 'new-secret\n!'
        settings = pool(before, FENCE_PASSWD=secret, SMTP_PASS=secret * 200,
                        SMTP_USER='u')
        self.assertEqual('old-secret', settings.fence_passwd)
        self.assertEqual([
            'FENCE_PASSWD in the pool must be one line of at most 1000 characters, not '
            'what it is; keeping the one before',
            'SMTP_PASS in the pool must be one line of at most 1000 characters, not '
            'what it is; keeping the one before'], settings.problems)
        self.assertNotIn('secret', repr(pool(SMTP_PASS='secret').problems))

    def test_an_unchanged_configuration_costs_less_than_a_millisecond(self):
        given = dict([(row.name, row.default) for row in SETTINGS])
        settings, best = both(given, given), 1
        for _ in range(20):
            start = time.time()
            settings = both(given, given, settings)
            best = min(best, time.time() - start)
        self.assertTrue(best < 0.001, '%.6f s' % best)


class Relations(SettingsCase):

    def only(self, start, **given):
        """The one problem of these values; none of them is wrong by itself."""
        problems = pool(**given).problems
        self.assertEqual(1, len(problems), repr(problems))
        self.assertTrue(problems[0].startswith(start), problems[0])
        for name, text in given.items():
            self.assertEqual(ROWS[name].value(text),
                             getattr(pool(**given), name.lower()))

    def test_are_explained(self):
        self.only('PROMOTE_SLAVE=1 does nothing with FENCE_ENABLED=0',
                  FENCE_ENABLED='0')
        self.only('FENCE_ACTION=start', FENCE_ACTION='start')
        self.only('FENCE_USE_IP_HEURISTICS=1 does nothing', FENCE_HEURISTICS_IPS='()')
        self.only('FENCE_METHOD=XVM needs FENCE_IPADDRESS', FENCE_METHOD='ILO:XVM')
        self.only('FENCE_STRICT=1 and FENCE_HA_ONFAIL=1', FENCE_STRICT='1',
                  FENCE_HA_ONFAIL='1')
        self.only('DISABLED_VAPPS excludes nothing', DISABLED_VAPPS='(%s)' % UUID)
        self.only('SMTP_PASS is of no use', SMTP_PASS='x')
        self.only('MONITOR_MAX_STARTS x MONITOR_SCANRATE is 10 s, less than the 20 s',
                  MONITOR_MAX_STARTS='10', MONITOR_SCANRATE='1')

    def test_are_silent_where_there_is_nothing_to_say(self):
        for given in ({'FENCE_ENABLED': '0', 'PROMOTE_SLAVE': '0',
                       'FENCE_METHOD': 'XVM',
                       'FENCE_ACTION': 'start'},
                      {'FENCE_HEURISTICS_IPS': '', 'FENCE_USE_IP_HEURISTICS': '0'},
                      {'FENCE_METHOD': 'XVM', 'FENCE_IPADDRESS': '10.0.0.1'},
                      {'FENCE_STRICT': '1'}, {'FENCE_HA_ONFAIL': '1'},
                      {'DISABLED_VAPPS': '(%s)' % UUID, 'OP_MODE': '1'},
                      {'SMTP_PASS': 'x', 'SMTP_USER': 'y'}, {'SMTP_USER': 'y'},
                      {'MONITOR_MAX_STARTS': '2', 'MONITOR_SCANRATE': '10'}):
            self.assertEqual((given, []), (given, pool(**given).problems))


class Shell(SettingsCase):
    """parse_conf: a file that a shell used to read."""

    def reads(self, line, value):
        found, problems = parse_conf(line)
        self.assertEqual((line, [('A', value)], []), (
            line, [(name, unquoted(text)) for name, text in found.items()], problems))

    def cannot_read(self, line, sentence='gives A a value that needs quotes'):
        found, problems = parse_conf('\n' + line + '\nB=1')
        self.assertEqual((line, {'B': '1'}, 1), (line, found, len(problems)))
        self.assertTrue(problems[0].startswith(
            'line 2 of ha-lizard.conf ' + sentence), problems[0])

    def test_values(self):
        for line, value in (
                ('A=1', '1'), ('A=', ''), ('  A=1  ', '1'), ('A=1\r', '1'),
                ('export A=1', '1'), ('export\t A=1', '1'), ('A="x y"', 'x y'),
                ("A='x y'", 'x y'), ('A=""', ''), ("A=''", ''),
                ('A=x"y z"\'w v\'', 'xy zw v'),
                ('A="a\\"b\\\\c\\$d\\`e\\f"', 'a"b\\c$d`e\\f'), ("A='a\\b'", 'a\\b'),
                ('A=a\\ b\\"', 'a b"'), ('A=" x "', ' x '), ('A=\'"x"\'', '"x"'),
                ('A=\'"\\$"\'', '"\\$"'), ('A="\'x\'"', "'x'"), ('A="it\'s"', "it's"),
                ('A=x=y', 'x=y'), ('A=1\nA=2', '2'), ('A=1\n\n#A=3\n', '1')):
            self.reads(line, value)

    def test_comments(self):
        for line, value in (
                ('A=1 # x', '1'), ('A=1\t#x', '1'), ('A= # x', ''),
                ('A="x" # "y"', 'x'),
                ('A=x#y', 'x#y'), ('A=#x', '#x'), ('A="x # y"', 'x # y'),
                ('#!/bin/bash\n# x\n  # y\nA=1', '1'), ('A=1;', '1'),
                ('A=1 ; # x', '1'),
                ('A=1;#x', '1'), ('A=\'x\'; ', 'x'), ('A=x\\#y', 'x#y')):
            self.reads(line, value)

    def test_lists(self):
        for line, value in (('A=()', '()'), ('A=( )', '( )'), ('A=(a:b) # x', '(a:b)'),
                            ('A=(a b)', '(a b)'), ('A="(a b)"', '(a b)'),
                            ('A=(a);', '(a)')):
            self.reads(line, value)

    def test_nothing_is_run_or_expanded(self):
        for text in ('$(reboot)', '$(reboot now)', '`reboot`', '`reboot now`',
                     '$HOSTNAME',
                     '${HOSTNAME}', '$HOME', '$', '$$', '~', '*', 'a&b', 'a|b', 'a>b',
                     '!x'):
            self.reads('A=' + text, text)
            self.reads('A="%s"' % text, text)
            self.reads("A='%s'" % text, text)
        self.reads('A="\\$HOSTNAME"', '$HOSTNAME')

    def test_what_cannot_be_understood_is_said(self):
        for line in ('A=x y', 'A= x', 'A="x', "A='x", 'A=x"', 'A=x\\', 'A=`x', 'A=a;b',
                     'A=1; B=2', 'A=<enter email address>', 'A=(a b', 'A="x" y',
                     'A=$(a $(b))', 'A=1 ;; x'):
            self.cannot_read(line)
        for line in ('A = 1', 'A', '=1', 'A B=1', '1A=2', 'A-B=1', 'A+=1', 'source x',
                     'if [ "$A" = 1 ]; then', '\xff\xfe', '\x00=1', '"A"=1',
                     'exportA B=1'):
            self.cannot_read(line, 'is not NAME=value')

    def test_the_text_of_a_line_is_never_repeated(self):
        for line in ('FENCE_PASSWD=hunter2 hunter2', 'FENCE_PASSWD = hunter2',
                     'hunter2',
                     'FENCE_PASSWD="hunter2', 'x hunter2=1'):
            self.assertNotIn('hunter2', repr(parse_conf(line)[1]))

    def test_a_byte_order_mark(self):
        self.assertEqual(({'A': '1', 'B': '2'}, []), parse_conf(
            ha_lizard.to_text(bytes_of(239, 187, 191, 65, 61, 49, 13, 10, 66, 61, 50))))

    def test_nothing(self):
        for text in ('', '\n\n', None, '#'):
            self.assertEqual(({}, []), parse_conf(text))

    def test_binary_garbage(self):
        garbage = ha_lizard.to_text(bytes_of(*(list(range(256)) * 400)))
        found, problems = parse_conf(garbage)
        self.assertEqual({}, found)
        self.assertEqual(21, len(problems))
        self.assertEqual('381 more lines of ha-lizard.conf are ignored, for the like '
                         'reasons', problems[-1])

    def test_long_lines(self):
        self.reads('A=' + 'x' * 10000, 'x' * 10000)
        self.reads('A="%s"' % ('\\"' * 10000), '"' * 10000)
        for text in ('"' + '\\"' * 10000, '(' * 10000 + ' x', '$(' * 10000 + ' x',
                     '`' * 9999, "'" * 9999, ' ' * 10000 + 'x'):
            self.cannot_read('A=' + text)
        found, problems = parse_conf('N' * 10000 + '=x y')
        self.assertTrue(len(problems[0]) < 300)

    def test_just_as_many_problems_as_are_shown(self):
        self.assertEqual(20, len(parse_conf('x\n' * 20)[1]))
        self.assertNotIn('more', parse_conf('x\n' * 20)[1][-1])
        self.assertEqual(21, len(parse_conf('x\n' * 21)[1]))


def bytes_of(*numbers):
    text = ''.join([chr(number) for number in numbers])
    if isinstance(text, base.bytes_type):
        return text
    return text.encode('latin-1')


class Fixtures(SettingsCase):

    def check(self, name, expected):
        conf, problems = parse_conf(fixture(name))
        self.assertEqual([], problems)
        settings = both({}, conf)
        self.assertEqual([], settings.problems)
        self.assertEqual(expected, typed(settings))
        return settings, conf

    def test_the_three_examples_of_the_manual(self):
        for name, expected in (('restart-only.conf', RESTART_ONLY), ('pool.conf', POOL),
                               ('two-hosts.conf', TWO_HOSTS)):
            settings, conf = self.check(name, expected)
            self.assertEqual('this host', settings.origin('XC_FIELD_NAME'))
            self.assertEqual(sorted([each for each in MANUAL
                                     if not each.startswith('SMTP_')]), sorted(conf))

    def test_the_sample_of_ha_cfg_get(self):
        settings, conf = self.check('ha-cfg-get.txt', dict(DEFAULTS, **{
            'fence_heuristics_ips': ['192.168.20.254'], 'smtp_server': 'localhost',
            'smtp_user': 'localhost', 'smtp_pass': 'localhost',
            'mail_subject': 'SYSTEM_ALERT-FROM_HOST: $HOSTNAME'}))
        self.assertEqual(sorted(MANUAL), sorted(conf))
        self.assertEqual('()', settings.as_text('DISABLED_VAPPS'))

    def other_config(self):
        lines = fixture('other-config-2.x.txt').splitlines()
        return dict([line.split('=', 1) for line in lines])

    def test_the_pool_of_2x(self):
        given = pool_settings(self.other_config())
        settings = Settings([('pool', given)])
        self.assertEqual([], settings.problems)
        self.assertEqual(dict(DEFAULTS, **{
            'disabled_vapps': [UUID, UUID2], 'enable_alerts': False,
            'fence_file_loc': '/usr/libexec/ha-lizard/fence',
            'fence_heuristics_ips': ['10.0.0.1', 'storage.example.com'],
            'fence_method': ['IRMC'], 'fence_passwd': 'a b$c"d', 'global_vm_ha': False,
            'mail_subject': 'SYSTEM ALERT-FROM HOST: $HOSTNAME', 'op_mode': 1,
            'mail_to': ['one@example.com', 'two@example.com']}), typed(settings))
        self.assertEqual('"25"', settings.as_text('SMTP_PORT'))
        self.assertEqual('2', settings.as_text('XAPI_COUNT'))
        self.assertEqual('pool', settings.origin('XAPI_COUNT'))
        self.assertEqual('default', settings.origin('MAIL_SCREEN_TIME'))

    def test_the_pool_has_other_keys_too(self):
        self.assertEqual({'XAPI_COUNT': '3', 'NOPE': 'x', '': 'y'}, pool_settings(
            {'HA_XAPI_COUNT': '3', 'HA_NOPE': 'x', 'ha_x': '1', 'XAPI_DELAY': '9',
             'XHA_A': '1', 'autopromote_uuid': 'none_available', 'HA_': 'y'}))
        self.assertEqual(['NOPE in the pool is not a parameter; ignored'],
                         pool(NOPE='x', FLAG_SEQ='4', POST_VERSION='1').problems)

    def test_the_nasty_one(self):
        conf, problems = parse_conf(fixture('nasty.conf'))
        self.assertEqual([6, 12, 15, 19, 20, 31, 32],
                         [int(each.split()[1]) for each in problems])
        settings = both({'FENCE_METHOD': 'ILO', 'XAPI_DELAY': '20'}, conf)
        self.assertEqual(dict(DEFAULTS, **{
            'monitor_delay': 45, 'xapi_count': 4, 'xapi_delay': 20,
            'mail_subject': 'HA: "$HOSTNAME" $(reboot) `id`', 'fence_method': ['ILO'],
            'mail_to': ['bob@example.com', 'root'], 'fence_passwd': 'p wd$#x',
            'fence_heuristics_ips': ['10.0.0.1', 'fe80::1'],
            'metrics_dir': '/var/lib/node exporter', 'smtp_port': 587}),
            typed(settings))
        self.assertFalse(settings.wants_log('fence_host'))
        self.assertTrue(settings.wants_log('write_pool_state'))
        self.assertTrue(settings.wants_mail('fence_host'))
        self.assertEqual(5, settings.priority('fence_host'))
        self.assertEqual([
            'LOG_nonsense', 'global_vm_ha', 'FENCE_IPADDRESS', 'FENCE_METHOD',
            'MAIL_fence_host', 'MONITOR_SCANRATE', 'SMTP_SERVER', 'XAPI_DELAY',
            'XE_TIMEOUT'], [each.split()[0] for each in settings.problems])
        self.assertIn('XAPI_DELAY on this host must be a whole number from 1 to 300, '
                      'not "$(reboot)"; keeping 20', settings.problems)


if __name__ == '__main__':
    unittest.main()
