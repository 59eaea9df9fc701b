"""A socket's queues as they lie in the kernel's memory: struct sock, struct sk_buff.

For what no call shows without taking it. The bytes of a packet begin at `data`; of a long one the
rest is in pages (frags) and in further packets (frag_list): linux/skbuff.h, net/core/skbuff.c. The
tasks that send to such a socket, or receive from it, must not run meanwhile.
"""

from __future__ import annotations

import struct

from crtools.errors import MissingFeature
from crtools.tracee.kernel_memory import KernelMemory, Record
from crtools.tracee.kernel_pages import KernelPages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST = 1 << 20  # packets in a queue: an end for a list that has none
_FRAG = struct.Struct("<QII")


class KernelSockets:
    """Raises MissingFeature, or PermissionDenied where the kernel's memory cannot be read."""

    def __init__(self) -> None:
        self.memory = memory = KernelMemory()
        self._pages: KernelPages | None = None
        self._cb = memory.types.offset("sk_buff", "cb")

    def find(self, fd: int) -> int:
        """The struct sock behind a descriptor of this process."""
        return self.memory.pointer(self.memory.private_data(fd), "socket", "sk")

    def read_queue(self, sock: int, queue: str = "sk_receive_queue") -> list[Record]:
        """The packets of a queue, in their order: each a struct sk_buff."""
        memory = self.memory
        head = memory.at(sock, "sock", queue)
        found: list[Record] = []
        packet = memory.word(head)
        while packet != head:
            found.append(memory.record(packet, "sk_buff"))
            if len(found) > _MOST:
                raise _unclear("a socket's queue has no end")
            packet = found[-1].number("next")
        return found

    def control(self, packet: Record, structure: str, member: str, length: int = 8) -> int:
        """A number of the protocol's own part of a packet, `cb`, which is such a structure."""
        at = self._cb + self.memory.at(0, structure, member)
        return int.from_bytes(packet.content[at : at + length], "little")

    def read_data(self, packet: Record, *, from_transport: bool = False) -> bytes:
        """All bytes of a packet; `from_transport`: those from its transport header on."""
        memory = self.memory
        total, rest = packet.number("len", 4), packet.number("data_len", 4)
        head, start = packet.number("head"), packet.number("data")
        skipped = 0
        if from_transport:
            skipped = head + packet.number("transport_header", 2) - start
        if rest > total or not 0 <= skipped <= total - rest:
            raise _unclear("a packet's lengths make no sense")
        pieces = [memory.block(start + skipped, total - rest - skipped)]
        if rest:
            pieces += self._read_rest(head + packet.number("end", 4))
        found = b"".join(pieces)
        if len(found) != total - skipped:
            raise _unclear("a packet is not as long as it says")
        return found

    def _read_rest(self, shared: int) -> Iterator[bytes]:
        """What a struct skb_shared_info leads to."""
        memory = self.memory
        count = memory.word(memory.at(shared, "skb_shared_info", "nr_frags")) & 0xFF
        frags = memory.at(shared, "skb_shared_info", "frags")
        for page, length, offset in _FRAG.iter_unpack(memory.block(frags, count * _FRAG.size)):
            if page & 1:
                raise _unclear("a packet lies in a device's memory")
            if self._pages is None:
                self._pages = KernelPages(memory)
            yield memory.block(self._pages.address(page) + offset, length)
        further = memory.pointer(shared, "skb_shared_info", "frag_list")
        while further:
            packet = memory.record(further, "sk_buff")
            yield self.read_data(packet)
            further = packet.number("next")


def _unclear(because: str) -> MissingFeature:
    return MissingFeature("Cannot look into the kernel", because=because)
