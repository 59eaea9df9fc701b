"""All unix sockets of a network namespace, as the kernel tells them by netlink: sock_diag(7).

One request lists them; what it says of one is parsed when somebody asks for it. unix_diag is a
module of its own (net/unix/diag.c, CONFIG_UNIX_DIAG), which the kernel loads if it may.
"""

from __future__ import annotations

import os
import struct

from crtools.abi.socket import AF_UNIX
from crtools.errors import MissingFeature
from crtools.procfs.sock_diag import read_diag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# linux/unix_diag.h
SHOW_NAME, SHOW_VFS, SHOW_PEER, SHOW_ICONS, SHOW_RQLEN = 1, 2, 4, 8, 0x10
_SHOW = SHOW_NAME | SHOW_VFS | SHOW_PEER | SHOW_ICONS | SHOW_RQLEN
_NO_COOKIE = 0xFFFFFFFF  # linux/inet_diag.h: INET_DIAG_NOCOOKIE
UNIX_DIAG_NAME, UNIX_DIAG_VFS, UNIX_DIAG_PEER, UNIX_DIAG_ICONS = 0, 1, 2, 3
UNIX_DIAG_RQLEN, UNIX_DIAG_SHUTDOWN = 4, 6
TCP_ESTABLISHED, TCP_CLOSE, TCP_LISTEN = 1, 7, 10  # net/tcp_states.h: unix sockets have these too

_REQUEST = struct.Struct("<BBHIIIII")  # struct unix_diag_req
_MESSAGE = struct.Struct("<BBBxIII")  # struct unix_diag_msg
_ATTRIBUTE = struct.Struct("<HH")  # struct nlattr
# The usual answer: a socket without a name, in a pair. Heads of attributes are one number each.
_PAIRED = struct.Struct("<xBBxI8xIIIIIIBxxx")
_HEADS = (8 | UNIX_DIAG_PEER << 16, 12 | UNIX_DIAG_RQLEN << 16, 5 | UNIX_DIAG_SHUTDOWN << 16)


class UnixSocket:
    """What the kernel says of one socket.

    `name` is its address without the family: a path, most with a NUL at its end, or an abstract
    name, which begins with one; empty without. `inode` is (device, number) of a path's socket file.
    `peer` is the inode of the socket it is connected to: None if it is not connected, 0 if that
    has no inode, being closed or not accepted yet. `waiting` are the inodes of those that are
    connected to a listening one and not accepted, 0 for closed ones. `queued` are the bytes to be
    read (stream, seqpacket), the first datagram's size, or the connections that wait; `limit` how
    many of these may. `shutdown`: 1: it reads nothing more, 2: it writes nothing more.
    """

    __slots__ = (
        "inode",
        "ino",
        "limit",
        "name",
        "peer",
        "queued",
        "shutdown",
        "state",
        "type",
        "waiting",
    )

    def __init__(self, ino: int, type: int, state: int) -> None:
        self.ino = ino
        self.type = type
        self.state = state
        self.name = b""
        self.inode: tuple[int, int] | None = None
        self.peer: int | None = None
        self.waiting: tuple[int, ...] = ()
        self.queued = 0
        self.limit = 0
        self.shutdown = 0


class UnixSockets:
    """The sockets by inode. A socket that nobody has open (not accepted, closed with a message of
    it still queued) has the inode 0, and is not among them."""

    def __init__(self, answers: Iterable[bytes]) -> None:
        self._answers = {answer[4:8]: answer for answer in answers}
        self._answers.pop(bytes(4), None)

    def ask(self, ino: int) -> UnixSocket | None:
        """The same of a socket that the list lacks (`read_diag` says why): the kernel is asked for
        it alone. Raises OSError."""
        request = _REQUEST.pack(AF_UNIX, 0, 0, 0xFFFFFFFF, ino, _SHOW, _NO_COOKIE, _NO_COOKIE)
        try:
            for answer in read_diag(request, of_one=True):
                self._answers[ino.to_bytes(4, "little")] = answer
        except FileNotFoundError:
            return None
        return self.find(ino)

    def inodes(self) -> list[int]:
        return [int.from_bytes(ino, "little") for ino in self._answers]

    def find(self, ino: int) -> UnixSocket | None:
        answer = self._answers.get(ino.to_bytes(4, "little"))
        return None if answer is None else parse_socket(answer)


def parse_socket(answer: bytes) -> UnixSocket:
    """One struct unix_diag_msg with its attributes."""
    if len(answer) == _PAIRED.size:
        type, state, ino, first, peer, second, queued, limit, third, down = _PAIRED.unpack(answer)
        if (first, second, third) == _HEADS:
            found = UnixSocket(ino, type, state)
            found.peer, found.queued, found.limit, found.shutdown = peer, queued, limit, down
            return found
    _, type, state, ino, _, _ = _MESSAGE.unpack_from(answer)
    found = UnixSocket(ino, type, state)
    at, end = _MESSAGE.size, len(answer)
    unpack, from_bytes = _ATTRIBUTE.unpack_from, int.from_bytes
    while at + 4 <= end:
        length, kind = unpack(answer, at)
        if length < 4:
            break
        value = answer[at + 4 : at + length]
        at += length + 3 & ~3
        if kind == UNIX_DIAG_PEER:
            found.peer = from_bytes(value, "little")
        elif kind == UNIX_DIAG_RQLEN:
            found.queued, found.limit = struct.unpack("<II", value)
        elif kind == UNIX_DIAG_SHUTDOWN:
            found.shutdown = value[0]
        elif kind == UNIX_DIAG_NAME:
            found.name = value
        elif kind == UNIX_DIAG_VFS:
            number, device = struct.unpack("<II", value)
            # The kernel's own form of a device: 20 bits for the minor.
            found.inode = (os.makedev(device >> 20, device & 0xFFFFF), number)
        elif kind == UNIX_DIAG_ICONS:
            found.waiting = struct.unpack(f"<{len(value) // 4}I", value)
    return found


def read_unix_sockets() -> UnixSockets:
    """Asks for all unix sockets of this network namespace. Raises MissingFeature."""
    try:
        return UnixSockets(read_diag(_REQUEST.pack(AF_UNIX, 0, 0, 0xFFFFFFFF, 0, _SHOW, 0, 0)))
    except OSError as error:
        raise MissingFeature(
            "Cannot ask the kernel about unix sockets",
            because=f"sock_diag: {os.strerror(error.errno or 0)}",
            hint="modprobe unix_diag, or a kernel with CONFIG_UNIX_DIAG",
        ) from error
