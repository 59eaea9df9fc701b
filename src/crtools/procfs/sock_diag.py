"""What the kernel tells of all sockets of a family: sock_diag(7), over netlink(7).

A dump of 10,000 sockets is some 200 reads, so it is made once for all that want to know.
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.abi.socket import AF_NETLINK, SOCK_CLOEXEC, SOCK_RAW
from crtools.abi.x86_64 import SYS_socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NETLINK_SOCK_DIAG = 4  # linux/netlink.h
SOCK_DIAG_BY_FAMILY = 20  # linux/sock_diag.h
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300  # linux/netlink.h
NLMSG_ERROR, NLMSG_DONE = 2, 3
_HEADER = struct.Struct("<IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("<HH")  # struct nlattr: length, type
_I32 = struct.Struct("<i")
# The kernel puts as much into one datagram as the reader has room for, 32 KiB at most
# (netlink_dump, net/netlink/af_netlink.c).
_ROOM = 32 << 10


def read_diag(request: bytes, *, of_one: bool = False) -> Iterator[bytes]:
    """The answers to a request, without netlink's header: struct unix_diag_msg, inet_diag_msg, ...
    with attributes behind it; `of_one` if it is for one socket. Raises OSError: ENOENT where the
    kernel has no such family or its module cannot be loaded, or no such socket.

    A list may lack sockets that are there all the time: between two reads the kernel remembers how
    far it has come in a bucket of its table, and one that is closed meanwhile moves those behind it
    (net/unix/diag.c, unix_diag_dump).
    """
    fd = kernel.checked(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
    try:
        length = _HEADER.size + len(request)
        flags = NLM_F_REQUEST if of_one else NLM_F_REQUEST | NLM_F_DUMP
        os.write(fd, _HEADER.pack(length, SOCK_DIAG_BY_FAMILY, flags, 1, 0) + request)
        while True:
            data = os.read(fd, _ROOM)
            for kind, payload in parse_messages(data):
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    number = -_I32.unpack_from(payload)[0]
                    raise OSError(number, os.strerror(number))
                yield payload
                if of_one:
                    return
    finally:
        os.close(fd)


def parse_messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each message of a netlink datagram."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, at)[:2]
        if length < _HEADER.size:
            return
        yield kind, data[at + _HEADER.size : at + length]
        at += -(-length // 4) * 4


def parse_attributes(payload: bytes, start: int) -> dict[int, bytes]:
    """The attributes from offset `start` on, by type; of several of one type the last."""
    found: dict[int, bytes] = {}
    at = start
    while at + _ATTRIBUTE.size <= len(payload):
        length, kind = _ATTRIBUTE.unpack_from(payload, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = payload[at + _ATTRIBUTE.size : at + length]  # NLA_TYPE_MASK
        at += -(-length // 4) * 4
    return found
