"""Fencing: what counts as a proof that the power is off, and what never does."""

import base
import devices
import ha_lizard

N1 = '2f4a4020-fe8c-4686-a65d-501a19a06716'
N2 = '33e68e2c-5b7b-4d5e-ae9c-7baef5b1566b'
N3 = '9b9a243a-abf3-485f-bb37-e43b29555cbe'
VM2 = '0838afcc-1c6c-549b-a28c-d7916ca7753a'
SECRET = 'S3cret words'

METHODS = ('ILO', 'IRMC', 'IPMI', 'XVM', 'REDFISH', 'fence_apc', 'CUSTOM')
FOLDER = '/etc/ha-lizard/fence/'
AGENT = FOLDER + 'CUSTOM/CUSTOM.sh'

ON = devices.clp_done('power: server power is currently: On')
OFF = devices.clp_done('power: server power is currently: Off')
TAKEN = devices.clp_done('Forcing server power off .......')
ALREADY = devices.clp_failed('COMMAND ERROR-UNSPECIFIED', 'Server power already off.')
UNREACHED = 255, '', 'ssh: connect to host b2 port 22: No route to host'


class Given(object):
    """Settings, or a host: whatever has attributes."""

    def __init__(self, **values):
        self.__dict__.update(values)


def settings(*methods, **more):
    values = dict(fence_method=list(methods), fence_action='stop', fence_user='',
                  fence_file_loc='/etc/ha-lizard/fence', fence_ipaddress='',
                  fence_passwd=SECRET, fence_trust_agent=False)
    values.update(more)
    return Given(**values)


def host(uuid=N2, name='n2', address='10.0.0.2'):
    return Given(uuid=uuid, name=name, address=address)


class Called(object):
    """A call of a child, as Dom0 saw it."""

    def __init__(self, at, argv, timeout, env, password, feed=''):
        self.at, self.argv, self.timeout = at, argv, timeout
        self.env, self.password, self.feed = env or {}, password, feed


class FakeDom0(object):
    """Dom0 with a clock that only its own waits move.

    `answers` are (status, out, err), or (seconds, status, out, err), of one
    child after the other, the last one for ever; or a function of argv.
    """

    def __init__(self, answers=(), files=(), sloth=1.0):
        self.answers, self.files = answers, dict(files)
        self.time, self.sloth = 1000.0, sloth
        self.calls, self.promised, self.slept = [], 0, []

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.heard()
        self.slept.append(seconds)
        self.time += seconds * self.sloth

    def read(self, path, default=None):
        if '/../' in path or path.count('/') != AGENT.count('/'):
            raise AssertionError('read ' + path)
        return self.files.get(path, default)

    def promise(self, seconds):
        self.promised = self.time + seconds

    def heard(self):
        if self.promised < self.time:
            raise AssertionError('a wait without a promise')

    def run(self, argv, timeout, feed='', env=None, password=None):
        self.heard()
        self.calls.append(Called(self.time, argv, timeout, env, password, feed))
        answer = self.answer(argv)
        if len(answer) == 3:
            answer = (1.0,) + tuple(answer)
        if timeout <= 0:
            raise AssertionError('a child without time')
        if self.time + timeout > self.promised:
            raise AssertionError('a child that may outlive the promise')
        if answer[0] > timeout:
            answer = timeout, ha_lizard.TIMED_OUT, '', ''
        self.time += answer[0]
        return ha_lizard.Result(argv, *answer[1:])

    def answer(self, argv):
        if argv[:2] == ['test', '-x']:
            return 0, self.files.get('test', 0), '', ''
        if callable_(self.answers):
            return self.answers(argv)
        if len(self.answers) > 1:
            return self.answers.pop(0)
        return self.answers[0]

    def asked(self):
        """The last words of all calls: the commands."""
        return [call.argv[-1] for call in self.calls if call.argv[0] != 'test']


def callable_(thing):
    return hasattr(thing, '__call__')


def ilo(*answers, **more):
    return FakeDom0(list(answers), {FOLDER + 'ILO/ILO.hosts': '%s:b2\n' % N2}, **more)


class Protocol(base.TestCase):
    """What prove_off() makes of a device, whatever its kind."""

    def prove(self, dom0, *methods, **more):
        keep_going = more.pop('keep_going', None)
        given = settings(*(methods or ('ILO',)), **more)
        return ha_lizard.prove_off(dom0, given, host(), keep_going)

    def test_two_reads_prove(self):
        dom0 = ilo(TAKEN, OFF, OFF)
        verdict = self.prove(dom0)
        self.assertEqual((verdict.result, verdict.method), ('off', 'ILO'))
        self.assertEqual(dom0.asked(), ['power off hard', 'power', 'power'])
        self.assertEqual(str(verdict), 'ILO: n2 read off twice, 6 s after the command')

    def test_one_read_is_not_enough(self):
        verdict = self.prove(ilo(TAKEN, OFF, UNREACHED))
        self.assertEqual(verdict.result, 'failed')
        self.assertIn('n2 is not proved off after 60 s', verdict.why)

    def test_reads_are_three_seconds_apart(self):
        dom0 = ilo(TAKEN, OFF)
        self.prove(dom0)
        first, second = dom0.calls[-2:]
        self.assertLessEqual(first.at + 1.0 + 3.0, second.at)

    def test_reads_are_three_seconds_apart_even_if_a_sleep_ends_early(self):
        dom0 = ilo(TAKEN, OFF, sloth=0.25)
        self.assertEqual(self.prove(dom0).result, 'off')
        reads = [call.at for call in dom0.calls if call.argv[-1] == 'power']
        self.assertLessEqual(reads[0] + 1.0 + 3.0, reads[-1])
        self.assertLess(2, len(reads))

    def test_reads_go_on_until_it_is_off(self):
        dom0 = ilo(TAKEN, ON, ON, OFF, OFF)
        self.assertEqual(self.prove(dom0).result, 'off')
        self.assertEqual(len(dom0.calls), 5)

    def test_on_takes_an_off_back(self):
        dom0 = ilo(TAKEN, OFF, ON, OFF, OFF)
        self.assertEqual(self.prove(dom0).result, 'off')
        self.assertEqual(len(dom0.calls), 5)

    def test_silence_between_two_offs_does_no_harm(self):
        self.assertEqual(self.prove(ilo(TAKEN, OFF, UNREACHED, OFF)).result, 'off')

    def test_a_command_whose_answer_was_lost_can_be_proved(self):
        self.assertEqual(self.prove(ilo((9.0, 255, '', 'Connection closed'),
                                        OFF)).result, 'off')

    def test_an_off_before_the_command_is_none(self):
        """It may be half of a reset that somebody else asked for."""
        dom0 = ilo(UNREACHED, UNREACHED, TAKEN, OFF, OFF)
        verdict = self.prove(dom0)
        self.assertEqual(dom0.asked(), ['power off hard'] * 3 + ['power'] * 2)
        self.assertEqual(str(verdict), 'ILO: n2 read off twice, 6 s after the command')
        dom0 = ilo()
        dom0.answers = lambda argv: {'power': OFF}.get(argv[-1], UNREACHED)
        self.assertEqual(self.prove(dom0).result, 'failed')
        self.assertEqual(dom0.asked().count('power'), 0)

    def test_already_off_is_read_like_any_other(self):
        self.assertEqual(self.prove(ilo(ALREADY, OFF)).result, 'off')
        self.assertEqual(self.prove(ilo(ALREADY, ON)).result, 'failed')
        self.assertEqual(self.prove(ilo(ALREADY, UNREACHED)).result, 'failed')

    def test_command_is_sent_again_once_at_half_time(self):
        dom0 = ilo(TAKEN, ON)
        verdict = self.prove(dom0)
        self.assertEqual(verdict.result, 'failed')
        self.assertEqual(verdict.why,
                         'ILO: n2 is not proved off after 60 s: n2 reads on')
        sent = [call.at - 1000 for call in dom0.calls
                if call.argv[-1] == 'power off hard']
        self.assertEqual(len(sent), 2)
        self.assertTrue(30 <= sent[1] <= 35, sent)

    def test_a_failure_says_what_the_device_answered_to_the_command(self):
        refused = devices.clp_failed('COMMAND ERROR-UNSPECIFIED', 'Insufficient privileges.')
        dom0 = ilo()
        dom0.answers = lambda argv: {'power': (0, ON[1], '')}.get(argv[-1], (0, refused[1], ''))
        verdict = self.prove(dom0)
        self.assertEqual('ILO: n2 is not proved off after 60 s: n2 reads on; the device refused: '
                         'error_tag=COMMAND ERROR-UNSPECIFIED Insufficient privileges.',
                         verdict.why)

    def test_what_has_read_off_is_not_commanded_again(self):
        dom0 = ilo(TAKEN, OFF, UNREACHED)
        self.prove(dom0)
        self.assertEqual(dom0.asked().count('power off hard'), 1)

    def test_every_attempt_ends_in_60_s(self):
        for answer in (ON, UNREACHED, (0, 0, '', ''), (29.0,) + ON, (99.0,) + OFF,
                       OFF[:1] + ('', '')):
            dom0 = ilo(answer)
            self.assertEqual(self.prove(dom0).result, 'failed')
            self.assertTrue(1050 < dom0.now() <= 1060.01, dom0.now())

    def test_a_second_read_that_the_deadline_cuts_off_is_none(self):
        dom0 = ilo((25.0,) + TAKEN, (25.0,) + OFF)
        self.assertEqual(self.prove(dom0).result, 'failed')
        self.assertLessEqual(dom0.now(), 1060.01)

    def test_next_method_is_tried(self):
        dom0 = ilo(UNREACHED)
        dom0.files[FOLDER + 'IRMC/IRMC.hosts'] = '%s:b2\n' % N2
        dom0.answers = lambda argv: {
            'ssh': UNREACHED, 'ipmitool': (0, 'Chassis Power is off\n', '')}[argv[0]]
        verdict = self.prove(dom0, 'ILO', 'IRMC')
        self.assertEqual((verdict.result, verdict.method), ('off', 'IRMC'))
        self.assertIn('ILO: n2 is not proved off after 60 s: it cannot be reached',
                      verdict.why)
        self.assertLessEqual(dom0.now(), 1060 + 10)

    def test_second_method_is_left_alone_when_the_first_proves(self):
        dom0 = ilo(TAKEN, OFF)
        self.assertEqual(self.prove(dom0, 'ILO', 'ILO').method, 'ILO')
        self.assertEqual(len(dom0.calls), 3)

    def test_pool_proves_nothing_and_does_nothing(self):
        dom0 = FakeDom0()
        verdict = self.prove(dom0, 'POOL')
        self.assertEqual((verdict.result, verdict.method), ('unproved', 'POOL'))
        self.assertEqual(str(verdict),
                         'POOL: POOL proves nothing: there is no device behind it')
        self.assertEqual((dom0.calls, dom0.slept), ([], []))

    def test_unproved_counts_more_than_failed(self):
        verdict = self.prove(ilo(UNREACHED), 'ILO', 'POOL')
        self.assertEqual((verdict.result, verdict.method), ('unproved', 'POOL'))
        self.assertIn('ILO: n2 is not proved off', verdict.why)

    def test_pool_before_a_device_does_not_hide_it(self):
        self.assertEqual(self.prove(ilo(TAKEN, OFF), 'POOL', 'ILO').result, 'off')

    def test_start_is_refused(self):
        dom0 = ilo(TAKEN, OFF)
        verdict = self.prove(dom0, fence_action='start')
        self.assertEqual((verdict.result, dom0.calls), ('failed', []))
        self.assertIn('FENCE_ACTION=start', verdict.why)

    def test_reset_is_off_and_proved(self):
        dom0 = ilo(TAKEN, OFF)
        self.assertEqual(self.prove(dom0, fence_action='reset').result, 'off')
        self.assertEqual(dom0.asked(), ['power off hard', 'power', 'power'])

    def test_no_method_at_all(self):
        verdict = ha_lizard.prove_off(FakeDom0(), settings(), host())
        self.assertEqual((verdict.result, verdict.why),
                         ('failed', 'FENCE_METHOD names no method'))

    def test_what_is_not_offered_is_refused(self):
        for name in ('PDU', 'fence_ipmilan', 'ilo', '../ILO', 'a/b', '-x', '', '.'):
            dom0 = FakeDom0()
            verdict = self.prove(dom0, name)
            self.assertEqual((verdict.result, dom0.calls), ('failed', []))
        self.assertIn('there is no such method', self.prove(dom0, 'PDU').why)
        self.assertIn('there is no ' + FOLDER + 'fence_ipmilan/fence_ipmilan.hosts',
                      self.prove(dom0, 'fence_ipmilan').why)
        self.assertIn('(ILO is built in)', self.prove(dom0, 'ilo').why)
        self.assertIn('this is no name of a method', self.prove(dom0, '../ILO').why)

    # -- the host that comes back ----

    def test_a_host_that_is_back_is_left_alone(self):
        dom0 = ilo(TAKEN, OFF)
        verdict = self.prove(dom0, 'ILO', 'POOL', keep_going=lambda: 'n2 answers again')
        self.assertEqual((verdict.result, verdict.why), ('failed', 'n2 answers again'))
        self.assertEqual(dom0.calls, [])

    def test_back_while_the_device_is_not_reached(self):
        reasons = [None, None, None, 'n2 answers again']
        dom0 = ilo(UNREACHED)
        verdict = self.prove(dom0, 'ILO', 'ILO', keep_going=lambda: reasons.pop(0))
        self.assertEqual((verdict.result, verdict.why), ('failed', 'n2 answers again'))
        self.assertEqual((reasons, len(dom0.asked())), ([], 3))

    def test_it_is_asked_before_every_command(self):
        """A13: right before, with nothing in between."""
        asked = []
        dom0 = ilo(UNREACHED)

        def keep_going():
            asked.append(dom0.now())
        self.prove(dom0, keep_going=keep_going)
        self.assertEqual([call.at for call in dom0.calls], asked)

    def test_back_before_the_second_method(self):
        reasons = [None, 'n2 answers again']
        dom0 = ilo((255, '', 'admin@b2: Permission denied'))
        verdict = self.prove(dom0, 'ILO', 'ILO', keep_going=lambda: reasons.pop(0))
        self.assertEqual(verdict.why, 'n2 answers again')
        self.assertEqual(len(dom0.calls), 1)

    def test_after_the_command_only_a_proof_ends_it(self):
        for command in (TAKEN, ALREADY, (99.0, 0, '', ''),
                        (255, '', 'Connection closed')):
            reasons = [None]
            dom0 = ilo(command, ON, OFF)
            self.assertEqual(self.prove(dom0, keep_going=lambda: reasons.pop()).result,
                             'off')

    def test_a_first_method_that_commanded_binds_the_second(self):
        reasons = [None]
        dom0 = ilo(TAKEN, (255, '', 'Permission denied'), TAKEN, OFF)
        verdict = self.prove(dom0, 'ILO', 'ILO', keep_going=lambda: reasons.pop())
        self.assertEqual(verdict.result, 'off')

    def test_a_command_that_may_have_come_through_is_not_forgotten(self):
        reasons = [None]
        dom0 = ilo(TAKEN, (255, '', 'Permission denied'), UNREACHED, ON, OFF)
        verdict = self.prove(dom0, 'ILO', 'ILO', keep_going=lambda: reasons.pop())
        self.assertEqual(verdict.result, 'off')

    # -- later checks, and on again ----

    def test_state_of(self):
        def state(*answers):
            return ha_lizard.state_of(ilo(*answers), settings('POOL', 'ILO'), host())
        self.assertEqual(state(ON), ('on', 'ILO: n2 is on'))
        self.assertEqual(state(OFF), ('off', 'ILO: n2 is off'))
        self.assertEqual(state(UNREACHED)[0], 'unknown')
        self.assertIn('ILO: it cannot be reached', state(UNREACHED)[1])
        self.assertIn('POOL proves nothing', state(UNREACHED)[1])

    def test_state_of_without_a_line(self):
        dom0 = FakeDom0()
        self.assertEqual(ha_lizard.state_of(dom0, settings('ILO'), host()),
                         ('unknown', 'ILO: there is no %sILO/ILO.hosts' % FOLDER))

    def test_power_on(self):
        dom0 = ilo(devices.clp_done('Server powering on .......'))
        self.assertEqual(ha_lizard.power_on(dom0, settings('POOL', 'ILO'), host()),
                         None)
        self.assertEqual(dom0.asked(), ['power on'])
        why = ha_lizard.power_on(ilo(UNREACHED), settings('POOL', 'ILO', 'IRMC'),
                                 host())
        for part in ('POOL proves nothing', 'ILO: it cannot be reached',
                     'IRMC: there is no'):
            self.assertIn(part, why)
        why = ha_lizard.power_on(ilo(devices.clp_failed('COMMAND ERROR-UNSPECIFIED',
                                                        'Too hot.')),
                                 settings('ILO'), host())
        self.assertEqual(why,
                         'ILO: the device refused: error_tag=COMMAND ERROR-UNSPECIFIED '
                         'Too hot.')

    def test_can_prove(self):
        dom0 = FakeDom0(files={AGENT: devices.AGENT_TEXT,
                               FOLDER + 'OLD/OLD.sh': devices.SHORT_AGENT_TEXT})
        for name, expected in (('ILO', True), ('IRMC', True), ('IPMI', True),
                               ('XVM', True),
                               ('POOL', False), ('CUSTOM', True), ('OLD', False),
                               ('NONE', False), ('../ILO', False)):
            self.assertEqual(ha_lizard.can_prove(settings(), name, dom0), expected,
                             name)
        trusting = settings(fence_trust_agent=True)
        for name, expected in (('OLD', True), ('NONE', False), ('POOL', False)):
            self.assertEqual(ha_lizard.can_prove(trusting, name, dom0), expected, name)

    def test_a_built_in_name_means_the_built_in(self):
        dom0 = ilo(TAKEN, OFF)
        dom0.files[FOLDER + 'ILO/ILO.sh'] = devices.AGENT_TEXT
        self.prove(dom0)
        self.assertEqual(set([call.argv[0] for call in dom0.calls]), set(['ssh']))


