"""What is opened by its path: regular files, directories, devices without state, files of /proc.

Also everything opened with O_PATH, which is a place in the file system and no more. A file is
restored by opening its path again, so the entry holds what tells whether that leads to the same
file: type and permissions, size, and the build id of an ELF file.
"""

from __future__ import annotations

import errno
import os
from stat import S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK

from crtools.abi.fcntl import F_SET_RW_HINT, O_CLOEXEC, O_PATH, SEEK_SET
from crtools.abi.x86_64 import SYS_fcntl, SYS_lseek
from crtools.agent.program import NONNEGATIVE, OR_ERRNO, errnos
from crtools.errors import ImageError
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner, choose_place
from crtools.kinds.files.path import check_entry, dump_path, is_secret, reopening

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import (
        DumpContext,
        OpenFile,
        PlanContext,
        PlannedFile,
        Programs,
    )

# Character devices that keep nothing for those who opened them, of major 1 (drivers/char/mem.c):
# mem, null, port, zero, full, random, urandom. Not kmsg, which remembers what was read.
STATELESS_DEVICES = frozenset(os.makedev(1, minor) for minor in (1, 3, 4, 5, 7, 8, 9))

# Files without a name that the kernel gives one that looks like a path (mm/memfd.c, mm/shmem.c,
# ipc/shm.c, fs/aio.c, mm/secretmem.c, fs/hugetlbfs/inode.c, drivers/dma-buf/dma-buf.c).
INTERNAL_NAMES = (
    b"/memfd:",
    b"/dev/zero (deleted)",
    b"/SYSV",
    b"/[aio]",
    b"/secretmem",
    b"/anon_hugepage",
    b"/dmabuf",
)
# Files that do something when they are opened or read (debugfs, tracefs).
_TRACING = (b"/sys/kernel/debug/", b"/sys/kernel/tracing/")
_QUEUE_BYTES = 80  # the size of every message queue, crtools.kinds.files.queues
LONGEST_LIFE = 5  # linux/fcntl.h, RWH_WRITE_LIFE_EXTREME
_ANY_PATH = (S_IFREG, S_IFDIR, S_IFBLK, S_IFCHR, S_IFIFO, S_IFLNK, S_IFSOCK)


class Regular(FileKind):
    type = FdTypes.REG
    field = "reg"

    def matches(self, file: OpenFile) -> bool:
        if not file.link.startswith(b"/"):
            return False
        stat = file.stat
        kind = S_IFMT(stat.st_mode)
        if (stat.st_nlink == 0 and file.link.startswith(INTERNAL_NAMES)) or is_secret(file):
            return False
        if file.flags & O_PATH:
            return kind in _ANY_PATH
        if kind == S_IFCHR:
            if stat.st_rdev in STATELESS_DEVICES:
                return True
            from crtools.kinds.files.devices import is_reopened

            return is_reopened(file)
        if kind == S_IFREG:
            if file.link.startswith(_TRACING):
                return False
            if stat.st_size == _QUEUE_BYTES and not os.major(stat.st_dev):
                from crtools.kinds.files.queues import is_queue

                return not is_queue(file)
        return kind in (S_IFREG, S_IFDIR, S_IFBLK)

    def dumper(self, context: DumpContext) -> FileDumper:
        return RegularDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return RegularPlanner(context)


class RegularDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.lives: list[tuple[int, int]] = []  # ids, F_GET_RW_HINT

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        # F_NOTIFY names who is told, and leaves no other trace (fs/notify/dnotify).
        if S_IFMT(file.stat.st_mode) == S_IFDIR and self.context.owner_of(file).pid:
            raise self.context.refuse(
                file,
                f"the directory {os.fsdecode(file.link)} is being watched (F_NOTIFY)",
                "it has an owner to be signalled, and the kernel does not tell about what",
                "let the program close it before the dump, or watch with inotify(7)",
            )
        if file.life:
            self.lives.append((id, file.life))
        return FileEntry(type=FdTypes.REG, id=id, reg=dump_path(self.context, file, id, file.pos))

    def finish(self) -> None:
        if self.lives:
            from crtools.images.messages.crtools_hint import CrtoolsHintEntry

            entries = [CrtoolsHintEntry(id=id, life=life) for id, life in self.lives]
            self.context.store.write("crtools-hint", entries)


class RegularPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.files: list[PlannedFile] = []
        self.lives: dict[int, int] = {}
        if context.store.has("crtools-hint"):
            self.lives = {entry.id: entry.life for entry in context.store.read("crtools-hint")}
            if max(self.lives.values(), default=0) > LONGEST_LIFE:
                raise ImageError("An image has an impossible hint on how long data will live")

    def add(self, file: PlannedFile) -> None:
        check_entry(file.message)
        self.files.append(file)

    def name(self, file: PlannedFile) -> str:
        path: str = file.message.name
        return path

    def place(self) -> None:
        choose_place(self.context, self.files)
        for file in self.files:
            life = self.lives.get(file.id, 0)
            self.context.add_job(file.pid, Opening(self.context, file, life))


class Opening:
    """Opens one file by its path and puts it in its place."""

    __slots__ = ("context", "file", "life")

    def __init__(self, context: PlanContext, file: PlannedFile, life: int) -> None:
        self.context = context
        self.file = file
        self.life = life

    def __call__(self, programs: Programs) -> None:
        file = self.file
        entry = file.message
        program = programs.need(640 + len(entry.name))
        what = self.what
        cloexec = file.users[0][2]
        if self.context.inherited is not None and not entry.ext:
            given = self.context.inherited.find(entry.name.removeprefix("/"))
            if given >= 0:
                self.context.take_inherited(programs, given, file.number, cloexec, what)
                return
        flags = reopening(entry.flags)
        fd = self.context.open_path(program, file.id, flags | O_CLOEXEC if cloexec else flags, what)
        self.context.move(program, fd, file.number, cloexec, what)
        if entry.pos and not flags & O_PATH:
            device = S_IFMT(entry.mode or 0) == S_IFCHR
            program.call(
                SYS_lseek,
                file.number,
                entry.pos,
                SEEK_SET,
                # A device may have counted what was moved and yet know no positions.
                expect=OR_ERRNO if device else NONNEGATIVE,
                expected=errnos(errno.ESPIPE, errno.EINVAL) if device else 0,
                label=lambda: f"move to byte {entry.pos} of {what()}",
            )

        if self.life:
            # Of the inode, which may have left the kernel's memory since, and the hint with it.
            program.call(
                SYS_fcntl,
                file.number,
                F_SET_RW_HINT,
                program.put(self.life.to_bytes(8, "little")),
                label=lambda: f"say how long what is written will live (F_SET_RW_HINT): {what()}",
            )

    def what(self) -> str:
        return self.context.describe(self.file)
