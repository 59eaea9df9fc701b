"""execve(2) by a thread at the worst moment: when the first one has been stopped already."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools import api
from crtools.dumping.freeze import Tree
from faults.tool import Outcome, run_tool
from live.roundtrip import Run
from live.test_refusals import start

pytestmark = pytest.mark.root


def dump_while_it_executes(
    new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> tuple[Run, Path, Outcome]:
    """The first look at the threads shows the first one alone, which is stopped; before the second
    look another one has executed a program."""
    run = start(new_run, "exec_churn once")
    first, hidden = sorted(map(int, os.listdir(f"/proc/{run.pid}/task")))[:2]
    listed = Tree._tids
    looks: list[int] = []

    def tids(tree: Tree, pid: int) -> list[int]:
        looks.append(pid)
        if len(looks) == 2:
            (run.work / "execute").touch()
            run.wait_until(lambda: not Path(f"/proc/{run.pid}/task/{hidden}").exists(), "execve")
        # As a listing may be while threads end.
        return [tid for tid in listed(tree, pid) if len(looks) > 1 or tid == first]

    monkeypatch.setattr(Tree, "_tids", tids)
    images = run.new_images()
    outcome = run_tool(lambda: api.dump(run.pid, str(images), leave_running=True))
    return run, images, outcome


def test_what_execve_makes_of_a_stopped_thread_is_what_is_dumped(
    new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, images, outcome = dump_while_it_executes(new_run, monkeypatch)
    assert outcome.done, outcome
    run.kill()
    run.restore(images)
    run.expect_pass()


def test_a_dump_harms_no_program_of_which_a_thread_calls_execve(
    new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _, outcome = dump_while_it_executes(new_run, monkeypatch)
    assert outcome.done, outcome
    run.expect_pass()
