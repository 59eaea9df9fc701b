"""Character devices that are as good when they are opened again: their drivers keep nothing for who
has them open.

Which device has which number, only those of major 1 have fixed (Documentation/admin-guide/
devices.txt); of the others sysfs tells the name.
"""

from __future__ import annotations

import os

from crtools.abi.fcntl import O_ACCMODE, O_WRONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import OpenFile

KMSG = os.makedev(1, 11)
# By the names that their drivers give them: requests to them begin and end with the call, or answer
# with a descriptor that is a file of its own.
REOPENED = frozenset(
    (b"autofs", b"btrfs-control", b"hwrng", b"kvm", b"loop-control", b"userfaultfd", b"vsock")
)
# Terminals and virtual consoles (devices.txt): nothing to be looked up.
_TERMINALS = frozenset((4, 5, 7, *range(136, 144)))


def is_reopened(file: OpenFile) -> bool:
    """Whether a character device, which is none of those that keep nothing at all, can be opened
    again."""
    device = file.stat.st_rdev
    if device == KMSG:
        # Whoever only writes to the log has no place in it.
        return file.flags & O_ACCMODE == O_WRONLY
    if os.major(device) in _TERMINALS:
        return False
    name = name_of(device)
    return name in REOPENED or (name.startswith(b"rtc") and is_quiet_clock(name))


def name_of(device: int) -> bytes:
    """What the kernel calls a character device, "" if nobody tells."""
    try:
        path = f"/sys/dev/char/{os.major(device)}:{os.minor(device)}/uevent"
        with open(path, "rb") as text:
            for line in text:
                if line.startswith(b"DEVNAME="):
                    return line[8:].strip()
    except OSError:
        pass
    return b""


def is_quiet_clock(name: bytes) -> bool:
    """Whether a real-time clock does not interrupt: who had it open has not asked for that, or
    opened again it would be without. Only of the first clock does anybody tell (rtc(4))."""
    if name != b"rtc0":
        return False
    try:
        with open("/proc/driver/rtc", "rb") as text:
            lines = text.read().split(b"\n")
    except OSError:
        return False
    found = {line.partition(b":")[0].strip(): line.partition(b":")[2].strip() for line in lines}
    return all(found.get(key) == b"no" for key in (b"update IRQ enabled", b"periodic IRQ enabled"))
