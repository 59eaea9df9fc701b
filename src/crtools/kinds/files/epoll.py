"""epoll(7): sets of watched files.

/proc/PID/fdinfo has a line for each watch: the number that the file had when it was added, events,
data, and the file's inode (fs/eventpoll.c, ep_show_fdinfo). The number may be closed or another
file's by now, so kcmp(2) says which open file it is. How a set is dumped is
crtools.kinds.files.epoll_dump, how it is restored crtools.kinds.files.epoll_restore.
"""

from __future__ import annotations

from crtools.images.messages.fdinfo import FdTypes
from crtools.kinds.files.base import FileKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import (
        DumpContext,
        FileDumper,
        FilePlanner,
        OpenFile,
        PlanContext,
    )

# linux/eventpoll.h
EPOLLERR, EPOLLHUP = 0x8, 0x10
EPOLLEXCLUSIVE, EPOLLWAKEUP, EPOLLONESHOT, EPOLLET = 1 << 28, 1 << 29, 1 << 30, 1 << 31
# What is left of a watch with EPOLLONESHOT that has been told of (fs/eventpoll.c, EP_PRIVATE_BITS).
MODES = EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET


class Epoll(FileKind):
    type = FdTypes.EVENTPOLL
    field = "epfd"

    def matches(self, file: OpenFile) -> bool:
        return file.link == b"anon_inode:[eventpoll]"

    def dumper(self, context: DumpContext) -> FileDumper:
        from crtools.kinds.files.epoll_dump import EpollDumper

        return EpollDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        from crtools.kinds.files.epoll_restore import EpollPlanner

        return EpollPlanner(context)


def is_disabled(events: int) -> bool:
    """Whether a watch has told of an event and waits to be armed again: EPOLLONESHOT."""
    return not events & ~MODES
