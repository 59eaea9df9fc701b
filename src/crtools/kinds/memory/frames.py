"""Pages that relatives share copy-on-write, found by their page frames, and written once.

A page that a process and its child have both not written to since the fork is one page of the
machine: /proc/PID/pagemap tells its frame to who has CAP_SYS_ADMIN
(Documentation/admin-guide/mm/pagemap.rst). The words are compared in C (abi/kernel_frames.c); only
those of pages that more than one process has mapped are kept.

In the images of this mode the pagemap of a process says "in parent" of pages that lie in the pages
file of a relative, and crtools-pages-PID.img says in whose and where. No directory of the mode has
a parent directory, so other readers of the format do not find these pages, and say so.
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.abi.kernel import PAGE
from crtools.errors import ImageError
from crtools.images.messages.crtools_pages import CrtoolsPagesEntry
from crtools.images.messages.pagemap import PagemapEntry
from crtools.kinds.memory import pages
from crtools.kinds.memory.content import FILE_SHIFT, Content
from crtools.kinds.memory.scan import batches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.images.store import ImageStore
    from crtools.kinds.memory.areas import Area
    from crtools.kinds.memory.scan import Region

# InventoryEntry.img_version of a directory in which processes have pages in each other's files.
SHARED_VERSION = 3
# A place: the owner's number in the pass, above the number of a page in its pages file.
OWNER_SHIFT = 40
# So many pages are looked up at once: what is found about each takes three words at most.
_BATCH = 16384
# Pages files that one process's pages may lie in: their number in a Content has eleven bits.
MOST_FILES = 1 << 11
_RANGE, _RUN = struct.Struct("<2Q"), struct.Struct("<3Q")

Run = tuple[int, int, int]  # start, end, place of the first page


class Frames:
    """Where pages that may be shared are written to; use it as a context manager."""

    def __init__(self) -> None:
        self._table = kernel.frames_new()
        if not self._table:
            raise MemoryError
        self._found = bytearray(_BATCH * _RUN.size)

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *_: object) -> None:
        kernel.frames_free(self._table)

    def find(self, pagemap: int, ranges: Sequence[tuple[int, int]]) -> list[Run]:
        """What of the ascending ranges is known already. Raises OSError."""
        runs: list[Run] = []
        for batch in batches(ranges, _BATCH * PAGE):
            words = b"".join([_RANGE.pack(*some) for some in batch])
            count = _checked(
                kernel.frames_find(
                    self._table,
                    pagemap,
                    kernel.address_of(words),
                    len(batch),
                    kernel.address_of(self._found),
                )
            )
            runs += _RUN.iter_unpack(memoryview(self._found)[: count * _RUN.size])
        return runs

    def add(self, pagemap: int, runs: Sequence[Run]) -> int:
        """Takes note of pages; how many of them may be shared with somebody. Raises OSError."""
        words = b"".join([_RUN.pack(*run) for run in runs])
        return _checked(
            kernel.frames_add(self._table, pagemap, kernel.address_of(words), len(runs))
        )

    def hold(self, pagemap: int, runs: Sequence[Run], count: int) -> bool:
        """Whether the `count` pages that were noted are still where they were: the kernel may move
        a page to another frame (compaction) and use its old one for a page of somebody else."""
        words = b"".join([_RUN.pack(*run) for run in runs])
        return bool(
            _checked(
                kernel.frames_check(
                    self._table, pagemap, kernel.address_of(words), len(runs), count
                )
            )
        )


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


class Shares:
    """How one process's pages are written in this mode: what `plan` says, with the entries of pages
    that lie elsewhere, and what the image says of those. `own` are the runs of its own file."""

    __slots__ = ("elsewhere", "own", "plan", "regions")

    def __init__(
        self, areas: Sequence[Area], regions: Sequence[Region], found: list[Run], number: int
    ) -> None:
        """`found`: pages of `regions` that are somebody else's; `number`: of the process itself."""
        self.regions = subtract(regions, found)
        plan = pages.plan_pages(areas, self.regions)
        self.elsewhere = found
        self.own: list[Run] = []
        place = number << OWNER_SHIFT
        for entry in plan.entries:
            count = entry.nr_pages or 0
            self.own.append((entry.vaddr, entry.vaddr + count * PAGE, place))
            place += count
        entries = plan.entries + [
            PagemapEntry(
                vaddr=start,
                compat_nr_pages=0,
                flags=pages.IN_PARENT,
                nr_pages=(end - start) // PAGE,
            )
            for start, end, _ in found
        ]
        entries.sort(key=lambda entry: entry.vaddr)
        self.plan = plan.but(entries=entries)

    def entries(self, pages_ids: Sequence[int]) -> list[CrtoolsPagesEntry]:
        """For the image; `pages_ids` are those of the owners, by their number."""
        return [
            CrtoolsPagesEntry(
                vaddr=start,
                nr_pages=(end - start) // PAGE,
                pages_id=pages_ids[place >> OWNER_SHIFT],
                page=place & ((1 << OWNER_SHIFT) - 1),
            )
            for start, end, place in self.elsewhere
        ]


