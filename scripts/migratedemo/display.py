# display.py - how a run looks: a live line on a terminal, plain lines in a pipe or a log.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""How a run looks."""
import shutil
import sys
import textwrap
import time

PLAIN_INTERVAL = 1.0            # seconds between two lines where there is no terminal
PAGE = 4096


def mega(count):
    """Bytes for people."""
    if count < 0.95e6:
        return '%.0f kB' % (count / 1e3)
    return '%.1f MB' % (count / 1e6) if count < 99.95e6 else '%.0f MB' % (count / 1e6)


def milli(value):
    """Milliseconds for people."""
    return '-' if value is None else '%.0f ms' % value if value >= 10 else '%.1f ms' % value


class Display:
    """Writes to one stream; `quiet` writes nothing."""

    def __init__(self, stream=sys.stdout, quiet=False):
        self.stream = stream
        self.quiet = quiet
        self.live = not quiet and stream.isatty()
        self.shown = False
        self.start = time.monotonic()
        self.last_plain = self.start

    def line(self, text=''):
        """A line that stays."""
        if self.quiet:
            return
        self.clear()
        print(text, file=self.stream, flush=True)

    def stamped(self, text):
        """With the time since the start in front."""
        return '%6.1f s  %s' % (time.monotonic() - self.start, text)

    def step(self, text):
        """A line that stays, with the time."""
        self.line(self.stamped(text))

    def passing(self, text, interval=PLAIN_INTERVAL):
        """A line that the next one replaces; where there is no terminal, one in an interval stays."""
        if self.quiet:
            return
        if not self.live:
            if time.monotonic() - self.last_plain >= interval:
                self.last_plain = time.monotonic()
                self.step(text)
            return
        # The last column stays free: some terminals wrap when it is written.
        width = shutil.get_terminal_size().columns - 1
        self.stream.write('\r\x1b[K' + self.stamped(text)[:width])
        self.stream.flush()
        self.shown = True

    def clear(self):
        """Takes the passing line away."""
        if self.shown:
            self.stream.write('\r\x1b[K')
            self.stream.flush()
            self.shown = False


class Progress:
    """Follows one migration, by what query-migrate and the events say: a table, one row a pass."""

    ROW = '%-14s %5s %10s %7s %8s %10s %8s'

    def __init__(self, display):
        self.display = display
        self.begin = time.monotonic()
        self.info = {}
        self.hint = None
        self.last = (self.begin, 0, 0)      # when, bytes and pages sent until then
        self.speed = self.pages = 0.0       # a second, of late
        self.passes = []
        self.current = 0
        self.pass_start = self.last
        self.pass_ends = []
        self.samples = []                   # (seconds since the beginning, bytes left), for drawings

    def header(self):
        """The head of the table."""
        self.display.line('    time  ' + self.ROW % ('phase', 'done', 'speed', 'pages/s', 'left', 'dirtying', 'stop'))

    def update(self, info):
        """A new answer of query-migrate."""
        self.info = info
        now = self.sent()
        seconds = now[0] - self.last[0]
        if seconds > 0.15:
            self.speed, self.pages = (now[1] - self.last[1]) / seconds, (now[2] - self.last[2]) / seconds
            self.last = now
        # Its numbers change with every pass; once is enough.
        if info.get('hint') and not self.hint:
            for line in textwrap.wrap(info['hint'], 68):
                self.display.line(10 * ' ' + line)
        self.hint = info.get('hint')
        if 'ram' in info:
            self.samples.append((now[0] - self.begin, self.ram('remaining')))
        if self.speed and info.get('status') != 'completed':
            self.display.passing(self.row(self.phase(), self.speed, self.pages))

    def ram(self, key):
        """One of the numbers about memory."""
        return self.info.get('ram', {}).get(key, 0)

    def sent(self):
        """Now, and the bytes and pages that were sent until now."""
        return time.monotonic(), self.ram('transferred'), self.ram('normal') + self.ram('duplicate')

    def phase(self):
        """What happens now."""
        status = self.info.get('status', 'none')
        slowed = self.info.get('cpu-throttle-percentage')
        words = {'active': 'pass %d%s' % (max(1, self.ram('dirty-sync-count')), ' (-%d %%)' % slowed if slowed else ''),
                 'device': 'switchover'}
        return words.get(status, status)

    def row(self, phase, speed, pages):
        """A row of the table."""
        total, stop, rate = self.ram('total'), self.info.get('expected-downtime'), self.dirty_rate()
        return self.ROW % (
            phase, '%.0f %%' % (100 * (1 - self.ram('remaining') / total)) if total else '',
            mega(speed) + '/s', '%.0f' % pages, mega(self.ram('remaining')), mega(rate) + '/s' if rate else '-',
            '-' if stop is None else '%.0f ms' % stop)

    def dirty_rate(self):
        """Bytes a second that the guest writes to pages."""
        return self.ram('dirty-pages-rate') * self.info.get('ram', {}).get('page-size', PAGE)

    def end(self):
        """The migration has ended, and its last pass with it."""
        self.new_pass(self.ram('dirty-sync-count') + 1)
        self.display.clear()

    def new_pass(self, number):
        """MIGRATION_PASS: pass `number` begins; what those have done that have ended since the last call."""
        first, self.current = self.current, number
        if number <= first or not first:
            return
        start, self.pass_start = self.pass_start, self.sent()
        self.pass_ends.append(self.pass_start[0])
        seconds = self.pass_start[0] - start[0]
        sent, pages = (self.pass_start[i] - start[i] for i in (1, 2))
        self.passes.append({'passes': [first, number - 1], 'seconds': round(seconds, 3), 'bytes': sent,
                            'pages': pages, 'dirty-bytes-rate': self.dirty_rate()})
        seconds = max(seconds, 1e-3)
        name = 'pass %d' % first if number == first + 1 else 'pass %d-%d' % (first, number - 1)
        if pages:
            self.display.step(self.row(name + ' over', sent / seconds, pages / seconds))
