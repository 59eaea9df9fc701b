"""Named pipes (fifo(7)): opened by a path, with a pipe's content behind it.

An entry has two parts: the path, in a regular-file entry of its own, and the pipe, by the inode's
number, which open files of the same fifo share.
"""

from __future__ import annotations

import os
from stat import S_IFIFO, S_IFMT

from crtools.abi.fcntl import (
    F_SETFL,
    O_ACCMODE,
    O_CLOEXEC,
    O_NONBLOCK,
    O_PATH,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
)
from crtools.abi.x86_64 import SYS_close, SYS_fcntl
from crtools.errors import ImageError
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.fifo import FifoEntry
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner, choose_place
from crtools.kinds.files.path import check_entry, dump_path, reopening
from crtools.kinds.files.pipe_buffer import (
    SETTABLE,
    Buffer,
    BuffersDump,
    Content,
    plan_content,
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
    from crtools.kinds.files.pipe_given import Given


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
        self.buffers = BuffersDump(context, fifos=True)

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        key = (file.stat.st_dev, file.stat.st_ino)
        path_id = self.context.new_id()
        path = dump_path(self.context, file, path_id, file.pos)
        fifo = self.fifos.get(key)
        if fifo is None:
            # The inode's number, unless it is too large or another file system's fifo has it.
            number = file.stat.st_ino & 0xFFFFFFFF
            while number in self.ids:
                number = (number + 1) & 0xFFFFFFFF
            self.ids.add(number)
            what = f"the fifo {os.fsdecode(file.link)}"
            fifo = self.fifos[key] = Buffer(number, what, permitted=bool(path.ext))
            self.buffers.add(file, fifo)
        fifo.ends.append(file)
        self.context.add_entry(FileEntry(type=FdTypes.REG, id=path_id, reg=path))
        return FileEntry(
            type=FdTypes.FIFO, id=id, fifo=FifoEntry(id=id, pipe_id=fifo.id, regf_id=path_id)
        )

    def check(self) -> None:
        self.buffers.check()

    def finish(self) -> None:
        found, own = self.buffers.read()
        if found:
            self.context.store.write("fifo-data", found)
        if own:
            self.context.store.write("crtools-fifo", own)


class FifoPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.fifos: dict[int, list[PlannedFile]] = {}
        self.given: list[Given] = []

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
        contents = read_contents(self.context.store, "fifo-data", "crtools-fifo")
        for number, files in self.fifos.items():
            choose_place(self.context, files)
            entries = [self._path_of(file) for file in files]
            written = any(entry.flags & O_ACCMODE != O_RDONLY for entry in entries)
            content = contents.get(number) or Content()
            given = self.context.given(entries[0].id)
            if given >= 0:
                self._add_given(given, number, content, entries)
                content = Content()
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

    def _add_given(
        self, fd: int, number: int, content: Content, entries: list[RegFileEntry]
    ) -> None:
        from crtools.kinds.files.pipe_given import Given

        if all(entry.flags & O_ACCMODE == O_WRONLY for entry in entries):
            content = Content()
        self.given.append(Given(fd, number, content, f"the fifo {entries[0].name}"))

    def check(self, root: int) -> None:
        for given in self.given:
            given.check()

    def create(self, tool_pid: int, root: int) -> None:
        for given in self.given:
            given.fill()

    def close(self, *, restored: bool) -> None:
        for given in self.given:
            given.close(restored=restored)

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
            plan_content(self.context, programs, spare, self.content, file.pid, what)
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
            plan_content(self.context, programs, file.number, self.content, file.pid, what)

    def what(self) -> str:
        return self.context.describe(self.file)
