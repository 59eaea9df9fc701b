"""A program that is being dumped, and what of it must be the same afterwards."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crtools import api
from faults.tool import Outcome, run_tool
from live.roundtrip import Run
from live.snapshot import collect_tree

SECONDS = 60.0  # on a machine with other work to do
HASTE_SECONDS = 1
WANTED = ("TracerPid:", "SigBlk:", "SigPnd:", "ShdPnd:", "SigIgn:", "SigCgt:", "Seccomp:")


def facts(root: int) -> dict[str, str]:
    """What a dump could harm: tracers, stops, masks, mappings, descriptors, of all tasks."""
    found = {}
    for pid in collect_tree(root):
        found[f"{pid} maps"] = _text(f"/proc/{pid}/maps")
        for fd in _names(f"/proc/{pid}/fd"):
            try:
                found[f"{pid} fd {fd}"] = os.readlink(f"/proc/{pid}/fd/{fd}")
            except OSError:
                found[f"{pid} fd {fd}"] = "gone"
        for tid in _names(f"/proc/{pid}/task"):
            status = _text(f"/proc/{pid}/task/{tid}/status").splitlines()
            for line in status:
                if line.startswith(WANTED):
                    found[f"{pid}/{tid} {line.split(':')[0]}"] = line
                elif line.startswith("State:"):
                    state = line.split()[1]
                    found[f"{pid}/{tid} State"] = state if state in "TtZX" else "alive"
    return found


def _text(path: str) -> str:
    try:
        return Path(path).read_bytes().decode("latin-1")
    except OSError:
        return "gone"


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return ["gone"]


class Target:
    """A running test program, which is started unless it was; `check` says whether it is as it
    was."""

    def __init__(self, run: Run, *, share_pages: bool = False) -> None:
        self.run = run
        self.share_pages = share_pages
        self.pid = run.pid or run.start()
        self.images = run.directory / "images"
        self.before = self.facts()

    def facts(self) -> dict[str, str]:
        return facts(self.pid)

    def dump(self, **options: Any) -> None:
        """One whole dump in this process that leaves the program running."""
        where = (self.pid, str(self.images))
        api.dump(*where, leave_running=True, share_pages=self.share_pages, **options)

    def dump_in_haste(self) -> None:
        """It gives up soon where it has to wait for what a fault has lost."""
        self.dump(timeout=HASTE_SECONDS)

    def check(self, when: str, until: float = math.inf) -> None:
        """As before, at once or as soon as the agent has found out that it is alone.

        `until`: the time.monotonic() from which on the program may have changed by itself.
        """
        end = time.monotonic() + SECONDS
        while (now := self.facts()) != self.before:
            if time.monotonic() > until:
                return  # its verdict tells
            if time.monotonic() > end:
                lines = _differences(self.before, now)
                self.run.fail(f"{when}: {self.run.command[0]} is not as it was:\n{lines}")
            time.sleep(0.001)

    def expect_dump(self, when: str) -> None:
        """It can be dumped, and is unharmed by that too."""
        outcome = run_tool(self.dump)
        assert outcome.done, f"after {when}: {outcome}"
        assert (self.images / "inventory.img").exists()
        self.check(f"the dump after {when}")

    def expect_unharmed(self, when: str) -> None:
        self.check(when)
        self.expect_dump(when)


def _differences(before: dict[str, str], now: dict[str, str]) -> str:
    lines = []
    for name in before | now:
        was, is_now = before.get(name, "absent").splitlines(), now.get(name, "absent").splitlines()
        lines += [f"  {name}: was {line}" for line in was if line not in is_now]
        lines += [f"  {name}: is {line}" for line in is_now if line not in was]
    return "\n".join(lines)


Fault = Callable[[], Outcome]
