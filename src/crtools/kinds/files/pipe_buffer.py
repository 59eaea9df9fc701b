"""What lies in a pipe or fifo: reading it without consuming it, and putting it back.

The kernel keeps a pipe's bytes in a ring of buffers; tee(2) makes a second pipe refer to the same
buffers and leaves the first as it is. In packet mode (O_DIRECT, pipe(2)) a buffer is a packet, and
a read ends with it.
"""

from __future__ import annotations

import os

from crtools.abi import kernel
from crtools.abi.fcntl import (
    F_GETPIPE_SZ,
    F_SETPIPE_SZ,
    O_ACCMODE,
    O_APPEND,
    O_DIRECT,
    O_NOATIME,
    O_NONBLOCK,
    O_RDONLY,
    O_WRONLY,
)
from crtools.abi.x86_64 import SYS_fcntl, SYS_ioctl, SYS_tee, SYS_write
from crtools.agent.program import EXACTLY
from crtools.errors import ImageError, MissingFeature
from crtools.images.messages.pipe_data import PipeDataEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from crtools.kinds.files.base import DumpContext, OpenFile, Programs

FIONREAD = 0x541B  # asm-generic/ioctls.h; crtools.abi.ioctl is not worth its import here
SPLICE_F_NONBLOCK = 2  # linux/splice.h
POLLERR, POLLHUP = 0x8, 0x10  # asm-generic/poll.h
# Nobody can have a larger pipe: its pages are counted in an unsigned int (fs/pipe.c), and the size
# in an image is of 32 bits.
LARGEST = 1 << 31
_WRITE_BYTES = 64 << 10  # of a pipe's content, in one instruction
# The flags that F_SETFL changes, O_ASYNC aside.
SETTABLE = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME
_count = bytearray(4)
_count_at = kernel.address_of(_count)


class Buffer:
    """A pipe or fifo as the dump finds it: `ends` are the open files that lead to it."""

    __slots__ = ("ends", "id", "what")

    def __init__(self, id: int, what: str) -> None:
        self.id = id
        self.what = what  # "pipe 40213", "the fifo /run/x"
        self.ends: list[OpenFile] = []

    def end(self, unwanted: int) -> OpenFile | None:
        """The first end that is not only open for the `unwanted` access mode."""
        for file in self.ends:
            if file.flags & O_ACCMODE != unwanted:
                return file
        return None

    @property
    def reader(self) -> OpenFile | None:
        return self.end(O_WRONLY)

    @property
    def writer(self) -> OpenFile | None:
        return self.end(O_RDONLY)


def check_ends(context: DumpContext, buffer: Buffer) -> None:
    """Where the tree has only one side of a pipe, the other one must be closed.

    A read end polls POLLHUP without writers, a write end POLLERR without readers (fs/pipe.c).
    Raises UnsupportedObject, naming who has the other end as far as can be seen.
    """
    reader, writer = buffer.reader, buffer.writer
    known = reader or writer
    if known is None or (reader is not None and writer is not None):
        return
    import select

    fd = context.borrow(known)
    try:
        poll = select.poll()
        poll.register(fd, 0)
        events = dict(poll.poll(0)).get(fd, 0)
    finally:
        os.close(fd)
    if events & (POLLHUP if reader is not None else POLLERR):
        return
    holder = context.find_holder(known)
    # A fifo's reader that has never had a writer does not poll POLLHUP either.
    if not holder and reader is not None and not buffer.what.startswith("pipe"):
        return
    side = "write" if reader is not None else "read"
    raise context.refuse(
        known,
        f"the {side} end of {buffer.what} is outside the tree",
        f"{holder} has it" if holder else "a process that cannot be seen from here has it",
        "dump the tree of a task that has both, or redirect it to a file",
    )


