"""How long parsing takes, printed for whoever changes it, by pytest -s and this file.

Wanted: 60,000 lines of maps in 150 ms, as many areas of smaps in 400 ms, one status in 40 µs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools.procfs.fdinfo import parse_fdinfo
from crtools.procfs.maps import parse_maps
from crtools.procfs.pagemap import parse_pagemap
from crtools.procfs.smaps import parse_smaps
from crtools.procfs.stat import parse_stat
from crtools.procfs.status import parse_status

AREAS = 60_000


def maps_lines() -> bytes:
    line = b"%x-%x rw-p 00001000 fe:00 %d                           /usr/lib/f%d.so\n"
    return b"".join(line % (i << 13, (i << 13) + 4096, i, i) for i in range(AREAS))


def smaps_areas() -> bytes:
    sample = Path("/proc/self/smaps").read_bytes()
    _, _, body = sample[: sample.index(b"VmFlags:")].partition(b"\n")
    before, _, after = body.partition(b"Rss:                   ")
    after = after[after.index(b" kB") :]
    head = b"%x-%x rw-p 00000000 00:00 0\n"
    return b"".join(
        (head % (i << 13, (i << 13) + 4096))
        + (before + b"Rss: %23d" % i + after + b"VmFlags: rd wr mr mw me ac \n")
        for i in range(AREAS)
    )


def proc_file(path: str) -> Callable[[], bytes]:
    return Path(f"/proc/self/{path}").read_bytes


@pytest.mark.parametrize(
    ("parse", "make", "times", "wanted"),
    [
        (parse_maps, maps_lines, 1, "150 ms"),
        (parse_smaps, smaps_areas, 1, "400 ms"),
        (lambda data: parse_pagemap(data, 0), lambda: b"\1\2\3\0\0\0\x80\x80" * (1 << 18), 1, ""),
        (parse_status, proc_file("status"), 200, "0.040 ms"),
        (parse_stat, proc_file("stat"), 200, ""),
        (parse_fdinfo, proc_file("fdinfo/0"), 200, ""),
    ],
    ids=["maps", "smaps", "pagemap of 1 GiB", "status", "stat", "fdinfo"],
)
def test_figures(
    parse: Callable[[bytes], object],
    make: Callable[[], bytes],
    times: int,
    wanted: str,
    request: pytest.FixtureRequest,
) -> None:
    data = make()
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        for _ in range(times):
            parse(data)
        best = min(best, (time.perf_counter() - begin) / times)
    name = request.node.callspec.id
    print(f"\n{name}: {best * 1000:.3f} ms" + (f" (wanted: {wanted})" if wanted else ""))
