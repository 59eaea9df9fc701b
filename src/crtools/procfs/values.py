"""Files of /proc/PID and of /proc that hold a single value."""

from __future__ import annotations

import errno
import os

from crtools.errors import MissingFeature
from crtools.procfs.files import (
    explain,
    misread,
    read_optional_task_file,
    read_task_file,
    task_path,
)

_NO_ID = 0xFFFFFFFF  # (uid_t) -1


def parse_number(file: str, data: bytes, base: int = 10) -> int:
    """The number that a file holds. Raises InternalError, naming the file."""
    try:
        return int(data, base)
    except ValueError:
        raise misread(file, data) from None


def parse_comm(data: bytes) -> bytes:
    """A task's name, of at most 15 bytes of any kind, newlines too; the file adds one newline."""
    if not data.endswith(b"\n"):
        raise misread("/proc/PID/comm", data)
    return data[:-1]


def parse_uptime(data: bytes) -> int:
    """Nanoseconds since boot, to 10 ms; sleep included. Raises InternalError."""
    try:
        seconds, hundredths = data.split()[0].split(b".")
        return (int(seconds) * 100 + int(hundredths)) * 10_000_000
    except (ValueError, IndexError):
        raise misread("/proc/uptime", data) from None


def read_comm(proc: int, pid: int, tid: int | None = None) -> bytes:
    """The name of a process's leader, or of one of its threads: PR_SET_NAME."""
    return parse_comm(read_task_file(proc, pid, "comm", tid))


def read_loginuid(proc: int, pid: int) -> int | None:
    """The audit login uid; None if it was never set, or on a kernel without audit."""
    data = read_optional_task_file(proc, pid, "loginuid")
    if data is None:
        return None
    uid = parse_number("/proc/PID/loginuid", data)
    return None if uid == _NO_ID else uid


def read_label(proc: int, pid: int, tid: int | None = None, name: str = "current") -> bytes:
    """A task's security label, or that of what it makes next: attr/NAME, proc_pid_attr(5). Empty if
    no security module has labels."""
    path = task_path(pid, tid, f"attr/{name}")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
        try:
            return os.read(fd, 4096)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return b""
        raise explain(error, proc, pid, tid, f"attr/{name}") from error


def read_oom_score_adj(proc: int, pid: int) -> int:
    """-1000 to 1000."""
    return parse_number("/proc/PID/oom_score_adj", read_task_file(proc, pid, "oom_score_adj"))


def parse_autogroup(data: bytes) -> int:
    """The nice value in "/autogroup-812 nice 5"; 0 where nothing stands, since the task is in no
    group of its session's. Raises InternalError."""
    if not data.strip():
        return 0
    words = data.split()
    if len(words) != 3 or words[1] != b"nice":
        raise misread("/proc/PID/autogroup", data)
    return parse_number("/proc/PID/autogroup", words[2])


def read_autogroup_nice(proc: int, pid: int) -> int:
    """-20 to 19, of the whole session (sched(7)); 0 on a kernel without CONFIG_SCHED_AUTOGROUP."""
    data = read_optional_task_file(proc, pid, "autogroup")
    return 0 if data is None else parse_autogroup(data)


def read_personality(proc: int, pid: int, tid: int | None = None) -> int:
    """The execution domain and its flags, personality(2). Needs the right to ptrace the task."""
    data = read_task_file(proc, pid, "personality", tid)
    return parse_number("/proc/PID/personality", data, 16)


def read_timerslack(proc: int, tid: int) -> int:
    """Nanoseconds of one thread, PR_SET_TIMERSLACK. The file is in /proc/TID, not in task/TID."""
    return parse_number("/proc/TID/timerslack_ns", read_task_file(proc, tid, "timerslack_ns"))


def read_coredump_filter(proc: int, pid: int) -> int | None:
    """A bit for each kind of mapping that a core dump has, core(5); None without address space."""
    data = read_optional_task_file(proc, pid, "coredump_filter")
    return parse_number("/proc/PID/coredump_filter", data, 16) if data else None


def read_wchan(proc: int, pid: int, tid: int | None = None) -> bytes:
    """The kernel's function that a task sleeps in; empty if it runs, or we may not know."""
    data = read_task_file(proc, pid, "wchan", tid)
    return b"" if data == b"0" else data


def read_uptime(proc: int) -> int:
    """Nanoseconds since boot, as parse_uptime has it, in the reader's time namespace."""
    try:
        fd = os.open("uptime", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        raise MissingFeature(
            "There is no uptime in this procfs", because="it is mounted with subset=pid"
        ) from error
    try:
        return parse_uptime(os.read(fd, 4096))
    finally:
        os.close(fd)
