"""A pair of terminals made by the tool: its number, its slaves that were hung up, its settings."""

from __future__ import annotations

import os
from stat import S_IMODE

from crtools import log
from crtools.abi import ioctl, kernel
from crtools.abi.fcntl import (
    O_ACCMODE,
    O_APPEND,
    O_CLOEXEC,
    O_LARGEFILE,
    O_NOCTTY,
    O_NONBLOCK,
    O_RDWR,
)
from crtools.abi.x86_64 import SYS_ioctl
from crtools.errors import RestoreConflict
from crtools.kinds.files import terminal
from crtools.kinds.files.path import below
from crtools.kinds.files.terminal_state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.crtools_kinds import CrtoolsTtyEntry
    from crtools.images.messages.tty import TtyInfoEntry
    from crtools.kinds.files.base import PlannedFile

QUIET = O_NOCTTY | O_NONBLOCK | O_CLOEXEC


class Pair:
    """What is to be: the entries, the files, and what the tool holds meanwhile."""

    __slots__ = (
        "directory",
        "hung",
        "hung_info",
        "hung_mode",
        "index",
        "info",
        "master",
        "masters",
        "own",
        "slave",
        "slaves",
        "state",
        "taken",
    )

    def __init__(self, directory: str, index: int) -> None:
        self.directory = directory
        self.index = index
        self.info: dict[bool, TtyInfoEntry] = {}  # by whether it is the master's
        self.masters: list[PlannedFile] = []
        self.slaves: list[PlannedFile] = []
        self.hung: list[PlannedFile] = []
        self.own: CrtoolsTtyEntry | None = None
        self.state = State()
        self.master = -1
        self.slave = -1
        self.taken: dict[PlannedFile, int] = {}  # our descriptors of those that are hung up
        self.hung_info: TtyInfoEntry | None = None
        self.hung_mode: int | None = None

    @property
    def name(self) -> str:
        return f"{self.directory}/{self.index}"

    def either(self, *, master: bool) -> TtyInfoEntry:
        """An end's entry, or where there is none, the other's."""
        return self.info.get(master) or self.info[not master]

    def set_up(self, path: str, root: int) -> None:
        """All but what would keep tasks from opening it. `path` is that of its /dev/ptmx. Raises
        RestoreConflict."""
        self._hang_up()
        if not self.masters:
            return
        from crtools.kinds.files.terminal_refill import Refilling

        info = self.either(master=False)
        closed = self.own is not None and self.own.closed
        if self.slaves or closed or info.sid or self.state.needs_slave:
            self.slave = _open_peer(self.master, O_RDWR)
        if info.winsize is not None:
            terminal.set_winsize(self.master, info.winsize)
        settings = info.termios or terminal.read_termios(self.master)
        packet = self.either(master=True).packet_mode
        Refilling(self.master, self.slave, settings, self.state, packet=packet).run()
        if info.termios_locked is not None:
            terminal.set_locked(self.master, info.termios_locked)
        node = below(os.fsencode(self.name))
        try:
            if info.uid is not None and info.gid is not None:
                os.chown(node, info.uid, info.gid, dir_fd=root, follow_symlinks=False)
            if self.own is not None:
                os.chmod(node, S_IMODE(self.own.mode), dir_fd=root)
        except OSError as error:
            raise conflict(self, f"{path} made one elsewhere ({error.strerror})") from error
        if closed and not self.slaves and not info.sid:
            self.close_slave()

    def _hang_up(self) -> None:
        """Opens the slaves that were hung up, and hangs up."""
        info = self.hung_info
        for file in self.hung:
            flags = file.message.flags & (O_ACCMODE | O_APPEND | O_LARGEFILE)
            fd = self.taken[file] = _open_peer(self.master, flags)
            if info is not None and info.uid is not None and info.gid is not None:
                os.fchown(fd, info.uid, info.gid)
            if self.hung_mode is not None:
                os.fchmod(fd, self.hung_mode)
        if self.hung and self.masters:
            terminal.tell(self.taken[self.hung[0]], ioctl.TIOCVHANGUP)
        elif self.hung:
            os.close(self.master)
            self.master = -1

    def lock(self) -> None:
        """Last, for nobody could open it then."""
        if not self.masters:
            return
        if False in self.info and self.info[False].exclusive and self.slave >= 0:
            terminal.tell(self.slave, ioctl.TIOCEXCL)
        if True in self.info and self.info[True].exclusive:
            terminal.tell(self.master, ioctl.TIOCEXCL)
        if self.either(master=True).locked:
            terminal.tell(self.master, ioctl.TIOCSPTLCK, (1).to_bytes(4, "little"))

    def close_slave(self) -> None:
        if self.slave >= 0:
            os.close(self.slave)
            self.slave = -1

    def close(self) -> None:
        for fd in (self.slave, self.master, *self.taken.values()):
            if fd >= 0:
                os.close(fd)
        self.slave = self.master = -1
        self.taken.clear()


def conflict(pair: Pair, because: str = "there is a terminal of that number") -> RestoreConflict:
    return RestoreConflict(
        f"The terminal {pair.name} cannot be made",
        because=because,
        hint="wait until whoever has it has ended, or restore with a /dev/pts of its own"
        " (unshare -m, mount -t devpts -o newinstance)",
        subject=("file", pair.name),
    )


def open_masters(path: str, pairs: list[Pair], root: int) -> None:
    """Makes pairs with their numbers, by the /dev/ptmx of that path. Raises RestoreConflict."""
    missing = {pair.index: pair for pair in pairs}
    spare: list[int] = []
    try:
        while missing:
            fd = _open_master(path, next(iter(missing.values())), root)
            # The kernel gives the lowest free number (fs/devpts/inode.c, devpts_new_index).
            index = terminal.ask_number(fd, ioctl.TIOCGPTN)
            pair = missing.pop(index, None)
            if pair is None and index > max(missing):
                # What has been hung up had a number once. Any will do now.
                pair = next((pair for pair in missing.values() if not pair.masters), None)
                if pair is None:
                    spare.append(fd)
                    raise conflict(missing[max(missing)])
                log.warning("%s was hung up: now that was %d", pair.name, index)
                del missing[pair.index]
                pair.index = index
            if pair is not None:
                pair.master = fd
            else:
                spare.append(fd)
    finally:
        for fd in spare:
            os.close(fd)


def _open_master(path: str, pair: Pair, root: int) -> int:
    try:
        fd = os.open(below(os.fsencode(path)), O_RDWR | QUIET, dir_fd=root)
    except OSError as error:
        raise conflict(pair, f"{path}: {error.strerror}") from error
    try:
        terminal.tell(fd, ioctl.TIOCSPTLCK, bytes(4))
    except OSError as error:
        os.close(fd)
        raise conflict(pair, f"{path} makes no terminals") from error
    return fd


def _open_peer(master: int, flags: int) -> int:
    """Opens a slave."""
    # O_CLOEXEC would stay among the open file's own flags (pty.c, ptm_open_peer), as it does with
    # no other way to open.
    fd = kernel.checked(SYS_ioctl, master, ioctl.TIOCGPTPEER, flags | O_NOCTTY | O_NONBLOCK)
    os.set_inheritable(fd, False)
    return fd
