"""Whether processes share more than a fork leaves them: clone(2) with CLONE_VM, CLONE_FILES,
CLONE_FS or CLONE_SIGHAND but not CLONE_THREAD. kcmp(2) tells.
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
_WHAT = (
    (KCMP_VM, "its memory", "CLONE_VM"),
    (KCMP_FILES, "its descriptor table", "CLONE_FILES"),
    (KCMP_FS, "its root, working directory and umask", "CLONE_FS"),
    (KCMP_SIGHAND, "its signal actions", "CLONE_SIGHAND"),
)


def check_sharing(processes: Sequence[Process]) -> None:
    """Raises UnsupportedObject where two processes share what crtools would restore apart.

    kcmp orders the kernel's objects, so sorting brings equal ones together.
    """
    if len(processes) < 2:
        return
    for kind, what, flag in _WHAT:

        def order(a: Process, b: Process, kind: int = kind) -> int:
            answer = kernel.raw(SYS_kcmp, a.pid, b.pid, kind, 0, 0)
            if answer < 0:
                raise MissingFeature(
                    "Cannot compare tasks with kcmp",
                    because=f"kcmp failed with errno {-answer}",
                    hint="a kernel with CONFIG_KCMP",
                )
            return (0, -1, 1, 1)[answer]

        ordered = sorted(processes, key=cmp_to_key(order))
        for b, a in zip(ordered[1:], ordered, strict=False):
            if order(a, b) == 0:
                raise UnsupportedObject(
                    f"Cannot dump {b.name}: it shares {what} with {a.name}",
                    because=f"they were made with {flag}, which crtools does not carry yet",
                    subject=("task", b.pid),
                )


def has_semaphores() -> bool:
    """Whether there are System V semaphores in our ipc namespace: only then a process may have undo
    values (crtools.kinds.process.semaphores)."""
    info = bytearray(40)  # struct seminfo: semusz, the number of sets, is the eighth word
    result = kernel.raw(SYS_semctl, 0, 0, SEM_INFO, kernel.address_of(info))
    return result >= 0 and info[28:32] != bytes(4)
