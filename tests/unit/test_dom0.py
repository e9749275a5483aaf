"""The seam to the machine: processes, sockets and files of a real one.

Everything happens below a folder that HA_LIZARD_ROOT names, and on loopback.
"""

import errno
import os
import signal
import socket
import stat
import struct
import sys
import time
try:
    import ctypes
except ImportError:             # before Python 2.5
    ctypes = None

import base
import ha_lizard
from ha_lizard import NOT_FOUND, TIMED_OUT, clock, to_bytes, to_text

CAFE = 'caf' + to_text(struct.pack('BB', 0xc3, 0xa9))


class Dom0Test(base.TestCase):
    """`self.dom0` is rooted in the folder `self.root`."""

    def setUp(self):
        self.root, self.children = self.folder(), []
        self.environment = dict(os.environ)
        os.environ['HA_LIZARD_ROOT'] = self.root
        self.dom0 = ha_lizard.Dom0()

    def tearDown(self):
        os.environ.clear()
        os.environ.update(self.environment)
        self.dom0.close()
        for pid in self.children:
            ha_lizard.kill_family(pid)
            ha_lizard.steadily(os.waitpid, pid, 0)

    def sh(self, script, timeout=20, **more):
        return self.dom0.run(['sh', '-c', script], timeout, **more)

    def finish(self, job):
        os.kill(job.pid, signal.SIGKILL)
        self.dom0.complete([job])

    def program(self, name, script):
        """A shell script that comes first in the PATH of children."""
        path = os.path.join(self.root, 'bin', name)
        base.write(path, '#!/bin/sh\n' + script, int('755', 8))
        os.environ['PATH'] = '%s:%s' % (os.path.dirname(path), self.environment['PATH'])

    def fork(self, work):
        """Run work() in a child of the test."""
        pid = os.fork()
        if pid == 0:
            try:
                work()
            finally:
                os._exit(0)
        self.children.append(pid)
        return pid

    def wait_until(self, condition, seconds=10):
        end = clock() + seconds
        while not condition():
            if clock() > end:
                self.fail('it did not happen within %d s' % seconds)
            time.sleep(0.005)


def alive(pid):
    """Whether that process is more than a zombie."""
    return ha_lizard.processes().get(pid, 'Z')[0] != 'Z'


def descriptors():
    return sorted(os.listdir('/proc/self/fd'))


# -- jobs ---------------------------------------------------------------------

