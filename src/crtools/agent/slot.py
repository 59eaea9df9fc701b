"""A task's place in the memory that it shares with the orchestrator: agent/ops.h `struct slot`."""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.agent.program import INSN, INSN_BYTES, result_at
from crtools.errors import InternalError, RemoteSyscallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.agent.program import Program, Ref

SLOT = struct.Struct("<6I10Q")
SLOT_BYTES = 128
WORD_AT, COMMAND_AT, DONE_AT, LEFT_AT, COUNT_AT, STOPPED_AT = range(0, 24, 4)
ROBUST_AT = 24 + 6 * 8
CAREFUL_LOOK, CAREFUL_HOME = 1, 2  # agent/ops.h
# What set_robust_list(2) calls futex_offset: from the list entry to the futex word.
ROBUST_OFFSET = WORD_AT - ROBUST_AT
# What is no system call, from OP_MERGE on.
_OWN = ("merge", "copy", "skip", "value", "tiles", "flags", "zeros")
_U32 = struct.Struct("<I")
_2U32 = struct.Struct("<II")


class Slot:
    """Posts programs to one agent and reads their results.

    `here` is the slot's address in this process, `there` in the task; `room_*` bound the memory
    that programs and their data are written to.
    """

    __slots__ = (
        "at",
        "command",
        "here",
        "look_ms",
        "memory",
        "program_at",
        "room",
        "task",
        "there",
        "wait_hook",
        "_running",
        "_data_at",
    )

    def __init__(
        self,
        task: int,
        shared: kernel.Shared,
        base: int,
        at: int,
        program_at: int,
        room: int,
        wait_hook: Callable[[], None],
    ) -> None:
        self.task = task
        self.memory = shared.memory
        self.here = shared.address + at
        self.there = base + at
        self.at = at
        self.program_at = program_at
        self.room = room
        self.command = 0
        self.wait_hook = wait_hook
        self.look_ms = 20  # how often its end is looked for, should nobody wake us
        self._running: Program | None = None
        self._data_at = 0

    def init(
        self,
        base: int,
        *,
        home: int = 0,
        area_bytes: int = 0,
        visitor: int = 0,
        keep: int = 0,
        keeps: int = 0,
        careful: int = 0,
        robust: bool,
    ) -> None:
        """Fills the slot in before its agent starts. With `robust`, our death is marked in it."""
        # The word holds our thread's id: the kernel marks only what is its own. 186: gettid.
        word = kernel.raw(186) if robust else 0
        SLOT.pack_into(
            self.memory,
            self.at,
            *(word, 0, 0, 0, 0, 0),
            *(0, 0, home, base, area_bytes, visitor, 0, keep, keeps, careful),
        )
        self.command = 0
        if robust:
            kernel.robust_add(self.here + ROBUST_AT)

    def forget(self) -> None:
        """Takes the slot off the robust list; before its memory is unmapped here."""
        kernel.robust_remove(self.here + ROBUST_AT)

    def post(self, program: Program) -> None:
        """Starts a program; `wait` for its end before the next."""
        data_at = self.program_at + (len(program.code) + 63 & ~63)
        if data_at + len(program.data) > self.program_at + self.room:
            raise InternalError(
                f"a program of {program.count} instructions and {len(program.data)} bytes does not"
                f" fit into {self.room} bytes"
            )
        if self._running is not None:
            raise InternalError(f"task {self.task} is still running a program")
        memory = self.memory
        memory[self.program_at : self.program_at + len(program.code)] = program.code
        memory[data_at : data_at + len(program.data)] = program.data
        base = self.there - self.at
        struct.pack_into(
            "<II2Q",
            memory,
            self.at + COUNT_AT,
            program.count,
            0,
            base + self.program_at,
            base + data_at,
        )
        self.command += 1
        # In one store: struct's pack_into zeroes the place first, which an agent that is looking
        # just then takes for a command, and runs the program twice.
        at = self.at + COMMAND_AT
        memory[at : at + 4] = self.command.to_bytes(4, "little")
        kernel.futex_post(self.here)
        self._running = program
        self._data_at = data_at

    @property
    def running(self) -> bool:
        return self._running is not None

    @property
    def ready(self) -> bool:
        """Whether `wait` would return at once."""
        done: int = _U32.unpack_from(self.memory, self.at + DONE_AT)[0]
        return done == self.command

    def wait_a_while(self, milliseconds: int) -> None:
        """Returns at the program's end, or before; raises if the task has ended."""
        done = _U32.unpack_from(self.memory, self.at + DONE_AT)[0]
        if done == self.command:
            return
        # A signal that cannot be blocked may have stopped or ended the task: look at times.
        if kernel.futex_wait(self.here + DONE_AT, done, milliseconds) == -110:  # ETIMEDOUT
            self.wait_hook()

    def wait(self) -> Executed:
        """Waits for the program's end; RemoteSyscallError where a result was not as expected.

        Of an attempt that was refused its owner is told, who may raise as well.
        """
        program = self._running
        if program is None:
            raise InternalError(f"task {self.task} runs no program")
        while not self.ready:
            self.wait_a_while(self.look_ms)
        self._running = None
        executed = Executed(self, program)
        stopped = _U32.unpack_from(self.memory, self.at + STOPPED_AT)[0]
        if stopped < program.count:
            raise executed.failure(stopped)
        if program.attempts is not None:
            for ref, otherwise in program.attempts:
                result = executed.result(ref)
                if result < 0:
                    otherwise(-result)
        return executed

    def check_unfinished(self, ms: int) -> None:
        """Of a program that ends its task: RemoteSyscallError if it stops before that, within so
        many milliseconds."""
        done = _U32.unpack_from(self.memory, self.at + DONE_AT)[0]
        if not self.ready and kernel.futex_wait(self.here + DONE_AT, done, ms) == -110:
            return  # ETIMEDOUT
        if self.ready:
            self.wait()
            raise InternalError(f"task {self.task} was to end with its program and has not")

    def end(self) -> None:
        """Waits for the end of a program that nobody waits for any more, if one is running."""
        if self._running is not None:
            try:
                self.wait()
            except RemoteSyscallError:
                return

    def run(self, program: Program) -> Executed:
        self.post(program)
        return self.wait()


class Executed:
    """What a program left: valid until the slot's next program."""

    __slots__ = ("_code", "_data", "program", "slot")

    def __init__(self, slot: Slot, program: Program) -> None:
        self.slot = slot
        self.program = program
        start = slot.program_at
        self._code = slot.memory[start : start + len(program.code)]
        start = slot._data_at
        self._data = slot.memory[start : start + len(program.data)]

    def result(self, ref: Ref) -> int:
        return result_at(self._code, ref[1])

    def bytes(self, ref: Ref, length: int) -> bytes:
        """What lies at a data reference now."""
        return bytes(self._data[ref[1] : ref[1] + length])

    def failure(self, index: int) -> RemoteSyscallError:
        from crtools.abi.syscall_numbers import syscall_name

        nr, op, _, _, _, _, *args, _, result = INSN.unpack_from(self._code, index * INSN_BYTES)
        label = self.program.labels.get(index, "")
        if callable(label):
            label = label()
        call = syscall_name(nr) if op < 3 else _OWN[op - 3]
        number = -result if -4096 < result < 0 else 0
        because = f"{call} failed: {os.strerror(number)}" if number else f"{call} answered {result}"
        return RemoteSyscallError(
            f"Task {self.slot.task} could not {label or call}",
            task=self.slot.task,
            call=call,
            errno=number,
            because=because + f" (arguments {', '.join(hex(a) for a in args)})",
        )
