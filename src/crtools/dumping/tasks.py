"""One process's images: what is asked from outside and inside while it is stopped."""

from __future__ import annotations

import os
import struct
import time
from errno import EPERM, ESRCH

from crtools import log
from crtools.abi import kernel
from crtools.abi.mman import MCL_FUTURE, MCL_ONFAULT
from crtools.agent.inject import AREA_BYTES, Agent
from crtools.agent.program import Program
from crtools.dumping.memory import MemoryDump
from crtools.dumping.questions import ProcessQuestions, ThreadQuestions
from crtools.errors import MissingFeature, UnsupportedObject
from crtools.images.messages.core import (
    CoreEntry,
    CoreEntryMarch,
    TaskCoreEntry,
    TaskKobjIdsEntry,
    ThreadCoreEntry,
)
from crtools.images.messages.crtools import CrtoolsTaskEntry
from crtools.images.messages.rseq import RseqEntry
from crtools.kinds.memory import areas as area_kinds
from crtools.kinds.memory import mm, numa, pages
from crtools.kinds.process import (
    control,
    credentials,
    fs,
    ldt,
    limits,
    modes,
    registers,
    restart,
    scheduling,
    signals,
    timers,
)
from crtools.kinds.process.sharing import has_semaphores
from crtools.procfs.auxv import read_auxv
from crtools.procfs.files import read_task_file
from crtools.procfs.maps import read_maps
from crtools.procfs.smaps import VF_LF, VF_LO, VF_MW, VF_SH, VF_SL, VF_UI, VF_UM, VF_UW, read_smaps
from crtools.procfs.status import parse_status, read_status, unescape_name
from crtools.procfs.timers import read_timers
from crtools.procfs.values import (
    read_coredump_filter,
    read_label,
    read_loginuid,
    read_oom_score_adj,
    read_personality,
)
from crtools.tracee import ptrace
from crtools.tracee import x86_64 as arch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.dumping.memory import Figures, Memory
    from crtools.dumping.questions import ThreadAnswers
    from crtools.images.messages.core_x86 import ThreadInfoX86
    from crtools.images.messages.crtools_parts import (
        AnonNameEntry,
        AreaKeyEntry,
        CrtoolsSemUndoEntry,
        MemoryPolicyEntry,
        RestartEntry,
        TimerEntry,
        UserfaultfdEntry,
    )
    from crtools.images.messages.fdinfo import FdinfoEntry
    from crtools.images.messages.fs import FsEntry
    from crtools.images.messages.mm import AioRingEntry
    from crtools.images.messages.siginfo import SignalQueueEntry
    from crtools.images.store import ImageStore
    from crtools.kinds.files.table import FilesDump
    from crtools.kinds.memory.aio import AioDump
    from crtools.kinds.memory.areas import Area
    from crtools.kinds.memory.shared import SharedDump
    from crtools.kinds.process.lsm import LsmDump
    from crtools.kinds.process.posix_timers import TimersDump
    from crtools.kinds.process.seccomp import Confined, SeccompDump
    from crtools.kinds.process.semaphores import SemaphoresDump
    from crtools.kinds.process.sharing import Sharing
    from crtools.model.tree import Process
    from crtools.procfs.maps import Vma
    from crtools.procfs.status import Status
    from crtools.procfs.timers import PosixTimer
    from crtools.tracee.seize import Tracee

ALIVE, DEAD, STOPPED = 1, 2, 3
REGISTERED = VF_UM | VF_UW | VF_UI  # with a userfaultfd
SYS_get_robust_list = 274
ROBUST_LIST_HEAD_BYTES = 24  # struct robust_list_head, linux/futex.h


class Collected:
    """What was seen of a process from outside, until its images are written."""

    __slots__ = (
        "aios",
        "autogroup_nice",
        "confined",
        "exe_id",
        "fdinfo",
        "fs",
        "memory",
        "threads",
        "timers",
    )

    aios: list[AioRingEntry]
    autogroup_nice: int | None
    confined: dict[int, Confined]  # by tid, threads under seccomp
    exe_id: int
    fdinfo: list[FdinfoEntry] | None  # None: another process's table
    fs: FsEntry
    memory: Memory  # the same one for those that share it
    threads: dict[int, tuple[bytes, Status]]  # by tid: name, ids and capabilities
    timers: list[PosixTimer]


