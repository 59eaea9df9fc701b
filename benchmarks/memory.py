"""Much memory of every sort: how long, how many bytes, how much CPU time, how long a pause.

A mode that is new (another way to dump, another option) is one more line in MODES: its dumps and
gaps are then measured beside the others, over the same memory.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import Bench, Figure, write_word
from benchmarks.target import Command, Target

MIB = 1 << 20
LARGEST = 8 << 10  # MiB
SHARE = 3  # of the memory that is free: the target, the images, and as much again for the limits
# What a mode is called, and its options of dump; all leave the target running.
MODES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("dump -R", ("-R",)),
    ("snapshot", ("-R", "--snapshot")),
)


@dataclass(frozen=True)
class Memory:
    """What benchmarks/programs/memory.c is told."""

    mib: int
    pages: str = "small"
    content: str = "random"
    rate: int = 0  # MiB a second that are written to
    tasks: int = 1

    @property
    def name(self) -> str:
        size = f"{self.mib >> 10} GiB" if self.mib % 1024 == 0 else f"{self.mib} MiB"
        parts = [size, self.content]
        if self.pages != "small":
            parts.append(f"{self.pages} pages")
        if self.rate:
            parts.append(f"{self.rate} MiB/s")
        if self.tasks > 1:
            parts.append(f"{self.tasks} tasks")
        return ", ".join(parts)

    def words(self, gap: Path | str = "-") -> tuple[str | Path, ...]:
        return (gap, str(self.mib), self.pages, self.content, str(self.rate), str(self.tasks))


def sizes(bench: Bench) -> list[Figure]:
    """Sizes, pages, contents: against the process's own write and a read into a new mapping."""
    if bench.quick:
        kinds = [Memory(64), Memory(64, pages="huge"), Memory(64, content="zero")]
    else:
        kinds = [Memory(mib) for mib in (64, 256, 1024)]
        kinds += [Memory(256, pages="huge"), Memory(1024, pages="huge")]
        kinds += [Memory(256, content=content) for content in ("repeated", "zero")]
    if bench.full:
        kinds += [Memory(mib) for mib in (512, 2048, 4096, LARGEST)]
        kinds += [Memory(mib, pages="huge") for mib in (2048, LARGEST)]
        kinds += [Memory(1024, content=content) for content in ("repeated", "zero")]
    return [figure for kind in kinds if _fits(kind.mib) for figure in _both(bench, kind)]


def tasks(bench: Bench) -> list[Figure]:
    """The same memory in more and more processes."""
    mib = 64 if bench.quick else 512
    counts = (1, 2, 16) if bench.quick else (1, 2, 4, 16)
    return [figure for count in counts for figure in _both(bench, Memory(mib, tasks=count))]


def writers(bench: Bench) -> list[Figure]:
    """How long a program stands still that writes to its memory, as it sees it itself."""
    mib = 64 if bench.quick else 512
    kinds = [Memory(mib, rate=rate) for rate in (10, 100, 1000)]
    kinds.append(Memory(mib, rate=100, pages="huge"))
    return [figure for kind in kinds for figure in _gaps(bench, kind)]


def snapshots(bench: Bench) -> list[Figure]:
    """Live snapshots: the longest pause that a program sees, of 1 GiB; beside it what of that is
    the kernel's fork, and what the tool says of its two stops."""
    mib = 128 if bench.quick else 1024
    figures = []
    longest = bench.directory / "longest"
    for pages, most in (("small", 35.0), ("huge", 10.0)):
        kind = Memory(mib, pages=pages)
        gap = Figure(f"{kind.name}: gap in snapshot", "ms", 1, f"{most:.0f} ms", limits=[most])
        frozen = Figure(f"({kind.name}: frozen, says the tool)", "ms", 1, gap.limit_is)
        again = Figure(f"({kind.name}: stopped again, says the tool)", "ms", 1, gap.limit_is)
        fork = Figure(f"({kind.name}: a fork of it)", "ms", 1, gap.limit_is)
        frozen.limits = again.limits = fork.limits = gap.limits
        longest.write_bytes(bytes(4096))
        with Target(bench.programs / "memory", *kind.words(longest)) as target:
            for _ in range(bench.times(12, 4)):
                said = Command(bench.programs / "limits", "fork", pages, str(mib)).said
                fork.samples.append(float(said) / 1e6)
                write_word(longest, 0)
                with bench.images() as images:
                    done = target.dump(images, "-R", "--snapshot")
                    time.sleep(0.05)  # until it has run again
                with open(longest, "rb") as seen:
                    gap.samples.append(int.from_bytes(seen.read(8), "little") / 1e6)
                frozen.samples.append(done.figure("Frozen time") / 1e3)
                again.samples.append(done.figure("Longest second stop") / 1e3)
        figures += [gap, frozen, again, fork]
    longest.unlink()
    return figures


