"""The daemon as a process: its pid file, its signals, its life and its end.

The watcher and the round are stand-ins; all else is real, below a folder that
HA_LIZARD_ROOT names.
"""

import os
import py_compile
import shutil
import signal
import subprocess
import sys
import time

import base
import ha_lizard
from ha_lizard import clock

PIDS = '/var/run/ha-lizard.pid'


class StandIn(object):
    """A watcher that notes what happens to it."""
    habit = 'quiet'

    def __init__(self, dom0, dry_run=False, every=None):
        self.dom0, self.reload, self.child = dom0, False, None
        self.note('made dry_run=%s every=%s' % (dry_run, every))
        if self.habit == 'stillborn':
            raise ValueError('stillborn')

    def note(self, text):
        self.dom0.append('/notes', text + '\n')

    def tick(self):
        self.note('tick reload=%s' % self.reload)
        return getattr(self, self.habit)()

    def stop(self):
        self.note('stop')

    def quiet(self):
        return 0.01

    def asleep(self):
        return 1000

    def broken(self):
        raise KeyError('broken tick')

    def useless(self):
        return None

    def rebooting(self):
        self.dom0.reboot()

    def hanging(self):
        self.child = self.dom0.spawn(self.hanging_round)
        self.note('round %d' % self.child.pid)
        while True:
            time.sleep(1)

    def hanging_round(self):
        self.dom0.begin(['sleep', '30'], 60)
        time.sleep(30)

    def with_a_round(self):
        if not self.child:
            self.child = self.dom0.spawn(lambda: time.sleep(30))
            self.note('round %d' % self.child.pid)
        return 0.01


class DaemonTest(base.TestCase):
    def setUp(self):
        self.root = self.folder()
        self.replaced = os.environ.get('HA_LIZARD_ROOT'), ha_lizard.STOP_PATIENCE
        os.environ['HA_LIZARD_ROOT'] = self.root
        self.habit, self.round, self.launched = 'quiet', lambda dom0, dry_run: None, []

    def tearDown(self):
        os.environ['HA_LIZARD_ROOT'], ha_lizard.STOP_PATIENCE = self.replaced
        if self.pid() > 1 and self.holds_it(self.pid()):
            ha_lizard.kill_family(self.pid())
        for pid in self.launched:
            ha_lizard.kill_family(pid)
            ha_lizard.steadily(os.waitpid, pid, 0)

    # -- a command in a process of its own

    def launch(self, *argv, **more):
        """Start it; its outputs go to files."""
        pid = os.fork()
        if pid == 0:
            status = 99
            try:
                StandIn.habit = self.habit
                ha_lizard.Watcher, ha_lizard.run_round = StandIn, self.round
                for fd, name in (1, 'out'), (2, 'err'):
                    os.dup2(os.open(os.path.join(self.root, name), os.O_CREAT
                                    | os.O_TRUNC | os.O_WRONLY, int('644', 8)), fd)
                for fd in more.get('closed', ()):
                    os.close(fd)
                status = ha_lizard.main(list(argv))
            finally:
                os._exit(status)
        self.launched.append(pid)
        return pid

    def command(self, *argv, **more):
        """Run it: (exit status, output, errors)."""
        pid = self.launch(*argv, **more)
        self.wait_until(lambda: ha_lizard.processes()[pid][0] == 'Z', 20)
        self.launched.remove(pid)
        return ha_lizard.reap(pid), self.read('/out'), self.read('/err')

    def signal(self, pid, number):
        self.assertTrue(pid > 1, 'there is no daemon to signal')
        os.kill(pid, number)

    def read(self, path):
        return ha_lizard.read_file(self.root + path, '')

    def log(self):
        return self.read('/var/log/messages')

    def pid(self):
        text = self.read(PIDS).strip()
        return int(text.isdigit() and text or 0)

    def holds_it(self, pid):
        """Whether that process is a daemon of this test: it has our file open."""
        return self.root + PIDS in [self.target('/proc/%d/fd/%s' % (pid, name))
                                    for name in self.names('/proc/%d/fd' % pid)]

    def target(self, link):
        try:
            return os.readlink(link)
        except EnvironmentError:                # just closed: it is none of ours
            return ''

    def names(self, folder):
        try:
            return os.listdir(folder)
        except EnvironmentError:
            return []

    def wait_until(self, condition, seconds=10):
        end = clock() + seconds
        while not condition():
            if clock() > end:
                self.fail('it did not happen within %d s; log:\n%s\nnotes:\n%s' % (
                    seconds, self.log(), self.read('/notes')[-500:]))
            time.sleep(0.005)

    def wait_for_note(self, text):
        self.wait_until(lambda: text in self.read('/notes'))

    def noted_pid(self):
        self.wait_for_note('round ')
        return int(self.read('/notes').split('round ')[1].split()[0])


