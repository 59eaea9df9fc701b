"""timerfd_create(2): timers that are read.

/proc/PID/fdinfo tells the clock, the expirations that nobody has read, what is left and the
interval (fs/timerfd.c, timerfd_show). What it does not tell is how often a periodic timer has
expired since it did so first: the kernel counts only when it is asked, by read(2) or by
timerfd_gettime(2), which is asked here; the timer then runs on instead of resting until it is read.

Time stands still for a timer as it does for POSIX timers (crtools.kinds.process.posix_timers): what
was left is left. One that was armed for a time of day expires at that time, or at once, as often as
its interval has passed since.
"""

from __future__ import annotations

import os
import struct
import time

from crtools.abi import kernel
from crtools.abi.ioctl import TFD_IOC_SET_TICKS
from crtools.abi.x86_64 import (
    SYS_ioctl,
    SYS_timerfd_create,
    SYS_timerfd_gettime,
    SYS_timerfd_settime,
)
from crtools.errors import ImageError
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.timerfd import TimerfdEntry
from crtools.kinds.files.anonymous import AnonymousPlanner, read_own
from crtools.kinds.files.base import ARM, FileDumper, FileKind, FilePlanner
from crtools.procfs.fdinfo import read_fdinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crtools.agent.program import Program, Ref
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext, PlannedFile, Programs

# linux/time.h, linux/timerfd.h
CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME = 0, 1, 7
CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM = 8, 9
CLOCKS = (
    CLOCK_REALTIME,
    CLOCK_MONOTONIC,
    CLOCK_BOOTTIME,
    CLOCK_REALTIME_ALARM,
    CLOCK_BOOTTIME_ALARM,
)
TIMES_OF_DAY = (CLOCK_REALTIME, CLOCK_REALTIME_ALARM)
TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET = 1, 2
_NSEC = 1_000_000_000
_SPEC = struct.Struct("<4q")  # struct itimerspec: it_interval, it_value
# Expirations are put back after the timer has been armed, which sets them to nought; so it must not
# expire between these two calls.
_MARGIN = 10_000_000


class Timerfd(FileKind):
    type = FdTypes.TIMERFD
    field = "tfd"

    def matches(self, file: OpenFile) -> bool:
        return file.link == b"anon_inode:[timerfd]"

    def dumper(self, context: DumpContext) -> FileDumper:
        return TimerfdDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return TimerfdPlanner(context)


class TimerState:
    """What fdinfo says; times in ns."""

    __slots__ = ("clock", "flags", "interval", "left", "ticks")

    def __init__(self, extra: dict[bytes, list[bytes]]) -> None:
        self.clock = int(extra[b"clockid"][0])
        self.ticks = int(extra[b"ticks"][0])
        self.flags = int(extra[b"settime flags"][0], 8)
        self.left = _parse_time(extra[b"it_value"][0])
        self.interval = _parse_time(extra[b"it_interval"][0])


def _parse_time(text: bytes) -> int:
    """ "(3598, 769862256)": seconds and nanoseconds."""
    seconds, nsec = text.strip(b"()").split(b",")
    return int(seconds) * _NSEC + int(nsec)


class TimerfdDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.expiries: list[tuple[int, int]] = []

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        timer = TimerState(file.extra)
        if not timer.left:
            if not timer.ticks:
                # It is not armed, or expires just now: then it has by the time of a second look.
                timer = self._look_again(file)
            if timer.ticks and timer.interval and not timer.left:
                timer = self._count(file)
        if timer.left and timer.flags & TFD_TIMER_ABSTIME and timer.clock in TIMES_OF_DAY:
            self.expiries.append((id, self._time_of_day(file)))
        self.context.watch(file, "the timerfd")
        return FileEntry(
            type=FdTypes.TIMERFD,
            id=id,
            tfd=TimerfdEntry(
                id=id,
                flags=file.flags,
                fown=self.context.owner_of(file),
                clockid=timer.clock,
                ticks=timer.ticks,
                settime_flags=timer.flags,
                vsec=timer.left // _NSEC,
                vnsec=timer.left % _NSEC,
                isec=timer.interval // _NSEC,
                insec=timer.interval % _NSEC,
            ),
        )

    def _look_again(self, file: OpenFile) -> TimerState:
        return TimerState(read_fdinfo(self.context.proc, file.pid, file.fd, file.tid).extra)

    def _count(self, file: OpenFile) -> TimerState:
        """Has the kernel count the expirations until now. It may expire again before the count is
        read; one that does so every time is about to."""
        fd = self.context.borrow(file)
        try:
            for _ in range(8):
                _gettime(fd)
                timer = self._look_again(file)
                if timer.left:
                    return timer
        finally:
            os.close(fd)
        timer.left = timer.interval
        return timer

    def _time_of_day(self, file: OpenFile) -> int:
        """When it expires: in ns since 1970, never too early."""
        fd = self.context.borrow(file)
        try:
            left = _gettime(fd)
            return time.clock_gettime_ns(time.CLOCK_REALTIME) + left
        finally:
            os.close(fd)

    def finish(self) -> None:
        if self.expiries:
            from crtools.images.messages.crtools_events import CrtoolsTimerfdEntry

            self.context.store.write(
                "crtools-timerfd",
                [CrtoolsTimerfdEntry(id=id, expires=expires) for id, expires in self.expiries],
            )