class Running(Dom0Test):
    def test_status_and_both_outputs(self):
        result = self.sh('echo out; echo err >&2; exit 3')
        self.assertEqual((result.status, result.output, result.errors), (3, 'out\n', 'err\n'))
        self.assertEqual(result.argv[0], 'sh')

    def test_big_outputs_on_both_pipes(self):
        result = self.sh('head -c 1000000 /dev/zero | tr "\\0" e >&2 & '
                         'head -c 2000000 /dev/zero | tr "\\0" o; wait')
        self.assertEqual(result.errors, 'e' * 1000000)
        self.assertEqual(result.output, 'o' * 2000000)

    def test_a_feed_larger_than_a_pipe(self):
        result = self.dom0.run(['cat'], 20, feed=CAFE * 300000)
        self.assertEqual((result.output == CAFE * 300000, result.status), (True, 0))

    def test_a_child_that_does_not_want_its_feed(self):
        self.assertEqual(self.dom0.run(['true'], 20, feed='x' * 1000000).status, 0)
        result = self.sh('exec <&-; echo done', feed='x' * 1000000)
        self.assertEqual(result.output, 'done\n')

    def test_without_a_feed_there_is_nothing_to_read(self):
        self.assertEqual(self.dom0.run(['cat'], 20).output, '')
        self.assertEqual(self.sh('readlink /proc/self/fd/0').output, '/dev/null\n')

    def test_what_cannot_be_started(self):
        folder = os.path.join(self.root, 'folder')
        os.mkdir(folder)
        base.write(os.path.join(self.root, 'text'), 'x')
        for argv, why in ((['no-such-program', 'secret'], 'No such file or directory'),
                          ([folder], 'Permission denied'),
                          ([os.path.join(self.root, 'text')], 'Permission denied'),
                          (['true', 'x' * 3000000], 'Argument list too long')):
            result = self.dom0.run(argv, 20)
            self.assertEqual(result.status, NOT_FOUND)
            self.assertEqual(result.errors, '%s: %s' % (argv[0], why))
            self.assertNotIn('secret', str(result))
        self.assertEqual(self.dom0.run(['tr\0ue'], 20).status, NOT_FOUND)

    def test_no_process_or_pipe_is_to_be_had(self):
        before, count = (os.fork, os.pipe), descriptors()
        for name in 'fork', 'pipe':
            def fail():
                raise OSError(errno.EAGAIN, 'Resource temporarily unavailable')
            setattr(os, name, fail)
            try:
                job = self.dom0.begin(['true'], 20, feed='x')
            finally:
                os.fork, os.pipe = before
            self.assertEqual(job.result.status, NOT_FOUND)
            self.assertEqual(job.result.errors, 'Resource temporarily unavailable')
        self.assertEqual(descriptors(), count)

    def test_partial_output_before_the_deadline_is_kept(self):
        started = clock()
        result = self.sh('echo half; echo why >&2; sleep 30', timeout=0.3)
        self.assertEqual((result.status, result.output, result.errors),
                         (TIMED_OUT, 'half\n', 'why\n'))
        self.assertTrue(clock() - started < 5)
        self.assertEqual(str(result), 'sh: no end in time: why')

    def test_the_deadline_kills_all_that_it_started(self):
        result = self.sh('sleep 30 & echo $!; setsid sleep 30 & echo $!; '
                         '(trap "" TERM HUP INT; sleep 30) & echo $!; sleep 30', timeout=0.4)
        pids = [int(word) for word in result.output.split()]
        self.assertEqual(len(pids), 3)
        self.wait_until(lambda: not [pid for pid in pids if alive(pid)])

    def test_a_killed_child(self):
        self.assertEqual(self.sh('echo x; kill -9 $$').status, 128 + 9)
        self.assertEqual(self.sh('kill -15 $$').status, 128 + 15)
        result = self.sh('printf "uuid ( RO): 12"; kill -9 $$')
        self.assertEqual((result.output, bool(result)), ('uuid ( RO): 12', False))

    def test_a_daemon_that_holds_our_pipes_does_not_hold_us(self):
        started = clock()
        result = self.sh('sleep 30 & echo $!')
        self.assertTrue(clock() - started < 5)
        self.assertTrue(alive(int(result.output)))      # and it may live on
        ha_lizard.kill_quietly(os.kill, int(result.output))

    def test_a_daemon_that_goes_on_talking_does_not_hold_us(self):
        result = self.sh('yes & echo $! >&2')
        self.assertEqual(result.status, 0)
        ha_lizard.kill_quietly(os.kill, int(result.errors))

    def test_closed_pipes_are_not_the_end(self):
        started = clock()
        result = self.sh('exec >&- 2>&-; sleep 0.3; exit 4')
        self.assertEqual(result.status, 4)
        self.assertTrue(clock() - started >= 0.28)

    def test_who_says_too_much_is_killed(self):
        before = ha_lizard.MOST_OUTPUT
        ha_lizard.MOST_OUTPUT = 100000
        try:
            result = self.sh('yes')
        finally:
            ha_lizard.MOST_OUTPUT = before
        self.assertEqual((result.status, result.errors), (137, 'killed: it said too much'))
        self.assertTrue(100000 < len(result.output) < 10000000)

    def test_the_environment_is_made_from_nothing(self):
        os.environ.update({'XE_EXTRA_ARGS': 'force=true', 'LC_ALL': 'tr_TR.UTF-8',
                           'HOME': self.root, 'LD_PRELOAD': '', 'HA_LIZARD_X': 'passed'})
        result = self.dom0.run(['env'], 20, env={'XE_EXTRA_ARGS': 'mine', 'NAME': CAFE})
        got = dict([line.split('=', 1) for line in result.output.splitlines()])
        self.assertEqual(got, {
            'LC_ALL': 'C', 'HOME': ha_lizard.NO_HOME, 'PATH': os.environ['PATH'],
            'XE_EXTRA_ARGS': 'mine', 'NAME': CAFE, 'HA_LIZARD_ROOT': self.root,
            'HA_LIZARD_X': 'passed'})

    def test_the_path_on_a_real_dom0(self):
        self.dom0.root = ''
        path = self.dom0.environment()['PATH']
        self.dom0.root = self.root
        self.assertEqual(path.split(':')[0], '/opt/xensource/bin')
        for folder in '/bin', '/sbin', '/usr/bin', '/usr/sbin':
            self.assertIn(folder, path.split(':'))

    def test_arguments_arrive_as_they_are(self):
        argv = ['printf', '%s|', '', 'a b', '$(reboot)', "'", '"', 'a\nb', CAFE, '\\']
        self.assertEqual(self.dom0.run(argv, 20).output, '|'.join(argv[2:]) + '|')

    def test_children_get_nothing_of_ours(self):
        ours = os.open('/dev/null', os.O_RDONLY)
        link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        other = self.dom0.begin(['sleep', '20'], 60)
        listed = self.sh('echo /proc/self/fd/*').output.split()
        # the shell lists its own: it has none
        self.assertEqual([name for name in listed if name[-1] not in '0123'], [])
        self.finish(other)
        os.close(ours)
        link.close()

    def test_signals_are_as_programs_expect_them(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            fields = self.sh('grep SigIgn /proc/self/status').output.split()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.assertEqual(int(fields[1], 16), 0)

    def test_an_own_group_in_our_session(self):
        job = self.dom0.begin(['sleep', '20'], 60)
        self.wait_until(lambda: os.getpgid(job.pid) == job.pid)
        self.assertEqual(os.getsid(job.pid), os.getsid(0))
        self.finish(job)

    def test_a_parent_that_ignores_the_death_of_children(self):
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        self.assertEqual(self.sh('exit 3').status, 255)     # the status is lost
        ha_lizard.Dom0().close()
        self.assertEqual(self.sh('exit 3').status, 3)

    def test_descriptors_do_not_leak(self):
        before = descriptors()
        for _ in range(270):
            self.dom0.run(['true'], 20)
        for _ in range(10):
            self.dom0.run(['no-such-program'], 20, feed='x')
            self.dom0.run(['sleep', '5'], 0.01, feed='x' * 100000)
            self.dom0.run(['true'], 20, password='x')
        self.assertEqual(descriptors(), before)
        self.assertEqual(self.zombies(), [])

    def zombies(self):
        table = ha_lizard.processes()
        return [pid for pid in table if table[pid][:2] == ('Z', os.getpid())]

    def test_who_does_not_die_is_reaped_later(self):
        before = ha_lizard.kill_group
        ha_lizard.kill_group = lambda pid: None         # asleep in the kernel
        try:
            job = self.dom0.begin(['sleep', '30'], 0)
            self.assertEqual(self.dom0.ended([job], 1), [job])
        finally:
            ha_lizard.kill_group = before
        self.assertEqual(job.result.status, TIMED_OUT)
        self.assertIn(job.pid, ha_lizard.Job.unburied)
        ha_lizard.kill_group(job.pid)
        self.wait_until(lambda: not alive(job.pid))
        self.dom0.run(['true'], 20)
        self.assertEqual((self.zombies(), ha_lizard.Job.unburied), ([], []))


class SeveralJobs(Dom0Test):
    def test_they_run_side_by_side(self):
        started = clock()
        jobs = [self.dom0.begin(['sh', '-c', 'sleep 0.4; echo %d' % number], 20)
                for number in range(10)]
        self.dom0.complete(jobs)
        self.assertEqual([job.result.output for job in jobs],
                         ['%d\n' % number for number in range(10)])
        self.assertTrue(0.4 <= clock() - started + 0.02 < 3)

    def test_the_first_to_end_is_told(self):
        slow = self.dom0.begin(['sleep', '20'], 60)
        quick = self.dom0.begin(['echo', 'x'], 60)
        self.assertEqual(self.dom0.ended([slow, quick], 10), [quick])
        self.assertEqual(self.dom0.ended([slow, quick], 10), [quick])   # and again
        self.assertIsNone(slow.result)
        os.kill(slow.pid, signal.SIGKILL)
        self.assertEqual(self.dom0.ended([slow], 10), [slow])

    def test_not_longer_than_told(self):
        job = self.dom0.begin(['sleep', '0.4'], 60)
        started = clock()
        self.assertEqual(self.dom0.ended([job], 0), [])
        self.assertEqual(self.dom0.ended([job], 0.1), [])
        self.assertTrue(0.08 <= clock() - started < 0.35)
        self.assertEqual(self.dom0.ended([], 10), [])
        self.dom0.complete([job])
        self.assertEqual(job.result.status, 0)

    def test_each_has_its_own_deadline(self):
        one = self.dom0.begin(['sleep', '20'], 0.1)
        two = self.dom0.begin(['sh', '-c', 'sleep 0.3; echo two'], 20)
        self.assertEqual(self.dom0.ended([one, two], 20), [one])
        self.assertEqual(self.dom0.ended([two], 20), [two])
        self.assertEqual((one.result.status, two.result.output), (TIMED_OUT, 'two\n'))


class Signals(Dom0Test):
    """A handler that runs in the middle of a system call loses nothing."""

    def test_signals_while_children_start_run_and_end(self):
        heard, parent = [], os.getpid()
        before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(1))

        def pester():
            while os.getppid() == parent:
                os.kill(parent, signal.SIGUSR1)
                time.sleep(0.0005)
        pid = self.fork(pester)
        try:
            self.wait_until(lambda: heard)
            results = [self.dom0.run(['sh', '-c', 'cat; echo err >&2; exit 7'], 20,
                                     feed='x' * 200000) for _ in range(15)]
            results += [self.dom0.run(['cat'], 20, feed='y', password='z')
                        for _ in range(5)]
            started = clock()
            self.dom0.sleep(0.2)
            slept = clock() - started
            self.dom0.write('/notes', 'x' * 300000)
            text = self.dom0.read('/notes')
            late = self.sh('sleep 20', timeout=0.1)
        finally:
            os.kill(pid, signal.SIGKILL)
            ha_lizard.steadily(os.waitpid, self.children.pop(), 0)
            signal.signal(signal.SIGUSR1, before)
        self.assertEqual([(result.status, len(result.output), result.errors)
                          for result in results],
                         [(7, 200000, 'err\n')] * 15 + [(0, 1, '')] * 5)
        self.assertTrue(0.19 <= slept < 2, slept)
        self.assertEqual((len(text), late.status), (300000, TIMED_OUT))
        self.assertTrue(len(heard) > 50)
        self.assertRaises(OSError, os.waitpid, -1, os.WNOHANG)      # no child is left


