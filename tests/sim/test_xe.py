"""The simulated `xe` prints what the real one prints: bytes, stream, status.

A test is a story, as data:

    b$ xe vm-list params=uuid       on host xen-b; then what it prints
    2> The text of a line on stderr
    $?=1 in 3.15 s                  the exit status; the time only if it is given
    hangs for 100 s                 instead of a status: nothing comes, the client is killed
    b&1 xe vm-start ...             begin, do not wait;  `wait 1` shows what came of it
    ! power_off('xen-c')            a statement, with the names of Story.names()
    ? state('web1') => halted       what an expression is

{web1} is the uuid of web1, {web1.vdi} that of its disk, {ref:xen-b} the
reference of xen-b; a `|` at the end of a line marks a blank before it.
"""

import re
import shlex
import time

import base
import world
import xapi

HOSTS = {'a': 'xen-a', 'b': 'xen-b', 'c': 'xen-c'}
VERBS = re.compile(r'^(?:([abc])(\$|&(\d)) (\S.*)|wait (\d)|([!?]) (.*))$')
ENDS = re.compile(r'^(?:\$\?=\d+(?: in [\d.]+ s)?|hangs for (\d+) s)$')


class Story(object):
    """The pool of these tests, and the uuids in it by name."""

    def __init__(self, version, hosts='abc'):
        self.world = world.World()
        self.pool = self.world.pool = xapi.Pool(self.world, version)
        self.uuids, self.begun = {'pool': self.pool.uuid, 'network': self.pool.network}, {}
        for letter in hosts:
            host = self.pool.new_host(self.world.add_host(HOSTS[letter]))
            self.uuids[host.name] = host.uuid
            self.uuids[host.name + '.dom0'] = self.row('host', host.name)['control_domain_uuid']
        self.uuids['nfs1'] = self.pool.new_sr('nfs1')

    def vm(self, name, host=None, label=None, **named):
        uuid = self.uuids[name] = self.pool.new_vm(label or name, host=host, **named)
        row = self.pool.database().get('vm', uuid)
        for vbd in row['VBDs']:
            self.uuids[name + '.vbd'] = vbd
            self.uuids[name + '.vdi'] = self.pool.database().get('vbd', vbd)['VDI']
        return uuid

    def names(self):
        """What statements and expressions can use."""
        pool, this = self.pool, self.world
        return {'pool': pool, 'world': this, 'hosts': this.hosts, 'uuid': self.uuids, 'xapi': xapi,
                'run': this.run, 'power_off': this.power_off, 'power_on': this.power_on, 'story': self,
                'cut': self.cut, 'heal': self.heal, 'row': self.row, 'where': self.where, 'state': self.state,
                'vm': self.vm}

    def cut(self, one, other):
        self.world.cut(one, other)
        self.world.links_changed()

    def heal(self, one, other):
        self.world.heal(one, other)
        self.world.links_changed()

    def row(self, kind, name):
        return self.pool.database().get(kind, self.uuids[name])

    def where(self, name):
        return ' '.join(self.world.where(self.uuids[name])) or 'nowhere'

    def state(self, name):
        return self.pool.power_state(self.uuids[name])

    # -- names for uuids and back ----

    def to_uuids(self, text):
        for name, uuid in self.uuids.items():
            text = text.replace('{%s}' % name, uuid).replace('{ref:%s}' % name, xapi.ref_of(uuid))
        return text

    def to_names(self, text):
        for name, uuid in sorted(self.uuids.items()):
            text = text.replace(uuid, '{%s}' % name).replace(xapi.ref_of(uuid), '{ref:%s}' % name)
        return text

    # -- running ----

    def begin(self, host, argv, env=None, feed=''):
        """[result, started, client]; the result comes later."""
        run = [None, self.world.now, None]

        def done(status, out, err):
            run[0] = (status, out, err, self.world.now - run[1])
        method = self.pool.xe
        if argv[0] != 'xe':
            method = self.pool.resetvdis
            run[2] = method(self.world.hosts[host], argv, done)
        else:
            run[2] = method(self.world.hosts[host], argv, done, env, feed)
        return run

    def wait(self, run, seconds=5000.0):
        """Until it has ended: the world goes on event by event."""
        this, end = self.world, self.world.now + seconds
        while run[0] is None and this.now < end:
            this.run(max(0.0, min(end, this.moments[0]) - this.now))

    def xe(self, host, *arguments, **named):
        """(status, out, err) of a call, by itself."""
        run = self.begin(HOSTS[host], ['xe'] + list(arguments), **named)
        self.wait(run)
        return run[0] and run[0][:3]

    def shown(self, run, expected):
        """A result as a story writes it."""
        if run[0] is None:
            return 'hangs'
        status, out, err, seconds = run[0]
        lines = marked(self.to_names(out)) + ['2> ' + line for line in marked(self.to_names(err))]
        end = '$?=%d' % status
        if ' in ' in expected.split('\n')[-1]:
            end += ' in %.2f s' % seconds
        return '\n'.join(lines + [end])


def marked(text):
    """The lines of a text; what is special about their ends is visible."""
    if not text:
        return []
    lines = text.split('\n')
    if lines[-1]:
        lines[-1] += '<no newline>'
    else:
        lines.pop()
    return [(line.endswith(' ') and line + '|') or line for line in lines]


def steps(text):
    """[(first line, the lines after it)]"""
    found = []
    for line in text.strip('\n').split('\n'):
        line = line[4:]
        if VERBS.match(line):
            found.append((line, []))
        elif found and not (found[-1][1] and ENDS.match(found[-1][1][-1])):
            if found[-1][0][:1] not in '!?':
                found[-1][1].append(line)
        elif line:
            raise ValueError('not part of any step: %r' % line)
    return found


class TestCase(base.TestCase):
    """version: which era; most stories hold for both."""

    versions = ('old', 'new')

    def play(self, text, versions=None, hosts='abc', setup=None):
        for version in versions or self.versions:
            story = Story(version, hosts)
            if setup:
                setup(story)
            for line, expected in steps(text):
                self.step(story, version, line, '\n'.join(expected))
            self.assertEqual([], story.world.violations)

    def step(self, story, version, line, expected):
        host, verb, number, words, waited, mark, code = VERBS.match(line).groups()
        if mark == '!':
            exec(code, story.names())
        elif mark == '?':
            expression, value = code.split(' => ')
            got = eval(expression, story.names())
            self.assertEqual(value, story.to_names('%s' % (got,)), '%s: %s: is %s' % (version, line, got))
        elif verb == '$':
            self.check(story, version, line, self.begin(story, host, words), expected)
        elif waited:
            self.check(story, version, line, story.begun[waited], expected)
        else:
            story.begun[number] = self.begin(story, host, words)

    def begin(self, story, host, words):
        feed = ''
        if ' <<< ' in words:
            words, feed = words.split(' <<< ')
        return story.begin(HOSTS[host], shlex.split(story.to_uuids(words)), None, feed)

    def check(self, story, version, line, run, expected):
        match = ENDS.match(expected.split('\n')[-1])
        if match and match.group(1):
            story.world.run(float(match.group(1)))
            run[2].client_killed()
            self.assertEqual(None, run[0], '%s: %s did not hang: %r' % (version, line, run[0]))
            return
        story.wait(run)
        got = story.shown(run, expected)
        if got != expected:
            self.fail('%s: %s\n-- expected --\n%s\n-- got --\n%s' % (version, line, expected, got))


def smile():
    """Four bytes of UTF-8, as native text."""
    data = xapi.binascii.unhexlify('f09f9982'.encode('ascii'))
    if str is type(data):
        return data
    return data.decode('utf-8')


def with_vms(story):
    """web1 runs on xen-b, mail on xen-c, lone on xen-a; one is halted, its
    name has a comma; one is a template."""
    story.vm('web1', 'xen-b')
    story.vm('db1', None, 'db, primary')
    story.vm('mail', 'xen-c')
    story.uuids['debian'] = story.pool.new_template('Debian')


class Client(TestCase):
    """Sections 1 and 2: what client and server make of the arguments."""

    def test_no_connection_is_needed(self):
        self.play("""
    ! pool.stop('xen-b')
    b$ xe -version
    ThinCLI protocol: 0.2
    $?=0
    b$ xe vm-list -help
    2> Usage: xe <command> [-s server] [-pw passwd] [-p port] [-u user] [-pwf password-file]
    $?=0
    b$ xe vm-list --help
    2> Usage: xe <command> [-s server] [-pw passwd] [-p port] [-u user] [-pwf password-file]
    $?=0
    b$ xe
    2> Usage: xe <command> [-s server] [-pw passwd] [-p port] [-u user] [-pwf password-file]
    $?=0
    """)

    def test_xapi_is_stopped(self):
        self.play("""
    ! pool.stop('xen-b')
    b$ xe vm-list
    2> Error: Connection refused (calling connect )
    $?=1
    b$ xe host-is-in-emergency-mode
    2> Error: Connection refused (calling connect )
    $?=1
    ! pool.stop('xen-a')
    a$ xe frobnicate
    2> Error: Connection refused (calling connect )
    $?=1
    """)

    def test_xapi_hangs_then_restarts(self):
        self.play("""
    ! pool.hang('xen-a')
    a&1 xe vm-list
    a$ xe host-is-in-emergency-mode
    hangs for 500 s
    ! pool.restart('xen-a')
    wait 1
    2> Lost connection to the server.
    $?=1
    """)

    def test_words_that_are_wrong(self):
        self.play("""
    a$ xe frobnicate
    2> Unknown command: frobnicate
    2> For usage run: 'xe help'
    $?=1
    a$ xe --minimal vm-list
    2> Unknown command: --minimal
    2> For usage run: 'xe help'
    $?=1
    a$ xe vm-param-get param-name=uuid
    2> Required parameter not found: uuid
    2> For usage run: 'xe help'
    $?=1
    a$ xe vm-param-get uuid=x
    2> Required parameter not found: param-name
    2> For usage run: 'xe help'
    $?=1
    a$ xe host-forget
    2> Required parameter not found: uuid
    2> For usage run: 'xe help'
    $?=1
    a$ xe pool-emergency-reset-master
    2> Required parameter not found: master-address
    2> For usage run: 'xe help'
    $?=1
    a$ xe vm-list -x foo
    2> Syntax error: |
    2> For usage run: 'xe help'
    $?=1
    a$ xe vm-list foo=bar
    2> Error: Unknown field 'foo'
    $?=1
    a$ xe vm-list uuid=does-not-exist foo=bar
    $?=0
    a$ xe host-list --live
    2> Error: Unknown field 'live'
    $?=1
    a$ xe vm-list --progress
    2> Error: Unknown field 'progress'
    $?=1
    a$ xe vm-list --trace=x
    2> Error: Unknown field 'trace=x'
    $?=1
    a$ xe pool-recover-slaves nonsense=1 --progress
    {xen-b}
    {xen-c}
    $?=0
    """)

    def test_checks_that_need_no_master(self):
        self.play("""
    ! power_off('xen-a')
    b$ xe frobnicate
    2> Unknown command: frobnicate
    2> For usage run: 'xe help'
    $?=1 in 0.15 s
    b$ xe vm-param-get uuid=x
    2> Required parameter not found: param-name
    2> For usage run: 'xe help'
    $?=1 in 0.15 s
    """)

    def test_flags(self):
        self.play("""
    a$ xe vm-list uuid=x all=maybe
    2> Error: Failed to parse parameter 'all': Expected 'true','t','yes','y','1','false','f','no','n','0' got maybe
    $?=1
    a$ xe vm-reset-powerstate uuid={web1} force=maybe
    2> Error: Failed to parse parameter 'force': Expected 'true','t','yes','y','1','false','f','no','n','0' got maybe
    $?=1
    a$ xe vm-list uuid={web1} all=N params=name-label minimal=true
    web1
    $?=0
    a$ xe vm-list uuid={web1} params=name-label minimal=false
    name-label ( RW)    : web1


    $?=0
    """, setup=with_vms)
        self.play("""
    a$ xe vm-list minimal=yes
    2> The server failed to handle your request, due to an internal error. The given message may give details useful for debugging the problem.
    2> message: INTERNAL_ERROR: [ Invalid_argument("bool_of_string") ]
    $?=1
    """, ['new'])

    def test_client_eats_its_options(self):
        self.play("""
    a$ xe -u root -pw null vm-list params=name-label uuid={web1} --minimal
    web1
    $?=0
    a$ xe vm-list params=name-label uuid={web1} --minimal --debug debug=true port=80 username=x password=y --nossl
    web1
    $?=0
    a$ xe -s 127.0.0.1 vm-list params=name-label uuid={web1} --minimal
    web1
    $?=0
    """, setup=with_vms)

    def test_over_tcp(self):
        """8(i), 3(6), 1.3"""
        self.play("""
    a$ xe -s 10.0.0.1 -u root -pw secret vm-list params=name-label uuid={web1} --minimal
    web1
    $?=0
    b$ xe -s 10.0.0.1 vm-list
    2> Authentication failed
    2> For usage run: 'xe help'
    $?=1 in 5.15 s
    ! power_off('xen-c')
    a$ xe -s 10.0.0.3 vm-list
    hangs for 60 s
    """, setup=with_vms)
        self.play("""
    a$ xe -s 10.0.0.2 vm-list
    2> You cannot make regular API calls directly on a slave. Please pass API calls via the master host.
    2> Master IP address: 10.0.0.1
    $?=1
    """, ['old'])
        self.play("""
    a$ xe server=10.0.0.2 vm-list
    2> You cannot make regular API calls directly on a supporter. Please pass API calls via the coordinator host.
    2> Master IP address: 10.0.0.1
    $?=1
    """, ['new'])

    def test_extra_arguments(self):
        story = Story('new')
        with_vms(story)
        extra = {'XE_EXTRA_ARGS': 'params=name-label,username=root,--minimal,name-label=db\\, primary'}
        self.assertEqual((0, 'db\\, primary\n', ''), story.xe('b', 'vm-list', env=extra))

    def test_newlines_split_arguments(self):
        """Section 0: what follows the newline is an argument of its own."""
        story = Story('new')
        with_vms(story)
        uuid = 'uuid=' + story.uuids['web1']
        story.xe('a', 'vm-param-set', uuid, 'name-description=one\ntwo')
        self.assertEqual((1, '', "Error: Unknown field 'two'\n"),
                         story.xe('a', 'vm-param-set', uuid, 'name-description=one\ntwo'))
        self.assertEqual((0, 'one\n', ''), story.xe('a', 'vm-param-get', uuid, 'param-name=name-description'))
        story.xe('b', 'message-create', 'name=x', 'priority=5', 'body=first\nsecond=2', 'host-uuid=%s' % (
            story.uuids['xen-a']))
        self.assertEqual((0, 'first\n', ''), story.xe('a', 'message-list', 'params=body', '--minimal'))
        story.xe('a', 'vm-param-set', uuid, 'name-description=tail\r')
        self.assertEqual((0, 'tail\n', ''), story.xe('a', 'vm-param-get', uuid, 'param-name=name-description'))

    def test_long_requests(self):
        """Section 0: 200 KiB at most."""
        story = Story('new')
        pool = 'uuid=' + story.uuids['pool']
        self.assertEqual((0, '', ''), story.xe('b', 'pool-param-set', pool, 'other-config:k=' + 'x' * 10000))
        self.assertEqual((1, '', 'Server internal error.\n'),
                         story.xe('b', 'pool-param-set', pool, 'other-config:k=' + 'x' * 205000))

    def test_names_are_bytes_to_xapi(self):
        """UTF-8 of four bytes, quotes, blanks: nothing is changed."""
        story = Story('new')
        name = 'it\'s "a" \\ b; c: d, ' + smile()
        story.vm('odd', 'xen-b', name)
        uuid = 'uuid=' + story.uuids['odd']
        self.assertEqual((0, name + '\n', ''), story.xe('a', 'vm-param-get', uuid, 'param-name=name-label'))
        self.assertEqual((0, name.replace('\\', '\\\\').replace(',', '\\,') + '\n', ''),
                         story.xe('a', 'vm-list', uuid, 'params=name-label', '--minimal'))

    def test_power_fails_before_it_is_sent(self):
        self.play("""
    b&1 xe vm-shutdown uuid={mail}
    ! power_off('xen-b')
    ! run(60)
    ? state('mail') => running
    """, setup=with_vms)

    def test_first_of_equal_names(self):
        """Lookups use the first; filters use all."""
        self.play("""
    a$ xe vm-param-get uuid={web1} param-name=name-label param-name=uuid
    web1
    $?=0
    a$ xe vm-list name-label=web1 name-label=mail
    $?=0
    """, setup=with_vms)

    def test_help(self):
        status, out, err = Story('new').xe('b', 'help')
        self.assertEqual((0, ''), (status, err))
        self.assertTrue('vm-reset-powerstate' in out)

    def test_trace(self):
        self.play("""
    a$ xe vm-start uuid={web1} --trace
    2> You attempted an operation on a VM that was not in an appropriate power state at the time; for example, you attempted to start a VM that was already running. The parameters returned are the VM's handle, and the expected and actual VM state at the time of the call.
    2> vm: {web1} (web1)
    2> expected: halted
    2> actual: running
    2> Raised Server_error(VM_BAD_POWER_STATE, [ {ref:web1}; halted; running ])
    2> Backtrace:
    $?=1
    """, ['new'], setup=with_vms)


