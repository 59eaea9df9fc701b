"""Terminals from outside the tree: jobs of a shell, which get the terminal of crtools, and what is
named by --external and given by --inherit-fd. Real programs that have terminals of their own."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.roundtrip import ENVIRONMENT, PROGRAMS, SECONDS, TOOL, Run

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


@pytest.fixture
def pairs() -> Iterator[list[int]]:
    """Descriptors of masters and slaves, closed in the end."""
    made: list[int] = []
    yield made
    for fd in made:
        os.close(fd)


def test_terminal_from_outside_is_named_and_another_one_given(
    new_run: NewRun, pairs: list[int]
) -> None:
    pairs += os.openpty()
    run = new_run("pty", "container", os.ttyname(pairs[1]))
    run.start()
    images = run.new_images()
    stat = os.stat(pairs[1])
    name = f"tty[{stat.st_rdev:x}:{stat.st_dev:x}]"
    refused = run.try_dump(images)
    assert refused.returncode == 1
    assert f"--external {name}" in refused.stderr
    run.run_tool("dump", "-t", str(run.pid), "-D", str(images), "--external", name)
    run.reap_dumped()

    missing = run.run_tool("restore", "-D", str(images), "-d", check=False)
    assert missing.returncode == 1
    assert f"--inherit-fd fd[N]:{name}" in missing.stderr
    file = os.open("/dev/null", os.O_RDWR)
    pairs.append(file)
    pairs += os.openpty()
    for fd, succeeds in ((file, False), (pairs[-1], True)):
        run.status = None
        done = subprocess.run(
            [TOOL, "restore", "-D", images, "-d", "--inherit-fd", f"fd[{fd}]:{name}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
            check=False, pass_fds=(fd,),
        )  # fmt: skip
        assert (done.returncode == 0) is succeeds, done.stderr
        assert succeeds or "cannot take the place of the terminal" in done.stderr
    assert os.ttyname(pairs[-1]) in {
        os.readlink(entry) for entry in Path(f"/proc/{run.pid}/fd").iterdir()
    }
    run.tell()
    assert os.read(pairs[-2], 100) == b"hello"
    os.write(pairs[-2], b"!")
    run.expect_pass()


# --- Real programs ---


class Screen:
    """What a program shows in a terminal whose master is in the tree, and what is typed there."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.path = run.work / "screen"
        self.typed = 0
        self.seen = 0

    def type(self, keys: bytes) -> None:
        self.typed += 1
        new = self.run.work / "keys"
        new.write_bytes(keys)
        new.rename(self.run.work / f"keys-{self.typed}")

    def expect(self, text: bytes) -> None:
        """Waits until that is shown, behind what was waited for before."""

        def shown() -> bool:
            content = self.path.read_bytes() if self.path.exists() else b""
            at = content.find(text, self.seen)
            if at < 0:
                return False
            self.seen = at + len(text)
            return True

        self.run.wait_until(lambda: shown() or self.run.has_ended(), f"it shows {text!r}")
        assert not self.run.has_ended(), self.path.read_bytes()


def start_in_terminal(new_run: NewRun, *command: str) -> tuple[Run, Screen]:
    path = shutil.which(command[0])
    if path is None:
        pytest.skip(f"needs {command[0]}")
    host = str(PROGRAMS.parent / "terminal_host.py")
    run = new_run(sys.executable, host, ".", path, *command[1:], compare=False)
    run.start()
    return run, Screen(run)


def test_shell_with_job_control_in_a_terminal_of_the_tree(new_run: NewRun) -> None:
    run, screen = start_in_terminal(new_run, "bash", "--norc", "--noprofile", "--noediting", "-i")
    screen.type(b"trap 'echo interrupted' INT; sleep 1000\n")
    screen.expect(b"sleep 1000")
    run.restore(run.dump())
    screen.type(b"\x1a")
    screen.expect(b"Stopped")
    screen.type(b"bg; sleep 2000\n")
    screen.expect(b"sleep 1000 &")
    # Half a line, typed ahead of what reads it.
    screen.type(b"echo $((6 *")
    screen.expect(b"echo $((6 *")
    run.restore(run.dump())
    screen.type(b" 7))\n\x1a")
    screen.expect(b"Stopped")
    # A shell that has not seen yet that a stopped job has ended refuses to exit, once.
    screen.type(b"jobs; echo $((6 * 7)); kill %1 %2; wait; exit 3\nexit 3\n")
    screen.expect(b"sleep 1000 &")
    screen.expect(b"42")
    run.wait_until(run.has_ended, "its end")
    assert run.status is not None
    assert os.waitstatus_to_exitcode(run.status) == 3, screen.path.read_bytes()


def test_editor_in_a_terminal_of_the_tree(new_run: NewRun) -> None:
    run, screen = start_in_terminal(new_run, "vim", "-u", "NONE", "-i", "NONE", "text")
    screen.expect(b"[New")
    screen.type(b"ione\rtwo")
    screen.expect(b"two")
    run.restore(run.dump())
    screen.type(b" and a half\r")
    screen.expect(b"half")
    run.restore(run.dump())
    screen.type(b"three\x1b:wq\r")
    run.expect_success()
    assert (run.work / "text").read_bytes() == b"one\ntwo and a half\nthree\n"


def test_tmux_with_a_shell_keeps_its_windows(new_run: NewRun) -> None:
    path = shutil.which("tmux")
    if path is None:
        pytest.skip("needs tmux")
    run = new_run(path, compare=False)
    socket = str(run.work / "socket")

    def tmux(*words: str) -> str:
        command = [str(path), "-S", socket, "-f", "/dev/null", *words]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
            check=False, cwd=run.work, env={**ENVIRONMENT, "TERM": "xterm", "PS1": "$ "},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    tmux("new-session", "-d", "-x", "90", "-y", "20", "bash --norc --noprofile")
    run.pid = int(tmux("display", "-p", "#{pid}"))
    tmux("send-keys", "x=6", "Enter")
    for y in (7, 8):
        run.restore(run.dump())
        tmux("send-keys", f"echo result $((x * {y}))", "Enter")
        shown = f"result {6 * y}"
        run.wait_until(lambda shown=shown: shown in tmux("capture-pane", "-p"), "the result")  # type: ignore[misc]
    tmux("send-keys", "stty size", "Enter")
    size = tmux("display", "-p", "#{pane_height} #{pane_width}")
    run.wait_until(lambda: size in tmux("capture-pane", "-p"), "the size of the window")
    assert size.split()[1] == "90"
    tmux("kill-server")
    run.expect_success()
