"""unix(7): sockets of the same machine, their names, connections and queues.

The kernel lists all unix sockets with their peers (crtools.procfs.unix_diag); what is in a queue is
peeked at (crtools.kinds.files.unix_queue). A connection that has not been accepted has no inode on
the accepting side: the listening socket tells the inodes of those who connected, and what they have
sent already only the kernel's memory has (crtools.kinds.files.unix_waiting). Where a socket file is
now, whatever it was called, SIOCUNIXFILE tells (Linux 4.16, with CAP_NET_ADMIN).

How they are made again is in crtools.kinds.files.unix_plan.
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.abi.fcntl import O_PATH
from crtools.abi.x86_64 import SYS_getpeername, SYS_getsockopt, SYS_ioctl
from crtools.errors import InternalError
from crtools.images.frames import FileFrame, FramedFile
from crtools.images.messages.crtools_unix import (
    CrtoolsUnixEntry,
    UnixCredsEntry,
    UnixPacketEntry,
    UnixWaitingEntry,
)
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.sk_packet import ScmEntry, SkPacketEntry
from crtools.images.messages.sk_unix import FilePermsEntry, UnixSkEntry
from crtools.images.wire import settle
from crtools.kinds.files.base import NOBODY, FileDumper, FileKind, FilePlanner
from crtools.kinds.files.socket_options import parse_options, read_filter
from crtools.kinds.files.socket_questions import SO_PEERCRED, SO_PEERGROUPS
from crtools.kinds.files.unix_queue import (
    POLLERR,
    SCM_RIGHTS,
    SOCK_DGRAM,
    SOCK_STREAM,
    SOL_SOCKET,
    Creds,
    Packet,
    Reader,
    close_all,
    poll,
)
from crtools.procfs.files import split_deleted
from crtools.procfs.status import read_status
from crtools.procfs.unix_diag import (
    TCP_CLOSE,
    TCP_LISTEN,
    read_unix_sockets,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crtools.images.messages.fown import FownEntry
    from crtools.images.messages.sk_opts import SkOptsEntry
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext
    from crtools.kinds.files.socket_options import Values
    from crtools.kinds.files.socket_questions import Answers
    from crtools.kinds.files.unix_waiting import WaitingReader
    from crtools.procfs.unix_diag import UnixSocket as Socket

SIOCUNIXFILE = 0x89E0  # linux/un.h
NET_NAMESPACE = 2  # that of the tree, as image sets number it
USUAL_MODE = 0o140777  # of a socket's own inode: net/socket.c, sock_alloc
_UCRED = struct.Struct("<iII")
_KINDS = {1: "stream", 2: "datagram", 5: "seqpacket"}
_SHUTDOWN = 3
_REMEMBERED = 256  # ways in which sockets are alike


class UnixSocket(FileKind):
    type = FdTypes.UNIXSK
    field = "usk"

    def matches(self, file: OpenFile) -> bool:
        return file.socket is not None and file.socket[0] == 1 and not file.flags & O_PATH

    def dumper(self, context: DumpContext) -> FileDumper:
        return UnixDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        from crtools.kinds.files.unix_plan import UnixPlanner

        return UnixPlanner(context)


class Found:
    """A socket of the tree, and what its entries say.

    `content` is what a stream has been seen to hold, None if nobody has looked or it is more than
    bytes. `usual` is what crtools-unix.img says of it and others, until there is more to say: then
    it has an entry of its `own`.
    """

    __slots__ = ("_own", "content", "entry", "facts", "file", "id", "packets", "usual")

    def __init__(
        self,
        file: OpenFile,
        id: int,
        facts: Socket,
        entry: FileEntry | FramedFile,
        usual: CrtoolsUnixEntry,
        content: bytes | None,
    ) -> None:
        self.file = file
        self.id = id
        self.facts = facts
        self.entry = entry
        self.usual = usual
        self.content = content
        self.packets: list[tuple[SkPacketEntry, bytes]] = []
        self._own: CrtoolsUnixEntry | None = None

    def connect_to(self, ino: int) -> None:
        """Has the files image say who its peer is."""
        entry = self.entry
        if isinstance(entry, FramedFile):
            entry.numbers = (self.facts.ino, ino)
        elif entry.usk is not None:
            entry.usk.peer = ino

    @property
    def own(self) -> CrtoolsUnixEntry:
        """The entry, to be changed."""
        if self._own is None:
            usual = self.usual
            self._own = CrtoolsUnixEntry(
                peer=usual.peer, uid=usual.uid, gid=usual.gid, mode=usual.mode
            )
        return self._own

    @property
    def said(self) -> CrtoolsUnixEntry:
        return self.usual if self._own is None else self._own


class Alike:
    """What sockets that were made and set in the same way have in common: the options with those
    that have no field, and the peer's credentials."""

    __slots__ = ("changed", "frames", "opts", "peer", "usual")

    def __init__(self, opts: SkOptsEntry, changed: Values, peer: UnixCredsEntry | None) -> None:
        self.opts = opts
        self.changed = changed
        self.peer = peer
        self.frames: dict[tuple[int, int, int], FileFrame] = {}  # by type, state and flags
        # By owner, group and mode, and whether it has a peer's credentials.
        self.usual: dict[tuple[int, int, int, bool], CrtoolsUnixEntry] = {}

    def usual_entry(self, stat: Any, *, has_peer: bool) -> CrtoolsUnixEntry:
        key = (stat.st_uid, stat.st_gid, stat.st_mode, has_peer)
        found = self.usual.get(key)
        if found is None:
            found = self.usual[key] = CrtoolsUnixEntry()
            if has_peer:
                found.peer = self.peer
            if stat.st_uid:
                found.uid = stat.st_uid
            if stat.st_gid:
                found.gid = stat.st_gid
            if stat.st_mode != USUAL_MODE:
                found.mode = stat.st_mode & 0o7777
        return found


class UnixDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.sockets = context.sockets.facts("unix", read_unix_sockets)
        self.found: dict[int, Found] = {}
        self._unread: list[Found] = []
        self._waiting: WaitingReader | None = None
        self._alike: dict[bytes, Alike] = {}
        self._last: tuple[bytes, Any] = (b"", None)

    def dump(self, file: OpenFile, id: int) -> FileEntry | FramedFile:
        context = self.context
        ino = file.stat.st_ino
        facts = self.sockets.find(ino) or self.sockets.ask(ino)
        if facts is None:
            raise InternalError(f"sock_diag does not tell of unix socket {ino}")
        context.watch(file, f"unix socket {ino}")
        alike = self._find_alike(file, id)
        if alike.changed:
            context.sockets.add_options(id, alike.changed)
        fown = context.owner_of(file)
        peer = facts.peer or 0
        entry: FileEntry | FramedFile
        if facts.name or facts.shutdown or facts.state == TCP_LISTEN or fown is not NOBODY:
            message = _new_message(file, facts, fown, alike.opts)
            message.id, message.ino, message.peer = id, ino, peer
            entry = FileEntry(type=FdTypes.UNIXSK, id=id, usk=message)
        else:
            key = (facts.type, facts.state, file.flags)
            frame = alike.frames.get(key)
            if frame is None:
                message = _new_message(file, facts, fown, alike.opts)
                like = FileEntry(type=FdTypes.UNIXSK, id=0, usk=message)
                frame = alike.frames[key] = FileFrame(like, "usk", ("ino", "peer"))
            entry = FramedFile(frame, id, ino, peer)
        has_peer = facts.state != TCP_CLOSE or facts.type == SOCK_DGRAM
        usual = alike.usual_entry(file.stat, has_peer=has_peer)
        content = context.sockets.answers(file).content
        found = self.found[ino] = Found(file, id, facts, entry, usual, content)
        if facts.name and facts.name[0]:
            self._place(file, context.sockets.descriptor(file), facts, message, found.own)
        if facts.state != TCP_LISTEN and (
            facts.type != SOCK_STREAM or facts.queued or facts.shutdown
        ):
            self._unread.append(found)
        return entry

    def _find_alike(self, file: OpenFile, id: int) -> Alike:
        context = self.context
        answers = context.sockets.answers(file)
        key = answers.alike
        if key == self._last[0]:
            last: Alike = self._last[1]
            return last
        found = self._alike.get(key)
        if found is None:
            opts, changed = parse_options(context, file)
            if answers.has_filter:
                fd = context.sockets.descriptor(file)
                opts.so_filter = read_filter(context, file, fd, id)
            found = Alike(settle(opts), changed, self._parse_peer(file, answers))
            if not answers.are_alike:
                return found
            if len(self._alike) < _REMEMBERED:
                self._alike[key] = found
        # To compare takes less time than to look up.
        self._last = (key, found)
        return found

    def _parse_peer(self, file: OpenFile, answers: Answers) -> UnixCredsEntry | None:
        """SO_PEERCRED and SO_PEERGROUPS; None if it has no peer's credentials."""
        peer = answers.peer
        if peer is None:
            return _read_peer(self.context.sockets.descriptor(file))
        return _parse_peer(*peer)

    def settle(self) -> None:
        while self._unread:
            self._read_queue(self._unread.pop())

    def _read_queue(self, found: Found) -> None:
        """What waits in its queue. Files in flight become files of the images, and so may be
        sockets that have a queue."""
        file, facts = found.file, found.facts
        content = found.content
        if content is not None and len(content) == facts.queued and not facts.shutdown:
            found.packets.append((SkPacketEntry(id_for=found.id, length=len(content)), content))
            return
        own = found.own
        fd = self.context.borrow(file)
        try:
            # Closed with something unread by the one at the other end.
            if facts.type != SOCK_DGRAM and facts.shutdown == _SHUTDOWN and poll(fd) & POLLERR:
                own.reset = True
            if facts.type == SOCK_STREAM and not facts.queued:
                return
            packets = Reader(self.context, file, fd, facts).read()
        finally:
            os.close(fd)
        try:
            abouts: list[UnixPacketEntry] = []
            for index, packet in enumerate(packets):
                entry = SkPacketEntry(id_for=found.id, length=len(packet.data))
                if packet.rights:
                    rights = []
                    while packet.rights:
                        rights.append(self.context.add_flight(packet.rights.pop(0), file))
                    entry.scm = [ScmEntry(type=SCM_RIGHTS, rights=rights)]
                found.packets.append((entry, packet.data))
                about = _about(index, packet)
                if about is not None:
                    abouts.append(about)
            own.packets = abouts
        finally:
            close_all(packets)

    # --- Names ---

    def _place(
        self,
        file: OpenFile,
        fd: int,
        facts: Socket,
        message: UnixSkEntry,
        own: CrtoolsUnixEntry,
    ) -> None:
        """Where the socket's file is."""
        name = facts.name.rstrip(b"\0")
        there = kernel.raw(SYS_ioctl, fd, SIOCUNIXFILE)
        if there < 0:
            raise self.context.refuse(
                file,
                f"where its socket file {_text(name)} is cannot be told",
                f"ioctl SIOCUNIXFILE: {os.strerror(-there)}",
                "run as root, or with CAP_NET_ADMIN",
            )
        try:
            stat = os.fstat(there)
            link = os.readlink(b"/proc/self/fd/%d" % there)
        finally:
            os.close(there)
        message.file_perms = FilePermsEntry(mode=stat.st_mode, uid=stat.st_uid, gid=stat.st_gid)
        path, deleted = split_deleted(link)
        if deleted or not _is_at(link, stat):
            if not deleted or not _is_at(path, stat):
                message.deleted = True
            else:
                link = path
        if not name.startswith(b"/"):
            directory = link[: -len(name) - 1] if link.endswith(b"/" + name) else b""
            message.name_dir = (directory or os.path.dirname(path)).decode(
                "utf-8", "surrogateescape"
            )
        if not message.deleted:
            own.path = link.decode("utf-8", "surrogateescape")

    # --- Connections ---

    def check(self) -> None:
        listening: dict[int, Found] = {}
        for found in self.found.values():
            for client in found.facts.waiting:
                if client:
                    listening[client] = found
        for found in list(self.found.values()):
            facts = found.facts
            if facts.state == TCP_LISTEN:
                self._check_waiting(found)
            elif facts.peer is None or facts.peer in self.found:
                continue
            elif facts.peer:
                self._check_outside(found, facts.peer)
            elif facts.ino in listening:
                found.connect_to(listening[facts.ino].facts.ino)
            else:
                self._check_closed(found)
        self._check_senders()

    def _check_closed(self, found: Found) -> None:
        """The other end has no inode: it is closed, or waits at a socket outside the tree."""
        facts, own = found.facts, found.own
        if facts.type != SOCK_DGRAM and facts.shutdown != _SHUTDOWN:
            outside = self._find_listener(facts.ino)
            raise self.context.refuse(
                found.file,
                f"its connection waits at {outside or 'a socket outside the tree'} to be accepted",
                "who has that is not being dumped",
                "dump when it has been accepted, or dump both",
            )
        own.closed = True
        fd = self.context.borrow(found.file)
        try:
            own.peer_name = _read_peer_name(fd) or None
        finally:
            os.close(fd)

    def _find_listener(self, client: int) -> str:
        for ino in self.sockets.inodes():
            other = self.sockets.find(ino)
            if other is not None and client in other.waiting:
                return self._name_outside(ino)
        return ""

    def _check_waiting(self, listener: Found) -> None:
        clients = listener.facts.waiting
        unseen = False
        for client in clients:
            if not client:
                unseen = True
                continue
            if client not in self.found:
                raise self.context.refuse(
                    listener.file,
                    f"{self._name_outside(client)} has connected to it and waits to be accepted",
                    "who has that is not being dumped",
                    "dump when it has been accepted, or dump both",
                )
            # What is on its way from it can only be in the connection that waits.
            unseen = unseen or bool(self.found[client].facts.limit)
        if unseen:
            listener.own.waiting = self._read_waiting(listener)
            return
        waiting: list[UnixWaitingEntry] = []
        for client in clients:
            status = read_status(self.context.proc, self.found[client].file.pid)
            creds = Creds(status.pid, status.uids[1], status.gids[1], tuple(status.groups))
            waiting.append(UnixWaitingEntry(client=client, creds=to_entry(creds)))
        listener.own.waiting = waiting

    def _read_waiting(self, listener: Found) -> list[UnixWaitingEntry]:
        from crtools.kinds.files.unix_waiting import WaitingReader

        if self._waiting is None:
            self._waiting = WaitingReader(self.context)
        entries = self._waiting.read(listener.file, listener.facts.waiting)
        names = {entry.name for entry in entries if entry.name and entry.name[:1] == b"\0"}
        for ino in self.sockets.inodes() if names else ():
            other = self.sockets.find(ino)
            if other is not None and other.name in names:
                raise self.context.refuse(
                    listener.file,
                    f"a connection waits to be accepted that came from {spell(other.name)}, a"
                    " socket that is closed",
                    f"{self._name_outside(ino)} has that name now, and only one can",
                    "dump when the program has accepted it",
                )
        return entries

    def _check_outside(self, found: Found, peer: int) -> None:
        """The other end is a socket that nobody of the tree has."""
        context, facts = self.context, found.facts
        options = context.options
        other = self.sockets.find(peer)
        externals = context.externals
        named = externals is not None and any(
            externals.find("unix", str(ino)) is not None for ino in (facts.ino, peer)
        )
        chosen = options.ext_unix_sk
        if chosen:
            named = named or facts.ino in chosen or peer in chosen
        # A relative path says nothing: what it is relative to is the other one's affair.
        reachable = (
            facts.type == SOCK_DGRAM and other is not None and other.name[:1] in (b"\0", b"/")
        )
        if named or (chosen is not None and not chosen and reachable):
            found.own.external = peer
            if reachable and other is not None:
                found.own.peer_name = other.name
            return
        hint = f"dump the tree of a task that has both, or pass --external unix[{facts.ino}]"
        if reachable:
            hint = "pass --ext-unix-sk: the restore connects it to that name again"
        raise context.refuse(
            found.file,
            f"its peer, {self._name_outside(peer)}, is outside the tree",
            "it is connected to a socket that is not being dumped",
            hint,
        )

    def _check_senders(self) -> None:
        """Whoever outside has connected a datagram socket to one of the tree would send to nobody
        once that is gone."""
        named = {
            ino
            for ino, found in self.found.items()
            if found.facts.type == SOCK_DGRAM and found.facts.name
        }
        if not named or self.context.options.ext_unix_sk is not None:
            return
        for ino in self.sockets.inodes():
            if ino in self.found:
                continue
            other = self.sockets.find(ino)
            if other is not None and other.peer in named:
                found = self.found[other.peer]
                raise self.context.refuse(
                    found.file,
                    f"{self._name_outside(ino)} is connected to it, from outside the tree",
                    "that would be connected to nothing after the dump",
                    "dump the tree of a task that has both, or pass --ext-unix-sk",
                )

    def _name_outside(self, ino: int) -> str:
        """`unix socket 40213 (/run/x) of task 655 (dockerd)`."""
        other = self.sockets.find(ino)
        text = f"unix socket {ino}"
        if other is not None and other.name:
            text += f" ({spell(other.name)})"
        link = b"socket:[%d]" % ino
        for pid, _, seen in self.context.other_files():
            if seen == link:
                return f"{text} of {self.context.name_task(pid)}"
        return text

    def finish(self) -> None:
        packets: list[tuple[SkPacketEntry, bytes]] = []
        usual: dict[int, tuple[CrtoolsUnixEntry, list[Found]]] = {}
        for found in self.found.values():
            packets += found.packets
            said = found.said
            same = usual.get(id(said))
            if same is None:
                same = usual[id(said)] = (said, [])
            same[1].append(found)
        groups: dict[bytes, tuple[CrtoolsUnixEntry, list[Found]]] = {}
        for said, same_found in usual.values():
            key = said.encode()
            if key:
                groups.setdefault(key, (said, []))[1].extend(same_found)
        if packets:
            self.context.store.write("sk-queues", packets)
        for said, all_found in groups.values():
            said.ids = [found.id for found in all_found]
        if groups:
            self.context.store.write("crtools-unix", [said for said, _ in groups.values()])


