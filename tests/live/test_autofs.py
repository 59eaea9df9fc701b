"""Pipes by which an autofs asks a daemon."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from live.roundtrip import Run, Skipped

pytestmark = pytest.mark.root


def is_mounted(place: Path) -> bool:
    return f" {place} " in Path("/proc/self/mountinfo").read_text()


@contextmanager
def started(new_run: Callable[..., Run], *args: str) -> Iterator[Run]:
    """A daemon; nothing is left mounted."""
    run = new_run("autofs", *args)
    place = run.work / "auto"
    try:
        try:
            run.start()
        except Skipped as reason:
            pytest.skip(str(reason))
        yield run
    finally:
        while is_mounted(place):
            subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.parametrize("how", ["reader", "both", "direct"])
def test_daemon_is_asked_again_after_two_rounds(how: str, new_run: Callable[..., Run]) -> None:
    with started(new_run, how) as run:
        before = run.snapshot()
        for _ in range(2):
            images = run.dump()
            assert (images / "crtools-autofs.img").exists()
            run.restore(images)
        run.expect_same(before, "after the restore")
        run.expect_pass()
        assert not is_mounted(run.work / "auto")


def test_daemon_that_was_left_running_is_asked_as_before(new_run: Callable[..., Run]) -> None:
    with started(new_run) as run:
        before = run.snapshot()
        run.dump("-R", kills=False)
        run.expect_same(before, "after the dump")
        run.expect_pass()


def test_daemon_comes_back_from_the_same_images_again(new_run: Callable[..., Run]) -> None:
    with started(new_run) as run:
        images = run.dump()
        run.restore(images)
        run.kill()
        run.restore(images)
        run.expect_pass()


@pytest.mark.parametrize("how", ["asked", "unread"])
def test_daemon_that_somebody_waits_for_is_refused_by_name(
    how: str, new_run: Callable[..., Run]
) -> None:
    with started(new_run, how) as run:
        before = run.snapshot()
        done = run.try_dump(run.new_images())
        assert done.returncode != 0
        assert f"it is the pipe by which the autofs at {run.work}/auto asks" in done.stderr
        assert "somebody waits for an answer" in done.stderr
        assert "dump again when the program has answered" in done.stderr
        run.expect_same(before, "after the refusal")
        run.expect_pass()


def test_daemon_in_another_group_than_the_mount_knows_is_refused_by_name(
    new_run: Callable[..., Run],
) -> None:
    with started(new_run, "group") as run:
        before = run.snapshot()
        done = run.try_dump(run.new_images())
        assert done.returncode != 0
        assert f"it is the pipe by which the autofs at {run.work}/auto asks" in done.stderr
        assert "is not that of the task that reads" in done.stderr
        run.expect_same(before, "after the refusal")
        run.expect_pass()


def test_mount_that_is_gone_is_a_conflict(new_run: Callable[..., Run]) -> None:
    with started(new_run) as run:
        images = run.dump()
        subprocess.run(["umount", run.work / "auto"], check=True)
        done = run.run_tool("restore", "-D", str(images), "-d", "-o", "restore.log", check=False)
        assert done.returncode != 0
        assert f"by which the autofs at {run.work}/auto asked" in done.stderr
        assert "no autofs is mounted there any more" in done.stderr


def test_daemon_that_has_taken_over_is_a_conflict(new_run: Callable[..., Run]) -> None:
    with started(new_run) as run:
        images = run.dump()
        place = run.work / "auto"
        subprocess.run(["umount", place], check=True)
        with started(new_run) as other:
            subprocess.run(["mount", "--bind", other.work / "auto", place], check=True)
            restore = ("restore", "-D", str(images), "-d", "-o", "restore.log")
            done = run.run_tool(*restore, check=False)
            subprocess.run(["umount", place], check=True)
            assert done.returncode != 0
            assert "another daemon answers there now" in done.stderr
            other.expect_pass()
