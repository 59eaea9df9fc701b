"""Chains of pre-dumps and dumps: what changed in between, and only that, is written anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import live.snapshot
from crtools.images.messages.crtools_tracking import CrtoolsTrackingEntry
from crtools.images.messages.stats import DumpStatsEntry
from crtools.images.store import ImageStore
from live.roundtrip import FOREIGN_UID, Run, Skipped

pytestmark = pytest.mark.root
STEPS = 4  # of the program `changing`
VARIANTS = ["", "tree", "huge"]


@pytest.fixture
def start(new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Starts `changing`."""
    # That an area is registered, which smaps says, is the tracking itself, and ends with it.
    ignored = live.snapshot.IGNORED_VM_FLAGS | {"uw"}
    monkeypatch.setattr(live.snapshot, "IGNORED_VM_FLAGS", ignored)

    def start(*args: str, **how: object) -> Run:
        run = new_run("changing", *[arg for arg in args if arg], **how)
        try:
            run.start()
        except Skipped as reason:
            pytest.skip(str(reason))
        return run

    return start


def pre_dump(run: Run, images: Path, *options: str, verb: str = "pre-dump") -> Path:
    run.run_tool(verb, "-t", str(run.pid), "-D", str(images), "-o", "dump.log", *options)
    return images


def step(run: Run, number: int) -> None:
    (run.work / f"step-{number}").touch()
    run.wait_until(lambda: f"DONE {number}\n" in run.out, f"step {number} is done")


def build_upon(images: Path | None) -> list[str]:
    return ["--prev-images-dir", f"../{images.name}"] if images else []


def figures(images: Path) -> DumpStatsEntry:
    with ImageStore.open(str(images), allow_incomplete=True) as store:
        stats = store.read_one("stats-dump").dump
        assert isinstance(stats, DumpStatsEntry)
        return stats


def tracking(images: Path) -> CrtoolsTrackingEntry:
    with ImageStore.open(str(images), allow_incomplete=True) as store:
        entry = store.read_one("crtools-tracking")
        assert isinstance(entry, CrtoolsTrackingEntry)
        return entry


def has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize("uid", [None, FOREIGN_UID])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_chain_of_pre_dumps_restores_every_page(
    variant: str, uid: int | None, start: Callable[..., Run]
) -> None:
    run = start(variant, uid=uid)
    last: Path | None = None
    for number in range(1, STEPS + 1):
        last = pre_dump(run, run.new_images(), *build_upon(last))
        if number > 1:
            # The area that was moved and a child are in full, and what was written.
            assert figures(last).pages_skipped_parent > 1500
        step(run, number)
    before = run.snapshot()
    images = run.dump(*build_upon(last))
    assert figures(images).pages_skipped_parent > 1500
    keeper = tracking(last).keeper
    run.wait_until(lambda: has_ended(keeper), "the keeper goes when its targets do")
    run.restore(images)
    run.expect_same(before, "after the restore")
    run.expect_pass()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_chain_of_whole_dumps_restores_every_page(
    variant: str, start: Callable[..., Run]
) -> None:
    run = start(variant)
    last: Path | None = None
    for number in range(1, STEPS + 1):
        images = run.new_images()
        last = pre_dump(run, images, "--track-mem", "-R", *build_upon(last), verb="dump")
        if number < STEPS:
            step(run, number)
    before = run.snapshot()
    assert last is not None
    run.kill()
    run.restore(last)
    run.expect_same(before, "after the restore")
    run.expect_pass()


@pytest.mark.parametrize("variant", ["writer", "threads"])
def test_memory_that_is_written_all_the_time_comes_back_as_it_was(
    variant: str, start: Callable[..., Run]
) -> None:
    run = start(variant, compare=False)
    last: Path | None = None
    for _ in range(5):
        last = pre_dump(run, run.new_images(), *build_upon(last))
    images = run.dump(*build_upon(last))
    assert figures(images).pages_skipped_parent > 0
    run.restore(images)
    run.expect_pass()
