"""x86-64: the register file as ptrace shows it. Another architecture is another such table.

sys/user.h struct user_regs_struct; NT_X86_XSTATE (linux/elf.h) is the XSAVE area as in memory.
"""

from __future__ import annotations

import struct

REGISTERS = struct.Struct("<27Q")
(
    R15, R14, R13, R12, RBP, RBX, R11, R10, R9, R8, RAX, RCX, RDX, RSI, RDI,
    ORIG_RAX, RIP, CS, FLAGS, RSP, SS, FS_BASE, GS_BASE, DS, ES, FS, GS,
) = range(27)  # fmt: skip
NAMES = (
    "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di",
    "orig_ax", "ip", "cs", "flags", "sp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
)  # fmt: skip
NO_SYSCALL = 0xFFFFFFFFFFFFFFFF  # orig_rax of a task that is in no system call
CS_64 = 0x33  # __USER_CS, asm/segment.h: 64-bit code
SYSCALL_BYTES = b"\x0f\x05"

# Kernel-internal results of interrupted system calls (linux/errno.h).
ERESTARTSYS = 512
ERESTARTNOINTR = 513
ERESTARTNOHAND = 514
ERESTART_RESTARTBLOCK = 516

ARGUMENTS = (RDI, RSI, RDX, R10, R8, R9)

TRAP_FLAG = 0x100  # X86_EFLAGS_TF, asm/processor-flags.h
# What compiled code expects, interrupts on (X86_EFLAGS_FIXED, X86_EFLAGS_IF), and of the task's own
# X86_EFLAGS_ID, which nothing minds and ptrace does not write (FLAG_MASK, x86/kernel/ptrace.c).
_CALM, _KEPT = 0x202, 0x200000


def unpack(raw: bytes) -> list[int]:
    return list(REGISTERS.unpack(raw))


def pack(registers: list[int]) -> bytes:
    return REGISTERS.pack(*registers)


def at_call(registers: list[int], ip: int, nr: int, *args: int) -> list[int]:
    """Registers to run one system call at `ip`; the kernel must not take them for a restart.

    The direction flag would make our copies run backwards, an alignment check fault in them.
    """
    changed = list(registers)
    changed[FLAGS] = registers[FLAGS] & _KEPT | _CALM
    changed[RIP] = ip
    changed[RAX] = nr
    changed[ORIG_RAX] = NO_SYSCALL
    for index, value in zip(ARGUMENTS, args, strict=False):
        changed[index] = value & 0xFFFFFFFFFFFFFFFF
    return changed


def result(registers: list[int]) -> int:
    """A system call's result as a signed number."""
    value = registers[RAX]
    return value - (1 << 64) if value >> 63 else value


def interrupted_with(registers: list[int]) -> int:
    """The kernel-internal errno that an interrupted call waits to be restarted with, or 0."""
    if registers[ORIG_RAX] >> 63:
        return 0
    error = -result(registers)
    restarts = (ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK)
    return error if error in restarts else 0
