"""Fencing with the real ipmitool against OpenIPMI's simulator."""

import fencelab
import ha_lizard

need = fencelab.need('ipmitool', 'ipmi_sim')


class Ipmi(fencelab.Matrix):

    def build(self, lab):
        for row in ('IPMI', 'IRMC'):
            for mode in ('works', 'slow') + fencelab.FAILURES:
                options = {'IRMC': 'over=ipmi'}.get(row, '')
                if mode != 'unreachable':
                    lab.case(row, mode, options=options).ipmi_sim()
            lab.leave_out(row, 'a closed port is silence to UDP', 'unreachable')
            lab.leave_out(row, 'a packet is whole, and there is no banner', 'split', 'banner')
        lab.case('IRMC', 'lies', 'IRMC (power off inhibit)', options='over=ipmi').ipmi_sim()
        case = lab.case('IPMI', 'identity', 'IPMI (mc guid)', expects=('told', ['uuid']))
        case.what = 'identity'
        case.ipmi_sim()

    @need
    def test_ipmi(self):
        self.check('IPMI')

    @need
    def test_irmc(self):
        self.check('IRMC')

    @need
    def test_identity(self):
        """`ipmitool mc guid`: the bytes of a guid come in one of three orders."""
        own = 'a1234567-89ab-cdef-a123-456789abcdef'
        for case in self.cases('IPMI'):
            if case.what == 'identity':
                told = case.why.split("'")[3]
                self.assertEqual(ha_lizard.is_same_machine('uuid', told, own), True, case.why)
                return
        self.fail('nobody asked')
