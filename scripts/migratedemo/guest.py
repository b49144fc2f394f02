# guest.py - the guest of a demonstration: its arguments, its files, its boot, its work, its end.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest of a demonstration."""
import os
import subprocess
import time

from . import measure, workload
from .display import mega
from .machine import Machine, Trouble

SCRIPTS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
MB = 1 << 20
BOOT_TIMEOUT = 180
DISK_BLOCKS = 256               # of 64 KiB


class Guest:
    """One guest at work and the processes that run it; demonstrations derive from it."""

    def __init__(self, args, display, folder):
        self.args = args
        self.display = display
        self.folder = folder
        self.program = os.environ.get('GODWIT') or os.path.join(SCRIPTS, '..', 'build', 'godwit')
        if not os.access(self.program, os.X_OK):
            raise Trouble('%s is not there: run make (or ./quickstart) first' % os.path.relpath(self.program))
        self.linux = None if args.bare else self.find_linux()
        self.machines = []
        self.empty_disk('disk.img')
        self.arguments = self.make_arguments()

    # ---- What it is ----

    @staticmethod
    def find_linux():
        """The folder of the Linux guest, or None."""
        path = subprocess.run([os.path.join(SCRIPTS, 'fetch-guest'), '--path'], stdout=subprocess.PIPE, text=True,
                              check=True).stdout.strip()
        if all(os.path.exists(os.path.join(path, name)) for name in ('kernel', 'initrd')):
            return path
        return None

    def make_arguments(self):
        """What every process is started with."""
        args = self.args
        memory = args.memory or (384 if self.linux else 192)
        hot, cold = self.areas(memory)
        common = ['-M', 'virt', '-m', '%dM' % memory, '-smp', str(args.smp), '-nodefaults']
        self.display.line(self.introduction(memory))
        if not self.linux:
            elf = self.write('guest.elf', workload.bare_program(args.dirty * 1e6, hot, cold))
            return common + ['-bios', 'none', '-kernel', elf]
        program = workload.linux_program(args.dirty * 1e6, hot, cold, DISK_BLOCKS)
        with open(os.path.join(self.linux, 'initrd'), 'rb') as initrd:
            image = initrd.read() + workload.cpio({'bin/demo-work': program})
        return common + [
            '-kernel', os.path.join(self.linux, 'kernel'), '-initrd', self.write('initrd', image),
            '-append', 'console=ttyS0 quiet', '-netdev', 'user,id=net0', '-device', 'virtio-net-device,netdev=net0']

    def introduction(self, memory):
        """The first line."""
        harts = '%d hart%s' % (self.args.smp, 's' if self.args.smp > 1 else '')
        if self.linux:
            return 'The guest: Debian\'s kernel, %s, %d MiB, a disk, a network card.' % (harts, memory)
        why = '' if self.args.bare else '\n(scripts/fetch-guest makes a Linux guest from a Debian mirror.)'
        return 'The guest: the built-in bare-metal one, %s, %d MiB.%s' % (harts, memory, why)

    def areas(self, memory):
        """(hot, cold) bytes of the dirtier: a quarter of the memory is written once, and 32 MiB again and again."""
        room = (memory - (160 if self.linux else 8)) * MB
        if room < 16 * MB:
            raise Trouble('--memory %d is too little for this guest: %d is the least'
                          % (memory, 176 if self.linux else 24))
        hot = min(32 * MB, room // 2)
        return hot, min(room - hot, memory * MB // 4)

    def write(self, name, data):
        """A file of this run."""
        path = os.path.join(self.folder, name)
        with open(path, 'wb') as out:
            out.write(data)
        return path

    # ---- Its life ----

    def empty_disk(self, name):
        """Makes a disk, which processes are given that start from now on."""
        self.disk = self.write(name, b'')
        os.truncate(self.disk, DISK_BLOCKS * workload.BLOCK)

    def start(self, name, *more):
        """Starts a process."""
        drive = ['-drive', 'file=%s,format=raw,if=virtio' % self.disk] if self.linux else []
        machine = Machine(name, self.program, [*self.arguments, *drive, *more], self.folder)
        self.machines.append(machine)
        return machine

    def boot(self, *more):
        """Process A, with the guest at work in it."""
        source = self.start('A', *more)
        self.display.step('process A (%d) boots it' % source.process.pid)
        begin = time.monotonic()

        def waiting():
            self.display.passing('booting: %.0f s' % (time.monotonic() - begin), interval=5)
        if self.linux:
            source.wait_text('GODWIT-GUEST-READY', 'the guest to boot', BOOT_TIMEOUT, waiting)
            source.wait_text('# ', "the guest's shell", BOOT_TIMEOUT, waiting)
            source.send('stty -echo -onlcr; PS1=\n')
            source.shell('true', BOOT_TIMEOUT)
            source.send('demo-work & set +m\n')
        source.wait(lambda: source.beats, 'the first heartbeat', BOOT_TIMEOUT, waiting)
        self.display.step('it works: a heartbeat every 10 ms, %s/s rewritten%s' % (
            mega(self.args.dirty * 1e6), ', a disk' if self.linux else ''))
        # It first fills its memory.
        source.wait(lambda: not self.args.dirty or source.beats[-1].beat.pages > 0,
                    'the workload to fill its memory', BOOT_TIMEOUT)
        self.watch(source)
        return source

    def watch(self, machine):
        """Lets the guest work for a while, and shows it."""
        end = time.monotonic() + self.args.work
        while time.monotonic() < end:
            machine.qmp.poll_events(0.1)
            beats = machine.beats_now()
            if beats:
                beat = beats[-1].beat
                self.display.passing('in %s: heartbeat %d, %s rewritten, %s%d wrong' % (
                    machine.name, beat.seq, mega(beat.pages * workload.PAGE),
                    '%d disk blocks, ' % beat.blocks if self.linux else '', beat.bad + beat.diskbad))

    def settle(self, machine):
        """Ends the work and compares the disk as the guest reads it with the image on the host."""
        self.display.passing('comparing the disk as the guest reads it with the image', interval=0)
        machine.send('\nkillall demo-work; wait; echo; sync; echo 3 > /proc/sys/vm/drop_caches\n')
        machine.shell('true')
        status, text = machine.shell('sha256sum /dev/vda')
        guest = text.split()[0] if status == 0 and text.split() else 'nothing'
        status, _ = machine.shell('ping -c 1 -W 10 10.0.2.2 >/dev/null 2>&1')
        count = machine.beats_now()[-1].beat.blocks
        return {'sha256-guest': guest, 'sha256-image': measure.sha256(self.disk),
                'wrong-blocks-in-image': measure.check_image(self.disk, count, DISK_BLOCKS),
                'network-answers': status == 0}

    def close(self):
        """Ends the processes of this run."""
        for machine in self.machines:
            machine.close()
