"""Whether memory for two would do: what meminfo and control groups say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crtools.kinds.memory.room import parse_available, shortage

MEMINFO = b"MemTotal:   16384 kB\nMemFree:     1024 kB\nMemAvailable:    8192 kB\nBuffers: 1 kB\n"
MIB = 1 << 20


@pytest.fixture
def proc(tmp_path: Path) -> Iterator[int]:
    """Processes 7 and 8, in the groups /a/b and /a."""
    root = tmp_path / "proc"
    for pid, groups in ((7, "4:memory:/a/b\n0::/a/b\n"), (8, "4:memory:/a\n0::/a\n")):
        (root / str(pid)).mkdir(parents=True)
        (root / str(pid) / "cgroup").write_text(groups)
    (root / "meminfo").write_bytes(MEMINFO)
    fd = os.open(root, os.O_RDONLY)
    yield fd
    os.close(fd)


def make_groups(tmp_path: Path, version: int, limits: dict[str, tuple[str, int, int]]) -> bytes:
    """Groups with a limit, what is used, and what of that can be had back."""
    root = tmp_path / "groups"
    for path, (limit, used, freed) in limits.items():
        group = root / ("memory" if version == 1 else "") / path
        group.mkdir(parents=True, exist_ok=True)
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        if version == 2:
            names = ("memory.max", "memory.current", "inactive_file")
            (root / "cgroup.controllers").write_text("memory\n")
        (group / names[0]).write_text(f"{limit}\n")
        (group / names[1]).write_text(f"{used}\n")
        (group / "memory.stat").write_text(f"anon 1\n{names[2]} {freed}\n")
    return bytes(root)


def groups_of(version: int, tmp_path: Path, proc: int) -> None:
    """Version 1's line of /proc/PID/cgroup is not there where there is no such hierarchy."""
    if version == 2:
        for pid in (7, 8):
            path = tmp_path / "proc" / str(pid) / "cgroup"
            path.write_text(path.read_text().splitlines()[1] + "\n")


def test_available_memory_is_read() -> None:
    assert parse_available(MEMINFO) == 8 * MIB
    assert parse_available(b"MemTotal: 1 kB\n") == 0


def test_more_than_what_is_available_does_not_do(proc: int, tmp_path: Path) -> None:
    assert shortage(proc, [(7, 4 * MIB), (8, 3 * MIB)], groups=b"/nowhere") == ""
    said = shortage(proc, [(7, 4 * MIB), (8, 4 * MIB)], groups=b"/nowhere")
    assert said == "up to 8 MiB would be needed and 8 MiB are available"  # a part is kept back


@pytest.mark.parametrize("version", [1, 2])
def test_a_groups_limit_counts_for_all_that_is_in_it(
    proc: int, tmp_path: Path, version: int
) -> None:
    groups_of(version, tmp_path, proc)
    limits = {"a": (str(10 * MIB), 6 * MIB, 0), "a/b": (str(8 * MIB), 2 * MIB, 0)}
    groups = make_groups(tmp_path, version, limits)
    assert shortage(proc, [(7, 4 * MIB)], groups=groups) == ""
    assert shortage(proc, [(7, 2 * MIB), (8, 2 * MIB)], groups=groups) == ""
    said = shortage(proc, [(7, 2 * MIB), (8, 3 * MIB)], groups=groups)
    assert said.endswith("/a has 4 MiB left")
    assert "up to 5 MiB" in said


@pytest.mark.parametrize("version", [1, 2])
def test_file_pages_can_be_had_back(proc: int, tmp_path: Path, version: int) -> None:
    groups_of(version, tmp_path, proc)
    groups = make_groups(tmp_path, version, {"a/b": (str(8 * MIB), 7 * MIB, 3 * MIB)})
    assert shortage(proc, [(7, 4 * MIB)], groups=groups) == ""
    assert "has 4 MiB left" in shortage(proc, [(7, 5 * MIB)], groups=groups)


@pytest.mark.parametrize("version", [1, 2])
def test_a_group_without_a_limit_takes_all(proc: int, tmp_path: Path, version: int) -> None:
    groups_of(version, tmp_path, proc)
    groups = make_groups(tmp_path, version, {"a/b": ("max", 7 * MIB, 0)})
    assert shortage(proc, [(7, 5 * MIB)], groups=groups) == ""
