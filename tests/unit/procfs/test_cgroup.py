"""parse_cgroup: both versions."""

from __future__ import annotations

import os

import pytest

from crtools.errors import InternalError
from crtools.procfs.cgroup import CgroupMembership, parse_cgroup, read_cgroup


def test_both_versions_are_read() -> None:
    data = b"9:name=systemd:/\n4:cpu,cpuacct:/a:b c\n0::/user.slice/x (deleted)\n"
    assert parse_cgroup(data) == [
        CgroupMembership(9, (b"name=systemd",), b"/"),
        CgroupMembership(4, (b"cpu", b"cpuacct"), b"/a:b c"),
        CgroupMembership(0, (), b"/user.slice/x", deleted=True),
    ]
    assert parse_cgroup(b"") == []


def test_an_odd_line_is_named() -> None:
    for line in (b"0:/\n", b"x::/\n"):
        with pytest.raises(InternalError, match="/proc/PID/cgroup"):
            parse_cgroup(line)


def test_our_own_groups(proc: int) -> None:
    groups = read_cgroup(proc, os.getpid())
    assert all(group.path.startswith(b"/") for group in groups)
    assert groups == read_cgroup(proc, os.getpid(), os.getpid())
