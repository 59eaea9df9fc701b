"""Open files of memory: memfd_create(2), also what is shared anonymous memory, opened anew.

The memory itself, which may be mapped without being open and open without being mapped, is
crtools.kinds.memory.shared's: here are its open file descriptions. On a restore crtools holds the
memory, and each description is made by opening it anew through /proc.
"""

from __future__ import annotations

import os
from stat import S_IFMT, S_IFREG

from crtools.abi.fcntl import AT_FDCWD, O_CLOEXEC, O_PATH, SEEK_SET
from crtools.abi.x86_64 import SYS_lseek, SYS_openat
from crtools.errors import ImageError
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.memfd import MemfdFileEntry
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner, choose_place
from crtools.kinds.files.path import reopening
from crtools.procfs.files import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext, PlannedFile, Programs

# mm/memfd.c, mm/shmem.c, fs/hugetlbfs/inode.c
NAMES = (b"/memfd:", b"/dev/zero (deleted)", b"/anon_hugepage (deleted)")


class Memfd(FileKind):
    type = FdTypes.MEMFD
    field = "memfd"

    def matches(self, file: OpenFile) -> bool:
        stat = file.stat
        return (
            stat.st_nlink == 0
            and S_IFMT(stat.st_mode) == S_IFREG
            # File systems of the kernel's own have devices of major 0.
            and not os.major(stat.st_dev)
            and file.link.startswith(NAMES)
        )

    def dumper(self, context: DumpContext) -> FileDumper:
        return MemfdDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return MemfdPlanner(context)


class MemfdDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        context = self.context
        try:
            # Not the task's own open file: to read that would move its position.
            flags = os.O_RDONLY | os.O_CLOEXEC
            try:
                fd = os.open(file.via, flags | os.O_NOATIME, dir_fd=context.proc)
            except PermissionError:  # for whoever does not own it
                fd = os.open(file.via, flags, dir_fd=context.proc)
        except OSError as error:
            name = file.via.partition("/")[2]
            raise explain(error, context.proc, file.pid, None, name) from error
        try:
            inode_id, constant = context.shared.add_inode(fd, lambda: context.describe(file))
        finally:
            os.close(fd)
        # What nobody can change any more may as well be two of a kind.
        if not constant:
            context.watch(file, f"the memory behind it, inode {file.stat.st_ino},")
        return FileEntry(
            type=FdTypes.MEMFD,
            id=id,
            memfd=MemfdFileEntry(
                id=id,
                flags=file.flags,
                pos=file.pos,
                fown=context.owner_of(file),
                inode_id=inode_id,
            ),
        )


class MemfdPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.files: list[PlannedFile] = []

    def add(self, file: PlannedFile) -> None:
        if file.message.flags > 0x7FFFFFFF or file.message.pos > 0x7FFFFFFFFFFFFFFF:
            raise ImageError(
                f"File {file.id}, a memfd, has impossible flags or an impossible place"
            )
        self.files.append(file)

    def name(self, file: PlannedFile) -> str:
        memory = self.context.shared.get(file.id)
        return f"the memfd {memory.inode.name}" if memory is not None else "a memfd"

    def place(self) -> None:
        choose_place(self.context, self.files)
        for file in self.files:
            self.context.add_job(file.pid, Opening(self.context, file))


class Opening:
    """Opens the memory that crtools holds, and puts it in its place."""

    __slots__ = ("context", "file")

    def __init__(self, context: PlanContext, file: PlannedFile) -> None:
        self.context = context
        self.file = file

    def __call__(self, programs: Programs) -> None:
        context, file = self.context, self.file
        entry = file.message
        program = programs.need(640)
        cloexec = file.users[0][2]
        if context.inherited is not None:
            given = context.inherited.find(f"memfd:{context.shared[file.id].inode.name}")
            if given >= 0:
                context.take_inherited(programs, given, file.number, cloexec, self.what)
                return
        flags = reopening(entry.flags)
        fd = program.call(
            SYS_openat,
            AT_FDCWD,
            program.put(b"/proc/%d/fd/%d\0" % (context.tool_pid, context.shared[file.id].fd), 1),
            flags | O_CLOEXEC if cloexec else flags,
            0,
            label=lambda: f"open {self.what()}",
        )
        context.move(program, fd, file.number, cloexec, self.what)
        if entry.pos and not flags & O_PATH:
            program.call(
                SYS_lseek,
                file.number,
                entry.pos,
                SEEK_SET,
                label=lambda: f"move to byte {entry.pos} of {self.what()}",
            )

    def what(self) -> str:
        return self.context.describe(self.file)
