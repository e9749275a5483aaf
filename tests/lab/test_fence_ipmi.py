"""Fencing with the real ipmitool against OpenIPMI's simulator.

No `split`: UDP packets are whole.  No `banner`: IPMI has none.
"""

import fencelab
import ha_lizard


class Ipmi(fencelab.Matrix):

    def test_ipmi(self):
        lab = fencelab.Lab()
        lab.case('IPMI', 'works').ipmi_sim()
        lab.case('IRMC', 'works', 'IRMC, ipmitool').ipmi_sim()
        lab.case('IPMI', 'slow').ipmi_sim()
        for mode in fencelab.FAILURES:
            lab.case('IPMI', mode, options='timeout=%d' % fencelab.SHORT).ipmi_sim()
        lab.case('IRMC', 'lies', 'IRMC, power off inhibit',
                 options='over=ipmi timeout=%d' % fencelab.SHORT).ipmi_sim()
        self.check(lab, 8)
    test_ipmi = fencelab.need('ipmitool', 'ipmi_sim')(test_ipmi)

    def test_identity(self):
        """`ipmitool mc guid` tells which machine the device is part of."""
        lab = fencelab.Lab()
        case = lab.case('IPMI', 'works', 'IPMI, mc guid')
        case.what = 'identity'
        case.ipmi_sim()
        try:
            lab.run()
            self.assertEqual(case.result, 'told', str(case))
            # the bytes of a guid come in one of three orders
            own = 'a1234567-89ab-cdef-a123-456789abcdef'
            told = case.why.split("'")[3]
            self.assertEqual(ha_lizard.is_same_machine('uuid', told, own), True, case.why)
        finally:
            lab.close()
    test_identity = fencelab.need('ipmitool', 'ipmi_sim')(test_identity)
