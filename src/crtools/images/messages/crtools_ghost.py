"""Generated from proto/crtools_ghost.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_sint64,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_length_1 = field(1, "length")
_length_2 = field(2, "length")
_length_5 = field(5, "length")
_sint64_2 = field(2, "sint64")
_sint64_3 = field(3, "sint64")
_uint32_1 = field(1, "uint32")
_uint32_4 = field(4, "uint32")


class GhostAttributeEntry(Message):
    """xattr(7); access control lists and file capabilities are such attributes too."""

    __slots__ = (
        "name",
        "value",
    )

    NAME = "ghost_attribute_entry"
    FIELDS = (
        (1, "name", "required", "bytes", None, None, None),
        (2, "value", "required", "bytes", None, None, None),
    )

    def __init__(
        self,
        *,
        name: bytes,
        value: bytes,
        unknown: bytes = b"",
    ) -> None:
        self.name = name
        self.value = value
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.name)] + b,
                    _length_2[len(b := self.value)] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        name: Any = None
        value: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                name = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                value = buf[at - span : at]
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.name = name
        new.value = value
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if name is None or value is None:
            require(new, begin)
        return new


class CrtoolsGhostEntry(Message):
    """crtools-ghost.img: of the inode of each nameless file."""

    __slots__ = (
        "ghost_id",
        "atime",
        "mtime",
        "flags",
        "attributes",
    )

    NAME = "crtools_ghost_entry"
    FIELDS = (
        (1, "ghost_id", "required", "uint32", None, None, None),
        (2, "atime", "required", "sint64", None, None, None),
        (3, "mtime", "required", "sint64", None, None, None),
        (4, "flags", "optional", "uint32", None, None, "hex"),
        (5, "attributes", "repeated", "message", "crtools_ghost:GhostAttributeEntry", None, None),
    )

    def __init__(
        self,
        *,
        ghost_id: int,
        atime: int,
        mtime: int,
        flags: int | None = None,
        attributes: Sequence[GhostAttributeEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.ghost_id = ghost_id
        self.atime = atime
        self.mtime = mtime
        self.flags = flags
        self.attributes = attributes
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.ghost_id],
                    _sint64_2[self.atime],
                    _sint64_3[self.mtime],
                    b"" if self.flags is None else _uint32_4[self.flags],
                    *[_length_5[len(b)] + b for b in [m.encode() for m in self.attributes]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        ghost_id: Any = None
        atime: Any = None
        mtime: Any = None
        flags: Any = None
        attributes: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                ghost_id = buf[at + 1]
                at += 2
                if ghost_id > 127:
                    ghost_id, at = read_varint32(buf, at, ghost_id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                atime = buf[at + 1]
                at += 2
                if atime > 127:
                    atime, at = read_sint64(buf, at, atime)
                else:
                    atime = atime >> 1 ^ -(atime & 1)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                mtime = buf[at + 1]
                at += 2
                if mtime > 127:
                    mtime, at = read_sint64(buf, at, mtime)
                else:
                    mtime = mtime >> 1 ^ -(mtime & 1)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 42:
                attributes = []
                while tag == 42:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    attributes.append(GhostAttributeEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.ghost_id = ghost_id
        new.atime = atime
        new.mtime = mtime
        new.flags = flags
        new.attributes = attributes
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if ghost_id is None or atime is None or mtime is None:
            require(new, begin)
        return new
