"""Instructions that make unix sockets and fill them: for programs of the processes to be restored.

The kernel remembers the credentials of who calls socketpair(2), listen(2) and connect(2), for
SO_PEERCRED: the process, its effective ids and its groups. So these calls are made by that process,
which takes such ids for the moment of the call: it has the tool's until all is restored. The file
system's user id stays the tool's, so that a path can be reached.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi.fcntl import (
    AT_FDCWD,
    F_SETFL,
    O_APPEND,
    O_CLOEXEC,
    O_DIRECTORY,
    O_NOATIME,
    O_NOFOLLOW,
    O_NONBLOCK,
    O_PATH,
)
from crtools.abi.x86_64 import (
    SYS_bind,
    SYS_chroot,
    SYS_close,
    SYS_dup3,
    SYS_fchdir,
    SYS_fchmod,
    SYS_fchown,
    SYS_fcntl,
    SYS_memfd_create,
    SYS_mmap,
    SYS_munmap,
    SYS_openat,
    SYS_pidfd_getfd,
    SYS_pidfd_open,
    SYS_pwrite64,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_setfsuid,
    SYS_setgroups,
    SYS_setresgid,
    SYS_setresuid,
    SYS_setsockopt,
    SYS_shutdown,
)
from crtools.agent.program import ANY, EXACTLY, OP_VALUE, OR_ERRNO, errnos, ref_at
from crtools.kinds.files.path import below
from crtools.kinds.files.unix_queue import (
    MSG_DONTWAIT,
    MSG_OOB,
    SCM_CREDENTIALS,
    SCM_RIGHTS,
    SOCK_STREAM,
    SOL_SOCKET,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.agent.program import Arg, Program, Ref
    from crtools.images.messages.crtools_unix import UnixCredsEntry, UnixPacketEntry
    from crtools.images.messages.sk_packet import SkPacketEntry
    from crtools.kinds.files.base import Programs

    What = Callable[[], str]

AF_UNIX = 1
SO_SNDBUFFORCE, SO_BUF_LOCK = 32, 72  # asm-generic/socket.h
_KEEP = 0xFFFFFFFF  # setresuid(2): -1
_SETTABLE = O_APPEND | O_NONBLOCK | O_NOATIME
_CMSG = struct.Struct("<Qii")
_CREDS = struct.Struct("<iII")
_PIECE_BYTES = 64 << 10  # of a stream, in one message
_LARGE_BYTES = 128 << 10  # a message that does not go into a program


class Identity:
    """Under which ids the tool itself, and so each skeleton, runs."""

    __slots__ = ("egid", "euid", "groups")

    def __init__(self) -> None:
        self.euid = os.geteuid()
        self.egid = os.getegid()
        self.groups = tuple(os.getgroups())

    def is_own(self, creds: UnixCredsEntry | None) -> bool:
        """Whether there is nothing to change to do something under these ids and groups."""
        return (
            creds is None
            or creds.uid == _KEEP
            or (
                creds.uid == self.euid
                and creds.gid == self.egid
                and set(creds.groups) == set(self.groups)
            )
        )

    def build_as(
        self,
        program: Program,
        creds: UnixCredsEntry | None,
        what: What,
        build: Callable[[], object],
    ) -> None:
        """What `build` adds to the program is done under those ids and groups."""
        if creds is None or self.is_own(creds):
            build()
            return
        groups = tuple(creds.groups)
        other_groups = set(groups) != set(self.groups)
        other_gid, other_uid = creds.gid != self.egid, creds.uid != self.euid

        def label() -> str:
            return f"take the ids that {what()} is seen with"

        if other_groups:
            self._build_groups(program, groups, label)
        if other_gid:
            program.call(SYS_setresgid, _KEEP, creds.gid, _KEEP, label=label)
        if other_uid:
            program.call(SYS_setresuid, _KEEP, creds.uid, _KEEP, label=label)
            program.call(SYS_setfsuid, self.euid)
        build()
        if other_uid:
            program.call(SYS_setresuid, _KEEP, self.euid, _KEEP, label=label)
        if other_gid:
            program.call(SYS_setresgid, _KEEP, self.egid, _KEEP, label=label)
        if other_groups:
            self._build_groups(program, self.groups, label)

    @staticmethod
    def _build_groups(program: Program, groups: Sequence[int], label: What) -> None:
        listed = program.put(struct.pack(f"<{len(groups)}I", *groups))
        program.call(SYS_setgroups, len(groups), listed, label=label)


def address(name: bytes) -> bytes:
    """struct sockaddr_un."""
    return AF_UNIX.to_bytes(2, "little") + name


def put_address(program: Program, name: bytes) -> tuple[Ref, int]:
    data = address(name)
    return program.put(data, 2), len(data)


def build_bind(
    program: Program,
    fd: int,
    name: bytes,
    directory: bytes,
    root: bytes,
    base: int | None,
    what: What,
) -> None:
    """Binds descriptor `fd` to the name, whatever it says literally.

    A relative path is taken from `directory`, an absolute one from `root` if that is not empty.
    Both are themselves below the descriptor `base`, or below the process's root.
    """

    def label() -> str:
        return f"bind {what()}"

    at, length = put_address(program, name)
    if name[:1] == b"\0" or (not directory and not root and base is None):
        program.call(SYS_bind, fd, at, length, label=label)
        return
    start = AT_FDCWD if base is None else base
    flags = O_PATH | O_DIRECTORY | O_CLOEXEC
    if name[:1] != b"/":
        where = open_below(program, start, directory, flags, label)
        program.call(SYS_fchdir, where, label=label)
        program.call(SYS_close, where)
        program.call(SYS_bind, fd, at, length, label=label)
        return
    old = program.call(SYS_openat, AT_FDCWD, program.put(b"/\0", 1), flags, label=label)
    where = open_below(program, start, root, flags, label)
    program.call(SYS_fchdir, where, label=label)
    dot = program.put(b".\0", 1)
    program.call(SYS_chroot, dot, label=label)
    program.call(SYS_bind, fd, at, length, label=label)
    program.call(SYS_fchdir, old, label=label)
    program.call(SYS_chroot, dot, label=label)
    program.call(SYS_close, where)
    program.call(SYS_close, old)


def open_below(program: Program, start: int, path: bytes, flags: int, label: What) -> Ref:
    return program.call(
        SYS_openat,
        start,
        program.put((path if start == AT_FDCWD else below(path)) + b"\0", 1),
        flags,
        label=label,
    )


class Target:
    """Where a socket can be reached: an abstract name, or the path of its file at the moment."""

    __slots__ = ("base", "name", "path")

    def __init__(self, name: bytes, path: bytes = b"", base: int | None = None) -> None:
        self.name = name
        self.path = path
        self.base = base

    def build_address(self, program: Program, spare: int, what: What) -> tuple[Ref, int]:
        """Instructions after which the address leads there; `spare` is a number that may be used
        until build_end()."""
        if self.name[:1] == b"\0":
            return put_address(program, self.name)
        start = AT_FDCWD if self.base is None else self.base
        file = open_below(
            program, start, self.path, O_PATH | O_NOFOLLOW | O_CLOEXEC, lambda: f"find {what()}"
        )
        program.skip_if(file, spare, 2)
        program.call(SYS_dup3, file, spare, O_CLOEXEC)
        program.call(SYS_close, file)
        # However long the path is: an address has room for 108 bytes.
        return put_address(program, b"/proc/self/fd/%d\0" % spare)

    def build_end(self, program: Program, spare: int) -> None:
        if self.name[:1] != b"\0":
            program.call(SYS_close, spare)


def build_take(program: Program, pid: int, number: int, to: int, what: What) -> None:
    """Takes over another process's descriptor, at the number `to`."""
    pidfd = program.call(SYS_pidfd_open, pid, 0, label=lambda: f"find task {pid}")
    got = program.call(SYS_pidfd_getfd, pidfd, number, 0, label=lambda: f"take over {what()}")
    # It may have the very number that this is to get.
    program.call(SYS_close, pidfd)
    program.skip_if(got, to, 2)
    program.call(SYS_dup3, got, to, O_CLOEXEC, label=what)
    program.call(SYS_close, got)


