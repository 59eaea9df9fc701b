"""Generated from proto/timer.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_int32,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_int32_11 = field(11, "int32")
_length_1 = field(1, "length")
_length_2 = field(2, "length")
_length_3 = field(3, "length")
_length_4 = field(4, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_6 = field(6, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")
_uint64_3 = field(3, "uint64")
_uint64_4 = field(4, "uint64")
_uint64_5 = field(5, "uint64")
_uint64_7 = field(7, "uint64")
_uint64_8 = field(8, "uint64")
_uint64_9 = field(9, "uint64")
_uint64_10 = field(10, "uint64")


class ItimerEntry(Message):
    """The message itimer_entry."""

    __slots__ = (
        "isec",
        "iusec",
        "vsec",
        "vusec",
    )

    NAME = "itimer_entry"
    FIELDS = (
        (1, "isec", "required", "uint64", None, None, None),
        (2, "iusec", "required", "uint64", None, None, None),
        (3, "vsec", "required", "uint64", None, None, None),
        (4, "vusec", "required", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        isec: int,
        iusec: int,
        vsec: int,
        vusec: int,
        unknown: bytes = b"",
    ) -> None:
        self.isec = isec
        self.iusec = iusec
        self.vsec = vsec
        self.vusec = vusec
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.isec],
                    _uint64_2[self.iusec],
                    _uint64_3[self.vsec],
                    _uint64_4[self.vusec],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        isec: Any = None
        iusec: Any = None
        vsec: Any = None
        vusec: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                isec = buf[at + 1]
                at += 2
                if isec > 127:
                    isec, at = read_varint64(buf, at, isec)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                iusec = buf[at + 1]
                at += 2
                if iusec > 127:
                    iusec, at = read_varint64(buf, at, iusec)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                vsec = buf[at + 1]
                at += 2
                if vsec > 127:
                    vsec, at = read_varint64(buf, at, vsec)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                vusec = buf[at + 1]
                at += 2
                if vusec > 127:
                    vusec, at = read_varint64(buf, at, vusec)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.isec = isec
        new.iusec = iusec
        new.vsec = vsec
        new.vusec = vusec
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if isec is None or iusec is None or vsec is None or vusec is None:
            require(new, begin)
        return new


class PosixTimerEntry(Message):
    """The message posix_timer_entry."""

    __slots__ = (
        "it_id",
        "clock_id",
        "si_signo",
        "it_sigev_notify",
        "sival_ptr",
        "overrun",
        "isec",
        "insec",
        "vsec",
        "vnsec",
        "notify_thread_id",
    )

    NAME = "posix_timer_entry"
    FIELDS = (
        (1, "it_id", "required", "uint32", None, None, None),
        (2, "clock_id", "required", "uint32", None, None, None),
        (3, "si_signo", "required", "uint32", None, None, None),
        (4, "it_sigev_notify", "required", "uint32", None, None, None),
        (5, "sival_ptr", "required", "uint64", None, None, None),
        (6, "overrun", "required", "uint32", None, None, None),
        (7, "isec", "required", "uint64", None, None, None),
        (8, "insec", "required", "uint64", None, None, None),
        (9, "vsec", "required", "uint64", None, None, None),
        (10, "vnsec", "required", "uint64", None, None, None),
        (11, "notify_thread_id", "optional", "int32", None, None, None),
    )

    def __init__(
        self,
        *,
        it_id: int,
        clock_id: int,
        si_signo: int,
        it_sigev_notify: int,
        sival_ptr: int,
        overrun: int,
        isec: int,
        insec: int,
        vsec: int,
        vnsec: int,
        notify_thread_id: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.it_id = it_id
        self.clock_id = clock_id
        self.si_signo = si_signo
        self.it_sigev_notify = it_sigev_notify
        self.sival_ptr = sival_ptr
        self.overrun = overrun
        self.isec = isec
        self.insec = insec
        self.vsec = vsec
        self.vnsec = vnsec
        self.notify_thread_id = notify_thread_id
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.it_id],
                    _uint32_2[self.clock_id],
                    _uint32_3[self.si_signo],
                    _uint32_4[self.it_sigev_notify],
                    _uint64_5[self.sival_ptr],
                    _uint32_6[self.overrun],
                    _uint64_7[self.isec],
                    _uint64_8[self.insec],
                    _uint64_9[self.vsec],
                    _uint64_10[self.vnsec],
                    b"" if self.notify_thread_id is None else _int32_11[self.notify_thread_id],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        it_id: Any = None
        clock_id: Any = None
        si_signo: Any = None
        it_sigev_notify: Any = None
        sival_ptr: Any = None
        overrun: Any = None
        isec: Any = None
        insec: Any = None
        vsec: Any = None
        vnsec: Any = None
        notify_thread_id: Any = None
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
                clock_id = buf[at + 1]
                at += 2
                if clock_id > 127:
                    clock_id, at = read_varint32(buf, at, clock_id)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                si_signo = buf[at + 1]
                at += 2
                if si_signo > 127:
                    si_signo, at = read_varint32(buf, at, si_signo)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                it_sigev_notify = buf[at + 1]
                at += 2
                if it_sigev_notify > 127:
                    it_sigev_notify, at = read_varint32(buf, at, it_sigev_notify)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                sival_ptr = buf[at + 1]
                at += 2
                if sival_ptr > 127:
                    sival_ptr, at = read_varint64(buf, at, sival_ptr)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                overrun = buf[at + 1]
                at += 2
                if overrun > 127:
                    overrun, at = read_varint32(buf, at, overrun)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                isec = buf[at + 1]
                at += 2
                if isec > 127:
                    isec, at = read_varint64(buf, at, isec)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                insec = buf[at + 1]
                at += 2
                if insec > 127:
                    insec, at = read_varint64(buf, at, insec)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                vsec = buf[at + 1]
                at += 2
                if vsec > 127:
                    vsec, at = read_varint64(buf, at, vsec)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                vnsec = buf[at + 1]
                at += 2
                if vnsec > 127:
                    vnsec, at = read_varint64(buf, at, vnsec)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                notify_thread_id = buf[at + 1]
                at += 2
                if notify_thread_id > 127:
                    notify_thread_id, at = read_int32(buf, at, notify_thread_id)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.it_id = it_id
        new.clock_id = clock_id
        new.si_signo = si_signo
        new.it_sigev_notify = it_sigev_notify
        new.sival_ptr = sival_ptr
        new.overrun = overrun
        new.isec = isec
        new.insec = insec
        new.vsec = vsec
        new.vnsec = vnsec
        new.notify_thread_id = notify_thread_id
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            it_id is None
            or clock_id is None
            or si_signo is None
            or it_sigev_notify is None
            or sival_ptr is None
            or overrun is None
            or isec is None
            or insec is None
            or vsec is None
            or vnsec is None
        ):
            require(new, begin)
        return new


class TaskTimersEntry(Message):
    """The message task_timers_entry."""

    __slots__ = (
        "real",
        "virt",
        "prof",
        "posix",
    )

    NAME = "task_timers_entry"
    FIELDS = (
        (1, "real", "required", "message", "timer:ItimerEntry", None, None),
        (2, "virt", "required", "message", "timer:ItimerEntry", None, None),
        (3, "prof", "required", "message", "timer:ItimerEntry", None, None),
        (4, "posix", "repeated", "message", "timer:PosixTimerEntry", None, None),
    )

    def __init__(
        self,
        *,
        real: ItimerEntry,
        virt: ItimerEntry,
        prof: ItimerEntry,
        posix: Sequence[PosixTimerEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.real = real
        self.virt = virt
        self.prof = prof
        self.posix = posix
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.real.encode())] + b,
                    _length_2[len(b := self.virt.encode())] + b,
                    _length_3[len(b := self.prof.encode())] + b,
                    *[_length_4[len(b)] + b for b in [m.encode() for m in self.posix]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        real: Any = None
        virt: Any = None
        prof: Any = None
        posix: Any = ()
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
                real = ItimerEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                virt = ItimerEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                prof = ItimerEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 34:
                posix = []
                while tag == 34:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    posix.append(PosixTimerEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.real = real
        new.virt = virt
        new.prof = prof
        new.posix = posix
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if real is None or virt is None or prof is None:
            require(new, begin)
        return new
