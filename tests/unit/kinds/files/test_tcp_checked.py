"""Images that say impossible things of TCP sockets are refused before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from crtools.abi.tcp import TCP_CLOSE, TCP_ESTABLISHED, TCP_FIN_WAIT2, TCP_LISTEN, TCP_TIME_WAIT
from crtools.errors import ImageError
from crtools.images.messages.crtools_socket import CrtoolsSocketEntry, SocketOptionEntry
from crtools.images.messages.fdinfo import FdinfoEntry, FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.inventory import InventoryEntry
from crtools.images.messages.sk_inet import InetSkEntry
from crtools.images.messages.sk_opts import SkOptsEntry
from crtools.images.messages.tcp_stream import TcpOptsEntry, TcpStreamEntry
from crtools.kinds.files.plan import FilesPlan
from crtools.model.options import Options

NOBODY = FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0)


def opts() -> SkOptsEntry:
    times = ("so_snd_tmo_sec", "so_snd_tmo_usec", "so_rcv_tmo_sec", "so_rcv_tmo_usec")
    return SkOptsEntry(so_sndbuf=16384, so_rcvbuf=131072, **dict.fromkeys(times, 0))


def socket(**changed: Any) -> InetSkEntry:
    values = {
        "id": 1, "ino": 77, "family": 2, "type": 1, "proto": 6, "state": TCP_ESTABLISHED,
        "src_port": 80, "dst_port": 4000, "flags": 2, "backlog": 0,
        "src_addr": [0x0100007F], "dst_addr": [0x0100007F], "fown": NOBODY, "opts": opts(),
    }  # fmt: skip
    return InetSkEntry(**{**values, **changed})


def stream(**changed: Any) -> TcpStreamEntry:
    values = {
        "inq_len": 3, "inq_seq": 1000, "outq_len": 2, "outq_seq": 2000, "opt_mask": 7,
        "snd_wscale": 7, "rcv_wscale": 7, "mss_clamp": 1460, "timestamp": 5, "unsq_len": 1,
        "snd_wl1": 900, "snd_wnd": 5000, "max_window": 6000, "rcv_wnd": 7000, "rcv_wup": 990,
    }  # fmt: skip
    return TcpStreamEntry(**{**values, **changed})


class Images:
    """A store that has one TCP socket, of task 5."""

    def __init__(
        self,
        entry: InetSkEntry,
        message: TcpStreamEntry | None = None,
        *options: SocketOptionEntry,
    ) -> None:
        self.files = [FileEntry(type=FdTypes.INETSK, id=1, isk=entry)]
        self.message = message or stream()
        self.options = [CrtoolsSocketEntry(id=1, options=list(options))]

    def has(self, key: str, id: int | None = None) -> bool:
        return key in ("files", "crtools-socket")

    def read(self, key: str, id: int | None = None) -> list[Any]:
        return self.files if key == "files" else self.options

    def read_one(self, key: str, id: int | None = None) -> InventoryEntry:
        return InventoryEntry(img_version=2, dump_criu_run_id="1-2-3")

    def read_with_extra(self, key: str, id: int | None = None) -> list[tuple[Any, bytes]]:
        assert (key, id) == ("tcp-stream", 77)
        return [(self.message, b"inqou")]


def plan(images: Images, **options: Any) -> FilesPlan:
    table = [FdinfoEntry(id=1, flags=0, type=FdTypes.INETSK, fd=3)]
    return FilesPlan(images, [(5, table)], Options(**options))


IMPOSSIBLE = {
    "address": (Images(socket(src_addr=[1, 2, 3])), "an impossible address"),
    "no address": (Images(socket(dst_addr=[])), "an impossible address"),
    "short address": (Images(socket(family=10)), "an impossible address"),
    "port": (Images(socket(src_port=65536)), "an impossible port"),
    "backlog": (Images(socket(state=TCP_LISTEN, backlog=1 << 31)), "an impossible port or backlog"),
    "state": (Images(socket(state=TCP_TIME_WAIT)), "an impossible state, 6"),
    "no state": (Images(socket(state=99)), "an impossible state, 99"),
    "options": (Images(socket(tcp_opts=TcpOptsEntry(keepcnt=1 << 31))), "impossible options"),
    "option": (
        Images(socket(), None, SocketOptionEntry(level=6, number=19, value=b"\1\0\0\0")),
        "option 19 of level 6",
    ),
    "option's length": (
        Images(socket(), None, SocketOptionEntry(level=6, number=13, value=b"reno")),
        "4 bytes for option 13 of level 6",
    ),
    "scale": (Images(socket(), stream(snd_wscale=15)), "impossible sizes"),
    "segments": (Images(socket(), stream(mss_clamp=0)), "impossible sizes"),
    "unsent": (Images(socket(), stream(unsq_len=3)), "impossible sizes"),
    "queue": (Images(socket(state=TCP_FIN_WAIT2)), "impossible sizes"),
    "windows": (Images(socket(), stream(snd_wnd=6001)), "impossible windows"),
    "half a window": (Images(socket(), stream(snd_wl1=None)), "impossible windows"),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_images_that_make_no_sense(what: str) -> None:
    images, said = IMPOSSIBLE[what]
    with pytest.raises(ImageError) as caught:
        plan(images)
    assert said in caught.value.what


def test_possible_images_are_planned() -> None:
    made = plan(Images(socket()))
    assert made.describe(made.files[1]) == (
        "the TCP connection of 127.0.0.1:80 to 127.0.0.1:4000 for fd 3 of task 5"
    )
    made = plan(Images(socket(state=TCP_LISTEN)))
    assert made.name_of(made.files[1]) == "the TCP socket that listens at 127.0.0.1:80"


def test_closed_connections_need_no_stream() -> None:
    images = Images(socket(), stream(mss_clamp=0))
    assert plan(images, tcp_close=True).connections.streams == {}
    assert plan(Images(socket(state=TCP_CLOSE))).connections.streams == {}


def test_queues_begin_where_their_bytes_do() -> None:
    (one,) = plan(Images(socket())).connections.streams.values()
    assert (one.receive_at, one.received) == (997, b"inq")
    assert (one.send_at, one.sending, one.unsent) == (1998, b"o", b"u")
    # A FIN that has come counts as a byte; numbers begin again at 2^32.
    images = Images(socket(state=8), stream(inq_seq=2))
    (one,) = plan(images).connections.streams.values()
    assert one.receive_at == (1 << 32) - 2
