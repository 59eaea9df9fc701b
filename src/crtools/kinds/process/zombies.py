"""The ends of zombies: a core dump's mark in the wait status.

WCOREDUMP(status) is set where a core was dumped (wait(2), core(5)), and by nothing else
(fs/coredump.c, coredump_finish), so a zombie that had dumped one dumps another: registers only, to
a tmpfs that is mounted for it alone and gone with it. That needs CAP_SYS_ADMIN, and a core_pattern
that leads to the working directory: a pipe would start a program of the host, a path leave a file.
"""

from __future__ import annotations

from crtools.agent.program import ANY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program

SYS_openat, SYS_write, SYS_close, SYS_chdir, SYS_prctl = 257, 1, 3, 80, 157
SYS_mount, SYS_unshare, SYS_prlimit64 = 165, 272, 302
AT_FDCWD = -100
O_WRONLY_CLOEXEC = 0o2000001
CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 0x40000  # linux/mount.h
RLIMIT_CORE = 4
PR_SET_DUMPABLE = 4
CORE_DUMPED = 0x80  # in a wait status
# signal(7): those whose default action is "Core".
WITH_CORE = frozenset((3, 4, 5, 6, 7, 8, 11, 24, 25, 31))
PATTERN = "/proc/sys/kernel/core_pattern"


def can_dump_core() -> bool:
    """Whether this host's cores go to the working directory."""
    with open(PATTERN, "rb", buffering=0) as file:
        pattern = file.read(512).strip()
    return bool(pattern) and pattern[:1] not in b"|@" and b"/" not in pattern


def build_no_core(program: Program, hard: int) -> None:
    """For one that had ended by a signal without: it would dump one where the tool is. `hard` is
    the hard RLIMIT_CORE that it has."""
    _build_limit(program, 0, hard)


def build_core_room(program: Program, hard: int) -> None:
    """For one that had dumped a core, before it loses its rights. Whether all went well shows in
    its wait status: nothing here may fail."""
    filter = program.put(b"/proc/self/coredump_filter\0")
    fd = program.call(SYS_openat, AT_FDCWD, filter, O_WRONLY_CLOEXEC, 0, expect=ANY)
    program.call(SYS_write, fd, program.put(b"0"), 1, expect=ANY)
    program.call(SYS_close, fd, expect=ANY)
    program.call(SYS_unshare, CLONE_NEWNS, expect=ANY)
    root, place = program.put(b"/\0"), program.put(b"/proc\0")
    kind, options = program.put(b"tmpfs\0"), program.put(b"size=16m,mode=777\0")
    program.call(SYS_mount, 0, root, 0, MS_REC | MS_PRIVATE, 0, expect=ANY)
    mounted = program.call(SYS_mount, kind, place, kind, 0, options, expect=ANY)
    program.call(SYS_chdir, place, expect=ANY)
    _build_limit(program, hard, hard)
    program.skip_if(mounted, 0, 1)
    _build_limit(program, 0, hard)


def _build_limit(program: Program, soft: int, hard: int) -> None:
    limits = program.put(soft.to_bytes(8, "little") + hard.to_bytes(8, "little"))
    program.call(SYS_prlimit64, 0, RLIMIT_CORE, limits, 0, label="limit its core dump")


def build_dumpable(program: Program) -> None:
    """After its ids have changed, which makes it dump no core."""
    program.call(SYS_prctl, PR_SET_DUMPABLE, 1, expect=ANY)
