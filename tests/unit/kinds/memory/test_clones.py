"""What of a process's pages file is cloned from a relative's, and what it writes itself."""

from __future__ import annotations

import os
import random
from pathlib import Path

from crtools.abi.kernel import PAGE
from crtools.images.store import ImageStore
from crtools.kinds.memory import pages
from crtools.kinds.memory.clones import SHORTEST, Clone, Clones, clone_all
from crtools.kinds.memory.frames import OWNER_SHIFT
from unit.kinds.memory.test_zeros import area


def test_each_page_is_written_or_cloned_and_lies_where_the_pagemap_says() -> None:
    chosen = random.Random(5)
    for _ in range(100):
        areas, regions, found, at = [], [], [], 10
        for _ in range(chosen.randrange(1, 5)):
            start = at + chosen.randrange(2)
            at = start + chosen.randrange(30, 200)
            areas.append(area(start, at, readable=bool(chosen.randrange(4))))
            inside = start + chosen.randrange(10)
            while inside < at:
                end = min(at, inside + chosen.randrange(1, 90))
                regions.append((inside * PAGE, end * PAGE, 0))
                if chosen.randrange(2):
                    first = chosen.randrange(inside, end)
                    last = chosen.randrange(first, end) + 1
                    place = 7 << OWNER_SHIFT | chosen.randrange(1000)
                    found.append((first * PAGE, last * PAGE, place))
                inside = end + chosen.randrange(3)
        clones = Clones(areas, regions, found, 3)
        where, offset = {}, 0
        for entry in pages.plan_pages(areas, regions).entries:
            for page in range(entry.nr_pages):
                where[entry.vaddr + page * PAGE] = offset
                offset += PAGE
        assert clones.plan.end == offset
        assert clones.plan.entries == pages.plan_pages(areas, regions).entries
        written = {}
        for run in clones.plan.runs:
            at_file = run.offset
            for start_piece, length in run.pieces:
                for page in range(start_piece, start_piece + length, PAGE):
                    written[page] = at_file
                    at_file += PAGE
        cloned = {}
        for clone in clones.clones:
            assert (clone.owner, clone.length >= PAGE) == (7, True)
            for page in range(0, clone.length, PAGE):
                cloned[clone.offset + page] = clone.source + page
        expected = {
            where[page]: ((place & ((1 << OWNER_SHIFT) - 1)) * PAGE + page - start)
            for start, end, place in found
            if end - start >= SHORTEST * PAGE
            for page in range(start, end, PAGE)
        }
        assert cloned == expected
        assert written == {page: at for page, at in where.items() if at not in cloned}
        own = {
            page: (place & ((1 << OWNER_SHIFT) - 1)) * PAGE + page - start
            for start, end, place in clones.own
            for page in range(start, end, PAGE)
        }
        assert own == written
        assert all(place >> OWNER_SHIFT == 3 for _, _, place in clones.own)


def test_what_cannot_be_cloned_is_copied(tmp_path: Path) -> None:
    with ImageStore.create(str(tmp_path)) as store:
        names = [store.create_raw("pages", number) for number in (1, 2, 3)]
        sources = [os.urandom(5 * PAGE), os.urandom(7 * PAGE)]
        for fd, data in zip(names, sources, strict=False):
            os.write(fd, data)
        # A length that no file system clones, as it ends within a block.
        odd = Clone(3 * PAGE, 1000, 2 << OWNER_SHIFT | 6)
        os.write(names[2], b"own")
        os.ftruncate(names[2], 5 * PAGE)
        for fd in names:
            os.close(fd)
        clone_all(store, [(3, [Clone(PAGE, 2 * PAGE, 1 << OWNER_SHIFT | 3), odd])])
    expected = bytearray(5 * PAGE)
    expected[:3] = b"own"
    expected[PAGE : 3 * PAGE] = sources[0][3 * PAGE :]
    expected[3 * PAGE : 3 * PAGE + 1000] = sources[1][6 * PAGE : 6 * PAGE + 1000]
    assert (tmp_path / "pages-3.img").read_bytes() == expected
