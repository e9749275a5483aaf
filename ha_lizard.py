#!/usr/bin/env python
# Copyright (C) 2026 the authors of ha_lizard.py
#
# This program is free software: you can redistribute it and/or modify it
# under the terms of the GNU General Public License as published by the Free
# Software Foundation, either version 3 of the License, or (at your option)
# any later version.  It is distributed WITHOUT ANY WARRANTY; see LICENSE.
"""High availability for a XenServer, XCP or XCP-ng pool, from the outside.

    ha_lizard.py start | stop | status      the daemon of this host
    ha_lizard.py run [--every SECONDS]      the same in the foreground
    ha_lizard.py once                       a single round
    ... --dry-run                           say what would be done, do nothing

It watches the hosts of the pool, fences the dead ones, promotes a slave when
the master is lost, cleans up what a dead host left in the pool's database and
starts the VMs again.  One law stands above all: a VM never runs twice.

    portability    what differs between Python 2.4 and 3.13
    settings       what the operator asked for           one table
    model          what is known of the pool             records
    decisions      what to do about it                   pure functions -> Plan
    actions        what can be done                      one small class each
    dom0           the only code that touches the machine
    state          what outlives a restart or a dead master
    pool           xapi, through `xe`
    fencing        devices that prove that the power is off
    alerts         what the operator must hear of       one table
    mail           how alerts leave this host
    round          observe, decide, act, again           one page
    datagrams      what the watchers tell each other
    isolation      a host that is cut off stops its own VMs
    watcher        who answers, second by second
    children       acts that take long, as processes of their own
    daemon         start, stop, run

The idea: a decision looks only at a View and returns a Plan, so every one of
them is tested without a host to fence.  After every act it is decided again,
on fresh facts.  Fence, promote, clean up, start is an order written nowhere:
each is simply the next thing that is wrong.  A daemon killed half-way
finishes the job when it is back.
"""

import array
import binascii
import calendar
import errno
import os
import re
import select
import signal
import socket
import stat
import struct
import syslog
import sys
import time
import traceback

VERSION = '3.0.0'


###############################################################################
# Portability: all that is written so because of Python's age #################
###############################################################################
# Text is the native `str` everywhere: bytes in UTF-8 on Python 2, Unicode on
# Python 3.  Bytes exist only between these functions and the kernel, so no
# locale can hurt: an init script has LC_ALL=C, a VM may be called anything.

try:
    any, all = any, all
except NameError:                       # Python 2.4
    def any(items):
        """Whether one of the items is true."""
        for item in items:
            if item:
                return True
        return False

    def all(items):
        """Whether no item is false."""
        for item in items:
            if not item:
                return False
        return True

if sys.version_info < (3,):
    def to_text(data):
        """Native text of bytes that came from outside."""
        return data

    def to_bytes(text):
        """Bytes for the outside of native text."""
        return text
else:
    def to_text(data):
        """Native text of bytes that came from outside.  Never raises."""
        return data.decode('utf-8', 'replace')

    def to_bytes(text):
        """Bytes for the outside of native text.  Never raises."""
        return text.encode('utf-8', 'replace')

# Octal has no spelling that 2.4 and 3 share.
PRIVATE, PUBLIC, PROGRAM = int('600', 8), int('644', 8), int('755', 8)
NOT_FOUND, TIMED_OUT = 127, 124         # as sh and timeout(1) say


def caught():
    """The exception in flight: `except X:` and then `e = caught()`."""
    return sys.exc_info()[1]


def reason(error):
    """What went wrong, without the number."""
    return getattr(error, 'strerror', None) or str(error)


def steadily(call, *args):
    """The result of a system call, repeated while signals interrupt it."""
    while True:
        try:
            return call(*args)
        except (EnvironmentError, select.error):
            if caught().args[:1] != (errno.EINTR,):
                raise


def clock():
    """Seconds since boot: neither NTP nor `date -s` moves it."""
    return float(read_file('/proc/uptime').split()[0])


class Record(object):
    """Named values.  A subclass lists them, with defaults, in `fields`."""
    fields = {}

    def __init__(self, **values):
        mine = self.__dict__
        mine.update(self.fields)
        mine.update(values)
        if len(mine) > len(self.fields):
            raise TypeError('%s has no %s' % (self.__class__.__name__, ', '.join(
                [name for name in sorted(values) if name not in self.fields])))

    def __str__(self):
        return self.__dict__.get('name') or repr(self)

    def __repr__(self):
        return '%s(%s)' % (self.__class__.__name__, ', '.join(
            ['%s=%r' % pair for pair in sorted(self.__dict__.items())]))


class Result(object):
    """How a command ended; true if it worked.

    The status is the one that sh would show: 128 + n after signal n, and
    NOT_FOUND for all that could not be started.
    """

    def __init__(self, argv, status, output='', errors=''):
        self.argv, self.status = argv, status
        self.output, self.errors = output, errors

    def __nonzero__(self):
        return self.status == 0

    __bool__ = __nonzero__

    def __str__(self):
        # Never the arguments: they may hold secrets.
        how = {TIMED_OUT: 'no end in time'}.get(
            self.status, 'status %s' % self.status)
        said = (self.errors or self.output).strip()
        return printable(': '.join(
            [text for text in (self.argv[0], how, said) if text]), 500)


# -- text ---------------------------------------------------------------------

def printable(text, limit=200):
    """The text as one line of at most `limit` characters for log and screen."""
    # Characters, not bytes, on every Python: none is cut in two.
    text = to_bytes(text).decode('utf-8', 'replace')
    shown = ''.join([visible(character) for character in text[:limit + 1]])
    if len(shown) > limit:
        shown = shown[:max(limit - 3, 0)] + '...'
    return to_text(shown.encode('utf-8', 'replace'))


def visible(character):
    """The character, or how to write one that moves the cursor."""
    number = ord(character)
    # Terminals obey 0x80 to 0x9f too; splitlines() cuts at 0x2028 and 0x2029.
    if 32 <= number < 127 or (number > 159 and number not in (0x2028, 0x2029)):
        return character
    return {'\n': '\\n', '\r': '\\r', '\t': '\\t'}.get(
        character, '\\x%02x' % number)


def say(text=''):
    """Print a line, whatever the locale."""
    flush()
    write_all(1, to_bytes(text + '\n'))


def complain(text):
    """Print a line where errors go."""
    flush()
    write_all(2, to_bytes(text + '\n'))


def flush():
    """Print what Python still holds back: after a fork both would do it."""
    for stream in sys.stdout, sys.stderr:
        if stream:                              # None if it was closed
            stream.flush()


# -- files --------------------------------------------------------------------

def read_file(path, default=None):
    """The text of a file, or `default` if it cannot be read to its end."""
    try:
        fd = os.open(path, os.O_RDONLY)
        try:
            return to_text(read_all(fd))
        finally:
            os.close(fd)
    except EnvironmentError:
        return default


def read_all(fd):
    chunks = []
    while not chunks or chunks[-1]:
        chunks.append(steadily(os.read, fd, 65536))
    return to_bytes('').join(chunks)


def write_all(fd, data):
    while data:
        data = data[steadily(os.write, fd, data):]


def write_file(path, text, mode=PUBLIC):
    """Replace a file; None, or why not.  A crash leaves the old or the new."""
    try:
        # A device takes what it is given; its place is not ours to take.
        if os.path.exists(path) and not os.path.isfile(path):
            write_to(path, os.O_WRONLY, text)
        else:
            replace_file(path, text, mode)
    except EnvironmentError:
        return '%s: %s' % (path, reason(caught()))


def replace_file(path, text, mode):
    folder, name = os.path.split(path)
    # Nobody can foresee this name and put a link in its way.
    temporary = os.path.join(folder, '.%s.%s.new' % (name, random_name()))
    try:
        write_to(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, text, mode)
        os.rename(temporary, path)
    except EnvironmentError:
        remove_file(temporary)
        raise
    sync_folder(folder)


def write_to(path, how, text, mode=None):
    fd = os.open(path, how, PRIVATE)
    try:
        if mode is not None:
            os.chmod(path, mode)                # the umask has no say
        write_all(fd, to_bytes(text))
        if mode is not None:
            steadily(os.fsync, fd)
    finally:
        os.close(fd)


def sync_folder(folder):
    """Make a rename survive a power cut."""
    fd = os.open(folder or '.', os.O_RDONLY)
    try:
        try:
            steadily(os.fsync, fd)
        except EnvironmentError:                # some file systems cannot
            if caught().errno != errno.EINVAL:
                raise
    finally:
        os.close(fd)


def append_file(path, text, mode=PRIVATE):
    """Add to the end of a file in one write; None, or why not."""
    data = to_bytes(text)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode)
        try:
            # Whole or in part, never repeated: others append here as well.
            if steadily(os.write, fd, data) != len(data):
                return '%s: only a part was written' % path
        finally:
            os.close(fd)
    except EnvironmentError:
        return '%s: %s' % (path, reason(caught()))


def remove_file(path):
    """Remove a file; None, also if there was none, or why not."""
    try:
        os.remove(path)
    except EnvironmentError:
        if caught().errno != errno.ENOENT:
            return '%s: %s' % (path, reason(caught()))


def random_name():
    return to_text(binascii.hexlify(os.urandom(8)))


###############################################################################
# Settings: what the operator asked for #######################################
###############################################################################
# Values come from the pool's database and from a file.  Both are data: they are
# read against this table, and nothing in them is ever run.

BLANK = ' \t\r\n'           # str.strip() alone differs between Python 2 and 3
LONGEST = 1000              # characters in a value; lists of uuids may be longer
MOST_COMPLAINTS = 20        # about one file: it may be a picture by mistake
POOL_PREFIX = 'HA_'         # of a parameter's key in the pool's other-config


# -- values as they are stored ----

DOUBLE = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"\Z')
SINGLE = re.compile(r"'([^']*)'\Z")
ESCAPE = re.compile(r'\\(["\\$`])')             # within "..." a shell knows no other


def unquoted(stored):
    """The value: the quotes around all of it, if any, are the shell's."""
    text = stored.strip(BLANK)
    match = DOUBLE.match(text)
    if match:
        return ESCAPE.sub(r'\1', match.group(1))
    match = SINGLE.match(text)
    if match:
        return match.group(1)
    return text


def as_stored(value):
    """The inverse: quotes only where unquoted() would take something away."""
    if unquoted(value) == value:
        return value
    return '"%s"' % re.sub(r'(["\\$`])', r'\\\1', value)


def quoted(text):
    """Another's text in a sentence of ours."""
    shown = printable(text, 60)
    if shown.endswith('...') and shown != text:         # it was cut
        return '"%s" (%d characters)' % (shown, len(text))
    return '"%s"' % shown


def expand_hostname(text, hostname):
    """The one variable that is a variable, and only in MAIL_SUBJECT."""
    return re.sub(r'\\?\$(?:HOSTNAME(?![A-Za-z0-9_])|\{HOSTNAME\})',
                  lambda match: hostname, text)


def pool_settings(other_config):
    """{NAME: text} of the pool's other-config."""
    return dict([(key[len(POOL_PREFIX):], text) for key, text in other_config.items()
                 if key.startswith(POOL_PREFIX)])


# -- kinds of values ----

class Kind(object):
    """What a value may be.  `says` completes "must be ..."; calling the kind
    gives the typed value or raises ValueError.

    `words`: what completion can offer.  `nothing`: the typed value of an empty
    text.  `exact`: blanks at the ends belong to it.
    """

    def __init__(self, says, parse, words=(), nothing='', longest=LONGEST,
                 exact=False, secret=False):
        self.says, self.parse, self.words = says, parse, words
        self.nothing, self.longest = nothing, longest
        self.exact, self.secret = exact, secret

    def __call__(self, text):
        if not self.exact:
            text = text.strip(BLANK)
        insist(len(text) <= self.longest)
        return self.parse(text)


def kind(says, **more):
    """Decorate a function that parses: it becomes a Kind."""
    return lambda parse: Kind(says, parse, **more)


def insist(condition):
    if not condition:
        raise ValueError('not of this kind')


def choice(values):
    """One of a few words: {word: typed value}."""
    words = sorted(values)

    def parse(text):
        insist(text.lower() in values)
        return values[text.lower()]
    return Kind('%s or %s' % (', '.join(words[:-1]), words[-1]), parse, words)


def number(low, high):
    def parse(text):
        # int() alone takes '1_0', ' 1 ' and the digits of every alphabet.
        insist(re.match(r'[0-9]{1,9}\Z', text) and low <= int(text) <= high)
        return int(text)
    return Kind('a whole number from %d to %d' % (low, high), parse)


def matching(says, pattern):
    """A text that the pattern matches from its first to its last character."""
    pattern = re.compile(r'(?:%s)\Z' % pattern)

    def parse(text):
        insist(pattern.match(text))
        return text
    return Kind(says, parse)


flag = choice({'0': False, '1': True})

# What is in a path or a name may end up in an argument, a file name or a key, so
# shell syntax and a leading dash have no place in it.
TROUBLE = r"""\x00-\x1f\x7f"'`$\\;&|<>()*?"""
absolute_path = matching('an absolute path, without .. and shell syntax',
                         r'(?!.*/\.\.(?:/|\Z))/[^%s]*' % TROUBLE)
field_name = matching('the name of a custom field, without quotes and any of :;,=$',
                      r'[^%s:,=-][^%s:,=]*' % (TROUBLE, TROUBLE))
user_name = matching('the name of a user, without spaces',
                     r'[A-Za-z0-9_][A-Za-z0-9_.@\\-]*')


def parse_line(text):
    # splitlines() knows every character that starts a new line in a mail.
    insist(not re.search(r'[\x00-\x1f\x7f]', text) and len(text.splitlines()) == 1)
    return text


LINE = 'one line of at most %d characters' % LONGEST
one_line = Kind(LINE, parse_line, exact=True)
password = Kind(LINE, parse_line, exact=True, secret=True)


def is_ip(family, text):
    try:
        socket.inet_pton(family, text)
    except (socket.error, ValueError, TypeError):       # a NUL in it
        return False
    return True


NAME_OF_HOST = re.compile(r'''
    (?: [A-Za-z0-9_] (?: [A-Za-z0-9_-]* [A-Za-z0-9_] )? \. )*
    (?! [0-9]+ \.? \Z )                 # or 10.0.0.300 would be a name
    [A-Za-z0-9_] (?: [A-Za-z0-9_-]* [A-Za-z0-9_] )? \.? \Z''', re.VERBOSE)


@kind('an IPv4 or IPv6 address or the name of a host')
def one_address(text):
    if text.startswith('[') and text.endswith(']'):
        text = text[1:-1]
        insist(is_ip(socket.AF_INET6, text))
    insist(is_ip(socket.AF_INET, text) or is_ip(socket.AF_INET6, text)
           or len(text) < 254 and NAME_OF_HOST.match(text))
    return text


@kind('addresses or names of hosts with : or , between them; '
      'an IPv6 address in [] unless it is alone between commas', nothing=[])
def address_list(text):
    found = []
    for word in without_parentheses(text).replace(',', ' ').split():
        if is_ip(socket.AF_INET6, word):
            found.append(word)
        else:
            # A colon inside brackets belongs to the address.
            found += [one_address(each) for each in
                      re.split(r':(?![^\[]*\])', word.strip(':'))]
    return found


def without_parentheses(text):
    """() and (a:b): the manual's lists look like the arrays of a shell."""
    if text.startswith('(') and text.endswith(')'):
        return text[1:-1]
    return text


@kind('(UUID1:UUID2), or () for none', nothing=[], longest=100 * LONGEST)
def uuid_list(text):
    words = re.split('[:, \t]+', without_parentheses(text).lower())
    found = [each for each in words if each]
    for each in found:
        insist(re.match(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z', each))
    return found


@kind('a fence method or several, such as ILO:IRMC; a name has letters, digits '
      'and _ . - and starts with none of . -')
def method_list(text):
    found = re.split(' *[:, ] *', text.strip(': ,'))
    for each in found:                  # it becomes a path: FENCE_FILE_LOC/each
        insist(re.match(r'[A-Za-z0-9_][A-Za-z0-9_.-]*\Z', each))
    return found


@kind('mail addresses with , or a space between them')
def mailbox_list(text):
    # 'Bob Smith <bob@example.com>' is the address in it.
    bare_ones = re.sub(r'[^,<>]*<([^<>\s]+@[^<>\s]+)>', r' \1 ', text)
    found = bare_ones.replace(',', ' ').split()
    insist(found)
    for each in found:
        insist(re.match(r"[A-Za-z0-9!#%&'*+/=?^_{|}~.][A-Za-z0-9!#%&'*+/=?^_{|}~.-]*"
                        r'(@[A-Za-z0-9_.:\[\]-]+)?\Z', each))
    return found


@kind('one mail address')
def one_mailbox(text):
    found = mailbox_list(text)
    insist(len(found) == 1)
    return found[0]


# -- the table ----

MANUAL, LATER, OURS = 'manual', '2.x', 'ours'       # who has this parameter
DEPRECATED = 'deprecated'
NO_EFFECT = 'accepted, no effect'


class Setting(object):
    """One parameter.  `empty`: it may be.  `restart`: a change needs a restart
    of the service.  `fate`: '', DEPRECATED or NO_EFFECT.  `local`: read from
    ha-lizard.conf only."""
    local = False

    def __init__(self, name, default, kind, where, meaning,
                 empty=False, restart=False, fate=''):
        self.name, self.default, self.kind = name, default, kind
        self.empty, self.restart, self.fate = empty, restart, fate
        self.where, self.meaning = where, meaning
        self.attribute, self.secret = name.lower(), kind.secret

    def value(self, stored):
        """The typed value of a text as the pool or a file holds it."""
        text = unquoted(stored)
        if text.strip(BLANK):
            return self.kind(text)
        insist(self.empty)
        return self.kind.nothing

    def objection(self, stored):
        """Why this text cannot be the value, or None."""
        try:
            self.value(stored)
        except ValueError:
            return 'must be %s, not %s' % (self.kind.says, self.shown(stored))

    def shown(self, stored):
        """The value in a sentence."""
        if not unquoted(stored).strip(BLANK):
            return 'empty'
        if self.secret:
            return 'what it is'
        return quoted(stored)


# The defaults are those of `ha-cfg get` in the manual.  Where the manual says
# two things, this is why one was taken:
#   XE_TIMEOUT 10      5 in a sentence, 10 in the sample and all three examples;
#                      a call killed too early costs more than 5 s of patience
#   SMTP_SERVER        127.0.0.1 as in the chapter on mail: `localhost` may be ::1
#                      and needs a resolver, 127.0.0.1 needs nothing
#   SMTP_USER, _PASS   empty as in the chapter on mail; the `localhost` of the
#                      sample would ask a relay without login to log in
#   MAIL_SUBJECT       as in the examples; only the sample has a space in it, and
#                      `ha-cfg set` of the old versions took none
#   FENCE_MIN_HOSTS 2  as in the text; the examples that say 3 are for larger pools
#   FENCE_HEURISTICS_IPS   8.8.8.8 as in the text; the sample is of somebody's pool
#   MONITOR_MAX_STARTS     once misspelt as MAX_MONITOR_STARTS
#   PROMOTE_SLAVE, SLAVE_HA   no default in the text, so the sample's 1
SETTINGS = (
    Setting('DISABLED_VAPPS', '()', uuid_list, MANUAL,
            'appliances that HA leaves alone, (UUID1:UUID2); for OP_MODE=1',
            empty=True),
    Setting('ENABLE_LOGGING', '1', flag, MANUAL,
            '1: write to the system log, with the tag ha-lizard'),
    Setting('FENCE_ACTION', 'stop', choice({'start': 'start', 'stop': 'stop',
                                            'reset': 'reset'}), MANUAL,
            'what is done to a dead host: stop, or reset (off, proved off, on again); '
            'start proves nothing, so with it nothing is fenced'),
    Setting('FENCE_ENABLED', '1', flag, MANUAL,
            '1: make sure that a silent host is off and recover its VMs; '
            '0: never, and so no VM of a dead host is started elsewhere'),
    Setting('FENCE_FILE_LOC', '/etc/ha-lizard/fence', absolute_path, MANUAL,
            'where the fence methods keep their host lists and custom agents'),
    Setting('FENCE_HA_ONFAIL', '0', flag, MANUAL,
            '1: start the VMs of a dead host even when nothing proved it off, '
            'after a wait; such a VM may run twice and destroy its disk'),
    Setting('FENCE_HEURISTICS_IPS', '8.8.8.8', address_list, MANUAL,
            'witnesses outside the pool, A:B; when half of the pool is silent and '
            'all of these answer ping, that is one vote; name your switch or storage',
            empty=True),
    Setting('FENCE_HOST_FORGET', '0', flag, MANUAL,
            '1: remove a dead host from the pool for good once its VMs are recovered',
            fate=DEPRECATED),
    Setting('FENCE_IPADDRESS', '', one_address, MANUAL,
            'the one device or host that fences all: XVM, power strips', empty=True),
    Setting('FENCE_METHOD', 'POOL', method_list, MANUAL,
            'ILO, IRMC, XVM, POOL or a custom agent; with ILO:IRMC the second is '
            'tried when the first proves nothing; POOL never proves anything'),
    Setting('FENCE_MIN_HOSTS', '2', number(1, 64), MANUAL,
            'fence only in pools of at least so many members, the dead one included'),
    Setting('FENCE_PASSWD', '', password, MANUAL,
            'password of the fence device', empty=True),
    Setting('FENCE_QUORUM_REQUIRED', '1', flag, MANUAL,
            '1: only the side that sees a majority of the pool may fence'),
    Setting('FENCE_REBOOT_LONE_HOST', '0', flag, MANUAL,
            '1: a master of 3 or more that sees no member reboots, once; a dead switch '
            'is then an outage'),
    Setting('FENCE_USE_IP_HEURISTICS', '1', flag, MANUAL,
            '1: let FENCE_HEURISTICS_IPS break a tie; a pool of two needs it'),
    Setting('GLOBAL_VM_HA', '1', flag, MANUAL,
            '1: every VM is kept running; 0: only those whose own field says true; '
            'for OP_MODE=2'),
    Setting('MAIL_FROM', 'root@localhost', one_mailbox, MANUAL,
            'sender of the alerts'),
    Setting('MAIL_ON', '1', flag, MANUAL,
            '1: send alerts by mail'),
    Setting('MAIL_SUBJECT', 'SYSTEM_ALERT-FROM_HOST:$HOSTNAME', one_line, MANUAL,
            'subject of the alerts; $HOSTNAME becomes the name of the host'),
    Setting('MAIL_TO', 'root@localhost', mailbox_list, MANUAL,
            'who gets the alerts; several with , between them'),
    Setting('MONITOR_DELAY', '15', number(1, 3600), MANUAL,
            'seconds from one look at the pool to the next', restart=True),
    Setting('MONITOR_KILLALL', '1', flag, MANUAL,
            '1: kill a round that hangs, see MONITOR_MAX_STARTS', restart=True),
    Setting('MONITOR_MAX_STARTS', '20', number(1, 1000), MANUAL,
            'a round hangs after so many waits of MONITOR_SCANRATE without progress',
            restart=True),
    Setting('MONITOR_SCANRATE', '10', number(1, 3600), MANUAL,
            'seconds to wait for a round that still runs when the next is due',
            restart=True),
    Setting('OP_MODE', '2', choice({'1': 1, '2': 2}), MANUAL,
            'what is kept running: 1 appliances, 2 VMs'),
    Setting('PROMOTE_SLAVE', '1', flag, MANUAL,
            '1: when the master is dead, the slave chosen for it becomes the master'),
    Setting('SLAVE_HA', '1', flag, MANUAL,
            '1: a slave that became the master starts VMs; 0: it only cleans up'),
    Setting('SLAVE_VM_STAT', '0', flag, MANUAL,
            '1: slaves too look for VMs that are down and start them'),
    Setting('SMTP_PASS', '', password, MANUAL,
            'password for the mail server', empty=True),
    Setting('SMTP_PORT', '25', number(1, 65535), MANUAL,
            'port of the mail server'),
    Setting('SMTP_SERVER', '127.0.0.1', one_address, MANUAL,
            'mail server that takes the alerts'),
    Setting('SMTP_USER', '', one_line, MANUAL,
            'user for the mail server; empty: do not log in', empty=True),
    Setting('XAPI_COUNT', '2', number(1, 100), MANUAL,
            'unanswered tries in a row before a host counts as silent'),
    Setting('XAPI_DELAY', '10', number(1, 300), MANUAL,
            'seconds between those tries'),
    Setting('XC_FIELD_NAME', 'ha-lizard-enabled', field_name, MANUAL,
            'custom field that turns HA on and off, on the pool and on each VM'),
    Setting('XE_TIMEOUT', '10', number(1, 300), MANUAL,
            'seconds after which an xe call that does not answer is killed'),

    Setting('DISK_MONITOR', '1', flag, LATER,
            'hourly look at the health of local disks', fate=NO_EFFECT),
    Setting('ENABLE_ALERTS', '1', flag, LATER,
            '1: show the alerts in XenCenter as well'),
    Setting('HOST_SELECT_METHOD', '0', flag, LATER,
            'how the host for a VM is chosen; it is always chosen by us',
            fate=NO_EFFECT),
    Setting('MAIL_SCREEN_TIME', '60', number(0, 10080), LATER,
            'minutes in which the same event is not mailed again'),
    Setting('MGT_LINK_LOSS_TOLERANCE', '5', number(0, 3600), LATER,
            'a master without network keeps its promise (VMs stopped, or reboot) after '
            'so many seconds at the earliest'),

    Setting('ALERT_SCRIPT', '', absolute_path, OURS,
            'program that is run for every alert', empty=True),
    Setting('FENCE_STRICT', '0', flag, OURS,
            '1: in an exact tie take over only what a device proved off, '
            'whatever the witnesses say'),
    Setting('FENCE_TRUST_AGENT', '0', flag, OURS,
            '1: exit status 0 of a custom agent is proof, unless its status says on'),
    Setting('FENCE_USER', '', user_name, OURS,
            'user for the fence device; empty: the usual one of its kind', empty=True),
    Setting('METRICS_DIR', '', absolute_path, OURS,
            'directory for a file for Prometheus to collect; empty: none', empty=True),
    Setting('SMTP_TLS', 'auto', choice({'auto': 'auto', 'off': 'off', 'ssl': 'ssl',
                                        'starttls': 'starttls'}), OURS,
            'encryption towards the mail server; auto: when the server offers it, '
            'and no password without it'),
    Setting('START_PARALLEL', '4', number(1, 32), OURS,
            'VMs that are started at the same time'),
    Setting('SUSPEND_AUTO_CLEAR', '1', flag, OURS,
            '1: a suspended host takes part again by itself once the pool is well'),
    Setting('VM_SHUTDOWN_IS_INTENT', '0', flag, OURS,
            '1: a VM that somebody shut down stays down until it is started by hand'),
    Setting('XAPI_DEAD_TIME', '600', number(120, 86400), OURS,
            'seconds without xapi on a host that is alive before that is acted on; '
            'more than any restart of xapi takes'),
)

# Switches per function of the original, in ha-lizard.conf only: LOG_<function>,
# MAIL_<function> and the priority of the message in XenCenter, PRIORITY_<function>
# (0 none, 1 highest, 5 lowest).  None: only 2.x knows that one.
FUNCTIONS = (
    # function                  log   mail  priority
    ('autoselect_slave',        '1',  '1',  '3'),
    ('check_ha_enabled',        '1',  None, '3'),
    ('check_logger_processes',  '1',  None, '0'),
    ('check_quorum',            '1',  '1',  '1'),
    ('check_slave_status',      '1',  '1',  '1'),
    ('check_vm_managed',        '1',  '1',  '3'),
    ('check_xapi',              '1',  '1',  '1'),
    ('email',                   '1',  '1',  '0'),
    ('fence_host',              '1',  '1',  '1'),
    ('get_app_vms',             '1',  '1',  '3'),
    ('get_pool_host_list',      '1',  '1',  '3'),
    ('get_pool_ip_list',        '1',  '1',  '3'),
    ('get_vms_on_host',         '1',  '1',  '3'),
    ('get_vms_on_host_local',   '1',  '1',  '3'),
    ('master_ip',               '1',  '1',  '3'),
    ('promote_slave',           '1',  '1',  '1'),
    ('vm_mon',                  '1',  '1',  '1'),
    ('vm_state',                '1',  '1',  '3'),
    ('vm_state_check',          '1',  '1',  '3'),
    ('write_pool_state',        '0',  '1',  '3'),
    ('xe_wrapper',              '1',  '1',  '1'),
)

# The functions that 2.x added: their switches are taken and do nothing.
LATER_FUNCTIONS = '''
    check_email_enabled check_logging_enabled check_master_mgt_link_state check_xs_ha
    disable_ha_lizard get_alert_level ha_disabled log log_experimental make_box
    reset_vm_vdi service_execute stop_vms_on_host stop_vms_on_host_slow
    update_global_conf_params validate_this_host_vm_states
    validate_this_host_vm_states_1 validate_vm_ha_state validate_vm_home_pool
    validate_vm_safe_to_start_here vm_start watch_proc write_status_report
    xe_raise_alert xe_variable_wrapper'''.split()


def switches():
    """A Setting for every switch of FUNCTIONS."""
    found = []
    for function, log, mail, priority in FUNCTIONS:
        found.append(Setting('LOG_' + function, log, flag, MANUAL,
                             '1: log what %s did' % function))
        if mail:
            found.append(Setting('MAIL_' + function, mail, flag, MANUAL,
                                 '1: mail what %s found' % function))
        found.append(Setting('PRIORITY_' + function, priority, number(0, 5), LATER,
                             'priority in XenCenter of what %s found' % function))
    for each in found:
        each.local = True
    return tuple(found)


SWITCHES = switches()
ROWS = dict([(row.name, row) for row in SETTINGS + SWITCHES])
DEFAULTS = dict([(row.attribute, row.value(row.default)) for row in ROWS.values()])

# Known, and not for us: FLAG_SEQ is state (the number of the HA flag), the rest
# is of 2.x; LOC_ stands like that in its documentation.
IGNORED = set(['FLAG_SEQ', 'FREEZE_UNTIL', 'FENCE_LOG', 'POST_VERSION', 'LOC_write_status_report']
              + [prefix + function for prefix in ('LOG_', 'MAIL_', 'PRIORITY_')
                 for function in LATER_FUNCTIONS + [row[0] for row in FUNCTIONS]]
              ).difference(ROWS)

# As the manual itself once has them.
MISNAMED = {'MAX_MONITOR_STARTS': 'MONITOR_MAX_STARTS', 'GLOBAL_VA_HA': 'GLOBAL_VM_HA'}


def setting_named(name):
    """The Setting that an operator means, whatever the case, or None."""
    for each in (name, name.upper(), MISNAMED.get(name.upper())):
        if each in ROWS:
            return ROWS[each]


# -- what is in force ----

class Settings(object):
    """One typed attribute per row: `settings.xapi_count`.

    `layers`: [(where it comes from, {NAME: text as stored})], the lowest first.
    A bad value is a sentence in `problems` and changes nothing: what the same
    layer said before (in `previous`) stays, else the lower layer's value.  So a
    typo never stops HA.  `new_problems`: those that `previous` did not have.
    `layers` then has only what is valid: Settings(settings.layers) is the same.
    """

    def __init__(self, layers=(), previous=None):
        self.__dict__.update(DEFAULTS)
        self.layers, self.problems = [], []
        self.origins, self.texts = {}, {}
        refused = []
        for layer, given in layers:
            self.layers.append((layer, {}))
            for name in sorted(given):
                problem = name_objection(layer, name)
                if problem:
                    self.problems.append(problem)
                elif name in ROWS and not self.take(layer, ROWS[name], given[name]):
                    refused.append((layer, ROWS[name], given[name]))
                    last = last_valid(previous, layer, name)
                    if last is not None:
                        self.take(layer, ROWS[name], last)
        self.problems += [self.refusal(*each) for each in refused] + misfits(self)
        self.new_problems = [each for each in self.problems
                             if not previous or each not in previous.problems]

    def take(self, layer, row, stored):
        """Let the value count from now on; false if it is not valid."""
        try:
            setattr(self, row.attribute, row.value(stored))
        except ValueError:
            return False
        self.origins[row.name], self.texts[row.name] = layer, stored.strip(BLANK)
        self.layers[-1][1][row.name] = stored
        return True

    def refusal(self, layer, row, stored):
        kept = self.as_text(row.name) or 'it empty'
        if row.secret:
            kept = 'the one before'
        return '%s %s %s; keeping %s' % (row.name, in_layer(layer),
                                         row.objection(stored), printable(kept, 60))

    def origin(self, name):
        """Which layer the value comes from: 'default', 'pool', 'this host'."""
        return self.origins.get(name, 'default')

    def as_text(self, name):
        """The value as it is stored, quotes and all.  Secrets too: see Setting."""
        return self.texts.get(name, ROWS[name].default)

    def wants_log(self, function):
        return self.enable_logging and getattr(self, 'log_' + function, True)

    def wants_mail(self, function):
        return self.mail_on and getattr(self, 'mail_' + function, True)

    def priority(self, function):
        """Of the message in XenCenter: 0 none, 1 highest, 5 lowest."""
        return getattr(self, 'priority_' + function, 3)


def last_valid(previous, layer, name):
    """The text that a bad one gives way to: what the same layer said, or, if the
    previous Settings had no such layer, what was in force.  None: neither."""
    if previous:
        return dict(previous.layers).get(layer, previous.texts).get(name)


def in_layer(layer):
    return {'pool': 'in the pool', 'this host': 'on this host'}.get(
        layer, 'in ' + layer)


def name_objection(layer, name):
    """Why no value of that name counts there, or None."""
    where = in_layer(layer)
    if name in ROWS and ROWS[name].local and layer != 'this host':
        return '%s has no effect %s: it belongs in ha-lizard.conf' % (name, where)
    if name in ROWS or name in IGNORED:
        return None
    meant = setting_named(name)
    if meant:
        return '%s %s is not a parameter, %s is; ignored' % (name, where, meant.name)
    return '%s %s is not a parameter; ignored' % (printable(name, 60), where)


def misfits(settings):
    """Values that are right each by itself and make no sense together."""
    found, methods = [], settings.fence_method
    if settings.promote_slave and not settings.fence_enabled:
        found.append('PROMOTE_SLAVE=1 does nothing with FENCE_ENABLED=0: a slave '
                     'replaces only a master that was fenced')
    if settings.fence_enabled and settings.fence_action == 'start':
        found.append('FENCE_ACTION=start turns a host on: we refuse to fence with it')
    if settings.fence_use_ip_heuristics and not settings.fence_heuristics_ips:
        found.append('FENCE_USE_IP_HEURISTICS=1 does nothing while '
                     'FENCE_HEURISTICS_IPS is empty')
    if settings.fence_enabled and 'XVM' in methods and not settings.fence_ipaddress:
        found.append('FENCE_METHOD=XVM needs FENCE_IPADDRESS, which is empty')
    if settings.fence_strict and settings.fence_ha_onfail:
        found.append('FENCE_STRICT=1 and FENCE_HA_ONFAIL=1 contradict each other: '
                     'one asks for proof, the other does without')
    if settings.disabled_vapps and settings.op_mode != 1:
        found.append('DISABLED_VAPPS excludes nothing with OP_MODE=2')
    if settings.smtp_pass and not settings.smtp_user:
        found.append('SMTP_PASS is of no use while SMTP_USER is empty')
    patience = settings.monitor_max_starts * settings.monitor_scanrate
    silence = settings.xapi_count * settings.xapi_delay
    if patience < silence:
        found.append('MONITOR_MAX_STARTS x MONITOR_SCANRATE is %d s, less than the '
                     '%d s of XAPI_COUNT x XAPI_DELAY: a round that waits for a silent '
                     'host is killed' % (patience, silence))
    return found


# -- ha-lizard.conf ----

ASSIGNMENT = re.compile(r'(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)', re.DOTALL)

# A value is made of these.  What a shell would run is text like any other.
PIECE = re.compile(r'''
      ' (?P<single> [^']* ) '
    | " (?P<double> [^"\\]* (?: \\. [^"\\]* )* ) "
    | (?P<literal> \A \( [^()]* \) | \$ \( [^()]* \) | ` [^`]* ` | [^ \t'"\\`;$]+ | \$ )
    | \\ (?P<escaped> . )''', re.VERBOSE)
REST = re.compile(r'[ \t]*(?:;[ \t]*(?:\#.*)?|[ \t]\#.*)?\Z', re.DOTALL)


def parse_conf(text):
    """({NAME: text as stored}, [problem]) of a ha-lizard.conf.

    It looks like a shell script and is read like one, but nothing is run: one
    assignment per line, the last one wins.  A problem names the line and never
    its text, which may be a password.
    """
    found, problems = {}, []
    for index, line in enumerate(without_bom(text or '').split('\n')):
        name, value, problem = parse_assignment(line.strip(BLANK))
        if problem:
            problems.append('line %d of ha-lizard.conf %s; ignored' % (
                index + 1, problem))
        elif name:
            found[name] = as_stored(value)
    more = len(problems) - MOST_COMPLAINTS
    if more > 0:
        problems[MOST_COMPLAINTS:] = ['%d more lines of ha-lizard.conf are ignored, '
                                      'for the like reasons' % more]
    return found, problems


def parse_assignment(line):
    """(name, value, problem) of a line; nothing of each in an empty one."""
    if not line or line.startswith('#'):
        return None, None, None
    match = ASSIGNMENT.match(line)
    if not match:
        return None, None, 'is not NAME=value, without spaces around the ='
    name, value = match.group(1), shell_value(match.group(2))
    if value is None:
        return name, None, ('gives %s a value that needs quotes around it, or that '
                            'lacks one of its quotes' % printable(name, 60))
    return name, value, None


def without_bom(text):
    import codecs
    mark = to_text(codecs.BOM_UTF8)
    if text.startswith(mark):
        return text[len(mark):]
    return text


def shell_value(rest):
    """What a shell would assign from the text after the =, or None."""
    pieces, end = [], 0
    match = PIECE.match(rest)
    while match:
        pieces.append(piece_of(match))
        end = match.end()
        match = PIECE.match(rest, end)
    if REST.match(rest, end):
        return ''.join(pieces)


def piece_of(match):
    if match.group('double') is not None:
        return ESCAPE.sub(r'\1', match.group('double'))
    return ''.join([match.group(name) or ''
                    for name in ('single', 'literal', 'escaped')])


###############################################################################
# Model: what is known of the pool ############################################
###############################################################################
# Records without behaviour.  Every age is in seconds.  Unknown is a value of
# its own (None, or '' for a text) and never counts as "no".

class Host(Record):
    """A member of the pool, as this host knows it."""
    fields = {
        'uuid': '', 'name': '', 'address': '',
        'enabled': True,        # False: maintenance, booting, or declared dead
        'maintenance': False,   # the administrator's mark, XenCenter's or ours
        'marked': False,        # the mark that we declared it dead: it stays disabled
        'live': True,           # xapi's opinion, up to 600 s late: xe.md 9.2
        'answers': True,        # it gave a sign of life to the last probe
        'silent': False,        # none for XAPI_COUNT further probes
        'silence': 0,           # since its last sign of life to anybody we hear: R-2
        'unheard': 0,           # the same, whether or not this host was listening
        'unsure': False,        # a reachable member cannot say whether it lives: R-1
        'back': 1e9,            # since it answered again after a silence
        'settling': 0,          # how long that must be before it gets VMs: A11
        'falls': 0,             # how often it fell silent within the hour
        'role': '',             # what it says: master, slave:ADDRESS; '' unknown
        'doing': '',            # what it says: idle, frozen, starting, promoting ...
        'version': '',          # the program it has shown, or ''
        'mute': 0,              # for how long it answers, and that program says nothing
        'lease': None,          # the promise of R-3 in seconds, if it counts
        'tie': False,           # ... and that it holds in an exact half, too
        'domains': None,        # uuids that really run there; None: unknown
        'boot': '',             # the id of its boot, while it tells that; '' unknown
        'votes': True,          # it has a vote: R-3, after maintenance
        'promoted': False,      # it says that it is a master by its own promotion
        'confirmed': False,     # the administrator says that it is dead: R-7
        'seen': True,           # it has answered since this host took up work
        'follows': False,       # it says that this host is its master
        'off': '',              # the proof that its domains are gone, or ''
        'unlocked': False,      # its storage locks are cleared
        'declared': False,      # xapi was told that it is dead
        'restarted': False,     # its power was switched on again
        'health': None,         # what its custom field says: T20; None: leave it
        'fence_failed': '',     # why it could not be proved off
        'unproved': False,      # the device did as told and cannot prove it
        'barred': {},           # method: why its device is not believed (R-9)
        'deaf': {},             # method: why its device could not be asked
        'fences': 0,            # how often it was fenced within the hour
        'fence_wait': 0,        # seconds until that is tried again
        'memory_total': 0, 'memory_overhead': 0,
        'srs': (),              # SRs plugged there; None: not looked up
    }

    def __str__(self):
        return self.name


class Vm(Record):
    """A virtual machine.  `host`: uuid of where the database places it, or ''."""
    fields = {
        'uuid': '', 'name': '', 'host': '',
        'power': 'halted',      # running, halted, paused, suspended; '' unknown
        'busy': False,          # xapi has an operation on it under way
        'field': '',            # the custom field: true, false, '' or nonsense
        'stamp': '',            # the pool it was last seen running in: T21
        'appliance': '', 'order': 0, 'delay': 0, 'affinity': '',
        'memory': 0,            # bytes it needs to start
        'wait': 0,              # seconds until a start is tried again
        'starting': '',         # uuid of the host on which we began to start it
        'boot': '',             # ... and the id of its boot at that time; '' unknown
        'error': '',            # why the last start failed
        'locked': False,        # ... because a host still holds a lock on its disks
        'failures': 0,          # how often it failed since it last worked
        'ran': None,            # when it was last seen running, while nobody knows why
                                # it is down: seconds since 1970 (A15)
        'meant': False,         # somebody shut it down through xapi
        'noted': False,         # ... and the database says so
        'srs': (),              # SRs that its disks are on
    }

    def __str__(self):
        return self.name


class Appliance(Record):
    fields = {'uuid': '', 'name': ''}

    def __str__(self):
        return self.name


class View(Record):
    """Everything a decision may look at.  Nothing else exists for it."""
    fields = {
        'me': None,             # this Host; None: it does not know itself
        'master': None,         # the Host in charge, or None
        'role': '',             # what pool.conf says: master, slave, or other
        'pool': '',             # uuid of the pool
        'hosts': (),            # every member, this one and the dead included
        'vms': (),              # every VM but templates and control domains
        'appliances': (),
        'heir': '',             # autopromote_uuid: who succeeds the master
        'heirs': (),            # the succession list in force: A8
        'enabled': None,        # the last word about HA: text of its field; None: unknown
        'unwritten': None,      # (text, number) of it that the database lacks: R-11
        'xenserver_ha': False,  # xapi's own HA is on
        'xapi': '',             # why xapi gives no fresh facts, or ''
        'age': 0,               # of what is known of the pool
        'asleep': 1e9,          # seconds since that was last the same for sure: is_asleep()
        'witness': False,       # every heuristic address answers
        'suspended': '',        # why this host suspended itself
        'frozen': '',           # until when all acts rest: R-7
        'thaws': '',            # the same, when that is soon
        'isolated': '',         # cut off from its half (A3): stopping its VMs, done
        'thawed': 1e9,          # seconds since they do no more
        'xapi_silence': 0,      # seconds without an answer of the master's xapi
        'restarted_xapi': False,    # this host restarted its toolstack for it
        'placed': {},           # vm uuid -> host uuid: the freshest map before promotion
        'followed': 0,          # how long it has followed a majority's master
        'ready': False,         # the start-up grace is over: A10
        'uptime': 0,            # since the daemon took up work
        'votes': 0,             # members that agree who is master, me included
        'promoting': None,      # seconds since this host began its promotion
        'recovered': None,      # seconds since slaves were last called over
        'promoted': False,      # this master is one by its own promotion
        'gathered': False,      # ... or by calling a majority that had no master
        'lonely': False,        # it rebooted for being alone: once is enough
        'storage': False,       # the SRs of hosts and VMs are looked up
        'sync': False,          # slaves' databases are due for a refresh
        'guard': None,          # the Host whose devices are to be asked now
        'tried': {},            # done or failed this round: str(action)
        'busy': {},             # under way: action -> seconds
    }

    def others(self):
        return [host for host in self.hosts if host is not self.me]

    def host(self, uuid):
        """The member with that uuid, or None."""
        for host in self.hosts:
            if host.uuid == uuid:
                return host


class Plan(object):
    """What to do and why.  To do nothing is a decision too.

    The actions of one plan do not depend on each other: what must come later
    is decided later.  `warnings`: what the operator should hear of while it
    lasts, event -> sentence.  `wait`: look again after that many seconds.
    """

    def __init__(self, why, actions=(), warnings=None, wait=0):
        self.why, self.actions = why, list(actions)
        self.warnings, self.wait = dict(warnings or {}), wait


###############################################################################
# Decisions ###################################################################
###############################################################################
# Pure.  A function named *_objection returns the reason not to do a thing, or
# None.  Safety rules (A..) and rulings (R-..) are named where they bite.

PROBE_TIMEOUT = 2       # seconds after which an unanswered probe has failed
LAST_LOOK = 1           # seconds for the probe right before a fatal step: A13
GUARD = 5               # seconds for clocks that do not run alike: A4
BOOT_GRACE = 120        # seconds in which absent members may still boot: A10
FOLLOW_TIME = 300       # seconds a promotion waits for slaves to follow
RECALL = 60             # seconds before slaves that do not follow are called again
WORD_TIME = 60          # seconds for a member that is back to say whom it follows
TURN_TIME = 180         # seconds for which a better candidate is waited for: R-4
XAPI_RESTART_TIME = 300 # seconds for a master to restart its toolstack: R-6
MOST_FENCES = 3         # of one host within an hour
STABLE = 2              # rounds for which a host must be back before it gets VMs: A11
MOST_FALLS = 3          # silences within an hour after which it gets none
ORDER_PATIENCE = 120    # seconds for which a hanging start holds later orders
MOST_RESETS = 16        # xapi checks a dead host for each: 3 s, in parallel
MOST_STAMPS = 20        # a round: R-10


def decide(settings, view):
    """What this host should do now: a Plan."""
    objection = standing_objection(settings, view)
    if objection:
        return Plan(objection, rewrites(view), field_warnings(settings, view))
    if view.xenserver_ha:
        return decide_beside_xenserver_ha(view)
    if view.suspended:
        return decide_suspended(settings, view)
    if not view.ready:
        return decide_at_startup(settings, view)
    objection = version_objection(view)
    if objection:
        return Plan(objection, warnings={'version': objection})
    if view.role == 'master':
        return decide_as_master(settings, view)
    return decide_as_slave(settings, view)


def standing_objection(settings, view):
    """Why this host has nothing to decide at all."""
    if not view.hosts:
        return 'this host has not seen its pool yet' + because(view.xapi)
    if not view.me:
        return 'this host is not a member of the pool that it knows'
    if view.role not in ('master', 'slave'):
        return 'pool.conf says neither master nor slave: this host has no role'
    if view.enabled is None:
        return 'the HA field of the pool is not set: HA is off'
    if view.enabled == 'false':
        return 'HA is disabled'
    if view.enabled != 'true':
        return 'HA is off: the pool field says %s, neither true nor false' % (
            printable(view.enabled, 40))
    if view.frozen:
        return 'HA is frozen until ' + view.frozen


def version_objection(view):
    """R-11: beside another program this one only watches."""
    strangers = [host.name for host in view.others() if host.version != VERSION]
    if strangers:
        return 'watching only: %s has not shown this program\'s version' % (
            ', '.join(strangers))


def rewrites(view):
    """R-11: the master tells its database what was said of HA last.  One that
    woke up in an old copy may have forgotten that HA was switched off, or on."""
    if view.role != 'master' or view.xapi or view.frozen or not view.unwritten:
        return []
    text, number = view.unwritten
    return untried(view, [WriteFlag(text=text, number=number)])


def because(reason):
    """A reason in brackets, or nothing."""
    if reason:
        return ' (%s)' % reason
    return ''


def field_warnings(settings, view):
    if view.enabled not in (None, 'true', 'false'):
        return {'pool-field': 'the pool field %s is neither true nor false: HA is off'
                              % settings.xc_field_name}
    return {}


def decide_beside_xenserver_ha(view):
    """Two managers with equal rights start VMs twice: step aside (R25)."""
    why = 'XenServer HA is on: this HA switches itself off'
    actions = []
    if view.role == 'master' and not view.xapi:
        actions = untried(view, [SwitchOff()])
    return Plan(why, actions, {'xenserver-ha': why})


# -- start-up and suspension --------------------------------------------------

def decide_at_startup(settings, view):
    """A10: after a boot nothing is done before the pool is understood."""
    objection = startup_objection(settings, view)
    if objection:
        return Plan('starting up: ' + objection, gathering(view))
    return Plan('start-up is over', untried(view, [TakeUpWork()]))


def gathering(view):
    """After several faults xapi may have left a majority whose members follow
    nobody who is a master.  The only one there is calls them."""
    reach, total = votes(view)
    if (view.role != 'master' or view.xapi or reach * 2 <= total
            or view.votes * 2 > total):
        return []
    others = [host for host in view.others() if host.answers]
    olden = [host for host in others if is_outdated(view, host)]
    if [host for host in others if not host.role or host.doing == 'promoting'
            or host.role == 'master' and host not in olden]:
        return []
    followed = [host for host in view.others() if host not in olden
                and 'slave:' + host.address in [other.role for other in others + [view.me]]]
    # One that only they can hear is a master, too: two would call them in turn.
    if [host for host in followed if not host.answers and not host.silent
            or host.answers and host.role != 'slave:' + view.me.address]:
        return []
    if view.recovered is None or view.recovered > RECALL:
        return untried(view, [Gather()])
    return []


def is_outdated(view, host):
    """A master that this one has replaced, back with exactly half of the members: else
    each would wait for ever for one more to say that it is the master."""
    return (host.role == 'master' and host.doing == 'starting' and not host.promoted
            and view.promoted and view.votes * 2 == votes(view)[1])


def startup_objection(settings, view):
    if view.xapi:
        return 'xapi is not ready' + because(view.xapi)
    if not view.master:
        return 'the master is unknown'
    # An old master that comes back is one only in its own eyes (S15), and in
    # an exact half nobody could tell it: half of the members are not enough.
    if view.votes * 2 <= votes(view)[1]:
        return 'too few members say that %s is the master' % view.master
    absent = [host.name for host in view.others()
              if not host.seen and not host.confirmed]
    if absent and view.uptime < max(BOOT_GRACE, 3 * settings.monitor_delay):
        return 'waiting for %s to answer for the first time' % ', '.join(absent)


def decide_suspended(settings, view):
    """R-5: a suspended host starts, fences and promotes nothing."""
    why = 'HA is suspended on this host: ' + view.suspended
    if settings.suspend_auto_clear and view.followed >= 2 * settings.monitor_delay:
        return Plan('the pool is whole again', untried(view, [Resume()]))
    return Plan(why, warnings={'suspended': why})


# -- the slave ----------------------------------------------------------------

def decide_as_slave(settings, view):
    master = view.master
    if not master:
        return Plan('the master that pool.conf names is no known member')
    if not master.silent:
        return decide_as_follower(settings, view)
    remark = 'master %s is silent' % master
    objection = candidacy_objection(settings, view)
    if objection:
        return Plan('%s; not taking over: %s' % (remark, objection))
    objection = turn_objection(settings, view)
    if objection:
        return Plan('%s; %s' % (remark, objection), wait=2)

    # Only the first candidate gets here.  Without quorum it cannot know which
    # half lives on: it takes itself out of the game (R-5).
    objection = quorum_objection(settings, view)
    if objection:
        return suspend(settings, view, '%s and %s' % (remark, objection))
    return take_over(settings, view, remark)


def take_over(settings, view, remark):
    """Proof first, then promotion: of a master that is silent or deaf."""
    master = view.master
    objection = patience_objection(settings, view, master)
    if objection:
        return Plan('%s; %s' % (remark, objection), wait=2)
    if master.off:
        return Plan('%s and off: taking over' % remark,
                    untried(view, [Promote(master=master)]))
    objection, actions = fencing(settings, view, master)
    if objection:
        return Plan('%s; not fencing it: %s' % (remark, objection),
                    warnings={'fence-' + master.uuid: objection},
                    wait=haste(settings, master))
    return Plan('%s: fencing it' % remark, actions)


def decide_as_follower(settings, view):
    """The master is alive."""
    if not view.master.answers:
        return Plan('master %s does not answer just now' % view.master)
    if view.xapi:
        return decide_on_dead_xapi(settings, view)
    doubles = doubled_vms(view)
    if doubles:
        return Plan('VMs run here that run elsewhere, too',
                    untried(view, [StopVm(vm=vm) for vm in doubles]))
    if not settings.slave_vm_stat:
        return Plan('master %s answers' % view.master, look_at_devices(view),
                    standing_warnings(settings, view))
    objection = quorum_objection(settings, view) or unclean_objection(view)
    if objection:
        return Plan('not starting VMs: ' + objection)
    plan = decide_starts(settings, view)
    plan.why = plan.why or 'master %s answers' % view.master
    plan.actions = plan.actions or look_at_devices(view)
    plan.warnings.update(standing_warnings(settings, view))
    return plan


def unclean_objection(view):
    """A slave cannot know whether the locks of a dead host are cleared."""
    for host in view.others():
        if not host.answers and not host.marked:
            return '%s does not answer, and the master has not cleaned up' % host


def decide_on_dead_xapi(settings, view):
    """R-6: a master that lives while its xapi does not.  Its own daemon restarts
    the toolstack first; later it may be fenced, with proof only."""
    why = 'master %s is alive but its xapi gives no answer' % view.master
    if view.xapi_silence < settings.xapi_dead_time:
        return Plan(why + because(view.xapi))
    warnings = {'dead-xapi-' + view.master.uuid: why}
    objection = (candidacy_objection(settings, view) or quorum_objection(settings, view)
                 or not provers(settings) and 'POOL proves nothing' or None)
    if view.xapi_silence < settings.xapi_dead_time + XAPI_RESTART_TIME or objection:
        return Plan(why, [], warnings)
    objection = turn_objection(settings, view)
    if objection:
        return Plan('%s; %s' % (why, objection), [], warnings)
    plan = take_over(settings, view, why)
    plan.warnings.update(warnings)
    return plan


def doubled_vms(view):
    """R-8: what runs here and, by the word of both the database and the other
    host's own list, elsewhere.  The newcomer's copy is the wrong one."""
    if view.me.domains is None:
        return []
    there = dict([(host.uuid, host.domains or ()) for host in view.others()
                  if host.answers])
    return [vm for vm in view.vms if vm.uuid in view.me.domains
            and vm.power == 'running' and vm.uuid in there.get(vm.host, ())]


def candidacy_objection(settings, view):
    """Why this slave is none of those that may replace the master."""
    if view.me.uuid not in view.heirs:
        return 'this host is not in the succession list'
    if not settings.promote_slave:
        return 'PROMOTE_SLAVE=0'
    if not view.me.enabled or view.me.maintenance:
        return 'this host is in maintenance'
    if not view.me.votes:
        return 'not every member saw this host come back from maintenance'
    return age_objection(settings, view)


def age_objection(settings, view):
    """I12: what was already old when the master fell silent proves nothing."""
    since_then = max(view.master.silence, view.master.unheard, view.xapi_silence)
    if min(view.age, view.asleep) - since_then > max(60, 3 * settings.monitor_delay):
        return 'what this host knows of the pool was old when the master fell silent'


def is_asleep(settings, view):
    """While most members hear nothing of the master, nobody changes the pool: what
    this host knew then does not grow old.  Else a master that crashes again and
    again, always before its xapi is up, would have no successor."""
    if not view.master or not view.master.silent or age_objection(settings, view):
        return False
    reach, total = votes(view)
    return reach * 2 > total


def turn_objection(settings, view):
    """A8, R-4: who comes first in the succession list goes first, while it
    gives any sign of life; nobody beside another master."""
    for host in view.others():
        if host.answers and host.doing == 'promoting':
            return '%s is taking over' % host
        if host.answers and host.role == 'master' and host is not view.master:
            return '%s says that it is the master' % host
    better = [view.host(uuid) for uuid in view.heirs[:list(view.heirs).index(view.me.uuid)]]
    better = [host for host in better
              if host and host is not view.master and not is_resting(host)]
    for host in better:
        # Each has its own time: else all the others would go at once.
        if host.answers and lateness(settings, view) < TURN_TIME * len(better):
            return '%s is to take over before this host' % host
        if not host.answers and host.silence < second_look(settings):
            return '%s may still live and is to take over before this host' % host


def lateness(settings, view):
    """Seconds for which the first candidate could have taken over."""
    waited = view.xapi_silence - settings.xapi_dead_time - XAPI_RESTART_TIME
    if view.master.silent:
        waited = view.master.silence - detection(settings)
    return min(waited, view.thawed)


def is_resting(host):
    """Is it nobody's heir, by its own word or by the administrator's?"""
    return (host.maintenance or not host.votes
            or host.doing in ('suspended', 'maintenance', 'unfit'))


def suspend(settings, view, why):
    """R-5: reboot only where managed VMs may be running a second time."""
    # Others than the first candidate are only passed over.  And a switch that
    # restarts is no reason to reboot a healthy host (I6): a host that waits
    # does nothing that a suspended one would not do.
    first = [uuid for uuid in view.heirs if uuid != view.master.uuid][0]
    if first != view.me.uuid or view.master.silence < second_look(settings):
        return Plan('not taking over: %s' % why, wait=pause_of(settings, view))
    here = view.me.domains
    if here is None:
        here = [vm.uuid for vm in residents(view, view.me)]
    mine = [vm for vm in view.vms if vm.uuid in here
            and not managed_objection(settings, view, vm)]
    return Plan('not taking over: %s; suspending HA on this host' % why,
                [Suspend(why=why, reboot=bool(mine))])


# -- the master ---------------------------------------------------------------

def decide_as_master(settings, view):
    # A xapi that starts as master answers before it has looked for another one,
    # with its old database.
    if view.promoting is not None and (view.xapi or view.master is not view.me):
        return Plan('waiting for xapi to come up as master', wait=2)
    if view.xapi:
        return decide_with_deaf_xapi(settings, view)
    if view.master is not view.me:
        return Plan('pool.conf says that this host is the master, the database '
                    'says that it is %s' % (view.master or 'nobody'))
    if rival_objection(view) or mute_objection(view):
        return decide_as_rival(view)
    if view.promoting is not None:
        return decide_while_promoting(view)
    if is_to_reboot_for_being_alone(settings, view):
        return Plan('no other member answers: rebooting once '
                    '(FENCE_REBOOT_LONE_HOST=1)', [RebootLonely()])

    remarks, actions, warnings, wait = [], [], {}, 0
    for host in [each for each in view.others() if each.silent]:
        remark, more = decide_on_silent(settings, view, host)
        remarks.append(remark)
        actions.extend(more)
        if not more and not host.off:
            warnings['fence-' + host.uuid] = remark
            wait = max(wait, haste(settings, host))
    objection = quorum_objection(settings, view)
    if objection:
        return Plan('; '.join(remarks + ['not acting: ' + objection]), [], warnings)
    actions.extend(clean_ups(settings, view))
    if is_cleaning(actions + list(view.busy)):
        return Plan('; '.join(remarks + ['cleaning up']), actions, warnings)
    rest = decide_starts(settings, view)
    actions.extend(rest.actions)
    warnings.update(rest.warnings)
    warnings.update(heir_warnings(view))
    warnings.update(standing_warnings(settings, view))
    return Plan('; '.join([text for text in remarks + [rest.why] if text])
                or 'all is well', actions or chores(settings, view), warnings, wait)


def decide_with_deaf_xapi(settings, view):
    """R-6, the one exception to A14: its own toolstack, once per episode."""
    why = 'xapi gives no answer'
    if view.xapi_silence < settings.xapi_dead_time or view.restarted_xapi:
        return Plan(why + because(view.xapi))
    return Plan(why, untried(view, [RestartToolstack()]), {'dead-xapi': why})


def decide_as_rival(view):
    objection = rival_objection(view)
    if objection:
        return Plan('not acting as master: ' + objection, [], {'rival': objection})
    return Plan('not acting as master: ' + mute_objection(view), wait=2)


def rival_objection(view):
    """A9: a master that most members do not follow is one of yesterday."""
    loyal = [host for host in view.others()
             if host.role == 'slave:' + view.me.address or follows_nobody(view, host)]
    rivals = [host for host in strays(view) if host not in loyal]
    if rivals and (len(loyal) + 1) * 2 <= len(view.hosts):
        return '%s does not follow this host' % names_of(rivals)


def mute_objection(view):
    """A9: who is back may follow another one by now, until it has said whom."""
    mute = [host for host in view.others()
            if host.answers and not host.role and host.back < WORD_TIME]
    known = len([host for host in view.hosts if host.answers]) - len(mute)
    if mute and known * 2 <= len(view.hosts):
        return '%s is only just back and has not said whom it follows' % names_of(mute)


def names_of(hosts):
    return ', '.join([host.name for host in hosts])


def follows_nobody(view, host):
    """Does it follow a dead master, or one that has only just booted and is a
    master in its own eyes alone (S15), or is it that one?"""
    leaders = [host] * (host.role == 'master')
    leaders += [other for other in view.others() if host.role == 'slave:' + other.address]
    return bool([leader for leader in leaders if leader.off or leader.answers
                 and (leader.doing == 'starting' or leader.role.startswith('slave:'))])


def strays(view):
    """Members that answer and are masters, or follow another than this host."""
    return [host for host in view.others() if host.answers
            and (host.role == 'master' or host.role.startswith('slave:'))
            and host.role != 'slave:' + view.me.address]


def decide_while_promoting(view):
    """A6: compute what is missing only when every slave that is alive has
    told the new master what it runs."""
    lost = [host for host in view.others() if host.answers and not host.follows]
    if not lost or view.promoting > FOLLOW_TIME:
        return Plan('promotion is complete', untried(view, [EndPromotion()]))
    why = 'waiting for %s to follow' % names_of(lost)
    if view.recovered is None or view.recovered > RECALL:
        return Plan(why, unless_busy(view, [RecoverSlaves()]), wait=2)
    return Plan(why, wait=2)


def is_to_reboot_for_being_alone(settings, view):
    """FENCE_REBOOT_LONE_HOST: once per episode, in pools of three and more."""
    return (settings.fence_reboot_lone_host and not view.lonely
            and len(view.hosts) > 2
            and all([host.silent for host in view.others()]))


def decide_on_silent(settings, view, host):
    """(what to say of a silent slave, what to do about it)."""
    if host.off:
        return 'slave %s is off' % host, []
    objection = maintenance_objection(view, host) or patience_objection(
        settings, view, host)
    if objection:
        return 'slave %s is silent; leaving it alone: %s' % (host, objection), []
    objection, actions = fencing(settings, view, host)
    if objection:
        return 'slave %s is silent; not fencing it: %s' % (host, objection), []
    return 'slave %s is silent: fencing it' % host, actions


def maintenance_objection(view, host):
    """Z10: a disabled host is left alone; but not the VMs that it took down, nor
    the disks that somebody who went down still locks."""
    if residents(view, host) or [vm for vm in view.vms if vm.locked]:
        return None
    if host.maintenance or not host.enabled and not host.marked:
        return 'it was in maintenance and runs no VM'
    # An old database does not know what runs there: without its proof nothing is started.
    if view.gathered:
        return None
    if not host.enabled:
        return 'it was taken for dead before and runs no VM'
    # A10: absent since we took up work is not failed.
    if not host.seen:
        return 'it has not answered since this host took up work and runs no VM'


def residents(view, host):
    """VMs that the database places on a host, or that it died over."""
    return [vm for vm in view.vms if vm.host == host.uuid
            and vm.power in ('running', 'paused')
            or vm.busy and vm.starting == host.uuid]


# -- fencing ------------------------------------------------------------------

def fencing(settings, view, host):
    """(objection, actions): how to be sure that a silent host is dead."""
    objection = fencing_objection(settings, view, host)
    if objection:
        return objection, []
    if provers(settings) and not host.fence_failed:
        return None, unless_busy(view, [Fence(host=host, deaf=not host.silent)])
    unproved = host.unproved or not provers(settings)
    if unproved or settings.fence_ha_onfail:
        objection = lease_objection(settings, view, host)
        if not objection:
            return None, untried(view, [TakeOver(host=host, why=lease_proof(settings, host))])
        if not provers(settings) or host.fence_wait > 0:
            return objection, []
    if host.fence_wait > 0:
        return host.fence_failed, []
    return None, unless_busy(view, [Fence(host=host, deaf=not host.silent)])


def fencing_objection(settings, view, host):
    if not settings.fence_enabled:
        return 'FENCE_ENABLED=0'
    if settings.fence_action == 'start':
        return 'FENCE_ACTION=start switches nothing off'
    if len(view.hosts) < settings.fence_min_hosts:
        return 'the pool has fewer than %d members (FENCE_MIN_HOSTS)' % (
            settings.fence_min_hosts)
    if not host.seen and len(view.hosts) <= 2:
        return 'it has not answered since this host took up work'
    if not [name for name in settings.fence_method if name not in host.barred]:
        return '; '.join(['%s: %s' % pair for pair in sorted(host.barred.items())])
    return quorum_objection(settings, view) or budget_objection(view, host)


def budget_objection(view, host):
    """I6: never more than half of the pool, never the same host for ever."""
    off = [each for each in view.others() if each.off or is_fencing(view, each)]
    if host not in off and (len(off) + 1) * 2 > len(view.hosts):
        return '%d hosts are off already, and half of the pool is the most' % len(off)
    if host.fences >= MOST_FENCES:
        return 'it was fenced %d times within the hour' % host.fences


def is_fencing(view, host):
    return bool([action for action in view.busy
                 if isinstance(action, Fence) and action.host.uuid == host.uuid])


def patience_objection(settings, view, host):
    """Why to wait one more XAPI_COUNT x XAPI_DELAY before this host is dead."""
    look = settings.xapi_count * settings.xapi_delay
    # A11: when several vanish at once, the fault may be ours.
    together = [other for other in view.others() if other.silent and other is not host
                and not other.off and abs(other.silence - host.silence) < look]
    # A16: so that the two sides of an exact half do not shoot each other.
    if host.silent and is_tie(view) and view.role != 'master' and (
            host.silence < second_look(settings) + look * bool(together)):
        return 'exactly half of the members answer: the half of the master goes first'
    if host.silence >= second_look(settings) or not host.silent:
        return None
    if together:
        return 'several members fell silent together: looking once more'
    if host.unsure:
        return 'not every member that answers can say whether it lives'


def lease_objection(settings, view, host):
    """A4: why a host that no device proves off may still run its VMs."""
    if host.unsure:
        return 'not every member that answers can say whether %s lives' % host
    if host.lease is None and not settings.fence_ha_onfail:
        return '%s%s has not promised to stop its VMs' % (unproved_by(host), host)
    objection = host.lease is not None and voters_objection(settings, view)
    if objection:
        return objection
    reach, total = sworn_votes(view)
    tie = reach * 2 == total
    if tie and settings.fence_strict:
        return 'exactly half of the members answer and FENCE_STRICT=1 asks for proof'
    if tie and host.lease is not None and not host.tie:
        return '%s has not promised to stop its VMs in an exact half' % host
    wait = takeover_wait(settings, host)
    if tie and view.role != 'master':
        wait += settings.xapi_count * settings.xapi_delay
    if host.silence < wait:
        return 'waiting for %d s from its last answer%s' % (wait, {
            True: ' (FENCE_HA_ONFAIL=1)', False: ', as it promised'}[host.lease is None])


def unproved_by(host):
    """What was tried and proved nothing."""
    return {'': 'POOL proves nothing and '}.get(host.fence_failed,
                                                host.fence_failed + '; ')


def lease_proof(settings, host):
    if host.lease is None:
        return 'FENCE_HA_ONFAIL=1: %s' % (host.fence_failed or 'POOL proves nothing')
    return 'it promised to stop its VMs within %d s' % host.lease


def haste(settings, host):
    """Look again soon while only time is missing."""
    look = settings.xapi_count * settings.xapi_delay
    end = max(second_look(settings) + look, (host.lease or 0) + GUARD + look)
    return {True: 2, False: 0}[host.silence <= end]


def provers(settings):
    """The configured methods that can prove anything."""
    return [name for name in settings.fence_method if name != 'POOL']


def takeover_wait(settings, host):
    """Seconds after its last answer in which an isolated host has stopped its
    VMs (A4): the number it promised, else the same by our own settings."""
    if host.lease is not None:
        return host.lease + GUARD
    return sum(lease_of(settings, True)) + GUARD


# -- quorum: safety.md 3.3 ----------------------------------------------------

def quorum_objection(settings, view):
    """Why this host is not on the side that may act."""
    if not settings.fence_quorum_required:
        return None
    reach, total = votes(view)
    if reach * 2 < total:
        return 'fewer than half of the %d members answer' % total
    if reach * 2 == total:
        return tie_objection(settings, view)


def votes(view):
    """(members that answer, members): who is confirmed dead is none (R-7), and
    who is in maintenance may vote when it answers."""
    members = [host for host in view.hosts if not host.confirmed]
    return len([host for host in members if host.answers]), len(members)


def returned(view):
    """R-3: who left for maintenance, until all saw it come back.  It has no vote on a
    promise: the host that gave that may count on it, and keep its VMs."""
    return [host for host in view.hosts
            if host.answers and not host.votes and not host.confirmed]


def sworn_votes(view):
    """votes() on a promise."""
    reach, total = votes(view)
    return reach - len(returned(view)), total


def voters_objection(settings, view):
    """Why those that may vote on a promise are too few, also where no quorum is
    required: who is with the greater half does not stop."""
    reach, total = sworn_votes(view)
    why = 'fewer than half of the members may vote on a promise'
    if returned(view):
        why = '%s must not vote on a promise until all saw it come back from maintenance' % (
            names_of(returned(view)))
    if reach * 2 < total:
        return why
    if reach * 2 == total and tie_objection(settings, view):
        return '%s; %s' % (why, tie_objection(settings, view))


def pause_of(settings, view):
    """Look again soon while the master has just fallen silent."""
    return {True: 2, False: 0}[view.master.silence < second_look(settings)]


def is_tie(view):
    reach, total = votes(view)
    return reach * 2 == total


def tie_objection(settings, view):
    """Exactly half: the witness decides, and the side of the master first."""
    if not settings.fence_use_ip_heuristics:
        return 'exactly half of the members answer and FENCE_USE_IP_HEURISTICS=0'
    if not view.witness:
        return 'exactly half of the members answer and the witness does not'


def detection(settings):
    """Seconds after its last answer at which a member counts as silent."""
    return PROBE_TIMEOUT + settings.xapi_count * settings.xapi_delay


def second_look(settings):
    """Seconds of silence that are XAPI_COUNT x XAPI_DELAY more than "silent"."""
    return PROBE_TIMEOUT + 2 * settings.xapi_count * settings.xapi_delay


# -- clean-up -----------------------------------------------------------------

def clean_ups(settings, view):
    """R-12: power states, then locks, then xapi's own idea of a dead host."""
    actions = []
    for host in [each for each in view.others() if each.off]:
        ghosts = [vm for vm in residents(view, host) if not found_on(view, vm)]
        if ghosts:
            actions.extend([ResetPower(vm=vm, host=host) for vm in ghosts])
        elif not host.unlocked:
            actions.append(Unlock(host=host))
        elif not host.declared and not host.marked:
            actions.append(MarkDeclared(host=host))
        elif not host.declared:
            actions.append(DeclareDead(host=host))
        elif settings.fence_host_forget:
            actions.append(Forget(host=host))
    actions.extend([ResetPower(vm=vm, host=host) for vm, host in lost_starts(view)])
    return untried(view, actions)[:MOST_RESETS - count(view, ResetPower)]


def lost_starts(view):
    """[(Vm, Host)]: starts that a host has taken along into a reboot: xapi would
    wait for its answer for ever.  Its own list must be without the VM as well."""
    begun = [(vm, view.host(vm.starting)) for vm in view.vms if vm.busy and vm.boot]
    return [(vm, host) for vm, host in begun if host and has_rebooted(host, vm.boot)
            and not is_starting(view, vm) and not found_on(view, vm)]


def has_rebooted(host, boot):
    """By its own word, which tells of another boot and of what runs there."""
    return (host.answers and host.boot and host.domains is not None
            and host.boot != boot)


def found_on(view, vm):
    """A6: the live member whose own list has this VM, whatever the database says."""
    for host in view.hosts:
        if host.answers and not host.off and vm.uuid in (host.domains or ()):
            return host


def is_cleaning(actions):
    """A VM whose disks are still locked by a dead host would fail to start."""
    return bool([action for action in actions
                 if isinstance(action, ResetPower) or isinstance(action, Unlock)])


def chores(settings, view):
    """What can wait; one kind a round, so that a round stays cheap (R-10)."""
    if rewrites(view):
        return rewrites(view)
    if strays(view) and (view.recovered is None or view.recovered > RECALL):
        # R-8: an old master that is back, or a slave that missed the call.
        return untried(view, [RecoverSlaves()])
    if view.gathered and all([host.off or has_told(view, host) for host in view.others()]):
        return untried(view, [EndGathering()])
    healed = [host for host in view.others() if host.marked and is_settled(host)]
    if healed:
        return untried(view, [Enable(host=host) for host in healed if not host.enabled]
                       + [Unmark(host=host) for host in healed if host.enabled])
    wills = [NoteWill(vm=vm) for vm in view.vms if vm.meant and not vm.noted]
    wills += [ForgetWill(vm=vm) for vm in view.vms if vm.noted and vm.power == 'running']
    if untried(view, wills):
        return untried(view, wills)[:MOST_STAMPS]
    heir = choose_heir(view)
    if heir != view.heir:
        return untried(view, [NameHeir(heir=heir, name=heir_name(view, heir))])
    strangers = [vm for vm in view.vms if vm.power == 'running'
                 and vm.stamp != view.pool and not vm.busy]
    if strangers:
        return untried(view, [Stamp(vm=vm, pool=view.pool)
                              for vm in strangers[:MOST_STAMPS]])
    if view.sync:
        return untried(view, [SyncDatabase()])
    # R-9: FENCE_ACTION=reset is off, proved; on again comes last of all.
    if settings.fence_action == 'reset':
        back = untried(view, [PowerOn(host=host) for host in view.others()
                              if host.off and host.declared and not host.restarted])
        if back:
            return back
    return look_at_devices(view) or untried(view, [
        ShowHealth(host=host, health=health_of(view, host)) for host in view.hosts
        if host.health not in (None, health_of(view, host))][:1])


def has_told(view, host):
    """Does the database of this master know by now what that member runs?"""
    return (host.answers and host.role == 'slave:' + view.me.address
            and host.domains is not None
            and all([vm.host == host.uuid for vm in view.vms if vm.uuid in host.domains]))


def look_at_devices(view):
    """Once an hour each: the wrong password is found before the night."""
    return untried(view, [AskDevices(host=view.guard)] * (view.guard is not None))


def standing_warnings(settings, view):
    warnings = device_warnings(view)
    warnings.update(daemon_warnings(settings, view))
    return warnings


def daemon_warnings(settings, view):
    """S40, S41: a host that lives and is not looked after, nor looks after others.
    Of the master the first of its heirs tells, of the slaves the master."""
    mute = [host for host in view.others()
            if host.answers and host.mute > STABLE * settings.monitor_delay]
    if view.role != 'master':
        heirs = [uuid for uuid in view.heirs if uuid not in [host.uuid for host in mute]]
        mute = [host for host in mute if host is view.master and heirs[:1] == [view.me.uuid]]
    return dict([('peer-' + host.uuid, '%s lives and its HA daemon says nothing' % host)
                 for host in mute])


def device_warnings(view):
    warnings = {}
    for why in view.me.deaf.values():       # whose machine is my own device in?
        warnings['device-' + view.me.uuid] = why
    for host in view.others():
        for method, why in sorted(host.deaf.items()):
            warnings['device-%s-%s' % (host.uuid, method)] = (
                'the fence device of %s cannot be asked: %s: %s' % (host, method, why))
        for method, why in sorted(host.barred.items()):
            warnings['device-%s-%s' % (host.uuid, method)] = (
                'no fencing of %s through %s: %s' % (host, method, why))
    return warnings


def is_settled(host):
    """Back for good, and at nobody's order away.  One that has booted enables
    itself."""
    return (host.answers and not host.off and host.back >= host.settling
            and host.doing != 'starting' and not is_resting(host))


def health_of(view, host):
    """T20: what the custom field of a host shows."""
    if host is view.master:
        return 'master'
    return {True: 'failed', False: 'healthy'}[bool(host.off or host.silent)]


def choose_heir(view):
    """The slave that takes over from this master, kept as long as it is fit: one
    missed probe is no reason to choose another and tell everybody."""
    fit = [host for host in sorted(view.others(), key=lambda host: host.name)
           if host.enabled and not host.off and not host.silent
           and not is_resting(host)]
    if view.heir in [host.uuid for host in fit]:
        return view.heir
    return ([host.uuid for host in fit if host.answers] + ['none_available'])[0]


def heir_name(view, uuid):
    return str(view.host(uuid) or 'nobody')


def heir_warnings(view):
    if len(view.hosts) > 1 and choose_heir(view) == 'none_available':
        return {'no-heir': 'no slave could replace this master'}
    return {}


# -- VMs ----------------------------------------------------------------------

def managed_objection(settings, view, vm):
    """Why HA is not in charge of a VM."""
    if settings.op_mode == 1:
        if not vm.appliance:
            return 'it is in no appliance (OP_MODE=1)'
        if vm.appliance in settings.disabled_vapps:
            return 'its appliance is in DISABLED_VAPPS'
        return None
    if not settings.global_vm_ha and vm.field != 'true':
        return 'its field %s is %s (GLOBAL_VM_HA=0)' % (
            settings.xc_field_name, printable(vm.field, 40) or 'unset')


def start_objection(settings, view, vm):
    """Why a VM is not started now."""
    if vm.power != 'halted':
        return 'it is %s' % (vm.power or 'unknown to us')
    if vm.busy:
        return 'xapi is at work on it'
    objection = managed_objection(settings, view, vm)
    if objection:
        return objection
    if vm.meant:
        return 'somebody shut it down'
    if vm.ran is not None:
        return 'why it is down is not known yet'
    # T21: a copy left by a migration to another pool, or a VM that its owner
    # has not finished making, was never seen running here.
    if vm.stamp != view.pool:
        return 'it was never seen running in this pool'
    if vm.wait > 0:
        return 'its last start failed: ' + vm.error
    return elsewhere_objection(view, vm)


def elsewhere_objection(view, vm):
    """A6: why this VM may be running although the database says that it is not."""
    host = found_on(view, vm)
    if host:
        return 'it runs on %s' % host
    # A live member whose list cannot be had blocks what it was last known to run.
    host = view.host(view.placed.get(vm.uuid))
    if host and host.domains is None and not host.off and host is not view.me:
        return '%s ran it last and does not tell what runs there' % host


def decide_starts(settings, view):
    """A Plan to start what is down; without a reason when nothing is."""
    warnings = vm_warnings(settings, view)
    questions = questions_of(settings, view)
    if questions:
        return Plan('VMs are down', questions, warnings)
    down = [vm for vm in view.vms if not start_objection(settings, view, vm)
            and not is_starting(view, vm) and not is_tried(view, vm)]
    if not down:
        return Plan('', [], warnings)
    if view.promoted and not settings.slave_ha:
        return Plan('not starting VMs: SLAVE_HA=0 on a promoted master', [], warnings)
    away = [host.name for host in view.others() if not host.answers and not host.off]
    if view.gathered and away:
        # Its database may be older than what those hosts were given to run.
        return Plan('not starting VMs: this master was called late and %s is not '
                    'proved off' % ', '.join(away), [], warnings)
    starts, remarks = placements(view, sorted(down, key=start_order))
    # What would find no place on any storage is no reason to look it up, each round.
    if starts and not view.storage:
        return Plan('VMs are down', untried(view, [LookAtStorage()]), warnings)
    order = lowest_order(view, starts)
    room = max(0, settings.start_parallel - count(view, StartVm))
    return Plan('; '.join(['VMs are down'] + remarks),
                [start for start in starts if start.vm.order <= order][:room], warnings)


def questions_of(settings, view):
    """A15: before a VM is started again, why is it down?"""
    down = [vm for vm in view.vms if vm.ran is not None and vm.power == 'halted'
            and not vm.busy and not managed_objection(settings, view, vm)]
    room = max(0, settings.start_parallel - count(view, AskWhyDown))
    return untried(view, [AskWhyDown(vm=vm) for vm in down])[:room]


def start_order(vm):
    return vm.order, vm.name, vm.uuid


def lowest_order(view, starts):
    """The `order` that may start now.  Lower ones start first; what finds no
    host, or hangs, does not hold the others for ever."""
    orders = [start.vm.order for start in starts]
    for action, seconds in view.busy.items():
        if (isinstance(action, StartVm)
                and seconds < ORDER_PATIENCE + 2 * action.vm.delay):
            orders.append(action.vm.order)
    return (sorted(orders) + [0])[0]


def is_starting(view, vm):
    return bool([action for action in view.busy
                 if isinstance(action, StartVm) and action.vm.uuid == vm.uuid])


def is_tried(view, vm):
    """A start that was tried this round, wherever, waits for the next one."""
    return 'start ' + vm.uuid in view.tried


def vm_warnings(settings, view):
    warnings = {}
    for vm in view.vms:
        if (vm.field not in ('', 'true', 'false') and settings.op_mode != 1
                and not settings.global_vm_ha):
            warnings['vm-field-' + vm.uuid] = (
                'the field %s of VM %s is neither true nor false: it is not managed'
                % (settings.xc_field_name, vm))
        if vm.wait > 0 and vm.power == 'halted':
            warnings['vm-start-' + vm.uuid] = 'VM %s (%s) does not start: %s' % (
                vm, vm.uuid, vm.error)
    return warnings


def placements(view, vms):
    """([StartVm], [what found no place]): the emptiest host that can run each."""
    free = free_memory(view)
    starts, remarks = [], []
    for vm in vms:
        refusals = [(host, host_objection(host, vm, free)) for host in view.hosts]
        fit = [each for each, why in refusals if not why]
        if not fit:
            remarks.append('no host can run %s: %s' % (vm, '; '.join(
                ['%s %s' % refusal for refusal in refusals])))
            continue
        host = emptiest(fit, vm, free)
        free[host.uuid] -= vm.memory
        starts.append(StartVm(vm=vm, host=host))
    return starts, remarks


def emptiest(hosts, vm, free):
    """Where a VM likes to be, else where most memory is left.  One whose disks a
    host still marks as in use starts on that host alone, and xapi does not say
    which: each in its turn."""
    if vm.locked:
        return sorted(hosts, key=lambda host: host.name)[vm.failures % len(hosts)]
    # Of a start that a reboot takes along there, nobody would tell.
    return sorted(hosts, key=lambda host: (host.domains is None, host.uuid != vm.affinity,
                                           -free[host.uuid], host.name))[0]


def host_objection(host, vm, free):
    """Why a VM cannot run on a host: for us, not for the database alone."""
    if host.off or not host.answers:
        return 'does not answer'
    if host.maintenance:
        return 'is in maintenance'
    if not host.enabled:
        return 'is disabled'
    if not host.live:
        return 'is not live for xapi'
    if host.back < host.settling:
        return 'has only just come back'
    if host.falls >= MOST_FALLS:
        return 'fell silent %d times within the hour' % host.falls
    missing = [sr for sr in vm.srs if sr not in host.srs]
    if missing:
        return 'lacks SR %s' % missing[0]
    if vm.memory > free[host.uuid]:
        return 'has too little memory'


def free_memory(view):
    """Bytes that each host has left, starts under way included."""
    free = dict([(host.uuid, host.memory_total - host.memory_overhead)
                 for host in view.hosts])
    taken = [(vm.host, vm.memory) for vm in view.vms if vm.power in ('running', 'paused')]
    taken.extend([(action.host.uuid, action.vm.memory) for action in view.busy
                  if isinstance(action, StartVm)])
    for uuid, memory in taken:
        if uuid in free:
            free[uuid] -= memory
    return free


# -- what is done once --------------------------------------------------------

def untried(view, actions):
    """Those that are neither under way nor were tried this round."""
    return [action for action in unless_busy(view, actions)
            if action.key() not in view.tried]


def unless_busy(view, actions):
    busy = [action.key() for action in view.busy]
    return [action for action in actions if action.key() not in busy]


def count(view, kind):
    return len([action for action in view.busy if isinstance(action, kind)])


###############################################################################
# Actions #####################################################################
###############################################################################
# Each says in one line what it is -- for the log, the journal, the scenarios
# -- and either does it at once (`do`) or names the command that does it in a
# child of its own (`argv`, then `done` with the Result).  Both return None,
# or why it did not work.

class Action(Record):
    """`function`: whose LOG_ and MAIL_ switch it obeys, by 1.8's names."""
    function = 'vm_mon'
    refreshes = True                # what xapi tells has changed: ask it again
    quiet = False                   # a healthy round of it leaves no line (R-10)

    def key(self):
        """What counts as the same action within a round."""
        return str(self)

    def argv(self, site):
        return None

    def seconds(self, site):
        """The deadline of the command."""
        return site.settings.xe_timeout

    def done(self, site, result):
        return why_failed(result)

    def do(self, site):
        raise NotImplementedError


class XeAction(Action):
    """An action that is one xe command."""

    def argv(self, site):
        return xe_argv(*self.xe(site))

    def seconds(self, site):
        return max(LONG_XE, site.settings.xe_timeout)

    def xe(self, site):
        """(command, name=value, ...)"""
        raise NotImplementedError


# -- proof --------------------------------------------------------------------

class Fence(Action):
    """`deaf`: it lives, and only its xapi does not answer (R-6)."""
    fields = {'host': None, 'deaf': False}
    function = 'fence_host'
    refreshes = False

    def __str__(self):
        return 'fence %s' % self.host

    def argv(self, site):
        return own_argv({True: 'fence-deaf', False: 'fence'}[self.deaf], self.host.uuid)

    def seconds(self, site):
        return 30 + fence_seconds(site.dom0, site.settings, self.host)

    def done(self, site, result):
        said, more = (result.output.strip().split('\n', 1) + [''])[:2]
        said = printable(said, 300) or why_failed(result)
        if result:
            return site.proved(self.host, said)
        if result.status == BESIDE:
            return site.half_proved(self.host, said, more.split())
        if result.status == WRONG:
            site.notes['barred.%s.%s' % (self.host.uuid, more)] = (
                'it read off and %s answered: it is that of another machine, or lies' % self.host)
        if result.status == UNPROVED:
            site.notes['unproved.' + self.host.uuid] = '1'
        site.back_off('fence', self.host.uuid, said)
        return said


class TakeOver(Action):
    fields = {'host': None, 'why': ''}
    function = 'fence_host'
    refreshes = False

    def __str__(self):
        return 'take over from %s without a device' % self.host

    def do(self, site):
        # A13: a host that answers again has its VMs.
        if site.dom0.answering([self.host.address], LAST_LOOK):
            return '%s answers again' % self.host
        return site.proved(self.host, self.why)


class AskDevices(Action):
    fields = {'host': None}
    function = 'fence_host'
    refreshes, quiet = False, True

    def __str__(self):
        return 'ask the fence devices of %s' % self.host

    def argv(self, site):
        return own_argv('devices', self.host.uuid)

    def seconds(self, site):
        return 30 + fence_seconds(site.dom0, site.settings, self.host)

    def done(self, site, result):
        site.note_devices(self.host, result)


class PowerOn(Action):
    fields = {'host': None}
    function = 'fence_host'
    refreshes = False

    def __str__(self):
        return 'switch %s on again' % self.host

    def argv(self, site):
        return own_argv('power-on', self.host.uuid)

    def seconds(self, site):
        return 30 + fence_seconds(site.dom0, site.settings, self.host)

    def done(self, site, result):
        site.notes['restarted.' + self.host.uuid] = '1'     # once: not for ever
        return why_failed(result)


# -- mastership ---------------------------------------------------------------

class Promote(Action):
    fields = {'master': None}
    function = 'promote_slave'

    def __str__(self):
        return 'become master'

    def do(self, site):
        # A13: the last look before the step that cannot be taken back.
        if site.dom0.answering([self.master.address], LAST_LOOK):
            return 'master %s answers again' % self.master
        site.notes['promotion'] = site.now_text()
        site.note_placements()
        result = site.dom0.run(xe_argv('pool-emergency-transition-to-master'),
                               site.settings.xe_timeout)
        if not result:
            del site.notes['promotion']
        return why_failed(result)


class RecoverSlaves(XeAction):
    function = 'promote_slave'

    def __str__(self):
        return 'tell the slaves who is master now'

    def xe(self, site):
        site.notes['recovered'] = site.now_text()
        return ('pool-recover-slaves',)


class Gather(RecoverSlaves):
    def __str__(self):
        return 'call the members that have no master'

    def xe(self, site):
        site.notes['gathered'] = '1'
        return RecoverSlaves.xe(self, site)


class EndPromotion(Action):
    function = 'promote_slave'

    def __str__(self):
        return 'take charge of the pool'

    def do(self, site):
        del site.notes['promotion']
        site.notes['promoted'] = '1'
        site.notes['placed_until'] = '%.1f' % (
            site.dom0.now() + 2 * site.settings.monitor_delay)


class EndGathering(Action):
    function = 'promote_slave'
    refreshes = False

    def __str__(self):
        return 'note that each member has told what it runs'

    def do(self, site):
        del site.notes['gathered']


class NameHeir(XeAction):
    fields = {'heir': '', 'name': ''}
    function = 'autoselect_slave'

    def __str__(self):
        return 'name %s as the one to replace this master' % self.name

    def xe(self, site):
        site.forget_sync()
        return ('pool-param-set', 'uuid=' + site.facts.pool,
                'other-config:autopromote_uuid=' + self.heir)


class SyncDatabase(XeAction):
    function = 'write_pool_state'
    refreshes = False

    def __str__(self):
        return 'refresh the databases of the slaves'

    def xe(self, site):
        site.note_sync()
        return ('pool-sync-database',)


# -- clean-up -----------------------------------------------------------------

class ResetPower(XeAction):
    fields = {'vm': None, 'host': None}
    function = 'get_vms_on_host'
    refreshes = False

    def __str__(self):
        return 'reset the power state of %s' % self.vm

    def key(self):
        return 'reset ' + self.vm.uuid

    def xe(self, site):
        return 'vm-reset-powerstate', 'uuid=' + self.vm.uuid, '--force'

    def done(self, site, result):
        if result:
            del site.notes['starting.' + self.vm.uuid]
            return site.facts.place(self.vm.uuid, 'halted', '')
        site.doubt(self.host, result)
        return why_failed(result)


class Unlock(Action):
    fields = {'host': None}
    function = 'get_vms_on_host'

    def __str__(self):
        return 'clear the storage locks of %s' % self.host

    def argv(self, site):
        return own_argv('unlock', self.host.uuid)

    def seconds(self, site):
        return LONG_XE

    def done(self, site, result):
        if result:
            site.notes['unlocked.' + self.host.uuid] = '1'
            # What failed for a lock may be tried at once.
            for uuid in site.notes.about('start'):
                site.forget_back_off('start', uuid)
        return why_failed(result)


class MarkDeclared(XeAction):
    """Before it is declared dead: whoever is master later must know that nobody
    wanted that host to be disabled."""
    fields = {'host': None}
    function = 'get_vms_on_host'

    def __str__(self):
        return 'note that %s was taken for dead' % self.host

    def xe(self, site):
        return ('host-param-set', 'uuid=' + self.host.uuid,
                'other-config:%s=true' % DECLARED_MARK)


class Enable(XeAction):
    """A host that was declared dead and never rebooted stays disabled: xe.md 7.5."""
    fields = {'host': None}
    function = 'check_slave_status'

    def __str__(self):
        return 'enable %s again' % self.host

    def xe(self, site):
        return 'host-enable', 'uuid=' + self.host.uuid


class Unmark(XeAction):
    fields = {'host': None}
    function = 'check_slave_status'

    def __str__(self):
        return 'note that %s is alive' % self.host

    def xe(self, site):
        return ('host-param-remove', 'uuid=' + self.host.uuid,
                'param-name=other-config', 'param-key=' + DECLARED_MARK)


class DeclareDead(XeAction):
    fields = {'host': None}
    function = 'get_vms_on_host'

    def __str__(self):
        return 'tell xapi that %s is dead' % self.host

    def xe(self, site):
        return 'host-declare-dead', 'uuid=' + self.host.uuid, '--force'

    def done(self, site, result):
        # XenServer 6.1 does not know the command: everything is done already.
        if result or kind_of(result) == 'unknown-command':
            site.notes['declared.' + self.host.uuid] = '1'
            return None
        site.doubt(self.host, result)
        return why_failed(result)


class Forget(XeAction):
    fields = {'host': None}
    function = 'fence_host'

    def __str__(self):
        return 'forget %s (FENCE_HOST_FORGET=1)' % self.host

    def xe(self, site):
        return 'host-forget', 'uuid=' + self.host.uuid, '--force'


# -- VMs ----------------------------------------------------------------------

class LookAtStorage(Action):
    refreshes = False

    def __str__(self):
        return 'look up which host has which storage'

    def do(self, site):
        return site.look_at_storage()


class AskWhyDown(XeAction):
    """A15.  xapi writes VM_SHUTDOWN only for what somebody told it to shut down:
    neither for a guest that ends by itself nor for one that crashes."""
    fields = {'vm': None}
    refreshes = False

    def __str__(self):
        return 'ask why %s is down' % self.vm

    def key(self):
        return 'ask ' + self.vm.uuid

    def xe(self, site):
        return ('message-list', 'name=VM_SHUTDOWN', 'obj-uuid=' + self.vm.uuid,
                'params=uuid,timestamp')

    def done(self, site, result):
        records, _, why = parse_records(result.output, ('uuid', 'timestamp'))
        if not result or why:
            return why_failed(result) or why
        del site.notes['ran.' + self.vm.uuid]
        if [record for record in records if moment_of(record['timestamp']) >= int(self.vm.ran)]:
            site.notes['meant.' + self.vm.uuid] = '1'
            site.journal.say('note', 'somebody shut %s down: it is not started again'
                             % self.vm, self.function)


class NoteWill(XeAction):
    """xapi's messages stay on the master; the database reaches the next one."""
    fields = {'vm': None}
    refreshes = False

    def __str__(self):
        return 'note that %s is to stay down' % self.vm

    def key(self):
        return 'will ' + self.vm.uuid

    def xe(self, site):
        return 'vm-param-set', 'uuid=' + self.vm.uuid, 'other-config:%s=true' % WILL_MARK


class ForgetWill(NoteWill):
    def __str__(self):
        return 'note that %s runs again' % self.vm

    def xe(self, site):
        return ('vm-param-remove', 'uuid=' + self.vm.uuid, 'param-name=other-config',
                'param-key=' + WILL_MARK)


class StartVm(XeAction):
    fields = {'vm': None, 'host': None}
    refreshes = False

    def __str__(self):
        return 'start %s on %s' % (self.vm, self.host)

    def key(self):
        return 'start ' + self.vm.uuid

    def xe(self, site):
        site.notes['starting.' + self.vm.uuid] = ('%s %s' % (self.host.uuid, self.host.boot)).strip()
        return 'vm-start', 'uuid=' + self.vm.uuid, 'on=' + self.host.uuid

    def seconds(self, site):
        return START_LIMIT + 2 * self.vm.delay

    def done(self, site, result):
        if result.status == TIMED_OUT:
            site.stale = True           # it may go on for ever: xapi tells whether it does
        else:
            del site.notes['starting.' + self.vm.uuid]
        if result or kind_of(result) == 'running':
            self.needless = not result      # another host has started it
            site.forget_back_off('start', self.vm.uuid)
            site.facts.place(self.vm.uuid, 'running', self.host.uuid)
            return None
        site.back_off('start', self.vm.uuid, why_failed(result))
        return why_failed(result)


class Stamp(XeAction):
    fields = {'vm': None, 'pool': ''}
    refreshes = False

    def __str__(self):
        return 'note that %s runs in this pool' % self.vm

    def key(self):
        return 'stamp ' + self.vm.uuid

    def xe(self, site):
        return ('vm-param-set', 'uuid=' + self.vm.uuid,
                'other-config:%s=%s' % (STAMP, self.pool))


# -- this host ----------------------------------------------------------------

class StopVm(Action):
    fields = {'vm': None}

    def __str__(self):
        return 'stop %s here: it runs elsewhere' % self.vm

    def argv(self, site):
        return destroy_argv(site.domains().get(self.vm.uuid, ''))


class RestartToolstack(Action):
    function = 'check_xapi'

    def __str__(self):
        return 'restart the toolstack of this host'

    def argv(self, site):
        site.notes['xapi_restarted'] = site.now_text()
        return ['xe-toolstack-restart']

    def seconds(self, site):
        return LONG_XE


class SwitchOff(XeAction):
    function = 'check_ha_enabled'

    def __str__(self):
        return 'switch HA off'

    def xe(self, site):
        return write_flag(site, 'false', site.picture.flag_number + 1)

    def done(self, site, result):
        if result:                          # the next decision is that HA is off
            announce(site, 'xenserver-ha', 'XenServer HA is on: this HA has switched '
                     'itself off')
        return why_failed(result)


class WriteFlag(XeAction):
    fields = {'text': '', 'number': 0}
    function = 'check_ha_enabled'

    def __str__(self):
        return 'note in the database that HA is %s, by switch %d' % ({
            'true': 'on', 'false': 'off'}.get(self.text, printable(self.text, 40)),
            self.number)

    def xe(self, site):
        return write_flag(site, self.text, self.number)


class TakeUpWork(Action):
    function = 'check_xapi'
    refreshes = False

    def __str__(self):
        return 'take up work'

    def do(self, site):
        site.notes['ready'] = site.now_text()


def write_flag(site, text, number):
    return ('pool-param-set', 'uuid=' + site.facts.pool,
            'other-config:%s=%s' % (field_key(site.settings), text),
            'other-config:%s=%d' % (FLAG_NUMBER, number))


class Suspend(Action):
    fields = {'why': '', 'reboot': False}
    function = 'fence_host'
    refreshes = False

    def __str__(self):
        if self.reboot:
            return 'suspend HA on this host and reboot it'
        return 'suspend HA on this host'

    def do(self, site):
        # Noted first: a reboot without the note would be a reboot for ever.
        site.notes['suspended'] = self.why
        why = site.notes.save()
        if self.reboot and not why:
            site.dom0.reboot()
        return why


class Resume(Action):
    function = 'fence_host'
    refreshes = False

    def __str__(self):
        return 'lift the suspension of HA on this host'

    def do(self, site):
        del site.notes['suspended']


class RebootLonely(Action):
    function = 'fence_host'

    def __str__(self):
        return 'reboot this host'

    def do(self, site):
        site.notes['lonely'] = '1'
        announce(site, 'lonely', '%s rebooted because no other member answered'
                 % host_name(site))
        why = site.notes.save()
        if not why:
            site.dom0.reboot()
        return why


###############################################################################
# Dom0: the only code that touches the machine ################################
###############################################################################
# The simulator has a class with the same methods; everything else in this
# file runs there unchanged.  Every wait has an end here, and every child is
# reaped or remembered.

#: Where the tools of a dom0 are: an init script has a shorter PATH.
FULL_PATH = ('/opt/xensource/bin:/usr/sbin:/usr/bin:/sbin:/bin:'
             '/usr/local/sbin:/usr/local/bin')
#: A place for HOME: `xe` obeys $HOME/.xe, and nobody keeps one here.
NO_HOME = '/var/empty'
#: What a link that leads out of the root of a test becomes.
NOWHERE = '/dev/null/outside-of-HA_LIZARD_ROOT'
#: What is read outside of it all the same.
OWN_PROC = re.compile(r'/proc/(uptime$|self/|\d+/)')
#: The most that a child may say: a dom0 can have 750 MB for everything.
MOST_OUTPUT = 16 * 1024 * 1024

#: Seconds that a new process may be silent before it makes a promise.
FIRST_PROMISE = 60

PORTS = (443, 80, 22)           # xapi's TLS, xapi, ssh: one of them listens
ICMP_ALONE = 0.9                # seconds until TCP is tried as well


class Dom0(object):
    """This machine.  With HA_LIZARD_ROOT, what is below that folder."""
    http_port, https_port = 80, 443

    def __init__(self):
        self.root = root_of_paths(os.environ.get('HA_LIZARD_ROOT'))
        # Our parent may have ignored the death of its children; the kernel
        # would throw the status of ours away.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.address, self.port = place_in_a_test(self.root)
        if self.port:
            self.http_port = self.https_port = self.port
        self.prober, self.syslog = self.new_prober(), Syslog()
        self.pinger, self.dog = self.new_prober(()), Stoppers(self)
        self.wire = Wire(self.address, self.port)
        self.promises = None            # in a child: a pipe to the parent

    def begin_anew(self, promises):
        """In a child: the sockets of the parent are not ours."""
        self.close()
        self.prober, self.pinger = self.new_prober(), self.new_prober(())
        self.wire = Wire(self.address, self.port)
        self.dog.forget()
        self.promises = promises

    def close(self):
        self.prober.close()
        self.pinger.close()
        self.wire.close()
        self.syslog.close()

    # -- time -----------------------------------------------------------------

    def now(self):
        """Seconds since boot."""
        return clock()

    def wall(self):
        """Seconds since 1970, which can jump: for texts only."""
        return time.time()

    def sleep(self, seconds):
        """Sleep that long, whatever signals arrive."""
        end = clock() + seconds
        while seconds > 0:
            try:
                time.sleep(min(seconds, 0.5))
            except EnvironmentError:            # a signal, on Python 2
                pass
            seconds = end - clock()

    # -- processes ------------------------------------------------------------

    def begin(self, argv, timeout, feed='', env=None, password=None):
        """Start a child and do not wait: a Job, already ended if it could not
        be started.  `password` is typed when the child asks its terminal."""
        job = Job(argv, clock() + timeout, feed, password)
        job.start(self.environment(env))
        return job

    def ended(self, jobs, seconds):
        """Those of `jobs` that have ended; waits for the first of them."""
        end, pause = clock() + seconds, 0.001
        while True:
            for job in jobs:
                job.look()
            done = [job for job in jobs if job.result is not None]
            left = end - clock()
            if done or not jobs or left <= 0:
                return done
            # A child that closed its pipes ends without waking anyone.
            if wait_for(jobs, min(pause, left)):
                pause = 0.001
            else:
                pause = min(pause * 2, 0.05)

    def run(self, argv, timeout, feed='', env=None, password=None):
        """Run a child to its end, `timeout` seconds at most: its Result."""
        job = self.begin(argv, timeout, feed, env, password)
        self.complete([job])
        return job.result

    def complete(self, jobs):
        """Wait until all of `jobs` have ended, or their deadlines did it."""
        while jobs:
            self.ended(jobs, 60)
            jobs = [job for job in jobs if job.result is None]

    def abandon(self, job):
        """Kill a child whose end nobody waits for any more."""
        if job.result is None:
            job.kill(TIMED_OUT)

    def environment(self, more=None):
        """The environment of a child, made from nothing."""
        chosen = dict([(name, os.environ[name]) for name in os.environ
                       if name.startswith('HA_LIZARD_')])
        chosen.update({'PATH': FULL_PATH, 'HOME': NO_HOME, 'LC_ALL': 'C'})
        if self.root:
            chosen['PATH'] = os.environ.get('PATH', FULL_PATH)
        chosen.update(more or {})
        return chosen

    def spawn(self, work):
        """Run work() in a process of its own, which leads a session: a Child."""
        return Child(self, work)

    def promise(self, seconds):
        """Said in a child: the parent need not hear of it for `seconds`."""
        self.tell_parent('promise %.2f\n' % (clock() + seconds), 0)

    def confide(self, text):
        """Said in a child: what the parent is to remember, instead of a disk."""
        self.tell_parent('memory %s\n' % escape(text), 10)

    def tell_parent(self, line, patience):
        """Through a pipe, which the parent empties with each of its looks."""
        data, end = to_bytes(line), clock() + patience
        while data and self.promises is not None:
            try:
                data = data[steadily(os.write, self.promises, data):]
            except EnvironmentError:            # it is full, or nobody listens
                if caught().errno != errno.EAGAIN or clock() >= end:
                    break
                time.sleep(0.05)

    # -- network --------------------------------------------------------------

    def new_prober(self, ports=PORTS, patience=ICMP_ALONE):
        if self.port:
            return Prober((self.port,), 0, icmp=False)
        return Prober(ports, patience)

    def probe(self, addresses, witnesses=()):
        """Those that gave a sign of life since the last call; a witness must
        answer a ping.  Asks them all again and does not wait."""
        alive = self.prober.gather() | self.pinger.gather()
        self.prober.ask(addresses)
        self.pinger.ask(witnesses)
        return alive

    def tell(self, packets):
        """Send {address: text} to the watchers there; what cannot be sent is
        lost, as any datagram may be."""
        self.wire.send(packets)

    def heard(self):
        """[(address, text)] of the datagrams since the last call."""
        return self.wire.receive()

    def guard(self, seconds):
        """Have this host reset unless guard() is called again within `seconds`;
        None: not any more.  None, or why nothing would do it."""
        return self.dog.feed(seconds)

    def answering(self, addresses, seconds, ports=PORTS):
        """Those addresses and names that give a sign of life in `seconds`."""
        end = clock() + seconds
        numbers = self.numeric(addresses, seconds / 2.0)
        prober = self.new_prober(ports, min(ICMP_ALONE, seconds / 2.0))
        try:
            alive = prober.answering(set(numbers.values()), end)
        finally:
            prober.close()
        return set([name for name in numbers if numbers[name] in alive])

    def numeric(self, names, seconds):
        """{name: address} of those names that are addresses or have one."""
        known = dict([(name, name) for name in names if place_of(name)])
        # A resolver can take a minute: it gets a process with a deadline.
        jobs = [self.begin(['getent', 'ahosts', name], seconds)
                for name in sorted(names)
                if name not in known and re.match(r'[A-Za-z0-9_][\w.-]*$', name)]
        self.complete(jobs)
        for job in jobs:
            if job.result and job.result.output.split():
                known[job.argv[-1]] = job.result.output.split()[0]
        return known

    def roles(self, addresses, seconds):
        """{address: 'master' or 'slave:ADDRESS'} as the xapi of each tells.

        It is asked for a login that must fail.  A slave says at once whom it
        follows; a master sleeps 5 s over a wrong password before it answers.
        """
        end = clock() + seconds
        talks = [Talk(address, self.http_port)
                 for address in sorted(addresses) if place_of(address)]
        open_talks, jobs = talks, []
        while open_talks and clock() < end:
            wait_for(open_talks, min(0.1, max(end - clock(), 0)))
            for talk in open_talks:
                talk.look()
            jobs += [(talk.address, self.talk_with_tls(talk.address, end))
                     for talk in open_talks if talk.wants_tls()]
            open_talks = [talk for talk in open_talks if not talk.ended]
        self.complete([job for _, job in jobs])
        said = [(talk.address, talk.close()) for talk in talks]
        said += [(address, job.result.output) for address, job in jobs]
        return dict([(address, role_in(text)) for address, text in said
                     if role_in(text)])

    def talk_with_tls(self, address, end):
        # No Python before 2.6 speaks TLS; curl is on every dom0.  Its -q must
        # come first: the .curlrc of some forbids old ciphers.
        return self.begin(
            ['curl', '-q', '-k', '-s', '-g', '-H', 'Content-Type: text/xml',
             '--data-binary', '@-',
             'https://%s:%d/' % (in_url(address), self.https_port)],
            end - clock(), feed=LOGIN)

    # -- files ----------------------------------------------------------------

    def path(self, path):
        """Where `path` is: below the root of a test, if there is one."""
        if not self.root:
            return path
        place = self.root + os.path.normpath('/' + path.lstrip('/'))
        if not os.path.realpath(place).startswith(self.root + '/'):
            return NOWHERE + path
        return place

    def read(self, path, default=None):
        """The text of a file, or `default` if it cannot be read."""
        if not OWN_PROC.match(os.path.normpath(path)):
            path = self.path(path)
        return read_file(path, default)

    def write(self, path, text, mode=PUBLIC):
        """Replace a file, whole or not at all: None, or why not."""
        place = self.path(path)
        return folder_objection(place) or write_file(place, text, mode)

    def append(self, path, text, mode=PRIVATE):
        """Add to the end of a file: None, or why not."""
        place = self.path(path)
        return folder_objection(place) or append_file(place, text, mode)

    def remove(self, path):
        """Remove a file: None, also if there was none, or why not."""
        return remove_file(self.path(path))

    # -- log and end ----------------------------------------------------------

    def log(self, text, priority='info'):
        """A line of syslog for each line of `text`.  Never waits long."""
        for line in text.split('\n'):
            if line.strip():
                line = '%s ha-lizard: %s' % (
                    time.strftime('%b %e %H:%M:%S'), printable(line, 2000))
                if self.root:
                    self.append('/var/log/messages', line + '\n')
                else:
                    self.syslog.tell(line, priority)

    def reboot(self):
        """Reboot at once and never return.  No sync: on dead storage it
        would hang, and this host must not write another byte."""
        while True:
            why = self.press_sysrq('b')
            # Still here: the kernel did not listen.
            if why or not self.root:
                self.run([self.path('/sbin/reboot'), '-f', '-n'], 10)
            if self.root:
                raise SystemExit('reboot within %s' % self.root)
            self.sleep(5)

    def press_sysrq(self, key):
        path, how = self.path('/proc/sysrq-trigger'), os.O_WRONLY
        if self.root:
            how |= os.O_CREAT | os.O_APPEND
        try:
            write_to(path, how, key)
        except EnvironmentError:
            return '%s: %s' % (path, reason(caught()))


def root_of_paths(folder):
    """HA_LIZARD_ROOT without links; '' if it is not set.

    A script that sets it from an empty variable would reboot a real machine:
    that is refused.
    """
    if folder is None:
        return ''
    root = os.path.realpath(folder)
    if not folder.startswith('/') or not root.strip('/'):   # 2.4 may answer //
        raise ValueError('HA_LIZARD_ROOT must be the full path of a folder '
                         'other than /, not %r' % folder)
    return root


def place_in_a_test(root):
    """(own address, port) of HA_LIZARD_PLACE, ('', 0) on a real machine.

    The hosts of a test have addresses on loopback, where the kernel answers
    each ping itself: one port, TCP and UDP, stands for all of another host.
    """
    words = os.environ.get('HA_LIZARD_PLACE', '').split(':')
    if not root or len(words) != 2:
        return '', 0
    return words[0], int(words[1])


def folder_objection(path):
    """Make the folder of a file if it is missing: None, or why not."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        try:
            os.makedirs(folder, PROGRAM)
        except EnvironmentError:
            return '%s: %s' % (folder, reason(caught()))


class Syslog(object):
    """The syslog of this machine.

    The C library's syslog() blocks for as long as the daemon behind it hangs,
    and a watcher that blocks is a dead watcher.  This one drops lines.
    """
    path, patience = '/dev/log', 0.2

    def __init__(self):
        self.link = None

    def tell(self, line, priority):
        name = {'error': 'err'}.get(priority, priority).upper()
        level = getattr(syslog, 'LOG_' + name, syslog.LOG_INFO)
        data = to_bytes('<%d>%s' % (syslog.LOG_USER | level, line))
        if not self.attempt(data):
            self.patience = 0.0                 # wait once, not at each line
            self.attempt(data)                  # it may have been restarted

    def attempt(self, data):
        try:
            if self.link is None:
                self.link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self.link.connect(self.path)
            self.link.settimeout(self.patience)
            self.link.send(data)
            self.patience = Syslog.patience
            return True
        except (EnvironmentError, socket.error):
            self.close()

    def close(self):
        if self.link is not None:
            self.link.close()
            self.link = None


# -- children -----------------------------------------------------------------

class Job(object):
    """A program under way.  `result` is None while it runs."""
    unburied = []               # killed, but asleep in the kernel: reaped later

    def __init__(self, argv, deadline, feed='', password=None):
        self.argv, self.deadline, self.result = argv, deadline, None
        self.unsent, self.password, self.prompts = to_bytes(feed), password, 0
        self.pid, self.size = None, 0
        self.pipes, self.kept = {}, []          # our ends; what is kept open
        self.said = {'output': [], 'errors': [], 'terminal': []}

    # A fork of our own instead of subprocess: on 2.4 a signal inside Popen()
    # loses the child, and here the process is known as soon as it exists.

    def start(self, environment):
        self.bury()
        theirs = []
        try:
            try:
                self.open_pipes(theirs)
                self.pid = os.fork()
                if self.pid == 0:
                    become(self.argv, environment, theirs, self.kept)
                self.feed()
            except EnvironmentError:
                self.finish(NOT_FOUND, reason(caught()))
        finally:
            for fd in theirs:
                os.close(fd)

    def open_pipes(self, theirs):
        if self.unsent:
            self.add_pipe('feed', theirs, *os.pipe())
        else:
            theirs.append(os.open(os.devnull, os.O_RDONLY))
        for name in 'output', 'errors':
            ours, other = os.pipe()
            self.add_pipe(name, theirs, other, ours)
        if self.password is not None:
            ours, other = os.openpty()
            # Kept open by us: ssh closes what it does not know, and a
            # terminal that nobody has open is taken away.
            self.add_pipe('terminal', self.kept, other, ours)
            set_silent(other)

    def add_pipe(self, name, list_of_theirs, other, ours):
        list_of_theirs.append(other)
        self.pipes[name] = ours
        unblock(ours)

    def reading(self):
        return [self.pipes[name] for name in self.pipes if name != 'feed']

    def writing(self):
        return [self.pipes[name] for name in self.pipes if name == 'feed']

    def look(self):
        """See what has happened to it.  Does not wait."""
        if self.result is not None:
            return
        # In this order: what it said before it ended is in the pipes now.
        status = reap(self.pid)
        self.feed()
        self.listen()
        if status is not None:
            self.drain()
            self.finish(status)
        elif clock() >= self.deadline:
            self.kill(TIMED_OUT)
        elif self.size > MOST_OUTPUT:
            self.kill(128 + signal.SIGKILL, 'killed: it said too much')
        elif self.password is not None:
            self.mind_terminal()

    def feed(self):
        if self.unsent and 'feed' in self.pipes:
            try:
                sent = steadily(os.write, self.pipes['feed'],
                                self.unsent[:65536])
                self.unsent = self.unsent[sent:]
            except EnvironmentError:
                if caught().errno == errno.EAGAIN:
                    return
                self.unsent = to_bytes('')      # it does not want to listen
        if not self.unsent:
            self.close('feed')

    def listen(self):
        """Read once from every pipe; whether there was anything."""
        return any([self.hear(name) for name in sorted(self.said)
                    if name in self.pipes])

    def hear(self, name):
        try:
            data = steadily(os.read, self.pipes[name], 65536)
        except EnvironmentError:
            if caught().errno == errno.EAGAIN:
                return False
            data = to_bytes('')                 # a terminal without its owner
        if not data:
            self.close(name)
        self.said[name].append(data)
        self.size += len(data)
        return bool(data)

    def drain(self):
        # Not for ever: a daemon that it left behind may still be talking.
        for _ in range(32):
            if not self.listen():
                break

    def text(self, name):
        return to_text(to_bytes('').join(self.said[name]))

    def mind_terminal(self):
        """Answer the first question for a password; a second one means that
        it was wrong."""
        asked = len([line for line in self.text('terminal').split('\n')
                     if is_prompt(line)])
        if asked > 1:
            self.kill(128 + signal.SIGKILL, 'the password was not accepted')
        elif asked > self.prompts:
            self.prompts = asked
            os.write(self.pipes['terminal'], to_bytes(self.password + '\n'))

    def kill(self, status, why=''):
        """Kill its process group and end."""
        kill_group(self.pid)
        for _ in range(50):
            if reap(self.pid) is not None:
                break
            time.sleep(0.001)
        else:
            self.unburied.append(self.pid)
        self.drain()
        self.finish(status, why)

    def finish(self, status, why=''):
        for name in list(self.pipes):
            self.close(name)
        for fd in self.kept:
            os.close(fd)
        told = [line.strip() for line in self.text('terminal').split('\n')
                if not is_prompt(line)]
        errors = '\n'.join([text for text in [self.text('errors')] + told + [why]
                            if text])
        if self.password:
            errors = errors.replace(self.password, '***')
        self.result = Result(self.argv, status, self.text('output'), errors)
        self.said = None

    def close(self, name):
        if name in self.pipes:
            os.close(self.pipes.pop(name))

    def bury(self):
        self.unburied[:] = [pid for pid in self.unburied if reap(pid) is None]


def is_prompt(line):
    return re.search(r'assword.*[:?>]\s*$', line) is not None


def become(argv, environment, standard, terminal):
    """In a new process: be the program `argv`.  Never returns."""
    try:
        try:
            if terminal:
                import fcntl
                import termios
                os.setsid()
                fcntl.ioctl(terminal[0], termios.TIOCSCTTY, 0)
            else:
                # The session stays that of the round: Child.kill finds it.
                os.setpgid(0, 0)
            for number in 0, 1, 2:
                os.dup2(standard[number], number)
            for fd in open_descriptors():
                os.close(fd)
            restore_signals(signal.SIG_DFL)
            os.execvpe(argv[0], [to_bytes(word) for word in argv], dict(
                [(to_bytes(name), to_bytes(environment[name]))
                 for name in environment]))
        except:                         # whatever it is, there is no way back
            os.write(2, to_bytes('%s: %s' % (argv[0], reason(caught()))))
    finally:
        os._exit(NOT_FOUND)


def restore_signals(broken_pipe):
    """Undo what Python and the daemon made of signals."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP,
                   signal.SIGCHLD, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, broken_pipe)


def open_descriptors():
    """What is open here beyond the first three."""
    try:
        numbers = [int(name) for name in os.listdir('/proc/self/fd')]
    except EnvironmentError:
        numbers = range(256)
    return [fd for fd in numbers if fd > 2 and is_open(fd)]


def is_open(fd):
    try:
        os.fstat(fd)
        return True
    except EnvironmentError:
        return False


def unblock(fd):
    import fcntl
    fcntl.fcntl(fd, fcntl.F_SETFL,
                fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)


def set_silent(terminal):
    """A terminal without echo: nothing of what is typed is shown."""
    import termios
    settings = termios.tcgetattr(terminal)
    settings[3] &= ~(termios.ECHO | termios.ECHONL)
    termios.tcsetattr(terminal, termios.TCSANOW, settings)


def wait_for(things, seconds):
    """Wait until one of the things can read or write; whether one can."""
    reading, writing = [], []
    for thing in things:
        reading += thing.reading()
        writing += thing.writing()
    try:
        return any(select.select(reading, writing, [], seconds)[:2])
    except select.error:
        if caught().args[:1] != (errno.EINTR,):
            raise
        return False


def reap(pid):
    """The status of a child as sh shows it, None while it lives."""
    try:
        done, status = steadily(os.waitpid, pid, os.WNOHANG)
    except EnvironmentError:                    # somebody else reaped it
        return 255
    if not done:
        return None
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


def kill_group(pid):
    """Kill a job and what it started, in groups of their own or not."""
    kill_family(pid)
    kill_quietly(os.killpg, pid)


def kill_quietly(kill, pid):
    try:
        kill(pid, signal.SIGKILL)
    except EnvironmentError:                    # it is gone
        pass


class Child(object):
    """Our own code in another process.  `status` is None while it runs; `memory`
    is what it confided to us."""

    def __init__(self, dom0, work):
        self.pid = self.status = self.pipe = None
        self.memory = ''
        self.heard, self.promised = '', clock() + FIRST_PROMISE
        flush()
        try:
            self.start(dom0, work)
        except EnvironmentError:
            dom0.log('cannot fork: %s' % reason(caught()), 'err')
            self.status = NOT_FOUND
            self.close()

    def start(self, dom0, work):
        self.pipe, theirs = os.pipe()
        unblock(self.pipe)
        try:
            self.pid = os.fork()
            if self.pid == 0:
                live(dom0, work, theirs)
        finally:
            os.close(theirs)

    def ended(self):
        """Whether it has ended; reaps it."""
        if self.status is None:
            self.listen()                       # what it says may be more than a pipe holds
            self.status = reap(self.pid)
            if self.status is not None:
                self.listen()
                self.close()
        return self.status is not None

    def get_promise(self):
        self.listen()
        return self.promised

    promise = property(get_promise, doc='until when it need not be heard of')

    def listen(self):
        lines = (self.heard + self.read()).split('\n')
        self.heard = lines.pop()
        for line in lines:
            kind, text = line.split(' ', 1)
            if kind == 'promise':
                self.promised = float(text)
            else:
                self.memory = unescape(text)

    def read(self):
        chunks = []
        while self.pipe is not None:
            try:
                data = steadily(os.read, self.pipe, 65536)
            except EnvironmentError:            # nothing more for now
                break
            if not data:
                self.close()
            chunks.append(to_text(data))
        return ''.join(chunks)

    def close(self):
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None

    def kill(self):
        """Kill all of its session, and what it started in other ones."""
        # A leader that we have reaped and that is there is somebody else's.
        if self.pid and (self.status is None or self.pid not in processes()):
            kill_family(self.pid)
        for _ in range(100):
            if self.ended():
                break
            time.sleep(0.005)


def live(dom0, work, promises):
    """In a new process: run work() as the leader of a session."""
    status = 1
    try:
        try:
            os.setsid()
            restore_signals(signal.SIG_IGN)
            let_go([promises])
            close_on_exec(promises)
            unblock(promises)
            dom0.begin_anew(promises)
            work()
            status = 0
        except SystemExit:
            status = int(bool(caught().code))
        except:                         # whatever it is, there is no way back
            dom0.log(traceback.format_exc(), 'err')
    finally:
        os._exit(status)


def let_go(kept):
    """Open nothing that our parent has open: its lock must end with it.

    The numbers stay taken: an object of the parent that closes its own when
    it is collected here must not close a newer file.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in open_descriptors():
        if fd != nothing and fd not in kept:
            os.dup2(nothing, fd)
    os.close(nothing)


def close_on_exec(fd):
    import fcntl
    fcntl.fcntl(fd, fcntl.F_SETFD,
                fcntl.fcntl(fd, fcntl.F_GETFD) | fcntl.FD_CLOEXEC)


def processes():
    """{pid: (state, parent, session)} of every process."""
    found = {}
    for name in os.listdir('/proc'):
        if name.isdigit():
            # The name of the program may hold spaces and parentheses.
            words = read_file('/proc/%s/stat' % name, '').split(')')[-1].split()
            if len(words) > 3:
                found[int(name)] = (words[0], int(words[1]), int(words[3]))
    return found


def kill_family(leader):
    """Kill a process, all that descend from it, and their sessions."""
    if leader <= 1:                             # everybody's family
        raise ValueError('process %d has no family to kill' % leader)
    family = set([leader])
    for _ in range(5):                          # it may be forking as we look
        table = processes()
        family.update(relatives(family, table))
        living = [pid for pid in family if pid in table and pid > 1
                  and pid != os.getpid() and table[pid][0] != 'Z']
        if not living:
            break
        for pid in sorted(living):              # parents first: no last words
            kill_quietly(os.kill, pid)
        time.sleep(0.002)


def relatives(family, table):
    """`family` with all that descend from it or are in a session it leads."""
    found, size = set(family), 0
    while len(found) > size:
        size = len(found)
        for pid in table:
            if table[pid][1] in found or table[pid][2] in found:
                found.add(pid)
    return found


# -- signs of life ------------------------------------------------------------
# ICMP is asked first, through one raw socket for all hosts: it costs them
# nothing and leaves no line in their logs.  TCP is asked of those that do not
# answer it.  Where no raw socket can be had (a dom0 always can: it is root)
# only TCP is asked, rather than by a `ping` process per host and second.

PLACES = {}                         # what place_of() found


def place_of(address):
    """(family, socket address) of a numeric address, or None."""
    if address not in PLACES:
        try:
            found = socket.getaddrinfo(address, 0, socket.AF_UNSPEC,
                                       socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
        except (EnvironmentError, socket.error, UnicodeError, TypeError):
            return None
        PLACES[address] = found[0][0], found[0][4]
    return PLACES[address]


class Ask(object):
    """A question to one address.  `pressed`: TCP was asked as well."""

    def __init__(self, place, number, now):
        self.family, self.place = place
        self.number, self.began, self.until = number, now, now + PROBE_TIMEOUT
        self.pressed, self.answered, self.links = False, False, []

    def close(self):
        for link in self.links:
            link.close()
        self.links = []


SO_RCVBUFFORCE = 33                 # of Linux; Python has no name for it


class Wire(object):
    """UDP to and from the other watchers.  Port 694 is xhad's, open on every
    stock dom0 and unused while XenServer HA is off: dom0.md 6."""
    port = 694
    most = 512                      # packets a tick: a flood must not hold us

    def __init__(self, address='', port=0):
        self.address, self.port = address, port or Wire.port
        self.sockets = None         # family: socket; opened when first used
        self.ends = {}              # address: end_of() it

    def open(self):
        self.sockets = {}
        for family, anywhere in ((socket.AF_INET, self.address),
                                 (socket.AF_INET6, self.address or '::')):
            try:
                link = socket.socket(family, socket.SOCK_DGRAM)
            except (EnvironmentError, socket.error):
                continue            # this kernel has no such family
            if self.is_bound(link, family, anywhere):
                self.sockets[family] = link
            else:
                link.close()

    def is_bound(self, link, family, anywhere):
        """False when somebody else has the port."""
        try:
            if family == socket.AF_INET6:
                link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            link.setblocking(0)
            self.widen(link)
            link.bind((anywhere, self.port))
            close_on_exec(link.fileno())
            return True
        except (AttributeError, EnvironmentError, socket.error):
            return False

    def widen(self, link):
        """64 members tell in the same tick: the usual buffer loses most of it."""
        try:
            link.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1024 * 1024)
        except (EnvironmentError, socket.error):
            return                  # only root may; a small pool needs it not

    def send(self, packets):
        if self.sockets is None:
            self.open()
        for address, text in packets.items():
            family, end = self.end_of(address)
            link = self.sockets.get(family)
            if link:
                try:
                    link.sendto(to_bytes(text), end)
                except (EnvironmentError, socket.error):
                    continue        # a full buffer, no route: the next tick tells again

    def end_of(self, address):
        """(family, address and port for a socket); the family of a name is None."""
        if address not in self.ends:
            family, place = place_of(address) or (None, ())
            self.ends[address] = family, place[:1] + (self.port,) + place[2:]
        return self.ends[address]

    def receive(self):
        if self.sockets is None:
            self.open()
        heard = []
        for _, link in sorted(self.sockets.items()):
            while len(heard) < self.most:
                try:
                    data, source = link.recvfrom(LARGEST + 1)
                except (EnvironmentError, socket.error):
                    break
                heard.append((source[0], to_text(data)))
        return heard

    def close(self):
        for link in (self.sockets or {}).values():
            link.close()
        self.sockets = None


class Stoppers(object):
    """What ends this host when nobody feeds it any more: the first of `kinds`
    that works (R-3)."""

    def __init__(self, dom0):
        self.kinds = [Watchdog(dom0), XenTimer(dom0), WatchdogService(dom0)]
        self.chosen = None

    def feed(self, seconds):
        """Reset this host unless it is fed again within `seconds`; None: not any
        more.  None, or why there is no stopper."""
        if seconds is None:
            chosen, self.chosen = self.chosen, None
            return chosen and chosen.stand_down()
        if self.chosen and not self.chosen.feed(seconds):
            return None
        reasons = []
        # What a daemon that died has left ticking is the first to be fed.
        for kind in sorted(self.kinds, key=lambda kind: not kind.is_left()):
            why = kind.feed(seconds)
            if not why:
                self.chosen = kind
                return None
            reasons.append(why)
        self.chosen = None
        return 'nothing would stop this host for us: ' + '; '.join(reasons)

    def forget(self):
        """In a child: the parent goes on feeding."""
        for kind in self.kinds:
            kind.forget()
        self.chosen = None


class Watchdog(object):
    """/dev/watchdog of xen_wdt: Xen resets the host when dom0 feeds it no more."""
    device, set_timeout = '/dev/watchdog', 0xC0045706      # WDIOC_SETTIMEOUT

    def __init__(self, dom0):
        self.dom0, self.fd, self.seconds, self.driver = dom0, None, 0, False

    def is_left(self):
        return False                    # it is the first of all anyway

    def feed(self, seconds):
        try:
            if self.fd is None:
                self.open()
            if seconds != self.seconds:
                self.set(seconds)
            os.write(self.fd, to_bytes('.'))
        except EnvironmentError:
            return 'there is no watchdog: ' + reason(caught())

    def open(self):
        path = self.dom0.path(self.device)
        if not (os.path.exists(path) or self.dom0.root or self.driver):
            self.driver = True          # once: each tick asks for it
            self.dom0.run(['modprobe', 'xen_wdt'], 10)
        self.fd = os.open(path, os.O_WRONLY)
        close_on_exec(self.fd)

    def set(self, seconds):
        import fcntl
        if stat.S_ISCHR(os.fstat(self.fd).st_mode):
            fcntl.ioctl(self.fd, self.set_timeout, struct.pack('i', int(seconds)))
        self.seconds = seconds

    def stand_down(self):
        """The magic character, then the end: no reset."""
        if self.fd is not None:
            try:
                os.write(self.fd, to_bytes('V'))
            except EnvironmentError:
                return reason(caught())
            self.forget()

    def forget(self):
        """Close it without a word."""
        if self.fd is not None:
            os.close(self.fd)
        self.fd, self.seconds = None, 0


class XenTimer(object):
    """The hypercall of xenwatchdogd, for a dom0 whose kernel has no driver for
    it, or whose /dev/watchdog belongs to another.  Xen knows a timer by its
    number, which a daemon that starts anew finds in the file `record`."""
    devices = ('/dev/xen/privcmd', '/proc/xen/privcmd')     # the second: XenServer 6
    hypercall = 0x305000                # IOCTL_PRIVCMD_HYPERCALL: _IO('P', 0), 48 bytes
    sched_op, watchdog = 29, 6          # __HYPERVISOR_sched_op, SCHEDOP_watchdog

    def __init__(self, dom0):
        self.dom0, self.fd, self.number = dom0, None, 0
        self.record = STATE + 'timer'

    def is_left(self):
        return bool(self.recorded())

    def recorded(self):
        """The number of the timer that was begun in this boot, or 0."""
        pairs = dict(from_state(self.dom0.read(self.record)) or [])
        if pairs.get('boot') != self.dom0.read(BOOT_ID, '').strip():
            return 0
        return whole(pairs.get('number', ''))

    def feed(self, seconds):
        try:
            if self.fd is None:
                self.open()
                self.number = self.recorded()
            if self.number:
                self.call(self.number, int(seconds))
            else:
                return self.begin(int(seconds))
        except EnvironmentError:
            why = reason(caught())
            self.forget()
            return 'Xen gives no timer: ' + why

    def open(self):
        paths = [self.dom0.path(path) for path in self.devices]
        self.fd = os.open(([path for path in paths if os.path.exists(path)] + paths)[0],
                          os.O_RDWR)
        close_on_exec(self.fd)

    def begin(self, seconds):
        """A timer whose number is lost could never be fed again."""
        self.number = self.call(0, seconds)
        why = self.dom0.write(self.record, to_state([
            ('boot', self.dom0.read(BOOT_ID, '').strip()), ('number', '%d' % self.number)]))
        if why:
            self.call(self.number, 0)
            self.forget()
            return 'the number of a timer of Xen cannot be saved: ' + why

    def call(self, number, seconds):
        """SCHEDOP_watchdog: number 0 begins a timer, 0 seconds end one."""
        timer = array.array('I', [number, seconds])
        call = array.array('B', struct.pack('=6Q', self.sched_op, self.watchdog,
                                            timer.buffer_info()[0], 0, 0, 0))
        for patience in (2, 1, 0):
            try:
                return self.ioctl(call)
            except EnvironmentError:
                # The kernel may be moving the page that Xen is to read.
                if caught().errno != errno.EFAULT or not patience:
                    raise

    def ioctl(self, call):
        import fcntl
        return fcntl.ioctl(self.fd, self.hypercall, call, True)

    def stand_down(self):
        try:
            self.call(self.number, 0)
        except EnvironmentError:
            return reason(caught())
        self.forget()
        return self.dom0.remove(self.record)

    def forget(self):
        if self.fd is not None:
            os.close(self.fd)
        self.fd, self.number = None, 0


class WatchdogService(object):
    """init.d/ha-lizard-watchdog reboots this host when `order` says that it is
    time.  It outlives the daemon, and not a dom0 that hangs: the last resort.
    It notes in `looked` that it looked there, the first time when it is
    invited to: who has not looked lately would not stop anything."""
    order = '/var/run/ha-lizard.stopper'            # boot id, time since boot or -
    looked = '/var/run/ha-lizard-watchdog.looked'   # time since boot
    pause = 2               # seconds from one look to the next
    patience = 3 * pause    # ... after which it does not look any more

    def __init__(self, dom0):
        self.dom0 = dom0

    def is_left(self):
        return self.words()[1] != '-'

    def words(self):
        """[boot id, deadline] of this boot; the deadline is - for none."""
        words = self.dom0.read(self.order, '').split()
        if len(words) != 2 or words[0] != self.dom0.read(BOOT_ID, '').strip():
            return ['', '-']
        return words

    def feed(self, seconds):
        now, deadline = self.dom0.now(), '-'
        watched = now - first_number(self.dom0.read(self.looked, '')) <= self.patience
        if seconds <= 2 * self.patience:
            return 'the watchdog service looks too seldom for %d s' % seconds
        if watched:
            deadline = '%d' % (now + seconds - self.pause)
        why = self.dom0.write(self.order, '%s %s\n' % (
            self.dom0.read(BOOT_ID, '').strip(), deadline))
        if why:
            return 'the watchdog service cannot be told: ' + why
        if not watched:
            return 'the watchdog service does not look after it'

    def stand_down(self):
        return self.dom0.remove(self.order)

    def forget(self):
        pass


class Prober(object):
    """Asks many addresses at once and waits for none."""

    def __init__(self, ports=PORTS, patience=ICMP_ALONE, icmp=True):
        self.ports, self.patience, self.icmp = ports, patience, icmp
        self.asks = {}                          # address: Ask
        self.numbers, self.count = {}, 0        # number of an ask: its address
        self.deaf = set()                       # did not answer ICMP last time
        self.raw = {}                           # family: socket
        # Replies to other programs, and to other Probers, are not for us.
        self.mark = os.urandom(10)
        self.name = struct.unpack('!H', self.mark[8:])[0]

    def reading(self):
        return list(self.raw.values())

    def writing(self):
        links = []
        for ask in self.asks.values():
            links += ask.links
        return links

    def ask(self, addresses):
        """Ask every address that has not been asked yet, or press it."""
        now = clock()
        for address in [each for each in self.asks if each not in addresses]:
            self.drop(address)
        for address in addresses:
            ask = self.asks.get(address)
            if ask and ask.pressed and now >= ask.until:
                self.deaf.add(address)
                self.drop(address)
                ask = None
            if not ask:
                self.begin(address, now)
            elif not ask.pressed and now - ask.began >= self.patience:
                self.press(ask, now)

    def begin(self, address, now):
        place = place_of(address)
        if not place:
            return
        self.count = (self.count + 1) % 65536
        ask = Ask(place, self.count, now)
        self.asks[address], self.numbers[ask.number] = ask, address
        if address in self.deaf or not self.send_echo(ask):
            self.press(ask, now)

    def press(self, ask, now):
        """Ask in every way that there is."""
        ask.pressed, ask.until = True, now + PROBE_TIMEOUT
        self.send_echo(ask)
        for port in self.ports:
            self.connect(ask, port)

    def drop(self, address):
        ask = self.asks.pop(address)
        del self.numbers[ask.number]
        ask.close()

    def gather(self):
        """The addresses that have answered.  Their asks are over."""
        now = clock()
        by_icmp = self.echoes()
        alive = by_icmp | self.connected()
        # After a pause of this process an old answer proves nothing.
        alive = set([address for address in alive
                     if now < self.asks[address].until + PROBE_TIMEOUT])
        self.deaf = (self.deaf | alive) - by_icmp
        for address in alive:
            self.drop(address)
        return alive

    def answering(self, addresses, end):
        """Those that answer until `end`."""
        alive = set()
        while True:
            self.ask(addresses - alive)
            left = end - clock()
            if left <= 0 or not self.asks:
                return alive
            wait_for([self], min(left, 0.1))
            alive |= self.gather()

    def close(self):
        for address in list(self.asks):
            self.drop(address)
        for link in self.raw.values():
            link.close()
        self.raw = {}

    # TCP

    def connect(self, ask, port):
        try:
            link = socket.socket(ask.family, socket.SOCK_STREAM)
        except (EnvironmentError, socket.error):        # too many are open
            return
        link.setblocking(0)
        ask.links.append(link)
        self.judge(ask, link, link.connect_ex(
            (ask.place[0], port) + ask.place[2:]))

    def judge(self, ask, link, error):
        """Who refuses is alive; `no route` is what a router says."""
        if error in (0, errno.ECONNREFUSED):
            ask.answered = True
        if error not in (errno.EINPROGRESS, errno.EALREADY):
            ask.links.remove(link)
            link.close()

    def connected(self):
        ready = []
        if self.writing():
            ready = steadily(select.select, [], self.writing(), [], 0)[1]
        for ask in self.asks.values():
            for link in [each for each in ask.links if each in ready]:
                self.judge(ask, link, link.getsockopt(
                    socket.SOL_SOCKET, socket.SO_ERROR))
        return set([address for address in self.asks
                    if self.asks[address].answered])

    # ICMP

    def send_echo(self, ask):
        """Whether a ping could be sent."""
        if not self.icmp:
            return False
        try:
            if ask.family not in self.raw:
                self.raw[ask.family] = raw_socket(ask.family)
            self.raw[ask.family].sendto(
                echo_request(ask.family, self.name, ask.number, self.mark[:8]),
                ask.place)
            return True
        except (EnvironmentError, socket.error):
            return False

    def echoes(self):
        found = set()
        for family in self.raw:
            # Those of other programs come along.  Not for ever: anyone can
            # send us more of them.
            for _ in range(1024):
                try:
                    data, source = self.raw[family].recvfrom(1024)
                except (EnvironmentError, socket.error):
                    break                       # no more for now
                address = self.recognize(family, data, source)
                if address is not None:
                    found.add(address)
        return found

    def recognize(self, family, data, source):
        """The address whose ask this is the answer to, or None."""
        kind, name, number, mark = echo_reply(family, data)
        address = self.numbers.get(number)
        if (kind == ECHO_REPLY[family] and name == self.name
                and mark == self.mark[:8] and address is not None
                and source[0].split('%')[0]
                == self.asks[address].place[0].split('%')[0]):
            return address


ECHO_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
ECHO_REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}


def raw_socket(family):
    """A socket that lets nothing but echo replies through."""
    every = 0xffffffff
    if family == socket.AF_INET:
        link = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        # SOL_RAW, ICMP_FILTER: a bit for each type to drop
        link.setsockopt(255, 1, struct.pack('=I', every ^ 1))
    else:
        link = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        # ICMP6_FILTER: the same for 256 types, 129 being bit 1 of word 4
        link.setsockopt(socket.IPPROTO_ICMPV6, 1, struct.pack(
            '=8I', every, every, every, every, every ^ 2, every, every, every))
    link.setblocking(0)
    return link


def echo_request(family, name, number, mark):
    kind, check = ECHO_REQUEST[family], 0
    if family == socket.AF_INET:                # the kernel does it for IPv6
        total = (kind << 8) + name + number + sum(struct.unpack('!4H', mark))
        total = (total & 0xffff) + (total >> 16)
        check = ~((total & 0xffff) + (total >> 16)) & 0xffff
    return struct.pack('!BBHHH', kind, 0, check, name, number) + mark


def echo_reply(family, data):
    """(type, name, number, mark) of what a raw socket received."""
    if family == socket.AF_INET:                # after the header of IP
        data = data[(struct.unpack('!B', data[:1])[0] & 15) * 4:]
    if len(data) < 16:
        return None, None, None, None
    kind, _, _, name, number = struct.unpack('!BBHHH', data[:8])
    return kind, name, number, data[8:16]


# -- whom does a xapi follow? -------------------------------------------------

LOGIN = ('<?xml version="1.0"?><methodCall>'
         '<methodName>session.login_with_password</methodName><params>'
         '<param><value><string></string></value></param>'
         '<param><value><string></string></value></param>'
         '</params></methodCall>')


def in_url(address):
    if ':' in address:
        return '[%s]' % address
    return address


class Talk(object):
    """The question of `roles` to one xapi, without TLS."""

    def __init__(self, address, port):
        self.address, self.ended, self.refused = address, False, False
        self.said = to_bytes('')
        self.unsent = to_bytes(
            'POST / HTTP/1.0\r\nHost: %s\r\nContent-Type: text/xml\r\n'
            'Content-Length: %d\r\n\r\n%s' % (in_url(address), len(LOGIN), LOGIN))
        family, place = place_of(address)
        self.link = socket.socket(family, socket.SOCK_STREAM)
        self.link.setblocking(0)
        self.link.connect_ex((place[0], port) + place[2:])

    def reading(self):
        return [self.link]

    def writing(self):
        return [self.link][:len(self.unsent)]

    def look(self):
        """Say and hear what can be said and heard now."""
        try:
            if self.unsent:
                self.unsent = self.unsent[self.link.send(self.unsent):]
            else:
                self.hear(self.link.recv(65536))
        except (EnvironmentError, socket.error):
            error = caught().args[0]
            self.refused = error == errno.ECONNREFUSED
            self.ended = error not in (errno.EAGAIN, errno.EINTR)

    def hear(self, data):
        self.said += data
        self.ended = (not data or to_bytes('</methodResponse>') in self.said
                      or len(self.said) > 65536)

    def wants_tls(self):
        """Whether the xapi is there but keeps this to its other port."""
        return self.ended and (self.refused or re.match(
            r'HTTP/\d\.\d (30|403)', to_text(self.said)) is not None)

    def close(self):
        """End it: what was said."""
        self.link.close()
        return to_text(self.said)


def role_in(text):
    """What a xapi's answer to the login says of its role, or None."""
    follows = re.search(r'HOST_IS_SLAVE\s*<[^!]*?<value>\s*(?:<string>)?\s*'
                        r'([0-9A-Fa-f:.]+)\s*<', text)
    if follows:
        return 'slave:' + follows.group(1)
    # In emergency mode, and while it starts, a slave says other things: they
    # make no master.
    if re.search(r'>\s*(SESSION_[A-Z_]+|Success)\s*<', text):
        return 'master'


###############################################################################
# State: what outlives a restart or a dead master #############################
###############################################################################
# Small text files of `key=value` lines: greppable at 3 a.m.  Each is replaced
# as a whole, names its format and ends in a checksum: what is cut short,
# empty, binary or from a newer version is unknown, never "nothing".

STATE = '/etc/ha-lizard/state/'
CONF = '/etc/ha-lizard/ha-lizard.conf'
FORMAT = '1'
JOURNAL_LIMIT = 512 * 1024


def escape(text):
    if is_plain(text):
        return text                     # nearly every text, and far cheaper
    return (text.replace('\\', '\\\\').replace('\n', '\\n').replace('\r', '\\r')
            .replace('\t', '\\t'))


def is_plain(text):
    return not ('\\' in text or '\n' in text or '\r' in text or '\t' in text)


def unescape(text):
    if '\\' not in text:
        return text
    letters = {'n': '\n', 'r': '\r', 't': '\t', '\\': '\\'}
    return re.sub(r'\\([nrt\\])', lambda match: letters[match.group(1)], text)


def pack(values):
    """A row of texts as one text."""
    if is_plain(''.join(values)):
        return '\t'.join(values)
    return '\t'.join([escape(value) for value in values])


def unpack(text, count):
    """The row again; ValueError if it has not `count` texts."""
    values = text.split('\t')
    if '\\' in text:
        values = [unescape(value) for value in values]
    if len(values) != count:
        raise ValueError('%d values instead of %d' % (len(values), count))
    return values


def to_state(pairs):
    """The text of a state file that holds `pairs`, in their order."""
    text = ''.join(['%s=%s\n' % pair for pair in [('format', FORMAT)] + list(pairs)])
    return text + 'end=%08x\n' % checksum(text)


def from_state(text):
    """[(key, value)], or None if that is no state file of ours."""
    if not text:
        return None
    lines = text.split('\n')
    if lines[0] != 'format=' + FORMAT or lines[-1] or not lines[-2].startswith('end='):
        return None
    body = '\n'.join(lines[:-2]) + '\n'
    if lines[-2] != 'end=%08x' % checksum(body):
        return None
    return [tuple(line.split('=', 1)) for line in lines[1:-2] if '=' in line]


def checksum(text):
    return binascii.crc32(to_bytes(text)) & 0xffffffff


class Notes(object):
    """Facts that a round found or made, one text each.

    `fresh`: keys that are only meant until this host reboots are dropped when
    it has.  A file that cannot be read is reported in `problem` and leaves no
    facts: what was proved once is then proved again.
    """
    path, dry_run = STATE + 'notes', False
    lasting = ('since', 'early', 'told', 'episode', 'spool', 'moment',
               'suspended', 'lonely', 'promoted', 'alert', 'version', 'shown', 'barred')

    #: what the watcher keeps in memory for the next round when the disk is full
    fleeting = ('alert', 'since', 'early', 'told', 'late', 'mailed', 'said', 'decided')

    def __init__(self, dom0, boot, memory=''):
        self.dom0, self.facts, self.problem = dom0, {}, ''
        self.saved = dom0.read(self.path)
        pairs = from_state(self.saved)
        if pairs is None and self.saved is not None:
            self.problem = '%s cannot be understood: its facts are unknown' % self.path
        facts = dict(pairs or [])
        for key, value in facts.items():
            if facts.get('boot') == boot or key.split('.')[0] in self.lasting:
                self.facts[key] = unescape(value)
        self.recall(memory)
        self.facts['boot'] = boot

    def recall(self, memory):
        """What was told and could not be saved is told all the same: not again."""
        pairs = from_state(memory)
        if pairs is not None:
            for key in list(self.facts):
                if key.split('.')[0] in self.fleeting:
                    del self.facts[key]
            self.facts.update([(key, unescape(value)) for key, value in pairs])

    def memory(self):
        """For recall()."""
        return to_state([(key, escape(value)) for key, value in sorted(self.facts.items())
                         if key.split('.')[0] in self.fleeting])

    def get(self, key, default=''):
        return self.facts.get(key, default)

    def number(self, key, default=None):
        """A fact that is a time or a count; `default` if there is none."""
        try:
            return float(self.facts[key])
        except (KeyError, ValueError):
            return default

    def about(self, kind):
        """{name: text} of the facts `kind.name`."""
        return dict([(key[len(kind) + 1:], value) for key, value in self.facts.items()
                     if key.startswith(kind + '.')])

    def by_name(self, kind):
        """{name: {more: text}} of the facts `kind.name.more`, in one go: about()
        for each of 64 hosts is 64 times through all facts."""
        found = {}
        for key, value in self.about(kind).items():
            name, more = key.split('.', 1)
            found.setdefault(name, {})[more] = value
        return found

    def __setitem__(self, key, value):
        self.facts[key] = value

    def __delitem__(self, key):
        self.facts.pop(key, None)

    def save(self):
        """None, or why it could not be saved.  Unchanged notes are not written,
        nor those of a dry run: a daemon beside it has its own."""
        if self.dry_run:
            return None
        text = to_state([(key, escape(value)) for key, value
                         in sorted(self.facts.items())])
        if text == self.saved:
            return None
        why = self.dom0.write(self.path, text, PRIVATE)
        if not why:
            self.saved = text
        return why


WATCH = STATE + 'watch'


class WatchRow(Record):
    """What the watcher knows of one member.  Times are /proc/uptime's."""
    fields = {
        'answered': 0, 'last': 0, 'alive_at': -1e9, 'failing': True, 'silent': False, 'seen': False,
        'unsure': False, 'left': False, 'votes': True, 'back': -1e9, 'lease': None, 'tie': False,
        'leased': -1e9, 'promoted': False, 'role': '', 'doing': '', 'version': '', 'boot': '',
        'domains': None}
    order = ('answered', 'last', 'alive_at', 'failing', 'silent', 'seen', 'unsure', 'left', 'votes',
             'back', 'lease', 'tie', 'leased', 'promoted', 'role', 'doing', 'version', 'boot',
             'domains')

    def text(self):
        return watch_row_text(self, (self.role, self.doing, self.version, self.boot),
                              self.domains)


def watch_row_text(row, told, domains):
    """Of a WatchRow, or of the Peer that has the same attributes."""
    return WATCH_ROW % (
        row.answered, row.last, row.alive_at, row.failing, row.silent, row.seen,
        row.unsure, row.left, row.votes, row.back, number_text(row.lease), row.tie, row.leased,
        row.promoted,
        pack(told), domains_text(domains))


WATCH_ROW = '\t'.join(3 * ['%.1f'] + 6 * ['%d'] + ['%.1f', '%s', '%d', '%.1f', '%d', '%s', '%s'])


def domains_text(domains):
    if domains is None:
        return '-'
    return ' '.join(domains)


def parse_watch_row(text):
    values = dict(zip(WatchRow.order, unpack(text, len(WatchRow.order))))
    row = WatchRow(lease=text_number(values['lease']))
    for name in ('answered', 'last', 'alive_at', 'back', 'leased'):
        setattr(row, name, float(values[name]))
    for name in ('failing', 'silent', 'seen', 'unsure', 'left', 'votes', 'tie', 'promoted'):
        setattr(row, name, values[name] == '1')
    for name in ('role', 'doing', 'version', 'boot'):
        setattr(row, name, values[name])
    if values['domains'] != '-':
        row.domains = values['domains'].split()
    return row


class WatchGuardian(Record):
    """What this host promises, and whether it had to keep it."""
    fields = {'ok': -1e9, 'whole': False, 'tie': False, 'lease': None, 'grace': 0,
              'votes': True, 'stopped': '', 'why': ''}
    order = ('ok', 'whole', 'tie', 'lease', 'grace', 'votes', 'stopped', 'why')

    def text(self):
        return pack(['%.1f' % self.ok, '%d' % self.whole, '%d' % self.tie,
                     number_text(self.lease), '%d' % self.grace, '%d' % self.votes,
                     self.stopped, self.why])


def parse_guardian(text):
    ok, whole, tie, lease, grace, votes, stopped, why = unpack(text, len(WatchGuardian.order))
    return WatchGuardian(ok=float(ok), whole=whole == '1', tie=tie == '1', grace=int(grace),
                         lease=text_number(lease), votes=votes == '1', stopped=stopped, why=why)


class Watch(Record):
    """What the watcher tells the rounds: `peers` (uuid -> WatchRow), `heirs`
    (the succession list in force), `confirmed` (uuids that the administrator says
    are dead -> the moment when it was said), `guardian`, `flag` (the last switch
    of HA that anybody told: (number, text), R-11), `pool`: that it is of,
    `dropped`: so many bad datagrams at least since this host booted (R-1)."""
    fields = {'boot': '', 'started': 0, 'peers': {}, 'heirs': (), 'confirmed': {},
              'guardian': WatchGuardian(), 'flag': (0, None), 'pool': '', 'dropped': 0}

    def text(self):
        return self.text_with([(uuid, row.text()) for uuid, row in sorted(self.peers.items())])

    def text_with(self, rows):
        """The same with `rows`: [(uuid, WatchRow.text())]."""
        pairs = [('boot', self.boot), ('started', '%.1f' % self.started),
                 ('heirs', ' '.join(self.heirs)),
                 ('confirmed', ' '.join(['%s:%.1f' % pair for pair
                                         in sorted(self.confirmed.items())])),
                 ('guardian', self.guardian.text()), ('flag', flag_text(self.flag)),
                 ('pool', self.pool), ('dropped', '%d' % self.dropped)]
        pairs.extend([('peer.' + uuid, row) for uuid, row in rows])
        return to_state(pairs)


def read_watch(dom0, boot):
    """The Watch of this boot, or None: nothing is known of the peers."""
    pairs = dict(from_state(dom0.read(WATCH)) or [])
    if pairs.get('boot') != boot:
        return None
    try:
        return Watch(
            boot=boot, started=float(pairs['started']), heirs=pairs['heirs'].split(),
            confirmed=dict([(uuid, float(moment)) for uuid, moment in
                            [word.split(':') for word in pairs['confirmed'].split()]]),
            flag=parse_flag(pairs['flag']),
            pool=pairs['pool'], dropped=int(pairs.get('dropped', 0)),
            guardian=parse_guardian(pairs['guardian']),
            peers=dict([(key[5:], parse_watch_row(value)) for key, value in pairs.items()
                        if key.startswith('peer.')]))
    except (KeyError, ValueError):
        return None


def flag_text(flag):
    number, text = flag
    if text is None:
        return '%d' % number
    return '%d %s' % (number, escape(text))


def parse_flag(words):
    number, text = (words.split(' ', 1) + [None])[:2]
    return int(number), text and unescape(text)


class Journal(object):
    """What was decided and done, and why; bounded.  One line each:

        2026-11-24 03:12:07 decide  slave n3 is silent: fencing it
    """
    path = STATE + 'journal'

    often = ('warn', 'over', 'note', 'mail')        # not acts: each of them is history

    def __init__(self, dom0, repeats):
        self.dom0, self.settings, self.added = dom0, None, 0
        self.repeats = repeats

    def say(self, kind, text, function='', priority='info', topic=''):
        """Journal and syslog; syslog honours ENABLE_LOGGING and LOG_<function>.
        `topic`: what counts as the same line again, whatever its text."""
        text = masked(printable(text, 2000), self.settings)
        logged = self.is_logged(function)
        shown = self.repeats.shown('%s%s' % ({'decide': ''}.get(kind, kind + ': '), text),
                                   topic, logged)
        if not shown and kind in self.often:
            return
        moment = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(self.dom0.wall()))
        self.dom0.append(self.path, '%s %-7s %s\n' % (moment, kind, text))
        self.added += 1
        if shown and logged:
            self.dom0.log(shown, priority)

    def is_logged(self, function):
        return self.settings is None or self.settings.wants_log(function)

    def trim(self):
        """Keep the younger half of a journal that has grown too long."""
        if not self.added:
            return
        text = self.dom0.read(self.path, '')
        if len(text) > JOURNAL_LIMIT:
            kept = text[-JOURNAL_LIMIT // 2:].split('\n', 1)
            self.dom0.write(self.path, kept[-1], PRIVATE)


###############################################################################
# Pool: xapi, through `xe` ####################################################
###############################################################################
# Read xe.md before changing a line here: most of what one would assume of xe
# is wrong.  Every call is bounded; its text is data; its exit status says
# only "worked" or "did not", so failures are told apart by stable fragments.

LONG_XE = 120           # seconds for commands in which xapi asks a dead host
LIST_TIME = 10          # seconds for list_domains, which asks no xapi
START_LIMIT = 600       # seconds for a start: R-12
STAMP = 'home-pool'     # VM other-config key of 2.x: T21
WILL_MARK = 'HA_STAY_DOWN'      # VM other-config: somebody shut it down (A15)
SETTLE_LIMIT = 20       # doubtful records that are asked for alone in a round

POOL_FIELDS = ('uuid', 'master', 'other-config', 'ha-enabled')
HOST_FIELDS = ('uuid', 'name-label', 'enabled', 'address', 'memory-overhead',
               'memory-total', 'host-metrics-live', 'other-config')
FLAG_NUMBER = 'HA_FLAG_SEQ'             # pool other-config: counts the switches of HA
DECLARED_MARK = 'HA_DECLARED_DEAD'      # host other-config: we disabled it
MAINTENANCE_MARKS = ('MAINTENANCE_MODE', 'HA_MAINTENANCE')     # XenCenter's, ours
VM_FIELDS = ('uuid', 'name-label', 'is-a-template', 'is-a-snapshot', 'is-control-domain',
             'power-state', 'memory-overhead', 'memory-dynamic-min', 'current-operations',
             'resident-on', 'affinity', 'other-config', 'appliance', 'start-delay', 'order')
FREE_TEXT = ('name-label', 'other-config')      # what an administrator may fill
OPTIONAL = ('memory-overhead',)                 # missing in old versions

# xe.md 3.1: the wording changes, these fragments do not.
ERRORS = (
    ('SR_BACKEND_FAILURE_46', 'locked'),
    ('actual: running', 'running'),
    ('power state', 'power-state'),
    ('is still live', 'live'),
    ('domain still exists', 'live'),
    ('could not be contacted', 'offline'),
    ('cannot be contacted', 'offline'),
    ('is not live', 'not-live'),
    ('is disabled', 'disabled'),
    ('memory is available', 'memory'),
    ('available to complete the specified operation', 'no-host'),
    ('Lost connection to the server', 'lost'),
    ('Connection refused', 'refused'),
    ('still initialising', 'booting'),
    ('Another operation involving', 'busy'),
    ('uuid you supplied was invalid', 'unknown-object'),
    ('No matching', 'unknown-object'),
    ('not found in map', 'no-key'),
    ('already there', 'key-exists'),
    ('Unknown command', 'unknown-command'),
    ('HA is enabled', 'xenserver-ha'),
)


def xe_argv(command, *parameters):
    return ['xe', command] + list(parameters)


def own_argv(*words):
    """A child that runs this very file: bounded as a whole, and fallible."""
    return own_program() + ['act'] + list(words)


def own_program():
    """[interpreter, what to run]; words for main() follow.

    Imported, it is the compiled form beside this file.  Run by its path, each
    child would first compile all of it: a second of an old dom0 before a fence.
    """
    folder, name = os.path.split(OWN_PATH)
    module = re.match(r'([A-Za-z_]\w*)\.py[co]?\Z', name)
    start = module and '-cimport sys; sys.path[0] = %r; import %s as own; ' \
        'sys.exit(own.main(sys.argv[1:]))' % (folder, module.group(1))
    return [sys.executable or 'python', start or OWN_PATH]


def kind_of(result):
    """What went wrong, as one word of ERRORS; 'slow' if there was no answer in
    time; '' for anything else."""
    if result.status == TIMED_OUT:
        return 'slow'
    for fragment, kind in ERRORS:
        if fragment in result.errors:
            return kind
    return ''


def why_failed(result):
    """None for a command that worked, else a sentence."""
    if result:
        return None
    what = ' '.join([os.path.basename(result.argv[0])] + result.argv[1:2])
    if result.argv[2:3] == ['act']:
        what = ' '.join(result.argv[3:4])
    if result.status == TIMED_OUT:
        return '%s gave no answer in time' % what
    if result.status == NOT_FOUND:
        return '%s cannot be run: %s' % (what, printable(result.errors.strip(), 200))
    lines = (result.errors.strip() or result.output.strip()).splitlines()
    return '%s failed: %s' % (what, printable(' / '.join(lines[:4]), 300)
                              or 'status %s' % result.status)


# -- text of xe -> records ----------------------------------------------------

FIELD = re.compile(r'(?m)^ *([A-Za-z0-9_-]+) \((?: RO|SRO|MRO| RW|SRW|MRW)\)'
                   r'(?: \[DEPRECATED\])? *: ?(.*)$')
PAIR = re.compile(r'(?s)([A-Za-z0-9_.:/-]+): ?(.*)$')
UUID = re.compile(r'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')


def parse_records(text, fields):
    """`xe ...-list params=...` output -> (records, doubtful uuids, problem).

    xe.md 4.1.  Values are printed raw, so a name can imitate any line.  A
    record counts only if it is exactly the fields asked for, each once, one
    line each; anything else is doubtful and must be asked for alone.
    """
    if text and not text.endswith('\n\n\n'):
        return [], [], 'its output is cut short'
    records, doubtful, seen, last, texts = [], set(), set(), None, {}
    for block in blocks(text):
        record, sound = parse_block(block.lstrip('\n'), fields, texts)
        uuid = record.get('uuid', '')
        if not UUID.match(uuid):
            # The rest of the record before it, split by a value's blank lines.
            if last is None:
                return [], [], 'its output is no list of records'
            uuid, sound = last, False
        if sound and uuid not in seen:
            records.append(record)
        else:
            doubtful.add(uuid)
        seen.add(uuid)
        last = uuid
    return ([record for record in records if record['uuid'] not in doubtful],
            sorted(doubtful), None)


def blocks(text):
    """What ends in two empty lines, one after the other: a list of them would
    be a second copy of some megabytes."""
    start, end = 0, text.find('\n\n\n')
    while end >= 0:
        yield text[start:end]
        start, end = end + 3, text.find('\n\n\n', end + 3)


def parse_block(block, fields, texts):
    """(the fields of one record, whether it is beyond doubt).  `texts`: those
    known already, each as {itself: itself}: most come thousands of times."""
    found = FIELD.findall(block)
    # In doubt, the first uuid names it.
    record = dict([(texts.setdefault(name, name), texts.setdefault(value, value))
                   for name, value in found[::-1]])
    sound = len(record) == len(found) == block.count('\n') + 1
    missing = [name for name in fields if name not in record and name not in OPTIONAL]
    strange = [name for name in record if name not in fields]
    return record, sound and not missing and not strange


def parse_map(text):
    """`k: v; k2: v2` -> dict; a value that holds '; ' is put together again,
    for a piece without ': ' cannot be a pair.  None if a key comes twice."""
    pairs = {}
    key = None
    for piece in text.split('; '):
        match = PAIR.match(piece)
        if match and match.group(1) in pairs:
            return None
        if match:
            key = match.group(1)
            pairs[key] = match.group(2)
        elif key is not None:
            pairs[key] += '; ' + piece
    return pairs


class Facts(object):
    """The pool as the database tells it: `pool` (uuid), `master` (host uuid),
    `other` (its other-config), `xenserver_ha`, `hosts`, `vms`, `appliances`
    ({uuid: dict of texts}); `at`: uptime when it was read."""

    def __init__(self, at):
        self.at, self.pool, self.master, self.other = at, '', '', {}
        self.xenserver_ha, self.doubtful = False, []
        self.hosts, self.vms, self.appliances = {}, {}, {}
        self.controls = None

    def control_memory(self, uuid):
        """Bytes that the control domain of a host takes; added up once for all."""
        if self.controls is None:
            self.controls = {}
            for vm in self.vms.values():
                if vm['is-control-domain'] == 'true':
                    host = vm['resident-on']
                    self.controls[host] = self.controls.get(host, 0) + memory_of(vm)
        return self.controls.get(uuid, 0)

    def place(self, vm_uuid, power, host_uuid):
        """What an act of ours has changed, as xapi confirmed it."""
        vm = self.vms.get(vm_uuid)
        if vm:
            vm['power-state'], vm['resident-on'] = power, host_uuid
            vm['current-operations'] = ''


class Pool(object):
    """Reads the pool: three calls at once, four in OP_MODE=1 (R-10)."""

    def __init__(self, dom0, settings):
        self.dom0, self.settings, self.extra_calls = dom0, settings, 0

    def read(self):
        """(Facts, None), or (None, why xapi gives none)."""
        lists = [('pool', POOL_FIELDS), ('host', HOST_FIELDS), ('vm', VM_FIELDS)]
        if self.settings.op_mode == 1:
            lists.append(('appliance', ('uuid', 'name-label')))
        # All at once: a round costs one answer's time, not the sum.
        jobs = [self.dom0.begin(xe_argv(kind + '-list', 'params=' + ','.join(fields)),
                                self.settings.xe_timeout) for kind, fields in lists]
        wait_for_all(self.dom0, jobs)
        facts = Facts(self.dom0.now())
        for kind, fields in lists:
            # What xe printed goes as soon as it is read: some megabytes.
            why = self.take(facts, kind, fields, jobs.pop(0).result)
            if why:
                return None, why
        return facts, None

    def take(self, facts, kind, fields, result):
        """Put what one list says into `facts`: None, or why that failed."""
        if not result:
            return why_failed(result)
        records, doubtful, why = parse_records(result.output, fields)
        if why:
            return 'xe %s-list: %s' % (kind, why)
        for uuid in doubtful[:SETTLE_LIMIT]:
            record = self.settle(kind, uuid, fields)
            if record:
                records.append(record)
            else:
                facts.doubtful.append(uuid)
        facts.doubtful.extend(doubtful[SETTLE_LIMIT:])
        if not records and kind in ('pool', 'host', 'vm'):
            return 'xe %s-list: no %s in its output' % (kind, kind)
        return getattr(self, 'take_' + kind)(facts, records)

    def take_pool(self, facts, records):
        record = records[0]
        facts.pool, facts.master = record['uuid'], record['master']
        facts.xenserver_ha = record['ha-enabled'] == 'true'
        facts.other = parse_map(record['other-config'])
        if facts.other is None:
            return 'xe pool-list: other-config is ambiguous'

    def take_host(self, facts, records):
        facts.hosts = dict([(record['uuid'], record) for record in records])

    def take_vm(self, facts, records):
        facts.vms = dict([(record['uuid'], record) for record in records
                          if record['is-a-template'] != 'true'
                          and record['is-a-snapshot'] != 'true'])

    def take_appliance(self, facts, records):
        facts.appliances = dict([(record['uuid'], record) for record in records])

    def settle(self, kind, uuid, fields):
        """A record whose text is ambiguous, asked for alone; None: still unclear."""
        safe = [name for name in fields if name not in FREE_TEXT]
        result = self.ask(kind + '-list', 'uuid=' + uuid, 'params=' + ','.join(safe))
        records = result and parse_records(result.output, safe)[0]
        if not records or len(records) != 1:
            return None
        record = records[0]
        for name in [each for each in fields if each in FREE_TEXT]:
            result = self.ask(kind + '-param-get', 'uuid=' + uuid, 'param-name=' + name)
            if not result:
                return None
            record[name] = result.output[:-1]
        return record

    def ask(self, command, *parameters):
        self.extra_calls += 1
        return self.dom0.run(xe_argv(command, *parameters), self.settings.xe_timeout)

    # -- storage: asked for only when something is to be started --------------

    def storage(self):
        """({host uuid: [SR uuid]}, {vm uuid: [SR uuid]}), or None and why."""
        lists = (('pbd', 'host-uuid', 'sr-uuid', 'currently-attached'),
                 ('vbd', 'vm-uuid', 'vdi-uuid', 'type'), ('vdi', 'sr-uuid'))
        jobs = [self.dom0.begin(xe_argv(fields[0] + '-list', 'params=uuid,' + ','.join(
            fields[1:])), self.settings.xe_timeout) for fields in lists]
        wait_for_all(self.dom0, jobs)
        tables = []
        for fields in lists:
            result = jobs.pop(0).result
            if not result:
                return None, why_failed(result)
            records, _, why = parse_records(result.output, ('uuid',) + fields[1:])
            if why:
                return None, 'xe %s-list: %s' % (fields[0], why)
            tables.append(records)
        return join_storage(*tables), None


def wait_for_all(dom0, jobs):
    waiting = list(jobs)
    while waiting:
        for job in dom0.ended(waiting, 1):
            waiting.remove(job)


def dead_hosts_srs(dom0, settings, uuid):
    """(SRs that a host had plugged, None), or (None, why): they may be locked."""
    result = dom0.run(xe_argv('pbd-list', 'host-uuid=' + uuid,
                              'params=uuid,sr-uuid,currently-attached'),
                      settings.xe_timeout)
    if not result:
        return None, why_failed(result)
    records, _, why = parse_records(result.output, ('uuid', 'sr-uuid', 'currently-attached'))
    return [record['sr-uuid'] for record in records], why


def join_storage(pbds, vbds, vdis):
    plugged, needed = {}, {}
    for pbd in pbds:
        if pbd['currently-attached'] == 'true':
            plugged.setdefault(pbd['host-uuid'], []).append(pbd['sr-uuid'])
    home = dict([(vdi['uuid'], vdi['sr-uuid']) for vdi in vdis])
    for vbd in vbds:
        # A CD is no reason not to start: its SR is often gone (incidents 2.2).
        if vbd['type'] != 'CD' and vbd['vdi-uuid'] in home:
            needed.setdefault(vbd['vm-uuid'], []).append(home[vbd['vdi-uuid']])
    return plugged, needed


def field_key(settings):
    return 'XenCenter.CustomFields.' + settings.xc_field_name


# -- the last good picture of the pool ----------------------------------------

PICTURE = STATE + 'pool'
HOST_ROW = ('name-label', 'address', 'enabled', 'host-metrics-live',
            'memory-total', 'memory-overhead', 'maintenance', 'marked')
VM_ROW = ('name-label', 'power-state', 'resident-on', 'current-operations',
          'is-control-domain', 'memory-dynamic-min', 'memory-overhead', 'affinity',
          'appliance', 'start-delay', 'order', 'field', 'stamp', 'will')


class Picture(Record):
    """The pool as it was when xapi last told: what a slave has when its master
    is dead.  `settings`: NAME -> the last valid text.  Rewritten by every
    round that xapi answers: its time is the heartbeat of the rounds.
    `settings` of the pool, `own` of this host.  `pairs`: what its tables were
    read from."""
    fields = {'sequence': 0, 'facts': None, 'succession': (), 'settings': {},
              'own': {}, 'enabled': None, 'flag_number': 0, 'pairs': None}

    def text(self, boot, wall):
        facts = self.facts
        pairs = [('sequence', '%d' % self.sequence), ('boot', boot),
                 ('at', '%.1f' % facts.at), ('time', wall),
                 ('pool', facts.pool), ('master', facts.master),
                 ('succession', ' '.join(self.succession)),
                 ('xenserver_ha', str(facts.xenserver_ha)),
                 ('flag_number', '%d' % self.flag_number)]
        if self.enabled is not None:
            pairs.append(('enabled', escape(self.enabled)))
        for kind, layer in (('setting', self.settings), ('own', self.own)):
            pairs.extend([('%s.%s' % (kind, name), escape(value))
                          for name, value in sorted(layer.items())])
        pairs.extend(rows('host', facts.hosts, HOST_ROW))
        pairs.extend(rows('appliance', facts.appliances, ('name-label',)))
        pairs.extend(rows('vm', facts.vms, VM_ROW))
        return to_state(pairs)


def settings_of(picture, pool_layer, own, before=None):
    """The Settings of two layers; what is not valid stays as it was.  `before`:
    earlier Settings, which are still right when the same was given."""
    layers = [('pool', counting(pool_layer)), ('this host', counting(own))]
    if before and before.given == layers and not before.problems:
        return before
    settings = Settings(layers)
    if settings.problems:
        settings = Settings(layers, Settings(
            [('pool', picture.settings), ('this host', picture.own)]))
    settings.given = layers
    return settings


def counting(layer):
    """{NAME: text} without what is stored beside the parameters and is none."""
    return dict([pair for pair in layer.items() if pair[0] not in IGNORED])


def rows(kind, records, names):
    return [('%s.%s' % (kind, uuid), pack([record.get(name, '') for name in names]))
            for uuid, record in sorted(records.items())]


def read_picture(dom0, boot, whole=True, before=None):
    """(Picture, None), (None, None) if there is none, or (None, why it is unknown).
    whole=False: the VMs stay texts for parse_row, since of thousands a watcher
    needs the few that run on its host.  `before`: an earlier one, read alike,
    whose tables are used again while they are the same."""
    text = dom0.read(PICTURE)
    if text is None:
        return None, None
    pairs = from_state(text)
    try:
        return parse_picture(pairs or [], boot, whole, before), None
    except (KeyError, ValueError):
        return None, '%s cannot be understood: the pool is unknown until xapi tells' % PICTURE


def parse_picture(pairs, boot, whole, before):
    head = dict([pair for pair in pairs if '.' not in pair[0]])
    # The clock starts anew with every boot: an older picture has no age.
    facts = Facts({True: float(head['at']), False: NEVER}[head['boot'] == boot])
    facts.pool, facts.master = head['pool'], head['master']
    facts.xenserver_ha = head['xenserver_ha'] == 'True'
    picture = Picture(sequence=int(head['sequence']), facts=facts, settings={}, own={},
                      succession=head['succession'].split(),
                      flag_number=int(head['flag_number']),
                      pairs=[pair for pair in pairs if '.' in pair[0]])
    if 'enabled' in head:
        picture.enabled = unescape(head['enabled'])
    if before and before.pairs == picture.pairs:
        share_tables(picture, before)
    else:
        parse_tables(picture, whole)
    return picture


def share_tables(picture, before):
    picture.pairs, picture.settings, picture.own = before.pairs, before.settings, before.own
    facts = before.facts
    picture.facts.hosts, picture.facts.vms = facts.hosts, facts.vms
    picture.facts.appliances = facts.appliances


def parse_tables(picture, whole):
    facts = picture.facts
    layers = {'setting': picture.settings, 'own': picture.own}
    tables = {'host': (facts.hosts, HOST_ROW), 'vm': (facts.vms, VM_ROW),
              'appliance': (facts.appliances, ('name-label',))}
    texts = {}                          # one of each: most come thousands of times
    for key, value in picture.pairs:
        kind, name = key.split('.', 1)
        if kind in layers:
            layers[kind][name] = unescape(value)
        elif kind == 'vm' and not whole:
            facts.vms[name] = value
        elif kind in tables:
            table, names = tables[kind]
            table[name] = parse_row(name, names, value, texts)


def parse_row(uuid, names, text, texts):
    """{name: text} of a row; ValueError if it is none.  `texts`: as parse_block's."""
    record = dict([(name, texts.setdefault(value, value)) for name, value
                   in zip(names, unpack(text, len(names)))])
    record['uuid'] = uuid
    return record


###############################################################################
# Fencing: devices that prove that the power is off ###########################
###############################################################################
#
# An agent is the power switch of one host: power_off(), power_on(), state().
# What it does is never a proof.  prove_off() commands, then asks again until
# the device itself said "off" twice: a device that took the command and did
# nothing, one that hangs, one that says "already off" prove nothing.  A wrong
# restart destroys a disk, so whatever is not understood means "unknown".

FENCE_TIMEOUT = 60.0        # for each method: its commands, its reads, its waits;
                            # timeout= on a device's line asks for another
SLOW_ANSWER = 8.0           # an answer that takes so long is worth a word
READ_SPACING = 3.0          # from one "off" to the question that confirms it
PAUSE = READ_SPACING + 0.1  # the clock is that coarse, and sums of floats coarser
BUSY_PAUSE = 8.0            # from a refused command to the next
SSH_TIMEOUT = 30            # an old iLO needs 5 to 20 s for the key exchange alone
IPMI_OFF_TIMEOUT = 30       # ipmitool itself was seen to wait for 60 s
IPMI_STATE_TIMEOUT = 10
STATUS_TIMEOUT = 20         # of a custom agent, which has to log in as well
LOGIN_REFUSED_WITHIN = 1.0  # ipmitool has one text for a wrong password, which
                            # fails at once, and for silence, which takes 6 s

CURL_TIMEOUT = 20
MENU_TIMEOUT = 50           # of a dialog with an iRMC's menu: three screens
GUARD_PERIOD = 3600.0       # each device is asked once an hour while all is well
WRONG_MACHINE_WITHIN = 60.0     # R-9: who falls silent so soon after our "off"

NO_PROOF = 'POOL proves nothing: there is no device behind it'
KNOWN_HOSTS = '/etc/ha-lizard/state/known_hosts.%s.%s'      # of a method, a device

HOST_UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z')
HOST_NAME = re.compile(r'[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\Z')
METHOD_NAME = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]*\Z')


class Verdict(Record):
    """'off': read off twice after our command; 'unproved': the method cannot
    show it; 'wrong': off, and the host lives; 'failed'.  `method` is the one
    that decided."""
    fields = {'result': 'failed', 'why': '', 'method': ''}

    def __str__(self):
        return self.why


class Answer(Record):
    """What a device made of a command.  `taken`: it said that it would do it.
    `reached`: the command may have come through.  `final`: asking again is
    useless, or locks the account.  `silent`: there was no answer at all.
    `state`: 'on' or 'off' if it said so."""
    fields = {'taken': False, 'reached': True, 'final': False, 'silent': False,
              'state': 'unknown', 'why': ''}


# -- what the rest of the program calls ----

def prove_off(dom0, settings, host, keep_going=None, still_alive=None, barred=None):
    """Switch the host off with the methods of FENCE_METHOD, in their order,
    until one proves it.  keep_going() returns a reason to stop, or None; it
    is not asked any more once a command may have reached a device.
    still_alive() returns a sign of life of a host that reads off, or None.
    `barred`: {method: why its device is not believed}."""
    why = action_objection(settings)
    if why is not None:
        return Verdict(why=why)
    tried, attempt = [], None
    for method in settings.fence_method:
        if method in (barred or {}):
            tried.append(Verdict(why='%s: %s' % (method, barred[method]), method=method))
            continue
        agent = agent_for(dom0, settings, method, host)
        attempt = Attempt(agent, keep_going, attempt and attempt.commanded)
        tried.append(doubted(attempt.verdict(), still_alive))
        if attempt.stopped:
            return Verdict(why=attempt.stopped, method=method)
        if tried[-1].result == 'off':
            break
    return sum_up(tried)


def doubted(verdict, still_alive):
    """The verdict; what is off gives no sign of life, whatever the device says."""
    if verdict.result != 'off' or still_alive is None:
        return verdict
    why = still_alive()
    if why is None:
        return verdict
    return Verdict(result='wrong', method=verdict.method, why='%s, but %s: wrong machine, '
                   'or a device that lies' % (verdict.why, why))


def action_objection(settings):
    """Why FENCE_ACTION cannot be fenced with, or None.  `reset` is `stop`,
    proved, and power_on() when everything else is done."""
    if settings.fence_action == 'start':
        return 'FENCE_ACTION=start switches on; nothing is fenced with it'


def sum_up(tried):
    """One verdict: the best result, every method's reason."""
    for result in ('off', 'unproved', 'wrong', 'failed'):
        for verdict in tried:
            if verdict.result == result:
                return Verdict(result=result, method=verdict.method,
                               why='; '.join([each.why for each in tried]))
    return Verdict(why='FENCE_METHOD names no method')


def state_of(dom0, settings, host):
    """(state, why): what the first device that knows says of the host's power."""
    reasons = []
    for method in settings.fence_method:
        agent = agent_for(dom0, settings, method, host)
        why = agent.objection()
        if why is None:
            answer = agent.state()
            if answer.state != 'unknown':
                return answer.state, '%s: %s is %s' % (method, host.name, answer.state)
            why = answer.why
        reasons.append('%s: %s' % (method, why))
    return 'unknown', '; '.join(reasons) or 'FENCE_METHOD names no method'


def power_on(dom0, settings, host):
    """Switch the host on (the last step of FENCE_ACTION=reset): None, or why
    no device would."""
    reasons = []
    for method in settings.fence_method:
        agent = agent_for(dom0, settings, method, host)
        why = agent.objection()
        if why is None:
            answer = agent.power_on()
            if answer.taken:
                return None
            why = answer.why
        reasons.append('%s: %s' % (method, why))
    return '; '.join(reasons) or 'FENCE_METHOD names no method'


def fence_seconds(dom0, settings, host):
    """The longest that prove_off() can take."""
    budgets = [FENCE_TIMEOUT]
    for method in settings.fence_method:
        agent = agent_for(dom0, settings, method, host)
        agent.objection()                   # it reads what its line says
        budgets.append(agent.budget())
    return sum(budgets[1:] or budgets)


def can_prove(settings, method, dom0):
    """Is there a way for this method to prove that a host is off?"""
    agent = agent_for(dom0, settings, method, None)
    return agent.trusted or not agent.blind


def method_objection(dom0, settings, method, host):
    """Why this method could not even be tried on the host, or None."""
    return agent_for(dom0, settings, method, host).objection()


def agent_for(dom0, settings, method, host):
    """A built-in name always means the built-in, whatever lies in its folder."""
    return agent_class(method)(dom0, settings, method, host)


def agent_class(method):
    if CLUSTER_AGENT.match(method):
        return ClusterAgent
    return FENCE_METHODS.get(method, CustomAgent)


# -- while all is well: is each device the right one, and can we log in? ----

def devices_say(dom0, settings, host):
    """[(method, state, why)] of every device of a host, asked once each."""
    said = []
    for method in settings.fence_method:
        agent = agent_for(dom0, settings, method, host)
        if agent.switchless or agent.blind:
            continue
        answer = Answer(why=agent.objection() or '')
        if not answer.why:
            answer = agent.state()
        said.append((method, answer.state, answer.why))
    return said


def judge_devices(name, lives, said, barred):
    """({method: why it is barred}, {method: why it could not be asked}) from
    what devices_say() of the host `name`; `barred`: what holds until now."""
    barred, deaf = dict(barred), {}
    for method, state, why in said:
        # safety: the worst of all errors.  "Off" of a host that lives is the
        # power of another machine, and fencing through it would kill that one.
        if state == 'off' and lives:
            barred[method] = ('its device reads off while %s lives: it is that of '
                              'another machine' % name)
        elif state == 'on' and lives:
            barred.pop(method, None)        # it agrees again
        elif state == 'unknown':
            deaf[method] = why              # no news: what was barred stays so
    return barred, deaf


def guard_turn(now, period, own, others):
    """The uuid of the host whose devices this host asks now, or None: one at
    a time, each once in a period, all members at different moments.  `others`:
    {uuid: when it was last asked, None for never}; `own`: our uuid."""
    for uuid in sorted(others, key=lambda each: (others[each] or 0, each)):
        asked, shift = others[uuid], checksum(own + uuid) % int(period)
        if asked is None and now % period >= shift:
            return uuid
        if asked is not None and now - asked >= period:
            return uuid
    return None


def guarded_hosts(role, own, master, live):
    """Whose devices a host looks after: a master everybody's, a slave that of
    the master, which it has to fence when it is lost."""
    if role == 'master':
        return sorted([uuid for uuid in live if uuid != own])
    return sorted([uuid for uuid in live if uuid == master and uuid != own])


def wrong_machine(name, off_at, life, last_heard, same_boot=None):
    """R-9: a sentence if it was another machine that our "off" switched off.

    off_at: when the power of `name` was commanded and when it read off, a pair;
    life: its first sign of life since; last_heard: {name: last sign of life}
    of the other members that are silent now; same_boot: whether its boot id is
    the one that it had, None if that is not known.
    """
    commanded, read_off = off_at
    # What was on its way when the power went is no sign of life; later it may
    # have booted.
    early = life <= read_off + WRONG_MACHINE_WITHIN
    if same_boot is False or life <= read_off + PROBE_TIMEOUT or not (early or same_boot):
        return None
    victims = sorted([each for each in last_heard if commanded - PROBE_TIMEOUT
                      <= last_heard[each] <= read_off + WRONG_MACHINE_WITHIN])
    if victims:
        return ('wrong machine: %s was read off and lives, and %s fell silent: its '
                'device switches that one' % (name, ', '.join(victims)))
    return '%s was read off and lives: its device is that of another machine' % name


def identity_objections(dom0, settings, host):
    """[sentence] where a device of this very host says that it is part of
    another machine than the one that dmidecode sees."""
    own = {'uuid': dmi(dom0, 'system-uuid'), 'serial': dmi(dom0, 'system-serial-number')}
    found = []
    for method in settings.fence_method:
        agent = agent_for(dom0, settings, method, host)
        if agent.switchless or agent.blind or agent.objection():
            continue
        told = agent.identity()
        for kind in sorted(told):
            if is_same_machine(kind, told[kind], own[kind]) is False:
                found.append('%s: the device says that it is in the machine with %s %s, '
                             'this one has %s' % (method, kind, told[kind], own[kind]))
    return found


def dmi(dom0, word):
    result = dom0.run(['dmidecode', '-s', word], 10)
    lines = [line.strip() for line in result.output.split('\n')
             if line.strip() and not line.startswith('#')]
    if result and len(lines) == 1:
        return lines[0]
    return ''


def is_same_machine(kind, told, own):
    """True, False, or None: nobody can say.  The bytes of a uuid come in one
    of three orders."""
    told, own = plain(told), plain(own)
    if kind == 'serial':
        if len(told) < 4 or len(own) < 4 or ' ' in told + own:
            return None
        return told == own
    if not is_told(told) or not is_told(own):
        return None
    return told in (own, byte_order(own, (4, 2, 2)), byte_order(own, (16,)))


def plain(text):
    return text.strip().lower().replace('-', '')


def is_told(uuid):
    """Is it a uuid, and not what is filled in where there is none?"""
    return re.match('[0-9a-f]{32}\\Z', uuid) is not None and len(set(uuid)) > 4


def byte_order(uuid, lengths):
    """The uuid with the bytes of its first fields the other way round."""
    pairs = [uuid[place:place + 2] for place in range(0, len(uuid), 2)]
    turned, start = [], 0
    for length in lengths:
        turned += reversed(pairs[start:start + length])
        start += length
    return ''.join(turned + pairs[start:])


def file_problems(dom0, settings, method, hosts):
    """[sentence]: what is wrong with the hosts file of a method for these
    members, for `ha-cfg check`.  None of it can make us fence the wrong host."""
    agents = [agent_for(dom0, settings, method, host) for host in hosts]
    text = agents and dom0.read(agents[0].file('hosts'))
    found = []
    if text and not isinstance(agents[0], CustomAgent) and not agents[0].switchless:
        devices, problems = parse_hosts(text, method, [host.uuid for host in hosts])
        found = ['%s.hosts %s' % (method, problem) for problem in problems]
        found += ['%s.hosts line %d has the address of member %s' % (
            method, device.line, host.name) for device in devices for host in hosts
            if method != 'XVM' and device.uuid != host.uuid
            and numeric(device.address) == (numeric(host.address) or '')]
    for agent in agents:
        why = agent.objection()
        # what is said of a line already is not said again
        if why and not [each for each in found if why.endswith(each.split(' ', 1)[1])]:
            found.append(why)
    return [why for place, why in enumerate(found) if why not in found[:place]]


# -- the protocol ----

class Attempt(object):
    """One method's try at one host: command, then read until off twice."""

    def __init__(self, agent, keep_going, commanded):
        self.agent, self.dom0 = agent, agent.dom0
        self.keep_going, self.commanded = keep_going, bool(commanded)
        self.half_time = agent.deadline
        self.sent = None                    # when a command last may have got there
        self.taken, self.resent, self.was_on = False, False, False
        self.stopped = None                 # why it was given up before any harm
        self.off_since = None               # when an "off" was first read
        self.last = 'it did not answer in time'
        self.refusal = ''                   # what it said instead of obeying

    def verdict(self):
        """Each step returns a verdict, or None to go on; the clock ends it."""
        why = self.agent.objection()
        if why is not None:
            return self.failed(why)
        if self.agent.switchless:
            return self.ruled('unproved', NO_PROOF)
        self.half_time = self.dom0.now() + self.agent.budget() / 2.0
        self.agent.deadline = self.dom0.now() + self.agent.budget()
        if self.is_stopped():
            return self.failed(self.stopped)
        verdict = self.command()
        while verdict is None:
            verdict = self.read() or self.pause() or self.command_again()
        return verdict

    def command(self):
        now, answer = self.dom0.now(), self.agent.power_off()
        if answer.reached:
            self.commanded, self.sent = True, now
            if self.dom0.now() < self.agent.deadline:
                self.refusal = answer.why
        self.taken = answer.taken
        return self.noted(answer)

    def is_stopped(self):
        # safety: asked right before each command.  A host that came back is
        # left alone, until a command may have reached its device: from then on
        # only a proof ends the uncertainty.
        if not self.commanded and self.keep_going is not None:
            self.stopped = self.keep_going()
        return self.stopped is not None

    def noted(self, answer):
        if self.dom0.now() < self.agent.deadline:   # else we cut it off: that
            self.last = answer.why or self.last     # is not what stood in the way
        if answer.final:
            return self.failed(answer.why)

    def read(self):
        """Ask for the state.  Only an "on" takes an earlier "off" back: what is
        neither is as if it had not been asked."""
        # safety: before our command an "off" may be half of somebody's reset
        if self.sent is None:
            return None
        asked, answer = self.dom0.now(), self.agent.state()
        if answer.state == 'on':
            self.off_since, self.was_on = None, True
        if self.taken and self.agent.trusted and not self.was_on:
            return self.ruled('off', '%s says that it is done, and FENCE_TRUST_AGENT=1'
                              % self.agent.name)
        if self.taken and self.agent.blind:
            return self.ruled('unproved', '%s says that it is done, and %s' % (
                self.agent.name, self.agent.blindness))
        if answer.state == 'off' and self.agent.must_obey and not self.taken:
            answer = Answer(why='it reads off, but has not done what it was told')
        if answer.state == 'off':
            return self.read_off(asked)
        if not self.agent.blind:            # else its command has said more
            return self.noted(answer)

    def read_off(self, asked):
        if self.off_since is None:
            self.off_since = self.dom0.now()
            self.last = '%s read off only once' % self.agent.host.name
        elif asked - self.off_since >= READ_SPACING:
            return self.ruled('off', '%s read off twice, %.0f s after the command' % (
                self.agent.host.name, self.dom0.now() - self.sent))

    def pause(self):
        # nothing is asked that could not be answered in time
        if self.dom0.now() + PAUSE >= self.agent.deadline:
            return self.failed('%s is not proved off after %d s: %s%s' % (
                self.agent.host.name, self.agent.budget(), self.obstacle(),
                self.agent.slowness()))
        self.agent.nap(PAUSE)
        if self.agent.blind and self.resent:
            return self.failed(self.last)
        if self.is_stopped():
            return self.failed(self.stopped)

    def obstacle(self):
        """What stood in the way: "it reads on" alone hides a right that the
        device's user lacks."""
        if self.refusal in self.last:
            return self.last
        return '%s; %s' % (self.last, self.refusal)

    def command_again(self):
        """At once if no command came through; soon if it was refused, as busy
        devices do; else once, at half time: devices forget commands while a
        host boots."""
        if self.sent is None or self.is_refused():
            return self.command()
        if (self.off_since is None and not self.resent
                and self.dom0.now() >= self.half_time):
            self.resent = True
            return self.command()

    def is_refused(self):
        return (not self.taken and self.was_on and self.off_since is None
                and not self.agent.blind and self.dom0.now() - self.sent >= BUSY_PAUSE)

    def failed(self, why):
        return self.ruled('failed', why)

    def ruled(self, result, why):
        return Verdict(result=result, method=self.agent.name,
                       why='%s: %s' % (self.agent.name, why))


# -- hosts files ----

class Device(Record):
    """A line of a hosts file: which device switches which host."""
    fields = {'uuid': '', 'address': '', 'options': {}, 'line': 0, 'problem': None}

    def host(self):
        """Never what is not a uuid: who knows what that is."""
        if HOST_UUID.match(self.uuid):
            return self.uuid
        return 'no host'


def parse_hosts(text, method='', members=None):
    """([Device], [sentence]).  A line that is not exactly right is left out
    and named: of all mistakes the wrong host fenced is the worst.  `members`:
    the uuids that may be in it, if that is known."""
    devices, problems, number = [], [], 0
    for line in text.split('\n'):
        number += 1
        if line.strip() and not line.lstrip().startswith('#'):
            devices.append(device_on(line, number, method))
    for device in devices:
        device.problem = (device.problem or double_objection(device, devices)
                          or stranger_objection(device, members))
        if device.problem:
            problems.append('line %d: %s: %s' % (
                device.line, device.host(), device.problem))
    return [device for device in devices if not device.problem], problems


def stranger_objection(device, members):
    """A uuid of nobody is a typing error, or a host that was replaced."""
    if members is not None and device.uuid not in members:
        return 'this is no host of the pool'


def device_on(line, number, method=''):
    """What a line means; of one with a problem, what it seems to mean: it may
    still contradict another one."""
    uuid, rest = (line.split(':', 1) + [''])[:2]
    words = rest.split() or ['']
    device = Device(uuid=uuid.strip().lower(), address=words[0], line=number,
                    problem=line_objection(line, method))
    if not device.problem:
        device.options = dict([word.split('=', 1) for word in words[1:]])
    return device


def line_objection(line, method=''):
    """Why a line cannot be used, or None.  It may hold a password by mistake,
    so nothing after the uuid is ever quoted."""
    if '\r' in line:
        return "it ends as on Windows; `sed -i 's/\\r//' FILE` mends the file"
    if ':' not in line or not HOST_UUID.match(line.split(':')[0].lower()):
        return 'it does not begin with the uuid of a host and a colon'
    rest = (line.split(':', 1) + [''])[1]
    if line.split() != line.split(' ') or rest.startswith(' '):
        return 'a space or tab where none belongs'
    words = rest.split(' ')
    if not is_address(words[0]):
        return 'what follows the first colon is no address'
    for word in words[1:]:
        why = option_objection(word, method)
        if why:
            return why


def option_objection(word, method=''):
    name, value = (word.split('=', 1) + [''])[:2]
    if name in ('password', 'passwd'):
        return ('a password in a file that anyone may read; it belongs into '
                'FENCE_PASSWD in /etc/ha-lizard/ha-lizard.conf, or into %s.secrets '
                'beside this file' % (method or 'METHOD'))
    allowed = dict(DEVICE_OPTIONS, **OPTIONS_OF.get(method, {}))
    if CLUSTER_AGENT.match(method) and name not in allowed:
        return cluster_option_objection(name, value)
    if name not in allowed:
        return 'after the address only %s= may follow' % '= '.join(sorted(allowed))
    if not allowed[name](value):
        return 'the value of %s= is not usable' % name


def cluster_option_objection(name, value):
    """What an agent of ClusterLabs must not be told by a hosts file."""
    if name.replace('-', '_') in CLUSTER_TABOO or not CLUSTER_OPTION.match(name):
        return '%s= is not for a hosts file' % printable(name, 40)
    if not re.match(r'[^\s"\\]+\Z', value):
        return 'the value of %s= is not usable' % name


def is_number(text):
    return re.match(r'[0-9]{1,5}\Z', text) is not None


def is_port(text):
    return is_number(text) and 0 < int(text) < 65536


def is_user(text):
    return re.match(r'[A-Za-z0-9_][A-Za-z0-9_.@\\-]*\Z', text) is not None


def is_budget(text):
    return is_number(text) and 10 <= int(text) <= 120


def is_system(text):
    return re.match(r'/redfish/v1/[A-Za-z0-9_./:-]+\Z', text) is not None


def one_of(*words):
    return lambda text: text in words


#: what may follow the address in a hosts file, and what its value must be
DEVICE_OPTIONS = {'user': is_user, 'port': is_port, 'timeout': is_budget}
OPTIONS_OF = {
    'ILO': {'over': one_of('ssh', 'telnet')},
    'IRMC': {'over': one_of('ipmi', 'ssh'), 'cipher': is_number},
    'IPMI': {'cipher': is_number},
    'REDFISH': {'system': is_system},
}
#: with the same address, these tell two devices apart
TELL_APART = ('port', 'plug', 'system')


def is_address(text):
    """An IPv4 or IPv6 address or a host name; never an option of a command."""
    if ':' in text or re.match(r'[0-9.]+\Z', text):
        return numeric(text) is not None
    return HOST_NAME.match(text) is not None


def numeric(text):
    """The one form of an IP address that can be written in many, or None."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, text))
        except (EnvironmentError, socket.error, ValueError):
            continue
    return None


def double_objection(device, devices):
    """Two lines for a host, or two hosts on a device: none of them is used."""
    for other in devices:
        if other is device:
            continue
        if other.uuid == device.uuid:
            return 'line %d names the same host' % other.line
        if one_device(device, other):
            return 'line %d has the same address for another host' % other.line


def one_device(one, other):
    """The same address is another device only behind another port, or with
    another outlet or system of it named on both lines."""
    addresses = [numeric(each.address) or each.address.lower() for each in (one, other)]
    if addresses[0] != addresses[1]:
        return False
    for name in TELL_APART:
        values = [each.options.get(name, '').lstrip('0') for each in (one, other)]
        if '' not in values and values[0] != values[1]:
            return False
    return True


# -- passwords of single devices ----

def parse_secrets(text):
    """({uuid: password}, [sentence]) of a file of `uuid:password` lines.  All
    that follows the first colon is the password; none of it is ever quoted."""
    found, doubles, problems, number = {}, [], [], 0
    for line in text.split('\n'):
        number += 1
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        uuid, password = (line.split(':', 1) + [''])[:2]
        uuid = uuid.lower()
        if not HOST_UUID.match(uuid) or not password or '\r' in line:
            problems.append('line %d: it is not `uuid:password`' % number)
        elif uuid in found:
            problems.append('line %d: %s has two passwords' % (number, uuid))
            doubles.append(uuid)
        else:
            found[uuid] = password
    return dict([(uuid, found[uuid]) for uuid in found if uuid not in doubles]), problems


# -- agents ----

#: what clients say of a device with which all is well
CLIENT_NOISE = re.compile('Warning: Permanently added|Get HPM.x Capabilities request failed|'
                          'Close Session command failed')


class Agent(object):
    """The power switch of one host.  A subclass knows the device's language."""

    default_user = 'root'
    switchless = False          # there is no device at all
    blind = False               # it cannot tell whether the power is off, because it
    blindness = 'cannot show it'
    trusted = False             # its word is taken for a proof
    needs_password = True
    must_obey = False           # no "off" counts unless it took our command
    device = None               # what its hosts file says of the host
    slowest = 0.0               # seconds that its slowest answer took

    def __init__(self, dom0, settings, name, host):
        self.dom0, self.settings, self.name, self.host = dom0, settings, name, host
        self.password = settings.fence_passwd
        self.deadline = dom0.now() + FENCE_TIMEOUT

    def option(self, name, default=''):
        return self.device.options.get(name) or default

    def budget(self):
        """Seconds for all that an attempt with this device may take."""
        if self.device is None:
            return FENCE_TIMEOUT
        return float(self.option('timeout', FENCE_TIMEOUT))

    def file(self, suffix):
        return '%s/%s/%s.%s' % (
            self.settings.fence_file_loc.rstrip('/'), self.name, self.name, suffix)

    def objection(self):
        """Why it cannot be tried on this host, or None."""
        if not HOST_UUID.match(self.host.uuid.lower()):
            return '%s has no usable uuid' % self.host.name
        why = self.find_password()
        if why or self.needs_password and not self.password:
            return why or 'FENCE_PASSWD is empty'
        text = self.dom0.read(self.file('hosts'))
        if text is None:
            return 'there is no %s' % self.file('hosts')
        self.device, why = find_device(text, self.host, self.name)
        return why or self.device_objection()

    def find_password(self):
        """Take the password of this device, if it has its own: None, or why
        its file cannot be used."""
        text = self.dom0.read(self.file('secrets'))
        if text is None:
            return None
        mode = self.run(['stat', '-L', '-c', '%a', real_path(self.file('secrets'))], 5)
        if mode and not re.match(r'\d*00$', mode.output.strip()):
            return 'others may read %s: chmod 600' % self.file('secrets')
        found, problems = parse_secrets(text)
        for problem in problems:
            return '%s.secrets %s' % (self.name, problem)
        self.password = found.get(self.host.uuid.lower(), self.password)

    def device_objection(self):
        own = numeric(self.host.address)
        if own is not None and numeric(self.device.address) == own:
            return ('%s.hosts line %d has the address of %s itself, not of its '
                    'device' % (self.name, self.device.line, self.host.name))

    def user(self):
        return self.option('user') or self.settings.fence_user or self.default_user

    def run(self, argv, timeout, env=None, password=None, feed=''):
        """Run a client of the device; the attempt's end is its end as well."""
        started = self.dom0.now()
        timeout = min(timeout, self.deadline - started)
        if timeout <= 0:
            return Result(argv, TIMED_OUT)
        self.dom0.promise(timeout + 10)
        result = self.dom0.run(argv, timeout, feed=feed, env=env, password=password)
        self.slowest = max(self.slowest, self.dom0.now() - started)
        return result

    def slowness(self):
        """What the operator can do for a device that is only slow."""
        if self.slowest < SLOW_ANSWER or self.budget() >= 120:
            return ''
        return ' (it takes up to %d s to answer; timeout=120 on its line gives it more)' % (
            self.slowest)

    def identity(self):
        """{'uuid' or 'serial': text}: which machine the device is part of, as
        far as it tells."""
        return {}

    def nap(self, seconds):
        self.dom0.promise(seconds + 10)
        self.dom0.sleep(seconds)

    def quoted(self, text):
        """A device's words on one line, without our password in them."""
        for secret in (self.password, self.settings.fence_passwd):
            if secret:
                text = text.replace(secret, '***')
        return printable(' '.join(text.split()), 200)

    def said(self, result):
        lines = [line for line in (result.errors.strip() or result.output).split('\n')
                 if not CLIENT_NOISE.match(line)]
        return self.quoted('\n'.join(lines)) or 'nothing'

    def not_run(self, result):
        """The Answer when the client itself did not work, or None."""
        program = program_of(result.argv)
        if result.status == NOT_FOUND:
            return Answer(reached=False, final=True, why='%s: no such command: %s' % (
                program, self.said(result)))
        if result.status == TIMED_OUT:
            return Answer(why='no answer; %s was killed' % program)


def find_device(text, host, method):
    """(Device, None) or (None, why)."""
    devices, problems = parse_hosts(text, method)
    for device in devices:
        if device.uuid == host.uuid.lower():
            return device, None
    why = '%s.hosts has no usable line for %s (%s)' % (method, host.name, host.uuid)
    for problem in [each for each in problems if host.uuid.lower() in each] or problems:
        return None, '%s; %s' % (why, problem)
    return None, why


def program_of(argv):
    if argv[2:3] == ['talk']:
        return 'the dialog'
    return os.path.basename(argv[0])


def real_path(path):
    """As a child sees it: Dom0 moves what it reads, not what is in an argv."""
    return os.environ.get('HA_LIZARD_ROOT', '') + path


class PoolAgent(Agent):
    """FENCE_METHOD=POOL: the host is taken out of the pool's books, no more."""

    switchless = blind = True

    def objection(self):
        return None

    def power_on(self):
        return Answer(reached=False, why=NO_PROOF)

    power_off = state = power_on


# -- over ssh, the password typed on a pty ----

#: (fragment of ssh's words, what it means, asking again is useless); the first
#: that fits counts, and with each of them the command did not come through
SSH_FAILURES = (
    ('permission denied', 'it refused the user or the password', True),
    ('too many authentication', 'it refused the user or the password', True),
    ('too many sessions', 'all its sessions are taken', False),
    ('no matching', 'no algorithm in common', True),
    ('bad configuration option', 'this ssh is too old', True),
    ('bad ssh2', 'this ssh is too old', True),
    ('connection refused', 'it cannot be reached', False),
    ('no route to host', 'it cannot be reached', False),
    ('network is unreachable', 'it cannot be reached', False),
    ('connection timed out', 'it cannot be reached', False),
    ('could not resolve', 'it cannot be reached', False),
)

SESSION_BROKE = re.compile('read from remote host|client_loop|packet_write',
                           re.IGNORECASE)

KEY_CHANGED = re.compile('identification has changed|host key verification failed',
                         re.IGNORECASE)

#: what old devices speak, by the word that `ssh -Q` wants
OLD_ALGORITHMS = (
    ('kex', 'KexAlgorithms', 'diffie-hellman-group14-sha1 diffie-hellman-group1-sha1'),
    ('key', 'HostKeyAlgorithms', 'ssh-rsa ssh-dss'),
    ('cipher', 'Ciphers', 'aes128-cbc 3des-cbc'),
)


class SshAgent(Agent):
    old_algorithms = ()         # more options, once the device was seen to need them

    def address(self):
        return self.device.address

    def ssh(self, command):
        """Run one command there.  A device whose algorithms this ssh has
        dropped is tried once more with those of them that it still knows."""
        result = self.log_in(command)
        if result.status == 255 and 'no matching' in result.errors:
            self.old_algorithms = self.known_old_algorithms()
            if self.old_algorithms:
                result = self.log_in(command)
        return result

    def log_in(self, command):
        return self.run(self.argv(command), SSH_TIMEOUT, password=self.password)

    def argv(self, *command):
        """Only what every ssh from 4.3 to 9.x understands.  The device has its
        own file of known hosts.  `no` adds a new key (accept-new is younger
        than these clients) and yet never types a password after a changed one.
        LogLevel=ERROR would hide which algorithms are missing."""
        options = ['StrictHostKeyChecking=no', 'GlobalKnownHostsFile=/dev/null',
                   'UserKnownHostsFile=' + real_path(self.known_hosts()),
                   'LogLevel=INFO', 'PubkeyAuthentication=no',
                   'PreferredAuthentications=password,keyboard-interactive',
                   'NumberOfPasswordPrompts=1', 'ConnectTimeout=10']
        argv = ['ssh', '-F', '/dev/null']
        for option in options + list(self.old_algorithms):
            argv += ['-o', option]
        return argv + ['-p', self.ssh_port(), '-l', self.user(),
                       self.address()] + list(command)

    def ssh_port(self):
        return self.option('port', '22')

    def known_hosts(self):
        return KNOWN_HOSTS % (self.name, self.host.uuid.lower())

    def known_old_algorithms(self):
        """An unknown name is fatal to ssh, so it is asked what it knows; one
        that cannot say speaks the old ones without being told."""
        options = []
        for kind, option, names in OLD_ALGORITHMS:
            known = self.run(['ssh', '-Q', kind], 5).output.split()
            names = [name for name in names.split() if name in known]
            if names:
                options.append('%s=+%s' % (option, ','.join(names)))
        return options

    def ssh_failed(self, result):
        """The Answer when ssh did not get through, or None."""
        if result.status != 255:
            return self.not_run(result)
        said = self.said(result)
        if KEY_CHANGED.search(result.errors):   # it goes on for pages
            return Answer(reached=False, final=True,
                          why='its host key is not the one it had; if that is right, '
                          'remove %s' % self.known_hosts())
        for fragment, why, final in SSH_FAILURES:
            # safety: what broke half-way may have brought the command there
            if fragment in said.lower() and not SESSION_BROKE.search(said):
                return Answer(reached=False, final=final, silent=not final,
                              why='%s (%s says: %s)' % (why, self.client(), said))
        return Answer(why='%s failed: %s' % (self.client(), said))

    def client(self):
        return 'ssh'


class IloAgent(SshAgent):
    """HP iLO: the SMASH CLP, one command in one session.  Over ssh; an iLO 1 or
    2 may speak telnet, which is not encrypted: only if its line says so."""

    def log_in(self, command):
        if self.option('over') != 'telnet':
            return SshAgent.log_in(self, command)
        port = self.option('port', '23')
        return self.run(talk_argv(self.address()), SSH_TIMEOUT, feed=to_script(
            clp_dialog(self.address(), port, self.user(), self.password, command)))

    def client(self):
        return self.option('over', 'ssh')

    def identity(self):
        """`show /system1` has the serial number as `number`."""
        found = clp_value(self.ssh('show /system1').output, CLP_NUMBER)
        return {'serial': found}

    def power_off(self):
        # `power off` without `hard` is a press that the host may ignore
        return self.clp('power off hard', 'stop /system1 -f')

    def power_on(self):
        return self.clp('power on', 'start /system1')

    def clp(self, command, other):
        """Give a command; where it is not known, in its other spelling."""
        result = self.ssh(command)
        if clp_unknown(result.output):
            result = self.ssh(other)
        if clp_status(result.output) is None:
            return self.ssh_failed(result) or self.odd(result)
        if clp_status(result.output) == 0:
            return Answer(taken=True)
        return Answer(why='the device refused: %s' % (
            self.words(result) or 'it does not say why'))

    def state(self):
        result = self.ssh('power')
        state = clp_power(result.output)
        if clp_unknown(result.output):
            result = self.ssh('show /system1')
            state = clp_enabled(result.output)
        if state != 'unknown':
            return Answer(state=state, why='%s reads %s' % (self.host.name, state))
        return self.ssh_failed(result) or self.odd(result)

    def odd(self, result):
        return Answer(why='an answer that is not understood: %s' % (
            self.words(result) or 'nothing'))

    def words(self, result):
        """What it said after its banner."""
        lines = clp_lines(result.output)
        starts = [place for place, line in enumerate(lines) if line.startswith('status=')]
        return self.quoted(' '.join([line for line in lines[(starts or [0])[0]:]
                                     if not CLP_NOISE.match(line)]))


CLP_PROMPT = r'(</[^>\n]*>hpe?iLO-> ?|/\./-> ?)$'
CLP_NOISE = re.compile(r'status(_tag)?=|\w{3} \w{3} +\d+ [\d:]{8} \d{4}$|</.*-> ?')
CLP_NUMBER = re.compile(r'number=(\S+)$', re.IGNORECASE)
CLP_POWER = re.compile(r'power: server power is currently: (on|off)$', re.IGNORECASE)
CLP_ENABLED = re.compile(r'enabledstate=(\S*)$', re.IGNORECASE)


def clp_lines(text):
    """Lines end in CR LF, CR CR LF or CR, as the firmware likes."""
    lines = [line.strip() for line in text.replace('\r', '\n').split('\n')]
    return [line for line in lines if line]


def clp_status(text):
    """The number in `status=`: 0 done, else refused; None if there is not one."""
    found = [line[7:] for line in clp_lines(text) if line.startswith('status=')]
    if len(found) == 1 and found[0].isdigit():
        return int(found[0])
    return None


def clp_unknown(text):
    """Does the device not know this command?  "Already off" has other tags."""
    tags = [line for line in clp_lines(text) if line.startswith('error_tag=')]
    return tags in (['error_tag=COMMAND NOT RECOGNIZED'], ['error_tag=INVALID OPTION'])


def clp_value(text, pattern):
    """The one value that a completed command gave, in lower case, or ''."""
    lines = clp_lines(text)
    found = [match.group(1) for match in map(pattern.match, lines) if match]
    if (clp_status(text) == 0 and 'status_tag=COMMAND COMPLETED' in lines
            and len(found) == 1):
        return found[0].lower()
    return ''


def clp_power(text):
    """'on', 'off' or 'unknown', from the answer to `power`."""
    return clp_value(text, CLP_POWER) or 'unknown'


def clp_enabled(text):
    """The same from `show /system1`: only these two words are known to us."""
    words = {'enabled': 'on', 'disabled': 'off'}
    return words.get(clp_value(text, CLP_ENABLED), 'unknown')


# -- dialogs: telnet and menus, in a process of their own ----
#
# ha_lizard.py talk ADDRESS plays the script on its stdin, a step per line, and
# prints what the device said; 255 and its words when a step fails, as ssh does.
# A process of its own can be killed at any time, and the script, which holds
# the password, is in nobody's `ps`.

ESCAPES = re.compile('\x1b\\[[0-9;?]*[A-Za-z]')
TELNET_LOGIN = r'(?i)(log ?in( name)?|user ?name) ?: *$'
MENU = r'(?i)enter selection[^\n]*: *$'


def talk_argv(address):
    return own_program() + ['talk', address]


def to_script(steps):
    return ''.join([pack(step) + '\n' for step in steps])


def clp_dialog(address, port, user, password, command):
    """The steps of one command over telnet.  The answer begins after the echo
    of this very command: what is read before is the answer to an older one."""
    return [
        ('telnet', address, port), ('wait', TELNET_LOGIN, '30'), ('type', user + '\r'),
        ('wait', r'(?i)pass(word| phrase) ?: *$', '15'), ('type', password + '\r'),
        ('denied', TELNET_LOGIN + '|login (failed|incorrect)'),
        ('wait', CLP_PROMPT, '30'), ('denied', ''),
        ('type', command + '\r'), ('wait', re.escape(command), '10'), ('mark',),
        ('wait', r'status_tag=[^\n]*\n', '15'), ('wait', CLP_PROMPT, '15'),
        ('type', 'exit\r'), ('end', '2')]


def menu_dialog(argv, password, item):
    """The steps through the menu of an iRMC: to an item of its power menu, or
    with '' only to the first screen, which has the power status."""
    steps = [('ssh',) + tuple(argv), ('wait', r'(?i)assword: *$', '30'),
             ('type', password + '\n'), ('denied', r'(?i)permission denied|assword: *$'),
             ('mark',), ('wait', MENU, '20'), ('denied', '')]
    if item:
        steps += [('choose', 'Power Management'), ('wait', MENU, '10'), ('choose', item),
                  ('wait', r'(?i)do you really want to power[^\n]*$', '10'),
                  ('type', 'yes\r'), ('wait', '(?i)press any key', '15'), ('type', '\r'),
                  ('wait', MENU, '10'), ('type', '0'), ('wait', MENU, '10')]
    return steps + [('type', '0'), ('end', '2')]


def talk_command():
    """Play the script on stdin: an exit status."""
    dialog = Dialog()
    steps = [[unescape(word) for word in line.split('\t')]
             for line in to_text(read_all(0)).split('\n') if line]
    try:
        why = dialog.play(steps)
    finally:
        dialog.close()
    write_all(1, to_bytes(dialog.kept))
    if why:
        complain(why)
        return 255
    return 0


class Dialog(object):
    """Steps, one method each; every one returns None, or why it failed."""

    def __init__(self):
        self.link, self.denial = None, ''
        self.unread, self.waited, self.kept = '', '', ''

    def play(self, steps):
        for step in steps:
            why = getattr(self, 'do_' + step[0])(*step[1:])
            if why:
                return why

    def do_telnet(self, address, port):
        self.link = TelnetLink()
        return self.link.open(address, port)

    def do_ssh(self, *argv):
        self.link = TerminalLink(argv)

    def do_wait(self, pattern, seconds):
        """Read until the pattern matches; what was read is taken."""
        deadline = clock() + int(seconds)
        while True:
            if self.denial and re.search(self.denial, self.unread):
                return 'Permission denied: ' + self.tail()
            match = re.search(pattern, self.unread)
            if match:
                self.waited = self.unread[:match.end()]
                self.unread = self.unread[match.end():]
                self.kept += self.waited
                return None
            text = self.link.read(deadline - clock())
            if text is None:
                return 'it waits for something else: ' + self.tail()
            if not text:
                return 'it ended the session: ' + self.tail()
            self.unread = ESCAPES.sub('', self.unread + text.replace('\r', '\n'))

    def do_choose(self, item):
        """Type the number that the menu just read has for an item."""
        numbers = re.findall(r'(?i)\((\d+)\)[ \t]*%s' % re.escape(item), self.waited)
        if len(numbers) != 1:
            return 'its menu has no "%s": %s' % (item, self.waited[-200:])
        return self.do_type(numbers[0])

    def do_type(self, text):
        return self.link.write(text)

    def do_denied(self, pattern):
        """From here on the pattern means that the login was refused."""
        self.denial = pattern

    def do_mark(self):
        """What counts as the answer begins here."""
        self.kept = ''

    def do_end(self, seconds):
        """Wait for the device to end the session."""
        deadline = clock() + int(seconds)
        while clock() < deadline and self.link.read(deadline - clock()):
            pass

    def tail(self):
        return ' '.join(self.unread.split())[-300:] or 'nothing'

    def close(self):
        if self.link is not None:
            self.link.close()


class TelnetLink(object):
    """A connection, and as much of telnet as a prompt needs: RFC 854."""

    def __init__(self):
        self.socket, self.raw = None, ''

    def open(self, address, port):
        try:
            place = socket.getaddrinfo(address, int(port), 0, socket.SOCK_STREAM)[0]
            self.socket = socket.socket(place[0], place[1])
            self.socket.settimeout(10)
            self.socket.connect(place[4])
        except (EnvironmentError, socket.error):
            why = reason(caught())
            return {'timed out': 'Connection timed out'}.get(why, why)

    def read(self, seconds):
        """Text, '' at the end of the connection, None if there was none in time."""
        while seconds > 0:
            started = clock()
            try:
                self.socket.settimeout(seconds)
                data = self.socket.recv(4096)
            except socket.timeout:
                return None
            except (EnvironmentError, socket.error):
                return ''
            text, self.raw, reply = telnet_text(self.raw + to_characters(data))
            self.write(reply)
            if text or not data:
                return text
            seconds -= clock() - started        # it only negotiated
        return None

    def write(self, text):
        try:
            self.socket.sendall(from_characters(text))
        except (EnvironmentError, socket.error):
            return 'it ended the session: ' + reason(caught())

    def close(self):
        if self.socket is not None:
            self.socket.close()


def to_characters(data):
    """One character for each byte."""
    if isinstance(data, str):
        return data
    return data.decode('latin-1')


def from_characters(text):
    if isinstance(text, type(''.encode('ascii'))):
        return text
    return text.encode('latin-1', 'replace')


def telnet_text(raw):
    """(text, what is not complete yet, what to answer) of raw characters.  Of
    all that is offered only ECHO and SUPPRESS-GO-AHEAD are taken."""
    text, reply, place = '', '', 0
    while place < len(raw):
        if raw[place] != '\xff':
            text += raw[place].replace('\0', '')
            place += 1
            continue
        word = raw[place + 1:place + 3]
        if word[:1] == '\xff':
            text, place = text + '\xff', place + 2
        elif word[:1] == '\xfa':                # a parameter, up to IAC SE
            end = raw.find('\xff\xf0', place)
            if end < 0:
                break
            place = end + 2
        elif word[:1] and word[0] in '\xfb\xfc\xfd\xfe':
            if len(word) < 2:
                break
            reply += telnet_reply(*word)
            place += 3
        elif word:
            place += 2
        else:
            break
    return text, raw[place:], reply


def telnet_reply(verb, option):
    if verb == '\xfd':                          # DO: WONT
        return '\xff\xfc' + option
    if verb == '\xfb' and option in '\x01\x03':   # WILL: DO
        return '\xff\xfd' + option
    if verb == '\xfb':                          # WILL: DONT
        return '\xff\xfe' + option
    return ''


class TerminalLink(object):
    """A program on a terminal of its own."""

    def __init__(self, argv):
        self.pid, self.terminal = os.forkpty()
        if self.pid == 0:
            try:
                os.execvp(argv[0], list(argv))
            finally:
                os._exit(NOT_FOUND)

    def read(self, seconds):
        if not select.select([self.terminal], [], [], max(seconds, 0))[0]:
            return None
        try:
            return to_text(os.read(self.terminal, 4096))
        except EnvironmentError:                # nobody has it open any more
            return ''

    def write(self, text):
        try:
            write_all(self.terminal, to_bytes(text))
        except EnvironmentError:
            return 'it ended the session: ' + reason(caught())

    def close(self):
        os.close(self.terminal)
        kill_quietly(os.kill, self.pid)
        reap(self.pid)


class XvmAgent(SshAgent):
    """A pool of virtual machines: the hosts are VMs of an outer host.  `xe`
    wants root there, so FENCE_USER, which is for other devices, does not count."""

    def objection(self):
        if not is_address(self.settings.fence_ipaddress):
            return 'FENCE_IPADDRESS is not the address of the outer host'
        return SshAgent.objection(self)

    def device_objection(self):
        if not HOST_UUID.match(self.device.address.lower()):
            return ('XVM.hosts line %d: what follows the first colon is no uuid '
                    'of a VM' % self.device.line)

    def address(self):
        return self.settings.fence_ipaddress

    def user(self):
        return self.option('user', self.default_user)

    def power_off(self):
        return self.xe('vm-shutdown uuid=%s --force')

    def power_on(self):
        return self.xe('vm-start uuid=%s')

    def xe(self, command):
        result = self.ssh('xe ' + command % self.device.address.lower())
        if result:
            return Answer(taken=True)
        return self.ssh_failed(result) or Answer(
            why='xe refused: %s' % self.said(result))

    def state(self):
        result = self.ssh('xe vm-param-get uuid=%s param-name=power-state'
                          % self.device.address.lower())
        state = xvm_state(result)
        if state != 'unknown':
            return Answer(state=state, why='%s reads %s' % (self.host.name, state))
        return self.ssh_failed(result) or Answer(
            why='an answer that is not understood: %s' % self.said(result))


def xvm_state(result):
    """A suspended or paused VM keeps its disks: only `halted` is off."""
    words = {'halted': 'off', 'running': 'on', 'paused': 'on', 'suspended': 'on'}
    if result.status != 0:
        return 'unknown'
    return words.get(result.output.strip().lower(), 'unknown')


# -- ipmitool, the password in its environment ----

CIPHER_REFUSED = re.compile(
    'invalid (authentication|integrity|confidentiality) algorithm|cipher suite|'
    'insufficient resources for session', re.IGNORECASE)


class IpmiAgent(Agent):
    """Any BMC that speaks IPMI 2 over the network; FENCE_METHOD=IRMC as well."""

    default_user = 'admin'
    cipher = ''                 # the suite that worked

    def power_off(self):
        return self.chassis('off')

    def power_on(self):
        return self.chassis('on')

    def chassis(self, action):
        result, seconds = self.ipmitool(IPMI_OFF_TIMEOUT, 'chassis', 'power', action)
        if result:
            return Answer(taken=True)
        return self.refusal(result, seconds)

    def state(self):
        result, seconds = self.ipmitool(IPMI_STATE_TIMEOUT, 'chassis', 'power', 'status')
        state = ipmi_state(result)
        if state != 'unknown':
            return Answer(state=state, why='%s reads %s' % (self.host.name, state))
        return self.refusal(result, seconds)

    def identity(self):
        result, _ = self.ipmitool(IPMI_STATE_TIMEOUT, 'mc', 'guid')
        found = re.findall(r'(?im)^\s*System GUID\s*:\s*([0-9a-f-]{36})\s*$', result.output)
        if result and len(found) == 1:
            return {'uuid': found[0]}
        return {}

    def ipmitool(self, timeout, *command):
        """Suite 3 is the only one that old devices have, 17 the only one that
        some new ones accept; -C is given because asking costs up to 10 s."""
        env = dict([(name, self.password)
                    for name in ('IPMI_PASSWORD', 'IPMITOOL_PASSWORD')])
        for cipher in self.ciphers():
            started = self.dom0.now()
            result = self.run(self.ipmi_argv(cipher) + list(command), timeout, env=env)
            if result.status == 0 or not CIPHER_REFUSED.search(result.errors):
                self.cipher = cipher
                break
        return result, self.dom0.now() - started

    def ciphers(self):
        cipher = self.option('cipher', self.cipher)
        if cipher:
            return [cipher]
        return ['3', '17']

    def ipmi_argv(self, cipher):
        return ['ipmitool', '-I', 'lanplus', '-C', cipher, '-N', '1', '-R', '2',
                '-H', self.device.address, '-p', self.option('port', '623'),
                '-U', self.user(), '-L', 'OPERATOR', '-E']

    def refusal(self, result, seconds):
        said = self.said(result)
        if result.status in (NOT_FOUND, TIMED_OUT):
            return self.not_run(result)
        if 'password is longer than' in said:
            return Answer(reached=False, final=True,
                          why='FENCE_PASSWD is too long for IPMI')
        if CIPHER_REFUSED.search(result.errors):
            return Answer(reached=False, why='no cipher suite in common: %s' % said)
        if 'Unable to establish' not in said:
            return Answer(why='ipmitool says: %s' % said)
        if seconds < LOGIN_REFUSED_WITHIN:
            return Answer(reached=False, final=True,
                          why='it refused the user or the password: %s' % said)
        return Answer(reached=False, silent=True,
                      why='the device does not answer: %s' % said)


def ipmi_state(result):
    """Exactly one line, and ipmitool content with it."""
    words = {'Chassis Power is on': 'on', 'Chassis Power is off': 'off'}
    if result.status != 0:
        return 'unknown'
    return words.get(result.output.strip(), 'unknown')


#: what the menu of an iRMC calls what we want, and its power status
IRMC_ITEMS = {'off': 'Immediate Power Off', 'on': 'Power On', 'status': ''}
IRMC_STATUS = re.compile(r'(?i)power status[ \t]*:[ \t]*(\w+)')


class IrmcAgent(IpmiAgent, SshAgent):
    """Fujitsu iRMC: ipmitool; where IPMI over LAN is switched off, as it is
    from firmware 2.00 of the S6 on, its menu over ssh, as 1.8 did."""

    default_user = 'admin'
    menu = False                # it answered by its menu

    def power_off(self):
        return self.either(IpmiAgent.power_off, 'off')

    def power_on(self):
        return self.either(IpmiAgent.power_on, 'on')

    def state(self):
        return self.either(IpmiAgent.state, 'status')

    def either(self, by_ipmi, action):
        over, first = self.option('over'), None
        if not self.menu and over != 'ssh':
            first = by_ipmi(self)
            if over == 'ipmi' or not first.silent:
                return first
        answer = self.by_menu(action)
        if answer.taken or answer.state != 'unknown':
            self.menu = True
        elif first:
            answer.why = '%s; by ssh: %s' % (first.why, answer.why)
        return answer

    def by_menu(self, action):
        result = self.ssh(action)
        state = irmc_power(result.output)
        if not result:
            return self.ssh_failed(result) or Answer(why='its menu failed: ' + self.said(result))
        if action != 'status':
            return Answer(taken=True)
        if state == 'unknown':
            return Answer(why='a menu that is not understood: %s' % self.said(result))
        return Answer(state=state, why='%s reads %s' % (self.host.name, state))

    def log_in(self, action):
        script = menu_dialog(self.argv(), self.password, IRMC_ITEMS[action])
        return self.run(talk_argv(self.address()), MENU_TIMEOUT, feed=to_script(script))

    def argv(self, *command):
        return SshAgent.argv(self, *command)[:1] + ['-tt'] + SshAgent.argv(self, *command)[1:]

    def ssh_port(self):
        if self.option('over') == 'ssh':
            return self.option('port', '22')
        return '22'


def irmc_power(text):
    """The one power status that a screen shows."""
    found = set([word.lower() for word in IRMC_STATUS.findall(text)])
    if len(found) == 1 and found & set(['on', 'off']):
        return found.pop()
    return 'unknown'


# -- Redfish through curl, the password on its stdin ----

#: curl's status: the request was never sent
CURL_UNREACHED = (5, 6, 7, 35, 60)
POWER_STATE = re.compile(r'"PowerState"\s*:\s*("?\w+"?)')
RESET_TARGET = re.compile(
    r'"#ComputerSystem\.Reset"\s*:\s*\{[^{}]*"target"\s*:\s*"(/redfish/[\w./:#-]+)"')
SYSTEM_MEMBER = re.compile(r'"@odata\.id"\s*:\s*"(/redfish/v1/Systems/[^"/]+)/?"')


class RedfishAgent(Agent):
    """Any BMC with Redfish.  Only ForceOff and On: the other kinds of reset
    are not verifiable, or ask the host for its consent."""

    path = ''                   # of its system, once that is known

    def power_off(self):
        return self.reset('ForceOff')

    def power_on(self):
        return self.reset('On')

    def reset(self, kind):
        text, why = self.system()
        if why:
            return why
        targets = RESET_TARGET.findall(text)
        target = (targets + [self.path + '/Actions/ComputerSystem.Reset'])[0]
        status, text, result = self.curl(target, '{"ResetType": "%s"}' % kind)
        if status in (200, 202, 204):
            return Answer(taken=True)
        return self.refusal(status, text, result)

    def state(self):
        text, why = self.system()
        if why:
            return why
        state = redfish_power(text)
        if state == 'unknown':
            return Answer(why='an answer that is not understood: ' + self.quoted(text))
        return Answer(state=state, why='%s reads %s' % (self.host.name, state))

    def identity(self):
        text, why = self.system()
        found = {}
        for name, kind in (('UUID', 'uuid'), ('SerialNumber', 'serial')):
            values = set(re.findall(r'"%s"\s*:\s*"([^"\\]+)"' % name, text))
            if not why and len(values) == 1:
                found[kind] = values.pop()
        return found

    def system(self):
        """(text of the system, None) or ('', Answer)."""
        why = self.find_system()
        if why:
            return '', why
        status, text, result = self.curl(self.path)
        if status == 200 and is_whole(text):
            return text, None
        return '', self.unsent(status, text, result)

    def find_system(self):
        """Learn which system is the host's: None, or the Answer that says why not."""
        self.path = self.path or self.option('system').rstrip('/')
        if self.path:
            return None
        status, text, result = self.curl('/redfish/v1/Systems')
        if status != 200 or not is_whole(text):
            return self.unsent(status, text, result)
        members = sorted(set(SYSTEM_MEMBER.findall(text)))
        if len(members) != 1:
            return Answer(reached=False, final=True, why='it has %d systems; system=PATH '
                          'on its line says which: %s' % (len(members), ' '.join(members)))
        self.path = members[0]

    def unsent(self, status, text, result):
        """The Answer when a question failed: no command has been sent."""
        answer = self.refusal(status, text, result)
        answer.reached = False
        return answer

    def refusal(self, status, text, result):
        if status is None:
            return self.not_run(result) or Answer(
                reached=result.status not in CURL_UNREACHED,
                silent=result.status in CURL_UNREACHED + (28,),
                why='it cannot be reached: %s' % self.quoted(result.errors))
        if status in (401, 403):
            return Answer(reached=False, final=True,
                          why='it refused the user or the password (HTTP %d)' % status)
        return Answer(why='it answered HTTP %d: %s' % (
            status, self.quoted(redfish_words(text)) or 'nothing'))

    def curl(self, path, data=None):
        """(HTTP status or None, body, Result).  -q comes first: the .curlrc of
        some dom0s forbids the ciphers that old devices have."""
        argv = ['curl', '-q', '-s', '-S', '-k', '-g', '-m', str(CURL_TIMEOUT),
                '--connect-timeout', '10', '-K', '-', '-H', 'Accept: application/json',
                '-w', r'\n%{http_code}']
        if data:
            argv += ['-H', 'Content-Type: application/json', '-d', data]
        argv.append('https://%s:%s%s' % (
            in_url(self.device.address), self.option('port', '443'), path))
        result = self.run(argv, CURL_TIMEOUT + 2, feed='user = "%s:%s"\n' % (
            self.user(), self.password.replace('\\', '\\\\').replace('"', '\\"')))
        body, code = (result.output.rsplit('\n', 1) + [''])[:2]
        if result and code.isdigit() and int(code):
            return int(code), body, result
        return None, '', result


def is_whole(text):
    """Is it all of a JSON object?  One that is cut off may lack what matters."""
    bare = re.sub(r'"(\\.|[^"\\])*"', '', text).strip()
    return (bare[:1] == '{' and bare[-1:] == '}'
            and bare.count('{') == bare.count('}') and '"' not in bare)


def redfish_power(text):
    """All that a system says of its PowerState is the same word, on or off."""
    words = {'"On"': 'on', '"Off"': 'off'}
    found = set(POWER_STATE.findall(text))
    if len(found) == 1 and is_whole(text):
        return words.get(found.pop(), 'unknown')
    return 'unknown'


def redfish_words(text):
    """The identifiers of the messages in an error, or all of it."""
    return ' '.join(re.findall(r'"MessageId"\s*:\s*"([^"]+)"', text)) or text


# -- agents of ClusterLabs ----

CLUSTER_AGENT = re.compile(r'fence_[a-z0-9_]+\Z')
CLUSTER_OPTION = re.compile(r'[a-z][a-z0-9_.-]*\Z')
#: what would change the action, hide a mistake, or print secrets
CLUSTER_TABOO = ('action', 'option', 'passwd', 'password', 'passwd_script',
                 'password_script', 'ipaddr', 'ip', 'login', 'username', 'ipport',
                 'method', 'missing_as_off', 'delay', 'verbose', 'verbose_level',
                 'debug', 'debug_file', 'separator', 'plug_separator', 'nodename')
#: agents that look for "enabled" before the word is there: an answer that comes in
#: pieces makes them say off, and even "already off" before they did anything
CLUSTER_MISREADS = re.compile(r'fence_ilo(\d?_ssh|_mp)\Z')
CLUSTER_STAMP = re.compile(r'[\d-]+ [\d:,]+ [A-Z]+: ')
CLUSTER_STATES = {0: ('on', 'Status: ON'), 2: ('off', 'Status: OFF')}


class ClusterAgent(Agent):
    """FENCE_METHOD=fence_NAME: its options on stdin, as Pacemaker does.  What
    follows the address on a line is passed on: plug=3 ssl=1 lanplus=1."""

    needs_password = False
    must_obey = True            # 2 is also how a script ends that cannot be read
    blindness = 'takes an answer that comes in pieces for off'

    def __init__(self, dom0, settings, name, host):
        Agent.__init__(self, dom0, settings, name, host)
        self.blind = (CLUSTER_MISREADS.match(name) is not None
                      and not settings.fence_trust_agent)

    def power_off(self):
        return self.act('off')

    def power_on(self):
        return self.act('on')

    def act(self, action):
        result = self.agent(action, FENCE_TIMEOUT)
        if result:
            return Answer(taken=True)
        return self.not_run(result) or Answer(
            final=result.status != 1, why=self.ended(action, result))

    def state(self):
        result = self.agent('status', STATUS_TIMEOUT)
        state, line = CLUSTER_STATES.get(result.status, ('unknown', ''))
        if state != 'unknown' and line in result.output.split('\n'):
            return Answer(state=state, why='%s reads %s' % (self.host.name, state))
        return self.not_run(result) or Answer(why=self.ended('status', result))

    def said(self, result):
        """Its last line: before it come warnings of its Python, or where it broke."""
        lines = (result.errors.strip() or result.output.strip()).split('\n')
        return self.quoted(CLUSTER_STAMP.sub('', lines[-1])) or 'nothing'

    def ended(self, action, result):
        return '%s action=%s ended with status %s and said: %s' % (
            self.name, action, result.status, self.said(result))

    def agent(self, action, timeout):
        return self.run([self.name], timeout, feed=self.options(action))

    def options(self, action):
        """Of two lines with one name the agent takes the last: ours.  The old
        names are known to old and new agents."""
        pairs = [(name, self.device.options[name])
                 for name in sorted(self.device.options)
                 if name not in DEVICE_OPTIONS]
        pairs += [('ipaddr', self.device.address), ('ipport', self.option('port')),
                  ('login', self.option('user') or self.settings.fence_user),
                  ('passwd', self.password and '"%s"' % self.password), ('action', action)]
        return ''.join(['%s=%s\n' % pair for pair in pairs if pair[1]])


# -- the operator's own ----

#: how a script shows that it knows the action `status`: a label of a `case`, a
#: comparison, or (in a wrapper) the comment `# answers: status`.  It is never
#: simply tried: many a script takes what it does not know for `stop`.
ANSWERS_STATUS = re.compile(
    r"""(^|;;|^[^#\n]*\bin)[ \t]*\(?(["']?\w+["']?[ \t]*\|[ \t]*)*"""
    r"""["']?status["']?[ \t]*[|)]|"""
    r"""^[^#\n]*\$\{?\w+\}?["']?[ \t]*==?[ \t]*["']?status\b|"""
    r"""^[^#\n]*==[ \t]*["']status["']|"""
    r"""^#[ \t]*answers:.*\bstatus\b""", re.MULTILINE)


class CustomAgent(Agent):
    """<METHOD>/<METHOD>.sh UUID start|stop|reset|status: 0 done, 1 failed; to
    status 0 on, 2 off, 1 unknown.  We say stop, read, and start later."""

    def __init__(self, dom0, settings, name, host):
        Agent.__init__(self, dom0, settings, name, host)
        self.text = None
        if METHOD_NAME.match(name):         # else it could name any file
            self.text = dom0.read(self.file('sh'))
        self.blind = not ANSWERS_STATUS.search(self.text or '')
        self.trusted = bool(self.text and settings.fence_trust_agent)

    def objection(self):
        if not METHOD_NAME.match(self.name):
            return 'this is no name of a method'
        if not HOST_UUID.match(self.host.uuid.lower()):
            return '%s has no usable uuid' % self.host.name
        if self.text is None:
            return 'there is no such method and no %s%s' % (
                self.file('sh'), meant_by(self.name))
        if self.run(['test', '-x', real_path(self.file('sh'))], 5).status == 1:
            return '%s is not executable' % self.file('sh')
        return self.find_password()

    def power_off(self):
        return self.act('stop')

    def power_on(self):
        return self.act('start')

    def act(self, action):
        result = self.agent(action, FENCE_TIMEOUT)
        if result:
            return Answer(taken=True)
        if result.status == TIMED_OUT:
            return self.not_run(result)
        # A shell ends with 2, "off", when it cannot read the script at all:
        # an agent that breaks the rules here is not believed there.
        return Answer(final=result.status != 1, why=self.ended(action, result))

    def state(self):
        if self.blind:
            return Answer(why='%s.sh does not know the action status' % self.name)
        result = self.agent('status', STATUS_TIMEOUT)
        state = {0: 'on', 2: 'off'}.get(result.status, 'unknown')
        if state != 'unknown':
            return Answer(state=state, why='%s reads %s' % (self.host.name, state))
        return Answer(why=self.ended('status', result))

    def ended(self, action, result):
        return '%s.sh %s ended with status %s and said: %s' % (
            self.name, action, result.status, self.said(result))

    def agent(self, action, timeout):
        env = {'FENCE_IPADDRESS': self.settings.fence_ipaddress,
               'FENCE_USER': self.settings.fence_user,
               'FENCE_PASSWD': self.password}
        return self.run([real_path(self.file('sh')), self.host.uuid, action],
                        timeout, env=env)


def meant_by(name):
    if name.upper() in FENCE_METHODS:
        return ' (%s is built in)' % name.upper()
    return ''


#: every method that is built in; any other name is an agent of the operator's
FENCE_METHODS = {
    'POOL': PoolAgent,          # proves nothing
    'ILO': IloAgent,            # ssh, SMASH CLP; user root
    'IRMC': IrmcAgent,          # ipmitool, or its menu over ssh; user admin
    'IPMI': IpmiAgent,          # ipmitool, for any BMC; user admin
    'REDFISH': RedfishAgent,    # curl; user root
    'XVM': XvmAgent,            # ssh to FENCE_IPADDRESS, xe; user root
}


###############################################################################
# Alerts: what the operator must hear of ######################################
###############################################################################
# A condition lasts: it is raised once, and once it is over.  An act is a
# moment: those of one recovery make one digest.  What a round has to tell
# leaves it as one letter, in the spool; a child carries it out.  So nothing
# here waits for a mail server, for xapi or for a script of the operator.
#
# ALERT_SCRIPT is run for each event, without a shell, for 20 s at most:
#
#     SCRIPT EVENT STATE SUBJECT TEXT
#
#     EVENT     a key of EVENTS
#     STATE     raised, over, or told (it has no end)
#     SUBJECT   the uuid of the host or VM concerned, or -
#     TEXT      one sentence
#
# and with the same in its environment, as HA_LIZARD_EVENT, _STATE, _SUBJECT and
# _TEXT, beside HA_LIZARD_PRIORITY (1 highest to 5, 0 none), HA_LIZARD_HOST (the
# name of this host) and HA_LIZARD_POOL (the uuid of the pool).  What it prints
# goes nowhere; a failure is logged.

HOUR = 3600
INTERIM = 180           # seconds after which an unfinished recovery is told of
LONGEST_EPISODE = HOUR  # what has not come back until then is not waited for
THAW = 600              # seconds before its end at which a freeze is told of again
# Who stopped its VMs and is back sooner hears of it from the master: they start again.
ISOLATED_LONG = 120
SLOW_START = 900        # seconds of starting up that are too many
MOST_VMS = 200          # VMs that a digest names
MOST_MAILED = 200       # events of which the last mail is remembered
MOST_AT_ONCE = 40       # messages, and runs of the script, for one letter
FREE_REPEATS = 3        # identical lines in an hour before they are only counted


class Event(object):
    """One kind of thing that the operator may hear of.

    `function`: whose LOG_, MAIL_ and PRIORITY_ switch it obeys.  `priority`: of
    the message in XenCenter unless PRIORITY_<function> is set; 0: none.
    `about`: what that message hangs on.  `mail`: '' if something else tells it,
    'raised' or 'over' if only its begin or its end is mailed.  `wide`: every host
    sees it, the master tells it.  `reminder`: mailed again after so many seconds.  `end`: its title when
    it is over.  `patience`: seconds that it must last before anybody is told.
    """

    def __init__(self, key, function, priority, about, title, advice='',
                 mail='both', wide=False, reminder=0, end='', patience=0):
        self.key, self.function, self.priority = key, function, priority
        self.about, self.title, self.advice = about, title, advice
        self.mail, self.wide, self.reminder = mail, wide, reminder
        self.end, self.patience = end or 'over: ' + title, patience
        self.message = 'HA_LIZARD_' + key.upper().replace('-', '_')

    def rank(self, settings):
        """The priority in XenCenter: 0 none, 1 highest, 5 lowest."""
        if settings.origin('PRIORITY_' + self.function) == 'default':
            return self.priority
        return settings.priority(self.function)


BY_HAND = ('If the host is really off, `ha-cfg confirm-dead HOST` lets its VMs start '
           'elsewhere. Never say so of a host that may still run.')
EVENTS = (
    # -- VMs
    Event('vm-down', 'vm_state', 2, 'vm', 'VM is not running',
          'Make room for the VM: memory, or storage that a running host reaches. HA starts '
          'it as soon as a host can run it.', end='VM is no longer down'),
    Event('vm-stuck', 'vm_state', 2, 'vm', 'VM is down and xapi is at work on it',
          'A call of xapi can hang for hours when the host that it asked is gone. `xe task-list` '
          'shows it; `xe task-cancel uuid=TASK` may end it. If no host runs the VM, `xe '
          'vm-reset-powerstate uuid=VM --force` frees it.', end='VM is free again', patience=600),
    Event('vm-started', 'vm_mon', 0, 'vm', 'VM started'),
    Event('vm-failed', 'vm_mon', 0, 'vm', 'VM did not start',
          'Read why it did not start; `xe vm-start uuid=UUID` shows the whole error. HA '
          'tries again by itself, at growing intervals.'),
    Event('vm-left', 'check_vm_managed', 0, 'vm', 'VM is not managed and stays down'),
    Event('vm-start', 'vm_mon', 2, 'vm', 'VM does not start, next try later', mail=''),
    Event('vm-field', 'check_vm_managed', 3, 'vm', 'invalid value in the HA field of a VM',
          'Set the field to true or false, in XenCenter or with `ha-cfg set-vm-ha`.',
          wide=True, end='HA field of a VM is valid again'),
    Event('vm-twice', 'vm_state', 1, 'vm', 'VM was running twice',
          'The VM was stopped on the host that came back. Check its file systems.'),
    # -- hosts
    Event('host-silent', 'check_slave_status', 1, 'host', 'host is silent', BY_HAND,
          end='host answers again'),
    Event('host-off', 'check_slave_status', 2, 'host', 'host is off',
          'Find out why it failed, then switch it on; it rejoins by itself.', mail='over',
          end='host is back'),
    Event('dead-xapi', 'check_xapi', 1, 'host', 'host is alive, its xapi is not',
          'Run `xe-toolstack-restart` on that host. Its VMs run on.',
          end='xapi answers again'),
    Event('peer', 'check_slave_status', 2, 'host', 'HA does not run',
          'Run `service ha-lizard start` on that host, then look into its log.',
          end='HA runs again'),
    Event('version', 'check_slave_status', 3, 'host', 'hosts run different versions of HA',
          'Install the same version on every host; until then HA only watches.', wide=True),
    Event('isolated', 'check_xapi', 1, 'host', 'isolated host stopped its VMs',
          'Mend its network. The VMs are started again, here or elsewhere.', mail='raised',
          end='host is no longer isolated', patience=ISOLATED_LONG),
    Event('lonely', 'check_quorum', 1, 'host', 'host rebooted because nobody answered',
          'Mend the network between the hosts.'),
    Event('suspended', 'check_quorum', 1, 'host', 'HA is suspended',
          'Mend the network. Then run `ha-cfg recover` on that host, or wait: it takes '
          'part again when the pool is whole (SUSPEND_AUTO_CLEAR).', reminder=HOUR,
          end='HA takes part again'),
    Event('startup', 'check_xapi', 2, 'host', 'HA does not come up',
          'Run `ha-cfg why` on that host: it names what HA waits for.'),
    Event('identity', 'check_xapi', 1, 'host', 'host does not know its own uuid',
          'Restore INSTALLATION_UUID in /etc/xensource-inventory.',
          end='host has an INSTALLATION_UUID again'),
    # -- fencing
    Event('fence', 'fence_host', 1, 'host', 'silent host is not fenced', BY_HAND,
          end='silent host answers again, or is off', patience=60),
    Event('fence-begun', 'fence_host', 0, 'host', 'fencing has begun'),
    Event('fence-proved', 'fence_host', 0, 'host', 'host was fenced and is off',
          'Find out why the host failed, then switch it on; it rejoins by itself.'),
    Event('fence-unproved', 'fence_host', 1, 'host', 'nothing proves that a host is off',
          BY_HAND),
    Event('fence-failed', 'fence_host', 1, 'host', 'fencing failed', BY_HAND),
    Event('fence-presumed', 'fence_host', 1, 'host', 'host taken for dead without proof',
          'Make sure at once that the host is off: a VM that runs twice destroys its '
          'disk. FENCE_HA_ONFAIL=1 asked for this.'),
    Event('wrong-machine', 'fence_host', 1, 'host', 'the wrong machine was switched off',
          'Correct the list of devices in FENCE_FILE_LOC before anything else.'),
    Event('device', 'fence_host', 2, 'host', 'a fence device does not fit its host',
          'Correct the list of devices in FENCE_FILE_LOC; `ha-cfg check` tries each.'),
    Event('confirm-dead', 'fence_host', 2, 'host', 'host was confirmed dead by hand'),
    Event('forgotten', 'fence_host', 2, 'pool', 'dead host was removed from the pool',
          'Install the removed host anew to use it again. FENCE_HOST_FORGET=1 asked for '
          'this.'),
    # -- mastership
    Event('promotion-begun', 'promote_slave', 0, 'host', 'promotion has begun'),
    Event('promotion-done', 'promote_slave', 0, 'host', 'pool has a new master',
          'Point XenCenter at the new master if it lost the pool.'),
    Event('promotion-refused', 'promote_slave', 1, 'host', 'promotion did not work',
          'Run `ha-cfg why` on that host; the promotion is tried again.'),
    Event('rival', 'check_quorum', 1, 'host', 'two hosts take themselves for the master',
          'Look at both hosts: `ha-cfg cluster-status`. On the one that is wrong, follow '
          '`xe pool-emergency-reset-master`.', end='there is one master again'),
    Event('no-heir', 'autoselect_slave', 3, 'pool', 'no slave could replace the master',
          'Enable a slave, or bring one back.', wide=True,
          end='a slave can replace the master again'),
    # -- the pool and this program
    Event('xenserver-ha', 'check_ha_enabled', 1, 'pool', 'XenServer HA is on',
          'Only one of the two may be on: `xe pool-ha-disable`, then `ha-cfg ha-enable`.',
          wide=True),
    Event('pool-field', 'check_ha_enabled', 2, 'pool', 'invalid value in the HA field',
          'Set the field to true or false, in XenCenter or with `ha-cfg ha-enable`.',
          wide=True, end='HA field is valid again'),
    Event('setting', 'check_ha_enabled', 3, 'pool', 'a setting is not valid',
          'Correct it with `ha-cfg set`, or in ha-lizard.conf. The value from before '
          'stays in force.', end='a setting is valid again'),
    Event('capacity', 'vm_mon', 3, 'host', 'the pool cannot lose this host any more',
          'Free memory on the other hosts, or add a host.', wide=True,
          end='the pool can lose this host again'),
    Event('freeze', 'check_ha_enabled', 3, 'pool', 'HA is frozen', wide=True,
          end='HA is frozen no more'),
    Event('freeze-ends', 'check_ha_enabled', 3, 'pool', 'the freeze of HA ends soon',
          'Finish the work, or freeze HA for longer: `ha-cfg freeze MINUTES`.',
          mail='raised', wide=True),
    # Not write_pool_state, whose LOG_ is off unless somebody switches it on.
    Event('state', 'check_xapi', 2, 'host', 'state of HA cannot be saved or read',
          'Make room on the disk of that host: `df /etc/ha-lizard/state`.', reminder=HOUR,
          end='state of HA can be saved and read again'),
    Event('mail', 'email', 3, 'host', 'mails cannot be delivered',
          'Run `ha-cfg email_debug`: it shows the talk with the mail server.', mail=''),
    Event('metrics', 'email', 3, 'host', 'the file in METRICS_DIR cannot be written'),
    Event('digest', 'vm_mon', 3, 'pool', 'recovery', mail=''),
    Event('raised', 'email', 3, 'pool', 'raised by hand'),
    Event('test', 'email', 0, 'pool', 'test'),
)
EVENT = dict([(event.key, event) for event in EVENTS])
ALWAYS = ('startup', 'identity', 'state')       # also while HA starts up
# Of one host, all of these are one story: a host that flaps makes two mails an hour.
LIFE = ('host-silent', 'host-off', 'fence', 'fence-begun', 'fence-proved',
        'fence-unproved', 'fence-failed', 'fence-presumed')


def event_of(key):
    """(the Event, its subject) of the key of a condition, EVENT-SUBJECT."""
    words = key.split('-')
    for count in range(len(words), 0, -1):
        if '-'.join(words[:count]) in EVENT:
            return EVENT['-'.join(words[:count])], '-'.join(words[count:])
    return Event(key, 'email', 3, 'pool', key.replace('-', ' ')), ''


class Item(Record):
    """One thing to tell.  `state`: raised, over or told (it has no end)."""
    fields = {'event': None, 'subject': '', 'name': '', 'text': '', 'state': 'told'}

    def key(self):
        """What counts as the same thing: the event, never the text."""
        words = [self.event.key, self.subject, {'over': 'over'}.get(self.state, '')]
        return '-'.join([word for word in words if word])


# -- conditions that no decision names ----------------------------------------

def standing_conditions(settings, view):
    """{key: sentence} of what lasts and shows in the View alone."""
    found = {}
    if is_settling(view):
        if view.uptime > SLOW_START:
            found['startup'] = 'HA has been starting up for more than %d min' % (
                SLOW_START // 60)
        return found
    for host in view.hosts:
        if host.off:
            found['host-off-' + host.uuid] = '%s is off: %s' % (host, host.off)
    if view.frozen:
        found['freeze'] = 'HA is frozen until ' + view.frozen
    if view.thaws:
        found['freeze-ends'] = 'HA acts again at ' + view.thaws
    if view.isolated:
        found['isolated'] = '%s is cut off from half of the pool and stops its VMs' % view.me
    found.update(silent_master(settings, view))
    if is_in_charge(view):
        found.update(unplaced(settings, view))
    return found


def is_settling(view):
    """A09: nothing is told while HA looks around after a boot."""
    return (view.enabled == 'true' and not view.ready and not view.suspended
            and not view.xenserver_ha and not view.frozen)


def is_in_charge(view):
    return bool(view.role == 'master' and view.enabled == 'true' and view.me
                and view.me is view.master and not view.xapi and not view.suspended)


def silent_master(settings, view):
    """A master that nobody replaces; of the slaves the first by name tells it."""
    master, me = view.master, view.me
    if view.role != 'slave' or view.enabled != 'true' or not (master and me):
        return {}
    alive = sorted([host.name for host in view.others() if host.answers] + [me.name])
    if (not master.silent or master.silence < settings.xapi_dead_time
            or alive[0] != me.name):
        return {}
    return {'host-silent-' + master.uuid: 'master %s has been silent for more than %d s, '
            'and no slave has replaced it' % (master, settings.xapi_dead_time)}


def unplaced(settings, view):
    """VMs that are down at the end of a round and may be started."""
    found = {}
    for vm in view.vms:
        if (not start_objection(settings, view, vm) and not is_starting(view, vm)
                and not is_tried(view, vm)):
            remarks = placements(view, [vm])[1] + ['`ha-cfg why` says why']
            found['vm-down-' + vm.uuid] = 'VM %s (%s) is not running: %s' % (
                vm, vm.uuid, remarks[0])
        if is_stuck(settings, view, vm):
            found['vm-stuck-' + vm.uuid] = (
                'VM %s (%s) is down while xapi is at work on it'
                % (vm, vm.uuid))
    return found


def is_stuck(settings, view, vm):
    """Down while xapi is at work on it, and not by our own start: a migration whose
    host died, say.  Such a call can hang for hours (xe.md 8(c))."""
    return (vm.power == 'halted' and vm.busy and vm.stamp == view.pool
            and not is_starting(view, vm) and not managed_objection(settings, view, vm))


def capacity(settings, view):
    """{key: sentence}: hosts whose VMs would find no place on the others."""
    found = {}
    members = [host for host in view.hosts if host.answers and not host.off]
    if not is_in_charge(view) or len(members) < 2:
        return found
    for host in members:
        homeless = left_over(settings, view, host)
        if homeless:
            found['capacity-' + host.uuid] = (
                'if %s fails, %d of its VMs find no memory elsewhere: %s' % (
                    host, len(homeless), printable(', '.join(homeless), 300)))
    return found


def left_over(settings, view, lost):
    """Names of the managed VMs of a host that would stay down without it."""
    movers = [vm for vm in view.vms if vm.host == lost.uuid and vm.power == 'running'
              and not managed_objection(settings, view, vm)]
    rest = View(hosts=[host for host in view.hosts if host is not lost],
                vms=[vm for vm in view.vms if vm not in movers], busy=view.busy)
    # The largest first, as whoever fits things into boxes does.
    starts = placements(rest, sorted(movers, key=lambda vm: (-vm.memory, vm.uuid)))[0]
    placed = [start.vm.uuid for start in starts]
    return [vm.name for vm in movers if vm.uuid not in placed]


# -- the end of a round -------------------------------------------------------

def update_alerts(site, warnings, view=None):
    """Tell what is new and what is over since the last round, in one letter."""
    bulletin = Bulletin(site, view or View())
    if view is None or site.notes.dry_run:  # for the journal alone
        return bulletin.compare(warnings)
    conditions = dict(warnings)
    conditions.update(standing_conditions(site.settings, bulletin.view))
    conditions.update(bulletin.capacity())
    conditions.update(spool_conditions(site))
    conditions.update(write_metrics(site, bulletin.view, conditions))
    bulletin.digest(conditions)
    bulletin.moments()
    bulletin.compare(dict([(key, masked(printable(text, 1000), site.settings))
                           for key, text in conditions.items()]))
    bulletin.send()
    tend_spool(site)
    for line in site.journal.repeats.flush():
        site.dom0.log(line)


def meanwhile(site, view):
    """Within a round that takes long: tell of a recovery before it is over."""
    episode = Episode(site)
    if (episode.age() > INTERIM and not episode.is_told()
            and not site.notes.dry_run):
        bulletin = Bulletin(site, view)
        bulletin.digest()
        bulletin.send()


def announce(site, key, text):
    """Have a moment told, which has no end, when this round is over.
    `key`: EVENT or EVENT-SUBJECT."""
    site.notes['moment.' + key] = text
    kind, level = {1: ('warn', 'warning')}.get(event_of(key)[0].priority, ('note', 'info'))
    site.journal.say(kind, text, event_of(key)[0].function, level)


def own_reboot(site):
    """A master that was cut off has left a word for its next boot."""
    if site.dom0.read(CUT_OFF) is not None:
        announce(site, 'isolated', '%s was cut off from half of the pool and rebooted'
                 % host_name(site))
        site.dom0.remove(CUT_OFF)


class Bulletin(object):
    """What one round has to tell, for every channel."""

    def __init__(self, site, view):
        self.site, self.view, self.notes = site, view, site.notes
        self.items, self.report = [], None          # for the mail
        self.covered = []                              # keys that the report tells
        self.shows, self.clears, self.runs = [], [], []

    def capacity(self):
        """Looked at once an hour; in between what was known stays."""
        settings = self.site.settings
        if self.site.dom0.now() % HOUR < 2 * settings.monitor_delay:
            return capacity(settings, self.view)
        return dict([(key, text) for key, text in self.notes.about('alert').items()
                     if key.startswith('capacity-')])

    def moments(self):
        """What was announced since the last letter."""
        own_reboot(self.site)
        for key, text in sorted(self.notes.about('moment').items()):
            if not is_settling(self.view):
                del self.notes['moment.' + key]
                self.tell(self.item(*event_of(key) + (text,)))

    # -- conditions -----------------------------------------------------------

    def compare(self, conditions):
        """Raise what is new, end what is over."""
        known, settling = self.notes.about('alert'), is_settling(self.view)
        for key, text in sorted(conditions.items()):
            if key in known:
                self.go_on(key, known[key], text)
            elif not settling or event_of(key)[0].key in ALWAYS:
                self.begin(key, text)
        for key, text in sorted(known.items()):
            if key not in conditions and not settling:
                self.end(key, text)
        self.tell_late_ends()

    def begin(self, key, text):
        event, subject = event_of(key)
        self.notes['alert.' + key] = text
        self.notes['since.' + key] = '%d' % self.site.dom0.wall()
        del self.notes['late.%s-over' % key]
        self.note('warn', key, text, event)
        if event.patience:
            self.notes['early.' + key] = '1'
        elif self.is_ours(event, text):
            self.tell(self.item(event, subject, text, 'raised'))

    def note(self, kind, key, text, event):
        """Into the journal, unless it has the act."""
        if event.mail != 'over':
            self.site.journal.say(kind, text, event.function,
                                  {'warn': 'warning'}.get(kind, 'info'),
                                  '%s: %s' % (kind, key))

    def go_on(self, key, before, text):
        """It lasts: hourly reminders, and what the screen held back."""
        event, subject = event_of(key)
        if without_numbers(before) != without_numbers(text):
            self.notes['alert.' + key] = text
        item = self.item(event, subject, text, 'raised')
        if 'early.' + key in self.notes.facts:
            if self.lasted(key) >= event.patience:
                del self.notes['early.' + key]
                if self.is_ours(event, text):
                    self.tell(item)
        elif event.reminder and self.is_over(key, event.reminder):
            self.mail(item, event.reminder)
        elif 'late.' + key in self.notes.facts and self.is_over(key):
            self.mail(item)

    def end(self, key, text):
        event, subject = event_of(key)
        told = self.item(event, subject, 'after %s: %s' % (
            duration(self.lasted(key)), text), 'over')
        early = 'early.' + key in self.notes.facts
        # Who was not told of the trouble need not hear of its end.
        mailed = event.mail == 'over' or 'told.' + key in self.notes.facts
        for kind in 'alert', 'since', 'late', 'early', 'told':
            del self.notes['%s.%s' % (kind, key)]
        self.note('over', key, text, event)
        if not early and self.is_ours(event, text):
            self.tell(told, mailed)

    def lasted(self, key):
        now = self.site.dom0.wall()
        return now - self.notes.number('since.' + key, now)

    def tell_late_ends(self):
        """An end that the screen held back: who was told of the trouble is told."""
        for key, text in sorted(self.notes.about('late').items()):
            if key.endswith('-over') and self.is_over(key):
                event, subject = event_of(key[:-len('-over')])
                self.mail(self.item(event, subject, text, 'over'))

    def is_ours(self, event, text):
        """Whether this host tells it, and not the master for all."""
        if event.key == 'setting' and self.view.role == 'slave':
            return 'on this host' in text or 'ha-lizard.conf' in text
        return not event.wide or self.view.role == 'master'

    # -- channels -------------------------------------------------------------

    def item(self, event, subject, text, state='told'):
        name = name_of(self.site, subject)
        if event.about == 'host':
            name = name or host_name(self.site)
        return Item(event=event, subject=subject, name=name, state=state,
                    text=masked(printable(text, 1000), self.site.settings))

    def tell(self, item, mailed=True):
        if mailed:
            self.mail(item)
        self.run(item)
        self.show(item)

    def mail(self, item, screen=None):
        """Into the letter, unless the same was mailed a short time ago."""
        ends = {'over': 'over'}.get(item.state, 'raised')
        if item.event.mail not in ('both', ends) or not self.is_wanted(item):
            return
        if item.key() in self.covered:
            self.notes['told.' + item.key()] = '1'
            return
        if self.passes(item.key(), screen):
            self.items.append(item)
            del self.notes['late.' + item.key()]
            if item.state == 'raised':
                self.notes['told.' + item.key()] = '1'
        else:
            self.notes['late.' + item.key()] = item.text

    def is_wanted(self, item):
        return self.site.settings.wants_mail(item.event.function)

    def run(self, item):
        if self.site.settings.alert_script:
            self.runs.append((item.event.key, item.state, item.subject or '-', item.text,
                              '%d' % item.event.rank(self.site.settings)))

    def show(self, item):
        """A message in XenCenter, on what it is about; none once it is over."""
        rank = item.event.rank(self.site.settings)
        if not self.site.settings.enable_alerts or not rank:
            return
        kind, uuid = self.place_of(item)
        if item.state == 'over':
            self.clears.append((item.event.message, uuid))
        else:
            self.shows.append((item.event.message, '%d' % rank, kind, uuid, item.text))

    def place_of(self, item):
        """(kind, uuid) of the object that the message hangs on."""
        facts = self.site.facts
        if item.event.about == 'vm' and item.subject in facts.vms:
            return 'vm', item.subject
        if item.event.about == 'host':
            for uuid in (item.subject[:36], self.site.me):
                if uuid in facts.hosts:
                    return 'host', uuid
        return 'pool', facts.pool

    # -- once -----------------------------------------------------------------

    def passes(self, key, screen=None):
        """Whether the event may be mailed; one that may not is counted."""
        moment, held = self.mailed(key)
        if self.is_over(key, screen) and not self.is_flapping(key):
            self.notes['mailed.' + key] = '%.1f %d' % (self.site.dom0.now(), held)
            return True
        if moment == NEVER:
            moment = self.site.dom0.now()
        self.notes['mailed.' + key] = '%.1f %d' % (moment, held + 1)
        return False

    def is_flapping(self, key):
        """Whether it is about the life of a host that was told to be back a short
        time ago: that it comes and goes is known by then."""
        event, subject = event_of(re.sub('-over$', '', key))
        return event.key in LIFE and bool([other for other in LIFE if not self.is_over(
            '%s-%s-over' % (other, subject))])

    def is_over(self, key, screen=None):
        """Whether its last mail is longer ago than MAIL_SCREEN_TIME."""
        if screen is None:
            screen = self.site.settings.mail_screen_time * 60
        return self.site.dom0.now() - self.mailed(key)[0] >= screen

    def mailed(self, key):
        """(when it was mailed last, how often it was held back since)"""
        words = self.notes.get('mailed.' + key).split()
        if len(words) != 2:
            return NEVER, 0
        return float(words[0]), int(words[1])

    def held_back(self):
        """[(how often, what)] was not mailed since the last mail."""
        found = {}
        for key in sorted(self.notes.about('mailed')):
            moment, held = self.mailed(key)
            if held:
                event, subject = event_of(re.sub('-over$', '', key))
                title = {True: event.end, False: event.title}[key.endswith('-over')]
                times, names = found.get(title, (0, []))
                found[title] = times + held, names + [name_of(self.site, subject)]
                self.notes['mailed.' + key] = '%.1f 0' % moment
        self.prune()
        return [(times, title + because(printable(', '.join(
            [name for name in names if name]), 200)))
                for title, (times, names) in sorted(found.items())]

    def prune(self):
        """Forget what is older than the screen, and the oldest of too many."""
        keys = sorted(self.notes.about('mailed'), key=lambda key: self.mailed(key)[0])
        for number, key in enumerate(keys):
            if self.is_over(key) or number < len(keys) - MOST_MAILED:
                del self.notes['mailed.' + key]

    # -- the letter -----------------------------------------------------------

    def digest(self, conditions=()):
        """The recovery that this round ends, or that takes long.  VMs that wait for
        a place, by the conditions, are not waited for."""
        episode = Episode(self.site)
        pending = episode.is_pending(self.view, conditions)
        if episode.is_empty() or (pending and (
                episode.is_told() or episode.age() < INTERIM)):
            return
        items = episode.items(self.view)
        fresh = [item for item in items if self.is_over(item.key())
                 and not self.is_flapping(item.key())]
        for item in items:
            if not fresh or item in fresh:      # the rest is told beside what is fresh
                self.passes(item.key())
        for item in fresh:
            self.run(item)
        if [item for item in fresh if self.is_wanted(item)]:
            self.report = episode.report(self.view, pending)
            self.covered = [item.key() for item in items]
        if fresh:
            self.show(self.item(EVENT['digest'], '', episode.title(self.view)))
        episode.close(pending)

    def send(self):
        """Hand over to the spool what there is to tell."""
        letter = None
        if self.items or self.report:
            letter = compose(self)
            self.site.journal.say('mail', letter.title, 'email')
        if letter or self.shows or self.clears or self.runs:
            enqueue(self.site, letter, self.shows[:MOST_AT_ONCE],
                    self.clears[:MOST_AT_ONCE], self.runs[:MOST_AT_ONCE])


def name_of(site, subject):
    """The name of the host or VM that a subject begins with, or nothing."""
    uuid = subject[:36]                     # device-UUID-METHOD
    for table in site.facts.hosts, site.facts.vms:
        if uuid in table:
            return printable(table[uuid]['name-label'], 60)
    return ''


def without_numbers(text):
    return re.sub('[0-9]+', '#', text)


def duration(seconds):
    seconds = max(0, int(seconds))
    for limit, unit, name in ((120, 1, 's'), (2 * HOUR, 60, 'min'), (48 * HOUR, HOUR, 'h')):
        if seconds < limit:
            return '%d %s' % (seconds // unit, name)
    return '%d days' % (seconds // (24 * HOUR))


# -- an episode: from the first act to the last -------------------------------

def record_act(site, action, stage, why=''):
    """Note an act for the digest.  `stage`: begun, done, or failed for `why`."""
    recorder = RECORDERS.get(action.__class__.__name__)
    if recorder:
        recorder(Episode(site), action, stage, why or '')


class Episode(object):
    """What was done about one trouble.  It is in the notes, so that a daemon
    that was killed goes on with it; each host and VM is in it once.

        episode.begin        wall clock, as all times in it
        episode.host.UUID    name, what (begun, proved, ...), since, until, why
        episode.vm.UUID      name, state (lost, starting, started, failed), from, to, why
        episode.master       name, state (begun, done, refused), since, why
    """
    host_row, vm_row, master_row = 5, 5, 4      # so many values in a row

    def __init__(self, site):
        self.site, self.notes = site, site.notes

    def is_empty(self):
        return self.notes.number('episode.begin') is None

    def is_told(self):
        return 'episode.told' in self.notes.facts

    def age(self):
        return max(0, self.site.dom0.wall()
                   - self.notes.number('episode.begin', self.site.dom0.wall()))

    def wall(self):
        return '%d' % self.site.dom0.wall()

    def row(self, key, count):
        try:
            return unpack(self.notes.get('episode.' + key), count)
        except ValueError:
            return [''] * count

    def rows(self, kind, count):
        """[(uuid, row)]"""
        return [(key[len(kind) + 1:], self.row(key, count)) for key
                in sorted(self.notes.about('episode')) if key.startswith(kind + '.')]

    def hosts(self):
        return self.rows('host', self.host_row)

    def vms(self, view=None):
        """What a killed daemon left half done is as the View has it."""
        found = self.rows('vm', self.vm_row)
        running = dict([(vm.uuid, vm) for vm in (view or View()).vms
                        if vm.power == 'running'])
        for uuid, row in found:
            if row[1] != 'started' and uuid in running:
                row[1], row[3] = 'started', str(view.host(running[uuid].host) or '')
        return found

    def master(self):
        return self.row('master', self.master_row)

    def note(self, key, *values):
        if self.is_empty():
            self.notes['episode.begin'] = self.wall()
        if (key.startswith('vm.') and 'episode.' + key not in self.notes.facts
                and len(self.vms()) >= MOST_VMS):
            self.notes['episode.more'] = '%d' % (self.notes.number('episode.more', 0) + 1)
        else:
            self.notes['episode.' + key] = pack(values)

    # -- what is noted --------------------------------------------------------

    def fence(self, action, stage, why):
        key = 'host.' + action.host.uuid
        began = self.row(key, self.host_row)[2] or self.wall()
        what = 'begun'
        if stage == 'done':
            what = {True: 'presumed', False: 'proved'}[isinstance(action, TakeOver)]
            why = self.notes.get('off.' + action.host.uuid).split(' ', 1)[-1]
        elif stage == 'failed':
            what = {True: 'unproved', False: 'failed'}[
                'unproved.' + action.host.uuid in self.notes.facts]
        else:
            began = self.wall()
        self.note(key, str(action.host), what, began, self.wall(), why)

    def reset(self, action, stage, why):
        if stage == 'done':
            self.note('vm.' + action.vm.uuid, str(action.vm), 'lost', str(action.host),
                      '', '')

    def start(self, action, stage, why):
        key = 'vm.' + action.vm.uuid
        if getattr(action, 'needless', False):          # another host was quicker
            del self.notes['episode.' + key]
            return
        state = {'begun': 'starting', 'done': 'started', 'failed': 'failed'}[stage]
        self.note(key, str(action.vm), state, self.row(key, self.vm_row)[2],
                  str(action.host), why)

    def promote(self, action, stage, why):
        state = {'begun': 'begun', 'failed': 'refused'}.get(stage)
        if state:
            self.note_master(state, why)

    def take_charge(self, action, stage, why):
        if stage == 'done':
            self.note_master('done')

    def note_master(self, state, why=''):
        began = self.master()[2] or self.wall()
        self.note('master', name_of(self.site, self.site.me), state, began, why)

    def forget(self, action, stage, why):
        if stage == 'done':
            self.note('forgotten', str(action.host))

    def stop_twin(self, action, stage, why):
        if stage == 'done':
            self.note('twice.' + action.vm.uuid, str(action.vm))

    def restart_xapi(self, action, stage, why):
        if stage != 'begun':
            self.note('toolstack', {True: 'did not work: ' + why, False: 'worked'}[bool(why)])

    # -- what is told ---------------------------------------------------------

    def is_pending(self, view, conditions=()):
        """Whether something is still to come, for an hour at most."""
        if self.age() > LONGEST_EPISODE:
            return False
        return bool(self.master()[1] == 'begun'
                    or [row for _, row in self.hosts() if row[1] == 'begun']
                    or [row for uuid, row in self.vms(view) if row[1] == 'starting' or (
                        row[1] == 'lost' and 'vm-down-' + uuid not in conditions
                        and not self.stays_down(view, uuid))])

    def stays_down(self, view, uuid):
        """Why HA has no more to do with a VM, or None."""
        for vm in view.vms:
            if vm.uuid == uuid:
                return managed_objection(self.site.settings, view, vm)
        return 'it is no longer in the pool'

    def items(self, view):
        """Every event of it, as an Item."""
        found = []
        for uuid, row in self.hosts():
            found.append(self.item('fence-begun', uuid, row[0], 'fencing of %s began at '
                                   '%s' % (row[0], time_of_day(row[2]))))
            if row[1] != 'begun':
                found.append(self.item('fence-' + row[1], uuid, row[0],
                                       self.about_host(row)))
        name, state, began, _ = self.master()
        if state:
            found.append(self.item('promotion-begun', '', '', 'promotion of %s began at %s'
                                   % (name, time_of_day(began))))
        if state not in ('', 'begun'):
            found.append(self.item('promotion-' + state, '', '', self.about_master()))
        if self.row('forgotten', 1)[0]:
            found.append(self.item('forgotten', '', '', '%s was removed from the pool'
                                   % self.row('forgotten', 1)[0]))
        if self.row('toolstack', 1)[0]:
            found.append(self.item('dead-xapi', self.site.me, '', 'the restart of the '
                                   'toolstack ' + self.row('toolstack', 1)[0]))
        for uuid, row in self.rows('twice', 1):
            found.append(self.item('vm-twice', uuid, row[0], 'VM %s ran here as well as '
                                   'elsewhere; it was stopped here' % row[0]))
        for uuid, row in self.vms(view):
            found.append(self.item(self.event_of_vm(view, uuid, row), uuid, row[0],
                                   self.about_vm(view, uuid, row)))
        return found

    def event_of_vm(self, view, uuid, row):
        if row[1] == 'lost' and self.stays_down(view, uuid):
            return 'vm-left'
        return {'started': 'vm-started', 'failed': 'vm-failed'}.get(row[1], 'vm-down')

    def item(self, event, uuid, name, text):
        return Item(event=EVENT[event], subject=uuid, name=printable(name, 60),
                    text=masked(printable(text, 500), self.site.settings))

    def about_host(self, row):
        name, what, began, ended, why = row
        return '%s at %s: %s' % ({
            'proved': '%s was fenced and is off', 'presumed': '%s was taken for dead',
            'unproved': 'nothing proves that %s is off',
            'failed': '%s could not be fenced'}[what] % name, time_of_day(ended), why)

    def about_master(self):
        name, state, _, why = self.master()
        return {'begun': '%s is becoming the master', 'done': '%s is the new master',
                'refused': '%s did not become the master'}[state] % name + because(why)

    def about_vm(self, view, uuid, row):
        name, state, source, place, why = row
        came = source and ', it ran on ' + source
        if state == 'started':
            return 'started on %s%s' % (place, came)
        if state == 'failed':
            return 'did not start on %s%s: %s' % (place, came, why)
        if state == 'starting':
            return 'is being started on %s%s' % (place, came)
        return 'is down%s: %s' % (came, self.stays_down(view, uuid)
                                  or 'no host has taken it yet')

    def title(self, view):
        """The whole story in one line."""
        told = ['%s %s' % (row[0], {
            'begun': 'is being fenced', 'proved': 'was fenced',
            'unproved': 'is not proved off', 'failed': 'could not be fenced',
            'presumed': 'is taken for dead'}[row[1]]) for _, row in self.hosts()]
        if self.master()[1]:
            told.append(self.about_master().split(' (')[0])
        told += [row[0] + ' was removed from the pool'
                 for row in [self.row('forgotten', 1)] if row[0]]
        told += ['the restart of the toolstack ' + row[0].split(':')[0]
                 for row in [self.row('toolstack', 1)] if row[0]]
        told += ['VM %s ran twice' % row[0] for _, row in self.rows('twice', 1)]
        vms = [(uuid, row) for uuid, row in self.vms(view)
               if self.event_of_vm(view, uuid, row) != 'vm-left']
        if len(vms) == 1:
            about = self.about_vm(view, *vms[0]).split(':')[0].split(',')[0]
            told.append('VM %s %s' % (printable(vms[0][1][0], 60), about))
        elif vms:
            told.append('%d of %d VMs started' % (
                len([row for _, row in vms if row[1] == 'started']), len(vms)))
        return masked(', '.join(told) or '%s left down' % number_of(len(self.vms(view)), 'VM'),
                      self.site.settings)

    def report(self, view, pending):
        """What the letter needs."""
        items = self.items(view)
        return Digest(
            title=self.title(view), began=self.notes.number('episode.begin'),
            took=self.age(), pending=pending,
            more=int(self.notes.number('episode.more', 0)),
            acts=[item for item in items if not item.event.key.startswith('vm-')
                  or item.event.key == 'vm-twice'],
            back=[item for item in items if item.event.key == 'vm-started'],
            down=[item for item in items if item.event.key in ('vm-failed', 'vm-down')],
            left=[item for item in items if item.event.key == 'vm-left'])

    def close(self, pending):
        """It is told; what is pending goes on."""
        if pending:
            self.notes['episode.told'] = '1'
            return
        for key in self.notes.about('episode'):
            del self.notes['episode.' + key]


class Digest(Record):
    """An episode that is told.  `acts`, `back`, `down`, `left`: Items; `down` is
    what did not come back, `left` what HA leaves down, `more` the number of VMs
    that are not named."""
    fields = {'title': '', 'began': 0, 'took': 0, 'pending': False, 'more': 0,
              'acts': (), 'back': (), 'down': (), 'left': ()}


RECORDERS = {
    'Fence': Episode.fence, 'TakeOver': Episode.fence, 'ResetPower': Episode.reset,
    'StartVm': Episode.start, 'Promote': Episode.promote,
    'EndPromotion': Episode.take_charge, 'Forget': Episode.forget,
    'StopVm': Episode.stop_twin, 'RestartToolstack': Episode.restart_xapi,
}


def time_of_day(wall):
    return time.strftime('%H:%M:%S', time.localtime(float(wall or 0)))


# -- the log ------------------------------------------------------------------

def masked(text, settings):
    """The text without our passwords."""
    if settings is None:
        return text
    for row in SETTINGS:
        secret = row.secret and getattr(settings, row.attribute)
        if secret and len(secret) > 3:
            text = text.replace(secret, '***')
        elif secret:                        # a password like 1 is in every sentence
            text = re.sub(r'(?<![\w.])%s(?![\w.])' % re.escape(secret), '***', text)
    return text


class Repeats(object):
    """Lines that come again and again: the first few of an hour are logged, the
    others counted; the count comes with the next one, or after the hour."""
    most = 50

    def __init__(self, dom0, notes):
        self.dom0, self.notes = dom0, notes

    def shown(self, line, topic='', logged=True):
        """The line as it is to be logged now, or None.  The count of what is not
        `logged` is nobody's business either."""
        key, now = 'said.%08x' % checksum(topic or line), self.dom0.now()
        since, times, _ = self.entry(key)
        if now - since >= HOUR:
            self.put(key, now, 1, '')
            return line + self.more(times)
        self.put(key, since, times + 1, line * logged)
        if times < FREE_REPEATS:
            return line

    def entry(self, key):
        words = self.notes.get(key).split(' ', 2)
        if len(words) != 3:
            return NEVER, 0, ''
        return float(words[0]), int(words[1]), words[2]

    def put(self, key, since, times, line):
        if times <= FREE_REPEATS:
            line = ''
        self.notes[key] = '%.1f %d %s' % (since, times, printable(line, 300))
        said = self.notes.about('said')
        if len(said) > self.most:
            oldest = sorted([(self.entry('said.' + name)[0], name) for name in said])
            del self.notes['said.' + oldest[0][1]]

    def more(self, times):
        if times > FREE_REPEATS:
            return ' (and %d times more, not logged)' % (times - FREE_REPEATS)
        return ''

    def flush(self):
        """[line with its count] of what is not said any more."""
        lines = []
        for name in sorted(self.notes.about('said')):
            since, times, line = self.entry('said.' + name)
            if self.dom0.now() - since >= HOUR and times > FREE_REPEATS:
                if line:
                    lines.append(line + self.more(times))
                del self.notes['said.' + name]
        return lines


# -- monitoring ---------------------------------------------------------------

METRICS = 'ha_lizard.prom'


def write_metrics(site, view, conditions):
    """A file for the textfile collector of Prometheus: {}, or a condition.

    Its heartbeat is ha_lizard_last_round_timestamp_seconds: let Prometheus
    alert when that is old, for a host that has stopped says nothing itself.
    """
    if not site.settings.metrics_dir:
        return {}
    why = site.dom0.write(os.path.join(site.settings.metrics_dir, METRICS),
                          metrics(site, view, conditions), PUBLIC)
    if why:
        return {'metrics': 'METRICS_DIR: ' + why}
    return {}


def metrics(site, view, conditions):
    lines = []
    for name, meaning, values in measured(site, view, conditions):
        lines.append('# HELP ha_lizard_%s %s' % (name, meaning))
        lines.append('# TYPE ha_lizard_%s gauge' % name)
        for labels, value in values:
            inner = ','.join(['%s="%s"' % (label, in_label(text)) for label, text in labels])
            lines.append('ha_lizard_%s%s %.15g' % (name, inner and '{%s}' % inner, value))
    return '\n'.join(lines) + '\n'


def measured(site, view, conditions):
    """[(name, meaning, [(labels, value)])]"""
    managed = [vm for vm in view.vms if not managed_objection(site.settings, view, vm)]
    events = [event_of(key)[0].key for key in conditions]
    quorum = view.hosts and not quorum_objection(site.settings, view)
    info = (('version', VERSION), ('host', name_of(site, site.me)), ('role', site.role))
    return [
        ('info', 'What runs here.', [(info, 1)]),
        ('last_round_timestamp_seconds', 'When the last round ended.',
         [((), site.dom0.wall())]),
        ('facts_age_seconds', 'Age of what is known of the pool.',
         [((), min(max(view.age, 0), 1e9))]),
        ('enabled', '1 if HA is on.', [((), view.enabled == 'true')]),
        ('ready', '1 if HA has taken up work.', [((), view.ready)]),
        ('suspended', '1 if HA is suspended on this host.', [((), bool(view.suspended))]),
        ('quorum', '1 if this host is on the side that may act.', [((), bool(quorum))]),
        ('host_up', '1 if that member answers.',
         [((('host', host.name),), host.answers) for host in view.hosts]),
        ('vms', 'Managed VMs.', [((('state', state),), count) for state, count
                                 in sorted(count_vms(managed).items())]),
        ('alerts', 'Conditions that last, by event.',
         [((('event', key),), events.count(key)) for key in sorted(set(events))]),
        ('letters_waiting', 'Letters that could not be delivered yet.',
         [((), len(site.notes.about('spool')))]),
    ]


def count_vms(vms):
    counts = {'running': 0, 'down': 0, 'back_off': 0, 'other': 0}
    for vm in vms:
        state = {'running': 'running', 'halted': 'down'}.get(vm.power, 'other')
        if state == 'down' and vm.wait > 0:
            state = 'back_off'
        counts[state] += 1
    return counts


def in_label(text):
    return text.replace('\\', '\\\\').replace('"', '\\"').replace('\n', '\\n')


# -- messages in XenCenter, for the operator's command ------------------------

MESSAGE_FIELDS = ('uuid', 'name', 'priority', 'class', 'obj-uuid', 'timestamp', 'body')


def list_messages(site):
    """([{field: text}] of our messages, None), or (None, why)."""
    result = site.dom0.run(xe_argv('message-list', 'params=' + ','.join(MESSAGE_FIELDS)),
                           site.settings.xe_timeout)
    if not result:
        return None, why_failed(result)
    if not result.output.strip():
        return [], None
    # Others' bodies have many lines and make their records doubtful: ours have one.
    records, _, why = parse_records(result.output, MESSAGE_FIELDS)
    return [record for record in records if record['name'].startswith('HA_LIZARD_')], why


def clear_messages(site):
    """(how many were removed, None or why not all)"""
    records, why = list_messages(site)
    count = 0
    for record in records or []:
        why = destroy_message(site, record['uuid'], site.settings.xe_timeout)
        if why:
            break
        count += 1
    return count, why


def raise_message(site, text, priority=3):
    """A message of the operator's own, on the pool: None, or why not."""
    return why_failed(site.dom0.run(message_argv(
        EVENT['raised'].message, '%d' % priority, 'pool', site.facts.pool,
        masked(printable(text, 1000), site.settings)), site.settings.xe_timeout))


def destroy_message(site, uuid, seconds):
    result = site.dom0.run(xe_argv('message-destroy', 'uuid=' + uuid), seconds)
    if kind_of(result) != 'unknown-object':         # somebody else was quicker
        return why_failed(result)


def message_argv(name, priority, kind, uuid, body):
    return xe_argv('message-create', 'name=' + name, 'priority=' + priority,
                   '%s-uuid=%s' % (kind, uuid), 'body=' + body)


# -- T20: the host's own field in XenCenter -----------------------------------

class ShowHealth(XeAction):
    """healthy, failed or master, in the custom field of a host."""
    fields = {'host': None, 'health': ''}
    function = 'write_pool_state'
    refreshes = False

    def __str__(self):
        return 'show that %s is %s' % (self.host, self.health)

    def key(self):
        return 'show health'                # R-10: one a round

    def xe(self, site):
        return ('host-param-set', 'uuid=' + self.host.uuid,
                'other-config:%s=%s' % (field_key(site.settings), self.health))

    def done(self, site, result):
        if result:
            del site.notes['health.' + self.host.uuid]
            return None
        # As if it were shown: not worth a call in every round.
        site.notes['health.' + self.host.uuid] = self.health
        return why_failed(result)


###############################################################################
# Mail: how alerts leave this host ############################################
###############################################################################
# A round puts a letter into the spool, a file of its own, and begins
#
#     ha_lizard.py act mail SLOT...
#
# which it does not wait for.  That child talks to xapi, runs ALERT_SCRIPT and
# has the letter sent by a child of its own, `act smtp`, which it kills when the
# time is up: a timeout bounds one read, not a talk with a slow server, and no
# resolver at all.  What could not be delivered stays in the spool.

MAIL_LIMIT = 28         # seconds for one child, whatever the servers do
SMTP_LIMIT = 20         # seconds for the talk with the mail server
SMTP_PATIENCE = 10      # seconds for one answer in it
SLOTS = 20              # letters in the spool
MOST_TRIES = 30         # of one letter: a bit more than a day
MANY_TRIES = 4          # failed ones after which XenCenter shows it
MOST_LINES = 300        # in one section of a letter
SPOOL = STATE + 'mail.'


# -- the letter ---------------------------------------------------------------

class Letter(Record):
    """`sections`: [(heading, [row])], a row is one to three texts.
    `mood`: bad, warn or good."""
    fields = {'title': '', 'mood': 'warn', 'sections': ()}


def compose(bulletin):
    """One letter of all that a Bulletin has."""
    report, items = bulletin.report, bulletin.items
    told = []
    if report:
        # The digest says it already, and says more.
        told = [item.subject for item in report.acts + report.down]
    raised = [item for item in items if item.state != 'over'
              and not (item.subject and item.subject in told)]
    over = [item for item in items if item.state == 'over']
    sections = report_sections(report)[:2]
    sections.append(('What is wrong', [(heading_of(item), item.text) for item in raised]))
    sections.append(('What is over', [(heading_of(item), item.text) for item in over]))
    sections.append(('What to do next', advice(report, items)))
    sections.extend(report_sections(report)[2:])
    sections.extend(pool_sections(bulletin))
    sections.append(('Not mailed again', [
        (number_of(times, 'time'), what) for times, what in bulletin.held_back()]))
    return Letter(title=title_of(report, raised, over), mood=mood_of(report, raised),
                  sections=closed(sections + [about_this_host(bulletin.site)]))


def closed(sections):
    """Those that are not empty, none too long."""
    found = []
    for heading, rows in sections:
        if len(rows) > MOST_LINES:
            rows = rows[:MOST_LINES] + [('and %d more' % (len(rows) - MOST_LINES),)]
        if rows:
            found.append((heading, rows))
    return found


def heading_of(item):
    title = item.event.title
    if item.state == 'over':
        title = item.event.end
    return ': '.join([text for text in (item.name, title) if text])


def title_of(report, raised, over):
    """One line for the subject: the first thing, and how many more."""
    titles = [heading_of(item) for item in raised + over]
    if report:
        titles[:0] = [report.title]
    rest = ''
    if len(titles) > 1:
        rest = ' (and %d more)' % (len(titles) - 1)
    return printable((titles + ['alert'])[0], 150) + rest


def mood_of(report, raised):
    doubtful = ('vm-twice', 'fence-failed', 'fence-unproved', 'fence-presumed', 'promotion-refused')
    if report and (report.down or [item for item in report.acts
                                   if item.event.key in doubtful]):
        return 'bad'
    if [item for item in raised if item.event.priority in (1, 2)]:
        return 'bad'
    if raised or (report and report.acts):
        return 'warn'
    return 'good'


def report_sections(report):
    if not report:
        return []
    end = 'and it took %s' % duration(report.took)
    if report.pending:
        end = 'and it goes on, %s so far' % duration(report.took)
    acts = [(item.text,) for item in report.acts]
    acts.append(('It began at %s %s.' % (time_of_day(report.began), end),))
    more = []
    if report.more:
        more = [('and %d more VMs' % report.more,)]
    return [('What HA did', acts),
            ('VMs that did not come back', [vm_row(item) for item in report.down]),
            ('VMs that run again', [vm_row(item) for item in report.back] + more),
            ('VMs that HA leaves alone', [vm_row(item) for item in report.left])]


def vm_row(item):
    return item.name, item.text, item.subject


def advice(report, items):
    """What to do next, each sentence once."""
    events = [item.event for item in items if item.state != 'over']
    if report:
        events[:0] = [item.event for item in report.acts + report.down]
    found = []
    for event in events:
        if event.advice and (event.advice,) not in found:
            found.append((event.advice,))
    if not found:
        found.append(('Nothing: this is for your information.',))
    return found


def pool_sections(bulletin):
    """The pool as this host sees it."""
    site, view = bulletin.site, bulletin.view
    if not view.hosts:
        return []
    rows = [(host.name, condition_of(view, host), number_of(
        len([vm for vm in view.vms if vm.host == host.uuid and vm.power == 'running']), 'VM'))
            for host in view.hosts]
    counts = count_vms([vm for vm in view.vms
                        if not managed_objection(site.settings, view, vm)])
    rows.append(('managed VMs', ', '.join([
        '%d %s' % (counts[state], state.replace('_', '-')) for state in
        ('running', 'down', 'back_off', 'other') if counts[state]]) or 'none'))
    rows.append(('HA says', masked(printable(site.notes.get('decided'), 300),
                                   site.settings)))
    return [('The pool now', rows)]


def number_of(count, noun):
    return '%d %s%s' % (count, noun, 's' * (count != 1))


def condition_of(view, host):
    """In a few words."""
    words = []
    if host is view.master:
        words.append('master')
    if host.off:
        words.append('off')
    elif not host.answers:
        words.append('does not answer')
    elif not host.enabled:
        words.append('in maintenance')
    else:
        words.append('healthy')
    if host is view.me and view.suspended:
        words.append('HA suspended')
    return ', '.join(words)


def about_this_host(site):
    return ('About this mail', [
        ('Process', 'ha-lizard'), ('Version', VERSION), ('Host', host_name(site)),
        ('Time', time.strftime('%Y-%m-%d %H:%M:%S %Z', time.localtime(site.dom0.wall())))])


def host_name(site):
    """The name of this host, as xapi has it or as the kernel has it."""
    return name_of(site, site.me) or printable(socket.gethostname(), 60)


# -- the letter as text and as HTML -------------------------------------------

def as_text(letter):
    lines = ['HA-Lizard Alert Notification', '', letter.title, '']
    for heading, rows in letter.sections:
        lines.append(heading.upper())
        for row in rows:
            lines.append('  ' + ':  '.join([cell for cell in row[:2] if cell]))
            if row[2:] and row[2]:
                lines[-1] += '  (%s)' % row[2]
        lines.append('')
    return '\n'.join(lines)


COLOURS = {'bad': '#b3261e', 'warn': '#8a5a00', 'good': '#1b6e3c'}
PAGE = '''<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%(title)s</title></head>
<body style="margin:0;padding:0;background:#eceff1">
<div style="max-width:640px;margin:0 auto;background:#ffffff;color:#202124;\
font:15px/1.45 Helvetica,Arial,sans-serif;padding-bottom:16px">
<div style="background:%(colour)s;color:#ffffff;padding:14px 16px">
<div style="font-size:13px">HA-Lizard Alert Notification</div>
<div style="font-size:19px;font-weight:bold;overflow-wrap:anywhere">%(title)s</div></div>
%(sections)s</div></body></html>
'''
SECTION = '''<div style="padding:12px 16px 4px">
<div style="font-size:13px;font-weight:bold;color:%s;text-transform:uppercase;\
letter-spacing:.5px">%s</div>
%s</div>
'''
ROW = '''<div style="padding:6px 0;border-bottom:1px solid #eceff1;\
word-wrap:break-word;overflow-wrap:anywhere">%s</div>
'''
SMALL = '<div style="color:#5f6368;font-size:12px">%s</div>'


def as_html(letter):
    colour = COLOURS[letter.mood]
    return PAGE % {'title': in_html(letter.title), 'colour': colour, 'sections': ''.join([
        SECTION % (colour, in_html(heading), ''.join([html_row(row) for row in rows]))
        for heading, rows in letter.sections])}


def html_row(row):
    """One cell is a sentence; of more the first is a name, the third a uuid."""
    cells = [re.sub('`([^`]+)`', r'<code>\1</code>', in_html(cell)) for cell in row]
    if cells[1:]:
        cells[0] = '<b>%s</b>&ensp;' % cells[0]
    if cells[2:] and UUID.match(cells[2]):
        cells[2] = SMALL % cells[2]
    elif cells[2:]:
        cells[2] = ' &middot; ' + cells[2]
    return ROW % ''.join(cells)


def in_html(text):
    for character, name in (('&', 'amp'), ('<', 'lt'), ('>', 'gt'), ('"', 'quot')):
        text = text.replace(character, '&%s;' % name)
    return text


# -- MIME ---------------------------------------------------------------------
# By hand: the email package changed its names and its mind from 2.4 to 3.13.

def mime(headers, parts):
    """The whole message, with CRLF, in ASCII.  `parts`: [(type, text)], the
    plainest first."""
    boundary = '=_' + random_name()
    lines = ['%s: %s' % (name, in_header(value)) for name, value in headers]
    lines += ['MIME-Version: 1.0',
              'Content-Type: multipart/alternative; boundary="%s"' % boundary, '']
    for kind, text in parts:
        lines += ['--' + boundary, 'Content-Type: text/%s; charset="utf-8"' % kind,
                  'Content-Transfer-Encoding: quoted-printable', '', quoted_printable(text)]
    lines += ['--%s--' % boundary, '']
    return '\n'.join(lines).replace('\n', '\r\n')


def quoted_printable(text):
    import quopri
    # Any line may follow a break here: one of a single dot would end the mail
    # for a server that is told less than smtplib tells it.
    return to_text(quopri.encodestring(to_bytes(text))).rstrip('\n')


def in_header(text):
    """One line, and encoded words where it is not ASCII: RFC 2047."""
    text = printable(text, 900)
    if not re.search('[^ -~]', text):
        return text
    letters = to_bytes(text).decode('utf-8', 'replace')
    # 14 characters of up to 4 bytes each are 76 in base64: the limit of a word is 75
    # with its frame, so 10.  A character is never cut in two.
    words = [to_text(binascii.b2a_base64(letters[start:start + 10].encode('utf-8'))).strip()
             for start in range(0, len(letters), 10)]
    return '\n '.join(['=?utf-8?B?%s?=' % word for word in words])


def headers_of(site, title, number, moment, mood='warn'):
    settings = site.settings
    subject = expand_hostname(settings.mail_subject, host_name(site))
    headers = [
        ('From', settings.mail_from), ('To', ', '.join(settings.mail_to)),
        ('Subject', (subject + ' ' + title).strip()),
        # Not strftime's %a and %b of some locale: none is ever set here.
        ('Date', time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime(moment))),
        ('Message-ID', '<%s@%s>' % (number, ascii_name(host_name(site)))),
        ('Auto-Submitted', 'auto-generated'), ('X-Mailer', 'ha-lizard ' + VERSION)]
    if mood == 'bad':
        headers.append(('X-Priority', '1'))
    return headers


def ascii_name(name):
    """A host name for the protocol: letters, digits, dots, dashes."""
    return re.sub('[^A-Za-z0-9.-]', '-', name).strip('.-') or 'localhost'


# -- the spool ----------------------------------------------------------------
# The files are mail.0 to mail.19.  Which of them are in use, and when each is
# tried next, is in the notes, which only rounds write: `spool.SLOT`.  The child
# removes a file when all of it is done, and so the next round knows.

def enqueue(site, letter, shows, clears, runs):
    """Put a letter into the spool and begin to deliver it."""
    slot = free_slot(site)
    if slot is None:
        site.journal.say('failed', 'the spool is full: a mail is lost', 'email', 'warning')
        return
    pairs = [('number', random_name()), ('at', '%d' % site.dom0.wall())]
    if letter:
        pairs += [('title', letter.title), ('mood', letter.mood),
                  ('text', as_text(letter)), ('html', as_html(letter))]
    for kind, rows in (('show', shows), ('clear', clears), ('run', runs)):
        pairs += [(kind, pack(row)) for row in rows]
    if save_entry(site.dom0, slot, pairs) or site.notes.save():
        site.dom0.remove('%s%d' % (SPOOL, slot))
        shout(site, letter, shows)
        return
    site.notes['spool.%d' % slot] = '%.1f 0' % site.dom0.now()
    deliver(site, [slot])


def shout(site, letter, shows):
    """Without a disk: not waited for and not tried again.  The watcher remembers
    what was told; what lasts has its reminders."""
    if letter and site.settings.mail_on:
        headers = headers_of(site, letter.title, random_name(), site.dom0.wall(),
                             letter.mood)
        # Less than a pipe holds: nobody stays to push the rest.
        message = mime(headers, [('plain', as_text(letter)[:20000])])
        site.dom0.begin(own_argv('smtp'), MAIL_LIMIT, feed=smtp_request(
            site, site.settings.mail_to, message))
    if not site.xapi:
        for row in shows[:5]:
            site.dom0.begin(message_argv(*row), site.settings.xe_timeout)


def save_entry(dom0, slot, pairs):
    return dom0.write('%s%d' % (SPOOL, slot), to_state(
        [(key, escape(value)) for key, value in pairs]), PRIVATE)


def load_entry(dom0, slot):
    """[(key, text)] of a file in the spool, or None."""
    pairs = from_state(dom0.read('%s%d' % (SPOOL, slot)))
    if pairs is not None:
        return [(key, unescape(value)) for key, value in pairs]


def tries(site, slot):
    """(when it is tried next, how often it was tried)"""
    words = site.notes.get('spool.%d' % slot).split()
    if len(words) != 2:
        return 0, 0
    return float(words[0]), int(words[1])


def used_slots(site):
    return [int(name) for name in sorted(site.notes.about('spool')) if name.isdigit()]


def free_slot(site):
    """A slot for a new letter; the oldest gives way.  One that a child may have
    in its hands right now does not."""
    used = used_slots(site)
    for slot in range(SLOTS):
        if slot not in used:
            return slot
    idle = [(-tries(site, slot)[1], slot) for slot in used
            if tries(site, slot)[0] - site.dom0.now() < pause_after(tries(site, slot)[1]) - 60]
    if idle:
        return sorted(idle)[0][1]


def pause_after(count):
    """Seconds from a try to the next: 1, 2, 4 ... minutes, an hour at most."""
    return min(60 * 2 ** min(max(count - 1, 0), 10), HOUR)


def tend_spool(site):
    """Forget what is delivered; try again what is due."""
    due, now = [], site.dom0.now()
    for slot in used_slots(site):
        moment, count = tries(site, slot)
        path = '%s%d' % (SPOOL, slot)
        if site.dom0.read(path) is None:
            del site.notes['spool.%d' % slot]
        elif count >= MOST_TRIES:
            site.journal.say('failed', 'a mail is given up after %d tries' % count, 'email',
                             'warning')
            site.dom0.remove(path)
            del site.notes['spool.%d' % slot]
        elif now >= moment or moment - now > HOUR:      # since a reboot, the clock is anew
            due.append(slot)
    if site.xapi:                       # what is left of these is for xapi alone
        due = [slot for slot in due if has_letter(site, slot)]
    if due:
        deliver(site, due)


def has_letter(site, slot):
    """Whether a file of the spool still holds a mail."""
    return 'text' in dict(load_entry(site.dom0, slot) or [])


def deliver(site, slots):
    """Begin the child; the round does not wait for it."""
    for slot in slots:
        count = tries(site, slot)[1] + 1
        site.notes['spool.%d' % slot] = '%.1f %d' % (
            site.dom0.now() + pause_after(count), count)
    why = site.notes.save()
    if why:
        # Without a note of the try it would be made in every round.
        return
    site.dom0.begin(own_argv('mail', *['%d' % slot for slot in slots]), MAIL_LIMIT + 2)


def spool_conditions(site):
    waiting = [slot for slot in used_slots(site)
               if tries(site, slot)[1] >= MANY_TRIES and has_letter(site, slot)]
    if waiting:
        return {'mail': '%s could not be delivered yet' % number_of(len(waiting), 'mail')}
    return {}


# -- the child that delivers --------------------------------------------------

def act_mail(dom0, words):
    """`act mail SLOT...`: (exit status, sentence)."""
    site = Site(dom0)
    end, failed = dom0.now() + MAIL_LIMIT, []
    for word in words:
        entry = word.isdigit() and load_entry(dom0, int(word))
        if not entry or dom0.now() > end - 1:
            continue
        problems = Delivery(site, int(word), entry, end).run()
        if tries(site, int(word))[1] <= 1:      # the next ones say the same
            for problem in problems:
                site.journal.say('failed', problem, 'email', 'warning')
        failed.extend(problems)
    return int(bool(failed)), '; '.join(failed) or 'delivered'


class Delivery(object):
    """One file of the spool, to all whom it is for."""

    def __init__(self, site, slot, entry, end):
        self.site, self.dom0, self.slot, self.end = site, site.dom0, slot, end
        self.entry, self.values, self.problems = entry, dict(entry), []

    def run(self):
        """The reasons why not all of it is done."""
        letter, scripts = self.begin_letter(), self.begin_scripts()
        rest = self.show_all()
        if letter:
            rest += self.end_letter(letter)
        self.end_scripts(scripts)
        if rest:
            self.keep(rest)
        else:
            self.dom0.remove('%s%d' % (SPOOL, self.slot))
        return self.problems

    def rows(self, kind, count):
        return [unpack(value, count) for key, value in self.entry if key == kind]

    def keep(self, rest):
        """Save what is left to do.  Scripts are run once, done or not."""
        head = [pair for pair in self.entry if pair[0] in ('number', 'at')]
        save_entry(self.dom0, self.slot, head + rest)

    def seconds(self):
        return max(1, self.end - self.dom0.now())

    # -- mail -----------------------------------------------------------------

    def begin_letter(self):
        if 'text' not in self.values or not self.site.settings.mail_on:
            return None
        parts = [('plain', self.values['text']), ('html', self.values['html'])]
        headers = headers_of(self.site, self.values['title'], self.values['number'],
                             float(self.values['at']), self.values['mood'])
        to = self.values.get('to', '').split() or self.site.settings.mail_to
        return self.dom0.begin(own_argv('smtp'), min(SMTP_LIMIT, self.seconds()),
                               feed=smtp_request(self.site, to, mime(headers, parts)))

    def end_letter(self, job):
        """What is left to do for the letter."""
        wait_for_all(self.dom0, [job])
        sentence, again = read_answer(job.result)
        if sentence:
            self.problems.append('mail: ' + masked(sentence, self.site.settings))
        if not again and job.result:
            return []
        letter = [pair for pair in self.entry
                  if pair[0] in ('title', 'mood', 'text', 'html', 'to')]
        if again:
            letter = [pair for pair in letter if pair[0] != 'to'] + [('to', again)]
        return letter

    # -- XenCenter ------------------------------------------------------------

    def show_all(self):
        """Change the messages; what is left to do."""
        calls = ([('clear', row, row[0], row[1]) for row in self.rows('clear', 2)]
                 + [('show', row, row[0], row[3]) for row in self.rows('show', 5)])
        rest, why, silent = [], None, self.objection()
        for kind, row, name, uuid in calls:
            # After one failure the others would only take as long.
            if not (why or silent) and self.dom0.now() < self.end - 2:
                why = self.clear(name, uuid)
                if not why and kind == 'show':
                    why = self.show(row)
                if not why:
                    continue
            rest.append((kind, pack(row)))
        if why and rest:
            self.problems.append('messages in XenCenter: ' + why)
        return rest

    def objection(self):
        """Where xe would only hang: the last round had no answer, or xe.md 8 g."""
        watch = self.site.watch = read_watch(self.dom0, self.site.boot)
        return 'xapi_silent' in self.site.notes.facts or (
            watch and self.site.master_objection())

    def call(self):
        return min(self.site.settings.xe_timeout, self.seconds())

    def clear(self, name, uuid):
        """Remove what is there of it: never two messages on the same thing."""
        result = self.dom0.run(xe_argv('message-list', 'name=' + name, 'obj-uuid=' + uuid,
                                       'params=uuid', '--minimal'), self.call())
        if not result:
            return why_failed(result)
        for each in [word for word in result.output.strip().split(',') if word]:
            why = destroy_message(self.site, each, self.call())
            if why:
                return why

    def show(self, row):
        result = self.dom0.run(message_argv(*row), self.call())
        if kind_of(result) != 'unknown-object':         # a VM that is gone meanwhile
            return why_failed(result)

    # -- ALERT_SCRIPT ---------------------------------------------------------

    def begin_scripts(self):
        script = self.site.settings.alert_script
        if not script:
            return []
        return [self.dom0.begin([script, event, state, subject, text],
                                min(SMTP_LIMIT, self.seconds()), env={
                                    'HA_LIZARD_EVENT': event, 'HA_LIZARD_STATE': state,
                                    'HA_LIZARD_SUBJECT': subject, 'HA_LIZARD_TEXT': text,
                                    'HA_LIZARD_PRIORITY': priority,
                                    'HA_LIZARD_HOST': host_name(self.site),
                                    'HA_LIZARD_POOL': self.site.facts.pool})
                for event, state, subject, text, priority in self.rows('run', 5)]

    def end_scripts(self, jobs):
        wait_for_all(self.dom0, jobs)
        failed = [job for job in jobs if not job.result]
        if failed:
            self.problems.append('ALERT_SCRIPT: %s, %d of %d runs' % (
                failed[0].result, len(failed), len(jobs)))


# -- SMTP ---------------------------------------------------------------------

def smtp_request(site, to, message, debug=False):
    """What `act smtp` reads.  Through a pipe: it holds the password."""
    settings = site.settings
    return to_state([(key, escape(value)) for key, value in (
        ('server', settings.smtp_server), ('port', '%d' % settings.smtp_port),
        ('tls', settings.smtp_tls), ('user', settings.smtp_user),
        ('password', settings.smtp_pass), ('from', settings.mail_from),
        ('to', ' '.join(to)), ('name', ascii_name(host_name(site))),
        ('debug', '1' * debug), ('message', message))])


def read_answer(result):
    """(what went wrong or '', addresses to try again) from `act smtp`."""
    if result.status == TIMED_OUT:
        return 'no end of the talk with the mail server in %d s' % SMTP_LIMIT, ''
    lines = result.output.split('\n')
    again = [line[len('again:'):].strip() for line in lines if line.startswith('again:')]
    if not again:
        return printable(result.errors.strip() or 'the mail child said nothing', 300), ''
    return lines[0], again[0]


def act_smtp(dom0, words):
    """`act smtp`: send what stdin holds.  The sentence is empty if all went
    well; its second line names the addresses that are worth another try."""
    pairs = from_state(to_text(read_all(0)))
    if pairs is None:
        return 2, 'act smtp: its input is no request\nagain:'
    # Whoever waits for us kills us in time; this is for the case that he died.
    signal.alarm(SMTP_LIMIT + 10)
    socket.setdefaulttimeout(SMTP_PATIENCE)
    return answer_to(pairs)


def answer_to(pairs):
    """(exit status, what is printed) for the pairs of a request."""
    why, again = send_mail(dict([(key, unescape(value)) for key, value in pairs]))
    return int(bool(why) and not again), '%s\nagain: %s' % (
        printable(why, 500), ' '.join(again))


class Refused(Exception):
    """We do not send it that way, or the server does not want it."""


def send_mail(request):
    """(why not, or '', the addresses to try again if others got it)"""
    try:
        refused = converse(request, request['tls'])
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception:
        return why_not_sent(caught(), request), []
    later = [address for address in sorted(refused) if str(refused[address][0])[:1] == '4']
    return '; '.join(['%s refused: %s' % (address, server_said(*refused[address]))
                      for address in sorted(refused)]), later


def converse(request, tls):
    """Send it; the recipients that were refused while others were not."""
    link = smtp_connect(request, tls)
    try:
        secure = tls == 'off' or encrypt(link, request, tls)
        if request['user']:
            log_in(link, request, secure)
        refused = link.sendmail(request['from'], request['to'].split(),
                                to_bytes(request['message']))
    except OldTls:
        link.close()
        return converse(request, 'off')
    except:
        link.close()
        raise
    hang_up(link)
    return refused


class OldTls(Exception):
    """Encryption did not work, and nothing secret is to be sent."""


def encrypt(link, request, tls):
    """Whether nobody can listen."""
    if is_smtps(request, tls):
        return True
    try:
        return start_tls(link, tls)
    except (EnvironmentError, socket.error, AttributeError, RuntimeError):
        # An old dom0 has no TLS that a new server likes; alerts matter more.
        if tls == 'auto' and not request['user']:
            raise OldTls()
        raise


def smtp_connect(request, tls):
    import smtplib
    make, host, port = smtplib.SMTP, request['server'].strip('[]'), int(request['port'])
    if is_smtps(request, tls):
        make = getattr(smtplib, 'SMTP_SSL', None)
    if make is None:
        raise Refused('this Python cannot do SMTP_TLS=ssl')
    link = make(local_hostname=request['name'])     # not connected: no DNS for our name
    link.set_debuglevel(int(request['debug'] or 0))
    link._host = host                               # check24: ok
    code, said = link.connect(host, port)
    if code != 220:
        raise Refused('the mail server does not want to talk: ' + server_said(code, said))
    greet(link)
    return link


def is_smtps(request, tls):
    """Whether TLS begins with the first byte, as it does on port 465."""
    return tls == 'ssl' or (tls == 'auto' and request['port'] == '465')


def greet(link):
    code, said = link.ehlo()
    if not 200 <= code <= 299:
        code, said = link.helo()
    if not 200 <= code <= 299:
        raise Refused('the mail server refuses our greeting: ' + server_said(code, said))


def start_tls(link, tls):
    """Whether the link is encrypted now.  No certificate is checked: hosts have
    no list of authorities, and mail servers inside have certificates of their own."""
    if not link.has_extn('starttls'):
        if tls == 'starttls':
            raise Refused('the mail server offers no STARTTLS, and SMTP_TLS=starttls')
        return False
    code, said = link.starttls()
    if code != 220:
        raise Refused('the mail server refuses STARTTLS: ' + server_said(code, said))
    greet(link)
    return True


def log_in(link, request, may_show):
    """Log in.  `may_show`: nobody can listen, or nobody minds."""
    offered = link.esmtp_features.get('auth', '').upper().replace('=', ' ').split()
    ways = [('CRAM-MD5', cram_md5)]
    if may_show:
        ways += [('PLAIN', auth_plain), ('LOGIN', auth_login)]
    ways = [way for way in ways if way[0] in offered]
    if not ways and not may_show:
        raise Refused('the mail server offers no encryption: the password is not sent in '
                      'clear text (SMTP_TLS=off would)')
    if not ways:
        raise Refused('the mail server offers no login that we know: %s'
                      % (' '.join(offered) or 'none'))
    code, said = ways[0][1](link, request)
    if code not in (235, 503):
        raise Refused('the mail server refuses the login of %s: %s' % (
            request['user'], server_said(code, said)))


def cram_md5(link, request):
    import hmac
    code, challenge = link.docmd('AUTH', 'CRAM-MD5')
    if code != 334:
        return code, challenge
    digest = hmac.new(to_bytes(request['password']), binascii.a2b_base64(challenge), digest_for_hmac())
    return secretly(link, in_base64('%s %s' % (request['user'], digest.hexdigest())))


def digest_for_hmac():
    """What hmac wants: a function, or on 2.4 a module."""
    try:
        from hashlib import md5 as function
        return function
    except ImportError:
        import md5 as module
        return module


def auth_plain(link, request):
    return secretly(link, 'AUTH PLAIN ' + in_base64('\0%s\0%s' % (
        request['user'], request['password'])))


def auth_login(link, request):
    code, said = link.docmd('AUTH', 'LOGIN ' + in_base64(request['user']))
    if code != 334:
        return code, said
    return secretly(link, in_base64(request['password']))


def in_base64(text):
    return to_text(binascii.b2a_base64(to_bytes(text))).replace('\n', '')


def secretly(link, line):
    """Send a line that ha-cfg email_debug must not show."""
    if link.debuglevel:
        complain("send: '*** (login)'")
    level, link.debuglevel = link.debuglevel, 0
    link.putcmd(line)
    link.debuglevel = level
    return link.getreply()


def hang_up(link):
    """Say good-bye; what the server thinks of that changes nothing."""
    import smtplib
    try:
        link.quit()
    except (EnvironmentError, socket.error, smtplib.SMTPException, AttributeError):
        link.close()


def server_said(code, said):
    return '%s %s' % (code, printable(to_native(said).replace('\n', ' / '), 200))


def to_native(said):
    """smtplib has bytes or text, as it likes."""
    if isinstance(said, str):
        return said
    return to_text(said)


def why_not_sent(error, request):
    """A sentence for what smtplib raised."""
    refused = getattr(error, 'recipients', None)
    if isinstance(refused, dict) and refused:
        return 'every recipient is refused: ' + '; '.join(
            ['%s: %s' % (address, server_said(*refused[address])) for address in sorted(refused)])
    if hasattr(error, 'smtp_code'):
        return 'the mail server says ' + server_said(error.smtp_code, error.smtp_error)
    if isinstance(error, Refused):
        return str(error)
    text = '%s: %s' % (error.__class__.__name__, error)
    return 'the mail server %s, port %s, cannot be used: %s' % (
        request['server'], request['port'], printable(text, 200))


MAIL_ACTS = {'mail': act_mail, 'smtp': act_smtp}


# -- ha-cfg email, email_debug ------------------------------------------------

def send_test_mail(site, debug=False):
    """Send a test mail and print what happens: an exit status."""
    number = site.dom0.read('/proc/sys/kernel/random/uuid', '').strip() or random_name()
    settings, name, moment = site.settings, host_name(site), site.dom0.wall()
    content = 'Test Message ID ' + number
    stamp = time.strftime('%a %b %d %H:%M:%S %Z %Y', time.localtime(moment))
    for line in (
            'Sending email from: ' + settings.mail_from,
            'Sending email to: ' + ', '.join(settings.mail_to),
            'Email Alert Subject: ' + expand_hostname(settings.mail_subject, name),
            'Email Alert Timestamp: ' + stamp,
            'Email Alert Process: ha-lizard Version: ' + VERSION,
            'Email Alert Message Content: ' + content,
            'Email Alert Message Hostname: ' + name):
        say(line)
    letter = Letter(title=content, mood='good', sections=[
        ('Test', [('This is what an alert looks like.',)]), about_this_host(site)])
    message = mime(headers_of(site, '', number, moment),
                   [('plain', as_text(letter)), ('html', as_html(letter))])
    result = site.dom0.run(own_argv('smtp'), SMTP_LIMIT, feed=smtp_request(
        site, settings.mail_to, message, debug))
    return tell_result(result, settings, debug)


def tell_result(result, settings, debug):
    if debug:
        for line in result.errors.split('\n'):
            say(masked(printable(line, 2000), settings))
    sentence = read_answer(result)[0]
    if sentence:
        complain('the test mail was not sent to all: ' + masked(sentence, settings))
        return 1
    return 0


###############################################################################
# Round: observe, decide, act, again ##########################################
###############################################################################

FRESH = 5               # seconds for which facts serve the next decision of a recovery
NEVER = -1e9            # a time before every boot
LOOK = 2                # seconds after which a waiting round looks up
MOST_STEPS = 100000     # decisions in one round: a bug must not spin for ever
BOOT_ID = '/proc/sys/kernel/random/boot_id'
POOL_CONF = '/etc/xensource/pool.conf'
INVENTORY = '/etc/xensource-inventory'
XAPI_READY = '/var/run/xapi_init_complete.cookie'
OFF_FACTS = ('off', 'unlocked', 'declared', 'restarted', 'fence', 'unproved', 'beside')


def run_round(dom0, dry_run=False, settings=None, memory=''):
    """One round, from the first look to "nothing left to do"."""
    Round(Site(dom0, settings, memory), dry_run).run()


class Round(object):
    """Decide again after every act: on fresh facts, never on a forecast.
    What takes long runs in children; one decision never waits for another's."""

    def __init__(self, site, dry_run=False):
        self.site, self.dry_run = site, dry_run
        site.notes.dry_run = dry_run
        self.jobs, self.tried = {}, {}
        self.unsaved = {}               # what was not done because it cannot be noted

    def run(self):
        for _ in range(MOST_STEPS):
            view = self.site.observe(self.tried, self.busy())
            self.bury(view)
            plan = decide(self.site.settings, view)
            self.site.decided(plan.why)
            if is_asleep(self.site.settings, view):
                self.site.notes['asleep'] = self.site.now_text()
            meanwhile(self.site, view)
            # The disk is as full a moment later: such an act waits for the next round.
            actions = [action for action in plan.actions if action.key() not in self.unsaved]
            changed = [action for action in actions if self.begin(action)]
            if not self.jobs and not actions and not plan.wait:
                break
            if not changed:
                self.attend(plan)
        self.site.rest(plan.warnings, view)

    def bury(self, view):
        """A start on a host that is dead since then never ends: do not wait."""
        off = [host.uuid for host in view.hosts if host.off]
        for job, (action, _) in list(self.jobs.items()):
            if isinstance(action, StartVm) and action.host.uuid in off:
                self.site.dom0.abandon(job)
                del self.jobs[job]
                self.finish(action, 'its host died')
                del self.tried[action.key()]
                view.busy.pop(action, None)

    def busy(self):
        now = self.site.dom0.now()
        return dict([(action, now - since) for action, since in self.jobs.values()])

    def begin(self, action):
        """Start a child for an action, or do it at once: true if it is over."""
        site = self.site
        if self.dry_run:
            site.journal.say('would', str(action), action.function)
            self.tried[action.key()] = 'dry run'
            return True
        if not action.quiet:
            site.journal.say('act', str(action), action.function)
        record_act(site, action, 'begun')
        why = site.notes.save()
        if why:
            # Without a note of it, what is done now might be done twice.
            self.unsaved[action.key()] = why
            return self.finish(action, 'not done, the state cannot be saved: ' + why)
        argv = action.argv(site)
        if argv is None:
            return self.finish(action, action.do(site))
        job = site.dom0.begin(argv, action.seconds(site))
        self.jobs[job] = (action, site.dom0.now())
        return False

    def attend(self, plan):
        """Wait for a child to end, or for the time to look again."""
        site = self.site
        deadline = max([job.deadline for job in self.jobs] + [site.dom0.now() + plan.wait])
        site.dom0.promise(deadline - site.dom0.now() + site.settings.xe_timeout + 30)
        if self.jobs:
            for job in site.dom0.ended(self.in_order(), LOOK):
                action = self.jobs.pop(job)[0]
                self.finish(action, action.done(site, job.result))
        elif plan.wait:
            site.dom0.sleep(plan.wait)

    def in_order(self):
        """The jobs under way, in an order that does not depend on a dict's."""
        return sorted(self.jobs, key=lambda job: (job.deadline, self.jobs[job][0].key()))

    def finish(self, action, why):
        self.tried[action.key()] = why or 'done'
        record_act(self.site, action, {True: 'failed', False: 'done'}[bool(why)], why)
        if action.refreshes:
            self.site.stale = True
        if why:
            self.site.journal.say('failed', '%s: %s' % (action, why), action.function,
                                  'warning')
        elif not action.quiet:
            self.site.journal.say('done', str(action), action.function)
        self.site.notes.save()
        return True


class Site(object):
    """This host: what it knows of the pool, and what it must not forget."""

    def __init__(self, dom0, settings=None, memory=''):
        """`settings`: those of the watcher, mostly still right.  `memory`: what the
        round before could not save."""
        self.dom0, self.boot = dom0, dom0.read(BOOT_ID, '').strip()
        self.notes = Notes(dom0, self.boot, memory)
        self.journal = Journal(dom0, Repeats(dom0, self.notes))
        self.picture, self.unreadable = read_picture(dom0, self.boot)
        self.problem = None
        self.picture = self.picture or Picture(facts=Facts(NEVER))
        self.facts, self.stale, self.xapi = self.picture.facts, True, ''
        self.told = False               # has xapi told anything in this round?
        self.conf, self.conf_problems = parse_conf(dom0.read(CONF, ''))
        self.settings, self.pool_layer = settings, None
        self.configure(self.picture.settings)
        self.me = own_uuid(dom0)
        self.role, self.master_address = own_role(dom0)
        self.srs, self.watch, self.listed = None, None, None

    def now_text(self):
        return '%.1f' % self.dom0.now()

    def configure(self, pool_layer):
        """Settings from the pool's layer and this host's own."""
        if pool_layer != self.pool_layer:
            self.settings = self.journal.settings = settings_of(
                self.picture, pool_layer, self.conf, self.settings)
        self.pool_layer = pool_layer

    # -- observe --------------------------------------------------------------

    def observe(self, tried, busy):
        """The View, from what is known now."""
        self.look()
        if self.is_due():
            self.read_pool()
        if self.told and not self.xapi:
            self.forget_starts(busy)
        return View(tried=tried, busy=busy, **self.known())

    def forget_starts(self, busy):
        """A start that xapi has ended is no reason to reset, later, what somebody
        else does with that VM."""
        ours = [action.vm.uuid for action in busy if isinstance(action, StartVm)]
        for uuid in self.notes.about('starting'):
            record = self.facts.vms.get(uuid)
            if uuid not in ours and not (record and record['current-operations']):
                del self.notes['starting.' + uuid]

    def look(self):
        """What costs no call of xe: role, peers, proofs that no longer hold."""
        self.role, self.master_address = own_role(self.dom0)
        self.watch = read_watch(self.dom0, self.boot) or self.glance()
        for uuid, text in sorted(self.notes.about('off').items()):
            if self.row(uuid).alive_at > float(text.split()[0]):
                self.doubt_device(uuid, text)
                self.forget_host(uuid)
                self.journal.say('note', '%s answers again: it is no longer off'
                                 % self.name(uuid), 'check_slave_status')
        for uuid in self.watch.confirmed:
            if not self.notes.get('off.' + uuid):
                self.notes['off.' + uuid] = '%s the administrator says so' % self.now_text()
                # All hosts hear of it; the one where it was said tells it.
                if 'confirm-dead.' + uuid in read_order(self.dom0, self.boot):
                    announce(self, 'confirm-dead-' + uuid,
                             'the administrator says that %s is dead' % self.name(uuid))
        self.settle_doubts()
        for uuid, row in sorted(self.watch.peers.items()):
            self.note_peer(uuid, row)
        if self.role == 'slave':
            for key in ('promotion', 'promoted', 'recovered', 'gathered'):
                del self.notes[key]

    def doubt_device(self, uuid, text):
        """R-9: a host lives that a device proved off.  Was it another one?"""
        moment, method = float(text.split()[0]), text.split(' ', 2)[1].rstrip(':')
        if method not in self.settings.fence_method:
            return
        silent = dict([(self.name(each), row.last) for each, row in self.watch.peers.items()
                       if each != uuid and row.failing and not self.notes.get('off.' + each)])
        why = wrong_machine(self.name(uuid), (moment - FENCE_TIMEOUT / 2, moment),
                            self.row(uuid).alive_at, silent, self.is_same_boot(uuid))
        if why:
            self.notes['barred.%s.%s' % (uuid, method)] = why
            self.notes['doubted.' + uuid] = method + ' ' + self.notes.get('boot_of.' + uuid)
            announce(self, 'wrong-machine-' + uuid, why)

    def is_same_boot(self, uuid):
        """Whether a host has not booted since it was fenced; None: unknown."""
        now, before = self.row(uuid).boot, self.notes.get('boot_of.' + uuid)
        if 'restarted.' + uuid in self.notes.facts:
            return False
        if now and before:
            return now == before

    def note_boot(self, uuid, boot):
        """R-9: a host that answered too early for its watcher to be heard was off
        indeed when it tells of another boot: its device is its own."""
        method, before = self.notes.get('doubted.' + uuid, ' ').split(' ')
        if before and before != boot:
            del self.notes['barred.%s.%s' % (uuid, method)]
            self.journal.say('note', '%s has booted: %s is believed again' % (
                self.name(uuid), method), 'fence_host')
        del self.notes['doubted.' + uuid]
        self.notes['boot_of.' + uuid] = boot

    def note_devices(self, host, result):
        """What `act devices` printed: a method, a state, a sentence in each line."""
        said = [unpack(line, 3) for line in result.output.split('\n') if line]
        lives = not self.row(host.uuid).failing
        if lives and [state for _, state, _ in said if state == 'off']:
            # A host that has just died reads off, too: only one that answers
            # after its device said so is another machine.
            lives = bool(self.dom0.answering([host.address], PROBE_TIMEOUT))
        barred, deaf = judge_devices(host.name, lives, said,
                                     self.notes.about('barred.' + host.uuid))
        for kind, facts in (('barred', barred), ('deaf', deaf)):
            for method in self.notes.about('%s.%s' % (kind, host.uuid)):
                del self.notes['%s.%s.%s' % (kind, host.uuid, method)]
            for method in facts:
                self.notes['%s.%s.%s' % (kind, host.uuid, method)] = facts[method]
        self.notes['asked.' + host.uuid] = self.now_text()

    def guard(self, hosts):
        """The Host whose devices are due, or None."""
        if self.settings.fence_method == ['POOL'] or not self.settings.fence_enabled:
            return None
        due = guarded_hosts(self.role, self.me, self.facts.master,
                            [host.uuid for host in hosts if host.answers])
        uuid = guard_turn(self.dom0.now(), GUARD_PERIOD, self.me, dict(
            [(each, self.notes.number('asked.' + each)) for each in due]))
        if 'asked.' + self.me not in self.notes.facts:
            uuid = self.me                  # its identity, once per boot
        for host in hosts:
            if host.uuid == uuid:
                return host

    def row(self, uuid):
        return self.watch.peers.get(uuid) or WatchRow()

    def note_peer(self, uuid, row):
        """What must be known of a member for longer than its watcher talks."""
        if row.version:
            self.notes['version.' + uuid] = row.version
            # For the uninstaller, to the hour: notes are not written in each round.
            self.notes['shown.' + uuid] = '%d' % (self.dom0.wall() // 3600 * 3600)
        if row.boot:
            self.note_boot(uuid, row.boot)
        if row.version or row.failing:
            del self.notes['mute.' + uuid]
        elif 'version.' + uuid in self.notes.facts and 'mute.' + uuid not in self.notes.facts:
            self.notes['mute.' + uuid] = self.now_text()
        if row.silent and 'silent.' + uuid not in self.notes.facts:
            self.notes['silent.' + uuid] = '1'
            self.remember('falls', uuid)
        if not row.silent:
            del self.notes['silent.' + uuid]

    def remember(self, kind, uuid):
        """Add this moment to those of the last hour."""
        self.notes['%s.%s' % (kind, uuid)] = ' '.join(
            ['%.0f' % moment for moment in self.lately(kind, uuid)] + [
                '%.0f' % self.dom0.now()])

    def lately(self, kind, uuid):
        now = self.dom0.now()
        return [float(word) for word in self.notes.get('%s.%s' % (kind, uuid)).split()
                if now - float(word) <= HOUR]

    def glance(self):
        """Without a watcher (`once`): who answers now.  Nobody is silent yet."""
        now = self.dom0.now()
        others = dict([(uuid, record['address']) for uuid, record
                       in self.facts.hosts.items() if uuid != self.me])
        answering = self.dom0.answering(sorted(others.values()), PROBE_TIMEOUT)
        return Watch(boot=self.boot, started=now, heirs=self.picture.succession, peers=dict(
            [(uuid, WatchRow(answered=now, last=now, alive_at=now, failing=False, seen=True))
             for uuid, address in others.items() if address in answering]))

    def is_due(self):
        age = self.dom0.now() - self.facts.at
        return self.stale or age >= FRESH or bool(self.xapi)

    def read_pool(self):
        """Ask xapi; what it told before stays when it does not answer."""
        self.xapi = self.master_objection()
        if self.xapi:
            return
        pool = Pool(self.dom0, self.settings)
        facts, self.xapi = pool.read()
        if facts and self.role == 'slave' and facts.master == self.me:
            # R-8: until it has restarted, xapi of an old master tells, and would do,
            # what was right before it lost the pool.
            facts, self.xapi = None, 'it has not restarted since this host is a slave'
        if not facts:
            self.xapi = self.xapi or 'no facts'
            self.note_deaf_xapi()
            return
        self.xapi, self.facts, self.told = '', facts, True
        # The database of before a promotion serves no second decision.
        self.stale = self.role == 'master' and facts.master != self.me
        for key in ('xapi_silent', 'xapi_restarted'):
            del self.notes[key]
        self.configure(pool_settings(facts.other))
        for record in facts.hosts.values():
            other = parse_map(record['other-config']) or {}
            record['maintenance'] = '1' * bool([
                mark for mark in MAINTENANCE_MARKS if other.get(mark, 'false') != 'false'])
            record['marked'] = other.get(DECLARED_MARK, '')
            record['health'] = other.get(field_key(self.settings), '')
        for record in facts.vms.values():
            # Thousands of them: of the longest text only two are of use.
            other = parse_map(record.pop('other-config')) or {}
            record['field'] = other.get(field_key(self.settings), '')
            record['stamp'] = other.get(STAMP, '')
            record['will'] = other.get(WILL_MARK, '')
        self.note_doubts(pool)
        self.note_ends()
        self.keep()

    def note_ends(self):
        """A15: when was what is down now last seen running?  Only of what was so to
        our eyes: after a boot, or a reset of ours, nobody's will is asked."""
        before = self.picture.facts
        for uuid, record in self.facts.vms.items():
            state = record['power-state']
            if state == 'running':
                for kind in ('ran', 'meant'):
                    del self.notes['%s.%s' % (kind, uuid)]
                self.note_waking(uuid, record)
            elif record['will'] and 'woke.' + uuid not in self.notes.facts:
                del self.notes['ran.' + uuid]       # another host has asked
            elif (state == 'halted' and before.at > NEVER and 'ran.' + uuid not in self.notes.facts
                    and before.vms.get(uuid, record)['power-state'] == 'running'):
                self.notes['ran.' + uuid] = '%.0f' % (
                    self.dom0.wall() - self.dom0.now() + before.at)

    def note_waking(self, uuid, record):
        """It runs: the mark that it is to stay down is void before it is removed."""
        if record['will']:
            self.notes['woke.' + uuid] = '1'
        else:
            del self.notes['woke.' + uuid]

    def note_deaf_xapi(self):
        # Another master, or another role, is another xapi that does not answer.
        whose = '%s %s' % (self.role, self.master_address)
        if 'xapi_silent' not in self.notes.facts or self.notes.get('xapi_of') != whose:
            self.notes['xapi_silent'], self.notes['xapi_of'] = self.now_text(), whose

    def xapi_silence(self):
        """Seconds for which the xapi of this master has not answered."""
        whose = '%s %s' % (self.role, self.master_address)
        if not self.xapi or self.notes.get('xapi_of') != whose:
            return 0
        now = self.dom0.now()
        return now - self.notes.number('xapi_silent', now)

    def master_objection(self):
        """On a slave whose master does not answer, every xe would hang: xe.md 8 g."""
        if self.role != 'slave':
            return ''
        for uuid, record in self.facts.hosts.items():
            if record['address'] == self.master_address and uuid != self.me:
                if uuid not in self.watch.peers or self.row(uuid).failing:
                    return 'master %s does not answer' % record['name-label']
        return ''

    def note_doubts(self, pool):
        text = ''
        if pool.extra_calls:
            text = '%d calls of xe for records that its lists leave ambiguous' % (
                pool.extra_calls)
        if text != self.notes.get('ambiguous'):
            self.notes['ambiguous'] = text
            self.journal.say('note', text or 'no record is ambiguous any more', 'xe_wrapper')

    def keep(self):
        """Save the picture: also while HA is off, so that it is never old."""
        layers, (number, enabled) = dict(self.settings.layers), self.newest_flag()
        self.picture = Picture(
            sequence=self.picture.sequence + 1, facts=self.facts, enabled=enabled,
            succession=succession(self.facts, self.facts.other.get('autopromote_uuid', '')),
            settings=layers['pool'], own=layers['this host'], flag_number=number)
        moment = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(self.dom0.wall()))
        why = self.dom0.write(PICTURE, self.picture.text(self.boot, moment), PRIVATE)
        self.problem = why and 'the picture of the pool cannot be saved: ' + why
        self.note_switch(self.picture.enabled == 'true')

    def flag_on_record(self):
        """(number, text) of the last switch of HA, as the database has it."""
        other = self.facts.other
        return whole(other.get(FLAG_NUMBER, '')), other.get(field_key(self.settings))

    def newest_flag(self):
        """The same as anybody knows it (R-11): the database of a promoted slave may
        be older than what this host read of the last master, or was told."""
        flag, known = self.flag_on_record(), self.known_flag()
        if self.picture.facts.pool != self.facts.pool:
            return flag                 # another pool: its switches count anew
        if known[0] > flag[0] or known[0] == flag[0] and 'promotion' in self.notes.facts:
            return known
        if self.role == 'master' and known[0] == flag[0] and flag[1] not in (None, known[1]):
            return flag[0] + 1, flag[1]     # by hand, in XenCenter: nobody counted it
        return flag

    def known_flag(self):
        """The newer of what this host read last and what the others told since."""
        read = self.picture.flag_number, self.picture.enabled
        if (self.watch and self.watch.pool == self.picture.facts.pool
                and self.watch.flag[0] > read[0]):
            return self.watch.flag
        return read

    def unwritten(self):
        """(text, number) that belongs into the database, or None."""
        number, text = self.known_flag()
        if text is not None and (number, text) != self.flag_on_record():
            return text, number

    def note_switch(self, enabled):
        """HA switched on is a start-up as after a boot: A10, S23."""
        if not enabled:
            del self.notes['enabled']
            del self.notes['ready']
        elif 'enabled' not in self.notes.facts:
            self.notes['enabled'] = self.now_text()

    # -- the view -------------------------------------------------------------

    def known(self):
        """The View's fields."""
        now, facts, notes = self.dom0.now(), self.facts, self.notes
        hosts = sorted([self.host(uuid) for uuid in facts.hosts],
                       key=lambda host: (host.name, host.uuid))
        barred, deaf = notes.by_name('barred'), notes.by_name('deaf')
        for host in hosts:
            host.barred, host.deaf = barred.get(host.uuid, {}), deaf.get(host.uuid, {})
        by_uuid = dict([(host.uuid, host) for host in hosts])
        master = self.master(hosts, by_uuid)
        known = {
            'me': by_uuid.get(self.me), 'master': master, 'role': self.role,
            'pool': facts.pool, 'hosts': hosts, 'xapi': self.xapi or '',
            'vms': [self.vm(record) for _, record in sorted(facts.vms.items())
                    if record['is-control-domain'] != 'true'],
            'heir': facts.other.get('autopromote_uuid', ''),
            'heirs': self.watch.heirs or self.picture.succession,
            'enabled': self.known_flag()[1], 'unwritten': self.unwritten(),
            'xenserver_ha': facts.xenserver_ha,
            'frozen': self.frozen(), 'thaws': self.thaws(),
            'isolated': self.watch.guardian.stopped,
            'thawed': now - notes.number('thawed', NEVER), 'placed': self.placed(),
            'xapi_silence': self.xapi_silence(),
            'restarted_xapi': 'xapi_restarted' in notes.facts,
            'age': now - facts.at, 'asleep': now - notes.number('asleep', NEVER),
            'suspended': notes.get('suspended'),
            'ready': 'ready' in notes.facts,
            'uptime': now - max(self.watch.started, notes.number('enabled', NEVER)),
            'promoting': since(now, notes.number('promotion')),
            'recovered': since(now, notes.number('recovered')),
            'promoted': 'promoted' in notes.facts,
            'gathered': 'gathered' in notes.facts, 'storage': self.srs is not None,
            'lonely': self.is_lonely(hosts), 'sync': self.is_sync_due(hosts),
            'guard': self.guard(hosts)}
        self.ask_around(known, by_uuid)
        return known

    def host(self, uuid):
        record, notes = self.facts.hosts[uuid], self.notes
        now = self.dom0.now()
        _, fence_next, fence_failed = self.backed_off('fence', uuid)
        host = Host(
            uuid=uuid, name=record['name-label'], address=record['address'],
            enabled=record['enabled'] == 'true',
            maintenance=record['maintenance'] == '1', marked=record['marked'] == 'true',
            live=record['host-metrics-live'] == 'true',
            memory_total=whole(record['memory-total']),
            memory_overhead=whole(record.get('memory-overhead', ''))
            + self.facts.control_memory(uuid),
            off=notes.get('off.' + uuid).split(' ', 1)[-1],
            unlocked='unlocked.' + uuid in notes.facts,
            declared='declared.' + uuid in notes.facts,
            restarted='restarted.' + uuid in notes.facts,
            health=notes.get('health.' + uuid) or record.get('health'),
            fence_failed=fence_failed, fence_wait=max(0, fence_next - now))
        if 'beside.' + uuid in notes.facts:
            host.fence_failed, host.fence_wait = self.beside(uuid), HOUR
        if self.srs:
            host.srs = self.srs[0].get(uuid, [])
        if uuid == self.me:
            host.domains, host.votes = self.own_domains(), self.watch.guardian.votes
        else:
            self.add_watched(host, self.row(uuid), now)
        return host

    def add_watched(self, host, row, now):
        """What the watcher knows of another member."""
        host.answers, host.silent = not row.failing, row.silent
        if row.failing:
            host.silence = now - (row.last or self.watch.started)
            if row.alive_at > NEVER:
                host.unheard = now - row.alive_at
        # S23: who was away when HA was switched on is absent, not failed.
        host.seen = row.seen and (not row.failing or row.answered
                                  >= self.notes.number('enabled', NEVER))
        host.unsure, host.role, host.doing = row.unsure, row.role, row.doing
        host.votes, host.promoted = row.votes, row.promoted
        host.version = self.notes.get('version.' + host.uuid)
        host.mute = since(now, self.notes.number('mute.' + host.uuid)) or 0
        host.back, host.settling = now - row.back, STABLE * self.settings.monitor_delay
        host.confirmed = host.uuid in self.watch.confirmed
        if row.domains is not None:
            host.domains = set(row.domains)
        host.boot = row.boot
        host.falls = len(self.lately('falls', host.uuid))
        host.fences = len(self.lately('fences', host.uuid))
        host.unproved = 'unproved.' + host.uuid in self.notes.facts
        # R-3: a promise counts if it was renewed until the host fell silent to all.
        if row.lease is not None and row.alive_at - row.leased <= RENEWED:
            host.lease, host.tie = row.lease, row.tie

    def vm(self, record):
        failures, again, error = self.backed_off('start', record['uuid'])
        vm = vm_of(record)
        vm.failures = failures
        vm.wait, vm.error = max(0, again - self.dom0.now()), error
        vm.locked = 'SR_BACKEND_FAILURE_46' in error
        vm.starting, vm.boot = (self.notes.get('starting.' + vm.uuid).split() + ['', ''])[:2]
        vm.noted = record['will'] == 'true'
        if self.settings.vm_shutdown_is_intent:
            vm.ran = self.notes.number('ran.' + vm.uuid)
            vm.meant = vm.power == 'halted' and (
                'meant.' + vm.uuid in self.notes.facts
                or vm.noted and 'woke.' + vm.uuid not in self.notes.facts)
        if self.srs:
            vm.srs = self.srs[1].get(vm.uuid, [])
        return vm

    def own_domains(self):
        """uuids that really run here, or None."""
        domains = self.domains()
        if domains is not None:
            return set(domains)

    def domains(self):
        """{uuid: domain id} of this host, asked once a round; None: unknown."""
        if self.listed is None:
            result = self.dom0.run(['list_domains'], LIST_TIME)
            self.listed = (result and parse_domains(result.output), bool(result))
        if self.listed[1]:
            return self.listed[0]

    def note_placements(self):
        """Who ran what when the master was lost: newer than the database that a
        promoted slave wakes up with (S02)."""
        for uuid, record in self.facts.vms.items():
            if record['power-state'] != 'halted' and reference(record['resident-on']):
                self.notes['placed.' + uuid] = record['resident-on']

    def frozen(self):
        """R-7: '' or until when."""
        if self.told:
            self.note_freeze()
        now = self.dom0.now()
        left = max(self.notes.number('freeze', NEVER), frozen_here(self.dom0, self.boot)) - now
        if 'rolling' in self.notes.facts or left > 0:
            self.notes['thawed'] = '%.1f' % (now + max(0, left))
        if 'rolling' in self.notes.facts:
            return 'the rolling upgrade of the pool is over'
        if left > 0:
            return time.strftime('%H:%M:%S', time.localtime(self.dom0.wall() + left))
        return ''

    def thaws(self):
        """'' or when a freeze that was told of long ago ends: soon."""
        left = self.notes.number('thawed', NEVER) - self.dom0.now()
        known = self.dom0.wall() - self.notes.number('since.freeze', self.dom0.wall())
        if 0 < left <= THAW < known and 'rolling' not in self.notes.facts:
            return self.frozen()
        return ''

    def note_freeze(self):
        """What the database says of it holds until it says something else, also
        while nobody can ask it.  The pool's wall clock is looked at once; from
        then on this host's own clock counts."""
        mark = self.facts.other.get('HA_FREEZE_UNTIL', '')
        del self.notes['rolling']
        if self.facts.other.get('rolling_upgrade_in_progress'):
            self.notes['rolling'] = '1'
        if not mark:
            del self.notes['freeze']
        elif mark != self.notes.get('freeze_mark'):
            left = min(max(0, whole(mark) - self.dom0.wall()), 24 * HOUR)
            self.notes['freeze'] = '%.1f' % (self.dom0.now() + left)
        self.notes['freeze_mark'] = mark

    def placed(self):
        """{vm: host} of the freshest map from before a promotion (A6)."""
        placed = self.notes.about('placed')
        if placed and self.dom0.now() > self.notes.number('placed_until', 1e12):
            for uuid in placed:
                del self.notes['placed.' + uuid]
            del self.notes['placed_until']
            return {}
        return placed

    def master(self, hosts, by_uuid):
        """pool.conf says whom this host's xapi follows; the database who it is."""
        if self.role == 'slave':
            for host in hosts:
                if host.address == self.master_address:
                    return host
            return None                 # the database may be younger, or older
        return by_uuid.get(self.facts.master)

    def ask_around(self, known, by_uuid):
        """What is asked only when a decision needs it: roles and the witness."""
        me, master = known['me'], known['master']
        known['votes'] = known['followed'] = 0
        if known['promoting'] is not None and not known['xapi']:
            self.mark_followers(known)
        if me and master and (not known['ready'] or known['suspended']):
            known['votes'] = self.count_votes(me, master, known['hosts'])
        known['followed'] = self.follow(known)
        if self.role == 'master' and known['ready']:
            self.ask_the_mute(known)
        members = [host for host in known['hosts'] if not host.confirmed]
        answering = [host for host in members if host.answers]
        voters = [host for host in answering if host.votes]
        known['witness'] = (len(members) in (len(answering) * 2, len(voters) * 2)
                            and self.settings.fence_use_ip_heuristics
                            and self.sees_witness())
        if not known['ready'] and self.dom0.read(XAPI_READY) is None:
            known['xapi'] = known['xapi'] or 'it is still starting'

    def count_votes(self, me, master, hosts):
        """Members that say that `master` is the master."""
        others = [host for host in hosts if host.answers and host not in (me, master)]
        roles = self.dom0.roles([host.address for host in others if not host.role],
                                PROBE_TIMEOUT)
        votes = [host for host in others if (
            host.role or roles.get(host.address)) == 'slave:' + master.address]
        # A master that answered our xe through the relay need not be asked:
        # a login that it must refuse takes it 5 s (xe.md 3).
        return len(votes) + len(set([me.uuid, master.uuid]))

    def ask_the_mute(self, known):
        """A9: whom those follow that are back and whose watchers have not said it."""
        mute = [host for host in known['hosts'] if host is not known['me']
                and host.answers and not host.role and host.back < WORD_TIME]
        if mute:
            roles = self.dom0.roles([host.address for host in mute], PROBE_TIMEOUT)
            for host in mute:
                host.role = roles.get(host.address, '')

    def mark_followers(self, known):
        """After a promotion: whose xapi is back and says that it follows me.  Its
        watcher knows earlier, as soon as pool.conf is written."""
        others = [host for host in known['hosts'] if host.answers
                  and host is not known['me']]
        roles = self.dom0.roles([host.address for host in others], PROBE_TIMEOUT)
        for host in others:
            host.follows = roles.get(host.address) == 'slave:' + known['me'].address

    def follow(self, known):
        """Seconds for which a suspended host has followed a majority's master."""
        members = [host for host in known['hosts'] if not host.confirmed]
        whole_again = (self.role == 'slave' and not known['xapi']
                       and known['votes'] * 2 > len(members))
        if not (known['suspended'] and whole_again):
            del self.notes['followed']
            return 0
        if self.notes.number('followed') is None:
            self.notes['followed'] = self.now_text()
        return self.dom0.now() - self.notes.number('followed')

    def sees_witness(self):
        addresses = self.settings.fence_heuristics_ips
        return bool(addresses) and self.dom0.answering(
            addresses, PROBE_TIMEOUT, ports=()) == set(addresses)

    def is_lonely(self, hosts):
        """FENCE_REBOOT_LONE_HOST reboots once an episode, not for ever."""
        if [host for host in hosts if host.uuid != self.me and host.answers]:
            del self.notes['lonely']
        return 'lonely' in self.notes.facts

    # -- A7: the databases of the slaves are kept young -----------------------

    def placement(self):
        """A number that changes when what a promoted slave must know does."""
        return '%08x' % checksum(repr(sorted(self.facts.other.items()) + sorted(
            [(uuid, vm['power-state'], vm['resident-on'], vm['will'])
             for uuid, vm in self.facts.vms.items()] + [
            (uuid, host['enabled'], host['maintenance'])
            for uuid, host in self.facts.hosts.items()])))

    def is_sync_due(self, hosts):
        if self.xapi or self.role != 'master' or len(hosts) < 2:
            return False
        synced = self.notes.number('synced', NEVER)
        return (self.dom0.now() - synced >= self.settings.monitor_delay
                and self.notes.get('placement') != self.placement())

    def note_sync(self):
        self.notes['synced'], self.notes['placement'] = self.now_text(), self.placement()

    def forget_sync(self):
        del self.notes['placement']

    # -- what acts leave behind -----------------------------------------------

    def proved(self, host, why):
        """`host` is dead: until it answers again."""
        self.forget_host(host.uuid)
        self.remember('fences', host.uuid)
        self.notes['off.' + host.uuid] = '%s %s' % (self.now_text(), why)
        self.journal.say('proof', '%s is off: %s' % (host, why), 'fence_host')

    def half_proved(self, host, why, fallen):
        """R-9: members that answered when `host` was switched off and no longer
        when it read off: is that its device, or theirs?"""
        self.notes['beside.' + host.uuid] = '%s %s %s' % (
            self.now_text(), ','.join(fallen), why)
        return self.beside(host.uuid)

    def beside(self, uuid):
        _, fallen, why = self.notes.get('beside.' + uuid).split(' ', 2)
        names = ', '.join([self.name(each) for each in fallen.split(',')])
        return '%s, and %s fell silent meanwhile: it counts when that one answers, or is ' \
            'off by its own device' % (why, names)

    def settle_doubts(self):
        """A device that belongs to another machine has switched that one off.  When
        both devices read off, both machines are, whichever is whose."""
        for uuid, text in sorted(self.notes.about('beside').items()):
            moment, fallen, why = text.split(' ', 2)
            if self.row(uuid).alive_at > float(moment):
                self.doubt_device(uuid, '%s %s' % (moment, why))
                del self.notes['beside.' + uuid]
            elif not [each for each in fallen.split(',')
                      if self.row(each).alive_at <= float(moment)
                      and not self.is_off_by_device(each)]:
                host = self.host(uuid)
                self.proved(host, why)
                record_act(self, Fence(host=host), 'done')

    def is_off_by_device(self, uuid):
        words = self.notes.get('off.' + uuid).split(' ')
        return words[1:] and words[1].rstrip(':') in provers(self.settings)

    def doubt(self, host, result):
        """xapi talks to a host that was taken for dead: the proof is void."""
        if kind_of(result) == 'live':
            self.forget_host(host.uuid)
            self.back_off('fence', host.uuid, 'xapi says that %s is live' % host)

    def forget_host(self, uuid):
        for kind in OFF_FACTS:
            del self.notes['%s.%s' % (kind, uuid)]

    def back_off(self, kind, uuid, why):
        """Try again later: after P, 2 P, 4 P ... up to an hour."""
        count = self.backed_off(kind, uuid)[0] + 1
        pause = min(self.settings.monitor_delay * 2 ** (min(count, 12) - 1), 3600)
        self.notes['%s.%s' % (kind, uuid)] = '%d %.1f %s' % (
            count, self.dom0.now() + pause, printable(why, 300))

    def backed_off(self, kind, uuid):
        """(failures so far, time of the next try, why)"""
        words = self.notes.get('%s.%s' % (kind, uuid)).split(' ', 2)
        if len(words) != 3:
            return 0, NEVER, ''
        return int(words[0]), float(words[1]), words[2]

    def forget_back_off(self, kind, uuid):
        del self.notes['%s.%s' % (kind, uuid)]

    def look_at_storage(self):
        self.srs, why = Pool(self.dom0, self.settings).storage()
        return why

    def name(self, uuid):
        return self.facts.hosts.get(uuid, {}).get('name-label', uuid)

    # -- what is said ---------------------------------------------------------

    def decided(self, why):
        """A decision goes to the journal when its sentence changes."""
        if why != self.notes.get('decided'):
            self.notes['decided'] = why
            self.journal.say('decide', why, {
                'master': 'check_slave_status'}.get(self.role, 'check_xapi'))

    def rest(self, warnings, view):
        """The end of a round: warnings that came and went, and the notes."""
        for problem in self.settings.problems + self.conf_problems:
            warnings['setting-%08x' % checksum(problem)] = problem
        for problem in [self.problem, self.unreadable, self.notes.problem]:
            if problem:
                warnings['state-%08x' % checksum(problem)] = problem
        if not self.me:
            warnings['identity'] = '%s has no INSTALLATION_UUID' % INVENTORY
        update_alerts(self, warnings, view)
        if self.notes.save():
            self.dom0.confide(self.notes.memory())
        self.journal.trim()


def own_uuid(dom0):
    """INSTALLATION_UUID of /etc/xensource-inventory, or '': xe.md 11."""
    match = re.search(r"(?m)^INSTALLATION_UUID='?([0-9a-f-]{36})'?\s*$",
                      dom0.read(INVENTORY, ''))
    return match and match.group(1) or ''


def own_role(dom0):
    """(role, address of the master or '') from pool.conf: xe.md 9.1."""
    words = dom0.read(POOL_CONF, '').strip().split(':', 1)
    if words[0] == 'slave' and words[1:]:
        return 'slave', words[1].strip()
    return words[0], ''


def vm_of(record):
    """A Vm as the database tells it."""
    return Vm(uuid=record['uuid'], name=record['name-label'],
              power=record['power-state'], host=reference(record['resident-on']),
              busy=bool(record['current-operations']), field=record['field'],
              stamp=record['stamp'], appliance=reference(record['appliance']),
              affinity=reference(record['affinity']), order=whole(record['order']),
              delay=whole(record['start-delay']), memory=memory_of(record))


def moment_of(text):
    """Seconds since 1970 of 20260821T02:00:23Z, as xe prints it; 0 of anything else."""
    try:
        return calendar.timegm(time.strptime(text, '%Y%m%dT%H:%M:%SZ'))
    except ValueError:
        return 0


def reference(text):
    """A uuid, or '' for what is "<not in database>"."""
    if UUID.match(text):
        return text
    return ''


def whole(text):
    """A number that xe printed; 0 if it is none."""
    try:
        return int(text)
    except ValueError:
        return 0


def memory_of(record):
    return whole(record['memory-dynamic-min']) + whole(record.get('memory-overhead', ''))


def since(now, moment):
    if moment is not None:
        return now - moment


def succession(facts, heir):
    """Who may replace the master, in order: the heir, then by name."""
    rest = [uuid for uuid, record in sorted(facts.hosts.items(), key=lambda item: (
        item[1]['name-label'], item[0]))
            if uuid not in (facts.master, heir) and record['enabled'] == 'true'
            and record['maintenance'] != '1']
    return [heir] * (heir != '') + rest


###############################################################################
# Datagrams: what the watchers tell each other ################################
###############################################################################
# R-1.  On a slave whose master is silent every xe hangs, so what must be known
# then travels from watcher to watcher: UDP 694, one packet a tick and member.
# Signed with the pool's secret.  Each packet echoes the receiver's latest
# nonce: one that does not is old, or goes one way only, and proves nothing.

DATAGRAM = 'ha-lizard 1'            # the format: another one is not understood
LARGEST = 8192                      # bytes; what is larger is dropped unread
DOMAINS_A_PACKET = 100              # uuids: the list is split over packets
SECRET = '/etc/xensource/ptoken'
ECHO = 5            # seconds for which an echo may name a nonce: the tick that sent it, the
                    # receiver's, ours.  Over a link that fails in one direction a member seems
                    # to hear this host for so long, and the stop of A3 must end in time even so


# In front stands what is new in every packet, in the middle what hardly ever
# changes: whoever heard the packet before needs not read it again.  The opinions
# change each second while somebody is silent, and come last.
def lines_of(*fields):
    return ''.join(['%s=%%(%s)%s\n' % (name, name, kind) for name, kind in
                    [field.split() for field in fields]])


HEAD = DATAGRAM + '\n' + lines_of('uuid s', 'boot s', 'number d', 'nonce s', 'heirs_age d')
LASTING = lines_of('version s', 'role s', 'doing s', 'votes d', 'promoted d', 'lease s', 'tie d',
                   'heirs s', 'flag s', 'flag_number d', 'orders s', 'part d', 'parts d')


class Report(Record):
    """What one watcher says of itself and of the members it knows.

    lease: seconds after its last contact with its half in which it will have
    stopped its VMs, or None (R-3); tie: also in an exact half.  opinions: what
    opinion_text() says of each member, as `;UUID OPINION;UUID OPINION;`, those
    that are silent first: 64 watchers send 4,000 opinions a tick, and only those
    are ever looked at.  heirs: the succession list as text, heirs_age seconds
    old.  domains: uuids that run there, or None.  orders: (uuid of a host that was
    confirmed dead, how many times ORDER_UNIT ago).  lasting: the text of those
    fields that seldom change, in a report that was received.
    """
    fields = {
        'uuid': '', 'boot': '', 'number': 0, 'nonce': '', 'version': '', 'role': '',
        'doing': 'idle', 'votes': True, 'promoted': False, 'lease': None, 'tie': False,
        'opinions': ';', 'heirs': '', 'heirs_age': 0, 'flag': '', 'flag_number': 0,
        'domains': None, 'part': 0, 'parts': 1, 'orders': (), 'lasting': '',
    }

    def text(self):
        """All but the echo, which differs for every receiver."""
        texts = dict(self.__dict__)
        texts.update({'lease': number_text(self.lease), 'flag': escape(self.flag),
                      'orders': ' '.join(['%s:%d' % order for order in self.orders])})
        domains = ''
        if self.domains is not None:
            domains = 'domains=%s\n' % ' '.join(self.domains)
        return '%s%s%sopinions=%s\n' % (
            HEAD % texts, LASTING % texts, domains, self.opinions[1:-1])


def number_text(number):
    if number is None:
        return '-'
    return '%d' % number


def text_number(text):
    if text == '-':
        return None
    return int(text)


def opinion_text(opinion):
    return ('%s %s %d %s' % opinion).replace('None', '-')


def opinions_on(uuid, reports):
    """What they say of a member: texts, each once."""
    mark, found, whole, start = ';%s ' % uuid, set(), 'none', 0
    for report in reports:
        # Most say the same in the same place: who is silent comes first.
        if report.opinions.startswith(whole, start):
            continue
        start = report.opinions.find(mark)
        if start >= 0:
            whole = report.opinions[start:report.opinions.index(';', start + 1) + 1]
            found.add(whole[len(mark):-1])
    return sorted(found)


def parse_opinion(text):
    """What opinion_text() was made of; None for what it does not tell."""
    try:
        ago, lease, tie, lease_age = [text_number(word) for word in text.split(' ')]
    except ValueError:
        return None, None, False, None      # none, or none that is understood
    return ago, lease, bool(tie), lease_age


def parse_report(text, before=None):
    """The Report in the text of a packet; ValueError or KeyError if it is none.
    `before`: one that its sender sent before; what both say alike is not read again."""
    start, end = text.find('\nversion=') + 1, text.find('\nopinions=') + 1
    if not text.startswith(DATAGRAM + '\n') or not 0 < start < end:
        raise ValueError('another format')
    lasting = text[start:end]
    if not before or before.lasting != lasting:
        before = parse_lasting(lasting)
    values = pairs_of(text[len(DATAGRAM) + 1:start])
    report = object.__new__(Report)
    report.__dict__.update(before.__dict__)
    report.uuid, report.boot, report.nonce = values['uuid'], values['boot'], values['nonce']
    report.number, report.heirs_age = int(values['number']), int(values['heirs_age'])
    report.opinions = ';%s;' % text[end + len('opinions='):text.index('\n', end)]
    return report


def parse_lasting(text):
    """A Report with what seldom changes in a packet, or as parse_report()."""
    values = pairs_of(text)
    report = Report(
        version=values['version'], role=values['role'], doing=values['doing'],
        votes=values['votes'] == '1', promoted=values['promoted'] == '1',
        lease=text_number(values['lease']), tie=values['tie'] == '1', heirs=values['heirs'],
        flag=unescape(values['flag']), flag_number=int(values['flag_number']),
        part=int(values['part']), parts=int(values['parts']),
        orders=[(uuid, int(age)) for uuid, age in
                [word.split(':') for word in values['orders'].split()]], lasting=text)
    if 'domains' in values:
        report.domains = sorted(values['domains'].split())
    return report


def pairs_of(text):
    """{name: value} of lines that end in a newline each."""
    return dict([line.split('=', 1) for line in text.split('\n')[:-1]])


class Signer(object):
    """Signs and checks packets with the pool's secret; none without one."""
    block = 64                          # of SHA-1, in bytes

    def __init__(self, secret):
        import hmac
        self.sha1 = sha1_of()
        self.secret = to_bytes(secret)
        # HMAC is two hashes (RFC 2104).  What both begin with is the secret's
        # alone, and is hashed once: hmac takes twice the time for a packet.
        self.inner, self.outer = self.keyed(0x36), self.keyed(0x5c)
        self.same = getattr(hmac, 'compare_digest', same)

    def keyed(self, mask):
        key = self.secret
        if len(key) > self.block:
            key = self.sha1(key).digest()
        numbers = struct.unpack('%dB' % len(key), key)
        numbers += (0,) * (self.block - len(key))
        return self.sha1(struct.pack('%dB' % self.block, *[number ^ mask for number in numbers]))

    def begin(self, text):
        """The hash of a text to which more is to be added."""
        begun = self.inner.copy()
        begun.update(to_bytes(text))
        return begun

    def end(self, begun):
        """The signature of what was hashed: 40 hexadecimal digits."""
        signature = self.outer.copy()
        signature.update(begun.digest())
        return signature.hexdigest()

    def sign(self, text):
        return self.end(self.begin(text))

    def nonce(self, boot, number):
        """Nobody without the secret can tell the next one."""
        return self.sign('nonce %s %d' % (boot, number))[:16]

    def seal(self, text, echoes):
        """One packet per receiver: {address: packet} for {address: nonce}."""
        start, packets = self.begin(text), {}
        for address, nonce in echoes.items():
            echo = 'echo=%s\n' % nonce
            whole = start.copy()
            whole.update(to_bytes(echo))
            packets[address] = '%s%smac=%s\n' % (text, echo, self.end(whole))
        return packets

    def open(self, packet):
        """(text, nonce) that made a packet, if it is ours; None if it is not."""
        end = packet.rfind('\nmac=') + 1
        start = packet.rfind('\necho=', 0, end) + 1
        if len(packet) > LARGEST or not start or not self.secret:
            return None
        # In bytes: of texts, Python 3 compares only those of ASCII.
        if not self.same(to_bytes(packet[end + 4:].strip()), to_bytes(self.right(packet, end))):
            return None
        return packet[:start], packet[start + 5:end - 1]

    def right(self, packet, end):
        """The signature that a packet must have, whose own begins at `end`."""
        return self.sign(packet[:end])


def sha1_of():
    try:
        from hashlib import sha1
    except ImportError:
        from sha import new as sha1
    return sha1


def same(one, other):
    """Equality of two texts in a time that does not depend on where they differ."""
    difference = len(one) ^ len(other)
    for a, b in zip(one, other):
        difference |= ord(a) ^ ord(b)
    return not difference


###############################################################################
# Isolation: a host that is cut off stops its own VMs #########################
###############################################################################
# A3, R-2, R-3.  Where no device proves that a silent host is off, the others
# may take over only because every host promises to stop its own VMs when it
# has lost its half of the pool.  The promise is a lease with a number, and a
# watchdog keeps it when this program cannot.

CUT_OFF = STATE + 'isolated'    # a master reboots for that: the next boot tells of it
LEFT = STATE + 'left'           # it was in maintenance and out of reach: it has no vote yet
LINGER = 60             # seconds after maintenance in which somebody may not know of its end
LEAST_STOP = 10         # seconds for a stop at least: the watchdog bites after three quarters of
                        # it, which must be some looks, for it is fed at each
PROMISE_KEPT = 20       # seconds that a stop may take, when the daemon is told to end meanwhile
TOLD = 8                # seconds after which half of the pool must have heard a new number: over a
                        # link that fails in one direction it seems to hear it for ECHO + 2
FIRST_LOOK = 2          # seconds until the others can have answered a watcher that starts


class Guardian(object):
    """ok: the last moment this host reached its half.  lease: what it promises,
    or None.  stopped: '' or what was done."""

    def __init__(self, dom0, now):
        self.dom0, self.ok, self.whole, self.master = dom0, now, False, False
        self.lease, self.tie, self.why = None, False, 'it has just started'
        self.told = []                  # what somebody may count on: see note_told()
        self.stopped, self.jobs, self.guarding, self.unfed = '', [], False, False
        self.may, self.settings = 'nothing is known yet', None
        self.rows, self.unmanaged = {}, {}      # texts of VMs; those that were read
        self.mine = None, []                    # domains, and those of them that count
        # R-3: may others count on a host that left for maintenance, and that is this one?
        self.votes, self.away, self.met = dom0.read(LEFT) is None, NEVER, now

    def take_up(self, watch, now):
        """A promise that was given goes on."""
        given = watch.guardian
        self.whole, self.tie, self.stopped = given.whole, given.tie, given.stopped
        if given.lease is not None:
            self.told = [(given.lease, given.lease - given.grace, given.grace, given.tie, now)]
            self.ok = max(given.ok, now - given.lease)
            if given.ok == NEVER:
                self.ok = now - unwatched(given.lease - given.grace, given.grace)
            # The watchdog that the last one fed is still awake, and unfed it bites.
            self.guarding = (self.stopped != 'stopping'
                             and not self.dom0.guard(feed_time(given.grace)))

    def learn(self, watcher):
        """What the picture of the pool says about this host's promise."""
        settings, picture = watcher.settings, watcher.picture
        self.master = watcher.role[0] == 'master'
        self.may = promise_objection(settings, watcher.flag[1], watcher.dom0, self.master)
        if watcher.is_frozen():
            self.may = 'HA is frozen'
        if self.settings is not settings or self.rows is not picture.facts.vms:
            self.settings, self.rows = settings, picture.facts.vms
            self.unmanaged, self.mine = {}, (None, [])

    def managed(self, domains):
        """The VMs that it would stop: all that are not known to be unmanaged."""
        if domains != self.mine[0]:
            self.mine = domains, [uuid for uuid in sorted(domains)
                                  if not self.is_unmanaged(uuid)]
        return self.mine[1]

    def is_unmanaged(self, uuid):
        if uuid not in self.unmanaged:
            try:
                record = parse_row(uuid, VM_ROW, self.rows.get(uuid, ''), {})
            except ValueError:
                return False
            self.unmanaged[uuid] = bool(managed_objection(self.settings, None, vm_of(record)))
        return self.unmanaged[uuid]

    # -- each tick ------------------------------------------------------------

    def tick(self, now, watcher):
        self.note_reach(now, watcher)
        self.note_absence(now, watcher)
        self.promise(now, watcher)
        if self.stopped and self.ok == now:
            self.stopped, self.unfed = '', False
        if self.stopped == 'stopping' or now - self.ok >= self.patience():
            self.act(now, watcher)
        self.feed()

    def note_reach(self, now, watcher):
        """`ok`: the last moment at which enough members answered, exactly."""
        seen = now - watcher.witnessed <= RENEWED
        if not [peer for _, peer in watcher.members if peer.failing]:
            self.ok, self.whole, self.tie = now, True, seen
            return
        peers = [peer for uuid, peer in watcher.members if uuid not in watcher.confirmed]
        total = len(peers) + 1
        moments = sorted([reached(peer, now) for peer in peers], reverse=True)
        self.ok = max(self.ok, nth(moments, total // 2, now))
        if total % 2 == 0:
            half = nth(moments, total // 2 - 1, now)
            # A promise about ties is kept for as long as somebody may trust it.
            if self.tie or [told for told in self.told if told[3]]:
                half = min(half, watcher.witnessed)
            self.ok = max(self.ok, half)
        if not [peer for uuid, peer in watcher.members
                if peer.failing and not peer.left and uuid not in watcher.confirmed
                and not watcher.is_off(uuid)]:
            self.whole, self.tie = True, seen

    def note_absence(self, now, watcher):
        """R-3: one that was in maintenance, and could not be reached by half of the
        members, may have been seen to leave.  Who saw that counts it as reached for as
        long as it does not see it again: so it has no vote until all have."""
        if watcher.doing() == 'maintenance':
            self.away = now
        missing = [uuid for uuid, peer in watcher.members if peer.failing]
        if now - self.away <= LINGER and len(missing) * 2 >= len(watcher.members) + 1:
            self.leave(now)
        if [uuid for uuid in missing if uuid not in watcher.confirmed
                and not watcher.is_off(uuid)]:
            self.met = now
        elif not self.votes and now - self.met >= RENEWED:
            self.votes = not self.dom0.remove(LEFT)

    def leave(self, now):
        self.met = now
        if self.votes:
            self.votes = False
            self.dom0.write(LEFT, '%s\n' % now, PRIVATE)

    def promise(self, now, watcher):
        """The number to publish."""
        patience, grace = lease_of(watcher.settings, self.master)
        self.why = (self.may or self.lateness(watcher.looked - self.ok, patience)
                    or self.refusal(watcher, grace))
        self.lease = None
        if not self.why:
            self.lease = patience + grace
        self.note_told(now, (self.lease, patience, grace, self.tie))
        if not self.given() and not self.unfed:
            self.stand_down()

    def note_told(self, now, promise):
        """[(lease or None, patience, grace, tie, when it was told last)].  A longer number,
        or none, is in force only when it was told for TOLD seconds to half of the pool:
        who does not hear it goes on counting on the one before."""
        if self.ok == now:
            kept = [told for told in self.told if now - told[4] < TOLD]
        else:
            kept = [told[:4] + (now,) for told in self.told]
        self.told = [told for told in kept if told[:4] != promise] + [promise + (now,)]

    def given(self):
        """The promises that somebody may still count on."""
        return [told for told in self.told if told[0] is not None]

    def lateness(self, cut_off, patience):
        """Nothing new is promised without the half: what somebody starts by hand on a
        host whose stop is over is not to be stopped, so nobody may count on that.  What
        was promised before is kept, whatever became of the timers."""
        if self.stopped == 'done' or not (self.stopped or self.given()) and cut_off >= patience:
            return 'half of the pool is out of reach'

    def refusal(self, watcher, grace):
        """Why this host promises nothing, beyond what the pool says."""
        if not self.whole:
            return 'the pool was not seen whole since this host booted'
        domains = watcher.inspector.domains
        if domains is None:
            return 'the domains of this host cannot be listed'
        # A master promises without VMs, too: it is its authority that must end.
        if not self.master and not self.managed(domains):
            return 'no managed VM runs here'
        if not self.guarding:
            why = self.dom0.guard(feed_time(grace))
            self.guarding = not why
            return why

    def patience(self):
        """Seconds without its half after which the stop begins: the smallest
        number that somebody may still count on."""
        return min([told[1] for told in self.given()] + [10 ** 9])

    def feed(self):
        """The watchdog is fed while there is nothing that it would have to end."""
        if self.guarding and self.given() and not self.unfed:
            # What cannot be fed keeps no promise: the next tick says why.
            self.guarding = not self.dom0.guard(
                feed_time(min([told[2] for told in self.given()])))

    def stand_down(self):
        self.dom0.guard(None)
        self.guarding = False

    # -- the stop -------------------------------------------------------------

    def act(self, now, watcher):
        """Stop what runs here, by force; the watchdog ends what this cannot."""
        if self.stopped == 'done':
            return
        if not self.stopped:
            self.stopped, self.unfed = 'stopping', True
            self.dom0.log('cut off from half of the pool: stopping the VMs of this host',
                          'crit')
            watcher.inspector.again()
            if self.master:
                # Its storage work must stop as well: R-3.
                self.dom0.log('this host is the master: rebooting', 'crit')
                # Should the disk hang now, the watchdog does it.
                self.dom0.write(CUT_OFF, watcher.boot, PRIVATE)
                self.dom0.reboot()
            return
        self.jobs = [job for job in self.jobs if job.result is None
                     and not self.dom0.ended([job], 0)]
        inspector = watcher.inspector
        if self.jobs or inspector.domains is None or inspector.listed < now:
            inspector.again()
            return
        mine = self.managed(inspector.domains)
        if not mine:
            self.stopped, self.unfed, self.told = 'done', False, []     # the promise is kept
            self.dom0.log('the VMs of this host are stopped', 'crit')
            return
        self.jobs = [self.dom0.begin(destroy_argv(inspector.domains[uuid]), 10)
                     for uuid in mine]
        inspector.again()

    def state(self, now):
        """What must be on disk: the values of a WatchGuardian.  While the half is lost,
        since when; of the promises that somebody may count on, the shortest."""
        ok, lease, grace = NEVER, None, 0
        if self.stopped or self.ok < now:
            ok = self.ok
        if self.given():
            lease, _, grace = min(self.given())[:3]
        return (ok, self.whole, self.tie, lease, grace, self.votes, self.stopped,
                self.why or '')


def reached(peer, now):
    """The last moment at which this host reached a member."""
    if not peer.failing or peer.left:
        return now
    return peer.answered


def nth(moments, count, now):
    """The moment at which that many had answered."""
    if count <= 0:
        return now
    return moments[count - 1]


def lease_of(settings, master):
    """R-3: (T_self, K).  MGT_LINK_LOSS_TOLERANCE is a lower bound on a master."""
    patience = settings.xapi_count * settings.xapi_delay
    if master:
        patience = max(patience, settings.mgt_link_loss_tolerance)
    return patience, max(2 * settings.xe_timeout, LEAST_STOP)


def feed_time(grace):
    """Seconds for which the kernel's watchdog waits: when the stop begins it is
    fed no more, and must have ended the host within K."""
    return max(1, grace * 3 // 4)


def unwatched(patience, grace):
    """For how many seconds a watcher that takes up a promise has lost its half, if it
    was lost as the one before died: for as long as nobody fed the watchdog.  But a stop
    before the first look would be one for nothing: that look may take what the number
    leaves, once that time and that of the stop are off, and FIRST_LOOK seconds of GUARD."""
    left = patience - feed_time(grace)
    if left < FIRST_LOOK:
        left = min(FIRST_LOOK, FIRST_LOOK + patience + grace - 2 * feed_time(grace))
    return patience - left


def promise_objection(settings, enabled, dom0, master):
    """R-3: why this host's VMs need no promise, as far as the pool says."""
    if enabled != 'true':
        return 'HA is off'
    if not settings.fence_enabled:
        return 'FENCE_ENABLED=0'
    if not settings.fence_ha_onfail and not [
            name for name in settings.fence_method
            if name == 'POOL' or not can_prove(settings, name, dom0)]:
        return 'every fence method proves that the power is off'
    if master and not settings.promote_slave:
        return 'PROMOTE_SLAVE=0'


def destroy_argv(number):
    return ['xl', 'destroy', number]


###############################################################################
# Watcher: who answers, second by second ######################################
###############################################################################
# The parent of every round.  It never calls xe and never waits.

CALM, ALERT = 2.0, 1.0      # seconds between two looks: all answer, somebody does not
LONG_GONE = 180             # ... for less than that: it is taken over, or comes back
AWAY = 10                   # a pause of the watcher itself after which silence starts anew
RENEWED = 3 * CALM          # R-3: a lease older than that, when silence begins, is none
ORDER_UNIT = 10             # seconds: the age of an order is told in these, rounded up
ORDERS = STATE + 'orders'


class Peer(object):
    """One member, as this host sees it.  Failing until it has answered once."""

    def __init__(self, now, address):
        self.address, self.since, self.answered = address, now, 0
        self.failing, self.silent, self.seen = True, False, False
        self.back = NEVER               # when it answered again after a silence
        self.left = False               # it fell silent in maintenance: note_leave()
        self.votes, self.gone = True, NEVER     # may it vote; alive_at when it had left
        self.promoted = False           # by its own word: a master since its promotion
        self.alive_at = NEVER           # the youngest answer to any reachable member
        self.elsewhere = 0              # when a packet came from another address than its own
        self.last = 0                   # ... or when this host began to listen
        self.unsure = False             # a reachable member has no opinion on it
        self.report, self.heard, self.nonce = None, NEVER, ''
        self.told = None, ''            # what this host told of it last, and as text
        self.number = ('', 0, 0)        # boot, number, part of the latest packet
        self.lease, self.tie, self.leased = None, False, NEVER
        self.promised = None, False, NEVER      # the same by its own word alone
        self.domains, self.listed, self.pieces = None, NEVER, {}

    def answers(self, now):
        if self.silent:
            self.back = now
        self.answered = self.since = now
        self.seen, self.failing, self.silent, self.left = True, False, False, False

    def knows(self, now):
        """Is what it reported last still worth something?"""
        return now - self.heard <= RENEWED

    def opinion(self, now):
        """opinion_text() of what this host tells of it; mostly that of before."""
        facts = opinion(self, now)
        if facts != self.told[0]:
            self.told = facts, opinion_text(facts)
        return self.told[1]

    def changes(self, now):
        """What a round would decide by: see text().  The moment of an answer
        does not count while answers come; that of a promise, which others go on
        telling us, only as far as it was one when the silence began."""
        moments = None
        if self.failing:
            # Hearsay of whole seconds ago is a little later with each tick: no reason to
            # write.  When the silence counts, that is a change of its own.
            moments = (int(self.answered), int(self.last), int(self.alive_at),
                       self.alive_at - self.leased <= RENEWED)
        return (self.failing, moments, self.silent, self.seen, self.unsure, self.left,
                self.votes, self.promoted, self.back, self.lease, self.tie) + self.word(now)

    def word(self, now):
        """((role, doing, version, boot) or None, domains or None), as it says itself."""
        told, domains = None, None
        if self.knows(now):
            report = self.report
            told = report.role, report.doing, report.version, report.boot
        if now - self.listed <= RENEWED:
            domains = self.domains
        return told, domains

    def text(self, now):
        """That of its WatchRow."""
        told, domains = self.word(now)
        return watch_row_text(self, told or ('', '', '', ''), domains)

    def promises(self, lease, tie, moment):
        """It says so itself.  Only that is passed on: of hearsay, each would keep
        the other's young for ever, and an old promise outlive its withdrawal."""
        self.promised = lease, bool(tie), moment
        self.take_lease(lease, tie, moment)

    def take_lease(self, lease, tie, moment):
        """The younger word about its promise counts."""
        if moment >= self.leased:
            self.lease, self.tie, self.leased = lease, bool(tie), moment


class Watcher(object):
    """tick() looks once at everybody, tells what it saw, and tends the round;
    it returns the seconds until the next tick."""

    def __init__(self, dom0, dry_run=False, every=None):
        self.dom0, self.dry_run, self.every = dom0, dry_run, every
        self.boot = dom0.read(BOOT_ID, '').strip()
        self.started = self.looked = dom0.now()
        self.peers, self.saved, self.notes_text, self.notes = {}, None, None, {}
        self.heard_heirs = NEVER, ''    # the youngest succession list of another: moment, text
        self.members, self.senders, self.orders, self.orders_text = [], {}, {}, None
        self.ignorant = {}              # those that answer, and whose opinion cannot be had
        self.settings, self.flag, self.pool = None, (0, None), ''
        self.picture, self.signer = None, None
        # A watcher that starts anew goes on above the packets of the one before:
        # nobody sends 16 a second.
        self.number, self.nonce, self.dropped = int(16 * self.started), '', 0
        self.nonces = {}                # that an echo may name -> when it was sent
        self.witnessed, self.confirmed, self.unfit = NEVER, {}, None
        # The first round comes after the first answers: it would know nobody.
        self.round, self.next_round = None, self.started + CALM
        self.memory = ''                # of the last round, if it could not save it
        self.starts, self.reload = 0, False
        self.inspector = Inspector(dom0)
        self.guardian = Guardian(dom0, self.started)
        self.learn()
        self.take_up(read_watch(dom0, self.boot))
        self.take_leave()

    def take_up(self, watch):
        """Go on where a watcher of this boot stopped."""
        if not watch:
            return
        self.started = watch.started
        for uuid, row in watch.peers.items():
            if uuid in self.peers:
                peer = self.peers[uuid]
                peer.seen, peer.answered, peer.last = row.seen, row.answered, row.last
                peer.left, peer.back, peer.alive_at = row.left, row.back, row.alive_at
                peer.votes, peer.gone = row.votes, row.alive_at
                peer.promises(row.lease, row.tie, row.leased)
        self.confirmed = dict(watch.confirmed)
        self.dropped = watch.dropped
        if watch.pool == self.pool:
            self.take_flag(watch.flag)
        self.guardian.take_up(watch, self.looked)

    def take_leave(self):
        """A watcher that starts was away; in maintenance, that is to leave."""
        if self.is_in_maintenance():
            self.guardian.leave(self.looked)

    def is_in_maintenance(self):
        record = self.picture.facts.hosts.get(self.me)
        return bool(record and is_away(record))

    def learn(self):
        """Members and settings, from the picture that the last round left."""
        picture, why = read_picture(self.dom0, self.boot, False, self.picture)
        if why and self.peers:
            return                      # what is known is better than nothing
        self.picture = picture or Picture(facts=Facts(NEVER))
        facts, conf = self.picture.facts, parse_conf(self.dom0.read(CONF, ''))[0]
        self.settings = settings_of(self.picture, self.picture.settings, conf,
                                    self.settings)
        self.me, self.role = own_uuid(self.dom0), own_role(self.dom0)
        self.take_secret(self.dom0.read(SECRET, '').strip())
        self.addresses = dict([(uuid, record['address']) for uuid, record
                               in facts.hosts.items()
                               if uuid != self.me and record['address']])
        for uuid, address in self.addresses.items():
            self.peers.setdefault(uuid, Peer(self.looked, address)).address = address
        for uuid in set(self.peers) - set(self.addresses):
            del self.peers[uuid]
        self.members = sorted(self.peers.items())
        self.senders = dict([(peer.address, peer) for _, peer in self.members])
        self.learn_orders()
        flag = self.picture.flag_number, self.picture.enabled
        if facts.pool != self.pool or flag[0] >= self.flag[0]:
            self.flag, self.pool = flag, facts.pool
        self.guardian.learn(self)

    def note_role(self):
        """A round that promotes this host goes on for minutes after it has."""
        role = own_role(self.dom0)
        if role != self.role:
            self.role = role
            self.guardian.learn(self)

    def take_secret(self, secret):
        if not self.signer or self.signer.secret != to_bytes(secret):
            self.signer = Signer(secret)

    def take_flag(self, flag):
        """R-11: the last switch of HA counts, whoever heard of it."""
        if flag[0] > self.flag[0]:
            self.flag = flag

    def tick(self):
        now = self.dom0.now()
        self.note_role()
        fallen = self.look(now)
        self.inspector.look(now, self.settings.monitor_delay)
        self.guardian.tick(now, self)
        self.tell(now)
        self.save(self.heirs(now))
        self.tend(now, fallen)
        if [peer for peer in self.peers.values()
                if peer.failing and now - peer.since < LONG_GONE]:
            return ALERT
        return CALM

    # -- who answers ----------------------------------------------------------

    def look(self, now):
        """Hear and probe everybody; True if a member has just become silent."""
        if now - self.looked > AWAY:
            # Nobody looked: what the peers did meanwhile is unknown.
            for peer in self.peers.values():
                peer.since = now
        hurried, self.looked = now - self.looked < PROBE_TIMEOUT, now
        self.hear(now)
        witnesses = self.witnesses()
        # Who tells something each second need not be asked as often: one that does not
        # at the next look is asked then, and has answered before it counts as failing.
        answering = self.dom0.probe([
            address for address, peer in sorted(self.senders.items())
            if not (hurried and peer.answered == now)], witnesses)
        if witnesses and not [each for each in witnesses if each not in answering]:
            self.witnessed = now
        for _, peer in self.members:
            if peer.address in answering and peer.answered < now:
                peer.answers(now)
            if peer.report and peer.report.doing == 'maintenance' and not peer.knows(now):
                peer.votes = False      # its daemon may be dead: only its word of now counts
        self.ignorant = dict([(uuid, 1) for uuid, peer in self.members
                              if not peer.failing and not peer.knows(now)])
        fallen = [uuid for uuid, peer in self.members if self.judge(uuid, peer, now)]
        for uuid in fallen:
            self.note_leave(self.peers[uuid])
        self.read_orders(now)
        return bool(fallen)

    def witnesses(self):
        if not self.settings.fence_use_ip_heuristics:
            return []
        return self.settings.fence_heuristics_ips

    def judge(self, uuid, peer, now):
        """True if this peer is silent from now on.  R-1, R-2: it is silent only
        if no reachable member heard it either, from the youngest answer on."""
        if peer.answered == now:
            peer.last = peer.alive_at = now     # nobody can have heard it later
            return False
        peer.alive_at = max(peer.alive_at, peer.answered or NEVER)
        # Hearsay of an answer that is known comes in whole seconds.
        if peer.alive_at > peer.gone + PROBE_TIMEOUT:
            peer.left = False
        last = peer.last = max(peer.alive_at, peer.since)
        if peer.failing:
            peer.unsure = bool(self.ignorant)
        quiet = now - peer.since - PROBE_TIMEOUT
        if quiet >= 0 and not peer.failing:
            peer.failing = True
            self.ignorant.pop(uuid, None)
        patience = self.settings.xapi_count * self.settings.xapi_delay
        was_silent, peer.silent = peer.silent, (
            peer.failing and now - last - PROBE_TIMEOUT >= patience)
        return peer.silent and not was_silent

    def note_leave(self, peer):
        """R-3: it said until it fell silent that it is in maintenance, and the half of the
        pool that this host reaches agrees that it is gone."""
        failing = len([each for _, each in self.members if each.failing])
        if (peer.report and peer.report.doing == 'maintenance' and not peer.unsure
                and peer.heard >= peer.answered - RENEWED
                and failing * 2 <= len(self.members) + 1):
            peer.left, peer.gone = True, peer.alive_at

    # -- datagrams ------------------------------------------------------------

    def hear(self, now):
        """Take in what the others told since the last tick."""
        told, self.nonces = [], dict([(nonce, sent) for nonce, sent in self.nonces.items()
                                      if now - sent <= ECHO])
        for address, packet in self.dom0.heard():
            report, nonce = self.understand(now, address, packet)
            if not report:
                self.dropped += 1
            elif self.take_in(now, self.peers[report.uuid], report, nonce):
                told.append(report)
        # Their own word of this very tick is the younger one.
        for uuid, peer in self.members:
            if peer.leased < now:
                self.take_hearsay(now, peer, opinions_on(uuid, told))

    def understand(self, now, address, packet):
        """(Report, the nonce it echoes) of a packet that is news from a member,
        (None, '') of any other."""
        opened = self.signer.open(packet)
        if not opened:
            return None, ''
        sender, (text, nonce) = self.senders.get(address), opened
        try:
            report = parse_report(text, sender and sender.report)
            peer = self.peers[report.uuid]
        except (KeyError, ValueError):
            return None, ''
        if not self.is_news(peer, report):
            return None, ''
        if peer.address != address:
            # S44: its address has changed, and there was no master to say so.  It hears
            # nobody at its old one, but it lives.
            self.note_number(peer, report)
            peer.elsewhere = peer.alive_at = now
            return None, ''
        return report, nonce

    def is_news(self, peer, report):
        """Never the same packet twice, never an older one of the same boot."""
        boot, number, part = peer.number
        return report.boot != boot or (report.number, report.part) > (number, part)

    def note_number(self, peer, report):
        peer.number = (report.boot, report.number, report.part)

    def take_in(self, now, peer, report, nonce):
        self.note_number(peer, report)
        peer.nonce = report.nonce
        if nonce not in self.nonces:
            return False                # it does not hear us, or it is a replay
        peer.answers(now)
        peer.report, peer.heard, peer.votes = report, now, report.votes
        peer.promoted = report.promoted
        peer.promises(report.lease, report.tie, now)
        self.take_flag((report.flag_number, report.flag or None))
        self.hear_heirs(now, peer, report)
        if report.domains is not None:
            self.take_domains(now, peer, report)
        if report.orders:
            self.obey(now, report)
        return True

    def take_domains(self, now, peer, report):
        """Its list of domains, when the last piece of it has come."""
        if report.part == 0:
            peer.pieces = {}
        peer.pieces[report.part] = report.domains
        if len(peer.pieces) == report.parts:
            peer.listed = now
            if report.parts == 1:
                peer.domains = report.domains
            else:
                peer.domains = sorted(sum(peer.pieces.values(), []))

    def take_hearsay(self, now, peer, opinions):
        """What others know of one who did not tell us now: when they last heard
        it (R-1, R-2), and what it promised.  Most of them say the same."""
        for text in opinions:
            ago, lease, tie, lease_age = parse_opinion(text)
            if ago is not None:
                peer.alive_at = max(peer.alive_at, now - ago)
            if lease_age is not None:
                peer.take_lease(lease, tie, now - lease_age)

    def is_frozen(self):
        """R-7: while all acts rest, nobody counts on promises either."""
        return 'rolling' in self.notes or self.looked < max(
            first_number(self.notes.get('freeze', '')),
            first_number(self.orders.get('freeze', '')))

    def is_off(self, uuid):
        """Did a round of this host prove it?"""
        return 'off.' + uuid in self.notes

    def tell(self, now):
        """One packet to every member (R-1); the list of domains may need more."""
        if not self.signer.secret or not self.me:
            return
        self.number += 1
        self.nonce = self.signer.nonce(self.boot, self.number)
        self.nonces[self.nonce] = now
        domains = self.inspector.domains
        pieces = [None]
        if domains is not None:
            names = sorted(domains)
            pieces = [names[start:start + DOMAINS_A_PACKET] for start in
                      range(0, len(names), DOMAINS_A_PACKET)] or [[]]
        echoes = dict([(peer.address, peer.nonce) for _, peer in self.members])
        report = self.report(now)
        report.parts = len(pieces)
        for part, piece in enumerate(pieces):
            report.part, report.domains = part, piece
            self.dom0.tell(self.signer.seal(report.text(), echoes))

    def report(self, now):
        age, heirs = self.own_heirs(now)
        opinions = [[], []]             # of those that are silent, of the others
        for uuid, peer in self.members:
            opinions[not peer.failing].append('%s %s' % (uuid, peer.opinion(now)))
        return Report(
            uuid=self.me, boot=self.boot, number=self.number, version=VERSION,
            nonce=self.nonce,
            role=':'.join([part for part in self.role if part]), doing=self.doing(),
            votes=self.guardian.votes, promoted='promoted' in self.notes,
            lease=self.guardian.lease, tie=self.guardian.tie, heirs=heirs,
            heirs_age=min(int(age + 0.999), 10 ** 6),
            flag=self.flag[1] or '', flag_number=self.flag[0],
            orders=[(uuid, int((now - moment) // ORDER_UNIT) + 1)
                    for uuid, moment in sorted(self.confirmed.items())],
            opinions=';%s;' % ';'.join(opinions[0] + opinions[1]))

    def doing(self):
        """What the others should know of this host's state."""
        for key, word in (('suspended', 'suspended'), ('promotion', 'promoting')):
            if key in self.notes:
                return word
        if self.guardian.stopped:
            return 'isolated'
        if self.unfit:
            return 'unfit'
        if 'ready' not in self.notes:
            return 'starting'           # a host that boots is disabled, too
        if self.is_in_maintenance():
            return 'maintenance'
        return {True: 'frozen', False: 'idle'}[self.is_frozen()]

    def heirs(self, now):
        """(the succession list in force, its age): A8: the youngest that any member had from
        the database itself.  Nobody passes on what it heard: lists that go round do not age."""
        age, heirs = min(self.own_heirs(now), (now - self.heard_heirs[0], self.heard_heirs[1]))
        return heirs, min(age, 10 ** 6)

    def own_heirs(self, now):
        return now - self.picture.facts.at, ' '.join(self.picture.succession)

    def hear_heirs(self, now, peer, report):
        """Another master than ours has a list of yesterday, or of tomorrow."""
        if report.heirs and (report.role != 'master' or peer.address == self.role[1]):
            self.heard_heirs = max(self.heard_heirs, (now - report.heirs_age, report.heirs))

    # -- orders of the administrator ------------------------------------------

    def learn_orders(self):
        text = self.dom0.read(ORDERS)
        if text != self.orders_text:
            self.orders_text, self.orders = text, orders_in(text, self.boot)

    def read_orders(self, now):
        """R-7: evidence that ha-cfg left here; void when the host answers."""
        self.learn_orders()
        for key, value in self.orders.items():
            uuid = key[len('confirm-dead.'):]
            if key.startswith('confirm-dead.') and uuid in self.peers:
                self.confirm(uuid, first_number(value))
        for uuid in list(self.confirmed):
            peer = self.peers.get(uuid)
            if not peer or not peer.failing or peer.alive_at >= self.confirmed[uuid]:
                del self.confirmed[uuid]

    def obey(self, now, report):
        """Another watcher passes on that a host was confirmed dead.  It may have been cut
        off when that host came back: so it says as well how long ago that was, rather too
        long than too short, and what this host has seen since counts more."""
        patience = self.settings.xapi_count * self.settings.xapi_delay
        for uuid, age in report.orders:
            peer = self.peers.get(uuid)
            if peer and peer.failing and now - peer.last > patience:
                self.confirm(uuid, now - age * ORDER_UNIT)

    def confirm(self, uuid, moment):
        self.confirmed[uuid] = max(moment, self.confirmed.get(uuid, NEVER))

    # -- what the rounds read -------------------------------------------------

    def save(self, heirs):
        """Written only when something changes that a round would decide by."""
        now, heirs, guardian = self.looked, heirs[0].split(), self.guardian.state(self.looked)
        text = self.dom0.read(Notes.path)
        if text != self.notes_text:
            self.notes_text, self.notes = text, dict(from_state(text) or [])
        state = ([(uuid, peer.changes(now)) for uuid, peer in self.members],
                 heirs, sorted(self.confirmed.items()), guardian, self.flag, self.pool,
                 doublings(self.dropped))
        if state == self.saved:
            return
        watch = Watch(boot=self.boot, started=self.started, heirs=heirs, flag=self.flag,
                      confirmed=self.confirmed, pool=self.pool, dropped=self.dropped,
                      guardian=WatchGuardian(**dict(zip(WatchGuardian.order, guardian))))
        # Who cannot keep notes is to be nobody's heir (S21).
        self.unfit = self.dom0.write(WATCH, watch.text_with(
            [(uuid, peer.text(now)) for uuid, peer in self.members]), PRIVATE)
        if not self.unfit:
            self.saved = state

    # -- rounds ---------------------------------------------------------------

    def tend(self, now, fallen):
        """Start a round when it is due, or at once when a member falls silent."""
        if fallen:
            self.next_round = now
        if self.round and self.round.ended():
            self.round, self.memory = None, self.round.memory
            self.learn()
        if now < self.next_round:
            return
        if self.round:
            self.refuse_second(now)
        else:
            self.starts = 0
            self.next_round = now + (self.every or self.settings.monitor_delay)
            self.round = self.dom0.spawn(lambda: run_round(
                self.dom0, self.dry_run, self.settings, self.memory))

    def refuse_second(self, now):
        """Rounds do not overlap.  One that makes progress -- an act ended, or a
        call is within its own deadline -- is never killed (R-12, S42)."""
        self.starts += 1
        self.next_round = now + min(self.settings.monitor_scanrate,
                                    self.every or self.settings.monitor_scanrate)
        if (self.starts >= self.settings.monitor_max_starts
                and self.settings.monitor_killall and now > self.round.promise):
            self.dom0.log('a round hangs: killing it', 'err')
            self.round.kill()

    def keep_promise(self):
        """Cut off, nobody hears that a promise is taken back: then it is kept first.  It
        ends with its stop, or when half of the pool is back."""
        last = self.dom0.now() + self.guardian.patience() + PROMISE_KEPT
        while self.guardian.given() and self.guardian.ok < self.looked < last:
            now = self.dom0.now()
            self.look(now)
            self.inspector.look(now, self.settings.monitor_delay)
            self.guardian.tick(now, self)
            self.dom0.sleep(ALERT)

    def stop(self):
        """End a running round with all its children; then, R-3, first tell that
        this host promises nothing any more, and only then close the watchdog."""
        if self.round:
            self.round.kill()
        self.keep_promise()
        if self.guardian.lease is not None:
            self.guardian.lease = None
            for _ in range(3):
                self.tell(self.dom0.now())
                self.guardian.feed()
                self.dom0.sleep(ALERT)
            # The next one would keep what this one promised, and was not there to look.
            self.guardian.told = []
            self.save(self.heirs(self.dom0.now()))
        self.guardian.stand_down()


def doublings(count):
    """How often 1 was doubled for it: a flood must not be a write to the disk a tick."""
    doubled = 0
    while count >> doubled:
        doubled += 1
    return doubled


def read_order(dom0, boot):
    """orders_in() the file that ha-cfg wrote."""
    return orders_in(dom0.read(ORDERS), boot)


def orders_in(text, boot):
    """{key: value} of what ha-cfg ordered on this host since it booted: what was
    ordered before was ordered of another situation."""
    pairs = dict(from_state(text) or [])
    if pairs.get('boot') == boot:
        return pairs
    return {}


def frozen_here(dom0, boot):
    """Until when `ha-cfg freeze` was said on this host; NEVER: it was not."""
    return first_number(read_order(dom0, boot).get('freeze', ''))


def first_number(text):
    """The number that a text begins with; NEVER if it begins with none."""
    try:
        return float(text.split()[0])
    except (IndexError, ValueError):
        return NEVER


def is_away(record):
    """Disabled by somebody's order, and not because we took it for dead."""
    return record['maintenance'] == '1' or (
        record['enabled'] != 'true' and record['marked'] != 'true')


def opinion(peer, now):
    """What this host tells of another, in whole seconds: an answer is said to
    be younger than it is, a promise older.  Both errors make others wait."""
    ago = lease_age = None
    lease, tie, leased = peer.promised
    if peer.answered or peer.elsewhere:
        ago = int(now - max(peer.answered, peer.elsewhere))
    if leased > NEVER:
        lease_age = int(now - leased + 0.999)
    return ago, lease, tie, lease_age


class Inspector(object):
    """Which domains really run here: `list_domains`, once a round's time."""

    def __init__(self, dom0):
        self.dom0, self.job, self.next = dom0, None, NEVER
        self.domains, self.listed = None, NEVER     # uuid -> domain id

    def look(self, now, every):
        if self.job is None and now >= self.next:
            self.next = now + every
            self.job = self.dom0.begin(['list_domains'], 10)
        if self.job and self.dom0.ended([self.job], 0):
            result, self.job = self.job.result, None
            self.domains, self.listed = None, now
            if result:
                self.domains = parse_domains(result.output)

    def again(self):
        """Ask anew with the next look."""
        self.next = NEVER


def parse_domains(text):
    """`list_domains` -> {uuid: domain id} without dom0: dom0.md 4."""
    found = re.findall(r'(?m)^\s*(\d+) \|\s*([0-9a-f-]{36}) \|', text)
    return dict([(uuid, number) for number, uuid in found if number != '0'])


###############################################################################
# Children: acts that take long, as processes of their own ####################
###############################################################################
# `ha_lizard.py act WORD UUID`, started by a round and bounded by it.  What a
# child prints is the sentence for the journal; its status is the result.

RESETVDIS = '/opt/xensource/sm/resetvdis.py'
UNPROVED, BESIDE, WRONG = 3, 4, 5       # of `act fence`; the last two say more in line 2
VOICE_TIMEOUT = 8       # a master sleeps 5 s over the login that it refuses: xe.md 3


def act(dom0, words):
    """(exit status, sentence) of one act on one host."""
    if words and words[0] in MAIL_ACTS:
        return MAIL_ACTS[words[0]](dom0, words[1:])
    site = Site(dom0)
    acts = {'fence': act_fence, 'fence-deaf': act_fence_deaf, 'power-on': act_power_on,
            'unlock': act_unlock, 'devices': act_devices}
    if len(words) != 2 or words[0] not in acts or words[1] not in site.facts.hosts:
        return 2, 'act: %s, and the uuid of a member' % ', '.join(sorted(acts))
    site.look()
    return acts[words[0]](site, words[1])


def act_fence(site, uuid):
    return fence(site, uuid, life_objection)


def act_fence_deaf(site, uuid):
    return fence(site, uuid, voice_objection)


def fence(site, uuid, objection):
    host, company = site.host(uuid), company_of(site, uuid)
    verdict = prove_off(site.dom0, site.settings, host,
                        lambda: objection(site, host),
                        lambda: sign_of_life(site, host),
                        site.notes.about('barred.' + uuid))
    if verdict.result == 'wrong':
        return WRONG, '%s\n%s' % (verdict.why, verdict.method)
    if verdict.result == 'off':
        alive = site.dom0.answering(company.values(), PROBE_TIMEOUT)
        fallen = [each for each in sorted(company) if company[each] not in alive]
        if fallen:
            return BESIDE, '%s\n%s' % (verdict.why, ' '.join(fallen))
    return {'off': 0, 'unproved': UNPROVED}.get(verdict.result, 1), verdict.why


def company_of(site, uuid):
    """{uuid: address} of the other members that answer."""
    return dict([(each, site.facts.hosts[each]['address'])
                 for each, row in site.watch.peers.items()
                 if each != uuid and not row.failing and each in site.facts.hosts])


def life_objection(site, host):
    """A13: right before the power goes, look once more."""
    watch = read_watch(site.dom0, site.boot)
    if not watch or not watch.peers.get(host.uuid, WatchRow()).silent:
        return '%s answers again' % host
    if site.dom0.answering([host.address], LAST_LOOK):
        return '%s answers again' % host


def voice_objection(site, host):
    """A13 for a master that lives while its xapi does not: R-6."""
    if site.dom0.roles([host.address], VOICE_TIMEOUT):
        return 'xapi of %s answers again' % host


def sign_of_life(site, host):
    """R-9: what reads off does not answer."""
    if site.dom0.answering([host.address], LAST_LOOK):
        return '%s answers' % host


def act_devices(site, uuid):
    if uuid == site.me:
        said = [('identity', 'unknown', why) for why in identity_objections(
            site.dom0, site.settings, site.host(uuid))[:1]]
    else:
        said = devices_say(site.dom0, site.settings, site.host(uuid))
    return 0, '\n'.join([pack(row) for row in said])


def act_power_on(site, uuid):
    why = power_on(site.dom0, site.settings, site.host(uuid))
    return int(bool(why)), why or 'switched on'


def act_unlock(site, uuid):
    """Clear the keys that a dead host left on the disks of its SRs: xe.md 8 e."""
    srs, why = dead_hosts_srs(site.dom0, site.settings, uuid)
    if why:
        return 1, why
    jobs = [site.dom0.begin([real_path(RESETVDIS), 'all', uuid, sr], LONG_XE)
            for sr in sorted(set(srs))]
    wait_for_all(site.dom0, jobs)
    failed = [why_failed(job.result) for job in jobs if not job.result]
    return int(bool(failed)), '; '.join(failed) or '%d SRs' % len(jobs)


###############################################################################
# Daemon: start, stop, run ####################################################
###############################################################################

USAGE = """\
usage: ha_lizard.py start | stop | status | run [--every SECONDS] | once
       with --dry-run: say what would be done, and do nothing"""
#: This file, also after a change of directory.
OWN_PATH = os.path.abspath(__file__)
PID_FILE = '/var/run/ha-lizard.pid'
LAST_ROUND = '/etc/ha-lizard/state/pool'        # every round replaces it
STOP_PATIENCE = 10              # seconds that a daemon has to end by itself
START_PATIENCE = 20             # seconds until it must say that it runs
AFTER_BUG = 1.0                 # seconds until the next tick
BUG_PAUSE = 60            # seconds between two lines on the same bug
MOST_BUGS = 50            # more different ones are not remembered


def main(argv):
    """The command line: an exit status."""
    words = [word for word in argv if word != '--dry-run']
    dry_run, every = len(words) < len(argv), None
    if words in (['-h'], ['--help']):
        say(USAGE)
        return 0
    if len(words) == 3 and words[:2] == ['run', '--every']:
        every = positive(words.pop())
        words = ['run'] * bool(every)
    if words[:1] == ['act']:
        return with_dom0(act_command, words[1:])
    if words[:1] == ['talk']:               # a child of fencing; its script is on stdin
        return talk_command()
    if len(words) != 1 or words[0] not in COMMANDS:
        complain(USAGE)
        return 2
    return with_dom0(COMMANDS[words[0]], dry_run, every)


def positive(text):
    """The number of seconds in `text`, None if it is not one."""
    try:
        number = float(text)
    except ValueError:
        return None
    if 0 < number < 10 ** 6:
        return number


def with_dom0(command, *args):
    # A pipe that gets the number of a closed standard stream would be lost.
    for fd in 0, 1, 2:
        if not is_open(fd):
            os.open(os.devnull, os.O_RDWR)
    try:
        dom0 = Dom0()
    except ValueError:
        complain(str(caught()))
        return 2
    try:
        return command(dom0, *args)
    finally:
        dom0.close()


# -- the commands -------------------------------------------------------------

def start(dom0, dry_run, every):
    """Start the daemon; return when it says that it runs, or why not."""
    pid = PidFile(dom0).holder()
    if pid:
        say('ha-lizard runs already, pid %s' % pid)
        return 0
    told = in_background(dom0, lambda report: serve(dom0, dry_run, every, report))
    if not told:
        complain('ha-lizard did not start: see the log')
        return 1
    status, text = told.split(' ', 1)
    # Another start that was quicker is as good.
    return tell(int(status) * (not PidFile(dom0).holder()), text)


def run_in_foreground(dom0, dry_run, every):
    """Be the daemon until a signal ends it."""
    told = []

    def report(status, text):
        told.append(tell(status, text))
    serve(dom0, dry_run, every, report)
    return max(told)


def tell(status, text):
    """Say it where it belongs; the exit status."""
    if status:
        complain(text)
    else:
        say(text)
    return status


def once(dom0, dry_run, every):
    """One round, in the foreground."""
    pid = PidFile(dom0).holder()
    if pid and not dry_run:
        return tell(1, 'ha-lizard runs, pid %s: a second round beside it could '
                    'act twice; try --dry-run' % pid)
    try:
        run_round(dom0, dry_run=dry_run)
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception:
        dom0.log(traceback.format_exc(), 'err')
        return tell(1, traceback.format_exc())
    return 0


def act_command(dom0, words):
    """What a round has a child do: the sentence, then the exit status."""
    status, sentence = act(dom0, words)
    say(sentence)
    return status


def status(dom0, dry_run, every):
    """As LSB wants it: 0 it runs, 1 dead with a pid file, 3 it does not run."""
    pid_file = PidFile(dom0)
    pid = pid_file.holder()
    if pid:
        say('ha-lizard %s runs, pid %s; pool.conf says %s; %s%s' % (
            VERSION, pid, role_on_disk(dom0), age_of_round(dom0), bad_datagrams(dom0)))
        return 0
    if os.path.exists(pid_file.path):
        say('ha-lizard is dead: only its pid file is left')
        return 1
    say('ha-lizard does not run')
    return 3


def role_on_disk(dom0):
    text = dom0.read('/etc/xensource/pool.conf', '').strip()
    return printable(text, 80) or 'nothing'


def age_of_round(dom0):
    try:
        written = os.stat(dom0.path(LAST_ROUND)).st_mtime
    except EnvironmentError:
        return 'no round has ended yet'
    return 'the last round ended %d s ago' % max(0, dom0.wall() - written)


def bad_datagrams(dom0):
    """R-1: what came to our port and was not believed; '' if nothing did."""
    watch = read_watch(dom0, dom0.read(BOOT_ID, '').strip())
    if not watch or not watch.dropped:
        return ''
    return ('; %d or more datagrams dropped since the boot: unsigned, damaged, too large, '
            'repeated or from no member' % watch.dropped)


def stop(dom0, dry_run, every):
    """End the daemon and its round; 0 also when nothing ran."""
    pid_file = PidFile(dom0)
    pid = pid_file.holder()
    if dry_run and pid:
        return tell(0, 'would stop ha-lizard, pid %s' % pid)
    if not pid:
        pid_file.clear()
        return tell(0, 'ha-lizard does not run')
    try:
        os.kill(pid, signal.SIGTERM)
    except EnvironmentError:
        return tell(1, 'cannot stop ha-lizard, pid %s: %s' % (pid, reason(caught())))
    if not pid_file.free_within(pid, STOP_PATIENCE + promised(dom0)):
        dom0.log('the daemon does not end by itself: killing it', 'err')
        kill_family(pid)
        if not pid_file.free_within(pid, 2):
            return tell(1, 'ha-lizard cannot be killed, pid %s' % pid)
        pid_file.clear()
    return tell(0, 'ha-lizard is stopped')


def promised(dom0):
    """Seconds for which a daemon that is cut off goes on, to keep its promise (R-3)."""
    watch = read_watch(dom0, dom0.read(BOOT_ID, '').strip())
    if watch and watch.guardian.ok > NEVER and watch.guardian.lease is not None:
        return watch.guardian.lease + PROMISE_KEPT
    return 0


COMMANDS = {'start': start, 'stop': stop, 'status': status, 'once': once,
            'run': run_in_foreground}


# -- the pid file -------------------------------------------------------------

class PidFile(object):
    """Who is the daemon: the process that holds the lock on this file.

    The kernel takes the lock back when that process is gone, so a stale file
    is harmless and a number that now belongs to another program is not read.
    """

    def __init__(self, dom0):
        self.path, self.fd = dom0.path(PID_FILE), None

    def take(self):
        """Hold it until release() or our end: None, or why not."""
        try:
            why = folder_objection(self.path)
            # `status` holds the lock for an instant.
            for _ in range(20):
                if why or self.lock():
                    break
                time.sleep(0.02)
        except EnvironmentError:
            why = '%s: %s' % (self.path, reason(caught()))
        if self.fd is None:
            return why or 'ha-lizard runs already, pid %s' % self.holder()
        os.chmod(self.path, PUBLIC)
        os.ftruncate(self.fd, 0)
        write_all(self.fd, to_bytes('%d\n' % os.getpid()))

    def lock(self):
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, PUBLIC)
        # A file that was removed meanwhile is nobody's proof.
        if flock(fd, 'LOCK_EX') and is_same_file(fd, self.path):
            self.fd = fd
            return True
        os.close(fd)

    def holder(self):
        """The pid of the running daemon, or None."""
        for _ in range(20):
            if not self.is_locked():
                return None
            words = read_file(self.path, '').split()
            if words and words[0].isdigit() and int(words[0]) > 0:
                return int(words[0])
            time.sleep(0.02)                    # it is about to write its pid

    def is_locked(self):
        try:
            fd = os.open(self.path, os.O_RDONLY)
        except EnvironmentError:
            return False
        try:
            return not flock(fd, 'LOCK_SH')
        finally:
            os.close(fd)

    def free_within(self, pid, seconds):
        """Whether `pid` lets go of it in that time."""
        end = clock() + seconds
        while self.holder() == pid:
            if clock() > end:
                return False
            time.sleep(0.05)
        return True

    def clear(self):
        """Remove a stale file, but never that of a daemon just started."""
        if os.path.exists(self.path) and self.lock():
            self.release()

    def release(self):
        remove_file(self.path)
        os.close(self.fd)


def flock(fd, kind):
    """Whether the lock can be had, now."""
    import fcntl
    try:
        steadily(fcntl.flock, fd, getattr(fcntl, kind) | fcntl.LOCK_NB)
        return True
    except EnvironmentError:
        if caught().errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False


def is_same_file(fd, path):
    try:
        here, there = os.fstat(fd), os.stat(path)
    except EnvironmentError:
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


# -- to the background --------------------------------------------------------

def in_background(dom0, work):
    """Run work(report) in a daemon; the text of its first report, '' if it
    ended without one or does not come to it."""
    ours, theirs = os.pipe()
    unblock(ours)
    flush()
    child = os.fork()
    if child == 0:
        detach(dom0, work, theirs)
    os.close(theirs)
    told, end = to_bytes(''), clock() + START_PATIENCE
    while clock() < end:
        try:
            data = steadily(os.read, ours, 4096)
            if not data:
                break
            told += data
        except EnvironmentError:                # nothing yet
            time.sleep(0.01)
    os.close(ours)
    reap(child)
    return to_text(told)


def detach(dom0, work, pipe):
    """In a new process: leave the terminal and its session.  Never returns."""
    try:
        try:
            os.setsid()
            # Who does not lead a session never gets a terminal again.
            if os.fork():
                os._exit(0)
            os.chdir('/')
            restore_signals(signal.SIG_IGN)
            let_go([pipe])
            work(lambda status, text: report_once(pipe, status, text))
        except SystemExit:
            pass
        except:                         # nobody else is there to be told
            dom0.log(traceback.format_exc(), 'err')
    finally:
        os._exit(0)


def report_once(pipe, status, text):
    """Tell the parent how it went; from now on nobody hears or sees us."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in 0, 1, 2:
        os.dup2(nothing, fd)
    os.close(nothing)
    write_all(pipe, to_bytes('%d %s' % (status, text)))
    os.close(pipe)


# -- the daemon ---------------------------------------------------------------

class Wanted(object):
    """What signals ask for.  Their handler does nothing but note it."""

    def __init__(self):
        self.stop = self.reload = False

    def listen(self):
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
            signal.signal(number, self.note)

    def note(self, number, frame):
        if number == signal.SIGHUP:
            self.reload = True
        else:
            self.stop = True


def serve(dom0, dry_run, every, report):
    """Be the daemon of this host until a signal ends it."""
    os.umask(int('77', 8))
    pid_file, wanted = PidFile(dom0), Wanted()
    objection = pid_file.take()
    if objection:
        return report(1, objection)
    try:
        wanted.listen()
        watcher = Watcher(dom0, dry_run=dry_run, every=every)
        dom0.log('ha-lizard %s starts, pid %d%s' % (
            VERSION, os.getpid(), ' (dry run)' * dry_run))
        report(0, 'ha-lizard %s runs, pid %d' % (VERSION, os.getpid()))
        try:
            watch(dom0, watcher, wanted)
        finally:
            watcher.stop()
            dom0.log('ha-lizard stops, pid %d' % os.getpid())
    finally:
        pid_file.release()


def watch(dom0, watcher, wanted):
    """Tick after tick, whatever happens in one."""
    complaints = Complaints(dom0)
    while not wanted.stop:
        if wanted.reload:
            wanted.reload, watcher.reload = False, True
        doze(dom0, tick(watcher, complaints), wanted)


def tick(watcher, complaints):
    """One tick: the seconds until the next.  HA survives its own bugs."""
    try:
        return float(watcher.tick())
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception:
        complaints.add(traceback.format_exc())
        return AFTER_BUG


def doze(dom0, seconds, wanted):
    """Sleep, but not through a wish to stop."""
    end = dom0.now() + seconds
    while seconds > 0 and not wanted.stop:
        dom0.sleep(min(seconds, 0.5))
        seconds = end - dom0.now()


class Complaints(object):
    """The bugs met so far: each is logged at once, then once a minute."""

    def __init__(self, dom0):
        self.dom0, self.told = dom0, {}         # text: (when logged, times since)

    def add(self, text):
        now = self.dom0.now()
        logged, times = self.told.get(text, (None, 0))
        if logged is not None and now - logged < BUG_PAUSE:
            self.told[text] = logged, times + 1
            return
        if len(self.told) >= MOST_BUGS:
            self.told.clear()
        self.told[text] = now, 0
        self.dom0.log('a bug, and it goes on; %d times more since it was last '
                      'logged:\n%s' % (times, text), 'err')


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
