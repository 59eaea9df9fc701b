"""Packet sockets: packet(7).

getsockname(2) tells protocol and device, packet_diag (crtools.procfs.sock_diag) what no option
does: memberships, rings, the threshold of copies. A new socket receives nothing until it is bound:
that is done when it has its filter. CRIU's packet_sock_entry has most; its protocol is as socket(2)
takes it, in network byte order.

Packets that wait to be received are lost, as those are which the kernel drops when a buffer is
full, and the log says so; those in rings are carried (crtools.kinds.files.packet_ring). Refused are
groups (PACKET_FANOUT) that a program divides: nobody tells which.

Not carried are the counters of PACKET_STATISTICS, and which member of a group is next.
"""

from __future__ import annotations

import errno
import struct

from crtools import log
from crtools.abi import kernel
from crtools.abi.fcntl import F_SETFL, O_NONBLOCK
from crtools.abi.socket import AF_PACKET, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_RAW
from crtools.abi.x86_64 import SYS_bind, SYS_fcntl, SYS_getsockname, SYS_poll, SYS_socket
from crtools.errors import ImageError, MissingFeature, PermissionDenied
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.packet_sock import PacketMclist, PacketSockEntry
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner, choose_place
from crtools.kinds.files.pipe_buffer import POLLERR, SETTABLE
from crtools.kinds.files.socket_options import (
    Table,
    build_buffers,
    build_option,
    build_options,
    check_options,
    read_options,
)
from crtools.kinds.files.sockets import refuse_error, sockets_of
from crtools.procfs.sock_diag import parse_attributes, read_diag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.crtools_packet import CrtoolsPacketEntry
    from crtools.kinds.files.base import (
        DumpContext,
        OpenFile,
        PlanContext,
        PlannedFile,
        Programs,
    )
    from crtools.kinds.files.packet_ring import RingReader
    from crtools.kinds.files.socket_options import Values

SOL_PACKET = 263  # linux/socket.h
# linux/if_packet.h
PACKET_ADD_MEMBERSHIP = 1
PACKET_COPY_THRESH = 7
PACKET_AUXDATA = 8
PACKET_ORIGDEV = 9
PACKET_VERSION = 10
PACKET_RESERVE = 12
PACKET_LOSS = 14
PACKET_VNET_HDR = 15
PACKET_TIMESTAMP = 17
PACKET_FANOUT = 18
PACKET_TX_HAS_OFF = 19
PACKET_QDISC_BYPASS = 20
PACKET_IGNORE_OUTGOING = 23
PACKET_VNET_HDR_SZ = 24
PACKET_FANOUT_CBPF, PACKET_FANOUT_EBPF = 6, 7
_NO_FANOUT = 0xFFFFFFFF  # CRIU's default
# linux/packet_diag.h
_SHOW = 0x1 | 0x2 | 0x4 | 0x8 | 0x10  # info, memberships, rings, group, memory
_INFO, _MCLIST, _RX_RING, _TX_RING, _FANOUT, _MEMINFO = 0, 1, 2, 3, 4, 6
_DIAG_BYTES = 16  # struct packet_diag_msg, with the inode at 4
_INFO_FIELDS = struct.Struct("<6I")  # device, version, reserve, threshold, timestamp, flags
_MEMBER = struct.Struct("<IIHH32s")  # device, count, type, length of the address, address
_ADDRESS = struct.Struct("<HHi12x")  # struct sockaddr_ll: family, protocol, device, ...
_REQUEST = struct.Struct("<iHH8s")  # struct packet_mreq
_LONG_REQUEST = struct.Struct("<iHH32s")  # what the kernel takes for longer addresses
_U32 = struct.Struct("<I")

