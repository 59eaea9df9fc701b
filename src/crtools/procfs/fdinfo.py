"""/proc/PID/fdinfo/FD: what an open file says of itself (proc_pid_fdinfo(5)).

The first lines are everyone's, the others the kind's: their meaning is told beside the kind.
"""

from __future__ import annotations

from crtools.errors import MissingFeature, TaskVanished
from crtools.procfs.files import list_task_directory, misread, read_task_file
from crtools.procfs.record import Record


class FdInfo(Record):
    """Of one descriptor.

    `pos` is in bytes, `flags` are O_* bits with O_CLOEXEC for the descriptor's own flag, `mnt_id`
    is that of mountinfo (of no mount that is shown, for pipes and the like), `ino` None before
    Linux 5.14. `extra` has the other lines: what is before the colon (or, of inotify and fanotify,
    the first word) -> the rest of each such line, stripped, in order.
    """

    __slots__ = ("extra", "flags", "ino", "mnt_id", "pos")

    def __init__(
        self,
        pos: int,
        flags: int,
        mnt_id: int,
        ino: int | None = None,
        extra: dict[bytes, list[bytes]] | None = None,
    ) -> None:
        self.pos = pos
        self.flags = flags
        self.mnt_id = mnt_id
        self.ino = ino
        self.extra = {} if extra is None else extra

    def one(self, key: bytes) -> bytes:
        """The value of a line that there is one of. Raises InternalError if there is not."""
        values = self.extra.get(key, [])
        if len(values) != 1:
            raise misread(
                "/proc/PID/fdinfo", key, f"there are {len(values)} such lines instead of one"
            )
        return values[0]


_USUAL = [b"flags:", b"mnt_id:", b"ino:"]


def parse_fdinfo(data: bytes) -> FdInfo:
    """One fdinfo file. Raises InternalError, naming the line."""
    pos = flags = mnt_id = ino = None
    extra: dict[bytes, list[bytes]] = {}
    line = data
    try:
        # Most have nothing but these.
        if data.count(b"\n") == 4 and data.startswith(b"pos:\t"):
            words = data.split()
            if words[2::2] == _USUAL:
                return FdInfo(int(words[1]), int(words[3], 8), int(words[5]), int(words[7]))
        for line in data.split(b"\n"):
            key, colon, value = line.partition(b":")
            if key == b"pos":
                pos = int(value)
            elif key == b"flags":
                flags = int(value, 8)
            elif key == b"mnt_id":
                mnt_id = int(value)
            elif key == b"ino":
                ino = int(value)
            elif key.startswith((b"inotify ", b"fanotify ")):
                key, _, value = line.partition(b" ")
                extra.setdefault(key, []).append(value.strip())
            elif colon:
                extra.setdefault(key.strip(), []).append(value.strip())
            elif line.startswith(b"  ") and extra:
                # An entry of the list that a line before has begun: "PollList:" of an io_uring.
                extra[next(reversed(extra))].append(line.strip())
            elif line:
                raise ValueError(line)
    except (ValueError, IndexError):
        raise misread("/proc/PID/fdinfo", line) from None
    if pos is None or flags is None or mnt_id is None:
        raise misread("/proc/PID/fdinfo", data, "pos, flags or mnt_id is missing")
    return FdInfo(pos, flags, mnt_id, ino, extra)


def read_fdinfo(proc: int, pid: int, fd: int, tid: int | None = None) -> FdInfo:
    """Of one descriptor of a process. Raises TaskVanished if it was closed meanwhile."""
    try:
        return parse_fdinfo(read_task_file(proc, pid, f"fdinfo/{fd}", tid))
    except MissingFeature:
        raise TaskVanished(
            f"Descriptor {fd} of task {tid or pid} was closed while it was being looked at",
            subject=("task", tid or pid, "fd", fd),
        ) from None


def read_fds(proc: int, pid: int, tid: int | None = None) -> list[int]:
    """The numbers of the open descriptors, ascending."""
    return sorted(map(int, list_task_directory(proc, pid, "fd", tid)))
