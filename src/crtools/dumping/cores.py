"""The core images of a process: what is known of it and of its threads, put into messages.

What CRIU's schema has no field for goes into an image of our own, crtools-task.
"""

from __future__ import annotations

import os
import struct
import time
from errno import EPERM, ESRCH

from crtools import log
from crtools.abi import kernel
from crtools.images.messages.core import (
    CoreEntry,
    CoreEntryMarch,
    TaskCoreEntry,
    ThreadCoreEntry,
)
from crtools.images.messages.crtools import CrtoolsTaskEntry
from crtools.images.messages.rseq import RseqEntry
from crtools.kinds.memory import areas as area_kinds
from crtools.kinds.process import credentials, registers, scheduling, signals, timers
from crtools.procfs.smaps import VF_LF, VF_MW, VF_SH, VF_SL
from crtools.procfs.status import read_status
from crtools.procfs.values import (
    read_coredump_filter,
    read_loginuid,
    read_oom_score_adj,
    read_personality,
)
from crtools.tracee import ptrace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.dumping.facts import Answers, Collected
    from crtools.dumping.memory import Memory
    from crtools.dumping.questions import ThreadAnswers
    from crtools.images.messages.siginfo import SignalQueueEntry
    from crtools.images.store import ImageStore
    from crtools.kinds.memory.areas import Area
    from crtools.kinds.process.lsm import LsmDump
    from crtools.model.tree import Process
    from crtools.procfs.status import Status
    from crtools.tracee.seize import Tracee

ALIVE, DEAD, STOPPED = 1, 2, 3
SYS_get_robust_list = 274
ROBUST_LIST_HEAD_BYTES = 24  # struct robust_list_head, linux/futex.h


