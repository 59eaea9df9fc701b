"""What is taken for unchanged, out of what the kernel says of pages."""

from __future__ import annotations

import mmap
import os
import random

import pytest

from crtools.abi.ioctl import (
    PAGE_IS_FILE,
    PAGE_IS_GUARD,
    PAGE_IS_PFNZERO,
    PAGE_IS_PRESENT,
    PAGE_IS_SOFT_DIRTY,
    PAGE_IS_WRITTEN,
)
from crtools.abi.kernel import PAGE, address_of
from crtools.changes import SOFT_DIRTY, USERFAULTFD, find_method, probe_userfaultfd
from crtools.images.messages.pagemap import PagemapEntry
from crtools.kinds.memory import tracking
from crtools.kinds.memory.pages import PagePlan, Run, plan_pages
from crtools.kinds.memory.scan import UNCHANGED
from crtools.kinds.memory.tracking import (
    Tracker,
    collect_trackable,
    intersect,
    mark_unchanged,
    merge,
    outside,
)
from crtools.procfs.maps import parse_maps
from crtools.procfs.pagemap import PM_PRESENT, PM_SOFT_DIRTY, parse_pagemap


def pages(*regions: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    return [(start * PAGE, end * PAGE, what) for start, end, what in regions]


def ranges(*pairs: tuple[int, int]) -> list[tuple[int, int]]:
    return [(start * PAGE, end * PAGE) for start, end in pairs]


def test_unchanged_is_what_was_followed_and_the_parent_has() -> None:
    found = mark_unchanged(
        pages((0, 10, 0), (10, 12, PAGE_IS_WRITTEN), (20, 30, 0)),
        USERFAULTFD,
        intersect(ranges((2, 25)), ranges((0, 5), (7, 11), (22, 40))),
    )
    assert found == pages(
        *((0, 2, 0), (2, 5, UNCHANGED), (5, 7, 0), (7, 10, UNCHANGED), (10, 12, 0)),
        *((20, 22, 0), (22, 25, UNCHANGED), (25, 30, 0)),
    )


@pytest.mark.parametrize("what", [PAGE_IS_FILE, PAGE_IS_PFNZERO, PAGE_IS_GUARD])
def test_what_is_no_page_of_its_own_is_never_in_the_parent(what: int) -> None:
    regions = pages((0, 4, what))
    assert mark_unchanged(regions, USERFAULTFD, ranges((0, 4))) == regions


@pytest.mark.parametrize(
    ("method", "changed"), [(USERFAULTFD, PAGE_IS_WRITTEN), (SOFT_DIRTY, PAGE_IS_SOFT_DIRTY)]
)
def test_each_method_has_a_bit_of_its_own(method: int, changed: int) -> None:
    regions = pages((0, 1, changed), (1, 2, 0))
    found = mark_unchanged(regions, method, ranges((0, 2)))
    assert found == pages((0, 1, 0), (1, 2, UNCHANGED))


def test_words_of_pagemap_say_what_soft_dirty_bits_do() -> None:
    words = [PM_PRESENT | PM_SOFT_DIRTY, PM_PRESENT, 0, PM_SOFT_DIRTY, PM_PRESENT]
    regions = parse_pagemap(b"".join([word.to_bytes(8, "little") for word in words]), 0)
    found = mark_unchanged(regions, SOFT_DIRTY, ranges((0, 5)))
    there, same = PAGE_IS_PRESENT, PAGE_IS_PRESENT | UNCHANGED
    assert found == pages((0, 1, there), (1, 2, same), (4, 5, same))


def test_marking_agrees_with_looking_at_each_page() -> None:
    chosen = random.Random(1)

    def some() -> list[tuple[int, int]]:
        at, found = 0, []
        while at < 60:
            start = at + chosen.randrange(3)
            at = start + 1 + chosen.randrange(6)
            found.append((start, at))
        return found

    for _ in range(300):
        there, known, parent = some(), some(), some()
        regions = pages(*[(a, b, chosen.choice((0, PAGE_IS_WRITTEN))) for a, b in there])
        there = intersect(merge(ranges(*known)), merge(ranges(*parent)))
        found = mark_unchanged(regions, USERFAULTFD, there)
        assert merge([(a, b) for a, b, _ in found]) == merge([(a, b) for a, b, _ in regions])
        expected = {
            page
            for a, b, what in regions
            for page in range(a, b, PAGE)
            if not what
            and any(x * PAGE <= page < y * PAGE for x, y in known)
            and any(x * PAGE <= page < y * PAGE for x, y in parent)
        }
        assert expected == {
            page for a, b, what in found if what == UNCHANGED for page in range(a, b, PAGE)
        }
        both = merge(intersect(merge(ranges(*known)), merge(ranges(*parent))))
        left = merge(outside(merge(ranges(*known)), merge(ranges(*parent))))
        assert merge(both + left) == merge(ranges(*known))
        assert not intersect(both, left)


MAPS = b"""\
55d0c0000000-55d0c0001000 r--p 00000000 fe:00 12 /bin/program
55d0c0001000-55d0c0002000 r-xp 00001000 fe:00 12 /bin/program
55d0c0002000-55d0c0003000 rw-p 00002000 fe:00 12 /bin/program
55d0c1000000-55d0c1100000 rw-p 00000000 00:00 0 [heap]
7f0000000000-7f0000100000 ---p 00000000 00:00 0
7f0000100000-7f0000200000 rw-s 00000000 00:01 13 /dev/zero (deleted)
7f0000200000-7f0000300000 rwxp 00000000 00:00 0
7f0000300000-7f0000301000 r-xp 00000000 00:00 0
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]
7ffd00100000-7ffd00104000 r--p 00000000 00:00 0 [vvar]
7ffd00104000-7ffd00106000 r-xp 00000000 00:00 0 [vdso]
"""


class _Status:
    def __init__(self, vm_pinned: int | None) -> None:
        self.vm_pinned = vm_pinned


def test_private_memory_that_can_change_is_followed() -> None:
    found = collect_trackable(_Status(0), parse_maps(MAPS))  # type: ignore[arg-type]
    starts = [0x55D0C0002000, 0x55D0C1000000, 0x7F0000000000, 0x7F0000200000, 0x7FFD00000000]
    assert [vma.start for vma in found] == starts


@pytest.mark.parametrize("path", [b"/[aio] (deleted)", b"anon_inode:[io_uring]"])
def test_nothing_is_followed_beside_a_ring(path: bytes) -> None:
    maps = b"7f0000000000-7f0000001000 rw-s 00000000 00:0e 77 %s\n" % path + MAPS
    lines = sorted(maps.splitlines(keepends=True), key=lambda line: int(line.split(b"-")[0], 16))
    assert collect_trackable(_Status(0), parse_maps(b"".join(lines))) == []  # type: ignore[arg-type]


def test_nothing_is_followed_of_who_has_pinned_memory() -> None:
    assert collect_trackable(_Status(4096), parse_maps(MAPS)) == []  # type: ignore[arg-type]


def test_soft_dirty_bits_are_cleared_by_the_process_file(tmp_path, monkeypatch) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "clear_refs").touch()
    proc = os.open(tmp_path, os.O_RDONLY)
    try:
        tracker = Tracker(SOFT_DIRTY)
        tracker.attach(-1, collect_trackable(_Status(0), parse_maps(MAPS)))  # type: ignore[arg-type]
        assert tracker.arm(proc, 7, -1, []) == 0
    finally:
        os.close(proc)
    assert (tmp_path / "7" / "clear_refs").read_text() == "4"
    assert tracker.runs[1] == (0x55D0C1000000, 0x55D0C1100000)


