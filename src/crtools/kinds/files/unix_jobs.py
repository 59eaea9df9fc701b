"""What processes do to bring unix sockets back: the jobs that crtools.kinds.files.unix_plan gives
them. Each is called once, in the phase that it is for, and adds instructions to a program."""

from __future__ import annotations

from crtools.abi.socket import AF_UNIX, SOCK_CLOEXEC
from crtools.abi.x86_64 import (
    SYS_accept4,
    SYS_close,
    SYS_connect,
    SYS_dup3,
    SYS_listen,
    SYS_sendto,
    SYS_socket,
    SYS_socketpair,
    SYS_write,
)
from crtools.agent.program import ARG_DATA, ARG_LOAD32, EXACTLY, load32
from crtools.agent.stencil import Stencil
from crtools.kinds.files.socket_options import build_buffers, build_options
from crtools.kinds.files.unix_build import (
    Sending,
    Target,
    build_bind,
    build_flags,
    build_inode,
    build_place,
    build_room,
    build_room_back,
    build_shutdown,
    build_take,
)
from crtools.kinds.files.unix_queue import MSG_DONTWAIT, SOCK_DGRAM, SOCK_STREAM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.agent.program import Program
    from crtools.images.messages.crtools_unix import (
        CrtoolsUnixEntry,
        UnixCredsEntry,
        UnixPacketEntry,
    )
    from crtools.images.messages.sk_packet import SkPacketEntry
    from crtools.images.messages.sk_unix import UnixSkEntry
    from crtools.kinds.files.base import PlannedFile, Programs, Table
    from crtools.kinds.files.unix_names import Name
    from crtools.kinds.files.unix_plan import UnixPlanner

    Packet = tuple[SkPacketEntry, bytes, UnixPacketEntry | None]

BACKLOG = 4096  # while connections are made; the kernel takes net.core.somaxconn at most
_ROOM_FROM = 48 << 10  # bytes in a queue: below that the usual size of a buffer does


class End:
    """A socket as it is being made: one of the images, or one that only helps.

    `pid` is the process that makes it, `number` where it is there.
    """

    __slots__ = ("cloexec", "entry", "file", "name", "number", "own", "packets", "pid", "simple")

    def __init__(
        self, file: PlannedFile | None, entry: UnixSkEntry | None, own: CrtoolsUnixEntry
    ) -> None:
        self.file = file
        self.entry = entry
        self.own = own
        self.packets: list[Packet] = []
        self.pid = -1
        self.number = -1
        self.cloexec = True
        self.name: Name | None = None
        self.simple = False  # all of it is done where it is made

    @property
    def ino(self) -> int:
        return self.entry.ino if self.entry is not None else 0

    @property
    def table(self) -> int:
        """The process whose table it is in, which another may share."""
        return self.file.pid if self.file is not None else self.pid

    @property
    def what(self) -> str:
        return f"unix socket {self.entry.ino}" if self.entry is not None else "a unix socket"


class Connection:
    """A client and the socket that is accepted for it; `server` None: it waits, as number `place`
    of those that do. `creds` are what the server sees of the client."""

    __slots__ = ("client", "creds", "listener", "place", "server")

    def __init__(
        self,
        listener: End,
        client: End,
        server: End | None,
        creds: UnixCredsEntry | None,
        place: int = 0,
    ) -> None:
        self.listener = listener
        self.client = client
        self.server = server
        self.creds = creds
        self.place = place


def room_for(packets: list[Packet]) -> int:
    """How much a sender's buffer has to hold for that, 0 if the usual size does."""
    total = sum([len(data) + 1024 for _, data, _ in packets])
    return 2 * total if total > _ROOM_FROM else 0


class Making:
    """A socket with its name, which listens if it is to."""

    __slots__ = ("end", "listens", "planner", "type")

    def __init__(self, planner: UnixPlanner, end: End, type: int, *, listens: bool) -> None:
        self.planner = planner
        self.end = end
        self.type = type or (end.entry.type if end.entry is not None else 0)
        self.listens = listens

    def __call__(self, programs: Programs) -> None:
        end = self.end
        program = programs.need(4096)
        fd = program.call(
            *(SYS_socket, AF_UNIX, self.type | (SOCK_CLOEXEC if end.cloexec else 0), 0),
            label=lambda: f"make {end.what}",
        )
        self.planner.context.move(program, fd, end.number, end.cloexec, lambda: end.what)
        if end.name is not None:
            bind(self.planner, program, end)
        if self.listens:
            listen(self.planner, program, end, end.number, BACKLOG, end.own.peer)


