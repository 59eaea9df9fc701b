"""A process from another kernel finds its vDSO where it was, and this kernel's code behind it.

There is one kernel here, so images are changed: what they say of the vDSO becomes another one's.
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools.images.store import ImageStore
from crtools.kinds.memory.vdso import parse_functions
from crtools.restoring.read import TaskImages, read_tasks
from live.roundtrip import SECONDS, Run

pytestmark = pytest.mark.root

# glibc has looked the functions up when it started, and calls them by their addresses.
SOURCE = r"""
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long by(int system_call, clockid_t clock)
{
	struct timespec t;

	if (system_call ? syscall(SYS_clock_gettime, clock, &t) : clock_gettime(clock, &t))
		return -1;
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
	static const clockid_t clocks[] = {
		CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE,
	};
	struct timespec pause = { 0, 1000000 };
	long long rounds = 0, last[4] = { 0 };
	int failed = 0, told = 0;

	puts("READY");
	fflush(stdout);
	while (!told && !failed) {
		told = access("go", F_OK) == 0;
		nanosleep(&pause, NULL);
		for (int i = 0; i < 4; i++) {
			long long low = by(1, clocks[i]), middle = by(0, clocks[i]), high = by(1, clocks[i]);

			failed |= middle < low - 20000000 || middle > high + 20000000;
			failed |= i && middle < last[i];
			last[i] = middle;
		}
		struct timeval now;
		struct timespec resolution;
		unsigned cpu, node;

		failed |= gettimeofday(&now, NULL) || time(NULL) < now.tv_sec - 1 || getcpu(&cpu, &node);
		failed |= clock_getres(CLOCK_MONOTONIC, &resolution) || resolution.tv_nsec < 1;
		rounds++;
	}
	puts(failed ? "FAIL: a clock" : rounds > 1 ? "PASS" : "FAIL: no rounds");
	return failed;
}
"""
PT_LOAD, PT_DYNAMIC, PT_NOTE = 1, 2, 4  # elf.h
DT_STRTAB, DT_SYMTAB = 5, 6
Change = Callable[[bytearray], None]


def segments(vdso: bytearray) -> dict[int, tuple[int, int]]:
    """Type -> offset and size in the file."""
    table, size, count = struct.unpack_from("<32xQ14xHH", vdso)
    found = {}
    for number in range(count):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", vdso, table + number * size)
        found[kind] = offset, length
    return found


def change_note(vdso: bytearray) -> None:
    """The same functions at the same places, from a kernel built another day."""
    offset, length = segments(vdso)[PT_NOTE]
    vdso[offset + length - 1] ^= 0xFF


def move_functions(vdso: bytearray) -> None:
    """Each function goes into free space behind the code; where it was a jump leads there, as the
    program has the old addresses."""
    offset, length = segments(vdso)[PT_DYNAMIC]
    tags = dict(struct.iter_unpack("<QQ", bytes(vdso[offset : offset + length])))
    functions = sorted(set(parse_functions(bytes(vdso)).values()))
    free = len(bytes(vdso).rstrip(b"\0")) + 127 & ~63
    moved = {old: free + 64 * index for index, old in enumerate(functions)}
    assert max(moved.values()) + 64 <= len(vdso), "this kernel's vDSO has no room behind its code"
    for at in range(tags[DT_SYMTAB], tags[DT_STRTAB] - 23, 24):
        info, _, section, value = struct.unpack_from("<4xBBHQ", vdso, at)
        if info & 0xF == 2 and section and value in moved:
            struct.pack_into("<Q", vdso, at + 8, moved[value])
    for old, new in moved.items():
        struct.pack_into("<Bi", vdso, old, 0xE9, new - old - 5)  # jmp
    change_note(vdso)


def compile_program(run: Run) -> None:
    source = run.directory / "clocks.c"
    source.write_text(SOURCE)
    program = run.directory / "clocks"
    subprocess.run(["gcc", "-O1", "-o", program, source], check=True, timeout=SECONDS)
    run.command = [str(program)]


def dump_outside_of_the_vdso(run: Run) -> Path:
    """Images of a moment at which no thread was in the vDSO, which its code would not survive."""
    while True:
        images = run.dump("-R", kills=False)
        task, code, length, _ = vdso_of(images)
        threads = [core.thread_info for core in task.cores.values()]
        places = [info.gpregs.ip for info in threads if info is not None]
        if not any(code <= place < code + length for place in places):
            run.kill()
            return images


def vdso_of(images: Path) -> tuple[TaskImages, int, int, int]:
    """The only process, the address and length of its vDSO's code, and its offset in the pages."""
    with ImageStore.open(str(images)) as store:
        (task,) = read_tasks(store)
    place = task.space.vdso_image()
    assert place is not None
    _, code, end, (content,) = place
    assert (content.start, content.end) == (code, end)
    return task, code, end - code, content.offset


