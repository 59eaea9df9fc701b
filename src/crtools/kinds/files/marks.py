"""What inotify(7) and fanotify(7) watch: inodes, which the kernel tells by number and file handle.

fdinfo has the device, the inode's number and a handle of it (fs/notify/fdinfo.c), but no path, and
marks are set by path. A handle leads to the inode (open_by_handle_at(2), with CAP_DAC_READ_SEARCH),
and /proc to a path of that. Where a file system has handles that lead nowhere, or the capability is
missing, what the tree itself has open or works in is looked through, and then the names that the
kernel remembers.

Neither opening a directory nor reading it goes unnoticed by who watches it: so nothing is opened
here but with O_PATH, and the mount that a handle belongs to is told by the working directory.
"""

from __future__ import annotations

import os
import struct

from crtools import log
from crtools.abi import kernel
from crtools.abi.fcntl import AT_FDCWD, O_CLOEXEC, O_PATH
from crtools.abi.x86_64 import SYS_close, SYS_dup3, SYS_openat
from crtools.errors import (
    ImageError,
    InternalError,
    MissingFeature,
    PermissionDenied,
    RestoreConflict,
)
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.regfile import RegFileEntry
from crtools.kinds.files.base import OpenFile
from crtools.kinds.files.path import below
from crtools.procfs.mountinfo import parse_mountinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from crtools.agent.program import Arg, Program
    from crtools.images.messages.fh import FhEntry
    from crtools.kinds.files.base import DumpContext, PlanContext, PlannedFile
    from crtools.kinds.files.watched import Watched
    from crtools.procfs.mountinfo import Mount

SYS_open_by_handle_at = 304
_FDCWD = AT_FDCWD & 0xFFFFFFFFFFFFFFFF
_HANDLE = struct.Struct("<Ii")
_HANDLE_WORDS = 16  # of 64 bits, in CRIU's entries: MAX_HANDLE_SZ
_DELETED = b" (deleted)"
_NOBODY = FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0)


class Mark:
    """One line of fdinfo: `fields` are its words, hexadecimal numbers."""

    __slots__ = ("dev", "fields", "handle", "ino", "type")

    def __init__(self, line: bytes) -> None:
        self.fields: dict[bytes, int] = {}
        self.handle = b""
        self.type = 0
        for word in line.split():
            key, _, value = word.partition(b":")
            if key == b"f_handle":
                self.handle = bytes.fromhex(value.decode("ascii"))
            elif key == b"fhandle-type":
                self.type = int(value, 16)
            else:
                self.fields[key] = int(value, 16)
        self.ino = self.fields.get(b"ino", 0)
        self.dev = self.fields.get(b"sdev", 0)

    def __getitem__(self, key: bytes) -> int:
        return self.fields[key]


def read_marks(file: OpenFile, key: bytes, needed: tuple[bytes, ...]) -> list[Mark]:
    """The marks of an open file, those with the smallest number first. Raises InternalError."""
    marks: list[Mark] = []
    for line in file.extra.get(key, ()):
        try:
            mark = Mark(line)
        except ValueError:
            mark = None
        if mark is None or any(name not in mark.fields for name in needed):
            raise InternalError(
                "Cannot understand what /proc/PID/fdinfo says of a mark",
                because=f"the line is {line.decode('ascii', 'replace')!r}",
                hint="report this with the output of uname -r",
            )
        marks.append(mark)
    marks.reverse()  # the newest comes first
    return marks


