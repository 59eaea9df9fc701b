"""Opening a held file with O_NOFOLLOW, as shm_open(3) does and F_GETFL shows for ever.

A file without a name is opened through a link of /proc, which O_NOFOLLOW does not allow; a file
handle leads to the inode itself (open_by_handle_at(2)).
"""

from __future__ import annotations

import errno
import struct

from crtools import log
from crtools.abi import kernel
from crtools.abi.fcntl import O_CLOEXEC
from crtools.abi.x86_64 import SYS_close, SYS_dup3
from crtools.agent.program import OR_ERRNO, errnos

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.agent.program import Program, Ref

SYS_name_to_handle_at, SYS_open_by_handle_at = 303, 304
AT_EMPTY_PATH = 0x1000
MAX_HANDLE_SZ = 128  # linux/exportfs.h


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
