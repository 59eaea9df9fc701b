"""Pipes by which the kernel asks a daemon to mount something: autofs
(Documentation/filesystems/autofs.rst, autofs-mount-control.rst).

The kernel has the write end, for as long as the file system is mounted; most daemons have only the
read end. The options of such a mount in /proc/PID/mountinfo tell the inode of the pipe, and the
process group that is not asked about (fs/autofs/inode.c, autofs_show_options; the former with
CONFIG_CHECKPOINT_RESTORE). The file system stays mounted when the daemon ends, and asks nobody:
who comes along is told ENOENT. /dev/autofs gives it a new pipe then, and the group of the caller.
That is done when all files are in their places.

Who has asked and is not answered yet waits in the kernel, and would be told ENOENT by the change of
pipes: so a dump is refused while somebody waits. Only the kernel's memory tells who waits for an
answer to what the daemon has read (docs/decisions/0014-reading-the-kernel.md); where that cannot be
read, a warning says so.

CRIU's autofs image belongs to a tree with mounts of its own; this is about those of the host.
"""

from __future__ import annotations

import os
import struct

from crtools import log
from crtools.abi import kernel
from crtools.abi.fcntl import AT_FDCWD, O_ACCMODE, O_CLOEXEC, O_RDONLY, O_WRONLY
from crtools.abi.x86_64 import (
    SYS_close,
    SYS_ioctl,
    SYS_openat,
    SYS_pidfd_getfd,
    SYS_pidfd_open,
)
from crtools.agent.program import ref_at
from crtools.errors import ImageError, MissingFeature, PermissionDenied, RestoreConflict
from crtools.images.messages.crtools_autofs import CrtoolsAutofsEntry
from crtools.procfs.mountinfo import parse_mountinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from crtools.agent.program import Arg
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext, PlannedFile, Programs
    from crtools.kinds.files.pipe_buffer import Buffer
    from crtools.procfs.mountinfo import Mount

DEVICE = "/dev/autofs"
FIONREAD = 0x541B
# linux/auto_dev-ioctl.h: requests, and struct autofs_dev_ioctl with its path behind it.
OPENMOUNT, SETPIPEFD, CATATONIC = 0xC0189374, 0xC0189378, 0xC0189379
_REQUEST = struct.Struct("<3IiQ")  # version 1.1, size, descriptor of the mount, argument
_FD_AT, _ARGUMENT_AT = 12, 16
_MOST_PATH = 4096  # bytes: PATH_MAX


def pack_request(path: bytes = b"", argument: int = 0) -> bytearray:
    """struct autofs_dev_ioctl, without a mount."""
    tail = path + b"\0" if path else b""
    return bytearray(_REQUEST.pack(1, 1, _REQUEST.size + len(tail), -1, argument) + tail)


def options_of(mount: Mount) -> dict[bytes, bytes]:
    """`rw,fd=5,pgrp=812,timeout=300,minproto=5,maxproto=5,indirect,pipe_ino=40213`."""
    found = {}
    for option in mount.super_options.split(b","):
        name, _, value = option.partition(b"=")
        found[name] = value
    return found


def number_of(options: Mapping[bytes, bytes], name: bytes) -> int:
    """An option's number, -1 where it is not told."""
    value = options.get(name, b"")
    return int(value) if value.isdigit() else -1


def find_mounts(text: bytes) -> Iterator[Mount]:
    """Those of autofs in a mountinfo."""
    if b" - autofs " in text:
        for mount in parse_mountinfo(text).values():
            if mount.fstype == b"autofs":
                yield mount


