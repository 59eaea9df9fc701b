"""What a dump asks of every socket, of hundreds at once: crtools.kinds.files.questions.

Of unix sockets, of which a program may have thousands, that is all there is to ask of most: who the
peer is too, and what is in the queue of a stream, as long as that is bytes and no more of them than
there is room for here. All else is read by crtools.kinds.files.unix_queue, which says how looking
into a queue changes nothing.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.abi.socket import (
    AF_UNIX,
    MSG_DONTWAIT,
    MSG_PEEK,
    SO_DOMAIN,
    SO_GET_FILTER,
    SO_NETNS_COOKIE,
    SO_OOBINLINE,
    SO_PEEK_OFF,
    SO_PROTOCOL,
    SO_RESERVE_MEM,
    SO_REUSEPORT,
    SO_TXREHASH,
    SO_TYPE,
    SO_ZEROCOPY,
    SOCK_CLOEXEC,
    SOCK_STREAM,
    SOL_SOCKET,
)
from crtools.abi.x86_64 import (
    SYS_getsockopt,
    SYS_ioctl,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_setsockopt,
    SYS_socket,
)
from crtools.kinds.files.questions import Questions, was_asked
from crtools.kinds.files.socket_options import OTHERS, SOCKET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crtools.kinds.files.socket_options import Option

SO_PEERCRED, SO_PEERGROUPS = 17, 59  # asm-generic/socket.h
SIOCATMARK, SIOCINQ = 0x8905, 0x541B  # asm-generic/sockios.h, linux/sockios.h
MSG_OOB = 1
_ROOM_BYTES = 4096  # of a queue
_MOST_GROUPS = 64
_HEADER = struct.Struct("<QI4xQQQQI4x")  # struct msghdr
_VECTOR = struct.Struct("<QQ")  # struct iovec
_NOBODY = struct.pack("<iII", 0, 0xFFFFFFFF, 0xFFFFFFFF)  # struct ucred of a socket without a peer
_U32 = struct.Struct("<I")
_I64 = struct.Struct("<q")


# Options that many a kernel lets no unix socket have: whether it does depends on the family alone.
_PERHAPS_FOREIGN = tuple(
    (SOL_SOCKET, number) for number in (SO_REUSEPORT, SO_ZEROCOPY, SO_RESERVE_MEM, SO_TXREHASH)
)


def _find_foreign() -> list[Option]:
    """Those of them that this kernel refuses to set."""
    fd = kernel.raw(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
    if fd < 0:
        return []
    value = (1).to_bytes(4, "little")
    at = kernel.address_of(value)
    refused = [
        option
        for option in _PERHAPS_FOREIGN
        if kernel.raw(SYS_setsockopt, fd, *option, at, 4) in (-errno.EOPNOTSUPP, -errno.ENOPROTOOPT)
    ]
    os.close(fd)
    return refused


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little")


class SocketQuestions:
    """The questions, and where in an answer is what."""

    def __init__(self) -> None:
        q = self.questions = Questions()
        self.domain = q.reserve(bytes(4))
        self.type = q.reserve(bytes(4))
        self.protocol = q.reserve(bytes(4))
        self.cookie = q.reserve(bytes(8))  # Linux 5.14
        self.options = q.reserve(SOCKET.defaults)
        self.peek = self.options + SOCKET.places[SOL_SOCKET, SO_PEEK_OFF][0]
        self.inline = self.options + SOCKET.places[SOL_SOCKET, SO_OOBINLINE][0]
        self.others = q.reserve(OTHERS.defaults)
        self.filter = q.reserve(bytes(4))
        self.filter_answer = q.reserve_answer()
        self.creds = q.reserve(_NOBODY)
        self.groups = q.reserve(bytes(4 * _MOST_GROUPS))
        self.groups_length = q.reserve(_number(4 * _MOST_GROUPS))
        self.groups_answer = q.reserve_answer()
        self.end = len(q.blank)  # from `options` on: two sockets that agree there are alike
        for place, number, length in (
            (self.domain, SO_DOMAIN, 4),
            (self.type, SO_TYPE, 4),
            (self.protocol, SO_PROTOCOL, 4),
            (self.cookie, SO_NETNS_COOKIE, 8),
        ):
            self._ask_option(number, place, q.reserve(_number(length)))
        foreign = _find_foreign()
        SOCKET.ask(q, self.options, [option for option in SOCKET.places if option not in foreign])
        q.skip(len(foreign), self.domain, AF_UNIX)
        SOCKET.ask(q, self.options, foreign)
        OTHERS.ask(q, self.others, OTHERS.places)
        # Counts in instructions: there is room for none, so that it tells how many there are.
        q.ask(
            *(SYS_getsockopt, SOL_SOCKET, SO_GET_FILTER, 0, self.filter),
            inside=(3,),
            answer=self.filter_answer,
        )
        self._ask_unix()

    def _ask_option(self, number: int, place: int, length: int, answer: int = 0) -> None:
        self.questions.ask(
            *(SYS_getsockopt, SOL_SOCKET, number, place, length), inside=(2, 3), answer=answer
        )

    def _ask_unix(self) -> None:
        q = self.questions
        length = q.reserve(_number(len(_NOBODY)))
        self.queued = q.reserve(bytes(4))
        self.mark = q.reserve(bytes(4))
        self.urgent = q.reserve_answer()
        self.got = q.reserve_answer()
        byte = q.reserve(bytes(1))
        vector = q.reserve(_VECTOR.pack(0, _ROOM_BYTES))
        self.header = q.reserve(_HEADER.pack(0, 0, 0, 1, 0, 0, 0))
        room = q.reserve_room(_ROOM_BYTES)
        q.skip(11, self.domain, AF_UNIX, unless=True)
        self._ask_option(SO_PEERCRED, self.creds, length)
        self._ask_option(SO_PEERGROUPS, self.groups, self.groups_length, self.groups_answer)
        q.skip(8, self.type, SOCK_STREAM, unless=True)
        # To peek moves where the next one begins, if the program has set that.
        q.skip(7, self.peek, -1, unless=True)
        q.ask(SYS_ioctl, SIOCINQ, self.queued, inside=(1,))
        # A stream without anything in it would give up its error (SO_ERROR) to whoever peeks.
        q.skip(5, self.queued, 0)
        q.ask(SYS_ioctl, SIOCATMARK, self.mark, inside=(1,))
        q.ask(
            *(SYS_recvfrom, byte, 1, MSG_OOB | MSG_PEEK | MSG_DONTWAIT),
            inside=(0,),
            answer=self.urgent,
        )
        q.write_address(self.header + 16, vector)
        q.write_address(vector, room)
        q.ask(*(SYS_recvmsg, self.header, MSG_PEEK | MSG_DONTWAIT), inside=(0,), answer=self.got)

    def put(self, pidfd: int, fds: Sequence[int]) -> Iterator[Answers]:
        """The answers of sockets of the process that `pidfd` is of. Raises OSError."""
        for record, room in self.questions.put(pidfd, fds):
            yield Answers(self, record, room)

    def parse(self, record: bytes, room: memoryview) -> Answers:
        """Those that Questions.put has given of one socket."""
        return Answers(self, record, room)


class Answers:
    """Those of one socket."""

    __slots__ = ("_at", "content", "record")

    def __init__(self, at: SocketQuestions, record: bytes, room: memoryview) -> None:
        self._at = at
        self.record = record
        # What a stream holds: None where there is more to it, or nobody has looked.
        self.content: bytes | None = None
        got = _I64.unpack_from(record, at.got)[0]
        if (
            got > 0
            and record[at.queued : at.queued + 4] == _number(got)
            # Control messages, for which there was no room, are told of: MSG_CTRUNC.
            and not any(record[at.header + 48 : at.header + 52])
            and not any(record[at.mark : at.mark + 4])
            and _I64.unpack_from(record, at.urgent)[0] in _NOTHING_URGENT
            and not any(record[at.inline : at.inline + 4])
        ):
            self.content = bytes(room[:got])

    @property
    def identity(self) -> bytes:
        """What `socket` and `cookie` are made from."""
        return self.record[self._at.domain : self._at.options]

    @property
    def socket(self) -> tuple[int, int, int]:
        """Family (AF_*), type (SOCK_*), protocol."""
        record, at = self.record, self._at
        unpack = _U32.unpack_from
        return (
            unpack(record, at.domain)[0],
            unpack(record, at.type)[0],
            unpack(record, at.protocol)[0],
        )

    @property
    def cookie(self) -> bytes:
        """Of the network namespace; zeros where the kernel does not tell."""
        return self.record[self._at.cookie : self._at.cookie + 8]

    @property
    def options(self) -> bytes:
        """As socket_options.SOCKET.read gives them."""
        return self.record[self._at.options : self._at.others]

    @property
    def others(self) -> bytes:
        """As socket_options.OTHERS.read gives them."""
        return self.record[self._at.others : self._at.filter]

    @property
    def alike(self) -> bytes:
        """All that is the same of sockets that were made and set in the same way: options and the
        peer's credentials, as far as `are_alike` says that these are all."""
        return self.record[self._at.options : self._at.end]

    @property
    def are_alike(self) -> bool:
        """Whether those that agree in `alike` do so in all of it."""
        return not self.has_filter and self.peer is not None

    @property
    def has_filter(self) -> bool:
        """Whether it has a filter, or nobody knows."""
        record, at = self.record, self._at
        return any(record[at.filter : at.creds])

    @property
    def peer(self) -> tuple[bytes, bytes] | None:
        """The credentials of a unix socket's peer (struct ucred) and the groups (32-bit each), as
        SO_PEERCRED and SO_PEERGROUPS tell; None where there are too many groups for that."""
        record, at = self.record, self._at
        answer = _I64.unpack_from(record, at.groups_answer)[0]
        if answer == -errno.ERANGE or not was_asked(answer):
            return None
        length = _U32.unpack_from(record, at.groups_length)[0] if answer >= 0 else 0
        return record[at.creds : at.creds + 12], record[at.groups : at.groups + length]


# Nothing was sent with MSG_OOB, or this kernel's unix sockets do not know that (before Linux 5.15).
# One that has SO_OOBINLINE says the same whatever there is.
_NOTHING_URGENT = (-errno.EINVAL, -errno.EOPNOTSUPP)