def alive(pid):
    return ha_lizard.processes().get(pid, 'Z')[0] != 'Z'


class StartAndStop(DaemonTest):
    def test_a_life(self):
        self.assertEqual(self.command('status'), (3, 'ha-lizard does not run\n', ''))
        status, output, errors = self.command('start')
        pid = self.pid()
        self.assertEqual((status, output, errors), (
            0, 'ha-lizard %s runs, pid %d\n' % (ha_lizard.VERSION, pid), ''))
        self.assertTrue(alive(pid))
        self.assertEqual(self.command('start'),
                         (0, 'ha-lizard runs already, pid %d\n' % pid, ''))
        self.assertEqual(self.command('run'),
                         (1, '', 'ha-lizard runs already, pid %d\n' % pid))
        self.assertEqual(self.pid(), pid)
        self.wait_for_note('tick')
        self.assertEqual(self.command('stop'), (0, 'ha-lizard is stopped\n', ''))
        self.wait_until(lambda: not alive(pid), 1)
        self.assertFalse(os.path.exists(self.root + PIDS))
        self.assertEqual(self.read('/notes').splitlines()[-1], 'stop')
        self.assertEqual(self.command('stop'), (0, 'ha-lizard does not run\n', ''))
        self.assertEqual([line[16:] for line in self.log().splitlines()], [
            'ha-lizard: ha-lizard %s starts, pid %d' % (ha_lizard.VERSION, pid),
            'ha-lizard: ha-lizard stops, pid %d' % pid])

    def test_status_tells_role_and_age(self):
        self.command('start')
        status, output, _ = self.command('status')
        self.assertEqual(status, 0)
        self.assertIn('pool.conf says nothing; no round has ended yet', output)
        base.write(self.root + '/etc/xensource/pool.conf', 'slave:fd00::1\n')
        path = self.root + '/etc/ha-lizard/state/pool'
        base.write(path, 'x')
        os.utime(path, (time.time() - 42, time.time() - 42))
        status, output, _ = self.command('status')
        self.assertTrue(output.startswith('ha-lizard %s runs, pid %d; ' % (
            ha_lizard.VERSION, self.pid())))
        self.assertIn('pool.conf says slave:fd00::1; the last round ended 4', output)
        os.utime(path, (time.time() + 1000, time.time() + 1000))
        self.assertIn('ended 0 s ago', self.command('status')[1])

    def test_a_daemon_is_cut_off_from_where_it_was_started(self):
        lock = os.open(os.path.join(self.root, 'somebodys-lock'), os.O_CREAT | os.O_RDWR)
        starters = [self.launch('start')]
        self.wait_until(lambda: not alive(starters[0]))
        os.close(lock)
        pid = self.pid()
        self.assertNotEqual(os.getsid(pid), os.getsid(0))
        self.assertNotEqual(os.getsid(pid), pid)        # it can get no terminal
        self.assertEqual(os.readlink('/proc/%d/cwd' % pid), '/')
        links = [os.readlink('/proc/%d/fd/%s' % (pid, name))
                 for name in os.listdir('/proc/%d/fd' % pid)]
        self.assertEqual(set(links) - set(['/dev/urandom']),
                         set(['/dev/null', self.root + PIDS]))
        mask = [line for line in base.read('/proc/%d/status' % pid).splitlines()
                if line.startswith('Umask')]
        self.assertIn(mask, ([], ['Umask:\t0077']))
        self.assertNotIn(ha_lizard.processes()[pid][1], starters)

    def test_start_ends_where_its_output_is_a_pipe(self):
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.dup2(theirs, 1)
            os.close(theirs)
            os.close(ours)
            ha_lizard.Watcher = StandIn
            os._exit(ha_lizard.main(['start']))
        os.close(theirs)
        self.launched.append(pid)
        heard = ha_lizard.read_all(ours)        # until nobody holds the other end
        os.close(ours)
        self.assertIn('runs, pid', ha_lizard.to_text(heard))
        self.assertTrue(alive(self.pid()))

    def test_dry_run_reaches_the_watcher(self):
        self.command('--dry-run', 'start')
        self.wait_for_note('made dry_run=True every=None')
        self.assertIn('(dry run)', self.log())
        self.assertIn('would stop', self.command('stop', '--dry-run')[1])
        self.assertTrue(alive(self.pid()))

    def test_two_starts_at_once(self):
        pids = [self.launch('start') for _ in range(5)]
        self.wait_until(lambda: not [pid for pid in pids if alive(pid)], 20)
        statuses = [ha_lizard.reap(self.launched.pop(0)) for _ in pids]
        self.assertEqual(statuses, [0] * 5)
        self.assertEqual(self.log().count(' starts, pid'), 1)
        self.assertEqual(self.read('/notes').count('made'), 1)

    def test_what_keeps_it_from_starting(self):
        base.write(self.root + '/var', 'a file')
        status, output, errors = self.command('start')
        self.assertEqual((status, output), (1, ''))
        self.assertEqual(errors, '%s/var/run: Not a directory\n' % self.root)
        self.assertEqual(self.command('run')[0], 1)
        self.assertEqual(self.command('status')[0], 3)

    def test_a_watcher_that_cannot_be_made(self):
        self.habit = 'stillborn'
        self.assertEqual(self.command('start'),
                         (1, '', 'ha-lizard did not start: see the log\n'))
        self.assertIn('ValueError: stillborn', self.log())
        self.assertEqual(self.command('status')[0], 3)


