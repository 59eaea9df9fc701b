"""The kernel's memory, read by BPF programs, a word or a block at a time: bpf(2).

For what no interface tells: how many requests of an asynchronous I/O context are in flight, what is
in a queue that no call reads without taking. docs/decisions/0014-reading-the-kernel.md says when
that is used. Nothing is written, no process is touched. Where a member of a structure lies is
looked up in the types that the kernel itself gives (crtools.procfs.btf), so a kernel that has
changed them is told, not misread.

The programs are of the type that runs when it is asked to (BPF_PROG_TYPE_SYSCALL), and nowhere
else: they go with their descriptor. They need CAP_BPF and CAP_PERFMON.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.errors import MissingFeature, PermissionDenied
from crtools.procfs.btf import read_btf

SYS_bpf = 321
BPF_MAP_CREATE, BPF_PROG_LOAD, BPF_PROG_TEST_RUN = 0, 5, 10  # linux/bpf.h
BPF_PROG_TYPE_SYSCALL = 31
BPF_F_SLEEPABLE = 1 << 4
BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE = 1, 2
BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_PERCPU_ARRAY = 2, 6
BPF_F_MMAPABLE = 1 << 10
# Helpers, linux/bpf.h.
GET_CURRENT_TASK, PROBE_READ_KERNEL, MAP_LOOKUP_PERCPU_ELEM = 35, 113, 195
# What the kernel is told about these few instructions alone: helpers that read its memory ask it.
_LICENSE = b"Dual MIT/GPL\0"
_CONTEXT = struct.Struct("<4Q")
_ATTR_BYTES = 144
_BLOCK_BYTES = 1 << 16
_WORD = (1 << 64) - 1


def _instruction(op: int, to: int = 0, of: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("<BBhi", op, of << 4 | to, offset, value)


# The context, which r6 points to: address, the word there, what the helper answered, our own task.
_READ = b"".join(
    [
        _instruction(0xBF, 6, 1),  # r6 = r1
        _instruction(0xBF, 1, 10),  # r1 = r10
        _instruction(0x07, 1, value=-8),  # r1 += -8
        _instruction(0xB7, 2, value=8),  # r2 = 8
        _instruction(0x79, 3, 6, 0),  # r3 = context.address
        _instruction(0x85, value=PROBE_READ_KERNEL),
        _instruction(0x7B, 6, 0, 16),  # context.answer = r0
        _instruction(0x79, 1, 10, -8),
        _instruction(0x7B, 6, 1, 8),  # context.word = what was read
        _instruction(0x85, value=GET_CURRENT_TASK),
        _instruction(0x7B, 6, 0, 24),  # context.task = r0
        _instruction(0xB7, 0),
        _instruction(0x95),  # return 0
    ]
)


def _read_block(map: int) -> bytes:
    """As many bytes as context.word says, below _BLOCK_BYTES, into the only value of a map."""
    return b"".join(
        [
            _instruction(0xBF, 6, 1),  # r6 = r1
            _instruction(0x18, 1, BPF_PSEUDO_MAP_VALUE, 0, map),  # r1 = where the value lies
            _instruction(0),
            _instruction(0x79, 2, 6, 8),  # r2 = context.word
            _instruction(0x57, 2, value=_BLOCK_BYTES - 1),  # r2 &= what the kernel can be sure of
            _instruction(0x79, 3, 6, 0),  # r3 = context.address
            _instruction(0x85, value=PROBE_READ_KERNEL),
            _instruction(0x7B, 6, 0, 16),  # context.answer = r0
            _instruction(0xB7, 0),
            _instruction(0x95),  # return 0
        ]
    )


def _per_cpu(map: int) -> bytes:
    """Where the CPU context.address has the value of a map of which each CPU has its own."""
    return b"".join(
        [
            _instruction(0xBF, 6, 1),
            _instruction(0x62, 10, offset=-8),  # key = 0
            _instruction(0x18, 1, BPF_PSEUDO_MAP_FD, 0, map),
            _instruction(0),
            _instruction(0xBF, 2, 10),
            _instruction(0x07, 2, value=-8),  # r2 = &key
            _instruction(0x79, 3, 6, 0),
            _instruction(0x85, value=MAP_LOOKUP_PERCPU_ELEM),
            _instruction(0x7B, 6, 0, 8),  # context.word = r0
            _instruction(0xB7, 0),
            _instruction(0x95),
        ]
    )


class Record:
    """A structure that has been read as a whole."""

    __slots__ = ("_memory", "_structure", "address", "content")

    def __init__(self, memory: KernelMemory, address: int, structure: str) -> None:
        self._memory = memory
        self._structure = structure
        self.address = address
        self.content = memory.block(address, memory.size(structure))

    def number(self, member: str, length: int = 8) -> int:
        """A member of so many bytes: of a pointer's, if nothing else is said."""
        at = self._memory.at(0, self._structure, member)
        return int.from_bytes(self.content[at : at + length], "little")


