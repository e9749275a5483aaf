"""The manual's own algorithm, as plainly as it is written: a second decision
module.  It has to fail: a simulator in which it passes proves nothing.

manual: Cluster Failover and Recovery Logic, Split Brain Handling, HA Suspension.
A master fences a slave that does not answer, if the votes suffice; the one
chosen slave does the same to its master and promotes itself; POOL "succeeds"
without doing anything; power states are reset and everything is started.
There is no promise, no grace after a boot, no second opinion, no role check.
"""

import ha_lizard
from ha_lizard import (Action, EndPromotion, Fence, LookAtStorage, NameHeir, Plan,
                       Promote, RecoverSlaves, ResetPower, StartVm, Suspend, TakeUpWork,
                       Unlock)


class Believe(Action):
    """FENCE_METHOD=POOL: nothing is done, and it counts."""
    fields = {'host': None}
    refreshes = False

    def __str__(self):
        return 'believe that %s is off' % self.host

    def do(self, site):
        return site.proved(self.host, 'POOL')


def decide(settings, view):
    if view.enabled != 'true' or not view.me or not view.master:
        return Plan('HA is off')
    if view.suspended:
        return Plan('suspended')
    if not view.ready:
        return Plan('start', untried(view, [TakeUpWork()]))
    if view.role == 'master':
        return decide_as_master(settings, view)
    return decide_as_slave(settings, view)


def decide_as_slave(settings, view):
    master = view.master
    if not master.silent or list(view.heirs[:1]) != [view.me.uuid]:
        return Plan('master %s' % master)
    if master.off:
        return Plan('promote', untried(view, [Promote(master=master)]))
    if master.fence_failed or not has_quorum(settings, view):
        return Plan('self-fence', [Suspend(why='no quorum', reboot=True)])
    return Plan('fence master', fence(settings, view, master))


def decide_as_master(settings, view):
    if view.xapi:
        return Plan('xapi does not answer', wait=2 * (view.promoting is not None))
    if view.promoting is not None:
        return Plan('promoted', untried(view, [RecoverSlaves(), EndPromotion()]))
    actions = []
    for host in view.others():
        if host.silent and not host.off and has_quorum(settings, view):
            actions.extend(fence(settings, view, host))
        if host.off:
            actions.extend([ResetPower(vm=vm, host=host) for vm in view.vms
                            if vm.host == host.uuid and vm.power == 'running'])
            if not host.unlocked:
                actions.append(Unlock(host=host))
    actions = untried(view, actions)
    if actions or view.busy:
        return Plan('fence and reset', actions)
    return Plan('VMs', untried(view, start(view) or name_heir(view)))


def fence(settings, view, host):
    if settings.fence_method == ['POOL']:
        return untried(view, [Believe(host=host)])
    return untried(view, [Fence(host=host)])


def has_quorum(settings, view):
    """Members that answer, and one vote for the heuristics, against half."""
    votes = len([host for host in view.hosts if host.answers])
    return votes + bool(view.sees_witness) > len(view.hosts) // 2


def start(view):
    down = [vm for vm in view.vms if vm.power == 'halted' and vm.stamp == view.pool
            and 'start ' + vm.uuid not in view.tried]
    if down and not view.storage:
        return [LookAtStorage()]
    hosts = [host for host in view.hosts if host.answers and host.enabled and host.live]
    return hosts and [StartVm(vm=vm, host=hosts[0]) for vm in down]


def name_heir(view):
    heirs = [host for host in view.others() if host.answers and host.enabled]
    if heirs and view.heir not in [host.uuid for host in heirs]:
        return [NameHeir(heir=heirs[0].uuid, name=heirs[0].name)]
    return []


def untried(view, actions):
    return ha_lizard.untried(view, actions)


class Naive(object):
    """Puts the manual's decisions in the place of ours, and takes them out."""
    names = ('decide', 'promise_objection')

    def __init__(self):
        self.ours = [getattr(ha_lizard, name) for name in self.names]
        self.known = ha_lizard.Site.known

    def enter(self):
        ha_lizard.decide = decide
        ha_lizard.promise_objection = lambda *arguments: 'the manual knows no promise'
        known = self.known
        ha_lizard.View.fields['sees_witness'] = False

        def known_and_witness(site):
            found = known(site)
            found['sees_witness'] = (site.settings.fence_use_ip_heuristics
                                     and site.sees_witness())
            return found
        ha_lizard.Site.known = known_and_witness

    def leave(self):
        for name, function in zip(self.names, self.ours):
            setattr(ha_lizard, name, function)
        ha_lizard.Site.known = self.known
        del ha_lizard.View.fields['sees_witness']


def play(function, *arguments):
    """function(...) with the manual's decisions in force."""
    naive = Naive()
    naive.enter()
    try:
        return function(*arguments)
    finally:
        naive.leave()
