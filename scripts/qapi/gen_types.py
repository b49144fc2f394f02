"""Writes the C types (qapi-types.h) and their descriptors (qapi-types.c).

SPDX-License-Identifier: GPL-2.0-or-later
"""

from .out import banner, guard
from .types import Array, Builtin, Enum, Object, c_name

QTYPES = {'string': 'QTYPE_QSTRING', 'int': 'QTYPE_QNUM', 'number': 'QTYPE_QNUM',
          'boolean': 'QTYPE_QBOOL', 'null': 'QTYPE_QNULL'}


def user_types(schema):
    """Enumerations, objects in order of embedding, and the arrays of both."""
    enums = [t for t in schema.definitions if isinstance(t, Enum)]
    arrays = [t for t in schema.types.values()
              if isinstance(t, Array) and not isinstance(t.element, Builtin)]
    return enums, schema.objects, arrays


# -- header ------------------------------------------------------------------------------------------

def header(schema, prefix):
    enums, objects, arrays = user_types(schema)
    out = [banner('C types of the schema and their descriptors'),
           guard(prefix + 'qapi-types.h'), '#include "qapi/marshal.h"']
    out += sorted({f'#include "{e.header}"' for e in enums if e.header}) + ['']
    for enum in enums:
        out.append(enum_decl(enum, prefix))
    for kind in objects + arrays:
        out.append(f'typedef struct {kind.name} {kind.name};')
    out.append('')
    for array in arrays:
        out.append(f'struct {array.name} {{\n    {array.name} *next;\n'
                   f'    {declare(array.element, "value")};\n}};\n')
    for kind in objects:
        out.append(object_decl(kind) if isinstance(kind, Object) else alternate_decl(kind))
    for kind in objects + arrays:
        out.append(functions_decl(kind, prefix))
    out.append('#endif\n')
    return '\n'.join(out)


def enum_decl(enum, prefix):
    """An enumeration that has a 'header' is declared there, with the same names of constants."""
    declaration = ''
    if not enum.header:
        lines = [f'    {enum.const(v.name)},' for v in enum.values]
        declaration = (f'typedef enum {enum.name} {{\n' + '\n'.join(lines) +
                       f'\n    {enum.prefix}__MAX,\n}} {enum.name};\n\n')
    return (declaration + f'extern const QapiType {prefix}qapi_type_{enum.name};\n\n'
            f'/* The name of a value: a static string, NULL for none. */\n'
            f'static inline const char *{enum.name}_str({enum.name} value)\n'
            f'{{\n    return qapi_enum_str(&{prefix}qapi_type_{enum.name}, value);\n}}\n')


def declare(kind, name):
    c_type = kind.c_value
    return c_type + name if c_type.endswith((' ', '*')) else f'{c_type} {name}'


def member_lines(members, indent='    '):
    lines = []
    for member in members:
        if member.has_flag:
            lines.append(f'{indent}bool has_{member.c_name};')
        lines.append(f'{indent}{declare(member.type, member.c_name)};')
    return lines


def object_decl(obj):
    lines = []
    if obj.base:
        lines.append(f'    /* from {obj.base.name} */')
        lines += member_lines(obj.base.all_members)
        lines.append(f'    /* own */')
    lines += member_lines(obj.members)
    if obj.branches:
        lines.append(f'    union {{ /* selected by {obj.tag} */')
        for name, branch in obj.branches.items():
            lines.append(f'        {branch.name} {c_name(name)};')
        lines.append('    } u;')
    if not obj.all_members:
        lines.append('    char qapi_no_members;')
    return f'struct {obj.name} {{\n' + '\n'.join(lines) + '\n};\n'


def alternate_decl(alt):
    lines = ['    QType type;', '    union {']
    for branch in alt.branches:
        if isinstance(branch.type, Object):
            lines.append(f'        {branch.type.name} {branch.c_name};')
        else:
            lines.append(f'        {declare(branch.type, branch.c_name)};')
    lines.append('    } u;')
    return f'struct {alt.name} {{\n' + '\n'.join(lines) + '\n};\n'


def functions_decl(kind, prefix):
    name = kind.name
    text = f'''extern const QapiType {prefix}qapi_type_{name};
/* Frees a value and all that it owns; NULL is allowed. */
void qapi_free_{name}({name} *obj);
G_DEFINE_AUTOPTR_CLEANUP_FUNC({name}, qapi_free_{name})
'''
    if not isinstance(kind, Array):
        text += f'''/* qapi_unmarshal and qapi_marshal for this type. */
bool {name}_from_json(json_t *in, {name} **obj, Error **errp);
json_t *{name}_to_json(const {name} *obj);
'''
    return text


