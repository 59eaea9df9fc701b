"""/proc/PID/maps: the areas of an address space (proc_pid_maps(5), fs/proc/task_mmu.c).

The path is what d_path says, seen from the reader's root. Only newlines in it are escaped
(`\\012`), so a name that holds those four characters looks like one with a newline: the links of
map_files (crtools.procfs.map_files) have no such doubt.
"""

from __future__ import annotations

from crtools.abi.mman import PROT_EXEC, PROT_READ, PROT_WRITE
from crtools.procfs.files import misread, read_task_file, split_deleted
from crtools.procfs.record import Record


class Vma(Record):
    """One area.

    `start` and `end` are addresses, `prot` is of PROT_* bits, `pgoff` is in bytes, `dev` is
    (major, minor), `path` is empty for an anonymous area, a file's path, or a name of the kernel's
    in brackets; `deleted` says that the path was followed by " (deleted)".
    """

    __slots__ = (
        "start",
        "end",
        "prot",
        "shared",
        "pgoff",
        "dev",
        "inode",
        "path",
        "deleted",
    )

    def __init__(
        self,
        start: int,
        end: int,
        prot: int,
        shared: bool,
        pgoff: int,
        dev: tuple[int, int],
        inode: int,
        path: bytes = b"",
        deleted: bool = False,
    ) -> None:
        self.start = start
        self.end = end
        self.prot = prot
        self.shared = shared
        self.pgoff = pgoff
        self.dev = dev
        self.inode = inode
        self.path = path
        self.deleted = deleted

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.start

    @property
    def anon_name(self) -> bytes | None:
        """The name given with prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME), None if there is none."""
        path = self.path
        if path.startswith(b"[anon:"):
            return path[6:-1]
        if path.startswith(b"[anon_shmem:"):
            return path[12:-1]
        return None


_PERMISSIONS: dict[bytes, tuple[int, bool]] = {
    read + write + execute + sharing: (
        (read != b"-") * PROT_READ | (write != b"-") * PROT_WRITE | (execute != b"-") * PROT_EXEC,
        sharing == b"s",
    )
    for read in (b"-", b"r")
    for write in (b"-", b"w")
    for execute in (b"-", b"x")
    for sharing in (b"p", b"s")
}


def parse_maps(data: bytes) -> list[Vma]:
    """The areas by ascending address. Raises InternalError, naming the line."""
    areas: list[Vma] = []
    append = areas.append
    permissions = _PERMISSIONS
    # Few files are mapped many times: their columns are worked out, and kept, once.
    devices = {b"00:00": (0, 0)}
    paths: dict[bytes, bytes] = {}
    lines = data.split(b"\n")
    if lines.pop():
        raise misread("/proc/PID/maps", data[-100:], "its last line is cut off")
    line = b""
    try:
        for line in lines:
            columns = line.split(None, 5)
            start, end = columns[0].split(b"-")
            prot, shared = permissions[columns[1]]
            device = columns[3]
            if device not in devices:
                major, minor = device.split(b":")
                devices[device] = (int(major, 16), int(minor, 16))
            path, deleted = b"", False
            if len(columns) == 6:
                path = columns[5]
                if path.endswith(b")") or b"\\" in path:
                    path, deleted = _plain_path(path)
                path = paths.setdefault(path, path)
            append(
                Vma(
                    int(start, 16),
                    int(end, 16),
                    prot,
                    shared,
                    int(columns[2], 16),
                    devices[device],
                    int(columns[4]),
                    path,
                    deleted,
                )
            )
    except (ValueError, KeyError, IndexError):
        raise misread("/proc/PID/maps", line) from None
    return areas


def read_maps(proc: int, pid: int) -> list[Vma]:
    """The areas of a process; none for a kernel thread or a zombie."""
    return parse_maps(read_task_file(proc, pid, "maps"))


def _plain_path(path: bytes) -> tuple[bytes, bool]:
    if not path.startswith(b"/"):
        return path, False
    return split_deleted(path.replace(b"\\012", b"\n"))
