"""System V shared memory in the tool's own ipc namespace: shmget(2), shmat(2), shmctl(2).

Attached memory is a shared file mapping called "/SYSV<key> (deleted)", whose inode's number is the
segment's id (ipc/shm.c, newseg). Such a segment belongs to the namespace and outlives processes.
What crtools takes as the tree's own, and what is somebody else's as well, is
docs/decisions/0008-whose-ipc.md: a segment that only the tree has attached comes back with its
contents, others are attached again as they are.

The segment is made with its old id by way of the sysctl kernel.shm_next_id. Each process attaches
it itself, so that shmdt(2) and shm_nattch know of it; what is left of an attachment that was
unmapped in part is moved from a place where all of it has room.
"""

from __future__ import annotations

import os
import struct

from crtools import log
from crtools.abi import kernel
from crtools.abi.kernel import PAGE
from crtools.abi.mman import (
    MAP_HUGE_MASK,
    MAP_HUGE_SHIFT,
    PROT_READ,
    PROT_WRITE,
)
from crtools.abi.x86_64 import SYS_munmap
from crtools.errors import (
    CrtoolsError,
    ImageError,
    MissingFeature,
    PermissionDenied,
    RestoreConflict,
    UnsupportedObject,
)
from crtools.images.messages.crtools_kinds import CrtoolsShmEntry
from crtools.images.messages.ipc_desc import IpcDescEntry
from crtools.images.messages.ipc_shm import IpcShmEntry
from crtools.kinds.memory import shared
from crtools.kinds.memory.areas import SYSV_SHM
from crtools.model.value import Value
from crtools.procfs.map_files import open_map_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crtools.agent.program import Program
    from crtools.images.messages.vma import VmaEntry
    from crtools.images.store import ImageStore
    from crtools.procfs.maps import Vma

SYS_shmget, SYS_shmat, SYS_shmctl, SYS_shmdt = 29, 30, 31, 67
SYS_mprotect, SYS_mremap, SYS_setresuid, SYS_setresgid = 10, 25, 117, 119
SYS_fallocate = 285
MREMAP_MAYMOVE_FIXED = 3
IPC_PRIVATE, IPC_RMID, IPC_SET, IPC_STAT = 0, 0, 1, 2  # linux/ipc.h
IPC_CREAT_EXCL = 0o3000
# linux/shm.h
SHM_LOCK = 11
SHM_RDONLY = 0o10000
SHM_HUGETLB = 0o4000
SHM_DEST, SHM_LOCKED = 0o1000, 0o2000  # of shm_perm.mode
PUNCH_HOLE = 3  # linux/falloc.h, with FALLOC_FL_KEEP_SIZE
_NO_CHANGE = 0xFFFFFFFF  # setresuid(2): -1
# struct shmid64_ds, asm-generic/shmbuf.h, with struct ipc64_perm of asm-generic/ipcbuf.h.
_DS = struct.Struct("<6IHH4x16xQ3q2iQ16x")
# Contents have the number of their segment above those of anonymous shared memory, which CRIU
# names by 32 bits of an inode's number.
_CONTENTS = 1 << 32


class SegmentStat(Value):
    """What IPC_STAT tells of a segment: sizes in bytes, times in seconds since 1970."""

    key: int
    uid: int
    gid: int
    cuid: int
    cgid: int
    mode: int
    size: int
    ctime: int
    attached: int


def read_segment(id: int) -> SegmentStat | None:
    """The segment with that id in our ipc namespace, None if there is none. Raises OSError."""
    buffer = bytearray(_DS.size)
    try:
        kernel.checked(SYS_shmctl, id, IPC_STAT, kernel.address_of(buffer))
    except OSError as error:
        # EIDRM: it has gone, and its place in the kernel's table is another one's.
        if error.errno in (22, 43):
            return None
        raise
    return parse_segment(buffer)


def parse_segment(data: bytes | bytearray) -> SegmentStat:
    key, uid, gid, cuid, cgid, mode, _, _, size, _, _, ctime, _, _, attached = _DS.unpack(data)
    return SegmentStat(
        key=key,
        uid=uid,
        gid=gid,
        cuid=cuid,
        cgid=cgid,
        mode=mode,
        size=size,
        ctime=ctime,
        attached=attached,
    )


