"""Guard pages and seals, as images have them: what is read is checked."""

from __future__ import annotations

import pytest

from crtools.agent.program import Program
from crtools.errors import ImageError
from crtools.images.messages.vma import VmaEntry
from crtools.kinds.memory.marks import build_seals, guard_entries, read_guards


def area(start: int, end: int, status: int = 1) -> VmaEntry:
    return VmaEntry(
        start=start, end=end, pgoff=0, shmid=0, prot=3, flags=0x22, status=status, fd=-1
    )


AREAS = [area(0x10000, 0x20000), area(0x20000, 0x30000), area(0x40000, 0x50000)]


def test_guard_pages_are_read_by_area_whatever_their_order() -> None:
    guards = guard_entries([(0x4F000, 0x50000), (0x1F000, 0x22000), (0x10000, 0x11000)])
    assert read_guards(1, guards, AREAS) == {
        0x10000: [(0x10000, 0x11000), (0x1F000, 0x20000)],
        0x20000: [(0x20000, 0x22000)],
        0x40000: [(0x4F000, 0x50000)],
    }


@pytest.mark.parametrize(
    "guard", [(0xF000, 0x11000), (0x2F000, 0x31000), (0x4F000, 0x51000), (0x10000, 0x10800)]
)
def test_guard_pages_outside_of_areas_are_no_images(guard: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="guard pages at"):
        read_guards(1, guard_entries([guard]), AREAS)


def test_a_seal_of_no_area_is_no_image() -> None:
    with pytest.raises(ImageError, match="a seal at 11000"):
        build_seals(lambda _: Program(), 1, AREAS, [0x11000])
