"""Ghosts: inodes without any name left, which the images hold themselves, content and all.

Restoring, the tool makes the inode again and holds it; tasks open it through /proc/TOOL/fd/N, so
nothing stays behind in the file system, whatever happens to the tool. It has a name for the moment
between two system calls, the one that it had, since the kernel goes on showing that; and so have
the directories above it that are gone.
"""

from __future__ import annotations

import errno
import os
from stat import S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG

from crtools.abi.fcntl import O_NOFOLLOW, O_PATH, O_TMPFILE
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.ghost_file import GhostChunkEntry, GhostFileEntry
from crtools.images.messages.time import Timeval
from crtools.kinds.files.extents import find_extents, move
from crtools.kinds.files.inode import (
    FS_VERITY_FL,
    check_inode,
    dress,
    dress_early,
    dress_last,
    dump_inode,
    has_flags,
)
from crtools.kinds.files.mounts import clone_writable, open_covered
from crtools.kinds.files.path import TYPE_NAMES, below, decode, encode, reopening

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from crtools.images.messages.crtools_ghost import CrtoolsGhostEntry
    from crtools.images.messages.regfile import RegFileEntry
    from crtools.kinds.files.base import DumpContext, OpenFile

    T = TypeVar("T")

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# How a symbolic link itself is opened.
_LINK_ITSELF = O_PATH | O_NOFOLLOW


# --- Dumping ---


class Ghost:
    """A nameless inode that is dumped: what it is, and where it has data."""

    __slots__ = ("extents", "file", "id", "own", "target")

    def __init__(
        self,
        id: int,
        file: OpenFile,
        extents: list[tuple[int, int]],
        target: str | None,
        own: CrtoolsGhostEntry,
    ) -> None:
        self.id = id
        self.file = file
        self.extents = extents  # (offset, bytes)
        self.target = target  # of a symbolic link
        self.own = own


def examine(context: DumpContext, file: OpenFile, name: str, id: int) -> Ghost:
    """Looks at the deleted file `name`, to be ghost `id`. Raises UnsupportedObject."""
    stat = file.stat
    mode = stat.st_mode
    target = None
    extents: list[tuple[int, int]] = []
    fd = -1
    try:
        if S_IFMT(mode) == S_IFLNK:
            link = os.open(file.via, os.O_PATH | os.O_CLOEXEC, dir_fd=context.proc)
            try:
                target = decode(os.readlink(b"", dir_fd=link))
            finally:
                os.close(link)
        elif has_flags(mode):
            fd = _open_to_read(context, file)
            if S_IFMT(mode) == S_IFREG:
                extents = find_extents(fd, stat.st_size, fiemap=context.options.ghost_fiemap)
        own = dump_inode(id, f"/proc/self/fd/{context.proc}/{file.via}", fd, stat)
    except OSError as error:
        raise context.refuse(
            file,
            f"the deleted file {name} cannot be read",
            os.strerror(error.errno or 0),
            "run as root",
        ) from error
    finally:
        if fd >= 0:
            os.close(fd)
    if (own.flags or 0) & FS_VERITY_FL:
        raise context.refuse(
            file,
            f"the deleted file {name} is protected by fs-verity",
            "what it was signed with is not to be had again",
            "let the program close it before the dump",
        )
    size = sum([length for _, length in extents])
    limit = context.options.ghost_limit
    if size > limit:
        raise context.refuse(
            file,
            f"the deleted file {name} has {size} bytes",
            f"no more than {limit} bytes of a deleted file are put into the images",
            f"pass --ghost-limit {size}, or let the program close the file",
        )
    return Ghost(id, file, extents, target, own)