def read_buffer(context: DumpContext, buffer: Buffer) -> tuple[PipeDataEntry, bytes]:
    """Size and content of a pipe, which keeps them. Raises UnsupportedObject, MissingFeature."""
    file = buffer.reader
    fd = -1
    try:
        if file is not None:
            fd = context.borrow(file)
        else:
            # Nobody can read it, but whoever opens it again could.
            file = buffer.ends[0]
            path = f"{file.via}"
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=context.proc)
        size = kernel.checked(SYS_fcntl, fd, F_GETPIPE_SZ)
        content = b""
        if kernel.checked(SYS_ioctl, fd, FIONREAD, _count_at) == 0 and any(_count):
            content = _read_copy(context, file, buffer, fd, size)
        return PipeDataEntry(pipe_id=buffer.id, bytes=len(content), size=size), content
    finally:
        if fd >= 0:
            os.close(fd)


def _read_copy(
    context: DumpContext, file: OpenFile, buffer: Buffer, source: int, size: int
) -> bytes:
    length = int.from_bytes(_count, "little")
    read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        result = kernel.raw(SYS_fcntl, write_end, F_SETPIPE_SZ, size)
        if result < 0 and kernel.checked(SYS_fcntl, write_end, F_GETPIPE_SZ) < size:
            raise MissingFeature(
                f"Cannot read the {length} bytes in {buffer.what} of {context.describe(file)}",
                because=f"a second pipe of its size, {size} bytes, was not given:"
                f" {os.strerror(-result)}",
                hint=f"sysctl fs.pipe-max-size={size}, or CAP_SYS_RESOURCE",
                subject=file.subject,
            )
        kernel.checked(SYS_tee, source, write_end, length, SPLICE_F_NONBLOCK)
        content = os.read(read_end, length)
        if len(content) < length:
            # A read ended early: at the end of a packet.
            raise context.refuse(
                file,
                f"{buffer.what} holds packets that nobody has read yet",
                "the image format has no place for where one packet ends and the next begins",
                "dump when they have been read",
            )
        return content
    finally:
        os.close(read_end)
        os.close(write_end)


class Content:
    """What an image says of a pipe's size and content."""

    __slots__ = ("data", "size")

    def __init__(self, size: int | None = None, data: bytes = b"") -> None:
        self.size = size
        self.data = data


def read_contents(store: Any, key: str) -> dict[int, Content]:
    """By pipe id. Raises ImageError."""
    contents: dict[int, Content] = {}
    if not store.has(key):
        return contents
    for entry, data in store.read_with_extra(key):
        if entry.pipe_id in contents:
            raise ImageError(f"Pipe {entry.pipe_id} is twice in the {key} image")
        size = entry.size
        if size is not None and not 0 < size <= LARGEST:
            raise ImageError(
                f"Pipe {entry.pipe_id} in the {key} image has an impossible size, {size}"
            )
        if entry.bytes != len(data) or (size is not None and len(data) > size):
            raise ImageError(
                f"Pipe {entry.pipe_id} in the {key} image has an impossible content",
                because=f"there are {len(data)} bytes, said are {entry.bytes} in a pipe of {size}",
            )
        contents[entry.pipe_id] = Content(size, data)
    return contents


def plan_content(programs: Programs, fd: int, content: Content, what: Callable[[], str]) -> None:
    """Gives the pipe whose write end is descriptor `fd` of the task, not blocking and not in packet
    mode, its size and content."""
    program = programs.need(128)
    size = content.size
    if size is not None:
        program.call(
            SYS_fcntl,
            fd,
            F_SETPIPE_SZ,
            size,
            expect=EXACTLY,
            expected=size,
            label=lambda: f"make {what()} as large as it was, {size} bytes",
        )
    for at in range(0, len(content.data), _WRITE_BYTES):
        piece = content.data[at : at + _WRITE_BYTES]
        program = programs.need(128 + len(piece))
        program.call(
            SYS_write,
            fd,
            program.put(piece, 1),
            len(piece),
            expect=EXACTLY,
            expected=len(piece),
            label=lambda: f"put {len(content.data)} bytes back into {what()}",
        )
