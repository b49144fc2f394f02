"""One documentation block: what a definition, its members and its features mean.

    ##
    # @name:
    #
    # What it is.
    #
    # @member: what it means; further lines are indented.
    #
    # Features:
    # @feature: what it promises.
    #
    # Returns: what comes back.
    #
    # Errors: when it fails.
    #
    # Note: anything else.
    #
    # Example: lines that are shown as they are.
    ##

SPDX-License-Identifier: GPL-2.0-or-later
"""

import re

from .source import SchemaError

MEMBER = re.compile(r"^@([A-Za-z0-9_.-]+):(?:\s+(.*))?$")
SECTION = re.compile(r"^(Returns|Errors|Note|Example|Since):(?:\s+(.*))?$")


class Doc:
    """The parts of a block: body, members and features by name, and sections in order."""

    def __init__(self, where, lines):
        self.where = where
        self.name = None
        self.body = []
        self.members = {}
        self.features = {}
        self.sections = []
        first = lines[0][1] if lines else ''
        match = MEMBER.match(first)
        if match:
            self.name = match.group(1)
            if match.group(2):
                raise SchemaError(lines[0][0], f"text begins on the line below '@{self.name}:'")
            lines = lines[1:]
        self.read(lines)

    def read(self, lines):
        current = self.body
        names = self.members
        for where, line in lines:
            member = MEMBER.match(line)
            section = SECTION.match(line)
            if self.name is not None and member:
                name, text = member.groups()
                if name in names:
                    raise SchemaError(where, f"'@{name}' is documented twice")
                current = names[name] = [text or '']
            elif self.name is not None and line == 'Features:':
                names = self.features
                current = []
            elif self.name is not None and section:
                current = [section.group(2) or '']
                self.sections.append((section.group(1), current))
            else:
                current.append(line)

    def check(self, name, members, features, dropped):
        """The block must describe just what the definition has; `dropped` it may describe."""
        if self.name != name:
            raise SchemaError(self.where,
                              f"documentation is of '{self.name}', the definition is of '{name}'")
        described = [m for m in self.members if m not in dropped]
        check_names(self, name, 'member', self.members, described, members)
        check_names(self, name, 'feature', self.features, list(self.features), features)
        if not ''.join(self.body).strip():
            raise SchemaError(self.where, f"documentation of '{name}' does not say what it is")


def check_names(doc, owner, what, texts, described, real):
    for name in described:
        if name not in real:
            raise SchemaError(doc.where, f"'{owner}' documents {what} '{name}', which it has not")
        if not ''.join(texts[name]).strip():
            raise SchemaError(doc.where, f"'{owner}' says nothing of its {what} '{name}'")
    for name in real:
        if name not in described:
            raise SchemaError(doc.where, f"'{owner}' does not document its {what} '{name}'")


def plain(lines):
    """The lines of a part as one paragraph text: outer blank lines and indentation removed."""
    text = [line.strip() for line in lines]
    return '\n'.join(text).strip()


def verbatim(lines):
    """The lines of an example: outer blank lines removed, common indentation too."""
    rows = list(lines)
    while rows and not rows[0].strip():
        rows.pop(0)
    while rows and not rows[-1].strip():
        rows.pop()
    indent = min((len(r) - len(r.lstrip()) for r in rows if r.strip()), default=0)
    return '\n'.join(r[indent:] for r in rows)
