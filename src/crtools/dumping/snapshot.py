"""Live snapshots: copy-on-write children write the memory while the tree runs on.

A child is cloned in each stopped process (crtools.agent.copy), and keeps the memory as it is at
that moment; all else is read and written while the tree is stopped. So is memory that a child does
not get: areas advised MADV_DONTFORK and MADV_WIPEONFORK, droppable ones, hugetlb pages, of which
there may be too few for two, and rings of asynchronous I/O. When the tree runs, the children's
pagemap and smaps are read, which takes longer than to clone them, and they write their pages. Then
they are killed, and each process is stopped a second time, to reap its child.

docs/decisions/0023-live-snapshots.md says what of this a program could see.
"""

from __future__ import annotations

import os
import time

from crtools import log
from crtools.abi.interrupts import Deferred
from crtools.abi.ioctl import PAGE_IS_PRESENT, PAGE_IS_SWAPPED, PAGEMAP_SCAN
from crtools.abi.kernel import PAGE, address_of, calls
from crtools.agent.copy import Copy, bury_all
from crtools.agent.inject import Agent, RobustList
from crtools.agent.program import Program
from crtools.dumping import memory as memories
from crtools.dumping.freeze import Tree
from crtools.dumping.memory import Memory, MemoryDump, read_vdso, without_agent
from crtools.errors import CrtoolsError, InternalError, TaskVanished
from crtools.images.messages.pagemap import PagemapHead
from crtools.kinds.memory import areas as area_kinds
from crtools.kinds.memory import pages, scan
from crtools.kinds.memory.room import shortage
from crtools.kinds.process.scheduling import Urgent
from crtools.model.tree import Process
from crtools.procfs.maps import read_maps
from crtools.procfs.pagemap import PAGE_REGION, open_pagemap, pack_pm_scan_arg
from crtools.procfs.smaps import VF_DC, VF_HT, VF_WF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.dumping.memory import Figures
    from crtools.images.messages.mm import MmEntry
    from crtools.images.store import ImageStore
    from crtools.kinds.files.table import FilesDump
    from crtools.kinds.memory.areas import Area
    from crtools.kinds.memory.scan import Region
    from crtools.kinds.memory.shared import SharedDump
    from crtools.kinds.process.sharing import Sharing
    from crtools.procfs.smaps import SmapsFacts

SYS_ioctl = 16
# So much of a process's own is written sooner than a child is made, ended and reaped.
SMALL = 2 << 20
# To reap a copy its process is stopped for PAUSE seconds at most, and let alone for as long, until
# the command's --timeout or PATIENCE seconds have passed.
PAUSE, PATIENCE = 0.2, 10.0
# What a child has not, or not for certain.
_NOT_COPIED = VF_DC | VF_WF | VF_HT


class CopyProcess(Process):
    """A copy as what reads /proc sees it: under its own number, with its process's name."""

    __slots__ = ("_copy", "_of")

    def __init__(self, of: Process, copy: Copy) -> None:
        super().__init__(of.pid, of.parent)
        self._of = of
        self._copy = copy
        self.status, self.stat, self.leader = of.status, of.stat, of.leader

    @property
    def via(self) -> int:
        return self._copy.pid

    @property
    def name(self) -> str:
        return self._of.name


class Copied:
    """A memory whose pages a copy will write. `apart`: starts of areas that it has not; what was in
    these lies in `stash`, an unnamed file, and `regions` tells where it belongs."""

    __slots__ = (
        *("apart", "by_task", "copy", "described", "memory", "pages_id", "process", "regions"),
        "stash",
    )

    def __init__(
        self, process: Process, memory: Memory, copy: Copy, pages_id: int, *, by_task: bool
    ) -> None:
        self.process = process
        self.memory = memory
        self.copy = copy
        self.pages_id = pages_id
        self.by_task = by_task
        self.apart: set[int] = set()
        self.regions: dict[int, list[Region]] = {}
        self.stash = -1
        self.described: list[tuple[int, MmEntry]] = []  # pid and layout, of all that share it