def bind(planner: UnixPlanner, program: Program, end: End) -> None:
    name = end.name
    assert name is not None
    build_bind(
        *(program, end.number, name.literal, name.directory, name.root, planner.names.base),
        lambda: f"{end.what} to {name.shown}",
    )


def listen(
    planner: UnixPlanner,
    program: Program,
    end: End,
    number: int,
    backlog: int,
    creds: UnixCredsEntry | None,
) -> None:
    planner.identity.build_as(
        program,
        creds,
        lambda: end.what,
        lambda: program.call(SYS_listen, number, backlog, label=lambda: f"have {end.what} listen"),
    )


class Listening:
    """listen(2) once more, by process `pid`: for another backlog, or other credentials."""

    __slots__ = ("backlog", "creds", "end", "number", "planner")

    def __init__(
        self,
        planner: UnixPlanner,
        end: End,
        backlog: int,
        creds: UnixCredsEntry | None = None,
        number: int = -1,
    ) -> None:
        self.planner = planner
        self.end = end
        self.backlog = backlog
        self.creds = creds or end.own.peer
        self.number = number

    def __call__(self, programs: Programs) -> None:
        end = self.end
        program = programs.need(4096)
        number = end.number
        if self.number >= 0:
            number = self.number
            build_take(program, end.table, end.number, number, lambda: end.what)
        listen(self.planner, program, end, number, self.backlog, self.creds)


class Pairing:
    """A pair; with all that is to be said of it where that concerns no other file."""

    __slots__ = ("one", "other", "planner", "spare")

    def __init__(self, planner: UnixPlanner, one: End, other: End, table: Table) -> None:
        self.planner = planner
        self.one = one
        self.other = other
        # Both exist for a moment at least, and neither may take a number that is to be another
        # file's. Whatever is parked later is made later, when these two are free again.
        self.spare = (table.park(), table.park())
        for spare in self.spare:
            table.unpark(spare)

    def __call__(self, programs: Programs) -> None:
        planner, one, other = self.planner, self.one, self.other
        if self._is_plain():
            self._make_plain(programs)
            return
        program = programs.need(4096)
        fds = program.reserve(8)
        entry = one.entry or other.entry
        assert entry is not None

        def what() -> str:
            return one.what

        def make() -> None:
            program.call(
                *(SYS_socketpair, AF_UNIX, entry.type | SOCK_CLOEXEC, 0, fds),
                label=lambda: f"make {one.what}",
            )

        planner.identity.build_as(program, one.own.peer or other.own.peer, what, make)
        # They have the two lowest free numbers, the second the larger one: moved first, it is out
        # of the way where it has the number that the first is to get.
        for at, to in ((4, self.spare[1]), (0, self.spare[0])):
            fd = load32(fds, at)
            program.skip_if(fd, to, 2)
            build_place(program, fd, to, True, what)
        for end, number in zip((one, other), self.spare, strict=True):
            build_place(program, number, end.number, end.cloexec, what)
            if end.name is not None:
                bind(planner, program, end)
        if one.simple:
            for end, peer in ((one, other), (other, one)):
                if end.packets:
                    fill_simply(programs, end, peer, self.spare[0])
            for end in (one, other):
                if end.entry is not None:
                    finish(planner, programs, end)

    def _is_plain(self) -> bool:
        """Whether there is nothing to do but to make it, and to send what is in its queues."""
        one, other = self.one, self.other
        if not one.simple or one.cloexec != other.cloexec:
            return False
        if not self.planner.identity.is_own(one.own.peer or other.own.peer):
            return False
        for end in (one, other):
            entry = end.entry
            if entry is None or entry.shutdown or not self.planner.is_plain(end):
                return False
            if end.packets and (
                entry.type != SOCK_STREAM
                or len(end.packets) > 1
                or end.packets[0][2] is not None
                or room_for(end.packets)
            ):
                return False
        return True

    def _make_plain(self, programs: Programs) -> None:
        """The same in half of the instructions, which are made at once: most pairs are plain, and
        there may be thousands. The two are alike, so the first may be the one of the smaller
        number; why neither is in the way of the other is said in pipe.py."""
        low, high = self.one, self.other
        if low.number > high.number:
            low, high = high, low
        entry = low.entry
        assert entry is not None
        length = sum([len(data) for end in (low, high) for _, data, _ in end.packets])
        program = programs.need(2048 + length)
        numbers = [program.reserve(8)[1], low.number, high.number]
        for end in (low, high):
            for _, data, _ in end.packets:
                numbers += (program.put(data, 1)[1], len(data))
        shape = (entry.type, low.cloexec, bool(low.packets), bool(high.packets))
        stencil = _plain_pairs.get(shape)
        if stencil is None:
            stencil = _plain_pairs[shape] = Stencil(_PlainPair(*shape), len(numbers))
        stencil.add_to(program, numbers, self._what)
        for end in (low, high):
            assert end.entry is not None
            build_flags(program, end.number, end.entry.flags, self._what)

    def _what(self) -> str:
        return f"make {self.one.what} and what is connected to it"


