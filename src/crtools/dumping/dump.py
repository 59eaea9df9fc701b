"""A dump from beginning to end: freeze, collect, write, and then kill, leave stopped or let go."""

from __future__ import annotations

import os
import time

from crtools import actions, log
from crtools.abi.interrupts import Deferred
from crtools.agent.inject import RobustList
from crtools.dumping.freeze import Tree
from crtools.dumping.memory import Figures, MemoryDump
from crtools.dumping.rehearsal import rehearse
from crtools.dumping.tasks import TaskDump
from crtools.errors import UnsupportedObject, UsageError
from crtools.images.messages.core import TaskKobjIdsEntry
from crtools.images.messages.inventory import InventoryEntry, PluginsEntry
from crtools.images.messages.pstree import PstreeEntry
from crtools.images.messages.seccomp import SeccompEntry
from crtools.images.messages.stats import DumpStatsEntry, StatsEntry
from crtools.images.messages.timens import TimensEntry, Timespec
from crtools.images.stats import write_stats
from crtools.images.store import ImageStore
from crtools.kinds.files import build_id, regular
from crtools.kinds.files.base import RequestsInFlight
from crtools.kinds.files.table import FilesDump
from crtools.kinds.memory.shared import SharedDump
from crtools.kinds.process.cpu import dump_cpu
from crtools.kinds.process.limits import AllNumbers
from crtools.kinds.process.sharing import Sharing, check_outside, check_threads, collect_sharing
from crtools.model.tree import FOREIGN_TIME, OWN_NAMESPACES, HostPid
from crtools.model.value import Value
from crtools.procfs.files import open_proc
from crtools.procfs.ns import read_namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.dumping.predump import PreDumpResult
    from crtools.dumping.rings import Drain
    from crtools.dumping.snapshot import Snapshot
    from crtools.dumping.tracking import Tracking
    from crtools.model.options import Options
    from crtools.model.tree import Process


class DumpResult(Value):
    """The figures of a dump: times in microseconds, sizes in pages of 4 KiB."""

    pid: int
    directory: str
    processes: int
    threads: int
    pages: int
    shared_pages: int
    freezing_us: int
    frozen_us: int
    total_us: int
    pages_in_parent: int = 0
    # Of a live snapshot: memories that copies have written, the longest time that a process was
    # stopped again to reap its copy, and why others were written while the tree was stopped.
    copied: int = 0
    stopped_again_us: int = 0
    remarks: tuple[str, ...] = ()
    rounds: tuple[PreDumpResult, ...] = ()  # of --iterate

    def summary_line(self) -> str:
        from crtools.model.units import size, span

        again = f", then {span(self.stopped_again_us)}" if self.copied else ""
        return (
            f"dumped {self.processes} processes, {self.threads} threads,"
            f" {size((self.pages + self.shared_pages) * 4096)} in {span(self.total_us)}"
            f" (frozen {span(self.frozen_us)}{again})"
        )

    def stats_lines(self) -> tuple[str, ...]:
        copies = (
            f"Copied memories: {self.copied}",
            f"Longest second stop: {self.stopped_again_us} us",
        )
        rounds = [
            f"Round {number}: {result.pages} pages in {result.total_us} us, frozen"
            f" {result.frozen_us} us"
            for number, result in enumerate(self.rounds, 1)
        ]
        return (
            *rounds,
            *(copies if self.copied else ()),
            f"Freezing time: {self.freezing_us} us",
            f"Frozen time: {self.frozen_us} us",
            f"Pages written: {self.pages}",
            f"Pages in the parent directory: {self.pages_in_parent}",
            f"Shared memory pages written: {self.shared_pages}",
            f"Processes: {self.processes}, threads: {self.threads}",
        )


# Kinds of files are imported when one is met, but these are met in every process, while it is
# stopped.
MET_ALWAYS = (build_id, regular)

SIGCHLD = 17


