"""What a restore could not bring back for want of a right, and goes on without.

A limit that only CAP_SYS_RESOURCE may raise, a lower OOM score, a real-time priority: the program
runs without them, so a restore tells of them and goes on, and refuses only with --strict. Nothing
that the program can stumble over belongs here: that is a RestoreConflict, strict or not.

What can be foretold is reported while the restore checks, before anything is made. What only the
kernel knows is tried (Program.attempt), and reported when it was refused; nothing of the program
has run by then, so --strict leaves nothing of it.
"""

from __future__ import annotations

from crtools import log
from crtools.errors import RestoreConflict
from crtools.model.value import Value


class Shortfall(Value):
    """One piece of a task's state that is not as it was."""

    task: str  # "task 812 (redis)"
    pid: int
    what: str  # "its hard limit RLIMIT_NOFILE"
    wanted: str
    got: str
    because: str

    def __str__(self) -> str:
        return f"{self.task}: {self.what} is {self.got}, was {self.wanted}: {self.because}"


class Shortfalls:
    """All of one restore."""

    __slots__ = ("_strict", "found")

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self.found: list[Shortfall] = []

    def report(
        self, pid: int, task: str, what: str, *, wanted: object, got: object, because: str
    ) -> None:
        """Notes one and warns of it in the log. With --strict raises RestoreConflict instead.

        `task` and `what` are nouns: "task 812 (redis)", "its OOM score adjustment".
        """
        shortfall = Shortfall(
            task=task, pid=pid, what=what, wanted=str(wanted), got=str(got), because=because
        )
        if self._strict:
            raise RestoreConflict(
                f"Cannot restore {task}: {what} was {wanted} and would be {got}",
                because=because,
                hint="restore with that right, or without --strict",
                subject=("task", pid),
            )
        self.found.append(shortfall)
        log.warning("%s", shortfall, pid=pid)
