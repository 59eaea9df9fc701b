"""A restore where fewer tasks may be made than the tree has: it says so, and leaves none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.roundtrip import SECONDS, TOOL, Run

# Numbers of the tree must stay free until it is restored.
pytestmark = [pytest.mark.root, pytest.mark.alone]


@pytest.fixture
def group() -> Iterator[Path]:
    """A cgroup that can limit how many tasks there are."""
    for mount in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        made = mount / f"crtools-test-{os.getpid()}"
        try:
            made.mkdir()
        except OSError:
            continue
        if (made / "pids.max").exists():
            yield made
            for pid in (made / "cgroup.procs").read_text().split():
                (mount / "cgroup.procs").write_text(pid)
            made.rmdir()
            return
        made.rmdir()
    pytest.skip("needs the pids controller of cgroups, and that we may make a group")


@pytest.mark.parametrize("program", ["groups", "threads", "zombies"])
def test_too_few_tasks_are_an_error_that_leaves_none(
    program: str, group: Path, new_run: Callable[..., Run]
) -> None:
    run = new_run(program)
    run.start()
    images = run.dump()
    join = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
    restore = (str(TOOL), "restore", "-D", str(images), "-d", "-o", "restore.log")
    for limit in range(1, 40):
        (group / "pids.max").write_text(str(limit))
        done = subprocess.run(
            ["sh", "-c", join, str(group), *restore],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            break
        # Neither a task nor a zombie of the last attempt has any number.
        assert "there may be no more tasks" in done.stderr
        assert f"takes {limit} tasks (pids.max)" in done.stderr
        assert (group / "cgroup.procs").read_text() == ""
    assert done.returncode == 0, done.stderr
    assert limit > 3
    run.status = None
    run.expect_pass()
