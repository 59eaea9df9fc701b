"""Places that no path leads to: below another mount, or on a mount where nothing can be written.

open_tree(2) gives a copy of a mount that nobody else sees, without what is mounted upon it.
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel

SYS_open_tree, SYS_mount_setattr = 428, 442  # Linux 5.2, 5.12
AT_EMPTY_PATH = 0x1000
OPEN_TREE_CLONE = 1  # linux/mount.h
MOUNT_ATTR_RDONLY = 0x1
_MOUNT_ATTR = struct.Struct("<4Q")  # to set, to clear, propagation, user namespace


def clone_mount(directory: int) -> int:
    """The open directory once more, on a mount of our own; to be closed by the caller, which ends
    that mount. Raises OSError."""
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC | AT_EMPTY_PATH
    return kernel.checked(SYS_open_tree, directory, kernel.address_of(b"\0"), flags)


def clone_writable(directory: int) -> int:
    """The same, where the mount's own flag does not forbid to write; that of the file system
    still may (EROFS). Raises OSError."""
    clone = clone_mount(directory)
    try:
        attributes = _MOUNT_ATTR.pack(0, MOUNT_ATTR_RDONLY, 0, 0)
        kernel.checked(
            SYS_mount_setattr,
            clone,
            kernel.address_of(b"\0"),
            AT_EMPTY_PATH,
            kernel.address_of(attributes),
            len(attributes),
        )
    except BaseException:
        os.close(clone)
        raise
    return clone