_AUXDATA = (SOL_PACKET, PACKET_AUXDATA)
_ORIGDEV = (SOL_PACKET, PACKET_ORIGDEV)
_VERSION = (SOL_PACKET, PACKET_VERSION)
_RESERVE = (SOL_PACKET, PACKET_RESERVE)
_LOSS = (SOL_PACKET, PACKET_LOSS)
_VNET_HDR = (SOL_PACKET, PACKET_VNET_HDR)
_TIMESTAMP = (SOL_PACKET, PACKET_TIMESTAMP)
# PACKET_VNET_HDR tells whether there is a header, PACKET_VNET_HDR_SZ (Linux 6.6) how long it is:
# set after the other, it decides.
_OPTIONS = Table(
    (SOL_PACKET, number, bytes(4))
    for number in (
        *(PACKET_VERSION, PACKET_RESERVE, PACKET_AUXDATA, PACKET_ORIGDEV, PACKET_VNET_HDR),
        *(PACKET_VNET_HDR_SZ, PACKET_LOSS, PACKET_TIMESTAMP, PACKET_TX_HAS_OFF),
        *(PACKET_QDISC_BYPASS, PACKET_IGNORE_OUTGOING),
    )
)
# Those that are set before there is a ring, or not at all, and the others.
_VNET_HDR_SZ = (SOL_PACKET, PACKET_VNET_HDR_SZ)
_BEFORE_RINGS = (
    *(_VERSION, _RESERVE, _VNET_HDR, _VNET_HDR_SZ, _LOSS),
    (SOL_PACKET, PACKET_TX_HAS_OFF),
)
_WITH_RINGS = Table(row for row in _OPTIONS.options if row[:2] not in _BEFORE_RINGS)


class Packet(FileKind):
    type = FdTypes.PACKETSK
    field = "psk"

    def matches(self, file: OpenFile) -> bool:
        return file.socket is not None and file.socket[0] == AF_PACKET

    def dumper(self, context: DumpContext) -> FileDumper:
        return PacketDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return PacketPlanner(context)


class PacketDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self._reader: RingReader | None = None
        self._rings: list[tuple[CrtoolsPacketEntry, bytes]] = []

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        assert file.socket is not None
        context = self.context
        fd = context.sockets.descriptor(file)
        told = self._ask(file)
        self._check(file, fd, told)
        _, _, _, threshold, _, _ = _INFO_FIELDS.unpack_from(told[_INFO])
        name, length = bytearray(_ADDRESS.size), bytearray(_U32.pack(_ADDRESS.size))
        kernel.checked(SYS_getsockname, fd, kernel.address_of(name), kernel.address_of(length))
        _, protocol, device = _ADDRESS.unpack(name)
        changed = _OPTIONS.read_changed(fd)

        def take(option: tuple[int, int]) -> int:
            return int.from_bytes(changed.pop(option, b""), "little")

        message = PacketSockEntry(
            id=id,
            type=file.socket[1],
            protocol=protocol,
            flags=file.flags,
            ifindex=device,
            fown=context.owner_of(file),
            opts=read_options(context, file, fd, id),
            version=take(_VERSION),
            reserve=take(_RESERVE),
            aux_data=take(_AUXDATA) != 0,
            orig_dev=take(_ORIGDEV) != 0,
            vnet_hdr=take(_VNET_HDR) != 0,
            loss=take(_LOSS) != 0,
            timestamp=take(_TIMESTAMP),
            copy_thresh=threshold,
            mclist=[
                PacketMclist(index=index, type=type, addr=address[:size])
                for index, count, type, size, address in _MEMBER.iter_unpack(told.get(_MCLIST, b""))
                for _ in range(count)
            ],
        )
        if _FANOUT in told:
            message.fanout = _U32.unpack_from(told[_FANOUT])[0]
        if _RX_RING in told or _TX_RING in told:
            from crtools.kinds.files.packet_ring import parse_ring

            message.rx_ring = parse_ring(told.get(_RX_RING))
            message.tx_ring = parse_ring(told.get(_TX_RING))
            self._read_rings(file, fd, message)
        context.sockets.add_options(id, changed)
        waiting = _U32.unpack_from(told.get(_MEMINFO, bytes(4)))[0]
        if waiting:
            context.sockets.entry(id).lost = waiting
            log.warning(
                "%s: packets that wait to be received are lost",
                context.describe(file),
                pid=file.pid,
            )
        return FileEntry(type=FdTypes.PACKETSK, id=id, psk=message)

    def _ask(self, file: OpenFile) -> dict[int, bytes]:
        told = self.context.sockets.facts("packet", read_packet_sockets).get(file.stat.st_ino)
        if told is None or _INFO not in told:
            raise MissingFeature(
                f"Cannot look at {self.context.describe(file)}",
                because="the kernel does not tell of packet sockets",
                hint="a kernel with CONFIG_PACKET_DIAG; modprobe af_packet_diag",
                subject=file.subject,
            )
        found: dict[int, bytes] = told
        return found

    def _read_rings(self, file: OpenFile, fd: int, message: PacketSockEntry) -> None:
        from crtools.kinds.files.packet_ring import RingReader

        what = "it is a packet socket with a ring (PACKET_RX_RING or PACKET_TX_RING)"
        try:
            if self._reader is None:
                self._reader = RingReader()
            self._rings.append(self._reader.read(fd, message))
        except (MissingFeature, PermissionDenied) as error:
            raise self.context.refuse(
                file,
                what,
                "where in it the kernel goes on only the kernel's memory tells;"
                f" {error.what}: {error.because}",
                error.hint,
            ) from error
        except ValueError as error:
            raise self.context.refuse(file, what, str(error), "dump again") from error
        self.context.shared.packet_sockets[file.stat.st_ino] = message.id

    def finish(self) -> None:
        if self._rings:
            self.context.store.write("crtools-packet", self._rings)

    def _check(self, file: OpenFile, fd: int, told: dict[int, bytes]) -> None:
        # Its device went down, or the time is known at which something was sent.
        poll = bytearray(struct.pack("<ihh", fd, 0, 0))
        kernel.checked(SYS_poll, kernel.address_of(poll), 1, 0)
        if struct.unpack("<ihh", poll)[2] & POLLERR:
            raise refuse_error(self.context, file)
        fanout = _U32.unpack_from(told.get(_FANOUT, bytes(4)))[0]
        if fanout >> 16 & 0xFF in (PACKET_FANOUT_CBPF, PACKET_FANOUT_EBPF):
            raise self.context.refuse(
                file,
                "it is a packet socket of a group that a BPF program divides (PACKET_FANOUT)",
                "the kernel does not tell which program that is",
                "let the program close it before the dump",
            )