def open_mount(mount: Mount) -> tuple[int, int]:
    """Descriptors of /dev/autofs and of the mount, also where another one is upon it; nobody is
    asked. Raises OSError."""
    device = os.open(DEVICE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        major, minor = mount.dev
        number = minor & 0xFF | major << 8 | (minor & ~0xFF) << 12  # linux/kdev_t.h, new_encode_dev
        request = pack_request(mount.mountpoint, number)
        kernel.checked(SYS_ioctl, device, OPENMOUNT, kernel.address_of(request))
    except BaseException:
        os.close(device)
        raise
    return device, struct.unpack_from("<i", request, _FD_AT)[0]


# --- Dump ---


class AutofsDump:
    """The pipes of a dump that a file system has the write end of."""

    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.entries: list[CrtoolsAutofsEntry] = []
        fd = os.open("self/mountinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=context.proc)
        with open(fd, "rb") as text:
            self._mounts = list(find_mounts(text.read()))

    def add(self, buffer: Buffer) -> bool:
        """Whether there is such a file system. Raises UnsupportedObject where it cannot be given
        another pipe as it is."""
        found = [
            mount
            for mount in self._mounts
            if number_of(options_of(mount), b"pipe_ino") == buffer.id
        ]
        for mount in found:
            reader = buffer.reader
            assert reader is not None
            pgrp = number_of(options_of(mount), b"pgrp")
            if os.getpgid(reader.pid) != pgrp:
                raise self._refuse(
                    reader,
                    mount,
                    f"the process group that it does not ask about, {pgrp}, is not that of the task"
                    " that reads",
                )
            self._check_idle(reader, mount)
            self.entries.append(
                CrtoolsAutofsEntry(
                    pipe_id=buffer.id, mountpoint=mount.mountpoint, pid=reader.pid, pgrp=pgrp
                )
            )
        return bool(found)

    def _check_idle(self, reader: OpenFile, mount: Mount) -> None:
        """Raises UnsupportedObject if somebody waits for an answer."""
        fd = self.context.borrow(reader)
        try:
            count = bytearray(4)
            kernel.checked(SYS_ioctl, fd, FIONREAD, kernel.address_of(count))
        finally:
            os.close(fd)
        if any(count) or self._is_waited_for(reader, mount):
            raise self._refuse(
                reader,
                mount,
                "somebody waits for an answer, and would be told that there is nothing",
                "dump again when the program has answered",
            )

    def _is_waited_for(self, reader: OpenFile, mount: Mount) -> bool:
        from crtools.tracee.kernel_memory import KernelMemory

        try:
            # First, since it takes long: nobody can unmount what we have open (EBUSY).
            memory = KernelMemory()
            device, held = open_mount(mount)
            try:
                inode = memory.pointer(memory.own_file(held), "file", "f_inode")
                block = memory.pointer(inode, "inode", "i_sb")
                own = memory.pointer(block, "super_block", "s_fs_info")
                return bool(memory.pointer(own, "autofs_sb_info", "queues"))
            finally:
                os.close(held)
                os.close(device)
        except OSError as error:
            raise self._refuse(
                reader, mount, f"{DEVICE} does not lead to it: {error.strerror}"
            ) from error
        except (MissingFeature, PermissionDenied) as error:
            log.warning(
                "%s: who waits for an answer to what was read already, would be told that there is"
                " nothing (%s)",
                self.context.describe(reader),
                error.because or error.what,
                pid=reader.pid,
            )
            return False

    def _refuse(self, file: OpenFile, mount: Mount, because: str, hint: str = "") -> Exception:
        return self.context.refuse(
            file,
            f"it is the pipe by which the autofs at {os.fsdecode(mount.mountpoint)} asks",
            because,
            hint or "unmount it, or let the program close the pipe before the dump",
        )


# --- Restore ---


class AutofsPlan:
    """Gives file systems the pipes of a restore."""

    def __init__(self, context: PlanContext, pipes: Mapping[int, Iterable[PlannedFile]]) -> None:
        """Raises ImageError. The files of `pipes` have their places already."""
        self.context = context
        self.held: list[int] = []  # descriptors of ours
        self._jobs: list[tuple[CrtoolsAutofsEntry, Connecting]] = []
        for entry in context.store.read("crtools-autofs"):
            reader = find_end(entry, pipes, O_WRONLY)
            where = entry.mountpoint
            if reader < 0 or not 0 < len(where) < _MOST_PATH or b"\0" in where:
                raise ImageError(
                    f"The crtools-autofs image has an impossible pipe, {entry.pipe_id}"
                )
            job = Connecting(context, entry, reader, find_end(entry, pipes, O_RDONLY))
            self._jobs.append((entry, job))
            context.add_late(entry.pid, job)

    def check(self) -> None:
        """Raises RestoreConflict."""
        with open("/proc/self/mountinfo", "rb") as text:
            mounts = list(find_mounts(text.read()))
        for entry, job in self._jobs:
            there = [mount for mount in mounts if mount.mountpoint == entry.mountpoint]
            job.mount = find_free(there, entry.pgrp)
            if job.mount is None:
                where = os.fsdecode(entry.mountpoint)
                raise RestoreConflict(
                    f"Cannot restore pipe {entry.pipe_id}, by which the autofs at {where} asked",
                    because="another daemon answers there now"
                    if there
                    else "no autofs is mounted there any more",
                    hint=f"end that daemon, or umount {where}" if there else "dump it again",
                )

    def create(self) -> None:
        """Has the mounts give up the pipe that nobody reads, of the daemon that was dumped. Raises
        RestoreConflict."""
        for _, job in self._jobs:
            if job.mount is None:
                continue
            try:
                job.device, job.held = open_mount(job.mount)
                self.held += (job.device, job.held)
                # What asks nobody can be opened, also where the mount itself is what to ask about.
                request = pack_request()
                struct.pack_into("<i", request, _FD_AT, job.held)
                kernel.checked(SYS_ioctl, job.device, CATATONIC, kernel.address_of(request))
            except OSError as error:
                raise RestoreConflict(
                    f"Cannot restore {job.what()}",
                    because=f"{DEVICE}: {error.strerror}",
                    hint="restore as root, where there is that device",
                ) from error

    def close(self) -> None:
        for fd in self.held:
            os.close(fd)
        self.held.clear()


def find_end(
    entry: CrtoolsAutofsEntry, pipes: Mapping[int, Iterable[PlannedFile]], unwanted: int
) -> int:
    """The number by which the process of an entry has an end of its pipe that is not only open for
    the `unwanted` access mode, -1 if it has none."""
    for file in pipes.get(entry.pipe_id, ()):
        if file.message.flags & O_ACCMODE != unwanted:
            for pid, fd, _ in file.users:
                if pid == entry.pid:
                    return fd
    return -1


def find_free(mounts: Iterable[Mount], pgrp: int) -> Mount | None:
    """One that asks nobody, or whom the images are about: that daemon is gone, or its number would
    not be free."""
    for mount in mounts:
        options = options_of(mount)
        if number_of(options, b"pipe_ino") < 0 or number_of(options, b"pgrp") == pgrp:
            return mount
    return None


class Connecting:
    """Gives one file system that has no pipe (catatonic) the write end of one, and the caller's
    process group."""

    def __init__(
        self, context: PlanContext, entry: CrtoolsAutofsEntry, reader: int, writer: int
    ) -> None:
        self.context = context
        self.entry = entry
        self.reader = reader
        self.writer = writer  # -1: it has none
        self.mount: Mount | None = None
        self.device = self.held = -1

    def __call__(self, programs: Programs) -> None:
        program = programs.need(2048)
        what = self.what
        tool = program.call(SYS_pidfd_open, self.context.tool_pid, 0, label="find crtools")
        device, mount = (
            program.call(SYS_pidfd_getfd, tool, fd, 0, label=lambda: f"take over {what()}")
            for fd in (self.device, self.held)
        )
        opened = [mount, device, tool]
        writer: Arg = self.writer
        if self.writer < 0:
            path = program.put(b"/proc/self/fd/%d\0" % self.reader, 1)
            writer = program.call(
                *(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC),
                label=lambda: f"open the write end of {what()}",
            )
            opened.append(writer)
        argument = program.put(bytes(pack_request()))
        program.store(mount, ref_at(argument, _FD_AT))
        program.store(writer, ref_at(argument, _ARGUMENT_AT))
        program.call(SYS_ioctl, device, SETPIPEFD, argument, label=lambda: f"connect {what()}")
        for fd in opened:
            program.call(SYS_close, fd)

    def what(self) -> str:
        where = os.fsdecode(self.entry.mountpoint)
        pipe = f"pipe {self.entry.pipe_id} of task {self.entry.pid}"
        return f"{pipe}, by which the autofs at {where} asks"
