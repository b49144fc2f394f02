"""Writes the reference manual (Markdown) from the documentation blocks.

SPDX-License-Identifier: GPL-2.0-or-later
"""

from .doc import plain, verbatim
from .types import Alternate, Array, Command, Enum, Event, Object


def manual(schema):
    out = ['# QMP reference', '',
           'Generated from `qapi/*.json`. Every command, event and type that the monitor speaks.',
           'An optional member is marked with *(optional)*.', '']
    used = {}
    for item in schema.definitions:
        if getattr(item, 'value', item) is None:
            out += [plain(item.doc.body), '']
        elif not getattr(item, 'implicit', False) and not getattr(item, 'pending', False):
            out += entity(item)
            used[item.name] = item
    out += ['## Index', '']
    for meta in (Command, Event):
        names = sorted(n for n, e in used.items() if isinstance(e, meta))
        out.append(f'{meta.__name__}s: ' + ', '.join(f'[`{n}`](#{anchor(n)})' for n in names))
        out.append('')
    return '\n'.join(out)


def anchor(name):
    return name.lower()


def type_text(kind):
    if isinstance(kind, Array):
        return f'list of {type_text(kind.element)}'
    if kind.where is None:
        return f'`{kind.name}`'
    return f'[`{kind.name}`](#{anchor(kind.name)})'


def entity(item):
    title = {'object': 'struct'}.get(item.meta, item.meta)
    if isinstance(item, Object) and item.tag:
        title = 'union'
    out = [f'### {item.name}', '', f'*{title}*', '', plain(item.doc.body), '']
    out += members(item)
    if isinstance(item, Command) and item.ret:
        out += [f'Result: {type_text(item.ret)}', '']
    out += features(item)
    for name, lines in item.doc.sections:
        if name == 'Example':
            out += ['Example:', '', '```', verbatim(lines), '```', '']
        else:
            out += [f'{name}: {plain(lines)}', '']
    return out


def row(item, name, suffix):
    return f'- `{name}`{suffix}: {plain(item.doc.members[name])}'


def members(item):
    out = []
    if isinstance(item, Enum):
        out = [row(item, v.name, '') for v in item.values]
    elif isinstance(item, Alternate):
        out = [row(item, b.name, f' ({type_text(b.type)})') for b in item.branches]
    else:
        own = item.members if isinstance(item, Object) else []
        arg = getattr(item, 'arg', None)
        if arg is not None and arg.implicit:
            own = arg.members
        elif arg is not None:
            out.append(f'- the members of {type_text(arg)}')
        if getattr(item, 'base', None):
            out.append(f'- the members of {type_text(item.base)}')
        for member in own:
            optional = ', *optional*' if member.optional else ''
            out.append(row(item, member.name, f' ({type_text(member.type)}{optional})'))
        for value, branch in getattr(item, 'branches', {}).items():
            out.append(f'- with `{item.tag}` = `{value}`: the members of {type_text(branch)}')
    return out + [''] if out else []


def features(item):
    if not item.features:
        return []
    out = ['Features:', '']
    out += [f'- `{f}`: {plain(item.doc.features[f])}' for f in item.features]
    return out + ['']
