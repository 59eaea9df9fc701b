"""Generated from proto/crtools_mqueue.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_sint64,
    read_varint32,
    read_varint64,
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from crtools.images.messages.fown import FownEntry

_bool_2 = field(2, "bool")
_length_1 = field(1, "length")
_length_2 = field(2, "length")
_length_4 = field(4, "length")
_length_6 = field(6, "length")
_length_8 = field(8, "length")
_length_9 = field(9, "length")
_sint64_10 = field(10, "sint64")
_sint64_11 = field(11, "sint64")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint64_3 = field(3, "uint64")
_uint64_4 = field(4, "uint64")
_uint64_5 = field(5, "uint64")
_uint64_6 = field(6, "uint64")
_uint64_7 = field(7, "uint64")


class MqueueMessageEntry(Message):
    """The message mqueue_message_entry."""

    __slots__ = (
        "priority",
        "content",
    )

    NAME = "mqueue_message_entry"
    FIELDS = (
        (1, "priority", "required", "uint32", None, None, None),
        (2, "content", "required", "bytes", None, None, None),
    )

    def __init__(
        self,
        *,
        priority: int,
        content: bytes,
        unknown: bytes = b"",
    ) -> None:
        self.priority = priority
        self.content = content
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.priority],
                    _length_2[len(b := self.content)] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        priority: Any = None
        content: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                priority = buf[at + 1]
                at += 2
                if priority > 127:
                    priority, at = read_varint32(buf, at, priority)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                content = buf[at - span : at]
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.priority = priority
        new.content = content
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if priority is None or content is None:
            require(new, begin)
        return new


class MqueueNotifyEntry(Message):
    """Who is told of the next message that comes into the empty queue: mq_notify(3)."""

    __slots__ = (
        "pid",
        "notify",
        "signo",
        "value",
    )

    NAME = "mqueue_notify_entry"
    FIELDS = (
        (1, "pid", "required", "uint32", None, None, None),
        (2, "notify", "required", "uint32", None, None, None),
        (3, "signo", "required", "uint32", None, None, None),
        (4, "value", "required", "uint64", None, None, "hex"),
    )

    def __init__(
        self,
        *,
        pid: int,
        notify: int,
        signo: int,
        value: int,
        unknown: bytes = b"",
    ) -> None:
        self.pid = pid
        self.notify = notify
        self.signo = signo
        self.value = value
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.pid],
                    _uint32_2[self.notify],
                    _uint32_3[self.signo],
                    _uint64_4[self.value],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        pid: Any = None
        notify: Any = None
        signo: Any = None
        value: Any = None
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
                notify = buf[at + 1]
                at += 2
                if notify > 127:
                    notify, at = read_varint32(buf, at, notify)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                signo = buf[at + 1]
                at += 2
                if signo > 127:
                    signo, at = read_varint32(buf, at, signo)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                value = buf[at + 1]
                at += 2
                if value > 127:
                    value, at = read_varint64(buf, at, value)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.pid = pid
        new.notify = notify
        new.signo = signo
        new.value = value
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if pid is None or notify is None or signo is None or value is None:
            require(new, begin)
        return new


class MqueueEntry(Message):
    """The message mqueue_entry."""

    __slots__ = (
        "name",
        "deleted",
        "mode",
        "uid",
        "gid",
        "maxmsg",
        "msgsize",
        "messages",
        "notify",
        "atime",
        "mtime",
    )

    NAME = "mqueue_entry"
    FIELDS = (
        (1, "name", "required", "string", None, None, None),
        (2, "deleted", "required", "bool", None, None, None),
        (3, "mode", "required", "uint32", None, None, None),
        (4, "uid", "required", "uint32", None, None, None),
        (5, "gid", "required", "uint32", None, None, None),
        (6, "maxmsg", "required", "uint64", None, None, None),
        (7, "msgsize", "required", "uint64", None, None, None),
        (8, "messages", "repeated", "message", "crtools_mqueue:MqueueMessageEntry", None, None),
        (9, "notify", "optional", "message", "crtools_mqueue:MqueueNotifyEntry", None, None),
        (10, "atime", "required", "sint64", None, None, None),
        (11, "mtime", "required", "sint64", None, None, None),
    )

    def __init__(
        self,
        *,
        name: str,
        deleted: bool,
        mode: int,
        uid: int,
        gid: int,
        maxmsg: int,
        msgsize: int,
        messages: Sequence[MqueueMessageEntry] = (),
        notify: MqueueNotifyEntry | None = None,
        atime: int,
        mtime: int,
        unknown: bytes = b"",
    ) -> None:
        self.name = name
        self.deleted = deleted
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.maxmsg = maxmsg
        self.msgsize = msgsize
        self.messages = messages
        self.notify = notify
        self.atime = atime
        self.mtime = mtime
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.name.encode("utf-8", "surrogateescape"))] + b,
                    _bool_2[self.deleted],
                    _uint32_3[self.mode],
                    _uint32_4[self.uid],
                    _uint32_5[self.gid],
                    _uint64_6[self.maxmsg],
                    _uint64_7[self.msgsize],
                    *[_length_8[len(b)] + b for b in [m.encode() for m in self.messages]],
                    b"" if self.notify is None else _length_9[len(b := self.notify.encode())] + b,
                    _sint64_10[self.atime],
                    _sint64_11[self.mtime],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        name: Any = None
        deleted: Any = None
        mode: Any = None
        uid: Any = None
        gid: Any = None
        maxmsg: Any = None
        msgsize: Any = None
        messages: Any = ()
        notify: Any = None
        atime: Any = None
        mtime: Any = None
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
            if tag == 16:
                deleted = buf[at + 1]
                at += 2
                if deleted > 1:
                    deleted, at = read_bool(buf, at, deleted)
                else:
                    deleted = deleted == 1
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
            if tag == 48:
                maxmsg = buf[at + 1]
                at += 2
                if maxmsg > 127:
                    maxmsg, at = read_varint64(buf, at, maxmsg)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                msgsize = buf[at + 1]
                at += 2
                if msgsize > 127:
                    msgsize, at = read_varint64(buf, at, msgsize)
                tag = buf[at] if at < stop else 0
            if tag == 66:
                messages = []
                while tag == 66:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    messages.append(MqueueMessageEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 74:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                notify = MqueueNotifyEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                atime = buf[at + 1]
                at += 2
                if atime > 127:
                    atime, at = read_sint64(buf, at, atime)
                else:
                    atime = atime >> 1 ^ -(atime & 1)
                tag = buf[at] if at < stop else 0
            if tag == 88:
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
        new.name = name
        new.deleted = deleted
        new.mode = mode
        new.uid = uid
        new.gid = gid
        new.maxmsg = maxmsg
        new.msgsize = msgsize
        new.messages = messages
        new.notify = notify
        new.atime = atime
        new.mtime = mtime
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            name is None
            or deleted is None
            or mode is None
            or uid is None
            or gid is None
            or maxmsg is None
            or msgsize is None
            or atime is None
            or mtime is None
        ):
            require(new, begin)
        return new


class CrtoolsMqueueEntry(Message):
    """The message crtools_mqueue_entry."""

    __slots__ = (
        "id",
        "flags",
        "pos",
        "fown",
        "inode",
        "queue",
    )

    NAME = "crtools_mqueue_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "flags", "required", "uint32", None, None, "open.flags"),
        (3, "pos", "required", "uint64", None, None, None),
        (4, "fown", "required", "message", "fown:FownEntry", None, None),
        (5, "inode", "required", "uint64", None, None, None),
        (6, "queue", "optional", "message", "crtools_mqueue:MqueueEntry", None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        flags: int,
        pos: int,
        fown: FownEntry,
        inode: int,
        queue: MqueueEntry | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.flags = flags
        self.pos = pos
        self.fown = fown
        self.inode = inode
        self.queue = queue
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.flags],
                    _uint64_3[self.pos],
                    _length_4[len(b := self.fown.encode())] + b,
                    _uint64_5[self.inode],
                    b"" if self.queue is None else _length_6[len(b := self.queue.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        flags: Any = None
        pos: Any = None
        fown: Any = None
        inode: Any = None
        queue: Any = None
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
                pos = buf[at + 1]
                at += 2
                if pos > 127:
                    pos, at = read_varint64(buf, at, pos)
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
                fown = recall(FownEntry, buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                inode = buf[at + 1]
                at += 2
                if inode > 127:
                    inode, at = read_varint64(buf, at, inode)
                tag = buf[at] if at < stop else 0
            if tag == 50:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                queue = MqueueEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.flags = flags
        new.pos = pos
        new.fown = fown
        new.inode = inode
        new.queue = queue
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or flags is None or pos is None or fown is None or inode is None:
            require(new, begin)
        return new
