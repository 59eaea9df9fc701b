"""Many descriptors of a process at once: what fdinfo, fstat(2) and fcntl(2) say of each.

A table may have ten thousand of them. One call of crtools._kernel makes the system calls for a few
hundred, and what it leaves is read without an object for each line.
"""

from __future__ import annotations

import os
import struct
from stat import S_IFIFO, S_IFSOCK

from crtools.abi import kernel
from crtools.abi.fcntl import O_CLOEXEC, O_PATH
from crtools.errors import InternalError
from crtools.kinds.files.base import Inode, OpenFile
from crtools.procfs.fdinfo import parse_fdinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from typing import TypeAlias

    from crtools.kinds.files.questions import Questions, Sheet

    Key: TypeAlias = tuple[int, int, int, int, bytes]

_BATCH = 256
_INFO = 65536
_TEXT = 1024  # bytes of fdinfo; what is longer is read again
_LONG_TEXT = 65536
_MANY = 3  # batches from which on the second thread is worth its start
# struct look of abi/kernel_look.c; of struct stat (x86-64, asm/stat.h) up to the time of change.
_LOOK = struct.Struct("<3q4iQ3Q3I4xQq8xq4q40x")
_NOT_TAKEN = 1
_TYPES = 0o170000  # S_IFMT
# struct look_job: what is found out, what is looked at, Sheet.addresses.
_JOB = struct.Struct("<2Q2q12Q")
_NO_SHEET = (0,) * 6


class NotTaken(Exception):
    """pidfd_getfd(2) failed: for descriptor `fd`, with `errno`."""

    def __init__(self, fd: int, errno: int) -> None:
        super().__init__(fd, errno)
        self.fd = fd
        self.errno = errno


def _number(data: bytes) -> bytes:
    """Since all eventfds have one inode, the number that each of them has."""
    at = data.find(b"eventfd-id:")
    return data[at : data.find(b"\n", at)] if at >= 0 else b""


def read_key(infos: int, fd: int, stat: os.stat_result) -> Key:
    """What Look.key is, of a descriptor of a process that is not being dumped."""
    data = read_info(infos, fd)
    # "pos:\t0\nflags:\t0100002\n...": always the first two lines (fs/proc/fd.c).
    first, second, _ = data.split(b"\n", 2)
    flags = int(second[7:], 8) & ~O_CLOEXEC
    return stat.st_dev, stat.st_ino, flags, int(first[5:]), _number(data)


class Look:
    """A descriptor at its first sight: the bytes of fdinfo, and what leads to more."""

    __slots__ = ("_record", "cloexec", "data", "fd", "flags", "key", "pos")

    def __init__(self, fd: int, data: bytes, record: tuple[int, ...]) -> None:
        self.fd = fd
        self.data = data
        self.pos = pos = record[1]
        flags = record[2]
        if flags < 0:
            raise InternalError(f"The kernel says {data!r} of descriptor {fd}")
        self.cloexec = flags & O_CLOEXEC
        self.flags = flags = flags & ~O_CLOEXEC
        # Two that differ in this are two open files: device, inode, flags, position, number.
        number = b"" if record[11] & _TYPES else _number(data)
        self.key: Key = (record[8], record[9], flags, pos, number)
        self._record = record

    @property
    def is_socket(self) -> bool:
        """Whether it is a socket that was not opened as a path."""
        return self._record[11] & _TYPES == S_IFSOCK and not self.flags & O_PATH

    def open_file(self, pid: int, tid: int, directory: int) -> OpenFile:
        """All that is to be known of it; `directory` is the process's "fd"."""
        record = self._record
        inode = Inode(*record[8:])
        kind = record[11] & _TYPES
        mnt_id, extra = -1, _NOTHING
        # What has no path is called by its inode (fs/pipe.c, net/socket.c), and tells no more than
        # its locks. Fifos have a path, and so may have what is opened with O_PATH.
        if kind == S_IFSOCK and not self.flags & O_PATH:
            link = b"socket:[%d]" % record[9]
        elif kind == S_IFIFO and record[8] == pipe_device():
            link = b"pipe:[%d]" % record[9]
        else:
            link = (kind == 0 and _anonymous_link(self.data)) or os.readlink(
                b"%d" % self.fd, dir_fd=directory
            )
            kind = 0
        if kind == 0 or b"\nlock:" in self.data:
            info = parse_fdinfo(self.data)
            mnt_id, extra = info.mnt_id, info.extra
        return OpenFile(
            pid,
            tid,
            self.fd,
            "",
            link,
            inode,
            self.flags,
            self.pos,
            mnt_id,
            extra,
            (record[3], record[4], record[5]),
            record[7],
        )


_NOTHING: dict[bytes, list[bytes]] = {}


# Kinds of which a program may have thousands: a line of fdinfo, the kernel's name.
_ANONYMOUS = (
    (b"\neventfd-count:", b"anon_inode:[eventfd]"),
    (b"\nclockid:", b"anon_inode:[timerfd]"),
    (b"\nsigmask:", b"anon_inode:[signalfd]"),
    (b"\ntfd:", b"anon_inode:[eventpoll]"),
)


def _anonymous_link(data: bytes) -> bytes:
    """What the kernel calls an anonymous inode, as far as that is told by fdinfo; else b""."""
    for mark, link in _ANONYMOUS:
        if mark in data:
            return link
    return b""


