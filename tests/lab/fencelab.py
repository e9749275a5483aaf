"""Fence devices of real parts on loopback, and the matrix of what became of each.

    lab = Lab()                     a folder; lab.close() ends and removes everything
    case = lab.case('ILO', 'works') a fence to be tried: its own device, root and truth
    case.sshd('clp.py')             start what it talks to
    lab.run()                       all cases at once; their result, seconds, why
    lab.show()                      the matrix

A case's label is a row of the tables in section 5 of README, with what is special
about the case in parentheses; what README says there is what is asserted.

Every process is started by us and ended by its pid; the one user that sshd needs
is removed at the end, and what a killed run left is removed by the next.
"""

import atexit
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import base
import ha_lizard

HERE = os.path.dirname(os.path.abspath(__file__))
HOST = '33e68e2c-5b7b-4d5e-ae9c-7baef5b1566b'
PYTHON = '/usr/bin/python3'                 # one that the test user can run
PRODUCT_PYTHON = os.environ.get('LAB_PYTHON', sys.executable)    # what fences: any from 2.4
# Their own in each process: others fence at the same time, and some show theirs.
# At most 20 characters: IPMI.
SECRET = 'Hush-%d-lab' % os.getpid()
WRONG = 'Wrong-%d-lab' % os.getpid()
DECOY = 'Shown-%d-lab' % os.getpid()        # what must be found where secrets must not
PREFIX = 'halizardlab'
SHORT = 14                                  # seconds after which a bad device is given up
ENVIRONMENT = dict(os.environ, LC_ALL='C', PYTHONDONTWRITEBYTECODE='1')
SYSTEM_PATH = os.environ.get('PATH', '') + ':/usr/sbin:/sbin:/usr/bin:/bin'

#: every method has to survive these; what is left out for one is said there.  The
#: failures are the columns of README's second table, there with shorter names
FAILURES = ('wrong password', 'silent', 'unreachable', 'refuses', 'lies', 'says off',
            'late', 'dies', 'garbage')
WORKING = ('works', 'slow', 'split', 'banner')
README = base.read(os.path.join(base.ROOT, 'README'))
#: what its sentences leave open
PLACES = {'HOST': r'\S+', 'N s': r'\d+ s', 'HTTP N': r'HTTP \d+',
          'status N': r'status \d+', 'PROGRAM': '.+', 'METHOD': r'\S+', 'WORDS': '.*'}
SECTION = README[README.index('\n5  FENCING\n'):README.index('\n6  FILES AND NAMES\n')]


def found(program):
    """The path of a program, or None."""
    for folder in SYSTEM_PATH.split(':'):
        path = os.path.join(folder, program)
        if os.access(path, os.X_OK):
            return path


def lacking(*programs):
    """Those of the programs that are not installed."""
    missing = [program for program in programs + ('python3',) if not found(program)]
    return missing + [PYTHON] * (not os.path.exists(PYTHON))


def need(*programs):
    """A decorator: only where all of these are installed, and for root."""
    missing = lacking(*programs)
    why = 'not installed: ' + ', '.join(missing)
    if os.getuid():
        missing, why = ['root'], 'it takes root to add a user for sshd'
    return base.only_if(not missing, why)


def free_port(kind=socket.SOCK_STREAM):
    link = socket.socket(socket.AF_INET, kind)
    link.bind(('127.0.0.1', 0))
    port = link.getsockname()[1]
    link.close()
    return port


