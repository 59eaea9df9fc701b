"""Resource limits: prlimit(2), asked and set by the task itself.

Asked of a task of another uid from outside they need CAP_SYS_RESOURCE, which containers lack.
"""

from __future__ import annotations

import struct
from errno import EPERM

from crtools.abi import kernel
from crtools.errors import ImageError
from crtools.images.messages.core import TaskRlimitsEntry
from crtools.images.messages.rlimit import RlimitEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from crtools.agent.program import Program, Ref
    from crtools.agent.slot import Executed
    from crtools.model.shortfall import Shortfalls

    Limits: TypeAlias = tuple[tuple[int, int], ...]  # (soft, hard) by number

SYS_prlimit64 = 302
COUNT = 16  # RLIM_NLIMITS, asm-generic/resource.h
FSIZE, NOFILE = 1, 7
NAMES = (
    *("CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS"),
    *("SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"),
)
INFINITY = (1 << 64) - 1
_LIMIT = struct.Struct("<QQ")


class AllNumbers:
    """While it is open, this process may have as many descriptors as its hard limit says: `raised`
    tells whether that is more than before. Its children, action scripts too, inherit it."""

    __slots__ = ("_before", "raised")

    def __enter__(self) -> AllNumbers:
        self._before = bytearray(_LIMIT.size)
        at = kernel.address_of(self._before)
        kernel.checked(SYS_prlimit64, 0, NOFILE, 0, at)
        soft, hard = _LIMIT.unpack(self._before)
        wanted = _LIMIT.pack(hard, hard)
        self.raised = (
            soft < hard and kernel.raw(SYS_prlimit64, 0, NOFILE, kernel.address_of(wanted), 0) == 0
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self.raised:
            kernel.checked(SYS_prlimit64, 0, NOFILE, kernel.address_of(self._before), 0)


def ask_limits(program: Program) -> Ref:
    room = program.reserve(COUNT * _LIMIT.size)
    rows = [
        (0, resource, 0, (room[0], room[1] + resource * _LIMIT.size)) for resource in range(COUNT)
    ]
    program.repeat(SYS_prlimit64, rows, "ask for its limits")
    return room


def limits(executed: Executed, room: Ref) -> TaskRlimitsEntry:
    data = executed.bytes(room, COUNT * _LIMIT.size)
    return TaskRlimitsEntry(
        rlimits=[RlimitEntry(cur=soft, max=hard) for soft, hard in _LIMIT.iter_unpack(data)]
    )


def check_limits(
    entry: TaskRlimitsEntry | None,
    host: Limits,
    pid: int,
    name: str,
    *,
    privileged: bool,
    shortfalls: Shortfalls,
) -> None:
    """Reports the hard limits that are above the tool's own, which it may not raise.

    `host` are the tool's own, `privileged` says whether it has CAP_SYS_RESOURCE. Raises ImageError.
    """
    if entry is None:
        return
    if len(entry.rlimits) > COUNT or any(limit.cur > limit.max for limit in entry.rlimits):
        raise ImageError(f"The image of {name} has impossible limits")
    for resource, limit in enumerate(entry.rlimits):
        if limit.max > host[resource][1] and not privileged:
            _report(shortfalls, pid, name, resource, limit.max, host[resource][1])


def build_limits(
    program: Program,
    entry: TaskRlimitsEntry | None,
    host: Limits,
    pid: int,
    name: str,
    *,
    changed: bool,
    privileged: bool,
    shortfalls: Shortfalls,
) -> None:
    """Late: a small limit of memory or files would hinder the restore itself.

    `changed`: the skeletons' limit of descriptors is not the tool's own, which `host` has.
    """
    if entry is None:
        if changed:
            own = program.put(_LIMIT.pack(*host[NOFILE]))
            program.call(SYS_prlimit64, 0, NOFILE, own, 0, label="set its number of descriptors")
        return
    for resource, limit in enumerate(entry.rlimits):
        soft, hard = limit.cur, limit.max
        if host[resource] == (soft, hard) and not (changed and resource == NOFILE):
            continue
        most = host[resource][1]
        nearest = program.put(_LIMIT.pack(min(soft, most), min(hard, most)))
        program.call(SYS_prlimit64, 0, resource, nearest, 0, label=f"set limit {resource}")
        if hard > most and privileged:
            # CAP_SYS_RESOURCE of a user namespace does not count, nor does any for more
            # descriptors than fs.nr_open (kernel/sys.c, do_prlimit).
            program.attempt(
                SYS_prlimit64,
                *(0, resource, program.put(_LIMIT.pack(soft, hard)), 0),
                refusals=(EPERM,),
                otherwise=lambda _, resource=resource, hard=hard, most=most: _report(  # type: ignore[misc]
                    shortfalls, pid, name, resource, hard, most
                ),
                label=f"raise limit {resource}",
            )


def _report(
    shortfalls: Shortfalls, pid: int, name: str, resource: int, wanted: int, got: int
) -> None:
    shortfalls.report(
        pid,
        name,
        f"its hard limit RLIMIT_{NAMES[resource]}",
        wanted=_shown(wanted),
        got=_shown(got),
        because="crtools has no more itself, and raising it needs CAP_SYS_RESOURCE",
    )


def _shown(limit: int) -> str:
    return "unlimited" if limit == INFINITY else str(limit)
