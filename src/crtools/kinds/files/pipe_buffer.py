"""What lies in a pipe or fifo: reading it without consuming it, and putting it back.

The kernel keeps a pipe's bytes in a ring of buffers; tee(2) makes a second pipe refer to the same
buffers and leaves the first as it is. In packet mode (O_DIRECT, pipe(2)) a buffer is a packet, and
a read ends with it.
"""

from __future__ import annotations

import errno
import os

from crtools.abi import kernel
from crtools.abi.fcntl import (
    F_GETPIPE_SZ,
    F_SETFL,
    F_SETPIPE_SZ,
    O_ACCMODE,
    O_APPEND,
    O_CLOEXEC,
    O_DIRECT,
    O_NOATIME,
    O_NONBLOCK,
    O_RDONLY,
    O_WRONLY,
)
from crtools.abi.x86_64 import (
    SYS_close,
    SYS_fcntl,
    SYS_ioctl,
    SYS_pipe2,
    SYS_splice,
    SYS_tee,
    SYS_write,
)
from crtools.agent.program import EXACTLY, load32
from crtools.errors import ImageError, MissingFeature
from crtools.images.messages.pipe_data import PipeDataEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from crtools.agent.program import Ref
    from crtools.images.messages.crtools_pipes import CrtoolsPipeEntry
    from crtools.kinds.files.autofs import AutofsDump
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext, Programs
    from crtools.kinds.files.pipe_questions import Seen

FIONREAD = 0x541B  # asm-generic/ioctls.h; crtools.abi.ioctl is not worth its import here
IOC_WATCH_QUEUE_SET_SIZE = 0x5760  # linux/watch_queue.h: _IO('W', 0x60)
FEW = 8  # pipes: that many are looked at one by one in less time than all at once
SPLICE_F_NONBLOCK = 2  # linux/splice.h
POLLERR, POLLHUP = 0x8, 0x10  # asm-generic/poll.h
# Nobody can have a larger pipe: its pages are counted in an unsigned int (fs/pipe.c), and the size
# in an image is of 32 bits.
LARGEST = 1 << 31
PACKET_BYTES = 4096  # at most: a page, fs/pipe.c
ALWAYS_GIVEN = 1 << 20  # a pipe of this size is given to everybody, if fs.pipe-max-size is as usual
USUAL = (0, 0, 0o600)  # owner, group and permissions of what root makes (fs/pipe.c)
WRITE_BYTES = 64 << 10  # of a pipe's content, in one instruction
_ALL = 1 << 30  # bytes: more than there are in any buffer
_MARK = b"\0"
# The flags that F_SETFL changes, O_ASYNC aside.
SETTABLE = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME
_count = bytearray(4)
_count_at = kernel.address_of(_count)


class Buffer:
    """A pipe or fifo as the dump finds it: `ends` are the open files that lead to it. `permitted`:
    --external says that it may be open outside the tree; `external`: it is."""

    __slots__ = ("ends", "external", "id", "permitted", "what")

    def __init__(self, id: int, what: str, *, permitted: bool = False) -> None:
        self.id = id
        self.what = what  # "pipe 40213", "the fifo /run/x"
        self.ends: list[OpenFile] = []
        self.permitted = permitted
        self.external = False

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


# --- Dump ---


