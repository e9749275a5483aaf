"""R-3 on hosts with a watchdog that would reset them: nothing that an
administrator does to the service does."""

import unittest

import base
import hosts

WHY = hosts.objection()

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


@unittest.skipIf(WHY, WHY)
class UnarmedTest(base.TestCase):
    """R-3: first the others are told, then the watchdog is closed, and no host
    is ever reset by a stop, a restart, an upgrade or a removal."""

    def tearDown(self):
        self.lab.close()

    def test_no_reset(self):
        hosts.enter()
        self.lab = lab = hosts.Lab('pool a b c d', *[
            'vm v%s on %s' % (name, name) for name in 'abcd'] + [
            'set MONITOR_DELAY 1', 'set XAPI_COUNT 2', 'set XAPI_DELAY 2', 'set XE_TIMEOUT 4',
            'ha on'])
        for seat in lab.seats.values():
            seat.services = False
        lab.boot_all()
        dogs = [hosts.Dog(lab, name, 6.0) for name in 'abcd']
        for name, (status, output) in lab.on_all(
                'mkdir /var/lab/product && cd %s && cp -a ha_lizard.py ha-cfg install.sh uninstall.sh '
                'init.d fence /var/lab/product; cd /var/lab/product; '
                "sed -i 's/^CALM, ALERT = 2.0, 1.0/CALM, ALERT = 0.2, 0.1/' ha_lizard.py; "
                './install.sh --yes </dev/null' % base.ROOT).items():
            self.assertEqual(0, status, output)
        running = dict([(name, lab.seats[name].begin(
            'for n in $(seq %d); do %s; %s || exit 1; done >/var/lab/deeds 2>&1' % (
                TIMES, ARMED, DEEDS[name]))) for name in 'abcd'])

        def over():
            for dog in dogs:
                dog.look()
            return not [1 for each in running.values() if each.poll() is None]
        ended = lab.until(over, 240)
        for name, each in sorted(running.items()):
            self.assertEqual(0, each.poll(), '%s: %s\n%s\n%s' % (
                name, lab.text(name, '/var/lab/deeds')[-800:],
                lab.text(name, '/etc/ha-lizard/state/watch'),
                lab.text(name, '/var/log/user.log')[-1500:]))
        self.assertTrue(ended)
        self.assertEqual([0] * 4, [dog.resets for dog in dogs])
        for dog in dogs:
            self.assertLessEqual(TIMES, dog.stood_down)
            dog.close()
        self.assertEqual([], lab.world.violations)


if __name__ == '__main__':
    unittest.main()