class Snapshot:
    """The copies of one dump. As a context manager, around the stopped tree: whatever happens, none
    is left when it is closed, but for what is told in the log."""

    def __init__(self, proc: int, timeout: float) -> None:
        self._proc = proc
        self._timeout = timeout
        self._copies: list[Copy] = []
        self.copied: list[Copied] = []
        self.remarks: list[str] = []  # why memory was written while the tree was stopped
        self.stopped_again_us = 0  # the longest second stop
        self._why = ""  # no process may be copied
        self._memory: SnapshotMemory
        self._urgent: Urgent | None = None

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        with Deferred():
            self.take_time()
            self.end()

    def hurry(self) -> None:
        """From now on the tree is stopped: where others keep the CPUs busy, each step of ours would
        wait for one, and the tree with us."""
        self._urgent = Urgent()
        self._urgent.__enter__()

    def take_time(self) -> None:
        """The tree runs, or will not soon."""
        if self._urgent is not None:
            self._urgent.__exit__()
            self._urgent = None

    def begin(
        self, store: ImageStore, files: FilesDump, shared: SharedDump, figures: Figures
    ) -> SnapshotMemory:
        """What is to write the memory; the last one that was begun does."""
        self._memory = SnapshotMemory(self._proc, store, files, shared, figures, self)
        return self._memory

    def judge(self, processes: Sequence[Process], files: FilesDump, sharing: Sharing) -> None:
        """Whether any process may be copied; called once all is collected."""
        if files.userfaults:
            # Who reads its events may be one of those that are stopped: clone would wait for ever.
            self._refuse("a userfaultfd may be told of each child (UFFD_FEATURE_EVENT_FORK)")
            return
        needs = [
            (process.pid, process.status.vm_own)
            for process in processes
            if process.pid not in sharing.vm and process.status.vm_own >= SMALL
        ]
        if needs and (why := shortage(self._proc, needs)):
            self._refuse(f"memory might run out while both run: {why}")

    def _refuse(self, why: str) -> None:
        self._why = why
        self.take_time()
        self._tell(f"The memory of the tree is written while it is stopped: {why}")

    def _tell(self, remark: str) -> None:
        self.remarks.append(remark)
        log.warning("%s", remark)

    def clone(
        self,
        process: Process,
        agent: Agent,
        apart: Sequence[tuple[int, int]],
        registered: bool,
    ) -> Copy | None:
        """None where its memory is to be written at once. `apart`: what no child must get;
        `registered`: somebody outside the tree has a userfaultfd of it."""
        if self._why:
            return None
        why = ""
        if not type(agent).takes_descriptors:
            why = "its seccomp filters forbid what bringing it back would take"
        elif registered:
            why = "who has its userfaultfd may be told of each child"
        elif apart and agent.careful:
            why = "it is under seccomp filters and has areas that a child must not get"
        else:
            copy = Copy(self._proc, process.pid, agent)
            self._copies.append(copy)
            try:
                number = copy.clone(agent, apart)
            except (OSError, CrtoolsError) as error:
                raise (copy.explain() if copy.pid else None) or error from error
            if not number:
                log.info(f"the memory of {process.name} is written by a copy of it, {copy.pid}")
                return copy
            self._copies.remove(copy)
            why = f"no child can be cloned in it: {os.strerror(number)}"
        self._tell(f"The memory of {process.name} is written while it is stopped: {why}")
        return None

    def write(self, interrupts: Deferred) -> None:
        """Has the copies write their memory, while the tree runs; then all of them are gone."""
        self.take_time()
        for copied in self.copied:
            interrupts.check()
            try:
                self._memory.drain(copied, interrupts)
            except (OSError, CrtoolsError) as error:
                raise copied.copy.explain() or error from error
            copied.copy.end()
        self.end()

    def end(self) -> None:
        """Kills and reaps all copies."""
        copies, self._copies = [copy for copy in self._copies if copy.pid], []
        for copied in self.copied:
            if copied.stash >= 0:
                os.close(copied.stash)
                copied.stash = -1
        for copy in copies:
            copy.end()
        for copy in copies:
            copy.wait_until_dead()
            try:
                self._try_to_reap(copy)
            except (CrtoolsError, OSError) as error:
                # The next dump of the process will do it; and its own end does.
                log.warning(
                    "Task %d is left with a zombie child, %d: %s", copy.parent, copy.pid, error
                )
                copy.hand_over()

    def _try_to_reap(self, copy: Copy) -> None:
        """A process whose threads cannot all be stopped at once, since one is in vfork() perhaps,
        is left alone for a while."""
        end = time.monotonic() + (self._timeout or PATIENCE)
        while True:
            try:
                self._reap(copy)
                return
            except (CrtoolsError, OSError):
                if time.monotonic() > end:
                    raise
            time.sleep(PAUSE)

    def _reap(self, copy: Copy) -> None:
        """Has its process reap a dead copy. All of its threads are stopped when it becomes visible:
        one of them may wait for children of any kind."""
        with Urgent(), Tree(self._proc, PAUSE) as tree:
            try:
                process = tree.stop_process(copy.parent)
            except TaskVanished:
                process = None  # it has ended: somebody else has its children now
            copy.hand_over()
            if process is None or process.zombie:
                return
            reap(self._proc, process, [copy.pid])
            tree.release()
            stopped = time.monotonic_ns() // 1000 - tree.started_us
            self.stopped_again_us = max(self.stopped_again_us, stopped)