class BuffersDump:
    """The pipes, or the fifos, of a dump. `fifos` says which."""

    def __init__(self, context: DumpContext, *, fifos: bool) -> None:
        self.context = context
        self.fifos = fifos
        self.buffers: list[Buffer] = []
        self.autofs: AutofsDump | None = None  # before it is looked for
        self._outside: dict[tuple[int, int], bool] | None = None
        self._seen: dict[int, Seen] = {}  # by the number of the pipe: simple ones of many
        self._notifies = True  # what this kernel's pipes may be used for, until one tells

    def add(self, file: OpenFile, buffer: Buffer) -> None:
        self.buffers.append(buffer)
        if not buffer.permitted:
            self.context.watch(file, buffer.what)

    def check(self) -> None:
        """Raises UnsupportedObject for those that lead out of the tree."""
        for buffer in self.buffers:
            if buffer.permitted:
                buffer.external = _inode(buffer) in self._held_outside()
                if buffer.external:
                    continue
            self._check_ends(buffer)

    def _check_ends(self, buffer: Buffer) -> None:
        reader, writer = buffer.reader, buffer.writer
        if reader is not None and writer is not None:
            # Whoever gives a pipe to an autofs has it in packet mode from there on.
            if any(file.flags & O_DIRECT for file in buffer.ends):
                self._is_of_autofs(buffer)
        elif has_other_side(self.context, buffer) and (
            reader is None or not self._is_of_autofs(buffer)
        ):
            refuse_foreign(self.context, buffer)

    def _is_of_autofs(self, buffer: Buffer) -> bool:
        """Whether a file system asks by that pipe. Raises UnsupportedObject."""
        if self.fifos:
            return False
        if self.autofs is None:
            from crtools.kinds.files.autofs import AutofsDump

            self.autofs = AutofsDump(self.context)
        return self.autofs.add(buffer)

    def _held_outside(self) -> dict[tuple[int, int], bool]:
        """Inodes of ours that are open outside the tree, and whether somebody there can read them:
        the permissions of a link of /proc/PID/fd are how the file was opened."""
        if self._outside is None:
            self._outside = {}
            links = {buffer.ends[0].link for buffer in self.buffers if buffer.permitted}
            for _, via, link in self.context.other_files():
                if link not in links:
                    continue
                try:
                    stat = os.stat(via, dir_fd=self.context.proc)
                    mode = os.stat(via, dir_fd=self.context.proc, follow_symlinks=False).st_mode
                except OSError:
                    continue
                inode = stat.st_dev, stat.st_ino
                self._outside[inode] = self._outside.get(inode, False) or bool(mode & 0o400)
        return self._outside

    def read(self) -> tuple[list[tuple[PipeDataEntry, bytes]], list[CrtoolsPipeEntry]]:
        """What the images have: size and content of each, and what else there is to say."""
        found: list[tuple[PipeDataEntry, bytes]] = []
        own: list[CrtoolsPipeEntry] = []
        self._look_at_many()
        with Copying(self.context) as copying:
            for buffer in self.buffers:
                pieces: list[int] = []
                # Unread bytes go with whoever is to read them.
                if not buffer.external or self._is_for_us(buffer):
                    data, content, pieces = self._read(buffer, copying)
                    found.append((data, content))
                stat = buffer.ends[0].stat
                whose = (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777)
                # A fifo's are those of its path.
                unusual = whose != USUAL and not self.fifos
                if pieces or buffer.external or unusual:
                    from crtools.images.messages.crtools_pipes import CrtoolsPipeEntry

                    entry = CrtoolsPipeEntry(
                        pipe_id=buffer.id, pieces=pieces, external=buffer.external or None
                    )
                    if unusual:
                        entry.uid, entry.gid, entry.mode = whose
                    own.append(entry)
        return found, own

    def _is_for_us(self, buffer: Buffer) -> bool:
        return buffer.reader is not None and not self._held_outside().get(_inode(buffer), False)

    def _look_at_many(self) -> None:
        """Reads what is simple of a large number, all at once."""
        wanted = [
            buffer for buffer in self.buffers if not buffer.external or self._is_for_us(buffer)
        ]
        if len(wanted) <= FEW:
            return
        from crtools.kinds.files.pipe_questions import PipeQuestions

        questions = PipeQuestions()
        try:
            files = [buffer.reader or buffer.ends[0] for buffer in wanted]
            for index, seen in questions.look(self.context, files):
                self._seen[wanted[index].id] = seen
        finally:
            questions.close()

    def _read(self, buffer: Buffer, copying: Copying) -> tuple[PipeDataEntry, bytes, list[int]]:
        context = self.context
        seen = self._seen.pop(buffer.id, None)
        if seen is not None and seen.notifying in (-errno.ENOTTY, -errno.ENODEV):
            length = len(seen.content)
            entry = PipeDataEntry(pipe_id=buffer.id, bytes=length, size=seen.size)
            return entry, seen.content, []
        file = buffer.reader or buffer.ends[0]
        fd = context.borrow(file)
        try:
            if self._notifies:
                self._check_notifying(buffer, file, fd)
            size = kernel.checked(SYS_fcntl, fd, F_GETPIPE_SZ)
            kernel.checked(SYS_ioctl, fd, FIONREAD, _count_at)
            length = int.from_bytes(_count, "little")
            content = b""
            pieces: list[int] = []
            if length > size:
                raise context.refuse(
                    file,
                    f"{buffer.what} holds more than it has room for: {length} bytes of {size}",
                    "they were moved in from a socket (splice(2)), whose pages are larger",
                    "dump when they have been read",
                )
            if length:
                if buffer.reader is None:
                    # Nobody can read it, but whoever opens it again could.
                    os.close(fd)
                    fd = os.open(
                        file.via, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=context.proc
                    )
                content, pieces = copying.read(file, buffer, fd, length, size)
            entry = PipeDataEntry(pipe_id=buffer.id, bytes=length, size=size)
            return entry, content, pieces
        finally:
            os.close(fd)

    def _check_notifying(self, buffer: Buffer, file: OpenFile, fd: int) -> None:
        """A queue of the kernel's notifications looks like any pipe. Asked for a size of none,
        which is never given, one says so, and any other pipe that it is no queue
        (kernel/watch_queue.c, watch_queue_set_size)."""
        answer = kernel.raw(SYS_ioctl, fd, IOC_WATCH_QUEUE_SET_SIZE, 0)
        if answer == -errno.ENOTTY:
            self._notifies = False  # this kernel has no such queues
        elif answer != -errno.ENODEV:
            raise self.context.refuse(
                file,
                f"{buffer.what} is a queue of notifications (O_NOTIFICATION_PIPE)",
                "the kernel does not tell what it notifies about",
                "let the program close it before the dump",
            )


