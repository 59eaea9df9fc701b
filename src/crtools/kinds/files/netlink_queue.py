"""What waits in a netlink socket to be received: netlink(7).

Only the first message can be peeked at, so the queue is read from the kernel's memory
(docs/decisions/0010-queues-in-the-kernel.md). Nobody but the kernel can send in its name, so

- a message that a program has sent to the socket is sent again, from a socket with the port of that
  program's: its own, if that is in the tree, or one that is there for the moment;
- messages to a group are lost, and the program is told that some were: ENOBUFS, as it is where it
  does not receive them fast enough, and what whoever joins a group has to expect. A full buffer
  does that: it is made small, filled with messages that mean nothing (NLMSG_NOOP, which everybody
  has to ignore), and the kernel is asked for an acknowledgement that finds no room
  (net/netlink/af_netlink.c, netlink_overrun). So some NLMSG_NOOP come when the program has read the
  error, from its own port;
- an answer to a request is refused: who waits for it would wait for ever.
"""

from __future__ import annotations

import errno
import struct

from crtools import log
from crtools.abi.socket import (
    AF_NETLINK,
    MSG_DONTWAIT,
    SO_RCVBUFFORCE,
    SOCK_CLOEXEC,
    SOCK_RAW,
    SOL_SOCKET,
)
from crtools.abi.x86_64 import (
    SYS_bind,
    SYS_close,
    SYS_poll,
    SYS_sendmsg,
    SYS_sendto,
    SYS_setsockopt,
    SYS_socket,
)
from crtools.agent.program import EXACTLY, ref_at
from crtools.errors import ImageError, MissingFeature, PermissionDenied
from crtools.images.messages.crtools_netlink import CrtoolsNetlinkEntry, NetlinkMessageEntry
from crtools.kinds.files.socket_options import build_buffers
from crtools.kinds.files.sockets import sockets_of
from crtools.kinds.files.unix_build import build_place, build_take
from crtools.tracee.kernel_sockets import KernelSockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.agent.program import Program
    from crtools.images.messages.sk_netlink import NetlinkSkEntry
    from crtools.kinds.files.base import (
        DumpContext,
        OpenFile,
        PlanContext,
        PlannedFile,
        Programs,
    )

# linux/netlink.h: protocols of which the kernel acknowledges whatever it is sent.
_ACKNOWLEDGED = {
    0: "NETLINK_ROUTE",
    4: "NETLINK_SOCK_DIAG",
    6: "NETLINK_XFRM",
    12: "NETLINK_NETFILTER",
    15: "NETLINK_KOBJECT_UEVENT",
    16: "NETLINK_GENERIC",
}
NLMSG_NOOP, NLM_F_ACK = 1, 4
SCM_CREDENTIALS = 2
_MOST_BYTES = 1 << 24
_FILLERS = 8  # more than fit into the smallest buffer: net/sock.h, SOCK_MIN_RCVBUF
_HEADER = struct.Struct("<IHHII")  # struct nlmsghdr: length, type, flags, number, port
_ADDRESS = struct.Struct("<HxxII")  # struct sockaddr_nl: family, port, groups
_CREDS = struct.Struct("<III")
_CONTROL = struct.Struct("<Qii")  # struct cmsghdr


# --- Reading it ---


