"""Generated from proto/packet-sock.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_varint32,
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from crtools.images.messages.fown import FownEntry
    from crtools.images.messages.sk_opts import SkOptsEntry

_bool_10 = field(10, "bool")
_bool_11 = field(11, "bool")
_bool_12 = field(12, "bool")
_bool_13 = field(13, "bool")
_length_3 = field(3, "length")
_length_6 = field(6, "length")
_length_7 = field(7, "length")
_length_16 = field(16, "length")
_length_18 = field(18, "length")
_length_19 = field(19, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_14 = field(14, "uint32")
_uint32_15 = field(15, "uint32")
_uint32_17 = field(17, "uint32")
_uint32_20 = field(20, "uint32")


class PacketMclist(Message):
    """The message packet_mclist."""

    __slots__ = (
        "index",
        "type",
        "addr",
    )

    NAME = "packet_mclist"
    FIELDS = (
        (1, "index", "required", "uint32", None, None, None),
        (2, "type", "required", "uint32", None, None, None),
        (3, "addr", "required", "bytes", None, None, None),
    )

    def __init__(
        self,
        *,
        index: int,
        type: int,
        addr: bytes,
        unknown: bytes = b"",
    ) -> None:
        self.index = index
        self.type = type
        self.addr = addr
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.index],
                    _uint32_2[self.type],
                    _length_3[len(b := self.addr)] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        index: Any = None
        type: Any = None
        addr: Any = None
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
                type = buf[at + 1]
                at += 2
                if type > 127:
                    type, at = read_varint32(buf, at, type)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                addr = buf[at - span : at]
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.index = index
        new.type = type
        new.addr = addr
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if index is None or type is None or addr is None:
            require(new, begin)
        return new


class PacketRing(Message):
    """The message packet_ring."""

    __slots__ = (
        "block_size",
        "block_nr",
        "frame_size",
        "frame_nr",
        "retire_tmo",
        "sizeof_priv",
        "features",
    )

    NAME = "packet_ring"
    FIELDS = (
        (1, "block_size", "required", "uint32", None, None, None),
        (2, "block_nr", "required", "uint32", None, None, None),
        (3, "frame_size", "required", "uint32", None, None, None),
        (4, "frame_nr", "required", "uint32", None, None, None),
        (5, "retire_tmo", "required", "uint32", None, None, None),
        (6, "sizeof_priv", "required", "uint32", None, None, None),
        (7, "features", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        block_size: int,
        block_nr: int,
        frame_size: int,
        frame_nr: int,
        retire_tmo: int,
        sizeof_priv: int,
        features: int,
        unknown: bytes = b"",
    ) -> None:
        self.block_size = block_size
        self.block_nr = block_nr
        self.frame_size = frame_size
        self.frame_nr = frame_nr
        self.retire_tmo = retire_tmo
        self.sizeof_priv = sizeof_priv
        self.features = features
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.block_size],
                    _uint32_2[self.block_nr],
                    _uint32_3[self.frame_size],
                    _uint32_4[self.frame_nr],
                    _uint32_5[self.retire_tmo],
                    _uint32_6[self.sizeof_priv],
                    _uint32_7[self.features],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        block_size: Any = None
        block_nr: Any = None
        frame_size: Any = None
        frame_nr: Any = None
        retire_tmo: Any = None
        sizeof_priv: Any = None
        features: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                block_size = buf[at + 1]
                at += 2
                if block_size > 127:
                    block_size, at = read_varint32(buf, at, block_size)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                block_nr = buf[at + 1]
                at += 2
                if block_nr > 127:
                    block_nr, at = read_varint32(buf, at, block_nr)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                frame_size = buf[at + 1]
                at += 2
                if frame_size > 127:
                    frame_size, at = read_varint32(buf, at, frame_size)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                frame_nr = buf[at + 1]
                at += 2
                if frame_nr > 127:
                    frame_nr, at = read_varint32(buf, at, frame_nr)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                retire_tmo = buf[at + 1]
                at += 2
                if retire_tmo > 127:
                    retire_tmo, at = read_varint32(buf, at, retire_tmo)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                sizeof_priv = buf[at + 1]
                at += 2
                if sizeof_priv > 127:
                    sizeof_priv, at = read_varint32(buf, at, sizeof_priv)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                features = buf[at + 1]
                at += 2
                if features > 127:
                    features, at = read_varint32(buf, at, features)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.block_size = block_size
        new.block_nr = block_nr
        new.frame_size = frame_size
        new.frame_nr = frame_nr
        new.retire_tmo = retire_tmo
        new.sizeof_priv = sizeof_priv
        new.features = features
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            block_size is None
            or block_nr is None
            or frame_size is None
            or frame_nr is None
            or retire_tmo is None
            or sizeof_priv is None
            or features is None
        ):
            require(new, begin)
        return new


class PacketSockEntry(Message):
    """The message packet_sock_entry."""

    __slots__ = (
        "id",
        "type",
        "protocol",
        "flags",
        "ifindex",
        "fown",
        "opts",
        "version",
        "reserve",
        "aux_data",
        "orig_dev",
        "vnet_hdr",
        "loss",
        "timestamp",
        "copy_thresh",
        "mclist",
        "fanout",
        "rx_ring",
        "tx_ring",
        "ns_id",
    )

    NAME = "packet_sock_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "type", "required", "uint32", None, None, None),
        (3, "protocol", "required", "uint32", None, None, None),
        (4, "flags", "required", "uint32", None, None, "hex"),
        (5, "ifindex", "required", "uint32", None, None, None),
        (6, "fown", "required", "message", "fown:FownEntry", None, None),
        (7, "opts", "required", "message", "sk_opts:SkOptsEntry", None, None),
        (8, "version", "required", "uint32", None, None, None),
        (9, "reserve", "required", "uint32", None, None, None),
        (10, "aux_data", "required", "bool", None, None, None),
        (11, "orig_dev", "required", "bool", None, None, None),
        (12, "vnet_hdr", "required", "bool", None, None, None),
        (13, "loss", "required", "bool", None, None, None),
        (14, "timestamp", "required", "uint32", None, None, None),
        (15, "copy_thresh", "required", "uint32", None, None, None),
        (16, "mclist", "repeated", "message", "packet_sock:PacketMclist", None, None),
        (17, "fanout", "optional", "uint32", None, 4294967295, None),
        (18, "rx_ring", "optional", "message", "packet_sock:PacketRing", None, None),
        (19, "tx_ring", "optional", "message", "packet_sock:PacketRing", None, None),
        (20, "ns_id", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        type: int,
        protocol: int,
        flags: int,
        ifindex: int,
        fown: FownEntry,
        opts: SkOptsEntry,
        version: int,
        reserve: int,
        aux_data: bool,
        orig_dev: bool,
        vnet_hdr: bool,
        loss: bool,
        timestamp: int,
        copy_thresh: int,
        mclist: Sequence[PacketMclist] = (),
        fanout: int | None = None,
        rx_ring: PacketRing | None = None,
        tx_ring: PacketRing | None = None,
        ns_id: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.type = type
        self.protocol = protocol
        self.flags = flags
        self.ifindex = ifindex
        self.fown = fown
        self.opts = opts
        self.version = version
        self.reserve = reserve
        self.aux_data = aux_data
        self.orig_dev = orig_dev
        self.vnet_hdr = vnet_hdr
        self.loss = loss
        self.timestamp = timestamp
        self.copy_thresh = copy_thresh
        self.mclist = mclist
        self.fanout = fanout
        self.rx_ring = rx_ring
        self.tx_ring = tx_ring
        self.ns_id = ns_id
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.type],
                    _uint32_3[self.protocol],
                    _uint32_4[self.flags],
                    _uint32_5[self.ifindex],
                    _length_6[len(b := self.fown.encode())] + b,
                    _length_7[len(b := self.opts.encode())] + b,
                    _uint32_8[self.version],
                    _uint32_9[self.reserve],
                    _bool_10[self.aux_data],
                    _bool_11[self.orig_dev],
                    _bool_12[self.vnet_hdr],
                    _bool_13[self.loss],
                    _uint32_14[self.timestamp],
                    _uint32_15[self.copy_thresh],
                    *[_length_16[len(b)] + b for b in [m.encode() for m in self.mclist]],
                    b"" if self.fanout is None else _uint32_17[self.fanout],
                    b"" if self.rx_ring is None else _length_18[len(b := self.rx_ring.encode())] + b,
                    b"" if self.tx_ring is None else _length_19[len(b := self.tx_ring.encode())] + b,
                    b"" if self.ns_id is None else _uint32_20[self.ns_id],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        type: Any = None
        protocol: Any = None
        flags: Any = None
        ifindex: Any = None
        fown: Any = None
        opts: Any = None
        version: Any = None
        reserve: Any = None
        aux_data: Any = None
        orig_dev: Any = None
        vnet_hdr: Any = None
        loss: Any = None
        timestamp: Any = None
        copy_thresh: Any = None
        mclist: Any = ()
        fanout: Any = None
        rx_ring: Any = None
        tx_ring: Any = None
        ns_id: Any = None
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
                    type, at = read_varint32(buf, at, type)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                protocol = buf[at + 1]
                at += 2
                if protocol > 127:
                    protocol, at = read_varint32(buf, at, protocol)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                ifindex = buf[at + 1]
                at += 2
                if ifindex > 127:
                    ifindex, at = read_varint32(buf, at, ifindex)
                tag = buf[at] if at < stop else 0
            if tag == 50:
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
            if tag == 58:
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
            if tag == 64:
                version = buf[at + 1]
                at += 2
                if version > 127:
                    version, at = read_varint32(buf, at, version)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                reserve = buf[at + 1]
                at += 2
                if reserve > 127:
                    reserve, at = read_varint32(buf, at, reserve)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                aux_data = buf[at + 1]
                at += 2
                if aux_data > 1:
                    aux_data, at = read_bool(buf, at, aux_data)
                else:
                    aux_data = aux_data == 1
                tag = buf[at] if at < stop else 0
            if tag == 88:
                orig_dev = buf[at + 1]
                at += 2
                if orig_dev > 1:
                    orig_dev, at = read_bool(buf, at, orig_dev)
                else:
                    orig_dev = orig_dev == 1
                tag = buf[at] if at < stop else 0
            if tag == 96:
                vnet_hdr = buf[at + 1]
                at += 2
                if vnet_hdr > 1:
                    vnet_hdr, at = read_bool(buf, at, vnet_hdr)
                else:
                    vnet_hdr = vnet_hdr == 1
                tag = buf[at] if at < stop else 0
            if tag == 104:
                loss = buf[at + 1]
                at += 2
                if loss > 1:
                    loss, at = read_bool(buf, at, loss)
                else:
                    loss = loss == 1
                tag = buf[at] if at < stop else 0
            if tag == 112:
                timestamp = buf[at + 1]
                at += 2
                if timestamp > 127:
                    timestamp, at = read_varint32(buf, at, timestamp)
                tag = buf[at] if at < stop else 0
            if tag == 120:
                copy_thresh = buf[at + 1]
                at += 2
                if copy_thresh > 127:
                    copy_thresh, at = read_varint32(buf, at, copy_thresh)
                tag = buf[at] if at < stop else 0
            if tag == 130 and buf[at + 1] == 1:
                mclist = []
                while tag == 130 and buf[at + 1] == 1:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    mclist.append(PacketMclist.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 136 and buf[at + 1] == 1:
                fanout = buf[at + 2]
                at += 3
                if fanout > 127:
                    fanout, at = read_varint32(buf, at, fanout)
                tag = buf[at] if at < stop else 0
            if tag == 146 and buf[at + 1] == 1:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                rx_ring = PacketRing.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 154 and buf[at + 1] == 1:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                tx_ring = PacketRing.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 160 and buf[at + 1] == 1:
                ns_id = buf[at + 2]
                at += 3
                if ns_id > 127:
                    ns_id, at = read_varint32(buf, at, ns_id)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.type = type
        new.protocol = protocol
        new.flags = flags
        new.ifindex = ifindex
        new.fown = fown
        new.opts = opts
        new.version = version
        new.reserve = reserve
        new.aux_data = aux_data
        new.orig_dev = orig_dev
        new.vnet_hdr = vnet_hdr
        new.loss = loss
        new.timestamp = timestamp
        new.copy_thresh = copy_thresh
        new.mclist = mclist
        new.fanout = fanout
        new.rx_ring = rx_ring
        new.tx_ring = tx_ring
        new.ns_id = ns_id
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            id is None
            or type is None
            or protocol is None
            or flags is None
            or ifindex is None
            or fown is None
            or opts is None
            or version is None
            or reserve is None
            or aux_data is None
            or orig_dev is None
            or vnet_hdr is None
            or loss is None
            or timestamp is None
            or copy_thresh is None
        ):
            require(new, begin)
        return new
