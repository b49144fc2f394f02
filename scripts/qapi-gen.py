#!/usr/bin/env python3
"""Generates C and documentation from the QAPI schema: docs/devel/qapi.md.

    qapi-gen.py [-o DIR] [-p PREFIX] [-D NAME]... SCHEMA.json

writes DIR/include/qapi/*.h, DIR/qapi/*.c and DIR/docs/qmp-reference.md.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import argparse
import os
import sys

from qapi import gen_commands, gen_doc, gen_introspect, gen_types
from qapi.out import write
from qapi.parser import load
from qapi.schema import Schema
from qapi.source import SchemaError


def main():
    parser = argparse.ArgumentParser(description="generates C and documentation from a QAPI schema")
    parser.add_argument('schema', metavar='SCHEMA.json')
    parser.add_argument('-o', '--output', default='.', metavar='DIR', help="where to write")
    parser.add_argument('-p', '--prefix', default='', metavar='PREFIX',
                        help="in front of file and symbol names, for a second schema in one program")
    parser.add_argument('-D', '--define', action='append', default=[], metavar='NAME',
                        help="a name that 'if' in the schema may test")
    args = parser.parse_args()
    try:
        schema = Schema(load(args.schema), args.define)
    except SchemaError as err:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {err}")
    generate(schema, args.output, args.prefix)


def generate(schema, output, prefix):
    symbol = prefix.replace('-', '_')
    headers = {
        'types': gen_types.header(schema, symbol),
        'commands': gen_commands.commands_header(schema, symbol),
        'events': gen_commands.events_header(schema, symbol),
        'introspect': gen_introspect.header(symbol),
    }
    sources = {
        'types': gen_types.source(schema, symbol),
        'commands': gen_commands.commands_source(schema, symbol),
        'events': gen_commands.events_source(schema, symbol),
        'introspect': gen_introspect.source(schema, symbol),
    }
    for name, text in headers.items():
        write(os.path.join(output, 'include', 'qapi', f'{symbol}qapi-{name}.h'), text)
    for name, text in sources.items():
        write(os.path.join(output, 'qapi', f'{symbol}qapi-{name}.c'), text)
    write(os.path.join(output, 'docs', f'{symbol}qmp-reference.md'), gen_doc.manual(schema))


if __name__ == '__main__':
    main()
