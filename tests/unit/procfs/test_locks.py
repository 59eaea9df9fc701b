"""/proc/locks and the lock lines of fdinfo, as a 6.18 kernel writes them."""

from __future__ import annotations

import pytest

from crtools.abi.fcntl import F_RDLCK, F_UNLCK, F_WRLCK
from crtools.errors import InternalError
from crtools.procfs.locks import (
    FL_FLOCK,
    FL_LEASE,
    FL_OFDLCK,
    FL_POSIX,
    parse_lock,
    parse_locks,
)

TEXT = b"""\
1: FLOCK  ADVISORY  WRITE 10362 fe:00:2149006 0 EOF
1: -> FLOCK  ADVISORY  WRITE 21367 fe:00:2149006 0 EOF
2: POSIX  ADVISORY  READ 812 00:1f:77 100 199
3: OFDLCK ADVISORY  WRITE -1 fe:00:2148189 5 EOF
4: LEASE  BREAKING  UNLCK 22092 fe:00:2146517 0 EOF
5: LEASE  ACTIVE    READ 22092 fe:00:2146518 0 EOF
6: DELEG  ACTIVE    READ 22092 fe:00:2146518 0 EOF
"""


def test_locks_without_those_who_wait() -> None:
    assert [(lock.flag, lock.type, lock.breaking, lock.pid) for lock in parse_locks(TEXT)] == [
        (FL_FLOCK, F_WRLCK, False, 10362),
        (FL_POSIX, F_RDLCK, False, 812),
        (FL_OFDLCK, F_WRLCK, False, -1),
        (FL_LEASE, F_UNLCK, True, 22092),
        (FL_LEASE, F_RDLCK, False, 22092),
        (0, F_RDLCK, False, 22092),
    ]


def test_ranges_and_inodes() -> None:
    _, posix, of_file, *_ = parse_locks(TEXT)
    assert (posix.device, posix.ino, posix.start, posix.length) == ((0, 31), 77, 100, 100)
    assert (of_file.device, of_file.ino, of_file.start, of_file.length) == ((254, 0), 2148189, 5, 0)


def test_line_of_fdinfo_has_the_key_of_that_in_proc_locks() -> None:
    posix = list(parse_locks(TEXT))[1]
    assert parse_lock(b"\t9: POSIX  ADVISORY  READ 812 00:1f:77 100 199").key == posix.key


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"1: POSIX ADVISORY",
        b"1: POSIX ADVISORY TAKE 1 0:0:1 0 EOF",
        b"1: FLOCK A READ x 0:0:1 0 9",
    ],
)
def test_line_that_makes_no_sense_is_named(line: bytes) -> None:
    with pytest.raises(InternalError, match="/proc/locks"):
        parse_lock(line)
