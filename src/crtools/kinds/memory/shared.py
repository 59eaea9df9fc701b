"""Shared memory without a name: of relatives, mmap(MAP_SHARED | MAP_ANONYMOUS), and memfds.

Behind the former is an unnamed file as well, "/dev/zero (deleted)", one an object, or with
MAP_HUGETLB "/anon_hugepage (deleted)"; memfd_create(2) gives "/memfd:NAME (deleted)". Who has a
memfd open is crtools.kinds.files.memfd's.

The image form is CRIU's since 4.0: a MEMFD entry of files.img for each open file, and one for all
that map the object, an entry of memfd.img, and the contents by the inode's number.
"""

from __future__ import annotations

import errno
import os

from crtools.abi import kernel
from crtools.abi.fcntl import (
    F_ADD_SEALS,
    F_GET_SEALS,
    F_SEAL_EXEC,
    F_SEAL_GROW,
    F_SEAL_SEAL,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
)
from crtools.abi.kernel import PAGE
from crtools.abi.mman import (
    MAP_ANONYMOUS,
    MAP_HUGE_MASK,
    MAP_HUGE_SHIFT,
    MAP_HUGETLB,
    MAP_NORESERVE,
    MAP_SHARED,
    MFD_ALLOW_SEALING,
    MFD_CLOEXEC,
    MFD_EXEC,
    MFD_HUGETLB,
    MFD_NOEXEC_SEAL,
    PROT_READ,
    PROT_WRITE,
)
from crtools.abi.x86_64 import SYS_fcntl, SYS_fstatfs, SYS_memfd_create, SYS_mmap, SYS_munmap
from crtools.errors import ImageError, RestoreConflict, UnsupportedObject
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.memfd import MemfdFileEntry, MemfdInodeEntry
from crtools.images.messages.pagemap import PagemapEntry, PagemapHead
from crtools.kinds.memory.areas import SOCKET
from crtools.kinds.memory.pages import IN_PARENT, PRESENT
from crtools.procfs.map_files import open_map_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crtools.images.messages.crtools_kinds import CrtoolsMemfdEntry
    from crtools.images.messages.vma import VmaEntry
    from crtools.images.store import ImageStore
    from crtools.kinds.memory.sysv import SysvDump
    from crtools.procfs.maps import Vma

