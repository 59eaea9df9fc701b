"""POSIX timers: timer_create(2), timer_settime(2), timer_getoverrun(2).

/proc/PID/timers names them; what is left of them and their overruns the process itself is asked.
Imported where a process has any.

What is left is carried relative, as it is for sleeps: time stands still for a task that is away. A
timer that was armed for a time of day fires at that time, or at once if it is past. The kernel
tells the two apart in /proc/timer_list alone: a relative timer of CLOCK_REALTIME waits on the
monotonic clock (kernel/time/posix-timers.c, common_hrtimer_arm). Without that file all are taken
for relative ones.

Ids: Linux 6.15 and later create a timer with the id that is asked for
(PR_TIMER_CREATE_RESTORE_IDS). Others count upwards, so timers are made and deleted until the id
comes.

A CLOCK_THREAD_CPUTIME_ID timer does not tell whose clock it is. A running thread's clock advances,
those of stopped threads do not: so each thread looks at it twice.

An expired timer whose signal waits in the queue is made to expire again, at its signal's place in
the queue: so the kernel rearms it when the signal is taken, as it would have. With an interval it
expires at the time in the past that lets it go on in step. How often it has expired besides, nobody
can see before the signal is taken: that starts from nought. timer_getoverrun(2) answers for the
signal that was taken last: the timer expires that often before its signal is taken again, where its
clock is old enough (a CPU clock is young) and can be given a time (a relative CLOCK_REALTIME timer
would become an absolute one).

All are created before the task's ids are set, since alarm clocks need CAP_WAKE_ALARM: the room for
their signals counts for the tool's user (RLIMIT_SIGPENDING).
"""

from __future__ import annotations

import os
import struct
import time

from crtools import log
from crtools.abi import kernel
from crtools.abi.prctl import (
    PR_TIMER_CREATE_RESTORE_IDS,
    PR_TIMER_CREATE_RESTORE_IDS_GET,
    PR_TIMER_CREATE_RESTORE_IDS_OFF,
    PR_TIMER_CREATE_RESTORE_IDS_ON,
)
from crtools.abi.signals import (
    SI_TIMER,
    SIGEV_NONE,
    SIGEV_SIGNAL,
    SIGEV_THREAD,
    SIGEV_THREAD_ID,
)
from crtools.agent.program import ANY, ARG_LOAD32, EXACTLY, OP_VALUE, Program
from crtools.errors import ImageError, MissingFeature, UnsupportedObject
from crtools.images.messages.crtools_parts import TimerEntry
from crtools.images.messages.timer import PosixTimerEntry
from crtools.procfs.status import read_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.agent.inject import Agent
    from crtools.agent.program import Ref
    from crtools.agent.slot import Executed
    from crtools.images.messages.siginfo import SignalQueueEntry
    from crtools.model.tree import Process
    from crtools.procfs.timers import PosixTimer

SYS_nanosleep, SYS_rt_sigtimedwait, SYS_prctl = 35, 128, 157
SYS_timer_create, SYS_timer_settime, SYS_timer_gettime = 222, 223, 224
SYS_timer_getoverrun, SYS_timer_delete, SYS_clock_gettime = 225, 226, 228
TIMER_ABSTIME = 1
CLOCK_REALTIME, CLOCK_REALTIME_ALARM = 0, 8
THREAD_CLOCK = -2  # CLOCK_THREAD_CPUTIME_ID becomes this: bits 0 to 2 say what, the rest is ~tid
_THREAD_BIT = 4
_NSEC = 1_000_000_000
_SPEC = struct.Struct("<4q")  # struct itimerspec: it_interval, it_value
_EVENT = struct.Struct("<QiiI44x")  # struct sigevent
_FAR = (0, 0, 1 << 30, 0)  # 34 years of CPU time
# Programs of a visiting thread have 16 KiB.
_VISIT = 30
_ASK = 1000
# Without PR_TIMER_CREATE_RESTORE_IDS: how many timers are made for one that is to stay.
MOST_IDS = 10_000


class Asked:
    """Of one timer, in ns: until it expires, its interval; overruns of its last signal."""

    __slots__ = ("expires", "interval", "left", "overrun", "thread")

    left: int
    interval: int
    overrun: int
    thread: int  # whose CPU clock it is; 0: none of a thread that is not named
    expires: int | None  # of CLOCK_REALTIME


