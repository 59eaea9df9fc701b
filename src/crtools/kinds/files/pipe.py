"""pipe(2): two ends, the bytes between them, and any number of open files for each end.

An end that was opened again through /proc/PID/fd is an open file of its own for the same pipe; the
kernel marks those with O_LARGEFILE, which pipe2 never sets.
"""

from __future__ import annotations

from crtools.abi.fcntl import (
    AT_FDCWD,
    F_SETFL,
    O_ACCMODE,
    O_CLOEXEC,
    O_LARGEFILE,
    O_NONBLOCK,
    O_PATH,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
)
from crtools.abi.x86_64 import SYS_close, SYS_dup3, SYS_fcntl, SYS_openat, SYS_pipe2
from crtools.agent.program import load32
from crtools.errors import ImageError
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.pipe import PipeEntry
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner
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
    from crtools.kinds.files.base import (
        DumpContext,
        OpenFile,
        PlanContext,
        PlannedFile,
        Programs,
        Table,
    )


class Pipe(FileKind):
    type = FdTypes.PIPE
    field = "pipe"

    def matches(self, file: OpenFile) -> bool:
        return file.link.startswith(b"pipe:[") and not file.flags & O_PATH

    def dumper(self, context: DumpContext) -> FileDumper:
        return PipeDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return PipePlanner(context)


class PipeDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.pipes: dict[int, Buffer] = {}

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        number = file.stat.st_ino
        pipe = self.pipes.get(number)
        if pipe is None:
            pipe = self.pipes[number] = Buffer(number, f"pipe {number}")
            self.context.watch(file, pipe.what)
        pipe.ends.append(file)
        return FileEntry(
            type=FdTypes.PIPE,
            id=id,
            pipe=PipeEntry(
                id=id, pipe_id=number, flags=file.flags, fown=self.context.owner_of(file)
            ),
        )

    def check(self) -> None:
        for pipe in self.pipes.values():
            check_ends(self.context, pipe)

    def finish(self) -> None:
        if self.pipes:
            self.context.store.write(
                "pipes-data", [read_buffer(self.context, pipe) for pipe in self.pipes.values()]
            )


class PipePlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.pipes: dict[int, list[PlannedFile]] = {}

    def add(self, file: PlannedFile) -> None:
        if file.message.flags & O_ACCMODE not in (O_RDONLY, O_WRONLY, O_RDWR):
            raise ImageError(f"File {file.id}, a pipe, has an impossible access mode")
        self.pipes.setdefault(file.message.pipe_id, []).append(file)

    def place(self) -> None:
        if not self.pipes:
            return
        contents = read_contents(self.context.store, "pipes-data")
        for number, files in self.pipes.items():
            table = self._maker(files)
            for file in files:
                file.pid = table.pid
                for pid, fd, _ in file.users:
                    if pid == table.pid:
                        file.number = fd
                        break
                else:
                    file.number = table.park(file.id)
                    file.parked = True
            self.context.add_job(
                table.pid,
                Making(self.context, table, number, files, contents.get(number) or Content()),
            )

    def name(self, file: PlannedFile) -> str:
        return f"pipe {file.message.pipe_id}"

    def _maker(self, files: list[PlannedFile]) -> Table:
        """All open files of a pipe are made by one process: that which keeps most of them, so
        that few have to be parked."""
        counts: dict[int, int] = {}
        for file in files:
            for pid in {pid: None for pid, _, _ in file.users}:
                counts[pid] = counts.get(pid, 0) + 1
        most = max(counts.values())
        return self.context.tables[next(pid for pid, count in counts.items() if count == most)]


class Making:
    """Makes a pipe, its content and all of its open files."""

    __slots__ = ("content", "context", "files", "number", "spare", "table")

    def __init__(
        self,
        context: PlanContext,
        table: Table,
        number: int,
        files: list[PlannedFile],
        content: Content,
    ) -> None:
        self.context = context
        self.table = table
        self.number = number
        self.files = files
        self.content = content
        # Both ends exist for a moment at least, and neither may take a number that is to be another
        # file's. Whatever is parked later is made later, when these two are free again.
        self.spare = (table.park(), table.park())
        for spare in self.spare:
            table.unpark(spare)

    def __call__(self, programs: Programs) -> None:
        reader, writer = self.spare
        program = programs.need(1024)
        ends = program.reserve(8)
        program.call(SYS_pipe2, ends, O_CLOEXEC, label=lambda: f"make {self.what()}")
        # The ends have the two lowest free numbers, the write end the larger one: moved first, it
        # is out of the way where it has the number that the read end is to get.
        for at, to in ((4, writer), (0, reader)):
            end = load32(ends, at)
            program.skip_if(end, to, 2)
            program.call(SYS_dup3, end, to, O_CLOEXEC, label=self.what)
            program.call(SYS_close, end)
        if self.content.data:
            program.call(SYS_fcntl, writer, F_SETFL, O_NONBLOCK)
        plan_content(programs, writer, self.content, self.what)
        if self.content.data:
            programs.need(128).call(SYS_fcntl, writer, F_SETFL, 0)
        made = {O_RDONLY: reader, O_WRONLY: writer}
        first: dict[int, PlannedFile] = {}
        for file in self.files:
            flags = file.message.flags
            mode = flags & O_ACCMODE
            if mode in made and mode not in first and not flags & O_LARGEFILE:
                first[mode] = file
            else:
                self._open_again(programs, file, made[O_WRONLY if mode == O_WRONLY else O_RDONLY])
        for mode, number in made.items():
            program = programs.need(512)
            if mode in first:
                file = first[mode]
                cloexec = O_CLOEXEC if self._cloexec(file) else 0
                program.call(SYS_dup3, number, file.number, cloexec, label=self.what)
                self._set_flags(programs, file)
            program.call(SYS_close, number)

    def _open_again(self, programs: Programs, file: PlannedFile, number: int) -> None:
        program = programs.need(768)
        flags = file.message.flags & (O_ACCMODE | O_NONBLOCK)
        cloexec = self._cloexec(file)
        fd = program.call(
            SYS_openat,
            AT_FDCWD,
            program.put(b"/proc/self/fd/%d\0" % number, 1),
            flags | O_CLOEXEC if cloexec else flags,
            label=lambda: f"open {self.context.describe(file)}",
        )
        self.context.move(program, fd, file.number, cloexec, self.what)
        self._set_flags(programs, file)

    def _set_flags(self, programs: Programs, file: PlannedFile) -> None:
        # open(2) refuses O_DIRECT for a pipe, F_SETFL does not.
        flags = file.message.flags & SETTABLE
        if flags:
            programs.need(128).call(
                SYS_fcntl,
                file.number,
                F_SETFL,
                flags,
                label=lambda: f"set the flags of {self.context.describe(file)}",
            )

    def _cloexec(self, file: PlannedFile) -> bool:
        for pid, fd, cloexec in file.users:
            if pid == file.pid and fd == file.number:
                return cloexec
        return True

    def what(self) -> str:
        return f"pipe {self.number} of task {self.table.pid}"
