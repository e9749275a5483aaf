"""The picture of a story: an SVG file that needs nothing but a browser.

    picture(play)                           the text of the file

One panel for each power cut, with a lane for each host: above, what it did
(labels), who was master (the strip), and the VMs that really ran there (bars).
The lowest lane shows the VMs that ran nowhere, and for how long.
"""

import story

WIDTH, LEFT, RIGHT = 1200, 112, 22
BEFORE = 20             # seconds shown before a power cut
AFTER = 130             # room for the words at the last event
LETTER = 0.6            # width of a letter as a part of its size, generously
LABEL, GAP = 11, 8      # size of the labels' letters, room between two of them
STRIP, AXIS = 15, 34

INK, FAINT, PAPER, NIGHT = '#1d2430', '#6b7480', '#f5f6f8', '#2a2e37'
RED, GREEN, BLUE, BROWN = '#c62828', '#1b7f3b', '#1c5fa8', '#8a5a00'
ROLES = {'master': '#f4c430', 'slave': '#c8d6ea', 'restarting': 'url(#stripes)'}
STRIPES = '#eef0f3', '#aab2bd'
PALETTE = ('#8ecae6', '#ffb4a2', '#b5d99c', '#d8b4f0', '#ffd37a', '#8fd9c4',
           '#f5a6c8', '#b9bdf5', '#d9c9a3', '#a8c686')
GREY = '#d5d8dc'
PURPLE = '#7a5aa6'
PHASES = {'silence': '#7b8494', 'proof': RED, 'promotion': '#a87400',
          'slaves follow': '#4a78ad', 'clean-up': PURPLE, story.STARTS: GREEN}

SIGNS = (
    (ROLES['master'], 'master of the pool'), (ROLES['slave'], 'slave'),
    (ROLES['restarting'], 'boots, or its xapi restarts'), (NIGHT, 'no power'),
    (PALETTE[0], 'VM runs here (green edge: HA started it)'),
    (GREY, 'VM not in HA'), (None, 'VM is down'))
EXPLANATION = (
    'The bar "recovery" is the time from the power cut to the last VM running again: first '
    'being sure that the host is dead and not just slow, then proof that its power',
    'is off (else a VM could run twice and destroy its disk), a new master if that was the '
    'one that died, and then the starts.')

# What a line of the story becomes: beginning or end of its text, label, colour.
# Once: only the first one of a recovery.
MARKS = (
    ('truth', 'loses power', 'power cut', RED),
    ('truth', 'has power again', 'power is back', GREEN),
    ('truth', 'reboots itself', 'reboots itself', RED),
    ('log', 'act: fence ', 'finds %s silent, fences it', RED),
    ('log', 'proof: ', 'proof: %s is off', RED),
    ('log', 'act: become master', 'promotes itself', BROWN),
    ('log', 'act: tell the slaves', 'calls the slaves', BLUE),
    ('log', 'done: take charge', 'is in charge', BROWN),
    ('log', 'done: take up work', 'HA at work again', GREEN),
    ('once', 'act: reset the power', 'cleans up', PURPLE),
    ('once', 'act: start ', 'starts VMs', GREEN),
)


FRAME = """\
<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="%(width)d" height="%(height)d"
 viewBox="0 0 %(width)d %(height)d"
 font-family="Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif">
<title>HA-Lizard saves a pool</title>
<defs>
<pattern id="stripes" width="7" height="7" patternUnits="userSpaceOnUse"
 patternTransform="rotate(45)">
<rect width="7" height="7" fill="%(one)s"/>
<rect width="2.5" height="7" fill="%(other)s"/>
</pattern>
</defs>
<rect width="100%%" height="100%%" fill="#ffffff"/>
%(elements)s
</svg>
"""


def picture(play):
    """The whole file."""
    drawing = Drawing()
    head(drawing, play)
    colours = colours_of(play.members)
    for number in range(len(play.faults)):
        Panel(drawing, play, number, colours).draw()
    legend(drawing)
    return drawing.text()


