"""What is measured, and against what: each case takes samples, each figure has a limit."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.target import Command, Failed, Target, collect_tree, interpreter

MEMORY_KIB = 60 << 10  # of the tool, and one more for each mapping or descriptor of its target


@dataclass
class Figure:
    """Samples of one thing and its limit, in `unit`; well is what takes at most ratio * limit."""

    what: str
    unit: str
    ratio: float
    limit_is: str
    samples: list[float] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        return min(self.samples)

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def limit(self) -> float:
        return min(self.limits)

    @property
    def measured(self) -> float:
        return self.best / self.limit

    @property
    def well(self) -> bool:
        return self.measured <= self.ratio


@dataclass
class Bench:
    """Where cases run, and how much of it."""

    programs: Path
    directory: Path
    quick: bool
    full: bool = False
    made: int = 0

    @contextmanager
    def images(self) -> Iterator[Path]:
        """A new directory; afterwards its files are gone, from the page cache too."""
        self.made += 1
        path = self.directory / f"images-{self.made}"
        path.mkdir(mode=0o700)
        try:
            yield path
        finally:
            shutil.rmtree(path)

    def times(self, full: int, quick: int) -> int:
        return quick if self.quick else full


def tiny(bench: Bench) -> list[Figure]:
    """The whole command for the least program, beside the start of a bare interpreter."""
    dump = Figure("tiny process: dump", "ms", 4, "python -I -S -c pass")
    restore = Figure("tiny process: restore", "ms", 4, "python -I -S -c pass")
    for _ in range(bench.times(40, 10)):
        bare = interpreter().seconds * 1e3
        with bench.images() as images, Target(bench.programs / "tiny") as target:
            dump.samples.append(target.dump(images).seconds * 1e3)
            bare = min(bare, interpreter().seconds * 1e3)
            restore.samples.append(target.restore(images).seconds * 1e3)
        dump.limits.append(bare)
        restore.limits.append(bare)
    return [dump, restore]


def frozen(bench: Bench) -> list[Figure]:
    """How long a program stands still, as the tool says and as the program sees it."""
    said = Figure("frozen, says the tool", "ms", 1, "4 ms", limits=[4.0])
    seen = Figure("frozen, sees the program", "ms", 1, "4 ms", limits=[4.0])
    longest = bench.directory / "longest"
    for _ in range(bench.times(30, 8)):
        longest.write_bytes(bytes(4096))
        with Target(bench.programs / "gap", longest) as target:
            for _ in range(3):
                write_word(longest, 0)
                with bench.images() as images:
                    done = target.dump(images, "-R")
                    time.sleep(0.02)  # until it has run again
                said.samples.append(done.figure("Frozen time") / 1e3)
                with open(longest, "rb") as file:
                    seen.samples.append(int.from_bytes(file.read(8), "little") / 1e6)
    longest.unlink()
    return [said, seen]


def write_word(path: Path, value: int) -> None:
    with open(path, "r+b", buffering=0) as file:
        file.write(value.to_bytes(8, "little"))


def dirty(bench: Bench) -> list[Figure]:
    """Much memory, all of it dirty, beside a process that moves its own."""
    mib = 128 if bench.quick else 1024
    name = "1 GiB" if mib == 1024 else f"{mib} MiB"
    dump = Figure(f"{name} dirty: dump", "ms", 1.15, "its own write to a new file")
    restore = Figure(f"{name} dirty: restore", "ms", 1.05, "preadv into a new mapping")
    parallel = Figure(f"{name} dirty: restore, in parallel", "ms", 0.62, restore.limit_is)
    two = Figure("(two workers' preadv into one mapping)", "ms", 0.7, restore.limit_is)
    memory = [
        Figure(f"{name} dirty: memory of dump", "MiB", 1, "60 MiB", limits=[60.0]),
        Figure(f"{name} dirty: memory of restore", "MiB", 1, "60 MiB", limits=[60.0]),
    ]
    file = bench.directory / "limit"
    for sample in range(bench.times(9, 4)):
        limit = {}
        for mode in ("write", "read", "read2"):
            done = Command(bench.programs / "limits", mode, file, str(mib))
            limit[mode] = float(done.said) / 1e6
        file.unlink()
        with bench.images() as images, Target(bench.programs / "dirty", str(mib)) as target:
            dumped = target.dump(images)
            restored = target.restore(images)
        if not sample:
            continue  # warms the memory of the machine
        dump.limits.append(limit["write"])
        dump.samples.append(dumped.seconds * 1e3)
        for figure in (restore, parallel, two):
            figure.limits.append(limit["read"])
        restore.samples.append(restored.seconds * 1e3)
        parallel.samples.append(restored.seconds * 1e3)
        two.samples.append(limit["read2"])
        memory[0].samples.append(dumped.memory_kib / 1024)
        memory[1].samples.append(restored.memory_kib / 1024)
    return [dump, restore, parallel, two, *memory]


def workers(bench: Bench) -> list[Figure]:
    """As much memory in two tasks, which write and read at the same time."""
    mib = 128 if bench.quick else 1024
    name = "2 x 512 MiB dirty" if mib == 1024 else f"2 x {mib // 2} MiB dirty"
    dump = Figure(f"{name}: dump", "ms", 0.65, f"one task's own write of {mib} MiB")
    restore = Figure(f"{name}: restore", "ms", 0.62, f"preadv of {mib} MiB into a new mapping")
    two = Figure("(two tasks' own writes to two files)", "ms", 0.65, dump.limit_is)
    file, second = bench.directory / "limit", bench.directory / "limit.2"
    for sample in range(bench.times(9, 4)):
        limit = {}
        for mode in ("write", "read", "write2"):
            if mode != "read":
                file.unlink(missing_ok=True)
            done = Command(bench.programs / "limits", mode, file, str(mib))
            limit[mode] = float(done.said) / 1e6
        for path in (file, second):
            path.unlink()
        with bench.images() as images, Target(bench.programs / "dirty", str(mib // 2), "2") as it:
            dumped = it.dump(images)
            restored = it.restore(images)
        if not sample:
            continue  # warms the memory of the machine
        for figure in (dump, two):
            figure.limits.append(limit["write"])
        dump.samples.append(dumped.seconds * 1e3)
        two.samples.append(limit["write2"])
        restore.limits.append(limit["read"])
        restore.samples.append(restored.seconds * 1e3)
    return [dump, two, restore]


def threads(bench: Bench) -> list[Figure]:
    count = 50 if bench.quick else 200
    return _both(bench, "threads", count, f"{count} threads", (100, 100), samples=(10, 3))


def many_threads(bench: Bench) -> list[Figure]:
    figures = []
    for count, most in ((1000, (450, 200)), (2000, (1000, 1000))):
        count = count // 4 if bench.quick else count
        figures += _both(
            *(bench, "threads", count, f"{count:,} threads", most),
            samples=(8, 2),
            counts=15 * count,
        )
    return figures


def tree(bench: Bench) -> list[Figure]:
    count = 60 if bench.quick else 300
    return _both(bench, "tree", count, f"{count} processes", (800, 500), samples=(5, 2))


def forked(bench: Bench) -> list[Figure]:
    """Relatives that share most of their memory: --share-pages."""
    count = 20 if bench.quick else 100
    name = f"{count} processes sharing 64 MiB"
    most = 300.0 if bench.quick else 700.0
    dump = Figure(f"{name}: dump", "ms", 1, f"{most:.0f} ms", limits=[most])
    size = Figure(f"{name}: images", "MiB", 1, "80 MiB", limits=[80.0])
    restore = Figure(f"{name}: restore", "ms", 1, f"{most:.0f} ms", limits=[most])
    memory = Figure(f"{name}: memory restored", "MiB", 1.1, "before the dump")
    for _ in range(bench.times(6, 2)):
        with (
            bench.images() as images,
            Target(bench.programs / "forked", str(count), "64") as target,
        ):
            memory.limits.append(_proportional_mib(target.pid))
            dump.samples.append(target.dump(images, "--share-pages").seconds * 1e3)
            size.samples.append(sum(path.stat().st_size for path in images.iterdir()) / (1 << 20))
            restore.samples.append(target.restore(images).seconds * 1e3)
            memory.samples.append(_proportional_mib(target.pid))
    return [dump, size, restore, memory]


def _proportional_mib(root: int) -> float:
    """The memory of a tree, each page once (Pss)."""
    total = 0
    for pid in collect_tree(root):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            total += int(line.split()[1]) if line.startswith("Pss:") else 0
    return total / 1024


def mappings(bench: Bench) -> list[Figure]:
    count = 6_000 if bench.quick else 60_000
    with open("/proc/sys/vm/max_map_count") as file:
        most = int(file.read())
    if most < count + 200:
        raise Failed(f"vm.max_map_count is {most}: it has to be {count + 200} at least")
    name = f"{count:,} mappings"
    return _both(bench, "mappings", count, name, (2000, 2000), samples=(4, 2), counts=count)


_CALLED = {
    "files": "files",
    "pipes": "pipes",
    "pairs": "pairs of unix sockets",
    "eventfds": "eventfds",
    "timerfds": "timerfds",
    "watched": "epoll watches of eventfds",
    "udp": "UDP sockets",
}


def descriptors(bench: Bench) -> list[Figure]:
    """Ten thousand descriptors of one kind, 50 us for each open file."""
    figures = []
    for kind in _CALLED:
        count = 5_000 if kind in ("pipes", "pairs") else 10_000
        count = count // 10 if bench.quick else count
        with bench.images() as directory:
            most = 0.05 * count + 30  # ms, with the start of the command
            figures += _both(
                *(bench, "descriptors", count, f"{count:,} {_CALLED[kind]}", (most, most)),
                samples=(5, 2),
                counts=2 * count,
                words=(kind, str(count), str(directory)),
            )
    return figures


def _both(
    bench: Bench,
    program: str,
    count: int,
    name: str,
    most: tuple[float, float],
    *,
    words: tuple[str, ...] = (),
    samples: tuple[int, int],
    counts: int = 0,
) -> list[Figure]:
    """Dump and restore of `program WORDS`, COUNT as a rule, against times in ms and the tool's
    own memory."""
    words = words or (str(count),)
    allowed = (MEMORY_KIB + counts) / 1024
    times, memory = [], []
    for verb, limit in zip(("dump", "restore"), most, strict=True):
        times.append(Figure(f"{name}: {verb}", "ms", 1, f"{limit:.0f} ms", limits=[limit]))
        is_ = f"{allowed:.0f} MiB"
        memory.append(Figure(f"{name}: memory of {verb}", "MiB", 1, is_, limits=[allowed]))
    for _ in range(bench.times(*samples)):
        with bench.images() as images, Target(bench.programs / program, *words) as target:
            for at, done in enumerate((target.dump(images), target.restore(images))):
                times[at].samples.append(done.seconds * 1e3)
                memory[at].samples.append(done.memory_kib / 1024)
    return [*times, *memory]


CASES: dict[str, Callable[[Bench], list[Figure]]] = {
    "tiny": tiny,
    "frozen": frozen,
    "dirty": dirty,
    "workers": workers,
    "threads": threads,
    "many_threads": many_threads,
    "tree": tree,
    "forked": forked,
    "mappings": mappings,
    "descriptors": descriptors,
}


def cores() -> int:
    return len(os.sched_getaffinity(0))
