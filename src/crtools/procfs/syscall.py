"""/proc/PID/task/TID/syscall: the system call that a thread is blocked in (proc_pid_syscall(5))."""

from __future__ import annotations

from crtools.procfs.files import misread, read_task_file
from crtools.procfs.record import Record


class BlockedIn(Record):
    """A thread that is blocked: in system call `number`, with its six arguments, or elsewhere.

    Elsewhere (a page fault, say) `number` is -1 and `arguments` is empty. `stack_pointer` and
    `instruction_pointer` are the user's.
    """

    __slots__ = ("arguments", "instruction_pointer", "number", "stack_pointer")

    def __init__(
        self,
        number: int,
        arguments: tuple[int, ...],
        stack_pointer: int,
        instruction_pointer: int,
    ) -> None:
        self.number = number
        self.arguments = arguments
        self.stack_pointer = stack_pointer
        self.instruction_pointer = instruction_pointer


def parse_syscall(data: bytes) -> BlockedIn | None:
    """None for a thread that runs. Raises InternalError."""
    words = data.split()
    try:
        if words == [b"running"]:
            return None
        number = int(words[0])
        *arguments, stack_pointer, instruction_pointer = [int(word, 16) for word in words[1:]]
        if len(arguments) != (0 if number == -1 else 6):
            raise ValueError(arguments)
    except (ValueError, IndexError):
        raise misread("/proc/PID/syscall", data) from None
    return BlockedIn(number, tuple(arguments), stack_pointer, instruction_pointer)


def read_syscall(proc: int, pid: int, tid: int | None = None) -> BlockedIn | None:
    """What a thread is blocked in now; None if it runs (or is held by a tracer that runs it)."""
    return parse_syscall(read_task_file(proc, pid, "syscall", tid))
