"""/proc/PID/task/TID/sched: the scheduler's figures, for people to read (proc_pid_sched(5))."""

from __future__ import annotations

from crtools.procfs.files import misread, read_optional_task_file

# Longer than comm can be, so no name can be mistaken for the line below the headline.
_RULER = b"-" * 32 + b"\n"


def parse_exec_start(data: bytes) -> int | None:
    """se.exec_start in nanoseconds: when the task last got onto a CPU, on that CPU's clock.

    It differs between two looks exactly if the task ran between them. None if the line is missing;
    raises InternalError if it is odd.
    """
    begin = data.find(b"\nse.exec_start", data.find(_RULER))
    if begin < 0:
        return None
    line = data[begin + 1 :].partition(b"\n")[0]
    try:
        milliseconds, nanoseconds = line.split(b":")[1].split(b".")
        return int(milliseconds) * 1_000_000 + int(nanoseconds)
    except (ValueError, IndexError):
        raise misread("/proc/PID/sched", line) from None


def read_exec_start(proc: int, pid: int, tid: int | None = None) -> int | None:
    """se.exec_start of a task in nanoseconds; None if this kernel does not show it."""
    data = read_optional_task_file(proc, pid, "sched", tid)
    return None if data is None else parse_exec_start(data)
