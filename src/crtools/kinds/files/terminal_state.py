"""What no system call tells of a pair of terminals: what nobody has read, and what it waits for.

Each end has a buffer of what came from the other one (drivers/tty/n_tty.c), before which there is a
queue (drivers/tty/tty_buffer.c). Reading it would take it from the program, and what has been typed
of a line that is not complete is told to nobody: so it is read from the kernel's memory
(docs/decisions/0014-reading-the-kernel.md), with marks where lines end, whether output has been
stopped, and by whom, and the status that the master of a terminal in packet mode will be told.
"""

from __future__ import annotations

import os
import time

from crtools.errors import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.tty import TermiosEntry
    from crtools.tracee.kernel_memory import KernelMemory

# asm-generic/termbits.h
ICANON, EXTPROC, IXON = 0x2, 0x10000, 0x400
VSTART, VSTOP = 8, 9
# linux/tty.h, asm-generic/ioctls.h
FLUSHREAD, FLUSHWRITE, STOP, START, NOSTOP, DOSTOP, IOCTL = 1, 2, 4, 8, 16, 32, 64
BUFFER_BYTES = 4096  # N_TTY_BUF_SIZE
# A buffer has no room with so many bytes in it: one is kept free, and PARMRK counts in threes.
FULL = BUFFER_BYTES - 4
PATIENCE = 0.5  # seconds that what was written may take to arrive
NEWLINE, NO_CHARACTER = 0x0A, 0x00
XON, XOFF = 0x11, 0x13
PIECE = 1792  # tty_buffer.c, TTY_BUFFER_PAGE: the largest piece of memory of a queue
_WASTE = 512  # two of the smallest: those may be counted and not used
_QUEUE_BYTES = 1 << 16  # what no queue of a pseudoterminal has (drivers/tty/pty.c)
_BUFFERS = 1 << 10
_WORD = (1 << 64) - 1
_MASK = BUFFER_BYTES - 1


class State:
    """Of a pair.

    `input` is what the master's side wrote and the slave has not read, `beyond` what comes after
    it and has found no room; `output` is all of the other direction. `ends` are places in `input`
    after which a read ends though there is no newline, `no_ends` newlines where it does not: both
    only where there are lines. `status` are TIOCPKT_* bits. `stopped` says that a character
    stopped output, `suspended` that a request (TCOOFF) did, `master_suspended` the same of the
    master's. `column` is where output has come to, `line_column` where the echo of an incomplete
    line began. `overfull` says that there may be no room to put all back.
    """

    __slots__ = (
        "beyond",
        "overfull",
        "column",
        "ends",
        "input",
        "line_column",
        "master_suspended",
        "no_ends",
        "output",
        "quoting",
        "status",
        "stopped",
        "suspended",
    )

    def __init__(self) -> None:
        self.input = self.beyond = self.output = b""
        self.ends: list[int] = []
        self.no_ends: list[int] = []
        self.overfull = False
        self.quoting = self.stopped = self.suspended = self.master_suspended = False
        self.status = self.column = self.line_column = 0

    @property
    def needs_slave(self) -> bool:
        """Whether it takes a descriptor of the slave to have this again."""
        return bool(self.output or self.status or self.stopped or self.suspended or self.column)

    def problem(self, termios: TermiosEntry) -> str:
        """Why this cannot be put back into a terminal with these settings, "" if it can."""
        flow = has_usual_flow(termios)
        if self.status:
            if (self.stopped or self.suspended) and not self.status & STOP:
                return "it is stopped, and what else has happened is still to be told (TIOCPKT)"
            if self.stopped and not can_stop(termios):
                return "it is stopped by a character that does not stop it any more"
            if termios.c_lflag & EXTPROC and not self.status & IOCTL:
                return "it is edited elsewhere (EXTPROC), and has a status to be told (TIOCPKT)"
            if (
                flow
                and not self.status & DOSTOP
                and not has_lines(termios)
                and (XON in self.input or XOFF in self.input)
            ):
                return "characters that would stop its output are unread, and a status is"
        if self.overfull:
            return "more is unread than will surely find room again"
        if self.stopped and self.quoting:
            return "it is stopped, and the character that quotes the next one (^V) came last"
        if self.beyond:
            if self.stopped:
                return "it is stopped, and full of input"
            if termios.c_iflag & IXON and (
                termios.c_cc[VSTART] in self.beyond or termios.c_cc[VSTOP] in self.beyond
            ):
                return "it is full, and characters that stop or start output are among its input"
        if self.ends and self.ends[-1] == len(self.input) - 1 and len(self.input) >= FULL - 4:
            return "it is full of input that has an end of file (^D) last"
        return ""


