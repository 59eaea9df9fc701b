"""What a thread is blocked in."""

from __future__ import annotations

import os
import time

import pytest

from crtools.abi.x86_64 import SYS_read
from crtools.errors import InternalError
from crtools.procfs.maps import read_maps
from crtools.procfs.syscall import BlockedIn, parse_syscall, read_syscall


def test_running_blocked_and_elsewhere() -> None:
    assert parse_syscall(b"running\n") is None
    assert parse_syscall(b"-1 0x7ffd16b4b828 0x7f07e25162ad\n") == BlockedIn(
        -1, (), 0x7FFD16B4B828, 0x7F07E25162AD
    )
    assert parse_syscall(b"230 0x0 0x1 0x2 0x3 0x4 0xffffffffffffffff 0x7 0x8\n") == BlockedIn(
        230, (0, 1, 2, 3, 4, 2**64 - 1), 7, 8
    )


@pytest.mark.parametrize("data", [b"", b"0\n", b"0 0x1 0x2\n", b"-1 1 2 3\n", b"x 0x1 0x2\n"])
def test_odd_text_is_an_error_that_shows_it(data: bytes) -> None:
    with pytest.raises(InternalError, match="/proc/PID/syscall"):
        parse_syscall(data)


def test_a_child_that_reads_is_blocked_in_read(proc: int, child: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        state = read_syscall(proc, child)
        if state is not None and state.number == SYS_read:
            break
        assert time.monotonic() < deadline
        os.sched_yield()
    assert state.arguments[0] == 0
    stacks = [area for area in read_maps(proc, child) if area.path == b"[stack]"]
    assert stacks[0].start <= state.stack_pointer < stacks[0].end
