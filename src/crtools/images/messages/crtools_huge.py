"""Generated from proto/crtools_huge.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")


class CrtoolsHugeEntry(Message):
    """Addresses between which all pages are huge ones."""

    __slots__ = (
        "start",
        "end",
    )

    NAME = "crtools_huge_entry"
    FIELDS = (
        (1, "start", "required", "uint64", None, None, "hex"),
        (2, "end", "required", "uint64", None, None, "hex"),
    )

    def __init__(
        self,
        *,
        start: int,
        end: int,
        unknown: bytes = b"",
    ) -> None:
        self.start = start
        self.end = end
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.start],
                    _uint64_2[self.end],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        start: Any = None
        end: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                start = buf[at + 1]
                at += 2
                if start > 127:
                    start, at = read_varint64(buf, at, start)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                end = buf[at + 1]
                at += 2
                if end > 127:
                    end, at = read_varint64(buf, at, end)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.start = start
        new.end = end
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if start is None or end is None:
            require(new, begin)
        return new
