"""How this kernel tells which pages have changed: soft-dirty bits, or userfaultfd's WP_ASYNC.

Each is really tried, on a page of our own. Sources: Documentation/admin-guide/mm/soft-dirty.rst,
userfaultfd.rst and pagemap.rst.
"""

from __future__ import annotations

import os
import struct

from crtools.abi.ioctl import (
    PAGE_IS_PRESENT,
    PAGE_IS_WRITTEN,
    PAGEMAP_SCAN,
    PM_SCAN_CHECK_WPASYNC,
    UFFDIO_API,
    UFFDIO_REGISTER,
)
from crtools.abi.kernel import PAGE, address_of, checked, view
from crtools.abi.mman import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE
from crtools.abi.x86_64 import SYS_ioctl, SYS_mmap, SYS_munmap, SYS_userfaultfd

# crtools_tracking_entry.method
USERFAULTFD, SOFT_DIRTY = 1, 2

# linux/userfaultfd.h
USER_MODE_ONLY = 1
API, REGISTER_WP = 0xAA, 2
WP_HUGETLBFS_SHMEM, WP_UNPOPULATED, WP_ASYNC = 1 << 12, 1 << 13, 1 << 15
# WP_UNPOPULATED for its markers: only an area that may have them can be scanned so
# (userfaultfd_wp_use_markers in pagemap_scan_test_walk, fs/proc/task_mmu.c).
FEATURES = WP_ASYNC | WP_UNPOPULATED | WP_HUGETLBFS_SHMEM
_SOFT_DIRTY_AT = 6  # the byte of a word of pagemap that has bit 55, its highest
_NO_FD = (1 << 64) - 1


def find_method() -> int:
    """SOFT_DIRTY, USERFAULTFD, or 0: the kernel has neither."""
    for method, probe in ((SOFT_DIRTY, probe_soft_dirty), (USERFAULTFD, probe_userfaultfd)):
        try:
            if not probe():
                return method
        except OSError:
            continue
    return 0


def probe_soft_dirty() -> str:
    """ "" or why not. Raises OSError."""
    page = _map_page()
    try:
        memory = view(page, PAGE)
        memory[0] = 1
        with open("/proc/self/clear_refs", "wb", buffering=0) as file:
            file.write(b"4")
        before = _is_soft_dirty(page)
        memory[0] = 2
        return "" if (before, _is_soft_dirty(page)) == (False, True) else "no soft-dirty bits"
    finally:
        checked(SYS_munmap, page, PAGE)


def probe_userfaultfd() -> str:
    """ "" or why not. Raises OSError."""
    page = _map_page()
    try:
        view(page, PAGE)[0] = 1
        uffd = checked(SYS_userfaultfd, os.O_CLOEXEC | USER_MODE_ONLY)
        try:
            argument = bytearray(struct.pack("<3Q", API, FEATURES, 0))
            checked(SYS_ioctl, uffd, UFFDIO_API, address_of(argument))
            argument = bytearray(struct.pack("<4Q", page, PAGE, REGISTER_WP, 0))
            checked(SYS_ioctl, uffd, UFFDIO_REGISTER, address_of(argument))
            return _scan(page)
        finally:
            os.close(uffd)
    finally:
        checked(SYS_munmap, page, PAGE)


def _scan(page: int) -> str:
    region = bytearray(24)
    # struct pm_scan_arg, linux/fs.h
    argument = bytearray(
        struct.pack(
            "=12Q",
            *(96, PM_SCAN_CHECK_WPASYNC, page, page + PAGE, 0, address_of(region), 1, 0),
            *(0, PAGE_IS_PRESENT, 0, PAGE_IS_WRITTEN),
        )
    )
    with open("/proc/self/pagemap", "rb", buffering=0) as file:
        checked(SYS_ioctl, file.fileno(), PAGEMAP_SCAN, address_of(argument))
    found = struct.unpack("=3Q", region)
    return "" if found == (page, page + PAGE, PAGE_IS_WRITTEN) else "PAGEMAP_SCAN answers oddly"


def _map_page() -> int:
    protection, flags = PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS
    return checked(SYS_mmap, 0, PAGE, protection, flags, _NO_FD, 0)


def _is_soft_dirty(page: int) -> bool:
    with open("/proc/self/pagemap", "rb", buffering=0) as file:
        word = os.pread(file.fileno(), 8, page // PAGE * 8)
    return len(word) == 8 and bool(word[_SOFT_DIRTY_AT] & 0x80)
