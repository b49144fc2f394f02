"""Writes the answer to query-qmp-schema: what a client may send and what comes back.

Commands and events go by their names, builtin types too; the names of other types are masked by
numbers, because they are no promise.  Arrays are '[' NAME ']'.  All integer types are shown as 'int'.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json

from .out import banner, guard
from .types import Array, Builtin, Enum, Object


class Introspection:
    def __init__(self, schema):
        self.numbers = {}
        self.queue = []
        self.entries = []
        self.empty = None
        for command in schema.commands:
            if not command.pending:
                self.command(command)
        for event in schema.events:
            self.add(event.name, 'event', {'arg-type': self.arg_name(event.arg)}, event.features)
        while self.queue:
            self.type_entry(self.queue.pop(0))

    def add(self, name, meta, rest, features=()):
        entry = {'name': name, 'meta-type': meta, **rest}
        if features:
            entry['features'] = list(features)
        self.entries.append(entry)

    def command(self, command):
        rest = {'arg-type': self.arg_name(command.arg), 'ret-type': self.arg_name(command.ret)}
        if command.allow_oob:
            rest['allow-oob'] = True
        self.add(command.name, 'command', rest, command.features)

    def arg_name(self, kind):
        if kind is not None:
            return self.name(kind)
        if self.empty is None:
            self.empty = Object('', [])
        return self.name(self.empty)

    def name(self, kind):
        """The shown name of a type; at its first use the type is put in the queue."""
        if isinstance(kind, Builtin):
            shown = 'int' if kind.json_type == 'int' else kind.name
            key = shown
        elif isinstance(kind, Array):
            shown = f'[{self.name(kind.element)}]'
            key = shown
        else:
            key = kind
            shown = self.numbers.get(key) or str(len(self.numbers))
        if key not in self.numbers:
            self.numbers[key] = shown
            self.queue.append((shown, kind))
        return shown

    def type_entry(self, item):
        shown, kind = item
        if isinstance(kind, Builtin):
            self.add(shown, 'builtin', {'json-type': kind.json_type})
        elif isinstance(kind, Array):
            self.add(shown, 'array', {'element-type': self.name(kind.element)})
        elif isinstance(kind, Enum):
            members = [with_features({'name': v.name}, v.features) for v in kind.values]
            self.add(shown, 'enum', {'members': members, 'values': [v.name for v in kind.values]},
                     kind.features)
        elif isinstance(kind, Object):
            self.object_entry(shown, kind)
        else:
            members = [{'type': self.name(b.type)} for b in kind.branches]
            self.add(shown, 'alternate', {'members': members}, kind.features)

    def object_entry(self, shown, obj):
        members = []
        for member in obj.all_members:
            entry = {'name': member.name, 'type': self.name(member.type)}
            if member.optional:
                entry['default'] = None
            members.append(with_features(entry, member.features))
        rest = {'members': members}
        if obj.tag:
            rest['tag'] = obj.tag
            rest['variants'] = []
            for value in obj.tag_member().type.values:
                branch = obj.branches.get(value.name)
                rest['variants'].append({'case': value.name, 'type': self.arg_name(branch)})
        self.add(shown, 'object', rest, obj.features)


def with_features(entry, features):
    if features:
        entry['features'] = list(features)
    return entry


def entries(schema):
    return Introspection(schema).entries


def header(prefix):
    return '\n'.join([
        banner('the answer to query-qmp-schema'), guard(prefix + 'qapi-introspect.h'),
        f'/* A JSON array of SchemaInfo. */\nextern const char {prefix}qmp_schema_json[];\n',
        '#endif\n'])


def source(schema, prefix):
    rows = [json.dumps(e, separators=(',', ':')) for e in entries(schema)]
    text = ',\n'.join(rows)
    lines = ['    "' + line.replace('\\', '\\\\').replace('"', '\\"') + '"'
             for line in text.split('\n')]
    return '\n'.join([
        banner('the answer to query-qmp-schema'), f'#include "qapi/{prefix}qapi-introspect.h"\n',
        f'const char {prefix}qmp_schema_json[] =\n    "["\n' + '\n'.join(lines) + '\n    "]";\n'])
