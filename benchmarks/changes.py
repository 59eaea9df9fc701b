"""What it costs to follow changes: finding them and protecting all pages anew, and the pause of a
pre-dump that does so."""

from __future__ import annotations

import mmap
import os
import random
import time
from pathlib import Path

from benchmarks.cases import Bench, Figure
from benchmarks.target import TOOL, Command, Target
from crtools.abi.kernel import PAGE, address_of, checked
from crtools.abi.x86_64 import SYS_userfaultfd
from crtools.changes import USER_MODE_ONLY, USERFAULTFD, probe_userfaultfd
from crtools.kinds.memory.tracking import Tracker, set_features
from crtools.procfs.maps import Vma, parse_maps

MIB = 1 << 20


def following(bench: Bench) -> list[Figure]:
    """Of memory of our own with a page in a hundred written: the kernel's part, and what reading
    its answers takes."""
    mib = 256 if bench.quick else 1024
    most = 12.0 * mib / 1024
    limit = f"{most:.0f} ms"
    first = Figure(f"{mib} MiB: scan and protect, first", "ms", 1, limit, limits=[most])
    later = Figure(f"{mib} MiB: scan and protect, 1 % written", "ms", 1, limit, limits=[most])
    if probe_userfaultfd():
        return []
    for _ in range(bench.times(7, 3)):
        with mmap.mmap(-1, mib * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
            memory.madvise(mmap.MADV_NOHUGEPAGE)
            memory[:] = bytes(mib * MIB)
            first.samples.append(_round(memory, -1)[0] * 1e3)
            uffd = _make()
            _round(memory, uffd)
            for page in random.sample(range(mib * MIB // PAGE), mib * MIB // PAGE // 100):
                memory[page * PAGE] = 1
            later.samples.append(_round(memory, uffd)[0] * 1e3)
            os.close(uffd)
    return [first, later]


def _make() -> int:
    uffd = checked(SYS_userfaultfd, os.O_CLOEXEC | USER_MODE_ONLY)
    set_features(uffd)
    return uffd


def _round(memory: mmap.mmap, uffd: int) -> tuple[float, int]:
    """Seconds, and how many runs of pages were found. Without a descriptor: with one of its own."""
    own = _make() if uffd < 0 else -1
    start = address_of(memory)
    areas = _areas(start)
    proc, pagemap = os.open("/proc", os.O_RDONLY), os.open("/proc/self/pagemap", os.O_RDONLY)
    tracker = Tracker(USERFAULTFD, uffd, [(start, start + len(memory))])
    begun = time.perf_counter()
    try:
        tracker.attach(pagemap, areas)
        found = tracker.collect(pagemap, [(start, start + len(memory))])
        if own >= 0:
            tracker.uffd = own
        tracker.arm(proc, os.getpid(), pagemap, areas)
        return time.perf_counter() - begun, len(found)
    finally:
        os.close(pagemap)
        os.close(proc)
        if own >= 0:
            os.close(own)


def _areas(start: int) -> list[Vma]:
    areas = parse_maps(Path("/proc/self/maps").read_bytes())
    return [vma for vma in areas if vma.start <= start < vma.end]


def pre_dumps(bench: Bench) -> list[Figure]:
    """The pause of pre-dumps of a program that writes 100 MiB a second, beside that of a dump."""
    mib = 128 if bench.quick else 1024
    whole = Figure(f"{mib} MiB, 100 MiB/s: pause of a dump", "ms", 1, "itself")
    first = Figure(f"{mib} MiB, 100 MiB/s: pause of the first pre-dump", "ms", 1, whole.what)
    later = Figure(f"{mib} MiB, 100 MiB/s: pause of a later one", "ms", 1, whole.what)
    words = ("-", str(mib), "small", "random", "100", "1")
    for _ in range(bench.times(3, 1)):
        with Target(bench.programs / "memory", *words) as target, bench.images() as images:
            previous: list[str] = []
            for number in range(1, 5):
                place = images / str(number)
                done = Command(
                    TOOL,
                    *("pre-dump", "-t", str(target.pid), "-D", str(place), "--display-stats"),
                    *previous,
                )
                previous = ["--prev-images-dir", f"../{number}"]
                figure = later if number > 1 else first
                figure.samples.append(done.figure("Frozen time") / 1e3)
            place = images / "whole"
            place.mkdir(mode=0o700)
            pause = target.dump(place, "-R").figure("Frozen time") / 1e3
        for figure in (whole, first, later):
            figure.limits.append(pause)
        whole.samples.append(pause)
    return [whole, first, later]