class Deaths(DaemonTest):
    def test_a_stale_pid_file(self):
        self.command('start')
        pid = self.pid()
        self.signal(pid, signal.SIGKILL)
        self.wait_until(lambda: not alive(pid))
        self.assertEqual(self.command('status'),
                         (1, 'ha-lizard is dead: only its pid file is left\n', ''))
        self.assertEqual(self.command('start')[0], 0)
        self.assertNotEqual(self.pid(), pid)
        self.assertEqual(self.command('status')[0], 0)

    def test_a_number_that_belongs_to_another_program(self):
        base.write(self.root + PIDS, '%d\n' % os.getpid())
        self.assertEqual(self.command('status')[0], 1)
        self.assertEqual(self.command('stop')[0], 0)     # we live
        self.assertFalse(os.path.exists(self.root + PIDS))

    def test_a_pid_file_with_nonsense_in_it(self):
        for text in '', 'x', '\0' * 10, '-1', '99999999999999999999':
            base.write(self.root + PIDS, text)
            self.assertEqual(self.command('status')[0], 1)
        self.assertEqual(self.command('start')[0], 0)
        self.assertTrue(alive(self.pid()))

    def test_a_round_does_not_hold_the_lock(self):
        self.habit = 'with_a_round'
        self.command('start')
        child = self.noted_pid()
        pid = self.pid()
        self.signal(pid, signal.SIGKILL)
        self.wait_until(lambda: not alive(pid))
        self.assertEqual(self.command('status')[0], 1)
        self.assertTrue(alive(child))
        self.assertTrue(child > 1)
        ha_lizard.kill_family(child)

    def test_a_daemon_that_hangs_is_killed_with_its_round(self):
        self.habit, ha_lizard.STOP_PATIENCE = 'hanging', 0.2
        self.command('start')
        pid, child = self.pid(), self.noted_pid()
        self.wait_until(lambda: len(self.family(pid)) == 3)
        members = self.family(pid)
        self.assertIn(child, members)
        self.assertEqual(self.command('stop')[0], 0)
        self.wait_until(lambda: not [each for each in members if alive(each)], 2)
        self.assertIn('killing it', self.log())
        self.assertEqual(self.command('status')[0], 3)

    def family(self, pid):
        return ha_lizard.relatives([pid], ha_lizard.processes())

    def test_stop_may_not_signal_it(self):
        pid = os.fork()
        if pid == 0:                            # the holder of the lock
            holder = ha_lizard.PidFile(ha_lizard.Dom0())
            holder.take()
            time.sleep(30)
            os._exit(0)
        self.launched.append(pid)
        self.wait_until(lambda: self.pid() == pid)
        before = os.kill

        def refuse(number, name):
            raise OSError(1, 'Operation not permitted')
        os.kill = refuse
        try:
            status, _, errors = self.command('stop')
        finally:
            os.kill = before
        self.assertEqual((status, errors), (
            1, 'cannot stop ha-lizard, pid %d: Operation not permitted\n' % pid))


