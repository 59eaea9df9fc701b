"""Options of levels IPPROTO_IP and IPPROTO_IPV6, which sockets of all of their protocols have.

An IPv6 socket has both, for it may talk to IPv4 addresses as well. ip(7), ipv6(7),
net/ipv4/ip_sockglue.c, net/ipv6/ipv6_sockglue.c.

Nobody can read, and so they are not carried: policies of IPsec (IP_XFRM_POLICY), leases of flow
labels, anycast addresses, and by which device IPv4 multicast leaves where that was set by the
device's number alone (IP_MULTICAST_IF tells an address only).
"""

from __future__ import annotations

from crtools.abi.inet import (
    IP_BIND_ADDRESS_NO_PORT,
    IP_CHECKSUM,
    IP_FREEBIND,
    IP_HDRINCL,
    IP_LOCAL_PORT_RANGE,
    IP_MINTTL,
    IP_MTU_DISCOVER,
    IP_MULTICAST_ALL,
    IP_MULTICAST_IF,
    IP_MULTICAST_LOOP,
    IP_MULTICAST_TTL,
    IP_NODEFRAG,
    IP_OPTIONS,
    IP_PASSSEC,
    IP_PKTINFO,
    IP_PMTUDISC_WANT,
    IP_RECVERR,
    IP_RECVERR_RFC4884,
    IP_RECVFRAGSIZE,
    IP_RECVOPTS,
    IP_RECVORIGDSTADDR,
    IP_RECVTOS,
    IP_RECVTTL,
    IP_RETOPTS,
    IP_ROUTER_ALERT,
    IP_TOS,
    IP_TRANSPARENT,
    IP_TTL,
    IP_UNICAST_IF,
    IPV6_2292DSTOPTS,
    IPV6_2292HOPLIMIT,
    IPV6_2292HOPOPTS,
    IPV6_2292PKTINFO,
    IPV6_2292RTHDR,
    IPV6_ADDR_PREFERENCES,
    IPV6_AUTOFLOWLABEL,
    IPV6_DONTFRAG,
    IPV6_DSTOPTS,
    IPV6_FLOWINFO,
    IPV6_FLOWINFO_SEND,
    IPV6_FREEBIND,
    IPV6_HDRINCL,
    IPV6_HOPOPTS,
    IPV6_MINHOPCOUNT,
    IPV6_MTU_DISCOVER,
    IPV6_MULTICAST_ALL,
    IPV6_MULTICAST_HOPS,
    IPV6_MULTICAST_IF,
    IPV6_MULTICAST_LOOP,
    IPV6_PREFER_SRC_HOME,
    IPV6_PREFER_SRC_PUBTMP_DEFAULT,
    IPV6_RECVDSTOPTS,
    IPV6_RECVERR,
    IPV6_RECVERR_RFC4884,
    IPV6_RECVFRAGSIZE,
    IPV6_RECVHOPLIMIT,
    IPV6_RECVHOPOPTS,
    IPV6_RECVORIGDSTADDR,
    IPV6_RECVPATHMTU,
    IPV6_RECVPKTINFO,
    IPV6_RECVRTHDR,
    IPV6_RECVTCLASS,
    IPV6_ROUTER_ALERT_ISOLATE,
    IPV6_RTHDR,
    IPV6_RTHDRDSTOPTS,
    IPV6_TCLASS,
    IPV6_TRANSPARENT,
    IPV6_UNICAST_HOPS,
    IPV6_UNICAST_IF,
    IPV6_V6ONLY,
)
from crtools.abi.socket import AF_INET6, IPPROTO_IP, IPPROTO_IPV6, SOCK_DGRAM, SOCK_STREAM
from crtools.errors import ImageError
from crtools.images.messages.sk_inet import IpOptsEntry, IpOptsRawEntry
from crtools.kinds.files.socket_options import PRIORITY, Table, build_option, collect_wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.agent.program import Program
    from crtools.images.messages.sk_inet import InetSkEntry
    from crtools.kinds.files.base import DumpContext
    from crtools.kinds.files.socket_options import Fresh, Option, Values


def _word(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, "little")


