"""Time namespaces: what images may say, whose offsets are read, what a failure leaves."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import Any

import pytest

from crtools.abi import kernel
from crtools.errors import ImageError, MissingFeature, UnsupportedObject
from crtools.images.messages.timens import TimensEntry, Timespec
from crtools.kinds.namespaces import time as time_namespaces
from crtools.kinds.namespaces.time import (
    NewNamespace,
    check_entered,
    check_namespace,
    clocks,
    plan_clocks,
)
from crtools.procfs.files import open_proc

PROC = open_proc()


def entry(monotonic: tuple[int, int] = (5, 6), boot: tuple[int, int] = (7, 8)) -> TimensEntry:
    return TimensEntry(
        monotonic=Timespec(tv_sec=monotonic[0], tv_nsec=monotonic[1]),
        boottime=Timespec(tv_sec=boot[0], tv_nsec=boot[1]),
    )


def test_clocks_are_nanoseconds() -> None:
    assert plan_clocks(entry()) == (5_000_000_006, 7_000_000_008)


@pytest.mark.parametrize("time_of", [(1 << 32, 0), (0, 10**9)])
def test_impossible_times_are_refused(time_of: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="impossible time"):
        plan_clocks(entry(monotonic=time_of))
    with pytest.raises(ImageError, match="impossible time"):
        plan_clocks(entry(boot=time_of))


def test_a_trees_clocks_are_ours_with_its_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_namespaces, "read_offsets", lambda proc, pid: (10**9, 2 * 10**9))
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    monotonic, boot = plan_clocks(clocks(PROC, (101 * 10**9, 302 * 10**9)))
    assert 0 <= monotonic - before - 100 * 10**9 < 10**9
    assert 0 <= boot - time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 299 * 10**9 < 10**9


def namespaces(monkeypatch: pytest.MonkeyPatch, found: dict[int, tuple[int, int]]) -> list[Any]:
    def read(proc: int, pid: int) -> dict[str, tuple[str, int]]:
        own, children = found[pid]
        return {"time": ("time", own), "time_for_children": ("time", children)}

    monkeypatch.setattr(time_namespaces, "read_namespaces", read)
    monkeypatch.setattr(time_namespaces, "read_offsets", lambda proc, pid: (pid, 0))
    return [SimpleNamespace(pid=pid, via=pid, name=f"task {pid}") for pid in found]


def test_one_namespace_of_the_whole_tree_is_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_namespace(PROC, namespaces(monkeypatch, {7: (2, 2), 8: (2, 2)})) == (7, 0)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({7: (2, 3)}, "its children would be in another time namespace"),
        ({7: (2, 2), 8: (3, 3)}, "task 8: it is in another time namespace than task 7"),
        ({7: (2, 2), 8: (2, 3)}, "task 8: it is in another time namespace than task 7"),
    ],
)
def test_several_namespaces_are_refused(
    found: dict[int, tuple[int, int]], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnsupportedObject, match=said):
        check_namespace(PROC, namespaces(monkeypatch, found))


def test_a_root_that_did_not_enter_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    namespaces(monkeypatch, {7: (1, 2), 8: (2, 2)})
    with pytest.raises(MissingFeature, match="did not come into its time namespace"):
        check_entered(PROC, 7)
    check_entered(PROC, 8)


def test_a_namespace_that_cannot_be_made_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(nr: int, *args: int) -> int:
        raise PermissionError(1, "no")

    monkeypatch.setattr(kernel, "checked", fail)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(MissingFeature, match="Cannot make a time namespace"):
        NewNamespace(PROC, (1, 1)).__enter__()
    assert os.listdir("/proc/self/fd") == before
