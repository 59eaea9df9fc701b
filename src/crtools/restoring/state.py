"""What a process has besides memory: phases 2 to 6, up to its credentials."""

from __future__ import annotations

import os

from crtools.abi.clone import CLONE_FS
from crtools.abi.prctl import PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG
from crtools.abi.x86_64 import (
    SYS_exit_group,
    SYS_personality,
    SYS_prctl,
    SYS_rseq,
    SYS_rt_sigprocmask,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_unshare,
)
from crtools.agent.program import Program
from crtools.errors import CrtoolsError, RemoteSyscallError
from crtools.kinds.files.base import Programs
from crtools.kinds.files.registry import IO_URING
from crtools.kinds.process import (
    attributes,
    control,
    credentials,
    fs,
    ldt,
    limits,
    registers,
    scheduling,
    signals,
)
from crtools.procfs.limits import read_limits
from crtools.procfs.stat import read_stat
from crtools.procfs.status import read_status
from crtools.procfs.values import read_label, read_loginuid, read_oom_score_adj
from crtools.restoring.conflict import explain_pid
from crtools.restoring.script import PROCESS_BYTES, THREAD_BYTES, Script
from crtools.restoring.skeleton import THREAD_FLAGS
from crtools.tracee import ptrace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.model.shortfall import Shortfalls
    from crtools.restoring.plan import Plan
    from crtools.restoring.read import TaskImages
    from crtools.restoring.skeleton import Workshop

SIGKILL = 9


