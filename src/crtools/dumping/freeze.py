"""Stopping a whole process tree, while it forks and makes threads.

A process is complete when a pass over its threads finds no new one; the tree is complete when a
pass over the stopped processes finds no new child. Only then is anything looked at. What was found
and is gone when it is to be seized counts as new: it may have begotten others before it ended.

Everything is seized the moment it is seen, and what a seized task begets is seized from birth and
does not run: so a task can add at most one to what has yet to be stopped, and of a chain of tasks
that each beget the next one and end, a single one has to be caught.
"""

from __future__ import annotations

import os
import time

from crtools import log
from crtools.abi import kernel
from crtools.dumping.mending import Mender
from crtools.errors import CrtoolsError, TaskVanished, UnsupportedObject, UsageError
from crtools.kinds.process.scheduling import Urgent
from crtools.model.tree import HostPid, Process
from crtools.procfs.files import read_task_file
from crtools.procfs.stat import (
    PF_IO_WORKER,
    PF_KTHREAD,
    PF_USER_WORKER,
    read_stat,
)
from crtools.procfs.status import read_status
from crtools.tracee import ptrace
from crtools.tracee.seize import SIGSTOP, Tracee, denied, seize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.dumping.mending import Asleep

SYS_gettid, SYS_get_robust_list = 186, 274
LINGER_SECONDS = 0.005
PATIENCE_MS = 5
LOOK = os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT | ptrace.WALL


def _has_ended(tid: int) -> bool:
    """Whether one of our tracees has; it is reaped."""
    try:
        # The stop of a tracee would be reported and taken whatever is asked for (kernel/exit.c,
        # wait_task_stopped): so it is only looked at.
        found = os.waitid(os.P_PID, tid, LOOK)
        if found is None or found.si_code in (os.CLD_TRAPPED, os.CLD_STOPPED):
            return False
        ptrace.wait(tid, block=False)
    except ChildProcessError:
        pass
    return True


