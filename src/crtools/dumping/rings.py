"""io_urings that are not idle: the tree's tasks are made to take in what has completed.

While that is done, they run nothing of their own. Completions are in the ring then, as the program
would have found them anyway: a dump that fails afterwards has done no harm.
"""

from __future__ import annotations

import os
import time

from crtools.abi.interrupts import Deferred
from crtools.agent.inject import RobustList
from crtools.agent.program import ANY, Program
from crtools.kinds.files.io_uring import LINK, SYS_io_uring_enter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.dumping.freeze import Tree
    from crtools.dumping.tasks import TaskDump
    from crtools.kinds.files.uring_requests import Requests
    from crtools.model.tree import Process

# How long requests in flight are waited for, in seconds, the whole tree's: a disk's take
# milliseconds.
PATIENCE = 2.0
IORING_ENTER_GETEVENTS = 1


class Drain:
    """Of one dump."""

    def __init__(self, proc: int, tree: Tree, interrupts: Deferred) -> None:
        self._proc = proc
        self._tree = tree
        self._interrupts = interrupts
        self._end = 0.0

    def wait_until_idle(self, requests: Requests, tasks: TaskDump) -> None:
        """Raises UnsupportedObject, which names what does not complete."""
        self._end = self._end or time.monotonic() + PATIENCE
        with RobustList():
            while busy := requests.busy_tids():
                for process in self._tree.alive:
                    if not busy.isdisjoint(tracee.tid for tracee in process.tracees):
                        self._drain(process, requests, tasks)
                        break
                else:
                    # Of somebody outside the tree, who runs.
                    self._pause(requests)

    def _drain(self, process: Process, requests: Requests, tasks: TaskDump) -> None:
        program = Program()
        for number in self._rings(process):
            # EEXIST: another thread is its only submitter, and does it. No request is submitted
            # and none waited for, so the thread does not become known to the ring.
            program.call(SYS_io_uring_enter, number, 0, 0, IORING_ENTER_GETEVENTS, 0, 0, expect=ANY)
        agent = tasks.enter(process)
        try:
            with agent:
                while True:
                    busy = requests.busy_tids()
                    own = [tracee for tracee in process.tracees if tracee.tid in busy]
                    if not own:
                        return
                    for tracee in own:
                        agent.visit(tracee, program)
                    self._pause(requests)
        finally:
            agent.unmap()

    def _pause(self, requests: Requests) -> None:
        self._interrupts.check()
        if requests.busy_tids():
            if time.monotonic() > self._end:
                raise requests.refusal()
            time.sleep(0.001)

    def _rings(self, process: Process) -> list[int]:
        """The numbers of its descriptors of rings."""
        directory = os.open(
            f"{process.via}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._proc
        )
        try:
            return [
                int(name)
                for name in os.listdir(directory)
                if os.readlink(name.encode(), dir_fd=directory) == LINK
            ]
        finally:
            os.close(directory)
