"""Plans for process trees, run in a model of the kernel's rules.

Random histories of fork, setsid, setpgid, exit and wait are played in the model; the tree that they
leave is planned, the plan is played in a fresh model, in rounds whose processes take their turns at
random, and the two trees must be the same.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crtools.errors import ImageError, UnsupportedObject
from crtools.kinds.process.relations import (
    CLONE,
    EXIT,
    REAP,
    SETPGID,
    SETSID,
    SIGCHLD,
    TOOL,
    Relation,
    RelationsPlan,
    Step,
    is_orphaned,
    plan_relations,
)

INIT = 1
SHELL = 2


class Refused(Exception):
    """The model's kernel says EPERM, EINVAL, EEXIST, ECHILD or the like."""


class Process:
    def __init__(self, pid: int, parent: int, group: int, session: int, signal: int) -> None:
        self.pid = pid
        self.parent = parent
        self.group = group
        self.session = session
        self.signal = signal
        self.zombie = False
        self.subreaper = False


class Kernel:
    """kernel/fork.c, kernel/sys.c and kernel/exit.c, as far as relations go."""

    def __init__(self) -> None:
        init = Process(INIT, 0, INIT, INIT, 0)
        init.subreaper = True  # where orphans end that nobody else takes
        self.processes = {INIT: init}

    def clone(self, by: int, pid: int, *, parent: bool = False, signal: int = SIGCHLD) -> None:
        caller = self.running(by)
        if parent and (by == INIT or signal):
            raise Refused("EINVAL: CLONE_PARENT of init, or with an exit signal")
        if pid in self.numbers():
            raise Refused(f"EEXIST: {pid}")
        begetter = caller.parent if parent else by
        signal = caller.signal if parent else signal
        self.processes[pid] = Process(pid, begetter, caller.group, caller.session, signal)

    def setsid(self, pid: int) -> None:
        caller = self.running(pid)
        if caller.session == pid or any(p.group == pid for p in self.processes.values()):
            raise Refused(f"EPERM: setsid of {pid}")
        caller.session = caller.group = pid

    def setpgid(self, by: int, pid: int, group: int) -> None:
        caller, moved = self.running(by), self.processes[pid]
        if moved.parent == by:
            if moved.session != caller.session:
                raise Refused(f"EPERM: {pid} is in session {moved.session}")
        elif pid != by:
            raise Refused(f"ESRCH: {pid} is no child of {by}")
        if moved.session == pid:
            raise Refused(f"EPERM: {pid} leads a session")
        if group != pid:
            sessions = {p.session for p in self.processes.values() if p.group == group}
            if sessions != {caller.session}:
                raise Refused(f"EPERM: group {group} is in sessions {sessions}")
        moved.group = group

    def exit(self, pid: int) -> None:
        ended = self.running(pid)
        ended.zombie = True
        reaper = ended.parent
        while not self.processes[reaper].subreaper or self.processes[reaper].zombie:
            reaper = self.processes[reaper].parent
        for child in self.children(pid):
            child.parent = reaper
            child.signal = SIGCHLD
            if child.zombie and reaper == INIT:
                del self.processes[child.pid]
        if ended.parent == INIT:
            del self.processes[pid]

    def wait(self, by: int, pid: int) -> None:
        self.running(by)
        child = self.processes[pid]
        if child.parent != by or not child.zombie:
            raise Refused(f"ECHILD: {pid} is no dead child of {by}")
        del self.processes[pid]

    def running(self, pid: int) -> Process:
        if pid not in self.processes or self.processes[pid].zombie:
            raise Refused(f"{pid} does not run")
        return self.processes[pid]

    def children(self, pid: int) -> list[Process]:
        return [p for p in self.processes.values() if p.parent == pid]

    def numbers(self) -> set[int]:
        return {n for p in self.processes.values() for n in (p.pid, p.group, p.session)}

    def tree(self, root: int) -> list[Relation]:
        entries = []
        pids = [root]
        for pid in pids:
            p = self.processes[pid]
            ppid = 0 if pid == root else p.parent
            entries.append(Relation(pid=pid, ppid=ppid, pgid=p.group, sid=p.session))
            pids += [child.pid for child in self.children(pid)]
        return entries


