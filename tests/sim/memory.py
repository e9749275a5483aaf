"""What one simulated host has read needs not be read by the next.

All hosts of a pool live in one process, and most texts come to several of them:
each other's packets, the lists of xe, a file that was just written.  Every
function here is the real one, called once for each text; what it gave is
copied for each caller, so that nobody can change what another gets.
"""

import ha_lizard

MOST = 300                  # texts that each function remembers
RealSigner, parse_report = ha_lizard.Signer, ha_lizard.parse_report


def remembers(function, copy):
    """A function like `function`, which calls it once for each arguments."""
    known = {}

    def remembered(*arguments):
        try:
            found = known[arguments]
        except KeyError:
            if len(known) >= MOST:
                known.clear()
            found = known[arguments] = function(*arguments)
        return copy(found)
    return remembered


def same(value):
    """Instead of a copy of what cannot be changed, or never is."""
    return value


def copy_map(pairs):
    return pairs and dict(pairs)


def copy_records(found):
    records, doubtful, why = found
    return [dict(record) for record in records], list(doubtful), why


class Signer(RealSigner):
    """A packet that was signed here needs not be signed again to check it: what it
    must be signed with is what it was signed with."""
    known = {}                  # secret: {packet: signature}

    def __init__(self, secret):
        RealSigner.__init__(self, secret)
        self.signed = self.known.setdefault(secret, {})

    def seal(self, text, echoes):
        packets = RealSigner.seal(self, text, echoes)
        if len(self.signed) > MOST:
            self.signed.clear()
        for packet in packets.values():
            self.signed[packet] = packet[packet.rfind('mac=') + 4:-1]
        return packets

    def right(self, packet, end):
        return self.signed.pop(packet, None) or RealSigner.right(self, packet, end)


def remembers_reports(parse):
    """Nobody changes a report, and what was heard before does not change it."""
    known = {}

    def remembered(text, before=None):
        report = known.get(text)
        if report is None:
            if len(known) >= MOST:
                known.clear()
            report = known[text] = parse(text, before)
        return report
    return remembered


COPIES = {'parse_opinion': same, 'parse_records': copy_records, 'parse_map': copy_map,
          'from_state': same}
REAL = dict([(name, getattr(ha_lizard, name)) for name in COPIES])


def start():
    """From here on, in this process."""
    ha_lizard.Signer = Signer
    ha_lizard.parse_report = remembers_reports(parse_report)
    for name, copy in COPIES.items():
        setattr(ha_lizard, name, remembers(REAL[name], copy))


def stop():
    ha_lizard.Signer, ha_lizard.parse_report = RealSigner, parse_report
    for name, function in REAL.items():
        setattr(ha_lizard, name, function)
