"""Generated from proto/bpfmap-data.proto by tools/generate_messages.py: do not edit."""

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


class BpfmapDataEntry(Message):
    """The message bpfmap_data_entry."""

    __slots__ = (
        "map_id",
        "keys_bytes",
        "values_bytes",
        "count",
    )

    NAME = "bpfmap_data_entry"
    FIELDS = (
        (1, "map_id", "required", "uint32", None, None, None),
        (2, "keys_bytes", "required", "uint32", None, None, None),
        (3, "values_bytes", "required", "uint32", None, None, None),
        (4, "count", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        map_id: int,
        keys_bytes: int,
        values_bytes: int,
        count: int,
        unknown: bytes = b"",
    ) -> None:
        self.map_id = map_id
        self.keys_bytes = keys_bytes
        self.values_bytes = values_bytes
        self.count = count
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.map_id],
                    _uint32_2[self.keys_bytes],
                    _uint32_3[self.values_bytes],
                    _uint32_4[self.count],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        map_id: Any = None
        keys_bytes: Any = None
        values_bytes: Any = None
        count: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                map_id = buf[at + 1]
                at += 2
                if map_id > 127:
                    map_id, at = read_varint32(buf, at, map_id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                keys_bytes = buf[at + 1]
                at += 2
                if keys_bytes > 127:
                    keys_bytes, at = read_varint32(buf, at, keys_bytes)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                values_bytes = buf[at + 1]
                at += 2
                if values_bytes > 127:
                    values_bytes, at = read_varint32(buf, at, values_bytes)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                count = buf[at + 1]
                at += 2
                if count > 127:
                    count, at = read_varint32(buf, at, count)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.map_id = map_id
        new.keys_bytes = keys_bytes
        new.values_bytes = values_bytes
        new.count = count
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if map_id is None or keys_bytes is None or values_bytes is None or count is None:
            require(new, begin)
        return new
