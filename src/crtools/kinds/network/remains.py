"""What is there already where sockets of TCP are to be again: sock_diag(7) tells of it.

A connection may be left in TIME_WAIT, or wait for an answer of the peer that was locked away when
it was closed. What nobody has is ended (SOCK_DESTROY, Linux 4.5, CONFIG_INET_DIAG_DESTROY); what
somebody has is a conflict.
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.abi.socket import AF_INET, AF_INET6, AF_NETLINK, IPPROTO_TCP, SOCK_CLOEXEC, SOCK_RAW
from crtools.abi.tcp import TCP_LISTEN
from crtools.abi.x86_64 import SYS_socket
from crtools.errors import RestoreConflict
from crtools.kinds.network.names import bare, show
from crtools.procfs.sock_diag import NETLINK_SOCK_DIAG, read_diag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from crtools.kinds.network.nftables import Connection

SOCK_DESTROY = 21  # linux/sock_diag.h
_REQUEST, _ACK = 1, 4  # NLM_F_*
_HEADER = struct.Struct("<IHHII")
_DIAG = struct.Struct("<4BI")  # struct inet_diag_req_v2, but for the socket's id
_ID = slice(4, 52)  # of struct inet_diag_msg
_U32 = struct.Struct("<I")
_STATES = 0xFFF  # all


class Row:
    """A TCP socket, as struct inet_diag_msg has it."""

    __slots__ = ("connection", "family", "id", "inode", "state")

    def __init__(self, row: bytes) -> None:
        self.family, self.state = row[0], row[1]
        self.id = row[_ID]
        length = 4 if self.family == AF_INET else 16
        ours, theirs = row[8 : 8 + length], row[24 : 24 + length]
        port, peer = int.from_bytes(row[4:6], "big"), int.from_bytes(row[6:8], "big")
        self.connection: Connection = (bare(ours), port, bare(theirs), peer)
        self.inode: int = _U32.unpack_from(row, 68)[0]


def clear_remains(
    connections: Collection[Connection], listeners: Mapping[tuple[int, bytes], bool]
) -> set[int]:
    """Ends what is left of `connections`, which are locked: nobody hears of it. The ports that
    somebody listens at.

    `listeners` are ports and addresses to listen at, and whether others may do so too
    (SO_REUSEPORT). Raises RestoreConflict where somebody has one of the connections, or listens
    where nobody else may.
    """
    found = []
    ports = set()
    for family in (AF_INET, AF_INET6):
        request = _DIAG.pack(family, IPPROTO_TCP, 0, 0, _STATES) + bytes(48)
        for message in read_diag(request):
            row = Row(message)
            if row.connection in connections:
                if row.inode:
                    raise _in_use(row)
                found.append(row)
            elif row.state == TCP_LISTEN:
                address, port, *_ = row.connection
                ports.add(port)
                for (other, ours), shared in listeners.items():
                    both = address == ours or not any(address) or not any(ours)
                    if port == other and both and not shared:
                        raise RestoreConflict(
                            f"Somebody listens at {show(address, port)} already",
                            because=f"a process has a TCP socket there, with inode {row.inode}",
                            hint="end that before the restore",
                        )
    if found:
        _destroy(found)
    return ports


def _in_use(row: Row) -> RestoreConflict:
    ours, port, theirs, peer = row.connection
    return RestoreConflict(
        f"The TCP connection of {show(ours, port)} to {show(theirs, peer)} is there already",
        because=f"a process has it as the socket with inode {row.inode}",
        hint="end that, or restore with --tcp-close",
    )


def _destroy(rows: list[Row]) -> None:
    fd = kernel.checked(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
    try:
        for row in rows:
            request = _DIAG.pack(row.family, IPPROTO_TCP, 0, 0, 1 << row.state) + row.id
            length = _HEADER.size + len(request)
            head = _HEADER.pack(length, SOCK_DESTROY, _REQUEST | _ACK, 1, 0)
            os.write(fd, head + request)
            # Whether it had ended by itself, or this kernel cannot: making them tells.
            os.read(fd, 4096)
    finally:
        os.close(fd)