def has_lines(termios: TermiosEntry) -> bool:
    """Whether input is put together to lines (n_tty_read: EXTPROC means that others do that)."""
    return termios.c_lflag & (ICANON | EXTPROC) == ICANON


def has_usual_flow(termios: TermiosEntry) -> bool:
    """What TIOCPKT_DOSTOP and _NOSTOP tell changes of (drivers/tty/pty.c, pty_set_termios)."""
    return bool(termios.c_iflag & IXON) and (
        (termios.c_cc[VSTART], termios.c_cc[VSTOP]) == (XON, XOFF)
    )


def can_stop(termios: TermiosEntry) -> bool:
    stop = termios.c_cc[VSTOP]
    return bool(termios.c_iflag & IXON) and stop not in (NO_CHARACTER, termios.c_cc[VSTART])


class Unreadable(Exception):
    """A state that cannot be read, or not be put back; the text says why."""


def find_terminal(memory: KernelMemory, fd: int) -> int:
    """The struct tty_struct behind a descriptor of ours."""
    return memory.pointer(memory.private_data(fd), "tty_file_private", "tty")


def find_instance(memory: KernelMemory, master: int) -> int:
    """The device of the devpts file system that a master is of (fs/devpts/inode.c), as the kernel
    has it."""
    instance = memory.pointer(master, "tty_struct", "driver_data")
    return memory.unsigned(memory.pointer(instance, "pts_fs_info", "sb"), "super_block", "s_dev")


def find_slave(memory: KernelMemory, master: int) -> int:
    return memory.pointer(master, "tty_struct", "link")


def read_state(memory: KernelMemory, master: int, termios: TermiosEntry, *, packet: bool) -> State:
    """Of the pair whose master's tty_struct is `master`; `termios` is the slave's.

    Raises Unreadable; MissingFeature or PermissionDenied where the kernel's memory cannot be read.
    """
    slave = find_slave(memory, master)
    end = time.monotonic() + PATIENCE
    for one in (master, slave):
        # What was written arrives in a moment, unless there is no room.
        while _has_room(memory, one) and _is_on_its_way(memory, one):
            if time.monotonic() > end:
                raise Unreadable("what was written to it does not arrive")
            os.sched_yield()
    for one in (master, slave):
        data = memory.pointer(one, "tty_struct", "disc_data")
        if memory.pointer(data, "n_tty_data", "echo_head") != memory.pointer(
            data, "n_tty_data", "echo_tail"
        ):
            raise Unreadable("there are characters to echo, for which there is no room")
    state = State()
    queue, state.beyond = _queue(memory, master), _queue(memory, slave)
    state.output, state.input = _content(memory, master) + queue, _content(memory, slave)
    state.overfull = any(
        len(content) > 2 * (_limit(memory, one) + PIECE - _WASTE)
        for one, content in ((master, queue), (slave, state.beyond))
    )
    data = memory.pointer(slave, "tty_struct", "disc_data")
    if has_lines(termios):
        _read_ends(memory, data, state)
        state.quoting = _bit(memory, data, "lnext")
    if _bit(memory, data, "erasing"):
        raise Unreadable("characters are just being erased (ECHOPRT)")
    state.column = memory.unsigned(data, "n_tty_data", "column")
    state.line_column = memory.unsigned(data, "n_tty_data", "canon_column")
    state.suspended = _byte(memory, slave, "flow.tco_stopped") != 0
    state.stopped = not state.suspended and _byte(memory, slave, "flow.stopped") != 0
    state.master_suspended = _byte(memory, master, "flow.stopped") != 0
    if packet:
        state.status = _byte(memory, slave, "ctrl.pktstatus")
    return state


