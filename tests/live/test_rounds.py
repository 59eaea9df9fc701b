"""Programs that are dumped and restored many times in a row: what a round loses, many show.

CRTOOLS_ROUNDS says how many times (3), CRTOOLS_ROUNDS_OF which test programs, as a regular
expression that their words begin with: the socket kinds, or `.` for all that run in this way. Each
is in a pid namespace of its own: in so many rounds somebody else might get its number.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from live.roundtrip import ROUNDS, SECONDS, Skipped, run_in_namespace
from live.test_programs import CASES, Case

pytestmark = [pytest.mark.root, pytest.mark.timeout(SECONDS * (3 + ROUNDS))]

SOCKETS = "unix_|udp|raw|icmp|packet|netlink|tcp"
CHOSEN = re.compile(os.environ.get("CRTOOLS_ROUNDS_OF", SOCKETS))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.words.replace(" ", "-"))
        for case in CASES
        if CHOSEN.match(case.words) and not {"twice", "namespace"} & {*case.not_in}
    ],
)
def test_program_survives_many_rounds(case: Case, directory: Path) -> None:
    try:
        with case.place():
            run_in_namespace(directory, "rounds", case.program, *case.args, **case.how)
    except Skipped as reason:
        pytest.skip(str(reason))
