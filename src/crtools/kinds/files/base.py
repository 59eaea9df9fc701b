"""What every kind of open file builds on: the facts of one, and what a kind has to say.

A kind is one file of this folder: how it is recognised, how it is dumped and how it is restored,
side by side. Kinds do not know one another; what they need of the whole dump or restore comes as a
`DumpContext` or `PlanContext` (crtools.kinds.files.table and .plan).
"""

from __future__ import annotations

import os

from crtools.errors import UnsupportedObject
from crtools.images.messages.fown import FownEntry
from crtools.images.wire import settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from crtools.agent.program import Program
    from crtools.images.frames import FramedFile
    from crtools.images.messages.fdinfo import FdinfoEntry, FileEntry
    from crtools.images.messages.regfile import RegFileEntry
    from crtools.kinds.files.anonymous import Lookup
    from crtools.model.externals import Externals, Inherited
    from crtools.model.options import Options
    from crtools.model.tree import Process

# How much a program may hold before the rest goes into a fresh one (bytes): something less than the
# room beside an agent's slot (PROCESS_ROOM, restoring/skeleton.py).
PROGRAM_BYTES = 480 << 10

# What `DumpContext.owner_of` answers of most files: nobody is signalled about them.
NOBODY: FownEntry = settle(FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0))

# The rounds of late jobs, when every descriptor is at its number and every thread is there: what
# has a time is armed; what needed a thread is made, and then fetched by others. Epoll sets come
# last, those that are watched by others first: from WATCH on, a round for each level.
ARM, MAKE, FETCH, WATCH = range(4)
LAST = 100


class Inode:
    """What fstat(2) says of an inode, by the names of os.stat_result. Times are in nanoseconds."""

    __slots__ = (
        "_rest",
        "st_dev",
        "st_gid",
        "st_ino",
        "st_mode",
        "st_nlink",
        "st_uid",
    )

    def __init__(
        self, dev: int, ino: int, nlink: int, mode: int, uid: int, gid: int, *rest: int
    ) -> None:
        """`rest`: device, size, blocks, and seconds and nanoseconds of access and change."""
        self.st_dev = dev
        self.st_ino = ino
        self.st_nlink = nlink
        self.st_mode = mode
        self.st_uid = uid
        self.st_gid = gid
        self._rest = rest

    @property
    def st_rdev(self) -> int:
        return self._rest[0]

    @property
    def st_size(self) -> int:
        return self._rest[1]

    @property
    def st_blocks(self) -> int:
        return self._rest[2]

    @property
    def st_atime_ns(self) -> int:
        return self._rest[3] * 1_000_000_000 + self._rest[4]

    @property
    def st_mtime_ns(self) -> int:
        return self._rest[5] * 1_000_000_000 + self._rest[6]


class OpenFile:
    """An open file description at its first sight, or what one of a task's other links leads to.

    `pid` is the process and `tid` the task that it was looked at through (another one if the leader
    has exited); `fd` its number, -1 if it is behind no descriptor. `via` is the link, relative to
    /proc (made with "": that of the descriptor), and `link` what the kernel makes of it. `stat` is
    the inode's. `flags` are O_* bits without O_CLOEXEC, `pos` is in bytes, `mnt_id` is -1 where
    nobody has asked. `extra` are the kind's own fdinfo lines (crtools.procfs.fdinfo), empty for
    sockets and pipes without locks. `owner` is whom the kernel signals about it (signal, F_OWNER_*
    type, id), None if nobody has asked yet. `life` is how long a regular file's
    data is expected to live (F_GET_RW_HINT), 0 if nobody spoke of it. `socket` is what a socket is:
    its family (AF_*), type (SOCK_*) and protocol; None of other files.
    """

    __slots__ = (
        "_via",
        "extra",
        "fd",
        "flags",
        "life",
        "link",
        "mnt_id",
        "owner",
        "pid",
        "pos",
        "socket",
        "stat",
        "tid",
    )

    def __init__(
        self,
        pid: int,
        tid: int,
        fd: int,
        via: str,
        link: bytes,
        stat: os.stat_result | Inode,
        flags: int = 0,
        pos: int = 0,
        mnt_id: int = -1,
        extra: dict[bytes, list[bytes]] | None = None,
        owner: tuple[int, int, int] | None = None,
        life: int = 0,
    ) -> None:
        self.pid = pid
        self.tid = tid
        self.fd = fd
        self._via = via
        self.link = link
        self.stat = stat
        self.flags = flags
        self.pos = pos
        self.mnt_id = mnt_id
        self.extra = {} if extra is None else extra
        self.owner = owner
        self.life = life
        self.socket: tuple[int, int, int] | None = None

    @property
    def via(self) -> str:
        """The link, relative to /proc."""
        return self._via or f"{self.pid}/task/{self.tid}/fd/{self.fd}"

    @property
    def subject(self) -> tuple[str | int, ...]:
        """In the form of an error's `subject`."""
        if self.fd >= 0:
            return ("task", self.pid, "fd", self.fd)
        return ("task", self.pid, self.via.rpartition("/")[2])


