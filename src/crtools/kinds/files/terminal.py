"""What a pair of terminals has beside its open files: settings, and bytes that nobody has read.

Settings are asked of the master, for whom the kernel answers with the slave's
(drivers/tty/tty_io.c, tty_pair_get_tty). Each end has a buffer of what came from the other one
(drivers/tty/n_tty.c). Reading it would take it from the program, and what has been typed of a line
that is not complete is told to nobody: so it is read from the kernel's memory
(docs/decisions/0014-reading-the-kernel.md), and so is whether all that was written has arrived.
"""

from __future__ import annotations

import os
import select
import struct
import time

from crtools.abi import ioctl, kernel
from crtools.abi.x86_64 import SYS_ioctl
from crtools.errors import ImageError, InternalError
from crtools.images.messages.tty import TermiosEntry, WinsizeEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.tracee.kernel_memory import KernelMemory

# asm-generic/termbits.h
ICANON, ECHO, EXTPROC = 0x2, 0x8, 0x10000
VMIN = 6
N_TTY = 0  # linux/tty.h: the line discipline that everybody has
BUFFER_BYTES = 4096  # N_TTY_BUF_SIZE
PATIENCE = 0.5  # seconds that what was written may take to arrive
_SECONDS = 10  # and what was put back

# struct termios2: four words of flags, the line discipline, 19 characters, two speeds. struct
# termios ends before the speeds.
_TERMIOS2 = struct.Struct("<4IB19s2I")
_TERMIOS = struct.Struct("<4IB19s")
_WINSIZE = struct.Struct("<4H")
_CHARACTERS = 19  # NCCS
_WORD = (1 << 64) - 1
_MASK = BUFFER_BYTES - 1


def ask(fd: int, request: int, length: int = 4) -> bytearray:
    """What a request fills in. Raises OSError."""
    answer = bytearray(length)
    kernel.checked(SYS_ioctl, fd, request, kernel.address_of(answer))
    return answer


def ask_number(fd: int, request: int) -> int:
    """The same of a 32-bit number."""
    return int.from_bytes(ask(fd, request), "little")


def tell(fd: int, request: int, argument: bytes | bytearray | int = 0) -> None:
    """A request with a number or with the address of `argument`. Raises OSError."""
    if isinstance(argument, int):
        kernel.checked(SYS_ioctl, fd, request, argument)
    else:
        held = bytearray(argument)
        kernel.checked(SYS_ioctl, fd, request, kernel.address_of(held))


# --- Settings ---


def read_termios(fd: int) -> TermiosEntry:
    return _entry(*_TERMIOS2.unpack(ask(fd, ioctl.TCGETS2, _TERMIOS2.size)))


def read_locked(fd: int) -> TermiosEntry:
    """Which settings nobody may change (TIOCGLCKTRMIOS): bits are set where they are locked."""
    locked = ask(fd, ioctl.TIOCGLCKTRMIOS, _TERMIOS.size)
    iflag, oflag, cflag, lflag, line, characters = _TERMIOS.unpack(locked)
    return _entry(iflag, oflag, cflag, lflag, line, characters, 0, 0)


def _entry(
    iflag: int, oflag: int, cflag: int, lflag: int, line: int, cc: bytes, ispeed: int, ospeed: int
) -> TermiosEntry:
    return TermiosEntry(
        c_iflag=iflag,
        c_oflag=oflag,
        c_cflag=cflag,
        c_lflag=lflag,
        c_line=line,
        c_ispeed=ispeed,
        c_ospeed=ospeed,
        c_cc=list(cc),
    )


def read_winsize(fd: int) -> WinsizeEntry:
    rows, columns, width, height = _WINSIZE.unpack(ask(fd, ioctl.TIOCGWINSZ, _WINSIZE.size))
    return WinsizeEntry(ws_row=rows, ws_col=columns, ws_xpixel=width, ws_ypixel=height)