# What keeps a file from being changed at all.
CONSTANT = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE
HUGETLBFS_MAGIC = 0x958458F6  # linux/magic.h
_MEMFD = b"/memfd:"
_CONTENTS = 0xFFFFFFFF
NAME = "/dev/zero"
HUGE_NAME = "/anon_hugepage"
RING_NAME = b"anon_inode:[io_uring]"
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
        self._inodes: dict[tuple[int, int], MemfdInodeEntry] = {}
        self._times: list[CrtoolsMemfdEntry] = []
        self.files: list[FileEntry] = []
        self.inodes: list[MemfdInodeEntry] = []
        self.pages_written = 0
        self._sysv: SysvDump | None = None
        self._mapped_rings: list[tuple[int, Vma]] = []
        self.with_rings: set[int] = set()  # processes that have asynchronous I/O contexts
        self._mapped_sockets: list[tuple[int, Vma]] = []
        self.with_sockets: set[int] = set()  # processes that have a socket mapped
        self.packet_sockets: dict[int, int] = {}  # with rings: inode -> id of the file

    def _segment_id(self, pid: int, vma: Vma) -> int:
        if self._sysv is None:
            from crtools.kinds.memory.sysv import SysvDump

            self._sysv = SysvDump()
        return self._sysv.add(pid, vma)

    def check(self) -> None:
        """Judges what needs the whole tree. Raises UnsupportedObject."""
        if self._sysv is not None:
            self._sysv.check()
        for pid, vma in self._mapped_rings:
            self._check_ring(pid, vma)
        for pid, vma in self._mapped_sockets:
            if vma.inode not in self.packet_sockets:
                raise UnsupportedObject(
                    f"Cannot dump the area {vma.start:x}-{vma.end:x} of task {pid}",
                    because=f"it is memory of socket {vma.inode}, which is no packet socket with a"
                    " ring that a task of the tree has a descriptor of",
                    hint="let the program unmap it before the dump",
                    subject=("area", vma.start, vma.end),
                )

    def name_sockets(self, areas: Iterable[VmaEntry]) -> None:
        """Has areas of sockets say the files' ids, which are known when all tables are."""
        for area in areas:
            if area.status & SOCKET:
                area.shmid = self.packet_sockets[area.shmid]

    def _check_ring(self, pid: int, vma: Vma) -> None:
        """A ring is mapped again by its descriptor."""
        directory = os.open(f"{pid}/fd", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)
        try:
            for name in os.listdir(directory):
                if (
                    os.readlink(name.encode(), dir_fd=directory) == RING_NAME
                    and os.stat(name, dir_fd=directory).st_ino == vma.inode
                ):
                    return
        finally:
            os.close(directory)
        raise UnsupportedObject(
            f"Cannot dump the area {vma.start:x}-{vma.end:x} of task {pid}",
            because="it is an io_uring whose descriptor the task has closed",
            subject=("area", vma.start, vma.end),
        )

    def file_id(self, pid: int, vma: Vma) -> int:
        """The id of the object's file; that of the segment for System V's, the inode's number for
        rings of asynchronous I/O."""
        if vma.path.startswith(b"/SYSV"):
            return self._segment_id(pid, vma)
        if vma.path == RING_NAME:
            self._mapped_rings.append((pid, vma))
            return vma.inode
        if vma.path.startswith(b"socket:"):
            self._mapped_sockets.append((pid, vma))
            self.with_sockets.add(pid)
            return vma.inode
        if vma.path == b"/[aio]":
            # Of one process: which they are, kinds.memory.aio asks.
            self.with_rings.add(pid)
            return vma.inode
        key = (vma.dev, vma.inode)
        if key not in self._ids:
            self._ids[key] = self._add(pid, vma)
        return self._ids[key]

    def _add(self, pid: int, vma: Vma) -> int:
        file_id = self._new_file_id()
        fd = open_map_files(self._proc, pid, vma.start, vma.end, os.O_RDONLY | os.O_NOATIME)
        try:
            inode_id, _ = self.add_inode(fd, lambda: f"the area {vma.start:x} of task {pid}")
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

    def add_inode(self, fd: int, what: Callable[[], str]) -> tuple[int, bool]:
        """The number of an object in memfd.img, and whether nobody can change it any more. `fd` is
        open for reading, for us alone; `what` names the object. Raises UnsupportedObject."""
        facts = os.fstat(fd)
        key = (facts.st_dev, facts.st_ino)
        if key not in self._inodes:
            self._inodes[key] = self._add_inode(fd, facts, what)
        inode = self._inodes[key]
        return inode.inode_id, inode.seals & CONSTANT == CONSTANT

    def _add_inode(
        self, fd: int, facts: os.stat_result, what: Callable[[], str]
    ) -> MemfdInodeEntry:
        link = os.readlink(f"self/fd/{fd}".encode(), dir_fd=self._proc)
        name = link.removesuffix(b" (deleted)")
        seals, times = F_SEAL_SEAL, None
        if name.startswith(_MEMFD):
            name = name.removeprefix(_MEMFD)
            seals = kernel.checked(SYS_fcntl, fd, F_GET_SEALS)
            times = facts.st_atime_ns, facts.st_mtime_ns
            _check_attributes(fd, what)
        huge = _is_huge(fd)
        inode_id = len(self.inodes) + 1
        inode = MemfdInodeEntry(
            name=name.decode("utf-8", "surrogateescape"),
            uid=facts.st_uid,
            gid=facts.st_gid,
            size=facts.st_size,
            shmid=self._contents_id(facts.st_ino),
            seals=seals,
            inode_id=inode_id,
            mode=facts.st_mode,
            # As in the flags of mmap: the size as a power of two.
            # What memfd_create(2) takes: CRIU hands it on as it is.
            hugetlb_flag=MFD_HUGETLB | (facts.st_blksize.bit_length() - 1) << MAP_HUGE_SHIFT
            if huge
            else None,
        )
        self.inodes.append(inode)
        if times is not None:
            from crtools.images.messages.crtools_kinds import CrtoolsMemfdEntry

            self._times.append(CrtoolsMemfdEntry(inode_id=inode_id, atime=times[0], mtime=times[1]))
        self.write_contents(fd, facts.st_size, inode.shmid, huge=huge)
        return inode

    def _contents_id(self, number: int) -> int:
        """CRIU names the contents by 32 bits of the inode's number. File systems count their
        inodes each for itself, so that two may have the same."""
        number &= _CONTENTS
        taken = {inode.shmid for inode in self.inodes}
        while number in taken:
            number = number + 1 & _CONTENTS
        return number

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
        if self._times:
            self._store.write("crtools-memfd", self._times)


