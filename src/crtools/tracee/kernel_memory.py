"""The kernel's memory, read a word at a time by a BPF program: bpf(2).

For what no interface tells: how many requests of an asynchronous I/O context are in flight, with
which flags an io_uring was set up. docs/decisions/0014-reading-the-kernel.md says when that is
used. Nothing is written, no process is touched. Where a member of a structure lies is looked up in
the types that the kernel itself gives (crtools.procfs.btf), so a kernel that has changed them is
told, not misread.

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
BPF_PSEUDO_MAP_FD = 1
BPF_MAP_TYPE_PERCPU_ARRAY = 6
# Helpers, linux/bpf.h.
GET_CURRENT_TASK, PROBE_READ_KERNEL, MAP_LOOKUP_PERCPU_ELEM = 35, 113, 195
# What the kernel is told about these few instructions alone: helpers that read its memory ask it.
_LICENSE = b"Dual MIT/GPL\0"
_CONTEXT = struct.Struct("<4Q")
_ATTR_BYTES = 144
_BLOCK_BYTES = 256  # half of a program's stack
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

# The same of _BLOCK_BYTES: to the stack, and from there behind the context.
_READ_BLOCK = b"".join(
    [
        _instruction(0xBF, 6, 1),  # r6 = r1
        _instruction(0xBF, 1, 10),  # r1 = r10
        _instruction(0x07, 1, value=-_BLOCK_BYTES),  # r1 -= their number
        _instruction(0xB7, 2, value=_BLOCK_BYTES),  # r2 = their number
        _instruction(0x79, 3, 6, 0),  # r3 = context.address
        _instruction(0x85, value=PROBE_READ_KERNEL),
        _instruction(0x7B, 6, 0, 16),  # context.answer = r0
        *[
            _instruction(0x79, 1, 10, at - _BLOCK_BYTES)
            + _instruction(0x7B, 6, 1, _CONTEXT.size + at)
            for at in range(0, _BLOCK_BYTES, 8)
        ],
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


class KernelMemory:
    """Reads words of the kernel's memory. Raises MissingFeature or PermissionDenied."""

    def __init__(self) -> None:
        self._program = self._block = -1
        self.types = read_btf()
        self._context = bytearray(_CONTEXT.size)
        self._offsets: dict[tuple[str, str], int] = {}
        self._cpus: list[int] | None = None
        self._program = self._load(_READ)
        self._run(self._program, 0)
        self.task = _CONTEXT.unpack(self._context)[3]

    def __del__(self) -> None:
        for fd in (self._program, self._block):
            if fd >= 0:
                os.close(fd)
        self._program = self._block = -1

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

    def _run(self, program: int, address: int, context: bytearray | None = None) -> None:
        if context is None:
            context = self._context
        _CONTEXT.pack_into(context, 0, address, 0, 0, 0)
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
        """Bytes from an address on. Raises MissingFeature if there are none."""
        found = b""
        while len(found) < length:
            # What is asked for may end where nothing is any more.
            part = self._read_block(address + len(found))
            if not part:
                part = self.word(address + len(found)).to_bytes(8, "little")
            found += part
        return found[:length]

    def _read_block(self, address: int) -> bytes:
        if self._block < 0:
            self._block = self._load(_READ_BLOCK)
        context = bytearray(_CONTEXT.size + _BLOCK_BYTES)
        self._run(self._block, address, context)
        return b"" if _CONTEXT.unpack_from(context)[2] else bytes(context[_CONTEXT.size :])

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

    def per_cpu(self) -> list[int]:
        """What to add to a pointer to a variable of each CPU, to have that of CPU 0, 1, ..."""
        if self._cpus is None:
            self._cpus = self._find_per_cpu()
        return self._cpus

    def _find_per_cpu(self) -> list[int]:
        # No kernel tells the name of that table without CONFIG_KALLSYMS_ALL, but a map has both: a
        # pointer of that kind, and where it leads to on each CPU.
        attributes = bytearray(_ATTR_BYTES)
        struct.pack_into("<4I", attributes, 0, BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 1)
        map = kernel.checked(
            SYS_bpf, BPF_MAP_CREATE, kernel.address_of(attributes), len(attributes)
        )
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
