"""Large memory is read by two threads of the process being restored; a small limit makes it so for
any program."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from live.roundtrip import Run

RESTORE = """
import os, sys
import crtools
from crtools.kinds.process import relations
from crtools.restoring import plan

plan.WORKER_FROM = 4096
if sys.argv[2] == "taken":
    # The number looks free when the restore is planned, and is not when the thread is begotten.
    own = os.getpid()
    # Several are tried, up to kernel.pid_max.
    relations.FIRST_SPARE = own if own < 32000 else os.getppid()
    plan._is_free = lambda pid: True
crtools.restore(sys.argv[1], restore_detached=True)
"""


@pytest.mark.root
@pytest.mark.parametrize("number", ["free", "taken"])
@pytest.mark.parametrize("program", ["anonymous", "threads", "tree300"])
def test_memory_read_by_two_threads_is_the_same(
    program: str, number: str, new_run: Callable[..., Run]
) -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one CPU: there is no second reader")
    run = new_run(program)
    run.start()
    before = run.snapshot()
    images: Path = run.dump()
    subprocess.run([sys.executable, "-c", RESTORE, str(images), number], check=True, timeout=60)
    run.status = None
    run.expect_same(before, "after the restore")
    run.expect_pass()
