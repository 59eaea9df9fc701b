"""Generated from proto/binfmt-misc.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_int32,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_bool_2 = field(2, "bool")
_int32_8 = field(8, "int32")
_length_1 = field(1, "length")
_length_3 = field(3, "length")
_length_4 = field(4, "length")
_length_5 = field(5, "length")
_length_6 = field(6, "length")
_length_7 = field(7, "length")


class BinfmtMiscEntry(Message):
    """The message binfmt_misc_entry."""

    __slots__ = (
        "name",
        "enabled",
        "interpreter",
        "flags",
        "extension",
        "magic",
        "mask",
        "offset",
    )

    NAME = "binfmt_misc_entry"
    FIELDS = (
        (1, "name", "required", "string", None, None, None),
        (2, "enabled", "required", "bool", None, None, None),
        (3, "interpreter", "required", "string", None, None, None),
        (4, "flags", "optional", "string", None, None, None),
        (5, "extension", "optional", "string", None, None, None),
        (6, "magic", "optional", "string", None, None, None),
        (7, "mask", "optional", "string", None, None, None),
        (8, "offset", "optional", "int32", None, None, None),
    )

    def __init__(
        self,
        *,
        name: str,
        enabled: bool,
        interpreter: str,
        flags: str | None = None,
        extension: str | None = None,
        magic: str | None = None,
        mask: str | None = None,
        offset: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.name = name
        self.enabled = enabled
        self.interpreter = interpreter
        self.flags = flags
        self.extension = extension
        self.magic = magic
        self.mask = mask
        self.offset = offset
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.name.encode("utf-8", "surrogateescape"))] + b,
                    _bool_2[self.enabled],
                    _length_3[len(b := self.interpreter.encode("utf-8", "surrogateescape"))] + b,
                    b""
                    if self.flags is None
                    else _length_4[len(b := self.flags.encode("utf-8", "surrogateescape"))] + b,
                    b""
                    if self.extension is None
                    else _length_5[len(b := self.extension.encode("utf-8", "surrogateescape"))] + b,
                    b""
                    if self.magic is None
                    else _length_6[len(b := self.magic.encode("utf-8", "surrogateescape"))] + b,
                    b""
                    if self.mask is None
                    else _length_7[len(b := self.mask.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.offset is None else _int32_8[self.offset],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        name: Any = None
        enabled: Any = None
        interpreter: Any = None
        flags: Any = None
        extension: Any = None
        magic: Any = None
        mask: Any = None
        offset: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                name = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 16:
                enabled = buf[at + 1]
                at += 2
                if enabled > 1:
                    enabled, at = read_bool(buf, at, enabled)
                else:
                    enabled = enabled == 1
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                interpreter = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 34:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                flags = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 42:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                extension = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 50:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                magic = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 58:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                mask = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 64:
                offset = buf[at + 1]
                at += 2
                if offset > 127:
                    offset, at = read_int32(buf, at, offset)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.name = name
        new.enabled = enabled
        new.interpreter = interpreter
        new.flags = flags
        new.extension = extension
        new.magic = magic
        new.mask = mask
        new.offset = offset
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if name is None or enabled is None or interpreter is None:
            require(new, begin)
        return new
