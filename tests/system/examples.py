# examples.py - runs the transcripts of a Markdown page: starts the emulators, types the commands, compares the output.
#
# A transcript is a fenced block "console run"; "console more" goes on with what the block before has started.  Its lines:
#
#     A$ godwit ...             starts emulator A; lines below it: it must end, and this is what it says on stderr
#     A$ truncate ...           any other command is a shell's; lines below it are its output
#     A (qemu) info migrate     a line for A's HMP monitor; lines below it are its output
#     A> {"execute": ...}       a command for A's QMP monitor
#     A< {...}                  its reply; or an event, which is waited for
#
# Numbers may differ.  A line "..." stands for any lines, "…" for any text, `, ...}` for further members.  What asks
# (info, query-) is asked again until the answer is as shown.  "python more" is a program that must succeed; one that
# begins with "# NAME.py" is saved, and those below it on the page may import it.  "c compile" is compiled.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the transcripts of a Markdown page."""
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import tiny
from godwit import GODWIT, TOP, Vm
from guests import BUSY, MTIMER, sleeper

PATIENCE = 30
PROMPT = re.compile(r'([A-Z])(\$| \(qemu\)|>|<) ?(.*)')


class Mismatch(Exception):
    """Something else came than the page shows."""


def blocks(path):
    """(line number, how, [lines]) of each fenced block that is to be run; how is its info string."""
    how, start, lines = None, 0, []
    with open(path, encoding='utf-8') as page:
        for number, line in enumerate(page, 1):
            if how is None and re.match(r'```((console|python) (run|more)|c compile)$', line.rstrip()):
                how, start, lines = line.strip().strip('`'), number, []
            elif how is not None and line.startswith('```'):
                yield start, how, lines
                how = None
            elif how is not None:
                lines.append(line.rstrip('\n'))


def steps(lines):
    """(name, kind, text, [output lines]) of a transcript; indented lines continue the one before."""
    found = []
    for line in lines:
        match = PROMPT.fullmatch(line)
        if match:
            found.append((match.group(1), match.group(2).strip(), match.group(3), []))
        elif found and line.startswith('    ') and not found[-1][3] and \
                (found[-1][1] in '<>' or found[-1][2].endswith('\\')):
            name, kind, text, output = found.pop()
            found.append((name, kind, text.rstrip('\\') + ' ' + line.strip(), output))
        elif found and line.strip() and not line.startswith('#'):
            found[-1][3].append(line)
    return found


def configuration():
    """What configure has found, as make knows it."""
    build = os.environ.get('BUILD', 'build')
    with open(os.path.join(TOP, '' if build == 'build' else build, 'config.mak'), encoding='utf-8') as config:
        return dict(re.findall(r'^(\w+) := (.*)$', config.read(), re.M))


def is_built(feature):
    """Whether the program has CONFIG_…."""
    return configuration().get(feature) == 'y'


