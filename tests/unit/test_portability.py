"""Text, results and files: the same on every Python and in every locale."""

import errno
import os
import resource
import signal
import stat
import struct
import subprocess
import sys

import base
import ha_lizard
from ha_lizard import (PRIVATE, PROGRAM, PUBLIC, NOT_FOUND, TIMED_OUT, Record,
                       Result, append_file, printable, read_file, remove_file,
                       to_bytes, to_text, write_file)


def text_of(*numbers):
    """Native text of these bytes."""
    return to_text(struct.pack('%dB' % len(numbers), *numbers))


CAFE = 'caf' + text_of(0xc3, 0xa9)
FISH = text_of(0xf0, 0x9f, 0x90, 0x9f)          # one character beyond 16 bits


class Text(base.TestCase):
    def test_bytes_go_out_and_come_back(self):
        for text in '', 'plain', CAFE, FISH:
            self.assertEqual(to_text(to_bytes(text)), text)

    def test_broken_utf8_is_text_too(self):
        text = text_of(0x61, 0xff, 0x62)
        self.assertEqual((text[:1], text[-1:]), ('a', 'b'))
        self.assertTrue(isinstance(printable(text), str))

    def test_any_and_all(self):
        self.assertEqual([ha_lizard.any([]), ha_lizard.any([0, 1]), ha_lizard.any([0])],
                         [False, True, False])
        self.assertEqual([ha_lizard.all([]), ha_lizard.all([0, 1]), ha_lizard.all([1])],
                         [True, False, True])

    def test_printable_is_one_line(self):
        self.assertEqual(printable('a\nb\rc\td\x1b[2Je\x00f'),
                         'a\\nb\\rc\\td\\x1b[2Je\\x00f')
        separator = text_of(0xe2, 0x80, 0xa8)   # U+2028, a line end to splitlines()
        self.assertEqual(printable('a%sb' % separator), 'a\\x2028b')
        self.assertEqual(printable(text_of(0xc2, 0x9b) + '2J'), '\\x9b2J')

    def test_printable_leaves_names_alone(self):
        for text in '', 'web 1, "two"; $(reboot) \\ `x`', CAFE, FISH:
            self.assertEqual(printable(text), text)

    def test_printable_shortens_by_characters(self):
        self.assertEqual(printable('x' * 200), 'x' * 200)
        self.assertEqual(printable('x' * 201), 'x' * 197 + '...')
        self.assertEqual(printable('abcdef', 5), 'ab...')
        short = printable(CAFE[3:] * 50, 10)
        self.assertEqual(short, CAFE[3:] * 7 + '...')
        self.assertEqual(printable('\n' * 10000, 20), '\\n' * 8 + '\\...')

    def test_the_exception_in_flight(self):
        try:
            raise KeyError('x')
        except KeyError:
            self.assertEqual(ha_lizard.caught().args, ('x',))

    def test_a_reason_has_no_number(self):
        error = self.raised(EnvironmentError, os.listdir, '/nonexistent')
        self.assertEqual(ha_lizard.reason(error), 'No such file or directory')
        self.assertEqual(ha_lizard.reason(ValueError('odd')), 'odd')


class Plant(Record):
    fields = {'name': 'moss', 'height': 1}


class Records(base.TestCase):
    def test_fields_have_defaults(self):
        plant = Plant(height=3)
        self.assertEqual((plant.name, plant.height), ('moss', 3))
        self.assertEqual(Plant().height, 1)

    def test_an_unknown_field_is_a_mistake(self):
        error = self.raised(TypeError, Plant, heigth=3)
        self.assertEqual(str(error), 'Plant has no heigth')

    def test_how_it_shows(self):
        self.assertEqual(repr(Plant()), "Plant(height=1, name='moss')")
        self.assertEqual(str(Plant(name='fern')), 'fern')
        self.assertEqual(str(Plant(name='')), "Plant(height=1, name='')")


class Results(base.TestCase):
    def test_zero_is_true(self):
        self.assertTrue(Result(['x'], 0))
        for status in 1, NOT_FOUND, TIMED_OUT, 137, None:
            self.assertFalse(Result(['x'], status))

    def test_arguments_are_never_shown(self):
        result = Result(['xe', 'password=secret'], 1, 'out', 'no\nway\n')
        self.assertEqual(str(result), 'xe: status 1: no\\nway')
        self.assertEqual(str(Result(['xe'], TIMED_OUT, 'half')), 'xe: no end in time: half')
        self.assertEqual(str(Result(['xe'], 0)), 'xe: status 0')


