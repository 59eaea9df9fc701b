"""unix(7), restored: who makes which socket, who connects to whom, who fills whose queue.

Sockets are made by the process whose credentials the peer is to see (SO_PEERCRED), so that is not
always one that has them. Four times all processes wait for one another:

1. every socket is made and bound, and listens; simple pairs are complete then;
2. connections that were accepted once are made again, in the order of their processes, and those
   that wait to be accepted last (`connecting`);
3. when everybody has every file, queues are filled, with descriptors in flight among what is in
   them; whoever sends them needs them (`filling`);
4. sockets are shut down as they were, and get their options.

A socket that nobody has a descriptor of, being in flight, is parked in a process, as other files
in flight are. What somebody was connected to and is closed is made, used and closed again.
"""

from __future__ import annotations

import os

from crtools.abi.socket import AF_UNIX
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.crtools_unix import (
    CrtoolsUnixEntry,
    UnixPacketEntry,
    UnixWaitingEntry,
)
from crtools.images.messages.sk_packet import SkPacketEntry
from crtools.images.messages.sk_unix import UnixSkEntry
from crtools.kinds.files.base import FilePlanner
from crtools.kinds.files.socket_options import check_options, is_fresh
from crtools.kinds.files.sockets import sockets_of
from crtools.kinds.files.unix_build import Identity, Sending, Target
from crtools.kinds.files.unix_jobs import (
    BACKLOG,
    Accepting,
    Connecting,
    Connection,
    End,
    Filling,
    Finishing,
    Listening,
    Making,
    Pairing,
    Preparing,
    Reaching,
    Reset,
    Taking,
    room_for,
)
from crtools.kinds.files.unix_names import Names
from crtools.kinds.files.unix_queue import (
    SCM_MAX_FD,
    SCM_RIGHTS,
    SOCK_DGRAM,
    SOCK_SEQPACKET,
    SOCK_STREAM,
)
from crtools.procfs.unix_diag import TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.images.messages.crtools_unix import UnixCredsEntry
    from crtools.images.messages.sk_opts import SkOptsEntry
    from crtools.kinds.files.base import PlanContext, PlannedFile, Programs
    from crtools.kinds.files.unix_jobs import Packet
    from crtools.kinds.files.unix_names import Name

    Job = Callable[[Programs], None]
    Step = dict[int, list[Job]]

_TYPES = (SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET)
_NAME_BYTES = 108  # linux/un.h: UNIX_PATH_MAX
_STATES = (TCP_ESTABLISHED, TCP_CLOSE, TCP_LISTEN)


class UnixPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.sockets = sockets_of(context)
        self.identity = Identity()
        self.names = Names()
        self.connecting: list[Step] = []
        self.filling: list[Step] = []
        self._own: dict[int, CrtoolsUnixEntry] = {}
        self._packets: dict[int, list[SkPacketEntry]] = {}
        self._contents: dict[int, list[bytes]] = {}
        self._ends: dict[int, End] = {}  # by inode
        self._by_id: dict[int, End] = {}
        self._unsettled: list[End] = []
        self._taken: dict[tuple[int, int, int], int] = {}  # process and place there -> number here
        self._takes: dict[int, list[Job]] = {}
        self._spare = -1
        self._short: list[tuple[int, str, int, int]] = []  # process, what, wanted, got
        self._gone: dict[tuple[bytes, bytes], End] = {}
        self._partners: dict[int, End] = {}  # by inode: at the other end of a pair or connection
        self._listening: dict[bytes, list[End]] = {}  # by name
        # Options that are the same of many sockets are one object. By its id: those that make
        # sense; with the type of socket, whether they are a fresh one's.
        self._checked: dict[int, SkOptsEntry] = {}
        self._plain: dict[tuple[int, int], bool] = {}
        self._read_images()
        context.unix = self

    def _read_images(self) -> None:
        store = self.context.store
        if store.has("crtools-unix"):
            for entry in store.read("crtools-unix"):
                for id in entry.ids:
                    if id in self._own:
                        raise ImageError(f"File {id} is twice in the crtools-unix image")
                    self._own[id] = entry
        if store.has("sk-queues"):
            for entry, data in store.read_with_extra("sk-queues"):
                self._packets.setdefault(entry.id_for, []).append(entry)
                self._contents.setdefault(entry.id_for, []).append(data[: entry.length])

    # --- What the images say ---

    def add(self, file: PlannedFile) -> None:
        entry: UnixSkEntry = file.message
        own = self._own.get(entry.id) or CrtoolsUnixEntry()
        if (
            entry.type not in _TYPES
            or entry.state not in _STATES
            or entry.ino in self._ends
            or (entry.shutdown or 0) > 3
            or entry.backlog > 0x7FFFFFFF
        ):
            raise ImageError(f"Unix socket {entry.ino} in the files image makes no sense")
        others = self.sockets.options(entry.id)
        if others or id(entry.opts) not in self._checked:
            check_options(entry.opts, others)
            self._checked[id(entry.opts)] = entry.opts
        end = self._ends[entry.ino] = self._by_id[entry.id] = End(file, entry, own)
        packets = self._packets.get(entry.id, ())
        abouts: dict[int, UnixPacketEntry] = {}
        if own.packets:
            abouts = {about.index: about for about in own.packets}
            if any(index >= len(packets) for index in abouts):
                raise ImageError(f"Unix socket {entry.ino} has fewer packets than are told of")
        for index, packet in enumerate(packets):
            if packet.scm and (
                len(packet.scm) > 1
                or any(scm.type != SCM_RIGHTS or len(scm.rights) > SCM_MAX_FD for scm in packet.scm)
            ):
                raise ImageError(f"Unix socket {entry.ino} has a packet with impossible content")
            data = self._contents[entry.id][index]
            end.packets.append((packet, data, abouts.get(index)))
        for waiting in own.waiting:
            self._check_waiting(end, waiting)
        self._unsettled.append(end)

    @staticmethod
    def _check_waiting(end: End, waiting: UnixWaitingEntry) -> None:
        assert end.entry is not None
        if (
            end.entry.state != TCP_LISTEN
            or len(waiting.data) != len(waiting.packets)
            or len(waiting.name or b"") > _NAME_BYTES
            or any(about.mark or len(about.rights) > SCM_MAX_FD for about in waiting.packets)
        ):
            raise ImageError(f"A connection that waits at unix socket {end.ino} makes no sense")

    def settle(self) -> None:
        while self._unsettled:
            end = self._unsettled.pop()
            assert end.file is not None
            for packet, _, _ in end.packets:
                for scm in packet.scm:
                    for id in scm.rights:
                        self.context.add_flight(id, end.file.users[0][0])
            for waiting in end.own.waiting:
                for about in waiting.packets:
                    for id in about.rights:
                        self.context.add_flight(id, end.file.users[0][0])

    def name(self, file: PlannedFile) -> str:
        return f"unix socket {file.message.ino}"

    # --- Who makes what ---

    def place(self) -> None:
        ends = list(self._ends.values())
        for end in ends:
            entry = end.entry
            assert entry is not None
            if entry.state == TCP_LISTEN:
                self._listening.setdefault(entry.name, []).append(end)
        for end in ends:
            entry = end.entry
            assert entry is not None
            if entry.name:
                end.name = self._name_of(end, ends)
        connections: list[Connection] = []
        waiting: list[Connection] = []
        for end in ends:
            if end.pid < 0 and end.ino not in self._partners:
                self._place(end, connections, waiting)
        for end in ends:
            for place, one in enumerate(end.own.waiting):
                if not one.client:
                    self._place_closed(end, one, place, waiting)
        self._connect(connections, waiting)
        self._fill(ends, waiting)

    def _name_of(self, end: End, ends: list[End]) -> Name | None:
        """The name that a socket is bound to itself: accepted ones share that of a listening
        one."""
        entry = end.entry
        assert entry is not None
        if self._is_accepted(end):
            return None
        return self.names.add(entry, end.own.path)

    def _is_accepted(self, end: End) -> bool:
        """Whether a socket has its name from being accepted: of two that are connected the one that
        is called like somebody who listens, or the only one that has a name."""
        entry = end.entry
        assert entry is not None
        if entry.type == SOCK_DGRAM or entry.state != TCP_ESTABLISHED:
            return False
        if self._listener_of(end) is not None:
            return True
        peer = self._ends.get(entry.peer)
        if peer is None or peer.entry is None:
            return not end.own.peer_name
        if not peer.entry.name:
            return True
        if peer.entry.state == TCP_LISTEN or self._listener_of(peer) is not None:
            return False
        # Both were bound, and nobody listens any more: who connected may have no name of its own.
        if _is_automatic(entry.name) != _is_automatic(peer.entry.name):
            return _is_automatic(peer.entry.name)
        return entry.ino < peer.entry.ino

    def _listener_of(self, end: End) -> End | None:
        entry = end.entry
        assert entry is not None
        for other in self._listening.get(entry.name, ()):
            listener = other.entry
            assert listener is not None
            if (
                listener.type == entry.type
                and listener.name_dir == entry.name_dir
                and other.own.path == end.own.path
                and bool(listener.deleted) == bool(entry.deleted)
            ):
                return other
        return None

    def _place(self, end: End, connections: list[Connection], waiting: list[Connection]) -> None:
        entry = end.entry
        assert entry is not None
        assert end.file is not None
        peer = self._ends.get(entry.peer) if entry.peer else None
        home = end.file.users[0][0]
        if self._place_inherited(end, home):
            return
        if entry.type == SOCK_DGRAM:
            self._place_datagram(end, peer, home)
        elif entry.state == TCP_LISTEN:
            pid = self._maker(end.own.peer, home)
            self._settle_at(end, pid)
            self._make(end, listens=True)
        elif entry.state == TCP_CLOSE:
            self._settle_at(end, home)
            self._make(end)
        elif peer is not None and peer.entry is not None and peer.entry.state == TCP_LISTEN:
            self._place_waiting(end, peer, home, waiting)
        elif peer is not None:
            if peer.entry is None or peer.entry.peer != entry.ino or peer is end:
                raise ImageError(f"{end.what} is connected to {peer.what}, which is not to it")
            self._place_connected(end, peer, connections)
        else:
            other = End(None, None, CrtoolsUnixEntry())
            self._place_connected(end, other, connections)

    def _place_inherited(self, end: End, home: int) -> bool:
        """--inherit-fd socket[INODE]: what the restore was given in place of a socket."""
        inherited = self.context.inherited
        fd = inherited.find(f"socket[{end.ino}]") if inherited is not None else -1
        if fd < 0:
            return False
        self._settle_at(end, home)
        end.simple = True
        self.context.add_job(
            home,
            lambda programs: self.context.take_inherited(
                programs, fd, end.number, end.cloexec, lambda: end.what
            ),
        )
        return True

    def _place_waiting(self, end: End, listener: End, home: int, waiting: list[Connection]) -> None:
        # CRIU's images do not tell who waits: those come last, in their own order.
        place, creds = len(listener.own.waiting), None
        for index, one in enumerate(listener.own.waiting):
            if one.client == end.ino:
                place, creds = index, one.creds
        self._settle_at(end, self._maker(creds, home))
        self._make(end)
        waiting.append(Connection(listener, end, None, creds, place))

    def _place_closed(
        self, listener: End, one: UnixWaitingEntry, place: int, waiting: list[Connection]
    ) -> None:
        """A client that had gone before it was accepted: it is there until all is sent."""
        entry = listener.entry
        assert entry is not None
        assert listener.file is not None
        client = End(None, None, CrtoolsUnixEntry())
        self._settle_at(client, self._maker(one.creds, listener.file.users[0][0]))
        if one.name:
            client.name = self.names.add(self._stand_in(entry, entry.type, one.name), None)
        self._make(client, type=entry.type)
        waiting.append(Connection(listener, client, None, one.creds, place))

    def _place_datagram(self, end: End, peer: End | None, home: int) -> None:
        entry = end.entry
        assert entry is not None
        creds = end.own.peer
        mutual = peer is not None and peer.entry is not None and peer.entry.peer == entry.ino
        if peer is not None and peer.entry is not None and peer.pid < 0 and peer is not end:
            by_name = bool(entry.name) and bool(peer.entry.name) and creds is None
            if (mutual and not by_name) or not peer.entry.name:
                self._pair(end, peer)
                return
        if creds is not None or (entry.peer == 0 and end.own.closed):
            self._pair(end, End(None, None, CrtoolsUnixEntry()))
            return
        self._settle_at(end, home)
        self._make(end)

    def _place_connected(self, one: End, other: End, connections: list[Connection]) -> None:
        """A stream or seqpacket connection."""
        assert one.entry is not None
        server, client = self._who_accepted(one, other)
        if server is None or client is None:
            self._pair(one, other)
            return
        listener = self._listener_of(server) if server.entry is not None else None
        if listener is None:
            listener = self._gone_listener(server, client)
        home = (client.file or server.file).users[0][0]  # type: ignore[union-attr]
        self._settle_at(client, self._maker(server.own.peer, home))
        self._make(client, type=one.entry.type)
        self._join(client, server)
        connections.append(Connection(listener, client, server, server.own.peer))

    def _who_accepted(self, one: End, other: End) -> tuple[End | None, End | None]:
        """Server and client; (None, None) if a pair is as good."""
        for server, client in ((one, other), (other, one)):
            if server.entry is not None:
                if server.entry.name and self._is_accepted(server):
                    return server, client
            elif client.own.peer_name:
                return server, client
        return None, None

    def _gone_listener(self, server: End, client: End) -> End:
        """Who listened, and does not any more, is there for the moment of the connection."""
        entry = server.entry
        like = client.entry if entry is None else entry
        assert like is not None
        name = entry.name if entry is not None else client.own.peer_name or b""
        creds = client.own.peer
        path = server.own.path if entry is not None else None
        key = (
            name,
            (creds.encode() if creds else b"") + (path or "").encode() + bytes([like.type]),
        )
        found = self._gone.get(key)
        if found is None:
            found = self._gone[key] = End(None, None, CrtoolsUnixEntry(peer=creds))
            file = client.file or server.file
            assert file is not None
            self._settle_at(found, self._maker(creds, file.users[0][0]))
            stand_in = UnixSkEntry(
                id=like.id,
                ino=like.ino,
                type=like.type,
                state=TCP_LISTEN,
                flags=0,
                uflags=0,
                backlog=0,
                peer=0,
                fown=like.fown,
                opts=like.opts,
                name=name,
                name_dir=entry.name_dir if entry is not None else None,
                deleted=bool(entry.deleted) if entry is not None else True,
                file_perms=entry.file_perms if entry is not None else None,
            )
            found.name = self.names.add(stand_in, path)
            self._make(found, listens=True, type=like.type)
        return found

    # --- Processes and numbers ---

    def _maker(self, creds: UnixCredsEntry | None, otherwise: int) -> int:
        """The process that `creds` are of, if it can be had."""
        if creds is not None and creds.pid:
            if self.context.can_act(creds.pid):
                return creds.pid
            self._short.append(
                (otherwise, "a unix socket's peer credentials (SO_PEERCRED)", creds.pid, otherwise)
            )
        return otherwise

    def _check_sender(self, about: UnixPacketEntry, pid: int) -> UnixPacketEntry:
        """What is said of a message, without credentials if nobody can have them any more."""
        creds = about.creds
        if (
            creds is None
            or not creds.pid
            or self.context.can_act(creds.pid)
            or os.path.exists(f"/proc/{creds.pid}")
        ):
            return about
        self._short.append((pid, "the sender of a message to a unix socket", creds.pid, 0))
        return UnixPacketEntry(
            index=about.index, source=about.source, urgent=about.urgent, rights=about.rights
        )

    def _settle_at(self, end: End, pid: int) -> None:
        """A socket is made by process `pid`: at the number that it has there, or at one that
        nobody has."""
        table = self.context.table_of(pid)
        end.pid = pid
        file = end.file
        if file is None:
            end.number = table.park()
            return
        file.pid = table.pid
        for user, fd, cloexec in file.users:
            if user == table.pid:
                file.number, end.cloexec = fd, cloexec
                break
        else:
            file.number = table.park(file.id)
            file.parked = True
        end.number = file.number

    def _number(self, end: End, pid: int) -> int:
        """The number of a socket in process `pid` when everybody has every file."""
        if end.file is not None:
            return self._number_of(end.file, pid)
        return self._take(self.context.table_of(end.pid).pid, end.number, pid, lambda: end.what)

    def _number_of(self, file: PlannedFile, pid: int) -> int:
        table = self.context.table_of(pid)
        for user, fd, _ in file.users:
            if user == table.pid:
                # In flight, it is not fetched as what is in a table is.
                if fd in table.parked:
                    self._take_late(file, pid, fd)
                return fd
        return self._take_late(file, pid, -1)

    def _take(self, maker: int, number: int, pid: int, what: Callable[[], str]) -> int:
        """Has process `pid` take over what is at a number of another, before queues are filled."""
        table = self.context.table_of(pid)
        if maker == table.pid:
            return number
        key = (maker, number, table.pid)
        found = self._taken.get(key)
        if found is None:
            found = self._taken[key] = table.park()
            self._takes.setdefault(pid, []).append(Taking(table.pid, maker, number, found, what))
        return found

    def _take_late(self, file: PlannedFile, pid: int, number: int) -> int:
        """The same for a file of whatever kind: who makes it is known when all kinds have decided.
        `number` is where it is wanted, -1: anywhere."""
        table = self.context.table_of(pid)
        key = (-1, file.id, table.pid)
        found = self._taken.get(key)
        if found is None:
            found = self._taken[key] = number if number >= 0 else table.park()
            self._takes.setdefault(pid, []).append(
                Taking(table.pid, file, -1, found, lambda: self.context.describe(file))
            )
        return found

    @property
    def spare(self) -> int:
        """A number that any program may use for a moment, in whatever process."""
        if self._spare < 0:
            self._spare = self.context.unused_number()
        return self._spare

    # --- Making ---

    def _make(self, end: End, *, listens: bool = False, type: int = 0) -> None:
        job = Making(self, end, type, listens=listens)
        name = end.name
        if name is not None and (name.moves or name.scratch):
            # It changes directory or root, which another process may share.
            self.connecting.append({end.pid: [job]})
        else:
            self.context.add_job(end.pid, job)

    def _pair(self, one: End, other: End) -> None:
        entry = one.entry
        assert entry is not None
        assert one.file is not None
        pid = self._maker(one.own.peer or other.own.peer, one.file.users[0][0])
        self._settle_at(one, pid)
        self._settle_at(other, pid)
        self._join(one, other)
        job = Pairing(self, one, other, self.context.table_of(pid))
        moved = [e.name for e in (one, other) if e.name is not None]
        if any(name.moves or name.scratch for name in moved):
            self.connecting.append({pid: [job]})
        else:
            self.context.add_job(pid, job)
            one.simple = other.simple = not moved and self._is_simple(one, other)

    def _join(self, one: End, other: End) -> None:
        if one.entry is not None:
            self._partners[one.entry.ino] = other
        if other.entry is not None:
            self._partners[other.entry.ino] = one

    @staticmethod
    def _is_simple(one: End, other: End) -> bool:
        """Whether a pair has nothing that concerns any other file."""
        for end, peer in ((one, other), (other, one)):
            entry = end.entry
            if entry is None:
                if end.packets:
                    return False
                continue
            if entry.type == SOCK_DGRAM and entry.peer != (peer.entry.ino if peer.entry else 0):
                return False
            if any(
                packet.scm or (about and (about.source or about.creds))
                for packet, _, about in end.packets
            ):
                return False
            if end.own.reset or end.own.external:
                return False
        return True

    def is_plain(self, end: End) -> bool:
        """Whether a socket's options and inode are those of a fresh one."""
        entry, own = end.entry, end.own
        if entry is None or self.sockets.options(entry.id) or own.mode is not None:
            return False
        if self.sockets.has_filter(entry.id):
            return False
        if (own.uid or 0, own.gid or 0) != (self.identity.euid, self.identity.egid):
            return False
        key = (id(entry.opts), entry.type)
        found = self._plain.get(key)
        if found is None:
            found = self._plain[key] = is_fresh(
                entry.opts, self.sockets.fresh(AF_UNIX, entry.type, 0)
            )
        return found

    # --- Connecting ---

    def _connect(self, connections: list[Connection], waiting: list[Connection]) -> None:
        by_listener: dict[int, list[Connection]] = {}
        listeners: dict[int, End] = {}
        for connection in connections:
            by_listener.setdefault(id(connection.listener), []).append(connection)
            listeners[id(connection.listener)] = connection.listener
        for key, own in by_listener.items():
            self._connect_to(listeners[key], own)
        waiting.sort(key=lambda c: (c.listener.ino, c.place))
        for end in {c.listener.ino: c.listener for c in waiting}.values():
            self._then(self.connecting, end.pid, Preparing(self, end))
        for connection in waiting:
            self._then(self.connecting, connection.client.pid, self._connecting_of(connection))
        for end in (*listeners.values(), *[c.listener for c in waiting]):
            if end.entry is not None and end.pid >= 0:
                self._then(self.connecting, end.pid, Listening(self, end, end.entry.backlog))

    def _connect_to(self, listener: End, connections: list[Connection]) -> None:
        """Connections are accepted in the order in which they were made: those of one process at a
        time."""
        creds = listener.own.peer
        # Those that saw other credentials when they were connected come last.
        connections.sort(key=lambda c: (_key(c.client.own.peer) != _key(creds), c.client.pid))
        at = 0
        while at < len(connections):
            first = connections[at]
            batch = [first]
            while (
                at + len(batch) < len(connections)
                and connections[at + len(batch)].client.pid == first.client.pid
                and _key(connections[at + len(batch)].client.own.peer)
                == _key(first.client.own.peer)
                and len(batch) < 100
            ):
                batch.append(connections[at + len(batch)])
            at += len(batch)
            wanted = first.client.own.peer
            if wanted is not None and _key(wanted) != _key(creds):
                pid = self._maker(wanted, listener.pid)
                number = -1
                if self.context.table_of(pid).pid != listener.table:
                    number = self.context.table_of(pid).park()
                self.connecting.append({pid: [Listening(self, listener, BACKLOG, wanted, number)]})
                creds = wanted
            self.connecting.append(
                {first.client.pid: [self._connecting_of(connection) for connection in batch]}
            )
            for connection in batch:
                server = connection.server
                assert server is not None
                self._settle_at(server, listener.pid)
            self.connecting.append(
                {listener.pid: [Accepting(self, connection) for connection in batch]}
            )
        if _key(creds) != _key(listener.own.peer) and listener.own.peer is not None:
            self.connecting.append(
                {listener.pid: [Listening(self, listener, BACKLOG, listener.own.peer)]}
            )

    def _connecting_of(self, connection: Connection) -> Connecting:
        return Connecting(self, connection, self.spare)

    @staticmethod
    def _then(steps: list[Step], pid: int, job: Job) -> None:
        """After all that is in `steps`."""
        if steps and list(steps[-1]) == [pid]:
            steps[-1][pid].append(job)
        else:
            steps.append({pid: [job]})

    # --- Filling ---

    def _fill(self, ends: list[End], waiting: list[Connection]) -> None:
        filling: Step = {}
        reaching: Step = {}
        finishing: Step = {}
        for end in ends:
            entry = end.entry
            if end.simple or entry is None:
                continue
            assert end.file is not None
            pid = end.file.users[0][0]
            if end.packets:
                filling.setdefault(pid, []).append(self._filling_of(end, pid, ends))
            if end.own.reset and entry.type != SOCK_DGRAM:
                filling.setdefault(end.pid, []).append(Reset(end))
            if entry.type == SOCK_DGRAM:
                self._reach(end, reaching)
            finishing.setdefault(end.pid, []).append(Finishing(self, end))
        for connection in waiting:
            place, own = connection.place, connection.listener.own.waiting
            if place < len(own) and own[place].packets:
                client = connection.client
                pid = client.file.users[0][0] if client.file is not None else client.pid
                job = self._filling_of_waiting(connection, own[place], pid)
                filling.setdefault(pid, []).append(job)
        if self._takes:
            self.filling.append(self._takes)
        self.filling += [step for step in (filling, reaching, finishing) if step]

    def _filling_of(self, end: End, pid: int, ends: list[End]) -> Job:
        entry = end.entry
        assert entry is not None
        sendings: list[Sending] = []
        receiver = self._number(end, pid)
        room: dict[int, End] = {}
        size = room_for(end.packets)
        for packet, data, about in end.packets:
            if about is not None:
                about = self._check_sender(about, pid)
            sender, direct = self._sender(end, about, pid)
            number = self._number(sender, pid)
            if size:
                room[number] = sender
            target = None
            if not direct:
                if end.name is None:
                    raise ImageError(f"{end.what} has a message from somebody who cannot reach it")
                target = self.names.target(end.name)
            rights = [
                self._number_of(self.context.files[id], pid)
                for scm in packet.scm
                for id in scm.rights
            ]
            sendings.append(
                Sending(
                    *(entry.type, number, receiver, packet, data, about, rights, target),
                    self.spare,
                )
            )
        return Filling(end, sendings, room, size)

    def _filling_of_waiting(
        self, connection: Connection, waiting: UnixWaitingEntry, pid: int
    ) -> Job:
        """What a client has sent before it was accepted. Nobody can have received any of it."""
        listener, client = connection.listener, connection.client
        assert listener.entry is not None
        packets: list[Packet] = []
        sendings: list[Sending] = []
        number = self._number(client, pid)
        for about, data in zip(waiting.packets, waiting.data, strict=True):
            packet = SkPacketEntry(id_for=listener.entry.id, length=len(data))
            about = self._check_sender(about, pid)
            rights = [self._number_of(self.context.files[id], pid) for id in about.rights]
            packets.append((packet, data, about))
            sendings.append(
                Sending(
                    *(listener.entry.type, number, -1, packet, data, about, rights),
                    spare=self.spare,
                )
            )
        size = room_for(packets)
        return Filling(listener, sendings, {number: client} if size else {}, size)

    def _sender(self, end: End, about: UnixPacketEntry | None, pid: int) -> tuple[End, bool]:
        """From which socket a packet comes, and whether that is connected to `end` by then."""
        entry = end.entry
        assert entry is not None
        source = about.source if about is not None and about.source else b""
        partner = self._partners.get(entry.ino)
        if partner is not None:
            name = partner.entry.name if partner.entry is not None else b""
            if entry.type != SOCK_DGRAM or (name or b"") == source or partner.entry is None:
                return partner, True
        if entry.type != SOCK_DGRAM:
            raise ImageError(f"{end.what} has a queue, and nobody who could have sent that")
        for other in self._ends.values():
            if other.entry is None or other.entry.type != SOCK_DGRAM or other is end:
                continue
            if (source and other.entry.name == source) or (
                not source and not other.entry.name and other.entry.peer == entry.ino
            ):
                return other, False
        return self._stranger(source, pid, entry), False

    def _stranger(self, source: bytes, pid: int, like: UnixSkEntry) -> End:
        """A datagram socket of that name, which is there for a message of its alone."""
        key = (source, b"datagram")
        found = self._gone.get(key)
        if found is None:
            found = self._gone[key] = End(None, None, CrtoolsUnixEntry())
            self._settle_at(found, pid)
            if source:
                found.name = self.names.add(self._stand_in(like, SOCK_DGRAM, source), None)
            self._make(found, type=SOCK_DGRAM)
        return found

    @staticmethod
    def _stand_in(like: UnixSkEntry, type: int, name: bytes) -> UnixSkEntry:
        """A socket that is closed and had this name, which nobody is to find."""
        return UnixSkEntry(
            id=0,
            ino=like.ino,
            type=type,
            state=TCP_CLOSE,
            flags=0,
            uflags=0,
            backlog=0,
            peer=0,
            fown=like.fown,
            opts=like.opts,
            name=name,
            deleted=True,
        )

    def _reach(self, end: End, reaching: Step) -> None:
        """Connections of datagram sockets to those that have a name; where a pair was made with
        another one, to nobody."""
        entry = end.entry
        assert entry is not None
        partner = self._partners.get(entry.ino)
        peer = self._ends.get(entry.peer) if entry.peer else None
        if peer is not None:
            if partner is peer:
                return
            if peer.name is None:
                raise ImageError(f"{end.what} is connected to {peer.what}, which has no name")
            target = self.names.target(peer.name)
        elif end.own.external or entry.peer:
            if not end.own.peer_name:
                return
            options = self.context.options
            if options.ext_unix_sk is None:
                raise RestoreConflict(
                    f"{end.what} was connected to {end.own.peer_name!r}, outside the tree",
                    because="the dump was told that it may be",
                    hint="pass --ext-unix-sk to the restore too",
                )
            target = Target(end.own.peer_name, end.own.peer_name.rstrip(b"\0"), self.names.base)
        elif partner is not None and not end.own.closed:
            target = None
        else:
            return
        reaching.setdefault(end.pid, []).append(Reaching(self, end, target, self.spare))

    # --- The tool's part ---

    def check(self, root: int) -> None:
        self.names.check(root)
        for pid, what, wanted, got in dict.fromkeys(self._short):
            self.context.shortfalls.report(
                *(pid, f"task {pid}", what),
                wanted=f"task {wanted}",
                got=f"task {got}" if got else "nobody",
                because="that process is not one of the tree, and its number is not free",
            )

    def create(self, tool_pid: int, root: int) -> None:
        self.names.base = self.context.root_number
        self.names.create(root)

    def close(self, *, restored: bool) -> None:
        self.names.close(restored=restored)


def _key(creds: UnixCredsEntry | None) -> tuple[object, ...]:
    if creds is None:
        return ()
    return creds.pid, creds.uid, creds.gid, *sorted(creds.groups)


def _is_automatic(name: bytes) -> bool:
    """Whether a name is one that the kernel gives: five hexadecimal digits (net/unix/af_unix.c,
    unix_autobind)."""
    return name[:1] == b"\0" and len(name) == 6 and not name[1:].strip(b"0123456789abcdef")
