"""A restore from beginning to end: read, check, plan, create, fill, give back, let go.

All tasks reach the end of a phase before any enters the next. Nothing of the restored program runs
before the last one; until then any failure ends all that was made.
"""

from __future__ import annotations

import os
import time

from crtools import actions, log
from crtools.images.messages.stats import RestoreStatsEntry, StatsEntry
from crtools.images.stats import write_stats
from crtools.images.store import ImageStore
from crtools.kinds.process import cpu, limits
from crtools.model.shortfall import Shortfall, Shortfalls
from crtools.model.value import Value
from crtools.procfs.files import open_proc
from crtools.restoring.build import TreeBuilder
from crtools.restoring.conflict import check_pids
from crtools.restoring.plan import Plan
from crtools.restoring.resume import Resume
from crtools.restoring.skeleton import Workshop
from crtools.restoring.state import StateBuilder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.model.options import Options


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
    shortfalls: tuple[Shortfall, ...] = ()  # what could not be brought back

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


def plan(options: Options) -> list[str]:
    """The lines of --dry-run; nothing is created."""
    with ImageStore.open(options.images_dir) as store:
        return list(Plan(store, options).lines())


def restore(options: Options, *, ends: bool) -> RestoreResult:
    """Restores options.images_dir. On any error nothing of it is left. `ends`: the tool does, right
    afterwards."""
    started = time.monotonic_ns() // 1000
    proc = open_proc()
    try:
        with ImageStore.open(options.images_dir) as store:
            if options.action_scripts:
                actions.run_action("pre-restore", options.action_scripts, options.images_dir)
            made = Restore(proc, Plan(store, options), options, started)
            with limits.AllNumbers() as numbers:
                made.state.raised = numbers.raised
                return made.run(ends=ends)
    finally:
        os.close(proc)


class Restore:
    """The phases of one restore."""

    def __init__(self, proc: int, plan: Plan, options: Options, started: int) -> None:
        self.proc = proc
        self.plan = plan
        self.options = options
        self.started = started
        self.shortfalls = Shortfalls(strict=options.strict)
        self.state = StateBuilder(proc, plan, self.shortfalls)

    def run(self, *, ends: bool) -> RestoreResult:
        plan, options = self.plan, self.options
        root = plan.tasks[0].pid
        self.root = os.open(options.root or "/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        restored = False
        pidfile = ""
        try:
            self._check()
            tasks = [*plan.everybody, *plan.workers.values()]
            with Workshop(
                self.proc, plan.hole, tasks, suspend_seccomp=bool(plan.confinements)
            ) as shop:
                plan.files.create_held(os.getpid(), self.root)
                tree = TreeBuilder(self.proc, plan, options, shop, self.state.usual)
                resume = Resume(plan, options, shop)
                self.state.shop = shop
                pages = tree.create_shared()
                tree.create_tree()
                forked = time.monotonic_ns() // 1000
                tree.finish_memory()
                self.state.restore_files()
                self.state.create_threads()
                self.state.leave_fs()
                self.state.restore_state()
                self.state.restore_semaphores()
                self.state.finish_files()
                self.state.restore_locks()
                self.state.confine()
                self.state.restore_credentials()
                resume.end_leaders(self.proc)
                self.state.restore_death_signals()
                resume.stop_all()
                self.state.restore_scheduling()
                total = time.monotonic_ns() // 1000
                for task in filter(plan.has_own_memory, plan.alive):
                    pages += sum([c.end - c.start for c in task.space.contents]) >> 12
                inherited = sum([change.inherited for change in plan.changes.values()])
                unread = tree.compared - tree.copied + inherited
                result = RestoreResult(
                    root_pid=root,
                    directory=options.images_dir,
                    processes=len(plan.tasks),
                    threads=len(plan.threads),
                    pages=pages - unread,
                    pages_compared=tree.compared,
                    pages_shared=unread,
                    forking_us=forked - self.started,
                    total_us=total - self.started,
                    shortfalls=tuple(self.shortfalls.found),
                )
                self._write_stats(result)
                self._script("post-restore", root)
                if options.pidfile:
                    actions.write_pidfile(options.pidfile, root)
                    pidfile = options.pidfile
                self._script("network-unlock", root)
                self._script("pre-resume", root)
                if plan.files.connections is not None:
                    plan.files.connections.wake()
                resume.let_go()
                restored = True
        finally:
            os.close(self.root)
            if pidfile and not restored and os.path.exists(pidfile):
                os.unlink(pidfile)
            plan.files.close_held(restored=restored)
            for shared in plan.shared.values():
                shared.close()
            if plan.sysv is not None:
                plan.sysv.close(restored=restored)
        if options.auto_dedup:
            from crtools.restoring.spent import take_out_pages

            take_out_pages(plan)
        try:
            self._script("post-resume", root)
        except actions.ActionScriptFailed as error:
            # The tasks run already: they are restored, whatever the script says.
            log.exception(error)
        log.info(result.summary_line())
        if not ends:
            resume.attend()
        return result

    def _script(self, name: str, pid: int) -> None:
        if self.options.action_scripts:
            actions.run_action(
                name, self.options.action_scripts, self.options.images_dir, init_pid=pid
            )

    def _check(self) -> None:
        """All that can be refused before anything is created."""
        plan = self.plan
        cpu.check_cpu(plan.store, self.options.cpu_cap)
        check_pids(self.proc, plan.pids())
        plan.files.check_files(self.root)
        if plan.sysv is not None:
            plan.sysv.check()
        if plan.has_policies:
            self._check_policies()
        privileged = self.state.host.may_raise
        self.state.check_host()
        self.state.plan_labels(self.options.lsm_profile)
        for task in plan.alive:
            limits.check_limits(
                task.task.rlimits,
                self.state.host_limits,
                task.pid,
                task.name,
                privileged=privileged,
                shortfalls=self.shortfalls,
            )
            if task.undo:
                from crtools.kinds.process.semaphores import check_undo

                check_undo(task.undo, task.name)
            self.state.check_credentials(task)

    def _check_policies(self) -> None:
        from crtools.kinds.memory.numa import Acceptable

        acceptable = Acceptable(self.shortfalls)
        for task in self.plan.alive:
            for own in task.own.values():
                own.memory_policy = acceptable.but_refused(own.memory_policy, own.tid, task.name)
                own.area_policies = [
                    entry
                    for entry in own.area_policies
                    if acceptable.but_refused(entry, task.pid, task.name) is not None
                ]

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
