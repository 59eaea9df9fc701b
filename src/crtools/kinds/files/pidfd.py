"""pidfd_open(2): a process or, with PIDFD_THREAD (Linux 6.9), a thread behind a descriptor.

/proc/PID/fdinfo tells its pid, -1 if it has been reaped (kernel/fork.c, pidfd_show_fdinfo). From
Linux 6.9 on a task has one inode for all of its pidfds, by which programs compare them; with 6.15
the kernel tells the status of who has been reaped (PIDFD_GET_INFO).

Those of the tree are opened again when all processes are there, and those of threads later, when
these are: until then a pidfd of a process keeps the place. For what has been reaped the tool makes
a process that ends at once, one for all pidfds of one inode. A task outside the tree may have ended
meanwhile, and somebody else may have its pid: it is the same if it was started at the same time.
"""

from __future__ import annotations

import os

from crtools import log
from crtools.abi import kernel
from crtools.abi.fcntl import F_SETFD, O_CLOEXEC, O_EXCL, O_NONBLOCK
from crtools.abi.x86_64 import (
    SYS_close,
    SYS_dup3,
    SYS_fcntl,
    SYS_ioctl,
    SYS_pidfd_getfd,
    SYS_pidfd_open,
    SYS_prlimit64,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
)
from crtools.errors import CrtoolsError, ImageError, MissingFeature
from crtools.images.messages.crtools_events import CrtoolsPidfdEntry
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.pidfd import PidfdEntry
from crtools.kinds.files.anonymous import AnonymousPlanner, read_own
from crtools.kinds.files.base import FETCH, MAKE, FileDumper, FileKind, FilePlanner
from crtools.procfs.files import open_proc
from crtools.procfs.stat import read_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crtools.agent.program import Program, Ref
    from crtools.kinds.files.base import (
        DumpContext,
        OpenFile,
        PlanContext,
        PlannedFile,
        Programs,
    )

PIDFD_THREAD = O_EXCL  # linux/pidfd.h
# linux/pidfd.h: struct pidfd_info of 64 bytes; what is known of who has been reaped.
PIDFD_GET_INFO = 0xC040FF0B
PIDFD_INFO_EXIT = 1 << 3
_INFO_BYTES, _EXIT_CODE_AT = 64, 60
RLIMIT_CORE = 4  # asm-generic/resource.h
SIG_SETMASK = 2  # asm-generic/signal-defs.h
CORE_DUMPED = 0x80  # of a wait status


class Pidfd(FileKind):
    type = FdTypes.PIDFD
    field = "pidfd"

    def matches(self, file: OpenFile) -> bool:
        return file.link == b"anon_inode:[pidfd]" or file.link.startswith(b"pidfd:[")

    def dumper(self, context: DumpContext) -> FileDumper:
        return PidfdDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return PidfdPlanner(context)


class PidfdDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.files: list[tuple[OpenFile, PidfdEntry]] = []
        self.own: list[CrtoolsPidfdEntry] = []

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        entry = PidfdEntry(
            id=id,
            # CRIU's field has 32 bits.
            ino=file.stat.st_ino & 0xFFFFFFFF,
            flags=file.flags,
            nspid=int(file.extra[b"Pid"][0]),
            fown=self.context.owner_of(file),
        )
        self.files.append((file, entry))
        return FileEntry(type=FdTypes.PIDFD, id=id, pidfd=entry)

    def check(self) -> None:
        """Whose they are, when the tree is known."""
        tasks: dict[int, int] = {}
        for process in self.context.processes:
            tasks[process.pid] = process.pid
            tasks.update({tracee.tid: process.pid for tracee in process.tracees})
        for file, entry in self.files:
            pid = entry.nspid
            if pid == 0:
                raise self.context.refuse(
                    file,
                    "it is a pidfd of a task that has no pid here",
                    "that task is in another pid namespace, which is none of ours",
                    "dump it from the namespace of that task",
                )
            if pid < 0:
                status = self._read_status(file)
                if status:
                    self.own.append(CrtoolsPidfdEntry(id=entry.id, status=status))
            elif pid not in tasks:
                started = read_stat(self.context.proc, pid).starttime
                self.own.append(
                    CrtoolsPidfdEntry(id=entry.id, started=started, boot=_read_boot_id())
                )
            elif tasks[pid] != pid and entry.fown.pid:
                raise self.context.refuse(
                    file,
                    "it is a pidfd of a thread, and somebody is its owner (F_SETOWN)",
                    "nobody is ever signalled about a pidfd",
                    "let the program set no owner",
                )

    def _read_status(self, file: OpenFile) -> int:
        """Of who has been reaped, 0 where the kernel does not tell."""
        info = bytearray(PIDFD_INFO_EXIT.to_bytes(8, "little") + bytes(_INFO_BYTES - 8))
        fd = self.context.borrow(file)
        try:
            result = kernel.raw(SYS_ioctl, fd, PIDFD_GET_INFO, kernel.address_of(info))
        finally:
            os.close(fd)
        if result or not int.from_bytes(info[:8], "little") & PIDFD_INFO_EXIT:
            return 0
        return int.from_bytes(info[_EXIT_CODE_AT : _EXIT_CODE_AT + 4], "little", signed=True)

    def finish(self) -> None:
        if self.own:
            self.context.store.write("crtools-pidfd", self.own)


