"""Generated from proto/netdev.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_int32,
    read_run,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar, Self

    from crtools.images.messages.macvlan import MacvlanLinkEntry
    from crtools.images.messages.sit import SitEntry
    from crtools.images.messages.sysctl import SysctlEntry
    from crtools.images.messages.tun import TunLinkEntry

_enum_1 = field(1, "enum")
_int32_1 = field(1, "int32")
_int32_2 = field(2, "int32")
_int32_8 = field(8, "int32")
_length_3 = field(3, "length")
_length_4 = field(4, "length")
_length_5 = field(5, "length")
_length_6 = field(6, "length")
_length_7 = field(7, "length")
_length_8 = field(8, "length")
_length_9 = field(9, "length")
_length_10 = field(10, "length")
_length_11 = field(11, "length")
_length_15 = field(15, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_12 = field(12, "uint32")
_uint32_13 = field(13, "uint32")
_uint32_14 = field(14, "uint32")


class NdType:
    """Values of the enum nd_type."""

    LOOPBACK = 1
    VETH = 2
    TUN = 3
    EXTLINK = 4
    VENET = 5
    BRIDGE = 6
    MACVLAN = 7
    SIT = 8

    NAMES: ClassVar[dict[int, str]] = {
        1: "LOOPBACK",
        2: "VETH",
        3: "TUN",
        4: "EXTLINK",
        5: "VENET",
        6: "BRIDGE",
        7: "MACVLAN",
        8: "SIT",
    }


class NetDeviceEntry(Message):
    """The message net_device_entry."""

    __slots__ = (
        "type",
        "ifindex",
        "mtu",
        "flags",
        "name",
        "tun",
        "address",
        "conf",
        "conf4",
        "conf6",
        "macvlan",
        "peer_ifindex",
        "peer_nsid",
        "master",
        "sit",
    )

    NAME = "net_device_entry"
    FIELDS = (
        (1, "type", "required", "enum", "netdev:NdType", None, None),
        (2, "ifindex", "required", "uint32", None, None, None),
        (3, "mtu", "required", "uint32", None, None, None),
        (4, "flags", "required", "uint32", None, None, "hex"),
        (5, "name", "required", "string", None, None, None),
        (6, "tun", "optional", "message", "tun:TunLinkEntry", None, None),
        (7, "address", "optional", "bytes", None, None, None),
        (8, "conf", "repeated", "int32", None, None, None),
        (9, "conf4", "repeated", "message", "sysctl:SysctlEntry", None, None),
        (10, "conf6", "repeated", "message", "sysctl:SysctlEntry", None, None),
        (11, "macvlan", "optional", "message", "macvlan:MacvlanLinkEntry", None, None),
        (12, "peer_ifindex", "optional", "uint32", None, None, None),
        (13, "peer_nsid", "optional", "uint32", None, None, None),
        (14, "master", "optional", "uint32", None, None, None),
        (15, "sit", "optional", "message", "sit:SitEntry", None, None),
    )

    def __init__(
        self,
        *,
        type: int,
        ifindex: int,
        mtu: int,
        flags: int,
        name: str,
        tun: TunLinkEntry | None = None,
        address: bytes | None = None,
        conf: Sequence[int] = (),
        conf4: Sequence[SysctlEntry] = (),
        conf6: Sequence[SysctlEntry] = (),
        macvlan: MacvlanLinkEntry | None = None,
        peer_ifindex: int | None = None,
        peer_nsid: int | None = None,
        master: int | None = None,
        sit: SitEntry | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.type = type
        self.ifindex = ifindex
        self.mtu = mtu
        self.flags = flags
        self.name = name
        self.tun = tun
        self.address = address
        self.conf = conf
        self.conf4 = conf4
        self.conf6 = conf6
        self.macvlan = macvlan
        self.peer_ifindex = peer_ifindex
        self.peer_nsid = peer_nsid
        self.master = master
        self.sit = sit
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _enum_1[self.type],
                    _uint32_2[self.ifindex],
                    _uint32_3[self.mtu],
                    _uint32_4[self.flags],
                    _length_5[len(b := self.name.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.tun is None else _length_6[len(b := self.tun.encode())] + b,
                    b"" if self.address is None else _length_7[len(b := self.address)] + b,
                    *map(_int32_8.__getitem__, self.conf),
                    *[_length_9[len(b)] + b for b in [m.encode() for m in self.conf4]],
                    *[_length_10[len(b)] + b for b in [m.encode() for m in self.conf6]],
                    b"" if self.macvlan is None else _length_11[len(b := self.macvlan.encode())] + b,
                    b"" if self.peer_ifindex is None else _uint32_12[self.peer_ifindex],
                    b"" if self.peer_nsid is None else _uint32_13[self.peer_nsid],
                    b"" if self.master is None else _uint32_14[self.master],
                    b"" if self.sit is None else _length_15[len(b := self.sit.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        type: Any = None
        ifindex: Any = None
        mtu: Any = None
        flags: Any = None
        name: Any = None
        tun: Any = None
        address: Any = None
        conf: Any = ()
        conf4: Any = ()
        conf6: Any = ()
        macvlan: Any = None
        peer_ifindex: Any = None
        peer_nsid: Any = None
        master: Any = None
        sit: Any = None
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
                ifindex = buf[at + 1]
                at += 2
                if ifindex > 127:
                    ifindex, at = read_varint32(buf, at, ifindex)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                mtu = buf[at + 1]
                at += 2
                if mtu > 127:
                    mtu, at = read_varint32(buf, at, mtu)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
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
                from crtools.images.messages.tun import TunLinkEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                tun = TunLinkEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 58:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                address = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 64:
                conf, at = read_run(buf, at, stop, b"\x40", "int32")
                tag = buf[at] if at < stop else 0
            if tag == 74:
                from crtools.images.messages.sysctl import SysctlEntry

                conf4 = []
                while tag == 74:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    conf4.append(SysctlEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 82:
                from crtools.images.messages.sysctl import SysctlEntry

                conf6 = []
                while tag == 82:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    conf6.append(SysctlEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 90:
                from crtools.images.messages.macvlan import MacvlanLinkEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                macvlan = MacvlanLinkEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 96:
                peer_ifindex = buf[at + 1]
                at += 2
                if peer_ifindex > 127:
                    peer_ifindex, at = read_varint32(buf, at, peer_ifindex)
                tag = buf[at] if at < stop else 0
            if tag == 104:
                peer_nsid = buf[at + 1]
                at += 2
                if peer_nsid > 127:
                    peer_nsid, at = read_varint32(buf, at, peer_nsid)
                tag = buf[at] if at < stop else 0
            if tag == 112:
                master = buf[at + 1]
                at += 2
                if master > 127:
                    master, at = read_varint32(buf, at, master)
                tag = buf[at] if at < stop else 0
            if tag == 122:
                from crtools.images.messages.sit import SitEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                sit = SitEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.type = type
        new.ifindex = ifindex
        new.mtu = mtu
        new.flags = flags
        new.name = name
        new.tun = tun
        new.address = address
        new.conf = conf
        new.conf4 = conf4
        new.conf6 = conf6
        new.macvlan = macvlan
        new.peer_ifindex = peer_ifindex
        new.peer_nsid = peer_nsid
        new.master = master
        new.sit = sit
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if type is None or ifindex is None or mtu is None or flags is None or name is None:
            require(new, begin)
        return new


class NetnsId(Message):
    """The message netns_id."""

    __slots__ = (
        "target_ns_id",
        "netnsid_value",
    )

    NAME = "netns_id"
    FIELDS = (
        (1, "target_ns_id", "required", "uint32", None, None, None),
        (2, "netnsid_value", "required", "int32", None, None, None),
    )

    def __init__(
        self,
        *,
        target_ns_id: int,
        netnsid_value: int,
        unknown: bytes = b"",
    ) -> None:
        self.target_ns_id = target_ns_id
        self.netnsid_value = netnsid_value
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.target_ns_id],
                    _int32_2[self.netnsid_value],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        target_ns_id: Any = None
        netnsid_value: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                target_ns_id = buf[at + 1]
                at += 2
                if target_ns_id > 127:
                    target_ns_id, at = read_varint32(buf, at, target_ns_id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                netnsid_value = buf[at + 1]
                at += 2
                if netnsid_value > 127:
                    netnsid_value, at = read_int32(buf, at, netnsid_value)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.target_ns_id = target_ns_id
        new.netnsid_value = netnsid_value
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if target_ns_id is None or netnsid_value is None:
            require(new, begin)
        return new


class NetnsEntry(Message):
    """The message netns_entry."""

    __slots__ = (
        "def_conf",
        "all_conf",
        "def_conf4",
        "all_conf4",
        "def_conf6",
        "all_conf6",
        "nsids",
        "ext_key",
        "unix_conf",
        "ipv4_sysctl",
    )

    NAME = "netns_entry"
    FIELDS = (
        (1, "def_conf", "repeated", "int32", None, None, None),
        (2, "all_conf", "repeated", "int32", None, None, None),
        (3, "def_conf4", "repeated", "message", "sysctl:SysctlEntry", None, None),
        (4, "all_conf4", "repeated", "message", "sysctl:SysctlEntry", None, None),
        (5, "def_conf6", "repeated", "message", "sysctl:SysctlEntry", None, None),
        (6, "all_conf6", "repeated", "message", "sysctl:SysctlEntry", None, None),
        (7, "nsids", "repeated", "message", "netdev:NetnsId", None, None),
        (8, "ext_key", "optional", "string", None, None, None),
        (9, "unix_conf", "repeated", "message", "sysctl:SysctlEntry", None, None),
        (10, "ipv4_sysctl", "repeated", "message", "sysctl:SysctlEntry", None, None),
    )

    def __init__(
        self,
        *,
        def_conf: Sequence[int] = (),
        all_conf: Sequence[int] = (),
        def_conf4: Sequence[SysctlEntry] = (),
        all_conf4: Sequence[SysctlEntry] = (),
        def_conf6: Sequence[SysctlEntry] = (),
        all_conf6: Sequence[SysctlEntry] = (),
        nsids: Sequence[NetnsId] = (),
        ext_key: str | None = None,
        unix_conf: Sequence[SysctlEntry] = (),
        ipv4_sysctl: Sequence[SysctlEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.def_conf = def_conf
        self.all_conf = all_conf
        self.def_conf4 = def_conf4
        self.all_conf4 = all_conf4
        self.def_conf6 = def_conf6
        self.all_conf6 = all_conf6
        self.nsids = nsids
        self.ext_key = ext_key
        self.unix_conf = unix_conf
        self.ipv4_sysctl = ipv4_sysctl
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    *map(_int32_1.__getitem__, self.def_conf),
                    *map(_int32_2.__getitem__, self.all_conf),
                    *[_length_3[len(b)] + b for b in [m.encode() for m in self.def_conf4]],
                    *[_length_4[len(b)] + b for b in [m.encode() for m in self.all_conf4]],
                    *[_length_5[len(b)] + b for b in [m.encode() for m in self.def_conf6]],
                    *[_length_6[len(b)] + b for b in [m.encode() for m in self.all_conf6]],
                    *[_length_7[len(b)] + b for b in [m.encode() for m in self.nsids]],
                    b""
                    if self.ext_key is None
                    else _length_8[len(b := self.ext_key.encode("utf-8", "surrogateescape"))] + b,
                    *[_length_9[len(b)] + b for b in [m.encode() for m in self.unix_conf]],
                    *[_length_10[len(b)] + b for b in [m.encode() for m in self.ipv4_sysctl]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        def_conf: Any = ()
        all_conf: Any = ()
        def_conf4: Any = ()
        all_conf4: Any = ()
        def_conf6: Any = ()
        all_conf6: Any = ()
        nsids: Any = ()
        ext_key: Any = None
        unix_conf: Any = ()
        ipv4_sysctl: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                def_conf, at = read_run(buf, at, stop, b"\x08", "int32")
                tag = buf[at] if at < stop else 0
            if tag == 16:
                all_conf, at = read_run(buf, at, stop, b"\x10", "int32")
                tag = buf[at] if at < stop else 0
            if tag == 26:
                from crtools.images.messages.sysctl import SysctlEntry

                def_conf4 = []
                while tag == 26:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    def_conf4.append(SysctlEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 34:
                from crtools.images.messages.sysctl import SysctlEntry

                all_conf4 = []
                while tag == 34:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    all_conf4.append(SysctlEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 42:
                from crtools.images.messages.sysctl import SysctlEntry

                def_conf6 = []
                while tag == 42:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    def_conf6.append(SysctlEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 50:
                from crtools.images.messages.sysctl import SysctlEntry

                all_conf6 = []
                while tag == 50:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    all_conf6.append(SysctlEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 58:
                nsids = []
                while tag == 58:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    nsids.append(NetnsId.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 66:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ext_key = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 74:
                from crtools.images.messages.sysctl import SysctlEntry

                unix_conf = []
                while tag == 74:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    unix_conf.append(SysctlEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 82:
                from crtools.images.messages.sysctl import SysctlEntry

                ipv4_sysctl = []
                while tag == 82:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    ipv4_sysctl.append(SysctlEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.def_conf = def_conf
        new.all_conf = all_conf
        new.def_conf4 = def_conf4
        new.all_conf4 = all_conf4
        new.def_conf6 = def_conf6
        new.all_conf6 = all_conf6
        new.nsids = nsids
        new.ext_key = ext_key
        new.unix_conf = unix_conf
        new.ipv4_sysctl = ipv4_sysctl
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new