def _inode(buffer: Buffer) -> tuple[int, int]:
    stat = buffer.ends[0].stat
    return stat.st_dev, stat.st_ino


def has_other_side(context: DumpContext, buffer: Buffer) -> bool:
    """Whether a pipe of which the tree has one side has the other side open too.

    A read end polls POLLHUP without writers, a write end POLLERR without readers (fs/pipe.c).
    """
    reader = buffer.reader
    known = reader or buffer.writer
    if known is None:
        return False
    import select

    fd = context.borrow(known)
    try:
        poll = select.poll()
        poll.register(fd, 0)
        events = dict(poll.poll(0)).get(fd, 0)
    finally:
        os.close(fd)
    return not events & (POLLHUP if reader is not None else POLLERR)


def refuse_foreign(context: DumpContext, buffer: Buffer) -> None:
    """Of a pipe, the other side of which is outside the tree: raises UnsupportedObject, naming who
    has it as far as can be seen, if --external does not permit that."""
    reader = buffer.reader
    known = reader or buffer.writer
    assert known is not None
    holder = context.find_holder(known)
    # A fifo's reader that has never had a writer does not poll POLLHUP either.
    if not holder and reader is not None and not buffer.what.startswith("pipe"):
        return
    if buffer.permitted:
        # Somebody whom we may not look at.
        buffer.external = True
        return
    side = "write" if reader is not None else "read"
    raise context.refuse(
        known,
        f"the {side} end of {buffer.what} is outside the tree",
        f"{holder} has it" if holder else "a process that cannot be seen from here has it",
        "dump the tree of a task that has both, or redirect it to a file; or"
        f" {external_option(known)}, if it is to be given another one at the restore",
    )


def external_option(file: OpenFile) -> str:
    """How --external permits that a pipe or fifo is open outside the tree."""
    if file.link.startswith(b"pipe:"):
        return f"--external pipe[{file.stat.st_ino}]"
    return f"--external file[{file.mnt_id:x}:{file.stat.st_ino:x}]"


