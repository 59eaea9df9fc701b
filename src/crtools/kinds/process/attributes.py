"""What prctl(2) and /proc tell of a process: name, personality, dumpable, subreaper, parent death
signal, membarrier registrations, OOM score. dumping/questions.py asks for them, inside the task.
"""

from __future__ import annotations

import os
from errno import EBADF, ENOENT, EPERM

from crtools.agent.program import ANY, OR_ERRNO, Program, errnos
from crtools.errors import failed_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.model.shortfall import Shortfalls

SYS_close, SYS_write, SYS_brk, SYS_prctl, SYS_personality = 3, 1, 12, 157, 135
SYS_openat, SYS_membarrier = 257, 324
AT_FDCWD = -100
UNSET_ID = 0xFFFFFFFF  # (uid_t) -1
PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE = 1, 2, 3, 4
PR_SET_NAME, PR_GET_SECUREBITS, PR_GET_TIMERSLACK = 15, 27, 30
PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, PR_GET_TID_ADDRESS = 36, 37, 40
PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, PR_SET_MDWE, PR_GET_MDWE = 41, 42, 65, 66
PR_GET_MEMORY_MERGE = 68
PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_GET = 77, 2
MEMBARRIER_CMD_GET_REGISTRATIONS = 1 << 9  # Linux 6.3
# "suidsafe", proc_sys_fs(5): prctl(2) does not take it, a change of ids may set it.
DUMPABLE_ROOT_ONLY = 2


def may_be_root_only() -> bool:
    """Whether a change of ids makes a task dumpable to root only: fs.suid_dumpable is 2."""
    with open("/proc/sys/fs/suid_dumpable", "rb", buffering=0) as file:
        return file.read().strip() == b"2"


def build_name(program: Program, comm: str) -> None:
    name = program.put(comm.encode(errors="surrogateescape")[:15] + b"\0")
    program.call(SYS_prctl, PR_SET_NAME, name, label="set its name")


def build_proc_value(
    program: Program,
    path: str,
    value: int,
    refusals: tuple[int, ...] = (),
    otherwise: Callable[[int], None] | None = None,
) -> None:
    """Writes a number to a file of /proc/self. With `otherwise`, the kernel may refuse it with one
    of the errnos `refusals`, or have no such file."""
    name = program.put(path.encode() + b"\0")
    text = str(value).encode()
    content = program.put(text)
    label = f"write {value} to {path}"
    opening = (SYS_openat, AT_FDCWD, name, os.O_WRONLY | os.O_CLOEXEC, 0)
    if otherwise is None:
        fd = program.call(*opening, label=f"open {path}")
        program.call(SYS_write, fd, content, len(text), label=label)
        program.call(SYS_close, fd)
        return
    # A kernel that was built without the file refuses in its own way: there is nothing to write to.
    fd = program.call(
        *opening, expect=OR_ERRNO, expected=errnos(ENOENT, *refusals), label=f"open {path}"
    )
    program.attempt(
        *(SYS_write, fd, content, len(text)),
        refusals=(EBADF, *refusals),
        otherwise=otherwise,
        label=label,
    )
    program.call(SYS_close, fd, expect=ANY)


def build_loginuid(
    program: Program,
    value: int | None,
    host: int | None,
    pid: int,
    name: str,
    shortfalls: Shortfalls,
) -> None:
    """Each thread has its own and inherits it at its birth; None stands for one that was never set.
    EPERM: kernel/audit.c, audit_set_loginuid_perm. The session id that goes with it is the
    kernel's to choose."""
    build_proc_value(
        program,
        "/proc/self/loginuid",
        UNSET_ID if value is None else value,
        (EPERM,),
        lambda _: shortfalls.report(
            pid,
            name,
            "its login uid",
            wanted="unset" if value is None else value,
            got="unset" if host is None else host,
            because="changing it needs CAP_AUDIT_CONTROL, and audit rules that permit it",
        ),
    )


def build_mdwe(program: Program, flags: int) -> None:
    """When all is mapped: what is there stays, even if it is writable and executable."""
    program.call(
        SYS_prctl, PR_SET_MDWE, flags, 0, 0, 0, label="deny writing and executing (PR_SET_MDWE)"
    )


def build_thp_disable(program: Program, value: int | None) -> None:
    """`value` is PR_GET_THP_DISABLE: bit 0, and flags above it (Linux 6.18)."""
    if value:
        program.call(
            *(SYS_prctl, PR_SET_THP_DISABLE, 1, int(value) & ~1, 0, 0),
            label="disable transparent huge pages (PR_SET_THP_DISABLE)",
        )


def build_membarrier(program: Program, registrations: int | None) -> None:
    for bit in range(32):
        if (registrations or 0) & 1 << bit:
            program.call(SYS_membarrier, 1 << bit, 0, 0, label="register for membarrier")


def restore_oom_score(
    proc: int, pid: int, score: int, host: int, name: str, shortfalls: Shortfalls
) -> None:
    """From outside. Below what a process with CAP_SYS_RESOURCE has set for it or its ancestors
    (fs/proc/base.c, __set_oom_adj) that takes the same privilege."""
    try:
        fd = os.open(f"{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
        try:
            os.write(fd, str(score).encode())
        finally:
            os.close(fd)
    except PermissionError:
        shortfalls.report(
            pid,
            name,
            "its OOM score adjustment",
            wanted=score,
            got=host,
            because="lowering it needs CAP_SYS_RESOURCE",
        )
    except OSError as error:
        raise failed_call(f"set the OOM score of task {pid} to {score}", error) from error
