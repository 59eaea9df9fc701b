"""io_uring(7): rings that are shared with the kernel, behind a descriptor and mapped.

Nothing tells with which flags a ring was set up, or whether requests are in flight: the kernel's
own memory does (crtools.tracee.kernel_memory; docs/decisions/0014-reading-the-kernel.md). What is
carried is a ring that is idle: its flags and sizes, its mappings, submissions that were not made
yet, completions that nobody has read, registered files and buffers. Requests in flight are waited
for (crtools.kinds.files.uring_requests). Everything else is refused by name.

Heads and tails are counters that run on for ever; the program and the kernel each have their own
copy. So that the kernel's come to be what they were, a new ring is given as many requests that do
nothing (IORING_OP_NOP), by the process that has it mapped; then the rings' content is put back.
That takes a moment for each few million requests, and longer for small rings: LIMIT.

A ring's memory is mapped when the ring is there; until then an area without access keeps its place.
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.abi.fcntl import O_CLOEXEC, O_NONBLOCK
from crtools.abi.kernel import PAGE
from crtools.abi.x86_64 import SYS_fcntl, SYS_mmap, SYS_munmap
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.crtools_kinds import CrtoolsUringEntry, UringBufferEntry
from crtools.images.messages.fdinfo import FileEntry
from crtools.kinds.files.base import (
    FileDumper,
    FileKind,
    FilePlanner,
    OpenFile,
    RequestsInFlight,
    choose_place,
)
from crtools.kinds.files.registry import IO_URING
from crtools.kinds.files.uring_requests import Requests
from crtools.procfs.maps import read_maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from crtools.agent.program import Program
    from crtools.images.messages.vma import VmaEntry
    from crtools.kinds.files.base import (
        DumpContext,
        PlanContext,
        PlannedFile,
        Programs,
    )

SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register = 425, 426, 427
F_SETFL = 4
LINK = b"anon_inode:[io_uring]"
# linux/io_uring.h: flags of setup that are carried, and the names of all.
CQSIZE, CLAMP, SINGLE_ISSUER, NO_SQARRAY = 1 << 3, 1 << 4, 1 << 12, 1 << 16
NAMES = (
    "IOPOLL SQPOLL SQ_AFF CQSIZE CLAMP ATTACH_WQ R_DISABLED SUBMIT_ALL COOP_TASKRUN TASKRUN_FLAG"
    " SQE128 CQE32 SINGLE_ISSUER DEFER_TASKRUN NO_MMAP REGISTERED_FD_ONLY NO_SQARRAY"
    " HYBRID_IOPOLL CQE_MIXED SQE_MIXED"
).split()
CARRIED = sum(
    1 << NAMES.index(name)
    for name in (
        "CQSIZE CLAMP SUBMIT_ALL COOP_TASKRUN TASKRUN_FLAG SQE128 CQE32 SINGLE_ISSUER"
        " DEFER_TASKRUN NO_SQARRAY"
    ).split()
)
SQE128 = 1 << NAMES.index("SQE128")
OFF_SQ_RING, OFF_CQ_RING, OFF_SQES = 0, 0x8000000, 0x10000000
REGISTER_BUFFERS, REGISTER_FILES = 0, 2
IOSQE_CQE_SKIP_SUCCESS = 1 << 6
# struct io_uring_params: entries, flags, ..., then where heads, tails and the rest are.
_PARAMS_BYTES, _PARAMS_FLAGS_AT, _PARAMS_CQ_AT, _PARAMS_OFFSETS_AT = 120, 8, 4, 40
# struct io_rings: four counters. Their places are compared (`_offsets`), these are for our use.
SQ_HEAD_AT, SQ_TAIL_AT, CQ_HEAD_AT, CQ_TAIL_AT = 0, 4, 8, 12
_2U64 = struct.Struct("<2Q")
_WORD = 0xFFFFFFFF
# How many submissions of as many requests as the ring has room for are made at most to bring its
# counters back: some seconds.
LIMIT = 300_000
REGISTERED_RINGS = 16  # of a task: IO_RINGFD_REG_MAX, io_uring/tctx.h


class IoUring(FileKind):
    type = IO_URING
    field = ""  # of an image of our own

    def matches(self, file: OpenFile) -> bool:
        return file.link == LINK

    def message(self, entry: FileEntry, store: Any) -> Any:
        entries = store.read("crtools-uring") if store.has("crtools-uring") else ()
        return next((own for own in entries if own.id == entry.id), None)

    def dumper(self, context: DumpContext) -> FileDumper:
        return IoUringDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return IoUringPlanner(context)


class IoUringDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        from crtools.tracee.kernel_memory import KernelMemory

        self.context = context
        self.memory = KernelMemory()
        self.entries: list[CrtoolsUringEntry] = []
        self.files: list[OpenFile] = []

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        fd = self.context.borrow(file)
        try:
            self.entries.append(self._dump(file, id, fd))
        finally:
            os.close(fd)
        self.files.append(file)
        return FileEntry(type=IO_URING, id=id)

    def check(self) -> None:
        for file in self.files:
            holder = self.context.find_holder(file)
            if holder:
                raise self.refused(
                    file, "it is also open outside the tree", f"{holder} has it, and is not dumped"
                )

    def finish(self) -> None:
        self.context.store.write("crtools-uring", self.entries)

    def _dump(self, file: OpenFile, id: int, fd: int) -> CrtoolsUringEntry:
        memory = self.memory
        self._check_inode(file)
        ring = memory.private_data(fd)
        setup = self._check_flags(file, ring)
        self._check_rest(file, ring)
        self._check_process(file, ring, setup)
        requests = Requests(self, file, ring)
        if requests.busy_tids():
            raise RequestsInFlight(requests)
        entry = CrtoolsUringEntry(
            id=id,
            flags=file.flags,
            inode=file.stat.st_ino,
            fown=self.context.owner_of(file),
            setup=setup,
            sq_entries=memory.unsigned(ring, "io_ring_ctx", "sq_entries"),
            cq_entries=memory.unsigned(ring, "io_ring_ctx", "cq_entries"),
            sq_head=memory.unsigned(ring, "io_ring_ctx", "cached_sq_head"),
            cq_tail=memory.unsigned(ring, "io_ring_ctx", "cached_cq_tail"),
            rings=self._read_region(ring, fd, "ring_region", OFF_SQ_RING),
            sqes=self._read_region(ring, fd, "sq_region", OFF_SQES),
            buffers=self._buffers(file, ring),
            files=self._files(file, ring),
            offsets=b"",
        )
        entry.offsets = probe(entry)
        self._check_mapping(file, entry)
        room = min(entry.sq_entries, entry.cq_entries)
        if entry.sq_head < entry.cq_tail:
            raise self.refused(
                file,
                f"it has completed {entry.cq_tail - entry.sq_head} times more than it was asked to",
                "requests with several completions (IORING_CQE_F_MORE) cannot be repeated",
            )
        if entry.sq_head // room > LIMIT:
            raise self.refused(
                file,
                f"it has carried out {entry.sq_head} requests",
                f"a ring of {room} entries can be brought back after {LIMIT * room} at most",
            )
        return entry

    def _check_inode(self, file: OpenFile) -> None:
        """A ring has an inode of its own, by which its mappings are known; not on older kernels."""
        params = bytearray(_PARAMS_BYTES)
        fd = kernel.checked(SYS_io_uring_setup, 1, kernel.address_of(params))
        try:
            if os.fstat(fd).st_ino == file.stat.st_ino:
                raise self.refused(
                    file, "this kernel does not tell rings apart", "all have the same inode"
                )
        finally:
            os.close(fd)

    def _check_mapping(self, file: OpenFile, entry: CrtoolsUringEntry) -> None:
        """Its counters are brought back by whoever has all of it mapped."""
        sizes = {OFF_SQ_RING: len(entry.rings), OFF_SQES: len(entry.sqes)}
        for vma in read_maps(self.context.proc, file.pid):
            if (
                vma.path == LINK
                and vma.inode == entry.inode
                and vma.end - vma.start == sizes.get(vma.pgoff)
            ):
                del sizes[vma.pgoff]
        if sizes and (entry.sq_head or any(entry.rings[SQ_HEAD_AT : CQ_TAIL_AT + 4])):
            raise self.refused(
                file,
                f"task {file.pid} has used it, but has not all of it mapped",
                "crtools brings its counters back by what is mapped",
            )

    def refused(self, file: OpenFile, what: str, because: str, hint: str = "") -> Exception:
        return self.context.refuse(file, f"it is an io_uring: {what}", because, hint)

    def _check_flags(self, file: OpenFile, ring: int) -> int:
        setup = self.memory.unsigned(ring, "io_ring_ctx", "flags")
        other = setup & ~CARRIED
        if other:
            names = [
                f"IORING_SETUP_{NAMES[bit]}" if bit < len(NAMES) else f"flag {1 << bit:#x}"
                for bit in range(32)
                if other & 1 << bit
            ]
            raise self.refused(
                file, f"it was set up with {', '.join(names)}", "crtools does not carry that"
            )
        return setup

    def _check_rest(self, file: OpenFile, ring: int) -> None:
        """What a ring may have besides, and is not carried."""
        memory = self.memory
        place, bit = memory.types.bit("io_ring_ctx", "restricted")
        overflow = memory.at(ring, "io_ring_ctx", "cq_overflow_list")
        found = (
            ("a registered eventfd", memory.pointer(ring, "io_ring_ctx", "io_ev_fd")),
            ("restrictions", memory.word(ring + place) >> bit & 1),
            ("registered personalities", self._xarray(ring, "personalities")),
            ("provided buffers", self._xarray(ring, "io_bl_xa")),
            ("zero-copy receive queues", self._xarray(ring, "zcrx_ctxs")),
            ("completions that had no room (overflow)", memory.word(overflow) != overflow),
            ("busy polling (NAPI)", file.extra.get(b"NAPI", [b"disabled"]) != [b"disabled"]),
        )
        for what, there in found:
            if there:
                raise self.refused(file, f"it has {what}", "crtools does not carry that yet")

    def _xarray(self, ring: int, member: str) -> int:
        return self.memory.pointer(self.memory.at(ring, "io_ring_ctx", member), "xarray", "xa_head")

    def _check_process(self, file: OpenFile, ring: int, setup: int) -> None:
        """The one that the ring is seen through first makes it again."""
        memory = self.memory
        fd = os.open(f"{file.pid}/mem", os.O_RDONLY | O_CLOEXEC, dir_fd=self.context.proc)
        try:
            mm = memory.private_data(fd)
        finally:
            os.close(fd)
        if memory.pointer(ring, "io_ring_ctx", "mm_account") not in (0, mm):
            raise self.refused(
                file,
                "another process set it up",
                "its buffers are that process's memory",
                "dump the tree of that process too",
            )
        if setup & SINGLE_ISSUER:
            task = memory.pointer(ring, "io_ring_ctx", "submitter_task")
            leads = task and memory.unsigned(task, "task_struct", "pid") == memory.unsigned(
                task, "task_struct", "tgid"
            )
            if not leads or memory.pointer(task, "task_struct", "mm") != mm:
                raise self.refused(
                    file,
                    "only a thread that is not its process's first may submit to it"
                    " (IORING_SETUP_SINGLE_ISSUER)",
                    "crtools makes rings in first threads",
                )

    def in_flight(self, file: OpenFile, ring: int) -> dict[int, int]:
        """Requests in flight of all tasks that have used the ring, on any ring of theirs, by the
        address of the task (io_uring/io_uring.c, tctx_inflight)."""
        memory = self.memory
        head = memory.at(ring, "io_ring_ctx", "tctx_list")
        link = memory.types.offset("io_tctx_node", "ctx_node")
        found: dict[int, int] = {}
        node = memory.word(head)
        while node != head:
            task = memory.pointer(node - link, "io_tctx_node", "task")
            context = memory.pointer(task, "task_struct", "io_uring")
            count = self._of_task(file, context) if context else 0
            if count:
                found[task] = count
            node = memory.word(node)
        return found

    def _of_task(self, file: OpenFile, context: int) -> int:
        memory = self.memory
        rings = memory.at(context, "io_uring_task", "registered_rings")
        if any(memory.word(rings + 8 * index) for index in range(REGISTERED_RINGS)):
            raise self.refused(
                file,
                "a thread has registered its descriptor (IORING_REGISTER_RING_FDS)",
                "crtools does not carry that yet",
            )
        counter = memory.at(context, "io_uring_task", "inflight")
        count = memory.pointer(counter, "percpu_counter", "count")
        count += memory.sum_per_cpu(memory.pointer(counter, "percpu_counter", "counters"))
        count -= memory.unsigned(context, "io_uring_task", "cached_refs")
        return (count + (1 << 63)) % (1 << 64) - (1 << 63)

    def _read_region(self, ring: int, fd: int, member: str, offset: int) -> bytes:
        memory = self.memory
        region = memory.at(ring, "io_ring_ctx", member)
        length = memory.unsigned(region, "io_mapped_region", "nr_pages") * PAGE
        at = kernel.checked(SYS_mmap, 0, length, 1, 1, fd, offset)  # PROT_READ, MAP_SHARED
        try:
            return bytes(kernel.view(at, length))
        finally:
            kernel.checked(SYS_munmap, at, length)

    def _files(self, file: OpenFile, ring: int) -> list[int]:
        """Registered files by the descriptor that the process has of each, -1 for an empty slot."""
        memory = self.memory
        table = memory.at(ring, "io_ring_ctx", "file_table")
        data = memory.at(table, "io_file_table", "data")
        count = memory.unsigned(data, "io_rsrc_data", "nr")
        if not count:
            return []
        first = memory.unsigned(ring, "io_ring_ctx", "file_alloc_start")
        last = memory.unsigned(ring, "io_ring_ctx", "file_alloc_end")
        if (first, last) != (0, count):
            raise self.refused(
                file,
                "only some slots are for files that requests open"
                " (IORING_REGISTER_FILE_ALLOC_RANGE)",
                "crtools does not carry that",
            )
        open_files = self.open_files(file)
        nodes = memory.pointer(data, "io_rsrc_data", "nodes")
        numbers: list[int] = []
        for index in range(count):
            node = memory.word(nodes + 8 * index)
            if not node:
                numbers.append(-1)
                continue
            # The last bits are the kernel's notes on the file (io_uring/filetable.h).
            number = open_files.get(memory.pointer(node, "io_rsrc_node", "file_ptr") & ~7)
            if number is None or memory.pointer(node, "io_rsrc_node", "tag"):
                raise self.refused(
                    file,
                    f"its registered file {index} "
                    + ("has a tag" if number is not None else "is open nowhere else"),
                    "crtools registers what the process has a descriptor of",
                    "let the program keep the descriptor open",
                )
            numbers.append(number)
        return numbers

    def open_files(self, file: OpenFile) -> dict[int, int]:
        """The descriptors of the process, by the kernel's struct file."""
        found: dict[int, int] = {}
        for name in os.listdir(f"/proc/self/fd/{self.context.proc}/{file.pid}/fd"):
            one = OpenFile(file.pid, file.tid, int(name), "", b"", file.stat)
            fd = self.context.borrow(one)
            try:
                found.setdefault(self.memory.own_file(fd), one.fd)
            finally:
                os.close(fd)
        return found

    def _buffers(self, file: OpenFile, ring: int) -> list[UringBufferEntry]:
        memory = self.memory
        table = memory.at(ring, "io_ring_ctx", "buf_table")
        nodes = memory.pointer(table, "io_rsrc_data", "nodes")
        buffers: list[UringBufferEntry] = []
        for index in range(memory.unsigned(table, "io_rsrc_data", "nr")):
            node = memory.word(nodes + 8 * index)
            if not node:
                buffers.append(UringBufferEntry(start=0, length=0))
                continue
            buffer = memory.pointer(node, "io_rsrc_node", "buf")
            kernels = memory.word(memory.at(buffer, "io_mapped_ubuf", "is_kbuf")) & 0xFF
            if kernels or memory.pointer(node, "io_rsrc_node", "tag"):
                raise self.refused(
                    file, "it has a registered buffer of the kernel's, or one with a tag",
                    "crtools does not carry that yet",
                )  # fmt: skip
            buffers.append(
                UringBufferEntry(
                    start=memory.pointer(buffer, "io_mapped_ubuf", "ubuf"),
                    length=memory.unsigned(buffer, "io_mapped_ubuf", "len"),
                )
            )
        return buffers


def completion_head(entry: CrtoolsUringEntry) -> int:
    """Up to where the program has read completions."""
    return int.from_bytes(entry.rings[CQ_HEAD_AT : CQ_HEAD_AT + 4], "little")


def setup_params(entry: CrtoolsUringEntry) -> bytearray:
    """struct io_uring_params for a ring of that kind."""
    params = bytearray(_PARAMS_BYTES)
    struct.pack_into("<I", params, _PARAMS_CQ_AT, entry.cq_entries)
    struct.pack_into("<I", params, _PARAMS_FLAGS_AT, (entry.setup | CQSIZE) & ~CLAMP)
    return params


def probe(entry: CrtoolsUringEntry) -> bytes:
    """Where heads, tails and the rest are in a ring of that kind on this kernel. Raises OSError."""
    params = setup_params(entry)
    fd = kernel.checked(SYS_io_uring_setup, entry.sq_entries, kernel.address_of(params))
    os.close(fd)
    return bytes(params[_PARAMS_OFFSETS_AT:])


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
            or (entry.cq_tail - completion_head(entry)) & _WORD > entry.cq_entries
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
    unread = (entry.cq_tail - completion_head(entry)) & _WORD
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