class _PlainPair:
    """Instructions that make a pair and put it to two numbers, the smaller one first; `to_low` and
    `to_high` say whether there is something in the queue of either."""

    __slots__ = ("flags", "to_high", "to_low", "type")

    def __init__(self, type: int, cloexec: bool, to_low: bool, to_high: bool) -> None:
        self.type = type
        self.flags = SOCK_CLOEXEC if cloexec else 0
        self.to_low = to_low
        self.to_high = to_high

    def __call__(self, program: Program, fds: int, low: int, high: int, *contents: int) -> None:
        """`fds` is where the two come in the data area; `contents`: where there, and how many
        bytes."""
        flags = self.flags
        program.call(SYS_socketpair, AF_UNIX, self.type | flags, 0, (ARG_DATA, fds))
        ends = ((ARG_LOAD32, fds), (ARG_LOAD32, fds + 4))
        left = list(contents)
        for full, sender in ((self.to_low, ends[1]), (self.to_high, ends[0])):
            if full:
                at, length = left.pop(0), left.pop(0)
                program.call(
                    *(SYS_sendto, sender, (ARG_DATA, at), length, MSG_DONTWAIT),
                    expect=EXACTLY,
                    expected=length,
                )
        for end, number in ((ends[1], high), (ends[0], low)):
            program.skip_if(end, number, 2)
            program.call(SYS_dup3, end, number, flags)
            program.call(SYS_close, end)


_plain_pairs: dict[tuple[int, bool, bool, bool], Stencil] = {}


def fill_simply(programs: Programs, end: End, peer: End, spare: int) -> None:
    """What is in the queue of one end of a pair, and concerns no other file. `spare` is a number
    that may be used for a moment."""
    assert end.entry is not None
    sendings = [
        Sending(end.entry.type, peer.number, end.number, packet, data, about, [], spare=spare)
        for packet, data, about in end.packets
    ]
    size = room_for(end.packets)
    Filling(end, sendings, {peer.number: peer} if size else {}, size)(programs)


class Connecting:
    """A connection to a socket that listens."""

    __slots__ = ("connection", "planner", "spare")

    def __init__(self, planner: UnixPlanner, connection: Connection, spare: int) -> None:
        self.planner = planner
        self.connection = connection
        self.spare = spare

    def __call__(self, programs: Programs) -> None:
        connection = self.connection
        client, listener = connection.client, connection.listener
        name = listener.name
        assert name is not None
        program = programs.need(6144)

        def what() -> str:
            return f"{client.what} to {name.shown}"

        at, length = self.planner.names.target(name).build_address(program, self.spare, what)
        self.planner.identity.build_as(
            program,
            connection.creds,
            what,
            lambda: program.call(
                *(SYS_connect, client.number, at, length), label=lambda: f"connect {what()}"
            ),
        )
        self.planner.names.target(name).build_end(program, self.spare)


class Accepting:
    __slots__ = ("connection", "planner")

    def __init__(self, planner: UnixPlanner, connection: Connection) -> None:
        self.planner = planner
        self.connection = connection

    def __call__(self, programs: Programs) -> None:
        server = self.connection.server
        assert server is not None
        program = programs.need(1024)
        flags = SOCK_CLOEXEC if server.cloexec else 0
        fd = program.call(
            *(SYS_accept4, self.connection.listener.number, 0, 0, flags),
            label=lambda: f"accept {server.what}",
        )
        self.planner.context.move(program, fd, server.number, server.cloexec, lambda: server.what)


class Filling:
    """What is in a queue, sent again. `room`: whose buffers are too small for that, by number."""

    __slots__ = ("end", "room", "sendings", "size")

    def __init__(self, end: End, sendings: list[Sending], room: dict[int, End], size: int) -> None:
        self.end = end
        self.sendings = sendings
        self.room = room
        self.size = size

    def __call__(self, programs: Programs) -> None:
        def what() -> str:
            return self.end.what

        for number in self.room:
            build_room(programs.need(512), number, self.size, what)
        for sending in self.sendings:
            sending.build(programs, what)
        for number, sender in self.room.items():
            if sender.entry is not None:
                opts = sender.entry.opts
                build_room_back(
                    *(programs.need(1024), number, opts.so_sndbuf, opts.so_buf_lock or 0, what)
                )


