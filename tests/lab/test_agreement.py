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
        same = passing = 0
        for host in sorted(told['sim']):
            one, other = told['sim'][host], told['lab'][host]
            if one != other:
                why = '%s: %s decides otherwise\nsimulator:%s\nhosts:%s' % (
                    fault, host, '\n    '.join([''] + one), '\n    '.join([''] + other))
                passing += len(one) + len(other)
                one, other = agreement.settled(one), agreement.settled(other)
                passing -= 2 * len(one)
                self.assertEqual(one, other, why)
            same += len(one)
        print('| %-20s %2d lines of the journals are the same, %2d may differ, %3.0f s' % (
            fault, same, passing, told['seconds']))
        self.assertLess(0, same + passing, fault)

    def test_every_exception_has_a_reason(self):
        for pattern, reason in agreement.PASSING:
            self.assertLess(20, len(reason), pattern)


if __name__ == '__main__':
    unittest.main()
