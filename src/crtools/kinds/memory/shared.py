"""Shared anonymous memory: mmap(MAP_SHARED | MAP_ANONYMOUS), shared between relatives by fork.

Behind it is an unnamed file, "/dev/zero (deleted)", one an object, or with MAP_HUGETLB
"/anon_hugepage (deleted)". The image form is CRIU's since 4.0: a MEMFD entry of files.img, an entry
of memfd.img, and the contents by the inode's number.
"""

from __future__ import annotations

import errno
import os

from crtools.abi import kernel
from crtools.abi.kernel import PAGE
from crtools.abi.mman import (
    MAP_ANONYMOUS,
    MAP_HUGE_SHIFT,
    MAP_HUGETLB,
    MAP_NORESERVE,
    MAP_SHARED,
    PROT_READ,
    PROT_WRITE,
)
from crtools.abi.x86_64 import SYS_mmap, SYS_munmap
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.memfd import MemfdFileEntry, MemfdInodeEntry
from crtools.images.messages.pagemap import PagemapEntry, PagemapHead
from crtools.kinds.memory.pages import PRESENT
from crtools.procfs.map_files import open_map_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.images.store import ImageStore
    from crtools.kinds.memory.sysv import SysvDump
    from crtools.procfs.maps import Vma

F_SEAL_SEAL = 1
NAME = "/dev/zero"
HUGE_NAME = "/anon_hugepage"
_PIECE = 2 << 20
_SYS_sendfile = 40


