"""Generated from proto/ipc-shm.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from crtools.images.messages.ipc_desc import IpcDescEntry

_bool_3 = field(3, "bool")
_length_1 = field(1, "length")
_uint32_4 = field(4, "uint32")
_uint64_2 = field(2, "uint64")


class IpcShmEntry(Message):
    """The message ipc_shm_entry."""

    __slots__ = (
        "desc",
        "size",
        "in_pagemaps",
        "hugetlb_flag",
    )

    NAME = "ipc_shm_entry"
    FIELDS = (
        (1, "desc", "required", "message", "ipc_desc:IpcDescEntry", None, None),
        (2, "size", "required", "uint64", None, None, None),
        (3, "in_pagemaps", "optional", "bool", None, None, None),
        (4, "hugetlb_flag", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        desc: IpcDescEntry,
        size: int,
        in_pagemaps: bool | None = None,
        hugetlb_flag: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.desc = desc
        self.size = size
        self.in_pagemaps = in_pagemaps
        self.hugetlb_flag = hugetlb_flag
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.desc.encode())] + b,
                    _uint64_2[self.size],
                    b"" if self.in_pagemaps is None else _bool_3[self.in_pagemaps],
                    b"" if self.hugetlb_flag is None else _uint32_4[self.hugetlb_flag],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        desc: Any = None
        size: Any = None
        in_pagemaps: Any = None
        hugetlb_flag: Any = None
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
                size = buf[at + 1]
                at += 2
                if size > 127:
                    size, at = read_varint64(buf, at, size)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                in_pagemaps = buf[at + 1]
                at += 2
                if in_pagemaps > 1:
                    in_pagemaps, at = read_bool(buf, at, in_pagemaps)
                else:
                    in_pagemaps = in_pagemaps == 1
                tag = buf[at] if at < stop else 0
            if tag == 32:
                hugetlb_flag = buf[at + 1]
                at += 2
                if hugetlb_flag > 127:
                    hugetlb_flag, at = read_varint32(buf, at, hugetlb_flag)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.desc = desc
        new.size = size
        new.in_pagemaps = in_pagemaps
        new.hugetlb_flag = hugetlb_flag
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if desc is None or size is None:
            require(new, begin)
        return new
