"""Netlink sockets: netlink(7).

getsockname(2) tells the port and NETLINK_LIST_MEMBERSHIPS the groups, getpeername(2) whom a socket
sends to, sock_diag(7) whether it is connected (to the kernel it may be, without a difference that
one could see otherwise).

What waits to be received, messages or an error (ENOBUFS: messages were dropped), is the affair of
crtools.kinds.files.netlink_queue. Groups of generic netlink are numbers that a kernel gives out as
modules come: after another boot they may mean something else.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools import log
from crtools.abi import kernel
from crtools.abi.fcntl import F_SETFL, O_NONBLOCK
from crtools.abi.socket import (
    AF_NETLINK,
    SO_TYPE,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
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
    SYS_socket,
)
from crtools.errors import ImageError
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.sk_netlink import NetlinkSkEntry
from crtools.kinds.files.base import MAKE, FileDumper, FileKind, FilePlanner, choose_place
from crtools.kinds.files.pipe_buffer import SETTABLE
from crtools.kinds.files.socket_options import (
    Table,
    build_buffers,
    build_options,
    check_options,
    read_options,
)
from crtools.kinds.files.sockets import sockets_of
from crtools.procfs.sock_diag import read_diag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.agent.program import Program
    from crtools.images.messages.crtools_netlink import CrtoolsNetlinkEntry
    from crtools.kinds.files.base import (
        DumpContext,
        OpenFile,
        PlanContext,
        PlannedFile,
        Programs,
    )
    from crtools.kinds.files.netlink_queue import QueueReader, Refilling
    from crtools.kinds.files.socket_options import Values

SOL_NETLINK = 270  # linux/socket.h
NETLINK_CONNECTED = 1  # net/netlink/af_netlink.c
# linux/netlink.h
NETLINK_ADD_MEMBERSHIP = 1
NETLINK_PKTINFO = 3
NETLINK_BROADCAST_ERROR = 4
NETLINK_NO_ENOBUFS = 5
NETLINK_LISTEN_ALL_NSID = 8
NETLINK_LIST_MEMBERSHIPS = 9
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
NETLINK_GET_STRICT_CHK = 12
SO_MEMINFO = 55  # asm-generic/socket.h
POLLERR = 0x8  # asm-generic/poll.h
_NAMES = (
    *("ROUTE", "UNUSED", "USERSOCK", "FIREWALL", "SOCK_DIAG", "NFLOG", "XFRM", "SELINUX", "ISCSI"),
    *("AUDIT", "FIB_LOOKUP", "CONNECTOR", "NETFILTER", "IP6_FW", "DNRTMSG", "KOBJECT_UEVENT"),
    *("GENERIC", "DM", "SCSITRANSPORT", "ECRYPTFS", "RDMA", "CRYPTO", "SMC"),
)
_ADDRESS = struct.Struct("<HxxII")  # struct sockaddr_nl: family, port, groups
_U32 = struct.Struct("<I")
_DIAG = struct.Struct("<BBBBIII")  # struct netlink_diag_msg up to the group that it sends to
_DIAG_INODE = 16
_MOST_GROUPS = 1 << 16  # more than any protocol has

_TYPE = (SOL_SOCKET, SO_TYPE)
# CRIU's message has no type, which is SOCK_RAW for nearly all. A fresh socket is made of it, so
# that it need not be set.
_OPTIONS = Table(
    (
        (*_TYPE, _U32.pack(SOCK_RAW)),
        *(
            (SOL_NETLINK, number, bytes(4))
            for number in (
                *(NETLINK_PKTINFO, NETLINK_BROADCAST_ERROR, NETLINK_NO_ENOBUFS, NETLINK_CAP_ACK),
                *(NETLINK_LISTEN_ALL_NSID, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK),
            )
        ),
    )
)


class Netlink(FileKind):
    type = FdTypes.NETLINKSK
    field = "nlsk"

    def matches(self, file: OpenFile) -> bool:
        return file.socket is not None and file.socket[0] == AF_NETLINK

    def dumper(self, context: DumpContext) -> FileDumper:
        return NetlinkDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return NetlinkPlanner(context)


def name_protocol(number: int) -> str:
    return f"NETLINK_{_NAMES[number]}" if number < len(_NAMES) else f"netlink protocol {number}"


class NetlinkDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self._ports: dict[tuple[int, int], int] = {}  # protocol and port: inode
        self._queues: list[tuple[OpenFile, CrtoolsNetlinkEntry]] = []
        self._reader: QueueReader | None = None

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        assert file.socket is not None
        context, protocol = self.context, file.socket[2]
        fd = context.sockets.descriptor(file)
        _, port, _ = _read_name(SYS_getsockname, fd)
        _, peer, mask = _read_name(SYS_getpeername, fd)
        # Only the first 32 groups can be sent to: connect(2) takes a mask of them.
        group = mask.bit_length()
        states = context.sockets.facts("netlink", read_states)
        message = NetlinkSkEntry(
            id=id,
            ino=file.stat.st_ino,
            protocol=protocol,
            state=states.get(file.stat.st_ino, NETLINK_CONNECTED if peer or group else 0),
            flags=file.flags,
            portid=port,
            groups=_read_groups(fd),
            dst_portid=peer,
            dst_group=group,
            fown=context.owner_of(file),
            opts=read_options(context, file, fd, id),
        )
        options = _OPTIONS.read_changed(fd)
        context.sockets.add_options(id, options)
        if port:
            self._ports[protocol, port] = file.stat.st_ino
        if self._has_queue(fd):
            if self._reader is None:
                from crtools.kinds.files.netlink_queue import QueueReader

                self._reader = QueueReader(context)
            what = f"it is a socket of {name_protocol(protocol)}"
            silent = any(options.get((SOL_NETLINK, NETLINK_NO_ENOBUFS), b""))
            queue = self._reader.read(file, fd, what, port=port, silent=silent)
            queue.id = id
            self._queues.append((file, queue))
        return FileEntry(type=FdTypes.NETLINKSK, id=id, nlsk=message)

    @staticmethod
    def _has_queue(fd: int) -> bool:
        """Whether a message or an error waits."""
        poll = bytearray(struct.pack("<ihh", fd, 0, 0))
        kernel.checked(SYS_poll, kernel.address_of(poll), 1, 0)
        if struct.unpack("<ihh", poll)[2] & POLLERR:
            return True
        return bool(_U32.unpack_from(_get(fd, SOL_SOCKET, SO_MEMINFO, 36))[0])

    def check(self) -> None:
        if not any(queue.messages for _, queue in self._queues):
            return
        from crtools.kinds.files.netlink_queue import read_ports

        ports = read_ports()
        for file, queue in self._queues:
            assert file.socket is not None
            for message in queue.messages:
                key = file.socket[2], message.portid
                if key in ports and key not in self._ports:
                    raise self.context.refuse(
                        file,
                        f"it is a socket of {name_protocol(key[0])} with a message that the"
                        f" program has not received yet, from port {message.portid}",
                        f"that is the port of a socket outside the tree, inode {ports[key]}, in"
                        " whose name nobody else can send",
                        "dump when the program has received it",
                    )

    def finish(self) -> None:
        queues = [queue for _, queue in self._queues if queue.messages or queue.overrun]
        if queues:
            self.context.store.write("crtools-netlink", queues)


def _read_name(call: int, fd: int) -> tuple[int, int, int]:
    """Family, port and mask of groups."""
    name, length = bytearray(_ADDRESS.size), bytearray(_U32.pack(_ADDRESS.size))
    kernel.checked(call, fd, kernel.address_of(name), kernel.address_of(length))
    family, port, groups = _ADDRESS.unpack(name)
    return family, port, groups


def _get(fd: int, level: int, number: int, room: int) -> bytes:
    value, length = bytearray(room), bytearray(_U32.pack(room))
    kernel.checked(
        SYS_getsockopt, fd, level, number, kernel.address_of(value), kernel.address_of(length)
    )
    return bytes(value[: _U32.unpack(length)[0]])


def _read_groups(fd: int) -> list[int]:
    """The groups that a socket has joined: a bit each, in words of 32, as few as do."""
    value = bytearray(_MOST_GROUPS // 8)
    length = bytearray(_U32.pack(len(value)))
    result = kernel.raw(
        *(SYS_getsockopt, fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, kernel.address_of(value)),
        kernel.address_of(length),
    )
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    words = list(struct.unpack_from(f"<{_U32.unpack(length)[0] // 4}I", value))
    while words and not words[-1]:
        words.pop()
    return words


def read_states() -> dict[int, int]:
    """Whether sockets are connected, by inode; {} where the kernel does not tell."""
    request = struct.pack("<BBHIIII", AF_NETLINK, 0xFF, 0, 0, 0, 0, 0)
    found = {}
    try:
        for message in read_diag(request):
            found[_U32.unpack_from(message, _DIAG_INODE)[0]] = _DIAG.unpack_from(message)[3]
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        log.debug("the kernel does not tell which netlink sockets are connected")
    return found


class NetlinkPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.files: list[PlannedFile] = []
        self._refillings: list[Refilling] = []

    def add(self, file: PlannedFile) -> None:
        message: NetlinkSkEntry = file.message
        if len(message.groups) > _MOST_GROUPS // 32 or message.dst_group > 32:
            raise ImageError(f"Netlink socket {file.id} has impossible groups")
        others = sockets_of(self.context).options(file.id)
        check_options(message.opts, others, _OPTIONS)
        if type_of(others) not in (SOCK_RAW, SOCK_DGRAM):
            raise ImageError(f"Netlink socket {file.id} has an impossible type")
        self.files.append(file)

    def name(self, file: PlannedFile) -> str:
        return f"the socket of {name_protocol(file.message.protocol)}, port {file.message.portid}"

    def place(self) -> None:
        choose_place(self.context, self.files)
        queues: dict[int, CrtoolsNetlinkEntry] = {}
        if self.context.store.has("crtools-netlink"):
            from crtools.kinds.files.netlink_queue import read_saved

            queues = read_saved(self.context, self.files)
        for file in self.files:
            queue = queues.get(file.id)
            self.context.add_job(file.pid, Making(self.context, file, filter=queue is None))
            if queue is not None:
                self._refill(file, queue)

    def _refill(self, file: PlannedFile, queue: CrtoolsNetlinkEntry) -> None:
        from crtools.kinds.files.netlink_queue import Refilling

        context, protocol = self.context, file.message.protocol
        senders = {
            other.message.portid: other
            for other in self.files
            if other.message.protocol == protocol and other.message.portid
        }
        job = Refilling(
            *(context, file, queue, senders, context.unused_number()),
            lambda: context.describe(file),
        )
        self._refillings.append(job)
        needed = [senders[m.portid] for m in queue.messages if m.portid in senders]
        context.add_late_job(MAKE, job.pid, job, [file, *needed])

    def check(self, root: int) -> None:
        for job in self._refillings:
            job.check()


def type_of(others: Values) -> int:
    return int.from_bytes(others.get(_TYPE, _U32.pack(SOCK_RAW)), "little")


class Making:
    """Makes one netlink socket, at its number; without its filter if something is to be sent to
    it first."""

    __slots__ = ("context", "file", "filter")

    def __init__(self, context: PlanContext, file: PlannedFile, *, filter: bool) -> None:
        self.context = context
        self.file = file
        self.filter = filter

    def __call__(self, programs: Programs) -> None:
        file = self.file
        message: NetlinkSkEntry = file.message
        sockets = sockets_of(self.context)
        others = sockets.options(file.id)
        kind = type_of(others)
        cloexec = file.users[0][2]
        flags = (message.flags & O_NONBLOCK and SOCK_NONBLOCK) | (cloexec and SOCK_CLOEXEC)
        program = programs.need(1024)
        fd = program.call(
            *(SYS_socket, AF_NETLINK, kind | flags, message.protocol),
            label=lambda: f"make {self.what()}",
        )
        self.context.move(program, fd, file.number, cloexec, self.what)
        fresh = sockets.fresh(AF_NETLINK, kind, message.protocol)
        program = programs.need(8192 + 8 * len(message.opts.so_filter))
        build_options(program, file.number, message.opts, others, fresh, self.what)
        own = {option: value for option, value in others.items() if option in _OPTIONS.places}
        _OPTIONS.build(program, file.number, own, fresh.values(_OPTIONS), self.what)
        self._bind(program, message)
        groups = [
            32 * index + bit + 1
            for index, word in enumerate(message.groups)
            for bit in range(32)
            if word >> bit & 1
        ]
        for group in groups:
            program = programs.need(256)
            program.call(
                *(SYS_setsockopt, file.number, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP),
                *(program.put(_U32.pack(group)), 4),
                label=self._joining(group),
            )
        program = programs.need(2048 + 8 * len(message.opts.so_filter))
        if message.state == NETLINK_CONNECTED:
            mask = 1 << message.dst_group - 1 if message.dst_group else 0
            peer = program.put(_ADDRESS.pack(AF_NETLINK, message.dst_portid, mask))
            program.call(
                *(SYS_connect, file.number, peer, _ADDRESS.size),
                label=lambda: f"connect {self.what()}",
            )
        build_buffers(program, file.number, message.opts, fresh, self.what)
        if self.filter:
            sockets.build_filter(program, file, message.opts, others, self.what)
        rest = message.flags & SETTABLE
        if rest & ~O_NONBLOCK:
            program.call(
                *(SYS_fcntl, file.number, F_SETFL, rest),
                label=lambda: f"set the flags of {self.what()}",
            )

    def _joining(self, group: int) -> Callable[[], str]:
        return lambda: f"have {self.what()} join group {group}"

    def _bind(self, program: Program, message: NetlinkSkEntry) -> None:
        if message.portid:
            name = program.put(_ADDRESS.pack(AF_NETLINK, message.portid, 0))
            program.call(
                *(SYS_bind, self.file.number, name, _ADDRESS.size),
                label=lambda: f"bind {self.what()}",
            )

    def what(self) -> str:
        return self.context.describe(self.file)
