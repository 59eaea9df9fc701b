"""Pages found by their frames: in words as /proc/PID/pagemap has them, from files of our own."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.errors import ImageError
from crtools.images.messages.crtools_pages import CrtoolsPagesEntry
from crtools.images.store import ImageStore
from crtools.kinds.memory import frames
from crtools.kinds.memory.content import FILE_SHIFT, Content
from crtools.kinds.memory.frames import Elsewhere, Frames, subtract, without_inherited
from crtools.procfs.pagemap import PM_FILE, PM_MMAP_EXCLUSIVE, PM_PRESENT, PM_SWAP

PAGE = 4096


class Pagemap:
    """Words of pages from address 0 on; 0: no page."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT)

    def set(self, first: int, words: list[int]) -> None:
        os.pwrite(self.fd, struct.pack(f"<{len(words)}Q", *words), first * 8)


@pytest.fixture
def maps(tmp_path: Path) -> Iterator[list[Pagemap]]:
    made = [Pagemap(tmp_path / str(number)) for number in range(2)]
    yield made
    for one in made:
        os.close(one.fd)


def shared(frame: int) -> int:
    return PM_PRESENT | frame


def run(first: int, count: int, place: int) -> tuple[int, int, int]:
    return first * PAGE, (first + count) * PAGE, place


def test_pages_are_found_at_any_address_and_make_runs(maps: list[Pagemap]) -> None:
    ours, theirs = maps
    ours.set(10, [shared(frame) for frame in range(700, 710)])
    theirs.set(90, [shared(708), shared(709), shared(1), shared(700), shared(702)])
    with Frames() as table:
        assert table.add(ours.fd, [run(10, 4, 0), run(14, 6, 1 << 40)]) == 10
        found = table.find(theirs.fd, [(90 * PAGE, 95 * PAGE)])
    assert found == [run(90, 2, (1 << 40) + 4), run(93, 1, 0), run(94, 1, 2)]


def test_only_pages_that_can_be_shared_are_noted_and_looked_up(maps: list[Pagemap]) -> None:
    ours, theirs = maps
    place_in_swap, being_moved = 5 | 77 << 5, 30 | 77 << 5
    words = [
        shared(7) | PM_MMAP_EXCLUSIVE,
        shared(8) | PM_FILE,
        shared(0),  # whoever may not know frames is told this one
        PM_SWAP | place_in_swap,
        PM_SWAP | being_moved,
        0,
    ]
    ours.set(0, words)
    theirs.set(0, words)
    with Frames() as table:
        assert table.add(ours.fd, [run(0, 6, 0)]) == 1
        assert table.find(theirs.fd, [(0, 6 * PAGE)]) == [run(3, 1, 3)]
        # A frame of that number is another thing than that place in swap.
        theirs.set(3, [shared(place_in_swap)])
        assert table.find(theirs.fd, [(0, 6 * PAGE)]) == []


def test_a_page_that_was_moved_meanwhile_is_noticed(maps: list[Pagemap]) -> None:
    ours = maps[0]
    ours.set(4, [shared(frame) for frame in (70, 71, 72)])
    with Frames() as table:
        noted = table.add(ours.fd, [run(4, 3, 9)])
        assert table.hold(ours.fd, [run(4, 3, 9)], noted)
        ours.set(5, [shared(99)])
        assert not table.hold(ours.fd, [run(4, 3, 9)], noted)
        # Two pages that change places are not where they were either.
        ours.set(4, [shared(71), shared(70)])
        assert not table.hold(ours.fd, [run(4, 3, 9)], noted)


