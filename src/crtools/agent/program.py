"""Programs for the agent: lists of system calls with what their results must be.

The layout is agent/ops.h's `struct insn`. An argument is a number or a reference: the address of
data that comes with the program, an earlier result, or a word of the data area.
"""

from __future__ import annotations

import struct

from crtools.errors import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    Ref: TypeAlias = tuple[int, int]
    Arg: TypeAlias = int | tuple[int, int]
    Label: TypeAlias = str | Callable[[], str]

INSN = struct.Struct("<IBBHII6QQq")
INSN_BYTES = 80
RESULT_AT = 72
_RESULT = struct.Struct("<q")

# agent/ops.h
(
    OP_SYSCALL,
    OP_TRANSFER,
    OP_CLONE,
    OP_MERGE,
    OP_COPY,
    OP_SKIP_IF,
    OP_VALUE,
    OP_TILES,
    OP_FLAGS,
    OP_ZEROS,
) = range(10)
ARG_VALUE, ARG_DATA, ARG_RESULT, ARG_LOAD64, ARG_LOAD32, ARG_AREA, ARG_AREA32 = range(7)
STORE_IN_AREA = 16
ANY, NONNEGATIVE, EXACTLY, OR_ERRNO = range(4)

_WORD = 0xFFFFFFFFFFFFFFFF
_ZEROS = (0, 0, 0, 0, 0, 0)


