"""The agent's virtual machine, run in a child of the test that shares memory with it."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crtools.abi import kernel
from crtools.agent.inject import RobustList
from crtools.agent.program import (
    ANY,
    ARG_AREA,
    ARG_AREA32,
    EXACTLY,
    OP_COPY,
    OP_VALUE,
    OR_ERRNO,
    Program,
    errnos,
    load32,
    load64,
    ref_at,
)
from crtools.agent.slot import LEFT_AT, SLOT_BYTES, Slot
from crtools.errors import InternalError, RemoteSyscallError

AGENT = Path(__file__).resolve().parents[2] / "agent"
# What stands for the way home: it says in the area what it was given, and exits.
HOME = """
__attribute__((noreturn)) void home(unsigned long *area, unsigned long bytes)
{
	area[0] = (unsigned long)area;
	area[1] = bytes;
	for (;;)
		__asm__ volatile("syscall" : : "a"(231), "D"(77) : "rcx", "r11", "memory");
}
"""
AREA_BYTES = 1 << 20
SLOT_AT, VISITOR_AT, CHILD_AT, KEEP_AT, STACK_AT = 4096, 4224, 4352, 4864, 8192
ROOM_AT, ROOM, CHILD_ROOM_AT, SCRATCH_AT = 65536, 262144, 1 << 19, 3 << 18
SYS_read, SYS_write, SYS_close, SYS_readv, SYS_writev, SYS_getpid = 0, 1, 3, 19, 20, 39
SYS_preadv, SYS_pwritev, SYS_getppid, SYS_dup = 295, 296, 110, 32
NO_CALL = 0xFFFF


def wait_until_asleep(pid: int) -> None:
    """Until it waits in the kernel for something."""
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        assert time.monotonic() < end, f"task {pid} does not fall asleep"
        os.sched_yield()


class Library(ctypes.CDLL):
    """vm.c as a library of this process."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    where = tmp_path_factory.mktemp("agent")
    (where / "home.c").write_text(HOME)
    subprocess.run(
        [
            *("gcc", "-shared", "-fPIC", "-O2", "-ffreestanding", "-nostdlib", "-Wall", "-Werror"),
            *("-fno-stack-protector", "-fno-tree-loop-distribute-patterns"),
            *("-o", where / "agent.so", AGENT / "vm.c", where / "home.c"),
        ],
        check=True,
    )
    return Library(str(where / "agent.so"))


class Machine:
    """An agent in a child process."""

    def __init__(self, library: Library) -> None:
        self.library = library
        fd = os.memfd_create("area")
        os.ftruncate(fd, AREA_BYTES)
        self.shared = kernel.Shared(fd, AREA_BYTES)
        os.close(fd)
        self.base = self.shared.address
        self.pid = 0
        self.slot = self.new_slot(SLOT_AT, ROOM_AT)
        self.slot.init(self.base, robust=False)

    def new_slot(self, at: int, room_at: int) -> Slot:
        return Slot(0, self.shared, self.base, at, room_at, ROOM, self.look)

    def look(self) -> None:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.pid = 0
            raise AssertionError(f"the agent ended: {status:#x}")

    def start(self) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            signal.signal(signal.SIGUSR1, lambda *_: None)
            self.library.agent_main(ctypes.c_void_p(self.slot.there))

    def wait(self) -> int:
        pid, self.pid = self.pid, 0
        return os.waitpid(pid, 0)[1]

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        self.shared.close()


@pytest.fixture
def machine(library: Library) -> Iterator[Machine]:
    made = Machine(library)
    yield made
    made.close()


@pytest.fixture
def started(machine: Machine) -> Machine:
    machine.start()
    return machine


def test_results_are_those_of_the_agents_own_calls(started: Machine) -> None:
    program = Program()
    mine, parent = program.call(SYS_getpid), program.call(SYS_getppid)
    done = started.slot.run(program)
    assert (done.result(mine), done.result(parent)) == (started.pid, os.getpid())


def test_a_program_of_no_instructions_ends(started: Machine) -> None:
    started.slot.run(Program())