def _gettime(fd: int) -> int:
    room = bytearray(_SPEC.size)
    kernel.checked(SYS_timerfd_gettime, fd, kernel.address_of(room))
    _, _, seconds, nsec = _SPEC.unpack(room)
    return int(seconds) * _NSEC + int(nsec)


class TimerfdPlanner(AnonymousPlanner):
    what = "a timerfd"

    def __init__(self, context: PlanContext) -> None:
        super().__init__(context)
        self.own: dict[int, Any] = {}

    def check_entry(self, file: PlannedFile) -> None:
        entry = file.message
        if (
            entry.clockid not in CLOCKS
            or max(entry.vnsec, entry.insec) >= _NSEC
            or max(entry.vsec, entry.isec) >= (1 << 63) // _NSEC
            or entry.settime_flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)
        ):
            raise ImageError(f"File {file.id}, a timerfd, has an impossible clock or time")

    def place(self) -> None:
        self.own = read_own(self.context, "crtools-timerfd")
        for own in self.own.values():
            if own.expires >= 1 << 63:
                raise ImageError(f"File {own.id}, a timerfd, has an impossible time")
        super().place()
        for file in self.files:
            entry = file.message
            state = entry.vsec, entry.vnsec, entry.isec, entry.insec, entry.ticks
            if any(state) or entry.settime_flags:
                self.context.add_late_job(ARM, file.pid, Arming(self, file), [file])

    def build(self, program: Program, file: PlannedFile, flags: int) -> Ref:
        return program.call(
            SYS_timerfd_create,
            file.message.clockid,
            flags,
            label=lambda: f"make {self.context.describe(file)}",
        )


class Arming:
    """Arms one, late: its time runs from then on."""

    __slots__ = ("file", "planner")

    def __init__(self, planner: TimerfdPlanner, file: PlannedFile) -> None:
        self.planner = planner
        self.file = file

    def __call__(self, programs: Programs) -> None:
        file, entry = self.file, self.file.message
        interval = entry.isec * _NSEC + entry.insec
        value, ticks = self._value(interval)
        program = programs.need(512)
        spec = program.put(_SPEC.pack(*divmod(interval, _NSEC), *divmod(value, _NSEC)))
        program.call(
            SYS_timerfd_settime,
            file.number,
            entry.settime_flags,
            spec,
            0,
            label=lambda: f"arm {self._what()}",
        )
        if ticks:
            program.call(
                SYS_ioctl,
                file.number,
                TFD_IOC_SET_TICKS,
                program.put(ticks.to_bytes(8, "little")),
                label=lambda: f"count the expirations of {self._what()}",
            )

    def _value(self, interval: int) -> tuple[int, int]:
        """What to arm it for, and the expirations to be put back."""
        entry = self.file.message
        ticks: int = entry.ticks
        left = entry.vsec * _NSEC + entry.vnsec
        if not left:
            return 0, ticks
        own = self.planner.own.get(self.file.id)
        if own is not None:
            if ticks and interval and own.expires <= self._now() + _MARGIN:
                # It expires at once, and the kernel counts from the first that was not read.
                return max(own.expires - ticks * interval, 1), 0
            return max(own.expires, 1), ticks
        if ticks:
            left = max(left, _MARGIN)
        if entry.settime_flags & TFD_TIMER_ABSTIME:
            left += self._now()
        return left, ticks

    def _now(self) -> int:
        """In ns, what the timer's clock shows to the process."""
        clock = self.file.message.clockid
        if clock in TIMES_OF_DAY:
            return time.clock_gettime_ns(time.CLOCK_REALTIME)
        monotonic, boot = self.planner.context.clock_offsets
        if clock == CLOCK_MONOTONIC:
            return time.clock_gettime_ns(time.CLOCK_MONOTONIC) + monotonic
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) + boot

    def _what(self) -> str:
        return self.planner.context.describe(self.file)
