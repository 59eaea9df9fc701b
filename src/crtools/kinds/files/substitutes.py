"""Files whose path leads to them no more: what takes the path's place in the images.

A file without any name left is a ghost (crtools.kinds.files.ghost). One that has other names (hard
links elsewhere) gets a temporary name beside its old one, if --link-remap allows that, since /proc
does not tell the others; its file handle is written down as well, which finds it without that
name. Restoring, the tool makes or finds the inode and holds it; tasks open it again through
/proc/TOOL/fd/N.
"""

from __future__ import annotations

import errno
import os
from stat import S_IFDIR, S_IFMT, S_IFREG

from crtools import log
from crtools.errors import ImageError, RestoreConflict, UnsupportedObject
from crtools.images.messages.crtools_path import CrtoolsPathEntry
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.regfile import RegFileEntry
from crtools.images.messages.remap_file_path import RemapFilePathEntry, RemapType
from crtools.kinds.files import ghost as ghosts
from crtools.kinds.files.handle import from_entry, open_handle, read_handle, to_entry
from crtools.kinds.files.mounts import Mounts, open_covered
from crtools.kinds.files.overlay import is_of_lower_layer, is_overlay
from crtools.kinds.files.path import below, check_entry, check_path, decode, encode, reopening

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crtools.kinds.files.base import DumpContext, OpenFile
    from crtools.kinds.files.ended import Ended
    from crtools.kinds.files.irmap import Irmap
    from crtools.procfs.mountinfo import Mount

_OLD_GHOST = 1 << 31  # in the id of a remap entry without a type, of old image sets
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


# --- Dumping ---