def dump(options: Options, *, until_gone: bool) -> DumpResult:
    """Dumps the tree of options.tree. On any error the tree goes on as if nothing had happened.

    A command, which ends right afterwards, need not wait `until_gone` for tasks that it killed.
    """
    started = time.monotonic_ns() // 1000
    if options.tree is None:
        raise UsageError("dump needs the pid of the tree's root", hint="-t PID")
    if options.snapshot and not options.leave_running:
        raise UsageError(
            "--snapshot is for a tree that runs on", hint="add --leave-running: crtools snapshot"
        )
    if options.snapshot and (options.track_mem or options.prev_images_dir):
        raise UsageError(
            "--snapshot writes all of the memory: it builds upon no earlier dump",
            hint="leave out --track-mem and --prev-images-dir, or --snapshot",
        )
    if options.snapshot and (options.share_pages or options.reflink_pages):
        name = "--share-pages" if options.share_pages else "--reflink-pages"
        raise UsageError(
            f"{name} does not go with --snapshot",
            because="which pages are shared is looked for in all of the memory, which takes longer"
            " than a snapshot may stop the tree",
        )
    root = HostPid(options.tree)
    proc = open_proc()
    try:
        store = ImageStore.create(options.images_dir)
        try:
            if options.share_pages or options.reflink_pages:
                from crtools.dumping.relatives import check_options

                check_options(options)
            if options.reflink_pages:
                from crtools.kinds.memory.clones import can_clone

                options = options.but(reflink_pages=can_clone(store, options.images_dir))
            with AllNumbers():
                if options.snapshot:
                    from crtools.dumping.snapshot import Snapshot

                    with Snapshot(proc, options.timeout) as snapshot:
                        result = _dump(
                            proc, root, store, options, started, until_gone, None, snapshot
                        )
                elif not (options.track_mem or options.prev_images_dir):
                    result = _dump(proc, root, store, options, started, until_gone, None)
                else:
                    from crtools.dumping.tracking import Tracking

                    with Tracking(proc, store, options) as tracking:
                        result = _dump(proc, root, store, options, started, until_gone, tracking)
            if options.checksums or options.auto_dedup:
                from crtools.dumping.afterwards import finish_images

                finish_images(store, options)
            return result
        finally:
            store.close()
    finally:
        os.close(proc)