class Lab(object):

    def __init__(self):
        self.folder = tempfile.mkdtemp('', 'ha-lizard-lab-')
        os.chmod(self.folder, 0o755)
        self.processes, self.servers, self.cases, self.user = [], [], [], None
        self.left_out = []                  # (row, mode, why)
        self.watch = SecretWatch([SECRET, WRONG, DECOY])
        atexit.register(self.close)

    def case(self, method, mode, label='', **more):
        case = Case(self, method, mode, label or method, **more)
        self.cases.append(case)
        return case

    def leave_out(self, row, why, *modes):
        self.left_out += [(row, mode, why) for mode in modes]

    def missing(self, row):
        """The modes that a row has neither a case for nor a reason for having none."""
        there = [case.mode for case in self.cases if case.row == row] + [
            mode for each, mode, _ in self.left_out if each == row]
        return [mode for mode in WORKING + FAILURES if mode not in there]

    # -- what runs ----

    def start(self, *argv):
        """Start a server in a session of its own."""
        log = open(os.path.join(self.folder, 'log'), 'ab')
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(ENVIRONMENT, PATH=SYSTEM_PATH), start_new_session=True)
        finally:
            log.close()
        self.processes.append(process)
        return process

    def log(self):
        return base.read(os.path.join(self.folder, 'log'))

    def close(self):
        self.watch.stop()
        for server in self.servers:
            server.close()
        for process in self.processes:
            end_session(process)
        if self.user:
            remove_user(self.user)
        self.processes, self.servers, self.user = [], [], None
        shutil.rmtree(self.folder, True)

    def script(self, name):
        """A copy that the test user can read and run, beside device.py."""
        for each in ('device.py', name):
            path = os.path.join(self.folder, each)
            if not os.path.exists(path):
                shutil.copy(os.path.join(HERE, each), path)
                os.chmod(path, 0o755)
        return path

    def add_user(self):
        """The one that logs in at sshd."""
        if self.user is None:
            remove_old_users()
            name = '%s%d' % (PREFIX, os.getpid())
            for _ in range(20):             # the file may be locked by another test
                if subprocess.call(['useradd', '-M', '-d', '/', '-s', '/bin/sh', name]) == 0:
                    break
                time.sleep(0.3)
            self.user = name
            child = subprocess.Popen(['chpasswd'], stdin=subprocess.PIPE)
            child.communicate(('%s:%s\n' % (name, SECRET)).encode())
        return self.user

    def host_key(self, name, *words):
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            subprocess.check_call(['ssh-keygen', '-q', '-N', '', '-f', path] + list(words))
        return path

    # -- the fences ----

    def run(self):
        """Fence with every case, and watch /proc meanwhile.  Those that work come
        first: their seconds count, and the machine is busy with the others."""
        self.watch.start()
        self.start('sh', '-c', 'sleep 0.3; :', DECOY)
        self.run_some([case for case in self.cases if case.mode == 'works'], 4)
        self.run_some([case for case in self.cases if case.mode != 'works'], 24)
        self.watch.stop()

    def run_some(self, waiting, at_once):
        running = []
        while waiting or running:
            while waiting and len(running) < at_once:
                waiting[0].begin()
                running.append(waiting.pop(0))
            time.sleep(0.05)
            running = [case for case in running if not case.has_ended()]

    def show(self):
        """The rows of the matrix; tests/run repeats lines that begin with |."""
        print('')
        for case in self.cases:
            print('| %-26s %-15s %-8s %5.1f s  %s' % (
                case.label, case.mode, case.result, case.seconds, case.why[:150]))
        for row, mode, why in self.left_out:
            print('| %-26s %-15s left out: %s' % (row, mode, why))
        sys.stdout.flush()


