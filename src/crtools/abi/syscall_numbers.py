"""From a system call's number to its name, for messages and dry runs."""

from __future__ import annotations

from crtools.abi import x86_64

_NAMES: dict[int, str] = {}


def syscall_name(number: int) -> str:
    """The name of an x86-64 system call: "mmap"; "syscall 999" if it has none here."""
    if not _NAMES:
        for name, value in vars(x86_64).items():
            if name.startswith("SYS_"):
                _NAMES[value] = name[4:]
    return _NAMES.get(number, f"syscall {number}")
