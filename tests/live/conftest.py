"""The one fixture of the live tests: `start(program, ...)` gives a run that ends with the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from live.roundtrip import PROGRAMS, Run


@pytest.fixture(scope="session", autouse=True)
def built_programs() -> None:
    """Builds tests/programs once a session."""
    if not shutil.which("gcc") or not shutil.which("make"):
        pytest.skip("needs gcc and make for the test programs")
    done = subprocess.run(
        ["make", "-s", "-C", str(PROGRAMS.parent)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(f"the test programs do not build:\n{done.stderr}", pytrace=False)


@pytest.fixture(scope="session", autouse=True)
def huge_pages() -> Iterator[None]:
    """Sets some huge pages aside while the tests run, where none are and we may: 16 of 2 MiB."""
    setting = Path("/proc/sys/vm/nr_hugepages")
    ours = os.geteuid() == 0 and setting.exists() and setting.read_text().strip() == "0"
    if ours:
        try:
            setting.write_text("16")
        except OSError:
            ours = False  # a container's view of it: the tests that need them skip, saying so
    yield
    if ours:
        setting.write_text("0")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that other users may enter: pytest's own tmp_path is closed to them."""
    path = Path(tempfile.mkdtemp(prefix="crtools-test-"))
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
