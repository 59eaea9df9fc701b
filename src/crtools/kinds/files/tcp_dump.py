"""TCP sockets, dumped (crtools.kinds.files.tcp)."""

from __future__ import annotations

import os
import struct

from crtools import log
from crtools.abi import kernel
from crtools.abi.socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    IPPROTO_TCP,
    SO_PEEK_OFF,
    SO_REUSEADDR,
    SOCK_CLOEXEC,
    SOCK_RAW,
    SOCK_STREAM,
    SOL_SOCKET,
)
from crtools.abi.tcp import (
    CONNECTED,
    FIN_SENT,
    RCV_SHUTDOWN,
    SEND_SHUTDOWN,
    SIOCINQ,
    TCP_CLOSE,
    TCP_CONGESTION,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT2,
    TCP_INFO,
    TCP_LISTEN,
    TCP_MAXSEG,
    TCP_REPAIR,
    TCP_REPAIR_ON,
    TCP_SAVE_SYN,
    TCP_SAVED_SYN,
    TCP_SYN_RECV,
    TCP_SYN_SENT,
    TCP_ULP,
    TCP_WINDOW_CLAMP,
)
from crtools.abi.x86_64 import (
    SYS_getpeername,
    SYS_getsockname,
    SYS_getsockopt,
    SYS_ioctl,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_poll,
    SYS_setsockopt,
    SYS_socket,
)
from crtools.errors import CrtoolsError, InternalError
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.sk_inet import InetSkEntry
from crtools.images.messages.tcp_stream import TcpOptsEntry, TcpStreamEntry
from crtools.kinds.files.base import FileDumper
from crtools.kinds.files.inet_options import read_ip_options
from crtools.kinds.files.socket_options import Table, read_options
from crtools.kinds.files.tcp import FIELDS, OPTIONS
from crtools.kinds.files.tcp_repair import Connection, ask_queue, read_connections
from crtools.kinds.network.lock import METHODS, SKIP, describe, make_lock
from crtools.kinds.network.names import bare, parse_name, show
from crtools.model.tree import OWN_NAMESPACES
from crtools.procfs.sock_diag import (
    NETLINK_SOCK_DIAG,
    NLM_F_REQUEST,
    SOCK_DIAG_BY_FAMILY,
    parse_attributes,
    parse_messages,
    read_diag,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crtools.kinds.files.base import DumpContext, OpenFile
    from crtools.kinds.network.lock import Lock
    from crtools.kinds.network.nftables import Connection as Locked

# linux/tcp.h: struct tcp_info, as far as it is read
_INFO_BYTES = 32
_STATE = Table(
    (
        (IPPROTO_TCP, TCP_INFO, bytes(_INFO_BYTES)),
        (IPPROTO_TCP, TCP_ULP, bytes(16)),
        (IPPROTO_TCP, TCP_CONGESTION, bytes(16)),
        (IPPROTO_TCP, TCP_MAXSEG, bytes(4)),
        (SOL_SOCKET, SO_REUSEADDR, bytes(4)),
        (SOL_SOCKET, SO_PEEK_OFF, b"\xff" * 4),
    )
)
_ULP_AT, _CONGESTION_AT, _MSS_AT, _REUSE_AT, _PEEK_AT = 32, 48, 64, 72, 80
POLLPRI, POLLERR, POLLRDHUP = 0x2, 0x8, 0x2000  # asm-generic/poll.h
SIGKILL = 9
DEFAULT_MSS, MAX_MSS = 536, 32767  # linux/tcp.h: TCP_MSS_DEFAULT, MAX_TCP_WINDOW
# How many connections are read at once: those that the tool holds descriptors of.
_BATCH = 64
_CLOSE = "let the program close it before the dump"

# The tool's limit of descriptors is 20,000 where it may not raise it; some are its own.
MOST_HELD = 19_000
TCP_NEW_SYN_RECV = 12  # net/tcp_states.h: what SYN_RECV is called between the two
SIOCGIFNAME, _IFREQ_BYTES = 0x8910, 40  # linux/sockios.h, linux/if.h
_ROW = struct.Struct("<7q")
_HEADER = struct.Struct("<IHHII")  # struct nlmsghdr
# Signatures are told of together with INET_DIAG_INFO only (net/ipv4/inet_diag.c).
_WITH_INFO = 1 << 2 - 1
INET_DIAG_MD5SIG, _DIAG_BYTES = 18, 72  # linux/inet_diag.h; sizeof(struct inet_diag_msg)
_POLL = struct.Struct("<ihH")
_U32 = struct.Struct("<I")
_REQUEST = struct.Struct("<4BI")
_SAVE_SYN = (IPPROTO_TCP, TCP_SAVE_SYN)
_WINDOW_CLAMP = (IPPROTO_TCP, TCP_WINDOW_CLAMP)
_DEFAULTS = {(level, number): default for level, number, default in OPTIONS.options}
_EMPTY_NAME = bytes(28)
_NAME_LENGTH = (28).to_bytes(4, "little")

_poll = bytearray(8)
_poll_at = kernel.address_of(_poll)
_name = bytearray(28)
_name_at = kernel.address_of(_name)
_length = bytearray(4)
_length_at = kernel.address_of(_length)


class _Socket:
    """A connection to be read."""

    __slots__ = ("entry", "file", "info", "locked", "peek_offset", "reuse")

    def __init__(self, file: OpenFile, entry: InetSkEntry, locked: Locked, values: bytes) -> None:
        self.file = file
        self.entry = entry
        self.locked = locked
        self.info = values[:_INFO_BYTES]
        self.reuse = int.from_bytes(values[_REUSE_AT : _REUSE_AT + 4], "little")
        self.peek_offset = int.from_bytes(values[_PEEK_AT : _PEEK_AT + 4], "little", signed=True)


class TcpDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.sockets: list[_Socket] = []
        self.congestion = b""
        self.listeners: list[tuple[OpenFile, int, int]] = []  # family and port
        self.lock: Lock | None = None
        self.held: list[int] = []
        self.pidfds: list[int] = []
        self.diag = -1  # a netlink socket for sock_diag(7)
        self.steps: tuple[int, bytearray] = (0, bytearray())

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        context = self.context
        assert file.socket is not None
        family = file.socket[0]
        fd = context.sockets.descriptor(file)
        values = _STATE.read(fd)
        state = values[0]
        events = self._check(file, fd, values)
        context.watch(file, f"the socket, inode {file.stat.st_ino},")
        ours, port, scope = parse_name(_ask_name(SYS_getsockname, fd))
        theirs, peer = bytes(len(ours)), 0
        if state in CONNECTED:
            theirs, peer, _ = parse_name(_ask_name(SYS_getpeername, fd))
            if not context.options.tcp_established and not context.options.tcp_close:
                raise context.refuse(
                    file,
                    f"it is a TCP connection to {show(theirs, peer)}",
                    "its peer would wait, or give up, until it is restored",
                    "--tcp-established to carry it, --tcp-close to have it closed",
                )
        entry = InetSkEntry(
            id=id,
            ino=file.stat.st_ino,
            family=family,
            type=file.socket[1],
            proto=IPPROTO_TCP,
            state=state,
            src_port=port,
            dst_port=peer,
            flags=file.flags,
            backlog=_U32.unpack_from(values, 28)[0] if state == TCP_LISTEN else 0,
            src_addr=_words(ours),
            dst_addr=_words(theirs),
            ns_id=OWN_NAMESPACES["net"],
            fown=context.owner_of(file),
            opts=read_options(context, file, fd, id),
        )
        read_ip_options(context, fd, entry)
        if scope:
            entry.ifname = name_device(fd, scope)
        if state == TCP_LISTEN:
            self.listeners.append((file, family, port))
        elif state == TCP_SYN_SENT:
            self._add_peer(file, entry)
        if events & POLLRDHUP and state in (TCP_ESTABLISHED, TCP_CLOSE, *FIN_SENT):
            entry.shutdown = RCV_SHUTDOWN
        if state in FIN_SENT:
            entry.shutdown = (entry.shutdown or 0) | SEND_SHUTDOWN
        if state == TCP_CLOSE and entry.shutdown:
            entry.shutdown = RCV_SHUTDOWN | SEND_SHUTDOWN
        if state == TCP_LISTEN or state in CONNECTED:
            self._check_signed(file, family, (ours, port, theirs, peer))
        self._read_options(file, fd, id, entry, values)
        if state in CONNECTED and not context.options.tcp_close:
            locked = (bare(ours), port, bare(theirs), peer)
            self.sockets.append(_Socket(file, entry, locked, values))
        return FileEntry(type=FdTypes.INETSK, id=id, isk=entry)

    def _check_listeners(self) -> None:
        """Whether anybody is just connecting to one of them: half-open connections are not theirs
        yet, but would be reset as well."""
        if not self.listeners or self.context.options.skip_in_flight:
            return
        rows = self.context.sockets.facts("tcp in flight", read_in_flight)
        for file, family, port in self.listeners:
            for row in rows:
                if row.state == TCP_SYN_RECV and row.port == port and row.family == family:
                    raise self.context.refuse(
                        file,
                        f"{show(row.theirs, row.peer)} is just connecting to it",
                        "a connection that is not made yet cannot be carried",
                        "dump a moment later, or --skip-in-flight to have it reset",
                    )

    def _check(self, file: OpenFile, fd: int, values: bytes) -> int:
        """Refuses what cannot be carried; the events that poll(2) tells."""
        refuse = self.context.refuse
        state = values[0]
        upper = values[_ULP_AT : _ULP_AT + 16].rstrip(b"\0").decode("ascii", "replace")
        if upper:
            raise refuse(
                file,
                f"its data goes through {upper} in the kernel (TCP_ULP)",
                "the keys and the state of that cannot be read",
                "let the program do that itself, or close it before the dump",
            )
        if state == TCP_SYN_RECV:
            raise refuse(
                file,
                "it is a TCP connection that both sides are opening at the same time",
                "repair mode knows no such state",
                "dump when the connection has been made",
            )
        _POLL.pack_into(_poll, 0, fd, POLLPRI | POLLERR | POLLRDHUP, 0)
        kernel.checked(SYS_poll, _poll_at, 1, 0)
        events: int = _POLL.unpack(_poll)[2]
        if events & POLLPRI:
            raise refuse(
                file,
                "urgent data has come for it that nobody has read",
                "repair mode does not tell of urgent data",
                "dump when the program has read it",
            )
        if events & POLLERR:
            raise refuse(
                file,
                "an error is pending on it, or a message in its error queue",
                "it can be read only once, and not be put back",
                "dump when the program has read it (SO_ERROR, MSG_ERRQUEUE)",
            )
        if state == TCP_CLOSE and ask_queue(fd, SIOCINQ):
            raise refuse(
                file,
                "its connection has ended, and data that came by it has not been read",
                "a connection that has ended cannot be made again",
                "dump when the program has read it",
            )
        if state == TCP_LISTEN:
            waiting = _U32.unpack_from(values, 24)[0]
            if waiting and not self.context.options.skip_in_flight:
                ours, port, _ = parse_name(_ask_name(SYS_getsockname, fd))
                many, them = ("s", "them") if waiting > 1 else ("", "it")
                raise refuse(
                    file,
                    f"{waiting} connection{many} to it, at {show(ours, port)},"
                    f" wait{'' if many else 's'} to be accepted",
                    f"only the program itself can accept {them}",
                    f"dump when the program has accepted {them}, or --skip-in-flight to have {them}"
                    " reset",
                )
        return events

    def _check_signed(self, file: OpenFile, family: int, name: Locked) -> None:
        """Refuses who signs its segments. Only sock_diag(7) tells, and shows the keys to those who
        may administrate the network."""
        if self.diag < 0:
            self.diag = kernel.checked(
                SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG
            )
        if has_signatures(self.diag, family, name):
            raise self.context.refuse(
                file,
                "its segments are signed with keys (TCP_MD5SIG)",
                "repair mode does not sign, and the keys do not belong into image files",
                _CLOSE,
            )

    def _add_peer(self, file: OpenFile, entry: InetSkEntry) -> None:
        """Whom it is connecting to, which getpeername(2) does not say yet."""
        for row in self.context.sockets.facts("tcp in flight", read_in_flight):
            if row.inode == entry.ino:
                entry.dst_addr = _words(row.theirs)
                entry.dst_port = row.peer
                return
        raise self.context.refuse(
            file,
            "it is connecting, and the kernel does not tell where to",
            "it is not in the list of sockets of this network namespace (sock_diag)",
            "dump when the connection has been made",
        )

    def _read_options(
        self, file: OpenFile, fd: int, id: int, entry: InetSkEntry, values: bytes
    ) -> None:
        changed = OPTIONS.read_changed(fd)
        if _SAVE_SYN in changed:
            _length[:] = bytes(4)
            kernel.raw(SYS_getsockopt, fd, IPPROTO_TCP, TCP_SAVED_SYN, _name_at, _length_at)
            if any(_length):
                # Reading it would take it away; only its length can be asked for.
                raise self.context.refuse(
                    file,
                    "it holds the segment that its connection began with (TCP_SAVE_SYN)",
                    "that can be read only once, and not be put back",
                    "dump when the program has read it (TCP_SAVED_SYN)",
                )
        options = TcpOptsEntry()
        for option, field in FIELDS.items():
            value = changed.pop(option, None)
            number = int.from_bytes(value or _DEFAULTS[option], "little")
            setattr(options, field, number if field.startswith("keep") else bool(number))
        entry.tcp_opts = options
        congestion = values[_CONGESTION_AT : _CONGESTION_AT + 16]
        if not self.congestion:
            self.congestion = read_default_congestion()
        if congestion != self.congestion:
            changed[IPPROTO_TCP, TCP_CONGESTION] = congestion
        if entry.state in (TCP_CLOSE, TCP_LISTEN):
            mss = values[_MSS_AT : _MSS_AT + 4]
            number = _U32.unpack(mss)[0]
            # One that was connected may tell of its connection, which had more than can be set.
            if not entry.shutdown and number != DEFAULT_MSS and number <= MAX_MSS:
                changed[IPPROTO_TCP, TCP_MAXSEG] = mss
        elif entry.state not in CONNECTED:
            changed.pop(_WINDOW_CLAMP, None)
        self.context.sockets.add_options(id, changed)

    # --- When all is known ---

    def check(self) -> None:
        if self.diag >= 0:
            os.close(self.diag)
            self.diag = -1
        self._check_listeners()
        if len(self.sockets) > MOST_HELD:
            raise self.context.refuse(
                self.sockets[MOST_HELD].file,
                f"the tree has {len(self.sockets)} TCP connections",
                f"crtools holds all of them when it ends the tree, {MOST_HELD} at most",
                "--leave-running, or --tcp-close",
            )

    def finish(self) -> None:
        """Locks the connections, reads them and writes their images. Those of a tree that goes on
        are free again afterwards."""
        context, options = self.context, self.context.options
        if not self.sockets:
            return
        context.connections = self
        self.lock = make_lock(METHODS[options.network_lock], context.run_id)
        self.lock.hold([socket.locked for socket in self.sockets])
        for start in range(0, len(self.sockets), _BATCH):
            self._read(self.sockets[start : start + _BATCH])
        if options.leave_running or options.leave_stopped:
            self.lock.release()

    def _read(self, sockets: list[_Socket]) -> None:
        connections: list[Connection] = []
        try:
            for socket in sockets:
                fd = self.context.borrow(socket.file)
                try:
                    connection = Connection(fd, reuse=socket.reuse, peek_offset=socket.peek_offset)
                except BaseException:
                    os.close(fd)
                    raise
                connections.append(connection)
            read_connections(
                connections,
                lambda index: self.context.describe(sockets[index].file),
            )
        finally:
            for connection in connections:
                os.close(connection.fd)
        for socket, connection in zip(sockets, connections, strict=True):
            self._write(socket, connection)

    def _write(self, socket: _Socket, connection: Connection) -> None:
        entry, state = socket.entry, socket.entry.state
        if len(connection.received) != connection.pending:
            raise self.context.refuse(
                socket.file,
                "urgent data has come for it, between the data that nobody has read",
                "repair mode does not tell of urgent data",
                "dump when the program has read it",
            )
        length, unsent = connection.outstanding, connection.unsent
        if state in FIN_SENT and state != TCP_FIN_WAIT2:
            # The FIN counts as a byte. It has not been sent if anything has not.
            length, unsent = length - 1, max(unsent - 1, 0)
        sending = connection.sending
        if len(sending) < length:
            raise InternalError(
                f"{len(sending)} bytes are in a queue that has {length}",
                subject=socket.file.subject,
            )
        # Whole buffers: the first may begin with what the peer has acknowledged already.
        sending = sending[len(sending) - length :]
        scales = socket.info[6]
        window = connection.window
        options = entry.tcp_opts
        assert options is not None
        message = TcpStreamEntry(
            inq_len=len(connection.received),
            inq_seq=connection.receive_seq,
            outq_len=len(sending),
            outq_seq=connection.send_seq,
            opt_mask=socket.info[5],
            snd_wscale=scales & 15,
            mss_clamp=connection.mss,
            rcv_wscale=scales >> 4,
            timestamp=connection.timestamp,
            cork=options.cork,
            nodelay=options.nodelay,
            unsq_len=unsent,
            snd_wl1=window[0],
            snd_wnd=window[1],
            max_window=window[2],
            rcv_wnd=window[3],
            rcv_wup=window[4],
        )
        self.context.store.write(
            "tcp-stream", [(message, connection.received + sending)], id=entry.ino
        )

    # --- When the tree is ended ---

    def take(self, pids: Iterable[int]) -> None:
        """Has the tool hold all connections, so that they outlive the tasks of these processes, and
        makes ready what `end` does."""
        assert self.lock is not None
        self.held = [self.context.borrow(socket.file) for socket in self.sockets]
        on = TCP_REPAIR_ON.to_bytes(4, "little")
        on_at = kernel.address_of(on)
        lasting = self.lock.prepare([socket.locked for socket in self.sockets])
        self.pidfds = [kernel.checked(SYS_pidfd_open, pid) for pid in pids]
        rows: list[tuple[int, ...]] = [
            *((SYS_pidfd_send_signal, fd, SIGKILL, 0, 0, 0) for fd in self.pidfds),
            *((SYS_setsockopt, fd, IPPROTO_TCP, TCP_REPAIR, on_at, 4) for fd in self.held),
        ]
        if lasting:
            rows.append(lasting)
        whole = [_ROW.pack(*row, *(0,) * (7 - len(row))) for row in rows]
        self.steps = (len(rows), bytearray(b"".join(whole)))
        self.kept = on  # what the rows point to

    def end(self) -> None:
        """Ends the tasks, without a word to the peers of their connections, which are locked from
        now on: all of it, even if the tool is killed meanwhile."""
        assert self.lock is not None
        count, rows = self.steps
        done = kernel.calls_apart(kernel.address_of(rows), count, 1)
        if done != 1:
            raise InternalError("the tasks were not ended", because=f"calls_apart gave {done}")
        try:
            self.lock.check()
        except CrtoolsError as error:
            log.warning(f"{error.what}: {error.because}; their peers may get a reset")
        if self.network_lock_method != SKIP:
            log.info(
                f"{len(self.sockets)} TCP connections stay locked until they are restored, by"
                f" {describe(self.network_lock_method, self.context.run_id)}"
            )
        self.release()

    def release(self) -> None:
        """Whatever happens to the tree: nothing is held or locked any more."""
        for fd in (*self.held, *self.pidfds):
            os.close(fd)
        self.held.clear()
        self.pidfds.clear()
        if self.lock is not None:
            self.lock.release()

    @property
    def network_lock_method(self) -> int:
        return METHODS[self.context.options.network_lock]


class InFlight:
    """A connection that is being made, as sock_diag(7) has it. `inode` is 0 where it belongs to a
    listening socket."""

    __slots__ = ("family", "inode", "ours", "peer", "port", "state", "theirs")

    def __init__(self, row: bytes) -> None:
        # struct inet_diag_msg of linux/inet_diag.h
        self.family, self.state = row[0], row[1]
        length = 4 if self.family == AF_INET else 16
        self.port = int.from_bytes(row[4:6], "big")
        self.peer = int.from_bytes(row[6:8], "big")
        self.ours, self.theirs = row[8 : 8 + length], row[24 : 24 + length]
        self.inode = _U32.unpack_from(row, 68)[0]


def read_in_flight() -> list[InFlight]:
    """All connections of this network namespace that are being made."""
    found = []
    states = 1 << TCP_SYN_SENT | 1 << TCP_SYN_RECV | 1 << TCP_NEW_SYN_RECV
    for family in (AF_INET, AF_INET6):
        # struct inet_diag_req_v2
        request = _REQUEST.pack(family, IPPROTO_TCP, 0, 0, states) + bytes(48)
        found += [InFlight(row) for row in read_diag(request)]
    return found


def has_signatures(fd: int, family: int, name: Locked) -> bool:
    """Whether sock_diag(7) tells of TCP_MD5SIG keys of the socket with these addresses and ports;
    `fd` is a netlink socket of that. False where it does not know the socket: one that is bound to
    a device. Raises OSError."""
    ours, port, theirs, peer = name
    # struct inet_diag_req_v2 with a whole inet_diag_sockid, whose cookie may be any
    request = _REQUEST.pack(family, IPPROTO_TCP, _WITH_INFO, 0, 0xFFF) + b"".join(
        (
            *(port.to_bytes(2, "big"), peer.to_bytes(2, "big")),
            *(ours.ljust(16, b"\0"), theirs.ljust(16, b"\0"), bytes(4), b"\xff" * 8),
        )
    )
    head = _HEADER.pack(_HEADER.size + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0)
    os.write(fd, head + request)
    for kind, payload in parse_messages(os.read(fd, 32768)):
        if kind == SOCK_DIAG_BY_FAMILY:
            return INET_DIAG_MD5SIG in parse_attributes(payload, _DIAG_BYTES)
    return False


def read_default_congestion() -> bytes:
    """The congestion control that a new socket has here."""
    fd = kernel.checked(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP)
    try:
        return _STATE.read(fd)[_CONGESTION_AT : _CONGESTION_AT + 16]
    finally:
        os.close(fd)


def name_device(fd: int, number: int) -> str:
    """The name of a network device, by any socket. Raises OSError."""
    request = bytearray(_IFREQ_BYTES)
    _U32.pack_into(request, 16, number)
    kernel.checked(SYS_ioctl, fd, SIOCGIFNAME, kernel.address_of(request))
    return bytes(request[:16]).rstrip(b"\0").decode("utf-8", "surrogateescape")


def _ask_name(call: int, fd: int) -> bytes:
    _name[:] = _EMPTY_NAME
    _length[:] = _NAME_LENGTH
    kernel.checked(call, fd, _name_at, _length_at)
    return bytes(_name)


def _words(address: bytes) -> list[int]:
    return [int.from_bytes(address[at : at + 4], "little") for at in range(0, len(address), 4)]
