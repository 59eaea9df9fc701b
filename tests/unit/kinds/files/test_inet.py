"""What /proc/net tells of sockets and of groups, and addresses."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from crtools.kinds.files import inet
from crtools.kinds.files.inet import (
    Address,
    ShutDown,
    find_table,
    is_of_the_kernel,
    pack_address,
    parse_igmp,
    parse_igmp6,
    parse_peers,
    show,
)

IGMP = b"""Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter
1\tlo        :     1      V3
\t\t\t\t010000E0     1 0:00000000\t\t0
2\teth0      :     2      V3
\t\t\t\t090807EF     2 0:00000000\t\t0
\t\t\t\t010000E0     1 0:00000000\t\t0
"""
IGMP6 = b"""1    lo              ff020000000000000000000000000001     1 0000000C 0
12   eth0            ff0500000000000000000000000c0711     3 00000004 0
"""
RAW = b"""  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   1: 0400007F:0001 0100007F:0000 01 00000000:00000000 00:00000000 00000000 0 0 19431 2 0 0
   1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 19432 2 0 0
   2: 0400007F:0035 0100007F:0035 01 00000000:00000000 00:00000000 00000000 0 0 19433 2 0 0
"""


def test_groups_of_ipv4() -> None:
    all_nodes = socket.inet_aton("224.0.0.1")
    assert list(parse_igmp(IGMP)) == [
        (1, all_nodes, 1),
        (2, socket.inet_aton("239.7.8.9"), 2),
        (2, all_nodes, 1),
    ]


def test_groups_of_ipv6() -> None:
    assert list(parse_igmp6(IGMP6)) == [
        (1, socket.inet_pton(socket.AF_INET6, "ff02::1"), 1),
        (12, socket.inet_pton(socket.AF_INET6, "ff05::c:711"), 3),
    ]


def test_groups_that_a_device_joins_by_itself() -> None:
    for text, own in (
        ("ff02::1", True),
        ("ff01::1", True),
        ("ff02::1:ff12:3456", True),
        ("ff02::2", False),
        ("ff05::1", False),
        ("ff02::1:fe12:3456", False),
    ):
        assert is_of_the_kernel(socket.inet_pton(socket.AF_INET6, text)) is own, text
    assert is_of_the_kernel(socket.inet_aton("224.0.0.1"))
    assert not is_of_the_kernel(socket.inet_aton("224.0.0.251"))


def test_peers_at_port_0() -> None:
    assert list(parse_peers(RAW)) == [(19431, socket.inet_aton("127.0.0.1"))]
    six = RAW.replace(b" 0100007F:0000", b" B80D0120000000000000000001000000:0000", 1)
    assert list(parse_peers(six)) == [(19431, socket.inet_pton(socket.AF_INET6, "2001:db8::1"))]


def test_names_of_tables() -> None:
    assert find_table(socket.AF_INET, socket.SOCK_DGRAM, 17) == "udp"
    assert find_table(socket.AF_INET6, socket.SOCK_DGRAM, 136) == "udplite6"
    assert find_table(socket.AF_INET6, socket.SOCK_DGRAM, 58) == "icmp6"
    assert find_table(socket.AF_INET, socket.SOCK_RAW, 17) == "raw"


def test_addresses_there_and_back() -> None:
    six = socket.inet_pton(socket.AF_INET6, "fe80::1")
    found = Address(pack_address(six, 4711, 3))
    assert (found.bytes, found.port, found.scope) == (six, 4711, 3)
    four = socket.inet_aton("10.1.2.3")
    found = Address(pack_address(four, 80))
    assert (found.bytes, found.port, found.words) == (four, 80, [0x0302010A])
    assert show(four, 80) == "10.1.2.3:80"
    assert show(six, 80) == "[fe80:0:0:0:0:0:0:1]:80"


def diag(inode: int, down: int) -> bytes:
    """struct inet_diag_msg with its attribute INET_DIAG_SHUTDOWN."""
    return bytes(68) + struct.pack("<I", inode) + struct.pack("<HHB3x", 5, 8, down)


def test_socket_that_a_list_lacks_is_looked_for_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [[diag(7, 0), diag(8, 2)], [diag(7, 0), diag(8, 2), diag(9, 2)], []]
    read = 0

    def read_diag(request: bytes) -> Iterator[bytes]:
        nonlocal read
        read += 1
        return iter(lists[min(read, len(lists)) - 1])

    monkeypatch.setattr(inet, "read_diag", read_diag)
    table = ShutDown(socket.AF_INET, socket.IPPROTO_UDP)
    assert (table.find(7, listed=True), table.find(8, listed=True), read) == (0, 2, 1)
    assert (table.find(10, listed=False), read) == (0, 1)
    assert (table.find(9, listed=True), read) == (2, 2)
    # One that is nowhere does not cost a list each time.
    for _ in range(9):
        assert table.find(10, listed=True) == 0
    assert read == inet._LISTS
