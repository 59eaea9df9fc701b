"""Other names of an inode whose path is gone: --force-irmap, --irmap-scan-path.

The kernel may have one at hand: a file handle leads to the name that it came across last. Else
directories are searched, which may take its time: those that --irmap-scan-path names, the one that
the file was in, some where daemons keep what they watch. What was found stands in the image
irmap-cache, and is looked at first.
"""

from __future__ import annotations

import os

from crtools.images.messages.fh import IrmapCacheEntry
from crtools.kinds.files.handle import open_handle, read_handle
from crtools.kinds.files.path import below, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import DumpContext, OpenFile

_HINTS = (b"/etc", b"/var/log", b"/var/spool", b"/var/lib", b"/usr/share")
_DEEPEST = 64  # directories within one another


class Irmap:
    """The names that a dump has found, by device and inode."""

    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.found: dict[tuple[int, int], bytes] = {}
        if context.store.has("irmap-cache"):
            for entry in context.store.read("irmap-cache"):
                path = encode(entry.path)
                self.found[_device(entry.dev), entry.inode] = path

    def find(self, file: OpenFile, name: bytes, root: int) -> bytes:
        """A path below `root` that leads to the file, which was called `name`; b"" if there is
        none."""
        stat = file.stat
        key = (stat.st_dev, stat.st_ino)
        path = self.found.get(key, b"")
        if path and _is_at(path, key, root):
            return path
        path = find_known(self.context, file, root)
        if not path:
            directories = [os.fsencode(d) for d in self.context.options.irmap_scan_path]
            for start in (*directories, name.rpartition(b"/")[0], *_HINTS):
                path = self._search(start, key, root)
                if path:
                    break
        if path:
            self.found[key] = path
        return path

    def finish(self) -> None:
        if self.found:
            self.context.store.write(
                "irmap-cache",
                [
                    IrmapCacheEntry(
                        dev=os.major(dev) << 20 | os.minor(dev),
                        inode=inode,
                        path=decode(path),
                    )
                    for (dev, inode), path in self.found.items()
                ],
            )

    def _search(self, start: bytes, key: tuple[int, int], root: int) -> bytes:
        """Below one directory, on the file's own device."""
        todo = [(start, 0)]
        while todo:
            path, depth = todo.pop()
            try:
                fd = os.open(below(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
            except OSError:
                continue
            try:
                if os.fstat(fd).st_dev != key[0]:
                    continue
                with os.scandir(fd) as entries:
                    for entry in entries:
                        inner = path.rstrip(b"/") + b"/" + os.fsencode(entry.name)
                        if entry.inode() == key[1] and _is_at(inner, key, root):
                            return inner
                        if depth < _DEEPEST and entry.is_dir(follow_symlinks=False):
                            todo.append((inner, depth + 1))
            except OSError:
                continue
            finally:
                os.close(fd)
        return b""


def find_known(context: DumpContext, file: OpenFile, root: int) -> bytes:
    """A path to the file that the kernel knows by itself; b"" if it knows none."""
    fd = mount = -1
    try:
        fd = os.open(file.via, os.O_PATH | os.O_CLOEXEC, dir_fd=context.proc)
        handle = read_handle(fd)
        if not handle:
            return b""
        # Anything on the mount that is no O_PATH descriptor: opening a fifo or a device could be
        # noticed, so only files and directories are.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        if not os.path.isfile(f"/proc/self/fd/{fd}") and not os.path.isdir(f"/proc/self/fd/{fd}"):
            return b""
        mount = os.open(file.via, flags, dir_fd=context.proc)
        again = open_handle(mount, handle, os.O_PATH | os.O_CLOEXEC)
        try:
            path = os.readlink(b"/proc/self/fd/%d" % again)
        finally:
            os.close(again)
    except OSError:
        return b""
    finally:
        for opened in (fd, mount):
            if opened >= 0:
                os.close(opened)
    return path if _is_at(path, (file.stat.st_dev, file.stat.st_ino), root) else b""


def _is_at(path: bytes, key: tuple[int, int], root: int) -> bool:
    try:
        stat = os.stat(below(path), dir_fd=root, follow_symlinks=False)
    except OSError:
        return False
    return (stat.st_dev, stat.st_ino) == key


def _device(encoded: int) -> int:
    return os.makedev(encoded >> 20, encoded & 0xFFFFF)
