"""Generated from proto/sit.proto by tools/generate_messages.py: do not edit."""

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
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_bool_6 = field(6, "bool")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_10 = field(10, "uint32")
_uint32_11 = field(11, "uint32")
_uint32_12 = field(12, "uint32")
_uint32_13 = field(13, "uint32")
_uint32_14 = field(14, "uint32")
_uint32_15 = field(15, "uint32")
_uint32_16 = field(16, "uint32")


class SitEntry(Message):
    """The message sit_entry."""

    __slots__ = (
        "link",
        "local",
        "remote",
        "ttl",
        "tos",
        "pmtudisc",
        "proto",
        "flags",
        "encap_type",
        "encap_flags",
        "encap_sport",
        "encap_dport",
        "rd_prefixlen",
        "rd_prefix",
        "relay_prefixlen",
        "relay_prefix",
    )

    NAME = "sit_entry"
    FIELDS = (
        (1, "link", "optional", "uint32", None, None, None),
        (2, "local", "repeated", "uint32", None, None, "ip"),
        (3, "remote", "repeated", "uint32", None, None, "ip"),
        (4, "ttl", "optional", "uint32", None, None, None),
        (5, "tos", "optional", "uint32", None, None, None),
        (6, "pmtudisc", "optional", "bool", None, None, None),
        (7, "proto", "optional", "uint32", None, None, None),
        (8, "flags", "optional", "uint32", None, None, None),
        (9, "encap_type", "optional", "uint32", None, None, None),
        (10, "encap_flags", "optional", "uint32", None, None, None),
        (11, "encap_sport", "optional", "uint32", None, None, None),
        (12, "encap_dport", "optional", "uint32", None, None, None),
        (13, "rd_prefixlen", "optional", "uint32", None, None, None),
        (14, "rd_prefix", "repeated", "uint32", None, None, "ip"),
        (15, "relay_prefixlen", "optional", "uint32", None, None, None),
        (16, "relay_prefix", "repeated", "uint32", None, None, "ip"),
    )

    def __init__(
        self,
        *,
        link: int | None = None,
        local: Sequence[int] = (),
        remote: Sequence[int] = (),
        ttl: int | None = None,
        tos: int | None = None,
        pmtudisc: bool | None = None,
        proto: int | None = None,
        flags: int | None = None,
        encap_type: int | None = None,
        encap_flags: int | None = None,
        encap_sport: int | None = None,
        encap_dport: int | None = None,
        rd_prefixlen: int | None = None,
        rd_prefix: Sequence[int] = (),
        relay_prefixlen: int | None = None,
        relay_prefix: Sequence[int] = (),
        unknown: bytes = b"",
    ) -> None:
        self.link = link
        self.local = local
        self.remote = remote
        self.ttl = ttl
        self.tos = tos
        self.pmtudisc = pmtudisc
        self.proto = proto
        self.flags = flags
        self.encap_type = encap_type
        self.encap_flags = encap_flags
        self.encap_sport = encap_sport
        self.encap_dport = encap_dport
        self.rd_prefixlen = rd_prefixlen
        self.rd_prefix = rd_prefix
        self.relay_prefixlen = relay_prefixlen
        self.relay_prefix = relay_prefix
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b"" if self.link is None else _uint32_1[self.link],
                    *map(_uint32_2.__getitem__, self.local),
                    *map(_uint32_3.__getitem__, self.remote),
                    b"" if self.ttl is None else _uint32_4[self.ttl],
                    b"" if self.tos is None else _uint32_5[self.tos],
                    b"" if self.pmtudisc is None else _bool_6[self.pmtudisc],
                    b"" if self.proto is None else _uint32_7[self.proto],
                    b"" if self.flags is None else _uint32_8[self.flags],
                    b"" if self.encap_type is None else _uint32_9[self.encap_type],
                    b"" if self.encap_flags is None else _uint32_10[self.encap_flags],
                    b"" if self.encap_sport is None else _uint32_11[self.encap_sport],
                    b"" if self.encap_dport is None else _uint32_12[self.encap_dport],
                    b"" if self.rd_prefixlen is None else _uint32_13[self.rd_prefixlen],
                    *map(_uint32_14.__getitem__, self.rd_prefix),
                    b"" if self.relay_prefixlen is None else _uint32_15[self.relay_prefixlen],
                    *map(_uint32_16.__getitem__, self.relay_prefix),
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        link: Any = None
        local: Any = ()
        remote: Any = ()
        ttl: Any = None
        tos: Any = None
        pmtudisc: Any = None
        proto: Any = None
        flags: Any = None
        encap_type: Any = None
        encap_flags: Any = None
        encap_sport: Any = None
        encap_dport: Any = None
        rd_prefixlen: Any = None
        rd_prefix: Any = ()
        relay_prefixlen: Any = None
        relay_prefix: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                link = buf[at + 1]
                at += 2
                if link > 127:
                    link, at = read_varint32(buf, at, link)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                local, at = read_run(buf, at, stop, b"\x10", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 24:
                remote, at = read_run(buf, at, stop, b"\x18", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 32:
                ttl = buf[at + 1]
                at += 2
                if ttl > 127:
                    ttl, at = read_varint32(buf, at, ttl)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                tos = buf[at + 1]
                at += 2
                if tos > 127:
                    tos, at = read_varint32(buf, at, tos)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                pmtudisc = buf[at + 1]
                at += 2
                if pmtudisc > 1:
                    pmtudisc, at = read_bool(buf, at, pmtudisc)
                else:
                    pmtudisc = pmtudisc == 1
                tag = buf[at] if at < stop else 0
            if tag == 56:
                proto = buf[at + 1]
                at += 2
                if proto > 127:
                    proto, at = read_varint32(buf, at, proto)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                encap_type = buf[at + 1]
                at += 2
                if encap_type > 127:
                    encap_type, at = read_varint32(buf, at, encap_type)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                encap_flags = buf[at + 1]
                at += 2
                if encap_flags > 127:
                    encap_flags, at = read_varint32(buf, at, encap_flags)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                encap_sport = buf[at + 1]
                at += 2
                if encap_sport > 127:
                    encap_sport, at = read_varint32(buf, at, encap_sport)
                tag = buf[at] if at < stop else 0
            if tag == 96:
                encap_dport = buf[at + 1]
                at += 2
                if encap_dport > 127:
                    encap_dport, at = read_varint32(buf, at, encap_dport)
                tag = buf[at] if at < stop else 0
            if tag == 104:
                rd_prefixlen = buf[at + 1]
                at += 2
                if rd_prefixlen > 127:
                    rd_prefixlen, at = read_varint32(buf, at, rd_prefixlen)
                tag = buf[at] if at < stop else 0
            if tag == 112:
                rd_prefix, at = read_run(buf, at, stop, b"\x70", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 120:
                relay_prefixlen = buf[at + 1]
                at += 2
                if relay_prefixlen > 127:
                    relay_prefixlen, at = read_varint32(buf, at, relay_prefixlen)
                tag = buf[at] if at < stop else 0
            if tag == 128 and buf[at + 1] == 1:
                relay_prefix, at = read_run(buf, at, stop, b"\x80\x01", "uint32")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.link = link
        new.local = local
        new.remote = remote
        new.ttl = ttl
        new.tos = tos
        new.pmtudisc = pmtudisc
        new.proto = proto
        new.flags = flags
        new.encap_type = encap_type
        new.encap_flags = encap_flags
        new.encap_sport = encap_sport
        new.encap_dport = encap_dport
        new.rd_prefixlen = rd_prefixlen
        new.rd_prefix = rd_prefix
        new.relay_prefixlen = relay_prefixlen
        new.relay_prefix = relay_prefix
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new
