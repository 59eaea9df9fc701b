"""TCP sockets, restored (crtools.kinds.files.tcp).

A connection is made in repair mode, in which connect(2) sends nothing: sequence numbers first, then
both ends' addresses, what the handshake has agreed on, both queues, windows. A FIN of ours is
"sent" by shutdown(2) in that mode, one of the peer's comes in a segment of our own making
(crtools.kinds.network.packets). It stays in repair mode until the whole tree is there: until then
it can be closed without the peer's hearing of it. What had not been sent yet is written last.
"""

from __future__ import annotations

import errno
import os
import struct
import time

from crtools import log
from crtools.abi import kernel
from crtools.abi.fcntl import F_GETFL, F_SETFL, O_APPEND, O_NOATIME, O_NONBLOCK
from crtools.abi.inet import IP_HDRINCL, IPV6_HDRINCL
from crtools.abi.socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_RAW,
    IPPROTO_TCP,
    MSG_DONTWAIT,
    SO_BUF_LOCK,
    SO_MARK,
    SO_RCVBUFFORCE,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SO_SNDBUFFORCE,
    SOCK_CLOEXEC,
    SOCK_RAW,
    SOCK_STREAM,
    SOL_SOCKET,
)
from crtools.abi.tcp import (
    CONNECTED,
    FIN_RECEIVED,
    FIN_SENT,
    RCV_SHUTDOWN,
    SHUT_RD,
    SHUT_RDWR,
    SHUT_WR,
    STATE_NAMES,
    TCP_CLOSE,
    TCP_CLOSE_WAIT,
    TCP_CLOSING,
    TCP_CONGESTION,
    TCP_CORK,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT1,
    TCP_FIN_WAIT2,
    TCP_INFO,
    TCP_LAST_ACK,
    TCP_LISTEN,
    TCP_MAXSEG,
    TCP_NODELAY,
    TCP_QUEUE_SEQ,
    TCP_QUICKACK,
    TCP_RECV_QUEUE,
    TCP_REPAIR,
    TCP_REPAIR_OFF,
    TCP_REPAIR_OFF_NO_WP,
    TCP_REPAIR_ON,
    TCP_REPAIR_OPTIONS,
    TCP_REPAIR_QUEUE,
    TCP_REPAIR_WINDOW,
    TCP_SEND_QUEUE,
    TCP_SYN_SENT,
    TCP_TIMESTAMP,
    TCP_WINDOW_CLAMP,
    TCPI_OPT_SACK,
    TCPI_OPT_TIMESTAMPS,
    TCPI_OPT_WSCALE,
    TCPOPT_MSS,
    TCPOPT_SACK_PERM,
    TCPOPT_TIMESTAMP,
    TCPOPT_WINDOW,
)
from crtools.abi.x86_64 import (
    SYS_bind,
    SYS_close,
    SYS_connect,
    SYS_fcntl,
    SYS_getsockopt,
    SYS_ioctl,
    SYS_listen,
    SYS_pidfd_getfd,
    SYS_pidfd_open,
    SYS_sendto,
    SYS_setsockopt,
    SYS_shutdown,
    SYS_socket,
)
from crtools.agent.program import EXACTLY, OR_ERRNO, errnos
from crtools.errors import ImageError, InternalError, RestoreConflict
from crtools.kinds.files.base import FilePlanner, choose_place
from crtools.kinds.files.inet_options import build_ip_options, collect_ip_wanted, table_of
from crtools.kinds.files.socket_options import (
    Table,
    build_buffers,
    build_option,
    build_options,
    check_options,
)
from crtools.kinds.files.sockets import sockets_of
from crtools.kinds.files.tcp import FIELDS, OPTIONS
from crtools.kinds.network.lock import (
    SKIP,
    Lock,
    check_method,
    choose_method,
    make_lock,
    name_of,
    unlock,
)
from crtools.kinds.network.names import bare, build_name, show
from crtools.kinds.network.nftables import MARK
from crtools.kinds.network.packets import ACK, FIN, build_segment
from crtools.kinds.network.remains import clear_remains

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.agent.program import Program
    from crtools.images.messages.sk_inet import InetSkEntry
    from crtools.images.messages.tcp_stream import TcpStreamEntry
    from crtools.kinds.files.base import PlanContext, PlannedFile, Programs
    from crtools.kinds.files.socket_options import Values

