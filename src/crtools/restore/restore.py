"""A restore from beginning to end: read, check, plan, create, fill, give back, let go.

All tasks reach the end of a phase before any enters the next. Nothing of the restored program runs
before the last one; until then any failure ends all that was made.
"""

from __future__ import annotations

import os
import time

from crtools import actions, log
from crtools.agent.program import Program
from crtools.errors import CrtoolsError, ImageError, RemoteSyscallError
from crtools.images.messages.crtools import CrtoolsTaskEntry
from crtools.images.messages.fdinfo import FdTypes
from crtools.images.messages.stats import RestoreStatsEntry, StatsEntry
from crtools.images.stats import write_stats
from crtools.images.store import ImageStore
from crtools.kinds.files.plan import FilesPlan
from crtools.kinds.memory import layout, vdso
from crtools.kinds.memory.mm import build_mm
from crtools.kinds.memory.shared import SharedObject
from crtools.kinds.process import (
    attributes,
    credentials,
    fs,
    limits,
    registers,
    relations,
    restart,
    scheduling,
    signals,
    timers,
)
from crtools.model.value import Value
from crtools.procfs.files import open_proc
from crtools.procfs.limits import read_limits
from crtools.procfs.status import read_status
from crtools.procfs.values import read_loginuid, read_oom_score_adj
from crtools.restore.conflict import check_pids, explain_pid
from crtools.restore.read import STOPPED, TaskImages, read_tasks
from crtools.restore.skeleton import SCRATCH_BYTES, THREAD_ROOM, Skeleton, Workshop
from crtools.tracee import ptrace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crtools.agent.program import Ref
    from crtools.agent.slot import Executed
    from crtools.images.messages.core import CoreEntry
    from crtools.images.messages.crtools import RestartEntry
    from crtools.kinds.process.relations import RelationsPlan, Step
    from crtools.model.options import Options

SYS_close, SYS_openat, SYS_exit_group, SYS_wait4, SYS_prctl = 3, 257, 231, 61, 157
SYS_setsid, SYS_setpgid, SYS_set_tid_address, SYS_set_robust_list = 112, 109, 218, 273
SYS_mlockall = 151
SYS_set_thread_area, SYS_rt_sigprocmask, SYS_exit = 205, 14, 60
SYS_kill, SYS_getpid, SYS_rseq, SYS_personality, SYS_munmap = 62, 39, 334, 135, 11
WALL = 0x40000000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36
PR_SET_THP_DISABLE, PR_SET_VMA = 41, 0x53564D41
# CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM
THREAD_FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000
SIGKILL, SIGSTOP = 9, 19
_PROGRAM_BYTES = 300_000
VDSO_ROOM = 64 << 10
# From so many bytes on, reading with two threads is faster than the second one's making.
WORKER_FROM = 16 << 20
_THREAD_PROGRAM_BYTES = 12_000


class RestoreResult(Value):
    """The figures of a restore: times in microseconds, sizes in pages of 4 KiB."""

    root_pid: int
    directory: str
    processes: int
    threads: int
    pages: int
    pages_compared: int
    pages_shared: int
    forking_us: int
    total_us: int

    def summary_line(self) -> str:
        from crtools.model.units import size, span

        return (
            f"restored {self.processes} processes, {self.threads} threads,"
            f" {size(self.pages * 4096)} in {span(self.total_us)}, root task {self.root_pid}"
        )

    def stats_lines(self) -> tuple[str, ...]:
        return (
            f"Pages compared: {self.pages_compared}",
            f"Pages skipped COW: {self.pages_shared}",
            f"Pages restored: {self.pages}",
            f"Restore time: {self.total_us} us",
            f"Forking time: {self.forking_us} us",
        )


class Script:
    """Programs for one task, a new one begun when the last is large enough."""

    __slots__ = ("_limit", "programs")

    def __init__(self, limit: int = _PROGRAM_BYTES) -> None:
        self.programs: list[Program] = []
        self._limit = limit

    def program(self, need: int = 0) -> Program:
        if not self.programs or self.programs[-1].size + need > self._limit:
            self.programs.append(Program())
        return self.programs[-1]

    def fresh(self) -> Program:
        self.programs.append(Program())
        return self.programs[-1]


