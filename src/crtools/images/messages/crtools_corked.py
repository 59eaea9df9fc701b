"""Generated from proto/crtools_corked.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_bool_9 = field(9, "bool")
_length_2 = field(2, "length")
_length_3 = field(3, "length")
_length_5 = field(5, "length")
_length_6 = field(6, "length")
_uint32_1 = field(1, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_10 = field(10, "uint32")
_uint32_11 = field(11, "uint32")


class CrtoolsCorkedEntry(Message):
    """The message crtools_corked_entry."""

    __slots__ = (
        "id",
        "data",
        "destination",
        "port",
        "source",
        "device",
        "ttl",
        "tos",
        "dontfrag",
        "segment",
        "mark",
    )

    NAME = "crtools_corked_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "data", "required", "bytes", None, None, None),
        (3, "destination", "required", "bytes", None, None, None),
        (4, "port", "required", "uint32", None, None, None),
        (5, "source", "optional", "bytes", None, None, None),
        (6, "device", "optional", "string", None, None, None),
        (7, "ttl", "optional", "uint32", None, None, None),
        (8, "tos", "optional", "uint32", None, None, None),
        (9, "dontfrag", "optional", "bool", None, None, None),
        (10, "segment", "optional", "uint32", None, None, None),
        (11, "mark", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        data: bytes,
        destination: bytes,
        port: int,
        source: bytes | None = None,
        device: str | None = None,
        ttl: int | None = None,
        tos: int | None = None,
        dontfrag: bool | None = None,
        segment: int | None = None,
        mark: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.data = data
        self.destination = destination
        self.port = port
        self.source = source
        self.device = device
        self.ttl = ttl
        self.tos = tos
        self.dontfrag = dontfrag
        self.segment = segment
        self.mark = mark
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _length_2[len(b := self.data)] + b,
                    _length_3[len(b := self.destination)] + b,
                    _uint32_4[self.port],
                    b"" if self.source is None else _length_5[len(b := self.source)] + b,
                    b""
                    if self.device is None
                    else _length_6[len(b := self.device.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.ttl is None else _uint32_7[self.ttl],
                    b"" if self.tos is None else _uint32_8[self.tos],
                    b"" if self.dontfrag is None else _bool_9[self.dontfrag],
                    b"" if self.segment is None else _uint32_10[self.segment],
                    b"" if self.mark is None else _uint32_11[self.mark],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        data: Any = None
        destination: Any = None
        port: Any = None
        source: Any = None
        device: Any = None
        ttl: Any = None
        tos: Any = None
        dontfrag: Any = None
        segment: Any = None
        mark: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                id = buf[at + 1]
                at += 2
                if id > 127:
                    id, at = read_varint32(buf, at, id)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                data = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                destination = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 32:
                port = buf[at + 1]
                at += 2
                if port > 127:
                    port, at = read_varint32(buf, at, port)
                tag = buf[at] if at < stop else 0
            if tag == 42:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                source = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 50:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                device = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 56:
                ttl = buf[at + 1]
                at += 2
                if ttl > 127:
                    ttl, at = read_varint32(buf, at, ttl)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                tos = buf[at + 1]
                at += 2
                if tos > 127:
                    tos, at = read_varint32(buf, at, tos)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                dontfrag = buf[at + 1]
                at += 2
                if dontfrag > 1:
                    dontfrag, at = read_bool(buf, at, dontfrag)
                else:
                    dontfrag = dontfrag == 1
                tag = buf[at] if at < stop else 0
            if tag == 80:
                segment = buf[at + 1]
                at += 2
                if segment > 127:
                    segment, at = read_varint32(buf, at, segment)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                mark = buf[at + 1]
                at += 2
                if mark > 127:
                    mark, at = read_varint32(buf, at, mark)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.data = data
        new.destination = destination
        new.port = port
        new.source = source
        new.device = device
        new.ttl = ttl
        new.tos = tos
        new.dontfrag = dontfrag
        new.segment = segment
        new.mark = mark
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or data is None or destination is None or port is None:
            require(new, begin)
        return new
