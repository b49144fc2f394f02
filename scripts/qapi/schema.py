"""Turns expressions into a checked schema: the first pass, one entity an expression.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import re

from .resolve import resolve
from .source import SchemaError
from .types import Alternate, BUILTINS, Command, Enum, Event, Member, Object

NAME = re.compile(r"^(x-|__[a-z0-9.-]+_)?[a-zA-Z][a-zA-Z0-9_.-]*$")
TYPE_NAME = re.compile(r"^[A-Z][A-Za-z0-9]*$")
EVENT_NAME = re.compile(r"^[A-Z][A-Z0-9_]*$")

# meta-key -> (required keys, optional keys)
KEYS = {
    'enum': ({'data'}, {'prefix', 'header', 'features', 'if'}),
    'struct': ({'data'}, {'base', 'features', 'if'}),
    'union': ({'base', 'discriminator', 'data'}, {'features', 'if'}),
    'alternate': ({'data'}, {'features', 'if'}),
    'command': (set(), {'data', 'returns', 'boxed', 'gen', 'allow-oob', 'allow-preconfig',
                        'coroutine', 'success-response', 'features', 'if'}),
    'event': (set(), {'data', 'boxed', 'features', 'if'}),
}


class Schema:
    """entities: in the order of the files, arrays and implicit types just before their first user.

    defines holds the names that an 'if' may test; what is conditional on another is left out.
    """

    def __init__(self, exprs, defines=()):
        self.defines = set(defines)
        self.types = {b.name: b for b in BUILTINS}
        self.definitions = []
        self.commands = []
        self.events = []
        self.texts = []
        self.pending = {}
        self.dropped = {}   # owner -> names of members that an 'if' has left out
        self.names = set(self.types)
        for expr in exprs:
            self.define(expr)
        resolve(self)

    # -- conditions ------------------------------------------------------------------------------

    def holds(self, cond, where):
        if cond is None:
            return True
        if isinstance(cond, str):
            return cond in self.defines
        if isinstance(cond, dict) and len(cond) == 1:
            (key, sub), = cond.items()
            if key == 'not':
                return not self.holds(sub, where)
            if key in ('all', 'any') and isinstance(sub, list) and sub:
                results = [self.holds(s, where) for s in sub]
                return all(results) if key == 'all' else any(results)
        raise SchemaError(where, "'if' is a name, or one of 'not', 'all', 'any' over such")

    # -- definitions ------------------------------------------------------------------------------

    def define(self, expr):
        if expr.value is None:
            self.texts.append(expr)
            self.definitions.append(expr)
            return
        if 'pragma' in expr.value:
            self.pragma(expr)
            return
        metas = [m for m in KEYS if m in expr.value]
        if len(metas) != 1:
            raise SchemaError(expr.where, "a definition has just one of the keys "
                              + ', '.join(f"'{m}'" for m in KEYS) + ", 'include', 'pragma'")
        meta = metas[0]
        name = expr.value[meta]
        self.check_keys(expr, meta)
        self.check_name(expr, meta, name)
        if not self.holds(expr.value.get('if'), expr.where):
            return
        entity = getattr(self, 'define_' + meta)(expr, name)
        entity.features = self.features_of(expr.value, expr.where)
        self.definitions.append(entity)
        if isinstance(entity, Command):
            self.commands.append(entity)
        elif isinstance(entity, Event):
            self.events.append(entity)
        else:
            self.types[name] = entity

    def pragma(self, expr):
        value = expr.value['pragma']
        if not isinstance(value, dict) or set(value) != {'pending-commands'}:
            raise SchemaError(expr.where, "the only pragma is 'pending-commands'")
        for name in value['pending-commands']:
            self.pending[name] = expr.where

    def check_keys(self, expr, meta):
        required, optional = KEYS[meta]
        for key in expr.value:
            if key != meta and key not in required and key not in optional:
                raise SchemaError(expr.where, f"{meta} has unknown key '{key}'")
        for key in sorted(required):
            if key not in expr.value:
                raise SchemaError(expr.where, f"{meta} lacks key '{key}'")

    def check_name(self, expr, meta, name):
        pattern = {'command': NAME, 'event': EVENT_NAME}.get(meta, TYPE_NAME)
        if not isinstance(name, str) or not pattern.match(name):
            rule = {'command': "letters, digits, '-', '_'", 'event': "UPPER_CASE"}
            raise SchemaError(expr.where, f"the name of this {meta} is written in "
                              f"{rule.get(meta, 'CamelCase')}, not '{name}'")
        if name.endswith('List') and meta not in ('command', 'event'):
            raise SchemaError(expr.where, f"'{name}': names ending in 'List' belong to arrays")
        if name in self.names:
            raise SchemaError(expr.where, f"'{name}' is already defined")
        self.names.add(name)
        if expr.doc is None:
            raise SchemaError(expr.where, f"{meta} '{name}' has no documentation block")

    def features_of(self, value, where):
        result = []
        features = value.get('features', [])
        if not isinstance(features, list):
            raise SchemaError(where, "'features' is a list")
        for feature in features:
            if isinstance(feature, str):
                feature = {'name': feature}
            if not isinstance(feature, dict) or not set(feature) <= {'name', 'if'} \
                    or not isinstance(feature.get('name'), str):
                raise SchemaError(where, "a feature is a name, or an object with 'name' and 'if'")
            if self.holds(feature.get('if'), where):
                result.append(feature['name'])
        return result

    def members_of(self, data, where, owner):
        """A dictionary of members: {'a': 'type', '*b': {'type': ..., 'if': ..., 'features': ...}}"""
        if not isinstance(data, dict):
            raise SchemaError(where, f"'{owner}': members are an object")
        members = []
        for key, value in data.items():
            optional = key.startswith('*')
            name = key[1:] if optional else key
            if not NAME.match(name) or name not in (name.lower(), name.upper()):
                raise SchemaError(where, f"'{owner}': bad member name '{key}'")
            if name.startswith(('has-', 'has_')) or name == 'u':
                raise SchemaError(where, f"'{owner}': member name '{key}' is reserved")
            if not isinstance(value, dict):
                value = {'type': value}
            if not set(value) <= {'type', 'if', 'features'} or 'type' not in value:
                raise SchemaError(where, f"'{owner}': member '{name}' has 'type' and perhaps "
                                  "'if' and 'features'")
            if self.holds(value.get('if'), where):
                members.append(Member(name, value['type'], optional,
                                      self.features_of(value, where)))
            else:
                self.dropped.setdefault(owner, set()).add(name)
        return members

    def define_enum(self, expr, name):
        values = []
        if not isinstance(expr.value['data'], list):
            raise SchemaError(expr.where, f"'{name}': values are a list")
        for value in expr.value['data']:
            if isinstance(value, str):
                value = {'name': value}
            if not isinstance(value, dict) or not set(value) <= {'name', 'if', 'features'} \
                    or not isinstance(value.get('name'), str):
                raise SchemaError(expr.where, f"'{name}': a value is a name, or an object with "
                                  "'name' and perhaps 'if' and 'features'")
            if not re.match(r'^[a-zA-Z0-9][a-zA-Z0-9_.-]*$', value['name']):
                raise SchemaError(expr.where, f"'{name}': bad value name '{value['name']}'")
            if any(v.name == value['name'] for v in values):
                raise SchemaError(expr.where, f"'{name}': value '{value['name']}' stands twice")
            if self.holds(value.get('if'), expr.where):
                values.append(Member(value['name'], features=self.features_of(value, expr.where)))
            else:
                self.dropped.setdefault(name, set()).add(value['name'])
        enum = Enum(name, values, expr.value.get('prefix'), where=expr.where, doc=expr.doc,
                    module=expr.module)
        enum.header = expr.value.get('header')
        return enum

    def object(self, expr, name, members):
        return Object(name, members, where=expr.where, doc=expr.doc, module=expr.module)

    def define_struct(self, expr, name):
        result = self.object(expr, name, self.members_of(expr.value['data'], expr.where, name))
        result.base_name = expr.value.get('base')
        return result

    def define_union(self, expr, name):
        result = self.object(expr, name, [])
        base = expr.value['base']
        if isinstance(base, dict):
            result.members = self.members_of(base, expr.where, name)
        else:
            result.base_name = base
        result.tag = expr.value['discriminator']
        for member in self.members_of(expr.value['data'], expr.where, name):
            result.branch_names[member.name] = member.type_name
        return result

    def define_alternate(self, expr, name):
        branches = self.members_of(expr.value['data'], expr.where, name)
        return Alternate(name, branches, where=expr.where, doc=expr.doc, module=expr.module)

    def define_command(self, expr, name):
        result = Command(name, where=expr.where, doc=expr.doc, module=expr.module)
        for key in ('boxed', 'gen', 'allow-oob', 'allow-preconfig', 'coroutine',
                    'success-response'):
            if not isinstance(expr.value.get(key, True), bool):
                raise SchemaError(expr.where, f"'{name}': '{key}' is true or false")
        result.gen = expr.value.get('gen', True)
        result.allow_oob = expr.value.get('allow-oob', False)
        result.allow_preconfig = expr.value.get('allow-preconfig', False)
        result.data = expr.value.get('data')
        result.boxed = expr.value.get('boxed', False)
        result.returns = expr.value.get('returns')
        return result

    def define_event(self, expr, name):
        result = Event(name, where=expr.where, doc=expr.doc, module=expr.module)
        result.data = expr.value.get('data')
        result.boxed = expr.value.get('boxed', False)
        return result