class Plan:
    """What a restore will do, from images alone: no process is touched in making it."""

    def __init__(self, store: ImageStore, options: Options) -> None:
        self.store = store
        self.options = options
        self.tasks = read_tasks(store)
        self.by_pid = {task.pid: task for task in self.tasks}
        self.alive = [task for task in self.tasks if not task.zombie]
        self.threads = [(task.pid, tid) for task in self.alive for tid in task.tids]
        self.relations: RelationsPlan = relations.plan_relations(
            [
                relations.Relation(
                    pid=task.pid,
                    ppid=task.entry.ppid,
                    pgid=task.entry.pgid,
                    sid=task.entry.sid,
                )
                for task in self.tasks
            ],
            outer_pgid=os.getpgrp() if options.shell_job else 0,
            is_free=_is_free,
        )
        self.files = FilesPlan(store, [(task.pid, task.fdinfo) for task in self.alive], options)
        self.shared = _read_shared(store, self.alive)
        self.begetter: dict[int, int] = {}
        for step in self.relations.steps:
            if step.kind == relations.CLONE:
                self.begetter[step.pid] = step.memory
        everybody = [
            *self.threads,
            *[(task.pid, task.pid) for task in self.tasks if task.zombie],
            *[(pid, pid) for pid in self.relations.helpers],
        ]
        self.everybody = everybody
        self.workers = self._plan_workers()
        room = Workshop.room([*everybody, *self.workers.values()])
        spaces = [task.space for task in self.alive]
        # The last pages of the hole are for a vDSO that does not fit in the image's place.
        self.hole = layout.find_hole(spaces, room + VDSO_ROOM)
        self.patches = self._plan_vdso(self.hole + room)
        for task in self.alive:
            for core in task.cores.values():
                if core.thread_info is not None:
                    registers.restore_registers(core.thread_info)
                    registers.restore_tls(core.thread_info)
        self.changes = {
            task.pid: layout.plan_changes(self._before(task), task.space) for task in self.alive
        }

    def _plan_vdso(self, room: int) -> dict[int, tuple[tuple[int, bytes], ...]]:
        """Where an image's vDSO is not this kernel's, it becomes ordinary memory whose functions
        lead to this kernel's, mapped at `room`; the answer is what to write where, by process."""
        patches: dict[int, tuple[tuple[int, bytes], ...]] = {}
        proc = open_proc()
        try:
            host = vdso.read_host_vdso(proc)
        finally:
            os.close(proc)
        for task in self.alive:
            place = task.space.vdso_image()
            if place is None:
                continue
            start, code, end, offset = place
            content = self._page_bytes(task.space.pages_id, offset, end - code)
            plan = vdso.plan_vdso(
                vdso.VdsoImage(start=start, code=code, end=end, content=content),
                host,
                lambda length: room,
                [_instruction(core) for core in task.cores.values()],
            )
            if plan.kind == vdso.PROXY:
                where = None
                if plan.map_at is not None:
                    where = plan.map_at, plan.map_at + host.before + len(host.content)
                task.space = task.space.with_other_vdso(where)
                patches[task.pid] = plan.patches
        return patches

    def _page_bytes(self, pages_id: int, offset: int, length: int) -> bytes:
        if offset < 0:
            return b""
        image = self.store.open_raw("pages", pages_id)
        try:
            return os.pread(image, length, offset)
        finally:
            os.close(image)

    def _plan_workers(self) -> dict[int, tuple[int, int]]:
        """Processes with so much memory that a second thread helps to read it: pid -> (pid, tid of
        the helper, which is gone before the process's own threads come)."""
        taken = {*self.pids(), *[entry.entry.pgid for entry in self.tasks]}
        workers: dict[int, tuple[int, int]] = {}
        number = relations.FIRST_SPARE
        for task in self.alive:
            contents = task.space.contents
            if (os.cpu_count() or 1) > 1 and sum(
                [c.end - c.start for c in contents]
            ) >= WORKER_FROM:
                while number in taken or not _is_free(number):
                    number += 1
                taken.add(number)
                workers[task.pid] = (task.pid, number)
        return workers

    def _before(self, task: TaskImages) -> layout.Space | None:
        begetter = self.begetter.get(task.pid, 0)
        return self.by_pid[begetter].space if begetter else None

    def pids(self) -> list[int]:
        return [*self.relations.pids, *[tid for pid, tid in self.threads if pid != tid]]

    def lines(self) -> Iterator[str]:
        """What --dry-run prints."""
        for step in self.relations.steps:
            by = f"task {step.by}" if step.by else "crtools"
            helper = " (a helper)" if step.helper else ""
            yield f"{by}: {step.kind} {step.pgid or step.pid}{helper}"
        for task in self.tasks:
            if task.zombie:
                yield f"{task.name}: exits with status {task.task.exit_code:#x}"
                continue
            change = self.changes[task.pid]
            pages = sum([c.end - c.start for c in change.fill]) >> 12
            compared = sum([c.end - c.start for c in change.merge]) >> 12
            yield (
                f"{task.name}: {len(change.map)} areas to map, {len(change.keep)} inherited,"
                f" {pages} pages to read, {compared} to compare, {len(task.fdinfo)} descriptors,"
                f" {len(task.tids)} threads"
            )
        yield f"the agent lies at {self.hole:x}"


def _instruction(core: CoreEntry) -> int:
    return core.thread_info.gpregs.ip if core.thread_info is not None else 0


