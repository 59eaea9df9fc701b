"""What the kernel still keeps of connections that nobody has any more, where they are to be again.

A port may be left in TIME_WAIT, and what was closed while its peer was locked away waits for an
answer. Both would be in the way of a restore; sock_diag(7) tells of them and ends them
(SOCK_DESTROY, Linux 4.5, CONFIG_INET_DIAG_DESTROY).
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.abi.socket import AF_INET, AF_INET6, AF_NETLINK, IPPROTO_TCP, SOCK_CLOEXEC, SOCK_RAW
from crtools.abi.tcp import TCP_LISTEN, TCP_TIME_WAIT
from crtools.abi.x86_64 import SYS_socket
from crtools.errors import RestoreConflict
from crtools.kinds.network.names import bare, show
from crtools.procfs.sock_diag import NETLINK_SOCK_DIAG, read_diag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from crtools.kinds.network.nftables import Connection

SOCK_DESTROY = 21  # linux/sock_diag.h
_REQUEST, _ACK = 1, 4  # NLM_F_*
_HEADER = struct.Struct("<IHHII")
_DIAG = struct.Struct("<4BI")  # struct inet_diag_req_v2, but for the socket's id
_ID = slice(4, 52)  # of struct inet_diag_msg
_U32 = struct.Struct("<I")
# All but those that listen, and those that are being made.
_STATES = 0xFFF & ~(1 << TCP_LISTEN)


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


def clear_remains(connections: Collection[Connection], ports: Collection[int]) -> None:
    """Ends what is left of the `connections`, and what waits in TIME_WAIT at one of the `ports`.

    Of the connections, nothing of that is heard where they are locked. Raises RestoreConflict where
    somebody has one of them.
    """
    found = []
    for family in (AF_INET, AF_INET6):
        request = _DIAG.pack(family, IPPROTO_TCP, 0, 0, _STATES) + bytes(48)
        for message in read_diag(request):
            row = Row(message)
            if row.connection in connections:
                if row.inode:
                    raise _in_use(row)
                found.append(row)
            elif row.state == TCP_TIME_WAIT and row.connection[1] in ports:
                found.append(row)
    if found:
        _destroy(found)


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
