"""Putting back the datagrams that wait in a UDP-Lite socket: udplite(7), RFC 3828.

It is done as crtools.kinds.files.datagrams does it for UDP, by packets over the loopback device to
a port that nobody else has, but for one thing: UDP-Lite has no datagram without a checksum. That
is made with the port, which the kernel chooses, and programs of the agent do not calculate. So the
tool makes the socket, fills it, and the task takes it over.

Every datagram goes with a checksum of the whole of it. How much of one its sender had covered is
told to no receiver; what decides whether one is covered well enough (UDPLITE_RECV_CSCOV) has been
asked when it came in (net/ipv4/udp.c, udp_queue_rcv_one_skb).
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.abi.fcntl import F_SETFL, O_NONBLOCK
from crtools.abi.inet import IP_PKTINFO, IPV6_HDRINCL, IPV6_RECVPKTINFO
from crtools.abi.socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_RAW,
    IPPROTO_UDPLITE,
    MSG_PEEK,
    SO_PEEK_OFF,
    SO_RCVBUFFORCE,
    SO_RCVTIMEO,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_RAW,
    SOL_SOCKET,
)
from crtools.abi.x86_64 import (
    SYS_connect,
    SYS_fcntl,
    SYS_getsockname,
    SYS_recvfrom,
    SYS_sendto,
    SYS_setsockopt,
    SYS_socket,
)
from crtools.errors import RestoreConflict
from crtools.kinds.files.datagrams import (
    DISCARD,
    MSG_PROBE,
    NAME_BYTES,
    WAIT_SECONDS,
    build_header,
    find_route,
    loopback_of,
    report_missing,
)
from crtools.kinds.files.inet import Address, pack_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.images.messages.crtools_socket import CrtoolsDatagramEntry
    from crtools.kinds.files.base import PlanContext, PlannedFile
    from crtools.kinds.files.datagrams import Datagram

_HEADER = struct.Struct(">4H")  # ports, coverage (0: all), checksum
_I32 = struct.Struct("<i")
_ON = _I32.pack(1)


def make_filled(context: PlanContext, file: PlannedFile, datagrams: Sequence[Datagram]) -> int:
    """A new UDP-Lite socket, bound to nothing, in which datagrams wait. Raises RestoreConflict."""
    family = file.message.family
    senders: dict[int, int] = {}  # by the length of an address
    fd = -1

    def what() -> str:
        return context.describe(file)

    try:
        fd = kernel.checked(SYS_socket, family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDPLITE)
        settings = _settings(family, datagrams)
        for level, name, value, _ in settings:
            _set(fd, level, name, value)
        probe = pack_address(loopback_of(family), DISCARD)
        kernel.checked(SYS_sendto, fd, 0, 0, MSG_PROBE, kernel.address_of(probe), len(probe))
        port = _port_of(fd)
        for entry, data in datagrams:
            length = len(entry.source)
            if length not in senders:
                senders[length] = _open_sender(length)
            route, scope = find_route(entry, what)
            packet = build_packet(entry, entry.destination or route, port, data)
            target = pack_address(route, 0, scope)
            kernel.checked(
                *(SYS_sendto, senders[length], kernel.address_of(packet), len(packet), 0),
                *(kernel.address_of(target), len(target)),
            )
        if not _wait(fd, sum([len(data) for _, data in datagrams])):
            report_missing(context, file, len(datagrams))
        nobody = bytes(16)  # AF_UNSPEC: gives the port back
        kernel.checked(SYS_connect, fd, kernel.address_of(nobody), len(nobody))
        for level, name, _, value in settings:
            if value:
                _set(fd, level, name, value)
        kernel.checked(SYS_fcntl, fd, F_SETFL, file.message.flags & O_NONBLOCK)
        filled, fd = fd, -1
        return filled
    except OSError as error:
        raise RestoreConflict(
            f"Cannot put back the datagrams that waited in {what()}",
            because=f"they cannot be sent to it over the loopback device: {error.strerror}",
            hint="dump it when the program has received them",
        ) from error
    finally:
        for opened in (fd, *senders.values()):
            if opened >= 0:
                os.close(opened)


def _settings(family: int, datagrams: Sequence[Datagram]) -> list[tuple[int, int, bytes, bytes]]:
    """Level, option, what it is while the socket is filled, and what before, where that matters:
    buffers' sizes are set by who takes the socket over."""
    counted = 2 * sum([len(data) + 4096 for _, data in datagrams])
    wide = _I32.pack(min(counted, 0x3FFFFFFF))
    settings = [
        (SOL_SOCKET, SO_RCVBUFFORCE, wide, b""),
        (SOL_SOCKET, SO_RCVTIMEO, struct.pack("<2q", WAIT_SECONDS, 0), bytes(16)),
        (SOL_SOCKET, SO_PEEK_OFF, _I32.pack(0), _I32.pack(-1)),
    ]
    if any(entry.destination is not None for entry, _ in datagrams):
        # What is not noted when they come in cannot be told later.
        ipv6 = family == AF_INET6
        option = (IPPROTO_IPV6, IPV6_RECVPKTINFO) if ipv6 else (IPPROTO_IP, IP_PKTINFO)
        settings.append((*option, _ON, bytes(4)))
    return settings


def _set(fd: int, level: int, name: int, value: bytes) -> None:
    kernel.checked(SYS_setsockopt, fd, level, name, kernel.address_of(value), len(value))


def _port_of(fd: int) -> int:
    name, length = bytearray(NAME_BYTES), bytearray(_I32.pack(NAME_BYTES))
    kernel.checked(SYS_getsockname, fd, kernel.address_of(name), kernel.address_of(length))
    return Address(name).port


def _open_sender(length: int) -> int:
    family = AF_INET if length == 4 else AF_INET6
    fd = kernel.checked(SYS_socket, family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)
    if family == AF_INET6:
        _set(fd, IPPROTO_IPV6, IPV6_HDRINCL, _ON)
    return fd


def build_packet(entry: CrtoolsDatagramEntry, destination: bytes, port: int, data: bytes) -> bytes:
    """The packet that a datagram to a port of ours comes in."""
    length = _HEADER.size + len(data)
    pseudo = entry.source + destination + struct.pack(">2I", length, IPPROTO_UDPLITE)
    covered = pseudo + _HEADER.pack(entry.port, port, 0, 0) + data
    # The sum of words of 16 bits, carries added at the other end, is the remainder by 65535.
    words = int.from_bytes(covered + bytes(len(covered) % 2), "big")
    checksum = 0xFFFF - words % 0xFFFF
    header = build_header(entry, destination, IPPROTO_UDPLITE, length)
    return header + _HEADER.pack(entry.port, port, 0, checksum) + data


def _wait(fd: int, total: int) -> bool:
    """Whether all are there: the last of `total` bytes can be peeked at, at once or in a moment."""
    if total < 2:
        return True  # an empty one could be what is peeked at
    _set(fd, SOL_SOCKET, SO_PEEK_OFF, _I32.pack(total - 1))
    byte = bytearray(1)
    result = kernel.raw(SYS_recvfrom, fd, kernel.address_of(byte), 1, MSG_PEEK)
    if result < 0 and result != -errno.EAGAIN:
        raise OSError(-result, os.strerror(-result))
    return result > 0
