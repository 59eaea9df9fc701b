"""Stops by another signal than SIGSTOP: SIGTSTP, SIGTTIN, SIGTTOU, as a terminal sends them.

wait(2) tells the parent which one it was. They stop a process where their action is the default one
and its process group is not orphaned (kernel/signal.c, get_signal): who asks sees to that.
"""

from __future__ import annotations

import os

from crtools.errors import InternalError
from crtools.tracee import ptrace
from crtools.tracee.seize import SIGSTOP, Tracee


def stop_by(tracee: Tracee, signal: int) -> None:
    """Stops the process of a stopped tracee, its other threads too once they go on, before anything
    of it runs.

    Only SIGSTOP is taken whatever else is pending or blocked, so it is that which is sent, and
    exchanged for the other when it is reported: one that is blocked at that moment would be put
    back into the queue (ptrace_signal).
    """
    mask = int.from_bytes(ptrace.signal_mask(tracee.tid), "little")
    tracee.set_mask((mask & ~(1 << (signal - 1))).to_bytes(8, "little"))
    ptrace.tgkill(tracee.pid, tracee.tid, SIGSTOP)
    tracee.go()
    status = tracee.next_stop()
    while status >> 8 != SIGSTOP:
        # An interrupt that had been asked for before.
        tracee.go()
        status = tracee.next_stop()
    ptrace.cont(tracee.tid, signal)
    tracee.stopped = False
    status = tracee.next_stop()
    if status >> 16 != ptrace.PTRACE_EVENT_STOP or os.WSTOPSIG(status & 0xFFFF) != signal:
        raise InternalError(
            f"Task {tracee.tid} was not stopped by signal {signal}",
            because=f"it reported {status:#x} instead",
            subject=("task", tracee.tid),
        )
    tracee.group_stop = signal
    tracee.set_mask(mask.to_bytes(8, "little"))
