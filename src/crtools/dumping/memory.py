"""The memory of processes: their areas, seen from outside, and their pages, written by themselves.

Of a large process the pages are written in portions, each scanned while the task writes the one
before; its smaps, for whose text the kernel walks page tables, is read meanwhile. Until then the
flags that only smaps has are guessed: which pages there are follows from maps.
"""

from __future__ import annotations

import os
import time

from crtools.abi.ioctl import PAGE_IS_FILE, PAGE_IS_GUARD, PAGE_IS_PFNZERO
from crtools.abi.kernel import PAGE, has_protection_keys
from crtools.abi.mman import PROT_EXEC
from crtools.agent.inject import AREA_BYTES, CAVE_MARK
from crtools.errors import InternalError
from crtools.kinds.memory import areas as area_kinds
from crtools.kinds.memory import pages, scan
from crtools.procfs.files import explain
from crtools.procfs.maps import read_maps
from crtools.procfs.pagemap import open_pagemap
from crtools.procfs.smaps import VF_GU, VF_HT, SmapsFacts, SmapsReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.agent.copy import Copy
    from crtools.agent.inject import Agent
    from crtools.dumping.tracking import Tracking
    from crtools.images.messages.crtools_pages import CrtoolsPagesEntry
    from crtools.images.messages.mm import MmEntry
    from crtools.images.messages.pagemap import PagemapEntry, PagemapHead
    from crtools.images.messages.vma import VmaEntry
    from crtools.images.store import ImageStore
    from crtools.kinds.files.table import FilesDump
    from crtools.kinds.memory.areas import Area
    from crtools.kinds.memory.clones import Clones
    from crtools.kinds.memory.frames import Shares
    from crtools.kinds.memory.scan import Region
    from crtools.kinds.memory.shared import SharedDump
    from crtools.kinds.memory.uprobes import Breakpoints
    from crtools.kinds.memory.userfault import UserfaultDump
    from crtools.model.tree import Process
    from crtools.procfs.maps import Vma

# A large process: so much of it is resident, in fewer areas than would take long themselves.
LARGE, MANY = 64 << 20, 2000


class Figures:
    """What a dump did, in pages and microseconds."""

    def __init__(self) -> None:
        self.pages_scanned = 0
        self.pages_written = 0
        self.pages_in_parent = 0
        self.memory_us = 0
        self.write_us = 0
        self.tasks = 0
        self.threads = 0


class Memory:
    """The memory of one process, or of several that share it."""

    __slots__ = (
        "areas",
        "breakpoints",
        "elsewhere",
        "guards",
        "guessed",
        "pagemap",
        "pages_id",
        "plan",
        "shares",
        "userfault",
        "vmas",
        "when_known",
        "written",
    )

    def __init__(self, vmas: list[Vma], areas: list[Area], *, guessed: bool) -> None:
        self.vmas = vmas
        self.areas = areas
        self.guessed = guessed  # whether the flags of its areas are still a guess
        self.pagemap: list[PagemapHead | PagemapEntry] | None = None
        self.guards: list[tuple[int, int]] = []
        self.breakpoints: Breakpoints | None = None  # once changed code has been met
        self.userfault: UserfaultDump | None = None
        self.plan: tuple[int, pages.PagePlan] | None = None  # and the pages file's number
        self.written = 0  # bytes
        # With --share-pages: what of it lies in relatives' files (dumping/relatives.py); with
        # --reflink-pages, what its file will have from theirs.
        self.shares: Shares | Clones | None = None
        self.elsewhere: list[CrtoolsPagesEntry] = []
        self.pages_id = 0  # 0: not given yet
        self.when_known: list[Callable[[], None]] = []  # what waits for the end of a guess

    def entries(self) -> list[VmaEntry]:
        """For the mm image."""
        entries = [area.entry for area in self.areas]
        if self.guards:
            from crtools.kinds.memory.marks import guard_entries

            entries += guard_entries(self.guards)
        return entries


