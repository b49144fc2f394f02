# tiny.py - guests of a few instructions, put together by hand: no compiler needed.
#
#     path = tiny.write(folder, tiny.POWEROFF)      an ELF file for -bios none -kernel
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests of a few instructions, put together by hand."""
import os
import struct

RAM = 0x80000000
TO_FINISHER = [0x001002b7]                      # lui t0, 0x100: the test finisher at 0x100000
STORE = [0x0062a023]                            # sw t1, 0(t0)
STOP = [0x0000006f]                             # j .
PASS = [0x00005337, 0x55530313]                 # t1 = 0x5555
FAIL3 = [0x00033337, 0x33330313]                # t1 = 0x33333: failure, exit code 3
RESET = [0x00007337, 0x77730313]                # t1 = 0x7777
PRINT_B = [0x100002b7, 0x04200313, 0x00628023]  # t0 = UART, t1 = 'B', sb t1, 0(t0)
SLEEP = [0x10500073, 0xffdff06f]                # wfi, and again

POWEROFF = TO_FINISHER + PASS + STORE + STOP
FAILURE = TO_FINISHER + FAIL3 + STORE + STOP
SPIN = STOP
IDLE = SLEEP
# Prints B and resets; on the second boot, which it knows by a word in RAM, it powers off.
REBOOT = (PRINT_B +
          [0x00100297,          # auipc t0, 0x100
           0x0002a303,          # lw t1, 0(t0)
           0x00100393,          # li t2, 1
           0x0072a023] +        # sw t2, 0(t0)
          TO_FINISHER +
          [0x00031a63] +        # bnez t1, 20 bytes on
          RESET + STORE + STOP +
          PASS + STORE + STOP)
# Sends back what the serial port gets.
ECHO = [0x100002b7,             # lui t0, 0x10000: the UART
        0x0052c303,             # lbu t1, 5(t0): line status
        0x00137313,             # andi t1, t1, 1: data ready?
        0xfe030ce3,             # beqz t1, back to the status
        0x0002c303,             # lbu t1, 0(t0)
        0x00628023,             # sb t1, 0(t0)
        0xfedff06f]             # j, back to the status


def write(folder, words, name='guest.elf'):
    """An ELF file whose words stand at the beginning of RAM; its path."""
    code = struct.pack('<%dI' % len(words), *words)
    header = struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\x02\x01\x01' + bytes(9), 2, 243, 1, RAM, 64, 0, 0,
                         64, 56, 1, 0, 0, 0)
    segment = struct.pack('<IIQQQQQQ', 1, 7, 4096, RAM, RAM, len(code), len(code), 4096)
    path = os.path.join(folder, name)
    with open(path, 'wb') as elf:
        elf.write(header + segment + bytes(4096 - 64 - 56) + code)
    return path


def args(folder, words):
    """The arguments that run these words in machine mode."""
    return ['-M', 'virt', '-m', '32M', '-bios', 'none', '-kernel', write(folder, words)]
