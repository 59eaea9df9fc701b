"""Which pages are there: by PAGEMAP_SCAN, and by the words of pagemap."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.abi.ioctl import (
    PAGE_IS_FILE,
    PAGE_IS_GUARD,
    PAGE_IS_PFNZERO,
    PAGE_IS_PRESENT,
    PAGE_IS_SOFT_DIRTY,
    PAGE_IS_SWAPPED,
)
from crtools.errors import InternalError, TaskVanished
from crtools.procfs import pagemap
from crtools.procfs.pagemap import (
    PAGE_REGION,
    PM_SCAN_ARG,
    open_pagemap,
    pack_pm_scan_arg,
    parse_pagemap,
    read_page_regions,
    read_pagemap,
    unpack_page_regions,
    unpack_walk_end,
)

BASE = 0x7F0000000000
THERE = PAGE_IS_PRESENT | PAGE_IS_SWAPPED


def test_structures_have_the_kernels_sizes() -> None:
    assert PM_SCAN_ARG.size == 96
    assert PAGE_REGION.size == 24


def test_the_argument_has_its_fields_in_order() -> None:
    argument = pack_pm_scan_arg(
        1,
        2,
        3,
        4,
        flags=5,
        max_pages=6,
        category_inverted=7,
        category_mask=8,
        category_anyof_mask=9,
        return_mask=10,
    )
    assert struct.unpack("=12Q", argument) == (96, 5, 1, 2, 0, 3, 4, 6, 7, 8, 9, 10)
    struct.pack_into("=Q", argument, 32, 77)
    assert unpack_walk_end(argument) == 77


def test_only_the_regions_written_are_unpacked() -> None:
    vector = bytearray(PAGE_REGION.pack(1, 2, 8) + PAGE_REGION.pack(5, 6, 12) + bytes(48))
    assert unpack_page_regions(vector, 2) == [(1, 2, 8), (5, 6, 12)]
    assert unpack_page_regions(vector, 0) == []


def word_categories(word: int) -> int:
    """What one word says, bit by bit: Documentation/admin-guide/mm/pagemap.rst."""
    if word & pagemap.PM_GUARD_REGION:
        category = PAGE_IS_GUARD
    else:
        category = 0
    category |= PAGE_IS_PRESENT if word & pagemap.PM_PRESENT else 0
    category |= PAGE_IS_SWAPPED if word & pagemap.PM_SWAP else 0
    if not category:
        return 0
    category |= PAGE_IS_FILE if word & pagemap.PM_FILE else 0
    category |= PAGE_IS_SOFT_DIRTY if word & pagemap.PM_SOFT_DIRTY else 0
    return category


def parse_slowly(words: list[int], start: int) -> list[tuple[int, int, int]]:
    runs: list[tuple[int, int, int]] = []
    for index, word in enumerate(words):
        category = word_categories(word)
        begin = start + index * 4096
        if not category:
            continue
        if runs and runs[-1][1:] == (begin, category):
            begin = runs.pop()[0]
        runs.append((begin, start + (index + 1) * 4096, category))
    return runs


page_words = st.sampled_from(
    [
        0,
        pagemap.PM_SOFT_DIRTY,
        pagemap.PM_PRESENT | 0x123456,
        pagemap.PM_PRESENT | pagemap.PM_MMAP_EXCLUSIVE | 0x7FFFFFFFFFFFFF,
        pagemap.PM_PRESENT | pagemap.PM_FILE | 7,
        pagemap.PM_PRESENT | pagemap.PM_SOFT_DIRTY,
        pagemap.PM_SWAP | 0x20,
        pagemap.PM_SWAP | pagemap.PM_GUARD_REGION,
        pagemap.PM_UFFD_WP,
    ]
) | st.integers(0, 2**64 - 1)
word_lists = st.lists(st.tuples(page_words, st.integers(1, 1200)), max_size=6).map(
    lambda runs: [word for word, count in runs for _ in range(count)]
)


@given(word_lists)
def test_runs_are_those_that_words_one_by_one_give(words: list[int]) -> None:
    data = struct.pack(f"={len(words)}Q", *words)
    assert parse_pagemap(data, BASE) == parse_slowly(words, BASE)


def test_a_cut_word_is_an_error() -> None:
    with pytest.raises(InternalError, match="cut off"):
        parse_pagemap(bytes(12), 0)


def mapped_pages() -> tuple[mmap.mmap, int]:
    """64 pages: 2 to 4 and 60 written, 10 and 11 read (zero pages)."""
    memory = mmap.mmap(-1, 64 * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    view = ctypes.c_char.from_buffer(memory)
    address = ctypes.addressof(view)
    del view
    for page in (2, 3, 4, 60):
        memory[page * 4096] = 1
    assert memory[10 * 4096] == memory[11 * 4096] == 0
    return memory, address


def test_our_own_words(proc: int) -> None:
    memory, address = mapped_pages()
    fd = open_pagemap(proc, os.getpid())
    runs = list(read_pagemap(fd, address, address + 64 * 4096))
    os.close(fd)
    memory.close()
    pages = [
        (page - address) // 4096
        for start, end, category in runs
        for page in range(start, end, 4096)
        if category & PAGE_IS_PRESENT
    ]
    assert pages == [2, 3, 4, 10, 11, 60]
    assert not any(category & PAGE_IS_FILE for _, _, category in runs)


@pytest.mark.parametrize("vec_len", [1, 2, 4096])
def test_our_own_regions_however_short_the_vector(proc: int, vec_len: int) -> None:
    memory, address = mapped_pages()
    fd = open_pagemap(proc, os.getpid())
    try:
        regions = list(
            read_page_regions(
                fd,
                address,
                address + 64 * 4096,
                category_anyof_mask=THERE,
                return_mask=THERE | PAGE_IS_PFNZERO,
                vec_len=vec_len,
            )
        )
    except OSError as error:
        if error.errno == errno.ENOTTY:
            pytest.skip("the kernel has no PAGEMAP_SCAN")
        raise
    finally:
        os.close(fd)
        memory.close()
    zero = PAGE_IS_PRESENT | PAGE_IS_PFNZERO
    assert [((a - address) // 4096, (b - address) // 4096, c) for a, b, c in regions] == [
        (2, 5, PAGE_IS_PRESENT),
        (10, 12, zero),
        (60, 61, PAGE_IS_PRESENT),
    ]


def test_a_guard_region_is_told_by_both(proc: int) -> None:
    memory, address = mapped_pages()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if libc.madvise(address + 20 * 4096, 8192, 102) != 0:  # MADV_GUARD_INSTALL
        memory.close()
        pytest.skip("the kernel has no MADV_GUARD_INSTALL")
    fd = open_pagemap(proc, os.getpid())
    end = address + 64 * 4096
    guard = (address + 20 * 4096, address + 22 * 4096)
    words = [run for run in read_pagemap(fd, address, end) if run[2] & PAGE_IS_GUARD]
    try:
        regions = list(
            read_page_regions(
                fd, address, end, category_mask=PAGE_IS_GUARD, return_mask=PAGE_IS_GUARD
            )
        )
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTTY):
            raise
        pytest.skip("the kernel's PAGEMAP_SCAN knows no guards")
    finally:
        os.close(fd)
        memory.close()
    assert regions == [(*guard, PAGE_IS_GUARD)]
    assert [run[:2] for run in words] == [guard]


def test_beyond_user_space_there_is_nothing(proc: int) -> None:
    fd = open_pagemap(proc, os.getpid())
    assert list(read_pagemap(fd, 1 << 62, (1 << 62) + (1 << 30))) == []
    os.close(fd)
    with pytest.raises(TaskVanished):
        open_pagemap(proc, 4194305)
