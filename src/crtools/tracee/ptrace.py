"""ptrace(2), one function a request. All raise OSError; ESRCH: the task is gone, or it runs."""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.abi.kernel import address_of, checked, raw

# linux/ptrace.h
PTRACE_CONT = 7
PTRACE_KILL = 8
PTRACE_GETREGS = 12
PTRACE_SETREGS = 13
PTRACE_DETACH = 17
PTRACE_SYSCALL = 24
PTRACE_SETOPTIONS = 0x4200
PTRACE_GETEVENTMSG = 0x4201
PTRACE_GETSIGINFO = 0x4202
PTRACE_GETREGSET = 0x4204
PTRACE_SETREGSET = 0x4205
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
PTRACE_LISTEN = 0x4208
PTRACE_PEEKSIGINFO = 0x4209
PTRACE_GETSIGMASK = 0x420A
PTRACE_SETSIGMASK = 0x420B
PTRACE_SECCOMP_GET_FILTER = 0x420C
PTRACE_SECCOMP_GET_METADATA = 0x420D
PTRACE_GET_RSEQ_CONFIGURATION = 0x420F
PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG = 0x4211
PTRACE_O_TRACESYSGOOD = 0x1
PTRACE_O_TRACEFORK = 0x2
PTRACE_O_TRACEVFORK = 0x4
PTRACE_O_TRACECLONE = 0x8
PTRACE_O_TRACEEXEC = 0x10
PTRACE_O_EXITKILL = 0x100000
PTRACE_O_SUSPEND_SECCOMP = 0x200000
PTRACE_EVENT_FORK = 1
PTRACE_EVENT_CLONE = 3
PTRACE_EVENT_STOP = 128
PTRACE_PEEKSIGINFO_SHARED = 1

NT_386_IOPERM = 0x201  # linux/elf.h
NT_X86_XSTATE = 0x202  # linux/elf.h
NT_X86_SHSTK = 0x204  # linux/elf.h

WALL = 0x40000000  # __WALL, linux/wait.h
SYS_ptrace = 101
SYS_tgkill = 234

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

ALL_SIGNALS = b"\xff" * 8
_IOVEC = struct.Struct("<QQ")


def seize(tid: int, options: int) -> None:
    """InterruptedError: it takes longer than kernel.seize_patience was told, if it was."""
    result: int = kernel.seize(tid, options)
    if result < 0:
        raise OSError(-result, os.strerror(-result))


def set_options(tid: int, options: int) -> None:
    checked(SYS_ptrace, PTRACE_SETOPTIONS, tid, 0, options)


def interrupt(tid: int) -> None:
    checked(SYS_ptrace, PTRACE_INTERRUPT, tid)


def cont(tid: int, signal: int = 0) -> None:
    checked(SYS_ptrace, PTRACE_CONT, tid, 0, signal)


def cont_to_syscall(tid: int, signal: int = 0) -> None:
    """Continue to the next entry to or exit from a system call."""
    checked(SYS_ptrace, PTRACE_SYSCALL, tid, 0, signal)


def detach(tid: int, signal: int = 0) -> None:
    checked(SYS_ptrace, PTRACE_DETACH, tid, 0, signal)


def request_all(request: int, rows: Sequence[tuple[int, int, int]]) -> list[int]:
    """The same request of many tasks, one after the other: (tid, addr, data) each. The results,
    minus an errno where it failed."""
    words: list[int] = []
    for tid, address, data in rows:
        words += (SYS_ptrace, tid, address, data, 0, 0, 0)
    table = bytearray(struct.pack(f"<{len(words)}Q", *words))
    kernel.calls(request, address_of(table), len(rows))
    return list(struct.unpack(f"<{len(words)}q", table)[6::7])


def event_message(tid: int) -> int:
    buffer = bytearray(8)
    checked(SYS_ptrace, PTRACE_GETEVENTMSG, tid, 0, address_of(buffer))
    return int.from_bytes(buffer, "little")