class HostsFiles(base.TestCase):
    """A wrong line never leads to a wrong host fenced."""

    def parse(self, *lines, **named):
        found, problems = ha_lizard.parse_hosts('\n'.join(lines), **named)
        return [(device.uuid, device.address) for device in found], problems

    def refused(self, line, part, method=''):
        found, problems = self.parse('%s:10.0.0.9' % N1, line, method=method)
        self.assertEqual(found, [(N1, '10.0.0.9')])
        self.assertEqual(len(problems), 1)
        self.assertIn('line 2: ', problems[0])
        self.assertIn(part, problems[0])

    def test_plain_lines(self):
        found, problems = self.parse(
            '# a comment with %s:10.0.0.1' % N1, '', '   ', '  # more',
            '%s:192.168.1.141' % N1, '%s:bmc-n2.example.org' % N2, '%s:fe80::1:2' % N3,
            '')
        self.assertEqual(problems, [])
        self.assertEqual(found, [(N1, '192.168.1.141'), (N2, 'bmc-n2.example.org'),
                                 (N3, 'fe80::1:2')])

    def test_the_file_of_the_manual(self):
        found, problems = self.parse('%s:%s' % (N1, VM2), '%s:%s' % (N2, N3))
        self.assertEqual((found, problems), ([(N1, VM2), (N2, N3)], []))

    def test_settings_of_a_device(self):
        found, problems = ha_lizard.parse_hosts(
            '%s:10.0.0.1 user=Administrator port=2222 cipher=17\n' % N1.upper(), 'IPMI')
        self.assertEqual((found[0].uuid, problems), (N1, []))
        self.assertEqual(found[0].options, {'user': 'Administrator', 'port': '2222',
                                            'cipher': '17'})

    def test_spaces(self):
        for line in (' %s:10.0.0.1', '%s: 10.0.0.1', '%s:10.0.0.1 ',
                     '%s:10.0.0.1  user=a',
                     '%s:10.0.0.1\tuser=a', '%s :10.0.0.1', '\t%s:10.0.0.1'):
            found, problems = self.parse(line % N2)
            self.assertEqual((found, len(problems)), ([], 1), line)
        self.refused('%s: 10.0.0.1' % N2, '%s: a space or tab' % N2)
        self.refused('%s:10.0.0.1 ' % N2, '%s: a space or tab' % N2)

    def test_windows(self):
        self.refused('%s:10.0.0.1\r' % N2, '%s: it ends as on Windows' % N2)
        self.assertEqual(self.parse('# a comment\r', '\r'), ([], []))

    def test_malformed(self):
        self.refused(N2, 'line 2: %s: it does not begin with the uuid' % N2)
        for line in ('n2:10.0.0.1', N2[1:] + ':10.0.0.1', N2 + 'a:10.0.0.1',
                     N2.replace('-', '') + ':10.0.0.1', '10.0.0.1:' + N2,
                     'x' + N2 + ':10.0.0.1',
                     'g' + N2[1:] + ':10.0.0.1', '\xef\xbb\xbf%s:10.0.0.1' % N2):
            self.refused(line, 'no host: it does not begin with the uuid')
        for address in ('', '10.0.0.1.', '10.0.0', '10.0.0.300', '10.0.0.010', '1:2',
                        '::g',
                        '-oProxyCommand=x', '[::1]', 'a_b', 'a;b', '$(reboot)', 'a.b-',
                        '10.0.0.1,b'):
            self.refused('%s:%s' % (N2, address),
                         '%s: what follows the first colon' % N2)

    def test_bad_settings_of_a_device(self):
        for word in ('user=', 'user=-x', 'user=a;b', 'port=0', 'port=65536', 'port=x',
                     'port=',
                     'cipher=x', 'cipher=', 'timeout=3', 'timeout=121', 'timeout=x',
                     'over=telnet', 'over='):
            self.refused('%s:10.0.0.1 %s' % (N2, word), 'the value of ', 'IRMC')
            self.refused('%s:10.0.0.1 user=a %s' % (N2, word), 'the value of ', 'IRMC')
        for word in ('10.0.0.2', 'USER=a', '#', 'over=ssh'):
            self.refused('%s:10.0.0.1 %s' % (N2, word),
                         'only cipher= port= timeout= user= may follow', 'IPMI')

    def test_a_password_is_refused_and_not_quoted(self):
        for line in ('%s:10.0.0.1 password=hush' % N2, '%s:10.0.0.1 passwd=hush' % N2,
                     '%s:10.0.0.1 hush' % N2, 'hush:%s' % N2, '%s hush' % N2):
            found, problems = self.parse(line)
            self.assertEqual((found, len(problems)), ([], 1), line)
            self.assertNotIn('hush', problems[0])
            if 'pass' in line:
                self.assertIn('a password in a file that anyone may read', problems[0])

    def test_doubles(self):
        found, problems = self.parse('%s:10.0.0.1' % N1, '%s:10.0.0.2' % N1,
                                     '%s:10.0.0.3' % N2)
        self.assertEqual(found, [(N2, '10.0.0.3')])
        self.assertEqual(problems, ['line 1: %s: line 2 names the same host' % N1,
                                    'line 2: %s: line 1 names the same host' % N1])
        for one, other in (('10.0.0.1', '10.0.0.1'), ('fe80::1', 'FE80:0:0::1'),
                           ('bmc', 'BMC'),
                           ('10.0.0.1', '10.0.0.1 port=1'),
                           ('10.0.0.1 port=22', '10.0.0.1 port=022')):
            found, problems = self.parse('%s:%s' % (N1, one), '%s:%s' % (N2, other))
            self.assertEqual((found, len(problems)), ([], 2), one)
            self.assertIn('line 2 has the same address for another host', problems[0])

    def test_two_ports_are_two_devices(self):
        found, problems = self.parse('%s:b port=1' % N1, '%s:b port=2' % N2)
        self.assertEqual((len(found), problems), (2, []))

    def test_a_bad_line_still_contradicts(self):
        """Which of the two is meant?  Nobody can know."""
        for bad in ('%s: 10.0.0.2' % N1, '%s: 10.0.0.1' % N2, '%s:10.0.0.1 ' % N2,
                    '%s:10.0.0.1\r' % N2, 'typo-%s:10.0.0.1' % N2):
            found, problems = self.parse('%s:10.0.0.1' % N1, bad)
            self.assertEqual((found, len(problems)), ([], 2), bad)

    def test_the_samples(self):
        for name in ('ILO', 'IRMC', 'IPMI', 'REDFISH', 'XVM', 'fence_NAME'):
            text = base.read('%s/fence/%s/%s.hosts' % (base.ROOT, name, name))
            name = name.replace('NAME', 'apc')
            self.assertEqual(ha_lizard.parse_hosts(text), ([], []))
            lines = [line[2:] for line in text.split('\n') if line[2:10].isalnum()
                     and line[10:11] == '-']
            found, problems = self.parse(method=name, *lines)
            self.assertEqual((len(found), problems), (len(lines), []))
            self.assertLessEqual(2, len(found))


