"""userfaultfd(2): who registered what, which pages are missing or write-protected.

The kernel tells less than it knows (fs/userfaultfd.c, mm/userfaultfd.c): fdinfo has the features
and how many faults wait, VmFlags of smaps how an area is registered, but not with which descriptor,
nor whose memory a descriptor is for. UFFDIO_REGISTER tells: to register an area again as it is
changes nothing, with another descriptor it is EBUSY, and the agent's own area is registered, for a
moment, only with a descriptor for this process. Faults that wait need no carrying: a thread that is
stopped in one has it again when it runs.

What is registered must not be touched by the dump: who touches a missing page waits for the
program's own handler, which is stopped. So only pages that are there are read, and markers in the
page tables, which PAGEMAP_SCAN counts as swapped out, are told from these by pagemap's words.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.abi.fcntl import F_SETFD, O_CLOEXEC, O_NONBLOCK
from crtools.abi.ioctl import (
    PAGE_IS_FILE,
    PAGE_IS_GUARD,
    PAGE_IS_PFNZERO,
    PAGE_IS_PRESENT,
    PAGE_IS_SWAPPED,
    PAGE_IS_WRITTEN,
    UFFDIO_API,
    UFFDIO_POISON,
    UFFDIO_REGISTER,
    UFFDIO_UNREGISTER,
    UFFDIO_WRITEPROTECT,
)
from crtools.abi.kernel import PAGE
from crtools.abi.mman import MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_POPULATE_READ, MAP_LOCKED
from crtools.abi.x86_64 import (
    SYS_close,
    SYS_dup3,
    SYS_fcntl,
    SYS_ioctl,
    SYS_kcmp,
    SYS_madvise,
    SYS_userfaultfd,
)
from crtools.errors import ImageError, UnsupportedObject
from crtools.images.messages.crtools_parts import (
    PageRangeEntry,
    UserfaultFdEntry,
    UserfaultfdEntry,
    UserfaultRangeEntry,
)
from crtools.kinds.memory import areas as kinds
from crtools.procfs import smaps
from crtools.procfs.pagemap import read_page_regions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.agent.program import Program
    from crtools.images.messages.vma import VmaEntry
    from crtools.kinds.files.base import DumpContext, OpenFile
    from crtools.kinds.memory.areas import Area
    from crtools.kinds.memory.layout import Space
    from crtools.kinds.memory.scan import Region
    from crtools.model.tree import Process

    Register = Callable[[int, int, int], int]

# linux/userfaultfd.h
API, MISSING, WRITE_PROTECTED, MINOR = 0xAA, 1, 2, 4
USER_MODE_ONLY = 1
INITIALIZED = 1 << 31  # in fdinfo alone: UFFDIO_API was done (fs/userfaultfd.c)
REGISTERED = smaps.VF_UM | smaps.VF_UW | smaps.VF_UI
_MODES = ((smaps.VF_UM, MISSING), (smaps.VF_UW, WRITE_PROTECTED), (smaps.VF_UI, MINOR))
_CAP_SYS_PTRACE = 19
_3U64, _4U64 = struct.Struct("<3Q"), struct.Struct("<4Q")
# linux/swapops.h: the last type of a swap entry is a marker; its offset says of what.
_MARKER, _MARKS_PROTECTED, _MARKS_POISON = 31, 1, 2
_PM_UFFD_WP, _PM_ENTRY = 1 << 57, (1 << 55) - 1
_MAX_FD = 0x7FFFFFC0


class Descriptor:
    """One userfaultfd of a process, at one number or more."""

    __slots__ = ("features", "fds", "file", "poisoned", "populated", "protected", "ranges")

    def __init__(self, file: OpenFile) -> None:
        self.file = file
        self.features = parse_features(file.extra)
        self.fds: list[UserfaultFdEntry] = []
        self.ranges: list[UserfaultRangeEntry] = []
        self.protected: list[PageRangeEntry] = []
        self.populated: list[PageRangeEntry] = []
        self.poisoned: list[PageRangeEntry] = []


class UserfaultDump:
    """All userfaultfds of one process. Raises UnsupportedObject from the beginning on."""

    def __init__(
        self,
        context: DumpContext,
        process: Process,
        files: Sequence[tuple[OpenFile, bool]],
        areas: Sequence[Area],
        others: Sequence[OpenFile],
        followed: set[int],
    ) -> None:
        """`files` are its own, and whether they are close-on-exec; `others` those of processes that
        have been looked at before. `followed` are areas, by their start, that nobody has to have a
        descriptor for: if it is none of its own, a keeper follows what is written there
        (kinds/memory/tracking.py), and they are as any other."""
        self._context = context
        self._name = process.name
        self._areas = [area for area in areas if area.flags & REGISTERED]
        self._followed = followed
        self._owner: dict[int, Descriptor] = {}
        self.descriptors: list[Descriptor] = []
        for file, cloexec in files:
            waiting = parse_waiting(file.extra)
            if waiting:
                raise context.refuse(
                    file,
                    f"it is a userfaultfd, and {waiting} faults wait at it",
                    "who waits cannot be stopped without losing the fault",
                    "let the program answer them before the dump",
                )
            if any(_is_same(file, other) for other in others):
                raise context.refuse(
                    file,
                    "it is a userfaultfd that another process has as well",
                    "it is for the memory of one of them alone",
                    "let the program close it before the dump",
                )
            context.watch(file, "a userfaultfd")
            self._descriptor(file).fds.append(UserfaultFdEntry(fd=file.fd, cloexec=cloexec))
        # Nothing tells whether it was made with UFFD_USER_MODE_ONLY. Who has no right to more had
        # to; who has gets all.
        privileged = process.status.cap_effective & 1 << _CAP_SYS_PTRACE
        self._user_mode_only = not privileged and not _unprivileged(context.proc)
        for area in self._areas:
            if area.entry.start in followed:
                continue
            self._check_size(area)
            if not self.descriptors:
                raise self._refused(area, "it is registered with a userfaultfd of another process")

    def _check_size(self, area: Area) -> None:
        if area.flags & smaps.VF_HT:
            raise self._refused(area, "huge pages with a userfaultfd are not carried yet")

    def _descriptor(self, file: OpenFile) -> Descriptor:
        for known in self.descriptors:
            if _is_same(file, known.file):
                return known
        self.descriptors.append(Descriptor(file))
        return self.descriptors[-1]

    def _refused(self, area: Area, because: str) -> UnsupportedObject:
        start, end = area.entry.start, area.entry.end
        return UnsupportedObject(
            f"Cannot dump the area {start:x}-{end:x} of {self._name}",
            because=because,
            subject=("area", start, end),
        )

    def find_owners(self, base: int, length: int) -> None:
        """Who has registered what. The agent's area, at `base`, must be at rest."""
        for descriptor in self.descriptors:
            if descriptor.features is None:
                continue
            fd = self._context.borrow(descriptor.file)
            try:
                result = _register(fd, base, base + length, MISSING)
                if result < 0:
                    raise self._context.refuse(
                        descriptor.file,
                        "it is a userfaultfd for another process's memory",
                        f"UFFDIO_REGISTER: {os.strerror(-result)}",
                        "let the program close it before the dump",
                    )
                argument = struct.pack("<2Q", base, length)
                kernel.checked(SYS_ioctl, fd, UFFDIO_UNREGISTER, kernel.address_of(argument))
                for area in self._areas:
                    start, end = area.entry.start, area.entry.end
                    modes = _modes(area)
                    result = _register(fd, start, end, modes)
                    if result == 0:
                        self._check_size(area)
                        self._owner[start] = descriptor
                        descriptor.ranges.append(
                            UserfaultRangeEntry(start=start, end=end, modes=modes)
                        )
                    elif result == -errno.EINVAL and start in self._followed:
                        continue  # a mapping of a file, which only one of WP_ASYNC may follow
                    elif result != -errno.EBUSY:
                        raise self._refused(
                            area, f"its userfaultfd cannot be told: {os.strerror(-result)}"
                        )
            finally:
                os.close(fd)
        self._areas = [
            area
            for area in self._areas
            if area.entry.start in self._owner or area.entry.start not in self._followed
        ]
        for area in self._areas:
            if area.entry.start not in self._owner:
                raise self._refused(area, "it is registered with a userfaultfd of another process")

    def filter(self, pagemap: int, found: Sequence[Region]) -> list[Region]:
        """What of the regions is there to be read; what else is to be said of registered areas goes
        into their entries."""
        regions = list(found)
        for area in self._areas:
            start, end = area.entry.start, area.entry.end
            owner = self._owner[start]
            modes = _modes(area)
            own: list[Region] = []
            for first, last, what in _scan(pagemap, start, end):
                if what & PAGE_IS_GUARD:
                    own.append((first, last, what & PAGE_IS_GUARD))
                    continue
                protected = modes & WRITE_PROTECTED and not what & PAGE_IS_WRITTEN
                if what & PAGE_IS_SWAPPED:
                    self._add_entries(pagemap, area, owner, own, first, last)
                    continue
                own.append((first, last, what & (PAGE_IS_FILE | PAGE_IS_PFNZERO)))
                if protected:
                    _add(owner.protected, first, last)
                # To map the zero page, or a page that the file has, is a fault as well.
                if modes & MINOR or (modes & MISSING and what & PAGE_IS_PFNZERO):
                    _add(owner.populated, first, last)
            if area.pages:
                regions = _replace(regions, start, end, own)
        return regions

    def _add_entries(
        self,
        pagemap: int,
        area: Area,
        owner: Descriptor,
        own: list[Region],
        first: int,
        last: int,
    ) -> None:
        """Page table entries that are no pages, one by one: swapped out, or marked."""
        words = os.pread(pagemap, (last - first) // PAGE * 8, first // PAGE * 8)
        for index, (word,) in enumerate(struct.iter_unpack("<Q", words)):
            start = first + index * PAGE
            if not word & _PM_ENTRY:
                raise self._refused(area, "its pages cannot be told without CAP_SYS_ADMIN")
            if word & 31 != _MARKER:
                own.append((start, start + PAGE, 0))
                if word & _PM_UFFD_WP:
                    _add(owner.protected, start, start + PAGE)
                continue
            marks = (word & _PM_ENTRY) >> 5
            if marks & _MARKS_PROTECTED:
                _add(owner.protected, start, start + PAGE)
            elif marks & _MARKS_POISON:
                _add(owner.poisoned, start, start + PAGE)
            else:
                raise self._refused(area, f"the page at {start:x} has an unknown mark ({marks:#x})")

    def entries(self) -> list[UserfaultfdEntry]:
        return [
            UserfaultfdEntry(
                fds=descriptor.fds,
                flags=descriptor.file.flags,
                features=descriptor.features,
                user_mode_only=self._user_mode_only or None,
                ranges=descriptor.ranges,
                protected=descriptor.protected,
                populated=descriptor.populated,
                poisoned=descriptor.poisoned,
            )
            for descriptor in self.descriptors
        ]


def _is_same(file: OpenFile, other: OpenFile) -> bool:
    return kernel.raw(SYS_kcmp, file.tid, other.tid, 0, file.fd, other.fd) == 0


def parse_waiting(extra: dict[bytes, list[bytes]]) -> int:
    """How many faults wait, from fdinfo's lines."""
    return int(extra[b"total"][0])


def parse_features(extra: dict[bytes, list[bytes]]) -> int | None:
    """The features that UFFDIO_API asked for; None if that has not been done."""
    features = int(extra[b"API"][0].split(b":")[1], 16)
    return features & ~INITIALIZED if features & INITIALIZED else None


def _unprivileged(proc: int) -> bool:
    fd = os.open("sys/vm/unprivileged_userfaultfd", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        return os.read(fd, 16).strip() != b"0"
    finally:
        os.close(fd)


def _register(fd: int, start: int, end: int, modes: int) -> int:
    argument = bytearray(_4U64.pack(start, end - start, modes, 0))
    return kernel.raw(SYS_ioctl, fd, UFFDIO_REGISTER, kernel.address_of(argument))


def _modes(area: Area) -> int:
    return sum([mode for flag, mode in _MODES if area.flags & flag])


def _scan(pagemap: int, start: int, end: int) -> list[Region]:
    there = PAGE_IS_PRESENT | PAGE_IS_SWAPPED
    wanted = there | PAGE_IS_WRITTEN | PAGE_IS_FILE | PAGE_IS_PFNZERO
    for guard in (PAGE_IS_GUARD, 0):
        try:
            return list(
                read_page_regions(
                    pagemap,
                    start,
                    end,
                    category_anyof_mask=there | guard,
                    return_mask=wanted | guard,
                )
            )
        except OSError as error:
            # Guard pages are a category since Linux 6.15.
            if error.errno != errno.EINVAL or not guard:
                raise
    return []


def _add(runs: list[PageRangeEntry], start: int, end: int) -> None:
    if runs and runs[-1].end == start:
        runs[-1].end = end
    else:
        runs.append(PageRangeEntry(start=start, end=end))


def _replace(regions: list[Region], start: int, end: int, by: list[Region]) -> list[Region]:
    """The regions with those between two addresses replaced."""
    before = [(a, min(b, start), what) for a, b, what in regions if a < start]
    after = [(max(a, end), b, what) for a, b, what in regions if b > end]
    return before + by + after


# --- Restore ---


def build_userfaults(
    room: Callable[[int], Program], entries: Sequence[UserfaultfdEntry], space: Space
) -> None:
    """Makes the descriptors and registers what they had, when everything else has been done to the
    memory. `room` gives a program that has so many bytes left. Raises ImageError."""
    for entry in entries:
        numbers = [(at.fd, at.cloexec) for at in entry.fds]
        if not numbers or any(fd > _MAX_FD for fd, _ in numbers):
            raise ImageError(
                f"crtools-task-{space.pid}.img has a userfaultfd at no possible number"
            )
        number = numbers[0][0]
        program = room(2000 + 100 * len(numbers))
        label = f"make userfaultfd {number}"
        flags = entry.flags & O_NONBLOCK | O_CLOEXEC
        fd = program.call(
            SYS_userfaultfd,
            flags | USER_MODE_ONLY if entry.user_mode_only else flags,
            label=label,
        )
        program.skip_if(fd, number, 2)
        program.call(SYS_dup3, fd, number, O_CLOEXEC, label=label)
        program.call(SYS_close, fd)
        for other, cloexec in numbers[1:]:
            program.call(SYS_dup3, number, other, O_CLOEXEC if cloexec else 0, label=label)
        if not numbers[0][1]:
            program.call(SYS_fcntl, number, F_SETFD, 0)
        if entry.features is None:
            continue
        program.call(
            SYS_ioctl,
            number,
            UFFDIO_API,
            program.put(_3U64.pack(API, entry.features, 0)),
            label=f"set the features of userfaultfd {number}",
        )
        for at in entry.ranges:
            _check_range(space, at.start, at.end)
            vma = _area_at(space, at.start)
            _build_pages(room, space, vma, at, entry.populated)
            _build_ioctl(
                room(300),
                number,
                UFFDIO_REGISTER,
                _4U64.pack(at.start, at.end - at.start, at.modes, 0),
            )
        for run in entry.poisoned:
            _check_range(space, run.start, run.end)
            argument = _4U64.pack(run.start, run.end - run.start, 0, 0)
            _build_ioctl(room(300), number, UFFDIO_POISON, argument)
        for run in entry.protected:
            _check_range(space, run.start, run.end)
            argument = _3U64.pack(run.start, run.end - run.start, 1)
            _build_ioctl(room(300), number, UFFDIO_WRITEPROTECT, argument)


def _build_ioctl(program: Program, number: int, request: int, argument: bytes) -> None:
    start, length = struct.unpack_from("<2Q", argument)
    program.call(
        SYS_ioctl,
        number,
        request,
        program.put(argument),
        label=f"register {start:x}-{start + length:x} with userfaultfd {number}",
    )


def _build_pages(
    room: Callable[[int], Program],
    space: Space,
    vma: VmaEntry,
    at: UserfaultRangeEntry,
    populated: Sequence[PageRangeEntry],
) -> None:
    """Makes exactly those pages present that were: a huge page may have come with one of them, and
    locking brings all."""
    filled = [(c.start, c.end) for c in space.contents if c.start < at.end and c.end > at.start]
    more = [(run.start, run.end) for run in populated if run.start < at.end and run.end > at.start]
    if at.modes & MISSING and vma.status & kinds.ANON_PRIVATE:
        advice = MADV_DONTNEED_LOCKED if vma.flags & MAP_LOCKED else MADV_DONTNEED
        first = at.start
        for start, end in sorted([*filled, *more, (at.end, at.end)]):
            if first < start:
                room(200).call(
                    SYS_madvise, first, start - first, advice, label=f"drop {first:x}-{start:x}"
                )
            first = max(first, end)
    for start, end in more:
        _check_range(space, start, end)
        room(200).call(
            SYS_madvise,
            start,
            end - start,
            MADV_POPULATE_READ,
            label=f"populate {start:x}-{end:x}",
        )


def _area_at(space: Space, address: int) -> VmaEntry:
    for vma in space.vmas:
        if vma.start <= address < vma.end:
            return vma
    raise ImageError(f"crtools-task-{space.pid}.img speaks of {address:x} where no area is")


def _check_range(space: Space, start: int, end: int) -> None:
    vma = _area_at(space, start)
    if (start | end) % PAGE or not start < end <= vma.end:
        raise ImageError(
            f"crtools-task-{space.pid}.img has a userfaultfd for {start:x}-{end:x}",
            because="which is no part of an area",
        )
