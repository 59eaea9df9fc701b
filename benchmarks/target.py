"""Programs that are dumped and restored, and the tool's commands with what they cost."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv" / "bin" / "python"
TOOL = ROOT / "bin" / "crtools"
SECONDS = 120.0
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Failed(Exception):
    """A command or a program did not do what it has to; the text says which and what it said."""


def prepare_process() -> None:
    """Programs get no descriptor of whoever started us; restored ones become our children once the
    tool has ended."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and os.path.exists(f"/proc/self/fd/{name}"):
            os.set_inheritable(int(name), False)
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def build_programs(directory: Path) -> None:
    source = Path(__file__).parent / "programs"
    subprocess.run(["make", "-s", "-C", str(source), f"BUILD={directory}"], check=True)


class Command:
    """A command that has run: its time in seconds, its memory in KiB, what it printed."""

    def __init__(self, *words: str | Path) -> None:
        read, write = os.pipe()
        null = os.open(os.devnull, os.O_RDWR)
        argv = [str(word) for word in words]
        actions = [
            (os.POSIX_SPAWN_DUP2, null, 0),
            (os.POSIX_SPAWN_DUP2, write, 1),
            (os.POSIX_SPAWN_DUP2, write, 2),
        ]
        started = time.perf_counter()
        # posix_spawn: forking this interpreter would be part of the figure.
        pid = os.posix_spawn(argv[0], argv, {"PATH": os.defpath}, file_actions=actions)
        os.close(write)
        with open(read, "rb") as file:
            said = file.read()
        _, status, usage = os.wait4(pid, 0)
        self.seconds = time.perf_counter() - started
        self.memory_kib = usage.ru_maxrss
        # CPU time, that of the tasks at work for the tool included where that is known.
        self.work_seconds = usage.ru_utime + usage.ru_stime
        self.said = said.decode(errors="replace")
        os.close(null)
        if status:
            raise Failed(f"{' '.join(argv)}: status {status:#x}\n{self.said}")

    def figure(self, name: str) -> float:
        """The number behind `name: ` in what was printed."""
        for line in self.said.splitlines():
            before, colon, after = line.partition(": ")
            if colon and before == name:
                return float(after.split()[0])
        raise Failed(f"the tool does not say {name!r}: {self.said}")


def interpreter() -> Command:
    return Command(PYTHON, "-I", "-S", "-c", "pass")


class Target:
    """One run of a measured program: `program` with its words, in a session of its own."""

    def __init__(self, program: Path, *words: str | Path) -> None:
        read, write = os.pipe()
        null = os.open(os.devnull, os.O_RDWR)
        self.pid = os.posix_spawn(
            program,
            [str(program), *map(str, words)],
            {},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, write, 1),
                (os.POSIX_SPAWN_DUP2, null, 2),
            ],
            setsid=True,
        )
        os.close(write)
        os.close(null)
        with open(read, "rb") as file:
            if file.read(1) != b"R":
                raise Failed(f"{program} did not start")

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def dump(self, images: Path, *options: str) -> Command:
        """The command `crtools dump` into a new directory. The tree is gone and reaped."""
        tree = collect_tree(self.pid)
        if "-R" not in options:
            before = sum(map(work_seconds, tree))
            done = self._run("dump", images, "-t", str(self.pid), *options)
            done.work_seconds += max(reap(tree) - before, 0)
            return done
        return self._run("dump", images, "-t", str(self.pid), *options)

    def restore(self, images: Path) -> Command:
        done = self._run("restore", images, "-d")
        done.work_seconds += sum(map(work_seconds, collect_tree(self.pid)))
        return done

    def _run(self, verb: str, images: Path, *words: str) -> Command:
        return Command(TOOL, verb, "-D", images, "--display-stats", *words)

    def kill(self) -> None:
        tree = collect_tree(self.pid)
        for pid in tree:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        reap(tree)


def collect_tree(root: int) -> list[int]:
    """The processes of a tree of ours, the root first; none if it is gone."""
    found = [root] if os.path.exists(f"/proc/{root}") else []
    for pid in found:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    found += [int(word) for word in file.read().split()]
        except OSError:
            continue
    return found


def work_seconds(pid: int) -> float:
    """The CPU time of a process so far, in the kernel's ticks of 10 ms; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            words = file.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime: proc(5)


def reap(pids: list[int]) -> float:
    """Waits until these are gone; they are our children, or become that when their parent ends. The
    CPU time that they have had."""
    work = 0.0
    end = time.monotonic() + SECONDS
    left = set(pids)
    while left:
        for pid in list(left):
            try:
                got, _, usage = os.wait4(pid, os.WNOHANG)
                work += usage.ru_utime + usage.ru_stime if got else 0
            except ChildProcessError:
                pass
            if not os.path.exists(f"/proc/{pid}"):
                left.discard(pid)
        if time.monotonic() > end:
            raise Failed(f"tasks {sorted(left)} do not go away")
        if left:
            time.sleep(0.0005)
    return work


def check_built() -> None:
    for path in (PYTHON, TOOL):
        if not path.exists():
            sys.exit(f"{path} is missing. Try: make build")