class Objections(base.TestCase):

    def objection(self, method, files, given=None, target=None):
        dom0 = FakeDom0(files=files)
        found = ha_lizard.method_objection(dom0, given or settings(), method,
                                           target or host())
        verdict = ha_lizard.prove_off(dom0, given or settings(method), target or host())
        if found and not given:
            self.assertEqual((verdict.result, verdict.why),
                             ('failed', '%s: %s' % (method, found)))
            self.assertEqual([call for call in dom0.calls if call.argv[0] != 'test'],
                             [])
        return found

    def hosts(self, text, method='ILO', **more):
        return self.objection(method,
                              {'%s%s/%s.hosts' % (FOLDER, method, method): text},
                              **more)

    def test_none(self):
        self.assertEqual(self.objection('POOL', {}), None)
        dom0 = ilo(TAKEN, OFF)
        self.assertEqual(ha_lizard.method_objection(dom0, settings(), 'ILO', host()),
                         None)

    def test_no_line(self):
        self.assertEqual(self.objection('ILO', {}),
                         'there is no %sILO/ILO.hosts' % FOLDER)
        self.assertEqual(self.hosts('# nothing\n'),
                         'ILO.hosts has no usable line for n2 (%s)' % N2)
        self.assertEqual(self.hosts('rubbish\n%s:b1' % N1),
                         'ILO.hosts has no usable line for n2 (%s); line 1: no host: '
                         'it does not begin with the uuid of a host and a colon' % N2)

    def test_bad_line(self):
        for text, part in (('x\n%s: b2', 'line 2: %s: a space or tab'),
                           ('x\n%s:b2\r', 'line 2: %s: it ends as on Windows'),
                           ('%s:b2\n%s:b1' % (N2, '%s'),
                            'line 1: %s: line 2 names the same'),
                           ('%s:b2\n%s:b2' % (N1, '%s'),
                            'line 2: %s: line 1 has the same')):
            self.assertIn(part % N2, self.hosts(text % N2))

    def test_uuid_of_the_host(self):
        for uuid in ('', 'n2', N2 + 'a', N2 + '\n', '../' + N2):
            for method in METHODS:
                self.assertIn('n2 has no usable uuid', self.objection(
                    method, {AGENT: devices.AGENT_TEXT},
                    settings(method, fence_ipaddress='10.0.0.1'), host(uuid=uuid)))

    def test_own_address(self):
        self.assertIn('line 1 has the address of n2 itself',
                      self.hosts('%s:10.0.0.2' % N2))
        self.assertIn('line 1 has the address of n2 itself', self.hosts(
            '%s:fe80:0::2' % N2, given=settings('ILO'), target=host(address='FE80::2')))
        self.assertEqual(ha_lizard.method_objection(ilo(ON), settings(), 'ILO',
                                                    host(address='')),
                         None)

    def test_no_password(self):
        for method in ('ILO', 'IRMC', 'IPMI', 'XVM'):
            self.assertEqual('FENCE_PASSWD is empty', self.hosts(
                '%s:b2' % N2, method, given=settings(
                    method, fence_passwd='', fence_ipaddress='10.0.0.1')))

    def test_xvm(self):
        outer = settings('XVM', fence_ipaddress='10.0.0.1')
        self.assertIn('FENCE_IPADDRESS', self.hosts('%s:%s' % (N2, VM2), 'XVM'))
        self.assertIn('no uuid of a VM',
                      self.hosts('%s:10.0.0.9' % N2, 'XVM', given=outer))
        for bad in ('-oProxyCommand=reboot', 'a b', '10.0.0.300'):
            self.assertIn('FENCE_IPADDRESS',
                          self.hosts('%s:%s' % (N2, VM2), 'XVM', given=settings(
                'XVM', fence_ipaddress=bad)))

    def test_agent(self):
        self.assertEqual(self.objection('CUSTOM', {}),
                         'there is no such method and no ' + AGENT)
        self.assertEqual(self.objection('CUSTOM', {AGENT: '#!/bin/sh', 'test': 1}),
                         AGENT + ' is not executable')
        self.assertEqual(self.objection('CUSTOM', {AGENT: '#!/bin/sh', 'test': 0},
                                        settings('POOL')), None)


class Texts(base.TestCase):
    """Only the exact words count: whatever else is there is unknown."""

    def test_clp_power(self):
        for status, text, _ in (ON, OFF):
            for ending in ('\r\n', '\r\r\n', '\r', '\n'):
                self.assertEqual(ha_lizard.clp_power(text.replace('\r\n', ending)),
                                 {ON[1]: 'on', OFF[1]: 'off'}[text])

    def test_clp_power_unknown(self):
        off = OFF[1].replace('\r', '')
        for text in ('', 'power off hard', 'Server Power: Off', TAKEN[1], ALREADY[1],
                     off + ON[1], off + off, off.replace('status=0', 'status=2'),
                     off.replace('status=0', ''), off.replace('status=0', 'status=0x'),
                     off.replace('COMPLETED', 'SPOOLED'), off.replace('Off', 'Off?'),
                     off.replace('Off', 'Officially on'), off.replace('Off', ''),
                     off.replace('power: server', 'the last power: server'),
                     off.replace('Off', 'Resetting'),
                     off + 'power: server power is currently: On',
                     off.replace('status=0', 'status=0\nstatus=1'),
                     off[:off.index('power:')],
                     off[off.index('power:'):], off[:-7]):
            self.assertEqual(ha_lizard.clp_power(text), 'unknown', text)

    def test_clp_enabled(self):
        for word, state in (('enabled', 'on'), ('disabled', 'off'), ('Disabled', 'off'),
                            ('', 'unknown'), ('shutting', 'unknown'),
                            ('disabled!', 'unknown')):
            self.assertEqual(ha_lizard.clp_enabled(devices.clp_done(
                '/system1\n  Properties\n    name=x\n    enabledstate=' + word)[1]),
                state, word)
        self.assertEqual(ha_lizard.clp_enabled('enabledstate=disabled'), 'unknown')

    def test_ipmi(self):
        for status, text, state in (
                (0, 'Chassis Power is off\n', 'off'),
                (0, 'Chassis Power is on\n', 'on'),
                (0, '', 'unknown'), (1, 'Chassis Power is off\n', 'unknown'),
                (0, 'Chassis Power is Off\n', 'unknown'),
                (124, 'Chassis Power is off', 'unknown'),
                (0, 'Chassis Power is off\nChassis Power is on\n', 'unknown'),
                (0, 'Chassis Power Control: Down/Off\n', 'unknown'),
                (0, 'Chassis Power is officially on', 'unknown')):
            self.assertEqual(ha_lizard.ipmi_state(
                ha_lizard.Result(['ipmitool'], status, text)), state, text)

    def test_xvm(self):
        for status, text, state in (
                (0, 'halted\n', 'off'), (0, 'Halted\n', 'off'), (0, 'running\n', 'on'),
                (0, 'suspended\n', 'on'), (0, 'paused\n', 'on'), (0, '', 'unknown'),
                (1, 'halted\n', 'unknown'), (0, 'halted\nrunning\n', 'unknown'),
                (0, 'not halted', 'unknown'), (255, 'halted', 'unknown')):
            self.assertEqual(ha_lizard.xvm_state(
                ha_lizard.Result(['ssh'], status, text)), state, text)

    def test_agents_that_answer_status(self):
        for text in ('case $2 in\nstatus) exit 2;;', '  "status")', "\t'status' )",
                     '(status)',
                     'start|stop|status)', 'status|state)', 'case "$2" in status) x;;',
                     'case $2 in stop) off;; status) x;; esac',
                     'if [ "$2" = status ]; then',
                     'if [ "$2" = "status" ]', '[[ $ACTION == status ]]',
                     '[ ${2} = status ]',
                     "if sys.argv[2] == 'status':",
                     '#!/bin/sh\n# answers: status\nexec x',
                     base.read(base.ROOT + '/fence/CUSTOM/CUSTOM.sh'),
                     devices.AGENT_TEXT):
            self.assertTrue(ha_lizard.ANSWERS_STATUS.search(text), text)

    def test_agents_that_do_not(self):
        """To be asked, some of these would switch the host off."""
        for text in ('', '# exit status 0', 'return $status', 'status=$?',
                     'echo status',
                     'S=$(ipmitool -H $IP chassis power status)',
                     '# status) is not known',
                     '[ $status = 0 ]', '# if [ "$2" = "status" ]',
                     'service x status || exit 1',
                     'if [ "$2" = "start" ]; then on; else off; fi', 'get_status) x;;',
                     '#!/bin/sh\n# it returns its exit status',
                     devices.SHORT_AGENT_TEXT):
            self.assertFalse(ha_lizard.ANSWERS_STATUS.search(text), text)


