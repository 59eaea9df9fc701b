"""Several tasks that write their pages at the same time: as many as there are CPUs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from live.roundtrip import Run

pytestmark = pytest.mark.root

NewRun = Callable[..., Run]

DUMP = """
import os
import sys
import crtools
from crtools.dumping.writers import Writers

cpus = int(sys.argv[3])
os.sched_getaffinity = lambda pid: set(range(cpus))
at_work = []
add = Writers.add

def count(writers, writing):
    add(writers, writing)
    at_work.append(len(writers._busy))

Writers.add = count
crtools.dump(int(sys.argv[1]), sys.argv[2], leave_running=True)
print(max(at_work), *at_work)
"""


@pytest.mark.parametrize(("cpus", "most"), [(1, 0), (2, 1), (16, 4)])
def test_the_next_process_begins_while_others_write(cpus: int, most: int, new_run: NewRun) -> None:
    """How many are at work when the next one begins. One that shares the memory of the one before
    waits until nobody is."""
    run = new_run("writers")
    run.start()
    before = run.snapshot()
    images = run.new_images()
    command = [sys.executable, "-c", DUMP, str(run.pid), str(images), str(cpus)]
    done = subprocess.run(command, check=True, timeout=60, stdout=subprocess.PIPE, text=True)
    assert int(done.stdout.split()[0]) == most, done.stdout
    run.expect_same(before, "after a dump that leaves it running")
    run.kill()
    run.restore(images)
    run.expect_same(before, "after the restore")
    run.expect_pass()
