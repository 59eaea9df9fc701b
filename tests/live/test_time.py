"""Clocks that go on from where they were: time namespaces."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools.images.messages.timens import TimensEntry, Timespec
from crtools.images.store import ImageStore
from live.roundtrip import Run, Skipped

pytestmark = pytest.mark.root

AWAY_MS = 700
SLACK_MS = 50  # the time of day is set now and then, and the clocks are read one after the other
DAY = 86400


def start(new_run: Callable[..., Run], *words: str) -> Run:
    run = new_run("clocks", *words, compare=False)
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))
    if not os.path.exists("/proc/self/timens_offsets"):
        pytest.skip("the kernel has no time namespaces (CONFIG_TIME_NS)")
    return run


def stay_away(since: float) -> None:
    """Until the time of day is so far ahead: the length of an absence is what is tested."""
    while time.time() < since + AWAY_MS / 1000:
        time.sleep(0.01)


def passed(run: Run) -> tuple[int, int, int]:
    """How long it was there by the time of day, the monotonic and the boot clock, in ms."""
    line = next(line for line in run.out.splitlines() if line.startswith("passed "))
    real, monotonic, boot = line.split()[1:]
    return int(real), int(monotonic), int(boot)


def expect_without(run: Run, absences: int) -> None:
    """Its clocks stood still in so many absences, however long the rest took."""
    real, monotonic, boot = passed(run)
    assert real >= absences * AWAY_MS
    assert 0 <= monotonic < real - absences * AWAY_MS + SLACK_MS
    assert 0 <= boot < real - absences * AWAY_MS + SLACK_MS


def now(run: Run) -> tuple[int, int]:
    line = next(line for line in run.out.splitlines() if line.startswith("monotonic "))
    _, monotonic, _, boot = line.split()
    return int(monotonic), int(boot)


def namespace_of(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/time")


def dump_and_stay_away(run: Run) -> Path:
    images = run.dump()
    stay_away(time.time())
    return images


def test_clocks_run_on_without_the_option(new_run: Callable[..., Run]) -> None:
    run = start(new_run)
    run.restore(dump_and_stay_away(run))
    assert namespace_of(run.pid) == namespace_of(os.getpid())
    run.expect_pass()
    real, monotonic, _ = passed(run)
    assert real >= AWAY_MS
    assert abs(real - monotonic) < SLACK_MS


def test_clocks_go_on_from_where_they_were(new_run: Callable[..., Run]) -> None:
    run = start(new_run)
    run.restore(dump_and_stay_away(run), "--timens")
    run.expect_pass()
    expect_without(run, 1)


def test_a_tree_in_a_time_namespace_is_dumped_again_and_again(new_run: Callable[..., Run]) -> None:
    """By a tool that is not in it; and it comes back into one without being asked to."""
    run = start(new_run)
    run.restore(run.dump(), "--timens")
    for _ in range(2):
        assert namespace_of(run.pid) != namespace_of(os.getpid())
        run.restore(dump_and_stay_away(run))
    run.dump("-R", kills=False)
    run.expect_pass()
    expect_without(run, 2)


def test_offsets_that_the_program_had_set_are_carried(new_run: Callable[..., Run]) -> None:
    run = start(new_run, "namespace")
    run.restore(dump_and_stay_away(run))
    run.expect_pass()
    monotonic, boot = now(run)
    own = time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime(time.CLOCK_BOOTTIME)
    assert own[0] + DAY - 30 < monotonic < own[0] + DAY + 1
    assert own[1] + DAY - 30 < boot < own[1] + DAY + 1
    expect_without(run, 1)


@pytest.mark.parametrize("ahead", [1000 * DAY, -60], ids=["younger host", "older host"])
def test_clocks_of_another_host_go_on(ahead: int, new_run: Callable[..., Run]) -> None:
    run = start(new_run)
    images = run.dump()
    with ImageStore.open(str(images)) as store:
        entry = store.read_one("timens", 0)
    clocks = [
        Timespec(tv_sec=clock.tv_sec + ahead, tv_nsec=clock.tv_nsec)
        for clock in (entry.monotonic, entry.boottime)
    ]
    path = images / "timens-0.img"
    head = path.read_bytes()[:8]
    content = TimensEntry(monotonic=clocks[0], boottime=clocks[1]).encode()
    path.write_bytes(head + len(content).to_bytes(4, "little") + content)
    # Its sleep until a point of that clock would be over, or last: only the clock is looked at.
    run.restore(images, "--timens")
    offset = Path(f"/proc/{run.pid}/timens_offsets").read_text().split()
    assert ahead - 30 < int(offset[1]) <= ahead + 1
    assert ahead - 30 < int(offset[4]) <= ahead + 1
    run.kill()


def test_children_of_the_tool_are_not_in_the_new_namespace(new_run: Callable[..., Run]) -> None:
    run = start(new_run)
    images = run.dump()
    script = run.directory / "script"
    script.write_text(f"#!/bin/sh\nreadlink /proc/self/ns/time >> {run.directory}/said\n")
    script.chmod(0o755)
    run.restore(images, "--timens", "--action-script", str(script))
    said = set((run.directory / "said").read_text().split())
    assert said == {namespace_of(os.getpid())}
    run.expect_pass()


def test_a_descriptor_of_the_time_namespace_is_of_the_new_one(new_run: Callable[..., Run]) -> None:
    run = new_run("namespaces", compare=False)
    run.start()
    if not os.path.exists("/proc/self/timens_offsets"):
        pytest.skip("the kernel has no time namespaces (CONFIG_TIME_NS)")
    run.restore(run.dump(), "--timens")
    assert namespace_of(run.pid) != namespace_of(os.getpid())
    run.restore(run.dump())
    run.expect_pass()