def _fits(mib: int) -> bool:
    with open("/proc/meminfo") as file:
        words = dict(line.split(":") for line in file)
    return int(words["MemAvailable"].split()[0]) >> 10 > SHARE * mib


def _both(bench: Bench, kind: Memory) -> list[Figure]:
    """Dump and restore, with what they cost."""
    dump = Figure(f"{kind.name}: dump", "ms", 1.25, "its own write, and a tiny dump")
    restore = Figure(f"{kind.name}: restore", "ms", 1.1, "preadv, and a tiny restore")
    size = Figure(f"({kind.name}: images)", "MiB", 1.1, "its memory")
    work = Figure(f"({kind.name}: CPU time of dump)", "ms", 1.5, dump.limit_is)
    again = Figure(f"({kind.name}: CPU time of restore)", "ms", 1.5, restore.limit_is)
    file = bench.directory / "limit"
    for sample in range(bench.times(4, 2)):
        limits = {}
        for mode in ("write", "read"):
            limits[mode] = float(Command(bench.programs / "limits", mode, file, str(kind.mib)).said)
        file.unlink()
        with bench.images() as images, Target(bench.programs / "tiny") as target:
            # What the command takes anyway.
            limits["write"] += target.dump(images).seconds * 1e9
            limits["read"] += target.restore(images).seconds * 1e9
        with bench.images() as images, Target(bench.programs / "memory", *kind.words()) as target:
            dumped = target.dump(images)
            held = sum(path.stat().st_blocks for path in images.iterdir()) * 512
            restored = target.restore(images)
        if not sample:
            continue  # warms the memory of the machine
        for figure, done, limit in ((dump, dumped, "write"), (restore, restored, "read")):
            figure.samples.append(done.seconds * 1e3)
            figure.limits.append(limits[limit] / 1e6)
        for figure, done, limit in ((work, dumped, "write"), (again, restored, "read")):
            figure.samples.append(done.work_seconds * 1e3)
            figure.limits.append(limits[limit] / 1e6)
        size.samples.append(held / MIB)
        size.limits.append(float(kind.mib))
    return [dump, restore, size, work, again]


def _gaps(bench: Bench, kind: Memory) -> list[Figure]:
    """The longest time that passes unseen, for each mode; the limit is a write by the process
    itself, which is what a dump that stops it must take at least."""
    figures = []
    file, longest = bench.directory / "limit", bench.directory / "longest"
    for name, options in MODES:
        gap = Figure(f"{kind.name}: gap in {name}", "ms", 1.25, "its own write to a new file")
        whole = Figure(f"({kind.name}: {name})", "ms", 1.25, gap.limit_is)
        for _ in range(bench.times(3, 1)):
            limit = float(Command(bench.programs / "limits", "write", file, str(kind.mib)).said)
            file.unlink()
            longest.write_bytes(bytes(4096))
            with Target(bench.programs / "memory", *kind.words(longest)) as target:
                time.sleep(0.2)  # until it writes as fast as it shall
                write_word(longest, 0)
                with bench.images() as images:
                    done = target.dump(images, *options)
                    time.sleep(0.05)  # until it has run again
                with open(longest, "rb") as seen:
                    gap.samples.append(int.from_bytes(seen.read(8), "little") / 1e6)
            whole.samples.append(done.seconds * 1e3)
            for figure in (gap, whole):
                figure.limits.append(limit / 1e6)
        longest.unlink()
        figures += [gap, whole]
    return figures
