"""Writes the prototypes of the commands, their table, and the senders of the events.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import re

from .gen_types import declare
from .out import banner, guard


def c_command(name):
    return re.sub(r'[^A-Za-z0-9]', '_', name)


# -- commands ----------------------------------------------------------------------------------------

def commands_header(schema, prefix):
    out = [banner('what the implementation of each command looks like'),
           guard(prefix + 'qapi-commands.h'),
           f'#include "qapi/{prefix}qapi-types.h"\n#include "qapi/qmp.h"\n']
    for command in sorted(schema.commands, key=lambda c: c.name):
        out.append(f'/* {command.name}, {command.module}.json */\n{prototype(command, prefix)};\n')
    out.append('/* All commands that are not pending, in order of their names. */\n'
               f'extern const QmpCommandTable {prefix}qmp_command_table;\n\n#endif\n')
    return '\n'.join(out)


def prototype(command, prefix):
    params = ['QmpContext *ctx']
    if not command.gen:
        params.append('json_t *args')
        if command.ret:
            params.append('json_t **ret')
    else:
        if command.arg:
            params.append(f'const {command.arg.name} *args')
        if command.ret:
            params.append(declare_out(command.ret))
    params.append('Error **errp')
    text = f'bool {prefix}qmp_{c_command(command.name)}('
    return wrap(text, params) + ')'


def wrap(text, params):
    line, lines = text, []
    for i, param in enumerate(params):
        piece = param + (', ' if i < len(params) - 1 else '')
        if len(line) + len(piece) > 98:
            lines.append(line.rstrip())
            line = ' ' * len(text)
        line += piece
    return '\n'.join(lines + [line])


def declare_out(kind):
    return declare(kind, '*ret')


def commands_source(schema, prefix):
    out = [banner('the table of commands'), f'#include "qapi/{prefix}qapi-commands.h"',
           f'#include "qapi/{prefix}qapi-introspect.h"\n']
    commands = sorted((c for c in schema.commands if not c.pending), key=lambda c: c.name)
    for command in commands:
        out.append(thunk(command, prefix))
    rows = ''.join(row(c, prefix) for c in commands)
    out.append(f'static const QmpCommand commands[] = {{\n{rows}}};\n')
    out.append(f'const QmpCommandTable {prefix}qmp_command_table = {{\n'
               '    .commands = commands,\n    .n_commands = G_N_ELEMENTS(commands),\n'
               f'    .schema = {prefix}qmp_schema_json,\n}};\n')
    return '\n'.join(out)


def thunk(command, prefix):
    """From the untyped call of the dispatcher to the typed one of the implementation."""
    args = ['ctx']
    unused = []
    if command.arg or not command.gen:
        args.append('args')
    else:
        unused.append('    (void)args;\n')
    if command.ret:
        args.append('ret')
    else:
        unused.append('    (void)ret;\n')
    args.append('errp')
    name = c_command(command.name)
    return (f'static bool call_{name}(QmpContext *ctx, void *args, void *ret, Error **errp)\n{{\n'
            + ''.join(unused) + f'    return {prefix}qmp_{name}({", ".join(args)});\n}}\n')


def row(command, prefix):
    flags = []
    if command.allow_oob:
        flags.append('QMP_COMMAND_ALLOW_OOB')
    if command.allow_preconfig:
        flags.append('QMP_COMMAND_ALLOW_PRECONFIG')
    if not command.gen:
        flags.append('QMP_COMMAND_RAW')
    arg = command.arg.desc(prefix) if command.arg and command.gen else 'NULL'
    ret = 'NULL'
    if command.ret:
        ret = command.ret.desc(prefix) if command.gen else '&qapi_type_any'
    return (f'    {{ "{command.name}", call_{c_command(command.name)}, {arg}, {ret},\n'
            f'      {" | ".join(flags) or "0"} }},\n')


# -- events ------------------------------------------------------------------------------------------

def events_header(schema, prefix):
    out = [banner('one sender an event'), guard(prefix + 'qapi-events.h'),
           f'#include "util/event-sink.h"\n#include "qapi/{prefix}qapi-types.h"\n']
    for event in sorted(schema.events, key=lambda e: e.name):
        out.append(f'/* {event.name}, {event.module}.json.  Any thread. */\n'
                   f'{event_prototype(event, prefix)};\n')
    out.append('#endif\n')
    return '\n'.join(out)


def event_prototype(event, prefix):
    params = ['EventSink *sink']
    if event.arg:
        params.append(f'const {event.arg.name} *data')
    name = event.name.lower()
    return wrap(f'void {prefix}qapi_event_send_{name}(', params) + ')'


def events_source(schema, prefix):
    out = [banner('one sender an event'), f'#include "qapi/{prefix}qapi-events.h"\n']
    for event in sorted(schema.events, key=lambda e: e.name):
        data = 'NULL'
        if event.arg:
            data = f'qapi_marshal({event.arg.desc(prefix)}, &data)'
        out.append(f'{event_prototype(event, prefix)}\n{{\n'
                   f'    event_sink_emit(sink, "{event.name}", {data});\n}}\n')
    return '\n'.join(out)