def read_packet_sockets() -> dict[int, dict[int, bytes]]:
    """What packet_diag tells of each packet socket, by inode: attributes by their number."""
    request = struct.pack("<BBHIIII", AF_PACKET, 0, 0, 0, _SHOW, 0, 0)
    found = {}
    try:
        for message in read_diag(request):
            found[_U32.unpack_from(message, 4)[0]] = parse_attributes(message, _DIAG_BYTES)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
    return found


class PacketPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.files: list[PlannedFile] = []
        self._saved: dict[int, tuple[CrtoolsPacketEntry, bytes]] | None = None

    def add(self, file: PlannedFile) -> None:
        message: PacketSockEntry = file.message
        check_options(message.opts, sockets_of(self.context).options(file.id), _OPTIONS)
        if (
            message.type not in (SOCK_RAW, SOCK_DGRAM)
            or message.protocol > 0xFFFF
            or max(message.ifindex, *(entry.index for entry in message.mclist), 0) > 0x7FFFFFFF
            or any(len(entry.addr) > 32 or entry.type > 0xFFFF for entry in message.mclist)
        ):
            raise ImageError(f"Packet socket {file.id} in the images is an impossible one")
        if message.rx_ring is not None or message.tx_ring is not None:
            self._add_rings(file)
        self.files.append(file)

    def _add_rings(self, file: PlannedFile) -> None:
        from crtools.kinds.files.packet_ring_restore import RingSocket

        if self._saved is None:
            store = self.context.store
            found = store.read_with_extra("crtools-packet") if store.has("crtools-packet") else ()
            self._saved = {entry.id: (entry, content) for entry, content in found}
        others = sockets_of(self.context).options(file.id)
        wanted = wanted_of(file.message, others)
        options = [
            (option, wanted[option]) for option in _BEFORE_RINGS if any(wanted.get(option, b""))
        ]
        # Sets of CRIU's have no content.
        entry, content = self._saved.get(file.id, (None, b""))
        vnet = 10 if file.message.vnet_hdr else 0  # struct virtio_net_hdr
        if _VNET_HDR_SZ in wanted:
            vnet = _U32.unpack(wanted[_VNET_HDR_SZ])[0]
        rings = RingSocket(file.message, options, vnet, entry, content)
        self.context.packet_sockets[file.id] = rings

    def name(self, file: PlannedFile) -> str:
        return f"the packet socket of protocol {file.message.protocol:#06x}"

    def place(self) -> None:
        choose_place(self.context, self.files)
        for file in self.files:
            self.context.add_job(file.pid, Making(self.context, file))

    def check(self, root: int) -> None:
        for file in self.files:
            entry = sockets_of(self.context).entries.get(file.id)
            if entry is not None and entry.lost and self.context.shortfalls is not None:
                pid, fd, _ = file.users[0]
                self.context.shortfalls.report(
                    *(pid, f"task {pid}", f"what waits to be received at fd {fd}"),
                    wanted=f"{entry.lost} bytes of packets",
                    got="nothing",
                    because="nobody can put such packets back",
                )
            rings = self.context.packet_sockets.get(file.id)
            if rings is not None and self.context.shortfalls is not None:
                rings.check(self.context.shortfalls, file.users[0])

    def create(self, tool_pid: int, root: int) -> None:
        for file in self.files:
            rings = self.context.packet_sockets.get(file.id)
            if rings is not None:
                rings.create(self.context.describe(file))

    def close(self, *, restored: bool) -> None:
        for rings in self.context.packet_sockets.values():
            rings.close()


