"""Generated from proto/sk-packet.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_run,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_length_4 = field(4, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")


class ScmEntry(Message):
    """The message scm_entry."""

    __slots__ = (
        "type",
        "rights",
    )

    NAME = "scm_entry"
    FIELDS = (
        (1, "type", "required", "uint32", None, None, None),
        (2, "rights", "repeated", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        type: int,
        rights: Sequence[int] = (),
        unknown: bytes = b"",
    ) -> None:
        self.type = type
        self.rights = rights
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.type],
                    *map(_uint32_2.__getitem__, self.rights),
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        type: Any = None
        rights: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                type = buf[at + 1]
                at += 2
                if type > 127:
                    type, at = read_varint32(buf, at, type)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                rights, at = read_run(buf, at, stop, b"\x10", "uint32")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.type = type
        new.rights = rights
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if type is None:
            require(new, begin)
        return new


class SkPacketEntry(Message):
    """The message sk_packet_entry."""

    __slots__ = (
        "id_for",
        "length",
        "scm",
    )

    NAME = "sk_packet_entry"
    FIELDS = (
        (1, "id_for", "required", "uint32", None, None, None),
        (2, "length", "required", "uint32", None, None, None),
        (4, "scm", "repeated", "message", "sk_packet:ScmEntry", None, None),
    )

    def __init__(
        self,
        *,
        id_for: int,
        length: int,
        scm: Sequence[ScmEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.id_for = id_for
        self.length = length
        self.scm = scm
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id_for],
                    _uint32_2[self.length],
                    *[_length_4[len(b)] + b for b in [m.encode() for m in self.scm]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id_for: Any = None
        length: Any = None
        scm: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                id_for = buf[at + 1]
                at += 2
                if id_for > 127:
                    id_for, at = read_varint32(buf, at, id_for)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                length = buf[at + 1]
                at += 2
                if length > 127:
                    length, at = read_varint32(buf, at, length)
                tag = buf[at] if at < stop else 0
            if tag == 34:
                scm = []
                while tag == 34:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    scm.append(ScmEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id_for = id_for
        new.length = length
        new.scm = scm
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id_for is None or length is None:
            require(new, begin)
        return new