class Substitutes:
    """A dump's files that cannot be found by their path."""

    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.ghosts: dict[tuple[int, int], ghosts.Ghost] = {}
        self.links: dict[tuple[int, int], int] = {}  # inode -> id of the entry with its new name
        self.remaps: list[RemapFilePathEntry] = []
        self.paths: dict[int, CrtoolsPathEntry] = {}
        # Names that were given: root, path below it, id of the entry.
        self.made: list[tuple[int, bytes, int]] = []
        self.mounts = Mounts(context)
        self.irmap: Irmap | None = None

    def add(self, file: OpenFile, id: int, name: bytes, root: int) -> str:
        """Finds a substitute for entry `id`, whose file was at `name` below `root`; the name to
        write there. Raises UnsupportedObject."""
        key = (file.stat.st_dev, file.stat.st_ino)
        text = decode(name)
        mount = self.mounts.mount_of(file)
        if mount is None:
            raise self.context.refuse(
                file,
                f"it is {text}, a file on no mount of the task's",
                "the kernel made it for itself, or its file system was unmounted",
                "let the program close it before the dump",
            )
        deleted = file.link != name
        if file.stat.st_nlink and key not in self.ghosts:
            if key not in self.links:
                if self._is_ended(file, id, name):
                    return text
                if not deleted and self._is_covered(file, id, name, mount, root):
                    return text
                if not (deleted and self._is_nameless(file, name, mount)):
                    other = self._name_again(file, name, text, root)
                    if other:
                        return decode(other)
            link = self.links.get(key)
            if link is not None:
                self._remap(id, link, RemapType.LINKED)
                return text
        ghost = self.ghosts.get(key)
        if ghost is None:
            number = len(self.ghosts) + 1
            ghost = self.ghosts[key] = ghosts.examine(self.context, file, text, number)
        directory = name.rpartition(b"/")[0]
        if not self.mounts.is_on(mount, directory, root):
            self.paths[id] = self._covered(file, id, mount, directory, root, itself=False)
        self._remap(id, ghost.id, RemapType.GHOST)
        return text

    def _remap(self, id: int, target: int, kind: int) -> None:
        self.remaps.append(RemapFilePathEntry(orig_id=id, remap_id=target, remap_type=kind))

    def finish(self) -> None:
        """Writes ghost-file-*.img, remap-fpath.img and images of our own."""
        store = self.context.store
        for ghost in self.ghosts.values():
            ghosts.write(self.context, ghost)
        if self.ghosts:
            store.write("crtools-ghost", [ghost.own for ghost in self.ghosts.values()])
        if self.remaps:
            store.write("remap-fpath", self.remaps)
        if self.paths:
            store.write("crtools-path", list(self.paths.values()))
        if self.irmap is not None:
            self.irmap.finish()

    def undo(self) -> None:
        """Takes away the names that were given."""
        while self.made:
            root, path, _ = self.made.pop()
            os.unlink(path, dir_fd=root)

    def let_go(self) -> None:
        """After a dump whose tree runs on: takes away the names that it can be restored without,
        by a file handle."""
        kept = []
        for root, path, id in self.made:
            if id in self.paths:
                os.unlink(path, dir_fd=root)
            else:
                kept.append((root, path, id))
                log.warning(
                    f"/{os.fsdecode(path)} stays until the images are restored: its file system"
                    " has no file handles"
                )
        self.made = kept

    # --- Other names ---

    def _is_covered(self, file: OpenFile, id: int, name: bytes, mount: Mount, root: int) -> bool:
        """Whether the file is at its path all the same, and another mount lies over that; then
        what finds it there is written down. Raises UnsupportedObject where nothing does."""
        on = self.mounts.is_on
        # A mount may lie over the file alone.
        if on(mount, name.rpartition(b"/")[0], root) and on(mount, name, root):
            return False
        self.paths[id] = self._covered(file, id, mount, name, root, itself=True)
        return True

    def _covered(
        self, file: OpenFile, id: int, mount: Mount, path: bytes, root: int, *, itself: bool
    ) -> CrtoolsPathEntry:
        """The entry for what is at `path` on the mount; the file `itself`, or the directory that it
        was deleted from, or one above if that is gone as well."""
        try:
            fd = open_covered(root, mount.mountpoint, path, os.O_PATH | os.O_CLOEXEC)
            try:
                found = os.fstat(fd)
            finally:
                os.close(fd)
            if itself and (found.st_dev, found.st_ino) != (file.stat.st_dev, file.stat.st_ino):
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        except OSError as error:
            if not itself and error.errno == errno.ENOENT and len(path) > len(mount.mountpoint):
                above = path.rpartition(b"/")[0]
                return self._covered(file, id, mount, above, root, itself=False)
            raise self.context.refuse(
                file,
                f"it is {os.fsdecode(file.link)}, and another mount lies over that path",
                f"it cannot be found below: {os.strerror(error.errno or 0)}",
                "unmount what covers it, or let the program close it before the dump",
            ) from error
        return CrtoolsPathEntry(id=id, below=decode(mount.mountpoint))

    def _is_ended(self, file: OpenFile, id: int, name: bytes) -> bool:
        """Whether it is a file of /proc, of a process that has ended; then that is written down."""
        if file.stat.st_dev != os.stat(".", dir_fd=self.context.proc).st_dev:
            return False
        from crtools.kinds.files.ended import process_of

        pid = process_of(self.context.proc, name)
        if pid:
            self._remap(id, pid, RemapType.PROCFS)
        return bool(pid)

    def _is_nameless(self, file: OpenFile, name: bytes, mount: Mount) -> bool:
        """Whether a deleted file has no name although it has a link count."""
        if not is_overlay(mount):
            return False
        return is_of_lower_layer(mount, name, os.stat(file.via, dir_fd=self.context.proc))

    def _name_again(self, file: OpenFile, name: bytes, text: str, root: int) -> bytes:
        """Gives the file a temporary name, which is noted in `links`, or finds another one that it
        has, which is given back. Neither if it has no name at all. Raises UnsupportedObject."""
        context = self.context
        mode = file.stat.st_mode
        options = context.options
        if S_IFMT(mode) == S_IFDIR:
            raise context.refuse(
                file,
                f"the directory {text} is not at that path any more",
                "something else was put there, and a directory has no second name",
                "let the program leave it before the dump",
            )
        if file.stat.st_dev == os.stat(".", dir_fd=context.proc).st_dev:
            raise context.refuse(
                file,
                f"it is {text}, of a thread that has ended",
                "its process lives, and another thread with that number would be seen",
                "let the program close it before the dump",
            )
        failed: UnsupportedObject | None = None
        if options.link_remap:
            try:
                self._link(file, name, text, root)
                return b""
            except UnsupportedObject as error:
                failed = error
        if options.force_irmap:
            from crtools.kinds.files.irmap import Irmap

            if self.irmap is None:
                self.irmap = Irmap(context)
            other = self.irmap.find(file, name, root)
            if other:
                return other
        if failed is not None:
            raise failed
        from crtools.kinds.files.irmap import find_known

        other = find_known(context, file, root)
        raise context.refuse(
            file,
            f"its name {text} was removed or leads elsewhere",
            f"the file has {file.stat.st_nlink} other name(s)"
            + (f", {os.fsdecode(other)} is one" if other else " that the kernel does not tell"),
            "pass --link-remap, which gives it a temporary name beside the old one, or"
            " --force-irmap, which searches for the others",
        )

    def _link(self, file: OpenFile, name: bytes, text: str, root: int) -> None:
        """Makes a name for the file and an entry for that name; nothing if it has no name at all.
        Raises UnsupportedObject."""
        context = self.context
        mode = file.stat.st_mode
        id = context.new_id()
        made = self._make_name(file, name, text, id, root)
        if not made:
            return
        self.links[file.stat.st_dev, file.stat.st_ino] = id
        self.made.append((root, below(made), id))
        self._add_handle(file, id)
        context.add_entry(
            FileEntry(
                type=FdTypes.REG,
                id=id,
                reg=RegFileEntry(
                    id=id,
                    flags=file.flags,
                    pos=0,
                    fown=FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0),
                    name=decode(made),
                    size=file.stat.st_size if S_IFMT(mode) == S_IFREG else None,
                    mode=mode,
                ),
            )
        )

    def _make_name(self, file: OpenFile, name: bytes, text: str, id: int, root: int) -> bytes:
        """Beside the old name, or above it where the directory is gone or the path would be too
        long. b"" if the file has no name at all."""
        directory = name.rpartition(b"/")[0]
        number = id
        while True:
            made = b"%b/link_remap.%d" % (directory, number)
            try:
                os.link(file.via, below(made), src_dir_fd=self.context.proc, dst_dir_fd=root)
                return made
            except FileExistsError:
                number += 1
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENAMETOOLONG, errno.ENOTDIR) and directory:
                    if error.errno == errno.ENOENT and _is_directory(below(directory), root):
                        return b""
                    directory = directory.rpartition(b"/")[0]
                    continue
                raise self.context.refuse(
                    file,
                    f"its name {text} is gone, and it cannot be given another one",
                    f"linking it to {os.fsdecode(made)} failed: {os.strerror(error.errno or 0)}",
                    "let the program close it before the dump",
                ) from error

    def _add_handle(self, file: OpenFile, id: int) -> None:
        fd = os.open(file.via, os.O_PATH | os.O_CLOEXEC, dir_fd=self.context.proc)
        try:
            handle = read_handle(fd)
        finally:
            os.close(fd)
        if handle:
            self.paths[id] = CrtoolsPathEntry(id=id, handle=to_entry(handle))