class Wording(TestCase):
    """Table 3.1: every code that can be met, in both eras."""

    rows = [
        ('INTERNAL_ERROR', ['x'],
         'The server failed to handle your request, due to an internal error.  The given message may give details useful for debugging the problem.\nmessage: x\n',
         'The server failed to handle your request, due to an internal error. The given message may give details useful for debugging the problem.\nmessage: x\n'),
        ('NO_HOSTS_AVAILABLE', [],
         'There were no hosts available to complete the specified operation.\n',
         'There were no servers available to complete the specified operation.\n'),
        ('HOST_DISABLED', ['xen-b'],
         'The specified host is disabled.\nhost: {xen-b} (xen-b)\n',
         'The specified server is disabled.\nhost: {xen-b} (xen-b)\n'),
        ('HOST_NOT_LIVE', [],
         'This operation cannot be completed as the host is not live.\n',
         'This operation cannot be completed as the server is not live.\n'),
        ('HOST_IS_LIVE', ['xen-b'],
         'This operation cannot be completed as the host is still live.\nhost: {xen-b} (xen-b)\n',
         'This operation cannot be completed because the server is still live.\nhost: {xen-b} (xen-b)\n'),
        ('HOST_NOT_ENOUGH_FREE_MEMORY', ['2', '1'],
         'Not enough host memory is available to perform this operation\nneeded: 2\navailable: 1\n',
         'Not enough server memory is available to perform this operation.\nneeded: 2\navailable: 1\n'),
        ('CANNOT_CONTACT_HOST', ['xen-b'],
         'Cannot forward messages because the host cannot be contacted.  The host may be switched off or there may be network connectivity problems.\nhost: {xen-b} (xen-b)\n',
         'Cannot forward messages because the server cannot be contacted. The server may be switched off or there may be network connectivity problems.\nhost: {xen-b} (xen-b)\n'),
        ('HOST_IS_SLAVE', ['10.0.0.1'],
         'You cannot make regular API calls directly on a slave. Please pass API calls via the master host.\nMaster IP address: 10.0.0.1\n',
         'You cannot make regular API calls directly on a supporter. Please pass API calls via the coordinator host.\nMaster IP address: 10.0.0.1\n'),
        ('HOST_HAS_RESIDENT_VMS', ['xen-b'],
         'This host cannot be forgotten because there are some user VMs still running\nhost: {xen-b} (xen-b)\n',
         'This server cannot be forgotten because there are user VMs still running.\nhost: {xen-b} (xen-b)\n'),
        ('VM_BAD_POWER_STATE', ['web1', 'halted', 'running'],
         "You attempted an operation on a VM that was not in an appropriate power state at the time; for example, you attempted to start a VM that was already running.  The parameters returned are the VM's handle, and the expected and actual VM state at the time of the call.\nvm: {web1} (web1)\nexpected: halted\nactual: running\n",
         "You attempted an operation on a VM that was not in an appropriate power state at the time; for example, you attempted to start a VM that was already running. The parameters returned are the VM's handle, and the expected and actual VM state at the time of the call.\nvm: {web1} (web1)\nexpected: halted\nactual: running\n"),
        ('OTHER_OPERATION_IN_PROGRESS', ['VM', 'web1'],
         'Another operation involving the object is currently in progress\nclass: VM\nobject: {web1} (web1)\n',
         'Another operation involving the object is currently in progress\nclass: VM\nobject: {web1} (web1)\noperation_type: <unknown>\noperation_ref: <unknown>\n'),
        ('HOST_OFFLINE', ['xen-b'],
         'You attempted an operation which involves a host which could not be contacted.\nhost: {xen-b} (xen-b)\n', None),
        ('HOST_STILL_BOOTING', [], 'The host toolstack is still initialising. Please wait.\n', None),
        ('UUID_INVALID', ['VM', '1111'], 'The uuid you supplied was invalid.\ntype: VM\nuuid: 1111\n', None),
        ('MAP_DUPLICATE_KEY', ['VM', 'other_config', 'web1', 'k'],
         'You tried to add a key-value pair to a map, but that key is already there.\ntype: VM\nparam_name: other_config\nuuid: {web1} (web1)\nkey: k\n', None),
        ('SR_HAS_PBD', ['nfs1'],
         'The SR is still connected to a host via a PBD. It cannot be destroyed or forgotten.\nsr: {nfs1} (nfs1)\n', None),
        ('DOMAIN_EXISTS', ['web1', '7'],
         'The operation could not be performed because a domain still exists for the specified VM.\nvm: {web1} (web1)\ndomid: 7\n', None),
        ('HA_IS_ENABLED', [], 'The operation could not be performed because HA is enabled on the Pool\n', None),
        ('HOST_UNKNOWN_TO_MASTER', ['xen-b'],
         "The master says the host is not known to it. Perhaps the Host was deleted from the master's database? Perhaps the slave is pointing to the wrong master?\nhost: {xen-b} (xen-b)\n",
         "The coordinator says the server is not known to it. Is the server in the coordinator's database and pointing to the correct coordinator? Are all servers using the same pool secret?\nhost: {xen-b} (xen-b)\n"),
        ('HOST_MASTER_CANNOT_TALK_BACK', ['10.0.0.2'],
         'The master reports that it cannot talk back to the slave on the supplied management IP address.\nip: 10.0.0.2\n',
         'The coordinator reports that it cannot talk back to the supporter on the supplied management IP address.\nip: 10.0.0.2\n'),
        ('OPERATION_NOT_ALLOWED', ['why'], 'You attempted an operation that was not allowed.\nreason: why\n', None),
        ('VM_REQUIRES_SR', ['web1', 'nfs1'],
         "You attempted to run a VM on a host which doesn't have access to an SR needed by the VM. The VM has at least one VBD attached to a VDI in the SR.\nvm: {web1} (web1)\nsr: {nfs1} (nfs1)\n", None),
        ('OPERATION_PARTIALLY_FAILED', ['VM_appliance.start', 'web1'],
         'Some VMs belonging to the appliance threw an exception while carrying out the specified operation\noperation: VM_appliance.start\n<extra>: {web1} (web1)\n', None),
        ('TASK_CANCELLED', ['OpaqueRef:x'],
         'The request was asynchronously canceled.\ntask: OpaqueRef:x\n', None),
        ('SR_BACKEND_FAILURE_46', ['', 'The VDI is not available [opterr=x]', ''],
         'Error code: SR_BACKEND_FAILURE_46\nError parameters: , The VDI is not available [opterr=x], \n', None),
        ('Missing parameter', ['foo'], 'Error code: Missing parameter\nError parameters: foo\n', None),
        ]

    def test_rows(self):
        for version in self.versions:
            story = Story(version)
            with_vms(story)
            for code, params, old, new in self.rows:
                error = xapi.ApiError(code, [story.uuids.get(word, word) for word in params])
                text = xapi.failed_text(error, story.pool.era, story.pool.database())
                self.assertEqual({'old': old, 'new': new or old}[version], story.to_names(text))

    def test_references_become_names(self):
        """3(1): a class without name-label shows its uuid alone."""
        story = Story('new')
        with_vms(story)
        db = story.pool.database()
        for value, shown in (('{ref:web1}', '{web1} (web1)'), ('{web1.vbd}', '{web1.vbd}'),
                             ('{ref:web1.vbd}', '{web1.vbd}'), ('OpaqueRef:nobody', 'OpaqueRef:nobody')):
            self.assertEqual(shown, story.to_names(xapi.readable(db, story.to_uuids(value))))


