"""Generated from proto/crtools_socket.proto by tools/generate_messages.py: do not edit."""

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

_length_2 = field(2, "length")
_length_3 = field(3, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")


class SocketOptionEntry(Message):
    """The message socket_option_entry."""

    __slots__ = (
        "level",
        "number",
        "value",
    )

    NAME = "socket_option_entry"
    FIELDS = (
        (1, "level", "required", "uint32", None, None, None),
        (2, "number", "required", "uint32", None, None, None),
        (3, "value", "required", "bytes", None, None, None),
    )

    def __init__(
        self,
        *,
        level: int,
        number: int,
        value: bytes,
        unknown: bytes = b"",
    ) -> None:
        self.level = level
        self.number = number
        self.value = value
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.level],
                    _uint32_2[self.number],
                    _length_3[len(b := self.value)] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        level: Any = None
        number: Any = None
        value: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                level = buf[at + 1]
                at += 2
                if level > 127:
                    level, at = read_varint32(buf, at, level)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                number = buf[at + 1]
                at += 2
                if number > 127:
                    number, at = read_varint32(buf, at, number)
                tag = buf[at] if at < stop else 0
            if tag == 26:
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
        new.level = level
        new.number = number
        new.value = value
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if level is None or number is None or value is None:
            require(new, begin)
        return new


class CrtoolsSocketEntry(Message):
    """The message crtools_socket_entry."""

    __slots__ = (
        "id",
        "options",
    )

    NAME = "crtools_socket_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "options", "repeated", "message", "crtools_socket:SocketOptionEntry", None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        options: Sequence[SocketOptionEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.options = options
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    *[_length_2[len(b)] + b for b in [m.encode() for m in self.options]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        options: Any = ()
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
                options = []
                while tag == 18:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    options.append(SocketOptionEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.options = options
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None:
            require(new, begin)
        return new
