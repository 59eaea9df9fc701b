"""Locks of open files that are mapped, and that no descriptor leads to any more: Java locks the
file of its performance counters, maps it and closes it.

They last as long as the mapping does. Whoever maps the file again takes them, by the descriptor
that he maps it with.
"""

from __future__ import annotations

import os

from crtools.errors import ImageError, UnsupportedObject
from crtools.images.messages.crtools_locks import CrtoolsMappedLockEntry
from crtools.kinds.files import locks
from crtools.kinds.memory.areas import FILE_PRIVATE, FILE_SHARED
from crtools.procfs.locks import FL_FLOCK, FL_OFDLCK, OF_FLAG
from crtools.procfs.mountinfo import read_mountinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.agent.program import Program, Ref
    from crtools.images.messages.vma import VmaEntry
    from crtools.images.store import ImageStore
    from crtools.kinds.files.base import DumpContext
    from crtools.kinds.memory.layout import Changes, Space
    from crtools.procfs.locks import Lock

# As much as one of them takes in a program, and how many one process may have.
LOCK_BYTES, MOST = 256, 400
MAPPED_FILE = FILE_PRIVATE | FILE_SHARED


def mapped_entry(
    context: DumpContext, lock: Lock, who: Sequence[tuple[int, int]], remote: frozenset[bytes]
) -> CrtoolsMappedLockEntry:
    """Of a lock whose file is mapped by `who` (pid and the file's id). Raises UnsupportedObject."""
    pid, id = next((one for one in who if one[0] == lock.pid), who[0])
    for mount in read_mountinfo(context.proc, pid).values():
        if mount.dev == lock.device and mount.fstype in remote:
            raise UnsupportedObject(
                f"Cannot dump {lock.what} of {context.name_task(pid)}: no descriptor has it",
                because="the file that it has mapped is on a remote file system"
                f" ({mount.fstype.decode()}), whose server may give the lock to others meanwhile",
                hint="let the program release it before the dump",
                subject=("task", pid, "inode", lock.ino),
            )
    return CrtoolsMappedLockEntry(
        pid=pid, file_id=id, flag=lock.flag, type=lock.type, start=lock.start, len=lock.length
    )


class MappedLocksPlan:
    """Who takes which of them, of a set of images. Raises ImageError."""

    def __init__(
        self,
        store: ImageStore,
        spaces: dict[int, Space],
        changes: dict[int, Changes],
        begetter: dict[int, int],
        memory_of: dict[int, int],
        name: Callable[[int], str],
    ) -> None:
        self._name = name
        self._spaces = spaces
        # By pid and file: what is to be taken with its first mapping.
        self._locks: dict[int, dict[int, list[CrtoolsMappedLockEntry]]] = {}
        for entry in store.read("crtools-maplock"):
            locks.check_range(entry, "Crtools-maplock.img")
            if entry.flag not in (FL_FLOCK, FL_OFDLCK):
                raise ImageError(
                    f"Crtools-maplock.img has {OF_FLAG[entry.flag]} of task {entry.pid}",
                    because="that is not an open file's",
                )
            # What a process has inherited, one before it has mapped.
            pid = memory_of.get(entry.pid, entry.pid)
            while pid in changes and not _has(changes[pid].map, entry.file_id):
                pid = begetter.get(pid, 0) if _has(changes[pid].keep, entry.file_id) else 0
            if pid not in changes:
                raise ImageError(
                    f"Crtools-maplock.img has a lock of task {entry.pid} on file {entry.file_id}",
                    because="the task has not mapped that file",
                    subject=("task", entry.pid),
                )
            of_pid = self._locks.setdefault(pid, {})
            of_pid.setdefault(entry.file_id, []).append(entry)
            if sum(map(len, of_pid.values())) > MOST:
                raise ImageError(f"Crtools-maplock.img has more than {MOST} locks of task {pid}")

    def room(self, pid: int) -> int:
        """The most bytes of instructions that a process's locks take."""
        return LOCK_BYTES * sum(map(len, self._locks.get(pid, {}).values()))

    def build(self, program: Program, pid: int, file_id: int, fd: Ref, proc: int) -> None:
        """Instructions that take the locks of a file that `pid` is about to map by `fd`; once, and
        not again by another descriptor of his."""
        for entry in self._locks.get(pid, {}).pop(file_id, ()):
            locks.build_lock(
                *(program, entry, fd),
                lambda _, entry=entry: self._conflict(entry, pid, proc),  # type: ignore[misc]
                lambda entry=entry: f"take {self._describe(entry)}",  # type: ignore[misc]
            )

    def _describe(self, entry: CrtoolsMappedLockEntry) -> str:
        name = self._name(entry.file_id)
        return f"{OF_FLAG[entry.flag]} on {name}, which task {entry.pid} has mapped"

    def _conflict(self, entry: CrtoolsMappedLockEntry, pid: int, proc: int) -> None:
        stat = None
        for vma in self._spaces[pid].vmas:
            if vma.shmid == entry.file_id and stat is None:
                try:
                    stat = os.stat(f"{pid}/map_files/{vma.start:x}-{vma.end:x}", dir_fd=proc)
                except FileNotFoundError:
                    continue  # it has become one with its neighbour
        raise locks.explain_conflict(
            *(proc, stat, entry, self._describe(entry), set(self._spaces)),
            subject=("task", pid, "file", entry.file_id),
        )


def _has(vmas: Sequence[VmaEntry], file_id: int) -> bool:
    return any(vma.shmid == file_id and vma.status & MAPPED_FILE for vma in vmas)