_CONGESTION = (IPPROTO_TCP, TCP_CONGESTION)
_MAXSEG = (IPPROTO_TCP, TCP_MAXSEG)
_QUICKACK = (IPPROTO_TCP, TCP_QUICKACK)
_CLAMP = (IPPROTO_TCP, TCP_WINDOW_CLAMP)
_APART = Table(((*_CONGESTION, bytes(16)), (*_MAXSEG, bytes(4))))
_ON = (1).to_bytes(4, "little")
_OFF = bytes(4)
# Of queues, in one instruction.
_PIECE = 64 << 10
# What holds any queue: the kernel counts whole buffers, of which small writes fill little.
_AMPLE = 0x3FFFFFFF
_LONGEST = 0x7FFFFFFF
_FLAGS = O_APPEND | O_NONBLOCK | O_NOATIME
_STATES = (*CONNECTED, TCP_CLOSE, TCP_LISTEN, TCP_SYN_SENT)
_U32 = struct.Struct("<I")
_2U32 = struct.Struct("<2I")
_MODULUS = 1 << 32


class _Stream:
    """The connection of a socket: its message, both queues, and where they begin."""

    __slots__ = ("message", "receive_at", "received", "send_at", "sending", "unsent")

    def __init__(self, state: int, message: TcpStreamEntry, queues: bytes) -> None:
        self.message = message
        self.received = queues[: message.inq_len]
        sending = queues[message.inq_len :]
        # In this state the peer's FIN came after ours: ours has to be there first.
        unsent = 0 if state == TCP_CLOSING else message.unsq_len or 0
        sent = len(sending) - unsent
        self.sending, self.unsent = sending[:sent], sending[sent:]
        fin = state in FIN_RECEIVED
        self.receive_at = (message.inq_seq - len(self.received) - fin) % _MODULUS
        self.send_at = (message.outq_seq - len(sending) - (state in FIN_SENT)) % _MODULUS


class TcpPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.files: list[PlannedFile] = []
        self.streams: dict[int, _Stream] = {}  # by file id
        inventory = context.store.read_one("inventory")
        self.closes = bool(context.options.tcp_close or inventory.tcp_close)
        # A dump has locked the connections that it carried.
        self.method = SKIP if inventory.tcp_close else check_method(inventory.network_lock_method)
        run_id = inventory.dump_criu_run_id or ""
        self.lock_name = name_of(run_id, 0 if run_id else context.store.read("pstree")[0].pid)
        self.lock = Lock()
        self.taken: set[int] = set()  # ports that somebody listens at
        context.connections = self

    def add(self, file: PlannedFile) -> None:
        entry = file.message
        _check_entry(file.id, entry)
        others = sockets_of(self.context).options(file.id)
        check_options(entry.opts, others, OPTIONS, _APART, table_of(entry.family, entry.type))
        collect_ip_wanted(entry, others)
        if entry.state in CONNECTED and not self.closes:
            ((message, queues),) = self.context.store.read_with_extra("tcp-stream", entry.ino)
            _check_stream(file.id, entry.state, message)
            self.streams[file.id] = _Stream(entry.state, message, queues)
        self.files.append(file)

    def name(self, file: PlannedFile) -> str:
        entry = file.message
        ours = show(_address(entry.src_addr), entry.src_port)
        if entry.state == TCP_LISTEN:
            return f"the TCP socket that listens at {ours}"
        if entry.state in CONNECTED:
            theirs = show(_address(entry.dst_addr), entry.dst_port)
            return f"the TCP connection of {ours} to {theirs}"
        return f"the TCP socket {entry.ino}"

    def place(self) -> None:
        choose_place(self.context, self.files)
        # Connections come from sockets that listen at the same port: those must be there first.
        files = sockets_of(self.context).arrange(self.context, self.files)
        for file in sorted(files, key=lambda file: file.id in self.streams):
            self.context.add_job(file.pid, Making(self, file, self.streams.get(file.id)))

    def _connections(self) -> dict[int, tuple[bytes, int, bytes, int]]:
        """Those of the images, by their files' ids."""
        return {
            file.id: (
                bare(_address(file.message.src_addr)),
                file.message.src_port,
                bare(_address(file.message.dst_addr)),
                file.message.dst_port,
            )
            for file in self.files
            if file.message.state in CONNECTED
        }

    def create(self, tool_pid: int, root: int) -> None:
        found = self._connections()
        connections = [found[id] for id in self.streams]
        if connections:
            method = choose_method(self.context.options.network_lock, self.method)
            self.lock = make_lock(method, self.lock_name)
            self.lock.hold(connections)
        listeners = {
            (entry.src_port, bare(_address(entry.src_addr))): bool(entry.opts.so_reuseport)
            for entry in [file.message for file in self.files]
            if entry.state == TCP_LISTEN
        }
        if connections or listeners:
            self.taken = clear_remains(set(connections), listeners)

    def close(self, *, restored: bool) -> None:
        self.lock.release()

    # --- When everything else is restored ---

    def wake(self) -> None:
        """Takes all connections out of repair mode, still locked: what they have to send stays in
        their queues. Then begins the connections that were being made."""
        pidfds: dict[int, int] = {}
        try:
            for file in self.files:
                connecting = file.message.state == TCP_SYN_SENT and not self.closes
                stream = self.streams.get(file.id)
                if stream is None and not connecting:
                    continue
                pid, number, _ = file.users[0]
                if pid not in pidfds:
                    pidfds[pid] = kernel.checked(SYS_pidfd_open, pid)
                fd = kernel.checked(SYS_pidfd_getfd, pidfds[pid], number)
                try:
                    if stream is not None:
                        _wake(fd, file.message, stream)
                    else:
                        _connect(fd, file.message)
                except OSError as error:
                    raise InternalError(
                        f"Cannot bring {self.context.describe(file)} to life",
                        because=error.strerror or "",
                    ) from error
                finally:
                    os.close(fd)
        finally:
            for pidfd in pidfds.values():
                os.close(pidfd)

    def unlock(self) -> None:
        """Lets packets through: after this the tasks may run, or must not fail any more."""
        self.lock.release()
        if self.method != SKIP:
            connections = list(self._connections().values())
            if connections:
                unlock(self.method, self.lock_name, connections)


