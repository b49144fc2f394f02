"""Reads one schema file and those it includes: JSON with comments, into expressions.

The language: objects, arrays, strings in single quotes, true and false; '#' starts a comment that
ends with the line.  A comment block between two lines '##' is documentation and belongs to the
definition that follows it.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import re

from .doc import Doc
from .source import SchemaError, Where

TOKEN = re.compile(r"""
    (?P<doc>^\#\#[ \t]*$) | (?P<comment>\#[^\n]*) | (?P<newline>\n) | (?P<space>[ \t]+)
  | (?P<punct>[\[\]{}:,]) | (?P<string>'[^'\\\n]*') | (?P<word>true\b|false\b)
""", re.VERBOSE | re.MULTILINE)

STRING_OK = re.compile(r"^[\x20-\x7e]*$")


class Expr:
    """One top-level expression: the dictionary, its documentation (or None) and its place."""

    def __init__(self, where, value, doc, module):
        self.where = where
        self.value = value
        self.doc = doc
        self.module = module


class Tokens:
    """The token stream of one file; documentation blocks appear as tokens of kind 'doc'."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.pos = 0
        self.line = 1
        self.kind = self.value = None
        self.where = Where(path, 1)
        self.advance()

    def error(self, text):
        return SchemaError(self.where, text)

    def advance(self):
        while self.pos < len(self.text):
            match = TOKEN.match(self.text, self.pos)
            self.where = Where(self.path, self.line)
            if not match:
                raise self.error(self.describe_bad_text())
            self.pos = match.end()
            self.kind = match.lastgroup
            self.value = match.group()
            if self.kind == 'newline':
                self.line += 1
            elif self.kind == 'doc':
                self.read_doc()
                return
            elif self.kind == 'string':
                self.value = self.value[1:-1]
                if not STRING_OK.match(self.value):
                    raise self.error("a string may hold printable ASCII only")
                return
            elif self.kind in ('punct', 'word'):
                return
        self.where = Where(self.path, self.line)
        self.kind, self.value = 'end', 'end of file'

    def describe_bad_text(self):
        rest = self.text[self.pos:].split('\n', 1)[0]
        if rest.startswith("'"):
            return "a string is not closed on its line, or holds a backslash"
        if rest.startswith('"'):
            return "strings are written in single quotes"
        return f"stray text '{rest[:20]}'"

    def read_doc(self):
        """Collects the lines up to the closing '##' and makes them the current token."""
        lines = []
        start = self.where
        while True:
            end = self.text.find('\n', self.pos)
            if end < 0 or end + 1 == len(self.text):
                raise SchemaError(start, "this documentation block is never closed by '##'")
            self.pos = end + 1
            self.line += 1
            line = self.text[self.pos:].split('\n', 1)[0].rstrip()
            if line == '##':
                self.pos += 2
                self.value = Doc(start, lines)
                return
            if not line.startswith('#') or (line != '#' and not line.startswith('# ')):
                raise SchemaError(Where(self.path, self.line),
                                  "a line of documentation begins with '# '")
            lines.append((Where(self.path, self.line), line[2:]))

    def expect(self, punct):
        if self.kind != 'punct' or self.value != punct:
            raise self.error(f"expected '{punct}', found '{self.value}'")
        self.advance()

    def accept(self, punct):
        if self.kind == 'punct' and self.value == punct:
            self.advance()
            return True
        return False


def parse_value(tokens):
    """One JSON value.  Objects become dictionaries in the order of the file."""
    if tokens.accept('{'):
        return parse_object(tokens)
    if tokens.accept('['):
        return parse_array(tokens)
    if tokens.kind == 'string':
        value = tokens.value
    elif tokens.kind == 'word':
        value = tokens.value == 'true'
    elif tokens.kind == 'doc':
        raise tokens.error("documentation cannot stand inside a definition")
    else:
        raise tokens.error(f"expected a value, found '{tokens.value}'")
    tokens.advance()
    return value


def parse_object(tokens):
    result = {}
    if tokens.accept('}'):
        return result
    while True:
        if tokens.kind != 'string':
            raise tokens.error(f"expected a key in single quotes, found '{tokens.value}'")
        key = tokens.value
        if key in result:
            raise tokens.error(f"duplicate key '{key}'")
        tokens.advance()
        tokens.expect(':')
        result[key] = parse_value(tokens)
        if tokens.accept('}'):
            return result
        tokens.expect(',')


def parse_array(tokens):
    result = []
    if tokens.accept(']'):
        return result
    while True:
        result.append(parse_value(tokens))
        if tokens.accept(']'):
            return result
        tokens.expect(',')


def load(path, seen=None, included_from=None):
    """The expressions of a schema file and, in their places, of the files it includes."""
    seen = set() if seen is None else seen
    if os.path.abspath(path) in seen:
        return []
    seen.add(os.path.abspath(path))
    try:
        with open(path, encoding='utf-8') as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as err:
        raise SchemaError(included_from or path, f"cannot read '{path}': {err}") from err

    exprs = []
    doc = None
    tokens = Tokens(path, text)
    while tokens.kind != 'end':
        where = tokens.where
        if tokens.kind == 'doc':
            close_free_text(exprs, doc, path)
            doc = tokens.value
            tokens.advance()
            continue
        if tokens.kind != 'punct' or tokens.value != '{':
            raise tokens.error(f"expected '{{', found '{tokens.value}'")
        value = parse_value(tokens)
        if 'include' in value:
            close_free_text(exprs, doc, path)
            exprs += load_include(path, value, seen, where)
        else:
            if doc and doc.name is None:
                close_free_text(exprs, doc, path)
                doc = None
            exprs.append(Expr(where, value, doc, module_name(path)))
        doc = None
    close_free_text(exprs, doc, path)
    return exprs


def close_free_text(exprs, doc, path):
    """Documentation that belongs to no definition: allowed only if it names none."""
    if doc is None:
        return
    if doc.name is not None:
        raise SchemaError(doc.where, f"documentation of '{doc.name}' is not followed by it")
    exprs.append(Expr(doc.where, None, doc, module_name(path)))


def load_include(path, value, seen, where):
    name = value['include']
    if len(value) != 1 or not isinstance(name, str):
        raise SchemaError(where, "'include' stands alone and names a file")
    return load(os.path.join(os.path.dirname(path), name), seen, where)


def module_name(path):
    return os.path.splitext(os.path.basename(path))[0]
