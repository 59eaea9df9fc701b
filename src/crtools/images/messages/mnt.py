"""Generated from proto/mnt.proto by tools/generate_messages.py: do not edit."""

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
    from typing import Any, ClassVar, Self

_bool_12 = field(12, "bool")
_bool_13 = field(13, "bool")
_bool_15 = field(15, "bool")
_bool_16 = field(16, "bool")
_length_6 = field(6, "length")
_length_7 = field(7, "length")
_length_8 = field(8, "length")
_length_9 = field(9, "length")
_length_14 = field(14, "length")
_length_18 = field(18, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_10 = field(10, "uint32")
_uint32_11 = field(11, "uint32")
_uint32_17 = field(17, "uint32")


class Fstype:
    """Values of the enum fstype."""

    UNSUPPORTED = 0
    PROC = 1
    SYSFS = 2
    DEVTMPFS = 3
    BINFMT_MISC = 4
    TMPFS = 5
    DEVPTS = 6
    SIMFS = 7
    PSTORE = 8
    SECURITYFS = 9
    FUSECTL = 10
    DEBUGFS = 11
    CGROUP = 12
    AUFS = 13
    MQUEUE = 14
    FUSE = 15
    AUTO = 16
    OVERLAYFS = 17
    AUTOFS = 18
    TRACEFS = 19
    CGROUP2 = 23

    NAMES: ClassVar[dict[int, str]] = {
        0: "UNSUPPORTED",
        1: "PROC",
        2: "SYSFS",
        3: "DEVTMPFS",
        4: "BINFMT_MISC",
        5: "TMPFS",
        6: "DEVPTS",
        7: "SIMFS",
        8: "PSTORE",
        9: "SECURITYFS",
        10: "FUSECTL",
        11: "DEBUGFS",
        12: "CGROUP",
        13: "AUFS",
        14: "MQUEUE",
        15: "FUSE",
        16: "AUTO",
        17: "OVERLAYFS",
        18: "AUTOFS",
        19: "TRACEFS",
        23: "CGROUP2",
    }


class MntEntry(Message):
    """The message mnt_entry."""

    __slots__ = (
        "fstype",
        "mnt_id",
        "root_dev",
        "parent_mnt_id",
        "flags",
        "root",
        "mountpoint",
        "source",
        "options",
        "shared_id",
        "master_id",
        "with_plugin",
        "ext_mount",
        "fsname",
        "internal_sharing",
        "deleted",
        "sb_flags",
        "ext_key",
    )

    NAME = "mnt_entry"
    FIELDS = (
        (1, "fstype", "required", "uint32", None, None, None),
        (2, "mnt_id", "required", "uint32", None, None, None),
        (3, "root_dev", "required", "uint32", None, None, "dev"),
        (4, "parent_mnt_id", "required", "uint32", None, None, None),
        (5, "flags", "required", "uint32", None, None, "hex"),
        (6, "root", "required", "string", None, None, None),
        (7, "mountpoint", "required", "string", None, None, None),
        (8, "source", "required", "string", None, None, None),
        (9, "options", "required", "string", None, None, None),
        (10, "shared_id", "optional", "uint32", None, None, None),
        (11, "master_id", "optional", "uint32", None, None, None),
        (12, "with_plugin", "optional", "bool", None, None, None),
        (13, "ext_mount", "optional", "bool", None, None, None),
        (14, "fsname", "optional", "string", None, None, None),
        (15, "internal_sharing", "optional", "bool", None, None, None),
        (16, "deleted", "optional", "bool", None, None, None),
        (17, "sb_flags", "optional", "uint32", None, None, "hex"),
        (18, "ext_key", "optional", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        fstype: int,
        mnt_id: int,
        root_dev: int,
        parent_mnt_id: int,
        flags: int,
        root: str,
        mountpoint: str,
        source: str,
        options: str,
        shared_id: int | None = None,
        master_id: int | None = None,
        with_plugin: bool | None = None,
        ext_mount: bool | None = None,
        fsname: str | None = None,
        internal_sharing: bool | None = None,
        deleted: bool | None = None,
        sb_flags: int | None = None,
        ext_key: str | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.fstype = fstype
        self.mnt_id = mnt_id
        self.root_dev = root_dev
        self.parent_mnt_id = parent_mnt_id
        self.flags = flags
        self.root = root
        self.mountpoint = mountpoint
        self.source = source
        self.options = options
        self.shared_id = shared_id
        self.master_id = master_id
        self.with_plugin = with_plugin
        self.ext_mount = ext_mount
        self.fsname = fsname
        self.internal_sharing = internal_sharing
        self.deleted = deleted
        self.sb_flags = sb_flags
        self.ext_key = ext_key
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.fstype],
                    _uint32_2[self.mnt_id],
                    _uint32_3[self.root_dev],
                    _uint32_4[self.parent_mnt_id],
                    _uint32_5[self.flags],
                    _length_6[len(b := self.root.encode("utf-8", "surrogateescape"))] + b,
                    _length_7[len(b := self.mountpoint.encode("utf-8", "surrogateescape"))] + b,
                    _length_8[len(b := self.source.encode("utf-8", "surrogateescape"))] + b,
                    _length_9[len(b := self.options.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.shared_id is None else _uint32_10[self.shared_id],
                    b"" if self.master_id is None else _uint32_11[self.master_id],
                    b"" if self.with_plugin is None else _bool_12[self.with_plugin],
                    b"" if self.ext_mount is None else _bool_13[self.ext_mount],
                    b""
                    if self.fsname is None
                    else _length_14[len(b := self.fsname.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.internal_sharing is None else _bool_15[self.internal_sharing],
                    b"" if self.deleted is None else _bool_16[self.deleted],
                    b"" if self.sb_flags is None else _uint32_17[self.sb_flags],
                    b""
                    if self.ext_key is None
                    else _length_18[len(b := self.ext_key.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        fstype: Any = None
        mnt_id: Any = None
        root_dev: Any = None
        parent_mnt_id: Any = None
        flags: Any = None
        root: Any = None
        mountpoint: Any = None
        source: Any = None
        options: Any = None
        shared_id: Any = None
        master_id: Any = None
        with_plugin: Any = None
        ext_mount: Any = None
        fsname: Any = None
        internal_sharing: Any = None
        deleted: Any = None
        sb_flags: Any = None
        ext_key: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                fstype = buf[at + 1]
                at += 2
                if fstype > 127:
                    fstype, at = read_varint32(buf, at, fstype)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                mnt_id = buf[at + 1]
                at += 2
                if mnt_id > 127:
                    mnt_id, at = read_varint32(buf, at, mnt_id)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                root_dev = buf[at + 1]
                at += 2
                if root_dev > 127:
                    root_dev, at = read_varint32(buf, at, root_dev)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                parent_mnt_id = buf[at + 1]
                at += 2
                if parent_mnt_id > 127:
                    parent_mnt_id, at = read_varint32(buf, at, parent_mnt_id)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 50:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                root = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 58:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                mountpoint = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 66:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                source = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 74:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                options = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 80:
                shared_id = buf[at + 1]
                at += 2
                if shared_id > 127:
                    shared_id, at = read_varint32(buf, at, shared_id)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                master_id = buf[at + 1]
                at += 2
                if master_id > 127:
                    master_id, at = read_varint32(buf, at, master_id)
                tag = buf[at] if at < stop else 0
            if tag == 96:
                with_plugin = buf[at + 1]
                at += 2
                if with_plugin > 1:
                    with_plugin, at = read_bool(buf, at, with_plugin)
                else:
                    with_plugin = with_plugin == 1
                tag = buf[at] if at < stop else 0
            if tag == 104:
                ext_mount = buf[at + 1]
                at += 2
                if ext_mount > 1:
                    ext_mount, at = read_bool(buf, at, ext_mount)
                else:
                    ext_mount = ext_mount == 1
                tag = buf[at] if at < stop else 0
            if tag == 114:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                fsname = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 120:
                internal_sharing = buf[at + 1]
                at += 2
                if internal_sharing > 1:
                    internal_sharing, at = read_bool(buf, at, internal_sharing)
                else:
                    internal_sharing = internal_sharing == 1
                tag = buf[at] if at < stop else 0
            if tag == 128 and buf[at + 1] == 1:
                deleted = buf[at + 2]
                at += 3
                if deleted > 1:
                    deleted, at = read_bool(buf, at, deleted)
                else:
                    deleted = deleted == 1
                tag = buf[at] if at < stop else 0
            if tag == 136 and buf[at + 1] == 1:
                sb_flags = buf[at + 2]
                at += 3
                if sb_flags > 127:
                    sb_flags, at = read_varint32(buf, at, sb_flags)
                tag = buf[at] if at < stop else 0
            if tag == 146 and buf[at + 1] == 1:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ext_key = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.fstype = fstype
        new.mnt_id = mnt_id
        new.root_dev = root_dev
        new.parent_mnt_id = parent_mnt_id
        new.flags = flags
        new.root = root
        new.mountpoint = mountpoint
        new.source = source
        new.options = options
        new.shared_id = shared_id
        new.master_id = master_id
        new.with_plugin = with_plugin
        new.ext_mount = ext_mount
        new.fsname = fsname
        new.internal_sharing = internal_sharing
        new.deleted = deleted
        new.sb_flags = sb_flags
        new.ext_key = ext_key
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            fstype is None
            or mnt_id is None
            or root_dev is None
            or parent_mnt_id is None
            or flags is None
            or root is None
            or mountpoint is None
            or source is None
            or options is None
        ):
            require(new, begin)
        return new
