"""Generated from proto/fh.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_run,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar, Self

_length_3 = field(3, "length")
_length_4 = field(4, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_5 = field(5, "uint32")
_uint64_2 = field(2, "uint64")
_uint64_3 = field(3, "uint64")


class FhEntrySizes:
    """Values of the enum fh_entry_sizes."""

    min_entries = 16

    NAMES: ClassVar[dict[int, str]] = {
        16: "min_entries",
    }


class FhEntry(Message):
    """The message fh_entry."""

    __slots__ = (
        "bytes",
        "type",
        "handle",
        "path",
        "mnt_id",
    )

    NAME = "fh_entry"
    FIELDS = (
        (1, "bytes", "required", "uint32", None, None, None),
        (2, "type", "required", "uint32", None, None, None),
        (3, "handle", "repeated", "uint64", None, None, None),
        (4, "path", "optional", "string", None, None, None),
        (5, "mnt_id", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        bytes: int,
        type: int,
        handle: Sequence[int] = (),
        path: str | None = None,
        mnt_id: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.bytes = bytes
        self.type = type
        self.handle = handle
        self.path = path
        self.mnt_id = mnt_id
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.bytes],
                    _uint32_2[self.type],
                    *map(_uint64_3.__getitem__, self.handle),
                    b""
                    if self.path is None
                    else _length_4[len(b := self.path.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.mnt_id is None else _uint32_5[self.mnt_id],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        bytes: Any = None
        type: Any = None
        handle: Any = ()
        path: Any = None
        mnt_id: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                bytes = buf[at + 1]
                at += 2
                if bytes > 127:
                    bytes, at = read_varint32(buf, at, bytes)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                type = buf[at + 1]
                at += 2
                if type > 127:
                    type, at = read_varint32(buf, at, type)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                handle, at = read_run(buf, at, stop, b"\x18", "uint64")
                tag = buf[at] if at < stop else 0
            if tag == 34:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                path = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 40:
                mnt_id = buf[at + 1]
                at += 2
                if mnt_id > 127:
                    mnt_id, at = read_varint32(buf, at, mnt_id)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.bytes = bytes
        new.type = type
        new.handle = handle
        new.path = path
        new.mnt_id = mnt_id
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if bytes is None or type is None:
            require(new, begin)
        return new


class IrmapCacheEntry(Message):
    """The message irmap_cache_entry."""

    __slots__ = (
        "dev",
        "inode",
        "path",
    )

    NAME = "irmap_cache_entry"
    FIELDS = (
        (1, "dev", "required", "uint32", None, None, "rdev"),
        (2, "inode", "required", "uint64", None, None, None),
        (3, "path", "required", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        dev: int,
        inode: int,
        path: str,
        unknown: bytes = b"",
    ) -> None:
        self.dev = dev
        self.inode = inode
        self.path = path
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.dev],
                    _uint64_2[self.inode],
                    _length_3[len(b := self.path.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        dev: Any = None
        inode: Any = None
        path: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                dev = buf[at + 1]
                at += 2
                if dev > 127:
                    dev, at = read_varint32(buf, at, dev)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                inode = buf[at + 1]
                at += 2
                if inode > 127:
                    inode, at = read_varint64(buf, at, inode)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                path = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.dev = dev
        new.inode = inode
        new.path = path
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if dev is None or inode is None or path is None:
            require(new, begin)
        return new
