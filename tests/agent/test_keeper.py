"""The keeper: it waits for its targets' ends, and for whoever started it to tell it to stay."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crtools.kinds.memory.keeper import NewKeeper, find_holders, find_keeper
from crtools.procfs.files import open_proc
from crtools.procfs.stat import read_stat


@pytest.fixture
def targets() -> Iterator[list[subprocess.Popen[bytes]]]:
    started = [subprocess.Popen(["sleep", "1000"]) for _ in range(2)]
    yield started
    for target in started:
        target.kill()
        target.wait()


def start(targets: list[subprocess.Popen[bytes]]) -> NewKeeper:
    pidfds = [os.pidfd_open(target.pid) for target in targets]
    reader, writer = os.pipe()
    try:
        return NewKeeper(pidfds, [reader, writer])
    finally:
        for fd in (*pidfds, reader, writer):
            os.close(fd)


def wait_until_gone(pid: int) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state in "ZX":
            return
        assert time.monotonic() < end, f"the keeper {pid} lives"
        time.sleep(0.005)


def _links(proc: Path) -> list[str]:
    numbers = sorted(proc.glob("fd/*"), key=lambda path: int(path.name))
    return [os.readlink(path) for path in numbers if os.path.lexists(path)]


def test_it_holds_what_it_was_given_and_nothing_else(targets) -> None:
    keeper = start(targets)
    keeper.stay()
    proc = Path(f"/proc/{keeper.pid}")
    end = time.monotonic() + 20
    # It closes its end of the socket when it has been told to stay.
    while len(links := _links(proc)) != 4:
        assert time.monotonic() < end, links
        time.sleep(0.005)
    assert all("pidfd" in link for link in links[:2])
    assert all(link.startswith("pipe:") for link in links[2:])
    assert os.readlink(proc / "fd" / str(keeper.first)) == links[2]
    assert (proc / "comm").read_text() == "crtools-keeper\n"
    assert os.readlink(proc / "cwd") == "/"
    assert os.getsid(keeper.pid) == keeper.pid
    pages = int((proc / "statm").read_text().split()[0])
    assert pages * 4096 < 1 << 20
    os.kill(keeper.pid, signal.SIGKILL)
    wait_until_gone(keeper.pid)


def test_it_ends_when_the_last_target_has(targets) -> None:
    keeper = start(targets)
    keeper.stay()
    targets[0].kill()
    targets[0].wait()
    # It has looked at that, and waits for the other.
    assert Path(f"/proc/{keeper.pid}").exists()
    targets[1].kill()
    wait_until_gone(keeper.pid)


def test_it_ends_with_who_started_it_unless_it_was_told_to_stay(targets) -> None:
    keeper = start(targets)
    keeper.close()
    wait_until_gone(keeper.pid)


def test_it_is_found_by_pid_and_start_and_ended(targets) -> None:
    started = start(targets)
    started.stay()
    proc = open_proc()
    try:
        begun = read_stat(proc, started.pid).starttime
        assert find_keeper(proc, started.pid, begun + 1) is None
        assert find_keeper(proc, os.getpid(), read_stat(proc, os.getpid()).starttime) is None
        keeper = find_keeper(proc, started.pid, begun)
        assert keeper is not None
        try:
            assert keeper.lives()
            assert keeper.take(started.first) is None  # a pipe is no userfaultfd
            assert not list(find_holders(proc, {targets[0].pid: 0}))
            keeper.end()
            assert not keeper.lives()
        finally:
            keeper.close()
        assert find_keeper(proc, started.pid, begun) is None
    finally:
        os.close(proc)
