"""TCP segments as the peer of a connection would send them, for a raw socket of our own.

The only way into some states of a connection is the segment that leads there. It is sent to an
address of ours, so it comes back through the loopback device with its route already found, and the
foreign source address is not asked about (ip_rcv_finish, skb_valid_dst).
"""

from __future__ import annotations

import struct

FIN, RST, ACK = 0x01, 0x04, 0x10  # RFC 9293
_HEADER = struct.Struct(">HHIIBBHHH")


def build_segment(
    source: bytes,
    port: int,
    target: bytes,
    target_port: int,
    *,
    sequence: int,
    acknowledge: int,
    flags: int,
    window: int,
) -> bytes:
    """A whole packet without data, with its IP header: addresses of 4 or 16 bytes."""
    words = (port, target_port, sequence & 0xFFFFFFFF, acknowledge & 0xFFFFFFFF, 5 << 4, flags)
    segment = _HEADER.pack(*words, min(window, 0xFFFF), 0, 0)
    pseudo = source + target + struct.pack(">II", len(segment), 6)  # IPPROTO_TCP
    segment = _HEADER.pack(*words, min(window, 0xFFFF), _checksum(pseudo + segment), 0)
    if len(source) == 16:
        # Version 6, hop limit 64.
        return struct.pack(">IHBB", 6 << 28, len(segment), 6, 64) + source + target + segment
    # raw(7): the kernel fills in the length, the checksum and, where it is 0, the identification.
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, 6, 0)
    return head + source + target + segment


def _checksum(data: bytes) -> int:
    """RFC 1071, of an even number of bytes."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
