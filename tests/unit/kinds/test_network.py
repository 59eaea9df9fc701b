"""Names of addresses, and segments of our own making."""

from __future__ import annotations

import struct

import pytest

from crtools.kinds.network.names import bare, build_name, parse_name, show
from crtools.kinds.network.packets import ACK, FIN, build_segment

FOUR = bytes((10, 1, 2, 3))
SIX = bytes.fromhex("20010db8000000000000000000000001")


def test_names_of_addresses() -> None:
    assert show(FOUR, 80) == "10.1.2.3:80"
    assert show(SIX, 443) == "[2001:db8:0:0:0:0:0:1]:443"
    assert bare(bytes(10) + b"\xff\xff" + FOUR) == FOUR
    assert bare(SIX) == SIX


@pytest.mark.parametrize(
    ("family", "address", "scope", "length"), [(2, FOUR, 0, 16), (10, SIX, 7, 28)]
)
def test_names_come_back(family: int, address: bytes, scope: int, length: int) -> None:
    name = build_name(family, address, 8080, scope)
    assert len(name) == length
    assert parse_name(name.ljust(28, b"\0")) == (address, 8080, scope)


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_checksums_are_right(address: bytes) -> None:
    packet = build_segment(
        *(address, 1234, address, 80),
        sequence=1 << 32,
        acknowledge=5,
        flags=FIN | ACK,
        window=100_000,
    )
    segment = packet[-20:]
    assert struct.unpack(">HHIIBBH", segment[:16]) == (1234, 80, 0, 5, 0x50, 0x11, 0xFFFF)
    whole = address + address + struct.pack(">II", len(segment), 6) + segment
    total = sum(struct.unpack(f">{len(whole) // 2}H", whole))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF
