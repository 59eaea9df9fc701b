"""Generated from proto/fsnotify.proto by tools/generate_messages.py: do not edit."""

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
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar, Self

    from crtools.images.messages.fh import FhEntry
    from crtools.images.messages.fown import FownEntry

_enum_2 = field(2, "enum")
_length_2 = field(2, "length")
_length_3 = field(3, "length")
_length_4 = field(4, "length")
_length_5 = field(5, "length")
_length_6 = field(6, "length")
_length_7 = field(7, "length")
_length_8 = field(8, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")


class MarkType:
    """Values of the enum mark_type."""

    INODE = 1
    MOUNT = 2

    NAMES: ClassVar[dict[int, str]] = {
        1: "INODE",
        2: "MOUNT",
    }


class InotifyWdEntry(Message):
    """The message inotify_wd_entry."""

    __slots__ = (
        "id",
        "i_ino",
        "mask",
        "ignored_mask",
        "s_dev",
        "wd",
        "f_handle",
    )

    NAME = "inotify_wd_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "i_ino", "required", "uint64", None, None, None),
        (3, "mask", "required", "uint32", None, None, "hex"),
        (4, "ignored_mask", "required", "uint32", None, None, "hex"),
        (5, "s_dev", "required", "uint32", None, None, "dev"),
        (6, "wd", "required", "uint32", None, None, None),
        (7, "f_handle", "required", "message", "fh:FhEntry", None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        i_ino: int,
        mask: int,
        ignored_mask: int,
        s_dev: int,
        wd: int,
        f_handle: FhEntry,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.i_ino = i_ino
        self.mask = mask
        self.ignored_mask = ignored_mask
        self.s_dev = s_dev
        self.wd = wd
        self.f_handle = f_handle
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint64_2[self.i_ino],
                    _uint32_3[self.mask],
                    _uint32_4[self.ignored_mask],
                    _uint32_5[self.s_dev],
                    _uint32_6[self.wd],
                    _length_7[len(b := self.f_handle.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        i_ino: Any = None
        mask: Any = None
        ignored_mask: Any = None
        s_dev: Any = None
        wd: Any = None
        f_handle: Any = None
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
                i_ino = buf[at + 1]
                at += 2
                if i_ino > 127:
                    i_ino, at = read_varint64(buf, at, i_ino)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                mask = buf[at + 1]
                at += 2
                if mask > 127:
                    mask, at = read_varint32(buf, at, mask)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                ignored_mask = buf[at + 1]
                at += 2
                if ignored_mask > 127:
                    ignored_mask, at = read_varint32(buf, at, ignored_mask)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                s_dev = buf[at + 1]
                at += 2
                if s_dev > 127:
                    s_dev, at = read_varint32(buf, at, s_dev)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                wd = buf[at + 1]
                at += 2
                if wd > 127:
                    wd, at = read_varint32(buf, at, wd)
                tag = buf[at] if at < stop else 0
            if tag == 58:
                from crtools.images.messages.fh import FhEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                f_handle = FhEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.i_ino = i_ino
        new.mask = mask
        new.ignored_mask = ignored_mask
        new.s_dev = s_dev
        new.wd = wd
        new.f_handle = f_handle
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            id is None
            or i_ino is None
            or mask is None
            or ignored_mask is None
            or s_dev is None
            or wd is None
            or f_handle is None
        ):
            require(new, begin)
        return new


class InotifyFileEntry(Message):
    """The message inotify_file_entry."""

    __slots__ = (
        "id",
        "flags",
        "fown",
        "wd",
    )

    NAME = "inotify_file_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "flags", "required", "uint32", None, None, "hex"),
        (4, "fown", "required", "message", "fown:FownEntry", None, None),
        (5, "wd", "repeated", "message", "fsnotify:InotifyWdEntry", None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        flags: int,
        fown: FownEntry,
        wd: Sequence[InotifyWdEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.flags = flags
        self.fown = fown
        self.wd = wd
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.flags],
                    _length_4[len(b := self.fown.encode())] + b,
                    *[_length_5[len(b)] + b for b in [m.encode() for m in self.wd]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        flags: Any = None
        fown: Any = None
        wd: Any = ()
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
            if tag == 42:
                wd = []
                while tag == 42:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    wd.append(InotifyWdEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.flags = flags
        new.fown = fown
        new.wd = wd
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or flags is None or fown is None:
            require(new, begin)
        return new


class FanotifyInodeMarkEntry(Message):
    """The message fanotify_inode_mark_entry."""

    __slots__ = (
        "i_ino",
        "f_handle",
    )

    NAME = "fanotify_inode_mark_entry"
    FIELDS = (
        (1, "i_ino", "required", "uint64", None, None, None),
        (2, "f_handle", "required", "message", "fh:FhEntry", None, None),
    )

    def __init__(
        self,
        *,
        i_ino: int,
        f_handle: FhEntry,
        unknown: bytes = b"",
    ) -> None:
        self.i_ino = i_ino
        self.f_handle = f_handle
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.i_ino],
                    _length_2[len(b := self.f_handle.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        i_ino: Any = None
        f_handle: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                i_ino = buf[at + 1]
                at += 2
                if i_ino > 127:
                    i_ino, at = read_varint64(buf, at, i_ino)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                from crtools.images.messages.fh import FhEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                f_handle = FhEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.i_ino = i_ino
        new.f_handle = f_handle
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if i_ino is None or f_handle is None:
            require(new, begin)
        return new


class FanotifyMountMarkEntry(Message):
    """The message fanotify_mount_mark_entry."""

    __slots__ = (
        "mnt_id",
        "path",
    )

    NAME = "fanotify_mount_mark_entry"
    FIELDS = (
        (1, "mnt_id", "required", "uint32", None, None, None),
        (2, "path", "optional", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        mnt_id: int,
        path: str | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.mnt_id = mnt_id
        self.path = path
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.mnt_id],
                    b""
                    if self.path is None
                    else _length_2[len(b := self.path.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        mnt_id: Any = None
        path: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                mnt_id = buf[at + 1]
                at += 2
                if mnt_id > 127:
                    mnt_id, at = read_varint32(buf, at, mnt_id)
                tag = buf[at] if at < stop else 0
            if tag == 18:
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
        new.mnt_id = mnt_id
        new.path = path
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if mnt_id is None:
            require(new, begin)
        return new


class FanotifyMarkEntry(Message):
    """The message fanotify_mark_entry."""

    __slots__ = (
        "id",
        "type",
        "mflags",
        "mask",
        "ignored_mask",
        "s_dev",
        "ie",
        "me",
    )

    NAME = "fanotify_mark_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "type", "required", "enum", "fsnotify:MarkType", None, None),
        (3, "mflags", "required", "uint32", None, None, "hex"),
        (4, "mask", "required", "uint32", None, None, "hex"),
        (5, "ignored_mask", "required", "uint32", None, None, "hex"),
        (6, "s_dev", "required", "uint32", None, None, "dev"),
        (7, "ie", "optional", "message", "fsnotify:FanotifyInodeMarkEntry", None, None),
        (8, "me", "optional", "message", "fsnotify:FanotifyMountMarkEntry", None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        type: int,
        mflags: int,
        mask: int,
        ignored_mask: int,
        s_dev: int,
        ie: FanotifyInodeMarkEntry | None = None,
        me: FanotifyMountMarkEntry | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.type = type
        self.mflags = mflags
        self.mask = mask
        self.ignored_mask = ignored_mask
        self.s_dev = s_dev
        self.ie = ie
        self.me = me
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _enum_2[self.type],
                    _uint32_3[self.mflags],
                    _uint32_4[self.mask],
                    _uint32_5[self.ignored_mask],
                    _uint32_6[self.s_dev],
                    b"" if self.ie is None else _length_7[len(b := self.ie.encode())] + b,
                    b"" if self.me is None else _length_8[len(b := self.me.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        type: Any = None
        mflags: Any = None
        mask: Any = None
        ignored_mask: Any = None
        s_dev: Any = None
        ie: Any = None
        me: Any = None
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
                type = buf[at + 1]
                at += 2
                if type > 127:
                    type, at = read_int32(buf, at, type)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                mflags = buf[at + 1]
                at += 2
                if mflags > 127:
                    mflags, at = read_varint32(buf, at, mflags)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                mask = buf[at + 1]
                at += 2
                if mask > 127:
                    mask, at = read_varint32(buf, at, mask)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                ignored_mask = buf[at + 1]
                at += 2
                if ignored_mask > 127:
                    ignored_mask, at = read_varint32(buf, at, ignored_mask)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                s_dev = buf[at + 1]
                at += 2
                if s_dev > 127:
                    s_dev, at = read_varint32(buf, at, s_dev)
                tag = buf[at] if at < stop else 0
            if tag == 58:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ie = FanotifyInodeMarkEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 66:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                me = FanotifyMountMarkEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.type = type
        new.mflags = mflags
        new.mask = mask
        new.ignored_mask = ignored_mask
        new.s_dev = s_dev
        new.ie = ie
        new.me = me
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            id is None
            or type is None
            or mflags is None
            or mask is None
            or ignored_mask is None
            or s_dev is None
        ):
            require(new, begin)
        return new


class FanotifyFileEntry(Message):
    """The message fanotify_file_entry."""

    __slots__ = (
        "id",
        "flags",
        "fown",
        "faflags",
        "evflags",
        "mark",
    )

    NAME = "fanotify_file_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "flags", "required", "uint32", None, None, "hex"),
        (3, "fown", "required", "message", "fown:FownEntry", None, None),
        (4, "faflags", "required", "uint32", None, None, "hex"),
        (5, "evflags", "required", "uint32", None, None, "hex"),
        (6, "mark", "repeated", "message", "fsnotify:FanotifyMarkEntry", None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        flags: int,
        fown: FownEntry,
        faflags: int,
        evflags: int,
        mark: Sequence[FanotifyMarkEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.flags = flags
        self.fown = fown
        self.faflags = faflags
        self.evflags = evflags
        self.mark = mark
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.flags],
                    _length_3[len(b := self.fown.encode())] + b,
                    _uint32_4[self.faflags],
                    _uint32_5[self.evflags],
                    *[_length_6[len(b)] + b for b in [m.encode() for m in self.mark]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        flags: Any = None
        fown: Any = None
        faflags: Any = None
        evflags: Any = None
        mark: Any = ()
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
            if tag == 26:
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
            if tag == 32:
                faflags = buf[at + 1]
                at += 2
                if faflags > 127:
                    faflags, at = read_varint32(buf, at, faflags)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                evflags = buf[at + 1]
                at += 2
                if evflags > 127:
                    evflags, at = read_varint32(buf, at, evflags)
                tag = buf[at] if at < stop else 0
            if tag == 50:
                mark = []
                while tag == 50:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    mark.append(FanotifyMarkEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.flags = flags
        new.fown = fown
        new.faflags = faflags
        new.evflags = evflags
        new.mark = mark
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or flags is None or fown is None or faflags is None or evflags is None:
            require(new, begin)
        return new
