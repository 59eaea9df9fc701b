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
