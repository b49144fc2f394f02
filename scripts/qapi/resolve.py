"""The second pass over a schema: names become types, and everything is checked against the rest.

SPDX-License-Identifier: GPL-2.0-or-later
"""

from .source import SchemaError
from .types import Alternate, Array, Builtin, Command, Enum, Event, Object, camel_from_name


def resolve(schema):
    """Links every entity, then checks every entity; implicit types join schema.definitions."""
    entities = [e for e in schema.definitions if hasattr(e, 'features')]
    for entity in entities:
        link(schema, entity)
    for entity in entities:
        check(entity, schema.dropped.get(entity.name, set()))
    order(schema)
    for name, where in schema.pending.items():
        if not any(c.name == name for c in schema.commands):
            raise SchemaError(where, f"pending command '{name}' is not defined")


def lookup(schema, name, where, owner):
    """The type of that name; ['NAME'] is an array."""
    if isinstance(name, list):
        if len(name) != 1 or not isinstance(name[0], str):
            raise SchemaError(where, f"'{owner}': an array type is ['NAME']")
        element = lookup(schema, name[0], where, owner)
        array = schema.types.get(element.name + 'List')
        if array is None:
            array = schema.types[element.name + 'List'] = Array(element)
        return array
    found = schema.types.get(name) if isinstance(name, str) else None
    if found is None or isinstance(found, Array):
        raise SchemaError(where, f"'{owner}' uses unknown type '{name}'")
    return found


# -- names become types ------------------------------------------------------------------------------

def link(schema, entity):
    if isinstance(entity, Object):
        link_object(schema, entity)
    elif isinstance(entity, Alternate):
        link_members(schema, entity.branches, entity)
    elif isinstance(entity, Command):
        link_arg(schema, entity, 'Args')
        if entity.returns is not None:
            entity.ret = lookup(schema, entity.returns, entity.where, entity.name)
        entity.pending = entity.name in schema.pending
    elif isinstance(entity, Event):
        link_arg(schema, entity, 'Event')


def link_members(schema, members, owner):
    for member in members:
        member.type = lookup(schema, member.type_name, owner.where, owner.name)


def link_object(schema, obj):
    link_members(schema, obj.members, obj)
    if obj.base_name is not None:
        obj.base = lookup(schema, obj.base_name, obj.where, obj.name)
        if not isinstance(obj.base, Object) or obj.base.tag:
            raise SchemaError(obj.where, f"'{obj.name}': base '{obj.base_name}' is no struct")
    for name, type_name in obj.branch_names.items():
        branch = lookup(schema, type_name, obj.where, obj.name)
        if not isinstance(branch, Object) or branch.tag:
            raise SchemaError(obj.where, f"'{obj.name}': branch '{name}' must be a struct")
        obj.branches[name] = branch


def link_arg(schema, entity, suffix):
    """The argument type of a command or event: a named one, or an implicit one made here."""
    if entity.data is None:
        return
    if not isinstance(entity.data, dict):
        entity.arg = lookup(schema, entity.data, entity.where, entity.name)
        if not isinstance(entity.arg, Object):
            raise SchemaError(entity.where, f"'{entity.name}': 'data' must be an object type")
        if entity.arg.tag and not entity.boxed:
            raise SchemaError(entity.where, f"'{entity.name}': a union as 'data' needs 'boxed'")
        return
    members = schema.members_of(entity.data, entity.where, entity.name)
    arg = Object(camel_from_name(entity.name) + suffix, members, where=entity.where,
                 module=entity.module)
    if arg.name in schema.types:
        raise SchemaError(entity.where, f"the arguments of '{entity.name}' would be named "
                          f"'{arg.name}', which is taken")
    arg.implicit = True
    link_members(schema, members, entity)
    schema.types[arg.name] = arg
    schema.definitions.append(arg)
    entity.arg = arg


# -- everything is checked against the rest ----------------------------------------------------------

def check(entity, dropped):
    """dropped: names of members that may be documented although an 'if' has left them out."""
    documented = []
    if isinstance(entity, Enum):
        documented = entity.values
    elif isinstance(entity, Object):
        documented = entity.members
        check_bases(entity)
        if entity.tag is not None:
            check_branches(entity)
    elif isinstance(entity, Alternate):
        documented = entity.branches
        check_alternate(entity)
    elif entity.arg is not None and entity.arg.implicit:
        documented = entity.arg.members
    entity.doc.check(entity.name, [m.name for m in documented], entity.features, dropped)


def check_bases(obj):
    seen = {obj.name}
    names = {m.name for m in obj.members}
    base = obj.base
    while base is not None:
        if base.name in seen:
            raise SchemaError(obj.where, f"'{obj.name}' is its own base")
        seen.add(base.name)
        for member in base.members:
            if member.name in names:
                raise SchemaError(obj.where, f"'{obj.name}': member '{member.name}' clashes with "
                                  f"that of '{base.name}'")
        base = base.base


def check_branches(union):
    tag = union.tag_member()
    if tag is None or tag.optional or not isinstance(tag.type, Enum):
        raise SchemaError(union.where, f"'{union.name}': discriminator '{union.tag}' must be a "
                          "required member of enumeration type")
    values = {v.name for v in tag.type.values}
    own = {m.name for m in union.all_members}
    for name, branch in union.branches.items():
        if name not in values:
            raise SchemaError(union.where, f"'{union.name}': branch '{name}' is no value of "
                              f"'{tag.type.name}'")
        check_bases(branch)
        for member in branch.all_members:
            if member.name in own:
                raise SchemaError(union.where, f"'{union.name}': branch '{name}' repeats member "
                                  f"'{member.name}'")


def check_alternate(alt):
    kinds = {}
    for branch in alt.branches:
        kind = json_kind(branch.type)
        if branch.optional or kind is None:
            raise SchemaError(alt.where, f"'{alt.name}': branch '{branch.name}' cannot be told "
                              "from others")
        if kind in kinds:
            raise SchemaError(alt.where, f"'{alt.name}': branches '{kinds[kind]}' and "
                              f"'{branch.name}' are the same on the wire")
        kinds[kind] = branch.name


def json_kind(kind):
    """What a value of this type looks like on the wire, for alternates."""
    if isinstance(kind, Enum):
        return 'string'
    if isinstance(kind, Object):
        return 'object'
    if isinstance(kind, Builtin) and kind.name != 'any':
        return 'number' if kind.json_type == 'int' else kind.json_type
    return 'array' if isinstance(kind, Array) else None


def order(schema):
    """Orders schema.objects so that a type stands behind those that it embeds by value."""
    done = []

    def visit(kind, path):
        if kind in done:
            return
        if kind in path:
            raise SchemaError(kind.where, f"'{kind.name}' contains itself by value")
        for branch in embedded(kind):
            visit(branch, path + [kind])
        done.append(kind)

    for entity in schema.definitions:
        if isinstance(entity, (Object, Alternate)):
            visit(entity, [])
    schema.objects = done


def embedded(kind):
    if isinstance(kind, Object):
        return list(kind.branches.values())
    return [b.type for b in kind.branches if isinstance(b.type, (Object, Alternate))]