# The kernel's default, where it is another than 0.
_IP_DEFAULTS = {
    IP_TTL: 64,
    IP_MTU_DISCOVER: IP_PMTUDISC_WANT,
    IP_MULTICAST_TTL: 1,
    IP_MULTICAST_LOOP: 1,
}
_IPV6_DEFAULTS = {
    IPV6_UNICAST_HOPS: 64,
    IPV6_MULTICAST_HOPS: 1,
    IPV6_MULTICAST_LOOP: 1,
    IPV6_MTU_DISCOVER: IP_PMTUDISC_WANT,
    IPV6_MULTICAST_ALL: 1,
    IPV6_AUTOFLOWLABEL: 1,
    IPV6_ADDR_PREFERENCES: IPV6_PREFER_SRC_PUBTMP_DEFAULT | IPV6_PREFER_SRC_HOME,
}
_IP = (
    *(IP_FREEBIND, IP_TRANSPARENT, IP_BIND_ADDRESS_NO_PORT, IP_LOCAL_PORT_RANGE),
    *(IP_TOS, IP_TTL, IP_MINTTL, IP_HDRINCL, IP_NODEFRAG, IP_CHECKSUM, IP_ROUTER_ALERT),
    *(IP_RECVOPTS, IP_RETOPTS, IP_PKTINFO, IP_RECVERR, IP_RECVTTL, IP_RECVTOS, IP_PASSSEC),
    *(IP_RECVORIGDSTADDR, IP_RECVFRAGSIZE, IP_RECVERR_RFC4884, IP_MTU_DISCOVER),
    *(IP_MULTICAST_IF, IP_MULTICAST_TTL, IP_MULTICAST_LOOP, IP_UNICAST_IF),
)
_IPV6 = (
    *(IPV6_V6ONLY, IPV6_FREEBIND, IPV6_TRANSPARENT, IPV6_UNICAST_HOPS, IPV6_MINHOPCOUNT),
    *(IPV6_TCLASS, IPV6_HDRINCL, IPV6_ROUTER_ALERT_ISOLATE, IPV6_MTU_DISCOVER, IPV6_DONTFRAG),
    *(IPV6_2292PKTINFO, IPV6_2292HOPOPTS, IPV6_2292DSTOPTS, IPV6_2292RTHDR, IPV6_2292HOPLIMIT),
    *(IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVHOPOPTS, IPV6_RECVRTHDR, IPV6_RECVDSTOPTS),
    *(IPV6_RECVPATHMTU, IPV6_RECVTCLASS, IPV6_RECVORIGDSTADDR, IPV6_RECVFRAGSIZE),
    *(IPV6_RECVERR, IPV6_RECVERR_RFC4884, IPV6_FLOWINFO, IPV6_FLOWINFO_SEND),
    *(IPV6_AUTOFLOWLABEL, IPV6_ADDR_PREFERENCES, IPV6_MULTICAST_IF, IPV6_MULTICAST_HOPS),
    *(IPV6_MULTICAST_LOOP, IPV6_MULTICAST_ALL, IPV6_UNICAST_IF),
)
_IP_OPTIONS_BYTES = 40  # linux/ip.h: MAX_IPOPTLEN
_EXTENSION_BYTES = 2048  # (255 + 1) * 8, RFC 8200


# What no socket of a stream takes, and some tell of all the same: of a server's, it is 0.
_NOT_OF_STREAMS = (IP_MULTICAST_IF, IP_MULTICAST_TTL)
_NOT_OF_STREAMS_6 = (IPV6_MULTICAST_IF, IPV6_MULTICAST_HOPS)


def _ip_rows(multicast_all: int, *but: int) -> tuple[tuple[int, int, bytes], ...]:
    return (
        *(
            (IPPROTO_IP, number, _word(_IP_DEFAULTS.get(number, 0)))
            for number in _IP
            if number not in but
        ),
        (IPPROTO_IP, IP_MULTICAST_ALL, _word(multicast_all)),
    )


_IP_VARIABLE = (IPPROTO_IP, IP_OPTIONS, _IP_OPTIONS_BYTES)
_IPV6_VARIABLE = (
    _IP_VARIABLE,
    *(
        (IPPROTO_IPV6, number, _EXTENSION_BYTES)
        for number in (IPV6_HOPOPTS, IPV6_RTHDRDSTOPTS, IPV6_RTHDR, IPV6_DSTOPTS)
    ),
)


def _ipv6_rows(
    not_of_ip: tuple[int, ...] = (), but: tuple[int, ...] = ()
) -> tuple[tuple[int, int, bytes], ...]:
    return (
        # Only IPv4 sockets are born with IP_MULTICAST_ALL.
        *_ip_rows(0, *not_of_ip),
        *(
            (IPPROTO_IPV6, number, _word(_IPV6_DEFAULTS.get(number, 0)))
            for number in _IPV6
            if number not in but
        ),
    )


