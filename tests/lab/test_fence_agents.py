"""Fencing with real agents of ClusterLabs, as FENCE_METHOD=fence_NAME.

fence_ipmilan hands the password to ipmitool as an argument: that is its own doing,
and why the README recommends IPMI.
"""

import fencelab

SSH = ('ssh', 'sshd', 'ssh-keygen', 'useradd', 'userdel', 'chpasswd')


class Agents(fencelab.Matrix):

    def test_fence_ipmilan(self):
        lab = fencelab.Lab()
        options = 'lanplus=1 cipher=3'
        for mode in ('works', 'slow'):
            lab.case('fence_ipmilan', mode, options=options).ipmi_sim()
        for mode in fencelab.FAILURES:
            lab.case('fence_ipmilan', mode,
                     options=options + ' timeout=%d' % fencelab.SHORT).ipmi_sim()
        self.check(lab, 15, exempt=('ipmitool', 'sh'))
    test_fence_ipmilan = fencelab.need('fence_ipmilan', 'ipmitool', 'ipmi_sim')(
        test_fence_ipmilan)

    def test_fence_ilo_ssh(self):
        lab = fencelab.Lab()
        for mode in ('works', 'slow'):
            lab.case('fence_ilo_ssh', mode, options='secure=1').sshd('clp.py')
        for mode in fencelab.FAILURES:
            lab.case('fence_ilo_ssh', mode, options='secure=1 timeout=%d' % fencelab.SHORT
                     ).sshd('clp.py')
        self.check(lab, 30)
    test_fence_ilo_ssh = fencelab.need('fence_ilo_ssh', *SSH)(test_fence_ilo_ssh)