_pipe_device: list[int] = []


def pipe_device() -> int:
    """The device that all pipes without a name are on."""
    if not _pipe_device:
        ends = os.pipe2(os.O_CLOEXEC)
        _pipe_device.append(os.fstat(ends[0]).st_dev)
        for fd in ends:
            os.close(fd)
    return _pipe_device[0]


class Batch:
    """Some hundred descriptors of which each has been looked at, and what a part of them answered.

    It is good until the next one.
    """

    __slots__ = ("_job", "_numbers", "_records", "_sheet", "_texts", "job_at", "seen")

    def __init__(self, room: int) -> None:
        self.seen: list[Look] = []
        self._records = bytearray(room * _LOOK.size)
        self._texts = bytearray(room * _TEXT)
        self._numbers = bytearray(room * 4)
        self._job = bytearray(_JOB.size)
        self._sheet: Sheet | None = None
        self.job_at = kernel.address_of(self._job)

    def prepare(
        self, infos: int, pidfd: int, fds: Sequence[int], questions: Questions | None
    ) -> None:
        """The job for crt_look. The questions are put to sockets."""
        struct.pack_into(f"{len(fds)}I", self._numbers, 0, *fds)
        if questions is None:
            self._sheet = None
        elif self._sheet is None:
            from crtools.kinds.files.questions import Sheet

            self._sheet = Sheet(questions, len(self._numbers) // 4)
        at = kernel.address_of
        _JOB.pack_into(
            *(self._job, 0, 0, 0, infos, pidfd, at(self._numbers), len(fds)),
            *(at(self._records), at(self._texts), _TEXT, S_IFSOCK),
            *(_NO_SHEET if self._sheet is None else self._sheet.addresses),
        )

    def has_sockets(self) -> bool:
        """Whether one is among what has been looked at."""
        met: int = _JOB.unpack_from(self._job)[0]
        return met > 0

    def read(self, infos: int, fds: Sequence[int]) -> None:
        """Takes in what has been found. Raises OSError, NotTaken."""
        view = memoryview(self._texts)
        at = 0
        self.seen = seen = []
        for fd, record in zip(fds, _LOOK.iter_unpack(self._records), strict=False):
            length, failed = record[0], record[6]
            if length < 0:
                if failed == _NOT_TAKEN:
                    raise NotTaken(fd, -length)
                raise OSError(-length, os.strerror(-length))
            data = bytes(view[at : at + length]) if length < _TEXT else read_info(infos, fd)
            at += _TEXT
            seen.append(Look(fd, data, record))

    def answers(self, index: int) -> tuple[bytes, memoryview] | None:
        """Those of the socket that is `seen[index]`, as Questions.put gives them; None if it has
        not been asked."""
        return None if self._sheet is None else self._sheet.read(index)


def look(
    infos: int, pidfd: int, fds: Sequence[int], questions: Callable[[], Questions] | None = None
) -> Generator[Batch, None, None]:
    """Looks at descriptors of the process that `pidfd` is of; `infos` is its "fdinfo" directory.

    Where there are thousands, a second thread looks at the next ones while these are read: the
    kernel's share of that is as large as ours. It puts the `questions` to sockets, from the moment
    on when one was met. The generator has to be closed, since only then the thread has ended.

    Raises OSError, and NotTaken where a descriptor cannot be taken over.
    """
    portions = [fds[start : start + _BATCH] for start in range(0, len(fds), _BATCH)]
    if (
        len(portions) >= _MANY
        and len(os.sched_getaffinity(0)) > 1
        and kernel.ahead_begin(infos, pidfd) == 0
    ):
        yield from _look_ahead(infos, pidfd, portions, questions)
        return
    batch = Batch(min(len(fds), _BATCH))
    for portion in portions:
        batch.prepare(infos, pidfd, portion, None)
        kernel.look(batch.job_at)
        batch.read(infos, portion)
        yield batch


def _look_ahead(
    infos: int,
    pidfd: int,
    portions: Sequence[Sequence[int]],
    questions: Callable[[], Questions] | None,
) -> Iterator[Batch]:
    """The same with the second thread, which has been started."""
    asked: Questions | None = None
    try:
        batch, following = Batch(_BATCH), Batch(_BATCH)
        batch.prepare(infos, pidfd, portions[0], None)
        kernel.ahead_give(batch.job_at)
        for index, portion in enumerate(portions, 1):
            kernel.ahead_wait()
            if asked is None and questions is not None and batch.has_sockets():
                asked = questions()
            if index < len(portions):
                following.prepare(infos, pidfd, portions[index], asked)
                kernel.ahead_give(following.job_at)
            batch.read(infos, portion)
            yield batch
            batch, following = following, batch
    finally:
        # While the batches are there, which it may be writing to.
        kernel.ahead_end()


def read_info(infos: int, fd: int) -> bytes:
    """A descriptor's fdinfo: seq_file makes all of it at once, and one read gives up to 64 KiB."""
    info = os.open(str(fd), os.O_RDONLY | os.O_CLOEXEC, dir_fd=infos)
    try:
        data = os.read(info, _LONG_TEXT)
        while len(data) % _LONG_TEXT == 0 and (more := os.read(info, _LONG_TEXT)):
            data += more
        return data
    finally:
        os.close(info)
