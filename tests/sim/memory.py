"""What one simulated host has read needs not be read by the next.

All hosts of a pool live in one process, and most texts come to several of them:
each other's packets, the lists of xe, a file that was just written.  Every
function here is the real one, called once for each text; what it gave is
copied for each caller, so that nobody can change what another gets.
"""

import ha_lizard

MOST = 300                  # texts that each function remembers
parse_text = ha_lizard.parse_report


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


def copy_report(report):
    copy = object.__new__(ha_lizard.Report)
    copy.__dict__.update(report.__dict__)
    return copy


class Packets(object):
    """A packet differs from receiver to receiver in its echo alone."""

    def __init__(self):
        self.parse = remembers(self.whole, copy_report)

    def whole(self, body):
        return parse_text(body + 'echo=\n')

    def __call__(self, text):
        end = text.rfind('\necho=') + 1
        if not end or text.find('\n', end) != len(text) - 1:
            return parse_text(text)
        report = self.parse(text[:end])
        report.echo = text[end + 5:-1]
        return report


COPIES = {'parse_opinion': same, 'parse_records': copy_records, 'parse_map': copy_map,
          'from_state': same}
REAL = dict([(name, getattr(ha_lizard, name)) for name in COPIES])


def start():
    """From here on, in this process."""
    ha_lizard.parse_report = Packets()
    for name, copy in COPIES.items():
        setattr(ha_lizard, name, remembers(REAL[name], copy))


def stop():
    ha_lizard.parse_report = parse_text
    for name, function in REAL.items():
        setattr(ha_lizard, name, function)
