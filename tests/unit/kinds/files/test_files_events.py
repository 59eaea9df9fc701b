"""eventfd, epoll, timerfd, signalfd, pidfd: what images may not say, and what tells of failures."""

from __future__ import annotations

import os
import select
import struct
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from crtools.agent.program import Program
from crtools.errors import ImageError, InternalError, UnsupportedObject
from crtools.images.messages.crtools_events import (
    CrtoolsEpollEntry,
    CrtoolsEventfdEntry,
    CrtoolsTimerfdEntry,
    EpollTargetEntry,
)
from crtools.images.messages.eventfd import EventfdFileEntry
from crtools.images.messages.eventpoll import EventpollFileEntry, EventpollTfdEntry
from crtools.images.messages.fdinfo import FdinfoEntry, FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.pidfd import PidfdEntry
from crtools.images.messages.signalfd import SignalfdEntry
from crtools.images.messages.timerfd import TimerfdEntry
from crtools.images.store import ImageStore
from crtools.kinds.files.base import ARM, OpenFile
from crtools.kinds.files.epoll_dump import Watch
from crtools.kinds.files.plan import FilesPlan
from crtools.kinds.files.table import FilesDump
from crtools.kinds.files.timerfd import TimerState
from crtools.model.options import Options
from crtools.procfs.files import open_proc
from unit.kinds.files.interpreter import Process, ProgramFailed, take
from unit.kinds.files.roundtrip import Roundtrip

NOBODY = FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0)
COMMON: dict[str, Any] = {"flags": os.O_RDWR, "fown": NOBODY}


def eventfd(id: int = 1, **fields: Any) -> FileEntry:
    entry = EventfdFileEntry(**{"id": id, "counter": 0, **COMMON, **fields})
    return FileEntry(type=FdTypes.EVENTFD, id=id, efd=entry)


def epoll(id: int, *watched: int) -> FileEntry:
    watches = [EventpollTfdEntry(id=id, tfd=fd, events=25, data=fd) for fd in watched]
    entry = EventpollFileEntry(id=id, tfd=watches, **COMMON)
    return FileEntry(type=FdTypes.EVENTPOLL, id=id, epfd=entry)


def timerfd(**fields: Any) -> FileEntry:
    times = dict.fromkeys(("ticks", "settime_flags", "vsec", "vnsec", "isec", "insec"), 0)
    entry = TimerfdEntry(**{"id": 1, "clockid": 1, **COMMON, **times, **fields})
    return FileEntry(type=FdTypes.TIMERFD, id=1, tfd=entry)


def signalfd(**fields: Any) -> FileEntry:
    entry = SignalfdEntry(**{"id": 1, "sigmask": 0, **COMMON, **fields})
    return FileEntry(type=FdTypes.SIGNALFD, id=1, sgfd=entry)


def pidfd(**fields: Any) -> FileEntry:
    entry = PidfdEntry(**{"id": 1, "ino": 1, "nspid": 1, **COMMON, **fields})
    return FileEntry(type=FdTypes.PIDFD, id=1, pidfd=entry)


def plan(tmp_path: Path, *entries: FileEntry, **own: Any) -> FilesPlan:
    """Entry N is descriptor N of task 5."""
    store = ImageStore.create(str(tmp_path / "images"))
    store.write("files", list(entries))
    for key, content in own.items():
        store.write("crtools-" + key, [content])
    table = [FdinfoEntry(id=e.id, flags=0, type=e.type, fd=e.id) for e in entries]
    try:
        return FilesPlan(store, [(5, table)], Options())
    finally:
        store.close()


