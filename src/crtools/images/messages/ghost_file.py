"""Generated from proto/ghost-file.proto by tools/generate_messages.py: do not edit."""

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

    from crtools.images.messages.time import Timeval

_bool_9 = field(9, "bool")
_length_7 = field(7, "length")
_length_8 = field(8, "length")
_length_11 = field(11, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_6 = field(6, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")
_uint64_5 = field(5, "uint64")
_uint64_10 = field(10, "uint64")


class GhostFileEntry(Message):
    """The inode of a nameless file. With `chunks`, ghost_chunk_entry follow; else its bytes."""

    __slots__ = (
        "uid",
        "gid",
        "mode",
        "dev",
        "ino",
        "rdev",
        "atim",
        "mtim",
        "chunks",
        "size",
        "symlnk_target",
    )

    NAME = "ghost_file_entry"
    FIELDS = (
        (1, "uid", "required", "uint32", None, None, None),
        (2, "gid", "required", "uint32", None, None, None),
        (3, "mode", "required", "uint32", None, None, None),
        (4, "dev", "optional", "uint32", None, None, "dev"),
        (5, "ino", "optional", "uint64", None, None, None),
        (6, "rdev", "optional", "uint32", None, None, "rdev"),
        (7, "atim", "optional", "message", "time:Timeval", None, None),
        (8, "mtim", "optional", "message", "time:Timeval", None, None),
        (9, "chunks", "optional", "bool", None, None, None),
        (10, "size", "optional", "uint64", None, None, None),
        (11, "symlnk_target", "optional", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        uid: int,
        gid: int,
        mode: int,
        dev: int | None = None,
        ino: int | None = None,
        rdev: int | None = None,
        atim: Timeval | None = None,
        mtim: Timeval | None = None,
        chunks: bool | None = None,
        size: int | None = None,
        symlnk_target: str | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.uid = uid
        self.gid = gid
        self.mode = mode
        self.dev = dev
        self.ino = ino
        self.rdev = rdev
        self.atim = atim
        self.mtim = mtim
        self.chunks = chunks
        self.size = size
        self.symlnk_target = symlnk_target
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.uid],
                    _uint32_2[self.gid],
                    _uint32_3[self.mode],
                    b"" if self.dev is None else _uint32_4[self.dev],
                    b"" if self.ino is None else _uint64_5[self.ino],
                    b"" if self.rdev is None else _uint32_6[self.rdev],
                    b"" if self.atim is None else _length_7[len(b := self.atim.encode())] + b,
                    b"" if self.mtim is None else _length_8[len(b := self.mtim.encode())] + b,
                    b"" if self.chunks is None else _bool_9[self.chunks],
                    b"" if self.size is None else _uint64_10[self.size],
                    b""
                    if self.symlnk_target is None
                    else _length_11[len(b := self.symlnk_target.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        uid: Any = None
        gid: Any = None
        mode: Any = None
        dev: Any = None
        ino: Any = None
        rdev: Any = None
        atim: Any = None
        mtim: Any = None
        chunks: Any = None
        size: Any = None
        symlnk_target: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                uid = buf[at + 1]
                at += 2
                if uid > 127:
                    uid, at = read_varint32(buf, at, uid)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                gid = buf[at + 1]
                at += 2
                if gid > 127:
                    gid, at = read_varint32(buf, at, gid)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                mode = buf[at + 1]
                at += 2
                if mode > 127:
                    mode, at = read_varint32(buf, at, mode)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                dev = buf[at + 1]
                at += 2
                if dev > 127:
                    dev, at = read_varint32(buf, at, dev)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                ino = buf[at + 1]
                at += 2
                if ino > 127:
                    ino, at = read_varint64(buf, at, ino)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                rdev = buf[at + 1]
                at += 2
                if rdev > 127:
                    rdev, at = read_varint32(buf, at, rdev)
                tag = buf[at] if at < stop else 0
            if tag == 58:
                from crtools.images.messages.time import Timeval

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                atim = Timeval.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 66:
                from crtools.images.messages.time import Timeval

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                mtim = Timeval.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                chunks = buf[at + 1]
                at += 2
                if chunks > 1:
                    chunks, at = read_bool(buf, at, chunks)
                else:
                    chunks = chunks == 1
                tag = buf[at] if at < stop else 0
            if tag == 80:
                size = buf[at + 1]
                at += 2
                if size > 127:
                    size, at = read_varint64(buf, at, size)
                tag = buf[at] if at < stop else 0
            if tag == 90:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                symlnk_target = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.uid = uid
        new.gid = gid
        new.mode = mode
        new.dev = dev
        new.ino = ino
        new.rdev = rdev
        new.atim = atim
        new.mtim = mtim
        new.chunks = chunks
        new.size = size
        new.symlnk_target = symlnk_target
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if uid is None or gid is None or mode is None:
            require(new, begin)
        return new


class GhostChunkEntry(Message):
    """A run of data in a file with holes; `len` bytes follow."""

    __slots__ = (
        "len",
        "off",
    )

    NAME = "ghost_chunk_entry"
    FIELDS = (
        (1, "len", "required", "uint64", None, None, None),
        (2, "off", "required", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        len: int,
        off: int,
        unknown: bytes = b"",
    ) -> None:
        self.len = len
        self.off = off
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.len],
                    _uint64_2[self.off],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        len: Any = None
        off: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                len = buf[at + 1]
                at += 2
                if len > 127:
                    len, at = read_varint64(buf, at, len)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                off = buf[at + 1]
                at += 2
                if off > 127:
                    off, at = read_varint64(buf, at, off)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.len = len
        new.off = off
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if len is None or off is None:
            require(new, begin)
        return new