class Passwords(Dom0Test):
    ASK = 'printf "root@10.0.0.1\'s password: " >/dev/tty; read -r word </dev/tty; '

    def test_it_is_typed_when_asked_for(self):
        result = self.sh(self.ASK + 'echo "got $word"; echo err >&2; exit 4',
                         password='two words\\$x"')
        self.assertEqual((result.status, result.output, result.errors),
                         (4, 'got two words\\$x"\n', 'err\n'))

    def test_it_is_not_typed_unasked(self):
        result = self.sh('printf "Your password: 42 \n" >&2; printf "name: " >/dev/tty; '
                         'cat /dev/tty', timeout=0.25, password='secret')
        self.assertEqual((result.status, result.output), (TIMED_OUT, ''))
        self.assertEqual(result.errors, 'Your password: 42 \n\nname:')

    def test_a_second_question_means_that_it_was_wrong(self):
        started = clock()
        result = self.sh(self.ASK + 'printf "\nPermission denied.\n" >/dev/tty; '
                         + self.ASK + 'echo in', password='secret')
        self.assertEqual((result.status, result.output), (137, ''))
        self.assertEqual(result.errors, 'Permission denied.\nthe password was not accepted')
        self.assertTrue(clock() - started < 5)

    def test_it_shows_nowhere(self):
        result = self.sh(self.ASK + 'echo "no: $word" >&2; printf "\nno: $word" >/dev/tty; '
                         'cat /proc/$$/cmdline /proc/$PPID/cmdline; env', password='s3cret')
        self.assertNotIn('s3cret', result.output)
        self.assertEqual(result.errors, 'no: ***\n\nno: ***')

    def test_the_feed_still_is_standard_input(self):
        result = self.sh(self.ASK + 'cat; echo " $word"', feed='x' * 100000, password='p')
        self.assertEqual(result.output, 'x' * 100000 + ' p\n')

    def test_a_program_that_closes_all_it_does_not_know(self):
        # as ssh does: the terminal must still be there
        result = self.sh('exec 3>&- 4>&- 5>&- 6>&-; sleep 0.1; ' + self.ASK
                         + 'echo "got $word"', password='p')
        self.assertEqual(result.output, 'got p\n')

    def test_the_terminal_is_the_childs_alone(self):
        job = self.dom0.begin(['sleep', '20'], 60, password='p')
        self.wait_until(lambda: os.getsid(job.pid) == job.pid)
        self.wait_until(lambda: self.terminal(job.pid) != 0)
        self.assertNotEqual(self.terminal(os.getpid()), self.terminal(job.pid))
        self.finish(job)

    def terminal(self, pid):
        return int(base.read('/proc/%d/stat' % pid).split(')')[-1].split()[4])

    def test_without_a_password_there_is_no_terminal(self):
        child = self.dom0.spawn(lambda: self.dom0.write(
            '/said', self.sh('cat /dev/tty 2>&1; echo $?').output))
        self.wait_until(child.ended)
        self.assertIn('No such device or address', self.dom0.read('/said'))


# -- children with our own code ------------------------------------------------

class Spawning(Dom0Test):
    def setUp(self):
        Dom0Test.setUp(self)
        self.spawned = []

    def spawn(self, work):
        self.spawned.append(self.dom0.spawn(work))
        return self.spawned[-1]

    def tearDown(self):
        for child in self.spawned:
            child.kill()
        Dom0Test.tearDown(self)

    def ended(self, child):
        self.wait_until(child.ended)
        return child.status

    def test_it_runs_and_ends(self):
        child = self.spawn(lambda: self.dom0.write('/done', str(os.getpid())))
        self.assertEqual(self.ended(child), 0)
        self.assertTrue(child.ended())
        self.assertEqual(self.dom0.read('/done'), str(child.pid))

    def test_a_bug_is_logged_with_its_place(self):
        child = self.spawn(lambda: {}['missing'])
        self.assertEqual(self.ended(child), 1)
        log = self.dom0.read('/var/log/messages')
        self.assertIn("KeyError: 'missing'", log)
        self.assertIn('test_dom0.py', log)

    def test_an_exit_is_not_a_bug(self):
        for code, status in (None, 0), (0, 0), (3, 1), ('why', 1):
            child = self.spawn(lambda: sys.exit(code))
            self.assertEqual(self.ended(child), status)
        self.assertEqual(self.dom0.read('/var/log/messages'), None)

    def test_it_leads_a_session_of_its_own(self):
        child = self.spawn(lambda: time.sleep(20))
        self.wait_until(lambda: os.getsid(child.pid) == child.pid)
        self.assertFalse(child.ended())
        child.kill()
        self.assertEqual((child.ended(), child.status), (True, 137))

    def test_promises(self):
        def work():
            self.wait_until(lambda: self.dom0.read('/go'))
            for seconds in 7, 1000, 500:
                self.dom0.promise(seconds)
            self.dom0.write('/promised', 'x')
            time.sleep(20)
        before = clock()
        child = self.spawn(work)
        self.assertTrue(abs(child.promise - before - ha_lizard.FIRST_PROMISE) < 2)
        self.dom0.write('/go', 'x')
        self.wait_until(lambda: self.dom0.read('/promised'))
        self.assertTrue(abs(child.promise - before - 500) < 5)
        self.assertTrue(abs(child.promise - before - 500) < 5)
        child.kill()
        self.assertTrue(abs(child.promise - before - 500) < 5)

    def test_a_promise_to_nobody(self):
        self.dom0.promise(5)

        def work():
            for _ in range(20000):              # more than the pipe can hold
                self.dom0.promise(5)
        self.assertEqual(self.ended(self.spawn(work)), 0)

    def test_what_a_child_confides(self):
        text = 'a=1\nb=\\n\n' + 'x' * 200000        # more than the pipe can hold

        def work():
            self.dom0.confide('nothing')
            self.dom0.promise(1000)
            self.dom0.confide(text)
        child = self.spawn(work)
        self.assertEqual(self.ended(child), 0)
        self.assertEqual(child.memory, text)
        self.assertTrue(child.promised > clock() + 500)

    def test_a_child_without_its_parent_goes_on(self):
        def orphan():
            parent = os.getpid()

            def work():
                self.wait_until(lambda: os.getppid() != parent)
                self.dom0.promise(5)            # into a pipe without a reader
                self.dom0.write('/done', 'x')
            self.dom0.spawn(work)
            os.kill(parent, signal.SIGKILL)
        self.fork(orphan)
        self.wait_until(lambda: self.dom0.read('/done'))

    def test_kill_takes_the_whole_session(self):
        def work():
            jobs = [self.dom0.begin(['sh', '-c', 'echo $$ >>%s/pids; sleep 30 & '
                                     'echo $! >>%s/pids; wait' % (self.root, self.root)], 60)]
            jobs.append(self.dom0.begin(['sh', '-c', '(sleep 30 & echo $! >>%s/pids); exit'
                                         % self.root], 60))
            jobs.append(self.dom0.begin(['sh', '-c', 'echo $$ >>%s/pids; sleep 30; exit'
                                         % self.root], 60, password='x'))
            time.sleep(30)
        child = self.spawn(work)
        self.wait_until(lambda: len(self.dom0.read('/pids', '').split()) == 4)
        pids = [int(word) for word in self.dom0.read('/pids').split()]
        self.assertEqual([pid for pid in pids if not alive(pid)], [])
        started = clock()
        child.kill()
        self.assertTrue(clock() - started < 2)
        self.wait_until(lambda: not [pid for pid in pids if alive(pid)], 2)
        self.assertEqual(child.status, 137)

    def test_kill_takes_what_a_dead_leader_left(self):
        child = self.spawn(lambda: self.dom0.begin(
            ['sh', '-c', 'echo $$ >%s/pid; sleep 30' % self.root], 60))
        self.assertEqual(self.ended(child), 0)
        self.wait_until(lambda: self.dom0.read('/pid', '').strip())
        pid = int(self.dom0.read('/pid'))
        self.assertTrue(alive(pid))
        child.kill()
        self.wait_until(lambda: not alive(pid), 2)
        self.assertEqual(child.status, 0)

    def test_kill_spares_a_stranger_with_the_same_number(self):
        child = self.spawn(lambda: None)
        self.ended(child)
        stranger = self.fork(lambda: time.sleep(30))
        child.pid = stranger                    # the number was given away again
        child.kill()
        self.assertTrue(alive(stranger))

    def test_kill_spares_us(self):
        child = self.spawn(lambda: time.sleep(30))
        child.kill()
        child.kill()
        self.assertTrue(child.ended())

    def test_nothing_of_the_parent_stays_open(self):
        path = os.path.join(self.root, 'lock')
        ours = os.open(path, os.O_CREAT | os.O_RDWR)
        self.dom0.probe(['127.0.0.1', '::1'])
        child = self.spawn(lambda: self.dom0.write('/open', '\n'.join(
            [os.readlink('/proc/self/fd/%d' % fd) for fd in ha_lizard.open_descriptors()])))
        self.assertEqual(self.ended(child), 0)
        os.close(ours)
        left = self.dom0.read('/open').split('\n')
        self.assertEqual([name for name in left if not name.startswith('pipe:')
                          and name not in ('/dev/null', '/dev/urandom')], [])
        self.assertEqual(len([name for name in left if name.startswith('pipe:')]), 1)

    def test_it_can_probe_and_run_and_log(self):
        self.dom0.probe(['127.0.0.1'])

        def work():
            alive = self.dom0.answering(['127.0.0.1'], 5)
            self.dom0.log('%s %s' % (sorted(alive), self.sh('echo x').output))
        self.assertEqual(self.ended(self.spawn(work)), 0)
        self.assertIn("['127.0.0.1'] x", self.dom0.read('/var/log/messages'))

    def test_what_was_not_yet_printed_is_printed_once(self):
        path = os.path.join(self.root, 'out')

        def print_and_spawn():
            out = os.open(path, os.O_CREAT | os.O_WRONLY)
            os.dup2(out, 1)
            sys.stdout = os.fdopen(1, 'w')
            sys.stdout.write('once ')
            child = self.dom0.spawn(lambda: ha_lizard.say('child'))
            self.wait_until(child.ended)
            sys.stdout.flush()
        self.fork(print_and_spawn)
        self.wait_until(lambda: not alive(self.children[-1]))
        self.assertEqual(base.read(path), 'once child\n')

    def test_no_fork(self):
        before, count = os.fork, descriptors()

        def fork():
            raise OSError(errno.EAGAIN, 'Resource temporarily unavailable')
        os.fork = fork
        try:
            child = self.dom0.spawn(lambda: None)
        finally:
            os.fork = before
        self.assertEqual((child.ended(), child.status), (True, NOT_FOUND))
        child.kill()
        self.assertEqual(descriptors(), count)
        self.assertIn('cannot fork', self.dom0.read('/var/log/messages'))

    def test_descriptors_do_not_leak(self):
        before = descriptors()
        for number in range(30):
            child = self.dom0.spawn(lambda: None)
            if number % 2:
                self.wait_until(child.ended)
            else:
                child.kill()
        self.assertEqual(descriptors(), before)


