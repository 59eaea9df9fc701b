"""Names of addresses, and segments of our own making."""

from __future__ import annotations

import struct

import pytest

from crtools.errors import ImageError
from crtools.kinds.network.iptables import build_rules, parse_address, parse_rules
from crtools.kinds.network.lock import check_method, name_of
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


# As `iptables -S` and `ip6tables -S` print them.
LISTING = """\
-P INPUT ACCEPT
-N OTHERS
-A INPUT -s 10.9.9.9/32 -d 10.1.2.3/32 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 4242 --dport 80 -j DROP
-A INPUT -i lo -j ACCEPT
-A INPUT -s 10.9.9.9/32 -d 10.1.2.3/32 -p tcp -m mark ! --mark 0xc115 -m tcp --sport 1 --dport 80 -j DROP
-A INPUT -s 10.9.9.9/32 -d 10.1.2.3/24 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 1 --dport 80 -j DROP
-A INPUT -s 10.9.9.9/32 -d 10.1.2.3/32 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 1 --dport 8:9 -j DROP
-A OTHERS -s 10.9.9.9/32 -d 10.1.2.3/32 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 1 --dport 80 -j DROP
-A OUTPUT -s 10.1.2.3/32 -d 10.9.9.9/32 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 80 --dport 4242 -j DROP
"""  # noqa: E501
LISTING_6 = """\
-A INPUT -s fe80::1:2/128 -d 2001:db8::1/128 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 9 --dport 443 -j DROP
-A OUTPUT -s 2001:db8::1/128 -d fe80::1:2/128 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 443 --dport 9 -j DROP
"""  # noqa: E501


def test_rules_are_found_in_a_listing_and_nothing_else_is() -> None:
    assert parse_rules(LISTING) == build_rules([(FOUR, 80, bytes((10, 9, 9, 9)), 4242)])
    peer = bytes.fromhex("fe80" + "00" * 10 + "00010002")
    assert parse_rules(LISTING_6) == build_rules([(SIX, 443, peer, 9)])


def test_both_ends_of_a_connection_have_each_rule_once() -> None:
    one, other = (FOUR, 80, FOUR, 9), (FOUR, 9, FOUR, 80)
    assert len(build_rules([one, other, one])) == 4


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.1.2.3/32", FOUR),
        ("::/128", bytes(16)),
        ("::1/128", bytes(15) + b"\1"),
        ("2001:db8::", bytes.fromhex("20010db8") + bytes(12)),
        ("1:2:3:4:5:6:7:8", bytes.fromhex("00010002000300040005000600070008")),
        ("::ffff:10.1.2.3/128", bytes(10) + b"\xff\xff" + FOUR),
    ],
)
def test_addresses_are_parsed(text: str, address: bytes) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "10.1.2", "10.1.2.300", "1:2:3", "1:2:3:4:5:6:7::8", "::g", "::10000", "10.1.2.3/24"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        parse_address(text)


def test_method_of_a_dump() -> None:
    assert [check_method(number) for number in (None, 0, 1, 2)] == [0, 0, 1, 2]
    with pytest.raises(ImageError, match="unknown method, 3"):
        check_method(3)


def test_lock_is_called_after_the_run_or_the_root() -> None:
    assert name_of("c898fbde-84b2-41e1-ba9f-529faff8be68", 0).startswith("c898")
    assert name_of("", 812) == "812"
    for odd in ("x" * 65, "a\0b", "a b", "-"):
        with pytest.raises(ImageError, match="run id"):
            name_of(odd, 812)
