"""The last phase: what is pending, timers, sleeps, registers; then the tasks are let go of."""

from __future__ import annotations

import os

from crtools import log
from crtools.abi.kernel import address_of
from crtools.abi.prctl import PR_SET_DUMPABLE
from crtools.abi.x86_64 import SYS_exit, SYS_prctl, SYS_wait4
from crtools.agent.program import Program
from crtools.kinds.process import registers, restart, scheduling, signals, timers
from crtools.kinds.process.relations import is_orphaned
from crtools.procfs.stat import read_stat
from crtools.restoring.read import STOPPED
from crtools.restoring.script import PROCESS_BYTES, THREAD_BYTES, Script
from crtools.tracee import ptrace
from crtools.tracee import x86_64 as arch
from crtools.tracee.seize import STOP_SIGNALS, set_all, stop_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.crtools_parts import RestartEntry
    from crtools.kinds.process.posix_timers import Arming
    from crtools.model.options import Options
    from crtools.restoring.plan import Plan
    from crtools.restoring.read import TaskImages
    from crtools.restoring.skeleton import Skeleton, Workshop
    from crtools.tracee.seize import Tracee

SIGSTOP = 19


class Resume:
    """Hands all tasks over to what they were doing."""

    def __init__(self, plan: Plan, options: Options, shop: Workshop) -> None:
        self.plan = plan
        self.options = options
        self.shop = shop
        self._asleep: list[Tracee] = []
        self._handed_over: set[int] = set()
        self._armings: dict[int, Arming] = {}  # of those whose timers may have expired already
        # Parent -> the signals other than SIGCHLD that its zombies' ends have sent.
        self._ended: dict[int, list[int]] = {}
        for task, child in zip(plan.tasks, plan.related, strict=True):
            if task.zombie and child.exit_signal not in (0, signals.SIGCHLD):
                self._ended.setdefault(child.ppid, []).append(child.exit_signal)

    def end_leaders(self, proc: int) -> None:
        """First threads that had exited while others ran on exit again.

        What is pending for the process is queued by them: nobody else may, with any si_code
        (kernel/signal.c, do_rt_sigqueueinfo). They are let go of before they exit, since a traced
        leader cannot be waited for by anybody but its tracer, who for his part is told only when
        all threads have ended (kernel/exit.c, delay_group_leader), and it cannot be detached any
        more. Its threads are traced still, and their end is that of the process.
        """
        for task in self.plan.alive:
            if task.leader_exit is None:
                continue
            skeleton = self.shop.skeletons[task.pid]
            arming = self._let_timers_expire(task) if task.timers else None
            script = Script()
            signals.build_forget_children(script.program(1000), self._ended.get(task.pid, ()))
            signals.build_pending(
                *(script.program, task.task.signals_s, task.pid, task.pid),
                shared=True,
                by_timer=arming.build_expired if arming else None,
            )
            self.shop.run({task.pid: script.programs})
            skeleton.tracee.stop()
            ptrace.detach(task.pid)
            del self.shop.skeletons[task.pid]
            program = Program()
            program.call(SYS_exit, task.leader_exit >> 8)
            skeleton.slot.post(program)
            while read_stat(proc, task.pid).state != "Z":
                os.sched_yield()

    def _restore_signals(self, tasks: list[TaskImages]) -> None:
        """What is pending, and then the timers: their time runs from here on."""
        scripts: dict[int, list[Program]] = {}
        clocks: dict[int, list[Program]] = {}
        for task in tasks:
            arming = self._let_timers_expire(task) if task.timers else None
            by_timer = arming.build_expired if arming else None
            for tid, core in task.cores.items():
                first = tid == task.first
                script = Script(PROCESS_BYTES if tid == task.pid else THREAD_BYTES)
                thread = core.thread_core
                assert thread is not None
                if first:
                    program = script.program()
                    if task.mm.dumpable in (0, 1):
                        # Changing ids clears it; 2, root only, is set by that alone.
                        program.call(SYS_prctl, PR_SET_DUMPABLE, task.mm.dumpable)
                    self._build_waits(task, program)
                    if task.leader_exit is None:
                        signals.build_forget_children(program, self._ended.get(task.pid, ()))
                        signals.build_pending(
                            script.program,
                            task.task.signals_s,
                            task.pid,
                            tid,
                            shared=True,
                            by_timer=by_timer,
                        )
                    elif not signals.has_child_signal(task.task.signals_s):
                        # The other has hidden those that came since.
                        signals.build_forget_children(program, ())
                signals.build_pending(
                    script.program,
                    thread.signals_p,
                    task.pid,
                    tid,
                    shared=False,
                    by_timer=by_timer,
                )
                if script.programs:
                    scripts[tid] = script.programs
            late = Script(PROCESS_BYTES if task.first == task.pid else THREAD_BYTES)
            timers.build_timers(late.program(), task.task.timers)
            if arming is not None:
                arming.build_armed(late.program)
            if late.programs[-1].count:
                clocks[task.first] = late.programs
        self.shop.run(scripts)
        self.shop.run(clocks)

    def _let_timers_expire(self, task: TaskImages) -> Arming:
        """The part of the timers that comes before anything is pending."""
        from crtools.kinds.process.posix_timers import Arming

        if task.pid in self._armings:
            return self._armings[task.pid]
        arming = self._armings[task.pid] = Arming(task.timers)
        arming.ask_clocks(lambda tid, program: self.shop.run({tid: [program]})[tid][-1])
        for tid, program in arming.build_overruns():
            self.shop.run({tid: [program]})
        return arming

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
                    os.WUNTRACED | ptrace.WALL,
                    0,
                    expect=2,
                    expected=child.pid,
                    label=f"take note that task {child.pid} is stopped",
                )

    def stop_all(self) -> None:
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
                    home, _ = self.plan.registers[tid]
                    restart.build_sleep(program, home, entry)
                    shop.skeletons[tid].slot.post(program)
                    self._wait_until_asleep(shop.skeletons[tid])
        stop_all([shop.skeletons[tid].tracee for task in tasks for tid in task.tids])
        for task in tasks:
            self._handed_over.add(task.pid)
            # Who is the last of those that share a memory takes our own out of it.
            if all(pid in self._handed_over for pid in self._users_of_memory(task)):
                shop.take_out(shop.skeletons[task.first])
        self._set_registers(tasks)

    def _users_of_memory(self, task: TaskImages) -> list[int]:
        """The processes that have the task's memory."""
        first = self.plan.memory_of.get(task.pid)
        if first is None:
            return [task.pid]
        return [pid for pid, other in self.plan.memory_of.items() if other == first]

    def _stop_process(self, task: TaskImages) -> None:
        """Group stop, as by the signal that had stopped it, before anything of it runs."""
        signal = task.task.stop_signo or SIGSTOP
        if signal == SIGSTOP or not self._may_stop(task, signal):
            os.kill(task.pid, SIGSTOP)
        else:
            from crtools.tracee.stops import stop_by

            stop_by(self.shop.skeletons[task.tids[0]].tracee, signal)
        for tid in task.tids:
            tracee = self.shop.skeletons[tid].tracee
            while not tracee.group_stop:
                ptrace.cont(tid)
                tracee.stopped = False
                tracee.wait_until_stopped(run_signals=True)

    def _may_stop(self, task: TaskImages, signal: int) -> bool:
        """Whether another signal than SIGSTOP stops it: that depends on others since."""
        by_default = not any(
            action.sigaction
            for number, action in zip(signals.SIGNALS, task.task.sigactions, strict=False)
            if number == signal
        )
        alive = [
            relation
            for other, relation in zip(self.plan.tasks, self.plan.related, strict=True)
            if not other.zombie
        ]
        if signal in STOP_SIGNALS and by_default and not is_orphaned(task.entry.pgid, alive):
            return True
        log.warning(
            f"{task.name} had been stopped by signal {signal}, now by SIGSTOP", pid=task.pid
        )
        return False

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

    def _set_registers(self, tasks: list[TaskImages]) -> None:
        """Of all threads, and their signal masks."""
        tracees: list[Tracee] = []
        vectors: dict[bytes, bytearray] = {}  # by content, to which they point
        addresses: dict[bytes, int] = {}
        rows: list[tuple[int, int, int]] = []
        homes, masks = bytearray(), bytearray()
        for task in tasks:
            for tid, core in task.cores.items():
                info, thread = core.thread_info, core.thread_core
                assert info is not None
                assert thread is not None
                own = task.own.get(tid)
                xstate = self.shop.xstates.build(info, own.xstate if own is not None else None)
                if xstate not in vectors:
                    vectors[xstate] = ptrace.vector_of(xstate)
                    addresses[xstate] = address_of(vectors[xstate])
                rows.append((tid, ptrace.NT_X86_XSTATE, addresses[xstate]))
                home, tls = self.plan.registers[tid]
                if tls:
                    registers.set_tls(tid, tls)
                homes += arch.pack(restart.resumed_registers(home, self._sleep(task, tid)))
                mask = thread.blk_sigset
                masks += (task.task.blk_sigset if mask is None else mask).to_bytes(8, "little")
                tracees.append(self.shop.skeletons[tid].tracee)
        set_all(tracees, ptrace.PTRACE_SETREGSET, rows)
        at = address_of(homes)
        size = arch.REGISTERS.size
        rows = [(tracee.tid, 0, at + size * index) for index, tracee in enumerate(tracees)]
        set_all(tracees, ptrace.PTRACE_SETREGS, rows)
        at = address_of(masks)
        rows = [(tracee.tid, 8, at + 8 * index) for index, tracee in enumerate(tracees)]
        set_all(tracees, ptrace.PTRACE_SETSIGMASK, rows)

    def _may_not_continue(self, task: TaskImages, tid: int) -> bool:
        """Whether its filters forbid it to continue the sleep that it is in."""
        confinement = self.plan.confinements.get(task.pid)
        if confinement is None or self._sleep(task, tid) is None:
            return False
        if task.task.task_state == STOPPED or self.options.leave_stopped:
            return False  # that has interrupted its sleep anyway
        from crtools.tracee.asleep import may_continue

        return not may_continue(confinement.chains[tid], self.plan.registers[tid][0])

    def _let_sleep(self, tracee: Tracee) -> None:
        from crtools.tracee.asleep import let_sleep

        # From now on it outlives us.
        ptrace.set_options(
            tracee.tid, ptrace.PTRACE_O_TRACESYSGOOD | ptrace.PTRACE_O_SUSPEND_SECCOMP
        )
        if let_sleep(tracee):
            self._asleep.append(tracee)

    def attend(self) -> None:
        """For a tool that lives on: waits until the sleeps of those tasks are over."""
        if self._asleep:
            from crtools.tracee.asleep import wait_until_awake

            wait_until_awake(self._asleep)

    def let_go(self) -> None:
        cores = [core for task in self.plan.alive for core in task.cores.values()]
        with scheduling.Urgent(wanted=any(map(scheduling.is_real_time, cores))):
            self._let_go()
        for task in self.plan.alive:
            log.debug(f"restored {task.name}: {len(task.tids)} threads", pid=task.pid)

    def _let_go(self) -> None:
        shop = self.shop
        for task in self.plan.alive:
            if self.options.leave_stopped and task.task.task_state != STOPPED:
                # It stops before it runs: the signal is there when it is let go of.
                os.kill(task.pid, SIGSTOP)
        shop.spare_all([tid for task in self.plan.alive for tid in task.tids])
        if self.plan.files.connections is not None:
            self.plan.files.connections.unlock()
        free: list[tuple[int, int, int]] = []
        killed: list[int] = []
        for task in self.plan.alive:
            for tid in task.tids:
                if self._may_not_continue(task, tid):
                    try:
                        self._let_sleep(shop.skeletons[tid].tracee)
                    except ProcessLookupError:
                        killed.append(tid)
                else:
                    free.append((tid, 0, 0))
                shop.skeletons.pop(tid)
        for row, result in zip(free, ptrace.request_all(ptrace.PTRACE_DETACH, free), strict=True):
            if result < 0:
                killed.append(row[0])
        for tid in killed:
            # By somebody, as it could be a moment later. The others run already.
            log.warning(f"task {tid} was killed before it was let go of")