class MemoryFacts:
    """What CRIU's schema has no field for: names of anonymous areas, areas locked on fault, how
    areas to come are locked, undo values of semaphores, the local descriptor table, NUMA policies,
    and what PR_SET_MEMORY_MERGE and PR_SET_THP_DISABLE said."""

    __slots__ = (
        *("area_keys", "future", "keys", "ldt", "merge", "names", "on_fault", "policies", "sealed"),
        *("thp", "undo", "unwritable", "userfaultfds"),
    )

    def __init__(
        self, areas: list[Area], future: int | None, undo: list[CrtoolsSemUndoEntry]
    ) -> None:
        self.ldt: bytes | None = None
        self.keys: int | None = None
        self.area_keys: list[AreaKeyEntry] = []
        self.policies: list[MemoryPolicyEntry] = []
        self.merge: bool | None = None
        self.thp: int | None = None
        self.undo = undo
        self.userfaultfds: list[UserfaultfdEntry] = []
        self.future = future
        self.on_fault = [a.entry.start for a in areas if a.flags & VF_LF]
        # Shared, of a file that was opened for writing, and yet never to be written to: mapped
        # when the file had been sealed.
        self.unwritable = [
            a.entry.start
            for a in areas
            if a.entry.status & area_kinds.MEMFD and a.flags & (VF_SH | VF_MW) == VF_SH
        ]
        # The kernel itself seals what is its own, where it is built so (Linux 6.16).
        self.sealed = [
            a.entry.start
            for a in areas
            if a.flags & VF_SL and not a.entry.status & area_kinds.OF_KERNEL
        ]
        self.names: list[AnonNameEntry] = []
        named = [area for area in areas if area.name.startswith(b"[anon:")]
        if named:
            from crtools.images.messages.crtools_parts import AnonNameEntry

            self.names = [
                AnonNameEntry(start=a.entry.start, end=a.entry.end, name=a.name[6:-1])
                for a in named
            ]


