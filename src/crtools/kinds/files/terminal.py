"""What is asked of terminals and told to them: settings, window sizes, events.

Settings are asked of the master, for whom the kernel answers with the slave's
(drivers/tty/tty_io.c, tty_pair_get_tty).
"""

from __future__ import annotations

import select
import struct

from crtools.abi import ioctl, kernel
from crtools.abi.x86_64 import SYS_ioctl
from crtools.errors import ImageError
from crtools.images.messages.tty import TermiosEntry, WinsizeEntry

N_TTY = 0  # linux/tty.h: the line discipline that everybody has

# struct termios2: four words of flags, the line discipline, 19 characters, two speeds. struct
# termios ends before the speeds.
_TERMIOS2 = struct.Struct("<4IB19s2I")
_TERMIOS = struct.Struct("<4IB19s")
_WINSIZE = struct.Struct("<4H")
CHARACTERS = 19  # NCCS


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
        termios.c_line != N_TTY or len(termios.c_cc) < CHARACTERS or max(termios.c_cc) > 0xFFFFFFFF
    ):
        raise ImageError(f"Terminal {id} in tty-info.img has impossible settings (termios)")
    if winsize is not None:
        size = (winsize.ws_row, winsize.ws_col, winsize.ws_xpixel, winsize.ws_ypixel)
        if max(size) > 0xFFFF:
            raise ImageError(f"Terminal {id} in tty-info.img has an impossible size, {size}")


def _characters(entry: TermiosEntry) -> bytes:
    """The control characters. CRIU's images have four of them in a number, the lowest first, and
    after the last whatever lay behind it."""
    numbers = entry.c_cc[:CHARACTERS]
    if max(numbers) > 0xFF:
        return b"".join([number.to_bytes(4, "little") for number in numbers])[:CHARACTERS]
    return bytes(numbers)


def set_termios(fd: int, entry: TermiosEntry) -> None:
    # The kernel takes the speeds from here where c_cflag says BOTHER, else from c_cflag.
    characters = _characters(entry)
    flags = (entry.c_iflag, entry.c_oflag, entry.c_cflag, entry.c_lflag, entry.c_line)
    tell(fd, ioctl.TCSETS2, _TERMIOS2.pack(*flags, characters, entry.c_ispeed, entry.c_ospeed))


def set_locked(fd: int, entry: TermiosEntry) -> None:
    flags = (entry.c_iflag, entry.c_oflag, entry.c_cflag, entry.c_lflag)
    characters = _characters(entry)
    if any(flags) or any(characters):
        tell(fd, ioctl.TIOCSLCKTRMIOS, _TERMIOS.pack(*flags, entry.c_line, characters))


def set_winsize(fd: int, entry: WinsizeEntry) -> None:
    size = (entry.ws_row, entry.ws_col, entry.ws_xpixel, entry.ws_ypixel)
    tell(fd, ioctl.TIOCSWINSZ, _WINSIZE.pack(*size))


def poll_now(fd: int) -> int:
    """The events that poll(2) tells of a terminal at once."""
    poll = select.poll()
    poll.register(fd, select.POLLIN | select.POLLPRI | select.POLLOUT)
    return next((events for _, events in poll.poll(0)), 0)
