"""A pre-dump: the memory of a tree that runs on, so that the dump that follows has less to write.

The tree is stopped only to find the pages that have changed and to protect them anew; they are read
while it runs again. What it changes meanwhile counts as changed for the next dump, which writes it
in full: so a page may be torn, or gone. What lies in the directory then are pages and where they
are, no process; shared memory is in the dump itself alone, since what writes to it need not be of
the tree, nor need it map it.
"""

from __future__ import annotations

import os
import time

from crtools import actions, log
from crtools.abi.interrupts import Deferred
from crtools.abi.ioctl import PAGE_IS_HUGE, PAGE_IS_PRESENT
from crtools.abi.kernel import PAGE
from crtools.dumping.copying import Copier
from crtools.dumping.dump import begin, dump_stats, inventory
from crtools.dumping.freeze import Tree
from crtools.dumping.memory import Figures
from crtools.dumping.rehearsal import rehearse
from crtools.dumping.tracking import Tracking
from crtools.errors import UsageError
from crtools.images.messages.pagemap import PagemapHead
from crtools.images.stats import write_stats
from crtools.images.store import ImageStore
from crtools.kinds.memory.pages import IN_PARENT, add_entry, count_in_parent
from crtools.kinds.memory.scan import UNCHANGED
from crtools.kinds.memory.tracking import intersect
from crtools.kinds.process.limits import AllNumbers
from crtools.kinds.process.sharing import collect_sharing
from crtools.model.tree import HostPid
from crtools.model.value import Value
from crtools.procfs.files import open_proc
from crtools.procfs.pagemap import open_pagemap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.dumping.tasks import TaskDump
    from crtools.images.messages.pagemap import PagemapEntry
    from crtools.kinds.memory.scan import Region
    from crtools.kinds.memory.tracking import Tracker
    from crtools.model.options import Options
    from crtools.model.tree import Process

# inventory_entry.pre_dump_mode: what marks a directory as a pre-dump's.
_MODES = {"splice": 1, "read": 2}


class PreDumpResult(Value):
    """The figures of a pre-dump: times in microseconds, sizes in pages of 4 KiB."""

    pid: int
    directory: str
    processes: int
    pages: int
    pages_in_parent: int
    freezing_us: int
    frozen_us: int
    total_us: int

    def summary_line(self) -> str:
        from crtools.model.units import size, span

        return (
            f"pre-dumped {self.processes} processes, {size(self.pages * 4096)}"
            f" in {span(self.total_us)} (frozen {span(self.frozen_us)})"
        )

    def stats_lines(self) -> tuple[str, ...]:
        return (
            f"Freezing time: {self.freezing_us} us",
            f"Frozen time: {self.frozen_us} us",
            f"Pages written: {self.pages}",
            f"Pages in the parent directory: {self.pages_in_parent}",
            f"Processes: {self.processes}",
        )


class _Memory:
    """What of a process's memory is to be written."""

    __slots__ = ("regions", "tracker", "users", "via")

    def __init__(self, process: Process) -> None:
        self.via = process.via
        self.users = [process.pid]  # others have the same memory
        self.regions: list[Region] = []
        self.tracker: Tracker | None = None


def pre_dump(options: Options) -> PreDumpResult:
    """Writes what has changed in the memory of the tree of options.tree. Whatever happens, it runs
    on."""
    started = time.monotonic_ns() // 1000
    if options.tree is None:
        raise UsageError("pre-dump needs the pid of the tree's root", hint="-t PID")
    options = options.but(track_mem=True, leave_running=True, leave_stopped=False)
    proc = open_proc()
    try:
        with (
            ImageStore.create(options.images_dir) as store,
            AllNumbers(),
            Tracking(proc, store, options) as tracking,
        ):
            result = _pre_dump(proc, store, options, tracking, started)
            if options.checksums or options.auto_dedup:
                from crtools.dumping.afterwards import finish_images

                finish_images(store, options)
            return result
    finally:
        os.close(proc)


