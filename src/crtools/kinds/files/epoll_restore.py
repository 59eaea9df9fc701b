"""An epoll set, restored: watches are added when every descriptor is at its number.

A watch is known by its number and its file, and what is added when it is ready goes to the end of
the list of what is ready. So, in this order:

- what has told of an event and waits to be armed again (EPOLLONESHOT) is added so that it tells
  once more of anything that is ready, and told;
- what the program has been told of (EPOLLET) is added, and told;
- what is ready, in the order that it had; all others.

A number that is another file's by now, or nobody's, is the watched file's for that moment.

A watch of a signalfd waits for the signals of the process that adds it (fs/signalfd.c,
signalfd_poll): that is the first that has the set, as it was when it was made, before others were
forked.
"""

from __future__ import annotations

import struct
from errno import EBADF

from crtools.abi.fcntl import O_APPEND, O_CLOEXEC, O_NOATIME, O_NONBLOCK
from crtools.abi.ioctl import EPIOCSPARAMS
from crtools.abi.x86_64 import (
    SYS_close,
    SYS_dup3,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_ioctl,
    SYS_pidfd_getfd,
    SYS_pidfd_open,
    SYS_poll,
)
from crtools.agent.program import ref_at
from crtools.errors import ImageError
from crtools.images.messages.fdinfo import FdTypes
from crtools.kinds.files.anonymous import AnonymousPlanner, read_own
from crtools.kinds.files.base import WATCH
from crtools.kinds.files.epoll import EPOLLET, EPOLLONESHOT, MODES, is_disabled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from crtools.agent.program import Program, Ref
    from crtools.images.messages.eventpoll import EventpollTfdEntry
    from crtools.kinds.files.base import PlanContext, PlannedFile, Programs

EPOLL_CTL_ADD = 1
LEVELS = 5  # sets that watch sets: fs/eventpoll.c, EP_MAX_NESTS
_EVENT = struct.Struct("<IQ")
_POLL = struct.Struct("<ihh")
_PARAMS = struct.Struct("<IHBx")
_ANYTHING = 0x2FFF & ~0x20  # EPOLLIN to EPOLLRDHUP without EPOLLNVAL
_POLL_ANYTHING = 0x7FF & ~0x20  # POLLIN to POLLMSG
_BATCH = 1000


class EpollPlanner(AnonymousPlanner):
    what = "an epoll set"
    later = O_APPEND | O_NOATIME | O_NONBLOCK

    def __init__(self, context: PlanContext) -> None:
        super().__init__(context)
        self.own: dict[int, Any] = {}
        self._levels: dict[int, int] = {}

    def check_entry(self, file: PlannedFile) -> None:
        for watch in file.message.tfd:
            if watch.tfd > 0x7FFFFFFF:
                raise ImageError(f"File {file.id}, an epoll set, watches an impossible number")

    def place(self) -> None:
        self.own = read_own(self.context, "crtools-epoll")
        super().place()
        sets = {file.id: SetPlan(self, file) for file in self.files}
        for file in self.files:
            one = sets[file.id]
            one.level = self._level(sets, one, ())
            if one.watches or one.has_params:
                needed = [file, *[one.targets[index] for index in one.elsewhere]]
                self.context.add_late_job(WATCH + one.level, one.file.pid, one, needed)

    def _level(self, sets: dict[int, SetPlan], one: SetPlan, above: tuple[int, ...]) -> int:
        """How many levels of sets are below it."""
        id = one.file.id
        if id in above or len(above) > LEVELS:
            raise ImageError(f"File {id}, an epoll set, is watched in a circle or too deep")
        level = self._levels.get(id)
        if level is None:
            below = [
                self._level(sets, sets[target.id], (*above, id))
                for target in one.targets
                if target.type == FdTypes.EVENTPOLL
            ]
            level = self._levels[id] = 1 + max(below) if below else 0
        return level

    def build(self, program: Program, file: PlannedFile, flags: int) -> Ref:
        return program.call(
            SYS_epoll_create1,
            flags & O_CLOEXEC,
            label=lambda: f"make {self.context.describe(file)}",
        )


