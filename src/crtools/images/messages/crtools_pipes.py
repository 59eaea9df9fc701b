"""Generated from proto/crtools_pipes.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_run,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_bool_3 = field(3, "bool")
_sint32_2 = field(2, "sint32")
_uint32_1 = field(1, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")


class CrtoolsPipeEntry(Message):
    """The message crtools_pipe_entry."""

    __slots__ = (
        "pipe_id",
        "pieces",
        "external",
        "uid",
        "gid",
        "mode",
    )

    NAME = "crtools_pipe_entry"
    FIELDS = (
        (1, "pipe_id", "required", "uint32", None, None, None),
        (2, "pieces", "repeated", "sint32", None, None, None),
        (3, "external", "optional", "bool", None, None, None),
        (4, "uid", "optional", "uint32", None, None, None),
        (5, "gid", "optional", "uint32", None, None, None),
        (6, "mode", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        pipe_id: int,
        pieces: Sequence[int] = (),
        external: bool | None = None,
        uid: int | None = None,
        gid: int | None = None,
        mode: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.pipe_id = pipe_id
        self.pieces = pieces
        self.external = external
        self.uid = uid
        self.gid = gid
        self.mode = mode
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.pipe_id],
                    *map(_sint32_2.__getitem__, self.pieces),
                    b"" if self.external is None else _bool_3[self.external],
                    b"" if self.uid is None else _uint32_4[self.uid],
                    b"" if self.gid is None else _uint32_5[self.gid],
                    b"" if self.mode is None else _uint32_6[self.mode],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        pipe_id: Any = None
        pieces: Any = ()
        external: Any = None
        uid: Any = None
        gid: Any = None
        mode: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                pipe_id = buf[at + 1]
                at += 2
                if pipe_id > 127:
                    pipe_id, at = read_varint32(buf, at, pipe_id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                pieces, at = read_run(buf, at, stop, b"\x10", "sint32")
                tag = buf[at] if at < stop else 0
            if tag == 24:
                external = buf[at + 1]
                at += 2
                if external > 1:
                    external, at = read_bool(buf, at, external)
                else:
                    external = external == 1
                tag = buf[at] if at < stop else 0
            if tag == 32:
                uid = buf[at + 1]
                at += 2
                if uid > 127:
                    uid, at = read_varint32(buf, at, uid)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                gid = buf[at + 1]
                at += 2
                if gid > 127:
                    gid, at = read_varint32(buf, at, gid)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                mode = buf[at + 1]
                at += 2
                if mode > 127:
                    mode, at = read_varint32(buf, at, mode)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.pipe_id = pipe_id
        new.pieces = pieces
        new.external = external
        new.uid = uid
        new.gid = gid
        new.mode = mode
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if pipe_id is None:
            require(new, begin)
        return new