def _is_directory(path: bytes, root: int) -> bool:
    try:
        return S_IFMT(os.stat(path, dir_fd=root).st_mode) == S_IFDIR
    except OSError:
        return False


# --- Restoring ---


class Held:
    """What a restore holds for its tasks: the inodes that stand in for paths.

    `numbers` are our descriptors, by the id of the regular-file entry that they stand for, once
    `create` has run.
    """

    def __init__(self, store: Any, entries: dict[int, RegFileEntry]) -> None:
        self.store = store
        self.entries = entries
        self.numbers: dict[int, int] = {}
        # Those that are the open file itself, which its task takes over: nothing else would have
        # its flags.
        self.given: dict[int, int] = {}
        self.linked: dict[int, int] = {}  # id -> id of the entry with the other name, 0: a ghost
        self.paths: dict[int, CrtoolsPathEntry] = {}
        self.ended: Ended | None = None
        self.of_ended: set[int] = set()  # ids of files of /proc, opened by their path
        self.targets: set[int] = set()  # those ids: names that --link-remap gave
        self._ghosts: dict[int, list[int]] = {}  # ghost -> ids of entries
        self._maker: ghosts.GhostMaker | None = None
        self._fds: list[int] = []
        self._root = -1
        for path in store.read("crtools-path") if store.has("crtools-path") else ():
            if path.id not in entries or path.id in self.paths:
                raise ImageError(f"An image speaks of the path {path.id}, which is not there once")
            self.paths[path.id] = path
            if path.below is not None:
                self._check_below(path)
        for remap in store.read("remap-fpath") if store.has("remap-fpath") else ():
            self._add(remap)

    def _add(self, remap: RemapFilePathEntry) -> None:
        id, kind, target = remap.orig_id, remap.remap_type, remap.remap_id
        if id in self.entries:
            check_entry(self.entries[id])
        if kind is None:
            kind = RemapType.GHOST if target & _OLD_GHOST else RemapType.LINKED
            target &= ~_OLD_GHOST
        if id not in self.entries or id in self.linked:
            raise ImageError(f"The remap-fpath image speaks of file {id}, which is not there")
        if kind == RemapType.LINKED:
            if target not in self.entries:
                raise ImageError(
                    f"The remap-fpath image says that file {id} has the name of file {target},"
                    " which is not there"
                )
            check_entry(self.entries[target])
            self.linked[id] = target
            self.targets.add(target)
        elif kind == RemapType.GHOST:
            self._ghosts.setdefault(target, []).append(id)
            self.linked[id] = 0
        elif kind == RemapType.PROCFS:
            if self.ended is None:
                from crtools.kinds.files.ended import Ended

                self.ended = Ended()
            self.ended.add(target, self.entries[id].name)
            self.of_ended.add(id)
        else:
            raise ImageError(f"File {id} has an impossible entry in the remap-fpath image")

    def _check_below(self, path: CrtoolsPathEntry) -> None:
        entry, mountpoint = self.entries[path.id], path.below or ""
        check_entry(entry)
        inside = entry.name.startswith(mountpoint.rstrip("/") + "/") or entry.name == mountpoint
        if not mountpoint.startswith("/") or "\0" in mountpoint or not inside:
            raise ImageError(
                f"An image says that {entry.name} is on the mount at {mountpoint[:200]!r}",
                because="which its path does not lead through",
            )

    def __contains__(self, id: int) -> bool:
        return id in self.linked or (id in self.paths and self.paths[id].below is not None)

    def covers(self, id: int) -> bool:
        """Whether entry `id` is looked at here: a task's, or the name that --link-remap gave."""
        return id in self or id in self.targets or id in self.of_ended

    def check(self, root: int, *, validation: str, rwx: bool) -> None:
        """Whether the other names are still there, or what had them. Raises RestoreConflict."""
        for target in sorted(self.targets):
            entry = self.entries[target]
            fd = self._find_by_handle(target, root)
            if fd < 0:
                check_path(entry, root, validation=validation, rwx=rwx)
                continue
            try:
                path = b"/proc/self/fd/%d" % fd
                check_path(entry, root, validation=validation, rwx=rwx, held=path)
            finally:
                os.close(fd)
        for id in self._find_covered():
            fd = self._open_covered(id, root)
            try:
                path = b"/proc/self/fd/%d" % fd
                check_path(self.entries[id], root, validation=validation, rwx=rwx, held=path)
            finally:
                os.close(fd)

    def _find_covered(self) -> list[int]:
        """The entries of files with a path that another mount lies over."""
        return [
            id
            for id, path in self.paths.items()
            if path.below is not None and id not in self.linked
        ]

    def _open_covered(self, id: int, root: int) -> int:
        name = self.entries[id].name
        mountpoint = encode(self.paths[id].below or "")
        try:
            return open_covered(root, mountpoint, encode(name), os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            raise RestoreConflict(
                f"The file {name} is not there",
                because="another mount lay over it, and it cannot be found below the mount at"
                f" {os.fsdecode(mountpoint)}: {os.strerror(error.errno or 0)}",
                hint="put it back as it was at the dump",
                subject=("file", name),
            ) from error

    def create(self, root: int) -> None:
        """Makes the ghosts and finds the others, below the directory `root`."""
        self._root = os.dup(root)
        if self.ended is not None:
            self.ended.create()
        if self._ghosts:
            self._maker = ghosts.GhostMaker(self.store, self._root)
            chosen = {ghost: self._choose(ids) for ghost, ids in self._ghosts.items()}
            self._maker.make(
                {
                    ghost: (self.entries[id], encode(self.paths[id].below or ""))
                    if id in self.paths
                    else (self.entries[id], b"")
                    for ghost, id in chosen.items()
                }
            )
            for ghost, made in self._maker.made.items():
                for id in self._ghosts[ghost]:
                    self.numbers[id] = made.fd
                if made.given >= 0:
                    self.given[chosen[ghost]] = made.given
        found: dict[int, int] = {}
        for id, target in self.linked.items():
            if target:
                if target not in found:
                    found[target] = self._find_linked(self.entries[id], target)
                self.numbers[id] = found[target]
        for id in self._find_covered():
            self.numbers[id] = self._open_covered(id, self._root)
            self._fds.append(self.numbers[id])
        for id, number in self.numbers.items():
            if ghosts.is_itself(self.entries[id].flags) and id not in self.given:
                self._open_itself(id, number)

    def _open_itself(self, id: int, number: int) -> None:
        """Opens what we hold once more, with O_PATH and O_NOFOLLOW, to be given to a task: by a
        link of /proc it cannot do that."""
        entry = self.entries[id]
        try:
            handle = read_handle(number)
            if not handle:
                raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
            mount = self._open_above(encode(entry.name), self._root)
            try:
                fd = open_handle(mount, handle, reopening(entry.flags) | os.O_CLOEXEC)
            finally:
                os.close(mount)
        except OSError as error:
            log.warning(f"{entry.name}: F_GETFL will not show O_NOFOLLOW: {error.strerror}")
            return
        self._fds.append(fd)
        self.given[id] = fd

    def _choose(self, ids: list[int]) -> int:
        """The entry of a ghost whose flags nobody can open it with again."""
        for id in ids:
            if ghosts.is_unique(self.entries[id].flags):
                return id
        return ids[0]

    def dress(self) -> None:
        """What comes last, when all tasks have opened theirs."""
        if self.ended is not None:
            self.ended.end()
        if self._maker is not None:
            self._maker.dress()

    def close(self, *, restored: bool) -> None:
        """Lets go. After a restore that went well, the names of --link-remap have served."""
        if self.ended is not None:
            self.ended.end()
        if self._maker is not None:
            self._maker.close()
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()
        self.numbers.clear()
        self.given.clear()
        if self._root < 0:
            return
        if restored:
            for target in self.targets:
                name = encode(self.entries[target].name)
                try:
                    os.unlink(below(name), dir_fd=self._root)
                except FileNotFoundError:
                    pass
        os.close(self._root)
        self._root = -1

    def _find_by_handle(self, target: int, root: int) -> int:
        """The inode of the entry with the other name, opened by its file handle, where the name
        is gone; -1 if it is there, or nothing else is known."""
        entry = self.entries[target]
        path = encode(entry.name)
        own = self.paths.get(target)
        if own is None or own.handle is None:
            return -1
        try:
            os.stat(below(path), dir_fd=root, follow_symlinks=False)
            return -1
        except FileNotFoundError:
            pass
        handle = from_entry(own.handle, entry.name)
        mount = self._open_above(path, root)
        try:
            return open_handle(mount, handle, os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            raise RestoreConflict(
                f"The file {entry.name} is not there",
                because="neither it, nor the file that it was another name of:"
                f" {os.strerror(error.errno or 0)}",
                hint="the images can be restored where the file still exists",
                subject=("file", entry.name),
            ) from error
        finally:
            os.close(mount)

    def _open_above(self, path: bytes, root: int) -> int:
        """The directory of a path, or the next one above that is there."""
        while True:
            path = path.rpartition(b"/")[0]
            try:
                return os.open(below(path), _DIRECTORY, dir_fd=root)
            except (FileNotFoundError, NotADirectoryError):
                if not path:
                    raise

    def _find_linked(self, entry: RegFileEntry, target: int) -> int:
        link = self.entries[target]
        source = below(encode(link.name))
        path = below(encode(entry.name))
        root = self._root
        fd = self._find_by_handle(target, root)
        # Under its old name for a moment, so that the kernel shows that one, "(deleted)".
        try:
            if fd >= 0:
                os.link(f"/proc/self/fd/{fd}", path, dst_dir_fd=root, follow_symlinks=True)
            else:
                os.link(source, path, src_dir_fd=root, dst_dir_fd=root, follow_symlinks=False)
        except OSError:
            if fd >= 0:
                self._fds.append(fd)
                return fd
            path = source
        try:
            found = os.open(path, _PATH, dir_fd=root)
            self._fds.append(found)
            return found
        except OSError as error:
            raise ghosts.not_made(entry.name, error) from error
        finally:
            if path is not source:
                os.unlink(path, dir_fd=root)
                if fd >= 0:
                    os.close(fd)
