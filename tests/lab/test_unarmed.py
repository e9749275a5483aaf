"""R-3 on hosts with a watchdog that would reset them: nothing that an
administrator does to the service does."""

import unittest

import hosts


# Each is done again and again on a host whose watchdog must never bite.
ARMED = r'''until awk -F'\t' '/^guardian=/ { exit $4 !~ /^[0-9]+$/ }' /etc/ha-lizard/state/watch 2>/dev/null
do sleep 0.05; done'''
DEEDS = {
    'a': 'service ha-lizard stop -w && service ha-lizard start -w',
    'b': 'service ha-lizard restart',
    'c': 'echo "# $n" >>/var/lab/product/ha_lizard.py; cd /var/lab/product; ./install.sh --yes </dev/null',
    'd': '/etc/ha-lizard/scripts/uninstall --yes --keep-pool; cd /var/lab/product && '
         './install.sh --yes </dev/null'}
TIMES = 20


@hosts.needed
class UnarmedTest(hosts.Case):
    """R-3: first the others are told, then the watchdog is closed, and no host
    is ever reset by a stop, a restart, an upgrade or a removal."""

    POOL = ('pool a b c d',) + tuple(['vm v%s on %s' % (name, name) for name in 'abcd']) + (
        'set MONITOR_DELAY 1', 'set XAPI_COUNT 2', 'set XAPI_DELAY 2', 'set XE_TIMEOUT 4', 'ha on')

    @classmethod
    def prepare(cls):
        cls.dogs = [hosts.Dog(cls.lab, name, 6.0) for name in 'abcd']
        cls.done_on_all('%s; %s && ./install.sh --yes </dev/null' % (
            hosts.COPY, hosts.haste('ha_lizard.py')))

    def test_no_reset(self):
        lab, dogs = self.lab, self.dogs
        running = dict([(name, self.lab.seats[name].begin(
            'for n in $(seq %d); do %s; %s || exit 1; done >/var/lab/deeds 2>&1' % (
                TIMES, ARMED, DEEDS[name]))) for name in 'abcd'])

        def over():
            for dog in dogs:
                dog.look()
            return not [1 for each in running.values() if each.poll() is None]
        ended = self.lab.until(over, 600)
        for name, each in sorted(running.items()):
            self.assertEqual(0, each.poll(), '%s: %s\n%s\n%s' % (
                name, self.lab.text(name, '/var/lab/deeds')[-800:],
                self.lab.text(name, '/etc/ha-lizard/state/watch'),
                self.lab.text(name, '/var/log/user.log')[-1500:]))
        self.assertTrue(ended)
        self.assertEqual([0] * 4, [dog.resets for dog in dogs])
        for dog in dogs:
            self.assertLessEqual(TIMES, dog.stood_down)
            dog.close()
        self.assertEqual([], self.lab.world.violations)


if __name__ == '__main__':
    unittest.main()