def test_many_programs_follow_one_another(started: Machine) -> None:
    for number in range(2000):
        program = Program()
        result = program.call(0, number, op=OP_VALUE)
        assert started.slot.run(program).result(result) == number


def test_a_program_that_does_not_fit_is_our_bug(started: Machine) -> None:
    program = Program()
    program.reserve(ROOM + 1)
    with pytest.raises(InternalError):
        started.slot.run(program)


def test_arguments_are_found_in_every_way(started: Machine) -> None:
    program = Program()
    shared = started.shared
    struct.pack_into("<i", shared.memory, SCRATCH_AT, -5)
    data = program.put(struct.pack("<Qi", 0x1122334455667788, -7))
    got = {
        "a value": program.call(0, 2**64 - 1, op=OP_VALUE, expect=ANY),
        "an address": program.call(0, data, op=OP_VALUE, expect=ANY),
        "a 64-bit word": program.call(0, load64(data), op=OP_VALUE, expect=ANY),
        "a signed 32-bit word": program.call(0, load32(data, 8), op=OP_VALUE, expect=ANY),
        "an address in the area": program.call(0, (ARG_AREA, 8), op=OP_VALUE, expect=ANY),
        "a word of the area": program.call(0, (ARG_AREA32, SCRATCH_AT), op=OP_VALUE, expect=ANY),
    }
    got["a result"] = program.call(0, got["a 64-bit word"], op=OP_VALUE, expect=ANY)
    # `area` of the slot is the base that the agent adds.
    started.slot.init(started.base, robust=False)
    done = started.slot.run(program)
    assert {name: done.result(ref) for name, ref in got.items()} == {
        "a value": -1,
        "an address": started.base + started.slot._data_at + data[1],
        "a 64-bit word": 0x1122334455667788,
        "a signed 32-bit word": -7,
        "an address in the area": started.base + 8,
        "a word of the area": -5,
        "a result": 0x1122334455667788,
    }


def test_all_six_arguments_reach_the_call(started: Machine, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"-" * 4096 + b"x" * 4096)
    program = Program()
    at_cwd = 2**64 - 100
    fd = program.call(257, at_cwd, program.put(bytes(file) + b"\0"), os.O_RDONLY, label="open")
    where = program.call(9, 0, 4096, 1, 2, fd, 4096, label="map its second page")
    into = program.reserve(4)
    program.copy(into, where, 4)
    assert started.slot.run(program).bytes(into, 4) == b"xxxx"


@pytest.mark.parametrize("width", [4, 8])
def test_a_result_is_stored_and_no_more_than_its_bytes(started: Machine, width: int) -> None:
    program = Program()
    room = program.put(b"\xee" * 16)
    program.call(
        0, 0x0102030405060708, op=OP_VALUE, expect=ANY, store=ref_at(room, 4), store_bytes=width
    )
    stored = started.slot.run(program).bytes(room, 16)
    value = (0x0102030405060708).to_bytes(8, "little")[:width]
    assert stored == b"\xee" * 4 + value + b"\xee" * (12 - width)


def test_a_result_is_stored_in_the_area(started: Machine) -> None:
    program = Program()
    program.store(99, (ARG_AREA, SCRATCH_AT))
    started.slot.run(program)
    assert struct.unpack_from("<I", started.shared.memory, SCRATCH_AT)[0] == 99


def test_an_unmet_expectation_stops_the_program_and_says_where(started: Machine) -> None:
    program = Program()
    program.call(SYS_getpid)
    program.call(SYS_close, 9999, label="close what is not open")
    program.store(1, (ARG_AREA, SCRATCH_AT))
    with pytest.raises(RemoteSyscallError) as caught:
        started.slot.run(program)
    error = caught.value
    assert (error.call, error.errno) == ("close", errno.EBADF)
    assert "close what is not open" in error.what
    assert not any(started.shared.memory[SCRATCH_AT : SCRATCH_AT + 4]), "what follows is not run"
    started.slot.run(Program())


