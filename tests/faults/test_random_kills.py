"""500 dumps of a threaded program, killed at random instants of the whole command's run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from faults.target import Target
from live.roundtrip import TOOL, Run

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

KILLS, TARGETS = 500, 4


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
        assert begin_dump(target).wait(30) == 0
        took.append(time.monotonic() - started)
    span = sorted(took)[len(took) // 2]
    chance = random.Random(500)
    killed = finished = 0
    running: list[tuple[Target, subprocess.Popen[bytes], float]] = []
    idle = list(targets)
    while killed + finished < KILLS or running:
        while idle and len(running) < os.cpu_count() and killed + finished + len(running) < KILLS:
            target = idle.pop(0)
            when = time.monotonic() + chance.uniform(0, span)
            running.append((target, begin_dump(target), when))
        target, tool, when = min(running, key=lambda entry: entry[2])
        running.remove((target, tool, when))
        time.sleep(max(0.0, when - time.monotonic()))
        tool.kill()
        if tool.wait(30) == -signal.SIGKILL:
            killed += 1
        else:
            finished += 1
        target.check(f"kill {killed + finished}")
        idle.append(target)
    assert killed > KILLS * 0.6, f"{finished} of {KILLS} were faster than their kill"
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
    assert begin_dump(target).wait(30) == 0
    span = time.monotonic() - started
    chance = random.Random(40)
    killed = 0
    for _ in range(40):
        tool = begin_dump(target)
        time.sleep(chance.uniform(0, span))
        tool.kill()
        killed += tool.wait(30) == -signal.SIGKILL
    # A storm's dump takes now shorter, now longer: kills may come too late.
    assert killed > 5
    target.run.expect_pass()