class Making:
    """Makes one socket, with all that it had but what `TcpPlanner.wake` does."""

    __slots__ = ("context", "entry", "file", "planner", "stream")

    def __init__(self, planner: TcpPlanner, file: PlannedFile, stream: _Stream | None) -> None:
        self.planner = planner
        self.context = planner.context
        self.file = file
        self.entry: InetSkEntry = file.message
        self.stream = stream

    def __call__(self, programs: Programs) -> None:
        context, file, entry, stream = self.context, self.file, self.entry, self.stream
        number, cloexec = file.number, file.users[0][2]
        program = programs.need(8192)
        fd = program.call(
            SYS_socket,
            entry.family,
            SOCK_STREAM | SOCK_CLOEXEC if cloexec else SOCK_STREAM,
            IPPROTO_TCP,
            label=lambda: f"make {self.what()}",
        )
        context.move(program, fd, number, cloexec, self.what)
        sockets = sockets_of(context)
        others = sockets.options(file.id)
        fresh = sockets.fresh(entry.family, SOCK_STREAM, IPPROTO_TCP)
        build_options(program, number, entry.opts, others, fresh, self.what)
        build_ip_options(program, number, entry, others, fresh, self.what)
        wanted = self._wanted(others)
        late = {option: wanted.pop(option) for option in _LATE if option in wanted}
        OPTIONS.build(program, number, wanted, fresh.values(OPTIONS), self.what)
        for option in (_CONGESTION, _MAXSEG):
            if option in others:
                build_option(program, number, option, others[option], self.what)
        if stream is not None:
            self._connect(programs, stream)
            program = programs.need(4096)
        elif self.planner.closes and entry.state not in (TCP_CLOSE, TCP_LISTEN):
            self._shut_down(program)
        else:
            self._bind(program)
        for option, value in late.items():
            build_option(program, number, option, value, self.what)
        build_buffers(program, number, entry.opts, fresh, self.what)
        sockets.build_filter(program, file, entry.opts, others, self.what)
        sockets.build_group(program, file, self.what)
        flags = entry.flags & _FLAGS
        if flags:
            program.call(SYS_fcntl, number, F_SETFL, flags, label=self.what)

    def _wanted(self, others: Values) -> Values:
        """The options of level IPPROTO_TCP that are not the kernel's defaults."""
        wanted = {option: value for option, value in others.items() if option in OPTIONS.places}
        options = self.entry.tcp_opts
        if options is not None:
            for option, field in FIELDS.items():
                value = getattr(options, field)
                if value is not None:
                    wanted[option] = _word(value)
        elif self.stream is not None:
            message = self.stream.message
            wanted[IPPROTO_TCP, TCP_CORK] = _word(message.cork or 0)
            wanted[IPPROTO_TCP, TCP_NODELAY] = _word(message.nodelay or 0)
        return wanted

    # --- Sockets that are not connected ---

    def _shut_down(self, program: Program) -> None:
        """As one whose connection is closed: reading finds its end, writing fails."""
        program.call(
            *(SYS_shutdown, self.file.number, SHUT_RDWR),
            expect=OR_ERRNO,
            expected=errnos(errno.ENOTCONN),
            label=self.what,
        )

    def _bind(self, program: Program) -> None:
        entry, number = self.entry, self.file.number
        address = _address(entry.src_addr)
        closed = entry.state == TCP_CLOSE and entry.shutdown
        if entry.src_port or any(address):
            if closed:
                # Its port may be another one's by now, as that of a connection that was accepted.
                self._repair(program, TCP_REPAIR_ON)
                self._name(program, SYS_bind, address, entry.src_port)
            else:
                self._force(program, address)
        if entry.state == TCP_LISTEN:
            program.call(
                SYS_listen, number, entry.backlog, label=lambda: f"listen with {self.what()}"
            )
        if closed:
            self._repair(program, TCP_REPAIR_OFF_NO_WP)
            self._shut_down(program)
        for option, value in (
            (SO_REUSEADDR, entry.opts.reuseaddr),
            (SO_REUSEPORT, entry.opts.so_reuseport),
        ):
            build_option(program, number, (SOL_SOCKET, option), _word(value or 0), self.what)

    def _force(self, program: Program, address: bytes) -> None:
        """Binds to an address and port, whatever is left of connections at that port.

        What the program had accepted there and closed may still be delivering its last bytes.
        bind(2) asks nobody in repair mode, but nothing that listens can leave that, and listen(2)
        asks again, unless the port's last comer is such as this one and shares it
        (net/ipv4/inet_connection_sock.c, sk_reuseport_match): which this one has been then.
        """
        entry, number = self.entry, self.file.number
        if not entry.opts.reuseaddr:
            build_option(program, number, (SOL_SOCKET, SO_REUSEADDR), _ON, self.what)
        name = build_name(entry.family, address, entry.src_port, self._scope())
        forced = entry.src_port not in self.planner.taken
        done = program.call(
            *(SYS_bind, number, program.put(name), len(name)),
            expect=OR_ERRNO,
            expected=errnos(errno.EADDRINUSE) if forced else 0,
            label=lambda: f"bind {show(address, entry.src_port)} with {self.what()}",
        )
        if forced:
            program.skip_if(done, 0, 4)
            build_option(program, number, (SOL_SOCKET, SO_REUSEPORT), _ON, self.what)
            self._repair(program, TCP_REPAIR_ON)
            self._name(program, SYS_bind, address, entry.src_port)
            self._repair(program, TCP_REPAIR_OFF_NO_WP)
            build_option(program, number, (SOL_SOCKET, SO_REUSEADDR), _ON, self.what)

    def _name(self, program: Program, call: int, address: bytes, port: int) -> None:
        name = build_name(self.entry.family, address, port, self._scope())
        program.call(
            call,
            self.file.number,
            program.put(name),
            len(name),
            label=lambda: f"{_VERBS[call]} {show(address, port)} with {self.what()}",
        )

    def _scope(self) -> int:
        """The number here of the device that a link-local address belongs to."""
        name = self.entry.ifname
        return find_device(name) if name else 0

    # --- Connections ---

    def _repair(self, program: Program, how: int) -> None:
        self._set(program, TCP_REPAIR, _word(how))

    def _set(self, program: Program, option: int, value: bytes) -> None:
        build_option(program, self.file.number, (IPPROTO_TCP, option), value, self.what)

    def _connect(self, programs: Programs, stream: _Stream) -> None:
        entry, number, message = self.entry, self.file.number, stream.message
        program = programs.need(4096)
        self._repair(program, TCP_REPAIR_ON)
        for queue, sequence in (
            (TCP_RECV_QUEUE, stream.receive_at),
            (TCP_SEND_QUEUE, stream.send_at),
        ):
            self._set(program, TCP_REPAIR_QUEUE, _word(queue))
            self._set(program, TCP_QUEUE_SEQ, _word(sequence))
        self._name(program, SYS_bind, _address(entry.src_addr), entry.src_port)
        self._name(program, SYS_connect, _address(entry.dst_addr), entry.dst_port)
        self._set(program, TCP_REPAIR_OPTIONS, _agreed(message))
        if message.opt_mask & TCPI_OPT_TIMESTAMPS and message.timestamp is not None:
            self._set(program, TCP_TIMESTAMP, _word(message.timestamp))
        for queue, force, content in (
            (TCP_SEND_QUEUE, SO_SNDBUFFORCE, stream.sending),
            (TCP_RECV_QUEUE, SO_RCVBUFFORCE, stream.received),
        ):
            if content:
                program = programs.need(2048)
                build_option(program, number, (SOL_SOCKET, force), _word(_AMPLE), self.what)
                self._set(program, TCP_REPAIR_QUEUE, _word(queue))
                self._fill(programs, content)
        program = programs.need(4096)
        if message.rcv_wup is not None:
            fin = self.entry.state in FIN_RECEIVED
            expected = (message.inq_seq - fin) % _MODULUS
            # The window was told of last with the FIN, perhaps, which is not there yet.
            told = expected if message.rcv_wup == message.inq_seq else message.rcv_wup
            self._set(
                program,
                TCP_REPAIR_WINDOW,
                struct.pack(
                    "<5I",
                    *(message.snd_wl1 or 0, message.snd_wnd or 0, message.max_window or 0),
                    *(message.rcv_wnd or 0, told),
                ),
            )
        self._close_partly(program, stream)
        self._set(program, TCP_REPAIR_QUEUE, _OFF)

    def _fill(self, programs: Programs, content: bytes) -> None:
        for at in range(0, len(content), _PIECE):
            piece = content[at : at + _PIECE]
            program = programs.need(256 + len(piece))
            program.call(
                *(SYS_sendto, self.file.number, program.put(piece, 1), len(piece)),
                *(MSG_DONTWAIT, 0),
                expect=EXACTLY,
                expected=len(piece),
                label=lambda: f"put {len(content)} bytes back into {self.what()}",
            )

    def _close_partly(self, program: Program, stream: _Stream) -> None:
        """The FINs that have been sent and received, and what the program has shut down."""
        state, number = self.entry.state, self.file.number
        ours = state in FIN_SENT and not stream.unsent
        # Of two FINs, that comes first which was first.
        if ours and state != TCP_LAST_ACK:
            self._finish(program)
        if state == TCP_FIN_WAIT2:
            self._receive(program, stream, ACK, 1)
        if state in FIN_RECEIVED:
            self._receive(program, stream, FIN | ACK, 0)
        if ours and state == TCP_LAST_ACK:
            self._finish(program)
        if (self.entry.shutdown or 0) & RCV_SHUTDOWN and state not in FIN_RECEIVED:
            program.call(SYS_shutdown, number, SHUT_RD, label=self.what)

    def _finish(self, program: Program) -> None:
        # Only what is in the queue that is being repaired is not sent.
        self._set(program, TCP_REPAIR_QUEUE, _word(TCP_SEND_QUEUE))
        program.call(
            SYS_shutdown, self.file.number, SHUT_WR, label=lambda: f"shut down {self.what()}"
        )

    def _receive(self, program: Program, stream: _Stream, flags: int, acknowledged: int) -> None:
        """A segment of the peer's: `acknowledged` is 1 where our FIN is."""
        entry, message = self.entry, stream.message
        ours, theirs = bare(_address(entry.src_addr)), bare(_address(entry.dst_addr))
        packet = build_segment(
            *(theirs, entry.dst_port, ours, entry.src_port),
            sequence=stream.receive_at + len(stream.received),
            acknowledge=stream.send_at + acknowledged,
            flags=flags,
            window=(message.snd_wnd or 0) >> message.snd_wscale,
        )
        family = AF_INET if len(ours) == 4 else AF_INET6
        header = (IPPROTO_IP, IP_HDRINCL) if family == AF_INET else (IPPROTO_IPV6, IPV6_HDRINCL)
        label = f"let {self.what()} receive what its peer had sent"
        raw = program.call(SYS_socket, family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW, label=label)
        for option, value in ((header, _ON), ((SOL_SOCKET, SO_MARK), _word(MARK))):
            program.call(SYS_setsockopt, raw, *option, program.put(value), len(value), label=label)
        # raw(7): no port in the name of an IPv6 address
        name = build_name(family, ours, 0)
        program.call(
            *(SYS_sendto, raw, program.put(packet), len(packet), 0, program.put(name), len(name)),
            label=label,
        )
        program.call(SYS_close, raw)

    def what(self) -> str:
        return self.context.describe(self.file)