def run(plan: RelationsPlan, chance: random.Random) -> Kernel:
    """Plays the plan, and checks what must hold whatever the tree."""
    kernel = Kernel()
    kernel.clone(INIT, SHELL)
    kernel.setsid(SHELL)
    ending = set()  # an exit may take until the parent has waited for it
    for now in plan.rounds():
        queues = [list(steps) for steps in now.values()]
        while queues:
            queue = chance.choice(queues)
            step = queue.pop(0)
            if step.kind == EXIT and chance.random() < 0.5:
                ending.add(step.by)
            else:
                if step.kind == REAP and step.pid in ending:
                    kernel.exit(step.pid)
                play(kernel, step)
            queues = [queue for queue in queues if queue]
    assert not set(plan.helpers) & set(kernel.processes)
    left = [p for p in kernel.processes.values() if p.pid not in (INIT, SHELL)]
    assert not any(p.subreaper or p.zombie for p in left)
    assert all(p.signal == SIGCHLD for p in left)
    made = [step.pid for step in plan.steps if step.kind == CLONE]
    assert sorted(made) == sorted(plan.pids)
    return kernel


def play(kernel: Kernel, step: Step) -> None:
    by = SHELL if step.by == TOOL else step.by
    match step.kind:
        case "clone":
            kernel.clone(by, step.pid, parent=step.clone_parent, signal=step.exit_signal)
        case "setsid":
            kernel.setsid(by)
        case "setpgid":
            kernel.setpgid(by, step.pid, step.pgid)
        case "subreaper":
            kernel.running(by).subreaper = step.on
        case "exit":
            kernel.exit(by)
        case "reap":
            kernel.wait(by, step.pid)


def tree(*rows: tuple[int, int, int, int]) -> list[Relation]:
    return [Relation(pid=pid, ppid=ppid, pgid=pgid, sid=sid) for pid, ppid, pgid, sid in rows]


def comes_back(entries: list[Relation], **options: int) -> RelationsPlan:
    plan = plan_relations(entries, **options)
    for seed in range(3):
        kernel = run(plan, random.Random(seed))
        root = entries[0].pid
        after = kernel.tree(root)
        assert sorted(after, key=lambda e: e.pid) == sorted(entries, key=lambda e: e.pid)
        assert len(kernel.processes) == len(entries) + 2
    # In the order that it is written in, too.
    kernel = Kernel()
    kernel.clone(INIT, SHELL)
    kernel.setsid(SHELL)
    for step in plan.steps:
        play(kernel, step)
    return plan


def kinds(plan: RelationsPlan) -> list[str]:
    return [step.kind for step in plan.steps]


def test_three_hundred_processes_cost_three_hundred_clones_and_one_setsid():
    entries = tree((1000, 0, 1000, 1000), *((p, 1000, 1000, 1000) for p in range(1001, 1300)))
    plan = comes_back(entries)
    assert kinds(plan) == [CLONE, SETSID, *[CLONE] * 299]
    assert len(plan.rounds()) == 2


def test_a_chain_needs_one_round_a_generation_and_no_more_calls():
    entries = tree((10, 0, 10, 10), *((p, p - 1, 10, 10) for p in range(11, 110)))
    assert kinds(comes_back(entries)).count(SETPGID) == 0


def test_jobs_of_a_shell_are_put_into_their_groups_by_it_in_one_round():
    entries = tree((10, 0, 10, 10), (11, 10, 11, 10), (12, 10, 11, 10), (13, 12, 11, 10))
    plan = comes_back(entries)
    assert kinds(plan).count(SETPGID) == 2
    assert len(plan.rounds()) == 3


def test_a_group_whose_leader_is_a_younger_sibling_is_joined_when_that_is_there():
    plan = comes_back(tree((10, 0, 10, 10), (11, 10, 12, 10), (12, 10, 12, 10), (13, 11, 12, 10)))
    assert kinds(plan).count(SETPGID) == 2


def test_a_child_of_another_session_is_begotten_before_its_parent_calls_setsid():
    entries = tree((10, 0, 10, 10), (11, 10, 11, 11), (12, 11, 10, 10), (13, 11, 11, 11))
    plan = comes_back(entries)
    assert not plan.helpers
    steps = [(s.kind, s.pid) for s in plan.steps if s.by == 11]
    assert steps == [(CLONE, 12), (SETSID, 11), (CLONE, 13)]


def test_leaders_below_leaders_pass_the_session_of_a_grandchild_on():
    entries = tree((10, 0, 10, 10), (11, 10, 11, 11), (12, 11, 12, 12), (13, 12, 10, 10))
    assert not comes_back(entries).helpers


def test_a_session_whose_leader_is_gone_is_begun_by_a_helper():
    entries = tree((10, 0, 10, 10), (12, 10, 11, 11), (13, 12, 11, 11), (14, 10, 11, 11))
    plan = comes_back(entries)
    assert plan.helpers == (11,)
    assert [s.memory for s in plan.steps if s.kind == CLONE and s.pid == 12] == [10]


