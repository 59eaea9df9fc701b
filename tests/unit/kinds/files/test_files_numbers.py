"""Numbers of descriptors: tables that are nearly full, and what is parked meanwhile."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from crtools.agent.program import Program
from crtools.errors import RestoreConflict
from crtools.images.messages.fdinfo import FdTypes
from crtools.kinds.files.base import Table
from crtools.kinds.files.plan import FilesPlan
from crtools.model.options import Options
from unit.kinds.files.interpreter import Process, Tree, fds_of
from unit.kinds.files.roundtrip import Roundtrip, open_at
from unit.kinds.files.test_files_checked import Images, fd, pipe, regular


@pytest.fixture
def many_numbers() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_parking_avoids_what_is_taken_and_reserved() -> None:
    table = Table(1, {4, 8})
    table.wanted = {3: (1, False), 6: (2, False)}
    numbers = [table.park() for _ in range(4)]
    assert numbers == [5, 7, 9, 10]
    table.unpark(7)
    assert table.park() == 7
    assert table.temporary == {7}


def test_an_unused_number_is_nobodys() -> None:
    images = Images(regular(1), pipe(2, 9, 0), pipe(3, 9, 1))
    plan = FilesPlan(
        images,
        [(5, [fd(3, 1), fd(4, 2, FdTypes.PIPE)]), (6, [fd(5, 3, FdTypes.PIPE), fd(9, 1)])],
        Options(),
    )
    number = plan.unused_number()
    assert all(
        number not in {*table.wanted, *table.parked, *table.temporary}
        for table in plan.tables.values()
    )
    assert plan.unused_number() != number
    # What is used for a moment later on keeps off it too.
    program = Program()
    plan.plan_fetch(6, program)
    assert number not in plan.tables[6].temporary


def test_numbers_needed_count_what_is_there_for_a_moment() -> None:
    plan = FilesPlan(Images(regular(1)), [(5, [fd(100, 1)])], Options())
    assert plan.numbers_needed == 101
    plan = FilesPlan(Images(regular(1)), [(5, [fd(n, 1) for n in range(100)])], Options())
    assert plan.numbers_needed >= 103


def test_more_numbers_than_there_can_be() -> None:
    plan = FilesPlan(Images(regular(1)), [(5, [fd(0x7FFFFF00, 1)])], Options())
    with pytest.raises(RestoreConflict, match="descriptors up to number 2147483392") as caught:
        plan.check_numbers()
    assert "ulimit -Hn" in caught.value.hint


@pytest.mark.root
@pytest.mark.usefixtures("many_numbers")
def test_tables_with_few_numbers_to_spare(roundtrip: Roundtrip, tmp_path: Path) -> None:
    """Every number but six is taken, by shared files and by ends of pipes."""
    path = tmp_path / "file"
    path.touch()
    most = 206  # below the number that a worker listens at

    def parent() -> None:
        for _ in range(20):
            os.pipe2(0)
        open_at(40, path, os.O_RDWR)
        for number in range(41, 200):
            os.dup2(40, number)

    def child() -> None:
        # Half of the pipes' ends are only here.
        for number in range(0, 40, 2):
            os.dup2(number + 1, number)

    roundtrip.dump(parent, child)
    plan = FilesPlan(
        roundtrip.store,
        [(i, entries) for i, (_, entries) in enumerate(roundtrip.tables)],
        Options(),
    )
    assert plan.numbers_needed <= most
    first, second = roundtrip.restore()
    assert len(first.fds()) == len(second.fds()) == 200


@pytest.mark.root
def test_a_number_above_our_own_limit(roundtrip: Roundtrip) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    number = 1010

    def body() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        open_at(number, "/dev/null", os.O_RDWR)
        os.pipe2(0)

    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, hard))
    try:
        (worker,) = roundtrip(body)
        assert roundtrip.plan.raises_limit
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert sorted(worker.fds()) == [0, 1, number]


@pytest.mark.root
@pytest.mark.usefixtures("many_numbers")
def test_ends_that_only_others_have_are_parked_and_closed(roundtrip: Roundtrip) -> None:
    def parent() -> None:
        for _ in range(8):
            os.pipe2(0)

    def left() -> None:
        os.closerange(0, 16)
        for _ in range(3):
            os.pipe2(0)
        os.dup2(0, 100)
        os.close(0)

    roundtrip.dump(parent, left)
    # Keep of the first one all read ends, and of a third process, made up here, all write ends.
    (pid, entries), second = roundtrip.tables
    roundtrip.tables = [(pid, entries[::2]), second, (pid + 100_000, entries[1::2])]
    first, _, third = roundtrip.restore()
    assert sorted(first.fds()) == list(range(0, 16, 2))
    assert sorted(third.fds()) == list(range(1, 16, 2))
    assert {number + 1: link for number, link in first.fds().items()} == third.fds()


@pytest.mark.root
def test_the_interpreter_leaves_targets_nothing_of_ours() -> None:
    with Tree(lambda: None, lambda: None) as tree, Process(lambda: os.read(900, 1)):
        assert [fds_of(pid) for pid in tree.pids] == [{}, {}]