def write(context: DumpContext, ghost: Ghost) -> None:
    """Writes the ghost's image. Raises ImageError."""
    stat = ghost.file.stat
    kind = S_IFMT(stat.st_mode)
    size = stat.st_size
    chunked = kind == S_IFREG and ghost.extents != ([(0, size)] if size else [])
    entry = GhostFileEntry(
        uid=stat.st_uid,
        gid=stat.st_gid,
        mode=stat.st_mode,
        dev=_encode_device(stat.st_dev),
        ino=stat.st_ino,
        rdev=_encode_device(stat.st_rdev) if kind in (S_IFCHR, S_IFBLK) else None,
        atim=_timeval(stat.st_atime_ns),
        mtim=_timeval(stat.st_mtime_ns),
        chunks=True if chunked else None,
        size=size if chunked else None,
        symlnk_target=ghost.target,
    )
    image = context.store.begin("ghost-file", [entry], ghost.id)
    try:
        if kind != S_IFREG:
            return
        fd = _open_to_read(context, ghost.file)
        try:
            for start, length in ghost.extents:
                if chunked:
                    head = GhostChunkEntry(len=length, off=start).encode()
                    _write_all(image, len(head).to_bytes(4, "little") + head)
                move(image, fd, start, length)
        finally:
            os.close(fd)
    except OSError as error:
        raise ImageError(
            f"Cannot write the content of {_text(ghost.file.link)} to the images",
            because=os.strerror(error.errno or 0),
            subject=ghost.file.subject,
        ) from error
    finally:
        os.close(image)


def _open_to_read(context: DumpContext, file: OpenFile) -> int:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(file.via, flags | os.O_NOATIME, dir_fd=context.proc)
    except PermissionError:
        return os.open(file.via, flags, dir_fd=context.proc)


