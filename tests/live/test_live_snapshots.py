"""Live snapshots: the tree runs on while copies of it write its memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.roundtrip import FOREIGN_UID, Run, Skipped, run_in_namespace
from live.snapshot import collect_tree
from live.test_programs import CASES, Case

pytestmark = pytest.mark.root

VARIANTS = ("", "threads", "tree", "group", "huge", "shared")

# As the command, but processes of any size are copied, and what smaps tells is guessed at first.
ANY_SIZE = """
import sys
from crtools.cli.main import main
from crtools.dumping import memory, snapshot

snapshot.SMALL = 0
how = sys.argv.pop(1)
memory.LARGE = 1 << 60 if how == "known" else 0
if how == "by-words":
    snapshot.PAGEMAP_SCAN = 0  # ENOTTY, as before Linux 6.7
sys.exit(main())
"""

# Programs whose memory, descriptors or children a copy could disturb, or be disturbed by.
CHOSEN = {
    *("advice", "aio", "anonymous", "brk", "cow", "dead_leader", "dead_leader root", "droppable"),
    *("epolls", "exit_signals", "fifos", "guards", "heap", "huge_pages", "huge_pages hugetlb"),
    *("io_uring plain", "itimers", "keys", "leases", "limits", "locked_all", "locks plain"),
    *("mdwe", "merging", "no_access", "numa", "odd_areas", "pipes", "posix_timers"),
    *("private_file", "rseq", "sealed", "seccomp plain", "seccomp narrow", "seccomp strict"),
    *("shared_anonymous", "sharing all", "sharing memory", "siblings", "signals", "sparse"),
    *(
        "stopped",
        "subreapers",
        "threads200",
        "sysv_shm",
        "sysv_shm huge",
        "tcp v4",
        "userfaults",
        "vdso",
    ),
    *("zero_pages", "zombies"),
}


def snapshot(run: Run, *options: str) -> Path:
    """`crtools snapshot`: the tree is as before, and nothing of the copies is left."""
    before = collect_tree(run.pid)
    images = run.new_images()
    where = ("-t", str(run.pid), "-D", str(images), "-o", "dump.log")
    run.run_tool("snapshot", *where, *run.dump_options, *options)
    assert collect_tree(run.pid) == before
    return images


def copied(images: Path) -> int:
    """How many memories were copied."""
    log = (images / "dump.log").read_text()
    return log.count("by a copy of it")


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_of_a_snapshot_is_of_one_moment(variant: str, new_run: Callable[..., Run]) -> None:
    run = new_run("moments", *variant.split(), compare=False)
    run.start()
    images = snapshot(run)
    assert copied(images) == {"tree": 3}.get(variant, 1)
    run.kill()
    run.restore(images)
    run.expect_pass()


@pytest.mark.parametrize("variant", VARIANTS)
def test_program_does_not_notice_snapshots(variant: str, new_run: Callable[..., Run]) -> None:
    run = new_run("moments", *variant.split(), compare=False)
    run.start()
    for _ in range(3):
        assert copied(snapshot(run))
    run.expect_pass()


def test_snapshot_of_a_restored_tree(new_run: Callable[..., Run]) -> None:
    run = new_run("moments", "tree", compare=False)
    run.start()
    for _ in range(2):
        images = snapshot(run)
        run.kill()
        run.restore(images)
    run.expect_pass()


@pytest.mark.parametrize("variant", ["", "tree"])
def test_snapshot_of_another_users_program(variant: str, new_run: Callable[..., Run]) -> None:
    run = new_run("moments", *variant.split(), compare=False, uid=FOREIGN_UID)
    run.start()
    images = snapshot(run)
    assert copied(images)
    run.kill()
    run.restore(images)
    run.expect_pass()


@pytest.mark.parametrize("variant", ["", "tree"])
def test_snapshot_inside_a_pid_namespace(variant: str, directory: Path) -> None:
    how = {"compare": False, "dump_options": ("--snapshot",)}
    try:
        run_in_namespace(
            directory, "left-running-then-restored", "moments", *variant.split(), **how
        )
    except Skipped as reason:
        pytest.skip(str(reason))
    assert copied(directory / "1")


# Told of a copy when it is about to write: what it has of its process, and how urgent it is.
LOOK = """
import os, sys
import crtools
from crtools.agent.copy import Copy

def give_way(self, *, nice):
    real(self, nice=nice)
    print("copy", self.pid)
    print("files", len(os.listdir(f"/proc/{self.pid}/fd")))
    print("directory", os.readlink(f"/proc/{self.pid}/cwd"))
    print("session", os.getsid(self.pid), os.getpgid(self.pid))
    print("policy", os.sched_getscheduler(self.pid))
    print("cpus", len(os.sched_getaffinity(self.pid)))
    print("oom", open(f"/proc/{self.pid}/oom_score_adj").read().strip())
    print("blocked", open(f"/proc/{self.pid}/status").read().split("SigBlk:")[1].split()[0])

real, Copy.give_way = Copy.give_way, give_way
print(crtools.snapshot(int(sys.argv[1]), sys.argv[2]).remarks)
"""


def test_a_copy_has_nothing_of_its_process_but_memory(new_run: Callable[..., Run]) -> None:
    run = new_run("moments", compare=False)
    run.start()
    os.sched_setscheduler(run.pid, os.SCHED_FIFO, os.sched_param(1))
    os.sched_setaffinity(run.pid, {min(os.sched_getaffinity(0))})
    command = [sys.executable, "-c", LOOK, str(run.pid), str(run.new_images())]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines()[:-1])
    assert said["files"] == "0"
    assert said["directory"] == "/"
    assert said["session"] == f"{said['copy']} {said['copy']}"
    assert said["policy"] == str(os.SCHED_OTHER)
    assert int(said["cpus"]) == len(os.sched_getaffinity(0))
    assert said["oom"] == "1000"
    assert int(said["blocked"], 16) | 1 << 8 | 1 << 18 == (1 << 64) - 1  # but SIGKILL, SIGSTOP
    run.expect_pass()


MEANWHILE = """
import os, signal, sys, time
import crtools
from crtools.agent.copy import Copy