def check_timers(timers: Sequence[PosixTimer], process: Process) -> None:
    """Refuses what has lost its thread or process, from outside."""
    root = process
    while root.parent is not None:
        root = root.parent
    tids = {tracee.tid for tracee in process.tracees}
    for timer in timers:
        if timer.notify & SIGEV_THREAD_ID and timer.target not in tids:
            raise _refuse(process, timer, "the thread that it signals has ended")
        if timer.clock >= 0 or (tid := ~(timer.clock >> 3)) == 0:
            continue
        if timer.clock & _THREAD_BIT:
            if tid not in tids:
                raise _refuse(process, timer, "the thread whose CPU clock it is has ended")
        elif not _has(root, tid):
            raise _refuse(
                process, timer, f"it is on the CPU clock of task {tid}, which is outside the tree"
            )


def _has(process: Process, pid: int) -> bool:
    return process.pid == pid or any(_has(child, pid) for child in process.children)


def _refuse(process: Process, timer: PosixTimer, because: str) -> UnsupportedObject:
    return UnsupportedObject(
        f"Cannot dump {process.name}: its POSIX timer {timer.timer_id}",
        because=because,
        hint="delete the timer before the dump",
        subject=("task", process.pid),
    )


class TimersDump:
    """The timers of one process, whose agent is in it."""

    def __init__(
        self, proc: int, agent: Agent, process: Process, timers: Sequence[PosixTimer]
    ) -> None:
        self._timers = timers
        self._answers = _ask_timers(agent, timers)
        _ask_threads(proc, agent, process, timers, self._answers)

    def entries(
        self, queues: Sequence[SignalQueueEntry], passed: int
    ) -> tuple[list[PosixTimerEntry], list[TimerEntry]]:
        """The images'. `queues` were read `passed` ns after the timers had been asked, or less."""
        pending = pending_ids([signal.siginfo for queue in queues for signal in queue.signals])
        theirs, ours = [], []
        for timer, asked in zip(self._timers, self._answers, strict=True):
            waits = timer.timer_id in pending
            if waits and not asked.interval and asked.left > passed:
                # Armed anew since: the kernel drops that signal when it is to be taken.
                waits = False
            left = asked.left
            if waits:
                # It expires once more if it has an interval, in step with what was left.
                left = left % asked.interval if asked.interval else 0
            theirs.append(
                PosixTimerEntry(
                    it_id=timer.timer_id,
                    clock_id=timer.clock & 0xFFFFFFFF,
                    si_signo=timer.signal,
                    it_sigev_notify=timer.notify,
                    sival_ptr=timer.value,
                    overrun=asked.overrun,
                    isec=asked.interval // _NSEC,
                    insec=asked.interval % _NSEC,
                    vsec=left // _NSEC,
                    vnsec=left % _NSEC,
                    notify_thread_id=timer.target if timer.notify & SIGEV_THREAD_ID else None,
                )
            )
            own = TimerEntry(
                it_id=timer.timer_id,
                thread=asked.thread or None,
                expires=None if waits else asked.expires,
                pending=waits or None,
            )
            if own != TimerEntry(it_id=timer.timer_id):
                ours.append(own)
        return theirs, ours


def _ask_timers(agent: Agent, timers: Sequence[PosixTimer]) -> list[Asked]:
    answers: list[Asked] = []
    expiries: tuple[list[int], list[int]] | None = None
    for start in range(0, len(timers), _ASK):
        some = timers[start : start + _ASK]
        program = Program()
        rooms = [_ask(program, timer) for timer in some]
        before = time.clock_gettime_ns(time.CLOCK_REALTIME)
        executed = agent.run(program)
        after = time.clock_gettime_ns(time.CLOCK_REALTIME)
        for timer, (room, overrun) in zip(some, rooms, strict=True):
            asked = Asked()
            asked.interval, asked.left = _unpack(executed, room)
            asked.overrun = executed.result(overrun)
            asked.thread = 0
            asked.expires = None
            if asked.left and timer.clock == CLOCK_REALTIME_ALARM:
                asked.expires = after + asked.left  # as the kernel counts it, too
            elif asked.left and timer.clock == CLOCK_REALTIME and timer.notify != SIGEV_NONE:
                if expiries is None:
                    expiries = read_expiries()
                asked.expires = _time_of_day(asked.left, before, after, expiries)
            answers.append(asked)
    return answers


def _ask(program: Program, timer: PosixTimer) -> tuple[Ref, Ref]:
    room = program.reserve(_SPEC.size)
    label = f"ask for its POSIX timer {timer.timer_id}"
    program.call(SYS_timer_gettime, timer.timer_id, room, label=label)
    return room, program.call(SYS_timer_getoverrun, timer.timer_id, label=label)


