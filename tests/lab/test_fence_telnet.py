"""Fencing over real telnetd: an iLO 1 or 2."""

import fencelab


class Telnet(fencelab.Matrix):

    def build(self, lab):
        for model in '23':
            lab.case('ILO', 'works', 'ILO, telnet (iLO %s)' % model, options='over=telnet',
                     model=model).telnetd()
        for mode in fencelab.WORKING[1:] + fencelab.FAILURES + ('busy', 'limit'):
            lab.case('ILO', mode, 'ILO, telnet', options='over=telnet', model='2').telnetd()
        case = lab.case('ILO', 'identity', 'ILO, telnet (show /system1)',
                        options='over=telnet', expects=('told', ['czj12345ab']))
        case.what = 'identity'
        case.telnetd()

    @fencelab.need('telnetd')
    def test_ilo(self):
        self.check('ILO, telnet')
