"""Links of map_files: the very file that is mapped."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from crtools.errors import InternalError
from crtools.procfs.map_files import (
    map_files_name,
    open_map_files,
    parse_map_files_name,
    read_map_files,
    read_map_files_link,
)
from crtools.procfs.maps import read_maps


def test_names_are_addresses() -> None:
    assert parse_map_files_name("55871214e000-55871214f000") == (0x55871214E000, 0x55871214F000)
    assert map_files_name(0x55871214E000, 0x55871214F000) == "55871214e000-55871214f000"


@pytest.mark.parametrize("name", ["", "55871214e000", "a-b-c", "x-1", "1-\udcff"])
def test_an_odd_name_is_an_error(name: str) -> None:
    with pytest.raises(InternalError, match="map_files"):
        parse_map_files_name(name)


@pytest.mark.root
def test_a_deleted_file_is_opened_all_the_same(proc: int, tmp_path: Path) -> None:
    path = tmp_path / "a\\012b\nc"
    path.write_bytes(b"old" * 2000)
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 4096, mmap.MAP_SHARED)
    inode = path.stat().st_ino
    path.unlink()
    path.write_bytes(b"new")
    (area,) = [area for area in read_maps(proc, os.getpid()) if area.inode == inode]
    place = (area.start, area.end)
    assert place in read_map_files(proc, os.getpid())
    link = read_map_files_link(proc, os.getpid(), *place)
    assert link == os.fsencode(path) + b" (deleted)"
    fd = open_map_files(proc, os.getpid(), *place)
    assert os.read(fd, 3) == b"old"
    assert not os.get_inheritable(fd)
    os.close(fd)
    mapped.close()
