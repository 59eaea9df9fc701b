"""What all tests share: the rules about skipping and about leaving nothing behind.

CRTOOLS_NO_SKIP=1 turns every skip into a failure, so that a machine that is meant to run all tests
cannot pass by running half of them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
Report = pytest.TestReport | pytest.CollectReport
NO_SKIP = os.environ.get("CRTOOLS_NO_SKIP", "") not in ("", "0")

# Two shared cores: how long one example takes says nothing about the code.
hypothesis.settings.register_profile("crtools", deadline=None)
hypothesis.settings.load_profile("crtools")

# Children of this process by pid, with the test that was running when each was first seen.
_children: dict[int, str] = {}


def pytest_configure(config: pytest.Config) -> None:
    # Whatever loses its parent during the tests becomes our child instead of init's: it can be
    # reaped here, and what is left behind can be seen.
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, Report]:
    report = yield
    return _without_skip(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, Report]:
    report = yield
    return _without_skip(report)


def _without_skip(report: Report) -> Report:
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason} (CRTOOLS_NO_SKIP makes this a failure)"
    return report


def pytest_runtest_logfinish(nodeid: str) -> None:
    for pid in _child_pids():
        _children.setdefault(pid, nodeid)


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_running() -> Iterator[None]:
    """After the last test no process that a test started may be there."""
    before = _child_pids()
    yield
    left = {}
    while not _wait_until(lambda: _child_pids() <= before, seconds=5):
        # Ending one makes its children ours, so there may be a next round.
        for pid in _child_pids() - before:
            left[pid] = _command(pid)
            os.kill(pid, signal.SIGKILL)
    _reap_all()
    if left:
        lines = [
            f"  {pid} {command}, since {_children.get(pid, 'the last test')}"
            for pid, command in left.items()
        ]
        pytest.fail("Processes left behind:\n" + "\n".join(lines), pytrace=False)


def _child_pids() -> set[int]:
    """Our living children; one that has ended and waits for its status to be taken is none."""
    pids = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            pids.update(int(pid) for pid in (task / "children").read_text().split())
        except FileNotFoundError:
            continue  # a thread of ours that has just ended
    return {pid for pid in pids if _state(pid) not in ("Z", "X", "")}


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip() or "?"
    except (FileNotFoundError, ProcessLookupError):
        return "?"


def _wait_until(holds: Callable[[], bool], *, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _reap_all() -> None:
    """Take the status of every child that has ended: not every PID 1 does it for us."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