class Lists(TestCase):
    """Section 4."""

    def test_vm_list(self):
        """No templates; but control domains.  4.4"""
        self.play("""
    a$ xe vm-list is-control-domain=false
    uuid ( RO)           : {mail}
         name-label ( RW): mail
        power-state ( RO): running


    uuid ( RO)           : {db1}
         name-label ( RW): db, primary
        power-state ( RO): halted


    uuid ( RO)           : {web1}
         name-label ( RW): web1
        power-state ( RO): running


    $?=0 in 0.15 s
    a$ xe vm-list name-label='Control domain on host: xen-b'
    uuid ( RO)           : {xen-b.dom0}
         name-label ( RW): Control domain on host: xen-b
        power-state ( RO): running


    $?=0
    a$ xe vm-list name-label=Debian
    $?=0
    a$ xe vm-list is-a-template=true
    $?=0
    a$ xe vm-list uuid={debian}
    $?=0
    a$ xe template-list
    uuid ( RO)                : {debian}
              name-label ( RW): Debian
        name-description ( RW): |


    $?=0
    a$ xe vm-param-get uuid={debian} param-name=is-a-template
    true
    $?=0
    a$ xe snapshot-list
    $?=0
    """, setup=with_vms)

    def test_other_defaults(self):
        self.play("""
    b$ xe pool-list
    uuid ( RO)                : {pool}
              name-label ( RW): |
        name-description ( RW): |
                  master ( RO): {xen-a}
              default-SR ( RW): {nfs1}


    $?=0
    b$ xe host-list name-label=xen-b
    uuid ( RO)                : {xen-b}
              name-label ( RW): xen-b
        name-description ( RW): |


    $?=0
    b$ xe sr-list
    uuid ( RO)                : {nfs1}
              name-label ( RW): nfs1
        name-description ( RW): |
                    host ( RO): <shared>
                    type ( RO): nfs
            content-type ( RO): user


    $?=0
    b$ xe vbd-list vm-uuid={web1}
    uuid ( RO)             : {web1.vbd}
              vm-uuid ( RO): {web1}
        vm-name-label ( RO): web1
             vdi-uuid ( RO): {web1.vdi}
                empty ( RO): false
               device ( RO): xvda


    $?=0
    b$ xe vdi-list name-label='web1 disk'
    uuid ( RO)                : {web1.vdi}
              name-label ( RW): web1 disk
        name-description ( RW): |
                 sr-uuid ( RO): {nfs1}
            virtual-size ( RO): 8589934592
                sharable ( RO): false
               read-only ( RO): false


    $?=0
    b$ xe pif-list host-uuid={xen-c} management=true params=IP --minimal
    10.0.0.3
    $?=0
    b$ xe network-list params=name-label,bridge
    name-label ( RW)    : Pool-wide network associated with eth0
            bridge ( RO): xenbr0


    $?=0
    b$ xe pbd-list host-uuid={xen-b} params=sr-uuid,host-uuid,currently-attached,host-name-label,sr-name-label
    host-uuid ( RO)             : {xen-b}
           host-name-label ( RO): xen-b
                   sr-uuid ( RO): {nfs1}
             sr-name-label ( RO): nfs1
        currently-attached ( RO): true


    $?=0
    b$ xe task-list
    $?=0
    b$ xe message-list
    $?=0
    b$ xe appliance-list
    $?=0
    """, setup=with_vms)

    def test_local_storage(self):
        self.play("""
    ! uuid['local'] = pool.new_sr('local', False, 'xen-b')
    a$ xe sr-list uuid={local} params=host,type,shared
    host ( RO)      : xen-b
          type ( RO): lvm
        shared ( RW): false


    $?=0
    """)

    def test_order_and_names_of_fields(self):
        """The class's own order; names that do not exist are ignored.  4.1"""
        self.play("""
    a$ xe vm-list uuid={web1} params=power-state,nonsense,uuid
    uuid ( RO)           : {web1}
        power-state ( RO): running


    $?=0
    a$ xe vm-list uuid={web1} params=other-config:ha
    


    $?=0
    a$ xe vm-list uuid={web1} 'params=power-state, uuid'
    power-state ( RO)    : running


    $?=0
    a$ xe vm-list uuid={web1} params=ha-always-run,tags,order,resident-on
    resident-on ( RO)                   : {xen-b}
        ha-always-run ( RW) [DEPRECATED]: false
                              tags (SRW): |
                             order ( RW): 0


    $?=0
    """, setup=with_vms)

    def test_tags_of_fields(self):
        """Section 6: what an HA tool reads of a VM and a host."""
        story = Story('new')
        lefts = {}
        for kind in ('vm', 'host', 'pool', 'appliance', 'message', 'task', 'pbd'):
            for field in story.pool.schema.fields[kind]:
                lefts[(kind, field.name)] = field.left
        for kind, left in (
                ('vm', 'is-control-domain ( RO)'), ('vm', 'current-operations (SRO)'), ('vm', 'affinity ( RW)'),
                ('vm', 'blocked-operations (MRW)'), ('vm', 'start-delay ( RW)'), ('vm', 'bios-strings (MRO)'),
                ('vm', 'snapshot-info ( RO)'), ('vm', 'VCPUs-utilisation (MRO)'), ('host', 'enabled ( RO)'),
                ('host', 'patches (SRO) [DEPRECATED]'), ('host', 'software-version (MRO)'),
                ('host', 'resident-vms (SRO)'), ('pool', 'gui-config (MRW)'), ('pool', 'ha-enabled ( RO)'),
                ('pool', 'ha-configuration ( RO)'), ('appliance', 'VMs (SRO)'), ('message', 'body ( RO)'),
                ('task', 'allowed_operations (SRO)'), ('pbd', 'host ( RO) [DEPRECATED]')):
            self.assertEqual(left, lefts[(kind, left.split(' ')[0])])

    def test_all(self):
        """--all ignores every filter, the class's own too."""
        self.play("""
    a$ xe vm-list --all name-label=web1 params=name-label --minimal
    mail,Control domain on host: xen-b,Control domain on host: xen-c,Debian,db\\, primary,Control domain on host: xen-a,web1
    $?=0
    """, setup=with_vms)

    def test_params_all(self):
        self.play("""
    a$ xe appliance-list
    uuid ( RO)                  : {shop}
                name-label ( RW): shop
          name-description ( RW): |
                       VMs (SRO): {mail}; {web1}
        allowed-operations (SRO): |
        current-operations (SRO): |


    $?=0
    """, setup=with_appliance)

    def test_minimal(self):
        """4.2"""
        self.play("""
    a$ xe vm-list params=name-label is-control-domain=false --minimal
    mail,db\\, primary,web1
    $?=0
    a$ xe vm-list params=power-state,uuid is-control-domain=false --minimal
    {mail},{db1},{web1}
    $?=0
    a$ xe vm-list name-label=nope --minimal
    
    $?=0
    a$ xe vm-list name-label=nope
    $?=0
    a$ xe vm-param-get uuid={db1} param-name=name-label --minimal
    db\\, primary
    $?=0
    a$ xe vm-param-get uuid={db1} param-name=name-label
    db, primary
    $?=0
    a$ xe vm-param-set uuid={db1} name-label='back\\slash' --minimal
    
    $?=0
    a$ xe vm-list uuid={db1} params=name-label --minimal
    back\\\\slash
    $?=0
    b$ xe host-is-in-emergency-mode --minimal
    
    $?=0
    b$ xe host-is-in-emergency-mode
    false
    $?=0
    """, setup=with_vms)

    def test_values(self):
        """4.3"""
        self.play("""
    a$ xe vm-list uuid={db1} params=resident-on,affinity,appliance,snapshot-of,parent,dom-id,suspend-VDI-uuid
    snapshot-of ( RO)         : <not in database>
                  parent ( RO): <not in database>
        suspend-VDI-uuid ( RW): <not in database>
             resident-on ( RO): <not in database>
                affinity ( RW): <not in database>
                  dom-id ( RO): -1
               appliance ( RW): <not in database>


    $?=0
    a$ xe vm-list uuid={web1} params=start-time,HVM-shadow-multiplier,memory-target,possible-hosts,hvm
    memory-target ( RO)            : <expensive field>
                          hvm ( RO): false
               possible-hosts (SRO): <expensive field>
        HVM-shadow-multiplier ( RW): 0.000
                   start-time ( RO): 19700101T00:00:00Z


    $?=0
    a$ xe vm-param-get uuid={web1} param-name=possible-hosts
    {xen-a}; {xen-b}; {xen-c}
    $?=0
    a$ xe host-list uuid={xen-a} params=memory-free-computed,memory-free,memory-total,host-metrics-live
    memory-total ( RO)            : 68719476736
                 memory-free ( RO): 67645734912
        memory-free-computed ( RO): <expensive field>
           host-metrics-live ( RO): true


    $?=0
    a$ xe host-list uuid={xen-b} params=memory-free,resident-vms
    memory-free ( RO)     : 66555215872
        resident-vms (SRO): {xen-b.dom0}; {web1}


    $?=0
    """, setup=with_vms)

    def test_empty_drive(self):
        self.play("""
    ! uuid['cd'] = pool.database().create('vbd', world.new_uuid('vbd'), VM=uuid['web1'], VDI='', empty=True)
    a$ xe vbd-list uuid={cd} params=vdi-uuid,vdi-name-label,empty
    vdi-uuid ( RO)          : <not in database>
        vdi-name-label ( RO): <EMPTY>
                 empty ( RO): true


    $?=0
    """, setup=with_vms)

    def test_maps_and_filters(self):
        """4.5, with the transcript of that section."""
        self.play("""
    a$ xe vm-param-set uuid={db1} other-config:XenCenter.CustomFields.ha=true other-config:auto_poweron=true name-label=web1
    $?=0
    a$ xe vm-list is-control-domain=false other-config:XenCenter.CustomFields.ha=true params=name-label,other-config,power-state,resident-on
    name-label ( RW)      : web1
         power-state ( RO): halted
         resident-on ( RO): <not in database>
        other-config (MRW): auto_poweron: true; XenCenter.CustomFields.ha: true


    $?=0
    a$ xe vm-list other-config-auto_poweron=true params=power-state --minimal
    halted
    $?=0
    a$ xe vm-list other-config:absent=true
    $?=0
    a$ xe vm-list other-config:auto_poweron=TRUE
    $?=0
    a$ xe vm-list name-label:x=1
    2> Error: Field 'name-label' is not a set or map
    $?=1
    a$ xe vm-list nothing:x=1
    2> Error: Unknown field 'nothing:x'
    $?=1
    a$ xe vm-list tags:x=1
    2> Error: Invalid syntax for set filtering (should be set-param:contains=key)
    $?=1
    a$ xe vm-param-add uuid={web1} param-name=tags param-key=ha
    $?=0
    a$ xe vm-param-add uuid={web1} param-name=tags param-key=gold
    $?=0
    a$ xe vm-list tags:contains=ha params=uuid,tags
    uuid ( RO)    : {web1}
        tags (SRW): ha, gold


    $?=0
    a$ xe vm-list tags-contains=gold params=uuid --minimal
    {web1}
    $?=0
    a$ xe vm-list affinity='<not in database>' is-control-domain=false power-state=halted params=uuid --minimal
    {db1}
    $?=0
    a$ xe vm-list resident-on={xen-b} is-control-domain=false params=uuid --minimal
    {web1}
    $?=0
    a$ xe vm-list power-state=Running
    $?=0
    a$ xe vm-list uuid=11111111-1111-1111-1111-111111111111
    $?=0
    a$ xe host-list enabled=true params=name-label --minimal
    xen-a,xen-b,xen-c
    $?=0
    a$ xe vm-list possible-hosts:contains={xen-a} power-state=halted params=uuid --minimal
    {db1}
    $?=0
    a$ xe pif-list MAC=AA:BB:CC:00:00:01 params=host-name-label --minimal
    xen-b
    $?=0
    a$ xe vm-list database:x=y uuid={db1} params=uuid --minimal
    {db1}
    $?=0
    """, setup=with_vms)

    def test_newlines_in_values_are_raw(self):
        """4.1: block parsing by blank line is unsafe."""
        story = Story('new')
        with_vms(story)
        story.pool.set_field('vm', story.uuids['web1'], name_description='one\n\n\nuuid ( RO) : fake')
        self.assertEqual((0, 'name-description ( RW)    : one\n\n\nuuid ( RO) : fake\n\n\n', ''),
                         story.xe('a', 'vm-list', 'uuid=' + story.uuids['web1'], 'params=name-description'))

    def test_old_fields(self):
        self.play("""
    a$ xe pool-list params=https-only
    


    $?=0
    a$ xe vm-list groups:contains=x
    2> Error: Unknown field 'groups:contains'
    $?=1
    """, ['old'])
        self.play("""
    a$ xe pool-list params=https-only
    https-only ( RW)    : false


    $?=0
    """, ['new'])


def with_appliance(story):
    with_vms(story)
    story.uuids['shop'] = story.pool.new_appliance('shop', [story.uuids['web1'], story.uuids['mail']])


