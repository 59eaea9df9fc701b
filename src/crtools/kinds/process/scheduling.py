"""How a thread is scheduled: policy, priority, nice, CPU affinity, I/O priority, timer slack.

sched_setattr(2), sched_setaffinity(2), ioprio_set(2). All are read from outside. Affinity, I/O
priority and timer slack have no field in CRIU's schema: they go into crtools-task-N.img, where
they differ from what a new task has.
"""

from __future__ import annotations

import struct

from crtools.abi import kernel
from crtools.errors import TaskVanished, UnsupportedObject
from crtools.images.messages.crtools import CrtoolsTaskEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program
    from crtools.images.messages.core import ThreadCoreEntry

SYS_prctl, SYS_sched_setaffinity, SYS_sched_getaffinity = 157, 203, 204
SYS_ioprio_set, SYS_ioprio_get, SYS_sched_setattr, SYS_sched_getattr = 251, 252, 314, 315
SYS_gettid = 186
PR_SET_TIMERSLACK, PR_GET_TIMERSLACK = 29, 30
IOPRIO_WHO_PROCESS = 1
SCHED_DEADLINE, SCHED_EXT = 6, 7
RESET_ON_FORK = 1
_ATTR = struct.Struct("<IIQiI3Q")  # struct sched_attr, linux/sched/types.h, first 48 bytes
_MASK_BYTES = 1024


class Scheduling:
    """Policy, nice value, real-time priority, and what only our own image has a place for."""

    __slots__ = ("affinity", "io_priority", "nice", "policy", "priority", "slack", "tid")

    def __init__(self, tid: int, slack: int) -> None:
        """`slack` is PR_GET_TIMERSLACK, which only the task itself is told without privilege."""
        buffer = bytearray(_ATTR.size)
        result = kernel.raw(SYS_sched_getattr, tid, kernel.address_of(buffer), _ATTR.size, 0)
        if result < 0:
            raise TaskVanished(f"Task {tid} ended while it was being looked at")
        _, self.policy, flags, self.nice, self.priority, *_ = _ATTR.unpack(buffer)
        if self.policy in (SCHED_DEADLINE, SCHED_EXT) or flags & ~RESET_ON_FORK or flags:
            raise UnsupportedObject(
                f"Cannot dump task {tid}: its scheduling (policy {self.policy}, flags {flags:#x})"
                " is not carried yet",
                hint="set SCHED_OTHER without flags (chrt) before the dump",
                subject=("task", tid),
            )
        mask = bytearray(_MASK_BYTES)
        size = kernel.raw(SYS_sched_getaffinity, tid, _MASK_BYTES, kernel.address_of(mask))
        self.affinity = bytes(mask[: max(size, 0)]).rstrip(b"\0")
        self.io_priority = max(kernel.raw(SYS_ioprio_get, IOPRIO_WHO_PROCESS, tid), 0)
        self.slack = slack
        self.tid = tid

    def own_image(self, usual: Scheduling) -> CrtoolsTaskEntry:
        """What differs from the tool's own, which a restored task starts with elsewhere too."""
        return CrtoolsTaskEntry(
            tid=self.tid,
            timer_slack=self.slack if self.slack != usual.slack else None,
            cpu_affinity=self.affinity if self.affinity != usual.affinity else None,
            io_priority=self.io_priority if self.io_priority != usual.io_priority else None,
        )


def own_scheduling() -> Scheduling:
    """The tool's own."""
    return Scheduling(kernel.raw(SYS_gettid), kernel.raw(SYS_prctl, PR_GET_TIMERSLACK))


def build_scheduling(
    program: Program,
    thread: ThreadCoreEntry | None,
    own: CrtoolsTaskEntry | None,
    usual: tuple[int, int, int],
) -> None:
    """`usual` is the skeleton's own (policy, nice, priority): nothing is set where it is equal."""
    if thread is not None and thread.sched_policy is not None:
        wanted = (thread.sched_policy, thread.sched_nice or 0, thread.sched_prio or 0)
        if wanted != usual:
            attr = program.put(_ATTR.pack(_ATTR.size, wanted[0], 0, *wanted[1:], 0, 0, 0))
            program.call(SYS_sched_setattr, 0, attr, 0, label="set its scheduling policy")
    if own is None:
        return
    if own.cpu_affinity is not None:
        mask = program.put(own.cpu_affinity.ljust(8, b"\0"))
        size = -(-len(own.cpu_affinity) // 8) * 8
        program.put(bytes(8))
        program.call(SYS_sched_setaffinity, 0, size, mask, label="set its CPU affinity")
    if own.io_priority is not None:
        program.call(
            SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, own.io_priority, label="set its I/O priority"
        )
    if own.timer_slack is not None:
        program.call(SYS_prctl, PR_SET_TIMERSLACK, own.timer_slack, label="set its timer slack")
