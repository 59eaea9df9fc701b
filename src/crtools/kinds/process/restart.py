"""Interrupted system calls: what an image says of them, and how they go on.

A stop interrupts a system call with a kernel-internal errno in rax (linux/errno.h), from which the
kernel decides what happens when the task runs again: begin the call anew, answer -EINTR if a
handler ran, or continue a sleep with restart_syscall(2), whose end lies in the kernel
(task_struct.restart_block) and is lost with the task.

Images hold what CRIU writes: calls to begin anew have the instruction pointer on the call and its
number in ax, poll too, with the time that is left, for it is in a register; a sleep has -EINTR. For
that our own image adds the time that was left: restoring, the task issues the same call for that
time and is interrupted in it, so that the kernel continues it. The program sees nothing.

What is left is known to the nanosecond where the kernel writes it (nanosleep with a place for it),
else from when the task fell asleep. A sleep that was interrupted before, by an earlier dump for
example, counts from then: each dump may prolong it by the time before.
"""

from __future__ import annotations

import os
import struct

from crtools.tracee import x86_64 as arch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program
    from crtools.images.messages.crtools_parts import RestartEntry
    from crtools.tracee.seize import Tracee

SYS_poll, SYS_nanosleep, SYS_futex, SYS_clock_nanosleep = 7, 35, 202, 230
SYS_restart_syscall = 219
EINTR = 4
FUTEX_WAIT = 0
FUTEX_COMMANDS = 0x7F  # without FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME
_TIME = struct.Struct("<qq")
_NSEC = 1_000_000_000

# Calls that answer -ERESTARTNOHAND: a handler ends them, whatever its SA_RESTART says. select,
# pause, rt_sigsuspend, pselect6, ppoll, and those that dumping.freeze makes look so.
NO_HANDLER = frozenset((23, 34, 130, 270, 271, 232, 281, 441, 65, 220, 128, 208, 333))


def image_registers(home: list[int], memory: int, slept: int) -> list[int]:
    """The registers as an image holds them. `memory` and `slept` as for `sleeping`."""
    error = arch.interrupted_with(home)
    registers = list(home)
    if error == arch.ERESTART_RESTARTBLOCK and interrupted_call(home, memory) == SYS_poll:
        # Its time is in a register: the same call, with the time that is left.
        timeout = home[arch.RDX] & 0xFFFFFFFF
        if not timeout >> 31:  # negative: no limit
            registers[arch.RDX] = max(timeout - slept // 1_000_000, 0)
        registers[arch.RAX] = registers[arch.ORIG_RAX] = SYS_poll
        registers[arch.RIP] -= len(arch.SYSCALL_BYTES)
        return registers
    if error == arch.ERESTART_RESTARTBLOCK and not _begins_anew(home):
        registers[arch.RAX] = (1 << 64) - EINTR
    elif error:
        registers[arch.RAX] = home[arch.ORIG_RAX]
        registers[arch.RIP] -= len(arch.SYSCALL_BYTES)
    return registers


def _begins_anew(home: list[int]) -> bool:
    """A futex wait until a point in time is the same call when it is made again (its number is
    known only at the first interruption; later it is a sleep like others)."""
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
    call = interrupted_call(home, memory)
    left: int | None = None
    if call == SYS_nanosleep:
        left = _left(memory, home[arch.RDI], home[arch.RSI], slept)
    elif call == SYS_clock_nanosleep:
        left = _left(memory, home[arch.RDX], home[arch.R10], slept)
    elif call == SYS_futex:
        left = _left(memory, home[arch.R10], 0, slept)
    if left is None:
        return None
    from crtools.images.messages.crtools_parts import RestartEntry

    return RestartEntry(tid=tracee.tid, nsec_left=left, call=call)


def interrupted_call(home: list[int], memory: int) -> int:
    call = home[arch.ORIG_RAX]
    return _first_call(home, memory) if call == SYS_restart_syscall else call


def _first_call(home: list[int], memory: int) -> int:
    """Which call restart_syscall(2) continues: a sleep that was interrupted before has forgotten
    its number, but not its arguments. 0 if they are of no known call.

    Mostly the instruction before the call's own tells: mov $number, %eax.
    """
    rdi, rsi, rdx, r10 = (home[index] for index in arch.ARGUMENTS[:4])
    try:
        code = os.pread(memory, 5, home[arch.RIP] - len(arch.SYSCALL_BYTES) - 5)
    except OSError:
        code = b""
    number = int.from_bytes(code[1:], "little") if code[:1] == b"\xb8" else 0
    if number in (SYS_nanosleep, SYS_clock_nanosleep, SYS_futex, SYS_poll):
        return number
    # clock ids are small numbers, or negative ones for a process's or thread's CPU clock
    if (rdi < 16 or rdi >> 31 in (1, 0x1FFFFFFFF)) and rsi in (0, 1) and _is_time(memory, rdx):
        return SYS_clock_nanosleep
    if rsi & FUTEX_COMMANDS == FUTEX_WAIT and _is_time(memory, r10) and _has(memory, rdi, rdx):
        return SYS_futex
    if (rsi == 0 or rsi >= 1 << 16) and _is_time(memory, rdi):
        return SYS_nanosleep
    return SYS_poll if rsi < 1 << 16 else 0


def _is_time(memory: int, address: int) -> bool:
    try:
        seconds, nsec = _TIME.unpack(os.pread(memory, 16, address))
    except (OSError, OverflowError, struct.error):
        return False
    return bool(seconds >= 0 and 0 <= nsec < _NSEC)


def _has(memory: int, address: int, value: int) -> bool:
    """Whether a futex word still has the value that is waited for."""
    try:
        return os.pread(memory, 4, address) == (value & 0xFFFFFFFF).to_bytes(4, "little")
    except (OSError, OverflowError):
        return False


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
    call = entry.call
    rdi, rsi, rdx, r10, r8, r9 = (registers[index] for index in arch.ARGUMENTS)
    if call == SYS_nanosleep:
        program.call(call, time, rsi, expect=0)
    elif call == SYS_clock_nanosleep:
        program.call(call, rdi, rsi, time, r10, expect=0)
    elif call == SYS_futex:
        program.call(call, rdi, rsi, rdx, time, r8, r9, expect=0)
