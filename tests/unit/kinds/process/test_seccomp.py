"""Filters as images hold them, and what they say of a call."""

from __future__ import annotations

import struct

import pytest

from crtools.errors import ImageError
from crtools.images.messages.core import (
    CoreEntry,
    CoreEntryMarch,
    SeccompMode,
    TaskCoreEntry,
    ThreadCoreEntry,
)
from crtools.images.messages.seccomp import SeccompEntry, SeccompFilter
from crtools.kinds.process.seccomp import (
    Confinement,
    place_filters,
    plan_confinement,
    read_chains,
    thread_mode,
)
from crtools.tracee.filters import allow, notifies

KILL, TRAP, ERRNO, NOTIFY = 0x80000000, 0x30000, 0x50001, 0x7FC00000
TRACE, LOG, ALLOW = 0x7FF00000, 0x7FFC0000, 0x7FFF0000


def bpf(*instructions: tuple[int, int, int, int]) -> bytes:
    return b"".join([struct.pack("<HBBI", *instruction) for instruction in instructions])


def ret(action: int) -> tuple[int, int, int, int]:
    return 0x06, 0, 0, action


def load(offset: int) -> tuple[int, int, int, int]:
    return 0x20, 0, 0, offset


def only_read(otherwise: int) -> bytes:
    """read(2) with the descriptor 3."""
    return bpf(
        load(4),
        (0x15, 0, 4, 0xC000003E),
        load(0),
        (0x15, 0, 2, 0),
        load(16),
        (0x15, 1, 0, 3),
        ret(otherwise),
        ret(ALLOW),
    )


@pytest.mark.parametrize("otherwise", [KILL, 0, TRAP, ERRNO, NOTIFY, TRACE])
def test_a_call_is_let_through_where_the_filter_allows_it(otherwise: int) -> None:
    chain = ((only_read(otherwise), 0),)
    assert allow(chain, [(0, (3, 0x7000, 1))])
    assert not allow(chain, [(0, (4, 0x7000, 1))])
    assert not allow(chain, [(1, (3, 0x7000, 1))])
    assert not allow(chain, [(0, (3, 0x7000, 1)), (39, ())])


def test_what_is_not_known_counts_as_forbidden_only_where_it_is_looked_at() -> None:
    chain = ((only_read(KILL), 0),)
    assert not allow(chain, [(0, (None, None, None))])
    assert allow(chain, [(0, (3, None, None))])


def test_every_filter_of_a_chain_has_to_let_a_call_through() -> None:
    logs = bpf(ret(LOG)), 0
    assert allow((logs, (only_read(KILL), 0)), [(0, (3,))])
    assert not allow((logs, (bpf(ret(ERRNO)), 0)), [(0, (3,))])
    assert allow((), [(0, (3,))])


@pytest.mark.parametrize(
    ("instructions", "result"),
    [
        # Each computes 12 of 64 bytes of data, argument 0 (10) and constants.
        ([(0x80, 0, 0, 0), (0x14, 0, 0, 52)], 12),  # LEN, SUB
        ([load(16), (0x04, 0, 0, 2)], 12),  # ADD
        ([load(16), (0x24, 0, 0, 6), (0x34, 0, 0, 5)], 12),  # MUL, DIV
        ([load(16), (0x54, 0, 0, 8), (0x44, 0, 0, 4)], 12),  # AND, OR
        ([load(16), (0x64, 0, 0, 4), (0x74, 0, 0, 4), (0xA4, 0, 0, 6)], 12),  # LSH, RSH, XOR
        ([(0x00, 0, 0, 0xFFFFFFF4), (0x84, 0, 0, 0)], 12),  # IMM, NEG
        ([(0x01, 0, 0, 2), load(16), (0x0C, 0, 0, 0)], 12),  # LDX IMM, ADD X
        ([load(16), (0x07, 0, 0, 0), (0x00, 0, 0, 2), (0x0C, 0, 0, 0)], 12),  # TAX
        ([load(16), (0x02, 0, 0, 3), (0x00, 0, 0, 2), (0x61, 0, 0, 3), (0x0C, 0, 0, 0)], 12),
        ([(0x01, 0, 0, 12), (0x03, 0, 0, 9), (0x60, 0, 0, 9)], 12),  # STX, LD MEM
        ([(0x01, 0, 0, 12), (0x87, 0, 0, 0)], 12),  # TXA
        ([load(16), (0x05, 0, 0, 1), ret(KILL), (0x04, 0, 0, 2)], 12),  # JA
        ([load(16), (0x25, 0, 1, 9), (0x04, 0, 0, 2)], 12),  # JGT
        ([load(16), (0x35, 0, 1, 10), (0x04, 0, 0, 2)], 12),  # JGE
        ([load(16), (0x45, 0, 1, 2), (0x04, 0, 0, 2)], 12),  # JSET
    ],
)
def test_instructions(instructions: list[tuple[int, int, int, int]], result: int) -> None:
    code = bpf(*instructions, (0x15, 1, 0, result), ret(KILL), ret(ALLOW))
    assert allow(((code, 0),), [(0, (10,))])
    other = bpf(*instructions, (0x15, 1, 0, result + 1), ret(KILL), ret(ALLOW))
    assert not allow(((other, 0),), [(0, (10,))])