def test_a_table_grows_and_batches_end_anywhere(maps: list[Pagemap]) -> None:
    ours, theirs = maps
    count = 3 * frames._BATCH + 5
    ours.set(0, [shared(frame + 1) for frame in range(count)])
    theirs.set(1000, [shared(frame + 1) for frame in range(count)])
    with Frames() as table:
        assert table.add(ours.fd, [run(0, count, 0)]) == count
        ranges = [(1000 * PAGE, 1003 * PAGE), (1003 * PAGE, (1000 + count) * PAGE)]
        found = table.find(theirs.fd, ranges)
    places = [place + page for start, end, place in found for page in range((end - start) // PAGE)]
    assert places == list(range(count))
    assert len(found) < 10


def test_a_process_that_has_ended_is_an_error(maps: list[Pagemap]) -> None:
    with Frames() as table, pytest.raises(OSError, match="Input/output"):
        table.find(maps[0].fd, [(0, PAGE)])  # nothing to be read


Pieces = list[tuple[int, int]]


@st.composite
def pieces(draw: st.DrawFn) -> Pieces:
    made, at = [], 0
    for _ in range(draw(st.integers(0, 6))):
        start = at + draw(st.integers(0, 4))
        at = start + draw(st.integers(1, 6))
        made.append((start, at))
    return made


def flat(some: Pieces) -> set[int]:
    return {page for start, end in some for page in range(start, end)}


@given(pieces(), pieces())
def test_what_is_subtracted_is_gone_and_nothing_else(whole: Pieces, less: Pieces) -> None:
    left = subtract([(a, b, 3) for a, b in whole], [(a, b, 0) for a, b in less])
    assert flat([(a, b) for a, b, _ in left]) == flat(whole) - flat(less)
    assert all(a < b and what == 3 for a, b, what in left)
    assert left == sorted(left)


def test_what_the_begetter_has_from_the_same_place_is_not_read_again() -> None:
    other = 1 << FILE_SHIFT
    theirs = [
        Content(start=0, end=4 * PAGE, offset=0),
        Content(start=4 * PAGE, end=8 * PAGE, offset=1 << 20),
    ]
    ours = [
        Content(start=PAGE, end=3 * PAGE, offset=other + PAGE),  # the same pages
        Content(start=3 * PAGE, end=6 * PAGE, offset=other + 3 * PAGE),  # the first of them
        Content(start=6 * PAGE, end=7 * PAGE, offset=(1 << 20) + 2 * PAGE),  # of another file
    ]
    left = without_inherited(ours, ("pages-2.img", "pages-1.img"), theirs, ("pages-1.img",))
    assert left == [
        Content(start=4 * PAGE, end=6 * PAGE, offset=other + 4 * PAGE),
        Content(start=6 * PAGE, end=7 * PAGE, offset=(1 << 20) + 2 * PAGE),
    ]


def entry(page: int, count: int, file: int, at: int) -> CrtoolsPagesEntry:
    return CrtoolsPagesEntry(vaddr=page * PAGE, nr_pages=count, pages_id=file, page=at)


def read(path: Path, *entries: CrtoolsPagesEntry) -> Elsewhere:
    with ImageStore.create(str(path)) as store:
        store.write("crtools-pages", list(entries), id=5)
        return Elsewhere(store, 5)


def test_pages_are_found_in_the_files_that_the_image_names(tmp_path: Path) -> None:
    found = read(tmp_path, entry(1, 4, 9, 100), entry(5, 2, 3, 0), entry(7, 1, 9, 7))
    assert found.names == ["pages-9.img", "pages-3.img"]
    assert found.find(2 * PAGE, 8 * PAGE) == [
        Content(start=2 * PAGE, end=5 * PAGE, offset=1 << FILE_SHIFT | 101 * PAGE),
        Content(start=5 * PAGE, end=7 * PAGE, offset=2 << FILE_SHIFT),
        Content(start=7 * PAGE, end=8 * PAGE, offset=1 << FILE_SHIFT | 7 * PAGE),
    ]


@pytest.mark.parametrize("start", [0, 6, 9])
def test_a_page_that_the_image_does_not_name_is_an_error(start: int, tmp_path: Path) -> None:
    found = read(tmp_path, entry(1, 4, 9, 100), entry(7, 1, 9, 7))
    with pytest.raises(ImageError, match="does not say where the page"):
        found.find(start * PAGE, (start + 2) * PAGE)


@pytest.mark.parametrize(
    "bad",
    [
        (entry(5, 1, 1, 0), entry(5, 1, 1, 0)),  # twice
        (entry(5, 0, 1, 0),),  # none
        (entry(1 << 45, 1, 1, 0),),  # behind all addresses
        (entry(1, 1, 1, 1 << 40),),  # behind all files
        (CrtoolsPagesEntry(vaddr=1, nr_pages=1, pages_id=1, page=0),),
        tuple(entry(n, 1, n, 0) for n in range(frames.MOST_FILES + 1)),
    ],
)
def test_impossible_images_are_refused(bad: tuple[CrtoolsPagesEntry, ...], tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        read(tmp_path, *bad)
