"""What prctl(2) and /proc tell of a process: name, personality, dumpable, subreaper, parent death
signal, membarrier registrations, OOM score. dumping/questions.py asks for them, inside the task.
"""

from __future__ import annotations

import os

from crtools.agent.program import ANY, NONNEGATIVE, Program
from crtools.errors import failed_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

SYS_close, SYS_write, SYS_brk, SYS_prctl, SYS_personality = 3, 1, 12, 157, 135
SYS_openat, SYS_membarrier = 257, 324
AT_FDCWD = -100
PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE = 1, 2, 3, 4
PR_SET_NAME, PR_GET_TSC, PR_GET_SECUREBITS, PR_GET_TIMERSLACK, PR_MCE_KILL_GET = 15, 25, 27, 30, 34
PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, PR_GET_TID_ADDRESS = 36, 37, 40
PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, PR_GET_MDWE, PR_GET_MEMORY_MERGE = 41, 42, 66, 68
SYS_arch_prctl, PR_GET_IO_FLUSHER, ARCH_GET_CPUID = 158, 58, 0x1011
MEMBARRIER_CMD_GET_REGISTRATIONS = 1 << 9  # Linux 6.3
PR_MCE_KILL_DEFAULT = 2
# set_dumpable() refuses 2 ("suidsafe", proc_sys_fs(5)): only exec of a set-id program sets it.
DUMPABLE_ROOT_ONLY = 2


def build_name(program: Program, comm: str) -> None:
    name = program.put(comm.encode(errors="surrogateescape")[:15] + b"\0")
    program.call(SYS_prctl, PR_SET_NAME, name, label="set its name")


def build_proc_value(program: Program, path: str, value: int, *, must: bool) -> None:
    """Writes a number to a file of /proc/self."""
    name = program.put(path.encode() + b"\0")
    text = str(value).encode()
    content = program.put(text)
    fd = program.call(SYS_openat, AT_FDCWD, name, 0o2000001, 0, label=f"open {path}")
    program.call(
        SYS_write,
        fd,
        content,
        len(text),
        expect=NONNEGATIVE if must else ANY,
        label=f"write {value} to {path}",
    )
    program.call(SYS_close, fd)


def build_membarrier(program: Program, registrations: int | None) -> None:
    for bit in range(32):
        if (registrations or 0) & 1 << bit:
            program.call(SYS_membarrier, 1 << bit, 0, 0, label="register for membarrier")


def restore_oom_score(proc: int, pid: int, score: int) -> None:
    """From outside. Below what a process with CAP_SYS_RESOURCE has set for it or its ancestors
    (fs/proc/base.c, __set_oom_adj) that takes the same privilege."""
    try:
        fd = os.open(f"{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
        try:
            os.write(fd, str(score).encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise failed_call(f"set the OOM score of task {pid} to {score}", error) from error