def _pre_dump(
    proc: int, store: ImageStore, options: Options, tracking: Tracking, started: int
) -> PreDumpResult:
    root = HostPid(options.tree or 0)
    if options.action_scripts:
        actions.run_action("pre-dump", options.action_scripts, options.images_dir, init_pid=root)
    tracking.prepare()
    figures = Figures()
    tasks = begin(proc, store, options, figures)[2]
    rehearse(proc)
    with Deferred() as interrupts, Tree(proc, options.timeout, attend=True) as tree:
        tree.freeze(root)
        interrupts.check()
        log.info(f"stopped {len(tree.processes)} processes")
        tree.late = tasks.late
        found = time.monotonic_ns()
        memories = _find_changes(proc, tree.alive, tracking, tasks)
        figures.memory_us = (time.monotonic_ns() - found) // 1000
        processes = len(tree.processes)
        tree.release()
        end = time.monotonic_ns() // 1000
        frozen, freezing = end - tree.started_us, tree.frozen_us - tree.started_us
    writing = time.monotonic_ns()
    for number, memory in enumerate(memories, 1):
        _write(proc, store, memory, number, figures, zeros=options.keep_zero_pages)
    figures.write_us = (time.monotonic_ns() - writing) // 1000
    tracking.finish()
    result = PreDumpResult(
        pid=root,
        directory=options.images_dir,
        processes=processes,
        pages=figures.pages_written,
        pages_in_parent=figures.pages_in_parent,
        freezing_us=freezing,
        frozen_us=frozen,
        total_us=time.monotonic_ns() // 1000 - started,
    )
    stats = dump_stats(figures, freezing, frozen, 0)
    write_stats(store, options.images_dir, options.work_dir, "stats-dump", stats)
    entry = inventory()
    entry.pre_dump_mode = _MODES[options.pre_dump_mode]
    store.write("inventory", [entry])
    tracking.commit()
    return result


def _find_changes(
    proc: int, processes: list[Process], tracking: Tracking, tasks: TaskDump
) -> list[_Memory]:
    """While the tree is stopped: which pages have changed, and all are protected anew."""
    shares = collect_sharing(processes).vm
    tracking.begin(processes, shares)
    memories: dict[int, _Memory] = {}
    for process in processes:
        if process.pid in shares:
            memories[shares[process.pid]].users.append(process.pid)
            continue
        memory = memories[process.pid] = _Memory(process)
        pagemap = open_pagemap(proc, process.via)
        try:
            tracker = tracking.attach(process, pagemap)
            if tracker is not None:
                memory.tracker = tracker
                for span in tracker.areas:
                    memory.regions += tracker.collect(pagemap, [span])
        finally:
            os.close(pagemap)
    tracking.arm(processes, tasks)
    return list(memories.values())


def _plan(memory: _Memory) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """What is written, and what is in the parent: the pages that are its own. What nobody follows
    is not worth a page, as the next dump would write it all the same."""
    tracker = memory.tracker
    if tracker is None:
        return [], []
    regions = tracker.mark(memory.regions)
    plain = PAGE_IS_HUGE | PAGE_IS_PRESENT
    changed = [(start, end) for start, end, what in regions if not what & ~plain]
    unchanged = [(start, end) for start, end, what in regions if what & UNCHANGED]
    return intersect(changed, tracker.runs), unchanged


def _write(
    proc: int, store: ImageStore, memory: _Memory, number: int, figures: Figures, *, zeros: bool
) -> None:
    """Writes pages and pagemap, pages that are all `zeros` or not."""
    image = store.create_raw("pages", number)
    try:
        try:
            content = os.open(f"{memory.via}/mem", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
        except OSError:
            content = -1  # it has ended
        try:
            # Over a file's content they are content. What a page that is left out becomes later
            # is written by the dump that follows, as no directory behind it has the page.
            left_out = memory.tracker.anonymous if memory.tracker and not zeros else []
            copier = Copier(content, image, left_out)
            entries: list[PagemapEntry] = []
            changed, unchanged = _plan(memory)
            if content < 0 or not copier.copy_all(changed):
                log.info(f"task {memory.via} has ended meanwhile")
            for start, end in unchanged:
                add_entry(entries, start, end, IN_PARENT)
        finally:
            if content >= 0:
                os.close(content)
    finally:
        os.close(image)
    figures.pages_in_parent += count_in_parent(entries)
    both = sorted([*entries, *copier.entries], key=lambda entry: entry.vaddr)
    for pid in memory.users:
        store.write("pagemap", [PagemapHead(pages_id=number), *both], id=pid)
    figures.pages_written += copier.end // PAGE
    figures.pages_scanned += sum([end - start for start, end, _ in memory.regions]) // PAGE
