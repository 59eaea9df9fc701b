"""What a program has collected for one packet and not sent yet: UDP_CORK, MSG_MORE; udp(7).

The bytes lie in the socket's write queue, and where they are to go in its "cork" (struct inet_cork,
inet6_cork, flowi): in the kernel's memory alone, as docs/decisions/0010-queues-in-the-kernel.md has
it. They are collected again by one sendmsg(2) with MSG_MORE, with what the first one said: in one
packet nobody can tell how many calls it was made by.

An IPv4 packet of a raw socket goes where the last call says (net/ipv4/raw.c, raw_sendmsg), and by
the route of the first, of which only the route is left: unless the socket is connected, it is
refused. MSG_DONTROUTE and MSG_CONFIRM of the first call are not known afterwards, nor do they
matter any more but for the route, which is found again.
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.abi.inet import (
    IP_PKTINFO,
    IP_TOS,
    IP_TTL,
    IPV6_DONTFRAG,
    IPV6_HOPLIMIT,
    IPV6_PKTINFO,
    IPV6_TCLASS,
    UDP_SEGMENT,
)
from crtools.abi.socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_UDP,
    MSG_DONTWAIT,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_RAW,
    SOL_SOCKET,
)
from crtools.abi.x86_64 import SYS_bind, SYS_sendmsg, SYS_socket
from crtools.agent.program import EXACTLY, ref_at
from crtools.errors import ImageError, MissingFeature, PermissionDenied
from crtools.images.messages.crtools_corked import CrtoolsCorkedEntry
from crtools.kinds.files.inet import find_device, find_index, is_link_local, pack_address
from crtools.tracee.kernel_sockets import KernelSockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.agent.program import Program
    from crtools.kinds.files.base import DumpContext, OpenFile, PlannedFile, Programs

MSG_MORE = 0x8000  # linux/socket.h
SO_MARK = 36  # asm-generic/socket.h
_UDP_BYTES = 8
_LARGEST = 65535
_MAPPED = bytes(10) + b"\xff\xff"  # what an IPv4 address in an IPv6 one begins with
_FLOW_LABEL = 0xFFFFF
_CONTROL = struct.Struct("<Qii")  # struct cmsghdr
_I32, _U32 = struct.Struct("<i"), struct.Struct("<I")


# --- Reading it ---


class CorkReader:
    """Reads it for one dump."""

    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self._sockets: KernelSockets | None = None

    def read(self, file: OpenFile, fd: int) -> CrtoolsCorkedEntry | None:
        """What is collected in a socket; `fd` is a descriptor of ours. None: nothing is, so all is
        with a device already. Raises UnsupportedObject."""
        try:
            return self._read(file, fd)
        except (MissingFeature, PermissionDenied) as error:
            raise self.context.refuse(
                file,
                "it is a socket with data that has not been sent (UDP_CORK or MSG_MORE)",
                f"that is in the kernel's memory only, which cannot be read: {error.because}",
                "dump when the program has sent it, or run as root, with CAP_BPF, CAP_PERFMON"
                " and CAP_SYS_ADMIN",
            ) from error

    def _read(self, file: OpenFile, fd: int) -> CrtoolsCorkedEntry | None:
        assert file.socket is not None
        if self._sockets is None:
            self._sockets = KernelSockets()
        sockets, memory = self._sockets, self._sockets.memory
        sock = sockets.find(fd)
        packets = sockets.read_queue(sock, "sk_write_queue")
        if not packets:
            return None
        family, type, _ = file.socket
        # A socket of IPv6 may send to an address of IPv4.
        if type != SOCK_RAW:
            family = memory.unsigned(sock, "udp_sock", "pending")
        data = b"".join([sockets.read_data(packet, from_transport=True) for packet in packets])
        if len(data) != memory.unsigned(sock, "inet_sock", "cork.base.length"):
            raise MissingFeature(
                "Cannot look into the kernel",
                because="there is another number of bytes than the socket says",
            )
        if type != SOCK_RAW:
            data = data[_UDP_BYTES:]  # the header, which is filled in when it is sent
        entry = CrtoolsCorkedEntry(id=0, data=data, destination=b"", port=0)
        mark = memory.unsigned(sock, "inet_sock", "cork.base.mark")
        if mark != memory.unsigned(sock, "sock", "sk_mark"):
            entry.mark = mark
        if type != SOCK_RAW:
            segment = self._short(sock, "inet_sock", "cork.base.gso_size")
            if segment != self._short(sock, "udp_sock", "gso_size"):
                entry.segment = segment
        if memory.pointer(sock, "inet_sock", "cork.base.transmit_time"):
            raise self._odd(file, "at a time that it has said (SO_TXTIME)")
        if family == AF_INET6:
            self._add_ipv6(file, sock, entry)
        else:
            self._add_ipv4(file, sock, entry, is_raw=type == SOCK_RAW)
        return entry

    def _add_ipv4(
        self, file: OpenFile, sock: int, entry: CrtoolsCorkedEntry, *, is_raw: bool
    ) -> None:
        assert self._sockets is not None
        memory = self._sockets.memory
        if memory.pointer(sock, "inet_sock", "cork.base.opt"):
            raise self._odd(file, "with IP options")
        if is_raw:
            entry.destination = memory.block(memory.at(sock, "sock", "__sk_common.skc_daddr"), 4)
            if not any(entry.destination):
                raise self._odd(file, "to an address that nobody can tell (a raw socket's)")
        else:
            flow = "cork.fl.u.ip4"
            entry.destination = memory.block(memory.at(sock, "inet_sock", f"{flow}.daddr"), 4)
            entry.port = self._port(sock, flow)
            self._add_way(file, sock, entry, flow, 4)
        ttl = memory.unsigned(sock, "inet_sock", "cork.base.ttl") & 0xFF
        if ttl:
            entry.ttl = ttl
        tos = self._short(sock, "inet_sock", "cork.base.tos")
        if tos != 0xFFFF:  # -1: the socket's own
            entry.tos = tos

    def _add_ipv6(self, file: OpenFile, sock: int, entry: CrtoolsCorkedEntry) -> None:
        assert self._sockets is not None
        memory, flow = self._sockets.memory, "cork.fl.u.ip6"
        own = memory.pointer(sock, "inet_sock", "pinet6")
        if memory.pointer(own, "ipv6_pinfo", "cork.opt"):
            raise self._odd(file, "with IPv6 extension headers")
        label = memory.block(memory.at(sock, "inet_sock", f"{flow}.flowlabel"), 4)
        if int.from_bytes(label, "big") & _FLOW_LABEL:
            raise self._odd(file, "with a flow label")
        entry.destination = memory.block(memory.at(sock, "inet_sock", f"{flow}.daddr"), 16)
        entry.port = self._port(sock, flow)
        self._add_way(file, sock, entry, flow, 16)
        entry.ttl = memory.unsigned(own, "ipv6_pinfo", "cork.hop_limit") & 0xFF
        entry.tos = memory.unsigned(own, "ipv6_pinfo", "cork.tclass") & 0xFF
        byte, bit = memory.types.bit("inet6_cork", "dontfrag")
        cork = memory.at(own, "ipv6_pinfo", "cork")
        entry.dontfrag = bool(memory.block(cork + byte, 1)[0] >> bit & 1)

    def _add_way(
        self, file: OpenFile, sock: int, entry: CrtoolsCorkedEntry, flow: str, length: int
    ) -> None:
        """From which address of the host, and by which device."""
        assert self._sockets is not None
        memory = self._sockets.memory
        source = memory.block(memory.at(sock, "inet_sock", f"{flow}.saddr"), length)
        if any(source):
            entry.source = source
        device = memory.unsigned(sock, "inet_sock", f"{flow}.__fl_common.flowic_oif")
        if device:
            try:
                entry.device = find_device(device)
            except LookupError:
                raise self._odd(file, f"by network device {device}, which is gone") from None

    def _port(self, sock: int, flow: str) -> int:
        assert self._sockets is not None
        memory = self._sockets.memory
        port = memory.block(memory.at(sock, "inet_sock", f"{flow}.uli.ports.dport"), 2)
        return int.from_bytes(port, "big")

    def _short(self, address: int, structure: str, member: str) -> int:
        assert self._sockets is not None
        return self._sockets.memory.unsigned(address, structure, member) & 0xFFFF

    def _odd(self, file: OpenFile, how: str) -> Exception:
        return self.context.refuse(
            file,
            f"it is a socket with data that has not been sent (UDP_CORK or MSG_MORE), and is to go"
            f" {how}",
            "that cannot be said again for this packet",
            "dump when the program has sent it",
        )


# --- Collecting it again ---


def check_corked(file: PlannedFile, entry: CrtoolsCorkedEntry) -> None:
    """Raises ImageError."""
    lengths = (4, 16) if file.message.family == AF_INET6 else (4,)
    if (
        len(entry.destination) not in lengths
        or len(entry.source or entry.destination) != len(entry.destination)
        or len(entry.data) > _LARGEST
        or max(entry.port, entry.segment or 0) > 0xFFFF
        or max(entry.ttl or 0, entry.tos or 0) > 255
    ):
        raise ImageError(f"Socket {file.id} has collected an impossible packet")


def build_corked(
    programs: Programs, file: PlannedFile, entry: CrtoolsCorkedEntry, what: Callable[[], str]
) -> None:
    """Instructions that have a socket collect it: after its options, and when it is connected."""
    data = entry.data
    program = programs.need(2048 + len(data))
    index = find_index(entry.device, what) if entry.device is not None else 0
    destination = entry.destination
    if file.message.family == AF_INET6 and len(destination) == 4:
        destination = _MAPPED + destination
    scope = index if is_link_local(destination) else 0
    name = pack_address(destination, entry.port, scope)
    control = _control(entry, index, is_raw=file.message.type == SOCK_RAW)
    vector = program.put(struct.pack("<QQ", 0, len(data)))
    program.address(program.put(data), vector)
    header = program.put(struct.pack("<QIxxxxQQQQQ", 0, len(name), 0, 1, 0, len(control), 0))
    program.address(program.put(name), header)
    program.address(vector, ref_at(header, 16))
    if control:
        program.address(program.put(control), ref_at(header, 32))
    _call(program, file, header, len(data), what)


def _call(
    program: Program,
    file: PlannedFile,
    header: tuple[int, int],
    length: int,
    what: Callable[[], str],
) -> None:
    program.call(
        *(SYS_sendmsg, file.number, header, MSG_MORE | MSG_DONTWAIT),
        expect=EXACTLY,
        expected=length,
        label=lambda: f"have {what()} collect {length} bytes for a packet again",
    )


def _is_here(address: bytes) -> bool:
    """Whether an address is one of this host: one that it has no more cannot be sent from, and the
    kernel chooses another, as it does for all that is sent from now on."""
    family = AF_INET6 if len(address) == 16 else AF_INET
    fd = kernel.checked(SYS_socket, family, SOCK_DGRAM | SOCK_CLOEXEC, 0)
    try:
        name = pack_address(address, 0)
        if is_link_local(address):
            return True  # of some device: which one is said beside it
        return kernel.raw(SYS_bind, fd, kernel.address_of(name), len(name)) == 0
    finally:
        os.close(fd)


def _control(entry: CrtoolsCorkedEntry, index: int, *, is_raw: bool) -> bytes:
    parts: list[tuple[int, int, bytes]] = []
    source = entry.source if entry.source is not None and _is_here(entry.source) else None
    if len(entry.destination) == 4:
        if not is_raw:
            parts.append(
                (IPPROTO_IP, IP_PKTINFO, _I32.pack(index) + (source or bytes(4)) + bytes(4))
            )
        if entry.ttl:
            parts.append((IPPROTO_IP, IP_TTL, _I32.pack(entry.ttl)))
        if entry.tos is not None:
            parts.append((IPPROTO_IP, IP_TOS, _I32.pack(entry.tos)))
    else:
        if source is not None or index:
            info = (source or bytes(16)) + _I32.pack(index)
            parts.append((IPPROTO_IPV6, IPV6_PKTINFO, info))
        if entry.ttl is not None:
            parts.append((IPPROTO_IPV6, IPV6_HOPLIMIT, _I32.pack(entry.ttl)))
        if entry.tos is not None:
            parts.append((IPPROTO_IPV6, IPV6_TCLASS, _I32.pack(entry.tos)))
        if entry.dontfrag is not None:
            parts.append((IPPROTO_IPV6, IPV6_DONTFRAG, _I32.pack(entry.dontfrag)))
    if entry.segment is not None:
        parts.append((IPPROTO_UDP, UDP_SEGMENT, entry.segment.to_bytes(2, "little")))
    if entry.mark is not None:
        parts.append((SOL_SOCKET, SO_MARK, _U32.pack(entry.mark)))
    control = b""
    for level, kind, value in parts:
        control += _CONTROL.pack(_CONTROL.size + len(value), level, kind) + value
        control += bytes(-len(control) % 8)
    return control
