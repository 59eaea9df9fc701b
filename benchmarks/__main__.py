"""`make bench`: measures, prints a table; ARGS="--quick --only tiny" for a part of it."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import struct
import sys
import tempfile
from pathlib import Path

from benchmarks import changes, memory
from benchmarks.cases import CASES as SMALL
from benchmarks.cases import Bench, Figure, cores
from benchmarks.target import Failed, build_programs, check_built, prepare_process

# linux/fs.h
_FS_IOC_GETFLAGS, _FS_IOC_SETFLAGS = 0x80086601, 0x40086602
_FS_TOPDIR_FL = 0x20000

CASES = {
    **SMALL,
    "sizes": memory.sizes,
    "tasks": memory.tasks,
    "writers": memory.writers,
    "snapshots": memory.snapshots,
    "following": changes.following,
    "pre_dumps": changes.pre_dumps,
}
PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
MARK = "## The last run"
HEAD = ("what", "best", "median", "limit", "ratio", "target", "")


def row(figure: Figure) -> tuple[str, ...]:
    unit = figure.unit
    limit = f"{figure.limit:.1f} {unit}"
    fixed = len(figure.limits) == 1 and figure.ratio == 1
    return (
        figure.what,
        f"{figure.best:.1f} {unit}",
        f"{figure.median:.1f} {unit}",
        figure.limit_is if fixed else f"{figure.limit_is}: {limit}",
        f"{figure.measured:.2f}",
        f"{figure.ratio:g}",
        "" if figure.what.startswith("(") else "ok" if figure.well else "NOT MET",
    )


def machine() -> str:
    """Where the figures come from; others at work there show in the load."""
    python = sys.version.split()[0]
    load = os.getloadavg()[1]
    return f"Linux {os.uname().release}, CPython {python}, {cores()} cores, load {load:.1f}."


def table(rows: list[tuple[str, ...]]) -> str:
    """Aligned Markdown: docs/benchmarks.md holds the last one."""
    widths = [max(len(cells[at]) for cells in (HEAD, *rows)) for at in range(len(HEAD))]
    lines = [HEAD, tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer samples")
    parser.add_argument(
        "--full", action="store_true", help="up to 8 GiB, as far as the memory that is free goes"
    )
    parser.add_argument(
        "--only", choices=CASES, action="append", metavar="NAME", help=f"of {', '.join(CASES)}"
    )
    parser.add_argument(
        "--directory",
        default="/var/tmp",
        help="where images and the limits' files go, all on one file system (%(default)s)",
    )
    parser.add_argument("--save", action="store_true", help=f"put the table into {PAGE.name}, too")
    options = parser.parse_args()
    if os.geteuid():
        return _fail("the benchmarks need root, as dump and restore do")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was made is removed
    check_built()
    prepare_process()
    directory = Path(tempfile.mkdtemp(prefix="crtools-bench-", dir=options.directory))
    try:
        spread(directory)
        programs = directory / "programs"
        build_programs(programs)
        bench = Bench(programs, directory, options.quick, options.full)
        rows = []
        for name in options.only or CASES:
            print(f"{name} ...", file=sys.stderr, flush=True)
            rows += [row(figure) for figure in CASES[name](bench)]
        text = f"{machine()}\n\n{table(rows)}"
        print(text)
        if options.save:
            head = PAGE.read_text().partition(MARK)[0]
            PAGE.write_text(f"{head}{MARK}\n\n{text}\n")
    except Failed as error:
        return _fail(str(error))
    finally:
        shutil.rmtree(directory)
    return 0


def spread(directory: Path) -> None:
    """Lets ext4 put each directory made in this one into another block group (chattr +T).

    Files are made slowly, up to 0.5 ms each, in a group where many were deleted in the last five
    minutes (fs/ext4/ialloc.c, recently_deleted): that is the last sample's doing, not crtools'.
    """
    fd = os.open(directory, os.O_RDONLY)
    try:
        flags = fcntl.ioctl(fd, _FS_IOC_GETFLAGS, bytes(8))
        word = struct.unpack("<q", flags)[0] | _FS_TOPDIR_FL
        fcntl.ioctl(fd, _FS_IOC_SETFLAGS, struct.pack("<q", word))
    except OSError:
        pass  # not ext4
    finally:
        os.close(fd)


def _fail(what: str) -> int:
    print(f"benchmarks: {what}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