# -- source ------------------------------------------------------------------------------------------

def source(schema, prefix):
    enums, objects, arrays = user_types(schema)
    out = [banner('descriptors of the schema\'s types'), f'#include "qapi/{prefix}qapi-types.h"\n']
    for enum in enums:
        out.append(enum_def(enum, prefix))
    for kind in objects:
        out.append(object_def(kind, prefix) if isinstance(kind, Object)
                   else alternate_def(kind, prefix))
    for array in arrays:
        out.append(array_def(array, prefix))
    for kind in objects + arrays:
        out.append(functions_def(kind, prefix))
    return '\n'.join(out)


def descriptor(kind, prefix, meta, fields):
    lines = [f'const QapiType {prefix}qapi_type_{kind.name} = {{',
             f'    .name = "{kind.name}",', f'    .meta = QAPI_META_{meta},',
             f'    .size = sizeof({kind.name}),']
    if 'tag' not in fields:
        lines.append('    .tag = -1,')
    lines += [f'    .{key} = {value},' for key, value in fields.items()]
    return '\n'.join(lines) + '\n};\n'


def enum_def(enum, prefix):
    values = ''.join(f'    [{enum.const(v.name)}] = "{v.name}",\n' for v in enum.values)
    fields = {}
    text = ''
    if enum.values:
        text = f'static const char *const values_{enum.name}[] = {{\n{values}}};\n\n'
        fields = {'n_members': f'G_N_ELEMENTS(values_{enum.name})',
                  'values': f'values_{enum.name}'}
    return text + descriptor(enum, prefix, 'ENUM', fields)


def object_def(obj, prefix):
    text = ''
    members = obj.all_members
    fields = {}
    if members:
        rows = ''.join(member_row(obj, m, prefix) for m in members)
        text += f'static const QapiMember members_{obj.name}[] = {{\n{rows}}};\n\n'
        fields.update(n_members=len(members), members=f'members_{obj.name}')
    if obj.branches:
        tag = obj.tag_member()
        rows = ''.join(f'    {{ {tag.type.const(name)}, {branch.desc(prefix)} }},\n'
                       for name, branch in obj.branches.items())
        text += f'static const QapiBranch branches_{obj.name}[] = {{\n{rows}}};\n\n'
        fields.update(n_branches=len(obj.branches), branches=f'branches_{obj.name}',
                      tag=members.index(tag),
                      tag_offset=f'offsetof({obj.name}, {tag.c_name})',
                      u_offset=f'offsetof({obj.name}, u)')
    return text + descriptor(obj, prefix, 'OBJECT', fields)


def member_row(obj, member, prefix):
    has = f'offsetof({obj.name}, has_{member.c_name})' if member.has_flag else '-1'
    return (f'    {{ "{member.name}", {member.type.desc(prefix)}, '
            f'offsetof({obj.name}, {member.c_name}),\n'
            f'      {has}, {str(member.optional).lower()} }},\n')


def alternate_def(alt, prefix):
    rows = ''
    for branch in alt.branches:
        if isinstance(branch.type, Builtin):
            qtype = QTYPES[branch.type.json_type]
        else:
            qtype = {'enum': 'QTYPE_QSTRING', 'object': 'QTYPE_QDICT',
                     'array': 'QTYPE_QLIST'}[branch.type.meta]
        rows += f'    {{ {qtype}, {branch.type.desc(prefix)} }},\n'
    fields = {'n_branches': len(alt.branches), 'branches': f'branches_{alt.name}',
              'tag_offset': f'offsetof({alt.name}, type)',
              'u_offset': f'offsetof({alt.name}, u)'}
    return (f'static const QapiBranch branches_{alt.name}[] = {{\n{rows}}};\n\n'
            + descriptor(alt, prefix, 'ALTERNATE', fields))


def array_def(array, prefix):
    return descriptor(array, prefix, 'LIST', {
        'u_offset': f'offsetof({array.name}, value)', 'element': array.element.desc(prefix)})


def functions_def(kind, prefix):
    name = kind.name
    desc = f'&{prefix}qapi_type_{name}'
    text = f'''void qapi_free_{name}({name} *obj)
{{
    qapi_clear({desc}, &obj);
}}
'''
    if not isinstance(kind, Array):
        text += f'''
bool {name}_from_json(json_t *in, {name} **obj, Error **errp)
{{
    return qapi_unmarshal({desc}, NULL, in, obj, errp);
}}

json_t *{name}_to_json(const {name} *obj)
{{
    return qapi_marshal({desc}, &obj);
}}
'''
    return text