class Ssh(base.TestCase):

    def prove(self, dom0, **more):
        return ha_lizard.prove_off(dom0, settings('ILO', **more), host())

    def test_argv(self):
        dom0 = ilo(TAKEN, OFF)
        self.prove(dom0)
        argv = dom0.calls[0].argv
        self.assertEqual(argv[:3], ['ssh', '-F', '/dev/null'])
        self.assertEqual(argv[-6:], ['-p', '22', '-l', 'root', 'b2', 'power off hard'])
        options = [argv[place + 1] for place in range(len(argv)) if argv[place] == '-o']
        self.assertNotIn('LogLevel=ERROR', options, 'it hides "no matching ..."')
        known_hosts = base.NOWHERE + '/etc/ha-lizard/state/known_hosts.ILO.' + N2
        for option in ('StrictHostKeyChecking=no', 'NumberOfPasswordPrompts=1',
                       'UserKnownHostsFile=' + known_hosts,
                       'PubkeyAuthentication=no', 'ConnectTimeout=10'):
            self.assertIn(option, options)
        self.assertEqual([call.password for call in dom0.calls], [SECRET] * 3)

    def test_user(self):
        dom0 = ilo(TAKEN, OFF)
        self.prove(dom0, fence_user='Administrator')
        self.assertIn('Administrator', dom0.calls[0].argv)
        dom0.files[FOLDER + 'ILO/ILO.hosts'] = '%s:b2 user=other port=2222' % N2
        self.prove(dom0, fence_user='Administrator')
        self.assertEqual(dom0.calls[-1].argv[-6:],
                         ['-p', '2222', '-l', 'other', 'b2', 'power'])

    def test_user_of_xvm_is_root(self):
        dom0 = FakeDom0([(0, 'halted\n', '')],
                        {FOLDER + 'XVM/XVM.hosts': '%s:%s' % (N2, VM2)})
        verdict = ha_lizard.prove_off(dom0, settings(
            'XVM', fence_user='Administrator', fence_ipaddress='10.0.0.1'), host())
        self.assertEqual(verdict.result, 'off')
        dom0.files[FOLDER + 'XVM/XVM.hosts'] += ' user=toor'
        self.assertIn('toor', self.xvm_calls(dom0)[-1].argv)
        self.assertEqual([call.argv[-3:] for call in dom0.calls[:2]], [
            ['root', '10.0.0.1', 'xe vm-shutdown uuid=%s --force' % VM2],
            ['root', '10.0.0.1',
             'xe vm-param-get uuid=%s param-name=power-state' % VM2]])

    def xvm_calls(self, dom0):
        ha_lizard.state_of(dom0, settings('XVM', fence_ipaddress='10.0.0.1'), host())
        return dom0.calls

    def test_the_other_spelling(self):
        for tag in ('COMMAND NOT RECOGNIZED', 'INVALID OPTION'):
            dom0 = ilo(devices.clp_failed(tag, ''), TAKEN, OFF, OFF)
            self.assertEqual(self.prove(dom0).result, 'off')
            self.assertEqual(dom0.asked()[:3],
                             ['power off hard', 'stop /system1 -f', 'power'])

    def test_a_device_without_the_command_power(self):
        shown = devices.clp_done('  enabledstate=disabled')
        dom0 = ilo(TAKEN, devices.clp_failed('COMMAND NOT RECOGNIZED', ''), shown)
        dom0.answers = lambda argv: {
            'power': devices.clp_failed('COMMAND NOT RECOGNIZED', ''),
            'show /system1': shown}.get(argv[-1], TAKEN)
        self.assertEqual(self.prove(dom0).result, 'off')

    def test_old_algorithms(self):
        """Only those that this ssh knows: an unknown name is fatal to it."""
        known = {'kex': 'curve25519-sha256\ndiffie-hellman-group1-sha1\n',
                 'key': 'ssh-rsa\n',
                 'cipher': 'aes128-ctr\n'}

        def answer(argv):
            if argv[1] == '-Q':
                return 0.1, 0, known[argv[2]], ''
            if 'KexAlgorithms=+diffie-hellman-group1-sha1' not in argv:
                return 255, '', ('Unable to negotiate with b2: no matching key '
                                 'exchange method found. Their offer: x')
            self.assertIn('HostKeyAlgorithms=+ssh-rsa', argv)
            self.assertEqual([word for word in argv if word.startswith('Ciphers')], [])
            return {'power': OFF}.get(argv[-1], TAKEN)
        dom0 = ilo()
        dom0.answers = answer
        self.assertEqual(self.prove(dom0).result, 'off')
        self.assertEqual(len(dom0.calls), 1 + 3 + 1 + 2)

    def test_old_algorithms_are_tried_once(self):
        dom0 = ilo()
        dom0.answers = lambda argv: {'-Q': (0.1, 0, 'ssh-rsa', '')}.get(
            argv[1], (255, '', 'no matching cipher found. Their offer: 3des-cbc'))
        self.prove(dom0)
        self.assertEqual(len(dom0.calls), 1 + 3 + 1)

    def test_other_words_of_the_far_side_are_no_reason_for_them(self):
        dom0 = ilo((1, '', 'no matching machine'))
        self.prove(dom0)
        self.assertEqual([call for call in dom0.calls if '-Q' in call.argv], [])

    def test_no_algorithm_in_common(self):
        dom0 = ilo()
        dom0.answers = lambda argv: {'-Q': (0.1, 255, '', 'unknown option -- Q')}.get(
            argv[1], (255, '', 'no matching cipher found. Their offer: 3des-cbc'))
        verdict = self.prove(dom0)
        self.assertEqual((verdict.result, len(dom0.calls)), ('failed', 4))
        self.assertIn('no algorithm in common', verdict.why)

    def test_what_is_hopeless_is_not_repeated(self):
        for text, part in (
                ('root@b2: Permission denied (password).',
                 'it refused the user or the password'),
                ('@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nx',
                 'remove /etc/ha-lizard/state/known_hosts.ILO.' + N2),
                ('Bad configuration option: x', 'this ssh is too old')):
            dom0 = ilo((255, '', text))
            verdict = self.prove(dom0)
            self.assertEqual((verdict.result, len(dom0.calls)), ('failed', 1))
            self.assertIn(part, verdict.why)

    def test_a_new_key_is_no_reason(self):
        dom0 = ilo((255, '', "Warning: Permanently added 'b2' (RSA) to the list of "
                    'known hosts.\r\nroot@b2: Permission denied (password).\r\n'))
        self.assertEqual(self.prove(dom0).why,
                         'ILO: it refused the user or the password '
                         '(ssh says: root@b2: Permission denied (password).)')

    def test_no_ssh(self):
        dom0 = ilo((ha_lizard.NOT_FOUND, '', 'No such file or directory'))
        verdict = self.prove(dom0)
        self.assertEqual((verdict.result, len(dom0.calls)), ('failed', 1))
        self.assertIn('ssh: no such command', verdict.why)

    def test_status_of_ssh_does_not_count(self):
        self.assertEqual(self.prove(ilo((1,) + TAKEN[1:], (255,) + OFF[1:])).result,
                         'off')

    def test_the_banner_is_none_of_its_words(self):
        banner = ('User:Admin logged-in to ILO.(10.0.0.9)\r\nServer Power: On\r\n\r\n'
                  '</>hpiLO-> power off hard\r\n')
        answer = ha_lizard.agent_for(
            ilo((0, banner + devices.clp_failed('X', 'No.')[1], '')), settings(), 'ILO', host())
        answer.objection()
        answer.dom0.promise(100)
        self.assertEqual('the device refused: error_tag=X No.', answer.power_off().why)

    def test_words_of_a_device(self):
        verdict = self.prove(ilo(devices.clp_failed('COMMAND ERROR-UNSPECIFIED',
                                                    'No \x1b[31m way.'),
                                 (0, 'rubbish', '')))
        self.assertEqual(verdict.why,
                         'ILO: n2 is not proved off after 60 s: an answer that is '
                         'not understood: rubbish')
        answer = ha_lizard.IloAgent(
            ilo(), settings(), 'ILO',
            host()).words(Given(output=ALREADY[1] + '\x1b[31m'))
        self.assertEqual(answer,
                         'error_tag=COMMAND ERROR-UNSPECIFIED Server power already '
                         'off. \\x1b[31m')


class Ipmi(base.TestCase):

    def dom0(self, answers, line=''):
        if not callable_(answers):
            answers = list(answers)
        return FakeDom0(answers, {FOLDER + 'IRMC/IRMC.hosts': '%s:b2%s' % (N2, line)})

    def prove(self, dom0, **more):
        return ha_lizard.prove_off(dom0, settings('IRMC', **more), host())

    def test_argv(self):
        dom0 = self.dom0([(0, 'Chassis Power is off', '')])
        self.assertEqual(self.prove(dom0).result, 'off')
        self.assertEqual(dom0.calls[0].argv, [
            'ipmitool', '-I', 'lanplus', '-C', '3', '-N', '1', '-R', '2', '-H', 'b2',
            '-p', '623',
            '-U', 'admin', '-L', 'OPERATOR', '-E', 'chassis', 'power', 'off'])
        self.assertEqual(dom0.asked(), ['off', 'status', 'status'])
        self.assertEqual(dom0.calls[0].env,
                         {'IPMI_PASSWORD': SECRET, 'IPMITOOL_PASSWORD': SECRET})

    def test_cipher_fallback_is_remembered(self):
        refused = (1, '',
                   'Error in open session response message : invalid authentication '
                   'algorithm\nError: Unable to establish IPMI v2 / RMCP+ session\n')
        dom0 = self.dom0(lambda argv: {'3': refused,
                                       '17': (0, 'Chassis Power is off', '')}[argv[4]])
        self.assertEqual(self.prove(dom0).result, 'off')
        self.assertEqual([call.argv[4] for call in dom0.calls], ['3', '17', '17', '17'])

    def test_cipher_that_works_is_enough(self):
        """A word on stderr is no failure, and not every failure is of a cipher."""
        for status, text in ((0, 'Unable to Get Channel Cipher Suites'),
                             (1, 'Node busy')):
            dom0 = self.dom0([(status, 'Chassis Power is off', text)])
            self.prove(dom0)
            self.assertEqual(set([call.argv[4] for call in dom0.calls]), set(['3']))

    def test_cipher_of_the_line(self):
        dom0 = self.dom0([(0, 'Chassis Power is off', '')],
                         ' cipher=8 user=fence port=6230')
        self.prove(dom0)
        for word in ('8', 'fence', '6230'):
            self.assertIn(word, dom0.calls[0].argv)

    def test_failures(self):
        lost = 'Error: Unable to establish IPMI v2 / RMCP+ session'
        for answer, calls, part in (
                ((0.07, 1, '', lost), 1, 'it refused the user or the password'),
                ((6.0, 1, '', lost), 2, 'the device does not answer'),
                ((1, '', 'lanplus: password is longer than 20 bytes.'), 1, 'too long'),
                ((1, '', 'insufficient resources for session'), 2,
                 'no cipher suite in common'),
                ((1, '', 'Get Chassis Power Status failed: Node busy'), 2, 'Node busy'),
                ((0, '', ''), 2, 'ipmitool says: nothing'),
                ((99.0, 0, '', ''), 2, 'no answer; ipmitool was killed'),
                ((ha_lizard.NOT_FOUND, '', 'not there'), 1,
                 'ipmitool: no such command')):
            dom0 = self.dom0([answer])
            verdict = self.prove(dom0)
            self.assertEqual(verdict.result, 'failed')
            self.assertIn(part, verdict.why)
            self.assertEqual(min(2, len(dom0.calls)), calls, part)
            self.assertLessEqual(dom0.now(), 1060.01)

    def test_noise_of_ipmitool_is_left_out(self):
        noise = 'Get HPM.x Capabilities request failed, compcode = d4\n'
        words = 'Set Chassis Power Control to Down/Off failed: Insufficient privilege level\n'
        agent = ha_lizard.agent_for(FakeDom0([(1, '', noise + words)]), settings(), 'IPMI', host())
        agent.device = ha_lizard.Device(address='b2')
        agent.dom0.promise(100)
        self.assertEqual('ipmitool says: ' + words.strip(), agent.power_off().why)

    def test_power_off_inhibit(self):
        """An iRMC takes the command, remembers it, and does nothing."""
        dom0 = self.dom0(lambda argv: {
            'off': (0, 'Chassis Power Control: Down/Off', ''),
            'status': (0, 'Chassis Power is on', '')}[argv[-1]])
        self.assertEqual(self.prove(dom0).why,
                         'IRMC: n2 is not proved off after 60 s: n2 reads on')