class Families(Dom0Test):
    def test_a_name_with_spaces_and_parentheses(self):
        path = os.path.join(self.root, 'a) S 1 (b')
        os.symlink('/bin/sleep', path)
        job = self.dom0.begin([path, '20'], 60)
        self.wait_until(lambda: 'S 1' in base.read('/proc/%d/stat' % job.pid))
        self.assertEqual(ha_lizard.processes()[job.pid][1:], (os.getpid(), os.getsid(0)))
        self.finish(job)

    def test_nobody_kills_the_family_of_init(self):
        killed, before = [], os.kill
        os.kill = lambda pid, number: killed.append(pid)
        try:
            for leader in -1, 0, 1:
                self.raised(ValueError, ha_lizard.kill_family, leader)
        finally:
            os.kill = before
        self.assertEqual(killed, [])

    def test_who_belongs_together(self):
        table = {1: ('S', 0, 1), 10: ('S', 1, 10), 11: ('S', 10, 10), 12: ('S', 1, 10),
                 20: ('S', 11, 20), 21: ('S', 1, 20), 30: ('S', 1, 30)}
        self.assertEqual(ha_lizard.relatives([10], table), set([10, 11, 12, 20, 21]))
        self.assertEqual(ha_lizard.relatives([20], table), set([20, 21]))
        self.assertEqual(ha_lizard.relatives([99], table), set([99]))


# -- signs of life ------------------------------------------------------------

def can_ping():
    try:
        ha_lizard.raw_socket(socket.AF_INET).close()
        ha_lizard.raw_socket(socket.AF_INET6).close()
        return True
    except (EnvironmentError, socket.error):
        return False


with_icmp = base.only_if(can_ping(), 'no raw sockets for ICMP here')
# a network where nothing lives, and no router says so
NO_ROUTE = '255.255.255.255'


class NetworkTest(Dom0Test):
    """Ports: `self.listening` listens on 127.0.0.1, `self.refusing` is taken
    but does not, and `self.silent` drops what comes: its queue is full."""

    def setUp(self):
        Dom0Test.setUp(self)
        self.links = []
        self.listening = self.listen(5)
        self.refusing = self.listen(None)
        self.silent = self.listen(0)
        for _ in range(3):
            link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            link.setblocking(0)
            link.connect_ex(('127.0.0.1', self.silent))
            self.links.append(link)
        self.replaced = ha_lizard.raw_socket, ha_lizard.clock
        self.probers = []

    def tearDown(self):
        ha_lizard.raw_socket, ha_lizard.clock = self.replaced
        for thing in self.links + self.probers:
            thing.close()
        Dom0Test.tearDown(self)

    def listen(self, queue, host='127.0.0.1', port=0):
        link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        link.bind((host, port))
        if queue is not None:
            link.listen(queue)
        self.links.append(link)
        return link.getsockname()[1]

    def no_icmp(self):
        def refuse(family):
            raise socket.error(errno.EPERM, 'Operation not permitted')
        ha_lizard.raw_socket = refuse

    def prober(self, ports=(), patience=0.9):
        self.probers.append(ha_lizard.Prober(ports, patience))
        return self.probers[-1]

    def gathered(self, prober):
        """What it gathers, as soon as there is something."""
        for _ in range(1000):
            alive = prober.gather()
            if alive:
                return alive
            time.sleep(0.005)

    def answers(self, prober, address='127.0.0.1', seconds=0.2):
        return prober.answering(set([address]), clock() + seconds)


