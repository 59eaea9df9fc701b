"""Generated from proto/tun.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_int32,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_bool_3 = field(3, "bool")
_int32_2 = field(2, "int32")
_int32_3 = field(3, "int32")
_length_2 = field(2, "length")
_uint32_1 = field(1, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")


class TunfileEntry(Message):
    """The message tunfile_entry."""

    __slots__ = (
        "id",
        "netdev",
        "detached",
        "ns_id",
    )

    NAME = "tunfile_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "netdev", "optional", "string", None, None, None),
        (3, "detached", "optional", "bool", None, None, None),
        (4, "ns_id", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        netdev: str | None = None,
        detached: bool | None = None,
        ns_id: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.netdev = netdev
        self.detached = detached
        self.ns_id = ns_id
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    b""
                    if self.netdev is None
                    else _length_2[len(b := self.netdev.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.detached is None else _bool_3[self.detached],
                    b"" if self.ns_id is None else _uint32_4[self.ns_id],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        netdev: Any = None
        detached: Any = None
        ns_id: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                id = buf[at + 1]
                at += 2
                if id > 127:
                    id, at = read_varint32(buf, at, id)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                netdev = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 24:
                detached = buf[at + 1]
                at += 2
                if detached > 1:
                    detached, at = read_bool(buf, at, detached)
                else:
                    detached = detached == 1
                tag = buf[at] if at < stop else 0
            if tag == 32:
                ns_id = buf[at + 1]
                at += 2
                if ns_id > 127:
                    ns_id, at = read_varint32(buf, at, ns_id)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.netdev = netdev
        new.detached = detached
        new.ns_id = ns_id
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None:
            require(new, begin)
        return new


class TunLinkEntry(Message):
    """The message tun_link_entry."""

    __slots__ = (
        "flags",
        "owner",
        "group",
        "vnethdr",
        "sndbuf",
    )

    NAME = "tun_link_entry"
    FIELDS = (
        (1, "flags", "required", "uint32", None, None, "hex"),
        (2, "owner", "required", "int32", None, None, None),
        (3, "group", "required", "int32", None, None, None),
        (4, "vnethdr", "required", "uint32", None, None, None),
        (5, "sndbuf", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        flags: int,
        owner: int,
        group: int,
        vnethdr: int,
        sndbuf: int,
        unknown: bytes = b"",
    ) -> None:
        self.flags = flags
        self.owner = owner
        self.group = group
        self.vnethdr = vnethdr
        self.sndbuf = sndbuf
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.flags],
                    _int32_2[self.owner],
                    _int32_3[self.group],
                    _uint32_4[self.vnethdr],
                    _uint32_5[self.sndbuf],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        flags: Any = None
        owner: Any = None
        group: Any = None
        vnethdr: Any = None
        sndbuf: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                owner = buf[at + 1]
                at += 2
                if owner > 127:
                    owner, at = read_int32(buf, at, owner)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                group = buf[at + 1]
                at += 2
                if group > 127:
                    group, at = read_int32(buf, at, group)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                vnethdr = buf[at + 1]
                at += 2
                if vnethdr > 127:
                    vnethdr, at = read_varint32(buf, at, vnethdr)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                sndbuf = buf[at + 1]
                at += 2
                if sndbuf > 127:
                    sndbuf, at = read_varint32(buf, at, sndbuf)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.flags = flags
        new.owner = owner
        new.group = group
        new.vnethdr = vnethdr
        new.sndbuf = sndbuf
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if flags is None or owner is None or group is None or vnethdr is None or sndbuf is None:
            require(new, begin)
        return new
