"""Rings of packet sockets, made again: crtools.kinds.files.packet_ring says what they are.

The tool makes the socket with its rings, and tasks take its open file over. A new ring's kernel
side begins at the first frame, and the program goes on where it was. So the kernel is brought there
by packets of our own (crtools.kinds.files.packet_feeder); then the socket is bound to nothing that
there is, and gets its content back. Of a sending ring as many frames are sent, over the loopback
device too.

The kernel notes in an empty block when it was opened: that is the time of the restore. Blocks of
TPACKET_V3 have numbers that go up. Where the kernel would have to be sent more than
`LIMIT` bytes to be as far, it goes on at the right block with a lower number: a shortfall.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.abi.kernel import PAGE, Shared
from crtools.abi.socket import AF_PACKET, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_RAW
from crtools.abi.x86_64 import SYS_getsockopt, SYS_sendto, SYS_socket
from crtools.errors import ImageError, RestoreConflict
from crtools.kinds.files.packet_feeder import (
    ADDRESS,
    ETHERNET_BYTES,
    EXPERIMENT,
    HEAD,
    LARGEST,
    LOOPBACK,
    SOL_PACKET,
    WHAT,
    Feeder,
    set_option,
    swapped,
)
from crtools.kinds.files.packet_ring import (
    BLOCK_HEADER_BYTES,
    BLOCK_STATUS_AT,
    FIRST_PKT_AT,
    LAST_TIME_AT,
    NUM_PKTS_AT,
    SEC_AT,
    SEQ_NUM_AT,
    TP_STATUS_KERNEL,
    TP_STATUS_SEND_REQUEST,
    TP_STATUS_USER,
    TPACKET_V3,
    U32,
    Geometry,
    geometries,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.images.messages.crtools_packet import CrtoolsPacketEntry
    from crtools.images.messages.packet_sock import PacketSockEntry
    from crtools.kinds.files.socket_options import Option
    from crtools.model.shortfall import Shortfalls

# linux/if_packet.h
PACKET_RX_RING, PACKET_STATISTICS, PACKET_TX_RING, PACKET_QDISC_BYPASS = 5, 6, 13, 20
# How many bytes are sent at most to bring the numbers of blocks to where they were: two seconds.
LIMIT = 8 << 30
_REQUEST = struct.Struct("<4I")  # struct tpacket_req
_REQUEST3 = struct.Struct("<7I")  # struct tpacket_req3
_ATTEMPTS = 100
# Of struct tpacket_hdr, tpacket2_hdr and tpacket3_hdr: where the length of a frame to be sent is,
# and where its packet begins if the program does not say (net/packet/af_packet.c,
# tpacket_parse_header).
_TX_LEN_AT = (8, 4, 16)
_TX_DATA_AT = (32, 32, 48)
_TX_OFFSETS_AT = (16, 12, 24)
# linux/if_packet.h: what is before the packet, of headers and struct sockaddr_ll.
_RX_HEADERS = 68


def check_rings(message: PacketSockEntry, entry: CrtoolsPacketEntry | None, content: bytes) -> None:
    """Raises ImageError."""
    wrong = ImageError(f"Packet socket {message.id} in the images has an impossible ring")
    if message.version > TPACKET_V3:
        raise wrong
    size = 0
    for ring in (message.rx_ring, message.tx_ring):
        if ring is None:
            continue
        if (
            not 0 < ring.block_size <= 1 << 31
            or ring.block_size % PAGE
            or not 0 < ring.block_nr <= 1 << 20
            or not 0 < ring.frame_size <= ring.block_size
            or ring.frame_nr != ring.block_size // ring.frame_size * ring.block_nr
            or ring.sizeof_priv >= ring.block_size
            or ring.retire_tmo > 0x7FFFFFFF
        ):
            raise wrong
        size += ring.block_size * ring.block_nr
    if size > 0xFFFFFFFF:
        raise wrong
    if entry is None:
        return
    end = total = 0
    for span in entry.spans:
        if span.offset < end or span.offset + span.length > size:
            raise wrong
        end = span.offset + span.length
        total += span.length
    if total != len(content):
        raise wrong
    blocks = message.rx_ring is not None and message.version == TPACKET_V3
    for ring, head, in_blocks in (
        (message.rx_ring, entry.rx_head, blocks),
        (message.tx_ring, entry.tx_head, False),
    ):
        places = 0 if ring is None else ring.block_nr if in_blocks else ring.frame_nr
        if head is not None and head >= places:
            raise wrong
    if blocks and message.rx_ring is not None:
        sequence, filled, last = entry.sequence or 0, entry.filled or 0, entry.last or 0
        active = (sequence - (1 if entry.frozen else 2)) % message.rx_ring.block_nr
        if (
            not 2 <= sequence < 1 << 63
            or active != (entry.rx_head or 0)
            or filled > message.rx_ring.block_size
            or (filled and not BLOCK_HEADER_BYTES <= last < filled)
        ):
            raise wrong


class RingSocket:
    """A packet socket with rings being restored, held by the tool. Raises ImageError."""

    def __init__(
        self,
        message: PacketSockEntry,
        options: Sequence[tuple[Option, bytes]],
        vnet: int,
        entry: CrtoolsPacketEntry | None,
        content: bytes,
    ) -> None:
        self.message = message
        self.fd = -1
        self._options = options
        self._vnet = vnet
        self._entry = entry
        self._content = content
        check_rings(message, entry, content)

    @property
    def size(self) -> int:
        """Of the mapping, in bytes."""
        return sum([g.end - g.start for g in geometries(self.message) if g is not None])

    def check(self, shortfalls: Shortfalls, user: tuple[int, int, bool]) -> None:
        entry = self._entry
        if entry is None or entry.sequence is None or self.message.rx_ring is None:
            return
        got = block_sequence(self.message, entry)
        if got != entry.sequence:
            pid, fd, _ = user
            shortfalls.report(
                *(pid, f"task {pid}", f"the number of the next block of the ring at fd {fd}"),
                wanted=str(entry.sequence),
                got=str(got),
                because="to bring the kernel there would take too long",
            )

    def create(self, what: str) -> None:
        """Raises RestoreConflict."""
        try:
            self.fd = make(self.message, self._options, self._vnet, self._entry, self._content)
        except OSError as error:
            raise RestoreConflict(
                f"Cannot make {what}",
                because=error.strerror or "",
                hint="rings need memory, and CAP_NET_RAW",
            ) from error

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


def make(
    message: PacketSockEntry,
    options: Sequence[tuple[Option, bytes]],
    vnet: int,
    entry: CrtoolsPacketEntry | None,
    content: bytes,
) -> int:
    """A packet socket with its rings, bound to nothing. `options` are those that cannot be set when
    there is a ring, `vnet` the length of the headers that come before packets (PACKET_VNET_HDR_SZ).
    Raises RestoreConflict, OSError."""
    for _ in range(_ATTEMPTS):
        fd = _make_empty(message, options)
        try:
            if entry is None or _Filling(fd, message, vnet, entry, content).fill():
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
    raise RestoreConflict(WHAT, because="its blocks time out faster than they can be filled")


def _make_empty(message: PacketSockEntry, options: Sequence[tuple[Option, bytes]]) -> int:
    fd = kernel.checked(SYS_socket, AF_PACKET, message.type | SOCK_CLOEXEC, 0)
    try:
        for option, value in options:
            set_option(fd, *option, value)
        for number, ring in ((PACKET_RX_RING, message.rx_ring), (PACKET_TX_RING, message.tx_ring)):
            if ring is None:
                continue
            sizes = (ring.block_size, ring.block_nr, ring.frame_size, ring.frame_nr)
            if message.version == TPACKET_V3:
                times = (ring.retire_tmo, ring.sizeof_priv, ring.features)
                request = _REQUEST3.pack(*sizes, *(times if number == PACKET_RX_RING else (0,) * 3))
            else:
                request = _REQUEST.pack(*sizes)
            set_option(fd, SOL_PACKET, number, request)
    except BaseException:
        os.close(fd)
        raise
    return fd


class _Filling:
    """The rings of one new socket being brought to where they were."""

    def __init__(
        self,
        fd: int,
        message: PacketSockEntry,
        vnet: int,
        entry: CrtoolsPacketEntry,
        content: bytes,
    ) -> None:
        self._fd = fd
        self._vnet = vnet
        self._message = message
        self._entry = entry
        self._content = content
        self._receiving, self._sending = geometries(message)
        last = self._sending or self._receiving
        assert last is not None
        self._size = last.end
        self._is_raw = message.type == SOCK_RAW
        self._shared = memoryview(b"")

    def fill(self) -> bool:
        """False if a block timed out at the wrong moment: then all is to be done again."""
        mapping = Shared(self._fd, self._size)
        self._shared = mapping.memory
        try:
            if self._sending is not None and self._entry.tx_head:
                self._send(self._sending, self._entry.tx_head)
            if self._receiving is None:
                done = True
            elif self._message.version == TPACKET_V3:
                done = self._fill_blocks(self._receiving)
            else:
                done = self._fill_frames(self._receiving)
            if self._sending is not None:
                self._put(self._sending.start, self._sending.end)
        finally:
            self._shared = memoryview(b"")
            mapping.close()
        statistics, length = bytearray(16), bytearray(U32.pack(16))
        kernel.checked(
            *(SYS_getsockopt, self._fd, SOL_PACKET, PACKET_STATISTICS),
            *(kernel.address_of(statistics), kernel.address_of(length)),
        )
        return done

    def _bytes(self, start: int, end: int) -> bytearray:
        """What the images have for bytes of the mapping."""
        found = bytearray(end - start)
        at = 0
        for span in self._entry.spans:
            first, last = max(start, span.offset), min(end, span.offset + span.length)
            if first < last:
                source = at + first - span.offset
                found[first - start : last - start] = self._content[source : source + last - first]
            at += span.length
        return found

    def _put(self, start: int, end: int) -> None:
        self._shared[start:end] = self._bytes(start, end)

    # --- Sending ---

    def _send(self, geometry: Geometry, head: int) -> None:
        """Has the kernel send the frames up to `head`."""
        version = min(self._message.version, TPACKET_V3)
        skipped = self._vnet
        packet = b"\0"
        if self._is_raw:
            packet = bytes(12) + EXPERIMENT.to_bytes(2, "big") + packet
        place = _TX_DATA_AT[version].to_bytes(2, "little")
        for index in range(head):
            at = geometry.frame(index)
            data = at + _TX_DATA_AT[version]
            self._shared[at:data] = bytes(data - at)
            self._shared[data : data + skipped + len(packet)] = bytes(skipped) + packet
            U32.pack_into(self._shared, at + _TX_LEN_AT[version], skipped + len(packet))
            # Looked at with PACKET_TX_HAS_OFF: of the device's header, and of what is behind it.
            offsets = at + _TX_OFFSETS_AT[version]
            self._shared[offsets : offsets + 4] = place + place
            U32.pack_into(self._shared, geometry.status(index), TP_STATUS_SEND_REQUEST)
        name = ADDRESS.pack(AF_PACKET, swapped(EXPERIMENT), LOOPBACK, 0, 0, 6, b"")
        set_option(self._fd, SOL_PACKET, PACKET_QDISC_BYPASS, U32.pack(1))
        sent = 0
        for _ in range(head + _ATTEMPTS):
            while sent < head and not U32.unpack_from(self._shared, geometry.status(sent))[0]:
                sent += 1
            if sent == head:
                break
            result = kernel.raw(
                *(SYS_sendto, self._fd, 0, 0, MSG_DONTWAIT, kernel.address_of(name), len(name))
            )
            if result < 0 and result not in (-errno.EAGAIN, -errno.ENOBUFS):
                raise RestoreConflict(
                    WHAT,
                    because=f"the loopback device: {os.strerror(-result)}",
                    hint="ip link set lo up",
                )
        else:
            raise RestoreConflict(WHAT, because="the loopback device does not send its frames")
        set_option(self._fd, SOL_PACKET, PACKET_QDISC_BYPASS, U32.pack(0))

    # --- Frames: TPACKET_V1 and V2 ---

    def _fill_frames(self, geometry: Geometry) -> bool:
        head = self._entry.rx_head or 0
        if head:
            feeder = Feeder(self._fd)
            try:
                feeder.open()
                for index in range(head):
                    feeder.send(HEAD.size, ETHERNET_BYTES + HEAD.size)
                    if not U32.unpack_from(self._shared, geometry.status(index))[0]:
                        raise RestoreConflict(
                            WHAT, because="what is sent to the loopback device is not received"
                        )
            finally:
                feeder.close()
        self._put(geometry.start, geometry.end)
        return True

    # --- Blocks: TPACKET_V3 ---

    def _fill_blocks(self, geometry: Geometry) -> bool:
        entry = self._entry
        sequence = block_sequence(self._message, entry)
        # A block is opened when there is something to put into it: until then the queue is as if
        # the program had just given that block back.
        to_open = sequence if entry.frozen else sequence - 1
        if to_open == 1 and not entry.filled:
            self._put_block(geometry, 0)
            return self._put_others(geometry, 0)
        feeder = Feeder(self._fd)
        try:
            feeder.open()
            if to_open > 1:
                self._freeze(feeder, geometry, to_open)
            active = (to_open - 1) % geometry.blocks
            self._put_others(geometry, active)
            if entry.filled:
                return self._fill_active(feeder, geometry, active)
            self._put_block(geometry, active)
            return True
        finally:
            feeder.close()

    def _freeze(self, feeder: Feeder, geometry: Geometry, to_open: int) -> None:
        """Brings the queue to where it waits for the block that is to be opened as number
        `to_open`: the program has that block when its turn comes."""
        room = geometry.block_size - _first(self._message)
        # One that would fill it exactly does not fit (__packet_lookup_frame_in_block).
        length = min(LARGEST, room - 8 - _before(self._message, self._vnet))
        if to_open <= geometry.blocks:
            at = geometry.block(to_open - 1) + BLOCK_STATUS_AT
            U32.pack_into(self._shared, at, TP_STATUS_USER)
        at, number = geometry.block(0), 1
        while True:
            status = at + BLOCK_STATUS_AT
            while not U32.unpack_from(self._shared, status)[0] & TP_STATUS_USER:
                feeder.send(length - (ETHERNET_BYTES if self._is_raw else 0), length)
            if number + geometry.blocks != to_open:
                U32.pack_into(self._shared, status, TP_STATUS_KERNEL)
            number += 1
            if number == to_open:
                return
            at = geometry.block((number - 1) % geometry.blocks)

    def _put_others(self, geometry: Geometry, active: int) -> bool:
        for index in range(geometry.blocks):
            if index != active:
                self._put_block(geometry, index)
        return True

    def _put_block(self, geometry: Geometry, index: int) -> None:
        """Its status comes last: from then on it is somebody's. The kernel looks at it all the
        time."""
        start = geometry.block(index)
        status = start + BLOCK_STATUS_AT
        content = self._bytes(start, start + geometry.block_size)
        self._shared[start:status] = content[:BLOCK_STATUS_AT]
        self._shared[status + 4 : start + geometry.block_size] = content[BLOCK_STATUS_AT + 4 :]
        self._shared[status : status + 4] = content[BLOCK_STATUS_AT : BLOCK_STATUS_AT + 4]

    def _fill_active(self, feeder: Feeder, geometry: Geometry, active: int) -> bool:
        """The block that the kernel fills. What counts for it is where the next packet goes and
        where the last one is; the others need not be as many as they were.

        The kernel may take the block for full at any time from the first packet on, when it has
        been open for long enough: what it writes then is what it would have written.
        """
        entry = self._entry
        start = geometry.block(active)
        filled, last = entry.filled or 0, entry.last or 0
        first = _first(self._message)
        sizes = [*_pieces(last - first), filled - last]
        content = self._bytes(start, start + geometry.block_size)
        U32.pack_into(self._shared, start + BLOCK_STATUS_AT, TP_STATUS_KERNEL)
        head = _before(self._message, self._vnet)
        for size in sizes:
            taken = size - head
            length = taken - (ETHERNET_BYTES if self._is_raw else 0)
            if taken <= 0 or length > LARGEST:
                raise ImageError("The images have a block with an impossible packet")
            feeder.send(max(length, HEAD.size), taken)
        received = U32.unpack_from(self._shared, start + NUM_PKTS_AT)[0]
        place = U32.unpack_from(self._shared, start + FIRST_PKT_AT)[0]
        if received != len(sizes) or place != first:
            return False
        # Everything but what the kernel writes when the block is full: its status, and that there
        # is no packet behind the last; the time of that is corrected.
        shared = self._shared
        for begin, end in (
            (NUM_PKTS_AT, NUM_PKTS_AT + 4),
            (SEQ_NUM_AT, last),
            (last + SEC_AT, geometry.block_size),
        ):
            shared[start + begin : start + end] = content[begin:end]
        if U32.unpack_from(shared, start + BLOCK_STATUS_AT)[0] & TP_STATUS_USER:
            time = start + last + SEC_AT
            shared[start + LAST_TIME_AT : start + LAST_TIME_AT + 8] = bytes(shared[time : time + 8])
        return True


def _first(message: PacketSockEntry) -> int:
    """Where the first packet of a block is: behind the header and what the program has there
    (net/packet/af_packet.c, BLK_PLUS_PRIV)."""
    private = message.rx_ring.sizeof_priv if message.rx_ring is not None else 0
    return BLOCK_HEADER_BYTES + -(-private // 8) * 8


def _before(message: PacketSockEntry, vnet: int) -> int:
    """How many bytes of a frame are before what is received of an Ethernet packet
    (net/packet/af_packet.c, tpacket_rcv)."""
    if message.type != SOCK_RAW:
        return -(-_RX_HEADERS // 16) * 16 + 16 + message.reserve
    network = -(-(_RX_HEADERS + 16) // 16) * 16 + message.reserve + vnet
    return network - ETHERNET_BYTES


def _pieces(length: int) -> list[int]:
    """As few packets as fill so many bytes, each a multiple of 8."""
    if not length:
        return []
    count = -(-length // (LARGEST - 1024))
    piece = length // count // 8 * 8
    return [*[piece] * (count - 1), length - piece * (count - 1)]


def block_sequence(message: PacketSockEntry, entry: CrtoolsPacketEntry) -> int:
    """The number that the next block gets: the image's, or one that leads to the same block if
    that would take too long."""
    ring = message.rx_ring
    assert ring is not None
    sequence = entry.sequence or 0
    if sequence * ring.block_size <= LIMIT:
        return sequence
    return 2 + (sequence - 2) % ring.block_nr
