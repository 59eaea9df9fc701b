"""The layout of an address space, as mm_entry has it."""

from __future__ import annotations

import os

import pytest

from crtools.kinds.memory.mm import mm_entry
from crtools.procfs.files import open_proc
from crtools.procfs.stat import read_stat


@pytest.mark.parametrize(("pairs", "kept"), [(20, 42), (21, 44), (22, 44), (23, 46)])
def test_auxiliary_vector_is_no_longer_than_criu_takes_if_that_can_be(
    pairs: int, kept: int
) -> None:
    vector = tuple(range(1, 2 * pairs + 1))
    proc = open_proc()
    try:
        stat = read_stat(proc, os.getpid())
    finally:
        os.close(proc)
    entry = mm_entry(stat, (*vector, 0, 0), 0, 1, [], 1, False)
    assert entry.mm_saved_auxv == (*vector, 0, 0)[:kept]
