"""Generated from proto/crtools_unix.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_run,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_bool_4 = field(4, "bool")
_bool_5 = field(5, "bool")
_bool_7 = field(7, "bool")
_bool_9 = field(9, "bool")
_length_2 = field(2, "length")
_length_3 = field(3, "length")
_length_4 = field(4, "length")
_length_5 = field(5, "length")
_length_6 = field(6, "length")
_length_8 = field(8, "length")
_length_10 = field(10, "length")
_length_11 = field(11, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_12 = field(12, "uint32")


class UnixCredsEntry(Message):
    """Whose credentials a socket or a message has: unix(7), SO_PEERCRED, SO_PEERGROUPS,
    SCM_CREDENTIALS."""

    __slots__ = (
        "pid",
        "uid",
        "gid",
        "groups",
    )

    NAME = "unix_creds_entry"
    FIELDS = (
        (1, "pid", "required", "uint32", None, None, None),
        (2, "uid", "required", "uint32", None, None, None),
        (3, "gid", "required", "uint32", None, None, None),
        (4, "groups", "repeated", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        pid: int,
        uid: int,
        gid: int,
        groups: Sequence[int] = (),
        unknown: bytes = b"",
    ) -> None:
        self.pid = pid
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.pid],
                    _uint32_2[self.uid],
                    _uint32_3[self.gid],
                    *map(_uint32_4.__getitem__, self.groups),
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        pid: Any = None
        uid: Any = None
        gid: Any = None
        groups: Any = ()
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
                uid = buf[at + 1]
                at += 2
                if uid > 127:
                    uid, at = read_varint32(buf, at, uid)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                gid = buf[at + 1]
                at += 2
                if gid > 127:
                    gid, at = read_varint32(buf, at, gid)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                groups, at = read_run(buf, at, stop, b"\x20", "uint32")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.pid = pid
        new.uid = uid
        new.gid = gid
        new.groups = groups
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if pid is None or uid is None or gid is None:
            require(new, begin)
        return new


class UnixPacketEntry(Message):
    """Of the packet that is number `index` of those that sk-queues.img has for the socket."""

    __slots__ = (
        "index",
        "creds",
        "source",
        "urgent",
        "mark",
        "rights",
    )

    NAME = "unix_packet_entry"
    FIELDS = (
        (1, "index", "required", "uint32", None, None, None),
        (2, "creds", "optional", "message", "crtools_unix:UnixCredsEntry", None, None),
        (3, "source", "optional", "bytes", None, None, "quoted"),
        (4, "urgent", "optional", "bool", None, None, None),
        (5, "mark", "optional", "bool", None, None, None),
        (6, "rights", "repeated", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        index: int,
        creds: UnixCredsEntry | None = None,
        source: bytes | None = None,
        urgent: bool | None = None,
        mark: bool | None = None,
        rights: Sequence[int] = (),
        unknown: bytes = b"",
    ) -> None:
        self.index = index
        self.creds = creds
        self.source = source
        self.urgent = urgent
        self.mark = mark
        self.rights = rights
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.index],
                    b"" if self.creds is None else _length_2[len(b := self.creds.encode())] + b,
                    b"" if self.source is None else _length_3[len(b := self.source)] + b,
                    b"" if self.urgent is None else _bool_4[self.urgent],
                    b"" if self.mark is None else _bool_5[self.mark],
                    *map(_uint32_6.__getitem__, self.rights),
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        index: Any = None
        creds: Any = None
        source: Any = None
        urgent: Any = None
        mark: Any = None
        rights: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                index = buf[at + 1]
                at += 2
                if index > 127:
                    index, at = read_varint32(buf, at, index)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                creds = UnixCredsEntry.read_at(buf, at - span, at)
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
                urgent = buf[at + 1]
                at += 2
                if urgent > 1:
                    urgent, at = read_bool(buf, at, urgent)
                else:
                    urgent = urgent == 1
                tag = buf[at] if at < stop else 0
            if tag == 40:
                mark = buf[at + 1]
                at += 2
                if mark > 1:
                    mark, at = read_bool(buf, at, mark)
                else:
                    mark = mark == 1
                tag = buf[at] if at < stop else 0
            if tag == 48:
                rights, at = read_run(buf, at, stop, b"\x30", "uint32")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.index = index
        new.creds = creds
        new.source = source
        new.urgent = urgent
        new.mark = mark
        new.rights = rights
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if index is None:
            require(new, begin)
        return new


class UnixWaitingEntry(Message):
    """A connection that waits to be accepted; the one at `client`, if anybody has it."""

    __slots__ = (
        "client",
        "creds",
        "name",
        "packets",
        "data",
    )

    NAME = "unix_waiting_entry"
    FIELDS = (
        (1, "client", "required", "uint32", None, None, None),
        (2, "creds", "optional", "message", "crtools_unix:UnixCredsEntry", None, None),
        (4, "name", "optional", "bytes", None, None, "quoted"),
        (5, "packets", "repeated", "message", "crtools_unix:UnixPacketEntry", None, None),
        (6, "data", "repeated", "bytes", None, None, None),
    )

    def __init__(
        self,
        *,
        client: int,
        creds: UnixCredsEntry | None = None,
        name: bytes | None = None,
        packets: Sequence[UnixPacketEntry] = (),
        data: Sequence[bytes] = (),
        unknown: bytes = b"",
    ) -> None:
        self.client = client
        self.creds = creds
        self.name = name
        self.packets = packets
        self.data = data
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.client],
                    b"" if self.creds is None else _length_2[len(b := self.creds.encode())] + b,
                    b"" if self.name is None else _length_4[len(b := self.name)] + b,
                    *[_length_5[len(b)] + b for b in [m.encode() for m in self.packets]],
                    *[_length_6[len(b)] + b for b in self.data],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        client: Any = None
        creds: Any = None
        name: Any = None
        packets: Any = ()
        data: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                client = buf[at + 1]
                at += 2
                if client > 127:
                    client, at = read_varint32(buf, at, client)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                creds = UnixCredsEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 34:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                name = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 42:
                packets = []
                while tag == 42:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    packets.append(UnixPacketEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 50:
                data = []
                while tag == 50:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    data.append(buf[at - span : at])
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.client = client
        new.creds = creds
        new.name = name
        new.packets = packets
        new.data = data
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if client is None:
            require(new, begin)
        return new


class CrtoolsUnixEntry(Message):
    """What sockets `ids` have in common."""

    __slots__ = (
        "ids",
        "peer",
        "mode",
        "uid",
        "gid",
        "path",
        "closed",
        "peer_name",
        "reset",
        "packets",
        "waiting",
        "external",
    )

    NAME = "crtools_unix_entry"
    FIELDS = (
        (1, "ids", "repeated", "uint32", None, None, None),
        (2, "peer", "optional", "message", "crtools_unix:UnixCredsEntry", None, None),
        (3, "mode", "optional", "uint32", None, None, None),
        (4, "uid", "optional", "uint32", None, None, None),
        (5, "gid", "optional", "uint32", None, None, None),
        (6, "path", "optional", "string", None, None, None),
        (7, "closed", "optional", "bool", None, None, None),
        (8, "peer_name", "optional", "bytes", None, None, "quoted"),
        (9, "reset", "optional", "bool", None, None, None),
        (10, "packets", "repeated", "message", "crtools_unix:UnixPacketEntry", None, None),
        (11, "waiting", "repeated", "message", "crtools_unix:UnixWaitingEntry", None, None),
        (12, "external", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        ids: Sequence[int] = (),
        peer: UnixCredsEntry | None = None,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        path: str | None = None,
        closed: bool | None = None,
        peer_name: bytes | None = None,
        reset: bool | None = None,
        packets: Sequence[UnixPacketEntry] = (),
        waiting: Sequence[UnixWaitingEntry] = (),
        external: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.ids = ids
        self.peer = peer
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.path = path
        self.closed = closed
        self.peer_name = peer_name
        self.reset = reset
        self.packets = packets
        self.waiting = waiting
        self.external = external
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    *map(_uint32_1.__getitem__, self.ids),
                    b"" if self.peer is None else _length_2[len(b := self.peer.encode())] + b,
                    b"" if self.mode is None else _uint32_3[self.mode],
                    b"" if self.uid is None else _uint32_4[self.uid],
                    b"" if self.gid is None else _uint32_5[self.gid],
                    b""
                    if self.path is None
                    else _length_6[len(b := self.path.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.closed is None else _bool_7[self.closed],
                    b"" if self.peer_name is None else _length_8[len(b := self.peer_name)] + b,
                    b"" if self.reset is None else _bool_9[self.reset],
                    *[_length_10[len(b)] + b for b in [m.encode() for m in self.packets]],
                    *[_length_11[len(b)] + b for b in [m.encode() for m in self.waiting]],
                    b"" if self.external is None else _uint32_12[self.external],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        ids: Any = ()
        peer: Any = None
        mode: Any = None
        uid: Any = None
        gid: Any = None
        path: Any = None
        closed: Any = None
        peer_name: Any = None
        reset: Any = None
        packets: Any = ()
        waiting: Any = ()
        external: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                ids, at = read_run(buf, at, stop, b"\x08", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                peer = UnixCredsEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                mode = buf[at + 1]
                at += 2
                if mode > 127:
                    mode, at = read_varint32(buf, at, mode)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                uid = buf[at + 1]
                at += 2
                if uid > 127:
                    uid, at = read_varint32(buf, at, uid)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                gid = buf[at + 1]
                at += 2
                if gid > 127:
                    gid, at = read_varint32(buf, at, gid)
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
                closed = buf[at + 1]
                at += 2
                if closed > 1:
                    closed, at = read_bool(buf, at, closed)
                else:
                    closed = closed == 1
                tag = buf[at] if at < stop else 0
            if tag == 66:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                peer_name = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 72:
                reset = buf[at + 1]
                at += 2
                if reset > 1:
                    reset, at = read_bool(buf, at, reset)
                else:
                    reset = reset == 1
                tag = buf[at] if at < stop else 0
            if tag == 82:
                packets = []
                while tag == 82:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    packets.append(UnixPacketEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 90:
                waiting = []
                while tag == 90:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    waiting.append(UnixWaitingEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 96:
                external = buf[at + 1]
                at += 2
                if external > 127:
                    external, at = read_varint32(buf, at, external)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.ids = ids
        new.peer = peer
        new.mode = mode
        new.uid = uid
        new.gid = gid
        new.path = path
        new.closed = closed
        new.peer_name = peer_name
        new.reset = reset
        new.packets = packets
        new.waiting = waiting
        new.external = external
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new
