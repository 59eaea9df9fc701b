"""Generated from proto/ipc-sem.proto by tools/generate_messages.py: do not edit."""

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

    from crtools.images.messages.ipc_desc import IpcDescEntry

_length_1 = field(1, "length")
_uint32_2 = field(2, "uint32")


class IpcSemEntry(Message):
    """The message ipc_sem_entry."""

    __slots__ = (
        "desc",
        "nsems",
    )

    NAME = "ipc_sem_entry"
    FIELDS = (
        (1, "desc", "required", "message", "ipc_desc:IpcDescEntry", None, None),
        (2, "nsems", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        desc: IpcDescEntry,
        nsems: int,
        unknown: bytes = b"",
    ) -> None:
        self.desc = desc
        self.nsems = nsems
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.desc.encode())] + b,
                    _uint32_2[self.nsems],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        desc: Any = None
        nsems: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                from crtools.images.messages.ipc_desc import IpcDescEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                desc = IpcDescEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                nsems = buf[at + 1]
                at += 2
                if nsems > 127:
                    nsems, at = read_varint32(buf, at, nsems)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.desc = desc
        new.nsems = nsems
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if desc is None or nsems is None:
            require(new, begin)
        return new
