"""Generated from proto/fown.proto by tools/generate_messages.py: do not edit."""

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


class FownEntry(Message):
    """The message fown_entry."""

    __slots__ = (
        "uid",
        "euid",
        "signum",
        "pid_type",
        "pid",
    )

    NAME = "fown_entry"
    FIELDS = (
        (1, "uid", "required", "uint32", None, None, None),
        (2, "euid", "required", "uint32", None, None, None),
        (3, "signum", "required", "uint32", None, None, None),
        (4, "pid_type", "required", "uint32", None, None, None),
        (5, "pid", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        uid: int,
        euid: int,
        signum: int,
        pid_type: int,
        pid: int,
        unknown: bytes = b"",
    ) -> None:
        self.uid = uid
        self.euid = euid
        self.signum = signum
        self.pid_type = pid_type
        self.pid = pid
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.uid],
                    _uint32_2[self.euid],
                    _uint32_3[self.signum],
                    _uint32_4[self.pid_type],
                    _uint32_5[self.pid],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        uid: Any = None
        euid: Any = None
        signum: Any = None
        pid_type: Any = None
        pid: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                uid = buf[at + 1]
                at += 2
                if uid > 127:
                    uid, at = read_varint32(buf, at, uid)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                euid = buf[at + 1]
                at += 2
                if euid > 127:
                    euid, at = read_varint32(buf, at, euid)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                signum = buf[at + 1]
                at += 2
                if signum > 127:
                    signum, at = read_varint32(buf, at, signum)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                pid_type = buf[at + 1]
                at += 2
                if pid_type > 127:
                    pid_type, at = read_varint32(buf, at, pid_type)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                pid = buf[at + 1]
                at += 2
                if pid > 127:
                    pid, at = read_varint32(buf, at, pid)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.uid = uid
        new.euid = euid
        new.signum = signum
        new.pid_type = pid_type
        new.pid = pid
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if uid is None or euid is None or signum is None or pid_type is None or pid is None:
            require(new, begin)
        return new