class SysvDump:
    """The segments that a tree has attached, each counted where it is met."""

    def __init__(self) -> None:
        self._attached: dict[int, list[tuple[int, Vma]]] = {}
        self._stats: dict[int, SegmentStat] = {}

    def add(self, pid: int, vma: Vma) -> int:
        """Takes note of an attachment; the answer is the segment's id."""
        self._attached.setdefault(vma.inode, []).append((pid, vma))
        return vma.inode

    def check(self) -> None:
        """Looks at the segments before anything is put into a process."""
        for id, attached in self._attached.items():
            stat = read_segment(id)
            if stat is None:
                pid, vma = attached[0]
                raise UnsupportedObject(
                    f"Cannot dump the area {vma.start:x}-{vma.end:x} of task {pid}",
                    because=f"it is shared memory of another ipc namespace, segment {id}",
                    subject=("area", vma.start, vma.end),
                )
            self._stats[id] = stat

    def write(self, proc: int, store: ImageStore, dump: shared.SharedDump) -> None:
        """The image of all segments, and the contents of those that are the tree's own."""
        entries: list[CrtoolsShmEntry] = []
        for id, attached in self._attached.items():
            stat = self._stats[id]
            pid, vma = attached[0]
            # The kernel counts mappings (ipc/shm.c, __shm_open), and maps has a line for each.
            own = stat.attached == len(attached)
            if not own:
                log.info(
                    f"shared memory segment {id} is attached outside the tree too: it is external"
                )
            fd = open_map_files(proc, pid, vma.start, vma.end, os.O_RDONLY)
            try:
                facts = os.fstat(fd)
                huge = facts.st_blksize != PAGE
                entry = CrtoolsShmEntry(
                    segment=IpcShmEntry(
                        desc=IpcDescEntry(
                            key=stat.key,
                            uid=stat.uid,
                            gid=stat.gid,
                            cuid=stat.cuid,
                            cgid=stat.cgid,
                            mode=stat.mode,
                            id=id,
                        ),
                        size=stat.size,
                        in_pagemaps=own,
                        hugetlb_flag=(facts.st_blksize.bit_length() - 1) << MAP_HUGE_SHIFT
                        if huge
                        else None,
                    ),
                    ctime=stat.ctime,
                )
                if own:
                    entry.contents = _CONTENTS | id
                    dump.write_contents(fd, facts.st_size, _CONTENTS | id, huge=huge)
            finally:
                os.close(fd)
            entries.append(entry)
        store.write("crtools-shm", entries)


