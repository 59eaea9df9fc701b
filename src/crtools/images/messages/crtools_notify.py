"""Generated from proto/crtools_notify.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_bool_2 = field(2, "bool")
_length_3 = field(3, "length")
_length_4 = field(4, "length")
_length_5 = field(5, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_4 = field(4, "uint32")
_uint64_2 = field(2, "uint64")
_uint64_3 = field(3, "uint64")


class NotifySubstituteEntry(Message):
    """A watched inode whose path is gone: a file of files.img stands for it (remap-fpath.img)."""

    __slots__ = (
        "index",
        "file",
    )

    NAME = "notify_substitute_entry"
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


class CrtoolsInotifyEntry(Message):
    """The message crtools_inotify_entry."""

    __slots__ = (
        "id",
        "lost",
        "substitutes",
    )

    NAME = "crtools_inotify_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "lost", "optional", "bool", None, None, None),
        (
            3,
            "substitutes",
            "repeated",
            "message",
            "crtools_notify:NotifySubstituteEntry",
            None,
            None,
        ),
    )

    def __init__(
        self,
        *,
        id: int,
        lost: bool | None = None,
        substitutes: Sequence[NotifySubstituteEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.lost = lost
        self.substitutes = substitutes
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    b"" if self.lost is None else _bool_2[self.lost],
                    *[_length_3[len(b)] + b for b in [m.encode() for m in self.substitutes]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        lost: Any = None
        substitutes: Any = ()
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
                lost = buf[at + 1]
                at += 2
                if lost > 1:
                    lost, at = read_bool(buf, at, lost)
                else:
                    lost = lost == 1
                tag = buf[at] if at < stop else 0
            if tag == 26:
                substitutes = []
                while tag == 26:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    substitutes.append(NotifySubstituteEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.lost = lost
        new.substitutes = substitutes
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None:
            require(new, begin)
        return new


class FanotifyFilesystemMarkEntry(Message):
    """A mark of a whole file system."""

    __slots__ = (
        "mflags",
        "mask",
        "ignored_mask",
        "s_dev",
        "path",
    )

    NAME = "fanotify_filesystem_mark_entry"
    FIELDS = (
        (1, "mflags", "required", "uint32", None, None, "hex"),
        (2, "mask", "required", "uint64", None, None, "hex"),
        (3, "ignored_mask", "required", "uint64", None, None, "hex"),
        (4, "s_dev", "required", "uint32", None, None, "dev"),
        (5, "path", "required", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        mflags: int,
        mask: int,
        ignored_mask: int,
        s_dev: int,
        path: str,
        unknown: bytes = b"",
    ) -> None:
        self.mflags = mflags
        self.mask = mask
        self.ignored_mask = ignored_mask
        self.s_dev = s_dev
        self.path = path
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.mflags],
                    _uint64_2[self.mask],
                    _uint64_3[self.ignored_mask],
                    _uint32_4[self.s_dev],
                    _length_5[len(b := self.path.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        mflags: Any = None
        mask: Any = None
        ignored_mask: Any = None
        s_dev: Any = None
        path: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                mflags = buf[at + 1]
                at += 2
                if mflags > 127:
                    mflags, at = read_varint32(buf, at, mflags)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                mask = buf[at + 1]
                at += 2
                if mask > 127:
                    mask, at = read_varint64(buf, at, mask)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                ignored_mask = buf[at + 1]
                at += 2
                if ignored_mask > 127:
                    ignored_mask, at = read_varint64(buf, at, ignored_mask)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                s_dev = buf[at + 1]
                at += 2
                if s_dev > 127:
                    s_dev, at = read_varint32(buf, at, s_dev)
                tag = buf[at] if at < stop else 0
            if tag == 42:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                path = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.mflags = mflags
        new.mask = mask
        new.ignored_mask = ignored_mask
        new.s_dev = s_dev
        new.path = path
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if mflags is None or mask is None or ignored_mask is None or s_dev is None or path is None:
            require(new, begin)
        return new


class CrtoolsFanotifyEntry(Message):
    """The message crtools_fanotify_entry."""

    __slots__ = (
        "id",
        "uid",
        "substitutes",
        "filesystems",
    )

    NAME = "crtools_fanotify_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "uid", "optional", "uint32", None, None, None),
        (
            3,
            "substitutes",
            "repeated",
            "message",
            "crtools_notify:NotifySubstituteEntry",
            None,
            None,
        ),
        (
            4,
            "filesystems",
            "repeated",
            "message",
            "crtools_notify:FanotifyFilesystemMarkEntry",
            None,
            None,
        ),
    )

    def __init__(
        self,
        *,
        id: int,
        uid: int | None = None,
        substitutes: Sequence[NotifySubstituteEntry] = (),
        filesystems: Sequence[FanotifyFilesystemMarkEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.uid = uid
        self.substitutes = substitutes
        self.filesystems = filesystems
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    b"" if self.uid is None else _uint32_2[self.uid],
                    *[_length_3[len(b)] + b for b in [m.encode() for m in self.substitutes]],
                    *[_length_4[len(b)] + b for b in [m.encode() for m in self.filesystems]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        uid: Any = None
        substitutes: Any = ()
        filesystems: Any = ()
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
                uid = buf[at + 1]
                at += 2
                if uid > 127:
                    uid, at = read_varint32(buf, at, uid)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                substitutes = []
                while tag == 26:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    substitutes.append(NotifySubstituteEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 34:
                filesystems = []
                while tag == 34:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    filesystems.append(FanotifyFilesystemMarkEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.uid = uid
        new.substitutes = substitutes
        new.filesystems = filesystems
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None:
            require(new, begin)
        return new
