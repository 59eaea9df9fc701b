"""io_uring(7), restored: made, mapped again, and its counters brought back."""

from __future__ import annotations

import struct

from crtools.abi.fcntl import O_NONBLOCK
from crtools.abi.kernel import PAGE
from crtools.abi.x86_64 import SYS_fcntl, SYS_mmap, SYS_munmap
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.crtools_kinds import CrtoolsUringEntry
from crtools.kinds.files.base import FilePlanner, choose_place
from crtools.kinds.files.io_uring import (
    CARRIED,
    CQ_HEAD_AT,
    IOSQE_CQE_SKIP_SUCCESS,
    LIMIT,
    REGISTER_BUFFERS,
    REGISTER_FILES,
    SQ_TAIL_AT,
    SQE128,
    WORD,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_io_uring_setup,
    completion_head,
    probe,
    setup_params,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.agent.program import Program
    from crtools.images.messages.vma import VmaEntry
    from crtools.kinds.files.base import PlanContext, PlannedFile, Programs

_2U64 = struct.Struct("<2Q")
F_SETFL = 4


class IoUringPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.files: list[PlannedFile] = []

    def add(self, file: PlannedFile) -> None:
        entry = file.message
        sizes = entry.sq_entries, entry.cq_entries
        if (
            any(not size or size & size - 1 or size > 1 << 16 for size in sizes)
            or entry.setup & ~CARRIED
            or entry.sq_head < entry.cq_tail
            or entry.sq_head // min(sizes) > LIMIT
            or len(entry.rings) % PAGE
            or len(entry.sqes) % PAGE
            or len(entry.rings) < PAGE
            or (entry.cq_tail - completion_head(entry)) & WORD > entry.cq_entries
        ):
            raise ImageError(f"crtools-uring.img has an impossible ring {entry.id}")
        self.files.append(file)

    def name(self, file: PlannedFile) -> str:
        return "the io_uring"

    def check(self, root: int) -> None:
        for file in self.files:
            try:
                offsets = probe(file.message)
            except OSError as error:
                raise RestoreConflict(
                    f"Cannot restore {self.context.describe(file)}",
                    because=f"io_uring_setup: {error.strerror}",
                    hint="sysctl kernel.io_uring_disabled=0",
                ) from error
            if offsets != file.message.offsets:
                raise RestoreConflict(
                    f"Cannot restore {self.context.describe(file)}",
                    because="rings have another layout on this kernel",
                )

    def place(self) -> None:
        choose_place(self.context, self.files)
        for file in self.files:
            wanted = self.context.tables[file.pid].wanted
            if any(number != -1 and number not in wanted for number in file.message.files):
                raise ImageError(
                    f"The io_uring {file.id} has a registered file that task {file.pid} has not"
                )
            self.context.add_job(file.pid, Making(self.context, file))


class Making:
    """Makes one ring, at its number, with its buffers."""

    def __init__(self, context: PlanContext, file: PlannedFile) -> None:
        self.context = context
        self.file = file

    def __call__(self, programs: Programs) -> None:
        file, entry = self.file, self.file.message
        program = programs.need(1024 + 16 * len(entry.buffers))
        params = program.put(setup_params(entry))
        fd = program.call(
            SYS_io_uring_setup, entry.sq_entries, params, label=lambda: f"make {self.what()}"
        )
        # It comes with the flag.
        cloexec = file.users[0][2]
        if not cloexec:
            program.call(SYS_fcntl, fd, 2, 0)
        self.context.move(program, fd, file.number, cloexec, self.what)
        if entry.flags & O_NONBLOCK:
            program.call(SYS_fcntl, file.number, F_SETFL, O_NONBLOCK)
        if entry.buffers:
            vectors = [_2U64.pack(buffer.start, buffer.length) for buffer in entry.buffers]
            program.call(
                SYS_io_uring_register,
                file.number,
                REGISTER_BUFFERS,
                program.put(b"".join(vectors)),
                len(vectors),
                label=lambda: f"register buffers of {self.what()}",
            )

    def what(self) -> str:
        return self.context.describe(self.file)


# --- Mappings ---


def build_filling(program: Program, gap: tuple[int, int]) -> None:
    """Instructions that leave no room where nothing is mapped."""
    start, end = gap
    program.call(
        SYS_mmap,
        start,
        end - start,
        0,
        0x104022,  # MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE
        -1,
        0,
        expect=2,
        expected=start,
        label=lambda: f"fill {start:x}-{end:x}",
    )


def build_mapping(program: Program, vma: VmaEntry, number: int) -> None:
    """Instructions that map a ring in the place that was kept for it.

    The kernel lets nobody choose where a ring is mapped, nor move it (io_uring/memmap.c,
    io_uring_get_unmapped_area): this must be the only place in the address space with room.
    """
    start, length = vma.start, vma.end - vma.start
    program.call(SYS_munmap, start, length, label=lambda: f"make room at {start:x}")
    program.call(
        SYS_mmap,
        0,
        length,
        vma.prot,
        1,  # MAP_SHARED
        number,
        vma.pgoff,
        expect=2,
        expected=start,
        label=lambda: f"map an io_uring at {start:x}",
    )


def build_files(program: Program, entry: CrtoolsUringEntry, number: int) -> None:
    """Instructions that register files, by the descriptors that the process has in the end."""
    numbers = entry.files
    if numbers:
        program.call(
            SYS_io_uring_register,
            number,
            REGISTER_FILES,
            program.put(struct.pack(f"<{len(numbers)}i", *numbers)),
            len(numbers),
            label="register files of an io_uring",
        )


def build_counters(
    fresh: Callable[[], Program],
    entry: CrtoolsUringEntry,
    number: int,
    rings: int,
    sqes: int,
    limit: int,
) -> None:
    """Programs that bring a new ring's counters and content to what they were, in a process that
    has it at that descriptor number, mapped at `rings` and `sqes`. Programs are not to be larger
    than `limit` bytes."""
    program = fresh()
    done = completed = 0
    unread = (entry.cq_tail - completion_head(entry)) & WORD
    step = min(entry.sq_entries, entry.cq_entries)
    # Requests that complete silently come first: then every entry is such a request.
    silent = entry.sq_head - entry.cq_tail
    flags = bytes((0, IOSQE_CQE_SKIP_SUCCESS)) + bytes(62)
    if silent:
        size = 128 if entry.setup & SQE128 else 64
        one = flags.ljust(size, b"\0")
        for first in range(0, entry.sq_entries, 512):
            part = one * min(512, entry.sq_entries - first)
            program.copy(sqes + first * size, program.put(part), len(part))
    while done < entry.sq_head:
        if silent and done == silent:
            program = fresh()
            for first in range(0, len(entry.sqes), PAGE * 16):
                part = bytes(min(PAGE * 16, len(entry.sqes) - first))
                program.copy(sqes + first, program.put(part), len(part))
                program = fresh()
        if program.size > limit:
            program = fresh()
        count = min(step, (silent if done < silent else entry.sq_head) - done)
        if done >= silent:
            # Completions up to the head are read at once, those beyond it never.
            left = entry.cq_tail - unread - completed
            count = min(count, left) if left > 0 else count
            completed += count
        done += count
        program.copy(rings + SQ_TAIL_AT, program.put(done.to_bytes(4, "little")), 4)
        program.call(
            SYS_io_uring_enter,
            number,
            count,
            0,
            0,
            0,
            0,
            expect=2,
            expected=count,
            label="bring an io_uring's counters back",
        )
        if done > silent and completed <= entry.cq_tail - unread:
            program.copy(rings + CQ_HEAD_AT, program.put(completed.to_bytes(4, "little")), 4)
    for at, content in ((sqes, entry.sqes), (rings, entry.rings)):
        for first in range(0, len(content), PAGE * 16):
            program = fresh()
            part = content[first : first + PAGE * 16]
            program.copy(at + first, program.put(part), len(part))
