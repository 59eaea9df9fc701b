"""Generated from proto/cpuinfo.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_int32,
    read_run,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar, Self

_enum_1 = field(1, "enum")
_length_1 = field(1, "length")
_length_2 = field(2, "length")
_length_3 = field(3, "length")
_length_7 = field(7, "length")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_10 = field(10, "uint32")
_uint64_2 = field(2, "uint64")
_uint64_8 = field(8, "uint64")


class CpuinfoX86EntryVendor:
    """Values of the enum cpuinfo_x86_entry.vendor."""

    UNKNOWN = 0
    INTEL = 1
    AMD = 2

    NAMES: ClassVar[dict[int, str]] = {
        0: "UNKNOWN",
        1: "INTEL",
        2: "AMD",
    }


class CpuinfoPpc64EntryEndianness:
    """Values of the enum cpuinfo_ppc64_entry.endianness."""

    BIGENDIAN = 0
    LITTLEENDIAN = 1

    NAMES: ClassVar[dict[int, str]] = {
        0: "BIGENDIAN",
        1: "LITTLEENDIAN",
    }


class CpuinfoX86Entry(Message):
    """The message cpuinfo_x86_entry."""

    __slots__ = (
        "vendor_id",
        "cpu_family",
        "model",
        "stepping",
        "capability_ver",
        "capability",
        "model_id",
        "xfeatures_mask",
        "xsave_size",
        "xsave_size_max",
    )

    NAME = "cpuinfo_x86_entry"
    FIELDS = (
        (1, "vendor_id", "required", "enum", "cpuinfo:CpuinfoX86EntryVendor", None, None),
        (2, "cpu_family", "required", "uint32", None, None, None),
        (3, "model", "required", "uint32", None, None, None),
        (4, "stepping", "required", "uint32", None, None, None),
        (5, "capability_ver", "required", "uint32", None, None, None),
        (6, "capability", "repeated", "uint32", None, None, None),
        (7, "model_id", "optional", "string", None, None, None),
        (8, "xfeatures_mask", "optional", "uint64", None, None, None),
        (9, "xsave_size", "optional", "uint32", None, None, None),
        (10, "xsave_size_max", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        vendor_id: int,
        cpu_family: int,
        model: int,
        stepping: int,
        capability_ver: int,
        capability: Sequence[int] = (),
        model_id: str | None = None,
        xfeatures_mask: int | None = None,
        xsave_size: int | None = None,
        xsave_size_max: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.vendor_id = vendor_id
        self.cpu_family = cpu_family
        self.model = model
        self.stepping = stepping
        self.capability_ver = capability_ver
        self.capability = capability
        self.model_id = model_id
        self.xfeatures_mask = xfeatures_mask
        self.xsave_size = xsave_size
        self.xsave_size_max = xsave_size_max
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _enum_1[self.vendor_id],
                    _uint32_2[self.cpu_family],
                    _uint32_3[self.model],
                    _uint32_4[self.stepping],
                    _uint32_5[self.capability_ver],
                    *map(_uint32_6.__getitem__, self.capability),
                    b""
                    if self.model_id is None
                    else _length_7[len(b := self.model_id.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.xfeatures_mask is None else _uint64_8[self.xfeatures_mask],
                    b"" if self.xsave_size is None else _uint32_9[self.xsave_size],
                    b"" if self.xsave_size_max is None else _uint32_10[self.xsave_size_max],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        vendor_id: Any = None
        cpu_family: Any = None
        model: Any = None
        stepping: Any = None
        capability_ver: Any = None
        capability: Any = ()
        model_id: Any = None
        xfeatures_mask: Any = None
        xsave_size: Any = None
        xsave_size_max: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                vendor_id = buf[at + 1]
                at += 2
                if vendor_id > 127:
                    vendor_id, at = read_int32(buf, at, vendor_id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                cpu_family = buf[at + 1]
                at += 2
                if cpu_family > 127:
                    cpu_family, at = read_varint32(buf, at, cpu_family)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                model = buf[at + 1]
                at += 2
                if model > 127:
                    model, at = read_varint32(buf, at, model)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                stepping = buf[at + 1]
                at += 2
                if stepping > 127:
                    stepping, at = read_varint32(buf, at, stepping)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                capability_ver = buf[at + 1]
                at += 2
                if capability_ver > 127:
                    capability_ver, at = read_varint32(buf, at, capability_ver)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                capability, at = read_run(buf, at, stop, b"\x30", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 58:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                model_id = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 64:
                xfeatures_mask = buf[at + 1]
                at += 2
                if xfeatures_mask > 127:
                    xfeatures_mask, at = read_varint64(buf, at, xfeatures_mask)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                xsave_size = buf[at + 1]
                at += 2
                if xsave_size > 127:
                    xsave_size, at = read_varint32(buf, at, xsave_size)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                xsave_size_max = buf[at + 1]
                at += 2
                if xsave_size_max > 127:
                    xsave_size_max, at = read_varint32(buf, at, xsave_size_max)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.vendor_id = vendor_id
        new.cpu_family = cpu_family
        new.model = model
        new.stepping = stepping
        new.capability_ver = capability_ver
        new.capability = capability
        new.model_id = model_id
        new.xfeatures_mask = xfeatures_mask
        new.xsave_size = xsave_size
        new.xsave_size_max = xsave_size_max
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            vendor_id is None
            or cpu_family is None
            or model is None
            or stepping is None
            or capability_ver is None
        ):
            require(new, begin)
        return new


class CpuinfoPpc64Entry(Message):
    """The message cpuinfo_ppc64_entry."""

    __slots__ = (
        "endian",
        "hwcap",
    )

    NAME = "cpuinfo_ppc64_entry"
    FIELDS = (
        (1, "endian", "required", "enum", "cpuinfo:CpuinfoPpc64EntryEndianness", None, None),
        (2, "hwcap", "repeated", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        endian: int,
        hwcap: Sequence[int] = (),
        unknown: bytes = b"",
    ) -> None:
        self.endian = endian
        self.hwcap = hwcap
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _enum_1[self.endian],
                    *map(_uint64_2.__getitem__, self.hwcap),
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        endian: Any = None
        hwcap: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                endian = buf[at + 1]
                at += 2
                if endian > 127:
                    endian, at = read_int32(buf, at, endian)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                hwcap, at = read_run(buf, at, stop, b"\x10", "uint64")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.endian = endian
        new.hwcap = hwcap
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if endian is None:
            require(new, begin)
        return new


class CpuinfoS390Entry(Message):
    """The message cpuinfo_s390_entry."""

    __slots__ = (
        "hwcap",
    )

    NAME = "cpuinfo_s390_entry"
    FIELDS = (
        (2, "hwcap", "repeated", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        hwcap: Sequence[int] = (),
        unknown: bytes = b"",
    ) -> None:
        self.hwcap = hwcap
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    *map(_uint64_2.__getitem__, self.hwcap),
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        hwcap: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 16:
                hwcap, at = read_run(buf, at, stop, b"\x10", "uint64")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.hwcap = hwcap
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new


class CpuinfoEntry(Message):
    """The message cpuinfo_entry."""

    __slots__ = (
        "x86_entry",
        "ppc64_entry",
        "s390_entry",
    )

    NAME = "cpuinfo_entry"
    FIELDS = (
        (1, "x86_entry", "repeated", "message", "cpuinfo:CpuinfoX86Entry", None, None),
        (2, "ppc64_entry", "repeated", "message", "cpuinfo:CpuinfoPpc64Entry", None, None),
        (3, "s390_entry", "repeated", "message", "cpuinfo:CpuinfoS390Entry", None, None),
    )

    def __init__(
        self,
        *,
        x86_entry: Sequence[CpuinfoX86Entry] = (),
        ppc64_entry: Sequence[CpuinfoPpc64Entry] = (),
        s390_entry: Sequence[CpuinfoS390Entry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.x86_entry = x86_entry
        self.ppc64_entry = ppc64_entry
        self.s390_entry = s390_entry
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    *[_length_1[len(b)] + b for b in [m.encode() for m in self.x86_entry]],
                    *[_length_2[len(b)] + b for b in [m.encode() for m in self.ppc64_entry]],
                    *[_length_3[len(b)] + b for b in [m.encode() for m in self.s390_entry]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        x86_entry: Any = ()
        ppc64_entry: Any = ()
        s390_entry: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                x86_entry = []
                while tag == 10:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    x86_entry.append(CpuinfoX86Entry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 18:
                ppc64_entry = []
                while tag == 18:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    ppc64_entry.append(CpuinfoPpc64Entry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 26:
                s390_entry = []
                while tag == 26:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    s390_entry.append(CpuinfoS390Entry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.x86_entry = x86_entry
        new.ppc64_entry = ppc64_entry
        new.s390_entry = s390_entry
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new
