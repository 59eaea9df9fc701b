"""Generated from proto/signalfd.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_varint32,
    read_varint64,
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from crtools.images.messages.fown import FownEntry

_length_3 = field(3, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint64_4 = field(4, "uint64")


class SignalfdEntry(Message):
    """The message signalfd_entry."""

    __slots__ = (
        "id",
        "flags",
        "fown",
        "sigmask",
    )

    NAME = "signalfd_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "flags", "required", "uint32", None, None, "hex"),
        (3, "fown", "required", "message", "fown:FownEntry", None, None),
        (4, "sigmask", "required", "uint64", None, None, "hex"),
    )

    def __init__(
        self,
        *,
        id: int,
        flags: int,
        fown: FownEntry,
        sigmask: int,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.flags = flags
        self.fown = fown
        self.sigmask = sigmask
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.flags],
                    _length_3[len(b := self.fown.encode())] + b,
                    _uint64_4[self.sigmask],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        flags: Any = None
        fown: Any = None
        sigmask: Any = None
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
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 26:
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
            if tag == 32:
                sigmask = buf[at + 1]
                at += 2
                if sigmask > 127:
                    sigmask, at = read_varint64(buf, at, sigmask)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.flags = flags
        new.fown = fown
        new.sigmask = sigmask
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or flags is None or fown is None or sigmask is None:
            require(new, begin)
        return new