class PidFiles(DaemonTest):
    def setUp(self):
        DaemonTest.setUp(self)
        self.held = []

    def tearDown(self):
        for pid_file in self.held:
            pid_file.release()
        DaemonTest.tearDown(self)

    def pid_file(self):
        return ha_lizard.PidFile(ha_lizard.Dom0())

    def take(self):
        pid_file = self.pid_file()
        why = pid_file.take()
        if not why:
            self.held.append(pid_file)
        return why

    def test_one_holder(self):
        self.assertEqual(self.take(), None)
        self.assertEqual(self.pid_file().holder(), os.getpid())
        self.assertEqual(self.take(), 'ha-lizard runs already, pid %d' % os.getpid())

    def test_clearing_spares_a_held_one(self):
        self.take()
        self.pid_file().clear()
        self.assertEqual(self.pid_file().holder(), os.getpid())
        self.held.pop().release()
        base.write(self.root + PIDS, 'stale\n')
        self.pid_file().clear()
        self.pid_file().clear()
        self.assertFalse(os.path.exists(self.root + PIDS))

    def test_a_removed_file_is_nobodys_proof(self):
        self.take()
        os.remove(self.root + PIDS)
        self.assertEqual(self.pid_file().holder(), None)
        self.assertEqual(self.take(), None)
        self.assertEqual(self.pid_file().holder(), os.getpid())

    def test_who_looks_is_no_holder(self):
        base.write(self.root + PIDS, 'stale\n')
        fd = os.open(self.root + PIDS, os.O_RDONLY)
        self.assertTrue(ha_lizard.flock(fd, 'LOCK_SH'))
        self.assertEqual(self.pid_file().holder(), None)
        os.close(fd)

    def test_everybody_may_look(self):
        before = os.umask(int('77', 8))
        self.take()
        os.umask(before)
        self.assertEqual(os.stat(self.root + PIDS).st_mode & int('777', 8), int('644', 8))


