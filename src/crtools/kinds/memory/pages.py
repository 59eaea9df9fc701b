"""Pages: out of a process into its pages file, and back.

Private pages go straight from the task's memory into the page cache of the image file, by the
task's own pwritev: one copy, which is the least there can be.
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.abi.ioctl import PAGE_IS_FILE, PAGE_IS_GUARD, PAGE_IS_PFNZERO
from crtools.abi.kernel import PAGE
from crtools.agent.inject import KEEP_AT
from crtools.agent.program import ARG_AREA, ARG_AREA32, Program
from crtools.errors import RemoteSyscallError, UnsupportedObject
from crtools.images.messages.pagemap import PagemapEntry, PagemapHead
from crtools.kinds.memory import areas as kinds
from crtools.model.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.agent.inject import Agent
    from crtools.kinds.memory.areas import Area
    from crtools.kinds.memory.scan import Region

# pagemap_entry.flags
IN_PARENT, LAZY, PRESENT = 1, 2, 4

SYS_close, SYS_recvmsg, SYS_socketpair, SYS_sendmsg = 3, 47, 53, 46
SYS_pwritev, SYS_pidfd_open, SYS_pidfd_getfd = 296, 434, 438
_AF_UNIX, _SOCK_SEQPACKET_CLOEXEC, _MSG_CMSG_CLOEXEC = 1, 5 | 0o2000000, 0x40000000
_IOV = struct.Struct("<QQ")
# A piece is as much as a system call moves before the orchestrator's death is noticed.
PIECE = 8 << 20
_VECTOR = 16384
# Where the task receives a descriptor: the control message ends in the list of descriptors that
# the agent closes by itself if we die (agent/vm.c go_home).
_MSG_AT = KEEP_AT + 128
_CMSG_AT = KEEP_AT - 16
_IMAGE, _OURS, _THEIRS = (KEEP_AT, KEEP_AT + 4, KEEP_AT + 8)


class Run(Value):
    """Neighbouring bytes of the pages file: pieces of the task's memory, (address, length)."""

    offset: int
    by_task: bool
    pieces: list[tuple[int, int]]


class PagePlan(Value):
    """What goes into the pagemap and the pages file, and where guard pages are."""

    entries: list[PagemapEntry]
    runs: list[Run]
    guards: list[tuple[int, int]]
    written: int
    scanned: int


def plan_pages(areas: Sequence[Area], regions: Sequence[Region]) -> PagePlan:
    """The pages of private areas that differ from what a new mapping would show.

    Pages of files, zero pages, guard pages and pages that nobody touched are left out.
    """
    entries: list[PagemapEntry] = []
    runs: list[Run] = []
    offset = scanned = 0
    at = iter(regions)
    region = next(at, None)
    for area in areas:
        start, end = area.entry.start, area.entry.end
        if area.entry.status & (kinds.VDSO | kinds.AIO_RING):
            offset = _append(entries, runs, start, end, PRESENT, False, offset)
            continue
        if not area.pages:
            continue
        flags = PRESENT | (LAZY if area.lazy else 0)
        while region is not None and region[1] <= start:
            region = next(at, None)
        while region is not None and region[0] < end:
            first, last = max(start, region[0]), min(end, region[1])
            scanned += (last - first) // PAGE
            if not region[2] & (PAGE_IS_FILE | PAGE_IS_PFNZERO | PAGE_IS_GUARD):
                offset = _append(entries, runs, first, last, flags, area.readable, offset)
            if region[1] > end:
                break
            region = next(at, None)
    return PagePlan(
        entries=entries,
        runs=runs,
        # Of shared areas, too: guards are each process's own.
        guards=[(start, end) for start, end, what in regions if what & PAGE_IS_GUARD],
        written=offset // PAGE,
        scanned=scanned,
    )


def _append(
    entries: list[PagemapEntry],
    runs: list[Run],
    start: int,
    end: int,
    flags: int,
    by_task: bool,
    offset: int,
) -> int:
    last = entries[-1] if entries else None
    count = (end - start) // PAGE
    if (
        last is not None
        and last.flags == flags
        and last.nr_pages is not None
        and last.vaddr + last.nr_pages * PAGE == start
    ):
        last.nr_pages += count
    else:
        entries.append(PagemapEntry(vaddr=start, compat_nr_pages=0, flags=flags, nr_pages=count))
    if not runs or runs[-1].by_task is not by_task:
        runs.append(Run(offset=offset, by_task=by_task, pieces=[]))
    pieces = runs[-1].pieces
    for piece in range(start, end, PIECE):
        pieces.append((piece, min(PIECE, end - piece)))
    return offset + end - start


def head_and_entries(pages_id: int, plan: PagePlan) -> list[PagemapHead | PagemapEntry]:
    return [PagemapHead(pages_id=pages_id), *plan.entries]


