# tap.py - the little that a Python test program needs to print TAP.
#
#     from tap import Tap
#     tap = Tap()
#     tap.check(1 + 1 == 2, 'addition')
#     tap.skip('division', 'no divider')
#     sys.exit(tap.done())
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""The little that a Python test program needs to print TAP."""
import traceback


class Tap:
    """Counts points; the plan comes last, which TAP allows."""

    def __init__(self):
        self.points = 0
        self.failed = 0

    def check(self, good, name, why=''):
        """One point; `why` is shown when it is not good."""
        self.points += 1
        print('%s %d - %s' % ('ok' if good else 'not ok', self.points, name), flush=True)
        if not good:
            self.failed += 1
            for line in str(why).splitlines():
                print('# ' + line, flush=True)
        return good

    def equal(self, got, expected, name):
        """One point: two values are the same."""
        return self.check(got == expected, name, 'got      %r\nexpected %r' % (got, expected))

    def skip(self, name, why):
        """One point that cannot be tried here."""
        self.points += 1
        print('ok %d - %s # SKIP %s' % (self.points, name, why), flush=True)

    def run(self, function, name=None):
        """Calls a test function; an exception in it is one failed point."""
        try:
            function(self)
        except Exception:  # pylint: disable=broad-except
            self.check(False, name or function.__name__, traceback.format_exc())

    def done(self):
        """Prints the plan; returns the exit status."""
        print('1..%d' % self.points, flush=True)
        return 1 if self.failed or not self.points else 0
