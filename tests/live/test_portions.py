"""A large process writes its pages in portions while its flags are still read; small limits make it
so for any program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from live.roundtrip import Run

DUMP = """
import sys
import crtools
from crtools.dumping import memory
from crtools.kinds.memory import pages

memory.LARGE = 0
pages._FIRST, pages._PORTION = 8192, 3 * 4096
compared = []
if sys.argv[3] == "wrong":
    which = memory._pages
    # The second look, with the flags that are true, finds other pages than the guess.
    memory._pages = lambda areas: compared.append(areas) or [len(compared), *which(areas)]
crtools.dump(int(sys.argv[1]), sys.argv[2], leave_running=True)
assert sys.argv[3] == "right" or compared, "nothing was guessed"
"""


@pytest.mark.root
@pytest.mark.parametrize("guess", ["right", "wrong"])
@pytest.mark.parametrize(
    "program",
    [
        *("advice", "anonymous", "huge_pages", "locked_all", "mdwe", "no_access", "private_file"),
        *("shared_anonymous", "sparse", "stacks", "threads", "vdso", "zero_pages"),
    ],
)
def test_memory_written_in_portions_is_the_same(
    program: str, guess: str, new_run: Callable[..., Run]
) -> None:
    run = new_run(program)
    run.start()
    before = run.snapshot()
    images: Path = run.new_images()
    command = [sys.executable, "-c", DUMP, str(run.pid), str(images), guess]
    subprocess.run(command, check=True, timeout=60)
    run.expect_same(before, "after a dump that leaves it running")
    run.kill()
    run.restore(images)
    run.expect_same(before, "after the restore")
    run.expect_pass()
