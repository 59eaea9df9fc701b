"""Generated from proto/sa.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_bool_5 = field(5, "bool")
_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")
_uint64_3 = field(3, "uint64")
_uint64_4 = field(4, "uint64")
_uint64_6 = field(6, "uint64")


class SaEntry(Message):
    """One signal action. An image has 62: signals 1 to 64 without KILL and STOP."""

    __slots__ = (
        "sigaction",
        "flags",
        "restorer",
        "mask",
        "compat_sigaction",
        "mask_extended",
    )

    NAME = "sa_entry"
    FIELDS = (
        (1, "sigaction", "required", "uint64", None, None, "hex"),
        (2, "flags", "required", "uint64", None, None, "hex"),
        (3, "restorer", "required", "uint64", None, None, "hex"),
        (4, "mask", "required", "uint64", None, None, "hex"),
        (5, "compat_sigaction", "optional", "bool", None, None, None),
        (6, "mask_extended", "optional", "uint64", None, None, "hex"),
    )

    def __init__(
        self,
        *,
        sigaction: int,
        flags: int,
        restorer: int,
        mask: int,
        compat_sigaction: bool | None = None,
        mask_extended: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.sigaction = sigaction
        self.flags = flags
        self.restorer = restorer
        self.mask = mask
        self.compat_sigaction = compat_sigaction
        self.mask_extended = mask_extended
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.sigaction],
                    _uint64_2[self.flags],
                    _uint64_3[self.restorer],
                    _uint64_4[self.mask],
                    b"" if self.compat_sigaction is None else _bool_5[self.compat_sigaction],
                    b"" if self.mask_extended is None else _uint64_6[self.mask_extended],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        sigaction: Any = None
        flags: Any = None
        restorer: Any = None
        mask: Any = None
        compat_sigaction: Any = None
        mask_extended: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                sigaction = buf[at + 1]
                at += 2
                if sigaction > 127:
                    sigaction, at = read_varint64(buf, at, sigaction)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint64(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                restorer = buf[at + 1]
                at += 2
                if restorer > 127:
                    restorer, at = read_varint64(buf, at, restorer)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                mask = buf[at + 1]
                at += 2
                if mask > 127:
                    mask, at = read_varint64(buf, at, mask)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                compat_sigaction = buf[at + 1]
                at += 2
                if compat_sigaction > 1:
                    compat_sigaction, at = read_bool(buf, at, compat_sigaction)
                else:
                    compat_sigaction = compat_sigaction == 1
                tag = buf[at] if at < stop else 0
            if tag == 48:
                mask_extended = buf[at + 1]
                at += 2
                if mask_extended > 127:
                    mask_extended, at = read_varint64(buf, at, mask_extended)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.sigaction = sigaction
        new.flags = flags
        new.restorer = restorer
        new.mask = mask
        new.compat_sigaction = compat_sigaction
        new.mask_extended = mask_extended
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if sigaction is None or flags is None or restorer is None or mask is None:
            require(new, begin)
        return new
