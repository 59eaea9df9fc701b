"""Generated from proto/file-lock.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_int32,
    read_int64,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_int32_3 = field(3, "int32")
_int32_4 = field(4, "int32")
_int64_5 = field(5, "int64")
_int64_6 = field(6, "int64")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")


class FileLockEntry(Message):
    """The message file_lock_entry."""

    __slots__ = (
        "flag",
        "type",
        "pid",
        "fd",
        "start",
        "len",
    )

    NAME = "file_lock_entry"
    FIELDS = (
        (1, "flag", "required", "uint32", None, None, None),
        (2, "type", "required", "uint32", None, None, None),
        (3, "pid", "required", "int32", None, None, None),
        (4, "fd", "required", "int32", None, None, None),
        (5, "start", "required", "int64", None, None, None),
        (6, "len", "required", "int64", None, None, None),
    )

    def __init__(
        self,
        *,
        flag: int,
        type: int,
        pid: int,
        fd: int,
        start: int,
        len: int,
        unknown: bytes = b"",
    ) -> None:
        self.flag = flag
        self.type = type
        self.pid = pid
        self.fd = fd
        self.start = start
        self.len = len
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.flag],
                    _uint32_2[self.type],
                    _int32_3[self.pid],
                    _int32_4[self.fd],
                    _int64_5[self.start],
                    _int64_6[self.len],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        flag: Any = None
        type: Any = None
        pid: Any = None
        fd: Any = None
        start: Any = None
        len: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                flag = buf[at + 1]
                at += 2
                if flag > 127:
                    flag, at = read_varint32(buf, at, flag)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                type = buf[at + 1]
                at += 2
                if type > 127:
                    type, at = read_varint32(buf, at, type)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                pid = buf[at + 1]
                at += 2
                if pid > 127:
                    pid, at = read_int32(buf, at, pid)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                fd = buf[at + 1]
                at += 2
                if fd > 127:
                    fd, at = read_int32(buf, at, fd)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                start = buf[at + 1]
                at += 2
                if start > 127:
                    start, at = read_int64(buf, at, start)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                len = buf[at + 1]
                at += 2
                if len > 127:
                    len, at = read_int64(buf, at, len)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.flag = flag
        new.type = type
        new.pid = pid
        new.fd = fd
        new.start = start
        new.len = len
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            flag is None
            or type is None
            or pid is None
            or fd is None
            or start is None
            or len is None
        ):
            require(new, begin)
        return new
