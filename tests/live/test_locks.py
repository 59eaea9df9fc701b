"""Locks that are refused, and those that somebody else has meanwhile."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools.images.store import ImageStore
from live.roundtrip import Run

pytestmark = pytest.mark.root
NewRun = Callable[..., Run]
OPTION = "--file-locks"


def start(new_run: NewRun, *command: str) -> Run:
    run = new_run(*command, dump_options=(OPTION,))
    run.start()
    return run


def refuse_restore(run: Run, images: Path) -> str:
    where = ("-D", str(images), "-d", "-o", "restore.log")
    done = run.run_tool("restore", *where, check=False)
    assert done.returncode == 1
    # Whose parents ended too are ours to wait for.
    run.reap(run._dumped)
    assert not os.path.exists(f"/proc/{run.pid}")
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("leases mapped", "which is mapped too."),
        ("leases nameless", "whose name is gone."),
        ("locks lost", "Cannot dump a flock of task {pid} (locks): no descriptor has it."),
    ],
)
def test_lock_that_nobody_could_take_again_is_refused(
    command: str, said: str, new_run: NewRun
) -> None:
    run = start(new_run, *command.split())
    before = run.snapshot()
    done = run.try_dump(run.new_images())
    assert done.returncode == 1
    assert said.format(pid=run.pid) in done.stderr
    run.expect_same(before, "after the refusal")
    run.expect_pass()


def test_lock_without_the_option_is_refused_with_a_hint(new_run: NewRun) -> None:
    run = new_run("locks", "plain")
    run.start()
    done = run.try_dump(run.new_images())
    assert done.returncode == 1
    assert ": it holds a " in done.stderr
    assert f"Try: {OPTION}, if all who use that file together are dumped." in done.stderr
    run.expect_pass()


def test_tree_without_locks_takes_the_option_as_well(new_run: NewRun) -> None:
    run = start(new_run, "positions")
    images = run.dump()
    assert not (images / "filelocks.img").exists()
    run.restore(images, OPTION)
    run.expect_pass()


@pytest.mark.parametrize(
    ("kind", "name", "whose"),
    [
        ("posix", "ranges", "task {us} ({me}) has a POSIX lock on it"),
        ("posix", "of-file", "task {us} ({me}) has a POSIX lock on it"),
        ("flock", "exclusive", "task {us} ({me}) has a flock on it"),
    ],
)
def test_lock_that_somebody_else_has_meanwhile_is_a_conflict(
    kind: str, name: str, whose: str, new_run: NewRun
) -> None:
    run = start(new_run, "locks", "plain")
    images = run.dump()
    with (run.work / name).open("r+") as file:
        if kind == "posix":
            fcntl.lockf(file, fcntl.LOCK_EX)
        else:
            fcntl.flock(file, fcntl.LOCK_SH)
        said = refuse_restore(run, images)
    me = Path("/proc/self/comm").read_text().strip()
    assert f"on {run.work / name} for fd " in said
    assert whose.format(us=os.getpid(), me=me) in said
    assert "restore when it has been released" in said
    run.restore(images)
    run.expect_pass()


def test_locks_of_mappings_are_carried_without_the_option(new_run: NewRun) -> None:
    run = new_run("locks", "mapped")
    run.start()
    for _ in range(2):
        run.restore(run.dump())
    run.expect_pass()


def test_tree_left_running_may_lock_what_it_has_mapped_meanwhile(new_run: NewRun) -> None:
    """By a descriptor, as soon as it runs again: no lock of the moment of the dump."""
    script = (
        "import fcntl, mmap, os\n"
        "fd = os.open('file', os.O_RDWR | os.O_CREAT, 0o600)\n"
        "os.ftruncate(fd, 4096)\n"
        "place = mmap.mmap(fd, 4096)\n"
        "print('READY', flush=True)\n"
        "while not os.path.exists('go'):\n"
        "    fcntl.flock(fd, fcntl.LOCK_EX)\n"
        "    fcntl.flock(fd, fcntl.LOCK_UN)\n"
        "print('PASS', flush=True)\n"
    )
    run = new_run(sys.executable, "-c", script, compare=False)
    run.start()
    for _ in range(5):
        images = run.new_images()
        done = run.try_dump(images, "--leave-running")
        assert not (images / "crtools-maplock.img").exists()
        # It may have been stopped with its lock, for which the option is needed.
        assert done.returncode == 0 or OPTION in done.stderr
    run.expect_pass()


def test_lock_of_a_mapping_that_somebody_else_has_meanwhile_is_a_conflict(
    new_run: NewRun,
) -> None:
    run = start(new_run, "locks", "mapped")
    images = run.dump()
    with (run.work / "alone").open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        said = refuse_restore(run, images)
    assert f"Cannot take a flock on {run.work / 'alone'}, which task {run.pid} has mapped" in said
    assert f"Because: task {os.getpid()} (" in said
    run.restore(images)
    run.expect_pass()


def test_lock_of_a_file_that_nobody_maps_is_an_image_error(new_run: NewRun) -> None:
    run = start(new_run, "locks", "mapped")
    images = run.dump()
    with ImageStore.open(str(images)) as store:
        entries = store.read("crtools-maplock")
    right = (images / "crtools-maplock.img").read_bytes()
    for change, because in (
        ({"file_id": 4000}, "the task has not mapped that file"),
        ({"pid": 1}, "the task has not mapped that file"),
        ({"flag": 1}, "that is not an open file's"),
        ({"type": 7}, "its kind is"),
    ):
        damaged = entries[0].decode(entries[0].encode())
        for field, value in change.items():
            setattr(damaged, field, value)
        with ImageStore.open(str(images)) as store:
            store.write("crtools-maplock", [damaged])
        assert because in refuse_restore(run, images)
    (images / "crtools-maplock.img").write_bytes(right)
    run.restore(images)
    run.expect_pass()


def test_lease_on_what_somebody_has_opened_meanwhile_is_a_conflict(new_run: NewRun) -> None:
    run = start(new_run, "leases")
    images = run.dump()
    with (run.work / "writing").open():
        said = refuse_restore(run, images)
    assert f"Cannot take a lease on {run.work / 'writing'} for fd " in said
    assert "somebody else has the file open" in said
    run.restore(images)
    run.expect_pass()


def test_images_have_locks_as_fcntl_takes_them(new_run: NewRun) -> None:
    run = start(new_run, "locks", "plain")
    images = run.dump()
    with ImageStore.open(str(images)) as store:
        found = [
            (entry.flag, entry.type, entry.start, entry.len)
            for entry in store.read("filelocks")
            if entry.pid == run.pid
        ]
    posix, flock, of_file, read, write = 1, 2, 1024, fcntl.F_RDLCK, fcntl.F_WRLCK
    for expected in (
        (posix, read, 0, 10),
        (posix, write, 20, 10),
        (posix, write, 100, 0),
        (of_file, write, 5, 5),
        (of_file, read, 50, 0),
        (flock, write, 0, 0),
        (flock, read, 0, 0),
    ):
        assert expected in found
    run.restore(images)
    run.expect_pass()
