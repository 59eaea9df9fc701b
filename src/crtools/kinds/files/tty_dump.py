"""Terminals, dumped: which open file is an end of which, and that nobody else has an end.

Both ends of a pair have to be in the tree, or be the terminal of a shell's job. What it has beside
its open files is read by crtools.kinds.files.terminal.
"""

from __future__ import annotations

import os
from stat import S_IMODE

from crtools.abi import ioctl, kernel
from crtools.abi.fcntl import O_ACCMODE, O_RDWR
from crtools.abi.x86_64 import SYS_kcmp
from crtools.errors import UnsupportedObject
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
from crtools.kinds.files.base import FileDumper
from crtools.kinds.files.tty import (
    MASTER_PATHS,
    OWN_TERMINAL,
    PTMX,
    PTS_MAJOR,
    decode,
    encode,
    show,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import DumpContext, OpenFile
    from crtools.model.tree import Process
    from crtools.tracee.kernel_memory import KernelMemory

KCMP_FILE = 0  # linux/kcmp.h
POLLPRI, POLLOUT, POLLHUP = 0x2, 0x4, 0x10
_NOBODY = FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0)
_AWAY = (
    "start the program with its input and output away from the terminal, such as"
    " `setsid PROGRAM < /dev/null > FILE 2>&1`"
)


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
        return decode(self.device)[1]

    @property
    def name(self) -> str:
        major, minor = decode(self.device)
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
                f"it is the terminal {show(file.link)}, which was hung up",
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
            f"it is the terminal {show(one.slaves[0].link)}",
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
                    f"{self.context.name_task(pid)} has it as {show(link)}, and is not dumped",
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
                f"it is the terminal {show(file.link)}, opened in an unusual way",
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
                    rdev=encode(PTMX) if master else one.device,
                    termios=termios,
                    termios_locked=locked,
                    winsize=winsize,
                    pty=TtyPtyEntry(index=one.index),
                    dev=encode((file.stat if master else node).st_dev),
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
        major, index = decode(one.device)
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
                dev=encode(file.stat.st_dev),
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
            major, minor = decode(device)
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
