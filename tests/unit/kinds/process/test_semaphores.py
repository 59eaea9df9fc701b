"""The operations that tell undo values, tried on what ipc/sem.c does with them."""

from __future__ import annotations

import errno
import itertools
import struct
from typing import Any

import pytest

from crtools.errors import ImageError
from crtools.images.messages.crtools_parts import CrtoolsSemUndoEntry
from crtools.images.messages.ipc_desc import IpcDescEntry
from crtools.kinds.process import semaphores
from crtools.kinds.process.semaphores import IPC_NOWAIT, SEM_UNDO, SEMVMX

VALUES = (0, 1, 2, 100, 16384, 32766, 32767)
ADJUSTMENTS = (-32768, -32767, -16384, -2, -1, 0, 1, 2, 16384, 32766, 32767)


def semop(value: int, adjustment: int, operations: list[tuple[int, int]]) -> int:
    """One call, as perform_atomic_semop_slow has it; 0 if it would have succeeded."""
    for op, flags in operations:
        if not op and value:
            return errno.EAGAIN
        value += op
        if value < 0:
            return errno.EAGAIN
        if value > SEMVMX:
            return errno.ERANGE
        if flags & SEM_UNDO:
            adjustment -= op
            if not -SEMVMX - 1 <= adjustment <= SEMVMX:
                return errno.ERANGE
    return 0


@pytest.mark.parametrize(("value", "adjustment"), [*itertools.product(VALUES, ADJUSTMENTS)])
def test_only_zero_is_zero(value: int, adjustment: int) -> None:
    answer = semop(value, adjustment, semaphores.is_not_zero(value))
    assert answer == (errno.ERANGE if adjustment else errno.EAGAIN)


@pytest.mark.parametrize(("value", "adjustment"), [*itertools.product(VALUES, ADJUSTMENTS)])
@pytest.mark.parametrize("limit", [0, 1, 2, 16383, 16384, 32765, 32766])
def test_side_of_a_limit(value: int, adjustment: int, limit: int) -> None:
    above = semop(value, adjustment, semaphores.is_above(value, limit))
    assert above == (errno.ERANGE if adjustment > limit else errno.EAGAIN)
    below = semop(value, adjustment, semaphores.is_below(value, limit))
    assert below == (errno.ERANGE if adjustment < -limit else errno.EAGAIN)


def test_value_that_changed_since_never_lets_a_probe_succeed() -> None:
    for value, seen in itertools.product(VALUES, VALUES):
        for test in (semaphores.is_not_zero(seen), semaphores.is_above(seen, 5)):
            assert semop(value, 0, test) != 0


def test_probe_never_sleeps() -> None:
    programs = []

    class Probed(Exception):
        """Far enough."""

    def stop(program: Any) -> Any:
        programs.append(program)
        raise Probed

    with pytest.raises(Probed):
        semaphores._probe(stop, 1, [(0, semaphores.is_not_zero(5))])
    data = programs[0].data
    flags = [flags for _, _, flags in struct.iter_unpack("<Hhh", data)]
    assert len(flags) == len(semaphores.is_not_zero(5))
    assert all(flag & IPC_NOWAIT for flag in flags)


@pytest.mark.parametrize("value", [0, 32768, -32769])
def test_impossible_undo_value_is_an_image_error(value: int) -> None:
    desc = IpcDescEntry(key=0, uid=0, gid=0, cuid=0, cgid=0, mode=0, id=1)
    with pytest.raises(ImageError):
        semaphores.check_undo([CrtoolsSemUndoEntry(desc=desc, ctime=0, num=0, value=value)], "x")
