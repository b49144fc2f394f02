# migrate.py - guests that notice what a move does to them, and two emulators to move them between.
#
#     with Move(args) as move:
#         move.listen('tcp')
#         move.start()
#         move.finish()
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that notice what a move does to them, and two emulators to move them between."""
import array
import os
import shutil
import socket
import tempfile
import time

import tiny
from godwit import TIMEOUT, Timeout, Vm

# Each hart n writes a counter twice into every page of its own 4 MiB, checking first that both hold the
# count of the pass before: a page that was lost, is stale or is torn makes it print X and stop.  Every 16
# passes it prints the letter 'a' + n.
WRITER = [
    0xf14022f3,     # csrr t0, mhartid
    0x01629313,     # slli t1, t0, 22
    0x00200417,     # auipc s0, 0x200
    0x00640433,     # add s0, s0, t1: the first page
    0x004004b7,     # lui s1, 0x400
    0x009404b3,     # add s1, s0, s1: the end
    0x00001937,     # lui s2, 1
    0xff890b93,     # addi s7, s2, -8
    0x10000ab7,     # lui s5, 0x10000: the UART
    0x06128b13,     # addi s6, t0, 'a'
    0x00000993,     # li s3, 0
    0x00098a13,     # pass: mv s4, s3
    0x00198993,     # addi s3, s3, 1
    0x00040293,     # mv t0, s0
    0x017283b3,     # page: add t2, t0, s7
    0x0002b303,     # ld t1, 0(t0)
    0x03431663,     # bne t1, s4, bad
    0x0003b303,     # ld t1, 0(t2)
    0x03431263,     # bne t1, s4, bad
    0x0132b023,     # sd s3, 0(t0)
    0x0133b023,     # sd s3, 0(t2)
    0x012282b3,     # add t0, t0, s2
    0xfe92e0e3,     # bltu t0, s1, page
    0x00f9f313,     # andi t1, s3, 15
    0xfc0316e3,     # bnez t1, pass
    0x016a8023,     # sb s6, 0(s5)
    0xfc5ff06f,     # j pass
    0x05800313,     # bad: li t1, 'X'
    0x006a8023,     # sb t1, 0(s5)
    0x0000006f,     # j .
]

# Sleeps in wfi; its timer wakes it about every 10 ms to print a dot. Nothing else can wake it.
HEARTBEAT = [
    0x00000297,     # auipc t0, 0
    0x04028293,     # addi t0, t0, trap
    0x30529073,     # csrw mtvec, t0
    0x10000ab7,     # lui s5, 0x10000: the UART
    0x02004437,     # lui s0, 0x2004: mtimecmp
    0x0200c4b7,     # lui s1, 0x200c
    0xff848493,     # addi s1, s1, -8: mtime
    0x0004b303,     # ld t1, 0(s1)
    0x000183b7,     # lui t2, 0x18
    0x00730333,     # add t1, t1, t2
    0x00643023,     # sd t1, 0(s0)
    0x08000313,     # li t1, MTIE
    0x30431073,     # csrw mie, t1
    0x30046073,     # csrsi mstatus, MIE
    0x10500073,     # wfi
    0xffdff06f,     # j back to it
    0x02e00313,     # trap: li t1, '.'
    0x006a8023,     # sb t1, 0(s5)
    0x0004b303,     # ld t1, 0(s1)
    0x000183b7,     # lui t2, 0x18
    0x00730333,     # add t1, t1, t2
    0x00643023,     # sd t1, 0(s0)
    0x30200073,     # mret
]


def capabilities(vm, **values):
    """Switches capabilities."""
    vm.qmp('migrate-set-capabilities', capabilities=[
        {'capability': name.replace('_', '-'), 'state': value} for name, value in values.items()])


def pass_fd(vm, fd, name):
    """getfd: gives the emulator a descriptor."""
    if not vm.monitor:
        vm.connect()
    vm.monitor.sock.sendmsg([b'{"execute": "getfd", "arguments": {"fdname": "%s"}}\r\n' % name.encode()],
                            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))])
    reply = vm.monitor.reply()
    assert 'return' in reply, reply


def end_status(vm, timeout=TIMEOUT):
    """Waits for a status in which a migration ends, by the events; query-migrate's answer."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        event = vm.monitor.event('MIGRATION')
        if event['data']['status'] in ('completed', 'failed', 'cancelled'):
            return vm.qmp('query-migrate')
    raise Timeout('no end; %r' % vm.qmp('query-migrate'))


def wait_status(vm, status):
    """Waits for an event with that status."""
    while vm.monitor.event('MIGRATION')['data']['status'] != status:
        pass


class Move:
    """A source and a destination with the same arguments, both telling events."""

    def __init__(self, words, *args, dst_args=None, running=True, defer=True):
        self.folder = tempfile.mkdtemp(prefix='godwit-test-')
        guest = tiny.write(self.folder, words)
        base = ['-M', 'virt', '-m', '64M', '-bios', 'none', '-kernel', guest]
        self.args = base + list(args)
        self.dst_args = base + list(args if dst_args is None else dst_args)
        self.src = Vm(self.args + ([] if running else ['-S']))
        self.dst = Vm(self.dst_args + ['-incoming', 'defer']) if defer else None
        self.uri = None
        for vm in (self.src, self.dst):
            if vm:
                capabilities(vm, events=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for vm in (self.src, self.dst):
            if vm:
                vm.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        """A file of this move's own."""
        return os.path.join(self.folder, name)

    def listen(self, transport):
        """Lets the destination wait; the source's URI is in self.uri."""
        if transport in ('tcp', 'rdma', 'rdma6'):
            scheme = transport[:4] if transport != 'tcp' else transport
            host = '[::1]' if transport == 'rdma6' else '127.0.0.1'
            self.dst.qmp('migrate-incoming', uri='%s:%s:0' % (scheme, host), exit_on_error=False)
            address = self.dst.qmp('query-migrate')['socket-address'][0]
            self.uri = '%s:%s:%s' % (scheme, host, address['port'])
        elif transport == 'unix':
            self.uri = 'unix:' + self.path('channel')
            self.dst.qmp('migrate-incoming', uri=self.uri, exit_on_error=False)
        elif transport == 'exec':
            fifo = self.path('fifo')
            os.mkfifo(fifo)
            self.dst.qmp('migrate-incoming', uri='exec:cat ' + fifo, exit_on_error=False)
            self.uri = 'exec:cat > ' + fifo
        elif transport == 'fd':
            ends = socket.socketpair()
            pass_fd(self.src, ends[0].fileno(), 'wire')
            pass_fd(self.dst, ends[1].fileno(), 'wire')
            for end in ends:
                end.close()
            self.uri = 'fd:wire'
            self.dst.qmp('migrate-incoming', uri=self.uri, exit_on_error=False)
        else:
            self.uri = 'file:' + self.path('stream')

    def start(self):
        """Begins the move."""
        self.src.qmp('migrate', uri=self.uri)

    def finish(self):
        """Waits for both ends; (source's, destination's) query-migrate."""
        src = end_status(self.src)
        if self.uri.startswith('file:') and src['status'] == 'completed':
            self.dst.qmp('migrate-incoming', uri=self.uri, exit_on_error=False)
        return src, end_status(self.dst)


def letters(vm, harts=1, rounds=3):
    """Waits until each hart has printed its letter so often, from now on; False if one found a bad page."""
    start = vm.position = len(vm.output)
    wanted = [chr(ord('a') + n) for n in range(harts)]
    while any(vm.output[start:].count(letter) < rounds for letter in wanted):
        vm.expect('[a-hX]')
        if 'X' in vm.output:
            return False
    return True