@pytest.mark.parametrize(
    ("expect", "expected", "call", "met"),
    [
        (ANY, 0, (NO_CALL,), True),
        (EXACTLY, 2**64 - errno.ENOSYS, (NO_CALL,), True),
        (EXACTLY, 1, (NO_CALL,), False),
        (OR_ERRNO, errnos(errno.EPERM, errno.ENOSYS), (NO_CALL,), True),
        (OR_ERRNO, errnos(errno.EPERM), (NO_CALL,), False),
        (OR_ERRNO, errnos(errno.EPERM), (SYS_getpid,), True),
        (OR_ERRNO, 0, (NO_CALL,), False),
    ],
)
def test_expectations(
    started: Machine, expect: int, expected: int, call: tuple[int], met: bool
) -> None:
    program = Program()
    program.call(*call, expect=expect, expected=expected)
    if met:
        started.slot.run(program)
    else:
        with pytest.raises(RemoteSyscallError):
            started.slot.run(program)


def test_an_address_in_the_upper_half_is_no_error(started: Machine) -> None:
    program = Program()
    program.call(0, 2**64 - 4096, op=OP_VALUE)
    started.slot.run(program)
    program.call(0, 2**64 - 4095, op=OP_VALUE)
    with pytest.raises(RemoteSyscallError):
        started.slot.run(program)


def test_skip_if_skips_just_so_many(started: Machine) -> None:
    for value, left in ((5, [0, 0, 3]), (6, [1, 2, 3])):
        program = Program()
        room = program.reserve(12)
        program.skip_if(value, 5, 2)
        for index in range(3):
            program.store(index + 1, ref_at(room, 4 * index))
        assert list(struct.unpack("<3I", started.slot.run(program).bytes(room, 12))) == left


def test_copy_copies_bytes(started: Machine) -> None:
    program = Program()
    source, to = program.put(b"0123456789"), program.put(b"-" * 12)
    program.call(0, ref_at(to, 1), source, 9, op=OP_COPY)
    assert started.slot.run(program).bytes(to, 12) == b"-012345678--"


def test_merge_writes_the_pages_that_differ_and_counts_them(started: Machine) -> None:
    fd = os.memfd_create("pages")
    try:
        os.ftruncate(fd, 8 * 4096)
        shared = kernel.Shared(fd, 8 * 4096)
    finally:
        os.close(fd)
    pages = started.shared.memory
    at = SCRATCH_AT
    for page in range(4):
        pages[at + page * 4096] = page + 1
        pages[at + (page + 4) * 4096] = page + 1
    pages[at + 4096 + 4095] = 1  # the last byte of a page
    pages[at + 3 * 4096 + 9] = 1
    program = Program()
    count = program.merge(started.base + at + 4 * 4096, started.base + at, 4 * 4096)
    assert started.slot.run(program).result(count) == 2
    assert pages[at : at + 4 * 4096] == pages[at + 4 * 4096 : at + 8 * 4096]
    shared.close()


def test_pages_that_are_all_zero_are_found_and_counted(started: Machine) -> None:
    pages, at = started.shared.memory, SCRATCH_AT
    pages[at : at + 4 * 4096] = bytes(4 * 4096)
    pages[at] = 1  # the first word
    pages[at + 2 * 4096 - 1] = 1  # the last byte
    pages[at + 3 * 4096 + 2048] = 1
    program = Program()
    base = started.base + at
    ranges = [(base, 4096), (base + 2 * 4096, 4096), (base, 4 * 4096)]
    vector = program.put(b"".join([struct.pack("<QQ", *some) for some in ranges]))
    bits = program.reserve(1)
    count = program.find_zeros(vector, len(ranges), bits, 4096)
    executed = started.slot.run(program)
    assert executed.result(count) == 2
    assert executed.bytes(bits, 1) == bytes([0b00010010])


# --- Transfers ---


def vector_of(program: Program, machine: Machine, lengths: list[int]) -> tuple[int, int]:
    at = machine.base + SCRATCH_AT
    packed = b""
    for length in lengths:
        packed += struct.pack("<QQ", at, length)
        at += length
    return program.put(packed)


