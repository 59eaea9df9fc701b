"""Plans for process trees, run by real processes: the kernel's word on test_relations.py's model.

Every process waits for its steps on a pipe of its own, all made before the first clone.
"""

from __future__ import annotations

import os
import select
import signal
import struct
import sys

import pytest

from crtools.abi import kernel
from crtools.kinds.process.relations import TOOL, Relation, RelationsPlan, Step, plan_relations

pytestmark = pytest.mark.root

SYS_wait4, SYS_prctl, SYS_clone3 = 61, 157, 435
CLONE_PARENT = 0x8000  # linux/sched.h
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
WALL = 0x40000000  # __WALL, linux/wait.h
SIGCHLD = 17


def clone(step: Step) -> int:
    """clone3(2) with set_tid: struct clone_args, linux/sched.h."""
    number = struct.pack("<i", step.pid)
    flags = CLONE_PARENT if step.clone_parent else 0
    arguments = struct.pack(
        "<11Q", flags, 0, 0, 0, step.exit_signal, 0, 0, 0, kernel.address_of(number), 1, 0
    )
    return kernel.checked(SYS_clone3, kernel.address_of(arguments), len(arguments))


class Crew:
    """The processes of a plan, and the tool, which is this one."""

    def __init__(self, plan: RelationsPlan) -> None:
        self.plan = plan
        self.orders = {pid: os.pipe() for pid in plan.pids}
        self.answers = os.pipe()
        self.alive: set[int] = set()

    def run(self) -> None:
        for now in self.plan.rounds():
            for by, steps in now.items():
                if by == TOOL:
                    for step in steps:
                        self.take(step)
                else:
                    indices = [self.plan.steps.index(step) for step in steps]
                    os.write(self.orders[by][1], struct.pack(f"<{len(indices) + 1}i", *indices, -1))
            for _ in range(sum(by != TOOL for by in now)):
                ready, _, _ = select.select([self.answers[0]], [], [], 20)
                assert ready, "a process does not answer"
                pid, failed = struct.unpack("<ii", os.read(self.answers[0], 8))
                assert failed < 0, f"{pid} cannot take {self.plan.steps[failed]}"
            for step in (step for steps in now.values() for step in steps):
                if step.kind == "clone":
                    self.alive.add(step.pid)
                elif step.kind == "reap":
                    self.alive.discard(step.pid)

    def take(self, step: Step) -> None:
        match step.kind:
            case "clone":
                if clone(step) == 0:
                    self.live(step.pid)
            case "setsid":
                os.setsid()
            case "setpgid":
                os.setpgid(step.pid, step.pgid)
            case "subreaper":
                kernel.checked(SYS_prctl, PR_SET_CHILD_SUBREAPER, int(step.on))
            case "exit":
                os.write(self.answers[1], struct.pack("<ii", step.by, -1))
                os._exit(0)
            case "reap":
                assert kernel.checked(SYS_wait4, step.pid, 0, WALL, 0) == step.pid

    def live(self, pid: int) -> None:
        """The rest of a cloned process's life."""
        try:
            for _, writing in self.orders.values() if pid == self.plan.steps[0].pid else ():
                os.close(writing)  # only the tool writes: if it dies, all end
            while order := os.read(self.orders[pid][0], 4):
                (index,) = struct.unpack("<i", order)
                if index < 0:
                    os.write(self.answers[1], struct.pack("<ii", pid, -1))
                    continue
                try:
                    self.take(self.plan.steps[index])
                except BaseException as error:
                    print(f"{pid}: {error!r}", file=sys.stderr, flush=True)
                    os.write(self.answers[1], struct.pack("<ii", pid, index))
        finally:
            os._exit(1)

    def end(self) -> None:
        """Ends every process that this started; orphans come to us (conftest makes us a reaper)."""
        for pid in sorted(self.alive):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for pid in sorted(self.alive):
            while True:
                try:
                    os.waitpid(pid, WALL)
                except ChildProcessError:
                    if not os.path.exists(f"/proc/{pid}"):
                        break
                    select.select([], [], [], 0.001)  # until its parent is gone, too
                else:
                    break
        for fd in (*self.answers, *(fd for pipe in self.orders.values() for fd in pipe)):
            os.close(fd)


