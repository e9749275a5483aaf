"""ha-cfg, what operators mistype: every argument of every action, from its table.

Each time one clear line on stderr, exit 1 or 2, and nothing is changed.
"""

import os
import re
import sys
import tempfile

import base
import ha_cfg_case
import ha_lizard
from ha_cfg_case import cfg, run_cfg
from scenario import Story

LONG = 'x' * 10240
#: what is wrong with each of these, wherever it stands
BAD = (('empty', ''), ('long', LONG), ('a control character', 'a\x01b'), ('two lines', 'a\nb'),
       ('an escape', '\033[2J'), ('a command', '$(touch hacked)'), ('more commands', '`id`; reboot'),
       ('no such name', 'nonsense'), ('no such option', '--nonsense'))
#: one that is right of each kind of argument; the file is the one of the test
RIGHT = {'ACTION': 'set', 'PARAMETER': 'XAPI_COUNT', 'VALUE': '3', 'VM': 'v', 'HOST': 'b',
         'VM|HOST': 'v', 'MINUTES': '5', 'SINCE': '1h', 'TEXT': 'a text', 'PRIORITY': '3',
         'true|false': 'true', 'on|off': 'on', 'master-dead|host-dead|isolated': 'host-dead',
         'WORD...': 'set', 'FILE': 'saved'}
#: what looks odd and is right: any text, and any name of a file that is to be made
FINE = {('raise-alert', 'TEXT'): ('long', 'a command', 'more commands', 'no such name'),
        ('backup', 'FILE'): ('a command', 'more commands', 'no such name')}
POOL = ('pool a b c', 'fence ILO', 'vm v on b', 'run 40', 'daemon kill a', 'daemon kill b',
        'daemon kill c', 'run 5')
#: right words that this pool, with HA off and all well, cannot obey
CANNOT = {'confirm-dead': cfg.FAILED, 'log': cfg.FAILED, 'status': cfg.DISABLED,
          'ha-status': cfg.DISABLED, 'cluster-status': cfg.DISABLED}
KINDS = ('pool', 'host', 'vm', 'message')


def bare(argument):
    return argument.strip('[]')


def right_words(command):
    return [RIGHT[bare(each)] for each in command.arguments]


def bad_words():
    """[(what, words)]: every argument of every action in every wrong way, then one
    argument too many, and one that is missing."""
    for command in cfg.COMMANDS:
        if command.name == 'complete':      # it answers whatever it is given
            continue
        for place, argument in enumerate(command.arguments):
            for what, text in BAD:
                if what in FINE.get((command.name, bare(argument)), ()):
                    continue
                words = right_words(command)
                words[place] = text
                yield '%s of %s is %s' % (bare(argument), command.name, what), (
                    [command.name] + words)
        yield command.name + ' with too many', [command.name] + right_words(command) + ['more']
        needed = [each for each in command.arguments if not each.startswith('[')]
        if needed:
            yield command.name + ' with too few', (
                [command.name] + [RIGHT[each] for each in needed[:-1]])


