"""Programs that are dumped and restored many times in a row: what a round loses, many show.

CRTOOLS_ROUNDS says how many times (3), CRTOOLS_ROUNDS_OF which test programs, as a regular
expression that their words begin with: the socket kinds, or `.` for all that run in this way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest

from live.roundtrip import Run, Skipped
from live.test_programs import CASES, Case

pytestmark = [pytest.mark.root, pytest.mark.timeout(1200)]

ROUNDS = int(os.environ.get("CRTOOLS_ROUNDS", "3"))
SOCKETS = "unix_|udp|raw|icmp|packet|netlink|tcp"
CHOSEN = re.compile(os.environ.get("CRTOOLS_ROUNDS_OF", SOCKETS))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.words.replace(" ", "-"))
        for case in CASES
        if CHOSEN.match(case.words) and "twice" not in case.not_in
    ],
)
def test_program_survives_many_rounds(case: Case, new_run: Callable[..., Run]) -> None:
    with case.place():
        run = new_run(case.program, *case.args, **case.how)
        try:
            run.start()
        except Skipped as reason:
            pytest.skip(str(reason))
        before = run.snapshot()
        for number in range(ROUNDS):
            run.restore(run.dump())
            run.expect_same(before, f"after round {number + 1}")
        run.expect_pass()
        run.close()
