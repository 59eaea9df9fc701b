"""Generated from proto/crtools_socket.proto by tools/generate_messages.py: do not edit."""

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
_length_2 = field(2, "length")
_length_3 = field(3, "length")
_length_4 = field(4, "length")
_length_5 = field(5, "length")
_length_6 = field(6, "length")
_length_7 = field(7, "length")
_length_10 = field(10, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint64_4 = field(4, "uint64")


class SocketOptionEntry(Message):
    """The message socket_option_entry."""

    __slots__ = (
        "level",
        "number",
        "value",
    )

    NAME = "socket_option_entry"
    FIELDS = (
        (1, "level", "required", "uint32", None, None, None),
        (2, "number", "required", "uint32", None, None, None),
        (3, "value", "required", "bytes", None, None, None),
    )

    def __init__(
        self,
        *,
        level: int,
        number: int,
        value: bytes,
        unknown: bytes = b"",
    ) -> None:
        self.level = level
        self.number = number
        self.value = value
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.level],
                    _uint32_2[self.number],
                    _length_3[len(b := self.value)] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        level: Any = None
        number: Any = None
        value: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                level = buf[at + 1]
                at += 2
                if level > 127:
                    level, at = read_varint32(buf, at, level)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                number = buf[at + 1]
                at += 2
                if number > 127:
                    number, at = read_varint32(buf, at, number)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                value = buf[at - span : at]
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.level = level
        new.number = number
        new.value = value
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if level is None or number is None or value is None:
            require(new, begin)
        return new


class SocketMembershipEntry(Message):
    """A group whose packets a socket receives: IP_ADD_MEMBERSHIP, MCAST_JOIN_GROUP."""

    __slots__ = (
        "device",
        "group",
        "mode",
        "sources",
    )

    NAME = "socket_membership_entry"
    FIELDS = (
        (1, "device", "required", "string", None, None, None),
        (2, "group", "required", "bytes", None, None, None),
        (3, "mode", "required", "uint32", None, None, None),
        (4, "sources", "repeated", "bytes", None, None, None),
    )

    def __init__(
        self,
        *,
        device: str,
        group: bytes,
        mode: int,
        sources: Sequence[bytes] = (),
        unknown: bytes = b"",
    ) -> None:
        self.device = device
        self.group = group
        self.mode = mode
        self.sources = sources
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.device.encode("utf-8", "surrogateescape"))] + b,
                    _length_2[len(b := self.group)] + b,
                    _uint32_3[self.mode],
                    *[_length_4[len(b)] + b for b in self.sources],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        device: Any = None
        group: Any = None
        mode: Any = None
        sources: Any = ()
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
                device = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                group = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 24:
                mode = buf[at + 1]
                at += 2
                if mode > 127:
                    mode, at = read_varint32(buf, at, mode)
                tag = buf[at] if at < stop else 0
            if tag == 34:
                sources = []
                while tag == 34:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    sources.append(buf[at - span : at])
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.device = device
        new.group = group
        new.mode = mode
        new.sources = sources
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if device is None or group is None or mode is None:
            require(new, begin)
        return new


