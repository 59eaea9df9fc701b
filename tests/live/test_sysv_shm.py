"""System V segments that outlive the tree, or that others have as well: docs/decisions/0008."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.roundtrip import Run

pytestmark = pytest.mark.root

IPC_CREAT, IPC_EXCL, IPC_RMID = 0o1000, 0o2000, 0
SIZE = 3 * 4096
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
libc.shmdt.argtypes = [ctypes.c_void_p]


class Segment:
    """A segment, by its id or made, and attached while `content` is looked at."""

    def __init__(self, key: int, size: int = SIZE) -> None:
        self.key = key
        self.id = libc.shmget(key, size, IPC_CREAT | IPC_EXCL | 0o600)
        assert self.id >= 0, os.strerror(ctypes.get_errno())

    def attach(self) -> int:
        at = libc.shmat(self.id, None, 0)
        assert at not in (None, ctypes.c_void_p(-1).value)
        return int(at)

    def write(self, byte: bytes) -> None:
        at = self.attach()
        ctypes.memmove(at, byte, 1)
        libc.shmdt(at)

    def read(self) -> bytes:
        at = self.attach()
        byte = ctypes.string_at(at, 1)
        libc.shmdt(at)
        return byte

    def remove(self) -> None:
        libc.shmctl(self.id, IPC_RMID, None)


@pytest.fixture
def new_segment() -> Iterator[Callable[..., Segment]]:
    made: list[Segment] = []

    def make(size: int = SIZE) -> Segment:
        made.append(Segment(0x63720000 + os.getpid() % 0x8000 + len(made) * 0x8000, size))
        return made[-1]

    yield make
    for segment in made:
        segment.remove()


def start(new_run: Callable[..., Run], segment: Segment, *args: str) -> Run:
    segment.write(b"a")
    run = new_run("sysv_held", *args)
    Path(run.work, "segment").write_text(str(segment.id))
    run.start()
    return run


def restore_fails(run: Run, images: Path) -> str:
    done = run.run_tool("restore", "-D", str(images), "-d", "-o", "restore.log", check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def test_content_is_put_back_as_it_was(
    new_run: Callable[..., Run], new_segment: Callable[..., Segment]
) -> None:
    segment = new_segment()
    run = start(new_run, segment)
    images = run.dump()
    segment.write(b"b")
    run.restore(images)
    assert segment.read() == b"a"
    run.expect_pass()


def test_segment_that_was_removed_is_made_again(
    new_run: Callable[..., Run], new_segment: Callable[..., Segment]
) -> None:
    segment = new_segment()
    run = start(new_run, segment)
    images = run.dump()
    segment.remove()
    run.restore(images)
    assert libc.shmget(segment.key, 0, 0) == segment.id
    assert segment.read() == b"a"
    run.expect_pass()


def test_segment_that_others_have_is_attached_as_it_is(
    new_run: Callable[..., Run], new_segment: Callable[..., Segment]
) -> None:
    segment = new_segment()
    ours = segment.attach()
    run = start(new_run, segment, "shared")
    images = run.dump()
    segment.write(b"z")
    run.restore(images)
    assert segment.read() == b"z"
    libc.shmdt(ours)
    run.expect_pass()


def test_segment_that_others_had_and_that_is_gone_is_named(
    new_run: Callable[..., Run], new_segment: Callable[..., Segment]
) -> None:
    segment = new_segment()
    ours = segment.attach()
    run = start(new_run, segment)
    images = run.dump()
    libc.shmdt(ours)
    segment.remove()
    said = restore_fails(run, images)
    assert f"segment {segment.id}" in said
    assert "not there any more" in said


def test_segment_that_others_have_come_to_have_is_named(
    new_run: Callable[..., Run], new_segment: Callable[..., Segment]
) -> None:
    segment = new_segment()
    run = start(new_run, segment)
    images = run.dump()
    segment.write(b"b")
    ours = segment.attach()
    said = restore_fails(run, images)
    assert f"segment {segment.id}" in said
    assert "now others have" in said
    assert segment.read() == b"b"
    libc.shmdt(ours)
    run.restore(images)
    run.expect_pass()


def test_key_that_is_another_segments_is_named_and_nothing_is_left(
    new_run: Callable[..., Run], new_segment: Callable[..., Segment]
) -> None:
    segment = new_segment()
    run = start(new_run, segment)
    images = run.dump()
    segment.remove()
    other = Segment(segment.key, SIZE + 4096)
    try:
        said = restore_fails(run, images)
        assert f"key {segment.key:#x}" in said or "another segment has that number" in said
        before = Path("/proc/sysvipc/shm").read_text().split("\n")
        assert sum(f"{segment.key} " in line for line in before) == 1
    finally:
        other.remove()
    run.restore(images)
    assert segment.read() == b"a"
    run.expect_pass()


def test_failed_restore_removes_the_segment_it_made(
    new_run: Callable[..., Run], new_segment: Callable[..., Segment]
) -> None:
    segment = new_segment()
    run = start(new_run, segment)
    images = run.dump()
    segment.remove()
    script = run.work / "script"
    script.write_text(f"""#!/bin/sh
[ "$CRTOOLS_SCRIPT_ACTION" = post-restore ] || exit 0
cat /proc/sysvipc/shm > {run.work}/seen
exit 1
""")
    script.chmod(0o755)
    done = run.run_tool(
        *("restore", "-D", str(images), "-d", "-o", "restore.log"),
        *("--action-script", str(script)),
        check=False,
    )
    assert done.returncode != 0
    assert f" {segment.id} " in (run.work / "seen").read_text()
    assert libc.shmget(segment.key, 0, 0) == -1
    run.restore(images)
    run.expect_pass()
