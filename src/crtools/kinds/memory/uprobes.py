"""Traces of uprobes: breakpoints in code, and an area of the kernel's (kernel/events/uprobes.c).

A uprobe replaces an instruction's first byte in a copy of the file's page (on x86 from Linux 6.18
on also a nop of five bytes by a call into an area of its own), and executes the instruction in an
area `[uprobes]` that a process gets with its first hit and keeps. None of that is the program's:
its code is dumped as the file has it, the areas are left out, and where the probe is still there
when the code is mapped again, the kernel puts it in again. A program that writes a lone breakpoint
into its code looks the same, so this has to be asked for with --allow-uprobes.
"""

from __future__ import annotations

import os
import struct

from crtools.abi.kernel import PAGE
from crtools.errors import UnsupportedObject
from crtools.procfs.map_files import open_map_files
from crtools.tracee import x86_64 as arch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.kinds.memory.areas import Area
    from crtools.kinds.memory.pages import PagePlan
    from crtools.model.tree import Process
    from crtools.procfs.maps import Vma

AREA, TRAMPOLINE = b"[uprobes]", b"[uprobes-trampoline]"
_INT3 = b"\xcc"
_CALL = b"\xe8"
_NOP5 = b"\x0f\x1f\x44\x00\x00"
_PIECE = 1 << 20
_RELATIVE = struct.Struct("<i")
# How much of a stack is looked through.
_STACK = 8 << 20


class Breakpoints:
    """Finds breakpoints in one process's code and takes them out of its image.

    `memory` is /proc/PID/mem. `allowed` says that --allow-uprobes was given.
    """

    def __init__(
        self, proc: int, process: Process, vmas: Sequence[Vma], memory: int, *, allowed: bool
    ) -> None:
        self._proc = proc
        self._pid = process.via
        self._name = process.name
        self._memory = memory
        self._allowed = allowed
        self._calls = [(vma.start, vma.end) for vma in vmas if vma.path == TRAMPOLINE]
        self._patches: list[tuple[int, bytes]] = []

    def filter(self, area: Area, first: int, last: int) -> list[tuple[int, int]]:
        """Which of the changed pages between two addresses of a file's code go into the image:
        those of which more is changed than by uprobes. Raises UnsupportedObject."""
        entry = area.entry
        stay: list[tuple[int, int]] = []
        file = open_map_files(self._proc, self._pid, entry.start, entry.end)
        try:
            for start in range(first, last, _PIECE):
                length = min(_PIECE, last - start)
                changed = os.pread(self._memory, length, start)
                original = os.pread(file, length, entry.pgoff + start - entry.start)
                for at in range(0, length, PAGE):
                    page, was = changed[at : at + PAGE], original[at : at + PAGE]
                    if len(was) == PAGE and not self._stays(start + at, page, was):
                        continue
                    if stay and stay[-1][1] == start + at:
                        stay[-1] = stay[-1][0], start + at + PAGE
                    else:
                        stay.append((start + at, start + at + PAGE))
        finally:
            os.close(file)
        return stay

    def _stays(self, address: int, page: bytes, was: bytes) -> bool:
        """Whether a page has to be in the image; what in it is not the program's is noted."""
        patches = find_breakpoints(page, was)
        patches += find_calls(page, was, address, self._calls)
        if not patches:
            return True
        if not self._allowed:
            raise UnsupportedObject(
                f"Cannot dump the code of {self._name}: it has a breakpoint at"
                f" {address + patches[0][0]:x}",
                because="a uprobe has put it there, or a debugger that is gone",
                hint="remove it, or pass --allow-uprobes to have the code dumped without it",
                subject=("task", self._pid),
            )
        program = bytearray(page)
        for at, content in patches:
            program[at : at + len(content)] = content
        if program == was:
            return False
        self._patches += [(address + at, content) for at, content in patches]
        return True

    def undo(self, image: int, plan: PagePlan) -> None:
        """Puts the file's bytes into the pages file where breakpoints have been written to it."""
        for address, content in self._patches:
            for run in plan.runs:
                offset = run.offset
                for start, length in run.pieces:
                    if start <= address < start + length:
                        os.pwrite(image, content, offset + address - start)
                    offset += length


def find_breakpoints(page: bytes, was: bytes) -> list[tuple[int, bytes]]:
    """The lone breakpoints of a page of code, which are not in the file: (place, file's byte)."""
    found: list[tuple[int, bytes]] = []
    at = page.find(_INT3)
    while at >= 0:
        if (
            was[at : at + 1] != _INT3
            and page[max(at - 1, 0) : at] == was[max(at - 1, 0) : at]
            and page[at + 1 : at + 2] == was[at + 1 : at + 2]
        ):
            found.append((at, was[at : at + 1]))
        at = page.find(_INT3, at + 1)
    return found


def find_calls(
    page: bytes, was: bytes, address: int, areas: Sequence[tuple[int, int]]
) -> list[tuple[int, bytes]]:
    """The calls into a uprobe's area that stand where the file has a nop: (place, the nop)."""
    found: list[tuple[int, bytes]] = []
    at = was.find(_NOP5) if areas else -1
    while at >= 0:
        if page[at : at + 1] == _CALL:
            to = address + at + len(_NOP5) + _RELATIVE.unpack_from(page, at + 1)[0]
            if any(start <= to < end for start, end in areas):
                found.append((at, _NOP5))
        at = was.find(_NOP5, at + 1)
    return found


def check_returns(proc: int, process: Process, vmas: Sequence[Vma]) -> None:
    """Refuses a thread inside a function whose return is probed: its return address has been
    replaced by one in the area, and only the kernel knows the right one."""
    starts = [struct.pack("<Q", vma.start) for vma in vmas if vma.path == AREA]
    if not starts:
        return
    memory = os.open(f"{process.via}/mem", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        for tracee in process.tracees:
            stack = tracee.home[arch.RSP] & ~7
            end = max([vma.end for vma in vmas if vma.start <= stack < vma.end], default=stack)
            content = os.pread(memory, min(end - stack, _STACK), stack) if end > stack else b""
            for start in starts:
                at = content.find(start)
                while at >= 0 and at % 8:
                    at = content.find(start, at + 1)
                if at >= 0:
                    raise UnsupportedObject(
                        f"Cannot dump {process.name}: thread {tracee.tid} is in a function whose"
                        " return is probed (uretprobe)",
                        because="only the kernel knows where the function returns to",
                        hint="remove the probe, and let the function return",
                        subject=("task", tracee.tid),
                    )
    finally:
        os.close(memory)