def _unpack(executed: Executed, room: Ref) -> tuple[int, int]:
    """Interval and time left, in ns."""
    fields = _SPEC.unpack(executed.bytes(room, _SPEC.size))
    return fields[0] * _NSEC + fields[1], fields[2] * _NSEC + fields[3]


def _ask_threads(
    proc: int,
    agent: Agent,
    process: Process,
    timers: Sequence[PosixTimer],
    answers: Sequence[Asked],
) -> None:
    """Finds the thread whose CPU clock a timer is on."""
    unknown = [pair for pair in zip(timers, answers, strict=True) if pair[0].clock == THREAD_CLOCK]
    # Of a first thread that has exited the clock may be, too.
    if not unknown or (len(process.tracees) == 1 and process.leader is None):
        for _, asked in unknown:
            asked.thread = process.pid
        return
    waiting = 0
    for tracee in process.tracees:
        status = read_status(proc, process.pid, tracee.tid)
        waiting |= status.sig_pending | status.shared_pending
    for timer, asked in unknown:
        # To arm one for a moment would take away its signal, if that waits.
        if not asked.left and timer.signal and waiting >> (timer.signal - 1) & 1:
            raise _refuse(
                process, timer, "it is not armed, and so does not tell whose CPU clock it is on"
            )
    for tracee in process.tracees:
        found: list[Asked] = []
        for start in range(0, len(unknown), _VISIT):
            some = unknown[start : start + _VISIT]
            program = Program()
            rooms = [_look_twice(program, timer, asked) for timer, asked in some]
            executed = agent.visit(tracee, program)
            for (_, asked), (first, second) in zip(some, rooms, strict=True):
                if _unpack(executed, first) != _unpack(executed, second):
                    asked.thread = tracee.tid
                    found.append(asked)
        if found:
            unknown = [(timer, asked) for timer, asked in unknown if not asked.thread]
    for timer, _ in unknown:
        raise _refuse(process, timer, "the thread whose CPU clock it is has ended")


def _look_twice(program: Program, timer: PosixTimer, asked: Asked) -> tuple[Ref, Ref]:
    first, second = program.reserve(_SPEC.size), program.reserve(_SPEC.size)
    if not asked.left:
        # Armed for a moment: the agent is never cut short between two system calls. ESRCH: the
        # thread is gone.
        far = program.put(_SPEC.pack(*_FAR))
        program.call(SYS_timer_settime, timer.timer_id, 0, far, 0, expect=ANY)
    program.call(SYS_timer_gettime, timer.timer_id, first)
    program.call(SYS_timer_gettime, timer.timer_id, second)
    if not asked.left:
        none = program.reserve(_SPEC.size)
        program.call(SYS_timer_settime, timer.timer_id, 0, none, 0, expect=ANY)
    return first, second


def read_expiries() -> tuple[list[int], list[int]]:
    """When POSIX timers of this host expire: on the monotonic clock, and by the time of day, in ns.
    Empty where /proc/timer_list may not be read."""
    chunks: list[bytes] = []
    try:
        fd = os.open("/proc/timer_list", os.O_RDONLY | os.O_CLOEXEC)
        try:
            while chunk := os.read(fd, 1 << 16):
                chunks.append(chunk)
        finally:
            os.close(fd)
    except OSError:
        return [], []
    return parse_expiries(b"".join(chunks))


def parse_expiries(text: bytes) -> tuple[list[int], list[int]]:
    """Clock 0 of a CPU is the monotonic one, clock 1 the time of day; a timer's name stands before
    its time (kernel/time/timer_list.c)."""
    found: dict[bytes, list[int]] = {b"0": [], b"1": []}
    clock = b""
    ours = False
    for line in text.split(b"\n"):
        if line.startswith(b" clock "):
            clock = line[7:].rstrip(b":")
        elif line.startswith(b" # expires at "):
            if ours and clock in found:
                found[clock].append(int(line.split(b"-", 1)[0].split()[-1]))
        elif line.startswith(b" #"):
            ours = b" posix_timer_fn," in line
    return found[b"0"], found[b"1"]


def _time_of_day(
    left: int, before: int, after: int, expiries: tuple[list[int], list[int]]
) -> int | None:
    """The time of day that a timer is armed for, if one is that expires just then, and none of the
    monotonic clock does. `before` and `after` enclose the moment at which `left` was left."""
    relative, absolute = expiries
    shift = time.clock_gettime_ns(time.CLOCK_MONOTONIC) - time.clock_gettime_ns(time.CLOCK_REALTIME)
    # The two clocks are read one after the other: a margin.
    low, high = before + left - 10_000, after + left + 10_000
    if any(low + shift <= expiry <= high + shift for expiry in relative):
        return None
    return next((expiry for expiry in absolute if low <= expiry <= high), None)


