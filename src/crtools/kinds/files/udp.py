"""UDP, UDP-Lite and ICMP sockets of datagrams: udp(7), udplite(7), icmp(7).

Datagrams that wait to be received come back with who sent them (crtools.kinds.files.datagrams). Of
an ICMP socket they are lost, as they might have been on the wire, and the log says so.
"""

from __future__ import annotations

import os

from crtools.abi.inet import (
    UDP_CORK,
    UDP_ENCAP,
    UDP_GRO,
    UDP_NO_CHECK6_RX,
    UDP_NO_CHECK6_TX,
    UDP_SEGMENT,
    UDPLITE_RECV_CSCOV,
    UDPLITE_SEND_CSCOV,
)
from crtools.abi.socket import IPPROTO_UDP, IPPROTO_UDPLITE, SOCK_DGRAM
from crtools.images.messages.fdinfo import FdTypes
from crtools.kinds.files.base import FileKind
from crtools.kinds.files.inet import InetDumper, InetPlanner, Making
from crtools.kinds.files.socket_options import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crtools.images.messages.sk_inet import InetSkEntry
    from crtools.kinds.files.base import (
        DumpContext,
        FileDumper,
        FilePlanner,
        OpenFile,
        PlanContext,
        PlannedFile,
        Programs,
    )
    from crtools.kinds.files.inet import Seen

_OPTIONS = Table(
    (IPPROTO_UDP, number, bytes(4))
    for number in (
        *(UDP_ENCAP, UDP_NO_CHECK6_TX, UDP_NO_CHECK6_RX, UDP_SEGMENT, UDP_GRO, UDP_CORK),
        *(UDPLITE_SEND_CSCOV, UDPLITE_RECV_CSCOV),
    )
)


class Udp(FileKind):
    type = FdTypes.INETSK
    field = "isk"

    def matches(self, file: OpenFile) -> bool:
        return file.socket is not None and file.socket[1] == SOCK_DGRAM

    def dumper(self, context: DumpContext) -> FileDumper:
        return UdpDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return UdpPlanner(context)


class UdpDumper(InetDumper):
    options = _OPTIONS

    def __init__(self, context: DumpContext) -> None:
        super().__init__(context)
        self._datagrams: list[tuple[Any, bytes]] = []

    def read_queue(self, file: OpenFile, id: int, seen: Seen, message: InetSkEntry) -> None:
        if message.proto not in (IPPROTO_UDP, IPPROTO_UDPLITE):
            super().read_queue(file, id, seen, message)
            return
        from crtools.kinds.files.datagrams import read_datagrams

        self._datagrams += read_datagrams(self.context, file, id, seen.fd, seen.received)

    def finish(self) -> None:
        if self._datagrams:
            self.context.store.write("crtools-datagrams", self._datagrams)


class UdpPlanner(InetPlanner):
    options = _OPTIONS
    noun = "UDP socket"

    def __init__(self, context: PlanContext) -> None:
        super().__init__(context)
        self.datagrams: dict[int, Any] = {}  # by the socket's id
        self.filled: dict[int, int] = {}  # descriptors of ours, of UDP-Lite sockets, by id

    def place(self) -> None:
        if self.context.store.has("crtools-datagrams"):
            from crtools.kinds.files.datagrams import read_saved

            self.datagrams = read_saved(self.context.store, self.files)
        super().place()

    def make(self, file: PlannedFile) -> Making:
        return UdpMaking(self, file)

    def create(self, tool_pid: int, root: int) -> None:
        for file in self.files if self.datagrams else ():
            if file.message.proto == IPPROTO_UDPLITE and file.id in self.datagrams:
                from crtools.kinds.files.lite_queue import make_filled

                self.filled[file.id] = make_filled(self.context, file, self.datagrams[file.id])

    def close(self, *, restored: bool) -> None:
        for fd in self.filled.values():
            os.close(fd)
        self.filled.clear()


class UdpMaking(Making):
    __slots__ = ("datagrams", "filled", "spare")

    def __init__(self, planner: UdpPlanner, file: PlannedFile) -> None:
        super().__init__(planner, file)
        self.datagrams = planner.datagrams.get(file.id)
        self.filled = planner.filled
        if self.datagrams and file.message.proto == IPPROTO_UDP:
            # A number that is no other file's, for the socket that they are sent from.
            table = self.context.tables[file.pid]
            self.spare = table.park()
            table.unpark(self.spare)

    def make(self, programs: Programs, *, cloexec: bool) -> None:
        file = self.file
        if file.id in self.filled:
            fd = self.filled[file.id]
            self.context.take_inherited(programs, fd, file.number, cloexec, self.what)
            return
        super().make(programs, cloexec=cloexec)

    def fill(self, programs: Programs) -> bool:
        if not self.datagrams:
            return False
        if self.file.id not in self.filled:
            from crtools.kinds.files.datagrams import build_datagrams

            build_datagrams(
                self.context, programs, self.file, self.spare, self.datagrams, self.what
            )
        return True
