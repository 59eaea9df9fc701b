"""Mappings of overlay file systems' files that show what the file was before it was copied up.

A file of a lower layer is copied to the upper one when somebody opens it for writing. Who has
mapped it before goes on seeing the lower one (Documentation/filesystems/overlayfs.rst,
"Non-standard behavior"), and /proc calls both the same. What was opened for writing itself is never
such a mapping. The copy is younger than the process, by which the others are passed over.
"""

from __future__ import annotations

import os
import struct
import time

from crtools.abi import kernel
from crtools.abi.kernel import PAGE
from crtools.errors import UnsupportedObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.model.tree import Process
    from crtools.procfs.maps import Vma

SYS_statfs, SYS_statx = 137, 332
OVERLAYFS_SUPER_MAGIC = 0x794C7630  # linux/magic.h
STATX_BTIME = 0x800  # linux/stat.h
AT_FDCWD = -100 & 0xFFFFFFFFFFFFFFFF
_PIECE = 1 << 20
_TICKS = 100  # a second, of /proc/PID/stat: USER_HZ
# A clock that was set meanwhile may be as far off (seconds); it costs no more than comparing.
_DOUBT = 3600
_WORD = struct.Struct("<Q")
# Documentation/admin-guide/mm/pagemap.rst
_PRESENT, _SWAPPED, _FILE = 1 << 63, 1 << 62, 1 << 61


def check_copied_up(proc: int, process: Process, vma: Vma) -> None:
    """Raises UnsupportedObject if a file's mapping shows what the file does not hold any more."""
    link = f"{process.via}/map_files/{vma.start:x}-{vma.end:x}"
    path = f"/proc/self/fd/{proc}/{link}".encode() + b"\0"
    answer = bytearray(256)
    at = kernel.address_of(answer)
    kernel.checked(SYS_statfs, kernel.address_of(path), at)
    if int.from_bytes(answer[:8], "little") != OVERLAYFS_SUPER_MAGIC:
        return
    kernel.checked(SYS_statx, AT_FDCWD, kernel.address_of(path), 0, STATX_BTIME, at)
    born = struct.unpack_from("<q", answer, 80)[0]  # stx_btime.tv_sec
    started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    started += process.stat.starttime / _TICKS
    if int.from_bytes(answer[:4], "little") & STATX_BTIME and born < started - _DOUBT:
        return
    if _differs(proc, process.via, vma, link):
        raise UnsupportedObject(
            f"Cannot dump {process.name}: {os.fsdecode(vma.path)} is mapped at {vma.start:x} as it"
            " was before",
            because="it is on an overlay file system, was copied up since it was mapped, and has"
            " changed: no path leads to what the mapping shows",
            hint="let the program map it again, or open it for writing first",
            subject=("task", process.pid, "area", f"{vma.start:x}-{vma.end:x}"),
        )


def _differs(proc: int, pid: int, vma: Vma, link: str) -> bool:
    """Whether a page of the mapping that is the file's does not hold what the file holds."""
    flags = os.O_RDONLY | os.O_CLOEXEC
    file = os.open(link, flags, dir_fd=proc)
    memory = os.open(f"{pid}/mem", flags, dir_fd=proc)
    words = os.open(f"{pid}/pagemap", flags, dir_fd=proc)
    try:
        size = os.fstat(file).st_size
        end = min(vma.end, vma.start + -(-(size - vma.pgoff) // PAGE) * PAGE)
        for address in range(vma.start, end, _PIECE):
            length = min(_PIECE, end - address)
            wanted = os.pread(file, length, vma.pgoff + address - vma.start)
            try:
                found = os.pread(memory, length, address)
            except OSError:
                found = b""  # beyond the end of what is mapped, which the file has by now
            if found == wanted:
                continue
            wanted = wanted.ljust(length, b"\0")
            table = os.pread(words, length // PAGE * 8, address // PAGE * 8)
            for index, (word,) in enumerate(_WORD.iter_unpack(table)):
                page = slice(index * PAGE, (index + 1) * PAGE)
                own = word & _SWAPPED or word & (_PRESENT | _FILE) == _PRESENT
                if not own and found[page] != wanted[page]:
                    return True
        return False
    finally:
        for fd in (file, memory, words):
            os.close(fd)