@pytest.mark.parametrize(
    ("entry", "own", "what"),
    [
        (eventfd(counter=(1 << 64) - 1), {}, "an impossible counter"),
        (eventfd(flags=os.O_RDONLY), {}, "an eventfd, has impossible flags"),
        (eventfd(flags=os.O_RDWR | os.O_CREAT), {}, "an eventfd, has impossible flags"),
        (signalfd(flags=1), {}, "a signalfd, has impossible flags"),
        (timerfd(clockid=2), {}, "an impossible clock"),
        (timerfd(vnsec=10**9), {}, "an impossible clock or time"),
        (timerfd(insec=10**9), {}, "an impossible clock or time"),
        (timerfd(isec=1 << 62), {}, "an impossible clock or time"),
        (timerfd(settime_flags=4), {}, "an impossible clock or time"),
        (timerfd(), {"timerfd": CrtoolsTimerfdEntry(id=1, expires=1 << 63)}, "an impossible time"),
        (pidfd(nspid=4), {}, "a pidfd of task 4, which is not in the images"),
        (epoll(1, 7), {}, "watches fd 7, which nobody has"),
        (epoll(1, 1), {}, "watches fd 1, which nobody has"),
        (epoll(1, 1 << 31), {}, "watches an impossible number"),
    ],
)
def test_images_that_lie_are_refused(tmp_path, entry, own, what):
    with pytest.raises(ImageError, match=what):
        plan(tmp_path, entry, **own)


@pytest.mark.parametrize(
    "own",
    [
        CrtoolsEpollEntry(id=1, ready=[1]),
        CrtoolsEpollEntry(id=1, ready=[0, 0]),
        CrtoolsEpollEntry(id=1, ready=[0], reported=[0]),
        CrtoolsEpollEntry(id=1, targets=[EpollTargetEntry(index=3, file=2)]),
        CrtoolsEpollEntry(id=1, budget=1 << 16),
    ],
)
def test_what_is_said_of_watches_has_to_fit_them(tmp_path, own):
    with pytest.raises(ImageError, match="does not fit file 1, which has 1 watches"):
        plan(tmp_path, epoll(1, 2), eventfd(2), epoll=own)


def test_sets_that_watch_one_another_in_a_circle_are_refused(tmp_path):
    with pytest.raises(ImageError, match="watched in a circle or too deep"):
        plan(tmp_path, epoll(1, 2), epoll(2, 3), epoll(3, 1))


def test_sets_in_more_sets_than_the_kernel_allows_are_refused(tmp_path):
    sets = [epoll(id, id + 1) for id in range(1, 9)]
    with pytest.raises(ImageError, match="watched in a circle or too deep"):
        plan(tmp_path, *sets, eventfd(9))


def test_two_entries_for_one_file_are_refused(tmp_path):
    store = ImageStore.create(str(tmp_path / "images"))
    store.write("files", [eventfd()])
    store.write("crtools-eventfd", [CrtoolsEventfdEntry(id=1, semaphore=True)] * 2)
    table = [FdinfoEntry(id=1, flags=0, type=FdTypes.EVENTFD, fd=1)]
    with pytest.raises(ImageError, match="two entries for file 1"):
        FilesPlan(store, [(5, table)], Options())
    store.close()


def test_an_image_without_our_own_is_enough(tmp_path):
    """CRIU writes none of them; a set's watches have the set's id there, or none."""
    made = plan(tmp_path, epoll(1, 2), eventfd(2))
    assert sorted(made.late_jobs) == [3]


def test_a_line_of_an_epoll_set_is_understood():
    line = b"4 events: 80000019 data: fedcba9876543210  pos:-1 ino:40e sdev:800010"
    watch = Watch(line)
    assert (watch.fd, watch.events, watch.data) == (4, 0x80000019, 0xFEDCBA9876543210)
    assert (watch.pos, watch.inode, watch.device) == (-1, 0x40E, os.makedev(8, 16))
    assert watch.is_told_once
    for broken in (b"", b"4 events: 1 data: 2 pos:0 ino:40e", line.replace(b"ino:40e", b"ino:xyz")):
        with pytest.raises(InternalError):
            Watch(broken)


def test_lines_of_a_timer_are_understood():
    timer = TimerState(
        {
            b"clockid": [b"7"],
            b"ticks": [b"3"],
            b"settime flags": [b"03"],
            b"it_value": [b"(3598, 769862256)"],
            b"it_interval": [b"(1, 0)"],
        }
    )
    assert (timer.clock, timer.ticks, timer.flags) == (7, 3, 3)
    assert (timer.left, timer.interval) == (3_598_769_862_256, 1_000_000_000)


