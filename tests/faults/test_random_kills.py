"""500 dumps of a threaded program, killed at random instants of the whole command's run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from faults.target import SECONDS, Target
from live.roundtrip import TOOL, Run

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

KILLS, TARGETS = 500, 4
STORM_KILLS = 24


class Span:
    """How long a dump takes, by the clock: kills are to come within it. A machine's speed changes,
    and so it follows what kills come too late for or not: about one in four."""

    def __init__(self, seconds: float, chance: random.Random) -> None:
        self.seconds = seconds
        self.killed = self.finished = 0
        self._chance = chance

    def moment(self) -> float:
        """Seconds after the start of a dump."""
        return self._chance.uniform(0, self.seconds)

    def count(self, status: int) -> None:
        if status == -signal.SIGKILL:
            self.killed += 1
            self.seconds *= 1.02
        else:
            self.finished += 1
            self.seconds *= 0.94


def begin_dump(target: Target) -> subprocess.Popen[bytes]:
    command = [TOOL, "dump", "-t", str(target.pid), "-D", str(target.images), "-R", "-o", "log"]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)  # fmt: skip


def test_no_random_kill_harms_a_threaded_program(new_run: Callable[..., Run]) -> None:
    targets = [Target(new_run("threads")) for _ in range(TARGETS)]
    for target in targets:
        target.images.mkdir()
    took = []
    for target in targets * 2:
        started = time.monotonic()
        assert begin_dump(target).wait(SECONDS) == 0
        took.append(time.monotonic() - started)
    span = Span(sorted(took)[len(took) // 2], random.Random(500))
    begun = 0
    running: list[tuple[Target, subprocess.Popen[bytes], float]] = []
    idle = list(targets)
    while begun < KILLS or running:
        while idle and len(running) < os.cpu_count() and begun < KILLS:
            target = idle.pop(0)
            when = time.monotonic() + span.moment()
            running.append((target, begin_dump(target), when))
            begun += 1
        target, tool, when = min(running, key=lambda entry: entry[2])
        running.remove((target, tool, when))
        time.sleep(max(0.0, when - time.monotonic()))
        tool.kill()
        span.count(tool.wait(SECONDS))
        target.check(f"kill {span.killed + span.finished}")
        idle.append(target)
    assert span.killed > KILLS // 3, f"{span.finished} of {KILLS} were faster than their kill"
    for target in targets:
        target.expect_dump("all kills")
        target.run.expect_pass()


@pytest.mark.parametrize("words", ["thread_storm crowd", "thread_storm chain", "fork_storm crowd"])
@pytest.mark.alone
def test_no_random_kill_harms_a_storm(words: str, new_run: Callable[..., Run]) -> None:
    """Of tasks that come and go all the time: most are seized and none is stopped yet, or half."""
    target = Target(new_run(*words.split()))
    target.images.mkdir()
    started = time.monotonic()
    assert begin_dump(target).wait(SECONDS) == 0
    span = Span(time.monotonic() - started, random.Random(40))
    # A storm's dump takes now shorter, now longer: kills may come too late.
    while span.killed + span.finished < STORM_KILLS or span.killed <= 5:
        tool = begin_dump(target)
        time.sleep(span.moment())
        tool.kill()
        span.count(tool.wait(SECONDS))
    target.run.expect_pass()
