"""Programs that are probed from outside (uprobes): refused, or dumped without the breakpoints."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.roundtrip import Run

pytestmark = pytest.mark.root

PMU = Path("/sys/bus/event_source/devices/uprobe/type")
SYS_PERF_EVENT_OPEN = 298  # x86-64
ATTRIBUTES = struct.Struct("<2I5Q2I2Q")  # struct perf_event_attr, its first published size
RETURN_PROBE = 1
INT3 = 0xCC
libc = ctypes.CDLL(None, use_errno=True)


class Probes:
    """Probes of a file, wherever it is mapped; each is there as long as its descriptor."""

    def __init__(self) -> None:
        self._fds: list[int] = []

    def add(self, path: Path, offset: int, kind: int = 0) -> None:
        name = ctypes.create_string_buffer(os.fsencode(path))
        attributes = ATTRIBUTES.pack(
            int(PMU.read_text()), ATTRIBUTES.size, kind, 0, 0, 0, 0, 0, 0,
            ctypes.addressof(name), offset,
        )  # fmt: skip
        fd = libc.syscall(SYS_PERF_EVENT_OPEN, attributes, -1, 0, -1, 0)
        if fd < 0:
            pytest.skip(f"no uprobes here: {os.strerror(ctypes.get_errno())}")
        self._fds.append(fd)

    def remove(self) -> None:
        while self._fds:
            os.close(self._fds.pop())


@pytest.fixture
def probes() -> Iterator[Probes]:
    if not PMU.exists():
        pytest.skip("this kernel has no uprobes (CONFIG_UPROBE_EVENTS)")
    found = Probes()
    yield found
    found.remove()


def start(run: Run, probes: Probes, *, returns: bool = False) -> list[int]:
    """Starts the program with its functions probed; returns where the breakpoints are."""
    run.start(wait=False)
    run.wait_until(lambda: "PROBE" in run.out and run.out.endswith("\n"), "where to probe")
    offsets = [int(word) for word in run.out.split()[1:4]]
    program = Path(run.command[0])
    for offset in offsets[2:] if returns else offsets[:2]:
        probes.add(program, offset, RETURN_PROBE if returns else 0)
    (run.work / "probed").touch()
    run.wait_until_ready()
    lines = [line.split() for line in Path(f"/proc/{run.pid}/maps").read_text().splitlines()]
    first = next(line for line in lines if line[-1] == str(program) and "x" in line[1])
    return [int(first[0].split("-")[0], 16) + offset - int(first[2], 16) for offset in offsets]


def byte_at(run: Run, address: int) -> int:
    memory = os.open(f"/proc/{run.pid}/mem", os.O_RDONLY)
    try:
        return os.pread(memory, 1, address)[0]
    finally:
        os.close(memory)


@pytest.mark.parametrize(
    ("variant", "says"), [("hit", "it belongs to uprobes"), ("", "it has a breakpoint at ")]
)
def test_probed_program_is_refused_unless_it_is_allowed(
    variant: str, says: str, new_run: Callable[..., Run], probes: Probes
) -> None:
    run = new_run("uprobed", *variant.split())
    places = start(run, probes)
    before = run.snapshot()
    done = run.try_dump(run.new_images())
    assert done.returncode == 1
    assert says in done.stderr
    assert "--allow-uprobes" in done.stderr
    assert byte_at(run, places[0]) == INT3
    run.expect_same(before, "after the refusal")
    run.expect_pass()


@pytest.mark.parametrize("variant", ["", "hit", "changed"])
def test_probed_program_runs_on_without_its_probes(
    variant: str, new_run: Callable[..., Run], probes: Probes
) -> None:
    run = new_run("uprobed", *variant.split())
    places = start(run, probes)
    images = run.dump("--allow-uprobes")
    probes.remove()
    run.restore(images)
    assert INT3 not in [byte_at(run, place) for place in places]
    run.expect_pass()


@pytest.mark.parametrize("variant", ["", "hit"])
def test_probes_that_are_still_there_are_in_the_restored_program(
    variant: str, new_run: Callable[..., Run], probes: Probes
) -> None:
    run = new_run("uprobed", *variant.split())
    places = start(run, probes)
    run.restore(run.dump("--allow-uprobes"))
    assert [byte_at(run, place) for place in places[:2]] == [INT3, INT3]
    run.restore(run.dump("--allow-uprobes"))
    run.expect_pass()


def test_probed_program_left_running_keeps_its_probes(
    new_run: Callable[..., Run], probes: Probes
) -> None:
    run = new_run("uprobed", "hit")
    places = start(run, probes)
    before = run.snapshot()
    run.dump("--allow-uprobes", "-R", kills=False)
    assert byte_at(run, places[0]) == INT3
    run.expect_same(before, "after a dump that leaves it running")
    run.expect_pass()


def test_probed_return_that_is_to_come_is_refused(
    new_run: Callable[..., Run], probes: Probes
) -> None:
    run = new_run("uprobed", "inside")
    start(run, probes, returns=True)
    done = run.try_dump(run.new_images(), "--allow-uprobes")
    assert done.returncode == 1
    assert "return is probed" in done.stderr
    run.expect_pass()
