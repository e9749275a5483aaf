"""ha-cfg on a host of a simulated pool, within this process and in virtual time: what
a command says and does, and how long it takes.

What nothing but a process can show: ha_cfg_process, with the same words.
"""

import base
import ha_lizard
from dom0 import SimDom0, SimJob
from scenario import FIELD, Story

cfg = base.load('ha-cfg', 'ha_cfg')

LIMIT = 1000                        # virtual seconds that a command may take


# -- a host and its screen ----------------------------------------------------

class Capture(cfg.Screen):
    """A screen that nobody sees: what was said, and answers prepared."""

    def __init__(self, yes=False):
        cfg.Screen.__init__(self, yes)
        self.said, self.complaints = [], []
        self.terminal = self.asks = self.colour = self.impatient = False
        self.width, self.feed = 80, ''

    def write(self, text):
        self.said.append(text)

    def complain(self, text):
        self.complaints.append(text)

    def secret(self, name):
        """From a pipe, where nobody is asked."""
        return cfg.without_newline(self.feed)

    def text(self):
        return ''.join(self.said)

    def errors(self):
        return '\n'.join(self.complaints)


class Machine(SimDom0):
    """A simulated host on which more programs are installed.

    programs    {the first words of a command: (status, output)}
    disk        where its logs become real files
    called      the commands that were given there
    """

    def __init__(self, world, host, programs=(), disk=base.NOWHERE):
        SimDom0.__init__(self, world, host)
        self.programs, self.disk, self.called = dict(programs), disk, []

    def path(self, path):
        """Of a log."""
        if path in self.host.files:
            base.write(self.disk + path, self.host.files[path])
        return self.disk + path

    def launch(self, argv, timeout, feed, env, password):
        self.called.append(argv)
        for words, (status, output) in self.programs.items():
            if ' '.join(argv).startswith(words):
                job = SimJob(argv, self.now() + timeout)
                self.end(job, status, output, '')
                return job
        return SimDom0.launch(self, argv, timeout, feed, env, password)


def run_on(machine, work, limit=LIMIT):
    """What work() returns, as a program of that host; the world goes on meanwhile,
    and no longer."""
    world, results = machine.world, []
    program, end = machine.run_program(lambda: results.append(work())), machine.world.now + limit
    while not program.over:
        if not world.moments or world.moments[0] > end:
            raise AssertionError('it does not end within %s s' % limit)
        world.run(max(0, world.moments[0] - world.now))
    return results[0]


def run_cfg_on(machine, words, screen, limit=LIMIT):
    """The exit status of ha-cfg WORDS.  The test mail says itself what it says."""
    before = ha_lizard.say, ha_lizard.complain
    ha_lizard.say, ha_lizard.complain = screen.raw, screen.complain
    try:
        return run_on(machine, lambda: cfg.main(list(words), machine, screen), limit)
    finally:
        ha_lizard.say, ha_lizard.complain = before


def run_cfg(story, name, *words, **how):
    """(exit status, Capture) of ha-cfg on a host of the story; `programs` as in
    Machine, `terminal` and `width` of the screen."""
    screen = how.get('screen', Capture)('--yes' in words)
    screen.terminal, screen.width = how.get('terminal', False), how.get('width', 80)
    machine = Machine(story.world, story.world.hosts[name], how.get('programs', ()))
    return run_cfg_on(machine, words, screen), screen


# -- tests --------------------------------------------------------------------

class Asking(object):
    """Of a test with a `story`, whose chosen host is `host`."""

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
        """The same for [(status, words, why)]."""
        before = self.other()
        for status, words, why in cases:
            result = self.cfg(*words, **how)
            self.assertEqual((status, 1), (result[0], result[2].count('\n')),
                             '%s: %r' % (words, result))
            self.assertIn(why, result[2])
        self.assertEqual(before, self.other())

    def hand_over_a_secret(self):
        """From a pipe into the pool: as it is, and in no list of processes."""
        secret = 'p,a ss"w\'rd=$x'
        self.assertEqual('FENCE_PASSWD: ******** -> ********\n',
                         self.done('set', 'FENCE_PASSWD', '-', feed=secret + '\n'))
        self.assertEqual(secret, self.other('HA_FENCE_PASSWD'))
        self.assertEqual([], [argv for argv in self.called() if secret in ' '.join(argv)])

    def other(self, key=None):
        """The pool's other-config, or one value of it."""
        pairs = dict(self.story.pool.database().pool()['other_config'])
        if key is None:
            return pairs
        return pairs.get(key)

    def vm_other(self, name, key):
        pairs = self.story.pool.database().get('vm', self.story.vms[name])['other_config']
        return dict(pairs).get(key)

    def text(self, path):
        return self.host.files.get(path, '')

    def note_that(self, pairs):
        """More in the notes of the chosen host, which has some."""
        notes = dict(ha_lizard.from_state(self.text(ha_lizard.Notes.path)))
        notes.update(dict(pairs))
        self.host.files[ha_lizard.Notes.path] = ha_lizard.to_state(
            [(key, notes[key]) for key in sorted(notes) if key not in ('format', 'end')])


class Case(Asking, base.StoryCase):
    POOL = ('pool a b c', 'latency 0.01', 'fence ILO')

    def serve(self, *lines, **how):
        """The story of POOL and more lines; on its chosen host runs no daemon."""
        self.story = Story(how.get('host', 'a'))
        for line in self.POOL + lines:
            self.story.play(line)
        self.story.begin()
        self.host = self.story.world.hosts[self.story.chosen]
        self.machine = Machine(self.story.world, self.host, disk=self.folder())
        return self.story

    def cfg(self, *words, **how):
        """(exit status, output, errors) of ha-cfg WORDS."""
        screen = Capture('--yes' in words)
        screen.feed = how.get('feed', '')
        status = run_cfg_on(self.machine, words, screen, how.get('limit', 60))
        return status, screen.text(), ''.join([each + '\n' for each in screen.complaints])

    def once(self):
        """One round of HA."""
        run_on(self.machine, lambda: ha_lizard.run_round(self.machine))

    def act(self, *words):
        """(exit status, sentence) of what a round has a child do."""
        return run_on(self.machine, lambda: ha_lizard.act(self.machine, words))

    def called(self):
        """The commands that were given on the chosen host."""
        return self.machine.called


def loaded(text):
    """What JSON means; Python 2.4 has none, but that is near enough."""
    try:
        import json
    except ImportError:
        return eval(text, {'null': None, 'true': True, 'false': False})
    return json.loads(text)