def check_settings(id: int, termios: TermiosEntry | None, winsize: WinsizeEntry | None) -> None:
    """Raises ImageError for what no terminal can have. `id` is the entry's."""
    if termios is not None and (
        termios.c_line != N_TTY
        or len(termios.c_cc) < _CHARACTERS
        or max(termios.c_cc, default=0) > 0xFF
    ):
        raise ImageError(f"Terminal {id} in tty-info.img has impossible settings (termios)")
    if winsize is not None:
        size = (winsize.ws_row, winsize.ws_col, winsize.ws_xpixel, winsize.ws_ypixel)
        if max(size) > 0xFFFF:
            raise ImageError(f"Terminal {id} in tty-info.img has an impossible size, {size}")


def set_termios(fd: int, entry: TermiosEntry) -> None:
    # The kernel takes the speeds from here where c_cflag says BOTHER, else from c_cflag.
    characters = bytes(entry.c_cc[:_CHARACTERS])
    flags = (entry.c_iflag, entry.c_oflag, entry.c_cflag, entry.c_lflag, entry.c_line)
    tell(fd, ioctl.TCSETS2, _TERMIOS2.pack(*flags, characters, entry.c_ispeed, entry.c_ospeed))


def set_locked(fd: int, entry: TermiosEntry) -> None:
    flags = (entry.c_iflag, entry.c_oflag, entry.c_cflag, entry.c_lflag)
    characters = bytes(entry.c_cc[:_CHARACTERS])
    if any(flags) or any(characters):
        tell(fd, ioctl.TIOCSLCKTRMIOS, _TERMIOS.pack(*flags, entry.c_line, characters))


def set_winsize(fd: int, entry: WinsizeEntry) -> None:
    size = (entry.ws_row, entry.ws_col, entry.ws_xpixel, entry.ws_ypixel)
    tell(fd, ioctl.TIOCSWINSZ, _WINSIZE.pack(*size))


# --- What nobody has read ---


class Unread:
    """What waits at the two ends of a pair; `problem` says why it cannot be carried, if so.

    `input` is what the master's side wrote and the slave has not read, `output` the other way.
    """

    __slots__ = ("input", "output", "problem")

    def __init__(self, problem: str, input: bytes = b"", output: bytes = b"") -> None:
        self.problem = problem
        self.input = input
        self.output = output


def read_unread(memory: KernelMemory, master: int, lflag: int) -> Unread:
    """Of the pair whose master we have as descriptor `master`; `lflag` is the slave's c_lflag.

    Raises MissingFeature or PermissionDenied where the kernel's memory cannot be read.
    """
    private = memory.private_data(master)
    tty = memory.pointer(private, "tty_file_private", "tty")
    slave = memory.pointer(tty, "tty_struct", "link")
    end = time.monotonic() + PATIENCE
    while _is_on_its_way(memory, tty) or _is_on_its_way(memory, slave):
        if time.monotonic() > end:
            return Unread("more is unread than its buffer has room for")
        os.sched_yield()
    for one in (tty, slave):
        data = memory.pointer(one, "tty_struct", "disc_data")
        if memory.pointer(data, "n_tty_data", "echo_head") != memory.pointer(
            data, "n_tty_data", "echo_tail"
        ):
            return Unread("there are characters to echo, for which there is no room")
    output = _content(memory, tty)
    discipline = memory.pointer(slave, "tty_struct", "disc_data")
    at, bit = memory.types.bit("n_tty_data", "lnext")
    if memory.word(discipline + at) >> bit & 1:
        return Unread("the character that quotes the next one (^V) was typed last")
    content = _content(memory, slave)
    if content and lflag & EXTPROC:
        return Unread("its input is unread, and was edited elsewhere (EXTPROC)")
    if lflag & ICANON and not _ends_are_newlines(memory, discipline, content):
        return Unread("its unread input has an end that is no newline, such as ^D")
    return Unread("", content, output)


