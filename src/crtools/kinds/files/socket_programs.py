"""BPF programs that sockets have: filters of extended BPF (SO_ATTACH_BPF), and what divides the
sockets of a port among themselves (SO_ATTACH_REUSEPORT_CBPF, SO_ATTACH_REUSEPORT_EBPF).

Which program that is only the kernel's memory tells (docs/decisions/0014-reading-the-kernel.md),
and so it does in which order the sockets of a port stand, which packets are given to by number.
Programs of classic BPF are carried. One of extended BPF stays in the kernel: it is found again by
its name in a bpf file system (pinned), or by its number, if somebody outside the tree has it, too.

net/core/filter.c, net/core/sock_reuseport.c, bpf(2).
"""

from __future__ import annotations

import os
import struct

from crtools import log
from crtools.abi import kernel
from crtools.abi.socket import (
    SO_ATTACH_BPF,
    SO_ATTACH_REUSEPORT_CBPF,
    SO_ATTACH_REUSEPORT_EBPF,
    SOL_SOCKET,
)
from crtools.abi.x86_64 import SYS_close, SYS_pidfd_getfd, SYS_pidfd_open, SYS_setsockopt
from crtools.agent.program import ref_at
from crtools.errors import ImageError, MissingFeature, PermissionDenied, RestoreConflict
from crtools.images.messages.crtools_socket import SocketProgramEntry
from crtools.tracee.kernel_memory import KernelMemory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crtools.agent.program import Program
    from crtools.images.messages.crtools_socket import CrtoolsSocketEntry
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext

SYS_bpf = 321
# linux/bpf.h: BPF_*
OBJ_GET, PROG_GET_FD_BY_ID, MAP_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD = 7, 13, 14, 15
SOCKET_FILTER, SK_REUSEPORT = 1, 21  # BPF_PROG_TYPE_*
# BPF_MAP_TYPE_SOCKMAP, _SOCKHASH, _REUSEPORT_SOCKARRAY
_MAPS_OF_SOCKETS = (15, 18, 20)
LINK = "anon_inode:bpf-prog"
_ATTR_BYTES = 144
_INFO = struct.Struct("<2I8s2I2QQ2IQ16s")  # struct bpf_prog_info, as far as its name
_MOST_INSTRUCTIONS = 4096  # linux/bpf_common.h: BPF_MAXINSNS
_MAPS_AT = 52  # of struct bpf_prog_info: how many maps, and where their numbers go
_WORD, _U32 = struct.Struct("<Q"), struct.Struct("<I")


class Info:
    """What the kernel says of a program."""

    __slots__ = ("_maps", "id", "load_time", "name", "tag", "type")

    def __init__(self, fd: int) -> None:
        fields = _INFO.unpack(_ask(fd, bytearray(_INFO.size)))
        self.type, self.id = fields[:2]
        self.tag: bytes = fields[2]
        self.load_time: int = fields[7]
        self._maps: int = fields[9]
        self.name = fields[11].partition(b"\0")[0].decode("utf-8", "replace")

    def map_types(self, fd: int) -> set[int]:
        """Of the maps that the program uses, whose descriptor is given once more."""
        ids = bytearray(4 * self._maps)
        question = bytearray(_INFO.size)
        struct.pack_into("<IQ", question, _MAPS_AT, self._maps, kernel.address_of(ids))
        _ask(fd, question)
        types = set()
        for (id,) in _U32.iter_unpack(ids):
            map = open_by_id(id, MAP_GET_FD_BY_ID)
            try:
                # struct bpf_map_info begins with it.
                types.add(_U32.unpack(_ask(map, bytearray(4)))[0])
            finally:
                os.close(map)
        return types

    @property
    def words(self) -> str:
        return f"program {self.name} ({self.id})" if self.name else f"program {self.id}"


def _bpf(command: int, attributes: bytearray) -> int:
    """Raises OSError."""
    return kernel.checked(SYS_bpf, command, kernel.address_of(attributes), len(attributes))


