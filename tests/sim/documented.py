"""What README promises of `ha-cfg ACTION --json`: its table, and whether a value
keeps it."""

import os
import re

import base

ROW = re.compile(r'(?m)^    ([a-z-]+)\.(?:(\w+)\[\]\.)?(\w+) +'
                 r'(yes/no|number or null|number|text or null|texts|text)(?:$| )')
NUMBERS = (type(1), type(2 ** 70), type(1.5))


def rows():
    """[(action, name of the list or '', key, type)]"""
    return ROW.findall(base.read(os.path.join(base.ROOT, 'README')))


def is_text(value):
    return isinstance(value, (type(''), type(''.encode('ascii').decode('ascii'))))


def fits(value, kind):
    """Whether a value of JSON has the type that README tells."""
    if kind.endswith(' or null') and value is None:
        return True
    if kind == 'yes/no':
        return value is True or value is False
    if kind.startswith('number'):
        return type(value) in NUMBERS
    if kind == 'texts':
        return isinstance(value, list) and not [each for each in value if not is_text(each)]
    return is_text(value)


def objections(action, value):
    """What in the value that an action printed is not as documented."""
    wrong, known = [], {'': {}}
    for owner, inner, key, kind in rows():
        if owner == action:
            known.setdefault(inner, {})[key] = kind
    records = [('', value)]
    for inner in known:
        if inner:
            known[''][inner] = 'list'
            records += [(inner, record) for record in value.get(inner, [])]
    for inner, record in records:
        if sorted(record) != sorted(known[inner]):
            wrong.append('%s %s: it has %s' % (action, inner, sorted(record)))
        wrong += ['%s %s.%s is %r, not %s' % (action, inner, key, record[key], known[inner][key])
                  for key in sorted(record) if known[inner].get(key, 'list') != 'list'
                  and not fits(record[key], known[inner][key])]
    return wrong
