"""`crtools verify` of what dumps write, and what --auto-dedup leaves of images."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import live.snapshot
from crtools.images.store import ImageStore
from live.roundtrip import SECONDS, TOOL, Run, Skipped
from live.test_incremental import build_upon, pre_dump, step
from live.test_parents import spread

PAGE = 4096


def verify(*words: str | Path) -> tuple[int, str]:
    """The exit status and what it prints."""
    done = subprocess.run(
        [TOOL, "verify", *words], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_a_live_snapshot_has_checksums_too(new_run: Callable[..., Run]) -> None:
    run = new_run("moments", compare=False)
    run.start()
    images = run.dump("--leave-running", "--snapshot", "--checksums", kills=False)
    status, text = verify(images)
    assert (status, text.endswith(": no damage\n")) == (0, True), text
    assert "has no checksums" not in text
    run.expect_pass()


@pytest.mark.parametrize(
    ("program", "options"),
    [
        ("cow", []),
        ("memfds", []),
        ("threads", []),
        ("shared_anonymous", []),
        ("relatives", ["--share-pages"]),
    ],
)
def test_dumps_are_whole_and_damage_of_one_byte_is_named(
    program: str, options: list[str], new_run: Callable[..., Run]
) -> None:
    run = new_run(program)
    run.start()
    images = run.dump("--checksums", *options)
    status, text = verify(images)
    assert (status, text.endswith(": no damage\n")) == (0, True), text
    assert "has no checksums" not in text
    pages = next(path for path in sorted(images.glob("pages-*.img")) if path.stat().st_size)
    data = pages.read_bytes()
    pages.write_bytes(data[:-1] + bytes([data[-1] ^ 16]))
    status, text = verify(images)
    assert status == 1
    assert f"{pages.name} in {images} is damaged" in text
    pages.write_bytes(data)
    # Without checksums the rest is looked at all the same.
    (images / "crtools-checksums.img").unlink()
    status, text = verify(images)
    assert status == 0, text
    assert f"{images} has no checksums" in text
    run.restore(images)
    run.expect_pass()


def test_a_chain_of_directories_is_looked_at_to_its_end(new_run: Callable[..., Run]) -> None:
    run = new_run("anonymous")
    run.start()
    last = spread(run.dump(), 3)
    for path in (last, last / "parent", last / "parent" / "parent"):
        assert verify("--record", path)[0] == 0
    status, text = verify(last)
    assert status == 0, text
    assert "in 3 directories: no damage" in text
    pages = next(iter(sorted((last / "parent/parent").glob("pages-*.img"))))
    data = pages.read_bytes()
    for damaged in (data[:-1] + bytes([data[-1] ^ 1]), data[:-PAGE]):
        pages.write_bytes(damaged)
        status, text = verify(last)
        assert status == 1
        assert f"{pages.name} in {last}/parent/parent is damaged" in text
    pages.write_bytes(data)
    run.restore(last)
    run.expect_pass()


@pytest.mark.parametrize(
    ("program", "options"),
    [("cow", []), ("memfds", []), ("anonymous", []), ("relatives", ["--share-pages"])],
)
def test_pages_leave_the_images_when_the_tasks_have_them(
    program: str, options: list[str], new_run: Callable[..., Run]
) -> None:
    run = new_run(program)
    run.start()
    before = run.snapshot()
    images = run.dump("--checksums", *options)
    sizes = {path: path.stat().st_size for path in images.glob("pages-*.img")}
    assert any(path.stat().st_blocks for path in sizes)
    run.restore(images, "--auto-dedup")
    run.expect_same(before, "after the restore")
    run.expect_pass()
    for path, size in sizes.items():
        assert path.stat().st_size == size
        assert path.stat().st_blocks == 0
        assert not any(path.read_bytes())
    # What is left is no dump any more, and says so.
    done = run.run_tool("restore", "-D", str(images), check=False)
    assert done.returncode == 1
    assert "there is no inventory.img" in done.stderr


def test_pages_stay_in_the_images_of_a_restore_that_fails(new_run: Callable[..., Run]) -> None:
    run = new_run("anonymous")
    run.start()
    images = run.dump()
    pages = {path: path.read_bytes() for path in images.glob("pages-*.img")}
    options = ("--auto-dedup", "--action-script", 'test "$CRTOOLS_SCRIPT_ACTION" != post-restore')
    done = run.run_tool("restore", "-D", str(images), "-d", *options, check=False)
    assert done.returncode == 1
    assert {path: path.read_bytes() for path in pages} == pages
    run.restore(images)
    run.expect_pass()


def test_pages_are_taken_out_of_the_directories_behind_too(new_run: Callable[..., Run]) -> None:
    run = new_run("anonymous")
    run.start()
    last = spread(run.dump(), 2)
    run.restore(last, "--auto-dedup")
    run.expect_pass()
    for path in (last, last / "parent"):
        assert all(file.stat().st_blocks == 0 for file in path.glob("pages-*.img"))
        with ImageStore.open(str(path), allow_incomplete=True) as store:
            # What they were the pages of lies in the directory in front.
            assert store.has("inventory") == (path != last)


def test_a_chain_whose_earlier_links_are_thinned_out_is_whole_and_comes_back(
    new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    # That an area is registered, which smaps says, is the tracking itself, and ends with it.
    ignored = live.snapshot.IGNORED_VM_FLAGS | {"uw"}
    monkeypatch.setattr(live.snapshot, "IGNORED_VM_FLAGS", ignored)
    run = new_run("changing")
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))
    chain: list[Path] = []
    for number in range(1, 3):
        images = pre_dump(
            run, run.new_images(), "--auto-dedup", "--checksums", *build_upon(chain and chain[-1])
        )
        chain.append(images)
        status, text = verify(images)
        assert status == 0, text  # pages alone are whole too, as long as nothing builds upon them
        step(run, number)
    before = run.snapshot()
    last = run.dump("--auto-dedup", "--checksums", *build_upon(chain[-1]))
    held = [sum(path.stat().st_blocks for path in images.glob("pages-*")) for images in chain]
    sizes = [sum(path.stat().st_size for path in images.glob("pages-*")) for images in chain]
    assert any(blocks * 512 < size for blocks, size in zip(held, sizes, strict=True))
    status, text = verify(last)
    assert status == 0, text
    assert "in 3 directories: no damage" in text
    run.restore(last)
    run.expect_same(before, "after the restore")
    run.expect_pass()
