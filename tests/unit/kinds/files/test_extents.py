"""Where files have data, as both ways to ask tell it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crtools.abi import kernel
from crtools.kinds.files.extents import (
    FIEMAP_FLAG_SYNC,
    FS_IOC_FIEMAP,
    SYS_ioctl,
    find_extents,
    move,
)

PAGE = 4096


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def has_fiemap(fd: int) -> bool:
    """An empty answer is one: the header alone, with room for none."""
    head = bytearray(32)
    head[8:16] = b"\xff" * 8
    head[16:20] = FIEMAP_FLAG_SYNC.to_bytes(4, "little")
    return kernel.raw(SYS_ioctl, fd, FS_IOC_FIEMAP, kernel.address_of(head)) == 0


@pytest.mark.parametrize("fiemap", [False, True])
@pytest.mark.parametrize("size", [0, 5, 3 * PAGE, 1 << 40])
def test_file_that_is_one_hole_has_no_data(fd: int, size: int, fiemap: bool) -> None:
    os.ftruncate(fd, size)
    assert find_extents(fd, size, fiemap=fiemap) == []


@pytest.mark.parametrize("fiemap", [False, True])
def test_data_is_found_between_holes_and_ends_with_the_file(fd: int, fiemap: bool) -> None:
    os.pwrite(fd, b"a", 16 * PAGE)
    os.pwrite(fd, b"b" * 2 * PAGE, 40 * PAGE)
    size = 100 * PAGE + 5
    os.pwrite(fd, b"end", size - 3)
    assert find_extents(fd, size, fiemap=fiemap) == [
        (16 * PAGE, PAGE),
        (40 * PAGE, 2 * PAGE),
        (100 * PAGE, 5),
    ]


@pytest.mark.parametrize("fiemap", [False, True])
def test_more_extents_than_one_call_tells(fd: int, fiemap: bool) -> None:
    for index in range(1200):
        os.pwrite(fd, b"x", index * 2 * PAGE)
    size = 2400 * PAGE
    os.ftruncate(fd, size)
    assert find_extents(fd, size, fiemap=fiemap) == [(i * 2 * PAGE, PAGE) for i in range(1200)]


def test_room_that_was_reserved_and_not_written_is_no_data(fd: int) -> None:
    if not has_fiemap(fd):
        pytest.skip("the file system has no FIEMAP")
    os.posix_fallocate(fd, 0, 64 * PAGE)
    os.pwrite(fd, b"x", 10 * PAGE)
    assert find_extents(fd, 64 * PAGE, fiemap=True) == [(10 * PAGE, PAGE)]


def test_file_system_without_fiemap_is_asked_the_other_way() -> None:
    fd = os.open("/dev/shm", os.O_TMPFILE | os.O_RDWR)
    try:
        assert not has_fiemap(fd)
        os.ftruncate(fd, 10 * PAGE)
        os.pwrite(fd, b"x", 3 * PAGE)
        assert find_extents(fd, 10 * PAGE, fiemap=True) == [(3 * PAGE, PAGE)]
    finally:
        os.close(fd)


def test_move_raises_where_a_file_is_shorter_than_was_said(fd: int) -> None:
    os.write(fd, b"short")
    other = os.memfd_create("other")
    try:
        with pytest.raises(OSError, match="the file ended early"):
            move(other, fd, 0, 6)
        assert os.pread(other, 10, 0) == b"short"
    finally:
        os.close(other)