class SetPlan:
    """What one set watches: the late job of its first user."""

    def __init__(self, planner: EpollPlanner, file: PlannedFile) -> None:
        self.context = planner.context
        self.file = file
        self.watches: Sequence[EventpollTfdEntry] = file.message.tfd
        own = planner.own.get(file.id)
        self.level = 0
        self.params = (0, 0, 0)
        self.ready: list[int] = []
        self.reported: list[int] = []
        self.elsewhere: dict[int, int] = {}
        if own is not None:
            self.params = (own.usecs or 0, own.budget or 0, int(own.prefer or False))
            self.ready, self.reported = own.ready, own.reported
            self.elsewhere = {target.index: target.file for target in own.targets}
            self._check_own()
        self.table = self.context.tables[file.pid]
        self.targets = [self._target(index) for index in range(len(self.watches))]
        self.spare = -1
        if self.elsewhere:
            # While a number is the watched file's, what it belongs to is here.
            self.spare = self.table.park()
            self.table.unpark(self.spare)
            self.table.temporary.update(self.watches[index].tfd for index in self.elsewhere)

    def _check_own(self) -> None:
        count = len(self.watches)
        told = [*self.ready, *self.reported]
        if (
            len(set(told)) < len(told)
            or any(index >= count for index in (*told, *self.elsewhere))
            or self.params[1] > 0xFFFF
        ):
            raise ImageError(
                f"crtools-epoll.img does not fit file {self.file.id}, which has {count} watches"
            )

    def _target(self, index: int) -> PlannedFile:
        id = self.elsewhere.get(index)
        if id is None:
            number = self.watches[index].tfd
            for pid, _, _ in self.file.users:
                if number in self.context.tables[pid].wanted:
                    id = self.context.tables[pid].wanted[number][0]
                    if pid != self.file.pid:
                        self.elsewhere[index] = id
                    break
        target = self.context.files.get(id) if id is not None else None
        if target is None or target is self.file:
            raise ImageError(
                f"File {self.file.id}, an epoll set, watches fd {self.watches[index].tfd}, which"
                " nobody has"
            )
        return target

    @property
    def has_params(self) -> bool:
        return any(self.params)

    def __call__(self, programs: Programs) -> None:
        watches = self.watches
        if self.has_params:
            program = programs.need(256)
            program.call(
                SYS_ioctl,
                self.file.number,
                EPIOCSPARAMS,
                program.put(_PARAMS.pack(*self.params)),
                label=lambda: f"set the busy polling of {self.what()}",
            )
        disabled = [n for n, watch in enumerate(watches) if is_disabled(watch.events)]
        for index in disabled:
            self._add_disabled(programs, index)
        self._tell(programs, len(disabled))
        done = set(disabled)
        # Who has been told once, with EPOLLONESHOT, would not be told again.
        reported = [
            index
            for index in self.reported
            if watches[index].events & (EPOLLET | EPOLLONESHOT) == EPOLLET and index not in done
        ]
        self._add(programs, reported)
        self._tell(programs, len(reported))
        done.update(reported)
        ready = [index for index in self.ready if index not in done]
        self._add(programs, ready)
        done.update(ready)
        self._add(programs, [index for index in range(len(watches)) if index not in done])

    def _tell(self, programs: Programs, count: int) -> None:
        """Takes what has happened since the set was made from it."""
        for start in range(0, count, _BATCH):
            some = min(count - start, _BATCH)
            program = programs.need(256 + some * _EVENT.size)
            room = program.reserve(some * _EVENT.size)
            program.call(
                *(SYS_epoll_pwait, self.file.number, room, some, 0, 0, 8),
                label=lambda: f"take events from {self.what()}",
            )

    def _add(self, programs: Programs, indices: Sequence[int]) -> None:
        """Adds watches in this order."""
        plain: list[int] = []
        for index in indices:
            if index in self.elsewhere:
                self._add_plain(programs, plain)
                plain = []
                program = programs.need(2048)
                self._place(program, index)
                self._build_add(program, index, self.watches[index].events)
                self._put_back(program, index)
            else:
                plain.append(index)
        self._add_plain(programs, plain)

    def _add_plain(self, programs: Programs, indices: Sequence[int]) -> None:
        """Adds those whose number is the watched file's."""
        number, watches = self.file.number, self.watches
        for start in range(0, len(indices), _BATCH):
            some = [watches[index] for index in indices[start : start + _BATCH]]
            program = programs.need(256 + len(some) * 100)
            events = program.put(b"".join([_EVENT.pack(w.events, w.data) for w in some]))
            program.repeat(
                SYS_epoll_ctl,
                [
                    (number, EPOLL_CTL_ADD, watch.tfd, ref_at(events, at * _EVENT.size))
                    for at, watch in enumerate(some)
                ],
                lambda: f"add what {self.what()} watches",
            )

    def _build_add(self, program: Program, index: int, events: int) -> None:
        watch = self.watches[index]
        # The number may be the set's own by now.
        displaced = index in self.elsewhere and watch.tfd == self.file.number
        program.call(
            SYS_epoll_ctl,
            self.spare if displaced else self.file.number,
            EPOLL_CTL_ADD,
            watch.tfd,
            program.put(_EVENT.pack(events, watch.data)),
            label=lambda: f"watch fd {watch.tfd} by {self.what()}",
        )

    def _add_disabled(self, programs: Programs, index: int) -> None:
        """One that is to be armed again by the program. It becomes so when it tells of something,
        and so it cannot where there is nothing to be told at all: then it tells of errors."""
        watch = self.watches[index]
        program = programs.need(3072)
        if index in self.elsewhere:
            self._place(program, index)
        modes = watch.events & MODES
        look = program.put(_POLL.pack(watch.tfd, _POLL_ANYTHING, 0))
        found = program.call(SYS_poll, look, 1, 0, label=lambda: f"poll fd {watch.tfd}")
        program.skip_if(found, 0, 1)
        self._build_add(program, index, modes | EPOLLONESHOT | _ANYTHING)
        program.skip_if(found, 1, 2)
        self._build_add(program, index, modes | EPOLLONESHOT)
        # Not a call, but a way to be told that it has come to this.
        program.attempt(
            SYS_close, -1, refusals=(EBADF,), otherwise=lambda errno: self._report(index)
        )
        if index in self.elsewhere:
            self._put_back(program, index)

    def _report(self, index: int) -> None:
        watch = self.watches[index]
        self.context.shortfalls.report(
            self.file.pid,
            f"task {self.file.pid}",
            f"the watch of fd {watch.tfd} by the epoll set at fd {self.file.number}, which waits"
            " to be armed again (EPOLLONESHOT)",
            wanted="nothing",
            got="errors and hang-ups",
            because="the kernel lets it rest only after an event, and there is none",
        )

    def _place(self, program: Program, index: int) -> None:
        """Has the watched file at the number that it was added by. Locks of the process would not
        survive that: they come later."""
        number = self.watches[index].tfd
        target = self.targets[index]

        def label() -> str:
            return f"have {self.context.describe(target)} at {number} for {self.what()}"

        here = self._number_here(target)
        if here == number:
            return  # what is in flight has any number meanwhile
        if self._occupied(number) is not None:
            program.call(SYS_dup3, number, self.spare, O_CLOEXEC, label=label)
        if here >= 0:
            program.call(SYS_dup3, here, number, O_CLOEXEC, label=label)
            return
        pid, fd, _ = target.users[0]
        pidfd = program.call(SYS_pidfd_open, pid, 0, label=label)
        taken = program.call(SYS_pidfd_getfd, pidfd, fd, 0, label=label)
        program.call(SYS_close, pidfd)
        program.skip_if(taken, number, 2)
        program.call(SYS_dup3, taken, number, O_CLOEXEC, label=label)
        program.call(SYS_close, taken)

    def _number_here(self, target: PlannedFile) -> int:
        """A number of the watched file in the process that adds it, -1: there is none."""
        return next((fd for pid, fd, _ in target.users if pid == self.file.pid), -1)

    def _put_back(self, program: Program, index: int) -> None:
        number = self.watches[index].tfd
        if self._number_here(self.targets[index]) == number:
            return
        cloexec = self._occupied(number)
        if cloexec is None:
            program.call(SYS_close, number)
            return
        program.call(SYS_dup3, self.spare, number, O_CLOEXEC if cloexec else 0)
        program.call(SYS_close, self.spare)

    def _occupied(self, number: int) -> bool | None:
        """Whether what a number is for is close-on-exec; None: it is free."""
        if number in self.table.wanted:
            return self.table.wanted[number][1]
        return True if self.context.is_kept(self.file.pid, number) else None

    def what(self) -> str:
        return self.context.describe(self.file)