class Making:
    """Makes one packet socket, at its number."""

    __slots__ = ("context", "file")

    def __init__(self, context: PlanContext, file: PlannedFile) -> None:
        self.context = context
        self.file = file

    def __call__(self, programs: Programs) -> None:
        file = self.file
        number = file.number
        message: PacketSockEntry = file.message
        sockets = sockets_of(self.context)
        others = sockets.options(file.id)
        cloexec = file.users[0][2]
        flags = (message.flags & O_NONBLOCK and SOCK_NONBLOCK) | (cloexec and SOCK_CLOEXEC)
        program = programs.need(8192 + 8 * len(message.opts.so_filter))
        rings = self.context.packet_sockets.get(file.id)
        if rings is not None:
            self.context.take_inherited(programs, rings.fd, number, cloexec, self.what)
            program = programs.need(8192 + 8 * len(message.opts.so_filter))
            program.call(SYS_fcntl, number, F_SETFL, message.flags & SETTABLE, label=self.what)
        else:
            fd = program.call(
                *(SYS_socket, AF_PACKET, message.type | flags, 0),
                label=lambda: f"make {self.what()}",
            )
            self.context.move(program, fd, number, cloexec, self.what)
        fresh = sockets.fresh(AF_PACKET, message.type, 0)
        build_options(program, number, message.opts, others, fresh, self.what)
        table = _OPTIONS if rings is None else _WITH_RINGS
        table.build(program, number, wanted_of(message, others), fresh.values(table), self.what)
        if message.copy_thresh:
            threshold = _U32.pack(message.copy_thresh)
            build_option(program, number, (SOL_PACKET, PACKET_COPY_THRESH), threshold, self.what)
        build_buffers(program, number, message.opts, fresh, self.what)
        sockets.build_filter(program, file, message.opts, others, self.what)
        for member in message.mclist:
            program = programs.need(512)
            form = _REQUEST if len(member.addr) <= 8 else _LONG_REQUEST
            request = form.pack(member.index, member.type, len(member.addr), member.addr)
            option = (SOL_PACKET, PACKET_ADD_MEMBERSHIP)
            build_option(program, number, option, request, self.what)
        program = programs.need(2048)
        if message.protocol or message.ifindex:
            name = program.put(_ADDRESS.pack(AF_PACKET, message.protocol, message.ifindex))
            program.call(
                *(SYS_bind, number, name, _ADDRESS.size), label=lambda: f"bind {self.what()}"
            )
        if message.fanout is not None and message.fanout != _NO_FANOUT:
            fanout = _U32.pack(message.fanout)
            build_option(program, number, (SOL_PACKET, PACKET_FANOUT), fanout, self.what)
        rest = message.flags & SETTABLE
        if rest & ~O_NONBLOCK:
            program.call(
                *(SYS_fcntl, number, F_SETFL, rest),
                label=lambda: f"set the flags of {self.what()}",
            )

    def what(self) -> str:
        return self.context.describe(self.file)


def wanted_of(message: PacketSockEntry, others: Values) -> Values:
    wanted = {option: value for option, value in others.items() if option in _OPTIONS.places}
    for option, number in (
        (_VERSION, message.version),
        (_RESERVE, message.reserve),
        (_AUXDATA, int(message.aux_data)),
        (_ORIGDEV, int(message.orig_dev)),
        (_VNET_HDR, int(message.vnet_hdr)),
        (_LOSS, int(message.loss)),
        (_TIMESTAMP, message.timestamp),
    ):
        wanted[option] = _U32.pack(number)
    return wanted
