"""What sockets of IPv4 and IPv6 have in common that send and receive packets: UDP, ICMP, raw.

getsockname(2) and getpeername(2) tell the addresses, SO_MEMINFO whether anything waits to be sent
or received, poll(2) whether an error does, and udp_diag or raw_diag (crtools.procfs.sock_diag) what
has been shut down. Which groups a socket has joined it tells when it is asked for each that anybody
here has joined (MCAST_MSFILTER; /proc/net/igmp, igmp6).

An error that waits (an ICMP message about what was sent) goes to the first who asks for it,
whatever he asks: so it is left where it is, and refused. What is collected to be sent (UDP_CORK,
MSG_MORE) is the affair of crtools.kinds.files.corked.
"""

from __future__ import annotations

import errno
import os
import struct
import time

from crtools import log
from crtools.abi import kernel
from crtools.abi.fcntl import F_SETFL, O_NONBLOCK
from crtools.abi.inet import MCAST_EXCLUDE, MCAST_JOIN_GROUP, MCAST_MSFILTER
from crtools.abi.socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_ICMP,
    IPPROTO_ICMPV6,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_RAW,
    IPPROTO_UDPLITE,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_RAW,
    SOL_SOCKET,
)
from crtools.abi.x86_64 import (
    SYS_bind,
    SYS_connect,
    SYS_fcntl,
    SYS_getpeername,
    SYS_getsockname,
    SYS_getsockopt,
    SYS_poll,
    SYS_setsockopt,
    SYS_shutdown,
    SYS_socket,
)
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.crtools_socket import SocketMembershipEntry
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.sk_inet import InetSkEntry
from crtools.kinds.files.base import FileDumper, FilePlanner, choose_place
from crtools.kinds.files.inet_options import (
    build_ip_options,
    collect_ip_wanted,
    read_ip_options,
    table_of,
)
from crtools.kinds.files.pipe_buffer import SETTABLE
from crtools.kinds.files.socket_options import (
    build_buffers,
    build_options,
    check_options,
    read_options,
)
from crtools.kinds.files.sockets import refuse_error, sockets_of
from crtools.procfs.sock_diag import parse_attributes, read_diag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from crtools.agent.program import Program
    from crtools.images.messages.crtools_corked import CrtoolsCorkedEntry
    from crtools.kinds.files.base import (
        DumpContext,
        OpenFile,
        PlanContext,
        PlannedFile,
        Programs,
    )
    from crtools.kinds.files.corked import CorkReader
    from crtools.kinds.files.socket_options import Table, Values

TCP_ESTABLISHED, TCP_CLOSE = 1, 7  # net/tcp_states.h: connected or not, whatever the protocol
POLLERR, POLLHUP, POLLRDHUP = 0x8, 0x10, 0x2000  # asm-generic/poll.h
SO_MEMINFO = 55  # asm-generic/socket.h
RCV_SHUTDOWN, SEND_SHUTDOWN = 1, 2  # net/sock.h; the same bits as CRIU's sk_shutdown
_MEMINFO_BYTES = 36
_RECEIVED, _TO_SEND = 0, 2  # linux/sock_diag.h: SK_MEMINFO_RMEM_ALLOC, SK_MEMINFO_WMEM_ALLOC
_SENT_SECONDS = 0.01  # for what a device has not sent yet, and the kernel still counts
INET_DIAG_SHUTDOWN = 8  # linux/inet_diag.h
_DIAG_BYTES = 72  # struct inet_diag_msg
_DIAG_INODE = 68
_LISTS = 4  # how often the kernel is asked for all sockets of a protocol
_NOT_DOWN = struct.pack("<HHB", 5, INET_DIAG_SHUTDOWN, 0)  # struct nlattr
_ADDRESS_BYTES = 28  # struct sockaddr_in6
_LOOPBACK = 1  # net/flow.h: LOOPBACK_IFINDEX
_U32 = struct.Struct("<I")
_STORAGE_BYTES = 128  # struct sockaddr_storage
_LINK_LOCAL = 0xFE80

