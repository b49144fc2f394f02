# icount.py - runs in deterministic mode: to an exact instruction, its digest, and noise from outside.
#
# Everything that the noise does is a question, or a stop and a start: nothing that the guest may see.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in deterministic mode."""
import tempfile
import time

from godwit import QmpError, Vm

QUESTIONS = ('info registers -a', 'info status', 'info qtree', 'info mtree', 'info block', 'info irq',
             'info cpus', 'info mem', 'info network', 'info chardev', 'x/4i $pc', 'x/16xw $sp')


class Run:
    """What a run ended with: instructions, total, {part: digest}, console, disk's bytes, seconds."""

    def __init__(self, reply):
        self.instructions = reply['instructions']
        self.total = reply['total']
        self.parts = {part['name']: part['digest'] for part in reply['parts']}
        self.console = ''
        self.disk = b''
        self.seconds = 0

    def differs_from(self, other):
        """The names of the parts that are not the same, or '' if nothing differs."""
        names = [name for name in {**self.parts, **other.parts}
                 if self.parts.get(name) != other.parts.get(name)]
        names += ['console'] if self.console != other.console else []
        names += ['disk'] if self.disk != other.disk else []
        names += ['instructions'] if self.instructions != other.instructions else []
        return ', '.join(names)


def noise(vm, insns, pace):
    """Questions, stops and starts each pace seconds until the machine is there; its digest, and how many."""
    stops = 0
    while True:
        vm.qmp('stop')
        # The stop may have fallen on the very instruction: then there must be no start.
        reply = vm.qmp('x-query-state-digest')
        if reply['instructions'] >= insns:
            return reply, stops
        vm.hmp(QUESTIONS[stops % len(QUESTIONS)])
        vm.qmp('cont')
        vm.qmp('query-status')
        vm.qmp('query-blockstats')
        vm.hmp(QUESTIONS[(stops + 5) % len(QUESTIONS)])
        vm.qmp('pmemsave', val=0x80000000, size=65536, filename=vm.path('mem'))
        if stops % 8 == 7 and 'virtio-gpu-device' in vm.argv:
            try:
                vm.qmp('screendump', filename=vm.path('shot'))
            except QmpError:
                pass    # the guest has not set the display up yet
        stops += 1
        time.sleep(pace)


def run(args, insns, noise_pace=None, disk_size=0, timeout=600, **keywords):
    """Runs to exactly that instruction count; a Run. noise_pace: see noise(); disk_size: of a fresh disk."""
    start = time.monotonic()
    with tempfile.NamedTemporaryFile(prefix='godwit-disk-') as disk:
        disk.truncate(disk_size)
        extra = ['-drive', 'file=%s,format=raw,if=virtio' % disk.name] if disk_size else []
        with Vm(['-S', '-icount', 'shift=1', *args, *extra], **keywords) as vm:
            vm.qmp('x-stop-at', insns=insns)
            vm.monitor.sock.settimeout(timeout)
            vm.qmp('cont')
            if noise_pace is not None:
                reply, stops = noise(vm, insns, noise_pace)
                print('# %d stops and starts' % stops, flush=True)
            else:
                vm.monitor.event('STOP')
                reply = vm.qmp('x-query-state-digest')
            result = Run(reply)
            vm.qmp('quit')
            status = vm.wait(timeout)
            if status != 0:
                raise RuntimeError('exit code %d\n%s' % (status, vm.stderr()))
            result.console = vm.output
        disk.seek(0)
        result.disk = disk.read()
    result.seconds = time.monotonic() - start
    return result