def _dump(
    proc: int,
    root: HostPid,
    store: ImageStore,
    options: Options,
    started: int,
    until_gone: bool,
    tracking: Tracking | None,
    snapshot: Snapshot | None = None,
) -> DumpResult:
    figures = Figures()

    def script(name: str) -> None:
        actions.run_action(name, options.action_scripts, options.images_dir, init_pid=root)

    if options.action_scripts:
        script("pre-dump")
    # All that can be made ready is, before anything is stopped.
    if tracking is not None:
        tracking.prepare()
    if options.network_lock == "iptables" and options.tcp_established:
        from crtools.kinds.network.iptables import check_programs

        check_programs()
    own = read_namespaces(proc, os.getpid())
    files, shared, tasks = begin(proc, store, options, figures, snapshot)
    rehearse(proc)
    store.write("seccomp", [SeccompEntry()])
    dump_cpu(store, options.cpu_cap)
    store.prepare(
        *[(key, None) for key in ("pstree", "files")],
        *[(key, int(root)) for key in ("core", "mm", "fs", "ids", "pagemap")],
        ("pages", 1),
        ("fdinfo", 2),
        ("timens", 0),
    )
    # A tree that goes on is let go of as soon as all is known: what is small is written afterwards.
    # A script after the dump must still find it stopped.
    # That of a live snapshot runs by then.
    early = options.leave_running and (snapshot is not None or not options.action_scripts)
    if early:
        store.defer()
    with Deferred() as interrupts, Tree(proc, options.timeout, attend=until_gone) as tree:
        if snapshot is not None:
            snapshot.hurry()
        tree.freeze(root)
        log.info(f"stopped {len(tree.processes)} processes")
        drain: Drain | None = None
        try:
            leftovers = _take_leftovers(tree)
            sharing = _check_tree(proc, tree, options, own)
            while True:
                tree.late, tasks.sharing = tasks.late, sharing
                try:
                    _collect(tree, files, tasks)
                    break
                except RequestsInFlight as busy:
                    from crtools.dumping.rings import Drain

                    drain = drain or Drain(proc, tree, interrupts)
                    drain.wait_until_idle(busy.requests, tasks)
                # A request that has completed may have changed whatever was looked at already.
                files.undo()
                files, shared, tasks = begin(proc, store, options, figures, snapshot)
            for entry in shared.files:
                files.add_entry(entry)
            files.check()
            shared.check()
            img_version = 2
            if options.reflink_pages:
                tasks.share_pages(tree.processes, clone=True)
            elif options.share_pages and tasks.share_pages(tree.processes):
                from crtools.kinds.memory.frames import SHARED_VERSION as img_version
            if tracking is not None:
                tracking.begin(tree.alive, sharing.vm)
                tasks.follow(tracking)
            tasks.leftovers = leftovers
            if snapshot is not None:
                snapshot.judge(tree.alive, files, sharing)
            with RobustList(), tasks.writers:
                for process, ids in zip(tree.processes, _shared_ids(tree, sharing), strict=True):
                    if tree.time_offsets is not None:
                        ids.time_ns_id = FOREIGN_TIME
                    interrupts.check()
                    tasks.dump(process, ids)
            files.finish()
            if tasks.seccomp is not None:
                store.write("seccomp", [tasks.seccomp.entry()])
            shared.write()
            _write_tree(proc, store, tree)
            if tracking is not None and tracking.arms:
                tracking.arm(tree.alive, tasks)
            if early:
                tree.release()
            frozen = time.monotonic_ns() // 1000
            if snapshot is not None:
                if files.connections is not None:
                    files.connections.release()
                snapshot.write(interrupts)
            tasks.clone_pages()
            if not early:
                files.find_mapped_locks()
            store.write_deferred()
            result = DumpResult(
                pid=root,
                directory=options.images_dir,
                processes=len(tree.processes),
                threads=figures.threads,
                pages=figures.pages_written,
                shared_pages=shared.pages_written,
                freezing_us=tree.frozen_us - tree.started_us,
                frozen_us=frozen - tree.started_us,
                total_us=frozen - started,
                pages_in_parent=figures.pages_in_parent,
            )
            if snapshot is not None:
                result = result.but(
                    copied=len(snapshot.copied),
                    stopped_again_us=snapshot.stopped_again_us,
                    remarks=tuple(snapshot.remarks),
                )
            _write_stats(options, store, figures, result)
            if tracking is not None:
                tracking.finish()
            lsmtype = tasks.lsm.type if tasks.lsm is not None else 0
            _write_inventory(store, options, files, lsmtype, img_version)
            if tracking is not None:
                tracking.commit()
            if options.action_scripts:
                script("post-dump")
            if files.connections is not None and not (
                options.leave_running or options.leave_stopped
            ):
                files.connections.take([process.pid for process in tree.alive])
        except BaseException:
            store.remove("inventory")
            files.undo()
            raise
        if options.leave_running or options.leave_stopped:
            files.let_go()
        if early:
            return result.but(total_us=time.monotonic_ns() // 1000 - started)
        if options.leave_running:
            tree.release()
        elif options.leave_stopped:
            _leave_stopped(tree)
        else:
            if files.connections is not None:
                files.connections.end()
            tree.kill(wait=until_gone)
    end = time.monotonic_ns() // 1000
    return result.but(frozen_us=end - tree.started_us, total_us=end - started)


def begin(
    proc: int,
    store: ImageStore,
    options: Options,
    figures: Figures,
    snapshot: Snapshot | None = None,
) -> tuple[FilesDump, SharedDump, TaskDump]:
    """What collects and writes, of one dump."""
    files = FilesDump(proc, store, options)
    shared = SharedDump(proc, store, files.new_id, lambda: tasks.new_pages_id())
    files.shared = shared
    memory = MemoryDump(proc, store, files, shared, figures)
    if snapshot is not None:
        memory = snapshot.begin(store, files, shared, figures)
    tasks = TaskDump(proc, store, files, shared, figures, memory)
    return files, shared, tasks


def _take_leftovers(tree: Tree) -> dict[int, list[int]]:
    """Takes out of the tree what a live snapshot whose tool was killed has left: zombies without an
    exit signal, under our name, in sessions of their own. By their parents' numbers."""
    found: dict[int, list[int]] = {}
    for process in tree.processes[1:]:
        if process.parent is None or not process.zombie or process.stat.exit_signal:
            continue
        from crtools.agent.copy import NAME

        if process.status.name == NAME and process.stat.session == process.pid:
            found.setdefault(process.parent.pid, []).append(process.pid)
            process.parent.children.remove(process)
            tree.processes.remove(process)
    return found


def _collect(tree: Tree, files: FilesDump, tasks: TaskDump) -> None:
    """Raises RequestsInFlight if an io_uring is not idle: then nothing of it is to be used."""
    files.processes = tree.processes
    for process in tree.processes:
        files.add_process(process.pid)
    for process in tree.processes:
        tasks.collect(process)


def _leave_stopped(tree: Tree) -> None:
    """Each process gets a SIGSTOP before it is let go of: it stops before it runs."""
    for process in tree.alive:
        if not process.tracees[0].group_stop:
            os.kill(process.pid, 19)
    tree.release()


def _ids(number: int) -> TaskKobjIdsEntry:
    return TaskKobjIdsEntry(
        vm_id=number,
        files_id=number,
        fs_id=number,
        sighand_id=number,
        pid_ns_id=OWN_NAMESPACES["pid"],
        net_ns_id=OWN_NAMESPACES["net"],
        ipc_ns_id=OWN_NAMESPACES["ipc"],
        uts_ns_id=OWN_NAMESPACES["uts"],
        time_ns_id=OWN_NAMESPACES["time"],
        mnt_ns_id=OWN_NAMESPACES["mnt"],
        user_ns_id=OWN_NAMESPACES["user"],
        cgroup_ns_id=OWN_NAMESPACES["cgroup"],
    )


def _shared_ids(tree: Tree, sharing: Sharing) -> list[TaskKobjIdsEntry]:
    """The ids of all processes, in the tree's order: from 2 on, who shares has the first one's."""
    found: list[TaskKobjIdsEntry] = []
    numbers: dict[int, int] = {}
    for number, process in enumerate(tree.processes, 2):
        pid = process.pid
        numbers[pid] = number
        ids = _ids(number)
        ids.vm_id = numbers[sharing.vm.get(pid, pid)]
        ids.files_id = numbers[sharing.files.get(pid, pid)]
        ids.fs_id = numbers[sharing.fs.get(pid, pid)]
        ids.sighand_id = numbers[sharing.sighand.get(pid, pid)]
        found.append(ids)
    return found


def _check_tree(
    proc: int, tree: Tree, options: Options, own: dict[str, tuple[str, int]]
) -> Sharing:
    """What can be refused before anything is put into a process; what processes share."""
    foreign_time = False
    for process in tree.alive:
        for name, namespace in read_namespaces(proc, process.via).items():
            if own.get(name) != namespace:
                if namespace[0] == "time":
                    foreign_time = True
                    continue
                raise UnsupportedObject(
                    f"Cannot dump {process.name}: it is in another {name} namespace than crtools",
                    because="namespaces are not carried yet",
                    hint=f"run crtools inside it: nsenter -t {process.pid} -a crtools dump ...",
                    subject=("task", process.pid),
                )
    if foreign_time:
        from crtools.kinds.namespaces.time import check_namespace

        tree.time_offsets = check_namespace(proc, tree.alive)
    _check_session(tree, options)
    check_outside(tree.root)
    own_fs = check_threads(tree.alive)
    sharing = collect_sharing(tree.alive)
    sharing.own_fs = own_fs
    unusual = any(process.stat.exit_signal != SIGCHLD for process in tree.processes[1:])
    if sharing or unusual:
        _check_births(tree, sharing)
    return sharing


def _check_births(tree: Tree, sharing: Sharing) -> None:
    """Whether such a tree can be made again: the same plan that a restore would make."""
    from crtools.kinds.process.relations import Relation, plan_relations

    plan_relations(
        [
            Relation(
                pid=process.pid,
                ppid=process.parent.pid if process.parent else 0,
                pgid=process.stat.pgrp,
                sid=process.stat.session,
                exit_signal=process.stat.exit_signal,
                vm_id=0 if process.zombie else ids.vm_id,
                files_id=0 if process.zombie else ids.files_id,
                fs_id=0 if process.zombie else ids.fs_id,
                sighand_id=0 if process.zombie else ids.sighand_id,
            )
            for process, ids in zip(tree.processes, _shared_ids(tree, sharing), strict=True)
        ],
        outer_pgid=os.getpgrp(),
    )


def _check_session(tree: Tree, options: Options) -> None:
    """The session and the group of the tree must be in it, unless --shell-job says otherwise."""
    root = tree.root
    if options.shell_job:
        return
    pids = {process.pid for process in tree.processes}
    for what, number in (("session", root.stat.session), ("process group", root.stat.pgrp)):
        if number not in pids:
            # 0: begun outside of this pid namespace, as docker exec and nsenter leave it
            where = f", task {number}, is outside the tree" if number else " has no pid here"
            raise UnsupportedObject(
                f"Cannot dump {root.name}: the leader of its {what}{where}",
                because="it was started from a shell or another program that is not dumped",
                hint="--shell-job, or start the program with setsid",
                subject=("task", root.pid),
            )


def _write_tree(proc: int, store: ImageStore, tree: Tree) -> None:
    entries = [_tree_entry(process) for process in tree.processes]
    store.write("pstree", entries)
    if tree.time_offsets is not None:
        from crtools.kinds.namespaces.time import clocks

        store.write("timens", [clocks(proc, tree.time_offsets)], id=0)
        return
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    store.write(
        "timens",
        [
            TimensEntry(
                monotonic=Timespec(tv_sec=now // 10**9, tv_nsec=now % 10**9),
                boottime=Timespec(tv_sec=boot // 10**9, tv_nsec=boot % 10**9),
            )
        ],
        id=0,
    )


def _tree_entry(process: Process) -> PstreeEntry:
    return PstreeEntry(
        pid=process.pid,
        ppid=process.parent.pid if process.parent else 0,
        pgid=process.stat.pgrp,
        sid=process.stat.session,
        threads=[
            *([process.pid] if process.leader is not None else []),
            *[tracee.tid for tracee in process.tracees],
        ]
        or [0],
    )


def _write_stats(options: Options, store: ImageStore, figures: Figures, result: DumpResult) -> None:
    stats = dump_stats(figures, result.freezing_us, result.frozen_us, result.shared_pages)
    write_stats(store, options.images_dir, options.work_dir, "stats-dump", stats)


def dump_stats(figures: Figures, freezing_us: int, frozen_us: int, shared: int) -> StatsEntry:
    """For stats-dump; `shared`: pages of shared memory."""
    return StatsEntry(
        dump=DumpStatsEntry(
            freezing_time=freezing_us,
            frozen_time=frozen_us,
            memdump_time=figures.memory_us,
            memwrite_time=figures.write_us,
            pages_scanned=figures.pages_scanned,
            pages_skipped_parent=figures.pages_in_parent,
            pages_written=figures.pages_written,
            irmap_resolve=0,
            pages_lazy=0,
            page_pipes=0,
            page_pipe_bufs=0,
            shpages_scanned=shared,
            shpages_skipped_parent=0,
            shpages_written=shared,
        )
    )


def inventory() -> InventoryEntry:
    """What every image directory says of itself."""
    return InventoryEntry(
        img_version=2,
        fdinfo_per_id=True,
        root_ids=_ids(1),
        ns_per_id=True,
        root_cg_set=1,
        lsmtype=0,
        network_lock_method=0,
        plugins_entry=PluginsEntry(),
    )


def _write_inventory(
    store: ImageStore, options: Options, files: FilesDump, lsmtype: int, img_version: int
) -> None:
    """Last: an image directory is complete when it is there. `lsmtype` is the images'."""
    entry = inventory()
    entry.img_version = img_version
    entry.lsmtype = lsmtype
    entry.tcp_close = options.tcp_close or None
    if files.connections is not None:
        entry.network_lock_method = files.connections.network_lock_method
    entry.allow_uprobes = options.allow_uprobes or None
    entry.dump_criu_run_id = files.run_id
    store.write("inventory", [entry])
