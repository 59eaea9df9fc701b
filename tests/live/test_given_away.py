"""Children that a process gives to its parent outside the tree (CLONE_PARENT) while the tree is
being stopped: they are seized with it, turn out not to belong to it, and run on."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools import api
from live.roundtrip import Run

pytestmark = [pytest.mark.root, pytest.mark.alone]

ROUNDS = 20


def traced_children(pid: int) -> list[int]:
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/{child}/status").read_text()
            if "TracerPid:\t0\n" not in status:
                found.append(int(child))
    return found


def test_children_given_to_a_parent_outside_run_on(new_run: Callable[..., Run]) -> None:
    run = new_run("giver", compare=False)
    run.start()
    giver = re.search(r"GIVER (\d+)", run.out)
    assert giver
    for _ in range(ROUNDS):
        # In this process, which goes on: with the end of a tool all would be let go of anyway.
        result = api.dump(int(giver[1]), str(run.new_images()), leave_running=True)
        assert result.processes == 1
        assert traced_children(run.pid) == []
    run.expect_pass()
