"""What uprobes do to code is told from what a program does to it."""

from __future__ import annotations

import struct

from crtools.kinds.memory.uprobes import find_breakpoints, find_calls

CODE = bytes(range(256)) * 16
NOP5 = b"\x0f\x1f\x44\x00\x00"


def changed(code: bytes, at: int, to: bytes) -> bytes:
    return code[:at] + to + code[at + len(to) :]


def test_a_lone_breakpoint_is_found_at_the_edges_too() -> None:
    code = changed(changed(changed(CODE, 0, b"\xcc"), 100, b"\xcc"), 4095, b"\xcc")
    assert find_breakpoints(code, CODE) == [(0, b"\0"), (100, b"d"), (4095, b"\xff")]


def test_a_breakpoint_of_the_file_is_none() -> None:
    assert find_breakpoints(CODE, CODE) == []
    assert find_breakpoints(changed(CODE, 5, b"x"), CODE) == []


def test_a_breakpoint_among_other_changes_is_the_programs() -> None:
    assert find_breakpoints(changed(CODE, 100, b"\x11\xcc\x22"), CODE) == []


def test_a_call_of_the_trampoline_is_found_where_the_file_has_a_nop() -> None:
    was = changed(CODE, 64, NOP5)
    call = b"\xe8" + struct.pack("<i", 0x7000 - 69)
    page = changed(was, 64, call)
    assert find_calls(page, was, 0x1000, [(0x8000, 0x9000)]) == [(64, NOP5)]
    assert find_calls(page, was, 0x1000, [(0x9000, 0xA000)]) == []
    assert find_calls(page, CODE, 0x1000, [(0x8000, 0x9000)]) == []