class Drawing(object):
    """Elements of SVG; `y` is how far down the drawing has come."""

    def __init__(self):
        self.elements, self.y = [], 0

    def rect(self, x, y, width, height, fill, **more):
        self.add('rect', x='%.1f' % x, y='%.1f' % y, width='%.1f' % max(width, 0.5),
                 height='%.1f' % height, fill=fill, **more)

    def line(self, x1, y1, x2, y2, stroke, **more):
        self.add('line', x1='%.1f' % x1, y1='%.1f' % y1, x2='%.1f' % x2, y2='%.1f' % y2,
                 stroke=stroke, **more)

    def dot(self, x, y, fill):
        self.add('circle', cx='%.1f' % x, cy='%.1f' % y, r='4', fill=fill,
                 stroke='#ffffff')

    def words(self, x, y, words, size=LABEL, fill=INK, **more):
        self.add('text', words, x='%.1f' % x, y='%.1f' % y, font_size='%g' % size,
                 fill=fill, **more)

    def add(self, name, words=None, **attributes):
        pairs = [' %s="%s"' % (key.replace('_', '-'), escape(value))
                 for key, value in sorted(attributes.items())]
        end = '/>'
        if words is not None:
            end = '>%s</%s>' % (escape(words), name)
        self.elements.append('<%s%s%s' % (name, ''.join(pairs), end))

    def text(self):
        return FRAME % {'width': WIDTH, 'height': self.y + 10, 'one': STRIPES[0],
                        'other': STRIPES[1], 'elements': '\n'.join(self.elements)}


def escape(text):
    for character, entity in (('&', 'amp'), ('<', 'lt'), ('>', 'gt'), ('"', 'quot')):
        text = text.replace(character, '&%s;' % entity)
    return text


def wide(words, size=LABEL):
    return len(words) * size * LETTER


def colours_of(members):
    """{name of a VM: its colour}: the same in every lane.  Grey: not managed."""
    colours, number = {}, 0
    for member in members:
        colours[member.name] = GREY
        if not member.remark:
            colours[member.name] = colour(number)
            number += 1
    return colours


def colour(number):
    if number < len(PALETTE):
        return PALETTE[number]
    hue = number * 137 % 360                # the golden angle: neighbours differ
    return '#%02x%02x%02x' % tuple([light(hue + turn) for turn in (120, 0, 240)])