_rows = bytearray(3 * 56)
_local = bytearray(_ADDRESS_BYTES)
_peer = bytearray(_ADDRESS_BYTES)
_meminfo = bytearray(_MEMINFO_BYTES)
_lengths = bytearray(12)
_FULL = struct.pack("<3I", _ADDRESS_BYTES, _ADDRESS_BYTES, _MEMINFO_BYTES)
_ROW = struct.Struct("<7q")
_lengths_at = kernel.address_of(_lengths)
_rows_at = kernel.address_of(_rows)
_ROW.pack_into(
    *(_rows, 0, SYS_getsockname, kernel.address_of(_local), _lengths_at, 0, 0, 0, 0),
)
_ROW.pack_into(
    *(_rows, 56, SYS_getpeername, kernel.address_of(_peer), _lengths_at + 4, 0, 0, 0, 0),
)
_ROW.pack_into(
    *(_rows, 112, SYS_getsockopt, SOL_SOCKET, SO_MEMINFO, kernel.address_of(_meminfo)),
    *(_lengths_at + 8, 0, 0),
)
_poll = bytearray(8)
_poll_at = kernel.address_of(_poll)
_POLL = struct.Struct("<ihh")


class Address:
    """An address of a socket: `words` as CRIU's messages have them."""

    __slots__ = ("bytes", "flow", "port", "scope")

    def __init__(self, sockaddr: bytes | bytearray) -> None:
        family = int.from_bytes(sockaddr[:2], "little")
        self.port = int.from_bytes(sockaddr[2:4], "big")
        self.flow = self.scope = 0
        if family == AF_INET6:
            self.bytes = bytes(sockaddr[8:24])
            self.flow = int.from_bytes(sockaddr[4:8], "big")
            self.scope = int.from_bytes(sockaddr[24:28], "little")
        else:
            self.bytes = bytes(sockaddr[4:8])

    @property
    def words(self) -> list[int]:
        return list(struct.unpack(f"<{len(self.bytes) // 4}I", self.bytes))


def pack_address(address: bytes, port: int, scope: int = 0) -> bytes:
    """struct sockaddr_in or sockaddr_in6."""
    if len(address) == 4:
        return struct.pack("<H", AF_INET) + port.to_bytes(2, "big") + address + bytes(8)
    return (
        struct.pack("<H", AF_INET6) + port.to_bytes(2, "big") + bytes(4) + address
        + _U32.pack(scope)
    )  # fmt: skip


def show(address: bytes, port: int) -> str:
    """`10.1.2.3:80`, `[2001:db8:0:0:0:0:0:1]:80`."""
    if len(address) == 4:
        return f"{'.'.join(map(str, address))}:{port}"
    words = [f"{int.from_bytes(address[at : at + 2], 'big'):x}" for at in range(0, 16, 2)]
    return f"[{':'.join(words)}]:{port}"


def is_link_local(address: bytes) -> bool:
    return len(address) == 16 and int.from_bytes(address[:2], "big") & 0xFFC0 == _LINK_LOCAL


def find_device(index: int) -> str:
    """The name of a network device. Raises LookupError."""
    for name in os.listdir("/sys/class/net"):
        try:
            if read_index(name) == index:
                return name
        except LookupError:
            continue  # gone meanwhile, or no device
    raise LookupError(index)


def read_index(name: str) -> int:
    """The number of a network device. Raises LookupError."""
    if "/" in name or "\0" in name:
        raise LookupError(name)
    try:
        with open(f"/sys/class/net/{name}/ifindex", "rb") as file:
            return int(file.read())
    except OSError as error:
        raise LookupError(name) from error


class Seen:
    """What is known of a socket while it is dumped."""

    __slots__ = ("corked", "fd", "local", "peer", "received", "revents")

    def __init__(self, fd: int, local: Address, peer: Address | None, received: int) -> None:
        self.fd = fd
        self.corked: CrtoolsCorkedEntry | None = None  # what is collected for a packet
        self.local = local
        self.peer = peer
        self.received = received  # bytes that packets in the queues take, as the kernel counts them
        self.revents = 0


