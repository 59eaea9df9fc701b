"""The descriptor tables of a tree, dumped: which open files there are, and who shares them.

Two descriptors, of one process or of two, may be the same open file description, with one position
and one set of flags. kcmp(2) tells, and gives an order to look them up by. Only descriptors that
agree in inode, flags and position are compared at all.
"""

from __future__ import annotations

import errno
import os
import struct
from stat import S_ISSOCK

from crtools.abi import kernel
from crtools.abi.fcntl import (
    F_GETOWN_EX,
    F_GETOWNER_UIDS,
    F_GETSIG,
    O_CLOEXEC,
    O_PATH,
)
from crtools.abi.x86_64 import (
    SYS_fcntl,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_pidfd_open,
)
from crtools.errors import InternalError, MissingFeature, PermissionDenied, UnsupportedObject
from crtools.images.frames import FramedDescriptor
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.kinds.files.base import NOBODY, DumpContext, OpenFile
from crtools.kinds.files.look import NotTaken, look, read_info
from crtools.kinds.files.path import dump_path
from crtools.kinds.files.places import Places
from crtools.kinds.files.registry import REGULAR, kinds_for, load_kind
from crtools.procfs.fdinfo import parse_fdinfo
from crtools.procfs.files import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from crtools.images.frames import FramedFile
    from crtools.images.messages.fdinfo import FdinfoEntry
    from crtools.kinds.files.anonymous import Known, Lookup
    from crtools.kinds.files.base import FileDumper, FileKind
    from crtools.kinds.files.elsewhere import Elsewhere
    from crtools.kinds.files.locks import LocksDump
    from crtools.kinds.files.look import Key, Look
    from crtools.kinds.files.sockets import SocketsDump
    from crtools.model.options import Options
    from crtools.model.tree import Process

KCMP_FILE = 0  # linux/kcmp.h
USERFAULT = b"anon_inode:[userfaultfd]"
PIDFD_THREAD = os.O_EXCL  # linux/pidfd.h, Linux 6.9: a pidfd of a thread that is no leader


_FEW = 8
_NOBODY_SEEN = (0, 0, 0)
_owner = bytearray(8)  # struct f_owner_ex: type, pid
_owner_at = kernel.address_of(_owner)
_NO_OWNER = bytes(8)
_2U32 = struct.Struct("<2I")


