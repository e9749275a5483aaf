"""What a healthy round costs: on a real Dom0, with an `xe` that is a script.

Measured in a process of its own, as a round is: its calls of xe, the processes
it starts (itself included), the bytes it reads, its own CPU seconds (`xe` not
included) and its peak of memory; wall time at 0.15 s a call of xe and at 0.
"""

import os
import subprocess
import sys

import pools
import startup
import ha_lizard

XE = '''#!/bin/sh
test "$HA_LIZARD_LATENCY" = 0 || sleep $HA_LIZARD_LATENCY
test ! -f "$HA_LIZARD_ROOT/answers/$1" || exec cat "$HA_LIZARD_ROOT/answers/$1"
'''
LATENCY = '0.15'
LIMITS = {'master': 4, 'slave': 3}      # calls of xe, at every size
PROCESSES, WALL, CPU, MEMORY = 8, 1.0, 0.5, 40.0


def furnish(root, pool, me):
    """A dom0 below the folder."""
    for path, text in pools.files(pool, me, ha_lizard.clock()).items():
        put(root + path, text)
    for command, text in pool.out.items():
        put(root + '/answers/' + command, text)
    put(root + '/domains', pools.list_domains(pool, me))
    put(root + '/bin/xe', XE, 0o755)
    put(root + '/bin/list_domains',
        '#!/bin/sh\nexec cat "$HA_LIZARD_ROOT/domains"\n', 0o755)


def put(path, text, mode=0o644):
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder)
    stream = open(path, 'w')
    stream.write(text)
    stream.close()
    os.chmod(path, mode)


def environment(root, latency, python=sys.executable):
    """For a process that measures in that dom0: it has the compiled program, as
    the services have; compiling takes more memory than a round."""
    found = dict(os.environ)
    found.update({'HA_LIZARD_ROOT': root, 'HA_LIZARD_LATENCY': latency,
                  'PATH': root + '/bin:' + os.environ['PATH'], 'PYTHONPATH':
                  os.pathsep.join([pools.compiled(os.path.dirname(root), python),
                                   pools.HERE])})
    return found


def child(root, latency, counts, program=None, python=sys.executable):
    """Measure in a new process: {what: number}.  `counts`: rounds before, rounds
    measured."""
    code = 'import meter; meter.tell(%d, %d)' % counts
    if program:
        code = program + '; ' + code
    output = subprocess.check_output([python, '-c', code], cwd=root,
                                     env=environment(root, latency, python))
    lines = [line.split('=') for line in ha_lizard.to_text(output).split()]
    return dict([(key, float(value)) for key, value in lines])


def cost(size, role, folder, program=None):
    """One line of the table."""
    pool = pools.texts(*size)
    root = os.path.join(folder, '%s-%d-%d' % ((role,) + size))
    furnish(root, pool, pool.hosts[{'master': 0, 'slave': 1}[role]])
    found = child(root, '0', (4, 3), program)
    found['slow wall'] = child(root, LATENCY, (0, 2), program)['wall']
    found.update({'hosts': size[0], 'vms': size[1], 'role': role, 'old memory': None})
    old = [python for version, python in sorted(startup.pythons().items())
           if version < '3']
    if old:
        found['old memory'] = child(root, '0', (1, 2), program, old[-1])['memory']
    return found


def objections(line):
    """What a line of the table is above target in."""
    found = []
    for name, limit in (('xe', LIMITS[line['role']]), ('processes', PROCESSES),
                        ('slow wall', WALL), ('cpu', CPU), ('memory', MEMORY),
                        ('files', 1), ('journal', 0)):
        if line[name] > limit:
            found.append('a healthy round of a %s at %d hosts, %d VMs: %s is %.6g, the '
                         'target is %g' % (line['role'], line['hosts'], line['vms'], name,
                                           line[name], limit))
    return found


HEADS = ('role', 'hosts', 'VMs', 'xe calls', 'processes', 'bytes read', 'own CPU s',
         'peak MB', 'on Python 2', 'wall s, xe 0.15 s', 'wall s, xe 0 s', 'files written', 'journal lines')


def row(line):
    return (line['role'], '%d' % line['hosts'], '%d' % line['vms'], '%d' % line['xe'],
            '%d' % line['processes'], '%d' % line['bytes'], '%.3f' % line['cpu'],
            '%.1f' % line['memory'], '%.1f' % (line['old memory'] or 0), '%.2f' % line['slow wall'], '%.2f' % line['wall'],
            '%d' % line['files'], '%d' % line['journal'])
