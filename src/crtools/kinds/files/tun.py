"""Descriptors of /dev/net/tun, and the network device behind one (Documentation/networking/tuntap).

A persistent device stays when its descriptors are closed, with all that was configured of it: a
restore attaches to it again. Any other goes with its last descriptor and is made again, with its
name, kind, owner, size of packets, hardware address and whether it is up. Addresses and routes of
such a device would be lost, so it is refused where it has any.

Packets that are in a queue are lost, as they may be in any network; what is done to them by the
program's hardware (TUNSETOFFLOAD) is told by nothing, and is off afterwards.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.abi.fcntl import AT_FDCWD, O_CLOEXEC, O_PATH
from crtools.abi.x86_64 import SYS_close, SYS_ioctl, SYS_openat, SYS_socket
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.crtools_tun import CrtoolsTunEntry
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.tun import TunfileEntry
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner, choose_place
from crtools.kinds.files.path import reopening

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program
    from crtools.images.messages.fown import FownEntry
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext, PlannedFile, Programs

DEVICE = os.makedev(10, 200)
PATH = "/dev/net/tun"
# linux/if_tun.h
TUNSETIFF, TUNSETOWNER, TUNSETGROUP = 0x400454CA, 0x400454CC, 0x400454CE
TUNGETIFF, TUNGETSNDBUF, TUNSETSNDBUF = 0x800454D2, 0x800454D3, 0x400454D4
TUNGETVNETHDRSZ, TUNSETVNETHDRSZ, TUNSETQUEUE = 0x800454D7, 0x400454D8, 0x400454D9
TUNGETFILTER = 0x801054DB
IFF_TUN, IFF_TAP, IFF_NAPI, IFF_NAPI_FRAGS = 0x1, 0x2, 0x10, 0x20
IFF_MULTI_QUEUE, IFF_DETACH_QUEUE, IFF_PERSIST = 0x100, 0x400, 0x800
IFF_NO_PI, IFF_ONE_QUEUE, IFF_VNET_HDR = 0x1000, 0x2000, 0x4000
_MADE_WITH = (
    IFF_TUN
    | IFF_TAP
    | IFF_NAPI
    | IFF_NAPI_FRAGS
    | IFF_MULTI_QUEUE
    | IFF_NO_PI
    | IFF_ONE_QUEUE
    | IFF_VNET_HDR
)
# linux/sockios.h
SIOCGIFCONF, SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8912, 0x8913, 0x8914
SIOCGIFMTU, SIOCSIFMTU, SIOCSIFHWADDR, SIOCGIFHWADDR = 0x8921, 0x8922, 0x8924, 0x8927
AF_INET, SOCK_DGRAM_CLOEXEC = 2, 2 | O_CLOEXEC
ARPHRD_ETHER = 1  # linux/if_arp.h
_IFREQ = 40  # struct ifreq: a name, then what it is about
_NAME = 16  # IFNAMSIZ
_NO_ID = 0xFFFFFFFF
_LINK_LOCAL = 0x20  # in /proc/net/if_inet6: given by the kernel


def _request(name: bytes, value: bytes = b"") -> bytearray:
    return bytearray(name.ljust(_NAME, b"\0") + value.ljust(_IFREQ - _NAME, b"\0"))


def _ask(fd: int, request: int, room: bytearray) -> int:
    return kernel.raw(SYS_ioctl, fd, request, kernel.address_of(room))


class Tun(FileKind):
    type = FdTypes.TUNF
    field = "tunf"

    def matches(self, file: OpenFile) -> bool:
        return file.stat.st_rdev == DEVICE and not file.flags & O_PATH

    def dumper(self, context: DumpContext) -> FileDumper:
        return TunDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return TunPlanner(context)


class TunDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.own: list[CrtoolsTunEntry] = []

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        context = self.context
        if file.link.decode("utf-8", "surrogateescape") != PATH:
            raise context.refuse(
                file,
                f"it is a tun or tap device of another place, {os.fsdecode(file.link)}",
                f"crtools opens {PATH}",
                "have the program use that",
            )
        own = CrtoolsTunEntry(id=id, flags=file.flags, fown=context.owner_of(file))
        message = TunfileEntry(id=id)
        fd = context.borrow(file)
        try:
            room = bytearray(_IFREQ)
            result = _ask(fd, TUNGETIFF, room)
            if result == 0:
                name = bytes(room[:_NAME]).partition(b"\0")[0]
                own.iff = struct.unpack_from("<H", room, _NAME)[0]
                # IFF_NO_PI is also what says that there is no filter (IFF_NOFILTER).
                own.iff &= ~IFF_NO_PI
                own.iff |= int(self._read(file, name, "tun_flags"), 16) & IFF_NO_PI
                message.netdev = name.decode("utf-8", "surrogateescape")
                message.detached = bool(own.iff & IFF_DETACH_QUEUE)
                self._ask_queue(file, fd, own)
                if not own.iff & IFF_PERSIST:
                    self._ask_device(file, name, own)
            elif result != -errno.EBADFD:
                raise context.refuse(
                    file, "it is a tun or tap device", f"TUNGETIFF: {os.strerror(-result)}"
                )
        finally:
            os.close(fd)
        context.watch(file, "the tun or tap device")
        self.own.append(own)
        return FileEntry(type=FdTypes.TUNF, id=id, tunf=message)

    def _ask_queue(self, file: OpenFile, fd: int, own: CrtoolsTunEntry) -> None:
        number = bytearray(8)
        for request, field in ((TUNGETSNDBUF, "sndbuf"), (TUNGETVNETHDRSZ, "vnethdr")):
            if _ask(fd, request, number) == 0:
                setattr(own, field, int.from_bytes(number[:4], "little"))
        room = bytearray(16)  # struct sock_fprog
        if _ask(fd, TUNGETFILTER, room) == 0 and room[0] | room[1]:
            raise self.context.refuse(
                file,
                "it is a tap device with a filter (TUNATTACHFILTER)",
                "the filter is told by nothing",
                "let the program detach it before the dump",
            )

    def _ask_device(self, file: OpenFile, name: bytes, own: CrtoolsTunEntry) -> None:
        fd = kernel.checked(SYS_socket, AF_INET, SOCK_DGRAM_CLOEXEC, 0)
        try:
            room = _request(name)
            if _ask(fd, SIOCGIFFLAGS, room):
                raise self._refused(file, name, "it is in another network namespace")
            own.link = int.from_bytes(room[_NAME : _NAME + 2], "little")
            room = _request(name)
            if _ask(fd, SIOCGIFMTU, room) == 0:
                own.mtu = int.from_bytes(room[_NAME : _NAME + 4], "little")
            room = _request(name)
            if _ask(fd, SIOCGIFHWADDR, room) == 0 and own.iff and own.iff & IFF_TAP:
                own.address = bytes(room[_NAME + 2 : _NAME + 8])
            if name in _with_addresses(fd):
                raise self._refused(file, name, "and it has addresses, which would go with it")
        finally:
            os.close(fd)
        if os.path.exists(b"/sys/class/net/%b/master" % name):
            raise self._refused(file, name, "and it is part of another device")
        for field in ("owner", "group"):
            number = int(self._read(file, name, field))
            if number >= 0:
                setattr(own, field, number)

    def _read(self, file: OpenFile, name: bytes, field: str) -> str:
        """What sysfs says of the device."""
        try:
            with open(f"/sys/class/net/{os.fsdecode(name)}/{field}") as text:
                return text.read()
        except OSError as error:
            raise self.context.refuse(
                file,
                f"it is the network device {os.fsdecode(name)}, whose {field} cannot be seen",
                f"/sys/class/net: {error.strerror}",
                "mount sysfs, of the network namespace that the program is in",
            ) from error

    def _refused(self, file: OpenFile, name: bytes, because: str) -> Exception:
        return self.context.refuse(
            file,
            f"it is the network device {os.fsdecode(name)}, which is not persistent",
            because,
            f"have it made before, so that it is persistent: ip tuntap add dev {os.fsdecode(name)}",
        )

    def finish(self) -> None:
        self.context.store.write("crtools-tun", self.own)


def _with_addresses(fd: int) -> set[bytes]:
    """The devices that have addresses of their own, of IPv4 or IPv6."""
    found = set()
    room = bytearray(_IFREQ * 4096)
    request = bytearray(struct.pack("<i4xQ", len(room), kernel.address_of(room)))
    if _ask(fd, SIOCGIFCONF, request) == 0:
        for at in range(0, int.from_bytes(request[:4], "little"), _IFREQ):
            found.add(bytes(room[at : at + _NAME]).partition(b"\0")[0].partition(b":")[0])
    try:
        with open("/proc/net/if_inet6", "rb") as text:
            for line in text:
                words = line.split()
                if int(words[3], 16) != _LINK_LOCAL:
                    found.add(words[5])
    except FileNotFoundError:
        pass  # a kernel without IPv6
    return found


class TunPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.files: list[PlannedFile] = []
        store = context.store
        own = store.read("crtools-tun") if store.has("crtools-tun") else ()
        self.own: dict[int, CrtoolsTunEntry] = {entry.id: entry for entry in own}

    def add(self, file: PlannedFile) -> None:
        own = self.own.get(file.id)
        name = file.message.netdev
        if own is None or (name is not None) != (own.iff is not None) or own.flags > 0x7FFFFFFF:
            raise ImageError(f"File {file.id}, a tun or tap device, is not complete")
        if name is not None and (not 0 < len(_encode(name)) < _NAME or "/" in name):
            raise ImageError(f"File {file.id}, a tun or tap device, has an impossible name")
        self.files.append(file)

    def name(self, file: PlannedFile) -> str:
        name = file.message.netdev
        return f"the network device {name}" if name else PATH

    def owner(self, file: PlannedFile) -> tuple[FownEntry, int]:
        own = self.own[file.id]
        return own.fown, own.flags

    def place(self) -> None:
        choose_place(self.context, self.files)
        for file in self.files:
            self.context.add_job(file.pid, Opening(self.context, file, self.own[file.id]))

    def check(self, root: int) -> None:
        fd = kernel.checked(SYS_socket, AF_INET, SOCK_DGRAM_CLOEXEC, 0)
        try:
            for file in self.files:
                own, name = self.own[file.id], file.message.netdev
                if name is None or own.iff is None:
                    continue
                there = _ask(fd, SIOCGIFFLAGS, _request(_encode(name))) == 0
                if there != bool(own.iff & IFF_PERSIST):
                    raise RestoreConflict(
                        f"Cannot restore {self.context.describe(file)}",
                        because="there is a device of that name now"
                        if there
                        else "it was persistent, and is not there any more",
                        hint=f"ip link delete {name}"
                        if there
                        else f"ip tuntap add dev {name}, and configure it as it was",
                        subject=("device", name),
                    )
        finally:
            os.close(fd)


class Opening:
    """Opens /dev/net/tun, makes or attaches to its device, and puts it in its place."""

    def __init__(self, context: PlanContext, file: PlannedFile, own: CrtoolsTunEntry) -> None:
        self.context = context
        self.file = file
        self.own = own

    def __call__(self, programs: Programs) -> None:
        context, file, own = self.context, self.file, self.own
        cloexec = file.users[0][2]
        program = programs.need(4096)
        flags = reopening(own.flags)
        fd = program.call(
            *(SYS_openat, AT_FDCWD, program.put(PATH.encode() + b"\0", 1)),
            flags | O_CLOEXEC if cloexec else flags,
            0,
            label=lambda: f"open {self.what()}",
        )
        context.move(program, fd, file.number, cloexec, self.what)
        if own.iff is None:
            return
        name = _encode(file.message.netdev)
        self._tell(program, TUNSETIFF, _request(name, struct.pack("<H", own.iff & _MADE_WITH)))
        if not own.iff & IFF_PERSIST:
            for request, number in ((TUNSETOWNER, own.owner), (TUNSETGROUP, own.group)):
                if number is not None and number != _NO_ID:
                    program.call(SYS_ioctl, file.number, request, number, label=self.what)
            self._configure(program, name)
        for request, number in ((TUNSETSNDBUF, own.sndbuf), (TUNSETVNETHDRSZ, own.vnethdr)):
            if number:
                self._tell(program, request, struct.pack("<I", number))
        if own.iff & IFF_DETACH_QUEUE:
            value = struct.pack("<H", IFF_DETACH_QUEUE)
            self._tell(program, TUNSETQUEUE, _request(name, value))

    def _configure(self, program: Program, name: bytes) -> None:
        own = self.own
        socket = program.call(SYS_socket, AF_INET, SOCK_DGRAM_CLOEXEC, 0, label=self.what)
        values = []
        if own.address is not None:
            values.append((SIOCSIFHWADDR, struct.pack("<H6s", ARPHRD_ETHER, bytes(own.address))))
        if own.mtu is not None:
            values.append((SIOCSIFMTU, struct.pack("<I", own.mtu)))
        if own.link is not None:
            # Last: the address of what is up cannot be changed.
            values.append((SIOCSIFFLAGS, struct.pack("<H", own.link & 0xFFFF)))
        for request, value in values:
            room = program.put(_request(name, value))
            program.call(SYS_ioctl, socket, request, room, label=self.what)
        program.call(SYS_close, socket)

    def _tell(self, program: Program, request: int, argument: bytes | bytearray) -> None:
        program.call(
            *(SYS_ioctl, self.file.number, request, program.put(argument)),
            label=lambda: f"attach {self.what()} again",
        )

    def what(self) -> str:
        return self.context.describe(self.file)


def _encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
