"""io_uring(7), dumped: a ring that is idle; what is not carried is refused by name."""

from __future__ import annotations

import os

from crtools.abi import kernel
from crtools.abi.fcntl import O_CLOEXEC
from crtools.abi.kernel import PAGE
from crtools.abi.x86_64 import SYS_mmap, SYS_munmap
from crtools.images.messages.crtools_kinds import CrtoolsUringEntry, UringBufferEntry
from crtools.images.messages.fdinfo import FileEntry
from crtools.kinds.files.base import FileDumper, OpenFile, RequestsInFlight
from crtools.kinds.files.io_uring import (
    CARRIED,
    CQ_TAIL_AT,
    LIMIT,
    LINK,
    NAMES,
    OFF_SQ_RING,
    OFF_SQES,
    PARAMS_BYTES,
    SINGLE_ISSUER,
    SQ_HEAD_AT,
    SYS_io_uring_setup,
    probe,
)
from crtools.kinds.files.registry import IO_URING
from crtools.kinds.files.uring_requests import Requests
from crtools.procfs.maps import read_maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import DumpContext

REGISTERED_RINGS = 16  # of a task: IO_RINGFD_REG_MAX, io_uring/tctx.h


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
        params = bytearray(PARAMS_BYTES)
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