class Custom(base.TestCase):
    """<METHOD>/<METHOD>.sh UUID ACTION, as the manual has it, and `status`."""

    def dom0(self, stop, status=(1, '', ''), text=devices.AGENT_TEXT):
        return FakeDom0(lambda argv: {'stop': stop, 'status': status}[argv[-1]],
                        {AGENT: text})

    def prove(self, dom0, **more):
        return ha_lizard.prove_off(dom0, settings('CUSTOM', **more), host())

    def test_argv_and_environment(self):
        dom0 = self.dom0((0, '', ''), (2, '', ''))
        self.assertEqual(self.prove(dom0, fence_ipaddress='10.0.0.1',
                                    fence_user='u').result, 'off')
        calls = dom0.calls[1:]
        self.assertEqual([call.argv[1:] for call in calls],
                         [[N2, 'stop'], [N2, 'status'], [N2, 'status']])
        self.assertEqual(calls[0].argv[0], base.NOWHERE + AGENT)
        self.assertEqual(calls[0].env,
                         {'FENCE_IPADDRESS': '10.0.0.1', 'FENCE_USER': 'u',
                                        'FENCE_PASSWD': SECRET})

    def test_status_decides(self):
        for status in (0, 1, 3, 127, 255):
            self.assertEqual(self.prove(self.dom0((0, '', ''),
                                                  (status, '', ''))).result, 'failed')
        self.assertEqual(self.prove(self.dom0((1, '', ''), (2, '', ''))).result, 'off')

    def test_a_broken_script_is_not_taken_for_off(self):
        """sh ends with 2 when it cannot read the script: for status as well."""
        dom0 = self.dom0((2, '', 'CUSTOM.sh: 3: Syntax error: ";;" unexpected'),
                         (2, '', ''))
        verdict = self.prove(dom0)
        self.assertEqual((verdict.result, dom0.asked()), ('failed', ['stop']))
        self.assertIn('Syntax error', verdict.why)

    def test_without_status_it_is_unproved(self):
        dom0 = self.dom0((0, '', ''), (2, '', ''), devices.SHORT_AGENT_TEXT)
        verdict = self.prove(dom0)
        self.assertEqual((verdict.result, verdict.method), ('unproved', 'CUSTOM'))
        self.assertEqual(dom0.asked(), ['stop'])

    def test_without_status_and_failed_it_is_tried_once_more(self):
        dom0 = self.dom0((1, '', 'no'), (2, '', ''), devices.SHORT_AGENT_TEXT)
        verdict = self.prove(dom0)
        self.assertEqual((verdict.result, dom0.asked()), ('failed', ['stop', 'stop']))
        self.assertEqual(verdict.why,
                         'CUSTOM: CUSTOM.sh stop ended with status 1 and said: no')
        self.assertLess(dom0.now(), 1040)

    def test_without_status_the_second_try_counts(self):
        answers = [(1, '', 'busy'), (0, '', '')]
        dom0 = self.dom0(None, text=devices.SHORT_AGENT_TEXT)
        dom0.answers = lambda argv: answers.pop(0)
        self.assertEqual(self.prove(dom0).result, 'unproved')

    def test_trusted(self):
        for text, status, result in ((devices.SHORT_AGENT_TEXT, 1, 'off'),
                                     (devices.AGENT_TEXT, 1, 'off'),
                                     (devices.AGENT_TEXT, 2, 'off'),
                                     (devices.AGENT_TEXT, 0, 'failed')):
            dom0 = self.dom0((0, '', ''), (status, '', ''), text)
            verdict = self.prove(dom0, fence_trust_agent=True)
            self.assertEqual(verdict.result, result)
            if result == 'off':
                self.assertIn('FENCE_TRUST_AGENT=1', verdict.why)

    def test_trusted_and_failed(self):
        for stop in ((1, '', ''), (2, '', ''), (99.0, 0, '', '')):
            for text in (devices.SHORT_AGENT_TEXT, devices.AGENT_TEXT):
                verdict = self.prove(self.dom0(stop, text=text), fence_trust_agent=True)
                self.assertEqual(verdict.result, 'failed')

    def test_an_empty_password_hides_nothing(self):
        verdict = self.prove(self.dom0((2, '', 'no')), fence_passwd='')
        self.assertEqual(verdict.why,
                         'CUSTOM: CUSTOM.sh stop ended with status 2 and said: no')

    def test_an_agent_that_hangs(self):
        for text in (devices.SHORT_AGENT_TEXT, devices.AGENT_TEXT):
            dom0 = self.dom0((99.0, 0, '', ''), (99.0, 2, '', ''), text)
            verdict = self.prove(dom0)
            self.assertEqual(verdict.result, 'failed')
            self.assertIn('it did not answer in time', verdict.why)
            self.assertLessEqual(dom0.now(), 1060.01)

    def test_status_is_never_asked_of_one_that_does_not_know_it(self):
        dom0 = self.dom0((0, '', ''), (0, '', ''), devices.SHORT_AGENT_TEXT)
        state = ha_lizard.state_of(dom0, settings('CUSTOM'), host())
        self.assertEqual(state,
                         ('unknown',
                          'CUSTOM: CUSTOM.sh does not know the action status'))
        self.assertEqual(dom0.asked(), [])


class Later(base.TestCase):
    """What came after the first section: budgets, doubts, barred devices."""

    def prove(self, dom0, *methods, **more):
        return ha_lizard.prove_off(dom0, settings(*(methods or ('ILO',))), host(), **more)

    def test_a_host_that_reads_off_and_answers(self):
        verdict = self.prove(ilo(TAKEN, OFF), still_alive=lambda: 'n2 answers')
        self.assertEqual(verdict.result, 'wrong')
        self.assertEqual(verdict.why, 'ILO: n2 read off twice, 6 s after the command, but n2 '
                         'answers: wrong machine, or a device that lies')
        self.assertEqual(self.prove(ilo(TAKEN, OFF), still_alive=lambda: None).result, 'off')

    def test_still_alive_is_asked_only_of_what_reads_off(self):
        def never():
            raise AssertionError('asked')
        self.assertEqual(self.prove(ilo(TAKEN, ON), still_alive=never).result, 'failed')
        self.assertEqual(self.prove(FakeDom0(), 'POOL', still_alive=never).result, 'unproved')

    def test_a_barred_device_is_not_touched(self):
        dom0 = ilo(TAKEN, OFF)
        verdict = self.prove(dom0, barred={'ILO': 'its device reads off while n2 lives'})
        self.assertEqual((verdict.result, dom0.calls), ('failed', []))
        self.assertEqual(verdict.why, 'ILO: its device reads off while n2 lives')
        dom0 = ilo(TAKEN, OFF)
        dom0.files[FOLDER + 'IRMC/IRMC.hosts'] = '%s:b2\n' % N2
        dom0.answers = lambda argv: (0, 'Chassis Power is off\n', '')
        verdict = self.prove(dom0, 'ILO', 'IRMC', barred={'ILO': 'x'})
        self.assertEqual((verdict.result, verdict.method), ('off', 'IRMC'))

    def test_a_budget_of_its_own(self):
        for line, seconds in ((' timeout=20', 20), (' timeout=120', 120), ('', 60)):
            dom0 = ilo((9.0,) + ON)
            dom0.files[FOLDER + 'ILO/ILO.hosts'] = '%s:b2%s\n' % (N2, line)
            verdict = self.prove(dom0)
            self.assertIn('is not proved off after %d s: n2 reads on' % seconds, verdict.why)
            self.assertTrue(seconds - 10 < dom0.now() - 1000 <= seconds + 0.01, dom0.now())
            self.assertEqual('timeout=120' in verdict.why, seconds < 120)

    def test_fence_seconds(self):
        dom0 = ilo(ON)
        dom0.files[FOLDER + 'ILO/ILO.hosts'] = '%s:b2 timeout=100\n' % N2
        for methods, seconds in ((['ILO'], 100), (['ILO', 'POOL'], 160), ([], 60)):
            self.assertEqual(ha_lizard.fence_seconds(dom0, settings(*methods), host()), seconds)

    def test_a_busy_device_is_commanded_again_soon(self):
        busy = devices.clp_failed('COMMAND ERROR-UNSPECIFIED', '')
        commands = [busy, busy, TAKEN]
        dom0 = ilo()
        dom0.answers = lambda argv: (argv[-1] == 'power' and (OFF, ON)[bool(commands)]
                                     or commands.pop(0))
        self.assertEqual(self.prove(dom0).result, 'off')
        sent = [call.at for call in dom0.calls if call.argv[-1] == 'power off hard']
        self.assertEqual(len(sent), 3)
        for one, next_one in zip(sent, sent[1:]):
            self.assertTrue(8 <= next_one - one < 16, sent)

    def test_a_session_that_broke_may_have_brought_the_command_there(self):
        reasons = [None]
        dom0 = ilo((255, '', 'client_loop: send disconnect: Connection timed out'), ON, OFF)
        verdict = self.prove(dom0, keep_going=lambda: reasons.pop())
        self.assertEqual(verdict.result, 'off')


class Secrets(base.TestCase):
    """METHOD.secrets: passwords of single devices."""

    path = FOLDER + 'ILO/ILO.secrets'

    def test_parse(self):
        found, problems = ha_lizard.parse_secrets(
            '# mine\n\n%s:a b:c \n%s:"q"\n' % (N1.upper(), N2))
        self.assertEqual((found, problems), ({N1: 'a b:c ', N2: '"q"'}, []))

    def test_problems_quote_nothing(self):
        for text in (N1, N1 + ':', 'n1:hush', ' %s:hush' % N1, '%s:hush\r' % N1, 'hush'):
            found, problems = ha_lizard.parse_secrets(text)
            self.assertEqual((found, len(problems)), ({}, 1), text)
            self.assertNotIn('hush', problems[0])
        found, problems = ha_lizard.parse_secrets('%s:hush\n%s:lull' % (N1, N1))
        self.assertEqual((found, problems), ({}, ['line 2: %s has two passwords' % N1]))

    def dom0(self, text, mode='600\n'):
        dom0 = FakeDom0(None, {FOLDER + 'ILO/ILO.hosts': '%s:b2\n' % N2, self.path: text})
        dom0.answers = lambda argv: {'stat': (0.01, 0, mode, ''), 'power': (1,) + OFF}.get(
            argv[0], {'power': OFF}.get(argv[-1], TAKEN))
        return dom0

    def prove(self, dom0, **more):
        return ha_lizard.prove_off(dom0, settings('ILO', **more), host())

    def test_its_own_password(self):
        dom0 = self.dom0('%s:other words' % N2)
        self.assertEqual(self.prove(dom0, fence_passwd='').result, 'off')
        self.assertEqual(set([call.password for call in dom0.calls[1:]]), set(['other words']))

    def test_the_common_one_for_the_rest(self):
        dom0 = self.dom0('%s:other words' % N1)
        self.prove(dom0)
        self.assertEqual(dom0.calls[-1].password, SECRET)
        self.assertEqual(self.prove(self.dom0('%s:x' % N1), fence_passwd='').why,
                         'ILO: FENCE_PASSWD is empty')

    def test_refusals(self):
        for text, mode, part in (
                ('%s:x' % N2, '644', 'others may read %s: chmod 600' % self.path),
                ('%s:x' % N2, '640', 'chmod 600'), ('%s:x' % N2, '1604', 'chmod 600'),
                ('hush', '600', 'ILO.secrets line 1: it is not')):
            dom0 = self.dom0(text, mode)
            verdict = self.prove(dom0)
            self.assertEqual(verdict.result, 'failed')
            self.assertIn(part, verdict.why)
            self.assertEqual([call.argv[0] for call in dom0.calls], ['stat'])

    def test_it_is_not_quoted(self):
        dom0 = self.dom0('%s:other words' % N2)
        dom0.answers = lambda argv: {'stat': (0, '400', '')}.get(
            argv[0], (255, '', 'no: other words, %s' % SECRET))
        why = self.prove(dom0).why
        self.assertNotIn('other words', why)
        self.assertNotIn(SECRET, why)


class FakeLink(object):
    """A device that says its answers, one piece at each read."""

    def __init__(self, *pieces):
        self.pieces, self.typed = list(pieces), []

    def read(self, seconds):
        if not self.pieces:
            return None
        return self.pieces.pop(0)

    def write(self, text):
        self.typed.append(text)

    def close(self):
        pass