class InetDumper(FileDumper):
    """Dumps such sockets; a kind adds what it has of its own."""

    options: Table  # of the kind's own levels

    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self._corks: CorkReader | None = None
        # By family, type and protocol: what there is in the kernel's tables, by inode.
        self._peers: dict[tuple[int, int, int], dict[int, bytes]] = {}
        self._shut: dict[tuple[int, int, int], ShutDown] = {}

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        assert file.socket is not None
        context = self.context
        family, type, protocol = file.socket
        fd = context.sockets.descriptor(file)
        seen = self._look(file, fd)
        local = seen.local
        peer = seen.peer or self._find_peer(file)
        message = InetSkEntry(
            id=id,
            ino=file.stat.st_ino,
            family=family,
            type=type,
            proto=protocol,
            state=TCP_CLOSE if peer is None else TCP_ESTABLISHED,
            src_port=local.port,
            dst_port=0 if peer is None else peer.port,
            flags=file.flags,
            backlog=0,
            src_addr=local.words,
            dst_addr=[0] * (len(local.bytes) // 4) if peer is None else peer.words,
            fown=context.owner_of(file),
            opts=read_options(context, file, fd, id),
        )
        read_ip_options(context, fd, message)
        context.sockets.add_options(id, self.take_options(message, self.options.read_changed(fd)))
        scope = local.scope or (peer.scope if peer is not None else 0)
        if scope:
            try:
                message.ifname = find_device(scope)
            except LookupError:
                raise context.refuse(
                    file,
                    f"it is bound to an address on network device {scope}, which is gone",
                    "such an address means something on that device only",
                    "let the program bind it again",
                ) from None
        if peer is not None and peer.flow:
            raise context.refuse(
                file,
                "it is a socket that sends a flow label",
                "whoever sets one needs a lease of it, and nobody tells its terms",
                "let the program close it before the dump",
            )
        down = self._find_shutdown(seen, file, family, protocol)
        if down:
            message.shutdown = down
        self._read_memberships(fd, id, family)
        if seen.received:
            self.read_queue(file, id, seen, message)
        if seen.corked is not None:
            seen.corked.id = id
            context.sockets.corked.append(seen.corked)
        return FileEntry(type=FdTypes.INETSK, id=id, isk=message)

    def _find_peer(self, file: OpenFile) -> Address | None:
        """Whom a socket is connected to at port 0, as raw sockets are: getpeername(2) takes them
        for not connected."""
        assert file.socket is not None
        table = self._peers.get(file.socket)
        if table is None:
            name = find_table(*file.socket)
            table = self.context.sockets.facts(name, lambda: read_peers(name))
            self._peers[file.socket] = table
        address = table.get(file.stat.st_ino)
        return None if address is None else Address(pack_address(address, 0))

    def take_options(self, message: InetSkEntry, changed: Values) -> Values:
        """Moves what CRIU's message has fields for from the values there."""
        return changed

    def read_queue(self, file: OpenFile, id: int, seen: Seen, message: InetSkEntry) -> None:
        """Carries the packets that wait to be received, or tells that they are lost."""
        self.context.sockets.entry(id).lost = seen.received
        log.warning(
            "%s: packets that wait to be received are lost",
            self.context.describe(file),
            pid=file.pid,
        )

    def _look(self, file: OpenFile, fd: int) -> Seen:
        """Addresses, and whether something waits. Raises UnsupportedObject."""
        until = 0.0
        corked = None
        while True:
            _lengths[:] = _FULL
            kernel.calls(fd, _rows_at, 3)
            if _ROW.unpack_from(_rows, 0)[6] < 0:
                number = -_ROW.unpack_from(_rows, 0)[6]
                raise OSError(number, os.strerror(number))
            if not struct.unpack_from("<I", _meminfo, 4 * _TO_SEND)[0]:
                break
            # Either it is collected, or with a device that has not sent it yet: that is not the
            # program's affair any more, and has gone in a moment. Who has begun to look into the
            # kernel need not wait for that.
            if self._corks is not None or (until and time.monotonic() > until):
                corked = self._read_corked(file, fd)
                break
            until = until or time.monotonic() + _SENT_SECONDS
            time.sleep(0.001)
        connected = _ROW.unpack_from(_rows, 56)[6] == 0
        received = struct.unpack_from("<I", _meminfo, 4 * _RECEIVED)[0]
        seen = Seen(fd, Address(_local), Address(_peer) if connected else None, received)
        seen.corked = corked
        _POLL.pack_into(_poll, 0, fd, POLLRDHUP, 0)
        kernel.checked(SYS_poll, _poll_at, 1, 0)
        seen.revents = _POLL.unpack(_poll)[2]
        if seen.revents & POLLERR:
            raise refuse_error(self.context, file)
        return seen

    def _read_corked(self, file: OpenFile, fd: int) -> CrtoolsCorkedEntry | None:
        if self._corks is None:
            from crtools.kinds.files.corked import CorkReader

            self._corks = CorkReader(self.context)
        return self._corks.read(file, fd)

    def _find_shutdown(self, seen: Seen, file: OpenFile, family: int, protocol: int) -> int:
        """SHUT_RD and SHUT_WR as bits. Only sock_diag(7) tells of the latter alone."""
        if seen.revents & POLLHUP:
            return RCV_SHUTDOWN | SEND_SHUTDOWN
        if seen.revents & POLLRDHUP:
            return RCV_SHUTDOWN
        assert file.socket is not None
        table = self._shut.get(file.socket)
        if table is None:
            if file.socket[1] == SOCK_RAW:
                protocol = IPPROTO_RAW  # one table has those of all protocols
            name = f"shutdown {family} {protocol}"
            table = self.context.sockets.facts(name, lambda: ShutDown(family, protocol))
            self._shut[file.socket] = table
        return table.find(file.stat.st_ino, listed=seen.local.port > 0)

    def _read_memberships(self, fd: int, id: int, family: int) -> None:
        groups = self.context.sockets.facts("groups", read_groups)
        for index, group in groups:
            if len(group) == 16 and family == AF_INET:
                continue
            found = read_membership(fd, index, group)
            if found is not None:
                mode, sources = found
                entry = self.context.sockets.entry(id)
                membership = SocketMembershipEntry(
                    device=find_device(index), group=group, mode=mode, sources=sources
                )
                entry.memberships = [*entry.memberships, membership]


class ShutDown:
    """Which sockets of a family and protocol have been shut down; none where the kernel does not
    tell."""

    def __init__(self, family: int, protocol: int) -> None:
        self._request = struct.pack("<BBBxI", family, protocol, 0, 0xFFFFFFFF) + bytes(48)
        self._protocol = protocol
        self._listed: set[bytes] = set()  # inodes
        self._found: dict[bytes, int] = {}
        self._left = _LISTS

    def find(self, inode: int, *, listed: bool) -> int:
        """Its bits. A list may lack sockets that are there (`read_diag`), so it is read again, a
        few times at the most in a dump, if this one should be `listed`."""
        key = _U32.pack(inode & 0xFFFFFFFF)
        while self._left and (self._left == _LISTS or (listed and key not in self._listed)):
            self._left -= 1
            self._read()
        return self._found.get(key, 0)

    def _read(self) -> None:
        at, listed = slice(_DIAG_INODE, _DIAG_INODE + 4), self._listed
        try:
            for message in read_diag(self._request):
                key = message[at]
                listed.add(key)
                # The kernel puts this attribute first: one byte, in most cases 0.
                if message.startswith(_NOT_DOWN, _DIAG_BYTES):
                    continue
                attributes = parse_attributes(message, _DIAG_BYTES)
                down = attributes.get(INET_DIAG_SHUTDOWN, b"\0")[0]
                if down:
                    self._found[key] = down
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            self._left = 0
            protocol = self._protocol
            log.debug("the kernel does not tell what is shut down of protocol %d", protocol)


def find_table(family: int, type: int, protocol: int) -> str:
    """The file of /proc/net that has such sockets."""
    names = {IPPROTO_ICMP: "icmp", IPPROTO_ICMPV6: "icmp", IPPROTO_UDPLITE: "udplite"}
    name = "raw" if type == SOCK_RAW else names.get(protocol, "udp")
    return name + "6" if family == AF_INET6 else name


def read_peers(name: str) -> dict[int, bytes]:
    """Whom the sockets of a file of /proc/net are connected to at port 0, by inode."""
    try:
        with open(f"/proc/self/net/{name}", "rb") as file:
            return dict(parse_peers(file.read()))
    except FileNotFoundError:
        return {}


def parse_peers(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Inode and address of each socket that is connected to port 0.

    `1: 0400007F:0001 0100007F:0000 01 00000000:00000000 00:00000000 00000000 0 0 19431 ...`: the
    second address is the peer's, in words of 32 bits as the CPU has them; 01 says that it is
    connected; the tenth word is the inode.
    """
    for line in text.splitlines()[1:]:
        if b":0000 01 " not in line:
            continue
        words = line.split()
        address, _, port = words[2].partition(b":")
        if words[3] == b"01" and port == b"0000":
            pieces = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
            yield int(words[9]), struct.pack(f"<{len(pieces)}I", *pieces)


def read_groups() -> list[tuple[int, bytes]]:
    """The multicast groups that somebody here has joined beside the kernel: device, address."""
    groups = []
    for name, parse in (("igmp", parse_igmp), ("igmp6", parse_igmp6)):
        try:
            with open(f"/proc/self/net/{name}", "rb") as file:
                text = file.read()
        except OSError:
            continue  # without CONFIG_IP_MULTICAST, or IPv6
        groups += [
            (index, group)
            for index, group, users in parse(text)
            if users > 1 or not is_of_the_kernel(group)
        ]
    return groups


def is_of_the_kernel(group: bytes) -> bool:
    """Whether a device joins a group by itself: all nodes, and that of each of its addresses."""
    if len(group) == 4:
        return group == b"\xe0\0\0\x01"
    scope, rest = group[:2], group[2:]
    if scope == b"\xff\x02" and rest.startswith(bytes(9) + b"\x01\xff"):
        return True  # solicited nodes, RFC 4291
    return scope in (b"\xff\x01", b"\xff\x02") and rest == bytes(13) + b"\x01"


def parse_igmp(text: bytes) -> Iterator[tuple[int, bytes, int]]:
    """/proc/net/igmp: device, group, and how often it was joined there.

    Of each device `2 eth0 : 1 V3`, then of each group, indented, `010000E0 1 0:00000000 0`.
    """
    index = 0
    for line in text.splitlines()[1:]:
        words = line.split()
        if line[:1].isdigit():
            index = int(words[0])
        elif len(words) > 1:
            yield index, int(words[0], 16).to_bytes(4, "little"), int(words[1])


def parse_igmp6(text: bytes) -> Iterator[tuple[int, bytes, int]]:
    """/proc/net/igmp6: `1    lo              ff020000000000000000000000000001     1 0000000C 0`."""
    for line in text.splitlines():
        words = line.split()
        yield int(words[0]), bytes.fromhex(words[2].decode("ascii")), int(words[3])


def level_of(group: bytes) -> int:
    return IPPROTO_IP if len(group) == 4 else IPPROTO_IPV6


def read_membership(fd: int, index: int, group: bytes) -> tuple[int, list[bytes]] | None:
    """Mode and sources with which a socket has joined a group; None if it has not.

    struct group_filter: device, group, mode, number of sources, sources.
    """
    room = 16
    while True:
        request = bytearray(144 + room * _STORAGE_BYTES)
        struct.pack_into("<I4x", request, 0, index)
        request[8:136] = pack_address(group, 0).ljust(_STORAGE_BYTES, b"\0")
        struct.pack_into("<2I", request, 136, 0, room)
        length = bytearray(_U32.pack(len(request)))
        result = kernel.raw(
            *(SYS_getsockopt, fd, level_of(group), MCAST_MSFILTER, kernel.address_of(request)),
            kernel.address_of(length),
        )
        if result < 0:
            return None
        mode, count = struct.unpack_from("<2I", request, 136)
        if count <= room:
            break
        room = count
    sources = []
    for at in range(144, 144 + count * _STORAGE_BYTES, _STORAGE_BYTES):
        sources.append(Address(request[at : at + _ADDRESS_BYTES]).bytes)
    return mode, sources


# --- The way back ---


class InetPlanner(FilePlanner):
    """Restores such sockets."""

    options: Table
    noun: str  # "UDP socket"

    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.files: list[PlannedFile] = []

    def add(self, file: PlannedFile) -> None:
        message: InetSkEntry = file.message
        words = 4 if message.family == AF_INET6 else 1
        # CRIU may leave out an address of zeros only.
        for addresses in (message.src_addr, message.dst_addr):
            if len(addresses) not in (0, words):
                raise ImageError(f"Socket {file.id} has an address of {len(addresses)} words")
        if max(message.src_port, message.dst_port) > 0xFFFF:
            raise ImageError(f"Socket {file.id} has an impossible port")
        if (message.shutdown or 0) > 3:
            raise ImageError(f"Socket {file.id} is shut down in an impossible way")
        others = self.others(file)
        check_options(message.opts, others, table_of(message.family), self.options)
        collect_ip_wanted(message, others)
        entry = sockets_of(self.context).entries.get(file.id)
        for membership in entry.memberships if entry is not None else ():
            sizes = {len(address) for address in (membership.group, *membership.sources)}
            if sizes not in ({4}, {16}) or membership.mode > 1 or len(membership.sources) > 4096:
                raise ImageError(f"Socket {file.id} has joined an impossible group")
        corked = sockets_of(self.context).corked.get(file.id)
        if corked is not None:
            from crtools.kinds.files.corked import check_corked

            check_corked(file, corked)
        self.files.append(file)

    def others(self, file: PlannedFile) -> Values:
        return sockets_of(self.context).options(file.id)

    def name(self, file: PlannedFile) -> str:
        message: InetSkEntry = file.message
        return f"the {self.noun} {show(address_of(message.src_addr), message.src_port)}"

    def place(self) -> None:
        choose_place(self.context, self.files)
        for file in sockets_of(self.context).arrange(self.context, self.files):
            self.context.add_job(file.pid, self.make(file))

    def make(self, file: PlannedFile) -> Making:
        """The job that makes a socket."""
        return Making(self, file)

    def check(self, root: int) -> None:
        shortfalls = self.context.shortfalls
        for file in self.files:
            lost = self.lost(file)
            if lost and shortfalls is not None:
                pid, fd, _ = file.users[0]
                shortfalls.report(
                    *(
                        pid,
                        f"task {pid}",
                        f"what waits to be received by {self.name(file)}, fd {fd}",
                    ),
                    wanted=lost,
                    got="nothing",
                    because="nobody can put such packets back",
                )

    def lost(self, file: PlannedFile) -> str:
        """What of a socket's queue is not in the images, "" if it is all there."""
        entry = sockets_of(self.context).entries.get(file.id)
        return f"{entry.lost} bytes of packets" if entry is not None and entry.lost else ""


def address_of(words: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(words)}I", *words) if words else bytes(4)


class Making:
    """Makes one socket, at its number."""

    __slots__ = ("context", "file", "planner")

    def __init__(self, planner: InetPlanner, file: PlannedFile) -> None:
        self.planner = planner
        self.context = planner.context
        self.file = file

    def __call__(self, programs: Programs) -> None:
        file = self.file
        message: InetSkEntry = file.message
        others = self.planner.others(file)
        cloexec = file.users[0][2]
        self.make(programs, cloexec=cloexec)
        filled = self.fill(programs)
        self._set_options(programs, message, others, filled=filled)
        program = programs.need(2048)
        scope = self._scope(message)
        self.bind(program, message, scope)
        if message.state == TCP_ESTABLISHED:
            peer = pack_address(self._full(message.dst_addr), message.dst_port, scope)
            program.call(
                *(SYS_connect, file.number, program.put(peer), len(peer)),
                label=lambda: f"connect {self.what()}",
            )
        self._join(programs)
        corked = sockets_of(self.context).corked.get(file.id)
        if corked is not None:
            from crtools.kinds.files.corked import build_corked

            build_corked(programs, file, corked, self.what)
        program = programs.need(512 + 8 * len(message.opts.so_filter))
        if message.shutdown:
            # Who is not connected is shut down nevertheless (net/ipv4/af_inet.c, inet_shutdown).
            program.attempt(
                *(SYS_shutdown, file.number, message.shutdown - 1),
                refusals=(errno.ENOTCONN,),
                otherwise=lambda _: None,
                label=lambda: f"shut down {self.what()}",
            )
        sockets = sockets_of(self.context)
        sockets.build_filter(program, file, message.opts, others, self.what)
        sockets.build_group(program, file, self.what)
        rest = message.flags & SETTABLE
        if rest & ~O_NONBLOCK:
            program.call(
                *(SYS_fcntl, file.number, F_SETFL, rest),
                label=lambda: f"set the flags of {self.what()}",
            )

    def make(self, programs: Programs, *, cloexec: bool) -> None:
        """Instructions that make the socket itself."""
        message: InetSkEntry = self.file.message
        flags = (message.flags & O_NONBLOCK and SOCK_NONBLOCK) | (cloexec and SOCK_CLOEXEC)
        program = programs.need(1024)
        fd = program.call(
            *(SYS_socket, message.family, message.type | flags, message.proto),
            label=lambda: f"make {self.what()}",
        )
        self.context.move(program, fd, self.file.number, cloexec, self.what)

    def fill(self, programs: Programs) -> bool:
        """Puts back what waits to be received; whether there is anything. The socket is fresh."""
        return False

    def bind(self, program: Program, message: InetSkEntry, scope: int) -> None:
        address = self._full(message.src_addr)
        if any(address) or message.src_port:
            sockaddr = pack_address(address, message.src_port, scope)
            program.call(
                *(SYS_bind, self.file.number, program.put(sockaddr), len(sockaddr)),
                label=lambda: f"bind {self.what()}",
            )

    def _set_options(
        self, programs: Programs, message: InetSkEntry, others: Values, *, filled: bool
    ) -> None:
        number = self.file.number
        fresh = sockets_of(self.context).fresh(message.family, message.type, message.proto)
        size = 128 * (len(others) + 48) + sum(map(len, others.values()))
        program = programs.need(size)
        build_options(program, number, message.opts, others, fresh, self.what)
        program = programs.need(size)
        build_ip_options(program, number, message, others, fresh, self.what)
        program = programs.need(4096)
        table = self.planner.options
        wanted = self.wanted(message, others)
        table.build(program, number, wanted, fresh.values(table), self.what)
        build_buffers(program, number, message.opts, fresh, self.what, always=filled)

    def wanted(self, message: InetSkEntry, others: Values) -> Values:
        """The options of the kind's own levels."""
        places = self.planner.options.places
        return {option: value for option, value in others.items() if option in places}

    def _full(self, words: Sequence[int]) -> bytes:
        length = 16 if self.file.message.family == AF_INET6 else 4
        return address_of(words).ljust(length, b"\0")

    def _scope(self, message: InetSkEntry) -> int:
        return find_index(message.ifname, self.what) if message.ifname else 0

    def _join(self, programs: Programs) -> None:
        entry = sockets_of(self.context).entries.get(self.file.id)
        for membership in entry.memberships if entry is not None else ():
            group, sources = membership.group, membership.sources
            program = programs.need(1024 + len(sources) * _STORAGE_BYTES)
            index = find_index(membership.device, self.what)
            place = struct.pack("<I4x", index) + pack_address(group, 0).ljust(_STORAGE_BYTES, b"\0")
            label = self._label(membership)
            program.call(
                *(SYS_setsockopt, self.file.number, level_of(group), MCAST_JOIN_GROUP),
                *(program.put(place), len(place)),
                label=label,
            )
            if membership.mode != MCAST_EXCLUDE or sources:
                filter = place + struct.pack("<2I", membership.mode, len(sources))
                filter += b"".join(
                    [pack_address(source, 0).ljust(_STORAGE_BYTES, b"\0") for source in sources]
                )
                program.call(
                    *(SYS_setsockopt, self.file.number, level_of(group), MCAST_MSFILTER),
                    *(program.put(filter), len(filter)),
                    label=label,
                )

    def _label(self, membership: SocketMembershipEntry) -> Callable[[], str]:
        return lambda: (
            f"have {self.what()} join {show(membership.group, 0)[:-2]} on {membership.device}"
        )

    def what(self) -> str:
        return self.context.describe(self.file)


def find_index(device: str, what: Callable[[], str]) -> int:
    """The number of a device by its name. Raises RestoreConflict."""
    try:
        return read_index(device)
    except LookupError:
        raise RestoreConflict(
            f"Cannot restore {what()}",
            because=f"there is no network device {device}",
            hint="restore where there is one of that name",
        ) from None
