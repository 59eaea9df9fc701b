"""Generated from proto/seccomp.proto by tools/generate_messages.py: do not edit."""

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
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")


class SeccompFilter(Message):
    """One filter program; `prev` is the index of the one below it."""

    __slots__ = (
        "filter",
        "prev",
        "flags",
    )

    NAME = "seccomp_filter"
    FIELDS = (
        (1, "filter", "required", "bytes", None, None, None),
        (2, "prev", "optional", "uint32", None, None, None),
        (3, "flags", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        filter: bytes,
        prev: int | None = None,
        flags: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.filter = filter
        self.prev = prev
        self.flags = flags
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.filter)] + b,
                    b"" if self.prev is None else _uint32_2[self.prev],
                    b"" if self.flags is None else _uint32_3[self.flags],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        filter: Any = None
        prev: Any = None
        flags: Any = None
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
                filter = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 16:
                prev = buf[at + 1]
                at += 2
                if prev > 127:
                    prev, at = read_varint32(buf, at, prev)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.filter = filter
        new.prev = prev
        new.flags = flags
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if filter is None:
            require(new, begin)
        return new


class SeccompEntry(Message):
    """The message seccomp_entry."""

    __slots__ = (
        "seccomp_filters",
    )

    NAME = "seccomp_entry"
    FIELDS = (
        (1, "seccomp_filters", "repeated", "message", "seccomp:SeccompFilter", None, None),
    )

    def __init__(
        self,
        *,
        seccomp_filters: Sequence[SeccompFilter] = (),
        unknown: bytes = b"",
    ) -> None:
        self.seccomp_filters = seccomp_filters
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    *[_length_1[len(b)] + b for b in [m.encode() for m in self.seccomp_filters]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        seccomp_filters: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                seccomp_filters = []
                while tag == 10:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    seccomp_filters.append(SeccompFilter.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.seccomp_filters = seccomp_filters
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new