def _byte(memory: KernelMemory, tty: int, member: str) -> int:
    return memory.word(memory.at(tty, "tty_struct", member)) & 0xFF


def _bit(memory: KernelMemory, data: int, member: str) -> bool:
    at, bit = memory.types.bit("n_tty_data", member)
    return bool(memory.word(data + at) >> bit & 1)


def _has_room(memory: KernelMemory, tty: int) -> bool:
    return _extent(memory, memory.pointer(tty, "tty_struct", "disc_data"))[1] < FULL


def _head(memory: KernelMemory, tty: int) -> tuple[int, int]:
    """The queue before the buffer: the first and the last struct tty_buffer."""
    port = memory.pointer(tty, "tty_struct", "port")
    queue = memory.at(port, "tty_port", "buf")
    return (
        memory.pointer(queue, "tty_bufhead", "head"),
        memory.pointer(queue, "tty_bufhead", "tail"),
    )


def _is_on_its_way(memory: KernelMemory, tty: int) -> bool:
    head, tail = _head(memory, tty)
    return head != tail or memory.unsigned(head, "tty_buffer", "read") != memory.unsigned(
        head, "tty_buffer", "commit"
    )


def _limit(memory: KernelMemory, tty: int) -> int:
    """Of a queue: how much memory it may have before it gets no more, in bytes. There is room for
    twice as many without flags."""
    port = memory.pointer(tty, "tty_struct", "port")
    return memory.unsigned(memory.at(port, "tty_port", "buf"), "tty_bufhead", "mem_limit")


def _queue(memory: KernelMemory, tty: int) -> bytes:
    content = b""
    one, _ = _head(memory, tty)
    for _ in range(_BUFFERS):
        first = memory.unsigned(one, "tty_buffer", "read")
        last = memory.unsigned(one, "tty_buffer", "commit")
        if not 0 <= last - first <= _QUEUE_BYTES:
            raise InternalError(f"A terminal's queue cannot hold {last - first} bytes")
        start = memory.at(one, "tty_buffer", "data")
        content += _bytes(memory, start + first, last - first)
        one = memory.pointer(one, "tty_buffer", "next")
        if not one:
            return content
    raise InternalError("A terminal's queue has no end")


def _content(memory: KernelMemory, tty: int) -> bytes:
    data = memory.pointer(tty, "tty_struct", "disc_data")
    first, length = _extent(memory, data)
    buffer = memory.at(data, "n_tty_data", "read_buf")
    # It is a ring.
    straight = min(length, BUFFER_BYTES - first)
    return _bytes(memory, buffer + first, straight) + _bytes(memory, buffer, length - straight)


def _bytes(memory: KernelMemory, address: int, length: int) -> bytes:
    # Whole words: it does not end with them.
    start = address & ~7
    return memory.block(start, address + length - start)[address - start :] if length else b""


def _extent(memory: KernelMemory, data: int) -> tuple[int, int]:
    """Where unread bytes begin in the ring, and how many they are."""
    tail = memory.pointer(data, "n_tty_data", "read_tail")
    length = (memory.pointer(data, "n_tty_data", "read_head") - tail) & _WORD
    if length > BUFFER_BYTES:
        raise InternalError(f"A terminal's buffer cannot hold {length} unread bytes")
    return tail & _MASK, length


def _read_ends(memory: KernelMemory, data: int, state: State) -> None:
    if not state.input:
        return
    first, _ = _extent(memory, data)
    flags = memory.at(data, "n_tty_data", "read_flags")
    marks = _bytes(memory, flags, BUFFER_BYTES // 8)
    for index, byte in enumerate(state.input):
        at = (first + index) & _MASK
        end = marks[at // 8] >> at % 8 & 1
        if end and byte != NEWLINE:
            state.ends.append(index)
        elif not end and byte == NEWLINE:
            state.no_ends.append(index)
