"""Generated from proto/sk-inet.proto by tools/generate_messages.py: do not edit."""

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
    from typing import Any, Self

    from crtools.images.messages.fown import FownEntry
    from crtools.images.messages.sk_opts import SkOptsEntry
    from crtools.images.messages.tcp_stream import TcpOptsEntry

_bool_1 = field(1, "bool")
_bool_2 = field(2, "bool")
_bool_3 = field(3, "bool")
_bool_5 = field(5, "bool")
_bool_15 = field(15, "bool")
_enum_19 = field(19, "enum")
_length_4 = field(4, "length")
_length_13 = field(13, "length")
_length_14 = field(14, "length")
_length_16 = field(16, "length")
_length_17 = field(17, "length")
_length_20 = field(20, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_10 = field(10, "uint32")
_uint32_11 = field(11, "uint32")
_uint32_12 = field(12, "uint32")
_uint32_18 = field(18, "uint32")


class IpOptsRawEntry(Message):
    """The message ip_opts_raw_entry."""

    __slots__ = (
        "hdrincl",
        "nodefrag",
        "checksum",
        "icmpv_filter",
    )

    NAME = "ip_opts_raw_entry"
    FIELDS = (
        (1, "hdrincl", "optional", "bool", None, None, None),
        (2, "nodefrag", "optional", "bool", None, None, None),
        (3, "checksum", "optional", "bool", None, None, None),
        (4, "icmpv_filter", "repeated", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        hdrincl: bool | None = None,
        nodefrag: bool | None = None,
        checksum: bool | None = None,
        icmpv_filter: Sequence[int] = (),
        unknown: bytes = b"",
    ) -> None:
        self.hdrincl = hdrincl
        self.nodefrag = nodefrag
        self.checksum = checksum
        self.icmpv_filter = icmpv_filter
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b"" if self.hdrincl is None else _bool_1[self.hdrincl],
                    b"" if self.nodefrag is None else _bool_2[self.nodefrag],
                    b"" if self.checksum is None else _bool_3[self.checksum],
                    *map(_uint32_4.__getitem__, self.icmpv_filter),
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        hdrincl: Any = None
        nodefrag: Any = None
        checksum: Any = None
        icmpv_filter: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                hdrincl = buf[at + 1]
                at += 2
                if hdrincl > 1:
                    hdrincl, at = read_bool(buf, at, hdrincl)
                else:
                    hdrincl = hdrincl == 1
                tag = buf[at] if at < stop else 0
            if tag == 16:
                nodefrag = buf[at + 1]
                at += 2
                if nodefrag > 1:
                    nodefrag, at = read_bool(buf, at, nodefrag)
                else:
                    nodefrag = nodefrag == 1
                tag = buf[at] if at < stop else 0
            if tag == 24:
                checksum = buf[at + 1]
                at += 2
                if checksum > 1:
                    checksum, at = read_bool(buf, at, checksum)
                else:
                    checksum = checksum == 1
                tag = buf[at] if at < stop else 0
            if tag == 32:
                icmpv_filter, at = read_run(buf, at, stop, b"\x20", "uint32")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.hdrincl = hdrincl
        new.nodefrag = nodefrag
        new.checksum = checksum
        new.icmpv_filter = icmpv_filter
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new


class IpOptsEntry(Message):
    """The message ip_opts_entry."""

    __slots__ = (
        "freebind",
        "raw",
        "pktinfo",
        "tos",
        "ttl",
    )

    NAME = "ip_opts_entry"
    FIELDS = (
        (1, "freebind", "optional", "bool", None, None, None),
        (4, "raw", "optional", "message", "sk_inet:IpOptsRawEntry", None, None),
        (5, "pktinfo", "optional", "bool", None, None, None),
        (6, "tos", "optional", "uint32", None, None, None),
        (7, "ttl", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        freebind: bool | None = None,
        raw: IpOptsRawEntry | None = None,
        pktinfo: bool | None = None,
        tos: int | None = None,
        ttl: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.freebind = freebind
        self.raw = raw
        self.pktinfo = pktinfo
        self.tos = tos
        self.ttl = ttl
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b"" if self.freebind is None else _bool_1[self.freebind],
                    b"" if self.raw is None else _length_4[len(b := self.raw.encode())] + b,
                    b"" if self.pktinfo is None else _bool_5[self.pktinfo],
                    b"" if self.tos is None else _uint32_6[self.tos],
                    b"" if self.ttl is None else _uint32_7[self.ttl],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        freebind: Any = None
        raw: Any = None
        pktinfo: Any = None
        tos: Any = None
        ttl: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                freebind = buf[at + 1]
                at += 2
                if freebind > 1:
                    freebind, at = read_bool(buf, at, freebind)
                else:
                    freebind = freebind == 1
                tag = buf[at] if at < stop else 0
            if tag == 34:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                raw = IpOptsRawEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                pktinfo = buf[at + 1]
                at += 2
                if pktinfo > 1:
                    pktinfo, at = read_bool(buf, at, pktinfo)
                else:
                    pktinfo = pktinfo == 1
                tag = buf[at] if at < stop else 0
            if tag == 48:
                tos = buf[at + 1]
                at += 2
                if tos > 127:
                    tos, at = read_varint32(buf, at, tos)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                ttl = buf[at + 1]
                at += 2
                if ttl > 127:
                    ttl, at = read_varint32(buf, at, ttl)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.freebind = freebind
        new.raw = raw
        new.pktinfo = pktinfo
        new.tos = tos
        new.ttl = ttl
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new


class InetSkEntry(Message):
    """The message inet_sk_entry."""

    __slots__ = (
        "id",
        "ino",
        "family",
        "type",
        "proto",
        "state",
        "src_port",
        "dst_port",
        "flags",
        "backlog",
        "src_addr",
        "dst_addr",
        "fown",
        "opts",
        "v6only",
        "ip_opts",
        "ifname",
        "ns_id",
        "shutdown",
        "tcp_opts",
    )

    NAME = "inet_sk_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "ino", "required", "uint32", None, None, None),
        (3, "family", "required", "uint32", None, None, "socket.family"),
        (4, "type", "required", "uint32", None, None, "socket.type"),
        (5, "proto", "required", "uint32", None, None, "socket.proto"),
        (6, "state", "required", "uint32", None, None, "socket.state"),
        (7, "src_port", "required", "uint32", None, None, None),
        (8, "dst_port", "required", "uint32", None, None, None),
        (9, "flags", "required", "uint32", None, None, "hex"),
        (10, "backlog", "required", "uint32", None, None, None),
        (11, "src_addr", "repeated", "uint32", None, None, "ip"),
        (12, "dst_addr", "repeated", "uint32", None, None, "ip"),
        (13, "fown", "required", "message", "fown:FownEntry", None, None),
        (14, "opts", "required", "message", "sk_opts:SkOptsEntry", None, None),
        (15, "v6only", "optional", "bool", None, None, None),
        (16, "ip_opts", "optional", "message", "sk_inet:IpOptsEntry", None, None),
        (17, "ifname", "optional", "string", None, None, None),
        (18, "ns_id", "optional", "uint32", None, None, None),
        (19, "shutdown", "optional", "enum", "sk_opts:SkShutdown", None, None),
        (20, "tcp_opts", "optional", "message", "tcp_stream:TcpOptsEntry", None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        ino: int,
        family: int,
        type: int,
        proto: int,
        state: int,
        src_port: int,
        dst_port: int,
        flags: int,
        backlog: int,
        src_addr: Sequence[int] = (),
        dst_addr: Sequence[int] = (),
        fown: FownEntry,
        opts: SkOptsEntry,
        v6only: bool | None = None,
        ip_opts: IpOptsEntry | None = None,
        ifname: str | None = None,
        ns_id: int | None = None,
        shutdown: int | None = None,
        tcp_opts: TcpOptsEntry | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.ino = ino
        self.family = family
        self.type = type
        self.proto = proto
        self.state = state
        self.src_port = src_port
        self.dst_port = dst_port
        self.flags = flags
        self.backlog = backlog
        self.src_addr = src_addr
        self.dst_addr = dst_addr
        self.fown = fown
        self.opts = opts
        self.v6only = v6only
        self.ip_opts = ip_opts
        self.ifname = ifname
        self.ns_id = ns_id
        self.shutdown = shutdown
        self.tcp_opts = tcp_opts
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.ino],
                    _uint32_3[self.family],
                    _uint32_4[self.type],
                    _uint32_5[self.proto],
                    _uint32_6[self.state],
                    _uint32_7[self.src_port],
                    _uint32_8[self.dst_port],
                    _uint32_9[self.flags],
                    _uint32_10[self.backlog],
                    *map(_uint32_11.__getitem__, self.src_addr),
                    *map(_uint32_12.__getitem__, self.dst_addr),
                    _length_13[len(b := self.fown.encode())] + b,
                    _length_14[len(b := self.opts.encode())] + b,
                    b"" if self.v6only is None else _bool_15[self.v6only],
                    b"" if self.ip_opts is None else _length_16[len(b := self.ip_opts.encode())] + b,
                    b""
                    if self.ifname is None
                    else _length_17[len(b := self.ifname.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.ns_id is None else _uint32_18[self.ns_id],
                    b"" if self.shutdown is None else _enum_19[self.shutdown],
                    b""
                    if self.tcp_opts is None
                    else _length_20[len(b := self.tcp_opts.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        ino: Any = None
        family: Any = None
        type: Any = None
        proto: Any = None
        state: Any = None
        src_port: Any = None
        dst_port: Any = None
        flags: Any = None
        backlog: Any = None
        src_addr: Any = ()
        dst_addr: Any = ()
        fown: Any = None
        opts: Any = None
        v6only: Any = None
        ip_opts: Any = None
        ifname: Any = None
        ns_id: Any = None
        shutdown: Any = None
        tcp_opts: Any = None
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
                ino = buf[at + 1]
                at += 2
                if ino > 127:
                    ino, at = read_varint32(buf, at, ino)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                family = buf[at + 1]
                at += 2
                if family > 127:
                    family, at = read_varint32(buf, at, family)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                type = buf[at + 1]
                at += 2
                if type > 127:
                    type, at = read_varint32(buf, at, type)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                proto = buf[at + 1]
                at += 2
                if proto > 127:
                    proto, at = read_varint32(buf, at, proto)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                state = buf[at + 1]
                at += 2
                if state > 127:
                    state, at = read_varint32(buf, at, state)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                src_port = buf[at + 1]
                at += 2
                if src_port > 127:
                    src_port, at = read_varint32(buf, at, src_port)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                dst_port = buf[at + 1]
                at += 2
                if dst_port > 127:
                    dst_port, at = read_varint32(buf, at, dst_port)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                backlog = buf[at + 1]
                at += 2
                if backlog > 127:
                    backlog, at = read_varint32(buf, at, backlog)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                src_addr, at = read_run(buf, at, stop, b"\x58", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 96:
                dst_addr, at = read_run(buf, at, stop, b"\x60", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 106:
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
            if tag == 114:
                from crtools.images.messages.sk_opts import SkOptsEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                opts = recall(SkOptsEntry, buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 120:
                v6only = buf[at + 1]
                at += 2
                if v6only > 1:
                    v6only, at = read_bool(buf, at, v6only)
                else:
                    v6only = v6only == 1
                tag = buf[at] if at < stop else 0
            if tag == 130 and buf[at + 1] == 1:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ip_opts = IpOptsEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 138 and buf[at + 1] == 1:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ifname = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 144 and buf[at + 1] == 1:
                ns_id = buf[at + 2]
                at += 3
                if ns_id > 127:
                    ns_id, at = read_varint32(buf, at, ns_id)
                tag = buf[at] if at < stop else 0
            if tag == 152 and buf[at + 1] == 1:
                shutdown = buf[at + 2]
                at += 3
                if shutdown > 127:
                    shutdown, at = read_int32(buf, at, shutdown)
                tag = buf[at] if at < stop else 0
            if tag == 162 and buf[at + 1] == 1:
                from crtools.images.messages.tcp_stream import TcpOptsEntry

                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                tcp_opts = TcpOptsEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.ino = ino
        new.family = family
        new.type = type
        new.proto = proto
        new.state = state
        new.src_port = src_port
        new.dst_port = dst_port
        new.flags = flags
        new.backlog = backlog
        new.src_addr = src_addr
        new.dst_addr = dst_addr
        new.fown = fown
        new.opts = opts
        new.v6only = v6only
        new.ip_opts = ip_opts
        new.ifname = ifname
        new.ns_id = ns_id
        new.shutdown = shutdown
        new.tcp_opts = tcp_opts
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            id is None
            or ino is None
            or family is None
            or type is None
            or proto is None
            or state is None
            or src_port is None
            or dst_port is None
            or flags is None
            or backlog is None
            or fown is None
            or opts is None
        ):
            require(new, begin)
        return new
