"""Generated from proto/autofs.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_int32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_int32_1 = field(1, "int32")
_int32_2 = field(2, "int32")
_int32_3 = field(3, "int32")
_int32_4 = field(4, "int32")
_int32_5 = field(5, "int32")
_int32_6 = field(6, "int32")
_int32_7 = field(7, "int32")
_int32_8 = field(8, "int32")
_int32_9 = field(9, "int32")


class AutofsEntry(Message):
    """The message autofs_entry."""

    __slots__ = (
        "fd",
        "pgrp",
        "timeout",
        "minproto",
        "maxproto",
        "mode",
        "uid",
        "gid",
        "read_fd",
    )

    NAME = "autofs_entry"
    FIELDS = (
        (1, "fd", "required", "int32", None, None, None),
        (2, "pgrp", "required", "int32", None, None, None),
        (3, "timeout", "required", "int32", None, None, None),
        (4, "minproto", "required", "int32", None, None, None),
        (5, "maxproto", "required", "int32", None, None, None),
        (6, "mode", "required", "int32", None, None, None),
        (7, "uid", "optional", "int32", None, None, None),
        (8, "gid", "optional", "int32", None, None, None),
        (9, "read_fd", "optional", "int32", None, None, None),
    )

    def __init__(
        self,
        *,
        fd: int,
        pgrp: int,
        timeout: int,
        minproto: int,
        maxproto: int,
        mode: int,
        uid: int | None = None,
        gid: int | None = None,
        read_fd: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.fd = fd
        self.pgrp = pgrp
        self.timeout = timeout
        self.minproto = minproto
        self.maxproto = maxproto
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.read_fd = read_fd
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _int32_1[self.fd],
                    _int32_2[self.pgrp],
                    _int32_3[self.timeout],
                    _int32_4[self.minproto],
                    _int32_5[self.maxproto],
                    _int32_6[self.mode],
                    b"" if self.uid is None else _int32_7[self.uid],
                    b"" if self.gid is None else _int32_8[self.gid],
                    b"" if self.read_fd is None else _int32_9[self.read_fd],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        fd: Any = None
        pgrp: Any = None
        timeout: Any = None
        minproto: Any = None
        maxproto: Any = None
        mode: Any = None
        uid: Any = None
        gid: Any = None
        read_fd: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                fd = buf[at + 1]
                at += 2
                if fd > 127:
                    fd, at = read_int32(buf, at, fd)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                pgrp = buf[at + 1]
                at += 2
                if pgrp > 127:
                    pgrp, at = read_int32(buf, at, pgrp)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                timeout = buf[at + 1]
                at += 2
                if timeout > 127:
                    timeout, at = read_int32(buf, at, timeout)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                minproto = buf[at + 1]
                at += 2
                if minproto > 127:
                    minproto, at = read_int32(buf, at, minproto)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                maxproto = buf[at + 1]
                at += 2
                if maxproto > 127:
                    maxproto, at = read_int32(buf, at, maxproto)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                mode = buf[at + 1]
                at += 2
                if mode > 127:
                    mode, at = read_int32(buf, at, mode)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                uid = buf[at + 1]
                at += 2
                if uid > 127:
                    uid, at = read_int32(buf, at, uid)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                gid = buf[at + 1]
                at += 2
                if gid > 127:
                    gid, at = read_int32(buf, at, gid)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                read_fd = buf[at + 1]
                at += 2
                if read_fd > 127:
                    read_fd, at = read_int32(buf, at, read_fd)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.fd = fd
        new.pgrp = pgrp
        new.timeout = timeout
        new.minproto = minproto
        new.maxproto = maxproto
        new.mode = mode
        new.uid = uid
        new.gid = gid
        new.read_fd = read_fd
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            fd is None
            or pgrp is None
            or timeout is None
            or minproto is None
            or maxproto is None
            or mode is None
        ):
            require(new, begin)
        return new