def build_place(program: Program, fd: Arg, number: int, cloexec: bool, what: What) -> None:
    """Gives a new descriptor its number, whatever that is with the flag."""
    program.call(SYS_dup3, fd, number, O_CLOEXEC if cloexec else 0, label=what)
    program.call(SYS_close, fd)


def build_inode(
    program: Program, fd: int, uid: int, gid: int, mode: int | None, what: What
) -> None:
    """Owner and mode of the socket's own inode."""
    if uid != os.geteuid() or gid != os.getegid():
        program.call(SYS_fchown, fd, uid, gid, label=lambda: f"give {what()} its owner")
    if mode is not None:
        program.call(SYS_fchmod, fd, mode, label=lambda: f"give {what()} its mode")


def build_flags(program: Program, fd: int, flags: int, what: What) -> None:
    if flags & _SETTABLE:
        program.call(
            SYS_fcntl, fd, F_SETFL, flags & _SETTABLE, label=lambda: f"set the flags of {what()}"
        )


def build_shutdown(program: Program, fd: int, how: int, what: What) -> None:
    """`how` as images have it: 1 reading, 2 writing, 3 both."""
    program.call(SYS_shutdown, fd, how - 1, label=lambda: f"shut down {what()}")


def build_room(program: Program, fd: int, size: int, what: What) -> None:
    """Room for so many bytes on their way from a socket; `build_room_back` undoes it."""
    program.call(
        *(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUFFORCE),
        *(program.put(size.to_bytes(4, "little")), 4),
        expect=OR_ERRNO,
        expected=errnos(errno.EPERM),
        label=lambda: f"make room in {what()}",
    )


