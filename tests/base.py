"""What every test module starts from: `import base`, then `base.TestCase`.

Works on Python 2.4 to 3.13: unittest of 2.4 has no assertIn, no skip and no
clean-up of its own.  A module that is run by hand, without tests/run, finds
this file with

    PYTHONPATH=tests:tests/sim:. python3 tests/unit/test_settings.py

Importing it also makes sure that nothing which a test forgets to redirect can
touch this machine: HA_LIZARD_ROOT points to where there can be no directory
until a test sets it.
"""

import os
import shutil
import sys
import tempfile
import types
import unittest

sys.dont_write_bytecode = True              # before 2.6 this is a name like any other
os.environ.setdefault('PYTHONDONTWRITEBYTECODE', '1')
NOWHERE = '/dev/null'                      # below a file not even root makes a directory
os.environ.setdefault('HA_LIZARD_ROOT', NOWHERE)

TESTS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(TESTS)               # of the repository
SKIPPED = []                                # what only_if() left out: 'test: skipped (why)'

if ROOT not in sys.path:
    sys.path.insert(1, ROOT)


class TestCase(unittest.TestCase):
    """unittest's, with the same assertions on every Python."""

    def run(self, result=None):
        """Run the test, then remove its directories, also when tearDown was
        overridden or failed."""
        self.folders = []
        try:
            return unittest.TestCase.run(self, result)
        finally:
            for folder in self.folders:
                shutil.rmtree(folder, True)

    def folder(self):
        """A new directory, gone after the test."""
        folder = os.path.realpath(tempfile.mkdtemp('', 'ha-lizard-'))
        self.folders.append(folder)
        return folder

    def raised(self, kind, function, *args, **named):
        """The exception of that kind that function(...) raises."""
        try:
            result = function(*args, **named)
        except kind:
            return sys.exc_info()[1]
        self.fail('%s was not raised, but returned: %r' % (kind.__name__, result))

    def assertIn(self, item, items, why=None):
        if item not in items:
            self.fail(why or '%r is not in %s' % (item, show(items)))

    def assertNotIn(self, item, items, why=None):
        if item in items:
            self.fail(why or '%r is in %s' % (item, show(items)))

    def assertIs(self, one, other, why=None):
        if one is not other:
            self.fail(why or '%r is not the same object as %r' % (one, other))

    def assertIsNot(self, one, other, why=None):
        if one is other:
            self.fail(why or 'both are %r' % (one,))

    def assertIsNone(self, value, why=None):
        if value is not None:
            self.fail(why or '%r is not None' % (value,))

    def assertIsNotNone(self, value, why=None):
        if value is None:
            self.fail(why or 'unexpectedly None')

    def assertLess(self, one, other, why=None):
        if not one < other:
            self.fail(why or '%r is not less than %r' % (one, other))

    def assertLessEqual(self, one, other, why=None):
        if not one <= other:
            self.fail(why or '%r is more than %r' % (one, other))


class StoryCase(TestCase):
    """A test with a story of a simulated pool, and its end."""

    def run(self, result=None):
        self.story = None
        try:
            return TestCase.run(self, result)
        finally:
            if self.story:
                self.story.close()


def show(items):
    """Text as it reads, so that a failure over many lines can be read too."""
    if isinstance(items, str) and '\n' in items:
        return 'this text:\n%s' % items
    return repr(items)


def only_if(condition, why):
    """Decorate a test that cannot run everywhere: left out, said and counted
    unless the condition holds.  `why` completes "skipped (...)"."""
    def decorate(test):
        if condition:
            return test

        def skip(self):
            SKIPPED.append('%s: skipped (%s)' % (test.__name__, why))
            sys.stderr.write('%s\n' % SKIPPED[-1])
        skip.__name__, skip.__doc__ = test.__name__, test.__doc__
        return skip
    return decorate


def read(path):
    """The text of a file; UTF-8 on Python 3, bytes as they are on 2."""
    stream = open(path, 'rb')
    try:
        data = stream.read()
    finally:
        stream.close()
    if str is bytes_type:
        return data
    return data.decode('utf-8', 'replace')


def write(path, text, mode=None):
    """Write a file, with the directories that lead to it."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder)
    data = text
    if not isinstance(data, bytes_type):
        data = text.encode('utf-8')
    stream = open(path, 'wb')
    try:
        stream.write(data)
    finally:
        stream.close()
    if mode is not None:
        os.chmod(path, mode)


def load(path, name):
    """The module that a script without `.py` is, under that name.

    It stays in sys.modules: Python 2 empties a module that nobody holds.
    """
    path = os.path.join(ROOT, path)
    if name not in sys.modules:
        module = types.ModuleType(name)
        module.__file__ = path
        code = compile(read(path).replace('\r\n', '\n') + '\n', path, 'exec')
        sys.modules[name] = module
        exec(code, module.__dict__)
    return sys.modules[name]


bytes_type = type(''.encode('ascii'))
