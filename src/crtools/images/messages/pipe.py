"""Generated from proto/pipe.proto by tools/generate_messages.py: do not edit."""

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

_length_4 = field(4, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")


class PipeEntry(Message):
    """One end of a pipe; equal `pipe_id`, same pipe."""

    __slots__ = (
        "id",
        "pipe_id",
        "flags",
        "fown",
    )

    NAME = "pipe_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "pipe_id", "required", "uint32", None, None, None),
        (3, "flags", "required", "uint32", None, None, "hex"),
        (4, "fown", "required", "message", "fown:FownEntry", None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        pipe_id: int,
        flags: int,
        fown: FownEntry,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.pipe_id = pipe_id
        self.flags = flags
        self.fown = fown
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.pipe_id],
                    _uint32_3[self.flags],
                    _length_4[len(b := self.fown.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        pipe_id: Any = None
        flags: Any = None
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
            if tag == 16:
                pipe_id = buf[at + 1]
                at += 2
                if pipe_id > 127:
                    pipe_id, at = read_varint32(buf, at, pipe_id)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 34:
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
        new.pipe_id = pipe_id
        new.flags = flags
        new.fown = fown
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or pipe_id is None or flags is None or fown is None:
            require(new, begin)
        return new