class Params(TestCase):
    """Section 5."""

    def test_bad_uuids(self):
        for kind, name in (('vm', 'VM'), ('host', 'host'), ('pool', 'pool'), ('sr', 'SR'), ('vdi', 'VDI'),
                           ('vbd', 'VBD'), ('pbd', 'PBD'), ('pif', 'PIF'), ('network', 'network'),
                           ('appliance', 'VM_appliance'), ('task', 'task'), ('message', 'message')):
            self.play("""
    a$ xe %s-param-get uuid=11111111-1111-1111-1111-111111111111 param-name=uuid
    2> The uuid you supplied was invalid.
    2> type: %s
    2> uuid: 11111111-1111-1111-1111-111111111111
    $?=1
    """ % (kind, name))

    def test_get(self):
        self.play("""
    b$ xe vm-param-get uuid={web1} param-name=power-state
    running
    $?=0 in 0.15 s
    b$ xe vm-param-get uuid={web1} param-name=name-description
    
    $?=0
    b$ xe vm-param-get uuid={web1} param-name=foo
    2> Error code: Missing parameter
    2> Error parameters: foo
    $?=1
    b$ xe vm-param-get uuid={web1} param-name=other-config param-key=K
    2> Error: Key K not found in map
    $?=1
    b$ xe pool-param-get uuid={pool} param-name=other-config param-key=XenCenter.CustomFields.ha-lizard-enabled
    2> Error: Key XenCenter.CustomFields.ha-lizard-enabled not found in map
    $?=1
    b$ xe pool-param-set uuid={pool} other-config:a.b:c=d=e
    $?=0
    b$ xe pool-param-get uuid={pool} param-name=other-config param-key=a.b:c
    d=e
    $?=0
    b$ xe pool-param-get uuid={pool} param-name=other-config
    a.b:c: d=e
    $?=0
    b$ xe vm-param-get uuid={web1} param-name=name-label param-key=x
    web1
    $?=0
    b$ xe host-param-get uuid={xen-c} param-name=enabled
    true
    $?=0
    b$ xe vm-param-get uuid={web1} param-name=nested-virt
    false
    $?=0
    b$ xe vm-param-get uuid={web1} param-name=memory-target
    0
    $?=0
    """, setup=with_vms)

    def test_set(self):
        self.play("""
    a$ xe vm-param-set uuid={web1} name-label=www order=3 start-delay=7 affinity={xen-c}
    $?=0 in 0.15 s
    a$ xe vm-list uuid={web1} params=name-label,order,start-delay,affinity
    name-label ( RW)     : www
           affinity ( RW): {xen-c}
        start-delay ( RW): 7
              order ( RW): 3


    $?=0
    a$ xe vm-param-set uuid={web1} affinity=
    $?=0
    a$ xe vm-param-get uuid={web1} param-name=affinity
    <not in database>
    $?=0
    a$ xe vm-param-set uuid={web1} affinity=nobody
    2> The uuid you supplied was invalid.
    2> type: host
    2> uuid: nobody
    $?=1
    a$ xe vm-param-set uuid={web1} power-state=halted
    2> Error: Field 'power-state' is read-only.
    $?=1
    a$ xe host-param-set uuid={xen-b} enabled=false
    2> Error: Field 'enabled' is read-only.
    $?=1
    a$ xe vm-param-set uuid={web1} other-config=x
    2> Error: Field 'other-config' is a map or set. use the 'name:key=value' syntax.
    $?=1
    a$ xe host-param-set uuid={xen-b} software-version:x=y
    2> Error: Map field 'software-version' is read-only.
    $?=1
    a$ xe vm-param-set uuid={web1} tags:contains=x
    2> Error: Cannot param-set on set fields
    $?=1
    a$ xe vm-param-set uuid={web1} foo=x
    2> Error: Unknown field 'foo'
    $?=1
    a$ xe vm-param-set uuid={web1} start-delay=soon
    2> Error: Failed to parse parameter 'start-delay': expecting an integer
    $?=1
    a$ xe vm-param-set uuid={web1} is-a-template=perhaps
    2> Error: Failed to parse parameter 'is-a-template': expecting a boolean (true or false)
    $?=1
    a$ xe vm-param-set uuid={web1} memory-static-max=2GiB
    $?=0
    a$ xe vm-param-get uuid={web1} param-name=memory-static-max
    2147483648
    $?=0
    a$ xe vm-param-set uuid={web1} ha-restart-priority=always
    2> The value given is invalid
    2> field: ha_restart_priority
    2> value: always
    $?=1
    a$ xe vm-param-set uuid={web1} ha-restart-priority=restart
    $?=0
    a$ xe vm-param-set uuid={web1} name-label=first foo=x order=9
    2> Error: Unknown field 'foo'
    $?=1
    a$ xe vm-list uuid={web1} params=name-label,order
    name-label ( RW)    : first
             order ( RW): 3


    $?=0
    """, setup=with_vms)

    def test_readers_see_the_gap(self):
        """An existing key is removed, then added: two calls.  5"""
        self.play("""
    a$ xe pool-param-set uuid={pool} other-config:k=1
    $?=0 in 0.15 s
    a&1 xe pool-param-set uuid={pool} other-config:k=2
    ! run(0.005)
    b&2 xe pool-param-get uuid={pool} param-name=other-config param-key=k
    wait 1
    $?=0 in 0.16 s
    wait 2
    2> Error: Key k not found in map
    $?=1
    b$ xe pool-param-get uuid={pool} param-name=other-config param-key=k
    2
    $?=0
    """)

    def test_the_gap_outlives_its_maker(self):
        """A master that dies between the two calls has lost the key."""
        self.play("""
    a$ xe pool-param-set uuid={pool} other-config:k=1
    $?=0
    b&1 xe pool-param-set uuid={pool} other-config:k=2
    ! run(0.155)
    ! pool.restart('xen-a')
    ! run(60)
    a$ xe pool-param-get uuid={pool} param-name=other-config param-key=k
    2> Error: Key k not found in map
    $?=1
    """)

    def test_add_remove_clear(self):
        self.play("""
    a$ xe vm-param-add uuid={web1} param-name=other-config k=v l=w
    $?=0
    a$ xe vm-param-get uuid={web1} param-name=other-config
    l: w; k: v
    $?=0
    a$ xe vm-param-add uuid={web1} param-name=other-config k=x
    2> You tried to add a key-value pair to a map, but that key is already there.
    2> type: VM
    2> param_name: other_config
    2> uuid: {web1} (web1)
    2> key: k
    $?=1
    a$ xe host-param-add uuid={xen-b} param-name=software-version k=v
    2> Error: Parameter is read-only
    $?=1
    a$ xe vm-param-add uuid={web1} param-name=VBDs param-key=v
    2> Error: Parameter is read-only
    $?=1
    a$ xe vm-param-add uuid={web1} param-name=name-label k=v
    2> Error: Can only add to parameters of type Set or Map
    $?=1
    a$ xe vm-param-add uuid={web1} param-name=tags ha=1
    2> Error: When adding a key to a set, use the syntax: *-param-add param-name=<name> param-key=<key>
    $?=1
    a$ xe vm-param-add uuid={web1} param-name=foo k=v
    2> Error code: Missing parameter
    2> Error parameters: foo
    $?=1
    a$ xe vm-param-remove uuid={web1} param-name=other-config param-key=k
    $?=0
    a$ xe vm-param-remove uuid={web1} param-name=other-config param-key=k
    2> Error: Key k is not in map
    $?=1
    a$ xe vm-param-remove uuid={web1} param-name=tags param-key=k
    2> Error: Key k is not in the set
    $?=1
    a$ xe host-param-remove uuid={xen-b} param-name=software-version param-key=xapi
    2> Error: Cannot remove parameters from read-only map
    $?=1
    a$ xe vm-param-remove uuid={web1} param-name=name-label param-key=k
    2> Error: Can only remove from parameters of type Set or Map
    $?=1
    a$ xe vm-param-clear uuid={web1} param-name=other-config
    $?=0
    a$ xe vm-param-get uuid={web1} param-name=other-config
    
    $?=0
    a$ xe vm-param-clear uuid={web1} param-name=name-description
    $?=0
    a$ xe vm-param-clear uuid={web1} param-name=order
    2> Error: Cannot clear this parameter
    $?=1
    a$ xe vm-param-clear uuid={web1} param-name=power-state
    2> Error: Can only clear RW parameters
    $?=1
    """, setup=with_vms)

    def test_param_list(self):
        """One block; expensive fields have their values; hidden ones are missing."""
        story = Story('new')
        with_vms(story)
        status, out, err = story.xe('a', 'vm-param-list', 'uuid=' + story.uuids['web1'])
        self.assertEqual((0, ''), (status, err))
        self.assertEqual('\n\n\n', out[-3:])
        self.assertEqual(1, out.count('\n\n'))
        self.assertFalse('<expensive field>' in out)
        self.assertFalse('nomigrate' in out)
        self.assertTrue('possible-hosts (SRO): %s; ' % story.uuids['xen-a'] in out)


class Start(TestCase):
    """7.1, 7.2, 8: starting VMs."""

    def test_plain(self):
        self.play("""
    b$ xe vm-start uuid={db1} on={xen-c}
    $?=0 in 3.15 s
    ? where('db1') => xen-c
    b$ xe vm-list uuid={db1} params=power-state,resident-on,dom-id
    power-state ( RO)    : running
        resident-on ( RO): {xen-c}
             dom-id ( RO): 2


    $?=0
    b$ xe vbd-param-get uuid={db1.vbd} param-name=currently-attached
    true
    $?=0
    b$ xe vdi-param-get uuid={db1.vdi} param-name=sm-config
    host_{ref:xen-c}: RW
    $?=0
    a$ xe vm-shutdown uuid={db1}
    $?=0 in 2.15 s
    a$ xe vm-start uuid={db1} on=xen-b
    $?=0
    ? where('db1') => xen-b
    """, setup=with_vms)

    def test_selectors(self):
        self.play("""
    a$ xe vm-start uuid=11111111-1111-1111-1111-111111111111
    2> Error: No matching VMs found
    $?=1
    a$ xe vm-start uuid={debian}
    2> Error: No matching VMs found
    $?=1
    a$ xe vm-start uuid=
    2> Error: No matching VMs found
    $?=1
    a$ xe vm-start
    2> Error: Multiple matches VMs found. --multiple required to complete the operation
    $?=1
    a$ xe vm-shutdown --force
    2> Error: Multiple matches VMs found. --multiple required to complete the operation
    $?=1
    a$ xe vm-start name-label=db
    2> Error: No matching VMs found
    $?=1
    a$ xe vm-start x=y
    2> Error: Unknown field 'x'
    $?=1
    a$ xe vm-start uuid={db1} on=nobody
    2> Error: Host nobody not found
    $?=1
    a$ xe vm-start vm='db, primary' on={xen-a}
    $?=0
    a$ xe vm-shutdown power-state=running --multiple is-control-domain=true
    2> Error: No matching VMs found
    $?=1
    a$ xe vm-shutdown power-state=running --multiple
    $?=0 in 6.15 s
    ? ' '.join([state('web1'), state('mail'), state('db1')]) => halted halted halted
    """, setup=with_vms)

    def test_several_with_failures(self):
        """3(7): on stdout; the others have been done."""
        self.play("""
    a$ xe vm-start is-control-domain=false --multiple
    operation failed on {web1}: You attempted an operation on a VM that was not in an appropriate power state at the time; for example, you attempted to start a VM that was already running. The parameters returned are the VM's handle, and the expected and actual VM state at the time of the call.
    vm: {web1} (web1)
    expected: halted
    actual: running
    operation failed on {mail}: You attempted an operation on a VM that was not in an appropriate power state at the time; for example, you attempted to start a VM that was already running. The parameters returned are the VM's handle, and the expected and actual VM state at the time of the call.
    vm: {mail} (mail)
    expected: halted
    actual: running
    $?=1
    ? state('db1') => running
    """, ['new'], setup=with_vms)

    def test_already_running(self):
        """8(a)"""
        self.play("""
    a$ xe vm-start uuid={web1}
    2> You attempted an operation on a VM that was not in an appropriate power state at the time; for example, you attempted to start a VM that was already running.  The parameters returned are the VM's handle, and the expected and actual VM state at the time of the call.
    2> vm: {web1} (web1)
    2> expected: halted
    2> actual: running
    $?=1 in 0.15 s
    a$ xe vm-start uuid={web1} --force
    2> You attempted an operation on a VM that was not in an appropriate power state at the time; for example, you attempted to start a VM that was already running.  The parameters returned are the VM's handle, and the expected and actual VM state at the time of the call.
    2> vm: {web1} (web1)
    2> expected: halted
    2> actual: running
    $?=1
    a$ xe vm-shutdown uuid={db1} --force
    2> You attempted an operation on a VM that was not in an appropriate power state at the time; for example, you attempted to start a VM that was already running.  The parameters returned are the VM's handle, and the expected and actual VM state at the time of the call.
    2> vm: {db1} (db, primary)
    2> expected: paused, suspended, running
    2> actual: halted
    $?=1
    """, ['old'], setup=with_vms)

    def test_duplicate(self):
        """8(j): the second waits, then fails."""
        self.play("""
    a&1 xe vm-start uuid={db1} on={xen-b}
    ! run(1)
    b&2 xe vm-start uuid={db1} on={xen-c}
    ! run(1)
    a$ xe vm-list uuid={db1} params=power-state,current-operations,resident-on
    power-state ( RO)           : halted
        current-operations (SRO): start_on
               resident-on ( RO): <not in database>


    $?=0
    a$ xe task-list params=name-label,status
    name-label ( RO)    : Async.VM.start_on
            status ( RO): pending


    $?=0
    wait 1
    $?=0 in 3.15 s
    wait 2
    2> You attempted an operation on a VM that was not in an appropriate power state at the time; for example, you attempted to start a VM that was already running. The parameters returned are the VM's handle, and the expected and actual VM state at the time of the call.
    2> vm: {db1} (db, primary)
    2> expected: halted
    2> actual: running
    $?=1 in 2.15 s
    ? where('db1') => xen-b
    a$ xe task-list
    $?=0
    """, ['new'], setup=with_vms)

    def test_duplicate_of_a_failure(self):
        """The second goes on when the first fails."""
        self.play("""
    ! hosts['xen-b'].storage = False
    a&1 xe vm-start uuid={db1} on={xen-b}
    a$ xe vm-start uuid={db1} on={xen-c}
    $?=0
    wait 1
    2> Error code: SR_BACKEND_FAILURE_47
    2> Error parameters: , The SR is not available [opterr=no such volume group: VG_XenStorage-{nfs1}], |
    $?=1
    """, setup=with_vms)

    def test_start_delay(self):
        """Slept inside the call; twice with on=.  The VM runs meanwhile."""
        self.play("""
    a$ xe vm-param-set uuid={db1} start-delay=20
    $?=0
    a&1 xe vm-start uuid={db1}
    ! run(3.2)
    ? state('db1') => running
    wait 1
    $?=0 in 23.15 s
    a$ xe vm-shutdown uuid={db1} --force
    $?=0
    a$ xe vm-start uuid={db1} on={xen-b}
    $?=0 in 43.15 s
    """, setup=with_vms)

    def test_goes_on_without_its_client(self):
        """Section 0: killing the client does not cancel the operation."""
        self.play("""
    b$ xe vm-start uuid={db1} on={xen-c}
    hangs for 1 s
    ? where('db1') => nowhere
    ! run(3)
    ? where('db1') => xen-c
    ? state('db1') => running
    """, setup=with_vms)

    def test_placement(self):
        """Affinity first; then memory.  A dead host counts as live for 600 s."""
        self.play("""
    a$ xe vm-param-set uuid={db1} affinity={xen-c}
    $?=0
    a$ xe vm-start uuid={db1}
    $?=0
    ? where('db1') => xen-c
    a$ xe vm-shutdown uuid={db1} --force
    $?=0
    a$ xe vm-param-set uuid={db1} affinity=
    $?=0
    a$ xe vm-start uuid={db1}
    $?=0
    ? where('db1') => xen-a
    """, setup=with_vms)

    def test_placement_on_a_dead_host(self):
        """7.2: live in the database is enough to be chosen; the call ends
        after minutes; 8(c)."""
        self.play("""
    a$ xe vm-param-set uuid={db1} affinity={xen-c}
    $?=0
    ! power_off('xen-c')
    a&1 xe vm-start uuid={db1}
    a$ xe host-list uuid={xen-c} params=enabled,host-metrics-live
    enabled ( RO)              : true
        host-metrics-live ( RO): true


    $?=0
    wait 1
    2> Cannot forward messages because the server cannot be contacted. The server may be switched off or there may be network connectivity problems.
    2> host: {xen-c} (xen-c)
    $?=1 in 133.15 s
    ? state('db1') => halted
    ! run(600)
    a$ xe host-list uuid={xen-c} params=enabled,host-metrics-live
    enabled ( RO)              : true
        host-metrics-live ( RO): false


    $?=0
    a$ xe vm-start uuid={db1}
    $?=0 in 3.15 s
    ? where('db1') => xen-a
    """, ['new'], setup=with_vms)

    def test_host_is_not_live(self):
        """8(c)"""
        self.play("""
    ! power_off('xen-c')
    ! run(660)
    a$ xe vm-start uuid={db1} on={xen-c}
    2> This operation cannot be completed as the server is not live.
    $?=1 in 0.15 s
    b$ xe host-disable uuid={xen-b}
    $?=0
    a$ xe vm-start uuid={db1} on={xen-b}
    2> The specified server is disabled.
    2> host: {xen-b} (xen-b)
    $?=1
    a$ xe host-disable uuid={xen-a}
    $?=0
    a$ xe vm-start uuid={db1}
    There are no suitable hosts to start this VM on.
    The following table provides per-host reasons for why the VM could not be started:

    xen-a    : Cannot start here [Host disabled (use 'xe host-enable' to re-enable)]
        xen-b: Cannot start here [Host disabled (use 'xe host-enable' to re-enable)]
        xen-c: Cannot start here [Host down]


    2> There were no servers available to complete the specified operation.
    $?=1
    a$ xe vm-start uuid={db1} --minimal
    2> There were no servers available to complete the specified operation.
    $?=1
    """, ['new'], setup=with_vms)

    def test_no_host_has_the_storage(self):
        self.play("""
    a$ xe pbd-list host-uuid={xen-a} --minimal
    {pbd-a}
    $?=0
    a$ xe pbd-unplug uuid={pbd-a}
    $?=0
    a$ xe vm-start uuid={db1} on={xen-a}
    2> You attempted to run a VM on a host which doesn't have access to an SR needed by the VM. The VM has at least one VBD attached to a VDI in the SR.
    2> vm: {db1} (db, primary)
    2> sr: {nfs1} (nfs1)
    $?=1
    ! power_off('xen-b')
    ! power_off('xen-c')
    ! run(660)
    a$ xe vm-start uuid={db1}
    There are no suitable hosts to start this VM on.
    The following table provides per-host reasons for why the VM could not be started:

    xen-a    : Cannot start here [VM requires access to SR: {nfs1} (nfs1)]
        xen-b: Cannot start here [Host down]
        xen-c: Cannot start here [Host down]


    2> There were no servers available to complete the specified operation.
    $?=1
    a$ xe pbd-plug uuid={pbd-a}
    $?=0
    a$ xe vm-start uuid={db1}
    $?=0
    """, ['new'], setup=with_pbds)

    def test_memory(self):
        """8(d): bytes, with overhead; also without on=, from the chosen host."""
        self.play("""
    ! vm('big', None, 'big', memory=4)
    ! pool.set_field('host', uuid['xen-a'], memory_total=2 * xapi.GIB)
    ! pool.set_field('host', uuid['xen-b'], memory_total=3 * xapi.GIB)
    ! pool.set_field('host', uuid['xen-c'], memory_total=2 * xapi.GIB)
    a$ xe vm-start uuid={big} on={xen-a}
    2> Not enough server memory is available to perform this operation.
    2> needed: 4311744512
    2> available: 1073741824
    $?=1
    a$ xe vm-start uuid={big}
    2> Not enough server memory is available to perform this operation.
    2> needed: 4311744512
    2> available: 1073741824
    $?=1
    """, ['new'], setup=with_vms)

    def test_memory_of_starts_under_way(self):
        """What is about to start there counts."""
        self.play("""
    ! vm('one', None, 'one', memory=1)
    ! vm('two', None, 'two', memory=1)
    ! pool.set_field('host', uuid['xen-a'], memory_total=int(3.5 * xapi.GIB))
    a&1 xe vm-start uuid={one} on={xen-a}
    a&2 xe vm-start uuid={two} on={xen-a}
    ! run(1)
    a$ xe vm-start uuid={db1} on={xen-a}
    2> Not enough server memory is available to perform this operation.
    2> needed: 1090519040
    2> available: 503316480
    $?=1
    wait 1
    $?=0
    wait 2
    $?=0
    """, ['new'], setup=with_vms)

    def test_a_host_builds_four_at_a_time(self):
        """xenopsd has four workers; what comes later waits, on this host alone."""
        self.play("""
    ! [vm(name, None, name) for name in ('v1', 'v2', 'v3', 'v4')]
    a&1 xe vm-start uuid={v1} on={xen-a}
    a&2 xe vm-start uuid={v2} on={xen-a}
    a&3 xe vm-start uuid={v3} on={xen-a}
    a&4 xe vm-start uuid={v4} on={xen-a}
    ! run(1)
    a&5 xe vm-start uuid={db1} on={xen-a}
    ! run(2.5)
    ? [where(name) for name in ('v1', 'v4', 'db1')] => ['xen-a', 'xen-a', 'nowhere']
    ? [host.xapi.queued for name, host in sorted(hosts.items())] => [1, 0, 0]
    ! run(3)
    ? where('db1') => xen-a
    """, ['new'], setup=with_vms)

    def test_blocked(self):
        self.play("""
    a$ xe vm-param-set uuid={db1} blocked-operations:start=no
    $?=0
    a$ xe vm-start uuid={db1}
    2> You attempted an operation that was explicitly blocked (see the blocked_operations field of the given object).
    2> ref: {db1} (db, primary)
    2> code: no
    $?=1
    """, setup=with_vms)

    def test_paused(self):
        self.play("""
    a$ xe vm-start uuid={db1} paused=true on={xen-b}
    $?=0
    ? state('db1') + ' ' + hosts['xen-b'].domains[uuid['db1']] => paused paused
    a$ xe vm-unpause uuid={db1}
    $?=0
    ? state('db1') + ' ' + hosts['xen-b'].domains[uuid['db1']] => running running
    a$ xe vm-pause uuid={db1}
    $?=0
    a$ xe vm-shutdown uuid={db1} --force
    $?=0
    ? state('db1') => halted
    """, setup=with_vms)

    def test_a_broken_start(self):
        self.play("""
    ! pool.broken = ('SR_BACKEND_FAILURE_40', ['', 'The SR scan failed', ''])
    a$ xe vm-start uuid={db1} on={xen-b}
    2> Error code: SR_BACKEND_FAILURE_40
    2> Error parameters: , The SR scan failed, |
    $?=1
    ? state('db1') => halted
    """, setup=with_vms)

    def test_host_dies_under_a_start(self):
        """Nothing aborts the call; 8(c).  The VM does not run."""
        self.play("""
    a&1 xe vm-start uuid={db1} on={xen-c}
    ! run(1)
    ! power_off('xen-c')
    a$ xe vm-list uuid={db1} params=power-state,current-operations
    power-state ( RO)           : halted
        current-operations (SRO): start_on


    $?=0
    ! run(3600)
    ? story.begun['1'][0] => None
    ? state('db1') => halted
    a$ xe vm-reset-powerstate uuid={db1} --force
    $?=0
    a$ xe vm-start uuid={db1} on={xen-b}
    2> Error code: SR_BACKEND_FAILURE_46
    2> Error parameters: , The VDI is not available [opterr=['HOST_OFFLINE', '{ref:xen-c}']], |
    $?=1
    """, setup=with_vms)

    def test_link_is_cut_under_a_start(self):
        """The host starts it all the same; the master hears when it can."""
        self.play("""
    a&1 xe vm-start uuid={db1} on={xen-c}
    ! run(1)
    ! cut('xen-a', 'xen-c')
    ! run(100)
    ? where('db1') + ' ' + state('db1') => xen-c halted
    ! heal('xen-a', 'xen-c')
    ! run(1)
    ? where('db1') + ' ' + state('db1') => xen-c running
    wait 1
    $?=0
    """, setup=with_vms)

    def test_xapi_restarts_under_a_start(self):
        self.play("""
    a&1 xe vm-start uuid={db1} on={xen-c}
    ! run(1)
    ! pool.restart('xen-c')
    wait 1
    2> Cannot forward messages because the server cannot be contacted. The server may be switched off or there may be network connectivity problems.
    2> host: {xen-c} (xen-c)
    $?=1
    ? where('db1') + ' ' + state('db1') => nowhere halted
    """, ['new'], setup=with_vms)


