"""Descriptors of namespaces: /proc/PID/ns/KIND opened, namespaces(7).

A namespace has no name but its number, and whoever holds a descriptor keeps it alive. What can be
opened again is one that crtools itself is in, as the tree is; one of the tree's own processes, of
time; and one that is mounted somewhere, as ip-netns(8) does it. Others are refused: nobody could
join them.
"""

from __future__ import annotations

import os
from stat import S_IFREG

from crtools.abi.clone import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
)
from crtools.abi.fcntl import AT_FDCWD, O_CLOEXEC, O_PATH
from crtools.abi.x86_64 import SYS_openat
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.crtools_namespace import CrtoolsNamespaceEntry
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.ns import NsFileEntry
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner, choose_place
from crtools.kinds.files.path import below, reopening
from crtools.model.tree import FOREIGN_TIME, OWN_NAMESPACES
from crtools.procfs.mountinfo import parse_mountinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext, PlannedFile, Programs

FLAGS = {
    "cgroup": CLONE_NEWCGROUP,
    "ipc": CLONE_NEWIPC,
    "mnt": CLONE_NEWNS,
    "net": CLONE_NEWNET,
    "pid": CLONE_NEWPID,
    "time": CLONE_NEWTIME,
    "user": CLONE_NEWUSER,
    "uts": CLONE_NEWUTS,
}
_NOBODY = FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0)


class Namespace(FileKind):
    type = FdTypes.NS
    field = "nsf"

    def matches(self, file: OpenFile) -> bool:
        kind, _, rest = file.link.partition(b":[")
        return bool(rest) and kind.decode("latin-1") in FLAGS and not file.flags & O_PATH

    def dumper(self, context: DumpContext) -> FileDumper:
        return NamespaceDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return NamespacePlanner(context)


class NamespaceDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.own: list[CrtoolsNamespaceEntry] = []
        self._mounted: dict[bytes, str] | None = None

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        kind = file.link.partition(b":")[0].decode("ascii")
        pid, path = None, None
        if not self._is(f"self/ns/{kind}", file):
            # Those of crtools' own are found by CRIU's fields alone.
            pid = next(
                (p.pid for p in self.context.processes if self._is(f"{p.via}/ns/{kind}", file)),
                None,
            )
            path = self._find_mounted(file.link) if pid is None else None
            if pid is None and path is None:
                raise self.context.refuse(
                    file,
                    f"it is a namespace, {file.link.decode()}",
                    "nobody of the tree is in it, and it has no name by which it could be opened",
                    "let the program close it before the dump, or mount it somewhere"
                    " (mount --bind, ip netns attach)",
                )
        self.own.append(CrtoolsNamespaceEntry(id=id, kind=kind, pid=pid, path=path))
        message = NsFileEntry(
            id=id,
            ns_id=FOREIGN_TIME if pid and kind == "time" else OWN_NAMESPACES[kind],
            ns_cflag=FLAGS[kind],
            flags=file.flags,
        )
        return FileEntry(type=FdTypes.NS, id=id, nsf=message)

    def finish(self) -> None:
        self.context.store.write("crtools-namespace", self.own)

    def _is(self, link: str, file: OpenFile) -> bool:
        try:
            stat = os.stat(link, dir_fd=self.context.proc)
        except OSError:
            return False
        return (stat.st_dev, stat.st_ino) == (file.stat.st_dev, file.stat.st_ino)

    def _find_mounted(self, link: bytes) -> str | None:
        if self._mounted is None:
            fd = os.open("self/mountinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.context.proc)
            with open(fd, "rb") as text:
                self._mounted = {
                    mount.root: mount.mountpoint.decode("utf-8", "surrogateescape")
                    for mount in parse_mountinfo(text.read()).values()
                    if mount.fstype == b"nsfs"
                }
        return self._mounted.get(link)


class NamespacePlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.files: list[PlannedFile] = []
        store = context.store
        own = store.read("crtools-namespace") if store.has("crtools-namespace") else ()
        self.own: dict[int, CrtoolsNamespaceEntry] = {entry.id: entry for entry in own}

    def add(self, file: PlannedFile) -> None:
        message = file.message
        own = self.own.get(file.id)
        if own is None:
            kind = next((kind for kind, flag in FLAGS.items() if flag == message.ns_cflag), None)
            if kind is not None:
                # As CRIU writes it: a namespace that the tasks are in.
                own = self.own[file.id] = CrtoolsNamespaceEntry(id=file.id, kind=kind)
        if (
            own is None
            or own.kind not in FLAGS
            or message.flags > 0x7FFFFFFF
            or (own.path is not None and (not own.path.startswith("/") or "\0" in own.path))
        ):
            raise ImageError(f"File {file.id} is of a namespace that there is not")
        self.files.append(file)

    def name(self, file: PlannedFile) -> str:
        return f"the {self.own[file.id].kind} namespace"

    def owner(self, file: PlannedFile) -> tuple[FownEntry, int]:
        return _NOBODY, 0

    def place(self) -> None:
        choose_place(self.context, self.files)
        for file in self.files:
            own = self.own[file.id]
            if own.pid is not None and own.pid not in self.context.tables:
                own.pid = file.pid
            self.context.add_job(file.pid, Opening(self.context, file, own))

    def check(self, root: int) -> None:
        for file in self.files:
            own = self.own[file.id]
            if own.path is None:
                continue
            path = below(own.path.encode("utf-8", "surrogateescape"))
            try:
                fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root)
            except OSError as error:
                raise self._conflict(file, own, os.strerror(error.errno or 0)) from error
            try:
                link = os.readlink(f"/proc/self/fd/{fd}")
                mode = os.fstat(fd).st_mode
            finally:
                os.close(fd)
            if mode & 0o170000 != S_IFREG or not link.startswith(f"{own.kind}:["):
                raise self._conflict(file, own, f"it is {link}")

    def _conflict(
        self, file: PlannedFile, own: CrtoolsNamespaceEntry, because: str
    ) -> RestoreConflict:
        return RestoreConflict(
            f"Cannot restore {self.context.describe(file)}: {own.path} is none",
            because=because,
            hint=f"make it as it was: ip netns add {own.path}" if own.kind == "net" else "",
            subject=("file", own.path or ""),
        )


class Opening:
    """Opens a namespace and puts it in its place."""

    __slots__ = ("context", "file", "own")

    def __init__(self, context: PlanContext, file: PlannedFile, own: CrtoolsNamespaceEntry) -> None:
        self.context = context
        self.file = file
        self.own = own

    def __call__(self, programs: Programs) -> None:
        context, file, own = self.context, self.file, self.own
        directory = AT_FDCWD
        if own.path is not None:
            path = own.path.encode("utf-8", "surrogateescape")
            if context.root_number is not None:
                directory, path = context.root_number, below(path)
        else:
            path = f"/proc/{own.pid or 'self'}/ns/{own.kind}".encode("ascii")
        program = programs.need(640 + len(path))
        cloexec = file.users[0][2]
        flags = reopening(file.message.flags)
        fd = program.call(
            *(SYS_openat, directory, program.put(path + b"\0", 1)),
            flags | O_CLOEXEC if cloexec else flags,
            0,
            label=lambda: f"open {self.what()}",
        )
        context.move(program, fd, file.number, cloexec, self.what)

    def what(self) -> str:
        return self.context.describe(self.file)
