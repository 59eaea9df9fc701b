"""Images that say impossible things of what waits in sockets are refused."""

from __future__ import annotations

from typing import Any

import pytest

from crtools.errors import ImageError
from crtools.images.messages.crtools_corked import CrtoolsCorkedEntry
from crtools.images.messages.crtools_netlink import CrtoolsNetlinkEntry, NetlinkMessageEntry
from crtools.images.messages.crtools_unix import (
    CrtoolsUnixEntry,
    UnixPacketEntry,
    UnixWaitingEntry,
)
from crtools.images.messages.fdinfo import FdinfoEntry, FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.sk_inet import InetSkEntry
from crtools.images.messages.sk_netlink import NetlinkSkEntry
from crtools.images.messages.sk_opts import SkOptsEntry
from crtools.images.messages.sk_unix import UnixSkEntry
from crtools.kinds.files.plan import FilesPlan
from crtools.model.options import Options
from crtools.procfs.unix_diag import TCP_CLOSE, TCP_LISTEN

NOBODY = FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0)
IPV4, IPV6 = bytes(4), bytes(16)
TIMES = ("so_snd_tmo_sec", "so_snd_tmo_usec", "so_rcv_tmo_sec", "so_rcv_tmo_usec")
OPTIONS = SkOptsEntry(so_sndbuf=16384, so_rcvbuf=131072, **dict.fromkeys(TIMES, 0))


class Images:
    """A store that has one socket, of task 5, and one image about it."""

    def __init__(self, file: FileEntry, key: str, *entries: Any) -> None:
        self.images = {"files": [file], key: list(entries)}

    def has(self, key: str, id: int | None = None) -> bool:
        return key in self.images

    def read(self, key: str, id: int | None = None) -> list[Any]:
        return self.images[key]


def udp(family: int = 2) -> FileEntry:
    entry = InetSkEntry(
        id=1, ino=77, family=family, type=2, proto=17, state=7, src_port=80, dst_port=0, flags=2,
        backlog=0, src_addr=[], dst_addr=[], fown=NOBODY, opts=OPTIONS,
    )  # fmt: skip
    return FileEntry(type=FdTypes.INETSK, id=1, isk=entry)


def netlink() -> FileEntry:
    entry = NetlinkSkEntry(
        id=1, ino=77, protocol=2, state=0, flags=2, portid=700, groups=[], dst_portid=0,
        dst_group=0, fown=NOBODY, opts=OPTIONS,
    )  # fmt: skip
    return FileEntry(type=FdTypes.NETLINKSK, id=1, nlsk=entry)


def unix(state: int = TCP_LISTEN) -> FileEntry:
    entry = UnixSkEntry(
        id=1, ino=77, type=1, state=state, flags=2, uflags=0, backlog=5, peer=0, fown=NOBODY,
        opts=OPTIONS, name=b"\0here",
    )  # fmt: skip
    return FileEntry(type=FdTypes.UNIXSK, id=1, usk=entry)


def corked(family: int = 2, **changed: Any) -> Images:
    values = {"id": 1, "data": b"half", "destination": IPV4, "port": 80, **changed}
    return Images(udp(family), "crtools-corked", CrtoolsCorkedEntry(**values))


def message(data: bytes) -> NetlinkMessageEntry:
    return NetlinkMessageEntry(portid=9, data=data, pid=5, uid=0, gid=0)


def queue(*entries: CrtoolsNetlinkEntry) -> Images:
    return Images(netlink(), "crtools-netlink", *entries)


def waiting(*packets: UnixPacketEntry, state: int = TCP_LISTEN, **values: Any) -> Images:
    entry = UnixWaitingEntry(client=0, packets=list(packets), **values)
    return Images(unix(state), "crtools-unix", CrtoolsUnixEntry(ids=[1], waiting=[entry]))


IMPOSSIBLE = {
    "destination": (corked(destination=b"123"), "impossible packet"),
    "destination of IPv6": (corked(destination=IPV6), "impossible packet"),
    "source of IPv6": (corked(10, source=IPV6), "impossible packet"),
    "long": (corked(data=bytes(65536)), "impossible packet"),
    "port": (corked(port=65536), "impossible packet"),
    "segment": (corked(segment=65536), "impossible packet"),
    "ttl": (corked(ttl=256), "impossible packet"),
    "tos": (corked(tos=256), "impossible packet"),
    "twice corked": (
        Images(
            udp(),
            "crtools-corked",
            *[CrtoolsCorkedEntry(id=1, data=b"", destination=IPV4, port=1)] * 2,
        ),
        "File 1 is twice in the crtools-corked image",
    ),
    "no such socket": (queue(CrtoolsNetlinkEntry(id=2)), "no sense about file 2"),
    "twice": (queue(*[CrtoolsNetlinkEntry(id=1)] * 2), "no sense about file 1"),
    "empty": (
        queue(CrtoolsNetlinkEntry(id=1, messages=[message(b"")])),
        "no sense about file 1",
    ),
    "large": (
        queue(CrtoolsNetlinkEntry(id=1, messages=[message(bytes(1 << 24)), message(b"1")])),
        "no sense about file 1",
    ),
    "nobody listens": (waiting(state=TCP_CLOSE), "waits at unix socket 77 makes no sense"),
    "no data": (waiting(UnixPacketEntry(index=0)), "waits at unix socket 77 makes no sense"),
    "received": (
        waiting(UnixPacketEntry(index=0, mark=True), data=[b"!"]),
        "waits at unix socket 77 makes no sense",
    ),
    "descriptors": (
        waiting(UnixPacketEntry(index=0, rights=[1] * 254), data=[b"!"]),
        "waits at unix socket 77 makes no sense",
    ),
    "name": (waiting(name=bytes(109)), "waits at unix socket 77 makes no sense"),
}
POSSIBLE = {
    "corked": corked(),
    "corked to IPv6": corked(10, destination=IPV6, source=IPV6, ttl=255, tos=255, port=65535),
    "corked to IPv4": corked(10),
    "netlink": queue(CrtoolsNetlinkEntry(id=1, messages=[message(b"!")], overrun=True)),
    "unix": waiting(UnixPacketEntry(index=0, rights=[1]), data=[b"!"], name=b"\0gone"),
}


def plan(images: Images) -> None:
    (file,) = images.images["files"]
    FilesPlan(images, [(5, [FdinfoEntry(id=1, flags=0, type=file.type, fd=3)])], Options())


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_impossible_queue_is_refused(what: str) -> None:
    images, words = IMPOSSIBLE[what]
    with pytest.raises(ImageError, match=words):
        plan(images)


@pytest.mark.parametrize("what", POSSIBLE)
def test_queue_that_makes_sense_is_taken(what: str) -> None:
    plan(POSSIBLE[what])