def with_pbds(story):
    with_vms(story)
    for row in story.pool.database().rows('pbd'):
        story.uuids['pbd-' + story.pool.host_of(row['host']).name[-1]] = row['uuid']


class Locks(TestCase):
    """8(e)"""

    def test_lock_of_a_dead_host(self):
        self.play("""
    ! power_off('xen-b')
    a$ xe vm-reset-powerstate uuid={web1} --force
    $?=0 in 3.15 s
    a$ xe vdi-param-get uuid={web1.vdi} param-name=sm-config
    host_{ref:xen-b}: RW
    $?=0
    a$ xe vm-start uuid={web1} on={xen-c}
    2> Error code: SR_BACKEND_FAILURE_46
    2> Error parameters: , The VDI is not available [opterr=['CANNOT_CONTACT_HOST', '{ref:xen-b}']], |
    $?=1 in 133.15 s
    ! run(600)
    a$ xe vm-start uuid={web1} on={xen-c}
    2> Error code: SR_BACKEND_FAILURE_46
    2> Error parameters: , The VDI is not available [opterr=['HOST_OFFLINE', '{ref:xen-b}']], |
    $?=1 in 0.15 s
    a$ /opt/xensource/sm/resetvdis.py all {xen-b} {nfs1} --master
    $?=0
    a$ xe vm-start uuid={web1} on={xen-c}
    $?=0 in 3.15 s
    """, setup=with_vms)

    def test_resetvdis(self):
        self.play("""
    ! power_off('xen-b')
    a$ /opt/xensource/sm/resetvdis.py single {web1.vdi} --force
    Force-cleared RW for {web1.vdi} on host {xen-b} (xen-b)
    $?=0
    a$ /opt/xensource/sm/resetvdis.py single {web1.vdi} --force
    VDI {web1.vdi} is not marked as attached anywhere, nothing to do
    $?=0
    a$ /opt/xensource/sm/resetvdis.py {xen-c} {nfs1} --master
    $?=0
    a$ xe vdi-param-get uuid={mail.vdi} param-name=sm-config
    
    $?=0
    a$ /opt/xensource/sm/resetvdis.py all nobody {nfs1}
    2> Traceback (most recent call last):
    2> XenAPI.Failure: ['UUID_INVALID', 'host', 'nobody']
    $?=1
    a$ /opt/xensource/sm/resetvdis.py
    Usage:
    all <HOST UUID> <SR UUID> [--master]
    single <VDI UUID> [--force]
    $?=1
    c$ /opt/xensource/sm/resetvdis.py single {web1.vdi} --force
    2> Traceback (most recent call last):
    2> XenAPI.Failure: ['HOST_IS_SLAVE']
    $?=1
    ! pool.stop('xen-a')
    a$ /opt/xensource/sm/resetvdis.py single {web1.vdi} --force
    2> Traceback (most recent call last):
    2> XenAPI.Failure: ['Connection refused']
    $?=1
    """, setup=with_vms)

    def test_open_elsewhere(self):
        """A VM that runs on a living host, reset by mistake of the database:
        the last line of defence."""
        self.play("""
    ! cut('xen-a', 'xen-b')
    a$ xe vm-reset-powerstate uuid={web1} --force
    $?=0 in 3.15 s
    ! heal('xen-a', 'xen-b')
    a$ xe vm-start uuid={web1} on={xen-c}
    2> Error code: SR_BACKEND_FAILURE_46
    2> Error parameters: , The VDI is not available [opterr=VDI {web1.vdi} already attached RW], |
    $?=1
    a$ /opt/xensource/sm/resetvdis.py single {web1.vdi}
    VDI {web1.vdi} is still open on host {xen-b} (xen-b), not resetting
    $?=0
    ! world.stop_domain(hosts['xen-b'], uuid['web1'])
    a$ xe vm-start uuid={web1} on={xen-c}
    2> Error code: SR_BACKEND_FAILURE_46
    2> Error parameters: , The VDI is not available [opterr=VDI {web1.vdi} not detached cleanly], |
    $?=1
    """, setup=with_vms)

    def test_lock_of_an_unknown_host(self):
        self.play("""
    ! pool.set_field('vdi', uuid['db1.vdi'], sm_config=(('host_OpaqueRef:gone', 'RW'),))
    a$ xe vm-start uuid={db1} on={xen-c}
    $?=0
    a$ xe vdi-param-get uuid={db1.vdi} param-name=sm-config
    host_{ref:xen-c}: RW
    $?=0
    """, setup=with_vms)

    def test_booted_host_clears_its_own(self):
        self.play("""
    ! power_off('xen-b')
    a$ xe vm-reset-powerstate uuid={web1} --force
    $?=0
    ! power_on('xen-b')
    ! run(90)
    a$ xe vm-start uuid={web1} on={xen-c}
    $?=0
    """, setup=with_vms)

    def test_booted_host_clears_its_own_once_a_start_of_xapi_is_complete(self):
        """Its storage was not attached before."""
        self.play("""
    ! power_off('xen-b')
    a$ xe vm-reset-powerstate uuid={web1} --force
    $?=0
    ! power_on('xen-b')
    ! run(50)
    ! pool.restart('xen-b')
    ! run(45)
    a$ xe vm-start uuid={web1} on={xen-c}
    $?=0
    """, setup=with_vms)


