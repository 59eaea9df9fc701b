"""Where files are found again: the paths that the kernel has for them, seen from their process."""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.abi.fcntl import AT_FDCWD, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW
from crtools.kinds.files.path import below
from crtools.procfs.files import explain, split_deleted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import OpenFile
    from crtools.kinds.files.substitutes import Substitutes
    from crtools.kinds.files.table import FilesDump

STATX_MNT_ID = 0x1000  # linux/stat.h, Linux 5.8
SYS_statx = 332
_statx = bytearray(256)  # struct statx
_statx_at = kernel.address_of(_statx)
_MOUNT_ID_AT = 144
_mount_id = struct.Struct("<Q")
_WORD = 0xFFFFFFFFFFFFFFFF
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Places:
    """Of the files of one dump. What has no path any more gets a substitute."""

    def __init__(self, context: FilesDump) -> None:
        self._context = context
        self._proc = context.proc
        self._roots: dict[int, int] = {}  # mount namespace -> descriptor of its root
        self._root_of: dict[int, int] = {}  # pid -> the same
        self._substitutes: Substitutes | None = None
        # What was looked at last: many descriptors in a row may be of one file.
        self._place: tuple[tuple[int, bytes], tuple[int, int]] = ((-1, b""), (-1, -1))
        self._mounts = {-1}  # those that are known to be in the mount namespace

    def locate(self, file: OpenFile, id: int) -> str:
        link = file.link
        if file.mnt_id not in self._mounts:
            self._check_mount(file)
        root = self.root_of(file)
        if self._is_at(root, link, file):
            return link.decode("utf-8", "surrogateescape")
        name, deleted = split_deleted(link)
        # Its name was removed and given back.
        if deleted and self._is_at(root, name, file):
            return name.decode("utf-8", "surrogateescape")
        if self._substitutes is None:
            from crtools.kinds.files.substitutes import Substitutes

            self._substitutes = Substitutes(self._context)
        if not deleted:
            name = link
        return self._substitutes.add(file, id, name, root)

    @property
    def made(self) -> bool:
        """Whether substitutes were made in the file system."""
        return self._substitutes is not None and bool(self._substitutes.made)

    def finish(self) -> None:
        if self._substitutes is not None:
            self._substitutes.finish()

    def undo(self) -> None:
        if self._substitutes is not None:
            self._substitutes.undo()

    def let_go(self) -> None:
        if self._substitutes is not None:
            self._substitutes.let_go()

    def close(self) -> None:
        for fd in self._roots.values():
            os.close(fd)
        self._roots.clear()
        self._root_of.clear()

    def _check_mount(self, file: OpenFile) -> None:
        """Whether a file's mount, seen for the first time, is in the mount namespace at all."""
        # Its path leads there, or to what is mounted upon it. If it is an autofs whose daemon is in
        # the tree, to have something mounted there would be to wait for the daemon, for ever.
        path = file.link + b"\0"
        result = kernel.raw(
            SYS_statx,
            AT_FDCWD & _WORD,
            kernel.address_of(path),
            AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
            STATX_MNT_ID,
            _statx_at,
        )
        if result < 0 or _mount_id.unpack_from(_statx, _MOUNT_ID_AT)[0] != file.mnt_id:
            from crtools.kinds.files.mounted import is_mounted

            if not is_mounted(self._proc, file.tid, file.mnt_id):
                raise self._context.refuse(
                    file,
                    "it is a mount that is in no mount namespace, or in it",
                    f"{_text(file.link)} is there by open_tree(2), fsmount(2) or a lazy umount(2),"
                    " and nothing tells of which file system",
                    "let the program mount it (move_mount) or close it before the dump",
                )
        self._mounts.add(file.mnt_id)

    def _is_at(self, root: int, path: bytes, file: OpenFile) -> bool:
        if (root, path) != self._place[0]:
            try:
                stat = os.stat(below(path), dir_fd=root, follow_symlinks=False)
            except OSError:
                return False
            self._place = ((root, path), (stat.st_dev, stat.st_ino))
        return (file.stat.st_dev, file.stat.st_ino) == self._place[1]

    def root_of(self, file: OpenFile) -> int:
        root = self._root_of.get(file.pid)
        if root is None:
            try:
                ours = os.stat("self/ns/mnt", dir_fd=self._proc).st_ino
                theirs = os.stat(f"{file.pid}/task/{file.tid}/ns/mnt", dir_fd=self._proc).st_ino
                root = self._roots.get(theirs, -1)
                if root < 0:
                    path = "/" if ours == theirs else f"{file.pid}/task/{file.tid}/root"
                    root = os.open(path, _DIRECTORY | os.O_PATH, dir_fd=self._proc)
                    self._roots[theirs] = root
            except OSError as error:
                raise explain(error, self._proc, file.pid, file.tid, "root") from error
            self._root_of[file.pid] = root
        return root


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
