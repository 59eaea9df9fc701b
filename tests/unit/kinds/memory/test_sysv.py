"""What images may say of System V segments, and what IPC_STAT says."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from crtools.errors import ImageError, UnsupportedObject
from crtools.images.messages.crtools_kinds import CrtoolsShmEntry
from crtools.images.messages.ipc_desc import IpcDescEntry
from crtools.images.messages.ipc_shm import IpcShmEntry
from crtools.images.messages.vma import VmaEntry
from crtools.kinds.memory import sysv
from crtools.kinds.memory.areas import REGULAR, SYSV_SHM

PAGE = 4096


class Store:
    def __init__(self, entries: list[CrtoolsShmEntry] | None) -> None:
        self.entries = entries

    def has(self, key: str) -> bool:
        return self.entries is not None

    def read(self, key: str) -> list[CrtoolsShmEntry]:
        return self.entries or []


def segment(id: int, size: int) -> CrtoolsShmEntry:
    desc = IpcDescEntry(key=0, uid=0, gid=0, cuid=0, cgid=0, mode=0o600, id=id)
    return CrtoolsShmEntry(segment=IpcShmEntry(desc=desc, size=size), ctime=0)


def area(id: int, start: int, end: int, pgoff: int = 0) -> VmaEntry:
    return VmaEntry(
        start=start, end=end, pgoff=pgoff, shmid=id, prot=3, flags=1, status=REGULAR | SYSV_SHM,
        fd=-1, fdflags=2,
    )  # fmt: skip


def plan(entries: list[CrtoolsShmEntry] | None, *areas: VmaEntry) -> sysv.SysvPlan:
    store: Any = Store(entries)
    return sysv.plan_sysv(store, [("task 1", areas)])


def test_segment_stat_is_struct_shmid64_ds() -> None:
    data = struct.pack(
        "<6I2H4x16xQ3Q2iQ16x",
        *(0x1234, 1, 2, 3, 4, 0o1600, 7, 0),
        *(8192, 10, 11, 12, 100, 101, 5),
    )
    assert len(data) == 112
    stat = sysv.parse_segment(data)
    assert (stat.key, stat.uid, stat.gid, stat.cuid, stat.cgid) == (0x1234, 1, 2, 3, 4)
    assert (stat.mode, stat.size, stat.ctime, stat.attached) == (0o1600, 8192, 12, 5)


def test_whole_segment_needs_no_room_elsewhere() -> None:
    assert plan([segment(5, 100)], area(5, 0x10000, 0x11000)).room == 0


def test_part_of_a_segment_needs_room_for_all_of_it() -> None:
    assert plan([segment(5, 3 * PAGE)], area(5, 0x10000, 0x11000, PAGE)).room >= 3 * PAGE


@pytest.mark.parametrize(
    ("entries", "areas"),
    [
        ([segment(5, PAGE)], [area(6, 0x10000, 0x11000)]),
        ([segment(5, PAGE)], [area(5, 0x10000, 0x12000)]),
        ([segment(5, PAGE)], [area(5, 0x10000, 0x11000, PAGE)]),
        ([segment(5, 2 * PAGE)], [area(5, 0x10000, 0x11000, 100)]),
        ([segment(5, PAGE), segment(5, PAGE)], [area(5, 0x10000, 0x11000)]),
        ([segment(1 << 31, PAGE)], [area(1 << 31, 0x10000, 0x11000)]),
        ([segment(5, 0)], [area(5, 0x10000, 0x11000)]),
    ],
)
def test_impossible_segments_are_image_errors(
    entries: list[CrtoolsShmEntry], areas: list[VmaEntry]
) -> None:
    with pytest.raises(ImageError):
        plan(entries, *areas)


def test_segment_of_an_ipc_namespace_is_refused() -> None:
    with pytest.raises(UnsupportedObject, match="area 10000-11000 of task 1"):
        plan(None, area(5, 0x10000, 0x11000))
