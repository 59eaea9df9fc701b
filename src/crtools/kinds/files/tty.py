"""Terminals: pairs of pseudoterminals (pts(4)) with both ends in the tree, and the tool's own.

A pair is made again by the tool, with the same number, and its master is taken over from there; its
slave is opened as often as there were open files. The tool sets the pair up before there is any
process: settings and what nobody has read (crtools.kinds.files.terminal). It is the controlling
terminal of a session from the moment that this begins, since children only inherit that (tty(4),
TIOCSCTTY; kernel/fork.c, copy_signal); the foreground group comes when all groups are there.

A terminal whose master is not in the tree is the one that a shell's job was started from. With
--shell-job the tool's own takes its place.
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
    O_PATH,
    O_RDWR,
)
from crtools.abi.x86_64 import (
    SYS_close,
    SYS_fcntl,
    SYS_ioctl,
    SYS_kcmp,
    SYS_openat,
    SYS_pidfd_getfd,
    SYS_pidfd_open,
)
from crtools.agent.program import Program
from crtools.errors import ImageError, RestoreConflict, UnsupportedObject
from crtools.images.messages.crtools_kinds import CrtoolsTtyEntry
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.regfile import RegFileEntry
from crtools.images.messages.tty import (
    TtyDataEntry,
    TtyFileEntry,
    TtyInfoEntry,
    TtyPtyEntry,
    TtyType,
)
from crtools.kinds.files import terminal
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner, choose_place
from crtools.kinds.files.path import reopening

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.images.messages.tty import TermiosEntry
    from crtools.kinds.files.base import (
        DumpContext,
        OpenFile,
        PlanContext,
        PlannedFile,
        Programs,
    )
    from crtools.model.tree import Process
    from crtools.tracee.kernel_memory import KernelMemory

# Majors of terminals (Documentation/admin-guide/devices.txt): BSD pairs, virtual consoles and
# serial ports, tty/console/ptmx, USB modems and serial adapters, other serial ports, hypervisors'
# consoles; 136 is that of /dev/pts.
TTY_MAJORS = frozenset((2, 3, 4, 5, *range(136, 144), 166, 188, 204, 229))
PTS_MAJOR = 136
PTMX = os.makedev(5, 2)
OWN_TERMINAL = os.makedev(5, 0)  # /dev/tty
MASTER_PATHS = (b"/dev/ptmx", b"/dev/pts/ptmx")
POLLPRI, POLLOUT, POLLHUP = 0x2, 0x4, 0x10
KCMP_FILE = 0
LAST_INDEX = (1 << 20) - 1
_NOBODY = FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0)
_AWAY = (
    "start the program with its input and output away from the terminal, such as"
    " `setsid PROGRAM < /dev/null > FILE 2>&1`"
)


class Tty(FileKind):
    type = FdTypes.TTY
    field = "tty"

    def matches(self, file: OpenFile) -> bool:
        return not file.flags & O_PATH and os.major(file.stat.st_rdev) in TTY_MAJORS

    def dumper(self, context: DumpContext) -> FileDumper:
        return TtyDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return TtyPlanner(context)


# --- The dump ---


class _Terminal:
    """One terminal: a pair, if `masters` has a file. `device` is the slave's as the kernel encodes
    it, `ids` are those of the master's and the slave's entry in tty-info.img."""

    __slots__ = ("device", "ids", "masters", "slaves")

    def __init__(self, device: int, ids: tuple[int, int]) -> None:
        self.device = device
        self.ids = ids
        self.masters: list[OpenFile] = []
        self.slaves: list[OpenFile] = []

    @property
    def index(self) -> int:
        """That of /dev/pts."""
        return _decode(self.device)[1]

    @property
    def name(self) -> str:
        major, minor = _decode(self.device)
        return f"/dev/pts/{minor}" if major == PTS_MAJOR else f"{major}:{minor}"


class TtyDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        context.terminals = self
        self.terminals: dict[int, _Terminal] = {}
        self._infos: list[TtyInfoEntry] = []
        self._own: list[CrtoolsTtyEntry] = []
        self._data: list[TtyDataEntry] = []

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        fd = self.context.borrow(file)
        try:
            device = terminal.ask_number(fd, ioctl.TIOCGDEV)
        except OSError as error:
            raise self.context.refuse(
                file,
                f"it is the terminal {_text(file.link)}, which was hung up",
                f"its master has been closed (TIOCGDEV: {error.strerror})",
                "let the program close it before the dump",
            ) from error
        finally:
            os.close(fd)
        found = self.terminals.get(device)
        if found is None:
            first = 2 * len(self.terminals) + 1
            found = self.terminals[device] = _Terminal(device, (first, first + 1))
        master = file.stat.st_rdev == PTMX
        (found.masters if master else found.slaves).append(file)
        path = self.context.new_id()
        self.context.add_entry(
            FileEntry(
                type=FdTypes.REG,
                id=path,
                reg=RegFileEntry(
                    id=path,
                    flags=file.flags,
                    pos=0,
                    fown=_NOBODY,
                    name=file.link.decode("utf-8", "surrogateescape"),
                    mode=file.stat.st_mode,
                ),
            )
        )
        message = TtyFileEntry(
            id=id,
            tty_info_id=found.ids[0 if master else 1],
            flags=file.flags,
            fown=self.context.owner_of(file),
            regf_id=path,
        )
        return FileEntry(type=FdTypes.TTY, id=id, tty=message)

    def check(self) -> None:
        foreign: list[_Terminal] = []
        for one in self.terminals.values():
            if one.masters:
                continue
            foreign.append(one)
            if not self.context.options.shell_job:
                raise self._refuse_foreign(one)
            if len(foreign) > 1:
                raise self.context.refuse(
                    one.slaves[0],
                    f"it is {one.name}, the second terminal from outside the tree",
                    f"{foreign[0].name} is one as well, and a restore has one terminal",
                )
        pairs = [one for one in self.terminals.values() if one.masters]
        if pairs:
            self._check_outside(pairs)
            self._collect_pairs(pairs)
        for one in foreign:
            self._collect_foreign(one)

    def finish(self) -> None:
        self.context.store.write("tty-info", self._infos)
        if self._own:
            self.context.store.write("crtools-tty", self._own)
        if self._data:
            self.context.store.write("tty-data", self._data)

    def _refuse_foreign(self, one: _Terminal) -> UnsupportedObject:
        return self.context.refuse(
            one.slaves[0],
            f"it is the terminal {_text(one.slaves[0].link)}",
            "what is at its other end is not in the tree",
            f"--shell-job, if it is the terminal that the program was started from, or {_AWAY}",
        )

    def _check_outside(self, pairs: list[_Terminal]) -> None:
        """Nobody else may have an end of a pair: it would lead to the old one."""
        slaves = {b"/dev/pts/%d" % one.index: one for one in pairs}
        masters = [one.masters[0] for one in pairs]
        for pid, via, link in self.context.other_files():
            held: OpenFile | None = None
            if link in MASTER_PATHS:
                fd = int(via.rpartition("/")[2])
                for file in masters:
                    # All masters are of one inode, but each is one open file.
                    if kernel.raw(SYS_kcmp, pid, file.tid, KCMP_FILE, fd, file.fd) == 0:
                        held = file
            elif link in slaves or link == b"/dev/tty":
                held = self._find_held(via, link, slaves, pairs)
            if held is not None:
                raise self.context.refuse(
                    held,
                    "its terminal is also open outside the tree",
                    f"{self.context.name_task(pid)} has it as {_text(link)}, and is not dumped",
                    "dump the tree of a task that has both, or end the other",
                )

    def _find_held(
        self, via: str, link: bytes, slaves: dict[bytes, _Terminal], pairs: list[_Terminal]
    ) -> OpenFile | None:
        try:
            stat = os.stat(via, dir_fd=self.context.proc)
            if link in slaves:
                one = slaves[link]
                # Another instance of devpts has the same names.
                ours = os.stat(self._path_of(one), dir_fd=self.context.proc)
                same = (stat.st_dev, stat.st_ino) == (ours.st_dev, ours.st_ino)
                return one.masters[0] if same else None
            info = os.open(via.replace("/fd/", "/fdinfo/"), os.O_RDONLY, dir_fd=self.context.proc)
            try:
                data = os.read(info, 4096)
            finally:
                os.close(info)
            nr = os.open(f"{via.partition('/')[0]}/stat", os.O_RDONLY, dir_fd=self.context.proc)
            try:
                fields = os.read(nr, 4096).rpartition(b")")[2].split()
            finally:
                os.close(nr)
        except OSError:
            return None  # it has ended, or closed it
        for one in pairs:
            # What /dev/tty has led to, it still is, if the process has not changed its terminal.
            if (
                b"\ntty-index:\t%d\n" % one.index in data
                and int(fields[4]) & 0xFFFFFFFF == one.device
            ):
                return one.masters[0]
        return None

    def _path_of(self, one: _Terminal) -> str:
        """The slave's path below /proc."""
        file = one.masters[0]
        return f"{file.pid}/task/{file.tid}/root/dev/pts/{one.index}"

    def _collect_pairs(self, pairs: list[_Terminal]) -> None:
        from crtools.tracee.kernel_memory import KernelMemory

        memory = KernelMemory()
        for one in pairs:
            fd = self.context.borrow(one.masters[0])
            try:
                self._collect_pair(one, fd, memory)
            finally:
                os.close(fd)

    def _collect_pair(self, one: _Terminal, fd: int, memory: KernelMemory) -> None:
        file = one.masters[0]
        refuse = self.context.refuse
        if file.link not in MASTER_PATHS or file.flags & O_ACCMODE != O_RDWR:
            raise refuse(
                file,
                f"it is the terminal {_text(file.link)}, opened in an unusual way",
                f"its flags are {file.flags:#o}",
            )
        try:
            node = os.stat(self._path_of(one), dir_fd=self.context.proc)
        except OSError as error:
            raise refuse(
                file, f"its slave {one.name} cannot be looked at", error.strerror or ""
            ) from error
        for slave in one.slaves:
            if slave.stat.st_rdev != OWN_TERMINAL and (
                (slave.stat.st_dev, slave.stat.st_ino) != (node.st_dev, node.st_ino)
            ):
                raise refuse(
                    slave,
                    f"it is the terminal {one.name} of another devpts file system",
                    "crtools carries those of /dev/pts",
                )
        events = terminal.poll_now(fd)
        if events & POLLPRI:
            raise refuse(
                file,
                "it is a terminal in packet mode, and has a status that nobody has read",
                "that can only be read once",
                "try again",
            )
        self._check_process_of_own(one)
        exclusive = self._look_at_slaves(one)
        termios, winsize = terminal.read_termios(fd), terminal.read_winsize(fd)
        if termios.c_line != terminal.N_TTY:
            raise refuse(
                file,
                f"its terminal has line discipline {termios.c_line}",
                "crtools carries the usual one, N_TTY",
            )
        locked = terminal.read_locked(fd)
        unread = terminal.read_unread(memory, fd, termios.c_lflag)
        if unread.problem:
            raise refuse(
                file,
                f"its terminal's state cannot be put back: {unread.problem}",
                "what comes from a terminal is edited on the way, and that cannot be repeated",
                "let the program read it before the dump",
            )
        sid, pgrp = self._session_of(one)
        closed = bool(events & POLLHUP)
        for master in (True, False):
            self._infos.append(
                TtyInfoEntry(
                    id=one.ids[0 if master else 1],
                    type=TtyType.PTY,
                    locked=bool(terminal.ask_number(fd, ioctl.TIOCGPTLCK)),
                    exclusive=bool(terminal.ask_number(fd, ioctl.TIOCGEXCL))
                    if master
                    else exclusive,
                    packet_mode=bool(terminal.ask_number(fd, ioctl.TIOCGPKT)),
                    sid=0 if master else sid,
                    pgrp=0 if master else pgrp,
                    rdev=_encode(PTMX) if master else one.device,
                    termios=termios,
                    termios_locked=locked,
                    winsize=winsize,
                    pty=TtyPtyEntry(index=one.index),
                    dev=_encode((file.stat if master else node).st_dev),
                    uid=(file.stat if master else node).st_uid,
                    gid=(file.stat if master else node).st_gid,
                )
            )
        self._own.append(CrtoolsTtyEntry(id=one.ids[1], mode=S_IMODE(node.st_mode), closed=closed))
        for id, data in zip(one.ids, (unread.output, unread.input), strict=True):
            if data:
                self._data.append(TtyDataEntry(tty_id=id, data=data))

    def _look_at_slaves(self, one: _Terminal) -> bool:
        """Whether the slave may be opened once only (TIOCEXCL)."""
        exclusive = False
        for slave in one.slaves:
            fd = self.context.borrow(slave)
            try:
                exclusive = bool(terminal.ask_number(fd, ioctl.TIOCGEXCL))
                # There is room: or else something would be on its way, which is refused.
                if not terminal.poll_now(fd) & POLLOUT:
                    raise self.context.refuse(
                        slave,
                        f"its terminal {one.name} has been stopped, or is full of output",
                        "nothing tells by whom (^S, TCXONC)",
                        "let it go on (^Q), and read what comes",
                    )
            finally:
                os.close(fd)
        return exclusive

    def _check_process_of_own(self, one: _Terminal) -> None:
        """/dev/tty leads to the terminal of the session of who opens it."""
        for slave in one.slaves:
            if slave.stat.st_rdev != OWN_TERMINAL:
                continue
            process = next((p for p in self.context.processes if p.pid == slave.pid), None)
            if process is None or _device_of(process) != one.device:
                raise self.context.refuse(
                    slave,
                    f"it is /dev/tty of another session, {one.name}",
                    "the process has another controlling terminal now, or none",
                )

    def _session_of(self, one: _Terminal) -> tuple[int, int]:
        """The session whose controlling terminal it is, and the group in the foreground."""
        for process in self.context.processes:
            stat = process.stat
            if _device_of(process) != one.device or stat.session != process.pid:
                continue
            if not any(other.stat.pgrp == stat.tpgid for other in self.context.processes):
                raise UnsupportedObject(
                    f"Cannot dump {process.name}: the foreground group of its terminal {one.name},"
                    f" {stat.tpgid}, has no process in the tree",
                    because="a group without a process cannot be made again",
                    hint="try again when its shell has gone on",
                    subject=("task", process.pid),
                )
            return process.pid, stat.tpgid
        return 0, 0

    def _collect_foreign(self, one: _Terminal) -> None:
        file = one.slaves[0]
        fd = self.context.borrow(file)
        try:
            termios, winsize = terminal.read_termios(fd), terminal.read_winsize(fd)
        finally:
            os.close(fd)
        major, index = _decode(one.device)
        root = self.context.processes[0]
        has = _device_of(root) == one.device
        self._infos.append(
            TtyInfoEntry(
                id=one.ids[1],
                type=TtyType.PTY if major == PTS_MAJOR else TtyType.EXT_TTY,
                locked=False,
                exclusive=False,
                packet_mode=False,
                sid=root.stat.session if has else 0,
                pgrp=max(root.stat.tpgid, 0) if has else 0,
                rdev=one.device,
                termios=termios,
                winsize=winsize,
                pty=TtyPtyEntry(index=index) if major == PTS_MAJOR else None,
                dev=_encode(file.stat.st_dev),
                uid=file.stat.st_uid,
                gid=file.stat.st_gid,
            )
        )


