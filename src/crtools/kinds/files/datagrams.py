"""Datagrams that wait in a UDP or UDP-Lite socket: reading them there, and putting them back.

They are read with MSG_PEEK, one after the other by SO_PEEK_OFF (socket(7)), which is a setting of
the socket itself: it is set, all is read, and it is as it was, in three system calls with nothing
in between. Who is killed between them leaves a socket whose program sees the wrong datagram if it
peeks (and only then): decision 15.

No call gives a socket a datagram from somebody else. But a raw socket may send one with any
addresses in its header (IP_HDRINCL, raw(7)), and what is sent to an address of this host comes back
over the loopback device as it is: the route was found by the address that the call names, not by
the header, and the way in uses it (net/ipv4/ip_input.c: a packet that has its route keeps it). So
the new socket gets a port that nobody else has, by the kernel's own choice (MSG_PROBE asks for a
route and sends nothing), is sent the datagrams there, each with its source and, where the program
wants to know that, destination; is disconnected, which gives the port back, and only then is bound
to where it was. Nobody else can get one of them meanwhile. (Those of UDP-Lite need a checksum, and
with it the port: crtools.kinds.files.lite_queue.)

Not as they were: the time of arrival (SO_TIMESTAMP), which is that of the restore.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools import log
from crtools.abi import kernel
from crtools.abi.inet import (
    IP_PKTINFO,
    IPV6_HDRINCL,
    IPV6_HOPLIMIT,
    IPV6_PKTINFO,
    IPV6_RECVPKTINFO,
    IPV6_TCLASS,
    UDP_GRO,
    UDP_NO_CHECK6_RX,
)
from crtools.abi.socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_RAW,
    IPPROTO_UDP,
    MSG_DONTWAIT,
    MSG_PEEK,
    MSG_TRUNC,
    SO_PEEK_OFF,
    SO_RCVBUFFORCE,
    SO_RCVTIMEO,
    SO_RXQ_OVFL,
    SO_TIMESTAMP_NEW,
    SO_TIMESTAMP_OLD,
    SO_TIMESTAMPING_NEW,
    SO_TIMESTAMPING_OLD,
    SO_TIMESTAMPNS_NEW,
    SO_TIMESTAMPNS_OLD,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_RAW,
    SOL_SOCKET,
)
from crtools.abi.x86_64 import (
    SYS_close,
    SYS_connect,
    SYS_getsockname,
    SYS_getsockopt,
    SYS_recvfrom,
    SYS_recvmmsg,
    SYS_sendto,
    SYS_setsockopt,
    SYS_socket,
)
from crtools.agent.program import ref_at
from crtools.errors import ImageError
from crtools.images.messages.crtools_socket import CrtoolsDatagramEntry
from crtools.kinds.files.inet import (
    Address,
    find_device,
    find_index,
    is_link_local,
    pack_address,
    show,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from crtools.agent.program import Program
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext, PlannedFile, Programs

MSG_PROBE = 0x10  # linux/socket.h
LARGEST = 65535 - 8  # a UDP header's length is of 16 bits
_AT_ONCE = 1024  # linux/uio.h: UIO_MAXIOV
# The kernel counts at least this for a datagram, however small (SKB_TRUESIZE, linux/skbuff.h).
_LEAST_COUNTED = 512
_CONTROL_BYTES = 512
NAME_BYTES = 28
_MESSAGE = struct.Struct("<QI4xQQQQi4xI4x")  # struct mmsghdr
_ROW = struct.Struct("<7q")
_I32 = struct.Struct("<i")
_CONTROL = struct.Struct("<Qii")  # struct cmsghdr: length, level, type
_MAPPED = bytes(10) + b"\xff\xff"  # what an IPv4 address in an IPv6 one begins with
_UDP_BYTES, _IP_BYTES, _IPV6_BYTES = 8, 20, 40
DISCARD = 9  # a port to ask for the route to
_LARGEST_TTL = 255
WAIT_SECONDS = 1
_NOT_CARRIED = (
    *(SO_TIMESTAMP_OLD, SO_TIMESTAMPNS_OLD, SO_TIMESTAMPING_OLD, SO_TIMESTAMP_NEW),
    *(SO_TIMESTAMPNS_NEW, SO_TIMESTAMPING_NEW, SO_RXQ_OVFL),
)
_IP_TTL, _IP_TOS = 2, 1

Datagram = tuple[CrtoolsDatagramEntry, bytes]


# --- Reading them ---


def read_datagrams(
    context: DumpContext, file: OpenFile, id: int, fd: int, counted: int
) -> list[Datagram]:
    """All datagrams that wait in a socket; `counted` are the bytes that the kernel counts for
    them. Raises UnsupportedObject."""
    found: list[Datagram] = []
    for name, data, control in _peek(context, file, fd, counted):
        source = Address(name)
        entry = CrtoolsDatagramEntry(
            id_for=id, length=len(data), source=_bare(source.bytes), port=source.port
        )
        size = _add_control(context, file, entry, control)
        if is_link_local(source.bytes) and source.scope:
            try:
                entry.device = find_device(source.scope)
            except LookupError:
                log.debug("device %d, which a datagram came from, is gone", source.scope)
        found += _split(entry, data, size) if 0 < size < len(data) else [(entry, data)]
    return found


def _split(entry: CrtoolsDatagramEntry, data: bytes, size: int) -> Iterator[Datagram]:
    """What the kernel has put together (UDP_GRO) from datagrams of a size: they come back one by
    one."""
    for at in range(0, len(data), size):
        piece = CrtoolsDatagramEntry.decode(entry.encode())
        piece.length = len(data[at : at + size])
        yield piece, data[at : at + size]


def _peek(
    context: DumpContext, file: OpenFile, fd: int, counted: int
) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Sender, bytes and control messages of each datagram."""
    most = counted // _LEAST_COUNTED + 1
    room = min(counted, LARGEST) + 1
    names = bytearray(most * NAME_BYTES)
    controls = bytearray(most * _CONTROL_BYTES)
    datas = bytearray(most * room)  # zeroed pages, of which only those are made that are written to
    names_at, controls_at = kernel.address_of(names), kernel.address_of(controls)
    datas_at = kernel.address_of(datas)
    vectors = bytearray().join(
        [struct.pack("<2Q", datas_at + index * room, room) for index in range(most)]
    )
    vectors_at = kernel.address_of(vectors)
    headers = bytearray().join(
        [
            _MESSAGE.pack(
                *(names_at + index * NAME_BYTES, NAME_BYTES, vectors_at + index * 16, 1),
                *(controls_at + index * _CONTROL_BYTES, _CONTROL_BYTES, 0, 0),
            )
            for index in range(most)
        ]
    )
    headers_at = kernel.address_of(headers)
    before = bytearray(4)
    length = bytearray(_I32.pack(4))
    kernel.checked(
        *(SYS_getsockopt, fd, SOL_SOCKET, SO_PEEK_OFF, kernel.address_of(before)),
        kernel.address_of(length),
    )
    first = bytearray(4)
    rows = bytearray(
        _ROW.pack(SYS_setsockopt, SOL_SOCKET, SO_PEEK_OFF, kernel.address_of(first), 4, 0, 0)
    )
    flags = MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT
    for at in range(0, most, _AT_ONCE):
        count = min(_AT_ONCE, most - at)
        rows += _ROW.pack(SYS_recvmmsg, headers_at + at * _MESSAGE.size, count, flags, 0, 0, 0)
    rows += _ROW.pack(SYS_setsockopt, SOL_SOCKET, SO_PEEK_OFF, kernel.address_of(before), 4, 0, 0)
    calls = len(rows) // _ROW.size
    kernel.calls(fd, kernel.address_of(rows), calls)
    seen = 0
    for index in range(1, calls - 1):
        result = _ROW.unpack_from(rows, index * _ROW.size)[6]
        if result == -errno.EAGAIN:
            break
        if result < 0:
            raise context.refuse(
                file,
                f"the datagrams that wait in it cannot be read: {os.strerror(-result)}",
                "an error came in for its program at the same moment",
                "dump again",
            )
        seen += result
        if result < _AT_ONCE:
            break
    for index in range(seen):
        header = _MESSAGE.unpack_from(headers, index * _MESSAGE.size)
        at = index * NAME_BYTES
        start, control = index * room, index * _CONTROL_BYTES
        yield (
            bytes(names[at : at + header[1]]),
            bytes(datas[start : start + header[7]]),
            bytes(controls[control : control + header[5]]),
        )