def _ask(fd: int, answer: bytearray) -> bytearray:
    """What the kernel says of a program or map, as much as there is room for. Raises OSError."""
    attributes = bytearray(_ATTR_BYTES)
    struct.pack_into("<IIQ", attributes, 0, fd, len(answer), kernel.address_of(answer))
    _bpf(OBJ_GET_INFO_BY_FD, attributes)
    return answer


def open_by_id(id: int, command: int = PROG_GET_FD_BY_ID) -> int:
    """Raises OSError."""
    attributes = bytearray(_ATTR_BYTES)
    struct.pack_into("<I", attributes, 0, id)
    return _bpf(command, attributes)


def open_pinned(path: str) -> int:
    """Whatever is pinned there: a program, a map, a link. Raises OSError."""
    name = os.fsencode(path) + b"\0"
    attributes = bytearray(_ATTR_BYTES)
    struct.pack_into("<Q", attributes, 0, kernel.address_of(name))
    return _bpf(OBJ_GET, attributes)


def is_program(fd: int) -> bool:
    return os.readlink(f"/proc/self/fd/{fd}") == LINK


def find_pinned(id: int) -> str:
    """Where in a bpf file system a program is, "" if nowhere."""
    from crtools.procfs.files import open_proc
    from crtools.procfs.mountinfo import read_mountinfo

    proc = open_proc()
    try:
        mounts = read_mountinfo(proc, os.getpid())
    finally:
        os.close(proc)
    for mount in mounts.values():
        if mount.fstype != b"bpf":
            continue
        for directory, _, names in os.walk(mount.mountpoint):
            for name in names:
                path = os.fsdecode(os.path.join(directory, name))
                try:
                    fd = open_pinned(path)
                except OSError:
                    continue  # for others, or gone meanwhile
                try:
                    if is_program(fd) and Info(fd).id == id:
                        return path
                finally:
                    os.close(fd)
    return ""


