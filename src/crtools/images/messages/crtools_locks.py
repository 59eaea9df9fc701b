"""Generated from proto/crtools_locks.proto by tools/generate_messages.py: do not edit."""

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


class CrtoolsLeaseEntry(Message):
    """A lease that somebody is breaking: file_lock_entry has what it was."""

    __slots__ = (
        "id",
        "target",
    )

    NAME = "crtools_lease_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "target", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        target: int,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.target = target
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.target],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        target: Any = None
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
                target = buf[at + 1]
                at += 2
                if target > 127:
                    target, at = read_varint32(buf, at, target)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.target = target
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or target is None:
            require(new, begin)
        return new
