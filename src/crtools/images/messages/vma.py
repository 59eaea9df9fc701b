"""Generated from proto/vma.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_sint64,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_sint64_8 = field(8, "sint64")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_10 = field(10, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")
_uint64_3 = field(3, "uint64")
_uint64_4 = field(4, "uint64")
_uint64_9 = field(9, "uint64")


class VmaEntry(Message):
    """One mapping of /proc/PID/maps."""

    __slots__ = (
        "start",
        "end",
        "pgoff",
        "shmid",
        "prot",
        "flags",
        "status",
        "fd",
        "madv",
        "fdflags",
    )

    NAME = "vma_entry"
    FIELDS = (
        (1, "start", "required", "uint64", None, None, "hex"),
        (2, "end", "required", "uint64", None, None, "hex"),
        (3, "pgoff", "required", "uint64", None, None, None),
        (4, "shmid", "required", "uint64", None, None, None),
        (5, "prot", "required", "uint32", None, None, "mmap.prot"),
        (6, "flags", "required", "uint32", None, None, "mmap.flags"),
        (7, "status", "required", "uint32", None, None, "vma.status"),
        (8, "fd", "required", "sint64", None, None, None),
        (9, "madv", "optional", "uint64", None, None, "hex"),
        (10, "fdflags", "optional", "uint32", None, None, "hex"),
    )

    def __init__(
        self,
        *,
        start: int,
        end: int,
        pgoff: int,
        shmid: int,
        prot: int,
        flags: int,
        status: int,
        fd: int,
        madv: int | None = None,
        fdflags: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.start = start
        self.end = end
        self.pgoff = pgoff
        self.shmid = shmid
        self.prot = prot
        self.flags = flags
        self.status = status
        self.fd = fd
        self.madv = madv
        self.fdflags = fdflags
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.start],
                    _uint64_2[self.end],
                    _uint64_3[self.pgoff],
                    _uint64_4[self.shmid],
                    _uint32_5[self.prot],
                    _uint32_6[self.flags],
                    _uint32_7[self.status],
                    _sint64_8[self.fd],
                    b"" if self.madv is None else _uint64_9[self.madv],
                    b"" if self.fdflags is None else _uint32_10[self.fdflags],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        start: Any = None
        end: Any = None
        pgoff: Any = None
        shmid: Any = None
        prot: Any = None
        flags: Any = None
        status: Any = None
        fd: Any = None
        madv: Any = None
        fdflags: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                start = buf[at + 1]
                at += 2
                if start > 127:
                    start, at = read_varint64(buf, at, start)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                end = buf[at + 1]
                at += 2
                if end > 127:
                    end, at = read_varint64(buf, at, end)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                pgoff = buf[at + 1]
                at += 2
                if pgoff > 127:
                    pgoff, at = read_varint64(buf, at, pgoff)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                shmid = buf[at + 1]
                at += 2
                if shmid > 127:
                    shmid, at = read_varint64(buf, at, shmid)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                prot = buf[at + 1]
                at += 2
                if prot > 127:
                    prot, at = read_varint32(buf, at, prot)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                status = buf[at + 1]
                at += 2
                if status > 127:
                    status, at = read_varint32(buf, at, status)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                fd = buf[at + 1]
                at += 2
                if fd > 127:
                    fd, at = read_sint64(buf, at, fd)
                else:
                    fd = fd >> 1 ^ -(fd & 1)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                madv = buf[at + 1]
                at += 2
                if madv > 127:
                    madv, at = read_varint64(buf, at, madv)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                fdflags = buf[at + 1]
                at += 2
                if fdflags > 127:
                    fdflags, at = read_varint32(buf, at, fdflags)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.start = start
        new.end = end
        new.pgoff = pgoff
        new.shmid = shmid
        new.prot = prot
        new.flags = flags
        new.status = status
        new.fd = fd
        new.madv = madv
        new.fdflags = fdflags
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            start is None
            or end is None
            or pgoff is None
            or shmid is None
            or prot is None
            or flags is None
            or status is None
            or fd is None
        ):
            require(new, begin)
        return new
