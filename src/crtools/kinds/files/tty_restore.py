"""Terminals, restored.

A pair is made again by the tool, with the same number, and its master is taken over from there; its
slave is opened as often as there were open files. The tool sets the pair up before there is any
process: settings and what nobody has read (crtools.kinds.files.terminal). It is the controlling
terminal of a session from the moment that this begins, since children only inherit that (tty(4),
TIOCSCTTY; kernel/fork.c, copy_signal); the foreground group comes when all groups are there.
"""

from __future__ import annotations

import os
from stat import S_IMODE

from crtools.abi import ioctl, kernel
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
    SYS_pidfd_getfd,
    SYS_pidfd_open,
)
from crtools.agent.program import Program
from crtools.errors import ImageError, RestoreConflict, UnsupportedObject
from crtools.images.messages.crtools_kinds import CrtoolsTtyEntry
from crtools.images.messages.tty import TtyInfoEntry
from crtools.kinds.files import terminal
from crtools.kinds.files.base import FilePlanner, choose_place
from crtools.kinds.files.path import reopening
from crtools.kinds.files.tty import LAST_INDEX, decode, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.images.messages.tty import TermiosEntry
    from crtools.kinds.files.base import PlanContext, PlannedFile, Programs


class _Pair:
    """What is to be: the entries, the files, and what the tool holds meanwhile."""

    __slots__ = ("index", "info", "input", "master", "masters", "output", "own", "slave", "slaves")

    def __init__(self, index: int) -> None:
        self.index = index
        self.info: dict[bool, TtyInfoEntry] = {}  # by whether it is the master's
        self.masters: list[PlannedFile] = []
        self.slaves: list[PlannedFile] = []
        self.own: CrtoolsTtyEntry | None = None
        self.input = b""
        self.output = b""
        self.master = -1
        self.slave = -1

    def either(self, *, master: bool) -> TtyInfoEntry:
        """An end's entry, or where there is none, the other's."""
        return self.info.get(master) or self.info[not master]


class TtyPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        context.terminals = self
        self.pairs: dict[int, _Pair] = {}
        self.foreign: list[PlannedFile] = []
        self.infos: dict[int, TtyInfoEntry] = {}
        self.terminal = -1  # a descriptor of ours that is the terminal of a shell's job
        self._before: TermiosEntry | None = None
        self._tool = 0
        store = context.store
        for info in store.read("tty-info") if store.has("tty-info") else ():
            if info.id in self.infos:
                raise ImageError(f"Terminal {info.id} is twice in tty-info.img")
            terminal.check_settings(info.id, info.termios, info.winsize)
            self.infos[info.id] = info
        for id, info in self.infos.items():
            if info.pty is None:
                continue
            if info.pty.index > LAST_INDEX:
                raise ImageError(f"Terminal {id} in tty-info.img has an impossible number")
            pair = self.pairs.setdefault(info.pty.index, _Pair(info.pty.index))
            pair.info[_is_master(info)] = info
        self._read_more()

    def _read_more(self) -> None:
        store = self.context.store
        for own in store.read("crtools-tty") if store.has("crtools-tty") else ():
            self._pair_of(own.id).own = own
        for entry in store.read("tty-data") if store.has("tty-data") else ():
            pair = self._pair_of(entry.tty_id)
            if len(entry.data) > terminal.BUFFER_BYTES:
                raise ImageError(f"Terminal {entry.tty_id} has too much in tty-data.img")
            if _is_master(self.infos[entry.tty_id]):
                pair.output = entry.data
            else:
                pair.input = entry.data

    def _pair_of(self, id: int) -> _Pair:
        info = self.infos.get(id)
        if info is None or info.pty is None:
            raise ImageError(f"There is no terminal {id} in tty-info.img")
        return self.pairs[info.pty.index]

    def add(self, file: PlannedFile) -> None:
        info = self.infos.get(file.message.tty_info_id)
        if info is None:
            raise ImageError(
                f"File {file.id}, a terminal, is not in tty-info.img",
                because=f"there is no terminal {file.message.tty_info_id}",
            )
        if file.message.regf_id:
            self.context.unchecked.add(file.message.regf_id)
        if info.pty is None:
            self.foreign.append(file)
            return
        pair = self.pairs[info.pty.index]
        if not _is_master(info):
            pair.slaves.append(file)
            return
        if pair.masters or file.message.flags & O_ACCMODE != O_RDWR:
            raise ImageError(
                f"File {file.id}, the master of a terminal, cannot be as the images say"
            )
        pair.masters.append(file)

    def place(self) -> None:
        for index, pair in list(self.pairs.items()):
            if pair.masters:
                continue
            self.foreign.extend(pair.slaves)
            del self.pairs[index]
        for file in self.foreign:
            if not self.context.options.shell_job:
                raise UnsupportedObject(
                    f"Cannot restore {self.name(file)}",
                    because="what was at its other end is not in the images",
                    hint="pass --shell-job: the terminal that crtools runs in takes its place",
                )
        for pair in self.pairs.values():
            choose_place(self.context, [*pair.masters, *pair.slaves])
            for file in pair.masters:
                self.context.add_job(file.pid, Fetching(self, pair, file))
            for file in pair.slaves:
                self.context.add_job(file.pid, Opening(self, pair, file))
        choose_place(self.context, self.foreign)
        for file in self.foreign:
            self.context.add_job(file.pid, Opening(self, None, file))

    def name(self, file: PlannedFile) -> str:
        info = self.infos[file.message.tty_info_id]
        if info.pty is None:
            major, minor = decode(info.rdev)
            return f"the terminal {major}:{minor}"
        of = "the master of " if _is_master(info) else ""
        return f"{of}the terminal /dev/pts/{info.pty.index}"

    def is_own_path(self, file: PlannedFile) -> bool:
        """Whether it was opened as /dev/tty."""
        entry = self.context.regular(file.message.regf_id or 0)
        return entry is not None and entry.name == "/dev/tty"

    # --- By the tool ---

    def check(self, root: int) -> None:
        if self.foreign:
            self.terminal = next((fd for fd in (0, 1, 2) if os.isatty(fd)), -1)
            if self.terminal < 0:
                raise RestoreConflict(
                    f"There is no terminal to take the place of {self.name(self.foreign[0])}",
                    because="neither input nor output nor error output of crtools is one",
                    hint="run crtools from a terminal, such as with script(1)",
                )
        for index in self.pairs:
            if os.access(f"dev/pts/{index}", os.F_OK, dir_fd=root, follow_symlinks=False):
                raise self._taken(index)

    def _taken(self, index: int, because: str = "there is a terminal of that number") -> Exception:
        return RestoreConflict(
            f"The terminal /dev/pts/{index} cannot be made",
            because=because,
            hint="wait until whoever has it has ended",
            subject=("file", f"/dev/pts/{index}"),
        )

    def create(self, tool_pid: int, root: int) -> None:
        self._tool = tool_pid
        missing = set(self.pairs)
        spare: list[int] = []
        try:
            while missing:
                fd = self._open_master(root, missing)
                index = terminal.ask_number(fd, ioctl.TIOCGPTN)
                if index in missing:
                    self.pairs[index].master = fd
                    missing.remove(index)
                    continue
                # The kernel gives the lowest free number (fs/devpts/inode.c, devpts_new_index).
                spare.append(fd)
                if index > max(missing):
                    raise self._taken(max(missing))
        finally:
            for fd in spare:
                os.close(fd)
        for pair in self.pairs.values():
            self._set_up(pair, root)

    def _open_master(self, root: int, missing: set[int]) -> int:
        try:
            return os.open("dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, dir_fd=root)
        except OSError as error:
            raise self._taken(min(missing), f"/dev/ptmx: {error.strerror}") from error

    def _set_up(self, pair: _Pair, root: int) -> None:
        master = pair.master
        terminal.tell(master, ioctl.TIOCSPTLCK, bytes(4))
        closed = pair.own is not None and pair.own.closed
        if pair.slaves or closed or pair.input or pair.output:
            flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC
            pair.slave = kernel.checked(SYS_ioctl, master, ioctl.TIOCGPTPEER, flags)
        info = pair.either(master=False)
        if info.winsize is not None:
            terminal.set_winsize(master, info.winsize)
        settings = info.termios or terminal.read_termios(master)
        if pair.input or pair.output:
            terminal.put_unread(master, pair.slave, settings, pair.input, pair.output)
        terminal.set_termios(master, settings)
        if info.termios_locked is not None:
            terminal.set_locked(master, info.termios_locked)
        path = f"dev/pts/{pair.index}"
        if info.uid is not None and info.gid is not None:
            os.chown(path, info.uid, info.gid, dir_fd=root, follow_symlinks=False)
        if pair.own is not None:
            os.chmod(path, S_IMODE(pair.own.mode), dir_fd=root)
        if pair.either(master=True).packet_mode:
            terminal.tell(master, ioctl.TIOCPKT, (1).to_bytes(4, "little"))
        if closed and not pair.slaves:
            os.close(pair.slave)
            pair.slave = -1

    def build_foreground(self, program: Program, leader: int) -> None:
        """The group that is in the foreground, once all groups are there."""
        pair = self.sessions.get(leader)
        group = pair.info[False].pgrp if pair is not None else 0
        if group:
            fd = build_open(program, b"/dev/tty")
            program.call(
                SYS_ioctl,
                fd,
                ioctl.TIOCSPGRP,
                program.put(group.to_bytes(4, "little")),
                label=f"have group {group} in the foreground",
            )
            program.call(SYS_close, fd)

    def lock(self) -> None:
        """Last, for nobody could open them then."""
        for pair in self.pairs.values():
            if False in pair.info and pair.info[False].exclusive and pair.slave >= 0:
                terminal.tell(pair.slave, ioctl.TIOCEXCL)
            if True in pair.info and pair.info[True].exclusive:
                terminal.tell(pair.master, ioctl.TIOCEXCL)
            if pair.either(master=True).locked:
                terminal.tell(pair.master, ioctl.TIOCSPTLCK, (1).to_bytes(4, "little"))
        self._set_own()

    def _set_own(self) -> None:
        """Our own terminal works as the job's did. From the background that would stop us."""
        for file in self.foreign[:1]:
            settings = self.infos[file.message.tty_info_id].termios
            try:
                ours = os.tcgetpgrp(self.terminal) == os.getpgrp()
            except OSError:
                ours = False
            if settings is not None and ours:
                self._before = terminal.read_termios(self.terminal)
                terminal.set_termios(self.terminal, settings)

    def close(self, *, restored: bool) -> None:
        if self._before is not None and not restored:
            terminal.set_termios(self.terminal, self._before)
            self._before = None
        for pair in self.pairs.values():
            for fd in (pair.slave, pair.master):
                if fd >= 0:
                    os.close(fd)
            pair.slave = pair.master = -1

    # --- By the tasks ---

    @property
    def sessions(self) -> dict[int, _Pair]:
        """The pairs that are somebody's controlling terminal, by session."""
        return {
            pair.info[False].sid: pair
            for pair in self.pairs.values()
            if False in pair.info and pair.info[False].sid and pair.slaves
        }

    def build_session(self, program: Program, leader: int) -> None:
        """The leader of a session that has just begun takes its terminal: it has no child yet."""
        pair = self.sessions.get(leader)
        if pair is None:
            return
        fd = build_open(program, b"/proc/%d/fd/%d" % (self._tool, pair.slave))
        program.call(
            SYS_ioctl,
            fd,
            ioctl.TIOCSCTTY,
            0,
            label=f"have /dev/pts/{pair.index} as its controlling terminal",
        )
        program.call(SYS_close, fd)

    def tool_fd(self, pair: _Pair | None) -> tuple[int, int]:
        """The tool's pid, and its descriptor of a slave."""
        return self._tool, self.terminal if pair is None else pair.slave


def build_open(program: Program, path: bytes) -> tuple[int, int]:
    return program.call(
        SYS_openat,
        AT_FDCWD,
        program.put(path + b"\0", 1),
        O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
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
    """Takes a master over from the tool."""

    __slots__ = ("file", "pair", "planner")

    def __init__(self, planner: TtyPlanner, pair: _Pair, file: PlannedFile) -> None:
        self.planner = planner
        self.pair = pair
        self.file = file

    def __call__(self, programs: Programs) -> None:
        file, what = self.file, self.what
        tool, _ = self.planner.tool_fd(self.pair)
        cloexec = file.users[0][2]
        program = programs.need(1024)
        pidfd = program.call(SYS_pidfd_open, tool, 0, label=what)
        fd = program.call(SYS_pidfd_getfd, pidfd, self.pair.master, 0, label=what)
        # First, since it may have the number that is wanted.
        program.call(SYS_close, pidfd)
        self.planner.context.move(program, fd, file.number, cloexec, what)
        if not cloexec:
            program.call(SYS_fcntl, file.number, F_SETFD, 0)
        # It has been opened without waiting.
        _set_flags(program, file, what)

    def what(self) -> str:
        return f"take over {self.planner.context.describe(self.file)}"


class Opening:
    """Opens a slave: of a pair that the tool has made, or its own terminal."""

    __slots__ = ("file", "pair", "planner")

    def __init__(self, planner: TtyPlanner, pair: _Pair | None, file: PlannedFile) -> None:
        self.planner = planner
        self.pair = pair
        self.file = file

    def __call__(self, programs: Programs) -> None:
        file, planner = self.file, self.planner
        cloexec = file.users[0][2]
        path = b"/dev/tty"
        if not planner.is_own_path(file):
            path = b"/proc/%d/fd/%d" % planner.tool_fd(self.pair)
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


def _is_master(info: TtyInfoEntry) -> bool:
    return decode(info.rdev) == (5, 2)
