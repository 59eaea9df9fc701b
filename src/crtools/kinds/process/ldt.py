"""The local descriptor table: segments that a process has made with modify_ldt(2), as Wine does.

Descriptors are the CPU's, eight bytes each (Intel SDM volume 3, 3.4.5); the call takes them apart
as struct user_desc (asm/ldt.h, and fill_ldt in asm/desc.h the other way round). What the kernel
lets nobody choose, the privilege, the accessed bit and that it is no gate, needs not be carried.
"""

from __future__ import annotations

import struct

from crtools.agent.program import ANY, Program
from crtools.errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crtools.agent.inject import Agent
    from crtools.agent.program import Ref
    from crtools.agent.slot import Executed

SYS_modify_ldt = 154
READ, WRITE = 0, 0x11  # arch/x86/kernel/ldt.c
ENTRY_BYTES, ENTRIES = 8, 8192  # LDT_ENTRY_SIZE, LDT_ENTRIES
_USER_DESC = struct.Struct("<IIII")  # struct user_desc, asm/ldt.h
_ENTRY = struct.Struct("<Q")
_PRESENT = 1 << 47
# Data or code (not a system's), of privilege 3, as fill_ldt makes them.
_FIXED, _FIXED_IS = 7 << 44 | 1 << 53, 7 << 44


def ask_ldt(program: Program) -> Ref:
    """Whether there is a table: one entry is read, or nothing."""
    return program.call(SYS_modify_ldt, READ, program.reserve(ENTRY_BYTES), ENTRY_BYTES, expect=ANY)


def has_ldt(executed: Executed, asked: Ref) -> bool:
    return executed.result(asked) > 0  # ENOSYS: without CONFIG_MODIFY_LDT_SYSCALL


def read_ldt(agent: Agent, there: bool) -> bytes | None:
    """The table up to its last entry in use; None where there is none, as in most processes."""
    if not there:
        return None
    program = Program()
    size = ENTRIES * ENTRY_BYTES
    table = program.reserve(size)
    program.call(SYS_modify_ldt, READ, table, size, label="read its local descriptor table")
    content = agent.run(program).bytes(table, size).rstrip(b"\0")
    return content.ljust(-(-len(content) // ENTRY_BYTES) * ENTRY_BYTES, b"\0") or None


def plan_ldt(table: bytes) -> list[bytes]:
    """The struct user_desc of each entry in use. Raises ImageError for what no process can have."""
    if len(table) % ENTRY_BYTES or len(table) > ENTRIES * ENTRY_BYTES:
        raise _damaged(f"{len(table)} bytes")
    found = []
    for number, (entry,) in enumerate(_ENTRY.iter_unpack(table)):
        if not entry:
            continue
        if entry & _FIXED != _FIXED_IS:
            raise _damaged(f"entry {number} is {entry:#018x}")
        kind = entry >> 40 & 0xF  # accessed, writable or readable, two bits of contents
        found.append(
            _USER_DESC.pack(
                number,
                entry >> 16 & 0xFFFFFF | entry >> 32 & 0xFF000000,
                entry & 0xFFFF | entry >> 32 & 0xF0000,
                (entry >> 54 & 1)  # seg_32bit
                | kind >> 2 << 1  # contents
                | (~kind >> 1 & 1) << 3  # read_exec_only
                | (entry >> 55 & 1) << 4  # limit_in_pages
                | (0 if entry & _PRESENT else 1 << 5)
                | (entry >> 52 & 1) << 6,  # useable
            )
        )
    return found


def build_ldt(room: Callable[[int], Program], table: bytes) -> None:
    """Sets all entries. `room(bytes)` is a program with so much room."""
    for desc in plan_ldt(table):
        program = room(200)
        number = int.from_bytes(desc[:4], "little")
        program.call(
            SYS_modify_ldt,
            WRITE,
            program.put(desc),
            len(desc),
            label=lambda number=number: f"set segment {number} of its local table",  # type: ignore[misc]
        )


def _damaged(because: str) -> ImageError:
    return ImageError(
        "The local descriptor table in a crtools-task image is impossible", because=because
    )
