"""The log: lines as CRIU writes them, gathered in memory and written in large pieces.

Silent until `configure` is called, so that a program that imports crtools hears nothing. A debug
line that is not wanted costs a comparison; where building its text costs, ask first:
`if log.level >= log.DEBUG`.

    (00.012345) text                 with times from level 3 (info) up, as criu(8) says of -v3
    (00.012345)    812: text         about one task
    Error (dumping/freeze.py:40): text  errors and warnings name the line that reports them
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

# The levels of criu(8), -v.
SILENT, ERROR, WARNING, INFO, DEBUG = 0, 1, 2, 3, 4

level = SILENT
"""What is written: lines of this level and below. Set by `configure`."""

watcher: Callable[[str, int, int], None] | None = None
"""Who is shown the stages of the work: called with a stage's name, what is done and the total
(0, 0 where there is nothing to count). A command's progress display sets it."""

_FLUSH_AT = 1 << 16  # characters
_started = time.monotonic()
_fd = -1
_owns_fd = False
_task_path = ""  # with --log-pid: lines about a task go to this path plus ".PID"
_lines: list[str] = []
_task_lines: dict[int, list[str]] = {}
_characters = 0
_fork_watched = False


def configure(new_level: int, *, path: str = "", per_task: bool = False) -> None:
    """Write lines up to a level to a new file at `path`, or to standard error without one.

    per_task: lines about a task go to a file of their own beside it (--log-pid). Raises OSError.
    """
    global level, _fd, _owns_fd, _task_path, _fork_watched
    close()
    if path:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        _fd = os.open(path, flags, 0o600)
        _owns_fd = True
        _task_path = path if per_task else ""
    else:
        _fd = 2
    level = new_level
    if not _fork_watched:
        # A forked copy of the buffer would be written twice.
        os.register_at_fork(before=flush)
        _fork_watched = True


def debug(text: str, *args: object, pid: int = 0) -> None:
    """How we got there. `pid` names the task that the line is about."""
    if level >= DEBUG:
        _add("", text, args, pid)


def info(text: str, *args: object, pid: int = 0) -> None:
    """What was done."""
    if level >= INFO:
        _add("", text, args, pid)


def warning(text: str, *args: object, pid: int = 0) -> None:
    """Something is odd, and the work goes on."""
    if level >= WARNING:
        _add("Warn  " + _caller(), text, args, pid)


def error(text: str, *args: object, pid: int = 0) -> None:
    """The work fails. Written out at once, with all that led here."""
    if level >= ERROR:
        _add("Error " + _caller(), text, args, pid)
        flush()


def exception(problem: BaseException) -> None:
    """An error that ends the work, reported where it was raised."""
    if level >= ERROR:
        traceback = problem.__traceback__
        where = "(crtools): " if traceback is None else _place_of(traceback)
        for line in str(problem).splitlines() or [type(problem).__name__]:
            _add("Error " + where, line, (), 0)
        flush()


def stage(name: str, done: int = 0, total: int = 0) -> None:
    """Tell whoever watches what is being done; the log has it once, when it begins."""
    if done == 0 and level >= INFO:
        _add("", name, (), 0)
    if watcher is not None:
        watcher(name, done, total)


def writes_to_stderr() -> bool:
    """Whether lines go to standard error and not to a file."""
    return _fd == 2 and not _owns_fd


def elapsed() -> float:
    """Seconds since the command started."""
    return time.monotonic() - _started


def flush() -> None:
    """Write out what was gathered. A log that can't be written never stops the work."""
    global _characters
    if _lines and _fd >= 0:
        _write(_fd, "".join(_lines))
    _lines.clear()
    _characters = 0
    for pid, lines in _task_lines.items():
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            fd = os.open(f"{_task_path}.{pid}", flags, 0o600)
        except OSError:
            continue
        _write(fd, "".join(lines))
        os.close(fd)
    _task_lines.clear()


def discard() -> None:
    """Forget what was gathered: for a copy of this process that clone(2) made, which os.fork's
    own care does not reach."""
    global _characters
    _lines.clear()
    _task_lines.clear()
    _characters = 0


def close() -> None:
    """Write out the rest and go back to silence."""
    global level, _fd, _owns_fd, _task_path
    flush()
    if _owns_fd:
        os.close(_fd)
    level, _fd, _owns_fd, _task_path = SILENT, -1, False, ""


def _add(prefix: str, text: str, args: tuple[object, ...], pid: int) -> None:
    global _characters
    if args:
        text = text % args
    if "\n" in text:
        # One line stays one line, whatever a task calls itself.
        text = text.replace("\n", "\\n")
    if pid:
        prefix = f"{pid:6}: {prefix}"
    if level >= INFO:
        seconds = time.monotonic() - _started
        line = f"({seconds:09.6f}) {prefix}{text}\n"
    else:
        line = f"{prefix}{text}\n"
    if pid and _task_path:
        _task_lines.setdefault(pid, []).append(line)
    else:
        _lines.append(line)
    _characters += len(line)
    if _characters >= _FLUSH_AT:
        flush()


def _write(fd: int, text: str) -> None:
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = text.encode("utf-8", "backslashreplace")
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:
        pass


def _caller() -> str:
    frame = sys._getframe(2)
    return f"({_short(frame.f_code.co_filename)}:{frame.f_lineno}): "


def _place_of(traceback: TracebackType) -> str:
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f"({_short(traceback.tb_frame.f_code.co_filename)}:{traceback.tb_lineno}): "


def _short(path: str) -> str:
    """A source file's path inside the package; the machine's own paths are nobody's business."""
    inside = path.rpartition("/crtools/")
    return inside[2] if inside[1] else os.path.basename(path)
