"""parse_smaps and read_smaps: the same facts whether read at once or piece by piece."""

from __future__ import annotations

import mmap
import os
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.errors import InternalError, TaskVanished
from crtools.procfs import smaps
from crtools.procfs.maps import parse_maps, read_maps
from crtools.procfs.smaps import VM_FLAGS, SmapsFacts, parse_smaps, read_smaps

AREA = b"""\
%x-%x rw-p 00000000 00:00 0                          [heap]
Size:                132 kB
KernelPageSize:        4 kB
MMUPageSize:           4 kB
Rss:            %8d kB
Pss:                 100 kB
Pss_Dirty:           100 kB
Shared_Clean:          0 kB
Shared_Dirty:          0 kB
Private_Clean:         4 kB
Private_Dirty:        96 kB
Referenced:          100 kB
Anonymous:            92 kB
KSM:                   0 kB
LazyFree:              0 kB
AnonHugePages:         0 kB
ShmemPmdMapped:        0 kB
FilePmdMapped:         0 kB
Shared_Hugetlb:     2048 kB
Private_Hugetlb:    4096 kB
Swap:                 12 kB
SwapPss:              13 kB
Locked:               16 kB
THPeligible:           0
%sVmFlags: %s\x20
"""


def area(index: int, rss: int = 100, key: bytes = b"", flags: bytes = b"rd wr mr") -> bytes:
    return AREA % (index << 16, (index << 16) + 4096, rss, key, flags)


def test_sizes_are_bytes_and_flags_are_bits() -> None:
    data = area(1, key=b"ProtectionKey:         5\n", flags=b"rd wr hg lf ?? zz")
    ((start, end, facts),) = parse_smaps(data)
    assert (start, end) == (0x10000, 0x11000)
    assert facts == SmapsFacts(
        smaps.VF_RD | smaps.VF_WR | smaps.VF_HG | smaps.VF_LF,
        (b"??", b"zz"),
        kernel_page_size=4096,
        rss=102400,
        anonymous=92 * 1024,
        swap=12 * 1024,
        locked=16 * 1024,
        private_dirty=96 * 1024,
        hugetlb=6144 * 1024,
        protection_key=5,
    )


def test_no_protection_key_is_not_key_zero() -> None:
    assert parse_smaps(area(1))[0][2].protection_key is None
    key = b"ProtectionKey:         0\n"
    assert parse_smaps(area(1, key=key))[0][2].protection_key == 0


def test_every_code_of_the_documentation_has_its_bit() -> None:
    codes = b"""rd wr ex sh mr mw me ms gd pf lo io sr rr dc de ac nr ht sf nl ar wf dd sd mm hg nh
        mg bt mt um uw ui ss sl dp lf dw gu mp""".split()
    assert set(codes) == set(VM_FLAGS)
    assert len(set(VM_FLAGS.values())) == len(VM_FLAGS)
    everything = parse_smaps(area(1, flags=b" ".join(codes)))[0][2]
    assert everything.flags == sum(VM_FLAGS.values())
    assert everything.unknown_flags == ()


def test_an_older_kernels_lines_do() -> None:
    data = area(1).replace(b"KSM:                   0 kB\n", b"")
    data = data.replace(b"Shared_Hugetlb:     2048 kB\nPrivate_Hugetlb:    4096 kB\n", b"")
    facts = parse_smaps(data)[0][2]
    assert (facts.hugetlb, facts.swap, facts.locked) == (0, 12288, 16384)


def test_areas_of_different_lines_in_one_file_are_not_mixed_up() -> None:
    data = area(1) + area(2, key=b"ProtectionKey:         3\n") + area(3, rss=7)
    assert [facts.protection_key for _, _, facts in parse_smaps(data)] == [None, 3, None]


def test_areas_that_are_equal_share_their_facts() -> None:
    first, second, third = parse_smaps(area(1) + area(2) + area(3, rss=7))
    assert first[2] is second[2]
    assert third[2].rss == 7168


def test_the_memory_of_what_was_seen_is_bounded() -> None:
    parser = smaps._SmapsParser()
    found = parser.parse(b"".join(area(index, rss=index) for index in range(5000)))
    assert [facts.rss for _, _, facts in found] == [1024 * index for index in range(5000)]
    assert len(parser.facts) <= 1024


