# display.py - how a migration looks while it runs: a live line on a terminal, plain lines elsewhere.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""How a migration looks while it runs."""
import shutil
import sys
import time

PLAIN_INTERVAL = 1.0            # seconds between two lines where there is no terminal


def mega(count):
    """Bytes for people."""
    return '%.1f MB' % (count / 1e6) if count < 100e6 else '%.0f MB' % (count / 1e6)


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
        self.last_plain = 0.0

    def line(self, text=''):
        """A line that stays."""
        if self.quiet:
            return
        self.clear()
        print(text, file=self.stream, flush=True)

    def step(self, text):
        """A line that stays, with the time since the start."""
        self.line('%6.1f s  %s' % (time.monotonic() - self.start, text))

    def passing(self, text):
        """A line that the next one replaces; where there is no terminal, one a second stays."""
        if self.quiet:
            return
        if not self.live:
            if time.monotonic() - self.last_plain >= PLAIN_INTERVAL:
                self.last_plain = time.monotonic()
                self.step(text)
            return
        width = shutil.get_terminal_size().columns
        text = '%6.1f s  %s' % (time.monotonic() - self.start, text)
        self.stream.write('\r\x1b[K' + text[:width - 1])
        self.stream.flush()
        self.shown = True

    def clear(self):
        """Takes the passing line away."""
        if self.shown:
            self.stream.write('\r\x1b[K')
            self.stream.flush()
            self.shown = False


class Progress:
    """Follows one migration: what query-migrate and the events say."""

    def __init__(self, display, page_size=4096):
        self.display = display
        self.page_size = page_size
        self.ram = {}
        self.info = {}
        self.last = (time.monotonic(), 0)
        self.rate = 0.0
        self.passes = []
        self.current = 0
        self.pass_start = (time.monotonic(), 0)

    def update(self, info):
        """A new answer of query-migrate."""
        self.info = info
        self.ram = info.get('ram', self.ram)
        now, sent = time.monotonic(), self.ram.get('transferred', 0)
        if now - self.last[0] > 0.15:
            self.rate = (sent - self.last[1]) / (now - self.last[0])
            self.last = (now, sent)
        self.display.passing(self.text())

    def text(self):
        """The live line."""
        ram, total = self.ram, self.ram.get('total', 0)
        left = ram.get('remaining', 0)
        done = 1 - left / total if total else 0
        width = 16
        bar = '#' * int(done * width) + '.' * (width - int(done * width))
        dirty = ram.get('dirty-pages-rate', 0) * ram.get('page-size', self.page_size)
        return '%-9s [%s] %s sent at %s/s, %s left, guest dirties %s/s, stop would take %s' % (
            self.info.get('status', 'none'), bar, mega(ram.get('transferred', 0)), mega(self.rate), mega(left),
            mega(dirty), milli(self.info.get('expected-downtime')))

    def new_pass(self, number):
        """MIGRATION_PASS: pass `number` begins; what those have done that have ended since the last call."""
        first, self.current = self.current, number
        now, sent = time.monotonic(), self.ram.get('transferred', 0)
        if number <= first or not first:
            return
        seconds, count = now - self.pass_start[0], sent - self.pass_start[1]
        self.pass_start = (now, sent)
        dirty = self.ram.get('dirty-pages-rate', 0) * self.ram.get('page-size', self.page_size)
        self.passes.append({'passes': [first, number - 1], 'seconds': round(seconds, 3), 'bytes': count,
                            'dirty-bytes-rate': dirty})
        name = 'pass %d' % first if number == first + 1 else 'passes %d to %d' % (first, number - 1)
        self.display.step('%s: %s in %.2f s; %s left; guest dirties %s/s' % (
            name, mega(count), seconds, mega(self.ram.get('remaining', 0)), mega(dirty)))
