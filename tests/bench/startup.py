"""How long the programs take to start, on every Python found.

A copy of the program with its compiled form beside it, as after the first
call on a dom0.  Wall time is the best of several starts; CPU seconds, which
other load on the machine hardly changes, count against the target.
"""

import os
import shutil
import subprocess
import sys
import time

import pools
import ha_lizard

LIMIT = 0.120
STARTS = 5
ROOT = os.path.dirname(pools.TESTS)


def pythons():
    """Paths of the interpreters of this machine, each version once."""
    folders = os.environ.get('PATH', '').split(os.pathsep) + sorted(
        [os.path.join(versions, name, 'bin') for versions in
         (os.path.expanduser('~/.pyenv/versions'),) if os.path.isdir(versions)
         for name in os.listdir(versions)])
    found = {}
    for folder in folders:
        for name in ('python2.4', 'python2', 'python2.7', 'python3', 'python'):
            path = os.path.join(folder, name)
            version = os.path.isfile(path) and version_of(path)
            if version:
                found.setdefault(version, path)
    return found


def version_of(python):
    code = 'import sys; sys.stdout.write("%d.%d.%d" % tuple(sys.version_info[:3]))'
    try:
        child = subprocess.Popen([python, '-c', code], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
    except OSError:
        return ''
    return ha_lizard.to_text(child.communicate()[0])


def commands(python, folder):
    program = os.path.join(folder, 'ha-cfg')
    return (('import ha_lizard', [python, '-c', 'import ha_lizard']),
            ('ha-cfg help', [python, program, 'help']),
            ("ha-cfg complete set ''", [python, program, 'complete', 'set', '']))


def seconds(argv, folder):
    """(CPU, wall): the best of some starts; the first one compiles."""
    environment = dict(os.environ, PYTHONPATH=folder, HA_LIZARD_ROOT=folder)
    environment.pop('PYTHONDONTWRITEBYTECODE', None)
    found = []
    for _ in range(STARTS + 1):
        before, began = os.times(), time.time()
        subprocess.call(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                        env=environment, cwd=folder)
        after = os.times()
        found.append((after[2] + after[3] - before[2] - before[3], time.time() - began))
    return min([cpu for cpu, _ in found[1:]]), min([wall for _, wall in found[1:]])


def table(quick, folder):
    found = pythons()
    if quick:
        found = dict([(version, found[version]) for version in sorted(found)[:1]])
    lines = []
    for version in sorted(found):
        place = os.path.join(folder, 'start-' + version)
        os.makedirs(place)
        for name in ('ha_lizard.py', 'ha-cfg'):
            shutil.copy(os.path.join(ROOT, name), place)
        for what, argv in commands(found[version], place):
            cpu, wall = seconds(argv, place)
            lines.append({'python': version, 'what': what, 'cpu': cpu, 'wall': wall})
    return lines


def objections(line):
    if line['cpu'] > LIMIT:
        return ['%s takes %.0f ms on Python %s, the target is %.0f ms' % (
            line['what'], line['cpu'] * 1000, line['python'], LIMIT * 1000)]
    return []


HEADS = ('Python', 'what', 'CPU ms', 'wall ms')


def row(line):
    return (line['python'], line['what'], '%.0f' % (line['cpu'] * 1000),
            '%.0f' % (line['wall'] * 1000))