class Clock(base.TestCase):
    def test_it_is_the_uptime(self):
        one = float(base.read('/proc/uptime').split()[0])
        two = ha_lizard.clock()
        self.assertTrue(one <= two < one + 5, (one, two))


class Steadily(base.TestCase):
    def test_interrupted_calls_are_repeated(self):
        told = [EnvironmentError(errno.EINTR, 'x'),
                ha_lizard.select.error(errno.EINTR, 'x')]

        def call(number):
            if told:
                raise told.pop()
            return number + 1
        self.assertEqual(ha_lizard.steadily(call, 41), 42)

    def test_other_errors_are_not(self):
        self.raised(EnvironmentError, ha_lizard.steadily, os.rmdir, '/nonexistent')


class Reading(base.TestCase):
    def test_text_and_default(self):
        path = os.path.join(self.folder(), 'file')
        self.assertEqual(read_file(path), None)
        self.assertEqual(read_file(path, 'nothing'), 'nothing')
        base.write(path, CAFE * 100000)
        self.assertEqual(read_file(path), CAFE * 100000)
        base.write(path, '')
        self.assertEqual(read_file(path, 'nothing'), '')

    def test_what_cannot_be_read(self):
        folder = self.folder()
        os.symlink('loop', os.path.join(folder, 'loop'))
        base.write(os.path.join(folder, 'file'), 'x')
        for path in (folder, os.path.join(folder, 'loop'), '/proc/self/mem',
                     os.path.join(folder, 'file', 'below')):
            self.assertEqual(read_file(path, 'nothing'), 'nothing')