def registers(tid: int) -> bytes:
    """struct user_regs_struct, whatever code the task runs: of one in 32-bit code the regset
    NT_PRSTATUS would be the 32-bit one, 68 bytes (arch/x86/kernel/ptrace.c,
    task_user_regset_view)."""
    buffer = bytearray(216)
    checked(SYS_ptrace, PTRACE_GETREGS, tid, 0, address_of(buffer))
    return bytes(buffer)


def set_registers(tid: int, value: bytes) -> None:
    checked(SYS_ptrace, PTRACE_SETREGS, tid, 0, address_of(value))


def xstate(tid: int) -> bytes:
    """NT_X86_XSTATE: its size is the same for every task of a host, and found once."""
    global _xstate_bytes
    content = register_set(tid, NT_X86_XSTATE, _xstate_bytes)
    _xstate_bytes = len(content)
    return content


_xstate_bytes = 16384


def register_set(tid: int, kind: int, room: int) -> bytes:
    buffer = bytearray(room)
    vector = bytearray(_IOVEC.pack(address_of(buffer), room))
    checked(SYS_ptrace, PTRACE_GETREGSET, tid, kind, address_of(vector))
    length = _IOVEC.unpack(vector)[1]
    return bytes(buffer[:length])


def vector_of(buffer: bytes | bytearray) -> bytearray:
    """The struct iovec of a buffer, which the caller keeps alive."""
    return bytearray(_IOVEC.pack(address_of(buffer), len(buffer)))


def set_register_set(tid: int, kind: int, value: bytes) -> None:
    vector = _IOVEC.pack(address_of(value), len(value))
    checked(SYS_ptrace, PTRACE_SETREGSET, tid, kind, address_of(vector))


def signal_mask(tid: int) -> bytes:
    buffer = bytearray(8)
    checked(SYS_ptrace, PTRACE_GETSIGMASK, tid, 8, address_of(buffer))
    return bytes(buffer)


def set_signal_mask(tid: int, mask: bytes) -> None:
    checked(SYS_ptrace, PTRACE_SETSIGMASK, tid, 8, address_of(mask))


def has_filters(tid: int) -> bool:
    """Whether it is under a seccomp filter; false too where we may not know."""
    return raw(SYS_ptrace, PTRACE_SECCOMP_GET_FILTER, tid, 0, 0) > 0


def pending_signals(tid: int, *, shared: bool) -> list[bytes]:
    """Queued siginfo structures (128 bytes each), oldest first: the process's or the thread's."""
    found: list[bytes] = []
    buffer = bytearray(32 * 128)
    while True:
        request = struct.pack("<QII", len(found), PTRACE_PEEKSIGINFO_SHARED if shared else 0, 32)
        count = checked(
            SYS_ptrace, PTRACE_PEEKSIGINFO, tid, address_of(request), address_of(buffer)
        )
        found += [bytes(buffer[i * 128 : i * 128 + 128]) for i in range(count)]
        if count < 32:
            return found


def rseq(tid: int) -> tuple[int, int, int] | None:
    """(address, bytes, signature) of the registered struct rseq; None: no kernel support (5.13)."""
    buffer = bytearray(24)
    if raw(SYS_ptrace, PTRACE_GET_RSEQ_CONFIGURATION, tid, 24, address_of(buffer)) < 0:
        return None
    address, size, signature = struct.unpack_from("<QII", buffer)
    return address, size, signature


def dispatches_syscalls(tid: int) -> bool:
    """Whether PR_SET_SYSCALL_USER_DISPATCH is on. Before Linux 6.4 nothing tells it: False."""
    buffer = bytearray(32)  # struct ptrace_sud_config, linux/ptrace.h: the first word is the mode
    address = address_of(buffer)
    if raw(SYS_ptrace, PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, tid, 32, address) < 0:
        return False
    return any(buffer[:8])


def wait(tid: int, *, block: bool = True) -> int | None:
    """The wait status of a task that changed state; None if it did not and `block` is false."""
    pid, status = os.waitpid(tid, WALL if block else WALL | os.WNOHANG)
    return status if pid else None


def tgkill(tgid: int, tid: int, signal: int) -> None:
    checked(SYS_tgkill, tgid, tid, signal)
