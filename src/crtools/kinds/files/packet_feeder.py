"""Packets of our own, for a packet socket alone.

They are sent over the loopback device: a packet socket that is bound to all protocols sees what
leaves, in the call that sends it, and a filter has it take nothing but them. They have the protocol
of local experiments (ETH_P_802_EX1), which nobody receives; who looks at all packets of the
loopback device (tcpdump -i lo) sees them.
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.abi.socket import (
    AF_PACKET,
    MSG_DONTWAIT,
    SO_ATTACH_FILTER,
    SO_DETACH_FILTER,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOL_SOCKET,
)
from crtools.abi.x86_64 import SYS_bind, SYS_sendto, SYS_setsockopt, SYS_socket
from crtools.errors import RestoreConflict

SOL_PACKET = 263  # linux/socket.h
LOOPBACK = 1  # net/flow.h: LOOPBACK_IFINDEX
_ALL, EXPERIMENT = 0x0003, 0x88B5  # linux/if_ether.h: ETH_P_ALL, ETH_P_802_EX1
_NOBODYS = 0xFFFF  # that no packet has: reserved, RFC 1701
ADDRESS = struct.Struct("<HHiHBB8s")  # struct sockaddr_ll
_INSTRUCTION = struct.Struct("<HBBI")  # struct sock_filter
HEAD = struct.Struct(">II")  # what our packets begin with: a number, and how much to take of them
LARGEST = 65536  # the loopback device's mtu
ETHERNET_BYTES = 14
WHAT = "Cannot bring a packet socket's ring to where it was"


def swapped(protocol: int) -> int:
    """A protocol as the calls take it, in network byte order."""
    return (protocol & 0xFF) << 8 | protocol >> 8


def set_option(fd: int, level: int, number: int, value: bytes) -> None:
    """Raises OSError."""
    kernel.checked(SYS_setsockopt, fd, level, number, kernel.address_of(value), len(value))


def _bind(fd: int, protocol: int, device: int) -> None:
    name = ADDRESS.pack(AF_PACKET, swapped(protocol), device, 0, 0, 0, b"")
    kernel.checked(SYS_bind, fd, kernel.address_of(name), len(name))


class Feeder:
    """Sends packets that one packet socket receives, and no other that is bound to a protocol."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._number = int.from_bytes(os.urandom(4), "big")
        self._packet = bytearray(LARGEST)
        self._address = ADDRESS.pack(AF_PACKET, swapped(EXPERIMENT), LOOPBACK, 0, 0, 6, b"\0" * 8)
        self._sender = -1
        code = b"".join(
            [
                _INSTRUCTION.pack(*row)
                # linux/filter.h: SKF_AD_OFF (-4096) with SKF_AD_PKTTYPE (4), and SKF_NET_OFF.
                for row in (
                    (0x20, 0, 0, 0xFFFFF004),  # what kind of packet it is:
                    (0x15, 0, 4, 4),  # PACKET_OUTGOING, what comes back is not taken again
                    (0x20, 0, 0, 0xFFF00000),
                    (0x15, 0, 2, self._number),
                    (0x20, 0, 0, 0xFFF00004),
                    (0x16, 0, 0, 0),  # as many bytes of it
                    (0x06, 0, 0, 0),  # nothing
                )
            ]
        )
        program = struct.pack("<H6xQ", len(code) // 8, kernel.address_of(code))
        set_option(fd, SOL_SOCKET, SO_ATTACH_FILTER, program)
        _bind(fd, _ALL, LOOPBACK)

    def open(self) -> None:
        self._sender = kernel.checked(SYS_socket, AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0)

    def send(self, length: int, taken: int) -> None:
        """One packet of `length` bytes behind the device's header, of which `taken` are to be
        received, that header among them where the socket receives it. Raises RestoreConflict."""
        HEAD.pack_into(self._packet, 0, self._number, taken)
        result = kernel.raw(
            *(SYS_sendto, self._sender, kernel.address_of(self._packet), length, MSG_DONTWAIT),
            *(kernel.address_of(self._address), len(self._address)),
        )
        if result < 0:
            hint = "ip link set lo up mtu 65536"
            raise RestoreConflict(
                WHAT, because=f"the loopback device: {os.strerror(-result)}", hint=hint
            )

    def close(self) -> None:
        """Has the socket receive nothing any more."""
        if self._sender >= 0:
            os.close(self._sender)
        # Bound to protocol 0 it would keep the one it has (net/packet/af_packet.c, packet_bind),
        # and receive all there is.
        _bind(self._fd, _NOBODYS, LOOPBACK)
        set_option(self._fd, SOL_SOCKET, SO_DETACH_FILTER, bytes(4))
