"""Generated from proto/time.proto by tools/generate_messages.py: do not edit."""

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


class Timeval(Message):
    """struct timeval."""

    __slots__ = (
        "tv_sec",
        "tv_usec",
    )

    NAME = "timeval"
    FIELDS = (
        (1, "tv_sec", "required", "uint64", None, None, None),
        (2, "tv_usec", "required", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        tv_sec: int,
        tv_usec: int,
        unknown: bytes = b"",
    ) -> None:
        self.tv_sec = tv_sec
        self.tv_usec = tv_usec
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.tv_sec],
                    _uint64_2[self.tv_usec],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        tv_sec: Any = None
        tv_usec: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                tv_sec = buf[at + 1]
                at += 2
                if tv_sec > 127:
                    tv_sec, at = read_varint64(buf, at, tv_sec)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                tv_usec = buf[at + 1]
                at += 2
                if tv_usec > 127:
                    tv_usec, at = read_varint64(buf, at, tv_usec)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.tv_sec = tv_sec
        new.tv_usec = tv_usec
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if tv_sec is None or tv_usec is None:
            require(new, begin)
        return new
