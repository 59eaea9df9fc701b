"""Programs for one task, in the order in which they are run."""

from __future__ import annotations

from crtools.agent.program import Program

# A process's slot has room for programs of this size, a thread's for less (restoring/skeleton.py).
PROCESS_BYTES = 300_000
THREAD_BYTES = 12_000


class Script:
    """Programs for one task, a new one begun when the last is large enough."""

    __slots__ = ("_limit", "programs")

    def __init__(self, limit: int = PROCESS_BYTES) -> None:
        self.programs: list[Program] = []
        self._limit = limit

    def program(self, need: int = 0) -> Program:
        if not self.programs or self.programs[-1].size + need > self._limit:
            self.programs.append(Program())
        return self.programs[-1]

    def fresh(self) -> Program:
        self.programs.append(Program())
        return self.programs[-1]