def reap(proc: int, process: Process, children: Sequence[int]) -> None:
    """Has a stopped process reap children of ours that have ended."""
    # Nothing runs in threads but the first: their filters are of no interest.
    owner = process.tracees[0]
    maps = read_maps(proc, process.via)
    agent: Agent
    if process.status.seccomp:
        from crtools.dumping.confined import choose_agent
        from crtools.kinds.process.seccomp import SeccompDump

        confined = SeccompDump().collect(owner, process.status.seccomp, process.name)
        agent = choose_agent(process, {owner.tid: confined}, Agent, proc, maps)
    else:
        agent = Agent(proc, process.tracees, maps)
    with RobustList():
        try:
            with agent:
                bury_all(agent, children)
        finally:
            agent.unmap()


class SnapshotMemory(MemoryDump):
    """As MemoryDump, but large memories are written by copies."""

    def __init__(
        self,
        proc: int,
        store: ImageStore,
        files: FilesDump,
        shared: SharedDump,
        figures: Figures,
        snapshot: Snapshot,
    ) -> None:
        super().__init__(proc, store, files, shared, figures)
        self._snapshot = snapshot

    def collect(self, process: Process, *, certain: bool = False) -> Memory:
        # What smaps of a child does not tell of its parent: locks. And what must not be copied.
        status = process.status
        certain = certain or bool(status.vm_locked) or bool(status.vm_huge)
        if not certain and (status.vm_rss or 0) >= memories.LARGE:
            maps = read_maps(self._proc, process.via)
            certain = any(vma.path.startswith(b"/SYSV") for vma in maps)
        return super().collect(process, certain=certain)

    def write(
        self, process: Process, memory: Memory, agent: Agent, content: int, *, by_task: bool
    ) -> None:
        if memory.pagemap is not None:
            super().write(process, memory, agent, content, by_task=by_task)
            return
        copy = None
        if process.status.vm_own >= SMALL:
            registered = memory.userfault is not None
            copy = self._snapshot.clone(process, agent, _keep_apart(memory.areas), registered)
        if copy is None:
            super().write(process, memory, agent, content, by_task=by_task)
            return
        copied = Copied(process, memory, copy, self.new_pages_id(), by_task=by_task)
        self._find_apart(process, copied, agent)
        self._write_apart(process, copied, agent, content)
        self._snapshot.copied.append(copied)

    def describe(self, pid: int, memory: Memory, layout: MmEntry) -> None:
        for copied in self._snapshot.copied:
            if copied.memory is memory:
                copied.described.append((pid, layout))
                return
        super().describe(pid, memory, layout)

    def _find_apart(self, process: Process, copied: Copied, agent: Agent) -> None:
        """Finds the areas whose pages the copy has not; of a guess by comparing both: what smaps
        would tell takes longer than to clone it."""
        memory = copied.memory
        there = {vma.start for vma in read_maps(self._proc, copied.copy.pid)}
        missing = [vma for vma in memory.vmas if vma.start not in there]
        if missing and memory.guessed:
            _, facts = self._smaps.read(self._proc, process.via)
            memory.areas = _with_flags(memory, without_agent(facts, agent.base), process.name)
            memory.guessed = False
        if not memory.guessed:
            copied.apart = {
                area.entry.start
                for area in memory.areas
                if area.flags & _NOT_COPIED
                or area.entry.status & area_kinds.AIO_RING
                or area.entry.start not in there
            }
            return
        # None is missing. What is wiped has no pages in the child.
        some = [
            area
            for area in memory.areas
            if area.pages and area.entry.status & area_kinds.ANON_PRIVATE
        ]
        some = self._without_pages(copied.copy.pid, some)
        none = {area.entry.start for area in self._without_pages(process.via, some)}
        copied.apart = {area.entry.start for area in some} - none

    def _without_pages(self, pid: int, areas: Sequence[Area]) -> list[Area]:
        """Those of the areas in which no page is there."""
        if not areas:
            return []
        region = bytearray(PAGE_REGION.size)
        there = PAGE_IS_PRESENT | PAGE_IS_SWAPPED
        arguments = [
            pack_pm_scan_arg(
                area.entry.start,
                area.entry.end,
                address_of(region),
                1,
                max_pages=1,
                category_anyof_mask=there,
                return_mask=there,
            )
            for area in areas
        ]
        rows = bytearray(56 * len(areas))
        words = memoryview(rows).cast("q")
        for at, argument in enumerate(arguments):
            words[at * 7 : at * 7 + 3] = memoryview(
                SYS_ioctl.to_bytes(8, "little")
                + PAGEMAP_SCAN.to_bytes(8, "little")
                + address_of(argument).to_bytes(8, "little")
            ).cast("q")
        pagemap = open_pagemap(self._proc, pid)
        try:
            calls(pagemap, address_of(rows), len(areas))
            if words[6] < 0:
                # Before Linux 6.7: by the words of pagemap.
                return [
                    area
                    for area in areas
                    if not scan.scan(pagemap, [(area.entry.start, area.entry.end)])
                ]
        finally:
            os.close(pagemap)
        return [area for at, area in enumerate(areas) if not words[at * 7 + 6]]

    def _write_apart(self, process: Process, copied: Copied, agent: Agent, content: int) -> None:
        """Writes what the copy has not to the stash, while the process is stopped."""
        memory = copied.memory
        copied.memory.pagemap = [PagemapHead(pages_id=copied.pages_id)]
        some = [area for area in memory.areas if area.entry.start in copied.apart]
        if some:
            copied.stash = self._store.create_raw("pages", 0)
            self._store.remove("pages", 0)
        writer = pages.PageWriter(agent, copied.stash, content, (0, b""), by_task=copied.by_task)
        offset = 0
        pagemap = open_pagemap(self._proc, process.via) if some else -1
        try:
            for area in some:
                span = (area.entry.start, area.entry.end)
                found = self.leave_out_zeros(agent, [area], scan.scan(pagemap, [span]))
                copied.regions[area.entry.start] = found
                plan = pages.plan_pages([area], found, offset)
                writer.start(plan.runs, last=False)
                offset = plan.end
        finally:
            if pagemap >= 0:
                os.close(pagemap)
        writer.start([], last=True)

    def drain(self, copied: Copied, interrupts: Deferred) -> None:
        """Has a copy write its pages, and puts what was written apart between them."""
        memory, copy = copied.memory, copied.copy
        process = CopyProcess(copied.process, copy)
        started = time.monotonic_ns()
        copy.give_way(nice=process.stat.nice)
        image = self._store.create_raw("pages", copied.pages_id)
        content = os.open(f"{copy.pid}/mem", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)
        try:
            if memory.guessed:
                _, facts = self._smaps.read(self._proc, copy.pid)
                memory.areas = _with_flags(memory, without_agent(facts, copy.base), process.name)
                memory.guessed = False
            program = Program()
            asked = pages.ask_pair(program)
            pages.check_pair(copy, copy.run(program), asked)
            vdso = read_vdso(content, memory.vmas)
            by_task = copied.by_task and copy.takes_descriptors
            writer = pages.PageWriter(copy, image, content, vdso, by_task=by_task)
            pagemap = open_pagemap(self._proc, copy.pid)
            try:
                regions = self._write_areas(
                    process, copied, writer, image, pagemap, content, interrupts
                )
            finally:
                os.close(pagemap)
            writer.start([], last=True)
            copy.wait()
        finally:
            os.close(content)
            os.close(image)
        plan = pages.plan_pages(memory.areas, regions)
        memory.pagemap = pages.head_and_entries(copied.pages_id, plan)
        memory.guards = plan.guards
        memory.plan = copied.pages_id, plan
        self.write_huge(copied.process.pid, plan)
        self.finish(memory)
        self._figures.pages_scanned += plan.scanned
        self._figures.pages_written += plan.end // PAGE
        self._figures.memory_us += (time.monotonic_ns() - started) // 1000
        while memory.when_known:
            memory.when_known.pop(0)()
        for pid, layout in copied.described:
            layout.vmas = memory.entries()
            super().describe(pid, memory, layout)

    def _write_areas(
        self,
        process: Process,
        copied: Copied,
        writer: pages.PageWriter,
        image: int,
        pagemap: int,
        content: int,
        interrupts: Deferred,
    ) -> list[Region]:
        """What was found of all areas, in ascending order; the last are still being written."""
        memory = copied.memory
        regions: list[Region] = []
        offset = stashed = 0
        for apart, areas in _groups(memory.areas, copied.apart):
            if apart:
                found = copied.regions[areas[0].entry.start]
                plan = pages.plan_pages(areas, found, offset)
                _move(copied.stash, stashed, image, offset, plan.end - offset)
                stashed += plan.end - offset
                regions += found
                offset = plan.end
                continue
            for portion, span in _spans(areas):
                interrupts.check()
                found = scan.scan(pagemap, [span]) if span[0] < span[1] else []
                self._find_breakpoints(process, memory, portion.areas, found, content)
                found = self.leave_out_zeros(copied.copy, portion.areas, found)
                regions += found
                plan = pages.plan_pages(portion.areas, found, offset)
                writer.start(plan.runs, last=False)
                offset = plan.end
        return regions


