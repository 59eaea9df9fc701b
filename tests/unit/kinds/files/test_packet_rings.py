"""Images that say impossible things of packet sockets' rings are refused."""

from __future__ import annotations

from typing import Any

import pytest

from crtools.errors import ImageError
from crtools.images.messages.crtools_packet import CrtoolsPacketEntry, CrtoolsPacketSpan
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.packet_sock import PacketRing, PacketSockEntry
from crtools.images.messages.sk_opts import SkOptsEntry
from crtools.kinds.files.packet_ring import TPACKET_V2, TPACKET_V3, find_spans, geometries
from crtools.kinds.files.packet_ring_restore import LIMIT, block_sequence, check_rings

NOBODY = FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0)


def ring(**changed: int) -> PacketRing:
    values = {
        "block_size": 8192, "block_nr": 4, "frame_size": 2048, "frame_nr": 16, "retire_tmo": 0,
        "sizeof_priv": 0, "features": 0,
    }  # fmt: skip
    return PacketRing(**{**values, **changed})


def socket(version: int = TPACKET_V2, **changed: Any) -> PacketSockEntry:
    times = ("so_snd_tmo_sec", "so_snd_tmo_usec", "so_rcv_tmo_sec", "so_rcv_tmo_usec")
    values = {
        "id": 1, "type": 3, "protocol": 0, "flags": 2, "ifindex": 0, "fown": NOBODY,
        "opts": SkOptsEntry(so_sndbuf=16384, so_rcvbuf=131072, **dict.fromkeys(times, 0)),
        "version": version, "reserve": 0, "aux_data": False, "orig_dev": False, "vnet_hdr": False,
        "loss": False, "timestamp": 0, "copy_thresh": 0, "rx_ring": ring(),
    }  # fmt: skip
    return PacketSockEntry(**{**values, **changed})


def content(**changed: Any) -> CrtoolsPacketEntry:
    return CrtoolsPacketEntry(**{"id": 1, "length": 0, **changed})


def blocks(**changed: Any) -> CrtoolsPacketEntry:
    return content(**{"rx_head": 1, "sequence": 7, **changed})


def test_rings_that_are_possible_are_taken() -> None:
    check_rings(socket(), None, b"")
    check_rings(socket(), content(rx_head=15), b"")
    check_rings(socket(tx_ring=ring()), content(tx_head=15, rx_head=0), b"")
    check_rings(socket(TPACKET_V3), blocks(), b"")
    check_rings(socket(TPACKET_V3), blocks(filled=200, last=48), b"")
    check_rings(socket(TPACKET_V3), blocks(sequence=6, frozen=True), b"")
    # Frames are sent one by one, whatever the version.
    check_rings(socket(TPACKET_V3, tx_ring=ring()), blocks(tx_head=15), b"")
    spans = [CrtoolsPacketSpan(offset=4096, length=4096)]
    check_rings(socket(), content(spans=spans, length=4096), bytes(4096))


@pytest.mark.parametrize(
    "changed",
    [
        {"block_size": 5000},
        {"block_size": 0},
        {"block_nr": 0},
        {"block_nr": 1 << 21},
        {"frame_size": 0},
        {"frame_size": 16384},
        {"frame_nr": 17},
        {"sizeof_priv": 8192},
        {"retire_tmo": 1 << 31},
    ],
)
def test_impossible_sizes_are_refused(changed: dict[str, int]) -> None:
    with pytest.raises(ImageError, match="impossible ring"):
        check_rings(socket(rx_ring=ring(**changed)), None, b"")


def test_rings_larger_than_any_can_be_are_refused() -> None:
    large = ring(block_size=1 << 30, block_nr=4, frame_nr=1 << 21)
    with pytest.raises(ImageError, match="impossible ring"):
        check_rings(socket(rx_ring=large), None, b"")
    with pytest.raises(ImageError, match="impossible ring"):
        check_rings(socket(version=3), None, b"")


@pytest.mark.parametrize(
    ("version", "entry", "data"),
    [
        (TPACKET_V2, content(rx_head=16), b""),
        (TPACKET_V2, content(tx_head=0), b""),
        (TPACKET_V2, content(spans=[CrtoolsPacketSpan(offset=32768, length=1)], length=1), b"x"),
        (TPACKET_V2, content(spans=[CrtoolsPacketSpan(offset=0, length=2)], length=1), b"x"),
        (TPACKET_V2, content(spans=[CrtoolsPacketSpan(offset=9, length=1)] * 2, length=2), b"xx"),
        (TPACKET_V3, content(), b""),
        (TPACKET_V3, blocks(rx_head=4), b""),
        (TPACKET_V3, blocks(rx_head=2), b""),
        (TPACKET_V3, blocks(sequence=1), b""),
        (TPACKET_V3, blocks(sequence=1 << 63), b""),
        (TPACKET_V3, blocks(frozen=True), b""),
        (TPACKET_V3, blocks(filled=9000, last=48), b""),
        (TPACKET_V3, blocks(filled=200, last=200), b""),
        (TPACKET_V3, blocks(filled=200, last=40), b""),
    ],
)
def test_impossible_content_is_refused(
    version: int, entry: CrtoolsPacketEntry, data: bytes
) -> None:
    with pytest.raises(ImageError, match="impossible ring"):
        check_rings(socket(version), entry, data)


def test_number_of_a_block_is_kept_or_leads_to_the_same_block() -> None:
    message = socket(TPACKET_V3)
    assert block_sequence(message, blocks()) == 7
    last = LIMIT // 8192
    assert block_sequence(message, blocks(sequence=last)) == last
    far = block_sequence(message, blocks(sequence=last + 3))
    assert far < last
    assert far >= 2
    assert (last + 3 - far) % 4 == 0


def test_frames_do_not_lie_across_blocks() -> None:
    receiving, sending = geometries(
        socket(rx_ring=ring(frame_size=3072, frame_nr=8), tx_ring=ring())
    )
    assert receiving is not None
    assert sending is not None
    assert [receiving.frame(index) for index in (0, 1, 2, 7)] == [0, 3072, 8192, 27648]
    assert sending.frame(1) == 32768 + 2048


def test_pages_of_zeros_are_left_out() -> None:
    data = bytes(4096) + b"x" * 8192 + bytes(8192) + b"y"
    found = [(span.offset, span.length) for span in find_spans(data.ljust(6 * 4096, b"\0"))]
    assert found == [(4096, 8192), (20480, 4096)]
