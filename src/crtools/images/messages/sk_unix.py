"""Generated from proto/sk-unix.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_int32,
    read_sint32,
    read_varint32,
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from crtools.images.messages.fown import FownEntry
    from crtools.images.messages.sk_opts import SkOptsEntry

_bool_15 = field(15, "bool")
_enum_12 = field(12, "enum")
_length_9 = field(9, "length")
_length_10 = field(10, "length")
_length_11 = field(11, "length")
_length_13 = field(13, "length")
_length_14 = field(14, "length")
_sint32_17 = field(17, "sint32")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_16 = field(16, "uint32")


class FilePermsEntry(Message):
    """The message file_perms_entry."""

    __slots__ = (
        "mode",
        "uid",
        "gid",
    )

    NAME = "file_perms_entry"
    FIELDS = (
        (1, "mode", "required", "uint32", None, None, None),
        (2, "uid", "required", "uint32", None, None, None),
        (3, "gid", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        mode: int,
        uid: int,
        gid: int,
        unknown: bytes = b"",
    ) -> None:
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.mode],
                    _uint32_2[self.uid],
                    _uint32_3[self.gid],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        mode: Any = None
        uid: Any = None
        gid: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                mode = buf[at + 1]
                at += 2
                if mode > 127:
                    mode, at = read_varint32(buf, at, mode)
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
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.mode = mode
        new.uid = uid
        new.gid = gid
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if mode is None or uid is None or gid is None:
            require(new, begin)
        return new


class UnixSkEntry(Message):
    """The message unix_sk_entry."""

    __slots__ = (
        "id",
        "ino",
        "type",
        "state",
        "flags",
        "uflags",
        "backlog",
        "peer",
        "fown",
        "opts",
        "name",
        "shutdown",
        "file_perms",
        "name_dir",
        "deleted",
        "ns_id",
        "mnt_id",
    )

    NAME = "unix_sk_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "ino", "required", "uint32", None, None, None),
        (3, "type", "required", "uint32", None, None, "socket.type"),
        (4, "state", "required", "uint32", None, None, "socket.state"),
        (5, "flags", "required", "uint32", None, None, "hex"),
        (6, "uflags", "required", "uint32", None, None, "hex"),
        (7, "backlog", "required", "uint32", None, None, None),
        (8, "peer", "required", "uint32", None, None, None),
        (9, "fown", "required", "message", "fown:FownEntry", None, None),
        (10, "opts", "required", "message", "sk_opts:SkOptsEntry", None, None),
        (11, "name", "required", "bytes", None, None, "quoted"),
        (12, "shutdown", "optional", "enum", "sk_opts:SkShutdown", None, None),
        (13, "file_perms", "optional", "message", "sk_unix:FilePermsEntry", None, None),
        (14, "name_dir", "optional", "string", None, None, None),
        (15, "deleted", "optional", "bool", None, None, None),
        (16, "ns_id", "optional", "uint32", None, None, None),
        (17, "mnt_id", "optional", "sint32", None, -1, None),
    )

    def __init__(
        self,
        *,
        id: int,
        ino: int,
        type: int,
        state: int,
        flags: int,
        uflags: int,
        backlog: int,
        peer: int,
        fown: FownEntry,
        opts: SkOptsEntry,
        name: bytes,
        shutdown: int | None = None,
        file_perms: FilePermsEntry | None = None,
        name_dir: str | None = None,
        deleted: bool | None = None,
        ns_id: int | None = None,
        mnt_id: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.ino = ino
        self.type = type
        self.state = state
        self.flags = flags
        self.uflags = uflags
        self.backlog = backlog
        self.peer = peer
        self.fown = fown
        self.opts = opts
        self.name = name
        self.shutdown = shutdown
        self.file_perms = file_perms
        self.name_dir = name_dir
        self.deleted = deleted
        self.ns_id = ns_id
        self.mnt_id = mnt_id
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.ino],
                    _uint32_3[self.type],
                    _uint32_4[self.state],
                    _uint32_5[self.flags],
                    _uint32_6[self.uflags],
                    _uint32_7[self.backlog],
                    _uint32_8[self.peer],
                    _length_9[len(b := self.fown.encode())] + b,
                    _length_10[len(b := self.opts.encode())] + b,
                    _length_11[len(b := self.name)] + b,
                    b"" if self.shutdown is None else _enum_12[self.shutdown],
                    b""
                    if self.file_perms is None
                    else _length_13[len(b := self.file_perms.encode())] + b,
                    b""
                    if self.name_dir is None
                    else _length_14[len(b := self.name_dir.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.deleted is None else _bool_15[self.deleted],
                    b"" if self.ns_id is None else _uint32_16[self.ns_id],
                    b"" if self.mnt_id is None else _sint32_17[self.mnt_id],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        ino: Any = None
        type: Any = None
        state: Any = None
        flags: Any = None
        uflags: Any = None
        backlog: Any = None
        peer: Any = None
        fown: Any = None
        opts: Any = None
        name: Any = None
        shutdown: Any = None
        file_perms: Any = None
        name_dir: Any = None
        deleted: Any = None
        ns_id: Any = None
        mnt_id: Any = None
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
                ino = buf[at + 1]
                at += 2
                if ino > 127:
                    ino, at = read_varint32(buf, at, ino)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                type = buf[at + 1]
                at += 2
                if type > 127:
                    type, at = read_varint32(buf, at, type)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                state = buf[at + 1]
                at += 2
                if state > 127:
                    state, at = read_varint32(buf, at, state)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                uflags = buf[at + 1]
                at += 2
                if uflags > 127:
                    uflags, at = read_varint32(buf, at, uflags)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                backlog = buf[at + 1]
                at += 2
                if backlog > 127:
                    backlog, at = read_varint32(buf, at, backlog)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                peer = buf[at + 1]
                at += 2
                if peer > 127:
                    peer, at = read_varint32(buf, at, peer)
                tag = buf[at] if at < stop else 0
            if tag == 74:
                from crtools.images.messages.fown import FownEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                fown = recall(FownEntry, buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 82:
                from crtools.images.messages.sk_opts import SkOptsEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                opts = recall(SkOptsEntry, buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 90:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                name = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 96:
                shutdown = buf[at + 1]
                at += 2
                if shutdown > 127:
                    shutdown, at = read_int32(buf, at, shutdown)
                tag = buf[at] if at < stop else 0
            if tag == 106:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                file_perms = FilePermsEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 114:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                name_dir = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 120:
                deleted = buf[at + 1]
                at += 2
                if deleted > 1:
                    deleted, at = read_bool(buf, at, deleted)
                else:
                    deleted = deleted == 1
                tag = buf[at] if at < stop else 0
            if tag == 128 and buf[at + 1] == 1:
                ns_id = buf[at + 2]
                at += 3
                if ns_id > 127:
                    ns_id, at = read_varint32(buf, at, ns_id)
                tag = buf[at] if at < stop else 0
            if tag == 136 and buf[at + 1] == 1:
                mnt_id = buf[at + 2]
                at += 3
                if mnt_id > 127:
                    mnt_id, at = read_sint32(buf, at, mnt_id)
                else:
                    mnt_id = mnt_id >> 1 ^ -(mnt_id & 1)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.ino = ino
        new.type = type
        new.state = state
        new.flags = flags
        new.uflags = uflags
        new.backlog = backlog
        new.peer = peer
        new.fown = fown
        new.opts = opts
        new.name = name
        new.shutdown = shutdown
        new.file_perms = file_perms
        new.name_dir = name_dir
        new.deleted = deleted
        new.ns_id = ns_id
        new.mnt_id = mnt_id
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            id is None
            or ino is None
            or type is None
            or state is None
            or flags is None
            or uflags is None
            or backlog is None
            or peer is None
            or fown is None
            or opts is None
            or name is None
        ):
            require(new, begin)
        return new