def pending_ids(signals: Sequence[bytes]) -> set[int]:
    """The ids of timers whose signal is among these siginfo structures."""
    ids = set()
    for info in signals:
        code, timer_id = struct.unpack_from("<ixxxxi", info, 8)
        if code == SI_TIMER:
            ids.add(timer_id)
    return ids


class PlannedTimer:
    """One timer of an image, checked."""

    __slots__ = (
        "clock",
        "event",
        "expires",
        "id",
        "interval",
        "left",
        "overrun",
        "pending",
        "signal",
        "target",
        "tid",
    )

    def __init__(
        self, entry: PosixTimerEntry, own: TimerEntry, pid: int, tids: Sequence[int]
    ) -> None:
        first = tids[0]  # another than `pid` where that thread has exited
        self.id = entry.it_id
        self.clock = entry.clock_id - (1 << 32) * (entry.clock_id >> 31)
        self.interval = entry.isec * _NSEC + entry.insec
        self.left = entry.vsec * _NSEC + entry.vnsec
        self.expires = own.expires
        self.pending = bool(own.pending)
        self.overrun = entry.overrun
        self.tid = own.thread or first
        self.signal = entry.si_signo
        notify = entry.it_sigev_notify
        by_thread = notify == SIGEV_THREAD_ID
        self.target = (entry.notify_thread_id or 0) if by_thread else first
        if (
            not 0 <= self.id < 1 << 31
            or max(entry.insec, entry.vnsec) >= _NSEC
            or max(self.interval, self.left, self.expires or 0) >= 1 << 63
            or notify not in (SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD, SIGEV_THREAD_ID)
            or (notify != SIGEV_NONE and not 0 < self.signal <= 64)
            or not 0 <= self.signal < 1 << 31
            or self.tid not in tids
            or self.target not in tids
        ):
            raise ImageError(f"core-{pid}.img has an impossible POSIX timer {entry.it_id}")
        self.event = _EVENT.pack(
            entry.sival_ptr, self.signal, notify, self.target if by_thread else 0
        )
        if notify == SIGEV_NONE:
            self.overrun = 0  # counted when a signal is taken
            self.pending = False

    @property
    def special(self) -> bool:
        """Whether it has to expire again before anything of the program runs."""
        return self.pending or bool(self.overrun and self.interval)


def plan_timers(
    entries: Sequence[PosixTimerEntry], own: Sequence[TimerEntry], pid: int, tids: Sequence[int]
) -> list[PlannedTimer]:
    """By ascending id; `tids` are the threads that run. Raises ImageError."""
    more = {entry.it_id: entry for entry in own}
    timers = [
        PlannedTimer(entry, more.pop(entry.it_id, TimerEntry(it_id=entry.it_id)), pid, tids)
        for entry in entries
    ]
    if len({timer.id for timer in timers}) < len(timers) or more:
        raise ImageError(f"The images of task {pid} do not agree about its POSIX timers")
    return sorted(timers, key=lambda timer: timer.id)


def can_choose_ids() -> bool:
    return (
        kernel.raw(SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_GET, 0, 0, 0)
        >= 0
    )


def build_creation(
    timers: Sequence[PlannedTimer], name: str, *, choose: bool
) -> list[tuple[int, list[Program]]]:
    """Programs that make the timers, and the thread of each, to be run one after the other.

    Without `choose`, ids count upwards from nought, in a process that has not had a timer yet.
    """
    steps: list[tuple[int, list[Program]]] = []
    last = 0
    for timer in timers:
        if not steps or steps[-1][0] != timer.tid:
            steps.append((timer.tid, []))
        if timer.id - last > MOST_IDS and not choose:
            raise MissingFeature(
                f"Cannot restore {name}: its POSIX timer has the id {timer.id}",
                because="this kernel lets nobody choose an id (Linux 6.15 does) and it would take"
                f" more than {MOST_IDS} timers to come to it",
            )
        skipped = 0 if choose else timer.id - last
        for start in range(0, skipped + 1, _VISIT):
            program = Program()
            wanted = range(start, min(start + _VISIT, skipped + 1))
            event = program.put(timer.event)
            if choose:
                program.call(
                    SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_ON, 0, 0, 0
                )
            for number in wanted:
                made = timer.id - skipped + number
                room = program.put(struct.pack("<i", made))
                program.call(
                    SYS_timer_create,
                    timer.clock,
                    event,
                    room,
                    expect=EXACTLY,
                    label=f"make its POSIX timer {timer.id}",
                )
                if not choose:
                    number_made = ARG_LOAD32, room[1]
                    program.call(0, number_made, op=OP_VALUE, expect=EXACTLY, expected=made)
                if number < skipped:
                    program.call(SYS_timer_delete, made)
            if choose:
                program.call(
                    SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_OFF, 0, 0, 0
                )
            steps[-1][1].append(program)
        last = timer.id + 1
    return steps


