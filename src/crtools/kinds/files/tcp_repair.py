"""What only repair mode tells of TCP connections: sequence numbers, windows, queues.

TCP_REPAIR (Linux 3.5, net/ipv4/tcp.c) shows both queues of a connection to MSG_PEEK. A connection
in that mode sends nothing by itself and cannot be used, so it must not be left in it:
`kernel.calls_apart` gets it out again even if the tool is killed meanwhile. Leaving it makes the
kernel forget SO_REUSEADDR (sk_reuse), which is set again.

Whoever calls sees to it that nothing comes in or goes out meanwhile.
"""

from __future__ import annotations

import errno
import struct

from crtools.abi import kernel
from crtools.abi.socket import (
    IPPROTO_TCP,
    MSG_DONTWAIT,
    MSG_PEEK,
    SO_PEEK_OFF,
    SO_REUSEADDR,
    SOL_SOCKET,
)
from crtools.abi.tcp import (
    SIOCINQ,
    SIOCOUTQ,
    SIOCOUTQNSD,
    TCP_MAXSEG,
    TCP_QUEUE_SEQ,
    TCP_RECV_QUEUE,
    TCP_REPAIR,
    TCP_REPAIR_OFF_NO_WP,
    TCP_REPAIR_ON,
    TCP_REPAIR_QUEUE,
    TCP_REPAIR_WINDOW,
    TCP_SEND_QUEUE,
    TCP_TIMESTAMP,
)
from crtools.abi.x86_64 import (
    SYS_getsockopt,
    SYS_ioctl,
    SYS_mmap,
    SYS_munmap,
    SYS_recvfrom,
    SYS_setsockopt,
)
from crtools.errors import InternalError, PermissionDenied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ROW = struct.Struct("<7q")
_I32 = struct.Struct("<i")
# Of a connection: both sequence numbers, mss, timestamp, struct tcp_repair_window.
_ANSWERS = struct.Struct("<9I")
_ROWS = 14
# What leaves a send queue are whole buffers: the first one may begin before what the peer has
# acknowledged, and recv(2) wants room for all of it. A buffer has 17 fragments of 32 KiB at most
# (MAX_SKB_FRAGS, SKB_FRAG_PAGE_ORDER) and its head.
_SLACK = 18 << 15
_PEEK = MSG_PEEK | MSG_DONTWAIT


class Connection:
    """What repair mode tells of the connection behind `fd`.

    Sequence numbers are those of the next byte to be received and to be written; a FIN counts as
    one. `pending` bytes are there to be read, `outstanding` ones not acknowledged, a FIN included;
    the last `unsent` of these have not been sent. `sending` may begin before what is outstanding.
    `window` is struct tcp_repair_window: snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup.
    """

    __slots__ = (
        *("fd", "mss", "outstanding", "peek_offset", "pending", "received", "receive_seq", "reuse"),
        *("send_seq", "sending", "timestamp", "unsent", "window"),
    )

    def __init__(self, fd: int, *, reuse: int, peek_offset: int) -> None:
        self.fd = fd
        self.reuse = reuse
        self.peek_offset = peek_offset
        self.pending = ask_queue(fd, SIOCINQ)
        self.outstanding = ask_queue(fd, SIOCOUTQ)
        self.unsent = ask_queue(fd, SIOCOUTQNSD)
        self.received = self.sending = b""
        self.receive_seq = self.send_seq = self.mss = self.timestamp = 0
        self.window = (0, 0, 0, 0, 0)

    @property
    def room(self) -> int:
        return self.pending + (self.outstanding + _SLACK if self.outstanding else 0)


_number = bytearray(4)
_number_at = kernel.address_of(_number)


def ask_queue(fd: int, request: int) -> int:
    """How many bytes are in a queue: SIOCINQ and the like. Raises OSError."""
    kernel.checked(SYS_ioctl, fd, request, _number_at)
    return int.from_bytes(_number, "little")


def read_connections(connections: Sequence[Connection], describe: Callable[[int], str]) -> None:
    """Fills in the connections, all in repair mode one after the other. What `received` has may be
    less than `pending`: then there is urgent data. describe(index) is what errors call one. Raises
    PermissionDenied."""
    length = sum([connection.room for connection in connections]) or 1
    room = kernel.checked(SYS_mmap, 0, length, 3, 0x22, 0xFFFFFFFFFFFFFFFF)  # private, anonymous
    try:
        _read(connections, room, describe)
    finally:
        kernel.checked(SYS_munmap, room, length)


