"""Values with slots."""

from __future__ import annotations

import pytest

from crtools.procfs.cgroup import CgroupMembership
from crtools.procfs.syscall import BlockedIn


def test_records_are_equal_by_their_fields() -> None:
    first = CgroupMembership(0, (), b"/")
    assert first == CgroupMembership(0, (), b"/")
    assert first != CgroupMembership(0, (), b"/a")
    assert first != BlockedIn(-1, (), 0, 0)
    assert first != (0, (), b"/")


def test_records_say_what_they_hold() -> None:
    assert repr(BlockedIn(-1, (), 1, 2)) == (
        "BlockedIn(arguments=(), instruction_pointer=2, number=-1, stack_pointer=1)"
    )


def test_records_are_no_keys() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(CgroupMembership(0, (), b"/"))
