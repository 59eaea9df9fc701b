"""Files that are found again by a path: what an entry says of one, and whether it is still true.

Shared by regular files and fifos, and used for the working directory, the executable and the like.
"""

from __future__ import annotations

import errno
import os
from stat import S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK

from crtools.abi import kernel
from crtools.abi.fcntl import (
    AT_SYMLINK_NOFOLLOW,
    FASYNC,
    O_ACCMODE,
    O_APPEND,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_NOCTTY,
    O_PATH,
    O_TMPFILE,
    O_TRUNC,
)
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.regfile import RegFileEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import DumpContext, OpenFile

_ELF_HEADER = 64  # bytes: no shorter file is looked into

SYS_statx = 332
# linux/stat.h
STATX_ATTR_IMMUTABLE, STATX_ATTR_APPEND = 0x10, 0x20
_statx = bytearray(256)
_statx_at = kernel.address_of(_statx)
_ATTRIBUTES = 8  # where the low ones are

# Devices that have the same number everywhere (drivers/char/mem.c).
_NUMBERS = {
    "/dev/mem": os.makedev(1, 1),
    "/dev/null": os.makedev(1, 3),
    "/dev/port": os.makedev(1, 4),
    "/dev/zero": os.makedev(1, 5),
    "/dev/full": os.makedev(1, 7),
    "/dev/random": os.makedev(1, 8),
    "/dev/urandom": os.makedev(1, 9),
    "/dev/kmsg": os.makedev(1, 11),
}
TYPE_NAMES = {
    S_IFREG: "a regular file",
    S_IFDIR: "a directory",
    S_IFCHR: "a character device",
    S_IFBLK: "a block device",
    S_IFIFO: "a fifo",
    S_IFLNK: "a symbolic link",
    S_IFSOCK: "a socket",
}


def dump_path(context: DumpContext, file: OpenFile, id: int, pos: int) -> RegFileEntry:
    """The part of the entry that says how to find and open a path again."""
    stat = file.stat
    size = None
    build_id: tuple[int, ...] = ()
    if context.externals is not None:
        from crtools.kinds.files.outside import name_outside

        name = name_outside(context, context.externals, file)
        if name:
            owner = context.owner_of(file)
            return RegFileEntry(
                id=id, flags=file.flags, pos=pos, fown=owner, name=name, ext=True, mode=stat.st_mode
            )
    if stat.st_mode & 0o170000 == S_IFREG:
        size = stat.st_size
        # Files of /proc and /sys have no blocks: reading them could have effects.
        validates = context.options.file_validation == "buildid"
        if size >= _ELF_HEADER and stat.st_blocks and validates:
            build_id = context.read_build_id(file)
    return RegFileEntry(
        id=id,
        flags=file.flags,
        pos=pos,
        fown=context.owner_of(file),
        name=context.locate(file, id),
        size=size,
        mode=stat.st_mode,
        build_id=build_id,
    )


def is_secret(file: OpenFile) -> bool:
    """Whether it is secret memory, which has no name and counts one all the same."""
    return file.link == b"/secretmem (deleted)" and os.major(file.stat.st_dev) == 0


def reopening(flags: int) -> int:
    """The flags to open a file with again, from what F_GETFL said of it."""
    # open(2) keeps O_ASYNC without acting on it, so it is set later, with F_SETFL. The others are
    # never in what F_GETFL says, and no image shall make or empty a file.
    flags &= ~(FASYNC | O_CREAT | O_EXCL | O_TRUNC)
    if flags & O_TMPFILE == O_TMPFILE:
        flags &= ~O_TMPFILE
    return flags if flags & O_PATH else flags | O_NOCTTY


