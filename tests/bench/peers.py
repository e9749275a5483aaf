"""The daemons of all other members, in one process: they answer every datagram
of the measured watcher with one of their own."""

import os
import select
import socket
import time

import ha_lizard


def speak():
    root = os.environ['HA_LIZARD_ROOT']
    members = [line.split() for line in open(root + '/peers')]
    signer = ha_lizard.Signer(open(root + ha_lizard.SECRET).read())
    links = {}
    for address, uuid in members:
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        link.bind((address, ha_lizard.Wire.port))
        links[link] = uuid
    number = 0
    while True:
        for link in select.select(list(links), [], [])[0]:
            packet, source = link.recvfrom(65536)
            number += 1
            told = signer.open(ha_lizard.to_text(packet))[0]
            report = ha_lizard.parse_report(told)
            text = answer(links[link], number, report, [uuid for _, uuid in members])
            for sealed in signer.seal(text, {0: report.nonce}).values():
                link.sendto(ha_lizard.to_bytes(sealed), source)


def answer(uuid, number, report, uuids):
    """The report of a member that is well and sees all others but the dead, of
    whom it says what the measured one says."""
    well = ['%s %s' % (each, ha_lizard.opinion_text((0, 40, 0, 1)))
            for each in uuids + [report.uuid] if each != uuid]
    dead = [each for each in report.opinions.split(';') if each and each[:36] not in uuids]
    mine = ha_lizard.Report(
        uuid=uuid, boot='a boot', number=number, nonce='%016x' % number,
        version=ha_lizard.VERSION, role=report.role.replace('master', 'slave:10.0.0.1'),
        lease=40, heirs=report.heirs, heirs_age=3, flag='true',
        opinions=';%s;' % ';'.join(dead + well), domains=[
            each[:-4] + '%04d' % place for place, each in enumerate(uuids[:16])])
    return mine.text()
