"""Generated from proto/crtools_parts.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_int64,
    read_sint32,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from crtools.images.messages.ipc_desc import IpcDescEntry

_bool_2 = field(2, "bool")
_bool_4 = field(4, "bool")
_int64_2 = field(2, "int64")
_length_1 = field(1, "length")
_length_2 = field(2, "length")
_length_3 = field(3, "length")
_length_5 = field(5, "length")
_length_6 = field(6, "length")
_length_7 = field(7, "length")
_length_8 = field(8, "length")
_sint32_4 = field(4, "sint32")
_sint32_5 = field(5, "sint32")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")
_uint64_3 = field(3, "uint64")
_uint64_4 = field(4, "uint64")


class RestartEntry(Message):
    """An interrupted sleep that restart_syscall(2) continues: the time it had left."""

    __slots__ = (
        "tid",
        "nsec_left",
        "call",
    )

    NAME = "restart_entry"
    FIELDS = (
        (1, "tid", "required", "uint32", None, None, None),
        (2, "nsec_left", "required", "uint64", None, None, None),
        (3, "call", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        tid: int,
        nsec_left: int,
        call: int,
        unknown: bytes = b"",
    ) -> None:
        self.tid = tid
        self.nsec_left = nsec_left
        self.call = call
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.tid],
                    _uint64_2[self.nsec_left],
                    _uint32_3[self.call],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        tid: Any = None
        nsec_left: Any = None
        call: Any = None
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
            if tag == 24:
                call = buf[at + 1]
                at += 2
                if call > 127:
                    call, at = read_varint32(buf, at, call)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.tid = tid
        new.nsec_left = nsec_left
        new.call = call
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if tid is None or nsec_left is None or call is None:
            require(new, begin)
        return new


class AnonNameEntry(Message):
    """A name given to anonymous memory with prctl(PR_SET_VMA)."""

    __slots__ = (
        "start",
        "end",
        "name",
    )

    NAME = "anon_name_entry"
    FIELDS = (
        (1, "start", "required", "uint64", None, None, "hex"),
        (2, "end", "required", "uint64", None, None, "hex"),
        (3, "name", "required", "bytes", None, None, None),
    )

    def __init__(
        self,
        *,
        start: int,
        end: int,
        name: bytes,
        unknown: bytes = b"",
    ) -> None:
        self.start = start
        self.end = end
        self.name = name
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.start],
                    _uint64_2[self.end],
                    _length_3[len(b := self.name)] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        start: Any = None
        end: Any = None
        name: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                start = buf[at + 1]
                at += 2
                if start > 127:
                    start, at = read_varint64(buf, at, start)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                end = buf[at + 1]
                at += 2
                if end > 127:
                    end, at = read_varint64(buf, at, end)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                name = buf[at - span : at]
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.start = start
        new.end = end
        new.name = name
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if start is None or end is None or name is None:
            require(new, begin)
        return new


class SchedEntry(Message):
    """sched_setattr(2), as far as thread_core_entry has no field for it. Times are in
    nanoseconds."""

    __slots__ = (
        "flags",
        "runtime",
        "deadline",
        "period",
        "util_min",
        "util_max",
    )

    NAME = "sched_entry"
    FIELDS = (
        (1, "flags", "optional", "uint64", None, None, "hex"),
        (2, "runtime", "optional", "uint64", None, None, None),
        (3, "deadline", "optional", "uint64", None, None, None),
        (4, "period", "optional", "uint64", None, None, None),
        (5, "util_min", "optional", "uint32", None, None, None),
        (6, "util_max", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        flags: int | None = None,
        runtime: int | None = None,
        deadline: int | None = None,
        period: int | None = None,
        util_min: int | None = None,
        util_max: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.flags = flags
        self.runtime = runtime
        self.deadline = deadline
        self.period = period
        self.util_min = util_min
        self.util_max = util_max
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b"" if self.flags is None else _uint64_1[self.flags],
                    b"" if self.runtime is None else _uint64_2[self.runtime],
                    b"" if self.deadline is None else _uint64_3[self.deadline],
                    b"" if self.period is None else _uint64_4[self.period],
                    b"" if self.util_min is None else _uint32_5[self.util_min],
                    b"" if self.util_max is None else _uint32_6[self.util_max],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        flags: Any = None
        runtime: Any = None
        deadline: Any = None
        period: Any = None
        util_min: Any = None
        util_max: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint64(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                runtime = buf[at + 1]
                at += 2
                if runtime > 127:
                    runtime, at = read_varint64(buf, at, runtime)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                deadline = buf[at + 1]
                at += 2
                if deadline > 127:
                    deadline, at = read_varint64(buf, at, deadline)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                period = buf[at + 1]
                at += 2
                if period > 127:
                    period, at = read_varint64(buf, at, period)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                util_min = buf[at + 1]
                at += 2
                if util_min > 127:
                    util_min, at = read_varint32(buf, at, util_min)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                util_max = buf[at + 1]
                at += 2
                if util_max > 127:
                    util_max, at = read_varint32(buf, at, util_max)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.flags = flags
        new.runtime = runtime
        new.deadline = deadline
        new.period = period
        new.util_min = util_min
        new.util_max = util_max
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new


class MemoryPolicyEntry(Message):
    """A NUMA memory policy: set_mempolicy(2), for an area mbind(2)."""

    __slots__ = (
        "mode",
        "nodes",
        "start",
        "end",
    )

    NAME = "memory_policy_entry"
    FIELDS = (
        (1, "mode", "required", "uint32", None, None, "hex"),
        (2, "nodes", "optional", "bytes", None, None, None),
        (3, "start", "optional", "uint64", None, None, "hex"),
        (4, "end", "optional", "uint64", None, None, "hex"),
    )

    def __init__(
        self,
        *,
        mode: int,
        nodes: bytes | None = None,
        start: int | None = None,
        end: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.mode = mode
        self.nodes = nodes
        self.start = start
        self.end = end
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.mode],
                    b"" if self.nodes is None else _length_2[len(b := self.nodes)] + b,
                    b"" if self.start is None else _uint64_3[self.start],
                    b"" if self.end is None else _uint64_4[self.end],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        mode: Any = None
        nodes: Any = None
        start: Any = None
        end: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                mode = buf[at + 1]
                at += 2
                if mode > 127:
                    mode, at = read_varint32(buf, at, mode)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                nodes = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 24:
                start = buf[at + 1]
                at += 2
                if start > 127:
                    start, at = read_varint64(buf, at, start)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                end = buf[at + 1]
                at += 2
                if end > 127:
                    end, at = read_varint64(buf, at, end)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.mode = mode
        new.nodes = nodes
        new.start = start
        new.end = end
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if mode is None:
            require(new, begin)
        return new


class TimerEntry(Message):
    """What posix_timer_entry has no field for, of the timer with the same id."""

    __slots__ = (
        "it_id",
        "thread",
        "expires",
        "pending",
    )

    NAME = "timer_entry"
    FIELDS = (
        (1, "it_id", "required", "uint32", None, None, None),
        (2, "thread", "optional", "uint32", None, None, None),
        (3, "expires", "optional", "uint64", None, None, None),
        (4, "pending", "optional", "bool", None, None, None),
    )

    def __init__(
        self,
        *,
        it_id: int,
        thread: int | None = None,
        expires: int | None = None,
        pending: bool | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.it_id = it_id
        self.thread = thread
        self.expires = expires
        self.pending = pending
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.it_id],
                    b"" if self.thread is None else _uint32_2[self.thread],
                    b"" if self.expires is None else _uint64_3[self.expires],
                    b"" if self.pending is None else _bool_4[self.pending],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        it_id: Any = None
        thread: Any = None
        expires: Any = None
        pending: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                it_id = buf[at + 1]
                at += 2
                if it_id > 127:
                    it_id, at = read_varint32(buf, at, it_id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                thread = buf[at + 1]
                at += 2
                if thread > 127:
                    thread, at = read_varint32(buf, at, thread)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                expires = buf[at + 1]
                at += 2
                if expires > 127:
                    expires, at = read_varint64(buf, at, expires)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                pending = buf[at + 1]
                at += 2
                if pending > 1:
                    pending, at = read_bool(buf, at, pending)
                else:
                    pending = pending == 1
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.it_id = it_id
        new.thread = thread
        new.expires = expires
        new.pending = pending
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if it_id is None:
            require(new, begin)
        return new


class CrtoolsSemUndoEntry(Message):
    """What the end of a process adds to a System V semaphore: semop(2) with SEM_UNDO."""

    __slots__ = (
        "desc",
        "ctime",
        "num",
        "value",
        "lost",
    )

    NAME = "crtools_sem_undo_entry"
    FIELDS = (
        (1, "desc", "required", "message", "ipc_desc:IpcDescEntry", None, None),
        (2, "ctime", "required", "int64", None, None, None),
        (3, "num", "required", "uint32", None, None, None),
        (4, "value", "required", "sint32", None, None, None),
        (5, "lost", "optional", "sint32", None, None, None),
    )

    def __init__(
        self,
        *,
        desc: IpcDescEntry,
        ctime: int,
        num: int,
        value: int,
        lost: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.desc = desc
        self.ctime = ctime
        self.num = num
        self.value = value
        self.lost = lost
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.desc.encode())] + b,
                    _int64_2[self.ctime],
                    _uint32_3[self.num],
                    _sint32_4[self.value],
                    b"" if self.lost is None else _sint32_5[self.lost],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        desc: Any = None
        ctime: Any = None
        num: Any = None
        value: Any = None
        lost: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                from crtools.images.messages.ipc_desc import IpcDescEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                desc = IpcDescEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                ctime = buf[at + 1]
                at += 2
                if ctime > 127:
                    ctime, at = read_int64(buf, at, ctime)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                num = buf[at + 1]
                at += 2
                if num > 127:
                    num, at = read_varint32(buf, at, num)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                value = buf[at + 1]
                at += 2
                if value > 127:
                    value, at = read_sint32(buf, at, value)
                else:
                    value = value >> 1 ^ -(value & 1)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                lost = buf[at + 1]
                at += 2
                if lost > 127:
                    lost, at = read_sint32(buf, at, lost)
                else:
                    lost = lost >> 1 ^ -(lost & 1)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.desc = desc
        new.ctime = ctime
        new.num = num
        new.value = value
        new.lost = lost
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if desc is None or ctime is None or num is None or value is None:
            require(new, begin)
        return new


class AreaKeyEntry(Message):
    """The protection key of an area, where it is not 0: pkeys(7)."""

    __slots__ = (
        "start",
        "key",
    )

    NAME = "area_key_entry"
    FIELDS = (
        (1, "start", "required", "uint64", None, None, "hex"),
        (2, "key", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        start: int,
        key: int,
        unknown: bytes = b"",
    ) -> None:
        self.start = start
        self.key = key
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.start],
                    _uint32_2[self.key],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        start: Any = None
        key: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                start = buf[at + 1]
                at += 2
                if start > 127:
                    start, at = read_varint64(buf, at, start)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                key = buf[at + 1]
                at += 2
                if key > 127:
                    key, at = read_varint32(buf, at, key)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.start = start
        new.key = key
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if start is None or key is None:
            require(new, begin)
        return new


class PageRangeEntry(Message):
    """The message page_range_entry."""

    __slots__ = (
        "start",
        "end",
    )

    NAME = "page_range_entry"
    FIELDS = (
        (1, "start", "required", "uint64", None, None, "hex"),
        (2, "end", "required", "uint64", None, None, "hex"),
    )

    def __init__(
        self,
        *,
        start: int,
        end: int,
        unknown: bytes = b"",
    ) -> None:
        self.start = start
        self.end = end
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.start],
                    _uint64_2[self.end],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        start: Any = None
        end: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                start = buf[at + 1]
                at += 2
                if start > 127:
                    start, at = read_varint64(buf, at, start)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                end = buf[at + 1]
                at += 2
                if end > 127:
                    end, at = read_varint64(buf, at, end)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.start = start
        new.end = end
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if start is None or end is None:
            require(new, begin)
        return new


class UserfaultFdEntry(Message):
    """The message userfault_fd_entry."""

    __slots__ = (
        "fd",
        "cloexec",
    )

    NAME = "userfault_fd_entry"
    FIELDS = (
        (1, "fd", "required", "uint32", None, None, None),
        (2, "cloexec", "required", "bool", None, None, None),
    )

    def __init__(
        self,
        *,
        fd: int,
        cloexec: bool,
        unknown: bytes = b"",
    ) -> None:
        self.fd = fd
        self.cloexec = cloexec
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.fd],
                    _bool_2[self.cloexec],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        fd: Any = None
        cloexec: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                fd = buf[at + 1]
                at += 2
                if fd > 127:
                    fd, at = read_varint32(buf, at, fd)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                cloexec = buf[at + 1]
                at += 2
                if cloexec > 1:
                    cloexec, at = read_bool(buf, at, cloexec)
                else:
                    cloexec = cloexec == 1
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.fd = fd
        new.cloexec = cloexec
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if fd is None or cloexec is None:
            require(new, begin)
        return new


class UserfaultRangeEntry(Message):
    """What is registered with a userfaultfd: UFFDIO_REGISTER_MODE_* bits."""

    __slots__ = (
        "start",
        "end",
        "modes",
    )

    NAME = "userfault_range_entry"
    FIELDS = (
        (1, "start", "required", "uint64", None, None, "hex"),
        (2, "end", "required", "uint64", None, None, "hex"),
        (3, "modes", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        start: int,
        end: int,
        modes: int,
        unknown: bytes = b"",
    ) -> None:
        self.start = start
        self.end = end
        self.modes = modes
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.start],
                    _uint64_2[self.end],
                    _uint32_3[self.modes],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        start: Any = None
        end: Any = None
        modes: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                start = buf[at + 1]
                at += 2
                if start > 127:
                    start, at = read_varint64(buf, at, start)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                end = buf[at + 1]
                at += 2
                if end > 127:
                    end, at = read_varint64(buf, at, end)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                modes = buf[at + 1]
                at += 2
                if modes > 127:
                    modes, at = read_varint32(buf, at, modes)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.start = start
        new.end = end
        new.modes = modes
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if start is None or end is None or modes is None:
            require(new, begin)
        return new


class UserfaultfdEntry(Message):
    """A userfaultfd(2) for the memory of the process."""

    __slots__ = (
        "fds",
        "flags",
        "features",
        "user_mode_only",
        "ranges",
        "protected",
        "populated",
        "poisoned",
    )

    NAME = "userfaultfd_entry"
    FIELDS = (
        (1, "fds", "repeated", "message", "crtools_parts:UserfaultFdEntry", None, None),
        (2, "flags", "required", "uint32", None, None, "open.flags"),
        (3, "features", "optional", "uint64", None, None, "hex"),
        (4, "user_mode_only", "optional", "bool", None, None, None),
        (5, "ranges", "repeated", "message", "crtools_parts:UserfaultRangeEntry", None, None),
        (6, "protected", "repeated", "message", "crtools_parts:PageRangeEntry", None, None),
        (7, "populated", "repeated", "message", "crtools_parts:PageRangeEntry", None, None),
        (8, "poisoned", "repeated", "message", "crtools_parts:PageRangeEntry", None, None),
    )

    def __init__(
        self,
        *,
        fds: Sequence[UserfaultFdEntry] = (),
        flags: int,
        features: int | None = None,
        user_mode_only: bool | None = None,
        ranges: Sequence[UserfaultRangeEntry] = (),
        protected: Sequence[PageRangeEntry] = (),
        populated: Sequence[PageRangeEntry] = (),
        poisoned: Sequence[PageRangeEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.fds = fds
        self.flags = flags
        self.features = features
        self.user_mode_only = user_mode_only
        self.ranges = ranges
        self.protected = protected
        self.populated = populated
        self.poisoned = poisoned
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    *[_length_1[len(b)] + b for b in [m.encode() for m in self.fds]],
                    _uint32_2[self.flags],
                    b"" if self.features is None else _uint64_3[self.features],
                    b"" if self.user_mode_only is None else _bool_4[self.user_mode_only],
                    *[_length_5[len(b)] + b for b in [m.encode() for m in self.ranges]],
                    *[_length_6[len(b)] + b for b in [m.encode() for m in self.protected]],
                    *[_length_7[len(b)] + b for b in [m.encode() for m in self.populated]],
                    *[_length_8[len(b)] + b for b in [m.encode() for m in self.poisoned]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        fds: Any = ()
        flags: Any = None
        features: Any = None
        user_mode_only: Any = None
        ranges: Any = ()
        protected: Any = ()
        populated: Any = ()
        poisoned: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                fds = []
                while tag == 10:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    fds.append(UserfaultFdEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 16:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                features = buf[at + 1]
                at += 2
                if features > 127:
                    features, at = read_varint64(buf, at, features)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                user_mode_only = buf[at + 1]
                at += 2
                if user_mode_only > 1:
                    user_mode_only, at = read_bool(buf, at, user_mode_only)
                else:
                    user_mode_only = user_mode_only == 1
                tag = buf[at] if at < stop else 0
            if tag == 42:
                ranges = []
                while tag == 42:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    ranges.append(UserfaultRangeEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 50:
                protected = []
                while tag == 50:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    protected.append(PageRangeEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 58:
                populated = []
                while tag == 58:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    populated.append(PageRangeEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 66:
                poisoned = []
                while tag == 66:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    poisoned.append(PageRangeEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.fds = fds
        new.flags = flags
        new.features = features
        new.user_mode_only = user_mode_only
        new.ranges = ranges
        new.protected = protected
        new.populated = populated
        new.poisoned = poisoned
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if flags is None:
            require(new, begin)
        return new
