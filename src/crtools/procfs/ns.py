"""/proc/PID/ns: the namespaces of a task (namespaces(7))."""

from __future__ import annotations

from crtools.errors import MissingFeature
from crtools.procfs.files import misread, read_task_link

NAMESPACE_LINKS = (
    "cgroup",
    "ipc",
    "mnt",
    "net",
    "pid",
    "pid_for_children",
    "time",
    "time_for_children",
    "user",
    "uts",
)


def parse_namespace_link(target: bytes) -> tuple[str, int]:
    """(kind, inode) of a link's target, `net:[4026531833]`. Raises InternalError."""
    kind, _, inode = target.partition(b":[")
    try:
        if not inode.endswith(b"]"):
            raise ValueError(inode)
        return kind.decode("ascii"), int(inode[:-1])
    except ValueError:
        raise misread("/proc/PID/ns", target) from None


def read_namespaces(proc: int, pid: int, tid: int | None = None) -> dict[str, tuple[str, int]]:
    """Link name -> (kind, inode), of the links that there are.

    A kernel can lack a kind, and a zombie keeps only its pid and user namespaces; a pid namespace
    for children that has no first process yet has no target either.
    """
    found: dict[str, tuple[str, int]] = {}
    for name in NAMESPACE_LINKS:
        try:
            found[name] = parse_namespace_link(read_task_link(proc, pid, f"ns/{name}", tid))
        except MissingFeature:
            continue
    return found