class Writing(base.TestCase):
    def setUp(self):
        self.place = self.folder()
        self.path = os.path.join(self.place, 'file')

    def mode(self):
        return stat.S_IMODE(os.stat(self.path).st_mode)

    def test_new_and_replaced(self):
        for text in 'one', '', CAFE, 'x' * 300000:
            self.assertEqual(write_file(self.path, text), None)
            self.assertEqual(read_file(self.path), text)
        self.assertEqual(os.listdir(self.place), ['file'])

    def test_the_umask_has_no_say_in_the_mode(self):
        before = os.umask(int('77', 8))
        try:
            for mode in PUBLIC, PRIVATE, PROGRAM:
                write_file(self.path, 'x', mode)
                self.assertEqual(self.mode(), mode)
        finally:
            os.umask(before)

    def test_it_is_on_disk_before_it_has_its_name(self):
        told = []
        before = os.fsync, os.rename

        def fsync(fd):
            told.append({True: 'folder', False: 'file'}[
                stat.S_ISDIR(os.fstat(fd).st_mode)])

        def rename(old, new):
            told.append('rename')
            before[1](old, new)
        os.fsync, os.rename = fsync, rename
        try:
            write_file(self.path, 'x')
        finally:
            os.fsync, os.rename = before
        self.assertEqual(told, ['file', 'rename', 'folder'])

    def test_a_link_in_the_way_of_the_temporary_file(self):
        victim = os.path.join(self.place, 'victim')
        base.write(victim, 'untouched')
        before = ha_lizard.random_name
        ha_lizard.random_name = lambda: 'known'
        try:
            os.symlink('victim', os.path.join(self.place, '.file.known.new'))
            self.assertEqual(write_file(self.path, 'x'), '%s: File exists' % self.path)
        finally:
            ha_lizard.random_name = before
        self.assertEqual(read_file(victim), 'untouched')
        self.assertNotEqual(before(), before())

    def test_a_link_is_replaced_not_followed(self):
        victim = os.path.join(self.place, 'victim')
        base.write(victim, 'untouched')
        os.symlink('victim', self.path)
        self.assertEqual(write_file(self.path, 'x'), None)
        self.assertEqual((read_file(victim), read_file(self.path)), ('untouched', 'x'))

    def test_a_full_disk_leaves_the_old_file(self):
        write_file(self.path, 'old')
        self.assertEqual(self.limited(lambda: write_file(self.path, 'x' * 100000)),
                         '%s: File too large' % self.path)
        self.assertEqual(read_file(self.path), 'old')
        self.assertEqual(os.listdir(self.place), ['file'])

    def limited(self, work):
        """work() where no file may have more than 1000 bytes."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            return work()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def test_a_device_stays_a_device(self):
        self.assertEqual(write_file('/dev/full', 'x'), '/dev/full: No space left on device')
        self.assertEqual(write_file('/dev/null', 'x'), None)
        self.assertTrue(stat.S_ISCHR(os.stat('/dev/full').st_mode))
        self.assertTrue(stat.S_ISCHR(os.stat('/dev/null').st_mode))

    def test_why_it_cannot_be_written(self):
        missing = os.path.join(self.place, 'no', 'file')
        self.assertEqual(write_file(missing, 'x'), '%s: No such file or directory' % missing)
        self.assertEqual(write_file(self.place, 'x'), '%s: Is a directory' % self.place)

    def test_a_folder_that_cannot_be_synced(self):
        before = os.fsync

        def fsync(fd):
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                raise OSError(self.error, os.strerror(self.error))
        os.fsync = fsync
        try:
            self.error = errno.EINVAL           # some file systems cannot
            self.assertEqual(write_file(self.path, 'x'), None)
            self.error = errno.EIO
            self.assertEqual(write_file(self.path, 'x'),
                             '%s: Input/output error' % self.path)
        finally:
            os.fsync = before


class Appending(base.TestCase):
    def setUp(self):
        self.path = os.path.join(self.folder(), 'journal')

    def test_lines_follow_each_other(self):
        for line in 'one\n', CAFE + '\n', '':
            self.assertEqual(append_file(self.path, line), None)
        self.assertEqual(read_file(self.path), 'one\n%s\n' % CAFE)
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), PRIVATE)

    def test_two_writers_do_not_mix(self):
        children = []
        for letter in 'a', 'b':
            pid = os.fork()
            if pid == 0:
                for _ in range(200):
                    append_file(self.path, letter * 50 + '\n')
                os._exit(0)
            children.append(pid)
        for pid in children:
            ha_lizard.steadily(os.waitpid, pid, 0)
        lines = read_file(self.path).split()
        self.assertEqual((len(lines), set(lines)), (400, set(['a' * 50, 'b' * 50])))

    def test_full(self):
        self.assertEqual(append_file('/dev/full', 'x'), '/dev/full: No space left on device')
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
        try:
            self.assertEqual(append_file(self.path, 'x' * 11),
                             '%s: only a part was written' % self.path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def test_removing(self):
        base.write(self.path, 'x')
        self.assertEqual(remove_file(self.path), None)
        self.assertEqual(remove_file(self.path), None)
        folder = os.path.dirname(self.path)
        self.assertEqual(remove_file(folder), '%s: Is a directory' % folder)


class Speaking(base.TestCase):
    """say() and the files in a process of the C locale, as init scripts have."""

    SCRIPT = '''
import os, sys
sys.path.insert(0, %r)
import ha_lizard
text = ha_lizard.read_file('in')
ha_lizard.say(text)
ha_lizard.complain(ha_lizard.printable(text))
sys.stdout.write('second')
ha_lizard.say(str(ha_lizard.write_file('out', text)))
dom0 = ha_lizard.Dom0()
ha_lizard.say(dom0.run(['printf', '%%s', text], 10, env={'X': text}).output)
dom0.log(text)
ha_lizard.say(dom0.read('/var/log/messages').split()[-1])
'''

    def test_utf8_in_the_c_locale(self):
        folder = self.folder()
        base.write(os.path.join(folder, 'in'), CAFE + FISH)
        base.write(os.path.join(folder, 'script'), self.SCRIPT % base.ROOT)
        environment = dict(os.environ)
        environment.update({'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0',
                            'HA_LIZARD_ROOT': folder})
        child = subprocess.Popen(
            [sys.executable, '-W', 'error', 'script'], cwd=folder, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, close_fds=True)
        output, errors = [to_text(data) for data in child.communicate()]
        self.assertEqual(errors, CAFE + FISH + '\n')
        self.assertEqual(output, '%s\nsecondNone\n%s\n%s\n' % ((CAFE + FISH,) * 3))
        self.assertEqual(read_file(os.path.join(folder, 'out')), CAFE + FISH)

    def test_signals_do_not_cut_what_is_said(self):
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.dup2(theirs, 1)
            os.close(ours)
            signal.signal(signal.SIGUSR1, lambda number, frame: None)
            os.write(1, to_bytes('.'))
            ha_lizard.say('x' * 500000)
            os._exit(0)
        os.close(theirs)
        heard = [os.read(ours, 1)]
        while heard[-1]:
            os.kill(pid, signal.SIGUSR1)
            heard.append(ha_lizard.steadily(os.read, ours, 4000))
        os.close(ours)
        self.assertEqual(ha_lizard.steadily(os.waitpid, pid, 0), (pid, 0))
        self.assertEqual(len(to_bytes('').join(heard)), 500002)


if __name__ == '__main__':
    base.unittest.main()
