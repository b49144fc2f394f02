# godwit.py - what a system test needs to drive an emulator: its console, its QMP monitor, its end.
#
#     with Vm(['-m', '256M', ...]) as vm:
#         vm.expect(r'login:')
#         vm.send('root\n')
#         vm.qmp('query-status')
#
# Waiting is always for a text, a reply, an event or the process's end, with a bound; nothing sleeps and
# hopes.  Timeouts are generous since machines are shared: they end a broken run, they do not measure.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives an emulator from a test."""
import json
import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GODWIT = os.path.abspath(os.environ.get('GODWIT', os.path.join(TOP, 'build', 'godwit')))
TIMEOUT = float(os.environ.get('GODWIT_TEST_TIMEOUT', '100'))


class Timeout(Exception):
    """What was waited for did not come; the text says what came instead."""


class QmpError(Exception):
    """An error reply: class and description."""

    def __init__(self, error):
        super().__init__('%s: %s' % (error['class'], error['desc']))
        self.klass = error['class']
        self.desc = error['desc']


class Qmp:
    """A QMP client on a unix socket; every line must end in CRLF."""

    def __init__(self, path, negotiate=True):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(path)
        self.pending = b''
        self.events = []
        self.ids = 0
        self.greeting = self.read_message()
        if negotiate:
            self.command('qmp_capabilities')

    def read_message(self):
        """The next JSON value; the line must end as the protocol says."""
        while b'\n' not in self.pending:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError('the monitor closed the connection')
            self.pending += data
        line, self.pending = self.pending.split(b'\n', 1)
        assert line.endswith(b'\r'), 'QMP line without CR: %r' % line
        return json.loads(line)

    def raw(self, data):
        """Sends bytes as they are."""
        self.sock.sendall(data)

    def reply(self):
        """The next message that is no event; events are kept."""
        while True:
            message = self.read_message()
            if 'event' not in message:
                return message
            self.events.append(message)

    def command(self, name, /, **arguments):
        """Runs a command; its return value, or QmpError."""
        self.ids += 1
        ident = 'test-%d' % self.ids
        request = {'execute': name.replace('__', '-'), 'id': ident}
        if arguments:
            request['arguments'] = {k.replace('_', '-'): v for k, v in arguments.items()}
        self.raw(json.dumps(request).encode() + b'\r\n')
        reply = self.reply()
        assert reply.get('id') == ident, 'reply to another command: %r' % reply
        if 'error' in reply:
            raise QmpError(reply['error'])
        return reply['return']

    def event(self, name):
        """Waits for an event of that name and returns it; earlier ones of other names are dropped."""
        while True:
            while self.events:
                event = self.events.pop(0)
                if event['event'] == name:
                    return event
            message = self.read_message()
            if 'event' in message:
                self.events.append(message)

    def close(self):
        """Hangs up."""
        self.sock.close()


class Vm:
    """A running emulator with its serial console on pipes and a QMP socket; wrapper: valgrind and the like.

    It runs in the test's own folder: a relative name that a monitor command writes to stays out of the tree.
    """

    def __init__(self, args, console=True, qmp=True, wrapper=(), program=GODWIT):
        self.folder = tempfile.mkdtemp(prefix='godwit-test-')
        self.output = ''
        self.position = 0
        self.monitor = None
        argv = [*wrapper, os.path.abspath(program), *args]
        if console:
            argv += ['-display', 'none', '-monitor', 'none', '-serial', 'stdio']
        if qmp:
            argv += ['-qmp', 'unix:%s,server=on,wait=off' % self.path('qmp')]
        argv += self.arguments()
        self.argv = argv
        self.errors = open(self.path('stderr'), 'w+', encoding='utf-8', errors='replace')
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, cwd=self.folder)

    def arguments(self):
        """Further arguments that name files of the test's folder; for subclasses."""
        return []

    def path(self, name):
        """A file of this test's own, removed at the end."""
        return os.path.join(self.folder, name)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """Ends the emulator if it still runs, and removes the test's files."""
        if self.monitor:
            self.monitor.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stderr(self):
        """What the emulator has said on stderr."""
        self.errors.flush()
        self.errors.seek(0)
        return self.errors.read()

    def expect(self, pattern, timeout=TIMEOUT):
        """Waits until the console shows pattern after what was matched before; the match."""
        deadline = time.monotonic() + timeout
        while True:
            match = re.compile(pattern).search(self.output, self.position)
            if match:
                self.position = match.end()
                return match
            left = deadline - time.monotonic()
            ready = select.select([self.process.stdout], [], [], max(left, 0))[0] if left > 0 else []
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b''
            if not data:
                raise Timeout('waiting for %r (%s); the console ended with:\n%s\n%s' % (
                    pattern, 'no more output' if ready else 'time is up', self.output[-1500:],
                    self.stderr()))
            self.output += data.decode('utf-8', 'replace').replace('\r', '')

    def send(self, text):
        """Types into the console."""
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def shell(self, command, timeout=TIMEOUT):
        """Runs a command in the guest's shell; (exit status, output)."""
        # The marker is written in two parts, so that the echo of the command does not match.
        self.send(command + '; echo "@@"END $?\n')
        match = self.expect(r'@@END (\d+)\n', timeout)
        text = self.output[:match.start()]
        echo = text.rfind('"@@"END $?\n')
        return int(match.group(1)), text[echo + len('"@@"END $?\n'):]

    def connect(self, negotiate=True):
        """The QMP client; waits until the emulator listens."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                self.monitor = Qmp(self.path('qmp'), negotiate)
                return self.monitor
            except (FileNotFoundError, ConnectionRefusedError) as error:
                # The path appears a moment before the emulator listens on it.
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Timeout('no QMP socket; stderr: ' + self.stderr()) from error
            select.select([], [], [], 0.01)

    def qmp(self, name, /, **arguments):
        """Runs a QMP command."""
        if not self.monitor:
            self.connect()
        return self.monitor.command(name, **arguments)

    def hmp(self, line):
        """Runs an HMP command and returns its output."""
        return self.qmp('human-monitor-command', command_line=line)

    def wait(self, timeout=TIMEOUT):
        """Waits for the emulator's end; its exit code. Output until then is kept."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout('the emulator did not end; console:\n' + self.output[-1500:])
            if not select.select([self.process.stdout], [], [], left)[0]:
                continue
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                return self.process.wait(max(left, 1))
            self.output += data.decode('utf-8', 'replace').replace('\r', '')


def linux_guest():
    """(folder with kernel, initrd and perhaps initrd-tools) of the cached guest, or None."""
    found = subprocess.run([os.path.join(TOP, 'scripts', 'fetch-guest'), '--path'],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    folder = found.stdout.strip()
    return folder if found.returncode == 0 and os.path.exists(os.path.join(folder, 'kernel')) else None


def linux_args(folder, *args, tools=False, append=''):
    """The arguments that boot that guest; its shell is on the serial console, which comes last."""
    initrd = os.path.join(folder, 'initrd-tools' if tools else 'initrd')
    return ['-M', 'virt', '-kernel', os.path.join(folder, 'kernel'), '-initrd', initrd,
            '-append', (append + ' console=ttyS0').strip(), *args]
