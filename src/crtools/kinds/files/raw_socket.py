"""Raw sockets of IPv4 and IPv6: raw(7), icmp(7).

Packets that wait to be received are lost, as they might have been on the wire, and the log says so:
only the first can be peeked at, and whoever sends one again sends it to every raw socket.
"""

from __future__ import annotations

from crtools.abi.inet import ICMP_FILTER, ICMPV6_FILTER, IPV6_CHECKSUM, SOL_RAW
from crtools.abi.socket import IPPROTO_ICMPV6, SOCK_RAW
from crtools.errors import ImageError
from crtools.images.messages.fdinfo import FdTypes
from crtools.images.messages.sk_inet import IpOptsEntry, IpOptsRawEntry
from crtools.kinds.files.base import FileKind
from crtools.kinds.files.inet import InetDumper, InetPlanner, Making
from crtools.kinds.files.socket_options import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program
    from crtools.images.messages.sk_inet import InetSkEntry
    from crtools.kinds.files.base import (
        DumpContext,
        FileDumper,
        FilePlanner,
        OpenFile,
        PlanContext,
        PlannedFile,
    )
    from crtools.kinds.files.socket_options import Values

_NO_CHECKSUM = b"\xff" * 4  # -1
_FILTER = (SOL_RAW, ICMP_FILTER)
_FILTER6 = (IPPROTO_ICMPV6, ICMPV6_FILTER)
_OPTIONS = Table(
    (
        (*_FILTER, bytes(4)),
        (*_FILTER6, bytes(32)),
        (SOL_RAW, IPV6_CHECKSUM, _NO_CHECKSUM),
    )
)


class Raw(FileKind):
    type = FdTypes.INETSK
    field = "isk"

    def matches(self, file: OpenFile) -> bool:
        return file.socket is not None and file.socket[1] == SOCK_RAW

    def dumper(self, context: DumpContext) -> FileDumper:
        return RawDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return RawPlanner(context)


class RawDumper(InetDumper):
    options = _OPTIONS

    def take_options(self, message: InetSkEntry, changed: Values) -> Values:
        filter = changed.pop(_FILTER, None) or changed.pop(_FILTER6, None)
        if filter is not None:
            if message.ip_opts is None:
                message.ip_opts = IpOptsEntry()
            if message.ip_opts.raw is None:
                message.ip_opts.raw = IpOptsRawEntry()
            message.ip_opts.raw.icmpv_filter = [
                int.from_bytes(filter[at : at + 4], "little") for at in range(0, len(filter), 4)
            ]
        return changed


class RawPlanner(InetPlanner):
    options = _OPTIONS
    noun = "raw socket"

    def add(self, file: PlannedFile) -> None:
        if len(_filter_of(file.message)) not in (0, 1, 8):
            raise ImageError(f"Socket {file.id} has an impossible filter of ICMP")
        super().add(file)

    def make(self, file: PlannedFile) -> Making:
        return RawMaking(self, file)


class RawMaking(Making):
    __slots__ = ()

    def bind(self, program: Program, message: InetSkEntry, scope: int) -> None:
        # Its port is the protocol, and nothing to bind to.
        if any(message.src_addr):
            super().bind(program, message, scope)

    def wanted(self, message: InetSkEntry, others: Values) -> Values:
        wanted = super().wanted(message, others)
        filter = b"".join([word.to_bytes(4, "little") for word in _filter_of(message)])
        if filter:
            wanted[_FILTER if len(filter) == 4 else _FILTER6] = filter
        return wanted


def _filter_of(message: InetSkEntry) -> list[int]:
    options = message.ip_opts
    return list(options.raw.icmpv_filter) if options is not None and options.raw is not None else []
