"""Pages of several directories: found where they are, and what cannot be is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from crtools.errors import ImageError
from crtools.images.messages.inventory import InventoryEntry
from crtools.images.messages.pagemap import PagemapEntry, PagemapHead
from crtools.images.store import ImageStore
from crtools.kinds.memory.content import FILE_SHIFT, Content, by_file
from crtools.kinds.memory.parents import IN_PARENT, PRESENT, Parents

PID = 7
PAGE = 4096
Runs = Sequence[tuple[int, int, int]]  # page, count, flags


def make(path: Path, pages_id: int, runs: Runs, parent: Path | None = None) -> Path:
    with ImageStore.create(str(path)) as store:
        entries = [
            PagemapEntry(vaddr=page * PAGE, compat_nr_pages=0, flags=flags, nr_pages=count)
            for page, count, flags in runs
        ]
        store.write("pagemap", [PagemapHead(pages_id=pages_id), *entries], id=PID)
        store.write("inventory", [InventoryEntry(img_version=2)])
    if parent is not None:
        (path / "parent").symlink_to(parent)
    return path


def find(path: Path, page: int, count: int) -> list[tuple[int, int, int, int]]:
    """Pages and offset in pages, and the file."""
    with ImageStore.open(str(path)) as store:
        parents = Parents(store)
        found = parents.find(PID, page * PAGE, (page + count) * PAGE)
        names = ("own", *parents.names(PID))
    return [
        (c.start // PAGE, c.end // PAGE, (c.offset % (1 << FILE_SHIFT)) // PAGE, file)
        for c in found
        for file in (names[c.offset >> FILE_SHIFT],)
    ]


def test_a_page_is_found_in_the_nearest_directory_that_has_it(tmp_path: Path) -> None:
    first = make(tmp_path / "1", 3, [(10, 10, PRESENT), (30, 5, PRESENT)])
    second = make(
        tmp_path / "2", 4, [(10, 2, IN_PARENT), (12, 3, PRESENT), (15, 5, IN_PARENT)], first
    )
    third = make(tmp_path / "3", 5, [(11, 9, IN_PARENT)], second)
    assert find(third, 11, 9) == [
        (11, 12, 1, "parent/parent/pages-3.img"),
        (12, 15, 0, "parent/pages-4.img"),
        (15, 20, 5, "parent/parent/pages-3.img"),
    ]
    assert find(second, 32, 2) == [(32, 34, 12, "parent/pages-3.img")]


def test_older_sets_say_it_in_the_other_field(tmp_path: Path) -> None:
    first = make(tmp_path / "1", 1, [(10, 1, PRESENT)])
    second = make(tmp_path / "2", 1, [], first)
    with ImageStore.open(str(second)) as store:
        old = PagemapEntry(vaddr=10 * PAGE, compat_nr_pages=1, in_parent=True)
        store.write("pagemap", [PagemapHead(pages_id=1), old], id=PID)
    third = make(tmp_path / "3", 1, [(10, 1, IN_PARENT)], second)
    assert find(third, 10, 1) == [(10, 11, 0, "parent/parent/pages-1.img")]


@pytest.mark.parametrize("page", [9, 12, 20])
def test_a_page_that_no_directory_has_is_named(page: int, tmp_path: Path) -> None:
    first = make(tmp_path / "1", 1, [(10, 2, PRESENT), (13, 1, PRESENT), (14, 1, 0)])
    second = make(tmp_path / "2", 1, [(10, 1, IN_PARENT)], first)
    with pytest.raises(ImageError, match=f"{page * PAGE:x} is in its parent"):
        find(second, page, 1)
    with pytest.raises(ImageError, match="is in its parent"):
        find(second, 14, 1)


def test_a_chain_without_an_end_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "1", 1, [(10, 1, IN_PARENT)], tmp_path / "1")
    with pytest.raises(ImageError, match="parent directories in a row"):
        find(path, 10, 1)


def test_a_parent_without_that_process_is_named(tmp_path: Path) -> None:
    first = make(tmp_path / "1", 1, [])
    (first / f"pagemap-{PID}.img").unlink()
    second = make(tmp_path / "2", 1, [(10, 1, IN_PARENT)], first)
    with pytest.raises(ImageError, match=f"said to be in the parent.*\n?.*pagemap-{PID}.img"):
        find(second, 10, 1)


@pytest.mark.parametrize("runs", [[(10, 2, PRESENT), (11, 1, PRESENT)], [(1 << 46, 1, PRESENT)]])
def test_pages_that_are_not_ascending_are_refused(runs: Runs, tmp_path: Path) -> None:
    first = make(tmp_path / "1", 1, runs)
    second = make(tmp_path / "2", 1, [(10, 1, IN_PARENT)], first)
    with pytest.raises(ImageError, match="not ascending"):
        find(second, 10, 1)


def test_contents_are_told_by_their_file() -> None:
    own = [Content(start=0, end=PAGE, offset=0), Content(start=PAGE, end=PAGE * 2, offset=PAGE)]
    assert list(by_file(own)) == [(0, own)]
    other = Content(start=PAGE * 2, end=PAGE * 3, offset=5 * PAGE + (2 << FILE_SHIFT))
    assert list(by_file([own[0], other, own[1]])) == [
        (0, own),
        (2, [other.but(offset=5 * PAGE)]),
    ]
