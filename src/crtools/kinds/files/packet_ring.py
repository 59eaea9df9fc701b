"""Rings of packet sockets (PACKET_RX_RING, PACKET_TX_RING): what they are, and how they are read.

Documentation/networking/packet_mmap.rst, linux/if_packet.h, net/packet/af_packet.c. A ring is
memory of the socket's that the kernel and the program share: blocks of frames of equal size, each
with a word that says whose it is, or (TPACKET_V3, receiving) blocks that the kernel fills with
packets one behind the other. The socket has one mapping, of its receiving ring with its sending
ring behind it, whole.

Both sides go through a ring for themselves. Where the program is, it knows; where the kernel goes
on, nothing tells but its own memory (docs/decisions/0014-reading-the-kernel.md).

While a tree is stopped packets still come in. So what is read is what there was at the moment when
the kernel's place was: what came later is taken out, as if it had been lost on the way.
"""

from __future__ import annotations

import struct

from crtools.abi.kernel import PAGE, Shared
from crtools.images.messages.crtools_packet import CrtoolsPacketEntry, CrtoolsPacketSpan
from crtools.images.messages.packet_sock import PacketRing
from crtools.tracee.kernel_memory import KernelMemory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crtools.images.messages.packet_sock import PacketSockEntry

# linux/if_packet.h
TPACKET_V1, TPACKET_V2, TPACKET_V3 = 0, 1, 2
TP_STATUS_KERNEL, TP_STATUS_USER = 0, 1
TP_STATUS_AVAILABLE, TP_STATUS_SEND_REQUEST, TP_STATUS_SENDING = 0, 1, 2
# struct tpacket_hdr and tpacket2_hdr begin with the status; tpacket3_hdr has it behind others.
_STATUS_AT = {TPACKET_V1: 0, TPACKET_V2: 0, TPACKET_V3: 20}
# struct tpacket_block_desc, linux/if_packet.h: the header of a block of TPACKET_V3.
BLOCK_STATUS_AT, NUM_PKTS_AT, FIRST_PKT_AT, BLK_LEN_AT, SEQ_NUM_AT = 8, 12, 16, 20, 24
LAST_TIME_AT, BLOCK_HEADER_BYTES = 40, 48
# struct tpacket3_hdr: where the next one is, from here, and the time.
NEXT_AT, SEC_AT = 0, 4
U32 = struct.Struct("<I")
U64 = struct.Struct("<Q")
_DIAG_RING = struct.Struct("<7I")  # struct packet_diag_ring
_ZEROS = bytes(PAGE)
# How often what changes while it is read is read again: it ends at the latest when the ring is
# full, since nobody empties it.
_ATTEMPTS = 1000
# Of struct tpacket_kbdq_core (net/packet/internal.h) what is read, with sizes in bytes.
_CORE = (
    ("kactive_blk_num", 2),
    ("knxt_seq_num", 8),
    ("reset_pending_on_curr_blk", 2),
    ("nxt_offset", 8),
    ("prev", 8),
    ("pkblk_start", 8),
    ("blk_fill_in_prog_lock", 4),
)
_SLOTS_READ = 64  # bits of a word of the kernel's table of frames being filled


class Geometry:
    """Sizes of a ring, and where in the mapping it begins."""

    __slots__ = ("blocks", "block_size", "frame_size", "frames", "per_block", "start", "status_at")

    def __init__(self, ring: PacketRing, version: int, start: int) -> None:
        self.block_size = ring.block_size
        self.blocks = ring.block_nr
        self.frame_size = ring.frame_size
        self.frames = ring.frame_nr
        self.per_block = ring.block_size // ring.frame_size if ring.frame_size else 0
        self.start = start
        self.status_at = _STATUS_AT.get(version, 0)

    @property
    def end(self) -> int:
        return self.start + self.block_size * self.blocks

    def frame(self, index: int) -> int:
        """Where a frame begins: what is left of a block behind its frames is nobody's."""
        block, inside = divmod(index, self.per_block)
        return self.start + block * self.block_size + inside * self.frame_size

    def status(self, index: int) -> int:
        """Where the status of a frame is."""
        return self.frame(index) + self.status_at

    def block(self, index: int) -> int:
        return self.start + index * self.block_size


