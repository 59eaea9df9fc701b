"""--share-pages: what relatives share copy-on-write is written once, and nothing else reads it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools.images.store import ImageStore
from live.roundtrip import TOOL, Run
from live.snapshot import collect_tree

pytestmark = pytest.mark.root

NewRun = Callable[..., Run]

WITHOUT = """
import sys
import crtools
from crtools.kinds.memory import frames

class Blind(frames.Frames):
    '''As it is without CAP_SYS_ADMIN, or with a kernel that moves pages all the time.'''
    def add(self, pagemap, runs):
        count = super().add(pagemap, runs)
        return 0 if sys.argv[3] == "blind" else count
    def find(self, pagemap, ranges):
        return [] if sys.argv[3] == "blind" else super().find(pagemap, ranges)
    def hold(self, pagemap, runs, count):
        asked.append(count)
        return sys.argv[3] != "restless" and super().hold(pagemap, runs, count)

asked = []
from crtools.dumping import relatives
relatives.Frames = Blind
crtools.dump(int(sys.argv[1]), sys.argv[2], leave_running=True, share_pages=True)
assert len(asked) == {"blind": 0, "restless": 3}[sys.argv[3]], asked
"""


def pages_bytes(images: Path) -> int:
    return sum(path.stat().st_size for path in images.glob("pages-*.img"))


def pss_kib(pid: int) -> int:
    total = 0
    for task in collect_tree(pid):
        for line in Path(f"/proc/{task}/smaps_rollup").read_text().splitlines():
            total += int(line.split()[1]) if line.startswith("Pss:") else 0
    return total


def test_shared_pages_are_written_once_and_are_shared_again(new_run: NewRun) -> None:
    run = new_run("cow")
    run.start()
    before = pss_kib(run.pid)
    plain = run.new_images()
    run.try_dump(plain, "-R").check_returncode()
    images = run.dump("--share-pages")
    assert pages_bytes(plain) > 380 << 20
    assert pages_bytes(images) < 70 << 20
    with ImageStore.open(str(images)) as store:
        assert store.read_one("inventory").img_version == 3
        stats = store.read_one("stats-dump").dump
        assert (stats.pages_written + stats.shpages_written) * 4096 == pages_bytes(images)
    command = [str(TOOL), "image", "info", str(next(images.glob("crtools-pages-*.img")))]
    command[-1] = command[-1].replace("crtools-pages", "pagemap")
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "in the pages files of relatives: --share-pages" in said
    run.restore(images)
    assert abs(pss_kib(run.pid) - before) < before // 20
    run.expect_pass()


@pytest.mark.parametrize("how", ["blind", "restless"])
def test_pages_are_each_processs_own_where_frames_tell_nothing(how: str, new_run: NewRun) -> None:
    run = new_run("relatives")
    run.start()
    images = run.new_images()
    command = [sys.executable, "-c", WITHOUT, str(run.pid), str(images), how]
    subprocess.run(command, check=True, timeout=60)
    assert not list(images.glob("crtools-pages-*"))
    with ImageStore.open(str(images)) as store:
        assert store.read_one("inventory").img_version == 2
    run.kill()
    run.restore(images)
    run.expect_pass()


def test_a_tree_that_shares_nothing_makes_plain_images(new_run: NewRun) -> None:
    run = new_run("anonymous")
    run.start()
    images = run.dump("--share-pages")
    with ImageStore.open(str(images)) as store:
        assert store.read_one("inventory").img_version == 2
    run.restore(images)
    run.expect_pass()


def test_no_directory_builds_upon_shared_pages_or_the_other_way_round(new_run: NewRun) -> None:
    run = new_run("relatives")
    run.start()
    images = run.new_images()
    for option, why in (
        ("--prev-images-dir=..", "A dump with --share-pages cannot build upon an earlier one"),
        ("--track-mem", "A dump with --share-pages cannot be followed by others"),
    ):
        done = run.try_dump(images, "--share-pages", option)
        assert done.returncode == 1
        assert why in done.stderr
    done = run.try_dump(images, "--share-pages", "-R")
    assert done.returncode == 0, done.stderr
    done = run.run_tool("dedup", "-D", str(images), check=False)
    assert done.returncode == 1
    assert f"Nothing can be taken out of {images}" in done.stderr
    child = run.new_images()
    (child / "parent").symlink_to(images)
    for path in images.iterdir():
        if path.name != "parent" and path.is_file():
            (child / path.name).write_bytes(path.read_bytes())
    for path in child.glob("crtools-pages-*.img"):
        path.unlink()
    run.kill()
    done = run.run_tool("restore", "-D", str(child), "-d", check=False)
    assert done.returncode == 1
    assert f"{child}/parent cannot be the parent of another directory" in done.stderr
    run.restore(images)
    run.expect_pass()


def test_other_verbs_do_not_know_it(new_run: NewRun) -> None:
    run = new_run("anonymous")
    run.start()
    images = run.dump()
    done = run.run_tool("restore", "-D", str(images), "--share-pages", check=False)
    assert done.returncode == 1
    assert "--share-pages is there for dump only" in done.stderr
    run.restore(images)
    run.expect_pass()
