"""What prctl(2) and /proc tell of a process: name, personality, dumpable, subreaper, parent death
signal, membarrier registrations, OOM score. Asked inside where only the task itself can ask.
"""

from __future__ import annotations

import struct

from crtools.agent.program import ANY, NONNEGATIVE, Program
from crtools.errors import UnsupportedObject
from crtools.kinds.process import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Ref
    from crtools.agent.slot import Executed

SYS_close, SYS_write, SYS_brk, SYS_prctl, SYS_personality = 3, 1, 12, 157, 135
SYS_openat, SYS_membarrier = 257, 324
AT_FDCWD = -100
PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE = 1, 2, 3, 4
PR_SET_NAME, PR_GET_TSC, PR_GET_SECUREBITS, PR_MCE_KILL_GET = 15, 25, 27, 34
PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, PR_GET_TID_ADDRESS = 36, 37, 40
PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, PR_GET_MDWE, PR_GET_MEMORY_MERGE = 41, 42, 66, 68
MEMBARRIER_CMD_GET_REGISTRATIONS = 1 << 9  # Linux 6.3
PR_MCE_KILL_DEFAULT = 2
# set_dumpable() refuses 2 ("suidsafe", proc_sys_fs(5)): only exec of a set-id program sets it.
DUMPABLE_ROOT_ONLY = 2


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

    def answers(self, executed: Executed, sp: int) -> ThreadAnswers:
        answers = ThreadAnswers()
        answers.stack = signals.stack(executed, self._stack, sp)
        answers.tid_address = int.from_bytes(executed.bytes(self._tid_address, 8), "little")
        answers.death_signal = int.from_bytes(executed.bytes(self._death, 4), "little")
        answers.securebits = executed.result(self._securebits)
        return answers


class ThreadAnswers:
    __slots__ = ("death_signal", "securebits", "stack", "tid_address")

    stack: signals.ThreadSasEntry
    tid_address: int
    death_signal: int
    securebits: int


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
        self._merge = program.call(SYS_prctl, PR_GET_MEMORY_MERGE, 0, 0, 0, 0, expect=ANY)

    def answers(self, executed: Executed, name: str) -> ProcessAnswers:
        answers = ProcessAnswers()
        answers.brk = executed.result(self._brk)
        answers.dumpable = executed.result(self._dumpable)
        answers.subreaper = executed.bytes(self._subreaper, 4) != bytes(4)
        answers.thp_disabled = bool(executed.result(self._thp))
        answers.membarrier = max(executed.result(self._membarrier), 0)
        unusual = {
            "the time stamp counter is forbidden to it (PR_SET_TSC)": executed.bytes(self._tsc, 4)
            == struct.pack("<i", 2),
            "it has a machine check policy (PR_MCE_KILL)": executed.result(self._mce)
            not in (PR_MCE_KILL_DEFAULT, -22),
            "it denies writing and executing (PR_SET_MDWE)": executed.result(self._mdwe) > 0,
            "its memory is merged (PR_SET_MEMORY_MERGE)": executed.result(self._merge) > 0,
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


def build_name(program: Program, comm: str) -> None:
    name = program.put(comm.encode(errors="surrogateescape")[:15] + b"\0")
    program.call(SYS_prctl, PR_SET_NAME, name, label="set its name")


def build_proc_value(program: Program, path: str, value: int, *, must: bool) -> None:
    """Writes a number to a file of /proc/self."""
    name = program.put(path.encode() + b"\0")
    text = str(value).encode()
    content = program.put(text)
    fd = program.call(SYS_openat, AT_FDCWD, name, 0o2000001, 0, label=f"open {path}")
    program.call(
        SYS_write,
        fd,
        content,
        len(text),
        expect=NONNEGATIVE if must else ANY,
        label=f"write {value} to {path}",
    )
    program.call(SYS_close, fd)


def build_membarrier(program: Program, registrations: int | None) -> None:
    for bit in range(32):
        if (registrations or 0) & 1 << bit:
            program.call(SYS_membarrier, 1 << bit, 0, 0, label="register for membarrier")
