"""What only a task itself can be asked: one program for each process, one for each thread.

The questions are the same for everybody, so they are put together once and run in each task.
"""

from __future__ import annotations

import struct

from crtools.agent.program import ANY
from crtools.errors import UnsupportedObject
from crtools.kinds.process import signals
from crtools.kinds.process.attributes import (
    ARCH_GET_CPUID,
    MEMBARRIER_CMD_GET_REGISTRATIONS,
    PR_GET_CHILD_SUBREAPER,
    PR_GET_DUMPABLE,
    PR_GET_IO_FLUSHER,
    PR_GET_MDWE,
    PR_GET_MEMORY_MERGE,
    PR_GET_PDEATHSIG,
    PR_GET_SECUREBITS,
    PR_GET_THP_DISABLE,
    PR_GET_TID_ADDRESS,
    PR_GET_TIMERSLACK,
    PR_GET_TSC,
    PR_MCE_KILL_DEFAULT,
    PR_MCE_KILL_GET,
    PR_TIMER_CREATE_RESTORE_IDS,
    PR_TIMER_CREATE_RESTORE_IDS_GET,
    SYS_arch_prctl,
    SYS_brk,
    SYS_membarrier,
    SYS_prctl,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program
    from crtools.agent.slot import Executed
    from crtools.images.messages.core import ThreadSasEntry


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

    def answers(self, executed: Executed, sp: int) -> ThreadAnswers:
        answers = ThreadAnswers()
        answers.stack = signals.stack(executed, self._stack, sp)
        answers.tid_address = int.from_bytes(executed.bytes(self._tid_address, 8), "little")
        answers.death_signal = int.from_bytes(executed.bytes(self._death, 4), "little")
        answers.securebits = executed.result(self._securebits)
        answers.timer_slack = executed.result(self._slack)
        return answers


class ThreadAnswers:
    __slots__ = ("death_signal", "securebits", "stack", "tid_address", "timer_slack")

    stack: ThreadSasEntry
    tid_address: int
    death_signal: int
    securebits: int
    timer_slack: int  # nanoseconds


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
        self._tsc = program.reserve(8)
        program.call(SYS_prctl, PR_GET_TSC, self._tsc, expect=ANY)
        self._mce = program.call(SYS_prctl, PR_MCE_KILL_GET, 0, 0, 0, 0, expect=ANY)
        self._mdwe = program.call(SYS_prctl, PR_GET_MDWE, 0, 0, 0, 0, expect=ANY)
        self._flusher = program.call(SYS_prctl, PR_GET_IO_FLUSHER, 0, 0, 0, 0, expect=ANY)
        self._cpuid = program.call(SYS_arch_prctl, ARCH_GET_CPUID, 0, expect=ANY)
        self._merge = program.call(SYS_prctl, PR_GET_MEMORY_MERGE, 0, 0, 0, 0, expect=ANY)
        self._timer_ids = program.call(
            *(SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_GET, 0, 0, 0),
            expect=ANY,
        )

    def answers(self, executed: Executed, name: str, *, strict: bool) -> ProcessAnswers:
        """`strict`: the first thread is in seccomp's strict mode, of which some of this comes."""
        answers = ProcessAnswers()
        answers.brk = executed.result(self._brk)
        answers.dumpable = executed.result(self._dumpable)
        answers.subreaper = executed.bytes(self._subreaper, 4) != bytes(4)
        answers.thp_disabled = bool(executed.result(self._thp))
        answers.membarrier = max(executed.result(self._membarrier), 0)
        unusual = {
            "the time stamp counter is forbidden to it (PR_SET_TSC)": executed.bytes(self._tsc, 4)
            == struct.pack("<i", 2)
            and not strict,
            "it has a machine check policy (PR_MCE_KILL)": executed.result(self._mce)
            not in (PR_MCE_KILL_DEFAULT, -22),
            "it denies writing and executing (PR_SET_MDWE)": executed.result(self._mdwe) > 0,
            "it is an I/O flusher (PR_SET_IO_FLUSHER)": executed.result(self._flusher) > 0,
            "the cpuid instruction is forbidden to it (ARCH_SET_CPUID)": executed.result(
                self._cpuid
            )
            == 0,
            "its memory is merged (PR_SET_MEMORY_MERGE)": executed.result(self._merge) > 0,
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
    __slots__ = ("brk", "dumpable", "membarrier", "subreaper", "thp_disabled")

    brk: int
    dumpable: int
    subreaper: bool
    thp_disabled: bool
    membarrier: int