def light(angle):
    """One of red, green, blue of a pale colour."""
    angle = angle % 360
    ramp = {0: angle / 60.0, 1: 1.0, 2: 1.0, 3: 4 - angle / 60.0}.get(angle // 60, 0.0)
    return int(150 + 95 * ramp)


# -- words around it ----------------------------------------------------------

def head(drawing, play):
    wrong = play.wrong()
    drawing.words(20, 34, 'HA-Lizard saves a pool', 23, font_weight='bold')
    drawing.words(20, 55, '%s, %s. Simulated machines and power cuts, the real program; '
                  'time is virtual.' % (story.some(len(play.world.order), 'host'),
                                        story.some(len(play.members), 'VM')), 13, FAINT)
    verdict, fill = 'every VM in its care runs exactly once at the end', GREEN
    if wrong:
        verdict, fill = 'FAILED: ' + wrong[0], RED
        if len(wrong) > 1:
            verdict += ' (and %d more)' % (len(wrong) - 1)
    drawing.words(WIDTH - RIGHT, 34, verdict, 14, fill, text_anchor='end',
                  font_weight='bold')
    drawing.y = 72


def legend(drawing):
    """What the signs mean."""
    x, y = 20, drawing.y + 6
    drawing.line(20, y - 6, WIDTH - RIGHT, y - 6, '#d4d8de')
    for fill, words in SIGNS:
        more = {'stroke': '#aab2bd'}
        if fill is None:
            more = {'stroke': RED, 'stroke_dasharray': '4 3'}
        drawing.rect(x, y + 6, 24, 12, fill or '#ffffff', rx='2', **more)
        if fill == PALETTE[0]:
            drawing.rect(x, y + 6, 3, 12, GREEN)
        drawing.words(x + 30, y + 16, words, 12)
        x += 30 + wide(words, 12) * 0.87 + 16
    for number, words in enumerate(EXPLANATION):
        drawing.words(20, y + 38 + 16 * number, words, 12, FAINT)
    drawing.y = y + 60


# -- labels that do not overlap -----------------------------------------------

class Label(object):
    """Words to the right of a moment."""

    def __init__(self, x, words, fill):
        self.x, self.words, self.fill, self.level = x, words, fill, 0
        self.left, self.right = x + 4, x + 4 + wide(words)


def arrange(labels):
    """Give each a level, so that neither words nor leaders cross other words;
    return how many levels there are.

    From right to left, each goes above all that begin under its words: their
    leaders end below it, and its own comes down to the left of their words.
    """
    done = []
    for label in sorted(labels, key=lambda label: (-label.x, label.words)):
        below = [other.level for other in done
                 if other.x < label.right + GAP]
        label.level = max([level + 1 for level in below] + [0])
        done.append(label)
    return max([label.level + 1 for label in labels] + [0])


def put_labels(drawing, labels, foot, ground=PAPER):
    """Draw them above `foot`, each with a leader down to it."""
    for label in labels:
        y = foot - 6 - label.level * (LABEL + 3)
        drawing.line(label.x, y - LABEL + 3, label.x, foot, label.fill,
                     stroke_width='0.8')
        drawing.words(label.left, y, label.words, LABEL, label.fill, **halo(ground))


def halo(ground):
    """What is behind words must not cross them."""
    return {'stroke': ground, 'stroke_width': '3', 'paint_order': 'stroke'}


def rows_of(spans):
    """[(row, span)] of spans (from, to, ...): those that overlap get rows of
    their own, the highest that is free."""
    ends, found = [], []
    for span in sorted(spans):
        free = [row for row, end in enumerate(ends) if end <= span[0]]
        row = (free + [len(ends)])[0]
        ends[row:row + 1] = [span[1]]
        found.append((row, span))
    return found


# -- one power cut ------------------------------------------------------------

class Panel(object):
    """From shortly before a power cut to shortly before the next one."""

    def __init__(self, drawing, play, number, colours):
        self.drawing, self.play, self.colours = drawing, play, colours
        self.fault, self.number = play.faults[number], number
        self.since = self.fault.at - BEFORE
        later = [fault.at for fault in play.faults[number + 1:]]
        last = max([line.moment for line in play.world.tale
                    if not later or line.moment < later[0]])
        self.scale = (WIDTH - LEFT - RIGHT - AFTER) / (last - self.since)
        self.until = last + AFTER / self.scale

    def x(self, moment):
        if moment >= self.play.world.now:           # it goes on so
            moment = self.until
        moment = min(max(moment, self.since), self.until)
        return LEFT + (moment - self.since) * self.scale

    def shows(self, moment):
        return self.since <= moment < self.until

    def draw(self):
        drawing, fault = self.drawing, self.fault
        drawing.y += 26
        drawing.words(20, drawing.y, self.title(), 16, font_weight='bold')
        top = self.recovery()
        background = len(drawing.elements)
        for name in self.play.world.order:
            self.lane(name)
        self.down()
        drawing.y += 4
        # Behind everything else: the two moments that count.
        front, drawing.elements = drawing.elements, []
        moments = [(fault.at, RED)] + [(last, GREEN) for last in fault.returns()[-1:]]
        for moment, stroke in moments:
            drawing.line(self.x(moment), top, self.x(moment), drawing.y, stroke,
                         stroke_dasharray='3 4', stroke_width='1')
        drawing.elements = (front[:background] + self.bands + drawing.elements
                            + front[background:])
        self.axis()

    def title(self):
        fault = self.fault
        words = '%d. %s %s loses power.' % (self.number + 1, fault.role.capitalize(),
                                            fault.host)
        seconds = fault.until(len(fault.lost))
        if not fault.lost:
            return words
        if seconds is None:
            return words + ' Not all of its VMs run again.'
        return '%s %.0f s later its VMs run again (the waits alone take %.0f s).' % (
            words, seconds, fault.floor())

    # -- the recovery, part by part -------------------------------------------

    def recovery(self):
        """The bar above the lanes; the y at which it begins."""
        drawing, self.bands = self.drawing, []
        phases = [phase for phase in self.fault.phases() if phase.seconds() is not None]
        narrow = [Label(self.x(phase.since) + 1, phase_words(phase), PHASES[phase.name])
                  for phase in phases if not self.fits(phase)]
        y = drawing.y + 12 + arrange(narrow) * (LABEL + 3)
        put_labels(drawing, narrow, y, '#ffffff')
        drawing.words(20, y + 14, 'recovery', 13, FAINT)
        for phase in phases:
            left, right = self.x(phase.since), self.x(phase.until)
            drawing.rect(left, y, right - left, 19, PHASES[phase.name],
                         stroke='#ffffff')
            if self.fits(phase):
                drawing.words((left + right) / 2, y + 13.5, phase_words(phase), LABEL,
                              '#ffffff', text_anchor='middle')
        drawing.y = y + 26
        return y

    def fits(self, phase):
        return phase.seconds() * self.scale > wide(phase_words(phase)) + 4

    # -- a lane ---------------------------------------------------------------

    def lane(self, name):
        drawing = self.drawing
        labels = self.labels(name)
        top = drawing.y
        foot = top + 8 + arrange(labels) * (LABEL + 3)
        spans = [(since, until, vm) for vm, host, since, until in self.play.stays()
                 if host == name and since < self.until and until > self.since]
        rows = rows_of(spans)
        height = row_height(rows)
        count = max([row + 1 for row, _ in rows] + [1])
        bottom = foot + STRIP + 3 + count * height
        self.band(top, bottom + 4)
        drawing.words(20, foot + 13, name, 17, font_weight='bold')
        self.strip(name, foot, [label.x for label in labels])
        for row, (since, until, vm) in rows:
            self.bar(since, until, vm, foot + STRIP + 3 + row * height, height)
        self.night(name, foot, bottom)
        put_labels(drawing, labels, foot)
        for label in labels:
            drawing.dot(label.x, foot + STRIP / 2.0, label.fill)
        drawing.y = bottom + 10

    def band(self, top, bottom):
        """The ground of a lane."""
        front, self.drawing.elements = self.drawing.elements, []
        self.drawing.rect(12, top, WIDTH - 12 - RIGHT + 8, bottom - top, PAPER, rx='6')
        self.bands.extend(self.drawing.elements)
        self.drawing.elements = front

    def labels(self, name):
        found, seen = [], {}
        for line in self.play.world.tale:
            if line.host == name and self.shows(line.moment):
                label = self.label(line, seen)
                if label:
                    found.append(label)
        return found

    def label(self, line, seen):
        for kind, text, words, fill in MARKS:
            if text not in line.text or (kind == 'truth') != (line.kind == 'truth'):
                continue
            if kind == 'once' and text in seen:
                continue
            seen[text] = 1
            if '%s' in words:
                words = words % line.text[len(text):].split()[0]
            return Label(self.x(line.moment), words, fill)

    def periods(self, name):
        """[(from, to, role, role before)] of a host."""
        seen, found = self.play.roles[name], []
        for number, (since, role) in enumerate(seen):
            until = (seen[number + 1:] + [(self.play.world.now, '')])[0][0]
            if since < self.until and until > self.since:
                found.append((since, until, role, (seen[:number] or [(0, '')])[-1][1]))
        return found

    def strip(self, name, y, dots):
        for since, until, role, before in self.periods(name):
            if role == 'off':
                continue
            left, right = self.x(since), self.x(until)
            self.drawing.rect(left, y, right - left, STRIP, ROLES[role], rx='2')
            words = role
            if role == 'restarting':
                words = {'off': 'boots'}.get(before, 'restarts')
            start = left + 9
            for x in sorted(dots):
                if start - 8 < x < start + wide(words) + 4:
                    start = x + 9
            if start + wide(words) < right:
                ground = {'restarting': STRIPES[0]}.get(role, ROLES[role])
                self.drawing.words(start, y + 11.5, words, LABEL, font_style='italic',
                                   **halo(ground))

    def night(self, name, top, bottom):
        for since, until, role, _ in self.periods(name):
            if role == 'off':
                left, right = self.x(since), self.x(until)
                self.drawing.rect(left, top, right - left, bottom - top, NIGHT, rx='3')
                if right - left > 80:
                    self.drawing.words((left + right) / 2, (top + bottom) / 2.0 + 5,
                                       'no power', 14, '#ffffff', text_anchor='middle')

    def bar(self, since, until, vm, y, height):
        left, right = self.x(since), self.x(until)
        fill = self.colours[vm]
        self.drawing.rect(left, y, right - left, height - 2, fill, rx='2',
                          stroke=darker(fill), stroke_width='0.8')
        if since > 0 and self.shows(since):
            self.drawing.rect(left, y, 3, height - 2, GREEN)
        if height > 10 and right - left > wide(vm) + 8:
            self.in_bar(left, y, height, vm, INK)

    def in_bar(self, left, y, height, words, fill):
        size = min(LABEL, height - 3)
        y += height / 2.0 - 1 + size * 0.36
        self.drawing.words(left + 7, y, words, size, fill)

    # -- what runs nowhere ----------------------------------------------------

    def gaps(self):
        """[(from, to, VM)]: when a VM ran nowhere."""
        found = []
        for member in self.play.members:
            moment = 0
            for vm, _, since, until in self.play.stays():
                if vm == member.name:
                    found.append((moment, since, vm))
                    moment = until
            found.append((moment, self.play.world.now, member.name))
        return [gap for gap in found if gap[0] < gap[1]
                and gap[0] < self.until and gap[1] > self.since]

    def down(self):
        """The lane of the VMs that are down."""
        drawing, remarks = self.drawing, {}
        for member in self.play.members:
            remarks[member.name] = member.remark
        # The words after a bar need room as well.
        spans = []
        for since, until, vm in self.gaps():
            words = gap_words(since, until, vm, remarks[vm], self.until)
            room = since + (wide(words) + 20) / self.scale
            spans.append((since, max(until, room), until, vm, words))
        rows = rows_of(spans)
        height, top = row_height(rows), drawing.y
        bottom = top + 8 + max([row + 1 for row, _ in rows] + [1]) * height
        self.band(top, bottom + 4)
        drawing.words(20, top + 22, 'down', 17, FAINT, font_weight='bold')
        for row, (since, _, until, vm, words) in rows:
            y = top + 8 + row * height
            stroke = {'': RED}.get(remarks[vm], '#8d96a3')
            drawing.rect(self.x(since), y, self.x(until) - self.x(since), height - 2,
                         '#ffffff', rx='2', stroke=stroke, stroke_dasharray='4 3')
            if height > 10:
                self.in_bar(self.x(since), y, height, words,
                            {'': RED}.get(remarks[vm], FAINT))
        drawing.y = bottom + 10

    # -- time -----------------------------------------------------------------

    def axis(self):
        drawing, y = self.drawing, self.drawing.y
        drawing.line(LEFT, y, WIDTH - RIGHT, y, FAINT)
        step = [each for each in (5, 10, 15, 30, 60, 300, 3600)
                if each * self.scale > 50][0]
        tick = -(-int(self.since) // step) * step
        while tick <= self.until:
            drawing.line(self.x(tick), y, self.x(tick), y + 5, FAINT)
            drawing.words(self.x(tick), y + 18, '%d:%02d' % divmod(tick, 60), LABEL,
                          FAINT, text_anchor='middle')
            tick += step
        drawing.words(20, y + 18, 'min:s', LABEL, FAINT)
        drawing.y = y + AXIS


def phase_words(phase):
    return '%s %.0f s' % (phase.name, phase.seconds())


def gap_words(since, until, vm, remark, end):
    if remark:
        return '%s (%s)' % (vm, remark)
    if until >= end:
        return '%s is down' % vm
    return '%s: %.0f s' % (vm, until - since)


def row_height(rows):
    """Of the bars in a lane: with names as long as there are not too many."""
    count = max([row + 1 for row, _ in rows] + [1])
    return max(3, min(17, 340 // count))


def darker(fill):
    return '#' + ''.join(['%02x' % (int(fill[place:place + 2], 16) * 7 // 10)
                          for place in (1, 3, 5)])
