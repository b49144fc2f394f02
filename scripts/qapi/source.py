"""Where a piece of schema stands, and the error that points there.

SPDX-License-Identifier: GPL-2.0-or-later
"""


class SchemaError(Exception):
    """What is wrong with a schema; str() is "FILE:LINE: TEXT"."""

    def __init__(self, where, text):
        super().__init__(f"{where}: {text}")


class Where:
    """A file and a line; the line of a definition is the line of its opening brace."""

    def __init__(self, path, line):
        self.path = path
        self.line = line

    def __str__(self):
        return f"{self.path}:{self.line}"
