"""What has changed in a process's memory since an earlier dump, without its help.

Two ways. Soft-dirty bits (CONFIG_MEM_SOFT_DIRTY; Documentation/admin-guide/mm/soft-dirty.rst) need
nothing but /proc/PID/clear_refs. Where the kernel has none, a userfaultfd with WP_ASYNC (Linux 6.7;
Documentation/admin-guide/mm/userfaultfd.rst): the kernel takes a page's protection away at its
first write, by itself, and PAGEMAP_SCAN tells where it did. Nobody has to answer anything, so the
process runs on whoever dies; the descriptor's last end unregisters all.

What is taken for unchanged has to be known for that: a page in an area that was registered with
our own descriptor when its pages were protected, and has been since, whose protection is still
there, and which the parent directory has. mremap(2), munmap(2), exec and fork(2) end a
registration, new pages are not protected, and all of these are then written in full. Only pages
that are present are protected: markers for others, which userfaultfd knows, would look like
swapped pages and take page tables for terabytes that nobody has touched.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.abi.ioctl import (
    PAGE_IS_FILE,
    PAGE_IS_GUARD,
    PAGE_IS_HUGE,
    PAGE_IS_PFNZERO,
    PAGE_IS_PRESENT,
    PAGE_IS_SOFT_DIRTY,
    PAGE_IS_SWAPPED,
    PAGE_IS_WRITTEN,
    PM_SCAN_CHECK_WPASYNC,
    PM_SCAN_WP_MATCHING,
    UFFDIO_API,
    UFFDIO_REGISTER,
    UFFDIO_WRITEPROTECT,
)
from crtools.abi.kernel import PAGE
from crtools.abi.mman import PROT_EXEC, PROT_WRITE
from crtools.abi.x86_64 import SYS_ioctl
from crtools.changes import API, FEATURES, REGISTER_WP, SOFT_DIRTY, USERFAULTFD
from crtools.kinds.memory.scan import UNCHANGED, VSYSCALL
from crtools.procfs.files import task_path
from crtools.procfs.pagemap import open_pagemap, read_page_regions, read_pagemap
from crtools.procfs.smaps import VF_UI, VF_UM, VF_UW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.kinds.memory.areas import Area
    from crtools.kinds.memory.scan import Region
    from crtools.procfs.maps import Vma
    from crtools.procfs.status import Status

    Range = tuple[int, int]

_3U64, _4U64 = struct.Struct("<3Q"), struct.Struct("<4Q")
_NOT_TRACKED = (b"[vdso]", b"[vvar]", b"[vvar_vclock]", b"[vsyscall]")
# What writes into memory without a page table being asked: requests in flight of these.
_RINGS = (b"/[aio]", b"anon_inode:[io_uring]")
_TOLD = PAGE_IS_PFNZERO | PAGE_IS_HUGE | PAGE_IS_PRESENT  # of each page, beside that
_MODES = VF_UM | VF_UW | VF_UI  # how an area may be registered
# Of an anonymous area as large as this it is worth not to ask which pages are a file's: for that
# the kernel looks at a structure of each page, which takes ten times as long as all else.
_LARGE = 1 << 20
# linux/swapops.h: the last type of a swap entry is a marker.
_MARKER, _PM_ENTRY, _PM_SWAP = 31, (1 << 55) - 1, 1 << 62


def collect_trackable(status: Status, vmas: Sequence[Vma]) -> list[Vma]:
    """The areas whose changes can be followed; none of a process whose memory may be written past
    its page tables: by requests of its rings, or by whoever has pinned it (VmPin)."""
    if status.vm_pinned:
        return []
    found: list[Vma] = []
    for vma in vmas:
        if vma.path in _RINGS:
            return []
        # Code is a file's. What is read-only in a file mapping has few pages of its own
        # (relocations), and a registration costs it the kernel's reading ahead.
        if not vma.shared and vma.path not in _NOT_TRACKED and not vma.path.startswith(b"[uprobes"):
            anonymous = not vma.inode and vma.prot & (PROT_WRITE | PROT_EXEC) != PROT_EXEC
            if anonymous or vma.prot & PROT_WRITE:
                found.append(vma)
    return found


def set_features(uffd: int) -> int:
    """Makes a new userfaultfd one that only follows writes; 0 or minus an errno."""
    argument = bytearray(_3U64.pack(API, FEATURES, 0))
    return kernel.raw(SYS_ioctl, uffd, UFFDIO_API, kernel.address_of(argument))


def register(uffd: int, start: int, end: int) -> int:
    """To register again what is registered with the same descriptor changes nothing; with another
    one it is EBUSY (fs/userfaultfd.c)."""
    argument = bytearray(_4U64.pack(start, end - start, REGISTER_WP, 0))
    return kernel.raw(SYS_ioctl, uffd, UFFDIO_REGISTER, kernel.address_of(argument))


def is_async(pagemap: int, start: int) -> bool:
    """Whether the area of the page at `start` is registered with some userfaultfd of WP_ASYNC."""
    try:
        for _ in read_page_regions(
            pagemap,
            start,
            start + PAGE,
            category_mask=PAGE_IS_PRESENT,
            return_mask=PAGE_IS_WRITTEN,
            vec_len=1,
            flags=PM_SCAN_CHECK_WPASYNC,
        ):
            pass
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EINVAL, errno.ENOTTY):
            return False
        raise
    return True


def collect_followed(proc: int, pid: int, areas: Sequence[Area]) -> set[int]:
    """The starts of those that are registered for nothing but following writes, whoever does."""
    plain = [area.entry.start for area in areas if area.flags & _MODES == VF_UW]
    if not plain:
        return set()
    pagemap = open_pagemap(proc, pid)
    try:
        return {start for start in plain if is_async(pagemap, start)}
    finally:
        os.close(pagemap)


class Tracker:
    """One process's memory: what has changed, and protecting it anew. All its tasks are stopped.

    `uffd` is its userfaultfd, -1 where it has none yet; `parent` where it has pages in the
    directory that this dump builds upon.
    """

    def __init__(self, method: int, uffd: int = -1, parent: Sequence[Range] = ()) -> None:
        self.method = method
        self.uffd = uffd
        self.parent = parent
        self.areas: list[Range] = []  # what can be followed
        self.runs: list[Range] = []  # what is registered with its descriptor
        self.refused = False  # whether somebody else's descriptor was met
        self._known: list[Range] = []  # what was before, and has been protected
        self._there: list[Range] = []  # what of that the parent has
        self.anonymous: list[Range] = []  # of that large areas that no file is behind
        self._found: list[Region] = []  # by scans

    def attach(self, pagemap: int, vmas: Sequence[Vma]) -> None:
        """Finds out what has been followed; `vmas` are those of collect_trackable."""
        self.areas = merge([(vma.start, vma.end) for vma in vmas])
        self.anonymous = [(v.start, v.end) for v in vmas if not v.inode and v.size >= _LARGE]
        if self.method == SOFT_DIRTY:
            self.runs = self._known = self.areas
            self._there = intersect(self._known, self.parent)
            return
        if self.uffd < 0:
            return
        # What is registered, and with this descriptor. What is not has never been protected.
        followed = [vma for vma in vmas if is_async(pagemap, vma.start)]
        if vmas and not followed:
            first = vmas[0]
            if register(self.uffd, first.start, first.end) == -errno.ESRCH:
                # It is for a memory that is gone: the process has executed a program since.
                self.close()
                return
        self._register(followed)
        self._known = self.runs
        self._there = intersect(self._known, self.parent)

    def _register(self, vmas: Sequence[Vma]) -> None:
        runs: list[Range] = []
        for vma in vmas:
            result = register(self.uffd, vma.start, vma.end)
            if result == 0:
                runs.append((vma.start, vma.end))
            elif result == -errno.EBUSY:
                self.refused = True
        self.runs = merge(runs)

    def scan(self, pagemap: int, spans: Sequence[Range]) -> list[Region]:
        """As scan.scan(), and with UNCHANGED for what the parent directory has."""
        return self.mark(self.collect(pagemap, spans))

    def mark(self, found: Sequence[Region]) -> list[Region]:
        """What `collect` has found as scan() gives it; the tasks may run."""
        return mark_unchanged(found, self.method, self._there)

    def collect(self, pagemap: int, spans: Sequence[Range]) -> list[Region]:
        """What the kernel says of the pages, which takes it less than it takes us to read it."""
        spans = [span for span in spans if span[1] <= VSYSCALL]
        found = self._scan_all(pagemap, spans[0][0], spans[-1][1]) if spans else []
        if self.method == USERFAULTFD and self._known != self.areas:
            self._found += found
        return found

    def _scan_all(self, pagemap: int, start: int, end: int) -> list[Region]:
        found: list[Region] = []
        at = start
        for first, last in self.anonymous:
            first, last = max(first, start), min(last, end)
            if first >= last:
                continue
            if at < first:
                found += self._mixed(pagemap, at, first)
            found += self._scan(pagemap, first, last, 0)
            at = last
        if at < end:
            found += self._mixed(pagemap, at, end)
        return found

    def _mixed(self, pagemap: int, start: int, end: int) -> list[Region]:
        """Where pages of files may be. What was protected and is given up (MADV_DONTNEED) leaves a
        mark there, which is no page but looks like a swapped one."""
        found = self._scan(pagemap, start, end, PAGE_IS_FILE | PAGE_IS_SWAPPED)
        regions: list[Region] = []
        for first, last, what in found:
            if what & PAGE_IS_SWAPPED and not what & (PAGE_IS_WRITTEN | PAGE_IS_GUARD):
                regions += _without_marks(pagemap, first, last, what & ~PAGE_IS_SWAPPED)
            else:
                regions.append((first, last, what & ~PAGE_IS_SWAPPED))
        return regions

    def _scan(self, pagemap: int, start: int, end: int, more: int) -> list[Region]:
        there = PAGE_IS_PRESENT | PAGE_IS_SWAPPED
        changed = PAGE_IS_WRITTEN if self.method == USERFAULTFD else PAGE_IS_SOFT_DIRTY
        for guard in (PAGE_IS_GUARD, 0):
            try:
                return list(
                    read_page_regions(
                        pagemap,
                        start,
                        end,
                        category_anyof_mask=there | guard,
                        return_mask=changed | _TOLD | more | guard,
                    )
                )
            except OSError as error:
                if error.errno == errno.ENOTTY and self.method == SOFT_DIRTY:
                    break
                # Guard pages are a category since Linux 6.15.
                if error.errno != errno.EINVAL or not guard:
                    raise
        return list(read_pagemap(pagemap, start, end))

    def arm(self, proc: int, pid: int, pagemap: int, vmas: Sequence[Vma]) -> int:
        """From now on changes count from here. The number of areas that could not be registered."""
        if self.method == SOFT_DIRTY:
            # On behalf of the whole process; the bits of one area cannot be cleared alone.
            path = task_path(pid, None, "clear_refs")
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
            try:
                os.write(fd, b"4")
            finally:
                os.close(fd)
            return 0
        self._register(vmas)
        protected = [(start, end) for start, end, what in self._found if not what & PAGE_IS_WRITTEN]
        for start, end in intersect(outside(merge(protected), self._known), self.runs):
            # Before Linux 6.13 what mremap() moved kept its protection when its area lost the
            # registration, and no write took it away: it would never count as changed.
            argument = bytearray(_3U64.pack(start, end - start, 0))
            kernel.checked(SYS_ioctl, self.uffd, UFFDIO_WRITEPROTECT, kernel.address_of(argument))
        plain = intersect(self.runs, merge(self.anonymous))
        for ranges, more in ((plain, 0), (outside(self.runs, plain), PAGE_IS_FILE)):
            for start, end in ranges:
                for _ in read_page_regions(
                    pagemap,
                    start,
                    end,
                    category_mask=PAGE_IS_PRESENT | PAGE_IS_WRITTEN | more,
                    category_inverted=more,
                    return_mask=PAGE_IS_WRITTEN,
                    flags=PM_SCAN_WP_MATCHING,
                ):
                    pass
        return len(vmas) - sum([any(a <= v.start < b for a, b in self.runs) for v in vmas])

    def close(self) -> None:
        if self.uffd >= 0:
            os.close(self.uffd)
            self.uffd = -1


def mark_unchanged(regions: Sequence[Region], method: int, there: Sequence[Range]) -> list[Region]:
    """The regions with categories as of scan() and UNCHANGED: that is for
    pages that are protected still, and lie where areas were followed and the parent has pages: in
    `there`. All are ascending."""
    changed = PAGE_IS_WRITTEN if method == USERFAULTFD else PAGE_IS_SOFT_DIRTY
    never = changed | PAGE_IS_FILE | PAGE_IS_PFNZERO | PAGE_IS_GUARD
    pieces = iter(there)
    piece = next(pieces, None)
    marked: list[Region] = []
    for start, end, what in regions:
        kept = what & (_TOLD | PAGE_IS_FILE | PAGE_IS_GUARD)
        if what & never:
            marked.append((start, end, kept))
            continue
        while piece is not None and piece[0] < end:
            if piece[1] <= start:
                piece = next(pieces, None)
                continue
            first, last = max(start, piece[0]), min(end, piece[1])
            if start < first:
                marked.append((start, first, kept))
            marked.append((first, last, kept | UNCHANGED))
            start = last
            if piece[1] > end:
                break
            piece = next(pieces, None)
        if start < end:
            marked.append((start, end, kept))
    return marked


def _without_marks(pagemap: int, start: int, end: int, what: int) -> list[Region]:
    words = os.pread(pagemap, (end - start) // PAGE * 8, start // PAGE * 8)
    found: list[Region] = []
    for index, (word,) in enumerate(struct.iter_unpack("<Q", words)):
        # Without CAP_SYS_ADMIN the entry is 0: then it is written, whatever it is.
        if word & _PM_SWAP and word & _PM_ENTRY and word & 31 == _MARKER:
            continue
        at = start + index * PAGE
        found.append((at, at + PAGE, what if word & _PM_ENTRY else what | PAGE_IS_WRITTEN))
    return found


def merge(ranges: Sequence[Range]) -> list[Range]:
    """Ascending ranges; those that touch become one."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def intersect(ours: Sequence[Range], theirs: Sequence[Range]) -> list[Range]:
    """What lies in both, which are ascending."""
    found: list[Range] = []
    a = b = 0
    while a < len(ours) and b < len(theirs):
        start, end = max(ours[a][0], theirs[b][0]), min(ours[a][1], theirs[b][1])
        if start < end:
            if found and found[-1][1] == start:
                found[-1] = found[-1][0], end
            else:
                found.append((start, end))
        if ours[a][1] < theirs[b][1]:
            a += 1
        else:
            b += 1
    return found


def outside(ours: Sequence[Range], theirs: Sequence[Range]) -> list[Range]:
    """What of `ours` does not lie in `theirs`, which are ascending."""
    found: list[Range] = []
    b = 0
    for start, end in ours:
        while b < len(theirs) and theirs[b][1] <= start:
            b += 1
        at = b
        while start < end and at < len(theirs) and theirs[at][0] < end:
            if start < theirs[at][0]:
                found.append((start, theirs[at][0]))
            start = max(start, theirs[at][1])
            at += 1
        if start < end:
            found.append((start, end))
    return found