class TestEveryArgument(base.TestCase):
    """Within this process: there are hundreds."""

    def run(self, result=None):
        here = os.getcwd()
        self.story = Story()
        try:
            for line in POOL:
                self.story.play(line)
            return base.TestCase.run(self, result)
        finally:
            os.chdir(here)
            self.story.close()

    def state(self):
        """All that a command might change."""
        database = self.story.pool.database()
        rows = [sorted([sorted(row.items()) for row in database.rows(kind)]) for kind in KINDS]
        files = [dict(host.files) for host in self.story.world.hosts.values()]
        return repr(rows), files, os.listdir('.')

    def complaint(self, what, words):
        """Why that is not refused as it should be, or None."""
        before = self.state()
        status, screen = run_cfg(self.story, 'a', *(words + ['--yes']))
        errors = '\n'.join(screen.complaints)
        if status not in (cfg.FAILED, cfg.USAGE):
            return '%s: exit %s' % (what, status)
        if len(screen.complaints) != 1 or '\n' in errors or len(errors) > 2100:
            return '%s: it says %r' % (what, errors[:500])
        if not errors.startswith('ha-cfg: ') or re.search('[\x00-\x1f\x7f]', errors):
            return '%s: it says %r' % (what, errors[:500])
        if 'Error' in errors or 'Traceback' in errors:
            return '%s: that is no sentence: %s' % (what, errors)
        if self.state() != before:
            return '%s: it changed something' % what

    def all_refused(self, cases):
        os.chdir(self.folder())
        count, wrong = 0, []
        for what, words in cases:
            count += 1
            why = self.complaint(what, words)
            if why:
                wrong.append(why)
        if wrong:
            self.fail('%d of %d:\n%s' % (len(wrong), count, '\n'.join(wrong)))
        return count

    def test_every_argument_of_every_action(self):
        self.assertLess(150, self.all_refused(bad_words()))

    def test_every_parameter(self):
        """A value that its kind does not take; what it takes is no bad input."""
        self.all_refused([
            ('%s is %s' % (row.name, what), ['set', row.name, text])
            for row in ha_lizard.SETTINGS for what, text in BAD
            if re.search('[\x00-\x1f\x7f]', text) or text.startswith('--')
            or row.objection(ha_lizard.as_stored(ha_lizard.unquoted(text)))])

    def test_the_right_words_are_right(self):
        """What the others differ from in one word: or they would prove nothing."""
        os.chdir(self.folder())
        for command in cfg.COMMANDS:
            base.write(os.path.abspath('saved'), cfg.HEADER % 'x' + 'XAPI_COUNT=3\n')
            options = ['--no-follow'] * (command.name == 'log') + (
                ['--yes'] * (command.name != 'complete'))
            status, screen = run_cfg(self.story, 'a', *(
                [command.name] + right_words(command) + options))
            self.assertEqual(CANNOT.get(command.name, cfg.DONE), status, '%s: exit %s, %s' % (
                command.name, status, screen.errors()))

    def test_complete_answers_nothing(self):
        before = self.state()
        for what, text in BAD:
            status, screen = run_cfg(self.story, 'a', 'complete', text, text)
            self.assertEqual((0, '', ''), (status, screen.text(), screen.errors()), what)
        self.assertEqual(before, self.state())


class TestOutput(base.TestCase):
    """Nowhere to write: what is done with an output that is full, or with a disk, is in
    test_ha_cfg_process."""

    def words(self):
        """A right command line of every action."""
        path = os.path.join(self.folder(), 'saved')
        base.write(path, cfg.HEADER % 'x' + 'XAPI_COUNT=3\n')
        for command in cfg.COMMANDS:
            words = [{'saved': path}.get(word, word) for word in right_words(command)]
            yield [command.name] + words + ['--no-follow'] * (command.name == 'log') + (
                ['--yes'] * (command.name != 'complete'))

    def test_standard_output_is_closed(self):
        begun, begin = [], ha_lizard.with_dom0
        ha_lizard.with_dom0 = begun.append
        try:
            for words in self.words():
                self.assertEqual((1, 'ha-cfg: standard output is closed; nothing was done\n'),
                                 without_output(words), words)
        finally:
            ha_lizard.with_dom0 = begin
        self.assertEqual([], begun)


def without_output(words):
    """(exit status, errors) of ha-cfg where standard output is closed: that of this
    process, for a moment."""
    errors = tempfile.TemporaryFile()
    sys.stdout.flush()
    sys.stderr.flush()
    ours = os.dup(1), os.dup(2)
    try:
        os.dup2(errors.fileno(), 2)
        os.close(1)
        status = cfg.run(words)
    finally:
        for before, fd in zip(ours, (1, 2)):
            os.dup2(before, fd)
            os.close(before)
    errors.seek(0)
    said = ha_lizard.to_text(errors.read())
    errors.close()
    return status, said


if __name__ == '__main__':
    import unittest
    unittest.main()
