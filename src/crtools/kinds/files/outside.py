"""Files that are named by --external and opened again through what the restore is given.

A dump writes the name instead of a path into the regular-file entry, and that it is external. As
CRIU has it: `file[MNT_ID:INODE]`, both in hexadecimal, for a file that the tree's mounts do not
lead to. Ours: `dev[NAME]` for a device node, whatever state its driver keeps.

A restore opens them through /proc/TOOL/fd/N (--inherit-fd), with the flags that the program had;
devices also by the path of --external dev[NAME]:PATH. What is named by its path is not opened
again: the descriptor that was given is the open file, with its own flags and position.
"""

from __future__ import annotations

import os
from stat import S_IFBLK, S_IFCHR, S_IFMT, S_IFREG

from crtools.errors import RestoreConflict, UnsupportedObject
from crtools.kinds.files.path import type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.regfile import RegFileEntry
    from crtools.kinds.files.base import DumpContext, OpenFile
    from crtools.model.externals import Externals, Inherited

_DEVICES = (S_IFCHR, S_IFBLK)


def name_outside(context: DumpContext, externals: Externals, file: OpenFile) -> str:
    """The name of a file that --external speaks of, "" for any other."""
    if S_IFMT(file.stat.st_mode) in _DEVICES and externals.has("dev"):
        device = file.stat.st_rdev
        id = f"{os.major(device)}/{os.minor(device)}"
        name = externals.find("dev", id)
        if name is not None:
            return f"dev[{name or id}]"
    if externals.has("file"):
        id = f"{_mount_of(context, file):x}:{file.stat.st_ino:x}"
        if externals.find("file", id) is not None:
            return f"file[{id}]"
    return ""


def _mount_of(context: DumpContext, file: OpenFile) -> int:
    """The mount's id; of what is mapped or a task's directory it takes a descriptor to see it."""
    if file.mnt_id >= 0:
        return file.mnt_id
    fd = os.open(file.via, os.O_PATH | os.O_CLOEXEC, dir_fd=context.proc)
    try:
        info = os.open(f"self/fdinfo/{fd}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=context.proc)
        try:
            text = os.read(info, 4096)
        finally:
            os.close(info)
    finally:
        os.close(fd)
    return int(text.partition(b"mnt_id:")[2].split()[0])


class Outside:
    """Which path entries of the images lead to something that this restore is given.

    `replaced` has their ids, with the path that leads there, or our descriptor.
    """

    def __init__(
        self,
        entries: dict[int, RegFileEntry],
        externals: Externals | None,
        inherited: Inherited | None,
    ) -> None:
        self.replaced: dict[int, bytes | int] = {}
        self._missing: dict[int, RegFileEntry] = {}
        for id, entry in entries.items():
            fd = inherited.find(entry.name.removeprefix("/")) if inherited is not None else -1
            if not entry.ext and fd < 0:
                continue
            path = None
            if externals is not None and entry.name.startswith("dev["):
                path = externals.find("dev", entry.name[4:-1])
            if fd >= 0:
                self.replaced[id] = fd
            elif path:
                self.replaced[id] = os.fsencode(os.path.abspath(path))
            else:
                self._missing[id] = entry

    def check(self) -> None:
        """Whether all that is outside was given, and is what it was. Raises RestoreConflict,
        UnsupportedObject."""
        for id, entry in self._missing.items():
            if not entry.name.startswith(("file[", "dev[")):
                raise UnsupportedObject(
                    f"Cannot restore file {id} ({entry.name}): a plugin of CRIU's dumped it",
                    because="crtools has no plugins",
                    hint=f"--inherit-fd fd[N]:{entry.name.removeprefix('/')}",
                    subject=("file", id),
                )
            also = f", or --external {entry.name}:PATH" if entry.name.startswith("dev[") else ""
            raise RestoreConflict(
                f"There is nothing to restore {entry.name} with",
                because="it was outside at the dump (--external), so the images do not have it",
                hint=f"--inherit-fd fd[N]:{entry.name}{also}",
                subject=("file", id),
            )

    def check_one(self, id: int, entry: RegFileEntry) -> None:
        """Whether what stands in for a path is of the type that it was."""
        given = self.replaced[id]
        try:
            stat = os.fstat(given) if isinstance(given, int) else os.stat(given)
        except OSError as error:
            raise RestoreConflict(
                f"What is given for {entry.name} cannot be looked at",
                because=os.strerror(error.errno or 0),
                subject=("file", id),
            ) from error
        # The output to a file may go elsewhere: into a pipe, to a terminal.
        if entry.mode is None or (S_IFMT(entry.mode) == S_IFREG and not entry.ext):
            return
        if S_IFMT(entry.mode) != S_IFMT(stat.st_mode):
            raise RestoreConflict(
                f"What is given for {entry.name} is of another type",
                because=f"it was {type_name(entry.mode)} at the dump, and that is"
                f" {type_name(stat.st_mode)}",
                subject=("file", id),
            )
