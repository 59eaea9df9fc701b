"""Terminals: pairs of pseudoterminals (pts(4)) with both ends in the tree, and the tool's own.

How they are recognised, and what both sides know; crtools.kinds.files.tty_dump and .tty_restore are
the two sides, crtools.kinds.files.terminal is what a pair has beside its open files.

A terminal whose master is not in the tree is the one that a shell's job was started from. With
--shell-job the tool's own takes its place.
"""

from __future__ import annotations

import os

from crtools.abi.fcntl import O_PATH
from crtools.images.messages.fdinfo import FdTypes
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext

# Majors of terminals (Documentation/admin-guide/devices.txt): BSD pairs, virtual consoles and
# serial ports, tty/console/ptmx, USB modems and serial adapters, other serial ports, hypervisors'
# consoles; 136 is that of /dev/pts.
TTY_MAJORS = frozenset((2, 3, 4, 5, *range(136, 144), 166, 188, 204, 229))
PTS_MAJOR = 136
PTMX = os.makedev(5, 2)
OWN_TERMINAL = os.makedev(5, 0)  # /dev/tty
CONSOLE = os.makedev(5, 1)
DEVPTS = "/dev/pts"
LAST_INDEX = (1 << 20) - 1


class Tty(FileKind):
    type = FdTypes.TTY
    field = "tty"

    def matches(self, file: OpenFile) -> bool:
        return not file.flags & O_PATH and os.major(file.stat.st_rdev) in TTY_MAJORS

    def dumper(self, context: DumpContext) -> FileDumper:
        from crtools.kinds.files.tty_dump import TtyDumper

        return TtyDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        from crtools.kinds.files.tty_restore import TtyPlanner

        return TtyPlanner(context)


def encode(device: int) -> int:
    """new_encode_dev, linux/kdev_t.h."""
    major, minor = os.major(device), os.minor(device)
    return minor & 0xFF | major << 8 | (minor & ~0xFF) << 12


def decode(device: int) -> tuple[int, int]:
    return (device & 0xFFF00) >> 8, device & 0xFF | device >> 12 & 0xFFF00


def external_key(rdev: int, dev: int) -> str:
    """What --external tty[...] and --inherit-fd call a terminal: the numbers of stat(2)."""
    return f"{rdev:x}:{dev:x}"


def show(name: bytes) -> str:
    """A link's text, for messages."""
    return name.decode("utf-8", "backslashreplace")
