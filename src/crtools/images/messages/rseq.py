"""Generated from proto/rseq.proto by tools/generate_messages.py: do not edit."""

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

_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_4 = field(4, "uint64")


class RseqEntry(Message):
    """Where a thread registered its struct rseq."""

    __slots__ = (
        "rseq_abi_pointer",
        "rseq_abi_size",
        "signature",
        "rseq_cs_pointer",
    )

    NAME = "rseq_entry"
    FIELDS = (
        (1, "rseq_abi_pointer", "required", "uint64", None, None, None),
        (2, "rseq_abi_size", "required", "uint32", None, None, None),
        (3, "signature", "required", "uint32", None, None, None),
        (4, "rseq_cs_pointer", "optional", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        rseq_abi_pointer: int,
        rseq_abi_size: int,
        signature: int,
        rseq_cs_pointer: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.rseq_abi_pointer = rseq_abi_pointer
        self.rseq_abi_size = rseq_abi_size
        self.signature = signature
        self.rseq_cs_pointer = rseq_cs_pointer
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.rseq_abi_pointer],
                    _uint32_2[self.rseq_abi_size],
                    _uint32_3[self.signature],
                    b"" if self.rseq_cs_pointer is None else _uint64_4[self.rseq_cs_pointer],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        rseq_abi_pointer: Any = None
        rseq_abi_size: Any = None
        signature: Any = None
        rseq_cs_pointer: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                rseq_abi_pointer = buf[at + 1]
                at += 2
                if rseq_abi_pointer > 127:
                    rseq_abi_pointer, at = read_varint64(buf, at, rseq_abi_pointer)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                rseq_abi_size = buf[at + 1]
                at += 2
                if rseq_abi_size > 127:
                    rseq_abi_size, at = read_varint32(buf, at, rseq_abi_size)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                signature = buf[at + 1]
                at += 2
                if signature > 127:
                    signature, at = read_varint32(buf, at, signature)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                rseq_cs_pointer = buf[at + 1]
                at += 2
                if rseq_cs_pointer > 127:
                    rseq_cs_pointer, at = read_varint64(buf, at, rseq_cs_pointer)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.rseq_abi_pointer = rseq_abi_pointer
        new.rseq_abi_size = rseq_abi_size
        new.signature = signature
        new.rseq_cs_pointer = rseq_cs_pointer
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if rseq_abi_pointer is None or rseq_abi_size is None or signature is None:
            require(new, begin)
        return new