class Operations(TestCase):
    """7.3, 7.4, 7.7, 7.9, 8(c): what else is done to VMs."""

    def test_shutdown(self):
        self.play("""
    b$ xe vm-shutdown uuid={web1}
    $?=0 in 2.15 s
    ? state('web1') + ' ' + where('web1') => halted nowhere
    a$ xe vdi-param-get uuid={web1.vdi} param-name=sm-config
    
    $?=0
    ! pool.deaf[uuid['mail']] = 1
    a&1 xe vm-shutdown uuid={mail}
    ! run(10)
    a$ xe vm-list uuid={mail} params=current-operations --minimal
    clean_shutdown
    $?=0
    wait 1
    2> VM failed to shutdown before the timeout expired
    2> vm: {mail} (mail)
    2> timeout: 1200.0
    $?=1 in 1200.15 s
    a&2 xe vm-shutdown uuid={mail}
    ! run(10)
    a$ xe vm-shutdown uuid={mail} --force
    $?=0 in 2.15 s
    ? state('mail') => halted
    """, setup=with_vms)

    def test_on_a_dead_host(self):
        """8(c): minutes while it counts as live, then at once."""
        self.play("""
    ! power_off('xen-c')
    a$ xe vm-shutdown uuid={mail} --force
    2> Cannot forward messages because the server cannot be contacted. The server may be switched off or there may be network connectivity problems.
    2> host: {xen-c} (xen-c)
    $?=1 in 133.15 s
    a$ xe host-disable uuid={xen-c}
    2> Cannot forward messages because the server cannot be contacted. The server may be switched off or there may be network connectivity problems.
    2> host: {xen-c} (xen-c)
    $?=1 in 133.15 s
    ! run(600)
    a$ xe vm-shutdown uuid={mail} --force
    2> You attempted an operation which involves a host which could not be contacted.
    2> host: {xen-c} (xen-c)
    $?=1 in 0.15 s
    a$ xe host-disable uuid={xen-c}
    2> You attempted an operation which involves a host which could not be contacted.
    2> host: {xen-c} (xen-c)
    $?=1
    a$ xe pbd-unplug uuid={pbd-c}
    2> You attempted an operation which involves a host which could not be contacted.
    2> host: {xen-c} (xen-c)
    $?=1
    a$ xe sr-forget uuid={nfs1}
    2> The SR is still connected to a host via a PBD. It cannot be destroyed or forgotten.
    2> sr: {nfs1} (nfs1)
    $?=1
    ? state('mail') => running
    """, ['new'], setup=with_pbds)

    def test_on_a_hung_host(self):
        self.play("""
    ! pool.hang('xen-c')
    a$ xe vm-shutdown uuid={mail} --force
    hangs for 500 s
    """, setup=with_vms)

    def test_reset_powerstate(self):
        """7.4"""
        self.play("""
    a$ xe vm-reset-powerstate uuid={web1} --force
    2> This operation cannot be completed because the server is still live.
    2> host: {xen-b} (xen-b)
    $?=1 in 0.15 s
    ! vm('here', 'xen-a')
    a$ xe vm-reset-powerstate uuid={here} --force
    2> The operation could not be performed because a domain still exists for the specified VM.
    2> vm: {here} (here)
    2> domid: 1
    $?=1
    a$ xe vm-reset-powerstate uuid={db1} --force
    $?=0
    a$ xe vm-reset-powerstate uuid={xen-a.dom0} --force
    2> Error: No matching VMs found
    $?=1
    ! power_off('xen-b')
    c$ xe vm-reset-powerstate uuid={web1} --force
    $?=0 in 3.15 s
    a$ xe vm-list uuid={web1} params=power-state,resident-on,dom-id
    power-state ( RO)    : halted
        resident-on ( RO): <not in database>
             dom-id ( RO): -1


    $?=0
    a$ xe vbd-param-get uuid={web1.vbd} param-name=currently-attached
    false
    $?=0
    """, ['new'], setup=with_vms)

    def test_reset_powerstate_without_contact(self):
        """live=false needs no contact; a refused one costs nothing; an
        unreachable host counts as dead though its VM runs; a hung one blocks."""
        self.play("""
    ! power_off('xen-b')
    ! run(660)
    a$ xe vm-reset-powerstate uuid={web1} --force
    $?=0 in 0.15 s
    ! pool.stop('xen-c')
    a$ xe vm-reset-powerstate uuid={mail} --force
    $?=0 in 0.15 s
    ? where('mail') + ' ' + state('mail') => xen-c halted
    """, setup=with_vms)
        self.play("""
    ! pool.hang('xen-c')
    a&1 xe vm-reset-powerstate uuid={mail} --force
    ! run(300)
    ? story.begun['1'][0] => None
    ! power_off('xen-c')
    wait 1
    $?=0 in 303.00 s
    """, setup=with_vms)

    def test_reset_needs_force(self):
        self.play("""
    a$ xe vm-reset-powerstate uuid={web1}
    2> Error: This operation is dangerous and may cause data loss. This operation must be forced (use --force).
    $?=1
    """, ['new'], setup=with_vms)
        self.play("""
    a$ xe vm-reset-powerstate uuid={web1}
    2> Error: This operation is extremely dangerous and may cause data loss. This operation must be forced (use --force).
    $?=1
    """, ['old'], setup=with_vms)

    def test_suspend_resume(self):
        self.play("""
    a$ xe vm-suspend uuid={web1}
    $?=0
    ? state('web1') + ' ' + where('web1') => suspended nowhere
    a$ xe vm-start uuid={web1}
    2> You attempted an operation on a VM that was not in an appropriate power state at the time; for example, you attempted to start a VM that was already running. The parameters returned are the VM's handle, and the expected and actual VM state at the time of the call.
    2> vm: {web1} (web1)
    2> expected: halted
    2> actual: suspended
    $?=1
    a$ xe vm-resume uuid={web1} on={xen-c}
    $?=0
    ? state('web1') + ' ' + where('web1') => running xen-c
    a$ xe vm-suspend uuid={web1}
    $?=0
    a$ xe vm-reset-powerstate uuid={web1} --force
    $?=0
    ? state('web1') => halted
    """, ['new'], setup=with_vms)

    def test_migrate(self):
        self.play("""
    a&1 xe vm-migrate uuid={web1} host-uuid={xen-c} --live
    ! run(1)
    a$ xe vm-list uuid={web1} params=power-state,current-operations,resident-on
    power-state ( RO)           : running
        current-operations (SRO): pool_migrate
               resident-on ( RO): {xen-b}


    $?=0
    wait 1
    $?=0 in 5.15 s
    ? where('web1') => xen-c
    a$ xe vm-list uuid={web1} params=resident-on --minimal
    {xen-c}
    $?=0
    a$ xe vdi-param-get uuid={web1.vdi} param-name=sm-config
    host_{ref:xen-c}: RW
    $?=0
    """, setup=with_vms)

    def test_migration_loses_a_host(self):
        self.play("""
    a&1 xe vm-migrate uuid={web1} host=xen-c --live
    ! run(1)
    ! power_off('xen-c')
    wait 1
    2> The server failed to handle your request, due to an internal error. The given message may give details useful for debugging the problem.
    2> message: Unix_error: Connection reset by peer
    $?=1
    ? where('web1') + ' ' + state('web1') => xen-b running
    """, ['new'], setup=with_vms)

    def test_reboot(self):
        self.play("""
    a$ xe vm-reboot uuid={web1}
    $?=0 in 5.15 s
    ? where('web1') + ' ' + state('web1') => xen-b running
    """, setup=with_vms)

    def test_guests_end_by_themselves(self):
        self.play("""
    ! pool.guest_shutdown(uuid['web1'])
    ? state('web1') => halted
    ! cut('xen-a', 'xen-c')
    ! pool.crash_vm(uuid['mail'])
    ? state('mail') => running
    ! heal('xen-a', 'xen-c')
    ! run(31)
    ? state('mail') => halted
    """, setup=with_vms)

    def test_messages(self):
        """7.9"""
        self.play("""
    b$ xe message-create name=HA priority=1 body='host b is gone' host-uuid={xen-b}
    $?=0
    b$ xe message-list params=name,priority,class,obj-uuid,timestamp,body
    name ( RO)         : HA
         priority ( RO): 1
            class ( RO): Host
         obj-uuid ( RO): {xen-b}
        timestamp ( RO): 20251124T16:00:00Z
             body ( RO): host b is gone


    $?=0
    b$ xe message-create name=x priority=high body=b pool-uuid={pool}
    2> Error: Priority field should be an integer
    $?=1
    b$ xe message-create name=x priority=3 body=b
    2> Error: Need one of: vm-uuid, host-uuid, sr-uuid or pool-uuid
    $?=1
    b$ xe message-create name=x priority=3 body=b vm-uuid=nobody
    2> The uuid you supplied was invalid.
    2> type: VM
    2> uuid: nobody
    $?=1
    b$ xe message-create name=x priority=3
    2> Required parameter not found: body
    2> For usage run: 'xe help'
    $?=1
    b$ xe message-create name=y priority=3 body=b pool-uuid={pool} host-uuid={xen-b}
    $?=0
    b$ xe message-list name=y params=class --minimal
    Pool
    $?=0
    ! uuid['m1'], uuid['m2'] = [row['uuid'] for row in pool.database().rows('message')]
    b$ xe message-destroy uuid={m1}
    $?=0
    b$ xe message-destroy uuids={m2},nobody
    2> The uuid you supplied was invalid.
    2> type: message
    2> uuid: nobody
    $?=1
    b$ xe message-destroy uuids={m2}
    $?=0
    b$ xe message-destroy
    2> Error: Need one of uuid, uuids
    $?=1
    b$ xe message-list
    $?=0
    """)


class Appliances(TestCase):
    """7.7"""

    def test_groups(self):
        """Ascending order; a group in parallel; delays are part of it."""
        self.play("""
    ! vm('one', None, 'one', order=1, start_delay=10)
    ! vm('two', None, 'two', order=2)
    ! vm('also', None, 'also', order=2)
    ! uuid['app'] = pool.new_appliance('app', [uuid['one'], uuid['two'], uuid['also']])
    b&1 xe appliance-start uuid={app}
    ! run(4)
    ? state('one') + ' ' + state('two') => running halted
    wait 1
    $?=0 in 16.15 s
    ? state('also') + ' ' + state('two') => running running
    a$ xe appliance-start uuid={app}
    2> You attempted an operation that was not allowed.
    2> reason: There are no halted VMs in this appliance.
    $?=1
    a$ xe appliance-shutdown uuid={app}
    $?=0 in 4.15 s
    a$ xe appliance-shutdown uuid={app}
    2> You attempted an operation that was not allowed.
    2> reason: There are no running VMs in this appliance.
    $?=1
    a$ xe appliance-shutdown uuid={app} --force
    2> You attempted an operation that was not allowed.
    2> reason: All VMs in this appliance are halted.
    $?=1
    """)

    def test_partial_failure(self):
        self.play("""
    ! vm('one', None, 'one', order=1)
    ! vm('two', None, 'two', order=2)
    ! uuid['app'] = pool.new_appliance('app', [uuid['one'], uuid['two']])
    ! pool.set_field('vdi', uuid['one.vdi'], sm_config=(('host_' + xapi.ref_of(uuid['xen-b']), 'RW'),))
    a$ xe vm-param-set uuid={one} affinity={xen-a}
    $?=0
    a$ xe appliance-start uuid={app}
    2> Some VMs belonging to the appliance threw an exception while carrying out the specified operation
    2> operation: VM_appliance.start
    2> <extra>: {one} (one)
    $?=1
    ? state('one') + ' ' + state('two') => halted running
    """)

    def test_empty_and_wrong(self):
        self.play("""
    ! uuid['app'] = pool.new_appliance('app', [])
    a$ xe appliance-start uuid={app}
    2> You attempted an operation that was not allowed.
    2> reason: Appliance has no VMs.
    $?=1
    a$ xe appliance-start uuid=nobody
    2> The uuid you supplied was invalid.
    2> type: VM_appliance
    2> uuid: nobody
    $?=1
    a$ xe appliance-destroy uuid={app}
    $?=0
    a$ xe appliance-list
    $?=0
    """)