class Dialogs(base.TestCase):
    """ha_lizard.py talk: telnet, and the menu of an iRMC."""

    def play(self, steps, *pieces):
        dialog = ha_lizard.Dialog()
        dialog.link = FakeLink(*pieces)
        dialog.do_ssh = dialog.do_telnet = lambda *_: None
        why = dialog.play(steps)
        return why, dialog

    def clp(self, *pieces):
        return self.play(ha_lizard.clp_dialog('b2', '23', 'Admin', SECRET, 'power'), *pieces)

    LOGIN = ('\r\nLogin Name: ', 'Admin\r\nPassword: ',
             '\r\nUser:Admin logged-in to X\r\niLO 2\r\nServer Power: On\r\n\r\n</>hpiLO-> ')

    def test_a_command_over_telnet(self):
        why, dialog = self.clp(*self.LOGIN + ('power', OFF[1] + '</>hpiLO-> ', ''))
        self.assertIsNone(why)
        self.assertEqual(dialog.link.typed, ['Admin\r', SECRET + '\r', 'power\r', 'exit\r'])
        self.assertEqual(ha_lizard.clp_power(dialog.kept), 'off')

    def test_a_prompt_in_pieces(self):
        text = ''.join(self.LOGIN + ('power', OFF[1] + '</>hpiLO-> '))
        why, dialog = self.clp(*list(text) + [''])
        self.assertIsNone(why)
        self.assertEqual(ha_lizard.clp_power(dialog.kept), 'off')

    def test_an_answer_to_an_older_command_is_none(self):
        """It came before the echo of this one."""
        why, dialog = self.clp(*self.LOGIN + (
            OFF[1] + '</>hpiLO-> power', ON[1] + '</>hpiLO-> ', ''))
        self.assertIsNone(why)
        self.assertEqual(ha_lizard.clp_power(dialog.kept), 'on')

    def test_a_refused_login(self):
        why, dialog = self.clp(*self.LOGIN[:2] + ('\r\nLogin failed.\r\n\r\nLogin Name: ',))
        self.assertIn('Permission denied', why)
        self.assertEqual(len(dialog.link.typed), 2)
        why, dialog = self.clp(*self.LOGIN[:2] + ('\r\nLogin Name: ',))
        self.assertIn('Permission denied', why)

    def test_an_end_half_way(self):
        for count in range(len(self.LOGIN)):
            for last, part in (((), 'waits for something else'), (('',), 'ended the session')):
                why, dialog = self.clp(*self.LOGIN[:count] + last)
                self.assertIn(part, why)
        why, dialog = self.clp(*self.LOGIN + ('power', OFF[1][:40], ''))
        self.assertIn('it ended the session', why)

    MAIN = ('\x1b[2J\x1b[1;1HPower Status : On\r\n (1) System Information\r\n'
            ' (2) Power Management\r\nEnter selection or (0) to quit: ')
    POWER = ('\r\n (1) Immediate Power Off\r\n (4) Power On\r\n'
             'Enter selection or (0) to quit: ')

    def menu(self, item, *pieces):
        return self.play(ha_lizard.menu_dialog(['ssh'], SECRET, item),
                         "admin@b2's password: ", *pieces)

    def test_the_menu(self):
        why, dialog = self.menu('Immediate Power Off', self.MAIN, self.POWER,
                                '\r\nDo you really want to power off (yes/no)? ',
                                '\r\nPress any key to continue', self.POWER, self.MAIN, '')
        self.assertIsNone(why)
        self.assertEqual(dialog.link.typed,
                         [SECRET + '\n', '2', '1', 'yes\r', '\r', '0', '0'])

    def test_the_menu_of_another_firmware(self):
        """The number is looked up: a key typed blindly may do anything."""
        why, dialog = self.menu('Immediate Power Off',
                                self.MAIN.replace('(2) Power', '(7) Power'),
                                self.POWER.replace('Immediate Power Off', 'Burn'))
        self.assertIn('its menu has no "Immediate Power Off"', why)
        self.assertEqual(dialog.link.typed, [SECRET + '\n', '7'])

    def test_the_status_of_the_menu(self):
        why, dialog = self.menu('', self.MAIN, '')
        self.assertEqual((why, dialog.link.typed), (None, [SECRET + '\n', '0']))
        self.assertEqual(ha_lizard.irmc_power(dialog.kept), 'on')
        why, dialog = self.menu('', 'Permission denied, please try again.\r\n')
        self.assertIn('Permission denied', why)

    def test_irmc_power(self):
        for text, state in (('Power Status : Off\n', 'off'), ('Power Status: On', 'on'),
                            ('', 'unknown'), ('Power Status : Unknown', 'unknown'),
                            ('Power Status : On\nPower Status : Off', 'unknown'),
                            ('Power Status : Official', 'unknown'), ('Off', 'unknown'),
                            ('Power Status : Off\nPower Status : Off', 'off')):
            self.assertEqual(ha_lizard.irmc_power(text), state, text)

    def test_scripts(self):
        """Nothing in a word can become a step of its own."""
        script = ha_lizard.to_script([('type', 'a\nwait\tb\\\r'), ('mark',)])
        self.assertEqual(script.count('\n'), 2)
        self.assertEqual([[ha_lizard.unescape(word) for word in line.split('\t')]
                          for line in script.split('\n') if line],
                         [['type', 'a\nwait\tb\\\r'], ['mark']])

    def test_telnet_text(self):
        for raw, expected in (
                ('abc', ('abc', '', '')), ('a\0b', ('ab', '', '')),
                ('a\xff\xffb', ('a\xffb', '', '')),
                ('\xff\xfd\x18x', ('x', '', '\xff\xfc\x18')),
                ('\xff\xfb\x01x', ('x', '', '\xff\xfd\x01')),
                ('\xff\xfb\x22x', ('x', '', '\xff\xfe\x22')),
                ('\xff\xfe\x01\xff\xfc\x01x', ('x', '', '')),
                ('\xff\xfa\x18\x01\xff\xf0x', ('x', '', '')),
                ('x\xff\xf9y', ('xy', '', '')),
                ('x\xff', ('x', '\xff', '')), ('x\xff\xfd', ('x', '\xff\xfd', '')),
                ('x\xff\xfa\x18\x01', ('x', '\xff\xfa\x18\x01', ''))):
            self.assertEqual(ha_lizard.telnet_text(raw), expected)

    def test_bytes(self):
        raw = '\xff\xfd\x18'
        self.assertEqual(ha_lizard.to_characters(ha_lizard.from_characters(raw)), raw)

    def prove(self, method, line, answers):
        dom0 = FakeDom0(None, {FOLDER + '%s/%s.hosts' % (method, method):
                               '%s:b2%s\n' % (N2, line)})
        dom0.answers = answers
        return ha_lizard.prove_off(dom0, settings(method), host()), dom0

    def test_ilo_over_telnet(self):
        def answers(argv):
            self.assertEqual(argv[2:], ['talk', 'b2'])
            return {0: TAKEN}.get(len(dom0.calls) - 1, OFF)
        dom0 = FakeDom0(answers, {FOLDER + 'ILO/ILO.hosts': '%s:b2 over=telnet\n' % N2})
        verdict = ha_lizard.prove_off(dom0, settings('ILO'), host())
        self.assertEqual(verdict.result, 'off')
        for call in dom0.calls:
            self.assertNotIn(SECRET, ' '.join(call.argv))
            self.assertIn(SECRET, call.feed)
        self.assertIn('telnet\tb2\t23', dom0.calls[0].feed)
        self.assertIn('power off hard', dom0.calls[0].feed)

    def test_irmc_without_ipmi(self):
        """Silence by IPMI: the menu is tried, and from then on alone."""
        lost = (6.0, 1, '', 'Error: Unable to establish IPMI v2 / RMCP+ session')
        seen = []

        def answers(argv):
            seen.append(argv[0] == 'ipmitool')
            if argv[0] == 'ipmitool':
                return lost
            return 0, 'Power Status : Off\nEnter selection or (0) to quit: ', ''
        verdict, dom0 = self.prove('IRMC', '', answers)
        self.assertEqual((verdict.result, seen), ('off', [True, False, False, False]))
        seen[:] = []
        verdict, dom0 = self.prove('IRMC', ' over=ipmi', answers)
        self.assertEqual((verdict.result, set(seen)), ('failed', set([True])))
        seen[:] = []
        verdict, dom0 = self.prove('IRMC', ' over=ssh port=2222', answers)
        self.assertEqual((verdict.result, set(seen)), ('off', set([False])))
        self.assertIn('2222', dom0.calls[0].feed)

    def test_irmc_silent_on_both_ways(self):
        def answers(argv):
            if argv[0] == 'ipmitool':
                return 6.0, 1, '', 'Error: Unable to establish IPMI v2 / RMCP+ session'
            return 255, '', 'ssh: connect to host b2 port 22: Connection refused'
        verdict, _ = self.prove('IRMC', '', answers)
        self.assertEqual(verdict.result, 'failed')
        self.assertIn('the device does not answer', verdict.why)
        self.assertIn('by ssh: it cannot be reached', verdict.why)

    def test_irmc_refused_login_is_not_tried_by_ssh(self):
        verdict, dom0 = self.prove('IRMC', '', lambda argv: (
            0.07, 1, '', 'Error: Unable to establish IPMI v2 / RMCP+ session'))
        self.assertEqual([call.argv[0] for call in dom0.calls], ['ipmitool'])


SYSTEM = ('{"@odata.id": "/redfish/v1/Systems/1", "PowerState": "%s", "UUID": "%s",\n'
          '"Actions": {"#ComputerSystem.Reset": {"ResetType@Redfish.AllowableValues": '
          '["On", "ForceOff"], "target": "/redfish/v1/Systems/1/Actions/X.Reset"}}}')


