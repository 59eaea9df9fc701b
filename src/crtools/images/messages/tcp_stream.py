"""Generated from proto/tcp-stream.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_bool_1 = field(1, "bool")
_bool_2 = field(2, "bool")
_bool_10 = field(10, "bool")
_bool_11 = field(11, "bool")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_12 = field(12, "uint32")
_uint32_13 = field(13, "uint32")
_uint32_14 = field(14, "uint32")
_uint32_15 = field(15, "uint32")
_uint32_16 = field(16, "uint32")
_uint32_17 = field(17, "uint32")


class TcpOptsEntry(Message):
    """The message tcp_opts_entry."""

    __slots__ = (
        "cork",
        "nodelay",
        "keepcnt",
        "keepidle",
        "keepintvl",
    )

    NAME = "tcp_opts_entry"
    FIELDS = (
        (1, "cork", "optional", "bool", None, None, None),
        (2, "nodelay", "optional", "bool", None, None, None),
        (3, "keepcnt", "optional", "uint32", None, None, None),
        (4, "keepidle", "optional", "uint32", None, None, None),
        (5, "keepintvl", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        cork: bool | None = None,
        nodelay: bool | None = None,
        keepcnt: int | None = None,
        keepidle: int | None = None,
        keepintvl: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.cork = cork
        self.nodelay = nodelay
        self.keepcnt = keepcnt
        self.keepidle = keepidle
        self.keepintvl = keepintvl
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b"" if self.cork is None else _bool_1[self.cork],
                    b"" if self.nodelay is None else _bool_2[self.nodelay],
                    b"" if self.keepcnt is None else _uint32_3[self.keepcnt],
                    b"" if self.keepidle is None else _uint32_4[self.keepidle],
                    b"" if self.keepintvl is None else _uint32_5[self.keepintvl],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        cork: Any = None
        nodelay: Any = None
        keepcnt: Any = None
        keepidle: Any = None
        keepintvl: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                cork = buf[at + 1]
                at += 2
                if cork > 1:
                    cork, at = read_bool(buf, at, cork)
                else:
                    cork = cork == 1
                tag = buf[at] if at < stop else 0
            if tag == 16:
                nodelay = buf[at + 1]
                at += 2
                if nodelay > 1:
                    nodelay, at = read_bool(buf, at, nodelay)
                else:
                    nodelay = nodelay == 1
                tag = buf[at] if at < stop else 0
            if tag == 24:
                keepcnt = buf[at + 1]
                at += 2
                if keepcnt > 127:
                    keepcnt, at = read_varint32(buf, at, keepcnt)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                keepidle = buf[at + 1]
                at += 2
                if keepidle > 127:
                    keepidle, at = read_varint32(buf, at, keepidle)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                keepintvl = buf[at + 1]
                at += 2
                if keepintvl > 127:
                    keepintvl, at = read_varint32(buf, at, keepintvl)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.cork = cork
        new.nodelay = nodelay
        new.keepcnt = keepcnt
        new.keepidle = keepidle
        new.keepintvl = keepintvl
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new


class TcpStreamEntry(Message):
    """The message tcp_stream_entry."""

    __slots__ = (
        "inq_len",
        "inq_seq",
        "outq_len",
        "outq_seq",
        "opt_mask",
        "snd_wscale",
        "mss_clamp",
        "rcv_wscale",
        "timestamp",
        "cork",
        "nodelay",
        "unsq_len",
        "snd_wl1",
        "snd_wnd",
        "max_window",
        "rcv_wnd",
        "rcv_wup",
    )

    NAME = "tcp_stream_entry"
    FIELDS = (
        (1, "inq_len", "required", "uint32", None, None, None),
        (2, "inq_seq", "required", "uint32", None, None, None),
        (3, "outq_len", "required", "uint32", None, None, None),
        (4, "outq_seq", "required", "uint32", None, None, None),
        (5, "opt_mask", "required", "uint32", None, None, "hex"),
        (6, "snd_wscale", "required", "uint32", None, None, None),
        (7, "mss_clamp", "required", "uint32", None, None, None),
        (8, "rcv_wscale", "optional", "uint32", None, None, None),
        (9, "timestamp", "optional", "uint32", None, None, None),
        (10, "cork", "optional", "bool", None, None, None),
        (11, "nodelay", "optional", "bool", None, None, None),
        (12, "unsq_len", "optional", "uint32", None, None, None),
        (13, "snd_wl1", "optional", "uint32", None, None, None),
        (14, "snd_wnd", "optional", "uint32", None, None, None),
        (15, "max_window", "optional", "uint32", None, None, None),
        (16, "rcv_wnd", "optional", "uint32", None, None, None),
        (17, "rcv_wup", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        inq_len: int,
        inq_seq: int,
        outq_len: int,
        outq_seq: int,
        opt_mask: int,
        snd_wscale: int,
        mss_clamp: int,
        rcv_wscale: int | None = None,
        timestamp: int | None = None,
        cork: bool | None = None,
        nodelay: bool | None = None,
        unsq_len: int | None = None,
        snd_wl1: int | None = None,
        snd_wnd: int | None = None,
        max_window: int | None = None,
        rcv_wnd: int | None = None,
        rcv_wup: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.inq_len = inq_len
        self.inq_seq = inq_seq
        self.outq_len = outq_len
        self.outq_seq = outq_seq
        self.opt_mask = opt_mask
        self.snd_wscale = snd_wscale
        self.mss_clamp = mss_clamp
        self.rcv_wscale = rcv_wscale
        self.timestamp = timestamp
        self.cork = cork
        self.nodelay = nodelay
        self.unsq_len = unsq_len
        self.snd_wl1 = snd_wl1
        self.snd_wnd = snd_wnd
        self.max_window = max_window
        self.rcv_wnd = rcv_wnd
        self.rcv_wup = rcv_wup
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.inq_len],
                    _uint32_2[self.inq_seq],
                    _uint32_3[self.outq_len],
                    _uint32_4[self.outq_seq],
                    _uint32_5[self.opt_mask],
                    _uint32_6[self.snd_wscale],
                    _uint32_7[self.mss_clamp],
                    b"" if self.rcv_wscale is None else _uint32_8[self.rcv_wscale],
                    b"" if self.timestamp is None else _uint32_9[self.timestamp],
                    b"" if self.cork is None else _bool_10[self.cork],
                    b"" if self.nodelay is None else _bool_11[self.nodelay],
                    b"" if self.unsq_len is None else _uint32_12[self.unsq_len],
                    b"" if self.snd_wl1 is None else _uint32_13[self.snd_wl1],
                    b"" if self.snd_wnd is None else _uint32_14[self.snd_wnd],
                    b"" if self.max_window is None else _uint32_15[self.max_window],
                    b"" if self.rcv_wnd is None else _uint32_16[self.rcv_wnd],
                    b"" if self.rcv_wup is None else _uint32_17[self.rcv_wup],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        inq_len: Any = None
        inq_seq: Any = None
        outq_len: Any = None
        outq_seq: Any = None
        opt_mask: Any = None
        snd_wscale: Any = None
        mss_clamp: Any = None
        rcv_wscale: Any = None
        timestamp: Any = None
        cork: Any = None
        nodelay: Any = None
        unsq_len: Any = None
        snd_wl1: Any = None
        snd_wnd: Any = None
        max_window: Any = None
        rcv_wnd: Any = None
        rcv_wup: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                inq_len = buf[at + 1]
                at += 2
                if inq_len > 127:
                    inq_len, at = read_varint32(buf, at, inq_len)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                inq_seq = buf[at + 1]
                at += 2
                if inq_seq > 127:
                    inq_seq, at = read_varint32(buf, at, inq_seq)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                outq_len = buf[at + 1]
                at += 2
                if outq_len > 127:
                    outq_len, at = read_varint32(buf, at, outq_len)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                outq_seq = buf[at + 1]
                at += 2
                if outq_seq > 127:
                    outq_seq, at = read_varint32(buf, at, outq_seq)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                opt_mask = buf[at + 1]
                at += 2
                if opt_mask > 127:
                    opt_mask, at = read_varint32(buf, at, opt_mask)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                snd_wscale = buf[at + 1]
                at += 2
                if snd_wscale > 127:
                    snd_wscale, at = read_varint32(buf, at, snd_wscale)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                mss_clamp = buf[at + 1]
                at += 2
                if mss_clamp > 127:
                    mss_clamp, at = read_varint32(buf, at, mss_clamp)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                rcv_wscale = buf[at + 1]
                at += 2
                if rcv_wscale > 127:
                    rcv_wscale, at = read_varint32(buf, at, rcv_wscale)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                timestamp = buf[at + 1]
                at += 2
                if timestamp > 127:
                    timestamp, at = read_varint32(buf, at, timestamp)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                cork = buf[at + 1]
                at += 2
                if cork > 1:
                    cork, at = read_bool(buf, at, cork)
                else:
                    cork = cork == 1
                tag = buf[at] if at < stop else 0
            if tag == 88:
                nodelay = buf[at + 1]
                at += 2
                if nodelay > 1:
                    nodelay, at = read_bool(buf, at, nodelay)
                else:
                    nodelay = nodelay == 1
                tag = buf[at] if at < stop else 0
            if tag == 96:
                unsq_len = buf[at + 1]
                at += 2
                if unsq_len > 127:
                    unsq_len, at = read_varint32(buf, at, unsq_len)
                tag = buf[at] if at < stop else 0
            if tag == 104:
                snd_wl1 = buf[at + 1]
                at += 2
                if snd_wl1 > 127:
                    snd_wl1, at = read_varint32(buf, at, snd_wl1)
                tag = buf[at] if at < stop else 0
            if tag == 112:
                snd_wnd = buf[at + 1]
                at += 2
                if snd_wnd > 127:
                    snd_wnd, at = read_varint32(buf, at, snd_wnd)
                tag = buf[at] if at < stop else 0
            if tag == 120:
                max_window = buf[at + 1]
                at += 2
                if max_window > 127:
                    max_window, at = read_varint32(buf, at, max_window)
                tag = buf[at] if at < stop else 0
            if tag == 128 and buf[at + 1] == 1:
                rcv_wnd = buf[at + 2]
                at += 3
                if rcv_wnd > 127:
                    rcv_wnd, at = read_varint32(buf, at, rcv_wnd)
                tag = buf[at] if at < stop else 0
            if tag == 136 and buf[at + 1] == 1:
                rcv_wup = buf[at + 2]
                at += 3
                if rcv_wup > 127:
                    rcv_wup, at = read_varint32(buf, at, rcv_wup)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.inq_len = inq_len
        new.inq_seq = inq_seq
        new.outq_len = outq_len
        new.outq_seq = outq_seq
        new.opt_mask = opt_mask
        new.snd_wscale = snd_wscale
        new.mss_clamp = mss_clamp
        new.rcv_wscale = rcv_wscale
        new.timestamp = timestamp
        new.cork = cork
        new.nodelay = nodelay
        new.unsq_len = unsq_len
        new.snd_wl1 = snd_wl1
        new.snd_wnd = snd_wnd
        new.max_window = max_window
        new.rcv_wnd = rcv_wnd
        new.rcv_wup = rcv_wup
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            inq_len is None
            or inq_seq is None
            or outq_len is None
            or outq_seq is None
            or opt_mask is None
            or snd_wscale is None
            or mss_clamp is None
        ):
            require(new, begin)
        return new
