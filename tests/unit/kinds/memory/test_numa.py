"""NUMA policies: what images may say, and what this machine does not take."""

from __future__ import annotations

import pytest

from crtools.agent.program import Program
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.crtools_parts import MemoryPolicyEntry
from crtools.images.messages.vma import VmaEntry
from crtools.kinds.memory import numa
from crtools.kinds.memory.numa import Acceptable, build_areas, check_policies
from crtools.model.shortfall import Shortfalls

BIND, INTERLEAVE, LOCAL = 2, 3, 4
HERE, ELSEWHERE = b"\x01", b"\0" * 100 + b"\x80"


def area(start: int, end: int, mode: int = BIND, nodes: bytes | None = HERE) -> MemoryPolicyEntry:
    return MemoryPolicyEntry(mode=mode, nodes=nodes, start=start, end=end)


def own_policy() -> int:
    program = bytearray(8 + numa.MASK_BYTES)
    at = numa.kernel.address_of(program)
    numa.kernel.raw(numa.SYS_get_mempolicy, at, at + 8, numa.MAX_NODE, 0, 0)
    return int.from_bytes(program[:4], "little")


def test_policy_of_nodes_that_are_not_here_falls_short() -> None:
    shortfalls = Shortfalls(strict=False)
    acceptable = Acceptable(shortfalls)
    for _ in range(2):
        entry = MemoryPolicyEntry(mode=BIND, nodes=ELSEWHERE)
        assert acceptable.but_refused(entry, 5, "task 5 (a)") is None
    assert [str(found.wanted) for found in shortfalls.found] == ["bind (nodes 807)"] * 2
    assert "its nodes are not here" in str(shortfalls.found[0])
    assert own_policy() == 0


def test_policy_of_nodes_that_are_not_here_is_refused_with_strict() -> None:
    acceptable = Acceptable(Shortfalls(strict=True))
    with pytest.raises(RestoreConflict, match="its memory policy of the area 10000-20000"):
        acceptable.but_refused(area(0x10000, 0x20000, INTERLEAVE, ELSEWHERE), 5, "task 5 (a)")


def test_mode_of_a_later_kernel_falls_short() -> None:
    shortfalls = Shortfalls(strict=False)
    entry = MemoryPolicyEntry(mode=77, nodes=HERE)
    assert Acceptable(shortfalls).but_refused(entry, 5, "task 5 (a)") is None
    assert shortfalls.found[0].wanted == "mode 77 (nodes 0)"


def test_policy_that_this_machine_takes_is_kept_and_tried_on_nobody_else() -> None:
    shortfalls = Shortfalls(strict=True)
    acceptable = Acceptable(shortfalls)
    for mode, nodes in ((BIND, HERE), (INTERLEAVE | 0x8000, HERE), (LOCAL, None)):
        entry = MemoryPolicyEntry(mode=mode, nodes=nodes)
        assert acceptable.but_refused(entry, 5, "task 5 (a)") is entry
        assert own_policy() == 0
    assert acceptable.but_refused(None, 5, "task 5 (a)") is None
    assert not shortfalls.found


@pytest.mark.parametrize(
    "entry",
    [
        area(0x1001, 0x3000),
        area(0x1000, 0x3001),
        area(0x3000, 0x3000),
        area(0x1000, 0x2000, nodes=bytes(129)),
        area(0x1000, 0x2000, mode=1 << 16),
        MemoryPolicyEntry(mode=BIND, nodes=HERE),
    ],
)
def test_impossible_policies_of_areas_are_refused(entry: MemoryPolicyEntry) -> None:
    with pytest.raises(ImageError, match="impossible memory policy"):
        check_policies(None, [entry], "task 5 (a)")


def test_policy_of_a_thread_has_no_place() -> None:
    check_policies(MemoryPolicyEntry(mode=BIND, nodes=HERE), [area(0x1000, 0x2000)], "task 5 (a)")


def kept(start: int, end: int, flags: int) -> VmaEntry:
    return VmaEntry(start=start, end=end, pgoff=0, shmid=0, prot=3, flags=flags, status=1, fd=-1)


def test_child_takes_back_what_its_begetter_had_of_its_private_areas_alone() -> None:
    program = Program()
    areas = [kept(0x1000, 0x3000, 2), kept(0x5000, 0x6000, 1), kept(0x8000, 0x9000, 2)]
    inherited = [area(0x2000, 0x3000), area(0x5000, 0x6000)]
    build_areas(lambda need: program, [area(0x8000, 0x9000)], areas, inherited)
    labels = [label() if callable(label) else label for label in program.labels.values()]
    assert [label.rsplit(" ", 1)[1] for label in labels] == ["1000-3000", "8000-9000"]
