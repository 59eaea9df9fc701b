"""Instructions that are the same but for some numbers."""

from __future__ import annotations

import pytest

from crtools.agent.program import ARG_DATA, ARG_LOAD32, EXACTLY, Program
from crtools.agent.stencil import Stencil
from crtools.errors import InternalError


def build(program: Program, at: int, number: int, length: int) -> None:
    program.call(53, 1, 0x80000, 0, (ARG_DATA, at))
    program.call(44, (ARG_LOAD32, at + 4), number, length, expect=EXACTLY, expected=length)
    program.skip_if((ARG_LOAD32, at), number, 2)


def test_it_gives_what_the_builder_gives() -> None:
    stencil = Stencil(build, 3)
    wanted, program = Program(), Program()
    for each in (wanted, program):
        each.call(3, 5, label="first")
    for numbers in ((0, 0, 0), (64, 7, 100), (0x7FFFFFC0, 0xFFFF, 1 << 40)):
        build(wanted, *numbers)
        stencil.add_to(program, numbers, "the label")
        assert program.code == wanted.code
        assert program.count == wanted.count
    assert program.labels == {0: "first", **dict.fromkeys(range(1, 10), "the label")}


def test_results_cannot_be_meant() -> None:
    def wrong(program: Program, number: int) -> None:
        program.call(3, program.call(1, number))

    with pytest.raises(InternalError, match="result"):
        Stencil(wrong, 1)


def test_a_number_that_goes_nowhere_or_is_reckoned_with_is_noticed() -> None:
    def lost(program: Program, number: int, other: int) -> None:
        program.call(3, number)

    def doubled(program: Program, number: int) -> None:
        program.call(3, number, 2 * number)

    for wrong, numbers in ((lost, 2), (doubled, 1)):
        with pytest.raises(InternalError, match="where its numbers go"):
            Stencil(wrong, numbers)
