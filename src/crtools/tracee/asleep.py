"""Letting go of a task that sleeps, where its seccomp filters forbid restart_syscall(2).

A stop interrupts a sleep, and the kernel continues it with that system call: the filters kill the
task for it, as they do after any SIGSTOP and SIGCONT. They look at calls when these begin, so the
task goes back to sleep while it is traced, with its filters suspended, and is let go of afterwards.
A task that runs can be let go of in one way only: by the end of its tracer, which does not disturb
it. A tracer that lives on waits until the sleep is over. In both cases the task is stopped where
its sleep ends, so that it never runs without its filters.

Strict mode forbids to begin a sleep, so nobody sleeps in it.

If the tracer dies between the task's first step and its system call, the filters kill the task.
"""

from __future__ import annotations

import os

from crtools import log
from crtools.tracee import ptrace
from crtools.tracee import x86_64 as arch
from crtools.tracee.filters import allow
from crtools.tracee.seize import SYSCALL_STOP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.tracee.filters import Chain
    from crtools.tracee.seize import Tracee

SYS_restart_syscall = 219


def may_continue(chain: Chain, registers: list[int]) -> bool:
    """Whether filters let a task continue its sleep."""
    return allow(chain, [(SYS_restart_syscall, [registers[i] for i in arch.ARGUMENTS])])


def let_sleep(tracee: Tracee) -> bool:
    """Lets a stopped task go back to its sleep; False if it has been let go of already."""
    tid = tracee.tid
    try:
        ptrace.cont_to_syscall(tid)
        status = ptrace.wait(tid)
        if status is None or not os.WIFSTOPPED(status):
            return False
        if status >> 16 or status >> 8 & 0xFF != SYSCALL_STOP:
            _detach(tid, status)
            return False
        ptrace.cont_to_syscall(tid)
        # The filters look at the call behind its entry stop: we may not end before it is past them.
        while (status := ptrace.wait(tid, block=False)) is None:
            with open(f"/proc/{tid}/stat", "rb", buffering=0) as file:
                if file.read().rpartition(b")")[2].split()[0] == b"S":
                    tracee.stopped = False
                    log.info(f"task {tid} sleeps on: it is traced until it wakes, or crtools ends")
                    return True
            os.sched_yield()
    except OSError:
        return False  # it was killed
    if os.WIFSTOPPED(status):
        _detach(tid, status)
    return False


def wait_until_awake(tracees: list[Tracee]) -> None:
    """Lets go of tasks that sleep: each when its sleep is over."""
    for tracee in tracees:
        try:
            status = ptrace.wait(tracee.tid)
        except ChildProcessError:
            continue
        if status is not None and os.WIFSTOPPED(status):
            _detach(tracee.tid, status)


def _detach(tid: int, status: int) -> None:
    """With the signal that it has stopped for, if that is why."""
    signal = status >> 8 & 0xFF
    try:
        ptrace.detach(tid, 0 if status >> 16 or signal == SYSCALL_STOP else signal)
    except ProcessLookupError:
        return  # it was killed
