"""How a thread is scheduled: policy, priority, nice, slice, clamps, CPUs, I/O priority, slack.

sched(7), sched_setattr(2), sched_setaffinity(2), ioprio_set(2). All but the timer slack is read
and set from outside. What CRIU's schema has no field for goes into crtools-task-N.img, where it
differs from what a new task has.

It is set last, when the tasks are stopped with their own registers. Earlier, a task of SCHED_IDLE
or of one CPU would be slow to build, one of SCHED_FIFO would starve the tool, children would
inherit what their parents alone had, and the timer slack of real-time tasks, which is 0, would
become the default of their children (kernel/fork.c, copy_process).
"""

from __future__ import annotations

import os
import struct
import time

from crtools import log
from crtools.abi import kernel
from crtools.errors import (
    ImageError,
    TaskVanished,
    UnsupportedObject,
)
from crtools.images.messages.crtools import CrtoolsTaskEntry
from crtools.procfs.values import read_autogroup_nice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program
    from crtools.images.messages.core import CoreEntry, ThreadCoreEntry
    from crtools.images.messages.crtools_parts import SchedEntry
    from crtools.model.shortfall import Shortfalls
    from crtools.model.tree import Process

SYS_getpriority, SYS_prctl, SYS_gettid = 140, 157, 186
SYS_sched_setaffinity, SYS_sched_getaffinity = 203, 204
SYS_ioprio_set, SYS_ioprio_get, SYS_sched_setattr, SYS_sched_getattr = 251, 252, 314, 315
PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SCHED_CORE = 29, 30, 62
IOPRIO_WHO_PROCESS = 1
OTHER, FIFO, RR, BATCH, IDLE, DEADLINE, EXT = 0, 1, 2, 3, 5, 6, 7  # SCHED_*, linux/sched.h
CLAMPS, KNOWN_FLAGS = 0x60, 0x7  # SCHED_FLAG_*: UTIL_CLAMP; RESET_ON_FORK, RECLAIM, DL_OVERRUN
RESET_ON_FORK_BIT = 0x40000000  # SCHED_RESET_ON_FORK, of sched_setscheduler(2)
TOP = 99
DEFAULT_SLACK = 50_000  # nanoseconds, init/init_task.c
CLAMP_MAX = 1024  # SCHED_CAPACITY_SCALE
EPERM, ESRCH, EAGAIN, EACCES, EINVAL = 1, 3, 11, 13, 22
AUTOGROUP_SECONDS = 1.0

# struct sched_attr, linux/sched/types.h: size, policy, flags, nice, priority, runtime, deadline,
# period, util_min, util_max. A kernel that knows less takes it as long as the rest is zero.
_ATTR = struct.Struct("<IIQiI3Q2I")
_MASK_BYTES = 1024


class Scheduling:
    """A thread's attributes, by the names of sched_setattr(2), and what belongs to them."""

    __slots__ = (
        *("affinity", "cookies", "deadline", "flags", "io_priority", "nice", "period", "policy"),
        *("priority", "runtime", "slack", "tid", "util_max", "util_min"),
    )

    def __init__(self, tid: int, slack: int, *, cookies: bool = False) -> None:
        """`slack` is PR_GET_TIMERSLACK, which only the task itself is told without privilege;
        with `cookies` the task is asked for its core scheduling cookie."""
        buffer = bytearray(_ATTR.size)
        result = kernel.raw(SYS_sched_getattr, tid, kernel.address_of(buffer), _ATTR.size, 0)
        if result < 0:
            raise TaskVanished(f"Task {tid} ended while it was being looked at")
        _, self.policy, self.flags, self.nice, self.priority, *more = _ATTR.unpack(buffer)
        self.runtime, self.deadline, self.period, self.util_min, self.util_max = more
        if self.policy in (FIFO, RR, DEADLINE):
            # Not told there: the value for the day when it is SCHED_OTHER again.
            self.nice = 20 - kernel.raw(SYS_getpriority, 0, tid)
        elif self.policy not in (OTHER, BATCH, IDLE) or self.flags & ~KNOWN_FLAGS:
            raise UnsupportedObject(
                f"Cannot dump task {tid}: its scheduling (policy {self.policy}, flags"
                f" {self.flags:#x}) is not carried",
                because="a sched_ext scheduler is not the kernel's own"
                if self.policy == EXT
                else "crtools does not know it",
                hint=f"chrt --other --pid 0 {tid} before the dump",
                subject=("task", tid),
            )
        if cookies:
            _check_cookie(tid)
        mask = bytearray(_MASK_BYTES)
        size = kernel.raw(SYS_sched_getaffinity, tid, _MASK_BYTES, kernel.address_of(mask))
        self.affinity = bytes(mask[: max(size, 0)]).rstrip(b"\0")
        self.io_priority = max(kernel.raw(SYS_ioprio_get, IOPRIO_WHO_PROCESS, tid), 0)
        self.cookies = cookies
        self.slack = slack
        self.tid = tid

    def fill(self, entry: CrtoolsTaskEntry, usual: Scheduling) -> None:
        """Puts what differs from a new task's into the thread's entry. `usual` is the tool's own:
        the CPUs that tasks have here and the kernel's slice, which may be others elsewhere, are
        seen from it."""
        real_time = self.policy in (FIFO, RR, DEADLINE)
        # 0 as long as a task is real-time.
        if self.slack != DEFAULT_SLACK and not real_time:
            entry.timer_slack = self.slack
        if self.affinity != usual.affinity:
            entry.cpu_affinity = self.affinity
        entry.io_priority = self.io_priority or None
        runtime = self.policy == DEADLINE or self.runtime not in (0, usual.runtime)
        # The kernel clamps real-time tasks to the top unless somebody said otherwise.
        clamps = self.util_min, self.util_max
        clamped = clamps not in ((0, 0), (0, CLAMP_MAX)) and not (
            real_time and clamps == (CLAMP_MAX, CLAMP_MAX)
        )
        if self.flags or runtime or clamped:
            from crtools.images.messages.crtools_parts import SchedEntry

            entry.sched = SchedEntry(
                flags=self.flags or None,
                runtime=self.runtime if runtime else None,
                deadline=self.deadline or None,
                period=self.period or None,
                util_min=self.util_min if clamped else None,
                util_max=self.util_max if clamped else None,
            )


