"""A task that waits for a lock which somebody outside the tree holds goes on waiting."""

from __future__ import annotations

import fcntl
from collections.abc import Callable

import pytest

from live.roundtrip import Run

pytestmark = pytest.mark.root


@pytest.mark.parametrize("call", ["flock", "fcntl"])
def test_wait_for_a_lock_goes_on_after_two_rounds(call: str, new_run: Callable[..., Run]) -> None:
    run = new_run("blocked_lock", call)
    with (run.work / "lock").open("w") as lock:
        if call == "flock":
            fcntl.flock(lock, fcntl.LOCK_EX)
        else:
            fcntl.lockf(lock, fcntl.LOCK_EX)
        run.start()
        before = run.snapshot()
        run.restore(run.dump())
        run.expect_same(before, "after the first restore")
        run.restore(run.dump())
        run.expect_same(before, "after the second restore")
        run.tell()
        run.wait_until((run.work / "let-go").exists, "it asks for the lock")
    run.expect_pass()
