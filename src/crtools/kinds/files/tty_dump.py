"""Terminals, dumped: which open file is an end of which, and that nobody else has an end.

Both ends of a pair have to be in the tree, or be the terminal of a shell's job, or be named by
--external. What a pair has beside its open files is read by crtools.kinds.files.terminal_state;
terminals that are devices of their own are looked at by crtools.kinds.files.tty_device.

A devpts file system numbers its pairs by itself, and there may be several: a pair is told by the
device of the file system (fs/devpts/inode.c) and its number. /dev/tty leads to the terminal of the
session of who opens it, and stays with that.
"""

from __future__ import annotations

import os

from crtools.abi import ioctl, kernel
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
    OWN_TERMINAL,
    PTMX,
    PTS_MAJOR,
    decode,
    encode,
    external_key,
    show,
)
from crtools.procfs.files import split_deleted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.tty import TermiosEntry, WinsizeEntry
    from crtools.kinds.files.base import DumpContext, OpenFile
    from crtools.model.tree import Process
    from crtools.tracee.kernel_memory import KernelMemory

KCMP_FILE = 0  # linux/kcmp.h
# linux/tty.h: line disciplines that are not N_TTY, for messages.
_DISCIPLINES = {1: "SLIP", 2: "MOUSE", 3: "PPP", 13: "HDLC", 15: "HCI", 21: "GSM0710", 27: "NULL"}
_NOBODY = FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0)
_AWAY = (
    "start the program with its input and output away from the terminal, such as"
    " `setsid PROGRAM < /dev/null > FILE 2>&1`"
)


class Terminal:
    """One terminal: a pair, if `masters` has a file. `device` is the slave's as the kernel encodes
    it, `instance` the device of its devpts file system (0: it is of none, or nobody knows)."""

    __slots__ = ("device", "hung", "ids", "instance", "masters", "slaves", "tty")

    def __init__(self, device: int, instance: int) -> None:
        self.device = device
        self.instance = instance
        self.ids: dict[str, int] = {}  # in tty-info.img: of "master", "slave", "hung"
        self.masters: list[OpenFile] = []
        self.slaves: list[OpenFile] = []
        self.hung: list[OpenFile] = []  # slaves that have been hung up
        self.tty = 0  # the slave's tty_struct, once it is known

    @property
    def index(self) -> int:
        """That of /dev/pts."""
        return decode(self.device)[1]

    @property
    def name(self) -> str:
        major, minor = decode(self.device)
        return f"/dev/pts/{minor}" if major == PTS_MAJOR else f"{major}:{minor}"

    @property
    def is_pts(self) -> bool:
        return decode(self.device)[0] == PTS_MAJOR


class TtyDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        context.terminals = self
        self.terminals: dict[tuple[int, int], Terminal] = {}
        self.sessions: dict[int, Terminal] = {}  # by leader: its controlling terminal
        self.infos: list[TtyInfoEntry] = []
        self.own: list[CrtoolsTtyEntry] = []
        self.data: list[TtyDataEntry] = []
        self._own_files: list[tuple[OpenFile, TtyFileEntry]] = []
        self._memory: KernelMemory | None = None
        self._last_id = 0

    @property
    def memory(self) -> KernelMemory:
        if self._memory is None:
            from crtools.tracee.kernel_memory import KernelMemory

            self._memory = KernelMemory()
        return self._memory

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        path = self.context.new_id()
        name = split_deleted(file.link)[0] if file.stat.st_nlink == 0 else file.link
        self.context.add_entry(
            FileEntry(
                type=FdTypes.REG,
                id=path,
                reg=RegFileEntry(
                    id=path,
                    flags=file.flags,
                    pos=0,
                    fown=_NOBODY,
                    name=name.decode("utf-8", "surrogateescape"),
                    mode=file.stat.st_mode,
                ),
            )
        )
        message = TtyFileEntry(
            id=id,
            tty_info_id=0,
            flags=file.flags,
            fown=self.context.owner_of(file),
            regf_id=path,
        )
        if file.stat.st_rdev == OWN_TERMINAL:
            # Which terminal that is can be told when all others are known.
            self._own_files.append((file, message))
        else:
            message.tty_info_id = self._add(file)
        return FileEntry(type=FdTypes.TTY, id=id, tty=message)

    def _add(self, file: OpenFile) -> int:
        """The id of the entry in tty-info.img that a file will have."""
        device, hung, instance, end = 0, False, 0, "slave"
        fd = self.context.borrow(file)
        try:
            try:
                device = terminal.ask_number(fd, ioctl.TIOCGDEV)
            except OSError:
                hung = True
            if file.stat.st_rdev == PTMX:
                from crtools.kinds.files.terminal_state import find_instance, find_terminal

                kernels = find_instance(self.memory, find_terminal(self.memory, fd))
                # MKDEV, linux/kdev_t.h.
                instance, end = os.makedev(kernels >> 20, kernels & 0xFFFFF), "master"
        finally:
            os.close(fd)
        if hung:
            if os.major(file.stat.st_rdev) != PTS_MAJOR:
                raise self._refuse_hung(file)
            device, end = encode(file.stat.st_rdev), "hung"
        if end != "master" and os.major(file.stat.st_rdev) == PTS_MAJOR:
            instance = file.stat.st_dev
        one = self.terminals.get((device, instance))
        if one is None:
            one = self.terminals[device, instance] = Terminal(device, instance)
        {"master": one.masters, "slave": one.slaves, "hung": one.hung}[end].append(file)
        return self.id_of(one, end)

    def id_of(self, one: Terminal, end: str) -> int:
        if end not in one.ids:
            self._last_id += 1
            one.ids[end] = self._last_id
        return one.ids[end]

    def _refuse_hung(self, file: OpenFile) -> UnsupportedObject:
        return self.context.refuse(
            file,
            f"it is the terminal {show(file.link)}, which was hung up",
            "nothing tells which terminal it was, or it cannot be hung up again",
            "let the program close it before the dump",
        )

    def check(self) -> None:
        for file, message in self._own_files:
            message.tty_info_id = self._find_own(file)
        from crtools.kinds.files.tty_pair_dump import collect_hung, collect_pair

        pairs = [one for one in self.terminals.values() if one.masters]
        if pairs:
            self._check_outside(pairs)
            for one in pairs:
                collect_pair(self, one)
        for one in self.terminals.values():
            if one.hung:
                collect_hung(self, one)
        self._check_others(
            [one for one in self.terminals.values() if one.slaves and not one.masters]
        )
        self._check_processes_of_own()

    def finish(self) -> None:
        self.context.store.write("tty-info", self.infos)
        if self.own:
            self.context.store.write("crtools-tty", self.own)
        if self.data:
            self.context.store.write("tty-data", self.data)

    # --- /dev/tty ---

    def _find_own(self, file: OpenFile) -> int:
        """The entry of the terminal that a descriptor of /dev/tty leads to."""
        fd = self.context.borrow(file)
        try:
            device = terminal.ask_number(fd, ioctl.TIOCGDEV)
            same = [one for one in self.terminals.values() if one.device == device]
            if any(one.masters for one in same):
                from crtools.kinds.files.terminal_state import find_terminal

                tty = find_terminal(self.memory, fd)
                same = [one for one in same if self._tty_of(one) == tty]
        except OSError as error:
            raise self._refuse_hung(file) from error
        finally:
            os.close(fd)
        if same:
            one = same[0]
        else:
            one = self.terminals[device, 0] = Terminal(device, 0)
        one.slaves.append(file)
        return self.id_of(one, "slave")

    def _tty_of(self, one: Terminal) -> int:
        from crtools.kinds.files.terminal_state import find_slave, find_terminal

        if not one.tty and (one.masters or one.slaves):
            fd = self.context.borrow((one.masters or one.slaves)[0])
            try:
                one.tty = find_terminal(self.memory, fd)
            finally:
                os.close(fd)
            if one.masters:
                one.tty = find_slave(self.memory, one.tty)
        return one.tty

    def _check_processes_of_own(self) -> None:
        """/dev/tty can be opened again by who has that terminal, and given to who had it."""
        for file, _ in self._own_files:
            one = next(one for one in self.terminals.values() if file in one.slaves)
            leaders = [leader for leader, had in self.sessions.items() if had is one]
            if not any(
                device_of(process) == one.device
                and (not one.masters or process.stat.session in leaders)
                for process in self.context.processes
            ):
                raise self.context.refuse(
                    file,
                    f"it is /dev/tty of another session, {one.name}",
                    "no process of the tree has that controlling terminal any more",
                )

    # --- Who else has one ---

    def _check_outside(self, pairs: list[Terminal]) -> None:
        """Nobody else may have an end of a pair: it would lead to the old one."""
        numbers = {b"%d" % one.index for one in pairs}
        masters = [one.masters[0] for one in pairs]
        for pid, via, link in self.context.other_files():
            held: OpenFile | None = None
            name = link.rpartition(b"/")[2]
            if name == b"ptmx":
                fd = int(via.rpartition("/")[2])
                for file in masters:
                    # All masters are of one inode, but each is one open file.
                    if kernel.raw(SYS_kcmp, pid, file.tid, KCMP_FILE, fd, file.fd) == 0:
                        held = file
            elif name in numbers or link == b"/dev/tty":
                held = self._find_held(via, name in numbers, pairs)
            if held is not None:
                raise self.context.refuse(
                    held,
                    "its terminal is also open outside the tree",
                    f"{self.context.name_task(pid)} has it as {show(link)}, and is not dumped",
                    "dump the tree of a task that has both, or end the other",
                )

    def _find_held(self, via: str, numbered: bool, pairs: list[Terminal]) -> OpenFile | None:
        try:
            if numbered:
                stat = os.stat(via, dir_fd=self.context.proc)
                of = (encode(stat.st_rdev), stat.st_dev)
                return next((o.masters[0] for o in pairs if (o.device, o.instance) == of), None)
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

    def read_settings(self, one: Terminal, fd: int) -> tuple[TermiosEntry, WinsizeEntry]:
        termios = terminal.read_termios(fd)
        if termios.c_line != terminal.N_TTY:
            name = _DISCIPLINES.get(termios.c_line, "")
            raise self.context.refuse(
                (one.masters or one.slaves)[0],
                f"its terminal has line discipline {termios.c_line}{name and f' ({name})'}",
                "crtools carries the usual one, N_TTY",
            )
        return termios, terminal.read_winsize(fd)

    def session_of(self, one: Terminal, master: int) -> tuple[int, int]:
        """The session whose controlling terminal a pair is, and the group in the foreground. To
        the master the kernel tells those of the slave (drivers/tty/tty_jobctrl.c, tiocgsid)."""
        try:
            sid = terminal.ask_number(master, ioctl.TIOCGSID)
        except OSError:
            return 0, 0
        pgrp = terminal.ask_number(master, ioctl.TIOCGPGRP)
        if not any(process.pid == sid for process in self.context.processes):
            raise self.context.refuse(
                one.masters[0],
                f"its terminal {one.name} is the controlling terminal of session {sid}",
                "the leader of that session is not in the tree",
                "dump the tree of a task that has both",
            )
        self._add_session(one, sid, pgrp)
        return sid, pgrp

    def _add_session(self, one: Terminal, sid: int, pgrp: int) -> None:
        if pgrp and not any(process.stat.pgrp == pgrp for process in self.context.processes):
            leader = next(process for process in self.context.processes if process.pid == sid)
            raise UnsupportedObject(
                f"Cannot dump {leader.name}: the foreground group of its terminal {one.name},"
                f" {pgrp}, has no process in the tree",
                because="a group without a process cannot be made again",
                hint="try again when its shell has gone on",
                subject=("task", sid),
            )
        self.sessions[sid] = one

    # --- Terminals whose other end is not in the tree ---

    def _check_others(self, others: list[Terminal]) -> None:
        foreign: Terminal | None = None
        externals = self.context.externals
        for one in others:
            file = one.slaves[0]
            key = external_key(file.stat.st_rdev, file.stat.st_dev)
            if externals is not None and externals.find("tty", key) is not None:
                self._collect_other(one, TtyType.EXT_TTY)
            elif not one.is_pts and not self._is_of_job(one):
                from crtools.kinds.files.tty_device import collect_device

                collect_device(self, one)
            elif not self.context.options.shell_job:
                raise self._refuse_foreign(one, key)
            elif foreign is not None:
                raise self.context.refuse(
                    one.slaves[0],
                    f"it is {one.name}, the second terminal from outside the tree",
                    f"{foreign.name} is one as well, and a restore has one terminal",
                    f"--external tty[{key}]",
                )
            else:
                foreign = one
                self._collect_other(one, TtyType.PTY if one.is_pts else TtyType.EXT_TTY)

    def _is_of_job(self, one: Terminal) -> bool:
        """Whether it is what a shell's job was started from."""
        return self.context.options.shell_job and device_of(self.context.processes[0]) == one.device

    def _refuse_foreign(self, one: Terminal, key: str) -> UnsupportedObject:
        return self.context.refuse(
            one.slaves[0],
            f"it is the terminal {show(one.slaves[0].link)}",
            "what is at its other end is not in the tree",
            "--shell-job, if it is the terminal that the program was started from,"
            f" --external tty[{key}], or {_AWAY}",
        )

    def _collect_other(self, one: Terminal, type: int) -> None:
        file = one.slaves[0]
        fd = self.context.borrow(file)
        try:
            termios, winsize = self.read_settings(one, fd)
        finally:
            os.close(fd)
        sid, pgrp = 0, 0
        if type == TtyType.EXT_TTY:
            sid, pgrp = self.session_by_leader(one)
        root = self.context.processes[0]
        if not sid and device_of(root) == one.device:
            sid, pgrp = root.stat.session, max(root.stat.tpgid, 0)
        index = one.index
        self.infos.append(
            TtyInfoEntry(
                id=self.id_of(one, "slave"),
                type=type,
                locked=False,
                exclusive=False,
                packet_mode=False,
                sid=sid,
                pgrp=pgrp,
                rdev=one.device,
                termios=termios,
                winsize=winsize,
                pty=TtyPtyEntry(index=index) if type == TtyType.PTY else None,
                dev=encode(file.stat.st_dev),
                uid=file.stat.st_uid,
                gid=file.stat.st_gid,
            )
        )

    def session_by_leader(self, one: Terminal) -> tuple[int, int]:
        """The session of the tree whose controlling terminal it is, and its foreground group."""
        for process in self.context.processes:
            if device_of(process) == one.device and process.stat.session == process.pid:
                pgrp = max(process.stat.tpgid, 0)
                self._add_session(one, process.pid, pgrp)
                return process.pid, pgrp
        return 0, 0


def check_sessions(context: DumpContext) -> None:
    """Whether the controlling terminals of a tree can be restored. Raises UnsupportedObject."""
    known: TtyDumper | None = context.terminals
    pids = {process.pid for process in context.processes}
    for process in context.processes:
        device = device_of(process)
        # A session from outside the tree has what crtools has, with --shell-job.
        if not device or process.stat.session not in pids:
            continue
        one = known.sessions.get(process.stat.session) if known is not None else None
        if one is None or one.device != device:
            major, minor = decode(device)
            name = f"/dev/pts/{minor}" if major == PTS_MAJOR else f"{major}:{minor}"
            raise UnsupportedObject(
                f"Cannot dump {process.name}: its controlling terminal is {name}",
                because="what is at its other end is not in the tree",
                hint=f"dump the program that has it, or {_AWAY}",
                subject=("task", process.pid),
            )


def device_of(process: Process) -> int:
    """Its controlling terminal as the kernel encodes it, 0: none. Zombies have none to be seen."""
    return 0 if process.zombie else process.stat.tty_nr & 0xFFFFFFFF
