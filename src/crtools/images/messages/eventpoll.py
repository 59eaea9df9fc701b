"""Generated from proto/eventpoll.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_varint32,
    read_varint64,
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from crtools.images.messages.fown import FownEntry

_length_3 = field(3, "length")
_length_4 = field(4, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_5 = field(5, "uint32")
_uint64_4 = field(4, "uint64")
_uint64_6 = field(6, "uint64")
_uint64_7 = field(7, "uint64")


class EventpollTfdEntry(Message):
    """The message eventpoll_tfd_entry."""

    __slots__ = (
        "id",
        "tfd",
        "events",
        "data",
        "dev",
        "inode",
        "pos",
    )

    NAME = "eventpoll_tfd_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "tfd", "required", "uint32", None, None, None),
        (3, "events", "required", "uint32", None, None, None),
        (4, "data", "required", "uint64", None, None, None),
        (5, "dev", "optional", "uint32", None, None, None),
        (6, "inode", "optional", "uint64", None, None, None),
        (7, "pos", "optional", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        tfd: int,
        events: int,
        data: int,
        dev: int | None = None,
        inode: int | None = None,
        pos: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.tfd = tfd
        self.events = events
        self.data = data
        self.dev = dev
        self.inode = inode
        self.pos = pos
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.tfd],
                    _uint32_3[self.events],
                    _uint64_4[self.data],
                    b"" if self.dev is None else _uint32_5[self.dev],
                    b"" if self.inode is None else _uint64_6[self.inode],
                    b"" if self.pos is None else _uint64_7[self.pos],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        tfd: Any = None
        events: Any = None
        data: Any = None
        dev: Any = None
        inode: Any = None
        pos: Any = None
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
                tfd = buf[at + 1]
                at += 2
                if tfd > 127:
                    tfd, at = read_varint32(buf, at, tfd)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                events = buf[at + 1]
                at += 2
                if events > 127:
                    events, at = read_varint32(buf, at, events)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                data = buf[at + 1]
                at += 2
                if data > 127:
                    data, at = read_varint64(buf, at, data)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                dev = buf[at + 1]
                at += 2
                if dev > 127:
                    dev, at = read_varint32(buf, at, dev)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                inode = buf[at + 1]
                at += 2
                if inode > 127:
                    inode, at = read_varint64(buf, at, inode)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                pos = buf[at + 1]
                at += 2
                if pos > 127:
                    pos, at = read_varint64(buf, at, pos)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.tfd = tfd
        new.events = events
        new.data = data
        new.dev = dev
        new.inode = inode
        new.pos = pos
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or tfd is None or events is None or data is None:
            require(new, begin)
        return new


class EventpollFileEntry(Message):
    """The message eventpoll_file_entry."""

    __slots__ = (
        "id",
        "flags",
        "fown",
        "tfd",
    )

    NAME = "eventpoll_file_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "flags", "required", "uint32", None, None, None),
        (3, "fown", "required", "message", "fown:FownEntry", None, None),
        (4, "tfd", "repeated", "message", "eventpoll:EventpollTfdEntry", None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        flags: int,
        fown: FownEntry,
        tfd: Sequence[EventpollTfdEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.flags = flags
        self.fown = fown
        self.tfd = tfd
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.flags],
                    _length_3[len(b := self.fown.encode())] + b,
                    *[_length_4[len(b)] + b for b in [m.encode() for m in self.tfd]],
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
        tfd: Any = ()
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
            if tag == 34:
                tfd = []
                while tag == 34:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    tfd.append(EventpollTfdEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.flags = flags
        new.fown = fown
        new.tfd = tfd
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or flags is None or fown is None:
            require(new, begin)
        return new
