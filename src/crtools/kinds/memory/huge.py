"""Transparent huge pages: memory that was on them is on them again.

PAGEMAP_SCAN tells which pages are huge (PAGE_IS_HUGE, linux/fs.h). What brings them back depends on
the area's advice: with MADV_HUGEPAGE, the first touch of two aligned megabytes makes a huge page,
so the advice is given before the pages are read from the image. Areas that got theirs otherwise
(the host's setting was "always", khugepaged, MADV_COLLAPSE) must not have that advice afterwards,
and none takes it back without forbidding huge pages: they are filled first and collapsed then,
which is for MADV_COLLAPSE nothing to do where the host's setting is "always" again.

A host that has none ("never"), or too little memory in one piece for them, gives small pages: that
changes nothing but speed, so it is no error.
"""

from __future__ import annotations

import os

from crtools.abi.mman import MADV_COLLAPSE, MADV_HUGEPAGE
from crtools.agent.program import ANY
from crtools.errors import ImageError
from crtools.images.messages.crtools_huge import CrtoolsHugeEntry
from crtools.kinds.memory.areas import ANON_PRIVATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.agent.program import Program
    from crtools.images.messages.vma import VmaEntry
    from crtools.images.store import ImageStore

    Ranges = tuple[tuple[int, int], ...]

SYS_madvise = 28
HUGE = 2 << 20  # x86-64: HPAGE_PMD_SIZE
_SETTING = "/sys/kernel/mm/transparent_hugepage/enabled"


def huge_entries(ranges: Sequence[tuple[int, int]]) -> list[CrtoolsHugeEntry]:
    """For the image; what follows each other is one entry."""
    joined: list[tuple[int, int]] = []
    for start, end in ranges:
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]
        joined.append((start, end))
    whole = [((start + HUGE - 1) & -HUGE, end & -HUGE) for start, end in joined]
    return [CrtoolsHugeEntry(start=start, end=end) for start, end in whole if start < end]


def read_huge(store: ImageStore, pid: int, vmas: Sequence[VmaEntry]) -> Ranges:
    """The ranges of the image, each within one area. Raises ImageError for what cannot be huge."""
    found: list[tuple[int, int]] = []
    last = at = 0
    for entry in store.read("crtools-huge", pid):
        start, end = entry.start, entry.end
        if start % HUGE or end % HUGE or not last <= start < end:
            raise ImageError(f"crtools-huge-{pid}.img has an impossible range {start:x}-{end:x}")
        last = end
        while start < end:
            while at < len(vmas) and vmas[at].end <= start:
                at += 1
            if at == len(vmas) or vmas[at].start > start or not vmas[at].status & ANON_PRIVATE:
                raise ImageError(f"crtools-huge-{pid}.img has huge pages at {start:x}: none can be")
            stop = min(end, vmas[at].end)
            found.append((start, stop))
            start = stop
    return tuple(found)


def wanted_here() -> bool:
    """Whether this host has transparent huge pages at all."""
    try:
        fd = os.open(_SETTING, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False  # a kernel without them
    try:
        return b"[never]" not in os.read(fd, 100)
    finally:
        os.close(fd)


def within(ranges: Ranges, vmas: Sequence[VmaEntry]) -> tuple[Ranges, Ranges]:
    """The ranges that lie in one of the ascending areas: those whose area is advised to have huge
    pages, and the others."""
    advised: list[tuple[int, int]] = []
    others: list[tuple[int, int]] = []
    at = 0
    for start, end in ranges:
        while at < len(vmas) and vmas[at].end <= start:
            at += 1
        if at < len(vmas) and vmas[at].start <= start:
            told = (vmas[at].madv or 0) & 1 << MADV_HUGEPAGE
            (advised if told else others).append((start, end))
    return tuple(advised), tuple(others)


def build_advice(program: Callable[[int], Program], ranges: Ranges) -> None:
    """Before anything is read into them. The whole area is advised later (layout.py)."""
    for start, end in ranges:
        program(200).call(SYS_madvise, start, end - start, MADV_HUGEPAGE, expect=ANY)


def build_collapse(program: Callable[[int], Program], ranges: Ranges) -> None:
    """When they are filled, and before a child is begotten that shares them: what is shared would
    be copied."""
    for start, end in ranges:
        program(200).call(SYS_madvise, start, end - start, MADV_COLLAPSE, expect=ANY)
