"""A copy-on-write child of a stopped process: it keeps the memory as it was at that moment, and
runs programs when the process itself has gone on (docs/decisions/0023-live-snapshots.md).

It never runs anything but the agent. It is born traced and ends with the tool (EXITKILL; before
that is set, the agent notices the tool's death, and its way home is exit_group). Its exit signal is
none, so the process hears nothing of it, and wait(2) does not show it without __WCLONE or __WALL.
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.abi.clone import CLONE_FILES, CLONE_PARENT_SETTID, CLONE_PTRACE, CLONE_UNTRACED
from crtools.abi.mman import MADV_DOFORK, MADV_DONTFORK
from crtools.agent.blob import read_blob
from crtools.agent.inject import (
    CODE_AT,
    OWNER_AT,
    OWNER_ROOM,
    OWNER_ROOM_AT,
    OWNER_STACK_TOP,
    VISITOR_STACK_TOP,
)
from crtools.agent.program import ANY, OP_CLONE, Program
from crtools.agent.slot import CAREFUL_LOOK, SLOT_BYTES, Slot
from crtools.errors import TaskVanished
from crtools.tracee import ptrace
from crtools.tracee.seize import OPTIONS, SIGKILL, Tracee, watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.agent.inject import Agent
    from crtools.agent.slot import Executed

# How a copy is called (/proc/PID/comm): so it is found again when the tool was killed, and what is
# left of it, a zombie, is in the way of nobody but the next dump, which takes it away.
NAME = b"crtools-copy"
COPY_AT = OWNER_AT + 1024  # its slot
_PID_AT = COPY_AT + SLOT_BYTES  # where the kernel says its number before it runs
_FLAGS = CLONE_PTRACE | CLONE_UNTRACED | CLONE_FILES | CLONE_PARENT_SETTID
SYS_madvise, SYS_wait4, SYS_chdir, SYS_setsid, SYS_prctl = 28, 61, 80, 112, 157
SYS_setpriority, SYS_sched_setscheduler, SYS_sched_setaffinity = 141, 144, 203
SYS_clone3, SYS_close_range = 435, 436
_PR_SET_NAME = 15
_CLOSE_RANGE_UNSHARE = 2
_WNOHANG, _WCLONE = 1, 0x80000000
_OTHER = bytes(4)  # struct sched_param: SCHED_OTHER has no priority
LOOK = os.WEXITED | os.WNOHANG | os.WNOWAIT | ptrace.WALL
# struct clone_args up to tls (linux/sched.h).
_CLONE_ARGS = struct.Struct("<8Q")


class Copy:
    """Runs programs as an Agent does; `pid` is the child's, `parent` its process's."""

    takes_descriptors = True

    def __init__(self, proc: int, parent: int, agent: Agent) -> None:
        self.parent = parent
        self.pid = 0
        self.base = agent.base
        self._proc = proc
        self._careful = agent.careful & CAREFUL_LOOK
        self._tracees: list[Tracee] = []
        # Of our own: the process is rid of it soon.
        self._shared: kernel.Shared | None = agent.shared.again()
        look = watch(self._tracees)
        self.slot = Slot(parent, self._shared, self.base, COPY_AT, OWNER_ROOM_AT, OWNER_ROOM, look)

    def clone(self, agent: Agent, apart: Sequence[tuple[int, int]]) -> int:
        """Makes the child, which waits for programs; 0, or the errno where there is none.

        The program is run to its end even if the tool dies meanwhile, but by an agent that is
        careful: that one must not be given any areas `apart`.
        """
        home = self.base + CODE_AT + read_blob().leave
        self.slot.init(self.base, home=home, careful=self._careful, robust=True)
        try:
            program = Program()
            advised = [
                program.call(SYS_madvise, start, end - start, MADV_DONTFORK, expect=ANY)
                for start, end in apart
            ]
            # Neither an event of its parent nor a stop of it: it is traced, and stops at its birth.
            args = _CLONE_ARGS.pack(
                *(_FLAGS, 0, 0, self.base + _PID_AT, 0),
                *(self.base + OWNER_STACK_TOP, VISITOR_STACK_TOP - OWNER_STACK_TOP, 0),
            )
            made = program.call(
                *(SYS_clone3, program.put(args), _CLONE_ARGS.size, self.base + COPY_AT),
                op=OP_CLONE,
                expect=ANY,
            )
            for start, end in apart:
                program.call(SYS_madvise, start, end - start, MADV_DOFORK, expect=ANY)
            self.slot.memory[_PID_AT : _PID_AT + 4] = bytes(4)
            try:
                executed = agent.run(program)
            finally:
                # Its parent may have been killed meanwhile, and it be there all the same.
                pid = int.from_bytes(self.slot.memory[_PID_AT : _PID_AT + 4], "little")
                if pid:
                    self.pid = self.slot.task = pid
                    self._tracees.append(Tracee(pid, pid))
            if not self.pid:
                self._close()
                return -executed.result(made)
            refused = [executed.result(ref) for ref in advised if executed.result(ref)]
            if refused:
                self.end()
                self.wait_until_dead()
                self.hand_over()
                bury_all(agent, [self.pid])
                return -refused[0]
            self._begin()
        finally:
            # From now on it ends with us by EXITKILL.
            self.slot.forget()
        return 0

    def _begin(self) -> None:
        """It lets go of all that it has from its process but memory. The table of descriptors is
        shared until it makes one of its own that is empty: so it never has any of the open files,
        and closes none, which file systems may notice. Its session is one of its own: what is sent
        to the process's group does not reach it."""
        tracee = self._tracees[0]
        tracee.wait_until_stopped()  # at its birth
        tracee.go()
        program = Program()
        program.call(SYS_prctl, _PR_SET_NAME, program.put(NAME + b"\0"))
        program.call(SYS_setsid, label="leave the session of its process")
        program.call(SYS_close_range, 0, 0xFFFFFFFF, _CLOSE_RANGE_UNSHARE, label="close its files")
        program.call(SYS_chdir, program.put(b"/\0"), expect=ANY)
        self.run(program)
        # Killed before, it would leave a zombie that nobody knows for ours.
        tracee.stop()
        options = OPTIONS | ptrace.PTRACE_O_EXITKILL
        try:
            ptrace.set_options(self.pid, options | ptrace.PTRACE_O_SUSPEND_SECCOMP)
        except OSError:  # as in crtools.tracee.seize
            ptrace.set_options(self.pid, options)
        tracee.go()

    def give_way(self, *, nice: int) -> None:
        """Leaves the CPUs and the memory to others: its process has what it had of the CPUs, and
        where memory runs out the kernel ends this one, and nobody for it. `nice`: its process's."""
        program = Program()
        program.call(SYS_sched_setscheduler, 0, 0, program.put(_OTHER), expect=ANY)
        if nice < 0:
            program.call(SYS_setpriority, 0, 0, 0, expect=ANY)
        everywhere = program.put(b"\xff" * 128)
        program.call(SYS_sched_setaffinity, 0, 128, everywhere, expect=ANY)
        self.run(program)
        fd = os.open(f"{self.pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC, dir_fd=self._proc)
        try:
            os.write(fd, b"1000")
        finally:
            os.close(fd)

    def run(self, program: Program) -> Executed:
        self.post(program)
        return self.wait()

    def post(self, program: Program) -> None:
        if self.slot.running:
            self.slot.wait()
        self.slot.post(program)

    def wait(self) -> Executed:
        return self.slot.wait()

    def explain(self) -> TaskVanished | None:
        """The error where it has ended before its time."""
        try:
            if not os.waitid(os.P_PID, self.pid, LOOK):
                return None
        except ChildProcessError:
            pass
        return TaskVanished(
            f"The copy of task {self.parent} ended before its memory was written",
            because="somebody killed it: the kernel does where memory runs out",
            hint="run the command again, or without --snapshot",
            subject=("task", self.parent),
        )

    def end(self) -> None:
        """Kills it, and gives back what the tool has of it; reap it afterwards."""
        self._close()
        if self.pid:
            try:
                os.kill(self.pid, SIGKILL)
            except ProcessLookupError:
                return

    def _close(self) -> None:
        if self._shared is not None:
            self.slot.forget()
            self._shared.close()
            self._shared = None

    def wait_until_dead(self) -> None:
        """Waits for its end, which takes 0.1 s a GiB. It is a zombie then, and still traced: only
        we see it, and its process's wait(2) does not."""
        try:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | ptrace.WALL)
        except ChildProcessError:
            return

    def hand_over(self) -> None:
        """Leaves the zombie to its process, which sees it from now on (with __WCLONE)."""
        try:
            ptrace.wait(self.pid)
        except ChildProcessError:
            return


def bury_all(agent: Agent, children: Sequence[int]) -> None:
    """Has the process reap copies that have ended, whoever was to do it: wait4(2)."""
    program = Program()
    for pid in children:
        program.call(SYS_wait4, pid, 0, _WNOHANG | _WCLONE, 0, expect=ANY)
    agent.run(program)
