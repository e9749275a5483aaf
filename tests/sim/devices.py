"""The fence devices of the simulated pool: what BMCs and agents do and print.

    devices = Devices(world)
    devices.mode('n2', 'silent')            of all its devices, or of one METHOD
    devices.swap('n2', 'n3')                the cables of two hosts are mixed up
    devices.hosts_file('ILO')               for the hosts' disks

Every host has a BMC of its own at 192.168.100.N, which speaks the CLP of an
iLO over ssh and telnet, IPMI, the menu of an iRMC over ssh, and Redfish; it is
a virtual machine of an outer host (XVM); and any custom agent and any agent of
ClusterLabs reaches it as well.  They hang on a network of their own, which
every powered host reaches.  Times are chosen so that a fence that works takes
10 s of virtual time: command, read, 3 s, read.

A device works, or it is

    silent      it never answers: the client gives up, or hangs
    refuses     it says no, and the host stays on
    lies        it says off from the command on, and the host stays on
    slow        it switches 20 s after the command
    locked      it refuses user and password
    garbage     it answers what nobody understands; the host stays on
    dies        it answers nothing more, half-way through the answer
"""

import re

MODES = ('works', 'silent', 'refuses', 'lies', 'slow', 'locked', 'garbage', 'dies')

COMMAND, READ, LOGIN, SLOW = 4.2, 1.0, 0.5, 20.0
SSH_GIVES_UP, IPMITOOL_GIVES_UP, IPMITOOL_SESSION_LOST = 10.0, 6.0, 20.0

OUTER = '192.168.100.254'                   # of the host whose VMs the hosts are
AGENT = re.compile(r'/([\w.-]+)/\1\.sh$')
DATE = 'Wed Sep 26 15:32:04 2018'

#: what CUSTOM.sh may be on the disks of the hosts: only its text is looked at
AGENT_TEXT = '''#!/bin/sh
case "$2" in
    start|stop|reset) : ;;
    status) : ;;
esac
'''
SHORT_AGENT_TEXT = '''#!/bin/sh
case "$2" in
    start|stop|reset) : ;;
esac
'''