class Copying:
    """Copies of pipes' contents, in pipes of our own that are made once."""

    def __init__(self, context: DumpContext) -> None:
        self._context = context
        self._ends: dict[int, tuple[int, int]] = {}  # by size when they were made
        self._size = 0

    def __enter__(self) -> Copying:
        return self

    def __exit__(self, *_: object) -> None:
        for ends in self._ends.values():
            for fd in ends:
                os.close(fd)

    def _pipe(self, size: int) -> tuple[int, int]:
        ends = self._ends.get(size)
        if ends is None:
            ends = self._ends[size] = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            if size:
                kernel.checked(SYS_fcntl, ends[1], F_SETPIPE_SZ, size)
        return ends

    def read(
        self, file: OpenFile, buffer: Buffer, source: int, length: int, size: int
    ) -> tuple[bytes, list[int]]:
        """The `length` bytes of a pipe of `size`, and its pieces (crtools_pipe_entry)."""
        reader, writer = self._copy(file, buffer, source, length, size)
        # A read ends with a packet, so this one gets the mark as well if there is none.
        try:
            marked = os.write(writer, _MARK)
        except BlockingIOError:
            marked = 0  # the copy is as full as a pipe can be
        content = os.read(reader, length + 1)
        if len(content) == length + 1:
            return content[:length], []
        left = length + marked - len(content)
        while left:
            left -= len(os.read(reader, left))
        self._copy(file, buffer, source, length, size)
        return self._take_apart(reader, length)

    def _copy(
        self, file: OpenFile, buffer: Buffer, source: int, length: int, size: int
    ) -> tuple[int, int]:
        reader, writer = self._pipe(0)
        if self._size < 2 * size:
            # Twice as large, for the mark; as large as can be had, if that is not.
            for wanted in (2 * size, size, _largest()):
                if kernel.raw(SYS_fcntl, writer, F_SETPIPE_SZ, wanted) >= 0:
                    break
            self._size = kernel.checked(SYS_fcntl, writer, F_GETPIPE_SZ)
        copied = kernel.raw(SYS_tee, source, writer, length, SPLICE_F_NONBLOCK)
        if copied != length:
            whose = self._context.describe(file)
            raise MissingFeature(
                f"Cannot read the {length} bytes in {buffer.what} of {whose}",
                because=f"a second pipe of its size, {size} bytes, was not given"
                if copied >= 0
                else f"tee: {os.strerror(-copied)}",
                hint=f"sysctl fs.pipe-max-size={size}, or CAP_SYS_RESOURCE",
                subject=file.subject,
            )
        return reader, writer

    def _take_apart(self, source: int, length: int) -> tuple[bytes, list[int]]:
        """Content and pieces of our copy, which is emptied: buffer by buffer, since a pipe of one
        page has room for one. There a mark behind it tells what it is."""
        one, two = self._pipe(PACKET_BYTES), self._pipe(2 * PACKET_BYTES)
        found: list[bytes] = []
        pieces: list[int] = []
        while length:
            taken = kernel.checked(SYS_splice, source, 0, one[1], 0, _ALL, SPLICE_F_NONBLOCK)
            kernel.checked(SYS_splice, one[0], 0, two[1], 0, _ALL, SPLICE_F_NONBLOCK)
            os.write(two[1], _MARK)
            content = os.read(two[0], taken + 1)
            if len(content) == taken:
                os.read(two[0], 1)
                pieces.append(taken)
            elif pieces and pieces[-1] < 0:
                pieces[-1] -= taken
            else:
                pieces.append(-taken)
            found.append(content[:taken])
            length -= taken
        return b"".join(found), pieces if any(piece > 0 for piece in pieces) else []


def _largest() -> int:
    """The largest pipe that is given to everybody (bytes)."""
    with open("/proc/sys/fs/pipe-max-size", "rb") as file:
        return int(file.read())


# --- Restore ---


class Content:
    """What images say of a pipe's size and content. `pieces` as in crtools_pipe_entry, () where no
    byte is of a packet. `whose`: owner, group and permissions, None where they are not known."""

    __slots__ = ("data", "external", "pieces", "size", "whose")

    def __init__(
        self, size: int | None = None, data: bytes = b"", pieces: tuple[int, ...] = ()
    ) -> None:
        self.size = size
        self.data = data
        self.pieces = pieces
        self.external = False
        self.whose: tuple[int, int, int] | None = None

    def parts(self) -> Iterable[tuple[bytes, bool]]:
        """Its pieces, and whether each is a packet; what is none, in such as one instruction
        writes."""
        at = 0
        for piece in self.pieces or (-len(self.data),):
            end = at + abs(piece)
            step = PACKET_BYTES if piece > 0 else WRITE_BYTES
            for start in range(at, end, step):
                yield self.data[start : min(start + step, end)], piece > 0
            at = end


