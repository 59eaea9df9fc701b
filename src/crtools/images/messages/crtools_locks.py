"""Generated from proto/crtools_locks.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_int64,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_int64_5 = field(5, "int64")
_int64_6 = field(6, "int64")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")


class CrtoolsLeaseEntry(Message):
    """A lease that somebody is breaking: file_lock_entry has what it was."""

    __slots__ = (
        "id",
        "target",
    )

    NAME = "crtools_lease_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "target", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        target: int,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.target = target
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.target],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        target: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                id = buf[at + 1]
                at += 2
                if id > 127:
                    id, at = read_varint32(buf, at, id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                target = buf[at + 1]
                at += 2
                if target > 127:
                    target, at = read_varint32(buf, at, target)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.target = target
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or target is None:
            require(new, begin)
        return new


class CrtoolsMappedLockEntry(Message):
    """A lock of an open file that is mapped, and that no descriptor leads to any more."""

    __slots__ = (
        "pid",
        "file_id",
        "flag",
        "type",
        "start",
        "len",
    )

    NAME = "crtools_mapped_lock_entry"
    FIELDS = (
        (1, "pid", "required", "uint32", None, None, None),
        (2, "file_id", "required", "uint32", None, None, None),
        (3, "flag", "required", "uint32", None, None, None),
        (4, "type", "required", "uint32", None, None, None),
        (5, "start", "required", "int64", None, None, None),
        (6, "len", "required", "int64", None, None, None),
    )

    def __init__(
        self,
        *,
        pid: int,
        file_id: int,
        flag: int,
        type: int,
        start: int,
        len: int,
        unknown: bytes = b"",
    ) -> None:
        self.pid = pid
        self.file_id = file_id
        self.flag = flag
        self.type = type
        self.start = start
        self.len = len
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.pid],
                    _uint32_2[self.file_id],
                    _uint32_3[self.flag],
                    _uint32_4[self.type],
                    _int64_5[self.start],
                    _int64_6[self.len],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        pid: Any = None
        file_id: Any = None
        flag: Any = None
        type: Any = None
        start: Any = None
        len: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                pid = buf[at + 1]
                at += 2
                if pid > 127:
                    pid, at = read_varint32(buf, at, pid)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                file_id = buf[at + 1]
                at += 2
                if file_id > 127:
                    file_id, at = read_varint32(buf, at, file_id)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                flag = buf[at + 1]
                at += 2
                if flag > 127:
                    flag, at = read_varint32(buf, at, flag)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                type = buf[at + 1]
                at += 2
                if type > 127:
                    type, at = read_varint32(buf, at, type)
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
        new.pid = pid
        new.file_id = file_id
        new.flag = flag
        new.type = type
        new.start = start
        new.len = len
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            pid is None
            or file_id is None
            or flag is None
            or type is None
            or start is None
            or len is None
        ):
            require(new, begin)
        return new
