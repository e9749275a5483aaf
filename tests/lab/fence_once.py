"""One fence, in a process of its own: what the tests in this folder start.

    fence_once.py ROOT METHOD ADDRESS POWER WHAT TRUSTED SECONDS QUICK
    fence_once.py talk ADDRESS          as ha_lizard.py talk

ROOT is HA_LIZARD_ROOT and has the hosts file; POWER is the file with the truth:
while it says On, the host answers.  WHAT: `fence`; `ask`, for the state only;
or `identity`, the machine that the device says it is in.  TRUSTED is 1 for
FENCE_TRUST_AGENT=1; SECONDS bound a method without a timeout= on a line.
QUICK is 1 where seconds do not count: its dialogs are played by this file, which
has ha_lizard.py compiled.  The password comes on stdin.  Prints result, seconds, method and sentence, each on a line.
"""

import os
import sys

sys.dont_write_bytecode = sys.version_info < (3, 8)     # else beside ha_lizard.py
HERE = os.path.dirname(os.path.abspath(__file__))
if sys.argv[1] != 'talk':
    os.environ['HA_LIZARD_ROOT'] = sys.argv[1]
sys.path.insert(0, os.path.dirname(os.path.dirname(HERE)))

import ha_lizard                                                     # noqa: E402

HOST = '33e68e2c-5b7b-4d5e-ae9c-7baef5b1566b'


class Given(object):
    def __init__(self, **values):
        self.__dict__.update(values)


class Dom0(ha_lizard.Dom0):
    """The real one, and a look at what everybody could see in `ps`."""
    password = None

    def run(self, argv, *args, **named):
        if [word for word in argv if self.password in word]:
            raise AssertionError('the password is an argument of ' + argv[0])
        return ha_lizard.Dom0.run(self, argv, *args, **named)


def fence(dom0, settings, host, power):
    def still_alive():
        text = open(power).read().strip()
        return {'On': 'n2 answers'}.get(text)
    verdict = ha_lizard.prove_off(dom0, settings, host, lambda: None, still_alive)
    return verdict.result, verdict.method, verdict.why


def ask(dom0, settings, host, power):
    for method, state, why in ha_lizard.devices_say(dom0, settings, host):
        return state, method, why
    return 'not asked', '', ''


def identity(dom0, settings, host, power):
    agent = ha_lizard.agent_for(dom0, settings, settings.fence_method[0], host)
    return agent.objection() or 'told', agent.name, sorted(agent.identity().items())


def main(method, address, power, what, trusted, seconds, quick):
    if quick == '1':
        ha_lizard.OWN_PATH = os.path.abspath(__file__)
    dom0, ha_lizard.FENCE_TIMEOUT = Dom0(), float(seconds)
    dom0.password = sys.stdin.readline().rstrip('\n')
    settings = Given(fence_method=[method], fence_action='stop', fence_user='',
                     fence_file_loc='/fence', fence_ipaddress=address,
                     fence_passwd=dom0.password, fence_trust_agent=trusted == '1')
    host, started = Given(uuid=HOST, name='n2', address='192.0.2.2'), dom0.now()
    result, name, why = {'fence': fence, 'ask': ask, 'identity': identity}[what](
        dom0, settings, host, power)
    ha_lizard.say('%s\n%.1f\n%s\n%s' % (result, dom0.now() - started, name, why))


if sys.argv[1] == 'talk':
    sys.exit(ha_lizard.main(sys.argv[1:]))
main(*sys.argv[2:])
