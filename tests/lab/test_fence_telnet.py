"""Fencing over real telnetd: an iLO 1 or 2."""

import fencelab


class Telnet(fencelab.Matrix):

    def test_ilo(self):
        lab = fencelab.Lab()
        for model in '23':
            lab.case('ILO', 'works', 'ILO %s over telnet' % model, options='over=telnet',
                     model=model).telnetd()
        for mode in ('slow', 'split', 'banner', 'busy') + fencelab.FAILURES + ('unreachable',):
            options = 'over=telnet'
            if mode in fencelab.FAILURES + ('unreachable',):
                options += ' timeout=%d' % fencelab.SHORT
            lab.case('ILO', mode, 'ILO over telnet', options=options, model='2').telnetd()
        self.check(lab, 15)
    test_ilo = fencelab.need('telnetd')(test_ilo)
