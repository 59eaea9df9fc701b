"""Tasks that still write their pages while the tool goes on with the next process.

One pages file has one writer: the kernel holds a file's lock for as long as a write into it lasts
(inode_lock in ext4, xfs, btrfs and tmpfs alike), so two that fill one file take turns and gain
nothing. Several files are filled at the same time by as many tasks as there are CPUs for them. An
agent stays where it is until its process has written everything: whatever ends us meanwhile, it
notices by itself and goes home, as always (docs/decisions/0025-who-writes-pages.md).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.agent.inject import Agent

# So much is written before an agent could have come out and been forgotten.
WORTH = 1 << 20
_LOOK_MS = 2  # how often the others are looked at while the first of them is waited for


class Writing:
    """A process whose pages are being written by its `agent`, which is in it until then; `end` does
    the rest, when it has come out again, and `close` is called however it ends."""

    __slots__ = ("agent", "close", "end")

    def __init__(self, agent: Agent, end: Callable[[], None], close: Callable[[], None]) -> None:
        self.agent = agent
        self.end = end
        self.close = close

    def finish(self) -> None:
        """Waits for the last page, takes the agent out and does the rest."""
        try:
            try:
                self.agent.wait()
            except BaseException as error:
                self.agent.__exit__(type(error), error, error.__traceback__)
                raise
            self.agent.__exit__(None, None, None)
            self.end()
        finally:
            self.close()

    def abandon(self, error: BaseException) -> None:
        """Another one has failed: its agent comes out, and the process is as it was."""
        try:
            self.agent.__exit__(type(error), error, error.__traceback__)
        finally:
            self.close()


class Writers:
    """Those that write at the moment; as a context, nobody writes any more at its end."""

    def __init__(self) -> None:
        self._busy: list[Writing] = []
        self._most = 0

    def __enter__(self) -> Writers:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.finish_all()
            return
        while self._busy:
            self._busy.pop(0).abandon(error)

    def add(self, writing: Writing) -> None:
        """From now on this one writes as well. Waits for the end of another if as many write as
        there are CPUs that we may use; raises what that one's end raises."""
        self._busy.append(writing)
        if not self._most:
            self._most = len(os.sched_getaffinity(0))
        while len(self._busy) >= max(self._most, 1):
            self._finish_one()

    def finish_all(self) -> None:
        """Waits until all have written everything."""
        while self._busy:
            self._finish_one()

    def _finish_one(self) -> None:
        """One that is ready, if need be the first that gets so: a small one does not wait for a
        large one."""
        while True:
            ready = [writing for writing in self._busy if writing.agent.slot.ready]
            if ready:
                break
            # Whichever is ready next; that the others have come to an end is seen a moment later.
            slot = self._busy[0].agent.slot
            slot.wait_a_while(_LOOK_MS)
        writing = ready[0]
        # Until it has ended it is one of those that an error takes the agents out of.
        try:
            writing.finish()
        finally:
            self._busy.remove(writing)
