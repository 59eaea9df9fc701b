"""Terminals, restored.

A pair is made again by the tool, with the same number, and its master is taken over from there; its
slave is opened as often as there were open files. The tool sets the pair up before there is any
process: settings and what nobody has read (crtools.kinds.files.terminal_refill). It is the
controlling terminal of a session from the moment that this begins, since children only inherit
that (tty(4), TIOCSCTTY; kernel/fork.c, copy_signal); the foreground group comes when all groups are
there.

A slave that was hung up is opened by the tool, hung up again, and taken over: nobody can open one.
That is done by closing the master or, where that is still there, by TIOCVHANGUP.

All other terminals are there already: the tool's own, one that it was given (--inherit-fd), a
device. The tool holds a descriptor of each, and tasks open it again through /proc.
"""

from __future__ import annotations

import os
from stat import S_IMODE

from crtools.abi import ioctl
from crtools.abi.fcntl import (
    O_ACCMODE,
    O_RDWR,
)
from crtools.abi.x86_64 import (
    SYS_close,
    SYS_ioctl,
    SYS_pidfd_getfd,
    SYS_pidfd_open,
)
from crtools.agent.program import Program
from crtools.errors import ImageError, RestoreConflict, UnsupportedObject
from crtools.images.messages.tty import TtyType
from crtools.kinds.files import terminal
from crtools.kinds.files.base import FilePlanner, choose_place
from crtools.kinds.files.path import below
from crtools.kinds.files.terminal_state import BUFFER_BYTES, State
from crtools.kinds.files.tty import DEVPTS, LAST_INDEX, PTS_MAJOR, decode, external_key
from crtools.kinds.files.tty_jobs import Fetching, Opening, build_open
from crtools.kinds.files.tty_pair_restore import Pair, conflict, open_masters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.images.messages.crtools_kinds import CrtoolsTtyEntry
    from crtools.images.messages.tty import TtyInfoEntry
    from crtools.kinds.files.base import PlanContext, PlannedFile
    from crtools.kinds.files.tty_device import Settings

# More than any queue of a pseudoterminal holds (drivers/tty/pty.c).
_MOST_UNREAD = BUFFER_BYTES + (1 << 16)
_MOST_COLUMNS = 1 << 20
_DEVICES = (TtyType.CONSOLE, TtyType.VT, TtyType.SERIAL)


class Other:
    """A terminal that is there already. `fd` is ours; `path` is set for a device."""

    __slots__ = ("before", "fd", "files", "info", "inherited", "path")

    def __init__(self, info: TtyInfoEntry) -> None:
        self.info = info
        self.files: list[PlannedFile] = []
        self.fd = -1
        self.inherited = False
        self.path = ""
        self.before: Settings | None = None


class TtyPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        context.terminals = self
        self.pairs: dict[tuple[str, int], Pair] = {}
        self.others: dict[int, Other] = {}
        self.infos: dict[int, TtyInfoEntry] = {}
        self._pair_of: dict[int, Pair] = {}  # by the id of an entry
        self._hung: set[int] = set()  # entries of slaves that have been hung up
        self._modems: dict[int, CrtoolsTtyEntry] = {}  # serial lines, by entry
        self._tool = 0
        self._read()

    def _read(self) -> None:
        store = self.context.store
        for info in store.read("tty-info") if store.has("tty-info") else ():
            if info.id in self.infos:
                raise ImageError(f"Terminal {info.id} is twice in tty-info.img")
            terminal.check_settings(info.id, info.termios, info.winsize)
            if info.pty is not None and info.pty.index > LAST_INDEX:
                raise ImageError(f"Terminal {info.id} in tty-info.img has an impossible number")
            self.infos[info.id] = info
        owns = list(store.read("crtools-tty")) if store.has("crtools-tty") else []
        directories: dict[int, str] = {}
        for own in owns:
            _check_own(own)
            for id in (own.id, own.master or own.id):
                directories[id] = own.directory or DEVPTS
        for id, info in self.infos.items():
            if info.pty is None:
                continue
            key = (directories.get(id, DEVPTS), info.pty.index)
            pair = self._pair_of[id] = self.pairs.setdefault(key, Pair(*key))
            # A slave that has been hung up has no settings any more.
            if info.termios is None and not _is_master(info):
                self._hung.add(id)
                pair.hung_info = info
            elif pair.info.setdefault(_is_master(info), info) is not info:
                raise ImageError(f"Terminal {pair.name} is twice in tty-info.img")
        for own in owns:
            if own.modem is not None and own.id in self.infos:
                self._modems[own.id] = own
                continue
            pair = self._find_pair(own.id)
            if own.id in self._hung:
                pair.hung_mode = S_IMODE(own.mode)
                continue
            pair.own = own
            self._take_state(pair.state, own)
        for entry in store.read("tty-data") if store.has("tty-data") else ():
            pair = self._find_pair(entry.tty_id)
            if _is_master(self.infos[entry.tty_id]):
                pair.state.output = entry.data
            else:
                pair.state.input = entry.data
        for pair in self.pairs.values():
            state = pair.state
            if len(state.input) > BUFFER_BYTES or len(state.output) > _MOST_UNREAD:
                raise ImageError(f"Terminal {pair.name} has too much in tty-data.img")
            if max((*state.ends, *state.no_ends), default=-1) >= len(state.input):
                raise ImageError(f"Terminal {pair.name} has impossible ends in crtools-tty.img")
            # One that was hung up may have nothing but descriptors that are hung up.
            termios = pair.either(master=False).termios if pair.info else None
            if termios is not None and (problem := state.problem(termios)):
                raise ImageError(
                    f"Terminal {pair.name} has a state that no dump leaves", because=problem
                )

    def _take_state(self, state: State, own: CrtoolsTtyEntry) -> None:
        state.ends, state.no_ends = list(own.ends), list(own.no_ends)
        state.beyond = own.beyond or b""
        state.quoting = bool(own.quoting)
        state.stopped, state.suspended = bool(own.stopped), bool(own.suspended)
        state.master_suspended = bool(own.master_suspended)
        state.status = own.status or 0
        state.column, state.line_column = own.column or 0, own.line_column or 0

    def _find_pair(self, id: int) -> Pair:
        pair = self._pair_of.get(id)
        if pair is None:
            raise ImageError(f"There is no terminal {id} in tty-info.img")
        return pair

    def add(self, file: PlannedFile) -> None:
        id = file.message.tty_info_id
        info = self.infos.get(id)
        if info is None:
            raise ImageError(
                f"File {file.id}, a terminal, is not in tty-info.img",
                because=f"there is no terminal {id}",
            )
        if file.message.regf_id:
            self.context.unchecked.add(file.message.regf_id)
        if info.pty is None:
            self._add_other(info, file)
            return
        pair = self._pair_of[id]
        if id in self._hung:
            pair.hung.append(file)
        elif not _is_master(info):
            pair.slaves.append(file)
        elif pair.masters or file.message.flags & O_ACCMODE != O_RDWR:
            raise ImageError(
                f"File {file.id}, the master of a terminal, cannot be as the images say"
            )
        else:
            pair.masters.append(file)

    def _add_other(self, info: TtyInfoEntry, file: PlannedFile) -> None:
        self.others.setdefault(info.id, Other(info)).files.append(file)

    def place(self) -> None:
        for key, pair in list(self.pairs.items()):
            if pair.masters:
                continue
            for file in pair.slaves:
                self._add_other(pair.info[False], file)
            pair.slaves = []
            if not pair.hung:
                del self.pairs[key]
        for other in self.others.values():
            self._find_other(other)
            choose_place(self.context, other.files)
            for file in other.files:
                self._place_own(other.info, file)
                self.context.add_job(file.pid, Opening(self, other, file))
        for pair in self.pairs.values():
            choose_place(self.context, [*pair.masters, *pair.slaves, *pair.hung])
            for file in (*pair.masters, *pair.hung):
                self.context.add_job(file.pid, Fetching(self, pair, file))
            for file in pair.slaves:
                self._place_own(pair.info[False], file)
                self.context.add_job(file.pid, Opening(self, pair, file))

    def _place_own(self, info: TtyInfoEntry, file: PlannedFile) -> None:
        """/dev/tty is opened by who has that terminal: the leader of its session, surely."""
        table = self.context.tables.get(info.sid)
        if table is None or not self.is_own_path(file):
            return
        file.pid = info.sid
        for pid, number, _ in file.users:
            if pid == info.sid:
                file.number = number
                return
        file.number = table.park(file.id)
        file.parked = True

    def _find_other(self, other: Other) -> None:
        """Where a terminal that is not made here comes from. Raises UnsupportedObject."""
        info, inherited = other.info, self.context.inherited
        key = external_key(info.rdev, info.dev or 0)
        given = inherited.find(f"tty[{key}]") if inherited is not None else -1
        if given >= 0:
            other.fd, other.inherited = given, True
            return
        if info.type in _DEVICES:
            entry = self.context.regular(other.files[0].message.regf_id or 0)
            if entry is None:
                raise ImageError(f"File {other.files[0].id}, a terminal, has no path")
            other.path = entry.name
            return
        if not self.context.options.shell_job:
            raise UnsupportedObject(
                f"Cannot restore {self.name(other.files[0])}",
                because="what was at its other end is not in the images",
                hint="pass --shell-job: the terminal that crtools runs in takes its place;"
                f" or --inherit-fd fd[N]:tty[{key}]",
            )

    def name(self, file: PlannedFile) -> str:
        info = self.infos[file.message.tty_info_id]
        if info.pty is None:
            major, minor = decode(info.rdev)
            name = f"/dev/pts/{minor}" if major == PTS_MAJOR else f"{major}:{minor}"
            return f"the terminal {name}"
        of = "the master of " if _is_master(info) else ""
        return f"{of}the terminal {self._pair_of[info.id].name}"

    def is_own_path(self, file: PlannedFile) -> bool:
        """Whether it was opened as /dev/tty."""
        entry = self.context.regular(file.message.regf_id or 0)
        return entry is not None and entry.name == "/dev/tty"

    # --- By the tool ---

    def check(self, root: int) -> None:
        for other in self.others.values():
            if other.path:
                from crtools.kinds.files.tty_device import check_device

                check_device(other.info, other.path, root)
                continue
            name = self.name(other.files[0])
            if other.inherited:
                if not os.isatty(other.fd):
                    raise RestoreConflict(
                        f"Descriptor {other.fd} cannot take the place of {name}",
                        because="it is no terminal",
                    )
                continue
            other.fd = next((fd for fd in (0, 1, 2) if os.isatty(fd)), -1)
            if other.fd < 0:
                raise RestoreConflict(
                    f"There is no terminal to take the place of {name}",
                    because="neither input nor output nor error output of crtools is one",
                    hint="run crtools from a terminal, such as with script(1)",
                )
        for pair in self.pairs.values():
            path = below(os.fsencode(pair.name))
            if pair.masters and os.access(path, os.F_OK, dir_fd=root, follow_symlinks=False):
                raise conflict(pair)

    def create(self, tool_pid: int, root: int) -> None:
        self._tool = tool_pid
        for other in self.others.values():
            if other.path:
                from crtools.kinds.files.tty_device import open_device

                other.fd = open_device(other.path, root)
        wanted: dict[str, list[Pair]] = {}
        for pair in self.pairs.values():
            wanted.setdefault(self._path_of_master(pair), []).append(pair)
        for path, pairs in wanted.items():
            open_masters(path, pairs, root)
        for pair in self.pairs.values():
            pair.set_up(self._path_of_master(pair), root)

    def _path_of_master(self, pair: Pair) -> str:
        for file in pair.masters:
            entry = self.context.regular(file.message.regf_id or 0)
            if entry is not None:
                if os.path.basename(entry.name) != "ptmx":
                    raise ImageError(f"File {file.id}, a terminal's master, has an impossible path")
                return entry.name
        return "/dev/ptmx" if pair.directory == DEVPTS else f"{pair.directory}/ptmx"

    def lock(self) -> None:
        """Last, for nobody could open them then."""
        for pair in self.pairs.values():
            pair.lock()
        for other in self.others.values():
            self._set_other(other)

    def _set_other(self, other: Other) -> None:
        """A terminal that is not ours to make works as it did. If it is the one that controls us,
        to set it from the background would stop us."""
        from crtools.kinds.files.tty_device import Settings

        try:
            free = os.tcgetpgrp(other.fd) == os.getpgrp()
        except OSError:
            free = bool(other.inherited or other.path)
        if not free:
            return
        own, info = self._modems.get(other.info.id), other.info
        wanted = Settings(info.termios, None, None)
        if other.path:
            wanted = Settings(info.termios, info.winsize, own.modem if own else None)
        other.before = wanted.apply(other.fd)
        if other.path and info.exclusive:
            terminal.tell(other.fd, ioctl.TIOCEXCL)

    def close(self, *, restored: bool) -> None:
        for other in self.others.values():
            if other.before is not None and not restored:
                other.before.apply(other.fd)
            other.before = None
            if other.path and other.fd >= 0:
                os.close(other.fd)
                other.fd = -1
        for pair in self.pairs.values():
            pair.close()

    # --- By the tasks ---

    @property
    def sessions(self) -> dict[int, Pair | Other]:
        """The terminals that are somebody's controlling terminal, by session."""
        found: dict[int, Pair | Other] = {}
        for pair in self.pairs.values():
            if pair.masters and False in pair.info and pair.info[False].sid:
                found[pair.info[False].sid] = pair
        for other in self.others.values():
            if other.info.sid and (other.path or other.inherited):
                found[other.info.sid] = other
        return found

    def build_session(self, program: Program, leader: int) -> None:
        """The leader of a session that has just begun takes its terminal: it has no child yet."""
        one = self.sessions.get(leader)
        if one is None:
            return
        fd = build_open(program, b"/proc/%d/fd/%d" % (self._tool, _descriptor(one)))
        program.call(SYS_ioctl, fd, ioctl.TIOCSCTTY, 0, label="have its controlling terminal again")
        program.call(SYS_close, fd)

    def build_foreground(self, program: Program, leader: int) -> None:
        """The group that is in the foreground, once all groups are there."""
        one = self.sessions.get(leader)
        if one is None:
            return
        group = one.info.pgrp if isinstance(one, Other) else one.info[False].pgrp
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

    def path_for(self, one: Pair | Other) -> bytes:
        """The path by which a task opens a slave or another terminal that the tool has."""
        return b"/proc/%d/fd/%d" % (self._tool, _descriptor(one))

    def build_fetch(
        self, program: Program, pair: Pair, file: PlannedFile, what: Callable[[], str]
    ) -> tuple[int, int]:
        """Instructions that take over what the tool has opened; the result is the descriptor."""
        fd = pair.taken.get(file, pair.master)
        pidfd = program.call(SYS_pidfd_open, self._tool, 0, label=what)
        got = program.call(SYS_pidfd_getfd, pidfd, fd, 0, label=what)
        # First, since it may have the number that is wanted.
        program.call(SYS_close, pidfd)
        return got


def _descriptor(one: Pair | Other) -> int:
    return one.slave if isinstance(one, Pair) else one.fd


def _check_own(own: CrtoolsTtyEntry) -> None:
    """Raises ImageError."""
    if (
        len(own.beyond or b"") > _MOST_UNREAD
        or max(own.column or 0, own.line_column or 0) > _MOST_COLUMNS
        or not (own.directory or DEVPTS).startswith("/")
        or (own.status or 0) > 0xFF
    ):
        raise ImageError(f"Terminal {own.id} in crtools-tty.img has an impossible state")


def _is_master(info: TtyInfoEntry) -> bool:
    return decode(info.rdev) == (5, 2)
