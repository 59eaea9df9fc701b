"""An image directory is complete, or says that it is not."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools import api
from crtools.errors import CrtoolsError, ImageError
from faults.target import Target
from faults.tool import DUMPING, choose_moments, kill_at, record_moments, run_tool
from live.roundtrip import Run

pytestmark = pytest.mark.root

NewRun = Callable[..., Run]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_directory_is_the_owners_alone(new_run: NewRun) -> None:
    target = Target(new_run("counter"))
    before = os.umask(0)
    try:
        target.dump()
    finally:
        os.umask(before)
    assert mode(target.images) == 0o700
    assert {mode(path) for path in target.images.glob("*.img")} == {0o600}


def test_an_existing_directory_keeps_its_mode(new_run: NewRun) -> None:
    target = Target(new_run("counter"))
    target.images.mkdir()
    target.images.chmod(0o2751)
    target.dump()
    assert mode(target.images) == 0o2751


def test_files_of_an_earlier_dump_are_replaced_not_changed(new_run: NewRun) -> None:
    target = Target(new_run("counter"))
    target.dump()
    kept = target.images / "kept"
    os.link(target.images / "inventory.img", kept)
    content = kept.read_bytes()
    target.dump()
    assert kept.read_bytes() == content != (target.images / "inventory.img").read_bytes()


def test_a_refused_dump_leaves_no_inventory_of_an_earlier_one(new_run: NewRun) -> None:
    target = Target(new_run("counter"))
    target.dump()
    assert (target.images / "inventory.img").exists()
    run = new_run("threads")
    run.start()
    with pytest.raises(CrtoolsError):
        api.dump(2**22 - 1, str(target.images))
    assert not (target.images / "inventory.img").exists()
    with pytest.raises(ImageError, match=r"complete|inventory"):
        api.restore(str(target.images))
    target.check("a refused dump")


def test_a_killed_dump_is_not_restored(new_run: NewRun) -> None:
    """The program runs on, so a restore of a complete set is refused for its pid; here it has to be
    refused for the images, unless the dump had them all."""
    target = Target(new_run("counter"))
    files = (*DUMPING, "images/store.py")
    recorded = record_moments(target.dump, files)
    inventory = next(i for i, moment in enumerate(recorded) if "_write_inventory" in moment)
    (target.images / "inventory.img").unlink()
    moments = choose_moments(recorded[:inventory], last=False)
    killed = 0
    for moment, occurrence in moments[:: max(1, len(moments) // 40)]:
        outcome = kill_at(target.dump, files, moment, occurrence)
        if outcome.done:
            # A moment that does not come every time, such as another look at a task that is late.
            (target.images / "inventory.img").unlink()
            continue
        assert outcome.killed, outcome
        killed += 1
        again = run_tool(lambda: api.restore(str(target.images), restore_detached=True))
        assert again.refused, again
        assert "ImageError" in again.said, f"killed {moment}: {again}"
    assert killed > 20


@pytest.mark.parametrize("missing", ["inventory.img", "pstree.img", "core-", "mm-", "pagemap-"])
def test_a_set_that_lacks_an_image_is_refused(missing: str, new_run: NewRun) -> None:
    target = Target(new_run("counter"))
    target.dump()
    target.run.kill()
    for path in target.images.glob(f"{missing}*"):
        path.unlink()
    outcome = run_tool(lambda: api.restore(str(target.images), restore_detached=True))
    assert outcome.refused, outcome
    assert "ImageError" in outcome.said
    assert not os.path.exists(f"/proc/{target.pid}")


@pytest.mark.parametrize("length", [0, 3, 8, 40])
def test_an_inventory_that_is_not_whole_is_none(length: int, new_run: NewRun) -> None:
    """As a dump leaves it that is killed between making the file and writing it."""
    target = Target(new_run("threads"))
    target.dump()
    target.run.kill()
    os.truncate(target.images / "inventory.img", length)
    outcome = run_tool(lambda: api.restore(str(target.images), restore_detached=True))
    assert outcome.refused
    assert "ImageError" in outcome.said
    assert "inventory.img" in outcome.said
    assert not os.path.exists(f"/proc/{target.pid}")


def test_images_cut_short_are_refused_and_leave_nothing(new_run: NewRun) -> None:
    target = Target(new_run("threads"))
    target.dump()
    target.run.kill()
    for path in sorted(target.images.glob("*.img")):
        whole = path.read_bytes()
        if path.name.startswith("stats-"):
            continue
        path.write_bytes(whole[: len(whole) * 2 // 3])
        outcome = run_tool(lambda: api.restore(str(target.images), restore_detached=True))
        if outcome.done:  # an image of no importance, such as that of time namespaces
            assert path.name.startswith(("timens", "seccomp", "ids")), path.name
            target.run.status = None
            target.run.kill()
        else:
            assert outcome.refused, f"{path.name}: {outcome}"
        assert not os.path.exists(f"/proc/{target.pid}"), path.name
        path.write_bytes(whole)
