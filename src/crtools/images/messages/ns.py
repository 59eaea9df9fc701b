"""Generated from proto/ns.proto by tools/generate_messages.py: do not edit."""

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
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")


class NsFileEntry(Message):
    """The message ns_file_entry."""

    __slots__ = (
        "id",
        "ns_id",
        "ns_cflag",
        "flags",
    )

    NAME = "ns_file_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "ns_id", "required", "uint32", None, None, None),
        (3, "ns_cflag", "required", "uint32", None, None, None),
        (4, "flags", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        ns_id: int,
        ns_cflag: int,
        flags: int,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.ns_id = ns_id
        self.ns_cflag = ns_cflag
        self.flags = flags
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.ns_id],
                    _uint32_3[self.ns_cflag],
                    _uint32_4[self.flags],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        ns_id: Any = None
        ns_cflag: Any = None
        flags: Any = None
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
                ns_id = buf[at + 1]
                at += 2
                if ns_id > 127:
                    ns_id, at = read_varint32(buf, at, ns_id)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                ns_cflag = buf[at + 1]
                at += 2
                if ns_cflag > 127:
                    ns_cflag, at = read_varint32(buf, at, ns_cflag)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.ns_id = ns_id
        new.ns_cflag = ns_cflag
        new.flags = flags
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or ns_id is None or ns_cflag is None or flags is None:
            require(new, begin)
        return new
