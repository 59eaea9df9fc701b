"""Protection keys, which this CPU may lack: what a kernel that has them would be told."""

from __future__ import annotations

import errno

import pytest

from crtools.abi.mman import PROT_EXEC, PROT_READ, PROT_WRITE
from crtools.agent.program import INSN, INSN_BYTES, Program
from crtools.errors import ImageError, InternalError
from crtools.images.messages.crtools_parts import AreaKeyEntry
from crtools.images.messages.vma import VmaEntry
from crtools.kinds.memory.keys import (
    KEYS,
    KeysPlan,
    SYS_pkey_alloc,
    SYS_pkey_free,
    SYS_pkey_mprotect,
    allocated_keys,
    ask_keys,
)
from crtools.kinds.memory.layout import working_protection

RW = PROT_READ | PROT_WRITE
SYS_mprotect = 10


def area(start: int, prot: int = RW) -> VmaEntry:
    return VmaEntry(
        start=start, end=start + 0x1000, pgoff=0, shmid=0, prot=prot, flags=0x22, status=1, fd=-1
    )


AREAS = [area(0x10000), area(0x20000), area(0x30000, PROT_EXEC), area(0x40000, PROT_EXEC)]


def calls(program: Program) -> list[tuple[int, ...]]:
    """(number, arguments...) of each instruction."""
    found = []
    for at in range(0, len(program.code), INSN_BYTES):
        insn = INSN.unpack_from(program.code, at)
        found.append((insn[0], *insn[6:12]))
    return found


class Kernel:
    """A process's keys, as arch/x86/include/asm/pkeys.h and arch/x86/mm/pkeys.c have them."""

    def __init__(self) -> None:
        self.map = 1
        self.exec_only = -1
        self.areas: dict[int, int] = {}

    def allocate(self) -> int:
        key = next(key for key in range(KEYS) if not self.map >> key & 1)
        self.map |= 1 << key
        return key

    def is_allocated(self, key: int) -> bool:
        return key != self.exec_only and bool(self.map >> key & 1)

    def mprotect(self, start: int, prot: int) -> None:
        if prot == PROT_EXEC:
            if self.exec_only < 0:
                self.exec_only = self.allocate()
            self.areas[start] = self.exec_only

    def run(self, program: Program) -> None:
        for nr, *args in calls(program):
            if nr == SYS_pkey_alloc:
                self.allocate()
            elif nr == SYS_pkey_free:
                if self.is_allocated(args[0]):
                    self.map &= ~(1 << args[0])
            elif nr == SYS_pkey_mprotect:
                assert self.is_allocated(args[3])
                self.areas[args[0]] = args[3]


def restored(keys: int | None, *entries: tuple[int, int]) -> Kernel:
    """A process after its protections were restored with this image."""
    kernel = Kernel()
    plan = KeysPlan(keys, [AreaKeyEntry(start=s, key=k) for s, k in entries], AREAS, "task 1 (x)")
    before, after = Program(), Program()
    plan.build_before(before)
    kernel.run(before)
    for vma in AREAS[: 4 if plan.kernels else 2]:
        kernel.mprotect(vma.start, vma.prot)
    plan.build_after(after, AREAS)
    kernel.run(after)
    return kernel


@pytest.mark.parametrize("keys", [0b1, 0b111, 0b1010_0000_0000_0001, 0xFFFF, 0b1000, 0])
def test_just_those_keys_are_allocated(keys):
    kernel = restored(keys)
    assert kernel.map == keys
    assert kernel.areas == {}


def test_areas_have_their_keys():
    kernel = restored(0b10011, (0x10000, 4), (0x20000, 1))
    assert kernel.areas == {0x10000: 4, 0x20000: 1}
    assert kernel.map == 0b10011


def test_an_area_keeps_a_key_that_was_freed():
    kernel = restored(0b1, (0x10000, 7))
    assert kernel.areas == {0x10000: 7}
    assert kernel.map == 1


@pytest.mark.parametrize("own", [1, 2, 9, 15])
def test_the_kernels_key_is_the_same_again(own):
    kernel = restored(0b1001, (0x10000, 3), (0x30000, own), (0x40000, own))
    assert kernel.exec_only == own
    assert kernel.areas == {0x10000: 3, 0x30000: own, 0x40000: own}
    assert kernel.map == 0b1001 | 1 << own


def test_code_with_a_key_of_the_programs_own_keeps_it():
    kernel = restored(0b101, (0x30000, 2))
    assert kernel.areas == {0x30000: 2}
    assert kernel.exec_only == -1


def test_a_cpu_without_keys_is_asked_for_none_where_only_the_kernel_used_one():
    plan = KeysPlan(None, [AreaKeyEntry(start=0x30000, key=1)], AREAS, "task 1 (x)")
    program = Program()
    plan.build_before(program)
    plan.build_after(program, AREAS)
    assert program.count == 0


def test_memory_that_can_be_executed_only_becomes_so_last():
    assert working_protection(AREAS[2], False) == PROT_EXEC | PROT_READ
    assert working_protection(AREAS[2], True) == PROT_EXEC | RW


@pytest.mark.parametrize(
    ("keys", "entries"),
    [
        (1, [(0x50000, 1)]),  # no area
        (1, [(0x10000, 0)]),
        (1, [(0x10000, 16)]),
        (1 << 16 | 1, [(0x10000, 1)]),
        (1, [(0x30000, 1), (0x40000, 2)]),  # the kernel has one
    ],
)
def test_impossible_keys_are_refused(keys, entries):
    with pytest.raises(ImageError):
        KeysPlan(keys, [AreaKeyEntry(start=s, key=k) for s, k in entries], AREAS, "task 1 (x)")


class Answers:
    def __init__(self, values: list[int]) -> None:
        self.values = values

    def result(self, ref: tuple[int, int]) -> int:
        return self.values[ref[1]]


def test_a_key_is_allocated_where_only_the_memory_is_missing():
    asked = ask_keys(Program())
    values = [-errno.EINVAL] * KEYS
    values[0] = values[5] = -errno.ENOMEM
    assert allocated_keys(Answers(values), asked) == 1 << 5 | 1
    values[3] = 0
    with pytest.raises(InternalError):
        allocated_keys(Answers(values), asked)


def test_the_question_changes_nothing_and_is_answered_here_too():
    from crtools.abi.kernel import has_protection_keys, raw

    program = Program()
    ask_keys(program)
    answers = [raw(*call[:5]) for call in calls(program)]
    if answers[0] == -errno.ENOSYS:
        pytest.skip("this kernel has no protection keys")
    allowed = {-errno.ENOMEM, -errno.EINVAL}
    assert set(answers) <= allowed
    assert (answers[0] == -errno.ENOMEM) is has_protection_keys()