def _is_on_its_way(memory: KernelMemory, tty: int) -> bool:
    """Whether the queue before the buffer (drivers/tty/tty_buffer.c) has something in it."""
    port = memory.pointer(tty, "tty_struct", "port")
    queue = memory.at(port, "tty_port", "buf")
    head = memory.pointer(queue, "tty_bufhead", "head")
    return head != memory.pointer(queue, "tty_bufhead", "tail") or memory.unsigned(
        head, "tty_buffer", "read"
    ) != memory.unsigned(head, "tty_buffer", "commit")


def _content(memory: KernelMemory, tty: int) -> bytes:
    data = memory.pointer(tty, "tty_struct", "disc_data")
    first, length = _extent(memory, data)
    if not length:
        return b""
    buffer = memory.at(data, "n_tty_data", "read_buf")
    whole = b"".join(
        [memory.word(buffer + at).to_bytes(8, "little") for at in range(0, BUFFER_BYTES, 8)]
    )
    return (whole + whole)[first : first + length]


def _extent(memory: KernelMemory, data: int) -> tuple[int, int]:
    """Where unread bytes begin in the ring, and how many they are."""
    tail = memory.pointer(data, "n_tty_data", "read_tail")
    length = (memory.pointer(data, "n_tty_data", "read_head") - tail) & _WORD
    if length > BUFFER_BYTES:
        raise InternalError(f"A terminal's buffer cannot hold {length} unread bytes")
    return tail & _MASK, length


def _ends_are_newlines(memory: KernelMemory, data: int, content: bytes) -> bool:
    if not content:
        return True
    first, _ = _extent(memory, data)
    flags = memory.at(data, "n_tty_data", "read_flags")
    for index, byte in enumerate(content):
        at = (first + index) & _MASK
        end = memory.word(flags + at // 64 * 8) >> at % 64 & 1
        if end != (byte == 0x0A):
            return False
    return True


def put_unread(master: int, slave: int, termios: TermiosEntry, input: bytes, output: bytes) -> None:
    """Puts bytes back to where they were unread, and leaves the terminal without any processing of
    characters, but in the mode, lines or not, of `termios`. Neither end may be in packet mode.

    Input arrives by itself, some time later, and must have arrived before other settings make
    something else of it. Nobody tells when; so it is echoed, and the echo waited for.
    """
    plain = TermiosEntry(
        c_iflag=0,
        c_oflag=0,
        c_cflag=termios.c_cflag,
        # A change of ICANON would make one line of all that is unread.
        c_lflag=termios.c_lflag & (ICANON | EXTPROC) | ECHO,
        c_line=N_TTY,
        c_ispeed=termios.c_ispeed,
        c_ospeed=termios.c_ospeed,
        c_cc=[int(index == VMIN and not termios.c_lflag & ICANON) for index in range(_CHARACTERS)],
    )
    set_termios(master, plain)
    _write_all(master, input)
    left = len(input)
    while left:
        poll = select.poll()
        poll.register(master, select.POLLIN)
        if not poll.poll(_SECONDS * 1000):
            raise InternalError(f"{left} bytes of a terminal's input do not arrive")
        left -= len(os.read(master, left))
    _write_all(slave, output)


def _write_all(fd: int, content: bytes) -> None:
    """What fits into the buffer is taken at once, but in portions (tty_io.c, iterate_tty_write)."""
    end = time.monotonic() + _SECONDS
    while content:
        try:
            content = content[os.write(fd, content) :]
        except BlockingIOError:
            if time.monotonic() > end:
                raise InternalError("A new terminal does not take what is written") from None
            os.sched_yield()


def poll_now(fd: int) -> int:
    """The events that poll(2) tells of a terminal at once."""
    poll = select.poll()
    poll.register(fd, select.POLLIN | select.POLLPRI | select.POLLOUT)
    return next((events for _, events in poll.poll(0)), 0)
