"""Generated from proto/crtools_namespace.proto by tools/generate_messages.py: do not edit."""

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

_length_2 = field(2, "length")
_length_4 = field(4, "length")
_uint32_1 = field(1, "uint32")
_uint32_3 = field(3, "uint32")


class CrtoolsNamespaceEntry(Message):
    """The message crtools_namespace_entry."""

    __slots__ = (
        "id",
        "kind",
        "pid",
        "path",
    )

    NAME = "crtools_namespace_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "kind", "required", "string", None, None, None),
        (3, "pid", "optional", "uint32", None, None, None),
        (4, "path", "optional", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        kind: str,
        pid: int | None = None,
        path: str | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.kind = kind
        self.pid = pid
        self.path = path
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _length_2[len(b := self.kind.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.pid is None else _uint32_3[self.pid],
                    b""
                    if self.path is None
                    else _length_4[len(b := self.path.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        kind: Any = None
        pid: Any = None
        path: Any = None
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
                kind = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 24:
                pid = buf[at + 1]
                at += 2
                if pid > 127:
                    pid, at = read_varint32(buf, at, pid)
                tag = buf[at] if at < stop else 0
            if tag == 34:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                path = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.kind = kind
        new.pid = pid
        new.path = path
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or kind is None:
            require(new, begin)
        return new
