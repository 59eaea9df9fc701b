"""TCP sockets, IPv4 and IPv6: closed, bound, listening, connecting, connected and being closed.

getsockname(2), getpeername(2) and TCP_INFO tell who is connected in which state, poll(2) what has
been shut down and whether an error or urgent data is pending, and repair mode the rest
(crtools.kinds.files.tcp_repair): tcp(7), net/ipv4/tcp.c. CRIU's inet_sk_entry has the socket,
tcp_stream_entry the connection, followed by both queues; options that they have no field for are in
crtools-socket.img.

What is lost, because nobody can set it again: round-trip times and the congestion window, which are
found anew; that ECN was negotiated; segments that came out of order, which the peer sends again.
"""

from __future__ import annotations

from crtools.abi.socket import IPPROTO_TCP, SOCK_STREAM
from crtools.abi.tcp import (
    TCP_CORK,
    TCP_DEFER_ACCEPT,
    TCP_DELACK_MAX_US,
    TCP_FASTOPEN,
    TCP_FASTOPEN_CONNECT,
    TCP_FASTOPEN_NO_COOKIE,
    TCP_INQ,
    TCP_KEEPCNT,
    TCP_KEEPIDLE,
    TCP_KEEPINTVL,
    TCP_LINGER2,
    TCP_NODELAY,
    TCP_NOTSENT_LOWAT,
    TCP_QUICKACK,
    TCP_RTO_MAX_MS,
    TCP_RTO_MIN_US,
    TCP_SAVE_SYN,
    TCP_SYNCNT,
    TCP_THIN_LINEAR_TIMEOUTS,
    TCP_TX_DELAY,
    TCP_USER_TIMEOUT,
    TCP_WINDOW_CLAMP,
)
from crtools.images.messages.fdinfo import FdTypes
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner
from crtools.kinds.files.socket_options import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext


class TcpSocket(FileKind):
    type = FdTypes.INETSK
    field = "isk"

    def matches(self, file: OpenFile) -> bool:
        return file.socket is not None and file.socket[1:] == (SOCK_STREAM, IPPROTO_TCP)

    def dumper(self, context: DumpContext) -> FileDumper:
        from crtools.kinds.files.tcp_dump import TcpDumper

        return TcpDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        from crtools.kinds.files.tcp_restore import TcpPlanner

        return TcpPlanner(context)


def _word(value: int) -> bytes:
    return value.to_bytes(4, "little")


# Options and the kernel's defaults. TCP_MAXSEG, TCP_CONGESTION and TCP_FASTOPEN_KEY are apart.
OPTIONS = Table(
    (IPPROTO_TCP, number, _word(default))
    for number, default in (
        (TCP_NODELAY, 0),
        (TCP_CORK, 0),
        (TCP_KEEPIDLE, 7200),
        (TCP_KEEPINTVL, 75),
        (TCP_KEEPCNT, 9),
        (TCP_SYNCNT, 6),
        (TCP_LINGER2, 60),
        (TCP_DEFER_ACCEPT, 0),
        (TCP_WINDOW_CLAMP, 0),
        (TCP_THIN_LINEAR_TIMEOUTS, 0),
        (TCP_USER_TIMEOUT, 0),
        (TCP_FASTOPEN, 0),
        (TCP_NOTSENT_LOWAT, 0),
        (TCP_SAVE_SYN, 0),
        (TCP_FASTOPEN_CONNECT, 0),
        (TCP_FASTOPEN_NO_COOKIE, 0),
        (TCP_INQ, 0),
        (TCP_TX_DELAY, 0),
        (TCP_RTO_MAX_MS, 120000),
        (TCP_RTO_MIN_US, 200000),
        (TCP_DELACK_MAX_US, 40000),
        (TCP_QUICKACK, 1),
    )
)
# Those that CRIU's tcp_opts_entry has fields for.
FIELDS = {
    (IPPROTO_TCP, TCP_CORK): "cork",
    (IPPROTO_TCP, TCP_NODELAY): "nodelay",
    (IPPROTO_TCP, TCP_KEEPCNT): "keepcnt",
    (IPPROTO_TCP, TCP_KEEPIDLE): "keepidle",
    (IPPROTO_TCP, TCP_KEEPINTVL): "keepintvl",
}
