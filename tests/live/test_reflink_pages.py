"""--reflink-pages: plain images in which relatives share blocks of the disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crtools.images.store import ImageStore
from live.roundtrip import SECONDS, Run, Skipped
from live.test_verify import verify

pytestmark = pytest.mark.root

NewRun = Callable[..., Run]
SYSTEMS = {"xfs": "xfsprogs", "btrfs": "btrfs-progs"}
BYTES = 1 << 30  # of the file system, a sparse file


@pytest.fixture(params=SYSTEMS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory of a file system whose files can share blocks."""
    kind = request.param
    make = shutil.which(f"mkfs.{kind}", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if make is None:
        pytest.skip(f"needs mkfs.{kind}, of Debian's package {SYSTEMS[kind]}")
    disk, there = tmp_path / "disk", tmp_path / "mounted"
    there.mkdir()
    with disk.open("wb") as file:
        file.truncate(BYTES)
    subprocess.run([make, "-q", disk], check=True, timeout=SECONDS, stdout=subprocess.DEVNULL)
    done = subprocess.run(
        ["mount", "-o", "loop", disk, there], capture_output=True, text=True, timeout=SECONDS
    )
    if done.returncode:
        pytest.skip(f"needs to mount {kind} of a file: {done.stderr.strip()}")
    try:
        yield there
    finally:
        subprocess.run(["umount", there], check=True, timeout=SECONDS)


def used(place: Path) -> int:
    subprocess.run(["sync", "-f", place], check=True, timeout=SECONDS)
    facts = os.statvfs(place)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize


def pages(images: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in images.glob("pages-*.img")}


def start(new_run: NewRun, *words: str) -> Run:
    run = new_run(*words)
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))
    return run


@pytest.mark.alone  # it mounts a file system, which others would find in their namespaces
def test_relatives_share_blocks_and_every_file_has_all_pages(place: Path, new_run: NewRun) -> None:
    run = start(new_run, "cow")
    before = used(place)
    images = place / "images"
    run.try_dump(images, "-R", "--reflink-pages", "--checksums").check_returncode()
    assert used(place) - before < 110 << 20
    assert not list(images.glob("crtools-pages-*.img"))
    with ImageStore.open(str(images)) as store:
        assert store.read_one("inventory").img_version == 2
        stats = store.read_one("stats-dump").dump
    total = sum([len(data) for data in pages(images).values()])
    assert total == (stats.pages_written + stats.shpages_written) * 4096 > 380 << 20
    status, text = verify(images)
    assert (status, text.endswith(": no damage\n")) == (0, True), text
    run.kill()
    # By a reader that knows nothing of blocks: files of another file system.
    copy = run.new_images()
    shutil.copytree(images, copy, dirs_exist_ok=True)
    run.restore(copy)
    run.expect_pass()


@pytest.mark.alone
@pytest.mark.parametrize("program", ["relatives", "cleared"])
def test_what_is_in_them_restores(program: str, place: Path, new_run: NewRun) -> None:
    run = start(new_run, program)
    images = place / "images"
    run.try_dump(images, "--reflink-pages").check_returncode()
    run.kill()
    run.restore(images)
    run.expect_pass()


def test_pages_are_written_with_each_process_where_no_blocks_can_be_shared(
    new_run: NewRun,
) -> None:
    run = start(new_run, "relatives")
    directory = Path("/dev/shm") / f"crtools-{os.getpid()}"
    try:
        run.try_dump(directory, "-R", "--reflink-pages").check_returncode()
        said = (directory / "dump.log").read_text()
        assert "cannot share blocks of files, as --reflink-pages would have it" in said
        run.kill()
        run.restore(directory)
        run.expect_pass()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def test_it_goes_with_nothing_that_plans_pages_otherwise(new_run: NewRun) -> None:
    run = start(new_run, "anonymous")
    for options, name in (
        (("--share-pages",), "--share-pages"),
        (("--track-mem", "-R"), "--track-mem"),
        (("--prev-images-dir", ".."), "--prev-images-dir"),
    ):
        done = run.try_dump(run.new_images(), "--reflink-pages", *options)
        assert done.returncode == 1
        assert f"--reflink-pages does not go with {name}" in done.stderr
    done = run.try_dump(run.new_images(), "-R", "--snapshot", "--reflink-pages")
    assert "--reflink-pages does not go with --snapshot" in done.stderr
    done = run.try_dump(run.new_images(), "--iterate", "--reflink-pages")
    assert "--iterate does not go with --reflink-pages" in done.stderr
    images = run.dump()
    done = run.run_tool("restore", "-D", str(images), "--reflink-pages", check=False)
    assert "--reflink-pages is there for dump only" in done.stderr
    run.restore(images)
    run.expect_pass()
