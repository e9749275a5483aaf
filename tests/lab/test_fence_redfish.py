"""Fencing with the real curl against a Redfish service over TLS."""

import fencelab


class Redfish(fencelab.Matrix):

    def test_redfish(self):
        lab = fencelab.Lab()
        for mode in fencelab.WORKING + ('busy',):
            lab.case('REDFISH', mode).redfish()
        for mode in fencelab.FAILURES + ('unreachable',):
            lab.case('REDFISH', mode, options='timeout=%d' % fencelab.SHORT).redfish()
        self.check(lab, 8)
    test_redfish = fencelab.need('curl', 'openssl')(test_redfish)

    def test_a_chassis_of_several_systems(self):
        lab = fencelab.Lab()
        lab.case('REDFISH', 'chassis', 'REDFISH, two systems').redfish()
        lab.case('REDFISH', 'chassis', 'REDFISH, one of two',
                 options='system=/redfish/v1/Systems/1').redfish()
        try:
            lab.run()
            lab.show()
            self.assertEqual([case.result for case in lab.cases], ['failed', 'off'])
            self.assertIn('it has 2 systems', lab.cases[0].why)
        finally:
            lab.close()
    test_a_chassis_of_several_systems = fencelab.need('curl', 'openssl')(
        test_a_chassis_of_several_systems)

    def test_identity(self):
        lab = fencelab.Lab()
        case = lab.case('REDFISH', 'works', 'REDFISH, UUID')
        case.what = 'identity'
        case.redfish()
        try:
            lab.run()
            self.assertEqual(case.result, 'told', str(case))
            for part in ('30313043-534D-2500-90D8-7A5500000001', 'CZJ12345AB'):
                self.assertIn(part, case.why)
        finally:
            lab.close()
    test_identity = fencelab.need('curl', 'openssl')(test_identity)