class Probing(NetworkTest):
    def test_accepted_and_refused_are_signs_of_life(self):
        self.no_icmp()
        for port in self.listening, self.refusing:
            self.assertEqual(self.answers(self.prober([port])), set(['127.0.0.1']))

    def test_one_port_of_three_is_enough(self):
        self.no_icmp()
        prober = self.prober([self.silent, self.silent, self.refusing])
        self.assertEqual(self.answers(prober), set(['127.0.0.1']))

    def test_silence_and_no_route_are_not(self):
        self.no_icmp()
        started = clock()
        self.assertEqual(self.answers(self.prober([self.silent])), set())
        self.assertTrue(0.18 <= clock() - started < 2)
        self.assertEqual(self.answers(self.prober([443]), NO_ROUTE), set())

    def test_no_route_is_not_a_sign_by_icmp_either(self):
        self.assertEqual(self.answers(self.prober(), NO_ROUTE), set())

    def test_ipv6(self):
        self.no_icmp()
        self.assertEqual(self.answers(self.prober([self.refusing]), '::1'), set(['::1']))

    @with_icmp
    def test_icmp_alone(self):
        for address in '127.0.0.1', '127.9.8.7', '::1', '0:0::1':
            self.assertEqual(self.answers(self.prober(), address), set([address]))

    @with_icmp
    def test_no_tcp_where_icmp_answers(self):
        prober = self.prober([self.listening])
        before, prober.connect = prober.connect, None       # it would raise
        for _ in range(3):
            self.assertEqual(self.answers(prober), set(['127.0.0.1']))

    def test_tcp_only_after_icmp_had_its_time(self):
        prober, now = self.prober([self.refusing]), [clock()]
        prober.send_echo = lambda ask: True                 # sent, and lost
        ha_lizard.clock = lambda: now[0]
        prober.ask(['127.0.0.1'])
        self.assertEqual((prober.gather(), prober.writing()), (set(), []))
        now[0] += 0.8
        prober.ask(['127.0.0.1'])
        self.assertEqual(prober.gather(), set())
        now[0] += 0.2
        prober.ask(['127.0.0.1'])
        self.assertEqual(self.gathered(prober), set(['127.0.0.1']))
        # who does not answer ICMP is asked by TCP as well from now on
        prober.ask(['127.0.0.1'])
        self.assertEqual(self.gathered(prober), set(['127.0.0.1']))

    @with_icmp
    def test_icmp_alone_again_when_it_answers_again(self):
        prober = self.prober([self.refusing])
        prober.deaf.add('127.0.0.1')
        self.assertEqual(self.answers(prober), set(['127.0.0.1']))
        self.assertEqual(prober.deaf, set())

    def test_an_ask_expires_and_is_put_again(self):
        self.no_icmp()
        prober, now = self.prober([self.silent]), [clock()]
        ha_lizard.clock = lambda: now[0]
        prober.ask(['127.0.0.1'])
        first = prober.asks['127.0.0.1']
        now[0] += 1.9
        prober.ask(['127.0.0.1'])
        self.assertIs(prober.asks['127.0.0.1'], first)
        now[0] += 0.2
        prober.ask(['127.0.0.1'])
        self.assertIsNot(prober.asks['127.0.0.1'], first)
        self.assertEqual((first.links, len(prober.writing())), ([], 1))

    def test_an_old_answer_proves_nothing(self):
        self.no_icmp()
        prober, now = self.prober([self.refusing]), [clock()]
        ha_lizard.clock = lambda: now[0]
        prober.ask(['127.0.0.1'])
        now[0] += 60                            # we were stopped for a minute
        self.assertEqual(prober.gather(), set())
        prober.ask(['127.0.0.1'])
        self.assertEqual(self.gathered(prober), set(['127.0.0.1']))

    def test_what_is_no_longer_asked_is_forgotten(self):
        self.no_icmp()
        prober = self.prober([self.silent])
        prober.ask(['127.0.0.1', '127.0.0.2'])
        prober.ask(['127.0.0.2'])
        self.assertEqual(sorted(prober.asks), ['127.0.0.2'])
        self.assertEqual(list(prober.numbers.values()), ['127.0.0.2'])

    def test_names_are_never_resolved_by_the_watcher(self):
        asked, before = [], socket.getaddrinfo

        def getaddrinfo(*args):
            asked.append(args[5])
            return before(*args)
        socket.getaddrinfo = getaddrinfo
        try:
            for name in ('localhost', 'host.example', '', ' ', 'x' * 300, '1.2.3.4.5',
                         '-h', 'a b', CAFE, '10.0.0.1:80', '[::1]'):
                self.assertEqual(self.dom0.probe([name]), set())
                self.assertEqual(self.dom0.prober.asks, {})
        finally:
            socket.getaddrinfo = before
        self.assertEqual(set(asked), set([socket.AI_NUMERICHOST]))

    def test_no_more_sockets(self):
        before = socket.socket

        def fail(*args):
            raise socket.error(errno.EMFILE, 'Too many open files')
        socket.socket = fail
        try:
            prober = self.prober([self.refusing])
            prober.ask(['127.0.0.1'])
            self.assertEqual(prober.gather(), set())
        finally:
            socket.socket = before

    @with_icmp
    def test_the_dom0_asks_and_gathers(self):
        self.assertEqual(self.dom0.probe(['127.0.0.1', '::1', NO_ROUTE]), set())
        time.sleep(0.05)
        self.assertEqual(self.dom0.probe(['127.0.0.1']), set(['127.0.0.1', '::1']))
        time.sleep(0.05)
        self.assertEqual(self.dom0.probe(['127.0.0.1']), set(['127.0.0.1']))

    @with_icmp
    def test_64_hosts_cost_less_than_3_ms_and_no_process(self):
        addresses = ['127.0.1.%d' % number for number in range(1, 65)]
        before, costs = os.fork, []
        os.fork = None                          # it would raise
        try:
            self.dom0.probe(addresses)
            for _ in range(20):
                time.sleep(0.01)
                started = time.time()
                self.assertEqual(len(self.dom0.probe(addresses)), 64)
                costs.append(time.time() - started)
        finally:
            os.fork = before
        self.assertTrue(min(costs) < 0.003, costs)

    def test_sockets_are_closed(self):
        before = descriptors()
        prober = ha_lizard.Prober([self.silent, self.listening, self.refusing])
        for _ in range(5):
            prober.ask(['127.0.0.1', '::1', NO_ROUTE])
            time.sleep(0.01)
            prober.gather()
        prober.close()
        self.assertEqual(descriptors(), before)


