"""The descriptor tables of a tree, restored: from the images to agent programs.

Each shared open file is made once, by one process, and the others take it over from there
(pidfd_getfd). Three phases, each of them done by all processes before any of them begins the next:
create, fetch, close. What a process makes for others only is parked at a number that its table
does not have, and closed in the end. Nothing here touches a process or makes a file, except
`create_held`.
"""

from __future__ import annotations

import os
import struct

from crtools import log
from crtools.abi import kernel
from crtools.abi.fcntl import (
    AT_FDCWD,
    F_OWNER_PGRP,
    F_OWNER_PID,
    F_OWNER_TID,
    F_SETFD,
    F_SETFL,
    F_SETOWN_EX,
    F_SETSIG,
    FASYNC,
    O_APPEND,
    O_CLOEXEC,
    O_DIRECT,
    O_NOATIME,
    O_NOFOLLOW,
    O_NONBLOCK,
    O_PATH,
)
from crtools.abi.x86_64 import (
    SYS_close,
    SYS_dup3,
    SYS_fcntl,
    SYS_openat,
    SYS_pidfd_getfd,
    SYS_pidfd_open,
    SYS_prlimit64,
    SYS_setresuid,
)
from crtools.errors import ImageError, RestoreConflict, UnsupportedObject
from crtools.images.messages.fdinfo import FdinfoEntry, FdTypes
from crtools.images.wire import Sharing
from crtools.kinds.files.base import LAST, PlanContext, PlannedFile, Programs, Table
from crtools.kinds.files.path import below, check_entry, check_path, reopening
from crtools.kinds.files.registry import kind_of_entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from crtools.agent.program import Program, Ref
    from crtools.images.messages.fown import FownEntry
    from crtools.images.messages.regfile import RegFileEntry
    from crtools.kinds.files.base import FileKind, FilePlanner
    from crtools.kinds.files.outside import Outside
    from crtools.kinds.files.substitutes import Held
    from crtools.model.options import Options

# sysctl fs.nr_open cannot be set higher (fs/file.c, sysctl_nr_open_max).
MAX_NUMBER = 0x7FFFFFC0
RLIMIT_NOFILE = 7  # asm-generic/resource.h
# The flags that F_SETFL changes.
_SETTABLE = FASYNC | O_APPEND | O_DIRECT | O_NOATIME | O_NONBLOCK
_NO_CHANGE = 0xFFFFFFFF  # setresuid(2): -1
_2I = struct.Struct("<2i")
_2U64 = struct.Struct("<2Q")


