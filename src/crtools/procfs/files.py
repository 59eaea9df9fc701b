"""Opening what /proc shows, relative to a descriptor of a /proc directory.

The procfs mount to look at is always given as a directory descriptor, because the tasks in question
may live in another pid namespace, whose own procfs numbers them differently. Parsers are elsewhere
and pure; the only I/O of this package goes through here.

Errors, for every reader: TaskVanished if the task is gone, PermissionDenied if the kernel refuses,
MissingFeature if the task is there but the kernel does not show the file, UnsupportedObject for a
link to a path that is too long. Any other OSError is passed on as it is.
"""

from __future__ import annotations

import errno
import os

from crtools.errors import (
    CrtoolsError,
    InternalError,
    MissingFeature,
    PermissionDenied,
    TaskVanished,
    UnsupportedObject,
)

# seq_file hands out one buffer, mostly a page, a read; pagemap and the like fill what they get.
_CHUNK = 65536


def open_proc(path: str | bytes = "/proc") -> int:
    """A descriptor of a procfs mount's root, for the `proc` argument of every reader here.

    Raises MissingFeature if there is no procfs at `path`.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise MissingFeature(
            f"Cannot open procfs at {os.fsdecode(path)}",
            because=os.strerror(error.errno or 0),
            hint=f"mount -t proc proc {os.fsdecode(path)}",
        ) from error
    try:
        # Every procfs has it, whatever its hidepid and subset options are.
        os.stat("self", dir_fd=fd, follow_symlinks=False)
    except OSError as error:
        os.close(fd)
        raise MissingFeature(
            f"There is no procfs at {os.fsdecode(path)}",
            because="the directory has no link named self",
            hint=f"mount -t proc proc {os.fsdecode(path)}",
        ) from error
    return fd


def task_path(pid: int, tid: int | None, name: str) -> str:
    """The path of a task's file relative to /proc: of the process, or of one of its threads."""
    return f"{pid}/{name}" if tid is None else f"{pid}/task/{tid}/{name}"


def explain(error: OSError, proc: int, pid: int, tid: int | None, name: str) -> CrtoolsError:
    """The error to raise for a failed access to a task's file."""
    task = pid if tid is None else tid
    subject = ("task", task)
    path = task_path(pid, tid, name)
    number = error.errno or 0
    if number in (errno.ENOENT, errno.ESRCH):
        # A file that we have ourselves was there until the task ended.
        mine = "self" if tid is None else "thread-self"
        if (
            number == errno.ENOENT
            and _exists(proc, pid, tid)
            and ("/" in name or not _shows(proc, f"{mine}/{name}"))
        ):
            return MissingFeature(
                f"This kernel shows no /proc/{path}",
                because="it was built without the option behind that file, or the object is gone",
                subject=subject,
            )
        return TaskVanished(f"Task {task} ended while it was being looked at", subject=subject)
    if number in (errno.EACCES, errno.EPERM):
        return PermissionDenied(
            f"Cannot read /proc/{path}",
            because=os.strerror(number),
            hint="run as root, or with CAP_SYS_PTRACE and CAP_CHECKPOINT_RESTORE",
            subject=subject,
        )
    if number == errno.ENAMETOOLONG:
        last = error.filename
        link = f"{name}/{last.decode()}" if isinstance(last, bytes) and last.isdigit() else name
        return UnsupportedObject(
            f"Cannot dump {link} of task {task}: its path is longer than 4095 bytes",
            because=f"the kernel tells no longer one (readlink of /proc/{task}/{link}), and"
            " nobody can open it by one",
            hint="let the program close or leave it before the dump, or shorten its directories'"
            " names",
            subject=subject,
        )
    raise error


def read_task_file(proc: int, pid: int, name: str, tid: int | None = None) -> bytes:
    """All bytes of /proc/PID/name, or of /proc/PID/task/TID/name."""
    try:
        fd = os.open(task_path(pid, tid, name), os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
        try:
            data = os.read(fd, _CHUNK)
            if not data:
                return data
            more = os.read(fd, _CHUNK)
            if not more:
                return data
            chunks = [data]
            while more:
                chunks.append(more)
                more = os.read(fd, _CHUNK)
            return b"".join(chunks)
        finally:
            os.close(fd)
    except OSError as error:
        raise explain(error, proc, pid, tid, name) from error


def read_optional_task_file(proc: int, pid: int, name: str, tid: int | None = None) -> bytes | None:
    """As read_task_file, but None where this kernel has no such file (and the task is there)."""
    try:
        return read_task_file(proc, pid, name, tid)
    except MissingFeature:
        return None


def read_task_link(proc: int, pid: int, name: str, tid: int | None = None) -> bytes:
    """The target of a task's symbolic link, as the kernel words it."""
    try:
        return os.readlink(task_path(pid, tid, name).encode(), dir_fd=proc)
    except OSError as error:
        raise explain(error, proc, pid, tid, name) from error


def list_task_directory(proc: int, pid: int, name: str, tid: int | None = None) -> list[str]:
    """The names in a task's directory (fd, task, map_files, ns), in the kernel's order."""
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        fd = os.open(task_path(pid, tid, name), flags, dir_fd=proc)
        try:
            return os.listdir(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise explain(error, proc, pid, tid, name) from error


def split_deleted(path: bytes) -> tuple[bytes, bool]:
    """A path without the kernel's " (deleted)", and whether that was there.

    A file whose name really ends so looks the same: compare inodes, or look at the link count.
    """
    if path.endswith(b" (deleted)"):
        return path[:-10], True
    return path, False


def unescape(text: bytes) -> bytes:
    """What seq_escape and mangle_path wrote, its octal escapes (`\\040`) made plain bytes again."""
    if b"\\" not in text:
        return text
    first, *rest = text.split(b"\\")
    plain = [first]
    for part in rest:
        digits = part[:3]
        if len(digits) == 3 and not digits.strip(b"01234567") and digits < b"400":
            plain.append(bytes((int(digits, 8),)) + part[3:])
        else:
            plain.append(b"\\" + part)
    return b"".join(plain)


def misread(file: str, line: bytes, because: str = "") -> InternalError:
    """The error for text that no kernel we know writes, naming the line."""
    return InternalError(
        f"Cannot understand {file}: {line[:400]!r}",
        because=because or "the line is not of the form that Linux 5.10 to 6.18 writes",
        hint="report this with the output of uname -r",
    )


def _exists(proc: int, pid: int, tid: int | None) -> bool:
    return _shows(proc, str(pid) if tid is None else f"{pid}/task/{tid}")


def _shows(proc: int, path: str) -> bool:
    try:
        os.stat(path, dir_fd=proc)
    except OSError:
        return False
    return True
