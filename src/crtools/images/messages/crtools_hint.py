"""Generated from proto/crtools_hint.proto by tools/generate_messages.py: do not edit."""

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
    from typing import Any, Self

_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")


class CrtoolsHintEntry(Message):
    """crtools-hint.img: of an open regular file whose inode has been given a hint."""

    __slots__ = (
        "id",
        "life",
    )

    NAME = "crtools_hint_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "life", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        life: int,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.life = life
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.life],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        life: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                id = buf[at + 1]
                at += 2
                if id > 127:
                    id, at = read_varint32(buf, at, id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                life = buf[at + 1]
                at += 2
                if life > 127:
                    life, at = read_varint32(buf, at, life)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.life = life
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or life is None:
            require(new, begin)
        return new
