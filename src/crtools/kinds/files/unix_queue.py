"""What lies in a unix socket's receive queue: read without taking it out.

recvmsg(2) with MSG_PEEK gives the first message of a datagram or seqpacket socket, and of a stream
all up to the first descriptors that were sent, or to what another process sent where credentials
are wanted (SO_PASSCRED). What comes after that is only seen with SO_PEEK_OFF, an option of the open
file, so of the program: while the rest is being read it has another value. Should the tool be
killed within these microseconds, a later MSG_PEEK of the program would begin there (decision 1).

Facts: unix(7), socket(7), net/unix/af_unix.c (unix_stream_read_generic, manage_oob,
__unix_dgram_recvmsg), net/core/datagram.c (__skb_try_recv_from_queue), net/core/scm.c.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.abi.x86_64 import SYS_getsockopt, SYS_ioctl, SYS_poll, SYS_recvmsg, SYS_setsockopt
from crtools.procfs.status import read_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import DumpContext, OpenFile
    from crtools.procfs.unix_diag import UnixSocket

SOL_SOCKET = 1  # asm-generic/socket.h
SO_OOBINLINE, SO_PEEK_OFF = 10, 42
SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET = 1, 2, 5  # linux/net.h
MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_DONTWAIT, MSG_CMSG_CLOEXEC = 1, 2, 0x20, 0x40, 0x40000000
MSG_CTRUNC = 8
SCM_RIGHTS, SCM_CREDENTIALS, SCM_SECURITY, SCM_PIDFD = 1, 2, 3, 4  # linux/socket.h
SCM_MAX_FD = 253  # include/net/scm.h
POLLIN, POLLPRI, POLLERR = 1, 2, 8  # asm-generic/poll.h
SIOCATMARK = 0x8905  # asm-generic/sockios.h
NO_ID = 0xFFFFFFFF

_CONTROL_BYTES = 2048
_FIRST_BYTES = 64 << 10
_HEADER = struct.Struct("<QIxxxxQQQQixxxx")  # struct msghdr
_CMSG = struct.Struct("<Qii")  # struct cmsghdr
_CREDS = struct.Struct("<iII")  # struct ucred
_IOVEC = struct.Struct("<QQ")
_POLL = struct.Struct("<ihh")
_NAME_BYTES = 112
# Thousands of queues are read one after the other.
_room = bytearray(_FIRST_BYTES)
_name = bytearray(_NAME_BYTES)
_control = bytearray(_CONTROL_BYTES)
_header = bytearray(_HEADER.size)
_vector = bytearray(_IOVEC.size)
_room_at, _name_at, _control_at = map(kernel.address_of, (_room, _name, _control))
_header_at, _vector_at = kernel.address_of(_header), kernel.address_of(_vector)


class Creds:
    """Credentials as the tool's namespaces have them. pid 0: a process that has no number here."""

    __slots__ = ("gid", "groups", "pid", "uid")

    def __init__(self, pid: int, uid: int, gid: int, groups: tuple[int, ...] = ()) -> None:
        self.pid = pid
        self.uid = uid
        self.gid = gid
        self.groups = groups

    @property
    def key(self) -> tuple[int, int, int, tuple[int, ...]]:
        return self.pid, self.uid, self.gid, self.groups


class Packet:
    """A message, or a piece of a stream that is not to be joined with its neighbours.

    `rights` are descriptors of this process until somebody takes them over. `source` is the
    sender's address. `urgent`: a byte sent with MSG_OOB; `mark`: where such a byte was, which has
    been received.
    """

    __slots__ = ("creds", "data", "mark", "rights", "source", "urgent")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.rights: list[int] = []
        self.creds: Creds | None = None
        self.source = b""
        self.urgent = False
        self.mark = False


def poll(fd: int) -> int:
    """What poll(2) says at once: POLLIN, POLLPRI, POLLERR."""
    buffer = bytearray(_POLL.pack(fd, POLLIN | POLLPRI, 0))
    if kernel.checked(SYS_poll, kernel.address_of(buffer), 1, 0) == 0:
        return 0
    return int(_POLL.unpack(buffer)[2])


def read_number(fd: int, option: int) -> int | None:
    """A number that is an option of level SOL_SOCKET, None if the kernel has no such option."""
    value, length = bytearray(4), bytearray(b"\4\0\0\0")
    result = kernel.raw(
        *(SYS_getsockopt, fd, SOL_SOCKET, option),
        *(kernel.address_of(value), kernel.address_of(length)),
    )
    return None if result < 0 else int.from_bytes(value, "little", signed=True)


