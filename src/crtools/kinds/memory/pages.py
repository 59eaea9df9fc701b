"""Pages: out of a process into its pages file, and back.

Private pages go straight from the task's memory into the page cache of the image file, by the
task's own pwritev: one copy, which is the least there can be.
"""

from __future__ import annotations

import os
import struct
from errno import EMFILE, ENFILE

from crtools.abi import kernel
from crtools.abi.ioctl import PAGE_IS_FILE, PAGE_IS_GUARD, PAGE_IS_HUGE, PAGE_IS_PFNZERO
from crtools.abi.kernel import PAGE
from crtools.abi.mman import MAP_HUGETLB
from crtools.agent.inject import KEEP_AT, NO_DESCRIPTORS_AT
from crtools.agent.program import ARG_AREA, ARG_AREA32, OR_ERRNO, Program, errnos
from crtools.errors import RemoteSyscallError, UnsupportedObject
from crtools.images.messages.pagemap import PagemapEntry, PagemapHead
from crtools.kinds.memory import areas as kinds
from crtools.kinds.memory.scan import UNCHANGED
from crtools.model.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.agent.copy import Copy
    from crtools.agent.inject import Agent
    from crtools.agent.program import Ref
    from crtools.agent.slot import Executed
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
# Less than this is written sooner than looked at for zeros (zeros.py): each program costs two
# changes of tasks.
ZEROS_WORTH = 1 << 20
# Bytes of areas; see plan_portions.
_FIRST, _PORTION, _PORTIONS = 32 << 20, 256 << 20, 64
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
    """What goes into the pagemap and the pages file, of which `end` is the end, and where guard
    pages and transparent huge pages are."""

    entries: list[PagemapEntry]
    runs: list[Run]
    guards: list[tuple[int, int]]
    huge: list[tuple[int, int]]
    end: int
    scanned: int


class Portion(Value):
    """Neighbouring areas, or a part of a large one, and what of them is to be scanned."""

    areas: list[Area]
    spans: list[tuple[int, int]]


