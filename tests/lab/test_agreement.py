"""The simulator against real processes: the same faults, the same decisions."""

import json
import os
import subprocess
import sys
import unittest

import agreement
import base
import hosts

#: all of them take 100 s of CPU; .ci/run has fewer
FAULTS = [name for name in os.environ.get('HA_LIZARD_LAB_FAULTS', '').split(',') if name]
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'agreement.py')


def play(fault):
    return subprocess.Popen([sys.executable, '-W', 'error', SCRIPT, fault],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, preexec_fn=hosts.die_with_parent)


@hosts.needed
class AgreementTest(base.TestCase):
    def test_the_order_of_decisions(self):
        """All of it the same on every host, but for what PASSING names."""
        playing = [(fault, play(fault)) for fault in FAULTS or agreement.FAULTS]
        played = [(fault, child, child.communicate()) for fault, child in playing]
        for fault, child, (output, errors) in played:
            self.assertEqual(0, child.returncode, '%s: %s' % (fault, errors.decode()))
            self.compare(fault, json.loads(output.decode()))

    def compare(self, fault, told):
        sim, lab = told['sim'], told['lab']
        same = more = 0
        for host in sorted(sim['lines']):
            one, other = sim['lines'][host], lab['lines'][host]
            self.assertIsNone(agreement.difference(sim, lab, host), (
                '%s: %s decides otherwise\nsimulator:%s\nhosts:%s' % (
                    fault, host, '\n    '.join([''] + one), '\n    '.join([''] + other))))
            both = len(one)
            if one != other:
                both = min([len(agreement.settled(lines)) for lines in (one, other)])
            same, more = same + both, more + len(one) + len(other) - 2 * both
        for what in 'on', 'masters', 'vms':
            self.assertEqual(sim[what], lab[what], '%s: %s' % (fault, what))
        print('| %-24s %2d lines of the journals are the same, %2d may differ, %3.0f s' % (
            fault, same, more, told['seconds']))
        self.assertLess(0, same + more, fault)

    def test_what_is_a_difference(self):
        told = {'lines': {'a': ['decide x', 'act y', 'act z']}, 'on': ['a']}
        chore = 'act show that b is failed'
        for lines, on, differs in ((['decide x', 'act y', 'act z'], ['a'], False),
                                   (['decide x', 'act y', 'decide x', 'act z'], ['a'], False),
                                   (['decide x', 'act y', 'decide w', 'act z'], ['a'], True),
                                   (['decide x', 'act y', 'act y', 'act z'], ['a'], True),
                                   (['decide x', chore, 'act y', 'act z'], ['a'], True),
                                   (['decide x', 'act y'], ['a'], True),
                                   (['decide x', 'act y'], [], True),
                                   (['act y', 'decide x', 'act z'], ['a'], True)):
            other = {'lines': {'a': lines}, 'on': on}
            self.assertEqual(differs, bool(agreement.difference(told, other, 'a')), lines)
        # A chore may be done earlier or later.
        told['lines']['a'].append(chore)
        other = {'lines': {'a': ['decide x', chore, 'act y', 'act z']}, 'on': ['a']}
        self.assertFalse(agreement.difference(told, other, 'a'))
        # Who dies says less, but nothing else.
        told['on'] = []
        for lines, differs in (['decide x'], False), (['act y'], True):
            other = {'lines': {'a': lines}, 'on': []}
            self.assertEqual(differs, bool(agreement.difference(told, other, 'a')), lines)

    def test_every_exception_has_a_reason(self):
        for pattern, reason in agreement.PASSING:
            self.assertLess(20, len(reason), pattern)


if __name__ == '__main__':
    unittest.main()
