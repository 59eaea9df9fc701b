"""Interrupted system calls: what an image says of them, and how they go on.

A stop interrupts a system call with a kernel-internal errno in rax (linux/errno.h), from which the
kernel decides what happens when the task runs again: begin the call anew, answer -EINTR if a
handler ran, or continue a sleep with restart_syscall(2), whose end lies in the kernel
(task_struct.restart_block) and is lost with the task.

Images hold what CRIU writes: calls to begin anew have the instruction pointer on the call and its
number in ax; a sleep has -EINTR. For a sleep our own image adds the time that was left: restoring,
the task issues the same call for that time and is interrupted in it, so that the kernel continues
it. The program sees nothing.
"""

from __future__ import annotations

import os
import struct

from crtools.images.messages.crtools import RestartEntry
from crtools.tracee import x86_64 as arch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program
    from crtools.tracee.seize import Tracee

SYS_poll, SYS_nanosleep, SYS_futex, SYS_clock_nanosleep = 7, 35, 202, 230
EINTR = 4
FUTEX_WAIT = 0
FUTEX_COMMANDS = 0x7F  # without FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME
_TIME = struct.Struct("<qq")
_NSEC = 1_000_000_000

# Calls that answer -ERESTARTNOHAND: a handler ends them, whatever its SA_RESTART says. select,
# pause, rt_sigsuspend, pselect6, ppoll, and those that dumping.freeze makes look so.
NO_HANDLER = frozenset((23, 34, 130, 270, 271, 232, 281, 441, 65, 220, 128, 208))


def image_registers(home: list[int]) -> list[int]:
    """The registers as an image holds them."""
    error = arch.interrupted_with(home)
    registers = list(home)
    if error == arch.ERESTART_RESTARTBLOCK and not _begins_anew(home):
        registers[arch.RAX] = (1 << 64) - EINTR
    elif error:
        registers[arch.RAX] = home[arch.ORIG_RAX]
        registers[arch.RIP] -= len(arch.SYSCALL_BYTES)
    return registers


def _begins_anew(home: list[int]) -> bool:
    """A futex wait until a point in time is the same call when it is made again."""
    if home[arch.ORIG_RAX] != SYS_futex:
        return False
    return home[arch.RSI] & FUTEX_COMMANDS != FUTEX_WAIT


def sleeping(tracee: Tracee, memory: int, slept: int) -> RestartEntry | None:
    """The time left of an interrupted sleep, in ns; None if the task is in none.

    `slept` is how long it has been in the call as far as is known (0: unknown, and it will sleep
    the whole time again unless the kernel wrote what is left).
    """
    home = tracee.home
    if arch.interrupted_with(home) != arch.ERESTART_RESTARTBLOCK or _begins_anew(home):
        return None
    call = home[arch.ORIG_RAX]
    left: int | None = None
    if call == SYS_nanosleep:
        left = _left(memory, home[arch.RDI], home[arch.RSI], slept)
    elif call == SYS_clock_nanosleep:
        left = _left(memory, home[arch.RDX], home[arch.R10], slept)
    elif call == SYS_futex:
        left = _left(memory, home[arch.R10], 0, slept)
    elif call == SYS_poll:
        timeout = home[arch.RDX] & 0xFFFFFFFF
        left = max(timeout * 1_000_000 - slept, 0)
    return None if left is None else RestartEntry(tid=tracee.tid, nsec_left=left)


def _left(memory: int, request: int, remaining: int, slept: int) -> int | None:
    """nanosleep writes what is left when it is interrupted, if it was given a place for it
    (kernel/time/hrtimer.c, do_nanosleep)."""
    try:
        if remaining:
            seconds, nsec = _TIME.unpack(os.pread(memory, 16, remaining))
            return max(int(seconds * _NSEC + nsec), 0)
        seconds, nsec = _TIME.unpack(os.pread(memory, 16, request))
    except (OSError, struct.error):
        return None
    return max(int(seconds * _NSEC + nsec) - slept, 0)


def resumed_registers(registers: list[int], entry: RestartEntry | None) -> list[int]:
    """The registers to set when the kernel is to decide about the call again."""
    changed = list(registers)
    call = registers[arch.ORIG_RAX]
    if entry is not None:
        changed[arch.RAX] = (1 << 64) - arch.ERESTART_RESTARTBLOCK
    elif not call >> 63 and registers[arch.RAX] == call:
        # Only a dump leaves a task on the call it was in: orig_ax is negative outside of calls.
        error = arch.ERESTARTNOHAND if call in NO_HANDLER else arch.ERESTARTSYS
        changed[arch.RAX] = (1 << 64) - error
        changed[arch.RIP] += len(arch.SYSCALL_BYTES)
    return changed


def build_sleep(program: Program, registers: list[int], entry: RestartEntry) -> None:
    """The call again with the time that is left. It is interrupted on purpose, soon after."""
    time = program.put(_TIME.pack(*divmod(entry.nsec_left, _NSEC)))
    call = registers[arch.ORIG_RAX]
    rdi, rsi, rdx, r10, r8, r9 = (registers[index] for index in arch.ARGUMENTS)
    if call == SYS_nanosleep:
        program.call(call, time, rsi, expect=0)
    elif call == SYS_clock_nanosleep:
        program.call(call, rdi, rsi, time, r10, expect=0)
    elif call == SYS_futex:
        program.call(call, rdi, rsi, rdx, time, r8, r9, expect=0)
    elif call == SYS_poll:
        milliseconds = min(-(-entry.nsec_left // 1_000_000), 0x7FFFFFFF)
        program.call(call, rdi, rsi, milliseconds, expect=0)
