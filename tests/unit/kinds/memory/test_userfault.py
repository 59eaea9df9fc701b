"""Userfaultfds: what fdinfo says, and images that lie."""

from __future__ import annotations

import pytest

from crtools.agent.program import Program
from crtools.errors import ImageError
from crtools.images.messages.crtools_parts import (
    PageRangeEntry,
    UserfaultFdEntry,
    UserfaultfdEntry,
    UserfaultRangeEntry,
)
from crtools.images.messages.vma import VmaEntry
from crtools.kinds.memory.layout import Space
from crtools.kinds.memory.userfault import build_userfaults, parse_features, parse_waiting

SPACE = Space(
    pid=7,
    name="task 7",
    vmas=(
        VmaEntry(
            start=0x10000, end=0x20000, pgoff=0, shmid=0, prot=3, flags=0x22, status=0x201, fd=-1
        ),
    ),
    contents=(),
    guards={},
    pages=("pages-1.img",),
    kernel_vdso=None,
)
FDINFO = {b"pending": [b"1"], b"total": [b"3"], b"API": [b"aa:80006001:80000000000001ff"]}


def test_faults_that_wait_are_counted() -> None:
    assert parse_waiting(FDINFO) == 3


def test_features_are_those_that_were_asked_for() -> None:
    assert parse_features(FDINFO) == 0x6001
    assert parse_features({b"API": [b"aa:0:80000000000001ff"]}) is None


def entry(
    start: int = 0x10000, end: int = 0x20000, fd: int = 5, poisoned: tuple[int, int] | None = None
) -> UserfaultfdEntry:
    return UserfaultfdEntry(
        fds=[UserfaultFdEntry(fd=fd, cloexec=True)],
        flags=0,
        features=0,
        ranges=[UserfaultRangeEntry(start=start, end=end, modes=1)],
        poisoned=[PageRangeEntry(start=poisoned[0], end=poisoned[1])] if poisoned else [],
    )


def test_a_registration_of_an_area_is_built() -> None:
    program = Program()
    build_userfaults(lambda _: program, [entry()], SPACE)
    # Make, skip the next two or move and close, its features, drop what is missing, register.
    assert program.count == 7


@pytest.mark.parametrize(
    "wrong",
    [
        entry(start=0xF000),
        entry(end=0x21000),
        entry(end=0x10800),
        entry(end=0x10000),
        entry(fd=1 << 31),
        entry(poisoned=(0x1F000, 0x21000)),
    ],
)
def test_a_userfaultfd_for_what_is_no_area_is_no_image(wrong: UserfaultfdEntry) -> None:
    with pytest.raises(ImageError):
        build_userfaults(lambda _: Program(), [wrong], SPACE)
