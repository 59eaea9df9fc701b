"""Generated from proto/memfd.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_varint32,
    read_varint64,
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from crtools.images.messages.fown import FownEntry

_length_1 = field(1, "length")
_length_4 = field(4, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint64_3 = field(3, "uint64")
_uint64_4 = field(4, "uint64")
_uint64_7 = field(7, "uint64")


class MemfdFileEntry(Message):
    """An open file of a memfd."""

    __slots__ = (
        "id",
        "flags",
        "pos",
        "fown",
        "inode_id",
    )

    NAME = "memfd_file_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "flags", "required", "uint32", None, None, "open.flags"),
        (3, "pos", "required", "uint64", None, None, None),
        (4, "fown", "required", "message", "fown:FownEntry", None, None),
        (5, "inode_id", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        flags: int,
        pos: int,
        fown: FownEntry,
        inode_id: int,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.flags = flags
        self.pos = pos
        self.fown = fown
        self.inode_id = inode_id
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.flags],
                    _uint64_3[self.pos],
                    _length_4[len(b := self.fown.encode())] + b,
                    _uint32_5[self.inode_id],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        flags: Any = None
        pos: Any = None
        fown: Any = None
        inode_id: Any = None
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
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                pos = buf[at + 1]
                at += 2
                if pos > 127:
                    pos, at = read_varint64(buf, at, pos)
                tag = buf[at] if at < stop else 0
            if tag == 34:
                from crtools.images.messages.fown import FownEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                fown = recall(FownEntry, buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                inode_id = buf[at + 1]
                at += 2
                if inode_id > 127:
                    inode_id, at = read_varint32(buf, at, inode_id)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.flags = flags
        new.pos = pos
        new.fown = fown
        new.inode_id = inode_id
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or flags is None or pos is None or fown is None or inode_id is None:
            require(new, begin)
        return new


class MemfdInodeEntry(Message):
    """The memory behind a memfd; its pages are in pagemap-shmem-`shmid`.img."""

    __slots__ = (
        "name",
        "uid",
        "gid",
        "size",
        "shmid",
        "seals",
        "inode_id",
        "hugetlb_flag",
        "mode",
    )

    NAME = "memfd_inode_entry"
    FIELDS = (
        (1, "name", "required", "string", None, None, None),
        (2, "uid", "required", "uint32", None, None, None),
        (3, "gid", "required", "uint32", None, None, None),
        (4, "size", "required", "uint64", None, None, None),
        (5, "shmid", "required", "uint32", None, None, None),
        (6, "seals", "required", "uint32", None, None, "memfd.seals"),
        (7, "inode_id", "required", "uint64", None, None, None),
        (8, "hugetlb_flag", "optional", "uint32", None, None, None),
        (9, "mode", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        name: str,
        uid: int,
        gid: int,
        size: int,
        shmid: int,
        seals: int,
        inode_id: int,
        hugetlb_flag: int | None = None,
        mode: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.name = name
        self.uid = uid
        self.gid = gid
        self.size = size
        self.shmid = shmid
        self.seals = seals
        self.inode_id = inode_id
        self.hugetlb_flag = hugetlb_flag
        self.mode = mode
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.name.encode("utf-8", "surrogateescape"))] + b,
                    _uint32_2[self.uid],
                    _uint32_3[self.gid],
                    _uint64_4[self.size],
                    _uint32_5[self.shmid],
                    _uint32_6[self.seals],
                    _uint64_7[self.inode_id],
                    b"" if self.hugetlb_flag is None else _uint32_8[self.hugetlb_flag],
                    b"" if self.mode is None else _uint32_9[self.mode],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        name: Any = None
        uid: Any = None
        gid: Any = None
        size: Any = None
        shmid: Any = None
        seals: Any = None
        inode_id: Any = None
        hugetlb_flag: Any = None
        mode: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                name = buf[at - span : at].decode("utf-8", "surrogateescape")
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
                size = buf[at + 1]
                at += 2
                if size > 127:
                    size, at = read_varint64(buf, at, size)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                shmid = buf[at + 1]
                at += 2
                if shmid > 127:
                    shmid, at = read_varint32(buf, at, shmid)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                seals = buf[at + 1]
                at += 2
                if seals > 127:
                    seals, at = read_varint32(buf, at, seals)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                inode_id = buf[at + 1]
                at += 2
                if inode_id > 127:
                    inode_id, at = read_varint64(buf, at, inode_id)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                hugetlb_flag = buf[at + 1]
                at += 2
                if hugetlb_flag > 127:
                    hugetlb_flag, at = read_varint32(buf, at, hugetlb_flag)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                mode = buf[at + 1]
                at += 2
                if mode > 127:
                    mode, at = read_varint32(buf, at, mode)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.name = name
        new.uid = uid
        new.gid = gid
        new.size = size
        new.shmid = shmid
        new.seals = seals
        new.inode_id = inode_id
        new.hugetlb_flag = hugetlb_flag
        new.mode = mode
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            name is None
            or uid is None
            or gid is None
            or size is None
            or shmid is None
            or seals is None
            or inode_id is None
        ):
            require(new, begin)
        return new
