"""Which pages of a process hold something: PAGEMAP_SCAN, or pagemap's words where it is missing."""

from __future__ import annotations

import errno

from crtools.abi.ioctl import (
    PAGE_IS_FILE,
    PAGE_IS_GUARD,
    PAGE_IS_HUGE,
    PAGE_IS_PFNZERO,
    PAGE_IS_PRESENT,
    PAGE_IS_SWAPPED,
)
from crtools.procfs.pagemap import read_page_regions, read_pagemap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    Region: TypeAlias = tuple[int, int, int]

# A category of our own, in regions: such pages are in the images of an earlier dump.
UNCHANGED = 1 << 32

VSYSCALL = 0xFFFFFFFFFF600000  # arch/x86: VSYSCALL_ADDR, no page of the process


def scan(pagemap: int, spans: list[tuple[int, int]]) -> list[Region]:
    """What is resident, swapped out or a guard in `spans`, ascending: (start, end, categories) with
    categories of FILE, PFNZERO, HUGE, GUARD and PRESENT. `pagemap` is from open_pagemap.

    Without PAGEMAP_SCAN (before Linux 6.7) zero pages and huge ones are not told apart: those are
    written, these restored as small ones.
    """
    spans = [span for span in spans if span[1] <= VSYSCALL]
    if not spans:
        return []
    there = PAGE_IS_PRESENT | PAGE_IS_SWAPPED
    wanted = PAGE_IS_FILE | PAGE_IS_PFNZERO | PAGE_IS_HUGE | PAGE_IS_PRESENT
    # Guard pages are a category since Linux 6.15; before, asking for them is EINVAL.
    for guard in (PAGE_IS_GUARD, 0):
        try:
            return list(
                read_page_regions(
                    pagemap,
                    spans[0][0],
                    spans[-1][1],
                    category_anyof_mask=there | guard,
                    return_mask=wanted | guard,
                )
            )
        except OSError as error:
            if error.errno == errno.ENOTTY:
                break
            if error.errno != errno.EINVAL or not guard:
                raise
    regions: list[Region] = []
    for start, end in spans:
        regions += read_pagemap(pagemap, start, end)
    return regions


def batches(
    ranges: Sequence[tuple[int, int]], size: int, most: int = 1 << 20
) -> Iterator[list[tuple[int, int]]]:
    """The ranges in pieces, of which each batch has at `most` so many, and `size` bytes."""
    batch: list[tuple[int, int]] = []
    room = size
    for start, end in ranges:
        while start < end:
            stop = min(end, start + room)
            batch.append((start, stop))
            room -= stop - start
            start = stop
            if not room or len(batch) == most:
                yield batch
                batch, room = [], size
    if batch:
        yield batch
