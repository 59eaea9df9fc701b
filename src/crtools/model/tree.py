"""The process tree as a dump sees it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NewType

    from crtools.procfs.stat import Stat
    from crtools.procfs.status import Status
    from crtools.tracee.seize import Tracee

    HostPid = NewType("HostPid", int)
    NSpid = NewType("NSpid", tuple[int, ...])
else:
    # A pid in the tool's own pid namespace, and one for each level from there inwards.
    HostPid = int
    NSpid = tuple


class Process:
    """A process of the tree: stopped, or a zombie (then without tracees).

    `tracees[0]` is the thread group's leader. `parent` is None for the tree's root.
    """

    __slots__ = ("children", "parent", "pid", "stat", "status", "tracees")

    def __init__(self, pid: HostPid, parent: Process | None) -> None:
        self.pid = pid
        self.parent = parent
        self.children: list[Process] = []
        self.tracees: list[Tracee] = []
        self.status: Status
        self.stat: Stat

    @property
    def zombie(self) -> bool:
        return not self.tracees

    @property
    def ns_pid(self) -> NSpid:
        """Its pid in every pid namespace, from that of the procfs that was read inwards."""
        return NSpid(self.status.ns_pids)

    @property
    def name(self) -> str:
        """How errors call it."""
        return f"task {self.pid} ({self.status.name.decode(errors='replace')})"
