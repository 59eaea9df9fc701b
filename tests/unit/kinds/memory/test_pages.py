"""The plan of a pages file: the same whether it is made at once or in portions."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from crtools.abi.ioctl import PAGE_IS_FILE, PAGE_IS_PFNZERO
from crtools.images.messages.vma import VmaEntry
from crtools.kinds.memory import areas, pages
from crtools.kinds.memory.areas import Area

PAGE = 4096


def area(start: int, count: int, *, own: bool, readable: bool, vdso: bool) -> Area:
    entry = VmaEntry(
        start=start,
        end=start + count * PAGE,
        pgoff=0,
        shmid=0,
        prot=3,
        flags=0x22,
        status=areas.REGULAR | (areas.VDSO if vdso else areas.ANON_PRIVATE),
        fd=-1,
    )
    return Area(
        entry=entry, flags=0, pages=own and not vdso, lazy=True, readable=readable, name=b"", key=0
    )


@st.composite
def spaces(draw: st.DrawFn) -> tuple[list[Area], list[tuple[int, int, int]]]:
    """Areas, and the regions of resident pages in all of them."""
    found, regions, at = [], [], 0x10000
    for _ in range(draw(st.integers(0, 6))):
        at += draw(st.integers(0, 3)) * PAGE
        count = draw(st.integers(1, 40))
        vdso = draw(st.integers(0, 9)) == 0
        found.append(
            area(at, count, own=draw(st.booleans()), readable=draw(st.booleans()), vdso=vdso)
        )
        page = at
        while page < at + count * PAGE:
            page += draw(st.integers(0, 3)) * PAGE
            end = min(page + draw(st.integers(1, 20)) * PAGE, at + count * PAGE)
            if page < end:
                kind = draw(st.sampled_from((0, PAGE_IS_FILE, PAGE_IS_PFNZERO)))
                regions.append((page, end, kind))
            page = end
        at += count * PAGE
    return found, regions


def within(
    regions: list[tuple[int, int, int]], spans: list[tuple[int, int]]
) -> list[tuple[int, int, int]]:
    """What a scan from the first to the last address of the spans says."""
    if not spans:
        return []
    first, last = spans[0][0], spans[-1][1]
    clipped = [(max(s, first), min(e, last), kind) for s, e, kind in regions]
    return [region for region in clipped if region[0] < region[1]]


def flat(runs: list[pages.Run]) -> list[tuple[int, int, bool]]:
    """Of each page its place in the file, its address, and who writes it."""
    said = []
    for run in runs:
        offset = run.offset
        for start, length in run.pieces:
            for at in range(0, length, PAGE):
                said.append((offset + at, start + at, run.by_task))
            offset += length
    return said


@given(spaces(), st.integers(1, 9), st.integers(1, 20))
def test_portions_write_what_one_plan_writes(
    space: tuple[list[Area], list[tuple[int, int, int]]], first: int, portion: int
) -> None:
    found, regions = space
    whole = pages.plan_pages(found, regions)
    keep = pages._FIRST, pages._PORTION
    pages._FIRST, pages._PORTION = first * PAGE, portion * PAGE
    try:
        portions = pages.plan_portions(found)
    finally:
        pages._FIRST, pages._PORTION = keep
    runs, seen, offset = [], [], 0
    scans = [(some.spans[0][0], some.spans[-1][1]) for some in portions if some.spans]
    assert all(last[1] == next[0] for last, next in itertools.pairwise(scans)), "a gap"
    for some in portions:
        seen += within(regions, some.spans)
        plan = pages.plan_pages(some.areas, within(regions, some.spans), offset)
        assert sum(length for run in plan.runs for _, length in run.pieces) == plan.end - offset
        offset = plan.end
        runs += plan.runs
    assert flat(runs) == flat(whole.runs)
    assert offset == whole.end
    assert pages.plan_pages(found, seen).entries == whole.entries


def test_a_portion_is_no_larger_than_its_limit() -> None:
    huge = area(0x10000, 1 << 20, own=True, readable=True, vdso=False)
    sizes = [sum(e - s for s, e in portion.spans) for portion in pages.plan_portions([huge])]
    assert sizes[0] == pages._FIRST
    assert all(size <= pages._PORTION for size in sizes)
    assert sum(sizes) == 1 << 32


def test_reserved_terabytes_are_few_portions() -> None:
    reserved = area(0x7FFF8000, 20 << 28, own=True, readable=True, vdso=False)
    portions = pages.plan_portions([reserved])
    assert len(portions) < 100
    assert sum(e - s for portion in portions for s, e in portion.spans) == 20 << 40
