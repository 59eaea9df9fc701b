"""Files whose path leads to them no more: what takes the path's place in the images.

A file without any name left is a ghost: the images hold the inode itself, content and all. One that
has other names (hard links elsewhere) gets a temporary name beside its old one, if --link-remap
allows that, since /proc does not tell the others. Restoring, the tool makes or finds the inode
and holds it; tasks open it again through /proc/TOOL/fd/N, so nothing stays behind in the file
system, whatever happens to the tool.
"""

from __future__ import annotations

import errno
import os
from stat import S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG

from crtools.abi.fcntl import O_TMPFILE
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.ghost_file import GhostChunkEntry, GhostFileEntry
from crtools.images.messages.regfile import RegFileEntry
from crtools.images.messages.remap_file_path import RemapFilePathEntry, RemapType
from crtools.images.messages.time import Timeval
from crtools.kinds.files.path import TYPE_NAMES, below, check_entry, check_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from crtools.kinds.files.base import DumpContext, OpenFile

# A ghost's content is moved in pieces of at most this size (bytes).
_PIECE = 1 << 20
# Attributes that a security module gives to every file, and would give to the new one.
_LABELS = frozenset(("security.selinux", "security.SMACK64", "security.apparmor", "security.ima"))
_OLD_GHOST = 1 << 31  # in the id of a remap entry without a type, of old image sets


class Ghost:
    """A nameless inode that is dumped: how to read it, and where it has data."""

    __slots__ = ("extents", "file", "id", "target")

    def __init__(
        self, id: int, file: OpenFile, extents: list[tuple[int, int]], target: str | None
    ) -> None:
        self.id = id
        self.file = file
        self.extents = extents  # (offset, bytes)
        self.target = target  # of a symbolic link