def test_a_group_whose_leader_is_gone_is_begun_by_a_helper():
    plan = comes_back(tree((10, 0, 10, 10), (12, 10, 11, 10), (13, 10, 11, 10)))
    assert plan.helpers == (11,)
    assert kinds(plan).count(SETPGID) == 3


def test_a_daemons_child_beside_its_leader_is_its_sibling():
    entries = tree((10, 0, 10, 10), (11, 10, 11, 11), (12, 10, 11, 11))
    plan = comes_back(entries)
    assert not plan.helpers
    step = next(s for s in plan.steps if s.pid == 12 and s.kind == CLONE)
    assert (step.by, step.clone_parent, step.exit_signal, step.memory) == (11, True, 0, 11)


def test_an_orphan_goes_past_its_sessions_living_leader_to_a_process_further_up():
    entries = tree((10, 0, 10, 10), (11, 10, 10, 10), (12, 11, 12, 12), (13, 10, 12, 12))
    plan = comes_back(entries)
    assert len(plan.helpers) == 1
    assert plan.helpers[0] >= 300


def test_numbers_of_helpers_are_free_ones():
    entries = tree((10, 0, 10, 10), (11, 10, 10, 10), (12, 11, 12, 12), (13, 10, 12, 12))
    assert plan_relations(entries, is_free=lambda pid: pid > 5000).helpers == (5001,)


def test_orphans_of_one_dead_leader_can_be_at_several_heights():
    comes_back(
        tree((10, 0, 10, 10), (11, 10, 11, 11), (12, 11, 12, 12), (13, 12, 9, 9), (14, 10, 9, 9))
    )


def test_two_processes_that_swapped_their_groups_swap_again():
    comes_back(tree((10, 0, 10, 10), (11, 10, 12, 10), (12, 10, 11, 10)))


def test_a_leader_that_left_its_group_leaves_it_again():
    comes_back(tree((10, 0, 10, 10), (11, 10, 10, 10), (12, 11, 11, 10), (13, 11, 10, 10)))


def test_without_a_shell_job_a_root_in_a_session_from_outside_is_refused():
    with pytest.raises(UnsupportedObject) as caught:
        plan_relations(tree((10, 0, 10, 7)), outer_pgid=None)
    assert "--shell-job" in caught.value.hint


def test_a_shell_job_joins_the_session_and_the_group_of_the_tool():
    entries = tree((10, 0, 8, 7), (11, 10, 11, 7), (12, 11, 8, 7), (13, 10, 13, 13), (14, 13, 8, 7))
    plan = plan_relations(entries, outer_pgid=SHELL)
    kernel = run(plan, random.Random(0))
    inside = [
        entry.but(
            pgid=SHELL if entry.pgid == 8 else entry.pgid,
            sid=SHELL if entry.sid == 7 else entry.sid,
        )
        for entry in entries
    ]
    assert sorted(kernel.tree(10), key=lambda e: e.pid) == inside
    assert not plan.helpers


def test_a_shell_job_in_a_group_from_outside_of_the_namespace_stays_in_it():
    plan = plan_relations(tree((10, 0, 0, 0), (11, 10, 11, 0), (12, 11, 11, 0)), outer_pgid=0)
    assert [step.pgid for step in plan.steps if step.kind == SETPGID] == [11]


def test_nobody_goes_back_to_a_group_from_outside_of_the_namespace():
    with pytest.raises(UnsupportedObject, match="no number here"):
        plan_relations(tree((10, 0, 10, 0), (11, 10, 0, 0)), outer_pgid=0)


def test_a_shell_job_with_a_group_of_its_own_keeps_it():
    plan = plan_relations(tree((10, 0, 10, 7), (11, 10, 10, 7)), outer_pgid=SHELL)
    assert kinds(plan) == [CLONE, SETPGID, CLONE]


@pytest.mark.parametrize(
    "entries",
    [
        tree(),
        tree((10, 0, 10, 10), (10, 10, 10, 10)),
        tree((10, 0, 10, 10), (11, 12, 10, 10), (12, 10, 10, 10)),
        tree((10, 0, 9, 10)),
        tree((10, 0, 10, 10), (11, 10, 10, 10), (12, 11, 11, 11)),
        tree((10, 0, 10, 10), (11, 10, 11, 11), (12, 11, 11, 10)),
        tree((10, 0, 10, 10), (11, 10, 9, 9), (12, 10, 9, 10)),
        tree((10, 0, 10, 10), (11, 10, 8, 9), (12, 10, 8, 10)),
        tree((10, 0, 10, 10), (-1, 10, 10, 10)),
    ],
)
def test_what_contradicts_itself_is_an_error_of_the_image(entries):
    with pytest.raises(ImageError):
        plan_relations(entries)


