"""What tasks do to have their terminals again: instructions of programs."""

from __future__ import annotations

from crtools.abi import ioctl
from crtools.abi.fcntl import (
    AT_FDCWD,
    F_SETFD,
    F_SETFL,
    O_ACCMODE,
    O_APPEND,
    O_CLOEXEC,
    O_NOATIME,
    O_NOCTTY,
    O_NONBLOCK,
    O_RDWR,
)
from crtools.abi.x86_64 import (
    SYS_close,
    SYS_fcntl,
    SYS_ioctl,
    SYS_openat,
)
from crtools.agent.program import Program
from crtools.kinds.files.path import reopening
from crtools.kinds.files.tty import show
from crtools.kinds.files.tty_pair_restore import QUIET, Pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.kinds.files.base import PlannedFile, Programs
    from crtools.kinds.files.tty_restore import Other, TtyPlanner


def build_open(program: Program, path: bytes) -> tuple[int, int]:
    return program.call(
        SYS_openat,
        AT_FDCWD,
        program.put(path + b"\0", 1),
        O_RDWR | QUIET,
        0,
        label=f"open {show(path)}",
    )


def build_no_terminal(program: Program) -> None:
    """Gives up the controlling terminal that the process was born with: its own affair, unless it
    leads its session."""
    fd = build_open(program, b"/dev/tty")
    program.call(SYS_ioctl, fd, ioctl.TIOCNOTTY, label="give up its controlling terminal")
    program.call(SYS_close, fd)


class Fetching:
    """Takes over from the tool what only that can have: a master, a slave that was hung up."""

    __slots__ = ("file", "pair", "planner")

    def __init__(self, planner: TtyPlanner, pair: Pair, file: PlannedFile) -> None:
        self.planner = planner
        self.pair = pair
        self.file = file

    def __call__(self, programs: Programs) -> None:
        file, what = self.file, self.what
        cloexec = _is_cloexec(file)
        program = programs.need(1024)
        fd = self.planner.build_fetch(program, self.pair, file, what)
        self.planner.context.move(program, fd, file.number, cloexec, what)
        if not cloexec:
            program.call(SYS_fcntl, file.number, F_SETFD, 0)
        # It has been opened without waiting.
        _set_flags(program, file, what)

    def what(self) -> str:
        return f"take over {self.planner.context.describe(self.file)}"


class Opening:
    """Opens a slave of a pair that the tool has made, or another terminal that it has."""

    __slots__ = ("file", "planner", "terminal")

    def __init__(self, planner: TtyPlanner, terminal: Pair | Other, file: PlannedFile) -> None:
        self.planner = planner
        self.terminal = terminal
        self.file = file

    def __call__(self, programs: Programs) -> None:
        file, planner = self.file, self.planner
        cloexec = _is_cloexec(file)
        path = b"/dev/tty"
        if not planner.is_own_path(file):
            path = planner.path_for(self.terminal)
        program = programs.need(1024)
        flags = reopening(file.message.flags) & (O_ACCMODE | O_NONBLOCK | O_APPEND) | O_NOCTTY
        fd = program.call(
            SYS_openat,
            AT_FDCWD,
            program.put(path + b"\0", 1),
            flags | O_CLOEXEC if cloexec else flags,
            0,
            label=self.what,
        )
        planner.context.move(program, fd, file.number, cloexec, self.what)
        _set_flags(program, file, self.what)

    def what(self) -> str:
        return f"open {self.planner.context.describe(self.file)}"


def _set_flags(program: Program, file: PlannedFile, what: Callable[[], str]) -> None:
    flags = file.message.flags & (O_APPEND | O_NOATIME | O_NONBLOCK)
    program.call(SYS_fcntl, file.number, F_SETFL, flags, label=what)


def _is_cloexec(file: PlannedFile) -> bool:
    """Of the descriptor at which it is made."""
    for pid, number, cloexec in file.users:
        if (pid, number) == (file.pid, file.number):
            return cloexec
    return True