class Substitutes:
    """A dump's files that cannot be found by their path."""

    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.ghosts: dict[tuple[int, int], Ghost] = {}
        self.links: dict[tuple[int, int], int] = {}  # inode -> id of the entry with its new name
        self.remaps: list[RemapFilePathEntry] = []
        self.made: list[tuple[int, bytes]] = []  # names that were given: root, path below it

    def add(self, file: OpenFile, id: int, name: bytes, root: int) -> str:
        """Finds a substitute for entry `id`, whose file was at `name` below `root`; the name to
        write there. Raises UnsupportedObject."""
        key = (file.stat.st_dev, file.stat.st_ino)
        text = name.decode("utf-8", "surrogateescape")
        if file.stat.st_nlink == 0:
            ghost = self.ghosts.get(key)
            if ghost is None:
                ghost = self.ghosts[key] = self._examine(file, text)
            remap = RemapFilePathEntry(orig_id=id, remap_id=ghost.id, remap_type=RemapType.GHOST)
        else:
            link = self.links.get(key)
            if link is None:
                link = self.links[key] = self._link(file, name, text, root)
            remap = RemapFilePathEntry(orig_id=id, remap_id=link, remap_type=RemapType.LINKED)
        self.remaps.append(remap)
        return text

    def finish(self) -> None:
        """Writes ghost-file-*.img and remap-fpath.img."""
        store = self.context.store
        for ghost in self.ghosts.values():
            self._write(ghost)
        store.write("remap-fpath", self.remaps)

    def undo(self) -> None:
        """Takes away the names that were given."""
        while self.made:
            root, path = self.made.pop()
            os.unlink(path, dir_fd=root)

    # --- Ghosts ---

    def _examine(self, file: OpenFile, name: str) -> Ghost:
        if file.mnt_id >= 0 and not self._is_mounted(file):
            raise self.context.refuse(
                file,
                f"it is {name}, a deleted file on no mount of the task's",
                "the kernel made it for itself, or its file system was unmounted",
                "let the program close it before the dump",
            )
        mode = file.stat.st_mode
        target = None
        extents: list[tuple[int, int]] = []
        try:
            if S_IFMT(mode) == S_IFLNK:
                fd = os.open(file.via, os.O_PATH | os.O_CLOEXEC, dir_fd=self.context.proc)
                try:
                    target = os.readlink(b"", dir_fd=fd).decode("utf-8", "surrogateescape")
                finally:
                    os.close(fd)
            elif S_IFMT(mode) == S_IFREG:
                fd = _open_to_read(self.context, file)
                try:
                    extents = list(_extents(fd, file.stat.st_size))
                finally:
                    os.close(fd)
            path = f"/proc/self/fd/{self.context.proc}/{file.via}"
            attributes = set(os.listxattr(path)) - _LABELS
        except OSError as error:
            if error.errno in (errno.ENOTSUP, errno.ENOSYS):
                attributes = set()
            else:
                raise self.context.refuse(
                    file,
                    f"the deleted file {name} cannot be read",
                    os.strerror(error.errno or 0),
                    "run as root",
                ) from error
        if attributes:
            raise self.context.refuse(
                file,
                f"the deleted file {name} has extended attributes",
                f"the image format has no place for {', '.join(sorted(attributes))}",
                "let the program close it before the dump",
            )
        size = sum([length for _, length in extents])
        limit = self.context.options.ghost_limit
        if size > limit:
            raise self.context.refuse(
                file,
                f"the deleted file {name} has {size} bytes",
                f"no more than {limit} bytes of a deleted file are put into the images",
                f"pass --ghost-limit {size}, or let the program close the file",
            )
        return Ghost(len(self.ghosts) + 1, file, extents, target)

    def _is_mounted(self, file: OpenFile) -> bool:
        line = b"%d " % file.mnt_id
        for name in ("self/mountinfo", f"{file.pid}/task/{file.tid}/mountinfo"):
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.context.proc)
            with open(fd, "rb") as mounts:
                if any(mount.startswith(line) for mount in mounts):
                    return True
        return False

    def _write(self, ghost: Ghost) -> None:
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
        image = self.context.store.begin("ghost-file", [entry], ghost.id)
        try:
            if kind != S_IFREG:
                return
            fd = _open_to_read(self.context, ghost.file)
            try:
                for start, length in ghost.extents:
                    if chunked:
                        head = GhostChunkEntry(len=length, off=start).encode()
                        _write_all(image, len(head).to_bytes(4, "little") + head)
                    _move(image, fd, start, length)
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

    # --- Other names ---

    def _link(self, file: OpenFile, name: bytes, text: str, root: int) -> int:
        context = self.context
        mode = file.stat.st_mode
        if S_IFMT(mode) == S_IFDIR:
            raise context.refuse(
                file,
                f"the directory {text} is not at that path any more",
                "something else was mounted or put there, and a directory has no second name",
                "unmount what covers it, or let the program leave it",
            )
        if file.stat.st_dev == os.stat(".", dir_fd=context.proc).st_dev:
            raise context.refuse(
                file,
                f"it is {text}, of a task that has ended",
                "its content ended with the task",
                "let the program close it before the dump",
            )
        if not context.options.link_remap:
            raise context.refuse(
                file,
                f"its name {text} was removed or leads elsewhere",
                f"the file has {file.stat.st_nlink} other name(s) that the kernel does not tell",
                "pass --link-remap, which gives it a temporary name beside the old one",
            )
        id = context.new_id()
        directory = name.rpartition(b"/")[0]
        number = id
        while True:
            made = b"%b/link_remap.%d" % (directory, number)
            try:
                os.link(file.via, below(made), src_dir_fd=context.proc, dst_dir_fd=root)
                break
            except FileExistsError:
                number += 1
            except OSError as error:
                raise context.refuse(
                    file,
                    f"its name {text} is gone, and it cannot be given another one",
                    f"linking it to {os.fsdecode(made)} failed: {os.strerror(error.errno or 0)}",
                    "let the program close it before the dump",
                ) from error
        self.made.append((root, below(made)))
        context.add_entry(
            FileEntry(
                type=FdTypes.REG,
                id=id,
                reg=RegFileEntry(
                    id=id,
                    flags=file.flags,
                    pos=0,
                    fown=FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0),
                    name=made.decode("utf-8", "surrogateescape"),
                    size=file.stat.st_size if S_IFMT(mode) == S_IFREG else None,
                    mode=mode,
                ),
            )
        )
        return id


