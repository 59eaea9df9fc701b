"""Generated from proto/crtools_autofs.proto by tools/generate_messages.py: do not edit."""

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
_uint32_1 = field(1, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")


class CrtoolsAutofsEntry(Message):
    """The message crtools_autofs_entry."""

    __slots__ = (
        "pipe_id",
        "mountpoint",
        "pid",
        "pgrp",
    )

    NAME = "crtools_autofs_entry"
    FIELDS = (
        (1, "pipe_id", "required", "uint32", None, None, None),
        (2, "mountpoint", "required", "bytes", None, None, None),
        (3, "pid", "required", "uint32", None, None, None),
        (4, "pgrp", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        pipe_id: int,
        mountpoint: bytes,
        pid: int,
        pgrp: int,
        unknown: bytes = b"",
    ) -> None:
        self.pipe_id = pipe_id
        self.mountpoint = mountpoint
        self.pid = pid
        self.pgrp = pgrp
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.pipe_id],
                    _length_2[len(b := self.mountpoint)] + b,
                    _uint32_3[self.pid],
                    _uint32_4[self.pgrp],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        pipe_id: Any = None
        mountpoint: Any = None
        pid: Any = None
        pgrp: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                pipe_id = buf[at + 1]
                at += 2
                if pipe_id > 127:
                    pipe_id, at = read_varint32(buf, at, pipe_id)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                mountpoint = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 24:
                pid = buf[at + 1]
                at += 2
                if pid > 127:
                    pid, at = read_varint32(buf, at, pid)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                pgrp = buf[at + 1]
                at += 2
                if pgrp > 127:
                    pgrp, at = read_varint32(buf, at, pgrp)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.pipe_id = pipe_id
        new.mountpoint = mountpoint
        new.pid = pid
        new.pgrp = pgrp
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if pipe_id is None or mountpoint is None or pid is None or pgrp is None:
            require(new, begin)
        return new
