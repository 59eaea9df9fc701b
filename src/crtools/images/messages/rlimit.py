"""Generated from proto/rlimit.proto by tools/generate_messages.py: do not edit."""

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


class RlimitEntry(Message):
    """A soft and a hard limit."""

    __slots__ = (
        "cur",
        "max",
    )

    NAME = "rlimit_entry"
    FIELDS = (
        (1, "cur", "required", "uint64", None, None, None),
        (2, "max", "required", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        cur: int,
        max: int,
        unknown: bytes = b"",
    ) -> None:
        self.cur = cur
        self.max = max
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.cur],
                    _uint64_2[self.max],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        cur: Any = None
        max: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                cur = buf[at + 1]
                at += 2
                if cur > 127:
                    cur, at = read_varint64(buf, at, cur)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                max = buf[at + 1]
                at += 2
                if max > 127:
                    max, at = read_varint64(buf, at, max)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.cur = cur
        new.max = max
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if cur is None or max is None:
            require(new, begin)
        return new