def give_way(self, *, nice):
    real(self, nice=nice)
    what = sys.argv[3]
    os.kill(self.parent, signal.SIGKILL if what == "killed" else signal.SIGSTOP)
    state = "Z" if what == "killed" else "T"
    while open(f"/proc/{self.parent}/stat").read().rpartition(")")[2].split()[0] != state:
        time.sleep(0.001)

real, Copy.give_way = Copy.give_way, give_way
assert crtools.snapshot(int(sys.argv[1]), sys.argv[2]).copied == 1
"""


@pytest.mark.parametrize("what", ["killed", "stopped"])
def test_what_becomes_of_the_program_meanwhile_is_nothing_to_its_copy(
    what: str, new_run: Callable[..., Run]
) -> None:
    run = new_run("moments", compare=False)
    run.start()
    images = run.new_images()
    command = [sys.executable, "-c", MEANWHILE, str(run.pid), str(images), what]
    subprocess.run(command, check=True, timeout=60)
    if what == "stopped":
        assert collect_tree(run.pid) == [run.pid]
        stat = Path(f"/proc/{run.pid}/stat").read_text().rpartition(")")[2].split()
        assert stat[0] == "T"
    run.kill()
    run.restore(images)
    run.expect_pass()


def expect_written_while_stopped(run: Run, because: str) -> None:
    images = run.new_images()
    where = ("-t", str(run.pid), "-D", str(images), "-o", "dump.log")
    done = run.run_tool("snapshot", *where)
    assert "is written while it is stopped" in done.stderr
    assert because in done.stderr, done.stderr
    run.kill()
    run.restore(images)
    run.expect_pass()


def test_without_a_process_to_spare_nothing_is_copied(new_run: Callable[..., Run]) -> None:
    # The limit counts what a user has: one who has nothing else.
    run = new_run("moments", compare=False, uid=1_000_000_000 + os.getpid())
    limits = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (3, limits[1]))
    try:
        run.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, limits)
    expect_written_while_stopped(run, "no child can be cloned in it: Resource temporarily")


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group with 4 MiB of memory left for what is put into it later."""
    own = next(
        (
            line.split(":")[2]
            for line in Path("/proc/self/cgroup").read_text().splitlines()
            if "memory" in line.split(":")[1].split(",")
        ),
        None,
    )
    if own is None:
        pytest.skip("no memory controller of control groups, version 1")
    group = Path(f"/sys/fs/cgroup/memory{own}/crtools-{os.getpid()}")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made: {error}")
    try:
        (group / "memory.limit_in_bytes").write_text(str(4 << 20))
        yield group
    finally:
        end = time.monotonic() + 20
        while (group / "cgroup.procs").read_text() and time.monotonic() < end:
            time.sleep(0.01)
        group.rmdir()


def test_where_memory_might_not_do_nothing_is_copied(
    small_group: Path, new_run: Callable[..., Run]
) -> None:
    run = new_run("moments", compare=False)
    run.start()
    (small_group / "cgroup.procs").write_text(str(run.pid))
    expect_written_while_stopped(run, f"its control group {small_group} has")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--snapshot",), "--snapshot is for a tree that runs on"),
        (("-R", "--snapshot", "--track-mem"), "--snapshot writes all of the memory"),
        (("-R", "--snapshot", "--prev-images-dir", "x"), "--snapshot writes all of the memory"),
        (("-R", "--snapshot", "--share-pages"), "--share-pages does not go with --snapshot"),
    ],
)
def test_options_that_do_not_go_with_a_snapshot(
    options: tuple[str, ...], said: str, new_run: Callable[..., Run]
) -> None:
    run = new_run("moments", compare=False)
    run.start()
    done = run.try_dump(run.new_images(), *options)
    assert done.returncode == 1
    assert said in done.stderr
    run.expect_pass()


def chosen() -> list[Case]:
    every = os.environ.get("CRTOOLS_TEST_EVERY_PROGRAM")
    kept = [
        case
        for case in CASES
        if (every or case.words in CHOSEN) and "--share-pages" not in case.options
    ]
    assert every or {case.words for case in kept} == CHOSEN
    return [case for case in kept if "left-running-then-restored" not in case.not_in]


@pytest.mark.parametrize(
    ("case", "how"),
    [
        pytest.param(case, how, id=f"{how}-{case.words.replace(' ', '-')}")
        for case in chosen()
        for how in ("guessed", "known", *(("by-words",) if case.words == "droppable" else ()))
    ],
)
def test_any_program_survives_a_snapshot(case: Case, how: str, new_run: Callable[..., Run]) -> None:
    run = new_run(case.program, *case.args, **case.how)
    try:
        with case.place():
            run.start()
            before = run.snapshot()
            images = run.new_images()
            command = [sys.executable, "-c", ANY_SIZE, how, "snapshot", "-t", str(run.pid)]
            command += ["-D", str(images), "-o", "dump.log", "-v4", *case.options]
            run.expect_done(subprocess.run(command, capture_output=True, text=True, check=False))
            run.expect_same(before, "after a snapshot")
            run.kill()
            run.restore(images)
            run.expect_same(before, "after the restore")
            run.expect_pass()
    except Skipped as reason:
        pytest.skip(str(reason))