def check_sessions(context: DumpContext) -> None:
    """Whether the controlling terminals of a tree can be restored. Raises UnsupportedObject."""
    known: TtyDumper | None = context.terminals
    pids = {process.pid for process in context.processes}
    for process in context.processes:
        device = _device_of(process)
        # A session from outside the tree has what crtools has, with --shell-job.
        if not device or process.stat.session not in pids:
            continue
        one = known.terminals.get(device) if known is not None else None
        if one is None or not one.masters:
            major, minor = _decode(device)
            name = f"/dev/pts/{minor}" if major == PTS_MAJOR else f"{major}:{minor}"
            raise UnsupportedObject(
                f"Cannot dump {process.name}: its controlling terminal is {name}",
                because="what is at its other end is not in the tree",
                hint=f"dump the program that has it, or {_AWAY}",
                subject=("task", process.pid),
            )


def _device_of(process: Process) -> int:
    """Its controlling terminal as the kernel encodes it, 0: none. Zombies have none to be seen."""
    return 0 if process.zombie else process.stat.tty_nr & 0xFFFFFFFF


def _encode(device: int) -> int:
    """new_encode_dev, linux/kdev_t.h."""
    major, minor = os.major(device), os.minor(device)
    return minor & 0xFF | major << 8 | (minor & ~0xFF) << 12


def _decode(device: int) -> tuple[int, int]:
    return (device & 0xFFF00) >> 8, device & 0xFF | device >> 12 & 0xFFF00


# --- The restore ---


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
            major, minor = _decode(info.rdev)
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
        label=f"open {_text(path)}",
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
    return _decode(info.rdev) == (5, 2)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