def _timeval(nanoseconds: int) -> Timeval:
    seconds, rest = divmod(nanoseconds, 10**9)
    return Timeval(tv_sec=seconds & 0xFFFFFFFFFFFFFFFF, tv_usec=rest // 1000)


def _encode_device(device: int) -> int:
    """As the kernel has it inside (linux/kdev_t.h): major and 20 bits of minor."""
    return os.major(device) << 20 | os.minor(device)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


# --- Restoring ---


class Made:
    """A ghost that was made again.

    `fd` is what tasks open; through `access` it can be changed: the same, unless it is on a mount
    that is read-only. `given` is the open file of the entry itself where nobody can open it with
    the flags that it has, -1 elsewhere.
    """

    __slots__ = ("access", "entry", "fd", "given", "head", "id", "own")

    def __init__(
        self,
        id: int,
        entry: RegFileEntry,
        head: GhostFileEntry,
        own: CrtoolsGhostEntry | None,
        fds: tuple[int, int, int],
    ) -> None:
        self.id = id
        self.entry = entry
        self.head = head
        self.own = own
        self.fd, self.access, self.given = fds

    @property
    def path(self) -> str:
        return f"/proc/self/fd/{self.access}"


class GhostMaker:
    """Makes the ghosts of an image set below the directory `root` (a descriptor of ours).

    `made` is by number. Raises ImageError, RestoreConflict.
    """

    def __init__(self, store: Any, root: int) -> None:
        self.store = store
        self.root = root
        self.made: dict[int, Made] = {}
        self._own: dict[int, CrtoolsGhostEntry] = {}
        # Directories that are there for a moment, the last one innermost: what they are in, name.
        self._directories: list[tuple[int, bytes]] = []
        if store.has("crtools-ghost"):
            for own in store.read("crtools-ghost"):
                check_inode(own)
                if own.ghost_id in self._own:
                    raise ImageError(f"The deleted file {own.ghost_id} is twice in an image")
                self._own[own.ghost_id] = own

    def make(self, ghosts: dict[int, tuple[RegFileEntry, bytes]]) -> None:
        """Makes them all; the entries say what paths they had, and the other word is the
        mountpoint of the mount that they were on, if another one lies over their path."""
        try:
            # Directories before what was in them.
            for id, (entry, mountpoint) in sorted(ghosts.items(), key=_name_of):
                with _Explained(entry):
                    self.made[id] = self._make(id, entry, mountpoint)
        finally:
            while self._directories:
                directory, name = self._directories.pop()
                os.rmdir(name, dir_fd=directory)
                os.close(directory)
        for made in self.made.values():
            with _Explained(made.entry):
                if S_IFMT(made.head.mode) == S_IFREG:
                    self._fill(made)
                dress(made.path, made.head, made.own)

    def dress(self) -> None:
        """What comes last, when all tasks have opened them."""
        for made in self.made.values():
            with _Explained(made.entry):
                dress_last(made.path, made.head, made.own)

    def close(self) -> None:
        for made in self.made.values():
            for fd in {made.fd, made.access, made.given} - {-1}:
                os.close(fd)
        self.made.clear()

    def _make(self, id: int, entry: RegFileEntry, mountpoint: bytes) -> Made:
        head, image = self.store.open_after_head("ghost-file", id)
        os.close(image)
        kind = S_IFMT(head.mode)
        if kind not in TYPE_NAMES or (entry.mode is not None and kind != S_IFMT(entry.mode)):
            raise ImageError(
                f"The image of the deleted file {entry.name} has an impossible mode, {head.mode:o}"
            )
        directory, name = self._directory_of(entry.name, mountpoint)
        try:
            fds = _writing(
                directory, lambda where: self._make_in(where, directory, name, head, entry)
            )
        finally:
            os.close(directory)
        return Made(id, entry, head, self._own.get(id), fds)

    def _make_in(
        self, where: int, shown: int, name: bytes, head: GhostFileEntry, entry: RegFileEntry
    ) -> tuple[int, int, int]:
        """Makes it in the directory `where`, and opens it in `shown`, the same by another mount or
        the very same. Gives `fd`, `access` and `given` of a Made."""
        kind = S_IFMT(head.mode)
        was_unnamed = entry.flags & O_TMPFILE == O_TMPFILE
        # One that never had a name can be given one (open(2), O_TMPFILE), if it is born so; what
        # F_GETFL says does not tell of those for which O_EXCL has forbidden that. Where its
        # directory is gone and cannot be made for a moment, it is born without a name too.
        if kind == S_IFREG and where == shown and (not name or was_unnamed):
            try:
                flags = reopening(entry.flags) if was_unnamed else os.O_RDWR
                fd = os.open(b".", flags | O_TMPFILE | os.O_CLOEXEC, 0o600, dir_fd=where)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT):
                    raise
            else:
                held = -1
                try:
                    held = os.open(f"/proc/self/fd/{fd}", os.O_PATH | os.O_CLOEXEC)
                    return held, held, fd if was_unnamed else -1
                finally:
                    if held < 0 or not was_unnamed:
                        os.close(fd)
        itself = is_itself(entry.flags)  # here: a kill between making and unlinking leaves the file
        for path in _names(name):
            try:
                _create(path, head, where)
            except FileExistsError:
                continue
            fd = -1
            try:
                flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
                fd = os.open(path, flags, dir_fd=shown)
                access = fd if where == shown else os.open(path, flags, dir_fd=where)
                return fd, access, fd if itself else -1
            except BaseException:
                if fd >= 0:
                    os.close(fd)
                raise
            finally:
                if kind != S_IFDIR:
                    os.unlink(path, dir_fd=where)
                elif path == name:
                    # What was in it is made in it.
                    self._directories.append((os.dup(where), path))
                else:
                    os.rmdir(path, dir_fd=where)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _directory_of(self, name: str, mountpoint: bytes) -> tuple[int, bytes]:
        """The directory that a file was in, and the file's name there; b"" instead of the name if
        the directory is gone and cannot be made, and one above is given."""
        path, _, last = encode(name).rpartition(b"/")
        while True:
            try:
                return self._open_directory(path, mountpoint), last
            except OSError:
                if not path:
                    raise
                path, last = path.rpartition(b"/")[0], b""

    def _open_directory(self, path: bytes, mountpoint: bytes) -> int:
        """Opens a directory, made for a moment if it is not there."""
        try:
            if mountpoint and len(path) >= len(mountpoint.rstrip(b"/")):
                return open_covered(self.root, mountpoint, path, _DIRECTORY)
            return os.open(below(path), _DIRECTORY, dir_fd=self.root)
        except FileNotFoundError:
            if not path:
                raise
        above, _, name = path.rpartition(b"/")
        directory = self._open_directory(above, mountpoint)
        try:
            _writing(directory, lambda where: self._make_directory(where, name))
            return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
        finally:
            os.close(directory)

    def _make_directory(self, where: int, name: bytes) -> None:
        os.mkdir(name, 0o700, dir_fd=where)
        self._directories.append((os.dup(where), name))

    def _fill(self, made: Made) -> None:
        """Content with its holes, from what follows the head of its image."""
        entry, ghost = made.entry, made.head
        _, image = self.store.open_after_head("ghost-file", made.id)
        fd = -1
        try:
            # Not held for writing: that would keep it from being executed.
            fd = os.open(made.path, os.O_RDWR | os.O_CLOEXEC)
            dress_early(fd, made.own)
            left = os.fstat(image).st_size - os.lseek(image, 0, os.SEEK_CUR)
            size = ghost.size if ghost.chunks else left
            if size is None or size > 0x7FFFFFFFFFFFFFFF or entry.size not in (None, size):
                raise ImageError(
                    f"The image of the deleted file {entry.name} is incomplete",
                    because=f"it is of {size} bytes, and the files image says {entry.size}",
                )
            if not ghost.chunks:
                move(fd, image, None, left)
            while ghost.chunks and left:
                length = int.from_bytes(_read_all(image, 4), "little")
                if length > 64:
                    raise ImageError(f"The image of the deleted file {entry.name} is damaged")
                chunk = GhostChunkEntry.decode(_read_all(image, length))
                left -= 4 + length + chunk.len
                if left < 0 or chunk.off + chunk.len > size:
                    raise ImageError(
                        f"The image of the deleted file {entry.name} is damaged",
                        because=f"a piece of {chunk.len} bytes at {chunk.off} does not fit in it",
                    )
                os.lseek(fd, chunk.off, os.SEEK_SET)
                move(fd, image, None, chunk.len)
            os.ftruncate(fd, size)
        finally:
            os.close(image)
            if fd >= 0:
                os.close(fd)


