"""Generated from proto/crtools_tun.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_varint32,
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from crtools.images.messages.fown import FownEntry

_length_3 = field(3, "length")
_length_10 = field(10, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_11 = field(11, "uint32")


class CrtoolsTunEntry(Message):
    """The message crtools_tun_entry."""

    __slots__ = (
        "id",
        "flags",
        "fown",
        "iff",
        "sndbuf",
        "vnethdr",
        "owner",
        "group",
        "mtu",
        "address",
        "link",
    )

    NAME = "crtools_tun_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "flags", "required", "uint32", None, None, "open.flags"),
        (3, "fown", "required", "message", "fown:FownEntry", None, None),
        (4, "iff", "optional", "uint32", None, None, "hex"),
        (5, "sndbuf", "optional", "uint32", None, None, None),
        (6, "vnethdr", "optional", "uint32", None, None, None),
        (7, "owner", "optional", "uint32", None, None, None),
        (8, "group", "optional", "uint32", None, None, None),
        (9, "mtu", "optional", "uint32", None, None, None),
        (10, "address", "optional", "bytes", None, None, None),
        (11, "link", "optional", "uint32", None, None, "hex"),
    )

    def __init__(
        self,
        *,
        id: int,
        flags: int,
        fown: FownEntry,
        iff: int | None = None,
        sndbuf: int | None = None,
        vnethdr: int | None = None,
        owner: int | None = None,
        group: int | None = None,
        mtu: int | None = None,
        address: bytes | None = None,
        link: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.flags = flags
        self.fown = fown
        self.iff = iff
        self.sndbuf = sndbuf
        self.vnethdr = vnethdr
        self.owner = owner
        self.group = group
        self.mtu = mtu
        self.address = address
        self.link = link
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.flags],
                    _length_3[len(b := self.fown.encode())] + b,
                    b"" if self.iff is None else _uint32_4[self.iff],
                    b"" if self.sndbuf is None else _uint32_5[self.sndbuf],
                    b"" if self.vnethdr is None else _uint32_6[self.vnethdr],
                    b"" if self.owner is None else _uint32_7[self.owner],
                    b"" if self.group is None else _uint32_8[self.group],
                    b"" if self.mtu is None else _uint32_9[self.mtu],
                    b"" if self.address is None else _length_10[len(b := self.address)] + b,
                    b"" if self.link is None else _uint32_11[self.link],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        flags: Any = None
        fown: Any = None
        iff: Any = None
        sndbuf: Any = None
        vnethdr: Any = None
        owner: Any = None
        group: Any = None
        mtu: Any = None
        address: Any = None
        link: Any = None
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
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 26:
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
            if tag == 32:
                iff = buf[at + 1]
                at += 2
                if iff > 127:
                    iff, at = read_varint32(buf, at, iff)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                sndbuf = buf[at + 1]
                at += 2
                if sndbuf > 127:
                    sndbuf, at = read_varint32(buf, at, sndbuf)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                vnethdr = buf[at + 1]
                at += 2
                if vnethdr > 127:
                    vnethdr, at = read_varint32(buf, at, vnethdr)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                owner = buf[at + 1]
                at += 2
                if owner > 127:
                    owner, at = read_varint32(buf, at, owner)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                group = buf[at + 1]
                at += 2
                if group > 127:
                    group, at = read_varint32(buf, at, group)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                mtu = buf[at + 1]
                at += 2
                if mtu > 127:
                    mtu, at = read_varint32(buf, at, mtu)
                tag = buf[at] if at < stop else 0
            if tag == 82:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                address = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 88:
                link = buf[at + 1]
                at += 2
                if link > 127:
                    link, at = read_varint32(buf, at, link)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.flags = flags
        new.fown = fown
        new.iff = iff
        new.sndbuf = sndbuf
        new.vnethdr = vnethdr
        new.owner = owner
        new.group = group
        new.mtu = mtu
        new.address = address
        new.link = link
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or flags is None or fown is None:
            require(new, begin)
        return new
