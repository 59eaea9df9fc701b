"""A task's place in the file system: working directory, root directory, umask (CLONE_FS)."""

from __future__ import annotations

from crtools.abi.fcntl import O_CLOEXEC, O_DIRECTORY, O_PATH
from crtools.abi.x86_64 import SYS_chroot, SYS_close, SYS_fchdir, SYS_umask
from crtools.errors import ImageError
from crtools.images.messages.fs import FsEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program
    from crtools.kinds.files.plan import FilesPlan
    from crtools.kinds.files.table import FilesDump

DEFAULT_UMASK = 0o22  # of old images, which do not say


def dump_fs(files: FilesDump, pid: int, umask: int, tid: int | None = None) -> FsEntry:
    """The entry of an fs image. `umask` is that of /proc/PID/status; `tid` is a task of the process
    that has not exited, where the leader has."""
    return FsEntry(
        cwd_id=files.add_path(pid, "cwd", tid=tid),
        root_id=files.add_path(pid, "root", tid=tid),
        umask=umask,
    )


def check_fs(entry: FsEntry, files: FilesPlan) -> None:
    """Whether the entry can be restored. Raises ImageError."""
    files.path_of(entry.cwd_id)
    files.path_of(entry.root_id)
    if entry.umask is not None and entry.umask > 0o777:
        raise ImageError(f"An fs image has an impossible umask, {entry.umask:o}")


def plan_fs(program: Program, entry: FsEntry, files: FilesPlan, pid: int) -> None:
    """Instructions that put task `pid` there.

    After all files are open: paths mean something else once the root has changed. Descriptors are
    used for a moment, at the lowest free numbers.
    """
    place = O_PATH | O_DIRECTORY | O_CLOEXEC
    cwd = files.plan_open(program, entry.cwd_id, place)
    path = files.path_of(entry.root_id)
    if path != "/" or files.root_number is not None:
        root = files.plan_open(program, entry.root_id, place)
        # chroot(2) takes a path only, so the new root is entered first.
        program.call(SYS_fchdir, root, label=f"enter {path}, to be the root of task {pid}")
        program.call(
            SYS_chroot,
            program.put(b".\0", 1),
            label=f"make {path} the root directory of task {pid}",
        )
        program.call(SYS_close, root)
    program.call(
        SYS_fchdir,
        cwd,
        label=lambda: f"make {files.path_of(entry.cwd_id)} the working directory of task {pid}",
    )
    program.call(SYS_close, cwd)
    program.call(SYS_umask, DEFAULT_UMASK if entry.umask is None else entry.umask)