class Tree:
    """The stopped tree, parents before their children. As a context manager it lets go of all."""

    def __init__(self, proc: int, timeout: float, *, attend: bool = False) -> None:
        """`attend`: the tool lives on when it has let go of all tasks."""
        self._proc = proc
        self._attend = attend
        self._sleepers: list[Tracee] = []  # let go of, and traced
        self._deadline = time.monotonic() + timeout if timeout else None
        self.processes: list[Process] = []
        self._known: dict[int, Process] = {}
        self._tracees: list[Tracee] = []
        self._tids_entered: set[int] = set()  # of those
        self._births: list[int] = []
        self._held: dict[int, Tracee] = {}  # seized, not stopped yet, nor known whose they are
        # Of those that were interrupted and have not been seen to stop: when they fell asleep.
        self._asleep: dict[int, Asleep | None] = {}
        self._mender = Mender(proc)
        self._workers: set[int] = set()  # the kernel's own, among the tasks' threads
        self._robust = bytearray(16)  # what get_robust_list(2) tells: address, size
        self._robust_at = kernel.address_of(self._robust)
        self._patience = False  # whether kernel.seize_patience was told
        self.late: list[Callable[[], None]] = []  # to be done before the tasks go on
        # Of the tree's clocks from the host's, in ns; None: they are in the tool's time namespace.
        self.time_offsets: tuple[int, int] | None = None
        self.started_us = 0
        self.frozen_us = 0

    @property
    def root(self) -> Process:
        return self.processes[0]

    @property
    def alive(self) -> list[Process]:
        return [process for process in self.processes if process.tracees]

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        if self._sleepers and self._attend:
            from crtools.tracee.asleep import wait_until_awake

            wait_until_awake(self._sleepers)

    def freeze(self, root: HostPid) -> None:
        self._check_root(root)
        self.started_us = time.monotonic_ns() // 1000
        # A tree that keeps all CPUs busy would leave little of them to us.
        with Urgent():
            try:
                self._stop_tree(root)
            finally:
                if self._patience:
                    kernel.seize_patience_end()
                    self._patience = False
        if self.root.zombie:
            raise UnsupportedObject(
                f"Task {root} has ended already",
                because="it is a zombie that its parent has not waited for",
                subject=("task", root),
            )
        self._order()
        self.frozen_us = time.monotonic_ns() // 1000

    def stop_process(self, pid: int) -> Process:
        """Stops this one process and none of its children. Raises TaskVanished."""
        self.started_us = time.monotonic_ns() // 1000
        process = Process(HostPid(pid), None)
        with Urgent():
            try:
                self._add(process)
                self._let_others_go()
            finally:
                if self._patience:
                    kernel.seize_patience_end()
                    self._patience = False
        return process

    def _stop_tree(self, root: HostPid) -> None:
        self._add(Process(root, None))
        if not self.processes:
            raise TaskVanished(f"There is no task {root}", hint="check the pid with ps")
        while found := self._find_children():
            for child, parent in found.items():
                self._add(Process(HostPid(child), parent))
                self._check_time("its processes multiply faster than they can be stopped")
        self._let_others_go()

    def release(self) -> None:
        """Lets all tasks go on (or stay stopped by what had stopped them)."""
        failed: BaseException | None = None
        while self.late:
            try:
                self.late.pop()()
            except (OSError, CrtoolsError) as error:
                failed = error
        limit = time.monotonic() + 0.05
        for tracee in self._tracees:
            if not tracee.stopped and tracee.tid not in self._asleep:
                tracee.interrupt()
        for tracee in self._tracees:
            if tracee.stopped and tracee.again is None:
                try:
                    tracee.send_swallowed()
                except OSError:
                    continue  # it was killed
        for tracee in self._tracees:  # which grows by what they beget until they stop
            try:
                limit = max(limit, time.monotonic() + 0.005)
                if not tracee.stopped and not tracee.wait_until_stopped(limit):
                    # It waits in the kernel. Only a stopped task can be let go of; our end does it.
                    log.warning(f"task {tracee.tid} is traced until crtools ends", pid=tracee.pid)
                    continue
                if tracee.again is not None and not tracee.group_stop:
                    self._let_sleep(tracee)
                else:
                    tracee.release()
            except TaskVanished:
                continue
            except (OSError, CrtoolsError) as error:
                failed = error
            finally:
                self._take_births()
        self._tracees.clear()
        self._tids_entered.clear()
        self._held.clear()
        self._asleep.clear()
        if failed is not None:
            raise failed

    def _let_sleep(self, tracee: Tracee) -> None:
        from crtools.tracee.asleep import let_sleep

        tracee.set_registers(tracee.home)
        if let_sleep(tracee):
            self._sleepers.append(tracee)
        if tracee.swallowed:
            ptrace.tgkill(tracee.pid, tracee.tid, SIGSTOP)

    def kill(self, *, wait: bool) -> None:
        """Ends all tasks. With `wait`, returns when they have ended; without, soon after, if the
        kernel takes longer to free their memory (0.1 s a GiB): none of them runs any more, and what
        is left unwaited for is let go of when this process ends."""
        for process in self.alive:
            try:
                os.kill(process.pid, 9)
            except ProcessLookupError:
                continue
        self.late.clear()
        limit = None if wait else time.monotonic() + LINGER_SECONDS
        # A leader's end is reported when the ends of its threads have been.
        for tracee in sorted(self._tracees, key=lambda t: t.tid == t.pid):
            if not self._wait_until_ended(tracee.tid, limit):
                break
        self._tracees.clear()

    def _wait_until_ended(self, tid: int, limit: float | None) -> bool:
        while True:
            try:
                status = ptrace.wait(tid, block=limit is None)
            except ChildProcessError:
                return True
            if status is None:
                if limit is not None and time.monotonic() > limit:
                    return False
                time.sleep(0.0005)
            elif not os.WIFSTOPPED(status):
                return True

    def _check_root(self, root: HostPid) -> None:
        # A tree that holds the tool itself would wait for itself.
        pid = os.getpid()
        while pid > 1:
            if pid == root:
                raise UsageError(
                    f"Cannot dump task {root}",
                    because="crtools is one of its descendants",
                    hint="start crtools from outside that tree",
                )
            pid = read_stat(self._proc, pid).ppid
        if root != 1 and read_stat(self._proc, root).flags & PF_KTHREAD:
            raise UnsupportedObject(
                f"Cannot dump task {root}",
                because="it is a kernel thread",
                subject=("task", root),
            )

    def _add(self, process: Process) -> bool:
        """Stops a process and enters it; False if it is gone by now."""
        try:
            process.tracees = self._stop_threads(process.pid)
            via = process.via
            process.status = read_status(self._proc, via)
            process.stat = read_stat(self._proc, via)
            if via != process.pid:
                process.leader = read_stat(self._proc, process.pid)
                process.stat.starttime = process.leader.starttime
                process.stat.exit_signal = process.leader.exit_signal
        except TaskVanished:
            if process.parent is None:
                raise
            return False
        if not process.tracees and process.status.state not in "ZX":
            raise denied(process.pid, process.status.tracer_pid)
        self._known[process.pid] = process
        self.processes.append(process)
        if process.parent is not None:
            process.parent.children.append(process)
        log.debug(f"stopped {process.name}: {len(process.tracees)} threads", pid=process.pid)
        return True

    def _hold(self, pid: int, tid: int) -> Tracee | None:
        """Seizes a task, once; it runs on. None if it cannot be seized, or not any more."""
        tracee = self._held.get(tid)
        if tracee is None:
            tracee = self._seize(pid, tid)
            if tracee is not None:
                self._enter(tracee)
            elif self._is_ours(tid):
                # Its parent, which has been seized, has not been asked about it yet.
                tracee = self._enter_newborn(tid)
        return tracee

    def _seize(self, pid: int, tid: int) -> Tracee | None:
        while True:
            try:
                return seize(pid, tid, self._births)
            except InterruptedError:
                # A thread of it is in execve, and waits for others of it that are ours.
                self._bury(pid)
                self._check_time(f"task {pid} is in execve() all the time")

    def _bury(self, pid: int) -> None:
        """Reaps threads that have ended: execve(2) waits for all others of its process, with those
        that their tracer has not reaped (fs/exec.c, de_thread). Some may be ours and not known: who
        begot them was killed before it could tell."""
        for tid in self._tids(pid):
            if tid != pid:
                _has_ended(tid)

    def _enter(self, tracee: Tracee) -> None:
        """From now on it is let go of, whatever happens."""
        self._tracees.append(tracee)
        self._tids_entered.add(tracee.tid)
        self._held[tracee.tid] = tracee

    def _enter_newborn(self, tid: int) -> Tracee:
        tracee = Tracee(tid, tid, self._births)  # its process shows when it is found there
        tracee.newborn = True
        self._enter(tracee)
        return tracee

    def _forget(self, tracee: Tracee) -> None:
        self._tracees.remove(tracee)
        self._tids_entered.discard(tracee.tid)
        self._asleep.pop(tracee.tid, None)

    def _interrupt(self, tracee: Tracee) -> None:
        """Stops a task that is seized, or will do so; once."""
        if tracee.tid in self._asleep:
            return
        # When it fell asleep: our stop makes the kernel forget it.
        self._asleep[tracee.tid] = None
        if not tracee.newborn:
            self._asleep[tracee.tid] = self._mender.asleep_since(tracee.pid, tracee.tid)
            tracee.interrupt()

    def _take_births(self) -> None:
        """Those that the kernel has seized for us: they are at their first stop, or about to be."""
        for tid in self._births:
            if tid not in self._tids_entered:
                self._enter_newborn(tid)
        self._births.clear()

    def _is_ours(self, tid: int) -> bool:
        """Whether we are its tracer."""
        try:
            # Most are zombies or gone: this tells it sooner than their status.
            os.waitid(os.P_PID, tid, LOOK)
            return read_status(self._proc, tid).tracer_pid == kernel.raw(SYS_gettid)
        except (ChildProcessError, TaskVanished):
            return False

    def _hold_threads(self, pid: int, known: dict[int, Tracee]) -> tuple[list[Tracee], bool]:
        """Seizes threads that are not known yet and makes them known; also whether one was gone by
        then. A listing of threads that end may leave others out (fs/proc/base.c, next_tid): it is
        complete only when all are stopped."""
        batch: list[Tracee] = []
        gone = False
        for tid in self._tids(pid):
            if tid in known or (tid != pid and self._is_worker(pid, tid)):
                continue
            if (known or batch) and not self._patience:
                self._patience = kernel.seize_patience(PATIENCE_MS) == 0
            tracee = self._hold(pid, tid)
            if tracee is None:
                gone |= not self._check_unseizable(pid, tid)
                continue
            del self._held[tid]
            tracee.pid = pid
            known[tid] = tracee
            batch.append(tracee)
        return batch, gone

    def _is_worker(self, pid: int, tid: int) -> bool:
        """Whether a thread is one that the kernel has made to carry out an io_uring's requests: it
        never leaves the kernel, and is not to be stopped. What it is at would end with EINTR
        (io_uring/rw.c), and the program would see that."""
        if tid in self._workers:
            return True
        # It has no list of robust futexes, as all threads of a C library have: that is told faster
        # than what it is.
        failed = kernel.raw(SYS_get_robust_list, tid, self._robust_at, self._robust_at + 8)
        if failed or any(self._robust[:8]):
            return False
        try:
            flags = read_stat(self._proc, pid, tid).flags
        except TaskVanished:
            return False
        if flags & (PF_IO_WORKER | PF_USER_WORKER):
            self._workers.add(tid)
        return tid in self._workers

    def _stop_threads(self, pid: int) -> list[Tracee]:
        tracees: dict[int, Tracee] = {}
        new = True
        while new:
            batch, gone = self._hold_threads(pid, tracees)
            while gone:
                # They may have begotten others: who those are shows only now.
                more, gone = self._hold_threads(pid, tracees)
                batch += more
                self._check_time(f"task {pid} makes threads faster than they can be stopped")
            if not batch:
                batch = self._executed_anew(pid, tracees)
            new = bool(batch)
            for tracee in batch:
                self._interrupt(tracee)
            for tracee in batch:
                try:
                    self._wait(tracee)
                    tracee.save()
                    self._mender.mend(tracee, self._asleep.pop(tracee.tid))
                except TaskVanished:
                    del tracees[tracee.tid]
                    self._forget(tracee)
                self._take_births()
            self._check_time(f"task {pid} makes threads faster than they can be stopped")
        if len(tracees) > 1 and pid in tracees:
            tracees[pid].leads = True
        return [tracees[tid] for tid in sorted(tracees, key=lambda tid: (tid != pid, tid))]

    def _executed_anew(self, pid: int, tracees: dict[int, Tracee]) -> list[Tracee]:
        """A first thread that is to be stopped again: another thread was in execve when this one
        had been stopped, and has taken its number. It may be one that no listing has shown."""
        first = tracees.get(pid)
        if first is None or not first.stopped:
            return []
        try:
            # Not stopped yet, or not ours: ESRCH. Stopped: that has not been waited for.
            ptrace.registers(pid)
            if not os.waitid(os.P_PID, pid, LOOK):
                return []
        except (ChildProcessError, ProcessLookupError):
            pass
        log.debug("another of its threads called execve", pid=pid)
        for tid in [tid for tid in tracees if tid != pid and _has_ended(tid)]:
            self._forget(tracees.pop(tid))
        first.stopped = False
        return [first]

    def _let_others_go(self) -> None:
        """What was seized and turned out to be none of the tree's, a child that was given to a
        parent outside (CLONE_PARENT), runs on."""
        while self._held:
            _, tracee = self._held.popitem()
            self._forget(tracee)
            try:
                self._interrupt(tracee)
                self._wait(tracee)
                tracee.release()
            except (TaskVanished, OSError):
                pass
            self._take_births()

    def _tids(self, pid: int) -> list[int]:
        try:
            fd = os.open(f"{pid}/task", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._proc)
        except OSError as error:
            raise TaskVanished(f"There is no task {pid}", hint="check the pid with ps") from error
        try:
            return sorted(int(name) for name in os.listdir(fd))
        except (FileNotFoundError, ProcessLookupError):
            return []
        finally:
            os.close(fd)

    def _wait(self, tracee: Tracee) -> None:
        for seconds in (0.005, 0.045):
            if tracee.wait_until_stopped(time.monotonic() + seconds, run_signals=True):
                return
            self._help_executing(tracee)
        log.info(
            f"task {tracee.tid} does not stop yet: it waits in the kernel, in vfork perhaps",
            pid=tracee.pid,
        )
        # A parent in vfork() stops when its child has called execve(): the child is not seized
        # before, since children are looked for only in stopped processes.
        while not tracee.wait_until_stopped(time.monotonic() + 0.05, run_signals=True):
            if read_status(self._proc, tracee.pid, tracee.tid).state in "ZX":
                # A leader's end is reported when all of its threads have ended.
                raise tracee.gone()
            self._let_beget()
            self._help_executing(tracee)
            if tracee.tid != tracee.pid and not tracee.newborn:
                tracee.interrupt()  # again, in case that it was lost as it can be in execve
            self._check_time(
                f"task {tracee.tid} waits in the kernel and cannot be stopped there, perhaps in"
                " vfork() for a child that has not called execve() yet"
            )

    def _help_executing(self, tracee: Tracee) -> None:
        self._bury(tracee.pid)
        if tracee.tid == tracee.pid:
            # Another thread that was in execve may have its number by now, and had none at all for
            # a moment, when it was to be interrupted.
            tracee.interrupt()

    def _let_beget(self) -> None:
        """A seized task that begets another stops until we have taken note. The child that a parent
        in vfork() waits for may be one."""
        for tracee in list(self._held.values()):
            if not tracee.newborn and tracee.tid not in self._asleep:
                try:
                    tracee.wait_until_stopped(0, run_signals=True)
                except TaskVanished:
                    del self._held[tracee.tid]
                    self._forget(tracee)
        self._take_births()

    def _find_children(self) -> dict[int, Process]:
        """Children that are not known yet, with their parents: those that live are seized and on
        their way to a stop.

        Looks again at once until no new one shows, before anything else is done about them: a chain
        of processes goes on meanwhile and leaves more and more zombies to be looked at.
        """
        found: dict[int, Process] = {}
        seen = {b"%d" % pid for pid in self._known}
        new = True
        while new:
            new = False
            # Orphans come to a subreaper at any time: look at everybody again.
            for process in self.processes:
                for tracee in process.tracees:
                    fresh = self._hold_children(process.pid, tracee.tid, seen)
                    found.update(dict.fromkeys(fresh, process))
                    new |= bool(fresh)
            self._check_time("its processes multiply faster than they can be stopped")
        for pid in found:
            if pid in self._held:
                self._interrupt(self._held[pid])
        return found

    def _hold_children(self, pid: int, tid: int, seen: set[bytes]) -> list[int]:
        """Seizes the children that a thread has and nobody has seen."""
        fresh = self._children(pid, tid, seen)
        held = [child for child in fresh if self._hold(child, child)]
        if len(held) < len(fresh):
            # Where some have ended, others may be about to: what they begot before they were seized
            # runs freely, and comes to us when its turn to end has passed.
            while held:
                child = held.pop()
                more = self._children(child, child, seen)
                held += [pid for pid in more if self._hold(pid, pid)]
        return fresh

    def _children(self, pid: int, tid: int, seen: set[bytes]) -> list[int]:
        """Children that are not among the `seen`, and are from now on, in the order in which
        wait(2) looks at them: the only one there is for those born within one clock tick."""
        try:
            words = read_task_file(self._proc, pid, "children", tid).split()
        except TaskVanished:
            return []
        fresh = [int(word) for word in words if word not in seen]
        seen.update(words)
        return fresh

    def _check_unseizable(self, pid: int, tid: int) -> bool:
        """Whether it is a zombie; if not, it is gone, or has to be looked at again. Raises what
        keeps it from being seized."""
        try:
            status = read_status(self._proc, pid, tid)
        except TaskVanished:
            return False
        if status.state in "ZX":  # of a leader whose other threads run on, too
            return True
        # A new thread is listed a moment before it can be found by its number (kernel/fork.c,
        # copy_process: thread_node, then attach_pid).
        if status.tracer_pid in (0, kernel.raw(SYS_gettid)) and self._hold(pid, tid):
            return False
        raise denied(tid, status.tracer_pid)

    def _check_time(self, because: str) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise UnsupportedObject(
                "Cannot stop the tree in time",
                because=because,
                hint="raise --timeout, or dump it at a quieter moment",
            )

    def _order(self) -> None:
        """Parents before children, children by age, as they will be created again."""
        ordered: list[Process] = []
        stack = [self.processes[0]]
        while stack:
            process = stack.pop()
            ordered.append(process)
            # Those of one clock tick stay in the order in which wait(2) looks at them.
            stack += sorted(process.children, key=lambda c: c.stat.starttime)[::-1]
        self.processes = ordered