class Hosts(TestCase):
    """7.5"""

    def test_selectors(self):
        self.play("""
    a$ xe host-disable uuid=nobody
    2> Error: No matching hosts found
    $?=1
    a$ xe host-disable
    2> Error: Multiple matching hosts found. --multiple required to complete the operation
    $?=1
    a$ xe host-evacuate --multiple
    2> Error: Multiple matching hosts found. Operation can only be performed on one host at a time
    $?=1
    a$ xe host-disable host=xen-b
    $?=0
    a$ xe host-list enabled=false params=name-label --minimal
    xen-b
    $?=0
    a$ xe host-disable uuid={xen-b}
    $?=0
    a$ xe host-enable --multiple
    $?=0
    a$ xe host-list enabled=false
    $?=0
    a$ xe host-disable foo=bar
    2> Error: Unknown field 'foo'
    $?=1
    """)

    def test_alone(self):
        self.play("""
    a$ xe host-disable
    $?=0
    a$ xe host-param-get uuid={xen-a} param-name=enabled
    false
    $?=0
    """, hosts='a')

    def test_enable_removes_the_mark(self):
        self.play("""
    a$ xe host-param-set uuid={xen-b} other-config:MAINTENANCE_MODE=true
    $?=0
    a$ xe host-enable uuid={xen-b}
    $?=0
    a$ xe host-param-get uuid={xen-b} param-name=other-config param-key=MAINTENANCE_MODE
    2> Error: Key MAINTENANCE_MODE not found in map
    $?=1
    """)

    def test_evacuate(self):
        self.play("""
    ! vm('more', 'xen-b')
    a$ xe host-evacuate uuid={xen-b}
    $?=0 in 10.15 s
    ? where('web1') + ' ' + where('more') => xen-a xen-a
    a$ xe host-param-get uuid={xen-b} param-name=enabled
    true
    $?=0
    ! pool.set_field('host', uuid['xen-b'], enabled=False)
    ! pool.set_field('host', uuid['xen-c'], enabled=False)
    a$ xe host-evacuate uuid={xen-a}
    2> There were no servers available to complete the specified operation.
    2> <extra>: {more} (more)
    $?=1
    """, ['new'], setup=with_vms)

    def test_declare_dead(self):
        self.play("""
    ! vm('more', 'xen-b')
    a$ xe host-declare-dead uuid={xen-b} --force
    2> This operation cannot be completed because the server is still live.
    2> host: {xen-b} (xen-b)
    $?=1
    a$ xe host-declare-dead uuid={xen-a} --force
    2> This operation cannot be completed because the server is still live.
    2> host: {xen-a} (xen-a)
    $?=1
    a$ xe host-declare-dead uuid=nobody --force
    2> The uuid you supplied was invalid.
    2> type: host
    2> uuid: nobody
    $?=1
    ! power_off('xen-b')
    c$ xe host-declare-dead uuid={xen-b} --force
    $?=0 in 9.15 s
    ? state('web1') + ' ' + state('more') => halted halted
    a$ xe host-list uuid={xen-b} params=enabled,host-metrics-live
    enabled ( RO)              : false
        host-metrics-live ( RO): true


    $?=0
    a$ xe vm-start uuid={web1} on={xen-c}
    $?=0
    """, ['new'], setup=with_vms)

    def test_declare_dead_asks(self):
        self.play("""
    ! power_off('xen-b')
    a$ xe host-declare-dead uuid={xen-b}
    WARNING: A host should only be declared dead if it is verified offline.
    WARNING: Performing this operation if the host is still online and has any
    WARNING: running VMs may lead to possible data loss and/or corruption.
    Type 'yes' to continue
    2> Lost connection to the server.
    $?=1
    ? state('web1') => running
    a$ xe host-declare-dead uuid={xen-b} <<< yes
    WARNING: A host should only be declared dead if it is verified offline.
    WARNING: Performing this operation if the host is still online and has any
    WARNING: running VMs may lead to possible data loss and/or corruption.
    Type 'yes' to continue
    $?=0
    ? state('web1') => halted
    """, setup=with_vms)

    def test_forget(self):
        self.play("""
    ! power_off('xen-b')
    a$ xe host-forget uuid={xen-b} <<< no
    WARNING: A host should only be forgotten if it is physically unrecoverable;
    WARNING: if possible, Hosts should be 'ejected' from the Pool instead.
    WARNING: Once a host has been forgotten it will have to be re-installed.
    WARNING: This operation is irreversible.
    Type 'yes' to continue
    Aborted (you typed: 'no')
    $?=0
    a$ xe host-forget uuid={xen-b} --force
    2> This server cannot be forgotten because there are user VMs still running.
    2> host: {xen-b} (xen-b)
    $?=1 in 3.15 s
    a$ xe vm-param-set uuid={db1} affinity={xen-b}
    $?=0
    a$ xe vm-reset-powerstate uuid={web1} --force
    $?=0
    a$ xe host-forget uuid={xen-b} --force
    $?=0 in 3.15 s
    a$ xe host-list params=name-label --minimal
    xen-a,xen-c
    $?=0
    a$ xe vm-list params=affinity uuid={db1} --minimal
    <not in database>
    $?=0
    a$ xe pbd-list host-uuid={xen-b}
    $?=0
    a$ xe vm-start uuid={web1} on={xen-c}
    $?=0
    a$ xe host-forget uuid={xen-c} --force
    2> This operation cannot be completed because the server is still live.
    2> host: {xen-c} (xen-c)
    $?=1
    ! power_on('xen-b')
    ! run(70)
    b$ xe vm-list
    2> The coordinator says the server is not known to it. Is the server in the coordinator's database and pointing to the correct coordinator? Are all servers using the same pool secret?
    2> host: {xen-b}
    $?=1
    b$ xe host-is-in-emergency-mode
    true
    $?=0
    """, ['new'], setup=with_vms)

    def test_forget_with_ha(self):
        self.play("""
    ! pool.set_ha_enabled()
    ! power_off('xen-b')
    a$ xe host-forget uuid={xen-b} --force
    2> The operation could not be performed because HA is enabled on the Pool
    $?=1
    """)

    def test_unplug_in_use(self):
        self.play("""
    a$ xe pbd-unplug uuid={pbd-b}
    2> This operation cannot be performed because this VDI is in use by some other operation
    2> vdi: {web1.vdi} (web1 disk)
    2> operation: detach
    $?=1
    """, setup=with_pbds)


class Roles(TestCase):
    """7.8, 8(g), 9: the roles of the pool."""

    def test_relay(self):
        """A running slave hangs when its master is dead, and is never in
        emergency mode; what needs no master works."""
        self.play("""
    b$ xe pool-list params=master --minimal
    {xen-a}
    $?=0 in 0.15 s
    ! power_off('xen-a')
    b$ xe pool-list
    hangs for 1000 s
    b$ xe host-is-in-emergency-mode
    false
    $?=0 in 0.15 s
    ? pool.role_of('xen-a') => None
    ? pool.role_of('xen-b') => slave:10.0.0.1
    ? pool.role_of('xen-c') => slave:10.0.0.1
    """)

    def test_restarted_slave_is_in_emergency(self):
        """8(g)2: normal commands fail at once; it leaves by itself."""
        self.play("""
    ! power_off('xen-a')
    b&1 xe pool-list
    ! run(10)
    ! pool.restart('xen-b')
    wait 1
    2> Lost connection to the server.
    $?=1 in 10.00 s
    b$ xe pool-list
    2> Error: Connection refused (calling connect )
    $?=1
    ! run(28.5)
    b$ xe pool-list
    2> The host toolstack is still initialising. Please wait.
    $?=1
    b$ xe host-is-in-emergency-mode
    true
    $?=0
    ! run(5)
    b$ xe pool-list
    2> The server failed to handle your request, due to an internal error. The given message may give details useful for debugging the problem.
    2> message: Unix_error: Connection refused
    $?=1
    b$ xe host-is-in-emergency-mode
    true
    $?=0
    ? pool.role_of('xen-b') => None
    ! power_on('xen-a')
    ! run(70)
    b$ xe host-is-in-emergency-mode
    false
    $?=0
    b$ xe pool-list params=master --minimal
    {xen-a}
    $?=0
    """, ['new'])

    def test_the_link_is_tried_again(self):
        """A hung relay goes on when the master is back, after the back-off."""
        self.play("""
    ! cut('xen-a', 'xen-b')
    b&1 xe pool-list params=master --minimal
    ! run(10)
    ! heal('xen-a', 'xen-b')
    wait 1
    {xen-a}
    $?=0 in 14.15 s
    ! cut('xen-a', 'xen-b')
    b&2 xe vm-start uuid={db1} on={xen-b}
    ! run(1)
    ! story.begun['2'][2].client_killed()
    ! heal('xen-a', 'xen-b')
    ! run(10)
    ? where('db1') => xen-b
    """, setup=with_vms)

    def test_answers_on_their_way(self):
        """Packets are lost, not the connection: the answer comes late."""
        self.play("""
    b&1 xe vm-start uuid={db1} on={xen-c}
    ! run(1)
    ! cut('xen-a', 'xen-b')
    ! run(60)
    ? story.begun['1'][0] => None
    ? state('db1') => running
    ! heal('xen-a', 'xen-b')
    wait 1
    $?=0 in 61.00 s
    """, setup=with_vms)

    def test_master_dies_under_a_relayed_command(self):
        """Silently: it hangs.  xapi alone: the connection is lost.  8(g)"""
        self.play("""
    b&1 xe vm-start uuid={db1} on={xen-c}
    ! run(1)
    ! power_off('xen-a')
    ! run(3000)
    ? story.begun['1'][0] => None
    ? where('db1') => xen-c
    ! pool.stop('xen-b')
    wait 1
    2> Lost connection to the server.
    $?=1
    """, setup=with_vms)
        self.play("""
    b&1 xe vm-start uuid={db1} on={xen-c}
    ! run(1)
    ! pool.restart('xen-a')
    wait 1
    2> Lost connection to the server.
    $?=1 in 1.00 s
    """, setup=with_vms)

    def test_promotion(self):
        """File at once, role later; other slaves do not follow; the VMs of
        the dead stay where the database has them."""
        self.play("""
    ! vm('old', 'xen-a')
    ! run(1)
    ! power_off('xen-a')
    b$ xe pool-emergency-transition-to-master
    Host agent will restart and transition to master in 10.000 seconds...
    $?=0 in 0.15 s
    ? hosts['xen-b'].files['/etc/xensource/pool.conf'] + ' ' + pool.role_of('xen-b') => master slave:10.0.0.1
    b$ xe pool-emergency-transition-to-master --force
    Host agent will restart and transition to master in 10.000 seconds...
    $?=0
    b$ xe host-is-in-emergency-mode
    false
    $?=0
    ! run(10)
    b$ xe pool-list
    2> Error: Connection refused (calling connect )
    $?=1
    ? hosts['xen-b'].xapi.state => starting
    ! run(30)
    b$ xe pool-list params=master --minimal
    {xen-b}
    $?=0
    ? hosts['xen-b'].xapi.state + ' ' + pool.role_of('xen-b') => up master
    c$ xe pool-list
    hangs for 100 s
    b$ xe pool-recover-slaves
    {xen-c}
    $?=0 in 3.15 s
    ? pool.role_of('xen-c') => slave:10.0.0.1
    ! run(42)
    ? pool.role_of('xen-c') => slave:10.0.0.2
    c$ xe vm-list uuid={old} params=power-state,resident-on
    power-state ( RO)    : running
        resident-on ( RO): {xen-a}


    $?=0
    b$ xe pool-emergency-transition-to-master
    Host agent is already master. Use '--force' to execute the operation anyway.
    $?=0
    b$ xe host-declare-dead uuid={xen-a} --force
    $?=0
    c$ xe vm-start uuid={old} on={xen-c}
    $?=0
    """, setup=with_vms)

    def test_recover_slaves(self):
        self.play("""
    ! power_off('xen-b')
    ! power_off('xen-c')
    a$ xe pool-recover-slaves
    $?=0 in 6.15 s
    a$ xe pool-recover-slaves --minimal
    
    $?=0
    ! power_on('xen-b')
    ! run(70)
    a$ xe pool-recover-slaves --minimal
    {xen-b}
    $?=0 in 3.15 s
    ? hosts['xen-b'].xapi.pending => None
    """)

    def test_recover_a_slave_in_emergency(self):
        self.play("""
    ! power_off('xen-a')
    ! pool.restart('xen-c')
    ! run(40)
    b$ xe pool-emergency-transition-to-master
    Host agent will restart and transition to master in 10.000 seconds...
    $?=0
    ! run(45)
    ? hosts['xen-c'].xapi.state => emergency
    b$ xe pool-recover-slaves
    {xen-c}
    $?=0
    ! run(45)
    ? hosts['xen-c'].xapi.state + ' ' + pool.role_of('xen-c') => up slave:10.0.0.2
    """)

    def test_promotion_is_reverted(self):
        """9.5: the old master still answers, only not to those who ask for
        help; the newcomer goes back to it."""
        self.play("""
    c$ xe pool-emergency-transition-to-master
    Host agent will restart and transition to master in 10.000 seconds...
    $?=0
    ! run(41)
    ? hosts['xen-c'].files['/etc/xensource/pool.conf'] => slave:10.0.0.1
    ! run(35)
    ? pool.role_of('xen-c') + ' ' + pool.role_of('xen-a') => slave:10.0.0.1 master
    """)

    def test_old_master_returns(self):
        """9.6: it finds the new one and follows."""
        self.play("""
    ! vm('old', 'xen-a')
    ! power_off('xen-a')
    b$ xe pool-emergency-transition-to-master
    Host agent will restart and transition to master in 10.000 seconds...
    $?=0
    ! run(45)
    b$ xe pool-recover-slaves
    {xen-c}
    $?=0
    ! power_on('xen-a')
    ! run(58.5)
    a$ xe pool-list params=master --minimal
    {xen-a}
    $?=0
    ? pool.role_of('xen-a') => None
    ! run(40)
    ? pool.role_of('xen-a') => slave:10.0.0.2
    a$ xe vm-list uuid={old} params=power-state --minimal
    halted
    $?=0
    a$ xe host-list enabled=true params=name-label --minimal
    xen-a,xen-b,xen-c
    $?=0
    """)

    def test_two_masters(self):
        """9.6: at its boot the old master cannot see the new one; nothing
        looks again; recover-slaves on the rightful one is the remedy."""
        self.play("""
    ! power_off('xen-a')
    b$ xe pool-emergency-transition-to-master
    Host agent will restart and transition to master in 10.000 seconds...
    $?=0
    ! run(45)
    b$ xe pool-recover-slaves
    {xen-c}
    $?=0
    ! run(45)
    ! cut('xen-a', 'xen-b')
    ! power_on('xen-a')
    ! run(70)
    ? ' '.join([host.name for host in pool.masters()]) + ', ' + pool.master().name => xen-a xen-b, xen-b
    ! heal('xen-a', 'xen-b')
    ! run(600)
    ? ' '.join([host.name for host in pool.masters()]) => xen-a xen-b
    a$ xe vm-start uuid={db1} on={xen-c}
    2> You gave an invalid session reference. It may have been invalidated by a server restart, or timed out. You should get a new session handle, using one of the session.login_ calls. This error does not invalidate the current connection. The handle parameter echoes the bad value given.
    2> handle: {xen-a} (xen-a)
    $?=1
    b$ xe pool-recover-slaves
    {xen-a}
    {xen-c}
    $?=0
    ! run(45)
    ? ' '.join([host.name for host in pool.masters()]) => xen-b
    """, ['new'], setup=with_vms)

    def test_reset_master(self):
        self.play("""
    b$ xe pool-emergency-reset-master master-address=10.0.0.3
    Host agent will restart and become slave of 10.0.0.3 in 10.000 seconds...
    $?=0 in 0.15 s
    c$ xe pool-emergency-reset-master master-address=10.0.0.1
    Host agent will restart and become slave of 10.0.0.1 in 10.000 seconds...
    $?=0
    ? hosts['xen-c'].xapi.pending => None
    ! run(45)
    ? hosts['xen-b'].xapi.state => emergency
    c$ xe pool-emergency-reset-master master-address=10.0.0.3
    Host agent will restart and become slave of 10.0.0.3 in 10.000 seconds...
    $?=0
    ! run(45)
    c$ xe vm-list
    2> The host is its own supporter. Please use pool-emergency-transition-to-master or pool-emergency-reset-master.
    $?=1
    """, ['new'])

    def test_designate(self):
        self.play("""
    a$ xe pool-designate-new-master host-uuid={xen-b}
    $?=0 in 10.15 s
    ! run(1.05)
    c$ xe pool-list
    2> Error: Connection refused (calling connect )
    $?=1
    ! run(40)
    c$ xe pool-list params=master --minimal
    {xen-b}
    $?=0
    ? ' '.join([pool.role_of(name) for name in world.order]) => slave:10.0.0.2 master slave:10.0.0.2
    ! power_off('xen-c')
    b$ xe pool-designate-new-master host-uuid={xen-a}
    2> Cannot forward messages because the server cannot be contacted. The server may be switched off or there may be network connectivity problems.
    2> host: {xen-c} (xen-c)
    $?=1
    b$ xe pool-designate-new-master host-uuid=nobody
    2> The uuid you supplied was invalid.
    2> type: host
    2> uuid: nobody
    $?=1
    """, ['new'])

    def test_designate_again_meanwhile(self):
        """[LIVE] in 7.8."""
        self.play("""
    a$ xe pool-designate-new-master host-uuid={xen-b}
    $?=0
    a&1 xe pool-designate-new-master host-uuid={xen-b}
    wait 1
    2> Lost connection to the server.
    $?=1
    """)

    def test_pool_conf(self):
        """9.1"""
        self.play("""
    ! hosts['xen-b'].files['/etc/xensource/pool.conf'] = 'broken'
    ? pool.role_of('xen-b') => slave:10.0.0.1
    ! pool.restart('xen-b')
    ! run(35)
    b$ xe host-is-in-emergency-mode
    true
    $?=0
    b$ xe vm-list
    2> This server failed in the middle of an automatic failover operation and needs to retry the failover action.
    $?=1
    ! hosts['xen-b'].files['/etc/xensource/pool.conf'] = 'slave:10.0.0.1' + chr(10)
    ! run(95)
    b$ xe host-is-in-emergency-mode
    false
    $?=0
    """, ['new'])

    def test_transition_in_emergency(self):
        self.play("""
    ! power_off('xen-a')
    ! pool.restart('xen-b')
    ! run(40)
    b$ xe pool-emergency-transition-to-master
    Host agent will restart and transition to master in 10.000 seconds...
    $?=0
    ! run(45)
    ? pool.role_of('xen-b') => master
    """)

    def test_transition_with_ha(self):
        self.play("""
    ! pool.set_ha_enabled()
    a$ xe pool-sync-database
    $?=0
    ! power_off('xen-a')
    b$ xe pool-emergency-transition-to-master
    2> The operation could not be performed because HA is enabled on the Pool
    $?=1
    """)


