"""What a thread denies itself with prctl(2) and arch_prctl(2): the time stamp counter, cpuid, and
how it is treated: machine checks, memory allocation for I/O, speculation.

All of it belongs to a thread, is inherited by clone(2), and the thread alone is told of it:
arch/x86/kernel/process.c (TSC, CPUID), kernel/sys.c (the others), arch/x86/kernel/cpu/bugs.c
(speculation). CRIU's schema has no field for any of it.
"""

from __future__ import annotations

import struct
from errno import EINVAL, ENODEV, ENXIO, EPERM, ERANGE

from crtools.agent.program import ANY, ref_at
from crtools.errors import ImageError, UnsupportedObject
from crtools.tracee import ptrace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crtools.agent.program import Program, Ref
    from crtools.agent.slot import Executed
    from crtools.images.messages.crtools import CrtoolsTaskEntry
    from crtools.model.shortfall import Shortfalls

SYS_prctl, SYS_arch_prctl = 157, 158
# linux/prctl.h
PR_GET_TSC, PR_SET_TSC, PR_TSC_SIGSEGV = 25, 26, 2
PR_MCE_KILL, PR_MCE_KILL_GET, PR_MCE_KILL_SET, PR_MCE_KILL_DEFAULT = 33, 34, 1, 2
PR_GET_SPECULATION_CTRL, PR_SET_SPECULATION_CTRL = 52, 53
PR_SPEC_STORE_BYPASS, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_L1D_FLUSH = range(3)
PR_SPEC_PRCTL, PR_SPEC_ENABLE, PR_SPEC_DISABLE = 1, 2, 4
PR_SPEC_FORCE_DISABLE, PR_SPEC_DISABLE_NOEXEC = 8, 16
PR_SET_IO_FLUSHER, PR_GET_IO_FLUSHER = 57, 58
ARCH_GET_CPUID, ARCH_SET_CPUID = 0x1011, 0x1012  # asm/prctl.h of x86
PF_IO_FLUSHER = 0x80000 | 0x100000  # PF_MEMALLOC_NOIO | PF_LOCAL_THROTTLE, linux/sched.h

# What a thread has that never said otherwise, as the kernel answers with PR_SPEC_PRCTL: speculation
# on, but no flush of the L1 data cache, which is off until it is asked for.
_SPECULATION = (
    ("store_bypass", PR_SPEC_STORE_BYPASS, PR_SPEC_ENABLE),
    ("indirect_branch", PR_SPEC_INDIRECT_BRANCH, PR_SPEC_ENABLE),
    ("l1d_flush", PR_SPEC_L1D_FLUSH, PR_SPEC_DISABLE),
)
_SETTINGS = (PR_SPEC_ENABLE, PR_SPEC_DISABLE, PR_SPEC_FORCE_DISABLE, PR_SPEC_DISABLE_NOEXEC)
_ANSWERS = struct.Struct("<7i")

_known: dict[bytes, tuple[tuple[str, int], ...]] = {}


def check_dispatch(name: str, tids: Iterable[int]) -> None:
    """Refuses, before anything runs in the process. The threads `tids` are stopped."""
    for tid in tids:
        if ptrace.dispatches_syscalls(tid):
            # What runs in it would be taken for calls of the program that it emulates: SIGSYS.
            raise UnsupportedObject(
                f"Cannot dump {name}: the system calls of thread {tid} are dispatched to itself"
                " (PR_SET_SYSCALL_USER_DISPATCH)",
                because="crtools' own in that thread would be dispatched as well",
                hint="turn it off before the dump, if the program can",
                subject=("task", tid),
            )


