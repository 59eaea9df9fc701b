"""Generated from proto/macvlan.proto by tools/generate_messages.py: do not edit."""

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


class MacvlanLinkEntry(Message):
    """The message macvlan_link_entry."""

    __slots__ = (
        "mode",
        "flags",
    )

    NAME = "macvlan_link_entry"
    FIELDS = (
        (1, "mode", "required", "uint32", None, None, None),
        (2, "flags", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        mode: int,
        flags: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.mode = mode
        self.flags = flags
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.mode],
                    b"" if self.flags is None else _uint32_2[self.flags],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        mode: Any = None
        flags: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                mode = buf[at + 1]
                at += 2
                if mode > 127:
                    mode, at = read_varint32(buf, at, mode)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.mode = mode
        new.flags = flags
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if mode is None:
            require(new, begin)
        return new
