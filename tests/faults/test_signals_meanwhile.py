"""Signals that come while a program is dumped have the effect that they would have had without it.

They are sent at moments (faults.tool) of a dump that leaves the program running, by the tool's
process itself, so that each comes between two steps and not some time about it.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import time
from collections.abc import Callable

import pytest

from faults.target import Target
from faults.tool import ACTED, DUMPING, act_at, choose_moments, record_moments
from live.roundtrip import Run

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

NewRun = Callable[..., Run]
SECONDS = 60.0
REAL_TIME = 40
VALUE = 1000


class Signalled:
    """The program that counts its signals, and how many moments its dump has."""

    def __init__(self, new_run: NewRun, words: str = "signalled") -> None:
        self.target = Target(new_run(*words.split()))
        self.pid = self.target.pid
        moments = choose_moments(record_moments(self.target.dump, DUMPING))
        self.moments = [moment for moment in moments if "_check_root" not in moment[0]]

    def counts(self) -> dict[int, int]:
        data = (self.target.run.work / "counts").read_bytes()
        numbers = struct.unpack_from("<65i", data)
        return {number: count for number, count in enumerate(numbers) if count}

    def states(self) -> set[str]:
        """The states of its threads, with those that merely run or sleep taken together."""
        found = set()
        for tid in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{tid}/stat") as file:
                state = file.read().rpartition(")")[2].split()[0]
            found.add(state if state in "Tt" else "alive")
        return found

    def wait_until(self, holds: Callable[[], bool], what: Callable[[], str]) -> None:
        end = time.monotonic() + SECONDS
        while not holds():
            if time.monotonic() > end:
                self.target.run.fail(what())
            time.sleep(0.001)

    def expect(self, counts: dict[int, int], states: set[str], when: str) -> None:
        self.wait_until(
            lambda: self.counts() == counts and self.states() == states,
            lambda: f"{when}: expected {counts}, {states}; got {self.counts()}, {self.states()}",
        )

    def dump_and(self, action: Callable[[], bool | None], moment: tuple[str, int]) -> int:
        """How often it came to `action`."""
        outcome = act_at(self.target.dump, DUMPING, *moment, action)
        assert outcome.done, f"{moment[0]}: {outcome}"
        return outcome.said.count(ACTED)


def queue(pid: int) -> None:
    """sigqueue(3), which Python lacks: rt_sigqueueinfo(2)."""
    from crtools.abi import kernel
    from crtools.abi.x86_64 import SYS_rt_sigqueueinfo

    info = struct.pack("<iii4xiiq", REAL_TIME, 0, -1, os.getpid(), 0, VALUE).ljust(128, b"\0")
    kernel.checked(SYS_rt_sigqueueinfo, pid, REAL_TIME, kernel.address_of(info))


def some(moments: list[tuple[str, int]], count: int) -> list[tuple[str, int]]:
    return random.Random(count).sample(moments, min(count, len(moments)))


def test_handled_signals_arrive_once(new_run: NewRun) -> None:
    program = Signalled(new_run)

    def send() -> None:
        os.kill(program.pid, signal.SIGUSR1)
        queue(program.pid)
        queue(program.pid)

    sent = 0
    for moment in some(program.moments, 60):
        sent += program.dump_and(send, moment)
        expected = {0: 2 * sent * VALUE, signal.SIGUSR1: sent, REAL_TIME: 2 * sent}
        program.expect(expected if sent else {}, {"alive"}, moment[0])
    assert sent > 30
    program.target.run.expect_pass()


def test_a_stop_signal_stops_it_afterwards(new_run: NewRun) -> None:
    program = Signalled(new_run)
    continued: dict[int, int] = {}
    for moment in some(program.moments, 61):
        if not program.dump_and(lambda: os.kill(program.pid, signal.SIGSTOP), moment):
            continue
        program.expect(continued, {"T"}, moment[0])
        os.kill(program.pid, signal.SIGCONT)
        continued[signal.SIGCONT] = continued.get(signal.SIGCONT, 0) + 1
        program.expect(continued, {"alive"}, f"continued after {moment[0]}")
    assert continued[signal.SIGCONT] > 30
    program.target.run.expect_pass()


def test_a_stop_that_is_continued_meanwhile_stops_nothing(new_run: NewRun) -> None:
    """Whichever the moments of the two: the stop may have been put by when the other comes."""
    program = Signalled(new_run)
    moments = program.moments
    continued = 0
    chance = random.Random(62)
    for _ in range(62):
        first = chance.randrange(len(moments))
        apart = chance.choice((0, 1, 2, 5, 20))
        left = [apart]

        def step(left: list[int] = left, apart: int = apart) -> bool:
            """Stops it at the first moment, and continues it `apart` moments later."""
            if left[0] == apart:
                os.kill(program.pid, signal.SIGSTOP)
            left[0] -= 1
            if left[0] < 0:
                os.kill(program.pid, signal.SIGCONT)
            return left[0] >= 0

        steps = program.dump_and(step, moments[first])
        if not steps:
            continue
        if steps <= apart:
            os.kill(program.pid, signal.SIGCONT)  # the dump was done before
        continued += 1
        when = f"{moments[first][0]}, {apart} apart"
        program.expect({signal.SIGCONT: continued}, {"alive"}, when)
    assert continued > 30
    program.target.run.expect_pass()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGQUIT])
def test_a_deadly_signal_ends_it(number: signal.Signals, new_run: NewRun) -> None:
    program = Signalled(new_run, "signalled default")
    moments = some(program.moments, 12)
    program.target.run.expect_pass()
    program.target.run.close()
    for moment in moments:
        target = Target(new_run("signalled", "default"))

        def send(pid: int = target.pid) -> None:
            os.kill(pid, number)

        outcome = act_at(target.dump, DUMPING, *moment, send)
        if ACTED not in outcome.said:
            send()
        # A task that vanished is no dump; what ends afterwards was dumped before.
        assert outcome.done or outcome.refused, f"{moment[0]}: {outcome}"
        target.run.wait_until(target.run.has_ended, f"its end after {moment[0]}", SECONDS)
        assert target.run.status is not None
        assert os.WIFSIGNALED(target.run.status), moment[0]
        assert os.WTERMSIG(target.run.status) == number, moment[0]
        target.run.close()
