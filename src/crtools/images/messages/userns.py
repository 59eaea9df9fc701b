"""Generated from proto/userns.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_length_1 = field(1, "length")
_length_2 = field(2, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")


class UidGidExtent(Message):
    """The message uid_gid_extent."""

    __slots__ = (
        "first",
        "lower_first",
        "count",
    )

    NAME = "uid_gid_extent"
    FIELDS = (
        (1, "first", "required", "uint32", None, None, None),
        (2, "lower_first", "required", "uint32", None, None, None),
        (3, "count", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        first: int,
        lower_first: int,
        count: int,
        unknown: bytes = b"",
    ) -> None:
        self.first = first
        self.lower_first = lower_first
        self.count = count
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.first],
                    _uint32_2[self.lower_first],
                    _uint32_3[self.count],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        first: Any = None
        lower_first: Any = None
        count: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                first = buf[at + 1]
                at += 2
                if first > 127:
                    first, at = read_varint32(buf, at, first)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                lower_first = buf[at + 1]
                at += 2
                if lower_first > 127:
                    lower_first, at = read_varint32(buf, at, lower_first)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                count = buf[at + 1]
                at += 2
                if count > 127:
                    count, at = read_varint32(buf, at, count)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.first = first
        new.lower_first = lower_first
        new.count = count
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if first is None or lower_first is None or count is None:
            require(new, begin)
        return new


class UsernsEntry(Message):
    """The message userns_entry."""

    __slots__ = (
        "uid_map",
        "gid_map",
    )

    NAME = "userns_entry"
    FIELDS = (
        (1, "uid_map", "repeated", "message", "userns:UidGidExtent", None, None),
        (2, "gid_map", "repeated", "message", "userns:UidGidExtent", None, None),
    )

    def __init__(
        self,
        *,
        uid_map: Sequence[UidGidExtent] = (),
        gid_map: Sequence[UidGidExtent] = (),
        unknown: bytes = b"",
    ) -> None:
        self.uid_map = uid_map
        self.gid_map = gid_map
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    *[_length_1[len(b)] + b for b in [m.encode() for m in self.uid_map]],
                    *[_length_2[len(b)] + b for b in [m.encode() for m in self.gid_map]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        uid_map: Any = ()
        gid_map: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                uid_map = []
                while tag == 10:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    uid_map.append(UidGidExtent.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 18:
                gid_map = []
                while tag == 18:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    gid_map.append(UidGidExtent.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.uid_map = uid_map
        new.gid_map = gid_map
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new
