"""Instructions that are the same thousands of times, but for some numbers in them.

They are built twice by the code that builds one of them, with different numbers, to see where these
go. Results of earlier instructions cannot be meant, since their numbers depend on the place.
"""

from __future__ import annotations

import struct

from crtools.agent.program import ARG_RESULT, INSN, INSN_BYTES, Program
from crtools.errors import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.agent.program import Label

_WORD = struct.Struct("<Q")
_ARGS_AT, _EXPECTED_AT = 16, 64  # in an instruction: agent/ops.h
_APART = 0x1000  # what is added to a number in an instruction is less


class Stencil:
    """The instructions that `build` adds to a program, given so many numbers."""

    __slots__ = ("_code", "_count", "_places")

    def __init__(self, build: Callable[..., None], numbers: int) -> None:
        first, second = Program(), Program()
        marks = [(i * _APART + 0x5A000000, i * _APART + 0xA5000000) for i in range(numbers)]
        build(first, *[mark for mark, _ in marks])
        build(second, *[mark for _, mark in marks])
        self._code = bytes(first.code)
        self._count = first.count
        self._places: list[tuple[int, int, int]] = []
        for start in range(0, len(self._code), INSN_BYTES):
            kinds = INSN.unpack_from(self._code, start)[4]
            if any(kinds >> shift & 15 == ARG_RESULT for shift in range(0, 24, 4)):
                raise InternalError("a stencil cannot mean the result of an instruction")
            for at in range(start + _ARGS_AT, start + _EXPECTED_AT + 8, 8):
                one, other = (_WORD.unpack_from(code, at)[0] for code in (first.code, second.code))
                for index, (mark, other_mark) in enumerate(marks):
                    if 0 <= one - mark == other - other_mark < _APART:
                        self._places.append((at, index, one - mark))
        again = bytearray(first.code)
        for at, index, beyond in self._places:
            _WORD.pack_into(again, at, marks[index][1] + beyond)
        used = {index for _, index, _ in self._places}
        if again != second.code or first.data or used != set(range(numbers)):
            raise InternalError("a stencil does not say where its numbers go")

    def add_to(self, program: Program, numbers: Sequence[int], label: Label) -> None:
        """The instructions with these numbers, each with the same label."""
        code = program.code
        start = len(code)
        code += self._code
        pack_into = _WORD.pack_into
        for at, index, beyond in self._places:
            pack_into(code, start + at, numbers[index] + beyond)
        count = program.count
        program.count = end = count + self._count
        program.labels.update(dict.fromkeys(range(count, end), label))
