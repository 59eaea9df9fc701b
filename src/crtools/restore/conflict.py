"""Pids that are wanted and taken: who holds them."""

from __future__ import annotations

import errno
import os

from crtools.errors import (
    CrtoolsError,
    MissingFeature,
    PermissionDenied,
    RestoreConflict,
    TaskVanished,
)
from crtools.procfs.stat import read_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def check_pids(proc: int, pids: Iterable[int]) -> None:
    """Raises RestoreConflict for the first number that is a task's, a group's or a session's."""
    for pid in pids:
        if _is_used(os.kill, pid) or _is_used(os.killpg, pid):
            raise explain_pid(proc, pid, errno.EEXIST)


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
    return MissingFeature(f"Cannot create task {pid}", because=os.strerror(error))


def _holder(proc: int, number: int) -> str:
    for name in os.listdir(proc):
        if not name.isdigit():
            continue
        try:
            stat = read_stat(proc, int(name))
        except TaskVanished:
            continue
        comm = stat.comm.decode(errors="replace")
        if int(name) == number:
            return f"task {number} ({comm}) has it"
        if stat.pgrp == number:
            return f"it is the process group of task {name} ({comm})"
        if stat.session == number:
            return f"it is the session of task {name} ({comm})"
    # Threads have numbers too, but no entry of their own in a listing of /proc.
    try:
        stat = read_stat(proc, number)
    except CrtoolsError:
        return "a task has it that is not visible here"
    return f"it is a thread of another process ({stat.comm.decode(errors='replace')})"