@pytest.mark.parametrize(
    "entries",
    [
        # 12 is in the session of its parent's cousin.
        tree(
            (10, 0, 10, 10), (11, 10, 11, 11), (12, 10, 12, 12), (13, 12, 11, 11), (14, 12, 10, 10)
        ),
        # Two children of one leader that are in two other sessions, both of leaders beside it.
        tree((10, 0, 10, 10), (11, 10, 11, 11), (12, 10, 10, 10), (13, 12, 11, 11)),
        tree((10, 0, 10, 10), (11, 10, 11, 11), (12, 11, 0, 0)),
    ],
)
def test_what_no_history_could_have_made_is_refused(entries):
    with pytest.raises(UnsupportedObject):
        plan_relations(entries)


# One step of a history: what, by whom (the how-manieth), and a second process.
ACTS = (
    "fork",
    "fork",
    "setsid",
    "setpgid",
    "setpgid",
    "exit",
    "vanish",
    "vanish",
    "wait",
    "subreaper",
)
HISTORY = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 40), st.integers(0, 40)), max_size=60
)


def live_through(history: list[tuple[str, int, int]], *, root_reaps: bool) -> Kernel:
    kernel = Kernel()
    kernel.clone(INIT, SHELL)
    kernel.setsid(SHELL)
    root = 10
    kernel.clone(SHELL, root)
    kernel.setsid(root)
    kernel.processes[root].subreaper = root_reaps
    born = [root]
    for act, one, two in history:
        by, other = born[one % len(born)], born[two % len(born)]
        try:
            if act == "fork":
                kernel.clone(by, born[-1] + 1)
                born.append(born[-1] + 1)
            elif act == "setsid":
                kernel.setsid(by)
            elif act == "setpgid" and other in kernel.processes:
                who = by if two % 3 else other
                kernel.setpgid(by, who, other if one % 2 else kernel.processes[other].group)
            elif act == "exit" and by != root:
                kernel.exit(by)
            elif act == "vanish" and by != root:
                kernel.exit(by)
                if by in kernel.processes:
                    kernel.wait(kernel.processes[by].parent, by)
            elif act == "wait" and other in kernel.processes:
                kernel.wait(by, other)
            elif act == "subreaper":
                kernel.running(by).subreaper = True
        except Refused:
            pass
    for process in kernel.processes.values():
        process.zombie = False
    return kernel


@settings(max_examples=1000)
@given(HISTORY, st.booleans())
@example(
    [
        ("fork", 0, 0),
        ("fork", 1, 0),
        ("setsid", 2, 0),
        ("fork", 2, 0),
        ("fork", 3, 0),
        ("exit", 3, 0),
        ("wait", 2, 3),
    ],
    True,
)
def test_the_tree_that_any_history_leaves_comes_back(history, root_reaps):
    comes_back(live_through(history, root_reaps=root_reaps).tree(10))


def test_ids_at_random_are_refused_or_planned_and_never_planned_wrongly():
    chance = random.Random(1)
    planned = 0
    for _ in range(3000):
        pids = list(range(10, 10 + chance.randint(2, 6)))
        rows = [(10, 0, 10, 10)]
        for pid in pids[1:]:
            sid = chance.choice([*pids, 10, pid, 5])
            pgid = pid if sid == pid else chance.choice([*pids, sid, 6])
            rows.append((pid, chance.choice([p for p in pids if p < pid]), pgid, sid))
        try:
            plan_relations(tree(*rows))
        except (ImageError, UnsupportedObject):
            continue
        comes_back(tree(*rows))
        planned += 1
    assert planned > 100


def test_group_is_orphaned_without_a_parent_in_another_group_of_its_session() -> None:
    def relation(pid: int, ppid: int, pgid: int, sid: int) -> Relation:
        return Relation(pid=pid, ppid=ppid, pgid=pgid, sid=sid)

    shell, job = relation(10, 1, 10, 10), relation(11, 10, 11, 10)
    assert is_orphaned(10, [shell, job])
    assert not is_orphaned(11, [shell, job])
    # A child in its own group: only the shell is outside of it.
    assert not is_orphaned(11, [shell, job, relation(12, 11, 11, 10)])
    # The shell has begun another session since.
    assert is_orphaned(11, [shell, relation(11, 10, 11, 11)])
    assert is_orphaned(11, [job])
