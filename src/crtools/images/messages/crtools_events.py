"""Generated from proto/crtools_events.proto by tools/generate_messages.py: do not edit."""

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
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_bool_2 = field(2, "bool")
_bool_7 = field(7, "bool")
_length_2 = field(2, "length")
_length_4 = field(4, "length")
_sint32_2 = field(2, "sint32")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint64_2 = field(2, "uint64")
_uint64_3 = field(3, "uint64")


class CrtoolsEventfdEntry(Message):
    """crtools-eventfd.img"""

    __slots__ = (
        "id",
        "semaphore",
    )

    NAME = "crtools_eventfd_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "semaphore", "required", "bool", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        semaphore: bool,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.semaphore = semaphore
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _bool_2[self.semaphore],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        semaphore: Any = None
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
                semaphore = buf[at + 1]
                at += 2
                if semaphore > 1:
                    semaphore, at = read_bool(buf, at, semaphore)
                else:
                    semaphore = semaphore == 1
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.semaphore = semaphore
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or semaphore is None:
            require(new, begin)
        return new


class CrtoolsTimerfdEntry(Message):
    """crtools-timerfd.img"""

    __slots__ = (
        "id",
        "expires",
    )

    NAME = "crtools_timerfd_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "expires", "required", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        expires: int,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.expires = expires
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint64_2[self.expires],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        expires: Any = None
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
                expires = buf[at + 1]
                at += 2
                if expires > 127:
                    expires, at = read_varint64(buf, at, expires)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.expires = expires
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or expires is None:
            require(new, begin)
        return new


class EpollTargetEntry(Message):
    """A watch whose number is not, or not any more, that of the open file that is watched."""

    __slots__ = (
        "index",
        "file",
    )

    NAME = "epoll_target_entry"
    FIELDS = (
        (1, "index", "required", "uint32", None, None, None),
        (2, "file", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        index: int,
        file: int,
        unknown: bytes = b"",
    ) -> None:
        self.index = index
        self.file = file
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.index],
                    _uint32_2[self.file],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        index: Any = None
        file: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                index = buf[at + 1]
                at += 2
                if index > 127:
                    index, at = read_varint32(buf, at, index)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                file = buf[at + 1]
                at += 2
                if file > 127:
                    file, at = read_varint32(buf, at, file)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.index = index
        new.file = file
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if index is None or file is None:
            require(new, begin)
        return new


class CrtoolsEpollEntry(Message):
    """crtools-epoll.img; watches are named by their index in eventpoll_file_entry, from 0."""

    __slots__ = (
        "id",
        "targets",
        "ready",
        "reported",
        "usecs",
        "budget",
        "prefer",
    )

    NAME = "crtools_epoll_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "targets", "repeated", "message", "crtools_events:EpollTargetEntry", None, None),
        (3, "ready", "repeated", "uint32", None, None, None),
        (4, "reported", "repeated", "uint32", None, None, None),
        (5, "usecs", "optional", "uint32", None, None, None),
        (6, "budget", "optional", "uint32", None, None, None),
        (7, "prefer", "optional", "bool", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        targets: Sequence[EpollTargetEntry] = (),
        ready: Sequence[int] = (),
        reported: Sequence[int] = (),
        usecs: int | None = None,
        budget: int | None = None,
        prefer: bool | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.targets = targets
        self.ready = ready
        self.reported = reported
        self.usecs = usecs
        self.budget = budget
        self.prefer = prefer
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    *[_length_2[len(b)] + b for b in [m.encode() for m in self.targets]],
                    *map(_uint32_3.__getitem__, self.ready),
                    *map(_uint32_4.__getitem__, self.reported),
                    b"" if self.usecs is None else _uint32_5[self.usecs],
                    b"" if self.budget is None else _uint32_6[self.budget],
                    b"" if self.prefer is None else _bool_7[self.prefer],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        targets: Any = ()
        ready: Any = ()
        reported: Any = ()
        usecs: Any = None
        budget: Any = None
        prefer: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                id = buf[at + 1]
                at += 2
                if id > 127:
                    id, at = read_varint32(buf, at, id)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                targets = []
                while tag == 18:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    targets.append(EpollTargetEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 24:
                ready, at = read_run(buf, at, stop, b"\x18", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 32:
                reported, at = read_run(buf, at, stop, b"\x20", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 40:
                usecs = buf[at + 1]
                at += 2
                if usecs > 127:
                    usecs, at = read_varint32(buf, at, usecs)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                budget = buf[at + 1]
                at += 2
                if budget > 127:
                    budget, at = read_varint32(buf, at, budget)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                prefer = buf[at + 1]
                at += 2
                if prefer > 1:
                    prefer, at = read_bool(buf, at, prefer)
                else:
                    prefer = prefer == 1
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.targets = targets
        new.ready = ready
        new.reported = reported
        new.usecs = usecs
        new.budget = budget
        new.prefer = prefer
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None:
            require(new, begin)
        return new


class CrtoolsPidfdEntry(Message):
    """crtools-pidfd.img: of pidfds of tasks that are not in the tree."""

    __slots__ = (
        "id",
        "status",
        "started",
        "boot",
    )

    NAME = "crtools_pidfd_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "status", "optional", "sint32", None, None, None),
        (3, "started", "optional", "uint64", None, None, None),
        (4, "boot", "optional", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        status: int | None = None,
        started: int | None = None,
        boot: str | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.status = status
        self.started = started
        self.boot = boot
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    b"" if self.status is None else _sint32_2[self.status],
                    b"" if self.started is None else _uint64_3[self.started],
                    b""
                    if self.boot is None
                    else _length_4[len(b := self.boot.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        status: Any = None
        started: Any = None
        boot: Any = None
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
                status = buf[at + 1]
                at += 2
                if status > 127:
                    status, at = read_sint32(buf, at, status)
                else:
                    status = status >> 1 ^ -(status & 1)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                started = buf[at + 1]
                at += 2
                if started > 127:
                    started, at = read_varint64(buf, at, started)
                tag = buf[at] if at < stop else 0
            if tag == 34:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                boot = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.status = status
        new.started = started
        new.boot = boot
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None:
            require(new, begin)
        return new
