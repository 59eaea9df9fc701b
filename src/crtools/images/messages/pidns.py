"""Generated from proto/pidns.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_varint32,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_length_1 = field(1, "length")


class PidnsEntry(Message):
    """The message pidns_entry."""

    __slots__ = (
        "ext_key",
    )

    NAME = "pidns_entry"
    FIELDS = (
        (1, "ext_key", "optional", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        ext_key: str | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.ext_key = ext_key
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b""
                    if self.ext_key is None
                    else _length_1[len(b := self.ext_key.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        ext_key: Any = None
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
                ext_key = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.ext_key = ext_key
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new
