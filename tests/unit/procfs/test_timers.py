"""parse_timers: POSIX timers."""

from __future__ import annotations

import ctypes
import os
import signal

import pytest

from crtools.abi.signals import SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID
from crtools.abi.x86_64 import SYS_timer_create, SYS_timer_delete
from crtools.errors import InternalError
from crtools.procfs.timers import PosixTimer, parse_timers, read_timers

SAMPLE = b"""\
ID: 3
signal: 14/0000000000000003
notify: signal/pid.21968
ClockID: 0
ID: 1
signal: 34/ffffffffffffffff
notify: signal/tid.21969
ClockID: -6
ID: 2
signal: 0/0000000000000000
notify: none/pid.21968
ClockID: 7
ID: 4
signal: 0/0000000000000000
notify: thread/pid.0
ClockID: 1
"""


def test_timers_come_by_id() -> None:
    assert parse_timers(SAMPLE) == [
        PosixTimer(1, 34, 2**64 - 1, SIGEV_SIGNAL | SIGEV_THREAD_ID, 21969, -6),
        PosixTimer(2, 0, 0, SIGEV_NONE, 21968, 7),
        PosixTimer(3, 14, 3, SIGEV_SIGNAL, 21968, 0),
        PosixTimer(4, 0, 0, SIGEV_THREAD, 0, 1),
    ]
    assert parse_timers(b"") == []


@pytest.mark.parametrize(
    "data",
    [
        SAMPLE[:-1],
        SAMPLE + b"ID: 5\n",
        SAMPLE.replace(b"none", b"some"),
        SAMPLE.replace(b"pid", b"gid"),
        SAMPLE.replace(b"ClockID: 7", b"Clock: 7"),
        SAMPLE.replace(b"34/", b"34"),
    ],
)
def test_odd_text_is_an_error_that_shows_it(data: bytes) -> None:
    with pytest.raises(InternalError, match="/proc/PID/timers"):
        parse_timers(data)


class Sigevent(ctypes.Structure):
    """struct sigevent, asm-generic/siginfo.h."""

    _fields_ = [
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("pad", ctypes.c_char * 48),
    ]


def test_our_own_timer(proc: int) -> None:
    syscall = ctypes.CDLL(None).syscall
    timer = ctypes.c_int()
    event = Sigevent(0x123456789ABC, signal.SIGUSR1, SIGEV_SIGNAL)
    assert syscall(SYS_timer_create, 1, ctypes.byref(event), ctypes.byref(timer)) == 0
    try:
        ours = [found for found in read_timers(proc, os.getpid()) if found.timer_id == timer.value]
    finally:
        syscall(SYS_timer_delete, timer)
    assert ours == [
        PosixTimer(timer.value, signal.SIGUSR1, 0x123456789ABC, SIGEV_SIGNAL, os.getpid(), 1)
    ]
