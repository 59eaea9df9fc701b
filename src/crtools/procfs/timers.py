"""/proc/PID/timers: POSIX timers, of timer_create(2) (proc_pid_timers(5)).

What they are armed for is not here: timer_gettime(2) has to be asked by the process itself.
"""

from __future__ import annotations

from crtools.abi.signals import SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID
from crtools.procfs.files import misread, read_task_file
from crtools.procfs.record import Record

_NOTIFY = {b"signal": SIGEV_SIGNAL, b"none": SIGEV_NONE, b"thread": SIGEV_THREAD}
_TARGET = {b"pid": 0, b"tid": SIGEV_THREAD_ID}


class PosixTimer(Record):
    """One timer: its id, and its sigevent.

    `signal` and `value` are sigev_signo and sigev_value, `notify` is sigev_notify with
    SIGEV_THREAD_ID as a bit, `target` the pid or tid (of the procfs read; 0 if it is gone), `clock`
    a clockid_t, negative for a CPU clock of another task.
    """

    __slots__ = ("clock", "notify", "signal", "target", "timer_id", "value")

    def __init__(
        self, timer_id: int, signal: int, value: int, notify: int, target: int, clock: int
    ) -> None:
        self.timer_id = timer_id
        self.signal = signal
        self.value = value
        self.notify = notify
        self.target = target
        self.clock = clock


def parse_timers(data: bytes) -> list[PosixTimer]:
    """The timers by ascending id. Raises InternalError, naming the entry."""
    lines = data.split(b"\n")
    timers = []
    if lines.pop() or len(lines) % 4:
        raise misread("/proc/PID/timers", data, "it is not made of entries of four lines")
    for index in range(0, len(lines), 4):
        try:
            fields = [line.split(b": ", 1) for line in lines[index : index + 4]]
            if [name for name, _ in fields] != [b"ID", b"signal", b"notify", b"ClockID"]:
                raise ValueError(fields)
            signal, value = fields[1][1].split(b"/")
            how, target = fields[2][1].split(b"/")
            kind, target = target.split(b".")
            timers.append(
                PosixTimer(
                    int(fields[0][1]),
                    int(signal),
                    int(value, 16),
                    _NOTIFY[how] | _TARGET[kind],
                    int(target),
                    int(fields[3][1]),
                )
            )
        except (ValueError, KeyError):
            raise misread("/proc/PID/timers", b"\n".join(lines[index : index + 4])) from None
    return sorted(timers, key=lambda timer: timer.timer_id)


def read_timers(proc: int, pid: int) -> list[PosixTimer]:
    """The POSIX timers of a process. MissingFeature without CONFIG_CHECKPOINT_RESTORE."""
    return parse_timers(read_task_file(proc, pid, "timers"))
