"""Images to values: everything a restore needs, read and checked before anything is created."""

from __future__ import annotations

from crtools.errors import ImageError, UnsupportedObject
from crtools.images.wire import Sharing
from crtools.kinds.memory.layout import Space, read_space
from crtools.kinds.process.scheduling import check_scheduling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.images.messages.core import CoreEntry, TaskCoreEntry, TaskKobjIdsEntry
    from crtools.images.messages.creds import CredsEntry
    from crtools.images.messages.crtools import CrtoolsTaskEntry
    from crtools.images.messages.crtools_parts import CrtoolsSemUndoEntry
    from crtools.images.messages.fdinfo import FdinfoEntry
    from crtools.images.messages.fs import FsEntry
    from crtools.images.messages.mm import MmEntry
    from crtools.images.messages.pstree import PstreeEntry
    from crtools.images.store import ImageStore
    from crtools.kinds.process.posix_timers import PlannedTimer

ALIVE, DEAD, STOPPED = 1, 2, 3
X86_64 = 1


class TaskImages:
    """A process's images. A zombie has `entry` and `task` alone."""

    __slots__ = (
        "confined",
        "cores",
        "creds",
        "entry",
        "fdinfo",
        "fs",
        "ids",
        "mm",
        "name",
        "own",
        "space",
        "task",
        "timers",
    )

    entry: PstreeEntry
    creds: CredsEntry | None  # a zombie's
    confined: bool  # a thread of it is under seccomp
    cores: dict[int, CoreEntry]  # by tid, the first thread first; not of a leader that has exited
    own: dict[int, CrtoolsTaskEntry]
    task: TaskCoreEntry
    ids: TaskKobjIdsEntry
    mm: MmEntry
    space: Space
    fs: FsEntry
    fdinfo: list[FdinfoEntry]
    name: str
    timers: list[PlannedTimer]

    @property
    def pid(self) -> int:
        return self.entry.pid

    @property
    def undo(self) -> Sequence[CrtoolsSemUndoEntry]:
        """Its undo values of semaphores."""
        own = self.own.get(self.pid)
        return own.sem_undo if own is not None else []

    @property
    def zombie(self) -> bool:
        return self.task.task_state == DEAD

    @property
    def leader_exit(self) -> int | None:
        """How its first thread has exited while others run on, as wait(2) has it."""
        own = self.own.get(self.pid)
        return None if own is None else own.leader_exit

    @property
    def first(self) -> int:
        """The first of its threads that runs."""
        return next(iter(self.cores))

    @property
    def tids(self) -> list[int]:
        return list(self.cores)


def read_tasks(store: ImageStore) -> list[TaskImages]:
    """All processes, parents first. Raises ImageError, or UnsupportedObject for what is not
    carried yet."""
    tasks: list[TaskImages] = []
    seen: set[int] = set()
    memories: dict[int, TaskImages] = {}  # by vm_id
    if not store.has("pstree") and store.read_one("inventory").pre_dump_mode is not None:
        raise ImageError(
            f"{store.path} is a pre-dump",
            because="it has memory and no process",
            hint="restore the dump that was made after it, with --prev-images-dir",
        )
    for entry in store.read("pstree"):
        with Sharing():
            task = _read_task(store, entry, memories)
        for tid in task.tids or [entry.pid]:
            if tid in seen or not 0 < tid < 1 << 22:
                raise ImageError(
                    f"pstree.img has the task {tid} twice, or its number is impossible"
                )
            seen.add(tid)
        tasks.append(task)
    if not tasks:
        raise ImageError("pstree.img is empty")
    return tasks


def _read_task(
    store: ImageStore, entry: PstreeEntry, memories: dict[int, TaskImages]
) -> TaskImages:
    images = TaskImages()
    images.entry = entry
    pid = entry.pid
    core: CoreEntry = store.read_one("core", pid)
    if core.tc is None:
        raise ImageError(f"core-{pid}.img has no process in it")
    images.task = core.tc
    images.name = f"task {pid} ({core.tc.comm})"
    images.cores, images.own = {}, {}
    images.creds = core.thread_core.creds if core.thread_core is not None else None
    images.confined = bool(core.tc.old_seccomp_mode)
    if store.has("crtools-task", pid):
        images.own = {entry.tid: entry for entry in store.read("crtools-task", pid)}
    if images.zombie:
        return images
    if core.tc.task_state not in (ALIVE, STOPPED):
        raise ImageError(f"core-{pid}.img has the unknown task state {core.tc.task_state}")
    if not entry.threads or pid not in entry.threads:
        raise ImageError(f"pstree.img does not name the first thread of process {pid}")
    for tid in [pid, *[tid for tid in entry.threads if tid != pid]]:
        if tid == pid and images.leader_exit is not None:
            continue
        images.cores[tid] = core if tid == pid else store.read_one("core", tid)
        _check_core(images, tid)
    leader_exit = images.leader_exit
    if leader_exit is not None and leader_exit & ~0xFF00:
        raise ImageError(f"The first thread of process {pid} has exited with {leader_exit:#x}")
    if not images.cores:
        raise ImageError(f"All threads of process {pid} have exited, and it is no zombie")
    for tid in images.cores:
        check_scheduling(images.cores[tid].thread_core, images.own.get(tid), tid)
    images.timers = _read_timers(images)
    # Older sets have the ids in the core image.
    images.ids = core.ids if core.ids is not None else store.read_one("ids", pid)
    first = memories.setdefault(images.ids.vm_id, images) if images.ids.vm_id else images
    if first is images:
        images.mm = store.read_one("mm", pid)
        head, *pagemap = store.read("pagemap", pid)
        images.space = read_space(pid, images.name, images.mm, head.pages_id, pagemap, store)
    else:
        images.mm, images.space = first.mm, first.space
    images.fs = store.read_one("fs", pid)
    images.fdinfo = store.read("fdinfo", images.ids.files_id)
    return images


def _read_timers(images: TaskImages) -> list[PlannedTimer]:
    entry, own = images.task.timers, images.own.get(images.pid)
    if (entry is None or not entry.posix) and (own is None or not own.timers):
        return []
    from crtools.kinds.process.posix_timers import plan_timers

    return plan_timers(
        entry.posix if entry else [], own.timers if own else [], images.pid, images.tids
    )


def _check_core(images: TaskImages, tid: int) -> None:
    core = images.cores[tid]
    if core.mtype != X86_64 or core.thread_info is None:
        raise UnsupportedObject(
            f"Cannot restore {images.name}",
            because=f"core-{tid}.img is of another architecture than x86-64",
        )
    thread = core.thread_core
    if thread is None:
        raise ImageError(f"core-{tid}.img has no thread in it")
    images.confined |= bool(thread.seccomp_mode)