def _read_boot_id() -> str:
    fd = os.open("/proc/sys/kernel/random/boot_id", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 64).decode("ascii").strip()
    finally:
        os.close(fd)


class PidfdPlanner(AnonymousPlanner):
    what = "a pidfd"

    def __init__(self, context: PlanContext) -> None:
        super().__init__(context)
        self.own: dict[int, Any] = {}
        self.threads: dict[int, int] = {}  # of the tree, by tid: their processes
        self.held: dict[int, int] = {}  # by id: descriptors of ours
        self.tool_pid = 0

    def name(self, file: PlannedFile) -> str:
        pid = file.message.nspid
        return f"a pidfd of task {pid}" if pid > 0 else "a pidfd of a task that has ended"

    def place(self) -> None:
        self.own = read_own(self.context, "crtools-pidfd")
        if self.context.store.has("pstree"):
            for entry in self.context.store.read("pstree"):
                self.threads.update(dict.fromkeys(entry.threads, entry.pid))
                self.threads[entry.pid] = entry.pid
        for file in self.files:
            own = self.own.get(file.id)
            if file.message.nspid > 0 and not self._is_ours(file) and own is None:
                raise ImageError(f"File {file.id} is {self.name(file)}, which is not in the images")
        super().place()
        for file in self.files:
            if self._is_late(file):
                self._place_late(file)

    def _is_ours(self, file: PlannedFile) -> bool:
        pid: int = file.message.nspid
        return pid in self.threads

    def _is_late(self, file: PlannedFile) -> bool:
        """Whether it is of a thread, which is not there yet when files are made."""
        pid: int = file.message.nspid
        return self.threads.get(pid, pid) != pid

    # --- Before there is any process: those of tasks that are not in the tree ---

    def create(self, tool_pid: int, root: int) -> None:
        self.tool_pid = tool_pid
        ended: dict[int, list[PlannedFile]] = {}
        for file in self.files:
            if self._is_ours(file):
                continue
            pidfd = self._find_task(file) if file.message.nspid > 0 else -1
            if pidfd >= 0:
                self.held[file.id] = pidfd
            else:
                ended.setdefault(file.message.ino, []).append(file)
        for files in ended.values():
            self._make_ended(files)

    def _find_task(self, file: PlannedFile) -> int:
        """A pidfd of a task outside the tree, -1 if that has ended."""
        pid, own = file.message.nspid, self.own[file.id]
        pidfd = kernel.raw(SYS_pidfd_open, pid, _kind_of(file))
        if pidfd >= 0:
            proc = open_proc()
            try:
                if own.boot == _read_boot_id() and read_stat(proc, pid).starttime == own.started:
                    return pidfd
            except CrtoolsError:
                pass  # it has ended since
            finally:
                os.close(proc)
            os.close(pidfd)
        log.warning(f"{self.context.describe(file)}: that task has ended since the dump")
        return -1

    def _make_ended(self, files: list[PlannedFile]) -> None:
        own = self.own.get(files[0].id)
        status = own.status or 0 if own is not None else 0
        if status & CORE_DUMPED:
            log.warning(
                f"{self.context.describe(files[0])}: that task had dumped core, which is not told"
                " any more (PIDFD_GET_INFO)"
            )
        until, tell = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            _end(until, tell, status)
        try:
            for file in files:
                pidfd = kernel.raw(SYS_pidfd_open, pid, _kind_of(file))
                if pidfd < 0:
                    raise MissingFeature(
                        f"Cannot restore {self.context.describe(file)}",
                        because=f"pidfd_open: {os.strerror(-pidfd)}",
                    )
                self.held[file.id] = pidfd
        finally:
            os.close(tell)
            os.close(until)
            os.waitpid(pid, 0)

    def close(self, *, restored: bool) -> None:
        for pidfd in self.held.values():
            os.close(pidfd)
        self.held.clear()

    # --- In the processes ---

    def build(self, program: Program, file: PlannedFile, flags: int) -> Ref:
        def label() -> str:
            return f"open {self.context.describe(file)}"

        if not self._is_ours(file):
            tool = program.call(SYS_pidfd_open, self.tool_pid, 0, label="find crtools")
            made = program.call(SYS_pidfd_getfd, tool, self.held[file.id], 0, label=label)
            program.call(SYS_close, tool)
        elif self._is_late(file):
            made = program.call(SYS_pidfd_open, file.pid, 0, label=label)
        else:
            made = program.call(SYS_pidfd_open, file.message.nspid, _kind_of(file), label=label)
        if not flags & O_CLOEXEC:
            # It comes with the flag, and may have its number already.
            program.call(SYS_fcntl, made, F_SETFD, 0)
        return made

    def _place_late(self, file: PlannedFile) -> None:
        self.context.add_late_job(MAKE, file.pid, Replacing(self, file, file.pid), [file])
        for pid in dict.fromkeys(user for user, _, _ in file.users):
            if pid != file.pid:
                self.context.add_late_job(FETCH, pid, Replacing(self, file, pid))


