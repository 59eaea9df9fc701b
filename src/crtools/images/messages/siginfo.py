"""Generated from proto/siginfo.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_length_1 = field(1, "length")


class SiginfoEntry(Message):
    """One siginfo_t."""

    __slots__ = (
        "siginfo",
    )

    NAME = "siginfo_entry"
    FIELDS = (
        (1, "siginfo", "required", "bytes", None, None, None),
    )

    def __init__(
        self,
        *,
        siginfo: bytes,
        unknown: bytes = b"",
    ) -> None:
        self.siginfo = siginfo
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.siginfo)] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        siginfo: Any = None
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
                siginfo = buf[at - span : at]
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.siginfo = siginfo
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if siginfo is None:
            require(new, begin)
        return new


class SignalQueueEntry(Message):
    """A queue of pending signals."""

    __slots__ = (
        "signals",
    )

    NAME = "signal_queue_entry"
    FIELDS = (
        (1, "signals", "repeated", "message", "siginfo:SiginfoEntry", None, None),
    )

    def __init__(
        self,
        *,
        signals: Sequence[SiginfoEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.signals = signals
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    *[_length_1[len(b)] + b for b in [m.encode() for m in self.signals]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        signals: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                signals = []
                while tag == 10:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    signals.append(SiginfoEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.signals = signals
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new