def _new_message(file: OpenFile, facts: Socket, fown: FownEntry, opts: SkOptsEntry) -> UnixSkEntry:
    """What the files image says of a socket; id, inode and peer are still 0."""
    message = UnixSkEntry(
        id=0,
        ino=0,
        type=facts.type,
        state=facts.state,
        flags=file.flags,
        uflags=0,
        backlog=facts.limit if facts.state == TCP_LISTEN else 0,
        peer=0,
        fown=fown,
        opts=opts,
        name=facts.name,
        ns_id=NET_NAMESPACE,
    )
    if facts.shutdown:
        message.shutdown = facts.shutdown
    return message


def spell(name: bytes) -> str:
    """A name as people know it: an abstract one begins with "@"."""
    if name[:1] == b"\0":
        return "@" + name[1:].decode("utf-8", "backslashreplace")
    return _text(name.rstrip(b"\0"))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _about(index: int, packet: Packet) -> UnixPacketEntry | None:
    """What sk-queues.img has no field for."""
    if not (packet.creds or packet.source or packet.urgent or packet.mark):
        return None
    about = UnixPacketEntry(index=index)
    if packet.creds is not None:
        about.creds = to_entry(packet.creds)
    if packet.source:
        about.source = packet.source
    if packet.urgent:
        about.urgent = True
    if packet.mark:
        about.mark = True
    return about


