"""Terminals: what is typed to have unread input again, and images that lie."""

from __future__ import annotations

import itertools
import os
import pty
import random
from typing import Any

import pytest

from crtools.errors import CrtoolsError, ImageError, UnsupportedObject
from crtools.images.messages.crtools_kinds import CrtoolsTtyEntry
from crtools.images.messages.fdinfo import FdinfoEntry, FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.regfile import RegFileEntry
from crtools.images.messages.tty import (
    TermiosEntry,
    TtyDataEntry,
    TtyFileEntry,
    TtyInfoEntry,
    TtyPtyEntry,
    TtyType,
    WinsizeEntry,
)
from crtools.kinds.files import terminal, tty_device
from crtools.kinds.files.plan import FilesPlan
from crtools.kinds.files.terminal_refill import _characters_beside, encode_lines
from crtools.kinds.files.terminal_state import (
    DOSTOP,
    EXTPROC,
    FLUSHREAD,
    ICANON,
    IXON,
    STOP,
    VSTART,
    VSTOP,
    State,
)
from crtools.model.options import Options

NOBODY = FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0)
NEWLINE = 0x0A


class Discipline:
    """What n_tty makes of what is typed, in a terminal with lines: drivers/tty/n_tty.c."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.ends: set[int] = set()
        self.echoed = 0

    def type(self, eol: int, typed: bytes) -> None:
        quote, end_of_file, erase = _characters_beside(eol)
        literal = False
        for byte in typed:
            if not literal and byte == quote:
                literal = True
                continue
            if literal or byte not in (NEWLINE, end_of_file, erase, eol or NEWLINE):
                self.content.append(byte)
                self.echoed += 1
            elif byte == end_of_file:
                self.ends.add(len(self.content))
                self.content.append(0)
            elif byte == erase:
                assert len(self.content) - 1 not in self.ends
                self.content.pop()
                self.echoed += 1
            else:
                self.ends.add(len(self.content))
                self.content.append(byte)
                self.echoed += 1
            literal = False
        assert not literal


def expect_typed(content: bytes, marked: set[int]) -> None:
    ends = sorted(at for at in marked if content[at] != NEWLINE)
    no_ends = [at for at, byte in enumerate(content) if byte == NEWLINE and at not in marked]
    terminal = Discipline()
    for eol, typed, echoed in encode_lines(content, ends, no_ends):
        before = terminal.echoed
        terminal.type(eol, typed)
        assert terminal.echoed - before == echoed > 0
        # By its echo all of it is known to have come: the last thing typed is echoed.
        assert typed[-1] != _characters_beside(eol)[1] or typed[-2] == _characters_beside(eol)[0]
    assert (bytes(terminal.content), terminal.ends) == (content, marked)


@pytest.mark.parametrize(
    ("content", "ends"),
    [
        (b"", set()),
        (b"one\ntwo\n", {3, 7}),
        (b"one\npart", {3}),
        (b"quoted\nnewline\n", {14}),
        (b"\0", {0}),
        (b"a\0\0\n", {1, 2, 3}),
        (b"a\0b\n", {3}),
        (b"one!two?three!\n", {3, 7, 13, 14}),
        (b"\1\2\3\4\5\x11\x13\n\1\2", {0, 3, 7}),
        (b"\1\1\2\2\3\3\4\4", {1, 3, 5, 7}),
    ],
)
def test_input_is_typed_so_that_its_lines_end_where_they_did(
    content: bytes, ends: set[int]
) -> None:
    expect_typed(content, ends)


def test_any_input_can_be_typed() -> None:
    chance = random.Random(4)
    for _ in range(300):
        length = chance.choice((3, 30, 3000))
        few = bytes((0, 1, 2, 3, 4, 10, 17, 19, 33, 97))
        content = bytes(chance.choice(few) for _ in range(length))
        expect_typed(content, {at for at in range(length) if chance.random() < 0.2})


# --- What cannot be put back ---


def settings(**changes: Any) -> TermiosEntry:
    characters = [0] * 19
    characters[VSTART], characters[VSTOP] = 0x11, 0x13
    fields = {"c_iflag": IXON, "c_oflag": 0, "c_cflag": 0xBF, "c_lflag": ICANON, "c_line": 0}
    speeds = {"c_ispeed": 38400, "c_ospeed": 38400, "c_cc": characters}
    return TermiosEntry(**{**fields, **speeds, **changes})


@pytest.mark.parametrize(
    ("state", "changes", "what"),
    [
        ({}, {}, ""),
        ({"status": STOP, "stopped": True}, {}, ""),
        ({"status": FLUSHREAD, "stopped": True}, {}, "still to be told"),
        ({"status": FLUSHREAD, "suspended": True}, {}, "still to be told"),
        ({"status": STOP, "stopped": True}, {"c_iflag": 0}, "does not stop it any more"),
        ({"status": FLUSHREAD}, {"c_lflag": EXTPROC}, "EXTPROC"),
        ({"status": FLUSHREAD, "input": b"a\x13"}, {"c_lflag": 0}, "would stop its output"),
        ({"status": DOSTOP, "input": b"a\x13"}, {"c_lflag": 0}, ""),
        ({"stopped": True, "quoting": True}, {}, r"\^V"),
        ({"stopped": True, "beyond": b"x"}, {}, "full of input"),
        ({"beyond": b"x\x13"}, {}, "stop or start output"),
        ({"overfull": True}, {}, "find room"),
        ({"input": b"x" * 4090 + b"\0", "ends": [4090]}, {}, "end of file"),
    ],
)
def test_states_that_no_order_of_steps_gives_are_told(
    state: dict[str, Any], changes: dict[str, Any], what: str
) -> None:
    one = State()
    for name, value in state.items():
        setattr(one, name, value)
    problem = one.problem(settings(**changes))
    assert (what == "") == (problem == "")
    assert what.replace("\\", "") in problem


# --- Images that lie ---


class Images:
    """A store with images of our own making."""

    def __init__(self, **images: list[Any]) -> None:
        self.images = images

    def has(self, key: str, id: int | None = None) -> bool:
        return key.replace("-", "_") in self.images

    def read(self, key: str, id: int | None = None) -> list[Any]:
        return self.images[key.replace("-", "_")]


def terminal_file(id: int, info: int, **changes: Any) -> FileEntry:
    fields = {"id": id, "tty_info_id": info, "flags": 2, "fown": NOBODY, **changes}
    return FileEntry(type=FdTypes.TTY, id=id, tty=TtyFileEntry(**fields))


def info(id: int, *, master: bool = False, index: int = 7, **changes: Any) -> TtyInfoEntry:
    fields = {"id": id, "type": TtyType.PTY, "locked": False, "exclusive": False, "sid": 0}
    more = {"packet_mode": False, "pgrp": 0, "rdev": 5 << 8 | 2 if master else 136 << 8 | index}
    pty = {"pty": TtyPtyEntry(index=index), "termios": settings()}
    return TtyInfoEntry(**{**fields, **more, **pty, **changes})


def own(id: int = 2, **changes: Any) -> CrtoolsTtyEntry:
    return CrtoolsTtyEntry(**{"id": id, "mode": 0o620, "closed": False, **changes})


PATH = FileEntry(
    type=FdTypes.REG,
    id=9,
    reg=RegFileEntry(id=9, flags=2, pos=0, fown=NOBODY, name="/etc/passwd"),
)
PAIR = [info(1, master=True), info(2)]
MASTER, SLAVE = terminal_file(1, 1), terminal_file(2, 2)
BOTH = [MASTER, SLAVE]


def images(files: list[FileEntry], infos: list[TtyInfoEntry], **more: list[Any]) -> Images:
    return Images(files=files, tty_info=infos, **more)


@pytest.mark.parametrize(
    ("store", "error", "what"),
    [
        (images(BOTH, [PAIR[0]]), ImageError, "there is no terminal 2"),
        (images(BOTH, [*PAIR, info(2)]), ImageError, "Terminal 2 is twice"),
        (images(BOTH, [*PAIR, info(3)]), ImageError, "Terminal /dev/pts/7 is twice"),
        (images([MASTER, terminal_file(3, 1)], PAIR), ImageError, "cannot be as the images say"),
        (images([terminal_file(1, 1, flags=0)], PAIR), ImageError, "cannot be as the images say"),
        (images(BOTH, [info(1, master=True), info(2, index=1 << 20)]), ImageError, "number"),
        (
            images(BOTH, [PAIR[0], info(2, termios=settings(c_line=3))]),
            ImageError,
            "impossible settings",
        ),
        (
            images(BOTH, [PAIR[0], info(2, termios=settings(c_cc=[1, 2]))]),
            ImageError,
            "impossible settings",
        ),
        (
            images(
                BOTH,
                [
                    PAIR[0],
                    info(
                        2,
                        winsize=WinsizeEntry(ws_row=1 << 16, ws_col=0, ws_xpixel=0, ws_ypixel=0),
                    ),
                ],
            ),
            ImageError,
            "impossible size",
        ),
        (
            images(BOTH, PAIR, tty_data=[TtyDataEntry(tty_id=2, data=bytes(4097))]),
            ImageError,
            "too much",
        ),
        (
            images(BOTH, PAIR, tty_data=[TtyDataEntry(tty_id=5, data=b"")]),
            ImageError,
            "no terminal 5",
        ),
        (images(BOTH, PAIR, crtools_tty=[own(id=5)]), ImageError, "no terminal 5"),
        (images(BOTH, PAIR, crtools_tty=[own(ends=[0])]), ImageError, "impossible ends"),
        (images(BOTH, PAIR, crtools_tty=[own(column=1 << 30)]), ImageError, "impossible state"),
        (images(BOTH, PAIR, crtools_tty=[own(status=256)]), ImageError, "impossible state"),
        (images(BOTH, PAIR, crtools_tty=[own(directory="pts")]), ImageError, "impossible state"),
        (
            images(BOTH, PAIR, crtools_tty=[own(beyond=bytes(1 << 20))]),
            ImageError,
            "impossible state",
        ),
        (
            images(BOTH, PAIR, crtools_tty=[own(stopped=True, quoting=True)]),
            ImageError,
            "a state that no dump leaves",
        ),
        (images([SLAVE], [PAIR[1]]), UnsupportedObject, "the terminal /dev/pts/7"),
        (
            images([SLAVE], [info(2, type=TtyType.VT, pty=None)]),
            ImageError,
            "a terminal, has no path",
        ),
    ],
)
def test_terminals_that_make_no_sense(store: Images, error: type[CrtoolsError], what: str) -> None:
    files = [entry.id for entry in store.images["files"]]
    table = [
        FdinfoEntry(id=id, flags=0, type=FdTypes.TTY, fd=fd)
        for fd, id in zip(itertools.count(), files, strict=False)
    ]
    with pytest.raises(error, match=what):
        FilesPlan(store, [(5, table)], Options())


def test_masters_are_not_opened_by_any_path() -> None:
    files = [terminal_file(1, 1, regf_id=9), SLAVE, PATH]
    table = [FdinfoEntry(id=id, flags=0, type=FdTypes.TTY, fd=id) for id in (1, 2)]
    plan = FilesPlan(images(files, PAIR), [(5, table)], Options())
    with pytest.raises(ImageError, match="impossible path"):
        plan.create_held(1, -1)


def test_modem_lines_of_ours_are_set_and_those_of_the_other_side_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine may have no serial line that is nobody's: a pseudoterminal's settings, and what a
    line's driver would be asked and told."""
    dtr, rts, cts, ring = 0x2, 0x4, 0x20, 0x80
    asked, told = 0x5415, 0x5418  # TIOCMGET, TIOCMSET: asm-generic/ioctls.h
    lines = [rts | cts]
    ask, tell = terminal.ask_number, terminal.tell

    def ask_line(fd: int, request: int) -> int:
        return lines[-1] if request == asked else ask(fd, request)

    def tell_line(fd: int, request: int, argument: Any = 0) -> None:
        if request == told:
            lines.append(int.from_bytes(argument, "little"))
        else:
            tell(fd, request, argument)

    monkeypatch.setattr(terminal, "ask_number", ask_line)
    monkeypatch.setattr(terminal, "tell", tell_line)
    master, slave = pty.openpty()
    try:
        before = tty_device.Settings(None, None, dtr | ring).apply(slave)
        assert lines[-1] == dtr | cts
        before.apply(slave)
        assert lines[-1] == rts | cts
        tty_device.Settings(None, None, None).apply(slave)
        assert len(lines) == 3  # nothing was told
    finally:
        os.close(master)
        os.close(slave)


def test_terminal_without_modem_lines_is_not_told_of_any() -> None:
    master, slave = pty.openpty()
    try:
        before = tty_device.Settings(None, None, 0x6).apply(slave)
        assert before.modem is None
    finally:
        os.close(master)
        os.close(slave)
