"""SIGKILL of the tool at many steps of a pre-dump that builds upon another: the program goes on,
and the dump that comes after takes no page for unchanged that is not."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools import api
from faults.tool import DUMPING, choose_moments, kill_at, record_moments
from live.roundtrip import Run

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

FILES = (
    *DUMPING,
    *("dumping/tracking.py", "dumping/predump.py", "dumping/copying.py"),
    *("kinds/memory/tracking.py", "kinds/memory/keeper.py"),
)
KILLS = 24
NewRun = Callable[..., Run]


class Chain:
    """`changing` with one pre-dump made, and what is to be killed: the next one."""

    def __init__(self, new_run: NewRun) -> None:
        self.run = new_run("changing", compare=False)
        self.run.start()
        self.first = self.run.new_images()
        self.second = self.run.new_images()
        api.pre_dump(self.run.pid, str(self.first))
        self.step(1)

    def step(self, number: int) -> None:
        (self.run.work / f"step-{number}").touch()
        self.run.wait_until(lambda: f"DONE {number}\n" in self.run.out, f"step {number}")

    def pre_dump(self) -> None:
        api.pre_dump(self.run.pid, str(self.second), prev_images_dir=f"../{self.first.name}")

    def expect_pass(self) -> None:
        """Dumps it upon the last directory that is complete, and restores it."""
        self.step(2)
        complete = (self.second / "inventory.img").exists()
        last = self.second if complete else self.first
        images = self.run.dump("--prev-images-dir", f"../{last.name}")
        self.run.restore(images)
        self.run.expect_pass()
        self.run.close()


def keepers(pid: int) -> list[int]:
    """Those that hold something of a process."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if (
                name.isdigit()
                and Path(f"/proc/{name}/comm").read_text() == "crtools-keeper\n"
                and any(
                    f"Pid:\t{pid}\n" in Path(f"/proc/{name}/fdinfo/{fd}").read_text()
                    for fd in os.listdir(f"/proc/{name}/fd")
                )
            ):
                found.append(int(name))
        except OSError:
            continue
    return found


def sample(new_run: NewRun) -> list[tuple[str, int]]:
    chain = Chain(new_run)
    recorded = choose_moments(record_moments(chain.pre_dump, FILES), last=False)
    chain.expect_pass()
    own = [moment for moment in recorded if "tracking.py" in moment[0] or "keeper.py" in moment[0]]
    chosen = random.Random(24)
    return chosen.sample(own, KILLS * 2 // 3) + chosen.sample(recorded, KILLS // 3)


def test_a_pre_dump_killed_at_any_step_loses_no_page(new_run: NewRun) -> None:
    killed = 0
    for moment, occurrence in sample(new_run):
        chain = Chain(new_run)
        outcome = kill_at(chain.pre_dump, FILES, moment, occurrence)
        assert outcome.killed or outcome.done, outcome
        killed += outcome.killed
        # A keeper that no images speak of goes with the tool.
        end = time.monotonic() + 20
        while len(keepers(chain.run.pid)) > 1:
            assert time.monotonic() < end, f"killed {moment}: keepers are left"
            time.sleep(0.01)
        chain.expect_pass()
    assert killed > KILLS // 2
