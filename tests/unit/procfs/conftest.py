"""A real /proc, a made-up one, and a child to look at."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crtools.procfs.files import open_proc

# Says so when it is there, sleeps until its input ends.
CHILD = "import sys; print(flush=True); sys.stdin.read()"


@pytest.fixture
def proc() -> Iterator[int]:
    """A descriptor of this machine's /proc."""
    fd = open_proc()
    yield fd
    os.close(fd)


@pytest.fixture
def child() -> Iterator[int]:
    """The pid of a child that sleeps in read(2)."""
    program = [sys.executable, "-I", "-S", "-c", CHILD]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.communicate()


@pytest.fixture
def fake_proc(tmp_path: Path) -> Iterator[Callable[[str, bytes], int]]:
    """Writes a file of a made-up /proc and gives a descriptor of that /proc."""
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)

    def write(path: str, data: bytes) -> int:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return fd

    yield write
    os.close(fd)