def plan_portions(areas: Sequence[Area], *, together: bool = False) -> list[Portion]:
    """All areas in portions: a small one, so that the task soon begins to write, then large ones,
    so that it never waits for the scan of the next. If several tasks write `together`, the second
    portion is the last: the next task's begin is worth more than that this one waits a little."""
    portions: list[Portion] = []
    some: list[Area] = []
    spans: list[tuple[int, int]] = []
    room = _FIRST
    # Terabytes may be reserved and not used (sanitizers' shadows): that is no work to be divided.
    total = sum([area.entry.end - area.entry.start for area in areas if area.pages])
    most = total if together else max(_PORTION, total // _PORTIONS // PAGE * PAGE)
    for area in areas:
        some.append(area)
        start, end = area.entry.start, area.entry.end
        if not area.pages:
            continue
        while end - start >= room:
            spans.append((start, start + room))
            start += room
            room = most
            portions.append(Portion(areas=some, spans=spans))
            # A scan covers what lies between its spans, where there may be guard pages: so the
            # next begins where this one ended.
            some, spans = [area], [(start, start)]
        spans.append((start, end))
        room -= end - start
    portions.append(Portion(areas=some, spans=spans))
    return portions


def plan_pages(areas: Sequence[Area], regions: Sequence[Region], offset: int = 0) -> PagePlan:
    """The pages of private areas that differ from what a new mapping would show, to be written
    from `offset` of the pages file on.

    Pages of files, zero pages, guard pages and pages that nobody touched are left out; of those
    that are UNCHANGED the pagemap says that they are in the parent directory.
    """
    entries: list[PagemapEntry] = []
    runs: list[Run] = []
    huge: list[tuple[int, int]] = []
    scanned = 0
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
            if region[2] & UNCHANGED:
                add_entry(entries, first, last, IN_PARENT)
            elif not region[2] & (PAGE_IS_FILE | PAGE_IS_PFNZERO | PAGE_IS_GUARD):
                offset = _append(entries, runs, first, last, flags, area.readable, offset)
            # Not pages of the pool (hugetlbfs), be they of a file.
            transparent = area.entry.status & kinds.ANON_PRIVATE and not (
                area.entry.flags & MAP_HUGETLB
            )
            if transparent and region[2] & (PAGE_IS_HUGE | PAGE_IS_FILE) == PAGE_IS_HUGE:
                huge.append((first, last))
            if region[1] > end:
                break
            region = next(at, None)
    return PagePlan(
        entries=entries,
        runs=runs,
        # Of shared areas, too: guards are each process's own.
        guards=[(start, end) for start, end, what in regions if what & PAGE_IS_GUARD],
        huge=huge,
        end=offset,
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
    add_entry(entries, start, end, flags)
    if not runs or runs[-1].by_task is not by_task:
        runs.append(Run(offset=offset, by_task=by_task, pieces=[]))
    pieces = runs[-1].pieces
    for piece in range(start, end, PIECE):
        pieces.append((piece, min(PIECE, end - piece)))
    return offset + end - start


def cut_runs(runs: Sequence[Run], away: Sequence[tuple[int, int]]) -> list[Run]:
    """The runs without the pages of the ascending ranges `away`: each other page stays where it is
    in the pages file."""
    left: list[Run] = []
    at = 0
    for run in runs:
        offset = run.offset
        pieces: list[tuple[int, int]] = []
        for start, length in run.pieces:
            end = start + length
            # The pieces of all runs ascend.
            while at < len(away) and away[at][1] <= start:
                at += 1
            inside = at
            while inside < len(away) and away[inside][0] < end:
                first, last = away[inside]
                if start < first:
                    pieces.append((start, first - start))
                    offset += first - start
                if pieces:
                    left.append(run.but(offset=offset - _length(pieces), pieces=pieces))
                    pieces = []
                offset += min(last, end) - max(first, start)
                start = min(last, end)
                inside += 1
            if start < end:
                pieces.append((start, end - start))
                offset += end - start
        if pieces:
            left.append(run.but(offset=offset - _length(pieces), pieces=pieces))
    return left


def _length(pieces: Sequence[tuple[int, int]]) -> int:
    return sum([length for _, length in pieces])


def add_entry(entries: list[PagemapEntry], start: int, end: int, flags: int) -> None:
    """One more run of pages; it grows the last entry if it continues that."""
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


def count_in_parent(entries: Sequence[PagemapEntry]) -> int:
    return sum([entry.nr_pages or 0 for entry in entries if (entry.flags or 0) & IN_PARENT])


def head_and_entries(pages_id: int, plan: PagePlan) -> list[PagemapHead | PagemapEntry]:
    return [PagemapHead(pages_id=pages_id), *plan.entries]


def ask_pair(program: Program) -> Ref:
    """A socket pair, over which the task is given its pages file: in the program that asks it
    everything else, since each program costs a change of tasks."""
    program.skip_if((ARG_AREA32, NO_DESCRIPTORS_AT), 1, 1)
    return program.call(
        SYS_socketpair,
        _AF_UNIX,
        _SOCK_SEQPACKET_CLOEXEC,
        0,
        (ARG_AREA, _OURS),
        expect=OR_ERRNO,
        expected=errnos(EMFILE, ENFILE),
        label="make a socket pair",
    )


def check_pair(agent: Agent | Copy, executed: Executed, asked: Ref) -> None:
    """Where the task has no numbers left for a pair (RLIMIT_NOFILE), or the system no files, no
    descriptor is passed to it: the tool copies its pages, which takes longer."""
    if agent.takes_descriptors and executed.result(asked):
        agent.takes_descriptors = False


class PageWriter:
    """Fills the pages file `image` of a task that has run the program of `ask_pair`.

    `memory` is /proc/PID/mem: what the task itself cannot read comes from there, and everything if
    not `by_task`; `vdso` is the vDSO's address and its bytes without what we put into its padding.
    """

    def __init__(
        self,
        agent: Agent | Copy,
        image: int,
        memory: int,
        vdso: tuple[int, bytes],
        *,
        by_task: bool,
    ) -> None:
        self._agent = agent
        self._image = image
        self._memory = memory
        self._vdso = vdso
        self._by_task = by_task
        self._passed = False

    def start(self, runs: Sequence[Run], *, last: bool) -> None:
        """Returns while the task still writes: Agent.wait() tells when it is done. With the `last`
        runs, the task's descriptors are closed."""
        program = Program()
        own = [run for run in runs if run.by_task and self._by_task]
        if own:
            if not self._passed:
                self._pass_image(program)
            for run in own:
                program = self._add(program, run)
        if last and self._agent.takes_descriptors:
            for kept in (_IMAGE,) if self._passed else (_OURS, _THEIRS):
                _close(program, kept)
        if program.count or last:
            self._agent.post(program)
        for run in runs:
            if not (run.by_task and self._by_task):
                self._copy(run)

    def _add(self, program: Program, run: Run) -> Program:
        offset = run.offset
        for first in range(0, len(run.pieces), _VECTOR):
            pieces = run.pieces[first : first + _VECTOR]
            if len(program.data) + len(pieces) * 16 > 700_000:
                self._agent.post(program)
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
        return program

    def _copy(self, run: Run) -> None:
        offset = run.offset
        for address, length in run.pieces:
            if address == self._vdso[0]:
                os.pwrite(self._image, self._vdso[1], offset)
            else:
                _copy(self._memory, self._image, address, length, offset)
            offset += length

    def _pass_image(self, program: Program) -> None:
        self._send()
        self._passed = True
        _close(program, _THEIRS)
        program.call(
            SYS_recvmsg,
            (ARG_AREA32, _OURS),
            (ARG_AREA, _MSG_AT),
            _MSG_CMSG_CLOEXEC,
            label="receive the image file",
        )
        _close(program, _OURS)

    def _send(self) -> None:
        agent = self._agent
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


def _close(program: Program, kept: int) -> None:
    """Closed and forgotten at once: if we die, other threads run on and reuse the number."""
    program.call(SYS_close, (ARG_AREA32, kept))
    program.copy((ARG_AREA, kept), program.put(b"\xff" * 4), 4)


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
