"""Generated from proto/tty.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_int32,
    read_run,
    read_varint32,
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar, Self

    from crtools.images.messages.fown import FownEntry

_bool_3 = field(3, "bool")
_bool_4 = field(4, "bool")
_bool_5 = field(5, "bool")
_enum_2 = field(2, "enum")
_length_2 = field(2, "length")
_length_4 = field(4, "length")
_length_9 = field(9, "length")
_length_10 = field(10, "length")
_length_11 = field(11, "length")
_length_12 = field(12, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_13 = field(13, "uint32")
_uint32_14 = field(14, "uint32")
_uint32_15 = field(15, "uint32")


class TtyType:
    """Values of the enum TtyType."""

    UNKNOWN = 0
    PTY = 1
    CONSOLE = 2
    VT = 3
    CTTY = 4
    EXT_TTY = 5
    SERIAL = 6

    NAMES: ClassVar[dict[int, str]] = {
        0: "UNKNOWN",
        1: "PTY",
        2: "CONSOLE",
        3: "VT",
        4: "CTTY",
        5: "EXT_TTY",
        6: "SERIAL",
    }


class WinsizeEntry(Message):
    """The message winsize_entry."""

    __slots__ = (
        "ws_row",
        "ws_col",
        "ws_xpixel",
        "ws_ypixel",
    )

    NAME = "winsize_entry"
    FIELDS = (
        (1, "ws_row", "required", "uint32", None, None, None),
        (2, "ws_col", "required", "uint32", None, None, None),
        (3, "ws_xpixel", "required", "uint32", None, None, None),
        (4, "ws_ypixel", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        ws_row: int,
        ws_col: int,
        ws_xpixel: int,
        ws_ypixel: int,
        unknown: bytes = b"",
    ) -> None:
        self.ws_row = ws_row
        self.ws_col = ws_col
        self.ws_xpixel = ws_xpixel
        self.ws_ypixel = ws_ypixel
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.ws_row],
                    _uint32_2[self.ws_col],
                    _uint32_3[self.ws_xpixel],
                    _uint32_4[self.ws_ypixel],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        ws_row: Any = None
        ws_col: Any = None
        ws_xpixel: Any = None
        ws_ypixel: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                ws_row = buf[at + 1]
                at += 2
                if ws_row > 127:
                    ws_row, at = read_varint32(buf, at, ws_row)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                ws_col = buf[at + 1]
                at += 2
                if ws_col > 127:
                    ws_col, at = read_varint32(buf, at, ws_col)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                ws_xpixel = buf[at + 1]
                at += 2
                if ws_xpixel > 127:
                    ws_xpixel, at = read_varint32(buf, at, ws_xpixel)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                ws_ypixel = buf[at + 1]
                at += 2
                if ws_ypixel > 127:
                    ws_ypixel, at = read_varint32(buf, at, ws_ypixel)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.ws_row = ws_row
        new.ws_col = ws_col
        new.ws_xpixel = ws_xpixel
        new.ws_ypixel = ws_ypixel
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if ws_row is None or ws_col is None or ws_xpixel is None or ws_ypixel is None:
            require(new, begin)
        return new


class TermiosEntry(Message):
    """The message termios_entry."""

    __slots__ = (
        "c_iflag",
        "c_oflag",
        "c_cflag",
        "c_lflag",
        "c_line",
        "c_ispeed",
        "c_ospeed",
        "c_cc",
    )

    NAME = "termios_entry"
    FIELDS = (
        (1, "c_iflag", "required", "uint32", None, None, None),
        (2, "c_oflag", "required", "uint32", None, None, None),
        (3, "c_cflag", "required", "uint32", None, None, None),
        (4, "c_lflag", "required", "uint32", None, None, None),
        (5, "c_line", "required", "uint32", None, None, None),
        (6, "c_ispeed", "required", "uint32", None, None, None),
        (7, "c_ospeed", "required", "uint32", None, None, None),
        (8, "c_cc", "repeated", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        c_iflag: int,
        c_oflag: int,
        c_cflag: int,
        c_lflag: int,
        c_line: int,
        c_ispeed: int,
        c_ospeed: int,
        c_cc: Sequence[int] = (),
        unknown: bytes = b"",
    ) -> None:
        self.c_iflag = c_iflag
        self.c_oflag = c_oflag
        self.c_cflag = c_cflag
        self.c_lflag = c_lflag
        self.c_line = c_line
        self.c_ispeed = c_ispeed
        self.c_ospeed = c_ospeed
        self.c_cc = c_cc
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.c_iflag],
                    _uint32_2[self.c_oflag],
                    _uint32_3[self.c_cflag],
                    _uint32_4[self.c_lflag],
                    _uint32_5[self.c_line],
                    _uint32_6[self.c_ispeed],
                    _uint32_7[self.c_ospeed],
                    *map(_uint32_8.__getitem__, self.c_cc),
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        c_iflag: Any = None
        c_oflag: Any = None
        c_cflag: Any = None
        c_lflag: Any = None
        c_line: Any = None
        c_ispeed: Any = None
        c_ospeed: Any = None
        c_cc: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                c_iflag = buf[at + 1]
                at += 2
                if c_iflag > 127:
                    c_iflag, at = read_varint32(buf, at, c_iflag)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                c_oflag = buf[at + 1]
                at += 2
                if c_oflag > 127:
                    c_oflag, at = read_varint32(buf, at, c_oflag)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                c_cflag = buf[at + 1]
                at += 2
                if c_cflag > 127:
                    c_cflag, at = read_varint32(buf, at, c_cflag)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                c_lflag = buf[at + 1]
                at += 2
                if c_lflag > 127:
                    c_lflag, at = read_varint32(buf, at, c_lflag)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                c_line = buf[at + 1]
                at += 2
                if c_line > 127:
                    c_line, at = read_varint32(buf, at, c_line)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                c_ispeed = buf[at + 1]
                at += 2
                if c_ispeed > 127:
                    c_ispeed, at = read_varint32(buf, at, c_ispeed)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                c_ospeed = buf[at + 1]
                at += 2
                if c_ospeed > 127:
                    c_ospeed, at = read_varint32(buf, at, c_ospeed)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                c_cc, at = read_run(buf, at, stop, b"\x40", "uint32")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.c_iflag = c_iflag
        new.c_oflag = c_oflag
        new.c_cflag = c_cflag
        new.c_lflag = c_lflag
        new.c_line = c_line
        new.c_ispeed = c_ispeed
        new.c_ospeed = c_ospeed
        new.c_cc = c_cc
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            c_iflag is None
            or c_oflag is None
            or c_cflag is None
            or c_lflag is None
            or c_line is None
            or c_ispeed is None
            or c_ospeed is None
        ):
            require(new, begin)
        return new


class TtyPtyEntry(Message):
    """The message tty_pty_entry."""

    __slots__ = (
        "index",
    )

    NAME = "tty_pty_entry"
    FIELDS = (
        (1, "index", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        index: int,
        unknown: bytes = b"",
    ) -> None:
        self.index = index
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.index],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        index: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                index = buf[at + 1]
                at += 2
                if index > 127:
                    index, at = read_varint32(buf, at, index)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.index = index
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if index is None:
            require(new, begin)
        return new


class TtyDataEntry(Message):
    """The message tty_data_entry."""

    __slots__ = (
        "tty_id",
        "data",
    )

    NAME = "tty_data_entry"
    FIELDS = (
        (1, "tty_id", "required", "uint32", None, None, None),
        (2, "data", "required", "bytes", None, None, None),
    )

    def __init__(
        self,
        *,
        tty_id: int,
        data: bytes,
        unknown: bytes = b"",
    ) -> None:
        self.tty_id = tty_id
        self.data = data
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.tty_id],
                    _length_2[len(b := self.data)] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        tty_id: Any = None
        data: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                tty_id = buf[at + 1]
                at += 2
                if tty_id > 127:
                    tty_id, at = read_varint32(buf, at, tty_id)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                data = buf[at - span : at]
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.tty_id = tty_id
        new.data = data
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if tty_id is None or data is None:
            require(new, begin)
        return new


class TtyInfoEntry(Message):
    """The message tty_info_entry."""

    __slots__ = (
        "id",
        "type",
        "locked",
        "exclusive",
        "packet_mode",
        "sid",
        "pgrp",
        "rdev",
        "termios",
        "termios_locked",
        "winsize",
        "pty",
        "dev",
        "uid",
        "gid",
    )

    NAME = "tty_info_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "type", "required", "enum", "tty:TtyType", None, None),
        (3, "locked", "required", "bool", None, None, None),
        (4, "exclusive", "required", "bool", None, None, None),
        (5, "packet_mode", "required", "bool", None, None, None),
        (6, "sid", "required", "uint32", None, None, None),
        (7, "pgrp", "required", "uint32", None, None, None),
        (8, "rdev", "required", "uint32", None, None, None),
        (9, "termios", "optional", "message", "tty:TermiosEntry", None, None),
        (10, "termios_locked", "optional", "message", "tty:TermiosEntry", None, None),
        (11, "winsize", "optional", "message", "tty:WinsizeEntry", None, None),
        (12, "pty", "optional", "message", "tty:TtyPtyEntry", None, None),
        (13, "dev", "optional", "uint32", None, None, None),
        (14, "uid", "optional", "uint32", None, None, None),
        (15, "gid", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        type: int,
        locked: bool,
        exclusive: bool,
        packet_mode: bool,
        sid: int,
        pgrp: int,
        rdev: int,
        termios: TermiosEntry | None = None,
        termios_locked: TermiosEntry | None = None,
        winsize: WinsizeEntry | None = None,
        pty: TtyPtyEntry | None = None,
        dev: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.type = type
        self.locked = locked
        self.exclusive = exclusive
        self.packet_mode = packet_mode
        self.sid = sid
        self.pgrp = pgrp
        self.rdev = rdev
        self.termios = termios
        self.termios_locked = termios_locked
        self.winsize = winsize
        self.pty = pty
        self.dev = dev
        self.uid = uid
        self.gid = gid
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _enum_2[self.type],
                    _bool_3[self.locked],
                    _bool_4[self.exclusive],
                    _bool_5[self.packet_mode],
                    _uint32_6[self.sid],
                    _uint32_7[self.pgrp],
                    _uint32_8[self.rdev],
                    b"" if self.termios is None else _length_9[len(b := self.termios.encode())] + b,
                    b""
                    if self.termios_locked is None
                    else _length_10[len(b := self.termios_locked.encode())] + b,
                    b"" if self.winsize is None else _length_11[len(b := self.winsize.encode())] + b,
                    b"" if self.pty is None else _length_12[len(b := self.pty.encode())] + b,
                    b"" if self.dev is None else _uint32_13[self.dev],
                    b"" if self.uid is None else _uint32_14[self.uid],
                    b"" if self.gid is None else _uint32_15[self.gid],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        type: Any = None
        locked: Any = None
        exclusive: Any = None
        packet_mode: Any = None
        sid: Any = None
        pgrp: Any = None
        rdev: Any = None
        termios: Any = None
        termios_locked: Any = None
        winsize: Any = None
        pty: Any = None
        dev: Any = None
        uid: Any = None
        gid: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                id = buf[at + 1]
                at += 2
                if id > 127:
                    id, at = read_varint32(buf, at, id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                type = buf[at + 1]
                at += 2
                if type > 127:
                    type, at = read_int32(buf, at, type)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                locked = buf[at + 1]
                at += 2
                if locked > 1:
                    locked, at = read_bool(buf, at, locked)
                else:
                    locked = locked == 1
                tag = buf[at] if at < stop else 0
            if tag == 32:
                exclusive = buf[at + 1]
                at += 2
                if exclusive > 1:
                    exclusive, at = read_bool(buf, at, exclusive)
                else:
                    exclusive = exclusive == 1
                tag = buf[at] if at < stop else 0
            if tag == 40:
                packet_mode = buf[at + 1]
                at += 2
                if packet_mode > 1:
                    packet_mode, at = read_bool(buf, at, packet_mode)
                else:
                    packet_mode = packet_mode == 1
                tag = buf[at] if at < stop else 0
            if tag == 48:
                sid = buf[at + 1]
                at += 2
                if sid > 127:
                    sid, at = read_varint32(buf, at, sid)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                pgrp = buf[at + 1]
                at += 2
                if pgrp > 127:
                    pgrp, at = read_varint32(buf, at, pgrp)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                rdev = buf[at + 1]
                at += 2
                if rdev > 127:
                    rdev, at = read_varint32(buf, at, rdev)
                tag = buf[at] if at < stop else 0
            if tag == 74:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                termios = TermiosEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 82:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                termios_locked = TermiosEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 90:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                winsize = WinsizeEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 98:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                pty = TtyPtyEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 104:
                dev = buf[at + 1]
                at += 2
                if dev > 127:
                    dev, at = read_varint32(buf, at, dev)
                tag = buf[at] if at < stop else 0
            if tag == 112:
                uid = buf[at + 1]
                at += 2
                if uid > 127:
                    uid, at = read_varint32(buf, at, uid)
                tag = buf[at] if at < stop else 0
            if tag == 120:
                gid = buf[at + 1]
                at += 2
                if gid > 127:
                    gid, at = read_varint32(buf, at, gid)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.type = type
        new.locked = locked
        new.exclusive = exclusive
        new.packet_mode = packet_mode
        new.sid = sid
        new.pgrp = pgrp
        new.rdev = rdev
        new.termios = termios
        new.termios_locked = termios_locked
        new.winsize = winsize
        new.pty = pty
        new.dev = dev
        new.uid = uid
        new.gid = gid
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            id is None
            or type is None
            or locked is None
            or exclusive is None
            or packet_mode is None
            or sid is None
            or pgrp is None
            or rdev is None
        ):
            require(new, begin)
        return new


class TtyFileEntry(Message):
    """The message tty_file_entry."""

    __slots__ = (
        "id",
        "tty_info_id",
        "flags",
        "fown",
        "regf_id",
    )

    NAME = "tty_file_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "tty_info_id", "required", "uint32", None, None, None),
        (3, "flags", "required", "uint32", None, None, "hex"),
        (4, "fown", "required", "message", "fown:FownEntry", None, None),
        (6, "regf_id", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        tty_info_id: int,
        flags: int,
        fown: FownEntry,
        regf_id: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.tty_info_id = tty_info_id
        self.flags = flags
        self.fown = fown
        self.regf_id = regf_id
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.tty_info_id],
                    _uint32_3[self.flags],
                    _length_4[len(b := self.fown.encode())] + b,
                    b"" if self.regf_id is None else _uint32_6[self.regf_id],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        tty_info_id: Any = None
        flags: Any = None
        fown: Any = None
        regf_id: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                id = buf[at + 1]
                at += 2
                if id > 127:
                    id, at = read_varint32(buf, at, id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                tty_info_id = buf[at + 1]
                at += 2
                if tty_info_id > 127:
                    tty_info_id, at = read_varint32(buf, at, tty_info_id)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 34:
                from crtools.images.messages.fown import FownEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                fown = recall(FownEntry, buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                regf_id = buf[at + 1]
                at += 2
                if regf_id > 127:
                    regf_id, at = read_varint32(buf, at, regf_id)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.tty_info_id = tty_info_id
        new.flags = flags
        new.fown = fown
        new.regf_id = regf_id
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or tty_info_id is None or flags is None or fown is None:
            require(new, begin)
        return new
