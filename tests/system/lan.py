# lan.py - a local network of one cable: a switch for -netdev stream, and on it a host that speaks TCP.
#
# The switch learns from the frames it sees behind which connection an address is, as switches do; so
# a guest that has moved gets its frames when it, or its announcement, is heard from the new process.
# The host (10.9.0.1) answers ARP and takes one TCP connection on any port.  It sends a stream that never
# ends and wants every byte back in order (`nc 10.9.0.1 7 -e cat` in the guest).  Lost frames are sent
# again after RESEND seconds, from the first unacknowledged byte on (RFC 9293 without its refinements).
#
# It proves that a TCP connection of the guest outlives a move: the host is in neither of the processes,
# and a byte lost, doubled or changed, a reset or a second connection is written down in `trouble`.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""A local network of one cable: a switch, and on it a host that speaks TCP."""
import collections
import random
import select
import socket
import struct
import threading
import time

HOST_MAC = bytes.fromhex('525400aa0001')
HOST_IP = bytes((10, 9, 0, 1))
ARP, RARP, IPV4 = 0x0806, 0x8035, 0x0800
FIN, SYN, RST, ACK = 1, 2, 4, 16
MSS = 1400
BURST = 8 * MSS                 # bytes sent every TICK at most, so that the machine is not only busy with this
TICK = 0.01
UNECHOED = 64 * MSS             # bytes that may be under way there and back
RESEND = 0.3
WORD = 1 << 32
# What the host sends, over and over; a prime length, so that no shift of a power of two goes unnoticed.
PATTERN = random.Random(1).randbytes(65521)


def pattern(offset, size):
    """That many bytes of the stream."""
    out = b''
    while len(out) < size:
        begin = (offset + len(out)) % len(PATTERN)
        out += PATTERN[begin:begin + size - len(out)]
    return out


