"""Generated from proto/crtools.proto by tools/generate_messages.py: do not edit."""

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
    from collections.abc import Sequence
    from typing import Any, Self

_length_1 = field(1, "length")
_length_3 = field(3, "length")
_uint32_1 = field(1, "uint32")
_uint64_2 = field(2, "uint64")


class RestartEntry(Message):
    """An interrupted sleep that restart_syscall(2) continues: the time it had left."""

    __slots__ = (
        "tid",
        "nsec_left",
    )

    NAME = "restart_entry"
    FIELDS = (
        (1, "tid", "required", "uint32", None, None, None),
        (2, "nsec_left", "required", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        tid: int,
        nsec_left: int,
        unknown: bytes = b"",
    ) -> None:
        self.tid = tid
        self.nsec_left = nsec_left
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.tid],
                    _uint64_2[self.nsec_left],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        tid: Any = None
        nsec_left: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                tid = buf[at + 1]
                at += 2
                if tid > 127:
                    tid, at = read_varint32(buf, at, tid)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                nsec_left = buf[at + 1]
                at += 2
                if nsec_left > 127:
                    nsec_left, at = read_varint64(buf, at, nsec_left)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.tid = tid
        new.nsec_left = nsec_left
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if tid is None or nsec_left is None:
            require(new, begin)
        return new


class CrtoolsTaskEntry(Message):
    """crtools-task-%u.img: state of one thread."""

    __slots__ = (
        "xstate",
        "xcr0",
        "restart",
    )

    NAME = "crtools_task_entry"
    FIELDS = (
        (1, "xstate", "optional", "bytes", None, None, None),
        (2, "xcr0", "optional", "uint64", None, None, "hex"),
        (3, "restart", "repeated", "message", "crtools:RestartEntry", None, None),
    )

    def __init__(
        self,
        *,
        xstate: bytes | None = None,
        xcr0: int | None = None,
        restart: Sequence[RestartEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.xstate = xstate
        self.xcr0 = xcr0
        self.restart = restart
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b"" if self.xstate is None else _length_1[len(b := self.xstate)] + b,
                    b"" if self.xcr0 is None else _uint64_2[self.xcr0],
                    *[_length_3[len(b)] + b for b in [m.encode() for m in self.restart]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        xstate: Any = None
        xcr0: Any = None
        restart: Any = ()
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
                xstate = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 16:
                xcr0 = buf[at + 1]
                at += 2
                if xcr0 > 127:
                    xcr0, at = read_varint64(buf, at, xcr0)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                restart = []
                while tag == 26:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    restart.append(RestartEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.xstate = xstate
        new.xcr0 = xcr0
        new.restart = restart
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new
