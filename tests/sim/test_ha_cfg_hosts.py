"""ha-cfg, what it does with hosts: maintenance, freeze, confirm-dead."""

import ha_cfg_case
import ha_lizard


class TestHosts(ha_cfg_case.Case):
    def test_cluster_status(self):
        self.serve('ha on')
        self.watch('c', 50)
        status, output, errors = self.cfg('cluster-status')
        self.assertEqual((4, ''), (status, errors))
        self.assertIn('HOST  ROLE', output)
        self.assertIn('this host', output)
        self.assertIn('no, for 5', output)

    def watch(self, name, ago):
        """The watcher's file: that host is silent, nobody else is."""
        boot = self.machine.read(ha_lizard.BOOT_ID).strip()
        now, peers = self.machine.now(), {}
        for each, host in self.story.world.hosts.items():
            peers[host.uuid] = ha_lizard.WatchRow(answered=now, last=now, failing=False, seen=True)
            if each == name:
                peers[host.uuid] = ha_lizard.WatchRow(answered=now - ago, last=now - ago,
                                                      silent=True, seen=True)
        self.host.files[ha_lizard.WATCH] = ha_lizard.Watch(
            boot=boot, started=now - 900, peers=peers).text()

    def test_maintenance(self):
        self.serve('vm v on b', 'ha on')
        self.refused(2, ('maintenance', 'b', 'maybe'), 'on or off')
        self.refused(1, ('maintenance', 'b', 'on'), '--yes')
        self.refused(1, ('maintenance', 'z', 'on'), 'no host is called')
        self.assertIn('is in maintenance', self.done('maintenance', 'b', 'on', '--yes'))
        database, uuid = self.story.pool.database(), self.story.world.hosts['b'].uuid
        self.assertEqual(False, database.get('host', uuid)['enabled'])
        self.assertIn('HA_MAINTENANCE', dict(database.get('host', uuid)['other_config']))
        self.assertNotIn('b', self.story.world.where(self.story.vms['v']))
        self.assertIn('takes part again', self.done('maintenance', 'b', 'off'))
        self.assertEqual(True, database.get('host', uuid)['enabled'])
        self.assertNotIn('HA_MAINTENANCE', dict(database.get('host', uuid)['other_config']))

    def test_maintenance_of_the_master(self):
        self.serve('vm v on a', 'ha on')
        output = self.done('maintenance', 'a', 'on', '--yes', limit=600)
        self.assertIn('b is the master', output)
        self.assertIn('a is in maintenance', output)
        self.assertEqual(['b'], [host.name for host in self.story.pool.masters()])

    def test_freeze(self):
        self.serve('ha on')
        self.refused(2, ('freeze', 'x'), 'minutes')
        self.refused(2, ('freeze', '99999'), 'minutes')
        self.assertIn('not frozen', self.done('freeze', '0'))
        self.assertIn('frozen for 30 minutes', self.done('freeze', '30'))
        self.assertIn('HA_FREEZE_UNTIL', self.other())
        orders = dict(ha_lizard.from_state(self.host.files[ha_lizard.ORDERS]))
        self.assertIn('freeze', orders)
        self.done('freeze', '0')
        self.assertNotIn('HA_FREEZE_UNTIL', self.other())
        orders = dict(ha_lizard.from_state(self.host.files[ha_lizard.ORDERS]))
        self.assertNotIn('freeze', orders)

    def test_confirm_dead(self):
        self.serve('ha on', 'set XAPI_COUNT 1', 'set XAPI_DELAY 1')
        self.once()
        self.refused(1, ('confirm-dead', 'c', '--yes'), 'c answers')
        self.refused(1, ('confirm-dead', 'a', '--yes'), 'this host')
        self.story.play('power off c')
        self.watch('c', 10)
        self.refused(1, ('confirm-dead', 'c', '--yes'), 'must be 31 s')
        self.watch('c', 600)
        self.refused(1, ('confirm-dead', 'c'), '--yes')
        self.assertIn('disks are destroyed', self.done(
            'confirm-dead', 'c', '--yes').replace('\n', ' '))
        orders = dict(ha_lizard.from_state(self.host.files[ha_lizard.ORDERS]))
        self.assertIn('boot', orders)
        self.assertIn('confirmed it', orders['confirm-dead.' + self.story.world.hosts['c'].uuid])