class Redfish(base.TestCase):

    def prove(self, answers, line='', **more):
        self.dom0 = FakeDom0(answers, {FOLDER + 'REDFISH/REDFISH.hosts':
                                       '%s:b2%s\n' % (N2, line)})
        return ha_lizard.prove_off(self.dom0, settings('REDFISH', **more), host())

    def answers(self, systems='{"Members": [{"@odata.id": "/redfish/v1/Systems/1/"}]}\n200',
                post='\n204', state=SYSTEM % ('Off', N2) + '\n200', status=0):
        def answer(argv):
            if '-d' in argv:
                return status, post, ''
            return status, {True: systems, False: state}[argv[-1].endswith('/Systems')], ''
        return answer

    def test_it_works(self):
        self.assertEqual(self.prove(self.answers(), ' port=8443 user=u').result, 'off')
        urls = [call.argv[-1] for call in self.dom0.calls]
        self.assertEqual(urls[:4], [
            'https://b2:8443/redfish/v1/Systems', 'https://b2:8443/redfish/v1/Systems/1',
            'https://b2:8443/redfish/v1/Systems/1/Actions/X.Reset',
            'https://b2:8443/redfish/v1/Systems/1'])
        self.assertIn('{"ResetType": "ForceOff"}', self.dom0.calls[2].argv)
        for call in self.dom0.calls:
            self.assertEqual(call.argv[:2], ['curl', '-q'])
            self.assertNotIn(SECRET, ' '.join(call.argv))
            self.assertEqual(call.feed, 'user = "u:%s"\n' % SECRET)

    def test_quoting_and_ipv6(self):
        dom0 = FakeDom0(self.answers(), {FOLDER + 'REDFISH/REDFISH.hosts': '%s:fe80::2\n' % N2})
        ha_lizard.state_of(dom0, settings('REDFISH', fence_passwd='a"b\\c'), host())
        self.assertEqual(dom0.calls[0].feed, 'user = "root:a\\"b\\\\c"\n')
        self.assertEqual(dom0.calls[0].argv[-1], 'https://[fe80::2]:443/redfish/v1/Systems')

    def test_a_system_of_a_chassis(self):
        two = ('{"Members": [{"@odata.id": "/redfish/v1/Systems/1"}, '
               '{"@odata.id": "/redfish/v1/Systems/2"}]}\n200')
        verdict = self.prove(self.answers(two))
        self.assertEqual((verdict.result, len(self.dom0.calls)), ('failed', 1))
        self.assertIn('it has 2 systems', verdict.why)
        verdict = self.prove(self.answers(two), ' system=/redfish/v1/Systems/2')
        self.assertEqual(verdict.result, 'off')
        self.assertEqual(self.dom0.calls[0].argv[-1], 'https://b2:443/redfish/v1/Systems/2')

    def test_two_systems_at_one_address(self):
        line = '%s:b2 system=/redfish/v1/Systems/%d\n'
        found, problems = ha_lizard.parse_hosts(line % (N1, 1) + line % (N2, 2), 'REDFISH')
        self.assertEqual((len(found), problems), (2, []))
        found, problems = ha_lizard.parse_hosts(line % (N1, 1) + line % (N2, 1), 'REDFISH')
        self.assertEqual((found, len(problems)), ([], 2))

    def test_failures(self):
        off = SYSTEM % ('Off', N2)
        for named, calls, part in (
                (dict(systems='{}\n401'), 1, 'it refused the user or the password (HTTP 401)'),
                (dict(systems='x\n404'), 2, 'HTTP 404: x'),
                (dict(systems='{"Members": []}\n200'), 1, 'it has 0 systems'),
                (dict(post='{"MessageId": "Base.1.0.InsufficientPrivilege"}\n400',
                      state=SYSTEM % ('On', N2) + '\n200'), 5, 'n2 reads on'),
                (dict(state=off[:60] + '\n200'), 5, 'HTTP 200'),
                (dict(state='<html>"PowerState": "Off"</html>\n200'), 5, 'HTTP 200'),
                (dict(state=SYSTEM % ('PoweringOff', N2) + '\n200'), 5, 'not understood'),
                (dict(state=off + '\n500'), 5, 'HTTP 500'),
                (dict(state=off), 5, 'it cannot be reached'),
                (dict(status=7), 5, 'it cannot be reached'),
                (dict(status=18), 5, 'it cannot be reached'),
                (dict(status=ha_lizard.NOT_FOUND), 1, 'curl: no such command')):
            verdict = self.prove(self.answers(**named))
            self.assertEqual(verdict.result, 'failed')
            self.assertIn(part, verdict.why)
            self.assertEqual(min(calls, len(self.dom0.calls)), calls, part)
            self.assertLessEqual(self.dom0.now(), 1060.01)

    def test_a_host_that_is_back_before_anything_was_sent(self):
        """A question that failed is no command."""
        reasons = [None, 'n2 answers again']
        dom0 = FakeDom0(self.answers(systems='busy\n503'),
                        {FOLDER + 'REDFISH/REDFISH.hosts': '%s:b2\n' % N2})
        verdict = ha_lizard.prove_off(dom0, settings('REDFISH'), host(),
                                      lambda: reasons.pop(0))
        self.assertEqual((verdict.why, len(dom0.calls)), ('n2 answers again', 1))

    def test_power(self):
        for text, state in ((SYSTEM % ('Off', ''), 'off'), (SYSTEM % ('On', ''), 'on'),
                            (SYSTEM % ('off', ''), 'unknown'), ('', 'unknown'),
                            ('{"PowerState": null}', 'unknown'),
                            ('{"PowerState": "Off", "Oem": {"PowerState": "On"}}', 'unknown'),
                            ('{"PowerState": "Off"', 'unknown'),
                            ('{"Text": "\\"PowerState\\": \\"Off\\""}', 'unknown'),
                            ('{"PowerState": "Off", "Text": "}{\\""}', 'off'),
                            ('{"PowerState": "Off", "Text": "cut', 'unknown')):
            self.assertEqual(ha_lizard.redfish_power(text), state, text)


class Cluster(base.TestCase):
    """fence_NAME: agents of ClusterLabs."""

    def prove(self, off, status, line=' plug=3 ssl=1', **more):
        def answers(argv):
            self.assertEqual(argv, ['fence_apc'])
            return {True: off, False: status}['action=off\n' in self.dom0.calls[-1].feed]
        self.dom0 = FakeDom0(answers, {FOLDER + 'fence_apc/fence_apc.hosts':
                                       '%s:b2%s\n' % (N2, line)})
        return ha_lizard.prove_off(self.dom0, settings('fence_apc', **more), host())

    OFF = (2, 'Status: OFF\n', '')

    def test_it_works(self):
        self.assertEqual(self.prove((0, 'Success: Powered OFF\n', ''), self.OFF,
                                    fence_user='u').result, 'off')
        self.assertEqual(self.dom0.calls[0].feed, 'plug=3\nssl=1\nipaddr=b2\nlogin=u\n'
                         'passwd="%s"\naction=off\n' % SECRET)
        self.assertIn('action=status\n', self.dom0.calls[1].feed)

    def test_every_call_says_what_to_do(self):
        """Without an action these agents reboot the host."""
        self.prove((1, '', 'no'), (0, 'Status: ON\n', ''), '', fence_passwd='')
        for call in self.dom0.calls:
            self.assertEqual(call.feed.count('action='), 1)
            self.assertNotIn('passwd', call.feed)

    def test_only_what_obeyed_can_read_off(self):
        """2 is how Python and sh end when they cannot read the script."""
        verdict = self.prove((1, '', 'ERROR: Timed out'), self.OFF)
        self.assertEqual(verdict.result, 'failed')
        self.assertIn('it reads off, but has not done what it was told', verdict.why)
        verdict = self.prove((2, '', "can't open file"), self.OFF)
        self.assertEqual((verdict.result, len(self.dom0.calls)), ('failed', 1))

    def test_states(self):
        done = (0, 'Success: Powered OFF\n', '')
        for status in ((0, 'Status: ON\n', ''), (0, 'Status: OFF\n', ''), (1, 'Status: OFF\n', ''),
                       (2, '', ''), (2, 'Status: ON\n', ''), (2, 'x Status: OFF\n', '')):
            self.assertEqual(self.prove(done, status).result, 'failed', status)

    def test_agents_that_misread_prove_nothing(self):
        done, off = (0, 'Success: Already OFF\n', ''), (2, 'Status: OFF\n', '')
        for name, trust, result in (
                ('fence_ilo_ssh', False, 'unproved'), ('fence_ilo5_ssh', False, 'unproved'),
                ('fence_ilo_mp', False, 'unproved'), ('fence_ilo_ssh', True, 'off'),
                ('fence_ilo5', False, 'off'), ('fence_ipmilan', False, 'off')):
            dom0 = FakeDom0([done, off], {FOLDER + '%s/%s.hosts' % (name, name): N2 + ':b2\n'})
            given = settings(name, fence_trust_agent=trust)
            verdict = ha_lizard.prove_off(dom0, given, host())
            self.assertEqual(result, verdict.result, name)
            self.assertEqual(result == 'off', ha_lizard.can_prove(given, name, dom0))
            self.assertEqual(result == 'off', 'read off twice' in verdict.why)

    def test_of_its_words_the_last_line_counts(self):
        words = ('/usr/sbin/fence_apc:5: DeprecationWarning: x\n  import pipes\n2026-11-24 '
                 '18:56:16,677 ERROR: Unable to connect/login to fencing device\n\n\n')
        for result, said in (((1, '', words), 'Unable to connect/login to fencing device'),
                             ((1, 'Failed\n', ''), 'Failed'), ((1, '', ''), 'nothing')):
            agent = ha_lizard.agent_for(FakeDom0([result]), settings(), 'fence_apc', host())
            agent.device = ha_lizard.Device()
            agent.dom0.promise(100)
            self.assertEqual('fence_apc action=status ended with status 1 and said: ' + said,
                             agent.state().why)

    def test_taboo(self):
        for word in ('action=on', 'option=on', 'passwd_script=/x', 'missing_as_off=1',
                     'missing-as-off=1', 'debug=/x', 'verbose=1', 'method=cycle', 'Plug=1',
                     'ip=x', 'plug="1"', 'plug=', 'plug'):
            found, problems = ha_lizard.parse_hosts('%s:b2 %s' % (N2, word), 'fence_apc')
            self.assertEqual((found, len(problems)), ([], 1), word)

    def test_outlets_of_one_strip(self):
        found, problems = ha_lizard.parse_hosts('%s:b plug=1\n%s:b plug=2' % (N1, N2),
                                                'fence_apc')
        self.assertEqual((len(found), problems), (2, []))
        for one, other in (('1', '1'), ('1', '01')):
            found, problems = ha_lizard.parse_hosts(
                '%s:b plug=%s\n%s:b plug=%s' % (N1, one, N2, other), 'fence_apc')
            self.assertEqual((found, len(problems)), ([], 2))

    def test_not_installed(self):
        verdict = self.prove((ha_lizard.NOT_FOUND, '', 'not there'), self.OFF)
        self.assertEqual((verdict.result, len(self.dom0.calls)), ('failed', 1))
        self.assertIn('fence_apc: no such command', verdict.why)


