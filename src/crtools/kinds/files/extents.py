"""Where a file has data, and how data gets from file to file: in the kernel, without its holes.

lseek(2) with SEEK_DATA and SEEK_HOLE tells; so does the ioctl FS_IOC_FIEMAP, on request
(--ghost-fiemap), which answers for many extents in one call (Documentation/filesystems/fiemap.rst).
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SYS_ioctl = 16

# Data is moved in pieces of at most this size (bytes).
_PIECE = 4 << 20

# linux/fiemap.h, linux/fs.h
FS_IOC_FIEMAP = 0xC020660B
FIEMAP_FLAG_SYNC = 0x1
FIEMAP_EXTENT_LAST = 0x1
FIEMAP_EXTENT_UNWRITTEN = 0x800
_FIEMAP = struct.Struct("<QQIIII")  # start, length, flags, extents told, room for, reserved
_EXTENT = struct.Struct("<QQQ16xI12x")  # logical, physical, length, flags
_ROOM = 512  # extents a call


def find_extents(fd: int, size: int, *, fiemap: bool) -> list[tuple[int, int]]:
    """Where an open file of `size` bytes has data: (offset, bytes), ascending. Raises OSError."""
    if fiemap:
        try:
            return list(_ask_fiemap(fd, size))
        except OSError as error:
            # Not every file system answers: tmpfs does not.
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EBADR):
                raise
    return list(_seek_extents(fd, size))


def _seek_extents(fd: int, size: int) -> Iterator[tuple[int, int]]:
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end
                return
            if error.errno == errno.EINVAL:  # a file system that does not know of holes
                yield at, size - at
                return
            raise
        if start >= size:
            return
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        yield start, end - start
        at = end


def _ask_fiemap(fd: int, size: int) -> Iterator[tuple[int, int]]:
    buffer = bytearray(_FIEMAP.size + _ROOM * _EXTENT.size)
    at = begin = end = 0
    last = False
    while at < size and not last:
        # What is only in the page cache is written first, so that no extent's fate is open: after
        # that, one that was reserved and not written holds nothing.
        _FIEMAP.pack_into(buffer, 0, at, size - at, FIEMAP_FLAG_SYNC, 0, _ROOM, 0)
        kernel.checked(SYS_ioctl, fd, FS_IOC_FIEMAP, kernel.address_of(buffer))
        count = _FIEMAP.unpack_from(buffer)[3]
        if not count:
            break
        for index in range(count):
            start, _, length, flags = _EXTENT.unpack_from(
                buffer, _FIEMAP.size + index * _EXTENT.size
            )
            last = bool(flags & FIEMAP_EXTENT_LAST)
            at = start + length
            if flags & FIEMAP_EXTENT_UNWRITTEN or start >= size:
                continue
            if start == end and begin < end:
                end = min(at, size)
                continue
            if begin < end:
                yield begin, end - begin
            begin, end = start, min(at, size)
    if begin < end:
        yield begin, end - begin


def move(to: int, source: int, offset: int | None, length: int) -> None:
    """Copies between files inside the kernel; from the source's own position if `offset` is
    None. Raises OSError."""
    while length:
        done = os.sendfile(to, source, offset, min(length, _PIECE))
        if not done:
            raise OSError(errno.EIO, "the file ended early")
        length -= done
        if offset is not None:
            offset += done