def test_a_transfer_goes_on_after_short_reads(machine: Machine) -> None:
    reader, writer = os.pipe()
    machine.start()
    os.close(reader)
    program = Program()
    lengths = [1, 0, 500, 3000, 7]
    total = sum(lengths)
    moved = program.transfer(
        SYS_readv, reader, vector_of(program, machine, lengths), len(lengths), 0, total, "read"
    )
    machine.slot.post(program)
    content = os.urandom(total)
    for first in range(0, total, 600):
        os.write(writer, content[first : first + 600])
        wait_until_asleep(machine.pid)
    assert machine.slot.wait().result(moved) == total
    assert machine.shared.memory[SCRATCH_AT : SCRATCH_AT + total] == content
    os.close(writer)


def test_a_transfer_ends_at_the_end_of_the_file_with_what_there_was(machine: Machine) -> None:
    reader, writer = os.pipe()
    machine.start()
    os.close(reader)
    os.write(writer, b"abc")
    os.close(writer)
    program = Program()
    program.call(SYS_close, writer)  # the agent has it too
    program.transfer(SYS_readv, reader, vector_of(program, machine, [10]), 1, 0, 10, "read ten")
    with pytest.raises(RemoteSyscallError, match="read ten") as caught:
        machine.slot.run(program)
    assert "answered 3" in caught.value.because


def test_a_transfer_that_fails_says_why(started: Machine) -> None:
    program = Program()
    program.transfer(SYS_readv, 9999, vector_of(program, started, [10]), 1, 0, 10, "read ten")
    with pytest.raises(RemoteSyscallError) as caught:
        started.slot.run(program)
    assert caught.value.errno == errno.EBADF


def test_a_transfer_goes_on_after_a_signal(machine: Machine) -> None:
    reader, writer = os.pipe()
    machine.start()
    os.close(reader)
    program = Program()
    moved = program.transfer(
        SYS_readv, reader, vector_of(program, machine, [4, 4]), 2, 0, 8, "read eight"
    )
    machine.slot.post(program)
    for part in (b"0123", b"4567"):
        wait_until_asleep(machine.pid)
        os.kill(machine.pid, signal.SIGUSR1)
        wait_until_asleep(machine.pid)
        os.write(writer, part)
    assert machine.slot.wait().result(moved) == 8
    assert machine.shared.memory[SCRATCH_AT : SCRATCH_AT + 8] == b"01234567"
    os.close(writer)


def test_a_transfer_takes_more_vectors_than_a_call_does(machine: Machine, tmp_path: Path) -> None:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    machine.start()
    program = Program()
    content = os.urandom(3000 * 5)
    machine.shared.memory[SCRATCH_AT : SCRATCH_AT + len(content)] = content
    vector = vector_of(program, machine, [5] * 3000)
    program.transfer(SYS_pwritev, fd, vector, 3000, 100, len(content), "write")
    machine.slot.run(program)
    assert os.pread(fd, 20000, 0) == bytes(100) + content
    os.close(fd)


def test_a_transfer_moves_more_than_one_call_is_given(machine: Machine, tmp_path: Path) -> None:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    machine.start()
    program = Program()
    where = program.call(9, 0, 40 << 20, 3, 0x22, 2**64 - 1, 0, label="map 40 MiB")
    vector = program.reserve(48)
    for index in range(3):
        program.call(0, where, op=OP_VALUE, store=ref_at(vector, 16 * index), store_bytes=8)
        program.call(0, 40 << 20, op=OP_VALUE, store=ref_at(vector, 16 * index + 8), store_bytes=8)
    moved = program.transfer(SYS_pwritev, fd, vector, 3, 0, 120 << 20, "write 120 MiB")
    assert machine.slot.run(program).result(moved) == 120 << 20
    assert os.fstat(fd).st_size == 120 << 20
    os.close(fd)


# --- Births ---


def test_a_begotten_task_runs_programs_of_its_own(started: Machine) -> None:
    child = started.new_slot(CHILD_AT, CHILD_ROOM_AT)
    child.init(started.base, robust=False)
    program = Program()
    args = program.put(
        struct.pack("<11Q", 0, 0, 0, 0, signal.SIGCHLD, started.base + STACK_AT, 4096, 0, 0, 0, 0)
    )
    born = program.clone(args, 88, child.there, "beget a task")
    pid = started.slot.run(program).result(born)
    asked = Program()
    parent = asked.call(SYS_getppid)
    mine = asked.call(SYS_getpid)
    done = child.run(asked)
    assert (done.result(parent), done.result(mine)) == (started.pid, pid)
    ending = Program()
    ending.call(231, 5, expect=ANY)
    child.post(ending)
    waiting = Program()
    status = waiting.reserve(4)
    waiting.call(61, pid, status, 0, 0, label="wait for it")
    assert started.slot.run(waiting).bytes(status, 4) == b"\0\5\0\0"