class RequestsInFlight(Exception):
    """An io_uring that is not idle was met: not an error yet. `requests` says which."""

    def __init__(self, requests: Any) -> None:
        super().__init__()
        self.requests = requests  # crtools.kinds.files.uring_requests.Requests


class FileKind:
    """A class of open files. A kind has no state: that of one dump or restore is its dumper's or
    planner's."""

    type: int  # FdTypes, as fdinfo and files images have it
    field: str  # the message of FileEntry that is set; "": one of an image of our own

    def matches(self, file: OpenFile) -> bool:
        """Whether the file is of this kind: true for one kind at most, whatever the order."""
        raise NotImplementedError

    def message(self, entry: FileEntry, store: Any) -> Any:
        """The message of an entry, None if it has none."""
        return getattr(entry, self.field)

    def dumper(self, context: DumpContext) -> FileDumper:
        raise NotImplementedError

    def planner(self, context: PlanContext) -> FilePlanner:
        raise NotImplementedError


class FileDumper:
    """A kind's part of one dump."""

    def dump(self, file: OpenFile, id: int) -> FileEntry | FramedFile:
        """The entry of a file that matches. Raises UnsupportedObject."""
        raise NotImplementedError

    def check(self) -> None:
        """Looks at what can only be judged once all files of the tree are known. Raises
        UnsupportedObject."""

    def settle(self) -> None:
        """Looks for further open files, once all tables are known: `DumpContext.add_flight`."""

    def finish(self) -> None:
        """Writes the images of the kind's own; after `check`."""


class FilePlanner:
    """A kind's part of one restore."""

    def add(self, file: PlannedFile) -> None:
        """Takes an open file of this kind that some process has. Raises ImageError."""
        raise NotImplementedError

    def settle(self) -> None:
        """Asks for open files that are in no table: `PlanContext.add_flight`. Raises ImageError."""

    def place(self) -> None:
        """Decides, once all files are known, where each is made, and adds the jobs for that."""
        raise NotImplementedError

    def check(self, root: int) -> None:
        """Compares with what exists below the directory `root`. Raises RestoreConflict."""

    def create(self, tool_pid: int, root: int) -> None:
        """Makes what the tool itself has to hold, before there is any process. `tool_pid` is its
        pid as the skeletons' /proc has it."""

    def close(self, *, restored: bool) -> None:
        """Lets go of that; `restored` says that the tasks have all they need."""

    def name(self, file: PlannedFile) -> str:
        """What errors call a file of this kind: "/var/log/x", "pipe 40213"."""
        raise NotImplementedError

    def owner(self, file: PlannedFile) -> tuple[FownEntry, int]:
        """Whom the kernel signals about it, and its O_* flags."""
        return file.message.fown, file.message.flags


