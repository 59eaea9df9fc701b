"""POSIX timers: what images may say, how an id is come to, which clock one waits on."""

from __future__ import annotations

import struct

import pytest

from crtools.abi.signals import SI_TIMER, SI_USER, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD_ID
from crtools.errors import ImageError, MissingFeature
from crtools.images.messages.crtools_parts import TimerEntry
from crtools.images.messages.timer import PosixTimerEntry
from crtools.kinds.process.posix_timers import (
    MOST_IDS,
    build_creation,
    can_choose_ids,
    parse_expiries,
    pending_ids,
    plan_timers,
)
from crtools.procfs.files import open_proc
from crtools.procfs.timers import read_timers
from unit.kinds.files.interpreter import ProgramFailed, Worker

LIST = b"""\
Timer List Version: v0.9
cpu: 0
 clock 0:
  .base:       0000000007bbcc2e
active timers:
 #0: <00000000384a531a>, hrtimer_wakeup, S:01
 # expires at 11-61 nsecs [in 1 to 51 nsecs]
 #1: <00000000384a531b>, posix_timer_fn, S:01
 # expires at 12406021558455-12406021558455 nsecs [in 99994535630 to 99994535630 nsecs]
 clock 1:
active timers:
 #0: <0000000054356aac>, posix_timer_fn, S:01
 # expires at 1795270084642935308-1795270084642935308 nsecs [in -5 to -5 nsecs]
 clock 2:
active timers:
 #0: <00000000866ddadd>, posix_timer_fn, S:01
 # expires at 12406021616982-12406021616982 nsecs [in 1 to 1 nsecs]
cpu: 1
 clock 0:
active timers:
 #0: <00000000384a531c>, posix_timer_fn, S:01
 # expires at 77-77 nsecs [in 1 to 1 nsecs]
"""


def entry(id: int = 3, **changes: int) -> PosixTimerEntry:
    fields = {
        "it_id": id,
        "clock_id": 1,
        "si_signo": 10,
        "it_sigev_notify": SIGEV_SIGNAL,
        "sival_ptr": 1 << 63,
        "overrun": 0,
        "isec": 0,
        "insec": 0,
        "vsec": 100,
        "vnsec": 5,
    }
    return PosixTimerEntry(**(fields | changes))


def test_timers_of_two_clocks_and_all_cpus_are_found() -> None:
    assert parse_expiries(LIST) == ([12406021558455, 77], [1795270084642935308])


def test_nothing_is_found_in_an_empty_list() -> None:
    assert parse_expiries(b"") == ([], [])


def test_only_signals_of_timers_have_an_id() -> None:
    timers = struct.pack("<iiiiii104x", 10, 0, SI_TIMER, 0, 7, 0)
    sent = struct.pack("<iiiiii104x", 10, 0, SI_USER, 0, 8, 0)
    assert pending_ids([sent, timers]) == {7}


def test_timers_come_by_ascending_id() -> None:
    timers = plan_timers([entry(9), entry(2)], [TimerEntry(it_id=9, pending=True)], 5, [5])
    assert [(timer.id, timer.pending) for timer in timers] == [(2, False), (9, True)]
    assert timers[0].left == 100_000_000_005


def test_clocks_of_tasks_are_negative_numbers() -> None:
    assert plan_timers([entry(clock_id=0xFFFFFFFA)], [], 5, [5])[0].clock == -6


def test_a_timer_without_signal_has_no_overruns_and_waits_for_nothing() -> None:
    own = [TimerEntry(it_id=3, pending=True)]
    timers = plan_timers([entry(it_sigev_notify=SIGEV_NONE, overrun=4, isec=1)], own, 5, [5])
    assert not timers[0].special


@pytest.mark.parametrize(
    "changes",
    [
        {"it_id": 1 << 31},
        {"insec": 10**9},
        {"vnsec": 10**9},
        {"vsec": 1 << 63},
        {"isec": 1 << 63},
        {"it_sigev_notify": 3},
        {"si_signo": 0},
        {"si_signo": 65},
        {"it_sigev_notify": SIGEV_THREAD_ID, "notify_thread_id": 6},
        {"it_sigev_notify": SIGEV_THREAD_ID},
    ],
    ids=str,
)
def test_impossible_timers_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ImageError, match="impossible POSIX timer"):
        plan_timers([entry(**changes)], [], 5, [5, 7])


@pytest.mark.parametrize(
    ("entries", "own"),
    [
        ([entry(1), entry(1)], []),
        ([entry(1)], [TimerEntry(it_id=2)]),
    ],
)
def test_images_that_do_not_agree_are_refused(
    entries: list[PosixTimerEntry], own: list[TimerEntry]
) -> None:
    with pytest.raises(ImageError, match="do not agree"):
        plan_timers(entries, own, 5, [5])


def test_a_clock_of_a_thread_that_is_not_there_is_refused() -> None:
    with pytest.raises(ImageError, match="impossible POSIX timer"):
        plan_timers([entry()], [TimerEntry(it_id=3, thread=6)], 5, [5])


@pytest.mark.parametrize("choose", [False, True], ids=["counting", "choosing"])
def test_timers_get_the_ids_that_they_had(choose: bool) -> None:
    if choose and not can_choose_ids():
        pytest.skip("the kernel has no PR_TIMER_CREATE_RESTORE_IDS")
    proc = open_proc()
    with Worker() as worker:
        timers = plan_timers([entry(id) for id in (0, 1, 5, 100)], [], worker.pid, [worker.pid])
        for tid, programs in build_creation(timers, "it", choose=choose):
            assert tid == worker.pid
            for program in programs:
                worker.run(program)
        assert [timer.timer_id for timer in read_timers(proc, worker.pid)] == [0, 1, 5, 100]


def test_an_id_that_counting_does_not_come_to_is_noticed() -> None:
    with Worker() as worker:
        timers = plan_timers([entry(1)], [], worker.pid, [worker.pid])
        steps = build_creation(timers, "it", choose=False)
        worker.run(steps[0][1][0])
        with pytest.raises(ProgramFailed):
            worker.run(steps[0][1][0])


def test_ids_that_are_too_far_apart_for_counting_are_refused() -> None:
    timers = plan_timers([entry(4), entry(4 + MOST_IDS + 2)], [], 5, [5])
    with pytest.raises(MissingFeature, match=f"has the id {4 + MOST_IDS + 2}"):
        build_creation(timers, "it", choose=False)
    assert len(build_creation(timers, "it", choose=True)) == 1


def test_timers_on_clocks_of_threads_are_made_by_these_threads() -> None:
    own = [TimerEntry(it_id=2, thread=6), TimerEntry(it_id=3, thread=6)]
    timers = plan_timers([entry(id) for id in (1, 2, 3, 4)], own, 5, [5, 6])
    assert [tid for tid, _ in build_creation(timers, "it", choose=True)] == [5, 6, 5]
