"""Generated from proto/crtools_netlink.proto by tools/generate_messages.py: do not edit."""

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
    from collections.abc import Sequence
    from typing import Any, Self

_bool_3 = field(3, "bool")
_length_2 = field(2, "length")
_uint32_1 = field(1, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")


class NetlinkMessageEntry(Message):
    """A message that another program has sent."""

    __slots__ = (
        "portid",
        "data",
        "pid",
        "uid",
        "gid",
    )

    NAME = "netlink_message_entry"
    FIELDS = (
        (1, "portid", "required", "uint32", None, None, None),
        (2, "data", "required", "bytes", None, None, None),
        (3, "pid", "required", "uint32", None, None, None),
        (4, "uid", "required", "uint32", None, None, None),
        (5, "gid", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        portid: int,
        data: bytes,
        pid: int,
        uid: int,
        gid: int,
        unknown: bytes = b"",
    ) -> None:
        self.portid = portid
        self.data = data
        self.pid = pid
        self.uid = uid
        self.gid = gid
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.portid],
                    _length_2[len(b := self.data)] + b,
                    _uint32_3[self.pid],
                    _uint32_4[self.uid],
                    _uint32_5[self.gid],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        portid: Any = None
        data: Any = None
        pid: Any = None
        uid: Any = None
        gid: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                portid = buf[at + 1]
                at += 2
                if portid > 127:
                    portid, at = read_varint32(buf, at, portid)
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
            if tag == 24:
                pid = buf[at + 1]
                at += 2
                if pid > 127:
                    pid, at = read_varint32(buf, at, pid)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                uid = buf[at + 1]
                at += 2
                if uid > 127:
                    uid, at = read_varint32(buf, at, uid)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                gid = buf[at + 1]
                at += 2
                if gid > 127:
                    gid, at = read_varint32(buf, at, gid)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.portid = portid
        new.data = data
        new.pid = pid
        new.uid = uid
        new.gid = gid
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if portid is None or data is None or pid is None or uid is None or gid is None:
            require(new, begin)
        return new


class CrtoolsNetlinkEntry(Message):
    """The message crtools_netlink_entry."""

    __slots__ = (
        "id",
        "messages",
        "overrun",
    )

    NAME = "crtools_netlink_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "messages", "repeated", "message", "crtools_netlink:NetlinkMessageEntry", None, None),
        (3, "overrun", "optional", "bool", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        messages: Sequence[NetlinkMessageEntry] = (),
        overrun: bool | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.messages = messages
        self.overrun = overrun
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    *[_length_2[len(b)] + b for b in [m.encode() for m in self.messages]],
                    b"" if self.overrun is None else _bool_3[self.overrun],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        messages: Any = ()
        overrun: Any = None
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
                messages = []
                while tag == 18:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    messages.append(NetlinkMessageEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 24:
                overrun = buf[at + 1]
                at += 2
                if overrun > 1:
                    overrun, at = read_bool(buf, at, overrun)
                else:
                    overrun = overrun == 1
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.messages = messages
        new.overrun = overrun
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None:
            require(new, begin)
        return new
