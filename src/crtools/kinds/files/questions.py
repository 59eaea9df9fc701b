"""Questions that are put to many descriptors of a process at once.

A question is a system call about a descriptor, whose answer goes into a record; crt_ask of
crtools/abi/kernel_look.c takes over one descriptor after the other, asks all of them and gives it
back. Python would need longer to make the calls than the kernel to answer.
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.errors import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BATCH = 128
_QUESTION = struct.Struct("<8q")
_TAKEN = struct.Struct("<q")
# What is no system call: abi/kernel_look.c.
_WRITE_ADDRESS, _SKIP_UNLESS, _SKIP_IF = -1, -2, -3
_NOT_ASKED = -(1 << 63)


class Questions:
    """A list of questions, and the record of the answers to them: 64-bit words, and what the kernel
    writes where it is told an address. All of this is known by its offset in the record."""

    def __init__(self) -> None:
        self.blank = bytearray(_TAKEN.size)
        self._rows = bytearray()
        self._count = 0
        self._room = 0

    def reserve(self, content: bytes) -> int:
        """Room in the record, which has this content until an answer comes."""
        at = len(self.blank)
        self.blank += content + bytes(-len(content) % 8)
        return at

    def reserve_answer(self) -> int:
        """Room for the result of a call, of which `was_asked` says whether it has been made."""
        return self.reserve(_TAKEN.pack(_NOT_ASKED))

    def reserve_room(self, length: int) -> int:
        """Room behind all that is reserved otherwise: not cleared, and not in an answer's head."""
        if self._room:
            raise InternalError("a record has one room")
        self._room = length
        return len(self.blank)

    def ask(self, nr: int, *args: int, inside: tuple[int, ...] = (), answer: int = 0) -> None:
        """A system call with these arguments after the descriptor; those at the places `inside`
        are offsets in the record. Its result goes to the offset `answer`."""
        where = sum([1 << place for place in inside])
        self._add(nr, args, where, answer)

    def write_address(self, into: int, of: int) -> None:
        """Writes the address of an offset at another one."""
        self._add(_WRITE_ADDRESS, (into, of))

    def skip(self, questions: int, at: int, value: int, *, unless: bool = False) -> None:
        """Leaves out the next questions if the 32-bit word at an offset is `value`; or unless it
        is."""
        self._add(_SKIP_UNLESS if unless else _SKIP_IF, (at, value, questions))

    def _add(self, nr: int, args: tuple[int, ...], inside: int = 0, answer: int = 0) -> None:
        self._rows += _QUESTION.pack(nr, *args, *(0,) * (5 - len(args)), inside, answer)
        self._count += 1

    def put(self, pidfd: int, fds: Sequence[int]) -> Iterator[tuple[bytes, memoryview]]:
        """The answers of each descriptor of the process that `pidfd` is of: the head of its record,
        and the room, which is only good until the next one. Raises OSError where a descriptor
        cannot be taken over."""
        sheet = Sheet(self, min(len(fds), _BATCH))
        for start in range(0, len(fds), _BATCH):
            batch = fds[start : start + _BATCH]
            numbers = struct.pack(f"{len(batch)}I", *batch)
            kernel.ask(pidfd, kernel.address_of(numbers), len(batch), *sheet.addresses)
            for index in range(len(batch)):
                yield sheet.read(index)


class Sheet:
    """Room for the answers of many descriptors; `addresses` are what crt_ask is told of it."""

    def __init__(self, questions: Questions, count: int) -> None:
        self._head = head = len(questions.blank)
        self._length = length = head + questions._room
        self._records = memoryview(bytearray(count * length))
        self._blank, self._rows = bytes(questions.blank), bytes(questions._rows)
        self.addresses = (
            *(kernel.address_of(self._blank), head),
            *(kernel.address_of(self._rows), questions._count),
            *(kernel.address_of(self._records), length),
        )

    def read(self, index: int) -> tuple[bytes, memoryview]:
        """As Questions.put gives them."""
        begin = index * self._length
        room = begin + self._head
        answers = bytes(self._records[begin:room])
        if answers[7] & 0x80:
            number = -_TAKEN.unpack_from(answers)[0]
            raise OSError(number, os.strerror(number))
        return answers, self._records[room : begin + self._length]


def was_asked(answer: int) -> bool:
    return answer != _NOT_ASKED