class _Explained:
    """The errors of making one file, in its words."""

    __slots__ = ("entry",)

    def __init__(self, entry: RegFileEntry) -> None:
        self.entry = entry

    def __enter__(self) -> None:
        pass

    def __exit__(self, cls: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, OSError):
            raise not_made(self.entry.name, error) from error
        if isinstance(error, OverflowError):
            raise ImageError(
                f"The image of the deleted file {self.entry.name} has an impossible owner or time",
                because=str(error),
            ) from error


def is_unique(flags: int) -> bool:
    """Whether a file without a name cannot be opened with these O_* flags: one is born with
    O_TMPFILE, and what O_NOFOLLOW would have to open is a link of /proc."""
    return flags & O_TMPFILE == O_TMPFILE or is_itself(flags)


def is_itself(flags: int) -> bool:
    """Whether what is open is the place itself, a symbolic link as well."""
    return flags & _LINK_ITSELF == _LINK_ITSELF


def not_made(name: str, error: OSError) -> RestoreConflict:
    return RestoreConflict(
        f"Cannot make the file {name} again, which was open and deleted",
        because=f"{os.strerror(error.errno or 0)}",
        hint="see that its directory, or one above it, exists and can be written to",
        subject=("file", name),
    )


def _create(path: bytes, ghost: GhostFileEntry, directory: int) -> None:
    kind = S_IFMT(ghost.mode)
    if kind == S_IFDIR:
        os.mkdir(path, 0o700, dir_fd=directory)
    elif kind == S_IFLNK:
        target = encode(ghost.symlnk_target or "")
        os.symlink(target, path, dir_fd=directory)
    else:
        rdev = ghost.rdev or 0
        device = os.makedev(rdev >> 20, rdev & 0xFFFFF)
        os.mknod(path, kind | 0o600, device, dir_fd=directory)


def _writing(directory: int, make: Callable[[int], T]) -> T:
    """make(directory); where that is on a read-only mount, make() with the same directory on a
    mount of our own, which nobody else sees, and which is not."""
    try:
        return make(directory)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
    clone = clone_writable(directory)
    try:
        return make(clone)
    finally:
        os.close(clone)


def _names(name: bytes) -> Iterator[bytes]:
    """The name itself if there is one, then others that it is unlikely that somebody has."""
    if name:
        yield name
    for number in range(1000):
        yield b"%b.ghost-%d-%d" % (name[:200], os.getpid(), number)


def _name_of(ghost: tuple[int, tuple[RegFileEntry, bytes]]) -> str:
    return ghost[1][0].name


def _read_all(fd: int, length: int) -> bytes:
    data = os.read(fd, length)
    if len(data) < length:
        raise ImageError("The image of a deleted file ends early")
    return data
