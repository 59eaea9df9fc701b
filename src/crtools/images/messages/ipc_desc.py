"""Generated from proto/ipc-desc.proto by tools/generate_messages.py: do not edit."""

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

_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")


class IpcDescEntry(Message):
    """The message ipc_desc_entry."""

    __slots__ = (
        "key",
        "uid",
        "gid",
        "cuid",
        "cgid",
        "mode",
        "id",
    )

    NAME = "ipc_desc_entry"
    FIELDS = (
        (1, "key", "required", "uint32", None, None, None),
        (2, "uid", "required", "uint32", None, None, None),
        (3, "gid", "required", "uint32", None, None, None),
        (4, "cuid", "required", "uint32", None, None, None),
        (5, "cgid", "required", "uint32", None, None, None),
        (6, "mode", "required", "uint32", None, None, None),
        (7, "id", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        key: int,
        uid: int,
        gid: int,
        cuid: int,
        cgid: int,
        mode: int,
        id: int,
        unknown: bytes = b"",
    ) -> None:
        self.key = key
        self.uid = uid
        self.gid = gid
        self.cuid = cuid
        self.cgid = cgid
        self.mode = mode
        self.id = id
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.key],
                    _uint32_2[self.uid],
                    _uint32_3[self.gid],
                    _uint32_4[self.cuid],
                    _uint32_5[self.cgid],
                    _uint32_6[self.mode],
                    _uint32_7[self.id],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        key: Any = None
        uid: Any = None
        gid: Any = None
        cuid: Any = None
        cgid: Any = None
        mode: Any = None
        id: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                key = buf[at + 1]
                at += 2
                if key > 127:
                    key, at = read_varint32(buf, at, key)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                uid = buf[at + 1]
                at += 2
                if uid > 127:
                    uid, at = read_varint32(buf, at, uid)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                gid = buf[at + 1]
                at += 2
                if gid > 127:
                    gid, at = read_varint32(buf, at, gid)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                cuid = buf[at + 1]
                at += 2
                if cuid > 127:
                    cuid, at = read_varint32(buf, at, cuid)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                cgid = buf[at + 1]
                at += 2
                if cgid > 127:
                    cgid, at = read_varint32(buf, at, cgid)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                mode = buf[at + 1]
                at += 2
                if mode > 127:
                    mode, at = read_varint32(buf, at, mode)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                id = buf[at + 1]
                at += 2
                if id > 127:
                    id, at = read_varint32(buf, at, id)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.key = key
        new.uid = uid
        new.gid = gid
        new.cuid = cuid
        new.cgid = cgid
        new.mode = mode
        new.id = id
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            key is None
            or uid is None
            or gid is None
            or cuid is None
            or cgid is None
            or mode is None
            or id is None
        ):
            require(new, begin)
        return new
