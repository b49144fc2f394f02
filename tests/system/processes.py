# processes.py - waiting for processes that are no children of the test.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for processes that are no children of the test."""
import select
import time

from godwit import TIMEOUT


def gone(pid):
    """Waits until a process has ended; False if it does not."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        try:
            with open('/proc/%d/stat' % pid, encoding='ascii') as stat:
                if stat.read().rsplit(')', 1)[1].split()[0] == 'Z':
                    return True
        except FileNotFoundError:
            return True
        select.select([], [], [], 0.01)
    return False
