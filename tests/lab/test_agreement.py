"""The simulator against real processes: the same faults, the same decisions."""

import json
import os
import subprocess
import sys
import unittest

import agreement
import base
import hosts

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'agreement.py')


def play(fault):
    return subprocess.Popen([sys.executable, '-W', 'error', SCRIPT, fault],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, preexec_fn=hosts.die_with_parent)


@hosts.needed
class AgreementTest(base.TestCase):
    def test_the_order_of_decisions(self):
        """All of it the same on every host, but for what PASSING names."""
        playing = [(fault, play(fault)) for fault in agreement.FAULTS]
        for fault, child in playing:
            output, errors = child.communicate()
            self.assertEqual(0, child.returncode, '%s: %s' % (fault, errors.decode()))
            self.compare(fault, json.loads(output.decode()))

    def compare(self, fault, told):
        sums = [0, 0]
        for host in sorted(told['sim']):
            both = told['sim'][host], told['lab'][host]
            one, other = [agreement.settled(lines) for lines in both]
            self.assertEqual(one, other, '%s: %s decides otherwise\nsimulator: %s\nhosts: %s' % (
                fault, host, '\n    '.join([''] + both[0]), '\n    '.join([''] + both[1])))
            sums[0] += len(one)
            sums[1] += len(both[0]) + len(both[1]) - 2 * len(one)
        print('| %-20s the same %2d decisions and acts, %d that may differ, %3.0f s' % (
            fault, sums[0], sums[1], told['seconds']))
        self.assertLess(0, sums[0], fault)

    def test_every_exception_has_a_reason(self):
        for pattern, reason in agreement.PASSING:
            self.assertLess(20, len(reason), pattern)


if __name__ == '__main__':
    unittest.main()
