"""/proc/PID/limits: resource limits (proc_pid_limits(5), getrlimit(2))."""

from __future__ import annotations

from crtools.abi.rlimit import RLIM64_INFINITY, RLIM_NLIMITS
from crtools.procfs.files import misread, read_task_file

# The kernel's wording, fs/proc/base.c, by RLIMIT_* number.
_NAMES = (
    b"Max cpu time",
    b"Max file size",
    b"Max data size",
    b"Max stack size",
    b"Max core file size",
    b"Max resident set",
    b"Max processes",
    b"Max open files",
    b"Max locked memory",
    b"Max address space",
    b"Max file locks",
    b"Max pending signals",
    b"Max msgqueue size",
    b"Max nice priority",
    b"Max realtime priority",
    b"Max realtime timeout",
)


def parse_limits(data: bytes) -> tuple[tuple[int, int], ...]:
    """(soft, hard) of each limit, by RLIMIT_* number, RLIM64_INFINITY for none.

    Raises InternalError, naming the line.
    """
    lines = data.split(b"\n")
    if len(lines) != RLIM_NLIMITS + 2:
        raise misread("/proc/PID/limits", data, f"there are {len(lines) - 2} limits, not 16")
    limits = []
    for name, line in zip(_NAMES, lines[1:], strict=False):
        if not line.startswith(name + b" "):
            raise misread("/proc/PID/limits", line, f"{name.decode()} is expected here")
        try:
            soft, hard = line[len(name) :].split()[:2]
            limits.append((_limit(soft), _limit(hard)))
        except ValueError:
            raise misread("/proc/PID/limits", line) from None
    return tuple(limits)


def read_limits(proc: int, pid: int) -> tuple[tuple[int, int], ...]:
    """(soft, hard) of each limit of a process, by RLIMIT_* number."""
    return parse_limits(read_task_file(proc, pid, "limits"))


def _limit(text: bytes) -> int:
    return RLIM64_INFINITY if text == b"unlimited" else int(text)