def own_scheduling() -> Scheduling:
    """The tool's own. It tells as well whether this kernel has cookies of core scheduling: without
    CONFIG_SCHED_CORE asking is EINVAL, where no CPU has two threads it is ENODEV."""
    tid = kernel.raw(SYS_gettid)
    own = Scheduling(tid, kernel.raw(SYS_prctl, PR_GET_TIMERSLACK))
    own.cookies = _ask_cookie(tid)[0] == 0
    return own


def _ask_cookie(tid: int) -> tuple[int, int]:
    """The result of PR_SCHED_CORE_GET, and the cookie; a thread's (PIDTYPE_PID)."""
    cookie = bytearray(8)
    result = kernel.raw(SYS_prctl, PR_SCHED_CORE, 0, tid, 0, kernel.address_of(cookie))
    return result, int.from_bytes(cookie, "little")


def _check_cookie(tid: int) -> None:
    result, cookie = _ask_cookie(tid)
    if result == -ESRCH:
        raise TaskVanished(f"Task {tid} ended while it was being looked at")
    if result < 0 or cookie:
        raise UnsupportedObject(
            f"Cannot dump task {tid}: it has a core scheduling cookie (PR_SCHED_CORE)"
            if cookie
            else f"Cannot dump task {tid}: its core scheduling cookie (PR_SCHED_CORE) is not told",
            because="cookies are addresses of the kernel: nobody can make the same one again"
            if cookie
            else os.strerror(-result),
            hint="start the program without it (coresched)",
            subject=("task", tid),
        )


def check_scheduling(
    thread: ThreadCoreEntry | None, own: CrtoolsTaskEntry | None, tid: int
) -> None:
    """Raises ImageError for what no kernel takes."""
    sched = own.sched if own is not None else None
    if thread is not None and thread.sched_policy is not None:
        policy, nice, priority = thread.sched_policy, thread.sched_nice, thread.sched_prio or 0
        if (
            policy not in (OTHER, FIFO, RR, BATCH, IDLE, DEADLINE)
            or not -20 <= (nice or 0) <= 19
            or not (1 <= priority <= 99 if policy in (FIFO, RR) else priority == 0)
            or (policy == DEADLINE and (sched is None or not sched.runtime))
        ):
            raise ImageError(
                f"The images of task {tid} have impossible scheduling: policy {policy}, nice"
                f" {nice}, priority {priority}"
            )
    if sched is not None and (
        (sched.flags or 0) & ~KNOWN_FLAGS
        or max(sched.runtime or 0, sched.deadline or 0, sched.period or 0) >> 63
        or not (sched.util_min or 0) <= (sched.util_max or 0) <= CLAMP_MAX
    ):
        raise ImageError(f"crtools-task-N.img has impossible scheduling of task {tid}")
    if own is not None and (
        (own.autogroup_nice is not None and not -20 <= own.autogroup_nice <= 19)
        or (own.cpu_affinity is not None and not 0 < len(own.cpu_affinity) <= _MASK_BYTES)
    ):
        raise ImageError(f"crtools-task-N.img has impossible scheduling of task {tid}")


