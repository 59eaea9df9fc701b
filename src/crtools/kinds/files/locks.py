"""Locks of files: fcntl(2)'s of processes and of open files, flock(2)'s, and leases.

fdinfo has a line for each lock at every descriptor of the open file that it was taken through
(fs/locks.c, show_fd_locks). A process's lock is shown at its own descriptors only; the others
belong to the open file and are shown at all, whoever has it.

In filelocks.img `flag` is the kernel's FL_*, `type` F_RDLCK or F_WRLCK, `start` and `len` are those
of struct flock; `pid` and `fd` say who holds it, for the locks of open files one of those who do.

A process loses all of its POSIX locks on a file with the first descriptor for that file that it
closes, so they are taken when a restore closes nothing any more. Who waits for a lock begins its
call again when it is let go, and by then all locks are there.

A write lease is had only while nobody else has the file open, and any open breaks it. So the dump
opens nothing that is leased, and does without a build id.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.abi.fcntl import (
    F_OFD_SETLK,
    F_RDLCK,
    F_SETLEASE,
    F_SETLK,
    F_SETOWN,
    F_UNLCK,
    F_WRLCK,
    LOCK_EX,
    LOCK_NB,
    LOCK_SH,
    O_ACCMODE,
    O_RDONLY,
    SEEK_SET,
)
from crtools.abi.x86_64 import SYS_fcntl, SYS_flock, SYS_kcmp
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.crtools_locks import CrtoolsLeaseEntry
from crtools.images.messages.file_lock import FileLockEntry
from crtools.procfs.locks import (
    FL_FLOCK,
    FL_LEASE,
    FL_OFDLCK,
    FL_POSIX,
    OF_FLAG,
    Lock,
    parse_lock,
    read_locks,
)
from crtools.procfs.mountinfo import read_mountinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from crtools.agent.program import Arg, Label, Program
    from crtools.errors import UnsupportedObject
    from crtools.images.messages.crtools_locks import CrtoolsMappedLockEntry
    from crtools.kinds.files.base import DumpContext, OpenFile, PlannedFile, Programs
    from crtools.kinds.files.plan import FilesPlan

    # By device and inode: the processes that have mapped it, each with the file's id.
    Mappings = Mapping[tuple[tuple[int, int], int], Sequence[tuple[int, int]]]

KCMP_FILES = 2  # linux/kcmp.h
# Locks on these are a server's, who may have given them to others by the time of a restore.
REMOTE = frozenset(
    b"9p afs ceph cifs coda gfs2 lustre nfs nfs4 ocfs2 orangefs smb3 virtiofs".split()
)
_FLOCK = struct.Struct("<2h4x2qi4x")  # struct flock (asm-generic/fcntl.h)
_END = (1 << 63) - 1  # of the largest file, linux/fs.h: OFFSET_MAX


def refuse_lock(context: DumpContext, file: OpenFile) -> UnsupportedObject:
    """The error for a lock that a dump without --file-locks meets."""
    lock = parse_lock(file.extra[b"lock"][0])
    return context.refuse(
        file,
        f"it holds {lock.what} on {os.fsdecode(file.link)}",
        f"--file-locks was not given ({lock.text.decode(errors='replace')})",
        "--file-locks, if all who use that file together are dumped",
    )


def refuse_in_flight(context: DumpContext, file: OpenFile) -> UnsupportedObject:
    """The error for a lock of an open file that is on its way through a socket."""
    lock = parse_lock(file.extra[b"lock"][0])
    return context.refuse(
        file,
        f"{lock.what} on {os.fsdecode(file.link)} goes with it",
        "who is to receive the descriptor has none yet to hold the lock by"
        f" ({lock.text.decode(errors='replace')})",
        "dump when it has been received",
    )


# --- Dump ---


class LocksDump:
    """The locks of a tree. Made before anything is stopped: the list of all locks is slow."""

    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.leased: set[tuple[int, int]] = set()  # device and number of inodes
        self._entries: dict[tuple[int, ...], FileLockEntry] = {}
        self._seen: set[tuple[int, ...]] = set()
        self._breaking: list[CrtoolsLeaseEntry] = []
        self._mapped: list[CrtoolsMappedLockEntry] = []
        self._write_leases: list[OpenFile] = []
        self._kinds: dict[int, bytes] = {}  # by device: type of the file system
        # What no descriptor of the tree shows: `check` looks whose it is.
        self._before = read_locks(context.proc)

    def meet(self, file: OpenFile) -> None:
        """Says that a descriptor has locks, before anything else is done with it. Raises
        UnsupportedObject."""
        for line in file.extra[b"lock"]:
            lock = parse_lock(line)
            if lock.flag != FL_LEASE:
                continue
            self.leased.add((file.stat.st_dev, file.stat.st_ino))
            if file.stat.st_nlink == 0 and (lock.breaking or lock.type == F_WRLCK):
                raise self.context.refuse(
                    file,
                    f"it holds a write lease on {os.fsdecode(file.link)}, whose name is gone",
                    "to save its content is to open it, which would break the lease",
                    "let the program release it before the dump",
                )

    def add(self, file: OpenFile, id: int) -> None:
        """The locks of a descriptor, whose file has the entry `id`. Raises UnsupportedObject."""
        context = self.context
        for line in file.extra[b"lock"]:
            lock = parse_lock(line)
            if not lock.flag:
                raise context.refuse(
                    file,
                    f"it holds a lock of an unknown kind on {os.fsdecode(file.link)}",
                    f"the kernel calls it {lock.text.decode(errors='replace')}",
                    "let the program release it before the dump",
                )
            self._check_remote(file, lock)
            self._seen.add(lock.key)
            if lock.flag == FL_LEASE:
                self._add_lease(file, id, lock)
                continue
            pid = file.pid
            if lock.flag == FL_POSIX:
                if lock.pid != pid and self._shares_table(lock.pid, file.tid):
                    pid = lock.pid
                key = lock.key
            else:
                key = lock.flag, id, lock.start, lock.length
                # Whoever took it, if he has it still: /proc/locks names him.
                if key in self._entries and pid != lock.pid:
                    continue
            self._put(key, file, lock, lock.type, pid)

    def _put(self, key: tuple[int, ...], file: OpenFile, lock: Lock, type: int, pid: int) -> None:
        known = self._entries.get(key)
        if known is not None and known.pid == pid:
            return
        self._entries[key] = FileLockEntry(
            flag=lock.flag, type=type, pid=pid, fd=file.fd, start=lock.start, len=lock.length
        )

    def _shares_table(self, pid: int, tid: int) -> bool:
        return pid > 0 and kernel.raw(SYS_kcmp, pid, tid, KCMP_FILES, 0, 0) == 0

    def _check_remote(self, file: OpenFile, lock: Lock) -> None:
        device = file.stat.st_dev
        kind = self._kinds.get(device)
        if kind is None:
            mount = read_mountinfo(self.context.proc, file.pid, file.tid).get(file.mnt_id)
            kind = self._kinds[device] = mount.fstype if mount is not None else b""
        if kind in REMOTE:
            raise self.context.refuse(
                file,
                f"it holds {lock.what} on {os.fsdecode(file.link)}",
                f"that is on a remote file system ({kind.decode()}), whose server may give the lock"
                " to others meanwhile",
                "let the program release it before the dump",
            )

    def _add_lease(self, file: OpenFile, id: int, lock: Lock) -> None:
        key = FL_LEASE, id
        if key in self._entries:
            if file.pid == lock.pid:
                self._put(key, file, lock, self._entries[key].type, file.pid)
            return
        type = self._lease_type(file, lock) if lock.breaking else lock.type
        if type == F_WRLCK:
            self._write_leases.append(file)
        self._put(key, file, lock, type, file.pid)
        if lock.breaking:
            self._breaking.append(CrtoolsLeaseEntry(id=id, target=lock.type))

    def _lease_type(self, file: OpenFile, lock: Lock) -> int:
        """What a lease was that is being broken: the kernel shows what it is to become."""
        if lock.type == F_RDLCK or file.flags & O_ACCMODE != O_RDONLY:
            return F_WRLCK
        # A read lease is no matter to a reader, and what is being given up entirely cannot be
        # broken any further: this changes nothing (fs/locks.c, __break_lease).
        try:
            os.close(os.open(file.via, os.O_RDONLY | os.O_NONBLOCK, dir_fd=self.context.proc))
        except BlockingIOError:
            return F_WRLCK
        return F_RDLCK

    def check(self, has_path: Callable[[int, int], bool], pids: set[int], mapped: Mappings) -> None:
        """Refuses what could not be taken again: `has_path` tells whether an inode is mapped, or
        otherwise had without a descriptor, in the tree of `pids`. Where no descriptor leads to an
        open file that is `mapped`, its locks are found now."""
        for file in self._write_leases:
            if has_path(file.stat.st_dev, file.stat.st_ino):
                raise self.context.refuse(
                    file,
                    f"it holds a write lease on {os.fsdecode(file.link)}, which is mapped too",
                    "to map it again is to open it again, and then there is no such lease",
                    "let the program release it before the dump",
                )
        unseen = [lock for lock in self._before if self._may_be_ours(lock, has_path, pids)]
        if not unseen:
            return
        # Meanwhile they may have been released, or their descriptors closed.
        now = {lock.key for lock in read_locks(self.context.proc)}
        for lock in unseen:
            if lock.key in now and (lock.pid in pids or not self._is_shown_outside(lock)):
                self._add_mapped(lock, mapped)

    def _add_mapped(self, lock: Lock, mapped: Mappings) -> None:
        """A lock that no descriptor has. Raises UnsupportedObject if no mapping has it either."""
        from crtools.kinds.files.mapped_locks import MOST, mapped_entry

        who = mapped.get((lock.device, lock.ino))
        if who is None or lock.flag not in (FL_FLOCK, FL_OFDLCK):
            raise self._without_descriptor(lock)
        self._mapped.append(mapped_entry(self.context, lock, who, REMOTE))
        if len(self._mapped) > MOST:
            raise self._without_descriptor(lock)

    def _may_be_ours(
        self, lock: Lock, has_path: Callable[[int, int], bool], pids: set[int]
    ) -> bool:
        if lock.key in self._seen:
            return False
        return lock.pid in pids or (
            not os.access(str(lock.pid), os.F_OK, dir_fd=self.context.proc)
            and has_path(os.makedev(*lock.device), lock.ino)
        )

    def _is_shown_outside(self, lock: Lock) -> bool:
        """Whether some descriptor outside the tree holds it."""
        proc = self.context.proc
        for pid, via, _ in self.context.other_files():
            number = via.rpartition("/")[2]
            # They run, and close what has just been seen.
            try:
                if os.stat(via, dir_fd=proc).st_ino != lock.ino:
                    continue
                fd = os.open(f"{pid}/fdinfo/{number}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
                try:
                    text = os.read(fd, 65536)
                finally:
                    os.close(fd)
            except OSError:
                continue
            for line in text.splitlines():
                if line.startswith(b"lock:") and parse_lock(line[5:]).key == lock.key:
                    return True
        return False

    def _without_descriptor(self, lock: Lock) -> UnsupportedObject:
        from crtools.errors import UnsupportedObject

        return UnsupportedObject(
            f"Cannot dump {lock.what} of {self.context.name_task(lock.pid)}: no descriptor has it",
            because="the open file that it belongs to is on its way through a socket, or is memory"
            f" that is mapped ({lock.text.decode(errors='replace')})",
            hint="let the program release it before the dump",
            subject=("task", lock.pid, "inode", lock.ino),
        )

    def finish(self) -> None:
        """Writes the images, if there is anything to say."""
        if self._entries:
            self.context.store.write("filelocks", list(self._entries.values()))
        if self._breaking:
            self.context.store.write("crtools-lease", self._breaking)
        if self._mapped:
            self.context.store.write("crtools-maplock", self._mapped)


# --- Restore ---


def check_range(entry: FileLockEntry | CrtoolsMappedLockEntry, image: str) -> None:
    """Raises ImageError."""
    if (
        entry.flag in OF_FLAG
        and entry.type in (F_RDLCK, F_WRLCK)
        and 0 <= entry.start <= _END
        and 0 <= entry.len <= _END
    ):
        return
    raise ImageError(
        f"{image} has an impossible lock of task {entry.pid}",
        because=f"its kind is {entry.flag}, its type {entry.type}, and it is of {entry.len} bytes"
        f" at {entry.start}",
        subject=("task", entry.pid),
    )


def build_lock(
    program: Program,
    entry: FileLockEntry | CrtoolsMappedLockEntry,
    fd: Arg,
    otherwise: Callable[[int], None],
    label: Label,
) -> None:
    """Instructions that take a lock by a descriptor; `otherwise` if somebody else has one."""
    call: tuple[Any, ...]
    if entry.flag == FL_FLOCK:
        kind = LOCK_SH if entry.type == F_RDLCK else LOCK_EX
        call = (SYS_flock, fd, kind | LOCK_NB)
    elif entry.flag == FL_LEASE:
        call = (SYS_fcntl, fd, F_SETLEASE, entry.type)
    else:
        # Past the end of what can be is the end, as for fcntl(2) with no length at all.
        length = entry.len if entry.start + entry.len <= _END else 0
        about = program.put(_FLOCK.pack(entry.type, SEEK_SET, entry.start, length, 0))
        command = F_OFD_SETLK if entry.flag == FL_OFDLCK else F_SETLK
        call = (SYS_fcntl, fd, command, about)
    refusals = (errno.EAGAIN, errno.EACCES)
    program.attempt(*call, refusals=refusals, otherwise=otherwise, label=label)


class PlannedLock:
    """A lock, and the open file that has it."""

    __slots__ = ("entry", "file")

    def __init__(self, entry: FileLockEntry, file: PlannedFile) -> None:
        self.entry = entry
        self.file = file


class LocksPlan:
    """The locks that a set of images has.

    `tables` says whose descriptor table a process has, its own or that of another with whom it
    shares one. Raises ImageError.
    """

    def __init__(self, store: Any, files: FilesPlan, tables: Mapping[int, int]) -> None:
        self.files = files
        self._locks: dict[int, list[PlannedLock]] = {}  # by pid
        self._targets: dict[int, int] = {}  # of leases that are being broken, by the file's id
        for entry in store.read("filelocks"):
            check_range(entry, "Filelocks.img")
            table = files.tables.get(tables.get(entry.pid, entry.pid))
            wanted = table.wanted.get(entry.fd) if table is not None else None
            if wanted is None:
                raise ImageError(
                    f"Filelocks.img has a lock of fd {entry.fd} of task {entry.pid}",
                    because="there is no such descriptor in the images",
                    subject=("task", entry.pid, "fd", entry.fd),
                )
            lock = PlannedLock(entry, files.files[wanted[0]])
            self._locks.setdefault(entry.pid, []).append(lock)
        if store.has("crtools-lease"):
            for lease in store.read("crtools-lease"):
                if lease.target not in (F_RDLCK, F_UNLCK):
                    raise ImageError(f"The lease on file {lease.id} is to become {lease.target}")
                self._targets[lease.id] = lease.target

    @property
    def pids(self) -> Sequence[int]:
        """Who takes any."""
        return list(self._locks)

    def build(self, pid: int, proc: int, programs: Programs) -> None:
        """Instructions that take the locks of a process. What a lock collides with is looked for in
        `proc`, and raised as RestoreConflict."""
        for lock in self._locks[pid]:
            entry, fd = lock.entry, lock.entry.fd
            program = programs.need(512)
            build_lock(
                *(program, entry, fd),
                lambda _, lock=lock: self._conflict(lock, proc),  # type: ignore[misc]
                lambda lock=lock: f"take {self._name(lock)}",  # type: ignore[misc]
            )
            if entry.flag == FL_LEASE:
                owner = self.files.owner_of(lock.file)
                # Who takes a lease is signalled about it, unless somebody else is named already;
                # and nobody must be while it is being broken once more.
                if not owner.pid or lock.file.id in self._targets:
                    program.call(SYS_fcntl, fd, F_SETOWN, 0)

    @property
    def broken(self) -> Sequence[PlannedLock]:
        """The leases that are being broken."""
        return [
            lock
            for locks in self._locks.values()
            for lock in locks
            if lock.entry.flag == FL_LEASE and lock.file.id in self._targets
        ]

    def break_lease(self, lock: PlannedLock, proc: int) -> None:
        """Does what broke it: an open that does not wait."""
        flags = os.O_RDONLY if self._targets[lock.file.id] == F_RDLCK else os.O_WRONLY
        path = f"{lock.entry.pid}/fd/{lock.entry.fd}"
        try:
            os.close(os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=proc))
        except BlockingIOError:
            return
        raise RestoreConflict(
            f"Cannot restore {self._name(lock)}",
            because="it was being broken at the dump, and now nothing is in the way of an open",
            subject=("task", lock.entry.pid, "fd", lock.entry.fd),
        )

    def build_owner(self, lock: PlannedLock, programs: Programs) -> None:
        """Instructions that name again who is signalled about a broken lease."""
        self.files.plan_owner(programs, lock.file, lock.entry.fd)

    def _name(self, lock: PlannedLock) -> str:
        entry = lock.entry
        return (
            f"{OF_FLAG[entry.flag]} on {self.files.name_of(lock.file)} for fd {entry.fd} of task"
            f" {entry.pid}"
        )

    def _conflict(self, lock: PlannedLock, proc: int) -> None:
        """Somebody else has a lock that this one collides with: who?"""
        entry = lock.entry
        stat = os.stat(f"{entry.pid}/fd/{entry.fd}", dir_fd=proc)
        raise explain_conflict(
            *(proc, stat, entry, self._name(lock), set(self._locks)),
            subject=("task", entry.pid, "fd", entry.fd),
        )


def explain_conflict(
    proc: int,
    stat: os.stat_result | None,
    entry: FileLockEntry | CrtoolsMappedLockEntry,
    name: str,
    ours: set[int],
    subject: tuple[str | int, ...],
) -> RestoreConflict:
    """The error for a lock that cannot be taken: who else than `ours` has one that is in the way?
    `stat` is the file's, if it could be looked at."""
    flags = (FL_POSIX, FL_OFDLCK) if entry.flag in (FL_POSIX, FL_OFDLCK) else (entry.flag,)
    holders = [
        other
        for other in read_locks(proc)
        if stat is not None
        and (os.makedev(*other.device), other.ino) == (stat.st_dev, stat.st_ino)
        and other.flag in flags
        and other.pid not in ours
        and _overlap(other, entry)
    ]
    if holders:
        because = f"{_name_task(proc, holders[0].pid)} has {holders[0].what} on it"
        hint = "restore when it has been released"
    elif entry.flag == FL_LEASE:
        because = "somebody else has the file open"
        hint = "restore when it has been closed: fuser(1) tells who has it"
    else:
        because = "somebody else has locked it"
        hint = "see lslocks(8)"
    return RestoreConflict(f"Cannot take {name} again", because=because, hint=hint, subject=subject)


def _overlap(lock: Lock, entry: FileLockEntry | CrtoolsMappedLockEntry) -> bool:
    ends = [start + length if length else _END for start, length in
            ((lock.start, lock.length), (entry.start, entry.len))]  # fmt: skip
    return lock.start < ends[1] and entry.start < ends[0]


def _name_task(proc: int, pid: int) -> str:
    if pid <= 0:
        return "a process that /proc/locks does not name"
    try:
        fd = os.open(f"{pid}/comm", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    except OSError:
        return f"task {pid}"
    try:
        return f"task {pid} ({os.read(fd, 64).decode('utf-8', 'backslashreplace').strip()})"
    finally:
        os.close(fd)
