"""Generated from proto/crtools_checksums.proto by tools/generate_messages.py: do not edit."""

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
    from typing import Any, Self

_length_1 = field(1, "length")
_uint32_3 = field(3, "uint32")
_uint64_2 = field(2, "uint64")


class CrtoolsChecksumsHead(Message):
    """The message crtools_checksums_head."""

    __slots__ = (
        "algorithm",
        "chunk_bytes",
    )

    NAME = "crtools_checksums_head"
    FIELDS = (
        (1, "algorithm", "required", "string", None, None, None),
        (2, "chunk_bytes", "required", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        algorithm: str,
        chunk_bytes: int,
        unknown: bytes = b"",
    ) -> None:
        self.algorithm = algorithm
        self.chunk_bytes = chunk_bytes
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.algorithm.encode("utf-8", "surrogateescape"))] + b,
                    _uint64_2[self.chunk_bytes],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        algorithm: Any = None
        chunk_bytes: Any = None
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
                algorithm = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 16:
                chunk_bytes = buf[at + 1]
                at += 2
                if chunk_bytes > 127:
                    chunk_bytes, at = read_varint64(buf, at, chunk_bytes)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.algorithm = algorithm
        new.chunk_bytes = chunk_bytes
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if algorithm is None or chunk_bytes is None:
            require(new, begin)
        return new


class CrtoolsChecksumsEntry(Message):
    """The message crtools_checksums_entry."""

    __slots__ = (
        "name",
        "size",
        "chunks",
    )

    NAME = "crtools_checksums_entry"
    FIELDS = (
        (1, "name", "required", "string", None, None, None),
        (2, "size", "required", "uint64", None, None, None),
        (3, "chunks", "repeated", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        name: str,
        size: int,
        chunks: Sequence[int] = (),
        unknown: bytes = b"",
    ) -> None:
        self.name = name
        self.size = size
        self.chunks = chunks
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.name.encode("utf-8", "surrogateescape"))] + b,
                    _uint64_2[self.size],
                    *map(_uint32_3.__getitem__, self.chunks),
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        name: Any = None
        size: Any = None
        chunks: Any = ()
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
                size = buf[at + 1]
                at += 2
                if size > 127:
                    size, at = read_varint64(buf, at, size)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                chunks, at = read_run(buf, at, stop, b"\x18", "uint32")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.name = name
        new.size = size
        new.chunks = chunks
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if name is None or size is None:
            require(new, begin)
        return new
