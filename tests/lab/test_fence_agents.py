"""Fencing with real agents of ClusterLabs, as FENCE_METHOD=fence_NAME.

fence_ipmilan hands the password to ipmitool as an argument: that is its own doing,
and why the README recommends IPMI.
"""

import fencelab

SSH = ('ssh', 'sshd', 'ssh-keygen', 'useradd', 'userdel', 'chpasswd')
IPMI = ('ipmitool', 'ipmi_sim')
PATIENT = 'secure=1 login_timeout=15 shell_timeout=10'      # this machine may be busy


class Agents(fencelab.Matrix):
    exempt = ('ipmitool', 'sh')

    def build(self, lab):
        if not fencelab.lacking('fence_ipmilan', *IPMI):
            for mode in ('works', 'slow') + fencelab.FAILURES:
                if mode != 'unreachable':
                    lab.case('fence_ipmilan', mode, options='lanplus=1 cipher=3').ipmi_sim()
            lab.leave_out('fence_ipmilan', 'a closed port is silence to UDP', 'unreachable')
            lab.leave_out('fence_ipmilan', 'a packet is whole, and there is no banner',
                          'split', 'banner')
        if not fencelab.lacking('fence_ilo_ssh', *SSH):
            self.ilo_ssh(lab)

    def ilo_ssh(self, lab):
        """It takes an answer in pieces for off: only by the sign of life of the host is
        that found out.  So its word is no proof, unless FENCE_TRUST_AGENT=1."""
        for mode in fencelab.WORKING + fencelab.FAILURES:
            expects = {'split': ('wrong', ['but n2 answers: wrong machine'])}.get(mode)
            case = lab.case('fence_ilo_ssh', mode, options=PATIENT, expects=expects)
            case.trusted = True
            case.sshd('clp.py')
        for mode in ('slow', 'split'):
            lab.case('fence_ilo_ssh', mode, 'fence_ilo_ssh (not trusted)', options=PATIENT,
                     expects=('unproved', ['takes an answer that comes in pieces for off']))
            lab.cases[-1].sshd('clp.py')

    @fencelab.need('fence_ipmilan', *IPMI)
    def test_fence_ipmilan(self):
        self.check('fence_ipmilan')

    @fencelab.need('fence_ilo_ssh', *SSH)
    def test_fence_ilo_ssh(self):
        self.check('fence_ilo_ssh')
