"""What images may say of io_urings, and how their counters are brought back."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest

from crtools.agent.program import INSN, INSN_BYTES, Program
from crtools.errors import ImageError
from crtools.images.messages.crtools_kinds import CrtoolsUringEntry
from crtools.images.messages.fown import FownEntry
from crtools.kinds.files import io_uring, uring_restore
from crtools.restoring.rings import find_gaps

PAGE = 4096
RINGS, SQES = 0x10000, 0x20000
_OWNER = FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0)


def ring(sq_head: int, cq_tail: int, unread: int = 0, **changes: Any) -> CrtoolsUringEntry:
    head = cq_tail - unread
    rings = struct.pack("<4I", sq_head, sq_head, head, cq_tail).ljust(PAGE, b"\0")
    facts: dict[str, Any] = {
        "id": 1, "flags": 2, "inode": 5, "fown": _OWNER, "setup": 0, "sq_entries": 4,
        "cq_entries": 8, "sq_head": sq_head, "cq_tail": cq_tail, "rings": rings,
        "sqes": bytes(PAGE), "offsets": b"",
    }  # fmt: skip
    return CrtoolsUringEntry(**facts | changes)


def add(entry: CrtoolsUringEntry) -> None:
    context: Any = None
    file: Any = SimpleNamespace(message=entry)
    uring_restore.IoUringPlanner(context).add(file)


@pytest.mark.parametrize(
    "entry",
    [
        ring(5, 6),
        ring(5, 5, sq_entries=3),
        ring(5, 5, cq_entries=0),
        ring(5, 5, setup=1 << io_uring.NAMES.index("SQPOLL")),
        ring(5, 5, rings=b""),
        ring(5, 5, sqes=bytes(100)),
        ring(50, 50, unread=9),
        ring(1 << 31, 5),
    ],
)
def test_impossible_rings_are_image_errors(entry: CrtoolsUringEntry) -> None:
    with pytest.raises(ImageError):
        add(entry)


def test_ring_of_any_counters_is_taken() -> None:
    add(ring(1000, 900, unread=8))


class Kernel:
    """What the kernel and the rings' memory make of the programs of build_counters."""

    def __init__(self, entry: CrtoolsUringEntry) -> None:
        self.entry = entry
        self.memory = bytearray(0x40000)
        self.head = self.tail = 0

    def word(self, at: int) -> int:
        return int.from_bytes(self.memory[at : at + 4], "little")

    def run(self, program: Program) -> None:
        for at in range(0, len(program.code), INSN_BYTES):
            fields = INSN.unpack_from(program.code, at)
            number, op, arguments, expected = fields[0], fields[1], fields[6:12], fields[12]
            if op == 4:  # OP_COPY
                to, source, length = arguments[:3]
                self.memory[to : to + length] = program.data[source : source + length]
                continue
            assert number == io_uring.SYS_io_uring_enter
            count = arguments[1]
            assert count == expected
            assert self.word(RINGS + io_uring.SQ_TAIL_AT) - self.head >= count
            for _ in range(count):
                self.head += 1
                if not self.memory[SQES + 1] & io_uring.IOSQE_CQE_SKIP_SUCCESS:
                    self.tail += 1
            unread = self.tail - self.word(RINGS + io_uring.CQ_HEAD_AT)
            assert unread <= self.entry.cq_entries, "a completion has no room"


@pytest.mark.parametrize(
    ("sq_head", "cq_tail", "unread"),
    [(0, 0, 0), (1, 1, 1), (4, 4, 0), (8, 8, 8), (9, 9, 3), (103, 103, 8), (100, 90, 5), (7, 0, 0)],
)
def test_counters_come_to_be_what_they_were(sq_head: int, cq_tail: int, unread: int) -> None:
    entry = ring(sq_head, cq_tail, unread)
    entry.sqes = bytes(range(256)) * 16
    kernel = Kernel(entry)
    programs: list[Program] = []

    def fresh() -> Program:
        programs.append(Program())
        return programs[-1]

    uring_restore.build_counters(fresh, entry, 3, RINGS, SQES, 2000)
    for program in programs:
        kernel.run(program)
    assert (kernel.head, kernel.tail) == (sq_head, cq_tail)
    assert kernel.memory[RINGS : RINGS + PAGE] == entry.rings
    assert kernel.memory[SQES : SQES + PAGE] == entry.sqes


def test_gaps_are_all_that_is_left() -> None:
    end = 0x7FFFFFFFF000
    assert find_gaps([]) == [(PAGE, end)]
    assert find_gaps([(0x5000, 0x6000), (0x6000, 0x8000), (0x9000, end)]) == [
        (PAGE, 0x5000),
        (0x8000, 0x9000),
    ]
