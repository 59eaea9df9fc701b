"""Signals at a parent's end (PR_SET_PDEATHSIG): whose end it is.

To the kernel a parent is a thread, the one that begot the child, and the signal comes when that
thread ends (kernel/exit.c, reparent_leader), though the process may live on. A restored child is
begotten by its parent's first thread; where that has exited, its children have gone to the first
one that runs, and go there again.

Imported where a process has such a signal.
"""

from __future__ import annotations

from crtools.errors import TaskVanished, UnsupportedObject
from crtools.procfs.children import read_children

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.model.tree import Process


def check_death_signal(proc: int, process: Process, signal: int) -> None:
    """Refuses one at the end of a thread that its parent would not be after a restore."""
    parent = process.parent
    if parent is None:
        return  # it comes when whoever restores the tree ends
    for tracee in parent.tracees[1:]:
        try:
            children = read_children(proc, parent.pid, tracee.tid)
        except TaskVanished:
            continue
        if process.pid in children:
            raise UnsupportedObject(
                f"Cannot dump {process.name}: it gets signal {signal} when its parent, thread"
                f" {tracee.tid} of {parent.name}, ends",
                because="crtools would restore it as a child of another thread of that process,"
                " and so the death signal would come at another time",
                hint="let the parent's first thread start it, or clear the signal with"
                " prctl(PR_SET_PDEATHSIG, 0)",
                subject=("task", process.pid),
            )
