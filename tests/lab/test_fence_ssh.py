"""Fencing over real ssh and sshd: ILO, XVM and the menu of an iRMC."""

import os

import base
import fencelab

VM = '0838afcc-1c6c-549b-a28c-d7916ca7753a'
PROGRAMS = ('ssh', 'sshd', 'ssh-keygen', 'useradd', 'userdel', 'chpasswd')
BAD = fencelab.FAILURES + ('unreachable',)


def ilo(lab, mode, model='4', old=False, label='ILO over ssh', **more):
    if mode in BAD:
        more['options'] = 'timeout=%d' % fencelab.SHORT
    lab.case('ILO', mode, label, model=model, **more).sshd('clp.py', old)


class Ssh(fencelab.Matrix):

    def test_ilo(self):
        lab = fencelab.Lab()
        for model in '2345':
            ilo(lab, 'works', model, label='ILO, iLO %s' % model)
        ilo(lab, 'works', '2', True, 'ILO, old algorithms')
        ilo(lab, 'wrong password', '2', True, 'ILO, old algorithms')
        for mode in ('slow', 'split', 'banner', 'busy', 'limit') + BAD:
            ilo(lab, mode)
        self.check(lab, 15)
    test_ilo = fencelab.need(*PROGRAMS)(test_ilo)

    def test_xvm(self):
        lab = fencelab.Lab()
        for mode in fencelab.WORKING + BAD:
            case = lab.case('XVM', mode)
            if mode in BAD:
                case.options = 'timeout=%d' % fencelab.SHORT
            case.device = VM
            case.sshd('outer_xe.py')
        self.check(lab, 15)
    test_xvm = fencelab.need(*PROGRAMS)(test_xvm)

    def test_irmc_menu(self):
        lab = fencelab.Lab()
        for mode in fencelab.WORKING + BAD:
            case = lab.case('IRMC', mode, 'IRMC, menu over ssh', options='over=ssh')
            if mode in BAD:
                case.options += ' timeout=%d' % fencelab.SHORT
            case.sshd('irmc.py')
        self.check(lab, 15)
    test_irmc_menu = fencelab.need(*PROGRAMS)(test_irmc_menu)

    def test_a_changed_host_key(self):
        """The password is not typed at a stranger."""
        lab = fencelab.Lab()
        case = lab.case('ILO', 'works', 'ILO, host key changed')
        case.sshd('clp.py')
        name = os.path.join(case.root, 'etc/ha-lizard/state/known_hosts.ILO.' + fencelab.HOST)
        other = base.read(lab.host_key('other', '-t', 'ed25519') + '.pub').split()
        base.write(name, '[127.0.0.1]:%d %s %s\n' % (case.port, other[0], other[1]))
        try:
            lab.run()
            lab.show()
            self.assertEqual(case.result, 'failed', str(case))
            self.assertIn('its host key is not the one it had', case.why)
            self.assertEqual(case.truth(), 'On')
        finally:
            lab.close()
    test_a_changed_host_key = fencelab.need(*PROGRAMS)(test_a_changed_host_key)