def ask_control(program: Program) -> Ref:
    """Seven words, one for each question; no thread need have answers to all."""
    room = program.reserve(_ANSWERS.size)
    program.call(SYS_prctl, PR_GET_TSC, room, expect=ANY)
    questions = [
        (SYS_prctl, PR_MCE_KILL_GET, 0),
        (SYS_prctl, PR_GET_IO_FLUSHER, 0),
        (SYS_arch_prctl, ARCH_GET_CPUID, 0),
        *[(SYS_prctl, PR_GET_SPECULATION_CTRL, which) for _, which, _ in _SPECULATION],
    ]
    for index, (number, operation, which) in enumerate(questions, start=1):
        program.call(
            *(number, operation, which, 0, 0, 0), expect=ANY, store=ref_at(room, 4 * index)
        )
    return room


def control(executed: Executed, room: Ref) -> tuple[tuple[str, int], ...]:
    """Fields of crtools_task_entry and their values, where a thread has something unusual."""
    answers = executed.bytes(room, _ANSWERS.size)
    fields = _known.get(answers)
    if fields is None:
        # Threads are alike: most answers have been seen before.
        fields = _known[answers] = parse_answers(answers)
    return fields


def parse_answers(answers: bytes) -> tuple[tuple[str, int], ...]:
    """Of ask_control's questions. An errno stands for what this machine does not have, or, with
    PR_GET_IO_FLUSHER, for a thread that has no right to know."""
    tsc, mce, flusher, cpuid, *speculation = _ANSWERS.unpack(answers)
    fields: list[tuple[str, int]] = []
    if tsc == PR_TSC_SIGSEGV:
        fields.append(("tsc_forbidden", True))
    if mce >= 0 and mce != PR_MCE_KILL_DEFAULT:
        fields.append(("mce_kill", mce))
    if flusher > 0:
        fields.append(("io_flusher", True))
    if cpuid == 0:
        fields.append(("cpuid_forbidden", True))
    for (field, _, usual), answer in zip(_SPECULATION, speculation, strict=True):
        # Without PR_SPEC_PRCTL it is the machine's, not the thread's.
        if answer > 0 and answer & PR_SPEC_PRCTL and answer & ~PR_SPEC_PRCTL != usual:
            fields.append((field, answer & ~PR_SPEC_PRCTL))
    return tuple(fields)


def build_control(
    program: Program, own: CrtoolsTaskEntry, pid: int, name: str, shortfalls: Shortfalls
) -> None:
    """While the thread is still privileged. Raises ImageError."""

    def attempt(what: str, because: str, *call: int) -> None:
        program.attempt(
            *call,
            refusals=(EPERM, ENODEV, ENXIO, EINVAL, ERANGE),
            otherwise=lambda _: shortfalls.report(
                pid,
                name,
                f"{what} of its thread {own.tid}",
                wanted="set",
                got="not",
                because=because,
            ),
            label=f"set {what}",
        )

    if own.tsc_forbidden:
        program.call(SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV, label="forbid the time stamp counter")
    if own.mce_kill is not None:
        if own.mce_kill not in (0, 1):
            raise _impossible(name)
        program.call(
            *(SYS_prctl, PR_MCE_KILL, PR_MCE_KILL_SET, own.mce_kill, 0, 0),
            label="set its machine check policy",
        )
    if own.io_flusher:
        attempt(
            "PR_SET_IO_FLUSHER",
            "that needs CAP_SYS_RESOURCE",
            *(SYS_prctl, PR_SET_IO_FLUSHER, 1, 0, 0, 0),
        )
    if own.cpuid_forbidden:
        attempt(
            "ARCH_SET_CPUID",
            "this CPU cannot forbid the cpuid instruction",
            *(SYS_arch_prctl, ARCH_SET_CPUID, 0),
        )
    for field, which, _ in _SPECULATION:
        value = getattr(own, field)
        if value is None:
            continue
        if value not in _SETTINGS:
            raise _impossible(name)
        attempt(
            f"PR_SET_SPECULATION_CTRL ({field})",
            "this machine does not leave it to the threads",
            *(SYS_prctl, PR_SET_SPECULATION_CTRL, which, value, 0, 0),
        )


def _impossible(name: str) -> ImageError:
    return ImageError(f"The crtools-task image of {name} has an impossible setting of prctl(2)")
