"""Undo values of System V semaphores that somebody else uses too."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.roundtrip import Run

pytestmark = pytest.mark.root

IPC_CREAT, IPC_PRIVATE, IPC_RMID, IPC_STAT = 0o1000, 0, 0, 2
GETPID, GETVAL, SETVAL = 11, 12, 16
IPC_NOWAIT = 0o4000
libc = ctypes.CDLL(None, use_errno=True)


class Semaphores:
    def __init__(self, value: int) -> None:
        self.id = libc.semget(IPC_PRIVATE, 1, IPC_CREAT | 0o600)
        assert self.id >= 0, os.strerror(ctypes.get_errno())
        assert libc.semctl(self.id, 0, SETVAL, value) == 0

    @property
    def value(self) -> int:
        return int(libc.semctl(self.id, 0, GETVAL))

    def operate(self, op: int) -> None:
        done = libc.semop(self.id, struct.pack("<Hhh", 0, op, IPC_NOWAIT), 1)
        assert done == 0, os.strerror(ctypes.get_errno())

    def facts(self) -> tuple[int, int, bytes]:
        """Value, who operated last, and all of semid64_ds, times among it."""
        buffer = ctypes.create_string_buffer(104)
        assert libc.semctl(self.id, 0, IPC_STAT, buffer) == 0
        return self.value, libc.semctl(self.id, 0, GETPID), buffer.raw

    def remove(self) -> None:
        libc.semctl(self.id, 0, IPC_RMID)


@pytest.fixture
def new_set() -> Iterator[Callable[[int], Semaphores]]:
    made: list[Semaphores] = []

    def make(value: int) -> Semaphores:
        made.append(Semaphores(value))
        return made[-1]

    yield make
    for one in made:
        one.remove()


def start(new_run: Callable[..., Run], semaphores: Semaphores, *args: str) -> Run:
    run = new_run("sem_held", *args)
    Path(run.work, "set").write_text(str(semaphores.id))
    run.start()
    return run


def restore_fails(run: Run, images: Path) -> str:
    done = run.run_tool("restore", "-D", str(images), "-d", "-o", "restore.log", check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def test_looking_for_undo_values_leaves_no_trace(
    new_run: Callable[..., Run], new_set: Callable[[int], Semaphores]
) -> None:
    semaphores = new_set(3)
    run = start(new_run, semaphores)
    before = semaphores.facts()
    run.dump("-R", kills=False)
    assert semaphores.facts() == before
    run.expect_pass()
    assert semaphores.value == 3


def test_what_was_held_is_free_until_the_restore(
    new_run: Callable[..., Run], new_set: Callable[[int], Semaphores]
) -> None:
    semaphores = new_set(1)
    run = start(new_run, semaphores)
    images = run.dump()
    assert semaphores.value == 1
    run.restore(images)
    assert semaphores.value == 0
    run.kill()
    assert semaphores.value == 1


def test_semaphore_that_somebody_else_has_taken_is_named(
    new_run: Callable[..., Run], new_set: Callable[[int], Semaphores]
) -> None:
    semaphores = new_set(1)
    run = start(new_run, semaphores)
    images = run.dump()
    semaphores.operate(-1)
    said = restore_fails(run, images)
    assert f"semaphore set {semaphores.id}" in said
    assert "somebody else" in said
    assert semaphores.value == 0
    semaphores.operate(1)
    run.restore(images)
    run.expect_pass()
    assert semaphores.value == 1


def test_set_that_is_gone_is_named(
    new_run: Callable[..., Run], new_set: Callable[[int], Semaphores]
) -> None:
    semaphores = new_set(1)
    run = start(new_run, semaphores)
    images = run.dump()
    semaphores.remove()
    said = restore_fails(run, images)
    assert f"of set {semaphores.id}" in said
    assert "not there any more" in said


@pytest.mark.parametrize(("how", "value"), [("thread", 1), ("shared", 2)])
def test_list_that_is_shared_in_another_way_is_refused(
    how: str, value: int, new_run: Callable[..., Run], new_set: Callable[[int], Semaphores]
) -> None:
    semaphores = new_set(value)
    run = start(new_run, semaphores, how)
    done = run.try_dump(run.new_images())
    assert done.returncode != 0
    assert "undo values of semaphores" in done.stderr
    assert "CLONE_SYSVSEM" in done.stderr
    run.expect_pass()
    assert semaphores.value == value