def parse_ring(told: bytes | None) -> PacketRing | None:
    """What packet_diag tells of a ring."""
    if told is None:
        return None
    size, count, frame_size, frames, timeout, private, features = _DIAG_RING.unpack_from(told)
    return PacketRing(
        block_size=size,
        block_nr=count,
        frame_size=frame_size,
        frame_nr=frames,
        retire_tmo=timeout,
        sizeof_priv=private,
        features=features,
    )


def geometries(message: PacketSockEntry) -> tuple[Geometry | None, Geometry | None]:
    """Of the receiving and the sending ring, as they lie in the mapping."""
    receiving = sending = None
    if message.rx_ring is not None:
        receiving = Geometry(message.rx_ring, message.version, 0)
    if message.tx_ring is not None:
        start = receiving.end if receiving is not None else 0
        sending = Geometry(message.tx_ring, message.version, start)
    return receiving, sending


class RingReader:
    """Reads rings by descriptors of our own. Raises MissingFeature or PermissionDenied where the
    kernel's memory cannot be read."""

    def __init__(self) -> None:
        self.memory = KernelMemory()

    def read(self, fd: int, message: PacketSockEntry) -> tuple[CrtoolsPacketEntry, bytes]:
        """Raises ValueError if a ring is not as it should be."""
        memory = self.memory
        socket = memory.pointer(memory.private_data(fd), "socket", "sk")
        receiving, sending = geometries(message)
        entry = CrtoolsPacketEntry(id=message.id, length=0)
        last = sending or receiving
        assert last is not None
        mapping = Shared(fd, last.end)
        try:
            if receiving is None:
                content = bytearray(mapping.memory)
            elif message.version == TPACKET_V3:
                place = memory.at(socket, "packet_sock", "rx_ring")
                content = self._read_blocks(place, receiving, entry, mapping.memory)
            else:
                place = memory.at(socket, "packet_sock", "rx_ring")
                content = self._read_frames(place, receiving, entry, mapping.memory)
            if sending is not None:
                place = memory.at(socket, "packet_sock", "tx_ring")
                entry.tx_head = self._head(place)
                # The program is stopped, and only it begins to send. What a device has been given
                # is on its way.
                for index in range(sending.frames):
                    at = sending.status(index)
                    if U32.unpack_from(content, at)[0] == TP_STATUS_SENDING:
                        U32.pack_into(content, at, TP_STATUS_AVAILABLE)
        finally:
            mapping.close()
        entry.spans = list(find_spans(content))
        data = b"".join([content[span.offset : span.offset + span.length] for span in entry.spans])
        entry.length = len(data)
        return entry, data

    def _head(self, ring: int) -> int:
        return self.memory.unsigned(ring, "packet_ring_buffer", "head")

    def _read_frames(
        self, ring: int, geometry: Geometry, entry: CrtoolsPacketEntry, shared: memoryview
    ) -> bytearray:
        """Of TPACKET_V1 and V2: the kernel fills the frame at its head, if that is its own."""
        for _ in range(_ATTEMPTS):
            head = self._head(ring)
            # A frame behind it may still be filled, and is its program's a moment later.
            self._wait_until_filled(ring, geometry)
            at = geometry.status(head)
            before = U32.unpack_from(shared, at)[0]
            content = bytearray(shared)
            now = self._head(ring)
            if now != head or before == U32.unpack_from(shared, at)[0]:
                break
            # It has been filled all around meanwhile: now it is full, and stays as it is.
        for number in range((now - head) % geometry.frames):
            index = (head + number) % geometry.frames
            U32.pack_into(content, geometry.status(index), TP_STATUS_KERNEL)
        entry.rx_head = head
        return content

    def _wait_until_filled(self, ring: int, geometry: Geometry) -> None:
        """Until every frame that is being filled at this moment has been."""
        table = self.memory.pointer(ring, "packet_ring_buffer", "rx_owner_map")
        busy: dict[int, int] = {}
        words = -(-geometry.frames // _SLOTS_READ)
        data = self.memory.block(table, 8 * words)
        for index in range(words):
            word = U64.unpack_from(data, 8 * index)[0]
            if word:
                busy[index] = word
        for index, word in busy.items():
            while word:
                word &= self.memory.word(table + 8 * index)

    def _read_blocks(
        self, ring: int, geometry: Geometry, entry: CrtoolsPacketEntry, shared: memoryview
    ) -> bytearray:
        """Of TPACKET_V3: the kernel puts packets into one block, the active one, and gives the
        program the block when it is full or some time has passed. A block that the program has not
        given back when its turn comes is waited for: the queue is frozen."""
        core = self.memory.at(ring, "packet_ring_buffer", "prb_bdqc")
        active, sequence, frozen, filled, last = _wait_until_same(lambda: self._state(core))
        content = bytearray(shared)
        if active >= geometry.blocks:
            raise ValueError("the kernel is at a block that there is none of")
        entry.rx_head, entry.sequence = active, sequence
        if frozen:
            entry.frozen = True
        for index in range(geometry.blocks):
            at = geometry.block(index)
            # Opened since then.
            if U64.unpack_from(content, at + SEQ_NUM_AT)[0] >= sequence:
                U32.pack_into(content, at + BLOCK_STATUS_AT, TP_STATUS_KERNEL)
        if not frozen:
            at = geometry.block(active)
            first = U32.unpack_from(content, at + FIRST_PKT_AT)[0]
            count, place = 0, first
            while place < filled <= geometry.block_size:
                count += 1
                step = U32.unpack_from(content, at + place + NEXT_AT)[0]
                # The last of a block that was given to the program since then has no next.
                if place == last:
                    step = filled - last
                    U32.pack_into(content, at + place + NEXT_AT, step)
                elif not step:
                    break
                place += step
            if place != filled or (count and not first <= last < filled):
                raise ValueError("the packets of its block do not lie one behind the other")
            U32.pack_into(content, at + BLOCK_STATUS_AT, TP_STATUS_KERNEL)
            U32.pack_into(content, at + NUM_PKTS_AT, count)
            U32.pack_into(content, at + BLK_LEN_AT, filled)
            if count:
                entry.filled, entry.last = filled, last
        return content

    def _state(self, core: int) -> tuple[int, int, bool, int, int]:
        """Number of the active block, of its next sequence, whether it is waited for, and where
        in it the next packet goes, and the last one is; not while a packet is being put there."""
        of = "tpacket_kbdq_core"
        places = {member: self.memory.at(0, of, member) for member, _ in _CORE}
        length = max(places.values()) + 8
        found: dict[str, int] = {}
        while not found or found["blk_fill_in_prog_lock"]:
            data = self.memory.block(core, length)
            for member, size in _CORE:
                at = places[member]
                found[member] = int.from_bytes(data[at : at + size], "little")
        start = found["pkblk_start"]
        return (
            found["kactive_blk_num"],
            found["knxt_seq_num"],
            bool(found["reset_pending_on_curr_blk"]),
            found["nxt_offset"] - start,
            found["prev"] - start,
        )


def _wait_until_same(
    read: Callable[[], tuple[int, int, bool, int, int]],
) -> tuple[int, int, bool, int, int]:
    """What is read twice in a row: it changes only while packets come in."""
    found = read()
    for _ in range(_ATTEMPTS):
        again = read()
        if again == found:
            return found
        found = again
    raise ValueError("packets come in faster than it can be read")


def find_spans(content: bytes | bytearray) -> Iterator[CrtoolsPacketSpan]:
    """The pages that are not all zero, those side by side together."""
    start = -1
    for at in range(0, len(content) + PAGE, PAGE):
        if at < len(content) and content[at : at + PAGE] != _ZEROS:
            start = at if start < 0 else start
        elif start >= 0:
            yield CrtoolsPacketSpan(offset=start, length=at - start)
            start = -1