def to_entry(creds: Creds) -> UnixCredsEntry:
    return UnixCredsEntry(pid=creds.pid, uid=creds.uid, gid=creds.gid, groups=list(creds.groups))


_room = bytearray(65536 * 4)
_room_at = kernel.address_of(_room)
_length = bytearray(4)
_length_at = kernel.address_of(_length)


def _read_option(fd: int, option: int) -> bytes:
    _length[:] = (len(_room)).to_bytes(4, "little")
    if kernel.raw(SYS_getsockopt, fd, SOL_SOCKET, option, _room_at, _length_at) < 0:
        return b""
    return bytes(_room[: int.from_bytes(_length, "little")])


def _read_peer(fd: int) -> UnixCredsEntry | None:
    """SO_PEERCRED and SO_PEERGROUPS; None if it has no peer's credentials."""
    return _parse_peer(_read_option(fd, SO_PEERCRED), _read_option(fd, SO_PEERGROUPS))


def _parse_peer(creds: bytes, groups: bytes) -> UnixCredsEntry | None:
    pid, uid, gid = _UCRED.unpack(creds)
    if not pid and uid == 0xFFFFFFFF:
        return None
    return UnixCredsEntry(
        pid=pid, uid=uid, gid=gid, groups=list(struct.unpack(f"<{len(groups) // 4}I", groups))
    )


def _read_peer_name(fd: int) -> bytes:
    """The address of the peer, closed or not, without the family."""
    _length[:] = (len(_room)).to_bytes(4, "little")
    if kernel.raw(SYS_getpeername, fd, _room_at, _length_at) < 0:
        return b""
    return bytes(_room[2 : int.from_bytes(_length, "little")])


def _is_at(path: bytes, stat: os.stat_result) -> bool:
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (stat.st_dev, stat.st_ino)