def _read(connections: Sequence[Connection], room: int, describe: Callable[[int], str]) -> None:
    answers = bytearray(_ANSWERS.size * len(connections))
    values = bytearray(b"".join([_I32.pack(value) for value in _VALUES]))
    lengths = bytearray()
    own = bytearray()  # values that are a connection's own
    for connection in connections:
        own += _I32.pack(connection.peek_offset) + _I32.pack(connection.reuse)
        lengths += _I32.pack(4) * 4 + _I32.pack(20)
    at = {value: kernel.address_of(values) + 4 * i for i, value in enumerate(_VALUES)}
    rows = bytearray()
    answers_at, lengths_at = kernel.address_of(answers), kernel.address_of(lengths)
    own_at = kernel.address_of(own)
    places = []
    for index, connection in enumerate(connections):
        answer, size = answers_at + _ANSWERS.size * index, lengths_at + 20 * index
        mine = own_at + 8 * index
        sending = connection.room - connection.pending
        received_at, sending_at = room, room + connection.pending
        room = sending_at + sending
        places.append((received_at, sending_at))
        for row in (
            (SYS_setsockopt, IPPROTO_TCP, TCP_REPAIR, at[TCP_REPAIR_ON], 4),
            (SYS_setsockopt, IPPROTO_TCP, TCP_REPAIR_QUEUE, at[TCP_SEND_QUEUE], 4),
            (SYS_getsockopt, IPPROTO_TCP, TCP_QUEUE_SEQ, answer + 4, size),
            (SYS_recvfrom, sending_at, sending, _PEEK, 0),
            (SYS_setsockopt, IPPROTO_TCP, TCP_REPAIR_QUEUE, at[TCP_RECV_QUEUE], 4),
            (SYS_getsockopt, IPPROTO_TCP, TCP_QUEUE_SEQ, answer, size + 4),
            (SYS_getsockopt, IPPROTO_TCP, TCP_MAXSEG, answer + 8, size + 8),
            (SYS_getsockopt, IPPROTO_TCP, TCP_TIMESTAMP, answer + 12, size + 12),
            (SYS_getsockopt, IPPROTO_TCP, TCP_REPAIR_WINDOW, answer + 16, size + 16),
            # A place to peek at (Linux 6.9) would be moved on.
            (SYS_setsockopt, SOL_SOCKET, SO_PEEK_OFF, at[-1], 4),
            (SYS_recvfrom, received_at, connection.pending, _PEEK, 0),
            (SYS_setsockopt, SOL_SOCKET, SO_PEEK_OFF, mine, 4),
            (SYS_setsockopt, IPPROTO_TCP, TCP_REPAIR, at[TCP_REPAIR_OFF_NO_WP], 4),
            (SYS_setsockopt, SOL_SOCKET, SO_REUSEADDR, mine + 4, 4),
        ):
            rows += _ROW.pack(row[0], connection.fd, *row[1:], 0)
    done = kernel.calls_apart(kernel.address_of(rows), _ROWS, len(connections))
    if done != len(connections):
        raise InternalError(f"{done} connections were read of {len(connections)}")
    for index, connection in enumerate(connections):
        results = [
            _ROW.unpack_from(rows, _ROW.size * (_ROWS * index + row))[6] for row in range(_ROWS)
        ]
        _check(results, index, describe)
        numbers = _ANSWERS.unpack_from(answers, _ANSWERS.size * index)
        connection.receive_seq, connection.send_seq = numbers[:2]
        connection.mss, connection.timestamp = numbers[2:4]
        connection.window = numbers[4:]
        received_at, sending_at = places[index]
        if results[10] > 0:
            connection.received = bytes(kernel.view(received_at, results[10]))
        if results[3] > 0:
            connection.sending = bytes(kernel.view(sending_at, results[3]))


_VALUES = (TCP_REPAIR_ON, TCP_SEND_QUEUE, TCP_REPAIR_OFF_NO_WP)


def _check(results: list[int], index: int, describe: Callable[[int], str]) -> None:
    for row, result in enumerate(results):
        if result >= 0:
            continue
        # No place to peek at, on older kernels; nothing to be peeked at.
        if row in (9, 11) or (row == 10 and result == -errno.EAGAIN):
            continue
        if result == -errno.EPERM:
            raise PermissionDenied(
                f"Cannot look into {describe(index)}",
                because="TCP_REPAIR needs CAP_NET_ADMIN in the user namespace of the network",
                hint="run as root, or with CAP_NET_ADMIN",
            )
        raise InternalError(f"Step {row} of reading {describe(index)} failed with errno {-result}")
