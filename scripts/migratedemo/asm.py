# asm.py - an assembler for the few RISC-V instructions that the workloads need.
#
# Users have no cross compiler, so guest programs are assembled here.  One instruction a line, in the
# usual syntax; comments begin with '#'.  Instruction formats: the unprivileged specification,
# section 2.2 and the opcode listing at its end.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""An assembler for the few RISC-V instructions that the workloads need."""
import re
import struct

ABI = ('zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 '
       's2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6').split()
REGISTERS = {name: number for number, name in enumerate(ABI)}

# name: (funct7, funct3, opcode)
R_TYPE = {'add': (0, 0, 0x33), 'sub': (0x20, 0, 0x33), 'sll': (0, 1, 0x33), 'sltu': (0, 3, 0x33),
          'xor': (0, 4, 0x33), 'srl': (0, 5, 0x33), 'or': (0, 6, 0x33), 'and': (0, 7, 0x33),
          'mul': (1, 0, 0x33), 'divu': (1, 5, 0x33), 'remu': (1, 7, 0x33)}
# name: (funct3, opcode)
I_TYPE = {'addi': (0, 0x13), 'addiw': (0, 0x1b), 'xori': (4, 0x13), 'ori': (6, 0x13),
          'andi': (7, 0x13)}
SHIFT = {'slli': 1, 'srli': 5}
LOAD = {'lb': 0, 'lw': 2, 'ld': 3, 'lbu': 4, 'lwu': 6}
STORE = {'sb': 0, 'sw': 2, 'sd': 3}
BRANCH = {'beq': 0, 'bne': 1, 'blt': 4, 'bge': 5, 'bltu': 6, 'bgeu': 7}
PLAIN = {'ecall': 0x73, 'nop': 0x13, 'ret': 0x8067, 'wfi': 0x10500073, 'mret': 0x30200073}
CSRR = {'rdtime': 0xc01, 'mhartid': 0xf14}
CSR_OPS = {'csrrw': 1, 'csrrs': 2, 'csrrc': 3}
CSRS = {'sie': 0x104, 'sip': 0x144, 'stimecmp': 0x14d, 'mstatus': 0x300, 'mideleg': 0x303, 'mie': 0x304,
        'mtvec': 0x305, 'mcounteren': 0x306, 'menvcfg': 0x30a, 'mepc': 0x341, 'mcause': 0x342, 'mip': 0x344,
        'pmpcfg0': 0x3a0, 'pmpaddr0': 0x3b0}


class AsmError(Exception):
    """A line that this assembler does not know."""


def load_constant(register, value):
    """The instructions of `li`, for any 64-bit value."""
    value = (value + (1 << 63)) % (1 << 64) - (1 << 63)
    if -2048 <= value < 2048:
        return [('addi', register, 'zero', value)]
    low = (value + 2048) % 4096 - 2048
    if -(1 << 31) <= value < 1 << 31:
        # addiw wraps at 32 bits as lui does, so that 0x7ffff800 and above come out right.
        return [('lui', register, (value - low) >> 12 & 0xfffff), ('addiw', register, register, low)]
    return load_constant(register, (value - low) >> 12) + [
        ('slli', register, register, 12), ('addi', register, register, low)]


def expand(name, args):
    """What a pseudo-instruction stands for: a list of instructions as tuples."""
    if name == 'li':
        return load_constant(args[0], int(args[1], 0))
    if name == 'la':
        return [('auipc', args[0], ('hi', args[1])), ('addi', args[0], args[0], ('lo', args[1]))]
    if name == 'mv':
        return [('addi', args[0], args[1], 0)]
    if name == 'j':
        return [('jal', 'zero', args[0])]
    if name == 'call':
        return [('jal', 'ra', args[0])]
    if name in ('beqz', 'bnez'):
        return [(name[:-1], args[0], 'zero', args[1])]
    return [(name, *args)]