class SocketProgramEntry(Message):
    """A BPF program: of classic BPF its instructions, 8 bytes each; of extended BPF how to find
    it."""

    __slots__ = (
        "classic",
        "id",
        "digest",
        "load_time",
        "name",
        "path",
        "type",
    )

    NAME = "socket_program_entry"
    FIELDS = (
        (1, "classic", "optional", "bytes", None, None, None),
        (2, "id", "optional", "uint32", None, None, None),
        (3, "digest", "optional", "bytes", None, None, None),
        (4, "load_time", "optional", "uint64", None, None, None),
        (5, "name", "optional", "string", None, None, None),
        (6, "path", "optional", "string", None, None, None),
        (7, "type", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        classic: bytes | None = None,
        id: int | None = None,
        digest: bytes | None = None,
        load_time: int | None = None,
        name: str | None = None,
        path: str | None = None,
        type: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.classic = classic
        self.id = id
        self.digest = digest
        self.load_time = load_time
        self.name = name
        self.path = path
        self.type = type
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b"" if self.classic is None else _length_1[len(b := self.classic)] + b,
                    b"" if self.id is None else _uint32_2[self.id],
                    b"" if self.digest is None else _length_3[len(b := self.digest)] + b,
                    b"" if self.load_time is None else _uint64_4[self.load_time],
                    b""
                    if self.name is None
                    else _length_5[len(b := self.name.encode("utf-8", "surrogateescape"))] + b,
                    b""
                    if self.path is None
                    else _length_6[len(b := self.path.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.type is None else _uint32_7[self.type],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        classic: Any = None
        id: Any = None
        digest: Any = None
        load_time: Any = None
        name: Any = None
        path: Any = None
        type: Any = None
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
                classic = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 16:
                id = buf[at + 1]
                at += 2
                if id > 127:
                    id, at = read_varint32(buf, at, id)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                digest = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 32:
                load_time = buf[at + 1]
                at += 2
                if load_time > 127:
                    load_time, at = read_varint64(buf, at, load_time)
                tag = buf[at] if at < stop else 0
            if tag == 42:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                name = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 50:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                path = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 56:
                type = buf[at + 1]
                at += 2
                if type > 127:
                    type, at = read_varint32(buf, at, type)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.classic = classic
        new.id = id
        new.digest = digest
        new.load_time = load_time
        new.name = name
        new.path = path
        new.type = type
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new


class CrtoolsSocketEntry(Message):
    """The message crtools_socket_entry."""

    __slots__ = (
        "id",
        "options",
        "memberships",
        "lost",
        "uid",
        "gid",
        "filter",
        "group",
        "group_index",
        "group_program",
    )

    NAME = "crtools_socket_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "options", "repeated", "message", "crtools_socket:SocketOptionEntry", None, None),
        (
            3,
            "memberships",
            "repeated",
            "message",
            "crtools_socket:SocketMembershipEntry",
            None,
            None,
        ),
        (4, "lost", "optional", "uint64", None, None, None),
        (5, "uid", "optional", "uint32", None, None, None),
        (6, "gid", "optional", "uint32", None, None, None),
        (7, "filter", "optional", "message", "crtools_socket:SocketProgramEntry", None, None),
        (8, "group", "optional", "uint32", None, None, None),
        (9, "group_index", "optional", "uint32", None, None, None),
        (
            10,
            "group_program",
            "optional",
            "message",
            "crtools_socket:SocketProgramEntry",
            None,
            None,
        ),
    )

    def __init__(
        self,
        *,
        id: int,
        options: Sequence[SocketOptionEntry] = (),
        memberships: Sequence[SocketMembershipEntry] = (),
        lost: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        filter: SocketProgramEntry | None = None,
        group: int | None = None,
        group_index: int | None = None,
        group_program: SocketProgramEntry | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.options = options
        self.memberships = memberships
        self.lost = lost
        self.uid = uid
        self.gid = gid
        self.filter = filter
        self.group = group
        self.group_index = group_index
        self.group_program = group_program
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    *[_length_2[len(b)] + b for b in [m.encode() for m in self.options]],
                    *[_length_3[len(b)] + b for b in [m.encode() for m in self.memberships]],
                    b"" if self.lost is None else _uint64_4[self.lost],
                    b"" if self.uid is None else _uint32_5[self.uid],
                    b"" if self.gid is None else _uint32_6[self.gid],
                    b"" if self.filter is None else _length_7[len(b := self.filter.encode())] + b,
                    b"" if self.group is None else _uint32_8[self.group],
                    b"" if self.group_index is None else _uint32_9[self.group_index],
                    b""
                    if self.group_program is None
                    else _length_10[len(b := self.group_program.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        options: Any = ()
        memberships: Any = ()
        lost: Any = None
        uid: Any = None
        gid: Any = None
        filter: Any = None
        group: Any = None
        group_index: Any = None
        group_program: Any = None
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
                options = []
                while tag == 18:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    options.append(SocketOptionEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 26:
                memberships = []
                while tag == 26:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    memberships.append(SocketMembershipEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 32:
                lost = buf[at + 1]
                at += 2
                if lost > 127:
                    lost, at = read_varint64(buf, at, lost)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                uid = buf[at + 1]
                at += 2
                if uid > 127:
                    uid, at = read_varint32(buf, at, uid)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                gid = buf[at + 1]
                at += 2
                if gid > 127:
                    gid, at = read_varint32(buf, at, gid)
                tag = buf[at] if at < stop else 0
            if tag == 58:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                filter = SocketProgramEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                group = buf[at + 1]
                at += 2
                if group > 127:
                    group, at = read_varint32(buf, at, group)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                group_index = buf[at + 1]
                at += 2
                if group_index > 127:
                    group_index, at = read_varint32(buf, at, group_index)
                tag = buf[at] if at < stop else 0
            if tag == 82:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                group_program = SocketProgramEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.options = options
        new.memberships = memberships
        new.lost = lost
        new.uid = uid
        new.gid = gid
        new.filter = filter
        new.group = group
        new.group_index = group_index
        new.group_program = group_program
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None:
            require(new, begin)
        return new


class CrtoolsDatagramEntry(Message):
    """The message crtools_datagram_entry."""

    __slots__ = (
        "id_for",
        "length",
        "source",
        "port",
        "device",
        "destination",
        "local",
        "ttl",
        "tos",
    )

    NAME = "crtools_datagram_entry"
    FIELDS = (
        (1, "id_for", "required", "uint32", None, None, None),
        (2, "length", "required", "uint32", None, None, None),
        (3, "source", "required", "bytes", None, None, None),
        (4, "port", "required", "uint32", None, None, None),
        (5, "device", "optional", "string", None, None, None),
        (6, "destination", "optional", "bytes", None, None, None),
        (7, "local", "optional", "bytes", None, None, None),
        (8, "ttl", "optional", "uint32", None, None, None),
        (9, "tos", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id_for: int,
        length: int,
        source: bytes,
        port: int,
        device: str | None = None,
        destination: bytes | None = None,
        local: bytes | None = None,
        ttl: int | None = None,
        tos: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id_for = id_for
        self.length = length
        self.source = source
        self.port = port
        self.device = device
        self.destination = destination
        self.local = local
        self.ttl = ttl
        self.tos = tos
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id_for],
                    _uint32_2[self.length],
                    _length_3[len(b := self.source)] + b,
                    _uint32_4[self.port],
                    b""
                    if self.device is None
                    else _length_5[len(b := self.device.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.destination is None else _length_6[len(b := self.destination)] + b,
                    b"" if self.local is None else _length_7[len(b := self.local)] + b,
                    b"" if self.ttl is None else _uint32_8[self.ttl],
                    b"" if self.tos is None else _uint32_9[self.tos],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id_for: Any = None
        length: Any = None
        source: Any = None
        port: Any = None
        device: Any = None
        destination: Any = None
        local: Any = None
        ttl: Any = None
        tos: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                id_for = buf[at + 1]
                at += 2
                if id_for > 127:
                    id_for, at = read_varint32(buf, at, id_for)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                length = buf[at + 1]
                at += 2
                if length > 127:
                    length, at = read_varint32(buf, at, length)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                source = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 32:
                port = buf[at + 1]
                at += 2
                if port > 127:
                    port, at = read_varint32(buf, at, port)
                tag = buf[at] if at < stop else 0
            if tag == 42:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                device = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 50:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                destination = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 58:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                local = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 64:
                ttl = buf[at + 1]
                at += 2
                if ttl > 127:
                    ttl, at = read_varint32(buf, at, ttl)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                tos = buf[at + 1]
                at += 2
                if tos > 127:
                    tos, at = read_varint32(buf, at, tos)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id_for = id_for
        new.length = length
        new.source = source
        new.port = port
        new.device = device
        new.destination = destination
        new.local = local
        new.ttl = ttl
        new.tos = tos
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id_for is None or length is None or source is None or port is None:
            require(new, begin)
        return new