class Held:
    """What a restore holds for its tasks: the inodes that stand in for paths.

    `remaps` are the entries of remap-fpath.img. `numbers` are our descriptors, by the id of the
    regular-file entry that they stand for, once `create` has run.
    """

    def __init__(self, store: Any, entries: dict[int, RegFileEntry]) -> None:
        self.store = store
        self.entries = entries
        self.numbers: dict[int, int] = {}
        self.linked: dict[int, int] = {}  # id -> id of the entry with the other name
        self._ghosts: dict[int, list[int]] = {}  # ghost -> ids of entries
        self._fds: list[int] = []
        self._root = -1
        for remap in store.read("remap-fpath") if store.has("remap-fpath") else ():
            self._add(remap)

    def _add(self, remap: RemapFilePathEntry) -> None:
        id, kind, target = remap.orig_id, remap.remap_type, remap.remap_id
        if id in self.entries:
            check_entry(self.entries[id])
        if kind is None:
            kind = RemapType.GHOST if target & _OLD_GHOST else RemapType.LINKED
            target &= ~_OLD_GHOST
        if id not in self.entries or id in self.linked:
            raise ImageError(f"The remap-fpath image speaks of file {id}, which is not there")
        if kind == RemapType.LINKED:
            if target not in self.entries:
                raise ImageError(
                    f"The remap-fpath image says that file {id} has the name of file {target},"
                    " which is not there"
                )
            self.linked[id] = target
        elif kind == RemapType.GHOST:
            self._ghosts.setdefault(target, []).append(id)
            self.linked[id] = 0
        else:
            raise ImageError(
                f"File {id} ({self.entries[id].name}) was of a task that had ended",
                because="crtools does not bring back such files of /proc yet",
            )

    def __contains__(self, id: int) -> bool:
        return id in self.linked

    def check(self, root: int, *, validation: str, rwx: bool) -> None:
        """Whether the names given by --link-remap are still there. Raises RestoreConflict."""
        for target in set(self.linked.values()) - {0}:
            check_path(self.entries[target], root, validation=validation, rwx=rwx)

    def create(self, root: int) -> None:
        """Makes the ghosts and finds the others, below the directory `root`."""
        self._root = os.dup(root)
        for ghost, ids in self._ghosts.items():
            fd = self._make_ghost(ghost, self.entries[ids[0]])
            for id in ids:
                self.numbers[id] = fd
        found: dict[int, int] = {}
        for id, target in self.linked.items():
            if target:
                if target not in found:
                    found[target] = self._find_linked(self.entries[id], self.entries[target])
                self.numbers[id] = found[target]

    def close(self, *, restored: bool) -> None:
        """Lets go. After a restore that went well, the names of --link-remap have served."""
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()
        self.numbers.clear()
        if self._root < 0:
            return
        if restored:
            for target in set(self.linked.values()) - {0}:
                name = self.entries[target].name.encode("utf-8", "surrogateescape")
                try:
                    os.unlink(below(name), dir_fd=self._root)
                except FileNotFoundError:
                    pass
        os.close(self._root)
        self._root = -1

    def _hold(self, fd: int) -> int:
        self._fds.append(fd)
        return fd

    def _find_linked(self, entry: RegFileEntry, link: RegFileEntry) -> int:
        source = below(link.name.encode("utf-8", "surrogateescape"))
        path = below(entry.name.encode("utf-8", "surrogateescape"))
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        # Under its old name for a moment, so that the kernel shows that one, "(deleted)".
        try:
            os.link(
                source, path, src_dir_fd=self._root, dst_dir_fd=self._root, follow_symlinks=False
            )
        except OSError:
            path = source
        try:
            return self._hold(os.open(path, flags, dir_fd=self._root))
        except OSError as error:
            raise _not_made(entry.name, error) from error
        finally:
            if path is not source:
                os.unlink(path, dir_fd=self._root)

    # --- Making a ghost ---

    def _make_ghost(self, id: int, entry: RegFileEntry) -> int:
        ghost, image = self.store.open_after_head("ghost-file", id)
        try:
            kind = S_IFMT(ghost.mode)
            if kind not in TYPE_NAMES or (entry.mode is not None and kind != S_IFMT(entry.mode)):
                raise ImageError(
                    f"The image of the deleted file {entry.name} has an impossible mode,"
                    f" {ghost.mode:o}"
                )
            if kind == S_IFREG:
                fd = self._make_regular(entry)
                try:
                    _fill(fd, ghost, image, entry)
                    held = self._hold(os.open(f"/proc/self/fd/{fd}", os.O_PATH | os.O_CLOEXEC))
                finally:
                    # Not held for writing: that would keep it from being executed.
                    os.close(fd)
            else:
                held = self._hold(self._make_other(entry, ghost))
            _dress(held, ghost)
        except OSError as error:
            raise _not_made(entry.name, error) from error
        except OverflowError as error:
            raise ImageError(
                f"The image of the deleted file {entry.name} has an impossible owner or time",
                because=str(error),
            ) from error
        finally:
            os.close(image)
        return held

    def _make_regular(self, entry: RegFileEntry) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        directory, name = self._directory_of(entry.name)
        try:
            # One that never had a name can be given one (open(2), O_TMPFILE), if it is born so.
            # Where its directory is gone, it is born in one above, without a name.
            if not name or entry.flags & O_TMPFILE == O_TMPFILE:
                try:
                    unnamed = O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
                    return os.open(b".", unnamed, 0o600, dir_fd=directory)
                except OSError as error:
                    if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT):
                        raise
            for path in _names(name):
                try:
                    fd = os.open(path, flags, 0o600, dir_fd=directory)
                except FileExistsError:
                    continue
                os.unlink(path, dir_fd=directory)
                return fd
        finally:
            os.close(directory)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _make_other(self, entry: RegFileEntry, ghost: GhostFileEntry) -> int:
        directory, name = self._directory_of(entry.name)
        kind = S_IFMT(ghost.mode)
        try:
            for path in _names(name):
                try:
                    if kind == S_IFDIR:
                        os.mkdir(path, 0o700, dir_fd=directory)
                    elif kind == S_IFLNK:
                        target = (ghost.symlnk_target or "").encode("utf-8", "surrogateescape")
                        os.symlink(target, path, dir_fd=directory)
                    else:
                        rdev = ghost.rdev or 0
                        os.mknod(
                            path,
                            kind | 0o600,
                            os.makedev(rdev >> 20, rdev & 0xFFFFF),
                            dir_fd=directory,
                        )
                except FileExistsError:
                    continue
                try:
                    return os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
                finally:
                    if kind == S_IFDIR:
                        os.rmdir(path, dir_fd=directory)
                    else:
                        os.unlink(path, dir_fd=directory)
        finally:
            os.close(directory)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _directory_of(self, name: str) -> tuple[int, bytes]:
        """The directory that a file was in, and the file's name there; b"" instead of the name if
        the directory is gone, and the next one above is given."""
        path, _, last = name.encode("utf-8", "surrogateescape").rpartition(b"/")
        while True:
            try:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
                return os.open(below(path), flags, dir_fd=self._root), last
            except (FileNotFoundError, NotADirectoryError):
                if not path:
                    raise
                path, last = path.rpartition(b"/")[0], b""


