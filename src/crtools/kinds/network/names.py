"""Addresses and ports: struct sockaddr_in and sockaddr_in6 (ip(7), ipv6(7)), and as people write
them."""

from __future__ import annotations

from crtools.abi.socket import AF_INET

MAPPED = bytes(10) + b"\xff\xff"  # what an IPv4 address in an IPv6 one begins with


def bare(address: bytes) -> bytes:
    """The address that packets have: the IPv4 one of an IPv6 one that stands for it."""
    return address[12:] if address.startswith(MAPPED) else address


def show(address: bytes, port: int) -> str:
    """`10.1.2.3:80`, `[2001:db8:0:0:0:0:0:1]:80`."""
    if len(address) == 4:
        return f"{'.'.join(map(str, address))}:{port}"
    words = [f"{int.from_bytes(address[at : at + 2], 'big'):x}" for at in range(0, 16, 2)]
    return f"[{':'.join(words)}]:{port}"


def parse_name(name: bytes) -> tuple[bytes, int, int]:
    """Address, port and scope of a struct sockaddr_in or sockaddr_in6."""
    port = int.from_bytes(name[2:4], "big")
    if int.from_bytes(name[:2], "little") == AF_INET:
        return name[4:8], port, 0
    return name[8:24], port, int.from_bytes(name[24:28], "little")


def build_name(family: int, address: bytes, port: int, scope: int = 0) -> bytes:
    head = family.to_bytes(2, "little") + port.to_bytes(2, "big")
    if family == AF_INET:
        return head + address + bytes(8)
    return head + bytes(4) + address + scope.to_bytes(4, "little")
