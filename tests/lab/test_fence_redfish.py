"""Fencing with the real curl against a Redfish service over TLS."""

import fencelab


class Redfish(fencelab.Matrix):

    def build(self, lab):
        for mode in fencelab.WORKING + fencelab.FAILURES + ('busy',):
            lab.case('REDFISH', mode).redfish()
        lab.case('REDFISH', 'chassis', 'REDFISH (two systems)',
                 expects=('failed', ['it has 2 systems'])).redfish()
        lab.case('REDFISH', 'chassis', 'REDFISH (one of two)',
                 options='system=/redfish/v1/Systems/1').redfish()
        case = lab.case('REDFISH', 'identity', 'REDFISH (UUID)', expects=('told', [
            'CZJ12345AB.*30313043-534D-2500-90D8-7A5500000001']))
        case.what = 'identity'
        case.redfish()

    @fencelab.need('curl', 'openssl')
    def test_redfish(self):
        self.check('REDFISH')