class MemoryDump:
    """Collects and writes the memory of the processes of a stopped tree."""

    def __init__(
        self, proc: int, store: ImageStore, files: FilesDump, shared: SharedDump, figures: Figures
    ) -> None:
        self._proc = proc
        self._store = store
        self._files = files
        self._shared = shared
        self._smaps = SmapsReader()
        self._mapped: dict[tuple[tuple[int, int], int, bytes, bool], int] = {}
        self._figures = figures
        self._pages_id = 0
        self._large = 0  # processes
        self._allow_uprobes = files.options.allow_uprobes
        self.tracking: Tracking | None = None
        self._keep_zeros = files.options.keep_zero_pages
        self._certain = (
            files.options.allow_uprobes or files.options.share_pages or files.options.reflink_pages
        )

    def new_pages_id(self) -> int:
        self._pages_id += 1
        return self._pages_id

    def collect(self, process: Process, *, certain: bool = False) -> Memory:
        """What is seen from outside. Raises UnsupportedObject, naming the area; of a large process
        some only when it is written, unless its flags have to be `certain` before."""
        proc, pid = self._proc, process.via
        # A guess leaves out keys, which tell whether the task can read its memory itself.
        guess = not (certain or self._certain) and not has_protection_keys()
        if guess and (process.status.vm_rss or 0) >= LARGE:
            vmas = read_maps(proc, pid)
            if len(vmas) < MANY:
                guessed = [_guess(vma) for vma in vmas]
                areas = self._collect_areas(process, vmas, guessed)
                if pid not in self._shared.with_rings and pid not in self._shared.with_sockets:
                    self._large += 1
                    return Memory(vmas, areas, guessed=True)
        vmas, facts = self._smaps.read(proc, pid)
        if self._allow_uprobes:
            from crtools.kinds.memory.uprobes import check_returns

            check_returns(proc, process, vmas)
        return Memory(vmas, self._collect_areas(process, vmas, facts), guessed=False)

    def finish(self, memory: Memory) -> None:
        """When all is written: takes breakpoints out of it."""
        if memory.breakpoints is not None and memory.plan is not None:
            pages_id, plan = memory.plan
            image = self._store.open_raw("pages", pages_id, for_writing=True)
            try:
                memory.breakpoints.undo(image, plan)
            finally:
                os.close(image)
            memory.breakpoints = None

    def write(
        self, process: Process, memory: Memory, agent: Agent, content: int, *, by_task: bool
    ) -> None:
        """Writes the pages; the last are still being written when this returns: Agent.wait().

        `content` is /proc/PID/mem; what is not `by_task` is read from there.
        """
        if memory.elsewhere:
            self._store.write("crtools-pages", memory.elsewhere, id=process.pid)
        if memory.pagemap is not None:
            # Another process's, too, and written with that.
            pages.PageWriter(agent, -1, content, (0, b""), by_task=by_task).start([], last=True)
            return
        pages_id = memory.pages_id or self.new_pages_id()
        image = self._store.create_raw("pages", pages_id)
        try:
            if memory.shares is not None:
                # A hole may be its end.
                os.ftruncate(image, memory.shares.plan.end)
            vdso = read_vdso(content, memory.vmas)
            writer = pages.PageWriter(agent, image, content, vdso, by_task=by_task)
            pagemap = open_pagemap(self._proc, process.via)
            try:
                plan = self._write_portions(process, memory, agent, writer, pagemap, content)
                if plan is None:
                    # The guess was wrong about which pages there are.
                    if agent.slot.running:
                        agent.wait()
                    os.ftruncate(image, 0)
                    plan = self._write_portions(process, memory, agent, writer, pagemap, content)
            finally:
                os.close(pagemap)
        finally:
            os.close(image)
        if plan is None:
            raise InternalError(f"What smaps says of {process.name} is known, and was guessed")
        memory.pagemap = pages.head_and_entries(pages_id, plan)
        memory.guards = plan.guards
        memory.plan = pages_id, plan
        self.write_huge(process.pid, plan)
        memory.written = plan.end
        self._figures.pages_scanned += plan.scanned
        self._figures.pages_written += plan.end // PAGE
        self._figures.pages_in_parent += pages.count_in_parent(plan.entries)

    def describe(self, pid: int, memory: Memory, layout: MmEntry) -> None:
        """The images that tell of a process's memory. Processes of one memory have each a pagemap,
        all of one pages file."""
        self._store.write("pagemap", memory.pagemap or [], id=pid)
        self._store.write("mm", [layout], id=pid)

    def _write_portions(
        self,
        process: Process,
        memory: Memory,
        agent: Agent,
        writer: pages.PageWriter,
        pagemap: int,
        content: int,
    ) -> pages.PagePlan | None:
        """Scans and writes; the plan of all, or None if smaps says otherwise than was guessed."""
        areas = memory.areas
        if memory.shares is not None:
            # Where each page lies in the file is settled: zeros become a hole in it.
            plan = memory.shares.plan
            zeros = self._find_zeros(agent, areas, memory.shares.regions)
            runs = pages.cut_runs(plan.runs, zeros) if zeros else plan.runs
            writer.start(runs, last=True)
            return plan
        tracker = None
        if self.tracking is not None:
            tracker = self.tracking.attach(process, pagemap, memory.vmas)
        # The last portion is to be begun with all that there is to do: a program after it would
        # have to wait for its end, and with it the next process.
        together = self._large > 1
        if memory.guessed:
            portions = pages.plan_portions(areas, together=together)
        else:
            portions = [pages.Portion(areas=areas, spans=_spans(areas))]
        regions: list[Region] = []
        offset = 0
        for left, portion in zip(range(len(portions))[::-1], portions, strict=True):
            started = time.monotonic_ns()
            found = (tracker or scan).scan(pagemap, portion.spans)
            self._figures.memory_us += (time.monotonic_ns() - started) // 1000
            if memory.userfault is not None:
                found = memory.userfault.filter(pagemap, found)
            self._find_breakpoints(process, memory, portion.areas, found, content)
            if memory.userfault is None:
                found = self.leave_out_zeros(agent, portion.areas, found)
            regions += found
            plan = pages.plan_pages(portion.areas, found, offset)
            offset = plan.end
            if memory.guessed and (together or portion is not portions[0] or not left):
                # The task has its first portion to write, or the next as well.
                writer.start(plan.runs, last=False)
                plan = plan.but(runs=[])
                vmas, facts = self._smaps.read(self._proc, process.via)
                vmas = [v for v in vmas if not agent.base <= v.start < agent.base + AREA_BYTES]
                facts = without_agent(facts, agent.base)
                memory.areas = self._collect_areas(process, vmas, facts)
                memory.guessed = False
                if _pages(memory.areas) != _pages(areas):
                    return None
            writer.start(plan.runs, last=not left)
        if memory.areas is areas and len(portions) == 1:
            return plan
        return pages.plan_pages(memory.areas, regions)

    def leave_out_zeros(
        self, agent: Agent | Copy, areas: Sequence[Area], found: list[Region]
    ) -> list[Region]:
        """What was found, and which pages of it are all zero; see kinds/memory/zeros.py."""
        zeros = self._find_zeros(agent, areas, found)
        if not zeros:
            return found
        from crtools.kinds.memory.zeros import mark

        return mark(found, zeros)

    def _find_zeros(
        self, agent: Agent | Copy, areas: Sequence[Area], found: Sequence[Region]
    ) -> list[tuple[int, int]]:
        if self._keep_zeros:
            return []
        files = PAGE_IS_FILE | PAGE_IS_PFNZERO | PAGE_IS_GUARD
        if sum([end - start for start, end, what in found if not what & files]) < pages.ZEROS_WORTH:
            return []
        from crtools.kinds.memory.zeros import find_zeros

        return find_zeros(agent, areas, found)

    def write_huge(self, pid: int, plan: pages.PagePlan) -> None:
        """Says what was on transparent huge pages, where anything was."""
        if plan.huge:
            from crtools.kinds.memory.huge import huge_entries

            self._store.write("crtools-huge", huge_entries(plan.huge), id=pid)

    def look(
        self, process: Process, memory: Memory, pagemap: int, content: int
    ) -> list[Region] | None:
        """What is in it, for dumping/relatives.py; None if its pages are not to be compared."""
        if memory.userfault is not None:
            return None
        found = scan.scan(pagemap, _spans(memory.areas))
        self._find_breakpoints(process, memory, memory.areas, found, content)
        if memory.breakpoints is not None:
            memory.breakpoints = None
            return None
        return found

    def _collect_areas(
        self, process: Process, vmas: list[Vma], facts: Sequence[tuple[int, int, SmapsFacts]]
    ) -> list[Area]:
        pid = process.via
        return area_kinds.collect_areas(
            vmas,
            facts,
            lambda vma: self._mapped_file(process, vma),
            lambda vma: self._shared.file_id(pid, vma),
            process.name,
            uprobes=self._allow_uprobes,
        )

    def _find_breakpoints(
        self,
        process: Process,
        memory: Memory,
        areas: list[Area],
        found: list[Region],
        content: int,
    ) -> None:
        """Takes out of `found` the pages of code that differ from their file by uprobes alone.
        Raises UnsupportedObject without --allow-uprobes."""
        at = 0
        for area in areas:
            entry = area.entry
            if not (entry.status & area_kinds.FILE_PRIVATE and entry.prot & PROT_EXEC):
                continue
            while at < len(found) and found[at][1] <= entry.start:
                at += 1
            while at < len(found) and found[at][0] < entry.end:
                start, end, what = found[at]
                if what & (PAGE_IS_FILE | PAGE_IS_PFNZERO | PAGE_IS_GUARD):
                    at += 1
                    continue
                # Code that was changed: that is rare.
                if memory.breakpoints is None:
                    from crtools.kinds.memory.uprobes import Breakpoints

                    memory.breakpoints = Breakpoints(
                        self._proc, process, memory.vmas, content, allowed=self._allow_uprobes
                    )
                first, last = max(start, entry.start), min(end, entry.end)
                pieces = memory.breakpoints.filter(area, first, last)
                stay = [(start, first), *pieces, (last, end)]
                found[at : at + 1] = new = [(a, b, what) for a, b in stay if a < b]
                at += len(new)

    def _mapped_file(self, process: Process, vma: Vma) -> tuple[int, int]:
        """The file behind a mapping, and how it was opened: the link's mode tells
        (fs/proc/base.c, map_files_d_instantiate)."""
        pid = process.via
        link = f"map_files/{vma.start:x}-{vma.end:x}"
        try:
            mode = os.stat(f"{pid}/{link}", dir_fd=self._proc, follow_symlinks=False).st_mode
        except OSError as error:
            raise explain(error, self._proc, pid, None, link) from error
        flags = os.O_RDWR if mode & 0o200 else os.O_RDONLY
        if vma.path.startswith(b"/memfd:") and vma.deleted and not vma.dev[0]:
            return self._shared.file_id(pid, vma), flags
        # File systems without a disk of their own: overlays are.
        if not vma.dev[0] and flags == os.O_RDONLY:
            from crtools.kinds.memory.copied_up import check_copied_up

            check_copied_up(self._proc, process, vma)
        # Most are mapped in several pieces and by many processes: the path is looked at once.
        key = (vma.dev, vma.inode, vma.path, vma.deleted)
        id = self._mapped.get(key)
        if id is None:
            id = self._mapped[key] = self._files.add_path(pid, link)
        if flags == os.O_RDWR or self._files.options.file_locks:
            self._files.mapped.setdefault((vma.dev, vma.inode), []).append((process.pid, id))
        return id, flags


