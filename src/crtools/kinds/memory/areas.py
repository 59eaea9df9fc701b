"""Areas of an address space: from /proc to vma_entry, and what is refused.

/proc/PID/maps tells where an area is and what is behind it, VmFlags of smaps how it was advised
(Documentation/filesystems/proc.rst). Both are read while the process is stopped.
"""

from __future__ import annotations

from crtools.abi.mman import (
    MAP_ANONYMOUS,
    MAP_DROPPABLE,
    MAP_GROWSDOWN,
    MAP_HUGE_SHIFT,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    PROT_READ,
)
from crtools.errors import UnsupportedObject
from crtools.images.messages.vma import VmaEntry
from crtools.model.value import Value
from crtools.procfs import smaps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.procfs.maps import Vma

# vma_entry.status
REGULAR = 1 << 0
STACK = 1 << 1
VSYSCALL = 1 << 2
VDSO = 1 << 3
HEAP = 1 << 5
FILE_PRIVATE = 1 << 6
FILE_SHARED = 1 << 7
ANON_SHARED = 1 << 8
ANON_PRIVATE = 1 << 9
SYSV_SHM = 1 << 10
SOCKET = 1 << 11
VVAR = 1 << 12
AIO_RING = 1 << 13
MEMFD = 1 << 14
SHADOW_STACK = 1 << 15
GUARD = 1 << 16
UPROBES = 1 << 17
# Our own, which CRIU has none for: rings of an io_uring.
URING = 1 << 24
# What the kernel maps into every process.
OF_KERNEL = VSYSCALL | VDSO | VVAR

# VmFlags that are MADV_* advice: (flag of smaps, number of the advice).
ADVICE = (
    (smaps.VF_RR, 1),
    (smaps.VF_SR, 2),
    (smaps.VF_DC, 10),
    (smaps.VF_MG, 12),
    (smaps.VF_HG, 14),
    (smaps.VF_NH, 15),
    (smaps.VF_DD, 16),
    (smaps.VF_WF, 18),
)

# What is not carried yet, with its words in the refusal.
NOT_CARRIED = (
    (smaps.VF_SS, "it is a shadow stack"),
    (smaps.VF_SF, "it is mapped with MAP_SYNC"),
)

# What an area may be named if nothing is mapped there but anonymous memory.
_PLAIN = (b"", b"[heap]", b"[stack]")


class Area(Value):
    """An area as the dump needs it; `pages` says whether its own pages go into the image."""

    entry: VmaEntry
    flags: int
    pages: bool
    lazy: bool
    readable: bool  # by the task itself
    name: bytes
    key: int  # its protection key


def collect_areas(
    vmas: Sequence[Vma],
    facts: Sequence[tuple[int, int, smaps.SmapsFacts]],
    file_id: Callable[[Vma], tuple[int, int]],
    shared_id: Callable[[Vma], int],
    task: str,
    *,
    uprobes: bool = False,
) -> list[Area]:
    """The areas with their entries. `file_id` and `shared_id` enter what is behind a mapping into
    the images (a System V segment's id is its own); `file_id` also tells how it was opened
    (O_RDONLY, O_RDWR). `uprobes`: areas of uprobes are left out, not refused. Raises
    UnsupportedObject, naming the area."""
    if len(vmas) != len(facts):
        raise UnsupportedObject(
            f"Cannot dump the memory of {task}", because="its areas change while it is stopped"
        )
    areas: list[Area] = []
    for vma, (start, _, fact) in zip(vmas, facts, strict=True):
        if vma.start != start:
            raise UnsupportedObject(
                f"Cannot dump the memory of {task}", because="its areas change while it is stopped"
            )
        if uprobes and vma.path.startswith(b"[uprobes"):
            continue
        area = _area(vma, fact, file_id, shared_id, task)
        last = areas[-1] if areas else None
        if last is not None and _continues(last.entry, area.entry):
            # vvar and vvar_vclock are one area to older kernels and to CRIU.
            last.entry.end = area.entry.end
            continue
        areas.append(area)
    return areas


def _continues(last: VmaEntry, entry: VmaEntry) -> bool:
    return bool(last.status & VVAR and entry.status & VVAR and last.end == entry.start)