class DumpContext:
    """The whole dump, as kinds see it."""

    proc: int  # a descriptor of /proc
    store: Any
    options: Options
    shared: Any  # crtools.kinds.memory.shared.SharedDump
    processes: Sequence[Process]  # the tree's
    tables: dict[int, list[FdinfoEntry]]  # by pid, complete from `FileDumper.check` on
    terminals: Any  # crtools.kinds.files.tty.TtyDumper, None before a terminal is met
    externals: Externals | None  # None without --external
    sockets: Any  # crtools.kinds.files.sockets.SocketsDump, None before a socket is met
    connections: Any  # crtools.kinds.files.tcp_dump.TcpDumper, None without a connection carried
    run_id: str  # of this dump, in the form of a UUID

    def describe(self, file: OpenFile) -> str:
        """`fd 17 of task 812 (redis)`."""
        raise NotImplementedError

    def refuse(
        self, file: OpenFile, what: str, because: str = "", hint: str = ""
    ) -> UnsupportedObject:
        """The error to raise for a file that can't be dumped: "<file>: <what>"."""
        return UnsupportedObject(
            f"Cannot dump {self.describe(file)}: {what}",
            because=because,
            hint=hint,
            subject=file.subject,
        )

    def borrow(self, file: OpenFile) -> int:
        """A descriptor of our own for the same open file description, to be closed by the
        caller. Raises PermissionDenied or MissingFeature."""
        raise NotImplementedError

    def pidfd_of(self, file: OpenFile) -> int:
        """A pidfd of the task that the file was looked at through: until another one's is asked
        for, and not to be closed. Raises MissingFeature."""
        raise NotImplementedError

    def keep(self, fd: int) -> None:
        """Has a descriptor of our own closed when the dump ends, well or not."""
        raise NotImplementedError

    def borrow_id(self, id: int) -> int:
        """The same of an open file of the tree; from `FileDumper.check` on."""
        raise NotImplementedError

    def owner_of(self, file: OpenFile) -> FownEntry:
        """Whom the kernel signals about the file: fcntl(2), F_GETOWN_EX and F_GETSIG."""
        raise NotImplementedError

    def locate(self, file: OpenFile, id: int) -> str:
        """The path by which entry `id` will find the file again; arranges for a substitute where
        it has none any more. Raises UnsupportedObject."""
        raise NotImplementedError

    def root_of(self, file: OpenFile) -> int:
        """A descriptor of the directory that the kernel's paths of the file's process begin at:
        the reader's root or, from another mount namespace, that namespace's."""
        raise NotImplementedError

    def read_build_id(self, file: OpenFile) -> tuple[int, ...]:
        """The build id of a regular file, () if it is not an ELF file that has one."""
        raise NotImplementedError

    def new_id(self) -> int:
        raise NotImplementedError

    def add_entry(self, entry: FileEntry) -> None:
        """Puts an entry beside that of the file itself into the files image."""
        raise NotImplementedError

    def add_flight(self, fd: int, file: OpenFile) -> int:
        """The id of the open file behind our own descriptor `fd`, which was sent to the socket
        `file` and not received yet. Takes the descriptor over."""
        raise NotImplementedError

    def watch(self, file: OpenFile, what: str) -> None:
        """Has the file refused if a process outside the tree has it open too; `what` names it:
        "pipe 1234"."""
        raise NotImplementedError

    def lookup(self) -> Lookup:
        """Finds open files of the tree; from `FileDumper.check` on."""
        raise NotImplementedError

    def other_files(self) -> Iterator[tuple[int, str, bytes]]:
        """All descriptors of processes outside the tree that we may see: pid, path below /proc,
        and what the link says."""
        raise NotImplementedError

    def name_task(self, pid: int) -> str:
        """`task 655 (dockerd)`."""
        raise NotImplementedError

    def find_holder(self, file: OpenFile) -> str:
        """Who outside the tree has the same pipe or fifo open: "task 655 (dockerd)", or ""."""
        raise NotImplementedError


class PlannedFile:
    """An open file to be restored.

    `message` is the one of `entry` that is set. `users` are the descriptors for it: (pid, fd,
    whether it is close-on-exec), in the order of the processes. `pid` and `number` say where the
    file is made; other processes fetch it from there. `parked` files are made at a number that is
    in no table, and closed when everyone has theirs. `planner` is that of its kind.
    """

    __slots__ = ("entry", "id", "message", "number", "parked", "pid", "planner", "type", "users")

    def __init__(
        self, id: int, type: int, entry: FileEntry, message: Any, planner: FilePlanner
    ) -> None:
        self.id = id
        self.type = type
        self.planner = planner
        self.entry = entry
        self.message = message
        self.users: list[tuple[int, int, bool]] = []
        self.pid = -1
        self.number = -1
        self.parked = False


class Programs:
    """Where jobs put their instructions: a program, and another one when it is full.

    Results of one program mean nothing in the next, so a job says with `need` where it may be cut.
    """

    __slots__ = ("fresh", "program")

    def __init__(self, program: Program, fresh: Callable[[], Program] | None = None) -> None:
        self.program = program
        self.fresh = fresh

    def need(self, length: int) -> Program:
        """A program that has room for `length` bytes of instructions and data."""
        program = self.program
        if (
            self.fresh is not None
            and program.count
            and len(program.code) + len(program.data) + length > PROGRAM_BYTES
        ):
            program = self.program = self.fresh()
        return program


class Table:
    """A process's descriptors to be: which numbers are taken and which can be used meanwhile."""

    __slots__ = ("_next", "parked", "pid", "reserved", "temporary", "wanted")

    def __init__(self, pid: int, reserved: set[int]) -> None:
        self.pid = pid
        self.wanted: dict[int, tuple[int, bool]] = {}  # number -> (id, close-on-exec)
        self.parked: dict[int, int] = {}  # number -> id, -1: nothing that lasts
        self.reserved = reserved
        self.temporary: set[int] = set()  # numbers that something uses for a moment
        self._next = 3

    def park(self, id: int = -1) -> int:
        """A number that no table and nobody else uses; taken from now on."""
        number = self._next
        while number in self.wanted or number in self.reserved or number in self.parked:
            number += 1
        self._next = number + 1
        self.parked[number] = id
        return number

    def unpark(self, number: int) -> None:
        """Gives back a number that was only needed for a moment."""
        del self.parked[number]
        self.temporary.add(number)
        self._next = min(self._next, number)