class FilesPlan(PlanContext):
    """All open files that a set of images has for a tree.

    `processes` are those that have a table of their own: pid and the entries of its fdinfo
    image. A process that shares another's table is not among them; `pids` are all processes, and
    `shares` tells whose table one has that is not its own. `may_help` says of another pid whether
    there can be a process of it while files are made; `helpers` are those that are needed.
    `numbers_needed` is what RLIMIT_NOFILE has to be at least while tasks are restored.
    `root_number` may be set to a descriptor's number that all skeletons have for the directory
    to take paths from; else they are taken from their root. Raises ImageError for images that
    make no sense, UnsupportedObject for files of kinds that are not restored yet.
    """

    def __init__(
        self,
        store: Any,
        processes: Iterable[tuple[int, Sequence[FdinfoEntry]]],
        options: Options,
        pids: Iterable[int] = (),
        shares: Mapping[int, int] | None = None,
        may_help: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self.store = store
        self.options = options
        self.root_number: int | None = None
        self.tool_pid = 0
        self.shared: dict[int, Any] = {}
        self.unchecked: set[int] = set()
        self.terminals: Any = None
        self.sockets: Any = None
        self.packet_sockets: dict[int, Any] = {}
        self.unix: Any = None
        self.connections: Any = None
        self.shortfalls: Any = None
        self.files: dict[int, PlannedFile] = {}
        self.tables: dict[int, Table] = {}
        self._reserved: set[int] = set()
        self._raised: bytes | None = None
        self.inherited = None
        if options.inherit_fd:
            from crtools.model.externals import Inherited

            self.inherited = Inherited(options.inherit_fd)
        self._entries: dict[int, Any] = {}
        self._regular: dict[int, RegFileEntry] = {}
        with Sharing():
            entries_of_files = store.read("files")
        for entry in entries_of_files:
            if entry.id in self._entries:
                raise ImageError(f"File {entry.id} is twice in the files image")
            self._entries[entry.id] = entry
            if entry.type == FdTypes.REG and entry.reg is not None:
                self._regular[entry.id] = entry.reg
        self._held: Held | None = None
        if store.has("remap-fpath") or store.has("crtools-path"):
            from crtools.kinds.files.substitutes import Held

            self._held = Held(store, self._regular)
        # Paths that cannot be opened as they were, and open files of ours that tasks take over
        # themselves: ids of entries.
        self._protected: list[int] = []
        self._given: dict[int, int] = {}
        self._opened: dict[int, int] = {}  # those of them that are closed here
        self._outside: Outside | None = None
        if self.inherited is not None or any(entry.ext for entry in self._regular.values()):
            self._outside = self._find_outside()
        self._jobs: dict[int, list[Callable[[Programs], None]]] = {}
        self._planners: dict[FileKind, FilePlanner] = {}
        self._kinds: dict[int, FileKind] = {}  # of files, by type
        self._late: dict[int, list[Callable[[Programs], None]]] = {}
        # By round and pid.
        self.late_jobs: dict[int, dict[int, list[Callable[[Programs], None]]]] = {}
        self._kept: dict[int, dict[int, None]] = {}  # by pid: numbers that these need
        self.clock_offsets = (0, 0)
        for pid, entries in processes:
            self._add_table(pid, entries)
        self._pids = {*self.tables, *pids}
        self._shares = shares or {}
        self._may_help = may_help
        self.helpers: set[int] = set()
        for planner in tuple(self._planners.values()):
            planner.settle()
        for planner in self._planners.values():
            planner.place()
        # What each process has to do beside its jobs: further numbers, and owners.
        self._duplicates: dict[int, list[PlannedFile]] = {}
        self._owned: dict[int, list[PlannedFile]] = {}
        for file in self.files.values():
            if len(file.users) > 1:
                self._duplicates.setdefault(file.pid, []).append(file)
            owner, flags = file.planner.owner(file)
            if owner.pid or owner.signum or flags & FASYNC:
                self._owned.setdefault(file.users[0][0], []).append(file)

    # --- What the images say ---

    def _add_table(self, pid: int, entries: Sequence[FdinfoEntry]) -> None:
        if pid in self.tables:
            raise ImageError(f"Task {pid} has two descriptor tables in the images")
        table = self.tables[pid] = Table(pid, self._reserved)
        for entry in entries:
            fd = entry.fd
            if fd > MAX_NUMBER or fd in table.wanted:
                raise ImageError(
                    f"The images have an impossible fd {fd} for task {pid}",
                    because="it is there twice" if fd in table.wanted else "it is too large",
                    subject=("task", pid, "fd", fd),
                )
            cloexec = bool(entry.flags & 1)
            file = self.files.get(entry.id)
            if file is None:
                file = self.files[entry.id] = self._new_file(entry, pid)
            if entry.type != file.type:
                raise self._mismatch(entry, pid, "its type is not that of the file")
            table.wanted[fd] = (entry.id, cloexec)
            file.users.append((pid, fd, cloexec))

    def _new_file(self, entry: FdinfoEntry, pid: int) -> PlannedFile:
        shared = self._entries.get(entry.id)
        if shared is None:
            raise self._mismatch(entry, pid, "the files image has no such file")
        kind = self._kinds.get(shared.type)
        if kind is None:
            kind = kind_of_entry(shared)
            # All but these are told by their type alone.
            if kind is not None and shared.type != FdTypes.INETSK:
                self._kinds[shared.type] = kind
        if kind is None:
            name = FdTypes.NAMES.get(shared.type, str(shared.type))
            raise UnsupportedObject(
                f"Cannot restore fd {entry.fd} of task {pid}: it is of type {name}",
                because="crtools does not carry such files yet",
                subject=("task", pid, "fd", entry.fd),
            )
        message = kind.message(shared, self.store)
        if message is None or message.id != entry.id:
            raise self._mismatch(entry, pid, "the entry of the file is not complete")
        planner = self._planners.get(kind)
        if planner is None:
            planner = self._planners[kind] = kind.planner(self)
        file = PlannedFile(entry.id, shared.type, shared, message, planner)
        planner.add(file)
        return file

    def add_flight(self, id: int, pid: int) -> None:
        if id in self.files:
            return
        table = self.table_of(pid)
        shared = self._entries.get(id)
        number = table.park(id)
        type = shared.type if shared is not None else 0
        file = self._new_file(FdinfoEntry(id=id, flags=1, type=type, fd=number), table.pid)
        self.files[id] = file
        file.users.append((table.pid, number, True))

    def table_of(self, pid: int) -> Table:
        return self.tables[self._shares.get(pid, pid)]

    def can_act(self, pid: int) -> bool:
        if pid in self._pids or pid in self.helpers:
            return True
        if not self._may_help(pid):
            return False
        self.helpers.add(pid)
        self.tables[pid] = Table(pid, self._reserved)
        return True

    def _mismatch(self, entry: FdinfoEntry, pid: int, because: str) -> ImageError:
        return ImageError(
            f"The images say that fd {entry.fd} of task {pid} is file {entry.id}",
            because=f"which is wrong: {because}",
            subject=("task", pid, "fd", entry.fd),
        )

    def _find_outside(self) -> Outside:
        from crtools.kinds.files.outside import Outside
        from crtools.model.externals import Externals

        return Outside(self._regular, Externals(self.options.external), self.inherited)

    def regular(self, id: int) -> RegFileEntry | None:
        return self._regular.get(id)

    def path_of(self, id: int) -> str:
        """The path of a regular-file entry. Raises ImageError if there is none of that id."""
        entry = self._regular.get(id)
        if entry is None:
            raise ImageError(f"There is no file {id} with a path in the files image")
        return entry.name

    def describe(self, file: PlannedFile) -> str:
        pid, fd, _ = file.users[0]
        return f"{self.name_of(file)} for fd {fd} of task {pid}"

    def name_of(self, file: PlannedFile) -> str:
        """A path, "pipe 40213"."""
        return file.planner.name(file)

    # --- Numbers ---

    def unused_number(self) -> int:
        """A number that is in no process's table, and that nothing here will use."""
        number = 3
        while number in self._reserved or any(
            number in table.wanted or number in table.parked or number in table.temporary
            for table in self.tables.values()
        ):
            number += 1
        self._reserved.add(number)
        return number

    @property
    def numbers_needed(self) -> int:
        """One more than the largest number that any skeleton uses, temporary ones included."""
        most = 8
        for table in self.tables.values():
            taken = {*table.wanted, *table.parked, *table.temporary, *self._reserved}
            if not table.temporary:
                taken.add(next(number for number in range(3, MAX_NUMBER) if number not in taken))
            # New descriptors get the lowest free number: two at most beside all those.
            most = max(most, max(taken) + 1, len(taken) + 2)
        return most

    def check_numbers(self) -> None:
        """Whether so many descriptors can be had. Raises RestoreConflict."""
        hard = _number_limits()[1]
        needed = self.numbers_needed
        if needed > hard:
            raise RestoreConflict(
                f"The tasks need descriptors up to number {needed - 1}",
                because=f"the hard limit here is {hard} (RLIMIT_NOFILE)",
                hint=f"ulimit -Hn {needed}",
            )

    @property
    def raises_limit(self) -> bool:
        """Whether the skeletons raise their soft RLIMIT_NOFILE, because ours is too small: then
        every task's own has to be set later, equal to ours or not."""
        if self._raised is None:
            soft, hard = _number_limits()
            self._raised = _2U64.pack(hard, hard) if self.numbers_needed > soft else b""
        return bool(self._raised)

    # --- Before anything is made ---

    def check_files(self, root: int) -> None:
        """Compares every file with what is below the directory `root` now. Raises
        RestoreConflict, naming the file and both values; ImageError."""
        validation = self.options.file_validation
        rwx = not self.options.skip_file_rwx_check
        if self.inherited is not None:
            self.inherited.check()
        outside = self._outside
        if outside is not None:
            outside.check()
        held = self._held
        if held is not None:
            held.check(root, validation=validation, rwx=rwx)
        for id, entry in self._regular.items():
            check_entry(entry)
            if id in self.unchecked:
                continue
            if outside is not None and id in outside.replaced:
                outside.check_one(id, entry)
                continue
            # A file of a task that is to be restored is there when the task is.
            if self._is_of_task(entry.name):
                continue
            if (held is None or not held.covers(id)) and check_path(
                entry, root, validation=validation, rwx=rwx
            ):
                self._protected.append(id)
        for planner in self._planners.values():
            planner.check(root)
        if self.sockets is not None:
            self.sockets.check(self)
        self.check_numbers()

    def _is_of_task(self, name: str) -> bool:
        words = name.split("/", 3)
        return words[:2] == ["", "proc"] and words[2].isdecimal() and int(words[2]) in self._pids

    def create_held(self, tool_pid: int, root: int) -> None:
        """Makes what the tool itself holds, below the directory `root`: the files that have no
        name, pairs of terminals.

        `tool_pid` is this process's pid as the skeletons' /proc has it.
        """
        self.tool_pid = tool_pid
        if self._held is not None:
            try:
                self._held.create(root)
            except BaseException:
                self._held.close(restored=False)
                raise
            self._given.update(self._held.given)
        for id in self._protected:
            from crtools.kinds.files.protected import open_protected

            self._given[id] = self._opened[id] = open_protected(self._regular[id], root)
        for planner in self._planners.values():
            planner.create(tool_pid, root)

    def dress_held(self) -> None:
        """What comes last of the files held here: when all tasks have opened theirs."""
        if self._held is not None:
            self._held.dress()

    def close_held(self, *, restored: bool) -> None:
        """Lets go of them; `restored` says that the tasks have all they need."""
        for planner in self._planners.values():
            planner.close(restored=restored)
        if self.sockets is not None:
            self.sockets.close()
        if restored and self.inherited is not None:
            for unused in self.inherited.unused():
                log.warning("--inherit-fd %s: nothing in the images is called so", unused)
        if self._held is not None:
            self._held.close(restored=restored)
        for fd in self._opened.values():
            os.close(fd)
        self._opened.clear()
        self._given.clear()

    # --- Programs ---

    def add_job(self, pid: int, job: Callable[[Programs], None]) -> None:
        self._jobs.setdefault(pid, []).append(job)

    def add_late(self, pid: int, job: Callable[[Programs], None]) -> None:
        self._late.setdefault(pid, []).append(job)

    def add_late_job(
        self,
        round: int,
        pid: int,
        job: Callable[[Programs], None],
        needed: Sequence[PlannedFile] = (),
    ) -> None:
        self.late_jobs.setdefault(round, {}).setdefault(pid, []).append(job)
        for file in needed:
            for user, number, _ in file.users:
                kept = self._kept.setdefault(user, {})
                if number in self.tables[user].parked and number not in kept:
                    if not kept:
                        self.add_late_job(LAST, user, lambda p, kept=kept: _close_all(p, kept))  # type: ignore[misc]
                    kept[number] = None

    def is_kept(self, pid: int, number: int) -> bool:
        return number in self._kept.get(pid, {})

    def plan_create(
        self, pid: int, program: Program, fresh: Callable[[], Program] | None = None
    ) -> Program:
        """Instructions by which a process makes what it is the maker of. With `fresh`, those that
        do not fit into one program go into more. Returns the last program."""
        programs = Programs(program, fresh)
        if self.raises_limit:
            limits = program.put(self._raised or b"")
            program.call(
                SYS_prlimit64, 0, RLIMIT_NOFILE, limits, 0, label="raise its number of descriptors"
            )
        for job in self._jobs.get(pid, ()):
            job(programs)
        for file in self._duplicates.get(pid, ()):
            for user, fd, cloexec in file.users:
                if user == pid and fd != file.number:
                    programs.need(128).call(
                        SYS_dup3,
                        file.number,
                        fd,
                        O_CLOEXEC if cloexec else 0,
                        label=Label(self, file, "duplicate", fd, pid),
                    )
        return programs.program

    def plan_fetch(
        self, pid: int, program: Program, fresh: Callable[[], Program] | None = None
    ) -> Program:
        """Instructions by which a process takes over what others have made."""
        programs = Programs(program, fresh)
        table = self.tables.get(pid)
        if table is None:  # another process's
            return program
        wanted: dict[int, dict[PlannedFile, list[tuple[int, bool]]]] = {}
        for fd, (id, cloexec) in table.wanted.items():
            file = self.files[id]
            if file.pid != pid:
                wanted.setdefault(file.pid, {}).setdefault(file, []).append((fd, cloexec))
        for maker, files in wanted.items():
            program = programs.need(512)
            pidfd = program.call(SYS_pidfd_open, maker, 0, label=f"find task {maker}")
            # Out of the way of the numbers that are still to be filled.
            spare = table.park()
            table.unpark(spare)
            program.skip_if(pidfd, spare, 2)
            program.call(SYS_dup3, pidfd, spare, O_CLOEXEC, label="keep a pidfd")
            program.call(SYS_close, pidfd)
            for file, places in files.items():
                fd, cloexec = places[0]
                program = programs.need(640)
                got = program.call(
                    SYS_pidfd_getfd,
                    spare,
                    file.number,
                    0,
                    label=Label(self, file, "take over", fd, pid),
                )
                program.skip_if(got, fd, 2)
                program.call(SYS_dup3, got, fd, O_CLOEXEC if cloexec else 0)
                program.call(SYS_close, got)
                # It comes with the flag, whether it has to move or not.
                if not cloexec:
                    program.call(SYS_fcntl, fd, F_SETFD, 0)
                for other, cloexec in places[1:]:
                    programs.need(128).call(
                        SYS_dup3,
                        fd,
                        other,
                        O_CLOEXEC if cloexec else 0,
                        label=Label(self, file, "duplicate", other, pid),
                    )
            programs.need(128).call(SYS_close, spare)
        return programs.program

    def plan_close(
        self, pid: int, program: Program, fresh: Callable[[], Program] | None = None
    ) -> Program:
        """Instructions that close what was parked, and say whom the kernel signals about a file
        where that is a process or a group."""
        programs = Programs(program, fresh)
        if self.sockets is not None:
            self.sockets.build_owners(self.files, pid, programs)
        for number in self.tables[pid].parked if pid in self.tables else ():
            if not self.is_kept(pid, number):
                programs.need(128).call(SYS_close, number)
        self._plan_owners(pid, programs, late=False)
        return programs.program

    def plan_late(
        self, pid: int, program: Program, fresh: Callable[[], Program] | None = None
    ) -> Program:
        """Instructions for when all threads are there: the owners that are threads, late jobs."""
        programs = Programs(program, fresh)
        for job in self._late.get(pid, ()):
            job(programs)
        self._plan_owners(pid, programs, late=True)
        return programs.program

    def plan_round(
        self, round: int, pid: int, program: Program, fresh: Callable[[], Program] | None = None
    ) -> Program:
        """Instructions of one round of late jobs."""
        programs = Programs(program, fresh)
        for job in self.late_jobs[round][pid]:
            job(programs)
        return programs.program

    def plan_open(self, program: Program, id: int, flags: int) -> Ref:
        """Instructions that open the file of a path entry with O_* `flags`; the result is the
        descriptor, which the program has to close."""
        return self.open_path(program, id, flags, lambda: self.path_of(id))

    def open_path(self, program: Program, id: int, flags: int, what: Callable[[], str]) -> Ref:
        entry = self._regular.get(id)
        if entry is None:
            raise ImageError(f"There is no file {id} with a path in the files image")
        given = self._given.get(id, -1)
        if given >= 0 and flags & ~O_CLOEXEC == reopening(entry.flags):
            return self._take_over(program, given, bool(flags & O_CLOEXEC), what)
        directory, number, nofollow = AT_FDCWD, -1, 0
        if self._outside is not None and id in self._outside.replaced:
            other = self._outside.replaced[id]
            path = other if isinstance(other, bytes) else self._path_here(other)
            # What the path ends in is a link.
            flags &= ~O_NOFOLLOW
        elif self._held is not None and id in self._held:
            number = self._held.numbers.get(id, -1)
            path = self._path_here(number)
            # What the path of a held file ends in is itself a link.
            nofollow = flags if flags & (O_NOFOLLOW | O_PATH) == O_NOFOLLOW else 0
            flags &= ~O_NOFOLLOW
        else:
            path = entry.name.encode("utf-8", "surrogateescape")
            if self.root_number is not None:
                directory = self.root_number
                path = below(path)
        fd = program.call(
            SYS_openat,
            directory,
            program.put(path + b"\0", 1),
            flags,
            0,
            label=lambda: f"open {what()}",
        )
        if nofollow and number >= 0:
            from crtools.kinds.files.handle import build_nofollow

            build_nofollow(program, fd, number, nofollow, what)
        return fd

    def _take_over(self, program: Program, fd: int, cloexec: bool, what: Callable[[], str]) -> Ref:
        """Instructions that take over the open file of our descriptor `fd` itself."""
        tool = program.call(SYS_pidfd_open, self.tool_pid, 0, label="find crtools")
        got = program.call(SYS_pidfd_getfd, tool, fd, 0, label=lambda: f"take over {what()}")
        program.call(SYS_close, tool)
        # It comes with the flag.
        if not cloexec:
            program.call(SYS_fcntl, got, F_SETFD, 0)
        return got

    def move(
        self,
        program: Program,
        source: Ref,
        number: int,
        cloexec: bool,
        what: Callable[[], str],
    ) -> None:
        program.skip_if(source, number, 2)
        program.call(
            SYS_dup3, source, number, O_CLOEXEC if cloexec else 0, label=lambda: f"place {what()}"
        )
        program.call(SYS_close, source)

    def _path_here(self, fd: int) -> bytes:
        """The path by which tasks open again what is our descriptor `fd`."""
        return b"/proc/%d/fd/%d" % (self.tool_pid, fd)

    def given(self, id: int) -> int:
        found = self._outside.replaced.get(id, -1) if self._outside is not None else -1
        return found if isinstance(found, int) else -1

    def take_inherited(
        self, programs: Programs, fd: int, number: int, cloexec: bool, what: Callable[[], str]
    ) -> None:
        program = programs.need(768)
        got = self._take_over(program, fd, cloexec, lambda: f"descriptor {fd} for {what()}")
        self.move(program, got, number, cloexec, what)

    # --- Owners ---

    def _plan_owners(self, pid: int, programs: Programs, *, late: bool) -> None:
        for file in self._owned.get(pid, ()):
            fd = file.users[0][1]
            owner, flags = file.planner.owner(file)
            is_thread = owner.pid_type == F_OWNER_TID and owner.pid not in self._pids
            if (is_thread and owner.pid != 0) != late:
                continue
            self._plan_owner(programs, file, fd, owner, flags)

    def owner_of(self, file: PlannedFile) -> FownEntry:
        """Whom the kernel signals about a file."""
        return file.planner.owner(file)[0]

    def plan_owner(self, programs: Programs, file: PlannedFile, fd: int) -> None:
        """Instructions that name him again."""
        owner, flags = file.planner.owner(file)
        self._plan_owner(programs, file, fd, owner, flags)

    def _plan_owner(
        self, programs: Programs, file: PlannedFile, fd: int, owner: FownEntry, flags: int
    ) -> None:
        if (
            owner.pid_type not in (F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP)
            or owner.signum > 64
            or owner.pid > 0x7FFFFFFF
        ):
            raise ImageError(f"File {file.id} in the files image has an impossible owner")
        program = programs.need(1024)

        def label() -> str:
            return f"have {owner.pid} signalled about {self.describe(file)}"

        if owner.signum:
            program.call(SYS_fcntl, fd, F_SETSIG, owner.signum, label=label)
        if owner.pid:
            real, effective, saved = os.getresuid()
            # The kernel remembers who named the owner, and asks later whether he may signal it.
            foreign = (owner.uid, owner.euid) != (real, effective)
            if foreign:
                program.call(SYS_setresuid, owner.uid, owner.euid, _NO_CHANGE, label=label)
            argument = program.put(_2I.pack(owner.pid_type, owner.pid))
            program.call(SYS_fcntl, fd, F_SETOWN_EX, argument, label=label)
            if foreign:
                program.call(SYS_setresuid, real, effective, saved, label=label)
        if flags & FASYNC:
            program.call(SYS_fcntl, fd, F_SETFL, flags & _SETTABLE, label=label)


def _close_all(programs: Programs, numbers: Iterable[int]) -> None:
    for number in numbers:
        programs.need(128).call(SYS_close, number)


def _number_limits() -> tuple[int, int]:
    """Our RLIMIT_NOFILE, soft and hard."""
    limits = bytearray(16)
    kernel.checked(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, kernel.address_of(limits))
    soft, hard = _2U64.unpack(limits)
    return soft, hard


class Label:
    """What an instruction is for, worded only if it fails."""

    __slots__ = ("fd", "file", "pid", "plan", "verb")

    def __init__(self, plan: FilesPlan, file: PlannedFile, verb: str, fd: int, pid: int) -> None:
        self.plan = plan
        self.file = file
        self.verb = verb
        self.fd = fd
        self.pid = pid

    def __call__(self) -> str:
        return f"{self.verb} {self.plan.name_of(self.file)} for fd {self.fd} of task {self.pid}"
