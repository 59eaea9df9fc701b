"""Named pipes (fifo(7)): opened by a path, with a pipe's content behind it.

An entry has two parts: the path, in a regular-file entry of its own, and the pipe, by the inode's
number, which open files of the same fifo share.
"""

from __future__ import annotations

import os
from stat import S_IFIFO, S_IFMT

from crtools.abi.fcntl import F_SETFL, O_ACCMODE, O_CLOEXEC, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR
from crtools.abi.x86_64 import SYS_close, SYS_fcntl
from crtools.errors import ImageError
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.fifo import FifoEntry
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner, choose_place
from crtools.kinds.files.path import check_entry, dump_path, reopening
from crtools.kinds.files.pipe_buffer import (
    SETTABLE,
    Buffer,
    Content,
    check_ends,
    plan_content,
    read_buffer,
    read_contents,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.fown import FownEntry
    from crtools.images.messages.regfile import RegFileEntry
    from crtools.kinds.files.base import (
        DumpContext,
        OpenFile,
        PlanContext,
        PlannedFile,
        Programs,
    )


class Fifo(FileKind):
    type = FdTypes.FIFO
    field = "fifo"

    def matches(self, file: OpenFile) -> bool:
        return (
            S_IFMT(file.stat.st_mode) == S_IFIFO
            and file.link.startswith(b"/")
            and not file.flags & O_PATH
        )

    def dumper(self, context: DumpContext) -> FileDumper:
        return FifoDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return FifoPlanner(context)


class FifoDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.fifos: dict[tuple[int, int], Buffer] = {}
        self.ids: set[int] = set()

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        key = (file.stat.st_dev, file.stat.st_ino)
        fifo = self.fifos.get(key)
        if fifo is None:
            # The inode's number, unless it is too large or another file system's fifo has it.
            number = file.stat.st_ino & 0xFFFFFFFF
            while number in self.ids:
                number = (number + 1) & 0xFFFFFFFF
            self.ids.add(number)
            fifo = self.fifos[key] = Buffer(number, f"the fifo {os.fsdecode(file.link)}")
            self.context.watch(file, fifo.what)
        fifo.ends.append(file)
        path_id = self.context.new_id()
        self.context.add_entry(
            FileEntry(
                type=FdTypes.REG, id=path_id, reg=dump_path(self.context, file, path_id, file.pos)
            )
        )
        return FileEntry(
            type=FdTypes.FIFO, id=id, fifo=FifoEntry(id=id, pipe_id=fifo.id, regf_id=path_id)
        )

    def check(self) -> None:
        for fifo in self.fifos.values():
            check_ends(self.context, fifo)

    def finish(self) -> None:
        if self.fifos:
            self.context.store.write(
                "fifo-data", [read_buffer(self.context, fifo) for fifo in self.fifos.values()]
            )


class FifoPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.fifos: dict[int, list[PlannedFile]] = {}

    def add(self, file: PlannedFile) -> None:
        entry = self.context.regular(file.message.regf_id or 0)
        if entry is None:
            raise ImageError(
                f"File {file.id}, a fifo, has no path in the files image",
                because=f"there is no regular file {file.message.regf_id}",
            )
        check_entry(entry)
        self.fifos.setdefault(file.message.pipe_id, []).append(file)

    def place(self) -> None:
        if not self.fifos:
            return
        contents = read_contents(self.context.store, "fifo-data")
        for number, files in self.fifos.items():
            choose_place(self.context, files)
            entries = [self._path_of(file) for file in files]
            written = any(entry.flags & O_ACCMODE != O_RDONLY for entry in entries)
            content = contents.get(number) or Content()
            for file, entry in zip(files, entries, strict=True):
                table = self.context.tables[file.pid]
                spare = table.park()
                table.unpark(spare)
                self.context.add_job(
                    file.pid,
                    Opening(self.context, file, entry, spare, content, written),
                )
                # Once: whoever opens the fifo first fills it and keeps it open.
                content = Content()

    def name(self, file: PlannedFile) -> str:
        return self._path_of(file).name

    def owner(self, file: PlannedFile) -> tuple[FownEntry, int]:
        entry = self._path_of(file)
        return entry.fown, entry.flags

    def _path_of(self, file: PlannedFile) -> RegFileEntry:
        entry = self.context.regular(file.message.regf_id)
        assert entry is not None
        return entry


class Opening:
    """Opens a fifo for one open file, and fills it if this is the first one.

    A descriptor for both directions is held meanwhile, so that no open waits for another side.
    """

    __slots__ = ("content", "context", "entry", "file", "quiet", "spare")

    def __init__(
        self,
        context: PlanContext,
        file: PlannedFile,
        entry: RegFileEntry,
        spare: int,
        content: Content,
        written: bool,
    ) -> None:
        self.context = context
        self.file = file
        self.entry = entry
        self.spare = spare
        self.content = content
        # A reader that did not wait, and that nobody has written to yet, polls no hang-up
        # (fs/pipe.c, fifo_open): it must not see our second descriptor come and go.
        self.quiet = (
            not written
            and not content.data
            and entry.flags & (O_ACCMODE | O_NONBLOCK) == O_RDONLY | O_NONBLOCK
        )

    def __call__(self, programs: Programs) -> None:
        file, entry, spare = self.file, self.entry, self.spare
        what = self.what
        program = programs.need(1024 + 2 * len(entry.name))
        if not self.quiet:
            flags = O_RDWR | O_NONBLOCK | O_CLOEXEC
            fd = self.context.open_path(program, entry.id, flags, what)
            self.context.move(program, fd, spare, True, what)
            plan_content(programs, spare, self.content, what)
            program = programs.need(1024 + len(entry.name))
        cloexec = file.users[0][2]
        # open(2) refuses O_DIRECT here, F_SETFL does not.
        flags = reopening(entry.flags) & ~(SETTABLE & ~O_NONBLOCK)
        fd = self.context.open_path(
            program, entry.id, flags | O_CLOEXEC if cloexec else flags, what
        )
        self.context.move(program, fd, file.number, cloexec, what)
        if entry.flags & SETTABLE & ~O_NONBLOCK:
            program.call(SYS_fcntl, file.number, F_SETFL, entry.flags & SETTABLE, label=what)
        if not self.quiet:
            program.call(SYS_close, spare)
        elif self.content.size is not None:
            plan_content(programs, file.number, self.content, what)

    def what(self) -> str:
        return self.context.describe(self.file)
