"""Locks of files as /proc/locks and the `lock:` lines of fdinfo show them (proc_locks(5)).

    1: POSIX  ADVISORY  WRITE 812 fe:00:1234 0 EOF
    2: LEASE  BREAKING  READ 812 fe:00:77 0 EOF

Source: fs/locks.c, lock_get_status.
"""

from __future__ import annotations

import os

from crtools.abi.fcntl import F_RDLCK, F_UNLCK, F_WRLCK
from crtools.procfs.files import misread
from crtools.procfs.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# linux/filelock.h
FL_POSIX, FL_FLOCK, FL_LEASE, FL_OFDLCK = 1, 2, 32, 1024
_FLAGS = {b"POSIX": FL_POSIX, b"FLOCK": FL_FLOCK, b"LEASE": FL_LEASE, b"OFDLCK": FL_OFDLCK}
_TYPES = {b"READ": F_RDLCK, b"WRITE": F_WRLCK, b"UNLCK": F_UNLCK}
OF_FLAG = {
    FL_POSIX: "a POSIX lock",
    FL_FLOCK: "a flock",
    FL_LEASE: "a lease",
    FL_OFDLCK: "an open file lock",
}


class Lock(Record):
    """One lock that is held.

    `flag` is FL_*, 0 of a kind that is not known. `type` is F_RDLCK or F_WRLCK; of a lease that is
    being broken (`breaking`) what it is to become, F_UNLCK as well. `pid` is who took it, as the
    reader's pid namespace has it; 0 from elsewhere, -1 of an open file lock. `length` is 0 for all
    to the end of the file. `device` is (major, minor) of the super block.
    """

    __slots__ = ("breaking", "device", "flag", "ino", "length", "pid", "start", "text", "type")

    def __init__(
        self,
        flag: int,
        breaking: bool,
        type: int,
        pid: int,
        device: tuple[int, int],
        ino: int,
        start: int,
        length: int,
        text: bytes,
    ) -> None:
        self.flag = flag
        self.breaking = breaking
        self.type = type
        self.pid = pid
        self.device = device
        self.ino = ino
        self.start = start
        self.length = length
        self.text = text

    @property
    def key(self) -> tuple[int, ...]:
        """Equal for the line in /proc/locks and that in fdinfo."""
        return self.flag, self.pid, *self.device, self.ino, self.start, self.length

    @property
    def what(self) -> str:
        return OF_FLAG.get(self.flag, "a lease or lock")


def parse_lock(line: bytes) -> Lock:
    """A line without its end and without the "lock:" of fdinfo. Raises InternalError."""
    words = line.split()
    try:
        _, kind, state, type, pid, inode, start, end = words
        major, minor, ino = inode.split(b":")
        first = int(start)
        return Lock(
            _FLAGS.get(kind, 0),
            state == b"BREAKING",
            _TYPES[type],
            int(pid),
            (int(major, 16), int(minor, 16)),
            int(ino),
            first,
            0 if end == b"EOF" else int(end) - first + 1,
            b" ".join(words[1:]),
        )
    except (KeyError, ValueError):
        raise misread("/proc/locks", line) from None


def parse_locks(data: bytes) -> Iterator[Lock]:
    """/proc/locks without those who wait, which follow the lock that they wait for."""
    for line in data.splitlines():
        if b"->" not in line and b"<none>" not in line:
            yield parse_lock(line)


def read_locks(proc: int) -> list[Lock]:
    """All of the host. Slow: the kernel waits a grace period for it (locks_start, percpu-rwsem)."""
    fd = os.open("locks", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        pieces = []
        while piece := os.read(fd, 1 << 20):
            pieces.append(piece)
        return list(parse_locks(b"".join(pieces)))
    finally:
        os.close(fd)