def wanted(areas: Sequence[Area], regions: Sequence[Region]) -> list[tuple[int, int]]:
    """The ranges of pages that would be written; what the kernel maps itself is not looked up."""
    plan = pages.plan_pages([area for area in areas if area.pages], regions)
    return [(entry.vaddr, entry.vaddr + (entry.nr_pages or 0) * PAGE) for entry in plan.entries]


def few_owners(found: list[Run]) -> list[Run]:
    """Without the pages of those who are too many for one process to name."""
    owners: set[int] = set()
    kept = []
    for run in found:
        owner = run[2] >> OWNER_SHIFT
        if owner in owners or len(owners) < MOST_FILES - 1:
            owners.add(owner)
            kept.append(run)
    return kept


def subtract(regions: Sequence[Region], runs: Sequence[Run]) -> list[Region]:
    """The parts of ascending regions that lie in none of the ascending runs."""
    left: list[Region] = []
    at = 0
    for start, end, what in regions:
        while at < len(runs) and runs[at][1] <= start:
            at += 1
        inside = at
        while start < end:
            run = runs[inside] if inside < len(runs) else None
            if run is None or run[0] >= end:
                left.append((start, end, what))
                break
            if run[0] > start:
                left.append((start, run[0], what))
            start = run[1]
            inside += 1
    return left


class Elsewhere:
    """Where a process's pages are that lie in relatives' files. Raises ImageError for what cannot
    be; that the files reach so far is seen when they are read."""

    def __init__(self, store: ImageStore, pid: int) -> None:
        self._name = f"crtools-pages-{pid}.img"
        self._runs: list[Content] = []
        self.names: list[str] = []  # of the files, from number 1 on
        numbers: dict[int, int] = {}
        last = 0
        for entry in store.read("crtools-pages", pid):
            start, end = entry.vaddr, entry.vaddr + entry.nr_pages * PAGE
            if start % PAGE or not last <= start < end <= 1 << 57:
                raise ImageError(f"{self._name} has pages at {start:x}-{end:x}: not ascending")
            if entry.page + entry.nr_pages > 1 << OWNER_SHIFT:
                raise ImageError(f"{self._name} names page {entry.page} of a file: no file has it")
            last = end
            number = numbers.get(entry.pages_id)
            if number is None:
                number = numbers[entry.pages_id] = len(numbers) + 1
                self.names.append(f"pages-{entry.pages_id}.img")
            if number >= MOST_FILES:
                raise ImageError(f"{self._name} names {number} files", because="that is too many")
            offset = number << FILE_SHIFT | entry.page * PAGE
            self._runs.append(Content(start=start, end=end, offset=offset))

    def find(self, start: int, end: int) -> list[Content]:
        """The pages at addresses that the pagemap says are elsewhere."""
        runs = self._runs
        low, high = 0, len(runs)
        while low < high:
            middle = (low + high) // 2
            if runs[middle].end <= start:
                low = middle + 1
            else:
                high = middle
        found: list[Content] = []
        while start < end:
            if low == len(runs) or runs[low].start > start:
                raise ImageError(f"{self._name} does not say where the page at {start:x} is")
            run = runs[low]
            stop = min(run.end, end)
            found.append(Content(start=start, end=stop, offset=run.offset + start - run.start))
            start = stop
            low += 1
        return found


def without_inherited(
    ours: Sequence[Content],
    our_files: Sequence[str],
    theirs: Sequence[Content],
    their_files: Sequence[str],
) -> list[Content]:
    """The parts of `ours` that are read from another place than the begetter has read its own from.
    Both are ascending, and all of `ours` lies in `theirs`."""
    left: list[Content] = []
    at = 0
    for content in ours:
        start = content.start
        while start < content.end:
            while theirs[at].end <= start:
                at += 1
            end = min(content.end, theirs[at].end)
            offset = content.offset + start - content.start
            same = theirs[at].offset + start - theirs[at].start
            if _place(offset, our_files) != _place(same, their_files):
                left.append(Content(start=start, end=end, offset=offset))
            start = end
    return left


def _place(offset: int, files: Sequence[str]) -> tuple[str, int]:
    return files[offset >> FILE_SHIFT], offset & ((1 << FILE_SHIFT) - 1)
