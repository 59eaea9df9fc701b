"""Pages that a program has filled with zeros are in no image, and are zeros after a restore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crtools.images.store import ImageStore
from crtools.kinds.memory.pages import IN_PARENT
from live.roundtrip import Run
from live.test_incremental import build_upon, step
from live.test_verify import verify

pytestmark = pytest.mark.root

NewRun = Callable[..., Run]
STEPS = 3  # of the program `cleared`


def pages_bytes(images: Path) -> int:
    """What the pages files have; the figures of the dump add up to it."""
    total = sum(path.stat().st_size for path in images.glob("pages-*.img"))
    with ImageStore.open(str(images), allow_incomplete=True) as store:
        stats = store.read_one("stats-dump").dump
    assert (stats.pages_written + (stats.shpages_written or 0)) * 4096 == total
    return total


def has_zero_page(images: Path) -> bool:
    zeros = bytes(4096)
    return any(
        data[at : at + 4096] == zeros
        for data in [path.read_bytes() for path in images.glob("pages-*.img")]
        for at in range(0, len(data), 4096)
    )


def test_they_are_left_out_of_anonymous_memory_and_only_there(new_run: NewRun) -> None:
    run = new_run("zero_pages")
    run.start()
    kept = run.new_images()
    run.try_dump(kept, "-R", "--keep-zero-pages").check_returncode()
    images = run.dump()
    # 512 pages that were written, and zeros over a file, which stay.
    assert pages_bytes(kept) - pages_bytes(images) >= 512 * 4096
    assert has_zero_page(images)
    run.restore(images)
    run.expect_pass()


@pytest.mark.parametrize("verb", ["dump", "pre-dump"])
def test_a_page_that_was_cleared_is_not_taken_from_the_directory_behind(
    verb: str, new_run: NewRun
) -> None:
    run = new_run("cleared", "steps")
    run.start()
    last: Path | None = None
    for number in range(1, STEPS + 1):
        images = run.new_images()
        more = ["--track-mem", "-R"] if verb == "dump" else []
        run.run_tool(verb, "-t", str(run.pid), "-D", str(images), *more, *build_upon(last))
        with ImageStore.open(str(images), allow_incomplete=True) as store:
            entries = store.read("pagemap", run.pid)[1:]
        assert bool(last) is any((entry.flags or 0) & IN_PARENT for entry in entries)
        last = images
        step(run, number)
    assert last is not None
    images = run.dump(*build_upon(last))
    pages_bytes(images)
    status, text = verify(images)
    assert (status, text.endswith(": no damage\n")) == (0, True), text
    # What it has anew goes out of those behind, and nothing that it needs.
    run.run_tool("dedup", "-D", str(images))
    run.restore(images)
    run.expect_pass()


def test_a_live_snapshot_leaves_them_out(new_run: NewRun) -> None:
    run = new_run("cleared")
    run.start()
    kept, images = run.new_images(), run.new_images()
    run.try_dump(kept, "-R", "--snapshot", "--keep-zero-pages").check_returncode()
    run.try_dump(images, "-R", "--snapshot").check_returncode()
    assert pages_bytes(images) < pages_bytes(kept) - (2 << 20)
    run.kill()
    run.restore(images)
    run.expect_pass()


def test_other_verbs_do_not_know_the_option(new_run: NewRun) -> None:
    run = new_run("anonymous")
    run.start()
    images = run.dump()
    done = run.run_tool("restore", "-D", str(images), "--keep-zero-pages", check=False)
    assert done.returncode == 1
    assert "--keep-zero-pages is there for dump only" in done.stderr
