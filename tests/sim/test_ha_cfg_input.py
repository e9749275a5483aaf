"""ha-cfg, what operators mistype: every argument of every action, from its table.

Each time one clear line on stderr, exit 1 or 2, and nothing is changed.
"""

import os
import re

import base
import ha_cfg_case
import ha_lizard
from ha_cfg_case import cfg, run_cfg
from scenario import Story
from served import CFG

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
#: need a mail server, and write to the terminal themselves
MAIL = ('email', 'email_debug')
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
        for command in [each for each in cfg.COMMANDS if each.name not in MAIL]:
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


class TestOutput(ha_cfg_case.Case):
    """As processes: nowhere to write."""

    def words(self):
        """A right command line of every action."""
        self.path = os.path.join(self.folder(), 'saved')
        base.write(self.path, cfg.HEADER % 'x' + 'XAPI_COUNT=3\n')
        for command in cfg.COMMANDS:
            words = [{'saved': self.path}.get(word, word) for word in right_words(command)]
            yield [command.name] + words + ['--no-follow'] * (command.name == 'log') + (
                ['--yes'] * (command.name != 'complete'))

    def all_say(self, redirection, text):
        argvs = [['sh', '-c', 'exec "$@" ' + redirection, 'sh'] + CFG + words
                 for words in self.words()]
        while argvs:
            for argv, result in zip(argvs[:4], self.side_by_side(argvs[:4])):
                self.assertEqual((1, ''), result[:2], argv)
                self.assertEqual(1, result[2].count('\n'), result[2])
                self.assertIn(text, result[2])
            del argvs[:4]

    def test_standard_output_is_closed(self):
        self.serve('vm v on b')
        before = self.other()
        self.all_say('>&-', 'standard output is closed; nothing was done')
        self.assertEqual((before, []), (self.other(), self.served.called))

    def test_standard_output_is_full(self):
        self.serve('vm v on b')
        for word in 'help', 'get', 'check':
            status, _, errors = self.program(
                ['sh', '-c', 'exec "$@" >/dev/full', 'sh'] + CFG + [word])
            self.assertEqual((1, 1), (status, errors.count('cannot write: No space left')))

    def test_the_disk_is_full_at_a_backup(self):
        """What was saved before is still there, and nothing half beside it."""
        self.serve()
        path = os.path.join(self.folder(), 'saved')
        self.assertEqual(0, self.cfg('backup', path)[0])
        before = base.read(path)
        self.done('set', 'XAPI_COUNT', '3')
        self.assertLess(600, len(before))
        status, output, errors = self.program(
            ['sh', '-c', 'ulimit -f 1; exec "$@"', 'sh'] + CFG + ['backup', path])
        self.assertEqual((1, '', 1), (status, output, errors.count('\n')))
        self.assertIn('File too large', errors)
        self.assertEqual((before, ['saved']), (base.read(path),
                                               os.listdir(os.path.dirname(path))))


if __name__ == '__main__':
    import unittest
    unittest.main()