def checksum(data):
    """The Internet checksum, RFC 1071."""
    data += b'\0' * (len(data) & 1)
    total = sum(struct.unpack('>%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Peer:
    """The other end of the guest's TCP connection; offsets count the bytes of each direction."""

    def __init__(self, send):
        self.send_frame = send
        self.trouble = []
        self.address = None     # (MAC, IP, port, own port) of the guest
        self.acked = self.sent = self.echoed = 0
        self.window = 0
        self.guest_first = 0    # sequence number of the first byte from the guest
        self.progress = time.monotonic()

    OWN_FIRST = 1001

    def receive(self, frame):
        """A frame for the host or for everybody."""
        kind, = struct.unpack_from('>H', frame, 12)
        if kind == ARP and frame[20:22] == b'\0\1' and frame[38:42] == HOST_IP:
            self.send_frame(frame[6:12] + HOST_MAC + frame[12:20] + b'\0\2' + HOST_MAC + HOST_IP + frame[22:32])
        elif kind == IPV4 and frame[23] == 6 and frame[30:34] == HOST_IP:
            begin = 14 + (frame[14] & 15) * 4
            end = 14 + struct.unpack_from('>H', frame, 16)[0]
            self.segment(frame[6:12], frame[26:30], frame[begin:end])

    def segment(self, mac, ip, tcp):
        """A TCP segment from the guest."""
        port, own, sequence, acked, offset, flags, window = struct.unpack_from('>HHIIBBH', tcp)
        data = tcp[(offset >> 4) * 4:]
        address = (mac, ip, port, own)
        if flags & SYN:
            if self.address not in (None, address):
                self.trouble.append('a second connection, from port %d' % port)
                return
            self.address, self.guest_first, self.window = address, sequence + 1, window
            self.transmit(SYN | ACK, self.OWN_FIRST - 1, struct.pack('>BBH', 2, 4, MSS))
            return
        if address != self.address:
            return
        if flags & (RST | FIN):
            self.trouble.append('the guest ended the connection after %d bytes' % self.echoed)
            return
        self.window = window
        ahead = (acked - self.OWN_FIRST - self.acked) % WORD
        if flags & ACK and 0 < ahead <= self.sent - self.acked:
            self.acked += ahead
            self.progress = time.monotonic()
        if data:
            self.echo((sequence - self.guest_first - self.echoed) % WORD, data)

    def echo(self, ahead, data):
        """Data that came back, `ahead` bytes beyond what has come so far."""
        if ahead > WORD // 2:
            # Sent again: what is known already falls away.
            data = data[WORD - ahead:]
            ahead = 0
        if ahead == 0 and data:
            if data != pattern(self.echoed, len(data)):
                self.trouble.append('wrong bytes came back, from %d on' % self.echoed)
            if self.echoed + len(data) > self.sent:
                self.trouble.append('more came back than was sent')
            self.echoed += len(data)
        self.transmit(ACK, self.OWN_FIRST + self.sent)

    def tick(self):
        """Sends what the guest has room for; after a silence, again what it has not acknowledged."""
        if not self.address or not self.window:
            return
        now = time.monotonic()
        if self.acked < self.sent and now - self.progress > RESEND:
            self.progress = now
            for begin in range(self.acked, min(self.sent, self.acked + 4 * MSS), MSS):
                self.transmit(ACK, self.OWN_FIRST + begin, b'', pattern(begin, min(MSS, self.sent - begin)))
            return
        if self.acked == self.sent:
            self.progress = now
        limit = min(self.acked + self.window, self.echoed + UNECHOED, self.sent + BURST)
        while self.sent + MSS <= limit:
            self.transmit(ACK, self.OWN_FIRST + self.sent, b'', pattern(self.sent, MSS))
            self.sent += MSS

    def transmit(self, flags, sequence, options=b'', data=b''):
        """A segment to the guest."""
        mac, ip, port, own = self.address
        acked = (self.guest_first + self.echoed) % WORD
        tcp = struct.pack('>HHIIBBHHH', own, port, sequence % WORD, acked, (20 + len(options)) << 2, flags, 65535, 0, 0)
        tcp += options + data
        pseudo = HOST_IP + ip + struct.pack('>HH', 6, len(tcp))
        tcp = tcp[:16] + struct.pack('>H', checksum(pseudo + tcp)) + tcp[18:]
        header = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, HOST_IP, ip)
        header = header[:10] + struct.pack('>H', checksum(header)) + header[12:]
        self.send_frame(mac + HOST_MAC + struct.pack('>H', IPV4) + header + tcp)


class Lan(threading.Thread):
    """The switch, with the host on it; emulators connect to the unix socket `path`."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        self.pending = {}       # connection: bytes of an unfinished frame
        self.number = {}        # connection: its number, in the order they came
        self.where = {}         # MAC: connection
        self.announced = collections.Counter()      # number of a connection: announcements from it
        self.dropped = 0
        self.peer = Peer(self.to_guest)
        self.stop = threading.Event()

    def run(self):
        """The thread."""
        due = time.monotonic()
        while not self.stop.is_set():
            for sock in select.select([self.listener, *self.pending], [], [], TICK)[0]:
                if sock is self.listener:
                    connection = sock.accept()[0]
                    self.pending[connection] = b''
                    self.number[connection] = len(self.number)
                else:
                    self.read(sock)
            if time.monotonic() >= due:
                due = time.monotonic() + TICK
                self.peer.tick()

    def read(self, sock):
        """Frames from an emulator: each behind its length, 32 bits in network order."""
        try:
            data = sock.recv(65536)
        except OSError:
            data = b''
        if not data:
            sock.close()
            del self.pending[sock]
            return
        data = self.pending[sock] + data
        while len(data) >= 4:
            size, = struct.unpack_from('>I', data)
            if len(data) < 4 + size:
                break
            frame, data = data[4:4 + size], data[4 + size:]
            self.where[frame[6:12]] = sock
            if struct.unpack_from('>H', frame, 12)[0] == RARP:
                self.announced[self.number[sock]] += 1
            elif frame[:6] in (HOST_MAC, b'\xff' * 6):
                self.peer.receive(frame)
        self.pending[sock] = data

    def to_guest(self, frame):
        """A frame to where its address was heard last; lost if there is nobody, or no room."""
        sock = self.where.get(frame[:6])
        if sock not in self.pending or not select.select([], [sock], [], 0)[1]:
            self.dropped += 1
            return
        try:
            sock.sendall(struct.pack('>I', len(frame)) + frame)
        except OSError:
            self.dropped += 1

    def close(self):
        """Ends the thread."""
        self.stop.set()
        self.join()
        for sock in [self.listener, *self.pending]:
            sock.close()
