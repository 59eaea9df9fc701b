"""se.exec_start."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from crtools.errors import InternalError
from crtools.procfs.files import read_optional_task_file
from crtools.procfs.sched import parse_exec_start, read_exec_start

SAMPLE = b"""\
%s (21968, #threads: 1)
-------------------------------------------------------------------
se.exec_start                                :       2059459.035955
se.vruntime                                  :         17494.882737
"""


def test_milliseconds_become_nanoseconds() -> None:
    assert parse_exec_start(SAMPLE % b"python3") == 2_059_459_035_955


def test_a_name_cannot_pretend_to_be_the_line() -> None:
    assert parse_exec_start(SAMPLE % b"\nse.exec_start:") == 2_059_459_035_955


def test_a_kernel_without_it_says_nothing(fake_proc: Callable[[str, bytes], int]) -> None:
    assert parse_exec_start(b"x (1, #threads: 1)\n") is None
    assert read_exec_start(fake_proc("7/comm", b"x\n"), 7) is None


def test_an_odd_line_is_named() -> None:
    with pytest.raises(InternalError, match=r"se\.exec_start"):
        parse_exec_start((SAMPLE % b"x").replace(b"2059459.035955", b"2059459"))


def test_it_grows_while_we_run(proc: int) -> None:
    if read_optional_task_file(proc, os.getpid(), "sched") is None:
        pytest.skip("the kernel has no /proc/PID/sched")
    first = read_exec_start(proc, os.getpid(), os.getpid())
    second = first
    while second == first:
        second = read_exec_start(proc, os.getpid(), os.getpid())
    assert first is not None
    assert second is not None
    assert second > first
