"""The one fixture of the live tests: `start(program, ...)` gives a run that ends with the test."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from live.roundtrip import PROGRAMS, TEST_DIRECTORY, Run


@pytest.fixture(scope="session", autouse=True)
def built_programs() -> None:
    """Builds tests/programs once a session; several workers wait for the one that begins."""
    if not shutil.which("gcc") or not shutil.which("make"):
        pytest.skip("needs gcc and make for the test programs")
    command = ["make", "-s", f"-j{os.cpu_count()}", "-C", str(PROGRAMS.parent)]
    with open(PROGRAMS.parent / "Makefile", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"the test programs do not build:\n{done.stderr}", pytrace=False)


@pytest.fixture(autouse=True)
def turn(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing runs beside a test that is marked `alone`, in other workers: it uses up the numbers
    that a tree which is about to be restored had, or it measures."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    alone = request.node.get_closest_marker("alone") is not None
    place = Path(tempfile.gettempdir())
    with (
        open(place / "crtools-test-door", "a") as door,
        open(place / "crtools-test-room", "a") as room,
    ):
        # Who wants to be alone keeps the door shut until the others have left.
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield


@pytest.fixture(scope="session", autouse=True)
def huge_pages() -> Iterator[None]:
    """Sets some huge pages aside while the tests run, where none are and we may: 48 of 2 MiB.

    The last of several workers takes them away again.
    """
    setting = Path("/proc/sys/vm/nr_hugepages")
    if os.geteuid() != 0 or not setting.exists():
        yield
        return
    with open(Path(tempfile.gettempdir()) / "crtools-test-huge-pages", "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        if setting.read_text().strip() == "0":
            try:
                setting.write_text("48")
                lock.write("ours")
                lock.flush()
            except OSError:
                pass  # a container's view of it: the tests that need them skip, saying so
        yield
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        lock.seek(0)
        if lock.read():
            setting.write_text("0")
        os.unlink(lock.name)


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that other users may enter: pytest's own tmp_path is closed to them."""
    path = Path(tempfile.mkdtemp(prefix=TEST_DIRECTORY))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def new_run(directory: Path) -> Iterator[Callable[..., Run]]:
    """Makes the runs of a test, each in its directory, and ends them with it."""
    runs: list[Run] = []

    def make(program: str | Path, *args: str, uid: int | None = None, **how: Any) -> Run:
        if uid is not None and os.geteuid() != 0:
            pytest.skip("needs root to start a program as another user")
        where = directory / f"run-{len(runs)}"
        where.mkdir()
        runs.append(Run(where, program, *args, uid=uid, **how))
        return runs[-1]

    yield make
    for run in runs:
        run.close()
