"""Files of /proc that belong to a process which has ended: open they stay, and answer ESRCH.

To open one again takes a process with that number, so crtools makes one that does nothing, for as
long as the tasks open their files; then it ends, and the files are as they were. That is also how
CRIU's images name them (remap-fpath.img, PROCFS, with the number).
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.abi.prctl import PR_SET_PDEATHSIG
from crtools.abi.signals import SIGCHLD, SIGKILL
from crtools.abi.x86_64 import SYS_clone3, SYS_pause, SYS_prctl
from crtools.errors import ImageError, RestoreConflict

_MAX_PID = 1 << 22


def process_of(proc: int, name: bytes) -> int:
    """The process that a path of /proc is of and that has ended; 0 if it is of none, or of a thread
    of one that has not."""
    words = name.split(b"/", 3)
    if words[:2] != [b"", b"proc"] or len(words) < 3 or not words[2].isdigit():
        return 0
    try:
        os.stat(words[2], dir_fd=proc)
    except FileNotFoundError:
        return int(words[2])
    return 0


class Ended:
    """Processes made to stand for those that have ended."""

    def __init__(self) -> None:
        self.wanted: dict[int, str] = {}  # by pid: a path, for errors
        self._made: list[int] = []

    def add(self, pid: int, name: str) -> None:
        """Raises ImageError."""
        if not 0 < pid < _MAX_PID or not (name + "/").startswith(f"/proc/{pid}/"):
            raise ImageError(f"The remap-fpath image says that {name} was of task {pid}")
        words = name.split("/")
        if words[3:4] == ["task"] and len(words) > 4 and words[4] != str(pid):
            raise ImageError(
                f"The remap-fpath image speaks of {name}, of a thread",
                because="the thread of a process that has ended cannot be made again",
            )
        self.wanted[pid] = name

    def create(self) -> None:
        """Raises RestoreConflict."""
        for pid, name in self.wanted.items():
            self._made.append(self._create(pid, name))

    def _create(self, pid: int, name: str) -> int:
        wanted = bytearray(struct.pack("=i", pid))
        # struct clone_args: exit_signal is the fifth word, set_tid and its length 9th and 10th.
        arguments = bytearray(
            struct.pack("=11Q", 0, 0, 0, 0, SIGCHLD, 0, 0, 0, kernel.address_of(wanted), 1, 0)
        )
        tool = os.getpid()
        made = kernel.raw(SYS_clone3, kernel.address_of(arguments), len(arguments))
        if made == 0:
            kernel.raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL)
            while os.getppid() == tool:
                kernel.raw(SYS_pause)
            os._exit(0)
        if made < 0:
            raise RestoreConflict(
                f"Cannot restore the file {name}, of a task that had ended",
                because=f"number {pid} is in use"
                if made == -errno.EEXIST
                else f"no task can be made with that number: {os.strerror(-made)}",
                hint="end the task that has it, or restore in a pid namespace of its own"
                " (unshare -pf --mount-proc crtools restore ...)",
                subject=("task", pid),
            )
        return made

    def end(self) -> None:
        while self._made:
            pid = self._made.pop()
            os.kill(pid, SIGKILL)
            os.waitpid(pid, 0)
