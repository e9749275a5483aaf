"""One fence, in a process of its own: what the tests in this folder start.

    fence_once.py ROOT METHOD ADDRESS POWER [identity]      a password on stdin

ROOT is HA_LIZARD_ROOT and has the hosts file; POWER is the file with the truth:
while it says On, the host answers.  Prints result, seconds, method and sentence,
each on a line.  `identity`: only ask which machine the device says it is in.
"""

import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
os.environ['HA_LIZARD_ROOT'] = sys.argv[1]
sys.path.insert(0, os.path.dirname(os.path.dirname(HERE)))

import ha_lizard                                                     # noqa: E402

HOST = '33e68e2c-5b7b-4d5e-ae9c-7baef5b1566b'


class Given(object):
    def __init__(self, **values):
        self.__dict__.update(values)


def main(method, address, power, what='fence'):
    dom0 = ha_lizard.Dom0()
    password = sys.stdin.readline().rstrip('\n')
    settings = Given(fence_method=[method], fence_action='stop', fence_user='',
                     fence_file_loc='/fence', fence_ipaddress=address,
                     fence_passwd=password, fence_trust_agent=False)
    host = Given(uuid=HOST, name='n2', address='192.0.2.2')

    def still_alive():
        text = open(power).read().strip()
        return {'On': 'n2 answers'}.get(text)
    started = dom0.now()
    if what == 'identity':
        agent = ha_lizard.agent_for(dom0, settings, method, host)
        ha_lizard.say('%s\n0\n%s\n%s' % (agent.objection() or 'told', method, sorted(
            agent.identity().items())))
        return
    verdict = ha_lizard.prove_off(dom0, settings, host, lambda: None, still_alive)
    ha_lizard.say('%s\n%.1f\n%s\n%s' % (
        verdict.result, dom0.now() - started, verdict.method, verdict.why))


main(*sys.argv[2:])