class QueueReader:
    """Reads the queues of one dump."""

    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self._sockets: KernelSockets | None = None

    def read(
        self, file: OpenFile, fd: int, what: str, *, port: int, silent: bool
    ) -> CrtoolsNetlinkEntry:
        """What waits in a socket (`what`: "it is a socket of NETLINK_ROUTE") of a port, an error
        among it. `silent`: its program does not want to be told of what is lost. Raises
        UnsupportedObject."""
        try:
            return self._read(file, fd, what, port=port, silent=silent)
        except (MissingFeature, PermissionDenied) as error:
            raise self.context.refuse(
                file,
                f"{what} with messages that the program has not received yet",
                f"they are in the kernel's memory only, which cannot be read: {error.because}",
                "dump when the program has received them, or run as root, with CAP_BPF,"
                " CAP_PERFMON and CAP_SYS_ADMIN",
            ) from error

    def _read(
        self, file: OpenFile, fd: int, what: str, *, port: int, silent: bool
    ) -> CrtoolsNetlinkEntry:
        if self._sockets is None:
            self._sockets = KernelSockets()
        sockets, memory = self._sockets, self._sockets.memory
        sock = sockets.find(fd)
        error = memory.unsigned(sock, "sock", "sk_err")
        if error not in (0, errno.ENOBUFS):
            raise self.context.refuse(
                file,
                f"{what} with an error that the program has not read yet"
                f" ({errno.errorcode.get(error, error)})",
                "who reads it takes it away, and nobody can put it back",
                "dump when the program has read it",
            )
        messages: list[NetlinkMessageEntry] = []
        lost = 0
        for packet in sockets.read_queue(sock):
            sender = sockets.control(packet, "netlink_skb_parms", "portid", 4)
            if sockets.control(packet, "netlink_skb_parms", "dst_group", 4):
                lost += 1
            elif sender:
                creds = sockets.control(packet, "netlink_skb_parms", "creds", _CREDS.size)
                pid, uid, gid = _CREDS.unpack(creds.to_bytes(_CREDS.size, "little"))
                messages.append(
                    NetlinkMessageEntry(
                        portid=sender, data=sockets.read_data(packet), pid=pid, uid=uid, gid=gid
                    )
                )
            else:
                raise self.context.refuse(
                    file,
                    f"{what} with an answer of the kernel that the program has not received yet",
                    "nobody can put it back in the kernel's name, and the program may wait for it",
                    "dump when the program has received it",
                )
        entry = CrtoolsNetlinkEntry(id=0, messages=messages)
        if lost:
            log.warning(
                "%s: %d messages to groups are lost%s",
                *(self.context.describe(file), lost),
                "" if silent else ": the program will be told that some were (ENOBUFS)",
                pid=file.pid,
            )
        if (lost or error) and not silent:
            self._check_telling(file, what, port)
            entry.overrun = True
        return entry

    def _check_telling(self, file: OpenFile, what: str, port: int) -> None:
        assert file.socket is not None
        if file.socket[2] in _ACKNOWLEDGED and port:
            return
        raise self.context.refuse(
            file,
            f"{what} with messages to a group that the program has not received yet",
            "it can neither have them again nor be told that they were lost, which takes a port of"
            f" its own and one of these protocols: {', '.join(_ACKNOWLEDGED.values())}",
            "dump when the program has received them",
        )


def read_ports() -> dict[tuple[int, int], int]:
    """The netlink sockets of this network namespace: protocol and port -> inode. /proc/net/netlink:
    `sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode`."""
    with open("/proc/self/net/netlink", "rb") as file:
        rows = [line.split() for line in file.read().splitlines()[1:]]
    return {(int(row[1]), int(row[2])): int(row[9]) for row in rows}


# --- Putting it back ---


def read_saved(context: PlanContext, files: list[PlannedFile]) -> dict[int, CrtoolsNetlinkEntry]:
    """The entries by the id of the file. Raises ImageError."""
    ids = {file.id for file in files}
    found: dict[int, CrtoolsNetlinkEntry] = {}
    for entry in context.store.read("crtools-netlink"):
        size = sum([len(message.data) for message in entry.messages])
        short = not all(message.data for message in entry.messages)
        if entry.id not in ids or entry.id in found or size > _MOST_BYTES or short:
            raise ImageError(f"crtools-netlink.img makes no sense about file {entry.id}")
        found[entry.id] = entry
    return found


