"""fanotify(7): a queue of events, and what is watched: inodes, mounts, file systems.

/proc/PID/fdinfo tells how the queue was made and its marks (fs/notify/fdinfo.c, fanotify_fdinfo);
where these are, crtools.kinds.files.marks finds out. They are set when all files are there, so that
the restore itself makes no events.

Refused are queues that decide about what others do (permission events): whoever opens a file then
waits for the program, and so would crtools, which has stopped it. So are unread events, which hold
files that nobody else has open (docs/decisions/0019-unread-events-and-queues.md).
"""

from __future__ import annotations

import os

from crtools.abi import kernel
from crtools.abi.capabilities import CAP_SYS_ADMIN
from crtools.abi.fcntl import AT_FDCWD, F_SETFD, F_SETFL, O_NONBLOCK
from crtools.abi.ioctl import FIONREAD
from crtools.abi.x86_64 import SYS_fcntl, SYS_ioctl, SYS_setresuid
from crtools.errors import ImageError, InternalError
from crtools.images.messages.crtools_notify import (
    CrtoolsFanotifyEntry,
    FanotifyFilesystemMarkEntry,
    NotifySubstituteEntry,
)
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.fsnotify import (
    FanotifyFileEntry,
    FanotifyInodeMarkEntry,
    FanotifyMarkEntry,
    FanotifyMountMarkEntry,
    MarkType,
)
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner, choose_place
from crtools.kinds.files.marks import (
    Finder,
    Mark,
    Target,
    pack_handle,
    read_marks,
    spare_number,
    substitutes_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Arg
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext, PlannedFile, Programs

SYS_fanotify_init, SYS_fanotify_mark = 300, 301
LINK = b"anon_inode:[fanotify]"
# linux/fanotify.h
FAN_CLOEXEC, FAN_NONBLOCK = 0x1, 0x2
FAN_CLASSES = 0xC
FAN_REPORT_FID = 0x200
FAN_MARK_ADD, FAN_MARK_DONT_FOLLOW = 0x1, 0x4
FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM = 0x10, 0x100
FAN_MARK_IGNORED_MASK, FAN_MARK_IGNORED_SURV_MODIFY = 0x20, 0x40
FAN_MARK_EVICTABLE, FAN_MARK_IGNORE = 0x200, 0x400
_MARK_FLAGS = FAN_MARK_IGNORED_SURV_MODIFY | FAN_MARK_EVICTABLE | FAN_MARK_IGNORE
_NO_CHANGE = 0xFFFFFFFF  # setresuid(2): -1
_NOBODY = 65534
_FDCWD = AT_FDCWD & 0xFFFFFFFFFFFFFFFF


class Fanotify(FileKind):
    type = FdTypes.FANOTIFY
    field = "ffy"

    def matches(self, file: OpenFile) -> bool:
        return file.link == LINK

    def dumper(self, context: DumpContext) -> FileDumper:
        return FanotifyDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return FanotifyPlanner(context)


class FanotifyDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.finder = Finder(context)
        self.own: list[CrtoolsFanotifyEntry] = []

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        made, *lines = file.extra.get(b"fanotify", [b""])
        group = Mark(made)
        try:
            flags, events = group[b"flags"], group[b"event-flags"]
        except KeyError:
            raise InternalError(
                "Cannot understand what /proc/PID/fdinfo says of a fanotify queue",
                because=f"the line is {made.decode('ascii', 'replace')!r}",
            ) from None
        file.extra[b"fanotify"] = lines
        if flags & FAN_CLASSES:
            raise self.context.refuse(
                file,
                "it is a fanotify queue that decides about accesses",
                "whoever opens a file waits for its answer, crtools too",
                "stop the program that watches (a virus scanner), and start it after the restore",
            )
        self.context.watch(file, "the fanotify queue")
        self._check_unread(file)
        marks: list[FanotifyMarkEntry] = []
        own = CrtoolsFanotifyEntry(id=id)
        filesystems: list[FanotifyFilesystemMarkEntry] = []
        substitutes: list[NotifySubstituteEntry] = []
        try:
            for mark in read_marks(file, b"fanotify", (b"mflags", b"mask", b"ignored_mask")):
                if b"ino" in mark.fields:
                    path, substitute = self.finder.find(file, mark)
                    if substitute:
                        substitutes.append(NotifySubstituteEntry(index=len(marks), file=substitute))
                    handle = pack_handle(mark, path)
                    where = FanotifyInodeMarkEntry(i_ino=mark.ino, f_handle=handle)
                    marks.append(self._entry(id, MarkType.INODE, mark, ie=where))
                elif b"mnt_id" in mark.fields:
                    number = mark[b"mnt_id"]
                    path = self.finder.find_mount(file, id=number)
                    mount = FanotifyMountMarkEntry(mnt_id=number, path=path)
                    marks.append(self._entry(id, MarkType.MOUNT, mark, me=mount))
                elif b"sdev" in mark.fields:
                    filesystems.append(
                        FanotifyFilesystemMarkEntry(
                            mflags=mark[b"mflags"],
                            mask=mark[b"mask"],
                            ignored_mask=mark[b"ignored_mask"],
                            s_dev=mark.dev,
                            path=self.finder.find_mount(file, dev=mark.dev),
                        )
                    )
                else:
                    raise self.context.refuse(
                        file,
                        "it is a fanotify queue that watches a mount namespace",
                        "a namespace has no name by which it could be watched again",
                        "let the program remove the mark before the dump",
                    )
        finally:
            self.finder.return_home()
        own.filesystems, own.substitutes = tuple(filesystems), tuple(substitutes)
        own.uid = self._unprivileged(file, flags)
        if filesystems or substitutes or own.uid is not None:
            self.own.append(own)
        owner = self.context.owner_of(file)
        message = FanotifyFileEntry(
            id=id, flags=file.flags, fown=owner, faflags=flags, evflags=events, mark=marks
        )
        return FileEntry(type=FdTypes.FANOTIFY, id=id, ffy=message)

    def _entry(
        self,
        id: int,
        type: int,
        mark: Mark,
        ie: FanotifyInodeMarkEntry | None = None,
        me: FanotifyMountMarkEntry | None = None,
    ) -> FanotifyMarkEntry:
        return FanotifyMarkEntry(
            id=id,
            type=type,
            mflags=mark[b"mflags"],
            mask=mark[b"mask"],
            ignored_mask=mark[b"ignored_mask"],
            s_dev=mark.dev,
            ie=ie,
            me=me,
        )

    def _check_unread(self, file: OpenFile) -> None:
        length = bytearray(4)
        fd = self.context.borrow(file)
        try:
            kernel.checked(SYS_ioctl, fd, FIONREAD, kernel.address_of(length))
        finally:
            os.close(fd)
        unread = int.from_bytes(length, "little")
        if unread:
            raise self.context.refuse(
                file,
                f"it is a fanotify queue with {unread} bytes of unread events",
                "they name files that nobody else has open, and only the kernel can make them",
                "dump again when the program has read them",
            )

    def _unprivileged(self, file: OpenFile, flags: int) -> int | None:
        """The user who made it without CAP_SYS_ADMIN: then it tells less (fanotify_init(2)). What
        its process may do now is the only sign of that."""
        for process in self.context.processes:
            if process.pid == file.pid and flags & FAN_REPORT_FID:
                status = process.status
                if not status.cap_effective >> CAP_SYS_ADMIN & 1:
                    return status.uids[1]
        return None

    def finish(self) -> None:
        if self.own:
            self.context.store.write("crtools-fanotify", self.own)


class FanotifyPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.files: list[PlannedFile] = []
        store = context.store
        own = store.read("crtools-fanotify") if store.has("crtools-fanotify") else ()
        self.own: dict[int, CrtoolsFanotifyEntry] = {entry.id: entry for entry in own}
        self.makings: dict[int, Making] = {}

    def add(self, file: PlannedFile) -> None:
        message, what = file.message, f"the fanotify queue {file.id}"
        if message.faflags & FAN_CLASSES or message.flags > 0x7FFFFFFF:
            raise ImageError(f"The images have impossible flags for {what}")
        own = self.own.get(file.id)
        substitutes = substitutes_of(own)
        marks: list[tuple[Target, int, int, int, int]] = []
        for index, mark in enumerate(message.mark):
            if mark.type == MarkType.INODE and mark.ie is not None:
                path, kind = mark.ie.f_handle.path, 0
            elif mark.type == MarkType.MOUNT and mark.me is not None:
                path, kind = mark.me.path, FAN_MARK_MOUNT
            else:
                raise ImageError(f"The images have an impossible mark of {what}")
            target = Target(self.context, path, substitutes.get(index, 0), what)
            marks.append((target, kind, mark.mflags, mark.mask, mark.ignored_mask))
        for system in own.filesystems if own is not None else ():
            target = Target(self.context, system.path, 0, what)
            masks = system.mask, system.ignored_mask
            marks.append((target, FAN_MARK_FILESYSTEM, system.mflags, *masks))
        uid = own.uid if own is not None else None
        self.makings[file.id] = Making(self.context, file, marks, uid)
        self.files.append(file)

    def name(self, file: PlannedFile) -> str:
        return "the fanotify queue"

    def place(self) -> None:
        choose_place(self.context, self.files)
        for file in self.files:
            making = self.makings[file.id]
            self.context.add_job(file.pid, making)
            if making.marks:
                making.spare = spare_number(self.context, file)
                self.context.add_late(file.pid, making.set_marks)

    def check(self, root: int) -> None:
        for file in self.files:
            for target, *_ in self.makings[file.id].marks:
                target.check(root, self.context.describe(file))


class Making:
    """Makes one queue; `set_marks` has it watch. `marks`: what, its type, flags and both masks."""

    def __init__(
        self,
        context: PlanContext,
        file: PlannedFile,
        marks: list[tuple[Target, int, int, int, int]],
        uid: int | None,
    ) -> None:
        self.context = context
        self.file = file
        self.marks = marks
        self.uid = uid
        self.spare = -1

    def __call__(self, programs: Programs) -> None:
        file, message = self.file, self.file.message
        cloexec = file.users[0][2]
        program = programs.need(1024)
        # Without an effective capability it is made as if by a user.
        uid = self.uid
        if uid is not None and os.geteuid() == 0:
            program.call(SYS_setresuid, _NO_CHANGE, uid or _NOBODY, _NO_CHANGE, label=self.what)
        # The flags that it was made with stay to be seen, those of the descriptor change.
        fd = program.call(
            *(SYS_fanotify_init, message.faflags, message.evflags),
            label=lambda: f"make {self.what()}",
        )
        if uid is not None and os.geteuid() == 0:
            program.call(SYS_setresuid, _NO_CHANGE, 0, _NO_CHANGE, label=self.what)
        self.context.move(program, fd, file.number, cloexec, self.what)
        if bool(message.faflags & FAN_CLOEXEC) != cloexec:
            program.call(SYS_fcntl, file.number, F_SETFD, int(cloexec), label=self.what)
        if bool(message.faflags & FAN_NONBLOCK) != bool(message.flags & O_NONBLOCK):
            program.call(SYS_fcntl, file.number, F_SETFL, message.flags, label=self.what)

    def set_marks(self, programs: Programs) -> None:
        for target, kind, flags, mask, ignored in self.marks:
            flags &= _MARK_FLAGS
            add = FAN_MARK_ADD | kind | flags & FAN_MARK_EVICTABLE
            if mask:
                self._add(programs, target, add, mask)
            if ignored:
                how = FAN_MARK_IGNORE if flags & FAN_MARK_IGNORE else FAN_MARK_IGNORED_MASK
                survive = flags & FAN_MARK_IGNORED_SURV_MODIFY
                self._add(programs, target, add | how | survive, ignored)

    def _add(self, programs: Programs, target: Target, flags: int, mask: int) -> None:
        program = programs.need(1024 + len(target.path))

        def watch(path: Arg, follow: bool) -> None:
            program.call(
                *(SYS_fanotify_mark, self.file.number),
                flags if follow else flags | FAN_MARK_DONT_FOLLOW,
                *(mask, _FDCWD, path),
                label=lambda: f"watch {target.path} by {self.what()}",
            )

        target.build(program, self.spare, self.what, watch)

    def what(self) -> str:
        return self.context.describe(self.file)