class Guarded(base.TestCase):
    """While all is well: the right device, the right password."""

    def test_devices_say(self):
        self.assertEqual(ha_lizard.devices_say(ilo(OFF), settings('POOL', 'ILO', 'IRMC'), host()),
                         [('ILO', 'off', 'n2 reads off'),
                          ('IRMC', 'unknown', 'there is no %sIRMC/IRMC.hosts' % FOLDER)])
        denied = (255, '', 'root@b2: Permission denied (password).')
        self.assertIn('it refused the user', ha_lizard.devices_say(
            ilo(denied), settings('ILO'), host())[0][2])

    def judge(self, *said, **more):
        return ha_lizard.judge_devices('n2', more.get('lives', True), said,
                                       more.get('barred', {}))

    def test_mapping(self):
        """A live host whose device says off: until it agrees again."""
        barred, deaf = self.judge(('ILO', 'off', ''), ('IRMC', 'on', ''))
        self.assertEqual((barred, deaf), ({'ILO': 'its device reads off while n2 lives: it '
                                                  'is that of another machine'}, {}))
        self.assertEqual(self.judge(('ILO', 'unknown', 'why'), barred=barred),
                         (barred, {'ILO': 'why'}))
        self.assertEqual(self.judge(barred=barred), (barred, {}))
        self.assertEqual(self.judge(('ILO', 'on', ''), barred=barred), ({}, {}))

    def test_a_dead_host_shows_nothing(self):
        for state in ('on', 'off'):
            for barred in ({}, {'ILO': 'x'}):
                self.assertEqual(self.judge(('ILO', state, ''), lives=False, barred=barred),
                                 (barred, {}))

    def test_whose_devices(self):
        self.assertEqual(ha_lizard.guarded_hosts('master', N1, N1, [N1, N2, N3]), [N2, N3])
        self.assertEqual(ha_lizard.guarded_hosts('slave', N2, N1, [N1, N2, N3]), [N1])
        self.assertEqual(ha_lizard.guarded_hosts('slave', N2, N1, [N2, N3]), [])

    def test_each_once_an_hour_one_at_a_time(self):
        asked, turns = {N2: None, N3: None}, []
        for now in range(0, 4 * 3600, 15):
            uuid = ha_lizard.guard_turn(now, 3600.0, N1, asked)
            if uuid:
                turns.append((now, uuid))
                asked[uuid] = now
        for each in (N2, N3):
            moments = [now for now, uuid in turns if uuid == each]
            self.assertTrue(3 <= len(moments) <= 4, turns)
            for one, other in zip(moments, moments[1:]):
                self.assertTrue(3600 <= other - one < 3650, turns)

    def test_members_ask_at_different_moments(self):
        first = set()
        for number in range(20):
            for now in range(0, 3600, 15):
                if ha_lizard.guard_turn(now, 3600.0, 'h%d' % number, {N2: None}):
                    first.add(now)
                    break
        self.assertLess(10, len(first))

    def wrong(self, life, same_boot=None, **heard):
        return ha_lizard.wrong_machine('n2', (1000.0, 1006.0), life, heard, same_boot)

    def test_wrong_machine(self):
        self.assertIsNone(self.wrong(1001.0, n3=1002.0))
        self.assertIsNone(self.wrong(1008.0, n3=1002.0), 'what was on its way')
        self.assertIn('n3 fell silent', self.wrong(1020.0, n3=1002.0))
        self.assertIn('n3, n4 fell silent', self.wrong(1020.0, n4=1060.0, n3=998.0))
        for moment in (900.0, 997.0, 1067.0):
            self.assertEqual(self.wrong(1020.0, n3=moment), 'n2 was read off and lives: its '
                             'device is that of another machine')

    def test_a_host_that_was_booted_again(self):
        self.assertIsNone(self.wrong(1067.0, n3=1002.0))
        self.assertIsNone(self.wrong(1020.0, False, n3=1002.0))
        self.assertIn('n3 fell silent', self.wrong(1900.0, True, n3=1002.0))
        self.assertIsNone(self.wrong(1001.0, True))

    def test_same_machine(self):
        own = '30313043-534d-2500-90d8-7a5500000001'
        turned = '43303130-4d53-0025-90d8-7a5500000001'
        reverse = '01000000-557a-d890-0025-4d5343303130'
        for told, expected in ((own, True), (own.upper(), True), (turned, True), (reverse, True),
                               (own[:-1] + '2', False), ('', None), ('0' * 32, None),
                               ('f' * 32, None), ('x', None)):
            self.assertEqual(ha_lizard.is_same_machine('uuid', told, own), expected, told)
            self.assertEqual(ha_lizard.is_same_machine('uuid', own, told) is None,
                             expected is None)
        for told, own, expected in (('CZJ1', 'czj1 ', True), ('CZJ1', 'CZJ2', False),
                                    ('', 'CZJ1', None), ('CZJ1', 'To be filled', None)):
            self.assertEqual(ha_lizard.is_same_machine('serial', told, own), expected, told)

    def identities(self, guid, own=N2, method='IPMI', serial=''):
        def answers(argv):
            if argv[0] == 'dmidecode':
                return 0, {'system-uuid': '# x\n' + own, 'system-serial-number': 'CZJ1'}[
                    argv[-1]] + '\n', ''
            if argv[0] == 'ssh':
                return devices.clp_done('/system1\n    number=%s\n    enabledstate=on' % serial)
            return 0, 'System GUID  : %s\nTimestamp    : x\n' % guid, ''
        dom0 = FakeDom0(answers, {FOLDER + '%s/%s.hosts' % (method, method): '%s:b2\n' % N2})
        dom0.promise(1000)
        return ha_lizard.identity_objections(dom0, settings(method, 'POOL'), host())

    def test_identity(self):
        self.assertEqual(self.identities(N2), [])
        self.assertEqual(self.identities('what?'), [])
        self.assertEqual(self.identities(N2, 'Not Specified'), [])
        self.assertEqual(self.identities(N3), [
            'IPMI: the device says that it is in the machine with uuid %s, this one has %s'
            % (N3, N2)])
        self.assertEqual(self.identities('', method='ILO', serial='CZJ1'), [])
        self.assertIn('serial czj9, this one has CZJ1',
                      self.identities('', method='ILO', serial='CZJ9')[0])

    def problems(self, text, method='ILO', **more):
        dom0 = FakeDom0(files={FOLDER + 'ILO/ILO.hosts': text})
        hosts = [host(N1, 'n1', '10.0.0.1'), host(N2, 'n2', '10.0.0.2')]
        return ha_lizard.file_problems(dom0, settings(**more), method, hosts)

    def test_file_problems(self):
        good = '%s:b1\n%s:b2\n' % (N1, N2)
        self.assertEqual(self.problems(good), [])
        self.assertEqual(self.problems(good, 'POOL'), [])
        self.assertEqual(self.problems(good + '%s:b3\n' % N3),
                         ['ILO.hosts line 3: %s: this is no host of the pool' % N3])
        self.assertEqual(self.problems('%s:b1\n' % N1), [
            'ILO.hosts has no usable line for n2 (%s)' % N2])
        self.assertEqual(self.problems(good, fence_passwd=''), ['FENCE_PASSWD is empty'])
        self.assertIn('ILO.hosts line 2 has the address of member n1',
                      self.problems('%s:b1\n%s:10.0.0.1\n' % (N1, N2)))
        self.assertEqual(self.problems('%s:b1\n%s:10.0.0.2\n' % (N1, N2)), [
            'ILO.hosts line 2 has the address of n2 itself, not of its device'])
        self.assertEqual(self.problems('%s:b1\n%s: b2\n' % (N1, N2)), [
            'ILO.hosts line 2: %s: a space or tab where none belongs' % N2])
        self.assertEqual(self.problems('', 'PDU'), [
            'there is no such method and no %sPDU/PDU.sh' % FOLDER])


# -- the devices of the simulator ----

class World(object):
    """As much of the simulated world as the devices need."""

    def __init__(self):
        self.now, self.number, self.events = 1000.0, 0, []
        self.order, self.hosts = [], {}
        for name, uuid in (('n1', N1), ('n2', N2), ('n3', N3)):
            self.order.append(name)
            self.hosts[name] = Given(uuid=uuid, name=name, powered=True,
                                     address='10.0.0.%s' % name[1:])

    def at(self, delay, function, *args):
        self.number += 1
        self.events.append((self.now + delay, self.number, function, args))

    def host_by(self, uuid):
        for name in self.order:
            if self.hosts[name].uuid == uuid:
                return self.hosts[name]

    def watch_fence(self, name):
        pass

    def power_off(self, name):
        self.hosts[name].powered = False

    def power_on(self, name):
        self.hosts[name].powered = True

    def run_until(self, end, condition):
        while not condition():
            due = sorted([event[:2] for event in self.events])
            if not due or due[0][0] > end:
                self.now = end
                return
            event = [event for event in self.events if event[:2] == due[0]][0]
            self.events.remove(event)
            self.now = event[0]
            event[2](*event[3])

    def on(self):
        return [name for name in self.order if self.hosts[name].powered]


class WorldDom0(FakeDom0):
    """Dom0 of n1 in that world: its children talk to the simulated devices."""

    def __init__(self, world, behind, method, **more):
        FakeDom0.__init__(self, files=behind.files(method, **more))
        self.world, self.behind = world, behind

    def now(self):
        return self.world.now

    def sleep(self, seconds):
        self.world.run_until(self.world.now + seconds, lambda: False)

    def promise(self, seconds):
        pass

    def run(self, argv, timeout, feed='', env=None, password=None):
        self.calls.append(Called(self.world.now, argv, timeout, env, password, feed))
        if not self.behind.answers(argv):
            return ha_lizard.Result(argv, ha_lizard.NOT_FOUND)
        said = []
        self.behind.run('n1', argv, feed, env, password,
                        lambda *answer: said.append(answer))
        self.world.run_until(self.world.now + timeout, lambda: said)
        return ha_lizard.Result(argv, *(said or [(ha_lizard.TIMED_OUT,)])[0])


class Simulated(base.TestCase):

    def setUp(self):
        self.world = World()
        self.devices = devices.Devices(self.world, SECRET)

    def prove(self, method, mode='works', keep_going=None, **more):
        self.devices.mode('n2', mode)
        self.dom0 = WorldDom0(self.world, self.devices, method,
                              status=more.pop('status', True))
        self.given = settings(method, fence_ipaddress=devices.OUTER, **more)
        return ha_lizard.prove_off(self.dom0, self.given, host(), keep_going)

    def test_a_device_that_works(self):
        for method in METHODS:
            self.setUp()
            verdict = self.prove(method)
            self.assertEqual((verdict.result, verdict.method), ('off', method))
            self.assertEqual(self.world.on(), ['n1', 'n3'])
            self.assertTrue(9 <= self.world.now - 1000 <= 12, self.world.now)
            self.assertEqual(ha_lizard.state_of(self.dom0, self.given, host())[0],
                             'off')
            self.assertEqual(ha_lizard.power_on(self.dom0, self.given, host()), None)
            self.assertEqual(self.world.on(), ['n1', 'n2', 'n3'])
            self.assertEqual(ha_lizard.state_of(self.dom0, self.given, host())[0], 'on')

    def test_a_host_that_is_off_already(self):
        for method in METHODS:
            self.setUp()
            self.world.power_off('n2')
            self.assertEqual(self.prove(method).result, 'off')

    def test_a_slow_device(self):
        for method in METHODS:
            self.setUp()
            self.assertEqual(self.prove(method, 'slow').result, 'off')
            self.assertTrue(24 <= self.world.now - 1000 <= 36, self.world.now)

    def test_what_does_not_work_never_proves(self):
        for method in METHODS:
            for mode in ('silent', 'refuses', 'locked', 'garbage', 'dies'):
                for powered in (True, False):
                    if (mode, powered) == ('refuses', False):
                        continue            # it is off, and says so
                    self.setUp()
                    self.world.hosts['n2'].powered = powered
                    verdict = self.prove(method, mode)
                    self.assertEqual(verdict.result, 'failed',
                                     (method, mode, verdict.why))
                    self.assertLessEqual(self.world.now - 1000, 60.01)
                    self.assertEqual(self.world.hosts['n2'].powered, powered)

    def test_a_liar_is_believed(self):
        """R-17: that risk is in the device."""
        for method in METHODS:
            self.setUp()
            self.assertEqual(self.prove(method, 'lies').result, 'off')
            self.assertEqual(self.world.on(), ['n1', 'n2', 'n3'])

    def test_wrong_password(self):
        for method in ('ILO', 'IRMC', 'IPMI', 'XVM'):
            self.setUp()
            verdict = self.prove(method, fence_passwd='wrong')
            self.assertEqual(verdict.result, 'failed')
            self.assertIn('it refused the user or the password', verdict.why)
            self.assertEqual(len(self.dom0.calls), 1)
            state, why = ha_lizard.state_of(self.dom0, self.given, host())
            self.assertEqual(state, 'unknown')
            self.assertIn('it refused the user or the password', why)

    def test_an_agent_without_status(self):
        verdict = self.prove('CUSTOM', status=False)
        self.assertEqual((verdict.result, self.world.on()), ('unproved', ['n1', 'n3']))

    def test_swapped_cables(self):
        self.devices.swap('n2', 'n3')
        self.assertEqual(self.prove('ILO').result, 'off')
        self.assertEqual(self.world.on(), ['n1', 'n2'])

    def test_one_mode_for_one_method(self):
        self.devices.mode('n2', 'silent', 'ILO')
        self.assertEqual(self.devices.modes, {('n2', devices.Ilo): 'silent'})

    def test_the_hosts_files(self):
        for method in ('ILO', 'IRMC', 'XVM'):
            found, problems = ha_lizard.parse_hosts(self.devices.hosts_file(method))
            self.assertEqual(([device.uuid for device in found], problems),
                             ([N1, N2, N3], []))

    def test_other_commands_are_not_for_devices(self):
        for argv in (['xe', 'vm-list'], ['ssh', '-Q', 'kex'], ['test', '-x', '/bin/sh'],
                     ['ssh', '-l', 'root', '10.0.0.1', 'power'],
                     ['ipmitool', '-H', '10.0.0.1', 'chassis', 'power', 'off'],
                     [AGENT, 'no-such-uuid', 'stop']):
            self.assertFalse(self.devices.answers(argv), argv)

    def test_secrets_stay_secret(self):
        for method in METHODS:
            for mode in devices.MODES:
                self.setUp()
                verdict = self.prove(method, mode)
                for call in self.dom0.calls:
                    self.assertNotIn(SECRET, ' '.join(call.argv))
                self.assertNotIn(SECRET, verdict.why + repr(verdict))

    def test_a_device_that_prints_the_password(self):
        for method, stop in (('ILO', (255, '', 'bad password ' + SECRET)),
                             ('IRMC', (1, '', 'no: %s\n' % SECRET)),
                             ('XVM', (1, SECRET, '')), ('CUSTOM', (1, SECRET, ''))):
            dom0 = FakeDom0([stop], self.devices.files(method))
            verdict = ha_lizard.prove_off(dom0, settings(
                method, fence_ipaddress=devices.OUTER), host())
            self.assertNotIn(SECRET, verdict.why)
            self.assertIn('***', verdict.why)
