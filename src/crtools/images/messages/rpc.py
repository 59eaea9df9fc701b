"""Generated from proto/rpc.proto by tools/generate_messages.py: do not edit."""

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
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar, Self

_bool_1 = field(1, "bool")
_bool_2 = field(2, "bool")
_bool_3 = field(3, "bool")
_bool_4 = field(4, "bool")
_bool_5 = field(5, "bool")
_bool_6 = field(6, "bool")
_bool_7 = field(7, "bool")
_bool_8 = field(8, "bool")
_bool_12 = field(12, "bool")
_bool_15 = field(15, "bool")
_bool_16 = field(16, "bool")
_bool_18 = field(18, "bool")
_bool_21 = field(21, "bool")
_bool_24 = field(24, "bool")
_bool_26 = field(26, "bool")
_bool_28 = field(28, "bool")
_bool_29 = field(29, "bool")
_bool_30 = field(30, "bool")
_bool_46 = field(46, "bool")
_bool_47 = field(47, "bool")
_bool_48 = field(48, "bool")
_bool_50 = field(50, "bool")
_bool_52 = field(52, "bool")
_bool_58 = field(58, "bool")
_bool_59 = field(59, "bool")
_bool_65 = field(65, "bool")
_bool_66 = field(66, "bool")
_bool_67 = field(67, "bool")
_bool_69 = field(69, "bool")
_bool_70 = field(70, "bool")
_bool_71 = field(71, "bool")
_enum_1 = field(1, "enum")
_enum_34 = field(34, "enum")
_enum_61 = field(61, "enum")
_enum_64 = field(64, "enum")
_int32_1 = field(1, "int32")
_int32_2 = field(2, "int32")
_int32_3 = field(3, "int32")
_int32_4 = field(4, "int32")
_int32_5 = field(5, "int32")
_int32_7 = field(7, "int32")
_int32_9 = field(9, "int32")
_int32_11 = field(11, "int32")
_int32_17 = field(17, "int32")
_int32_49 = field(49, "int32")
_int32_62 = field(62, "int32")
_length_1 = field(1, "length")
_length_2 = field(2, "length")
_length_3 = field(3, "length")
_length_4 = field(4, "length")
_length_5 = field(5, "length")
_length_6 = field(6, "length")
_length_8 = field(8, "length")
_length_9 = field(9, "length")
_length_10 = field(10, "length")
_length_11 = field(11, "length")
_length_13 = field(13, "length")
_length_14 = field(14, "length")
_length_19 = field(19, "length")
_length_22 = field(22, "length")
_length_23 = field(23, "length")
_length_25 = field(25, "length")
_length_27 = field(27, "length")
_length_31 = field(31, "length")
_length_32 = field(32, "length")
_length_33 = field(33, "length")
_length_36 = field(36, "length")
_length_37 = field(37, "length")
_length_39 = field(39, "length")
_length_41 = field(41, "length")
_length_42 = field(42, "length")
_length_43 = field(43, "length")
_length_44 = field(44, "length")
_length_51 = field(51, "length")
_length_53 = field(53, "length")
_length_54 = field(54, "length")
_length_55 = field(55, "length")
_length_56 = field(56, "length")
_length_57 = field(57, "length")
_length_60 = field(60, "length")
_length_63 = field(63, "length")
_length_68 = field(68, "length")
_uint32_1 = field(1, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_20 = field(20, "uint32")
_uint32_35 = field(35, "uint32")
_uint32_38 = field(38, "uint32")
_uint32_45 = field(45, "uint32")


class CriuCgMode:
    """Values of the enum criu_cg_mode."""

    IGNORE = 0
    CG_NONE = 1
    PROPS = 2
    SOFT = 3
    FULL = 4
    STRICT = 5
    DEFAULT = 6

    NAMES: ClassVar[dict[int, str]] = {
        0: "IGNORE",
        1: "CG_NONE",
        2: "PROPS",
        3: "SOFT",
        4: "FULL",
        5: "STRICT",
        6: "DEFAULT",
    }


class CriuNetworkLockMethod:
    """Values of the enum criu_network_lock_method."""

    IPTABLES = 1
    NFTABLES = 2
    SKIP = 3

    NAMES: ClassVar[dict[int, str]] = {
        1: "IPTABLES",
        2: "NFTABLES",
        3: "SKIP",
    }


class CriuPreDumpMode:
    """Values of the enum criu_pre_dump_mode."""

    SPLICE = 1
    VM_READ = 2

    NAMES: ClassVar[dict[int, str]] = {
        1: "SPLICE",
        2: "VM_READ",
    }


class CriuReqType:
    """Values of the enum criu_req_type."""

    EMPTY = 0
    DUMP = 1
    RESTORE = 2
    CHECK = 3
    PRE_DUMP = 4
    PAGE_SERVER = 5
    NOTIFY = 6
    CPUINFO_DUMP = 7
    CPUINFO_CHECK = 8
    FEATURE_CHECK = 9
    VERSION = 10
    WAIT_PID = 11
    PAGE_SERVER_CHLD = 12
    SINGLE_PRE_DUMP = 13

    NAMES: ClassVar[dict[int, str]] = {
        0: "EMPTY",
        1: "DUMP",
        2: "RESTORE",
        3: "CHECK",
        4: "PRE_DUMP",
        5: "PAGE_SERVER",
        6: "NOTIFY",
        7: "CPUINFO_DUMP",
        8: "CPUINFO_CHECK",
        9: "FEATURE_CHECK",
        10: "VERSION",
        11: "WAIT_PID",
        12: "PAGE_SERVER_CHLD",
        13: "SINGLE_PRE_DUMP",
    }


class CriuPageServerInfo(Message):
    """The message criu_page_server_info."""

    __slots__ = (
        "address",
        "port",
        "pid",
        "fd",
    )

    NAME = "criu_page_server_info"
    FIELDS = (
        (1, "address", "optional", "string", None, None, None),
        (2, "port", "optional", "int32", None, None, None),
        (3, "pid", "optional", "int32", None, None, None),
        (4, "fd", "optional", "int32", None, None, None),
    )

    def __init__(
        self,
        *,
        address: str | None = None,
        port: int | None = None,
        pid: int | None = None,
        fd: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.address = address
        self.port = port
        self.pid = pid
        self.fd = fd
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b""
                    if self.address is None
                    else _length_1[len(b := self.address.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.port is None else _int32_2[self.port],
                    b"" if self.pid is None else _int32_3[self.pid],
                    b"" if self.fd is None else _int32_4[self.fd],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        address: Any = None
        port: Any = None
        pid: Any = None
        fd: Any = None
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
                address = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 16:
                port = buf[at + 1]
                at += 2
                if port > 127:
                    port, at = read_int32(buf, at, port)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                pid = buf[at + 1]
                at += 2
                if pid > 127:
                    pid, at = read_int32(buf, at, pid)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                fd = buf[at + 1]
                at += 2
                if fd > 127:
                    fd, at = read_int32(buf, at, fd)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.address = address
        new.port = port
        new.pid = pid
        new.fd = fd
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new


class CriuVethPair(Message):
    """The message criu_veth_pair."""

    __slots__ = (
        "if_in",
        "if_out",
    )

    NAME = "criu_veth_pair"
    FIELDS = (
        (1, "if_in", "required", "string", None, None, None),
        (2, "if_out", "required", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        if_in: str,
        if_out: str,
        unknown: bytes = b"",
    ) -> None:
        self.if_in = if_in
        self.if_out = if_out
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.if_in.encode("utf-8", "surrogateescape"))] + b,
                    _length_2[len(b := self.if_out.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        if_in: Any = None
        if_out: Any = None
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
                if_in = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                if_out = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.if_in = if_in
        new.if_out = if_out
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if if_in is None or if_out is None:
            require(new, begin)
        return new


class ExtMountMap(Message):
    """The message ext_mount_map."""

    __slots__ = (
        "key",
        "val",
    )

    NAME = "ext_mount_map"
    FIELDS = (
        (1, "key", "required", "string", None, None, None),
        (2, "val", "required", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        key: str,
        val: str,
        unknown: bytes = b"",
    ) -> None:
        self.key = key
        self.val = val
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.key.encode("utf-8", "surrogateescape"))] + b,
                    _length_2[len(b := self.val.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        key: Any = None
        val: Any = None
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
                key = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                val = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.key = key
        new.val = val
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if key is None or val is None:
            require(new, begin)
        return new


class JoinNamespace(Message):
    """The message join_namespace."""

    __slots__ = (
        "ns",
        "ns_file",
        "extra_opt",
    )

    NAME = "join_namespace"
    FIELDS = (
        (1, "ns", "required", "string", None, None, None),
        (2, "ns_file", "required", "string", None, None, None),
        (3, "extra_opt", "optional", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        ns: str,
        ns_file: str,
        extra_opt: str | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.ns = ns
        self.ns_file = ns_file
        self.extra_opt = extra_opt
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.ns.encode("utf-8", "surrogateescape"))] + b,
                    _length_2[len(b := self.ns_file.encode("utf-8", "surrogateescape"))] + b,
                    b""
                    if self.extra_opt is None
                    else _length_3[len(b := self.extra_opt.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        ns: Any = None
        ns_file: Any = None
        extra_opt: Any = None
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
                ns = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ns_file = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                extra_opt = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.ns = ns
        new.ns_file = ns_file
        new.extra_opt = extra_opt
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if ns is None or ns_file is None:
            require(new, begin)
        return new


class InheritFd(Message):
    """The message inherit_fd."""

    __slots__ = (
        "key",
        "fd",
    )

    NAME = "inherit_fd"
    FIELDS = (
        (1, "key", "required", "string", None, None, None),
        (2, "fd", "required", "int32", None, None, None),
    )

    def __init__(
        self,
        *,
        key: str,
        fd: int,
        unknown: bytes = b"",
    ) -> None:
        self.key = key
        self.fd = fd
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.key.encode("utf-8", "surrogateescape"))] + b,
                    _int32_2[self.fd],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        key: Any = None
        fd: Any = None
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
                key = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 16:
                fd = buf[at + 1]
                at += 2
                if fd > 127:
                    fd, at = read_int32(buf, at, fd)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.key = key
        new.fd = fd
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if key is None or fd is None:
            require(new, begin)
        return new


class CgroupRoot(Message):
    """The message cgroup_root."""

    __slots__ = (
        "ctrl",
        "path",
    )

    NAME = "cgroup_root"
    FIELDS = (
        (1, "ctrl", "optional", "string", None, None, None),
        (2, "path", "required", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        ctrl: str | None = None,
        path: str,
        unknown: bytes = b"",
    ) -> None:
        self.ctrl = ctrl
        self.path = path
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b""
                    if self.ctrl is None
                    else _length_1[len(b := self.ctrl.encode("utf-8", "surrogateescape"))] + b,
                    _length_2[len(b := self.path.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        ctrl: Any = None
        path: Any = None
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
                ctrl = buf[at - span : at].decode("utf-8", "surrogateescape")
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
        new.ctrl = ctrl
        new.path = path
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if path is None:
            require(new, begin)
        return new


class UnixSk(Message):
    """The message unix_sk."""

    __slots__ = (
        "inode",
    )

    NAME = "unix_sk"
    FIELDS = (
        (1, "inode", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        inode: int,
        unknown: bytes = b"",
    ) -> None:
        self.inode = inode
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.inode],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        inode: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                inode = buf[at + 1]
                at += 2
                if inode > 127:
                    inode, at = read_varint32(buf, at, inode)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.inode = inode
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if inode is None:
            require(new, begin)
        return new


class CriuOpts(Message):
    """Options of a request, as the command line has them."""

    __slots__ = (
        "images_dir_fd",
        "pid",
        "leave_running",
        "ext_unix_sk",
        "tcp_established",
        "evasive_devices",
        "shell_job",
        "file_locks",
        "log_level",
        "log_file",
        "ps",
        "notify_scripts",
        "root",
        "parent_img",
        "track_mem",
        "auto_dedup",
        "work_dir_fd",
        "link_remap",
        "veths",
        "cpu_cap",
        "force_irmap",
        "exec_cmd",
        "ext_mnt",
        "manage_cgroups",
        "cg_root",
        "rst_sibling",
        "inherit_fd",
        "auto_ext_mnt",
        "ext_sharing",
        "ext_masters",
        "skip_mnt",
        "enable_fs",
        "unix_sk_ino",
        "manage_cgroups_mode",
        "ghost_limit",
        "irmap_scan_paths",
        "external",
        "empty_ns",
        "join_ns",
        "cgroup_props",
        "cgroup_props_file",
        "cgroup_dump_controller",
        "freeze_cgroup",
        "timeout",
        "tcp_skip_in_flight",
        "weak_sysctls",
        "lazy_pages",
        "status_fd",
        "orphan_pts_master",
        "config_file",
        "tcp_close",
        "lsm_profile",
        "tls_cacert",
        "tls_cacrl",
        "tls_cert",
        "tls_key",
        "tls",
        "tls_no_cn_verify",
        "cgroup_yard",
        "pre_dump_mode",
        "pidfd_store_sk",
        "lsm_mount_context",
        "network_lock",
        "mntns_compat_mode",
        "skip_file_rwx_check",
        "unprivileged",
        "images_dir",
        "leave_stopped",
        "display_stats",
        "log_to_stderr",
    )

    NAME = "criu_opts"
    FIELDS = (
        (1, "images_dir_fd", "required", "int32", None, -1, None),
        (2, "pid", "optional", "int32", None, None, None),
        (3, "leave_running", "optional", "bool", None, None, None),
        (4, "ext_unix_sk", "optional", "bool", None, None, None),
        (5, "tcp_established", "optional", "bool", None, None, None),
        (6, "evasive_devices", "optional", "bool", None, None, None),
        (7, "shell_job", "optional", "bool", None, None, None),
        (8, "file_locks", "optional", "bool", None, None, None),
        (9, "log_level", "optional", "int32", None, 2, None),
        (10, "log_file", "optional", "string", None, None, None),
        (11, "ps", "optional", "message", "rpc:CriuPageServerInfo", None, None),
        (12, "notify_scripts", "optional", "bool", None, None, None),
        (13, "root", "optional", "string", None, None, None),
        (14, "parent_img", "optional", "string", None, None, None),
        (15, "track_mem", "optional", "bool", None, None, None),
        (16, "auto_dedup", "optional", "bool", None, None, None),
        (17, "work_dir_fd", "optional", "int32", None, None, None),
        (18, "link_remap", "optional", "bool", None, None, None),
        (19, "veths", "repeated", "message", "rpc:CriuVethPair", None, None),
        (20, "cpu_cap", "optional", "uint32", None, 4294967295, None),
        (21, "force_irmap", "optional", "bool", None, None, None),
        (22, "exec_cmd", "repeated", "string", None, None, None),
        (23, "ext_mnt", "repeated", "message", "rpc:ExtMountMap", None, None),
        (24, "manage_cgroups", "optional", "bool", None, None, None),
        (25, "cg_root", "repeated", "message", "rpc:CgroupRoot", None, None),
        (26, "rst_sibling", "optional", "bool", None, None, None),
        (27, "inherit_fd", "repeated", "message", "rpc:InheritFd", None, None),
        (28, "auto_ext_mnt", "optional", "bool", None, None, None),
        (29, "ext_sharing", "optional", "bool", None, None, None),
        (30, "ext_masters", "optional", "bool", None, None, None),
        (31, "skip_mnt", "repeated", "string", None, None, None),
        (32, "enable_fs", "repeated", "string", None, None, None),
        (33, "unix_sk_ino", "repeated", "message", "rpc:UnixSk", None, None),
        (34, "manage_cgroups_mode", "optional", "enum", "rpc:CriuCgMode", None, None),
        (35, "ghost_limit", "optional", "uint32", None, 1048576, None),
        (36, "irmap_scan_paths", "repeated", "string", None, None, None),
        (37, "external", "repeated", "string", None, None, None),
        (38, "empty_ns", "optional", "uint32", None, None, None),
        (39, "join_ns", "repeated", "message", "rpc:JoinNamespace", None, None),
        (41, "cgroup_props", "optional", "string", None, None, None),
        (42, "cgroup_props_file", "optional", "string", None, None, None),
        (43, "cgroup_dump_controller", "repeated", "string", None, None, None),
        (44, "freeze_cgroup", "optional", "string", None, None, None),
        (45, "timeout", "optional", "uint32", None, None, None),
        (46, "tcp_skip_in_flight", "optional", "bool", None, None, None),
        (47, "weak_sysctls", "optional", "bool", None, None, None),
        (48, "lazy_pages", "optional", "bool", None, None, None),
        (49, "status_fd", "optional", "int32", None, None, None),
        (50, "orphan_pts_master", "optional", "bool", None, None, None),
        (51, "config_file", "optional", "string", None, None, None),
        (52, "tcp_close", "optional", "bool", None, None, None),
        (53, "lsm_profile", "optional", "string", None, None, None),
        (54, "tls_cacert", "optional", "string", None, None, None),
        (55, "tls_cacrl", "optional", "string", None, None, None),
        (56, "tls_cert", "optional", "string", None, None, None),
        (57, "tls_key", "optional", "string", None, None, None),
        (58, "tls", "optional", "bool", None, None, None),
        (59, "tls_no_cn_verify", "optional", "bool", None, None, None),
        (60, "cgroup_yard", "optional", "string", None, None, None),
        (61, "pre_dump_mode", "optional", "enum", "rpc:CriuPreDumpMode", 1, None),
        (62, "pidfd_store_sk", "optional", "int32", None, None, None),
        (63, "lsm_mount_context", "optional", "string", None, None, None),
        (64, "network_lock", "optional", "enum", "rpc:CriuNetworkLockMethod", 1, None),
        (65, "mntns_compat_mode", "optional", "bool", None, None, None),
        (66, "skip_file_rwx_check", "optional", "bool", None, None, None),
        (67, "unprivileged", "optional", "bool", None, None, None),
        (68, "images_dir", "optional", "string", None, None, None),
        (69, "leave_stopped", "optional", "bool", None, None, None),
        (70, "display_stats", "optional", "bool", None, None, None),
        (71, "log_to_stderr", "optional", "bool", None, None, None),
    )

    def __init__(
        self,
        *,
        images_dir_fd: int = -1,
        pid: int | None = None,
        leave_running: bool | None = None,
        ext_unix_sk: bool | None = None,
        tcp_established: bool | None = None,
        evasive_devices: bool | None = None,
        shell_job: bool | None = None,
        file_locks: bool | None = None,
        log_level: int | None = None,
        log_file: str | None = None,
        ps: CriuPageServerInfo | None = None,
        notify_scripts: bool | None = None,
        root: str | None = None,
        parent_img: str | None = None,
        track_mem: bool | None = None,
        auto_dedup: bool | None = None,
        work_dir_fd: int | None = None,
        link_remap: bool | None = None,
        veths: Sequence[CriuVethPair] = (),
        cpu_cap: int | None = None,
        force_irmap: bool | None = None,
        exec_cmd: Sequence[str] = (),
        ext_mnt: Sequence[ExtMountMap] = (),
        manage_cgroups: bool | None = None,
        cg_root: Sequence[CgroupRoot] = (),
        rst_sibling: bool | None = None,
        inherit_fd: Sequence[InheritFd] = (),
        auto_ext_mnt: bool | None = None,
        ext_sharing: bool | None = None,
        ext_masters: bool | None = None,
        skip_mnt: Sequence[str] = (),
        enable_fs: Sequence[str] = (),
        unix_sk_ino: Sequence[UnixSk] = (),
        manage_cgroups_mode: int | None = None,
        ghost_limit: int | None = None,
        irmap_scan_paths: Sequence[str] = (),
        external: Sequence[str] = (),
        empty_ns: int | None = None,
        join_ns: Sequence[JoinNamespace] = (),
        cgroup_props: str | None = None,
        cgroup_props_file: str | None = None,
        cgroup_dump_controller: Sequence[str] = (),
        freeze_cgroup: str | None = None,
        timeout: int | None = None,
        tcp_skip_in_flight: bool | None = None,
        weak_sysctls: bool | None = None,
        lazy_pages: bool | None = None,
        status_fd: int | None = None,
        orphan_pts_master: bool | None = None,
        config_file: str | None = None,
        tcp_close: bool | None = None,
        lsm_profile: str | None = None,
        tls_cacert: str | None = None,
        tls_cacrl: str | None = None,
        tls_cert: str | None = None,
        tls_key: str | None = None,
        tls: bool | None = None,
        tls_no_cn_verify: bool | None = None,
        cgroup_yard: str | None = None,
        pre_dump_mode: int | None = None,
        pidfd_store_sk: int | None = None,
        lsm_mount_context: str | None = None,
        network_lock: int | None = None,
        mntns_compat_mode: bool | None = None,
        skip_file_rwx_check: bool | None = None,
        unprivileged: bool | None = None,
        images_dir: str | None = None,
        leave_stopped: bool | None = None,
        display_stats: bool | None = None,
        log_to_stderr: bool | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.images_dir_fd = images_dir_fd
        self.pid = pid
        self.leave_running = leave_running
        self.ext_unix_sk = ext_unix_sk
        self.tcp_established = tcp_established
        self.evasive_devices = evasive_devices
        self.shell_job = shell_job
        self.file_locks = file_locks
        self.log_level = log_level
        self.log_file = log_file
        self.ps = ps
        self.notify_scripts = notify_scripts
        self.root = root
        self.parent_img = parent_img
        self.track_mem = track_mem
        self.auto_dedup = auto_dedup
        self.work_dir_fd = work_dir_fd
        self.link_remap = link_remap
        self.veths = veths
        self.cpu_cap = cpu_cap
        self.force_irmap = force_irmap
        self.exec_cmd = exec_cmd
        self.ext_mnt = ext_mnt
        self.manage_cgroups = manage_cgroups
        self.cg_root = cg_root
        self.rst_sibling = rst_sibling
        self.inherit_fd = inherit_fd
        self.auto_ext_mnt = auto_ext_mnt
        self.ext_sharing = ext_sharing
        self.ext_masters = ext_masters
        self.skip_mnt = skip_mnt
        self.enable_fs = enable_fs
        self.unix_sk_ino = unix_sk_ino
        self.manage_cgroups_mode = manage_cgroups_mode
        self.ghost_limit = ghost_limit
        self.irmap_scan_paths = irmap_scan_paths
        self.external = external
        self.empty_ns = empty_ns
        self.join_ns = join_ns
        self.cgroup_props = cgroup_props
        self.cgroup_props_file = cgroup_props_file
        self.cgroup_dump_controller = cgroup_dump_controller
        self.freeze_cgroup = freeze_cgroup
        self.timeout = timeout
        self.tcp_skip_in_flight = tcp_skip_in_flight
        self.weak_sysctls = weak_sysctls
        self.lazy_pages = lazy_pages
        self.status_fd = status_fd
        self.orphan_pts_master = orphan_pts_master
        self.config_file = config_file
        self.tcp_close = tcp_close
        self.lsm_profile = lsm_profile
        self.tls_cacert = tls_cacert
        self.tls_cacrl = tls_cacrl
        self.tls_cert = tls_cert
        self.tls_key = tls_key
        self.tls = tls
        self.tls_no_cn_verify = tls_no_cn_verify
        self.cgroup_yard = cgroup_yard
        self.pre_dump_mode = pre_dump_mode
        self.pidfd_store_sk = pidfd_store_sk
        self.lsm_mount_context = lsm_mount_context
        self.network_lock = network_lock
        self.mntns_compat_mode = mntns_compat_mode
        self.skip_file_rwx_check = skip_file_rwx_check
        self.unprivileged = unprivileged
        self.images_dir = images_dir
        self.leave_stopped = leave_stopped
        self.display_stats = display_stats
        self.log_to_stderr = log_to_stderr
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _int32_1[self.images_dir_fd],
                    b"" if self.pid is None else _int32_2[self.pid],
                    b"" if self.leave_running is None else _bool_3[self.leave_running],
                    b"" if self.ext_unix_sk is None else _bool_4[self.ext_unix_sk],
                    b"" if self.tcp_established is None else _bool_5[self.tcp_established],
                    b"" if self.evasive_devices is None else _bool_6[self.evasive_devices],
                    b"" if self.shell_job is None else _bool_7[self.shell_job],
                    b"" if self.file_locks is None else _bool_8[self.file_locks],
                    b"" if self.log_level is None else _int32_9[self.log_level],
                    b""
                    if self.log_file is None
                    else _length_10[len(b := self.log_file.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.ps is None else _length_11[len(b := self.ps.encode())] + b,
                    b"" if self.notify_scripts is None else _bool_12[self.notify_scripts],
                    b""
                    if self.root is None
                    else _length_13[len(b := self.root.encode("utf-8", "surrogateescape"))] + b,
                    b""
                    if self.parent_img is None
                    else _length_14[len(b := self.parent_img.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.track_mem is None else _bool_15[self.track_mem],
                    b"" if self.auto_dedup is None else _bool_16[self.auto_dedup],
                    b"" if self.work_dir_fd is None else _int32_17[self.work_dir_fd],
                    b"" if self.link_remap is None else _bool_18[self.link_remap],
                    *[_length_19[len(b)] + b for b in [m.encode() for m in self.veths]],
                    b"" if self.cpu_cap is None else _uint32_20[self.cpu_cap],
                    b"" if self.force_irmap is None else _bool_21[self.force_irmap],
                    *[
                        _length_22[len(b)] + b
                        for b in [m.encode("utf-8", "surrogateescape") for m in self.exec_cmd]
                    ],
                    *[_length_23[len(b)] + b for b in [m.encode() for m in self.ext_mnt]],
                    b"" if self.manage_cgroups is None else _bool_24[self.manage_cgroups],
                    *[_length_25[len(b)] + b for b in [m.encode() for m in self.cg_root]],
                    b"" if self.rst_sibling is None else _bool_26[self.rst_sibling],
                    *[_length_27[len(b)] + b for b in [m.encode() for m in self.inherit_fd]],
                    b"" if self.auto_ext_mnt is None else _bool_28[self.auto_ext_mnt],
                    b"" if self.ext_sharing is None else _bool_29[self.ext_sharing],
                    b"" if self.ext_masters is None else _bool_30[self.ext_masters],
                    *[
                        _length_31[len(b)] + b
                        for b in [m.encode("utf-8", "surrogateescape") for m in self.skip_mnt]
                    ],
                    *[
                        _length_32[len(b)] + b
                        for b in [m.encode("utf-8", "surrogateescape") for m in self.enable_fs]
                    ],
                    *[_length_33[len(b)] + b for b in [m.encode() for m in self.unix_sk_ino]],
                    b"" if self.manage_cgroups_mode is None else _enum_34[self.manage_cgroups_mode],
                    b"" if self.ghost_limit is None else _uint32_35[self.ghost_limit],
                    *[
                        _length_36[len(b)] + b
                        for b in [m.encode("utf-8", "surrogateescape") for m in self.irmap_scan_paths]
                    ],
                    *[
                        _length_37[len(b)] + b
                        for b in [m.encode("utf-8", "surrogateescape") for m in self.external]
                    ],
                    b"" if self.empty_ns is None else _uint32_38[self.empty_ns],
                    *[_length_39[len(b)] + b for b in [m.encode() for m in self.join_ns]],
                    b""
                    if self.cgroup_props is None
                    else _length_41[len(b := self.cgroup_props.encode("utf-8", "surrogateescape"))] + b,
                    b""
                    if self.cgroup_props_file is None
                    else _length_42[len(b := self.cgroup_props_file.encode("utf-8", "surrogateescape"))] + b,
                    *[
                        _length_43[len(b)] + b
                        for b in [m.encode("utf-8", "surrogateescape") for m in self.cgroup_dump_controller]
                    ],
                    b""
                    if self.freeze_cgroup is None
                    else _length_44[len(b := self.freeze_cgroup.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.timeout is None else _uint32_45[self.timeout],
                    b"" if self.tcp_skip_in_flight is None else _bool_46[self.tcp_skip_in_flight],
                    b"" if self.weak_sysctls is None else _bool_47[self.weak_sysctls],
                    b"" if self.lazy_pages is None else _bool_48[self.lazy_pages],
                    b"" if self.status_fd is None else _int32_49[self.status_fd],
                    b"" if self.orphan_pts_master is None else _bool_50[self.orphan_pts_master],
                    b""
                    if self.config_file is None
                    else _length_51[len(b := self.config_file.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.tcp_close is None else _bool_52[self.tcp_close],
                    b""
                    if self.lsm_profile is None
                    else _length_53[len(b := self.lsm_profile.encode("utf-8", "surrogateescape"))] + b,
                    b""
                    if self.tls_cacert is None
                    else _length_54[len(b := self.tls_cacert.encode("utf-8", "surrogateescape"))] + b,
                    b""
                    if self.tls_cacrl is None
                    else _length_55[len(b := self.tls_cacrl.encode("utf-8", "surrogateescape"))] + b,
                    b""
                    if self.tls_cert is None
                    else _length_56[len(b := self.tls_cert.encode("utf-8", "surrogateescape"))] + b,
                    b""
                    if self.tls_key is None
                    else _length_57[len(b := self.tls_key.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.tls is None else _bool_58[self.tls],
                    b"" if self.tls_no_cn_verify is None else _bool_59[self.tls_no_cn_verify],
                    b""
                    if self.cgroup_yard is None
                    else _length_60[len(b := self.cgroup_yard.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.pre_dump_mode is None else _enum_61[self.pre_dump_mode],
                    b"" if self.pidfd_store_sk is None else _int32_62[self.pidfd_store_sk],
                    b""
                    if self.lsm_mount_context is None
                    else _length_63[len(b := self.lsm_mount_context.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.network_lock is None else _enum_64[self.network_lock],
                    b"" if self.mntns_compat_mode is None else _bool_65[self.mntns_compat_mode],
                    b"" if self.skip_file_rwx_check is None else _bool_66[self.skip_file_rwx_check],
                    b"" if self.unprivileged is None else _bool_67[self.unprivileged],
                    b""
                    if self.images_dir is None
                    else _length_68[len(b := self.images_dir.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.leave_stopped is None else _bool_69[self.leave_stopped],
                    b"" if self.display_stats is None else _bool_70[self.display_stats],
                    b"" if self.log_to_stderr is None else _bool_71[self.log_to_stderr],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        images_dir_fd: Any = None
        pid: Any = None
        leave_running: Any = None
        ext_unix_sk: Any = None
        tcp_established: Any = None
        evasive_devices: Any = None
        shell_job: Any = None
        file_locks: Any = None
        log_level: Any = None
        log_file: Any = None
        ps: Any = None
        notify_scripts: Any = None
        root: Any = None
        parent_img: Any = None
        track_mem: Any = None
        auto_dedup: Any = None
        work_dir_fd: Any = None
        link_remap: Any = None
        veths: Any = ()
        cpu_cap: Any = None
        force_irmap: Any = None
        exec_cmd: Any = ()
        ext_mnt: Any = ()
        manage_cgroups: Any = None
        cg_root: Any = ()
        rst_sibling: Any = None
        inherit_fd: Any = ()
        auto_ext_mnt: Any = None
        ext_sharing: Any = None
        ext_masters: Any = None
        skip_mnt: Any = ()
        enable_fs: Any = ()
        unix_sk_ino: Any = ()
        manage_cgroups_mode: Any = None
        ghost_limit: Any = None
        irmap_scan_paths: Any = ()
        external: Any = ()
        empty_ns: Any = None
        join_ns: Any = ()
        cgroup_props: Any = None
        cgroup_props_file: Any = None
        cgroup_dump_controller: Any = ()
        freeze_cgroup: Any = None
        timeout: Any = None
        tcp_skip_in_flight: Any = None
        weak_sysctls: Any = None
        lazy_pages: Any = None
        status_fd: Any = None
        orphan_pts_master: Any = None
        config_file: Any = None
        tcp_close: Any = None
        lsm_profile: Any = None
        tls_cacert: Any = None
        tls_cacrl: Any = None
        tls_cert: Any = None
        tls_key: Any = None
        tls: Any = None
        tls_no_cn_verify: Any = None
        cgroup_yard: Any = None
        pre_dump_mode: Any = None
        pidfd_store_sk: Any = None
        lsm_mount_context: Any = None
        network_lock: Any = None
        mntns_compat_mode: Any = None
        skip_file_rwx_check: Any = None
        unprivileged: Any = None
        images_dir: Any = None
        leave_stopped: Any = None
        display_stats: Any = None
        log_to_stderr: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                images_dir_fd = buf[at + 1]
                at += 2
                if images_dir_fd > 127:
                    images_dir_fd, at = read_int32(buf, at, images_dir_fd)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                pid = buf[at + 1]
                at += 2
                if pid > 127:
                    pid, at = read_int32(buf, at, pid)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                leave_running = buf[at + 1]
                at += 2
                if leave_running > 1:
                    leave_running, at = read_bool(buf, at, leave_running)
                else:
                    leave_running = leave_running == 1
                tag = buf[at] if at < stop else 0
            if tag == 32:
                ext_unix_sk = buf[at + 1]
                at += 2
                if ext_unix_sk > 1:
                    ext_unix_sk, at = read_bool(buf, at, ext_unix_sk)
                else:
                    ext_unix_sk = ext_unix_sk == 1
                tag = buf[at] if at < stop else 0
            if tag == 40:
                tcp_established = buf[at + 1]
                at += 2
                if tcp_established > 1:
                    tcp_established, at = read_bool(buf, at, tcp_established)
                else:
                    tcp_established = tcp_established == 1
                tag = buf[at] if at < stop else 0
            if tag == 48:
                evasive_devices = buf[at + 1]
                at += 2
                if evasive_devices > 1:
                    evasive_devices, at = read_bool(buf, at, evasive_devices)
                else:
                    evasive_devices = evasive_devices == 1
                tag = buf[at] if at < stop else 0
            if tag == 56:
                shell_job = buf[at + 1]
                at += 2
                if shell_job > 1:
                    shell_job, at = read_bool(buf, at, shell_job)
                else:
                    shell_job = shell_job == 1
                tag = buf[at] if at < stop else 0
            if tag == 64:
                file_locks = buf[at + 1]
                at += 2
                if file_locks > 1:
                    file_locks, at = read_bool(buf, at, file_locks)
                else:
                    file_locks = file_locks == 1
                tag = buf[at] if at < stop else 0
            if tag == 72:
                log_level = buf[at + 1]
                at += 2
                if log_level > 127:
                    log_level, at = read_int32(buf, at, log_level)
                tag = buf[at] if at < stop else 0
            if tag == 82:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                log_file = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 90:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ps = CriuPageServerInfo.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 96:
                notify_scripts = buf[at + 1]
                at += 2
                if notify_scripts > 1:
                    notify_scripts, at = read_bool(buf, at, notify_scripts)
                else:
                    notify_scripts = notify_scripts == 1
                tag = buf[at] if at < stop else 0
            if tag == 106:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                root = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 114:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                parent_img = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 120:
                track_mem = buf[at + 1]
                at += 2
                if track_mem > 1:
                    track_mem, at = read_bool(buf, at, track_mem)
                else:
                    track_mem = track_mem == 1
                tag = buf[at] if at < stop else 0
            if tag == 128 and buf[at + 1] == 1:
                auto_dedup = buf[at + 2]
                at += 3
                if auto_dedup > 1:
                    auto_dedup, at = read_bool(buf, at, auto_dedup)
                else:
                    auto_dedup = auto_dedup == 1
                tag = buf[at] if at < stop else 0
            if tag == 136 and buf[at + 1] == 1:
                work_dir_fd = buf[at + 2]
                at += 3
                if work_dir_fd > 127:
                    work_dir_fd, at = read_int32(buf, at, work_dir_fd)
                tag = buf[at] if at < stop else 0
            if tag == 144 and buf[at + 1] == 1:
                link_remap = buf[at + 2]
                at += 3
                if link_remap > 1:
                    link_remap, at = read_bool(buf, at, link_remap)
                else:
                    link_remap = link_remap == 1
                tag = buf[at] if at < stop else 0
            if tag == 154 and buf[at + 1] == 1:
                veths = []
                while tag == 154 and buf[at + 1] == 1:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    veths.append(CriuVethPair.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 160 and buf[at + 1] == 1:
                cpu_cap = buf[at + 2]
                at += 3
                if cpu_cap > 127:
                    cpu_cap, at = read_varint32(buf, at, cpu_cap)
                tag = buf[at] if at < stop else 0
            if tag == 168 and buf[at + 1] == 1:
                force_irmap = buf[at + 2]
                at += 3
                if force_irmap > 1:
                    force_irmap, at = read_bool(buf, at, force_irmap)
                else:
                    force_irmap = force_irmap == 1
                tag = buf[at] if at < stop else 0
            if tag == 178 and buf[at + 1] == 1:
                exec_cmd = []
                while tag == 178 and buf[at + 1] == 1:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    exec_cmd.append(buf[at - span : at].decode("utf-8", "surrogateescape"))
                    tag = buf[at] if at < stop else 0
            if tag == 186 and buf[at + 1] == 1:
                ext_mnt = []
                while tag == 186 and buf[at + 1] == 1:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    ext_mnt.append(ExtMountMap.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 192 and buf[at + 1] == 1:
                manage_cgroups = buf[at + 2]
                at += 3
                if manage_cgroups > 1:
                    manage_cgroups, at = read_bool(buf, at, manage_cgroups)
                else:
                    manage_cgroups = manage_cgroups == 1
                tag = buf[at] if at < stop else 0
            if tag == 202 and buf[at + 1] == 1:
                cg_root = []
                while tag == 202 and buf[at + 1] == 1:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    cg_root.append(CgroupRoot.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 208 and buf[at + 1] == 1:
                rst_sibling = buf[at + 2]
                at += 3
                if rst_sibling > 1:
                    rst_sibling, at = read_bool(buf, at, rst_sibling)
                else:
                    rst_sibling = rst_sibling == 1
                tag = buf[at] if at < stop else 0
            if tag == 218 and buf[at + 1] == 1:
                inherit_fd = []
                while tag == 218 and buf[at + 1] == 1:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    inherit_fd.append(InheritFd.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 224 and buf[at + 1] == 1:
                auto_ext_mnt = buf[at + 2]
                at += 3
                if auto_ext_mnt > 1:
                    auto_ext_mnt, at = read_bool(buf, at, auto_ext_mnt)
                else:
                    auto_ext_mnt = auto_ext_mnt == 1
                tag = buf[at] if at < stop else 0
            if tag == 232 and buf[at + 1] == 1:
                ext_sharing = buf[at + 2]
                at += 3
                if ext_sharing > 1:
                    ext_sharing, at = read_bool(buf, at, ext_sharing)
                else:
                    ext_sharing = ext_sharing == 1
                tag = buf[at] if at < stop else 0
            if tag == 240 and buf[at + 1] == 1:
                ext_masters = buf[at + 2]
                at += 3
                if ext_masters > 1:
                    ext_masters, at = read_bool(buf, at, ext_masters)
                else:
                    ext_masters = ext_masters == 1
                tag = buf[at] if at < stop else 0
            if tag == 250 and buf[at + 1] == 1:
                skip_mnt = []
                while tag == 250 and buf[at + 1] == 1:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    skip_mnt.append(buf[at - span : at].decode("utf-8", "surrogateescape"))
                    tag = buf[at] if at < stop else 0
            if tag == 130 and buf[at + 1] == 2:
                enable_fs = []
                while tag == 130 and buf[at + 1] == 2:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    enable_fs.append(buf[at - span : at].decode("utf-8", "surrogateescape"))
                    tag = buf[at] if at < stop else 0
            if tag == 138 and buf[at + 1] == 2:
                unix_sk_ino = []
                while tag == 138 and buf[at + 1] == 2:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    unix_sk_ino.append(UnixSk.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 144 and buf[at + 1] == 2:
                manage_cgroups_mode = buf[at + 2]
                at += 3
                if manage_cgroups_mode > 127:
                    manage_cgroups_mode, at = read_int32(buf, at, manage_cgroups_mode)
                tag = buf[at] if at < stop else 0
            if tag == 152 and buf[at + 1] == 2:
                ghost_limit = buf[at + 2]
                at += 3
                if ghost_limit > 127:
                    ghost_limit, at = read_varint32(buf, at, ghost_limit)
                tag = buf[at] if at < stop else 0
            if tag == 162 and buf[at + 1] == 2:
                irmap_scan_paths = []
                while tag == 162 and buf[at + 1] == 2:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    irmap_scan_paths.append(buf[at - span : at].decode("utf-8", "surrogateescape"))
                    tag = buf[at] if at < stop else 0
            if tag == 170 and buf[at + 1] == 2:
                external = []
                while tag == 170 and buf[at + 1] == 2:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    external.append(buf[at - span : at].decode("utf-8", "surrogateescape"))
                    tag = buf[at] if at < stop else 0
            if tag == 176 and buf[at + 1] == 2:
                empty_ns = buf[at + 2]
                at += 3
                if empty_ns > 127:
                    empty_ns, at = read_varint32(buf, at, empty_ns)
                tag = buf[at] if at < stop else 0
            if tag == 186 and buf[at + 1] == 2:
                join_ns = []
                while tag == 186 and buf[at + 1] == 2:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    join_ns.append(JoinNamespace.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 202 and buf[at + 1] == 2:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                cgroup_props = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 210 and buf[at + 1] == 2:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                cgroup_props_file = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 218 and buf[at + 1] == 2:
                cgroup_dump_controller = []
                while tag == 218 and buf[at + 1] == 2:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    cgroup_dump_controller.append(buf[at - span : at].decode("utf-8", "surrogateescape"))
                    tag = buf[at] if at < stop else 0
            if tag == 226 and buf[at + 1] == 2:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                freeze_cgroup = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 232 and buf[at + 1] == 2:
                timeout = buf[at + 2]
                at += 3
                if timeout > 127:
                    timeout, at = read_varint32(buf, at, timeout)
                tag = buf[at] if at < stop else 0
            if tag == 240 and buf[at + 1] == 2:
                tcp_skip_in_flight = buf[at + 2]
                at += 3
                if tcp_skip_in_flight > 1:
                    tcp_skip_in_flight, at = read_bool(buf, at, tcp_skip_in_flight)
                else:
                    tcp_skip_in_flight = tcp_skip_in_flight == 1
                tag = buf[at] if at < stop else 0
            if tag == 248 and buf[at + 1] == 2:
                weak_sysctls = buf[at + 2]
                at += 3
                if weak_sysctls > 1:
                    weak_sysctls, at = read_bool(buf, at, weak_sysctls)
                else:
                    weak_sysctls = weak_sysctls == 1
                tag = buf[at] if at < stop else 0
            if tag == 128 and buf[at + 1] == 3:
                lazy_pages = buf[at + 2]
                at += 3
                if lazy_pages > 1:
                    lazy_pages, at = read_bool(buf, at, lazy_pages)
                else:
                    lazy_pages = lazy_pages == 1
                tag = buf[at] if at < stop else 0
            if tag == 136 and buf[at + 1] == 3:
                status_fd = buf[at + 2]
                at += 3
                if status_fd > 127:
                    status_fd, at = read_int32(buf, at, status_fd)
                tag = buf[at] if at < stop else 0
            if tag == 144 and buf[at + 1] == 3:
                orphan_pts_master = buf[at + 2]
                at += 3
                if orphan_pts_master > 1:
                    orphan_pts_master, at = read_bool(buf, at, orphan_pts_master)
                else:
                    orphan_pts_master = orphan_pts_master == 1
                tag = buf[at] if at < stop else 0
            if tag == 154 and buf[at + 1] == 3:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                config_file = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 160 and buf[at + 1] == 3:
                tcp_close = buf[at + 2]
                at += 3
                if tcp_close > 1:
                    tcp_close, at = read_bool(buf, at, tcp_close)
                else:
                    tcp_close = tcp_close == 1
                tag = buf[at] if at < stop else 0
            if tag == 170 and buf[at + 1] == 3:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                lsm_profile = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 178 and buf[at + 1] == 3:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                tls_cacert = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 186 and buf[at + 1] == 3:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                tls_cacrl = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 194 and buf[at + 1] == 3:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                tls_cert = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 202 and buf[at + 1] == 3:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                tls_key = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 208 and buf[at + 1] == 3:
                tls = buf[at + 2]
                at += 3
                if tls > 1:
                    tls, at = read_bool(buf, at, tls)
                else:
                    tls = tls == 1
                tag = buf[at] if at < stop else 0
            if tag == 216 and buf[at + 1] == 3:
                tls_no_cn_verify = buf[at + 2]
                at += 3
                if tls_no_cn_verify > 1:
                    tls_no_cn_verify, at = read_bool(buf, at, tls_no_cn_verify)
                else:
                    tls_no_cn_verify = tls_no_cn_verify == 1
                tag = buf[at] if at < stop else 0
            if tag == 226 and buf[at + 1] == 3:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                cgroup_yard = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 232 and buf[at + 1] == 3:
                pre_dump_mode = buf[at + 2]
                at += 3
                if pre_dump_mode > 127:
                    pre_dump_mode, at = read_int32(buf, at, pre_dump_mode)
                tag = buf[at] if at < stop else 0
            if tag == 240 and buf[at + 1] == 3:
                pidfd_store_sk = buf[at + 2]
                at += 3
                if pidfd_store_sk > 127:
                    pidfd_store_sk, at = read_int32(buf, at, pidfd_store_sk)
                tag = buf[at] if at < stop else 0
            if tag == 250 and buf[at + 1] == 3:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                lsm_mount_context = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 128 and buf[at + 1] == 4:
                network_lock = buf[at + 2]
                at += 3
                if network_lock > 127:
                    network_lock, at = read_int32(buf, at, network_lock)
                tag = buf[at] if at < stop else 0
            if tag == 136 and buf[at + 1] == 4:
                mntns_compat_mode = buf[at + 2]
                at += 3
                if mntns_compat_mode > 1:
                    mntns_compat_mode, at = read_bool(buf, at, mntns_compat_mode)
                else:
                    mntns_compat_mode = mntns_compat_mode == 1
                tag = buf[at] if at < stop else 0
            if tag == 144 and buf[at + 1] == 4:
                skip_file_rwx_check = buf[at + 2]
                at += 3
                if skip_file_rwx_check > 1:
                    skip_file_rwx_check, at = read_bool(buf, at, skip_file_rwx_check)
                else:
                    skip_file_rwx_check = skip_file_rwx_check == 1
                tag = buf[at] if at < stop else 0
            if tag == 152 and buf[at + 1] == 4:
                unprivileged = buf[at + 2]
                at += 3
                if unprivileged > 1:
                    unprivileged, at = read_bool(buf, at, unprivileged)
                else:
                    unprivileged = unprivileged == 1
                tag = buf[at] if at < stop else 0
            if tag == 162 and buf[at + 1] == 4:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                images_dir = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 168 and buf[at + 1] == 4:
                leave_stopped = buf[at + 2]
                at += 3
                if leave_stopped > 1:
                    leave_stopped, at = read_bool(buf, at, leave_stopped)
                else:
                    leave_stopped = leave_stopped == 1
                tag = buf[at] if at < stop else 0
            if tag == 176 and buf[at + 1] == 4:
                display_stats = buf[at + 2]
                at += 3
                if display_stats > 1:
                    display_stats, at = read_bool(buf, at, display_stats)
                else:
                    display_stats = display_stats == 1
                tag = buf[at] if at < stop else 0
            if tag == 184 and buf[at + 1] == 4:
                log_to_stderr = buf[at + 2]
                at += 3
                if log_to_stderr > 1:
                    log_to_stderr, at = read_bool(buf, at, log_to_stderr)
                else:
                    log_to_stderr = log_to_stderr == 1
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.images_dir_fd = images_dir_fd
        new.pid = pid
        new.leave_running = leave_running
        new.ext_unix_sk = ext_unix_sk
        new.tcp_established = tcp_established
        new.evasive_devices = evasive_devices
        new.shell_job = shell_job
        new.file_locks = file_locks
        new.log_level = log_level
        new.log_file = log_file
        new.ps = ps
        new.notify_scripts = notify_scripts
        new.root = root
        new.parent_img = parent_img
        new.track_mem = track_mem
        new.auto_dedup = auto_dedup
        new.work_dir_fd = work_dir_fd
        new.link_remap = link_remap
        new.veths = veths
        new.cpu_cap = cpu_cap
        new.force_irmap = force_irmap
        new.exec_cmd = exec_cmd
        new.ext_mnt = ext_mnt
        new.manage_cgroups = manage_cgroups
        new.cg_root = cg_root
        new.rst_sibling = rst_sibling
        new.inherit_fd = inherit_fd
        new.auto_ext_mnt = auto_ext_mnt
        new.ext_sharing = ext_sharing
        new.ext_masters = ext_masters
        new.skip_mnt = skip_mnt
        new.enable_fs = enable_fs
        new.unix_sk_ino = unix_sk_ino
        new.manage_cgroups_mode = manage_cgroups_mode
        new.ghost_limit = ghost_limit
        new.irmap_scan_paths = irmap_scan_paths
        new.external = external
        new.empty_ns = empty_ns
        new.join_ns = join_ns
        new.cgroup_props = cgroup_props
        new.cgroup_props_file = cgroup_props_file
        new.cgroup_dump_controller = cgroup_dump_controller
        new.freeze_cgroup = freeze_cgroup
        new.timeout = timeout
        new.tcp_skip_in_flight = tcp_skip_in_flight
        new.weak_sysctls = weak_sysctls
        new.lazy_pages = lazy_pages
        new.status_fd = status_fd
        new.orphan_pts_master = orphan_pts_master
        new.config_file = config_file
        new.tcp_close = tcp_close
        new.lsm_profile = lsm_profile
        new.tls_cacert = tls_cacert
        new.tls_cacrl = tls_cacrl
        new.tls_cert = tls_cert
        new.tls_key = tls_key
        new.tls = tls
        new.tls_no_cn_verify = tls_no_cn_verify
        new.cgroup_yard = cgroup_yard
        new.pre_dump_mode = pre_dump_mode
        new.pidfd_store_sk = pidfd_store_sk
        new.lsm_mount_context = lsm_mount_context
        new.network_lock = network_lock
        new.mntns_compat_mode = mntns_compat_mode
        new.skip_file_rwx_check = skip_file_rwx_check
        new.unprivileged = unprivileged
        new.images_dir = images_dir
        new.leave_stopped = leave_stopped
        new.display_stats = display_stats
        new.log_to_stderr = log_to_stderr
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if images_dir_fd is None:
            require(new, begin)
        return new


class CriuDumpResp(Message):
    """The message criu_dump_resp."""

    __slots__ = (
        "restored",
    )

    NAME = "criu_dump_resp"
    FIELDS = (
        (1, "restored", "optional", "bool", None, None, None),
    )

    def __init__(
        self,
        *,
        restored: bool | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.restored = restored
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b"" if self.restored is None else _bool_1[self.restored],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        restored: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                restored = buf[at + 1]
                at += 2
                if restored > 1:
                    restored, at = read_bool(buf, at, restored)
                else:
                    restored = restored == 1
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.restored = restored
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new


class CriuRestoreResp(Message):
    """The message criu_restore_resp."""

    __slots__ = (
        "pid",
    )

    NAME = "criu_restore_resp"
    FIELDS = (
        (1, "pid", "required", "int32", None, None, None),
    )

    def __init__(
        self,
        *,
        pid: int,
        unknown: bytes = b"",
    ) -> None:
        self.pid = pid
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _int32_1[self.pid],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        pid: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                pid = buf[at + 1]
                at += 2
                if pid > 127:
                    pid, at = read_int32(buf, at, pid)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.pid = pid
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if pid is None:
            require(new, begin)
        return new


class CriuNotify(Message):
    """The message criu_notify."""

    __slots__ = (
        "script",
        "pid",
    )

    NAME = "criu_notify"
    FIELDS = (
        (1, "script", "optional", "string", None, None, None),
        (2, "pid", "optional", "int32", None, None, None),
    )

    def __init__(
        self,
        *,
        script: str | None = None,
        pid: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.script = script
        self.pid = pid
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b""
                    if self.script is None
                    else _length_1[len(b := self.script.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.pid is None else _int32_2[self.pid],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        script: Any = None
        pid: Any = None
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
                script = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 16:
                pid = buf[at + 1]
                at += 2
                if pid > 127:
                    pid, at = read_int32(buf, at, pid)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.script = script
        new.pid = pid
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new


class CriuFeatures(Message):
    """The message criu_features."""

    __slots__ = (
        "mem_track",
        "lazy_pages",
        "pidfd_store",
    )

    NAME = "criu_features"
    FIELDS = (
        (1, "mem_track", "optional", "bool", None, None, None),
        (2, "lazy_pages", "optional", "bool", None, None, None),
        (3, "pidfd_store", "optional", "bool", None, None, None),
    )

    def __init__(
        self,
        *,
        mem_track: bool | None = None,
        lazy_pages: bool | None = None,
        pidfd_store: bool | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.mem_track = mem_track
        self.lazy_pages = lazy_pages
        self.pidfd_store = pidfd_store
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b"" if self.mem_track is None else _bool_1[self.mem_track],
                    b"" if self.lazy_pages is None else _bool_2[self.lazy_pages],
                    b"" if self.pidfd_store is None else _bool_3[self.pidfd_store],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        mem_track: Any = None
        lazy_pages: Any = None
        pidfd_store: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                mem_track = buf[at + 1]
                at += 2
                if mem_track > 1:
                    mem_track, at = read_bool(buf, at, mem_track)
                else:
                    mem_track = mem_track == 1
                tag = buf[at] if at < stop else 0
            if tag == 16:
                lazy_pages = buf[at + 1]
                at += 2
                if lazy_pages > 1:
                    lazy_pages, at = read_bool(buf, at, lazy_pages)
                else:
                    lazy_pages = lazy_pages == 1
                tag = buf[at] if at < stop else 0
            if tag == 24:
                pidfd_store = buf[at + 1]
                at += 2
                if pidfd_store > 1:
                    pidfd_store, at = read_bool(buf, at, pidfd_store)
                else:
                    pidfd_store = pidfd_store == 1
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.mem_track = mem_track
        new.lazy_pages = lazy_pages
        new.pidfd_store = pidfd_store
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new


class CriuReq(Message):
    """A request."""

    __slots__ = (
        "type",
        "opts",
        "notify_success",
        "keep_open",
        "features",
        "pid",
    )

    NAME = "criu_req"
    FIELDS = (
        (1, "type", "required", "enum", "rpc:CriuReqType", None, None),
        (2, "opts", "optional", "message", "rpc:CriuOpts", None, None),
        (3, "notify_success", "optional", "bool", None, None, None),
        (4, "keep_open", "optional", "bool", None, None, None),
        (5, "features", "optional", "message", "rpc:CriuFeatures", None, None),
        (6, "pid", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        type: int,
        opts: CriuOpts | None = None,
        notify_success: bool | None = None,
        keep_open: bool | None = None,
        features: CriuFeatures | None = None,
        pid: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.type = type
        self.opts = opts
        self.notify_success = notify_success
        self.keep_open = keep_open
        self.features = features
        self.pid = pid
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _enum_1[self.type],
                    b"" if self.opts is None else _length_2[len(b := self.opts.encode())] + b,
                    b"" if self.notify_success is None else _bool_3[self.notify_success],
                    b"" if self.keep_open is None else _bool_4[self.keep_open],
                    b"" if self.features is None else _length_5[len(b := self.features.encode())] + b,
                    b"" if self.pid is None else _uint32_6[self.pid],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        type: Any = None
        opts: Any = None
        notify_success: Any = None
        keep_open: Any = None
        features: Any = None
        pid: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                type = buf[at + 1]
                at += 2
                if type > 127:
                    type, at = read_int32(buf, at, type)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                opts = CriuOpts.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                notify_success = buf[at + 1]
                at += 2
                if notify_success > 1:
                    notify_success, at = read_bool(buf, at, notify_success)
                else:
                    notify_success = notify_success == 1
                tag = buf[at] if at < stop else 0
            if tag == 32:
                keep_open = buf[at + 1]
                at += 2
                if keep_open > 1:
                    keep_open, at = read_bool(buf, at, keep_open)
                else:
                    keep_open = keep_open == 1
                tag = buf[at] if at < stop else 0
            if tag == 42:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                features = CriuFeatures.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                pid = buf[at + 1]
                at += 2
                if pid > 127:
                    pid, at = read_varint32(buf, at, pid)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.type = type
        new.opts = opts
        new.notify_success = notify_success
        new.keep_open = keep_open
        new.features = features
        new.pid = pid
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if type is None:
            require(new, begin)
        return new


class CriuResp(Message):
    """The answer to a request, or a notification."""

    __slots__ = (
        "type",
        "success",
        "dump",
        "restore",
        "notify",
        "ps",
        "cr_errno",
        "features",
        "cr_errmsg",
        "version",
        "status",
    )

    NAME = "criu_resp"
    FIELDS = (
        (1, "type", "required", "enum", "rpc:CriuReqType", None, None),
        (2, "success", "required", "bool", None, None, None),
        (3, "dump", "optional", "message", "rpc:CriuDumpResp", None, None),
        (4, "restore", "optional", "message", "rpc:CriuRestoreResp", None, None),
        (5, "notify", "optional", "message", "rpc:CriuNotify", None, None),
        (6, "ps", "optional", "message", "rpc:CriuPageServerInfo", None, None),
        (7, "cr_errno", "optional", "int32", None, None, None),
        (8, "features", "optional", "message", "rpc:CriuFeatures", None, None),
        (9, "cr_errmsg", "optional", "string", None, None, None),
        (10, "version", "optional", "message", "rpc:CriuVersion", None, None),
        (11, "status", "optional", "int32", None, None, None),
    )

    def __init__(
        self,
        *,
        type: int,
        success: bool,
        dump: CriuDumpResp | None = None,
        restore: CriuRestoreResp | None = None,
        notify: CriuNotify | None = None,
        ps: CriuPageServerInfo | None = None,
        cr_errno: int | None = None,
        features: CriuFeatures | None = None,
        cr_errmsg: str | None = None,
        version: CriuVersion | None = None,
        status: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.type = type
        self.success = success
        self.dump = dump
        self.restore = restore
        self.notify = notify
        self.ps = ps
        self.cr_errno = cr_errno
        self.features = features
        self.cr_errmsg = cr_errmsg
        self.version = version
        self.status = status
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _enum_1[self.type],
                    _bool_2[self.success],
                    b"" if self.dump is None else _length_3[len(b := self.dump.encode())] + b,
                    b"" if self.restore is None else _length_4[len(b := self.restore.encode())] + b,
                    b"" if self.notify is None else _length_5[len(b := self.notify.encode())] + b,
                    b"" if self.ps is None else _length_6[len(b := self.ps.encode())] + b,
                    b"" if self.cr_errno is None else _int32_7[self.cr_errno],
                    b"" if self.features is None else _length_8[len(b := self.features.encode())] + b,
                    b""
                    if self.cr_errmsg is None
                    else _length_9[len(b := self.cr_errmsg.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.version is None else _length_10[len(b := self.version.encode())] + b,
                    b"" if self.status is None else _int32_11[self.status],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        type: Any = None
        success: Any = None
        dump: Any = None
        restore: Any = None
        notify: Any = None
        ps: Any = None
        cr_errno: Any = None
        features: Any = None
        cr_errmsg: Any = None
        version: Any = None
        status: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                type = buf[at + 1]
                at += 2
                if type > 127:
                    type, at = read_int32(buf, at, type)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                success = buf[at + 1]
                at += 2
                if success > 1:
                    success, at = read_bool(buf, at, success)
                else:
                    success = success == 1
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                dump = CriuDumpResp.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 34:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                restore = CriuRestoreResp.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 42:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                notify = CriuNotify.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 50:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ps = CriuPageServerInfo.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                cr_errno = buf[at + 1]
                at += 2
                if cr_errno > 127:
                    cr_errno, at = read_int32(buf, at, cr_errno)
                tag = buf[at] if at < stop else 0
            if tag == 66:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                features = CriuFeatures.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 74:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                cr_errmsg = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 82:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                version = CriuVersion.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                status = buf[at + 1]
                at += 2
                if status > 127:
                    status, at = read_int32(buf, at, status)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.type = type
        new.success = success
        new.dump = dump
        new.restore = restore
        new.notify = notify
        new.ps = ps
        new.cr_errno = cr_errno
        new.features = features
        new.cr_errmsg = cr_errmsg
        new.version = version
        new.status = status
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if type is None or success is None:
            require(new, begin)
        return new


class CriuVersion(Message):
    """The message criu_version."""

    __slots__ = (
        "major_number",
        "minor_number",
        "gitid",
        "sublevel",
        "extra",
        "name",
    )

    NAME = "criu_version"
    FIELDS = (
        (1, "major_number", "required", "int32", None, None, None),
        (2, "minor_number", "required", "int32", None, None, None),
        (3, "gitid", "optional", "string", None, None, None),
        (4, "sublevel", "optional", "int32", None, None, None),
        (5, "extra", "optional", "int32", None, None, None),
        (6, "name", "optional", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        major_number: int,
        minor_number: int,
        gitid: str | None = None,
        sublevel: int | None = None,
        extra: int | None = None,
        name: str | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.major_number = major_number
        self.minor_number = minor_number
        self.gitid = gitid
        self.sublevel = sublevel
        self.extra = extra
        self.name = name
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _int32_1[self.major_number],
                    _int32_2[self.minor_number],
                    b""
                    if self.gitid is None
                    else _length_3[len(b := self.gitid.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.sublevel is None else _int32_4[self.sublevel],
                    b"" if self.extra is None else _int32_5[self.extra],
                    b""
                    if self.name is None
                    else _length_6[len(b := self.name.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        major_number: Any = None
        minor_number: Any = None
        gitid: Any = None
        sublevel: Any = None
        extra: Any = None
        name: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                major_number = buf[at + 1]
                at += 2
                if major_number > 127:
                    major_number, at = read_int32(buf, at, major_number)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                minor_number = buf[at + 1]
                at += 2
                if minor_number > 127:
                    minor_number, at = read_int32(buf, at, minor_number)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                gitid = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 32:
                sublevel = buf[at + 1]
                at += 2
                if sublevel > 127:
                    sublevel, at = read_int32(buf, at, sublevel)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                extra = buf[at + 1]
                at += 2
                if extra > 127:
                    extra, at = read_int32(buf, at, extra)
                tag = buf[at] if at < stop else 0
            if tag == 50:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                name = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.major_number = major_number
        new.minor_number = minor_number
        new.gitid = gitid
        new.sublevel = sublevel
        new.extra = extra
        new.name = name
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if major_number is None or minor_number is None:
            require(new, begin)
        return new
