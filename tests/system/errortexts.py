# errortexts.py - finds the texts of errors in C sources, and says whether a text of a page is one of them.
#
#     for text in errortexts.find('migration/fd.c', source):  text.fmt, text.line, text.kind
#
# A text is a format string: each directive stands for anything in a page ("cannot open 'PATH'" is
# "cannot open '%s'").  What only passes another error on ("%s: %s") is no text of its own.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the texts of errors in C sources, and says whether a text of a page is one of them."""
import collections
import re

# The argument that is the format, and what the text is: whole, followed by ": REASON", or in front of another.
SETTERS = {
    'error_setg': (1, 'whole'),
    'error_set': (2, 'whole'),
    'error_setg_errno': (2, 'errno'),
    'error_prepend': (1, 'prefix'),
    'error_append_hint': (1, 'whole'),
}

DIRECTIVE = re.compile(r'%(?:%|[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh?|ll?|[zjt])?([a-zA-Z]))')

Text = collections.namedtuple('Text', 'path line fmt kind args')


def without_comments(source):
    """The source with comments blanked out; lines and strings stay where they are."""
    def blank(match):
        text = match.group(0)
        return text if text[0] in '"\'' else re.sub(r'[^\n]', ' ', text)
    return re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', blank, source, flags=re.S)


def arguments(source, start):
    """The arguments of the call whose parenthesis opens before start, as texts."""
    args, depth, begin, i = [], 0, start, start
    while i < len(source):
        char = source[i]
        if char in '"\'':
            end = re.compile(r'(?:\\.|[^%s\\])*%s' % (char, char), re.S).match(source, i + 1)
            i = end.end()
            continue
        if char in '([{':
            depth += 1
        elif char in ')]}':
            if depth == 0:
                break
            depth -= 1
        elif char == ',' and depth == 0:
            args.append(source[begin:i])
            begin = i + 1
        i += 1
    return [' '.join(arg.split()) for arg in args + [source[begin:i]]]


def literal(argument):
    """The string that an argument of string literals and format macros is; None if it is none."""
    text = ''
    for quoted, word in re.findall(r'"((?:\\.|[^"\\])*)"|(\w+)', argument):
        if not word:
            text += quoted
        elif re.match(r'PRI[a-zA-Z]\w+$|G_G\w+_FORMAT$', word):
            text += 'd'
        elif word == 'G_GINT64_MODIFIER':
            text += 'll'
        else:
            text += '%s'        # a macro that is a string
    if '"' not in argument:
        return None
    return text.replace('\\"', '"').replace('\\n', '').replace('\\\\', '\\')


def choices(argument):
    """The strings that an argument may be: one, or the branches of its ?:, or none."""
    if '"' not in argument:
        return []
    if '?' in re.sub(r'"(?:\\.|[^"\\])*"', '', argument):
        return [literal('"%s"' % quoted) for quoted in re.findall(r'"((?:\\.|[^"\\])*)"', argument)]
    return [literal(argument)]


def is_own(fmt):
    """Whether there is a word in the text besides its directives."""
    return len(re.sub(r'[^A-Za-z]', '', DIRECTIVE.sub('', fmt))) >= 3


def enclosing_function(source, position):
    """The name of the function that a position is in."""
    heads = re.findall(r'^\w[^\n;={}]*?\b(\w+)\([^;{}]*\)\s*\n\{', source[:position], flags=re.M)
    return heads[-1] if heads else ''


def find(path, source, functions='', tellers=()):
    """All texts of a source, in functions whose name the expression finds.

    tellers: further (function, argument, kind, expression) that make texts; a text must match the expression.
    """
    setters = [(name, arg, kind, '') for name, (arg, kind) in SETTERS.items()]
    setters += tellers
    source = without_comments(source)
    for name, number, kind, pattern in setters:
        for call in re.finditer(r'\b%s\(' % name, source):
            args = arguments(source, call.end())
            if len(args) <= number or not re.search(functions, enclosing_function(source, call.start())):
                continue
            line = source.count('\n', 0, call.start()) + 1
            for fmt in choices(args[number]):
                if re.search(pattern, fmt):
                    yield Text(path, line, fmt, kind, args[number + 1:])


def expression(text):
    """What a page must say for that text."""
    out, end = '', 0
    for match in DIRECTIVE.finditer(text.fmt):
        out += re.escape(text.fmt[end:match.start()])
        out += '%' if not match.group(1) else '.+?' if match.group(1) in 's' else '[A-Za-z0-9.…]+'
        end = match.end()
    out += re.escape(text.fmt[end:].rstrip() if text.kind == 'prefix' else text.fmt[end:])
    tail = {'whole': '', 'errno': '(?:: .+)?', 'prefix': ' .+'}[text.kind]
    return re.compile(out + tail)


def weight(text):
    """How much of a text is no directive: of several that match, the heaviest is meant."""
    return len(DIRECTIVE.sub('', text.fmt))


def suggestion(text):
    """The text as a page would say it."""
    def name(match):
        kind = match.group(1)
        return '%' if not kind else 'TEXT' if kind == 's' else 'N'
    shown = DIRECTIVE.sub(name, text.fmt)
    return shown.rstrip() + {'whole': '', 'errno': ': REASON', 'prefix': ' …'}[text.kind]