@pytest.mark.root
class TestRefused:
    """What a dump refuses; the facts are made up, the context is real."""

    def refusal(self, link: bytes, extra: dict[bytes, list[bytes]]) -> UnsupportedObject:
        def idle() -> None:
            os.eventfd(0)
            while True:
                select.select([], [], [])

        proc = open_proc()
        with Process(idle) as process:
            dump = FilesDump(proc, None, Options())
            some = os.eventfd(0)
            stat = os.fstat(some)
            os.close(some)
            file = OpenFile(
                *(process.pid, process.pid, 0, f"{process.pid}/fd/0", link, stat, os.O_RDWR),
                extra=extra,
                owner=(0, 0, 0),
            )

            def add() -> None:
                dump._add_file(file)
                dump.check()

            with pytest.raises(UnsupportedObject) as caught:
                add()
            dump.close()
        os.close(proc)
        return caught.value

    def test_a_counter_that_has_overflowed(self):
        error = self.refusal(b"anon_inode:[eventfd]", {b"eventfd-count": [b"f" * 16]})
        assert "an eventfd whose counter has overflowed" in error.what
        assert error.hint

    def test_a_task_of_another_pid_namespace(self):
        error = self.refusal(b"anon_inode:[pidfd]", {b"Pid": [b"0"], b"NSpid": [b"0"]})
        assert "a pidfd of a task that has no pid here" in error.what
        assert "pid namespace" in error.because
        assert error.hint


@pytest.mark.root
def test_a_counter_and_a_set_go_through_images(roundtrip: Roundtrip):
    def body() -> None:
        first = os.eventfd(1 << 31, os.EFD_NONBLOCK)
        with select.epoll() as watching:
            watching.register(first, select.EPOLLIN | select.EPOLLET)
            os.dup2(watching.fileno(), 9)

    (worker,) = roundtrip(body)
    with select.epoll.fromfd(take(worker.pid, 9)) as watching:
        assert watching.poll(0) == [(0, select.EPOLLIN)]
    counter = take(worker.pid, 0)
    assert os.eventfd_read(counter) == 1 << 31
    os.close(counter)


@pytest.mark.root
def test_a_failure_says_which_set_and_what_it_watches(roundtrip: Roundtrip):
    def body() -> None:
        first = os.eventfd(0)
        with select.epoll() as watching:
            watching.register(first, select.EPOLLIN)
            os.dup2(watching.fileno(), 9)

    dump = roundtrip.dump(body)
    (entry,) = [e.epfd for e in dump.entries if e.epfd is not None]
    assert len(entry.tfd) == 1
    # A file that nobody can watch: the kernel says no.
    entry.tfd[0].events = 1 << 28 | 1 << 30
    roundtrip.store.remove("files")
    roundtrip.store.write("files", dump.entries)
    with pytest.raises(ProgramFailed) as caught:
        roundtrip.restore()
    assert "watch fd 0 by an epoll set for fd 9 of task" in caught.value.label


def test_timers_of_the_past_and_the_future(tmp_path):
    """`struct itimerspec` of timerfd_settime, as late jobs build it."""

    def armed(entry: FileEntry, **own: Any) -> tuple[int, ...]:
        made = plan(Path(tempfile.mkdtemp(dir=tmp_path)), entry, **own)
        program = Program()
        made.plan_round(ARM, 5, program)
        return struct.unpack_from("<4q", program.data)

    assert armed(timerfd(vsec=3, vnsec=4, isec=5, insec=6)) == (5, 6, 3, 4)
    assert armed(timerfd(isec=5)) == (5, 0, 0, 0)
    # With expirations to be put back it must not expire at once.
    assert armed(timerfd(vnsec=1, isec=5, ticks=7)) == (5, 0, 0, 10_000_000)
    date = CrtoolsTimerfdEntry(id=1, expires=1_000_000_000_000_000_000)
    dated = timerfd(clockid=0, settime_flags=1, vsec=1, isec=5, ticks=7)
    assert armed(dated, timerfd=date) == (5, 0, 1_000_000_000 - 35, 0)
    # Images of CRIU have only what is left.
    seconds = armed(timerfd(clockid=1, settime_flags=1, vsec=100))[2]
    assert 0 <= time.monotonic() + 100 - seconds < 60