class Finder:
    """Finds what marks are on, for one dump."""

    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self._mounts: list[Mount] | None = None
        self._known: dict[tuple[int, int], bytes] | None = None
        self._named: Watched | None = None
        self._substitutes: dict[tuple[int, int], tuple[str, int]] = {}
        self._home = -1  # our working directory, while we are elsewhere
        self._at: Mount | None = None

    def find(self, file: OpenFile, mark: Mark) -> tuple[str, int]:
        """A path of what the mark is on, and the id of the entry that stands for it where it has no
        path any more, 0 where it has. Call `return_home` when all are found. Raises
        UnsupportedObject."""
        for fd in self._open_handles(mark):
            keep = False
            try:
                link = os.readlink(b"/proc/self/fd/%d" % fd)
                stat = os.fstat(fd)
                if stat.st_ino == mark.ino and _is_at(link, stat):
                    return link.decode("utf-8", "surrogateescape"), 0
                if stat.st_nlink == 0 and link.endswith(_DELETED):
                    keep = True
                    return self._substitute(file, fd, link, stat)
            finally:
                if keep:
                    self.context.keep(fd)
                else:
                    os.close(fd)
        self.return_home()
        path = self._find_known(mark) or self._find_named(file, mark)
        if path is None:
            raise self.context.refuse(
                file,
                f"it watches inode {mark.ino} of device {mark.dev >> 20}:{mark.dev & 0xFFFFF},"
                " whose path is not found",
                "the kernel tells no path of what is watched, its file handle does not lead there,"
                " and no task of the tree has it open or works in it",
                "run as root, or let the program remove the watch before the dump",
            )
        return path.decode("utf-8", "surrogateescape"), 0

    def find_mount(self, file: OpenFile, *, id: int = -1, dev: int = -1) -> str:
        """Where a mount is, or one of a file system. Raises UnsupportedObject."""
        for mount in self._read_mounts():
            if mount.mnt_id == id or mount.dev == (dev >> 20, dev & 0xFFFFF):
                return mount.mountpoint.decode("utf-8", "surrogateescape")
        what = (
            f"mount {id}" if id >= 0 else f"the file system of device {dev >> 20}:{dev & 0xFFFFF}"
        )
        raise self.context.refuse(
            file,
            f"it watches {what}, which is not to be seen",
            "it is not in crtools' mount namespace, or not below its root",
            "let the program remove the mark before the dump",
        )

    def return_home(self) -> None:
        if self._home >= 0:
            os.fchdir(self._home)
            os.close(self._home)
            self._home = -1
            self._at = None

    def _read_mounts(self) -> list[Mount]:
        if self._mounts is None:
            fd = os.open("self/mountinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.context.proc)
            with open(fd, "rb") as text:
                # The last mounted comes first: what lies below another is not to be had by path.
                self._mounts = list(parse_mountinfo(text.read()).values())[::-1]
        return self._mounts

    def _open_handles(self, mark: Mark) -> Iterator[int]:
        """Descriptors of the inode, each by way of another mount."""
        if not mark.handle:
            return
        handle = _HANDLE.pack(len(mark.handle), mark.type) + mark.handle
        dev = mark.dev >> 20, mark.dev & 0xFFFFF
        mounts = [mount for mount in self._read_mounts() if mount.dev == dev]
        if self._at in mounts:
            mounts.sort(key=lambda mount: mount is not self._at)
        for mount in mounts:
            if mount is not self._at and not self._go_to(mount):
                continue
            fd = kernel.raw(
                SYS_open_by_handle_at, _FDCWD, kernel.address_of(handle), O_PATH | O_CLOEXEC
            )
            if fd >= 0:
                yield fd

    def _go_to(self, mount: Mount) -> bool:
        flags = os.O_PATH | os.O_CLOEXEC
        try:
            fd = os.open(mount.mountpoint, flags)
        except OSError:
            return False
        try:
            if self._home < 0:
                self._home = os.open(".", flags)
            os.fchdir(fd)
        except OSError:
            return False  # a file can be a mount point, too
        finally:
            os.close(fd)
        self._at = mount
        return True

    def _find_known(self, mark: Mark) -> bytes | None:
        """Among what the tree has open, or works in, or runs, and the directories above."""
        if self._known is None:
            self._known = {}
            links = []
            for process in self.context.processes:
                base = f"{process.via}/"
                links += [base + name for name in ("cwd", "root", "exe")]
                links += [f"{base}fd/{fd}" for fd in self._list_fds(base + "fd")]
            for link in links:
                self._add_known(link)
        return self._known.get((mark.dev, mark.ino))

    def _find_named(self, file: OpenFile, mark: Mark) -> bytes | None:
        """By the names that the kernel remembers (docs/decisions/0014-reading-the-kernel.md): file
        systems such as overlays, proc and sysfs have handles that lead nowhere."""
        if self._named is None:
            from crtools.kinds.files.watched import Watched

            self._named = Watched()
        fd = self.context.borrow(file)
        try:
            names = self._named.find(fd, mark.dev, mark.ino)
        except (MissingFeature, PermissionDenied) as error:
            log.debug(f"no names of watched inodes: {error}")
            return None
        finally:
            os.close(fd)
        dev = mark.dev >> 20, mark.dev & 0xFFFFF
        for name in names:
            for mount in self._read_mounts():
                root = mount.root.rstrip(b"/")
                if mount.dev != dev or not (name + b"/").startswith(root + b"/"):
                    continue
                path = (mount.mountpoint.rstrip(b"/") + name[len(root) :]) or b"/"
                try:
                    stat = os.stat(path, follow_symlinks=False)
                except OSError:
                    continue
                if stat.st_ino == mark.ino:
                    return path
        return None

    def _list_fds(self, directory: str) -> list[str]:
        try:
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.context.proc)
        except OSError:
            return []
        try:
            return os.listdir(fd)
        finally:
            os.close(fd)

    def _add_known(self, link: str) -> None:
        assert self._known is not None
        try:
            path = os.readlink(link.encode(), dir_fd=self.context.proc)
        except OSError:
            return
        while path.startswith(b"/"):
            try:
                stat = os.stat(path, follow_symlinks=False)
            except OSError:
                return
            key = (os.major(stat.st_dev) << 20 | os.minor(stat.st_dev), stat.st_ino)
            if key in self._known:
                return
            self._known[key] = path
            path = os.path.dirname(path) if path != b"/" else b""

    def _substitute(
        self, file: OpenFile, fd: int, link: bytes, stat: os.stat_result
    ) -> tuple[str, int]:
        key = (stat.st_dev, stat.st_ino)
        found = self._substitutes.get(key)
        if found is None:
            context = self.context
            id = context.new_id()
            gone = OpenFile(file.pid, file.tid, file.fd, f"self/fd/{fd}", link, stat, O_PATH)
            name = context.locate(gone, id)
            context.add_entry(
                FileEntry(
                    type=FdTypes.REG,
                    id=id,
                    reg=RegFileEntry(
                        id=id, flags=O_PATH, pos=0, fown=_NOBODY, name=name, mode=stat.st_mode
                    ),
                )
            )
            found = self._substitutes[key] = (name, id)
        return found