class Liveness(TestCase):
    """9.2 to 9.5: live, enabled, and the copies of the database."""

    def test_death_of_a_slave(self):
        """Nothing for 600 s, then live=false and nothing else."""
        self.play("""
    ! run(100)
    ! power_off('xen-b')
    ! run(560)
    ? row('host', 'xen-b')['live'] => True
    ! run(70)
    ? row('host', 'xen-b')['live'] => False
    ? row('host', 'xen-b')['enabled'] => True
    ? state('web1') + ' ' + row('vm', 'web1')['resident_on'] => running {xen-b}
    ? row('vbd', 'web1.vbd')['currently_attached'] => True
    ? row('pbd', 'pbd-b')['currently_attached'] => True
    """, setup=with_pbds)

    def test_hung_and_stopped_do_not_heartbeat(self):
        self.play("""
    ! pool.hang('xen-b')
    ! pool.stop('xen-c')
    ! run(700)
    ? row('host', 'xen-b')['live'], row('host', 'xen-c')['live'], row('host', 'xen-a')['live'] => (False, False, True)
    ! pool.restart('xen-b')
    ! pool.start('xen-c')
    ! run(35)
    ? row('host', 'xen-b')['live'], row('host', 'xen-c')['live'] => (True, True)
    """)

    def test_clean_shutdown(self):
        self.play("""
    ! pool.clean_shutdown('xen-b')
    ! power_off('xen-b')
    ? row('host', 'xen-b')['live'] => False
    ? state('web1') => halted
    ! run(60)
    ? row('host', 'xen-b')['live'] => False
    """, setup=with_vms)

    def test_coming_back(self):
        """9.3: disabled at its hello, enabled when it is ready; what the
        database has there and does not run is halted."""
        self.play("""
    ! power_off('xen-b')
    ! run(700)
    ! power_on('xen-b')
    ! run(60.05)
    ? row('host', 'xen-b')['live'], row('host', 'xen-b')['enabled'], state('web1') => (True, False, 'running')
    a$ xe host-enable uuid={xen-b}
    2> The host toolstack is still initialising. Please wait.
    $?=1
    ! run(1)
    ? row('host', 'xen-b')['live'], row('host', 'xen-b')['enabled'], state('web1') => (True, True, 'halted')
    a$ xe vm-start uuid={web1} on={xen-c}
    $?=0
    """, setup=with_vms)

    def test_disabled_until_restart(self):
        """7.5: a disabled host enables itself at the end of a start-up."""
        self.play("""
    a$ xe host-disable uuid={xen-b}
    $?=0
    ! pool.restart('xen-b')
    ! run(35)
    ? row('host', 'xen-b')['enabled'] => True
    """)

    def test_domains_that_the_database_does_not_have_there(self):
        """9.3: placed elsewhere or unknown: ended.  Placed nowhere: adopted.
        Only when that xapi restarts."""
        self.play("""
    ! cut('xen-a', 'xen-b')
    a$ xe vm-reset-powerstate uuid={web1} --force
    $?=0
    ! heal('xen-a', 'xen-b')
    ! run(100)
    ? state('web1') + ' ' + where('web1') => halted xen-b
    ! pool.restart('xen-b')
    ! run(35)
    ? state('web1') + ' ' + where('web1') => running xen-b
    ? row('vm', 'web1')['resident_on'] => {xen-b}
    ! power_off('xen-c')
    ! pool.set_field('vm', uuid['web1'], resident_on=uuid['xen-c'])
    ! world.start_domain(hosts['xen-b'], 'unknown')
    ! pool.restart('xen-b')
    ! run(35)
    ? where('web1') => nowhere
    ? sorted(hosts['xen-b'].domains) => []
    """, setup=with_vms)

    def test_live_after_promotion(self):
        """9.4: old, nobody is live until heard of; new, everybody is, for
        600 s, also those long dead."""
        self.play("""
    ! power_off('xen-a')
    b$ xe pool-emergency-transition-to-master
    Host agent will restart and transition to master in 10.000 seconds...
    $?=0
    ! run(40.1)
    ? row('host', 'xen-a')['live'], row('host', 'xen-b')['live'], row('host', 'xen-c')['live'] => (False, True, False)
    b$ xe pool-recover-slaves
    {xen-c}
    $?=0
    ! run(41)
    ? row('host', 'xen-a')['live'], row('host', 'xen-b')['live'], row('host', 'xen-c')['live'] => (False, True, True)
    """, ['old'])
        self.play("""
    ! power_off('xen-c')
    ! run(700)
    ? row('host', 'xen-c')['live'] => False
    ! pool.restart('xen-a')
    ! run(31)
    ? row('host', 'xen-c')['live'], row('host', 'xen-b')['live'] => (True, True)
    ! run(560)
    ? row('host', 'xen-c')['live'] => True
    ! run(70)
    ? row('host', 'xen-c')['live'], row('host', 'xen-b')['live'] => (False, True)
    """, ['new'])

    def test_slaves_flip_back_by_themselves(self):
        self.play("""
    ! pool.restart('xen-a')
    ! run(30.1)
    ? row('host', 'xen-b')['live'] => False
    ! run(30)
    ? row('host', 'xen-b')['live'] => True
    """, ['old'])

    def test_copies_are_old(self):
        """9.5: one slave per 300 s; a promotion brings back what was."""
        self.play("""
    a$ xe pool-param-set uuid={pool} other-config:k=new
    $?=0
    ! run(290)
    ? [len(host.xapi.database.pool()['other_config']) for host in pool.hosts] => [1, 0, 0]
    ! run(20)
    ? sorted([len(host.xapi.database.pool()['other_config']) for host in pool.hosts]) => [0, 1, 1]
    ! run(300)
    ? [len(host.xapi.database.pool()['other_config']) for host in pool.hosts] => [1, 1, 1]
    a$ xe pool-param-set uuid={pool} other-config:l=newer
    $?=0
    ? hosts['xen-b'].xapi.age() > 0, hosts['xen-a'].xapi.age() => (True, 0.0)
    ! power_off('xen-a')
    b$ xe pool-emergency-transition-to-master
    Host agent will restart and transition to master in 10.000 seconds...
    $?=0
    ! run(45)
    b$ xe pool-param-get uuid={pool} param-name=other-config
    k: new
    $?=0
    """)

    def test_sync(self):
        self.play("""
    a$ xe pool-param-set uuid={pool} other-config:k=new
    $?=0
    c$ xe pool-sync-database
    $?=0 in 0.15 s
    ? [len(host.xapi.database.pool()['other_config']) for host in pool.hosts] => [1, 1, 1]
    ! power_off('xen-c')
    a$ xe pool-param-set uuid={pool} other-config:l=new
    $?=0
    a$ xe pool-sync-database
    $?=0
    ? [len(host.xapi.database.pool()['other_config']) for host in pool.hosts] => [2, 2, 1]
    """)

    def test_the_set_up_is_in_all_copies(self):
        self.play("""
    ! run(0)
    ? [len(host.xapi.database.rows('vm')) for host in pool.hosts] => [7, 7, 7]
    """, setup=with_vms)

    def test_no_operation_outlives_the_master(self):
        self.play("""
    a&1 xe vm-migrate uuid={web1} host=xen-c
    ! run(1)
    ! pool.restart('xen-a')
    ! run(31)
    ? row('vm', 'web1')['current_operations'] => ()
    a$ xe task-list
    $?=0
    """, setup=with_vms)

    def test_auto_poweron(self):
        """9.3: the init script of every booting host."""
        self.play("""
    ! pool.set_other_config('auto_poweron', 'true')
    ! pool.set_vm_other_config(uuid['db1'], 'auto_poweron', 'true')
    ! power_off('xen-c')
    ! power_on('xen-c')
    ! run(70)
    ? state('db1') => running
    """, setup=with_vms)


class Administrator(TestCase):
    """The helpers of the scenarios."""

    def test_helpers(self):
        self.play("""
    ! pool.start_vm(uuid['db1'], 'xen-b')
    ! run(4)
    ? where('db1') => xen-b
    ! pool.migrate_vm(uuid['db1'], 'xen-c')
    ! run(1)
    ? row('vm', 'db1')['current_operations'][0][1] => pool_migrate
    ! run(5)
    ? where('db1') => xen-c
    ! pool.suspend_vm(uuid['db1'])
    ! run(3)
    ? state('db1') => suspended
    ! pool.resume_vm(uuid['db1'])
    ! run(4)
    ! pool.shutdown_vm(uuid['db1'])
    ! run(3)
    ? state('db1') + ' ' + where('db1') => halted nowhere
    ! pool.maintenance('xen-b', True)
    ? row('host', 'xen-b')['enabled'] => False
    ! run(6)
    ? where('web1') != 'xen-b' => True
    ! pool.maintenance('xen-b', False)
    ? row('host', 'xen-b')['enabled'], row('host', 'xen-b')['other_config'] => (True, ())
    """, setup=with_vms)

    def test_eject(self):
        self.play("""
    ! pool.eject('xen-b')
    ? row('host', 'xen-b') => None
    ! run(45)
    b$ xe host-list params=name-label --minimal
    xen-b
    $?=0
    a$ xe host-list params=name-label --minimal
    xen-a,xen-c
    $?=0
    """)

    def test_failures_are_noted(self):
        story = Story('new')
        with_vms(story)
        call = story.pool.start_vm(story.uuids['web1'])
        self.assertEqual(1, call.status)
        self.assertTrue('administrator: xe vm-start' in story.world.truth[-1][1])

    def test_address(self):
        self.play("""
    ! pool.set_address('xen-b', '10.0.0.99')
    b$ xe host-param-get uuid={xen-b} param-name=address
    10.0.0.99
    $?=0
    ! pool.set_address('xen-a', '10.0.0.98')
    b$ xe host-list
    hangs for 60 s
    """)


class Speed(TestCase):
    """Chaos runs thousands of pools; the limits are generous."""

    def test_lists(self):
        story = Story('new')
        for number in range(10):
            story.pool.new_vm('vm%d' % number, 'xen-b')
        line = ['xe', 'vm-list', 'params=uuid,name-label,power-state,resident-on,affinity,other-config,order,'
                'start-delay,appliance,is-control-domain,tags,ha-restart-priority,VBDs,current-operations']
        began = time.time()
        for _ in range(100):
            story.wait(story.begin('xen-b', line))
        self.assertTrue(time.time() - began < 1.0)
        for number in range(1000):
            story.pool.new_vm('more%d' % number)
        began = time.time()
        run = story.begin('xen-b', line)
        story.wait(run)
        self.assertEqual(1013, run[0][1].count('name-label'))
        self.assertTrue(time.time() - began < 1.0)

    def test_copies_are_independent(self):
        story = Story('new')
        uuid = story.vm('web1', 'xen-b')
        db = story.pool.database()
        copy = db.copy()
        db.set('vm', uuid, name_label='changed')
        db.create('vm', 'other', name_label='x')
        self.assertEqual('web1', copy.get('vm', uuid)['name_label'])
        self.assertEqual(len(db.rows('vm')), len(copy.rows('vm')) + 1)

    def test_the_same_story_twice(self):
        """Deterministic: the same input, the same log."""
        logs = []
        for _ in range(2):
            story = Story('new')
            with_vms(story)
            story.world.power_off('xen-a')
            story.xe('b', 'pool-emergency-transition-to-master')
            story.world.run(60)
            story.xe('b', 'pool-recover-slaves')
            story.world.run(60)
            logs.append((story.xe('c', 'vm-list', 'params=all'), story.world.truth, story.world.count))
        self.assertEqual(logs[0], logs[1])


if __name__ == '__main__':
    import unittest
    unittest.main()
