"""What an inode is beside its content: owner, permissions, times, attributes, flags.

A deleted file's go into the images. ghost-file images have owner, permissions and times in
microseconds; crtools-ghost.img has the times in full, extended attributes (xattr(7)), which access
control lists and file capabilities are too, and the flags of chattr(1). The time of the last change
of the inode itself (ctime) cannot be set, and the image does not have it.
"""

from __future__ import annotations

import errno
import os
from stat import S_IFDIR, S_IFLNK, S_IFMT, S_IFREG

from crtools.abi import kernel
from crtools.errors import ImageError
from crtools.images.messages.crtools_ghost import CrtoolsGhostEntry, GhostAttributeEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.ghost_file import GhostFileEntry
    from crtools.kinds.files.base import Inode

SYS_ioctl = 16

# linux/fs.h
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
FS_IMMUTABLE_FL, FS_APPEND_FL = 0x10, 0x20
FS_VERITY_FL = 0x100000
# Those that are set with FS_IOC_SETFLAGS: secrm, unrm, compr, sync, immutable, append, nodump,
# noatime, journal-data, notail, dirsync, topdir, nocow. Others are how a file system keeps a file.
_FLAGS = 0x83C0FF
# The last to be set: nothing can be changed any more.
_LATE = FS_IMMUTABLE_FL | FS_APPEND_FL

# Attributes that a security module gives to every file, and would give to the new one.
_LABELS = frozenset(
    (
        b"security.selinux",
        b"security.SMACK64",
        b"security.apparmor",
        b"security.ima",
        b"security.evm",
    )
)
# linux/limits.h
XATTR_NAME_MAX, XATTR_SIZE_MAX = 255, 65536

_NONE = (errno.ENOTSUP, errno.ENOSYS)
_NO_FLAGS = (errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EPERM)


def dump_inode(
    ghost_id: int, path: str, fd: int, stat: Inode | os.stat_result
) -> CrtoolsGhostEntry:
    """Of the inode that `path` leads to; `fd` has it open for reading, -1: it is not opened, which
    types that have no flags are not. Raises OSError."""
    flags = _flags_of(fd) if fd >= 0 else None
    return CrtoolsGhostEntry(
        ghost_id=ghost_id,
        atime=stat.st_atime_ns,
        mtime=stat.st_mtime_ns,
        flags=flags or None,
        attributes=[
            GhostAttributeEntry(name=name, value=os.getxattr(path, name))
            for name in _attributes_of(path)
        ],
    )


def check_inode(own: CrtoolsGhostEntry) -> None:
    """What an image may say of an inode. Raises ImageError."""
    for attribute in own.attributes:
        name = attribute.name
        if (
            not 0 < len(name) <= XATTR_NAME_MAX
            or b"\0" in name
            or len(attribute.value) > XATTR_SIZE_MAX
        ):
            raise ImageError(
                f"The image of the deleted file {own.ghost_id} has an impossible attribute",
                because=f"{name[:200]!r} of {len(attribute.value)} bytes",
            )
    if (own.flags or 0) & ~0x7FFFFFFF:
        raise ImageError(
            f"The image of the deleted file {own.ghost_id} has impossible flags, {own.flags:#x}"
        )


def dress(path: str, ghost: GhostFileEntry, own: CrtoolsGhostEntry | None) -> None:
    """Owner, permissions and attributes of the inode that `path` leads to. Raises OSError."""
    if 0xFFFFFFFF in (ghost.uid, ghost.gid):  # to chown(2): leave it as it is
        raise OverflowError("no user or group has the number 4294967295")
    os.chown(path, ghost.uid, ghost.gid)
    if S_IFMT(ghost.mode) != S_IFLNK:
        # After chown(2), which takes the set-uid bit away.
        os.chmod(path, ghost.mode & 0o7777)
    if own is None:
        return
    wanted = {attribute.name: attribute.value for attribute in own.attributes}
    # A directory gives its default access control list to what is made in it.
    for name in _attributes_of(path):
        if name not in wanted:
            os.removexattr(path, name)
    for name, value in wanted.items():
        os.setxattr(path, name, value)


def dress_early(fd: int, own: CrtoolsGhostEntry | None) -> None:
    """Flags of an inode without content: some are for such only. Raises OSError."""
    if own is not None:
        _set_flags(fd, (own.flags or 0) & ~_LATE)


def dress_last(path: str, ghost: GhostFileEntry, own: CrtoolsGhostEntry | None) -> None:
    """Times, and the flags that forbid changes: when everyone has opened it. Raises OSError,
    OverflowError for times that there are not."""
    if own is not None:
        os.utime(path, ns=(own.atime, own.mtime))
        flags = own.flags or 0
        if flags & _LATE:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                _set_flags(fd, flags)
            finally:
                os.close(fd)
    elif ghost.atim is not None and ghost.mtim is not None:
        times = []
        for time in (ghost.atim, ghost.mtim):
            if time.tv_usec >= 10**6:
                raise OverflowError(f"no second has {time.tv_usec} microseconds")
            # A signed number, which the schema has as an unsigned one.
            seconds = time.tv_sec - (1 << 64 if time.tv_sec >> 63 else 0)
            times.append(seconds * 10**9 + time.tv_usec * 1000)
        os.utime(path, ns=(times[0], times[1]))


def has_flags(mode: int) -> bool:
    """Whether inodes of this type have flags, and can be opened without effect to see them."""
    return S_IFMT(mode) in (S_IFREG, S_IFDIR)


def _attributes_of(path: str) -> list[bytes]:
    try:
        names = [os.fsencode(name) for name in os.listxattr(path)]
    except OSError as error:
        if error.errno in _NONE:
            return []
        raise
    return sorted([name for name in names if name not in _LABELS])


def _flags_of(fd: int) -> int:
    """The flags that can be set, and FS_VERITY_FL; 0 where the file system has none."""
    buffer = bytearray(8)
    result = kernel.raw(SYS_ioctl, fd, FS_IOC_GETFLAGS, kernel.address_of(buffer))
    if result < 0:
        if -result in _NO_FLAGS:
            return 0
        raise OSError(-result, os.strerror(-result))
    return int.from_bytes(buffer[:4], "little") & (_FLAGS | FS_VERITY_FL)


def _set_flags(fd: int, flags: int) -> None:
    buffer = bytearray(8)
    at = kernel.address_of(buffer)
    result = kernel.raw(SYS_ioctl, fd, FS_IOC_GETFLAGS, at)
    if result < 0:
        if -result in _NO_FLAGS and not flags:
            return
        raise OSError(-result, os.strerror(-result))
    now = int.from_bytes(buffer[:4], "little")
    new = now & ~_FLAGS | flags & _FLAGS
    if new != now:
        buffer[:4] = new.to_bytes(4, "little")
        kernel.checked(SYS_ioctl, fd, FS_IOC_SETFLAGS, at)
