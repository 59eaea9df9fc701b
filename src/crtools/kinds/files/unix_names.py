"""Where unix sockets are bound while they are restored, and how their files come to their places.

A name is what the program said to bind(2), literally; the file that this made may have been moved
or removed since, or be another socket's now. So each is bound where its name leads to its place, if
it is still there, and in a directory of our own if not. What is moved goes to its place when all
sockets are connected, what was removed goes with that directory.

A file that is in the way and is a socket nobody has open is what the dump left: it is put aside,
and back if the restore fails.
"""

from __future__ import annotations

import os
from stat import S_ISSOCK

from crtools.errors import ImageError, RestoreConflict
from crtools.kinds.files.path import below, type_name
from crtools.kinds.files.unix_build import Target
from crtools.procfs.unix_diag import read_unix_sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from crtools.agent.program import Program, Ref
    from crtools.images.messages.sk_unix import UnixSkEntry

_LONGEST = 108  # linux/un.h: UNIX_PATH_MAX
_OURS = ".crtools-%d-%d"


class Name:
    """A name to be bound, and the way there: for `crtools.kinds.files.unix_build.build_bind`.

    `literal` is as in struct sockaddr_un, `place` the absolute path of its file, b"" if that is
    gone. `path` is where the file is from the binding until the end: known when the tool has made
    its directories.
    """

    __slots__ = ("directory", "literal", "path", "perms", "place", "root", "scratch")

    def __init__(self, literal: bytes, place: bytes, perms: Any) -> None:
        self.literal = literal
        self.place = place
        self.perms = perms
        self.directory = b""
        self.root = b""
        self.path = b""
        self.scratch = False

    @property
    def abstract(self) -> bool:
        return self.literal[:1] == b"\0"

    @property
    def shown(self) -> str:
        if self.abstract:
            return "@" + self.literal[1:].decode("utf-8", "backslashreplace")
        return self.literal.rstrip(b"\0").decode("utf-8", "backslashreplace")

    @property
    def moves(self) -> bool:
        """Whether a process has to change its directory or root to bind it."""
        return bool(self.directory or self.root)