# --- By the tool, when the tree is there ---


def _wake(fd: int, entry: InetSkEntry, stream: _Stream) -> None:
    """Takes a connection out of repair mode, and has it send what it had not sent. Raises
    OSError."""
    state = entry.state
    wait_until_in_state(fd, _BEFORE_FIN.get(state, state) if stream.unsent else state)
    # Where the image does not tell the peer's window, it is asked about it.
    off = TCP_REPAIR_OFF if stream.message.snd_wnd is None else TCP_REPAIR_OFF_NO_WP
    _set_option(fd, IPPROTO_TCP, TCP_REPAIR, off)
    _set_option(fd, SOL_SOCKET, SO_REUSEADDR, int(entry.opts.reuseaddr or 0))
    if not stream.unsent:
        return
    _set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, _AMPLE)
    at = 0
    while at < len(stream.unsent):
        piece = stream.unsent[at : at + _PIECE]
        at += kernel.checked(
            SYS_sendto, fd, kernel.address_of(piece), len(piece), MSG_DONTWAIT, 0, 0
        )
    _set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, entry.opts.so_sndbuf // 2)
    kernel.raw(
        *(SYS_setsockopt, fd, SOL_SOCKET, SO_BUF_LOCK),
        *(kernel.address_of(_word(entry.opts.so_buf_lock or 0)), 4),
    )
    if entry.state in FIN_SENT:
        kernel.checked(SYS_shutdown, fd, SHUT_WR)