def _area(
    vma: Vma,
    fact: smaps.SmapsFacts,
    file_id: Callable[[Vma], tuple[int, int]],
    shared_id: Callable[[Vma], int],
    task: str,
) -> Area:
    flags, path = fact.flags, vma.path
    status, map_flags, shmid, pgoff = REGULAR, MAP_PRIVATE, 0, 0
    fdflags: int | None = None
    for flag, because in NOT_CARRIED:
        if flags & flag:
            raise _refused(vma, task, because)
    if vma.path == b"[vsyscall]":
        # Every x86-64 process has it at the same place.
        status, map_flags = VSYSCALL | ANON_PRIVATE, MAP_PRIVATE | MAP_ANONYMOUS
    elif path in (b"[vdso]", b"[vvar]", b"[vvar_vclock]"):
        status |= ANON_PRIVATE | (VDSO if path == b"[vdso]" else VVAR)
        map_flags |= MAP_ANONYMOUS
    elif path in _PLAIN or path.startswith((b"[anon:", b"[stack")):
        status |= ANON_PRIVATE | (HEAP if path == b"[heap]" else 0)
        # A type of mapping of its own, beside private and shared.
        map_flags = MAP_ANONYMOUS | (MAP_DROPPABLE if flags & smaps.VF_DP else MAP_PRIVATE)
    elif path.startswith(b"[uprobes"):
        raise _refused(vma, task, "it belongs to uprobes", "--allow-uprobes")
    elif path.startswith(b"["):
        raise _refused(vma, task, f"it is {path.decode(errors='replace')}")
    elif path.startswith(b"/SYSV") and vma.deleted and vma.shared and not vma.dev[0]:
        status |= SYSV_SHM
        map_flags = MAP_SHARED
        shmid, pgoff = shared_id(vma), vma.pgoff
        # Attached with SHM_RDONLY it can never be made writable.
        fdflags = 2 if flags & smaps.VF_MW else 0
    elif path.startswith(b"/memfd:") and vma.deleted and not vma.dev[0]:
        status |= MEMFD | (FILE_SHARED if vma.shared else FILE_PRIVATE)
        map_flags = MAP_SHARED if vma.shared else MAP_PRIVATE
        (shmid, fdflags), pgoff = file_id(vma), vma.pgoff
    elif path == b"/secretmem" and vma.deleted:
        raise _refused(vma, task, "it is secret memory (memfd_secret)")
    elif flags & smaps.VF_HT and vma.deleted and path != b"/anon_hugepage":
        # Files of huge pages cannot be written to, so none can be made anew as it was.
        raise _refused(vma, task, "it is of huge pages of a file that was deleted")
    elif flags & smaps.VF_HT and path == b"/anon_hugepage":
        if vma.shared:
            status |= FILE_SHARED | MEMFD
            map_flags = MAP_SHARED
            shmid, pgoff, fdflags = shared_id(vma), vma.pgoff, 2
        else:
            status |= ANON_PRIVATE
            shift = (fact.kernel_page_size).bit_length() - 1
            map_flags |= MAP_ANONYMOUS | MAP_HUGETLB | shift << MAP_HUGE_SHIFT
    elif path == b"anon_inode:[io_uring]":
        status |= URING
        map_flags = MAP_SHARED
        shmid, pgoff = shared_id(vma), vma.pgoff
    elif path == b"/[aio]" and vma.deleted and vma.shared:
        status |= AIO_RING
        map_flags = MAP_SHARED
        shmid = shared_id(vma)
    elif path == b"/dev/zero" and vma.deleted and vma.shared:
        status |= FILE_SHARED | MEMFD
        map_flags = MAP_SHARED
        shmid, pgoff, fdflags = shared_id(vma), vma.pgoff, 2
    elif path.startswith(b"socket:") and vma.shared:
        # Rings of a packet socket (kinds/files/packet_ring.py), or refused when the sockets are
        # known.
        status |= SOCKET
        map_flags = MAP_SHARED
        shmid, pgoff = shared_id(vma), vma.pgoff
    elif path.startswith(b"socket:"):
        raise _refused(vma, task, "it is a socket's memory, mapped privately")
    elif path.startswith(b"anon_inode:"):
        raise _refused(vma, task, f"what is mapped, {path.decode(errors='replace')}, is not yet")
    else:
        if flags & (smaps.VF_PF | smaps.VF_IO | smaps.VF_MM):
            raise _refused(vma, task, "it is memory of a device")
        status |= FILE_SHARED if vma.shared else FILE_PRIVATE
        map_flags = MAP_SHARED if vma.shared else MAP_PRIVATE
        (shmid, fdflags), pgoff = file_id(vma), vma.pgoff
    if flags & smaps.VF_GD:
        map_flags |= MAP_GROWSDOWN
    if flags & smaps.VF_LO:
        map_flags |= MAP_LOCKED
    if flags & smaps.VF_NR:
        map_flags |= MAP_NORESERVE
    advice = 0
    for flag, number in ADVICE:
        if flags & flag:
            advice |= 1 << number
    private = bool(status & (ANON_PRIVATE | FILE_PRIVATE) and not status & (VSYSCALL | VVAR))
    entry = VmaEntry(
        start=vma.start,
        end=vma.end,
        pgoff=pgoff,
        shmid=shmid,
        prot=vma.prot,
        flags=map_flags,
        status=status,
        fd=-1,
        madv=advice or None,
        fdflags=fdflags,
    )
    return Area(
        entry=entry,
        flags=flags,
        pages=private and not status & VDSO,
        lazy=bool(status & ANON_PRIVATE) and not flags & (smaps.VF_LO | smaps.VF_HT),
        # What a key forbids, its threads' rights forbid the kernel on their behalf as well, but not
        # on behalf of others (arch_vma_access_permitted, x86 asm/mmu_context.h).
        readable=bool(vma.prot & PROT_READ) and not fact.protection_key,
        name=path,
        key=fact.protection_key or 0,
    )


def _refused(vma: Vma, task: str, because: str, hint: str = "") -> UnsupportedObject:
    return UnsupportedObject(
        f"Cannot dump the area {vma.start:x}-{vma.end:x} of {task}",
        because=because,
        hint=hint,
        subject=("area", vma.start, vma.end),
    )
