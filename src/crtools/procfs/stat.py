"""/proc/PID/stat and /proc/PID/task/TID/stat (proc_pid_stat(5), fs/proc/array.c).

Most numbers are also elsewhere, some only here: the layout of code, data, arguments and
environment, the exit code of a zombie, the controlling terminal, the start time. Without the right
to ptrace the task, the kernel shows addresses and the exit code as 0.
"""

from __future__ import annotations

from crtools.procfs.files import misread, read_task_file
from crtools.procfs.record import Record

# Bits of `flags`: include/linux/sched.h, not in the kernel's user headers.
PF_EXITING = 0x00000004
PF_POSTCOREDUMP = 0x00000008
PF_IO_WORKER = 0x00000010
PF_WQ_WORKER = 0x00000020
PF_FORKNOEXEC = 0x00000040
PF_SUPERPRIV = 0x00000100
PF_DUMPCORE = 0x00000200
PF_SIGNALED = 0x00000400
PF_USER_WORKER = 0x00004000
PF_KTHREAD = 0x00200000
PF_RANDOMIZE = 0x00400000
PF_NO_SETAFFINITY = 0x04000000


class Stat(Record):
    """The 52 fields of stat(5), by the names of the manual page.

    Times are in clock ticks (`starttime` since boot), `vsize` and `rsslim` in bytes, `rss` in
    pages. `state` is one letter, `comm` is as the kernel has it, unescaped and of any bytes. The
    masks `signal`, `blocked`, `sigignore` and `sigcatch` hold the first 31 signals only: use
    Status.
    """

    __slots__ = (
        "pid",
        "comm",
        "state",
        "ppid",
        "pgrp",
        "session",
        "tty_nr",
        "tpgid",
        "flags",
        "minflt",
        "cminflt",
        "majflt",
        "cmajflt",
        "utime",
        "stime",
        "cutime",
        "cstime",
        "priority",
        "nice",
        "num_threads",
        "itrealvalue",
        "starttime",
        "vsize",
        "rss",
        "rsslim",
        "startcode",
        "endcode",
        "startstack",
        "kstkesp",
        "kstkeip",
        "signal",
        "blocked",
        "sigignore",
        "sigcatch",
        "wchan",
        "nswap",
        "cnswap",
        "exit_signal",
        "processor",
        "rt_priority",
        "policy",
        "delayacct_blkio_ticks",
        "guest_time",
        "cguest_time",
        "start_data",
        "end_data",
        "start_brk",
        "arg_start",
        "arg_end",
        "env_start",
        "env_end",
        "exit_code",
    )

    def __init__(self, pid: int, comm: bytes, state: str, numbers: list[int]) -> None:
        """`numbers` are the 49 fields from `ppid` on; ValueError for any other count."""
        self.pid = pid
        self.comm = comm
        self.state = state
        (
            self.ppid,
            self.pgrp,
            self.session,
            self.tty_nr,
            self.tpgid,
            self.flags,
            self.minflt,
            self.cminflt,
            self.majflt,
            self.cmajflt,
            self.utime,
            self.stime,
            self.cutime,
            self.cstime,
            self.priority,
            self.nice,
            self.num_threads,
            self.itrealvalue,
            self.starttime,
            self.vsize,
            self.rss,
            self.rsslim,
            self.startcode,
            self.endcode,
            self.startstack,
            self.kstkesp,
            self.kstkeip,
            self.signal,
            self.blocked,
            self.sigignore,
            self.sigcatch,
            self.wchan,
            self.nswap,
            self.cnswap,
            self.exit_signal,
            self.processor,
            self.rt_priority,
            self.policy,
            self.delayacct_blkio_ticks,
            self.guest_time,
            self.cguest_time,
            self.start_data,
            self.end_data,
            self.start_brk,
            self.arg_start,
            self.arg_end,
            self.env_start,
            self.env_end,
            self.exit_code,
        ) = numbers

    @property
    def is_kernel_thread(self) -> bool:
        """Whether the task has no user space to dump (PF_KTHREAD)."""
        return bool(self.flags & PF_KTHREAD)

    @property
    def tty_device(self) -> tuple[int, int]:
        """(major, minor) of the controlling terminal, from new_encode_dev; (0, 0): none."""
        number = self.tty_nr & 0xFFFFFFFF  # printed as a signed 32-bit number
        return (number & 0xFFF00) >> 8, (number & 0xFF) | (number >> 12 & 0xFFF00)


def parse_stat(data: bytes) -> Stat:
    """One stat file; fields that a later kernel appends are ignored. Raises InternalError."""
    try:
        # comm may hold anything, ") S 1" too, but nothing after it has a bracket.
        opening = data.index(b" (")
        closing = data.rindex(b") ")
        fields = data[closing + 2 :].split()
        state = fields[0].decode("ascii")
        if len(state) != 1 or not state.isalpha():
            raise ValueError(state)
        pid = int(data[:opening])
        return Stat(pid, data[opening + 2 : closing], state, list(map(int, fields[1:50])))
    except (ValueError, IndexError):
        raise misread("/proc/PID/stat", data) from None


def read_stat(proc: int, pid: int, tid: int | None = None) -> Stat:
    """The stat file of a process, where times are sums over its threads, or of one thread."""
    return parse_stat(read_task_file(proc, pid, "stat", tid))