def change_vdso(images: Path, change: Change) -> int:
    """Makes it another kernel's; answers where its code is."""
    task, code, length, offset = vdso_of(images)
    path = images / task.space.pages[0]
    with path.open("r+b") as file:
        vdso = bytearray(os.pread(file.fileno(), length, offset))
        was = bytes(vdso)
        change(vdso)
        assert vdso != was
        os.pwrite(file.fileno(), vdso, offset)
    return code


def host_vdso(pid: int) -> tuple[int, int]:
    """Where this kernel's is mapped in a process."""
    (found,) = re.findall(r"^(\w+)-(\w+) .*\[vdso\]$", Path(f"/proc/{pid}/maps").read_text(), re.M)
    return int(found[0], 16), int(found[1], 16)


def read_memory(pid: int, address: int, length: int) -> bytes:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        return os.pread(file.fileno(), length, address)


def where_it_leads(pid: int, address: int) -> int:
    """Follows jumps."""
    for _ in range(8):
        code = read_memory(pid, address, 14)
        if code[0] == 0xE9:
            address += 5 + struct.unpack_from("<i", code, 1)[0]
        elif code[:6] == b"\xff\x25\0\0\0\0":
            (address,) = struct.unpack_from("<Q", code, 6)
        else:
            return address
    raise AssertionError("jumps without an end")


def expect_functions_to_lead_home(run: Run, places: dict[str, int]) -> None:
    """From the addresses that the program has to the same functions of this kernel's vDSO."""
    start, end = host_vdso(run.pid)
    here = parse_functions(read_memory(run.pid, start, end - start))
    for name, place in places.items():
        assert where_it_leads(run.pid, place) == where_it_leads(run.pid, start + here[name]), name


@pytest.mark.parametrize("change", [change_note, move_functions])
def test_vdso_of_another_kernel_leads_to_this_ones(
    change: Change, new_run: Callable[..., Run]
) -> None:
    run = new_run(Path("/"), compare=False)
    compile_program(run)
    run.start()
    start, end = host_vdso(run.pid)
    functions = parse_functions(read_memory(run.pid, start, end - start))
    places = {name: start + offset for name, offset in functions.items()}

    images = dump_outside_of_the_vdso(run)
    assert change_vdso(images, change) == start
    run.restore(images)
    assert host_vdso(run.pid)[0] != start
    expect_functions_to_lead_home(run, places)

    # A second time on this kernel: its own vDSO goes where the jumps expect it.
    second = host_vdso(run.pid)
    run.restore(run.dump())
    assert host_vdso(run.pid) == second
    expect_functions_to_lead_home(run, places)

    # And to yet another kernel: the jumps lead to jumps.
    images = dump_outside_of_the_vdso(run)
    change_vdso(images, change)
    run.restore(images)
    assert host_vdso(run.pid) != second
    expect_functions_to_lead_home(run, places)
    run.expect_pass()


def test_same_vdso_stays_the_kernels_own_mapping(new_run: Callable[..., Run]) -> None:
    run = new_run("vdso")
    run.start()
    before = host_vdso(run.pid)
    run.restore(run.dump())
    assert host_vdso(run.pid) == before
    run.expect_pass()


def test_images_that_lie_about_the_vdso_are_refused(new_run: Callable[..., Run]) -> None:
    def ruin(vdso: bytearray) -> None:
        vdso[:4] = b"NELF"

    run = new_run(Path("/"), compare=False)
    compile_program(run)
    run.start()
    images = dump_outside_of_the_vdso(run)
    change_vdso(images, ruin)
    done = run.run_tool("restore", "-D", str(images), "-d", check=False)
    assert done.returncode == 1
    assert "vDSO" in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path(f"/proc/{run.pid}").exists()
