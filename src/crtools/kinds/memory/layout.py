"""Bringing an address space back: from what a new process has to what the image says. Pure.

A restored process begins with the memory of whoever begot it, which is its parent's: what relatives
shared copy-on-write stays shared, if only what differs is written. So the work is a comparison of
two layouts, "before" (the begetter's as restored) and "after" (the image's), and a comparison page
by page of what both hold (the agent does that; merge in agent/vm.c).

Protections and advice that would hinder this come in a later step of their own, when all children
have been begotten: a read-only area cannot be filled, and MADV_DONTFORK would keep it from them.
"""

from __future__ import annotations

from crtools.abi.kernel import PAGE
from crtools.abi.mman import (
    MAP_ANONYMOUS,
    MAP_DROPPABLE,
    MAP_FIXED_NOREPLACE,
    MAP_HUGE_MASK,
    MAP_HUGE_SHIFT,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    MLOCK_ONFAULT,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from crtools.errors import ImageError, UnsupportedObject
from crtools.images.messages.vma import VmaEntry
from crtools.kinds.memory import areas as kinds
from crtools.kinds.memory.content import Content
from crtools.kinds.memory.pages import IN_PARENT, PRESENT
from crtools.model.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.agent.program import Arg, Program, Ref
    from crtools.images.messages.mm import MmEntry
    from crtools.images.messages.pagemap import PagemapEntry
    from crtools.images.store import ImageStore
    from crtools.kinds.memory.aio import Ring
    from crtools.kinds.memory.frames import Elsewhere
    from crtools.kinds.memory.parents import Parents

SYS_close, SYS_mmap, SYS_mprotect, SYS_munmap, SYS_madvise = 3, 9, 10, 11, 28
SYS_mremap, SYS_openat, SYS_arch_prctl, SYS_mlock2 = 25, 257, 158, 325
SYS_prctl = 157
ARCH_MAP_VDSO_64 = 0x2003  # asm/prctl.h
MADV_DONTNEED, MADV_MERGEABLE, MADV_UNMERGEABLE = 4, 12, 13
PR_SET_MEMORY_MERGE = 67  # linux/prctl.h
PR_SET_VMA, PR_SET_VMA_ANON_NAME = 0x53564D41, 0
SYSV_SHM, AIO_RING = kinds.SYSV_SHM, kinds.AIO_RING
TASK_SIZE = 0x7FFFFFFFF000  # x86-64, 4-level page tables: asm/page_64_types.h
# Areas this large are made writable only where they are filled: a writable reservation larger
# than memory is ENOMEM (vm.overcommit_memory 0).
_LARGE = 256 << 20


class Space(Value):
    """One process's address space as its images have it."""

    pid: int
    name: str
    vmas: tuple[VmaEntry, ...]
    contents: tuple[Content, ...]
    # By the area's start: where its guard pages are.
    guards: dict[int, list[tuple[int, int]]]
    # Names of the pages files that contents lie in: its own, then that in the parent directory.
    pages: tuple[str, ...]
    # Where this kernel's vDSO goes, from vvar to the vDSO's end: in the image's place if that is
    # the same, elsewhere if the image's has become ordinary memory (with_other_vdso).
    kernel_vdso: tuple[int, int] | None
    # Asynchronous I/O contexts of its own (kinds/memory/aio.py).
    rings: tuple[Ring, ...] = ()
    # Of packet sockets (restoring/packet_rings.py).
    sockets: tuple[VmaEntry, ...] = ()
    # What was on transparent huge pages, each range in one area.
    huge: tuple[tuple[int, int], ...] = ()

    def vdso_image(self) -> tuple[int, int, int, list[Content]] | None:
        """The image's: where vvar begins, where the vDSO begins and ends, and its contents."""
        vvar = [vma.start for vma in self.vmas if vma.status & kinds.VVAR]
        for vma in self.vmas:
            if vma.status & kinds.VDSO:
                inside = _by_area(self).get(vma.start, [])
                return min([vma.start, *vvar]), vma.start, vma.end, inside
        return None

    def with_other_vdso(self, kernel_vdso: tuple[int, int] | None) -> Space:
        """The image's vDSO as ordinary private memory, this kernel's at another place."""
        vmas: list[VmaEntry] = []
        for vma in self.vmas:
            if vma.status & (kinds.VDSO | kinds.VVAR):
                vma = VmaEntry.decode(vma.encode())
                vma.status &= ~(kinds.VDSO | kinds.VVAR)
                vma.madv = None
            vmas.append(vma)
        return self.but(vmas=tuple(vmas), kernel_vdso=kernel_vdso)


def read_space(
    pid: int,
    name: str,
    mm: MmEntry,
    pages_id: int,
    pagemap: Sequence[PagemapEntry],
    store: ImageStore,
) -> Space:
    """Checks all that the images say: nothing in them is trusted. Raises ImageError."""
    last = 0
    sockets: tuple[VmaEntry, ...] = ()
    for vma in mm.vmas:
        if vma.status & (kinds.VSYSCALL | kinds.GUARD):
            continue
        if vma.start % PAGE or vma.end % PAGE or not last <= vma.start < vma.end <= TASK_SIZE:
            raise ImageError(
                f"mm-{pid}.img has an impossible area {vma.start:x}-{vma.end:x}",
                because="areas are page aligned, ascending and inside user space",
            )
        last = vma.end
        if vma.status & kinds.SOCKET:
            sockets += (vma,)
        if vma.status & kinds.SHADOW_STACK:
            raise UnsupportedObject(
                f"Cannot restore the area {vma.start:x}-{vma.end:x} of {name}",
                because="crtools does not carry its kind yet",
            )
    vmas = tuple(vma for vma in mm.vmas if not vma.status & (kinds.VSYSCALL | kinds.GUARD))
    guards: dict[int, list[tuple[int, int]]] = {}
    marks = [vma for vma in mm.vmas if vma.status & kinds.GUARD]
    if marks:
        from crtools.kinds.memory.marks import read_guards

        guards = read_guards(pid, marks, vmas)
    contents, behind = _read_contents(pid, vmas, pagemap, store)
    space = Space(
        pid=pid,
        name=name,
        vmas=vmas,
        contents=tuple(contents),
        guards=guards,
        pages=(f"pages-{pages_id}.img", *behind),
        kernel_vdso=None,
        sockets=sockets,
    )
    if store.has("crtools-huge", pid):
        from crtools.kinds.memory.huge import read_huge

        space = space.but(huge=read_huge(store, pid, vmas))
    if any(vma.status & kinds.AIO_RING for vma in vmas):
        space = _with_rings(space, mm)
    place = space.vdso_image()
    return space if place is None else space.but(kernel_vdso=(place[0], place[2]))


def _read_contents(
    pid: int, vmas: Sequence[VmaEntry], pagemap: Sequence[PagemapEntry], store: ImageStore
) -> tuple[list[Content], tuple[str, ...]]:
    """Where the pages are, and the names of the pages files behind the process's own."""
    parents: Parents | None = None
    elsewhere: Elsewhere | None = None
    contents: list[Content] = []
    offset = 0
    last = 0
    at = 0
    for entry in pagemap:
        # Older sets have the count in the field that new ones keep for compatibility.
        count = entry.nr_pages if entry.nr_pages is not None else entry.compat_nr_pages
        start, end = entry.vaddr, entry.vaddr + count * PAGE
        while at < len(vmas) and vmas[at].end <= start:
            at += 1
        inside = at
        covered = start
        while inside < len(vmas) and covered < end and vmas[inside].start <= covered:
            covered = vmas[inside].end
            inside += 1
        if start % PAGE or start < last or covered < end:
            raise ImageError(
                f"pagemap-{pid}.img has pages at {start:x}-{end:x} where no area is",
                because="or they are not ascending",
            )
        last = end
        flags = PRESENT if entry.flags is None else entry.flags
        if entry.in_parent or flags & IN_PARENT:
            if elsewhere is None and parents is None and store.has("crtools-pages", pid):
                from crtools.kinds.memory.frames import Elsewhere

                elsewhere = Elsewhere(store, pid)
            if elsewhere is not None:
                contents += elsewhere.find(start, end)
                continue
            if parents is None:
                from crtools.kinds.memory.parents import Parents

                parents = Parents(store)
            contents += parents.find(pid, start, end)
            continue
        if not flags & PRESENT:
            continue
        contents.append(Content(start=start, end=end, offset=offset))
        offset += end - start
    if elsewhere is not None:
        return contents, tuple(elsewhere.names)
    return contents, parents.names(pid) if parents is not None else ()


def _with_rings(space: Space, mm: MmEntry) -> Space:
    """Rings are not filled as other areas are."""
    from crtools.kinds.memory.aio import read_rings

    places = {vma.start: -1 for vma in space.vmas if vma.status & kinds.AIO_RING}
    left: list[Content] = []
    for start, contents in _by_area(space).items():
        if start not in places:
            left += contents
        elif contents[0].start == start:
            if len(contents) > 1:
                raise ImageError(f"The pages of the ring at {start:x} are not in one piece")
            places[start] = contents[0].offset
    rings = read_rings(mm, space.vmas, space.pid)
    left.sort(key=lambda content: content.start)
    return space.but(
        contents=tuple(left),
        rings=tuple([ring.but(offset=places[ring.start]) for ring in rings]),
    )


def _same(a: VmaEntry, b: VmaEntry) -> bool:
    """Whether an inherited area can serve: the same place, kind and file."""
    return (
        a.start == b.start
        and a.end == b.end
        and a.status == b.status
        and a.shmid == b.shmid
        and a.pgoff == b.pgoff
        and (a.flags ^ b.flags) & ~(MAP_LOCKED) == 0
    )


def is_private(vma: VmaEntry) -> bool:
    return bool(vma.flags & (MAP_PRIVATE | MAP_DROPPABLE)) and not vma.status & (
        kinds.VDSO | kinds.VVAR
    )


class Changes(Value):
    """What to do to the memory before to have the memory after; protections come later.

    `unmap` are ranges, `keep` the areas (after) that stay, `map` those to be made, `drop` ranges
    whose inherited pages must go, `fill` what to read straight, `merge` what to compare first,
    `open_up` ranges that must be made writable for that. `inherited` counts pages that need not be
    looked at: the begetter has read them from the very place where the image has them.
    """

    unmap: tuple[tuple[int, int], ...]
    keep: tuple[VmaEntry, ...]
    map: tuple[VmaEntry, ...]
    drop: tuple[tuple[int, int], ...]
    fill: tuple[Content, ...]
    merge: tuple[Content, ...]
    open_up: tuple[tuple[int, int], ...]
    vdso: int | None
    inherited: int = 0


def working_protection(vma: VmaEntry, filled: bool) -> int:
    """What an area is mapped with until protections are set."""
    if filled and vma.end - vma.start <= _LARGE:
        return vma.prot | PROT_READ | PROT_WRITE
    # As soon as an area can be executed only, the kernel gives it a protection key (keys.py).
    return vma.prot | PROT_READ if vma.prot == PROT_EXEC else vma.prot


def plan_changes(before: Space | None, after: Space) -> Changes:
    """`before` is None for the root, which begins with nothing."""
    keep: list[VmaEntry] = []
    new: list[VmaEntry] = []
    unmap: list[tuple[int, int]] = []
    special = kinds.VDSO | kinds.VVAR
    old = {} if before is None else {v.start: v for v in before.vmas}
    same_vdso = before is not None and before.kernel_vdso == after.kernel_vdso
    kept_starts: set[int] = set()
    rings = {ring.start for ring in after.rings}
    for vma in after.vmas:
        if vma.status & special:
            continue
        candidate = old.get(vma.start)
        if candidate is not None and _same(candidate, vma) and vma.start not in rings:
            keep.append(vma)
            kept_starts.add(vma.start)
        else:
            new.append(vma)
    if before is not None:
        for vma in before.vmas:
            if not vma.status & special and vma.start not in kept_starts:
                unmap.append((vma.start, vma.end))
        if before.kernel_vdso is not None and not same_vdso:
            unmap.append(before.kernel_vdso)
    fill: list[Content] = []
    merge: list[Content] = []
    drop: list[tuple[int, int]] = []
    open_up: list[tuple[int, int]] = []
    filled = _by_area(after)
    inherited = {} if before is None else _by_area(before)
    as_it_is = 0
    shares = before is not None and not set(before.pages).isdisjoint(after.pages)
    for vma in after.vmas:
        if vma.status & special:
            continue
        pages = filled.get(vma.start, [])
        if vma.start in kept_starts:
            theirs = inherited.get(vma.start, [])
            if is_private(vma):
                drop += _minus(theirs, pages)
                both, alone = _split(pages, theirs)
                if shares and before is not None:
                    from crtools.kinds.memory.frames import without_inherited

                    as_it_is += sum([c.end - c.start for c in both]) // PAGE
                    both = without_inherited(both, after.pages, theirs, before.pages)
                    as_it_is -= sum([c.end - c.start for c in both]) // PAGE
                merge += both
                fill += alone
            if pages and is_private(vma):
                # What the begetter has it protected with is not followed through generations.
                open_up += _opened(vma, pages)
        else:
            fill += pages
            if pages and not working_protection(vma, True) & PROT_WRITE:
                open_up += _opened(vma, pages)
    fill.sort(key=lambda c: c.start)
    return Changes(
        unmap=_joined(unmap),
        keep=tuple(keep),
        map=tuple(new),
        drop=tuple(drop),
        fill=tuple(fill),
        merge=tuple(merge),
        open_up=_joined(open_up),
        vdso=None if same_vdso or after.kernel_vdso is None else after.kernel_vdso[0],
        inherited=as_it_is,
    )


def _opened(vma: VmaEntry, pages: Sequence[Content]) -> list[tuple[int, int]]:
    if vma.end - vma.start <= _LARGE:
        return [(vma.start, vma.end)]
    return [(content.start, content.end) for content in pages]


def _by_area(space: Space) -> dict[int, list[Content]]:
    """The contents of each area, by the area's start."""
    found: dict[int, list[Content]] = {}
    at = 0
    vmas = space.vmas
    for content in space.contents:
        start = content.start
        while start < content.end:
            while at < len(vmas) and vmas[at].end <= start:
                at += 1
            vma = vmas[at]
            end = min(content.end, vma.end)
            found.setdefault(vma.start, []).append(
                content
                if start == content.start and end == content.end
                else Content(start=start, end=end, offset=content.offset + start - content.start)
            )
            start = end
    return found


def _joined(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)


def _minus(a: Sequence[Content], b: Sequence[Content]) -> list[tuple[int, int]]:
    """The ranges of `a` that `b` has not; both ascending."""
    left: list[tuple[int, int]] = []
    at = 0
    for content in a:
        start = content.start
        while start < content.end:
            while at < len(b) and b[at].end <= start:
                at += 1
            if at == len(b) or b[at].start >= content.end:
                left.append((start, content.end))
                break
            if b[at].start > start:
                left.append((start, b[at].start))
            start = b[at].end
    return left


def _split(a: Sequence[Content], b: Sequence[Content]) -> tuple[list[Content], list[Content]]:
    """The parts of `a` that `b` has too, and those that it has not."""
    alone_ranges = _minus(a, b)
    alone: list[Content] = []
    both: list[Content] = []
    at = 0
    for content in a:
        start = content.start
        while start < content.end:
            while at < len(alone_ranges) and alone_ranges[at][1] <= start:
                at += 1
            if at < len(alone_ranges) and alone_ranges[at][0] <= start:
                end = min(content.end, alone_ranges[at][1])
                target = alone
            else:
                end = content.end
                if at < len(alone_ranges):
                    end = min(end, alone_ranges[at][0])
                target = both
            target.append(
                Content(start=start, end=end, offset=content.offset + start - content.start)
            )
            start = end
    return both, alone


def find_hole(spaces: Sequence[Space], length: int) -> int:
    """An address where `length` bytes are free in every process, high ones first.

    Raises UnsupportedObject where there is none.
    """
    taken: list[tuple[int, int]] = []
    for space in spaces:
        taken += [(vma.start, vma.end) for vma in space.vmas]
    taken.sort(reverse=True)
    margin = 1 << 20  # stacks that grow keep a gap below them (stack_guard_gap)
    top = TASK_SIZE - margin
    for start, end in taken:
        if end + margin + length <= top:
            return (top - length) & ~(PAGE - 1)
        top = min(top, start - margin)
    if top - length >= 1 << 20:
        return (top - length) & ~(PAGE - 1)
    raise UnsupportedObject(
        "Cannot restore the tree",
        because=f"its processes leave no {length >> 20} MiB of addresses free in all of them",
    )


class FileOpener:
    """Opens what is mapped, once a program for each file, and closes it at the program's end."""

    def __init__(self, program: Program, open_file: Callable[[Program, int, int], Ref]) -> None:
        self._program = program
        self._open = open_file
        self._opened: dict[tuple[int, int], Ref] = {}

    def fd(self, vma: VmaEntry) -> Arg:
        flags = (vma.fdflags or 0) & 3
        key = (vma.shmid, flags)
        if key not in self._opened:
            self._opened[key] = self._open(self._program, vma.shmid, flags)
        return self._opened[key]

    def close(self) -> None:
        for fd in self._opened.values():
            self._program.call(SYS_close, fd)
        self._opened.clear()


def build_map(program: Program, vma: VmaEntry, filled: bool, opener: FileOpener, name: str) -> None:
    flags = vma.flags & ~(MAP_LOCKED | MAP_NORESERVE) | MAP_FIXED_NOREPLACE
    if vma.flags & MAP_NORESERVE:
        flags |= MAP_NORESERVE
    fd: Arg = -1
    if vma.status & (kinds.URING | kinds.SOCKET):
        # Its place is kept: it is mapped when it is there (restoring/rings.py, packet_rings.py).
        flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE
        vma = VmaEntry.decode(vma.encode())
        vma.status, vma.flags, vma.pgoff, vma.prot = 0, flags, 0, 0
    if not vma.flags & MAP_ANONYMOUS:
        fd = opener.fd(vma)
    elif vma.status & kinds.ANON_SHARED or vma.flags & MAP_SHARED:
        raise UnsupportedObject(
            f"Cannot restore the area {vma.start:x}-{vma.end:x} of {name}",
            because="shared memory of older images (without memfd.img) is not carried yet",
        )
    if flags & MAP_HUGETLB and not flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK:
        flags |= 21 << MAP_HUGE_SHIFT
    start, end = vma.start, vma.end
    program.call(
        SYS_mmap,
        start,
        end - start,
        working_protection(vma, filled),
        flags,
        fd,
        vma.pgoff,
        expect=2,
        expected=start,
        label=lambda: f"map {start:x}-{end:x}",
    )


def build_vdso(program: Program, start: int) -> None:
    program.call(
        SYS_arch_prctl, ARCH_MAP_VDSO_64, start, label=lambda: f"map the vDSO at {start:x}"
    )


def build_merging(program: Callable[[int], Program], space: Space) -> None:
    """PR_SET_MEMORY_MERGE marks all areas that KSM can merge, and those to come; what had been
    taken back from some of them (MADV_UNMERGEABLE) is taken back again."""
    program(200).call(
        *(SYS_prctl, PR_SET_MEMORY_MERGE, 1, 0, 0, 0),
        label="let its memory be merged (PR_SET_MEMORY_MERGE)",
    )
    for vma in space.vmas:
        if (
            vma.flags & MAP_PRIVATE
            and not (vma.madv or 0) & 1 << MADV_MERGEABLE
            and not vma.status & kinds.OF_KERNEL
        ):
            program(200).call(
                *(SYS_madvise, vma.start, vma.end - vma.start, MADV_UNMERGEABLE),
                label="keep an area from being merged",
            )


def build_protections(
    program: Program, space: Space, filled: set[int], kept: set[int], on_fault: set[int]
) -> None:
    """Final protections, advice and locks: after the children are there."""
    for vma in space.vmas:
        if vma.status & (kinds.VDSO | kinds.VVAR):
            continue
        start, end = vma.start, vma.end
        if start in kept or working_protection(vma, start in filled) != vma.prot:
            program.call(
                SYS_mprotect,
                start,
                end - start,
                vma.prot,
                label=lambda start=start, end=end: f"protect {start:x}-{end:x}",  # type: ignore[misc]
            )
        advice = vma.madv or 0
        while advice:
            number = (advice & -advice).bit_length() - 1  # the lowest bit that is set
            advice &= advice - 1
            program.call(
                SYS_madvise,
                start,
                end - start,
                number,
                label=lambda start=start, number=number: f"advise {number} at {start:x}",  # type: ignore[misc]
            )
        if vma.flags & MAP_LOCKED and start in space.guards:
            from crtools.kinds.memory.marks import build_lock

            build_lock(program, start, end, MLOCK_ONFAULT if start in on_fault else 0)
        elif vma.flags & MAP_LOCKED:
            program.call(
                SYS_mlock2,
                start,
                end - start,
                MLOCK_ONFAULT if start in on_fault else 0,
                label=lambda start=start, end=end: f"lock {start:x}-{end:x}",  # type: ignore[misc]
            )
