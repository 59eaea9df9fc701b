"""Generated from proto/sysctl.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_int32,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self

_enum_1 = field(1, "enum")
_int32_2 = field(2, "int32")
_length_3 = field(3, "length")


class SysctlType:
    """Values of the enum SysctlType."""

    CTL_STR = 5
    CTL_32 = 6

    NAMES: ClassVar[dict[int, str]] = {
        5: "CTL_STR",
        6: "CTL_32",
    }


class SysctlEntry(Message):
    """The message sysctl_entry."""

    __slots__ = (
        "type",
        "iarg",
        "sarg",
    )

    NAME = "sysctl_entry"
    FIELDS = (
        (1, "type", "required", "enum", "sysctl:SysctlType", None, None),
        (2, "iarg", "optional", "int32", None, None, None),
        (3, "sarg", "optional", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        type: int,
        iarg: int | None = None,
        sarg: str | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.type = type
        self.iarg = iarg
        self.sarg = sarg
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _enum_1[self.type],
                    b"" if self.iarg is None else _int32_2[self.iarg],
                    b""
                    if self.sarg is None
                    else _length_3[len(b := self.sarg.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        type: Any = None
        iarg: Any = None
        sarg: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                type = buf[at + 1]
                at += 2
                if type > 127:
                    type, at = read_int32(buf, at, type)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                iarg = buf[at + 1]
                at += 2
                if iarg > 127:
                    iarg, at = read_int32(buf, at, iarg)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                sarg = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.type = type
        new.iarg = iarg
        new.sarg = sarg
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if type is None:
            require(new, begin)
        return new
