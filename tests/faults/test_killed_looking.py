"""SIGKILL of the tool while it looks at what a program has open: events, terminals, sockets with
data in their queues. Nothing of that is other than it was, as the program finds in the end."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools import api
from faults.target import Target
from faults.tool import DUMPING, SOURCE, choose_moments, kill_at, record_moments
from live.roundtrip import Run, Skipped

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]

NewRun = Callable[..., Run]
LOOKING = tuple(
    str(path.relative_to(SOURCE)) for path in sorted(Path(SOURCE, "kinds", "files").glob("*.py"))
)
# Documented in decision 1: what waits in a socket is peeked at with the socket's own SO_PEEK_OFF,
# which a tool that is killed there cannot put back.
WINDOWS = ("unix_queue.py", "datagrams.py", "set_number", "read_number")
KILLS = int(os.environ.get("CRTOOLS_KILLS", "8"))  # of each program's dump
PROGRAMS = (
    *("epolls nested", "epolls flight", "timerfds", "signalfds", "inotify unread", "fanotify"),
    *("mqueue notify", "pty", "pty status", "pty session", "unix_pairs", "unix_flight", "udp"),
    *("raw", "packet", "netlink root", "many_sockets"),
)


class Looked(Target):
    def dump(self) -> None:
        api.dump(self.pid, str(self.images), leave_running=True, file_locks=True)


@pytest.mark.parametrize("words", PROGRAMS)
def test_kill_while_it_looks_at_open_files(words: str, new_run: NewRun) -> None:
    files = (*LOOKING, *DUMPING)
    try:
        target = Looked(new_run(*words.split()))
    except Skipped as reason:
        pytest.skip(str(reason))
    moments = choose_moments(record_moments(target.dump, files))
    moments = [moment for moment in moments if not any(word in moment[0] for word in WINDOWS)]
    looking = [moment for moment in moments if "kinds/files/" in moment[0]]
    others = [moment for moment in moments if "kinds/files/" not in moment[0]]
    chance = random.Random(words)
    chosen = chance.sample(looking, min(KILLS, len(looking))) + chance.sample(others, KILLS // 3)
    killed = 0
    for moment, occurrence in chosen:
        outcome = kill_at(target.dump, files, moment, occurrence)
        assert outcome.killed or outcome.done, outcome
        killed += outcome.killed
        target.check(f"killed {moment}")
    assert killed > KILLS // 2, f"of {len(chosen)} moments {killed} were reached"
    target.expect_dump("all kills")
    target.run.expect_pass()
