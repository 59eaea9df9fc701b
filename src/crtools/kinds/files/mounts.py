"""Places that no path leads to: below another mount, or on a mount where nothing can be written.

open_tree(2) gives a copy of a mount that nobody else sees, without what is mounted upon it. There
the place can be looked up, and its file handle leads to it on the mount that it was on
(open_by_handle_at(2)), so that the kernel calls it by the name that it had.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.kinds.files.handle import open_handle, read_handle
from crtools.kinds.files.path import below
from crtools.procfs.fdinfo import parse_fdinfo
from crtools.procfs.mountinfo import parse_mountinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import DumpContext, OpenFile
    from crtools.procfs.mountinfo import Mount

SYS_open_tree, SYS_mount_setattr = 428, 442  # Linux 5.2, 5.12
AT_EMPTY_PATH = 0x1000
OPEN_TREE_CLONE = 1  # linux/mount.h
MOUNT_ATTR_RDONLY = 0x1
_MOUNT_ATTR = struct.Struct("<4Q")  # to set, to clear, propagation, user namespace
_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Mounts:
    """What is mounted where, at a dump: read when it is asked for the first time."""

    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self._mounts: dict[int, Mount] | None = None
        # The last path that was asked about: many files in a row were in one directory.
        self._last: tuple[tuple[int, bytes], int] = ((-1, b""), -1)

    def mount_of(self, file: OpenFile) -> Mount | None:
        """The mount that a file is on, None if that is mounted nowhere."""
        number = file.mnt_id
        if number < 0:
            fd = os.open(file.via, os.O_PATH | os.O_CLOEXEC, dir_fd=self.context.proc)
            try:
                number = self._id_of(fd)
            finally:
                os.close(fd)
        if self._mounts is None:
            fd = os.open("self/mountinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.context.proc)
            with open(fd, "rb") as mounts:
                self._mounts = parse_mountinfo(mounts.read())
        return self._mounts.get(number)

    def is_on(self, mount: Mount, path: bytes, root: int) -> bool:
        """Whether a path, or what there is of it, leads to a place on that mount."""
        asked = (root, path)
        if self._last[0] != asked:
            while True:
                try:
                    fd = os.open(below(path), _PATH, dir_fd=root)
                    break
                except OSError:
                    if not path:
                        raise
                    path = path.rpartition(b"/")[0]
            try:
                self._last = (asked, self._id_of(fd))
            finally:
                os.close(fd)
        return self._last[1] == mount.mnt_id

    def _id_of(self, fd: int) -> int:
        info = os.open(f"self/fdinfo/{fd}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.context.proc)
        try:
            return parse_fdinfo(os.read(info, 65536)).mnt_id
        finally:
            os.close(info)


def open_covered(root: int, mountpoint: bytes, path: bytes, flags: int) -> int:
    """Opens with O_* `flags` what is at `path` on the mount at `mountpoint`, whatever is mounted
    over it; both are below the directory `root`. Raises OSError: EOPNOTSUPP where the file system
    has no file handles."""
    inner = path[len(mountpoint.rstrip(b"/")) :]
    base = os.open(below(mountpoint), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root)
    try:
        clone = clone_mount(base)
        try:
            found = os.open(below(inner), _PATH, dir_fd=clone) if inner else os.dup(clone)
            try:
                handle = read_handle(found)
                if not handle:
                    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
                # While it is open here: what no lookup has found, the kernel has no name for.
                return open_handle(base, handle, flags)
            finally:
                os.close(found)
        finally:
            os.close(clone)
    finally:
        os.close(base)


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
