"""Packets of UDP-Lite: their checksum is what a receiver calculates."""

from __future__ import annotations

import socket

import pytest

from crtools.images.messages.crtools_socket import CrtoolsDatagramEntry
from crtools.kinds.files.lite_queue import build_packet

UDPLITE = 136


def add_up(data: bytes) -> int:
    """The sum of words of 16 bits in which carries come in again (RFC 1071)."""
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize(
    ("source", "destination"),
    [("10.1.2.3", "127.0.0.1"), ("2001:db8::1", "::1"), ("0.0.0.0", "0.0.0.0")],
)
@pytest.mark.parametrize("data", [b"", b"\0", b"odd", b"even", b"\xff" * 65000, bytes(4)])
def test_checksum_is_of_header_and_all_data(source: str, destination: str, data: bytes) -> None:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    sender, receiver = (socket.inet_pton(family, text) for text in (source, destination))
    entry = CrtoolsDatagramEntry(id_for=1, length=len(data), source=sender, port=65534)
    packet = build_packet(entry, receiver, 40000, data)
    datagram = packet[40 if family == socket.AF_INET6 else 20 :]
    assert datagram[:4] == (65534).to_bytes(2, "big") + (40000).to_bytes(2, "big")
    assert datagram[4:6] == b"\0\0"  # all of it is covered
    assert datagram[6:8] != b"\0\0"  # no checksum: not allowed
    assert datagram[8:] == data
    pseudo = sender + receiver + len(datagram).to_bytes(4, "big") + UDPLITE.to_bytes(4, "big")
    assert add_up(pseudo + datagram) == 0xFFFF


def test_header_says_what_the_datagram_came_with() -> None:
    entry = CrtoolsDatagramEntry(id_for=1, length=1, source=b"\x0a\1\2\3", port=7, ttl=5, tos=0x10)
    packet = build_packet(entry, b"\x7f\0\0\1", 9, b"x")
    # Version and length, TOS, 29 bytes, no fragment, TTL, protocol; the checksum is the kernel's.
    assert packet[:20] == bytes.fromhex("4510001d 00000000 05880000 0a010203 7f000001")
