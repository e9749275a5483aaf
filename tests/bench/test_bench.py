"""Does the bench notice what it is there for?"""

import shutil
import sys
import tempfile

import base
import ha_lizard
from base import only_if

MODERN = sys.version_info >= (3, 6)
if MODERN:
    import failover
    import starts
    import growth
    import pools
    import rounds
    import startup

EXTRA_CALL = '''
import ha_lizard
read = ha_lizard.Pool.read
def twice(pool):
    pool.dom0.run(["xe", "host-list", "params=uuid"], 10)
    pool.dom0.run(["xe", "sr-list", "params=uuid"], 10)
    return read(pool)
ha_lizard.Pool.read = twice
'''.strip()


def planted_rows(records):
    """A loop in a loop, as one writes it without thinking."""
    found = 0
    for one in records:
        for other in records:
            if one is other:
                found += 1
    return found


class Rounds(base.TestCase):
    def setUp(self):
        self.place = tempfile.mkdtemp('', 'ha-lizard-bench-')

    def tearDown(self):
        shutil.rmtree(self.place, True)

    def cost(self, role, program=None):
        return rounds.cost((3, 30), role, self.place, program)

    @only_if(MODERN, 'the bench needs Python 3')
    def test_a_healthy_round_is_within_its_targets(self):
        for role in ('master', 'slave'):
            line = self.cost(role)
            self.assertEqual(3, line['xe'])
            self.assertEqual(1, line['files'])
            self.assertEqual(0, line['journal'])

    @only_if(MODERN, 'the bench needs Python 3')
    def test_a_planted_call_of_xe_is_noticed(self):
        program = 'exec(%r)' % EXTRA_CALL
        found = rounds.objections(self.cost('slave', program))
        self.assertIn('xe is 5, the target is 3', ' / '.join(found))
        found = rounds.objections(self.cost('master', program))
        self.assertIn('xe is 5, the target is 4', ' / '.join(found))


class Growth(base.TestCase):
    SIZES = (50, 100, 200)

    def line(self, hurt):
        """The growth of a round in small pools, with a function put in its way."""
        take = ha_lizard.Pool.take_vm

        def hurt_take(pool, facts, records):
            hurt(records)
            return take(pool, facts, records)
        ha_lizard.Pool.take_vm = hurt_take
        try:
            return growth.fit('a round', self.SIZES, [
                growth.healthy_round(4, vms, 0) for vms in self.SIZES])
        finally:
            ha_lizard.Pool.take_vm = take

    def plant(self, hurt):
        """As if it stood in ha_lizard.py: only that file is counted."""
        source = base.read(__file__.replace('.pyc', '.py'))
        start = source.index('def planted_rows')
        code = compile(source[start:source.index('\n\n\n', start)],
                       '/somewhere/ha_lizard.py', 'exec')
        names = {}
        exec(code, names)
        return names['planted_rows']

    @only_if(MODERN, 'the bench needs Python 3')
    def test_a_planted_loop_in_a_loop_is_named(self):
        line = self.line(self.plant(planted_rows))
        self.assertIn('planted_rows', ' '.join([name for name, _ in line['steep']]))
        self.assertIn('planted_rows', ' '.join(growth.objections(line)))

    @only_if(MODERN, 'the bench needs Python 3')
    def test_without_it_nothing_is(self):
        line = self.line(len)
        self.assertEqual([], [each for each in line['steep']
                              if not each[0].startswith('hurt')])

    @only_if(MODERN, 'the bench needs Python 3')
    def test_the_power_of_known_curves(self):
        sizes = (100, 200, 400, 800)
        self.assertAlmostEqual(1, growth.power(sizes, [3 * n for n in sizes]))
        self.assertAlmostEqual(2, growth.power(sizes, [n * n for n in sizes]))


class Failover(base.TestCase):
    @only_if(MODERN, 'the bench needs Python 3')
    def test_a_dead_slave(self):
        line = failover.measure('slave', 3, 'POOL', 'defaults')
        self.assertEqual([], failover.objections(line))
        self.assertTrue(line['first'] <= line['last'] <= 70)
        line['last'] = 2 * line['last floor']
        self.assertIn('2.00 x the floor', ' '.join(failover.objections(line)))


class Starts(base.TestCase):
    @only_if(MODERN, 'the bench needs Python 3')
    def test_that_four_is_what_one_host_serves(self):
        lines = [dict(starts.measure(2, choice), best=45) for choice in (4, 8)]
        self.assertEqual([0, True], [lines[0]['waited'], lines[1]['waited'] > 0])
        self.assertTrue(lines[1]['last'] <= lines[0]['last'] <= 1.1 * lines[1]['last'])
        lines[0]['waited'] = 1
        self.assertEqual(2, len(starts.objections(lines[0])))
        self.assertEqual([], starts.objections(lines[1]))


class Startup(base.TestCase):
    @only_if(MODERN, 'the bench needs Python 3')
    def test_a_slow_start_is_noticed(self):
        line = {'python': '3.0', 'what': 'ha-cfg help', 'cpu': 0.2, 'wall': 0.2}
        self.assertIn('200 ms', ' '.join(startup.objections(line)))


class Pools(base.TestCase):
    @only_if(MODERN, 'the bench needs Python 3')
    def test_nothing_is_left_to_do_in_them(self):
        pool = pools.texts(3, 9)
        for me in pool.hosts:
            machine = pools.rested(pool, me)
            ha_lizard.run_round(machine)
            self.assertEqual(4, len(machine.calls))
            self.assertEqual([], machine.said)