def build_slack(program: Program, own: CrtoolsTaskEntry | None, usual: Scheduling) -> None:
    """The timer slack: only the task itself can set it without privilege."""
    slack = own.timer_slack if own is not None and own.timer_slack else DEFAULT_SLACK
    if slack != (usual.slack or DEFAULT_SLACK):
        program.call(SYS_prctl, PR_SET_TIMERSLACK, slack, label="set its timer slack")


def begin(pid: int, usual: Scheduling) -> None:
    """Takes from the first skeleton what it has from the tool and no task should have: a real-time
    policy, a slice. That is never more than the tool has, so it needs no privilege."""
    _set(pid, _born(usual))


def _born(usual: Scheduling) -> bytes:
    """A skeleton's attributes."""
    fair = usual.policy in (OTHER, BATCH, IDLE)
    return _ATTR.pack(
        _ATTR.size, usual.policy if fair else OTHER, 0, usual.nice, *(0, 0, 0, 0, 0, 0)
    )


class Restoring:
    """Sets the scheduling of tasks from outside."""

    def __init__(self, usual: Scheduling, shortfalls: Shortfalls) -> None:
        """`usual` is the tool's own, from which a skeleton's comes."""
        self.usual = usual
        self.shortfalls = shortfalls
        self._born = _born(usual)

    def restore(
        self, tid: int, name: str, thread: ThreadCoreEntry | None, own: CrtoolsTaskEntry | None
    ) -> None:
        """Sets what differs from a skeleton's. What we have no right to, or this machine does not
        have, is a shortfall: the program runs without it. Raises TaskVanished."""
        if own is not None and own.cpu_affinity is not None:
            self._set_affinity(
                tid, name, own.cpu_affinity
            )  # before SCHED_DEADLINE, which it excludes
        io_priority = (own.io_priority if own is not None else None) or 0
        if io_priority != self.usual.io_priority:
            result = kernel.raw(SYS_ioprio_set, IOPRIO_WHO_PROCESS, tid, io_priority)
            self._check(
                *(result, tid, name, "I/O priority"),
                wanted=_io_priority(io_priority),
                got=_io_priority(self.usual.io_priority),
            )
        if thread is None or thread.sched_policy is None:
            return
        sched = own.sched if own is not None else None
        wanted = _wanted(thread, sched)
        if wanted != self._born or sched is not None:
            from crtools.images.messages.crtools_parts import SchedEntry

            self._set_attributes(tid, name, thread, sched or SchedEntry(), wanted)

    def _set_attributes(
        self, tid: int, name: str, thread: ThreadCoreEntry, sched: SchedEntry, wanted: bytes
    ) -> None:
        policy, nice = thread.sched_policy or OTHER, thread.sched_nice or 0
        if policy not in (OTHER, BATCH):
            # A nice value and a slice are taken with a policy that uses them, and kept.
            runtime = (sched.runtime or 0) if policy == IDLE else 0
            first = _ATTR.pack(_ATTR.size, OTHER, 0, nice, 0, runtime, 0, 0, 0, 0)
            if first != self._born:
                _set(tid, first)  # what cannot be had of it shows below, or when it is looked at
        result = _set(tid, wanted)
        got = Scheduling(tid, 0)
        self._check(
            *(result, tid, name, "scheduling"),
            wanted=f"policy {policy}, priority {thread.sched_prio or 0}, nice {nice}",
            got=f"policy {got.policy}, priority {got.priority}, nice {got.nice}",
        )
        if result < 0:
            return
        if got.nice != nice:
            self._check(-EPERM, tid, name, "nice value", wanted=str(nice), got=str(got.nice))
        if policy != DEADLINE and sched.runtime and got.runtime != sched.runtime:
            # Before Linux 6.12 the kernel takes it and forgets it.
            log.warning(f"task {tid}: its slice of {sched.runtime} ns is {got.runtime} here")

    def _set_affinity(self, tid: int, name: str, wanted: bytes) -> None:
        mask = wanted.ljust(_MASK_BYTES, b"\0")
        result = kernel.raw(SYS_sched_setaffinity, tid, _MASK_BYTES, kernel.address_of(mask))
        got = Scheduling(tid, 0).affinity
        self._check(
            *(result, tid, name, "CPU affinity"),
            wanted=f"CPUs {_cpus(wanted)}",
            got=f"CPUs {_cpus(got)}",
            because="none of those is here" if result == -EINVAL else "",
        )
        if result >= 0 and got != wanted:
            log.warning(f"task {tid} ran on CPUs {_cpus(wanted)}: here it has {_cpus(got)} of them")

    def _check(
        self,
        result: int,
        tid: int,
        name: str,
        what: str,
        *,
        wanted: str,
        got: str,
        because: str = "",
    ) -> None:
        if result >= 0:
            return
        if result == -ESRCH:
            raise TaskVanished(f"Task {tid} was killed while it was being restored")
        if not because:
            because = os.strerror(-result)
            if result in (-EPERM, -EACCES):
                because += ": it needs CAP_SYS_NICE"
        thread = f"the {what} of its thread {tid}" if f"task {tid} " not in name else f"its {what}"
        self.shortfalls.report(tid, name, thread, wanted=wanted, got=got, because=because)


