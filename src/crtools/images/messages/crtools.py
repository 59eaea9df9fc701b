"""Generated from proto/crtools.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_int64,
    read_run,
    read_sint32,
    read_sint64,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from crtools.images.messages.fown import FownEntry
    from crtools.images.messages.ipc_desc import IpcDescEntry
    from crtools.images.messages.ipc_shm import IpcShmEntry

_bool_2 = field(2, "bool")
_bool_4 = field(4, "bool")
_bool_9 = field(9, "bool")
_bool_25 = field(25, "bool")
_bool_26 = field(26, "bool")
_bool_28 = field(28, "bool")
_bool_39 = field(39, "bool")
_int64_2 = field(2, "int64")
_length_1 = field(1, "length")
_length_2 = field(2, "length")
_length_3 = field(3, "length")
_length_4 = field(4, "length")
_length_5 = field(5, "length")
_length_6 = field(6, "length")
_length_7 = field(7, "length")
_length_8 = field(8, "length")
_length_10 = field(10, "length")
_length_11 = field(11, "length")
_length_12 = field(12, "length")
_length_13 = field(13, "length")
_length_35 = field(35, "length")
_length_37 = field(37, "length")
_length_38 = field(38, "length")
_length_45 = field(45, "length")
_length_60 = field(60, "length")
_length_62 = field(62, "length")
_length_72 = field(72, "length")
_length_80 = field(80, "length")
_sint32_4 = field(4, "sint32")
_sint32_5 = field(5, "sint32")
_sint32_14 = field(14, "sint32")
_sint32_36 = field(36, "sint32")
_sint64_2 = field(2, "sint64")
_sint64_3 = field(3, "sint64")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_11 = field(11, "uint32")
_uint32_12 = field(12, "uint32")
_uint32_27 = field(27, "uint32")
_uint32_29 = field(29, "uint32")
_uint32_30 = field(30, "uint32")
_uint32_31 = field(31, "uint32")
_uint32_32 = field(32, "uint32")
_uint32_40 = field(40, "uint32")
_uint32_55 = field(55, "uint32")
_uint32_56 = field(56, "uint32")
_uint32_61 = field(61, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")
_uint64_3 = field(3, "uint64")
_uint64_4 = field(4, "uint64")
_uint64_10 = field(10, "uint64")
_uint64_70 = field(70, "uint64")
_uint64_71 = field(71, "uint64")


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
        (1, "fds", "repeated", "message", "crtools:UserfaultFdEntry", None, None),
        (2, "flags", "required", "uint32", None, None, "open.flags"),
        (3, "features", "optional", "uint64", None, None, "hex"),
        (4, "user_mode_only", "optional", "bool", None, None, None),
        (5, "ranges", "repeated", "message", "crtools:UserfaultRangeEntry", None, None),
        (6, "protected", "repeated", "message", "crtools:PageRangeEntry", None, None),
        (7, "populated", "repeated", "message", "crtools:PageRangeEntry", None, None),
        (8, "poisoned", "repeated", "message", "crtools:PageRangeEntry", None, None),
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


class CrtoolsTaskEntry(Message):
    """crtools-task-%u.img, by process: an entry for each thread of which there is something to
    say; what belongs to the process stands with its first thread."""

    __slots__ = (
        "xstate",
        "xcr0",
        "restart",
        "timer_slack",
        "cpu_affinity",
        "io_priority",
        "coredump_filter",
        "anon_names",
        "stop_unread",
        "lock_on_fault",
        "lock_future",
        "tid",
        "tsc_forbidden",
        "cpuid_forbidden",
        "mce_kill",
        "io_flusher",
        "mdwe",
        "store_bypass",
        "indirect_branch",
        "l1d_flush",
        "sched",
        "autogroup_nice",
        "memory_policy",
        "area_policies",
        "memory_merge",
        "thp_disable",
        "timers",
        "exit_signal",
        "leader_exit",
        "ldt",
        "keys",
        "area_keys",
        "sealed",
        "unwritable",
        "userfaultfds",
        "sem_undo",
    )

    NAME = "crtools_task_entry"
    FIELDS = (
        (1, "xstate", "optional", "bytes", None, None, None),
        (2, "xcr0", "optional", "uint64", None, None, "hex"),
        (3, "restart", "repeated", "message", "crtools:RestartEntry", None, None),
        (4, "timer_slack", "optional", "uint64", None, None, None),
        (5, "cpu_affinity", "optional", "bytes", None, None, None),
        (6, "io_priority", "optional", "uint32", None, None, None),
        (7, "coredump_filter", "optional", "uint32", None, None, None),
        (8, "anon_names", "repeated", "message", "crtools:AnonNameEntry", None, None),
        (9, "stop_unread", "optional", "bool", None, None, None),
        (10, "lock_on_fault", "repeated", "uint64", None, None, "hex"),
        (11, "lock_future", "optional", "uint32", None, None, None),
        (12, "tid", "required", "uint32", None, None, None),
        (25, "tsc_forbidden", "optional", "bool", None, None, None),
        (26, "cpuid_forbidden", "optional", "bool", None, None, None),
        (27, "mce_kill", "optional", "uint32", None, None, None),
        (28, "io_flusher", "optional", "bool", None, None, None),
        (29, "mdwe", "optional", "uint32", None, None, None),
        (30, "store_bypass", "optional", "uint32", None, None, None),
        (31, "indirect_branch", "optional", "uint32", None, None, None),
        (32, "l1d_flush", "optional", "uint32", None, None, None),
        (35, "sched", "optional", "message", "crtools:SchedEntry", None, None),
        (36, "autogroup_nice", "optional", "sint32", None, None, None),
        (37, "memory_policy", "optional", "message", "crtools:MemoryPolicyEntry", None, None),
        (38, "area_policies", "repeated", "message", "crtools:MemoryPolicyEntry", None, None),
        (39, "memory_merge", "optional", "bool", None, None, None),
        (40, "thp_disable", "optional", "uint32", None, None, None),
        (45, "timers", "repeated", "message", "crtools:TimerEntry", None, None),
        (55, "exit_signal", "optional", "uint32", None, None, None),
        (56, "leader_exit", "optional", "uint32", None, None, None),
        (60, "ldt", "optional", "bytes", None, None, None),
        (61, "keys", "optional", "uint32", None, None, "hex"),
        (62, "area_keys", "repeated", "message", "crtools:AreaKeyEntry", None, None),
        (70, "sealed", "repeated", "uint64", None, None, "hex"),
        (71, "unwritable", "repeated", "uint64", None, None, "hex"),
        (72, "userfaultfds", "repeated", "message", "crtools:UserfaultfdEntry", None, None),
        (80, "sem_undo", "repeated", "message", "crtools:CrtoolsSemUndoEntry", None, None),
    )

    def __init__(
        self,
        *,
        xstate: bytes | None = None,
        xcr0: int | None = None,
        restart: Sequence[RestartEntry] = (),
        timer_slack: int | None = None,
        cpu_affinity: bytes | None = None,
        io_priority: int | None = None,
        coredump_filter: int | None = None,
        anon_names: Sequence[AnonNameEntry] = (),
        stop_unread: bool | None = None,
        lock_on_fault: Sequence[int] = (),
        lock_future: int | None = None,
        tid: int,
        tsc_forbidden: bool | None = None,
        cpuid_forbidden: bool | None = None,
        mce_kill: int | None = None,
        io_flusher: bool | None = None,
        mdwe: int | None = None,
        store_bypass: int | None = None,
        indirect_branch: int | None = None,
        l1d_flush: int | None = None,
        sched: SchedEntry | None = None,
        autogroup_nice: int | None = None,
        memory_policy: MemoryPolicyEntry | None = None,
        area_policies: Sequence[MemoryPolicyEntry] = (),
        memory_merge: bool | None = None,
        thp_disable: int | None = None,
        timers: Sequence[TimerEntry] = (),
        exit_signal: int | None = None,
        leader_exit: int | None = None,
        ldt: bytes | None = None,
        keys: int | None = None,
        area_keys: Sequence[AreaKeyEntry] = (),
        sealed: Sequence[int] = (),
        unwritable: Sequence[int] = (),
        userfaultfds: Sequence[UserfaultfdEntry] = (),
        sem_undo: Sequence[CrtoolsSemUndoEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.xstate = xstate
        self.xcr0 = xcr0
        self.restart = restart
        self.timer_slack = timer_slack
        self.cpu_affinity = cpu_affinity
        self.io_priority = io_priority
        self.coredump_filter = coredump_filter
        self.anon_names = anon_names
        self.stop_unread = stop_unread
        self.lock_on_fault = lock_on_fault
        self.lock_future = lock_future
        self.tid = tid
        self.tsc_forbidden = tsc_forbidden
        self.cpuid_forbidden = cpuid_forbidden
        self.mce_kill = mce_kill
        self.io_flusher = io_flusher
        self.mdwe = mdwe
        self.store_bypass = store_bypass
        self.indirect_branch = indirect_branch
        self.l1d_flush = l1d_flush
        self.sched = sched
        self.autogroup_nice = autogroup_nice
        self.memory_policy = memory_policy
        self.area_policies = area_policies
        self.memory_merge = memory_merge
        self.thp_disable = thp_disable
        self.timers = timers
        self.exit_signal = exit_signal
        self.leader_exit = leader_exit
        self.ldt = ldt
        self.keys = keys
        self.area_keys = area_keys
        self.sealed = sealed
        self.unwritable = unwritable
        self.userfaultfds = userfaultfds
        self.sem_undo = sem_undo
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b"" if self.xstate is None else _length_1[len(b := self.xstate)] + b,
                    b"" if self.xcr0 is None else _uint64_2[self.xcr0],
                    *[_length_3[len(b)] + b for b in [m.encode() for m in self.restart]],
                    b"" if self.timer_slack is None else _uint64_4[self.timer_slack],
                    b"" if self.cpu_affinity is None else _length_5[len(b := self.cpu_affinity)] + b,
                    b"" if self.io_priority is None else _uint32_6[self.io_priority],
                    b"" if self.coredump_filter is None else _uint32_7[self.coredump_filter],
                    *[_length_8[len(b)] + b for b in [m.encode() for m in self.anon_names]],
                    b"" if self.stop_unread is None else _bool_9[self.stop_unread],
                    *map(_uint64_10.__getitem__, self.lock_on_fault),
                    b"" if self.lock_future is None else _uint32_11[self.lock_future],
                    _uint32_12[self.tid],
                    b"" if self.tsc_forbidden is None else _bool_25[self.tsc_forbidden],
                    b"" if self.cpuid_forbidden is None else _bool_26[self.cpuid_forbidden],
                    b"" if self.mce_kill is None else _uint32_27[self.mce_kill],
                    b"" if self.io_flusher is None else _bool_28[self.io_flusher],
                    b"" if self.mdwe is None else _uint32_29[self.mdwe],
                    b"" if self.store_bypass is None else _uint32_30[self.store_bypass],
                    b"" if self.indirect_branch is None else _uint32_31[self.indirect_branch],
                    b"" if self.l1d_flush is None else _uint32_32[self.l1d_flush],
                    b"" if self.sched is None else _length_35[len(b := self.sched.encode())] + b,
                    b"" if self.autogroup_nice is None else _sint32_36[self.autogroup_nice],
                    b""
                    if self.memory_policy is None
                    else _length_37[len(b := self.memory_policy.encode())] + b,
                    *[_length_38[len(b)] + b for b in [m.encode() for m in self.area_policies]],
                    b"" if self.memory_merge is None else _bool_39[self.memory_merge],
                    b"" if self.thp_disable is None else _uint32_40[self.thp_disable],
                    *[_length_45[len(b)] + b for b in [m.encode() for m in self.timers]],
                    b"" if self.exit_signal is None else _uint32_55[self.exit_signal],
                    b"" if self.leader_exit is None else _uint32_56[self.leader_exit],
                    b"" if self.ldt is None else _length_60[len(b := self.ldt)] + b,
                    b"" if self.keys is None else _uint32_61[self.keys],
                    *[_length_62[len(b)] + b for b in [m.encode() for m in self.area_keys]],
                    *map(_uint64_70.__getitem__, self.sealed),
                    *map(_uint64_71.__getitem__, self.unwritable),
                    *[_length_72[len(b)] + b for b in [m.encode() for m in self.userfaultfds]],
                    *[_length_80[len(b)] + b for b in [m.encode() for m in self.sem_undo]],
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
        timer_slack: Any = None
        cpu_affinity: Any = None
        io_priority: Any = None
        coredump_filter: Any = None
        anon_names: Any = ()
        stop_unread: Any = None
        lock_on_fault: Any = ()
        lock_future: Any = None
        tid: Any = None
        tsc_forbidden: Any = None
        cpuid_forbidden: Any = None
        mce_kill: Any = None
        io_flusher: Any = None
        mdwe: Any = None
        store_bypass: Any = None
        indirect_branch: Any = None
        l1d_flush: Any = None
        sched: Any = None
        autogroup_nice: Any = None
        memory_policy: Any = None
        area_policies: Any = ()
        memory_merge: Any = None
        thp_disable: Any = None
        timers: Any = ()
        exit_signal: Any = None
        leader_exit: Any = None
        ldt: Any = None
        keys: Any = None
        area_keys: Any = ()
        sealed: Any = ()
        unwritable: Any = ()
        userfaultfds: Any = ()
        sem_undo: Any = ()
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
            if tag == 32:
                timer_slack = buf[at + 1]
                at += 2
                if timer_slack > 127:
                    timer_slack, at = read_varint64(buf, at, timer_slack)
                tag = buf[at] if at < stop else 0
            if tag == 42:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                cpu_affinity = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 48:
                io_priority = buf[at + 1]
                at += 2
                if io_priority > 127:
                    io_priority, at = read_varint32(buf, at, io_priority)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                coredump_filter = buf[at + 1]
                at += 2
                if coredump_filter > 127:
                    coredump_filter, at = read_varint32(buf, at, coredump_filter)
                tag = buf[at] if at < stop else 0
            if tag == 66:
                anon_names = []
                while tag == 66:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    anon_names.append(AnonNameEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 72:
                stop_unread = buf[at + 1]
                at += 2
                if stop_unread > 1:
                    stop_unread, at = read_bool(buf, at, stop_unread)
                else:
                    stop_unread = stop_unread == 1
                tag = buf[at] if at < stop else 0
            if tag == 80:
                lock_on_fault, at = read_run(buf, at, stop, b"\x50", "uint64")
                tag = buf[at] if at < stop else 0
            if tag == 88:
                lock_future = buf[at + 1]
                at += 2
                if lock_future > 127:
                    lock_future, at = read_varint32(buf, at, lock_future)
                tag = buf[at] if at < stop else 0
            if tag == 96:
                tid = buf[at + 1]
                at += 2
                if tid > 127:
                    tid, at = read_varint32(buf, at, tid)
                tag = buf[at] if at < stop else 0
            if tag == 200 and buf[at + 1] == 1:
                tsc_forbidden = buf[at + 2]
                at += 3
                if tsc_forbidden > 1:
                    tsc_forbidden, at = read_bool(buf, at, tsc_forbidden)
                else:
                    tsc_forbidden = tsc_forbidden == 1
                tag = buf[at] if at < stop else 0
            if tag == 208 and buf[at + 1] == 1:
                cpuid_forbidden = buf[at + 2]
                at += 3
                if cpuid_forbidden > 1:
                    cpuid_forbidden, at = read_bool(buf, at, cpuid_forbidden)
                else:
                    cpuid_forbidden = cpuid_forbidden == 1
                tag = buf[at] if at < stop else 0
            if tag == 216 and buf[at + 1] == 1:
                mce_kill = buf[at + 2]
                at += 3
                if mce_kill > 127:
                    mce_kill, at = read_varint32(buf, at, mce_kill)
                tag = buf[at] if at < stop else 0
            if tag == 224 and buf[at + 1] == 1:
                io_flusher = buf[at + 2]
                at += 3
                if io_flusher > 1:
                    io_flusher, at = read_bool(buf, at, io_flusher)
                else:
                    io_flusher = io_flusher == 1
                tag = buf[at] if at < stop else 0
            if tag == 232 and buf[at + 1] == 1:
                mdwe = buf[at + 2]
                at += 3
                if mdwe > 127:
                    mdwe, at = read_varint32(buf, at, mdwe)
                tag = buf[at] if at < stop else 0
            if tag == 240 and buf[at + 1] == 1:
                store_bypass = buf[at + 2]
                at += 3
                if store_bypass > 127:
                    store_bypass, at = read_varint32(buf, at, store_bypass)
                tag = buf[at] if at < stop else 0
            if tag == 248 and buf[at + 1] == 1:
                indirect_branch = buf[at + 2]
                at += 3
                if indirect_branch > 127:
                    indirect_branch, at = read_varint32(buf, at, indirect_branch)
                tag = buf[at] if at < stop else 0
            if tag == 128 and buf[at + 1] == 2:
                l1d_flush = buf[at + 2]
                at += 3
                if l1d_flush > 127:
                    l1d_flush, at = read_varint32(buf, at, l1d_flush)
                tag = buf[at] if at < stop else 0
            if tag == 154 and buf[at + 1] == 2:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                sched = SchedEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 160 and buf[at + 1] == 2:
                autogroup_nice = buf[at + 2]
                at += 3
                if autogroup_nice > 127:
                    autogroup_nice, at = read_sint32(buf, at, autogroup_nice)
                else:
                    autogroup_nice = autogroup_nice >> 1 ^ -(autogroup_nice & 1)
                tag = buf[at] if at < stop else 0
            if tag == 170 and buf[at + 1] == 2:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                memory_policy = MemoryPolicyEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 178 and buf[at + 1] == 2:
                area_policies = []
                while tag == 178 and buf[at + 1] == 2:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    area_policies.append(MemoryPolicyEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 184 and buf[at + 1] == 2:
                memory_merge = buf[at + 2]
                at += 3
                if memory_merge > 1:
                    memory_merge, at = read_bool(buf, at, memory_merge)
                else:
                    memory_merge = memory_merge == 1
                tag = buf[at] if at < stop else 0
            if tag == 192 and buf[at + 1] == 2:
                thp_disable = buf[at + 2]
                at += 3
                if thp_disable > 127:
                    thp_disable, at = read_varint32(buf, at, thp_disable)
                tag = buf[at] if at < stop else 0
            if tag == 234 and buf[at + 1] == 2:
                timers = []
                while tag == 234 and buf[at + 1] == 2:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    timers.append(TimerEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 184 and buf[at + 1] == 3:
                exit_signal = buf[at + 2]
                at += 3
                if exit_signal > 127:
                    exit_signal, at = read_varint32(buf, at, exit_signal)
                tag = buf[at] if at < stop else 0
            if tag == 192 and buf[at + 1] == 3:
                leader_exit = buf[at + 2]
                at += 3
                if leader_exit > 127:
                    leader_exit, at = read_varint32(buf, at, leader_exit)
                tag = buf[at] if at < stop else 0
            if tag == 226 and buf[at + 1] == 3:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ldt = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 232 and buf[at + 1] == 3:
                keys = buf[at + 2]
                at += 3
                if keys > 127:
                    keys, at = read_varint32(buf, at, keys)
                tag = buf[at] if at < stop else 0
            if tag == 242 and buf[at + 1] == 3:
                area_keys = []
                while tag == 242 and buf[at + 1] == 3:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    area_keys.append(AreaKeyEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 176 and buf[at + 1] == 4:
                sealed, at = read_run(buf, at, stop, b"\xb0\x04", "uint64")
                tag = buf[at] if at < stop else 0
            if tag == 184 and buf[at + 1] == 4:
                unwritable, at = read_run(buf, at, stop, b"\xb8\x04", "uint64")
                tag = buf[at] if at < stop else 0
            if tag == 194 and buf[at + 1] == 4:
                userfaultfds = []
                while tag == 194 and buf[at + 1] == 4:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    userfaultfds.append(UserfaultfdEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 130 and buf[at + 1] == 5:
                sem_undo = []
                while tag == 130 and buf[at + 1] == 5:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    sem_undo.append(CrtoolsSemUndoEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.xstate = xstate
        new.xcr0 = xcr0
        new.restart = restart
        new.timer_slack = timer_slack
        new.cpu_affinity = cpu_affinity
        new.io_priority = io_priority
        new.coredump_filter = coredump_filter
        new.anon_names = anon_names
        new.stop_unread = stop_unread
        new.lock_on_fault = lock_on_fault
        new.lock_future = lock_future
        new.tid = tid
        new.tsc_forbidden = tsc_forbidden
        new.cpuid_forbidden = cpuid_forbidden
        new.mce_kill = mce_kill
        new.io_flusher = io_flusher
        new.mdwe = mdwe
        new.store_bypass = store_bypass
        new.indirect_branch = indirect_branch
        new.l1d_flush = l1d_flush
        new.sched = sched
        new.autogroup_nice = autogroup_nice
        new.memory_policy = memory_policy
        new.area_policies = area_policies
        new.memory_merge = memory_merge
        new.thp_disable = thp_disable
        new.timers = timers
        new.exit_signal = exit_signal
        new.leader_exit = leader_exit
        new.ldt = ldt
        new.keys = keys
        new.area_keys = area_keys
        new.sealed = sealed
        new.unwritable = unwritable
        new.userfaultfds = userfaultfds
        new.sem_undo = sem_undo
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if tid is None:
            require(new, begin)
        return new


class CrtoolsShmEntry(Message):
    """crtools-shm.img: the System V segments that the tree has attached, in the host's ipc
    namespace."""

    __slots__ = (
        "segment",
        "ctime",
        "contents",
    )

    NAME = "crtools_shm_entry"
    FIELDS = (
        (1, "segment", "required", "message", "ipc_shm:IpcShmEntry", None, None),
        (2, "ctime", "required", "int64", None, None, None),
        (3, "contents", "optional", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        segment: IpcShmEntry,
        ctime: int,
        contents: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.segment = segment
        self.ctime = ctime
        self.contents = contents
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.segment.encode())] + b,
                    _int64_2[self.ctime],
                    b"" if self.contents is None else _uint64_3[self.contents],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        segment: Any = None
        ctime: Any = None
        contents: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                from crtools.images.messages.ipc_shm import IpcShmEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                segment = IpcShmEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                ctime = buf[at + 1]
                at += 2
                if ctime > 127:
                    ctime, at = read_int64(buf, at, ctime)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                contents = buf[at + 1]
                at += 2
                if contents > 127:
                    contents, at = read_varint64(buf, at, contents)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.segment = segment
        new.ctime = ctime
        new.contents = contents
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if segment is None or ctime is None:
            require(new, begin)
        return new


class CrtoolsMemfdEntry(Message):
    """crtools-memfd.img: what memfd.img has no field for, of each memfd_create(2) file there."""

    __slots__ = (
        "inode_id",
        "atime",
        "mtime",
    )

    NAME = "crtools_memfd_entry"
    FIELDS = (
        (1, "inode_id", "required", "uint64", None, None, None),
        (2, "atime", "required", "sint64", None, None, None),
        (3, "mtime", "required", "sint64", None, None, None),
    )

    def __init__(
        self,
        *,
        inode_id: int,
        atime: int,
        mtime: int,
        unknown: bytes = b"",
    ) -> None:
        self.inode_id = inode_id
        self.atime = atime
        self.mtime = mtime
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.inode_id],
                    _sint64_2[self.atime],
                    _sint64_3[self.mtime],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        inode_id: Any = None
        atime: Any = None
        mtime: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                inode_id = buf[at + 1]
                at += 2
                if inode_id > 127:
                    inode_id, at = read_varint64(buf, at, inode_id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                atime = buf[at + 1]
                at += 2
                if atime > 127:
                    atime, at = read_sint64(buf, at, atime)
                else:
                    atime = atime >> 1 ^ -(atime & 1)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                mtime = buf[at + 1]
                at += 2
                if mtime > 127:
                    mtime, at = read_sint64(buf, at, mtime)
                else:
                    mtime = mtime >> 1 ^ -(mtime & 1)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.inode_id = inode_id
        new.atime = atime
        new.mtime = mtime
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if inode_id is None or atime is None or mtime is None:
            require(new, begin)
        return new


class UringBufferEntry(Message):
    """A registered buffer of an io_uring; of no length: a slot without one."""

    __slots__ = (
        "start",
        "length",
    )

    NAME = "uring_buffer_entry"
    FIELDS = (
        (1, "start", "required", "uint64", None, None, "hex"),
        (2, "length", "required", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        start: int,
        length: int,
        unknown: bytes = b"",
    ) -> None:
        self.start = start
        self.length = length
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.start],
                    _uint64_2[self.length],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        start: Any = None
        length: Any = None
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
                length = buf[at + 1]
                at += 2
                if length > 127:
                    length, at = read_varint64(buf, at, length)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.start = start
        new.length = length
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if start is None or length is None:
            require(new, begin)
        return new


class CrtoolsUringEntry(Message):
    """crtools-uring.img: io_urings, which files.img has with the type 17234 and this id."""

    __slots__ = (
        "id",
        "flags",
        "inode",
        "fown",
        "setup",
        "sq_entries",
        "cq_entries",
        "sq_head",
        "cq_tail",
        "rings",
        "sqes",
        "offsets",
        "buffers",
        "files",
    )

    NAME = "crtools_uring_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "flags", "required", "uint32", None, None, "open.flags"),
        (3, "inode", "required", "uint64", None, None, None),
        (4, "fown", "required", "message", "fown:FownEntry", None, None),
        (5, "setup", "required", "uint32", None, None, "hex"),
        (6, "sq_entries", "required", "uint32", None, None, None),
        (7, "cq_entries", "required", "uint32", None, None, None),
        (8, "sq_head", "required", "uint32", None, None, None),
        (9, "cq_tail", "required", "uint32", None, None, None),
        (10, "rings", "required", "bytes", None, None, None),
        (11, "sqes", "required", "bytes", None, None, None),
        (12, "offsets", "required", "bytes", None, None, None),
        (13, "buffers", "repeated", "message", "crtools:UringBufferEntry", None, None),
        (14, "files", "repeated", "sint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        flags: int,
        inode: int,
        fown: FownEntry,
        setup: int,
        sq_entries: int,
        cq_entries: int,
        sq_head: int,
        cq_tail: int,
        rings: bytes,
        sqes: bytes,
        offsets: bytes,
        buffers: Sequence[UringBufferEntry] = (),
        files: Sequence[int] = (),
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.flags = flags
        self.inode = inode
        self.fown = fown
        self.setup = setup
        self.sq_entries = sq_entries
        self.cq_entries = cq_entries
        self.sq_head = sq_head
        self.cq_tail = cq_tail
        self.rings = rings
        self.sqes = sqes
        self.offsets = offsets
        self.buffers = buffers
        self.files = files
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.flags],
                    _uint64_3[self.inode],
                    _length_4[len(b := self.fown.encode())] + b,
                    _uint32_5[self.setup],
                    _uint32_6[self.sq_entries],
                    _uint32_7[self.cq_entries],
                    _uint32_8[self.sq_head],
                    _uint32_9[self.cq_tail],
                    _length_10[len(b := self.rings)] + b,
                    _length_11[len(b := self.sqes)] + b,
                    _length_12[len(b := self.offsets)] + b,
                    *[_length_13[len(b)] + b for b in [m.encode() for m in self.buffers]],
                    *map(_sint32_14.__getitem__, self.files),
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        flags: Any = None
        inode: Any = None
        fown: Any = None
        setup: Any = None
        sq_entries: Any = None
        cq_entries: Any = None
        sq_head: Any = None
        cq_tail: Any = None
        rings: Any = None
        sqes: Any = None
        offsets: Any = None
        buffers: Any = ()
        files: Any = ()
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
            if tag == 24:
                inode = buf[at + 1]
                at += 2
                if inode > 127:
                    inode, at = read_varint64(buf, at, inode)
                tag = buf[at] if at < stop else 0
            if tag == 34:
                from crtools.images.messages.fown import FownEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                fown = FownEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                setup = buf[at + 1]
                at += 2
                if setup > 127:
                    setup, at = read_varint32(buf, at, setup)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                sq_entries = buf[at + 1]
                at += 2
                if sq_entries > 127:
                    sq_entries, at = read_varint32(buf, at, sq_entries)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                cq_entries = buf[at + 1]
                at += 2
                if cq_entries > 127:
                    cq_entries, at = read_varint32(buf, at, cq_entries)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                sq_head = buf[at + 1]
                at += 2
                if sq_head > 127:
                    sq_head, at = read_varint32(buf, at, sq_head)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                cq_tail = buf[at + 1]
                at += 2
                if cq_tail > 127:
                    cq_tail, at = read_varint32(buf, at, cq_tail)
                tag = buf[at] if at < stop else 0
            if tag == 82:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                rings = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 90:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                sqes = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 98:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                offsets = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 106:
                buffers = []
                while tag == 106:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    buffers.append(UringBufferEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 112:
                files, at = read_run(buf, at, stop, b"\x70", "sint32")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.flags = flags
        new.inode = inode
        new.fown = fown
        new.setup = setup
        new.sq_entries = sq_entries
        new.cq_entries = cq_entries
        new.sq_head = sq_head
        new.cq_tail = cq_tail
        new.rings = rings
        new.sqes = sqes
        new.offsets = offsets
        new.buffers = buffers
        new.files = files
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            id is None
            or flags is None
            or inode is None
            or fown is None
            or setup is None
            or sq_entries is None
            or cq_entries is None
            or sq_head is None
            or cq_tail is None
            or rings is None
            or sqes is None
            or offsets is None
        ):
            require(new, begin)
        return new
