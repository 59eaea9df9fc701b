"""What is open outside the tree as well, or signalled there: that cannot be dumped."""

from __future__ import annotations

import errno
import os
from stat import S_ISFIFO

from crtools.abi import kernel
from crtools.abi.clone import KCMP_FILE
from crtools.abi.fcntl import F_OWNER_PGRP, F_OWNER_PID
from crtools.abi.x86_64 import SYS_kcmp
from crtools.kinds.files.look import read_key
from crtools.procfs.files import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crtools.errors import UnsupportedObject
    from crtools.images.messages.fown import FownEntry
    from crtools.kinds.files.base import OpenFile
    from crtools.kinds.files.table import FilesDump

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Ended meanwhile, or not for us to see.
_HIDDEN = (errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EPERM)


class Elsewhere:
    """Files of one dump that must not be open elsewhere, and whom they are signalled to."""

    def __init__(self, context: FilesDump) -> None:
        self._context = context
        self._proc = context.proc
        self._watched: dict[bytes, list[tuple[OpenFile, str]]] = {}
        # Those of one inode for all, by its name: task and descriptor at first sight.
        self._anonymous: dict[bytes, dict[tuple[int, int], tuple[OpenFile, str]]] = {}
        self._owned: list[tuple[OpenFile, FownEntry]] = []

    def add_owner(self, file: OpenFile, owner: FownEntry) -> None:
        self._owned.append((file, owner))

    def watch(self, file: OpenFile, what: str) -> None:
        if file.link.startswith(b"anon_inode:"):
            same = self._anonymous.setdefault(file.link, {})
            same[file.tid, file.fd] = (file, what)
            return
        self._watched.setdefault(file.link, []).append((file, what))

    def find_holder(self, file: OpenFile) -> str:
        for pid, via, link in self.other_files():
            if link == file.link and self._is_same(via, file):
                return self._context.name_task(pid)
        return ""

    def check(self) -> None:
        """Raises UnsupportedObject, naming file and process."""
        self._check_owners()
        if not self._watched and not self._anonymous:
            return
        for pid, via, link in self.other_files():
            if link in self._anonymous:
                self._check_anonymous(pid, via, link)
            # Files of one name may be different ones: all userfaultfds have the same.
            for file, what in self._watched.get(link, ()):
                if self._is_same(via, file):
                    raise self._held_outside(file, what, pid)

    def other_files(self) -> Iterator[tuple[int, str, bytes]]:
        skip = self._context.pids | {os.getpid()}
        proc = self._proc
        for name in os.listdir(proc):
            if not name.isdigit() or int(name) in skip:
                continue
            try:
                # Kernel threads and zombies have no descriptors, and answer this the fastest.
                os.readlink(name + "/exe", dir_fd=proc)
                directory = os.open(name + "/fd", _DIRECTORY, dir_fd=proc)
            except OSError as error:
                self._check_hidden(error, name)
                continue
            try:
                for fd in os.listdir(directory):
                    try:
                        link = os.readlink(fd.encode(), dir_fd=directory)
                    except OSError as error:
                        self._check_hidden(error, name)
                        continue
                    yield int(name), f"{name}/fd/{fd}", link
            except OSError as error:
                self._check_hidden(error, name)
            finally:
                os.close(directory)

    def _check_hidden(self, error: OSError, name: str) -> None:
        """Who has ended, or may not be looked at, is passed over; anything else would make an end
        outside the tree look like none."""
        if error.errno not in _HIDDEN:
            raise explain(error, self._proc, int(name), None, "fd") from error

    def _check_anonymous(self, pid: int, via: str, link: bytes) -> None:
        """Refuses what a process outside the tree has as well."""
        directory, _, number = via.rpartition("/")
        fd = int(number)
        try:
            stat = os.stat(via, dir_fd=self._proc)
            infos = os.open(f"{directory}info", _DIRECTORY, dir_fd=self._proc)
            try:
                key = read_key(infos, fd, stat)
            finally:
                os.close(infos)
        except OSError as error:
            self._check_hidden(error, str(pid))
            return
        for tid, there, _, _ in self._context.known(key):
            if kernel.raw(SYS_kcmp, pid, tid, KCMP_FILE, fd, there) == 0:
                file, what = self._anonymous[link][tid, there]
                raise self._held_outside(file, what, pid)

    def _held_outside(self, file: OpenFile, what: str, pid: int) -> UnsupportedObject:
        hint = "dump the tree of a task that has both, or end the other"
        if S_ISFIFO(file.stat.st_mode):
            from crtools.kinds.files.pipe_buffer import external_option

            hint += f"; or {external_option(file)}"
        return self._context.refuse(
            file,
            f"{what} is also open outside the tree",
            f"{self._context.name_task(pid)} has it, and is not being dumped",
            hint,
        )

    def _is_same(self, via: str, file: OpenFile) -> bool:
        """Whether two links that read the same lead to the same: two paths may not."""
        try:
            stat = os.stat(via, dir_fd=self._proc)
        except OSError as error:
            self._check_hidden(error, via.partition("/")[0])
            return False
        return stat.st_ino == file.stat.st_ino and stat.st_dev == file.stat.st_dev

    def _check_owners(self) -> None:
        """Who is to be signalled about a file must be in the tree, or the signals would go to
        nobody, or worse, to somebody else."""
        for file, owner in self._owned:
            pid = owner.pid
            if owner.pid_type == F_OWNER_PID:
                inside = pid in self._context.pids
            elif owner.pid_type == F_OWNER_PGRP:
                inside = any(_group_of(member) == pid for member in self._context.pids)
            else:
                inside = any(
                    os.access(f"{member}/task/{pid}", os.F_OK, dir_fd=self._proc)
                    for member in self._context.pids
                )
            if not inside:
                raise self._context.refuse(
                    file,
                    f"its signals go to {self._context.name_task(pid)}, which is outside the tree",
                    "fcntl(2) F_SETOWN was used on it",
                    f"dump task {pid} too",
                )


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return -1
