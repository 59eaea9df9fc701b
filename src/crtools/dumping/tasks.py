"""One process's images: what is asked from outside and inside while it is stopped."""

from __future__ import annotations

import os
import time

from crtools import log
from crtools.abi import kernel
from crtools.abi.mman import MCL_FUTURE, MCL_ONFAULT
from crtools.agent.inject import AREA_BYTES, Agent
from crtools.agent.program import Program
from crtools.dumping.cores import CoreImages
from crtools.dumping.facts import Answers, Collected
from crtools.dumping.questions import ProcessQuestions, ThreadQuestions
from crtools.dumping.writers import WORTH, Writers, Writing
from crtools.errors import MissingFeature, UnsupportedObject
from crtools.images.messages.core import TaskKobjIdsEntry
from crtools.kinds.memory import mm, numa, pages
from crtools.kinds.process import (
    control,
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
from crtools.procfs.smaps import VF_LF, VF_LO, VF_UI, VF_UM, VF_UW, read_smaps
from crtools.procfs.status import parse_status, unescape_name
from crtools.procfs.timers import read_timers
from crtools.procfs.values import read_label
from crtools.tracee import ptrace
from crtools.tracee import x86_64 as arch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.agent.slot import Executed
    from crtools.dumping.memory import Figures, MemoryDump
    from crtools.dumping.tracking import Tracking
    from crtools.images.messages.crtools_parts import CrtoolsSemUndoEntry
    from crtools.images.messages.mm import AioRingEntry, MmEntry
    from crtools.images.store import ImageStore
    from crtools.kinds.files.table import FilesDump
    from crtools.kinds.memory.aio import AioDump
    from crtools.kinds.memory.areas import Area
    from crtools.kinds.memory.clones import Clone
    from crtools.kinds.memory.shared import SharedDump
    from crtools.kinds.process.lsm import LsmDump
    from crtools.kinds.process.seccomp import Confined, SeccompDump
    from crtools.kinds.process.semaphores import SemaphoresDump
    from crtools.kinds.process.sharing import Sharing
    from crtools.model.tree import Process
    from crtools.procfs.maps import Vma
    from crtools.procfs.status import Status

REGISTERED = VF_UM | VF_UW | VF_UI  # with a userfaultfd


class TaskDump:
    """Dumps the processes of a stopped tree one after the other."""

    def __init__(
        self,
        proc: int,
        store: ImageStore,
        files: FilesDump,
        shared: SharedDump,
        figures: Figures,
        memory: MemoryDump,
    ) -> None:
        self._proc = proc
        self._store = store
        self._files = files
        self._shared = shared
        self._figures = figures
        self.sharing: Sharing
        self._memory = memory
        # By pid: children that a live snapshot has left there, to be reaped.
        self.leftovers: dict[int, list[int]] = {}
        self.new_pages_id = self._memory.new_pages_id
        self.late: list[Callable[[], None]] = []  # what is done when the tree is let go of
        self.seccomp: SeccompDump | None = None  # once a task under seccomp is met
        self.lsm: LsmDump | None = None  # on a host that has security labels
        label = read_label(proc, os.getpid())
        if label:
            from crtools.kinds.process.lsm import LsmDump

            self.lsm = LsmDump(label, lambda *of: read_label(proc, *of))
        self._semaphores: SemaphoresDump | None = None
        self._no_semaphores = False
        if has_semaphores():
            self._prepare_semaphores()  # before anything is stopped
        self._aio: AioDump | None = None
        self._collected: dict[int, Collected] = {}
        self._clones: list[tuple[int, list[Clone]]] = []  # with --reflink-pages
        self.writers = Writers()
        self._sessions: set[int] = set()
        self._cores = CoreImages(proc, store, self.lsm)
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

    def follow(self, tracking: Tracking) -> None:
        """Pages that an earlier dump has, and that have not changed, are not written."""
        self._memory.tracking = tracking

    def collect(self, process: Process) -> None:
        """What is seen from outside, and what is refused: nothing is put into the process yet."""
        pid = process.pid
        if process.zombie:
            return
        collected = self._collected[pid] = Collected()
        collected.threads = self._read_threads(process)
        if process.stat.tty_nr:
            self._cores.with_terminal.add(process.stat.session)
        collected.confined = self._collect_seccomp(process, collected)
        if self.lsm is not None:
            self.lsm.collect(pid, process.name, [tracee.tid for tracee in process.tracees])
        self._check(process, collected)
        # Before the memory: what has a lease must not be opened for a look at what is mapped.
        collected.fdinfo = None
        if pid not in self.sharing.files:
            collected.fdinfo = self._files.add_table(pid, process.via)
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
        self._collect_userfaults(process, collected)
        collected.fs = fs.dump_fs(self._files, process.via, process.status.umask or 0)
        collected.own_fs = {}
        for tid in self.sharing.own_fs.intersection(t.tid for t in process.tracees):
            umask = parse_status(read_task_file(self._proc, pid, "status", tid)).umask or 0
            collected.own_fs[tid] = fs.dump_fs(self._files, pid, umask, tid)

    def share_pages(self, processes: Sequence[Process], *, clone: bool = False) -> bool:
        """Finds what the memories of all have in common; whether any page will lie in the file of
        another process: none does if they are to `clone` blocks instead."""
        from crtools.dumping.relatives import plan_clones, plan_shares

        memory = self._memory
        spaces = [
            (process, self._collected[process.pid].memory)
            for process in processes
            if not process.zombie and process.pid not in self.sharing.vm
        ]
        if clone:
            self._clones = plan_clones(self._proc, spaces, memory.look, memory.new_pages_id)
            return False
        return plan_shares(self._proc, spaces, memory.look, memory.new_pages_id)

    def clone_pages(self) -> None:
        """When all pages are written; the tree may run by then."""
        if self._clones:
            from crtools.kinds.memory.clones import clone_all

            clone_all(self._store, self._clones)

    def _collect_userfaults(self, process: Process, collected: Collected) -> None:
        files = self._files.userfaults.get(process.pid, ())
        registered = [area for area in collected.memory.areas if area.flags & REGISTERED]
        if not files and not registered:
            return
        from crtools.kinds.memory.tracking import collect_followed

        followed = collect_followed(self._proc, process.via, registered)
        if not files and len(followed) == len(registered):
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
            followed,
        )

    def dump(self, process: Process, ids: TaskKobjIdsEntry) -> None:
        """What only the process itself can tell, its memory, and all of its images; of a large one
        some when the `writers` have finished."""
        if process.zombie:
            self._cores.write_zombie(process)
            self._figures.tasks += 1
            return
        collected = self._collected.pop(process.pid)
        if process.pid in self.sharing.vm:
            # Its agent's way home would lie where that of another is.
            self.writers.finish_all()
        if process.via in self._shared.with_sockets:
            self._shared.name_sockets([area.entry for area in collected.memory.areas])
        flags = os.O_RDONLY | os.O_CLOEXEC
        memory = os.open(f"{process.via}/mem", flags, dir_fd=self._proc)
        held = False
        try:
            agent = self._agent(process, collected.confined, collected.memory.vmas)
            if collected.confined:
                self.late.append(agent.unmap)
            answers = Answers()

            def end() -> None:
                self._finish(process, collected, answers, memory)

            agent.__enter__()
            try:
                self._ask_and_write(process, collected, ids, memory, agent, answers)
            except BaseException as error:
                agent.__exit__(type(error), error, error.__traceback__)
                raise
            writing = Writing(agent, end, lambda: os.close(memory))
            held = True
        finally:
            if not held:
                os.close(memory)
        if collected.confined or collected.memory.written < WORTH:
            writing.finish()
        else:
            self.writers.add(writing)

    def _finish(
        self, process: Process, collected: Collected, answers: Answers, memory: int
    ) -> None:
        """What is left when all pages are written and the agent has come out."""
        self._memory.finish(collected.memory)
        started = time.monotonic_ns()
        answers.restarts = [
            restart.sleeping(tracee, memory, tracee.slept) for tracee in process.tracees
        ]
        answers.homes = [
            restart.image_registers(tracee.home, memory, tracee.slept) for tracee in process.tracees
        ]
        self._cores.write(process, collected, answers)
        self._figures.write_us += (time.monotonic_ns() - started) // 1000
        self._figures.tasks += 1
        self._figures.threads += len(process.tracees)
        log.info(f"dumped {process.name}", pid=process.pid)

    def _ask_and_write(
        self,
        process: Process,
        collected: Collected,
        ids: TaskKobjIdsEntry,
        memory: int,
        agent: Agent,
        answers: Answers,
    ) -> None:
        """Asks the process, and has it write its memory: the last pages are still being written
        when this returns. What needs no stopped task is done while it is at work."""
        store, space, pid = self._store, collected.memory, process.pid
        answers.asked_at = time.monotonic_ns()
        if pid in self.leftovers:
            from crtools.agent.copy import bury_all

            bury_all(agent, self.leftovers[pid])
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
        self._take_answers(process, agent, asked, answers)
        if kernel.has_protection_keys():
            from crtools.kinds.memory.keys import read_keys

            answers.keys, answers.area_keys = read_keys(agent, space.areas)
        if len(areas) < len(space.areas):
            with_policies += numa.ask_many(agent, space.areas[len(areas) :])
        answers.policies = numa.ask_policies(agent, with_policies)
        if collected.timers:
            from crtools.kinds.process import posix_timers

            answers.posix = posix_timers.TimersDump(self._proc, agent, process, collected.timers)
        # A pidfd, by which it gets the image file, is the leader's before Linux 6.9.
        by_task = (
            agent.takes_descriptors
            and process.leader is None
            and answers.rlimits.rlimits[limits.FSIZE].cur == limits.INFINITY
        )
        if space.userfault is not None:
            space.userfault.find_owners(agent.base, AREA_BYTES)
        self._memory.write(process, space, agent, memory, by_task=by_task)
        self._memory.describe(pid, space, self._layout(process, collected, answers))

    def _take_answers(
        self, process: Process, agent: Agent, asked: Executed, answers: Answers
    ) -> None:
        """What the first thread has said, and what the others say."""
        answers.about = self._of_process.answers(asked, process.name)
        first = self._of_first.answers(asked, process.tracees[0].home[arch.RSP])
        answers.actions = self._actions.answers(asked)
        answers.itimers = timers.timers(asked, self._timers)
        answers.rlimits = limits.limits(asked, self._limits)
        pages.check_pair(agent, asked, self._pair)
        has_table = ldt.has_ldt(asked, self._ldt)
        answers.threads = [first] + [
            self._of_thread.answers(
                agent.visit(tracee, self._of_thread.program), tracee.home[arch.RSP]
            )
            for tracee in process.tracees[1:]
        ]
        death_signal = next((t.death_signal for t in answers.threads if t.death_signal), 0)
        if death_signal and process.parent is not None:
            from crtools.kinds.process.death_signals import check_death_signal

            check_death_signal(self._proc, process, death_signal)
        answers.future = self._locks_future(process, agent)
        answers.undo = self._undo_values(process, agent)
        answers.ldt = ldt.read_ldt(agent, has_table)

    def _layout(self, process: Process, collected: Collected, answers: Answers) -> MmEntry:
        layout = mm.mm_entry(
            process.stat,
            read_auxv(self._proc, process.via),
            answers.about.brk,
            collected.exe_id,
            collected.memory.entries(),
            answers.about.dumpable,
            bool(answers.about.thp_disabled),
        )
        layout.aios = collected.aios
        return layout

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
