"""Generated from proto/sk-opts.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_run,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar, Self

_bool_7 = field(7, "bool")
_bool_11 = field(11, "bool")
_bool_12 = field(12, "bool")
_bool_13 = field(13, "bool")
_bool_14 = field(14, "bool")
_bool_17 = field(17, "bool")
_bool_18 = field(18, "bool")
_bool_19 = field(19, "bool")
_fixed64_16 = field(16, "fixed64")
_length_15 = field(15, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_10 = field(10, "uint32")
_uint32_20 = field(20, "uint32")
_uint32_21 = field(21, "uint32")
_uint32_22 = field(22, "uint32")
_uint32_23 = field(23, "uint32")
_uint32_24 = field(24, "uint32")
_uint32_25 = field(25, "uint32")
_uint64_3 = field(3, "uint64")
_uint64_4 = field(4, "uint64")
_uint64_5 = field(5, "uint64")
_uint64_6 = field(6, "uint64")


class SkShutdown:
    """Values of the enum sk_shutdown."""

    NONE = 0
    READ = 1
    WRITE = 2
    BOTH = 3

    NAMES: ClassVar[dict[int, str]] = {
        0: "NONE",
        1: "READ",
        2: "WRITE",
        3: "BOTH",
    }


class SkOptsEntry(Message):
    """getsockopt(2) at level SOL_SOCKET, and keepalive of TCP."""

    __slots__ = (
        "so_sndbuf",
        "so_rcvbuf",
        "so_snd_tmo_sec",
        "so_snd_tmo_usec",
        "so_rcv_tmo_sec",
        "so_rcv_tmo_usec",
        "reuseaddr",
        "so_priority",
        "so_rcvlowat",
        "so_mark",
        "so_passcred",
        "so_passsec",
        "so_dontroute",
        "so_no_check",
        "so_bound_dev",
        "so_filter",
        "so_reuseport",
        "so_broadcast",
        "so_keepalive",
        "tcp_keepcnt",
        "tcp_keepidle",
        "tcp_keepintvl",
        "so_oobinline",
        "so_linger",
        "so_buf_lock",
    )

    NAME = "sk_opts_entry"
    FIELDS = (
        (1, "so_sndbuf", "required", "uint32", None, None, None),
        (2, "so_rcvbuf", "required", "uint32", None, None, None),
        (3, "so_snd_tmo_sec", "required", "uint64", None, None, None),
        (4, "so_snd_tmo_usec", "required", "uint64", None, None, None),
        (5, "so_rcv_tmo_sec", "required", "uint64", None, None, None),
        (6, "so_rcv_tmo_usec", "required", "uint64", None, None, None),
        (7, "reuseaddr", "optional", "bool", None, None, None),
        (8, "so_priority", "optional", "uint32", None, None, None),
        (9, "so_rcvlowat", "optional", "uint32", None, None, None),
        (10, "so_mark", "optional", "uint32", None, None, None),
        (11, "so_passcred", "optional", "bool", None, None, None),
        (12, "so_passsec", "optional", "bool", None, None, None),
        (13, "so_dontroute", "optional", "bool", None, None, None),
        (14, "so_no_check", "optional", "bool", None, None, None),
        (15, "so_bound_dev", "optional", "string", None, None, None),
        (16, "so_filter", "repeated", "fixed64", None, None, None),
        (17, "so_reuseport", "optional", "bool", None, None, None),
        (18, "so_broadcast", "optional", "bool", None, None, None),
        (19, "so_keepalive", "optional", "bool", None, None, None),
        (20, "tcp_keepcnt", "optional", "uint32", None, None, None),
        (21, "tcp_keepidle", "optional", "uint32", None, None, None),
        (22, "tcp_keepintvl", "optional", "uint32", None, None, None),
        (23, "so_oobinline", "optional", "uint32", None, None, None),
        (24, "so_linger", "optional", "uint32", None, None, None),
        (25, "so_buf_lock", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        so_sndbuf: int,
        so_rcvbuf: int,
        so_snd_tmo_sec: int,
        so_snd_tmo_usec: int,
        so_rcv_tmo_sec: int,
        so_rcv_tmo_usec: int,
        reuseaddr: bool | None = None,
        so_priority: int | None = None,
        so_rcvlowat: int | None = None,
        so_mark: int | None = None,
        so_passcred: bool | None = None,
        so_passsec: bool | None = None,
        so_dontroute: bool | None = None,
        so_no_check: bool | None = None,
        so_bound_dev: str | None = None,
        so_filter: Sequence[int] = (),
        so_reuseport: bool | None = None,
        so_broadcast: bool | None = None,
        so_keepalive: bool | None = None,
        tcp_keepcnt: int | None = None,
        tcp_keepidle: int | None = None,
        tcp_keepintvl: int | None = None,
        so_oobinline: int | None = None,
        so_linger: int | None = None,
        so_buf_lock: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.so_sndbuf = so_sndbuf
        self.so_rcvbuf = so_rcvbuf
        self.so_snd_tmo_sec = so_snd_tmo_sec
        self.so_snd_tmo_usec = so_snd_tmo_usec
        self.so_rcv_tmo_sec = so_rcv_tmo_sec
        self.so_rcv_tmo_usec = so_rcv_tmo_usec
        self.reuseaddr = reuseaddr
        self.so_priority = so_priority
        self.so_rcvlowat = so_rcvlowat
        self.so_mark = so_mark
        self.so_passcred = so_passcred
        self.so_passsec = so_passsec
        self.so_dontroute = so_dontroute
        self.so_no_check = so_no_check
        self.so_bound_dev = so_bound_dev
        self.so_filter = so_filter
        self.so_reuseport = so_reuseport
        self.so_broadcast = so_broadcast
        self.so_keepalive = so_keepalive
        self.tcp_keepcnt = tcp_keepcnt
        self.tcp_keepidle = tcp_keepidle
        self.tcp_keepintvl = tcp_keepintvl
        self.so_oobinline = so_oobinline
        self.so_linger = so_linger
        self.so_buf_lock = so_buf_lock
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.so_sndbuf],
                    _uint32_2[self.so_rcvbuf],
                    _uint64_3[self.so_snd_tmo_sec],
                    _uint64_4[self.so_snd_tmo_usec],
                    _uint64_5[self.so_rcv_tmo_sec],
                    _uint64_6[self.so_rcv_tmo_usec],
                    b"" if self.reuseaddr is None else _bool_7[self.reuseaddr],
                    b"" if self.so_priority is None else _uint32_8[self.so_priority],
                    b"" if self.so_rcvlowat is None else _uint32_9[self.so_rcvlowat],
                    b"" if self.so_mark is None else _uint32_10[self.so_mark],
                    b"" if self.so_passcred is None else _bool_11[self.so_passcred],
                    b"" if self.so_passsec is None else _bool_12[self.so_passsec],
                    b"" if self.so_dontroute is None else _bool_13[self.so_dontroute],
                    b"" if self.so_no_check is None else _bool_14[self.so_no_check],
                    b""
                    if self.so_bound_dev is None
                    else _length_15[len(b := self.so_bound_dev.encode("utf-8", "surrogateescape"))] + b,
                    *map(_fixed64_16.__getitem__, self.so_filter),
                    b"" if self.so_reuseport is None else _bool_17[self.so_reuseport],
                    b"" if self.so_broadcast is None else _bool_18[self.so_broadcast],
                    b"" if self.so_keepalive is None else _bool_19[self.so_keepalive],
                    b"" if self.tcp_keepcnt is None else _uint32_20[self.tcp_keepcnt],
                    b"" if self.tcp_keepidle is None else _uint32_21[self.tcp_keepidle],
                    b"" if self.tcp_keepintvl is None else _uint32_22[self.tcp_keepintvl],
                    b"" if self.so_oobinline is None else _uint32_23[self.so_oobinline],
                    b"" if self.so_linger is None else _uint32_24[self.so_linger],
                    b"" if self.so_buf_lock is None else _uint32_25[self.so_buf_lock],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        so_sndbuf: Any = None
        so_rcvbuf: Any = None
        so_snd_tmo_sec: Any = None
        so_snd_tmo_usec: Any = None
        so_rcv_tmo_sec: Any = None
        so_rcv_tmo_usec: Any = None
        reuseaddr: Any = None
        so_priority: Any = None
        so_rcvlowat: Any = None
        so_mark: Any = None
        so_passcred: Any = None
        so_passsec: Any = None
        so_dontroute: Any = None
        so_no_check: Any = None
        so_bound_dev: Any = None
        so_filter: Any = ()
        so_reuseport: Any = None
        so_broadcast: Any = None
        so_keepalive: Any = None
        tcp_keepcnt: Any = None
        tcp_keepidle: Any = None
        tcp_keepintvl: Any = None
        so_oobinline: Any = None
        so_linger: Any = None
        so_buf_lock: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                so_sndbuf = buf[at + 1]
                at += 2
                if so_sndbuf > 127:
                    so_sndbuf, at = read_varint32(buf, at, so_sndbuf)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                so_rcvbuf = buf[at + 1]
                at += 2
                if so_rcvbuf > 127:
                    so_rcvbuf, at = read_varint32(buf, at, so_rcvbuf)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                so_snd_tmo_sec = buf[at + 1]
                at += 2
                if so_snd_tmo_sec > 127:
                    so_snd_tmo_sec, at = read_varint64(buf, at, so_snd_tmo_sec)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                so_snd_tmo_usec = buf[at + 1]
                at += 2
                if so_snd_tmo_usec > 127:
                    so_snd_tmo_usec, at = read_varint64(buf, at, so_snd_tmo_usec)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                so_rcv_tmo_sec = buf[at + 1]
                at += 2
                if so_rcv_tmo_sec > 127:
                    so_rcv_tmo_sec, at = read_varint64(buf, at, so_rcv_tmo_sec)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                so_rcv_tmo_usec = buf[at + 1]
                at += 2
                if so_rcv_tmo_usec > 127:
                    so_rcv_tmo_usec, at = read_varint64(buf, at, so_rcv_tmo_usec)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                reuseaddr = buf[at + 1]
                at += 2
                if reuseaddr > 1:
                    reuseaddr, at = read_bool(buf, at, reuseaddr)
                else:
                    reuseaddr = reuseaddr == 1
                tag = buf[at] if at < stop else 0
            if tag == 64:
                so_priority = buf[at + 1]
                at += 2
                if so_priority > 127:
                    so_priority, at = read_varint32(buf, at, so_priority)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                so_rcvlowat = buf[at + 1]
                at += 2
                if so_rcvlowat > 127:
                    so_rcvlowat, at = read_varint32(buf, at, so_rcvlowat)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                so_mark = buf[at + 1]
                at += 2
                if so_mark > 127:
                    so_mark, at = read_varint32(buf, at, so_mark)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                so_passcred = buf[at + 1]
                at += 2
                if so_passcred > 1:
                    so_passcred, at = read_bool(buf, at, so_passcred)
                else:
                    so_passcred = so_passcred == 1
                tag = buf[at] if at < stop else 0
            if tag == 96:
                so_passsec = buf[at + 1]
                at += 2
                if so_passsec > 1:
                    so_passsec, at = read_bool(buf, at, so_passsec)
                else:
                    so_passsec = so_passsec == 1
                tag = buf[at] if at < stop else 0
            if tag == 104:
                so_dontroute = buf[at + 1]
                at += 2
                if so_dontroute > 1:
                    so_dontroute, at = read_bool(buf, at, so_dontroute)
                else:
                    so_dontroute = so_dontroute == 1
                tag = buf[at] if at < stop else 0
            if tag == 112:
                so_no_check = buf[at + 1]
                at += 2
                if so_no_check > 1:
                    so_no_check, at = read_bool(buf, at, so_no_check)
                else:
                    so_no_check = so_no_check == 1
                tag = buf[at] if at < stop else 0
            if tag == 122:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                so_bound_dev = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 129 and buf[at + 1] == 1:
                so_filter, at = read_run(buf, at, stop, b"\x81\x01", "fixed64")
                tag = buf[at] if at < stop else 0
            if tag == 136 and buf[at + 1] == 1:
                so_reuseport = buf[at + 2]
                at += 3
                if so_reuseport > 1:
                    so_reuseport, at = read_bool(buf, at, so_reuseport)
                else:
                    so_reuseport = so_reuseport == 1
                tag = buf[at] if at < stop else 0
            if tag == 144 and buf[at + 1] == 1:
                so_broadcast = buf[at + 2]
                at += 3
                if so_broadcast > 1:
                    so_broadcast, at = read_bool(buf, at, so_broadcast)
                else:
                    so_broadcast = so_broadcast == 1
                tag = buf[at] if at < stop else 0
            if tag == 152 and buf[at + 1] == 1:
                so_keepalive = buf[at + 2]
                at += 3
                if so_keepalive > 1:
                    so_keepalive, at = read_bool(buf, at, so_keepalive)
                else:
                    so_keepalive = so_keepalive == 1
                tag = buf[at] if at < stop else 0
            if tag == 160 and buf[at + 1] == 1:
                tcp_keepcnt = buf[at + 2]
                at += 3
                if tcp_keepcnt > 127:
                    tcp_keepcnt, at = read_varint32(buf, at, tcp_keepcnt)
                tag = buf[at] if at < stop else 0
            if tag == 168 and buf[at + 1] == 1:
                tcp_keepidle = buf[at + 2]
                at += 3
                if tcp_keepidle > 127:
                    tcp_keepidle, at = read_varint32(buf, at, tcp_keepidle)
                tag = buf[at] if at < stop else 0
            if tag == 176 and buf[at + 1] == 1:
                tcp_keepintvl = buf[at + 2]
                at += 3
                if tcp_keepintvl > 127:
                    tcp_keepintvl, at = read_varint32(buf, at, tcp_keepintvl)
                tag = buf[at] if at < stop else 0
            if tag == 184 and buf[at + 1] == 1:
                so_oobinline = buf[at + 2]
                at += 3
                if so_oobinline > 127:
                    so_oobinline, at = read_varint32(buf, at, so_oobinline)
                tag = buf[at] if at < stop else 0
            if tag == 192 and buf[at + 1] == 1:
                so_linger = buf[at + 2]
                at += 3
                if so_linger > 127:
                    so_linger, at = read_varint32(buf, at, so_linger)
                tag = buf[at] if at < stop else 0
            if tag == 200 and buf[at + 1] == 1:
                so_buf_lock = buf[at + 2]
                at += 3
                if so_buf_lock > 127:
                    so_buf_lock, at = read_varint32(buf, at, so_buf_lock)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.so_sndbuf = so_sndbuf
        new.so_rcvbuf = so_rcvbuf
        new.so_snd_tmo_sec = so_snd_tmo_sec
        new.so_snd_tmo_usec = so_snd_tmo_usec
        new.so_rcv_tmo_sec = so_rcv_tmo_sec
        new.so_rcv_tmo_usec = so_rcv_tmo_usec
        new.reuseaddr = reuseaddr
        new.so_priority = so_priority
        new.so_rcvlowat = so_rcvlowat
        new.so_mark = so_mark
        new.so_passcred = so_passcred
        new.so_passsec = so_passsec
        new.so_dontroute = so_dontroute
        new.so_no_check = so_no_check
        new.so_bound_dev = so_bound_dev
        new.so_filter = so_filter
        new.so_reuseport = so_reuseport
        new.so_broadcast = so_broadcast
        new.so_keepalive = so_keepalive
        new.tcp_keepcnt = tcp_keepcnt
        new.tcp_keepidle = tcp_keepidle
        new.tcp_keepintvl = tcp_keepintvl
        new.so_oobinline = so_oobinline
        new.so_linger = so_linger
        new.so_buf_lock = so_buf_lock
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            so_sndbuf is None
            or so_rcvbuf is None
            or so_snd_tmo_sec is None
            or so_snd_tmo_usec is None
            or so_rcv_tmo_sec is None
            or so_rcv_tmo_usec is None
        ):
            require(new, begin)
        return new