def snapshot(pid: int) -> tuple[Relation, int]:
    """A process's relations and its exit signal: proc_pid_stat(5)."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    relation = Relation(pid=pid, ppid=int(fields[1]), pgid=int(fields[2]), sid=int(fields[3]))
    return relation, int(fields[35])


def free_base(count: int) -> int:
    with open("/proc/sys/kernel/pid_max") as limit:
        highest = int(limit.read())
    for base in range(min(highest, 32768) - 1000, 1000, -500):
        if not any(os.path.exists(f"/proc/{base + n}") for n in range(count)):
            return base
    raise AssertionError("no range of pids is free")


# (pid, parent, group, session): counted from a number that is free.
TREES = {
    "a shell and its jobs": [
        (0, 0, 0, 0), (1, 0, 1, 0), (2, 0, 1, 0), (3, 2, 1, 0), (4, 0, 4, 0), (5, 4, 5, 5),
    ],
    "begotten before setsid": [
        (0, 0, 0, 0), (1, 0, 1, 1), (2, 1, 2, 2), (3, 2, 0, 0), (4, 2, 2, 2),
    ],
    "a session without its leader": [
        (0, 0, 0, 0), (2, 0, 1, 1), (3, 2, 1, 1), (4, 0, 5, 1), (6, 4, 5, 1),
    ],
    "a group without its leader": [(0, 0, 0, 0), (2, 0, 1, 0), (3, 0, 1, 0), (4, 3, 1, 0)],
    "a sibling of its session's leader": [(0, 0, 0, 0), (1, 0, 1, 1), (2, 0, 1, 1), (3, 0, 3, 1)],
    "an orphan past its session's leader": [
        (0, 0, 0, 0), (1, 0, 0, 0), (2, 1, 2, 2), (3, 0, 2, 2), (4, 3, 2, 2), (5, 0, 5, 2),
    ],
    "one dead leader, members at several heights": [
        (0, 0, 0, 0), (1, 0, 1, 1), (2, 1, 2, 2), (3, 2, 9, 9), (4, 0, 9, 9), (5, 1, 8, 9),
    ],
    "groups exchanged": [(0, 0, 0, 0), (1, 0, 2, 0), (2, 0, 1, 0), (3, 1, 3, 0)],
    "everything": [
        (0, 0, 0, 0), (1, 0, 1, 1), (2, 1, 0, 0), (3, 1, 20, 1), (4, 3, 21, 1), (5, 0, 22, 22),
        (6, 5, 23, 22), (7, 0, 7, 7), (8, 7, 8, 8), (9, 0, 7, 7), (10, 0, 8, 8), (11, 10, 24, 24),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
def test_the_kernel_makes_the_planned_tree(name):
    base = free_base(30)
    entries = [
        Relation(pid=base + pid, ppid=base + ppid if pid else 0, pgid=base + pgid, sid=base + sid)
        for pid, ppid, pgid, sid in TREES[name]
    ]
    check(entries, plan_relations(entries, is_free=is_free))


def test_the_kernel_makes_a_shell_job():
    base = free_base(30)
    group, session = os.getpgrp(), os.getsid(0)
    rows = [
        (0, group, session),
        (1, base + 1, session),
        (2, group, session),
        (3, base + 9, session),
    ]
    entries = [
        Relation(pid=base + pid, ppid=base + pid - 1 if pid else 0, pgid=pgid, sid=sid)
        for pid, pgid, sid in rows
    ]
    check(entries, plan_relations(entries, outer_pgid=group, is_free=is_free))


def is_free(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


def check(entries: list[Relation], plan: RelationsPlan) -> None:
    crew = Crew(plan)
    try:
        crew.run()
        for entry in entries:
            found, exit_signal = snapshot(entry.pid)
            assert found == (entry if entry.ppid else entry.but(ppid=os.getpid()))
            assert exit_signal == SIGCHLD
        assert not [pid for pid in plan.helpers if os.path.exists(f"/proc/{pid}")]
    finally:
        crew.end()