class Program:
    """Instructions, their data, and a label each that says in an error what it was for."""

    __slots__ = ("attempts", "code", "count", "data", "labels")

    def __init__(self) -> None:
        self.code = bytearray()
        self.data = bytearray()
        self.labels: dict[int, Label] = {}
        self.count = 0
        self.attempts: list[tuple[Ref, Callable[[int], None]]] | None = None

    def begin_as(self) -> Program:
        """Another one that begins like this: references to what is in this one are good there."""
        program = Program()
        program.code += self.code
        program.data += self.data
        program.labels.update(self.labels)
        program.count = self.count
        return program

    def put(self, content: bytes | bytearray, align: int = 8) -> Ref:
        """Data that comes with the program; the reference is its address in the task."""
        at = -(-len(self.data) // align) * align
        self.data.extend(bytes(at - len(self.data)))
        self.data += content
        return ARG_DATA, at

    def reserve(self, length: int, align: int = 8) -> Ref:
        """Zeroed room in the data area, for results."""
        return self.put(bytes(length), align)

    def call(
        self,
        nr: int,
        *args: Arg,
        expect: int = NONNEGATIVE,
        expected: int = 0,
        store: Ref | None = None,
        store_bytes: int = 4,
        label: Label = "",
        op: int = OP_SYSCALL,
    ) -> Ref:
        """One instruction; the reference stands for its result."""
        kinds = 0
        values = list(_ZEROS)
        shift = 0
        for index, arg in enumerate(args):
            if type(arg) is tuple:
                kinds |= arg[0] << shift
                values[index] = arg[1]
            else:
                values[index] = arg & _WORD  # type: ignore[operator]
            shift += 4
        self.code += INSN.pack(
            nr,
            op,
            expect,
            store_bytes | (STORE_IN_AREA if store[0] == ARG_AREA else 0) if store else 0,
            kinds,
            store[1] if store else 0,
            *values,
            expected & _WORD,
            0,
        )
        if label:
            self.labels[self.count] = label
        self.count += 1
        return ARG_RESULT, self.count - 1

    def attempt(
        self,
        nr: int,
        *args: Arg,
        refusals: tuple[int, ...],
        otherwise: Callable[[int], None],
        label: Label = "",
    ) -> Ref:
        """A call that may fail with one of `refusals` (errnos): the program goes on, and when it
        has ended otherwise(errno) is called by the slot that it ran in."""
        ref = self.call(nr, *args, expect=OR_ERRNO, expected=errnos(*refusals), label=label)
        if self.attempts is None:
            self.attempts = []
        self.attempts.append((ref, otherwise))
        return ref

    def repeat(self, nr: int, rows: Sequence[tuple[Arg, ...]], label: Label) -> None:
        """One system call many times, with arguments of the same kinds: call(), but faster."""
        shift = kinds = 0
        for arg in rows[0]:
            if type(arg) is tuple:
                kinds |= arg[0] << shift
            shift += 4
        fill = (0,) * (6 - len(rows[0]))
        pack = INSN.pack
        self.code += b"".join(
            [
                pack(
                    *(nr, OP_SYSCALL, NONNEGATIVE, 0, kinds, 0),
                    *[arg[1] if type(arg) is tuple else arg for arg in row],
                    *(*fill, 0, 0),
                )
                for row in rows
            ]
        )
        for index in range(self.count, self.count + len(rows)):
            self.labels[index] = label
        self.count += len(rows)

    def transfer(
        self, nr: int, fd: Arg, vector: Ref, count: int, offset: Arg, expected: int, label: Label
    ) -> Ref:
        """preadv or pwritev until all of the vector's `expected` bytes are moved."""
        return self.call(
            nr,
            fd,
            vector,
            count,
            offset,
            op=OP_TRANSFER,
            expect=EXACTLY,
            expected=expected,
            label=label,
        )

    def merge(self, to: int, source: Arg, length: int) -> Ref:
        """Copy the pages that differ; the result counts them."""
        return self.call(0, to, source, length, op=OP_MERGE)

    def find_zeros(self, vector: Ref, count: int, bits: Ref, step: int) -> Ref:
        """Sets the bits, of zeroed room, of those pages of the vector that are all zero; the result
        counts them. After `step` bytes each, the task looks whether we still live."""
        return self.call(0, vector, count, bits, step, op=OP_ZEROS, label="look for zeros")

    def copy(self, to: Arg, source: Arg, length: int) -> Ref:
        return self.call(0, to, source, length, op=OP_COPY)

    def address(self, of: Ref, into: Ref) -> None:
        """Stores the address that a data reference has in the task at another data reference."""
        self.call(0, of, op=OP_VALUE, expect=ANY, store=into, store_bytes=8)

    def store(self, value: Arg, into: Ref) -> None:
        """Stores a 32-bit value, such as a descriptor, at a data reference."""
        self.call(0, value, op=OP_VALUE, expect=ANY, store=into)

    def use_tiles(self, configuration: Ref) -> None:
        """Uses a tile register once: the kernel makes room for them at their first use."""
        self.call(0, configuration, op=OP_TILES)

    def set_flags(self, bits: int) -> None:
        """Sets bits of the flags register, which stay."""
        self.call(0, bits, op=OP_FLAGS)

    def clone(self, args: Arg, size: int, slot: int, label: Label) -> Ref:
        """clone3(2); the child starts in its own slot."""
        return self.call(435, args, size, slot, op=OP_CLONE, label=label)

    def skip_if(self, value: Arg, equals: Arg, instructions: int) -> None:
        self.call(0, value, equals, instructions, op=OP_SKIP_IF, expect=ANY)

    @property
    def size(self) -> int:
        return len(self.code) + len(self.data) + 64


def errnos(*numbers: int) -> int:
    """The `expected` word of OR_ERRNO: up to eight errnos."""
    if len(numbers) > 8:
        raise InternalError("an instruction can expect eight errnos at most")
    return int.from_bytes(bytes(numbers), "little")


def ref_at(ref: Ref, offset: int) -> Ref:
    """The same reference some bytes on."""
    return ref[0], ref[1] + offset


def load32(ref: Ref, offset: int = 0) -> Ref:
    """The signed 32-bit word that the data reference points to, when the instruction runs."""
    return ARG_LOAD32, ref[1] + offset


def load64(ref: Ref, offset: int = 0) -> Ref:
    return ARG_LOAD64, ref[1] + offset


def result_at(code: memoryview, index: int) -> int:
    """The result of instruction `index` in executed code."""
    value: int = _RESULT.unpack_from(code, index * INSN_BYTES + RESULT_AT)[0]
    return value
