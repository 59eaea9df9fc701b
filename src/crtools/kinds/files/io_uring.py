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
from crtools.images.messages.crtools_kinds import CrtoolsUringEntry
from crtools.images.messages.fdinfo import FileEntry
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner, OpenFile
from crtools.kinds.files.registry import IO_URING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crtools.kinds.files.base import DumpContext, PlanContext

SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register = 425, 426, 427
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
PARAMS_BYTES, _PARAMS_FLAGS_AT, _PARAMS_CQ_AT, _PARAMS_OFFSETS_AT = 120, 8, 4, 40
# struct io_rings: four counters. Their places are compared (`_offsets`), these are for our use.
SQ_HEAD_AT, SQ_TAIL_AT, CQ_HEAD_AT, CQ_TAIL_AT = 0, 4, 8, 12
WORD = 0xFFFFFFFF
# How many submissions of as many requests as the ring has room for are made at most to bring its
# counters back: some seconds.
LIMIT = 300_000


class IoUring(FileKind):
    type = IO_URING
    field = ""  # of an image of our own

    def matches(self, file: OpenFile) -> bool:
        return file.link == LINK

    def message(self, entry: FileEntry, store: Any) -> Any:
        entries = store.read("crtools-uring") if store.has("crtools-uring") else ()
        return next((own for own in entries if own.id == entry.id), None)

    def dumper(self, context: DumpContext) -> FileDumper:
        from crtools.kinds.files.uring_dump import IoUringDumper

        return IoUringDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        from crtools.kinds.files.uring_restore import IoUringPlanner

        return IoUringPlanner(context)


def completion_head(entry: CrtoolsUringEntry) -> int:
    """Up to where the program has read completions."""
    return int.from_bytes(entry.rings[CQ_HEAD_AT : CQ_HEAD_AT + 4], "little")


def setup_params(entry: CrtoolsUringEntry) -> bytearray:
    """struct io_uring_params for a ring of that kind."""
    params = bytearray(PARAMS_BYTES)
    struct.pack_into("<I", params, _PARAMS_CQ_AT, entry.cq_entries)
    struct.pack_into("<I", params, _PARAMS_FLAGS_AT, (entry.setup | CQSIZE) & ~CLAMP)
    return params


def probe(entry: CrtoolsUringEntry) -> bytes:
    """Where heads, tails and the rest are in a ring of that kind on this kernel. Raises OSError."""
    params = setup_params(entry)
    fd = kernel.checked(SYS_io_uring_setup, entry.sq_entries, kernel.address_of(params))
    os.close(fd)
    return bytes(params[_PARAMS_OFFSETS_AT:])
