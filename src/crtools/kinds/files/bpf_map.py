"""BPF maps, bpf(2): tables of keys and values that programs and BPF programs share.

Carried are maps that nobody but the tree has: arrays, hashes and tries, also those with a value for
each CPU. A map that a BPF program uses, that is pinned in a bpf file system or open elsewhere would
be two maps after a restore; how often it is referred to, only the kernel's memory tells
(docs/decisions/0014-reading-the-kernel.md). Queues, rings and maps of maps, programs, sockets or
devices are refused.

crtools makes and fills the maps, and tasks take its open files over. A map gets a new number
(BPF_MAP_GET_FD_BY_ID): that is the kernel's to give.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.abi.fcntl import F_SETFL, O_ACCMODE, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY
from crtools.abi.x86_64 import SYS_fcntl
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.bpfmap_data import BpfmapDataEntry
from crtools.images.messages.bpfmap_file import BpfmapFileEntry
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner, choose_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext, PlannedFile, Programs
    from crtools.tracee.kernel_memory import KernelMemory

SYS_bpf = 321
LINK = b"anon_inode:bpf-map"
# linux/bpf.h: commands.
MAP_CREATE, MAP_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD = 0, 14, 15
MAP_FREEZE, MAP_LOOKUP_BATCH, MAP_UPDATE_BATCH = 22, 24, 26
_ATTR_BYTES = 144
# Types of maps that are carried, and the names of all.
NAMES = (
    "an unspecified one|a hash|an array|a table of programs|a table of performance events"
    "|a hash for each CPU|an array for each CPU|a table of stack traces|a table of cgroups"
    "|an LRU hash|an LRU hash for each CPU|a trie|an array of maps|a hash of maps"
    "|a table of devices|a table of sockets|a table of CPUs|a table of XDP sockets"
    "|a hash of sockets"
    "|storage of cgroups|a table of sockets that share a port|storage of cgroups for each CPU"
    "|a queue|a stack|storage of sockets|a hash of devices|operations of the kernel's|a ring"
    "|storage of inodes|storage of tasks|a Bloom filter|a ring that users write to"
    "|storage of cgroups|an arena|an array of instructions"
).split("|")
CARRIED = frozenset((1, 2, 5, 6, 9, 10, 11))
PER_CPU = frozenset((5, 6, 10))
# Arrays have all their elements from the beginning.
ARRAYS = frozenset((2, 6))
BPF_F_NUMA_NODE, BPF_F_RDONLY, BPF_F_WRONLY = 1 << 2, 1 << 3, 1 << 4
_INFO = struct.Struct("<6I16s2I2Q4IQ")  # struct bpf_map_info, as far as Linux 5.16 has it
_BATCH_BYTES = 8 << 20
_MAX_ENTRIES = 1 << 28


class Info:
    """What the kernel says of a map."""

    __slots__ = (
        "btf",
        "extra",
        "flags",
        "id",
        "ifindex",
        "key_size",
        "max_entries",
        "name",
        "type",
        "value_size",
    )

    def __init__(self, fd: int) -> None:
        answer = bytearray(_INFO.size)
        attributes = bytearray(_ATTR_BYTES)
        struct.pack_into("<IIQ", attributes, 0, fd, len(answer), kernel.address_of(answer))
        _bpf(OBJ_GET_INFO_BY_FD, attributes)
        fields = _INFO.unpack(answer)
        self.type, self.id, self.key_size, self.value_size, self.max_entries, self.flags = fields[
            :6
        ]
        self.name: bytes = fields[6].partition(b"\0")[0]
        self.ifindex, self.btf, self.extra = fields[7], fields[11], fields[15]


def _bpf(command: int, attributes: bytearray) -> int:
    """Raises OSError."""
    return kernel.checked(SYS_bpf, command, kernel.address_of(attributes), len(attributes))


class BpfMap(FileKind):
    type = FdTypes.BPFMAP
    field = "bpf"

    def matches(self, file: OpenFile) -> bool:
        return file.link == LINK

    def dumper(self, context: DumpContext) -> FileDumper:
        return BpfMapDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return BpfMapPlanner(context)


class BpfMapDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.maps: dict[int, tuple[BpfmapDataEntry, bytes]] = {}
        self.files: dict[int, list[OpenFile]] = {}  # by the map's id
        self.memory: KernelMemory | None = None

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        fd = self.context.borrow(file)
        try:
            info = Info(fd)
            frozen = file.extra.get(b"frozen", [b"0"])[0] != b"0"
            if info.id not in self.maps:
                self._check(file, info)
                self.maps[info.id] = self._read(file, info)
        finally:
            os.close(fd)
        self.files.setdefault(info.id, []).append(file)
        self.context.watch(file, "the BPF map")
        message = BpfmapFileEntry(
            id=id,
            flags=file.flags,
            pos=file.pos,
            fown=self.context.owner_of(file),
            map_type=info.type,
            key_size=info.key_size,
            value_size=info.value_size,
            map_id=info.id,
            max_entries=info.max_entries,
            map_flags=info.flags,
            memlock=int(file.extra.get(b"memlock", [b"0"])[0]),
            frozen=frozen,
            map_name=info.name.decode("utf-8", "surrogateescape"),
            ifindex=info.ifindex,
            mnt_id=-1,
            map_extra=info.extra or None,
        )
        return FileEntry(type=FdTypes.BPFMAP, id=id, bpf=message)

    def check(self) -> None:
        """Whether somebody else has the maps, too."""
        for same in self.files.values():
            file = same[0]
            fd = self.context.borrow(file)
            try:
                uses, users = self._count(fd)
            finally:
                os.close(fd)
            if users > len(same):
                raise self._refused(
                    file,
                    "which somebody outside the tree has, too",
                    "it is pinned in a bpf file system or open elsewhere, and would be two maps"
                    " after a restore",
                )
            if uses > users:
                raise self._refused(
                    file,
                    "which a BPF program uses",
                    "the program would go on with the old map, and the tasks with another",
                )

    def _count(self, fd: int) -> tuple[int, int]:
        """References to a map, and those of them that are open files or names."""
        if self.memory is None:
            from crtools.tracee.kernel_memory import KernelMemory

            self.memory = KernelMemory()
        memory = self.memory
        map = memory.private_data(fd)
        return memory.pointer(map, "bpf_map", "refcnt"), memory.pointer(map, "bpf_map", "usercnt")

    def _check(self, file: OpenFile, info: Info) -> None:
        if info.type not in CARRIED:
            name = NAMES[info.type] if info.type < len(NAMES) else f"of type {info.type}"
            raise self._refused(
                file, f"which is {name}", "what it holds cannot be read and put back"
            )
        if info.btf or info.ifindex:
            what = "a network device" if info.ifindex else "types (BTF)"
            raise self._refused(
                file,
                f"which was made with {what}",
                "that is told by a number of the running kernel's",
            )
        if info.flags & BPF_F_NUMA_NODE:
            raise self._refused(
                file, "which lies on a memory node", "nothing tells on which (BPF_F_NUMA_NODE)"
            )

    def _refused(self, file: OpenFile, which: str, because: str) -> Exception:
        return self.context.refuse(
            file,
            f"it is a BPF map, {which}",
            because,
            "end what loads BPF programs before the dump, and start it anew after the restore",
        )

    def _read(self, file: OpenFile, info: Info) -> tuple[BpfmapDataEntry, bytes]:
        # The program may have opened it for writing alone.
        fd = open_by_id(info.id, 0)
        try:
            keys, values, count = read_all(fd, info)
        except OSError as error:
            raise self._refused(
                file, "which cannot be read", f"bpf: {os.strerror(error.errno or 0)}"
            ) from error
        finally:
            os.close(fd)
        data = BpfmapDataEntry(
            map_id=info.id, keys_bytes=len(keys), values_bytes=len(values), count=count
        )
        return data, keys + values

    def finish(self) -> None:
        self.context.store.write("bpfmap-data", list(self.maps.values()))


def open_by_id(id: int, flags: int) -> int:
    """A descriptor of our own for a map. Raises OSError."""
    attributes = bytearray(_ATTR_BYTES)
    struct.pack_into("<3I", attributes, 0, id, 0, flags)
    return _bpf(MAP_GET_FD_BY_ID, attributes)


def value_bytes(type: int, size: int) -> int:
    """How long a value is, to whoever reads it: it may have one for each CPU that may be there."""
    return -(-size // 8) * 8 * _possible_cpus() if type in PER_CPU else size


def _possible_cpus() -> int:
    with open("/sys/devices/system/cpu/possible", "rb") as file:
        return int(file.read().rpartition(b"-")[2].rpartition(b",")[2]) + 1


def _batch(
    command: int, fd: int, start: int, end: int, keys: int, values: int, count: int
) -> tuple[int, int]:
    """One call for many elements: minus an errno, and how many elements it was for."""
    attributes = bytearray(_ATTR_BYTES)
    struct.pack_into("<4Q2I", attributes, 0, start, end, keys, values, count, fd)
    result = kernel.raw(SYS_bpf, command, kernel.address_of(attributes), len(attributes))
    return result, int.from_bytes(attributes[32:36], "little")


def read_all(fd: int, info: Info) -> tuple[bytes, bytes, int]:
    """All keys, all values, and how many there are. Raises OSError."""
    key, value = info.key_size, value_bytes(info.type, info.value_size)
    room = max(1, min(info.max_entries, _BATCH_BYTES // (key + value)))
    all_keys, all_values, found = bytearray(), bytearray(), 0
    # Where to go on: a key, or for hashes the number of a bucket.
    places = bytearray(max(key, 8)), bytearray(max(key, 8))
    start = 0
    while True:
        keys, values = bytearray(key * room), bytearray(value * room)
        result, count = _batch(
            *(MAP_LOOKUP_BATCH, fd, start, kernel.address_of(places[1])),
            *(kernel.address_of(keys), kernel.address_of(values), room),
        )
        # A bucket of a hash comes whole or not at all.
        if result == -errno.ENOSPC and room < info.max_entries:
            room = min(room * 2, info.max_entries)
            continue
        if result < 0 and result != -errno.ENOENT:
            raise OSError(-result, os.strerror(-result))
        all_keys += memoryview(keys)[: count * key]
        all_values += memoryview(values)[: count * value]
        found += count
        if result == -errno.ENOENT:
            return bytes(all_keys), bytes(all_values), found
        places[0][:] = places[1]
        start = kernel.address_of(places[0])


class Map:
    """A map being restored: held by crtools, an open file for each of the tasks'."""

    def __init__(self, entry: BpfmapFileEntry) -> None:
        self.entry = entry
        self.files: list[PlannedFile] = []
        self.keys = self.values = b""
        self.count = 0
        self.held: dict[int, int] = {}  # our descriptors, by the id of their file
        name = entry.map_name.encode("utf-8", "surrogateescape")
        if (
            entry.map_type not in CARRIED
            or entry.map_flags & BPF_F_NUMA_NODE
            or entry.ifindex
            or not 0 < entry.max_entries <= _MAX_ENTRIES
            or not 0 < entry.key_size <= 1 << 16
            or not 0 < entry.value_size <= 1 << 24
            or len(name) > 15
            or b"\0" in name
        ):
            raise ImageError(f"The images have a BPF map {entry.map_id} that cannot be made")
        self.name = name

    def set_content(self, data: BpfmapDataEntry, content: bytes) -> None:
        """Raises ImageError."""
        entry = self.entry
        self.count = data.count
        self.keys, self.values = content[: data.keys_bytes], content[data.keys_bytes :]
        if (
            data.count > entry.max_entries
            or len(self.keys) != data.count * entry.key_size
            or (data.count and len(self.values) % data.count)
        ):
            raise ImageError(f"The images have impossible contents of BPF map {entry.map_id}")

    def check(self) -> None:
        """Raises RestoreConflict."""
        entry = self.entry
        value = value_bytes(entry.map_type, entry.value_size)
        if len(self.values) != self.count * value:
            raise RestoreConflict(
                f"Cannot restore the BPF map {entry.map_name or entry.map_id}",
                because=f"its values were of {len(self.values) // self.count} bytes at the dump and"
                f" would be of {value} here: one for each of {_possible_cpus()} possible CPUs",
                hint="restore on a machine with as many possible CPUs",
            )

    def create(self) -> None:
        """Raises RestoreConflict."""
        entry = self.entry
        attributes = bytearray(_ATTR_BYTES)
        struct.pack_into(
            "<7I16s5IQ",
            attributes,
            0,
            *(entry.map_type, entry.key_size, entry.value_size, entry.max_entries),
            *(entry.map_flags, 0, 0, self.name, 0, 0, 0, 0, 0, entry.map_extra or 0),
        )
        try:
            made = _bpf(MAP_CREATE, attributes)
            try:
                id = Info(made).id
                self._fill(id)
                if entry.frozen:
                    attributes = bytearray(_ATTR_BYTES)
                    struct.pack_into("<I", attributes, 0, made)
                    _bpf(MAP_FREEZE, attributes)
                for file in self.files:
                    mode = file.message.flags & O_ACCMODE
                    flags = {O_RDONLY: BPF_F_RDONLY, O_WRONLY: BPF_F_WRONLY, O_RDWR: 0}[mode]
                    self.held[file.id] = open_by_id(id, flags)
            finally:
                os.close(made)
        except OSError as error:
            raise RestoreConflict(
                f"Cannot make the BPF map {entry.map_name or entry.map_id}",
                because=f"bpf: {error.strerror}",
                hint="run as root, or with CAP_BPF and CAP_SYS_ADMIN",
            ) from error

    def _fill(self, id: int) -> None:
        # A map may be made for reading alone.
        fd = open_by_id(id, 0)
        try:
            left, key, value = (
                self.count,
                self.entry.key_size,
                len(self.values) // (self.count or 1),
            )
            keys, values = kernel.address_of(self.keys), kernel.address_of(self.values)
            while left:
                result, count = _batch(MAP_UPDATE_BATCH, fd, 0, 0, keys, values, min(left, 1 << 16))
                if result < 0:
                    raise OSError(-result, os.strerror(-result))
                left -= count
                keys += count * key
                values += count * value
        finally:
            os.close(fd)

    def close(self) -> None:
        for fd in self.held.values():
            os.close(fd)
        self.held.clear()


class BpfMapPlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.maps: dict[int, Map] = {}
        self.files: list[PlannedFile] = []

    def add(self, file: PlannedFile) -> None:
        entry = file.message
        if entry.flags & O_ACCMODE not in (O_RDONLY, O_WRONLY, O_RDWR) or entry.flags > 0x7FFFFFFF:
            raise ImageError(f"File {file.id}, a BPF map, has impossible flags")
        if entry.map_id not in self.maps:
            self.maps[entry.map_id] = Map(entry)
        self.maps[entry.map_id].files.append(file)
        self.files.append(file)

    def name(self, file: PlannedFile) -> str:
        return f"the BPF map {file.message.map_name or file.message.map_id}"

    def place(self) -> None:
        store = self.context.store
        if store.has("bpfmap-data"):
            for data, content in store.read_with_extra("bpfmap-data"):
                if data.map_id in self.maps:
                    self.maps[data.map_id].set_content(data, content)
        choose_place(self.context, self.files)
        for file in self.files:
            taking = Taking(self.context, file, self.maps[file.message.map_id])
            self.context.add_job(file.pid, taking)

    def check(self, root: int) -> None:
        for map in self.maps.values():
            map.check()

    def create(self, tool_pid: int, root: int) -> None:
        for map in self.maps.values():
            map.create()

    def close(self, *, restored: bool) -> None:
        for map in self.maps.values():
            map.close()


class Taking:
    """Takes an open file of a map over from crtools."""

    def __init__(self, context: PlanContext, file: PlannedFile, map: Map) -> None:
        self.context = context
        self.file = file
        self.map = map

    def __call__(self, programs: Programs) -> None:
        file = self.file
        held = self.map.held[file.id]
        self.context.take_inherited(programs, held, file.number, file.users[0][2], self.what)
        if file.message.flags & O_NONBLOCK:
            programs.need(128).call(SYS_fcntl, file.number, F_SETFL, O_NONBLOCK, label=self.what)

    def what(self) -> str:
        return self.context.describe(self.file)
