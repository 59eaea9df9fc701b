"""/proc/PID/mountinfo: the mounts of a task's namespace below its root (proc_pid_mountinfo(5))."""

from __future__ import annotations

from crtools.procfs.files import misread, read_task_file, unescape
from crtools.procfs.record import Record


class Mount(Record):
    """One mount.

    `dev` is (major, minor); `root` is the directory of the filesystem that is mounted, and
    `deleted` says that it was removed; `mountpoint` is seen from the root of the task whose file
    was read; `options` are the mount's, `super_options` the filesystem's. `shared`, `master` and
    `propagate_from` are peer groups or None. `source` may be empty.
    """

    __slots__ = (
        "mnt_id",
        "parent_id",
        "dev",
        "root",
        "mountpoint",
        "options",
        "shared",
        "master",
        "propagate_from",
        "unbindable",
        "fstype",
        "source",
        "super_options",
        "deleted",
    )

    def __init__(
        self,
        mnt_id: int,
        parent_id: int,
        dev: tuple[int, int],
        root: bytes,
        mountpoint: bytes,
        options: bytes,
        shared: int | None,
        master: int | None,
        propagate_from: int | None,
        unbindable: bool,
        fstype: bytes,
        source: bytes,
        super_options: bytes,
        deleted: bool,
    ) -> None:
        self.mnt_id = mnt_id
        self.parent_id = parent_id
        self.dev = dev
        self.root = root
        self.mountpoint = mountpoint
        self.options = options
        self.shared = shared
        self.master = master
        self.propagate_from = propagate_from
        self.unbindable = unbindable
        self.fstype = fstype
        self.source = source
        self.super_options = super_options
        self.deleted = deleted


def parse_mountinfo(data: bytes) -> dict[int, Mount]:
    """The mounts by mnt_id, in the kernel's order. Raises InternalError, naming the line."""
    mounts: dict[int, Mount] = {}
    lines = data.split(b"\n")
    if lines.pop():
        raise misread("/proc/PID/mountinfo", data[-200:], "its last line is cut off")
    line = b""
    try:
        for line in lines:
            # A source can be empty, so columns are parted by single spaces. No field before the
            # lone dash can hold a space: those of names are escaped.
            mount, _, filesystem = line.partition(b" - ")
            mnt_id, parent_id, dev, root, mountpoint, options, *optional = mount.split(b" ")
            fstype, source, super_options = filesystem.split(b" ", 2)
            major, minor = dev.split(b":")
            tags: dict[bytes, bytes] = {}
            for field in optional:
                tag, _, value = field.partition(b":")
                tags[tag] = value
            deleted = root.endswith(b"//deleted")
            if deleted:
                root = root[:-9]
            number = int(mnt_id)
            mounts[number] = Mount(
                number,
                int(parent_id),
                (int(major), int(minor)),
                unescape(root),
                unescape(mountpoint),
                options,
                int(tags[b"shared"]) if b"shared" in tags else None,
                int(tags[b"master"]) if b"master" in tags else None,
                int(tags[b"propagate_from"]) if b"propagate_from" in tags else None,
                b"unbindable" in tags,
                unescape(fstype),
                unescape(source),
                unescape(super_options),
                deleted,
            )
    except ValueError:
        raise misread("/proc/PID/mountinfo", line) from None
    return mounts


def read_mountinfo(proc: int, pid: int, tid: int | None = None) -> dict[int, Mount]:
    """The mounts that a task sees, by mnt_id."""
    return parse_mountinfo(read_task_file(proc, pid, "mountinfo", tid))