class Refilling:
    """Sends messages to a netlink socket again, has it told of those that are lost, and gives it
    what they must not meet: the filter, and the size of its buffer. In the process that has it
    first; when every descriptor is at its number."""

    def __init__(
        self,
        context: PlanContext,
        file: PlannedFile,
        entry: CrtoolsNetlinkEntry,
        senders: dict[int, PlannedFile],
        spare: int,
        what: Callable[[], str],
    ) -> None:
        self.context = context
        self.file = file
        self.entry = entry
        self.senders = senders  # by port, sockets of the tree
        self.spare = spare
        self.what = what
        self.pid, self.number, _ = file.users[0]
        # The senders that somebody can be, for the credentials that come with a message.
        self.acting = {m.pid for m in entry.messages if m.pid and context.can_act(m.pid)}

    def check(self) -> None:
        """Reports the senders that nobody can be, where the program looks at them."""
        if not self.file.message.opts.so_passcred or self.context.shortfalls is None:
            return
        for pid in sorted({one.pid for one in self.entry.messages} - self.acting):
            self.context.shortfalls.report(
                *(self.pid, f"task {self.pid}", "the sender of a message to a netlink socket"),
                wanted=f"task {pid}",
                got=f"task {self.pid}",
                because="that process is not one of the tree, and its number is not free",
            )

    def __call__(self, programs: Programs) -> None:
        message: NetlinkSkEntry = self.file.message
        address = _ADDRESS.pack(AF_NETLINK, message.portid, 0)
        for one in self.entry.messages:
            self._send(programs, one, address)
        if self.entry.overrun:
            self._overrun(programs.need(4096), address)
        sockets = sockets_of(self.context)
        others = sockets.options(self.file.id)
        program = programs.need(2048 + 8 * len(message.opts.so_filter))
        fresh = sockets.fresh(AF_NETLINK, SOCK_RAW, message.protocol)
        build_buffers(program, self.number, message.opts, fresh, self.what, always=True)
        sockets.build_filter_of(program, self.number, self.file.id, message.opts, others, self.what)

    def _send(self, programs: Programs, one: NetlinkMessageEntry, address: bytes) -> None:
        data = one.data
        program = programs.need(4096 + len(data))
        sender, borrowed = self._sender(program, one.portid)
        control = b""
        if one.pid in self.acting:
            creds = _CREDS.pack(one.pid, one.uid, one.gid)
            size = _CONTROL.size + len(creds)
            control = _CONTROL.pack(size, SOL_SOCKET, SCM_CREDENTIALS) + creds
            control += bytes(-len(control) % 8)
        vector = program.put(struct.pack("<QQ", 0, len(data)))
        program.address(program.put(data), vector)
        header = program.put(struct.pack("<QIxxxxQQQQQ", 0, len(address), 0, 1, 0, len(control), 0))
        program.address(program.put(address), header)
        program.address(vector, ref_at(header, 16))
        if control:
            program.address(program.put(control), ref_at(header, 32))
        program.call(
            *(SYS_sendmsg, sender, header, MSG_DONTWAIT),
            expect=EXACTLY,
            expected=len(data),
            label=lambda: f"put a message from port {one.portid} back into {self.what()}",
        )
        if borrowed:
            program.call(SYS_close, sender)

    def _sender(self, program: Program, port: int) -> tuple[int, bool]:
        """A socket with a port, and whether it is to be closed."""
        message: NetlinkSkEntry = self.file.message
        if port == message.portid:
            return self.number, False
        own = self.senders.get(port)
        if own is not None:
            pid, number, _ = own.users[0]
            if pid == self.pid:
                return number, False
            build_take(program, pid, number, self.spare, lambda: self.context.describe(own))
            return self.spare, True

        def label() -> str:
            return f"have port {port}, which a message came from, for {self.what()}"

        made = program.call(
            SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, message.protocol, label=label
        )
        program.skip_if(made, self.spare, 2)
        build_place(program, made, self.spare, True, label)
        name = program.put(_ADDRESS.pack(AF_NETLINK, port, 0))
        program.call(SYS_bind, self.spare, name, _ADDRESS.size, label=label)
        return self.spare, True

    def _overrun(self, program: Program, address: bytes) -> None:
        def label() -> str:
            return f"have {self.what()} told that messages were lost"

        number = self.number
        none = program.put(bytes(4))
        program.call(SYS_setsockopt, number, SOL_SOCKET, SO_RCVBUFFORCE, none, 4, label=label)
        to = program.put(address)
        filler = program.put(_HEADER.pack(_HEADER.size, NLMSG_NOOP, 0, 0, 0))
        for _ in range(_FILLERS):
            program.attempt(
                *(SYS_sendto, number, filler, _HEADER.size, MSG_DONTWAIT, to, _ADDRESS.size),
                refusals=(errno.EAGAIN,),
                otherwise=lambda _: None,  # it is full
                label=label,
            )
        request = program.put(_HEADER.pack(_HEADER.size, NLMSG_NOOP, NLM_F_ACK, 0, 0))
        kernel = program.put(_ADDRESS.pack(AF_NETLINK, 0, 0))
        program.call(
            *(SYS_sendto, number, request, _HEADER.size, MSG_DONTWAIT, kernel, _ADDRESS.size),
            label=label,
        )
        program.call(
            *(SYS_poll, program.put(struct.pack("<ihh", number, 0, 0)), 1, 0),
            expect=EXACTLY,
            expected=1,  # POLLERR
            label=label,
        )
