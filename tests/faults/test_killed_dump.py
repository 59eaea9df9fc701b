"""SIGKILL of the tool at every step of a dump: the program goes on as if nothing had happened.

Each moment (faults.tool) is one that a recorded dump came by. Afterwards the program's tracers,
stops, masks, mappings and descriptors are those from before, it can be dumped, and in the end it
finds its whole state right.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable

import pytest

from faults.target import Target
from faults.tool import DUMPING, choose_moments, interrupt_at, kill_at, record_moments, run_tool
from live.roundtrip import Run, Skipped

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

KILLS_OF_ONE = 60  # of one target: its end is looked at after so many
NewRun = Callable[..., Run]
# When the calls of a program of such end by themselves, after its start (SLEEP_NS of blocked.h).
TIMED_SECONDS = 4.0
PROGRAMS = (
    *("groups", "pipes", "registers", "signals", "altstack", "rseq", "itimers", "credentials"),
    "mdwe",  # its agent's way in has more steps
    "writers",  # several agents are at work
    "relatives --share-pages",
    *("blocked_signals",),  # ended by signals: pause, sigsuspend
)
# Not sigtimedwait and its like: those answer EINTR to a mere stop (signal(7)), which is taken back
# as soon as the stop is seen, so a tool killed before that leaves what any SIGSTOP would.
TIMED_PROGRAMS = ("blocked_sleep", "blocked_poll", "blocked_futex", "blocked_io")


def start(new_run: NewRun, words: str) -> Target:
    words, sharing, _ = words.partition(" --share-pages")
    try:
        return Target(new_run(*words.split()), share_pages=bool(sharing))
    except Skipped as reason:
        pytest.skip(str(reason))


def kill_at_all(
    new_run: NewRun, words: str, moments: list[tuple[str, int]], seconds: float = math.inf
) -> int:
    """Kills a dump at each of the moments, for `seconds` from a target's start at the most, after
    which it changes by itself. How many kills there were."""
    killed = 0
    for first in range(0, len(moments), KILLS_OF_ONE):
        end = time.monotonic() + seconds
        target = start(new_run, words)
        for index, (moment, occurrence) in enumerate(moments[first : first + KILLS_OF_ONE]):
            if time.monotonic() > end:
                break
            outcome = kill_at(target.dump, DUMPING, moment, occurrence)
            # A loop that waits may be shorter this time: then the dump is done.
            assert outcome.killed or outcome.done, outcome
            killed += outcome.killed
            target.check(f"killed {moment}", end)
            if index % 16 == 0 and end == math.inf:
                target.expect_dump(f"a kill {moment}")
        target.run.expect_pass()
        target.run.close()
    return killed


def test_kill_at_every_step_of_a_threaded_programs_dump(new_run: NewRun) -> None:
    target = start(new_run, "threads")
    recorded = record_moments(target.dump, DUMPING)
    target.run.close()
    assert any("inject.py" in moment for moment in recorded)
    moments = choose_moments(recorded, last=False)
    inside = [moment for moment in moments if "inject.py" in moment[0]]
    others = [moment for moment in moments if "inject.py" not in moment[0]]
    # Outside of the agent's way in and out, what differs from one step to the next is little.
    assert kill_at_all(new_run, "threads", inside + others[::12]), "no moment was reached"


def sample(new_run: NewRun, words: str, count: int) -> list[tuple[str, int]]:
    """Half of them where the agent is put in and taken out."""
    target = start(new_run, words)
    moments = choose_moments(record_moments(target.dump, DUMPING))
    target.run.close()
    chance = random.Random(words)
    inside = [moment for moment in moments if "agent/" in moment[0]]
    return chance.sample(inside, count // 2) + chance.sample(moments, count // 2)


@pytest.mark.parametrize("words", PROGRAMS)
def test_kill_at_many_steps_of_other_programs_dumps(words: str, new_run: NewRun) -> None:
    moments = sample(new_run, words, 24)
    assert kill_at_all(new_run, words, moments), "no moment was reached"


@pytest.mark.parametrize("words", TIMED_PROGRAMS)
def test_kill_while_programs_are_inside_system_calls(words: str, new_run: NewRun) -> None:
    moments = sample(new_run, words, 40)
    killed = 0
    # A target's time may be up before anything was done to it.
    for first in range(0, len(moments), 4):
        killed += kill_at_all(new_run, words, moments[first : first + 4], TIMED_SECONDS)
        if killed > 3:
            break
    assert killed, "no moment was reached"


def test_a_stopped_program_recovers_when_it_is_continued(new_run: NewRun) -> None:
    """Nothing runs in it before: a dump in between is refused, or it is done and right."""
    target = start(new_run, "stopped")
    moments = choose_moments(record_moments(target.dump, DUMPING))
    target.run.close()
    entered = next(i for i, m in enumerate(moments) if "_start < agent/inject.py" in m[0])
    for moment, occurrence in moments[entered : entered + 150 : 30]:
        target = start(new_run, "stopped")
        outcome = kill_at(target.dump, DUMPING, moment, occurrence)
        assert outcome.killed, outcome
        again = run_tool(target.dump)
        assert again.done or "has not recovered yet" in again.said, again
        (target.run.work / "go").touch()  # the program continues its relatives then
        target.run.expect_pass()


def test_an_interrupt_at_many_steps_ends_the_dump_and_harms_nobody(new_run: NewRun) -> None:
    target = start(new_run, "threads")
    moments = choose_moments(record_moments(target.dump, DUMPING))
    for index, (moment, occurrence) in enumerate(moments[::17]):
        outcome = interrupt_at(target.dump, DUMPING, moment, occurrence)
        assert outcome.interrupted or outcome.done, outcome
        target.check(f"interrupted {moment}")
        if index % 8 == 0:
            target.expect_dump(f"an interrupt {moment}")
    target.run.expect_pass()
