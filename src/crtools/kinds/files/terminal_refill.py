"""A new pair of terminals made to be what another one was: settings, what nobody has read, states.

Nothing can be put into the buffer of an end but by the other end's writing, and what the master
writes is edited on the way (drivers/tty/n_tty.c). So the terminal is given settings in which every
byte can be had: a character of them quotes the next one (VLNEXT), one ends a read (VEOF), another
ends it and is read too (VEOL). Nobody tells when input has arrived, and it must have before other
settings make something else of it. So it is echoed, and the echo is waited for and flushed: read,
it would take the status of packet mode with it.
"""

from __future__ import annotations

import os
import time

from crtools.abi import ioctl
from crtools.errors import InternalError
from crtools.images.messages.tty import TermiosEntry
from crtools.kinds.files.terminal import (
    CHARACTERS,
    N_TTY,
    ask_number,
    poll_now,
    set_termios,
    tell,
)
from crtools.kinds.files.terminal_state import (
    BUFFER_BYTES,
    DOSTOP,
    EXTPROC,
    FLUSHREAD,
    FLUSHWRITE,
    ICANON,
    IOCTL,
    IXON,
    NEWLINE,
    NO_CHARACTER,
    NOSTOP,
    PIECE,
    START,
    VSTART,
    VSTOP,
    XOFF,
    XON,
    has_lines,
    has_usual_flow,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.terminal_state import State

# asm-generic/termbits.h
ECHO, ECHOCTL, IEXTEN, OPOST = 0x8, 0x200, 0x8000, 0x1
VERASE, VEOF, VMIN, VEOL, VLNEXT = 2, 4, 6, 11, 15
TCIFLUSH, TCOFLUSH = 0, 1
TCOOFF, TCOON = 0, 1
_POLLOUT = 0x4
_SECONDS = 10  # that what was put back may take to arrive
_BUFFER = BUFFER_BYTES - 1  # one byte of it is never used
_PORTION = 1024  # bytes: its echo has room


class Refilling:
    """Of one pair, whose ends we have as descriptors that do not wait. `wanted` are the slave's
    settings in the end; `packet` says whether it is in packet mode then."""

    def __init__(
        self, master: int, slave: int, wanted: TermiosEntry, state: State, *, packet: bool
    ) -> None:
        self.master = master
        self.slave = slave
        self.wanted = wanted
        self.state = state
        self.packet = packet
        lines = has_lines(wanted)
        # Flow control that is on, and has been told to be, must not be seen to change.
        self._flow = bool(
            state.status & NOSTOP
            or (state.status and has_usual_flow(wanted) and not state.status & DOSTOP)
        )
        self._lflag = ECHO | (ICANON | IEXTEN if lines else 0)
        self._lines = lines

    def run(self) -> None:
        state = self.state
        self._set()
        if state.status:
            self._have_status()
        column = state.line_column if self._lines and _has_partial_line(state) else 0
        self._move_column(0, column)
        self._put_input()
        self._move_column(column, state.column)
        self._put_output()
        set_termios(self.master, self.wanted)
        if state.stopped:
            self._stop()
        if state.suspended:
            tell(self.slave, ioctl.TCXONC, TCOOFF)
        if self.packet:
            tell(self.master, ioctl.TIOCPKT, (1).to_bytes(4, "little"))
        # For this there is no room: it stays where it is, and is edited when there is.
        _write_queue(self.master, state.beyond)
        if state.master_suspended:
            tell(self.master, ioctl.TCXONC, TCOOFF)

    def _set(
        self, *, oflag: int = 0, lflag: int = 0, characters: dict[int, int] | None = None
    ) -> None:
        """Settings without any editing but of what is asked for."""
        chosen = {VMIN: 1, VSTART: XON, VSTOP: XOFF, **(characters or {})}
        set_termios(
            self.master,
            TermiosEntry(
                c_iflag=IXON if self._flow else 0,
                c_oflag=oflag,
                c_cflag=self.wanted.c_cflag,
                c_lflag=self._lflag | lflag,
                c_line=N_TTY,
                c_ispeed=self.wanted.c_ispeed,
                c_ospeed=self.wanted.c_ospeed,
                c_cc=[chosen.get(index, NO_CHARACTER) for index in range(CHARACTERS)],
            ),
        )

    def _have_status(self) -> None:
        """Has happen again what the master has not been told of yet, before there is any input:
        some of it flushes that. Where packet mode begins, nothing is to be told."""
        status = self.state.status
        tell(self.master, ioctl.TIOCPKT, (1).to_bytes(4, "little"))
        if status & IOCTL:
            self._set(lflag=EXTPROC)
            self._set()
        if status & NOSTOP:
            self._flow = False
            self._set()
        if status & FLUSHREAD:
            tell(self.slave, ioctl.TCFLSH, TCIFLUSH)
        if status & FLUSHWRITE:
            tell(self.slave, ioctl.TCFLSH, TCOFLUSH)
        if status & START:
            tell(self.slave, ioctl.TCXONC, TCOOFF)
            tell(self.slave, ioctl.TCXONC, TCOON)

    def _stop(self) -> None:
        """Stops output by a character."""
        stop = self.wanted.c_cc[VSTOP]
        if not self.state.status:
            # Any will do: what stopped it may be another one by now.
            characters = list(self.wanted.c_cc[:CHARACTERS])
            characters[VSTART], characters[VSTOP] = XON, XOFF
            stop = XOFF
            set_termios(
                self.master,
                TermiosEntry(
                    c_iflag=self.wanted.c_iflag | IXON,
                    c_oflag=self.wanted.c_oflag,
                    c_cflag=self.wanted.c_cflag,
                    c_lflag=self.wanted.c_lflag,
                    c_line=N_TTY,
                    c_ispeed=self.wanted.c_ispeed,
                    c_ospeed=self.wanted.c_ospeed,
                    c_cc=characters,
                ),
            )
        _write_all(self.master, bytes((stop,)))
        end = time.monotonic() + _SECONDS
        while poll_now(self.slave) & _POLLOUT:
            if time.monotonic() > end:
                raise InternalError("A new terminal does not stop")
            os.sched_yield()
        if not self.state.status:
            set_termios(self.master, self.wanted)

    # --- Input ---

    def _put_input(self) -> None:
        content = self.state.input
        if not self._lines:
            for at in range(0, len(content), _PORTION):
                part = content[at : at + _PORTION]
                self._type(part, len(part))
            return
        quote = 0
        for eol, typed, echoed in encode_lines(content, self.state.ends, self.state.no_ends):
            quote, end_of_file, erase = _characters_beside(eol)
            characters = {VLNEXT: quote, VEOF: end_of_file, VERASE: erase, VEOL: eol}
            self._set(characters=characters)
            self._type(typed, echoed)
        if self.state.quoting:
            quote = _characters_beside(NO_CHARACTER)[0]
            # It is echoed as "^" and a step back then.
            self._set(lflag=ECHOCTL, characters={VLNEXT: quote})
            self._type(bytes((quote,)), 2)

    def _type(self, typed: bytes, echoed: int) -> None:
        _write_all(self.master, typed)
        self._flush_echo(echoed)

    def _flush_echo(self, length: int) -> None:
        """Waits until the master could read so many bytes, and takes them away."""
        self._wait_until_readable(length)
        if length:
            tell(self.master, ioctl.TCFLSH, TCIFLUSH)

    def _wait_until_readable(self, length: int) -> None:
        """By the master."""
        end = time.monotonic() + _SECONDS
        while (arrived := ask_number(self.master, ioctl.FIONREAD)) < length:
            if time.monotonic() > end:
                raise InternalError(f"{length - arrived} bytes of a terminal's do not arrive")
            os.sched_yield()

    # --- Output ---

    def _put_output(self) -> None:
        """What the buffer has room for goes first and by itself: the queue before it is measured
        in pieces of memory, and one of which a byte is left would count as a whole."""
        output = self.state.output
        # Small pieces stay counted when they are empty.
        for at in range(0, min(len(output), _BUFFER), PIECE):
            _write_all(self.slave, output[at : min(at + PIECE, _BUFFER)])
        if len(output) > _BUFFER:
            self._wait_until_readable(_BUFFER)
            _write_queue(self.slave, output[_BUFFER:])

    def _move_column(self, is_now: int, wanted: int) -> None:
        """Output counts columns, for tabs and for what erases them."""
        if is_now == wanted:
            return
        self._set(oflag=OPOST)
        step = b" " if wanted > is_now else b"\b"
        left = abs(wanted - is_now)
        while left:
            length = min(left, _PORTION)
            _write_all(self.slave, step * length)
            self._flush_echo(length)
            left -= length
        self._set()


def encode_lines(
    content: bytes, ends: list[int], no_ends: list[int]
) -> list[tuple[int, bytes, int]]:
    """What is to be typed so that lines of input come to be `content`, in portions: the character
    that is to be VEOL meanwhile, what is typed, how many bytes of it are echoed.

    `ends` and `no_ends` are as in State. Where nothing but an end of file would be last in a
    portion, something is typed after it and erased again: that is not echoed.
    """
    portions: list[tuple[int, bytes, int]] = []
    typed, echoed, eol, count, silent = bytearray(), 0, NO_CHARACTER, 0, False
    special, literal = set(ends), set(no_ends)

    def finish() -> None:
        nonlocal typed, echoed, eol, count, silent
        if silent:
            erase = _characters_beside(eol)[2]
            typed += bytes((ord("x"), erase))
            echoed += 2
        if typed:
            portions.append((eol, bytes(typed), echoed))
        typed, echoed, eol, count, silent = bytearray(), 0, NO_CHARACTER, 0, False

    for at, byte in enumerate(content):
        own = byte if at in special and byte != NO_CHARACTER else NO_CHARACTER
        # One that ends lines would be quoted where it does not: it is needed before it comes.
        if count >= _PORTION or (own and eol not in (own, NO_CHARACTER)):
            finish()
        if own and eol == NO_CHARACTER:
            if typed:
                finish()
            eol = own
        quote, end_of_file, erase = _characters_beside(eol)
        count += 1
        silent = False
        if at in special:
            silent = byte == NO_CHARACTER
            typed.append(end_of_file if silent else byte)
        elif byte == NEWLINE and at not in literal:
            typed.append(byte)
        else:
            if byte in (quote, end_of_file, erase, eol, NEWLINE, XON, XOFF):
                typed.append(quote)
            typed.append(byte)
        echoed += not silent
    finish()
    return portions


def _characters_beside(eol: int) -> tuple[int, int, int]:
    """Those that quote, end a file and erase: any but that one."""
    quote, end_of_file, erase = [one for one in (1, 2, 3, 4) if one != eol][:3]
    return quote, end_of_file, erase


def _has_partial_line(state: State) -> bool:
    if not state.input:
        return False
    last = len(state.input) - 1
    if state.input[last] == NEWLINE:
        return last in state.no_ends
    return last not in state.ends


def _write_queue(fd: int, content: bytes) -> None:
    """Into the queue before a full buffer.

    It is made of pieces of memory, each of them for some 256 bytes, PIECE at most, and with as much
    room again (tty_buffer.c, tty_buffer_alloc: for a flag with each byte, which nothing here has).
    There is one more as long as all are not more than a limit: what has found room once does again
    if the last one is the largest there is, and no other but the first has room left. Where a write
    finds no memory, it fills what room is left, so no room may be left then: the first is the one
    that is not full. State.problem allows for that.
    """
    odd = len(content) % (2 * PIECE)
    half = (odd + 1) // 2
    for first, end, step in ((0, odd, half), (odd, len(content), PIECE)):
        for at in range(first, end, step or 1):
            _write_all(fd, content[at : min(at + step, end)])


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
