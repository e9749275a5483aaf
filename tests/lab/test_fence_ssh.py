"""Fencing over real ssh and sshd: ILO, XVM and the menu of an iRMC."""

import os

import base
import fencelab

VM = '0838afcc-1c6c-549b-a28c-d7916ca7753a'
IRMC_ADDRESS = '127.0.0.22'             # a loopback address of its own: port 22 must be free
need = fencelab.need('ssh', 'sshd', 'ssh-keygen', 'useradd', 'userdel', 'chpasswd')


class Ssh(fencelab.Matrix):

    def build(self, lab):
        for model in '235':
            lab.case('ILO', 'works', 'ILO (iLO %s)' % model, model=model).sshd('clp.py')
        for mode in ('works', 'wrong password', 'refuses'):
            lab.case('ILO', mode, 'ILO (old algorithms)', model='2').sshd('clp.py', True)
        for mode in ('busy', 'limit'):
            lab.case('ILO', mode).sshd('clp.py')
        for mode in fencelab.WORKING + fencelab.FAILURES:
            lab.case('ILO', mode).sshd('clp.py')
            lab.case('IRMC', mode, 'IRMC, menu', options='over=ssh')
            lab.cases[-1].sshd('irmc.py')
            lab.case('XVM', mode).device = VM
            lab.cases[-1].sshd('outer_xe.py')
        for what in ('fence', 'ask'):
            self.with_another_key(lab, what)
        case = lab.case('ILO', 'identity', 'ILO (show /system1)',
                        expects=('told', [r"\('serial', 'czj12345ab'\)"]))
        case.what = 'identity'
        case.sshd('clp.py')
        self.irmc_without_ipmi(lab)

    def with_another_key(self, lab, what):
        """The password is not typed at a stranger; and the hourly question says so."""
        case = lab.case('ILO', what, 'ILO (host key changed)', expects=(
            {'fence': 'failed', 'ask': 'unknown'}[what], ['its host key is not the one it had']))
        case.what = what
        case.sshd('clp.py')
        name = os.path.join(case.root, 'etc/ha-lizard/state/known_hosts.ILO.' + fencelab.HOST)
        other = base.read(lab.host_key('other', '-t', 'ed25519') + '.pub').split()
        base.write(name, '[127.0.0.1]:%d %s %s\n' % (case.port, other[0], other[1]))

    def irmc_without_ipmi(self, lab):
        """Nobody answers IPMI; then its menu is tried, at the usual port."""
        label = 'IRMC (IPMI switched off)'
        if not fencelab.found('ipmitool'):
            return lab.leave_out(label, 'not installed: ipmitool', 'works by ssh')
        if not fencelab.can_listen(IRMC_ADDRESS, 22):
            return lab.leave_out(label, 'somebody listens on port 22', 'works by ssh')
        case = lab.case('IRMC', 'works by ssh', label)
        case.address = IRMC_ADDRESS
        case.sshd('irmc.py', port=22)
        case.port = 0

    @need
    def test_ilo(self):
        self.check('ILO')
        for case in self.cases('ILO'):
            if 'host key' in case.label:
                self.assertEqual(case.truth(), 'On')

    @need
    def test_xvm(self):
        self.check('XVM')

    @need
    def test_irmc_menu(self):
        self.check('IRMC, menu')

    @need
    def test_irmc_without_ipmi(self):
        for case in self.cases('IRMC'):
            self.judge(case)