class FilesDump(DumpContext):
    """All open files of a tree. The tasks must not run while this is used.

    `add_table` and `add_path` look and decide, `check` judges what needs the whole tree, `finish`
    writes the images: files, pipes-data, fifo-data, ghost-file, remap-fpath. What can't be carried
    over is raised as UnsupportedObject, from `add_*` where possible. `undo` removes the names that
    --link-remap gave, when the dump has failed.
    """

    def __init__(self, proc: int, store: Any, options: Options) -> None:
        self.proc = proc
        self.store = store
        self.options = options
        self.shared: Any = None
        self.processes: Sequence[Process] = ()
        self.terminals: Any = None
        self.externals = None
        if options.external:
            from crtools.model.externals import Externals

            self.externals = Externals(options.external)
        self.locks: LocksDump | None = None
        # Files that are mapped and were opened for writing: whoever has mapped one may have locked
        # it, and closed the descriptor. By device and inode: each process, and the file's id.
        self.mapped: dict[tuple[tuple[int, int], int], list[tuple[int, int]]] = {}
        if options.file_locks:
            from crtools.kinds.files.locks import LocksDump

            self.locks = LocksDump(self)
        self.sockets: Any = None
        self.connections: Any = None
        run = os.urandom(16).hex()
        self.run_id = "-".join((run[:8], run[8:12], run[12:16], run[16:20], run[20:]))
        self.entries: list[FileEntry | FramedFile] = []
        self.tables: dict[int, list[FdinfoEntry]] = {}
        self.pids: set[int] = set()
        # By pid: open files and whether they are close-on-exec. They belong to the memory.
        self.userfaults: dict[int, list[tuple[OpenFile, bool]]] = {}
        self._last_id = 0
        self._dumpers: dict[FileKind, FileDumper] = {}
        self._kinds: dict[bytes | tuple[int, int, int], FileKind] = {}  # what was met last
        # Open files that agree in inode, flags and position, in kcmp's order.
        self._known: dict[Key, list[tuple[int, int, int, int]]] = {}
        # The same as tasks and descriptors, 32 bits each: of those that are many.
        self._orders: dict[Key, bytearray] = {}
        # The table that was added last: the task it was seen through, its entries.
        self._last: tuple[int, list[FdinfoEntry]] = (0, [])
        self._paths: dict[tuple[int, int, bytes, int], int] = {}
        self._elsewhere: Elsewhere | None = None  # once something may be open there
        self._lookup: Lookup | None = None
        self._places = Places(self)
        self._pidfd: tuple[int, int] = (0, -1)  # tid, its pidfd
        # Our descriptors for files in flight, and where they were sent.
        self._flights: dict[int, str] = {}
        # What was looked at last: many descriptors in a row may be of one file.
        self._built: tuple[tuple[int, int], tuple[int, ...]] = ((-1, -1), ())
        self._kept: list[int] = []
        self._checked = False

    # --- What the dump calls ---

    def add_process(self, pid: int) -> None:
        """Says that a process belongs to the tree: one whose table is another's, for example."""
        self.pids.add(pid)

    def add_table(self, pid: int, first_tid: int) -> list[FdinfoEntry]:
        """Looks at all descriptors of a process, and gives the entries of its fdinfo image.

        `first_tid` is one of its tasks that has not exited (the leader may have).
        """
        self.pids.add(pid)
        base = f"{pid}/task/{first_tid}/"
        entries: list[FdinfoEntry] = []
        try:
            infos = os.open(base + "fdinfo", _DIRECTORY, dir_fd=self.proc)
            try:
                self._add_inherited(pid, first_tid, infos, entries)
                # The directory's size is the number of descriptors (Linux 6.2, fs/proc/fd.c); 0 on
                # older kernels.
                count = os.stat(base + "fd", dir_fd=self.proc).st_size
                if not entries or len(entries) != count:
                    directory = os.open(base + "fd", _DIRECTORY, dir_fd=self.proc)
                    try:
                        self._add_others(pid, first_tid, directory, infos, entries)
                    finally:
                        os.close(directory)
            except NotTaken as error:
                file = self._look(pid, first_tid, error.fd, read_info(infos, error.fd))
                raise self._not_borrowed(file, "pidfd_getfd", -error.errno) from None
            finally:
                os.close(infos)
        except OSError as error:
            raise explain(error, self.proc, pid, first_tid, "fd") from error
        self._last = (first_tid, entries)
        self.tables[pid] = entries
        return entries

    def add_path(
        self,
        pid: int,
        proc_link: str,
        *,
        stat: os.stat_result | None = None,
        flags: int = 0,
        tid: int | None = None,
    ) -> int:
        """The id of what a link below /proc/PID (or, with `tid`, /proc/PID/task/TID) leads to:
        "exe", "cwd", "root", "map_files/START-END". `flags` are O_* bits to open it with again."""
        self.pids.add(pid)
        via = f"{pid}/{proc_link}" if tid is None else f"{pid}/task/{tid}/{proc_link}"
        try:
            link = os.readlink(via.encode(), dir_fd=self.proc)
            if stat is None:
                stat = os.stat(via, dir_fd=self.proc)
        except OSError as error:
            raise explain(error, self.proc, pid, tid, proc_link) from error
        key = (stat.st_dev, stat.st_ino, link, flags)
        id = self._paths.get(key)
        if id is None:
            file = OpenFile(pid, tid or pid, -1, via, link, stat, flags)
            id = self._paths[key] = self._add_path(file)
        return id

    def check(self) -> None:
        """Judges what needs to know the whole tree: ends of pipes outside it, owners."""
        if self._checked:
            return
        for dumper in tuple(self._dumpers.values()):
            dumper.settle()
        for dumper in self._dumpers.values():
            dumper.check()
        if any(process.stat.tty_nr for process in self.processes):
            from crtools.kinds.files.tty_dump import check_sessions

            check_sessions(self)
        if self.locks is not None:
            self.locks.check(self._has_path, self.pids, self.mapped)
        if self.sockets is not None:
            self.sockets.check()
            self.sockets.close()  # before anybody runs on
        if self._elsewhere is not None:
            self._elsewhere.check()
        self._checked = True

    def finish(self) -> None:
        """Writes the images of open files, once every table and path is there."""
        self.check()
        for dumper in self._dumpers.values():
            dumper.finish()
        if self.locks is not None:
            self.locks.finish()
        if self.sockets is not None:
            self.sockets.finish()
        self._places.finish()
        self.store.write("files", self.entries)
        # The roots are still needed to undo what --link-remap did.
        if not self._places.made:
            self.close()

    def find_mapped_locks(self) -> None:
        """Those that mappings alone keep, where nobody has asked for locks: no descriptor has one,
        or it would have been refused. The tree must be stopped: what it locks by a descriptor
        meanwhile would be taken for one. To look for them takes the kernel some milliseconds."""
        if self.locks is None and self.mapped:
            from crtools.kinds.files.locks import LocksDump

            locks = LocksDump(self)
            locks.check(self._has_path, self.pids, self.mapped)
            locks.finish()

    def undo(self) -> None:
        """After a failed dump, finished or not: the file system as it was."""
        if self.connections is not None:
            self.connections.release()
        self._places.undo()
        self.close()

    def let_go(self) -> None:
        """After a dump whose tree runs on: its directories as they were, as far as can be."""
        self._places.let_go()
        self.close()

    def close(self) -> None:
        """Gives back the descriptors that are held between calls."""
        self._places.close()
        for fd in self._flights:
            os.close(fd)
        self._flights.clear()
        for fd in self._kept:
            os.close(fd)
        self._kept.clear()
        self._drop_pidfd()
        if self.sockets is not None:
            self.sockets.close()

    # --- One table ---

    def _add_inherited(self, pid: int, tid: int, infos: int, entries: list[FdinfoEntry]) -> None:
        """Those that are the same as in the table before: most, between relatives. Only the
        close-on-exec flag is a descriptor's own, so nothing else is looked at."""
        raw, missed = kernel.raw, 0
        before, table = self._last
        for entry in table:
            fd = entry.fd
            if raw(SYS_kcmp, tid, before, KCMP_FILE, fd, fd) == 0:
                data = read_info(infos, fd)
                cloexec = int(data.split(b"\n", 2)[1][7:], 8) & O_CLOEXEC
                if b"\nlock:" in data:
                    # POSIX locks are the process's, whoever else has the open file.
                    file = self._look(pid, tid, fd, data)
                    self._meet_locks(file).add(file, entry.id)
                entries.append(FramedDescriptor(entry.id, 1 if cloexec else 0, entry.type, fd))
            else:
                missed += 1
                if missed > len(entries) + 16:
                    return

    def _add_others(
        self, pid: int, tid: int, directory: int, infos: int, entries: list[FdinfoEntry]
    ) -> None:
        """All descriptors that have no entry yet."""
        done = {entry.fd for entry in entries}
        known = self._known
        fds = [fd for fd in sorted(map(int, os.listdir(directory))) if fd not in done]
        pidfd = self._take_pidfd(pid, tid)
        batches = look(infos, pidfd, fds, lambda: self._sockets().questions)
        try:
            for batch in batches:
                if batch.has_sockets():
                    self._sockets().take(tid, pidfd, batch, known)
                for seen in batch.seen:
                    self._add_one(pid, tid, directory, seen, entries)
        finally:
            batches.close()
        if done:
            entries.sort(key=lambda entry: entry.fd)

    def _add_one(
        self, pid: int, tid: int, directory: int, seen: Look, entries: list[FdinfoEntry]
    ) -> None:
        fd = seen.fd
        same = self._known.get(seen.key)
        if same is None:
            same = self._known[seen.key] = []
            at = -1
        else:
            at = self._find(seen.key, same, tid, fd)
        if at < 0:
            file = seen.open_file(pid, tid, directory)
            if b"\nlock:" in seen.data:
                locks = self._meet_locks(file)
            if file.link == USERFAULT:
                self.userfaults.setdefault(pid, []).append((file, bool(seen.cloexec)))
                return
            id, kind = self._add_file(file)
            self._insert(seen.key, same, ~at, (tid, fd, id, kind))
            if b"\nlock:" in seen.data:
                locks.add(file, id)
        else:
            _, _, id, kind = same[at]
            if b"\nlock:" in seen.data:
                file = seen.open_file(pid, tid, directory)
                self._meet_locks(file).add(file, id)
        entries.append(FramedDescriptor(id, 1 if seen.cloexec else 0, kind, fd))

    def _look(self, pid: int, tid: int, fd: int, data: bytes) -> OpenFile:
        """One descriptor that something is to be said about; `data` is its fdinfo."""
        via = f"{pid}/task/{tid}/fd/{fd}"
        info = parse_fdinfo(data)
        return OpenFile(
            *(pid, tid, fd, via),
            os.readlink(via.encode(), dir_fd=self.proc),
            os.stat(via, dir_fd=self.proc),
            *(info.flags & ~O_CLOEXEC, info.pos, info.mnt_id, info.extra),
        )

    def _sockets(self) -> SocketsDump:
        if self.sockets is None:
            from crtools.kinds.files.sockets import SocketsDump

            self.sockets = SocketsDump(self)
        found: SocketsDump = self.sockets
        return found

    def _find(self, key: Key, same: list[Known], tid: int, fd: int) -> int:
        """Where an open file is in a list in kcmp's order, that of `key`; ~index of where it
        belongs if it is not there."""
        order = self._orders.get(key)
        if order is None:
            order = bytearray().join([_2U32.pack(*one[:2]) for one in same])
            if len(same) > _FEW:
                self._orders[key] = order
        at: int = kernel.find(tid, fd, kernel.address_of(order), len(same))
        if at < -kernel.FIND_FAILED // 2:
            raise self._no_order(at + kernel.FIND_FAILED, tid, fd)
        return at

    def _insert(self, key: Key, same: list[Known], at: int, known: Known) -> None:
        same.insert(at, known)
        order = self._orders.get(key)
        if order is not None:
            order[8 * at : 8 * at] = _2U32.pack(*known[:2])

    def _no_order(self, result: int, tid: int, fd: int) -> Exception:
        what = f"Cannot compare fd {fd} of task {tid} with others"
        if result == -errno.ENOSYS:
            return MissingFeature(
                what,
                because="this kernel has no kcmp(2) (CONFIG_KCMP)",
                hint="crtools check",
                subject=("task", tid, "fd", fd),
            )
        if result in (-errno.EPERM, -errno.EACCES):
            return PermissionDenied(
                what,
                because=f"kcmp: {os.strerror(-result)}",
                hint="run as root, or with CAP_SYS_PTRACE",
                subject=("task", tid, "fd", fd),
            )
        return InternalError(what, because=f"kcmp answered {result}")

    def _add_file(self, file: OpenFile) -> tuple[int, int]:
        """A new open file: its id and type."""
        if S_ISSOCK(file.stat.st_mode) and not file.flags & O_PATH:
            self._sockets().identify(file)
        kind = self._kind_of(file)
        dumper = self._dumpers.get(kind)
        if dumper is None:
            dumper = self._dumpers[kind] = kind.dumper(self)
        id = self.new_id()
        self.entries.append(dumper.dump(file, id))
        if file.socket is not None:
            self.sockets.add_owner(file, id)
        return id, kind.type

    def _kind_of(self, file: OpenFile) -> FileKind:
        if self.externals is not None and self._is_named_device(file):
            return load_kind(REGULAR)
        # Sockets of one family, type and protocol are of one kind, most other files that have no
        # path of one that their name tells.
        like = file.socket or file.link
        kind = self._kinds.get(like)
        if kind is not None and kind.matches(file):
            return kind
        for kind in kinds_for(file):
            if kind.matches(file):
                if file.socket or file.link.startswith(b"anon_inode:"):
                    self._kinds[like] = kind
                return kind
        raise self._refusal(file)

    def _is_named_device(self, file: OpenFile) -> bool:
        """Whether --external gives a device a name, by which it is opened again: whatever it is."""
        from crtools.kinds.files.outside import name_outside

        assert self.externals is not None
        return name_outside(self, self.externals, file).startswith("dev[")

    def _add_path(self, file: OpenFile) -> int:
        for kind in kinds_for(file):
            if kind.type == FdTypes.REG and kind.matches(file):
                id = self.new_id()
                self.entries.append(
                    FileEntry(type=FdTypes.REG, id=id, reg=dump_path(self, file, id, 0))
                )
                return id
            # An executable may lie in memory (fexecve(3)).
            if kind.type == FdTypes.MEMFD and kind.matches(file):
                return self._add_file(file)[0]
        raise self._refusal(file)

    def _refusal(self, file: OpenFile) -> UnsupportedObject:
        from crtools.kinds.files.refused import explain as explain_kind

        return self.refuse(file, *explain_kind(file))

    def add_flight(self, fd: int, file: OpenFile) -> int:
        tid = os.getpid()
        base = f"{tid}/task/{tid}/"
        directory = os.open(base + "fd", _DIRECTORY, dir_fd=self.proc)
        infos = os.open(base + "fdinfo", _DIRECTORY, dir_fd=self.proc)
        self._flights[fd] = f"sent to {self.describe(file)} and not received yet"
        try:
            seen = next(look(infos, self._take_pidfd(tid, tid), [fd])).seen[0]
            same = self._known.setdefault(seen.key, [])
            at = self._find(seen.key, same, tid, fd)
            if at >= 0:
                id = same[at][2]
                del self._flights[fd]
                os.close(fd)
                return id
            sent = seen.open_file(tid, tid, directory)
            if b"\nlock:" in seen.data:
                from crtools.kinds.files.locks import refuse_in_flight

                raise refuse_in_flight(self, sent)
            if sent.link == USERFAULT:
                raise self._refusal(sent)
            id, kind = self._add_file(sent)
            # Whatever was added meanwhile may have moved its place.
            at = self._find(seen.key, same, tid, fd)
            self._insert(seen.key, same, ~at, (tid, fd, id, kind))
            return id
        finally:
            os.close(directory)
            os.close(infos)

    def _meet_locks(self, file: OpenFile) -> LocksDump:
        """A descriptor with locks was met. Raises UnsupportedObject without --file-locks."""
        if self.locks is None:
            from crtools.kinds.files.locks import refuse_lock

            raise refuse_lock(self, file)
        self.locks.meet(file)
        return self.locks

    def _has_path(self, device: int, ino: int) -> bool:
        """Whether an inode is mapped, an executable or a directory of a task."""
        return any(key[:2] == (device, ino) for key in self._paths)

    # --- What kinds ask for ---

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def add_entry(self, entry: FileEntry) -> None:
        self.entries.append(entry)

    def describe(self, file: OpenFile) -> str:
        if file.fd in self._flights and file.pid == os.getpid():
            return f"a descriptor {self._flights[file.fd]}"
        if file.fd >= 0:
            what = f"fd {file.fd}"
        else:
            link = file.via.partition("/")[2]
            kind, _, area = link.rpartition("/")
            what = {
                "exe": "the executable",
                "cwd": "the working directory",
                "root": "the root directory",
            }.get(area, f"the file mapped at {area}" if kind == "map_files" else area)
        return f"{what} of {self.name_task(file.pid)}"

    def name_task(self, pid: int) -> str:
        try:
            fd = os.open(f"{pid}/comm", _READ, dir_fd=self.proc)
            try:
                comm = os.read(fd, 64).rstrip(b"\n").decode("utf-8", "backslashreplace")
            finally:
                os.close(fd)
        except OSError:
            return f"task {pid}"
        return f"task {pid} ({comm})"

    def borrow(self, file: OpenFile) -> int:
        fd = kernel.raw(SYS_pidfd_getfd, self._take_pidfd(file.pid, file.tid), file.fd, 0)
        if fd < 0:
            raise self._not_borrowed(file, "pidfd_getfd", fd)
        return fd

    def pidfd_of(self, file: OpenFile) -> int:
        return self._take_pidfd(file.pid, file.tid)

    def borrow_id(self, id: int) -> int:
        tid, fd = self.lookup().places[id]
        got = kernel.raw(SYS_pidfd_getfd, self._take_pidfd(tid, tid), fd, 0)
        if got < 0:
            raise MissingFeature(
                f"Cannot look at fd {fd} of {self.name_task(tid)}",
                because=f"pidfd_getfd: {os.strerror(-got)}",
                hint="crtools check",
                subject=("task", tid, "fd", fd),
            )
        return got

    def _take_pidfd(self, pid: int, tid: int) -> int:
        """A pidfd of a task, kept until another one's is asked for."""
        if self._pidfd[0] != tid:
            self._drop_pidfd()
            pidfd = kernel.raw(SYS_pidfd_open, tid, 0)
            if pidfd < 0:
                pidfd = kernel.raw(SYS_pidfd_open, tid, PIDFD_THREAD)
            if pidfd < 0:
                raise MissingFeature(
                    f"Cannot look at the descriptors of {self.name_task(pid)}",
                    because=f"pidfd_open: {os.strerror(-pidfd)}",
                    hint="crtools check",
                    subject=("task", pid),
                )
            self._pidfd = (tid, pidfd)
        return self._pidfd[1]

    def _not_borrowed(self, file: OpenFile, call: str, result: int) -> Exception:
        what = f"Cannot look at {self.describe(file)}"
        because = f"{call}: {os.strerror(-result)}"
        if result == -errno.EPERM:
            return PermissionDenied(
                what,
                because=because,
                hint="run as root, or with CAP_SYS_PTRACE",
                subject=file.subject,
            )
        return MissingFeature(what, because=because, hint="crtools check", subject=file.subject)

    def _drop_pidfd(self) -> None:
        if self._pidfd[1] >= 0:
            os.close(self._pidfd[1])
            self._pidfd = (0, -1)

    def keep(self, fd: int) -> None:
        self._kept.append(fd)

    def owner_of(self, file: OpenFile) -> FownEntry:
        # O_PATH descriptors have no owner (fcntl(2) gives EBADF), nor has what is no descriptor.
        if file.fd < 0 or file.flags & O_PATH or file.owner == _NOBODY_SEEN:
            return NOBODY
        fd = self.borrow(file)
        raw = kernel.raw
        signum = raw(SYS_fcntl, fd, F_GETSIG)
        _owner[:] = _NO_OWNER
        result = raw(SYS_fcntl, fd, F_GETOWN_EX, _owner_at)
        if result == 0 and signum == 0 and _owner == _NO_OWNER:
            os.close(fd)
            return NOBODY
        try:
            if result < 0 or signum < 0:
                raise self._not_borrowed(file, "fcntl", min(result, signum))
            pid_type, pid = _2U32.unpack(_owner)
            result = raw(SYS_fcntl, fd, F_GETOWNER_UIDS, _owner_at)
            if result < 0:
                raise MissingFeature(
                    f"Cannot see who may be signalled about {self.describe(file)}",
                    because=f"F_GETOWNER_UIDS: {os.strerror(-result)}",
                    hint="a kernel with CONFIG_CHECKPOINT_RESTORE",
                    subject=file.subject,
                )
            uid, euid = _2U32.unpack(_owner)
        finally:
            os.close(fd)
        entry = FownEntry(uid=uid, euid=euid, signum=signum, pid_type=pid_type, pid=pid)
        if pid:
            self.elsewhere.add_owner(file, entry)
        return entry

    def read_build_id(self, file: OpenFile) -> tuple[int, ...]:
        inode = (file.stat.st_dev, file.stat.st_ino)
        if self._built[0] != inode:
            self._built = (inode, self._read_build_id(file))
        return self._built[1]

    def _read_build_id(self, file: OpenFile) -> tuple[int, ...]:
        if self.locks is not None and (file.stat.st_dev, file.stat.st_ino) in self.locks.leased:
            # To open it is to break the lease.
            return ()
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(file.via, flags | os.O_NOATIME, dir_fd=self.proc)
        except PermissionError:
            try:
                fd = os.open(file.via, flags, dir_fd=self.proc)
            except OSError:
                return ()
        except OSError:
            return ()
        try:
            # All but ELF files are done with the first four bytes.
            if os.pread(fd, 4, 0) != b"\x7fELF":
                return ()
            from crtools.kinds.files.build_id import read_build_id

            return read_build_id(fd)
        except OSError:
            return ()
        finally:
            os.close(fd)

    def locate(self, file: OpenFile, id: int) -> str:
        return self._places.locate(file, id)

    def root_of(self, file: OpenFile) -> int:
        return self._places.root_of(file)

    def known(self, key: Key) -> list[tuple[int, int, int, int]]:
        """Open files that may be one with what has this key: task, descriptor, id, type."""
        return self._known.get(key, [])

    def lookup(self) -> Lookup:
        if self._lookup is None:
            from crtools.kinds.files.anonymous import Lookup

            self._lookup = Lookup(self._known)
        return self._lookup

    @property
    def elsewhere(self) -> Elsewhere:
        if self._elsewhere is None:
            from crtools.kinds.files.elsewhere import Elsewhere

            self._elsewhere = Elsewhere(self)
        return self._elsewhere

    def watch(self, file: OpenFile, what: str) -> None:
        self.elsewhere.watch(file, what)

    def find_holder(self, file: OpenFile) -> str:
        return self.elsewhere.find_holder(file)

    def other_files(self) -> Iterator[tuple[int, str, bytes]]:
        return self.elsewhere.other_files()


_READ = os.O_RDONLY | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