def _is_at(path: bytes, stat: os.stat_result) -> bool:
    if not path.startswith(b"/"):
        return False
    try:
        there = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino)


# --- Restoring ---


def substitutes_of(own: Any) -> dict[int, int]:
    """The files that stand for what marks are on, by the index of the mark."""
    return {entry.index: entry.file for entry in own.substitutes} if own is not None else {}


class Target:
    """What a mark of an image is on: a path, or the file that stands for it."""

    __slots__ = ("context", "file", "path")

    def __init__(self, context: PlanContext, path: str | None, file: int, what: str) -> None:
        """`file` is the id of a files entry, 0 for none. Raises ImageError."""
        if file:
            entry = context.regular(file)
            if entry is None:
                raise ImageError(f"{what} watches file {file}, which is not in the images")
            path = entry.name
        if path is None:
            raise ImageError(
                f"The images have no path of what {what} watches",
                because="a file handle alone is good for the very same file system only",
                hint="dump with crtools, or with criu --force-irmap",
            )
        if not path.startswith("/") or "\0" in path or len(path) > 65536:
            raise ImageError(f"{what} watches an impossible path: {path[:200]!r}")
        self.context = context
        self.path = path
        self.file = file

    def check(self, root: int, what: str) -> None:
        """Raises RestoreConflict."""
        if self.file:
            return
        try:
            name = self.path.encode("utf-8", "surrogateescape")
            os.stat(below(name), dir_fd=root, follow_symlinks=False)
        except OSError as error:
            raise RestoreConflict(
                f"Cannot restore {what}: it watches {self.path}",
                because=f"which cannot be looked at: {os.strerror(error.errno or 0)}",
                hint="put it back as it was at the dump",
                subject=("file", self.path),
            ) from error

    def build(
        self,
        program: Program,
        spare: int,
        what: Callable[[], str],
        use: Callable[[Arg, bool], object],
    ) -> None:
        """Instructions that use(path, follow): the address of a path, and whether its last part is
        a link to follow. `spare` is a number that is free for a moment."""
        context = self.context
        name = self.path.encode("utf-8", "surrogateescape")
        if self.file:
            fd = context.open_path(program, self.file, O_PATH | O_CLOEXEC, what)
        elif context.root_number is not None:
            path = program.put(below(name) + b"\0", 1)
            flags = O_PATH | O_CLOEXEC | os.O_NOFOLLOW
            fd = program.call(SYS_openat, context.root_number, path, flags, 0, label=what)
        else:
            use(program.put(name + b"\0", 1), False)
            return
        program.skip_if(fd, spare, 2)
        program.call(SYS_dup3, fd, spare, O_CLOEXEC, label=what)
        program.call(SYS_close, fd)
        use(program.put(b"/proc/self/fd/%d\0" % spare, 1), True)
        program.call(SYS_close, spare)


def pack_handle(mark: Mark, path: str) -> FhEntry:
    """A mark's handle as CRIU writes it: in words, as many as the largest has."""
    from crtools.images.messages.fh import FhEntry

    handle = mark.handle.ljust(_HANDLE_WORDS * 8, b"\0")
    words = struct.unpack(f"<{_HANDLE_WORDS}Q", handle[: _HANDLE_WORDS * 8])
    return FhEntry(bytes=len(mark.handle), type=mark.type, handle=list(words), path=path)


def spare_number(context: PlanContext, file: PlannedFile) -> int:
    """A number that no file of the process will have."""
    table = context.tables[file.pid]
    spare = table.park()
    table.unpark(spare)
    return spare
