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

# Namespaces' ids in an image set where all tasks share the tool's own, as CRIU numbers them.
OWN_NAMESPACES = {
    "pid": 1,
    "net": 2,
    "ipc": 3,
    "uts": 4,
    "time": 5,
    "mnt": 6,
    "user": 7,
    "cgroup": 8,
}
FOREIGN_TIME = 9  # a time namespace of the tree's own


class Process:
    """A process of the tree: stopped, or a zombie (then without tracees).

    `tracees[0]` is the thread group's leader, or where that has exited while others run on, the
    first of these; then `status` and `stat` are that thread's and `leader` the leader's, else None.
    `parent` is None for the tree's root.
    """

    __slots__ = ("children", "leader", "parent", "pid", "stat", "status", "tracees")

    def __init__(self, pid: HostPid, parent: Process | None) -> None:
        self.pid = pid
        self.parent = parent
        self.children: list[Process] = []
        self.tracees: list[Tracee] = []
        self.leader: Stat | None = None
        self.status: Status
        self.stat: Stat

    @property
    def via(self) -> int:
        """The task by which /proc shows what the process has: a leader that has exited shows none
        of it, and /proc/TID, which no listing has, shows what /proc/PID does."""
        return self.tracees[0].tid if self.tracees else self.pid

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
        name = self.status.name if self.leader is None else self.leader.comm
        return f"task {self.pid} ({name.decode(errors='replace')})"
