# machine.py - one emulator of the demonstration: its process, its console, its QMP monitor.
#
# A thread reads the console and stamps every heartbeat with the host's monotonic clock on arrival.
# All else happens on the thread of the caller.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""One emulator of the demonstration."""
import array
import collections
import ctypes
import json
import os
import re
import select
import signal
import socket
import subprocess
import threading
import time

from . import workload

Stamped = collections.namedtuple('Stamped', 'arrival beat')
PR_SET_PDEATHSIG = 1


class Trouble(Exception):
    """Something that the user should read."""


class QmpRefusal(Trouble):
    """The monitor's own words."""


def die_with_parent():
    """In the child: the emulator does not outlive the demonstration, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Qmp:
    """A QMP client on a unix socket."""

    def __init__(self, sock, name):
        self.sock = sock
        self.name = name
        self.pending = b''
        self.events = collections.deque()
        self.read(time.monotonic() + 10)
        self.command('qmp_capabilities')

    def read(self, deadline):
        """The next message, or None when the time is up."""
        while b'\n' not in self.pending:
            if not select.select([self.sock], [], [], max(0, deadline - time.monotonic()))[0]:
                return None
            data = self.sock.recv(65536)
            if not data:
                raise Trouble('process %s has closed its monitor' % self.name)
            self.pending += data
        line, self.pending = self.pending.split(b'\n', 1)
        return json.loads(line)

    def command(self, name, arguments=None, fds=(), timeout=30):
        """Runs a command; its return value, or QmpRefusal."""
        request = {'execute': name}
        if arguments:
            request['arguments'] = arguments
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
        self.sock.sendmsg([json.dumps(request).encode() + b'\r\n'], ancillary)
        deadline = time.monotonic() + timeout
        while True:
            message = self.read(deadline)
            if message is None:
                raise Trouble('process %s does not answer %s within %d s' % (self.name, name, timeout))
            if 'event' in message:
                self.events.append(message)
            elif 'error' in message:
                raise QmpRefusal('process %s refuses %s: %s' % (self.name, name, message['error']['desc']))
            else:
                return message['return']

    def poll_events(self, seconds=0.0):
        """Collects what arrives within a time; all events so far, which are forgotten."""
        deadline = time.monotonic() + seconds
        while True:
            message = self.read(deadline)
            if message is None:
                break
            self.events.append(message)
        events, self.events = list(self.events), collections.deque()
        return events


class Machine:
    """A running emulator with console and monitor."""

    def __init__(self, name, program, args, folder):
        self.name = name
        self.log = os.path.join(folder, name + '.stderr')
        self.text = ''
        self.head = ''          # what came before the first whole heartbeat
        self.rest = ''          # what may become one
        self.position = 0
        self.beats = []
        self.torn = 0
        self.changed = threading.Condition()
        self.ended = False
        qmp = os.path.join(folder, name + '.qmp')
        argv = [program, *args, '-display', 'none', '-monitor', 'none', '-serial', 'stdio',
                '-qmp', 'unix:%s,server=on,wait=off' % qmp]
        with open(self.log, 'wb') as errors:
            # A session of its own: Ctrl-C at the terminal is for the demonstration alone.
            self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                            start_new_session=True, preexec_fn=die_with_parent)
        self.reader = threading.Thread(target=self.read_console, daemon=True)
        self.reader.start()
        self.qmp = None
        try:
            self.qmp = Qmp(self.connect(qmp), name)
        except BaseException:
            self.close()
            raise

    def connect(self, path):
        """The monitor's socket, as soon as the emulator listens."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(path)
                return sock
            except OSError:
                sock.close()
            if self.process.poll() is not None:
                raise Trouble('process %s ended at once: %s' % (self.name, self.stderr() or 'no reason given'))
            time.sleep(0.01)
        raise Trouble('process %s opens no monitor' % self.name)

    def read_console(self):
        """The reader thread."""
        fd = self.process.stdout.fileno()
        while True:
            data = os.read(fd, 65536)
            arrival = time.monotonic()
            with self.changed:
                if not data:
                    self.ended = True
                    self.changed.notify_all()
                    return
                self.rest = self.take_beats(self.rest + data.decode('latin-1').replace('\r', ''), arrival)
                self.changed.notify_all()

    def take_beats(self, rest, arrival):
        """Takes the heartbeats out of the text; what may become another one is returned."""
        while True:
            match = workload.LINE.search(rest)
            if not match:
                break
            if not self.beats:
                self.head = self.text + rest[:match.end()]
            beat = workload.parse_line(match.group(1))
            if beat:
                self.beats.append(Stamped(arrival, beat))
            else:
                self.torn += 1
            self.text += rest[:match.start()]
            rest = rest[match.end():]
        begin = rest.rfind('@')
        if begin < 0 or '\n' in rest[begin:] or len(rest) - begin > 200:
            begin = len(rest)
        self.text += rest[:begin]
        return rest[begin:]

    def join(self, source):
        """Puts together a heartbeat whose line the source began and this machine ended."""
        with self.changed:
            match = workload.LINE.search(source.rest + self.head)
            beat = workload.parse_line(match.group(1)) if match else None
            if beat and self.beats and beat != self.beats[0].beat:
                self.beats.insert(0, Stamped(self.beats[0].arrival, beat))

    def wait(self, ready, what, timeout, meanwhile=lambda: None):
        """Waits until ready() gives something true, and returns that; calls meanwhile() now and then."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                result = ready()
                if result:
                    return result
                left = deadline - time.monotonic()
                if self.ended or left <= 0:
                    break
                meanwhile()
                self.changed.wait(min(left, 0.1))
        raise Trouble('process %s: waiting for %s: %s\n%s' % (
            self.name, what, 'the emulator ended: ' + self.stderr() if self.ended else 'not within %d s' % timeout,
            self.tail()))

    def wait_text(self, pattern, what, timeout, meanwhile=lambda: None):
        """Waits for a text on the console after what was found before; the match."""
        def find():
            match = re.compile(pattern).search(self.text, self.position)
            if match:
                self.position = match.end()
            return match
        return self.wait(find, what, timeout, meanwhile)

    def send(self, text):
        """Types on the console."""
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def shell(self, command, timeout=60):
        """Runs a command in the guest's shell, which must not echo; its output."""
        self.send(command + '; echo "@"END $?\n')
        match = self.wait_text(r'(?s)(.*?)@END (\d+)\n', 'the end of "%s"' % command, timeout)
        return int(match.group(2)), match.group(1)

    def hmp(self, line, timeout=30):
        """A command of the monitor for people, which says nothing when all went well."""
        text = self.qmp.command('human-monitor-command', {'command-line': line}, timeout=timeout)
        if text.strip():
            raise Trouble('process %s: %s: %s' % (self.name, line, text.strip()))

    def beats_now(self):
        """A copy of the heartbeats so far."""
        with self.changed:
            return list(self.beats)

    def stderr(self):
        """What the emulator has complained about."""
        with open(self.log, encoding='utf-8', errors='replace') as log:
            return ' '.join(log.read().split('\n')[-6:]).strip()

    def tail(self):
        """The last lines of the console."""
        lines = self.text.strip().splitlines()[-5:]
        return '\n'.join('    console: ' + line for line in lines)

    def quit(self):
        """Asks the emulator to end, and waits for that."""
        try:
            if self.qmp:
                self.qmp.command('quit', timeout=5)
        except (Trouble, OSError):
            pass
        self.close()

    def close(self):
        """Ends this emulator."""
        if self.qmp:
            self.qmp.sock.close()
            self.qmp = None
        try:
            self.process.wait(1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(5)
        for stream in (self.process.stdin, self.process.stdout):
            try:
                stream.close()
            except OSError:
                pass