class PlanContext:
    """The whole restore, as kinds see it."""

    store: Any
    options: Options
    tables: dict[int, Table]  # by pid
    connections: Any  # crtools.kinds.files.tcp_restore.TcpPlanner, None without a TCP socket
    root_number: int | None  # that all skeletons have the directory at to take paths from
    tool_pid: int  # crtools' pid as the skeletons' /proc has it
    shared: dict[int, Any]  # crtools.kinds.memory.shared.SharedObject, by the id of its file
    unchecked: set[int]  # ids of path entries that say only how a file of another kind was opened
    terminals: Any  # crtools.kinds.files.tty.TtyPlanner, None where there is no terminal
    inherited: Inherited | None  # None without --inherit-fd
    sockets: Any  # crtools.kinds.files.sockets.SocketsPlan, None before a socket is met
    packet_sockets: dict[int, Any]  # packet_ring_restore.RingSocket, by the id of its file
    files: dict[int, PlannedFile]  # by id
    clock_offsets: tuple[int, int]  # of the tree's monotonic and boot clock from ours, in ns
    shortfalls: Any  # crtools.model.shortfall.Shortfalls; None where a plan is only looked at

    def describe(self, file: PlannedFile) -> str:
        """`/var/log/x for fd 5 of task 812`."""
        raise NotImplementedError

    def regular(self, id: int) -> RegFileEntry | None:
        """The regular-file entry with that id."""
        raise NotImplementedError

    unix: Any  # crtools.kinds.files.unix_plan.UnixPlanner, None where there is no unix socket

    def unused_number(self) -> int:
        """A number that is in no process's table, and that nothing else will use."""
        raise NotImplementedError

    def table_of(self, pid: int) -> Table:
        """The table that a process has, alone or with others."""
        raise NotImplementedError

    def can_act(self, pid: int) -> bool:
        """Whether there is such a process to do a job: one of the tree, or one that can be there
        while files are made."""
        raise NotImplementedError

    def add_flight(self, id: int, pid: int) -> None:
        """Has process `pid` keep file `id`, for a time, if nobody has it."""
        raise NotImplementedError

    def add_job(self, pid: int, job: Callable[[Programs], None]) -> None:
        """A job that process `pid` does in the phase that creates files, in the order given."""
        raise NotImplementedError

    def add_late(self, pid: int, job: Callable[[Programs], None]) -> None:
        """A job for when all files are in their places and what was parked is closed, and all
        threads are there."""
        raise NotImplementedError

    def add_late_job(
        self,
        round: int,
        pid: int,
        job: Callable[[Programs], None],
        needed: Sequence[PlannedFile] = (),
    ) -> None:
        """A job for after those, in a round of its own, ARM to WATCH: all processes end one round
        before any begins the next. `needed` files are there until the last, also where nobody has
        them but a queue that they are in."""
        raise NotImplementedError

    def is_kept(self, pid: int, number: int) -> bool:
        """Whether a number of process `pid` is such a file's meanwhile."""
        raise NotImplementedError

    def open_path(
        self, program: Program, id: int, flags: int, what: Callable[[], str]
    ) -> tuple[int, int]:
        """Instructions that open what regular-file entry `id` names; the result is the fd."""
        raise NotImplementedError

    def move(
        self,
        program: Program,
        source: tuple[int, int],
        number: int,
        cloexec: bool,
        what: Callable[[], str],
    ) -> None:
        """Instructions that give a result of an earlier one its number; it must have been opened
        with the close-on-exec flag that is asked for."""
        raise NotImplementedError

    def given(self, id: int) -> int:
        """Our descriptor that stands in for regular-file entry `id` (--inherit-fd), -1 if none."""
        raise NotImplementedError

    def take_inherited(
        self, programs: Programs, fd: int, number: int, cloexec: bool, what: Callable[[], str]
    ) -> None:
        """Instructions that give a task our descriptor `fd` (--inherit-fd) at its number: the same
        open file, flags, position and all."""
        raise NotImplementedError


def choose_place(context: PlanContext, files: Sequence[PlannedFile]) -> None:
    """Each file is made by its first user, at the number that it has there."""
    for file in files:
        file.pid, file.number, _ = file.users[0]
