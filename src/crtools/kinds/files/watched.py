"""The names of watched inodes, as the kernel remembers them: fs/notify, linux/dcache.h.

For file systems whose handles lead nowhere (crtools.kinds.files.marks). A queue has its marks in a
list, a mark its inode, and that the names by which it is in use.
"""

from __future__ import annotations

from crtools.tracee.kernel_memory import KernelMemory

_MAX_MARKS = 1 << 20
_MAX_DEPTH = 1 << 11  # as many names as the longest path has


class Watched:
    """Reads names. Raises MissingFeature or PermissionDenied where the kernel cannot be read."""

    def __init__(self) -> None:
        self._memory: KernelMemory | None = None

    def find(self, fd: int, dev: int, ino: int) -> list[bytes]:
        """The paths, from the root of its file system, of an inode that the inotify or fanotify
        queue behind our descriptor `fd` watches. `dev` is the device as the kernel has it."""
        memory = self._memory = self._memory or KernelMemory()
        group = memory.private_data(fd)
        head = memory.at(group, "fsnotify_group", "marks_list")
        link = memory.word(head)
        in_mark = memory.types.offset("fsnotify_mark", "g_list")
        for _ in range(_MAX_MARKS):
            if link == head:
                break
            inode = self._inode_of(memory, link - in_mark)
            if inode and memory.word(memory.at(inode, "inode", "i_ino")) == ino:
                block = memory.pointer(inode, "inode", "i_sb")
                if memory.unsigned(block, "super_block", "s_dev") == dev:
                    return self._names(memory, inode)
            link = memory.word(link)
        return []

    def _inode_of(self, memory: KernelMemory, mark: int) -> int:
        connector = memory.pointer(mark, "fsnotify_mark", "connector")
        if not connector:
            return 0
        # What kind of object it is: that of inodes is 0 (linux/fsnotify_backend.h).
        kind = memory.word(memory.at(connector, "fsnotify_mark_connector", "type")) & 0xFF
        if kind:
            return 0
        return memory.pointer(connector, "fsnotify_mark_connector", "obj")

    def _names(self, memory: KernelMemory, inode: int) -> list[bytes]:
        paths: list[bytes] = []
        # Through the first member of a union (struct dentry, d_u).
        in_entry = memory.types.offset("dentry", "d_u")
        link = memory.pointer(inode, "inode", "i_dentry")
        while link:
            path = self._path(memory, link - in_entry)
            if path:
                paths.append(path)
            link = memory.word(link)
        return paths

    def _path(self, memory: KernelMemory, entry: int) -> bytes:
        parts: list[bytes] = []
        for _ in range(_MAX_DEPTH):
            parent = memory.pointer(entry, "dentry", "d_parent")
            if parent == entry:
                return b"/" + b"/".join(reversed(parts))
            name = memory.at(entry, "dentry", "d_name")
            length = memory.number(name + memory.types.offset("qstr", "len"))
            text = memory.word(name + memory.types.offset("qstr", "name"))
            words = [memory.word(text + at) for at in range(0, length, 8)]
            parts.append(b"".join(word.to_bytes(8, "little") for word in words)[:length])
            entry = parent
        return b""
