"""File handles, which lead to an inode without any path (open_by_handle_at(2)).

They find a file that has lost the path by which it was known, and open a held file with O_NOFOLLOW,
as shm_open(3) does and F_GETFL shows for ever: a file without a name is opened through a link of
/proc, which O_NOFOLLOW does not allow.
"""

from __future__ import annotations

import errno
import struct

from crtools import log
from crtools.abi import kernel
from crtools.abi.fcntl import O_CLOEXEC
from crtools.abi.x86_64 import SYS_close, SYS_dup3
from crtools.agent.program import OR_ERRNO, errnos
from crtools.errors import ImageError
from crtools.images.messages.fh import FhEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.agent.program import Program, Ref

SYS_name_to_handle_at, SYS_open_by_handle_at = 303, 304
AT_EMPTY_PATH = 0x1000
MAX_HANDLE_SZ = 128  # linux/exportfs.h
_WORDS = 16  # of a handle in the images, at least


def read_handle(fd: int) -> bytes:
    """struct file_handle of an open file of ours; nothing where its file system has none."""
    handle = bytearray(struct.pack("<Ii", MAX_HANDLE_SZ, 0) + bytes(MAX_HANDLE_SZ))
    mount = bytearray(4)
    result = kernel.raw(
        SYS_name_to_handle_at,
        fd,
        kernel.address_of(b"\0"),
        kernel.address_of(handle),
        kernel.address_of(mount),
        AT_EMPTY_PATH,
    )
    return bytes(handle) if result == 0 else b""


def open_handle(mount: int, handle: bytes, flags: int) -> int:
    """Opens a file by its handle; `mount` is a descriptor of anything on the same mount, which
    becomes the file's. Raises OSError: ESTALE if the file is gone."""
    return kernel.checked(SYS_open_by_handle_at, mount, kernel.address_of(handle), flags)


def to_entry(handle: bytes) -> FhEntry:
    """A struct file_handle as the images have it."""
    length, kind = struct.unpack_from("<II", handle)
    content = handle[8 : 8 + length].ljust(_WORDS * 8, b"\0")
    return FhEntry(bytes=length, type=kind, handle=struct.unpack(f"<{len(content) // 8}Q", content))


def from_entry(entry: FhEntry, name: str) -> bytes:
    """The struct file_handle of an entry. Raises ImageError."""
    content = struct.pack(f"<{len(entry.handle)}Q", *entry.handle)
    if entry.bytes > min(len(content), MAX_HANDLE_SZ):
        raise ImageError(
            f"The images have an impossible file handle for {name}",
            because=f"{entry.bytes} bytes, of which {len(content)} are there",
        )
    return struct.pack("<II", entry.bytes, entry.type) + content[: entry.bytes]


def build_nofollow(
    program: Program, fd: Ref, number: int, flags: int, what: Callable[[], str]
) -> None:
    """Instructions that put another open file in the place of `fd`: the same file, opened with
    `flags`, O_NOFOLLOW among them. `number` is our descriptor of it."""
    handle = read_handle(number)
    if not handle:
        log.warning(f"{what()}: F_GETFL will not show O_NOFOLLOW, its file system has no handles")
        return
    # A file without a name may have left the tables by which handles are found (ESTALE): then it
    # stays as it was opened.
    again = program.call(
        SYS_open_by_handle_at,
        fd,
        program.put(handle),
        flags,
        expect=OR_ERRNO,
        expected=errnos(errno.ESTALE),
        label=lambda: f"open {what()} by its handle",
    )
    gone = errnos(errno.EBADF)
    program.call(SYS_dup3, again, fd, flags & O_CLOEXEC, expect=OR_ERRNO, expected=gone)
    program.call(SYS_close, again, expect=OR_ERRNO, expected=gone)
