"""Files that were opened for writing before chattr(1) protected them.

An immutable file cannot be opened for writing, and an append-only one only to append; who had them
open keeps them open. So the flag is taken away for the moment of opening them again, between two
ioctls, which the tool makes itself: its open file is what the task takes over. If it is killed
within these microseconds the file stays without the flag.
"""

from __future__ import annotations

import os

from crtools.abi import kernel
from crtools.errors import RestoreConflict
from crtools.kinds.files.inode import (
    FS_APPEND_FL,
    FS_IMMUTABLE_FL,
    FS_IOC_GETFLAGS,
    FS_IOC_SETFLAGS,
    SYS_ioctl,
)
from crtools.kinds.files.path import below, encode, reopening

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.regfile import RegFileEntry


def open_protected(entry: RegFileEntry, root: int) -> int:
    """The file of an entry, open as it was. Raises RestoreConflict."""
    path = below(encode(entry.name))
    buffer = bytearray(8)
    at = kernel.address_of(buffer)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        control = os.open(path, flags, dir_fd=root)
        try:
            kernel.checked(SYS_ioctl, control, FS_IOC_GETFLAGS, at)
            before = int.from_bytes(buffer[:4], "little")
            unprotected = before & ~(FS_IMMUTABLE_FL | FS_APPEND_FL)
            buffer[:4] = unprotected.to_bytes(4, "little")
            kernel.checked(SYS_ioctl, control, FS_IOC_SETFLAGS, at)
            buffer[:4] = before.to_bytes(4, "little")
            try:
                return os.open(path, reopening(entry.flags) | os.O_CLOEXEC, dir_fd=root)
            finally:
                kernel.checked(SYS_ioctl, control, FS_IOC_SETFLAGS, at)
        finally:
            os.close(control)
    except OSError as error:
        raise RestoreConflict(
            f"The file {entry.name} cannot be opened for writing",
            because="it is immutable or append-only by now, and taking that away for a moment"
            f" failed: {os.strerror(error.errno or 0)}",
            hint=f"run with CAP_LINUX_IMMUTABLE, or chattr -i -a {entry.name}",
            subject=("file", entry.name),
        ) from error
