"""Generated from proto/pipe-data.proto by tools/generate_messages.py: do not edit."""

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


class PipeDataEntry(Message):
    """What was in a pipe; `size` is its capacity (F_GETPIPE_SZ)."""

    __slots__ = (
        "pipe_id",
        "bytes",
        "size",
    )

    NAME = "pipe_data_entry"
    FIELDS = (
        (1, "pipe_id", "required", "uint32", None, None, None),
        (2, "bytes", "required", "uint32", None, None, None),
        (3, "size", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        pipe_id: int,
        bytes: int,
        size: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.pipe_id = pipe_id
        self.bytes = bytes
        self.size = size
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.pipe_id],
                    _uint32_2[self.bytes],
                    b"" if self.size is None else _uint32_3[self.size],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        pipe_id: Any = None
        bytes: Any = None
        size: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                pipe_id = buf[at + 1]
                at += 2
                if pipe_id > 127:
                    pipe_id, at = read_varint32(buf, at, pipe_id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                bytes = buf[at + 1]
                at += 2
                if bytes > 127:
                    bytes, at = read_varint32(buf, at, bytes)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                size = buf[at + 1]
                at += 2
                if size > 127:
                    size, at = read_varint32(buf, at, size)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.pipe_id = pipe_id
        new.bytes = bytes
        new.size = size
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if pipe_id is None or bytes is None:
            require(new, begin)
        return new
