"""parse_fdinfo: the lines that all have, and those of each kind, as a 6.18 kernel writes them."""

from __future__ import annotations

import fcntl
import os
import select
from pathlib import Path

import pytest

from crtools.errors import InternalError, TaskVanished
from crtools.procfs.fdinfo import FdInfo, parse_fdinfo, read_fdinfo, read_fds

COMMON = b"pos:\t0\nflags:\t02\nmnt_id:\t17\nino:\t1038\n"


@pytest.mark.parametrize(
    ("lines", "extra"),
    [
        (b"", {}),
        (
            b"eventfd-count: ffffffffffffffff\neventfd-id: 1\neventfd-semaphore: 0\n",
            {
                b"eventfd-count": [b"ffffffffffffffff"],
                b"eventfd-id": [b"1"],
                b"eventfd-semaphore": [b"0"],
            },
        ),
        (
            b"tfd:        3 events:       19 data:                3  pos:0 ino:40e sdev:10\n"
            b"tfd:        5 events:        1 data: ffffffffffffffff  pos:0 ino:40f sdev:10\n",
            {
                b"tfd": [
                    b"3 events:       19 data:                3  pos:0 ino:40e sdev:10",
                    b"5 events:        1 data: ffffffffffffffff  pos:0 ino:40f sdev:10",
                ]
            },
        ),
        (
            b"clockid: 1\nticks: 0\nsettime flags: 00\nit_value: (0, 49406829)\n"
            b"it_interval: (1, 0)\n",
            {
                b"clockid": [b"1"],
                b"ticks": [b"0"],
                b"settime flags": [b"00"],
                b"it_value": [b"(0, 49406829)"],
                b"it_interval": [b"(1, 0)"],
            },
        ),
        (b"sigmask:\t0000000000000200\n", {b"sigmask": [b"0000000000000200"]}),
        (
            b"inotify wd:2 ino:3f sdev:fe00000 mask:fff ignored_mask:0 fhandle-bytes:8\n"
            b"inotify wd:1 ino:3e sdev:fe00000 mask:2 ignored_mask:0 fhandle-bytes:8\n",
            {
                b"inotify": [
                    b"wd:2 ino:3f sdev:fe00000 mask:fff ignored_mask:0 fhandle-bytes:8",
                    b"wd:1 ino:3e sdev:fe00000 mask:2 ignored_mask:0 fhandle-bytes:8",
                ]
            },
        ),
        (
            b"fanotify flags:0 event-flags:8000\nfanotify mnt_id:1b mflags:0 mask:20\n",
            {b"fanotify": [b"flags:0 event-flags:8000", b"mnt_id:1b mflags:0 mask:20"]},
        ),
        (
            b"lock:\t1: FLOCK  ADVISORY  WRITE 20483 fe:00:2146447 0 EOF\n"
            b"lock:\t2: POSIX  ADVISORY  WRITE 20483 fe:00:2146447 5 14\n",
            {
                b"lock": [
                    b"1: FLOCK  ADVISORY  WRITE 20483 fe:00:2146447 0 EOF",
                    b"2: POSIX  ADVISORY  WRITE 20483 fe:00:2146447 5 14",
                ]
            },
        ),
        (b"Pid:\t-1\nNSpid:\t812\t7\n", {b"Pid": [b"-1"], b"NSpid": [b"812\t7"]}),
        (b"tty-index:\t0\n", {b"tty-index": [b"0"]}),
        (b"API:\taa:0:80000000000001ff\n", {b"API": [b"aa:0:80000000000001ff"]}),
    ],
)
def test_lines_of_each_kind_are_kept_in_order(
    lines: bytes, extra: dict[bytes, list[bytes]]
) -> None:
    assert parse_fdinfo(COMMON + lines) == FdInfo(0, 2, 17, 1038, extra)


def test_entries_of_a_list_belong_to_the_line_that_begins_it() -> None:
    text = b"pos:\t0\nflags:\t02\nmnt_id:\t9\nPollList:\n  op=6, task_works=0\nNAPI:\tdisabled\n"
    extra = parse_fdinfo(text).extra
    assert extra == {b"PollList": [b"", b"op=6, task_works=0"], b"NAPI": [b"disabled"]}


def test_the_inode_is_newer_than_linux_5_10() -> None:
    assert parse_fdinfo(b"pos:\t9223372036854775807\nflags:\t0100002\nmnt_id:\t27\n") == FdInfo(
        2**63 - 1, 0o100002, 27, None
    )


@pytest.mark.parametrize(
    "data", [b"", b"pos:\t0\nflags:\t02\n", COMMON + b"nonsense\n", COMMON.replace(b"02", b"08")]
)
def test_odd_text_is_an_error_that_shows_it(data: bytes) -> None:
    with pytest.raises(InternalError, match="/proc/PID/fdinfo"):
        parse_fdinfo(data)


def test_a_line_that_there_must_be_one_of() -> None:
    info = parse_fdinfo(COMMON + b"sigmask:\t02\nlock:\ta\nlock:\tb\n")
    assert info.one(b"sigmask") == b"02"
    for key in (b"lock", b"tfd"):
        with pytest.raises(InternalError, match=key.decode()):
            info.one(key)


def test_our_own_descriptors(proc: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    low = os.open(path, os.O_RDWR | os.O_APPEND)
    # A number that no listing of ours takes for itself.
    fd = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 200)
    os.close(low)
    os.lseek(fd, 42, os.SEEK_SET)
    fcntl.flock(fd, fcntl.LOCK_EX)
    info = read_fdinfo(proc, os.getpid(), fd)
    assert (info.pos, info.ino) == (42, path.stat().st_ino)
    assert info.flags & (os.O_ACCMODE | os.O_APPEND) == os.O_RDWR | os.O_APPEND
    assert info.flags & os.O_CLOEXEC
    assert b"FLOCK" in info.one(b"lock")
    assert fd in read_fds(proc, os.getpid())
    os.set_inheritable(fd, True)
    assert not read_fdinfo(proc, os.getpid(), fd, os.getpid()).flags & os.O_CLOEXEC
    os.close(fd)
    assert fd not in read_fds(proc, os.getpid())
    with pytest.raises(TaskVanished, match=f"Descriptor {fd}"):
        read_fdinfo(proc, os.getpid(), fd)


def test_our_own_epoll_names_its_targets(proc: int) -> None:
    read, write = os.pipe()
    with select.epoll() as epoll:
        epoll.register(read, select.EPOLLIN)
        epoll.register(write, select.EPOLLOUT)
        info = read_fdinfo(proc, os.getpid(), epoll.fileno())
    assert sorted(int(line.split()[0]) for line in info.extra[b"tfd"]) == sorted([read, write])
    os.close(read)
    os.close(write)
