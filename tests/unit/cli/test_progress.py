"""The progress line: only on a terminal in the foreground, never waiting, gone at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import crtools
from crtools import log
from crtools.cli.progress import Progress

SRC = Path(crtools.__file__).parents[1]

# In a session of its own whose terminal is descriptor 2.
SHOW = """
import fcntl, os, termios
os.setsid()
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
from crtools import log
from crtools.cli import progress
progress._FIRST_AFTER = {first}
progress._EVERY = 0
with progress.Progress(2):
    log.stage("writing memory", 1, 4)
    log.stage("resuming")
assert log.watcher is None
"""


def _show(first: float) -> bytes:
    master, slave = os.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", SHOW.format(first=first)],
            env={**os.environ, "PYTHONPATH": str(SRC)},
            stderr=slave,
            check=True,
            timeout=30,
        )
        os.set_blocking(master, False)
        try:
            return os.read(master, 4096)
        except BlockingIOError:
            return b""
    finally:
        os.close(master)
        os.close(slave)


def test_stages_are_shown_and_wiped():
    clear = b"\r\x1b[K"
    expected = clear + "writing memory 25% …".encode() + clear + "resuming …".encode() + clear
    assert _show(0) == expected


def test_what_is_over_soon_shows_nothing():
    assert _show(60) == b""


def test_a_terminal_that_is_not_ours_gets_nothing():
    master, slave = os.openpty()
    try:
        with Progress(slave) as progress:
            progress._next = 0
            log.stage("writing", 1, 2)
            assert log.watcher is None
        os.set_blocking(master, False)
        try:
            written = os.read(master, 100)
        except BlockingIOError:
            written = b""
        assert written == b""
    finally:
        os.close(master)
        os.close(slave)