class Taking:
    """Takes over what another process has, or has a second number for what this one has made."""

    __slots__ = ("maker", "number", "owner", "to", "what")

    def __init__(
        self, owner: int, maker: int | PlannedFile, number: int, to: int, what: Callable[[], str]
    ) -> None:
        self.owner = owner
        self.maker = maker
        self.number = number
        self.to = to
        self.what = what

    def __call__(self, programs: Programs) -> None:
        source, number = self.maker, self.number
        if isinstance(source, int):
            maker = source
        else:
            maker, number = source.pid, source.number
        program = programs.need(1024)
        if maker != self.owner:
            build_take(program, maker, number, self.to, self.what)
        elif number != self.to:
            program.call(SYS_dup3, number, self.to, SOCK_CLOEXEC, label=self.what)


class Reset:
    """Has the other end closed, soon, with something in its queue: ECONNRESET (net/unix/af_unix.c,
    unix_release_sock)."""

    __slots__ = ("end",)

    def __init__(self, end: End) -> None:
        self.end = end

    def __call__(self, programs: Programs) -> None:
        program = programs.need(512)
        program.call(
            *(SYS_write, self.end.number, program.put(b"!", 1), 1),
            expect=EXACTLY,
            expected=1,
            label=lambda: f"have the connection of {self.end.what} reset",
        )


class Reaching:
    """Connects a datagram socket to a name, or to nobody any more."""

    __slots__ = ("end", "planner", "spare", "target")

    def __init__(self, planner: UnixPlanner, end: End, target: Target | None, spare: int) -> None:
        self.planner = planner
        self.end = end
        self.target = target
        self.spare = spare

    def __call__(self, programs: Programs) -> None:
        end = self.end
        program = programs.need(4096)

        def what() -> str:
            return end.what

        if self.target is None:
            # AF_UNSPEC
            program.call(
                *(SYS_connect, end.number, program.put(bytes(2)), 2),
                label=lambda: f"disconnect {end.what}",
            )
            return
        at, length = self.target.build_address(program, self.spare, what)
        program.call(*(SYS_connect, end.number, at, length), label=lambda: f"connect {end.what}")
        self.target.build_end(program, self.spare)


class Preparing:
    """The options of a socket that listens, for whom they concern that wait there: a connection
    has them from the moment when it is made (SO_PASSCRED)."""

    __slots__ = ("end", "planner")

    def __init__(self, planner: UnixPlanner, end: End) -> None:
        self.planner = planner
        self.end = end

    def __call__(self, programs: Programs) -> None:
        end, planner = self.end, self.planner
        entry = end.entry
        assert entry is not None
        others = planner.sockets.options(entry.id)
        fresh = planner.sockets.fresh(AF_UNIX, entry.type, 0)
        program = programs.need(8192)
        build_options(program, end.number, entry.opts, others, fresh, lambda: end.what)


class Finishing:
    __slots__ = ("end", "planner")

    def __init__(self, planner: UnixPlanner, end: End) -> None:
        self.planner = planner
        self.end = end

    def __call__(self, programs: Programs) -> None:
        finish(self.planner, programs, self.end)


def finish(planner: UnixPlanner, programs: Programs, end: End) -> None:
    """What a socket's own open file and inode say, when all is sent that it shall have."""
    entry, own, number = end.entry, end.own, end.number
    assert entry is not None

    def what() -> str:
        return end.what

    program = programs.need(8192 + 8 * len(entry.opts.so_filter))
    # Of two that are connected the one that is left when the other is closed is shut down by that.
    if entry.shutdown and (entry.type == SOCK_DGRAM or not own.closed):
        build_shutdown(program, number, entry.shutdown, what)
    build_flags(program, number, entry.flags, what)
    others = planner.sockets.options(entry.id)
    fresh = planner.sockets.fresh(AF_UNIX, entry.type, 0)
    build_options(program, number, entry.opts, others, fresh, what)
    build_buffers(program, number, entry.opts, fresh, what)
    planner.sockets.build_filter_of(program, number, entry.id, entry.opts, others, what)
    build_inode(program, number, own.uid or 0, own.gid or 0, own.mode, what)