class CoreImages:
    """Writes the images core and crtools-task of one process after the other.

    `with_terminal` are the sessions that have a controlling terminal.
    """

    def __init__(self, proc: int, store: ImageStore, lsm: LsmDump | None) -> None:
        self._proc = proc
        self._store = store
        self._lsm = lsm
        self._usual = scheduling.own_scheduling()
        self._usual_coredump = read_coredump_filter(proc, os.getpid())
        self.with_terminal: set[int] = set()

    def write_zombie(self, process: Process) -> None:
        """A zombie is a name and an exit status that its parent will ask for."""
        stat = process.stat
        task = TaskCoreEntry(
            task_state=DEAD,
            exit_code=stat.exit_code,
            personality=0,
            flags=0,
            blk_sigset=0,
            comm=process.status.name.decode(errors="surrogateescape"),
        )
        # Its ids are to be seen in /proc, and in the siginfo of its SIGCHLD.
        thread = ThreadCoreEntry(
            futex_rla=0, futex_rla_len=0, creds=credentials.credentials(process.status, 0)
        )
        core = CoreEntry(mtype=CoreEntryMarch.X86_64, tc=task, thread_core=thread)
        self._store.write("core", [core], id=process.pid)
        exit_signal = _exit_signal(process)
        if exit_signal is not None:
            entry = CrtoolsTaskEntry(tid=process.pid, exit_signal=exit_signal)
            self._store.write("crtools-task", [entry], id=process.pid)

    def write(self, process: Process, collected: Collected, answers: Answers) -> None:
        pid = process.pid
        shared = signals.pending(process.via, shared=True)
        queues = [signals.pending(tracee.tid, shared=False) for tracee in process.tracees]
        passed = time.monotonic_ns() - answers.asked_at
        expired = [signal.siginfo for signal in shared.signals]
        timers.forget_expired(answers.itimers, expired, passed)
        of_process = CrtoolsTaskEntry(tid=pid)
        self._fill(of_process, process, collected, answers)
        if answers.posix is not None:
            answers.itimers.posix, of_process.timers = answers.posix.entries(
                [shared, *queues], passed
            )
        task = self._task_core(process, answers, shared)
        own_entries: list[CrtoolsTaskEntry] = []
        if process.leader is not None:
            self._write_leader(process, task, of_process)
            own_entries.append(of_process)
        for index, tracee in enumerate(process.tracees):
            first = tracee.tid == pid
            entry = of_process if first else CrtoolsTaskEntry(tid=tracee.tid)
            core = self._thread_core(tracee, index, collected, answers, queues[index], entry)
            core.tc = task if first else None
            entry.own_fs = collected.own_fs.get(tracee.tid)
            self._store.write("core", [core], id=tracee.tid)
            if index == 0:
                for field, value in answers.about.unusual(process.stat.flags):
                    setattr(entry, field, value)
            own_entries.append(entry)
        memory = collected.memory
        if memory.guessed:
            # A copy tells what its areas are, when the process runs again.
            memory.when_known.append(lambda: self._write_own(of_process, own_entries, memory))
        else:
            self._write_own(of_process, own_entries, memory)

    def _write_own(
        self, of_process: CrtoolsTaskEntry, entries: list[CrtoolsTaskEntry], memory: Memory
    ) -> None:
        """What CRIU's schema has no field for, of a process and its threads."""
        _fill_areas(of_process, memory.areas)
        # More than its tid, a varint behind a byte.
        entries = [e for e in entries if len(e.encode()) > 1 + (e.tid.bit_length() + 6) // 7]
        if entries:
            self._store.write("crtools-task", entries, id=of_process.tid)

    def _task_core(
        self, process: Process, answers: Answers, shared: SignalQueueEntry
    ) -> TaskCoreEntry:
        """The part that threads have in common."""
        stop = process.tracees[0].group_stop
        leader = process.leader
        return TaskCoreEntry(
            task_state=STOPPED if stop else ALIVE,
            exit_code=0,
            personality=read_personality(self._proc, process.via),
            flags=process.stat.flags,
            blk_sigset=int.from_bytes(process.tracees[0].mask, "little"),
            comm=(leader.comm if leader else process.status.name).decode(errors="surrogateescape"),
            timers=answers.itimers,
            rlimits=answers.rlimits,
            signals_s=shared,
            loginuid=read_loginuid(self._proc, process.via),
            oom_score_adj=read_oom_score_adj(self._proc, process.via),
            sigactions=answers.actions,
            child_subreaper=answers.about.subreaper,
            stop_signo=stop or None,
            membarrier_registration_mask=answers.about.membarrier or None,
        )

    def _thread_core(
        self,
        tracee: Tracee,
        index: int,
        collected: Collected,
        answers: Answers,
        queue: SignalQueueEntry,
        entry: CrtoolsTaskEntry,
    ) -> CoreEntry:
        """The core of a thread, the `index`th; what has no place there goes into `entry`."""
        tid, own = tracee.tid, answers.threads[index]
        schedule = scheduling.Scheduling(tid, own.timer_slack, cookies=self._usual.cookies)
        schedule.fill(entry, self._usual)
        xstate = ptrace.xstate(tid)
        slept = answers.restarts[index]
        entry.restart = [slept] if slept else []
        entry.xstate = registers.dump_extra(xstate)
        entry.memory_policy = own.memory_policy
        for field, value in own.control:
            setattr(entry, field, value)
        thread = self._thread(tracee, own, collected.threads[tid], schedule, queue)
        confined = collected.confined.get(tid)
        if confined is not None:
            thread.seccomp_mode, thread.seccomp_filter = confined.mode, confined.index
        return CoreEntry(
            mtype=CoreEntryMarch.X86_64,
            thread_info=registers.dump_registers(
                answers.homes[index], xstate, own.tid_address, registers.read_tls(tid)
            ),
            thread_core=thread,
        )

    def _thread(
        self,
        tracee: Tracee,
        answers: ThreadAnswers,
        known: tuple[bytes, Status],
        schedule: scheduling.Scheduling,
        queue: SignalQueueEntry,
    ) -> ThreadCoreEntry:
        head = bytearray(16)
        address = kernel.address_of(head)
        failed = kernel.raw(SYS_get_robust_list, tracee.tid, address, address + 8)
        robust, length = struct.unpack("<QQ", head)
        if failed in (-EPERM, -ESRCH):
            raise tracee.gone()
        if failed:
            # An address among the last 4095 is taken for an error, and is the result
            # (kernel/futex/syscalls.c, IS_ERR).
            robust, length = failed & 0xFFFFFFFFFFFFFFFF, ROBUST_LIST_HEAD_BYTES
        rseq = tracee.rseq
        creds = credentials.credentials(known[1], answers.securebits)
        if self._lsm is not None:
            creds.lsm_profile = self._lsm.labels[tracee.pid]
        return ThreadCoreEntry(
            futex_rla=robust,
            futex_rla_len=length,
            sched_nice=schedule.nice,
            sched_policy=schedule.policy,
            sched_prio=schedule.priority or None,
            blk_sigset=int.from_bytes(tracee.mask, "little"),
            sas=answers.stack,
            pdeath_sig=answers.death_signal or None,
            signals_p=queue,
            creds=creds,
            comm=known[0].decode(errors="surrogateescape"),
            rseq_entry=RseqEntry(rseq_abi_pointer=rseq[0], rseq_abi_size=rseq[1], signature=rseq[2])
            if rseq and rseq[0]
            else None,
            cg_set=1,
        )

    def _fill(
        self, entry: CrtoolsTaskEntry, process: Process, collected: Collected, answers: Answers
    ) -> None:
        """What is the process's own, and stands with its leader."""
        space, about = collected.memory, answers.about
        entry.sem_undo = answers.undo
        entry.lock_future = answers.future
        entry.ldt = answers.ldt
        entry.keys, entry.area_keys = answers.keys, answers.area_keys
        entry.area_policies = answers.policies
        entry.memory_merge = about.memory_merge or None
        entry.thp_disable = about.thp_disabled if about.thp_disabled > 1 else None
        if space.userfault is not None:
            entry.userfaultfds = space.userfault.entries()
        entry.autogroup_nice = collected.autogroup_nice
        entry.exit_signal = _exit_signal(process)
        if not process.stat.tty_nr and process.stat.session in self.with_terminal:
            entry.no_terminal = True
        if process.tracees[0].group_stop and process.stat.exit_code:
            # The status that the parent would get from waitpid with WUNTRACED.
            entry.stop_unread = True
        dump_filter = read_coredump_filter(self._proc, process.via)
        if dump_filter != self._usual_coredump:
            entry.coredump_filter = dump_filter

    def _write_leader(self, process: Process, task: TaskCoreEntry, entry: CrtoolsTaskEntry) -> None:
        """The core image of a leader that has exited: the process's part, and what /proc shows."""
        status = read_status(self._proc, process.pid)
        thread = ThreadCoreEntry(
            futex_rla=0, futex_rla_len=0, creds=credentials.credentials(status, 0)
        )
        core = CoreEntry(mtype=CoreEntryMarch.X86_64, tc=task, thread_core=thread)
        self._store.write("core", [core], id=process.pid)
        if process.leader is not None:
            entry.leader_exit = process.leader.exit_code & 0xFF00
        if process.tracees[0].group_stop:
            # fs/proc/array.c, do_task_stat: the group's code takes its place.
            entry.leader_exit = 0
            log.warning(
                f"{process.name} is stopped and its first thread has exited: how, is not to be"
                " seen; as if with 0",
                pid=process.pid,
            )


def _fill_areas(entry: CrtoolsTaskEntry, areas: list[Area]) -> None:
    """What CRIU's schema has no field for of areas: names of anonymous ones, which are locked on
    fault, sealed, or may never be written to."""
    entry.lock_on_fault = [a.entry.start for a in areas if a.flags & VF_LF]
    # Shared, of a file that was opened for writing, and yet never to be written to: mapped when
    # the file had been sealed.
    entry.unwritable = [
        a.entry.start
        for a in areas
        if a.entry.status & area_kinds.MEMFD and a.flags & (VF_SH | VF_MW) == VF_SH
    ]
    # The kernel itself seals what is its own, where it is built so (Linux 6.16).
    entry.sealed = [
        a.entry.start
        for a in areas
        if a.flags & VF_SL and not a.entry.status & area_kinds.OF_KERNEL
    ]
    named = [area for area in areas if area.name.startswith(b"[anon:")]
    if named:
        from crtools.images.messages.crtools_parts import AnonNameEntry

        entry.anon_names = [
            AnonNameEntry(start=a.entry.start, end=a.entry.end, name=a.name[6:-1]) for a in named
        ]


def _exit_signal(process: Process) -> int | None:
    """What its parent gets at its end, where that is not SIGCHLD. The root's parent is not in the
    tree, and takes in what is restored as any orphan: with SIGCHLD."""
    signal = process.stat.exit_signal
    return None if signal == signals.SIGCHLD or process.parent is None else signal
