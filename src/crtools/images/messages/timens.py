"""Generated from proto/timens.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_length_1 = field(1, "length")
_length_2 = field(2, "length")
_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")


class Timespec(Message):
    """struct timespec."""

    __slots__ = (
        "tv_sec",
        "tv_nsec",
    )

    NAME = "timespec"
    FIELDS = (
        (1, "tv_sec", "required", "uint64", None, None, None),
        (2, "tv_nsec", "required", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        tv_sec: int,
        tv_nsec: int,
        unknown: bytes = b"",
    ) -> None:
        self.tv_sec = tv_sec
        self.tv_nsec = tv_nsec
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.tv_sec],
                    _uint64_2[self.tv_nsec],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        tv_sec: Any = None
        tv_nsec: Any = None
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
                tv_nsec = buf[at + 1]
                at += 2
                if tv_nsec > 127:
                    tv_nsec, at = read_varint64(buf, at, tv_nsec)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.tv_sec = tv_sec
        new.tv_nsec = tv_nsec
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if tv_sec is None or tv_nsec is None:
            require(new, begin)
        return new


class TimensEntry(Message):
    """The message timens_entry."""

    __slots__ = (
        "monotonic",
        "boottime",
    )

    NAME = "timens_entry"
    FIELDS = (
        (1, "monotonic", "required", "message", "timens:Timespec", None, None),
        (2, "boottime", "required", "message", "timens:Timespec", None, None),
    )

    def __init__(
        self,
        *,
        monotonic: Timespec,
        boottime: Timespec,
        unknown: bytes = b"",
    ) -> None:
        self.monotonic = monotonic
        self.boottime = boottime
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.monotonic.encode())] + b,
                    _length_2[len(b := self.boottime.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        monotonic: Any = None
        boottime: Any = None
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
                monotonic = Timespec.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                boottime = Timespec.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.monotonic = monotonic
        new.boottime = boottime
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if monotonic is None or boottime is None:
            require(new, begin)
        return new
