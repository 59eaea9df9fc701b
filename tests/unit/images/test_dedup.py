"""Pages that a later dump has anew leave the earlier ones, and no other page does."""

from __future__ import annotations

from pathlib import Path

import pytest

from crtools.errors import ImageError
from crtools.images.dedup import IN_PARENT, PAGE, PRESENT, dedup
from crtools.images.messages.crtools_pages import CrtoolsPagesEntry
from crtools.images.messages.inventory import InventoryEntry
from crtools.images.messages.pagemap import PagemapEntry, PagemapHead
from crtools.images.store import ImageStore

Runs = list[tuple[int, int, int]]  # page, count, flags


def make(
    path: Path, runs: Runs, parent: Path | None = None, id: int = 7, key: str = "pagemap"
) -> Path:
    """A directory whose pages each say where they belong."""
    with ImageStore.create(str(path)) as store:
        entries = [
            PagemapEntry(vaddr=page * PAGE, compat_nr_pages=0, flags=flags, nr_pages=count)
            for page, count, flags in runs
        ]
        store.write(key, [PagemapHead(pages_id=1), *entries], id=id)
        store.write("inventory", [InventoryEntry(img_version=2)])
    numbers = [
        n for page, count, flags in runs if flags & PRESENT for n in range(page, page + count)
    ]
    (path / "pages-1.img").write_bytes(b"".join(n.to_bytes(2, "little") * 2048 for n in numbers))
    if parent is not None:
        (path / "parent").symlink_to(parent)
    return path


def pages(path: Path) -> list[int]:
    data = (path / "pages-1.img").read_bytes()
    return [int.from_bytes(data[at : at + 2], "little") for at in range(0, len(data), PAGE)]


def run(path: Path) -> int:
    with ImageStore.open(str(path)) as store:
        return dedup(store) // PAGE


def test_pages_that_are_there_anew_are_taken_out_of_all_behind(tmp_path: Path) -> None:
    first = make(tmp_path / "1", [(10, 4, PRESENT), (20, 4, PRESENT)])
    second = make(tmp_path / "2", [(10, 2, IN_PARENT), (12, 4, PRESENT)], first)
    third = make(tmp_path / "3", [(11, 2, PRESENT), (13, 1, IN_PARENT), (22, 9, PRESENT)], second)
    assert run(third) == 5
    assert pages(first) == [10, 0, 0, 13, 20, 21, 0, 0]
    assert pages(second) == [0, 13, 14, 15]
    assert pages(third) == [11, 12, *range(22, 31)]
    blocks = (first / "pages-1.img").stat().st_blocks
    assert blocks * 512 == 4 * PAGE
    # What lacks pages is no dump any more, and still a parent.
    assert not (first / "inventory.img").exists()
    assert not (second / "inventory.img").exists()
    assert run(third) == 5


def test_nothing_is_touched_where_nothing_is_there_anew(tmp_path: Path) -> None:
    first = make(tmp_path / "1", [(10, 4, PRESENT)])
    second = make(tmp_path / "2", [(10, 4, IN_PARENT), (14, 1, PRESENT)], first)
    assert run(second) == 0
    assert run(first) == 0
    assert pages(first) == [10, 11, 12, 13]
    assert (first / "inventory.img").exists()


def test_other_processes_pages_stay(tmp_path: Path) -> None:
    first = make(tmp_path / "1", [(10, 4, PRESENT)], id=8)
    second = make(tmp_path / "2", [(10, 4, PRESENT)], first)
    assert run(second) == 0
    assert pages(first) == [10, 11, 12, 13]


def test_a_chain_without_an_end_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "1", [(10, 1, IN_PARENT)], tmp_path / "1")
    with pytest.raises(ImageError, match="leads back"):
        run(path)


@pytest.mark.parametrize("which", [0, 1])
def test_directories_in_which_processes_have_each_others_pages_are_refused(
    which: int, tmp_path: Path
) -> None:
    first = make(tmp_path / "1", [(10, 4, PRESENT)])
    second = make(tmp_path / "2", [(10, 4, PRESENT)], first)
    with ImageStore.open(str((first, second)[which])) as store:
        entry = CrtoolsPagesEntry(vaddr=PAGE, nr_pages=1, pages_id=1, page=0)
        store.write("crtools-pages", [entry], id=9)
    with pytest.raises(ImageError, match="Nothing can be taken out of"):
        run(second)
    assert pages(first) == [10, 11, 12, 13]