class KernelMemory:
    """Reads words of the kernel's memory. Raises MissingFeature or PermissionDenied."""

    def __init__(self) -> None:
        self._program = self._block = -1
        self._room: kernel.Shared | None = None
        self.types = read_btf()
        self._context = bytearray(_CONTEXT.size)
        self._offsets: dict[tuple[str, str], int] = {}
        self._sizes: dict[str, int] = {}
        self._numbers: dict[int, int] = {}  # of processes, by their struct pid
        self._cpus: list[int] | None = None
        self._program = self._load(_READ)
        self._run(self._program, 0)
        self.task = _CONTEXT.unpack(self._context)[3]

    def __del__(self) -> None:
        for fd in (self._program, self._block):
            if fd >= 0:
                os.close(fd)
        self._program = self._block = -1
        if self._room is not None:
            self._room.close()
            self._room = None

    def _load(self, program: bytes) -> int:
        attributes = bytearray(_ATTR_BYTES)
        struct.pack_into(
            "<IIQQIIQII",
            attributes,
            0,
            *(BPF_PROG_TYPE_SYSCALL, len(program) // 8),
            *(kernel.address_of(program), kernel.address_of(_LICENSE)),
            *(0, 0, 0, 0, BPF_F_SLEEPABLE),
        )
        # The verifier gives up when a signal has come (kernel/bpf/verifier.c, do_check), as SIGCHLD
        # does whenever a tracee stops.
        for _ in range(100):
            fd = kernel.raw(SYS_bpf, BPF_PROG_LOAD, kernel.address_of(attributes), len(attributes))
            if fd != -errno.EAGAIN:
                break
        if fd < 0:
            what = "Cannot look into the kernel with a BPF program"
            if -fd in (errno.EPERM, errno.EACCES):
                raise PermissionDenied(
                    what,
                    because=f"bpf: {os.strerror(-fd)}",
                    hint="run as root, or with CAP_BPF and CAP_PERFMON; a kernel that is locked"
                    " down for confidentiality does not allow it",
                )
            raise MissingFeature(
                what,
                because=f"bpf: {os.strerror(-fd)}",
                hint="a kernel with CONFIG_BPF_SYSCALL, Linux 5.14 or later",
            )
        return fd

    def _run(self, program: int, address: int, word: int = 0) -> None:
        context = self._context
        _CONTEXT.pack_into(context, 0, address, word, 0, 0)
        attributes = bytearray(80)
        struct.pack_into("<I", attributes, 0, program)
        struct.pack_into("<I", attributes, 40, len(context))
        struct.pack_into("<Q", attributes, 48, kernel.address_of(context))
        kernel.checked(SYS_bpf, BPF_PROG_TEST_RUN, kernel.address_of(attributes), len(attributes))

    def word(self, address: int) -> int:
        """The 64-bit word at an address. Raises MissingFeature if none is there."""
        self._run(self._program, address)
        _, word, answer, _ = _CONTEXT.unpack(self._context)
        if answer:
            raise MissingFeature(
                "Cannot look into the kernel", because=f"nothing can be read at {address:#x}"
            )
        return int(word)

    def block(self, address: int, length: int) -> bytes:
        """Bytes from an address on. Raises MissingFeature if they are not all there."""
        if self._room is None:
            self._room = self._make_room()
        found = bytearray()
        while len(found) < length:
            at, some = address + len(found), min(length - len(found), _BLOCK_BYTES - 1)
            self._run(self._block, at, some)
            if _CONTEXT.unpack(self._context)[2]:
                raise MissingFeature(
                    "Cannot look into the kernel",
                    because=f"{some} bytes at {at:#x} cannot be read",
                )
            found += self._room.memory[:some]
        return bytes(found)

    def _make_room(self) -> kernel.Shared:
        """A map's value, which the program that reads blocks writes to and we can see."""
        map = self._create_map(BPF_MAP_TYPE_ARRAY, _BLOCK_BYTES, BPF_F_MMAPABLE)
        try:
            self._block = self._load(_read_block(map))
            return kernel.Shared(map, _BLOCK_BYTES)
        finally:
            os.close(map)

    @staticmethod
    def _create_map(type: int, value_bytes: int, flags: int = 0) -> int:
        """A map of one value."""
        attributes = bytearray(_ATTR_BYTES)
        struct.pack_into("<5I", attributes, 0, type, 4, value_bytes, 1, flags)
        return kernel.checked(
            SYS_bpf, BPF_MAP_CREATE, kernel.address_of(attributes), len(attributes)
        )

    def number(self, address: int) -> int:
        """The 32-bit number at an address."""
        return self.word(address) & 0xFFFFFFFF

    def at(self, address: int, structure: str, member: str) -> int:
        """The address of a member of the structure at an address."""
        key = (structure, member)
        offset = self._offsets.get(key)
        if offset is None:
            offset = self._offsets[key] = self.types.offset(structure, member)
        return address + offset

    def size(self, structure: str) -> int:
        """The size of a structure, in bytes."""
        size = self._sizes.get(structure)
        if size is None:
            size = self._sizes[structure] = self.types.size(structure)
        return size

    def record(self, address: int, structure: str) -> Record:
        return Record(self, address, structure)

    def pointer(self, address: int, structure: str, member: str) -> int:
        return self.word(self.at(address, structure, member))

    def unsigned(self, address: int, structure: str, member: str) -> int:
        """A member of 32 bits."""
        return self.number(self.at(address, structure, member))

    def own_file(self, fd: int) -> int:
        """The struct file behind a descriptor of this process."""
        files = self.pointer(self.task, "task_struct", "files")
        table = self.pointer(files, "files_struct", "fdt")
        return self.word(self.pointer(table, "fdtable", "fd") + 8 * fd)

    def private_data(self, fd: int) -> int:
        """What the kernel keeps with an open file of this process."""
        return self.pointer(self.own_file(fd), "file", "private_data")

    def task_of(self, fd: int) -> int:
        """The struct task_struct of a task whose directory of /proc we have open."""
        inode = self.pointer(self.own_file(fd), "file", "f_inode")
        place = inode - self.types.offset("proc_inode", "vfs_inode")
        pid = self.pointer(place, "proc_inode", "pid")
        # A list for each of PIDTYPE_*, that of the task itself first.
        link = self.word(self.at(pid, "pid", "tasks"))
        return link - self.types.offset("task_struct", "pid_links")

    def pid_number(self, pid: int) -> int:
        """A struct pid's number in our own namespace, 0 if it has none there. It must be held by
        something that is not changed while we look."""
        number = self._numbers.get(pid)
        if number is None:
            number = self._numbers[pid] = self._find_number(pid)
        return number

    def _find_number(self, pid: int) -> int:
        own = self.pointer(self.task, "task_struct", "thread_pid")
        level = self.unsigned(own, "pid", "level")
        if self.unsigned(pid, "pid", "level") < level:
            return 0
        place = level * self.size("upid")
        here = self.at(own, "pid", "numbers") + place
        there = self.at(pid, "pid", "numbers") + place
        if self.pointer(here, "upid", "ns") != self.pointer(there, "upid", "ns"):
            return 0
        return self.unsigned(there, "upid", "nr")

    def per_cpu(self) -> list[int]:
        """What to add to a pointer to a variable of each CPU, to have that of CPU 0, 1, ..."""
        if self._cpus is None:
            self._cpus = self._find_per_cpu()
        return self._cpus

    def _find_per_cpu(self) -> list[int]:
        # No kernel tells the name of that table without CONFIG_KALLSYMS_ALL, but a map has both: a
        # pointer of that kind, and where it leads to on each CPU.
        map = self._create_map(BPF_MAP_TYPE_PERCPU_ARRAY, 8)
        try:
            program = self._load(_per_cpu(map))
            try:
                values = self.pointer(self.private_data(map), "bpf_array", "pptrs")
                cpus: list[int] = []
                while True:
                    self._run(program, len(cpus))
                    _, place, _, _ = _CONTEXT.unpack(self._context)
                    if not place:
                        return cpus
                    cpus.append(place - values)
            finally:
                os.close(program)
        finally:
            os.close(map)

    def sum_per_cpu(self, pointer: int, offset: int = 0) -> int:
        """The sum of a signed 32-bit number that each CPU has at a pointer of that kind."""
        total = 0
        for cpu in self.per_cpu():
            number = self.number((pointer + cpu + offset) & _WORD)
            total += number - (number >> 31 << 32)
        return total
