"""What threads deny themselves: answers to fields, and fields to calls."""

from __future__ import annotations

import struct

import pytest

from crtools.agent.program import INSN, INSN_BYTES, Program
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.crtools import CrtoolsTaskEntry
from crtools.kinds.process.control import build_control, parse_answers
from crtools.model.shortfall import Shortfalls

EPERM, EINVAL, ENODEV, ENXIO = 1, 22, 19, 6
USUAL = {"tsc": 1, "mce": 2, "flusher": -EPERM, "cpuid": -ENODEV, "ssb": 3, "ib": 3, "l1d": 5}


def parse(**answers: int) -> dict[str, int]:
    return dict(parse_answers(struct.pack("<7i", *{**USUAL, **answers}.values())))


@pytest.mark.parametrize(
    ("answers", "fields"),
    [
        ({}, {}),
        ({"tsc": 2}, {"tsc_forbidden": 1}),
        ({"tsc": 0}, {}),  # never written: the machine has no answer
        ({"mce": 0}, {"mce_kill": 0}),
        ({"mce": 1}, {"mce_kill": 1}),
        ({"mce": -EINVAL}, {}),
        ({"flusher": 1}, {"io_flusher": 1}),
        ({"flusher": 0}, {}),
        ({"cpuid": 0}, {"cpuid_forbidden": 1}),
        ({"cpuid": 1}, {}),
        ({"ssb": 5}, {"store_bypass": 4}),
        ({"ssb": 9}, {"store_bypass": 8}),
        ({"ssb": 17}, {"store_bypass": 16}),
        ({"ssb": 4, "ib": 2, "l1d": 8}, {}),  # without PR_SPEC_PRCTL: the machine's
        ({"ssb": 0, "ib": -EINVAL, "l1d": -ENXIO}, {}),
        ({"ib": 9}, {"indirect_branch": 8}),
        ({"l1d": 3}, {"l1d_flush": 2}),
    ],
)
def test_answers_become_fields_where_they_are_unusual(
    answers: dict[str, int], fields: dict[str, int]
) -> None:
    assert parse(**answers) == fields


def build(*, strict: bool = False, **fields: int) -> tuple[Program, Shortfalls]:
    program, shortfalls = Program(), Shortfalls(strict=strict)
    build_control(program, CrtoolsTaskEntry(tid=7, **fields), 5, "task 5 (x)", shortfalls)
    return program, shortfalls


def calls(program: Program) -> list[tuple[int, ...]]:
    instructions = [
        INSN.unpack_from(program.code, at)
        for at in range(0, program.count * INSN_BYTES, INSN_BYTES)
    ]
    return [(number, *rest[5:9]) for number, *rest in instructions]


def test_nothing_is_called_for_a_thread_that_never_said_anything() -> None:
    assert calls(build()[0]) == []


@pytest.mark.parametrize(
    ("fields", "call"),
    [
        ({"tsc_forbidden": True}, (157, 26, 2, 0, 0)),
        ({"mce_kill": 0}, (157, 33, 1, 0, 0)),
        ({"mce_kill": 1}, (157, 33, 1, 1, 0)),
        ({"io_flusher": True}, (157, 57, 1, 0, 0)),
        ({"cpuid_forbidden": True}, (158, 0x1012, 0, 0, 0)),
        ({"store_bypass": 8}, (157, 53, 0, 8, 0)),
        ({"indirect_branch": 4}, (157, 53, 1, 4, 0)),
        ({"l1d_flush": 2}, (157, 53, 2, 2, 0)),
    ],
)
def test_each_field_is_one_call(fields: dict[str, int], call: tuple[int, ...]) -> None:
    assert calls(build(**fields)[0]) == [call]


def test_what_the_machine_refuses_is_a_shortfall() -> None:
    program, shortfalls = build(store_bypass=4)
    assert program.attempts is not None
    program.attempts[0][1](ENXIO)
    assert [str(shortfall) for shortfall in shortfalls.found] == [
        "task 5 (x): PR_SET_SPECULATION_CTRL (store_bypass) of its thread 7 is not, was set:"
        " this machine does not leave it to the threads"
    ]
    program, _ = build(strict=True, io_flusher=True)
    assert program.attempts is not None
    with pytest.raises(RestoreConflict, match="PR_SET_IO_FLUSHER"):
        program.attempts[0][1](EPERM)


@pytest.mark.parametrize("fields", [{"mce_kill": 2}, {"store_bypass": 3}, {"l1d_flush": 1 << 20}])
def test_impossible_settings_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ImageError):
        build(**fields)