def build_room_back(program: Program, fd: int, size: int, lock: int, what: What) -> None:
    for option, value in ((SO_SNDBUFFORCE, size // 2), (SO_BUF_LOCK, lock)):
        program.call(
            *(SYS_setsockopt, fd, SOL_SOCKET, option),
            *(program.put(value.to_bytes(4, "little")), 4),
            expect=OR_ERRNO,
            expected=errnos(errno.EPERM, errno.ENOPROTOOPT),
            label=lambda: f"set how large the buffers of {what()} are",
        )


class Sending:
    """One packet on its way into a queue: from descriptor `fd` of a process, to a `target` if it is
    not connected to the socket, with descriptors `rights` of that process."""

    __slots__ = ("about", "data", "entry", "fd", "receiver", "rights", "spare", "target", "type")

    def __init__(
        self,
        type: int,
        fd: int,
        receiver: int,
        entry: SkPacketEntry,
        data: bytes,
        about: UnixPacketEntry | None,
        rights: list[int],
        target: Target | None = None,
        spare: int = -1,
    ) -> None:
        self.type = type
        self.fd = fd
        self.receiver = receiver
        self.entry = entry
        self.data = data
        self.about = about
        self.rights = rights
        self.target = target
        self.spare = spare

    def build(self, programs: Programs, what: What) -> None:
        data, about = self.data, self.about
        if about is not None and about.mark:
            self._build_mark(programs, what)
            return
        control = self._control()
        flags = MSG_DONTWAIT | (MSG_OOB if about is not None and about.urgent else 0)
        if self.type == SOCK_STREAM:
            for at in range(0, max(len(data), 1), _PIECE_BYTES):
                piece = data[at : at + _PIECE_BYTES]
                program = programs.need(1024 + len(piece) + len(control))
                self._build(program, program.put(piece, 1), len(piece), control, flags, what)
                control = self._control(with_rights=False)
        elif len(data) <= _LARGE_BYTES:
            program = programs.need(2048 + len(data) + len(control))
            self._build(program, program.put(data, 1), len(data), control, flags, what)
        else:
            self._build_large(programs, control, flags, what)

    def _control(self, *, with_rights: bool = True) -> bytes:
        """What goes beside the data: struct cmsghdr and its content, twice."""
        control = b""
        about = self.about
        # A process without a number here is nobody that could be named.
        if about is not None and about.creds is not None and about.creds.pid:
            creds = _CREDS.pack(about.creds.pid, about.creds.uid, about.creds.gid)
            control += _CMSG.pack(_CMSG.size + len(creds), SOL_SOCKET, SCM_CREDENTIALS) + creds
            control += bytes(-len(control) % 8)
        if self.rights and with_rights:
            numbers = struct.pack(f"<{len(self.rights)}i", *self.rights)
            control += _CMSG.pack(_CMSG.size + len(numbers), SOL_SOCKET, SCM_RIGHTS) + numbers
            control += bytes(-len(control) % 8)
        return control

    def _build(
        self,
        program: Program,
        base: Ref,
        length: int,
        control: bytes,
        flags: int,
        what: What,
        mapped: Ref | None = None,
    ) -> None:
        vector = program.put(struct.pack("<QQ", 0, length))
        if mapped is not None:
            program.call(0, mapped, op=OP_VALUE, expect=ANY, store=vector, store_bytes=8)
        else:
            program.address(base, vector)
        name_length = 0
        name: Ref | None = None
        if self.target is not None:
            name, name_length = self.target.build_address(program, self.spare, what)
        header = program.put(struct.pack("<QIxxxxQQQQQ", 0, name_length, 0, 1, 0, len(control), 0))
        program.address(vector, ref_at(header, 16))
        if name is not None:
            program.address(name, header)
        if control:
            program.address(program.put(control), ref_at(header, 32))
        program.call(
            *(SYS_sendmsg, self.fd, header, flags),
            expect=EXACTLY,
            expected=length,
            label=lambda: f"put a message of {len(self.data)} bytes back into {what()}",
        )
        if self.target is not None:
            self.target.build_end(program, self.spare)

    def _build_large(self, programs: Programs, control: bytes, flags: int, what: What) -> None:
        """By way of a file in memory, at the number `spare`: a program has no room for it."""
        data, spare = self.data, self.spare
        program = programs.need(1024)

        def label() -> str:
            return f"hold a message of {len(data)} bytes for {what()}"

        made = program.call(SYS_memfd_create, program.put(b"message\0", 1), 1, label=label)
        program.skip_if(made, spare, 2)
        program.call(SYS_dup3, made, spare, O_CLOEXEC, label=label)
        program.call(SYS_close, made)
        for at in range(0, len(data), _PIECE_BYTES):
            piece = data[at : at + _PIECE_BYTES]
            program = programs.need(512 + len(piece))
            program.call(
                *(SYS_pwrite64, spare, program.put(piece, 1), len(piece), at),
                expect=EXACTLY,
                expected=len(piece),
                label=label,
            )
        program = programs.need(2048 + len(control))
        # PROT_READ, MAP_PRIVATE
        mapped = program.call(SYS_mmap, 0, len(data), 1, 2, spare, 0, label=label)
        program.call(SYS_close, spare)
        self._build(program, mapped, len(data), control, flags, what, mapped)
        program.call(SYS_munmap, mapped, len(data))

    def _build_mark(self, programs: Programs, what: What) -> None:
        """An urgent byte that has been received leaves a place that no read goes across."""
        program = programs.need(1024)
        byte = program.put(b"!", 1)
        vector = program.put(struct.pack("<QQ", 0, 1))
        program.address(byte, vector)
        header = program.put(struct.pack("<QIxxxxQQQQQ", 0, 0, 0, 1, 0, 0, 0))
        program.address(vector, ref_at(header, 16))
        for nr, args in (
            (SYS_sendmsg, (self.fd, header, MSG_OOB | MSG_DONTWAIT)),
            (SYS_recvfrom, (self.receiver, byte, 1, MSG_OOB | MSG_DONTWAIT, 0, 0)),
        ):
            program.call(
                nr,
                *args,
                expect=EXACTLY,
                expected=1,
                label=lambda: f"leave the mark of an urgent byte in {what()}",
            )