class Assembler:
    """Two passes: sizes and labels, then code."""

    def __init__(self, text, base):
        self.base = base
        self.labels = {}
        self.items = []         # (address, instruction tuple or bytes)
        address = base
        for line in text.splitlines():
            line = re.sub(r'#.*', '', line).strip()
            match = re.match(r'^(\w+):\s*(.*)$', line)
            if match:
                self.labels[match.group(1)] = address
                line = match.group(2)
            for item in self.parse(line) if line else []:
                self.items.append((address, item))
                address += len(item) if isinstance(item, bytes) else 4

    @staticmethod
    def parse(line):
        """A line without its label: tuples of instructions, or bytes."""
        name, _, rest = line.partition(' ')
        if name == '.asciz':
            data = rest.strip()[1:-1].encode().decode('unicode_escape').encode('latin-1') + b'\0'
            return [data + b'\0' * (-len(data) % 8)]
        if name == '.zero':
            return [b'\0' * int(rest, 0)]
        return expand(name, [arg.strip() for arg in rest.split(',')] if rest else [])

    def number(self, value, address):
        """An operand: a number, a label relative to the instruction, or a part of one."""
        if isinstance(value, tuple):
            # The pair of la: the addi refers to the auipc in front of it.
            offset = self.labels[value[1]] - (address if value[0] == 'hi' else address - 4)
            low = (offset + 2048) % 4096 - 2048
            return (offset - low) >> 12 & 0xfffff if value[0] == 'hi' else low
        if isinstance(value, str) and value in self.labels:
            return self.labels[value] - address
        return value if isinstance(value, int) else int(value, 0)

    def memory(self, operand):
        """offset(register)"""
        match = re.match(r'^(-?\w*)\((\w+)\)$', operand)
        return int(match.group(1) or '0', 0), REGISTERS[match.group(2)]

    def encode(self, item, address):
        """One instruction's word."""
        name, args = item[0], item[1:]
        if name in PLAIN:
            return PLAIN[name]
        first = REGISTERS[args[0]]
        if name in CSRR:
            return CSRR[name] << 20 | 2 << 12 | first << 7 | 0x73
        if name in CSR_OPS:
            return CSRS[args[1]] << 20 | REGISTERS[args[2]] << 15 | CSR_OPS[name] << 12 | first << 7 | 0x73
        if name in R_TYPE:
            funct7, funct3, opcode = R_TYPE[name]
            return (funct7 << 25 | REGISTERS[args[2]] << 20 | REGISTERS[args[1]] << 15 | funct3 << 12
                    | first << 7 | opcode)
        if name in I_TYPE:
            imm = self.checked(self.number(args[2], address), 12)
            return imm << 20 | REGISTERS[args[1]] << 15 | I_TYPE[name][0] << 12 | first << 7 | I_TYPE[name][1]
        if name in SHIFT:
            return int(args[2]) << 20 | REGISTERS[args[1]] << 15 | SHIFT[name] << 12 | first << 7 | 0x13
        if name in LOAD:
            offset, base = self.memory(args[1])
            return self.checked(offset, 12) << 20 | base << 15 | LOAD[name] << 12 | first << 7 | 0x03
        if name in STORE:
            offset, base = self.memory(args[1])
            imm = self.checked(offset, 12)
            return imm >> 5 << 25 | first << 20 | base << 15 | STORE[name] << 12 | (imm & 31) << 7 | 0x23
        if name in ('lui', 'auipc'):
            return self.number(args[1], address) << 12 | first << 7 | (0x37 if name == 'lui' else 0x17)
        return self.encode_jump(name, first, args, address)

    def encode_jump(self, name, first, args, address):
        """jal and the branches: the immediate's bits are in the order of the formats J and B."""
        if name == 'jal':
            imm = self.checked(self.number(args[1], address), 21)
            return ((imm >> 20 & 1) << 31 | (imm >> 1 & 0x3ff) << 21 | (imm >> 11 & 1) << 20
                    | (imm >> 12 & 0xff) << 12 | first << 7 | 0x6f)
        if name in BRANCH:
            imm = self.checked(self.number(args[2], address), 13)
            return ((imm >> 12 & 1) << 31 | (imm >> 5 & 0x3f) << 25 | REGISTERS[args[1]] << 20 | first << 15
                    | BRANCH[name] << 12 | (imm >> 1 & 0xf) << 8 | (imm >> 11 & 1) << 7 | 0x63)
        raise AsmError('unknown instruction %s' % name)

    @staticmethod
    def checked(value, bits):
        """A signed immediate that fits, as its two's complement."""
        if not -(1 << bits - 1) <= value < 1 << bits - 1:
            raise AsmError('%d does not fit into %d bits' % (value, bits))
        return value & (1 << bits) - 1

    def image(self):
        """The program's bytes."""
        out = b''
        for address, item in self.items:
            if isinstance(item, bytes):
                out += item
                continue
            try:
                out += struct.pack('<I', self.encode(item, address))
            except (AsmError, KeyError, ValueError, IndexError, AttributeError) as why:
                raise AsmError('%s: %s' % (item, why)) from None
        return out


def elf(text, base, headers=True):
    """A static executable of one segment, entered at its start.

    headers: map the file's headers in front of it, as Linux wants (base % 4096 is 120 then).
    """
    image = Assembler(text, base).image()
    size = 64 + 56
    header = struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\x02\x01\x01', 2, 243, 1, base, 64, 0, 0,
                         64, 56, 1, 64, 0, 0)
    skip = 0 if headers else size
    start = base - size + skip
    length = size + len(image) - skip
    return header + struct.pack('<IIQQQQQQ', 1, 7, skip, start, start, length, length, 4096) + image