@pytest.mark.parametrize(
    "data",
    [
        area(1)[:-30],
        area(1) + b"7f0000000000-7f0000001000 rw-p 00000000 00:00 0\n",
        area(1).replace(b"Locked:", b"Lock:"),
        area(1).replace(b" 16 kB", b" xx kB"),
        b"\n" + area(1),
    ],
)
def test_odd_text_is_an_error_that_shows_it(data: bytes) -> None:
    with pytest.raises(InternalError, match="/proc/PID/smaps"):
        parse_smaps(data)


def test_pieces_give_what_the_whole_gives(fake_proc: Callable[[str, bytes], int]) -> None:
    # Four pieces and more, cut at any place of an area.
    data = b"".join(area(index, rss=index % 700) for index in range(6000))
    proc = fake_proc("9/smaps", data)
    assert list(read_smaps(proc, 9)) == parse_smaps(data)


@given(st.integers(1, 1700))
def test_any_size_of_piece_will_do(size: int) -> None:
    data = area(1) + area(2, rss=5) + area(3, key=b"ProtectionKey:         3\n")
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        file = Path(directory, "9", "smaps")
        file.parent.mkdir()
        file.write_bytes(data)
        patch.setattr(smaps, "_PIECE", size)
        patch.setattr(smaps, "_CHUNK", max(1, size // 3))
        proc = os.open(directory, os.O_RDONLY)
        assert list(read_smaps(proc, 9)) == parse_smaps(data)
        os.close(proc)


def test_a_file_that_ends_within_an_area_is_an_error(
    fake_proc: Callable[[str, bytes], int],
) -> None:
    with pytest.raises(InternalError):
        list(read_smaps(fake_proc("9/smaps", area(1) + area(2)[:-100]), 9))


def test_reading_takes_no_more_memory_than_a_few_pieces(
    fake_proc: Callable[[str, bytes], int],
) -> None:
    data = b"".join(area(index) for index in range(30000))
    proc = fake_proc("9/smaps", data)
    size = len(data)
    del data
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_smaps(proc, 9))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 30000
    assert peak < 8 << 20 < size


def test_our_own_areas_are_those_of_maps(proc: int) -> None:
    mapped = mmap.mmap(-1, 5 * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    mapped.madvise(mmap.MADV_DONTFORK)
    mapped[:8192] = b"x" * 8192
    found = {(start, end): facts for start, end, facts in read_smaps(proc, os.getpid())}
    areas = {(area.start, area.end): area for area in read_maps(proc, os.getpid())}
    # The vsyscall page is in maps only where it is a gate area; what the reading itself
    # allocates may come or go between the two.
    assert len(found.keys() & areas.keys()) > len(areas) - 5
    for place in found.keys() & areas.keys():
        assert bool(found[place].flags & smaps.VF_RD) == bool(areas[place].prot & 1)
        assert bool(found[place].flags & smaps.VF_WR) == bool(areas[place].prot & 2)
        assert not found[place].unknown_flags
    (ours,) = [f for f in found.values() if f.flags & smaps.VF_DC and f.anonymous == 8192]
    assert ours.kernel_page_size == 4096
    mapped.close()


def test_a_task_that_is_gone_is_said_to_have_vanished(proc: int) -> None:
    with pytest.raises(TaskVanished):
        next(read_smaps(proc, 4194305))


def test_a_reader_says_what_maps_and_smaps_say(fake_proc: Callable[[str, bytes], int]) -> None:
    data = area(1) + area(2, rss=5) + area(3)
    proc = fake_proc("9/smaps", data)
    headers = [line for line in data.splitlines(keepends=True) if b"-" in line.split()[0]]
    reader = smaps.SmapsReader()
    for _ in range(2):  # the second time all is known
        vmas, facts = reader.read(proc, 9)
        assert vmas == parse_maps(b"".join(headers))
        assert facts == parse_smaps(data)


def test_a_sample_is_the_beginning(
    fake_proc: Callable[[str, bytes], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = area(1) + area(2, rss=5) + area(3)
    proc = fake_proc("9/smaps", data)
    monkeypatch.setattr(smaps, "_CHUNK", len(data) - 10)  # the last area's end is cut off
    vmas, facts = smaps.SmapsReader().sample(proc, 9)
    assert facts == parse_smaps(data)[:2]
    assert [(vma.start, vma.end) for vma in vmas] == [fact[:2] for fact in facts]
