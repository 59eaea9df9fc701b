"""Generated from proto/crtools_tracking.proto by tools/generate_messages.py: do not edit."""

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

_length_2 = field(2, "length")
_length_5 = field(5, "length")
_uint32_1 = field(1, "uint32")
_uint32_3 = field(3, "uint32")
_uint64_2 = field(2, "uint64")
_uint64_4 = field(4, "uint64")


class CrtoolsTrackedEntry(Message):
    """A process whose changes are followed."""

    __slots__ = (
        "pid",
        "starttime",
        "uffd",
    )

    NAME = "crtools_tracked_entry"
    FIELDS = (
        (1, "pid", "required", "uint32", None, None, None),
        (2, "starttime", "required", "uint64", None, None, None),
        (3, "uffd", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        pid: int,
        starttime: int,
        uffd: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.pid = pid
        self.starttime = starttime
        self.uffd = uffd
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.pid],
                    _uint64_2[self.starttime],
                    b"" if self.uffd is None else _uint32_3[self.uffd],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        pid: Any = None
        starttime: Any = None
        uffd: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                pid = buf[at + 1]
                at += 2
                if pid > 127:
                    pid, at = read_varint32(buf, at, pid)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                starttime = buf[at + 1]
                at += 2
                if starttime > 127:
                    starttime, at = read_varint64(buf, at, starttime)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                uffd = buf[at + 1]
                at += 2
                if uffd > 127:
                    uffd, at = read_varint32(buf, at, uffd)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.pid = pid
        new.starttime = starttime
        new.uffd = uffd
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if pid is None or starttime is None:
            require(new, begin)
        return new


class CrtoolsTrackingEntry(Message):
    """crtools-tracking.img: good for as long as the keeper lives. Whoever protects the pages
    anew ends it, so that what has changed since is always what has changed since this dump."""

    __slots__ = (
        "method",
        "boot_id",
        "keeper",
        "keeper_start",
        "processes",
    )

    NAME = "crtools_tracking_entry"
    FIELDS = (
        (1, "method", "required", "uint32", None, None, None),
        (2, "boot_id", "required", "string", None, None, None),
        (3, "keeper", "required", "uint32", None, None, None),
        (4, "keeper_start", "required", "uint64", None, None, None),
        (5, "processes", "repeated", "message", "crtools_tracking:CrtoolsTrackedEntry", None, None),
    )

    def __init__(
        self,
        *,
        method: int,
        boot_id: str,
        keeper: int,
        keeper_start: int,
        processes: Sequence[CrtoolsTrackedEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.method = method
        self.boot_id = boot_id
        self.keeper = keeper
        self.keeper_start = keeper_start
        self.processes = processes
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.method],
                    _length_2[len(b := self.boot_id.encode("utf-8", "surrogateescape"))] + b,
                    _uint32_3[self.keeper],
                    _uint64_4[self.keeper_start],
                    *[_length_5[len(b)] + b for b in [m.encode() for m in self.processes]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        method: Any = None
        boot_id: Any = None
        keeper: Any = None
        keeper_start: Any = None
        processes: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                method = buf[at + 1]
                at += 2
                if method > 127:
                    method, at = read_varint32(buf, at, method)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                boot_id = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 24:
                keeper = buf[at + 1]
                at += 2
                if keeper > 127:
                    keeper, at = read_varint32(buf, at, keeper)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                keeper_start = buf[at + 1]
                at += 2
                if keeper_start > 127:
                    keeper_start, at = read_varint64(buf, at, keeper_start)
                tag = buf[at] if at < stop else 0
            if tag == 42:
                processes = []
                while tag == 42:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    processes.append(CrtoolsTrackedEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.method = method
        new.boot_id = boot_id
        new.keeper = keeper
        new.keeper_start = keeper_start
        new.processes = processes
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if method is None or boot_id is None or keeper is None or keeper_start is None:
            require(new, begin)
        return new
