"""Generated from proto/fifo.proto by tools/generate_messages.py: do not edit."""

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


class FifoEntry(Message):
    """An open named pipe; `regf_id` is its path as a regular file."""

    __slots__ = (
        "id",
        "pipe_id",
        "regf_id",
    )

    NAME = "fifo_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "pipe_id", "required", "uint32", None, None, None),
        (3, "regf_id", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        pipe_id: int,
        regf_id: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.pipe_id = pipe_id
        self.regf_id = regf_id
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.pipe_id],
                    b"" if self.regf_id is None else _uint32_3[self.regf_id],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        pipe_id: Any = None
        regf_id: Any = None
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
                regf_id = buf[at + 1]
                at += 2
                if regf_id > 127:
                    regf_id, at = read_varint32(buf, at, regf_id)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.pipe_id = pipe_id
        new.regf_id = regf_id
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or pipe_id is None:
            require(new, begin)
        return new
