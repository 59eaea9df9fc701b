"""System calls and memory by number and address, over the cffi extension crtools._kernel."""

from __future__ import annotations

import os

from crtools._kernel import ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview

PAGE = 4096  # x86-64: PAGE_SIZE, asm/page_types.h
FUTEX_WAITERS = 0x80000000  # linux/futex.h
FUTEX_OWNER_DIED = 0x40000000  # linux/futex.h

_call = lib.crt_syscall


def raw(nr: int, a: int = 0, b: int = 0, c: int = 0, d: int = 0, e: int = 0, f: int = 0) -> int:
    """The system call's result, or minus its errno. Arguments are unsigned words."""
    result: int = _call(nr, a, b, c, d, e, f)
    return result


def checked(nr: int, *args: int) -> int:
    """The system call's result; OSError where it fails."""
    result: int = _call(nr, *args, *(0,) * (6 - len(args)))
    if -4096 < result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


def address_of(buffer: Buffer) -> int:
    """Where a buffer's bytes lie: valid while the buffer lives and is not resized."""
    return int(ffi.cast("unsigned long", ffi.from_buffer(buffer)))


def view(address: int, length: int) -> memoryview:
    """Writable memory of this process at an address."""
    return memoryview(ffi.buffer(ffi.cast("char *", address), length)).cast("B")


class Shared:
    """A mapping of this process that others have too."""

    __slots__ = ("address", "length", "memory")

    def __init__(self, fd: int, length: int, offset: int = 0) -> None:
        # mmap: PROT_READ|PROT_WRITE, MAP_SHARED
        self.address = checked(9, 0, length, 3, 1, fd, offset)
        self.length = length
        self.memory = view(self.address, length)

    def again(self) -> Shared:
        """A second mapping of the same memory, which outlives this one."""
        other = Shared.__new__(Shared)
        # mremap of length 0, to anywhere: MREMAP_MAYMOVE
        other.address = checked(25, self.address, 0, self.length, 1)
        other.length = self.length
        other.memory = view(other.address, other.length)
        return other

    def close(self) -> None:
        if self.length:
            self.memory.release()
            checked(11, self.address, self.length)
            self.length = 0


# Many system calls on one descriptor: crt_calls(fd, address of rows of seven words, their count).
calls = lib.crt_calls
# Groups of system calls, none of which is left half-way if we are killed:
# crt_calls_apart(address of rows of seven words, rows of a group, groups).
calls_apart = lib.crt_calls_apart
futex_wait = lib.crt_futex_wait
futex_post = lib.crt_futex_post
seize = lib.crt_seize
seize_patience = lib.crt_seize_patience
seize_patience_end = lib.crt_seize_patience_end
spawn = lib.crt_spawn
find_zeros = lib.crt_find_zeros
spawn_orphan = lib.crt_spawn_orphan
robust_begin = lib.crt_robust_begin
robust_end = lib.crt_robust_end
robust_add = lib.crt_robust_add
robust_remove = lib.crt_robust_remove
copy = lib.crt_copy
# Tables of page frames: crtools.kinds.memory.frames.
frames_new = lib.crt_frames_new
frames_free = lib.crt_frames_free
frames_find = lib.crt_frames_find
frames_add = lib.crt_frames_add
frames_check = lib.crt_frames_check
# Looking at descriptors, here or in a thread: crtools.kinds.files.look.
look = lib.crt_look
ahead_begin = lib.crt_ahead_begin
ahead_give = lib.crt_ahead_give
ahead_wait = lib.crt_ahead_wait
ahead_end = lib.crt_ahead_end
ask = lib.crt_ask
# Finds an open file among others: crt_find(tid, fd, address of pairs of 32-bit words, their count);
# below -FIND_FAILED it is what kcmp(2) has answered, less that.
find = lib.crt_find
FIND_FAILED = 1 << 40
xcr0 = lib.crt_xcr0


_keys: list[bool] = []


def has_protection_keys() -> bool:
    """Whether this CPU has protection keys and the kernel uses them: OSPKE, asked for once."""
    if not _keys:
        _keys.append(cpuid(0)[0] >= 7 and bool(cpuid(7)[2] & 1 << 4))
    return _keys[0]


def cpuid(leaf: int, subleaf: int = 0) -> tuple[int, int, int, int]:
    """What the CPU that this runs on answers in eax, ebx, ecx and edx."""
    answer = bytearray(16)
    lib.crt_cpuid(leaf, subleaf, address_of(answer))
    words = memoryview(answer).cast("I")
    return words[0], words[1], words[2], words[3]