class ProgramsDump:
    """The programs of a dump's sockets."""

    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self._memory: KernelMemory | None = None
        self._unreadable: MissingFeature | PermissionDenied | None = None
        # By address: of whom, what refers to it from the tree, and its entries.
        self._programs: dict[int, tuple[OpenFile, set[int], list[SocketProgramEntry]]] = {}
        # By address: number in the images, the places of its sockets by theirs, what divides them.
        self._groups: dict[int, tuple[int, dict[int, int], int]] = {}

    @property
    def memory(self) -> KernelMemory:
        """Raises MissingFeature or PermissionDenied."""
        if self._unreadable is not None:
            raise self._unreadable
        if self._memory is None:
            try:
                self._memory = KernelMemory()
            except (MissingFeature, PermissionDenied) as error:
                self._unreadable = error
                raise
        return self._memory

    def _socket(self, fd: int) -> int:
        return self.memory.pointer(self.memory.private_data(fd), "socket", "sk")

    def add_filter(self, file: OpenFile, fd: int, entry: CrtoolsSocketEntry) -> None:
        """Has `entry` say a socket's filter of extended BPF. Raises UnsupportedObject."""
        try:
            memory = self.memory
            filter = memory.pointer(self._socket(fd), "sock", "sk_filter")
            program = memory.pointer(filter, "sk_filter", "prog")
        except (MissingFeature, PermissionDenied) as error:
            raise self._refuse(
                file, f"which program only the kernel's memory tells; {error.what}: {error.because}"
            ) from error
        entry.filter = self._add(file, program, filter)

    def add_group(self, file: OpenFile, fd: int, entry: Callable[[], CrtoolsSocketEntry]) -> None:
        """Has an entry say where among the sockets of its port one stands (SO_REUSEPORT), and what
        divides them."""
        try:
            memory = self.memory
            socket = self._socket(fd)
            group = memory.pointer(socket, "sock", "sk_reuseport_cb")
            if not group:
                return
            if group not in self._groups:
                self._groups[group] = self._read_group(group)
            number, sockets, program = self._groups[group]
        except (MissingFeature, PermissionDenied) as error:
            log.warning(
                "%s shares its port: which of the sockets gets what may change (%s)",
                self.context.describe(file),
                error.because or error.what,
                pid=file.pid,
            )
            return
        if len(sockets) < 2 and not program:
            return
        found = entry()
        if socket in sockets:
            found.group, found.group_index = number, sockets[socket]
        if program:
            found.group_program = self._add_classic(program) or self._add(file, program, group)

    def _read_group(self, group: int) -> tuple[int, dict[int, int], int]:
        memory, of = self.memory, "sock_reuseport"
        count = memory.unsigned(group, of, "num_socks") & 0xFFFF
        sockets = memory.block(memory.at(group, of, "socks"), 8 * count)
        places = {socket: place for place, (socket,) in enumerate(_WORD.iter_unpack(sockets))}
        return len(self._groups), places, memory.pointer(group, of, "prog")

    def _add_classic(self, program: int) -> SocketProgramEntry | None:
        """A program that was made from a classic one, which the kernel keeps."""
        memory = self.memory
        original = memory.pointer(program, "bpf_prog", "orig_prog")
        if not original:
            return None
        count = memory.unsigned(original, "sock_fprog_kern", "len") & 0xFFFF
        code = memory.pointer(original, "sock_fprog_kern", "filter")
        return SocketProgramEntry(classic=memory.block(code, 8 * count))

    def _add(self, file: OpenFile, program: int, reference: int) -> SocketProgramEntry:
        memory = self.memory
        id = memory.unsigned(memory.pointer(program, "bpf_prog", "aux"), "bpf_prog_aux", "id")
        try:
            fd = open_by_id(id)
        except OSError as error:
            raise self._refuse(
                file, f"its program, number {id}, cannot be looked at: {error.strerror}"
            ) from error
        try:
            info = Info(fd)
            types = info.map_types(fd)
        finally:
            os.close(fd)
        if not types.isdisjoint(_MAPS_OF_SOCKETS):
            raise self._refuse(
                file,
                f"{info.words} chooses among sockets of a map (BPF_MAP_TYPE_REUSEPORT_SOCKARRAY),"
                " and those of a restore are others",
            )
        entry = SocketProgramEntry(
            id=info.id, digest=info.tag, load_time=info.load_time, name=info.name or None
        )
        if info.type != SOCKET_FILTER:
            entry.type = info.type
        _, references, entries = self._programs.setdefault(program, (file, set(), []))
        references.add(reference)
        entries.append(entry)
        return entry

    def check(self) -> None:
        """Whether the programs will be there when the tree is not. Raises UnsupportedObject."""
        for program, (file, references, entries) in self._programs.items():
            path = find_pinned(entries[0].id or 0)
            for entry in entries:
                entry.path = path or None
            aux = self.memory.pointer(program, "bpf_prog", "aux")
            if not path and self.memory.pointer(aux, "bpf_prog_aux", "refcnt") <= len(references):
                words = f"{entries[0].name} ({entries[0].id})" if entries[0].name else entries[0].id
                raise self._refuse(
                    file,
                    f"program {words} goes when nobody has it any more, and cannot be read",
                    f"pin it: bpftool prog pin id {entries[0].id} /sys/fs/bpf/NAME",
                )

    def _refuse(self, file: OpenFile, because: str, hint: str = "") -> Exception:
        return self.context.refuse(
            file,
            "it is a socket with a program of extended BPF (SO_ATTACH_BPF, or"
            " SO_ATTACH_REUSEPORT_EBPF)",
            because,
            hint or "let the program use a classic filter (SO_ATTACH_FILTER), or detach it before",
        )


# --- The way back ---


