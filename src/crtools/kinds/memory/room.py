"""Whether there is memory for what a tree may write while copies of it keep what was there.

The worst case is that every page that is copied on write is written: then all of it is there twice,
charged to the control group of who writes. /proc/meminfo (proc_meminfo(5)) and the files of the
memory controller, version 1 or 2 (Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst).
"""

from __future__ import annotations

import os

from crtools.procfs.cgroup import read_cgroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# What is left to the rest of the machine, a part of what is available.
_RESERVE = 16
_GROUPS = b"/sys/fs/cgroup"
# Of each version: the limit, what is used, and what of that a shortage frees without harm.
_FILES = (
    (b"memory.max", b"memory.current", (b"inactive_file", b"active_file")),
    (
        b"memory.limit_in_bytes",
        b"memory.usage_in_bytes",
        (b"total_inactive_file", b"total_active_file"),
    ),
)


def parse_available(meminfo: bytes) -> int:
    """Bytes that can be had without swapping: MemAvailable. 0 where there is no such line."""
    at = meminfo.find(b"\nMemAvailable:")
    return int(meminfo[at + 14 :].split(None, 1)[0]) * 1024 if at >= 0 else 0


def shortage(proc: int, needs: Sequence[tuple[int, int]], *, groups: bytes = _GROUPS) -> str:
    """Why the memory might not do, or "". `needs`: (pid, bytes) for each process."""
    total = sum([need for _, need in needs])
    fd = os.open("meminfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        available = parse_available(os.read(fd, 4096))
    finally:
        os.close(fd)
    if total > available - available // _RESERVE:
        return f"up to {total >> 20} MiB would be needed and {available >> 20} MiB are available"
    of_groups: dict[bytes, int] = {}
    for pid, need in needs:
        path = _group(proc, pid, groups)
        if path:
            of_groups[path] = of_groups.get(path, 0) + need
    # What is needed in a group counts in all of its parents.
    charged: dict[bytes, int] = {}
    for path, need in of_groups.items():
        for group in _ancestors(path, groups):
            charged[group] = charged.get(group, 0) + need
    for group, need in charged.items():
        left = _left(group)
        if left is not None and need > left:
            return (
                f"up to {need >> 20} MiB would be needed and its control group"
                f" {os.fsdecode(group)} has {left >> 20} MiB left"
            )
    return ""


def _group(proc: int, pid: int, groups: bytes) -> bytes:
    """The directory of the group that a process's memory is charged to; empty if there is none."""
    unified = b""
    for membership in read_cgroup(proc, pid):
        path = membership.path
        if path.startswith(b"/.."):
            continue  # outside of what our namespace of groups shows
        if b"memory" in membership.controllers:
            return os.path.normpath(groups + b"/memory" + path)
        if not membership.hierarchy:
            unified = path
    for root in (groups, groups + b"/unified"):
        if unified and os.path.exists(root + b"/cgroup.controllers"):
            return os.path.normpath(root + unified)
    return b""


def _ancestors(path: bytes, groups: bytes) -> Iterable[bytes]:
    while path.startswith(groups) and path != groups:
        yield path
        path = os.path.dirname(path)


def _left(group: bytes) -> int | None:
    """Bytes that may still be charged to a group, None: any number."""
    for limit_name, usage_name, reclaimable in _FILES:
        limit = _read(group + b"/" + limit_name)
        if not limit.strip().isdigit():
            continue
        usage = int(_read(group + b"/" + usage_name) or b"0")
        freed = 0
        for line in _read(group + b"/memory.stat").splitlines():
            name, _, value = line.partition(b" ")
            if name in reclaimable:
                freed += int(value)
        return int(limit) - usage + freed
    return None


def _read(path: bytes) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 65536)
    except OSError:
        return b""
    finally:
        os.close(fd)