def _connect(fd: int, entry: InetSkEntry) -> None:
    """Begins to connect, without waiting for it. Raises OSError."""
    flags = kernel.checked(SYS_fcntl, fd, F_GETFL)
    kernel.checked(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK)
    scope = find_device(entry.ifname) if entry.ifname else 0
    name = build_name(entry.family, _address(entry.dst_addr), entry.dst_port, scope)
    result = kernel.raw(SYS_connect, fd, kernel.address_of(name), len(name))
    kernel.checked(SYS_fcntl, fd, F_SETFL, flags)
    if result < 0 and result != -errno.EINPROGRESS:
        # The program would find that out as well: it does now.
        log.warning(f"connecting again: {os.strerror(-result)}")


def wait_until_in_state(fd: int, state: int) -> None:
    """Segments of our own making may take a moment. Raises OSError: ETIMEDOUT."""
    info, length = bytearray(8), bytearray(4)
    deadline = time.monotonic() + _PATIENCE
    while True:
        length[:] = (8).to_bytes(4, "little")
        kernel.checked(
            *(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO),
            *(kernel.address_of(info), kernel.address_of(length)),
        )
        if info[0] == state:
            return
        if time.monotonic() > deadline:
            raise OSError(
                errno.ETIMEDOUT,
                f"it is in the state {STATE_NAMES[info[0]]}, and was in {STATE_NAMES[state]}",
            )
        time.sleep(0.001)


