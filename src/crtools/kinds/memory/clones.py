"""Plain images of relatives that share blocks on disk: --reflink-pages.

Each process has all its pages in its own pages file, so that every reader of the format finds them.
But what relatives share copy-on-write (kinds/memory/frames.py tells) is written by one of them; the
others' files get those blocks by FICLONERANGE (ioctl_ficlonerange(2); btrfs, and xfs with reflink),
when all is written and the tree may run again: for that the file system writes the blocks to disk.
"""

from __future__ import annotations

import os
import struct

from crtools import log
from crtools.abi import kernel
from crtools.abi.ioctl import FICLONERANGE
from crtools.abi.kernel import PAGE
from crtools.abi.x86_64 import SYS_ioctl
from crtools.images.store import ImageStore
from crtools.kinds.memory import pages
from crtools.kinds.memory.frames import OWNER_SHIFT, Run, subtract
from crtools.kinds.memory.shared import copy_range

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.kinds.memory.areas import Area
    from crtools.kinds.memory.scan import Region

# Fewer pages than this are written by each: an extent of its own costs a file system as much.
SHORTEST = 16
_CLONE = struct.Struct("<qQQQ")  # struct file_clone_range: source, its offset, length, offset
_MOST_OPEN = 64
_PLACE = (1 << OWNER_SHIFT) - 1


class Clone:
    """`length` bytes at `offset` of a pages file that are those of a relative's file."""

    __slots__ = ("length", "offset", "owner", "source")

    def __init__(self, offset: int, length: int, place: int) -> None:
        self.offset = offset
        self.length = length
        self.owner = place >> OWNER_SHIFT  # its number in the pass
        self.source = (place & _PLACE) * PAGE


class Clones:
    """As frames.Shares: `plan` has all pages in the pagemap, and in its runs those that the process
    writes itself. `own` are these pages; `regions` what is written of what was found."""

    __slots__ = ("clones", "own", "plan", "regions")

    def __init__(
        self, areas: Sequence[Area], regions: Sequence[Region], found: list[Run], number: int
    ) -> None:
        long = [run for run in found if run[1] - run[0] >= SHORTEST * PAGE]
        plan = pages.plan_pages(areas, regions)
        self.regions = subtract(regions, long)
        self.plan = plan.but(runs=pages.cut_runs(plan.runs, [run[:2] for run in long]))
        self.clones: list[Clone] = []
        self.own: list[Run] = []
        at = offset = 0
        for entry in plan.entries:
            start, end = entry.vaddr, entry.vaddr + (entry.nr_pages or 0) * PAGE
            whole = start, end, number << OWNER_SHIFT | offset // PAGE
            while at < len(long) and long[at][0] < end:
                first, last = max(long[at][0], start), min(long[at][1], end)
                if first < last:
                    place = long[at][2] + (first - long[at][0]) // PAGE
                    clone = Clone(offset + first - whole[0], last - first, place)
                    self.clones.append(clone)
                    self._add_own(whole, start, first)
                    start = last
                if long[at][1] > end:
                    break
                at += 1
            self._add_own(whole, start, end)
            offset += end - whole[0]

    def _add_own(self, whole: Run, start: int, end: int) -> None:
        if start < end:
            self.own.append((start, end, whole[2] + (start - whole[0]) // PAGE))


def can_clone(store: ImageStore, path: str) -> bool:
    """Whether files of a directory can share blocks. Where they can, nothing is done to an empty
    file by this."""
    name = store.create_raw("pages", 0)
    store.remove("pages", 0)
    try:
        argument = bytearray(_CLONE.pack(name, 0, 0, 0))
        result = kernel.raw(SYS_ioctl, name, FICLONERANGE, kernel.address_of(argument))
    finally:
        os.close(name)
    if result < 0:
        log.warning(
            f"the file system of {path} cannot share blocks of files, as --reflink-pages would have"
            f" it ({os.strerror(-result)}): each process's pages are written with it"
        )
    return result >= 0


def clone_all(store: ImageStore, files: Sequence[tuple[int, Sequence[Clone]]]) -> None:
    """Fills what is left of pages files, (number, clones) each; the owners' numbers are those of
    pages files by now. What cannot be cloned, whatever the reason, is copied."""
    sources: dict[int, int] = {}
    copied = 0
    try:
        for number, clones in files:
            target = store.open_raw("pages", number, for_writing=True)
            try:
                for clone in clones:
                    source = sources.get(clone.owner)
                    if source is None:
                        if len(sources) >= _MOST_OPEN:
                            os.close(sources.pop(next(iter(sources))))
                        source = sources[clone.owner] = store.open_raw("pages", clone.owner)
                    words = _CLONE.pack(source, clone.source, clone.length, clone.offset)
                    argument = bytearray(words)
                    if kernel.raw(SYS_ioctl, target, FICLONERANGE, kernel.address_of(argument)):
                        copy_range(source, target, clone.source, clone.length, clone.offset)
                        copied += clone.length
            finally:
                os.close(target)
    finally:
        for source in sources.values():
            os.close(source)
    if copied:
        log.warning(f"{copied >> 20} MiB of pages share no blocks: the file system refused that")