def set_number(fd: int, option: int, number: int) -> None:
    value = number.to_bytes(4, "little", signed=True)
    kernel.checked(SYS_setsockopt, fd, SOL_SOCKET, option, kernel.address_of(value), 4)


class Reader:
    """Reads the queue of one socket by a borrowed descriptor. What it takes over of descriptors in
    flight it closes, but for those of the packets that it gives."""

    def __init__(self, context: DumpContext, file: OpenFile, fd: int, socket: UnixSocket) -> None:
        self.context = context
        self.file = file
        self.fd = fd
        self.socket = socket
        self.usual = read_number(fd, SO_PEEK_OFF)
        self._moved = False
        self._room = _room if socket.queued < len(_room) else bytearray(socket.queued + 1)

    def read(self) -> list[Packet]:
        """All that is in the queue. Raises UnsupportedObject."""
        try:
            if self.socket.type == SOCK_STREAM:
                return self._read_stream()
            return self._read_messages()
        finally:
            # The option is the program's.
            if self._moved:
                set_number(self.fd, SO_PEEK_OFF, -1 if self.usual is None else self.usual)

    # --- Messages ---

    def _read_messages(self) -> list[Packet]:
        if not poll(self.fd) & POLLIN:
            return []
        if poll(self.fd) & POLLERR:
            raise self.context.refuse(
                self.file,
                "an error waits for the program to take it (SO_ERROR)",
                "to look into its queue would take it",
                "dump when the program has read from it",
            )
        packets: list[Packet] = []
        try:
            self._seek(0)
            # A seqpacket socket that reads nothing more answers with nothing for ever, as it does
            # to an empty message. Of these the last ones cannot be told from the end.
            ends = self.socket.type == SOCK_SEQPACKET and bool(self.socket.shutdown & 1)
            seen = 0
            while not ends or seen < self.socket.queued:
                packet = self._receive(MSG_PEEK)
                if packet is None:
                    break
                packets.append(packet)
                seen += len(packet.data)
            return packets
        except BaseException:
            close_all(packets)
            raise

    # --- Streams ---

    def _read_stream(self) -> list[Packet]:
        packets: list[Packet] = []
        try:
            self._read_pieces(packets)
        except BaseException:
            close_all(packets)
            raise
        return packets

    def _read_pieces(self, packets: list[Packet]) -> None:
        left = self.socket.queued
        urgent = bool(poll(self.fd) & POLLPRI)
        at_mark = self._is_at_mark()
        inline = (urgent or at_mark) and bool(read_number(self.fd, SO_OOBINLINE))
        byte = b""
        if urgent and not inline:
            packet = self._receive(MSG_OOB | MSG_PEEK)
            byte = packet.data if packet is not None else b""
        if at_mark and not urgent:
            packets.append(_mark())
        elif at_mark and not inline:
            # It is passed over by whatever is read from here on.
            packets.append(_urgent(byte))
            left -= 1
            urgent = False
        at = 0
        while at < left:
            if at or self.usual not in (-1, None):
                self._seek(at)
            packet = self._receive(MSG_PEEK)
            if packet is None or not packet.data:
                raise self.context.refuse(
                    self.file,
                    f"{left - at} bytes of its queue cannot be seen",
                    "the kernel counts them and does not show them",
                    "dump when the program has read them",
                )
            before = packets[-1] if packets else None
            joined = before is not None and not before.rights and not before.mark
            if (urgent and at_mark and not at) or (
                urgent and joined and before is not None and _same_creds(before, packet)
            ):
                # What is read here begins with the urgent byte, and goes on after it.
                if byte and packet.data[:1] != byte:
                    raise self._unclear()
                urgent = False
                first = _urgent(packet.data[:1])
                first.creds = packet.creds
                packets.append(first)
                packet.data = packet.data[1:]
                at += 1
                if not packet.data and not packet.rights:
                    continue
            elif (
                joined and before is not None and not before.urgent and _same_creds(before, packet)
            ):
                packets.append(_mark())
            packets.append(packet)
            start, at = at, at + len(packet.data)
            if packet.rights:
                self._split(packets, start)
        if urgent:
            raise self._unclear()

    def _unclear(self) -> Exception:
        return self.context.refuse(
            self.file,
            "it holds an urgent byte (MSG_OOB) whose place in the queue cannot be told",
            "descriptors were sent right before it",
            "dump when the program has read them",
        )

    def _split(self, packets: list[Packet], start: int) -> None:
        """Descriptors come with the last piece of what was read with them: a shorter read ends
        before them. Looks for where that piece begins.

        The kernel copies piece by piece. Without room for the last byte of all (its address leads
        nowhere) it ends before the last piece.
        """
        packet = packets[-1]
        length = len(packet.data)
        if length < 2:
            return
        self._seek(start)
        vectors = _IOVEC.pack(kernel.address_of(self._room), length - 1) + _IOVEC.pack(0, 1)
        header = bytearray(_HEADER.size)
        _HEADER.pack_into(header, 0, 0, 0, kernel.address_of(vectors), 2, 0, 0, 0)
        before = kernel.raw(
            SYS_recvmsg, self.fd, kernel.address_of(header), MSG_PEEK | MSG_DONTWAIT
        )
        if 0 < before < length:
            first = Packet(packet.data[:before])
            first.creds = packet.creds
            packets.insert(-1, first)
            packet.data = packet.data[before:]

    def _is_at_mark(self) -> bool:
        answer = bytearray(4)
        result = kernel.raw(SYS_ioctl, self.fd, SIOCATMARK, kernel.address_of(answer))
        return result == 0 and any(answer)

    # --- One recvmsg ---

    def _seek(self, at: int) -> None:
        self._moved = True
        set_number(self.fd, SO_PEEK_OFF, at)

    def _receive(self, flags: int) -> Packet | None:
        """What one recvmsg gives; None if there is nothing (more)."""
        while True:
            room, header = self._room, _header
            _IOVEC.pack_into(
                _vector, 0, _room_at if room is _room else kernel.address_of(room), len(room)
            )
            _HEADER.pack_into(
                *(header, 0, _name_at, _NAME_BYTES, _vector_at, 1),
                *(_control_at, _CONTROL_BYTES, 0),
            )
            got = kernel.raw(
                *(SYS_recvmsg, self.fd, _header_at),
                flags | MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC,
            )
            if got == -errno.EAGAIN or (got == -errno.EINVAL and flags & MSG_OOB):
                return None
            if got < 0:
                raise OSError(-got, os.strerror(-got))
            _, name_length, _, _, _, control_length, told = _HEADER.unpack(header)
            packet = Packet(bytes(room[: min(got, len(room))]))
            if control_length:
                self._take_control(packet, control_length)
            if told & MSG_CTRUNC:
                close_all([packet])
                raise self.context.refuse(
                    self.file,
                    "crtools cannot have all descriptors that are in flight to it",
                    "its own number of them is limited (RLIMIT_NOFILE)",
                    "ulimit -n, a larger one",
                )
            if got <= len(room) or self.socket.type == SOCK_STREAM:
                if name_length > 2:
                    packet.source = bytes(_name[2:name_length])
                return packet
            # A message that is longer: what was seen of it has moved the offset.
            close_all([packet])
            self._seek((read_number(self.fd, SO_PEEK_OFF) or 0) - len(room))
            self._room = bytearray(got)

    def _take_control(self, packet: Packet, length: int) -> None:
        control = _control
        at = 0
        pidfd = -1
        while at + _CMSG.size <= length:
            size, _, kind = _CMSG.unpack_from(control, at)
            if size < _CMSG.size:
                break
            start, end = at + _CMSG.size, at + size
            if kind == SCM_RIGHTS:
                count = (end - start) // 4
                packet.rights += struct.unpack_from(f"<{count}i", control, start)
            elif kind == SCM_CREDENTIALS:
                packet.creds = Creds(*_CREDS.unpack_from(control, start))
            elif kind == SCM_PIDFD:
                pidfd = struct.unpack_from("<i", control, start)[0]
            at += size + 7 & ~7
        if pidfd >= 0:
            if packet.creds is None:
                packet.creds = self._creds_of(pidfd)
            os.close(pidfd)

    def _creds_of(self, pidfd: int) -> Creds:
        """SO_PASSPIDFD alone tells which process, and not under which ids it sent."""
        with open(f"/proc/self/fdinfo/{pidfd}", "rb") as info:
            pid = int(info.read().partition(b"\nPid:\t")[2].split(b"\n")[0] or 0)
        try:
            status = read_status(self.context.proc, pid)
        except OSError:
            return Creds(max(pid, 0), os.geteuid(), os.getegid())
        return Creds(pid, status.uids[1], status.gids[1])


def close_all(packets: list[Packet]) -> None:
    for packet in packets:
        for fd in packet.rights:
            os.close(fd)
        packet.rights = []


def _mark() -> Packet:
    packet = Packet(b"")
    packet.mark = True
    return packet


def _urgent(byte: bytes) -> Packet:
    packet = Packet(byte)
    packet.urgent = True
    return packet


def _same_creds(one: Packet, other: Packet) -> bool:
    return (one.creds and one.creds.key) == (other.creds and other.creds.key)
