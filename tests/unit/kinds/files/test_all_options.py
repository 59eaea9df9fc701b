"""Every option of sockets that this kernel lets be read and set again is one that is carried."""

from __future__ import annotations

import ctypes
import errno
import os
import socket

import pytest

from crtools.kinds.files import netlink
from crtools.kinds.files.inet_options import table_of
from crtools.kinds.files.packet_socket import _OPTIONS as PACKET
from crtools.kinds.files.raw_socket import _OPTIONS as RAW
from crtools.kinds.files.socket_options import OTHERS, SOCKET, Table
from crtools.kinds.files.tcp import OPTIONS as TCP
from crtools.kinds.files.udp import _OPTIONS as UDP

pytestmark = pytest.mark.root

IP, IPV6, LEVEL_TCP, LEVEL_UDP, ICMPV6 = 0, 41, 6, 17, 58
LEVEL_RAW, LEVEL_PACKET, LEVEL_NETLINK = 255, 263, 270
LEVELS = (1, IP, IPV6, LEVEL_TCP, LEVEL_UDP, ICMPV6, LEVEL_RAW, LEVEL_PACKET, LEVEL_NETLINK)
NETLINK = [table for table in vars(netlink).values() if isinstance(table, Table)]
# What is carried otherwise, or nothing to carry.
APART = {
    (1, 14): "SO_BSDCOMPAT does nothing any more (net/core/sock.c)",
    (1, 62): "SO_BINDTOIFINDEX: the device that SO_BINDTODEVICE names",
    (IPV6, 6): "IPV6_2292PKTOPTIONS: of the last packet, not of the socket",
    (LEVEL_TCP, 2): "TCP_MAXSEG: set where it was set (tcp_restore)",
    (LEVEL_TCP, 13): "TCP_CONGESTION: of the default (tcp_restore)",
    (LEVEL_TCP, 17): "TCP_THIN_DUPACK does nothing any more (net/ipv4/tcp.c)",
    (LEVEL_TCP, 19): "TCP_REPAIR: how connections are carried",
    (LEVEL_RAW, 36): "IPV6_HDRINCL, which level IPPROTO_IPV6 has as well",
    (LEVEL_PACKET, 7): "PACKET_COPY_THRESH: told by packet_diag (packet_socket)",
}
KINDS = {
    "UDP": ((2, 2, 17), (table_of(2), UDP)),
    "UDP, IPv6": ((10, 2, 17), (table_of(10), UDP)),
    "UDP-Lite": ((2, 2, 136), (table_of(2), UDP)),
    "ping": ((2, 2, 1), (table_of(2), UDP)),
    "ping, IPv6": ((10, 2, 58), (table_of(10), UDP)),
    "raw": ((2, 3, 1), (table_of(2), RAW)),
    "raw, IPv6": ((10, 3, 58), (table_of(10), RAW)),
    "packet": ((17, 3, 0), (PACKET,)),
    "netlink": ((16, 3, 0), NETLINK),
    "TCP": ((2, 1, 6), (table_of(2, 1), TCP)),
    "TCP, IPv6": ((10, 1, 6), (table_of(10, 1), TCP)),
}


def can_be_set_again(fd: int, level: int, number: int) -> bool:
    """Whether an option takes the value that it has."""
    libc = ctypes.CDLL(None, use_errno=True)
    for size in (4, 8, 16, 1, 64, 272, 512):
        value, length = ctypes.create_string_buffer(size), ctypes.c_uint32(size)
        if libc.getsockopt(fd, level, number, value, ctypes.byref(length)) == 0:
            return bool(libc.setsockopt(fd, level, number, value, length.value) == 0)
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_that_can_be_set_again_is_carried(kind: str) -> None:
    how, tables = KINDS[kind]
    try:
        found = socket.socket(*how)
    except OSError as error:
        if error.errno in (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EACCES):
            pytest.skip(f"no such sockets here: {os.strerror(error.errno)}")
        raise
    with found:
        missing = [
            (level, number)
            for level in LEVELS
            for number in range(120)
            if (level, number) not in APART
            and not any((level, number) in table.places for table in (SOCKET, OTHERS, *tables))
            and can_be_set_again(found.fileno(), level, number)
        ]
    assert missing == []
