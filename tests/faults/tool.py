"""The tool in a child process that dies, or whose calls fail, at a chosen moment.

A *moment* is one line of crtools about to run, or one function about to return: its name says where
that is and who called, so it is found again in another run. Every call that changes something
stands on a line of its own file, of its caller and of crtools.abi.kernel, so there is a moment
before and after each; writes to memory shared with the target are moments as well.
"""

from __future__ import annotations

import errno
import faulthandler
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import crtools
from crtools.abi import kernel
from crtools.agent import slot
from crtools.errors import CrtoolsError

SOURCE = str(Path(crtools.__file__).parent) + "/"
LIMIT_SECONDS = 60.0
FRAMES = 2  # of a moment's name: where it is, and who called
# What changes the target, or decides what becomes of it.
DUMPING = (
    *("agent/inject.py", "agent/slot.py", "tracee/seize.py", "tracee/ptrace.py"),
    *("dumping/freeze.py", "abi/kernel.py"),
)
RESTORING = (
    *[f"restoring/{path.name}" for path in sorted(Path(SOURCE, "restoring").glob("*.py"))],
    *("agent/slot.py", "tracee/seize.py", "tracee/ptrace.py", "abi/kernel.py"),
    *("kinds/files/plan.py", "kinds/files/ghost.py", "kinds/memory/shared.py"),
)
ACTED = "acted\n"
DONE, REFUSED, BROKEN, INTERRUPTED = 0, 3, 4, 5


class Outcome:
    """How a tool ended: `status` as waitpid(2) gives it, and what it said."""

    def __init__(self, status: int, said: str) -> None:
        self.status = status
        self.said = said

    @property
    def killed(self) -> bool:
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL

    @property
    def done(self) -> bool:
        return self.status == DONE

    @property
    def refused(self) -> bool:
        """It raised a CrtoolsError."""
        return os.WIFEXITED(self.status) and os.WEXITSTATUS(self.status) == REFUSED

    @property
    def interrupted(self) -> bool:
        return os.WIFEXITED(self.status) and os.WEXITSTATUS(self.status) == INTERRUPTED

    def __repr__(self) -> str:
        if self.killed:
            return "the tool was killed"
        return f"the tool ended with {self.status:#x}: {self.said}"


def run_tool(work: Callable[[], Any], before: Callable[[int], None] | None = None) -> Outcome:
    """Runs `work` in a child of ours. `before` gets the descriptor that reports go to."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        # Where it hangs, if it does.
        faulthandler.dump_traceback_later(LIMIT_SECONDS - 2, file=writer)
        code = BROKEN
        try:
            if before is not None:
                before(writer)
            work()
            code = DONE
        except CrtoolsError as error:
            code = REFUSED
            _tell(writer, f"{type(error).__name__}: {error}")
        except KeyboardInterrupt:
            code = INTERRUPTED
            _tell(writer, traceback.format_exc())
        except BaseException:
            _tell(writer, traceback.format_exc())
        finally:
            os._exit(code)
    os.close(writer)
    try:
        return _wait(pid, reader)
    finally:
        os.close(reader)


def _tell(writer: int, text: str) -> None:
    data = text.encode(errors="replace")
    while data:
        data = data[os.write(writer, data) :]


def _wait(pid: int, reader: int) -> Outcome:
    said = bytearray()
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    end = time.monotonic() + LIMIT_SECONDS
    while True:
        # A skeleton that survives its tool may hold the other end: then no end of file comes.
        left = end - time.monotonic()
        if left < 0 or not poll.poll(left * 1000):
            where = _text(f"/proc/{pid}/stack") + _text(f"/proc/{pid}/wchan")
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise AssertionError(f"the tool hangs: {said.decode(errors='replace')} {where}")
        more = os.read(reader, 65536)
        if not more:
            break
        said += more
    return Outcome(os.waitpid(pid, 0)[1], said.decode(errors="replace"))


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


# --- Moments ---


def _moment(frame: FrameType, event: str) -> str:
    parts = []
    at: FrameType | None = frame
    while at is not None and len(parts) < FRAMES and at.f_code.co_filename.startswith(SOURCE):
        name = at.f_code.co_filename[len(SOURCE) :]
        parts.append(f"{name}:{at.f_lineno} {at.f_code.co_name}")
        at = at.f_back
    return ("after " if event == "return" else "before ") + " < ".join(parts)


def _trace(files: tuple[str, ...], reached: Callable[[str], None]) -> None:
    wanted = {SOURCE + name for name in files}

    def step(frame: FrameType, event: str, _: Any) -> Any:
        if event in ("line", "return"):
            reached(_moment(frame, event))
        return step

    def begin(frame: FrameType, event: str, _: Any) -> Any:
        return step if frame.f_code.co_filename in wanted else None

    sys.settrace(begin)


def record_moments(work: Callable[[], Any], files: tuple[str, ...]) -> list[str]:
    """All moments of one run of `work`, in order."""

    def record(writer: int) -> None:
        _trace(files, lambda moment: _tell(writer, moment + "\n"))

    outcome = run_tool(work, record)
    assert outcome.done, outcome
    return outcome.said.splitlines()


def kill_at(
    work: Callable[[], Any], files: tuple[str, ...], moment: str, occurrence: int
) -> Outcome:
    """Runs `work` up to the moment's occurrence (from 1 on), and kills it there."""

    def arm(_: int) -> None:
        left = [occurrence]

        def reached(now: str) -> None:
            if now == moment:
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

        _trace(files, reached)

    return run_tool(work, arm)