# --- Without an orchestrator ---


def orphan(machine: Machine) -> None:
    """An orchestrator takes the agent's slot, starts it and dies."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        with RobustList():
            home = ctypes.cast(machine.library.home, ctypes.c_void_p).value or 0
            machine.slot.init(
                machine.base,
                home=home,
                area_bytes=AREA_BYTES,
                visitor=machine.base + VISITOR_AT,
                keep=machine.base + KEEP_AT,
                keeps=8,
                robust=True,
            )
            os.write(told, b"!")
            time.sleep(60)
    os.read(ready, 1)
    os.close(ready)
    os.close(told)
    machine.start()
    wait_until_asleep(machine.pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_an_orphan_goes_home_with_its_area(machine: Machine) -> None:
    machine.shared.memory[KEEP_AT : KEEP_AT + 32] = b"\xff" * 32
    struct.pack_into("<I", machine.shared.memory, VISITOR_AT + LEFT_AT, 1)
    orphan(machine)
    assert os.waitstatus_to_exitcode(machine.wait()) == 77
    assert struct.unpack_from("<2Q", machine.shared.memory) == (machine.base, AREA_BYTES)


def test_an_orphan_waits_for_the_visitor_to_leave(machine: Machine) -> None:
    machine.shared.memory[KEEP_AT : KEEP_AT + 32] = b"\xff" * 32
    orphan(machine)
    wait_until_asleep(machine.pid)
    assert os.waitpid(machine.pid, os.WNOHANG)[0] == 0
    word = machine.base + VISITOR_AT + LEFT_AT
    struct.pack_into("<I", machine.shared.memory, VISITOR_AT + LEFT_AT, 1)
    assert kernel.raw(202, word, 1, 1) == 1, "it sleeps on the word, and is woken"
    assert os.waitstatus_to_exitcode(machine.wait()) == 77


def test_an_orphan_closes_what_it_was_given(machine: Machine) -> None:
    reader, writer = os.pipe()
    struct.pack_into("<8i", machine.shared.memory, KEEP_AT, -1, writer, *[-1] * 6)
    orphan(machine)
    os.close(writer)
    assert os.read(reader, 1) == b"", "all other ends are closed"
    os.close(reader)
    assert os.waitpid(machine.pid, os.WNOHANG)[0] == 0, "it waits for its visitor still"


def test_an_orphan_within_a_transfer_stops_between_two_calls(machine: Machine) -> None:
    machine.shared.memory[KEEP_AT : KEEP_AT + 32] = b"\xff" * 32
    struct.pack_into("<I", machine.shared.memory, VISITOR_AT + LEFT_AT, 1)
    reader, writer = os.pipe()
    orphan_ready = Program()
    vector = vector_of(orphan_ready, machine, [4, 4])
    orphan_ready.transfer(SYS_readv, reader, vector, 2, 0, 8, "read eight")
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        with RobustList():
            home = ctypes.cast(machine.library.home, ctypes.c_void_p).value or 0
            machine.slot.init(
                machine.base,
                home=home,
                area_bytes=AREA_BYTES,
                visitor=machine.base + VISITOR_AT,
                robust=True,
            )
            machine.slot.post(orphan_ready)
            os.write(told, b"!")
            time.sleep(60)
    os.read(ready, 1)
    machine.start()
    wait_until_asleep(machine.pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.write(writer, b"0123")  # its read returns, and it looks around
    assert os.waitstatus_to_exitcode(machine.wait()) == 77
    for fd in (reader, writer, ready, told):
        os.close(fd)


def test_slots_are_as_large_as_they_are_laid_out() -> None:
    assert SLOT_AT + SLOT_BYTES <= VISITOR_AT
    assert VISITOR_AT + SLOT_BYTES <= CHILD_AT
