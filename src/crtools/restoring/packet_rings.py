"""Rings of packet sockets, mapped where they were, when the sockets are there.

A socket has one mapping: all of its rings. Of one that a program has unmapped in part, or moved
apart, the pieces are taken from a mapping of their own.
"""

from __future__ import annotations

from crtools.abi.x86_64 import (
    SYS_close,
    SYS_madvise,
    SYS_mmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_munmap,
    SYS_pidfd_getfd,
    SYS_pidfd_open,
)
from crtools.errors import ImageError, RestoreConflict
from crtools.restoring.rings import find_gaps, taken_ranges
from crtools.restoring.script import Script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.agent.program import Program, Ref
    from crtools.images.messages.vma import VmaEntry
    from crtools.restoring.plan import Plan
    from crtools.restoring.read import TaskImages
    from crtools.restoring.skeleton import Workshop

MAP_SHARED, MAP_FIXED, MAP_FIXED_NOREPLACE = 0x1, 0x10, 0x100000  # linux/mman.h
MREMAP_MAYMOVE_FIXED = 3


def check_rings(plan: Plan) -> None:
    """Whether the images have what is mapped. Raises ImageError."""
    for task in plan.alive:
        for vma in task.space.sockets:
            rings = plan.files.packet_sockets.get(vma.shmid)
            length = vma.end - vma.start
            if rings is None or vma.pgoff + length > rings.size:
                raise ImageError(
                    f"{task.name} has memory of socket {vma.shmid} mapped at {vma.start:x}",
                    because="the images have no packet socket with such rings",
                )


def map_rings(plan: Plan, shop: Workshop) -> None:
    """All processes map what they had mapped, by the tool's descriptors."""
    scripts: dict[int, list[Program]] = {}
    for task in plan.alive:
        if not task.space.sockets or not plan.has_own_memory(task):
            continue
        areas: dict[int, list[VmaEntry]] = {}
        for vma in task.space.sockets:
            areas.setdefault(vma.shmid, []).append(vma)
        script = Script()
        for id, vmas in areas.items():
            rings = plan.files.packet_sockets[id]
            program = script.program(1000 + 1000 * len(vmas))
            tool = program.call(SYS_pidfd_open, plan.files.tool_pid, 0, label="find crtools")
            fd = program.call(SYS_pidfd_getfd, tool, rings.fd, 0, label="take over a packet socket")
            program.call(SYS_close, tool)
            for base, same in _groups(vmas).items():
                if _is_whole(same, base, rings.size):
                    build_whole(program, fd, same, base)
                    continue
                place = _find_place(plan, task, shop.length, rings.size)
                for vma in same:
                    build_piece(program, fd, vma, place, rings.size)
            program.call(SYS_close, fd)
        scripts[task.pid] = script.programs
    shop.run(scripts)


def _groups(vmas: Sequence[VmaEntry]) -> dict[int, list[VmaEntry]]:
    """Areas by where the mapping begins that they are of, or would be."""
    found: dict[int, list[VmaEntry]] = {}
    for vma in vmas:
        found.setdefault(vma.start - vma.pgoff, []).append(vma)
    return found


def _is_whole(vmas: Sequence[VmaEntry], base: int, size: int) -> bool:
    end = base
    for vma in vmas:
        if vma.start != end:
            return False
        end = vma.end
    return end == base + size


def _find_place(plan: Plan, task: TaskImages, hole: int, size: int) -> int:
    for start, end in find_gaps(taken_ranges(plan, task, hole)):
        if end - start >= size + (1 << 20) and start >= 1 << 20:
            return start + (1 << 20) // 2
    raise RestoreConflict(
        f"Cannot map a packet socket's ring in {task.name}",
        because=f"there are no {size} bytes of addresses free",
    )


def _map(program: Program, fd: Ref, place: int, size: int, prot: int, fixed: int) -> None:
    program.call(
        *(SYS_mmap, place, size, prot, MAP_SHARED | fixed, fd, 0),
        expect=2,
        expected=place,
        label=lambda: f"map a packet socket's rings at {place:x}",
    )


def build_whole(program: Program, fd: Ref, vmas: Sequence[VmaEntry], base: int) -> None:
    """Instructions that map all in place of the areas that keep its place."""
    size = vmas[-1].end - base
    _map(program, fd, base, size, vmas[0].prot, MAP_FIXED)
    for vma in vmas:
        if vma.prot != vmas[0].prot:
            program.call(
                *(SYS_mprotect, vma.start, vma.end - vma.start, vma.prot),
                label=lambda vma=vma: f"protect {vma.start:x}-{vma.end:x}",  # type: ignore[misc]
            )
        _build_advice(program, vma)


def build_piece(program: Program, fd: Ref, vma: VmaEntry, place: int, size: int) -> None:
    """Instructions that map a piece: all at `place`, of which it is moved to where it belongs."""
    length = vma.end - vma.start
    _map(program, fd, place, size, vma.prot, MAP_FIXED_NOREPLACE)
    program.call(
        *(SYS_mremap, place + vma.pgoff, length, length, MREMAP_MAYMOVE_FIXED, vma.start),
        expect=2,
        expected=vma.start,
        label=lambda: f"move a piece of a packet socket's rings to {vma.start:x}",
    )
    program.call(SYS_munmap, place, size, label="unmap the rest of a packet socket's rings")
    _build_advice(program, vma)


def _build_advice(program: Program, vma: VmaEntry) -> None:
    for number in range(64) if vma.madv else ():
        if (vma.madv or 0) & 1 << number:
            program.call(
                *(SYS_madvise, vma.start, vma.end - vma.start, number),
                label=lambda number=number: f"advise {number} at {vma.start:x}",  # type: ignore[misc]
            )