def write_pages(
    agent: Agent,
    image: int,
    memory: int,
    plan: PagePlan,
    vdso: tuple[int, bytes],
    *,
    by_task: bool,
) -> None:
    """Fills the pages file `image`. `memory` is /proc/PID/mem: what the task itself cannot read
    comes from there, and everything if not `by_task`; `vdso` is the vDSO's address and its
    bytes without what we put into its padding."""
    own = [run for run in plan.runs if run.by_task and by_task]
    if own:
        _Passed(agent, image).write(own)
    for run in plan.runs:
        if run.by_task and by_task:
            continue
        offset = run.offset
        for address, length in run.pieces:
            if address == vdso[0]:
                os.pwrite(image, vdso[1], offset)
            else:
                _copy(memory, image, address, length, offset)
            offset += length


def _copy(memory: int, image: int, address: int, length: int, offset: int) -> None:
    end = address + length
    while address < end:
        data = os.pread(memory, min(1 << 20, end - address), address)
        if not data:
            raise UnsupportedObject(f"Cannot read the memory at {address:#x}: it ends there")
        done = 0
        while done < len(data):
            done += os.pwrite(image, memoryview(data)[done:], offset + done)
        address += len(data)
        offset += len(data)


class _Passed:
    """An image file passed to the task over a socket pair of the task's own making."""

    def __init__(self, agent: Agent, image: int) -> None:
        self._agent = agent
        self._image = image

    def write(self, runs: Sequence[Run]) -> None:
        self._send()
        program = Program()
        # Closed and forgotten at once: if we die, other threads run on and reuse the number.
        nothing = program.put(b"\xff" * 4)
        program.call(SYS_close, (ARG_AREA32, _THEIRS))
        program.copy((ARG_AREA, _THEIRS), nothing, 4)
        program.call(
            SYS_recvmsg,
            (ARG_AREA32, _OURS),
            (ARG_AREA, _MSG_AT),
            _MSG_CMSG_CLOEXEC,
            label="receive the image file",
        )
        program.call(SYS_close, (ARG_AREA32, _OURS))
        program.copy((ARG_AREA, _OURS), nothing, 4)
        for run in runs:
            offset = run.offset
            for first in range(0, len(run.pieces), _VECTOR):
                pieces = run.pieces[first : first + _VECTOR]
                if len(program.data) + len(pieces) * 16 > 700_000:
                    self._agent.run(program)
                    program = Program()
                length = sum([piece[1] for piece in pieces])
                vector = program.put(b"".join([_IOV.pack(*piece) for piece in pieces]))
                program.transfer(
                    SYS_pwritev,
                    (ARG_AREA32, _IMAGE),
                    vector,
                    len(pieces),
                    offset,
                    length,
                    f"write its memory from {pieces[0][0]:x} on",
                )
                offset += length
        program.call(SYS_close, (ARG_AREA32, _IMAGE))
        nothing = program.put(b"\xff" * 4)
        program.copy((ARG_AREA, _IMAGE), nothing, 4)
        self._agent.run(program)

    def _send(self) -> None:
        agent = self._agent
        program = Program()
        program.call(
            SYS_socketpair,
            _AF_UNIX,
            _SOCK_SEQPACKET_CLOEXEC,
            0,
            (ARG_AREA, _OURS),
            label="make a socket pair",
        )
        agent.run(program)
        memory = agent.slot.memory
        theirs = int.from_bytes(memory[_THEIRS : _THEIRS + 4], "little")
        base = agent.base
        # struct msghdr (bits/socket.h) and the byte that goes with the descriptor.
        struct.pack_into(
            "<QIxxxxQQQQi", memory, _MSG_AT,
            0, 0, base + _MSG_AT + 56, 1, base + _CMSG_AT, 24, 0,
        )  # fmt: skip
        _IOV.pack_into(memory, _MSG_AT + 56, base + _MSG_AT + 72, 1)
        pidfd = kernel.checked(SYS_pidfd_open, agent.slot.task, 0)
        try:
            socket = kernel.checked(SYS_pidfd_getfd, pidfd, theirs, 0)
        finally:
            os.close(pidfd)
        try:
            control = struct.pack("<Qiiixxxx", 20, 1, 1, self._image)  # SOL_SOCKET, SCM_RIGHTS
            byte = b"\0"
            vector = _IOV.pack(kernel.address_of(byte), 1)
            header = struct.pack(
                "<QIxxxxQQQQixxxx",
                *(0, 0, kernel.address_of(vector), 1, kernel.address_of(control), 24, 0),
            )
            kernel.checked(SYS_sendmsg, socket, kernel.address_of(header), 0)
        except OSError as error:
            raise RemoteSyscallError(
                f"Cannot pass the image file to task {agent.slot.task}",
                task=agent.slot.task,
                call="sendmsg",
                errno=error.errno or 0,
            ) from error
        finally:
            os.close(socket)
