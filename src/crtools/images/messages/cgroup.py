"""Generated from proto/cgroup.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_bool_3 = field(3, "bool")
_length_1 = field(1, "length")
_length_2 = field(2, "length")
_length_3 = field(3, "length")
_length_4 = field(4, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")


class CgroupPerms(Message):
    """The message cgroup_perms."""

    __slots__ = (
        "mode",
        "uid",
        "gid",
    )

    NAME = "cgroup_perms"
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


class CgroupPropEntry(Message):
    """The message cgroup_prop_entry."""

    __slots__ = (
        "name",
        "value",
        "perms",
    )

    NAME = "cgroup_prop_entry"
    FIELDS = (
        (1, "name", "required", "string", None, None, None),
        (2, "value", "required", "string", None, None, None),
        (3, "perms", "optional", "message", "cgroup:CgroupPerms", None, None),
    )

    def __init__(
        self,
        *,
        name: str,
        value: str,
        perms: CgroupPerms | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.name = name
        self.value = value
        self.perms = perms
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.name.encode("utf-8", "surrogateescape"))] + b,
                    _length_2[len(b := self.value.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.perms is None else _length_3[len(b := self.perms.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        name: Any = None
        value: Any = None
        perms: Any = None
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
                value = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                perms = CgroupPerms.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.name = name
        new.value = value
        new.perms = perms
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if name is None or value is None:
            require(new, begin)
        return new


class CgroupDirEntry(Message):
    """The message cgroup_dir_entry."""

    __slots__ = (
        "dir_name",
        "children",
        "properties",
        "dir_perms",
    )

    NAME = "cgroup_dir_entry"
    FIELDS = (
        (1, "dir_name", "required", "string", None, None, None),
        (2, "children", "repeated", "message", "cgroup:CgroupDirEntry", None, None),
        (3, "properties", "repeated", "message", "cgroup:CgroupPropEntry", None, None),
        (4, "dir_perms", "optional", "message", "cgroup:CgroupPerms", None, None),
    )

    def __init__(
        self,
        *,
        dir_name: str,
        children: Sequence[CgroupDirEntry] = (),
        properties: Sequence[CgroupPropEntry] = (),
        dir_perms: CgroupPerms | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.dir_name = dir_name
        self.children = children
        self.properties = properties
        self.dir_perms = dir_perms
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.dir_name.encode("utf-8", "surrogateescape"))] + b,
                    *[_length_2[len(b)] + b for b in [m.encode() for m in self.children]],
                    *[_length_3[len(b)] + b for b in [m.encode() for m in self.properties]],
                    b""
                    if self.dir_perms is None
                    else _length_4[len(b := self.dir_perms.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        dir_name: Any = None
        children: Any = ()
        properties: Any = ()
        dir_perms: Any = None
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
                dir_name = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 18:
                children = []
                while tag == 18:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    children.append(CgroupDirEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 26:
                properties = []
                while tag == 26:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    properties.append(CgroupPropEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 34:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                dir_perms = CgroupPerms.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.dir_name = dir_name
        new.children = children
        new.properties = properties
        new.dir_perms = dir_perms
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if dir_name is None:
            require(new, begin)
        return new


class CgControllerEntry(Message):
    """The message cg_controller_entry."""

    __slots__ = (
        "cnames",
        "dirs",
        "is_threaded",
    )

    NAME = "cg_controller_entry"
    FIELDS = (
        (1, "cnames", "repeated", "string", None, None, None),
        (2, "dirs", "repeated", "message", "cgroup:CgroupDirEntry", None, None),
        (3, "is_threaded", "optional", "bool", None, None, None),
    )

    def __init__(
        self,
        *,
        cnames: Sequence[str] = (),
        dirs: Sequence[CgroupDirEntry] = (),
        is_threaded: bool | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.cnames = cnames
        self.dirs = dirs
        self.is_threaded = is_threaded
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    *[
                        _length_1[len(b)] + b
                        for b in [m.encode("utf-8", "surrogateescape") for m in self.cnames]
                    ],
                    *[_length_2[len(b)] + b for b in [m.encode() for m in self.dirs]],
                    b"" if self.is_threaded is None else _bool_3[self.is_threaded],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        cnames: Any = ()
        dirs: Any = ()
        is_threaded: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                cnames = []
                while tag == 10:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    cnames.append(buf[at - span : at].decode("utf-8", "surrogateescape"))
                    tag = buf[at] if at < stop else 0
            if tag == 18:
                dirs = []
                while tag == 18:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    dirs.append(CgroupDirEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 24:
                is_threaded = buf[at + 1]
                at += 2
                if is_threaded > 1:
                    is_threaded, at = read_bool(buf, at, is_threaded)
                else:
                    is_threaded = is_threaded == 1
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.cnames = cnames
        new.dirs = dirs
        new.is_threaded = is_threaded
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new


class CgMemberEntry(Message):
    """The message cg_member_entry."""

    __slots__ = (
        "name",
        "path",
        "cgns_prefix",
    )

    NAME = "cg_member_entry"
    FIELDS = (
        (1, "name", "required", "string", None, None, None),
        (2, "path", "required", "string", None, None, None),
        (3, "cgns_prefix", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        name: str,
        path: str,
        cgns_prefix: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.name = name
        self.path = path
        self.cgns_prefix = cgns_prefix
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.name.encode("utf-8", "surrogateescape"))] + b,
                    _length_2[len(b := self.path.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.cgns_prefix is None else _uint32_3[self.cgns_prefix],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        name: Any = None
        path: Any = None
        cgns_prefix: Any = None
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
                path = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 24:
                cgns_prefix = buf[at + 1]
                at += 2
                if cgns_prefix > 127:
                    cgns_prefix, at = read_varint32(buf, at, cgns_prefix)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.name = name
        new.path = path
        new.cgns_prefix = cgns_prefix
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if name is None or path is None:
            require(new, begin)
        return new


class CgSetEntry(Message):
    """The message cg_set_entry."""

    __slots__ = (
        "id",
        "ctls",
    )

    NAME = "cg_set_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "ctls", "repeated", "message", "cgroup:CgMemberEntry", None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        ctls: Sequence[CgMemberEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.ctls = ctls
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    *[_length_2[len(b)] + b for b in [m.encode() for m in self.ctls]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        ctls: Any = ()
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
                ctls = []
                while tag == 18:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    ctls.append(CgMemberEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.ctls = ctls
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None:
            require(new, begin)
        return new


class CgroupEntry(Message):
    """The message cgroup_entry."""

    __slots__ = (
        "sets",
        "controllers",
    )

    NAME = "cgroup_entry"
    FIELDS = (
        (1, "sets", "repeated", "message", "cgroup:CgSetEntry", None, None),
        (2, "controllers", "repeated", "message", "cgroup:CgControllerEntry", None, None),
    )

    def __init__(
        self,
        *,
        sets: Sequence[CgSetEntry] = (),
        controllers: Sequence[CgControllerEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.sets = sets
        self.controllers = controllers
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    *[_length_1[len(b)] + b for b in [m.encode() for m in self.sets]],
                    *[_length_2[len(b)] + b for b in [m.encode() for m in self.controllers]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        sets: Any = ()
        controllers: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                sets = []
                while tag == 10:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    sets.append(CgSetEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 18:
                controllers = []
                while tag == 18:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    controllers.append(CgControllerEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.sets = sets
        new.controllers = controllers
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new
