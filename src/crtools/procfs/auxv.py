"""/proc/PID/auxv: the auxiliary vector that the program was started with (proc_pid_auxv(5))."""

from __future__ import annotations

import struct

from crtools.procfs.files import misread, read_task_file


def parse_auxv(data: bytes) -> tuple[int, ...]:
    """The vector's 64-bit words, key and value by turns, up to and with the pair of AT_NULL.

    Empty for a task without an address space. Raises InternalError if it has no end.
    """
    if not data:
        return ()
    if len(data) % 16:
        raise misread("/proc/PID/auxv", data, "it is not made of pairs of 64-bit words")
    words = struct.unpack(f"={len(data) // 8}Q", data)
    for index in range(0, len(words), 2):
        if words[index] == 0:
            return words[: index + 2]
    raise misread("/proc/PID/auxv", data, "there is no AT_NULL at its end")


def auxv_values(vector: tuple[int, ...]) -> dict[int, int]:
    """AT_* key -> value."""
    return dict(zip(vector[::2], vector[1::2], strict=True))


def read_auxv(proc: int, pid: int) -> tuple[int, ...]:
    """The auxiliary vector of a process, as parse_auxv gives it."""
    return parse_auxv(read_task_file(proc, pid, "auxv"))