def _names(name: bytes) -> Iterator[bytes]:
    """The name itself if there is one, then others that it is unlikely that somebody has."""
    if name:
        yield name
    for number in range(1000):
        yield b"%b.ghost-%d-%d" % (name[:200], os.getpid(), number)


def _fill(fd: int, ghost: GhostFileEntry, image: int, entry: RegFileEntry) -> None:
    """Content with its holes, from what follows the head of its image."""
    left = os.fstat(image).st_size - os.lseek(image, 0, os.SEEK_CUR)
    size = ghost.size if ghost.chunks else left
    if size is None or size > 0x7FFFFFFFFFFFFFFF or entry.size not in (None, size):
        raise ImageError(
            f"The image of the deleted file {entry.name} is incomplete",
            because=f"it is of {size} bytes, and the files image says {entry.size}",
        )
    if not ghost.chunks:
        _move(fd, image, None, left)
    while ghost.chunks and left:
        head = _read_all(image, 4)
        length = int.from_bytes(head, "little")
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
        _move(fd, image, None, chunk.len)
    os.ftruncate(fd, size)


def _dress(fd: int, ghost: GhostFileEntry) -> None:
    """Owner, permissions and times, through an O_PATH descriptor."""
    path = f"/proc/self/fd/{fd}"
    if 0xFFFFFFFF in (ghost.uid, ghost.gid):  # to chown(2): leave it as it is
        raise OverflowError("no user or group has the number 4294967295")
    os.chown(path, ghost.uid, ghost.gid)
    if S_IFMT(ghost.mode) != S_IFLNK:
        # After chown(2), which takes the set-uid bit away.
        os.chmod(path, ghost.mode & 0o7777)
    if ghost.atim is not None and ghost.mtim is not None:
        os.utime(
            path,
            ns=tuple(  # type: ignore[arg-type]
                [t.tv_sec * 10**9 + t.tv_usec * 1000 for t in (ghost.atim, ghost.mtim)]
            ),
        )


def _not_made(name: str, error: OSError) -> RestoreConflict:
    return RestoreConflict(
        f"Cannot make the file {name} again, which was open and deleted",
        because=f"{os.strerror(error.errno or 0)}",
        hint="see that its directory, or one above it, exists and can be written to",
        subject=("file", name),
    )


def _open_to_read(context: DumpContext, file: OpenFile) -> int:
    flags = os.O_RDONLY | os.O_CLOEXEC
    try:
        return os.open(file.via, flags | os.O_NOATIME, dir_fd=context.proc)
    except PermissionError:
        return os.open(file.via, flags, dir_fd=context.proc)


def _extents(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Where a file has data: (offset, bytes). lseek(2), SEEK_DATA."""
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


def _move(to: int, source: int, offset: int | None, length: int) -> None:
    """Copies between files inside the kernel; from the source's own position if `offset` is
    None."""
    while length:
        done = os.sendfile(to, source, offset, min(length, _PIECE))
        if not done:
            raise OSError(errno.EIO, "the file ended early")
        length -= done
        if offset is not None:
            offset += done


def _read_all(fd: int, length: int) -> bytes:
    data = os.read(fd, length)
    if len(data) < length:
        raise ImageError("The image of a deleted file ends early")
    return data


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _encode_device(device: int) -> int:
    """As the kernel has it inside (linux/kdev_t.h): major and 20 bits of minor."""
    return os.major(device) << 20 | os.minor(device)


def _timeval(nanoseconds: int) -> Timeval:
    seconds, rest = divmod(nanoseconds, 10**9)
    return Timeval(tv_sec=seconds, tv_usec=rest // 1000)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