def _with_flags(
    memory: Memory, facts: Sequence[tuple[int, int, SmapsFacts]], task: str
) -> list[Area]:
    """The areas that were guessed, with what smaps tells of them. What is mapped there was entered
    into the images while the process was stopped, and may be gone or have another name by now."""
    known = {area.entry.start: area.entry for area in memory.areas}
    return area_kinds.collect_areas(
        memory.vmas,
        facts,
        lambda vma: (known[vma.start].shmid, known[vma.start].fdflags or 0),
        lambda vma: known[vma.start].shmid,
        task,
    )


def _keep_apart(areas: Sequence[Area]) -> list[tuple[int, int]]:
    """Areas that no child must get: of huge pages there may be too few for two, and then one of
    them is ended; System V segments tell who attached them, and when."""
    return [
        (area.entry.start, area.entry.end)
        for area in areas
        if not area.flags & VF_DC
        and ((area.pages and area.flags & VF_HT) or area.entry.status & area_kinds.SYSV_SHM)
    ]


def _groups(areas: Sequence[Area], apart: set[int]) -> list[tuple[bool, list[Area]]]:
    """The areas in their order: each that is apart alone, others with their neighbours."""
    groups: list[tuple[bool, list[Area]]] = []
    for area in areas:
        alone = area.entry.start in apart
        if alone or not groups or groups[-1][0]:
            groups.append((alone, []))
        groups[-1][1].append(area)
    return groups


def _spans(areas: Sequence[Area]) -> list[tuple[pages.Portion, tuple[int, int]]]:
    """Portions of neighbouring areas, and what is to be scanned for each: together all of it, since
    any area may have guard pages."""
    ends = [a.entry.end for a in areas if not a.entry.status & area_kinds.VSYSCALL]
    if not ends:
        return [(pages.Portion(areas=list(areas), spans=[]), (0, 0))]
    portions = pages.plan_portions(areas)
    found = []
    start = areas[0].entry.start
    for portion in portions:
        last = portion is portions[-1] or not portion.spans
        end = ends[-1] if last else max(start, portion.spans[-1][1])
        found.append((portion, (start, end)))
        start = end
    return found


def _move(source: int, source_at: int, to: int, to_at: int, length: int) -> None:
    os.lseek(to, to_at, os.SEEK_SET)
    while length:
        moved = os.sendfile(to, source, source_at, length)
        if not moved:
            raise InternalError("What was written while the tree was stopped has got lost")
        source_at += moved
        length -= moved
