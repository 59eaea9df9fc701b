"""Which pages are left out as zeros, out of what the process has found of them."""

from __future__ import annotations

import os
import random

from crtools.abi.ioctl import (
    PAGE_IS_FILE,
    PAGE_IS_GUARD,
    PAGE_IS_HUGE,
    PAGE_IS_PFNZERO,
    PAGE_IS_PRESENT,
)
from crtools.abi.kernel import PAGE, Shared, address_of, find_zeros
from crtools.abi.mman import MAP_ANONYMOUS, MAP_HUGETLB, MAP_PRIVATE, PROT_READ, PROT_WRITE
from crtools.images.messages.vma import VmaEntry
from crtools.kinds.memory import areas as kinds
from crtools.kinds.memory import zeros
from crtools.kinds.memory.areas import Area
from crtools.kinds.memory.pages import ZEROS_WORTH
from crtools.kinds.memory.scan import UNCHANGED

MANY_PAGES = ZEROS_WORTH // PAGE


def ranges(*pairs: tuple[int, int]) -> list[tuple[int, int]]:
    return [(start * PAGE, end * PAGE) for start, end in pairs]


def area(start: int, end: int, status: int = kinds.ANON_PRIVATE, **more: object) -> Area:
    facts = {"flags": MAP_PRIVATE | MAP_ANONYMOUS, "readable": True, "pages": True, **more}
    return Area(
        entry=VmaEntry(
            start=start * PAGE,
            end=end * PAGE,
            pgoff=0,
            shmid=0,
            prot=PROT_READ | PROT_WRITE,
            flags=facts["flags"],
            status=kinds.REGULAR | status,
            fd=-1,
        ),
        flags=0,
        pages=facts["pages"],
        lazy=False,
        readable=facts["readable"],
        name=b"",
        key=0,
    )


def looked_at(areas: list[Area], *regions: tuple[int, int, int]) -> list[tuple[int, int]]:
    found = zeros._worth_a_look(areas, [(a * PAGE, b * PAGE, what) for a, b, what in regions])
    return [(a // PAGE, b // PAGE) for a, b in found]


def test_bits_are_runs_of_pages_in_their_ranges() -> None:
    chosen = random.Random(3)
    for _ in range(200):
        some, at = [], 0
        for _ in range(chosen.randrange(1, 6)):
            start = at + chosen.randrange(1, 4)
            at = start + chosen.randrange(1, 12)
            some.append((start, at))
        pages = [page for start, end in some for page in range(start, end)]
        zero = {page for page in pages if chosen.randrange(2)}
        bits = bytearray(-(-len(pages) // 8))
        for number, page in enumerate(pages):
            bits[number // 8] |= (page in zero) << number % 8
        found = zeros.parse_bits(bits, ranges(*some))
        assert {page for a, b in found for page in range(a // PAGE, b // PAGE)} == zero
        assert all(any(a <= x and y <= b for a, b in ranges(*some)) for x, y in found)


def test_marking_agrees_with_looking_at_each_page() -> None:
    chosen = random.Random(4)
    for _ in range(200):
        regions, runs, at = [], [], 0
        while at < 60:
            start = at + chosen.randrange(2)
            at = start + chosen.randrange(1, 9)
            regions.append((start * PAGE, at * PAGE, chosen.choice((0, PAGE_IS_HUGE))))
        pages = {page: what for a, b, what in regions for page in range(a // PAGE, b // PAGE)}
        for page in sorted(pages):
            if chosen.randrange(3) == 0:
                if runs and runs[-1][1] == page * PAGE and chosen.randrange(2):
                    runs[-1] = runs[-1][0], (page + 1) * PAGE
                else:
                    runs.append((page * PAGE, (page + 1) * PAGE))
        zero = {page for a, b in runs for page in range(a // PAGE, b // PAGE)}
        marked = zeros.mark(regions, runs)
        assert [a for a, _, _ in marked] == sorted(a for a, _, _ in marked)
        told = {page: what for a, b, what in marked for page in range(a // PAGE, b // PAGE)}
        assert told == {
            page: what | (PAGE_IS_PFNZERO if page in zero else 0) for page, what in pages.items()
        }


def test_only_pages_of_anonymous_memory_that_are_there_are_looked_at() -> None:
    there, many = PAGE_IS_PRESENT, MANY_PAGES
    plain = area(0, 2 * many)
    assert looked_at([plain], (0, many, there)) == [(0, many)]
    assert looked_at([plain], (0, many, there | PAGE_IS_HUGE)) == [(0, many)]
    # Too few to be worth it; swapped out or broken; and what would not be written anyway.
    assert not looked_at([plain], (0, many - 1, there))
    assert not looked_at([plain], (0, many, 0))
    for other in (PAGE_IS_FILE, PAGE_IS_GUARD, PAGE_IS_PFNZERO, UNCHANGED):
        assert not looked_at([plain], (0, many, there | other))
    for odd in (
        area(0, many, kinds.FILE_PRIVATE),
        area(0, many, kinds.FILE_PRIVATE | kinds.MEMFD),
        area(0, many, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB),
        area(0, many, readable=False),
        area(0, many, kinds.ANON_PRIVATE | kinds.VDSO, pages=False),
    ):
        assert not looked_at([odd], (0, many, there))
    both = [area(0, many, kinds.FILE_PRIVATE), area(many, 3 * many)]
    assert looked_at(both, (0, 2 * many, there)) == [(many, 2 * many)]


def test_of_many_runs_only_long_ones_are_left_out() -> None:
    few = ranges(*[(2 * at, 2 * at + 1) for at in range(zeros.MANY)])
    assert zeros.few_runs(few) == few
    long = ranges((10_000, 10_000 + zeros.LONG))
    assert zeros.few_runs(few + ranges((9_000, 9_000 + zeros.LONG - 1)) + long) == long


def test_the_tool_finds_zeros_in_what_it_has_read() -> None:
    fd = os.memfd_create("pages")
    try:
        os.ftruncate(fd, 20 * PAGE)
        shared = Shared(fd, 20 * PAGE)
    finally:
        os.close(fd)
    try:
        shared.memory[3 * PAGE] = 1
        shared.memory[7 * PAGE - 1] = 1
        shared.memory[19 * PAGE + 2048] = 1
        bits = bytearray(3)
        assert find_zeros(shared.address, 20, address_of(bits)) == 17
        assert int.from_bytes(bits, "little") == (1 << 20) - 1 - (1 << 3) - (1 << 6) - (1 << 19)
    finally:
        shared.close()