class Segment:
    """One segment being restored: found or made by the tool, and attached by it meanwhile."""

    __slots__ = ("_at", "_made", "entry")

    def __init__(self, entry: CrtoolsShmEntry) -> None:
        self.entry = entry
        self._at = -1
        self._made = False

    @property
    def id(self) -> int:
        return self.entry.segment.desc.id

    @property
    def length(self) -> int:
        """Its size in whole pages, as it is mapped."""
        step = 1 << self.shift
        return -(-self.entry.segment.size // step) * step

    @property
    def shift(self) -> int:
        """Of its pages' size."""
        return (self.entry.segment.hugetlb_flag or 0) >> MAP_HUGE_SHIFT & MAP_HUGE_MASK or 12

    def _conflict(self, because: str, hint: str = "") -> RestoreConflict:
        return RestoreConflict(
            f"Cannot restore shared memory segment {self.id} of {self.entry.segment.size} bytes",
            because=because,
            hint=hint,
            subject=("shm", self.id),
        )

    def check(self) -> SegmentStat | None:
        """Whether it can be had: the segment that is there, None if it is to be made anew. Raises
        RestoreConflict."""
        stat = read_segment(self.id)
        own = self.entry.contents is not None
        if stat is None:
            if not own:
                raise self._conflict(
                    "it was attached outside the tree too, and is not there any more",
                    "start what shares it with the tree, and dump again",
                )
            return None
        if not self._is_same(stat):
            raise self._conflict(
                f"another segment has that number now, {stat.size} bytes of user {stat.cuid}",
                f"if nothing needs it: ipcrm -m {self.id}",
            )
        if own and stat.attached:
            raise self._conflict(
                "only the dumped tree had it attached, and now others have",
                "end them: its contents are put back as they were",
            )
        return stat

    def _is_same(self, stat: SegmentStat) -> bool:
        segment = self.entry.segment
        desc = segment.desc
        if (stat.size, stat.cuid, stat.cgid) != (segment.size, desc.cuid, desc.cgid):
            return False
        # A key is the users' name for it. Without one, numbers begin anew with each boot, and the
        # time when it was made is all that tells it from another.
        if stat.key != desc.key:
            return False
        return bool(desc.key) or stat.ctime == self.entry.ctime

    def create(self, proc: int, store: ImageStore) -> int:
        """Makes it or finds it, with its contents; returns the pages read."""
        stat = self.check()
        if stat is None:
            self._make()
        if self.entry.contents is None:
            return 0
        return self._fill(proc, store, found=stat is not None)

    def _make(self) -> None:
        segment = self.entry.segment
        desc = segment.desc
        flags = IPC_CREAT_EXCL | desc.mode & 0o777
        if segment.hugetlb_flag:
            flags |= SHM_HUGETLB | segment.hugetlb_flag & MAP_HUGE_MASK << MAP_HUGE_SHIFT
        # A segment that is marked for removal has lost its key.
        key = IPC_PRIVATE if desc.mode & SHM_DEST else desc.key
        id = -1
        for _ in range(8):
            self._choose_id()
            id = self._get(key, segment.size, flags)
            if id == self.id:
                break
            # Somebody else's new segment had the number that was meant for ours.
            kernel.checked(SYS_shmctl, id, IPC_RMID, 0)
        else:
            raise self._conflict(f"its number is taken: the kernel gave {id}")
        self._made = True
        self._set_owner()
        if desc.mode & SHM_LOCKED:
            kernel.checked(SYS_shmctl, id, SHM_LOCK, 0)

    def _choose_id(self) -> None:
        try:
            fd = os.open("/proc/sys/kernel/shm_next_id", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, b"%d" % self.id)
            finally:
                os.close(fd)
        except FileNotFoundError as error:
            raise MissingFeature(
                f"Cannot give a new segment the number {self.id}",
                because="there is no /proc/sys/kernel/shm_next_id",
                hint="a kernel with CONFIG_CHECKPOINT_RESTORE",
            ) from error
        except OSError as error:
            raise PermissionDenied(
                f"Cannot give a new segment the number {self.id}",
                because=f"/proc/sys/kernel/shm_next_id: {error.strerror}",
                hint="run as root, or with CAP_CHECKPOINT_RESTORE",
            ) from error

    def _get(self, key: int, size: int, flags: int) -> int:
        """shmget(2) as the user who had made it: a segment keeps its creator's ids for ever."""
        desc = self.entry.segment.desc
        uid, gid = os.geteuid(), os.getegid()
        other = (desc.cuid, desc.cgid) != (uid, gid)
        if other:
            kernel.checked(SYS_setresgid, _NO_CHANGE, desc.cgid, _NO_CHANGE)
            try:
                kernel.checked(SYS_setresuid, _NO_CHANGE, desc.cuid, _NO_CHANGE)
            except OSError:
                kernel.checked(SYS_setresgid, _NO_CHANGE, gid, _NO_CHANGE)
                raise
        try:
            return kernel.checked(SYS_shmget, key, size, flags)
        except OSError as error:
            if error.errno == 17:
                raise self._conflict(
                    f"another segment has its key {key:#x} now", f"ipcrm -M {key:#x}"
                ) from error
            raise self._conflict(
                f"shmget: {error.strerror}",
                "set huge pages aside (vm.nr_hugepages)" if flags & SHM_HUGETLB else "",
            ) from error
        finally:
            if other:
                kernel.checked(SYS_setresuid, _NO_CHANGE, uid, _NO_CHANGE)
                kernel.checked(SYS_setresgid, _NO_CHANGE, gid, _NO_CHANGE)

    def _set_owner(self) -> None:
        desc = self.entry.segment.desc
        buffer = bytearray(_DS.size)
        struct.pack_into("<6I", buffer, 0, 0, desc.uid, desc.gid, 0, 0, desc.mode & 0o777)
        kernel.checked(SYS_shmctl, self.id, IPC_SET, kernel.address_of(buffer))

    def _fill(self, proc: int, store: ImageStore, *, found: bool) -> int:
        segment = self.entry.segment
        try:
            at = self._at = kernel.checked(SYS_shmat, self.id, 0, 0)
        except OSError as error:
            raise self._conflict(f"shmat: {error.strerror}") from error
        if segment.desc.mode & SHM_DEST:
            # From here on it lives as long as it is attached: nothing is left of a failed restore.
            kernel.checked(SYS_shmctl, self.id, IPC_RMID, 0)
        head, *entries = store.read("pagemap-shmem", self.entry.contents)
        fd = open_map_files(proc, os.getpid(), at, at + self.length, os.O_RDWR)
        try:
            if found:
                # What was written since the dump, perhaps by the tree itself as it ran on.
                kernel.checked(SYS_fallocate, fd, PUNCH_HOLE, 0, self.length)
                self._set_owner()
            image = store.open_raw("pages", head.pages_id)
            try:
                return shared.fill(
                    fd, image, entries, at, self.length, self.id, huge=self.shift != 12
                )
            finally:
                os.close(image)
        finally:
            os.close(fd)

    def close(self, *, restored: bool) -> None:
        if self._made and not restored and not self.entry.segment.desc.mode & SHM_DEST:
            kernel.raw(SYS_shmctl, self.id, IPC_RMID, 0)
        if self._at >= 0:
            kernel.checked(SYS_shmdt, self._at)
            self._at = -1
        self._made = False


class SysvPlan:
    """All segments that a set of images has for a tree."""

    def __init__(self, store: ImageStore, areas: Iterable[tuple[str, VmaEntry]]) -> None:
        """`areas` are those that are segments, with the name of the process. Raises ImageError."""
        self._segments: dict[int, Segment] = {}
        self.room = 0  # bytes of addresses to attach in that are free in all processes
        self.scratch = 0  # where they are
        if not store.has("crtools-shm"):
            name, vma = next(iter(areas))
            raise UnsupportedObject(
                f"Cannot restore the area {vma.start:x}-{vma.end:x} of {name}",
                because="its shared memory belongs to an ipc namespace of its own",
            )
        for entry in store.read("crtools-shm"):
            desc, size = entry.segment.desc, entry.segment.size
            if desc.id in self._segments or desc.id >= 1 << 31 or not 0 < size < 1 << 46:
                raise ImageError(f"crtools-shm.img has an impossible segment {desc.id}")
            self._segments[desc.id] = Segment(entry)
        for name, vma in areas:
            segment = self._segments.get(vma.shmid)
            if (
                segment is None
                or vma.pgoff % PAGE
                or vma.pgoff + vma.end - vma.start > segment.length
            ):
                raise ImageError(
                    f"The images have no shared memory for the area {vma.start:x}-{vma.end:x}"
                    f" of {name}",
                    because=f"crtools-shm.img has no segment {vma.shmid} of that size",
                )
            if not self._is_whole(vma):
                # Huge pages begin at multiples of their size.
                self.room = max(self.room, segment.length + (1 << segment.shift))

    def _is_whole(self, vma: VmaEntry) -> bool:
        return not vma.pgoff and vma.end - vma.start == self._segments[vma.shmid].length

    def check(self) -> None:
        for segment in self._segments.values():
            segment.check()

    def create(self, proc: int, store: ImageStore) -> int:
        """Makes or finds all of them; returns the pages read."""
        return sum([segment.create(proc, store) for segment in self._segments.values()])

    def close(self, *, restored: bool) -> None:
        for segment in self._segments.values():
            try:
                segment.close(restored=restored)
            except (OSError, CrtoolsError) as error:
                log.warning(f"segment {segment.id}: {error}")

    def build_attach(self, program: Program, vma: VmaEntry, new: Sequence[VmaEntry]) -> None:
        """Instructions that attach one, or what is left of an attachment. `new` are all areas that
        the process maps: what is left of one attachment must come from one shmat, since shmdt(2)
        detaches what has the same open file."""
        id = vma.shmid
        read_only = vma.fdflags == os.O_RDONLY
        flags = SHM_RDONLY if read_only else 0
        if self._is_whole(vma):
            start = vma.start
            program.call(
                SYS_shmat,
                id,
                start,
                flags,
                expect=2,
                expected=start,
                label=lambda: f"attach shared memory segment {id} at {start:x}",
            )
            pieces = [vma]
        else:
            pieces = [other for other in new if _is_same_attachment(other, vma)]
            if pieces[0] is not vma:
                return
            self._build_pieces(program, flags, pieces)
        for piece in pieces:
            if piece.prot != (PROT_READ if read_only else PROT_READ | PROT_WRITE):
                program.call(
                    SYS_mprotect,
                    piece.start,
                    piece.end - piece.start,
                    piece.prot,
                    label=lambda at=piece.start: f"protect {at:x}",  # type: ignore[misc]
                )

    def _build_pieces(self, program: Program, flags: int, pieces: Sequence[VmaEntry]) -> None:
        segment = self._segments[pieces[0].shmid]
        step = 1 << segment.shift
        at = -(-self.scratch // step) * step
        program.call(
            SYS_shmat,
            segment.id,
            at,
            flags,
            expect=2,
            expected=at,
            label=lambda: f"attach shared memory segment {segment.id}",
        )
        for piece in pieces:
            start, length = piece.start, piece.end - piece.start
            program.call(
                SYS_mremap,
                at + piece.pgoff,
                length,
                length,
                MREMAP_MAYMOVE_FIXED,
                start,
                expect=2,
                expected=start,
                label=lambda start=start: f"move shared memory segment {segment.id} to {start:x}",  # type: ignore[misc]
            )
        program.call(SYS_munmap, at, segment.length)


def _is_same_attachment(a: VmaEntry, b: VmaEntry) -> bool:
    return bool(
        a.status & SYSV_SHM
        and a.shmid == b.shmid
        and a.start - a.pgoff == b.start - b.pgoff
        and a.fdflags == b.fdflags
    )


def plan_sysv(store: ImageStore, spaces: Iterable[tuple[str, Sequence[VmaEntry]]]) -> SysvPlan:
    """The plan for all areas that are segments, by process."""
    areas = [(name, vma) for name, vmas in spaces for vma in vmas if vma.status & SYSV_SHM]
    return SysvPlan(store, areas)
