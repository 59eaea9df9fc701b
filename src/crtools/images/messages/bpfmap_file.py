"""Generated from proto/bpfmap-file.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_sint32,
    read_varint32,
    read_varint64,
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from crtools.images.messages.fown import FownEntry

_bool_12 = field(12, "bool")
_length_4 = field(4, "length")
_length_13 = field(13, "length")
_sint32_15 = field(15, "sint32")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_10 = field(10, "uint32")
_uint32_14 = field(14, "uint32")
_uint64_3 = field(3, "uint64")
_uint64_11 = field(11, "uint64")
_uint64_16 = field(16, "uint64")


class BpfmapFileEntry(Message):
    """The message bpfmap_file_entry."""

    __slots__ = (
        "id",
        "flags",
        "pos",
        "fown",
        "map_type",
        "key_size",
        "value_size",
        "map_id",
        "max_entries",
        "map_flags",
        "memlock",
        "frozen",
        "map_name",
        "ifindex",
        "mnt_id",
        "map_extra",
    )

    NAME = "bpfmap_file_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "flags", "required", "uint32", None, None, "open.flags"),
        (3, "pos", "required", "uint64", None, None, None),
        (4, "fown", "required", "message", "fown:FownEntry", None, None),
        (5, "map_type", "required", "uint32", None, None, None),
        (6, "key_size", "required", "uint32", None, None, None),
        (7, "value_size", "required", "uint32", None, None, None),
        (8, "map_id", "required", "uint32", None, None, None),
        (9, "max_entries", "required", "uint32", None, None, None),
        (10, "map_flags", "required", "uint32", None, None, None),
        (11, "memlock", "required", "uint64", None, None, None),
        (12, "frozen", "required", "bool", None, False, None),
        (13, "map_name", "required", "string", None, None, None),
        (14, "ifindex", "required", "uint32", None, 0, None),
        (15, "mnt_id", "optional", "sint32", None, -1, None),
        (16, "map_extra", "optional", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        flags: int,
        pos: int,
        fown: FownEntry,
        map_type: int,
        key_size: int,
        value_size: int,
        map_id: int,
        max_entries: int,
        map_flags: int,
        memlock: int,
        frozen: bool = False,
        map_name: str,
        ifindex: int = 0,
        mnt_id: int | None = None,
        map_extra: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.flags = flags
        self.pos = pos
        self.fown = fown
        self.map_type = map_type
        self.key_size = key_size
        self.value_size = value_size
        self.map_id = map_id
        self.max_entries = max_entries
        self.map_flags = map_flags
        self.memlock = memlock
        self.frozen = frozen
        self.map_name = map_name
        self.ifindex = ifindex
        self.mnt_id = mnt_id
        self.map_extra = map_extra
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.flags],
                    _uint64_3[self.pos],
                    _length_4[len(b := self.fown.encode())] + b,
                    _uint32_5[self.map_type],
                    _uint32_6[self.key_size],
                    _uint32_7[self.value_size],
                    _uint32_8[self.map_id],
                    _uint32_9[self.max_entries],
                    _uint32_10[self.map_flags],
                    _uint64_11[self.memlock],
                    _bool_12[self.frozen],
                    _length_13[len(b := self.map_name.encode("utf-8", "surrogateescape"))] + b,
                    _uint32_14[self.ifindex],
                    b"" if self.mnt_id is None else _sint32_15[self.mnt_id],
                    b"" if self.map_extra is None else _uint64_16[self.map_extra],
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
        map_type: Any = None
        key_size: Any = None
        value_size: Any = None
        map_id: Any = None
        max_entries: Any = None
        map_flags: Any = None
        memlock: Any = None
        frozen: Any = None
        map_name: Any = None
        ifindex: Any = None
        mnt_id: Any = None
        map_extra: Any = None
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
                map_type = buf[at + 1]
                at += 2
                if map_type > 127:
                    map_type, at = read_varint32(buf, at, map_type)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                key_size = buf[at + 1]
                at += 2
                if key_size > 127:
                    key_size, at = read_varint32(buf, at, key_size)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                value_size = buf[at + 1]
                at += 2
                if value_size > 127:
                    value_size, at = read_varint32(buf, at, value_size)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                map_id = buf[at + 1]
                at += 2
                if map_id > 127:
                    map_id, at = read_varint32(buf, at, map_id)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                max_entries = buf[at + 1]
                at += 2
                if max_entries > 127:
                    max_entries, at = read_varint32(buf, at, max_entries)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                map_flags = buf[at + 1]
                at += 2
                if map_flags > 127:
                    map_flags, at = read_varint32(buf, at, map_flags)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                memlock = buf[at + 1]
                at += 2
                if memlock > 127:
                    memlock, at = read_varint64(buf, at, memlock)
                tag = buf[at] if at < stop else 0
            if tag == 96:
                frozen = buf[at + 1]
                at += 2
                if frozen > 1:
                    frozen, at = read_bool(buf, at, frozen)
                else:
                    frozen = frozen == 1
                tag = buf[at] if at < stop else 0
            if tag == 106:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                map_name = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 112:
                ifindex = buf[at + 1]
                at += 2
                if ifindex > 127:
                    ifindex, at = read_varint32(buf, at, ifindex)
                tag = buf[at] if at < stop else 0
            if tag == 120:
                mnt_id = buf[at + 1]
                at += 2
                if mnt_id > 127:
                    mnt_id, at = read_sint32(buf, at, mnt_id)
                else:
                    mnt_id = mnt_id >> 1 ^ -(mnt_id & 1)
                tag = buf[at] if at < stop else 0
            if tag == 128 and buf[at + 1] == 1:
                map_extra = buf[at + 2]
                at += 3
                if map_extra > 127:
                    map_extra, at = read_varint64(buf, at, map_extra)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.flags = flags
        new.pos = pos
        new.fown = fown
        new.map_type = map_type
        new.key_size = key_size
        new.value_size = value_size
        new.map_id = map_id
        new.max_entries = max_entries
        new.map_flags = map_flags
        new.memlock = memlock
        new.frozen = frozen
        new.map_name = map_name
        new.ifindex = ifindex
        new.mnt_id = mnt_id
        new.map_extra = map_extra
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            id is None
            or flags is None
            or pos is None
            or fown is None
            or map_type is None
            or key_size is None
            or value_size is None
            or map_id is None
            or max_entries is None
            or map_flags is None
            or memlock is None
            or frozen is None
            or map_name is None
            or ifindex is None
        ):
            require(new, begin)
        return new
