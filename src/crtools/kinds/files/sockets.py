"""What all kinds of sockets share of one dump, and of one restore."""

from __future__ import annotations

import os

from crtools.abi import kernel
from crtools.abi.socket import SO_NETNS_COOKIE, SOL_SOCKET
from crtools.abi.x86_64 import SYS_fchown, SYS_pidfd_open
from crtools.errors import ImageError
from crtools.images.messages.crtools_socket import CrtoolsSocketEntry, SocketOptionEntry
from crtools.kinds.files.socket_options import Fresh, build_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping
    from typing import Any

    from crtools.agent.program import Program
    from crtools.errors import UnsupportedObject
    from crtools.images.messages.crtools_corked import CrtoolsCorkedEntry
    from crtools.images.messages.sk_opts import SkOptsEntry
    from crtools.kinds.files.base import (
        DumpContext,
        OpenFile,
        PlanContext,
        PlannedFile,
        Programs,
    )
    from crtools.kinds.files.look import Batch, Key
    from crtools.kinds.files.questions import Questions
    from crtools.kinds.files.socket_options import Values
    from crtools.kinds.files.socket_programs import ProgramsDump, ProgramsPlan
    from crtools.kinds.files.socket_questions import Answers


class SocketsDump:
    """The sockets of a dump: `context.sockets`.

    A descriptor of the socket that was met last is held between `identify` and the next one, for
    `descriptor`, so that it need not be borrowed again for each thing to be read.
    """

    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.corked: list[CrtoolsCorkedEntry] = []  # for crtools-corked.img
        self._entries: dict[int, CrtoolsSocketEntry] = {}
        from crtools.kinds.files.socket_questions import SocketQuestions

        self._questions = SocketQuestions()
        self._asked: dict[tuple[int, int], Answers] = {}  # by task and descriptor
        self._answers: tuple[OpenFile, Answers] | None = None  # of the socket that was met last
        self._tables: dict[str, Any] = {}
        self._namespace = b""
        # Sockets of our network namespace: by Answers.identity.
        self._identified: dict[bytes, tuple[int, int, int]] = {}
        self._file: OpenFile | None = None
        self._fd = -1
        self._programs: ProgramsDump | None = None

    def programs(self) -> ProgramsDump:
        """The BPF programs that sockets have."""
        if self._programs is None:
            from crtools.kinds.files.socket_programs import ProgramsDump

            self._programs = ProgramsDump(self.context)
        return self._programs

    def check(self) -> None:
        """When all sockets are known. Raises UnsupportedObject."""
        if self._programs is not None:
            self._programs.check()

    @property
    def questions(self) -> Questions:
        """What every socket is asked."""
        return self._questions.questions

    def take(self, tid: int, pidfd: int, batch: Batch, known: Container[Key]) -> None:
        """Takes in the answers of the sockets of task `tid`, which `pidfd` is of, before each of
        them is identified; asks those that have not been asked, all at once, but for the `known`
        ones. Raises OSError."""
        asked = self._asked
        asked.clear()
        left: list[int] = []
        for index, seen in enumerate(batch.seen):
            if seen.is_socket and seen.key not in known:
                answers = batch.answers(index)
                if answers is None:
                    left.append(seen.fd)
                else:
                    asked[tid, seen.fd] = self._questions.parse(*answers)
        if left:
            for fd, found in zip(left, self._questions.put(pidfd, left), strict=True):
                asked[tid, fd] = found

    def answers(self, file: OpenFile) -> Answers:
        """What a socket has answered."""
        if self._answers is not None and self._answers[0] is file:
            return self._answers[1]
        answers = self._asked.pop((file.tid, file.fd), None)
        if answers is None:
            # One that came alone: it was sent to somebody and not received.
            pidfd = kernel.checked(SYS_pidfd_open, os.getpid(), 0)
            try:
                answers = next(self._questions.put(pidfd, (self.descriptor(file),)))
            finally:
                os.close(pidfd)
        self._answers = (file, answers)
        return answers

    def identify(self, file: OpenFile) -> None:
        """Says in `file.socket` what socket a file is. Raises UnsupportedObject for one of another
        network namespace."""
        answers = self.answers(file)
        identity = answers.identity
        file.socket = self._identified.get(identity)
        if file.socket is not None:
            return
        if not self._namespace:
            self._namespace = _read_own_namespace()
        if answers.cookie != self._namespace:
            raise self.context.refuse(
                file,
                "it is a socket of another network namespace than crtools runs in",
                "crtools does not carry network namespaces yet",
                f"run crtools in that one: nsenter --net=/proc/{file.pid}/ns/net crtools ...",
            )
        file.socket = self._identified[identity] = answers.socket

    def descriptor(self, file: OpenFile) -> int:
        """A descriptor of the tool's own for a socket: until another socket is met, and not to be
        closed."""
        if file is not self._file:
            self.close()
            self._fd = self.context.borrow(file)
            self._file = file
        return self._fd

    def close(self) -> None:
        """Gives back the descriptor that is held."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._file = None

    def facts(self, name: str, read: Callable[[], Any]) -> Any:
        """What `read` gives: once for the whole dump, under that name."""
        if name not in self._tables:
            self._tables[name] = read()
        return self._tables[name]

    def entry(self, id: int) -> CrtoolsSocketEntry:
        """What crtools-socket.img will say of file `id`, to be filled in."""
        entry = self._entries.get(id)
        if entry is None:
            entry = self._entries[id] = CrtoolsSocketEntry(id=id)
        return entry

    def add_options(self, id: int, values: Values) -> None:
        """Has crtools-socket.img say these options of file `id`."""
        if values:
            entry = self.entry(id)
            entry.options = [
                *entry.options,
                *(
                    SocketOptionEntry(level=level, number=number, value=value)
                    for (level, number), value in values.items()
                ),
            ]

    def add_owner(self, file: OpenFile, id: int) -> None:
        """Has it say whose the inode is, if not root's: /proc/net shows that, and who may bind to
        the same port depends on it (SO_REUSEPORT)."""
        uid, gid = file.stat.st_uid, file.stat.st_gid
        if uid or gid:
            entry = self.entry(id)
            entry.uid, entry.gid = uid, gid

    def finish(self) -> None:
        """Writes crtools-socket.img and crtools-corked.img."""
        if self.corked:
            self.context.store.write("crtools-corked", self.corked)
        if self._entries:
            self.context.store.write("crtools-socket", list(self._entries.values()))


def _read_own_namespace() -> bytes:
    from crtools.abi.socket import AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM
    from crtools.abi.x86_64 import SYS_getsockopt, SYS_socket

    fd = kernel.checked(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
    try:
        cookie, length = bytearray(8), bytearray(b"\x08\0\0\0")
        kernel.raw(
            *(SYS_getsockopt, fd, SOL_SOCKET, SO_NETNS_COOKIE),
            *(kernel.address_of(cookie), kernel.address_of(length)),
        )
        return bytes(cookie)
    finally:
        os.close(fd)


def refuse_error(context: DumpContext, file: OpenFile) -> UnsupportedObject:
    """The refusal of a socket that poll(2) says POLLERR of."""
    return context.refuse(
        file,
        "it is a socket with an error that the program has not read yet (SO_ERROR, or"
        " MSG_ERRQUEUE)",
        "who reads it takes it away, and nobody can put it back",
        "dump when the program has read it",
    )


class SocketsPlan:
    """The sockets of a restore."""

    def __init__(self, store: Any) -> None:
        self.entries: dict[int, CrtoolsSocketEntry] = {}  # by the id of the file
        self.corked: dict[int, CrtoolsCorkedEntry] = {}
        self._fresh: dict[tuple[int, int, int], Fresh] = {}
        self._owned: dict[int, list[tuple[PlannedFile, CrtoolsSocketEntry]]] | None = None
        self._programs: ProgramsPlan | None = None
        if store.has("crtools-socket"):
            for entry in store.read("crtools-socket"):
                if entry.id in self.entries:
                    raise ImageError(f"File {entry.id} is twice in the crtools-socket image")
                self.entries[entry.id] = entry
                for program in (entry.filter, entry.group_program):
                    if program is not None:
                        from crtools.kinds.files.socket_programs import check_program

                        check_program(program)
        if store.has("crtools-corked"):
            for entry in store.read("crtools-corked"):
                if entry.id in self.corked:
                    raise ImageError(f"File {entry.id} is twice in the crtools-corked image")
                self.corked[entry.id] = entry

    def check(self, context: PlanContext) -> None:
        """Whether the BPF programs that sockets have are here. Raises RestoreConflict."""
        for id, entry in self.entries.items():
            programs = [p for p in (entry.filter, entry.group_program) if p is not None]
            for program in programs if id in context.files else ():
                from crtools.kinds.files.socket_programs import ProgramsPlan

                if self._programs is None:
                    self._programs = ProgramsPlan(context)
                self._programs.hold(program, context.describe(context.files[id]))

    def close(self) -> None:
        if self._programs is not None:
            self._programs.close()

    def has_filter(self, id: int) -> bool:
        """Whether file `id` has a filter of extended BPF."""
        entry = self.entries.get(id)
        return entry is not None and entry.filter is not None

    def build_filter(
        self,
        program: Program,
        file: PlannedFile,
        message: SkOptsEntry,
        others: Values,
        what: Callable[[], str],
    ) -> None:
        """Instructions that attach the filter of a socket, at `file.number`, and lock it: last, it
        looks at all that comes."""
        self.build_filter_of(program, file.number, file.id, message, others, what)

    def build_filter_of(
        self,
        program: Program,
        number: int,
        id: int,
        message: SkOptsEntry,
        others: Values,
        what: Callable[[], str],
    ) -> None:
        """The same of file `id`, at `number`."""
        entry = self.entries.get(id)
        if entry is not None and entry.filter is not None and self._programs is not None:
            self._programs.build_filter(program, number, entry.filter, what)
        build_filter(program, number, message, others, what)

    def build_group(self, program: Program, file: PlannedFile, what: Callable[[], str]) -> None:
        """Instructions that have its program divide the sockets of its port, when the socket is
        one of them."""
        entry = self.entries.get(file.id)
        if entry is not None and entry.group_program is not None and self._programs is not None:
            self._programs.build_group(program, file.number, entry.group_program, what)

    def arrange(self, context: PlanContext, files: list[PlannedFile]) -> list[PlannedFile]:
        """The files in the order to make them in, their places chosen: sockets that share a port
        are made by one process, in the order in which the kernel had them."""
        groups: dict[int, list[tuple[int, PlannedFile]]] = {}
        for file in files:
            entry = self.entries.get(file.id)
            if entry is not None and entry.group is not None:
                groups.setdefault(entry.group, []).append((entry.group_index or 0, file))
        if not groups:
            return files
        ordered = []
        for members in groups.values():
            members.sort(key=lambda member: member[0])
            maker = members[0][1].pid
            for _, file in members:
                if file.pid != maker:
                    file.pid, file.parked = maker, True
                    file.number = context.table_of(maker).park(file.id)
                ordered.append(file)
        others = set(ordered)
        return [*[file for file in files if file not in others], *ordered]

    def options(self, id: int) -> Values:
        """The options of file `id` that CRIU's messages have no field for."""
        entry = self.entries.get(id)
        if entry is None:
            return _NONE
        return {(option.level, option.number): option.value for option in entry.options}

    def fresh(self, family: int, type: int, protocol: int) -> Fresh:
        how = (family, type, protocol)
        found = self._fresh.get(how)
        if found is None:
            found = self._fresh[how] = Fresh(*how)
        return found

    def build_owners(self, files: Mapping[int, PlannedFile], pid: int, programs: Programs) -> None:
        """Instructions that give the sockets which process `pid` has made to whom they belonged."""
        if self._owned is None:
            self._owned = {}
            for id, entry in self.entries.items():
                if entry.uid is not None and id in files:
                    self._owned.setdefault(files[id].pid, []).append((files[id], entry))
        for file, entry in self._owned.get(pid, ()):
            what = file.planner.name(file)
            programs.need(256).call(
                *(SYS_fchown, file.number, entry.uid or 0, entry.gid or 0),
                label=f"give {what} for fd {file.users[0][1]} of task {pid} to its owner",
            )


_NONE: Values = {}


def sockets_of(context: PlanContext) -> SocketsPlan:
    """`context.sockets`, which is there from the first socket on. Raises ImageError."""
    if context.sockets is None:
        context.sockets = SocketsPlan(context.store)
    found: SocketsPlan = context.sockets
    return found