def _set_option(fd: int, level: int, option: int, value: int) -> None:
    word = _word(value)
    kernel.checked(SYS_setsockopt, fd, level, option, kernel.address_of(word), 4)


def find_device(name: str) -> int:
    """The number of a network device. Raises RestoreConflict."""
    request = bytearray(name.encode("utf-8", "surrogateescape")[:15].ljust(40, b"\0"))
    fd = kernel.checked(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
    try:
        result = kernel.raw(SYS_ioctl, fd, SIOCGIFINDEX, kernel.address_of(request))
    finally:
        os.close(fd)
    if result < 0:
        raise RestoreConflict(
            f"There is no network device {name}",
            because="a TCP socket has an address that is only good on that",
        )
    return _U32.unpack_from(request, 16)[0]  # type: ignore[no-any-return]


# --- What images say ---


def _word(value: int) -> bytes:
    return (int(value) & 0xFFFFFFFF).to_bytes(4, "little")


def _address(words: Sequence[int]) -> bytes:
    return b"".join([word.to_bytes(4, "little") for word in words])


def _agreed(message: TcpStreamEntry) -> bytes:
    """What the handshake has agreed on: struct tcp_repair_opt each."""
    options = [(TCPOPT_MSS, message.mss_clamp)]
    if message.opt_mask & TCPI_OPT_WSCALE:
        options.append((TCPOPT_WINDOW, message.snd_wscale | (message.rcv_wscale or 0) << 16))
    if message.opt_mask & TCPI_OPT_SACK:
        options.append((TCPOPT_SACK_PERM, 0))
    if message.opt_mask & TCPI_OPT_TIMESTAMPS:
        options.append((TCPOPT_TIMESTAMP, 0))
    return b"".join([_2U32.pack(*option) for option in options])


def _check_entry(id: int, entry: InetSkEntry) -> None:
    """Raises ImageError."""
    length = 1 if entry.family == AF_INET else 4
    for addresses in (entry.src_addr, entry.dst_addr):
        # Without an address there may be none, or more words than it takes.
        if len(addresses) != length:
            raise ImageError(f"File {id}, a TCP socket, has an impossible address")
    if max(entry.src_port, entry.dst_port) > 0xFFFF or entry.backlog > _LONGEST:
        raise ImageError(f"File {id}, a TCP socket, has an impossible port or backlog")
    if entry.state not in _STATES:
        raise ImageError(f"File {id}, a TCP socket, is in an impossible state, {entry.state}")
    options = entry.tcp_opts
    if options is not None and any(
        (getattr(options, field) or 0) > 0x7FFFFFFF for field in FIELDS.values()
    ):
        raise ImageError(f"File {id}, a TCP socket, has impossible options")


def _check_stream(id: int, state: int, message: TcpStreamEntry) -> None:
    """Raises ImageError."""
    unsent = message.unsq_len or 0
    if (
        max(message.snd_wscale, message.rcv_wscale or 0) > 14
        or not 0 < message.mss_clamp <= 0xFFFF
        or unsent > message.outq_len
        or (state == TCP_FIN_WAIT2 and message.outq_len)
    ):
        raise ImageError(
            f"The connection of file {id} has impossible sizes in the tcp-stream image",
            because=f"there are {message.outq_len} bytes to be sent, {unsent} of them not sent yet,"
            f" segments of {message.mss_clamp} and scales of {message.snd_wscale} and"
            f" {message.rcv_wscale}",
        )
    numbers = (message.snd_wl1, message.snd_wnd, message.max_window, message.rcv_wnd)
    if message.rcv_wup is not None and (
        None in numbers or (message.snd_wnd or 0) > (message.max_window or 0)
    ):
        raise ImageError(f"The connection of file {id} has impossible windows")


_LATE = (_QUICKACK, _CLAMP)
_VERBS = {SYS_bind: "bind", SYS_connect: "connect"}
# While a FIN of ours waits to be sent, the connection is in the state before.
_BEFORE_FIN = {TCP_FIN_WAIT1: TCP_ESTABLISHED, TCP_LAST_ACK: TCP_CLOSE_WAIT}
# How long a segment may take through the loopback device, in seconds.
_PATIENCE = 5.0
SIOCGIFINDEX = 0x8933  # linux/sockios.h
