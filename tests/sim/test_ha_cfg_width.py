"""ha-cfg on narrow and wide terminals, with names that are long and not English:
nothing is wider than the terminal, and columns are columns."""

import binascii
import os

import base
import ha_cfg_case
import ha_lizard
from ha_cfg_case import cfg
from scenario import Story

WIDTHS = (40, 60, 80, 132)
POOL = ('pool a b c', 'fence ILO', 'witness 10.0.0.250', 'vm v on b', 'vm w on a',
        'vm x halted ha=maybe', 'vm y on c local', 'ha on', 'run 60')


def from_hex(text):
    return ha_lizard.to_text(binascii.unhexlify(text.encode('ascii')))


#: German umlauts, and Chinese letters that are two columns wide
ODD = from_hex('c39c62657267c3a4c39f6520e4b8ade69687e68f9be7ae97')
NAMES = {'v': ODD + ' ' + 'a very long name that somebody typed ' * 3, 'w': 'w' * 120}
HOST = ODD + '-a-rather-long-name.example.com'
#: what each action is called with here; those that are not named, without words
WORDS = {'get': ['-l'], 'history': ['--since', '1d'], 'set': ['MAIL_SUBJECT', 's' * 150],
         'set-quiet': ['MAIL_ON', '1'], 'set-vm-ha': [NAMES['w'], 'true'], 'freeze': ['5'],
         'maintenance': ['c', 'on'], 'confirm-dead': ['c'], 'why': [HOST],
         'what-if': ['master-dead'], 'backup': ['saved'], 'restore': ['saved'],
         'log': ['--no-follow'], 'raise-alert': ['r' * 150, '3'], 'complete': ['set']}
#: and with what more
MORE = (['what-if', 'host-dead', HOST], ['what-if', 'isolated', HOST], ['why', NAMES['w']],
        ['check', '--fence'], ['get'], ['maintenance', 'c', 'off'], ['status'],
        ['cluster-status'], ['set', 'NONSENSE', 'x'])
#: a program's text, and words for a program; the test mail says itself what it says
FOR_PROGRAMS = ('completion', 'complete', 'email', 'email_debug')


class TestWidth(base.TestCase):
    def run(self, result=None):
        here, self.story = os.getcwd(), Story()
        try:
            for line in POOL:
                self.story.play(line)
            database = self.story.pool.database()
            for name, label in NAMES.items():
                database.set('vm', self.story.vms[name], name_label=label)
            database.set('host', self.story.world.hosts['b'].uuid, name_label=HOST)
            self.story.play('run 40')
            return base.TestCase.run(self, result)
        finally:
            os.chdir(here)
            self.story.close()

    def output(self, words, width):
        return ha_cfg_case.run_cfg(self.story, 'a', terminal=True, width=width, *words)[1].text()

    def test_nothing_is_wider_than_the_terminal(self):
        os.chdir(self.folder())
        lines = [[command.name] + WORDS.get(command.name, []) + ['--yes']
                 for command in cfg.COMMANDS if command.name not in FOR_PROGRAMS]
        lines += [['help', command.name] for command in cfg.COMMANDS]
        # What writes all parameters comes last.
        last = ('remove', 'restore-default', 'insert')
        lines = ([words for words in lines if words[0] not in last] + list(MORE)
                 + [[name, '--yes'] for name in last])
        wrong = []
        for width in WIDTHS:
            for words in lines:
                wrong += ['%d of %d columns, %s: %s' % (cfg.cells(line), width, words, line)
                          for line in self.output(words, width).split('\n')
                          if cfg.cells(line) > width]
        self.assertEqual([], wrong, '\n'.join(wrong))

    def test_columns_are_columns(self):
        for words, title, part in ((['cluster-status'], 'ROLE', 'slave'),
                                   (['cluster-status'], 'ADDRESS', '10.0.0.2'),
                                   (['get-vm-ha'], 'VM-UUID', self.story.vms['w']),
                                   (['what-if', 'master-dead'], 'WHAT', 'ILO turns a off')):
            for width in 80, 132:
                lines = self.output(words, width).split('\n')
                head = [line for line in lines if title in line][0]
                rows = [line for line in lines if part in line]
                self.assertTrue(rows, '\n'.join(lines))
                for line in rows:
                    self.assertEqual(cfg.cells(head[:head.index(title)]),
                                     cfg.cells(line[:line.index(part)]), '\n'.join(lines))

    def test_names_are_whole(self):
        """However they are folded: they must be typed again."""
        lines = self.output(['cluster-status'], 80).split('\n')
        width = lines[0].find('ROLE') - 2
        column = ''.join([cfg.fitting(line, width) for line in lines[1:] if line])
        self.assertIn(HOST.replace(' ', ''), column.replace(' ', ''))


if __name__ == '__main__':
    import unittest
    unittest.main()
