"""inotify(7): a queue of events, and the inodes that are watched.

/proc/PID/fdinfo tells watches by descriptor, mask, inode and file handle
(crtools.kinds.files.marks). Watch descriptors are numbers that only go up (fs/notify/inotify,
idr_alloc_cyclic), so those that are not in use any more are given out and taken back again. That
makes events, and the restore itself may make others, by opening what is watched: so watches are
made with a mask that nothing matches, the queue is emptied, and the masks are set when all files
are there.

Events that nobody has read cannot be put into a queue: they come from the kernel alone. What it
can be made to say is that some were lost: IN_Q_OVERFLOW, which inotify(7) tells programs to reckon
with. A queue with unread events comes back with that one in it, and the log tells of it
(docs/decisions/0019-unread-events-and-queues.md).
"""

from __future__ import annotations

import os

from crtools import log
from crtools.abi import kernel
from crtools.abi.fcntl import AT_FDCWD, O_CLOEXEC, O_NONBLOCK
from crtools.abi.ioctl import FIONREAD
from crtools.abi.x86_64 import SYS_close, SYS_fcntl, SYS_ioctl, SYS_openat
from crtools.agent.program import EXACTLY, INSN_BYTES
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.fsnotify import InotifyFileEntry, InotifyWdEntry
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner, choose_place
from crtools.kinds.files.marks import (
    Finder,
    Target,
    pack_handle,
    read_marks,
    spare_number,
    substitutes_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from crtools.agent.program import Arg
    from crtools.images.messages.crtools_notify import CrtoolsInotifyEntry
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext, PlannedFile, Programs

    Watch: TypeAlias = tuple[InotifyWdEntry, Target]

SYS_inotify_init1, SYS_inotify_add_watch, SYS_inotify_rm_watch = 294, 254, 255
SYS_pread64, SYS_read = 17, 0
F_SETFL = 4
LINK = b"anon_inode:inotify"
# linux/inotify.h
IN_ACCESS = 0x1
IN_ALL_EVENTS = 0xFFF
IN_UNMOUNT = 0x2000
IN_DONT_FOLLOW = 0x02000000
IN_EXCL_UNLINK = 0x04000000
IN_ONESHOT = 0x80000000
_CARRIED = IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT
# Every watch has it, and it comes when a file system goes: a mask for the time being.
_NOTHING = IN_UNMOUNT
_EVENT_BYTES = 16  # struct inotify_event, without a name
_NUMBERS_AT_ONCE = 1500
# Files that are watched for a moment: nobody else does, since everybody has others.
_FILLERS = (b"/proc/self/comm", b"/proc/self/oom_score_adj")
_MAX_NUMBER = 0x7FFFFFFF
# How many numbers are given out again at most: some seconds.
LIMIT = 8_000_000
_QUEUE_LENGTH = "/proc/sys/fs/inotify/max_queued_events"


class Inotify(FileKind):
    type = FdTypes.INOTIFY
    field = "ify"

    def matches(self, file: OpenFile) -> bool:
        return file.link == LINK

    def dumper(self, context: DumpContext) -> FileDumper:
        return InotifyDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return InotifyPlanner(context)


class InotifyDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.finder = Finder(context)
        self.own: list[CrtoolsInotifyEntry] = []

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        self.context.watch(file, "the inotify queue")
        lost = self._has_unread(file)
        substitutes: list[tuple[int, int]] = []
        watches: list[InotifyWdEntry] = []
        try:
            for mark in read_marks(file, b"inotify", (b"wd", b"ino", b"sdev", b"mask")):
                path, substitute = self.finder.find(file, mark)
                if substitute:
                    substitutes.append((len(watches), substitute))
                watches.append(
                    InotifyWdEntry(
                        id=id,
                        i_ino=mark.ino,
                        mask=mark[b"mask"],
                        ignored_mask=0,
                        s_dev=mark.dev,
                        wd=mark[b"wd"],
                        f_handle=pack_handle(mark, path),
                    )
                )
        finally:
            self.finder.return_home()
        if lost or substitutes:
            from crtools.images.messages.crtools_notify import (
                CrtoolsInotifyEntry,
                NotifySubstituteEntry,
            )

            self.own.append(
                CrtoolsInotifyEntry(
                    id=id,
                    lost=lost or None,
                    substitutes=[NotifySubstituteEntry(index=i, file=f) for i, f in substitutes],
                )
            )
        owner = self.context.owner_of(file)
        message = InotifyFileEntry(id=id, flags=file.flags, fown=owner, wd=watches)
        return FileEntry(type=FdTypes.INOTIFY, id=id, ify=message)

    def _has_unread(self, file: OpenFile) -> bool:
        length = bytearray(4)
        fd = self.context.borrow(file)
        try:
            kernel.checked(SYS_ioctl, fd, FIONREAD, kernel.address_of(length))
        finally:
            os.close(fd)
        unread = int.from_bytes(length, "little")
        if unread:
            log.warning(
                f"{self.context.describe(file)}: {unread} bytes of unread inotify events are not"
                " in the images; the restored program is told that events were lost"
                " (IN_Q_OVERFLOW)"
            )
        return unread > 0

    def finish(self) -> None:
        if self.own:
            self.context.store.write("crtools-inotify", self.own)


class InotifyPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.files: list[PlannedFile] = []
        store = context.store
        own = store.read("crtools-inotify") if store.has("crtools-inotify") else ()
        self.own: dict[int, CrtoolsInotifyEntry] = {entry.id: entry for entry in own}
        self.targets: dict[int, list[Watch]] = {}  # in the order of their numbers

    def add(self, file: PlannedFile) -> None:
        what = f"the inotify queue {file.id}"
        substitutes = substitutes_of(self.own.get(file.id))
        last = 0
        targets = self.targets[file.id] = []
        for index, watch in sorted(enumerate(file.message.wd), key=lambda pair: pair[1].wd):
            if not last < watch.wd <= _MAX_NUMBER:
                raise ImageError(
                    f"The images say that {what} has the watch descriptor {watch.wd}",
                    because="which is there twice" if watch.wd == last else "there is no such one",
                )
            last = watch.wd
            substitute = substitutes.get(index, 0)
            targets.append((watch, Target(self.context, watch.f_handle.path, substitute, what)))
        if last - len(targets) > LIMIT:
            raise RestoreConflict(
                f"Cannot restore {what}: its watch descriptors are numbered up to {last}",
                because="they can only be reached by giving out all the numbers before",
                hint="let the program make a new queue before the dump",
            )
        self.files.append(file)

    def name(self, file: PlannedFile) -> str:
        return "the inotify queue"

    def place(self) -> None:
        choose_place(self.context, self.files)
        for file in self.files:
            own = self.own.get(file.id)
            making = Making(
                self.context, file, self.targets[file.id], lost=own is not None and bool(own.lost)
            )
            self.context.add_job(file.pid, making)
            if self.targets[file.id]:
                self.context.add_late(file.pid, making.set_masks)

    def check(self, root: int) -> None:
        for file in self.files:
            for _, target in self.targets[file.id]:
                target.check(root, self.context.describe(file))


class Making:
    """Makes one queue with its watches; `set_masks` has them take effect."""

    def __init__(
        self, context: PlanContext, file: PlannedFile, targets: list[Watch], *, lost: bool
    ) -> None:
        self.context = context
        self.file = file
        self.targets = targets
        self.lost = lost
        self.spare = spare_number(context, file)
        self.second = self.spare
        if lost:
            table = context.tables[file.pid]
            both = table.park(), table.park()
            for number in both:
                table.unpark(number)
            self.spare, self.second = both

    def __call__(self, programs: Programs) -> None:
        file, message = self.file, self.file.message
        cloexec = file.users[0][2]
        program = programs.need(1024)
        flags = O_NONBLOCK | (O_CLOEXEC if cloexec else 0)
        fd = program.call(SYS_inotify_init1, flags, label=lambda: f"make {self.what()}")
        self.context.move(program, fd, file.number, cloexec, self.what)
        last = 0
        for watch, target in self.targets:
            self._skip_numbers(programs, last + 1, watch.wd)
            self._add(programs, watch.wd, target, _NOTHING)
            last = watch.wd
        program = programs.need(1024)
        if self.lost:
            self._overflow(programs)
        if not message.flags & O_NONBLOCK:
            programs.need(128).call(
                SYS_fcntl, file.number, F_SETFL, message.flags & ~O_NONBLOCK, label=self.what
            )

    def _add(self, programs: Programs, number: int, target: Target, mask: int) -> None:
        program = programs.need(1024 + len(target.path))

        def watch(path: Arg, follow: bool) -> None:
            program.call(
                *(SYS_inotify_add_watch, self.file.number, path),
                mask if follow else mask | IN_DONT_FOLLOW,
                expect=EXACTLY,
                expected=number,
                label=lambda: f"watch {target.path} as number {number} of {self.what()}",
            )

        target.build(program, self.spare, self.what, watch)

    def _skip_numbers(self, programs: Programs, first: int, end: int) -> None:
        """Gives out the numbers from `first` on, up to `end`, and takes them back, which makes an
        event each."""
        number = self.file.number
        while first < end:
            some = min(end - first, _NUMBERS_AT_ONCE)
            length = (some + 64) * _EVENT_BYTES
            program = programs.need(some * 2 * INSN_BYTES + length + 512)
            path = program.put(_FILLERS[0] + b"\0", 1)
            for wanted in range(first, first + some):
                # Of an inode that is watched already, the number is that of its watch.
                program.call(
                    *(SYS_inotify_add_watch, number, path, _NOTHING),
                    expect=EXACTLY,
                    expected=wanted,
                    label=self.what,
                )
                program.call(SYS_inotify_rm_watch, number, wanted, label=self.what)
            program.call(SYS_read, number, program.reserve(length), length, label=self.what)
            first += some

    def _overflow(self, programs: Programs) -> None:
        """Fills the queue until an event does not fit any more, and reads what was filled in: what
        stays is the event that says so."""
        number, (first, second) = self.file.number, (self.spare, self.second)
        room = _queue_length()
        program = programs.need(2048)
        for path, spare in zip(_FILLERS, (first, second), strict=True):
            name = program.put(path + b"\0", 1)
            program.call(SYS_inotify_add_watch, number, name, IN_ACCESS, label=self.what)
            fd = program.call(SYS_openat, AT_FDCWD, name, O_CLOEXEC, 0, label=self.what)
            self.context.move(program, fd, spare, True, self.what)
        # Equal events one after the other become one: they are of two files by turns.
        rows = room + 2
        while rows > 0:
            some = min(rows, _NUMBERS_AT_ONCE * 2)
            program = programs.need(some * INSN_BYTES + 512)
            byte = program.reserve(8)
            program.repeat(
                SYS_pread64, [((first, second)[i & 1], byte, 1, 0) for i in range(some)], self.what
            )
            rows -= some
        program = programs.need(1024)
        for spare in (first, second):
            program.call(SYS_close, spare)
        # A full queue takes no events that these are gone.
        last = self.targets[-1][0].wd if self.targets else 0
        for wanted in (last + 1, last + 2):
            program.call(SYS_inotify_rm_watch, number, wanted, label=self.what)
        while room:
            some = min(room, _NUMBERS_AT_ONCE * 4)
            length = some * _EVENT_BYTES
            program = programs.need(length + 512)
            program.call(
                *(SYS_read, number, program.reserve(length), length),
                expect=EXACTLY,
                expected=length,
                label=self.what,
            )
            room -= some

    def set_masks(self, programs: Programs) -> None:
        for watch, target in self.targets:
            self._add(programs, watch.wd, target, watch.mask & _CARRIED)

    def what(self) -> str:
        return self.context.describe(self.file)


def _queue_length() -> int:
    """How many events a queue made now has room for. Raises RestoreConflict."""
    with open(_QUEUE_LENGTH, "rb") as file:
        length = int(file.read())
    if length > LIMIT:
        raise RestoreConflict(
            "Cannot tell a program that inotify events were lost",
            because=f"only a full queue says so, and they have room for {length} here",
            hint="set fs.inotify.max_queued_events lower for the restore",
        )
    return length