def check_program(entry: SocketProgramEntry) -> None:
    """Raises ImageError."""
    code = entry.classic
    if code is None:
        if entry.id is None or entry.digest is None or entry.load_time is None:
            raise ImageError("The crtools-socket image has a program that nothing is said of")
        if entry.type not in (None, SOCKET_FILTER, SK_REUSEPORT):
            raise ImageError(f"The crtools-socket image has a program of type {entry.type}")
    elif len(code) % 8 or not 0 < len(code) // 8 <= _MOST_INSTRUCTIONS:
        raise ImageError("The crtools-socket image has an impossible program of classic BPF")


def find_program(entry: SocketProgramEntry, what: str) -> int:
    """A descriptor of a program of extended BPF. Raises RestoreConflict."""
    for fd in _candidates(entry):
        try:
            same = is_program(fd)
            if same:
                info = Info(fd)
                # One that was loaded anew from the same instructions does the same.
                same = (info.tag, info.type) == (entry.digest, entry.type or SOCKET_FILTER)
                if not entry.path:
                    same = same and info.load_time == entry.load_time
            if same:
                return fd
        except OSError:
            same = False
        os.close(fd)
    name = entry.name or str(entry.id)
    raise RestoreConflict(
        f"Cannot restore {what}",
        because=f"its BPF program, {name}, is not here any more"
        + (f", or another is at {entry.path}" if entry.path else ""),
        hint=f"pin it at {entry.path} again" if entry.path else "pin it before the dump",
    )


def _candidates(entry: SocketProgramEntry) -> Iterator[int]:
    if entry.path:
        try:
            yield open_pinned(entry.path)
        except OSError as error:
            log.debug("%s: %s", entry.path, error.strerror)
        return
    try:
        yield open_by_id(entry.id or 0)
    except OSError as error:
        log.debug("BPF program %d: %s", entry.id or 0, error.strerror)


class ProgramsPlan:
    """The programs of a restore's sockets: those of extended BPF are held by the tool."""

    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self._held: dict[int, int] = {}  # descriptors, by the program's number at the dump

    def hold(self, entry: SocketProgramEntry, what: str) -> None:
        """Raises RestoreConflict."""
        if entry.classic is None and entry.id not in self._held:
            self._held[entry.id or 0] = find_program(entry, what)

    def close(self) -> None:
        for fd in self._held.values():
            os.close(fd)
        self._held.clear()

    def build_filter(
        self, program: Program, number: int, entry: SocketProgramEntry, what: Callable[[], str]
    ) -> None:
        """Instructions that attach a filter to descriptor `number`."""
        self._build(program, number, SO_ATTACH_BPF, entry, lambda: f"attach the filter of {what()}")

    def build_group(
        self, program: Program, number: int, entry: SocketProgramEntry, what: Callable[[], str]
    ) -> None:
        """Instructions that have a program divide the sockets of the port of `number`."""

        def label() -> str:
            return f"attach what divides the port of {what()}"

        if entry.classic is None:
            self._build(program, number, SO_ATTACH_REUSEPORT_EBPF, entry, label)
            return
        code = program.put(entry.classic)
        header = program.put(struct.pack("<Q8x", len(entry.classic) // 8))  # struct sock_fprog
        program.address(code, ref_at(header, 8))
        program.call(
            *(SYS_setsockopt, number, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, header, 16), label=label
        )

    def _build(
        self,
        program: Program,
        number: int,
        option: int,
        entry: SocketProgramEntry,
        label: Callable[[], str],
    ) -> None:
        tool = program.call(SYS_pidfd_open, self.context.tool_pid, 0, label="find crtools")
        held = self._held[entry.id or 0]
        fd = program.call(SYS_pidfd_getfd, tool, held, 0, label="take over a BPF program")
        value = program.reserve(4)
        program.store(fd, value)
        program.call(SYS_setsockopt, number, SOL_SOCKET, option, value, 4, label=label)
        program.call(SYS_close, fd)
        program.call(SYS_close, tool)
