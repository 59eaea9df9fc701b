"""Generated from proto/sk-netlink.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
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

_length_11 = field(11, "length")
_length_12 = field(12, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_10 = field(10, "uint32")
_uint32_13 = field(13, "uint32")


class NetlinkSkEntry(Message):
    """The message netlink_sk_entry."""

    __slots__ = (
        "id",
        "ino",
        "protocol",
        "state",
        "flags",
        "portid",
        "groups",
        "dst_portid",
        "dst_group",
        "fown",
        "opts",
        "ns_id",
    )

    NAME = "netlink_sk_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "ino", "required", "uint32", None, None, None),
        (3, "protocol", "required", "uint32", None, None, None),
        (4, "state", "required", "uint32", None, None, None),
        (6, "flags", "required", "uint32", None, None, "hex"),
        (7, "portid", "required", "uint32", None, None, None),
        (8, "groups", "repeated", "uint32", None, None, None),
        (9, "dst_portid", "required", "uint32", None, None, None),
        (10, "dst_group", "required", "uint32", None, None, None),
        (11, "fown", "required", "message", "fown:FownEntry", None, None),
        (12, "opts", "required", "message", "sk_opts:SkOptsEntry", None, None),
        (13, "ns_id", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        ino: int,
        protocol: int,
        state: int,
        flags: int,
        portid: int,
        groups: Sequence[int] = (),
        dst_portid: int,
        dst_group: int,
        fown: FownEntry,
        opts: SkOptsEntry,
        ns_id: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.ino = ino
        self.protocol = protocol
        self.state = state
        self.flags = flags
        self.portid = portid
        self.groups = groups
        self.dst_portid = dst_portid
        self.dst_group = dst_group
        self.fown = fown
        self.opts = opts
        self.ns_id = ns_id
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.ino],
                    _uint32_3[self.protocol],
                    _uint32_4[self.state],
                    _uint32_6[self.flags],
                    _uint32_7[self.portid],
                    *map(_uint32_8.__getitem__, self.groups),
                    _uint32_9[self.dst_portid],
                    _uint32_10[self.dst_group],
                    _length_11[len(b := self.fown.encode())] + b,
                    _length_12[len(b := self.opts.encode())] + b,
                    b"" if self.ns_id is None else _uint32_13[self.ns_id],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        ino: Any = None
        protocol: Any = None
        state: Any = None
        flags: Any = None
        portid: Any = None
        groups: Any = ()
        dst_portid: Any = None
        dst_group: Any = None
        fown: Any = None
        opts: Any = None
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
            if tag == 16:
                ino = buf[at + 1]
                at += 2
                if ino > 127:
                    ino, at = read_varint32(buf, at, ino)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                protocol = buf[at + 1]
                at += 2
                if protocol > 127:
                    protocol, at = read_varint32(buf, at, protocol)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                state = buf[at + 1]
                at += 2
                if state > 127:
                    state, at = read_varint32(buf, at, state)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                portid = buf[at + 1]
                at += 2
                if portid > 127:
                    portid, at = read_varint32(buf, at, portid)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                groups, at = read_run(buf, at, stop, b"\x40", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 72:
                dst_portid = buf[at + 1]
                at += 2
                if dst_portid > 127:
                    dst_portid, at = read_varint32(buf, at, dst_portid)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                dst_group = buf[at + 1]
                at += 2
                if dst_group > 127:
                    dst_group, at = read_varint32(buf, at, dst_group)
                tag = buf[at] if at < stop else 0
            if tag == 90:
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
            if tag == 98:
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
            if tag == 104:
                ns_id = buf[at + 1]
                at += 2
                if ns_id > 127:
                    ns_id, at = read_varint32(buf, at, ns_id)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.ino = ino
        new.protocol = protocol
        new.state = state
        new.flags = flags
        new.portid = portid
        new.groups = groups
        new.dst_portid = dst_portid
        new.dst_group = dst_group
        new.fown = fown
        new.opts = opts
        new.ns_id = ns_id
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            id is None
            or ino is None
            or protocol is None
            or state is None
            or flags is None
            or portid is None
            or dst_portid is None
            or dst_group is None
            or fown is None
            or opts is None
        ):
            require(new, begin)
        return new
