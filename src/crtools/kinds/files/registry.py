"""The kinds of open files that are carried over.

A file is of the one kind that says `matches`; of none, and it is refused by name
(crtools.kinds.files.refused). Modules are imported when a file that may be of their kind is met: a
small dump must not pay for all of them.
"""

from __future__ import annotations

from stat import S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK

from crtools.abi.fcntl import O_PATH
from crtools.abi.socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_PACKET,
    AF_UNIX,
    IPPROTO_TCP,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_STREAM,
)
from crtools.images.messages.fdinfo import FdTypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from crtools.images.messages.fdinfo import FileEntry
    from crtools.kinds.files.base import FileKind, OpenFile

# Our own numbers, far from CRIU's: its schema has none.
IO_URING = 0x4352
MQUEUE = 0x4353

# Of each kind: module and class, its type in the images, and the types of inodes that it can be
# (S_IFMT, inode(7); 0: the kernel's anonymous inode).
REGULAR = "regular:Regular"
FILE_KINDS = (
    (REGULAR, FdTypes.REG, (S_IFREG, S_IFDIR, S_IFCHR, S_IFBLK, S_IFLNK)),
    ("pipe:Pipe", FdTypes.PIPE, (S_IFIFO,)),
    ("fifo:Fifo", FdTypes.FIFO, (S_IFIFO,)),
    ("memfd:Memfd", FdTypes.MEMFD, (S_IFREG,)),
    ("io_uring:IoUring", IO_URING, (0,)),
    ("tty:Tty", FdTypes.TTY, (S_IFCHR,)),
    ("inotify:Inotify", FdTypes.INOTIFY, (0,)),
    ("eventfd:Eventfd", FdTypes.EVENTFD, (0,)),
    ("epoll:Epoll", FdTypes.EVENTPOLL, (0,)),
    ("timerfd:Timerfd", FdTypes.TIMERFD, (0,)),
    ("signalfd:Signalfd", FdTypes.SIGNALFD, (0,)),
    # Linux 6.9 to 6.14 have inodes of regular files for them (fs/pidfs.c).
    ("pidfd:Pidfd", FdTypes.PIDFD, (0, S_IFREG)),
    ("mqueue:Mqueue", MQUEUE, (S_IFREG,)),
    ("namespace:Namespace", FdTypes.NS, (S_IFREG,)),
    ("bpf_map:BpfMap", FdTypes.BPFMAP, (0,)),
    ("fanotify:Fanotify", FdTypes.FANOTIFY, (0,)),
    ("tun:Tun", FdTypes.TUNF, (S_IFCHR,)),
)
# Sockets, which are all of one type of inode. Of each kind: module and class, its type in the
# images, and what of them it takes: address families, types and protocols (abi/socket.py), () for
# any.
SOCKET_KINDS: tuple[tuple[str, int, tuple[int, ...], tuple[int, ...], tuple[int, ...]], ...] = (
    ("unix_socket:UnixSocket", FdTypes.UNIXSK, (AF_UNIX,), (), ()),
    ("tcp:TcpSocket", FdTypes.INETSK, (AF_INET, AF_INET6), (SOCK_STREAM,), (IPPROTO_TCP,)),
    ("udp:Udp", FdTypes.INETSK, (AF_INET, AF_INET6), (SOCK_DGRAM,), ()),
    ("raw_socket:Raw", FdTypes.INETSK, (AF_INET, AF_INET6), (SOCK_RAW,), ()),
    ("packet_socket:Packet", FdTypes.PACKETSK, (AF_PACKET,), (SOCK_RAW, SOCK_DGRAM), ()),
    ("netlink:Netlink", FdTypes.NETLINKSK, (AF_NETLINK,), (), ()),
)

_loaded: dict[str, FileKind] = {}


def load_kind(name: str) -> FileKind:
    """The kind "module:Class" of this package."""
    kind = _loaded.get(name)
    if kind is None:
        module, _, cls = name.partition(":")
        found: Any = __import__(f"crtools.kinds.files.{module}", fromlist=(cls,))
        kind = _loaded[name] = getattr(found, cls)()
    return kind


def kinds_for(file: OpenFile) -> Iterator[FileKind]:
    """The kinds that a file may be of."""
    format = S_IFMT(file.stat.st_mode)
    # What is opened with O_PATH is a path, whatever it leads to.
    if file.flags & O_PATH:
        format = S_IFREG
    if format == S_IFSOCK:
        name = file.socket and _find_socket_kind(*file.socket)
        if name:
            yield load_kind(name)
        return
    for name, _, formats in FILE_KINDS:
        if format in formats:
            yield load_kind(name)


def _find_socket_kind(family: int, type: int, protocol: int) -> str:
    """The name of the kind of such sockets, "" if they are not carried."""
    for name, _, families, types, protocols in SOCKET_KINDS:
        if (
            family in families
            and (not types or type in types)
            and (not protocols or protocol in protocols)
        ):
            return name
    return ""


def kind_of_entry(entry: FileEntry) -> FileKind | None:
    """The kind of an open file in images: by its type (FdTypes), of an INETSK by what socket it
    is."""
    for name, number, _ in FILE_KINDS:
        if number == entry.type:
            return load_kind(name)
    if entry.type == FdTypes.INETSK and entry.isk is not None:
        name = _find_socket_kind(entry.isk.family, entry.isk.type, entry.isk.proto)
        return load_kind(name) if name else None
    for name, number, *_ in SOCKET_KINDS:
        if number == entry.type:
            return load_kind(name)
    return None