class Echoes(NetworkTest):
    """Whose answer is it?"""

    def setUp(self):
        NetworkTest.setUp(self)
        self.asker = self.prober()
        self.asker.send_echo = lambda ask: True
        self.asker.ask(['10.0.0.1', 'fe80::1'])

    def reply(self, kind=0, name=None, number=1, mark=None, options=0):
        header = struct.pack('BB', 0x45 + options, 0) + to_bytes('\0' * (18 + 4 * options))
        if name is None:
            name = self.asker.name
        return header + struct.pack('!BBHHH', kind, 0, 0, name, number) + (
            mark or self.asker.mark[:8])

    def recognize(self, data, source='10.0.0.1'):
        return self.asker.recognize(socket.AF_INET, data, (source, 0))

    def test_ours(self):
        self.assertEqual(self.recognize(self.reply()), '10.0.0.1')
        self.assertEqual(self.recognize(self.reply(options=2)), '10.0.0.1')

    def test_not_ours(self):
        for data in (self.reply(kind=8), self.reply(kind=3), self.reply(number=2),
                     self.reply(name=self.asker.name ^ 1), self.reply(number=9),
                     self.reply(mark=to_bytes('12345678')), self.reply()[:-1],
                     self.reply()[:21], self.reply()[:1]):
            self.assertEqual(self.recognize(data), None)
        self.assertEqual(self.recognize(self.reply(), '10.0.0.2'), None)

    def test_a_link_local_address_with_and_without_its_zone(self):
        data = self.reply(kind=129, number=2)[20:]
        for source in 'fe80::1', 'fe80::1%eth0':
            self.assertEqual(self.asker.recognize(
                socket.AF_INET6, data, (source, 0, 0, 2)), 'fe80::1')

    def test_the_checksum(self):
        for number in 0, 1, 0xff00, 0xffff:
            packet = ha_lizard.echo_request(
                socket.AF_INET, 0xfedc, number, to_bytes('\xff\x01ab') [:4] * 2)
            total = sum(struct.unpack('!%dH' % (len(packet) // 2), packet))
            while total >> 16:
                total = (total & 0xffff) + (total >> 16)
            self.assertEqual(total, 0xffff)

    def test_numbers_come_round(self):
        self.asker.count = 65534
        for number in range(3):
            self.asker.ask(['10.0.1.%d' % number])
        self.assertEqual(list(self.asker.numbers), [1])

    @with_icmp
    def test_two_processes_do_not_hear_each_others_answers(self):
        one, two = self.prober(), self.prober()
        one.ask(['127.0.0.1'])
        two.ask(['127.0.0.2'])
        time.sleep(0.05)
        self.assertEqual((one.gather(), two.gather()),
                         (set(['127.0.0.1']), set(['127.0.0.2'])))


class Answering(NetworkTest):
    @with_icmp
    def test_addresses(self):
        self.assertEqual(self.dom0.answering(['127.0.0.1', '::1'], 5),
                         set(['127.0.0.1', '::1']))
        self.assertEqual(self.dom0.answering(['127.0.0.1', NO_ROUTE], 0.3, ports=()),
                         set(['127.0.0.1']))
        self.assertEqual(self.dom0.answering([], 5), set())

    def test_by_tcp_only(self):
        self.no_icmp()
        ports = [self.silent, self.refusing]
        self.assertEqual(self.dom0.answering(['127.0.0.1'], 5, ports), set(['127.0.0.1']))
        self.assertEqual(self.dom0.answering(['127.0.0.1'], 0.2, [self.silent]), set())
        self.assertEqual(self.dom0.answering(['127.0.0.1'], 0.2, ()), set())

    def test_names_are_resolved_by_a_child(self):
        self.program('getent', 'test "$1 $2" = "ahosts gate.example" || exit 2\n'
                     'echo "127.0.0.1 STREAM gate.example"\necho "10.0.0.1 DGRAM"\n')
        self.no_icmp()
        names = ['gate.example', 'none.example', '127.0.0.2', '-x', '$(reboot)', '']
        self.assertEqual(self.dom0.answering(names, 4, [self.refusing]),
                         set(['gate.example', '127.0.0.2']))

    def test_a_resolver_that_hangs(self):
        self.program('getent', 'sleep 30\n')
        self.no_icmp()
        started = clock()
        self.assertEqual(self.dom0.answering(['gate.example', '127.0.0.1'], 0.6,
                                             [self.refusing]), set(['127.0.0.1']))
        self.assertTrue(clock() - started < 3)

    def test_a_resolver_that_is_not_there_or_lies(self):
        self.no_icmp()
        for script in 'exit 2\n', 'echo\n', 'echo nonsense\n':
            self.program('getent', script)
            self.assertEqual(self.dom0.answering(['gate.example'], 0.4, [self.refusing]),
                             set())


# -- roles --------------------------------------------------------------------

def fault(*words):
    return ('<?xml version="1.0"?><methodResponse><params><param><value><struct>'
            '<member><name>Status</name><value>Failure</value></member>'
            '<member><name>ErrorDescription</name><value><array><data>%s</data></array>'
            '</value></member></struct></value></param></params></methodResponse>'
            % ''.join(['<value>%s</value>' % word for word in words]))


SLAVE = fault('HOST_IS_SLAVE', '10.0.0.1')
MASTER = fault('SESSION_AUTHENTICATION_FAILED', '', 'Authentication failure')


def http(body, status='200 OK'):
    return 'HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s' % (status, len(body), body)


class ReadingRoles(base.TestCase):
    def test_a_slave_says_whom_it_follows(self):
        self.assertEqual(ha_lizard.role_in(SLAVE), 'slave:10.0.0.1')
        self.assertEqual(ha_lizard.role_in(fault('HOST_IS_SLAVE', 'fd00::1')),
                         'slave:fd00::1')
        self.assertEqual(ha_lizard.role_in(
            SLAVE.replace('<value>', '<value><string>').replace('</value>',
                                                                '</string></value>')),
            'slave:10.0.0.1')
        self.assertEqual(ha_lizard.role_in(SLAVE.replace('><', '>\r\n  <')),
                         'slave:10.0.0.1')

    def test_who_would_log_us_in_is_a_master(self):
        self.assertEqual(ha_lizard.role_in(MASTER), 'master')
        self.assertEqual(ha_lizard.role_in(
            '<name>Status</name><value>Success</value>'), 'master')

    def test_emergency_mode_and_nonsense_make_no_master(self):
        for text in ('', 'x', http('<html>Citrix</html>'), fault('HOST_STILL_BOOTING'),
                     fault('HOST_UNKNOWN_TO_MASTER', 'x'), fault('HOST_IS_SLAVE'),
                     fault('HOST_MASTER_CANNOT_TALK_BACK', '10.0.0.1'),
                     fault('INTERNAL_ERROR', 'x'), fault('HOST_IS_SLAVE', '$(reboot)'),
                     fault('HOST_BROKEN'), SLAVE.split('10.')[0]):
            self.assertEqual(ha_lizard.role_in(text), None)


class AskingRoles(NetworkTest):
    """A little server that gives each of its addresses an answer of its own."""

    def serve(self, answers):
        """Answer with {address: text}; '' hangs up, None says nothing."""
        port, links = 0, {}
        for address in sorted(answers):
            port = self.listen(20, address, port)
            links[self.links[-1]] = answers[address]
        self.dom0.http_port = port
        self.fork(lambda: self.answer_all(links))

    def answer_all(self, links):
        held = []
        while True:
            for link in ha_lizard.select.select(list(links), [], [])[0]:
                talk = link.accept()[0]
                held.append(talk)
                text = links[link]
                if text is not None:
                    heard = to_bytes('')
                    while text and not heard.endswith(to_bytes('</methodCall>')):
                        heard += talk.recv(1000)
                    if text == 'ECHO':
                        text = http(fault('HOST_IS_SLAVE', str(len(heard)), heard))
                    talk.sendall(to_bytes(text))
                    held.pop().close()

    def fake_curl(self, output):
        self.program('curl', 'echo "$@" >>%s/curled; cat >>%s/curled; echo "%s"\n' % (
            self.root, self.root, output.replace('"', '\\"')))

    def test_all_at_once(self):
        self.fake_curl('')
        self.serve({'127.0.1.1': http(MASTER), '127.0.1.2': http(SLAVE),
                    '127.0.1.3': http(SLAVE), '127.0.1.4': None, '127.0.1.5': '',
                    '127.0.1.6': 'garbage', '127.0.1.7': http(fault('HOST_BROKEN')),
                    '127.0.1.8': http('not here', '404 Not Found')})
        started = clock()
        roles = self.dom0.roles(['127.0.1.%d' % number for number in range(1, 9)]
                                + [NO_ROUTE, 'no-address'], 0.4)
        self.assertEqual(roles, {'127.0.1.1': 'master', '127.0.1.2': 'slave:10.0.0.1',
                                 '127.0.1.3': 'slave:10.0.0.1'})
        self.assertTrue(0.38 <= clock() - started < 3)

    def test_as_soon_as_all_have_answered(self):
        self.serve({'127.0.1.1': http(MASTER), '127.0.1.2': http(SLAVE)})
        started = clock()
        self.assertEqual(len(self.dom0.roles(['127.0.1.1', '127.0.1.2'], 20)), 2)
        self.assertTrue(clock() - started < 5)
        self.assertEqual(self.dom0.roles([], 20), {})

    def test_the_question(self):
        talk = ha_lizard.Talk('127.0.0.1', self.listening)
        text = to_text(talk.unsent)
        talk.close()
        self.assertTrue(text.startswith('POST / HTTP/1.0\r\nHost: 127.0.0.1\r\n'))
        self.assertIn('\r\nContent-Length: %d\r\n\r\n<?xml' % len(ha_lizard.LOGIN), text)
        self.assertIn('session.login_with_password', text)

    def test_closed_port_80_is_asked_by_tls(self):
        self.fake_curl(MASTER)
        self.serve({'127.0.1.1': http('', '301 Moved Permanently'),
                    '127.0.1.2': http('<h1>HTTP 403 forbidden</h1>', '403 Forbidden')})
        roles = self.dom0.roles(['127.0.1.1', '127.0.1.2', '127.0.1.3'], 20)
        self.assertEqual(sorted(roles.items()), [
            ('127.0.1.%d' % number, 'master') for number in (1, 2, 3)])
        asked = self.dom0.read('/curled')
        for number in 1, 2, 3:
            self.assertIn('https://127.0.1.%d:443/' % number, asked)
        self.assertTrue(asked.startswith('-q -k -s '))
        self.assertEqual(asked.count('login_with_password'), 3)

    def test_ipv6_by_tls(self):
        self.fake_curl(fault('HOST_IS_SLAVE', 'fd00::9'))
        self.dom0.http_port = self.refusing
        self.assertEqual(self.dom0.roles(['::1'], 20), {'::1': 'slave:fd00::9'})
        self.assertIn('https://[::1]:443/', self.dom0.read('/curled'))

    def test_a_curl_that_hangs_or_is_missing(self):
        self.dom0.http_port = self.refusing
        self.program('curl', 'sleep 30\n')
        started = clock()
        self.assertEqual(self.dom0.roles(['127.0.0.1'], 0.3), {})
        self.assertTrue(clock() - started < 3)
        os.environ['PATH'] = self.root
        self.assertEqual(self.dom0.roles(['127.0.0.1'], 5), {})

    def test_an_answer_without_end(self):
        self.serve({'127.0.1.1': 'x' * 300000})
        self.assertEqual(self.dom0.roles(['127.0.1.1'], 5), {})

    def test_sockets_are_closed(self):
        self.serve({'127.0.1.1': http(MASTER), '127.0.1.2': None})
        before = descriptors()
        self.dom0.roles(['127.0.1.1', '127.0.1.2', '127.0.1.1'], 0.2)
        self.assertEqual(descriptors(), before)


# -- files, log, reboot -------------------------------------------------------

class Files(Dom0Test):
    def test_below_the_root(self):
        self.assertEqual(self.dom0.write('/etc/ha-lizard/state/pool', CAFE), None)
        path = os.path.join(self.root, 'etc/ha-lizard/state/pool')
        self.assertEqual(base.read(path), CAFE)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), int('644', 8))
        self.assertEqual(self.dom0.read('/etc/ha-lizard/state/pool'), CAFE)
        self.assertEqual(self.dom0.append('/etc/ha-lizard/journal', 'x\n'), None)
        self.assertEqual(self.dom0.append('/etc/ha-lizard/journal', 'y\n'), None)
        self.assertEqual(self.dom0.read('/etc/ha-lizard/journal'), 'x\ny\n')
        self.assertEqual(self.dom0.remove('/etc/ha-lizard/journal'), None)
        self.assertEqual(self.dom0.remove('/etc/ha-lizard/journal'), None)
        self.assertEqual(self.dom0.read('/etc/ha-lizard/journal', 'gone'), 'gone')

    def test_the_uptime_and_processes_are_the_machines(self):
        self.assertTrue(self.dom0.read('/proc/uptime'))
        self.assertTrue(self.dom0.read('/proc/%d/stat' % os.getpid()))
        self.assertEqual(self.dom0.read('/proc/version'), None)
        self.assertEqual(self.dom0.read('/proc/1/../../etc/passwd'), None)

    def test_nothing_leads_out(self):
        outside = self.folder()
        base.write(os.path.join(outside, 'file'), 'theirs')
        os.symlink(outside, os.path.join(self.root, 'way'))
        os.symlink(os.path.join(outside, 'file'), os.path.join(self.root, 'link'))
        up = '/..' * 20 + outside + '/file'
        for path in '/way/file', '/way/new', '/link', up:
            self.assertEqual(self.dom0.read(path), None)
            for why in (self.dom0.write(path, 'x'), self.dom0.append(path, 'x')):
                self.assertTrue(why is None or 'Not a directory' in why, why)
        self.assertEqual(os.listdir(outside), ['file'])
        self.assertEqual(base.read(os.path.join(outside, 'file')), 'theirs')

    def test_why_not(self):
        base.write(os.path.join(self.root, 'file'), 'x')
        self.assertEqual(self.dom0.write('/file/below', 'x'),
                         '%s/file: File exists' % self.root)

    def test_where_the_root_may_be(self):
        os.symlink('/', os.path.join(self.root, 'all'))
        for folder in '', '/', 'relative', '//', '/..', os.path.join(self.root, 'all'):
            os.environ['HA_LIZARD_ROOT'] = folder
            error = self.raised(ValueError, ha_lizard.Dom0)
            self.assertIn('HA_LIZARD_ROOT must be', str(error))
        self.assertEqual(ha_lizard.root_of_paths(None), '')
        self.assertEqual(ha_lizard.root_of_paths(self.root + '//'), self.root)

    def test_time(self):
        self.assertTrue(abs(self.dom0.now() - clock()) < 1)
        self.assertTrue(abs(self.dom0.wall() - time.time()) < 1)
        self.dom0.sleep(-1)
        self.dom0.sleep(0)


class Logging(Dom0Test):
    def test_in_the_root_of_a_test(self):
        self.dom0.log('%s a\n\nb\x1b\n' % CAFE, 'err')
        lines = self.dom0.read('/var/log/messages').splitlines()
        self.assertEqual([line[15:] for line in lines],
                         [' ha-lizard: %s a' % CAFE, ' ha-lizard: b\\x1b'])

    def setUp(self):
        Dom0Test.setUp(self)
        self.syslog = ha_lizard.Syslog()
        self.syslog.path = os.path.join(self.root, 'log')
        self.link = None

    def tearDown(self):
        self.syslog.close()
        self.unlisten()
        Dom0Test.tearDown(self)

    def listen(self):
        self.link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.link.bind(self.syslog.path)
        self.link.settimeout(5)

    def unlisten(self):
        if self.link:
            self.link.close()
            os.remove(self.syslog.path)
            self.link = None

    def heard(self):
        return to_text(self.link.recv(10000))

    def test_priorities(self):
        self.listen()
        for name, number in (('info', 14), ('err', 11), ('error', 11), ('warning', 12),
                             ('crit', 10), ('debug', 15), ('unheard-of', 14)):
            self.syslog.tell('Jan  1 00:00:00 ha-lizard: x', name)
            self.assertEqual(self.heard(), '<%d>Jan  1 00:00:00 ha-lizard: x' % number)

    def test_a_log_that_is_missing_or_restarted(self):
        self.syslog.tell('lost', 'info')
        self.listen()
        self.syslog.tell('one', 'info')
        self.assertEqual(self.heard(), '<14>one')
        self.unlisten()
        self.syslog.tell('lost too', 'info')
        self.listen()
        self.syslog.tell(CAFE, 'info')
        self.assertEqual(self.heard(), '<14>' + CAFE)

    def test_a_log_that_hangs_costs_little(self):
        self.listen()
        started = clock()
        for number in range(2000):
            self.syslog.tell('line %d' % number, 'info')
        self.assertTrue(clock() - started < 3, clock() - started)
        self.assertEqual(self.heard(), '<14>line 0')
        self.link.setblocking(0)
        try:
            while True:                         # it wakes up
                self.heard()
        except socket.error:
            pass
        self.link.setblocking(1)
        self.syslog.tell('again', 'info')
        self.assertEqual(self.heard(), '<14>again')

    def test_too_long_a_line_does_not_raise(self):
        self.listen()
        self.syslog.tell('x' * 1000000, 'info')
        self.syslog.tell('y', 'info')
        self.assertEqual(self.heard(), '<14>y')


class Rebooting(Dom0Test):
    """Nothing here can reboot the machine that runs the tests."""

    def setUp(self):
        Dom0Test.setUp(self)
        self.touched = []
        self.replaced = os.open, os.execvpe
        os.open = self.watched_open

    def tearDown(self):
        os.open, os.execvpe = self.replaced
        Dom0Test.tearDown(self)

    def watched_open(self, path, *args):
        self.touched.append(path)
        return self.replaced[0](path, *args)

    def outside(self):
        return [path for path in self.touched if not path.startswith(self.root + '/')
                and not path.startswith('/dev/null')
                and path not in ('/proc/uptime', '/dev/urandom')
                and not ha_lizard.re.match(r'/proc/\d+/stat$', path)]

    def reboot(self):
        error = self.raised(SystemExit, self.dom0.reboot)
        self.assertEqual(str(error), 'reboot within ' + self.root)
        self.assertEqual(self.outside(), [])

    def put(self, path, text, mode=None):
        base.write(self.root + path, text, mode)

    def test_the_key_is_pressed(self):
        os.mkdir(self.root + '/proc')
        self.put('/sbin/reboot', '#!/bin/sh\necho no >%s/ran\n' % self.root, int('755', 8))
        self.reboot()
        self.assertEqual(base.read(self.root + '/proc/sysrq-trigger'), 'b')
        self.assertFalse(os.path.exists(self.root + '/ran'))

    def test_the_program_if_there_is_no_key(self):
        self.put('/sbin/reboot', '#!/bin/sh\necho "$@" >%s/ran\n' % self.root, int('755', 8))
        self.reboot()
        self.assertEqual(base.read(self.root + '/ran'), '-f -n\n')

    def test_neither_is_there(self):
        self.reboot()

    def test_links_out_of_the_root_are_not_followed(self):
        outside = self.folder()
        base.write(os.path.join(outside, 'key'), 'untouched')
        base.write(os.path.join(outside, 'reboot'), '#!/bin/sh\necho x >%s/ran\n' % outside,
                   int('755', 8))
        os.mkdir(self.root + '/proc')
        os.mkdir(self.root + '/sbin')
        os.symlink(os.path.join(outside, 'key'), self.root + '/proc/sysrq-trigger')
        os.symlink(os.path.join(outside, 'reboot'), self.root + '/sbin/reboot')
        self.reboot()
        self.assertEqual(base.read(os.path.join(outside, 'key')), 'untouched')
        self.assertEqual(sorted(os.listdir(outside)), ['key', 'reboot'])

    def test_a_root_that_links_to_the_real_folders(self):
        for name in 'proc', 'sbin':
            os.symlink('/' + name, os.path.join(self.root, name))
        self.assertEqual(self.dom0.path('/proc/sysrq-trigger'),
                         ha_lizard.NOWHERE + '/proc/sysrq-trigger')
        self.assertEqual(self.dom0.path('/sbin/reboot'), ha_lizard.NOWHERE + '/sbin/reboot')
        self.reboot()

    def test_a_program_that_hangs(self):
        self.put('/sbin/reboot', '#!/bin/sh\nsleep 30\n', int('755', 8))
        before, self.dom0.run = self.dom0.run, lambda argv, timeout: before(argv, 0.2)
        self.reboot()

    def test_every_method_stays_inside(self):
        self.dom0.write('/etc/x', 'x')
        self.dom0.append('/etc/x', 'x')
        self.dom0.read('/etc/passwd')
        self.dom0.read('/dev/watchdog')
        self.dom0.write('/dev/watchdog', 'V')
        self.dom0.remove('/etc/x')
        self.dom0.log('x')
        self.dom0.run(['true'], 20)
        self.assertEqual(self.outside(), [])
        self.assertTrue(len(self.touched) > 5)


needs_ctypes = base.only_if(ctypes, 'without ctypes nobody reads the memory of a call')


class FakeXen(object):
    """The hypervisor behind XenTimer.ioctl: at most two timers of a domain."""

    def __init__(self, timer):
        self.timers, self.failures = {}, []
        timer.ioctl = self.ioctl

    def ioctl(self, call):
        operation, command, address, _, _, _ = struct.unpack('=6Q', ha_lizard.to_bytes('').join(
            [struct.pack('B', each) for each in call]))
        number, seconds = struct.unpack('=2I', ctypes.string_at(address, 8))
        if self.failures:
            raise EnvironmentError(self.failures.pop(0), 'as the kernel says')
        if (operation, command) != (29, 6) or number not in [0] + list(self.timers):
            raise EnvironmentError(errno.EINVAL, 'Invalid argument')
        if not number:
            if len(self.timers) == 2:
                raise EnvironmentError(errno.ENOSPC, 'No space left on device')
            number = {True: 2, False: 1}[1 in self.timers]
        self.timers[number] = seconds
        if not seconds:
            del self.timers[number]
        return number


class Stoppers(Dom0Test):
    """R-3: the watchdog's device, else Xen's timer, else the service."""

    def setUp(self):
        Dom0Test.setUp(self)
        self.put('/proc/sys/kernel/random/boot_id', 'boot-1\n')
        for folder in '/dev/xen', '/etc/ha-lizard/state', '/var/run':
            os.makedirs(self.root + folder)
        self.begin()

    def begin(self):
        """The daemon starts anew."""
        self.stoppers = ha_lizard.Stoppers(self.dom0)
        self.dog, self.timer, self.service = self.stoppers.kinds

    def put(self, path, text):
        base.write(self.root + path, text)

    def text(self, path):
        return ha_lizard.read_file(self.root + path)

    def service_looks(self, ago=0):
        self.put(self.service.looked, '%d\n' % (clock() - ago))

    def deadline(self):
        """Seconds until the service would reboot this host; None: it would not."""
        words = (self.text(self.service.order) or '').split()
        if words[1:] and words[1] != '-':
            return int(words[1]) - clock()

    def test_that_nothing_stops_a_host_without_any(self):
        why = self.stoppers.feed(15)
        for text in ('nothing would stop this host', 'no watchdog: No such file',
                     'no timer: No such file', 'service does not look'):
            self.assertTrue(text in why, why)
        self.assertEqual(self.stoppers.feed(None), None)

    def test_that_the_device_is_the_first(self):
        self.put('/dev/watchdog', '')
        self.put('/dev/xen/privcmd', '')
        self.service_looks()
        self.assertEqual(self.stoppers.feed(15), None)
        self.assertEqual(self.stoppers.feed(15), None)
        self.assertEqual(self.text('/dev/watchdog'), '..')
        self.assertEqual(self.stoppers.feed(None), None)
        self.assertEqual(self.text('/dev/watchdog'), '..V')
        self.assertEqual(self.deadline(), None)

    # -- the timer of Xen -----------------------------------------------------

    def xen(self):
        self.put('/dev/xen/privcmd', '')
        return FakeXen(self.timer)

    @needs_ctypes
    def test_that_the_timer_of_xen_is_the_second(self):
        xen = self.xen()
        self.service_looks()
        self.assertEqual(self.stoppers.feed(15), None)
        self.assertEqual(xen.timers, {1: 15})
        self.assertEqual(self.stoppers.feed(12), None)
        self.assertEqual(xen.timers, {1: 12})
        self.assertEqual(self.deadline(), None)
        self.assertEqual(self.stoppers.feed(None), None)
        self.assertEqual((xen.timers, self.text(self.timer.record)), ({}, None))

    @needs_ctypes
    def test_that_a_new_daemon_feeds_the_timer_of_the_last_one(self):
        xen = self.xen()
        self.stoppers.feed(15)
        self.begin()
        self.put('/dev/watchdog', '')
        self.timer.ioctl = xen.ioctl
        self.assertEqual(self.stoppers.feed(9), None)
        self.assertEqual((xen.timers, self.text('/dev/watchdog')), ({1: 9}, ''))
        self.put('/proc/sys/kernel/random/boot_id', 'boot-2\n')
        self.begin()
        self.assertFalse(self.timer.is_left())

    @needs_ctypes
    def test_that_a_timer_whose_number_is_lost_is_ended(self):
        xen = self.xen()
        self.dom0.write = lambda path, text, mode=0: 'the disk is full'
        why = self.timer.feed(15)
        self.assertEqual(why, 'the number of a timer of Xen cannot be saved: the disk is full')
        self.assertEqual(xen.timers, {})

    @needs_ctypes
    def test_that_a_page_on_the_move_is_read_again(self):
        xen = self.xen()
        xen.failures = [errno.EFAULT] * 2
        self.assertEqual(self.timer.feed(15), None)
        self.assertEqual(xen.timers, {1: 15})
        xen.failures = [errno.EFAULT] * 3
        self.assertTrue('no timer' in self.timer.feed(15))
        xen.failures = [errno.EPERM]
        self.assertTrue('no timer' in self.timer.feed(15))
        self.assertEqual(xen.failures, [])

    @needs_ctypes
    def test_that_both_timers_can_belong_to_others(self):
        xen = self.xen()
        xen.timers = {1: 60, 2: 60}
        self.assertTrue('no timer' in self.timer.feed(15))
        self.assertEqual(xen.timers, {1: 60, 2: 60})

    def test_a_device_that_is_none(self):
        self.put('/proc/xen/privcmd', '')
        why = self.timer.feed(15)
        self.assertTrue('no timer' in why, why)

    # -- the service ----------------------------------------------------------

    def test_that_the_service_is_invited_before_it_is_trusted(self):
        self.assertTrue('does not look after it' in self.service.feed(15))
        self.assertEqual(self.text(self.service.order), 'boot-1 -\n')
        self.service_looks()
        self.assertEqual(self.stoppers.feed(15), None)
        self.assertTrue(11 < self.deadline() <= 13)
        self.assertEqual(self.stoppers.feed(None), None)
        self.assertEqual(self.text(self.service.order), None)

    def test_that_a_service_that_has_stopped_looking_is_none(self):
        self.service_looks(ago=9)
        self.assertTrue('does not look after it' in self.service.feed(15))
        self.assertEqual(self.deadline(), None)

    def test_that_it_looks_too_seldom_for_a_short_time(self):
        self.service_looks()
        self.assertTrue('too seldom' in self.service.feed(12))
        self.assertEqual(self.service.feed(13), None)

    def test_that_what_cannot_be_told_is_none(self):
        self.service_looks()
        self.dom0.write = lambda path, text, mode=0: 'the disk is full'
        self.assertEqual(self.service.feed(15), 'the watchdog service cannot be told: '
                         'the disk is full')

    def test_that_a_new_daemon_goes_on_with_it(self):
        self.service_looks()
        self.stoppers.feed(15)
        self.begin()
        self.put('/dev/watchdog', '')
        self.assertEqual(self.stoppers.feed(20), None)
        self.assertTrue(self.deadline() > 15)
        self.assertEqual(self.text('/dev/watchdog'), '')

    def test_that_one_that_fails_is_replaced(self):
        self.service_looks()
        self.stoppers.feed(15)
        os.remove(self.root + self.service.looked)
        self.put('/dev/watchdog', '')
        self.assertEqual(self.stoppers.feed(15), None)
        self.assertEqual(self.text('/dev/watchdog'), '.')

    def test_that_a_child_ends_nothing(self):
        self.put('/dev/watchdog', '')
        self.stoppers.feed(15)
        self.stoppers.forget()
        self.assertEqual(self.stoppers.feed(None), None)
        self.assertEqual(self.text('/dev/watchdog'), '.')


if __name__ == '__main__':
    base.unittest.main()