def compile_c(lines):
    """Compiles a block of C as the program's own files are; what the compiler says, or nothing."""
    build, made = os.environ.get('BUILD', 'build'), configuration()
    done = subprocess.run(
        ['sh', '-c', '%s %s -I%s/include -Iinclude -I. %s -Werror -fsyntax-only -x c -' % (
            made['CC'], made['CPPFLAGS'], build, made['CFLAGS'])],
        input='\n'.join(lines), cwd=TOP, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout if done.returncode else ''


# ---- comparing ----

def text_pattern(text):
    """What a line must look like: numbers may differ, … is anything."""
    text = re.sub(r'\d+(?:\.\d+)?(?:e[+-]?\d+)?', '\0', text.strip())
    text = re.escape(re.sub(r'\s+', ' ', text)).replace('…', '.*').replace(r'\.\.\.', '.*')
    return re.compile(text.replace('\0', r'-?\d+(?:\.\d+)?(?:e[+-]?\d+)?'))


def same_lines(expected, got):
    """Whether the output is as shown."""
    if not expected:
        return not got
    if expected[0].strip() == '...':
        return any(same_lines(expected[1:], got[i:]) for i in range(len(got) + 1))
    return bool(got) and bool(text_pattern(expected[0]).fullmatch(re.sub(r'\s+', ' ', got[0].strip()))) and \
        same_lines(expected[1:], got[1:])


def same_json(expected, got):
    """Whether a message is as shown."""
    if isinstance(expected, dict):
        keys = set(expected) - {'...', 'timestamp', 'id'}
        return isinstance(got, dict) and keys <= set(got) and \
            ('...' in expected or keys == set(got) - {'timestamp', 'id'}) and \
            all(same_json(expected[key], got[key]) for key in keys)
    if isinstance(expected, list):
        shown = [one for one in expected if one != '...']
        return isinstance(got, list) and (len(shown) == len(got) or '...' in expected and len(shown) <= len(got)) \
            and all(same_json(one, other) for one, other in zip(shown, got))
    if isinstance(expected, str):
        return isinstance(got, str) and bool(text_pattern(expected).fullmatch(re.sub(r'\s+', ' ', got)))
    number = isinstance(expected, (int, float)) and not isinstance(expected, bool)
    return isinstance(got, (int, float)) and not isinstance(got, bool) if number else expected == got


def parse(text):
    """A message of a page."""
    text = re.sub(r'([{,])\s*\.\.\.\s*\}', lambda m: m.group(1) + '"...": 0}', text)
    return json.loads(re.sub(r'([\[,])\s*\.\.\.\s*\]', lambda m: m.group(1) + '"..."]', text))


def until(condition, what):
    """Asks again and again; what() tells what came instead."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise Mismatch(what())
        select.select([], [], [], 0.02)


# ---- running ----

def saved(how, lines):
    """The name under which a program is saved, or None."""
    match = re.match(r'# (\w+\.py)$', lines[0]) if how.startswith('python') and lines else None
    return match.group(1) if match else None


class Stage:
    """The emulators and files of a transcript, and those that go on with it."""

    def __init__(self, modules):
        self.modules = modules      # {name: text} of the page's saved programs
        self.folder = tempfile.mkdtemp(prefix='godwit-page-')
        for name in ('srv', 'run'):
            os.mkdir(os.path.join(self.folder, name))
        options = '-M virt -m 64M -bios none -kernel '
        self.environment = dict(
            os.environ, vm=options + tiny.write(self.folder, sleeper(MTIMER), 'idle.elf'),
            busy=options + tiny.write(self.folder, BUSY, 'busy.elf'))
        self.vms, self.replies, self.commands, self.port = {}, {}, {}, 0

    def close(self):
        """Ends what still runs."""
        for vm in self.vms.values():
            vm.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def place(self, text):
        """The text with this stage's folders, ports and hosts in place of the page's."""
        def port(match):
            if not self.port:
                with socket.socket() as probe:
                    probe.bind(('127.0.0.1', 0))
                    self.port = min(probe.getsockname()[1], 65000)
            return str(self.port + int(match.group(1)) - 4400)
        text = re.sub(r'(?<![\w.])/(srv|run)/', self.folder + r'/\1/', text)
        text = re.sub(r'\b(44\d\d)\b', port, text)
        return text.replace('host-b', '127.0.0.1').replace(' -nographic', '')

    def shell(self, name, text, output):
        """A shell's line."""
        if text.startswith('godwit '):
            self.start(name, text, output)
            return
        done = subprocess.run(['sh', '-c', text], cwd=self.folder, env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False)
        if not same_lines(output, done.stdout.splitlines()):
            raise Mismatch(done.stdout)

    def start(self, name, text, output):
        """An emulator's command line; redirections in it work."""
        if name in self.vms:
            self.vms.pop(name).close()
        line = 'exec "$0"' + text[len('godwit'):] + ' "$@"'
        kept = os.environ.copy()
        os.environ.update(self.environment)
        try:
            vm = self.vms[name] = Vm([], wrapper=('sh', '-c', line), program=GODWIT, console=not output)
        finally:
            os.environ.clear()
            os.environ.update(kept)
        if not output:
            vm.connect()
        elif vm.wait(PATIENCE) == 0 or not same_lines(output, vm.stderr().splitlines()):
            raise Mismatch(vm.stderr())

    def hmp(self, name, text, output):
        """A line for the HMP monitor."""
        got = []

        def as_shown():
            got[:] = self.vms[name].hmp(text).replace('\r', '').splitlines()
            return same_lines(output, got)
        if text.startswith('info'):
            until(as_shown, lambda: '\n'.join(got))
        elif not as_shown():
            raise Mismatch('\n'.join(got))

    def send(self, name, text):
        """A command for the QMP monitor."""
        command = json.loads(text)
        if command['execute'] != 'qmp_capabilities':    # that has been said already
            monitor = self.vms[name].monitor
            monitor.raw(text.encode() + b'\r\n')
            self.replies[name], self.commands[name] = monitor.reply(), text

    def receive(self, name, text):
        """A reply, or an event."""
        expected, monitor = parse(text), self.vms[name].monitor
        if 'event' in expected:
            while not same_json(expected, monitor.event(expected['event'])):
                pass
            return
        if name not in self.replies:
            return      # the greeting's, and qmp_capabilities'
        reply, command = self.replies.pop(name), self.commands[name]

        def as_shown():
            nonlocal reply
            if same_json(expected, reply):
                return True
            if '"query-' not in command:
                raise Mismatch(json.dumps(reply))
            monitor.raw(command.encode() + b'\r\n')
            reply = monitor.reply()
            return False
        until(as_shown, lambda: json.dumps(reply))

    def check_replies(self):
        """A command whose reply is not shown must have succeeded."""
        for name, reply in self.replies.items():
            if 'error' in reply:
                raise Mismatch('%s: %s' % (name, json.dumps(reply)))
        self.replies.clear()

    def python(self, lines):
        """A program."""
        for name, text in self.modules.items():
            with open(os.path.join(self.folder, name), 'w', encoding='utf-8') as module:
                module.write(self.place(text))
        done = subprocess.run([sys.executable, '-'], input=self.place('\n'.join(lines)), cwd=self.folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False)
        if done.returncode:
            raise Mismatch(done.stdout)

    def run(self, how, lines):
        """One block."""
        if how.startswith('python'):
            self.python(lines)
            return
        for name, kind, text, output in steps(lines):
            shown, text = text, self.place(text)
            output = [self.place(line) for line in output]
            try:
                if kind == '<':
                    self.receive(name, text)
                    continue
                self.check_replies()
                {'$': self.shell, '(qemu)': self.hmp, '>': lambda n, t, _: self.send(n, t)}[kind](name, text, output)
            except Mismatch as error:
                raise Mismatch('%s%s %s\nmust give\n%s\nand gives\n%s' % (
                    name, kind, shown, '\n'.join(output), error)) from None
        self.check_replies()
