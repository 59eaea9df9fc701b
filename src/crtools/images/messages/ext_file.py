"""Generated from proto/ext-file.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_varint32,
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from crtools.images.messages.fown import FownEntry

_length_5 = field(5, "length")
_uint32_1 = field(1, "uint32")


class ExtFileEntry(Message):
    """The message ext_file_entry."""

    __slots__ = (
        "id",
        "fown",
    )

    NAME = "ext_file_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (5, "fown", "required", "message", "fown:FownEntry", None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        fown: FownEntry,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.fown = fown
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _length_5[len(b := self.fown.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        fown: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                id = buf[at + 1]
                at += 2
                if id > 127:
                    id, at = read_varint32(buf, at, id)
                tag = buf[at] if at < stop else 0
            if tag == 42:
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
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.fown = fown
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or fown is None:
            require(new, begin)
        return new