class TaskDump:
    """Dumps the processes of a stopped tree one after the other."""

    def __init__(
        self, proc: int, store: ImageStore, files: FilesDump, shared: SharedDump, figures: Figures
    ) -> None:
        self._proc = proc
        self._store = store
        self._files = files
        self._shared = shared
        self._figures = figures
        self.sharing: Sharing
        self._memory = MemoryDump(proc, store, files, shared, figures)
        self.new_pages_id = self._memory.new_pages_id
        self.late: list[Callable[[], None]] = []  # what is done when the tree is let go of
        self.seccomp: SeccompDump | None = None  # once a task under seccomp is met
        self.lsm: LsmDump | None = None  # on a host that has security labels
        label = read_label(proc, os.getpid())
        if label:
            from crtools.kinds.process.lsm import LsmDump

            self.lsm = LsmDump(label, lambda *of: read_label(proc, *of))
        self._extra: bytes | None = None
        self._semaphores: SemaphoresDump | None = None
        self._no_semaphores = False
        if has_semaphores():
            self._prepare_semaphores()  # before anything is stopped
        self._aio: AioDump | None = None
        self._collected: dict[int, Collected] = {}
        self._usual = scheduling.own_scheduling()
        self._sessions: set[int] = set()
        self._with_terminal: set[int] = set()  # sessions that have a controlling terminal
        self._usual_coredump = read_coredump_filter(proc, os.getpid())
        # The same questions for everybody: put together once.
        self._questions = Program()
        self._of_process = ProcessQuestions(self._questions)
        self._of_first = ThreadQuestions(self._questions)
        self._actions = signals.ActionsDump(self._questions)
        self._timers = timers.ask_timers(self._questions)
        self._limits = limits.ask_limits(self._questions)
        self._ldt = ldt.ask_ldt(self._questions)
        self._pair = pages.ask_pair(self._questions)
        self._of_thread = ThreadQuestions(Program())

    def collect(self, process: Process) -> None:
        """What is seen from outside, and what is refused: nothing is put into the process yet."""
        pid = process.pid
        if process.zombie:
            return
        collected = self._collected[pid] = Collected()
        collected.threads = self._read_threads(process)
        if process.stat.tty_nr:
            self._with_terminal.add(process.stat.session)
        collected.confined = self._collect_seccomp(process, collected)
        if self.lsm is not None:
            self.lsm.collect(pid, process.name, [tracee.tid for tracee in process.tracees])
        self._check(process, collected)
        if pid in self.sharing.vm:
            first = self._collected[self.sharing.vm[pid]]
            collected.memory, collected.exe_id = first.memory, first.exe_id
            collected.aios = first.aios
        else:
            collected.memory = self._memory.collect(process)
            collected.aios = []
            if process.via in self._shared.with_rings:
                collected.aios = self._aios(process, collected.memory.areas)
            collected.exe_id = self._files.add_path(process.via, "exe")
        collected.autogroup_nice = scheduling.autogroup_nice(self._proc, process, self._sessions)
        collected.fdinfo = None
        if pid not in self.sharing.files:
            collected.fdinfo = self._files.add_table(pid, process.via)
        self._collect_userfaults(process, collected)
        collected.fs = fs.dump_fs(self._files, process.via, process.status.umask or 0)

    def _collect_userfaults(self, process: Process, collected: Collected) -> None:
        files = self._files.userfaults.get(process.pid, ())
        if not files and not any(area.flags & REGISTERED for area in collected.memory.areas):
            return
        from crtools.kinds.memory.userfault import UserfaultDump

        if process.pid in self.sharing.vm:
            raise UnsupportedObject(
                f"Cannot dump {process.name}: it shares its memory, and has userfaultfds",
                because="who of them made what cannot be told",
                subject=("task", process.pid),
            )
        if collected.memory.guessed:
            # Its pages must not be touched before it is known which are registered.
            collected.memory = self._memory.collect(process, certain=True)
        collected.memory.userfault = UserfaultDump(
            self._files,
            process,
            files,
            collected.memory.areas,
            [
                file
                for pid, others in self._files.userfaults.items()
                if pid != process.pid
                for file, _ in others
            ],
        )

    def dump(self, process: Process, ids: TaskKobjIdsEntry) -> None:
        """What only the process itself can tell, its memory, and all of its images."""
        if process.zombie:
            self._dump_zombie(process)
            return
        proc, pid, via = self._proc, process.pid, process.via
        collected = self._collected.pop(pid)
        store, space = self._store, collected.memory
        memory = os.open(f"{via}/mem", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
        try:
            asked_at = time.monotonic_ns()
            entered = self._agent(process, collected.confined, space.vmas)
            if collected.confined:
                self.late.append(entered.unmap)
            with entered as agent:
                # From here on, what needs no stopped task is done while the task is at work.
                questions = self._questions.begin_as()
                areas = space.areas[: numa.FEW]
                modes = numa.ask_modes(questions, areas)
                agent.post(questions)
                if collected.fdinfo is not None:
                    store.write("fdinfo", collected.fdinfo, id=ids.files_id)
                store.write("fs", [collected.fs], id=pid)
                store.write("ids", [ids], id=pid)
                asked = agent.wait()
                with_policies = numa.with_policies(asked, modes, areas)
                about = self._of_process.answers(asked, process.name)
                first = self._of_first.answers(asked, process.tracees[0].home[arch.RSP])
                entries = self._actions.answers(asked)
                itimers = timers.timers(asked, self._timers)
                rlimits = limits.limits(asked, self._limits)
                pages.check_pair(agent, asked, self._pair)
                has_table = ldt.has_ldt(asked, self._ldt)
                threads = [first] + [
                    self._of_thread.answers(
                        agent.visit(tracee, self._of_thread.program), tracee.home[arch.RSP]
                    )
                    for tracee in process.tracees[1:]
                ]
                death_signal = next((t.death_signal for t in threads if t.death_signal), 0)
                if death_signal and process.parent is not None:
                    from crtools.kinds.process.death_signals import check_death_signal

                    check_death_signal(proc, process, death_signal)
                posix: TimersDump | None = None
                if collected.timers:
                    from crtools.kinds.process import posix_timers

                    posix = posix_timers.TimersDump(proc, agent, process, collected.timers)
                future = self._locks_future(process, agent)
                undo = self._undo_values(process, agent)
                table = ldt.read_ldt(agent, has_table)
                keys: tuple[int | None, list[AreaKeyEntry]] = None, []
                if kernel.has_protection_keys():
                    from crtools.kinds.memory.keys import read_keys

                    keys = read_keys(agent, space.areas)
                if len(areas) < len(space.areas):
                    with_policies += numa.ask_many(agent, space.areas[len(areas) :])
                policies = numa.ask_policies(agent, with_policies)
                # A pidfd, by which it gets the image file, is the leader's before Linux 6.9.
                by_task = (
                    agent.takes_descriptors
                    and process.leader is None
                    and rlimits.rlimits[limits.FSIZE].cur == limits.INFINITY
                )
                if space.userfault is not None:
                    space.userfault.find_owners(agent.base, AREA_BYTES)
                self._memory.write(process, space, agent, memory, by_task=by_task)
                # Processes of one memory have each a pagemap, all of one pages file.
                store.write("pagemap", space.pagemap or [], id=pid)
                layout = mm.mm_entry(
                    process.stat,
                    read_auxv(proc, via),
                    about.brk,
                    collected.exe_id,
                    space.entries(),
                    about.dumpable,
                    bool(about.thp_disabled),
                )
                layout.aios = collected.aios
                store.write("mm", [layout], id=pid)
                agent.wait()
                self._memory.finish(space)
            started = time.monotonic_ns()
            restarts = [
                restart.sleeping(tracee, memory, tracee.slept) for tracee in process.tracees
            ]
            homes = [
                restart.image_registers(tracee.home, memory, tracee.slept)
                for tracee in process.tracees
            ]
        finally:
            os.close(memory)
        shared = signals.pending(via, shared=True)
        queues = [signals.pending(tracee.tid, shared=False) for tracee in process.tracees]
        passed = time.monotonic_ns() - asked_at
        timers.forget_expired(itimers, [signal.siginfo for signal in shared.signals], passed)
        own_timers: list[TimerEntry] = []
        if posix is not None:
            itimers.posix, own_timers = posix.entries([shared, *queues], passed)
        stop = process.tracees[0].group_stop
        task = TaskCoreEntry(
            task_state=STOPPED if stop else ALIVE,
            exit_code=0,
            personality=read_personality(proc, via),
            flags=process.stat.flags,
            blk_sigset=int.from_bytes(process.tracees[0].mask, "little"),
            comm=(process.leader.comm if process.leader else process.status.name).decode(
                errors="surrogateescape"
            ),
            timers=itimers,
            rlimits=rlimits,
            signals_s=shared,
            loginuid=read_loginuid(proc, via),
            oom_score_adj=read_oom_score_adj(proc, via),
            sigactions=entries,
            child_subreaper=about.subreaper,
            stop_signo=stop or None,
            membarrier_registration_mask=about.membarrier or None,
        )
        memory_facts = MemoryFacts(space.areas, future, undo)
        memory_facts.ldt = table
        memory_facts.keys, memory_facts.area_keys = keys
        memory_facts.policies = policies
        memory_facts.merge = about.memory_merge or None
        memory_facts.thp = about.thp_disabled if about.thp_disabled > 1 else None
        if space.userfault is not None:
            memory_facts.userfaultfds = space.userfault.entries()
        own_entries: list[CrtoolsTaskEntry] = []
        for tracee, answers, queue, slept, home in zip(
            process.tracees, threads, queues, restarts, homes, strict=True
        ):
            first_thread = tracee.tid == pid
            own = scheduling.Scheduling(
                tracee.tid, answers.timer_slack, cookies=self._usual.cookies
            )
            core = CoreEntry(
                mtype=CoreEntryMarch.X86_64,
                thread_info=self._thread_info(tracee, home, answers),
                tc=task if first_thread else None,
                thread_core=self._thread_core(
                    tracee, answers, collected.threads[tracee.tid], own, queue
                ),
            )
            confined = collected.confined.get(tracee.tid)
            if confined is not None and core.thread_core is not None:
                core.thread_core.seccomp_mode = confined.mode
                core.thread_core.seccomp_filter = confined.index
            store.write("core", [core], id=tracee.tid)
            entry = self._dump_own(own, slept)
            for field, value in answers.control:
                setattr(entry, field, value)
            if tracee is process.tracees[0]:
                for field, value in about.unusual(process.stat.flags):
                    setattr(entry, field, value)
            if first_thread:
                self._add_of_process(entry, process, collected, memory_facts, own_timers)
            entry.memory_policy = answers.memory_policy
            # More than its tid, a varint behind a byte.
            if len(entry.encode()) > 1 + (tracee.tid.bit_length() + 6) // 7:
                own_entries.append(entry)
        if process.leader is not None:
            self._dump_leader(process, task)
            entry = CrtoolsTaskEntry(tid=pid, leader_exit=process.leader.exit_code & 0xFF00)
            if stop:
                # fs/proc/array.c, do_task_stat: the group's code takes its place.
                entry.leader_exit = 0
                log.warning(
                    f"{process.name} is stopped and its first thread has exited: how, is not to be"
                    " seen; as if with 0",
                    pid=pid,
                )
            self._add_of_process(entry, process, collected, memory_facts, own_timers)
            own_entries.insert(0, entry)
        if own_entries:
            store.write("crtools-task", own_entries, id=pid)
        self._figures.write_us += (time.monotonic_ns() - started) // 1000
        self._figures.tasks += 1
        self._figures.threads += len(process.tracees)
        log.info(f"dumped {process.name}", pid=pid)

    def _aios(self, process: Process, areas: list[Area]) -> list[AioRingEntry]:
        if self._aio is None:
            from crtools.kinds.memory.aio import AioDump

            self._aio = AioDump(self._proc)
        return self._aio.collect(process, [area.entry for area in areas])

    def _undo_values(self, process: Process, agent: Agent) -> list[CrtoolsSemUndoEntry]:
        if self._no_semaphores:
            return []
        if self._semaphores is None:
            if not has_semaphores():
                self._no_semaphores = True
                return []
            return self._prepare_semaphores().ask(process, agent)
        return self._semaphores.ask(process, agent)

    def _prepare_semaphores(self) -> SemaphoresDump:
        from crtools.kinds.process.semaphores import SemaphoresDump

        self._semaphores = SemaphoresDump()
        return self._semaphores

    def enter(self, process: Process) -> Agent:
        """The agent for a process that may not have been collected yet; who uses it calls its
        `unmap` in the end. Raises UnsupportedObject if nothing is to be run in the process."""
        collected = Collected()
        collected.threads = self._read_threads(process)
        collected.confined = self._collect_seccomp(process, collected)
        self._check(process, collected)
        return self._agent(process, collected.confined, read_maps(self._proc, process.via))

    def _agent(
        self, process: Process, confined: dict[int, Confined], mappings: Sequence[Vma]
    ) -> Agent:
        if not confined:
            return Agent(self._proc, process.tracees, mappings)
        from crtools.dumping.confined import choose_agent

        return choose_agent(process, confined, Agent, self._proc, mappings)

    def _locks_future(self, process: Process, agent: Agent) -> int | None:
        """The flags of mlockall(2) for areas to come: nothing tells them but an area that has come,
        and the agent's just did."""
        if not process.status.vm_locked:
            return None
        for start, _, facts in read_smaps(self._proc, process.via):
            if start == agent.base and facts.flags & VF_LO:
                return MCL_FUTURE | (MCL_ONFAULT if facts.flags & VF_LF else 0)
        return None

    def _dump_zombie(self, process: Process) -> None:
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
        self._figures.tasks += 1

    def _thread_info(
        self, tracee: Tracee, home: list[int], answers: ThreadAnswers
    ) -> ThreadInfoX86:
        xstate = ptrace.xstate(tracee.tid)
        self._extra = registers.dump_extra(xstate)
        return registers.dump_registers(
            home,
            xstate,
            answers.tid_address,
            registers.read_tls(tracee.tid),
        )

    def _dump_own(
        self,
        own: scheduling.Scheduling,
        slept: RestartEntry | None,
    ) -> CrtoolsTaskEntry:
        """What CRIU's schema has no field for of a thread: an image of our own."""
        entry = own.own_image(self._usual)
        entry.restart = [slept] if slept else []
        entry.xstate = self._extra
        return entry

    def _add_of_process(
        self,
        entry: CrtoolsTaskEntry,
        process: Process,
        collected: Collected,
        memory: MemoryFacts,
        own_timers: list[TimerEntry],
    ) -> None:
        """The same of the process, which stands with its leader."""
        entry.sem_undo = memory.undo
        entry.anon_names = memory.names
        entry.lock_on_fault = memory.on_fault
        entry.lock_future = memory.future
        entry.sealed = memory.sealed
        entry.ldt = memory.ldt
        entry.keys, entry.area_keys = memory.keys, memory.area_keys
        entry.unwritable = memory.unwritable
        entry.area_policies = memory.policies
        entry.memory_merge = memory.merge
        entry.thp_disable = memory.thp
        entry.userfaultfds = memory.userfaultfds
        entry.timers = own_timers
        entry.autogroup_nice = collected.autogroup_nice
        entry.exit_signal = _exit_signal(process)
        if not process.stat.tty_nr and process.stat.session in self._with_terminal:
            entry.no_terminal = True
        if process.tracees[0].group_stop and process.stat.exit_code:
            # The status that the parent would get from waitpid with WUNTRACED.
            entry.stop_unread = True
        dump_filter = read_coredump_filter(self._proc, process.via)
        if dump_filter != self._usual_coredump:
            entry.coredump_filter = dump_filter

    def _dump_leader(self, process: Process, task: TaskCoreEntry) -> None:
        """The core image of a leader that has exited: the process's part, and what /proc shows."""
        status = read_status(self._proc, process.pid)
        thread = ThreadCoreEntry(
            futex_rla=0, futex_rla_len=0, creds=credentials.credentials(status, 0)
        )
        core = CoreEntry(mtype=CoreEntryMarch.X86_64, tc=task, thread_core=thread)
        self._store.write("core", [core], id=process.pid)

    def _read_threads(self, process: Process) -> dict[int, tuple[bytes, Status]]:
        """Name and status of each thread; threads of equal ids, capabilities and seccomp share
        one status, since to read it all takes longer than the rest of a thread's dump."""
        known: dict[tuple[bytes, bytes], Status] = {}
        threads: dict[int, tuple[bytes, Status]] = {}
        for tracee in process.tracees:
            if len(process.tracees) == 1:
                return {tracee.tid: (process.status.name, process.status)}
            text = read_task_file(self._proc, process.pid, "status", tracee.tid)
            ids = text[text.find(b"\nUid:") : text.find(b"\nNStgid:")]
            capabilities = text[text.find(b"\nCapInh:") : text.find(b"\nSpeculation")]
            if (ids, capabilities) not in known:
                known[ids, capabilities] = parse_status(text)
            name = unescape_name(text[text.find(b"\t") + 1 : text.find(b"\n")])
            threads[tracee.tid] = name, known[ids, capabilities]
        return threads

    def _collect_seccomp(self, process: Process, collected: Collected) -> dict[int, Confined]:
        confined: dict[int, Confined] = {}
        for tracee in process.tracees:
            mode = collected.threads[tracee.tid][1].seccomp
            if mode:
                if self.seccomp is None:
                    from crtools.kinds.process.seccomp import SeccompDump

                    self.seccomp = SeccompDump()
                confined[tracee.tid] = self.seccomp.collect(tracee, mode, process.name)
        return confined

    def _check(self, process: Process, collected: Collected) -> None:
        """Refuses what is not carried yet, by name, before anything runs in the process."""
        name = process.name
        collected.timers = read_timers(self._proc, process.via)
        if collected.timers:
            from crtools.kinds.process import posix_timers

            posix_timers.check_timers(collected.timers, process)
        modes.check_modes(process.tracees, process.status, name)
        control.check_dispatch(name, [tracee.tid for tracee in process.tracees])
        if kernel.has_protection_keys():
            for tracee in process.tracees:
                registers.check_rights(tracee.tid, ptrace.xstate(tracee.tid), name)
        for tracee in process.tracees:
            if tracee.rseq is None:
                raise MissingFeature(
                    f"Cannot dump {name}: this kernel does not tell its restartable sequences",
                    because="PTRACE_GET_RSEQ_CONFIGURATION is in Linux 5.13 and later",
                )

    def _thread_core(
        self,
        tracee: Tracee,
        answers: ThreadAnswers,
        known: tuple[bytes, Status],
        own: scheduling.Scheduling,
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
        if self.lsm is not None:
            creds.lsm_profile = self.lsm.labels[tracee.pid]
        return ThreadCoreEntry(
            futex_rla=robust,
            futex_rla_len=length,
            sched_nice=own.nice,
            sched_policy=own.policy,
            sched_prio=own.priority or None,
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


def _exit_signal(process: Process) -> int | None:
    """What its parent gets at its end, where that is not SIGCHLD. The root's parent is not in the
    tree, and takes in what is restored as any orphan: with SIGCHLD."""
    signal = process.stat.exit_signal
    return None if signal == signals.SIGCHLD or process.parent is None else signal
