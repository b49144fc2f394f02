# relay.py - a channel between two emulators that can be cut, or filled with nonsense, at any moment.
#
#     relay = Relay(path_to_listen_at, path_of_the_destination)
#     ...
#     relay.fault('cut')        or 'garbage': what follows is noise, then the end
#     relay.end()
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""A channel between two emulators that can be cut, or filled with nonsense, at any moment."""
import os
import random
import select
import socket
import threading

NOISE = 64 * 1024


class Relay:
    """Passes bytes on in both directions, on a thread."""

    def __init__(self, path, destination):
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(1)
        self.destination = destination
        self.kind = None
        self.wake = os.pipe()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def fault(self, kind):
        """It comes now, wherever the stream is."""
        self.kind = kind
        os.write(self.wake[1], b'!')

    def end(self):
        """Waits until both sides are closed."""
        self.fault('cut')
        self.thread.join()
        for fd in self.wake:
            os.close(fd)
        self.server.close()

    def run(self):
        """The thread."""
        if self.wake[0] in select.select([self.server, self.wake[0]], [], [])[0]:
            return
        source = self.server.accept()[0]
        with source, socket.socket(socket.AF_UNIX) as destination:
            destination.connect(self.destination)
            try:
                self.pump(source, destination)
            except OSError:
                pass            # one side has hung up in the middle of a write

    def pump(self, source, destination):
        """Until one side ends, or the fault."""
        other = {source: destination, destination: source}
        while True:
            ready = select.select([source, destination, self.wake[0]], [], [])[0]
            if self.wake[0] in ready:
                if self.kind == 'garbage':
                    destination.sendall(random.Random(7).randbytes(NOISE))
                return
            for end in ready:
                data = end.recv(1 << 18)
                if not data:
                    return
                other[end].sendall(data)
