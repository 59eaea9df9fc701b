"""What only a task itself can be asked: one program for each process, one for each thread.

The questions are the same for everybody, so they are put together once and run in each task.
"""

from __future__ import annotations

from crtools.agent.program import ANY
from crtools.errors import UnsupportedObject
from crtools.kinds.memory import numa
from crtools.kinds.process import control, signals
from crtools.kinds.process.attributes import (
    MEMBARRIER_CMD_GET_REGISTRATIONS,
    PR_GET_CHILD_SUBREAPER,
    PR_GET_DUMPABLE,
    PR_GET_MDWE,
    PR_GET_MEMORY_MERGE,
    PR_GET_PDEATHSIG,
    PR_GET_SECUREBITS,
    PR_GET_THP_DISABLE,
    PR_GET_TID_ADDRESS,
    PR_GET_TIMERSLACK,
    PR_TIMER_CREATE_RESTORE_IDS,
    PR_TIMER_CREATE_RESTORE_IDS_GET,
    SYS_brk,
    SYS_membarrier,
    SYS_prctl,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program
    from crtools.agent.slot import Executed
    from crtools.images.messages.core import ThreadSasEntry
    from crtools.images.messages.crtools_parts import MemoryPolicyEntry


class ThreadQuestions:
    """What each thread is asked."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._stack = signals.ask_stack(program)
        self._tid_address = program.reserve(8)
        program.call(
            SYS_prctl, PR_GET_TID_ADDRESS, self._tid_address, label="ask for its tid address"
        )
        self._death = program.reserve(8)
        program.call(SYS_prctl, PR_GET_PDEATHSIG, self._death, label="ask for its death signal")
        self._securebits = program.call(SYS_prctl, PR_GET_SECUREBITS)
        self._slack = program.call(SYS_prctl, PR_GET_TIMERSLACK)
        self._control = control.ask_control(program)
        self._policy = numa.ask_policy(program)

    def answers(self, executed: Executed, sp: int) -> ThreadAnswers:
        answers = ThreadAnswers()
        answers.stack = signals.stack(executed, self._stack, sp)
        answers.tid_address = int.from_bytes(executed.bytes(self._tid_address, 8), "little")
        answers.death_signal = int.from_bytes(executed.bytes(self._death, 4), "little")
        answers.securebits = executed.result(self._securebits)
        answers.timer_slack = executed.result(self._slack)
        answers.control = control.control(executed, self._control)
        answers.memory_policy = numa.policy(executed, self._policy)
        return answers


class ThreadAnswers:
    __slots__ = (
        *("control", "death_signal", "memory_policy", "securebits", "stack", "tid_address"),
        "timer_slack",
    )

    control: tuple[tuple[str, int], ...]  # fields of crtools_task_entry
    stack: ThreadSasEntry
    tid_address: int
    death_signal: int
    securebits: int
    timer_slack: int  # nanoseconds
    memory_policy: MemoryPolicyEntry | None


class ProcessQuestions:
    """What a process's first thread is asked besides."""

    def __init__(self, program: Program) -> None:
        self._brk = program.call(SYS_brk, 0, label="ask for its break")
        self._dumpable = program.call(SYS_prctl, PR_GET_DUMPABLE)
        self._subreaper = program.reserve(8)
        program.call(SYS_prctl, PR_GET_CHILD_SUBREAPER, self._subreaper)
        self._thp = program.call(SYS_prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0)
        self._membarrier = program.call(
            SYS_membarrier, MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0, expect=ANY
        )
        self._mdwe = program.call(SYS_prctl, PR_GET_MDWE, 0, 0, 0, 0, expect=ANY)
        self._merge = program.call(SYS_prctl, PR_GET_MEMORY_MERGE, 0, 0, 0, 0, expect=ANY)
        self._timer_ids = program.call(
            *(SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_GET, 0, 0, 0),
            expect=ANY,
        )

    def answers(self, executed: Executed, name: str) -> ProcessAnswers:
        answers = ProcessAnswers()
        answers.brk = executed.result(self._brk)
        answers.dumpable = executed.result(self._dumpable)
        answers.subreaper = executed.bytes(self._subreaper, 4) != bytes(4)
        answers.thp_disabled = executed.result(self._thp)
        answers.memory_merge = executed.result(self._merge) > 0
        answers.membarrier = max(executed.result(self._membarrier), 0)
        answers.mdwe = max(executed.result(self._mdwe), 0)
        unusual = {
            "it chooses timers' ids (PR_TIMER_CREATE_RESTORE_IDS)": executed.result(self._timer_ids)
            > 0,
        }
        for what, so in unusual.items():
            if so:
                raise UnsupportedObject(
                    f"Cannot dump {name}: {what}", because="crtools does not carry that yet"
                )
        return answers


class ProcessAnswers:
    __slots__ = (
        *("brk", "dumpable", "mdwe", "membarrier", "memory_merge", "subreaper", "thp_disabled"),
    )

    brk: int
    dumpable: int
    subreaper: bool
    thp_disabled: int  # 1, and since Linux 6.18 PR_THP_DISABLE_EXCEPT_ADVISED
    memory_merge: bool
    mdwe: int  # PR_MDWE_*
    membarrier: int

    def unusual(self, flags: int) -> tuple[tuple[str, int], ...]:
        """Fields of crtools_task_entry and their values. `flags` are those of /proc/PID/stat: a
        thread that has given up CAP_SYS_RESOURCE is not told whether it is an I/O flusher."""
        fields: tuple[tuple[str, int], ...] = (("mdwe", self.mdwe),) if self.mdwe else ()
        if flags & control.PF_IO_FLUSHER == control.PF_IO_FLUSHER:
            fields += (("io_flusher", True),)
        return fields
