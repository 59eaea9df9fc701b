"""Pages that a program has filled with zeros: they are left out, as those that it never touched.

A new mapping of anonymous memory shows zeros, so what is left out of a pagemap is as it was, but
that it takes no memory until it is written to again. Only private anonymous memory is looked at.
Zeros over the content of a file are content. Of huge pages of the pool (hugetlbfs) there may be
none left when one that was left out is touched. Where a userfaultfd is told of missing pages, a
page that is missing is something else than zeros.

The process looks itself, by its agent: one word of a page that is not zero is enough, and to copy
it first would cost as much as to write it. The agent reads without a system call between, so what
it reads must be there: a page that is swapped out, or that the hardware has broken (which looks
like swapped out), would not be an error but a signal to the process.
"""

from __future__ import annotations

import struct

from crtools.abi.ioctl import PAGE_IS_FILE, PAGE_IS_GUARD, PAGE_IS_PFNZERO, PAGE_IS_PRESENT
from crtools.abi.kernel import PAGE
from crtools.abi.mman import MAP_HUGETLB
from crtools.agent.program import Program
from crtools.kinds.memory import areas as kinds
from crtools.kinds.memory.pages import ZEROS_WORTH
from crtools.kinds.memory.scan import UNCHANGED, batches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.agent.copy import Copy
    from crtools.agent.inject import Agent
    from crtools.kinds.memory.areas import Area
    from crtools.kinds.memory.scan import Region

    Range = tuple[int, int]

# Of more runs than this only long ones are left out: each costs us more than ten pages to write.
MANY, LONG = 1000, 16
_IOV = struct.Struct("<QQ")
# At a time: as much as a transfer moves before the tool's death is noticed, and what fits into the
# agent's area.
_STEP, _RANGES, _PAGES = 8 << 20, 16384, 1 << 20
_NEVER = PAGE_IS_FILE | PAGE_IS_PFNZERO | PAGE_IS_GUARD | UNCHANGED


def find_zeros(
    agent: Agent | Copy, areas: Sequence[Area], regions: Sequence[Region]
) -> list[Range]:
    """Those runs of pages in `areas` that are all zero and need not be written. Waits for what the
    agent is doing."""
    found: list[Range] = []
    for batch in batches(_worth_a_look(areas, regions), _PAGES * PAGE, _RANGES):
        found += _look(agent, batch)
    return few_runs(found)


def _worth_a_look(areas: Sequence[Area], regions: Sequence[Region]) -> list[Range]:
    """The ranges of pages that are there and may be left out; none if they are few."""
    ranges: list[Range] = []
    total = at = 0
    for area in areas:
        entry = area.entry
        if not (
            area.pages
            and area.readable
            and entry.status & kinds.ANON_PRIVATE
            and not entry.flags & MAP_HUGETLB
        ):
            continue
        while at < len(regions) and regions[at][1] <= entry.start:
            at += 1
        while at < len(regions) and regions[at][0] < entry.end:
            start, end, what = regions[at]
            if what & PAGE_IS_PRESENT and not what & _NEVER:
                start, last = max(start, entry.start), min(end, entry.end)
                ranges.append((start, last))
                total += last - start
            if end > entry.end:
                break
            at += 1
    return ranges if total >= ZEROS_WORTH else []


def _look(agent: Agent | Copy, ranges: list[Range]) -> list[Range]:
    pages = sum([end - start for start, end in ranges]) // PAGE
    program = Program()
    vector = program.put(b"".join([_IOV.pack(start, end - start) for start, end in ranges]))
    size = -(-pages // 8)
    bits = program.reserve(size)
    count = program.find_zeros(vector, len(ranges), bits, _STEP)
    executed = agent.run(program)
    return parse_bits(executed.bytes(bits, size), ranges) if executed.result(count) else []


def parse_bits(bits: bytes | bytearray, ranges: Sequence[Range]) -> list[Range]:
    """Runs of pages whose bits are set; the bits of the first page come first, the lowest of a byte
    before others."""
    count = len(bits) * 8
    # A string of digits, the first page's last: so its first bit is made the highest.
    text = format(int.from_bytes(bits, "little"), f"0{count}b")[::-1]
    found: list[Range] = []
    first = 0
    for start, end in ranges:
        last = first + (end - start) // PAGE
        at = text.find("1", first, last)
        while at >= 0:
            stop = text.find("0", at, last)
            if stop < 0:
                stop = last
            found.append((start + (at - first) * PAGE, start + (stop - first) * PAGE))
            at = text.find("1", stop, last)
        first = last
    return found


def few_runs(found: list[Range]) -> list[Range]:
    """All of the runs, or the long ones where there are many."""
    if len(found) <= MANY:
        return found
    return [run for run in found if run[1] - run[0] >= LONG * PAGE]


def mark(regions: Sequence[Region], zeros: Sequence[Range]) -> list[Region]:
    """The ascending regions with PFNZERO for the pages in `zeros`, as if the kernel's own zero page
    were mapped there. These are ascending too, and lie in regions."""
    marked: list[Region] = []
    at = 0
    for start, end, what in regions:
        while at < len(zeros) and zeros[at][0] < end:
            first, last = zeros[at]
            if last <= start:
                at += 1
                continue
            if start < first:
                marked.append((start, first, what))
            stop = min(last, end)
            marked.append((max(first, start), stop, what | PAGE_IS_PFNZERO))
            start = stop
            if last > end:
                break
            at += 1
        if start < end:
            marked.append((start, end, what))
    return marked
