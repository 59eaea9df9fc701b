"""A restore that fails, or whose tool is killed, leaves no task and no file; the next one works."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crtools import api
from crtools.images.store import ImageStore
from faults.tool import (
    RESTORING,
    Failing,
    FailingInstruction,
    Outcome,
    choose_moments,
    kill_at,
    record_moments,
    run_tool,
)
from live.roundtrip import Run
from live.snapshot import collect_tree

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

NewRun = Callable[..., Run]
PROGRAMS = ("threads", "groups", "ghosts")
SECONDS = 60.0


class Dumped:
    """A program that is on disk, and restored over and over again."""

    def __init__(self, run: Run) -> None:
        self.run = run
        run.start()
        self.images = run.dump()
        with ImageStore.open(str(self.images)) as store:
            entries = store.read("pstree")
        self.tids = sorted({tid for entry in entries for tid in (entry.pid, *entry.threads)})
        self.pids = [entry.pid for entry in entries]
        self.files = self.list_files()
        self.others = set(collect_tree(os.getpid()))

    def list_files(self) -> set[str]:
        found = {str(path) for path in self.run.directory.rglob("*")}
        return {name for name in found if not name.endswith(("stats-restore", "restore.log"))}

    def restore(self) -> None:
        api.restore(str(self.images), restore_detached=True)

    def end_all(self) -> None:
        """Ends a tree that was restored after all."""
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def check_nothing_left(self, when: str) -> None:
        """No task of the tree, no helper, no file."""
        self.check_no_task_left(when)
        if "kinds/files/ghost.py" in when:
            self._remove_ghost()
        assert self.list_files() == self.files, f"{when}: files were left, or are gone"

    def _remove_ghost(self) -> None:
        """A ghost has a name between two system calls, and nothing in it then: decision 1."""
        for name in sorted(self.list_files() - self.files)[:1]:
            if os.path.isdir(name):
                os.rmdir(name)
            elif os.lstat(name).st_size == 0:
                os.unlink(name)

    def check_no_task_left(self, when: str) -> None:
        end = time.monotonic() + SECONDS
        while True:
            _reap()
            left = [tid for tid in self.tids if os.path.exists(f"/proc/{tid}")]
            left += set(collect_tree(os.getpid())) - self.others
            if not left:
                return
            if time.monotonic() > end:
                states = [(tid, _state(tid)) for tid in left]
                self.end_all()
                raise AssertionError(f"{when}: left are {states}")
            time.sleep(0.001)

    def expect_restored(self) -> None:
        """A restore without faults works, and the program finds everything right."""
        self.run.restore(self.images)
        self.run.expect_pass()


def _reap() -> None:
    """What loses its parent becomes our child: we are a subreaper."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _state(tid: int) -> str:
    try:
        return Path(f"/proc/{tid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


@pytest.fixture(params=PROGRAMS)
def dumped(request: pytest.FixtureRequest, new_run: NewRun) -> Iterator[Dumped]:
    made = Dumped(new_run(request.param))
    yield made
    made.end_all()
    made.check_no_task_left("the end of the test")


def fail_each(
    dumped: Dumped, fault: Callable[[int], Callable[[int], None]], stride: int
) -> list[Outcome]:
    outcomes = []
    nth = 1
    while True:
        outcome = run_tool(dumped.restore, fault(nth))
        if outcome.done:
            dumped.end_all()
        dumped.check_nothing_left(repr(outcome))
        if "failed: " not in outcome.said:
            assert outcome.done, outcome
            return outcomes
        assert outcome.refused or outcome.done, outcome
        outcomes.append(outcome)
        nth += stride


def test_a_system_call_of_the_tools_own_fails(dumped: Dumped) -> None:
    outcomes = fail_each(dumped, Failing, 2 if len(dumped.pids) == 1 else 7)
    assert sum(outcome.refused for outcome in outcomes) > len(outcomes) / 2
    dumped.expect_restored()


def test_a_system_call_inside_a_new_task_fails(dumped: Dumped) -> None:
    outcomes = fail_each(dumped, FailingInstruction, 3 if len(dumped.pids) == 1 else 9)
    assert sum(outcome.refused for outcome in outcomes) > len(outcomes) / 2
    dumped.expect_restored()


def test_kill_at_steps_of_a_restore(dumped: Dumped) -> None:
    recorded = record_moments(dumped.restore, RESTORING)
    dumped.end_all()
    dumped.check_nothing_left("the recorded restore")
    # From here on tasks are spared, and then let go of: the tree is there.
    at_end = next(i for i, moment in enumerate(recorded) if " spare_all" in moment)
    moments = choose_moments(recorded[:at_end])
    for moment, occurrence in moments[:: max(1, len(moments) // 50)]:
        outcome = kill_at(dumped.restore, RESTORING, moment, occurrence)
        if outcome.done:  # a loop that waits was shorter this time
            dumped.end_all()
        else:
            assert outcome.killed, outcome
        dumped.check_nothing_left(f"killed {moment}")
    dumped.expect_restored()


def test_kill_while_tasks_are_let_go_of_leaves_all_of_them_running(dumped: Dumped) -> None:
    recorded = record_moments(dumped.restore, RESTORING)
    dumped.end_all()
    dumped.check_nothing_left("the recorded restore")
    at = max(i for i, m in enumerate(recorded) if " spare_all" in m) + 1
    letting_go = [" request_all <" in moment and " _let_go" in moment for moment in recorded]
    assert any(letting_go[at:])
    assert not any(letting_go[:at])
    moments = choose_moments(recorded)
    after = [(m, n) for m, n in moments if m in set(recorded[at:]) - set(recorded[:at])]
    assert after
    for moment, occurrence in after[:: max(1, len(after) // 12)]:
        outcome = kill_at(dumped.restore, RESTORING, moment, occurrence)
        assert outcome.killed or outcome.done, outcome
        for tid in dumped.tids:
            state = Path(f"/proc/{tid}/stat").read_text().rpartition(")")[2].split()[0]
            assert state in "SRD", f"killed {moment}: task {tid} is in state {state}"
        dumped.end_all()
        dumped.check_nothing_left(f"killed {moment}")
    dumped.expect_restored()


def test_a_pid_that_is_taken_is_named_and_nothing_is_created(new_run: NewRun) -> None:
    dumped = Dumped(new_run("threads"))
    dumped.restore()
    before = sorted(os.listdir("/proc"))
    outcome = run_tool(dumped.restore)
    assert outcome.refused
    assert f"task {dumped.pids[0]}" in outcome.said
    assert "RestoreConflict" in outcome.said
    assert [name for name in sorted(os.listdir("/proc")) if name in before] == [
        name for name in before if os.path.exists(f"/proc/{name}")
    ]
    dumped.run.status = None
    dumped.run.expect_pass()