def _kind_of(file: PlannedFile) -> int:
    flags: int = file.message.flags
    return flags & (PIDFD_THREAD | O_NONBLOCK)


def _end(until: int, tell: int, status: int) -> None:
    """The end of a process that was made to be one that has ended: with this wait status."""
    try:
        os.close(tell)
        os.read(until, 1)
        signal = status & 0x7F
        if signal:
            # It dumps no core, and neither handler nor mask are in the way.
            nothing = bytes(32)
            at = kernel.address_of(nothing)
            kernel.raw(SYS_prlimit64, 0, RLIMIT_CORE, at, 0)
            kernel.raw(SYS_rt_sigaction, signal, at, 0, 8)
            kernel.raw(SYS_rt_sigprocmask, SIG_SETMASK, at, 0, 8)
            os.kill(os.getpid(), signal)
    finally:
        os._exit(status >> 8 & 0xFF)


class Replacing:
    """Puts a thread's pidfd in the places of what has kept them, in one process: the first opens
    it, the others take it over."""

    __slots__ = ("file", "pid", "planner")

    def __init__(self, planner: PidfdPlanner, file: PlannedFile, pid: int) -> None:
        self.planner = planner
        self.file = file
        self.pid = pid

    def __call__(self, programs: Programs) -> None:
        file = self.file
        places = [(fd, cloexec) for pid, fd, cloexec in file.users if pid == self.pid]
        program = programs.need(1024 + 128 * len(places))
        if self.pid == file.pid:
            got = program.call(SYS_pidfd_open, file.message.nspid, _kind_of(file), label=self._what)
        else:
            maker = program.call(SYS_pidfd_open, file.pid, 0, label=self._what)
            got = program.call(SYS_pidfd_getfd, maker, file.number, 0, label=self._what)
            program.call(SYS_close, maker)
        for fd, cloexec in places:
            program.call(SYS_dup3, got, fd, O_CLOEXEC if cloexec else 0, label=self._what)
        program.call(SYS_close, got)

    def _what(self) -> str:
        return f"open {self.planner.context.describe(self.file)}"