def _io_priority(value: int) -> str:
    return f"class {value >> 13}, level {value & 7}"


def _wanted(thread: ThreadCoreEntry, sched: SchedEntry | None) -> bytes:
    policy, nice = thread.sched_policy or OTHER, thread.sched_nice or 0
    # Real-time tasks have theirs from before; in the attributes it has no meaning.
    nice = nice if policy in (OTHER, BATCH, IDLE) else 0
    if sched is None:
        return _ATTR.pack(_ATTR.size, policy, 0, nice, thread.sched_prio or 0, *(0, 0, 0, 0, 0))
    clamps = sched.util_max is not None
    return _ATTR.pack(
        _ATTR.size,
        policy,
        (sched.flags or 0) | (CLAMPS if clamps else 0),
        nice,
        thread.sched_prio or 0,
        (sched.runtime or 0) if policy in (OTHER, BATCH, DEADLINE) else 0,
        sched.deadline or 0,
        sched.period or 0,
        (sched.util_min or 0) if clamps else 0,
        (sched.util_max or 0) if clamps else 0,
    )


def _set(tid: int, attributes: bytes) -> int:
    return kernel.raw(SYS_sched_setattr, tid, kernel.address_of(attributes), 0)


class Urgent:
    """While it is open, this thread runs before all others, as far as it has the right to: what it
    stops, or lets go of, could keep it from its CPU meanwhile."""

    __slots__ = ("_back", "_slack", "_wanted")

    def __init__(self, *, wanted: bool = True) -> None:
        self._wanted = wanted
        self._back: tuple[int, os.sched_param] | None = None

    def __enter__(self) -> None:
        if not self._wanted:
            return
        policy = os.sched_getscheduler(0)
        if policy & ~RESET_ON_FORK_BIT == DEADLINE:
            return
        back = policy, os.sched_getparam(0)
        self._slack = kernel.checked(SYS_prctl, PR_GET_TIMERSLACK)
        try:
            os.sched_setscheduler(0, FIFO | RESET_ON_FORK_BIT, os.sched_param(TOP))
        except OSError:
            return
        self._back = back

    def __exit__(self, *_: object) -> None:
        if self._back is not None:
            # Unlike sched_setattr(2) this leaves nice value and slice as they were.
            os.sched_setscheduler(0, *self._back)
            if kernel.raw(SYS_prctl, PR_GET_TIMERSLACK) != self._slack:
                kernel.raw(SYS_prctl, PR_SET_TIMERSLACK, self._slack)


def is_real_time(core: CoreEntry) -> bool:
    thread = core.thread_core
    return thread is not None and thread.sched_policy in (FIFO, RR, DEADLINE)


def _cpus(mask: bytes) -> str:
    """The numbers of a mask's bits, as people write them: 0-3,8."""
    bits = int.from_bytes(mask, "little")
    spans: list[str] = []
    at = 0
    while bits >> at:
        first = at
        while bits >> at & 1:
            at += 1
        if at > first:
            spans.append(str(first) if at == first + 1 else f"{first}-{at - 1}")
        at += 1
    return ",".join(spans)


def autogroup_nice(proc: int, process: Process, seen: set[int]) -> int | None:
    """The nice value of the process's session among sessions (sched(7), "The autogroup feature"),
    for the first process of each session; None where there is nothing to say."""
    session = process.stat.session
    if session in seen:
        return None
    seen.add(session)
    if process.parent is None and session != process.pid:
        return None  # of a shell that is not dumped: it will be in another one's session
    return read_autogroup_nice(proc, process.pid) or None


def restore_autogroup_nice(
    proc: int, pid: int, nice: int, name: str, shortfalls: Shortfalls
) -> None:
    limit = time.monotonic() + AUTOGROUP_SECONDS
    while True:
        try:
            fd = os.open(f"{pid}/autogroup", os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
            try:
                os.write(fd, str(nice).encode())
            finally:
                os.close(fd)
            return
        except OSError as error:
            # Without CAP_SYS_ADMIN the kernel takes ten changes a second from all users together.
            if error.errno != EAGAIN or time.monotonic() > limit:
                shortfalls.report(
                    *(pid, name, "the nice value of its session (autogroup)"),
                    wanted=nice,
                    got=0,
                    because=error.strerror or str(error),
                )
                return
            time.sleep(0.01)