def interrupt_at(
    work: Callable[[], Any], files: tuple[str, ...], moment: str, occurrence: int
) -> Outcome:
    """Runs `work` up to the moment's occurrence, where a SIGINT comes (Ctrl-C)."""

    def arm(_: int) -> None:
        left = [occurrence]
        signal.signal(signal.SIGINT, signal.default_int_handler)

        def reached(now: str) -> None:
            if now == moment:
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGINT)

        _trace(files, reached)

    return run_tool(work, arm)


def act_at(
    work: Callable[[], Any],
    files: tuple[str, ...],
    moment: str,
    occurrence: int,
    action: Callable[[], bool | None],
) -> Outcome:
    """Runs `work`; at the moment's occurrence, and at each moment after it for as long as it
    answers true, the tool's process does `action`. It says ACTED each time: how often a loop runs,
    and so whether a moment comes, is another matter each time."""

    def arm(writer: int) -> None:
        left = [occurrence]

        def reached(now: str) -> None:
            if left[0] and now == moment:
                left[0] -= 1
            if left[0]:
                return
            _tell(writer, ACTED)
            if not action():
                sys.settrace(None)
                left[0] = -1

        _trace(files, reached)

    return run_tool(work, arm)


def choose_moments(recorded: list[str], *, last: bool = True) -> list[tuple[str, int]]:
    """Every distinct moment, the first time and, with `last`, the last time it is reached.

    Imports and generators are left out: how often they run is another matter each time.
    """
    counts: dict[str, int] = {}
    for moment in recorded:
        if "<module>" not in moment and "<genexpr>" not in moment and "<listcomp>" not in moment:
            counts[moment] = counts.get(moment, 0) + 1
    chosen = []
    for moment, count in counts.items():
        chosen.append((moment, 1))
        if last and count > 1:
            chosen.append((moment, count))
    return chosen


# --- Failing calls ---

ERRNOS = {
    "pwrite": errno.EIO, "pread": errno.EIO, "write": errno.ENOSPC, "open": errno.EMFILE,
    "kill": errno.EPERM, "stat": errno.EIO, "readlink": errno.EIO, "listdir": errno.EIO,
    "read": errno.EIO, "fstat": errno.EIO, "fchmod": errno.EIO,
    "memfd_create": errno.ENFILE, "ftruncate": errno.ENOSPC, "lseek": errno.EIO,
    "set_inheritable": errno.EIO, "mkdir": errno.EIO, "sendfile": errno.EIO,
    "copy_file_range": errno.EIO,
}  # fmt: skip
SYS_CLOSE, SYS_MUNMAP, SYS_PTRACE, SYS_GETTID, SYS_EXIT_GROUP = 3, 11, 101, 186, 231


class Failing:
    """The Nth of the tool's own calls fails; which one that was goes to the report."""

    def __init__(self, nth: int) -> None:
        self.left = nth
        self.name = ""

    def __call__(self, writer: int) -> None:
        real_call = kernel._call

        def call(nr: int, *args: int) -> int:
            # Taking down and asking who we are cannot fail; a ptrace request can: ESRCH.
            if nr not in (SYS_CLOSE, SYS_MUNMAP, SYS_GETTID) and self.count(f"call {nr}", args):
                return -(errno.ESRCH if nr == SYS_PTRACE else errno.ENOMEM)
            result: int = real_call(nr, *args)
            return result

        kernel._call = call
        self.writer = writer
        for name, error in ERRNOS.items():
            setattr(os, name, self.wrap(name, error, getattr(os, name)))

    def wrap(self, name: str, error: int, real: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(*args: Any, **kwargs: Any) -> Any:
            if self.count(name, args):
                raise OSError(error, os.strerror(error))
            return real(*args, **kwargs)

        return replacement

    def count(self, name: str, args: tuple[Any, ...]) -> bool:
        frame = sys._getframe(2)
        if not frame.f_code.co_filename.startswith(SOURCE):
            return False
        self.left -= 1
        if self.left:
            return False
        _write(self.writer, f"failed: {name}{args!r:.80} in {_moment(frame, 'line')}\n")
        return True


_real_write = os.write


def _write(writer: int, text: str) -> None:
    _real_write(writer, text.encode())


class FailingInstruction:
    """The Nth instruction that the tool has run in tasks is no system call there is: ENOSYS."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def __call__(self, writer: int) -> None:
        real_post = slot.Slot.post

        def post(self_: slot.Slot, program: Any) -> None:
            if 0 < self.left <= program.count:
                at = (self.left - 1) * slot.INSN_BYTES
                _write(writer, f"failed: {program.labels.get(self.left - 1, '')!s} {at}\n")
                code = bytearray(program.code)
                if int.from_bytes(code[at : at + 4], "little") == SYS_EXIT_GROUP:
                    self.left -= program.count
                    return real_post(self_, program)  # that never fails
                code[at : at + 6] = (0xFFFF).to_bytes(4, "little") + b"\0\1"  # nr, op, expect
                changed = type(program)()
                changed.code, changed.data = code, program.data
                changed.labels, changed.count = program.labels, program.count
                program = changed
            self.left -= program.count
            return real_post(self_, program)

        slot.Slot.post = post  # type: ignore[method-assign]
