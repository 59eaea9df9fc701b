"""Marks that are put on memory when all else about it is done: guard pages and seals.

Guard pages (MADV_GUARD_INSTALL, Linux 6.13) have no content and end whoever touches them; the
kernel tells them in PAGEMAP_SCAN (Linux 6.15), and the image form is CRIU's: an entry each behind
those of the areas, with a status bit of its own. A sealed area (mseal(2), Linux 6.10) can neither
be unmapped, moved nor protected otherwise, and nothing takes a seal off again.
"""

from __future__ import annotations

from errno import ENOMEM

from crtools.abi.mman import MADV_GUARD_INSTALL, MAP_ANONYMOUS, MAP_PRIVATE, MLOCK_ONFAULT
from crtools.abi.x86_64 import SYS_madvise, SYS_mlock2, SYS_mseal
from crtools.agent.program import OR_ERRNO, errnos
from crtools.errors import ImageError
from crtools.images.messages.vma import VmaEntry
from crtools.kinds.memory import areas as kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crtools.agent.program import Program


def guard_entries(guards: Sequence[tuple[int, int]]) -> list[VmaEntry]:
    """What goes behind the areas of mm_entry."""
    return [
        VmaEntry(
            start=start,
            end=end,
            pgoff=0,
            shmid=0,
            prot=0,
            flags=MAP_PRIVATE | MAP_ANONYMOUS,
            status=kinds.GUARD,
            fd=-1,
        )
        for start, end in guards
    ]


def read_guards(
    pid: int, entries: Iterable[VmaEntry], vmas: Sequence[VmaEntry]
) -> dict[int, list[tuple[int, int]]]:
    """The guard pages of each area, by the area's start. Raises ImageError."""
    found: dict[int, list[tuple[int, int]]] = {}
    at = 0
    for entry in sorted(entries, key=lambda entry: entry.start):
        start = entry.start
        while at < len(vmas) and vmas[at].end <= start:
            at += 1
        inside = at
        while start < entry.end and inside < len(vmas) and vmas[inside].start <= start:
            end = min(entry.end, vmas[inside].end)
            found.setdefault(vmas[inside].start, []).append((start, end))
            start = end
            inside += 1
        if start != entry.end or (entry.start | entry.end) & 0xFFF:
            raise ImageError(
                f"mm-{pid}.img has guard pages at {entry.start:x}-{entry.end:x} where no area is"
            )
    return found


def build_guards(room: Callable[[int], Program], guards: Sequence[tuple[int, int]]) -> None:
    """After an area's content is there, which guards would throw away, and before it is locked: a
    locked area takes no guards (mm/madvise.c, is_valid_guard_vma). `room` gives a program that
    has so many bytes left."""
    for start, end in guards:
        room(200).call(
            SYS_madvise,
            start,
            end - start,
            MADV_GUARD_INSTALL,
            label=f"make guard pages of {start:x}-{end:x}",
        )


def build_lock(program: Program, start: int, end: int, flags: int) -> None:
    """mlock2(2) of an area that has guard pages. Locking without MLOCK_ONFAULT makes all pages
    present, and comes to its end at the first guard: with ENOMEM, yet the area is locked."""
    label = f"lock {start:x}-{end:x}"
    program.call(SYS_mlock2, start, end - start, MLOCK_ONFAULT, label=label)
    if not flags:
        program.call(
            SYS_mlock2,
            start,
            end - start,
            0,
            expect=OR_ERRNO,
            expected=errnos(ENOMEM),
            label=label,
        )


def build_seals(
    room: Callable[[int], Program], pid: int, vmas: Sequence[VmaEntry], sealed: Sequence[int]
) -> None:
    """Seals whole areas: the last that is done to any. Raises ImageError."""
    ends = {vma.start: vma.end for vma in vmas if not vma.status & kinds.OF_KERNEL}
    for start in sealed:
        if start not in ends:
            raise ImageError(f"crtools-task-{pid}.img has a seal at {start:x} where no area begins")
        end = ends[start]
        room(200).call(SYS_mseal, start, end - start, 0, label=f"seal {start:x}-{end:x}")