def test_soft_dirty_regions_are_asked_for_by_their_category(monkeypatch) -> None:
    asked = []

    def read(fd, start, end, **how):
        asked.append(how)
        return iter([(start, start + PAGE, PAGE_IS_SOFT_DIRTY), (start + PAGE, end, 0)])

    monkeypatch.setattr(tracking, "read_page_regions", read)
    tracker = Tracker(SOFT_DIRTY, parent=[(0, 1 << 50)])
    tracker.attach(-1, collect_trackable(_Status(0), parse_maps(MAPS)))  # type: ignore[arg-type]
    start, end = 0x55D0C1000000, 0x55D0C1100000
    found = tracker.scan(-1, [(start, end)])
    assert found == [(start, start + PAGE, 0), (start + PAGE, end, UNCHANGED)]
    assert asked[0]["return_mask"] & PAGE_IS_SOFT_DIRTY
    assert not asked[0]["return_mask"] & PAGE_IS_FILE  # a large anonymous area


@pytest.mark.skipif(bool(probe_userfaultfd()), reason="needs userfaultfd's WP_ASYNC")
def test_the_kernel_follows_what_is_written() -> None:
    assert find_method() in (USERFAULTFD, SOFT_DIRTY)
    with mmap.mmap(-1, 64 * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        start = address_of(memory)
        memory[: 16 * PAGE] = b"x" * (16 * PAGE)
        uffd = _make()
        tracker = Tracker(USERFAULTFD, uffd, [(0, 1 << 47)])
        vmas = [v for v in parse_maps(_own_maps()) if v.start <= start < v.end]
        proc = os.open("/proc", os.O_RDONLY)
        pagemap = os.open("/proc/self/pagemap", os.O_RDONLY)
        try:
            tracker.attach(pagemap, vmas)
            assert tracker.arm(proc, os.getpid(), pagemap, vmas) == 0
            memory[3 * PAGE] = 1
            memory[20 * PAGE] = 1
            tracker.attach(
                pagemap, [v for v in parse_maps(_own_maps()) if v.start <= start < v.end]
            )
            found = tracker.scan(pagemap, [(start, start + 64 * PAGE)])
        finally:
            os.close(pagemap)
            os.close(proc)
            tracker.close()
        first = start // PAGE
        there, same = PAGE_IS_PRESENT, PAGE_IS_PRESENT | UNCHANGED
        assert [(a // PAGE - first, b // PAGE - first, what) for a, b, what in found] == [
            *((0, 3, same), (3, 4, there), (4, 16, same), (20, 21, there)),
        ]


def _own_maps() -> bytes:
    with open("/proc/self/maps", "rb") as file:
        return file.read()


def _make() -> int:
    from crtools.abi.kernel import checked
    from crtools.abi.x86_64 import SYS_userfaultfd
    from crtools.changes import USER_MODE_ONLY

    uffd = checked(SYS_userfaultfd, os.O_CLOEXEC | USER_MODE_ONLY)
    assert tracking.set_features(uffd) == 0
    return uffd


def test_unchanged_pages_are_entries_without_pages() -> None:
    class _Entry:
        start, end, status, flags = 0, 8 * PAGE, 1 << 9, 0

    class _Area:
        entry, pages, lazy, readable = _Entry, True, False, True

    plan = plan_pages([_Area], pages((0, 2, 0), (2, 5, UNCHANGED), (5, 8, 0)))  # type: ignore[list-item]
    assert isinstance(plan, PagePlan)
    assert plan.entries == [
        PagemapEntry(vaddr=0, compat_nr_pages=0, flags=4, nr_pages=2),
        PagemapEntry(vaddr=2 * PAGE, compat_nr_pages=0, flags=1, nr_pages=3),
        PagemapEntry(vaddr=5 * PAGE, compat_nr_pages=0, flags=4, nr_pages=3),
    ]
    pieces = [(0, 2 * PAGE), (5 * PAGE, 3 * PAGE)]
    assert plan.runs == [Run(offset=0, by_task=True, pieces=pieces)]
    assert plan.end == 5 * PAGE
