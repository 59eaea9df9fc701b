"""Tables of nftables that drop the packets of given TCP connections, by NETLINK_NETFILTER.

A table has two base chains, at LOCAL_IN and LOCAL_OUT, and up to four sets of connections: what
comes in for and what goes out from each address and port, IPv4 and IPv6. One rule a set looks the
packet's four-tuple up and drops it. Packets with the mark MARK pass.

With NFT_TABLE_F_OWNER (Linux 5.12) a table belongs to the netlink socket that made it, and goes
when that is closed, however that happens. All of this is linux/netfilter/nf_tables.h and
nfnetlink.h; a batch of messages is done entirely or not at all (nfnetlink_rcv_batch).
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.abi.x86_64 import SYS_recvfrom, SYS_sendto, SYS_setsockopt, SYS_socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    # Our address and port, the peer's; addresses in network order, 4 or 16 bytes.
    Connection: TypeAlias = tuple[bytes, int, bytes, int]

AF_NETLINK, SOCK_RAW, SOCK_CLOEXEC, NETLINK_NETFILTER = 16, 3, 0o2000000, 12
SOL_SOCKET, SO_SNDBUFFORCE = 1, 32
MARK = 0xC114  # CRIU's: what its locks let through passes ours, and the other way round

_REQUEST, _ACK, _CREATE, _APPEND = 1, 4, 0x400, 0x800  # NLM_F_*
_ERROR = 2  # NLMSG_ERROR
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11  # NFNL_MSG_BATCH_*
_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
# NFT_MSG_*
_NEWTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE, _NEWSET, _NEWSETELEM = 0, 2, 3, 6, 9, 12
_F_OWNER = 2  # NFT_TABLE_F_OWNER
_INET, _IPV4, _IPV6 = 1, 2, 10  # NFPROTO_*
_LOCAL_IN, _LOCAL_OUT = 1, 3  # NF_INET_*
_PRIORITY = -450  # before connection tracking: it defragments at -400
_DROP, _ACCEPT = 0, 1  # NF_*
_IPPROTO_TCP = 6
_META_MARK, _META_NFPROTO, _META_L4PROTO = 3, 15, 16  # NFT_META_*
_REG_VERDICT, _REG_1, _REG32_00 = 0, 1, 8  # NFT_REG_*
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2  # NFT_PAYLOAD_*
# A list of elements is an attribute, whose length has 16 bits: of 64 bytes each at most.
_ELEMENTS = 512
# Addresses: length, protocol, where source and destination lie in struct iphdr and struct ipv6hdr.
_FAMILIES = ((4, _IPV4, 12, 16), (16, _IPV6, 8, 24))
_HEAD = struct.Struct("=IHHII")
_ANSWER = struct.Struct("=IHHIIi")
_NESTED = 0x8000  # NLA_F_NESTED


def connect() -> int:
    """A netlink socket. Raises OSError."""
    return kernel.checked(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)


def add_table(fd: int, name: str, connections: Iterable[Connection], *, owned: bool) -> None:
    """Locks connections from now on, both ways; `owned`: until the socket is closed. Raises
    OSError."""
    _transact(fd, build_table(name, connections, owned=owned))


def build_table(name: str, connections: Iterable[Connection], *, owned: bool) -> bytes:
    """The batch of messages that adds such a table."""
    keys: dict[tuple[int, int], list[bytes]] = {}
    for ours, port, theirs, peer in connections:
        # Every part of a key fills whole words.
        here = ours + port.to_bytes(2, "big") + bytes(2)
        there = theirs + peer.to_bytes(2, "big") + bytes(2)
        keys.setdefault((_LOCAL_IN, len(ours)), []).append(there + here)
        keys.setdefault((_LOCAL_OUT, len(ours)), []).append(here + there)
    table = _text(1, name)
    messages = [(_NEWTABLE, table + _word(2, _F_OWNER) if owned else table)]
    for hook, chain in ((_LOCAL_IN, "input"), (_LOCAL_OUT, "output")):
        place = _nest(4, _word(1, hook), _word(2, _PRIORITY & 0xFFFFFFFF))
        messages += [
            (_NEWCHAIN, table + _text(3, chain) + place + _text(7, "filter")),
            # Marks are compared as they lie in memory, in the machine's order.
            _rule(
                table, chain, _meta(_META_MARK), _is(MARK.to_bytes(4, "little")), _verdict(_ACCEPT)
            ),
        ]
        for length, protocol, source, target in _FAMILIES:
            found = keys.get((hook, length))
            if found:
                messages += _set(table, f"{chain}{length}", found)
                words = length // 4
                messages.append(
                    _rule(
                        table,
                        chain,
                        _meta(_META_NFPROTO),
                        _is(bytes((protocol,))),
                        _meta(_META_L4PROTO),
                        _is(bytes((_IPPROTO_TCP,))),
                        _payload(_REG32_00, _NETWORK_HEADER, source, length),
                        _payload(_REG32_00 + words, _TRANSPORT_HEADER, 0, 2),
                        _payload(_REG32_00 + words + 1, _NETWORK_HEADER, target, length),
                        _payload(_REG32_00 + 2 * words + 1, _TRANSPORT_HEADER, 2, 2),
                        _expression("lookup", _text(1, f"{chain}{length}") + _word(2, _REG32_00)),
                        _verdict(_DROP),
                    )
                )
    return _batch(messages)


def delete_table(fd: int, name: str) -> bool:
    """False if there is no such table. Raises OSError."""
    try:
        _transact(fd, _batch([(_DELTABLE, _text(1, name))]))
    except FileNotFoundError:
        return False
    return True


def _batch(messages: list[tuple[int, bytes]]) -> bytes:
    """One datagram; the last message is to be acknowledged."""
    parts = [_message(_BATCH_BEGIN, _REQUEST, 0, 0, _SUBSYSTEM)]
    for number, (type, body) in enumerate(messages, start=1):
        flags = _REQUEST | _ACK if number == len(messages) else _REQUEST
        if type != _DELTABLE:
            flags |= _CREATE | _APPEND  # behind the rules that there are, not before them
        parts.append(_message(_SUBSYSTEM << 8 | type, flags, number, _INET, 0, body))
    parts.append(_message(_BATCH_END, _REQUEST, len(messages) + 1, 0, _SUBSYSTEM))
    return b"".join(parts)


def _transact(fd: int, batch: bytes) -> None:
    make_room(fd, batch)
    kernel.checked(SYS_sendto, fd, kernel.address_of(batch), len(batch), 0, 0, 0)
    read_answer(fd)


def make_room(fd: int, batch: bytes) -> None:
    """Has the socket take a batch in one piece. Raises OSError."""
    size = (2 * len(batch)).to_bytes(4, "little")
    kernel.checked(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUFFORCE, kernel.address_of(size), 4)


def read_answer(fd: int) -> None:
    """What has become of the batch that was sent: all of it has been done, or OSError is raised and
    nothing has."""
    answer = bytearray(65536)
    at = kernel.address_of(answer)
    while True:
        # The kernel has done all of it when sendto(2) returns; errors come before the answer to
        # the last message.
        length = kernel.checked(SYS_recvfrom, fd, at, len(answer), 0, 0, 0)
        position = 0
        while position + _ANSWER.size <= length:
            size_of, type, _, _, _, result = _ANSWER.unpack_from(answer, position)
            if type == _ERROR and result:
                raise OSError(-result, os.strerror(-result))
            if type == _ERROR:
                return
            position += -(-size_of // 4) * 4


def _message(
    type: int, flags: int, number: int, family: int, resource: int, body: bytes = b""
) -> bytes:
    # struct nlmsghdr, struct nfgenmsg
    return (
        _HEAD.pack(20 + len(body), type, flags, number, 0)
        + bytes((family, 0))
        + resource.to_bytes(2, "big")
        + body
    )


# --- Attributes ---


def _attribute(type: int, value: bytes) -> bytes:
    length = 4 + len(value)
    head = length.to_bytes(2, "little") + type.to_bytes(2, "little")
    return head + value + bytes(-length % 4)


def _word(type: int, value: int) -> bytes:
    return _attribute(type, value.to_bytes(4, "big"))


def _text(type: int, value: str) -> bytes:
    return _attribute(type, value.encode() + b"\0")


def _nest(type: int, *parts: bytes) -> bytes:
    return _attribute(type | _NESTED, b"".join(parts))


# --- Sets and rules ---


def _set(table: bytes, name: str, keys: list[bytes]) -> list[tuple[int, bytes]]:
    """Messages that make a set of these keys, all of one length."""
    # NFTA_SET_TABLE, NAME, KEY_LEN, ID; then NFTA_SET_ELEM_LIST_TABLE, SET, ELEMENTS
    body = table + _text(2, name) + _word(5, len(keys[0])) + _word(10, len(name))
    messages = [(_NEWSET, body)]
    for at in range(0, len(keys), _ELEMENTS):
        some = dict.fromkeys(keys[at : at + _ELEMENTS])
        elements = [_nest(1, _nest(1, _attribute(1, key))) for key in some]
        messages.append((_NEWSETELEM, table + _text(2, name) + _nest(3, *elements)))
    return messages


def _rule(table: bytes, chain: str, *expressions: bytes) -> tuple[int, bytes]:
    # NFTA_RULE_TABLE, CHAIN, EXPRESSIONS
    return _NEWRULE, table + _text(2, chain) + _nest(4, *expressions)


def _expression(name: str, data: bytes) -> bytes:
    return _nest(1, _text(1, name), _nest(2, data))


def _meta(key: int) -> bytes:
    return _expression("meta", _word(1, _REG_1) + _word(2, key))


def _is(value: bytes) -> bytes:
    """Goes on if register 1 is `value`."""
    return _expression("cmp", _word(1, _REG_1) + _word(2, 0) + _nest(3, _attribute(1, value)))


def _payload(register: int, base: int, offset: int, length: int) -> bytes:
    return _expression(
        "payload", _word(1, register) + _word(2, base) + _word(3, offset) + _word(4, length)
    )


def _verdict(code: int) -> bytes:
    data = _nest(2, _nest(2, _word(1, code)))
    return _expression("immediate", _word(1, _REG_VERDICT) + data)