class Arming:
    """Sets the timers of one process going, at its end."""

    def __init__(self, timers: Sequence[PlannedTimer]) -> None:
        self._timers = timers
        self._now: dict[int, int] = {}
        self._armed: set[int] = set()

    @property
    def special(self) -> list[PlannedTimer]:
        return [timer for timer in self._timers if timer.special]

    def ask_clocks(self, run: Callable[[int, Program], Executed]) -> None:
        """What the clocks of timers show that have to be armed for a time in the past."""
        for timer in self.special:
            program = Program()
            room = program.reserve(16)
            program.call(SYS_clock_gettime, timer.clock, room, label="read a timer's clock")
            seconds, nsec = struct.unpack("<qq", run(timer.tid, program).bytes(room, 16))
            self._now[timer.id] = seconds * _NSEC + nsec

    def build_overruns(self) -> list[tuple[int, Program]]:
        """Lets timers expire as often as they had and takes their signals: (thread, program).

        Nothing may be pending yet.
        """
        steps = []
        for timer in self._timers:
            if not timer.overrun or timer.pending or not timer.interval:
                continue
            if timer.clock == CLOCK_REALTIME and timer.expires is None:
                log.warning(
                    f"timer_getoverrun({timer.id}) will answer 0, not {timer.overrun}",
                    pid=timer.tid,
                )
                continue
            following = timer.expires or self._now[timer.id] + timer.left
            times = min(timer.overrun + 1, (following - 1) // timer.interval)
            if times != timer.overrun + 1:
                log.warning(
                    f"timer_getoverrun({timer.id}) will answer {max(times - 1, 0)}, not"
                    f" {timer.overrun}: its clock is too young",
                    pid=timer.tid,
                )
            if times < 1:
                continue
            program = Program()
            self._build(program, timer, following - times * timer.interval, absolute=True)
            mask = program.put(struct.pack("<Q", 1 << (timer.signal - 1)))
            limit = program.put(struct.pack("<qq", 1, 0))
            program.call(
                SYS_rt_sigtimedwait,
                mask,
                0,
                limit,
                8,
                expect=EXACTLY,
                expected=timer.signal,
                label=f"let its POSIX timer {timer.id} expire",
            )
            steps.append((timer.target, program))
        return steps

    def build_expired(self, program: Program, info: bytes) -> bool:
        """In place of a signal that a timer had queued: lets the timer expire and queue it. False
        if it is none, or not of a timer that is pending."""
        ids = pending_ids([info])
        for timer in self._timers:
            if timer.id in ids and timer.pending and timer.id not in self._armed:
                if timer.interval and timer.clock != CLOCK_REALTIME:
                    back = (timer.interval - timer.left % timer.interval) % timer.interval
                    self._build(program, timer, self._now[timer.id] - back, absolute=True)
                else:
                    self._build(program, timer, 1, absolute=False)
                # It expires in an interrupt, before what comes next in the queue.
                program.call(SYS_nanosleep, program.put(struct.pack("<qq", 0, 100_000)), 0)
                return True
        return False

    def build_armed(self, room: Callable[[int], Program]) -> None:
        """The others, last: their time runs from then on."""
        for timer in self._timers:
            if timer.id in self._armed:
                continue
            if timer.expires is not None:
                self._build(room(200), timer, timer.expires, absolute=True)
            elif timer.left:
                self._build(room(200), timer, timer.left, absolute=False)

    def _build(self, program: Program, timer: PlannedTimer, when: int, *, absolute: bool) -> None:
        self._armed.add(timer.id)
        interval = timer.interval
        spec = program.put(_SPEC.pack(*divmod(interval, _NSEC), *divmod(max(when, 1), _NSEC)))
        program.call(
            SYS_timer_settime,
            timer.id,
            TIMER_ABSTIME if absolute else 0,
            spec,
            0,
            label=f"arm its POSIX timer {timer.id}",
        )
