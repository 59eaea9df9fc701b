"""Which pages of a task are there: PAGEMAP_SCAN, and the words of /proc/PID/pagemap.

PAGEMAP_SCAN (Linux 6.7) gives ranges of pages of equal categories, whatever lies between them. The
older file has one 64-bit word for each page, of holes too. Both become (start, end, categories),
addresses and PAGE_IS_* bits. Source: Documentation/admin-guide/mm/pagemap.rst.
"""

from __future__ import annotations

import os
import struct
from itertools import groupby

from crtools.abi.ioctl import (
    PAGE_IS_FILE,
    PAGE_IS_GUARD,
    PAGE_IS_PRESENT,
    PAGE_IS_SOFT_DIRTY,
    PAGE_IS_SWAPPED,
    PAGEMAP_SCAN,
)
from crtools.abi.kernel import address_of, checked
from crtools.abi.x86_64 import SYS_ioctl
from crtools.procfs.files import explain, misread, task_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_SIZE = 4096  # of x86-64

# struct pm_scan_arg, linux/fs.h: size, flags, start, end, walk_end, vec, vec_len, max_pages,
# category_inverted, category_mask, category_anyof_mask, return_mask.
PM_SCAN_ARG = struct.Struct("=12Q")
# struct page_region: start, end, categories.
PAGE_REGION = struct.Struct("=3Q")
_WALK_END = struct.Struct("=Q")
_WALK_END_OFFSET = 32

# Bits of a word of /proc/PID/pagemap.
PM_SOFT_DIRTY = 1 << 55
PM_MMAP_EXCLUSIVE = 1 << 56  # mapped by this task alone
PM_UFFD_WP = 1 << 57  # write-protected by userfaultfd
PM_GUARD_REGION = 1 << 58  # Linux 6.15
PM_FILE = 1 << 61  # of a file, or shared anonymous
PM_SWAP = 1 << 62
PM_PRESENT = 1 << 63

_BLOCK = 4096  # bytes of words looked at together
# Holes of an area whose VM_SOFTDIRTY is set, as it is from mmap on, have this bit and no other.
_DIRTY_HOLE = PM_SOFT_DIRTY.to_bytes(8, "little")
# The categories of a word fit one byte, so that whole runs are found at C speed; a guard has no
# bit below 256 and takes that of PAGE_IS_WPALLOWED, which the words do not tell.
_GUARD = 1
_TOP = bytes(
    (top >> 7 & 1) * PAGE_IS_PRESENT
    | (top >> 6 & 1) * PAGE_IS_SWAPPED
    | (top >> 5 & 1) * PAGE_IS_FILE
    | (top >> 2 & 1) * _GUARD
    for top in range(256)
)
_SECOND = bytes((second >> 7 & 1) * PAGE_IS_SOFT_DIRTY for second in range(256))
_POPULATED = PAGE_IS_PRESENT | PAGE_IS_SWAPPED | _GUARD


def pack_pm_scan_arg(
    start: int,
    end: int,
    vec: int,
    vec_len: int,
    *,
    flags: int = 0,
    max_pages: int = 0,
    category_inverted: int = 0,
    category_mask: int = 0,
    category_anyof_mask: int = 0,
    return_mask: int = 0,
) -> bytearray:
    """The argument of PAGEMAP_SCAN: look from `start` to `end`, fill `vec_len` regions at `vec`.

    A page is reported if, with the bits of `category_inverted` turned over, it has all bits of
    `category_mask` and one of `category_anyof_mask` (if that is not 0); adjacent pages that are
    equal in the bits of `return_mask` become one region. `max_pages` 0: any number.
    """
    return bytearray(
        PM_SCAN_ARG.pack(
            PM_SCAN_ARG.size,
            flags,
            start,
            end,
            0,
            vec,
            vec_len,
            max_pages,
            category_inverted,
            category_mask,
            category_anyof_mask,
            return_mask,
        )
    )


def unpack_walk_end(argument: bytes | bytearray | memoryview) -> int:
    """The address that PAGEMAP_SCAN got to: where to go on if the vector was too short."""
    walk_end: int = _WALK_END.unpack_from(argument, _WALK_END_OFFSET)[0]
    return walk_end


