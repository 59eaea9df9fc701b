"""/proc/PID/cgroup: the control groups of a task (cgroups(7))."""

from __future__ import annotations

from crtools.procfs.files import misread, read_task_file, split_deleted
from crtools.procfs.record import Record


class CgroupMembership(Record):
    """In one hierarchy; 0 is the unified one (version 2), which names no controllers.

    `controllers` may be one name=NAME. `path` is relative to the root of the reader's cgroup
    namespace, and `deleted` says that the group was removed while the task (a zombie) was in it.
    """

    __slots__ = ("controllers", "deleted", "hierarchy", "path")

    def __init__(
        self, hierarchy: int, controllers: tuple[bytes, ...], path: bytes, deleted: bool = False
    ) -> None:
        self.hierarchy = hierarchy
        self.controllers = controllers
        self.path = path
        self.deleted = deleted


def parse_cgroup(data: bytes) -> list[CgroupMembership]:
    """One line a hierarchy. Raises InternalError, naming the line."""
    groups = []
    line = data
    try:
        for line in data.split(b"\n"):
            if not line:
                continue
            hierarchy, controllers, path = line.split(b":", 2)
            names = tuple(controllers.split(b",")) if controllers else ()
            groups.append(CgroupMembership(int(hierarchy), names, *split_deleted(path)))
    except ValueError:
        raise misread("/proc/PID/cgroup", line) from None
    return groups


def read_cgroup(proc: int, pid: int, tid: int | None = None) -> list[CgroupMembership]:
    """The control groups of a process's leader, or of one of its threads."""
    return parse_cgroup(read_task_file(proc, pid, "cgroup", tid))
