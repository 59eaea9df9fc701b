"""Whether a file's mount is in a mount namespace: open_tree(2) and fsmount(2) make others.

Paths in such a mount look like those of the namespace, and may lead to files that look alike.
"""

from __future__ import annotations

import os

from crtools.procfs.mountinfo import parse_mountinfo


def is_mounted(proc: int, pid: int, mnt_id: int) -> bool:
    """Whether mount `mnt_id` is one of the mount namespace of process `pid`, below its root. Raises
    OSError."""
    fd = os.open(f"{pid}/mountinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    with open(fd, "rb") as file:
        return mnt_id in parse_mountinfo(file.read())
