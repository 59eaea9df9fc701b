"""pipe(2): two ends, the bytes between them, and any number of open files for each end.

An end that was opened again through /proc/PID/fd is an open file of its own for the same pipe; the
kernel marks those with O_LARGEFILE, which pipe2 never sets.
"""

from __future__ import annotations

from crtools.abi.fcntl import (
    AT_FDCWD,
    F_SETFL,
    F_SETPIPE_SZ,
    O_ACCMODE,
    O_CLOEXEC,
    O_LARGEFILE,
    O_NONBLOCK,
    O_PATH,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
)
from crtools.abi.x86_64 import (
    SYS_close,
    SYS_dup3,
    SYS_fchmod,
    SYS_fchown,
    SYS_fcntl,
    SYS_openat,
    SYS_pipe2,
    SYS_write,
)
from crtools.agent.program import EXACTLY, load32
from crtools.errors import ImageError, RestoreConflict
from crtools.images.frames import FileFrame, FramedFile
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.pipe import PipeEntry
from crtools.kinds.files.base import NOBODY, FileDumper, FileKind, FilePlanner
from crtools.kinds.files.pipe_buffer import (
    ALWAYS_GIVEN,
    PACKET_BYTES,
    SETTABLE,
    WRITE_BYTES,
    Buffer,
    BuffersDump,
    Content,
    plan_content,
    read_contents,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.fown import FownEntry
    from crtools.kinds.files.autofs import AutofsPlan
    from crtools.kinds.files.base import (
        DumpContext,
        OpenFile,
        PlanContext,
        PlannedFile,
        Programs,
        Table,
    )
    from crtools.kinds.files.pipe_given import Given


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
        self.buffers = BuffersDump(context, fifos=False)
        self._frames: dict[
            int, FileFrame
        ] = {}  # by flags, of those about which nobody is signalled

    def dump(self, file: OpenFile, id: int) -> FileEntry | FramedFile:
        number = file.stat.st_ino
        pipe = self.pipes.get(number)
        if pipe is None:
            externals = self.context.externals
            permitted = externals is not None and externals.find("pipe", str(number)) is not None
            pipe = self.pipes[number] = Buffer(number, f"pipe {number}", permitted=permitted)
            self.buffers.add(file, pipe)
        pipe.ends.append(file)
        fown = self.context.owner_of(file)
        if fown is not NOBODY:
            return _new_entry(id, number, file.flags, fown)
        frame = self._frames.get(file.flags)
        if frame is None:
            like = _new_entry(0, 0, file.flags, fown)
            frame = self._frames[file.flags] = FileFrame(like, "pipe", ("pipe_id",))
        return FramedFile(frame, id, number)

    def check(self) -> None:
        self.buffers.check()

    def finish(self) -> None:
        found, own = self.buffers.read()
        if found:
            self.context.store.write("pipes-data", found)
        if own:
            self.context.store.write("crtools-pipe", own)
        autofs = self.buffers.autofs
        if autofs is not None and autofs.entries:
            self.context.store.write("crtools-autofs", autofs.entries)


def _new_entry(id: int, number: int, flags: int, fown: FownEntry) -> FileEntry:
    pipe = PipeEntry(id=id, pipe_id=number, flags=flags, fown=fown)
    return FileEntry(type=FdTypes.PIPE, id=id, pipe=pipe)


class PipePlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.pipes: dict[int, list[PlannedFile]] = {}
        self.given: list[Given] = []
        self.missing: list[int] = []  # pipes from outside for which nothing was given
        self.autofs: AutofsPlan | None = None

    def add(self, file: PlannedFile) -> None:
        if file.message.flags & O_ACCMODE not in (O_RDONLY, O_WRONLY, O_RDWR):
            raise ImageError(f"File {file.id}, a pipe, has an impossible access mode")
        self.pipes.setdefault(file.message.pipe_id, []).append(file)

    def place(self) -> None:
        if not self.pipes:
            return
        contents = read_contents(self.context.store, "pipes-data", "crtools-pipe")
        inherited = self.context.inherited
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
            content = contents.get(number) or Content()
            fd = inherited.find(f"pipe[{number}]") if inherited is not None else -1
            if fd >= 0:
                self._add_given(fd, table.pid, number, files, content)
                continue
            if content.external:
                self.missing.append(number)
            self.context.add_job(table.pid, Making(self.context, table, number, files, content))
        if self.context.store.has("crtools-autofs"):
            from crtools.kinds.files.autofs import AutofsPlan

            self.autofs = AutofsPlan(self.context, self.pipes)

    def _add_given(
        self, fd: int, pid: int, number: int, files: list[PlannedFile], content: Content
    ) -> None:
        from crtools.kinds.files.pipe_given import Given

        if all(file.message.flags & O_ACCMODE == O_WRONLY for file in files):
            content = Content()
        given = Given(fd, number, content, f"pipe {number}")
        self.given.append(given)
        self.context.add_job(pid, Inheriting(self.context, given, files))

    def check(self, root: int) -> None:
        for number in self.missing:
            raise RestoreConflict(
                f"There is nothing to restore pipe {number} with",
                because="its other end was outside at the dump (--external)",
                hint=f"--inherit-fd fd[N]:pipe[{number}]",
                subject=("pipe", number),
            )
        for given in self.given:
            given.check()
        if self.autofs is not None:
            self.autofs.check()

    def create(self, tool_pid: int, root: int) -> None:
        for given in self.given:
            given.fill()
        if self.autofs is not None:
            self.autofs.create()

    def close(self, *, restored: bool) -> None:
        if self.autofs is not None:
            self.autofs.close()
        for given in self.given:
            given.close(restored=restored)

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
        if self._is_plain():
            self._make_plain(programs)
            return
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
        plan_content(self.context, programs, writer, self.content, self.table.pid, self.what)
        if self.content.data:
            programs.need(128).call(SYS_fcntl, writer, F_SETFL, 0)
        if self.content.whose is not None:
            uid, gid, mode = self.content.whose
            program = programs.need(256)
            program.call(SYS_fchown, reader, uid, gid, label=lambda: f"give {self.what()} away")
            program.call(SYS_fchmod, reader, mode, label=self.what)
        made = {O_RDONLY: reader, O_WRONLY: writer}
        first: dict[int, PlannedFile] = {}
        for file in self.files:
            flags = file.message.flags
            mode = flags & O_ACCMODE
            if mode in made and mode not in first and not flags & O_LARGEFILE:
                first[mode] = file
            else:
                at = made[O_WRONLY if mode == O_WRONLY else O_RDONLY]
                open_end(self.context, programs, file, b"/proc/self/fd/%d" % at)
        for mode, number in made.items():
            program = programs.need(512)
            if mode in first:
                file = first[mode]
                cloexec = O_CLOEXEC if is_cloexec(file) else 0
                program.call(SYS_dup3, number, file.number, cloexec, label=self.what)
                set_flags(self.context, programs, file)
            program.call(SYS_close, number)

    def _is_plain(self) -> bool:
        """Whether it has the two ends that it was made with, in the order of their numbers."""
        content = self.content
        if (
            len(self.files) != 2
            or content.pieces
            or content.whose is not None
            or len(content.data) > min(content.size or PACKET_BYTES, WRITE_BYTES)
            or (content.size or 0) > ALWAYS_GIVEN
        ):
            return False
        files = sorted(self.files, key=number_of)
        return [file.message.flags & (O_ACCMODE | O_LARGEFILE) for file in files] == [
            O_RDONLY,
            O_WRONLY,
        ] and is_cloexec(files[0]) == is_cloexec(files[1])

    def _make_plain(self, programs: Programs) -> None:
        """The same in two thirds of the instructions: most pipes are plain, and there may be
        thousands.

        The read end comes at the lowest free number. That of its own is free, so it is not that of
        the write end, which is larger; and the write end is moved out of its way first. What it
        holds does not have to wait for room.
        """
        reader, writer = sorted(self.files, key=number_of)
        content, what = self.content, self.what
        program = programs.need(2048 + len(content.data))
        flags = O_CLOEXEC if is_cloexec(reader) else 0
        ends = program.reserve(8)
        program.call(SYS_pipe2, ends, flags, label=what)
        read_end, write_end = load32(ends), load32(ends, 4)
        if content.size is not None:
            size = content.size
            program.call(
                *(SYS_fcntl, write_end, F_SETPIPE_SZ, size),
                expect=EXACTLY,
                expected=size,
                label=what,
            )
        if content.data:
            data, length = program.put(content.data, 1), len(content.data)
            program.call(
                *(SYS_write, write_end, data, length),
                expect=EXACTLY,
                expected=length,
                label=what,
            )
        for end, file in ((write_end, writer), (read_end, reader)):
            program.skip_if(end, file.number, 2)
            program.call(SYS_dup3, end, file.number, flags, label=what)
            program.call(SYS_close, end)
        set_flags(self.context, programs, writer)
        set_flags(self.context, programs, reader)

    def what(self) -> str:
        return f"pipe {self.number} of task {self.table.pid}"


def number_of(file: PlannedFile) -> int:
    return file.number


class Inheriting:
    """Takes over the pipe that the tool was given, and opens it again for the other open files."""

    __slots__ = ("context", "files", "given")

    def __init__(self, context: PlanContext, given: Given, files: list[PlannedFile]) -> None:
        self.context = context
        self.given = given
        self.files = files

    def __call__(self, programs: Programs) -> None:
        context, fd = self.context, self.given.fd
        taken = False
        for file in self.files:
            if not taken and file.message.flags & O_ACCMODE == self.given.mode:
                taken = True
                context.take_inherited(programs, fd, file.number, is_cloexec(file), self.what)
                set_flags(context, programs, file, always=True)
            else:
                open_end(context, programs, file, b"/proc/%d/fd/%d" % (context.tool_pid, fd))

    def what(self) -> str:
        return self.given.what


def open_end(context: PlanContext, programs: Programs, file: PlannedFile, path: bytes) -> None:
    """Instructions that open a pipe again by a link of /proc to one of its ends."""

    def what() -> str:
        return context.describe(file)

    program = programs.need(768)
    flags = file.message.flags & (O_ACCMODE | O_NONBLOCK)
    cloexec = is_cloexec(file)
    fd = program.call(
        SYS_openat,
        AT_FDCWD,
        program.put(path + b"\0", 1),
        flags | O_CLOEXEC if cloexec else flags,
        label=lambda: f"open {what()}",
    )
    context.move(program, fd, file.number, cloexec, what)
    set_flags(context, programs, file)


def set_flags(
    context: PlanContext, programs: Programs, file: PlannedFile, *, always: bool = False
) -> None:
    # open(2) refuses O_DIRECT for a pipe, F_SETFL does not.
    flags = file.message.flags & SETTABLE
    if flags or always:
        programs.need(128).call(
            SYS_fcntl,
            file.number,
            F_SETFL,
            flags,
            label=lambda: f"set the flags of {context.describe(file)}",
        )


def is_cloexec(file: PlannedFile) -> bool:
    for pid, fd, cloexec in file.users:
        if pid == file.pid and fd == file.number:
            return cloexec
    return True
