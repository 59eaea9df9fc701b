"""/proc/PID/map_files: a link for each area that maps a file (proc_pid_map_files(5)).

Opening one opens the very file that is mapped, deleted or replaced as it may be; reading the link
needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE in the initial user namespace.
"""

from __future__ import annotations

import os

from crtools.procfs.files import explain, list_task_directory, misread, read_task_link, task_path


def map_files_name(start: int, end: int) -> str:
    """The name of an area's link."""
    return f"{start:x}-{end:x}"


def parse_map_files_name(name: str | bytes) -> tuple[int, int]:
    """(start, end) of the area that a link is for. Raises InternalError."""
    text = os.fsencode(name)
    try:
        start, end = text.split(b"-")
        return int(start, 16), int(end, 16)
    except ValueError:
        raise misread("/proc/PID/map_files", text) from None


def read_map_files(proc: int, pid: int) -> list[tuple[int, int]]:
    """(start, end) of each area that maps a file, by ascending address."""
    return sorted(map(parse_map_files_name, list_task_directory(proc, pid, "map_files")))


def read_map_files_link(proc: int, pid: int, start: int, end: int) -> bytes:
    """The mapped file's path, " (deleted)" at its end if so; no byte of it is escaped."""
    return read_task_link(proc, pid, f"map_files/{map_files_name(start, end)}")


def open_map_files(proc: int, pid: int, start: int, end: int, flags: int = os.O_RDONLY) -> int:
    """A descriptor of the mapped file itself, opened anew with `flags` and O_CLOEXEC."""
    name = f"map_files/{map_files_name(start, end)}"
    try:
        return os.open(task_path(pid, None, name), flags | os.O_CLOEXEC, dir_fd=proc)
    except OSError as error:
        raise explain(error, proc, pid, None, name) from error
