"""ha-cfg on a host of a simulated pool: as a process, and within this one."""

import tempfile

import base
import ha_lizard
import served
from dom0 import SimDom0, SimJob
from served import CFG

cfg = base.load('ha-cfg', 'ha_cfg')

AT_ONCE = 4                         # processes of ha-cfg at the same time
FIELD = 'XenCenter.CustomFields.ha-lizard-enabled'


# -- within this process ------------------------------------------------------

class Capture(cfg.Screen):
    """A screen that nobody sees: what was said, and answers prepared."""

    def __init__(self, yes=False):
        cfg.Screen.__init__(self, yes)
        self.said, self.complaints = [], []
        self.terminal = self.asks = self.colour = self.impatient = False
        self.width = 80

    def write(self, text):
        self.said.append(text)

    def complain(self, text):
        self.complaints.append(text)

    def text(self):
        return ''.join(self.said)

    def errors(self):
        return '\n'.join(self.complaints)


class Machine(SimDom0):
    """A simulated host on which more programs are installed: {the first words of
    a command: (status, output)}."""
    programs = {}

    def path(self, path):
        """Of a log: there is none."""
        return base.NOWHERE + path

    def launch(self, argv, timeout, feed, env, password):
        for words, (status, output) in self.programs.items():
            if ' '.join(argv).startswith(words):
                job = SimJob(argv, self.now() + timeout)
                self.end(job, status, output, '')
                return job
        return SimDom0.launch(self, argv, timeout, feed, env, password)


def run_cfg(story, name, *words, **how):
    """(exit status, Capture) of ha-cfg on a host of the story; `programs` as in
    Machine, `terminal` and `width` of the screen."""
    host = story.world.hosts[name]
    screen, statuses = how.get('screen', Capture)('--yes' in words), []
    screen.terminal, screen.width = how.get('terminal', False), how.get('width', 80)

    def work():
        statuses.append(cfg.main(list(words), dom0, screen))
    dom0 = Machine(story.world, host)
    dom0.programs = how.get('programs', {})
    program = dom0.run_program(work)
    for _ in range(2000):
        story.world.run(0.5)
        if program.over:
            break
    return statuses[0], screen


# -- as a process -------------------------------------------------------------

class Running(object):
    """A process of the chosen host, with what it is told and what it says."""

    def __init__(self, server, argv, feed):
        self.argv, self.streams = argv, [tempfile.TemporaryFile() for _ in range(3)]
        self.streams[0].write(ha_lizard.to_bytes(feed))
        self.streams[0].seek(0)
        self.process = server.begin(argv, stdin=self.streams[0], stdout=self.streams[1],
                                    stderr=self.streams[2])

    def runs(self):
        return self.process.poll() is None

    def result(self):
        said = []
        for stream in self.streams[1:]:
            stream.seek(0)
            said.append(ha_lizard.to_text(stream.read()))
        return self.process.wait(), said[0], said[1]

    def close(self):
        for stream in self.streams:
            stream.close()


class Case(served.Case):
    POOL = ('pool a b c', 'latency 0.01', 'fence ILO')

    def cfg(self, *words, **how):
        """(exit status, output, errors) of ha-cfg WORDS."""
        return self.program(CFG + list(words), **how)

    def program(self, argv, **how):
        return self.side_by_side([argv], **how)[0]

    def side_by_side(self, argvs, **how):
        """[(exit status, output, errors)] of programs that run at the same time."""
        running = []
        try:
            for argv in argvs:
                running.append(Running(self.served, argv, how.get('feed', '')))
            if not self.served.until(lambda: not [each for each in running if each.runs()],
                                     how.get('limit', 60)):
                self.served.kill()
                self.fail('%s do not end' % [each.argv for each in running if each.runs()])
            return [each.result() for each in running]
        finally:
            for each in running:
                each.close()

    def done(self, *words, **how):
        """The output of ha-cfg WORDS, which must work."""
        status, output, errors = self.cfg(*words, **how)
        self.assertEqual((0, ''), (status, errors), '%s: %s, %s%s' % (
            words, status, output, errors))
        return output

    def refused(self, status, words, why, **how):
        """It must end with that status, one line on stderr, and change nothing."""
        self.all_refused([(status, words, why)], **how)

    def all_refused(self, cases, **how):
        """The same for [(status, words, why)], AT_ONCE of them at the same time."""
        cases, before = list(cases), self.other()
        while cases:
            results = self.side_by_side([CFG + list(case[1]) for case in cases[:AT_ONCE]], **how)
            for (status, words, why), result in zip(cases, results):
                self.assertEqual((status, 1), (result[0], result[2].count('\n')),
                                 '%s: %r' % (words, result))
                self.assertIn(why, result[2])
            del cases[:AT_ONCE]
        self.assertEqual(before, self.other())

    def other(self, key=None):
        """The pool's other-config, or one value of it."""
        pairs = dict(self.served.world.pool.database().pool()['other_config'])
        if key is None:
            return pairs
        return pairs.get(key)

    def note_that(self, pairs):
        """More in the notes of the chosen host, which has some."""
        notes = dict(ha_lizard.from_state(self.text(ha_lizard.Notes.path)))
        notes.update(dict(pairs))
        self.served.host.files[ha_lizard.Notes.path] = ha_lizard.to_state(
            [(key, notes[key]) for key in sorted(notes) if key not in ('format', 'end')])

    def vm_other(self, name, key):
        uuid = self.served.story.vms[name]
        pairs = self.served.world.pool.database().get('vm', uuid)['other_config']
        return dict(pairs).get(key)


def loaded(text):
    """What JSON means; Python 2.4 has none, but that is near enough."""
    try:
        import json
    except ImportError:
        return eval(text, {'null': None, 'true': True, 'false': False})
    return json.loads(text)
