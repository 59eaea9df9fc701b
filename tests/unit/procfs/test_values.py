"""Files of one value."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable

import pytest

from crtools.errors import InternalError, MissingFeature
from crtools.procfs import values


def test_a_name_may_hold_newlines() -> None:
    assert values.parse_comm(b"a\n\n") == b"a\n"
    assert values.parse_comm(b"\n") == b""
    with pytest.raises(InternalError, match="comm"):
        values.parse_comm(b"a")


def test_numbers_in_any_base_or_an_error_that_names_the_file() -> None:
    assert values.parse_number("x", b"-1000\n") == -1000
    assert values.parse_number("x", b"00000033\n", 16) == 0x33
    with pytest.raises(InternalError, match="/proc/PID/x"):
        values.parse_number("/proc/PID/x", b"\n")


def test_uptime_is_in_nanoseconds(proc: int) -> None:
    assert values.parse_uptime(b"2059.61 3813.02\n") == 2_059_610_000_000
    with pytest.raises(InternalError, match="uptime"):
        values.parse_uptime(b"soon\n")
    assert abs(values.read_uptime(proc) - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) < 10**9


def test_a_procfs_of_tasks_only_has_no_uptime(fake_proc: Callable[[str, bytes], int]) -> None:
    with pytest.raises(MissingFeature, match="uptime"):
        values.read_uptime(fake_proc("7/comm", b"x\n"))


def test_an_audit_uid_that_was_never_set_is_none(fake_proc: Callable[[str, bytes], int]) -> None:
    assert values.read_loginuid(fake_proc("7/loginuid", b"4294967295"), 7) is None
    assert values.read_loginuid(fake_proc("8/loginuid", b"1000"), 8) == 1000
    assert values.read_loginuid(fake_proc("9/comm", b"x\n"), 9) is None


def test_wchan_zero_is_nothing(fake_proc: Callable[[str, bytes], int]) -> None:
    assert values.read_wchan(fake_proc("7/wchan", b"0"), 7) == b""
    assert values.read_wchan(fake_proc("7/wchan", b"pipe_read"), 7) == b"pipe_read"


def test_a_task_without_memory_has_no_core_dump(fake_proc: Callable[[str, bytes], int]) -> None:
    assert values.read_coredump_filter(fake_proc("7/coredump_filter", b""), 7) is None
    assert values.read_coredump_filter(fake_proc("7/coredump_filter", b"00000033\n"), 7) == 0x33


def test_our_own_values(proc: int) -> None:
    pid = os.getpid()
    libc = ctypes.CDLL(None)
    assert values.read_comm(proc, pid) == values.read_comm(proc, pid, pid)
    assert values.read_personality(proc, pid) == libc.personality(0xFFFFFFFF)
    assert values.read_timerslack(proc, pid) == libc.prctl(30, 0, 0, 0, 0)  # PR_GET_TIMERSLACK
    assert -1000 <= values.read_oom_score_adj(proc, pid) <= 1000
    values.read_loginuid(proc, pid)
    assert values.read_coredump_filter(proc, pid) is not None


@pytest.mark.parametrize(
    ("text", "nice"), [(b"/autogroup-812 nice -5\n", -5), (b"/autogroup-1 nice 19\n", 19), (b"", 0)]
)
def test_nice_value_of_a_session(text: bytes, nice: int) -> None:
    assert values.parse_autogroup(text) == nice


@pytest.mark.parametrize("text", [b"/autogroup-1 nice", b"/autogroup-1 mean 5", b"a nice b"])
def test_odd_autogroup_is_an_error(text: bytes) -> None:
    with pytest.raises(InternalError):
        values.parse_autogroup(text)
