"""Generated from proto/regfile.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_run,
    read_sint32,
    read_varint32,
    read_varint64,
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from crtools.images.messages.fown import FownEntry

_bool_9 = field(9, "bool")
_length_5 = field(5, "length")
_length_6 = field(6, "length")
_sint32_7 = field(7, "sint32")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_10 = field(10, "uint32")
_uint32_11 = field(11, "uint32")
_uint32_12 = field(12, "uint32")
_uint32_13 = field(13, "uint32")
_uint32_14 = field(14, "uint32")
_uint64_3 = field(3, "uint64")
_uint64_8 = field(8, "uint64")


class RegFileEntry(Message):
    """A file opened by its path. Size, build id and checksum tell whether it is still the same."""

    __slots__ = (
        "id",
        "flags",
        "pos",
        "fown",
        "name",
        "mnt_id",
        "size",
        "ext",
        "mode",
        "build_id",
        "checksum",
        "checksum_config",
        "checksum_parameter",
    )

    NAME = "reg_file_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "flags", "required", "uint32", None, None, "open.flags"),
        (3, "pos", "required", "uint64", None, None, None),
        (5, "fown", "required", "message", "fown:FownEntry", None, None),
        (6, "name", "required", "string", None, None, None),
        (7, "mnt_id", "optional", "sint32", None, -1, None),
        (8, "size", "optional", "uint64", None, None, None),
        (9, "ext", "optional", "bool", None, None, None),
        (10, "mode", "optional", "uint32", None, None, None),
        (11, "build_id", "repeated", "uint32", None, None, None),
        (12, "checksum", "optional", "uint32", None, None, None),
        (13, "checksum_config", "optional", "uint32", None, None, None),
        (14, "checksum_parameter", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        flags: int,
        pos: int,
        fown: FownEntry,
        name: str,
        mnt_id: int | None = None,
        size: int | None = None,
        ext: bool | None = None,
        mode: int | None = None,
        build_id: Sequence[int] = (),
        checksum: int | None = None,
        checksum_config: int | None = None,
        checksum_parameter: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.flags = flags
        self.pos = pos
        self.fown = fown
        self.name = name
        self.mnt_id = mnt_id
        self.size = size
        self.ext = ext
        self.mode = mode
        self.build_id = build_id
        self.checksum = checksum
        self.checksum_config = checksum_config
        self.checksum_parameter = checksum_parameter
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.flags],
                    _uint64_3[self.pos],
                    _length_5[len(b := self.fown.encode())] + b,
                    _length_6[len(b := self.name.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.mnt_id is None else _sint32_7[self.mnt_id],
                    b"" if self.size is None else _uint64_8[self.size],
                    b"" if self.ext is None else _bool_9[self.ext],
                    b"" if self.mode is None else _uint32_10[self.mode],
                    *map(_uint32_11.__getitem__, self.build_id),
                    b"" if self.checksum is None else _uint32_12[self.checksum],
                    b"" if self.checksum_config is None else _uint32_13[self.checksum_config],
                    b"" if self.checksum_parameter is None else _uint32_14[self.checksum_parameter],
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
        name: Any = None
        mnt_id: Any = None
        size: Any = None
        ext: Any = None
        mode: Any = None
        build_id: Any = ()
        checksum: Any = None
        checksum_config: Any = None
        checksum_parameter: Any = None
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
            if tag == 42:
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
            if tag == 50:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                name = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 56:
                mnt_id = buf[at + 1]
                at += 2
                if mnt_id > 127:
                    mnt_id, at = read_sint32(buf, at, mnt_id)
                else:
                    mnt_id = mnt_id >> 1 ^ -(mnt_id & 1)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                size = buf[at + 1]
                at += 2
                if size > 127:
                    size, at = read_varint64(buf, at, size)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                ext = buf[at + 1]
                at += 2
                if ext > 1:
                    ext, at = read_bool(buf, at, ext)
                else:
                    ext = ext == 1
                tag = buf[at] if at < stop else 0
            if tag == 80:
                mode = buf[at + 1]
                at += 2
                if mode > 127:
                    mode, at = read_varint32(buf, at, mode)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                build_id, at = read_run(buf, at, stop, b"\x58", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 96:
                checksum = buf[at + 1]
                at += 2
                if checksum > 127:
                    checksum, at = read_varint32(buf, at, checksum)
                tag = buf[at] if at < stop else 0
            if tag == 104:
                checksum_config = buf[at + 1]
                at += 2
                if checksum_config > 127:
                    checksum_config, at = read_varint32(buf, at, checksum_config)
                tag = buf[at] if at < stop else 0
            if tag == 112:
                checksum_parameter = buf[at + 1]
                at += 2
                if checksum_parameter > 127:
                    checksum_parameter, at = read_varint32(buf, at, checksum_parameter)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.flags = flags
        new.pos = pos
        new.fown = fown
        new.name = name
        new.mnt_id = mnt_id
        new.size = size
        new.ext = ext
        new.mode = mode
        new.build_id = build_id
        new.checksum = checksum
        new.checksum_config = checksum_config
        new.checksum_parameter = checksum_parameter
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or flags is None or pos is None or fown is None or name is None:
            require(new, begin)
        return new
