"""Disks that are full and limits that are reached: a dump is done or refused, and harms nobody."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crtools import api
from faults.target import Target
from faults.tool import Outcome, run_tool
from live.roundtrip import TOOL, Run

pytestmark = pytest.mark.root

NewRun = Callable[..., Run]
PAGE = 4096
# Splits one area into pieces until the kernel gives no more, and gives `left` of them back.
MAPPINGS = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const long most = 1 << 18;

int main(int argc, char **argv)
{
	long left = atol(argv[2]), pieces = 0, i;
	char *area;

	if (argc != 3 || chdir(argv[1]))
		return 2;
	area = mmap(0, most * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return 2;
	while (pieces < most && !mprotect(area + pieces * 8192, 4096, PROT_READ | PROT_WRITE))
		pieces++;
	/* Every second one: what remains between two merges. */
	for (i = 0; i < (left + 1) / 2; i++)
		if (mprotect(area + --pieces * 8192, 4096, PROT_NONE))
			return 2;
	for (i = 0; i < pieces; i += 1000)
		area[i * 8192] = (char)i;
	if (write(1, "READY\n", 6) != 6)
		return 2;
	while (access("go", F_OK))
		usleep(2000);
	for (i = 0; i < pieces; i += 1000)
		if (area[i * 8192] != (char)i)
			return 1;
	return write(1, "PASS\n", 5) != 5;
}
"""


@pytest.fixture
def small_disk(directory: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    where = directory / "small"
    where.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", where], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs: {done.stderr.decode().strip()}")
    yield where
    subprocess.run(["umount", where], check=True)


def expect_refused(outcome: Outcome, images: Path) -> None:
    assert outcome.refused, outcome
    assert not (images / "inventory.img").exists()


def test_a_full_disk_ends_the_dump_and_harms_nobody(new_run: NewRun, small_disk: Path) -> None:
    target = Target(new_run("threads"))
    images = small_disk / "images"
    outcome = run_tool(lambda: api.dump(target.pid, str(images)))
    expect_refused(outcome, images)
    assert "No space left on device" in outcome.said
    target.expect_unharmed("a full disk")
    target.run.expect_pass()


@pytest.mark.parametrize("room", [0, PAGE, 5 * PAGE, 40 * PAGE])
def test_a_limit_on_the_tools_file_sizes_harms_nobody(room: int, new_run: NewRun) -> None:
    target = Target(new_run("threads"))

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        target.dump()

    outcome = run_tool(work)
    if not outcome.done:
        expect_refused(outcome, target.images)
    target.expect_unharmed("a limit on file sizes")
    target.run.expect_pass()


def test_a_limit_on_the_programs_file_sizes_does_not_hinder_its_dump(new_run: NewRun) -> None:
    target = Target(new_run("anonymous"))
    resource.prlimit(target.pid, resource.RLIMIT_FSIZE, (PAGE, resource.RLIM_INFINITY))
    target.expect_dump("a limit on its file sizes")
    resource.prlimit(target.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    target.expect_dump("no files of its own at all")
    assert sum(path.stat().st_size for path in target.images.glob("pages-*.img")) > PAGE
    # Its own verdict goes to a file.
    whole = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(target.pid, resource.RLIMIT_FSIZE, whole)
    target.run.expect_pass()


@pytest.mark.parametrize("more", [0, 1, 2, 3])
def test_no_free_descriptors_in_the_program(more: int, new_run: NewRun) -> None:
    """Where it has none for a socket pair, its pages are not written by itself."""
    target = Target(new_run("threads"))
    soft, hard = resource.prlimit(target.pid, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{target.pid}/fd"))
    resource.prlimit(target.pid, resource.RLIMIT_NOFILE, (used + more, hard))
    target.expect_dump("no free descriptors")
    target.run.kill()
    target.run.restore(target.images)
    assert resource.prlimit(target.pid, resource.RLIMIT_NOFILE) == (used + more, hard)
    resource.prlimit(target.pid, resource.RLIMIT_NOFILE, (soft, hard))
    target.run.expect_pass()


def test_numbers_above_the_programs_own_limit(new_run: NewRun) -> None:
    """Lowered below what is open already."""
    target = Target(new_run("pipes"))
    soft, hard = resource.prlimit(target.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(target.pid, resource.RLIMIT_NOFILE, (0, hard))
    target.expect_dump("no descriptors at all")
    target.run.kill()
    target.run.restore(target.images)
    assert resource.prlimit(target.pid, resource.RLIMIT_NOFILE) == (0, hard)
    resource.prlimit(target.pid, resource.RLIMIT_NOFILE, (soft, hard))
    target.run.expect_pass()


@pytest.mark.parametrize("program", ["threads200", "tree300", "many_mappings"])
def test_a_tool_with_few_descriptors_dumps_and_restores_all_the_same(
    program: str, new_run: NewRun
) -> None:
    """It keeps none for each thread, process or area."""
    run = new_run(program)
    run.start()
    images = run.new_images()
    few_numbers(["dump", "-t", str(run.pid), "-D", str(images), "-R"])
    run.kill()
    pidfile = images / "pid"
    few_numbers(["restore", "-D", str(images), "-d", "--pidfile", str(pidfile)])
    assert int(pidfile.read_text()) == run.pid
    run.status = None
    run.expect_pass()


def test_tasks_do_not_inherit_the_limit_that_the_tool_raised_for_itself(new_run: NewRun) -> None:
    target = Target(new_run("tree300"))
    hard = resource.prlimit(target.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(target.pid, resource.RLIMIT_NOFILE, (12, hard))
    target.expect_dump("a soft limit like the tool's")
    target.run.kill()
    pidfile = target.run.directory / "pid"
    few_numbers(
        ["restore", "-D", str(target.images), "-d", "--pidfile", str(pidfile)], limits="-Sn 12"
    )
    target.run.status = None
    assert resource.prlimit(target.pid, resource.RLIMIT_NOFILE) == (12, hard)
    target.run.expect_pass()


def few_numbers(arguments: list[str], limits: str = "-Sn 12 && ulimit -Hn 64") -> None:
    """Runs crtools with small limits of descriptors."""
    command = ["sh", "-c", f'ulimit {limits} && exec "$0" "$@"', TOOL, *arguments]
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_no_free_descriptors_in_the_tool(new_run: NewRun) -> None:
    target = Target(new_run("pipes"))
    target.dump()  # with that, all modules are there: importing takes descriptors too

    def work(limit: int) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        target.dump()

    for limit in range(4, 40, 3):
        (target.images / "inventory.img").unlink(missing_ok=True)
        outcome = run_tool(lambda limit=limit: work(limit))
        if not outcome.done:
            expect_refused(outcome, target.images)
        target.check(f"a tool with {limit} descriptors")
    target.expect_dump("a tool without descriptors")
    target.run.expect_pass()


@pytest.mark.parametrize("left", [0, 3, 40])
def test_a_program_with_all_the_mappings_there_may_be(
    left: int, new_run: NewRun, directory: Path
) -> None:
    """What the agent takes is one mapping; with none left the dump may be refused."""
    source = directory / "mappings.c"
    source.write_text(MAPPINGS)
    binary = directory / "mappings"
    subprocess.run(["gcc", "-O1", "-Wall", "-Werror", "-o", binary, source], check=True)
    run = new_run(binary, str(left))
    run.command = [str(binary), str(run.work), str(left)]
    target = Target(run)
    outcome = run_tool(target.dump)
    if not outcome.done:
        assert left < 40, outcome
        expect_refused(outcome, target.images)
        assert "max_map_count" in outcome.said
    target.check("a dump without mappings left")
    target.run.expect_pass()
