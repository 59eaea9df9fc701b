"""Which ranges are brought back on huge pages, and how."""

from __future__ import annotations

from pathlib import Path

import pytest

from crtools.abi.ioctl import PAGE_IS_FILE, PAGE_IS_HUGE
from crtools.abi.mman import MAP_HUGETLB
from crtools.errors import ImageError
from crtools.images.messages.crtools_huge import CrtoolsHugeEntry
from crtools.images.messages.vma import VmaEntry
from crtools.images.store import ImageStore
from crtools.kinds.memory import areas, huge, pages
from crtools.kinds.memory.areas import Area
from crtools.kinds.memory.huge import HUGE

Ranges = list[tuple[int, int]]


def vma(start: int, end: int, *, advised: bool = False, status: int = 0) -> VmaEntry:
    return VmaEntry(
        start=start * HUGE,
        end=end * HUGE,
        pgoff=0,
        shmid=0,
        prot=3,
        flags=0x22,
        status=areas.REGULAR | (status or areas.ANON_PRIVATE),
        fd=-1,
        madv=1 << 14 if advised else None,
    )


def area(entry: VmaEntry) -> Area:
    return Area(entry=entry, flags=0, pages=True, lazy=True, readable=True, name=b"", key=0)


def scaled(*ranges: tuple[int, int]) -> Ranges:
    return [(start * HUGE, end * HUGE) for start, end in ranges]


def read(path: Path, ranges: Ranges, vmas: list[VmaEntry]) -> Ranges:
    with ImageStore.create(str(path)) as store:
        entries = [CrtoolsHugeEntry(start=start, end=end) for start, end in ranges]
        store.write("crtools-huge", entries, id=5)
        return list(huge.read_huge(store, 5, vmas))


def test_only_transparent_huge_pages_of_private_memory_are_said_to_be_huge() -> None:
    pool = vma(8, 10)
    pool.flags |= MAP_HUGETLB
    regions = [
        (1 * HUGE, 3 * HUGE, PAGE_IS_HUGE),
        (3 * HUGE, 4 * HUGE, 0),
        (4 * HUGE, 5 * HUGE, PAGE_IS_HUGE | PAGE_IS_FILE),
        (5 * HUGE, 6 * HUGE, PAGE_IS_HUGE),
        (8 * HUGE, 10 * HUGE, PAGE_IS_HUGE),
        (12 * HUGE, 13 * HUGE, PAGE_IS_HUGE),
    ]
    of_file = vma(12, 14, status=areas.FILE_PRIVATE)  # private pages of a file of that pool
    plan = pages.plan_pages([area(vma(1, 7)), area(pool), area(of_file)], regions)
    assert plan.huge == scaled((1, 3), (5, 6))
    # It makes no difference to what is written.
    assert [entry.nr_pages for entry in plan.entries] == [3 * 512, 512, 2 * 512, 512]


def test_ranges_that_follow_each_other_are_one_entry() -> None:
    entries = huge.huge_entries(scaled((1, 2), (2, 4), (5, 6)))
    assert [(entry.start, entry.end) for entry in entries] == scaled((1, 4), (5, 6))


def test_a_range_is_cut_where_an_area_ends(tmp_path: Path) -> None:
    vmas = [vma(1, 3), vma(3, 6), vma(8, 9)]
    assert read(tmp_path, scaled((2, 5), (8, 9)), vmas) == scaled((2, 3), (3, 5), (8, 9))


@pytest.mark.parametrize(
    "ranges",
    [
        [(HUGE + 4096, 2 * HUGE)],
        [(HUGE, 2 * HUGE - 4096)],
        scaled((2, 2)),
        scaled((2, 3), (1, 2)),
        scaled((5, 8)),  # where there is nothing
        scaled((10, 11)),  # of a file
    ],
)
def test_impossible_ranges_are_refused(ranges: Ranges, tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        read(tmp_path, ranges, [vma(1, 6), vma(10, 12, status=areas.FILE_PRIVATE)])


def test_what_is_inherited_is_left_alone_and_advice_tells_the_way() -> None:
    ranges = tuple(scaled((1, 2), (4, 5), (6, 7)))
    advised, others = huge.within(ranges, [vma(4, 5, advised=True), vma(6, 8)])
    assert list(advised) == scaled((4, 5))
    assert list(others) == scaled((6, 7))


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        ("always [madvise] never", True),
        ("[always] madvise never", True),
        ("always madvise [never]", False),
        (None, False),
    ],
)
def test_a_host_without_huge_pages_is_asked_for_none(
    setting: str | None, wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "enabled"
    if setting is not None:
        path.write_text(setting + "\n")
    monkeypatch.setattr(huge, "_SETTING", str(path))
    assert huge.wanted_here() is wanted
