"""How long the recoveries of a scenario took, beside the least that they must take.

    for recovery in recoveries(text):           text: a scenario
        recovery.seconds(), recovery.floor(), recovery.terms()

A recovery is a host that was proved off, and a VM of it that ran again.  It is
measured by the truth, from the moment at which nobody on the acting side could
hear the host any more to the first of its VMs; the terms are those of story.py,
from the settings of the host that acted and the costs of the world.
"""

import devices
import ha_lizard
import scenario
import story


class Clock(scenario.SimWorld):
    """A world that notes since when nobody near a host hears another, and each
    proof with what was true when it was noted."""

    def __init__(self):
        scenario.SimWorld.__init__(self)
        self.since, self.recoveries = {}, []

    def links_changed(self):
        scenario.SimWorld.links_changed(self)
        for name in self.order:
            side = [each for each in self.order if self.reaches(name, each)]
            for other in self.order:
                if other in side or [each for each in side if self.reaches(each, other)]:
                    self.since.pop((name, other), None)
                else:
                    self.since.setdefault((name, other), (
                        self.now, self.pool.role_of_process(self.hosts[name])))

    def say(self, host, text):
        scenario.SimWorld.say(self, host, text)
        if text.startswith('proof: '):
            name, why = text[len('proof: '):].split(' is off: ', 1)
            if (host.name, name) in self.since:
                self.recoveries.append(Recovery(self, host, name, why))


class Recovery(story.Fault):
    """Of the VMs of host `name`, by `actor`."""

    def __init__(self, world, actor, name, why):
        self.world, self.actor, self.host, self.why = world, actor.name, name, why
        self.play, self.proved = self, world.now        # for the terms: settings, world
        self.settings = actor.watcher.settings
        self.at, role = world.since[actor.name, name]
        # Who was a slave has to be promoted first, whoever of those it lost ran the VM.
        self.role = {True: 'slave', False: 'master'}[role == 'master']
        members = [each for each in world.order if each not in world.dead]
        reached = [each for each in members if world.reaches(actor.name, each)]
        self.followers = len(reached) - 1
        self.tie = self.role == 'master' and len(reached) * 2 == len(members)
        look = self.settings.xapi_count * self.settings.xapi_delay
        self.together = [other for other in members if other not in (name, actor.name)
                         and abs(world.since.get((actor.name, other), (-1e9, ''))[0]
                                 - self.at) < look]
        self.residents = self.ran()

    def ran(self):
        """The VMs that ran on the host when it was heard last."""
        there = {}
        for moment, what, host, vm in self.world.truth:
            if what == 'runs' and moment <= self.at:
                there[vm] = host
            elif what == 'stops' and moment < self.at:
                there.pop(vm, None)
        return sorted([vm for vm in there if there[vm] == self.host])

    def returned(self):
        """When the first of them ran again elsewhere, or None."""
        for moment, what, host, vm in self.world.truth:
            if (moment >= self.proved and what == 'runs' and vm in self.residents
                    and host != self.host):
                return moment

    def seconds(self):
        return self.returned() - self.at

    # -- the floor ------------------------------------------------------------

    def floor(self):
        return total(self.terms())

    def terms(self):
        """[(seconds, what for)]"""
        terms = self.certainty_terms()
        if self.role == 'master':
            terms += self.promotion_terms()
            if self.followers:
                terms += self.follow_terms()
        costs = self.world.costs
        return terms + self.clean_up_terms() + [
            (costs.start, 'a VM starts'), self.xe(1, 'the order')]

    def certainty_terms(self):
        """Until the host is proved off: by a device, or by its promise."""
        tried = self.silence_terms() + self.patience_terms()
        if not self.why.startswith('it promised') and not self.why.startswith('FENCE_HA'):
            return tried + self.device_terms()
        lease = [int(word) for word in self.why.split() if word.isdigit()]
        terms = [((lease + [self.own_lease()])[0], 'the host stops its VMs within that time'),
                 (ha_lizard.GUARD, 'for clocks that do not run alike')]
        if self.tie:
            terms.append((self.look(), 'in a tie the half of the master goes first'))
        if ha_lizard.provers(self.settings):
            tried += [(ha_lizard.LAST_LOOK, 'a last look before the power goes'),
                      (ha_lizard.FENCE_TIMEOUT, 'the device is tried and proves nothing')]
            terms = sorted([tried, terms], key=total)[1]
        return terms + [(ha_lizard.LAST_LOOK, 'a last look')]

    def own_lease(self):
        return self.look() + max(10, 2 * self.settings.xe_timeout)

    def look(self):
        return self.settings.xapi_count * self.settings.xapi_delay

    def patience_terms(self):
        if not self.together:
            return []
        return [(self.look(), 'again: several fell silent together')]

    def device_terms(self):
        terms = self.proof_terms()
        if [mode for (host, _), mode in self.world.devices.modes.items()
                if host == self.host and mode == 'slow']:
            terms.append((devices.SLOW, 'the device is slow'))
        return terms


def total(terms):
    return sum([seconds for seconds, _ in terms])


def recoveries(text):
    """The recoveries of a scenario."""
    play = scenario.Story()
    play.world = Clock()
    try:
        for commands, _ in scenario.blocks(text):
            for line in commands:
                play.play(line)
        return [each for each in play.world.recoveries if each.returned() is not None]
    finally:
        play.close()