class Case(object):
    """One device in one mode, and the fence that is tried with it."""

    def __init__(self, lab, method, mode, label, options='', model='4', expects=None):
        self.lab, self.method, self.mode, self.label = lab, method, mode, label
        self.row = label.split(' (')[0]
        self.expects = expects or promised(self.row, mode)      # (result, patterns)
        self.options, self.password = options, SECRET
        if mode == 'wrong password':
            self.password = WRONG
        if is_endless(mode):
            self.options = (options + ' timeout=%d' % SHORT).strip()
        self.result, self.seconds, self.why = 'not run', -1, ''
        self.folder = os.path.join(lab.folder, str(len(lab.cases)))
        self.state, self.root = [os.path.join(self.folder, name) for name in ('state', 'root')]
        os.makedirs(os.path.join(self.root, 'fence', method))
        os.makedirs(os.path.join(self.root, 'etc/ha-lizard/state'))
        os.makedirs(self.state)
        os.chmod(self.state, 0o777)
        self.put('mode', mode)
        self.put('model', model)
        self.put('power', 'On')
        self.address, self.port, self.user = '127.0.0.1', 0, 'Admin'
        self.what = 'fence'                 # or 'ask', or 'identity'
        self.trusted = False                # FENCE_TRUST_AGENT
        self.short = is_endless(mode)       # nobody wants to wait for 60 s
        self.device = None                  # what stands after the first colon, if not that

    def put(self, name, text):
        path = os.path.join(self.state, name)
        base.write(path, text)
        os.chmod(path, 0o666)

    def truth(self):
        """On or Off: the power, whatever the device says."""
        return base.read(os.path.join(self.state, 'power')).strip()

    # -- what is at the other end ----

    def sshd(self, script, old=False, port=None):
        """A real sshd that runs a script for everybody who logs in."""
        lab = self.lab
        self.user, self.port = lab.add_user(), port or free_port()
        if self.mode == 'silent':
            return lab.servers.append(Deaf(self.port))
        if self.mode == 'unreachable':
            return
        keys = [lab.host_key('ed25519', '-t', 'ed25519'),
                lab.host_key('rsa', '-t', 'rsa', '-b', '2048')]
        more = ''
        if old:
            keys = [lab.host_key('rsa1024', '-t', 'rsa', '-b', '1024')]
            more = ('KexAlgorithms diffie-hellman-group1-sha1\nHostKeyAlgorithms ssh-rsa\n'
                    'Ciphers aes128-cbc,3des-cbc\nMACs hmac-sha1\nRequiredRSASize 1024\n')
        path = os.path.join(self.folder, 'sshd_config')
        base.write(path, SSHD_CONFIG % dict(
            port=self.port, address=self.address, keys='\n'.join(['HostKey ' + key for key in keys]), user=self.user,
            pid=os.path.join(self.folder, 'sshd.pid'), more=more,
            command='%s -SE %s %s' % (PYTHON, lab.script(script), self.state)))
        if not os.path.isdir('/run/sshd'):
            os.mkdir('/run/sshd', 0o755)
        lab.start(found('sshd'), '-D', '-e', '-f', path)
        wait_for_port(self.port, self.address)

    def telnetd(self):
        """inetutils' telnetd, started for each connection as inetd does."""
        self.port, self.user = free_port(), 'Admin'
        self.put('login', 'Admin ' + SECRET)
        if self.mode == 'silent':
            return self.lab.servers.append(Deaf(self.port))
        if self.mode == 'unreachable':
            return
        login = os.path.join(self.folder, 'login.sh')
        base.write(login, '#!/bin/sh\nexec %s -SE %s %s telnet\n' % (
            PYTHON, self.lab.script('clp.py'), self.state), 0o755)
        self.lab.servers.append(Inetd(self.port, [found('telnetd'), '-h', '-E', login]))

    def ipmi_sim(self):
        """OpenIPMI's simulator, its power switched by chassis.sh."""
        self.port, self.user = free_port(socket.SOCK_DGRAM), 'admin'
        if self.mode == 'silent':
            return self.lab.servers.append(Deaf(self.port, socket.SOCK_DGRAM))
        if self.mode == 'garbage':
            return self.lab.servers.append(Babbler(self.port))
        port = self.port
        if self.mode == 'dies':
            port = free_port(socket.SOCK_DGRAM)
            self.lab.servers.append(Cut(self.port, port, 9))
        for name, text in (('lan.conf', LAN_CONF), ('sim.emu', SIM_EMU)):
            base.write(os.path.join(self.folder, name), text % dict(
                port=port, chassis=self.lab.script('chassis.sh'), state=self.state,
                secret=SECRET))
        memory = os.path.join(self.folder, 'memory')
        os.mkdir(memory)
        self.lab.start(found('ipmi_sim'), '-n', '-c', os.path.join(self.folder, 'lan.conf'),
                       '-f', os.path.join(self.folder, 'sim.emu'), '-s', memory)

    def redfish(self):
        self.port, self.user = free_port(), 'Admin'
        self.put('login', 'Admin:' + SECRET)
        if self.mode == 'silent':
            return self.lab.servers.append(Deaf(self.port))
        if self.mode == 'unreachable':
            return
        certificate(self.lab.folder)
        for name in ('cert.pem', 'key.pem'):
            os.symlink(os.path.join(self.lab.folder, name), os.path.join(self.state, name))
        self.lab.start(PYTHON, self.lab.script('redfish.py'), self.state, str(self.port))
        wait_for_port(self.port)

    # -- the fence ----

    def hosts_line(self):
        words = ['%s:%s' % (HOST, self.device or self.address), 'user=' + self.user]
        if self.port:
            words.append('port=%d' % self.port)
        if self.options:
            words.append(self.options)
        return ' '.join(words) + '\n'

    def begin(self):
        path = os.path.join(self.root, 'fence', self.method, self.method)
        base.write(path + '.hosts', self.hosts_line())
        self.process = subprocess.Popen(
            [PRODUCT_PYTHON, os.path.join(HERE, 'fence_once.py'), self.root, self.method,
             self.address, os.path.join(self.state, 'power'), self.what,
             str(int(self.trusted)), str(self.budget()), str(int(self.mode != 'works'))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=dict(ENVIRONMENT, PATH=SYSTEM_PATH, PYTHONDONTWRITEBYTECODE='', PYTHONPYCACHEPREFIX=
                     os.path.join(self.lab.folder, 'compiled')), start_new_session=True)
        self.process.stdin.write((self.password + '\n').encode())
        self.process.stdin.close()
        self.deadline = time.time() + 130

    def budget(self):
        """The seconds that a fence may take."""
        if self.short:
            return SHORT
        return int(ha_lizard.FENCE_TIMEOUT)

    def has_ended(self):
        if self.process.poll() is None and time.time() < self.deadline:
            return False
        self.lines = ['died', '-1', '', 'it did not end']
        if self.process.poll() is not None:
            self.lines = self.process.stdout.read().decode('utf-8', 'replace').split('\n')
        end_session(self.process)
        self.process.stdout.close()
        self.result, self.why = self.lines[0], '\n'.join(self.lines[3:]).strip()
        try:
            self.seconds = float(self.lines[1])
        except (IndexError, ValueError):
            self.result, self.seconds, self.why = 'died', -1, '\n'.join(self.lines)
        return True

    def __str__(self):
        return '%s, %s: %s after %.1f s, power %s: %s' % (
            self.label, self.mode, self.result, self.seconds, self.truth(), self.why)


class Matrix(base.TestCase):
    """What holds for each case of a lab.  A module says in build(lab) which cases
    there are; they run side by side before its first test, and each test judges
    a row of README's tables."""

    lab = None
    exempt = ()                 # programs that show our password, by their own doing

    def build(self, lab):
        raise NotImplementedError

    def cases(self, row):
        kind = self.__class__
        if kind.lab is None:
            kind.lab = Lab()
            self.build(kind.lab)
            kind.lab.run()
            kind.lab.show()
        return [case for case in kind.lab.cases if case.row == row]

    @classmethod
    def tearDownClass(cls):
        if cls.lab is not None:
            cls.lab.close()

    def check(self, row):
        for case in self.cases(row):
            self.judge(case)
        self.assertEqual(self.lab.missing(row), [])
        hits = self.lab.watch.hits
        shown = [hit for hit in hits if DECOY not in hit[1] and hit[0] not in self.exempt]
        self.assertEqual(shown, [], 'secrets in ps: %s' % shown)
        self.assertTrue([hit for hit in hits if DECOY in hit[1]], 'the watch sees nothing')

    def judge(self, case):
        self.assertNotIn(SECRET, case.why)
        self.assertNotIn(WRONG, case.why)
        if case.result == 'off':            # safety: the one that must never break
            self.assertEqual(case.truth(), 'Off', str(case))
        result, patterns = case.expects
        self.assertEqual(case.result, result, str(case))
        if not [each for each in patterns if re.search(each, case.why)]:
            self.fail('%s; and not: %s' % (case, ' or '.join(patterns)))
        if case.mode == 'works':
            self.assertLess(case.seconds, limit_of(case.row), str(case))
        # killing what hangs, and the last look for a sign of life
        self.assertLess(case.seconds, case.budget() + 3, str(case))


def is_endless(mode):
    """Would the fence go on until its time is over?"""
    return mode in FAILURES and mode != 'says off'


# -- what README promises ----

def limit_of(row):
    """Seconds within which it says that a device that works has proved it."""
    return float(re.search(r'(?m)^    %s  .* (\d+) +\d+( t)?$' % re.escape(row), SECTION).group(1))


def promised(row, mode):
    """(result, patterns one of which the sentence must fit)."""
    if mode not in FAILURES:
        return 'off', [r'read off twice, \d+ s after the command$']
    cells = re.search(r'(?m)^    %s  +([a-z-]+(?:  +[a-z-]+){%d})$' % (
        re.escape(row), len(FAILURES) - 1), SECTION).group(1).split()
    result = {'says off': 'wrong'}.get(mode, 'failed')
    return result, [pattern for letter in cells[FAILURES.index(mode)]
                      for pattern in patterns_of(letter)]


def patterns_of(letter):
    """README's sentences of that letter, as patterns."""
    text = re.search(r'(?m)^      %s  (.*(\n {9}.*)*)' % letter, SECTION).group(1)
    return [re.sub('|'.join(sorted(PLACES)), lambda match: PLACES[match.group()],
                   re.escape(each).replace('\\ ', ' '))
            for each in ' '.join(text.split()).split(' / ')]


# -- servers of our own, in threads ----

class Server(object):
    """A socket and a thread that serves it until close()."""

    def __init__(self, port, kind=socket.SOCK_STREAM):
        self.socket, self.held = socket.socket(socket.AF_INET, kind), []
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(('127.0.0.1', port))
        self.socket.settimeout(0.2)
        if kind == socket.SOCK_STREAM:
            self.socket.listen(16)
        self.open = True
        self.thread = threading.Thread(target=self.serve)
        self.thread.daemon = True
        self.thread.start()

    def serve(self):
        while self.open:
            try:
                self.once()
            except socket.timeout:
                continue
            except OSError:
                return

    def close(self):
        self.open = False
        self.thread.join(2)
        self.socket.close()
        for link in self.held:
            link.close()


class Deaf(Server):
    """Takes connections, or packets, and never says anything."""

    def once(self):
        if self.socket.type == socket.SOCK_STREAM:
            self.held.append(self.socket.accept()[0])
        else:
            self.socket.recvfrom(2000)


class Babbler(Server):
    """Answers every packet with noise of the right length."""

    def __init__(self, port):
        Server.__init__(self, port, socket.SOCK_DGRAM)

    def once(self):
        data, place = self.socket.recvfrom(2000)
        self.socket.sendto(os.urandom(len(data)), place)
        self.socket.sendto(b'Chassis Power is off\n', place)


class Cut(Server):
    """Hands on the first packets, then nothing more: the device dies."""

    def __init__(self, port, target, most):
        self.target, self.left = ('127.0.0.1', target), most
        self.out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.out.settimeout(1)
        Server.__init__(self, port, socket.SOCK_DGRAM)
        self.held.append(self.out)

    def once(self):
        data, place = self.socket.recvfrom(2000)
        self.left -= 1
        if self.left >= 0:
            self.out.sendto(data, self.target)
            self.socket.sendto(self.out.recv(2000), place)


class Inetd(Server):
    """Runs a program on the socket of each connection."""

    def __init__(self, port, argv):
        self.argv, self.children = argv, []
        Server.__init__(self, port)

    def once(self):
        link = self.socket.accept()[0]
        link.settimeout(None)
        self.children.append(subprocess.Popen(
            self.argv, stdin=link, stdout=link, stderr=link, start_new_session=True,
            env=dict(ENVIRONMENT, PATH=SYSTEM_PATH)))
        link.close()
        for child in self.children:
            child.poll()

    def close(self):
        Server.close(self)
        for child in self.children:
            end_session(child)


class SecretWatch(object):
    """Looks for secrets in the arguments of all new processes, again and again
    while they are young: then they have become the program that they are."""

    YOUTH = 40                  # looks

    def __init__(self, secrets):
        self.secrets = secrets
        self.hits, self.looks, self.thread, self.watching = set(), {}, None, False

    def start(self):
        self.watching = True
        self.looks = dict.fromkeys(pids(), self.YOUTH)
        self.thread = threading.Thread(target=self.look)
        self.thread.daemon = True
        self.thread.start()

    def look(self):
        while self.watching:
            self.looks = dict([(pid, self.looks.get(pid, 0) + 1) for pid in pids()])
            for pid in self.looks:
                if self.looks[pid] <= self.YOUTH:
                    self.look_at(pid)
            time.sleep(0.03)

    def look_at(self, pid):
        text = arguments(pid)
        if [secret for secret in self.secrets if secret in text]:
            self.hits.add((os.path.basename(text.split('\0')[0]), text.replace('\0', ' ')[:60]))

    def stop(self):
        self.watching = False
        if self.thread is not None:
            self.thread.join(5)
            self.thread = None


# -- small things ----

def pids():
    return [int(name) for name in os.listdir('/proc') if name.isdigit()]


def arguments(pid):
    """Of a process, each with a NUL after it; '' if it has ended."""
    try:
        return base.read('/proc/%s/cmdline' % pid)
    except OSError:
        return ''


def can_listen(address, port):
    """Is the port free?"""
    link = socket.socket(socket.AF_INET)
    try:
        link.bind((address, port))
        return True
    except OSError:
        return False
    finally:
        link.close()


def wait_for_port(port, address='127.0.0.1', seconds=10):
    end = time.time() + seconds
    while time.time() < end:
        link = socket.socket()
        try:
            if link.connect_ex((address, port)) == 0:
                return
        finally:
            link.close()
        time.sleep(0.05)
    raise RuntimeError('nobody listens on port %d' % port)


def end_session(process):
    """End a process that we started as a session leader, and what is in its
    session, each by its own pid."""
    for pid in session_of(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue                        # gone
    process.wait()


def session_of(leader):
    """Pids whose session is that of a child of ours, or that descend from it."""
    if leader <= 1:
        raise ValueError('no session of ours: %d' % leader)
    parents, family = {}, set([leader])
    for pid in pids():
        try:
            words = base.read('/proc/%d/stat' % pid).split(')')[-1].split()
        except OSError:                     # it has ended
            continue
        if len(words) > 3 and pid > 1:
            parents[pid] = (int(words[1]), int(words[3]))
    size = 0
    while size < len(family):
        size = len(family)
        family.update([pid for pid in parents if set(parents[pid]) & family])
    family.discard(os.getpid())
    return sorted(family)


def remove_user(name):
    for pid in pids():
        try:
            if pid > 1 and os.stat('/proc/%d' % pid).st_uid == pwd.getpwnam(name).pw_uid:
                os.kill(pid, signal.SIGKILL)
        except (OSError, KeyError):
            continue
    for _ in range(20):
        status = subprocess.call(['userdel', name], stderr=subprocess.DEVNULL)
        if status in (0, 6):                # done, or there is none
            return
        time.sleep(0.3)


def remove_old_users():
    """Of runs that were killed."""
    for entry in pwd.getpwall():
        match = re.match(PREFIX + r'(\d+)$', entry.pw_name)
        if match and not os.path.exists('/proc/' + match.group(1)):
            remove_user(entry.pw_name)


def certificate(folder):
    if not os.path.exists(os.path.join(folder, 'cert.pem')):
        subprocess.check_call(
            ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2',
             '-keyout', os.path.join(folder, 'key.pem'),
             '-out', os.path.join(folder, 'cert.pem'), '-subj', '/CN=localhost'],
            stderr=subprocess.DEVNULL)


SSHD_CONFIG = '''Port %(port)s
ListenAddress %(address)s
%(keys)s
PidFile %(pid)s
UsePAM no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PubkeyAuthentication no
PermitRootLogin no
AllowUsers %(user)s
PrintMotd no
PrintLastLog no
LoginGraceTime 20
StrictModes no
%(more)sForceCommand %(command)s
'''

LAN_CONF = '''name "bmc1"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 %(port)s
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "%(chassis)s %(state)s"
  user 1 true  ""        "test" user     10 none md2 md5 straight
  user 2 true  "admin"   "%(secret)s" admin  10 none md2 md5 straight
'''

SIM_EMU = '''mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 1000 0x0a
mc_enable 0x20
'''