class Foreground(DaemonTest):
    def run_it(self, *argv):
        pid = self.launch('run', *argv)
        self.wait_for_note('tick')
        return pid

    def status_of(self, pid):
        self.wait_until(lambda: not alive(pid), 5)
        self.launched.remove(pid)
        return ha_lizard.reap(pid)

    def test_signals_end_it(self):
        for number in signal.SIGTERM, signal.SIGINT:
            pid = self.run_it()
            self.assertEqual(self.pid(), pid)
            self.signal(pid, number)
            self.assertEqual(self.status_of(pid), 0)
            self.assertEqual(self.read('/notes').splitlines()[-1], 'stop')
            self.assertFalse(os.path.exists(self.root + PIDS))
            os.remove(self.root + '/notes')

    def test_a_signal_does_not_wait_for_the_next_tick(self):
        self.habit = 'asleep'
        pid = self.run_it()
        started = clock()
        self.signal(pid, signal.SIGTERM)
        self.assertEqual(self.status_of(pid), 0)
        self.assertTrue(clock() - started < 3)

    def test_hangup_means_read_the_settings_again(self):
        pid = self.run_it()
        self.assertNotIn('reload=True', self.read('/notes'))
        self.signal(pid, signal.SIGHUP)
        self.wait_for_note('reload=True')
        self.assertTrue(alive(pid))

    def test_how_often(self):
        self.run_it('--every', '0.5', '--dry-run')
        self.assertIn('made dry_run=True every=0.5', self.read('/notes'))

    def test_it_survives_its_own_bugs(self):
        self.habit, before = 'broken', ha_lizard.AFTER_BUG
        ha_lizard.AFTER_BUG = 0.05
        pid = self.launch('run')
        ha_lizard.AFTER_BUG = before
        self.wait_until(lambda: self.read('/notes').count('tick') == 2)
        self.signal(pid, signal.SIGTERM)
        self.assertEqual(self.status_of(pid), 0)
        log = self.log()
        self.assertIn("KeyError: 'broken tick'", log)
        self.assertEqual(log.count('broken tick'), 1 + log.count("KeyError('broken tick')"))
        self.assertEqual(log.count('Traceback'), 1)

    def test_a_tick_that_says_no_time(self):
        self.habit = 'useless'
        pid = self.run_it()
        self.wait_until(lambda: 'TypeError' in self.log())
        self.assertTrue(alive(pid))

    def test_a_reboot_is_the_end(self):
        self.habit = 'rebooting'
        os.mkdir(self.root + '/proc')
        pid = self.launch('run')
        self.assertEqual(self.status_of(pid), 99)        # SystemExit went through
        self.assertEqual(self.read('/proc/sysrq-trigger'), 'b')
        self.assertEqual(self.read('/notes').splitlines()[-1], 'stop')

    def test_the_kernel_frees_what_a_killed_one_held(self):
        pid = self.run_it()
        self.signal(pid, signal.SIGKILL)
        self.assertEqual(self.status_of(pid), 137)
        self.assertEqual(self.command('status')[0], 1)


class OneRound(DaemonTest):
    def test_it_is_run(self):
        self.round = lambda dom0, dry_run: dom0.write('/round', str(dry_run))
        self.assertEqual(self.command('once'), (0, '', ''))
        self.assertEqual(self.read('/round'), 'False')
        self.assertEqual(self.command('once', '--dry-run'), (0, '', ''))
        self.assertEqual(self.read('/round'), 'True')

    def test_a_bug(self):
        self.round = lambda dom0, dry_run: {}['missing']
        status, output, errors = self.command('once')
        self.assertEqual((status, output), (1, ''))
        self.assertIn("KeyError: 'missing'", errors)
        self.assertIn("KeyError: 'missing'", self.log())

    def test_not_beside_a_daemon(self):
        self.round = lambda dom0, dry_run: dom0.write('/round', str(dry_run))
        self.command('start')
        status, _, errors = self.command('once')
        self.assertEqual(status, 1)
        self.assertIn('pid %d: a second round' % self.pid(), errors)
        self.assertEqual(self.read('/round'), '')
        self.assertEqual(self.command('once', '--dry-run')[0], 0)
        self.assertEqual(self.read('/round'), 'True')


