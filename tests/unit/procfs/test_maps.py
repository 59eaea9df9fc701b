"""parse_maps, on lines of real kernels and on lines made as the kernel makes them."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.abi.mman import PROT_EXEC, PROT_READ, PROT_WRITE
from crtools.errors import InternalError
from crtools.procfs.maps import Vma, parse_maps, read_maps

SAMPLE = b"""\
00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon
00e03000-00e24000 rw-p 00000000 00:00 0           [heap]
35b1800000-35b1820000 r-xp 00002000 fd:103 135522  /usr/lib64/ld-2.15.so
7f2c6ff8c000-7f2c7078c000 rw-p 00000000 00:00 0    [anon:java stack]
7f2c70000000-7f2c70001000 ---p 00000000 00:00 0\x20
7f2c71000000-7f2c71002000 rw-s 00000000 00:01 1028    /dev/zero (deleted)
7f2c72000000-7f2c72001000 rw-s 00000000 00:01 9   [anon_shmem:a (deleted)]
7f2c73000000-7f2c73001000 r--s 00001000 fe:00 2146447   /tmp/a  b\\012c (deleted)
7f2c74000000-7f2c74001000 rw-s 00000000 00:0e 1038   anon_inode:[io_uring]
7fffb2d48000-7fffb2d49000 r-xp 00000000 00:00 0   [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
"""


def test_every_column_is_read() -> None:
    areas = parse_maps(SAMPLE)
    assert len(areas) == 11
    assert areas[0] == Vma(
        0x400000, 0x452000, PROT_READ | PROT_EXEC, False, 0, (8, 2), 173521, b"/usr/bin/dbus-daemon"
    )
    assert areas[1].path == b"[heap]"
    assert areas[2].pgoff == 0x2000
    assert areas[2].dev == (0xFD, 0x103)
    assert areas[4] == Vma(0x7F2C70000000, 0x7F2C70001000, 0, False, 0, (0, 0), 0)
    assert areas[5].shared
    assert areas[5].prot == PROT_READ | PROT_WRITE
    assert areas[-1].end == 0xFFFFFFFFFF601000
    assert areas[-1].size == 4096


def test_deleted_is_a_flag_of_files_only() -> None:
    areas = parse_maps(SAMPLE)
    assert (areas[5].path, areas[5].deleted) == (b"/dev/zero", True)
    assert (areas[6].path, areas[6].deleted) == (b"[anon_shmem:a (deleted)]", False)
    assert (areas[7].path, areas[7].deleted) == (b"/tmp/a  b\nc", True)
    assert (areas[8].path, areas[8].deleted) == (b"anon_inode:[io_uring]", False)


def test_names_given_to_anonymous_memory_are_found() -> None:
    names = [area.anon_name for area in parse_maps(SAMPLE)]
    assert names[3] == b"java stack"
    assert names[6] == b"a (deleted)"
    assert not any(names[:3] + names[4:6] + names[7:])


def test_no_text_is_no_areas() -> None:
    assert parse_maps(b"") == []


@pytest.mark.parametrize(
    "line",
    [
        b"00400000-00452000 r-xp 00000000 08:02\n",
        b"00400000 r-xp 00000000 08:02 173521\n",
        b"00400000-00452000 rwxz 00000000 08:02 173521\n",
        b"00400000-00452000 r-xp 0000000g 08:02 173521\n",
        b"00400000-00452000 r-xp 00000000 0802 173521\n",
        b"\n",
    ],
)
def test_an_odd_line_is_named(line: bytes) -> None:
    with pytest.raises(InternalError) as caught:
        parse_maps(SAMPLE + line)
    assert repr(line[:-1]) in str(caught.value)


def test_a_cut_file_is_no_areas_less() -> None:
    with pytest.raises(InternalError, match="cut off"):
        parse_maps(SAMPLE[:-1])


def test_our_own_areas_are_as_we_mapped_them(proc: int, tmp_path: Path) -> None:
    file = tmp_path / "a  file (deleted)"
    file.write_bytes(bytes(3 * 4096))
    with file.open("r+b") as opened:
        mapped = mmap.mmap(opened.fileno(), 8192, mmap.MAP_SHARED, mmap.PROT_READ, offset=4096)
    file.rename(tmp_path / "new\nline")
    areas = read_maps(proc, os.getpid())
    (area,) = [area for area in areas if area.path.endswith(b"new\nline")]
    status = (tmp_path / "new\nline").stat()
    assert (area.size, area.prot, area.shared, area.pgoff) == (8192, PROT_READ, True, 4096)
    assert area.inode == status.st_ino
    assert area.dev == (os.major(status.st_dev), os.minor(status.st_dev))
    assert not area.deleted
    (tmp_path / "new\nline").unlink()
    (area,) = [area for area in read_maps(proc, os.getpid()) if b"new\nline" in area.path]
    assert area.deleted
    mapped.close()
    assert [area.start for area in areas] == sorted(area.start for area in areas)


u64 = st.integers(0, 2**64 - 1)
u32 = st.integers(0, 2**32 - 1)
file_paths = st.binary(min_size=0, max_size=40).map(
    lambda name: b"/" + name.replace(b"\0", b"").replace(b"\\012", b"")
)
vmas = st.builds(
    Vma,
    u64,
    u64,
    st.integers(0, 7),
    st.booleans(),
    u64,
    st.tuples(st.integers(0, 4095), st.integers(0, 2**20 - 1)),
    u64,
    file_paths | st.sampled_from([b"", b"[heap]", b"[anon: x y ]", b"[stack]"]),
    st.booleans(),
)


def as_the_kernel_writes_it(area: Vma) -> bytes:
    """show_map_vma() of fs/proc/task_mmu.c."""
    line = b"%08x-%08x %c%c%c%c %08x %02x:%02x %d " % (
        area.start,
        area.end,
        b"-r"[area.prot & 1],
        b"-w"[area.prot >> 1 & 1],
        b"-x"[area.prot >> 2 & 1],
        b"ps"[area.shared],
        area.pgoff,
        *area.dev,
        area.inode,
    )
    if area.path:
        line = line.ljust(73) + area.path.replace(b"\n", b"\\012") + b" (deleted)" * area.deleted
    return line + b"\n"


@given(st.lists(vmas, max_size=8))
def test_what_the_kernel_writes_is_what_is_read(areas: list[Vma]) -> None:
    for area in areas:
        if not area.path.startswith(b"/") or area.path.endswith(b" (deleted)"):
            area.deleted = False
    areas = [area for area in areas if not area.path.endswith(b" (deleted)")]
    assert parse_maps(b"".join(map(as_the_kernel_writes_it, areas))) == areas
