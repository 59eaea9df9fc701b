"""Event kinds, where something happens between a dump and a restore."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from live.roundtrip import Run, Skipped

pytestmark = pytest.mark.root


def start(new_run: Callable[..., Run], *words: str) -> Run:
    run = new_run(*words, compare=False)
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))
    return run


def test_pidfd_of_a_task_outside_that_ends_meanwhile(new_run: Callable[..., Run]) -> None:
    with subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL) as other:
        try:
            run = start(new_run, "pidfds", "ended", str(other.pid))
            images = run.dump()
        finally:
            other.kill()
    run.restore(images)
    assert "that task has ended since the dump" in (images / "restore.log").read_text()
    run.expect_pass()


@pytest.mark.parametrize("variant", [(), ("fires",)], ids=["steady", "fires"])
def test_timers_in_a_time_namespace_of_their_own(
    variant: tuple[str, ...], new_run: Callable[..., Run]
) -> None:
    if not Path("/proc/self/timens_offsets").exists():
        pytest.skip("the kernel has no time namespaces (CONFIG_TIME_NS)")
    run = start(new_run, "timerfds", *variant)
    run.restore(run.dump(), "--timens")
    # What is absolute on a clock of the namespace is so for the second dump as well.
    run.restore(run.dump())
    run.expect_pass()
