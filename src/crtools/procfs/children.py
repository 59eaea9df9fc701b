"""/proc/PID/task and /proc/PID/task/TID/children: the tree below a process (proc_pid_task(5))."""

from __future__ import annotations

from crtools.procfs.files import list_task_directory, misread, read_task_file


def parse_children(data: bytes) -> tuple[int, ...]:
    """The pids in a children file, as the procfs numbers them. Raises InternalError."""
    try:
        return tuple(map(int, data.split()))
    except ValueError:
        raise misread("/proc/PID/task/TID/children", data) from None


def read_children(proc: int, pid: int, tid: int) -> tuple[int, ...]:
    """The processes that one thread is the parent of, zombies included.

    The list is sure to be complete only while all of them are stopped (proc_pid_task(5)), so
    whoever freezes a tree looks until nothing new turns up. MissingFeature without
    CONFIG_PROC_CHILDREN.
    """
    return parse_children(read_task_file(proc, pid, "children", tid))


def read_threads(proc: int, pid: int) -> list[int]:
    """The tids of a process, ascending; the leader's is the pid, also when it has ended."""
    return sorted(map(int, list_task_directory(proc, pid, "task")))
