"""Images in several directories, each with a link to the one before: pages are found in all of
them. A whole dump is taken apart for that, as an incremental one would have left it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools.images.messages.pagemap import PagemapEntry
from crtools.images.store import ImageStore
from live.roundtrip import Run

PAGE = 4096
IN_PARENT, PRESENT = 1, 4


def spread(images: Path, directories: int) -> Path:
    """Puts page number n of each process into directory n % `directories`; gives the last one's
    path. What a directory does not have itself it says to be in its parent."""
    made = [images.parent / f"{images.name}-{number}" for number in range(directories)]
    for number, path in enumerate(made):
        shutil.copytree(images, path)
        if number:
            (path / "parent").symlink_to(made[number - 1])
    with ImageStore.open(str(images)) as whole:
        pids = [entry.pid for entry in whole.read("pstree") if whole.has("pagemap", entry.pid)]
        assert pids
        for pid in pids:
            head, *entries = whole.read("pagemap", pid)
            pages = (images / f"pages-{head.pages_id}.img").read_bytes()
            for number, path in enumerate(made):
                kept, own, at = [], bytearray(), 0
                for entry in entries:
                    for page in range(entry.nr_pages):
                        address, flags = entry.vaddr + page * PAGE, PRESENT
                        if at // PAGE % directories == number:
                            own += pages[at : at + PAGE]
                        else:
                            flags = IN_PARENT
                        at += PAGE
                        # The first directory has no parent: what it lacks is in none.
                        if flags == PRESENT or (at // PAGE - 1) % directories < number:
                            kept.append(
                                PagemapEntry(
                                    vaddr=address, compat_nr_pages=0, flags=flags, nr_pages=1
                                )
                            )
                with ImageStore.open(str(path)) as store:
                    store.write("pagemap", [head, *kept], id=pid)
                (path / f"pages-{head.pages_id}.img").write_bytes(own)
    return made[-1]


@pytest.mark.parametrize("directories", [2, 5])
@pytest.mark.parametrize("program", ["anonymous", "cow", "vdso", "threads"])
def test_pages_of_several_directories_come_together(
    program: str, directories: int, new_run: Callable[..., Run]
) -> None:
    run = new_run(program)
    run.start()
    before = run.snapshot()
    run.restore(spread(run.dump(), directories))
    run.expect_same(before, "after the restore")
    run.expect_pass()


def test_a_parent_that_is_not_there_is_named(new_run: Callable[..., Run]) -> None:
    run = new_run("anonymous")
    run.start()
    images = run.dump()
    last = spread(images, 2)
    (last / "parent").rename(last / "was-parent")
    done = run.run_tool("restore", "-D", str(last), "-d", check=False)
    assert done.returncode == 1
    assert f"There is no directory {last}/parent" in done.stderr
    run.restore(images)
    run.expect_pass()


def test_dedup_takes_out_of_the_parent_what_is_there_anew(new_run: Callable[..., Run]) -> None:
    run = new_run("anonymous")
    run.start()
    first = run.dump("-R", kills=False)
    second = run.dump()
    (second / "parent").symlink_to(first)
    pages = first / "pages-1.img"
    before = pages.stat()
    done = run.run_tool("dedup", "-D", str(second), "-o", "dedup.log")
    assert (done.stdout, done.stderr) == ("", "")
    after = pages.stat()
    assert after.st_size == before.st_size
    assert after.st_blocks * 512 < before.st_size // 10
    assert f"took {before.st_size >> 10} KiB" in (second / "dedup.log").read_text()
    refused = run.run_tool("restore", "-D", str(first), "-d", check=False)
    assert refused.returncode == 1
    assert "inventory.img" in refused.stderr
    run.restore(second)
    run.expect_pass()
