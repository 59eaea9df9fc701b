"""The skeleton by itself: left of a restore whose tool was killed before it had seized it."""

from __future__ import annotations

import os
import time

from crtools.agent.blob import read_skeleton

SECONDS = 5  # agent/skeleton.S


def test_a_skeleton_that_nobody_seizes_ends_by_itself() -> None:
    program = os.memfd_create("skeleton", os.MFD_CLOEXEC)
    os.write(program, read_skeleton())
    started = time.monotonic()
    pid = os.posix_spawn(f"/proc/self/fd/{program}", ["skeleton"], {})
    os.close(program)
    _, status = os.waitpid(pid, 0)
    assert status == 0
    assert time.monotonic() - started > SECONDS * 0.9
