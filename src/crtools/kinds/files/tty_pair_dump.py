"""Pairs of terminals, dumped: what master and kernel tell of them, and slaves that were hung up."""

from __future__ import annotations

import os
from stat import S_IMODE

from crtools.abi import ioctl
from crtools.abi.fcntl import O_ACCMODE, O_RDWR
from crtools.errors import UnsupportedObject
from crtools.images.messages.crtools_kinds import CrtoolsTtyEntry
from crtools.images.messages.tty import (
    TtyDataEntry,
    TtyInfoEntry,
    TtyPtyEntry,
    TtyType,
)
from crtools.kinds.files import terminal
from crtools.kinds.files.tty import (
    DEVPTS,
    PTMX,
    encode,
    show,
)
from crtools.procfs.files import split_deleted

POLLHUP = 0x10

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import OpenFile
    from crtools.kinds.files.terminal_state import State
    from crtools.kinds.files.tty_dump import Terminal, TtyDumper


def collect_pair(dumper: TtyDumper, one: Terminal) -> None:
    from crtools.kinds.files.terminal_state import Unreadable, find_terminal, read_state

    file = one.masters[0]
    if not file.link.endswith(b"/ptmx") or file.flags & O_ACCMODE != O_RDWR:
        raise dumper.context.refuse(
            file,
            f"it is the terminal {show(file.link)}, opened in an unusual way",
            f"its flags are {file.flags:#o}",
        )
    exclusive = _is_exclusive(dumper, one)
    fd = dumper.context.borrow(file)
    try:
        closed = bool(terminal.poll_now(fd) & POLLHUP)
        termios, winsize = dumper.read_settings(one, fd)
        locked = terminal.read_locked(fd)
        lock = bool(terminal.ask_number(fd, ioctl.TIOCGPTLCK))
        packet = bool(terminal.ask_number(fd, ioctl.TIOCGPKT))
        exclusives = (bool(terminal.ask_number(fd, ioctl.TIOCGEXCL)), exclusive)
        sid, pgrp = dumper.session_of(one, fd)
        try:
            state = read_state(
                dumper.memory, find_terminal(dumper.memory, fd), termios, packet=packet
            )
        except Unreadable as error:
            raise _refuse_state(dumper, file, str(error)) from error
    finally:
        os.close(fd)
    problem = state.problem(termios)
    if not one.slaves and not closed and state.needs_slave:
        problem = "its slave was never opened, and has output or is stopped"
    if problem:
        raise _refuse_state(dumper, file, problem)
    directory, node = _find_node(dumper, one)
    for master in (True, False):
        dumper.infos.append(
            TtyInfoEntry(
                id=dumper.id_of(one, "master" if master else "slave"),
                type=TtyType.PTY,
                locked=lock,
                exclusive=exclusives[0 if master else 1],
                packet_mode=packet,
                sid=0 if master else sid,
                pgrp=0 if master else pgrp,
                rdev=encode(PTMX) if master else one.device,
                termios=termios,
                termios_locked=locked,
                winsize=winsize,
                pty=TtyPtyEntry(index=one.index),
                dev=encode(file.stat.st_dev if master else one.instance),
                uid=(file.stat if master else node).st_uid,
                gid=(file.stat if master else node).st_gid,
            )
        )
    _add_state(dumper, one, state, directory, S_IMODE(node.st_mode), closed)


def _refuse_state(dumper: TtyDumper, file: OpenFile, problem: str) -> UnsupportedObject:
    return dumper.context.refuse(
        file,
        f"its terminal's state cannot be put back: {problem}",
        "what comes from a terminal is edited on the way, and that cannot be repeated",
        "let the program read it before the dump",
    )


def _add_state(
    dumper: TtyDumper, one: Terminal, state: State, directory: str, mode: int, closed: bool
) -> None:
    own = CrtoolsTtyEntry(id=one.ids["slave"], mode=mode, closed=closed)
    own.master = one.ids["master"]
    if directory != DEVPTS:
        own.directory = directory
    own.ends, own.no_ends = state.ends, state.no_ends
    for field in (
        *("status", "beyond", "quoting", "stopped", "suspended", "master_suspended"),
        *("column", "line_column"),
    ):
        value = getattr(state, field)
        if value:
            setattr(own, field, value)
    dumper.own.append(own)
    for end, data in (("master", state.output), ("slave", state.input)):
        if data:
            dumper.data.append(TtyDataEntry(tty_id=one.ids[end], data=data))


def _find_node(dumper: TtyDumper, one: Terminal) -> tuple[str, os.stat_result]:
    """The directory where the slave is to be found, as the images name it, and its inode."""
    file = one.masters[0]
    above = os.path.dirname(os.fsdecode(file.link))
    # /dev/ptmx belongs to the file system that is mounted beside it (fs/devpts/inode.c,
    # devpts_acquire).
    for directory in (above, os.path.join(above, "pts")):
        try:
            path = f"{directory}/{one.index}".lstrip("/")
            node = os.stat(path, dir_fd=dumper.context.root_of(file), follow_symlinks=False)
        except OSError:
            continue
        if (node.st_dev, encode(node.st_rdev)) == (one.instance, one.device):
            return directory, node
    raise dumper.context.refuse(
        file,
        f"its slave {one.name} cannot be looked at",
        f"it is neither in {above} nor in {above}/pts",
    )


def _is_exclusive(dumper: TtyDumper, one: Terminal) -> bool:
    """Whether the slave may be opened once only (TIOCEXCL)."""
    if not one.slaves:
        return False
    fd = dumper.context.borrow(one.slaves[0])
    try:
        return bool(terminal.ask_number(fd, ioctl.TIOCGEXCL))
    finally:
        os.close(fd)


def collect_hung(dumper: TtyDumper, one: Terminal) -> None:
    """A slave that was hung up answers nothing any more (tty_io.c, hung_up_tty_fops)."""
    file = one.hung[0]
    name = os.fsdecode(split_deleted(file.link)[0])
    id = dumper.id_of(one, "hung")
    dumper.infos.append(
        TtyInfoEntry(
            id=id,
            type=TtyType.PTY,
            locked=False,
            exclusive=False,
            packet_mode=False,
            sid=0,
            pgrp=0,
            rdev=one.device,
            pty=TtyPtyEntry(index=one.index),
            dev=encode(one.instance),
            uid=file.stat.st_uid,
            gid=file.stat.st_gid,
        )
    )
    own = CrtoolsTtyEntry(id=id, mode=S_IMODE(file.stat.st_mode), closed=True, hung_up=True)
    if os.path.dirname(name) != DEVPTS:
        own.directory = os.path.dirname(name)
    dumper.own.append(own)