def unpack_page_regions(
    vector: bytes | bytearray | memoryview, count: int
) -> list[tuple[int, int, int]]:
    """(start, end, categories) of the first `count` regions that PAGEMAP_SCAN wrote."""
    regions: list[tuple[int, int, int]] = list(
        PAGE_REGION.iter_unpack(memoryview(vector).cast("B")[: count * PAGE_REGION.size])
    )
    return regions


def parse_pagemap(data: bytes, start: int) -> list[tuple[int, int, int]]:
    """Runs of pages that are there, from the words of the pages at `start` and on.

    Categories are those that the words tell: PRESENT, SWAPPED, FILE, SOFT_DIRTY and GUARD. Zero
    pages can't be told from others. Raises InternalError if a word is cut off.
    """
    if len(data) % 8:
        raise misread("/proc/PID/pagemap", data[-8:], "its last word is cut off")
    runs: list[tuple[int, int, int]] = []
    zeros = bytes(_BLOCK)
    dirty_holes = _DIRTY_HOLE * (_BLOCK // 8)
    for offset in range(0, len(data), _BLOCK):
        block = data[offset : offset + _BLOCK]
        if block in (zeros, dirty_holes):
            continue
        count = len(block) // 8
        categories = (
            int.from_bytes(block[7::8].translate(_TOP), "little")
            | int.from_bytes(block[6::8].translate(_SECOND), "little")
        ).to_bytes(count, "little")
        address = start + offset // 8 * PAGE_SIZE
        for category, pages in groupby(categories):
            begin = address
            address += len(list(pages)) * PAGE_SIZE
            if not category & _POPULATED:
                continue
            if category & _GUARD:
                category = category & ~_GUARD | PAGE_IS_GUARD
            if runs and runs[-1][1] == begin and runs[-1][2] == category:
                begin = runs.pop()[0]
            runs.append((begin, address, category))
    return runs


def open_pagemap(proc: int, pid: int) -> int:
    """A descriptor for read_pagemap and read_page_regions."""
    path = task_path(pid, None, "pagemap")
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    except OSError as error:
        raise explain(error, proc, pid, None, "pagemap") from error


def read_pagemap(fd: int, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Runs of pages that are there between two addresses, by the words: any kernel can do it.

    A run can be cut in two where a read ends, every 512 MiB. Raises OSError.
    """
    address = start
    while address < end:
        wanted = min((end - address) // PAGE_SIZE * 8, 1 << 20)
        data = os.pread(fd, wanted, address // PAGE_SIZE * 8)
        if not data:
            return  # beyond the end of user space
        yield from parse_pagemap(data, address)
        address += len(data) // 8 * PAGE_SIZE


def read_page_regions(
    fd: int,
    start: int,
    end: int,
    *,
    category_inverted: int = 0,
    category_mask: int = 0,
    category_anyof_mask: int = 0,
    return_mask: int = 0,
    vec_len: int = 4096,
    flags: int = 0,
) -> Iterator[tuple[int, int, int]]:
    """The regions that PAGEMAP_SCAN reports between two addresses, of any extent.

    With PM_SCAN_WP_MATCHING in `flags`, what is reported is write-protected as well, once the
    iterator has come to its end. Raises OSError, with ENOTTY on a kernel before 6.7.
    """
    vector = bytearray(PAGE_REGION.size * vec_len)
    address = start
    while address < end:
        argument = pack_pm_scan_arg(
            address,
            end,
            address_of(vector),
            vec_len,
            flags=flags,
            category_inverted=category_inverted,
            category_mask=category_mask,
            category_anyof_mask=category_anyof_mask,
            return_mask=return_mask,
        )
        # No fcntl.ioctl: its module would be imported while tasks are stopped.
        count = checked(SYS_ioctl, fd, PAGEMAP_SCAN, address_of(argument))
        regions = unpack_page_regions(memoryview(vector), count)
        yield from regions
        # A walk in several of the kernel's own steps that comes to its end leaves the end of the
        # step before (fs/proc/task_mmu.c, do_pagemap_scan): what was told must not come again.
        address = max(unpack_walk_end(argument), regions[-1][1] if regions else 0)
