"""Generated from proto/crtools_packet.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_bool_7 = field(7, "bool")
_length_3 = field(3, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_6 = field(6, "uint64")


class CrtoolsPacketSpan(Message):
    """Bytes of the mapped rings, the receiving one first, that are not all zero."""

    __slots__ = (
        "offset",
        "length",
    )

    NAME = "crtools_packet_span"
    FIELDS = (
        (1, "offset", "required", "uint64", None, None, None),
        (2, "length", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        offset: int,
        length: int,
        unknown: bytes = b"",
    ) -> None:
        self.offset = offset
        self.length = length
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.offset],
                    _uint32_2[self.length],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        offset: Any = None
        length: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                offset = buf[at + 1]
                at += 2
                if offset > 127:
                    offset, at = read_varint64(buf, at, offset)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                length = buf[at + 1]
                at += 2
                if length > 127:
                    length, at = read_varint32(buf, at, length)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.offset = offset
        new.length = length
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if offset is None or length is None:
            require(new, begin)
        return new


class CrtoolsPacketEntry(Message):
    """The message crtools_packet_entry."""

    __slots__ = (
        "id",
        "length",
        "spans",
        "rx_head",
        "tx_head",
        "sequence",
        "frozen",
        "filled",
        "last",
    )

    NAME = "crtools_packet_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "length", "required", "uint32", None, None, None),
        (3, "spans", "repeated", "message", "crtools_packet:CrtoolsPacketSpan", None, None),
        (4, "rx_head", "optional", "uint32", None, None, None),
        (5, "tx_head", "optional", "uint32", None, None, None),
        (6, "sequence", "optional", "uint64", None, None, None),
        (7, "frozen", "optional", "bool", None, None, None),
        (8, "filled", "optional", "uint32", None, None, None),
        (9, "last", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        length: int,
        spans: Sequence[CrtoolsPacketSpan] = (),
        rx_head: int | None = None,
        tx_head: int | None = None,
        sequence: int | None = None,
        frozen: bool | None = None,
        filled: int | None = None,
        last: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.length = length
        self.spans = spans
        self.rx_head = rx_head
        self.tx_head = tx_head
        self.sequence = sequence
        self.frozen = frozen
        self.filled = filled
        self.last = last
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.length],
                    *[_length_3[len(b)] + b for b in [m.encode() for m in self.spans]],
                    b"" if self.rx_head is None else _uint32_4[self.rx_head],
                    b"" if self.tx_head is None else _uint32_5[self.tx_head],
                    b"" if self.sequence is None else _uint64_6[self.sequence],
                    b"" if self.frozen is None else _bool_7[self.frozen],
                    b"" if self.filled is None else _uint32_8[self.filled],
                    b"" if self.last is None else _uint32_9[self.last],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        length: Any = None
        spans: Any = ()
        rx_head: Any = None
        tx_head: Any = None
        sequence: Any = None
        frozen: Any = None
        filled: Any = None
        last: Any = None
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
                length = buf[at + 1]
                at += 2
                if length > 127:
                    length, at = read_varint32(buf, at, length)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                spans = []
                while tag == 26:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    spans.append(CrtoolsPacketSpan.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 32:
                rx_head = buf[at + 1]
                at += 2
                if rx_head > 127:
                    rx_head, at = read_varint32(buf, at, rx_head)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                tx_head = buf[at + 1]
                at += 2
                if tx_head > 127:
                    tx_head, at = read_varint32(buf, at, tx_head)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                sequence = buf[at + 1]
                at += 2
                if sequence > 127:
                    sequence, at = read_varint64(buf, at, sequence)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                frozen = buf[at + 1]
                at += 2
                if frozen > 1:
                    frozen, at = read_bool(buf, at, frozen)
                else:
                    frozen = frozen == 1
                tag = buf[at] if at < stop else 0
            if tag == 64:
                filled = buf[at + 1]
                at += 2
                if filled > 127:
                    filled, at = read_varint32(buf, at, filled)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                last = buf[at + 1]
                at += 2
                if last > 127:
                    last, at = read_varint32(buf, at, last)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.length = length
        new.spans = spans
        new.rx_head = rx_head
        new.tx_head = tx_head
        new.sequence = sequence
        new.frozen = frozen
        new.filled = filled
        new.last = last
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or length is None:
            require(new, begin)
        return new
