"""Generated from proto/utsns.proto by tools/generate_messages.py: do not edit."""

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

_length_1 = field(1, "length")
_length_2 = field(2, "length")


class UtsnsEntry(Message):
    """The message utsns_entry."""

    __slots__ = (
        "nodename",
        "domainname",
    )

    NAME = "utsns_entry"
    FIELDS = (
        (1, "nodename", "required", "string", None, None, None),
        (2, "domainname", "required", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        nodename: str,
        domainname: str,
        unknown: bytes = b"",
    ) -> None:
        self.nodename = nodename
        self.domainname = domainname
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.nodename.encode("utf-8", "surrogateescape"))] + b,
                    _length_2[len(b := self.domainname.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        nodename: Any = None
        domainname: Any = None
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
                nodename = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                domainname = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.nodename = nodename
        new.domainname = domainname
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if nodename is None or domainname is None:
            require(new, begin)
        return new
