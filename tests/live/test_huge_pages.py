"""Transparent huge pages that come back from images made in other ways than by a plain dump."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crtools.images.store import ImageStore
from live.roundtrip import Run, Skipped

pytestmark = pytest.mark.root

NewRun = Callable[..., Run]


def start(new_run: NewRun) -> Run:
    run = new_run("huge_again")
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))
    return run


def test_a_live_snapshot_tells_of_them(new_run: NewRun) -> None:
    run = start(new_run)
    images = run.new_images()
    run.try_dump(images, "--leave-running", "--snapshot").check_returncode()
    run.kill()
    run.restore(images)
    run.expect_pass()


def test_the_last_of_a_chain_tells_of_those_in_its_parent_too(new_run: NewRun) -> None:
    run = start(new_run)
    first = run.new_images()
    where = ("-t", str(run.pid), "-D", str(first), "-o", "dump.log")
    run.run_tool("pre-dump", *where, "--track-mem")
    images = run.dump("--prev-images-dir", f"../{first.name}")
    with ImageStore.open(str(images)) as store:
        assert store.read("crtools-huge", run.pid)
    run.restore(images)
    run.expect_pass()