def _add_control(
    context: DumpContext, file: OpenFile, entry: CrtoolsDatagramEntry, control: bytes
) -> int:
    """Puts what came with a datagram into its entry. The size of the datagrams that it was put
    together from, 0 if it is one."""
    pieces = at = 0
    while at + _CONTROL.size <= len(control):
        length, level, kind = _CONTROL.unpack_from(control, at)
        if length < _CONTROL.size:
            break
        data = control[at + _CONTROL.size : at + length]
        at += -(-length // 8) * 8
        if (level, kind) == (IPPROTO_IP, IP_PKTINFO):
            entry.local, entry.destination = data[4:8], data[8:12]
        elif (level, kind) == (IPPROTO_IPV6, IPV6_PKTINFO):
            entry.destination = _bare(data[:16])
        elif (level, kind) in ((IPPROTO_IP, _IP_TTL), (IPPROTO_IPV6, IPV6_HOPLIMIT)):
            entry.ttl = _I32.unpack(data)[0]
        elif (level, kind) == (IPPROTO_IP, _IP_TOS):
            entry.tos = data[0]
        elif (level, kind) == (IPPROTO_IPV6, IPV6_TCLASS):
            entry.tos = _I32.unpack(data)[0]
        elif (level, kind) == (IPPROTO_UDP, UDP_GRO):
            pieces = _I32.unpack(data)[0]
        elif level != SOL_SOCKET or kind not in _NOT_CARRIED:
            raise context.refuse(
                file,
                "datagrams wait in it that come with more than their addresses",
                f"control message {kind} of level {level} cannot be put back",
                "dump when the program has received them",
            )
    return pieces


def _bare(address: bytes) -> bytes:
    """The address that packets have: an IPv4 one of the IPv6 one that stands for it."""
    return address[12:] if address.startswith(_MAPPED) else address


# --- Putting them back ---


def read_saved(store: Any, files: Sequence[PlannedFile]) -> dict[int, list[Datagram]]:
    """The datagrams of the images by socket. Raises ImageError."""
    families = {file.id: file.message.family for file in files}
    found: dict[int, list[Datagram]] = {}
    for entry, data in store.read_with_extra("crtools-datagrams"):
        lengths = (4, 16) if families.get(entry.id_for) == AF_INET6 else (4,)
        addresses = [a for a in (entry.source, entry.destination, entry.local) if a is not None]
        if (
            entry.id_for not in families
            or len({len(address) for address in addresses}) != 1
            or any(len(address) not in lengths for address in addresses)
            or len(data) > LARGEST - (_IP_BYTES if len(entry.source) == 4 else 0)
            or max(entry.port, 0) > 0xFFFF
            or max(entry.ttl or 0, entry.tos or 0) > 255
        ):
            raise ImageError(
                f"The crtools-datagrams image has an impossible datagram for socket {entry.id_for}"
            )
        found.setdefault(entry.id_for, []).append((entry, data))
    return found


def build_datagrams(
    context: PlanContext,
    programs: Programs,
    file: PlannedFile,
    spare: int,
    datagrams: Sequence[Datagram],
    what: Callable[[], str],
) -> None:
    """Instructions that put datagrams into the fresh UDP socket at `file.number`, which is bound
    to nothing before and after. `spare` is a number for a descriptor meanwhile."""
    number, family = file.number, file.message.family
    program = programs.need(2048)
    counted = 2 * sum([len(data) + 4096 for _, data in datagrams])
    wide = program.put(_I32.pack(min(counted, 0x3FFFFFFF)))
    on = program.put(_I32.pack(1))
    time = program.put(struct.pack("<2q", WAIT_SECONDS, 0))
    pktinfo = (IPPROTO_IPV6, IPV6_RECVPKTINFO) if family == AF_INET6 else (IPPROTO_IP, IP_PKTINFO)
    settings = [
        (SOL_SOCKET, SO_RCVBUFFORCE, wide, 4),
        (SOL_SOCKET, SO_RCVTIMEO, time, 16),
    ]
    if any(entry.destination is not None for entry, _ in datagrams):
        # What is not noted when they come in cannot be told later.
        settings.append((*pktinfo, on, 4))
    if family == AF_INET6:
        # The port is not known before; a checksum would have to know it.
        settings.append((IPPROTO_UDP, UDP_NO_CHECK6_RX, on, 4))

    def label() -> str:
        return f"make ready to fill {what()}"

    for setting in settings:
        program.call(SYS_setsockopt, number, *setting, label=label)
    loopback = loopback_of(family)
    probe = pack_address(loopback, DISCARD)
    program.call(
        *(SYS_sendto, number, program.put(b""), 0, MSG_PROBE, program.put(probe), len(probe)),
        label=label,
    )
    sender = 0
    for entry, data in datagrams:
        if sender != len(entry.source):
            if sender:
                programs.need(128).call(SYS_close, spare)
            sender = len(entry.source)
            _open_sender(context, programs.need(512), sender, spare, what)
        _build_datagram(programs, file, spare, entry, data, what)
    program = programs.need(1024)
    _build_wait(context, program, file, datagrams, what)
    program.call(SYS_close, spare)
    nobody = program.put(bytes(16))  # AF_UNSPEC
    program.call(SYS_connect, number, nobody, 16, label=lambda: f"unbind {what()}")
    program.call(
        *(SYS_setsockopt, number, SOL_SOCKET, SO_RCVTIMEO, program.put(bytes(16)), 16),
        label=label,
    )
    for level, name, value in (
        (SOL_SOCKET, SO_PEEK_OFF, -1),
        (*pktinfo, 0),
        *(((IPPROTO_UDP, UDP_NO_CHECK6_RX, 0),) if family == AF_INET6 else ()),
    ):
        program.call(
            *(SYS_setsockopt, number, level, name, program.put(_I32.pack(value)), 4), label=label
        )


def loopback_of(family: int) -> bytes:
    return bytes(15) + b"\x01" if family == AF_INET6 else b"\x7f\0\0\x01"


def _open_sender(
    context: PlanContext, program: Program, length: int, spare: int, what: Callable[[], str]
) -> None:
    family = AF_INET if length == 4 else AF_INET6

    def label() -> str:
        return f"make a raw socket to fill {what()} by"

    fd = program.call(SYS_socket, family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW, label=label)
    context.move(program, fd, spare, True, what)
    if family == AF_INET6:
        on = program.put(_I32.pack(1))
        program.call(SYS_setsockopt, spare, IPPROTO_IPV6, IPV6_HDRINCL, on, 4, label=label)


def _build_datagram(
    programs: Programs,
    file: PlannedFile,
    spare: int,
    entry: CrtoolsDatagramEntry,
    data: bytes,
    what: Callable[[], str],
) -> None:
    route, scope = find_route(entry, what)
    destination = entry.destination or route
    header = build_header(entry, destination, IPPROTO_UDP, _UDP_BYTES + len(data))
    packet = header + struct.pack(">4H", entry.port, 0, _UDP_BYTES + len(data), 0) + data
    # A sender's port means nothing to a raw socket, and IPv6 wants none.
    target = pack_address(route, 0, scope)
    program = programs.need(1024 + len(packet))
    where = program.put(packet)
    name, length = program.reserve(NAME_BYTES), program.put(_I32.pack(NAME_BYTES))
    program.call(SYS_getsockname, file.number, name, length, label=what)
    program.copy(ref_at(where, len(header) + 2), ref_at(name, 2), 2)

    def label() -> str:
        return f"put back a datagram from {show(entry.source, entry.port)} into {what()}"

    program.call(
        *(SYS_sendto, spare, where, len(packet), 0, program.put(target), len(target)), label=label
    )


def _build_wait(
    context: PlanContext,
    program: Program,
    file: PlannedFile,
    datagrams: Sequence[Datagram],
    what: Callable[[], str],
) -> None:
    """Instructions that wait until the last byte of all can be peeked at: they have come through
    the loopback device then, which may take a moment, or something stops them there.

    Peeking at the last byte leaves no mark. Who peeks at an empty datagram with an offset has it
    passed over by whoever does so later (net/core/datagram.c, __skb_try_recv_from_queue): the next
    dump.
    """
    total = sum([len(data) for _, data in datagrams])
    if total < 2:
        return  # an empty one could be what is peeked at

    def label() -> str:
        return f"wait until {what()} is filled"

    offset = program.put(_I32.pack(total - 1))
    program.call(SYS_setsockopt, file.number, SOL_SOCKET, SO_PEEK_OFF, offset, 4, label=label)
    program.attempt(
        *(SYS_recvfrom, file.number, program.reserve(1), 1, MSG_PEEK, 0, 0),
        refusals=(errno.EAGAIN,),
        otherwise=lambda _: report_missing(context, file, len(datagrams)),
        label=label,
    )


def report_missing(context: PlanContext, file: PlannedFile, count: int) -> None:
    pid, fd, _ = file.users[0]
    context.shortfalls.report(
        *(pid, f"task {pid}", f"what waits to be received at fd {fd}"),
        wanted=f"{count} datagrams",
        got="fewer",
        because="some did not come through the loopback device: a firewall may stop them",
    )


def build_header(
    entry: CrtoolsDatagramEntry, destination: bytes, protocol: int, length: int
) -> bytes:
    """The header of a packet that a datagram comes in, with `length` bytes after it."""
    ttl = _LARGEST_TTL if entry.ttl is None else entry.ttl
    tos = entry.tos or 0
    if len(destination) == 4:
        # The kernel fills in the checksum (net/ipv4/raw.c, raw_send_hdrinc).
        total = _IP_BYTES + length
        start = struct.pack(">BBHHHBBH", 0x45, tos, total, 0, 0, ttl, protocol, 0)
    else:
        start = struct.pack(">IHBB", 6 << 28 | tos << 20, length, protocol, ttl)
    return start + entry.source + destination


def find_route(entry: CrtoolsDatagramEntry, what: Callable[[], str]) -> tuple[bytes, int]:
    """The address of ours to send a datagram to, and its device where it has to be named: by
    which device one has come in is told by whose address that is."""
    is_ipv4 = len(entry.source) == 4
    if entry.device is not None:
        index = find_index(entry.device, what)
        for address, device in _own_ipv6_addresses():
            if device == index:
                return address, index if is_link_local(address) else 0
    wanted = entry.local or entry.destination
    if wanted is not None and is_own(wanted):
        return wanted, 0
    return loopback_of(AF_INET if is_ipv4 else AF_INET6), 0


def _own_ipv6_addresses() -> list[tuple[bytes, int]]:
    """/proc/net/if_inet6: `00000000000000000000000000000001 01 80 10 80       lo`."""
    try:
        with open("/proc/self/net/if_inet6", "rb") as file:
            lines = [line.split() for line in file]
    except OSError:
        return []
    return [(bytes.fromhex(words[0].decode("ascii")), int(words[1], 16)) for words in lines]


def is_own(address: bytes) -> bool:
    """Whether an address is one of this host, no group's and no broadcast one: what is sent to any
    other would leave it. Who connects to one of ours does so from it."""
    family = AF_INET if len(address) == 4 else AF_INET6
    fd = kernel.raw(SYS_socket, family, SOCK_DGRAM | SOCK_CLOEXEC, 0)
    if fd < 0:
        return False
    try:
        name = bytearray(pack_address(address, DISCARD))
        if kernel.raw(SYS_connect, fd, kernel.address_of(name), len(name)) < 0:
            return False
        own, length = bytearray(NAME_BYTES), bytearray(_I32.pack(NAME_BYTES))
        kernel.checked(SYS_getsockname, fd, kernel.address_of(own), kernel.address_of(length))
        return Address(own).bytes == address
    finally:
        os.close(fd)
