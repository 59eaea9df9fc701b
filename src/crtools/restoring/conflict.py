"""Pids that are wanted and taken: who holds them."""

from __future__ import annotations

import errno
import os
import time

from crtools.errors import (
    CrtoolsError,
    MissingFeature,
    PermissionDenied,
    RestoreConflict,
    TaskVanished,
)
from crtools.procfs.stat import PF_EXITING, read_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crtools.procfs.stat import Stat

# What a dump has just killed keeps its number until its memory is freed and its parent, which may
# be init by now, has taken its status.
ZOMBIES_SECONDS = 3.0


def check_pids(proc: int, pids: Iterable[int]) -> None:
    """Raises RestoreConflict for the first number that is a task's, a group's or a session's.

    Waits a while for those whose holders have all ended: their parents may yet wait for them.
    """
    end = 0.0
    for pid in pids:
        while _is_used(os.kill, pid) or _is_used(os.killpg, pid):
            holders = list(_holders(proc, pid))
            end = end or time.monotonic() + ZOMBIES_SECONDS
            alive = not holders or not all(_is_ending(stat) for _, stat in holders)
            if alive or time.monotonic() > end:
                raise explain_pid(proc, pid, errno.EEXIST)
            time.sleep(0.005)


def _is_ending(stat: Stat) -> bool:
    """A killed process keeps its number while the kernel frees its memory."""
    return stat.state in "ZX" or bool(stat.flags & PF_EXITING)


def _is_used(probe: object, pid: int) -> bool:
    try:
        probe(pid, 0)  # type: ignore[operator]
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def explain_pid(proc: int, pid: int, error: int) -> CrtoolsError:
    """The error for a task that could not be created with its number."""
    if error == errno.EEXIST:
        return RestoreConflict(
            f"Cannot restore task {pid}: its number is in use",
            because=_holder(proc, pid),
            hint="end that task, or restore in a pid namespace of its own (unshare -pf"
            " --mount-proc crtools restore ...)",
            subject=("task", pid),
        )
    if error == errno.EPERM:
        return PermissionDenied(
            f"Cannot create task {pid} with its number",
            because="clone3 with set_tid needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN",
            hint="run crtools as root",
        )
    if error == errno.EINVAL:
        return RestoreConflict(
            f"Cannot create task {pid}: the kernel does not take that number",
            because="it is above kernel.pid_max, or this pid namespace has no first task yet",
            hint="raise kernel.pid_max",
            subject=("task", pid),
        )
    if error == errno.EAGAIN:
        return RestoreConflict(
            f"Cannot create task {pid}: there may be no more tasks",
            because=_find_limit(),
            hint="raise that limit, or end other tasks that count against it",
            subject=("task", pid),
        )
    return MissingFeature(f"Cannot create task {pid}", because=os.strerror(error))


def _find_limit() -> str:
    """Which limit it was that clone(2) meant (ERRORS, EAGAIN)."""
    try:
        with open("/proc/self/cgroup", "rb") as file:
            lines = file.read().split(b"\n")
    except OSError:
        lines = []
    for line in lines:
        _, _, rest = line.partition(b":")
        controllers, _, path = rest.partition(b":")
        if b"pids" in controllers.split(b","):
            mounts = [b"/sys/fs/cgroup/" + controllers]
        elif not controllers and path:
            mounts = [b"/sys/fs/cgroup", b"/sys/fs/cgroup/unified"]
        else:
            continue
        for mount in mounts:
            found = _full_group(mount, path)
            if found:
                return found
    return (
        "RLIMIT_NPROC of this user, pids.max of its cgroup or kernel.threads-max is reached"
        " (clone3: EAGAIN)"
    )


def _full_group(mount: bytes, path: bytes) -> str:
    """The group, or the one above it, whose limit refuses more tasks, if one does."""
    while path and path != b"/":
        try:
            with open(mount + path + b"/pids.max", "rb") as file:
                most = file.read().strip()
            with open(mount + path + b"/pids.current", "rb") as file:
                count = int(file.read())
        except (OSError, ValueError):
            return ""
        # The task that was refused, and those that ended for it, do not count any more.
        if most != b"max":
            return (
                f"its cgroup {os.fsdecode(path)} takes {int(most)} tasks (pids.max) and has {count}"
            )
        path = path.rpartition(b"/")[0]
    return ""


def _holders(proc: int, number: int) -> Iterator[tuple[int, Stat]]:
    """The processes whose number, group or session it is."""
    for name in os.listdir(proc):
        if not name.isdigit():
            continue
        try:
            stat = read_stat(proc, int(name))
        except TaskVanished:
            continue
        if number in (int(name), stat.pgrp, stat.session):
            yield int(name), stat


def _holder(proc: int, number: int) -> str:
    for pid, stat in _holders(proc, number):
        name = f"task {pid} ({stat.comm.decode(errors='replace')})"
        if stat.state in "ZX":
            name += f", a zombie that its parent, task {stat.ppid}, has not waited for,"
        if pid == number:
            return f"{name} has it"
        if stat.pgrp == number:
            return f"it is the process group of {name.rstrip(',')}"
        return f"it is the session of {name.rstrip(',')}"
    # Threads have numbers too, but no entry of their own in a listing of /proc.
    try:
        stat = read_stat(proc, number)
    except CrtoolsError:
        return "a task has it that is not visible here"
    return f"it is a thread of another process ({stat.comm.decode(errors='replace')})"
