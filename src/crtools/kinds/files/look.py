"""Many descriptors of a process at once: what fdinfo, fstat(2) and fcntl(2) say of each.

A table may have ten thousand of them. One call of crtools._kernel makes the system calls for a few
hundred, and what it leaves is read without an object for each line.
"""

from __future__ import annotations

import os
import struct
from stat import S_IFIFO, S_IFMT, S_IFSOCK

from crtools.abi import kernel
from crtools.abi.fcntl import O_CLOEXEC, O_PATH
from crtools.kinds.files.base import Inode, OpenFile
from crtools.procfs.fdinfo import parse_fdinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    Key: TypeAlias = tuple[int, int, int, int, bytes]

_BATCH = 256
_INFO = 65536
_TEXT = 1024  # bytes of fdinfo; what is longer is read again
_LONG_TEXT = 65536
# struct look of crtools/abi/kernel.c; of struct stat (x86-64, asm/stat.h) up to the time of change.
_LOOK = struct.Struct("<q4iQ3Q3I4xQq8xq4q40x")
_NOT_TAKEN = 1


class NotTaken(Exception):
    """pidfd_getfd(2) failed: for descriptor `fd`, with `errno`."""

    def __init__(self, fd: int, errno: int) -> None:
        super().__init__(fd, errno)
        self.fd = fd
        self.errno = errno


def _first_lines(data: bytes) -> tuple[int, int, bytes]:
    """Position, flags and, since all eventfds have one inode, the number that each of them has."""
    # "pos:\t0\nflags:\t0100002\n...": always the first two lines (fs/proc/fd.c).
    first, second, _ = data.split(b"\n", 2)
    at = data.find(b"eventfd-id:")
    number = data[at : data.find(b"\n", at)] if at >= 0 else b""
    return int(first[5:]), int(second[7:], 8), number


def read_key(infos: int, fd: int, stat: os.stat_result) -> Key:
    """What Look.key is, of a descriptor of a process that is not being dumped."""
    pos, flags, number = _first_lines(read_info(infos, fd))
    return stat.st_dev, stat.st_ino, flags & ~O_CLOEXEC, pos, number


class Look:
    """A descriptor at its first sight: the bytes of fdinfo, and what leads to more."""

    __slots__ = ("_record", "cloexec", "data", "fd", "flags", "key", "pos")

    def __init__(self, fd: int, data: bytes, record: tuple[int, ...]) -> None:
        self.fd = fd
        self.data = data
        self.pos, flags, number = _first_lines(data)
        self.cloexec = flags & O_CLOEXEC
        self.flags = flags & ~O_CLOEXEC
        # Two that differ in this are two open files: device, inode, flags, position, number.
        self.key: Key = (record[6], record[7], self.flags, self.pos, number)
        self._record = record

    @property
    def is_socket(self) -> bool:
        """Whether it is a socket that was not opened as a path."""
        return S_IFMT(self._record[9]) == S_IFSOCK and not self.flags & O_PATH

    def open_file(self, pid: int, tid: int, directory: int) -> OpenFile:
        """All that is to be known of it; `directory` is the process's "fd"."""
        record = self._record
        inode = Inode(*record[6:])
        kind = S_IFMT(record[9])
        mnt_id, extra = -1, _NOTHING
        # What has no path is called by its inode (fs/pipe.c, net/socket.c), and tells no more than
        # its locks. Fifos have a path, and so may have what is opened with O_PATH.
        if kind == S_IFSOCK and not self.flags & O_PATH:
            link = b"socket:[%d]" % record[7]
        elif kind == S_IFIFO and record[6] == pipe_device():
            link = b"pipe:[%d]" % record[7]
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
            (record[1], record[2], record[3]),
            record[5],
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


def look(infos: int, pidfd: int, fds: Sequence[int]) -> Iterator[list[Look]]:
    """Looks at descriptors of the process that `pidfd` is of; `infos` is its "fdinfo" directory.
    They come in lists, of hundreds each.

    Raises OSError, and NotTaken where a descriptor cannot be taken over.
    """
    room = min(len(fds), _BATCH)
    records, texts = bytearray(room * _LOOK.size), bytearray(room * _TEXT)
    records_at, texts_at = kernel.address_of(records), kernel.address_of(texts)
    view = memoryview(texts)
    for start in range(0, len(fds), _BATCH):
        batch = fds[start : start + _BATCH]
        numbers = struct.pack(f"{len(batch)}I", *batch)
        kernel.look(
            infos, pidfd, kernel.address_of(numbers), len(batch), records_at, texts_at, _TEXT
        )
        at = 0
        seen = []
        for fd, record in zip(batch, _LOOK.iter_unpack(records), strict=False):
            length, failed = record[0], record[4]
            if length < 0:
                if failed == _NOT_TAKEN:
                    raise NotTaken(fd, -length)
                raise OSError(-length, os.strerror(-length))
            data = bytes(view[at : at + length]) if length < _TEXT else read_info(infos, fd)
            at += _TEXT
            seen.append(Look(fd, data, record))
        yield seen


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