def without_agent(
    facts: Sequence[tuple[int, int, SmapsFacts]], base: int
) -> list[tuple[int, int, SmapsFacts]]:
    """What smaps tells, but of the agent's area at `base`, which may be in two pieces."""
    return [fact for fact in facts if not base <= fact[0] < base + AREA_BYTES]


def _guess(vma: Vma) -> tuple[int, int, SmapsFacts]:
    """What smaps would say of an area, as far as it matters to which pages are written."""
    flags = VF_HT if vma.path == b"/anon_hugepage" else 0
    return vma.start, vma.end, SmapsFacts(flags, (), PAGE, 0, 0, 0, 0, 0)


def _spans(areas: list[Area]) -> list[tuple[int, int]]:
    # Any area may have guard pages, where the kernel does not say which may.
    return [(a.entry.start, a.entry.end) for a in areas if a.pages or a.flags & VF_GU]


def _pages(areas: list[Area]) -> list[tuple[int, int, bool]]:
    return [(a.entry.start, a.entry.end, a.readable) for a in areas if a.pages]


def read_vdso(content: int, vmas: list[Vma]) -> tuple[int, bytes]:
    """The vDSO's address and bytes, without what an earlier dump may have left in its padding."""
    for vma in vmas:
        if vma.path == b"[vdso]":
            code = os.pread(content, vma.end - vma.start, vma.start)
            ours = code.find(CAVE_MARK)
            if ours >= 0:
                code = code[:ours].ljust(len(code), b"\0")
            return vma.start, code
    return 0, b""