class Devices(object):
    """What is behind `ssh` to a BMC, `ipmitool -H` and METHOD.sh."""

    def __init__(self, world, password='fence-secret'):
        self.world, self.password = world, password
        self.modes = {}                     # (host, language): mode
        self.wires = {}                     # host of the device: host it switches
        self.lying = {}                     # (host, language): True once it lies

    # -- for scenarios ----

    def mode(self, name, mode, method=None):
        """Set how the devices of a host behave; only one of them with METHOD."""
        if mode not in MODES:
            raise ValueError('no mode of a device: %s' % mode)
        for language in LANGUAGES:
            if method is None or language is language_of(method):
                self.modes[name, language] = mode
                self.lying.pop((name, language), None)

    def works(self, name):
        """Does what a host hangs on do as told, whatever the method?"""
        return self.target(name) == name and not [
            mode for (host, _), mode in self.modes.items()
            if host == name and mode not in ('works', 'slow')]

    def swap(self, one, other):
        """Each of two hosts is switched by the device of the other."""
        self.wires[one], self.wires[other] = self.target(other), self.target(one)

    def target(self, name):
        """The host that the device of `name` really switches."""
        return self.wires.get(name, name)

    def address(self, name):
        number = self.world.order.index(name) + 1
        return '192.168.%d.%d' % (100 + number // 250, number % 250)

    def vm_uuid(self, name):
        """Of the virtual machine that a host is on the outer host."""
        return '0a0a0a0a-0000-4000-8000-%012d' % (self.world.order.index(name) + 1)

    def hosts_file(self, method):
        """The text of METHOD.hosts."""
        place = self.address
        if method == 'XVM':
            place = self.vm_uuid
        return '# host uuid:device\n' + ''.join(
            ['%s:%s\n' % (self.world.hosts[name].uuid, place(name))
             for name in self.world.order])

    def files(self, method, folder='/etc/ha-lizard/fence', status=True):
        """{path: text} of what a method needs on the disk of each host."""
        path = '%s/%s/%s' % (folder, method, method)
        if method == 'POOL':
            return {}
        if language_of(method) is not Agent:
            return {path + '.hosts': self.hosts_file(method)}
        if status:
            return {path + '.sh': AGENT_TEXT}
        return {path + '.sh': SHORT_AGENT_TEXT}

    # -- for SimDom0 ----

    def answers(self, argv):
        """Does this command talk to a device?"""
        return self.call(argv) is not None or Cluster.words(argv) is not None

    def run(self, host, argv, feed, env, password, done):
        """Do what the command does, and say done(status, out, err) when it
        ends; some never end.  The ticket of the answer is returned, if there
        is one: a client that is killed hears nothing, the device goes on."""
        if Cluster.words(argv) is not None and not self.call(argv, feed):
            return done(1, '', 'Failed: Unable to connect/login to fencing device\n')
        name, words, language = self.call(argv, feed)
        if language is Talk:
            language, words, password = Talk.spoken(feed)
        return language(self, name, password, env, done, feed).hear(words)

    def call(self, argv, feed=''):
        """(host of the device, words, language) of a command, or None."""
        for language in LANGUAGES:
            words = language.words(argv)
            if words is not None:
                name = language.device(self, argv, words)
                if language is Cluster:
                    name = self.device_at(Cluster.options(feed).get('ipaddr', ''))
                if name is not None:
                    return name, words, language
        return None

    def device_at(self, address):
        for name in self.world.order:
            if self.address(name) == address:
                return name
        return None

    # -- the power ----

    def is_on(self, name, language):
        """What the device says; the truth, unless it lies."""
        if (name, language) in self.lying:
            return False
        return self.world.hosts[self.target(name)].powered

    def switch(self, name, on):
        """The power of what hangs on the device of `name`."""
        target = self.target(name)
        if on and not self.world.hosts[target].powered:
            self.world.power_on(target)
        if not on and self.world.hosts[target].powered:
            self.world.watch_fence(target)
            self.world.power_off(target)


class Language(object):
    """One call of a device: what was asked, when it is answered, and how."""

    dialect_of = None           # the language with whose modes it comes

    def __init__(self, devices, name, password, env, done, feed=''):
        self.devices, self.world, self.name = devices, devices.world, name
        self.password, self.env, self.done, self.feed = password, env or {}, done, feed
        self.kind = self.dialect_of or self.__class__
        self.mode = devices.modes.get((name, self.kind), 'works')
        if self.given() is not None and self.given() != devices.password:
            self.mode = 'locked'

    def given(self):
        """The password as it came; None where none is asked for."""
        return self.password

    def hear(self, words):
        action = self.action(words)
        if self.mode == 'silent':
            return self.silence()
        if self.mode == 'locked':
            return self.say(LOGIN, self.locked())
        if self.mode == 'dies':
            return self.die()
        if self.mode == 'garbage':
            return self.say(READ, self.garbage())
        if action in ('on', 'off'):
            return self.act(action)
        return self.say(READ, lambda: self.answer(action))

    def act(self, action):
        """The device acts when its answer comes; a slow one later."""
        if self.mode == 'refuses':
            return self.say(READ, self.refusal(action))
        before = self.is_on()
        if self.mode == 'lies':
            self.world.at(COMMAND, self.lie, action)
        elif self.mode == 'slow':
            self.world.at(COMMAND + SLOW, self.devices.switch, self.name,
                          action == 'on')
        else:
            self.world.at(COMMAND, self.devices.switch, self.name, action == 'on')
        return self.say(COMMAND, self.accepted(action, before))

    def lie(self, action):
        if action == 'off':
            self.devices.lying[self.name, self.kind] = True
        else:
            self.devices.lying.pop((self.name, self.kind), None)

    def is_on(self):
        return self.devices.is_on(self.name, self.kind)

    def say(self, seconds, answer):
        """Later (status, out, err); a function is asked for it only then."""
        def speak():
            said = answer
            if not isinstance(said, tuple):
                said = said()
            self.done(*said)
        return self.world.at(seconds, speak)


class Ssh(Language):
    """What ssh itself says, whoever is at the other end."""

    @staticmethod
    def words(argv):
        if argv[0].split('/')[-1] == 'ssh' and len(argv) > 3 and '-l' in argv:
            return argv[-2:]                # address, command
        return None

    def given(self):
        return self.password or ''

    def silence(self):
        return self.say(SSH_GIVES_UP, (
            255, '', 'ssh: connect to host %s port 22: Connection timed out\n'
            % self.devices.address(self.name)))

    def locked(self):
        return 255, '', ('root@%s: Permission denied (password,keyboard-interactive).\n'
                         % self.devices.address(self.name))

    def die(self):
        return self.say(READ, (255, '\r\nstatus=0\r\nstatus_tag=COMM',
                               'Connection to %s closed by remote host.\n'
                               % self.devices.address(self.name)))

    def garbage(self):
        return 0, '\x1b[2J\r\nLicense expired: power off hard\r\n', ''


class Ilo(Ssh):
    """The command line of an iLO: devices.md 1.2."""

    @staticmethod
    def device(devices, argv, words):
        return devices.device_at(words[0])

    def action(self, words):
        return {'power': 'status', 'power off hard': 'off', 'stop /system1 -f': 'off',
                'power on': 'on', 'start /system1': 'on',
                'show /system1': 'show'}.get(words[1], words[1])

    def answer(self, action):
        if action == 'status':
            return clp_done('power: server power is currently: %s' % (
                ('Off', 'On')[self.is_on()]))
        if action == 'show':
            return clp_done('/system1\n  Properties\n    enabledstate=%s' % (
                ('disabled', 'enabled')[self.is_on()]))
        return clp_failed('COMMAND NOT RECOGNIZED', '')

    def accepted(self, action, was_on):
        if was_on == (action == 'on'):
            return clp_failed('COMMAND ERROR-UNSPECIFIED',
                              'Server power already %s.' % action)
        if action == 'on':
            return clp_done('Server powering on .......')
        return clp_done('Forcing server power off .......\n'
                        'Please wait 6 seconds for this operation to complete.')

    def refusal(self, action):
        return clp_failed('COMMAND ERROR-UNSPECIFIED', 'Insufficient privileges.')


def clp_done(text):
    return 0, clp('status=0', 'status_tag=COMMAND COMPLETED', text), ''


def clp_failed(tag, text):
    tags = 'status_tag=COMMAND PROCESSING FAILED\nerror_tag=' + tag
    return 0, clp('status=2', tags, text), ''


def clp(status, tag, text):
    lines = '\n%s\n%s\n%s\n\n\n\n%s\n\n\n' % (status, tag, DATE, text)
    return lines.replace('\n', '\r\n')


class Telnet(Ilo):
    """The same over telnet: what our own dialog made of it."""

    dialect_of = Ilo


WRONG_STATE = (
    'You attempted an operation on a VM that was not in an appropriate power state '
    'at the time; for example, you attempted to start a VM that was already running. '
    "The parameters returned are the VM's handle, and the expected and actual VM "
    'state at the time of the call.\nvm: %s (%s)\nexpected: %s\nactual: %s\n')


class Xvm(Ssh):
    """xe of the outer host; a mode of a host is that of its VM there."""

    @staticmethod
    def device(devices, argv, words):
        if words[0] != OUTER:
            return None
        for name in devices.world.order:
            if 'uuid=' + devices.vm_uuid(name) in words[1].split():
                return name
        return None

    def action(self, words):
        return {'vm-shutdown': 'off',
                'vm-start': 'on'}.get(words[1].split()[1], 'status')

    def answer(self, action):
        return 0, ('halted\n', 'running\n')[self.is_on()], ''

    def accepted(self, action, was_on):
        if was_on == (action == 'on'):
            return self.refusal(action, ('Halted', 'Running')[was_on])
        return 0, '', ''

    def refusal(self, action, actual='Paused'):
        expected = {'on': 'Halted', 'off': 'Running'}[action]
        return 1, '', WRONG_STATE % (
            self.devices.vm_uuid(self.name), self.name, expected, actual)

    def die(self):
        return self.say(READ, (
            255, 'halt', 'Connection to %s closed by remote host.\n' % OUTER))

    def garbage(self):
        return 0, 'halted\nrunning\n', ''


UP_DOWN = {'on': 'Up/On', 'off': 'Down/Off'}


class Ipmi(Language):
    """ipmitool -I lanplus: devices.md 3a."""

    @staticmethod
    def words(argv):
        if argv[0].split('/')[-1] == 'ipmitool' and '-H' in argv:
            return argv[-3:]                # chassis power ACTION
        return None

    @staticmethod
    def device(devices, argv, words):
        return devices.device_at(argv[argv.index('-H') + 1])

    def given(self):
        return self.env.get('IPMITOOL_PASSWORD', self.env.get('IPMI_PASSWORD', ''))

    def action(self, words):
        if words[1:] == ['mc', 'guid']:
            return 'guid'
        return words[2]

    def answer(self, action):
        if action == 'guid':
            return 0, 'System GUID  : %s\n' % self.world.hosts[
                self.devices.target(self.name)].uuid, ''
        return 0, 'Chassis Power is %s\n' % ('off', 'on')[self.is_on()], ''

    def accepted(self, action, was_on):
        return 0, 'Chassis Power Control: %s\n' % UP_DOWN[action], ''

    def refusal(self, action):
        return 1, '', ('Set Chassis Power Control to %s failed: Insufficient '
                       'privilege level\n' % UP_DOWN[action])

    def silence(self):
        return self.say(IPMITOOL_GIVES_UP, self.locked())

    def die(self):
        return self.say(IPMITOOL_SESSION_LOST, self.locked())

    def locked(self):
        return 1, '', 'Error: Unable to establish IPMI v2 / RMCP+ session\n'

    def garbage(self):
        return 0, 'Chassis Power is off\nChassis Power is on\n', ''


class Menu(Ssh):
    """The menu of an iRMC over ssh: devices.md 3b."""

    dialect_of = Ipmi

    def action(self, words):
        return {'Immediate Power Off': 'off', 'Power On': 'on'}.get(words[-1], 'status')

    def answer(self, action):
        return 0, 'Power Status : %s\nEnter selection or (0) to quit: ' % (
            ('Off', 'On')[self.is_on()]), ''

    def accepted(self, action, was_on):
        return 0, 'Press any key to continue ', ''

    refusal = lambda self, action: self.accepted(action, False)

    def garbage(self):
        return 0, 'Power Status : On\nPower Status : Off\n', ''


class Talk(Language):
    """ha_lizard.py talk ADDRESS: the script on its stdin says what is spoken."""

    @staticmethod
    def words(argv):
        if argv[2:3] == ['talk']:
            return argv[3:]
        return None

    @staticmethod
    def device(devices, argv, words):
        return devices.device_at(words[0])

    @staticmethod
    def spoken(feed):
        """(language, words, password) of a script."""
        steps = [line.split('\t') for line in feed.split('\n') if line]
        typed = [step[1].replace('\\r', '').replace('\\n', '') for step in steps
                 if step[0] == 'type']
        if steps[0][0] == 'telnet':
            return Telnet, [steps[0][1], typed[2]], typed[1]
        return Menu, [step[1] for step in steps if step[0] == 'choose'] or [''], typed[0]


class Redfish(Language):
    """curl -K - https://...: devices.md 5."""

    system = '/redfish/v1/Systems/1'

    @staticmethod
    def words(argv):
        if argv[0] == 'curl' and '-K' in argv:
            return argv[-3:]                # -d, data, URL
        return None

    @staticmethod
    def device(devices, argv, words):
        return devices.device_at(re.match(r'https://([^/]*):\d+/', words[-1]).group(1))

    def given(self):
        return re.match('user = "[^:]*:(.*)"\n', self.feed).group(1)

    def action(self, words):
        if words[0] == '-d':
            return {'{"ResetType": "ForceOff"}': 'off', '{"ResetType": "On"}': 'on'}[words[1]]
        return {True: 'status', False: 'systems'}[words[-1].endswith(self.system)]

    def answer(self, action):
        if action == 'systems':
            return 0, '{"Members": [{"@odata.id": "%s"}]}\n200' % self.system, ''
        return 0, ('{"@odata.id": "%s", "PowerState": "%s", "UUID": "%s", "Actions": '
                   '{"#ComputerSystem.Reset": {"target": "%s/Actions/'
                   'ComputerSystem.Reset"}}}\n200' % (
                       self.system, ('Off', 'On')[self.is_on()], self.world.hosts[
                           self.devices.target(self.name)].uuid, self.system)), ''

    def accepted(self, action, was_on):
        if was_on == (action == 'on'):
            return 0, '{"MessageId": "iLO.0.10.InvalidOperationForSystemState"}\n400', ''
        return 0, '\n204', ''

    def refusal(self, action):
        return 0, '{"MessageId": "Base.1.0.InsufficientPrivilege"}\n400', ''

    def silence(self):
        return self.say(SSH_GIVES_UP, (28, '\n000', 'curl: (28) Connection timed out\n'))

    def locked(self):
        return 0, '\n401', ''

    def die(self):
        return self.say(READ, (18, '{"PowerState": "Off",\n200', 'curl: (18) transfer closed\n'))

    def garbage(self):
        return 0, '<html>"PowerState": "Off"</html>\n200', ''


class Cluster(Language):
    """fence_NAME of ClusterLabs, its options on stdin: devices.md 6."""

    @staticmethod
    def words(argv):
        if len(argv) == 1 and re.match('fence_[a-z0-9_]+$', argv[0]):
            return argv
        return None

    @staticmethod
    def device(devices, argv, words):
        return None                         # stdin says which

    @staticmethod
    def options(feed):
        return dict([line.split('=', 1) for line in feed.split('\n') if line])

    def given(self):
        return self.options(self.feed).get('passwd', '').strip('"')

    def action(self, words):
        return self.options(self.feed)['action']

    def answer(self, action):
        return {True: (0, 'Status: ON\n', ''), False: (2, 'Status: OFF\n', '')}[self.is_on()]

    def accepted(self, action, was_on):
        return 0, 'Success: Powered %s\n' % action.upper(), ''

    def refusal(self, action):
        return 1, '', 'ERROR: Failed: Timed out waiting to power OFF\n'

    def silence(self):
        """It hangs until somebody kills it."""
        return None

    def locked(self):
        return 1, '', 'ERROR: Unable to connect/login to fencing device\n'

    def die(self):
        return self.say(READ, (137, '', ''))

    def garbage(self):
        """A script that cannot be read ends with 2 as well."""
        return 2, 'Status: ON\nStatus: OFF!\n', ''


class Agent(Language):
    """<METHOD>/<METHOD>.sh UUID ACTION, as AGENT_TEXT; and `test -x` of it."""

    @staticmethod
    def words(argv):
        if argv[:2] == ['test', '-x'] and len(argv) == 3 and AGENT.search(argv[2]):
            return ['', 'exists']
        if len(argv) == 3 and AGENT.search(argv[0]):
            return argv[1:]                 # UUID, ACTION
        return None

    @staticmethod
    def device(devices, argv, words):
        if words == ['', 'exists']:
            return ''
        host = devices.world.host_by(words[0])
        return host and host.name

    def given(self):
        return None                         # it logs in with what it likes

    def hear(self, words):
        if words == ['', 'exists']:
            return self.say(0, (0, '', ''))
        return Language.hear(self, words)

    def action(self, words):
        return {'stop': 'off', 'start': 'on'}.get(words[1], words[1])

    def answer(self, action):
        if action == 'status':
            return (2, 0)[self.is_on()], '', ''
        return 1, '', 'no such action: %s\n' % action

    def accepted(self, action, was_on):
        return 0, '', ''

    def refusal(self, action):
        return 1, '', 'the outlet did not switch\n'

    def silence(self):
        """It hangs until somebody kills it."""
        return None

    def locked(self):
        return 1, '', 'login failed\n'

    def die(self):
        return self.say(READ, (137, '', ''))

    def garbage(self):
        return 141, 'off off off\n', ''


LANGUAGES = (Ilo, Xvm, Ipmi, Talk, Redfish, Cluster, Agent)


def language_of(method):
    """What the devices of a method speak."""
    if method.startswith('fence_'):
        return Cluster
    return {'ILO': Ilo, 'XVM': Xvm, 'IRMC': Ipmi, 'IPMI': Ipmi,
            'REDFISH': Redfish}.get(method, Agent)
