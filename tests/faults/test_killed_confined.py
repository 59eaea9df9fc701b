"""SIGKILL of the tool at every step of the dump of programs that seccomp would kill for the next
system call: they go on. What is left in them then is the agent's area, which they may not unmap."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import pytest

from faults.target import Target
from faults.tool import DUMPING, choose_moments, kill_at, record_moments
from live.roundtrip import Run

# A task that gets no processor for a second is not let in or out (decision 6).
pytestmark = [pytest.mark.root, pytest.mark.timeout(300), pytest.mark.alone]

NewRun = Callable[..., Run]
FILES = (*DUMPING, "agent/careful.py")
KILLS_OF_ONE = 40  # of one target
AREA = ("rwxs", "/dev/zero (deleted)")


class Confined(Target):
    def facts(self) -> dict[str, str]:
        found = super().facts()
        for place, text in found.items():
            if place.endswith(" maps"):
                lines = text.splitlines()
                kept = [line for line in lines if not all(word in line for word in AREA)]
                found[place] = "\n".join(kept)
        return found


def kill_at_all(new_run: NewRun, words: str, moments: list[tuple[str, int]]) -> None:
    killed = 0
    for first in range(0, len(moments), KILLS_OF_ONE):
        target = Confined(new_run(*words.split()))
        for moment, occurrence in moments[first : first + KILLS_OF_ONE]:
            outcome = kill_at(target.dump, FILES, moment, occurrence)
            while outcome.refused and "has not recovered yet" in outcome.said:
                # At the gate, for a second of its running from the last kill on.
                time.sleep(0.1)
                outcome = kill_at(target.dump, FILES, moment, occurrence)
            assert outcome.killed or outcome.done, outcome
            killed += outcome.killed
            target.check(f"killed {moment}")
        target.run.expect_pass()
        target.run.close()
    assert killed, "no moment was reached"


def recorded(new_run: NewRun, words: str) -> list[str]:
    target = Confined(new_run(*words.split()))
    moments = record_moments(target.dump, FILES)
    target.run.close()
    return moments


@pytest.mark.parametrize(("words", "first"), [("seccomp strict", 0), ("seccomp narrow-thread", 2)])
def test_kill_at_the_steps_of_the_agent_in_a_confined_task(
    words: str, first: int, new_run: NewRun
) -> None:
    """Every fourth step of one, and those halfway between them of the other: a kill at the gate
    costs a second of a processor."""
    moments = choose_moments(recorded(new_run, words), last=False)
    inside = [moment for moment in moments if moment[0].split()[1].startswith("agent/careful.py")]
    assert len(inside) > 80
    kill_at_all(new_run, words, inside[first::4])


def test_a_sleep_that_may_not_be_continued_begins_again(new_run: NewRun) -> None:
    """Killed for restart_syscall(2), or EINTR: neither may come of a tool that was killed."""
    moments = choose_moments(recorded(new_run, "blocked_sleep confined"))
    inside = [moment for moment in moments if "agent/" in moment[0]]
    for chosen in (random.Random("sleep").sample(inside, 8)[n::2] for n in range(2)):
        runs = [new_run("blocked_sleep", "confined") for _ in chosen]
        for run in runs:
            run.start(wait=False)  # they sleep at the same time
        for run, (moment, occurrence) in zip(runs, chosen, strict=True):
            run.wait_until_ready()
            outcome = kill_at(Confined(run).dump, FILES, moment, occurrence)
            assert outcome.killed or outcome.done, outcome
        for run, (moment, _) in zip(runs, chosen, strict=True):
            run.tell()
            run.wait_until(run.has_ended, "the program's verdict")
            assert run.status is not None
            assert os.WIFEXITED(run.status), f"killed {moment}: {run.status:#x}"
            lines = [line for line in run.out.splitlines() if line.startswith("FAIL")]
            # All they may say is that it took longer: the kernel's own account of it is lost.
            assert all("lived inside" in line or "ended late" in line for line in lines), lines


@pytest.mark.parametrize(
    "words",
    ["seccomp strict-thread", "seccomp narrow", "seccomp ticking", "seccomp forbids", "seccomp"],
)
def test_kill_at_many_steps_of_other_confined_programs_dumps(words: str, new_run: NewRun) -> None:
    moments = choose_moments(recorded(new_run, words))
    chance = random.Random(words)
    inside = [moment for moment in moments if "agent/" in moment[0]]
    kill_at_all(new_run, words, chance.sample(inside, 15) + chance.sample(moments, 10))
