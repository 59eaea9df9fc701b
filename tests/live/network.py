"""A network of the test's own: firewall rules in it touch nobody else's connections."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator

import pytest

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """This process and what it starts meanwhile are in a new network namespace, whose only device
    is lo."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(CLONE_NEWNET):
            pytest.skip(f"needs a network namespace: {os.strerror(ctypes.get_errno())}")
        try:
            with socket.socket() as some:
                request = struct.pack("16sH14x", b"lo", 0)
                flags = struct.unpack("16xH14x", fcntl.ioctl(some, SIOCGIFFLAGS, request))[0]
                request = struct.pack("16sH14x", b"lo", flags | IFF_UP)
                fcntl.ioctl(some, SIOCSIFFLAGS, request)
            yield
        finally:
            if libc.setns(before, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "cannot leave the network namespace")
    finally:
        os.close(before)


def list_tables() -> list[str]:
    """The names of all tables of nftables in this network (NFT_MSG_GETTABLE)."""
    names = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:
        netlink.settimeout(10)
        netlink.send(struct.pack("=IHHIIBBH", 20, 10 << 8 | 1, 0x301, 1, 0, 0, 0, 0))
        while True:
            data = netlink.recv(65536)
            while data:
                length, type = struct.unpack_from("=IH", data)
                if type == 3:  # NLMSG_DONE
                    return names
                assert type == 10 << 8, f"netlink answered with a message of type {type}"
                size = struct.unpack_from("=H", data, 20)[0]  # NFTA_TABLE_NAME comes first
                names.append(data[24 : 20 + size].rstrip(b"\0").decode())
                data = data[length:]
