"""Terminals from outside the tree: jobs of a shell, which get the terminal of crtools."""

from __future__ import annotations

import fcntl
import os
import subprocess
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.roundtrip import ENVIRONMENT, SECONDS, TOOL, Run

pytestmark = pytest.mark.root
NewRun = Callable[..., Run]
# Runs a job in the foreground and stays: when the leader of a session
# ends, its foreground gets SIGHUP.
SHELL = """
exec 3<&0
"$@" <&3 3<&- >> out 2>> out &
echo $! > job
wait $!
echo $? > status
exec sleep 600
"""


class Terminal:
    """A shell in a session of its own with a terminal, whose master we have."""

    def __init__(self, directory: Path, *command: str) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.master, slave = os.openpty()
        self.name = os.ttyname(slave)
        for name in ("job", "status"):
            (directory / name).unlink(missing_ok=True)
        self.shell = subprocess.Popen(
            ["/bin/sh", "-c", SHELL, "sh", *command],
            stdin=slave,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=directory,
            env=ENVIRONMENT,
            preexec_fn=self._take,
        )
        os.close(slave)

    def _take(self) -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def read(self, name: str, run: Run) -> int:
        """The number that the shell writes."""
        path = self.directory / name
        run.wait_until(lambda: path.exists() and path.read_text().endswith("\n"), f"its {name}")
        return int(path.read_text())

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1
        self.shell.kill()
        self.shell.wait(SECONDS)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    made: list[Terminal] = []
    yield made
    for one in made:
        one.close()


def start_job(new_run: NewRun, terminals: list[Terminal]) -> Run:
    run = new_run("pty", "job")
    terminals.append(Terminal(run.work, *run.command))
    run.pid = terminals[0].read("job", run)
    run.wait_until(lambda: "READY" in run.out, "that the job is ready")
    return run


def test_job_of_a_shell_gets_the_terminal_of_crtools(
    new_run: NewRun, terminals: list[Terminal]
) -> None:
    run = start_job(new_run, terminals)
    images = run.new_images()
    where = ("-t", str(run.pid), "-D", str(images))
    refused = run.run_tool("dump", *where, check=False)
    assert refused.returncode == 1
    assert "--shell-job" in refused.stderr
    run.run_tool("dump", *where, "--shell-job")
    terminals[0].read("status", run)

    without = run.run_tool("restore", "-D", str(images), "-d", check=False)
    assert without.returncode == 1
    assert "--shell-job" in without.stderr
    nowhere = run.run_tool("restore", "-D", str(images), "-d", "-j", check=False)
    assert nowhere.returncode == 1
    assert "There is no terminal to take the place of the terminal /dev/pts/" in nowhere.stderr

    restore = (str(TOOL), "restore", "-D", str(images), "-d", "-j", "-v4")
    terminals.append(Terminal(run.directory / "other", *restore))
    status = terminals[1].read("status", run)
    assert status == 0, (run.directory / "other" / "out").read_text()
    assert os.readlink(f"/proc/{run.pid}/fd/0") == terminals[1].name
    assert os.getsid(run.pid) == terminals[1].shell.pid
    os.write(terminals[1].master, b"!")
    run.tell()
    assert os.read(terminals[1].master, 100) == b"hello"
    run.expect_pass()


def test_leader_of_a_session_whose_terminal_is_elsewhere_is_refused(
    new_run: NewRun, terminals: list[Terminal]
) -> None:
    run = start_job(new_run, terminals)
    shell = terminals[0].shell.pid
    done = run.run_tool("dump", "-t", str(shell), "-D", str(run.new_images()), check=False)
    assert done.returncode == 1
    assert terminals[0].name in done.stderr
    assert "is not in the tree" in done.stderr
    os.write(terminals[0].master, b"!")
    (run.work / "go").touch()
    assert terminals[0].read("status", run) == 0, run.out
