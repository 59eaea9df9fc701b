"""Generated from proto/inventory.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_int32,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar, Self

    from crtools.images.messages.core import TaskKobjIdsEntry

_bool_2 = field(2, "bool")
_bool_4 = field(4, "bool")
_bool_10 = field(10, "bool")
_bool_14 = field(14, "bool")
_enum_6 = field(6, "enum")
_length_3 = field(3, "length")
_length_12 = field(12, "length")
_length_13 = field(13, "length")
_uint32_1 = field(1, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_11 = field(11, "uint32")
_uint64_8 = field(8, "uint64")


class Lsmtype:
    """Values of the enum lsmtype."""

    NO_LSM = 0
    SELINUX = 1
    APPARMOR = 2

    NAMES: ClassVar[dict[int, str]] = {
        0: "NO_LSM",
        1: "SELINUX",
        2: "APPARMOR",
    }


class PluginsEntry(Message):
    """Plugins that took part in the dump."""

    __slots__ = (
        "plugins",
    )

    NAME = "plugins_entry"
    FIELDS = (
        (12, "plugins", "repeated", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        plugins: Sequence[str] = (),
        unknown: bytes = b"",
    ) -> None:
        self.plugins = plugins
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    *[
                        _length_12[len(b)] + b
                        for b in [m.encode("utf-8", "surrogateescape") for m in self.plugins]
                    ],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        plugins: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 98:
                plugins = []
                while tag == 98:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    plugins.append(buf[at - span : at].decode("utf-8", "surrogateescape"))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.plugins = plugins
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new


class InventoryEntry(Message):
    """What this set of images is and how it was made."""

    __slots__ = (
        "img_version",
        "fdinfo_per_id",
        "root_ids",
        "ns_per_id",
        "root_cg_set",
        "lsmtype",
        "dump_uptime",
        "pre_dump_mode",
        "tcp_close",
        "network_lock_method",
        "plugins_entry",
        "dump_criu_run_id",
        "allow_uprobes",
    )

    NAME = "inventory_entry"
    FIELDS = (
        (1, "img_version", "required", "uint32", None, None, None),
        (2, "fdinfo_per_id", "optional", "bool", None, None, None),
        (3, "root_ids", "optional", "message", "core:TaskKobjIdsEntry", None, None),
        (4, "ns_per_id", "optional", "bool", None, None, None),
        (5, "root_cg_set", "optional", "uint32", None, None, None),
        (6, "lsmtype", "optional", "enum", "inventory:Lsmtype", None, None),
        (8, "dump_uptime", "optional", "uint64", None, None, None),
        (9, "pre_dump_mode", "optional", "uint32", None, None, None),
        (10, "tcp_close", "optional", "bool", None, None, None),
        (11, "network_lock_method", "optional", "uint32", None, None, None),
        (12, "plugins_entry", "optional", "message", "inventory:PluginsEntry", None, None),
        (13, "dump_criu_run_id", "optional", "string", None, None, None),
        (14, "allow_uprobes", "optional", "bool", None, None, None),
    )

    def __init__(
        self,
        *,
        img_version: int,
        fdinfo_per_id: bool | None = None,
        root_ids: TaskKobjIdsEntry | None = None,
        ns_per_id: bool | None = None,
        root_cg_set: int | None = None,
        lsmtype: int | None = None,
        dump_uptime: int | None = None,
        pre_dump_mode: int | None = None,
        tcp_close: bool | None = None,
        network_lock_method: int | None = None,
        plugins_entry: PluginsEntry | None = None,
        dump_criu_run_id: str | None = None,
        allow_uprobes: bool | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.img_version = img_version
        self.fdinfo_per_id = fdinfo_per_id
        self.root_ids = root_ids
        self.ns_per_id = ns_per_id
        self.root_cg_set = root_cg_set
        self.lsmtype = lsmtype
        self.dump_uptime = dump_uptime
        self.pre_dump_mode = pre_dump_mode
        self.tcp_close = tcp_close
        self.network_lock_method = network_lock_method
        self.plugins_entry = plugins_entry
        self.dump_criu_run_id = dump_criu_run_id
        self.allow_uprobes = allow_uprobes
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.img_version],
                    b"" if self.fdinfo_per_id is None else _bool_2[self.fdinfo_per_id],
                    b"" if self.root_ids is None else _length_3[len(b := self.root_ids.encode())] + b,
                    b"" if self.ns_per_id is None else _bool_4[self.ns_per_id],
                    b"" if self.root_cg_set is None else _uint32_5[self.root_cg_set],
                    b"" if self.lsmtype is None else _enum_6[self.lsmtype],
                    b"" if self.dump_uptime is None else _uint64_8[self.dump_uptime],
                    b"" if self.pre_dump_mode is None else _uint32_9[self.pre_dump_mode],
                    b"" if self.tcp_close is None else _bool_10[self.tcp_close],
                    b"" if self.network_lock_method is None else _uint32_11[self.network_lock_method],
                    b""
                    if self.plugins_entry is None
                    else _length_12[len(b := self.plugins_entry.encode())] + b,
                    b""
                    if self.dump_criu_run_id is None
                    else _length_13[len(b := self.dump_criu_run_id.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.allow_uprobes is None else _bool_14[self.allow_uprobes],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        img_version: Any = None
        fdinfo_per_id: Any = None
        root_ids: Any = None
        ns_per_id: Any = None
        root_cg_set: Any = None
        lsmtype: Any = None
        dump_uptime: Any = None
        pre_dump_mode: Any = None
        tcp_close: Any = None
        network_lock_method: Any = None
        plugins_entry: Any = None
        dump_criu_run_id: Any = None
        allow_uprobes: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                img_version = buf[at + 1]
                at += 2
                if img_version > 127:
                    img_version, at = read_varint32(buf, at, img_version)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                fdinfo_per_id = buf[at + 1]
                at += 2
                if fdinfo_per_id > 1:
                    fdinfo_per_id, at = read_bool(buf, at, fdinfo_per_id)
                else:
                    fdinfo_per_id = fdinfo_per_id == 1
                tag = buf[at] if at < stop else 0
            if tag == 26:
                from crtools.images.messages.core import TaskKobjIdsEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                root_ids = TaskKobjIdsEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                ns_per_id = buf[at + 1]
                at += 2
                if ns_per_id > 1:
                    ns_per_id, at = read_bool(buf, at, ns_per_id)
                else:
                    ns_per_id = ns_per_id == 1
                tag = buf[at] if at < stop else 0
            if tag == 40:
                root_cg_set = buf[at + 1]
                at += 2
                if root_cg_set > 127:
                    root_cg_set, at = read_varint32(buf, at, root_cg_set)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                lsmtype = buf[at + 1]
                at += 2
                if lsmtype > 127:
                    lsmtype, at = read_int32(buf, at, lsmtype)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                dump_uptime = buf[at + 1]
                at += 2
                if dump_uptime > 127:
                    dump_uptime, at = read_varint64(buf, at, dump_uptime)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                pre_dump_mode = buf[at + 1]
                at += 2
                if pre_dump_mode > 127:
                    pre_dump_mode, at = read_varint32(buf, at, pre_dump_mode)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                tcp_close = buf[at + 1]
                at += 2
                if tcp_close > 1:
                    tcp_close, at = read_bool(buf, at, tcp_close)
                else:
                    tcp_close = tcp_close == 1
                tag = buf[at] if at < stop else 0
            if tag == 88:
                network_lock_method = buf[at + 1]
                at += 2
                if network_lock_method > 127:
                    network_lock_method, at = read_varint32(buf, at, network_lock_method)
                tag = buf[at] if at < stop else 0
            if tag == 98:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                plugins_entry = PluginsEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 106:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                dump_criu_run_id = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 112:
                allow_uprobes = buf[at + 1]
                at += 2
                if allow_uprobes > 1:
                    allow_uprobes, at = read_bool(buf, at, allow_uprobes)
                else:
                    allow_uprobes = allow_uprobes == 1
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.img_version = img_version
        new.fdinfo_per_id = fdinfo_per_id
        new.root_ids = root_ids
        new.ns_per_id = ns_per_id
        new.root_cg_set = root_cg_set
        new.lsmtype = lsmtype
        new.dump_uptime = dump_uptime
        new.pre_dump_mode = pre_dump_mode
        new.tcp_close = tcp_close
        new.network_lock_method = network_lock_method
        new.plugins_entry = plugins_entry
        new.dump_criu_run_id = dump_criu_run_id
        new.allow_uprobes = allow_uprobes
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if img_version is None:
            require(new, begin)
        return new
