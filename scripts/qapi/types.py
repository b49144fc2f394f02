"""The entities of a checked schema: types, commands, events.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import re


def c_name(name):
    """A member's name in C."""
    name = re.sub(r'[^A-Za-z0-9_]', '_', name)
    if name in C_WORDS or name[0].isdigit():
        return 'q_' + name
    return name


def c_enum_const(prefix, value):
    """ShutdownCause, host-qmp-quit -> SHUTDOWN_CAUSE_HOST_QMP_QUIT."""
    return prefix + '_' + re.sub(r'[^A-Za-z0-9]', '_', value).upper()


def upper_from_camel(name):
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    name = re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name)
    return name.upper()


def camel_from_name(name):
    """query-block, device_add, BLOCK_IO_ERROR -> QueryBlock, DeviceAdd, BlockIoError."""
    words = [w for w in re.split(r'[^A-Za-z0-9]+', name) if w]
    return ''.join(w[0].upper() + (w[1:].lower() if w.isupper() else w[1:]) for w in words)


C_WORDS = set('''
    auto break case char const continue default do double else enum extern float for goto if inline
    int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while bool true false NULL asm unix linux errno u
'''.split())


class Entity:
    """Anything with a name; `where` is None for builtin and implicit ones."""
    meta = None

    def __init__(self, name, where=None, doc=None, module=None):
        self.name = name
        self.where = where
        self.doc = doc
        self.module = module
        self.features = []


class Type(Entity):
    """A type in C: `c_value` is what a member of it is declared as; `inline` says that the member
    holds the value itself, so that an optional one needs a has_ flag."""
    inline = False
    implicit = False

    def desc(self, prefix):
        """The C expression for the type's descriptor."""
        return f'&{prefix}qapi_type_{self.name}'


class Builtin(Type):
    meta = 'builtin'

    def __init__(self, name, c_value, json_type, inline=True):
        super().__init__(name)
        self.c_value = c_value
        self.json_type = json_type
        self.inline = inline

    def desc(self, prefix):
        return f'&qapi_type_{self.name}'


class Enum(Type):
    meta = 'enum'
    inline = True

    def __init__(self, name, values, prefix, **where):
        super().__init__(name, **where)
        self.values = values
        self.header = None
        self.prefix = prefix or upper_from_camel(name)
        self.c_value = name

    def const(self, value):
        return c_enum_const(self.prefix, value)


class Member:
    """A member of an object, a branch of an alternate, or a value of an enumeration."""

    def __init__(self, name, type_name=None, optional=False, features=()):
        self.name = name
        self.type_name = type_name
        self.type = None
        self.optional = optional
        self.features = list(features)

    @property
    def c_name(self):
        return c_name(self.name)

    @property
    def has_flag(self):
        """Optional strings and objects are NULL when absent; the rest have a flag.  So have lists,
        for which NULL is the empty list."""
        return self.optional and (self.type.inline or isinstance(self.type, Array))


class Object(Type):
    """A struct, a union or the implicit arguments of a command or an event.

    members        those of the definition itself; all_members adds the base's, which come first
    tag            name of the member that selects the branch, or None
    branches       value of the tag -> Object
    """
    meta = 'object'

    def __init__(self, name, members, **where):
        super().__init__(name, **where)
        self.members = members
        self.base_name = None
        self.base_members = []
        self.base = None
        self.tag = None
        self.branch_names = {}
        self.branches = {}
        self.c_value = f'{name} *'

    @property
    def all_members(self):
        inherited = self.base.all_members if self.base else self.base_members
        return inherited + self.members

    def tag_member(self):
        return next((m for m in self.all_members if m.name == self.tag), None)


class Alternate(Type):
    meta = 'alternate'

    def __init__(self, name, branches, **where):
        super().__init__(name, **where)
        self.branches = branches
        self.c_value = f'{name} *'


class Array(Type):
    meta = 'array'

    def __init__(self, element):
        super().__init__(element.name + 'List')
        self.element = element
        self.c_value = f'{self.name} *'

    def desc(self, prefix):
        if isinstance(self.element, Builtin):
            return f'&qapi_type_{self.name}'
        return super().desc(prefix)


class Command(Entity):
    meta = 'command'

    def __init__(self, name, **where):
        super().__init__(name, **where)
        self.arg = None
        self.ret = None
        self.gen = True
        self.allow_oob = False
        self.allow_preconfig = False
        self.pending = False


class Event(Entity):
    meta = 'event'

    def __init__(self, name, **where):
        super().__init__(name, **where)
        self.arg = None


BUILTINS = [
    Builtin('str', 'char *', 'string', inline=False),
    Builtin('int', 'int64_t ', 'int'),
    Builtin('int8', 'int8_t ', 'int'),
    Builtin('int16', 'int16_t ', 'int'),
    Builtin('int32', 'int32_t ', 'int'),
    Builtin('int64', 'int64_t ', 'int'),
    Builtin('uint8', 'uint8_t ', 'int'),
    Builtin('uint16', 'uint16_t ', 'int'),
    Builtin('uint32', 'uint32_t ', 'int'),
    Builtin('uint64', 'uint64_t ', 'int'),
    Builtin('size', 'uint64_t ', 'int'),
    Builtin('number', 'double ', 'number'),
    Builtin('bool', 'bool ', 'boolean'),
    Builtin('null', 'bool ', 'null'),
    Builtin('any', 'json_t *', 'value', inline=False),
]
