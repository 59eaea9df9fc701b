"""Generated from proto/ipc-msg.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from crtools.images.messages.ipc_desc import IpcDescEntry

_length_1 = field(1, "length")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint64_1 = field(1, "uint64")


class IpcMsg(Message):
    """The message ipc_msg."""

    __slots__ = (
        "mtype",
        "msize",
    )

    NAME = "ipc_msg"
    FIELDS = (
        (1, "mtype", "required", "uint64", None, None, None),
        (2, "msize", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        mtype: int,
        msize: int,
        unknown: bytes = b"",
    ) -> None:
        self.mtype = mtype
        self.msize = msize
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.mtype],
                    _uint32_2[self.msize],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        mtype: Any = None
        msize: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                mtype = buf[at + 1]
                at += 2
                if mtype > 127:
                    mtype, at = read_varint64(buf, at, mtype)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                msize = buf[at + 1]
                at += 2
                if msize > 127:
                    msize, at = read_varint32(buf, at, msize)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.mtype = mtype
        new.msize = msize
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if mtype is None or msize is None:
            require(new, begin)
        return new


class IpcMsgEntry(Message):
    """The message ipc_msg_entry."""

    __slots__ = (
        "desc",
        "qbytes",
        "qnum",
    )

    NAME = "ipc_msg_entry"
    FIELDS = (
        (1, "desc", "required", "message", "ipc_desc:IpcDescEntry", None, None),
        (2, "qbytes", "required", "uint32", None, None, None),
        (3, "qnum", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        desc: IpcDescEntry,
        qbytes: int,
        qnum: int,
        unknown: bytes = b"",
    ) -> None:
        self.desc = desc
        self.qbytes = qbytes
        self.qnum = qnum
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.desc.encode())] + b,
                    _uint32_2[self.qbytes],
                    _uint32_3[self.qnum],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        desc: Any = None
        qbytes: Any = None
        qnum: Any = None
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
                qbytes = buf[at + 1]
                at += 2
                if qbytes > 127:
                    qbytes, at = read_varint32(buf, at, qbytes)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                qnum = buf[at + 1]
                at += 2
                if qnum > 127:
                    qnum, at = read_varint32(buf, at, qnum)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.desc = desc
        new.qbytes = qbytes
        new.qnum = qnum
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if desc is None or qbytes is None or qnum is None:
            require(new, begin)
        return new
