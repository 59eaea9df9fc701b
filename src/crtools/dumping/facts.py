"""What is known of a process before its images are written."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.dumping.memory import Memory
    from crtools.dumping.questions import ProcessAnswers, ThreadAnswers
    from crtools.images.messages.core import TaskRlimitsEntry
    from crtools.images.messages.crtools_parts import (
        AreaKeyEntry,
        CrtoolsSemUndoEntry,
        MemoryPolicyEntry,
        RestartEntry,
    )
    from crtools.images.messages.fdinfo import FdinfoEntry
    from crtools.images.messages.fs import FsEntry
    from crtools.images.messages.mm import AioRingEntry
    from crtools.images.messages.sa import SaEntry
    from crtools.images.messages.timer import TaskTimersEntry
    from crtools.kinds.process.posix_timers import TimersDump
    from crtools.kinds.process.seccomp import Confined
    from crtools.procfs.status import Status
    from crtools.procfs.timers import PosixTimer


class Collected:
    """What was seen of a process from outside."""

    __slots__ = (
        "aios",
        "autogroup_nice",
        "confined",
        "exe_id",
        "fdinfo",
        "fs",
        "memory",
        "own_fs",
        "threads",
        "timers",
    )

    aios: list[AioRingEntry]
    autogroup_nice: int | None
    confined: dict[int, Confined]  # by tid, threads under seccomp
    exe_id: int
    fdinfo: list[FdinfoEntry] | None  # None: another process's table
    fs: FsEntry
    memory: Memory  # the same one for those that share it
    own_fs: dict[int, FsEntry]  # by tid, of threads that share the process's no more
    threads: dict[int, tuple[bytes, Status]]  # by tid: name, ids and capabilities
    timers: list[PosixTimer]


class Answers:
    """What the process itself has said, while it was stopped, and what had to be read then."""

    __slots__ = (
        *("about", "actions", "area_keys", "asked_at", "future", "homes", "itimers", "keys", "ldt"),
        *("policies", "posix", "restarts", "rlimits", "threads", "undo"),
    )

    def __init__(self) -> None:
        self.keys: int | None = None  # of protection, that it has allocated
        self.area_keys: list[AreaKeyEntry] = []
        self.posix: TimersDump | None = None

    about: ProcessAnswers
    actions: list[SaEntry]
    asked_at: int  # monotonic, in ns
    future: int | None  # how areas to come are locked, flags of mlockall(2)
    homes: list[list[int]]  # of each thread: registers, as the image has them
    itimers: TaskTimersEntry
    ldt: bytes | None
    policies: list[MemoryPolicyEntry]
    restarts: list[RestartEntry | None]  # of each thread
    rlimits: TaskRlimitsEntry
    threads: list[ThreadAnswers]
    undo: list[CrtoolsSemUndoEntry]