def check_path(
    entry: RegFileEntry, root: int, *, validation: str, rwx: bool, held: bytes = b""
) -> bool:
    """Compares what the path of an entry leads to, below the directory `root`, with what it was.
    Gives whether it is there, but cannot be opened for writing for what chattr(1) did since.

    `validation` is --file-validation's "filesize" or "buildid"; `rwx` demands the same permissions.
    `held` is a link of /proc that leads to the file, if that is known already. Raises
    RestoreConflict, naming the file and both values.
    """
    path = held or below(encode(entry.name))
    try:
        stat = os.stat(path, dir_fd=root, follow_symlinks=bool(held))
    except OSError as error:
        raise conflict(
            entry.name,
            "is not there" if error.errno == errno.ENOENT else "cannot be looked at",
            f"stat failed: {os.strerror(error.errno or 0)}",
            "put it back as it was at the dump",
        ) from error
    mode = entry.mode
    if mode is not None:
        if S_IFMT(mode) != S_IFMT(stat.st_mode):
            raise conflict(
                entry.name,
                "is not what it was",
                f"it was {type_name(mode)} at the dump and is {type_name(stat.st_mode)} now",
                "put it back as it was at the dump",
            )
        number = _NUMBERS.get(entry.name)
        if S_IFMT(mode) == S_IFCHR and number is not None and stat.st_rdev != number:
            raise conflict(
                entry.name,
                "is not what it was",
                f"it is the device {os.major(stat.st_rdev)}:{os.minor(stat.st_rdev)}, and has to be"
                f" {os.major(number)}:{os.minor(number)}",
                f"mknod {entry.name} c {os.major(number)} {os.minor(number)}",
            )
        if rwx and (mode ^ stat.st_mode) & 0o777:
            raise conflict(
                entry.name,
                "has other permissions",
                f"they were {mode & 0o777:04o} at the dump and are {stat.st_mode & 0o777:04o} now",
                f"chmod {mode & 0o777:04o} it, or pass --skip-file-rwx-check",
            )
    if S_IFMT(stat.st_mode) == S_IFREG:
        if entry.size is not None and entry.size != stat.st_size:
            raise conflict(
                entry.name,
                "has another size",
                f"it had {entry.size} bytes at the dump and has {stat.st_size} now",
                "put back the file that was dumped"
                f" (truncate -s {entry.size} makes it as long; its content is then yours to know)",
            )
        if entry.build_id and validation == "buildid":
            found = _build_id_of(entry.name, path, root)
            if tuple(entry.build_id) != found:
                from crtools.kinds.files.build_id import spell

                raise conflict(
                    entry.name,
                    "is another build",
                    f"its build id was {spell(entry.build_id)} at the dump and is"
                    f" {spell(found) or 'missing'} now",
                    "put back the file that was dumped, or pass --file-validation filesize",
                )
    if not entry.flags & O_ACCMODE or entry.flags & (O_PATH | O_DIRECTORY):
        return False
    if S_IFMT(stat.st_mode) == S_IFREG and not held and _is_protected(path, root, entry.flags):
        return True
    if not os.access(path, os.W_OK, dir_fd=root):
        raise conflict(
            entry.name,
            "cannot be opened for writing",
            "its file system is read-only, or it is not ours to write",
            "mount -o remount,rw its file system, or see its permissions",
        )
    return False


def _is_protected(path: bytes, root: int, flags: int) -> bool:
    """Whether inode flags forbid to open a file with these O_* flags, which are for writing."""
    name = path + b"\0"
    result = kernel.raw(SYS_statx, root, kernel.address_of(name), AT_SYMLINK_NOFOLLOW, 0, _statx_at)
    attributes = _statx[_ATTRIBUTES] if result == 0 else 0
    if attributes & STATX_ATTR_IMMUTABLE:
        return True
    return bool(attributes & STATX_ATTR_APPEND and not flags & O_APPEND)


def conflict(name: str, what: str, because: str, hint: str) -> RestoreConflict:
    return RestoreConflict(
        f"The file {name} {what}", because=because, hint=hint, subject=("file", name)
    )


def type_name(mode: int) -> str:
    return TYPE_NAMES.get(S_IFMT(mode), "a file of no known type")


def below(name: bytes) -> bytes:
    """An absolute path as one relative to a root directory's descriptor."""
    return name.lstrip(b"/") or b"."


def encode(name: str) -> bytes:
    """A path of the images as the kernel has it: any bytes."""
    return name.encode("utf-8", "surrogateescape")


def decode(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def check_entry(entry: RegFileEntry) -> None:
    """What an image may say of a path. Raises ImageError."""
    if (
        not (entry.ext or entry.name.startswith("/"))
        or "\0" in entry.name
        or len(entry.name) > 65536
    ):
        raise ImageError(
            f"File {entry.id} in the files image has no possible name: {entry.name[:200]!r}",
            because="it has to be an absolute path",
            subject=("file", entry.id),
        )
    if entry.pos > 0x7FFFFFFFFFFFFFFF or entry.flags > 0x7FFFFFFF:
        raise ImageError(
            f"File {entry.id} ({entry.name}) in the files image has impossible"
            f" {'flags' if entry.flags > 0x7FFFFFFF else 'position'}",
            subject=("file", entry.id),
        )


def _build_id_of(name: str, path: bytes, root: int) -> tuple[int, ...]:
    from crtools.kinds.files.build_id import read_build_id

    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root)
    except OSError as error:
        raise conflict(
            name,
            "cannot be read to compare its build id",
            f"open failed: {os.strerror(error.errno or 0)}",
            "make it readable, or pass --file-validation filesize",
        ) from error
    try:
        return read_build_id(fd)
    finally:
        os.close(fd)