class Names:
    """All names that a restore binds."""

    def __init__(self) -> None:
        self.names: list[Name] = []
        self.base: int | None = None  # as PlanContext.root_number
        self._root = -1
        self._aside: list[tuple[bytes, bytes]] = []
        self._scratch: list[bytes] = []
        self._bound: list[bytes] = []

    def add(self, entry: UnixSkEntry, place: str | None) -> Name:
        """The name of a socket that has one; `place` is where its file is if the entry does not
        say. Raises ImageError."""
        literal = entry.name
        if len(literal) > _LONGEST + 1:
            raise ImageError(
                f"Unix socket {entry.ino} has an impossible name of {len(literal)} bytes"
            )
        if literal[:1] == b"\0":
            name = Name(literal, b"", None)
        else:
            plain = literal.rstrip(b"\0")
            if b"\0" in plain:
                raise ImageError(f"Unix socket {entry.ino} has an impossible name, {plain!r}")
            if entry.deleted:
                where = b""
            elif place is not None:
                where = place.encode("utf-8", "surrogateescape")
            elif plain[:1] == b"/":
                where = plain
            else:
                directory = (entry.name_dir or "/").encode("utf-8", "surrogateescape")
                where = directory.rstrip(b"/") + b"/" + plain
            if where and (where[:1] != b"/" or b"\0" in where):
                raise ImageError(f"Unix socket {entry.ino} has an impossible place, {where!r}")
            name = Name(plain + b"\0" if len(plain) < _LONGEST else plain, where, entry.file_perms)
            self._find_way(name, plain)
        self.names.append(name)
        return name

    def _find_way(self, name: Name, plain: bytes) -> None:
        where = name.place
        name.path = where
        if where and plain[:1] == b"/" and where.endswith(plain):
            # The process may have had another root.
            name.root = where[: -len(plain)]
        elif where.endswith(b"/" + plain) and not _has_dots(plain):
            name.directory = where[: -len(plain) - 1] or b"/"
        else:
            name.scratch = True

    def target(self, name: Name) -> Target:
        return _Target(self, name)

    # --- Before anything is made ---

    def check(self, root: int) -> None:
        """Whether the names can be had below the directory `root`. Raises RestoreConflict."""
        if not self.names:
            return
        taken: dict[bytes | tuple[int, int], int] = {}
        sockets = read_unix_sockets()
        for ino in sockets.inodes():
            other = sockets.find(ino)
            if other is not None and other.name:
                taken[other.inode or other.name] = ino
        for name in self.names:
            if name.abstract:
                if name.literal in taken:
                    raise _conflict(
                        name.shown,
                        f"the unix socket {taken[name.literal]} has that name",
                        "end who has it, see ss -xlp",
                    )
            elif name.place:
                self._check_place(name.place, root, taken)

    def _check_place(
        self, place: bytes, root: int, taken: dict[bytes | tuple[int, int], int]
    ) -> None:
        shown = place.decode("utf-8", "backslashreplace")
        directory = os.path.dirname(place)
        if not os.access(below(directory), os.W_OK, dir_fd=root):
            raise _conflict(
                shown,
                f"{directory.decode('utf-8', 'backslashreplace')} is not there, or cannot be"
                " written to",
                "make it as it was at the dump",
            )
        try:
            stat = os.stat(below(place), dir_fd=root, follow_symlinks=False)
        except OSError:
            return
        if not S_ISSOCK(stat.st_mode):
            raise _conflict(shown, f"{type_name(stat.st_mode)} is there", "move it out of the way")
        holder = taken.get((stat.st_dev, stat.st_ino & 0xFFFFFFFF))
        if holder is not None:
            raise _conflict(
                shown, f"the unix socket {holder} is bound to it", "end who has it, see ss -xlp"
            )

    # --- The tool's part ---

    def create(self, root: int) -> None:
        """Puts aside what is in the way, and makes directories for what has no place."""
        self._root = os.dup(root)
        try:
            for index, name in enumerate(self.names):
                if name.abstract:
                    continue
                if name.place:
                    self._put_aside(name.place, index)
                    self._bound.append(name.place)
                if name.scratch:
                    self._make_room(name, index)
        except BaseException:
            self.close(restored=False)
            raise

    def _put_aside(self, place: bytes, index: int) -> None:
        away = os.path.dirname(place) + b"/" + (_OURS % (os.getpid(), index)).encode()
        try:
            self._rename(place, away)
        except FileNotFoundError:
            return
        self._aside.append((away, place))

    def _make_room(self, name: Name, index: int) -> None:
        """A directory in which the literal name can be bound, however it goes up and down."""
        ours = (_OURS % (os.getpid(), index)).encode() + b"d"
        parents = [os.path.dirname(name.place)] if name.place else [b"/tmp", b"/run", b"/dev/shm"]
        scratch = b""
        for parent in parents:
            try:
                os.mkdir(below(parent + b"/" + ours), 0o700, dir_fd=self._root)
            except OSError:
                continue
            scratch = parent + b"/" + ours
            break
        if not scratch:
            raise _conflict(
                name.shown,
                "there is no directory in which a socket can be bound for a moment",
                "a /tmp that can be written to",
            )
        self._scratch.append(scratch)
        plain = name.literal.rstrip(b"\0")
        start = scratch
        parts = plain.split(b"/")
        if plain[:1] == b"/":
            name.root = scratch
        else:
            for _ in range(parts.count(b"..")):
                start += b"/d"
                os.mkdir(below(start), 0o700, dir_fd=self._root)
            name.directory = start
        at = start
        for part in parts[:-1]:
            if part in (b"", b"."):
                continue
            if part == b"..":
                at = os.path.dirname(at)
                continue
            at += b"/" + part
            try:
                os.mkdir(below(at), 0o700, dir_fd=self._root)
            except FileExistsError:
                pass
        name.path = at + b"/" + parts[-1]

    def settle(self) -> None:
        """All are bound and connected: files get their owners and modes, and go to their places."""
        for name in self.names:
            if name.abstract:
                continue
            perms = name.perms
            path = below(name.path)
            if perms is not None and name.place:
                os.chown(path, perms.uid, perms.gid, dir_fd=self._root, follow_symlinks=False)
                os.chmod(path, perms.mode & 0o7777, dir_fd=self._root)
            if name.scratch and name.place:
                self._rename(name.path, name.place)
        self._remove_scratch()

    def close(self, *, restored: bool) -> None:
        if self._root < 0:
            return
        self._remove_scratch()
        if restored:
            for away, _ in self._aside:
                os.unlink(below(away), dir_fd=self._root)
        else:
            for place in self._bound:
                try:
                    os.unlink(below(place), dir_fd=self._root)
                except OSError:
                    continue
            for away, place in self._aside:
                self._rename(away, place)
        self._aside.clear()
        self._bound.clear()
        os.close(self._root)
        self._root = -1

    def _rename(self, source: bytes, to: bytes) -> None:
        os.rename(below(source), below(to), src_dir_fd=self._root, dst_dir_fd=self._root)

    def _remove_scratch(self) -> None:
        for scratch in self._scratch:
            for path, _, files, directory in os.fwalk(
                below(scratch), topdown=False, dir_fd=self._root
            ):
                for file in files:
                    os.unlink(file, dir_fd=directory)
                os.rmdir(path, dir_fd=self._root)
        self._scratch.clear()


class _Target(Target):
    """A name's socket file, wherever it is when the program is made."""

    __slots__ = ("_name", "_names")

    def __init__(self, names: Names, name: Name) -> None:
        super().__init__(name.literal)
        self._names = names
        self._name = name

    def build_address(
        self, program: Program, spare: int, what: Callable[[], str]
    ) -> tuple[Ref, int]:
        self.path, self.base = self._name.path, self._names.base
        return super().build_address(program, spare, what)


def _has_dots(plain: bytes) -> bool:
    return any(part in (b"", b".", b"..") for part in plain.split(b"/"))


def _conflict(name: str, because: str, hint: str) -> RestoreConflict:
    return RestoreConflict(
        f"The name {name} cannot be given to its unix socket", because=because, hint=hint
    )