def _is_free(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _read_shared(store: ImageStore, alive: list[TaskImages]) -> dict[int, SharedObject]:
    """The shared memory objects, by the id of their entry in files.img."""
    objects: dict[int, SharedObject] = {}
    if not store.has("memfd"):
        return objects
    inodes = {inode.inode_id: inode for inode in store.read("memfd")}
    for entry in store.read("files"):
        if entry.type == FdTypes.MEMFD and entry.memfd is not None:
            inode = inodes.get(entry.memfd.inode_id)
            if inode is None:
                raise ImageError(f"memfd.img has no inode {entry.memfd.inode_id}")
            objects[entry.id] = SharedObject(inode)
    mapped = {vma.shmid for task in alive for vma in task.space.vmas if vma.status & 1 << 14}
    for missing in mapped - set(objects):
        raise ImageError(f"files.img has no shared memory {missing}")
    return {file_id: objects[file_id] for file_id in mapped}


def plan(options: Options) -> list[str]:
    """The lines of --dry-run; nothing is created."""
    with ImageStore.open(options.images_dir) as store:
        return list(Plan(store, options).lines())


def restore(options: Options) -> RestoreResult:
    """Restores options.images_dir. On any error nothing of it is left."""
    started = time.monotonic_ns() // 1000
    proc = open_proc()
    try:
        with ImageStore.open(options.images_dir) as store:
            if options.action_scripts:
                actions.run_action("pre-restore", options.action_scripts, options.images_dir)
            return Restore(proc, Plan(store, options), options, started).run()
    finally:
        os.close(proc)


class Restore:
    """The phases of one restore."""

    def __init__(self, proc: int, plan: Plan, options: Options, started: int) -> None:
        self.proc = proc
        self.plan = plan
        self.options = options
        self.started = started
        self.host = credentials.Host(read_status(proc, os.getpid()))
        self.host_limits = read_limits(proc, os.getpid())
        self.usual = scheduling.own_scheduling()
        self.oom_score = read_oom_score_adj(proc, os.getpid())
        self.loginuid = read_loginuid(proc, os.getpid())
        self.compared = 0
        self.copied = 0
        self.merges: dict[int, list[tuple[int, Ref]]] = {}
        self.helped: dict[int, tuple[layout.Content, ...]] = {}
        self.contents_at: dict[int, int] = {}  # of those: the first program that reads

    def run(self) -> RestoreResult:
        plan, options = self.plan, self.options
        root = plan.tasks[0].pid
        self.root = os.open(options.root or "/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        restored = False
        try:
            self._check()
            self.shop = Workshop(self.proc, plan.hole, [*plan.everybody, *plan.workers.values()])
            with self.shop:
                plan.files.create_held(os.getpid(), self.root)
                pages = self._create_shared()
                self._create_tree()
                forked = time.monotonic_ns() // 1000
                self._finish_memory()
                self._restore_files()
                self._create_threads()
                self._restore_state()
                self._restore_credentials()
                self._stop_all()
                total = time.monotonic_ns() // 1000
                for task in plan.alive:
                    pages += sum([c.end - c.start for c in task.space.contents]) >> 12
                result = RestoreResult(
                    root_pid=root,
                    directory=options.images_dir,
                    processes=len(plan.tasks),
                    threads=len(plan.threads),
                    pages=pages - (self.compared - self.copied),
                    pages_compared=self.compared,
                    pages_shared=self.compared - self.copied,
                    forking_us=forked - self.started,
                    total_us=total - self.started,
                )
                self._write_stats(result)
                self._script("post-restore", root)
                if options.pidfile:
                    actions.write_pidfile(options.pidfile, root)
                self._script("network-unlock", root)
                self._script("pre-resume", root)
                self._let_go()
                restored = True
                self._script("post-resume", root)
        finally:
            os.close(self.root)
            plan.files.close_held(restored=restored)
            for shared in plan.shared.values():
                shared.close()
        log.info(result.summary_line())
        return result

    def _script(self, name: str, pid: int) -> None:
        if self.options.action_scripts:
            actions.run_action(
                name, self.options.action_scripts, self.options.images_dir, init_pid=pid
            )

    def _check(self) -> None:
        """All that can be refused before anything is created."""
        plan = self.plan
        check_pids(self.proc, plan.pids())
        plan.files.check_files(self.root)
        privileged = bool(self.host.status.cap_effective & 1 << 24)  # CAP_SYS_RESOURCE
        for task in plan.alive:
            limits.check_limits(task.task.rlimits, self.host_limits, task.name, privileged)
            for core in task.cores.values():
                if core.thread_core is not None and core.thread_core.creds is not None:
                    self.host.check(core.thread_core.creds, task.name)

    # --- The tree and its memory ---

    def _create_shared(self) -> int:
        pages = 0
        for shared in self.plan.shared.values():
            head, *entries = self.plan.store.read("pagemap-shmem", shared.inode.shmid)
            pages += shared.create(self.proc, self.plan.store, entries, head.pages_id)
        return pages

    def _create_tree(self) -> None:
        plan, shop = self.plan, self.shop
        for steps in plan.relations.rounds():
            programs: dict[int, list[Program]] = {}
            born: list[int] = []
            reaped: list[int] = []
            root: int | None = None
            for by, own in steps.items():
                program = Program()
                for step in own:
                    if by == relations.TOOL:
                        root = step.pid
                        continue
                    self._build_step(program, step)
                    if step.kind == relations.CLONE:
                        born.append(step.pid)
                    if step.kind == relations.EXIT:
                        reaped.append(by)
                if program.count:
                    programs[by] = [program]
            if root is not None:
                self._create_root(root)
                self._check_xstate()
            self._run_round(programs, born, reaped)
            memory: dict[int, list[Program]] = {}
            for pid in [*([root] if root is not None else []), *born]:
                task = plan.by_pid.get(pid)
                if task is not None and not task.zombie:
                    memory[pid] = self._build_memory(task)
            if self.helped:
                results = self._fill_with_helpers(memory)
            else:
                results = shop.run(memory)
            self._count_merges(results)

    def _create_root(self, pid: int) -> None:
        options = self.options
        cores = self.plan.by_pid[pid].cores.values()
        # A root that is signalled at its parent's end must not be the child of a tool that ends.
        signalled = any(core.thread_core and core.thread_core.pdeath_sig for core in cores)
        self.shop.create_root(
            pid,
            self.plan.store.fd,
            sibling=options.restore_sibling,
            orphan=signalled and options.restore_detached and not options.restore_sibling,
        )

    def _fill_with_helpers(self, memory: dict[int, list[Program]]) -> dict[int, list[Executed]]:
        """Maps everything first, then lets a second thread of large processes read its half."""
        shop, plan = self.shop, self.plan
        fills: dict[int, list[Program]] = {}
        for pid in self.helped:
            begin = self.contents_at[pid]
            fills[pid] = memory[pid][begin:]
            memory[pid] = memory[pid][:begin]
        results = shop.run(memory)
        begetting: dict[int, list[Program]] = {}
        for pid in self.helped:
            program = Program()
            shop.build_clone(program, pid, plan.workers[pid][1], flags=THREAD_FLAGS)
            begetting[pid] = [program]
        helpers = {pid: plan.workers[pid][1] for pid in self.helped}
        shop.run(begetting)
        shop.adopt(helpers.values())
        both = dict(fills)
        for pid, tid in helpers.items():
            name = f"pages-{plan.by_pid[pid].space.pages_id}.img".encode() + b"\0"
            script = Script(THREAD_ROOM // 2)
            half = self.helped[pid]
            for first in range(0, len(half), 200):
                program = script.program(THREAD_ROOM // 3)
                image = self._open_image(program, name)
                layout.build_fill(program, image, half[first : first + 200])
                program.call(SYS_close, image)
            both[tid] = script.programs
        for pid, done in shop.run(both).items():
            if pid in results:
                results[pid] += done
            else:
                results[pid] = done
        for tid in helpers.values():
            program = Program()
            program.call(SYS_exit, 0)
            shop.skeletons[tid].slot.post(program)
            shop.forget(tid)
        self.helped.clear()
        return results

    def _check_xstate(self) -> None:
        """Whether this CPU can hold all threads' registers: a skeleton tells their layout."""
        template = self.shop.xstate
        for task in self.plan.alive:
            for tid, core in task.cores.items():
                own = task.own.get(tid)
                if core.thread_info is not None:
                    registers.build_xstate(core.thread_info, template, own.xstate if own else None)

    def _run_round(
        self, programs: dict[int, list[Program]], born: list[int], gone: list[int]
    ) -> None:
        shop = self.shop
        leaving = set(gone)
        stay = {pid: queue for pid, queue in programs.items() if pid not in leaving}
        for pid in gone:
            shop.skeletons[pid].slot.post(programs[pid][0])
        for pid in gone:
            shop.forget(pid)
        try:
            shop.run(stay)
        except RemoteSyscallError as error:
            if error.call == "clone3":
                failed = int(error.what.rsplit(" ", 1)[1])
                raise explain_pid(self.proc, failed, error.errno) from error
            raise
        shop.adopt(born)

    def _build_step(self, program: Program, step: Step) -> None:
        if step.kind == relations.CLONE:
            flags = 0x8000 if step.clone_parent else 0  # CLONE_PARENT
            self.shop.build_clone(
                program,
                step.pid,
                step.pid,
                flags=flags,
                exit_signal=0 if step.clone_parent else step.exit_signal,
            )
        elif step.kind == relations.SETSID:
            program.call(SYS_setsid, label="begin its session")
        elif step.kind == relations.SETPGID:
            program.call(
                SYS_setpgid, step.pid, step.pgid, label=f"move {step.pid} to group {step.pgid}"
            )
        elif step.kind == relations.SUBREAPER:
            program.call(SYS_prctl, PR_SET_CHILD_SUBREAPER, int(step.on), 0, 0, 0)
        elif step.kind == relations.EXIT:
            program.call(SYS_exit_group, 0)
        elif step.kind == relations.REAP:
            program.call(
                SYS_wait4, step.pid, 0, WALL, 0, expect=2, expected=step.pid, label="reap a helper"
            )

    def _build_memory(self, task: TaskImages) -> list[Program]:
        plan, change = self.plan, self.plan.changes[task.pid]
        script = Script()
        hole, end = plan.hole, plan.hole + self.shop.length
        if plan.begetter.get(task.pid, 0):
            for start, stop in change.unmap:
                script.program(200).call(
                    SYS_munmap, start, stop - start, label=f"unmap {start:x}-{stop:x}"
                )
        else:
            program = script.program()
            program.call(SYS_munmap, 0, hole, label="unmap what it began with")
            program.call(SYS_munmap, end, layout.TASK_SIZE - end, label="unmap what it began with")
        if change.vdso is not None:
            layout.build_vdso(script.program(200), change.vdso)
        filled = {vma.start for vma in change.map if _has_content(task.space, vma.start, vma.end)}
        at = 0
        while at < len(change.map):
            program = script.program(_PROGRAM_BYTES // 2)
            opener = layout.FileOpener(program, self._open_mapped)
            while at < len(change.map) and program.size < _PROGRAM_BYTES - 4096:
                vma = change.map[at]
                layout.build_map(program, vma, vma.start in filled, opener, task.name)
                at += 1
            opener.close()
        for start, stop in change.open_up:
            script.program(200).call(
                layout.SYS_mprotect, start, stop - start, 7, label=f"open {start:x}-{stop:x}"
            )
        for start, stop in change.drop:
            script.program(200).call(
                layout.SYS_madvise,
                start,
                stop - start,
                layout.MADV_DONTNEED,
                label=f"drop {start:x}-{stop:x}",
            )
        self._build_contents(task, change, script)
        for address, code in plan.patches.get(task.pid, ()):
            program = script.program(200)
            program.copy(address, program.put(code), len(code))
        return script.programs

    def _build_contents(self, task: TaskImages, change: layout.Changes, script: Script) -> None:
        name = f"pages-{task.space.pages_id}.img".encode() + b"\0"
        merges: list[tuple[int, Ref]] = self.merges.setdefault(task.pid, [])
        step = 2000
        fill = change.fill
        if task.pid in self.plan.workers:
            fill, self.helped[task.pid] = layout.halve(fill)
            # The helper reads at the same time as these programs: all must be mapped before.
            self.contents_at[task.pid] = len(script.programs)
            script.fresh()
        for first in range(0, len(fill), step):
            program = script.program(_PROGRAM_BYTES // 2)
            image = self._open_image(program, name)
            layout.build_fill(program, image, fill[first : first + step])
            program.call(SYS_close, image)
        for first in range(0, len(change.merge), step):
            program = script.program(_PROGRAM_BYTES // 2)
            image = self._open_image(program, name)
            contents = change.merge[first : first + step]
            self.compared += sum([c.end - c.start for c in contents]) >> 12
            refs = layout.build_merge(program, image, contents, self.shop.scratch, SCRATCH_BYTES)
            merges += [(len(script.programs) - 1, ref) for ref in refs]
            program.call(SYS_close, image)

    def _open_image(self, program: Program, name: bytes) -> Ref:
        return program.call(
            SYS_openat,
            self.shop.directory,
            program.put(name),
            os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC,
            0,
            label=f"open {name[:-1].decode()}",
        )

    def _open_mapped(self, program: Program, file_id: int, flags: int) -> Ref:
        shared = self.plan.shared.get(file_id)
        if shared is None:
            return self.plan.files.plan_open(program, file_id, flags)
        path = program.put(f"/proc/{os.getpid()}/fd/{shared.fd}".encode() + b"\0")
        return program.call(
            SYS_openat, -100, path, os.O_RDWR | os.O_CLOEXEC, 0, label="open shared memory"
        )

    def _count_merges(self, results: dict[int, list[Executed]]) -> None:
        for pid, executed in results.items():
            last = len(executed) - 1
            for index, ref in self.merges.get(pid, ()):
                # Results of earlier programs are overwritten; trees that large are counted whole.
                self.copied += executed[index].result(ref) if index == last else 0

    def _finish_memory(self) -> None:
        """Protections, advice, locks, layout: when the last child has been begotten."""
        scripts: dict[int, list[Program]] = {}
        for task in self.plan.alive:
            script = Script()
            own = task.own.get(task.pid) or CrtoolsTaskEntry(tid=task.pid)
            change = self.plan.changes[task.pid]
            filled = {c.start for c in change.map if _has_content(task.space, c.start, c.end)}
            kept = {vma.start for vma in change.keep}
            vmas = [v for v in task.space.vmas if not v.status & (1 << 3 | 1 << 12)]
            for first in range(0, len(vmas), 500):
                part = task.space.but(vmas=tuple(vmas[first : first + 500]))
                layout.build_protections(
                    script.program(200_000), part, filled, kept, set(own.lock_on_fault)
                )
            for name in own.anon_names:
                program = script.program(1000)
                text = program.put(bytes(name.name) + b"\0")
                program.call(
                    SYS_prctl,
                    PR_SET_VMA,
                    0,
                    name.start,
                    name.end - name.start,
                    text,
                    label=f"name {name.start:x}",
                )
            program = script.program(4000)
            # Before files are opened: lseek on an open file of /proc already prints its text.
            attributes.build_name(program, task.task.comm)
            exe = self.plan.files.plan_open(program, task.mm.exe_file_id, os.O_RDONLY)
            build_mm(program, task.mm, exe)
            program.call(SYS_close, exe)
            if task.mm.thp_disabled:
                program.call(SYS_prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0)
            attributes.build_membarrier(program, task.task.membarrier_registration_mask)
            program.call(SYS_close, self.shop.directory)
            if own.lock_future:
                # Without MCL_CURRENT: what is there already has its own locks.
                program.call(SYS_mlockall, own.lock_future, label="lock what is mapped later")
            scripts[task.pid] = script.programs
        self.shop.run(scripts)

    # --- Files, threads, state ---

    def _restore_files(self) -> None:
        files = self.plan.files
        for build in (files.plan_create, files.plan_fetch, files.plan_close):
            scripts: dict[int, list[Program]] = {}
            for task in self.plan.alive:
                script = Script()
                build(task.pid, script.program(), lambda script=script: script.fresh())  # type: ignore[misc]
                scripts[task.pid] = [program for program in script.programs if program.count]
            self.shop.run(scripts)

    def _create_threads(self) -> None:
        """Threads are begotten by the first one; zombies go on to their end."""
        shop = self.shop
        scripts: dict[int, list[Program]] = {}
        born: list[int] = []
        for task in self.plan.alive:
            script = Script()
            for tid in task.tids[1:]:
                shop.build_clone(script.program(1000), task.pid, tid, flags=THREAD_FLAGS)
                born.append(tid)
            if script.programs:
                scripts[task.pid] = script.programs
        try:
            shop.run(scripts)
        except RemoteSyscallError as error:
            if error.call == "clone3":
                failed = int(error.what.rsplit(" ", 1)[1])
                raise explain_pid(self.proc, failed, error.errno) from error
            raise
        shop.adopt(born)
        late: dict[int, list[Program]] = {}
        for task in self.plan.alive:
            script = Script()
            self.plan.files.plan_late(task.pid, script.program(), script.fresh)
            late[task.pid] = [program for program in script.programs if program.count]
        shop.run(late)
        for task in self.plan.tasks:
            if task.zombie:
                program = Program()
                attributes.build_name(program, task.task.comm)
                if task.creds is not None:
                    credentials.build_credentials(program, task.creds, self.host)
                code = task.task.exit_code
                if code & 0x7F:
                    # A core dump's mark cannot be given: that would take a core dump.
                    shop.skeletons[task.pid].slot.run(program)
                    os.kill(task.pid, code & 0x7F)
                    self._end_by_signal(task.pid, code & 0x7F)
                else:
                    # A zombie's mask is still to be seen in /proc.
                    mask = program.put(task.task.blk_sigset.to_bytes(8, "little"))
                    program.call(SYS_rt_sigprocmask, 2, mask, 0, 8)
                    program.call(SYS_exit_group, code >> 8 & 0xFF)
                    shop.skeletons[task.pid].slot.post(program)
                shop.forget(task.pid)

    def _end_by_signal(self, pid: int, signal: int) -> None:
        """All signals are blocked in it: this one is let through."""
        if signal == SIGKILL:
            return
        tracee = self.shop.skeletons[pid].tracee
        tracee.stop()
        tracee.set_mask(bytes(8))
        ptrace.cont(pid)
        while True:
            status = ptrace.wait(pid)
            if status is None or not os.WIFSTOPPED(status):
                raise CrtoolsError(f"Task {pid} ended before its signal came")
            if status >> 16 == 0:
                ptrace.cont(pid, status >> 8 & 0xFF)
                return
            ptrace.cont(pid)

    def _restore_state(self) -> None:
        scripts: dict[int, list[Program]] = {}
        usual = (self.usual.policy, self.usual.nice, self.usual.priority)
        for task in self.plan.alive:
            for tid, core in task.cores.items():
                first = tid == task.pid
                script = Script(_PROGRAM_BYTES if first else _THREAD_PROGRAM_BYTES)
                program = script.program()
                thread, info = core.thread_core, core.thread_info
                assert thread is not None
                assert info is not None
                attributes.build_name(program, thread.comm or task.task.comm)
                for desc in registers.restore_tls(info):
                    program.call(SYS_set_thread_area, program.put(desc), label="set a TLS segment")
                signals.build_stack(program, thread.sas)
                program.call(SYS_set_tid_address, info.clear_tid_addr)
                if thread.futex_rla:
                    program.call(
                        SYS_set_robust_list,
                        thread.futex_rla,
                        thread.futex_rla_len,
                        label="set its robust list",
                    )
                rseq = thread.rseq_entry
                if rseq is not None and rseq.rseq_abi_pointer:
                    program.call(
                        SYS_rseq,
                        rseq.rseq_abi_pointer,
                        rseq.rseq_abi_size,
                        0,
                        rseq.signature,
                        label="register its restartable sequences",
                    )
                scheduling.build_scheduling(program, thread, task.own.get(tid), usual)
                if first:
                    self._build_process(task, script)
                scripts[tid] = script.programs
        self.shop.run(scripts)

    def _build_process(self, task: TaskImages, script: Script) -> None:
        program = script.program(40_000)
        core = task.task
        own = task.own.get(task.pid)
        # Before the root changes: these are files of /proc.
        if core.oom_score_adj is not None and core.oom_score_adj != self.oom_score:
            attributes.build_proc_value(
                program, "/proc/self/oom_score_adj", core.oom_score_adj, must=False
            )
        if core.loginuid is not None and core.loginuid != self.loginuid:
            attributes.build_proc_value(program, "/proc/self/loginuid", core.loginuid, must=False)
        if own is not None and own.coredump_filter is not None:
            attributes.build_proc_value(
                program, "/proc/self/coredump_filter", own.coredump_filter, must=True
            )
        fs.plan_fs(program, task.fs, self.plan.files, task.pid)
        program.call(SYS_personality, core.personality, label="set its personality")
        program.call(SYS_prctl, PR_SET_CHILD_SUBREAPER, int(bool(core.child_subreaper)), 0, 0, 0)
        signals.build_actions(program, core.sigactions)

    def _restore_credentials(self) -> None:
        """Afterwards nothing can be done that the task could not do itself."""
        scripts: dict[int, list[Program]] = {}
        for task in self.plan.alive:
            for tid, core in task.cores.items():
                first = tid == task.pid
                script = Script(_PROGRAM_BYTES if first else _THREAD_PROGRAM_BYTES)
                thread = core.thread_core
                assert thread is not None
                program = script.program()
                if first:
                    raised = self.plan.files.raises_limit
                    limits.build_limits(
                        program, task.task.rlimits, () if raised else self.host_limits
                    )
                if thread.creds is not None:
                    credentials.build_credentials(program, thread.creds, self.host)
                if thread.pdeath_sig:
                    # Changing ids clears it (prctl(2), PR_SET_PDEATHSIG).
                    program.call(SYS_prctl, PR_SET_PDEATHSIG, thread.pdeath_sig)
                scripts[tid] = script.programs
        self.shop.run(scripts)

    def _restore_signals(self, tasks: list[TaskImages]) -> None:
        """What is pending, and then the timers: their time runs from here on."""
        scripts: dict[int, list[Program]] = {}
        clocks: dict[int, list[Program]] = {}
        for task in tasks:
            for tid, core in task.cores.items():
                first = tid == task.pid
                script = Script(_PROGRAM_BYTES if first else _THREAD_PROGRAM_BYTES)
                thread = core.thread_core
                assert thread is not None
                if first:
                    program = script.program()
                    if task.mm.dumpable in (0, 1):
                        # Changing ids clears it; 2 cannot be set but by executing a set-id program.
                        program.call(SYS_prctl, PR_SET_DUMPABLE, task.mm.dumpable)
                    self._build_waits(task, program)
                    signals.build_forget_children(program)
                    signals.build_pending(
                        script.program, task.task.signals_s, task.pid, tid, shared=True
                    )
                signals.build_pending(script.program, thread.signals_p, task.pid, tid, shared=False)
                if script.programs:
                    scripts[tid] = script.programs
            program = Program()
            timers.build_timers(program, task.task.timers, task.name)
            if program.count:
                clocks[task.pid] = [program]
        self.shop.run(scripts)
        self.shop.run(clocks)

    def _build_waits(self, task: TaskImages, program: Program) -> None:
        """A child that has stopped again: its parent had been told, and is not told again."""
        for child in self.plan.tasks:
            if child.entry.ppid != task.pid or child.zombie or child.task.task_state != STOPPED:
                continue
            own = child.own.get(child.pid)
            if own is None or not own.stop_unread:
                program.call(
                    SYS_wait4,
                    child.pid,
                    0,
                    os.WUNTRACED,
                    0,
                    expect=2,
                    expected=child.pid,
                    label=f"take note that task {child.pid} is stopped",
                )

    # --- The end ---

    def _stop_all(self) -> None:
        """Brings every thread to a stop with the registers it had, stopped processes first, the
        deepest of them before all: their parents learn of it while they can still forget it."""
        stopped = [task for task in self.plan.alive if task.task.task_state == STOPPED]
        for task in reversed(stopped):
            self._restore_signals([task])
            self._hand_over([task])
            self._stop_process(task)
        running = [task for task in self.plan.alive if task.task.task_state != STOPPED]
        self._restore_signals(running)
        self._hand_over(running)

    def _hand_over(self, tasks: list[TaskImages]) -> None:
        shop = self.shop
        for task in tasks:
            for tid, core in task.cores.items():
                entry = self._sleep(task, tid)
                if entry is not None and core.thread_info is not None:
                    program = Program()
                    home = registers.restore_registers(core.thread_info)
                    restart.build_sleep(program, home, entry)
                    shop.skeletons[tid].slot.post(program)
                    self._wait_until_asleep(shop.skeletons[tid])
        for task in tasks:
            for tid in task.tids:
                ptrace.interrupt(tid)
        for task in tasks:
            for tid in task.tids:
                shop.skeletons[tid].tracee.wait_until_stopped()
            shop.take_out(shop.skeletons[task.pid])
            for tid in task.tids:
                self._set_registers(task, tid)

    def _stop_process(self, task: TaskImages) -> None:
        """Group stop, as by the signal that had stopped it, before anything of it runs."""
        signal = task.task.stop_signo or SIGSTOP
        if signal != SIGSTOP:
            # Only SIGSTOP stops whatever the task's mask and handlers are.
            log.debug(f"{task.name} had been stopped by signal {signal}")
        os.kill(task.pid, SIGSTOP)
        for tid in task.tids:
            tracee = self.shop.skeletons[tid].tracee
            while not tracee.group_stop:
                ptrace.cont(tid)
                tracee.stopped = False
                tracee.wait_until_stopped(run_signals=True)

    def _sleep(self, task: TaskImages, tid: int) -> RestartEntry | None:
        own = task.own.get(tid)
        return next((entry for entry in own.restart if entry.tid == tid), None) if own else None

    def _wait_until_asleep(self, skeleton: Skeleton) -> None:
        """Until the task is in its sleep (or past it, if it was short): then it is interrupted."""
        slot = skeleton.slot
        while True:
            if int.from_bytes(slot.memory[slot.at + 8 : slot.at + 12], "little") == slot.command:
                return
            with open(f"/proc/{skeleton.tid}/wchan", "rb", buffering=0) as file:
                if file.read() not in (b"", b"0"):
                    return
            os.sched_yield()

    def _set_registers(self, task: TaskImages, tid: int) -> None:
        core = task.cores[tid]
        info, thread = core.thread_info, core.thread_core
        assert info is not None
        assert thread is not None
        own = task.own.get(tid)
        xstate = registers.build_xstate(
            info, self.shop.xstate, own.xstate if own is not None else None
        )
        ptrace.set_register_set(tid, ptrace.NT_X86_XSTATE, xstate)
        home = restart.resumed_registers(registers.restore_registers(info), self._sleep(task, tid))
        tracee = self.shop.skeletons[tid].tracee
        mask = thread.blk_sigset
        if mask is None:
            mask = task.task.blk_sigset
        tracee.set_registers(home)
        tracee.set_mask(mask.to_bytes(8, "little"))

    def _write_stats(self, result: RestoreResult) -> None:
        stats = StatsEntry(
            restore=RestoreStatsEntry(
                pages_compared=result.pages_compared,
                pages_skipped_cow=result.pages_shared,
                forking_time=result.forking_us,
                restore_time=result.total_us,
                pages_restored=result.pages,
            )
        )
        write_stats(
            self.plan.store, self.options.images_dir, self.options.work_dir, "stats-restore", stats
        )

    def _let_go(self) -> None:
        shop = self.shop
        for task in self.plan.alive:
            if self.options.leave_stopped and task.task.task_state != STOPPED:
                # It stops before it runs: the signal is there when it is let go of.
                os.kill(task.pid, SIGSTOP)
            for tid in task.tids:
                try:
                    ptrace.detach(tid)
                except ProcessLookupError:
                    # Killed by somebody, as it could be a moment later. The others run already.
                    log.warning(f"task {tid} was killed before it was let go of")
                shop.skeletons.pop(tid)


def _has_content(space: layout.Space, start: int, end: int) -> bool:
    """Whether any page of the range is in the image; contents are ascending."""
    contents = space.contents
    low, high = 0, len(contents)
    while low < high:
        middle = (low + high) // 2
        if contents[middle].end <= start:
            low = middle + 1
        else:
            high = middle
    return low < len(contents) and contents[low].start < end
