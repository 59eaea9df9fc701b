"""Generated from proto/apparmor.proto by tools/generate_messages.py: do not edit."""

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
_length_2 = field(2, "length")
_length_3 = field(3, "length")


class AaPolicy(Message):
    """The message aa_policy."""

    __slots__ = (
        "name",
        "blob",
    )

    NAME = "aa_policy"
    FIELDS = (
        (1, "name", "required", "string", None, None, None),
        (2, "blob", "required", "bytes", None, None, None),
    )

    def __init__(
        self,
        *,
        name: str,
        blob: bytes,
        unknown: bytes = b"",
    ) -> None:
        self.name = name
        self.blob = blob
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.name.encode("utf-8", "surrogateescape"))] + b,
                    _length_2[len(b := self.blob)] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        name: Any = None
        blob: Any = None
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
                name = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                blob = buf[at - span : at]
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.name = name
        new.blob = blob
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if name is None or blob is None:
            require(new, begin)
        return new


class AaNamespace(Message):
    """The message aa_namespace."""

    __slots__ = (
        "name",
        "policies",
        "namespaces",
    )

    NAME = "aa_namespace"
    FIELDS = (
        (1, "name", "required", "string", None, None, None),
        (2, "policies", "repeated", "message", "apparmor:AaPolicy", None, None),
        (3, "namespaces", "repeated", "message", "apparmor:AaNamespace", None, None),
    )

    def __init__(
        self,
        *,
        name: str,
        policies: Sequence[AaPolicy] = (),
        namespaces: Sequence[AaNamespace] = (),
        unknown: bytes = b"",
    ) -> None:
        self.name = name
        self.policies = policies
        self.namespaces = namespaces
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.name.encode("utf-8", "surrogateescape"))] + b,
                    *[_length_2[len(b)] + b for b in [m.encode() for m in self.policies]],
                    *[_length_3[len(b)] + b for b in [m.encode() for m in self.namespaces]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        name: Any = None
        policies: Any = ()
        namespaces: Any = ()
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
                name = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 18:
                policies = []
                while tag == 18:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    policies.append(AaPolicy.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 26:
                namespaces = []
                while tag == 26:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    namespaces.append(AaNamespace.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.name = name
        new.policies = policies
        new.namespaces = namespaces
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if name is None:
            require(new, begin)
        return new


class ApparmorEntry(Message):
    """The message apparmor_entry."""

    __slots__ = (
        "namespaces",
    )

    NAME = "apparmor_entry"
    FIELDS = (
        (1, "namespaces", "repeated", "message", "apparmor:AaNamespace", None, None),
    )

    def __init__(
        self,
        *,
        namespaces: Sequence[AaNamespace] = (),
        unknown: bytes = b"",
    ) -> None:
        self.namespaces = namespaces
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    *[_length_1[len(b)] + b for b in [m.encode() for m in self.namespaces]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        namespaces: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                namespaces = []
                while tag == 10:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    namespaces.append(AaNamespace.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.namespaces = namespaces
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new