class Words(DaemonTest):
    def test_bad_ones(self):
        for words in ([], ['begin'], ['start', 'x'], ['run', '--every'], ['--dry-run'],
                      ['run', '--every', 'x'], ['run', '--every', '0'],
                      ['run', '--every', '-1'], ['run', '--every', 'nan'],
                      ['run', '--every', 'inf'], ['start', '--every', '5'],
                      ['start', 'stop'], ['--help', 'x'], ['--verbose']):
            status, output, errors = self.command(*words)
            self.assertEqual((words, status, output), (words, 2, ''))
            self.assertTrue(errors.startswith('usage: '))
        self.assertFalse(os.path.exists(self.root + '/var'))

    def test_help(self):
        self.assertEqual(self.command('--help'), (0, ha_lizard.USAGE + '\n', ''))

    def test_a_root_that_is_not_one(self):
        for root in '', '/', 'relative':
            os.environ['HA_LIZARD_ROOT'] = root
            status, _, errors = self.command('status')
            self.assertEqual(status, 2)
            self.assertIn('HA_LIZARD_ROOT must be', errors)

    def test_without_standard_streams(self):
        self.assertEqual(self.command('status', closed=(0, 1, 2))[0], 3)
        self.assertEqual(self.command('start', closed=(0, 1, 2))[0], 0)
        self.assertTrue(alive(self.pid()))
        links = [os.readlink('/proc/%d/fd/%d' % (self.pid(), fd)) for fd in range(3)]
        self.assertEqual(links, ['/dev/null'] * 3)

    def test_the_path_of_this_file_is_full(self):
        self.assertTrue(os.path.isabs(ha_lizard.OWN_PATH))
        self.assertTrue(os.path.exists(ha_lizard.OWN_PATH))

    def test_a_child_is_this_very_file_wherever_it_begins(self):
        """Whatever its folder is called; not what lies where the parent stands."""
        begun = self.folder()
        base.write(os.path.join(begun, 'ha_lizard.py'), 'raise SystemExit("a stranger")\n')
        for name in 'it\'s "here"', 'plain':
            for file in 'ha_lizard.py', 'ha-lizard':
                folder = os.path.join(self.folder(), name)
                os.mkdir(folder)
                path = os.path.join(folder, file)
                shutil.copy(os.path.join(base.ROOT, 'ha_lizard.py'), path)
                self.assertEqual((0, ha_lizard.USAGE + '\n'), self.child_of(path, begun))

    def child_of(self, path, begun):
        """(status, output) of what own_program() is for a file at that path."""
        own, ha_lizard.OWN_PATH = ha_lizard.OWN_PATH, path
        try:
            argv = ha_lizard.own_program() + ['--help']
        finally:
            ha_lizard.OWN_PATH = own
        child = subprocess.Popen(argv, cwd=begun, close_fds=True,
                                 stdout=subprocess.PIPE)
        output = ha_lizard.to_text(child.communicate()[0])
        return child.returncode, output

    def test_a_child_is_not_compiled_anew(self):
        path = os.path.join(self.folder(), 'ha_lizard.py')
        shutil.copy(os.path.join(base.ROOT, 'ha_lizard.py'), path)
        py_compile.compile(path, None, None, True)
        before = os.stat(path)
        # For Python still the source that it compiled; whoever reads it, fails.
        base.write(path, '!' * before.st_size)
        os.utime(path, (before.st_mtime, before.st_mtime))
        self.assertEqual((0, ha_lizard.USAGE + '\n'), self.child_of(path, '/'))


class Bugs(base.TestCase):
    def setUp(self):
        self.time, self.lines = 1000, []
        self.complaints = ha_lizard.Complaints(self)

    def now(self):
        return self.time

    def log(self, text, priority):
        self.lines.append((priority, text))

    def test_each_at_once_and_then_once_a_minute(self):
        for self.time in range(1000, 1130, 10):
            self.complaints.add('one')
        self.complaints.add('two')
        self.assertEqual([text.split('; ')[1] for _, text in self.lines], [
            '0 times more since it was last logged:\none',
            '5 times more since it was last logged:\none',
            '5 times more since it was last logged:\none',
            '0 times more since it was last logged:\ntwo'])

    def test_memory_has_an_end(self):
        for number in range(1000):
            self.complaints.add('bug %d' % number)
        self.assertEqual(len(self.lines), 1000)
        self.assertTrue(len(self.complaints.told) <= ha_lizard.MOST_BUGS)


if __name__ == '__main__':
    base.unittest.main()