OF_IPV4 = Table(_ip_rows(1), (_IP_VARIABLE,))
OF_IPV6 = Table(_ipv6_rows(), _IPV6_VARIABLE)
_STREAMS: dict[int, Table] = {}  # by family, made when one is met
_V6ONLY = (IPPROTO_IPV6, IPV6_V6ONLY)
_TOS = (IPPROTO_IP, IP_TOS)
# What CRIU's messages have fields for.
_FLAGS = {"freebind": (IPPROTO_IP, IP_FREEBIND), "pktinfo": (IPPROTO_IP, IP_PKTINFO)}
_NUMBERS = {"tos": _TOS, "ttl": (IPPROTO_IP, IP_TTL)}
_RAW_FLAGS = {
    "hdrincl": (IPPROTO_IP, IP_HDRINCL),
    "nodefrag": (IPPROTO_IP, IP_NODEFRAG),
    "checksum": (IPPROTO_IP, IP_CHECKSUM),
}


def table_of(family: int, type: int = SOCK_DGRAM) -> Table:
    if type != SOCK_STREAM:
        return OF_IPV6 if family == AF_INET6 else OF_IPV4
    table = _STREAMS.get(family)
    if table is None:
        if family == AF_INET6:
            rows, variable = _ipv6_rows(_NOT_OF_STREAMS, _NOT_OF_STREAMS_6), _IPV6_VARIABLE
        else:
            rows, variable = _ip_rows(1, *_NOT_OF_STREAMS), (_IP_VARIABLE,)
        table = _STREAMS[family] = Table(rows, variable)
    return table


def read_ip_options(context: DumpContext, fd: int, message: InetSkEntry) -> None:
    """Reads the options of a borrowed socket into its message; what that has no field for is put
    down for crtools-socket.img."""
    changed = table_of(message.family, message.type).read_changed(fd)
    if message.family == AF_INET6:
        message.v6only = changed.pop(_V6ONLY, None) is not None
    if not changed:
        return
    options = IpOptsEntry()
    for field, option in _FLAGS.items():
        if option in changed:
            setattr(options, field, changed.pop(option) != bytes(4))
    for field, option in _NUMBERS.items():
        if option in changed:
            setattr(options, field, int.from_bytes(changed.pop(option), "little"))
    for field, option in _RAW_FLAGS.items():
        if option in changed:
            if options.raw is None:
                options.raw = IpOptsRawEntry()
            setattr(options.raw, field, changed.pop(option) != bytes(4))
    message.ip_opts = options
    context.sockets.add_options(message.id, changed)


def collect_ip_wanted(message: InetSkEntry, others: Values) -> Values:
    """The options of both levels that are not the kernel's defaults. Raises ImageError."""
    places = table_of(message.family, message.type).places
    wanted = {option: value for option, value in others.items() if option in places}
    if message.v6only and message.family == AF_INET6:
        wanted[_V6ONLY] = _word(1)
    options = message.ip_opts
    if options is None:
        return wanted
    values: list[tuple[Option, int | None]] = [
        *((option, getattr(options, field)) for field, option in (_FLAGS | _NUMBERS).items())
    ]
    raw = options.raw
    if raw is not None:
        values += [(option, getattr(raw, field)) for field, option in _RAW_FLAGS.items()]
    for option, value in values:
        if value is not None:
            if value > 255:
                raise ImageError(
                    f"Socket {message.id} in the images has the impossible value {value} for"
                    f" option {option[1]} of IP"
                )
            wanted[option] = _word(value)
    return wanted


def build_ip_options(
    program: Program,
    number: int,
    message: InetSkEntry,
    others: Values,
    fresh: Fresh,
    what: Callable[[], str],
) -> None:
    """Instructions that set the options of both levels of descriptor `number`: after those of
    level SOL_SOCKET and before it is bound. Raises ImageError."""
    table = table_of(message.family, message.type)
    wanted = collect_ip_wanted(message, others)
    table.build(program, number, wanted, fresh.values(table), what)
    if _TOS in wanted:
        # Which has set the priority as well (net/ipv4/ip_sockglue.c, __ip_sock_set_tos).
        priority = collect_wanted(message.opts, others).get(PRIORITY, bytes(4))
        build_option(program, number, PRIORITY, priority, what)
