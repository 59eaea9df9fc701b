"""Chains of pre-dumps and dumps: what changed in between, and only that, is written anew."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import live.snapshot
from crtools.images.messages.crtools_tracking import CrtoolsTrackingEntry
from crtools.images.messages.stats import DumpStatsEntry
from crtools.images.store import ImageStore
from live.roundtrip import FOREIGN_UID, Run, Skipped
from live.snapshot import collect_tree

pytestmark = pytest.mark.root
STEPS = 4  # of the program `changing`
VARIANTS = ["", "tree", "huge"]


@pytest.fixture
def plain_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    # That an area is registered, which smaps says, is the tracking itself, and ends with it.
    ignored = live.snapshot.IGNORED_VM_FLAGS | {"uw"}
    monkeypatch.setattr(live.snapshot, "IGNORED_VM_FLAGS", ignored)


@pytest.fixture
def start(new_run: Callable[..., Run], plain_flags: None) -> Callable[..., Run]:
    """Starts `changing`."""

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
            # Of two huge pages a step writes to one.
            assert figures(last).pages_skipped_parent > (2000 if variant == "huge" else 0)
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


@pytest.mark.skipif(not shutil.which("crit"), reason="needs crit, of Debian's package criu")
def test_crit_reads_a_chain(start: Callable[..., Run]) -> None:
    run = start("tree")
    first = pre_dump(run, run.new_images())
    step(run, 1)
    second = pre_dump(run, run.new_images(), *build_upon(first))
    step(run, 2)
    third = run.dump(*build_upon(second), "-R", kills=False)
    for images in (first, second, third):
        for path in [
            *images.glob("pagemap-*.img"),
            images / "inventory.img",
            images / "stats-dump",
        ]:
            shown = subprocess.run(["crit", "show", str(path)], capture_output=True, check=False)
            assert shown.returncode == 0, shown.stderr
            assert b"entries" in shown.stdout
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


def test_a_keeper_that_was_killed_costs_pages_and_nothing_else(start: Callable[..., Run]) -> None:
    run = start()
    first = pre_dump(run, run.new_images())
    os.kill(tracking(first).keeper, signal.SIGKILL)
    run.wait_until(lambda: has_ended(tracking(first).keeper), "the keeper is gone")
    step(run, 1)
    images = run.new_images()
    done = run.try_dump(images, *build_upon(first))
    assert done.returncode == 0
    assert "All pages are written" in (images / "dump.log").read_text()
    assert figures(images).pages_skipped_parent == 0
    assert not os.path.lexists(images / "parent")
    run.reap_dumped()
    run.restore(images)
    run.expect_pass()


def test_only_the_latest_directory_is_built_upon(start: Callable[..., Run]) -> None:
    run = start()
    first = pre_dump(run, run.new_images())
    step(run, 1)
    pre_dump(run, run.new_images(), *build_upon(first))
    step(run, 2)
    images = run.dump(*build_upon(first))
    assert "a later dump counts from its own time" in (images / "dump.log").read_text()
    assert figures(images).pages_skipped_parent == 0
    run.restore(images)
    run.expect_pass()


def test_a_directory_that_followed_nothing_is_not_built_upon(start: Callable[..., Run]) -> None:
    run = start()
    first = run.dump("-R", kills=False)
    images = run.dump(*build_upon(first))
    assert "followed no changes" in (images / "dump.log").read_text()
    assert figures(images).pages_skipped_parent == 0
    run.restore(images)
    run.expect_pass()


def test_a_chain_goes_on_anew_after_its_directory_was_deleted(start: Callable[..., Run]) -> None:
    run = start()
    first = pre_dump(run, run.new_images())
    shutil.rmtree(first)
    before = run.snapshot()
    done = run.try_dump(run.new_images(), "--prev-images-dir", "../1")
    assert done.returncode == 1
    assert "There is no earlier dump in ../1" in done.stderr
    run.expect_same(before, "after a dump that was refused")
    # The keeper lives, and no images say so: it is found by what it holds.
    second = pre_dump(run, run.new_images())
    step(run, 1)
    images = run.dump(*build_upon(second))
    assert figures(images).pages_skipped_parent > 1500
    run.restore(images)
    run.expect_pass()


def test_a_parent_whose_pages_are_cut_off_is_not_built_upon(start: Callable[..., Run]) -> None:
    run = start()
    first = pre_dump(run, run.new_images())
    os.truncate(first / "pages-1.img", 4096)
    images = run.dump(*build_upon(first))
    assert "is cut off" in (images / "dump.log").read_text()
    run.restore(images)
    run.expect_pass()


def test_a_dump_in_between_that_follows_nothing_does_not_break_the_chain(
    start: Callable[..., Run],
) -> None:
    run = start()
    first = pre_dump(run, run.new_images())
    step(run, 1)
    run.dump("-R", kills=False)
    step(run, 2)
    images = run.dump(*build_upon(first))
    assert figures(images).pages_skipped_parent > 1500
    run.restore(images)
    run.expect_pass()


def test_a_pre_dump_alone_is_not_restored(start: Callable[..., Run]) -> None:
    run = start()
    images = pre_dump(run, run.new_images())
    done = run.run_tool("restore", "-D", str(images), "-d", check=False)
    assert done.returncode == 1
    assert f"{images} is a pre-dump" in done.stderr
    run.expect_pass()


@pytest.mark.parametrize(
    "program",
    [
        *("aio", "anonymous", "cow", "droppable", "guards", "huge_pages", "io_uring", "locked_all"),
        *("merging", "private_file", "sharing memory", "sparse", "stacks", "threads", "userfaults"),
        *("vfork short", "zero_pages", "zombies", "dead_leader", "seccomp"),
    ],
)
def test_what_programs_do_with_memory_survives_a_chain(
    program: str, new_run: Callable[..., Run], plain_flags: None
) -> None:
    # The child of `vfork` executes another program meanwhile.
    run = new_run(*program.split(), compare=program != "vfork short")
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))
    before = run.snapshot()
    first = pre_dump(run, run.new_images())
    second = pre_dump(run, run.new_images(), *build_upon(first))
    run.expect_same(before, "after two pre-dumps")
    images = run.dump(*build_upon(second))
    run.restore(images)
    run.expect_same(before, "after the restore")
    run.expect_pass()


def test_a_program_that_executes_another_is_followed_anew(new_run: Callable[..., Run]) -> None:
    run = new_run("vfork", "short", compare=False)
    run.start()
    first = pre_dump(run, run.new_images())
    child = collect_tree(run.pid)[1]

    def executed() -> bool:
        return b"\0child\0" in Path(f"/proc/{child}/cmdline").read_bytes()

    run.wait_until(executed, "the child executes the other program")
    second = pre_dump(run, run.new_images(), *build_upon(first))
    third = pre_dump(run, run.new_images(), *build_upon(second))
    with ImageStore.open(str(third)) as store:
        pages = store.read("pagemap", child)[1:]
    assert any(entry.flags == 1 for entry in pages)  # in the parent: nothing has changed since
    run.restore(run.dump(*build_upon(third)))
    run.expect_pass()


def test_what_is_written_past_page_tables_is_not_followed(new_run: Callable[..., Run]) -> None:
    run = new_run("aio")
    run.start()
    assert figures(pre_dump(run, run.new_images())).pages_written == 0
    run.expect_pass()


def test_iterating_ends_with_a_dump_that_has_little_to_write(start: Callable[..., Run]) -> None:
    run = start("writer", compare=False)
    images = run.dump("--iterate", "--display-stats")
    names = sorted(name for name in os.listdir(images) if name.startswith("pre-"))
    assert names[0] == "pre-1"
    assert os.readlink(images / "parent") == names[-1]
    assert figures(images).pages_skipped_parent > 0
    log = (images / "dump.log").read_text()
    assert "round 1: pre-dumped 1 processes" in log
    assert "no round more: " in log
    run.restore(images)
    run.expect_pass()


def test_iterating_keeps_to_its_bounds(start: Callable[..., Run]) -> None:
    run = start("writer", compare=False)
    images = run.dump("--iterate", "--iterate-rounds", "1", "-R", kills=False)
    assert (images / "pre-1").is_dir()
    assert not (images / "pre-2").exists()
    keeper = tracking(images / "pre-1").keeper
    run.wait_until(lambda: has_ended(keeper), "nothing follows the changes any more")
    run.expect_pass()
    assert figures(images / "pre-1").pages_skipped_parent == 0


def test_iterating_that_fails_leaves_no_rounds(start: Callable[..., Run]) -> None:
    run = start()
    images = run.new_images()
    # The last dump finds an output that it cannot write to.
    (images / f"core-{run.pid}.img").mkdir()
    done = run.try_dump(images, "--iterate")
    assert done.returncode == 1
    assert not [name for name in os.listdir(images) if name.startswith("pre-")]
    run.expect_pass()
