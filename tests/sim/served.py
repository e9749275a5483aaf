"""A test with processes on a host of a simulated pool, and its end.

The programs are copies in their compiled form: to compile them at every start
would cost more than all else here.
"""

import atexit
import os
import py_compile
import shutil
import sys
import tempfile

import base
import server


def install():
    """The folder with the programs; it is there until this process ends."""
    folder, process = os.path.realpath(tempfile.mkdtemp('', 'ha-lizard-')), os.getpid()

    def uninstall():
        if os.getpid() == process:          # not in a child
            shutil.rmtree(folder, True)
    atexit.register(uninstall)
    for name in 'ha_lizard.py', 'ha-cfg':
        shutil.copy(os.path.join(base.ROOT, name), os.path.join(folder, name))
    # To be imported, and to be run: for Python 2 it is the same file.
    module, program = os.path.join(folder, 'ha_lizard.py'), os.path.join(folder, 'ha_lizard.pyc')
    compiled = py_compile.compile(module, None, None, True)
    if not os.path.exists(program):
        shutil.copy(compiled, program)
    script = os.path.join(folder, 'ha-cfg')
    py_compile.compile(script, script + '.pyc', None, True)
    return folder


INSTALLED = install()
#: the programs import nothing but what comes with Python: its `site` is not needed
PYTHON = [sys.executable, '-S', '-W', 'error']
CFG = PYTHON + [os.path.join(INSTALLED, 'ha-cfg.pyc')]
JOURNAL = '/etc/ha-lizard/state/journal'
PRODUCT = PYTHON + [os.path.join(INSTALLED, 'ha_lizard.pyc')]


class Case(base.TestCase):
    POOL = ()                       # the first lines of every pool of it
    served = None

    def run(self, result=None):
        try:
            return base.TestCase.run(self, result)
        finally:
            if self.served:
                self.served.close()

    def serve(self, *lines, **how):
        """A Server of POOL and more lines."""
        self.served = server.Server(self.POOL + lines, how.get('host', 'a'), how.get('speed', 1))
        return self.served

    def until(self, condition, seconds=20):
        if not self.served.until(condition, seconds):
            self.fail('it did not come to that in %d s; processes %s, journal:\n%s' % (
                seconds, self.served.pids(), self.text(JOURNAL)))

    def text(self, path):
        return self.served.host.files.get(path, '')
