"""parse_stat: 52 fields behind a name of any bytes."""

from __future__ import annotations

import os
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.errors import InternalError
from crtools.procfs.stat import PF_EXITING, PF_FORKNOEXEC, Stat, parse_stat, read_stat

SAMPLE = (
    b"7 (a) S (b) R 6 7 7 34816 -1 4194304 2099 6545 0 1 1 2 4 1 20 0 3 0 154274 13418496 2415 "
    b"18446744073709551615 93939479908352 93939479908693 140722396432048 0 0 0 0 16781312 2 "
    b"0 0 0 17 1 0 0 5 6 7 93939479920048 93939479920664 93939548356608 140722396436684 "
    b"140722396436744 140722396436745 140722396438479 256\n"
)


def test_fields_have_the_names_of_the_manual_page() -> None:
    stat = parse_stat(SAMPLE)
    assert (stat.pid, stat.comm, stat.state, stat.ppid) == (7, b"a) S (b", "R", 6)
    assert (stat.pgrp, stat.session, stat.tpgid) == (7, 7, -1)
    assert stat.tty_device == (136, 0)
    assert (stat.priority, stat.nice, stat.num_threads, stat.starttime) == (20, 0, 3, 154274)
    assert stat.rsslim == 2**64 - 1
    assert (stat.exit_signal, stat.processor) == (17, 1)
    assert (stat.start_brk, stat.arg_start, stat.arg_end) == (
        93939548356608,
        140722396436684,
        140722396436744,
    )
    assert (stat.env_start, stat.env_end, stat.exit_code) == (
        140722396436745,
        140722396438479,
        256,
    )
    assert len(Stat.__slots__) == 52


def test_fields_of_a_later_kernel_are_left_alone() -> None:
    assert parse_stat(SAMPLE[:-1] + b" 1 2 3\n") == parse_stat(SAMPLE)


@pytest.mark.parametrize(
    "data",
    [b"", b"7\n", b"7 (a) \n", b"7 (a) S 1 2\n", SAMPLE.replace(b" R 6", b" 3 6"), b"x" + SAMPLE],
)
def test_odd_text_is_an_error_that_shows_it(data: bytes) -> None:
    with pytest.raises(InternalError, match="/proc/PID/stat"):
        parse_stat(data)


def test_terminal_numbers_above_twenty_bits() -> None:
    stat = parse_stat(SAMPLE)
    for major, minor in [(4, 64), (136, 1000), (4095, 2**20 - 1), (0, 0)]:
        number = minor & 0xFF | major << 8 | (minor & ~0xFF) << 12  # new_encode_dev()
        stat.tty_nr = number - 2**32 if number >= 2**31 else number
        assert stat.tty_device == (major, minor)


def test_our_own_stat(proc: int) -> None:
    stat = read_stat(proc, os.getpid())
    assert (stat.pid, stat.ppid, stat.state) == (os.getpid(), os.getppid(), "R")
    assert (stat.pgrp, stat.session) == (os.getpgid(0), os.getsid(0))
    assert stat.rsslim in {resource.getrlimit(resource.RLIMIT_RSS)[0] % 2**64}
    assert stat.startcode < stat.endcode
    assert stat.arg_start < stat.arg_end <= stat.env_end
    assert not stat.is_kernel_thread
    assert not stat.flags & PF_EXITING
    assert read_stat(proc, os.getpid(), os.getpid()).comm == stat.comm


def test_a_zombie_has_its_exit_code_and_no_addresses(proc: int) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    stat = read_stat(proc, pid)
    os.waitpid(pid, 0)
    assert stat.state == "Z"
    assert stat.exit_code == 7 << 8
    assert stat.startcode == stat.env_end == 0
    assert stat.flags & (PF_EXITING | PF_FORKNOEXEC) == PF_EXITING | PF_FORKNOEXEC


@given(st.binary(max_size=15).map(lambda name: name.replace(b"\0", b"")))
def test_a_name_of_any_bytes_is_kept(name: bytes) -> None:
    stat = parse_stat(SAMPLE.replace(b"a) S (b", name))
    assert stat.comm == name
    assert stat.exit_code == 256
