"""io_urings: mapped where they were, and their counters, when all files are there."""

from __future__ import annotations

from crtools.abi.kernel import PAGE
from crtools.abi.x86_64 import SYS_munmap
from crtools.agent.program import Program
from crtools.errors import ImageError
from crtools.kinds.files.io_uring import OFF_SQ_RING, OFF_SQES
from crtools.kinds.files.registry import IO_URING
from crtools.kinds.files.uring_restore import (
    build_counters,
    build_files,
    build_filling,
    build_mapping,
)
from crtools.kinds.memory.areas import URING, VDSO, VVAR
from crtools.kinds.memory.layout import TASK_SIZE
from crtools.restoring.script import PROCESS_BYTES, Script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.restoring.plan import Plan
    from crtools.restoring.read import TaskImages
    from crtools.restoring.skeleton import Workshop

# Pages of content may be added to a program that has grown so far.
_PROGRAM = PROCESS_BYTES - (100 << 10)


def taken_ranges(plan: Plan, task: TaskImages, length: int) -> list[tuple[int, int]]:
    """What a process has mapped at this moment."""
    taken = [(vma.start, vma.end) for vma in task.space.vmas if not vma.status & (VDSO | VVAR)]
    taken.append((plan.hole, plan.hole + length))
    if task.space.kernel_vdso is not None:
        taken.append(task.space.kernel_vdso)
    return sorted(taken)


def find_gaps(taken: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of user space between ascending ranges; its first page is never mapped."""
    gaps: list[tuple[int, int]] = []
    last = PAGE
    for start, end in taken:
        if start > last:
            gaps.append((last, start))
        last = max(last, end)
    if last < TASK_SIZE:
        gaps.append((last, TASK_SIZE))
    return gaps


def restore_rings(plan: Plan, shop: Workshop) -> None:
    """All processes map what they had mapped; then those who made a ring bring it back."""
    mappings: dict[int, list[Program]] = {}
    places: dict[tuple[int, int], dict[int, int]] = {}  # pid, inode: offset -> address
    for task in plan.alive:
        areas = [vma for vma in task.space.vmas if vma.status & URING]
        if not areas or not plan.has_own_memory(task):
            continue
        table = plan.files.tables[plan.table_of.get(task.pid, task.pid)]
        numbers: dict[int, int] = {}
        for number, (id, _) in table.wanted.items():
            file = plan.files.files[id]
            if file.type == IO_URING:
                numbers[file.message.inode] = number
        script = Script()
        gaps = find_gaps(taken_ranges(plan, task, shop.length))
        for gap in gaps:
            build_filling(script.program(500), gap)
        for vma in areas:
            if vma.shmid not in numbers:
                raise ImageError(
                    f"{task.name} has an io_uring mapped at {vma.start:x} and no descriptor of it"
                )
            build_mapping(script.program(500), vma, numbers[vma.shmid])
            places.setdefault((task.pid, vma.shmid), {})[vma.pgoff] = vma.start
        for start, end in gaps:
            script.program(500).call(SYS_munmap, start, end - start, label=f"empty {start:x}")
        mappings[task.pid] = script.programs
    shop.run(mappings)
    counters: dict[int, list[Program]] = {}
    for file in plan.files.files.values():
        if file.type != IO_URING:
            continue
        place = places.get((file.pid, file.message.inode), {})
        registering = Program()
        build_files(registering, file.message, file.number)
        if registering.count:
            counters.setdefault(file.pid, []).append(registering)
        if OFF_SQ_RING in place and OFF_SQES in place:
            script = Script()
            build_counters(
                script.fresh,
                file.message,
                file.number,
                place[OFF_SQ_RING],
                place[OFF_SQES],
                _PROGRAM,
            )
            counters.setdefault(file.pid, []).extend(script.programs)
        elif file.message.sq_head:
            raise ImageError(f"The io_uring {file.id} is not mapped by task {file.pid}")
    shop.run(counters)
