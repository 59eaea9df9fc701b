from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from crtools.dumping import rehearsal
from crtools.errors import UnsupportedObject
from crtools.procfs.files import open_proc


@pytest.fixture
def proc() -> Iterator[int]:
    proc = open_proc()
    yield proc
    os.close(proc)


def test_rehearsal_reads_and_encodes_our_own_process(proc: int) -> None:
    rehearsal.rehearse(proc)


def test_what_cannot_be_dumped_of_ourselves_stops_no_dump(
    proc: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UnsupportedObject("an area of the tool's own")

    monkeypatch.setattr(rehearsal.areas, "collect_areas", refuse)
    rehearsal.rehearse(proc)
    with pytest.raises(UnsupportedObject):
        rehearsal._rehearse(proc, os.getpid())
