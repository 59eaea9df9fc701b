"""Generated from proto/fdinfo.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_int32,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self

    from crtools.images.messages.bpfmap_file import BpfmapFileEntry
    from crtools.images.messages.eventfd import EventfdFileEntry
    from crtools.images.messages.eventpoll import EventpollFileEntry
    from crtools.images.messages.ext_file import ExtFileEntry
    from crtools.images.messages.fifo import FifoEntry
    from crtools.images.messages.fsnotify import FanotifyFileEntry, InotifyFileEntry
    from crtools.images.messages.memfd import MemfdFileEntry
    from crtools.images.messages.ns import NsFileEntry
    from crtools.images.messages.packet_sock import PacketSockEntry
    from crtools.images.messages.pidfd import PidfdEntry
    from crtools.images.messages.pipe import PipeEntry
    from crtools.images.messages.regfile import RegFileEntry
    from crtools.images.messages.signalfd import SignalfdEntry
    from crtools.images.messages.sk_inet import InetSkEntry
    from crtools.images.messages.sk_netlink import NetlinkSkEntry
    from crtools.images.messages.sk_unix import UnixSkEntry
    from crtools.images.messages.timerfd import TimerfdEntry
    from crtools.images.messages.tty import TtyFileEntry
    from crtools.images.messages.tun import TunfileEntry

_enum_1 = field(1, "enum")
_enum_3 = field(3, "enum")
_length_3 = field(3, "length")
_length_4 = field(4, "length")
_length_5 = field(5, "length")
_length_6 = field(6, "length")
_length_7 = field(7, "length")
_length_8 = field(8, "length")
_length_9 = field(9, "length")
_length_10 = field(10, "length")
_length_11 = field(11, "length")
_length_12 = field(12, "length")
_length_13 = field(13, "length")
_length_14 = field(14, "length")
_length_15 = field(15, "length")
_length_16 = field(16, "length")
_length_17 = field(17, "length")
_length_18 = field(18, "length")
_length_19 = field(19, "length")
_length_20 = field(20, "length")
_length_21 = field(21, "length")
_length_22 = field(22, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_4 = field(4, "uint32")


class FdTypes:
    """Values of the enum fd_types."""

    UND = 0
    REG = 1
    PIPE = 2
    FIFO = 3
    INETSK = 4
    UNIXSK = 5
    EVENTFD = 6
    EVENTPOLL = 7
    INOTIFY = 8
    SIGNALFD = 9
    PACKETSK = 10
    TTY = 11
    FANOTIFY = 12
    NETLINKSK = 13
    NS = 14
    TUNF = 15
    EXT = 16
    TIMERFD = 17
    MEMFD = 18
    BPFMAP = 19
    PIDFD = 20
    CTL_TTY = 65534
    AUTOFS_PIPE = 65535

    NAMES: ClassVar[dict[int, str]] = {
        0: "UND",
        1: "REG",
        2: "PIPE",
        3: "FIFO",
        4: "INETSK",
        5: "UNIXSK",
        6: "EVENTFD",
        7: "EVENTPOLL",
        8: "INOTIFY",
        9: "SIGNALFD",
        10: "PACKETSK",
        11: "TTY",
        12: "FANOTIFY",
        13: "NETLINKSK",
        14: "NS",
        15: "TUNF",
        16: "EXT",
        17: "TIMERFD",
        18: "MEMFD",
        19: "BPFMAP",
        20: "PIDFD",
        65534: "CTL_TTY",
        65535: "AUTOFS_PIPE",
    }


class FdinfoEntry(Message):
    """One descriptor: number, flags (1 is FD_CLOEXEC) and the open file it refers to."""

    __slots__ = (
        "id",
        "flags",
        "type",
        "fd",
        "xattr_security_selinux",
    )

    NAME = "fdinfo_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "flags", "required", "uint32", None, None, None),
        (3, "type", "required", "enum", "fdinfo:FdTypes", None, None),
        (4, "fd", "required", "uint32", None, None, None),
        (5, "xattr_security_selinux", "optional", "string", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        flags: int,
        type: int,
        fd: int,
        xattr_security_selinux: str | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.flags = flags
        self.type = type
        self.fd = fd
        self.xattr_security_selinux = xattr_security_selinux
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.flags],
                    _enum_3[self.type],
                    _uint32_4[self.fd],
                    b""
                    if self.xattr_security_selinux is None
                    else _length_5[len(b := self.xattr_security_selinux.encode("utf-8", "surrogateescape"))] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        flags: Any = None
        type: Any = None
        fd: Any = None
        xattr_security_selinux: Any = None
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
                type = buf[at + 1]
                at += 2
                if type > 127:
                    type, at = read_int32(buf, at, type)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                fd = buf[at + 1]
                at += 2
                if fd > 127:
                    fd, at = read_varint32(buf, at, fd)
                tag = buf[at] if at < stop else 0
            if tag == 42:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                xattr_security_selinux = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.flags = flags
        new.type = type
        new.fd = fd
        new.xattr_security_selinux = xattr_security_selinux
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or flags is None or type is None or fd is None:
            require(new, begin)
        return new


class FileEntry(Message):
    """One open file; the message that fits `type` is set."""

    __slots__ = (
        "type",
        "id",
        "reg",
        "isk",
        "nsf",
        "psk",
        "nlsk",
        "efd",
        "epfd",
        "sgfd",
        "tunf",
        "tfd",
        "ify",
        "ffy",
        "ext",
        "usk",
        "fifo",
        "pipe",
        "tty",
        "memfd",
        "bpf",
        "pidfd",
    )

    NAME = "file_entry"
    FIELDS = (
        (1, "type", "required", "enum", "fdinfo:FdTypes", None, None),
        (2, "id", "required", "uint32", None, None, None),
        (3, "reg", "optional", "message", "regfile:RegFileEntry", None, None),
        (4, "isk", "optional", "message", "sk_inet:InetSkEntry", None, None),
        (5, "nsf", "optional", "message", "ns:NsFileEntry", None, None),
        (6, "psk", "optional", "message", "packet_sock:PacketSockEntry", None, None),
        (7, "nlsk", "optional", "message", "sk_netlink:NetlinkSkEntry", None, None),
        (8, "efd", "optional", "message", "eventfd:EventfdFileEntry", None, None),
        (9, "epfd", "optional", "message", "eventpoll:EventpollFileEntry", None, None),
        (10, "sgfd", "optional", "message", "signalfd:SignalfdEntry", None, None),
        (11, "tunf", "optional", "message", "tun:TunfileEntry", None, None),
        (12, "tfd", "optional", "message", "timerfd:TimerfdEntry", None, None),
        (13, "ify", "optional", "message", "fsnotify:InotifyFileEntry", None, None),
        (14, "ffy", "optional", "message", "fsnotify:FanotifyFileEntry", None, None),
        (15, "ext", "optional", "message", "ext_file:ExtFileEntry", None, None),
        (16, "usk", "optional", "message", "sk_unix:UnixSkEntry", None, None),
        (17, "fifo", "optional", "message", "fifo:FifoEntry", None, None),
        (18, "pipe", "optional", "message", "pipe:PipeEntry", None, None),
        (19, "tty", "optional", "message", "tty:TtyFileEntry", None, None),
        (20, "memfd", "optional", "message", "memfd:MemfdFileEntry", None, None),
        (21, "bpf", "optional", "message", "bpfmap_file:BpfmapFileEntry", None, None),
        (22, "pidfd", "optional", "message", "pidfd:PidfdEntry", None, None),
    )

    def __init__(
        self,
        *,
        type: int,
        id: int,
        reg: RegFileEntry | None = None,
        isk: InetSkEntry | None = None,
        nsf: NsFileEntry | None = None,
        psk: PacketSockEntry | None = None,
        nlsk: NetlinkSkEntry | None = None,
        efd: EventfdFileEntry | None = None,
        epfd: EventpollFileEntry | None = None,
        sgfd: SignalfdEntry | None = None,
        tunf: TunfileEntry | None = None,
        tfd: TimerfdEntry | None = None,
        ify: InotifyFileEntry | None = None,
        ffy: FanotifyFileEntry | None = None,
        ext: ExtFileEntry | None = None,
        usk: UnixSkEntry | None = None,
        fifo: FifoEntry | None = None,
        pipe: PipeEntry | None = None,
        tty: TtyFileEntry | None = None,
        memfd: MemfdFileEntry | None = None,
        bpf: BpfmapFileEntry | None = None,
        pidfd: PidfdEntry | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.type = type
        self.id = id
        self.reg = reg
        self.isk = isk
        self.nsf = nsf
        self.psk = psk
        self.nlsk = nlsk
        self.efd = efd
        self.epfd = epfd
        self.sgfd = sgfd
        self.tunf = tunf
        self.tfd = tfd
        self.ify = ify
        self.ffy = ffy
        self.ext = ext
        self.usk = usk
        self.fifo = fifo
        self.pipe = pipe
        self.tty = tty
        self.memfd = memfd
        self.bpf = bpf
        self.pidfd = pidfd
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _enum_1[self.type],
                    _uint32_2[self.id],
                    b"" if self.reg is None else _length_3[len(b := self.reg.encode())] + b,
                    b"" if self.isk is None else _length_4[len(b := self.isk.encode())] + b,
                    b"" if self.nsf is None else _length_5[len(b := self.nsf.encode())] + b,
                    b"" if self.psk is None else _length_6[len(b := self.psk.encode())] + b,
                    b"" if self.nlsk is None else _length_7[len(b := self.nlsk.encode())] + b,
                    b"" if self.efd is None else _length_8[len(b := self.efd.encode())] + b,
                    b"" if self.epfd is None else _length_9[len(b := self.epfd.encode())] + b,
                    b"" if self.sgfd is None else _length_10[len(b := self.sgfd.encode())] + b,
                    b"" if self.tunf is None else _length_11[len(b := self.tunf.encode())] + b,
                    b"" if self.tfd is None else _length_12[len(b := self.tfd.encode())] + b,
                    b"" if self.ify is None else _length_13[len(b := self.ify.encode())] + b,
                    b"" if self.ffy is None else _length_14[len(b := self.ffy.encode())] + b,
                    b"" if self.ext is None else _length_15[len(b := self.ext.encode())] + b,
                    b"" if self.usk is None else _length_16[len(b := self.usk.encode())] + b,
                    b"" if self.fifo is None else _length_17[len(b := self.fifo.encode())] + b,
                    b"" if self.pipe is None else _length_18[len(b := self.pipe.encode())] + b,
                    b"" if self.tty is None else _length_19[len(b := self.tty.encode())] + b,
                    b"" if self.memfd is None else _length_20[len(b := self.memfd.encode())] + b,
                    b"" if self.bpf is None else _length_21[len(b := self.bpf.encode())] + b,
                    b"" if self.pidfd is None else _length_22[len(b := self.pidfd.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        type: Any = None
        id: Any = None
        reg: Any = None
        isk: Any = None
        nsf: Any = None
        psk: Any = None
        nlsk: Any = None
        efd: Any = None
        epfd: Any = None
        sgfd: Any = None
        tunf: Any = None
        tfd: Any = None
        ify: Any = None
        ffy: Any = None
        ext: Any = None
        usk: Any = None
        fifo: Any = None
        pipe: Any = None
        tty: Any = None
        memfd: Any = None
        bpf: Any = None
        pidfd: Any = None
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
                id = buf[at + 1]
                at += 2
                if id > 127:
                    id, at = read_varint32(buf, at, id)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                from crtools.images.messages.regfile import RegFileEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                reg = RegFileEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 34:
                from crtools.images.messages.sk_inet import InetSkEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                isk = InetSkEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 42:
                from crtools.images.messages.ns import NsFileEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                nsf = NsFileEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 50:
                from crtools.images.messages.packet_sock import PacketSockEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                psk = PacketSockEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 58:
                from crtools.images.messages.sk_netlink import NetlinkSkEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                nlsk = NetlinkSkEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 66:
                from crtools.images.messages.eventfd import EventfdFileEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                efd = EventfdFileEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 74:
                from crtools.images.messages.eventpoll import EventpollFileEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                epfd = EventpollFileEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 82:
                from crtools.images.messages.signalfd import SignalfdEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                sgfd = SignalfdEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 90:
                from crtools.images.messages.tun import TunfileEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                tunf = TunfileEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 98:
                from crtools.images.messages.timerfd import TimerfdEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                tfd = TimerfdEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 106:
                from crtools.images.messages.fsnotify import InotifyFileEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ify = InotifyFileEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 114:
                from crtools.images.messages.fsnotify import FanotifyFileEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ffy = FanotifyFileEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 122:
                from crtools.images.messages.ext_file import ExtFileEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ext = ExtFileEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 130 and buf[at + 1] == 1:
                from crtools.images.messages.sk_unix import UnixSkEntry

                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                usk = UnixSkEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 138 and buf[at + 1] == 1:
                from crtools.images.messages.fifo import FifoEntry

                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                fifo = FifoEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 146 and buf[at + 1] == 1:
                from crtools.images.messages.pipe import PipeEntry

                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                pipe = PipeEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 154 and buf[at + 1] == 1:
                from crtools.images.messages.tty import TtyFileEntry

                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                tty = TtyFileEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 162 and buf[at + 1] == 1:
                from crtools.images.messages.memfd import MemfdFileEntry

                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                memfd = MemfdFileEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 170 and buf[at + 1] == 1:
                from crtools.images.messages.bpfmap_file import BpfmapFileEntry

                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                bpf = BpfmapFileEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 178 and buf[at + 1] == 1:
                from crtools.images.messages.pidfd import PidfdEntry

                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                pidfd = PidfdEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.type = type
        new.id = id
        new.reg = reg
        new.isk = isk
        new.nsf = nsf
        new.psk = psk
        new.nlsk = nlsk
        new.efd = efd
        new.epfd = epfd
        new.sgfd = sgfd
        new.tunf = tunf
        new.tfd = tfd
        new.ify = ify
        new.ffy = ffy
        new.ext = ext
        new.usk = usk
        new.fifo = fifo
        new.pipe = pipe
        new.tty = tty
        new.memfd = memfd
        new.bpf = bpf
        new.pidfd = pidfd
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if type is None or id is None:
            require(new, begin)
        return new
