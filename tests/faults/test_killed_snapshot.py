"""SIGKILL of the tool at many steps of a live snapshot, and of the copy that writes: the program
goes on as if nothing had happened. What may be left is a zombie that it does not see; the next dump
of any kind takes it away.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools import api
from faults.target import Target
from faults.tool import DUMPING, act_at, choose_moments, kill_at, record_moments, run_tool
from live.roundtrip import Run
from live.snapshot import collect_tree

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

FILES = (*DUMPING, "agent/copy.py", "dumping/snapshot.py")
NewRun = Callable[..., Run]


def copies(root: int, states: str) -> list[int]:
    """Copies in the tree that are in one of these states."""
    found = []
    for pid in collect_tree(root):
        try:
            head, _, tail = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        except OSError:
            continue
        if head.endswith("(crtools-copy") and tail.split()[0] in states:
            found.append(pid)
    return found


class SnapshotTarget(Target):
    def dump(self) -> None:
        api.dump(self.pid, str(self.images), leave_running=True, snapshot=True)

    def plain_dump(self) -> None:
        api.dump(self.pid, str(self.images), leave_running=True)

    def facts(self) -> dict[str, str]:
        """All but a copy that has ended."""
        ended = {str(pid) for pid in copies(self.pid, "Z")}
        return {
            name: what
            for name, what in super().facts().items()
            if name.split()[0].split("/")[0] not in ended
        }

    def expect_dump(self, when: str) -> None:
        super().expect_dump(when)
        assert not copies(self.pid, "RSDTtZ"), f"after {when} a copy is left"

    def expect_plain_dump(self, when: str) -> None:
        outcome = run_tool(self.plain_dump)
        assert outcome.done, f"after {when}: {outcome}"
        assert not copies(self.pid, "RSDTtZ"), f"after {when} a copy is left"


def chosen(new_run: NewRun, words: str, count: int) -> list[tuple[str, int]]:
    """Half of them where a copy is made, used and ended."""
    target = SnapshotTarget(new_run(*words.split(), compare=False))
    moments = choose_moments(record_moments(target.dump, FILES))
    target.run.close()
    chance = random.Random(words)
    about = [m for m in moments if "agent/copy.py" in m[0] or "dumping/snapshot.py" in m[0]]
    assert len(about) > count // 2
    return chance.sample(about, count // 2) + chance.sample(moments, count // 2)


@pytest.mark.parametrize(("words", "count"), [("moments usual", 40), ("moments usual-tree", 16)])
def test_kill_at_many_steps_of_a_snapshot(words: str, count: int, new_run: NewRun) -> None:
    moments = chosen(new_run, words, count)
    target = SnapshotTarget(new_run(*words.split(), compare=False))
    killed = 0
    for index, (moment, occurrence) in enumerate(moments):
        outcome = kill_at(target.dump, FILES, moment, occurrence)
        assert outcome.killed or outcome.done, outcome
        killed += outcome.killed
        target.check(f"killed {moment}")
        if index % 4 == 0:
            target.expect_dump(f"a kill {moment}")
        elif index % 4 == 2:
            target.expect_plain_dump(f"a kill {moment}")
    assert killed > count // 2
    target.run.expect_pass()


def test_a_copy_that_is_killed_fails_the_snapshot_and_nothing_else(new_run: NewRun) -> None:
    target = SnapshotTarget(new_run("moments", "usual", compare=False))
    moments = choose_moments(record_moments(target.dump, FILES))
    about = [m for m in moments if "dumping/snapshot.py" in m[0]]
    failed = 0
    for moment, occurrence in random.Random(1).sample(about, 14):

        def kill_copy() -> None:
            for pid in copies(target.pid, "RSDTt"):
                os.kill(pid, signal.SIGKILL)
                end = time.monotonic() + 20
                while copies(target.pid, "RSDTt"):
                    assert time.monotonic() < end, "the copy does not end"

        outcome = act_at(target.dump, FILES, moment, occurrence, kill_copy)
        assert outcome.done or outcome.refused, outcome
        if outcome.refused:
            failed += 1
            assert f"The copy of task {target.pid} ended" in outcome.said, outcome
            assert not (target.images / "inventory.img").exists()
        assert not copies(target.pid, "RSDTtZ"), f"killed {moment}: it is left"
        target.check(f"its copy killed {moment}")
    assert failed > 2
    target.expect_dump("all kills")
    target.run.expect_pass()
