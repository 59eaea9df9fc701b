"""What processes share beyond what a fork leaves them, and what threads do not share.

clone(2) with CLONE_VM, CLONE_FILES, CLONE_FS or CLONE_SIGHAND but not CLONE_THREAD, and unshare(2)
by a thread, make it; kcmp(2) tells.

In the images equal ids in task_kobj_ids_entry mean one object. kinds/births.py brings it back.
"""

from __future__ import annotations

from _functools import cmp_to_key  # type: ignore[import-not-found]  # functools costs 3 ms

from crtools.abi import kernel
from crtools.errors import MissingFeature, UnsupportedObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.model.tree import Process

SYS_semctl, SYS_kcmp = 66, 312
SEM_INFO = 19  # linux/sem.h
# linux/kcmp.h
KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND = 1, 2, 3, 4
_KINDS = (KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND)
_WHAT = (
    ("memory", "CLONE_VM"),
    ("descriptor table", "CLONE_FILES"),
    ("root, working directory and umask", "CLONE_FS"),
    ("signal actions", "CLONE_SIGHAND"),
)


class Sharing:
    """For each process that shares an object with one before it in the tree, the first that has
    it. Those that share nothing are absent. `own_fs` are threads that share the root, working
    directory and umask of their process no more."""

    __slots__ = ("files", "fs", "own_fs", "sighand", "vm")

    def __init__(self) -> None:
        self.vm: dict[int, int] = {}
        self.files: dict[int, int] = {}
        self.fs: dict[int, int] = {}
        self.sighand: dict[int, int] = {}
        self.own_fs: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self.vm or self.files or self.fs or self.sighand)


def collect_sharing(processes: Sequence[Process]) -> Sharing:
    """Compares all processes of the tree, parents first. Raises MissingFeature without kcmp(2).

    kcmp orders the kernel's objects, so sorting brings equal ones together.
    """
    sharing = Sharing()
    if len(processes) < 2:
        return sharing
    place = {process.pid: index for index, process in enumerate(processes)}
    for kind, found in zip(
        _KINDS, (sharing.vm, sharing.files, sharing.fs, sharing.sighand), strict=True
    ):

        def order(a: Process, b: Process, kind: int = kind) -> int:
            return (0, -1, 1, 1)[_compare(a.via, b.via, kind)]

        ordered = sorted(processes, key=cmp_to_key(order))
        same = [ordered[0]]
        for process in [*ordered[1:], None]:
            if process is not None and order(same[0], process) == 0:
                same.append(process)
                continue
            if len(same) > 1:
                first, *others = sorted(same, key=lambda p: place[p.pid])
                found.update((other.pid, first.pid) for other in others)
            if process is not None:
                same = [process]
    return sharing


def check_outside(root: Process) -> None:
    """Raises UnsupportedObject where the root shares an object with its parent, which is not
    dumped. Of others outside of the tree nothing tells who they might be."""
    parent = root.stat.ppid
    for kind, (what, flag) in zip(_KINDS, _WHAT, strict=True):
        # 0: a parent that has no number here; EPERM: one that is none of our business.
        if parent and kernel.raw(SYS_kcmp, root.via, parent, kind, 0, 0) == 0:
            raise UnsupportedObject(
                f"Cannot dump {root.name}: it shares its {what} with task {parent}, its parent,"
                " which is outside the tree",
                because=f"it was made with {flag}",
                hint=f"dump the tree of task {parent}",
                subject=("task", root.pid),
            )


def check_threads(processes: Sequence[Process]) -> set[int]:
    """The threads that have left their process's root, working directory and umask by unshare(2).

    Raises UnsupportedObject where one has left its descriptor table, or shares what it has instead
    with somebody.
    """
    raw = kernel.raw
    own: set[int] = set()
    for process in processes:
        first, *others = process.tracees
        for tracee in others:
            if raw(SYS_kcmp, tracee.tid, first.tid, KCMP_FILES, 0, 0):
                _compare(tracee.tid, first.tid, KCMP_FILES)
                raise UnsupportedObject(
                    f"Cannot dump {process.name}: its thread {tracee.tid} has a descriptor table of"
                    " its own",
                    because="it was made without CLONE_FILES, or called unshare(CLONE_FILES), and"
                    " crtools does not carry that yet",
                    subject=("task", tracee.tid),
                )
            if raw(SYS_kcmp, tracee.tid, first.tid, KCMP_FS, 0, 0):
                _compare(tracee.tid, first.tid, KCMP_FS)
                own.add(tracee.tid)
    for tid in own:
        for process in processes:
            for other in (process.via, *own.intersection(t.tid for t in process.tracees)):
                if other != tid and raw(SYS_kcmp, tid, other, KCMP_FS, 0, 0) == 0:
                    raise UnsupportedObject(
                        f"Cannot dump {process.name}: its task {other} shares a root, working"
                        f" directory and umask with thread {tid}, whose process has others",
                        because="crtools restores threads that have them alone, or with all of"
                        " their process",
                        subject=("task", other),
                    )
    return own


def has_semaphores() -> bool:
    """Whether there are System V semaphores in our ipc namespace: only then a process may have undo
    values (crtools.kinds.process.semaphores)."""
    info = bytearray(40)  # struct seminfo: semusz, the number of sets, is the eighth word
    result = kernel.raw(SYS_semctl, 0, 0, SEM_INFO, kernel.address_of(info))
    return result >= 0 and info[28:32] != bytes(4)


def _compare(a: int, b: int, kind: int) -> int:
    answer: int = kernel.raw(SYS_kcmp, a, b, kind, 0, 0)
    if answer < 0:
        raise MissingFeature(
            "Cannot compare tasks with kcmp",
            because=f"kcmp failed with errno {-answer}",
            hint="a kernel with CONFIG_KCMP",
        )
    return answer