class StateBuilder:
    """Files, threads, attributes, limits and credentials of all processes."""

    def __init__(self, proc: int, plan: Plan, shortfalls: Shortfalls) -> None:
        self.proc = proc
        self.shortfalls = plan.files.shortfalls = shortfalls
        self.plan = plan
        self.shop: Workshop
        self.labels: dict[int, tuple[int, str]] = {}  # by pid: security labels to take
        self.host = credentials.Host(read_status(proc, os.getpid()))
        self.newborn: list[int] = []  # threads that are still where they begin
        self.host_limits = read_limits(proc, os.getpid())
        self.raised = False  # whether the tool's limit of descriptors is another by now
        self.usual = scheduling.own_scheduling()
        self.oom_score = read_oom_score_adj(proc, os.getpid())
        self.loginuid = read_loginuid(proc, os.getpid())

    def restore_files(self) -> None:
        files = self.plan.files
        pids = [task.pid for task in self.plan.alive]
        if files.helpers:
            from crtools.restoring.sockets import end_helpers, start_helpers

            start_helpers(self.plan, self.shop)
            pids += files.helpers
        for build in (files.plan_create, files.plan_fetch, files.plan_close):
            if files.unix is not None:
                from crtools.restoring.sockets import connect_sockets, fill_sockets

                if build == files.plan_fetch:
                    connect_sockets(files.unix, self.shop)
                elif build == files.plan_close:
                    fill_sockets(files.unix, self.shop)
            scripts: dict[int, list[Program]] = {}
            for pid in pids:
                script = Script()
                build(pid, script.program(), lambda script=script: script.fresh())  # type: ignore[misc]
                scripts[pid] = [program for program in script.programs if program.count]
            self.shop.run(scripts)
        if files.helpers:
            end_helpers(self.plan, self.shop)

        if any(file.type == IO_URING for file in files.files.values()):
            from crtools.restoring.rings import restore_rings

            restore_rings(self.plan, self.shop)
        if files.packet_sockets:
            from crtools.restoring.packet_rings import map_rings

            map_rings(self.plan, self.shop)
        self._restore_userfaults()
        if files.terminals is not None or any(
            own.no_terminal for task in self.plan.alive for own in task.own.values()
        ):
            from crtools.restoring.terminals import restore_terminals

            restore_terminals(self.plan, self.shop)
        files.dress_held()

    def _restore_userfaults(self) -> None:
        """When the memory is as it shall be, and the numbers that files needed are free."""
        scripts: dict[int, list[Program]] = {}
        for task in self.plan.alive:
            own = task.own.get(task.pid)
            if own is not None and own.userfaultfds:
                from crtools.kinds.memory.userfault import build_userfaults

                script = Script()
                build_userfaults(script.program, own.userfaultfds, task.space)
                scripts[task.pid] = script.programs
        self.shop.run(scripts)

    def create_threads(self) -> None:
        """Threads are begotten by the first one, and wait for what they have to do; zombies go on
        to their end."""
        shop = self.shop
        scripts: dict[int, list[Program]] = {}
        for task in self.plan.alive:
            script = Script()
            if any(registers.has_tiles(own.xstate) for own in task.own.values()):
                registers.build_tile_permission(script.program())
            login = task.task.loginuid
            if login == attributes.UNSET_ID:
                login = None
            if login != self.loginuid:
                # Threads inherit it.
                attributes.build_loginuid(
                    script.program(),
                    login,
                    self.loginuid,
                    task.pid,
                    task.name,
                    self.shortfalls,
                )
            if task.pid in self.labels:
                from crtools.kinds.process.lsm import build_label

                build_label(script.program(), *self.labels[task.pid])
            for tid in task.tids:
                if tid != task.pid:
                    shop.build_clone(script.program(200), task.pid, tid, flags=THREAD_FLAGS)
                    self.newborn.append(tid)
            if script.programs:
                scripts[task.pid] = script.programs
        try:
            shop.run(scripts)
        except RemoteSyscallError as error:
            if error.call == "clone3":
                failed = int(error.what.rsplit(" ", 1)[1])
                raise explain_pid(self.proc, failed, error.errno) from error
            raise
        late: dict[int, list[Program]] = {}
        for task in self.plan.alive:
            script = Script()
            self.plan.files.plan_late(task.pid, script.program(), script.fresh)
            late[task.pid] = [program for program in script.programs if program.count]
        shop.run(late)
        for task in self.plan.tasks:
            if task.zombie:
                self._end(task)

    def leave_fs(self) -> None:
        """Threads that have a root, working directory and umask of their own go there, while their
        process's are still where paths begin at."""
        scripts: dict[int, list[Program]] = {}
        for task in self.plan.alive:
            for tid, own in task.own.items():
                if own.own_fs is not None and tid != task.pid:
                    fs.check_fs(own.own_fs, self.plan.files)
                    program = Program()
                    program.call(SYS_unshare, CLONE_FS, label="leave its process's directories")
                    fs.plan_fs(program, own.own_fs, self.plan.files, tid)
                    scripts[tid] = [program]
        if scripts:
            self.shop.run(scripts, self.newborn)
            self.newborn.clear()

    def finish_files(self) -> None:
        """What needs every descriptor at its number and every thread: timers, epoll sets."""
        files = self.plan.files
        if not files.late_jobs:
            return
        if self.plan.clocks is not None:
            from crtools.kinds.namespaces.time import read_offsets

            theirs = read_offsets(self.proc, self.plan.tasks[0].pid)
            ours = read_offsets(self.proc, os.getpid())
            files.clock_offsets = (theirs[0] - ours[0], theirs[1] - ours[1])
        for round in sorted(files.late_jobs):
            scripts: dict[int, list[Program]] = {}
            for pid in files.late_jobs[round]:
                script = Script()
                files.plan_round(round, pid, script.program(), script.fresh)
                scripts[pid] = script.programs
            self.shop.run(scripts)

    def _end(self, task: TaskImages) -> None:
        """A zombie's end."""
        shop = self.shop
        program = Program()
        attributes.build_name(program, task.task.comm)
        code = task.task.exit_code
        signal = code & 0x7F
        if signal:
            from crtools.kinds.process import zombies

            hard = self.host_limits[zombies.RLIMIT_CORE][1]
            if code & zombies.CORE_DUMPED and zombies.can_dump_core():
                zombies.build_core_room(program, hard)
            elif signal in zombies.WITH_CORE:
                zombies.build_no_core(program, hard)
        if task.creds is not None:
            credentials.build_credentials(program, task.creds, self.host)
        if signal:
            zombies.build_dumpable(program)
            shop.skeletons[task.pid].slot.run(program)
            os.kill(task.pid, signal)
            self._end_by_signal(task.pid, signal)
        else:
            # A zombie's mask is still to be seen in /proc.
            mask = program.put(task.task.blk_sigset.to_bytes(8, "little"))
            program.call(SYS_rt_sigprocmask, 2, mask, 0, 8)
            program.call(SYS_exit_group, code >> 8 & 0xFF)
            shop.skeletons[task.pid].slot.post(program)
        shop.forget(task.pid)
        if signal and code & zombies.CORE_DUMPED:
            got = read_stat(self.proc, task.pid).exit_code
            if got != code:
                self.shortfalls.report(
                    task.pid,
                    task.name,
                    "its wait status",
                    wanted=f"{code:#x}",
                    got=f"{got:#x}",
                    because="to say that a core was dumped takes a core dump, CAP_SYS_ADMIN and a"
                    f" plain name in {zombies.PATTERN}",
                )

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

    def restore_state(self) -> None:
        scripts: dict[int, list[Program]] = {}
        for task in self.plan.alive:
            for tid, core in task.cores.items():
                first = tid == task.pid
                script = Script(PROCESS_BYTES if first else THREAD_BYTES)
                program = script.program()
                thread, info = core.thread_core, core.thread_info
                assert thread is not None
                assert info is not None
                # An empty name is one.
                name = task.task.comm if thread.comm is None else thread.comm
                attributes.build_name(program, name)
                if tid in task.own and registers.has_tiles(task.own[tid].xstate):
                    registers.build_tile_room(program)
                registers.build_flags(program, info)
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
                if self.plan.has_policies:
                    from crtools.kinds.memory.numa import build_policy

                    own = task.own.get(tid)
                    build_policy(program, own.memory_policy if own is not None else None)
                scheduling.build_slack(program, task.own.get(tid), self.usual)
                if first:
                    self._build_process(task, script)
                scripts[tid] = script.programs
            if task.leader_exit is not None:
                script = Script()
                self._build_process(task, script)
                scripts[task.pid] = script.programs
        self.shop.run(scripts, self.newborn)
        self.newborn.clear()
        self._restore_shared_fs()
        for task in self.plan.alive:
            if task.timers:
                self._create_timers(task)

    def _create_timers(self, task: TaskImages) -> None:
        from crtools.kinds.process import posix_timers

        choose = posix_timers.can_choose_ids()
        for tid, programs in posix_timers.build_creation(task.timers, task.name, choose=choose):
            self.shop.run({tid: programs})

    def _restore_shared_fs(self) -> None:
        """Where processes share a root, when none of them needs the one that it has by now."""
        scripts: dict[int, list[Program]] = {}
        for pid in dict.fromkeys(self.plan.fs_of.values()):
            program = Program()
            fs.plan_fs(program, self.plan.by_pid[pid].fs, self.plan.files, pid)
            scripts[pid] = [program]
        self.shop.run(scripts)

    def _build_process(self, task: TaskImages, script: Script) -> None:
        program = script.program(40_000)
        core = task.task
        own = task.own.get(task.pid)
        # Before the root changes: these are files of /proc.
        if own is not None and own.coredump_filter is not None:
            attributes.build_proc_value(program, "/proc/self/coredump_filter", own.coredump_filter)
        if task.pid not in self.plan.fs_of:
            fs.plan_fs(program, task.fs, self.plan.files, task.pid)
        program.call(SYS_personality, core.personality, label="set its personality")
        program.call(SYS_prctl, PR_SET_CHILD_SUBREAPER, int(bool(core.child_subreaper)), 0, 0, 0)
        if self.plan.actions_of.get(task.pid, task.pid) == task.pid:
            signals.build_actions(program, core.sigactions)
        if own is not None and own.ldt:
            ldt.build_ldt(script.program, own.ldt)

    def restore_semaphores(self) -> None:
        """Undo values, in their own phase: what some take before what others give, so that nobody
        outside sees more to take than there is."""
        found = [task for task in self.plan.alive if task.undo]
        if not found:
            return
        from crtools.kinds.process import semaphores

        for taking in (True, False):
            scripts: dict[int, list[Program]] = {}
            for task in found:
                program = Program()
                semaphores.build_undo(program, task.undo, taking=taking)
                if program.count:
                    scripts[task.pid] = [program]
            try:
                self.shop.run(scripts)
            except RemoteSyscallError as error:
                raise semaphores.explain_undo(error) from error

    def restore_locks(self) -> None:
        """Nothing is closed any more, and nothing is forbidden yet."""
        locks = self.plan.locks
        if locks is None:
            return
        scripts: dict[int, list[Program]] = {}
        for pid in locks.pids:
            script = Script()
            locks.build(pid, self.proc, Programs(script.program(), script.fresh))
            scripts[pid] = script.programs
        self.shop.run(scripts)
        scripts = {}
        for lock in locks.broken:
            locks.break_lease(lock, self.proc)
            script = Script()
            locks.build_owner(lock, Programs(script.program(), script.fresh))
            scripts.setdefault(lock.entry.pid, []).extend(script.programs)
        self.shop.run(scripts)

    def check_host(self) -> None:
        """Whether the tool may do what the tasks need. Raises PermissionDenied."""
        if self.host.status.seccomp:
            from crtools.restoring.confine import check_host

            check_host(self.host.status, bool(self.plan.confinements))

    def check_credentials(self, task: TaskImages) -> None:
        """Whether the tool may give them. Raises RestoreConflict, ImageError."""
        threads = [core.thread_core for core in task.cores.values()]
        creds = [thread.creds for thread in threads if thread and thread.creds]
        self.host.check(task.pid, task.name, creds, self.shortfalls)
        if task.mm.dumpable == attributes.DUMPABLE_ROOT_ONLY and not attributes.may_be_root_only():
            self.shortfalls.report(
                task.pid,
                task.name,
                "its dumpable attribute",
                wanted=2,
                got=0,
                because="only fs.suid_dumpable=2 gives it",
            )
            task.mm.dumpable = 0

    def plan_labels(self, option: str) -> None:
        """Which security labels have to be taken. `option` is --lsm-profile's. Raises
        RestoreConflict, UsageError."""
        kind = self.plan.store.read_one("inventory").lsmtype or 0
        if not kind and not option:
            return
        from crtools.kinds.process import lsm

        host = lsm.parse_label(read_label(self.proc, os.getpid()))
        chosen = lsm.parse_option(option) if option else None
        for task in self.plan.alive:
            threads = [core.thread_core for core in task.cores.values()]
            labels = [t.creds.lsm_profile or None for t in threads if t and t.creds]
            if chosen is not None:
                wanted, labels = chosen, []
            else:
                wanted = kind, (labels[0] if labels else None) or ""
            label = lsm.plan_label(task.pid, task.name, wanted, labels, host)
            if label is not None:
                self.labels[task.pid] = wanted[0], label

    def confine(self) -> None:
        """Seccomp, while it may still be installed."""
        if self.plan.confinements:
            from crtools.restoring.confine import Confining

            Confining(self.shop, self.plan.confinements).run()

    def restore_credentials(self) -> None:
        """Afterwards nothing can be done that the task could not do itself."""
        scripts: dict[int, list[Program]] = {}
        usual: dict[int, list[Program]] = {}  # by its credentials: what a thread has to do
        for task in self.plan.alive:
            for tid, core in task.cores.items():
                first = tid == task.pid
                thread = core.thread_core
                assert thread is not None
                own = task.own.get(tid)
                if not first and own is None:
                    known = usual.get(id(thread.creds))
                    if known is None:
                        program = Program()
                        if thread.creds is not None:
                            credentials.build_credentials(program, thread.creds, self.host)
                        known = usual[id(thread.creds)] = [program] if program.count else []
                    if known:
                        scripts[tid] = known
                    continue
                script = Script(PROCESS_BYTES if first else THREAD_BYTES)
                program = script.program()
                if first:
                    self._build_limits(program, task)
                if own is not None:
                    control.build_control(program, own, task.pid, task.name, self.shortfalls)
                    if own.mdwe:
                        attributes.build_mdwe(program, own.mdwe)
                if first and task.mm.dumpable == attributes.DUMPABLE_ROOT_ONLY:
                    credentials.build_dumpable_by_id(program, self.host)
                if thread.creds is not None:
                    credentials.build_credentials(program, thread.creds, self.host)
                scripts[tid] = script.programs
            if task.leader_exit is not None:
                program = Program()
                self._build_limits(program, task)
                if task.creds is not None:
                    credentials.build_credentials(program, task.creds, self.host)
                scripts[task.pid] = [program]
        self.shop.run(scripts)

    def restore_death_signals(self) -> None:
        """Late: changing ids clears them, and the end of a thread sends those of its children
        (prctl(2), PR_SET_PDEATHSIG)."""
        scripts: dict[int, list[Program]] = {}
        for task in self.plan.alive:
            for tid, core in task.cores.items():
                if core.thread_core is not None and core.thread_core.pdeath_sig:
                    program = Program()
                    program.call(SYS_prctl, PR_SET_PDEATHSIG, core.thread_core.pdeath_sig)
                    scripts[tid] = [program]
        self.shop.run(scripts)

    def _build_limits(self, program: Program, task: TaskImages) -> None:
        limits.build_limits(
            program,
            task.task.rlimits,
            self.host_limits,
            task.pid,
            task.name,
            changed=self.raised or self.plan.files.raises_limit,
            privileged=self.host.may_raise,
            shortfalls=self.shortfalls,
        )

    def restore_scheduling(self) -> None:
        """From outside, when all tasks are stopped: nothing of ours runs as slowly as they may."""
        restoring = scheduling.Restoring(self.usual, self.shortfalls)
        for task in self.plan.alive:
            oom_score = task.task.oom_score_adj
            if oom_score is not None and oom_score != self.oom_score:
                attributes.restore_oom_score(
                    *(self.proc, task.pid, oom_score, self.oom_score, task.name, self.shortfalls)
                )
            own = task.own.get(task.pid)
            if own is not None and own.autogroup_nice:
                scheduling.restore_autogroup_nice(
                    self.proc, task.pid, own.autogroup_nice, task.name, self.shortfalls
                )
            for tid, core in task.cores.items():
                restoring.restore(tid, task.name, core.thread_core, task.own.get(tid))
