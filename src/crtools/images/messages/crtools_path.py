"""Generated from proto/crtools_path.proto by tools/generate_messages.py: do not edit."""

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

    from crtools.images.messages.fh import FhEntry

_length_2 = field(2, "length")
_length_3 = field(3, "length")
_uint32_1 = field(1, "uint32")


class CrtoolsPathEntry(Message):
    """crtools-path.img: of an entry of files.img that is a path."""

    __slots__ = (
        "id",
        "handle",
        "below",
    )

    NAME = "crtools_path_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "handle", "optional", "message", "fh:FhEntry", None, None),
        (3, "below", "optional", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        handle: FhEntry | None = None,
        below: str | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.handle = handle
        self.below = below
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    b"" if self.handle is None else _length_2[len(b := self.handle.encode())] + b,
                    b""
                    if self.below is None
                    else _length_3[len(b := self.below.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        handle: Any = None
        below: Any = None
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
                from crtools.images.messages.fh import FhEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                handle = FhEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                below = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.handle = handle
        new.below = below
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None:
            require(new, begin)
        return new
