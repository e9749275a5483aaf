"""Fencing with an agent of the operator's own, made of fence/CUSTOM/CUSTOM.sh as its
comments say, against OpenIPMI's simulator; with broken ones; and with no device."""

import os
import re

import base
import fencelab

SAMPLE = os.path.join(base.ROOT, 'fence', 'CUSTOM', 'CUSTOM.sh')
DEVICE_OF = '\ndevice_of() {\n    echo 127.0.0.1\n}\n'
POWER = r'''
power() {
    case "$2" in
        state) power "$1" status | sed -n 's/^Chassis Power is //p' ;;
        *) IPMI_PASSWORD=$FENCE_PASSWD ipmitool -I lanplus -C 3 -N 1 -R 2 -H "$1" \
               -p %d -U admin -L OPERATOR -E chassis power "$2" ;;
    esac
}
'''
#: what is wrong: (script, what the fence then says).  $D is the folder of the case
BROKEN = {
    'cannot be read': ('case $2 in\n    status) exit 1 ;\n', 'stop ended with status 2 '),
    'is killed': ('case $2 in stop) kill -9 $$ ;; status) exit 1 ;; esac\n',
                  'stop ended with status 137 '),
    'hangs': ('case $2 in status) exit 1 ;; esac\nsleep 97 & echo $! >$D/child; wait\n',
              'did not answer in time'),
    'odd status': ('case $2 in stop) exit 0 ;; status) echo off; exit 3 ;; esac\n',
                   'status ended with status 3 and said: off'),
    'exit 0 always': ('# answers: status\nexit 0\n', 'n2 reads on'),
}
need = fencelab.need('ipmitool', 'ipmi_sim')


def script_of(case, text=None):
    """Write the agent of a case: the sample with its two functions filled in."""
    if text is None:
        text = base.read(SAMPLE)
        for name, body in (('device_of', DEVICE_OF), ('power', POWER % case.port)):
            text, count = re.subn(r'(?s)\n%s\(\) \{\n.*?\n\}\n' % name,
                                  lambda match: body, text)
            assert count == 1, name
    base.write(os.path.join(case.root, 'fence', 'PDU', 'PDU.sh'), text, 0o755)


class Custom(fencelab.Matrix):

    def build(self, lab):
        for mode in ('works', 'slow') + fencelab.FAILURES:
            if mode != 'unreachable':
                case = lab.case('PDU', mode, 'NAME')
                case.ipmi_sim()
                script_of(case)
        lab.leave_out('NAME', 'a closed port is silence to UDP', 'unreachable')
        lab.leave_out('NAME', 'the agent, not we, talks to the device', 'split', 'banner')
        for what in BROKEN:
            text, said = BROKEN[what]
            case = lab.case('PDU', what, 'NAME (broken)', expects=('failed', [said]))
            case.short = True
            script_of(case, '#!/bin/sh\nD=%s\n%s' % (case.state, text))
        self.without_status(lab)
        lab.case('POOL', 'works', expects=('unproved', ['POOL proves nothing: there is no device']))
        for mode in ('slow', 'banner', 'split') + fencelab.FAILURES:
            lab.leave_out('POOL', 'there is no device', mode)

    def without_status(self, lab):
        """Its word is no proof, or the operator wants it to be one."""
        for trusted, result, said in (
                (False, 'unproved', 'says that it is done, and cannot show it'),
                (True, 'off', 'FENCE_TRUST_AGENT=1')):
            case = lab.case('PDU', 'no status', 'NAME (%strusted)' % {False: 'not '}.get(trusted, ''),
                            expects=(result, [said]))
            case.trusted = trusted
            script_of(case, '#!/bin/sh\n[ "$2" = stop ] && echo Off >%s/power\n' % case.state)

    @need
    def test_an_agent(self):
        self.check('NAME')
        for case in self.cases('NAME'):
            if case.mode == 'hangs':        # what it started has ended with it
                child = base.read(os.path.join(case.state, 'child')).strip()
                self.assertNotIn('sleep', fencelab.arguments(child))

    @need
    def test_pool(self):
        self.check('POOL')