class SharedDump:
    """The objects met so far, by device and inode; contents are written once for all processes."""

    def __init__(
        self,
        proc: int,
        store: ImageStore,
        new_file_id: Callable[[], int],
        new_pages_id: Callable[[], int],
    ) -> None:
        self._proc = proc
        self._store = store
        self._new_file_id = new_file_id
        self._new_pages_id = new_pages_id
        self._ids: dict[tuple[tuple[int, int], int], int] = {}
        self.files: list[FileEntry] = []
        self.inodes: list[MemfdInodeEntry] = []
        self.pages_written = 0
        self._sysv: SysvDump | None = None

    def _segment_id(self, pid: int, vma: Vma) -> int:
        if self._sysv is None:
            from crtools.kinds.memory.sysv import SysvDump

            self._sysv = SysvDump()
        return self._sysv.add(pid, vma)

    def check(self) -> None:
        """Judges what needs the whole tree. Raises UnsupportedObject."""
        if self._sysv is not None:
            self._sysv.check()

    def file_id(self, pid: int, vma: Vma) -> int:
        """The id of the object's file; that of the segment, for System V's."""
        if vma.path.startswith(b"/SYSV"):
            return self._segment_id(pid, vma)
        key = (vma.dev, vma.inode)
        if key not in self._ids:
            self._ids[key] = self._add(pid, vma)
        return self._ids[key]

    def _add(self, pid: int, vma: Vma) -> int:
        file_id = self._new_file_id()
        inode_id = len(self.inodes) + 1
        fd = open_map_files(self._proc, pid, vma.start, vma.end, os.O_RDONLY)
        try:
            facts = os.fstat(fd)
            # CRIU names the contents by 32 bits of the inode's number.
            shmid = vma.inode & 0xFFFFFFFF
            huge = vma.path == HUGE_NAME.encode()
            self.inodes.append(
                MemfdInodeEntry(
                    name=HUGE_NAME if huge else NAME,
                    uid=facts.st_uid,
                    gid=facts.st_gid,
                    size=facts.st_size,
                    shmid=shmid,
                    seals=F_SEAL_SEAL,
                    inode_id=inode_id,
                    mode=facts.st_mode,
                    # As in the flags of mmap: the size as a power of two.
                    hugetlb_flag=(facts.st_blksize.bit_length() - 1) << MAP_HUGE_SHIFT
                    if huge
                    else None,
                )
            )
            self.write_contents(fd, facts.st_size, shmid, huge=huge)
        finally:
            os.close(fd)
        self.files.append(
            FileEntry(
                type=FdTypes.MEMFD,
                id=file_id,
                memfd=MemfdFileEntry(
                    id=file_id,
                    flags=0,
                    pos=0,
                    fown=FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0),
                    inode_id=inode_id,
                ),
            )
        )
        return file_id

    def write_contents(self, fd: int, size: int, shmid: int, *, huge: bool) -> None:
        """The pages of an object's file, as pagemap-shmem-SHMID and a pages file."""
        pages_id = self._new_pages_id()
        entries: list[PagemapEntry] = []
        image = self._store.create_raw("pages", pages_id)
        try:
            offset = 0
            for start, end in _huge_contents(fd, size) if huge else _contents(fd, size):
                end = -(-end // PAGE) * PAGE
                entries.append(
                    PagemapEntry(
                        vaddr=start,
                        compat_nr_pages=0,
                        flags=PRESENT,
                        nr_pages=(end - start) // PAGE,
                    )
                )
                copy = _copy_huge if huge else copy_range
                offset += copy(fd, image, start, end - start, offset)
            os.ftruncate(image, offset)
        finally:
            os.close(image)
        self.pages_written += offset // PAGE
        self._store.write("pagemap-shmem", [PagemapHead(pages_id=pages_id), *entries], id=shmid)

    def write(self) -> None:
        if self._sysv is not None:
            self._sysv.write(self._proc, self._store, self)
        if self.inodes:
            self._store.write("memfd", self.inodes)


def _contents(fd: int, size: int) -> list[tuple[int, int]]:
    """The allocated parts of a file."""
    found: list[tuple[int, int]] = []
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        at = os.lseek(fd, start, os.SEEK_HOLE)
        found.append((start, at))
    return found


def _huge_contents(fd: int, size: int) -> list[tuple[int, int]]:
    """The parts that are not all zero: hugetlbfs has no SEEK_DATA. A hole is read without being
    filled (fs/hugetlbfs/inode.c, hugetlbfs_read_iter)."""
    found: list[tuple[int, int]] = []
    for start in range(0, size, _PIECE):
        data = os.pread(fd, _PIECE, start)
        if data.count(0) == len(data):
            continue
        if found and found[-1][1] == start:
            found[-1] = found[-1][0], start + len(data)
        else:
            found.append((start, start + len(data)))
    return found


def _copy_huge(source: int, target: int, start: int, length: int, offset: int) -> int:
    """As copy_range: sendfile reads no hugetlbfs."""
    for at in range(0, length, _PIECE):
        data = memoryview(os.pread(source, min(_PIECE, length - at), start + at))
        done = 0
        while done < len(data):
            done += os.pwrite(target, data[done:], offset + at + done)
    return length


def copy_range(source: int, target: int, start: int, length: int, offset: int) -> int:
    """Copies bytes between files inside the kernel; returns how far `length` reaches in `target`,
    the last page of a file counted whole."""
    os.lseek(source, start, os.SEEK_SET)
    os.lseek(target, offset, os.SEEK_SET)
    left = length
    while left:
        done = kernel.checked(_SYS_sendfile, target, source, 0, min(left, 1 << 30))
        if not done:
            break
        left -= done
    return length


class SharedObject:
    """One object being restored: held by the tool, reopened by whoever maps it."""

    __slots__ = ("fd", "inode")

    def __init__(self, inode: MemfdInodeEntry) -> None:
        self.inode = inode
        self.fd = -1

    def create(
        self, proc: int, store: ImageStore, pages: Sequence[PagemapEntry], pages_id: int
    ) -> int:
        """Makes it, by mapping it once; returns the pages read."""
        inode = self.inode
        if inode.name not in (NAME, HUGE_NAME):
            raise ImageError(f"memfd {inode.name} is not carried yet")
        size = -(-inode.size // PAGE) * PAGE
        flags = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE
        if inode.hugetlb_flag:
            flags |= MAP_HUGETLB | inode.hugetlb_flag
        try:
            address = kernel.checked(
                SYS_mmap, 0, size, PROT_READ | PROT_WRITE, flags, (1 << 64) - 1, 0
            )
        except OSError as error:
            raise RestoreConflict(
                f"Cannot make shared memory of {size >> 10} KiB",
                because=error.strerror or "",
                hint="set huge pages aside (vm.nr_hugepages)" if inode.hugetlb_flag else "",
            ) from error
        try:
            self.fd = open_map_files(proc, os.getpid(), address, address + size, os.O_RDWR)
            image = store.open_raw("pages", pages_id)
            try:
                return fill(
                    self.fd, image, pages, address, size, inode.shmid, huge=bool(inode.hugetlb_flag)
                )
            finally:
                os.close(image)
        finally:
            kernel.checked(SYS_munmap, address, size)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def fill(
    fd: int,
    image: int,
    pages: Sequence[PagemapEntry],
    address: int,
    size: int,
    id: int,
    *,
    huge: bool,
) -> int:
    """Fills an object's file, `fd`, of which `size` bytes are mapped here at `address`, from its
    pages image; returns the pages read. Raises ImageError, naming pagemap-shmem-ID."""
    offset = 0
    for entry in pages:
        length = (entry.nr_pages or entry.compat_nr_pages) * PAGE
        if entry.vaddr + length > size:
            raise ImageError(f"pagemap-shmem-{id}.img goes beyond its object")
        if entry.flags is not None and not entry.flags & PRESENT:
            continue
        if huge:
            # hugetlbfs cannot be written to, but through a mapping.
            done = 0
            while done < length:
                room = kernel.view(address + entry.vaddr + done, length - done)
                got = os.preadv(image, [room], offset + done)
                if not got:
                    raise ImageError(f"The pages of shared memory {id} are cut off")
                done += got
        else:
            copy_range(image, fd, offset, length, entry.vaddr)
        offset += length
    return offset // PAGE