def _is_huge(fd: int) -> bool:
    """Whether a file is of huge pages. Its block size does not tell: that of tmpfs may be 2 MiB."""
    answer = bytearray(120)  # struct statfs, asm-generic/statfs.h: f_type first
    kernel.checked(SYS_fstatfs, fd, kernel.address_of(answer))
    return int.from_bytes(answer[:8], "little") == HUGETLBFS_MAGIC


def _check_attributes(fd: int, what: Callable[[], str]) -> None:
    try:
        names = os.listxattr(fd)
    except OSError:
        return  # its file system has none
    # Others are the kernel's own, such as a security label.
    own = [name for name in names if name.startswith(("user.", "trusted."))]
    if own:
        raise UnsupportedObject(
            f"Cannot dump {what()}: its memory has extended attributes",
            because=f"no image has a place for them: {', '.join(own)}",
            hint="let the program remove them before the dump",
        )


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
    """One object being restored: held by the tool, reopened by whoever maps it or has it open.

    `times` are a memfd's, of access and modification, in nanoseconds. `sealed_late` says that seals
    must wait until it is mapped: F_SEAL_FUTURE_WRITE forbids writable mappings to come alone.
    """

    __slots__ = ("fd", "inode", "sealed_late", "times")

    def __init__(self, inode: MemfdInodeEntry, times: tuple[int, int] | None) -> None:
        self.inode = inode
        self.times = times
        self.sealed_late = False
        self.fd = -1

    @property
    def is_memfd(self) -> bool:
        """Anonymous memory has names of the kernel's; a memfd named like it has times."""
        return self.times is not None or self.inode.name not in (NAME, HUGE_NAME)

    def create(
        self, proc: int, store: ImageStore, pages: Sequence[PagemapEntry], pages_id: int
    ) -> int:
        """Makes it and fills it; returns the pages read. Raises RestoreConflict, ImageError."""
        inode = self.inode
        size = -(-inode.size // PAGE) * PAGE
        if not self.is_memfd:
            return self._create_mapped(proc, store, pages, pages_id, size)
        self.fd = _create_memfd(inode)
        try:
            os.ftruncate(self.fd, inode.size)
        except OSError as error:
            raise self._conflict(error) from error
        done = 0
        # Of no pages, it may be larger than any mapping.
        if pages and inode.hugetlb_flag is not None:
            done = self._create_mapped(proc, store, pages, pages_id, size)
        elif pages:
            done = self._fill(store, pages, pages_id, 0, size)
        self._set_attributes()
        if not self.sealed_late:
            self.seal()
        return done

    def _create_mapped(
        self, proc: int, store: ImageStore, pages: Sequence[PagemapEntry], pages_id: int, size: int
    ) -> int:
        """By mapping it once: that is what makes anonymous memory, and the only way to write to
        huge pages."""
        flags = MAP_SHARED | MAP_NORESERVE
        fd = self.fd
        if fd < 0:
            fd = (1 << 64) - 1
            flags |= MAP_ANONYMOUS
            if self.inode.hugetlb_flag:
                flags |= MAP_HUGETLB | self.inode.hugetlb_flag & MAP_HUGE_MASK << MAP_HUGE_SHIFT
        try:
            address = kernel.checked(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, flags, fd, 0)
        except OSError as error:
            raise self._conflict(error) from error
        try:
            if self.fd < 0:
                self.fd = open_map_files(proc, os.getpid(), address, address + size, os.O_RDWR)
            return self._fill(store, pages, pages_id, address, size)
        finally:
            kernel.checked(SYS_munmap, address, size)

    def _fill(
        self,
        store: ImageStore,
        pages: Sequence[PagemapEntry],
        pages_id: int,
        address: int,
        size: int,
    ) -> int:
        inode = self.inode
        image = store.open_raw("pages", pages_id)
        try:
            huge = inode.hugetlb_flag is not None
            return fill(self.fd, image, pages, address, size, inode.shmid, huge=huge)
        except OSError as error:
            # A huge page that is not to be had is a bad address, to a read(2) into it.
            raise self._conflict(error) from error
        finally:
            os.close(image)

    def _conflict(self, error: OSError) -> RestoreConflict:
        return RestoreConflict(
            f"Cannot make shared memory of {self.inode.size >> 10} KiB",
            because=error.strerror or "",
            hint="set huge pages aside (vm.nr_hugepages)" if self.inode.hugetlb_flag else "",
        )

    def _set_attributes(self) -> None:
        inode, fd = self.inode, self.fd
        # The last page came whole.
        os.ftruncate(fd, inode.size)
        facts = os.fstat(fd)
        try:
            if (inode.uid, inode.gid) != (facts.st_uid, facts.st_gid):
                os.fchown(fd, inode.uid, inode.gid)
            if inode.mode is not None and inode.mode != facts.st_mode:
                os.fchmod(fd, inode.mode & 0o7777)
            if self.times is not None:
                os.utime(fd, ns=self.times)
        except OSError as error:
            raise RestoreConflict(
                f"Cannot make the memfd {inode.name}",
                because=f"its owner was {inode.uid}:{inode.gid}: {error.strerror}",
                hint="run as root",
            ) from error

    def seal(self) -> None:
        """When it is filled and, if `sealed_late`, mapped by all."""
        seals = self.inode.seals
        if self.is_memfd and seals:
            try:
                kernel.checked(SYS_fcntl, self.fd, F_ADD_SEALS, seals)
            except OSError as error:
                raise RestoreConflict(
                    f"Cannot seal the memfd {self.inode.name}",
                    because=f"F_ADD_SEALS {seals:#x}: {error.strerror}",
                ) from error

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def is_shared_writable(vma: VmaEntry) -> bool:
    """Whether an area may have been mapped to be written to: this keeps F_SEAL_WRITE away, and is
    kept away by F_SEAL_FUTURE_WRITE."""
    return bool(vma.flags & MAP_SHARED and (vma.fdflags or 0) & os.O_ACCMODE == os.O_RDWR)


def _create_memfd(inode: MemfdInodeEntry) -> int:
    flags = MFD_CLOEXEC | MFD_ALLOW_SEALING
    if inode.hugetlb_flag is not None:
        flags |= MFD_HUGETLB | inode.hugetlb_flag & MAP_HUGE_MASK << MAP_HUGE_SHIFT
    name = inode.name.encode("utf-8", "surrogateescape")
    if b"\0" in name:
        raise ImageError(f"memfd.img has an impossible name: {inode.name!r}")
    text = name + b"\0"
    # Asking for neither is forbidden, or answered with a warning in the log (vm.memfd_noexec).
    # Before Linux 6.3 to ask for one is EINVAL.
    kind = MFD_NOEXEC_SEAL if inode.seals & F_SEAL_EXEC and not _executable(inode) else MFD_EXEC
    result = -errno.EINVAL
    for more in (kind, 0):
        result = kernel.raw(SYS_memfd_create, kernel.address_of(text), flags | more)
        if result != -errno.EINVAL:
            break
    if result < 0:
        raise RestoreConflict(
            f"Cannot make the memfd {inode.name}",
            because=f"memfd_create: {os.strerror(-result)}",
            hint="sysctl vm.memfd_noexec=1" if result == -errno.EACCES else "",
        )
    return result


def _executable(inode: MemfdInodeEntry) -> bool:
    return inode.mode is None or bool(inode.mode & 0o111)


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
        if entry.in_parent or (entry.flags or 0) & IN_PARENT:
            # Ours never are: a dump writes all shared memory.
            raise ImageError(
                f"pagemap-shmem-{id}.img has pages in its parent, which is not read yet",
                hint="restore a dump that was made without --prev-images-dir",
            )
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