def read_contents(store: Any, key: str, own_key: str) -> dict[int, Content]:
    """By pipe id, of all pipes or of all fifos: of CRIU's image and of ours. Raises ImageError."""
    contents: dict[int, Content] = {}
    for entry, data in store.read_with_extra(key) if store.has(key) else ():
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
    for own in store.read(own_key) if store.has(own_key) else ():
        content = contents.setdefault(own.pipe_id, Content())
        if own.pieces and (
            sum([abs(piece) for piece in own.pieces]) != len(content.data)
            or not all(piece <= PACKET_BYTES and piece for piece in own.pieces)
        ):
            raise ImageError(
                f"Pipe {own.pipe_id} has impossible packets in the {own_key} image",
                because=f"they are not {len(content.data)} bytes in packets of at most a page",
            )
        content.pieces = tuple(own.pieces)
        content.external = bool(own.external)
        if own.uid is not None and own.gid is not None and own.mode is not None:
            content.whose = own.uid, own.gid, own.mode & 0o7777
    return contents


def plan_content(
    context: PlanContext,
    programs: Programs,
    fd: int,
    content: Content,
    pid: int,
    what: Callable[[], str],
) -> None:
    """Gives the pipe whose write end is descriptor `fd` of task `pid`, not blocking and not in
    packet mode, its size and content. It is left with other flags if there is content."""
    program = programs.need(512)
    if content.size is not None:
        _plan_size(context, programs, fd, content.size, pid, what)

    def label() -> str:
        return f"put {len(content.data)} bytes back into {what()}"

    def write(to: int | Ref, piece: bytes) -> None:
        length = len(piece)
        at = program.put(piece, 1)
        program.call(SYS_write, to, at, length, expect=EXACTLY, expected=length, label=label)

    packets = False
    for piece, packet in content.parts() if content.data else ():
        length = len(piece)
        program = programs.need(1024 + length)
        if packet != packets:
            packets = packet
            flags = O_NONBLOCK | O_DIRECT if packet else O_NONBLOCK
            program.call(SYS_fcntl, fd, F_SETFL, flags, label=what)
        if packet or not content.pieces:
            write(fd, piece)
            continue
        # The kernel adds a packet to bytes that are no packet, if there is room in their page, and
        # it is none any more; not to what tee(2) has brought (fs/pipe.c, pipe_write).
        ends = program.reserve(8)
        program.call(SYS_pipe2, ends, O_CLOEXEC, label=label)
        write(load32(ends, 4), piece)
        program.call(
            *(SYS_tee, load32(ends), fd, length, SPLICE_F_NONBLOCK),
            expect=EXACTLY,
            expected=length,
            label=label,
        )
        program.call(SYS_close, load32(ends))
        program.call(SYS_close, load32(ends, 4))


def _plan_size(
    context: PlanContext,
    programs: Programs,
    fd: int,
    size: int,
    pid: int,
    what: Callable[[], str],
) -> None:
    program = programs.program

    def label() -> str:
        return f"make {what()} as large as it was, {size} bytes"

    limit = _largest() if size > ALWAYS_GIVEN else size
    if size <= limit:
        program.call(SYS_fcntl, fd, F_SETPIPE_SZ, size, expect=EXACTLY, expected=size, label=label)
        return

    def report(_: int) -> None:
        context.shortfalls.report(
            pid,
            f"task {pid}",
            f"the size of {what()}",
            wanted=f"{size} bytes",
            got=f"{limit} bytes",
            because="more than fs.pipe-max-size needs CAP_SYS_RESOURCE",
        )

    tried = program.attempt(
        SYS_fcntl,
        *(fd, F_SETPIPE_SZ, size),
        refusals=(errno.EPERM,),
        otherwise=report,
        label=label,
    )
    program.skip_if(tried, size, 1)
    program.call(SYS_fcntl, fd, F_SETPIPE_SZ, limit, label=label)
