"""Terminals that are devices of their own: virtual consoles, serial lines, /dev/console.

They are there before and after: what is carried is settings, window size, modem lines, exclusive
use and whose controlling terminal it is; what is on a screen stays there. What a line has received
and nobody has read cannot be put back, nor what a driver keeps for a console that shows graphics or
asks a process before it is switched (console_ioctl(2), ioctl_vt(2)).
"""

from __future__ import annotations

import os
from stat import S_ISCHR

from crtools.abi import ioctl
from crtools.abi.fcntl import O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDWR
from crtools.errors import RestoreConflict
from crtools.images.messages.crtools_kinds import CrtoolsTtyEntry
from crtools.images.messages.tty import TtyInfoEntry, TtyType
from crtools.kinds.files import terminal
from crtools.kinds.files.path import below
from crtools.kinds.files.tty import CONSOLE, decode, encode, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.tty import TermiosEntry, WinsizeEntry
    from crtools.kinds.files.tty_dump import Terminal, TtyDumper

VT_MAJOR, FIRST_SERIAL = 4, 64  # Documentation/admin-guide/devices.txt: of major 4
# linux/kd.h, linux/vt.h
KDGETMODE, KDGKBMODE, VT_GETMODE = 0x4B3B, 0x4B44, 0x5601
KD_TEXT, VT_AUTO = 0, 0
KEYBOARDS = (1, 3)  # K_XLATE, K_UNICODE: keys make characters
_VT_MODE_BYTES = 8
POLLOUT = 0x4
DTR_RTS = 0x6  # asm-generic/termios.h: what a modem is told


def collect_device(dumper: TtyDumper, one: Terminal) -> None:
    """Adds its entries to a dump. Raises UnsupportedObject."""
    file = next((file for file in one.slaves if file.link != b"/dev/tty"), None)
    refuse = dumper.context.refuse
    if file is None:
        raise refuse(
            one.slaves[0],
            f"it is /dev/tty, which leads to the terminal {one.name}",
            "what that was opened as is not known, and its other end is not in the tree",
            "--shell-job, if the program was started from that terminal",
        )
    major, minor = decode(one.device)
    console = major == VT_MAJOR and minor < FIRST_SERIAL
    fd = dumper.context.borrow(file)
    try:
        termios, winsize = dumper.read_settings(one, fd)
        exclusive = bool(terminal.ask_number(fd, ioctl.TIOCGEXCL))
        modem = _ask(fd, ioctl.TIOCMGET)
        what = _find_obstacle(fd, console)
    finally:
        os.close(fd)
    if what:
        raise refuse(file, f"it is the terminal {show(file.link)}", *what)
    sid, pgrp = dumper.session_by_leader(one)
    type = TtyType.VT if console else TtyType.SERIAL
    if file.stat.st_rdev == CONSOLE:
        type = TtyType.CONSOLE
    id = dumper.id_of(one, "slave")
    dumper.infos.append(
        TtyInfoEntry(
            id=id,
            type=type,
            locked=False,
            exclusive=exclusive,
            packet_mode=False,
            sid=sid,
            pgrp=pgrp,
            rdev=encode(file.stat.st_rdev),
            termios=termios,
            winsize=winsize,
            dev=encode(file.stat.st_dev),
            uid=file.stat.st_uid,
            gid=file.stat.st_gid,
        )
    )
    if modem is not None:
        dumper.own.append(
            CrtoolsTtyEntry(id=id, mode=file.stat.st_mode & 0o7777, closed=False, modem=modem)
        )


def _find_obstacle(fd: int, console: bool) -> tuple[str, str] | None:
    """Why a terminal's state cannot be had again, and what to do; None if it can."""
    if terminal.ask_number(fd, ioctl.FIONREAD):
        return "what it has received was not read yet", "let the program read it before the dump"
    if not terminal.poll_now(fd) & POLLOUT:
        return "its output has been stopped, or has not been sent yet", "let it go on (^Q)"
    if console:
        if _ask(fd, KDGETMODE) != KD_TEXT or _ask(fd, KDGKBMODE) not in KEYBOARDS:
            return "a program draws on it, or reads its keys", "end that program"
        if terminal.ask(fd, VT_GETMODE, _VT_MODE_BYTES)[0] != VT_AUTO:
            return "a process is asked before it is switched (VT_SETMODE)", "end that process"
    return None


def _ask(fd: int, request: int) -> int | None:
    try:
        return terminal.ask_number(fd, request)
    except OSError:
        return None  # it has no such thing


def check_device(info: TtyInfoEntry, path: str, root: int) -> None:
    """Whether a device is there. Raises RestoreConflict."""
    major, minor = decode(info.rdev)
    try:
        stat = os.stat(below(os.fsencode(path)), dir_fd=root)
    except OSError as error:
        raise _conflict(path, error.strerror or "") from error
    if not S_ISCHR(stat.st_mode) or encode(stat.st_rdev) != info.rdev:
        raise _conflict(path, f"it is not the character device {major}:{minor} any more")


def _conflict(path: str, because: str) -> RestoreConflict:
    return RestoreConflict(
        f"The terminal {path} cannot be opened again", because=because, subject=("file", path)
    )


def open_device(path: str, root: int) -> int:
    """A descriptor of it. Raises RestoreConflict."""
    flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC
    try:
        return os.open(below(os.fsencode(path)), flags, dir_fd=root)
    except OSError as error:
        raise _conflict(path, error.strerror or "") from error


class Settings:
    """A device's, as they are to be, or as they were found."""

    def __init__(
        self, termios: TermiosEntry | None, winsize: WinsizeEntry | None, modem: int | None
    ) -> None:
        self.termios = termios
        self.winsize = winsize
        self.modem = modem

    def apply(self, fd: int) -> Settings:
        """Returns those that were there before. Raises OSError."""
        before = Settings(
            terminal.read_termios(fd), terminal.read_winsize(fd), _ask(fd, ioctl.TIOCMGET)
        )
        if self.termios is not None:
            terminal.set_termios(fd, self.termios)
        if self.winsize is not None:
            terminal.set_winsize(fd, self.winsize)
        if self.modem is not None and before.modem is not None:
            lines = (before.modem & ~DTR_RTS) | (self.modem & DTR_RTS)
            terminal.tell(fd, ioctl.TIOCMSET, lines.to_bytes(4, "little"))
        return before
