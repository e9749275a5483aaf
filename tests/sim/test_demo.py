"""tests/demo, what it measures and draws; the figures of the main job."""

import os
import subprocess
import sys
import xml.dom.minidom

import base
import drawing
import ha_lizard
import scenario
import story

try:
    from hashlib import md5
except ImportError:
    from md5 import new as md5

demo = base.load('tests/demo', 'demo')
DEMO = os.path.join(base.TESTS, 'demo')


def run(words='', prepare=None):
    """(exit status, stdout, stderr) of the demo, in this process."""
    said, errors, complain = [], [], demo.complain
    demo.complain = errors.append
    try:
        status = demo.main(words.split(), said.append, prepare)
    finally:
        demo.complain = complain
    return status, '\n'.join(said) + '\n', '\n'.join(errors)


TOLD = {}


def told(words=''):
    """The same of an undisturbed run, told only once."""
    if words not in TOLD:
        TOLD[words] = run(words)
    return TOLD[words]


def shell(command):
    """(exit status, stdout and stderr) of a shell command; DEMO is the demo."""
    process = subprocess.Popen(
        ['sh', '-c', command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        close_fds=True, env=dict(os.environ, DEMO='%s %s' % (sys.executable, DEMO)))
    output = process.communicate()[0]
    return process.returncode, ha_lizard.to_text(output)


class TestStory(base.TestCase):

    def test_it_saves_the_pool_twice(self):
        status, output, errors = told()
        self.assertEqual((status, errors), (0, ''), output)
        for words in ('n2 loses power, and app, db, test with it',
                      'proof: n2 is off', 'n2 has power again', 'n1 loses power',
                      'done: take charge of the pool', 'Saved: all 6 VMs'):
            self.assertIn(words, output)

    def test_who_runs_what(self):
        rows = self.rows(told()[1], 'Who really runs what')
        self.assertEqual(rows['test'][:4], ['n2', '-', '-', '-'])
        self.assertEqual(rows['old'][:4], ['-', '-', '-', '-'])
        self.assertEqual(rows['db'][0], 'n2')
        for name in ('db', 'app', 'web', 'mail', 'files', 'wiki'):
            self.assertNotIn('n2', rows[name][1:2])
            self.assertNotIn('n1', rows[name][2:4])
            self.assertNotIn('-', rows[name][:4])

    def rows(self, output, title):
        """{first word: the others} of the table with that title."""
        table = output.split(title)[1].split('\n\n')[0].splitlines()[2:]
        return dict([(line.split()[0], line.split()[1:]) for line in table])

    def test_start_orders_one_after_the_other(self):
        output = told('--fault slave')[1]
        self.assertLess(output.index('*    db runs on'),
                        output.index('act: start app'), output)

    def test_the_same_every_time(self):
        texts = [told()[1], run()[1]]
        one, other = [md5(ha_lizard.to_bytes(text)).hexdigest() for text in texts]
        self.assertEqual(one, other)

    def test_other_pools(self):
        for words in ('--hosts 2', '--hosts 2 --vms 24 --fault slave',
                      '--hosts 4 --vms 30', '--hosts 5 --vms 4', '--fault master --vms 9'):
            status, output, _ = told(words)
            self.assertEqual(status, 0, '%s:\n%s' % (words, output))

    def test_the_10th_vm(self):
        output = told('--hosts 2 --vms 24 --fault slave')[1]
        self.assertIn('to the 10th VM', output)
        self.assertNotIn('to the 10th VM', told('--fault slave')[1])

    def test_calls_of_xe(self):
        rows = self.rows(told()[1], 'Calls of xe')
        self.assertEqual(sorted(rows), ['n1', 'n2', 'n3'])
        for total, recovering, healthy in rows.values():
            self.assertLess(int(recovering), int(total))
            self.assertLessEqual(int(healthy), 4)
            self.assertLess(0, int(healthy))


class TestFailure(base.TestCase):
    """What must end with exit 1."""

    def test_vms_that_do_not_start(self):
        path = os.path.join(self.folder(), 'a.svg')
        status, output, _ = run('--fault slave --svg ' + path, self.break_starts)
        self.assertEqual(status, 1)
        self.assertIn('FAILED: db runs nowhere', output)
        self.assertIn('FAILED: app runs nowhere', output)
        self.assertNotIn('FAILED: test', output)
        self.assertNotIn('Saved', output)
        self.assertIn('FAILED', base.read(path), 'a failed run is drawn as well')

    def break_starts(self, one):
        one.play.pool.broken = (
            'SR_BACKEND_FAILURE_46', ['', 'The VDI is not available', ''])

    def test_a_vm_that_runs_twice(self):
        play = story.Play(3, story.cast(3, 8))
        try:
            self.assertEqual(play.wrong(), [])
            play.world.start_domain(play.world.hosts['n3'], play.vms['web'])
            self.assertEqual(play.missing(), ['web runs on n1 and n3'])
            self.assertIn('at 0:00.0: I1 web runs on n1', '\n'.join(play.wrong()))
        finally:
            play.close()

    def test_a_violation_that_is_over_at_the_end(self):
        def briefly(one):
            world = one.play.world
            arguments = world.hosts['n3'], one.play.vms['web']
            world.at(100, world.start_domain, *arguments)
            world.at(101, world.stop_domain, *arguments)
        status, output, _ = run('--fault slave', briefly)
        self.assertEqual(status, 1)
        self.assertIn('FAILED: at 1:40.0: I1 web runs on', output)
        self.assertIn('1:40.0  !!   I1 web runs on n1', output)
        self.assertNotIn('Saved', output)


class TestOptions(base.TestCase):

    def test_wrong_ones(self):
        for words in ('--host 3', '--hosts', '--hosts 1', '--hosts 65', '--hosts x',
                      '--vms 3', '--vms 61', '--vms -8', '--fault x', '--svg', '-h', 'n1'):
            status, output, errors = run(words)
            self.assertEqual((status, output.strip()), (2, ''), words)
            self.assertIn('usage: tests/demo', errors)

    def test_a_picture_that_cannot_be_written(self):
        status, output, errors = run('--fault slave --svg /nonexistent/a.svg')
        self.assertEqual(status, 1)
        self.assertIn('/nonexistent/a.svg: No such file', errors)

    def test_as_a_program(self):
        status, output = shell('$DEMO --fault slave')
        self.assertEqual((status, output), (0, told('--fault slave')[1]))

    def test_closed_outputs(self):
        for command in ('$DEMO --fault slave | head -n 1', '$DEMO --fault slave >&-',
                        '$DEMO --fault slave >/dev/full'):
            status, output = shell(command)
            self.assertNotIn('Traceback', output)
            self.assertLess(len(output.splitlines()), 2, output)

    def test_full_disk_is_a_failure(self):
        if os.path.exists('/dev/full'):
            self.assertEqual(shell('$DEMO --fault slave >/dev/full')[0], 1)


class TestPicture(base.TestCase):

    drawn = {}

    def picture(self, words=''):
        """Drawn only once."""
        if words not in self.drawn:
            self.drawn[words] = self.draw(words)
        return self.drawn[words]

    def draw(self, words):
        path = os.path.join(self.folder(), 'a.svg')
        status, output, errors = run(words + ' --svg ' + path)
        self.assertEqual((status, errors), (0, ''), output)
        return base.read(path)

    def test_it_is_a_picture_by_itself(self):
        text = self.picture()
        top = xml.dom.minidom.parseString(text).documentElement
        self.assertEqual(top.tagName, 'svg')
        self.assertLessEqual(int(top.getAttribute('width')), 1200)
        rest = text.replace('http://www.w3.org/2000/svg', '')
        for words in ('http', 'href', 'script', '@import', 'file:'):
            self.assertNotIn(words, rest)
        for words in ('n1', 'n2', 'n3', 'db', 'wiki', 'no power', 'master', 'slave',
                      'old (halted on purpose)', 'test (excluded: ha=false)', 'power cut',
                      'proof: n2 is off', 'promotes itself', 'cleans up', '1:00'):
            self.assertIn('>%s<' % words, text)

    def test_the_same_every_time(self):
        self.assertEqual(self.draw('--fault slave'), self.picture('--fault slave'))

    def test_it_stays_inside(self):
        for words in ('', '--hosts 2 --vms 26', '--hosts 6 --vms 100 --fault slave'):
            top = xml.dom.minidom.parseString(self.picture(words)).documentElement
            height = float(top.getAttribute('height'))
            for element in top.getElementsByTagName('text'):
                x, y = [float(element.getAttribute(name)) for name in ('x', 'y')]
                if not element.getAttribute('text-anchor'):
                    x += drawing.wide(element.firstChild.data,
                                      float(element.getAttribute('font-size'))) * 0.9
                self.assertTrue(0 <= x <= 1200 and 0 <= y <= height, element.toxml())

    def test_labels_do_not_overlap(self):
        moments = [0, 0, 3, 40, 41, 90, 300, 301, 305, 420, 900]
        labels = [drawing.Label(x, 'a label of %d' % x, '#000000') for x in moments]
        levels = drawing.arrange(labels)
        self.assertEqual(levels, 1 + max([label.level for label in labels]))
        for one in labels:
            for other in labels:
                if one is not other and one.x <= other.x < one.right:
                    # The leader of the right one ends below the words of the left.
                    self.assertNotEqual(one.level, other.level)
                    if one.x < other.x:
                        self.assertLess(other.level, one.level)
        self.assertEqual(labels[-1].level, 0)

    def test_names_are_escaped(self):
        self.assertEqual(drawing.escape('<a & "b">'), '&lt;a &amp; &quot;b&quot;&gt;')

    def test_a_colour_for_each_vm(self):
        colours = [drawing.colour(number) for number in range(100)]
        self.assertEqual(len(set(colours)), 100)
        for each in colours:
            self.assertEqual((each[0], len(each)), ('#', 7))

    def test_rows(self):
        spans = [(0, 9, 'a'), (0, 4, 'b'), (4, 6, 'c'), (5, 9, 'd')]
        rows = dict([(span[2], row) for row, span in drawing.rows_of(spans)])
        self.assertEqual(rows, {'b': 0, 'a': 1, 'c': 0, 'd': 2})


class TestCast(base.TestCase):

    def test_eight(self):
        members = story.cast(3, 8)
        self.assertEqual([(each.name, each.host, each.order) for each in members], [
            ('db', 'n2', 1), ('app', 'n2', 2), ('test', 'n2', 0), ('web', 'n1', 0),
            ('mail', 'n3', 0), ('files', 'n1', 0), ('wiki', 'n3', 0), ('old', '', 0)])
        unmanaged = [each.name for each in members if each.remark]
        self.assertEqual(unmanaged, ['test', 'old'])

    def test_any_number(self):
        for count in (4, 20, 60):
            members = story.cast(3, count)
            self.assertEqual(len(set([each.name for each in members])), count)
            self.assertEqual(len([each for each in members if each.remark]), 2)


class TestFigures(base.TestCase):
    """From the power cut of a host to its 10th VM, with the manual's timers."""

    def check(self, hosts, name, limit):
        for late in (0, 0.9, 7.4):
            members = [story.Member('vm%d' % number, name) for number in range(10)]
            play = story.Play(hosts, members)
            try:
                play.open()
                play.run(late)
                fault = play.fault(name)
                self.assertEqual(play.wrong(), [])
                self.judge(fault, '%s of %d hosts' % (fault.role, hosts), limit)
            finally:
                play.close()

    def judge(self, fault, what, limit):
        measured, floor = fault.until(10), fault.floor(10)
        parts = ['%s %.2f (%.2f)' % (phase.name, phase.seconds(), phase.floor())
                 for phase in fault.phases()]
        said = '%s: 10th VM after %.2f s, floor %.2f s, limit %d s: %s' % (
            what, measured, floor, limit, ', '.join(parts))
        self.assertTrue(floor <= measured <= limit, said)
        self.assertAlmostEqual(measured, sum(
            [phase.seconds() for phase in fault.phases()]), 5)
        for phase in fault.phases():
            self.assertLessEqual(phase.floor(), phase.seconds() + 1e-6, said)

    def test_a_slave(self):
        self.check(3, 'n2', 55)

    def test_the_master_of_two(self):
        self.check(2, 'n1', 125)

    def test_the_master_of_three(self):
        self.check(3, 'n1', 150)

    def test_waves_of_starts(self):
        members = [story.Member('vm%d' % number, 'n2', order)
                   for number, order in enumerate((0, 0, 0, 0, 0, 1, 1, 2))]
        play = story.Play(3, members)
        try:
            fault = story.Fault(play, play.world.hosts['n2'])
            self.assertEqual([fault.waves(count) for count in range(9)],
                             [0, 1, 1, 1, 1, 2, 3, 3, 4])
        finally:
            play.close()


class TestHealthyRound(base.TestCase):
    """R-10: a healthy round costs the same in every pool."""

    def calls(self, hosts, vms):
        """(of the master, of a slave): the most in a round, of three rounds.
        Only these two run the program: the others are there to be asked."""
        tale = scenario.Story()
        names = ['n%d' % (number + 1) for number in range(hosts)]
        tale.play('pool ' + ' '.join(names))
        for number in range(vms):
            tale.play('vm vm%d on %s' % (number, names[number % hosts]))
        for name in names[2:]:
            tale.play('daemon kill ' + name)
        tale.play('ha on')
        try:
            tale.play('run 47')
            return self.rounds(tale)
        finally:
            tale.close()

    def rounds(self, tale):
        most = [0, 0]
        for _ in range(3):
            before = dict(tale.world.calls)
            tale.play('run 15')
            most = [max(seen, tale.world.calls[name] - before[name])
                    for seen, name in zip(most, ('n1', 'n2'))]
        return tuple(most)

    def test_the_size_of_the_pool_does_not_matter(self):
        small, large = self.calls(2, 10), self.calls(64, 1000)
        self.assertEqual(small, large)
        self.assertTrue(0 < small[0] <= 4 and 0 < small[1] <= 3, str(small))
