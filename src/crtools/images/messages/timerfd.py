"""Generated from proto/timerfd.proto by tools/generate_messages.py: do not edit."""

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

_length_3 = field(3, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_6 = field(6, "uint32")
_uint64_5 = field(5, "uint64")
_uint64_7 = field(7, "uint64")
_uint64_8 = field(8, "uint64")
_uint64_9 = field(9, "uint64")
_uint64_10 = field(10, "uint64")


class TimerfdEntry(Message):
    """The message timerfd_entry."""

    __slots__ = (
        "id",
        "flags",
        "fown",
        "clockid",
        "ticks",
        "settime_flags",
        "vsec",
        "vnsec",
        "isec",
        "insec",
    )

    NAME = "timerfd_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "flags", "required", "uint32", None, None, "hex"),
        (3, "fown", "required", "message", "fown:FownEntry", None, None),
        (4, "clockid", "required", "uint32", None, None, None),
        (5, "ticks", "required", "uint64", None, None, None),
        (6, "settime_flags", "required", "uint32", None, None, "hex"),
        (7, "vsec", "required", "uint64", None, None, None),
        (8, "vnsec", "required", "uint64", None, None, None),
        (9, "isec", "required", "uint64", None, None, None),
        (10, "insec", "required", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        flags: int,
        fown: FownEntry,
        clockid: int,
        ticks: int,
        settime_flags: int,
        vsec: int,
        vnsec: int,
        isec: int,
        insec: int,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.flags = flags
        self.fown = fown
        self.clockid = clockid
        self.ticks = ticks
        self.settime_flags = settime_flags
        self.vsec = vsec
        self.vnsec = vnsec
        self.isec = isec
        self.insec = insec
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.flags],
                    _length_3[len(b := self.fown.encode())] + b,
                    _uint32_4[self.clockid],
                    _uint64_5[self.ticks],
                    _uint32_6[self.settime_flags],
                    _uint64_7[self.vsec],
                    _uint64_8[self.vnsec],
                    _uint64_9[self.isec],
                    _uint64_10[self.insec],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        flags: Any = None
        fown: Any = None
        clockid: Any = None
        ticks: Any = None
        settime_flags: Any = None
        vsec: Any = None
        vnsec: Any = None
        isec: Any = None
        insec: Any = None
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
            if tag == 26:
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
            if tag == 32:
                clockid = buf[at + 1]
                at += 2
                if clockid > 127:
                    clockid, at = read_varint32(buf, at, clockid)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                ticks = buf[at + 1]
                at += 2
                if ticks > 127:
                    ticks, at = read_varint64(buf, at, ticks)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                settime_flags = buf[at + 1]
                at += 2
                if settime_flags > 127:
                    settime_flags, at = read_varint32(buf, at, settime_flags)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                vsec = buf[at + 1]
                at += 2
                if vsec > 127:
                    vsec, at = read_varint64(buf, at, vsec)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                vnsec = buf[at + 1]
                at += 2
                if vnsec > 127:
                    vnsec, at = read_varint64(buf, at, vnsec)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                isec = buf[at + 1]
                at += 2
                if isec > 127:
                    isec, at = read_varint64(buf, at, isec)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                insec = buf[at + 1]
                at += 2
                if insec > 127:
                    insec, at = read_varint64(buf, at, insec)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.flags = flags
        new.fown = fown
        new.clockid = clockid
        new.ticks = ticks
        new.settime_flags = settime_flags
        new.vsec = vsec
        new.vnsec = vnsec
        new.isec = isec
        new.insec = insec
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            id is None
            or flags is None
            or fown is None
            or clockid is None
            or ticks is None
            or settime_flags is None
            or vsec is None
            or vnsec is None
            or isec is None
            or insec is None
        ):
            require(new, begin)
        return new