def test_a_division_by_zero_kills() -> None:
    code = bpf((0x01, 0, 0, 0), (0x3C, 0, 0, 0), ret(ALLOW))
    assert not allow(((code, 0),), [(0, ())])


def test_where_a_call_is_made_from_is_not_known() -> None:
    assert not allow(((bpf(load(8), (0x15, 1, 0, 0), ret(KILL), ret(ALLOW)), 0),), [(0, ())])


def test_filters_with_a_supervisor_are_found() -> None:
    assert notifies(bpf(load(0), (0x15, 0, 1, 5), ret(NOTIFY | 1), ret(ALLOW)))
    assert notifies(bpf((0x00, 0, 0, NOTIFY), (0x16, 0, 0, 0)))
    assert not notifies(only_read(TRACE))


def filters(*entries: tuple[int, int | None]) -> SeccompEntry:
    """Each (number of instructions, prev)."""
    return SeccompEntry(
        seccomp_filters=[
            SeccompFilter(filter=bpf(*[ret(ALLOW)] * count), prev=prev) for count, prev in entries
        ]
    )


def lengths(entry: SeccompEntry) -> list[list[int]]:
    return [[len(filter) // 8 for filter, _ in chain] for chain in read_chains(entry)]


def test_chains_begin_with_the_oldest_filter_in_whatever_order_the_image_is() -> None:
    assert lengths(filters((1, None), (2, 0), (3, 1), (4, 0))) == [[1], [1, 2], [1, 2, 3], [1, 4]]
    assert lengths(filters((3, 1), (2, 2), (1, None))) == [[1, 2, 3], [1, 2], [1]]


@pytest.mark.parametrize(
    "entry",
    [
        filters((1, 0)),
        filters((1, 1), (1, 0)),
        filters((1, 7)),
        filters((0, None)),
        filters((4097, None)),
        SeccompEntry(seccomp_filters=[SeccompFilter(filter=bytes(7))]),
        SeccompEntry(seccomp_filters=[SeccompFilter(filter=bytes(8), flags=1)]),
        filters((4096, None), *[(4096, index) for index in range(8)]),
    ],
)
def test_images_that_are_wrong_are_refused(entry: SeccompEntry) -> None:
    with pytest.raises(ImageError, match=r"seccomp\.img"):
        read_chains(entry)


def core(mode: int | None, number: int | None) -> CoreEntry:
    thread = ThreadCoreEntry(futex_rla=0, futex_rla_len=0, seccomp_mode=mode, seccomp_filter=number)
    return CoreEntry(mtype=CoreEntryMarch.X86_64, thread_core=thread)


TASK = TaskCoreEntry(task_state=1, exit_code=0, personality=0, flags=0, blk_sigset=0, comm="")


def test_what_all_threads_have_is_told_from_what_one_has() -> None:
    a, b, c = ((bpf(ret(action)), 0) for action in (ALLOW, LOG, ERRNO))
    planned = Confinement({1: (2, (a, b)), 2: (2, (a, b, c)), 3: (2, (a, c))})
    assert planned.common == (a,)
    assert planned.own == {1: (b,), 2: (b, c), 3: (c,)}
    alone = Confinement({1: (2, (a, b))})
    assert (alone.common, alone.own) == ((a, b), {})
    some = Confinement({1: (0, ()), 2: (2, (a,)), 3: (1, ())})
    assert (some.common, some.own, some.strict) == ((), {2: (a,)}, [3])


def test_the_mode_of_old_images_is_the_processs() -> None:
    old = TaskCoreEntry(
        task_state=1,
        exit_code=0,
        personality=0,
        flags=0,
        blk_sigset=0,
        comm="",
        old_seccomp_mode=SeccompMode.filter,
        old_seccomp_filter=3,
    )
    assert thread_mode(core(None, None), old) == (2, 3)
    assert thread_mode(core(1, None), old) == (1, None)
    assert thread_mode(core(None, None), TASK) == (0, None)


@pytest.mark.parametrize(("mode", "number"), [(2, None), (2, 1), (3, None)])
def test_threads_that_name_no_filter_of_the_image_are_refused(
    mode: int, number: int | None
) -> None:
    chains = read_chains(filters((1, None)))
    with pytest.raises(ImageError, match="core-5"):
        plan_confinement({5: core(mode, number)}, TASK, chains)


def test_a_process_without_seccomp_has_no_plan() -> None:
    assert plan_confinement({5: core(0, None)}, TASK, []) is None


def test_each_filter_has_one_place() -> None:
    one, two = bpf(ret(ALLOW)), bpf(ret(LOG), ret(ALLOW))
    assert place_filters([(one, 0), (two, 2), (one, 2)], 4096, 24) == (
        {one: 4096, two: 4104},
        True,
    )
    assert not place_filters([(one, 0), (two, 2)], 4096, 16)[1]
