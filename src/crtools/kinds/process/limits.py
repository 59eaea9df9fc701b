"""Resource limits: prlimit(2), asked and set by the task itself.

Asked of a task of another uid from outside they need CAP_SYS_RESOURCE, which containers lack.
"""

from __future__ import annotations

import struct

from crtools.errors import RestoreConflict
from crtools.images.messages.core import TaskRlimitsEntry
from crtools.images.messages.rlimit import RlimitEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program, Ref
    from crtools.agent.slot import Executed

SYS_prlimit64 = 302
COUNT = 16  # RLIM_NLIMITS, asm-generic/resource.h
FSIZE, NOFILE = 1, 7
INFINITY = (1 << 64) - 1
_LIMIT = struct.Struct("<QQ")


def ask_limits(program: Program) -> Ref:
    room = program.reserve(COUNT * _LIMIT.size)
    for resource in range(COUNT):
        program.call(
            SYS_prlimit64,
            0,
            resource,
            0,
            (room[0], room[1] + resource * _LIMIT.size),
            label="ask for its limits",
        )
    return room


def limits(executed: Executed, room: Ref) -> TaskRlimitsEntry:
    data = executed.bytes(room, COUNT * _LIMIT.size)
    return TaskRlimitsEntry(
        rlimits=[RlimitEntry(cur=soft, max=hard) for soft, hard in _LIMIT.iter_unpack(data)]
    )


def check_limits(
    entry: TaskRlimitsEntry | None, host: tuple[tuple[int, int], ...], name: str, privileged: bool
) -> None:
    """Raises RestoreConflict where a hard limit would have to be raised without the right to."""
    if entry is None or privileged:
        return
    for resource, limit in enumerate(entry.rlimits[: len(host)]):
        if limit.max > host[resource][1]:
            raise RestoreConflict(
                f"Cannot restore {name}: its hard limit {resource} was {limit.max}",
                because=f"crtools' own is {host[resource][1]}, and raising it needs"
                " CAP_SYS_RESOURCE",
                hint="start crtools with the limits that the task had",
            )


def build_limits(
    program: Program, entry: TaskRlimitsEntry | None, host: tuple[tuple[int, int], ...]
) -> None:
    """Late: a small limit of memory or files would hinder the restore itself."""
    if entry is None:
        return
    for resource, limit in enumerate(entry.rlimits):
        if resource < len(host) and host[resource] == (limit.cur, limit.max):
            continue
        value = program.put(_LIMIT.pack(limit.cur, limit.max))
        program.call(SYS_prlimit64, 0, resource, value, 0, label=f"set limit {resource}")
